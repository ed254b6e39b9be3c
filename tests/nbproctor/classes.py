"""Graded classes made without running anything: a course, its gradebook and graded notebooks."""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from fixtures import RIGHT, TINY, fill, notebook, write
from nbgrader.api import Gradebook

from nbproctor.course.graded_notebook import rebuilt_notebook
from nbproctor.course.lesson import Lesson, load_lesson
from nbproctor.course.notebook import HandedIn, parse_submission, plan
from nbproctor.course.records import CellResult, Verdict
from nbproctor.course.sealed import digest_of, sealed
from nbproctor.store.filing import Filing
from nbproctor.store.gradebook import Course
from nbproctor.store.marks import Marks, MarksWriter, marks_in, open_gradebook

ROOT = Path(__file__).parents[2]
WHEN = "2026-11-20 10:00:00 UTC"
POINTS = {"test_double": 2.0, "test_half": 3.0, "essay": 2.0}


@dataclass(frozen=True)
class Graded:
    """A student's verdicts by grade_id (passed where nothing is said), and what else is known."""

    verdicts: Mapping[str, tuple[Verdict, float | None, str]] = field(default_factory=dict)
    essay: float | None = None
    notes: tuple[str, ...] = ()
    seconds: float = 1.25
    sandbox: str = "full"
    about: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, str | float] = field(default_factory=dict)
    """Of test_double."""


def tiny_course(folder: Path, db_url: str = "") -> Path:
    """A course of one tiny lesson, released."""
    folder.mkdir(exist_ok=True)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    if db_url:
        with (folder / "nbgrader_config.py").open("a") as config:
            config.write(f"c.CourseDirectory.db_url = {db_url!r}\n")
    write(folder / "solutions" / "tiny" / "tiny.ipynb", notebook(TINY))
    Course(folder).release("tiny")
    return folder


def lesson_of(folder: Path) -> Lesson:
    return load_lesson(*(folder / s / "tiny" / "tiny.ipynb" for s in ("solutions", "notebooks")))


def grade_as(folder: Path, students: Mapping[str, Graded]) -> None:
    """Give these students these marks: submissions, graded notebooks, and rows in the gradebook."""
    course, lesson = Course(folder), lesson_of(folder)
    filing = Filing(course, "tiny", ["tiny"])
    released = json.loads((folder / "notebooks" / "tiny" / "tiny.ipynb").read_text())
    import nbformat

    released = nbformat.from_dict(released)
    data = json.dumps(fill(released, RIGHT)).encode()
    submission = parse_submission(HandedIn(data), lesson, filing.limits)
    planned = plan(lesson, submission)
    batch = []
    for name, graded in students.items():
        made = _notebook(lesson, planned, graded)
        handed_in = folder / "submitted" / name / "tiny"
        handed_in.mkdir(parents=True)
        (handed_in / "tiny.ipynb").write_bytes(data)
        (handed_in / "timestamp.txt").write_text(WHEN)
        digest = digest_of(handed_in / "tiny.ipynb", handed_in / "timestamp.txt")
        target = folder / "autograded" / name / "tiny"
        target.mkdir(parents=True)
        text = sealed(json.dumps(made), digest)
        (target / "tiny.ipynb").write_text(text)
        marks = marks_in(nbformat.from_dict(json.loads(text)).cells)
        batch.append(Marks(name, {"tiny": marks}, datetime(2026, 11, 20, 10)))
    engine = open_gradebook(course.coursedir.db_url)
    writer = MarksWriter(engine, "tiny", filing.penalties)
    for n in range(0, len(batch), 500):
        writer.record(batch[n : n + 500])
    engine.dispose()
    _by_hand(course.coursedir.db_url, students)


def _notebook(lesson: Lesson, planned: Any, graded: Graded) -> dict[str, Any]:
    results = {}
    for cell in lesson.graded:
        name, by_hand = cell.grade_id or "", cell.grade_id == "essay"
        usual = (Verdict.MANUAL, None, "") if by_hand else (Verdict.PASSED, cell.points, "")
        verdict, score, message = graded.verdicts.get(name, usual)
        facts = graded.facts if name == "test_double" else {}
        results[name] = CellResult(name, verdict, score, cell.points, message, 0.5, by_hand, facts)
    made = rebuilt_notebook(lesson, planned, results)
    about = {"sandbox": graded.sandbox, "notes": list(graded.notes), "seconds": graded.seconds}
    made["metadata"]["nbproctor"] = about
    return made


def _by_hand(url: str, students: Mapping[str, Graded]) -> None:
    """What a person has graded, and entered about students."""
    given = {n: g for n, g in students.items() if g.essay is not None or g.about}
    if not given:
        return
    with Gradebook(url) as gradebook:
        for name, graded in given.items():
            if graded.about:
                gradebook.update_or_create_student(name, **graded.about)
            if graded.essay is not None:
                grade = gradebook.find_grade("essay", "tiny", "tiny", name)
                grade.manual_score, grade.needs_manual_grade = graded.essay, False
        gradebook.db.commit()


def enter(folder: Path, students: Iterable[str], **about: str) -> None:
    """Enter students who handed in nothing."""
    with Gradebook(Course(folder).coursedir.db_url) as gradebook:
        for name in students:
            gradebook.update_or_create_student(name, **about)
