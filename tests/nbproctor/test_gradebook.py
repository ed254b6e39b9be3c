"""nbgrader's own steps and stock commands, grading through nbproctor into nbgrader's gradebook."""

import csv
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from fixtures import RIGHT, TINY, fill, notebook, own_cell, write
from nbgrader.api import Gradebook

from nbproctor.errors import GradebookError
from nbproctor.gradebook import Course

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SCRIPT = "<script>alert(1)</script> <img src=x onerror=alert(2)>\n\n[go](javascript:alert(3)) now"
HALF_RIGHT = {**RIGHT, "half": "def half(x):\n    return 0.5 if x == 1 else 7"}
NOISY = {**RIGHT, "double": "import sys\nprint('hm', file=sys.stderr)\n" + RIGHT["double"]}


def course(folder: Path, config: Path | None = ROOT / "nbgrader_config.py") -> Path:
    """A course of one tiny lesson, released."""
    if config is not None:
        shutil.copy(config, folder)
    else:
        (folder / "nbgrader_config.py").write_text(
            "c = get_config()\n"
            "c.CourseDirectory.source_directory = 'solutions'\n"
            "c.CourseDirectory.release_directory = 'notebooks'\n"
        )
    write(folder / "solutions" / "tiny" / "tiny.ipynb", notebook(TINY))
    Course(folder).release("tiny")
    return folder


