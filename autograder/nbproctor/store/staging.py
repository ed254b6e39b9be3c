"""nbgrader's steps, made safe against being killed at any moment.

- What nbgrader makes for a student is made aside, in `autograded/.unfinished`, and takes its place
  when it is whole. What stands in `autograded/STUDENT` is never half made, and stays until there
  is something better. The same for feedback.
- All marks of a notebook reach the gradebook in one transaction, before the notebook takes its
  place.
- A result is whole if its notebook is sealed, belongs to what was handed in, and says what the
  gradebook says. Whoever has none is graded by the next run, with or without --force.
"""

import shutil
from collections.abc import Iterable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader import api
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import BaseConverter, NbGraderException
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, NbGraderPreprocessor
from traitlets import Unicode

from nbproctor.course.lesson import load_lesson
from nbproctor.course.records import CellResult
from nbproctor.course.sealed import read_sealed
from nbproctor.course.variants import Choice, Values, draw
from nbproctor.course.variants_secret import NO_SECRET, read_secret
from nbproctor.errors import ConfigError, GradebookError, LessonError, UnfinishedError
from nbproctor.store.accessible import accessible_page
from nbproctor.store.gradebook_rows import reading
from nbproctor.store.locks import course_lock
from nbproctor.store.marks import Marks, MarksWriter, marks_in, open_gradebook
from nbproctor.store.places import NEW, Place, path_of, submission_digest

__all__ = ["FeedbackExporter", "RecordMarks", "Recorded", "in_stages"]


@dataclass(frozen=True)
class Recorded:
    """What the gradebook holds for an assignment.

    `notebooks` are its names; `marks` has the points that tests gave, by student and notebook.
    """

    assignment: str
    notebooks: frozenset[str]
    marks: dict[tuple[str, str], dict[str, float | None]]

    @classmethod
    def read(cls, db_url: str, assignment: str) -> "Recorded":
        marks: dict[tuple[str, str], dict[str, float | None]] = {}
        with reading(db_url), api.Gradebook(db_url) as gradebook:
            known = gradebook.db.query(api.Notebook.name).join(api.Assignment)
            names = known.filter(api.Assignment.name == assignment)
            submitted = api.SubmittedNotebook
            rows = (
                gradebook.db.query(
                    api.SubmittedAssignment.student_id,
                    api.Notebook.name,
                    api.BaseCell.name,
                    api.Grade.auto_score,
                )
                .select_from(api.Grade)
                .join(api.BaseCell, api.BaseCell.id == api.Grade.cell_id)
                .join(submitted, submitted.id == api.Grade.notebook_id)
                .join(api.Notebook, api.Notebook.id == submitted.notebook_id)
                .join(api.Assignment, api.Assignment.id == api.Notebook.assignment_id)
                .join(
                    api.SubmittedAssignment, api.SubmittedAssignment.id == submitted.assignment_id
                )
                .filter(api.Assignment.name == assignment)
            )
            for student, name, cell, score in rows:
                marks.setdefault((student, name), {})[cell] = score
            return cls(assignment, frozenset(name for (name,) in names), marks)

    def why_unfinished(
        self,
        coursedir: CourseDirectory,
        student: str,
        held: Mapping[str, Values] = MappingProxyType({}),
    ) -> str:
        """Why a student's result is not whole; empty if it is.

        Args:
            held: the variants that the student holds, by notebook; of others nothing is asked.
        """
        step = coursedir.autograded_directory
        if Place.of(coursedir, step, self.assignment, student).is_disturbed:
            return "grading was interrupted"
        handed_in = path_of(coursedir, coursedir.submitted_directory, self.assignment, student)
        names = sorted(name for name in self.notebooks if (handed_in / f"{name}.ipynb").exists())
        if not names:
            return "no notebook of this lesson was handed in"
        reasons = (self._why(coursedir, student, name, held.get(name)) for name in names)
        return next(filter(None, reasons), "")

    def _why(self, coursedir: CourseDirectory, student: str, name: str, held: Values | None) -> str:
        graded = path_of(coursedir, coursedir.autograded_directory, self.assignment, student)
        try:
            result = read_sealed(graded / f"{name}.ipynb")
        except UnfinishedError as error:
            return error.what
        if result.submission != submission_digest(coursedir, self.assignment, student, name):
            return "another version was handed in since"
        if held is not None and result.about.get("variant") != held:
            return "the student holds another variant now"
        return self.disagreement(result.results, student, name)

    def disagreement(self, results: Iterable[CellResult], student: str, name: str) -> str:
        """A cell of which gradebook and notebook say different things; empty if there is none."""
        marks = self.marks.get((student, name), {})
        for cell in results:
            if cell.grade_id not in marks:
                return f"the gradebook has no marks for '{cell.grade_id}'"
            given = marks[cell.grade_id]
            if not cell.by_hand and given != cell.score:
                both = f"the gradebook has {given}, the notebook {cell.score}"
                return f"{both} for '{cell.grade_id}'"
        return ""


