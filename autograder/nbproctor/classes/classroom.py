"""A made-up class: submissions made from a table of students and a lesson's own solutions.

A class has a folder with the name of its lesson. `class.toml` says how each student's notebook
differs from one in which every exercise is solved; `expected.csv` says which verdict and score each
student must get. No answer stands in either: what is not changed comes from the lesson.
"""

import base64
import copy
import csv
import json
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from nbproctor.course.lesson import Cell, Lesson, Role, cell_text
from nbproctor.course.records import CellResult, Verdict
from nbproctor.course.variants import draw, put_in_notebook
from nbproctor.errors import ConfigError
from nbproctor.store.places import the_one_named

__all__ = [
    "Classroom",
    "Expected",
    "Student",
    "hand_in",
    "read_class",
    "read_classes",
    "without_markers",
]

Notebook = dict[str, Any]

MARK = re.compile(r"\s*#* *(BEGIN|END) (SOLUTION|MARK SCHEME)")
BIG_BYTES = 50_000_000
IN_WORDS = "An answer in the student's own words."


@dataclass(frozen=True)
class Student:
    """How one made-up student's notebook differs from one with every exercise solved.

    Args:
        blank: exercises (grade_ids of solution cells) left as released; ["all"] is all of them.
        edits: [exercise, old text, new text]; the old text occurs once in the solution.
        answers: whole answers, by exercise.
        own_cells: code cells of the student's own, by the exercise they stand behind.
        damage: what else happened to the file, in words that DAMAGE knows.
        notebook_of: whose variant of the lesson it is, if not the student's own.
    """

    name: str
    about: str
    blank: tuple[str, ...] = ()
    edits: tuple[tuple[str, str, str], ...] = ()
    answers: Mapping[str, str] = field(default_factory=dict)
    own_cells: Mapping[str, str] = field(default_factory=dict)
    damage: tuple[str, ...] = ()
    days_late: float = 0.0
    notebook_of: str = ""

    def handed_in(self, due: datetime) -> datetime:
        """When: an hour early, or late."""
        return due + (timedelta(days=self.days_late) if self.days_late else timedelta(hours=-1))


@dataclass(frozen=True)
class Expected:
    """What a student must get: `score` after the late penalty, verdict and score by grade_id."""

    score: float
    cells: Mapping[str, tuple[Verdict, float | None]]

    def differences(self, results: tuple[CellResult, ...], score: float) -> dict[str, str]:
        """What was expected where something else came out, by grade_id or "score"."""
        found = {r.grade_id: (r.verdict, r.score) for r in results}
        wanted = {k: v for k, v in self.cells.items() if not _same(found.get(k), v)}
        differing = {name: f"{v[0]} {'?' if v[1] is None else v[1]}" for name, v in wanted.items()}
        differing |= {name: "no such cell" for name in found if name not in self.cells}
        return differing | ({} if abs(score - self.score) < 0.005 else {"score": f"{self.score:g}"})


def _same(found: tuple[Verdict, float | None] | None, wanted: tuple[Verdict, float | None]) -> bool:
    if found is None or found[0] is not wanted[0] or (found[1] is None) != (wanted[1] is None):
        return False
    return wanted[1] is None or abs((found[1] or 0.0) - wanted[1]) < 0.005


@dataclass(frozen=True)
class Classroom:
    """A made-up class: the lesson it worked on, when that was due, and who is in it."""

    lesson: str
    due: datetime
    students: tuple[Student, ...]
    expected: Mapping[str, Expected]


def read_classes(folder: Path, lessons: Sequence[str] = ()) -> list[Classroom]:
    """The classes of these lessons, by name or number; all that there are if none is named.

    Raises:
        ConfigError: there is no class, or no single one, for a lesson; or one cannot be read.
    """
    names = sorted(path.parent.name for path in folder.glob("*/class.toml"))
    chosen = (
        the_one_named(asked, names, "LESSON/class.toml", "made-up class", where=folder)
        for asked in lessons or names or ("LESSON",)
    )
    return [read_class(folder / name) for name in chosen]


