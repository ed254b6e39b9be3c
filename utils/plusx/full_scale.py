"""The papers' experiments on CIFAR-10 at their own size: many hours of a GPU, kept run by run.

    make reference-runs                                      every study, the most telling first
    make reference-runs ARGS="cifar_small --data FOLDER"     one study, images from a folder
    make reference-runs ARGS="--minutes 25"                  stop in time; a later call goes on

A study is a list of cases, as in `plusx.reference`; each seed of a case is a run with a file of its
own. A run that was stopped, or killed, goes on where it was, to the same bits; a run that has its
file is not done again.
"""

import argparse
import json
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

from plusx import checkpoints
from plusx.conv_lesions import lesion_study
from plusx.conv_units import UnitResNet
from plusx.data import Data, load_data
from plusx.device import choose_device
from plusx.errors import ArgumentError
from plusx.execution import Execution, fastest
from plusx.experiments import from_lists, to_lists
from plusx.files import forget, whole_file
from plusx.models import CifarResNet
from plusx.reference import DIGITS, Case, reference_folder
from plusx.seeds import seed_all
from plusx.surroundings import surroundings
from plusx.training import Recipe, Record, Training

# He et al. 2015, section 4.2: 64,000 steps of 128 images. All 50,000 images are trained on; the
# paper holds 5,000 of them back.
PAPER = Recipe(164, 128, 0.1, weight_decay=1e-4, schedule="steps", augment=True)
SHORT = replace(PAPER, epochs=30)
SMALL = Recipe(12, 50, 0.05, weight_decay=1e-4, augment=True)
DEPTHS = (20, 32, 44, 56, 110)
Key = tuple[Hashable, ...]


@dataclass(frozen=True)
class FullCase(Case):
    """A case on CIFAR-10; `limit` keeps that many images of each half.

    `study` is done with each trained network, and gives plain values.
    """

    data: str = "cifar10"
    seeds: int = 3
    limit: int | None = None
    study: Callable[[nn.Module, Data], dict[str, Any]] | None = None


def warmed(recipe: Recipe, depth: int) -> Recipe:
    """With 400 slow steps first, from 110 layers on. Source: He et al. 2015, section 4.2."""
    return replace(recipe, warmup=400) if depth >= 110 else recipe


def cifar_small() -> list[FullCase]:
    """Plain and residual networks by (depth, skip), on 1,000 images: for a CPU."""
    return [
        FullCase((depth, skip), partial(CifarResNet, depth, skip=skip), SMALL, limit=1000)
        for depth, skip in product((20, 56), (False, True))
    ]


def cifar_depth_short() -> list[FullCase]:
    """Plain and residual networks by (depth, skip), with 30 of the paper's 164 epochs."""
    return _by_depth(SHORT)


def cifar_depth() -> list[FullCase]:
    """Plain and residual networks by (depth, skip), with the paper's recipe: its table 6."""
    return _by_depth(PAPER)


def cifar_lesions() -> list[FullCase]:
    """A pre-activation network of 110 layers, taken apart after a short training."""
    net = partial(UnitResNet, 110, "full pre-activation")
    return [FullCase((110,), net, warmed(SHORT, 110), study=lesion_study)]


def cifar_orders() -> list[FullCase]:
    """Post- and pre-activation with bottlenecks by (order, depth), with the paper's recipe."""
    return [
        FullCase(
            (order, depth), partial(UnitResNet, depth, order, bottleneck=True), warmed(PAPER, depth)
        )
        for depth, order in product((164,), ("original", "full pre-activation"))
    ]


def cifar_shortcuts() -> list[FullCase]:
    """110 layers by (shortcut, bias of its gate), where shapes agree; option A elsewhere."""
    keys = [("identity", 0.0), ("both × 0.5", 0.0), ("shortcut × 0.5", 0.0), ("dense", 0.0)]
    keys += [("exclusive gate", -6.0), ("exclusive gate", 0.0), ("shortcut-only gate", -6.0)]
    keys += [("shortcut-only gate", 0.0), ("dropout", 0.0)]
    return [
        FullCase((name, bias), partial(UnitResNet, 110, "original", name, bias), warmed(SHORT, 110))
        for name, bias in keys
    ]


def cifar_stochastic() -> list[FullCase]:
    """110 layers by (probability that the last unit lives), with the paper's recipe."""
    return [
        FullCase((last,), partial(UnitResNet, 110, last_survival=last), warmed(PAPER, 110))
        for last in (1.0, 0.5)
    ]


def _by_depth(recipe: Recipe) -> list[FullCase]:
    return [
        FullCase((depth, skip), partial(CifarResNet, depth, skip=skip), warmed(recipe, depth))
        for depth, skip in product(DEPTHS, (False, True))
    ]


STUDIES: dict[str, Callable[[], list[FullCase]]] = {
    study.__name__: study
    for study in (
        cifar_small,
        cifar_depth_short,
        cifar_lesions,
        cifar_shortcuts,
        cifar_depth,
        cifar_orders,
        cifar_stochastic,
    )
}


@dataclass(frozen=True)
class Settings:
    """How runs are made: from which images, where, how computed, into which folder, how long."""

    folder: Path
    device: torch.device
    execution: Execution
    source: str | Path = "cifar10"
    until: float = float("inf")  # of time.monotonic()
    every_s: float = 60.0  # between two checkpoints


