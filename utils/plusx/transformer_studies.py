"""Slow experiments on transformers that sort, shipped as `plusx.reference` ships those on images.

python -m plusx.transformer_studies transformer_depth    makes its file in data/reference_runs/
"""

import json
import platform
import sys
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import nn

from plusx.errors import ArgumentError
from plusx.experiments import from_lists, to_lists
from plusx.reference import DIGITS, reference_folder
from plusx.sequence_training import SequenceRecipe, SequenceTraining
from plusx.sequences import Sorting
from plusx.streams import AveragedTransformer, HyperTransformer
from plusx.training import Record
from plusx.transformers import NO_SKIP, Transformer

WIRINGS = ("post", "pre", "gpt2", "rezero", "layerscale", "deepnorm", "peri")
DEPTHS = (3, 6, 12)  # blocks


@dataclass(frozen=True)
class SortingCase:
    """One setting of a study on `Sorting`, as `plusx.reference.Case` is one on images."""

    key: tuple[Hashable, ...]
    make_model: Callable[[], nn.Module]
    recipe: SequenceRecipe = field(default_factory=SequenceRecipe)
    data: str = "sorting"
    seeds: int = 5

    def run(self, seeds: int | list[int] | None = None) -> Record:
        """Train it on the CPU, as the file was made; `seeds` may name fewer."""
        chosen = self.seeds if seeds is None else seeds
        cpu = torch.device("cpu")
        return SequenceTraining(self.make_model, Sorting(), self.recipe, chosen, cpu).run()


def sorter(**settings: object) -> Callable[[], nn.Module]:
    """What makes a transformer for the sorting task."""
    return partial(Transformer, 10, 8, **settings)  # type: ignore[arg-type]


def transformer_depth() -> list[SortingCase]:
    """Sorting by (wiring, blocks, learning rate, warm-up steps): where post-norm fails."""
    cases = [("pre", blocks, 2e-3, 0) for blocks in DEPTHS]
    cases += [("post", blocks, 2e-3, warmup) for warmup in (0, 80) for blocks in DEPTHS]
    cases += [("post", 12, lr, 0) for lr in (1e-3, 5e-4)]
    return [
        SortingCase(
            key, sorter(blocks=key[1], wiring=key[0]), SequenceRecipe(lr=key[2], warmup=key[3])
        )
        for key in cases
    ]


def transformer_skips() -> list[SortingCase]:
    """Sorting with six pre-norm blocks at learning rate 0.003, by which branches have a skip."""
    recipe = SequenceRecipe(lr=3e-3)
    return [SortingCase((skips,), sorter(blocks=6, skips=skips), recipe) for skips in NO_SKIP]


def transformer_wirings() -> list[SortingCase]:
    """Sorting with 24 blocks at learning rate 0.001 without warm-up, by wiring."""
    recipe = SequenceRecipe(lr=1e-3)
    return [SortingCase((name,), sorter(blocks=24, wiring=name), recipe) for name in WIRINGS]


def transformer_successors() -> list[SortingCase]:
    """Sorting with twelve blocks at learning rate 0.002, by what carries the stream."""
    kinds: dict[str, Callable[[], nn.Module]] = {
        "pre": sorter(blocks=12),
        "parallel": sorter(blocks=12, parallel=True),
        "hyper": partial(HyperTransformer, 10, 8, blocks=12),
        "constrained": partial(HyperTransformer, 10, 8, blocks=12, constrained=True),
        "attention": partial(AveragedTransformer, 10, 8, blocks=12),
    }
    return [SortingCase((name,), make) for name, make in kinds.items()]


STUDIES = {
    study.__name__: study
    for study in (
        transformer_depth,
        transformer_skips,
        transformer_wirings,
        transformer_successors,
    )
}


def load_study(name: str) -> dict[tuple[Hashable, ...], Record]:
    """The shipped records of a study, by the key of each case.

    Raises `ArgumentError` if there is no such study.
    """
    if name not in STUDIES:
        raise ArgumentError(
            "no such study", expected=tuple(STUDIES), got=repr(name), where="load_study"
        )
    content = json.loads((reference_folder() / f"{name}.json").read_text(encoding="utf-8"))
    return {tuple(case["key"]): from_lists(case["record"]) for case in content["cases"]}


def make_study(name: str) -> Path:
    """Run a study and write its file; prints what each case took."""
    torch.set_num_threads(1)
    made = []
    for case in STUDIES[name]():
        start = time.perf_counter()
        record = case.run()
        made.append({"key": list(case.key), "record": to_lists(record, DIGITS)})
        seconds = time.perf_counter() - start
        print(f"{case.key}: error {record.test_error[:, -1].mean():.1f} %, {seconds:.0f} s")
    about = {
        "command": f"python -m plusx.transformer_studies {name}",
        "about": " ".join(str(STUDIES[name].__doc__).split()),
        "made_with": {"python": platform.python_version(), "torch": torch.__version__},
    }
    path = reference_folder() / f"{name}.json"
    lines = ",\n  ".join(json.dumps(case) for case in made)
    head = json.dumps(about, indent=1)[1:-2]
    path.write_text(f'{{{head},\n "cases": [\n  {lines}\n ]\n}}\n', encoding="utf-8")
    return path


if __name__ == "__main__":
    for study_name in sys.argv[1:] or STUDIES:
        print(make_study(study_name))
