"""The one writer of marks against nbgrader's own steps: every row of the gradebook is the same."""

import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from databases import Server, rows_of, running_server
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from nbgrader.api import Gradebook
from nbgrader.plugins import BasePlugin
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
from nbgrader.utils import compute_checksum
from sqlalchemy import NullPool, create_engine, event, text
from sqlalchemy.exc import OperationalError
from traitlets.config import Config

from nbproctor.errors import GradebookError
from nbproctor.store.gradebook_rows import reading
from nbproctor.store.marks import Marks, MarksWriter, marks_in, open_gradebook

DUE = datetime(2026, 11, 20, 12)
STUDENTS = ["ann", "bob", "cy", "dan", "eve"]
NOTEBOOKS = ["one", "two"]
POINTS = {"test_a": 2.0, "test_b": 3.0, "essay": 4.0, "project": 5.0}


class Strict(BasePlugin):
    """Half of the score on the first day; then too much, nothing, less than nothing."""

    def late_submission_penalty(
        self, student_id: str, score: float, total_seconds_late: float
    ) -> float | None:
        days = int(total_seconds_late // 86400)
        return [score / 2, score + 1, None, -1.0][days % 4]


Writer = Callable[..., MarksWriter]
CONFIG = Config({"AssignLatePenalties": {"plugin_class": Strict}})


@pytest.fixture(autouse=True)
def _alembic(monkeypatch: pytest.MonkeyPatch) -> None:
    """nbgrader starts it by name. It stands beside this Python, activated or not."""
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as made:
        yield made


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> list[str]:
    """Two gradebooks that hold the same course."""
    if request.param == "sqlite":
        found = [f"sqlite:///{tmp_path / name}.db" for name in ("stock", "ours")]
    else:
        server: Server = request.getfixturevalue("server")
        found = [server.new_database() for _ in range(2)]
    for url in found:
        furnish(url)
    return found


def furnish(url: str) -> None:
    with Gradebook(url) as gradebook:
        gradebook.add_assignment("lesson", duedate=DUE)
        gradebook.add_student("ann", first_name="Ann", email="ann@example.org")
        for notebook in NOTEBOOKS:
            gradebook.add_notebook(notebook, "lesson")
            where = {"notebook": notebook, "assignment": "lesson"}
            for name in ("test_a", "test_b"):
                gradebook.add_grade_cell(name, **where, max_score=POINTS[name], cell_type="code")
            for name in ("answer_a", "answer_b", "essay"):
                gradebook.add_solution_cell(name, **where)
            gradebook.add_grade_cell("essay", **where, max_score=4, cell_type="markdown")
            gradebook.add_task_cell("project", **where, max_score=5, cell_type="markdown")


def graded_notebook(rng: random.Random) -> Any:
    """What grading leaves in a notebook: full marks, part of them, errors, blank answers."""
    outputs = [
        [],
        [new_output("execute_result", {"text/plain": "1.5"})],
        [new_output("error", ename="failed", evalue="no", traceback=[])],
        [new_output("stream", name="stderr", text="hm")],
    ]
    cells = []
    for name in ("answer_a", "test_a", "answer_b", "test_b", "essay", "project"):
        new = new_markdown_cell if name in ("essay", "project") else new_code_cell
        cell = new(f"{name} {rng.randrange(2)}")
        kinds = {"grade": name in POINTS, "solution": name[0] in "ae", "task": name == "project"}
        cell.metadata["nbgrader"] = {**kinds, "locked": False, "grade_id": name}
        cell.metadata["nbgrader"] |= {"points": POINTS[name]} if name in POINTS else {}
        if rng.random() < 0.5 and not kinds["task"]:
            cell.metadata["nbgrader"]["checksum"] = compute_checksum(cell)
        if name.startswith("test"):
            cell.outputs = rng.choice(outputs)
        cells.append(cell)
    return new_notebook(cells=cells)


def record_stock(url: str, student: str, notebooks: dict[str, Any], when: datetime | None) -> None:
    """What `nbgrader autograde` does with the gradebook."""
    with Gradebook(url) as gradebook:
        gradebook.update_or_create_student(student)
        told = {"timestamp": when} if when else {}
        gradebook.update_or_create_submission("lesson", student, **told)
        for name in (name for name in NOTEBOOKS if name not in notebooks):
            for grade in gradebook.find_submission_notebook(name, "lesson", student).grades:
                grade.auto_score, grade.needs_manual_grade = 0, False
            gradebook.db.commit()
    for name, notebook in notebooks.items():
        ids = {"student": student, "assignment": "lesson", "notebook": name, "db_url": url}
        for step in (SaveAutoGrades(), AssignLatePenalties(config=CONFIG)):
            step.preprocess(notebook, {"nbgrader": ids})


@pytest.fixture
def writer() -> Iterator[Callable[..., MarksWriter]]:
    made = []

    def make(url: str, create_students: bool = True, **settings: Any) -> MarksWriter:
        made.append(engine := open_gradebook(url, **settings))
        penalties = AssignLatePenalties(config=CONFIG)
        return MarksWriter(engine, "lesson", penalties, create_students)

    yield make
    for engine in made:
        engine.dispose()


def grade_by_hand(url: str, rng: random.Random) -> None:
    """What a person does in formgrader."""
    with Gradebook(url) as gradebook:
        for submission in sorted(
            gradebook.assignment_submissions("lesson"), key=lambda s: s.student.id
        ):
            if rng.random() < 0.3:
                submission.extension = timedelta(hours=rng.randrange(48))
            for notebook in sorted(submission.notebooks, key=lambda n: n.name):
                for grade in sorted(notebook.grades, key=lambda g: g.cell.name):
                    if rng.random() < 0.3:
                        grade.manual_score, grade.needs_manual_grade = rng.randrange(5), False
                    if rng.random() < 0.2:
                        grade.extra_credit = 0.5
                for comment in sorted(notebook.comments, key=lambda c: c.cell.name):
                    if rng.random() < 0.2:
                        comment.manual_comment = "Well done."
        gradebook.db.commit()


@pytest.mark.parametrize("seed", range(2))
def test_every_row_is_as_nbgrader_writes_it(urls: list[str], seed: int, writer: Writer) -> None:
    stock, ours = urls
    rng = random.Random(seed)
    marks_writer = writer(ours)
    for _ in range(3):  # hand in, be graded by a person, hand in again
        batch = []
        for student in rng.sample(STUDENTS, 4):
            names = rng.choice([NOTEBOOKS, NOTEBOOKS, NOTEBOOKS[:1]])
            notebooks = {name: graded_notebook(rng) for name in names}
            when = rng.choice([None, DUE + timedelta(hours=rng.randrange(-24, 110))])
            record_stock(stock, student, notebooks, when)
            given = {name: marks_in(made.cells) for name, made in notebooks.items()}
            missing = dict.fromkeys(name for name in NOTEBOOKS if name not in names)
            batch.append(Marks(student, {**given, **missing}, when))
        marks_writer.record(batch)
        assert rows_of(ours) == rows_of(stock)
        people = rng.randrange(1000)
        for url in urls:
            grade_by_hand(url, random.Random(people))
    rows = rows_of(ours)
    assert any(row[-1] for row in rows["notebooks"]), "nobody was late"
    assert any("No response." in row for row in rows["comments"])


def _note(queries: list[str], _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
    queries.append(statement)


def test_few_queries_however_many_students(tmp_path: Path, writer: Writer) -> None:
    furnish(url := f"sqlite:///{tmp_path / 'gradebook.db'}")
    counts = []
    for size in (1, 40):
        marks_writer = writer(url)
        queries: list[str] = []
        see = partial(_note, queries)
        event.listen(marks_writer.engine, "before_cursor_execute", see)
        given = marks_in(graded_notebook(random.Random(1)).cells)
        batch = [Marks(f"s{size}-{n}", dict.fromkeys(NOTEBOOKS, given), DUE) for n in range(size)]
        marks_writer.record(batch)
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 15, queries


def test_marks_of_a_batch_are_recorded_together_or_not_at_all(
    urls: list[str], writer: Writer
) -> None:
    _, ours = urls
    before = rows_of(ours)
    given = marks_in(graded_notebook(random.Random(1)).cells)
    unknown = marks_in([new_cell("no_such_test")])
    batch = [Marks("bob", {"one": given}), Marks("cy", {"one": unknown})]
    with pytest.raises(GradebookError, match="does not know 'no_such_test'"):
        writer(ours).record(batch)
    assert rows_of(ours) == before
    with pytest.raises(GradebookError, match="does not know 'three'"):
        writer(ours).record([Marks("bob", {"three": given})])


def new_cell(name: str) -> Any:
    kinds = {"grade": True, "solution": False, "locked": True, "task": False}
    metadata = {"nbgrader": {**kinds, "grade_id": name, "points": 1.0}}
    return new_code_cell("", metadata=metadata)


def test_unknown_students_are_refused_where_the_course_says_so(
    urls: list[str], writer: Writer
) -> None:
    strict = writer(urls[1], create_students=False)
    strict.record([Marks("ann", {})])
    with pytest.raises(GradebookError, match="does not know a student"):
        strict.record([Marks("bob", {})])


def test_another_writer_is_waited_for_but_not_for_ever(tmp_path: Path, writer: Writer) -> None:
    furnish(url := f"sqlite:///{tmp_path / 'gradebook.db'}")
    given = {"one": marks_in(graded_notebook(random.Random(1)).cells)}
    other = create_engine(url, poolclass=NullPool).connect()
    other.exec_driver_sql("BEGIN EXCLUSIVE")
    with pytest.raises(GradebookError, match="cannot be written"):
        writer(url, busy_timeout_s=0.1).record([Marks("bob", given)])
    threading.Timer(1.0, other.rollback).start()
    writer(url).record([Marks("bob", given)])
    other.close()
    assert [row[0] for row in rows_of(url)["students"]] == ["ann", "bob"]


def test_whoever_reads_the_gradebook_does_not_wait(tmp_path: Path, writer: Writer) -> None:
    furnish(url := f"sqlite:///{tmp_path / 'gradebook.db'}")
    with writer(url).engine.begin() as writing:
        writing.execute(text("UPDATE student SET first_name = 'Anna'"))
        assert [row[1] for row in rows_of(url)["students"]] == ["Ann"]
    assert [row[1] for row in rows_of(url)["students"]] == ["Anna"]


def test_an_error_of_the_gradebook_tells_no_password() -> None:
    with pytest.raises(GradebookError) as caught, reading("postgresql+psycopg://me:secret@there/x"):
        raise OperationalError("SELECT 1", {}, Exception("no such host"))
    assert "me:***@there/x" in str(caught.value) and "secret" not in str(caught.value)
