"""Course folders for the arms of the benchmark, and what their gradebooks say afterwards."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from nbproctor.bench.workload import Workload, student
from nbproctor.course.lesson import load_lesson
from nbproctor.errors import GraderError

__all__ = [
    "CourseKind",
    "environment",
    "fresh_course",
    "furnish",
    "hand_in_class",
    "marks",
    "plain",
    "proctored",
]

CONFIG_FILE = "nbgrader_config.py"
MARKS = """
    select submitted_assignment.student_id, base_cell.name, grade.auto_score
    from grade
    join base_cell on base_cell.id = grade.cell_id
    join submitted_notebook on submitted_notebook.id = grade.notebook_id
    join submitted_assignment on submitted_assignment.id = submitted_notebook.assignment_id
"""


@dataclass(frozen=True)
class CourseKind:
    """How a course is set up: its configuration, and where lessons and releases stand."""

    config: str
    source: str
    release: str


def plain(extra: str = "") -> CourseKind:
    """nbgrader as it comes, with `extra` lines of configuration."""
    config = f'c = get_config()\nc.CourseDirectory.course_id = "bench"\n{extra}'
    return CourseKind(config, "source", "release")


def proctored(course_root: Path, extra: str = "") -> CourseKind:
    """The configuration of the course at `course_root`, which grades through nbproctor."""
    config = (course_root / CONFIG_FILE).read_text(encoding="utf-8")
    return CourseKind(f"{config}\n{extra}", "solutions", "notebooks")


def environment() -> dict[str, str]:
    """What every arm runs in: this Python's programs first, and bytecode kept as usual."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', '')}"}


def furnish(folder: Path, kind: CourseKind, workload: Workload) -> None:
    """Make a course with one released lesson, by nbgrader's own command.

    Raises:
        GraderError: nbgrader refuses the lesson.
    """
    source = folder / kind.source / workload.name
    source.mkdir(parents=True)
    (source / f"{workload.name}.ipynb").write_bytes(workload.source)
    (folder / CONFIG_FILE).write_text(kind.config, encoding="utf-8")
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", workload.name]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    if done.returncode:
        raise GraderError("nbgrader refuses the benchmark's lesson", got=done.stderr, where=folder)


def hand_in_class(
    folder: Path, kind: CourseKind, workload: Workload, numbers: Iterable[int]
) -> list[Path]:
    """Put submissions where nbgrader collects them; returns their paths."""
    name, file = workload.name, f"{workload.name}.ipynb"
    release = folder / kind.release / name / file
    lesson = load_lesson(folder / kind.source / name / file, release)
    released, made = json.loads(release.read_bytes()), []
    for number in numbers:
        path = folder / "submitted" / student(number) / name / file
        path.parent.mkdir(parents=True)
        path.write_bytes(workload.submission(number, lesson, released))
        made.append(path)
    return made


def fresh_course(
    scratch: Path, name: str, kind: CourseKind, workload: Workload, students: int
) -> tuple[Path, list[Path]]:
    """A course in which nothing was graded yet, and the paths of what its class handed in.

    nbgrader releases the lesson once; other courses are copies with a configuration of their own.
    """
    template = scratch / f"template-{workload.name}-{kind.source}"
    if not template.exists():
        furnish(template, kind, workload)
    folder = scratch / name
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(template, folder)
    (folder / CONFIG_FILE).write_text(kind.config, encoding="utf-8")
    return folder, hand_in_class(folder, kind, workload, range(students))


def marks(folder: Path) -> Mapping[str, Mapping[str, float | None]]:
    """The points that tests gave, by student and cell, as nbgrader's gradebook holds them."""
    found: dict[str, dict[str, float | None]] = {}
    gradebook = sqlite3.connect(folder / "gradebook.db")
    try:
        for name, cell, score in gradebook.execute(MARKS):
            found.setdefault(name, {})[cell] = score
    finally:
        gradebook.close()
    return found
