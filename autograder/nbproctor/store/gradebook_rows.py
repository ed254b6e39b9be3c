"""Rows of nbgrader's gradebook for some students of one assignment: read, changed, written.

Reading takes one query for each table, and so does writing, however many students there are. A
student's first submission gets a row for every notebook and cell of the assignment, as nbgrader
makes them.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nbgrader import api
from sqlalchemy import Connection, Table, bindparam, func, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DatabaseError

from nbproctor.errors import GradebookError

__all__ = [
    "CELL",
    "COMMENT",
    "GRADE",
    "NOTEBOOK",
    "STUDENT",
    "SUBMISSION",
    "Row",
    "Rows",
    "Shown",
    "given_score",
    "reading",
    "score_of",
    "without_password",
]


@contextmanager
def reading(db_url: str) -> Iterator[None]:
    """Where a gradebook is read: one that is locked, damaged or none at all is said to be.

    Raises:
        GradebookError: it cannot be read.
    """
    try:
        yield
    except DatabaseError as error:
        raise GradebookError(
            "the gradebook cannot be read", got=error.orig, where=without_password(db_url)
        ) from error


def without_password(db_url: str) -> str:
    """The address of a gradebook as people may see it."""
    return make_url(db_url).render_as_string(hide_password=True)


STUDENT: Table = api.Student.__table__
SUBMISSION: Table = api.SubmittedAssignment.__table__
NOTEBOOK: Table = api.SubmittedNotebook.__table__
GRADE: Table = api.Grade.__table__
COMMENT: Table = api.Comment.__table__
CELL: Table = api.BaseCell.__table__

# In an order in which rows refer to those before.
TABLES = (SUBMISSION, NOTEBOOK, GRADE, COMMENT)
KEYS = {
    SUBMISSION: ("assignment_id", "student_id"),
    NOTEBOOK: ("assignment_id", "notebook_id"),
    GRADE: ("notebook_id", "cell_id"),
    COMMENT: ("notebook_id", "cell_id"),
}
FRESH: Mapping[Table, Mapping[str, Any]] = {
    SUBMISSION: {},
    NOTEBOOK: {"flagged": False},
    GRADE: {"needs_manual_grade": True},
    COMMENT: {},
}

Row = dict[str, Any]


@dataclass(frozen=True)
class _Cells:
    """What the gradebook knows of a notebook: ids of its cells, by grade_id."""

    id: str
    graded: Mapping[str, str]
    commented: Mapping[str, str]
    points: Mapping[str, float]


@dataclass(frozen=True)
class Shown:
    """What the gradebook shows of one submitted notebook: scores and comments by grade_id.

    `scores` has what was given, by tests or by a person; `points` what can be given.
    """

    scores: Mapping[str, float]
    points: Mapping[str, float]
    comments: Mapping[str, str | None]
    late_penalty: float | None
    auto_scores: Mapping[str, float | None]


class Rows:
    """What the gradebook holds for these students; `write` writes what was changed.

    Raises:
        GradebookError: the gradebook does not know the assignment, or a student who is not to be
            entered.
    """

    def __init__(
        self,
        connection: Connection,
        assignment: str,
        students: Sequence[str],
        create_students: bool = True,
    ) -> None:
        self.connection, self.assignment = connection, assignment
        self.id, self.due = self._find_assignment()
        self.cells = self._read_cells()
        self._enter(students, create_students)
        self.rows: dict[Table, dict[tuple[str, str], Row]] = {}
        self._read(SUBMISSION, "student_id", students)
        mine = [row["id"] for row in self.rows[SUBMISSION].values()]
        self._read(NOTEBOOK, "assignment_id", mine)
        notebooks = [row["id"] for row in self.rows[NOTEBOOK].values()]
        self._read(GRADE, "notebook_id", notebooks)
        self._read(COMMENT, "notebook_id", notebooks)
        self._new: dict[Table, dict[str, Row]] = {table: {} for table in TABLES}
        self._changed: dict[Table, list[Row]] = {table: [] for table in TABLES}

    def submission(self, student: str) -> Row:
        """A student's submission, with rows for all its notebooks and cells."""
        row = self._row(SUBMISSION, self.id, student)
        for name in self.cells:
            self.notebook(row, name)
        return row

    def notebook(self, submission: Row, name: str) -> tuple[Row, dict[str, Row], dict[str, Row]]:
        """A submitted notebook, its grades and its comments, by grade_id.

        Raises:
            GradebookError: the assignment has no such notebook.
        """
        cells: _Cells = self.known(self.cells, name)
        row = self._row(NOTEBOOK, submission["id"], cells.id)
        grades = {cell: self._row(GRADE, row["id"], i) for cell, i in cells.graded.items()}
        comments = {cell: self._row(COMMENT, row["id"], i) for cell, i in cells.commented.items()}
        return row, grades, comments

    def shown(self, student: str, name: str) -> Shown:
        """What whoever looks up a student's notebook is shown."""
        notebook, grades, comments = self.notebook(self.submission(student), name)
        texts = {cell: _comment_of(row) for cell, row in comments.items()}
        return Shown(
            scores={cell: score_of(row) for cell, row in grades.items()},
            points=self.cells[name].points,
            comments=texts,
            late_penalty=notebook["late_submission_penalty"],
            auto_scores={cell: row["auto_score"] for cell, row in grades.items()},
        )

    def known(self, found: Mapping[str, Any], name: str) -> Any:
        """What has this name.

        Raises:
            GradebookError: nothing has.
        """
        if name not in found:
            raise GradebookError(
                f"the gradebook does not know '{name}'",
                expected=f"run: nbgrader generate_assignment {self.assignment} --force",
                where=self.connection.engine.url,
            )
        return found[name]

    def set(self, table: Table, row: Row, **values: Any) -> None:
        """Give a row values. For one table they always have the same names."""
        differs = any(row[name] != value for name, value in values.items())
        row.update(values)
        if differs and row["id"] not in self._new[table]:
            self._changed[table].append({"row": row["id"], **values})

    def write(self) -> None:
        """Write what is new or changed."""
        for table in TABLES:
            if self._new[table]:
                self.connection.execute(insert(table), list(self._new[table].values()))
        for table, rows in self._changed.items():
            if rows:
                values: Row = {name: bindparam(name) for name in rows[0] if name != "row"}
                change = update(table).where(table.c.id == bindparam("row")).values(values)
                self.connection.execute(change, rows)

    def _row(self, table: Table, *key: str) -> Row:
        found = self.rows[table]
        ours = (key[0], key[1])
        if ours not in found:
            row: Row = dict.fromkeys(column.name for column in table.columns)
            row |= {"id": api.new_uuid(), **dict(zip(KEYS[table], key, strict=True))}
            found[ours] = self._new[table][row["id"]] = row | dict(FRESH[table])
        return found[ours]

    def _find_assignment(self) -> tuple[str, datetime | None]:
        table = api.Assignment.__table__
        query = select(table.c.id, table.c.duedate).where(table.c.name == self.assignment)
        found = self.connection.execute(query).one_or_none()
        if found is None:
            raise GradebookError(
                "the gradebook does not know the lesson",
                expected=f"run: nbgrader generate_assignment {self.assignment}",
                where=self.connection.engine.url,
            )
        return found[0], found[1]

    def _read_cells(self) -> dict[str, _Cells]:
        table = api.Notebook.__table__
        tested, task = api.GradeCell.__table__, api.TaskCell.__table__
        points = func.coalesce(tested.c.max_score, task.c.max_score)
        query = (
            select(table.c.name, table.c.id, CELL.c.name, CELL.c.id, CELL.c.type, points)
            .select_from(table.outerjoin(CELL, CELL.c.notebook_id == table.c.id))
            .outerjoin(tested, tested.c.id == CELL.c.id)
            .outerjoin(task, task.c.id == CELL.c.id)
            .where(table.c.assignment_id == self.id)
        )
        found = self.connection.execute(query).all()
        return {name: _cells_of(name, found) for name in sorted({row[0] for row in found})}

    def _enter(self, students: Sequence[str], create: bool) -> None:
        query = select(STUDENT.c.id).where(STUDENT.c.id.in_(students))
        known = set(self.connection.scalars(query))
        unknown = [{"id": student} for student in students if student not in known]
        if unknown and not create:
            raise GradebookError(
                "the gradebook does not know a student, and c.Autograde.create_student is off",
                got=unknown[0]["id"],
                where=self.connection.engine.url,
            )
        if unknown:
            self.connection.execute(insert(STUDENT), unknown)

    def _read(self, table: Table, column: str, values: Sequence[str]) -> None:
        query = select(table).where(table.c[column].in_(values))
        if table is SUBMISSION:
            query = query.where(table.c.assignment_id == self.id)
        # Whoever grades by hand at this moment waits, where the database can make them.
        found = [dict(row._mapping) for row in self.connection.execute(query.with_for_update())]
        first, second = KEYS[table]
        self.rows[table] = {(row[first], row[second]): row for row in found}


def _cells_of(notebook: str, rows: Sequence[Any]) -> _Cells:
    mine = [row for row in rows if row[0] == notebook]
    graded = {row[2]: row[3] for row in mine if row[4] in ("GradeCell", "TaskCell")}
    commented = {row[2]: row[3] for row in mine if row[4] in ("SolutionCell", "TaskCell")}
    points = {row[2]: row[5] for row in mine if row[5] is not None}
    return _Cells(mine[0][1], graded, commented, points)


def score_of(grade: Row) -> float:
    """What a cell counts; nothing as long as nobody gave it a score."""
    given = (grade["auto_score"], grade["manual_score"], grade["extra_credit"])
    return given_score(*given) or 0.0


def given_score(
    auto: float | None, manual: float | None, extra_credit: float | None
) -> float | None:
    """As nbgrader computes it: what a person gave goes before what tests gave. None if neither."""
    given = auto if manual is None else manual
    return None if given is None else float(given) + float(extra_credit or 0.0)


def _comment_of(row: Row) -> str | None:
    manual: str | None = row["manual_comment"]
    automatic: str | None = row["auto_comment"]
    return automatic if manual is None else manual
