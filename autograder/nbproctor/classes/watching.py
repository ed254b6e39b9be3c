"""What one sees of a class being graded: a bar, lines for a program, or nothing."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from tqdm import tqdm

from nbproctor.course.records import Report

__all__ = ["Bar", "How", "Lines", "Outcome", "Quiet", "Summary", "Watch", "summary_lines"]


class How(StrEnum):
    """How a submission came by its marks in a run."""

    GRADED = "graded"
    LEDGER = "from the ledger"
    UNCHANGED = "unchanged"
    NO_MARK = "no mark"


@dataclass(frozen=True)
class Outcome:
    """What a run did for one student. `error` says why there is no mark, or no fair one."""

    student: str
    how: How
    reports: Mapping[str, Report] = field(default_factory=dict)
    error: str = ""

    @property
    def verdicts(self) -> Counter[str]:
        """How often each verdict was given."""
        return Counter(str(c.verdict) for r in self.reports.values() for c in r.results)

    def as_dict(self) -> dict[str, Any]:
        cells = [cell for report in self.reports.values() for cell in report.results]
        return {
            "student": self.student,
            "how": str(self.how),
            "score": sum(cell.score or 0.0 for cell in cells),
            "max_score": sum(cell.points for cell in cells),
            "notebooks": {name: _of(report) for name, report in self.reports.items()},
            "error": self.error,
        }


def _of(report: Report) -> dict[str, Any]:
    cells = {cell.grade_id: [str(cell.verdict), cell.score] for cell in report.results}
    told = {"sandbox": report.sandbox, "notes": list(report.notes)}
    return {"cells": cells, "seconds": round(report.seconds, 3), **told}


@dataclass
class Summary:
    """A run in numbers. `without` says of each student without a fair mark why that is."""

    lesson: str
    students: int = 0
    how: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)
    without: dict[str, str] = field(default_factory=dict)
    without_feedback: dict[str, str] = field(default_factory=dict)
    not_reached: int = 0
    seconds: float = 0.0

    @property
    def is_complete(self) -> bool:
        """Whether every submission has a mark."""
        return not self.without and not self.not_reached

    def as_dict(self) -> dict[str, Any]:
        told = dict(vars(self)) | {"how": dict(self.how), "verdicts": dict(self.verdicts)}
        return {"summary": told | {"complete": self.is_complete}}


class Watch(Protocol):
    """Is told what happens in a run."""

    def begin(self, students: int) -> None: ...

    def see(self, outcome: Outcome) -> None: ...

    def say(self, text: str) -> None:
        """Something that a person should read."""
        ...

    def end(self, summary: Summary) -> None: ...


class Quiet:
    """Says only what somebody has to do something about, on stderr."""

    def begin(self, students: int) -> None:
        pass

    def see(self, outcome: Outcome) -> None:
        if outcome.error:
            self.say(f"{outcome.student}: {outcome.error}")

    def say(self, text: str) -> None:
        print(f"nbproctor: {text}", file=sys.stderr)

    def end(self, summary: Summary) -> None:
        pass


class Lines(Quiet):
    """One line of JSON on stdout for each submission, and one for the run."""

    def see(self, outcome: Outcome) -> None:
        print(json.dumps(outcome.as_dict()), flush=True)

    def end(self, summary: Summary) -> None:
        print(json.dumps(summary.as_dict()), flush=True)


class Bar(Quiet):
    """A bar with counts of verdicts and the time that is left; a summary in the end."""

    def __init__(self) -> None:
        self.verdicts: Counter[str] = Counter()
        self.bar: tqdm[Any] | None = None

    def begin(self, students: int) -> None:
        self.bar = tqdm(total=students, unit="submission", disable=None, smoothing=0.05)

    def see(self, outcome: Outcome) -> None:
        assert self.bar is not None
        super().see(outcome)
        self.verdicts += outcome.verdicts
        counts = ", ".join(f"{count} {name}" for name, count in self.verdicts.most_common(4))
        self.bar.set_postfix_str(counts, refresh=False)
        self.bar.update()

    def say(self, text: str) -> None:
        tqdm.write(f"nbproctor: {text}", file=sys.stderr)

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()

    def end(self, summary: Summary) -> None:
        self.close()
        print("\n".join(summary_lines(summary)))


def summary_lines(summary: Summary) -> list[str]:
    """A run for a terminal."""
    how = ", ".join(f"{count} {name}" for name, count in summary.how.items())
    verdicts = ", ".join(f"{count} {name}" for name, count in summary.verdicts.most_common())
    lines = [f"{summary.lesson}: {summary.students} submissions: {how or 'none'}"]
    lines += [f"cells: {verdicts}"] if verdicts else []
    if summary.not_reached:
        lines.append(f"{summary.not_reached} were not reached: the same command goes on with them")
    lines += [f"without a mark: {name}: {why}" for name, why in summary.without.items()]
    return [*lines, f"done in {summary.seconds:.1f} s"]
