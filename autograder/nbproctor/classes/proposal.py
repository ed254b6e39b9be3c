"""What grading a lesson again would record: old marks against new ones, nothing of it recorded.

Results come from the ledger alone. The new marks are what the gradebook itself would hold: they are
written there in a transaction, read back, and taken back. So late penalties, marks that a person
gave, and whatever else the course has set up are reckoned as they will be.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Self

import nbformat

from nbproctor.classes.desk import Desk
from nbproctor.errors import GradebookError, LedgerError, in_words
from nbproctor.grading.grade import Graded
from nbproctor.reports.class_marks import Lesson, StudentMarks, lesson_of, read_marks
from nbproctor.reports.report import message
from nbproctor.store.filing import HandIn
from nbproctor.store.ledger import key_of
from nbproctor.store.marks import Marks, MarksWriter, marks_in

__all__ = [
    "Change",
    "Proposal",
    "Snapshot",
    "first_difference",
    "propose",
    "snapshots",
    "still_to_be_recorded",
]

BATCH = 200
MOST_MESSAGE = 200


@dataclass(frozen=True)
class Snapshot:
    """One student's marks at one moment.

    Args:
        total: after the late penalty; None where there is no mark.
        cells: by notebook and cell, the score, whether a person gave it, whether one has to look.
    """

    total: float | None
    penalty: float
    timestamp: str
    cells: Mapping[str, tuple[float | None, bool, bool]]

    @classmethod
    def of(cls, marks: StudentMarks) -> Self:
        cells = {
            f"{m.notebook}/{m.grade_id}": (m.score, m.by_person, m.flagged) for m in marks.marks
        }
        return cls(marks.score, marks.late_penalty, str(marks.timestamp or ""), cells)


@dataclass(frozen=True)
class Change:
    """What would be recorded for one student.

    Args:
        reason: why the marks that stand do not hold any more.
        made_from: by notebook, digests of what was handed in and of what is used of it, and the
            ledger's key of the result.
        told: by notebook and cell, the new verdict and the first line of its message.
    """

    student: str
    reason: str
    made_from: Mapping[str, tuple[str, str, str]]
    before: Snapshot | None
    after: Snapshot
    told: Mapping[str, tuple[str, str]]

    @property
    def old_total(self) -> float | None:
        return self.before.total if self.before else None

    @property
    def difference(self) -> float:
        """Points more than before; a student without a mark had none."""
        return round((self.after.total or 0.0) - (self.old_total or 0.0), 6)

    @property
    def cells(self) -> list[tuple[str, float | None, float | None]]:
        """Cells whose score changes, with the old and the new one."""
        old = self.before.cells if self.before else {}
        pairs = [(n, old.get(n, (None,))[0], new[0]) for n, new in self.after.cells.items()]
        return [(name, was, now) for name, was, now in pairs if was != now]

    @property
    def changes_marks(self) -> bool:
        return bool(self.cells) or self.old_total != self.after.total


@dataclass(frozen=True)
class Proposal:
    """What would be recorded for a class.

    Args:
        contexts: by notebook, the ledger's name of lesson, versions and limits.
        left: students for whom nothing would be recorded, and why.
        unchanged: how many students' marks stand.
    """

    lesson: str
    points: float
    contexts: Mapping[str, str]
    changes: tuple[Change, ...] = ()
    left: Mapping[str, str] = field(default_factory=dict)
    unchanged: int = 0

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        data = json.loads(text)
        return cls(**{**data, "changes": tuple(map(_change_from, data["changes"]))})


def _change_from(data: Mapping[str, Any]) -> Change:
    before = _snapshot_from(data["before"]) if data["before"] else None
    after = _snapshot_from(data["after"])
    pairs = {name: _tuples(data[name]) for name in ("made_from", "told")}
    return Change(**{**data, **pairs, "before": before, "after": after})


def _snapshot_from(data: Mapping[str, Any]) -> Snapshot:
    return Snapshot(**{**data, "cells": _tuples(data["cells"])})


def _tuples(data: Mapping[str, Sequence[Any]]) -> dict[str, tuple[Any, ...]]:
    return {name: tuple(values) for name, values in data.items()}


@dataclass(frozen=True)
class _Due:
    """A student who would be graded, before it is known what that gives."""

    marks: Marks
    reason: str
    made_from: dict[str, tuple[str, str, str]]
    told: dict[str, tuple[str, str]]


def propose(desk: Desk) -> Proposal:
    """What grading would record, as far as the ledger knows.

    Raises:
        GradebookError: the gradebook cannot be read or locked.
    """
    due, left, unchanged = list[_Due](), dict[str, str](), 0
    for name in desk.filing.students(()):
        try:
            found = _due(desk, desk.filing.handed_in(name))
        except (GradebookError, LedgerError):
            raise
        except Exception as error:  # whatever was handed in, it is one student's
            left[name] = in_words(error)
            continue
        if isinstance(found, str):
            left[name] = found
        elif found is None:
            unchanged += 1
        else:
            due.append(found)
    contexts = {name: context.id for name, context in desk.contexts.items()}
    with _rehearsal(desk) as (connection, writer):
        lesson = lesson_of(SimpleNamespace(db=connection), desk.filing.assignment)
        before = snapshots(connection, lesson)
        for n in range(0, len(due), BATCH):
            writer.record([item.marks for item in due[n : n + BATCH]])
        after = snapshots(connection, lesson)
    changes = tuple(
        Change(name, d.reason, d.made_from, before.get(name), after[name], d.told)
        for d in due
        for name in [d.marks.student]
    )
    return Proposal(lesson.name, lesson.points, contexts, changes, left, unchanged)


def snapshots(connection: Any, lesson: Lesson) -> dict[str, Snapshot]:
    """The marks that stand, by student."""
    found = read_marks(SimpleNamespace(db=connection), lesson)
    return {marks.person.id: Snapshot.of(marks) for marks in found}


def _due(desk: Desk, hand_in: HandIn) -> _Due | str | None:
    """What would be recorded; None if the marks stand; in words, why nothing would be."""
    if not hand_in.notebooks:
        return "no notebook of this lesson was handed in"
    reason, _ = desk.due.look(hand_in)
    if not reason:
        return None
    given, made_from = {}, {}
    told: dict[str, tuple[str, str]] = {}
    for name in hand_in.notebooks:
        _, digest, submission = desk.contexts[name].take(desk.filing, hand_in)
        graded = desk.due.from_ledger(name, submission)
        if graded is None:
            return f"'{name}' has no result, or none that is fair"
        key = key_of(desk.contexts[name].id, submission, graded.report.sandbox)
        made_from[name] = (digest, submission, key)
        given[name] = marks_in(nbformat.from_dict(graded.notebook).cells)
        told |= _told(name, graded)
    missing = dict.fromkeys(name for name in desk.filing.names if name not in given)
    marks = Marks(hand_in.student, {**missing, **given}, _timestamp(desk, hand_in))
    return _Due(marks, reason, made_from, told)


def _told(notebook: str, graded: Graded) -> Iterator[tuple[str, tuple[str, str]]]:
    for result in graded.report.results:
        first = (message(result).strip().splitlines() or [""])[0][:MOST_MESSAGE]
        yield f"{notebook}/{result.grade_id}", (str(result.verdict), first)


def _timestamp(desk: Desk, hand_in: HandIn) -> datetime | None:
    """When it was handed in; a time stamp that is none is set aside when marks are recorded."""
    try:
        found: datetime | None = desk.filing.coursedir.get_existing_timestamp(str(hand_in.folder))
    except Exception:  # nbgrader 0.9.6 fails in several ways on its way to say so
        return None
    return found


@contextmanager
def _rehearsal(desk: Desk) -> Iterator[tuple[Any, MarksWriter]]:
    """A connection to the gradebook, and a writer to it, of which nothing remains."""
    engine = desk.writer.engine
    with engine.connect() as connection:
        transaction = connection.begin()
        try:
            stage: Any = _Stage(connection, engine.url)
            filing = desk.filing
            yield (
                connection,
                MarksWriter(stage, filing.assignment, filing.penalties, filing.creates_students),
            )
        finally:
            transaction.rollback()


class _Stage:
    """Stands where a writer has its engine: all it writes is one transaction of somebody else's."""

    def __init__(self, connection: Any, url: Any) -> None:
        self.connection, self.url = connection, url

    @contextmanager
    def begin(self) -> Iterator[Any]:
        yield self.connection


