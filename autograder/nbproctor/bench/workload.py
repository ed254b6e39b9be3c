"""What the benchmark grades: a lesson, and a made-up class of as many students as one likes.

The lesson of `autograder/class_bench` has three exercises; each student of its class has a right or
a wrong answer to each, at random but the same in every run. No two hand in the same text.
"""

import json
import random
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbproctor.classes.classroom import Student, hand_in
from nbproctor.course.lesson import Lesson, Role, load_lesson
from nbproctor.errors import ConfigError

__all__ = [
    "LIGHT",
    "RESIDUALS",
    "Workload",
    "course_lesson",
    "light_lesson",
    "residuals",
    "student",
]

CLASS_FOLDER = Path("autograder", "class_bench")
RESIDUALS, LIGHT = "residuals", "light"
RIGHT_SHARE = 0.85
NBGRADER = {"locked": False, "schema_version": 3, "task": False}
LIGHT_CELLS = (
    ("given", "import math"),
    ("double", "def double(x):\n    ### BEGIN SOLUTION\n    return 2 * x\n    ### END SOLUTION"),
    (
        "test_double",
        "assert double(2) == 4\n"
        "### BEGIN HIDDEN TESTS\nassert double(3) == 6\n### END HIDDEN TESTS",
    ),
)


@dataclass(frozen=True)
class Workload:
    """A lesson to be graded and the answers of its class.

    Args:
        source: the notebook with solutions and hidden tests, as bytes.
        answers: by exercise, (is right, text); empty where students hand in the lesson's own
            solutions. `{n}` in a text becomes the student's number.
        blank: exercises that every third student leaves unanswered.
    """

    name: str
    source: bytes
    answers: dict[str, list[tuple[bool, str]]]
    blank: tuple[str, ...] = ()

    def submission(self, number: int, lesson: Lesson, release: dict[str, Any]) -> bytes:
        """The notebook that student `number` hands in."""
        own = dict.fromkeys(_last_answer(lesson), f"# Student {number} was here.")
        made = Student(
            student(number), "", answers=self._answers(number), own_cells=own,
            blank=self.blank if number % 3 == 2 else (),
        )  # fmt: skip
        return hand_in(made, lesson, release)

    def right(self, number: int) -> int:
        """How many answers of a student are right; without a choice of answers, all."""
        return sum(is_right for is_right, _ in self._chosen(number).values())

    def _answers(self, number: int) -> dict[str, str]:
        chosen = self._chosen(number)
        return {name: text.replace("{n}", str(number)) for name, (_, text) in chosen.items()}

    def _chosen(self, number: int) -> dict[str, tuple[bool, str]]:
        draw = random.Random(f"{self.name} {number}")
        chosen = {}
        for name, answers in self.answers.items():
            is_right = draw.random() < RIGHT_SHARE
            chosen[name] = draw.choice([a for a in answers if a[0] is is_right])
        return chosen


def student(number: int) -> str:
    """A student's name: half of a class begins with a, half with b."""
    return f"{'ab'[number % 2]}{number:06}"


def _last_answer(lesson: Lesson) -> Iterator[str]:
    answers = [c.grade_id for c in lesson.cells if c.role is Role.ANSWER and c.is_code]
    yield from filter(None, answers[-1:])


def residuals(course_root: Path) -> Workload:
    """The benchmark's own lesson.

    Raises:
        ConfigError: the course has no such lesson.
    """
    import jupytext

    folder = course_root / CLASS_FOLDER
    try:
        notebook = jupytext.read(folder / f"{RESIDUALS}.py", fmt="py:percent")
        told = tomllib.loads((folder / "answers.toml").read_text(encoding="utf-8"))["answer"]
    except OSError as error:
        raise ConfigError(
            "the benchmark's lesson cannot be read", got=error, where=folder
        ) from error
    answers: dict[str, list[tuple[bool, str]]] = {}
    for entry in told:
        answers.setdefault(entry["exercise"], []).append((entry["right"], entry["text"].strip()))
    return Workload(RESIDUALS, _source(notebook), answers)


def course_lesson(course_root: Path, name: str) -> Workload:
    """A lesson of the course without the cells that grading skips; its class solves it.

    Every third student leaves the first exercise unanswered.
    """
    import nbformat

    path = course_root / "solutions" / name / f"{name}.ipynb"
    release = course_root / "notebooks" / name / f"{name}.ipynb"
    lesson = load_lesson(path, release)
    notebook = nbformat.read(path, 4)
    notebook.cells = [c for c in notebook.cells if "demo" not in c.metadata.get("tags", [])]
    first = next(c.grade_id for c in lesson.cells if c.role is Role.ANSWER)
    return Workload(name, _source(notebook), {}, (str(first),))


def light_lesson() -> Workload:
    """One exercise that takes no time: what remains is the grader's own work."""
    import nbformat

    cells = []
    for name, text in LIGHT_CELLS:
        cell = nbformat.v4.new_code_cell(text)
        if name != "given":
            is_test = name.startswith("test_")
            about = {"grade_id": name, "grade": is_test, "solution": not is_test}
            cell.metadata["nbgrader"] = {**NBGRADER, **about} | ({"points": 1} if is_test else {})
        cells.append(cell)
    answers = [(True, "def double(x):\n    return x + x  # {n}"), (False, "double = abs  # {n}")]
    return Workload(LIGHT, _source(nbformat.v4.new_notebook(cells=cells)), {"double": answers})


def _source(notebook: Any) -> bytes:
    """A source notebook's file: without outputs, and with ids that are the same in every run."""
    import nbformat

    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    kernel = {"name": "python3", "language": "python", "display_name": "Python 3"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return json.dumps(notebook, indent=1).encode()
