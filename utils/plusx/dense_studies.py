"""Slow experiments of lesson 07, shipped as `plusx.reference` ships those on images.

python -m plusx.dense_studies unet_skips    makes its file in data/reference_runs/
"""

import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from itertools import product

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.denoising import Denoiser, DenoisingRecipe, DenoisingTraining
from plusx.dense import DenseNet
from plusx.reference import Case, Study, load_reference, make_reference
from plusx.segmentation import SegmentationRecipe, SegmentationTraining
from plusx.training import Recipe, Record
from plusx.unet import UNet

DEPTHS = (1, 2, 3)  # halvings
WIDTHS = {"concat": 6, "add": 7, "none": 7}  # channels at full size: "concat" has fewest weights
JOINS = ("concat", "add", "none")
RATES = (0.05, 0.2, 0.8)
LAYERS = 8


class JoinedNet(nn.Module):
    """The branch of a dense layer `layers` times, at one width: added to the stream, or not.

    x (B, in_channels, H, W) -> logits (B, classes). The twin of a small `DenseNet`.
    """

    def __init__(
        self, skip: bool, layers: int = LAYERS, width: int = 13, inner: int = 8, classes: int = 10
    ) -> None:
        super().__init__()
        self.skip = skip
        self.stem = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Conv2d(width, inner, 1, bias=False),
                nn.BatchNorm2d(inner),
                nn.ReLU(),
                nn.Conv2d(inner, width, 3, padding=1, bias=False),
            )
            for _ in range(layers)
        )
        self.norm, self.head = nn.BatchNorm2d(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (B, width, H, W)
        for branch in self.branches:
            x = x + branch(x) if self.skip else branch(x)
        return self.head(F.relu(self.norm(x)).mean(dim=(2, 3)))  # (B, classes)


class TransposedUNet(UNet):
    """A U-Net that enlarges by transposed convolutions, as the paper does; sizes must divide."""

    def __init__(self, width: int, depth: int, skip: str) -> None:
        super().__init__(width=width, depth=depth, skip=skip)
        widths = [width * 2**level for level in reversed(range(depth))]
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * C, C, 2, stride=2) for C in widths)


@dataclass(frozen=True)
class SegmentationCase:
    """One setting of a study on `make_scenes`, as `plusx.reference.Case` is one on images."""

    key: tuple[Hashable, ...]
    make_model: Callable[[], nn.Module]
    recipe: SegmentationRecipe = field(default_factory=SegmentationRecipe)
    seeds: int = 5

    def run(self, seeds: int | list[int] | None = None) -> Record:
        """Train it on the CPU, as the file was made; `seeds` may name fewer."""
        chosen = self.seeds if seeds is None else seeds
        cpu = torch.device("cpu")
        return SegmentationTraining(self.make_model, self.recipe, chosen, cpu).run()


@dataclass(frozen=True)
class DenoisingCase:
    """One setting of a study on `DenoisingTraining`, as `plusx.reference.Case` is one on images."""

    key: tuple[Hashable, ...]
    make_model: Callable[[], nn.Module]
    recipe: DenoisingRecipe = field(default_factory=DenoisingRecipe)
    seeds: int = 3

    def run(self, seeds: int | list[int] | None = None) -> Record:
        """Train it on the CPU, as the file was made; `seeds` may name fewer."""
        chosen = self.seeds if seeds is None else seeds
        cpu = torch.device("cpu")
        return DenoisingTraining(self.make_model, self.recipe, chosen, cpu).run()


def unet_skips() -> list[SegmentationCase]:
    """Finding shapes by (skip, halvings, how pixels are enlarged, epochs); error: 100 (1 - IoU)."""
    cases = [
        SegmentationCase(
            (skip, depth, "repeat", 8), partial(UNet, width=WIDTHS[skip], depth=depth, skip=skip)
        )
        for skip, depth in product(WIDTHS, DEPTHS)
    ]
    for epochs in (8, 24):
        make = partial(TransposedUNet, 7, 2, "none")
        recipe = SegmentationRecipe(epochs=epochs)
        cases.append(SegmentationCase(("none", 2, "transposed", epochs), make, recipe))
    return cases


def dense_joins() -> list[Case]:
    """Eight layers on digits by (how a layer joins the others, learning rate)."""
    makers: dict[str, Callable[[], nn.Module]] = {
        "concat": partial(DenseNet, (LAYERS,), 4, 8, 10, small=True, in_channels=1),
        "add": partial(JoinedNet, True),
        "none": partial(JoinedNet, False),
    }
    return [
        Case((join, lr), makers[join], Recipe(lr=lr, schedule="cosine"))
        for join, lr in product(JOINS, RATES)
    ]


def denoiser_skips() -> list[DenoisingCase]:
    """Finding the noise in digits by skip; error is the percentage of its variance that is left."""
    widths = {"concat": 10, "add": 11, "none": 11}
    return [DenoisingCase((skip,), partial(Denoiser, skip, C)) for skip, C in widths.items()]


STUDIES: dict[str, Study] = {
    study.__name__: study for study in (unet_skips, dense_joins, denoiser_skips)
}


def load_study(name: str) -> dict[tuple[Hashable, ...], Record]:
    """The shipped records of a study, by the key of each case: see `plusx.load_reference`."""
    return load_reference(name, STUDIES)


if __name__ == "__main__":
    for study_name in sys.argv[1:] or STUDIES:
        print(make_reference(study_name, STUDIES, "plusx.dense_studies"))