def read_class(folder: Path) -> Classroom:
    """Read `class.toml` and `expected.csv` of the folder that is called like the lesson.

    Raises:
        ConfigError: a file is missing or malformed, or the two name different students.
    """
    try:
        data = tomllib.loads((folder / "class.toml").read_text(encoding="utf-8"))
        with (folder / "expected.csv").open(encoding="utf-8", newline="") as file:
            expected = {row.pop("student"): _expected(row) for row in csv.DictReader(file)}
        students = tuple(_student(entry) for entry in data["student"])
        made = Classroom(folder.name, data["due"], students, expected)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "the made-up class cannot be read", got=f"{type(error).__name__}: {error}", where=folder
        ) from error
    if sorted(expected) != sorted(student.name for student in students):
        raise ConfigError(
            "class.toml and expected.csv name different students",
            expected=", ".join(student.name for student in students),
            got=", ".join(expected),
            where=folder,
        )
    return made


def _student(entry: dict[str, Any]) -> Student:
    known = {f.name for f in fields(Student)}
    if unknown := sorted(set(entry) - known):
        raise ValueError(f"unknown keys of {entry.get('name')}: {', '.join(unknown)}")
    if unknown := sorted(set(entry.get("damage", ())) - set(DAMAGE)):
        raise ValueError(f"unknown damage: {', '.join(unknown)}")
    edits = tuple((exercise, old, new) for exercise, old, new in entry.get("edits", ()))
    return Student(**{**entry, "edits": edits})


def _expected(row: dict[str, str]) -> Expected:
    score = float(row.pop("score"))
    return Expected(score, {grade_id: _outcome(text) for grade_id, text in row.items()})


def _outcome(text: str) -> tuple[Verdict, float | None]:
    """`passed 2` -> (Verdict.PASSED, 2.0); a score `?` is not given yet."""
    verdict, _, score = text.strip().rpartition(" ")
    return Verdict(verdict), None if score == "?" else float(score)


def hand_in(
    student: Student, lesson: Lesson, release: Notebook, secret: bytes | None = None
) -> bytes:
    """The bytes of the file that a student hands in.

    Args:
        secret: of the course, from which variants are drawn.

    Raises:
        ConfigError: the student's changes do not fit the lesson.
    """
    held = draw(lesson.choices, secret, lesson.name, student.notebook_of or student.name)
    answers = _answers(student, lesson.varied(held))
    notebook = copy.deepcopy(put_in_notebook(release, held))
    notebook["cells"] = list(_cells(student, notebook["cells"], answers))
    for word in student.damage:
        damaged = DAMAGE[word](notebook)
        if isinstance(damaged, bytes):
            return damaged
        notebook = damaged
    return json.dumps(notebook, indent=1).encode()


def _cells(student: Student, cells: list[Notebook], answers: dict[str, str]) -> Iterator[Notebook]:
    for cell in cells:
        grade_id = _nbgrader(cell).get("grade_id", "")
        yield {**cell, "source": answers.get(grade_id, cell_text(cell))}
        if text := student.own_cells.get(grade_id):
            made = {"cell_type": "code", "metadata": {}, "source": text, "outputs": []}
            yield {**made, "id": f"own-{grade_id}".replace("_", "-"), "execution_count": None}


def _answers(student: Student, lesson: Lesson) -> dict[str, str]:
    solved = {c.grade_id or "": _solved(c) for c in lesson.cells if c.takes_answer}
    mentioned = {*student.answers, *student.own_cells, *(edit[0] for edit in student.edits)}
    mentioned |= set(student.blank) - {"all"}
    if unknown := sorted(mentioned - set(solved)):
        raise ConfigError(
            f"the lesson has no exercise '{unknown[0]}'",
            expected=", ".join(solved),
            where=f"class.toml, student {student.name}",
        )
    for exercise, old, new in student.edits:
        if solved[exercise].count(old) != 1:
            raise ConfigError(
                f"the solution of '{exercise}' does not hold this text once",
                got=repr(old),
                where=f"class.toml, student {student.name}",
            )
        solved[exercise] = solved[exercise].replace(old, new)
    blank = solved if "all" in student.blank else student.blank
    answers = {**solved, **student.answers}
    return {grade_id: text for grade_id, text in answers.items() if grade_id not in blank}


