"""nbgrader's own example course, as `nbgrader quickstart` makes it, graded unchanged.

Its tests are plain asserts that learners see; one deletes a name of the learner's to find out
whether another answer needs it. The marks must be those of nbgrader alone.
"""

import shutil
from pathlib import Path
from typing import Any

import nbformat
import pytest
from courses import nbgrader
from fixtures import fill
from nbgrader.api import Gradebook, SubmittedAssignment
from nbgrader.apps import quickstartapp

from nbproctor.commands.cli import main

pytestmark = pytest.mark.slow

EXAMPLE = Path(quickstartapp.__file__).parents[1] / "docs/source/user_guide"
USE_NBPROCTOR = """\
from nbproctor.settings import use_nbproctor

c = get_config()
use_nbproctor(c)

"""
SQUARES = """\
def squares(n):
    if n < 1:
        raise ValueError("too small")
    return [i * i for i in range(1, n + 1)]
"""
RIGHT = {
    "squares": SQUARES,
    "sum_of_squares": "def sum_of_squares(n):\n    return sum(squares(n))\n",
    "sum_of_squares_equation": "$\\sum_i i^2$",
    "sum_of_squares_application": "def norm(n):\n    return sum_of_squares(n) ** 0.5\n",
}
BY_ITSELF = "def sum_of_squares(n):\n    return sum(i * i for i in range(1, n + 1))\n"
NO_ERROR = "def squares(n):\n    return [i * i for i in range(1, n + 1)]\n"
AS_NUMPY = """\
import numpy as np

def squares(n):
    if n < 1:
        raise ValueError(n)
    return list(np.arange(1, n + 1) ** 2)
"""
# nbgrader's own two students are one with everything right and one who is off by one.
CLASS: dict[str, dict[str, str]] = {
    "by_itself": {**RIGHT, "sum_of_squares": BY_ITSELF},
    "no_error": {**RIGHT, "squares": NO_ERROR},
    "as_numpy": {**RIGHT, "squares": AS_NUMPY},
    "blank": {},
}
AUTOMATIC = (
    "correct_squares",
    "squares_invalid_input",
    "correct_sum_of_squares",
    "sum_of_squares_uses_squares",
)


def quickstart(parent: Path) -> Path:
    """The example course, released, with nbgrader's own made-up students and ours."""
    nbgrader(parent, "quickstart", "course101")
    folder = parent / "course101"
    nbgrader(folder, "generate_assignment", "ps1")
    released = nbformat.read(folder / "release/ps1/problem1.ipynb", 4)
    for student, answers in CLASS.items():
        place = folder / "submitted" / student / "ps1"
        shutil.copytree(folder / "release/ps1", place)
        nbformat.write(fill(released, answers), place / "problem1.ipynb")
        (place / "submission_secret.txt").write_text(f"of {student}'s, from the exchange")
    shutil.copytree(EXAMPLE / "submitted", folder / "submitted", dirs_exist_ok=True)
    return folder


def with_nbproctor(folder: Path, to: Path) -> Path:
    """A copy of a course, with the lines that its settings need."""
    shutil.copytree(folder, to)
    config = to / "nbgrader_config.py"
    text = config.read_text()
    assert text.startswith("c = get_config()\n")
    config.write_text(USE_NBPROCTOR + text)
    return to


def marks(folder: Path) -> dict[str, Any]:
    """Every grade of the gradebook, what waits for a person, and every student's score."""
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        return {made.student.id: _marks(made) for made in gradebook.assignment_submissions("ps1")}


def _marks(submission: SubmittedAssignment) -> Any:
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    cells = {g.name: (g.auto_score, g.manual_score, g.needs_manual_grade) for g in grades}
    return cells, submission.score, submission.max_score, submission.needs_manual_grade


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The course, not graded."""
    return quickstart(tmp_path_factory.mktemp("quickstart"))


@pytest.fixture(scope="module")
def graded_by_stock(stock: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stock") / "course101"
    shutil.copytree(stock, folder)
    nbgrader(folder, "autograde", "ps1")
    return folder


def test_the_example_gets_stock_marks(stock: Path, graded_by_stock: Path, tmp_path: Path) -> None:
    ours = with_nbproctor(stock, tmp_path / "ours")
    assert main(["grade", "ps1", "--course", str(ours), "--quiet", "--feedback"]) == 0
    found = marks(ours)
    assert found == marks(graded_by_stock)
    assert len(found) == len(CLASS) + 2
    points = {name: [cells[a][0] for a in AUTOMATIC] for name, (cells, *_) in found.items()}
    assert points["hacker"] == points["as_numpy"] == [1, 1, 0.5, 0.5]
    assert points["bitdiddle"] == [0, 1, 0, 0.5]
    assert points["by_itself"] == [1, 1, 0.5, 0]
    assert points["no_error"] == [1, 0, 0.5, 0.5]
    assert points["blank"] == [0, 0, 0, 0]
    assert files(ours / "autograded") == files(graded_by_stock / "autograded")
    page = ours / "feedback/by_itself/ps1/problem1.html"
    assert "sum_of_squares does not use squares" in page.read_text()
    assert (page.parent / "submission_secret.txt").is_file(), "the exchange files feedback by it"


def test_nbgraders_own_command_gives_the_same(
    stock: Path, graded_by_stock: Path, tmp_path: Path
) -> None:
    ours = with_nbproctor(stock, tmp_path / "ours")
    nbgrader(ours, "autograde", "ps1", "--student", "by_itself")
    assert marks(ours) == {"by_itself": marks(graded_by_stock)["by_itself"]}
    place = "autograded/by_itself"
    assert files(ours / place) == files(graded_by_stock / place)
