"""Grade a made-up class with nbgrader's own steps, and compare every mark with what it must be."""

import json
import shutil
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbproctor.classroom import Classroom, hand_in, read_class
from nbproctor.errors import ConfigError
from nbproctor.lesson import load_lesson
from nbproctor.records import CellResult, Verdict
from nbproctor.report import SYMBOLS, StudentRow, class_page, plain, points
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import strongest_level
from nbproctor.sealed import read_sealed

if TYPE_CHECKING:
    from nbproctor.gradebook import Course

__all__ = ["run_demo"]

CLASS_FOLDER = Path("autograder", "class_demo")
PAGE = Path("reports", "class_demo.html")
CONFIG_FILE = "nbgrader_config.py"
TIMESTAMP = "%Y%m%dT%H%M%S"


def run_demo(
    course_root: Path,
    keep: Path | None = None,
    show_progress: bool = True,
    sandbox: Level = Level.REDUCED,
) -> int:
    """Release, collect, grade and give feedback to the class in `autograder/class_demo`.

    Args:
        keep: a folder that does not exist yet: the class's course stays there.

    Returns 0 if every score and verdict is the expected one, 1 if not.

    Raises:
        ConfigError: the class or the lesson it worked on is not there, or `keep` is.
        GradebookError: a step of nbgrader's failed.
        SandboxError: this machine cannot give the level `sandbox`.
        UnfinishedError: a student's result is not whole.
    """
    strongest_level(sandbox)  # now rather than after the first steps
    began = time.monotonic()
    classroom = read_class(course_root / CLASS_FOLDER)
    with _folder(keep) as folder, warnings.catch_warnings():
        # SQLAlchemy warns of nbgrader's own queries; nobody here can do anything about it.
        warnings.filterwarnings("ignore", module=r"nbgrader\.")
        _furnish(course_root, folder, classroom.lesson, sandbox)
        rows = _grade_class(folder, classroom, show_progress)
    page = course_root / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    note = f"{len(rows)} made-up students, graded through nbgrader on one machine."
    title = f"The made-up class: {classroom.lesson}"
    page.write_text(class_page(rows, title, [note]), encoding="utf-8")
    print("\n".join(_table(rows)))
    print(f"\nThe same as a page: {page}")
    if keep is not None:
        print(f"The class's course, with feedback and gradebook: {keep}")
    print(f"Done in {time.monotonic() - began:.0f} s.")
    return _verdict_on(rows)


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="nbproctor-demo-") as scratch:
            yield Path(scratch).resolve()
        return
    if keep.exists():
        raise ConfigError("the folder to keep exists", expected="a new folder", where=keep)
    keep.mkdir(parents=True)
    yield keep.resolve()


def _grade_class(folder: Path, classroom: Classroom, show_progress: bool) -> list[StudentRow]:
    """Take a class through nbgrader's steps, in a course folder of its own."""
    # Five seconds to import; whoever asks for --help should not wait for it.
    from nbproctor.gradebook import Course

    course = Course(folder)
    print("Releasing the lesson (nbgrader generate_assignment)")
    course.set_due(classroom.lesson, classroom.due)
    course.release(classroom.lesson)
    print(f"Collecting {len(classroom.students)} submissions (nbgrader zip_collect)")
    _pack(folder, classroom)
    course.zip_collect(classroom.lesson)
    print("Grading (nbgrader autograde)")
    seconds = _autograde(course, classroom, show_progress)
    print("Writing feedback (nbgrader generate_feedback)")
    course.generate_feedback(classroom.lesson)
    return _rows(course, classroom, seconds)


