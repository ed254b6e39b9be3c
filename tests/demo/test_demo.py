"""The demo as a person runs it: nbgrader itself, from the release to the feedback."""

import csv
import io
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from nbproctor.classes.classroom import read_classes
from nbproctor.classes.demo import _changed, run_demo
from nbproctor.course.records import CellResult, Verdict
from nbproctor.errors import ConfigError
from nbproctor.reports.report import StudentRow

ROOT = Path(__file__).parents[2]
CLASSES = Path("autograder", "class_demo")
LESSON = "02_residual_block"


def course_of_one(root: Path, name: str, **changes: str) -> Path:
    """A course whose class is one student, of whom something else than usual is expected."""
    given, folder = ROOT / CLASSES / LESSON, root / CLASSES / LESSON
    shutil.copytree(ROOT / "solutions" / LESSON, root / "solutions" / LESSON)
    shutil.copy(ROOT / "nbgrader_config.py", root)
    folder.mkdir(parents=True)
    shutil.copy(ROOT / CLASSES / "nbgrader_config.py", root / CLASSES)
    head, *students = (given / "class.toml").read_text().split("[[student]]")
    (entry,) = [text for text in students if f'name = "{name}"' in text]
    (folder / "class.toml").write_text(f"{head}\n[[student]]{entry}")
    rows = csv.DictReader((given / "expected.csv").read_text().splitlines())
    (row,) = [row for row in rows if row["student"] == name]
    table = io.StringIO()
    writer = csv.DictWriter(table, list(row))
    writer.writeheader()
    writer.writerow(row | changes)
    (folder / "expected.csv").write_text(table.getvalue())
    return root


def demo(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nbproctor.commands.cli", "demo", *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8")


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_class_gets_what_it_should(tmp_path):
    classes = read_classes(ROOT / CLASSES)
    course = tmp_path / "course"
    for part in ("solutions", CLASSES):
        shutil.copytree(ROOT / part, course / part)
    shutil.copy(ROOT / "nbgrader_config.py", course)
    done = demo(course, "--keep", str(tmp_path / "kept"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "a second time, by nbgrader autograde: the same marks." in done.stdout
    overview = (course / "reports" / "class_demo.html").read_text(encoding="utf-8")
    for classroom in classes:
        lesson = classroom.lesson
        count = len(classroom.students)
        assert f"{lesson}: all {count} students got the expected scores" in done.stdout
        assert f'href="class_demo/{lesson}.html"' in overview
        page = (course / "reports" / "class_demo" / f"{lesson}.html").read_text(encoding="utf-8")
        for student in classroom.students:
            assert re.search(rf"^{student.name} ", done.stdout, re.M)
            assert student.name in page and student.name in overview
            feedback = tmp_path / "kept" / "feedback" / student.name / lesson
            assert (feedback / f"{lesson}.html").is_file()
        _no_hidden_test_is_shown(tmp_path / "kept", lesson)


def _no_hidden_test_is_shown(kept: Path, lesson: str) -> None:
    """Feedback holds no line that stands in the hidden part of a test only."""
    from nbproctor.course.lesson import Role, load_lesson

    name = f"{lesson}.ipynb"
    loaded = load_lesson(kept / "solutions" / lesson / name, kept / "notebooks" / lesson / name)
    released = "\n".join(cell.released for cell in loaded.cells)
    hidden = {
        line.strip()
        for cell in loaded.cells
        if cell.role is Role.TEST
        for n, line in enumerate(cell.full.splitlines(), 1)
        if n in cell.hidden_lines and len(line.strip()) > 40 and line.strip() not in released
    }
    assert hidden
    for page in (kept / "feedback").rglob(f"{lesson}.html"):
        text = page.read_text(encoding="utf-8")
        assert not [line for line in hidden if line in text], page


@pytest.mark.slow
def test_a_score_that_differs_makes_the_demo_fail(tmp_path):
    course = course_of_one(tmp_path, "qing", score="1", test_pad_shortcut="failed 0")
    done = demo(course, "02")
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{LESSON}: 1 of 1 students differ" in done.stdout
    assert "qing, score: expected 1, got 0" in done.stdout
    assert "qing, test_pad_shortcut: expected failed 0.0, got not answered 0.0" in done.stdout
    reports = course / "reports"
    page = (reports / "class_demo" / f"{LESSON}.html").read_text("utf-8")
    assert "≠ expected failed 0" in page
    assert "1 of 1 submissions differ" in (reports / "class_demo.html").read_text("utf-8")


def test_other_marks_the_second_time_are_noticed():
    cell = CellResult("test_a", Verdict.PASSED, 2.0, 2.0, seconds=1.0)
    ada = StudentRow("ada", (cell,), 2.0, 1.0)
    bilal = replace(ada, student="bilal")
    slower = replace(ada, seconds=9.0, results=(replace(cell, seconds=8.0),))
    assert _changed([ada, bilal], [slower, bilal]) == []
    late = replace(bilal, score=1.0)
    failed = replace(ada, results=(replace(cell, verdict=Verdict.FAILED, score=0.0),))
    assert _changed([ada, bilal], [ada, late]) == ["bilal"]
    assert _changed([ada, bilal], [failed, bilal]) == ["ada"]


def test_a_lesson_without_a_class_is_named(tmp_path):
    course = course_of_one(tmp_path, "qing")
    with pytest.raises(ConfigError, match="no single made-up class is called '04_none'"):
        run_demo(course, ["04_none"], show_progress=False)


def test_a_folder_to_keep_is_never_overwritten(tmp_path):
    with pytest.raises(ConfigError, match="exists"):
        run_demo(ROOT, keep=tmp_path)


def test_a_lesson_that_is_not_built_is_named(tmp_path):
    course = course_of_one(tmp_path, "qing")
    for notebook in course.glob("solutions/*/*.ipynb"):
        notebook.unlink()
    with pytest.raises(ConfigError, match="nbproctor build"):
        run_demo(course, show_progress=False)


def test_importing_the_demo_is_quick():
    code = "import nbproctor.classes.demo, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    heavy = {"torch", "torchvision", "nbgrader", "matplotlib", "tqdm", "nbformat"}
    assert not heavy & set(done.stdout.split())
