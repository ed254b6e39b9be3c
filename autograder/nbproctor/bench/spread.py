"""From times to numbers that one may compare."""

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

__all__ = ["Spread", "differing_marks", "ratios", "steady"]

TOGETHER_S = 0.1


@dataclass(frozen=True)
class Spread:
    """A median with the lowest and the highest of `n` values."""

    middle: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Raises ValueError without values."""
        return cls(median(values), min(values), max(values), len(values))

    def text(self, digits: int = 2) -> str:
        """`0.62 (0.60 to 0.65)`; without a range that one could see, `0.62`."""
        middle, low, high = (f"{v:.{digits}f}" for v in (self.middle, self.low, self.high))
        return middle if low == high else f"{middle} ({low} to {high})"


def steady(finished: Sequence[float], workers: int) -> tuple[float, int]:
    """From when on every worker has its first submission behind it, and how many came later.

    What a run costs once (imports, the start of workers) lies before that moment. Submissions that
    end at the same moment, as those of one batch do, count as one event.

    Args:
        finished: when submissions were done, in seconds, in order.

    Raises:
        ValueError: there are too few submissions to tell.
    """
    if len(finished) <= workers:
        raise ValueError(f"{len(finished)} submissions for {workers} workers")
    since = finished[workers - 1]
    later = len(finished) - bisect.bisect_right(finished, since + TOGETHER_S)
    if later == 0:
        raise ValueError("all submissions ended at the same moment")
    return finished[-later - 1], later


def ratios(over: Mapping[int, float], under: Mapping[int, float]) -> Spread | None:
    """Quotients of two arms' values, turn by turn; None where they share no turn."""
    shared = sorted(over.keys() & under.keys())
    return Spread.of([over[turn] / under[turn] for turn in shared]) if shared else None


def differing_marks(
    one: Mapping[str, Mapping[str, float | None]], other: Mapping[str, Mapping[str, float | None]]
) -> list[str]:
    """Cells on which two arms disagree, of the students whom both have graded."""
    return [
        f"{student}, {cell}: {one[student].get(cell)} and {other[student].get(cell)}"
        for student in sorted(one.keys() & other.keys())
        for cell in sorted(one[student].keys() | other[student].keys())
        if one[student].get(cell) != other[student].get(cell)
    ]
