"""What well-known mistakes would give in the lesson on the challenge; see `plusx.diagnose`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from statistics import mean, median
from typing import Any

import torch
from torch import Tensor

from plusx.challenge import CHANNELS, CLASSES, Costs, costs_of, read_parts, stages
from plusx.challenge import widest as best_width
from plusx.challenge_training import State, averaged
from plusx.data import SIDE


@dataclass(frozen=True)
class Count:
    """One way of counting by hand; the defaults are the right one."""

    kernel: int = 9
    norm: int = 2  # numbers of a norm, for each channel
    biases: int = 0  # of a convolution, for each channel
    second_reads: str = "width"  # what the second convolution of a block reads; "" for none
    first_norm: str = "channels"  # what the first norm of a pre-activated branch is as wide as
    appends: bool = True  # a dense part keeps the channels that it read
    head_norm: bool = True
    head_bias: bool = True
    head: bool = True
    halves: str = "up"  # sizes after a stride of 2: rounded "up", "down", or "late" or "never"

    def parameters(self, parts: Sequence[Sequence[object]]) -> int:
        """Trainable numbers, counted so."""
        total, channels = 0, CHANNELS
        for part in read_parts(parts):
            for read, given in self._convs(part.kind, channels, part.width):
                total += (self.kernel * read + self.biases) * given
            total += self.norm * self._normed(part.kind, channels, part.width)
            channels = self._channels(part.kind, channels, part.width)
        total += self.norm * channels * self.head_norm
        return total + (channels + self.head_bias) * CLASSES * self.head

    def multiply_adds(self, parts: Sequence[Sequence[object]]) -> int:
        """Multiply-adds of convolutions and of the dense layer, counted so."""
        total, channels, side = 0, CHANNELS, SIDE
        for part in read_parts(parts):
            before, side = side, self._smaller(side, part.stride)
            for number, (read, given) in enumerate(self._convs(part.kind, channels, part.width)):
                seen = before if self.halves == "late" and number == 0 else side
                total += self.kernel * read * given * seen**2
            channels = self._channels(part.kind, channels, part.width)
        return total + (channels + 0) * CLASSES * self.head

    def _convs(self, kind: str, channels: int, width: int) -> list[tuple[int, int]]:
        """(channels read, channels given) of each convolution of a part."""
        if kind in ("conv", "dense") or not self.second_reads:
            return [(channels, width)]
        return [(channels, width), (width if self.second_reads == "width" else channels, width)]

    def _normed(self, kind: str, channels: int, width: int) -> int:
        """Channels that the norms of a part see, all together."""
        first = channels if self.first_norm == "channels" else width
        return {
            "conv": width,
            "residual": 2 * width,
            "preactivation": first + width,
            "dense": first,
        }[kind]

    def _channels(self, kind: str, channels: int, width: int) -> int:
        return channels + width if kind == "dense" and self.appends else width

    def _smaller(self, side: int, stride: int) -> int:
        if stride == 1 or self.halves == "never":
            return side
        return side // 2 if self.halves == "down" else -(-side // 2)


RIGHT = Count()


def wrong_parameters(parts: Sequence[Sequence[object]]) -> dict[str, int]:
    """Mistakes in the parameters of a list of parts."""
    ways: dict[str, dict[str, Any]] = {
        "norms are not counted: each has a scale and a shift for every channel": {"norm": 0},
        "a norm has a scale and a shift: two numbers for every channel": {"norm": 1},
        "running mean and variance are counted: they are no parameters, no gradient moves them": {
            "norm": 4
        },
        "convolutions have no bias here": {"biases": 1},
        "a kernel has 3 x 3 weights for every pair of channels": {"kernel": 1},
        "a kernel has nine weights for every pair of channels, not three": {"kernel": 3},
        "a block has two convolutions: the second is missing": {"second_reads": ""},
        "the second convolution of a block reads what the first gives": {"second_reads": "before"},
        "the first norm of a pre-activated branch is as wide as what comes in": {
            "first_norm": "width"
        },
        "a dense part appends: width + channels leave it": {"appends": False},
        "the norm behind the last part is missing": {"head_norm": False},
        "the bias of the last layer is missing": {"head_bias": False},
        "the last layer is missing": {"head": False},
    }
    found = {name: replace(RIGHT, **way).parameters(parts) for name, way in ways.items()}
    found["these are multiply-adds"] = RIGHT.multiply_adds(parts)
    return found


def wrong_multiply_adds(parts: Sequence[Sequence[object]]) -> dict[str, int]:
    """Mistakes in the multiply-adds of a list of parts."""
    ways: dict[str, dict[str, Any]] = {
        "the stride is ignored: a stride of 2 leaves half of the rows and columns": {
            "halves": "never"
        },
        "the first convolution of a part has its stride already: count the pixels that leave it": {
            "halves": "late"
        },
        "half of an odd number of rows is rounded up: 1 becomes 1": {"halves": "down"},
        "a block has two convolutions: the second is missing": {"second_reads": ""},
        "the second convolution of a block reads what the first gives": {"second_reads": "before"},
        "a dense part appends: width + channels leave it": {"appends": False},
        "the last layer is missing: it reads one number of each channel": {"head": False},
        "a kernel has 3 x 3 weights for every pair of channels": {"kernel": 1},
    }
    found = {name: replace(RIGHT, **way).multiply_adds(parts) for name, way in ways.items()}
    right = RIGHT.multiply_adds(parts)
    found["a multiply-add counts once, not as two operations"] = 2 * right
    found["these are parameters: a weight is used at every pixel"] = RIGHT.parameters(parts)
    found["the pixels of a row are counted, not those of the image"] = _by_rows(parts)
    return found


def _by_rows(parts: Sequence[Sequence[object]]) -> int:
    """As if an image of n rows had n pixels."""
    total, channels, side = 0, CHANNELS, SIDE
    for part in read_parts(parts):
        side = RIGHT._smaller(side, part.stride)
        total += sum(9 * a * b for a, b in RIGHT._convs(part.kind, channels, part.width)) * side
        channels = RIGHT._channels(part.kind, channels, part.width)
    return total + channels * CLASSES


def wrong_widths(kind: str, blocks: int, budget: Costs) -> dict[str, int]:
    """Mistakes in the largest width that fits a budget."""

    def largest(fits: dict[str, bool]) -> int:
        width = 0
        while width < 60 and _within(costs_of(stages(kind, width + 1, blocks)), budget, **fits):
            width += 1
        return width

    right = best_width(kind, blocks, budget)
    return {
        "no width fits: return 0": max(right, 1),
        "one that needs exactly the budget fits: compare with <=": largest({"strictly": True}),
        "only parameters are compared: multiply-adds must fit as well": largest({"adds": False}),
        "only multiply-adds are compared: parameters must fit as well": largest(
            {"parameters": False}
        ),
        "this one is over the budget: it is the first that does not fit": right + 1,
        "a wider one fits": right - 1,
    }


def _within(
    costs: Costs,
    budget: Costs,
    parameters: bool = True,
    adds: bool = True,
    strictly: bool = False,
) -> bool:
    slack = int(strictly)
    return (not parameters or costs.parameters + slack <= budget.parameters) and (
        not adds or costs.multiply_adds + slack <= budget.multiply_adds
    )


def luck(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The share of splits of all numbers whose difference of means is at least the one observed.

    Splits into groups as large as `ours` and `theirs`; the observed one is among them.
    Source: Fisher 1935, "The Design of Experiments", section 21.
    """
    return _share(ours, theirs, lambda a, b: mean(a) - mean(b))


