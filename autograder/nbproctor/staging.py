"""nbgrader's steps, made safe against being killed at any moment.

- What nbgrader makes for a student is made aside, in `autograded/.unfinished`, and takes its place
  when it is whole. What stands in `autograded/STUDENT` is never half made, and stays until there
  is something better. The same for feedback.
- All marks of a notebook reach the gradebook in one transaction, before the notebook takes its
  place.
- A result is whole if its notebook is sealed, belongs to what was handed in, and says what the
  gradebook says. Whoever has none is graded by the next run, with or without --force.
"""

import contextlib
import os
import shutil
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from nbconvert.exporters import HTMLExporter
from nbformat import NotebookNode
from nbgrader import api
from nbgrader.converters import Autograde, GenerateFeedback
from nbgrader.converters.base import BaseConverter
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import AssignLatePenalties, SaveAutoGrades
from sqlalchemy.orm import scoped_session, sessionmaker

from nbproctor.errors import GradebookError, UnfinishedError
from nbproctor.sealed import SealedResult, digest_of, read_sealed

__all__ = ["FeedbackExporter", "RecordMarks", "Recorded", "in_stages", "submission_digest"]

NEW, OLD = ".unfinished/new", ".unfinished/old"


def _path(coursedir: CourseDirectory, step: str, assignment: str, student: str) -> Path:
    return Path(os.path.normpath(coursedir.format_path(step, student, assignment)))


def submission_digest(coursedir: CourseDirectory, assignment: str, student: str, name: str) -> str:
    """A digest of what was handed in as one notebook, and when."""
    folder = _path(coursedir, coursedir.submitted_directory, assignment, student)
    return digest_of(folder / f"{name}.ipynb", folder / "timestamp.txt")


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
        with api.Gradebook(db_url) as gradebook:
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

    def why_unfinished(self, coursedir: CourseDirectory, student: str) -> str:
        """Why a student's result is not whole; empty if it is."""
        for step in (NEW, OLD):
            stage = f"{coursedir.autograded_directory}/{step}"
            if _path(coursedir, stage, self.assignment, student).exists():
                return "grading was interrupted"
        handed_in = _path(coursedir, coursedir.submitted_directory, self.assignment, student)
        names = sorted(name for name in self.notebooks if (handed_in / f"{name}.ipynb").exists())
        if not names:
            return "no notebook of this lesson was handed in"
        return next(filter(None, (self._why(coursedir, student, name) for name in names)), "")

    def _why(self, coursedir: CourseDirectory, student: str, name: str) -> str:
        graded = _path(coursedir, coursedir.autograded_directory, self.assignment, student)
        try:
            result = read_sealed(graded / f"{name}.ipynb")
        except UnfinishedError as error:
            return error.what
        if result.submission != submission_digest(coursedir, self.assignment, student, name):
            return "another version was handed in since"
        return self.disagreement(result, student, name)

    def disagreement(self, result: SealedResult, student: str, name: str) -> str:
        """A cell of which gradebook and notebook say different things; empty if there is none."""
        marks = self.marks.get((student, name), {})
        for cell in result.results:
            if cell.grade_id not in marks:
                return f"the gradebook has no marks for '{cell.grade_id}'"
            given = marks[cell.grade_id]
            if not cell.by_hand and given != cell.score:
                both = f"the gradebook has {given}, the notebook {cell.score}"
                return f"{both} for '{cell.grade_id}'"
        return ""


