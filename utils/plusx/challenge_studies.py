"""Slow experiments of lesson 09, shipped as `plusx.reference` ships others.

python -m plusx.challenge_studies challenge_depths    makes its file in data/reference_runs/
python -m plusx.challenge_studies leaderboard         makes the baselines of the leaderboard
python -m plusx.challenge_studies entry               prints the entry of the lesson's solution
"""

import json
import sys
from collections.abc import Hashable
from dataclasses import dataclass, replace
from functools import cache, partial
from itertools import product
from pathlib import Path

import torch
from torch.nn import functional as F

from plusx.challenge import build, costs_of, layers_of, stages, widest
from plusx.challenge_entry import accuracy, cell_text
from plusx.challenge_training import (
    RECIPE,
    State,
    kept_states,
    refreshed,
    running_means,
    training_data,
)
from plusx.data import Data
from plusx.reference import Study, load_reference, make_reference, reference_folder
from plusx.training import Recipe, Record, Training

BLOCKS = {  # of each stage, by kind
    "conv": (1, 3, 5),
    "residual": (1, 3, 5),
    "preactivation": (3,),
    "dense": (3,),
}
SEEDS = 3
DECAY = 0.7  # of the running mean, an epoch
Parts = list[list[str | int]]


@dataclass(frozen=True)
class ChallengeCase:
    """One network and recipe; the record has two columns, before and after training."""

    key: tuple[Hashable, ...]
    parts: Parts
    recipe: Recipe = RECIPE
    images: int = 10_000
    seeds: int = SEEDS

    def training(self, seeds: int | list[int] | None = None) -> Training:
        """On the CPU, as the file was made; `seeds` may name fewer."""
        chosen = self.seeds if seeds is None else seeds
        data = _data(self.images)
        return Training(partial(build, self.parts), data, self.recipe, chosen, torch.device("cpu"))

    def run(self, seeds: int | list[int] | None = None) -> Record:
        """Train it, and measure it before and after."""
        training = self.training(seeds)
        training.rows.append(training.measure())
        training.advance(self.recipe.epochs * training.steps_per_epoch)
        training.rows.append(training.measure())
        return training.record


@dataclass(frozen=True)
class AverageCase:
    """A network by epochs, as it is or with the running mean of its weights.

    The record has a column for each epoch; the errors in training are those of 2,000 images, from
    which the statistics of batch norm are measured, too.
    """

    key: tuple[Hashable, ...]
    parts: Parts
    recipe: Recipe
    decay: float  # 0 is the network as it is
    images: int = 10_000
    seeds: int = SEEDS

    def run(self, seeds: int | list[int] | None = None) -> Record:
        """Train it on the CPU, as the file was made; `seeds` may name fewer."""
        chosen = self.seeds if seeds is None else seeds
        kept = _kept(json.dumps(self.parts), self.recipe, self.images, json.dumps(chosen))
        rows = [
            [self._measured(state) for state in running_means(states, self.decay)]
            for states in kept
        ]
        return Record(*torch.tensor(rows).permute(2, 0, 1))

    @torch.no_grad()
    def _measured(self, state: State) -> list[float]:
        """Training loss, training error and test error of one state."""
        data = _data(self.images)
        images, labels = data.train_images[:2000], data.train_labels[:2000]
        net = refreshed(self.parts, state, images)
        errors = [
            100 - 100 * accuracy(net, *pair)
            for pair in ((images, labels), (data.test_images, data.test_labels))
        ]
        return [F.cross_entropy(net(images), labels).item(), *errors]


@cache
def _kept(parts: str, recipe: Recipe, images: int, seeds: str) -> list[list[State]]:
    """States by seed and epoch: cases that differ in what is made of them share a training."""
    cpu = torch.device("cpu")
    return kept_states(json.loads(parts), _data(images), recipe, json.loads(seeds), cpu)


@cache
def _data(images: int) -> Data:
    return training_data(images)


def widest_parts(kind: str, blocks: int) -> Parts:
    """The network of a kind and depth that is as wide as the budget allows."""
    return stages(kind, widest(kind, blocks), blocks)


EXAMPLE = widest_parts("residual", 2)  # the network of most of the lesson
ENTRY, ENTRY_RECIPE = EXAMPLE, replace(RECIPE, epochs=20)


def challenge_depths() -> list[ChallengeCase]:
    """Networks by (kind, blocks of a stage), each as wide as the budget of lesson 09 allows."""
    return [
        ChallengeCase((kind, blocks), widest_parts(kind, blocks))
        for kind, several in BLOCKS.items()
        for blocks in several
    ]


def challenge_long() -> list[ChallengeCase]:
    """One residual network by (epochs of the recipe of lesson 09): the bands are set by it."""
    return [ChallengeCase((ENTRY_RECIPE.epochs,), EXAMPLE, ENTRY_RECIPE)]


def challenge_averages() -> list[AverageCase]:
    """A residual network by (schedule of the rate, decay of the running mean of its weights)."""
    return [
        AverageCase((schedule, decay), EXAMPLE, replace(RECIPE, schedule=schedule), decay)
        for schedule, decay in product(("constant", "cosine"), (0.0, DECAY))
    ]


STUDIES: dict[str, Study] = {
    study.__name__: study for study in (challenge_depths, challenge_averages, challenge_long)
}


def load_study(name: str) -> dict[tuple[Hashable, ...], Record]:
    """The shipped records of a study, by the key of each case: see `plusx.load_reference`."""
    return load_reference(name, STUDIES)


def write_leaderboard() -> Path:
    """Write the baselines of the leaderboard: the networks of 20 layers of `challenge_depths`."""
    study, rows = load_study("challenge_depths"), []
    names = {
        "conv": "plain, 20 layers",
        "residual": "ResNet-20, narrow",
        "preactivation": "pre-activation, 20 layers",
        "dense": "dense, 20 layers",
    }
    for kind, name in names.items():
        parts = widest_parts(kind, 3)
        costs, right = costs_of(parts), 100 - study[kind, 3].test_error[:, -1]
        rows.append(
            {
                "name": name,
                "accuracy (%)": [round(value, 2) for value in right.tolist()],
                "layers": layers_of(parts),
                "parameters": costs.parameters,
                "multiply-adds": costs.multiply_adds,
            }
        )
    about = (
        f"as wide as the budget allows, trained with the lesson's recipe. Their lines go from the "
        f"worst to the best of {SEEDS} seeds, on 4,000 pictures drawn as the judge's are."
    )
    content = {
        "command": "python -m plusx.challenge_studies leaderboard", "about": about, "rows": rows
    }  # fmt: skip
    path = reference_folder().parent / "leaderboards" / "09_depth_challenge.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def print_entry() -> None:
    """Train the entry of the lesson's solution, and print the text of its cell."""
    torch.set_num_threads(1)
    training = ChallengeCase(("entry",), ENTRY, ENTRY_RECIPE).training([0])
    training.advance(ENTRY_RECIPE.epochs * training.steps_per_epoch)
    training.measure()  # leaves batch norm's statistics measured anew
    print(cell_text(ENTRY, training.trained()[0]))


if __name__ == "__main__":
    for asked in sys.argv[1:] or STUDIES:
        if asked == "entry":
            print_entry()
        else:
            leaderboard = asked == "leaderboard"
            print(
                write_leaderboard()
                if leaderboard
                else make_reference(asked, STUDIES, "plusx.challenge_studies")
            )
