"""The page of a class and a lesson: figures, mistakes, and what a person should look at."""

from collections.abc import Iterator
from pathlib import Path

from nbproctor.course.records import Verdict
from nbproctor.files import write_page
from nbproctor.reports.charts import Chart, score_chart, time_chart, verdict_chart
from nbproctor.reports.class_entries import read_entries
from nbproctor.reports.class_marks import State, lesson_of, opened_gradebook
from nbproctor.reports.class_picture import ClassPicture, Line, Listed
from nbproctor.reports.report import place, plain, rendered
from nbproctor.store.gradebook import Course

__all__ = ["lesson_page", "write_report"]

MOST_MISTAKES = 40
PAGE = 100


def write_report(course: Course, asked: str, to: Path | None) -> tuple[Path, ClassPicture]:
    """Write the page of a lesson; where it is, and what it shows.

    Raises:
        ConfigError: the lesson is unknown, or the file cannot be written.
        GradebookError: there is no gradebook.
    """
    with opened_gradebook(course.coursedir.db_url) as gradebook:
        lesson = lesson_of(gradebook, asked)
        picture = ClassPicture(lesson)
        picture.add_all(read_entries(gradebook, course.coursedir, lesson))
    usual = course.root / "reports" / f"{lesson.name}.html"
    return write_page(lesson_page(picture), to, usual), picture


def lesson_page(picture: ClassPicture) -> str:
    """A class's results in one lesson as one HTML page that loads nothing and runs nothing."""
    mistakes, kinds, count = picture.common_mistakes(MOST_MISTAKES)
    return rendered(
        "lesson.html",
        title=f"{picture.lesson.name}: how the class did",
        picture=picture,
        states=[(state, picture.states[state]) for state in State if picture.states[state]],
        places=list(_places(picture)),
        attention=list(_attention(picture)),
        figures=list(_figures(picture)),
        order=list(Verdict),
        totals=picture.all_verdicts,
        mistakes=mistakes,
        failed=count + sum(mistake.count for mistake in mistakes),
        other_kinds=kinds,
        other_count=count,
        beyond=picture.other_mistakes,
        times=picture.time_quantiles,
        pages=list(_pages(picture.lines)),
        left_out=picture.students - len(picture.lines),
    )


def _places(picture: ClassPicture) -> Iterator[str]:
    for sandbox, count in sorted(picture.sandboxes.items()):
        yield f"{count:,} graded {place(sandbox)}"


def _attention(picture: ClassPicture) -> Iterator[tuple[str, str, Listed]]:
    """What somebody has to do something about: how it is called, what to do, and who."""
    for problem, students in picture.problems.items():
        what = f"to be graded again: {problem}"
        yield what, f"Run: nbproctor grade {picture.lesson.name}", students
    if picture.unfair.count:
        told = "A test asked for something impossible: its cell has no fair mark."
        yield "met an error of the grader's", told, picture.unfair
    if picture.waiting.count:
        yield "wait for a person", "Open them in formgrader's Manual Grading.", picture.waiting
    if picture.old.count:
        told = "Their marks by hand stand; nbgrader asks to look at them again."
        yield "were marked by hand before they were graded again", told, picture.old
    for note, students in sorted(picture.notes.items(), key=lambda pair: -pair[1].count):
        yield f"flagged: {note}", "", students


def _figures(picture: ClassPicture) -> Iterator[Chart]:
    if picture.scores:
        yield score_chart(picture.scores, picture.lesson.points)
    if picture.verdicts:
        verdicts = {plain(n): list(v.elements()) for n, v in picture.verdicts.items()}
        yield verdict_chart(verdicts)
    if picture.seconds:
        yield time_chart(picture.seconds)


def _pages(lines: list[Line]) -> Iterator[list[Line]]:
    for n in range(0, len(lines), PAGE):
        yield lines[n : n + PAGE]