def nbgrader(folder: Path, *arguments: str, fails: bool = False) -> str:
    """A stock command, as a person types it in the course folder."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + done.stderr


def submit(folder: Path, student: str, content: Any, when: str = "2026-11-20 10:00:00 UTC") -> None:
    place = folder / "submitted" / student / "tiny"
    write(place / "tiny.ipynb", content)
    (place / "timestamp.txt").write_text(when)


def released(folder: Path) -> Any:
    return nbformat.read(folder / "notebooks" / "tiny" / "tiny.ipynb", 4)


def scores(folder: Path) -> dict[str, dict[str, float | None]]:
    return {s.student: s.cells for s in Course(folder).scores("tiny")}


def test_stock_commands_grade_through_the_judge(tmp_path: Path) -> None:
    folder = course(tmp_path)
    blank = released(folder)
    liar = fill(
        blank, {**RIGHT, "double": "import sys\nsys.displayhook(2.0)\ndef double(x): return x"}
    )
    for cell in liar.cells:
        cell.metadata["tags"] = ["skip-execution"]
    noted = fill(blank, {**RIGHT, "essay": SCRIPT})
    noted.cells.append(own_cell(SCRIPT, "markdown"))
    submit(folder, "ann", noted)
    submit(folder, "bob", fill(blank, HALF_RIGHT))
    submit(folder, "cy", fill(blank, NOISY))
    submit(folder, "dan", "{")
    submit(folder, "eve", liar)
    nbgrader(folder, "autograde", "tiny")
    assert scores(folder) == {
        "ann": {"test_double": 2.0, "test_half": 3.0, "essay": None},
        "bob": {"test_double": 2.0, "test_half": 1.0, "essay": None},
        "cy": {"test_double": 2.0, "test_half": 3.0, "essay": None},
        "dan": {"test_double": 0.0, "test_half": 0.0, "essay": 0.0},
        "eve": {"test_double": 0.0, "test_half": 3.0, "essay": None},
    }
    nbgrader(folder, "generate_feedback", "tiny")
    page = (folder / "feedback" / "ann" / "tiny" / "tiny.html").read_text()
    assert "alert(1)" in page, "the student's text is shown"
    for dangerous in ("<script>alert", "onerror", 'href="javascript'):
        assert dangerous not in page
    feedback = (folder / "feedback" / "eve" / "tiny" / "tiny.html").read_text()
    assert "three is not doubled" not in feedback and "assert double(2) == 4" in feedback
    assert "BEGIN HIDDEN" not in feedback and "[1, 1]" not in feedback
    nbgrader(folder, "export")
    with (folder / "grades.csv").open() as file:
        rows = {row["student_id"]: float(row["score"]) for row in csv.DictReader(file)}
    assert rows == {"ann": 5, "bob": 3, "cy": 5, "dan": 0, "eve": 3}


def test_manual_marks_survive_a_second_run(tmp_path: Path) -> None:
    folder = course(tmp_path)
    submit(folder, "ann", fill(released(folder), RIGHT))
    Course(folder).autograde("tiny", "ann")
    url = f"sqlite:///{folder / 'gradebook.db'}"
    with Gradebook(url) as gradebook:
        grade = gradebook.find_grade("essay", "tiny", "tiny", "ann")
        assert grade.needs_manual_grade
        grade.manual_score, grade.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    Course(folder).autograde("tiny", "ann")
    with Gradebook(url) as gradebook:
        assert gradebook.find_grade("essay", "tiny", "tiny", "ann").manual_score == 1.5
        assert gradebook.find_submission("tiny", "ann").score == 6.5


def test_late_penalties_are_nbgraders(tmp_path: Path) -> None:
    folder = course(tmp_path)
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write("c.AssignLatePenalties.plugin_class = 'late.Half'\n")
    (folder / "late.py").write_text(
        "from nbgrader.plugins import BasePlugin\n"
        "class Half(BasePlugin):\n"
        "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
        "        return score / 2 if total_seconds_late > 0 else None\n"
    )
    url = f"sqlite:///{folder / 'gradebook.db'}"
    with Gradebook(url) as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate="2026-11-20 12:00:00 UTC")
    submit(folder, "ann", fill(released(folder), RIGHT))
    submit(folder, "bob", fill(released(folder), RIGHT), when="2026-11-21 10:00:00 UTC")
    environment_path = os.environ.get("PYTHONPATH", "")
    os.environ["PYTHONPATH"] = f"{folder}:{environment_path}"
    try:
        nbgrader(folder, "autograde", "tiny")
    finally:
        os.environ["PYTHONPATH"] = environment_path
    penalties = {s.student: s.late_penalty for s in Course(folder).scores("tiny")}
    assert penalties == {"ann": 0.0, "bob": 2.5}


def test_honest_submissions_score_as_in_stock_nbgrader(tmp_path: Path) -> None:
    """The same class, graded by nbgrader alone and by nbgrader with nbproctor."""
    found = []
    for name, config in (("stock", None), ("ours", ROOT / "nbgrader_config.py")):
        folder = tmp_path / name
        folder.mkdir()
        course(folder, config)
        blank = released(folder)
        wrong = {**RIGHT, "double": "def double(x):\n    return x", "essay": ""}
        for student, answers in (("ann", RIGHT), ("bob", HALF_RIGHT), ("cy", wrong), ("dan", {})):
            submit(folder, student, fill(blank, answers))
        for student in ("ann", "bob", "cy", "dan"):
            Course(folder).autograde("tiny", student)
        found.append(scores(folder))
    assert found[0] == found[1]


def test_a_changed_lesson_must_be_released_again(tmp_path: Path) -> None:
    folder = course(tmp_path)
    submit(folder, "ann", fill(released(folder), RIGHT))
    changed = notebook(TINY.replace("double(3) == 6", "double(3) == 7 - 1"))
    write(folder / "solutions" / "tiny" / "tiny.ipynb", changed)
    with pytest.raises(GradebookError, match="nbgrader generate_assignment tiny --force"):
        Course(folder).autograde("tiny", "ann")
    Course(folder).release("tiny")
    Course(folder).autograde("tiny", "ann")
    assert scores(folder)["ann"]["test_double"] == 2


def test_an_unknown_limit_stops_the_command(tmp_path: Path) -> None:
    folder = course(tmp_path)
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write("c.RebuildingExporter.limits = {'cell_timeout': 3}\n")
    submit(folder, "ann", fill(released(folder), RIGHT))
    assert "unknown limits: cell_timeout" in nbgrader(folder, "autograde", "tiny", fails=True)
