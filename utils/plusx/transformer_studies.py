"""Slow experiments on transformers that sort, shipped as `plusx.reference` ships those on images.

python -m plusx.transformer_studies transformer_depth    makes its file in data/reference_runs/
"""

import sys
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import partial

import torch
from torch import nn

from plusx.reference import Study, load_reference, make_reference
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


STUDIES: dict[str, Study] = {
    study.__name__: study
    for study in (
        transformer_depth,
        transformer_skips,
        transformer_wirings,
        transformer_successors,
    )
}


def load_study(name: str) -> dict[tuple[Hashable, ...], Record]:
    """The shipped records of a study, by the key of each case: see `plusx.load_reference`."""
    return load_reference(name, STUDIES)


if __name__ == "__main__":
    for study_name in sys.argv[1:] or STUDIES:
        print(make_reference(study_name, STUDIES, "plusx.transformer_studies"))
