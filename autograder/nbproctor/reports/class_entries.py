"""All that is known of each student of a class: marks from the gradebook, reports of grading."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.course.sealed import read_sealed
from nbproctor.errors import UnfinishedError
from nbproctor.reports.class_marks import Lesson, Mark, Person, State, StudentMarks, read_marks
from nbproctor.store.places import path_of, submission_digest

__all__ = ["Entry", "read_entries"]


@dataclass(frozen=True)
class Entry:
    """One student's marks for a lesson, and what grading said of each notebook, by its name.

    `problem` says, in words, why the marks may not be those of what is handed in now.
    """

    marks: StudentMarks
    reports: Mapping[str, Report]
    problem: str = ""

    @property
    def person(self) -> Person:
        return self.marks.person

    @property
    def state(self) -> State:
        """How far the marks are. Where a test failed by its own fault they wait for a person."""
        results = (result for report in self.reports.values() for result in report.results)
        unfair = any(result.verdict is Verdict.GRADER_ERROR for result in results)
        state = self.marks.state
        return State.WAITING if unfair and state is State.DONE else state

    @property
    def ordered(self) -> list[Mark]:
        """The marks in the order of the notebooks, where it is known."""
        known = [(n, r.grade_id) for n, report in self.reports.items() for r in report.results]
        order = {key: place for place, key in enumerate(known)}
        marks = self.marks.marks
        return sorted(marks, key=lambda m: order.get((m.notebook, m.grade_id), len(order)))

    def result(self, mark: Mark) -> CellResult | None:
        """What grading said of one cell."""
        report = self.reports.get(mark.notebook)
        results = report.results if report else ()
        return next((r for r in results if r.grade_id == mark.grade_id), None)


def read_entries(
    gradebook: Any, coursedir: Any, lesson: Lesson, only: Sequence[str] = ()
) -> Iterator[Entry]:
    """All students of the gradebook, or some, with all that is known of them, one at a time."""
    for marks in read_marks(gradebook, lesson, only):
        yield Entry(marks, *(_reports(coursedir, lesson, marks) if marks.submitted else ({}, "")))


def _reports(coursedir: Any, lesson: Lesson, marks: StudentMarks) -> tuple[dict[str, Report], str]:
    """What grading said of a student's notebooks, by name; and in words, what is not as it should.

    Only whole graded notebooks count.
    """
    student = marks.person.id
    folder = path_of(coursedir, coursedir.autograded_directory, lesson.name, student)
    handed_in = path_of(coursedir, coursedir.submitted_directory, lesson.name, student)
    reports, problem = {}, ""
    for name in lesson.notebooks:
        if not (handed_in / f"{name}.ipynb").exists():
            continue
        try:
            found = read_sealed(folder / f"{name}.ipynb")
        except UnfinishedError as error:
            problem = error.what
            continue
        if found.submission != submission_digest(coursedir, lesson.name, student, name):
            problem = "another version was handed in since it was graded"
        about = found.about
        notes, level = tuple(about.get("notes", ())), str(about.get("sandbox", ""))
        reports[name] = Report(name, found.results, notes, float(about.get("seconds", 0)), level)
    return reports, problem
