"""The page that `plusx.bench_train` writes: tables of speeds, ratios and shares of the peak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from plusx.execution import Execution

GOAL = 0.97  # our loop over the minimal one
PASSES = 3  # a training step costs about three forward passes


@dataclass(frozen=True)
class Measured:
    """One network: its size, and for each arm images per second, (rounds,), and its first step."""

    parameters: int
    multiply_adds: int  # of one forward pass of one image
    speeds: Mapping[str, Tensor]
    first_s: Mapping[str, float]

    def ratio(self, arm: str, other: str) -> Tensor:
        """Speed of one arm over that of another, round by round, (rounds,)"""
        return self.speeds[arm] / self.speeds[other]

    def share(self, arm: str, peak: float) -> float:
        """Of `peak` multiply-adds per second, the part that an arm's convolutions make use of."""
        return PASSES * self.multiply_adds * self.speeds[arm].median().item() / peak


def page(
    results: Mapping[str, Measured],
    about: Mapping[str, Any],
    execution: Execution,
    peaks: Mapping[str, float],
) -> str:
    """The whole page in Markdown."""
    fast = ", ".join(f"{name} {value!r}" for name, value in vars(execution).items())
    made = ", ".join(f"{name} {value}" for name, value in about.items())
    rounds = ", ".join(f"{name} {len(m.speeds['ours'])}" for name, m in results.items())
    sections = [
        "<!-- Written by `make bench-train`: change plusx.bench_page, or measure again. -->",
        "# How fast training is",
        "    make bench-train                       this page, in six minutes",
        f"Measured: {made}. Rounds: {rounds}.",
        "## Images per second",
        _speeds(results),
        NOTES.format(fast=fast, clock=CLOCKS.get(about["device"], "by the clock")),
        "## Against the minimal loop",
        _ratios(results),
        RATIO_NOTES.format(goal=GOAL),
        "## Share of the peak",
        _shares(results, execution, peaks),
        PEAK_NOTES.format(**{name: f"{peak / 1e9:,.0f}" for name, peak in peaks.items()}),
    ]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


CLOCKS = {"cpu": "per second that the system gave to the one thread at work"}
NOTES = """
Median of the rounds, with the lowest and the highest; {clock}.
All arms take the same steps with the same network: random order, each image shifted by up to 4
pixels and mirrored or not, SGD with momentum and weight decay. Images are noise of CIFAR-10's size.

- **ours** is `plusx.training`, as the lessons call it.
- **minimal** is a loop of twenty lines for this one purpose (`plusx.train_loops`).
- **torchvision** does what its reference recipe does: pictures from a DataLoader, transformed one
  by one in this process, and loss and accuracies read after every step.
- **fast** is the same loop with the settings of `plusx.execution.fastest`; here: {fast}.
- ResNet-18 is torchvision's, with a 3x3 stem and no pooling behind it.
"""

RATIO_NOTES = """
Median of the rounds, with the lowest and the highest. Ratios are taken round by round: both loops
then met the same machine. The goal, of the first column, is {goal}.
"""

PEAK_NOTES = """
A training step is counted as three forward passes of its convolutions and dense layers; the peak
is the best of large matrix products and large convolutions on the same machine: {float32} thousand
million multiply-adds per second in float32, {bf16} in bfloat16. **First step** is the time from
nothing to the end of the first step, the compiler's included, where there is one.
"""


def _speeds(results: Mapping[str, Measured]) -> str:
    arms = list(next(iter(results.values())).speeds)
    rows = [[name, *(_spread(m.speeds[arm], 0) for arm in arms)] for name, m in results.items()]
    return _table(["", *arms], rows)


def _ratios(results: Mapping[str, Measured]) -> str:
    pairs = [("ours", "minimal"), ("ours, fast", "minimal, fast"), ("torchvision", "minimal")]
    pairs += [("ours, fast", "ours")]
    rows = []
    for name, m in results.items():
        reached = m.ratio("ours", "minimal").median().item() >= GOAL
        ratios = [_spread(m.ratio(*pair), 3) for pair in pairs]
        rows.append([name, *ratios, "reached" if reached else "missed"])
    return _table(["", *(f"{arm} / {other}" for arm, other in pairs), "goal"], rows)


def options_table(results: Mapping[str, Measured]) -> str:
    """Speed of each arm over that of the first one, round by round."""
    first, *others = next(iter(results.values())).speeds
    rows = [
        [
            name,
            *(_spread(m.ratio(arm, first), 2) for arm in others),
            f"{max(m.first_s.values()):.0f} s",
        ]
        for name, m in results.items()
    ]
    return _table(["", *(f"{arm} / {first}" for arm in others), "longest first step"], rows)


def _shares(
    results: Mapping[str, Measured], execution: Execution, peaks: Mapping[str, float]
) -> str:
    rows = [
        [
            name,
            f"{m.parameters:,}",
            f"{m.multiply_adds / 1e6:,.1f} M",
            f"{100 * m.share('ours', peaks['float32']):.1f} %",
            f"{100 * m.share('ours, fast', peaks[execution.precision]):.1f} %",
            f"{m.first_s['ours']:.1f} s",
            f"{m.first_s['ours, fast']:.1f} s",
        ]
        for name, m in results.items()
    ]
    heads = ["", "parameters", "multiply-adds", "ours, of float32's peak"]
    heads += [f"ours, fast, of {execution.precision}'s peak", "first step", "first step, fast"]
    return _table(heads, rows)


def _spread(values: Tensor, digits: int) -> str:
    middle, low, high = values.median(), values.min(), values.max()
    return f"{middle:,.{digits}f} ({low:,.{digits}f} to {high:,.{digits}f})"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