class RecordMarks(NbGraderPreprocessor):
    """Stands where nbgrader saves scores and late penalties; listed in `c.Autograde`."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if "nbproctor" not in resources:
            raise GradebookError("nothing was executed: leave out --no-execute")
        ids = resources["nbgrader"]
        marks = Marks(ids["student"], {ids["notebook"]: marks_in(nb.cells, self.log)})
        engine = open_gradebook(ids["db_url"])
        try:
            penalties = AssignLatePenalties(parent=self.parent)
            MarksWriter(engine, ids["assignment"], penalties).record([marks])
        finally:
            engine.dispose()
        return nb, resources


def in_stages(converter: Any) -> None:
    """Make a converter of nbgrader's work in stages.

    nbgrader's commands name their converter classes themselves. An exporter calls this, being the
    first object of ours that a converter makes, before it looks at any student.
    """
    kinds = {Autograde: _StagedAutograde, GenerateFeedback: _StagedFeedback}
    converter.__class__ = kinds.get(type(converter), type(converter))


class _Staged(BaseConverter):
    """A converter that works aside: what it made takes its place when it is whole."""

    aside = False
    command = ""

    @property
    def _output_directory(self) -> str:
        final = super()._output_directory
        return f"{final}/{NEW}" if self.aside else final

    def convert_notebooks(self) -> None:
        """Convert, while nobody else writes to this course."""
        with ExitStack() as stack:
            command = f"nbgrader {self.command} {self.coursedir.assignment_id}"
            try:
                stack.enter_context(course_lock(Path(self.coursedir.root), command))
                self._look_ahead()
            except ConfigError as error:
                self.log.error("%s", error)
                raise NbGraderException(str(error)) from error
            super().convert_notebooks()

    def _look_ahead(self) -> None:
        """What has to be right before the first student; raises ConfigError."""

    def place(self, assignment_id: str, student_id: str) -> Place:
        """Where a student's result stands, and where it is made."""
        return Place.of(self.coursedir, super()._output_directory, assignment_id, student_id)

    def _is_due(self, assignment_id: str, student_id: str) -> bool:
        raise NotImplementedError

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether to process this student, after clearing away what a killed run left."""
        self.aside = True
        if student_id in self.coursedir.student_id_exclude.split(","):
            return False
        place = self.place(assignment_id, student_id)
        if not self.force and not self._is_due(assignment_id, student_id):
            self.log.info("Skipping what is whole: %s", place.final)
            return False
        place.clear()
        if self.coursedir.notebook_id != "*" and place.final.exists():  # other notebooks stay
            done = [Path(path).stem + self.exporter.file_extension for path in self.notebooks]
            shutil.copytree(place.final, place.new, ignore=shutil.ignore_patterns(*done))
        return True

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """nbgrader's last step for a student: what was made is whole, and takes its place."""
        self.place(assignment_id, student_id).take()
        self.aside = False
        try:
            super().set_permissions(assignment_id, student_id)
        finally:  # if that fails, nbgrader sweeps away what was made aside: nothing
            self.aside = True


class _StagedAutograde(_Staged, Autograde):
    """nbgrader's autograde: without --force it grades whoever has no whole result."""

    command = "autograde"
    recorded: Recorded | None = None
    secret: bytes | None = None

    def _look_ahead(self) -> None:
        if self._choices:
            self.secret = read_secret(Path(self.coursedir.root))
            if self.secret is None:
                self.log.warning(NO_SECRET)

    @cached_property
    def _choices(self) -> dict[str, tuple[Choice, ...]]:
        """By notebook, of those with variants. One that cannot be read is said to be so later."""
        course, found = self.coursedir, dict[str, tuple[Choice, ...]]()
        source, release = (
            path_of(course, step, course.assignment_id, ".")
            for step in (course.source_directory, course.release_directory)
        )
        for path in source.glob("*.ipynb"):
            with suppress(LessonError):
                found[path.stem] = load_lesson(path, release / path.name).choices
        return {name: choices for name, choices in found.items() if choices}

    @property
    def _input_directory(self) -> str:
        return super()._input_directory if self._sanitizing else self._output_directory

    def _is_due(self, assignment_id: str, student_id: str) -> bool:
        if self.recorded is None:
            self.recorded = Recorded.read(self.coursedir.db_url, assignment_id)
        held = {
            name: draw(choices, self.secret, name, student_id)
            for name, choices in self._choices.items()
        }
        reason = self.recorded.why_unfinished(self.coursedir, student_id, held)
        if reason:
            self.log.info("To be graded, as %s: %s", reason, student_id)
        return bool(reason)


class _StagedFeedback(_Staged, GenerateFeedback):
    """nbgrader's generate_feedback: without --force it writes what is missing or outdated."""

    command = "generate_feedback"

    def _is_due(self, assignment_id: str, student_id: str) -> bool:
        final = self.place(assignment_id, student_id).final
        for graded in map(Path, self.notebooks):
            page = final / (graded.stem + self.exporter.file_extension)
            if not page.exists() or page.stat().st_mtime < graded.stat().st_mtime:
                return True
        return False


class FeedbackExporter(HTMLExporter):
    """Writes feedback on whole results only, legibly. Set as `c.GenerateFeedback.exporter_class`.

    `recorded` is what the gradebook holds: it is read when it is needed and was not given.
    """

    mathjax_url = Unicode("", help="Where pages fetch MathJax 2.7 from; nowhere if empty.").tag(
        config=True
    )
    recorded: Recorded | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_stages(self.parent)

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        result = read_sealed(Path(filename))
        if resources is not None:
            ids = resources["nbgrader"]
            if self.recorded is None:
                converter: Any = self.parent
                coursedir = converter.coursedir
                self.recorded = Recorded.read(coursedir.db_url, coursedir.assignment_id)
            student, notebook = ids["student"], ids["notebook"]
            differing = self.recorded.disagreement(result.results, student, notebook)
            if differing:
                raise UnfinishedError(f"{differing}: grade again", where=filename)
        page, made = super().from_filename(filename, resources=resources, **kwargs)
        return accessible_page(page, self.mathjax_url), made
