"""Grade made-up classes with nbgrader's own steps, and compare every mark with what it must be."""

import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from nbproctor.classes.classroom import Classroom, read_classes
from nbproctor.course.records import CellResult, Verdict
from nbproctor.errors import ConfigError
from nbproctor.files import write_page
from nbproctor.reports.report import SYMBOLS, StudentRow, class_page, course_page, plain, points
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import strongest_level

__all__ = ["run_demo"]

CLASS_FOLDER = Path("autograder", "class_demo")
PAGE = Path("reports", "class_demo.html")

Rows = list[StudentRow]


def run_demo(
    course_root: Path,
    lessons: Sequence[str] = (),
    keep: Path | None = None,
    show_progress: bool = True,
    sandbox: Level = Level.REDUCED,
) -> int:
    """Release, collect, grade and give feedback to the classes in `autograder/class_demo`.

    The smallest class is graded a second time, by nbgrader's own command, and must get the same
    marks.

    Args:
        lessons: lessons by name or number; all that have a class if empty.
        keep: a folder that does not exist yet: the classes' course stays there.

    Returns 0 if every score and verdict is the expected one, 1 if not.

    Raises:
        ConfigError: a class or the lesson it worked on is not there, or `keep` is.
        GradebookError: a step of nbgrader's failed.
        SandboxError: this machine cannot give the level `sandbox`.
        UnfinishedError: a student's result is not whole.
    """
    strongest_level(sandbox)  # now rather than after the first steps
    began = time.monotonic()
    classes = read_classes(course_root / CLASS_FOLDER, lessons)
    with _folder(keep) as folder, warnings.catch_warnings():
        # SQLAlchemy warns of nbgrader's own queries; nobody here can do anything about it.
        warnings.filterwarnings("ignore", module=r"nbgrader\.")
        graded, second, agreed = _grade(course_root, folder, classes, show_progress, sandbox)
    for lesson, rows in graded.items():
        print("\n".join(_table(lesson, rows)))
    _write_pages(course_root, graded, second)
    if keep is not None:
        print(f"The classes' course, with feedback and gradebook: {keep}")
    print(f"Done in {time.monotonic() - began:.0f} s.")
    print("\n".join([*_verdict_on(graded), second]))
    differing = [row for rows in graded.values() for row in rows if row.differences]
    return 0 if agreed and not differing else 1


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


def _grade(
    course_root: Path,
    folder: Path,
    classes: Sequence[Classroom],
    show_progress: bool,
    sandbox: Level,
) -> tuple[dict[str, Rows], str, bool]:
    """All steps; what came of each class, and of the second grading: in words, and if it agreed."""
    # Five seconds to import; whoever asks for --help should not wait for it.
    from nbproctor.classes import demo_course

    names = [classroom.lesson for classroom in classes]
    settings = course_root / CLASS_FOLDER
    course = demo_course.furnish(course_root, settings, folder, names, sandbox)
    demo_course.hand_out_and_in(course, classes)
    graded = demo_course.grade_classes(course, classes, show_progress)
    smallest = min(classes, key=lambda classroom: len(classroom.students))
    print(f"Grading {smallest.lesson} again, one after another (nbgrader autograde)")
    again = demo_course.grade_again(course, smallest, show_progress)
    changed = _changed(graded[smallest.lesson], again)
    demo_course.give_feedback(course, classes)
    told = f"other marks to {', '.join(changed)}" if changed else "the same marks"
    second = f"{smallest.lesson} was graded a second time, by nbgrader autograde: {told}."
    return graded, second, not changed


def _changed(rows: Rows, again: Rows) -> list[str]:
    """Who got other marks the second time."""
    pairs = zip(rows, again, strict=True)
    return [row.student for row, other in pairs if _marks(row) != _marks(other)]


def _marks(row: StudentRow) -> tuple[float, list[tuple[str, Verdict, float | None]]]:
    return row.score, [(r.grade_id, r.verdict, r.score) for r in row.results]


def _write_pages(course_root: Path, graded: Mapping[str, Rows], note: str) -> None:
    """A page about all classes, and beside it a folder with a page about each."""
    page = course_root / PAGE
    folder = page.with_suffix("")
    for lesson, rows in graded.items():
        text = class_page(rows, f"The made-up class: {lesson}")
        write_page(text, None, folder / f"{lesson}.html")
    links = {lesson: f"{folder.name}/{lesson}.html" for lesson in graded}
    text = course_page(graded, "The made-up class", links, [note])
    write_page(text, None, page)
    print(f"\nThe same as pages, beginning with {page}")


def _table(lesson: str, rows: Rows) -> Iterator[str]:
    """A class for a terminal: a line per student, and what its columns and signs mean."""
    columns = list(dict.fromkeys(r.grade_id for row in rows for r in row.results))
    numbers = "".join(f"{n:>6}" for n in range(1, len(columns) + 1))
    longest = max(len(row.student) for row in rows)
    yield f"\n{lesson}\n"
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


def _verdict_on(graded: Mapping[str, Rows]) -> Iterator[str]:
    """Whether all is as expected, or what is not."""
    for lesson, rows in graded.items():
        if not any(row.differences for row in rows):
            yield f"{lesson}: all {len(rows)} students got the expected scores and verdicts."
            continue
        differing = [row for row in rows if row.differences]
        yield f"{lesson}: {len(differing)} of {len(rows)} students differ from expected.csv:"
        for row in differing:
            found = {r.grade_id: f"{r.verdict} {r.score}" for r in row.results} | {
                "score": points(row.score)
            }
            for name, wanted in row.differences.items():
                got = found.get(name, "nothing")
                yield f"  {row.student}, {name}: expected {wanted}, got {got}"
