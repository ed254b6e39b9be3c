"""Which submissions are to be graded: whatever the gradebook does not hold yet.

A student's result stands if it was made from what is handed in now, by the lesson, the versions and
the limits of now, in a sandbox that is strong enough, and if the graded notebook and the gradebook
still say so.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from nbproctor.course.lesson import Lesson
from nbproctor.course.notebook import HandedIn, Submission, parse_submission
from nbproctor.course.records import Report, Verdict, report_from
from nbproctor.course.sealed import digest_of
from nbproctor.course.variants import Values, draw
from nbproctor.grading.grade import Graded
from nbproctor.grading.versions import libraries_of, versions
from nbproctor.grading.work import LessonPack
from nbproctor.sandbox.plan import Level
from nbproctor.store.filing import Filing, HandIn
from nbproctor.store.ledger import Ledger, Standing, digest_of_submission, key_of
from nbproctor.store.staging import Recorded

__all__ = ["Context", "Due", "Rerun", "levels_from"]

# Verdicts that a busy or broken machine can cause.
SHAKY = (
    Verdict.TIMED_OUT,
    Verdict.OUT_OF_MEMORY,
    Verdict.KERNEL_DIED,
    Verdict.GRADER_ERROR,
)


class Rerun(StrEnum):
    """Which submissions a run grades."""

    CHANGED = "changed"
    """Those without a result that stands; from the ledger, where it has one."""
    FAILED = "failed"
    """Those too, and again whatever timed out, used too much, died, or met a grader's error."""
    ALL = "all"
    """All, again."""


@dataclass(frozen=True)
class Context:
    """All that a notebook is graded with: its id, and what stands behind it.

    Args:
        secret: of the course, from which variants are drawn; it stays in this process.
    """

    id: str
    pack: LessonPack
    lesson: Lesson
    secret: bytes | None = field(default=None, repr=False)

    def read(self, handed_in: HandedIn) -> Submission:
        return parse_submission(handed_in, self.lesson, self.pack.limits)

    def variant(self, student: str) -> Values:
        """The values that a student holds."""
        return draw(self.lesson.choices, self.secret, self.lesson.name, student)

    def take(self, filing: Filing, hand_in: HandIn) -> tuple[HandedIn, str, str]:
        """One student's notebook; digests of it as handed in, and of what is used of it."""
        handed_in, digest = filing.read(hand_in, self.lesson.name)
        handed_in = replace(handed_in, variant=self.variant(hand_in.student))
        return handed_in, digest, digest_of_submission(self.read(handed_in))


def about(pack: LessonPack) -> dict[str, object]:
    """What the results of a notebook depend on, besides submissions."""
    files = {name: _digest(data) for name, data in pack.files.items()}
    return {
        "lesson and tests": _digest(pack.source),
        "release": _digest(pack.release),
        "files": files,
        "limits": asdict(pack.limits),
        "sandbox asked for": str(pack.sandbox),
        "versions": versions(libraries_of(pack.source)),
        "name": pack.name,
    }


def levels_from(least: Level) -> tuple[Level, ...]:
    """The levels that will do where this one is asked for, the strongest first."""
    order = (Level.FULL, Level.REDUCED, Level.OFF)
    return (Level.OFF,) if least is Level.OFF else order[: order.index(least) + 1]


def is_shaky(report: Report) -> bool:
    """Whether grading again might give something else."""
    return any(result.verdict in SHAKY for result in report.results)


def is_final(report: Report) -> bool:
    """Whether no verdict is the grader's fault."""
    return all(result.verdict is not Verdict.GRADER_ERROR for result in report.results)


@dataclass(frozen=True)
class Due:
    """Says why a student is to be graded, by what stands in ledger, files and gradebook."""

    filing: Filing
    ledger: Ledger
    contexts: Mapping[str, Context]
    recorded: Recorded
    rerun: Rerun

    def look(self, hand_in: HandIn) -> tuple[str, dict[str, Report]]:
        """Why a student is to be graded, empty if not; and the reports that stand."""
        standings = self.ledger.standings(self.filing.assignment, hand_in.student)
        try:
            reports = {name: report_from(found.report) for name, found in standings.items()}
        except (KeyError, TypeError, ValueError):  # its form has changed since
            return "it was graded by another version of nbproctor", {}
        if self.rerun is Rerun.ALL:
            return "all are graded again", reports
        if self.filing.place(hand_in.student).is_disturbed:
            return "grading was interrupted", reports
        if gone := sorted(standings.keys() - set(hand_in.notebooks)):
            return f"'{gone[0]}' is no longer there", reports
        missing = [name for name in self.filing.names if name not in hand_in.notebooks]
        reasons = [self._why_missing(hand_in.student, name) for name in missing]
        for name in hand_in.notebooks:
            reasons.append(self._why(hand_in, name, standings.get(name), reports.get(name)))
        return next(filter(None, reasons), ""), reports

    def from_ledger(self, notebook: str, submission: str) -> Graded | None:
        """A result of what is used of a submission, where it need not be executed again."""
        if self.rerun is Rerun.ALL:
            return None
        for level in self._levels:
            graded = self.ledger.get(key_of(self.contexts[notebook].id, submission, level))
            if graded is not None and self._will_do(graded.report):
                return graded
        return None

    def _will_do(self, report: Report) -> bool:
        return is_final(report) and not (self.rerun is Rerun.FAILED and is_shaky(report))

    def _why(
        self, hand_in: HandIn, name: str, standing: Standing | None, report: Report | None
    ) -> str:
        if standing is None or report is None:
            return "it was not graded yet"
        path = hand_in.folder / f"{name}.ipynb"
        if standing.handed_in != digest_of(path, hand_in.folder / "timestamp.txt"):
            return "another version was handed in since"
        if standing.context != self.contexts[name].id:
            return "the lesson, a version or a limit is another one"
        if report.variant != self.contexts[name].variant(hand_in.student):
            return "the student holds another variant now"
        if standing.level not in self._levels:
            return f"it was graded in the sandbox '{standing.level}'"
        if not self._will_do(report):
            return "its verdict may be the machine's fault"
        graded = self.filing.place(hand_in.student).final / f"{name}.ipynb"
        if standing.filed != digest_of(graded):
            return "the graded notebook is missing or changed"
        return self.recorded.disagreement(report.results, hand_in.student, name)

    def _why_missing(self, student: str, name: str) -> str:
        marks = self.recorded.marks.get((student, name), {})
        if any(score != 0 for score in marks.values()):
            return f"'{name}' is not there, and has marks"
        return ""

    @cached_property
    def _levels(self) -> tuple[Level, ...]:
        return levels_from(self.filing.level)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
