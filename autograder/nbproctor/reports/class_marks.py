"""The marks of a class, as nbgrader's gradebook holds them.

Nothing is written here, and nothing is made up: a student who was never graded has no score.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from nbgrader import api
from sqlalchemy import Select, Table, select
from sqlalchemy.engine import make_url

from nbproctor.errors import ConfigError, GradebookError
from nbproctor.store.gradebook_rows import CELL, GRADE, STUDENT, SUBMISSION, given_score, reading
from nbproctor.store.gradebook_rows import NOTEBOOK as SUBMITTED
from nbproctor.store.places import the_one_named

__all__ = [
    "Lesson",
    "Mark",
    "Person",
    "State",
    "StudentMarks",
    "lesson_names",
    "lesson_of",
    "opened_gradebook",
    "read_marks",
]

ASSIGNMENT: Table = api.Assignment.__table__
NOTEBOOK: Table = api.Notebook.__table__


class State(StrEnum):
    """How far a student's marks for a lesson are."""

    ABSENT = "nothing handed in"
    UNGRADED = "not graded"
    WAITING = "waiting for a person"
    DONE = "graded"


@dataclass(frozen=True)
class Person:
    """A student, as the gradebook knows them. `lms_id` is the number in the learning platform."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_id: str = ""


@dataclass(frozen=True)
class Mark:
    """One graded cell's mark. `score` is None where nobody has given one.

    `flagged`: nbgrader asks a person to look; at a mark by hand too, once its cell is graded again.
    """

    notebook: str
    grade_id: str
    score: float | None
    points: float
    by_person: bool = False
    flagged: bool = False

    @property
    def waits(self) -> bool:
        """Whether there is no mark until a person gives one."""
        return self.flagged and self.score is None

    @property
    def is_old(self) -> bool:
        """Whether a person gave the mark before the cell was graded again."""
        return self.flagged and self.by_person


@dataclass(frozen=True)
class StudentMarks:
    """One student's marks for one lesson. `timestamp` (in UTC) is when it was handed in."""

    person: Person
    submitted: bool
    timestamp: datetime | None
    late_penalty: float
    marks: tuple[Mark, ...]

    @property
    def state(self) -> State:
        if not self.submitted:
            return State.ABSENT
        if all(mark.score is None for mark in self.marks):
            return State.UNGRADED
        return State.WAITING if any(mark.waits for mark in self.marks) else State.DONE

    @property
    def score(self) -> float | None:
        """Points after the late penalty, as nbgrader reckons; None where no mark was given."""
        if self.state in (State.ABSENT, State.UNGRADED):
            return None
        return max(0.0, sum(mark.score or 0.0 for mark in self.marks) - self.late_penalty)


@dataclass(frozen=True)
class Lesson:
    """A lesson as the gradebook knows it: its notebooks, and its cells with their points."""

    name: str
    notebooks: tuple[str, ...]
    cells: Mapping[tuple[str, str], float]

    @property
    def points(self) -> float:
        return sum(self.cells.values())


