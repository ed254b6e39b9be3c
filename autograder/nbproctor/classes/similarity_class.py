"""The answers of a class, exercise by exercise, and the page of those that are alike."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbproctor.classes.classroom import without_markers
from nbproctor.classes.similarity import Exercise, Measure, Pair, alike
from nbproctor.course.lesson import Cell, Lesson
from nbproctor.course.notebook import answered, parse_submission
from nbproctor.errors import ConfigError
from nbproctor.files import write_page
from nbproctor.reports.report import plain, rendered
from nbproctor.store.filing import Filing
from nbproctor.store.gradebook import Course
from nbproctor.store.packing import lesson_packs, notebooks_of, resolve_lesson
from nbproctor.text import plain_text

__all__ = ["Likeness", "compare_class", "exercises_of", "similarity_lines", "write_similarity"]

MOST_PAIRS = 100
FEWEST = 2


@dataclass(frozen=True)
class Likeness:
    """What came of comparing a class: pairs to look at, of how many, and how they were measured."""

    lesson: str
    students: int
    exercises: tuple[str, ...]
    pairs: tuple[Pair, ...]
    measure: Measure

    @property
    def compared(self) -> int:
        return self.students * (self.students - 1) // 2


def compare_class(course: Course, asked: str, measure: Measure | None = None) -> Likeness:
    """Compare what a class handed in for a lesson. Nothing is run, and nothing is recorded.

    Raises:
        ConfigError: the lesson is unknown, fewer than two handed in, or copydetect is missing.
        LessonError, GradebookError: the lesson is not released as it is now.
    """
    measure = measure or Measure()
    assignment = resolve_lesson(course, asked)
    filing = Filing(course, assignment, notebooks_of(course, assignment))
    packed = lesson_packs(course, assignment, filing.names, filing.limits, filing.level)
    students = filing.students(())
    if len(students) < FEWEST:
        raise ConfigError(
            "there is nothing to compare",
            expected=f"{FEWEST} submissions or more of {assignment}",
            got=len(students),
            where=Path(filing.coursedir.root, filing.coursedir.submitted_directory),
        )
    found = [
        exercise
        for name, (_, lesson) in packed.items()
        for exercise in exercises_of(lesson, _answers(filing, name, lesson, students, measure))
    ]
    names = tuple(exercise.name for exercise in found)
    return Likeness(assignment, len(students), names, tuple(alike(found, measure)), measure)


def exercises_of(lesson: Lesson, answers: dict[str, dict[str, str]]) -> Iterator[Exercise]:
    """A lesson's exercises with these answers (by exercise, then by student).

    The course's own texts are those of all variants.
    """
    for cell in (c for c in lesson.cells if c.takes_answer):
        name = cell.grade_id or ""
        rows = next((c.rows for c in lesson.choices if c.exercise == name), ({},))
        given = [
            text
            for own in (lesson.varied(row).by_grade_id[name] for row in rows)
            for text in (own.released, without_markers(own.full))
        ]
        yield Exercise(name, given, answers.get(name, {}), cell.is_code)


def _answers(
    filing: Filing, name: str, lesson: Lesson, students: Sequence[str], measure: Measure
) -> dict[str, dict[str, str]]:
    """By exercise and student; of a notebook no more is kept than what will be compared."""
    found: dict[str, dict[str, str]] = {}
    cells: list[Cell] = [cell for cell in lesson.cells if cell.takes_answer]
    for student in students:
        handed_in, _ = filing.read(filing.handed_in(student), name)
        submission = parse_submission(handed_in, lesson, filing.limits)
        for cell in (c for c in cells if answered(c, submission)):
            text = plain_text(submission.answers[cell.grade_id or ""])
            found.setdefault(cell.grade_id or "", {})[student] = text[: measure.longest]
    return found


def similarity_lines(found: Likeness) -> Iterator[str]:
    """A line for each pair."""
    yield summary(found)
    for pair in found.pairs[:MOST_PAIRS]:
        exercises = ", ".join(f"{s.exercise} {s.signs} signs" for s in pair.shared)
        yield plain(f"{pair.students[0]}  {pair.students[1]}  {exercises}").replace("\n", " ")
    if len(found.pairs) > MOST_PAIRS:
        yield f"and {len(found.pairs) - MOST_PAIRS:,} more"


def summary(found: Likeness) -> str:
    """What was found, in one sentence."""
    count = f"{len(found.pairs):,} of {found.compared:,} pairs"
    exercises = f"{len(found.exercises)} exercises"
    return f"{found.lesson}: {count} of students share unusually much, in {exercises}"


def similarity_page(found: Likeness) -> str:
    """The pairs as one HTML page that loads nothing and runs nothing."""
    return rendered(
        "similarity.html",
        title=f"{found.lesson}: answers that are alike",
        found=found,
        summary=summary(found),
        pairs=found.pairs[:MOST_PAIRS],
        more=len(found.pairs) - MOST_PAIRS,
        plain=plain,
    )


def write_similarity(found: Likeness, course: Course, to: Path | None) -> Path:
    """Write the page; where it is. It holds students' work: only its owner may read it."""
    usual = course.root / "reports" / f"{found.lesson}_similarity.html"
    return write_page(similarity_page(found), to, usual, private=True)