class RecordMarks(SaveAutoGrades):
    """Stands where nbgrader saves scores and late penalties; listed in `c.Autograde`."""

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        if "nbproctor" not in resources:
            raise GradebookError("nothing was executed: leave out --no-execute")
        ids = resources["nbgrader"]
        self.student_id, self.assignment_id = ids["student"], ids["assignment"]
        self.notebook_id = ids["notebook"]
        with (
            api.Gradebook(ids["db_url"]) as self.gradebook,
            self.gradebook.engine.begin() as connection,
        ):
            # nbgrader commits cell by cell: within this session, that commits nothing.
            self.gradebook.db.remove()
            session = sessionmaker(connection, join_transaction_mode="rollback_only")
            self.gradebook.db = scoped_session(session)
            for n, cell in enumerate(nb.cells):
                self.preprocess_cell(cell, resources, n)
            self._assign_late_penalty()
            self.gradebook.db.flush()
        return nb, resources

    def _assign_late_penalty(self) -> None:
        step = AssignLatePenalties(parent=self.parent)
        step.init_plugin()
        submission = self.gradebook.find_submission(self.assignment_id, self.student_id)
        notebook = self.gradebook.find_submission_notebook(
            self.notebook_id, self.assignment_id, self.student_id
        )
        late_s, penalty = submission.total_seconds_late, None
        if late_s > 0:
            penalty = step.plugin_inst.late_submission_penalty(
                self.student_id, notebook.score, late_s
            )
        if penalty is not None:
            penalty = step._check_late_penalty(notebook, penalty)
        notebook.late_submission_penalty = penalty


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

    @property
    def _output_directory(self) -> str:
        final = super()._output_directory
        return f"{final}/{NEW}" if self.aside else final

    def _places(self, assignment_id: str, student_id: str) -> list[Path]:
        """Where a result stands, where it is made, and where the old one is while they change."""
        final = super()._output_directory
        steps = (final, f"{final}/{NEW}", f"{final}/{OLD}")
        return [_path(self.coursedir, step, assignment_id, student_id) for step in steps]

    def _is_due(self, assignment_id: str, student_id: str) -> bool:
        raise NotImplementedError

    def init_destination(self, assignment_id: str, student_id: str) -> bool:
        """Whether to process this student, after clearing away what a killed run left."""
        self.aside = True
        if student_id in self.coursedir.student_id_exclude.split(","):
            return False
        final, new, old = self._places(assignment_id, student_id)
        if not self.force and not self._is_due(assignment_id, student_id):
            self.log.info("Skipping what is whole: %s", final)
            return False
        if old.exists() and not final.exists():
            old.rename(final)
        _clear(new, old)
        if self.coursedir.notebook_id != "*" and final.exists():  # the other notebooks stay
            done = [Path(path).stem + self.exporter.file_extension for path in self.notebooks]
            shutil.copytree(final, new, ignore=shutil.ignore_patterns(*done))
        return True

    def set_permissions(self, assignment_id: str, student_id: str) -> None:
        """nbgrader's last step for a student: what was made is whole, and takes its place."""
        final, new, old = self._places(assignment_id, student_id)
        final.parent.mkdir(parents=True, exist_ok=True)
        if final.exists():
            old.parent.mkdir(parents=True, exist_ok=True)
            final.rename(old)
        new.rename(final)
        _clear(new, old)
        self.aside = False
        try:
            super().set_permissions(assignment_id, student_id)
        finally:  # if that fails, nbgrader sweeps away what was made aside: nothing
            self.aside = True


class _StagedAutograde(_Staged, Autograde):
    """nbgrader's autograde: without --force it grades whoever has no whole result."""

    recorded: Recorded | None = None

    @property
    def _input_directory(self) -> str:
        return super()._input_directory if self._sanitizing else self._output_directory

    def _is_due(self, assignment_id: str, student_id: str) -> bool:
        if self.recorded is None:
            self.recorded = Recorded.read(self.coursedir.db_url, assignment_id)
        reason = self.recorded.why_unfinished(self.coursedir, student_id)
        if reason:
            self.log.info("To be graded, as %s: %s", reason, student_id)
        return bool(reason)


class _StagedFeedback(_Staged, GenerateFeedback):
    """nbgrader's generate_feedback: without --force it writes what is missing or outdated."""

    def _is_due(self, assignment_id: str, student_id: str) -> bool:
        final = self._places(assignment_id, student_id)[0]
        for graded in map(Path, self.notebooks):
            page = final / (graded.stem + self.exporter.file_extension)
            if not page.exists() or page.stat().st_mtime < graded.stat().st_mtime:
                return True
        return False


class FeedbackExporter(HTMLExporter):
    """Writes feedback on whole results only. Set as `c.GenerateFeedback.exporter_class`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_stages(self.parent)

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        result = read_sealed(Path(filename))
        if resources is not None:
            ids = resources["nbgrader"]
            if differing := self._recorded.disagreement(result, ids["student"], ids["notebook"]):
                raise UnfinishedError(f"{differing}: grade again", where=filename)
        return super().from_filename(filename, resources=resources, **kwargs)

    @cached_property
    def _recorded(self) -> Recorded:
        converter: Any = self.parent
        coursedir = converter.coursedir
        return Recorded.read(coursedir.db_url, coursedir.assignment_id)


def _clear(*folders: Path) -> None:
    """Remove folders, and those that held nothing else."""
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