@contextmanager
def opened_gradebook(db_url: str) -> Iterator[Any]:
    """nbgrader's gradebook, which must be there.

    Raises:
        GradebookError: there is none (nbgrader would make one), or it cannot be read.
    """
    url = make_url(db_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").is_file():
        raise GradebookError(
            "there is no gradebook",
            expected="run: nbgrader generate_assignment LESSON",
            where=url.database,
        )
    with reading(db_url), api.Gradebook(db_url) as gradebook:
        yield gradebook


def lesson_names(gradebook: Any) -> list[str]:
    """Lessons that the gradebook knows, sorted."""
    return sorted(gradebook.db.scalars(select(ASSIGNMENT.c.name)))


def lesson_of(gradebook: Any, asked: str) -> Lesson:
    """The lesson whose name is, or begins with, what was asked for.

    Raises:
        ConfigError: the gradebook knows none of that name, or several.
    """
    otherwise = "none yet: run nbgrader generate_assignment LESSON"
    name = the_one_named(asked, lesson_names(gradebook), otherwise)
    cells: dict[tuple[str, str], float] = {}
    for kind in (api.GradeCell.__table__, api.TaskCell.__table__):
        query = (
            select(NOTEBOOK.c.name, CELL.c.name, kind.c.max_score)
            .join(ASSIGNMENT, ASSIGNMENT.c.id == NOTEBOOK.c.assignment_id)
            .join(CELL, CELL.c.notebook_id == NOTEBOOK.c.id)
            .join(kind, kind.c.id == CELL.c.id)
            .where(ASSIGNMENT.c.name == name)
        )
        cells |= {(row[0], row[1]): float(row[2] or 0.0) for row in gradebook.db.execute(query)}
    query = select(NOTEBOOK.c.name).join(ASSIGNMENT, ASSIGNMENT.c.id == NOTEBOOK.c.assignment_id)
    notebooks = gradebook.db.scalars(query.where(ASSIGNMENT.c.name == name))
    return Lesson(name, tuple(sorted(notebooks)), dict(sorted(cells.items())))


def read_marks(gradebook: Any, lesson: Lesson, only: Sequence[str] = ()) -> list[StudentMarks]:
    """The marks of all students of the gradebook, or of some, by id: three queries.

    Raises:
        ConfigError: the gradebook does not know a student who was asked for.
    """
    people = {row.id: _person(row) for row in gradebook.db.execute(select(STUDENT))}
    if unknown := sorted(set(only) - set(people)):
        raise ConfigError(f"the gradebook knows no student '{unknown[0]}'")
    handed_in = {row.student_id: row for row in gradebook.db.execute(_submissions(lesson))}
    penalties: dict[str, float] = {}
    for student, penalty in gradebook.db.execute(_penalties(lesson)):
        penalties[student] = penalties.get(student, 0.0) + (penalty or 0.0)
    marks: dict[str, dict[tuple[str, str], Mark]] = {}
    for row in gradebook.db.execute(_grades(lesson)):
        marks.setdefault(row[0], {})[row[1], row[2]] = _mark(lesson, *row[1:])
    return [
        StudentMarks(
            person=people[student],
            submitted=student in handed_in,
            timestamp=getattr(handed_in.get(student), "timestamp", None),
            late_penalty=penalties.get(student, 0.0),
            marks=tuple(
                marks.get(student, {}).get(key) or Mark(*key, None, points)
                for key, points in lesson.cells.items()
            ),
        )
        for student in sorted(only or people)
    ]


def _person(row: Any) -> Person:
    told = (row.first_name, row.last_name, row.email, row.lms_user_id)
    return Person(row.id, *(value or "" for value in told))


def _of_lesson(lesson: Lesson, *columns: Any) -> Select[Any]:
    joined = select(*columns).select_from(SUBMISSION)
    joined = joined.join(ASSIGNMENT, ASSIGNMENT.c.id == SUBMISSION.c.assignment_id)
    return joined.where(ASSIGNMENT.c.name == lesson.name)


def _submissions(lesson: Lesson) -> Select[Any]:
    return _of_lesson(lesson, SUBMISSION.c.student_id, SUBMISSION.c.timestamp)


def _penalties(lesson: Lesson) -> Select[Any]:
    columns = (SUBMISSION.c.student_id, SUBMITTED.c.late_submission_penalty)
    return _of_lesson(lesson, *columns).join(
        SUBMITTED, SUBMITTED.c.assignment_id == SUBMISSION.c.id
    )


def _grades(lesson: Lesson) -> Select[Any]:
    given = GRADE.c.auto_score, GRADE.c.manual_score, GRADE.c.extra_credit
    columns = (SUBMISSION.c.student_id, NOTEBOOK.c.name, CELL.c.name, *given)
    return (
        _of_lesson(lesson, *columns, GRADE.c.needs_manual_grade)
        .join(SUBMITTED, SUBMITTED.c.assignment_id == SUBMISSION.c.id)
        .join(NOTEBOOK, NOTEBOOK.c.id == SUBMITTED.c.notebook_id)
        .join(GRADE, GRADE.c.notebook_id == SUBMITTED.c.id)
        .join(CELL, CELL.c.id == GRADE.c.cell_id)
    )


def _mark(
    lesson: Lesson,
    notebook: str,
    cell: str,
    auto: float | None,
    manual: float | None,
    extra: float | None,
    flagged: bool | None,
) -> Mark:
    score = given_score(auto, manual, extra)
    points = lesson.cells.get((notebook, cell), 0.0)
    return Mark(notebook, cell, score, points, manual is not None, bool(flagged))
