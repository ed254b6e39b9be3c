"""nbgrader's own steps and stock commands, grading through nbproctor into nbgrader's gradebook."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from courses import ROOT, course, nbgrader, released, submit
from fixtures import RIGHT, TINY, fill, notebook, own_cell, write
from nbgrader.api import Gradebook

from nbproctor.course.sealed import read_sealed
from nbproctor.errors import GradebookError
from nbproctor.store.gradebook import Course

pytestmark = pytest.mark.slow

SCRIPT = "<script>alert(1)</script> <img src=x onerror=alert(2)>\n\n[go](javascript:alert(3)) now"
PICTURE = """\
from IPython.display import display
text = {"image/png": {"alt": 'a "curve" <img src=x onerror=alert(4)>'}}
display({"image/png": "aGk="}, metadata=text, raw=True)"""
HALF_RIGHT = {**RIGHT, "half": "def half(x):\n    return 0.5 if x == 1 else 7"}
NOISY = {**RIGHT, "double": "import sys\nprint('hm', file=sys.stderr)\n" + RIGHT["double"]}


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
    noted.cells.append(own_cell(PICTURE))
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
    text = 'a "curve" &lt;img src=x onerror=alert(4)&gt;'
    assert f"alt='{text}'" in page, "a picture keeps its text, as text"
    for dangerous in ("<script>alert", "onerror", 'href="javascript'):
        assert dangerous not in page.replace(text, "")
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


def graded(folder: Path, student: str) -> Path:
    return folder / "autograded" / student / "tiny" / "tiny.ipynb"


def rewrite(path: Path, text: str) -> None:
    path.unlink()  # nbgrader leaves its files read-only
    path.write_text(text)


def blank_it(folder: Path) -> None:
    """As nbgrader's first pass leaves it: the cells, and no verdicts."""
    made = json.loads(graded(folder, "ann").read_text())
    for cell in made["cells"]:
        cell["metadata"].pop("nbproctor", None)
        cell |= {"outputs": []} if cell["cell_type"] == "code" else {}
    del made["metadata"]["nbproctor"]
    rewrite(graded(folder, "ann"), json.dumps(made))