def wrong_luck(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, float]:
    """Mistakes in the share of splits."""
    right = luck(ours, theirs)
    count = sum(1 for _ in combinations(range(len(ours) + len(theirs)), len(ours)))
    return {
        "a split that gives the same difference counts: compare with >=": _share(
            ours, theirs, lambda a, b: mean(a) - mean(b), strictly=True
        ),
        "the size of the difference is compared: ours must be the better one": _share(
            ours, theirs, lambda a, b: abs(mean(a) - mean(b))
        ),
        "the difference is ours minus theirs": _share(ours, theirs, lambda a, b: mean(b) - mean(a)),
        "medians are compared: take means": _share(
            ours, theirs, lambda a, b: median(a) - median(b)
        ),
        "this is the share of the other splits": 1 - right,
        "the observed split is one of the splits": (right * count - 1) / count,
        "this is the number of splits: divide by how many there are": right * count,
        "the observed split is left out of both counts": (right * count - 1) / max(count - 1, 1),
        "the best of each group are compared: take means": _share(
            ours, theirs, lambda a, b: max(a) - max(b)
        ),
        "this is the difference itself": mean(ours) - mean(theirs),
        "this compares every number of ours with every one of theirs": sum(
            b >= a for a in ours for b in theirs
        )
        / (len(ours) * len(theirs)),
    }


def _share(ours: Sequence[float], theirs: Sequence[float], measure: object, **how: bool) -> float:
    assert callable(measure)
    everything = [*ours, *theirs]
    observed, reached, count = measure(ours, theirs), 0, 0
    for chosen in combinations(range(len(everything)), len(ours)):
        group = [everything[n] for n in chosen]
        rest = [value for n, value in enumerate(everything) if n not in chosen]
        difference = measure(group, rest)
        reached += difference > observed if how.get("strictly") else difference >= observed
        count += 1
    return reached / count


def wrong_averages(states: Sequence[State], decay: float) -> dict[str, dict[str, Tensor]]:
    """Mistakes in the running mean; entries of whole numbers are left out."""
    floats = [{k: v for k, v in s.items() if v.is_floating_point()} for s in states]
    names = list(floats[0])
    zeros = {name: torch.zeros_like(floats[0][name]) for name in names}
    from_zero = averaged([zeros, *floats], decay)
    corrected = 1 - decay ** len(floats)
    return {
        "decay and 1 - decay are swapped: decay belongs to the mean so far": averaged(
            floats, 1 - decay
        ),
        "the mean begins as zeros: it begins as the first state": from_zero,
        "the mean begins as zeros, and is corrected for that: it begins as the first state": {
            name: tensor / corrected for name, tensor in from_zero.items()
        },
        "this is the plain mean of all states": {
            name: torch.stack([state[name] for state in floats]).mean(dim=0) for name in names
        },
        "this is the last state alone": floats[-1],
        "this is the first state alone": floats[0],
        "only the last two states count": averaged(floats[-2:], decay),
        "the states run from last to first": averaged(floats[::-1], decay),
        "1 - decay is missing: the new state is added whole": _summed(floats, decay),
        "the first state is left out": averaged(floats[1:] or floats, decay),
    }


def one_entry(cases: Mapping[str, Mapping[str, Tensor]], name: str) -> dict[str, Tensor]:
    """Of whole states by mistake, one entry by mistake."""
    return {mistake: state[name] for mistake, state in cases.items()}


def _summed(states: Sequence[State], decay: float) -> dict[str, Tensor]:
    kept = dict(states[0])
    for _, state in pairwise(states):
        kept = {name: decay * kept[name] + tensor for name, tensor in state.items()}
    return kept