def still_to_be_recorded(
    shown: Proposal, now: Proposal, stands: Mapping[str, Snapshot]
) -> Proposal:
    """What of a proposal is left, where recording it was interrupted.

    Args:
        now: what would be recorded now.
        stands: the marks that the gradebook holds.
    """
    due = {change.student: change for change in now.changes}
    left = []
    for change in shown.changes:
        other = due.get(change.student)
        if stands.get(change.student) != change.after:
            left.append(change)
        elif other is not None:  # the marks stand, the files do not
            left.append(replace(change, before=other.before, reason=other.reason))
    recorded = len(shown.changes) - len(left)
    return replace(shown, changes=tuple(left), unchanged=shown.unchanged + recorded)


def first_difference(one: Proposal, other: Proposal) -> str:
    """In words, where two proposals differ; empty if they do not."""
    if one.contexts != other.contexts:
        return "the lesson, its tests, a version or a limit is another one"
    if gone := sorted(set(one.left) ^ set(other.left)):
        return f"{gone[0]}: {other.left.get(gone[0], 'can be graded now')}"
    ours, theirs = ({c.student: c for c in p.changes} for p in (one, other))
    if odd := sorted(set(ours) ^ set(theirs)):
        return f"{odd[0]} {'need not be graded any more' if odd[0] in ours else 'is due now'}"
    for name, change in ours.items():
        if change.made_from != theirs[name].made_from:
            return f"what {name} handed in, or its result, is another one"
        if change != theirs[name]:
            return f"the gradebook says something else of {name}"
    return "" if one == other else "the class is another one"
