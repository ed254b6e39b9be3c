"""What grading says: one verdict for every graded cell."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from nbproctor.course.variants import Values

__all__ = ["CellResult", "Report", "Verdict", "cell_result_from", "report_from"]


class Verdict(StrEnum):
    """The ways in which a graded cell can end."""

    PASSED = "passed"
    PARTIAL = "partial"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    OUT_OF_MEMORY = "out of memory"
    KERNEL_DIED = "kernel died"
    NOT_ANSWERED = "not answered"
    MANUAL = "to be graded by hand"
    GRADER_ERROR = "grader error"


@dataclass(frozen=True)
class CellResult:
    """The verdict on one graded cell.

    `score` is None for cells that a person has still to grade; `by_hand` marks all of that kind,
    also those without an answer. `message` is for the learner: it never holds
    the source of a hidden test. `facts` is what the test noted of the answer, by name.
    """

    grade_id: str
    verdict: Verdict
    score: float | None
    points: float
    message: str = ""
    seconds: float = 0.0
    by_hand: bool = False
    facts: Mapping[str, str | int | float] = field(default_factory=dict, hash=False)

    def as_dict(self) -> dict[str, Any]:
        data = {**asdict(self), "verdict": str(self.verdict)}
        return data if self.facts else {k: v for k, v in data.items() if k != "facts"}


@dataclass(frozen=True)
class Report:
    """All verdicts on one submission, and what was noticed while reading it.

    `sandbox` is the level at which the learner's code ran; `variant` has the values that the
    student holds of exercises with parameters.
    """

    lesson: str
    results: tuple[CellResult, ...]
    notes: tuple[str, ...] = field(default=())
    seconds: float = 0.0
    sandbox: str = ""
    variant: Values = field(default_factory=dict)

    @property
    def score(self) -> float:
        """Points given so far (cells graded by hand count when a person has graded them)."""
        return sum(result.score or 0.0 for result in self.results)

    @property
    def auto_points(self) -> float:
        """Points that tests can give."""
        return sum(r.points for r in self.results if not r.by_hand)

    @property
    def manual_points(self) -> float:
        """Points that a person gives."""
        return sum(r.points for r in self.results if r.by_hand)

    def as_dict(self) -> dict[str, Any]:
        results = [result.as_dict() for result in self.results]
        return {**asdict(self), "results": results, "variant": dict(self.variant)}


def cell_result_from(data: Mapping[str, Any]) -> CellResult:
    """What `CellResult.as_dict` was made from."""
    return CellResult(**{**data, "verdict": Verdict(data["verdict"])})


def report_from(data: Mapping[str, Any]) -> Report:
    """What `Report.as_dict` was made from."""
    results = tuple(cell_result_from(result) for result in data["results"])
    return Report(**{**data, "results": results, "notes": tuple(data["notes"])})
