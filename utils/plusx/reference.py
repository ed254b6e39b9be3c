"""Results of slow experiments, shipped as small files with the command that makes them.

    python -m plusx.reference degradation_grid     makes data/reference_runs/degradation_grid.json

A study is a list of cases; a file holds, for each case, what varies and the record of each seed.
The tests run a random sample of the cases anew and compare.
"""

import json
import platform
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from itertools import product
from pathlib import Path

import torch
from torch import nn

from plusx.data import load_data
from plusx.errors import ArgumentError
from plusx.experiments import from_lists, to_lists
from plusx.gates import HighwayMlp
from plusx.models import CifarResNet, Mlp
from plusx.shortcuts import GATED, JOINS, ORDERS, UnitMlp
from plusx.starts import STARTS, NormFreeMlp, zero_gamma
from plusx.training import Recipe, Record, Training

DIGITS = 4  # significant digits that are kept
LEARNING_RATES = (0.005, 0.02, 0.05, 0.2)
GRID_DEPTHS = (2, 8, 14, 20, 32, 44, 56)


@dataclass(frozen=True)
class Case:
    """One setting of a study: `key` is what varies, and the name under which it is found."""

    key: tuple[Hashable, ...]
    make_model: Callable[[], nn.Module]
    recipe: Recipe = field(default_factory=Recipe)
    data: str = "digits"
    seeds: int = 5

    def run(self, seeds: int | list[int] | None = None) -> Record:
        """Train it on the CPU, as the file was made; `seeds` may name fewer."""
        chosen = self.seeds if seeds is None else seeds
        cpu = torch.device("cpu")
        return Training(self.make_model, load_data(self.data), self.recipe, chosen, cpu).run()


def degradation_grid() -> list[Case]:
    """Dense networks by (depth, learning rate, norm, skip), for the explorer of lesson 01.

    Without a norm, gradients are clipped to length 1.
    """
    return [
        Case(
            (depth, lr, norm, skip),
            partial(Mlp, depth, skip, norm),
            Recipe(lr=lr, clip=None if norm else 1.0),
        )
        for norm, skip, lr, depth in product(
            (True, False), (False, True), LEARNING_RATES, GRID_DEPTHS
        )
    ]


def degradation_recipes() -> list[Case]:
    """Dense networks by (recipe, depth, skip): longer, with Adam, with scaled updates."""
    recipes = {
        "60 epochs, cosine": Recipe(epochs=60, schedule="cosine"),
        "Adam, 0.003": Recipe(optimiser="adam", lr=3e-3),
        "layer-scaled, 0.003": Recipe(lr=3e-3, layer_scaled=True),
    }
    return [
        Case((name, depth, skip), partial(Mlp, depth, skip), recipe)
        for (name, recipe), depth, skip in product(recipes.items(), (8, 20, 56), (False, True))
    ]


def degradation_conv() -> list[Case]:
    """The networks of He et al. for small images, on generated shapes, by (depth, skip)."""
    return [
        Case(
            (depth, skip),
            partial(CifarResNet, depth, skip=skip),
            Recipe(epochs=10),
            data="shapes",
            seeds=3,
        )
        for depth, skip in product((8, 20, 56), (False, True))
    ]


def identity_orders() -> list[Case]:
    """Residual networks by (order of norm and ReLU, depth), for lesson 04."""
    cases = [*product(ORDERS, (20, 54, 110)), ("original", 200), ("full pre-activation", 200)]
    return [Case((order, depth), partial(UnitMlp, depth, order)) for order, depth in cases]


def identity_shortcuts() -> list[Case]:
    """Residual networks of 54 layers by (shortcut, bias of its gate, learning rate)."""
    kinds = [(name, 0.0) for name in JOINS] + [
        (name, bias) for name in GATED for bias in (-2.0, -6.0)
    ]
    return [
        Case((name, bias, lr), partial(UnitMlp, 54, "original", name, bias), Recipe(lr=lr))
        for lr, (name, bias) in product((0.05, 0.01), kinds)
    ]


def identity_highway() -> list[Case]:
    """Highway networks without norm by (bias of the gates, depth), gradients clipped to 1."""
    return [
        Case((bias, depth), partial(HighwayMlp, depth, bias), Recipe(clip=1.0))
        for bias, depth in product((-6.0, -4.0, -2.0, 0.0), (10, 20, 50))
    ]


def identity_starts() -> list[Case]:
    """Residual networks of 54 layers by (start, learning rate), with norm and without."""
    nets: dict[str, Callable[[], nn.Module]] = {
        "norm, post-activation": partial(UnitMlp, 54),
        "norm, zero gamma": partial(zero_gamma, 54),
        "norm, pre-activation": partial(UnitMlp, 54, "full pre-activation"),
        **{f"no norm, {start}": partial(NormFreeMlp, 54, start) for start in STARTS},
    }
    return [
        Case((name, lr), net, Recipe(lr=lr))
        for (name, net), lr in product(nets.items(), (0.01, 0.05, 0.2, 0.5))
    ]


STUDIES = {
    study.__name__: study
    for study in (
        degradation_grid,
        degradation_recipes,
        degradation_conv,
        identity_orders,
        identity_shortcuts,
        identity_highway,
        identity_starts,
    )
}


def load_reference(name: str) -> dict[tuple[Hashable, ...], Record]:
    """The shipped records of a study, by the key of each case.

    Raises `ArgumentError` if there is no such study, or its file is missing.
    """
    if name not in STUDIES:
        raise ArgumentError(
            "no such study", expected=tuple(STUDIES), got=repr(name), where="load_reference"
        )
    path = reference_folder() / f"{name}.json"
    if not path.is_file():
        raise ArgumentError("the file of a study is missing", expected=path, where="load_reference")
    cases = json.loads(path.read_text(encoding="utf-8"))["cases"]
    return {tuple(case["key"]): from_lists(case["record"]) for case in cases}


def reference_folder() -> Path:
    """data/reference_runs in the project; beside this module where plusx was installed."""
    beside = Path(__file__).parent / "reference_runs"
    return beside if beside.is_dir() else Path(__file__).parents[2] / "data/reference_runs"


def make_reference(name: str) -> Path:
    """Run a study and write its file; prints what each case took."""
    torch.set_num_threads(1)
    made = []
    for case in STUDIES[name]():
        start = time.perf_counter()
        record = case.run()
        made.append({"key": list(case.key), "record": to_lists(record, DIGITS)})
        error = record.train_error[:, -1].mean()
        seconds = time.perf_counter() - start
        print(f"{case.key}: training error {error:.2f} %, {seconds:.1f} s", flush=True)
    about = {
        "command": f"python -m plusx.reference {name}",
        "about": " ".join(str(STUDIES[name].__doc__).split()),
        "made_with": {"python": platform.python_version(), "torch": torch.__version__},
    }
    path = reference_folder() / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = ",\n  ".join(json.dumps(case) for case in made)
    head = json.dumps(about, indent=1)[1:-2]
    path.write_text(f'{{{head},\n "cases": [\n  {lines}\n ]\n}}\n', encoding="utf-8")
    return path


if __name__ == "__main__":
    for study in sys.argv[1:] or STUDIES:
        print(make_reference(study))
