"""Training runs that are kept on disk and found again by their code and settings.

A second run of a lesson is instant; a changed argument, recipe, network or training loop is not.
Results that take minutes are shipped instead: see `plusx.reference`.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from shutil import rmtree
from typing import Any

import torch
from platformdirs import user_cache_path
from torch import Tensor, nn

from plusx.data import Data
from plusx.device import choose_device
from plusx.errors import ArgumentError
from plusx.execution import Execution
from plusx.files import forget, whole_file
from plusx.fingerprint import fingerprint
from plusx.models import CifarResNet, Mlp
from plusx.training import Recipe, Record, Training


def run(
    make_model: Callable[..., nn.Module] | Sequence[nn.Module],
    data: Data,
    recipe: Recipe | None = None,
    seeds: int | Sequence[int] = 5,
    device: torch.device | None = None,
    folder: Path | None = None,
    execution: Execution | None = None,
    **settings: Any,
) -> Record:
    """Train `make_model(**settings)` with several seeds, or take the record from an earlier run.

    `make_model` may be a list of networks, one for each seed, as for `Training`.
    Earlier is: with the same settings, recipe, seeds, data and kind of device, the same code of
    the network and of the training loop, and the same torch. Records are kept in `folder`, by
    default the user's cache folder; `clear_cache` empties it. A run that was stopped, or killed,
    goes on where it was seconds before. `execution` is as for `Training`.
    """
    recipe, device = recipe or Recipe(), device or choose_device()
    execution = execution or Execution()
    seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
    build = partial(make_model, **settings) if callable(make_model) else make_model
    described = (asdict(recipe), seeds, data.digest, device.type, torch.__version__, execution)
    path = (folder or cache_folder()) / f"{fingerprint(Training, build, described)}.json"
    if (found := _read(path)) is not None:
        return found
    start = time.perf_counter()
    training = Training(build, data, recipe, seeds, device, execution=execution)
    checkpoint, what = path.with_suffix(".training"), name_of(make_model, settings)
    record = training.run(checkpoint, what=what)
    forget(checkpoint)
    about = {"data": data.name, "recipe": asdict(recipe), "settings": repr(settings)}
    _write(path, about | {"seconds": time.perf_counter() - start, "record": to_lists(record)})
    return record


def name_of(make_model: object, settings: Mapping[str, Any]) -> str:
    """What is trained, for whoever waits: Mlp depth=56 skip=False."""
    name = getattr(make_model, "__name__", "networks")
    return " ".join([name, *(f"{key}={value}" for key, value in settings.items())])


def cache_folder() -> Path:
    """Where records are kept: in the user's cache folder, as this system has it."""
    return user_cache_path("plusx") / "runs"


def clear_cache() -> None:
    """Forget all records, so that the next run trains anew."""
    rmtree(cache_folder(), ignore_errors=True)


def to_lists(record: Record, digits: int | None = None) -> dict[str, list[list[float]]]:
    """A record as plain lists; `digits` rounds to that many significant digits."""

    def plain(value: Any) -> Any:
        if isinstance(value, list):
            return [plain(item) for item in value]
        return value if digits is None else float(f"{value:.{digits}g}")

    return {name: plain(tensor.tolist()) for name, tensor in vars(record).items()}


def from_lists(lists: dict[str, list[list[float]]]) -> Record:
    """The record that `to_lists` turned into lists."""
    return Record(**{name: torch.tensor(rows) for name, rows in lists.items()})


def mean_spread(values: Tensor, digits: int = 1) -> str:
    """Mean and standard deviation over seeds as text: '5.1 ± 2.0'."""
    return f"{values.mean():.{digits}f} ± {values.std():.{digits}f}"


@dataclass(frozen=True)
class Scale:
    """One size of the course's experiments on depth: data, networks, recipe, seeds."""

    data: str
    make_model: Callable[..., nn.Module]  # takes depth and skip
    depths: tuple[int, ...]
    recipe: Recipe
    seeds: int


SCALES = {
    "small": Scale("digits", Mlp, (8, 20, 56), Recipe(), seeds=10),
    # He et al. 2015, section 4.2: 64,000 steps of 128 images.
    "full": Scale(
        "cifar10",
        CifarResNet,
        (20, 32, 44, 56),
        Recipe(164, 128, 0.1, weight_decay=1e-4, schedule="steps", augment=True),
        seeds=3,
    ),
}


def choose_scale(scale: str) -> Scale:
    """ "small" for a laptop (a minute), "full" for a GPU (hours): the paper's data and recipe."""
    if scale not in SCALES:
        raise ArgumentError(
            "no such scale", expected=tuple(SCALES), got=repr(scale), where="choose_scale"
        )
    return SCALES[scale]


def _read(path: Path) -> Record | None:
    """The record in a file; None where there is none, or none that can be read."""
    try:
        return from_lists(json.loads(path.read_text(encoding="utf-8"))["record"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write(path: Path, content: dict[str, Any]) -> None:
    """Write a file in one go. Where that is not possible, the record is merely not kept."""
    try:
        with whole_file(path) as file:
            file.write(json.dumps(content).encode())
    except OSError:
        return