def file_of(folder: Path, study: str, key: Key, seed: int) -> Path:
    """Where a run is kept."""
    name = "-".join(str(part).replace(" ", "_") for part in (*key, f"seed{seed}"))
    return folder / study / f"{name}.json"


def run_case(study: str, case: FullCase, seed: int, data: Data, settings: Settings) -> bool:
    """Make one run, or go on with it; whether it is done.

    Raises `ArgumentError` if its file is there, made with other settings.
    """
    path = file_of(settings.folder, study, case.key, seed)
    seed_all(seed)  # stochastic depth and dropout draw from torch's own generator
    training = Training(
        case.make_model, data, case.recipe, [seed], settings.device, execution=settings.execution
    )
    about = _about(study, case, seed, training)
    if path.exists():
        _check(path, about)
        return True
    checkpoint, began = path.with_suffix(".pt"), time.monotonic()
    for _ in training.epochs(checkpoint, settings.every_s):
        if time.monotonic() > settings.until:
            checkpoints.save(checkpoint, training)
            return False
    content = about | {
        "notes": training.notes,
        "record": to_lists(training.record, DIGITS),
        "study": case.study(training.trained()[0], training.data) if case.study else None,
        "seconds_of_last_session": round(time.monotonic() - began, 1),
        "made_with": surroundings(settings.device),
    }
    with whole_file(path) as file:
        file.write(json.dumps(content, indent=1).encode())
    forget(checkpoint)
    return True


def _about(study: str, case: FullCase, seed: int, training: Training) -> dict[str, Any]:
    """What a run was asked to be, as JSON gives it back."""
    (net,) = training.nets.modules()
    asked = {
        "command": f"python -m plusx.full_scale {study}",
        "about": " ".join(str(STUDIES[study].__doc__).split()) if study in STUDIES else study,
        "key": list(case.key),
        "seed": seed,
        "parameters": sum(p.numel() for p in net.parameters()),
        "recipe": asdict(case.recipe),
        "execution": asdict(training.execution),
        "data": {
            "name": training.data.name,
            "training_images": len(training.data.train_labels),
            "test_images": len(training.data.test_labels),
            "digest": training.data.digest,
        },
    }
    return dict(json.loads(json.dumps(asked)))


def _check(path: Path, about: dict[str, Any]) -> None:
    kept = json.loads(path.read_text(encoding="utf-8"))
    names = [name for name in about if name != "execution" and about[name] != kept.get(name)]
    if names:
        raise ArgumentError(
            "this run was made with other settings; remove its file, or name another folder",
            expected={name: about[name] for name in names},
            got={name: kept.get(name) for name in names},
            where=str(path),
        )


def run_studies(
    studies: dict[str, Sequence[FullCase]],
    settings: Settings,
    say: Callable[[str], None] = print,
) -> bool:
    """Make all runs that are missing, the first seed of all cases first; whether all are done."""
    loaded: dict[int | None, Data] = {}
    for name, cases in studies.items():
        for seed in range(max(case.seeds for case in cases)):
            for case in (case for case in cases if seed < case.seeds):
                began = time.monotonic()
                if case.limit not in loaded:
                    loaded = {case.limit: load_data(settings.source, case.limit)}
                if not run_case(name, case, seed, loaded[case.limit], settings):
                    say(f"{name} {case.key} seed {seed}: stopped in time; call again to go on")
                    return False
                say(f"{name} {case.key} seed {seed}: {time.monotonic() - began:.0f} s")
    return True


def load_runs(study: str, folder: Path | None = None) -> dict[Key, Record]:
    """The records of a study by the key of each case, its seeds in one record.

    Empty where no run was made yet: lessons say so then. `folder` is the project's by default.
    """
    found: dict[Key, list[Record]] = {}
    for content in load_files(study, folder):
        found.setdefault(tuple(content["key"]), []).append(from_lists(content["record"]))
    return {
        key: Record(
            *(torch.cat(rows) for rows in zip(*(vars(r).values() for r in records), strict=True))
        )
        for key, records in found.items()
    }


def load_files(study: str, folder: Path | None = None) -> Iterator[dict[str, Any]]:
    """The content of each run's file, sorted by name: settings, record, study, machine."""
    for path in sorted(((folder or default_folder()) / study).glob("*.json")):
        yield json.loads(path.read_text(encoding="utf-8"))


def default_folder() -> Path:
    """Where the project keeps the runs that it ships."""
    return reference_folder() / "full_scale"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m plusx.full_scale", description=__doc__)
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(STUDIES)}")
    parser.add_argument("--data", default="cifar10", help="a folder with train/ and test/")
    parser.add_argument("--output", type=Path, default=default_folder())
    parser.add_argument("--device", type=torch.device, default=choose_device())
    parser.add_argument("--minutes", type=float, default=float("inf"))
    parser.add_argument("--exact", action="store_true", help="float32, deterministic, not compiled")
    given = parser.parse_args(arguments)
    for name in given.studies:
        if name not in STUDIES:
            parser.error(f"no study {name!r}: there are {', '.join(STUDIES)}")
    execution = Execution(deterministic=True) if given.exact else fastest(given.device)
    until = time.monotonic() + 60 * given.minutes
    settings = Settings(given.output, given.device, execution, given.data, until)
    run_studies({name: STUDIES[name]() for name in given.studies or STUDIES}, settings)


if __name__ == "__main__":
    main()
