"""Lesson 05's lesion study on convolutional networks: shipped when small, trained here when full.

    python -m plusx.unraveled_conv unraveled_conv     makes data/reference_runs/unraveled_conv.json

The networks are those of He et al. 2015 (arXiv 1512.03385, section 4.2), residual and plain. A
residual block that is left out leaves its shortcut behind, which subsamples and pads where the
shape changes. A plain block can be left out only where it keeps the shape.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from plusx.data import Data, load_data
from plusx.device import choose_device
from plusx.errors import ArgumentError
from plusx.experiments import SCALES
from plusx.models import CifarResNet
from plusx.reference import Study, make_reference, reference_folder
from plusx.trained import trained_networks
from plusx.training import Recipe, Training
from plusx.unraveled import Specimen

KINDS = ((True, 9), (True, 2), (False, 2))  # (skip, blocks in each of three stages)
COUNTS = (1, 3, 6, 9, 12, 15, 18, 21, 24, 27)  # blocks that are left out together
DRAWS = 10  # random choices of them
IMAGES = 2000  # test images on which lesions are judged, at most


class ConvNet(CifarResNet):
    """`CifarResNet` of 6 * stage + 2 layers, for any number of colours, to be taken apart.

    x (B, colours, H, W) -> logits (B, classes).
    """

    def __init__(self, stage: int, skip: bool, colours: int = 1, classes: int = 10) -> None:
        super().__init__(6 * stage + 2, classes=classes, skip=skip)
        conv = nn.Conv2d(colours, 16, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(conv.weight)
        self.stem = nn.Sequential(conv, *self.stem[1:])

    def run(self, x: Tensor, blocks: Iterable[nn.Module]) -> Tensor:
        """The logits with other blocks than its own between stem and head."""
        x = self.stem(x)  # (B, 16, H, W)
        for block in blocks:
            x = block(x)
        return self.head(x.mean(dim=(2, 3)))  # (B, classes)


@dataclass(frozen=True)
class LesionRecord:
    """Test errors in percent of the networks of several seeds, whole and with blocks left out.

    test_error (seeds, 1): whole. without_one (seeds, blocks): NaN where a block cannot be left
    out. without_some (seeds, counts): as many as COUNTS says, mean over random choices; the
    counts end where the network does, and a plain one has none.
    """

    test_error: Tensor
    without_one: Tensor
    without_some: Tensor


@dataclass(frozen=True)
class LesionCase:
    """Networks of one kind; `key` is (skip, blocks in each stage)."""

    key: tuple[bool, int]
    recipe: Recipe
    data: str | Path = "digits"
    seeds: int = 5

    def run(self, seeds: int | list[int] | None = None) -> LesionRecord:
        """Train and operate on the CPU, as the file was made; `seeds` may name fewer."""
        chosen, data = self.seeds if seeds is None else seeds, load_data(self.data)
        training = Training(self._maker(data), data, self.recipe, chosen, torch.device("cpu"))
        training.advance(self.recipe.epochs * training.steps_per_epoch)
        return operate(training.trained(), data)

    def run_once(self) -> LesionRecord:
        """Train on the best device there is, or find the networks of an earlier call; operate."""
        data = load_data(self.data)
        nets = trained_networks(self._maker(data), data, self.recipe, self.seeds)
        return operate(nets, data)

    def _maker(self, data: Data) -> partial[ConvNet]:
        skip, stage = self.key
        return partial(ConvNet, stage, skip, data.train_images.shape[1], len(data.classes))


def operate(nets: Sequence[Any], data: Data) -> LesionRecord:
    """Leave out every block in turn, and some at random, of trained networks of one kind."""
    device = choose_device()
    images, labels = (half[:IMAGES].to(device) for half in (data.test_images, data.test_labels))
    patients = [Specimen(net.to(device), images, labels) for net in nets]
    rows = [(_whole(p), _without_one(p), _without_some(p, n)) for n, p in enumerate(patients)]
    return LesionRecord(*(torch.stack(column) for column in zip(*rows, strict=True)))


def _whole(patient: Specimen) -> Tensor:
    return torch.tensor([patient.error(patient.blocks)])


def _without_one(patient: Specimen) -> Tensor:
    return torch.tensor([_error(patient, {place}) for place in range(len(patient.blocks))])


def _without_some(patient: Specimen, seed: int) -> Tensor:
    """(counts,): the mean error over random choices; nothing for plain blocks."""
    blocks, draw = patient.blocks, torch.Generator().manual_seed(seed)
    counts = [k for k in COUNTS if k <= len(blocks) and blocks[0].shortcut is not None]
    means = []
    for k in counts:
        choices = [torch.randperm(len(blocks), generator=draw)[:k].tolist() for _ in range(DRAWS)]
        means.append(sum(_error(patient, set(gone)) for gone in choices) / DRAWS)
    return torch.tensor(means)


def _error(patient: Specimen, gone: set[int]) -> float:
    """The error in percent without some blocks; NaN if one of them cannot be left out."""
    blocks = [remains(b) if place in gone else b for place, b in enumerate(patient.blocks)]
    whole = [block for block in blocks if block is not None]
    return patient.error(whole) if len(whole) == len(blocks) else float("nan")


def remains(block: Any) -> nn.Module | None:
    """What is left of a `BasicBlock` without its branch, or None where nothing has the right shape.

    That is the shortcut: the ReLU behind the sum changes nothing, since what comes in has passed
    one already.
    """
    if block.shortcut is not None:
        return block.shortcut
    conv = block.branch[0]
    keeps_shape = conv.stride == (1, 1) and conv.in_channels == conv.out_channels
    return nn.Identity() if keeps_shape else None


def cases(scale: str = "small", source: str | Path | None = None) -> list[LesionCase]:
    """The study at a scale: "small" for a CPU core (minutes), "full" for a GPU (hours).

    "full" has the data and the recipe of He et al. 2015. `source` is another data set, or a folder
    of images, as in `load_data`.
    """
    if scale not in SCALES:
        raise ArgumentError("no such scale", expected=tuple(SCALES), got=repr(scale), where="cases")
    if scale == "small":
        return [LesionCase(key, Recipe(epochs=10), source or "digits") for key in KINDS]
    full = SCALES["full"]
    return [LesionCase(key, full.recipe, source or full.data, full.seeds) for key in KINDS]


def unraveled_conv() -> list[LesionCase]:
    """Convolutional networks on digits by (skip, blocks in each stage), with blocks left out."""
    return cases()


STUDIES: dict[str, Study] = {"unraveled_conv": unraveled_conv}


def lesion_study(
    scale: str = "small", source: str | Path | None = None
) -> dict[tuple[bool, int], LesionRecord]:
    """The study by the key of each case: shipped if small and on digits, else carried out now.

    Trained networks are kept on disk and found again.
    """
    if scale == "small" and source is None:
        return shipped()
    return {case.key: case.run_once() for case in cases(scale, source)}


def shipped() -> dict[tuple[bool, int], LesionRecord]:
    """The shipped records, by the key of each case."""
    path = reference_folder() / "unraveled_conv.json"
    found = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return {
        tuple(case["key"]): LesionRecord(
            **{name: torch.tensor(rows) for name, rows in case["record"].items()}
        )
        for case in found
    }


if __name__ == "__main__":
    for study in sys.argv[1:] or STUDIES:
        print(make_reference(study, STUDIES, "plusx.unraveled_conv"))
