"""Feedback in the same pass as grading: nbgrader's own pages, from marks read for many at once.

nbgrader's command opens the gradebook for every notebook and asks it for every cell. Here the marks
of a batch come with one query for each table, and whoever grades makes the pages, too: this process
says which are due, and files them. A page that only this process can make, it makes itself.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from nbconvert.writers.files import FilesWriter
from nbgrader.converters import GenerateFeedback

from nbproctor.errors import GradebookError
from nbproctor.grading.work import Done, PageJob
from nbproctor.store.gradebook import Course
from nbproctor.store.gradebook_rows import Shown
from nbproctor.store.ledger import Ledger
from nbproctor.store.marks import MarksWriter
from nbproctor.store.pages import PageIds, order_for, prepared, settings_of
from nbproctor.store.places import path_of
from nbproctor.store.staging import in_stages

__all__ = ["FeedbackPages"]

BATCH = 50


@dataclass
class _Student:
    """One student's pages: what they are made of, and those that have come."""

    shown: Mapping[str, Shown]
    names: tuple[str, ...]
    made_from: str
    pages: dict[str, bytes] = field(default_factory=dict)
    error: str = ""


class FeedbackPages:
    """Writes the feedback of one assignment, where it is not there or says something else.

    Args:
        fail: told of a student whose feedback could not be written, and why.
    """

    def __init__(
        self,
        course: Course,
        assignment: str,
        writer: MarksWriter,
        ledger: Ledger,
        fail: Callable[[str, str], None],
    ) -> None:
        self.assignment, self.writer, self.ledger, self.fail = assignment, writer, ledger, fail
        self.coursedir = course.coursedir
        self.settings = settings_of(course.config)
        self.converter: Any = GenerateFeedback(coursedir=self.coursedir, config=course.config)
        self.given = prepared(self.converter)
        self.converter.writer = FilesWriter(parent=self.converter, config=self.converter.config)
        self.converter.force = True
        in_stages(self.converter)
        self._waiting: list[str] = []
        self._open: dict[str, _Student] = {}

    def add(self, student: str) -> None:
        """See to a student's feedback, soon. The student's marks are in the gradebook."""
        self._waiting.append(student)

    def jobs(self, to_the_end: bool = False) -> Iterator[PageJob]:
        """The pages that are due: of whole batches, or of whoever waits.

        Raises:
            GradebookError: the gradebook cannot be read.
        """
        if not self._waiting or (len(self._waiting) < BATCH and not to_the_end):
            return
        students, self._waiting = self._waiting, []
        for name, shown in self.writer.shown(students).items():
            try:
                due = list(self._jobs_of(name, shown))  # all of a student's pages, or none
            except GradebookError:
                raise
            except Exception as error:  # of one student's pages
                self._fail(name, error)
            else:
                yield from due

    def take(self, done: Done) -> None:
        """A page that was made, or the news that it was not."""
        job = done.job
        student = self._open[job.student]
        student.error = student.error or done.error
        student.pages[job.notebook] = done.page
        if len(student.pages) < len(student.names):
            return
        if student.error:
            del self._open[job.student]
            return self.fail(job.student, student.error)
        try:
            self._write(job.student)
        except Exception as error:  # of one student's pages
            self._fail(job.student, error)

    def _fail(self, student: str, error: Exception) -> None:
        self._open.pop(student, None)
        self.converter.place(self.assignment, student).clear()
        self.fail(student, f"{type(error).__name__}: {error}")

    def _jobs_of(self, name: str, shown: Mapping[str, Shown]) -> Iterator[PageJob]:
        standings = self.ledger.standings(self.assignment, name)
        filed = {notebook: standing.filed for notebook, standing in standings.items()}
        ingredients = json.dumps([filed, {key: asdict(n) for key, n in shown.items()}])
        made_from = hashlib.sha256(ingredients.encode()).hexdigest()
        place = self.converter.place(self.assignment, name)
        is_there = all((place.final / f"{notebook}.html").is_file() for notebook in filed)
        if is_there and made_from == self.ledger.page(self.assignment, name):
            return
        self._open[name] = _Student(shown, tuple(sorted(filed)), made_from)
        if self.settings is None:
            self._write(name)
            return
        for notebook in sorted(filed):
            ids = PageIds(self.assignment, name, notebook)
            graded = self._graded(name, notebook).read_bytes()
            order = order_for(self.settings, ids, shown[notebook])
            yield PageJob(name, notebook, graded, order)

    def _write(self, name: str) -> None:
        """What nbgrader's command does for one student; pages that have come are not made again."""
        student, converter = self._open[name], self.converter
        self.given.give(self.assignment, {(name, n): found for n, found in student.shown.items()})
        converter.notebooks = [str(self._graded(name, notebook)) for notebook in student.names]
        converter.init_destination(self.assignment, name)
        converter.init_assignment(self.assignment, name)
        for path in converter.notebooks:
            resources = converter.init_single_notebook_resources(path)
            page = student.pages.get(resources["unique_key"])
            if page:
                resources["output_extension"] = ".html"
                converter.write_single_notebook(page.decode(), resources)
            else:
                converter.convert_single_notebook(path)
        converter.set_permissions(self.assignment, name)
        self.ledger.note_page(self.assignment, name, student.made_from)
        del self._open[name]

    def _graded(self, student: str, notebook: str) -> Any:
        step = self.coursedir.autograded_directory
        return path_of(self.coursedir, step, self.assignment, student) / f"{notebook}.ipynb"
