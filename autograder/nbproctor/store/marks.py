"""Marks in nbgrader's gradebook: those of many students in one transaction, with few queries.

What is recorded is what nbgrader's own autograde records: scores, what a person has still to grade,
comments on what was not answered, late penalties by the course's plugin, zero for notebooks that
were not handed in. Marks and comments that a person gave stay.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any

from nbgrader import utils
from nbgrader.preprocessors import AssignLatePenalties
from sqlalchemy import Connection, Engine, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError

from nbproctor.errors import GradebookError
from nbproctor.store.gradebook_rows import (
    COMMENT,
    GRADE,
    NOTEBOOK,
    STUDENT,
    SUBMISSION,
    Row,
    Rows,
    Shown,
    score_of,
)

__all__ = ["Marks", "MarksWriter", "NotebookMarks", "marks_in", "open_gradebook"]

BUSY_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class NotebookMarks:
    """What grading gives to one notebook, by grade_id: scores (None: a person's), and comments."""

    scores: Mapping[str, float | None]
    comments: Mapping[str, str | None]


@dataclass(frozen=True)
class Marks:
    """What grading gives to one student for one assignment.

    Args:
        notebooks: by name; None for one that was not handed in. Others are left alone.
        timestamp: when it was handed in, in UTC; None leaves what the gradebook says.
    """

    student: str
    notebooks: Mapping[str, NotebookMarks | None]
    timestamp: datetime | None = None


def marks_in(cells: Iterable[Any], log: Any = None) -> NotebookMarks:
    """The marks that nbgrader reads from the cells of a graded notebook."""
    scores, comments = dict[str, float | None](), dict[str, str | None]()
    for cell in cells:
        if utils.is_grade(cell):
            scores[cell.metadata.nbgrader["grade_id"]] = utils.determine_grade(cell, log)[0]
        if utils.is_solution(cell) or utils.is_task(cell):
            checksum = cell.metadata.nbgrader.get("checksum")
            blank = checksum == utils.compute_checksum(cell) and not utils.is_task(cell)
            comments[cell.metadata.nbgrader["grade_id"]] = "No response." if blank else None
    return NotebookMarks(scores, comments)


def open_gradebook(db_url: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Engine:
    """The gradebook for one writer.

    SQLite then keeps a write-ahead log: nobody who reads waits, and other writers are waited for.
    """
    url = make_url(db_url)
    if url.get_backend_name() != "sqlite":
        return create_engine(url)
    engine = create_engine(url, connect_args={"timeout": busy_timeout_s})

    @event.listens_for(engine, "connect")
    def connect(connection: Any, _: object) -> None:
        connection.isolation_level = None  # transactions begin below, not when Python likes
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that begins by reading could not wait for another writer later on.
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


class MarksWriter:
    """Writes the marks of one assignment.

    Args:
        penalties: nbgrader's step that knows the course's late penalties.
        create_students: whether students that the gradebook does not know are entered there.
    """

    def __init__(
        self,
        engine: Engine,
        assignment: str,
        penalties: AssignLatePenalties,
        create_students: bool = True,
    ) -> None:
        self.engine, self.assignment, self.create_students = engine, assignment, create_students
        self.penalties = penalties
        self.penalties.init_plugin()

    def admits(self, student: str) -> bool:
        """Whether a student's marks can be recorded: all are, or those whom the gradebook knows."""
        if self.create_students:
            return True
        with self.engine.begin() as connection:
            query = select(STUDENT.c.id).where(STUDENT.c.id == student)
            return connection.execute(query).first() is not None

    def record(self, batch: Sequence[Marks]) -> None:
        """Record the marks of these students, all or none.

        Raises:
            GradebookError: the gradebook is locked, or does not know a student or a cell.
        """
        students = [marks.student for marks in batch]
        with self._rows(students, self.create_students) as rows:
            for marks in batch:
                self._record(rows, marks)
            rows.write()

    @contextmanager
    def _rows(self, students: Sequence[str], create: bool) -> Iterator[Rows]:
        try:
            with self.engine.begin() as connection:
                yield Rows(connection, self.assignment, students, create)
        except OperationalError as error:
            raise GradebookError(
                "the gradebook cannot be written", got=error.orig, where=self.engine.url
            ) from error

    def shown(self, students: Sequence[str]) -> dict[str, dict[str, Shown]]:
        """What the gradebook shows of these students, by student and notebook.

        Raises:
            GradebookError: it does not know one of them, or cannot be read.
        """
        with self._rows(students, create=False) as rows:
            return {
                student: {name: rows.shown(student, name) for name in rows.cells}
                for student in students
            }

    def _record(self, rows: Rows, marks: Marks) -> None:
        submission = rows.submission(marks.student)
        if marks.timestamp is not None:
            rows.set(SUBMISSION, submission, timestamp=marks.timestamp)
        late_s = _seconds_late(submission, rows.due)
        for name, given in marks.notebooks.items():
            notebook, grades, comments = rows.notebook(submission, name)
            if given is None:
                for grade in grades.values():
                    rows.set(GRADE, grade, auto_score=0.0, needs_manual_grade=False)
                continue
            for cell, score in given.scores.items():
                grade = rows.known(grades, cell)
                by_hand = score is None or grade["manual_score"] is not None
                rows.set(GRADE, grade, auto_score=score, needs_manual_grade=by_hand)
            for cell, text in given.comments.items():
                rows.set(COMMENT, rows.known(comments, cell), auto_comment=text)
            penalty = self._penalty(marks.student, grades.values(), late_s)
            rows.set(NOTEBOOK, notebook, late_submission_penalty=penalty)

    def _penalty(self, student: str, grades: Iterable[Row], late_s: float) -> float | None:
        """What the course's plugin takes from a notebook."""
        if late_s <= 0:
            return None
        score = sum((score_of(grade) for grade in grades), 0.0)
        penalty = self.penalties.plugin_inst.late_submission_penalty(student, score, late_s)
        if penalty is None:
            return None
        checked: float = self.penalties._check_late_penalty(SimpleNamespace(score=score), penalty)
        return checked


def _seconds_late(submission: Row, due: datetime | None) -> float:
    handed_in, extension = submission["timestamp"], submission["extension"]
    if handed_in is None or due is None:
        return 0.0
    late: float = (handed_in - due).total_seconds()
    return max(0.0, late - (0.0 if extension is None else extension.total_seconds()))