def _furnish(course_root: Path, folder: Path, lesson: str, sandbox: Level) -> None:
    """A course folder with one lesson, the course's settings and the class's own."""
    source = course_root / "solutions" / lesson
    if not (source / f"{lesson}.ipynb").is_file():
        raise ConfigError("this lesson is not built: run `make build`", where=source)
    shutil.copytree(source, folder / "solutions" / lesson)
    configs = [course_root / CONFIG_FILE, course_root / CLASS_FOLDER / CONFIG_FILE]
    texts = [config.read_text(encoding="utf-8") for config in configs]
    texts.append(f'c.RebuildingExporter.sandbox = "{sandbox}"\n')
    (folder / CONFIG_FILE).write_text("\n".join(texts), encoding="utf-8")


def _pack(folder: Path, classroom: Classroom) -> None:
    """The class's files in one archive, as a learning platform gives them out."""
    name = classroom.lesson
    source, release = (
        folder / kind / name / f"{name}.ipynb" for kind in ("solutions", "notebooks")
    )
    lesson, released = load_lesson(source, release), json.loads(release.read_bytes())
    archive = folder / "downloaded" / name / "archive"
    archive.mkdir(parents=True)
    with zipfile.ZipFile(archive / "class.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        for student in classroom.students:
            when = student.handed_in(classroom.due).strftime(TIMESTAMP)
            packed.writestr(
                f"{student.name}_{when}_{name}.ipynb", hand_in(student, lesson, released)
            )


def _autograde(course: "Course", classroom: Classroom, show_progress: bool) -> dict[str, float]:
    """Grade one student after another; how many seconds each took."""
    from tqdm import tqdm

    seconds = {}
    names = [student.name for student in classroom.students]
    with tqdm(names, unit="student", disable=not show_progress, leave=False) as bar:
        for name in bar:
            bar.set_postfix_str(name)
            began = time.monotonic()
            course.autograde(classroom.lesson, name)
            seconds[name] = time.monotonic() - began
    return seconds


def _rows(course: "Course", classroom: Classroom, seconds: Mapping[str, float]) -> list[StudentRow]:
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


def _table(rows: list[StudentRow]) -> Iterator[str]:
    """The class for a terminal: a line per student, and what its columns and signs mean."""
    columns = list(dict.fromkeys(r.grade_id for row in rows for r in row.results))
    numbers = "".join(f"{n:>6}" for n in range(1, len(columns) + 1))
    longest = max(len(row.student) for row in rows)
    yield ""
    yield f"{'student':<{longest}}  score  expected{numbers}   handed in"
    for row in rows:
        found = [row.by_grade_id.get(column) for column in columns]
        marks = "".join(f"{_mark(result):>6}" for result in found)
        scores = f"{points(row.score):>5}  {points(row.expected_score or 0.0):>8}"
        late = f" (late: -{points(row.late_penalty)})" if row.late_penalty else ""
        sign = " DIFFERS" if row.differences else ""
        yield f"{row.student:<{longest}}  {scores}{marks}   {plain(row.about)}{late}{sign}"
    yield ""
    yield ", ".join(f"{n} {plain(column)}" for n, column in enumerate(columns, 1))
    verdicts = {result.verdict for row in rows for result in row.results}
    yield ", ".join(f"{SYMBOLS[v]} {v}" for v in Verdict if v in verdicts)


def _mark(result: CellResult | None) -> str:
    if result is None:
        return "none"
    score = "?" if result.score is None else points(result.score)
    return f"{SYMBOLS[result.verdict]} {score}"


def _verdict_on(rows: list[StudentRow]) -> int:
    differing = [row for row in rows if row.differences]
    if not differing:
        print(f"All {len(rows)} students got the expected scores and verdicts.")
        return 0
    print(f"{len(differing)} of {len(rows)} students differ from {CLASS_FOLDER / 'expected.csv'}:")
    for row in differing:
        found = {r.grade_id: f"{r.verdict} {r.score}" for r in row.results} | {
            "score": points(row.score)
        }
        for name, wanted in row.differences.items():
            print(f"  {row.student}, {name}: expected {wanted}, got {found.get(name, 'nothing')}")
    return 1
