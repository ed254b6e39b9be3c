"""Made-up classes in a course folder of their own, taken through nbgrader's steps."""

import json
import shutil
import time
import zipfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nbproctor.classes.classroom import Classroom, hand_in
from nbproctor.classes.classrun import grade_class
from nbproctor.classes.watching import Quiet
from nbproctor.config import usable_cores
from nbproctor.course.lesson import load_lesson
from nbproctor.course.records import CellResult
from nbproctor.course.sealed import read_sealed
from nbproctor.course.variants_secret import read_secret, write_secret
from nbproctor.crew.pool import LocalCrew
from nbproctor.errors import ConfigError
from nbproctor.reports.report import StudentRow
from nbproctor.sandbox.plan import Level
from nbproctor.store.gradebook import Course

__all__ = ["furnish", "give_feedback", "grade_again", "grade_classes", "hand_out_and_in"]

CONFIG_FILE = "nbgrader_config.py"
SECRET_FILE = "secret.txt"  # made up like all else: variants are drawn from it
TIMESTAMP = "%Y%m%dT%H%M%S"

Rows = list[StudentRow]


def furnish(
    course_root: Path, class_folder: Path, folder: Path, lessons: Sequence[str], sandbox: Level
) -> Course:
    """Make a course of `folder`: these lessons, the course's settings and the classes' own.

    Raises:
        ConfigError: a lesson is not built.
    """
    for lesson in lessons:
        source = course_root / "solutions" / lesson
        if not (source / f"{lesson}.ipynb").is_file():
            raise ConfigError(
                "this lesson is not built", expected=f"run: nbproctor build {lesson}", where=source
            )
        shutil.copytree(source, folder / "solutions" / lesson)
    configs = [course_root / CONFIG_FILE, class_folder / CONFIG_FILE]
    texts = [config.read_text(encoding="utf-8") for config in configs]
    texts.append(f'c.RebuildingExporter.sandbox = "{sandbox}"\n')
    (folder / CONFIG_FILE).write_text("\n".join(texts), encoding="utf-8")
    if (secret := class_folder / SECRET_FILE).is_file():
        write_secret(folder, secret.read_text(encoding="utf-8").strip())
    return Course(folder)


def hand_out_and_in(course: Course, classes: Sequence[Classroom]) -> None:
    """Release each class's lesson, and collect what its students hand in."""
    print(f"Releasing {_counted(len(classes), 'lesson')} (nbgrader generate_assignment)")
    for classroom in classes:
        course.set_due(classroom.lesson, classroom.due)
        course.release(classroom.lesson)
    submissions = sum(len(classroom.students) for classroom in classes)
    print(f"Collecting {_counted(submissions, 'submission')} (nbgrader zip_collect)")
    for classroom in classes:
        _pack(course.root, classroom)
    with ThreadPoolExecutor(usable_cores()) as pool:  # a process each, mostly imports
        list(pool.map(course.zip_collect, [classroom.lesson for classroom in classes]))


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"


def _pack(folder: Path, classroom: Classroom) -> None:
    """The class's files in one archive, as a learning platform gives them out."""
    name = classroom.lesson
    source, release = (
        folder / kind / name / f"{name}.ipynb" for kind in ("solutions", "notebooks")
    )
    lesson, released = load_lesson(source, release), json.loads(release.read_bytes())
    secret = read_secret(folder)
    archive = folder / "downloaded" / name / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "class.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for student in classroom.students:
            when = student.handed_in(classroom.due).strftime(TIMESTAMP)
            packed.writestr(
                f"{student.name}_{when}_{name}.ipynb", hand_in(student, lesson, released, secret)
            )


class _Timing(Quiet):
    """Keeps how many seconds each submission took, and moves a bar."""

    def __init__(self, bar: "tqdm[Any]") -> None:
        self.bar = bar
        self.seconds: dict[str, float] = {}

    def see(self, outcome: Any) -> None:
        super().see(outcome)
        self.seconds[outcome.student] = sum(r.seconds for r in outcome.reports.values())
        self.bar.update()


def grade_classes(
    course: Course, classes: Sequence[Classroom], show_progress: bool
) -> dict[str, Rows]:
    """Grade each class with a worker per core; what came of it, by lesson.

    Raises:
        UnfinishedError: a student has no result.
    """
    workers = usable_cores()
    print(f"Grading with {_counted(workers, 'worker')} (nbproctor grade)")
    rows = {}
    total = sum(len(classroom.students) for classroom in classes)
    with tqdm(total=total, unit="submission", disable=not show_progress, leave=False) as bar:
        for classroom in classes:
            bar.set_postfix_str(classroom.lesson)
            timing = _Timing(bar)
            grade_class(course, classroom.lesson, lambda p: LocalCrew(p, workers), timing)
            rows[classroom.lesson] = _rows(course, classroom, timing.seconds)
    return rows


def grade_again(course: Course, classroom: Classroom, show_progress: bool) -> Rows:
    """Grade a class with nbgrader's own command, one student after another."""
    seconds = {}
    names = [student.name for student in classroom.students]
    with tqdm(names, unit="submission", disable=not show_progress, leave=False) as bar:
        for name in bar:
            bar.set_postfix_str(name)
            began = time.monotonic()
            course.autograde(classroom.lesson, name)
            seconds[name] = time.monotonic() - began
    return _rows(course, classroom, seconds)


def give_feedback(course: Course, classes: Sequence[Classroom]) -> None:
    """Write everybody's page of feedback."""
    print("Writing feedback (nbgrader generate_feedback)")
    for classroom in classes:
        course.generate_feedback(classroom.lesson)


def _rows(course: Course, classroom: Classroom, seconds: Mapping[str, float]) -> Rows:
    scores = {score.student: score for score in course.scores(classroom.lesson)}
    rows = []
    for student in classroom.students:
        results, told = _graded(course.root, classroom.lesson, student.name)
        given, expected = scores[student.name], classroom.expected[student.name]
        row = StudentRow(
            student=student.name,
            results=results,
            score=given.score,
            seconds=seconds[student.name],
            sandbox=told["sandbox"],
            notes=tuple(told["notes"]),
            about=student.about,
            late_penalty=given.late_penalty,
            expected_score=expected.score,
            differences={
                **expected.differences(results, given.score),
                **_disagreements(results, given.cells),
            },
        )
        rows.append(row)
    return rows


def _graded(
    folder: Path, lesson: str, student: str
) -> tuple[tuple[CellResult, ...], dict[str, Any]]:
    """The verdicts in an autograded notebook, and what it says about itself: sandbox, notes."""
    found = read_sealed(folder / "autograded" / student / lesson / f"{lesson}.ipynb")
    return found.results, found.about


def _disagreements(
    results: tuple[CellResult, ...], gradebook: Mapping[str, float | None]
) -> dict[str, str]:
    """Scores that the gradebook holds otherwise than the verdict says, by grade_id."""
    return {
        r.grade_id: f"{r.score} in the gradebook too, which has {gradebook.get(r.grade_id)}"
        for r in results
        if r.score is not None and gradebook.get(r.grade_id) != r.score
    }