def _solved(cell: Cell) -> str:
    """The course's answer as a learner would have written it."""
    if cell.role is Role.MANUAL:
        return IN_WORDS
    return without_markers(cell.full)


def without_markers(text: str) -> str:
    """A solution without the lines that say where it begins and ends."""
    return "\n".join(line for line in text.splitlines() if not MARK.match(line))


def _nbgrader(cell: Notebook) -> dict[str, Any]:
    found: dict[str, Any] = cell.get("metadata", {}).get("nbgrader", {})
    return found


def _is_test(cell: Notebook) -> bool:
    return bool(_nbgrader(cell).get("grade")) and not _nbgrader(cell).get("solution")


def _delete_tests(notebook: Notebook) -> Notebook:
    return {**notebook, "cells": [c for c in notebook["cells"] if not _is_test(c)]}


def _duplicate_tests(notebook: Notebook) -> Notebook:
    cells = [copy.deepcopy(c) for c in notebook["cells"] for _ in range(1 + _is_test(c))]
    return {**notebook, "cells": cells}


def _reverse_cells(notebook: Notebook) -> Notebook:
    return {**notebook, "cells": notebook["cells"][::-1]}


def _retag_tests(notebook: Notebook) -> Notebook:
    """Cells that pretend to be ungraded, and that other tools would skip or strip."""
    for cell in (c for c in notebook["cells"] if _is_test(c)):
        cell["metadata"]["nbgrader"] |= {"grade": False, "solution": True, "locked": False}
        cell["metadata"]["tags"] = ["skip-execution", "remove-cell", "raises-exception"]
        cell["source"] = "pass"
    return notebook


def _raise_points(notebook: Notebook) -> Notebook:
    for cell in (c for c in notebook["cells"] if _nbgrader(c).get("grade")):
        cell["metadata"]["nbgrader"]["points"] = 100
    return notebook


def _claim_marks(notebook: Notebook) -> Notebook:
    """Test cells that already hold an output saying how many points they gave."""
    for cell in (c for c in notebook["cells"] if _is_test(c) and c["cell_type"] == "code"):
        most = _nbgrader(cell)["points"]
        output = {"output_type": "execute_result", "execution_count": 1, "metadata": {}}
        cell["outputs"] = [{**output, "data": {"text/plain": str(most)}}]
        cell["source"] = str(most)
        cell["metadata"]["nbproctor"] = {"verdict": "passed", "score": most, "points": most}
    return notebook


def _without_cells(notebook: Notebook) -> Notebook:
    return {**notebook, "cells": []}


def _cut_in_half(notebook: Notebook) -> bytes:
    data = json.dumps(notebook).encode()
    return data[: len(data) // 2]


def _format_3(notebook: Notebook) -> bytes:
    """As IPython 2 wrote notebooks in 2014: worksheets, `input` for code, no cell ids."""
    import nbformat

    return nbformat.writes(nbformat.convert(nbformat.from_dict(notebook), 3), version=3).encode()


def _format_4_0(notebook: Notebook) -> Notebook:
    """As before 2020: no cell ids; text in lists of lines."""
    for cell in notebook["cells"]:
        cell.pop("id", None)
        cell["source"] = cell_text(cell).splitlines(keepends=True)
    return {**notebook, "nbformat_minor": 0}


def _fifty_megabytes(notebook: Notebook) -> Notebook:
    """Pictures in the output of the first code cell."""
    picture = base64.b64encode(bytes(1_000_000)).decode()
    output = {"output_type": "display_data", "metadata": {}, "data": {"image/png": picture}}
    cell = next(c for c in notebook["cells"] if c["cell_type"] == "code")
    cell["outputs"] = [output] * -(-BIG_BYTES // len(picture))
    return notebook


DAMAGE: dict[str, Callable[[Notebook], Notebook | bytes]] = {
    "tests deleted": _delete_tests,
    "tests duplicated": _duplicate_tests,
    "cells reversed": _reverse_cells,
    "tests retagged": _retag_tests,
    "points raised": _raise_points,
    "marks claimed": _claim_marks,
    "no cells": _without_cells,
    "cut in half": _cut_in_half,
    "notebook format 3": _format_3,
    "notebook format 4.0": _format_4_0,
    "50 MB of output": _fifty_megabytes,
}