def cut_it(folder: Path) -> None:
    whole = graded(folder, "ann").read_text()
    rewrite(graded(folder, "ann"), whole[: len(whole) // 2])


def raise_a_score_in_it(folder: Path) -> None:
    made = graded(folder, "ann").read_text()
    assert '"score": 1.0' in made
    rewrite(graded(folder, "ann"), made.replace('"score": 1.0', '"score": 3.0'))


def hand_in_again(folder: Path) -> None:
    submit(folder, "ann", fill(released(folder), {**HALF_RIGHT, "essay": "Or else."}))


def hand_in_again_later(folder: Path) -> None:
    (folder / "submitted" / "ann" / "tiny" / "timestamp.txt").write_text("2026-11-21 10:00:00 UTC")


def lose_the_notebook(folder: Path) -> None:
    shutil.rmtree(graded(folder, "ann").parent)


def leave_a_stage(folder: Path) -> None:
    """A forced run that was killed before its result was whole."""
    stage = folder / "autograded" / ".unfinished" / "new" / "ann" / "tiny"
    shutil.copytree(graded(folder, "ann").parent, stage)


def stop_between_two_renames(folder: Path) -> None:
    leave_a_stage(folder)
    old = folder / "autograded" / ".unfinished" / "old" / "ann" / "tiny"
    old.parent.mkdir(parents=True)
    graded(folder, "ann").parent.rename(old)


def lose_a_mark(folder: Path) -> None:
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        gradebook.find_grade("test_half", "tiny", "tiny", "ann").auto_score = None
        gradebook.db.commit()


def lose_all_marks(folder: Path) -> None:
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        gradebook.remove_submission("tiny", "ann")


@pytest.fixture(scope="module")
def graded_class(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course in which ann and bob have whole results."""
    folder = course(tmp_path_factory.mktemp("graded"))
    submit(folder, "ann", fill(released(folder), HALF_RIGHT))
    submit(folder, "bob", fill(released(folder), RIGHT))
    waiting = Course(folder).unfinished("tiny")
    assert waiting == dict.fromkeys(("ann", "bob"), "there is no graded notebook")
    Course(folder).autograde("tiny", force=False)
    assert Course(folder).unfinished("tiny") == {}
    return folder


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (blank_it, "the graded notebook is not whole"),
        (cut_it, "the graded notebook is not whole"),
        (raise_a_score_in_it, "the graded notebook is not whole"),
        (lose_the_notebook, "there is no graded notebook"),
        (hand_in_again, "another version was handed in since"),
        (hand_in_again_later, "another version was handed in since"),
        (leave_a_stage, "grading was interrupted"),
        (stop_between_two_renames, "grading was interrupted"),
        (lose_a_mark, "the gradebook has None, the notebook 1.0 for 'test_half'"),
        (lose_all_marks, "the gradebook has no marks for 'test_double'"),
    ],
)
def test_a_run_grades_exactly_those_without_a_whole_result(
    break_it: Callable[[Path], None], reason: str, graded_class: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "course"
    shutil.copytree(graded_class, folder, copy_function=shutil.copy2)
    before = graded(folder, "bob").stat()
    break_it(folder)
    assert Course(folder).unfinished("tiny") == {"ann": reason}
    Course(folder).autograde("tiny", force=False)
    assert Course(folder).unfinished("tiny") == {}
    assert graded(folder, "bob").stat().st_ino == before.st_ino
    assert scores(folder)["ann"] == {"test_double": 2.0, "test_half": 1.0, "essay": None}
    given = {r.grade_id: r.score for r in read_sealed(graded(folder, "ann")).results}
    assert given == scores(folder)["ann"]
    assert not [p for p in (folder / "autograded" / ".unfinished").rglob("*") if p.is_file()]


def test_a_result_stays_until_there_is_a_better_one(graded_class: Path, tmp_path: Path) -> None:
    """Marks, comments and the late penalty change together, or not at all."""
    folder = tmp_path / "course"
    shutil.copytree(graded_class, folder, copy_function=shutil.copy2)
    before, marks = graded(folder, "ann").read_bytes(), scores(folder)
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write(
            "from nbgrader.plugins import BasePlugin\n"
            "class Broken(BasePlugin):\n"
            "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
            "        raise RuntimeError(f'no penalty on {score} points')\n"
            "c.AssignLatePenalties.plugin_class = Broken\n"
        )
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate="2026-11-20 12:00:00 UTC")
    submit(folder, "ann", fill(released(folder), RIGHT), when="2026-11-21 10:00:00 UTC")
    with pytest.raises(GradebookError, match=r"no penalty on 5\.0 points"):
        Course(folder).autograde("tiny", "ann")
    assert graded(folder, "ann").read_bytes() == before
    assert scores(folder) == marks
    assert Course(folder).unfinished("tiny") == {"ann": "another version was handed in since"}


def test_feedback_is_written_on_whole_results_only(graded_class: Path, tmp_path: Path) -> None:
    folder = tmp_path / "course"
    shutil.copytree(graded_class, folder, copy_function=shutil.copy2)
    pages = {name: folder / "feedback" / name / "tiny" / "tiny.html" for name in ("ann", "bob")}
    blank_it(folder)
    log = nbgrader(folder, "generate_feedback", "tiny", fails=True)
    assert "the graded notebook is not whole" in log
    assert pages["bob"].is_file() and not pages["ann"].exists()
    Course(folder).autograde("tiny", force=False)
    lose_a_mark(folder)
    with pytest.raises(GradebookError, match="gradebook has None, the notebook 1"):
        Course(folder).generate_feedback("tiny")
    Course(folder).autograde("tiny", force=False)
    assert Course(folder).api.generate_feedback("tiny", force=False)["success"]
    assert pages["ann"].is_file()
    before = {name: page.stat().st_ino for name, page in pages.items()}
    hand_in_again(folder)
    Course(folder).autograde("tiny", force=False)
    assert Course(folder).api.generate_feedback("tiny", force=False)["success"]
    assert "Or else." in pages["ann"].read_text(), "outdated feedback is written anew"
    assert pages["bob"].stat().st_ino == before["bob"]


def test_one_notebook_of_two_is_graded_alone(tmp_path: Path) -> None:
    folder = course(tmp_path)
    write(folder / "solutions" / "tiny" / "more.ipynb", notebook(TINY))
    Course(folder).release("tiny")
    submit(folder, "ann", fill(released(folder), HALF_RIGHT))
    place = folder / "submitted" / "ann" / "tiny"
    shutil.copy(place / "tiny.ipynb", place / "more.ipynb")
    Course(folder).autograde("tiny", "ann")
    other = graded(folder, "ann").with_name("more.ipynb")
    before = other.read_bytes()
    submit(folder, "ann", fill(released(folder), RIGHT))
    nbgrader(folder, "autograde", "tiny", "--notebook", "tiny")
    assert other.read_bytes() == before
    given = {r.grade_id: r.score for r in read_sealed(graded(folder, "ann")).results}
    assert given["test_half"] == 3.0


def test_nothing_is_recorded_of_what_was_not_executed(tmp_path: Path) -> None:
    folder = course(tmp_path)
    submit(folder, "ann", fill(released(folder), {}))
    log = nbgrader(folder, "autograde", "tiny", "--no-execute", fails=True)
    assert "nothing was executed: leave out --no-execute" in log
    assert scores(folder)["ann"] == {"test_double": None, "test_half": None, "essay": None}
