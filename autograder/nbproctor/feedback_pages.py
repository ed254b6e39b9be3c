"""Feedback in the same pass as grading: nbgrader's own pages, from marks read for many at once.

nbgrader's command opens the gradebook for every notebook and asks it for every cell. Here converter
and exporter are made once, and the marks of a batch come with one query for each table.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nbconvert.writers.files import FilesWriter
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor
from traitlets.utils.importstring import import_item

from nbproctor.errors import GradebookError
from nbproctor.gradebook import Course
from nbproctor.gradebook_rows import Shown
from nbproctor.ledger import Ledger
from nbproctor.marks import MarksWriter
from nbproctor.places import path_of
from nbproctor.staging import Recorded, in_stages

__all__ = ["FeedbackPages"]

BATCH = 50


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
        self.converter: Any = GenerateFeedback(coursedir=self.coursedir, config=course.config)
        made = self.converter.exporter_class(parent=self.converter, config=self.converter.config)
        self.converter.exporter = made
        self.converter.writer = FilesWriter(parent=self.converter, config=self.converter.config)
        self.converter.force = True
        in_stages(self.converter)
        self.given = _GivenGrades(parent=made)
        for step in self.converter.preprocessors:
            named = import_item(step) if isinstance(step, str) else step
            made.register_preprocessor(self.given if named is GetGrades else named)
        self._waiting: list[str] = []

    def add(self, student: str) -> None:
        """See to a student's feedback, soon. The student's marks are in the gradebook."""
        self._waiting.append(student)
        if len(self._waiting) >= BATCH:
            self.flush()

    def flush(self) -> None:
        """See to whoever waits for it.

        Raises:
            GradebookError: the gradebook cannot be read.
        """
        students, self._waiting = self._waiting, []
        if not students:
            return
        shown = self.writer.shown(students)
        self.given.shown = shown
        marks = {(s, name): dict(n.auto_scores) for s in shown for name, n in shown[s].items()}
        names = frozenset(name for notebooks in shown.values() for name in notebooks)
        self.converter.exporter.recorded = Recorded(self.assignment, names, marks)
        for student in students:
            try:
                self._see_to(student, shown[student])
            except GradebookError:
                raise
            except Exception as error:  # of one student's pages
                self.fail(student, f"{type(error).__name__}: {error}")

    def _see_to(self, student: str, shown: Mapping[str, Shown]) -> None:
        standings = self.ledger.standings(self.assignment, student)
        filed = {name: standing.filed for name, standing in standings.items()}
        ingredients = json.dumps([filed, {name: asdict(n) for name, n in shown.items()}])
        made_from = hashlib.sha256(ingredients.encode()).hexdigest()
        place = self.converter.place(self.assignment, student)
        is_there = all((place.final / f"{name}.html").is_file() for name in filed)
        if is_there and made_from == self.ledger.page(self.assignment, student):
            return
        self._write(student, sorted(filed))
        self.ledger.note_page(self.assignment, student, made_from)

    def _write(self, student: str, names: Sequence[str]) -> None:
        """What nbgrader's command does for one student."""
        step = self.coursedir.autograded_directory
        graded = path_of(self.coursedir, step, self.assignment, student)
        self.converter.notebooks = [str(graded / f"{name}.ipynb") for name in names]
        self.converter.init_destination(self.assignment, student)
        self.converter.init_assignment(self.assignment, student)
        for notebook in self.converter.notebooks:
            self.converter.convert_single_notebook(notebook)
        self.converter.set_permissions(self.assignment, student)


class _GivenGrades(GetGrades):
    """nbgrader's step that puts marks and comments into a notebook, without its many queries."""

    shown: Mapping[str, Mapping[str, Shown]]

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        ids = resources["nbgrader"]
        self.now = self.shown[ids["student"]][ids["notebook"]]
        nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
        penalty = self.now.late_penalty or 0
        ids["score"] = sum(self.now.scores.values(), 0.0) - penalty
        ids["max_score"] = sum(self.now.points.values(), 0.0)
        ids["late_penalty"] = penalty
        return nb, resources

    def _get_comment(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        nbgrader = cell.metadata.nbgrader
        nbgrader["comment"] = self.now.comments[nbgrader["grade_id"]]

    def _get_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        nbgrader = cell.metadata.nbgrader
        nbgrader["score"] = self.now.scores[nbgrader["grade_id"]]
        nbgrader["points"] = self.now.points[nbgrader["grade_id"]]
