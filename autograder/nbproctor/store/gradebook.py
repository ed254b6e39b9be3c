"""Grading through nbgrader.

`nbgrader_config.py` names two classes of this module, and by them the stock commands
(`nbgrader autograde`, formgrader's buttons) grade through nbproctor:

- RebuildingExporter reads a submission, whatever it is, and writes the rebuilt notebook.
- JudgedExecute runs it in a student kernel with the tests outside, and leaves verdicts as
  ordinary cell outputs, from which nbgrader's own SaveAutoGrades takes the scores.

What else the configuration names, so that a run may be killed at any moment, is in `staging`.
`Course` drives nbgrader's own steps for a course folder.
"""

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import NotebookExporter
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import Execute
from nbgrader.utils import parse_utc
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from traitlets import Dict, Enum, TraitError, validate
from traitlets.config import Config

from nbproctor.config import Limits, limits_from
from nbproctor.course.lesson import Lesson, Role, load_lesson
from nbproctor.course.notebook import Submission, read_submission
from nbproctor.course.sealed import sealed
from nbproctor.course.variants import draw
from nbproctor.course.variants_secret import read_secret
from nbproctor.errors import ConfigError, GradebookError
from nbproctor.grading.grade import blank_notebook, grade_submission
from nbproctor.sandbox.plan import NO_SANDBOX, Level
from nbproctor.store.gradebook_rows import reading, without_password
from nbproctor.store.places import (
    COURSE_MARK,
    FROM_EXCHANGE,
    course_config,
    entries_below,
    submission_digest,
)
from nbproctor.store.staging import Recorded, in_stages

__all__ = [
    "Course",
    "JudgedExecute",
    "RebuildingExporter",
    "ReleaseExporter",
    "Score",
    "check_gradebook",
    "set_traps_aside",
    "settings_in",
]


@dataclass(frozen=True)
class _Work:
    """One submitted notebook, found by the names that nbgrader gives to its parts."""

    lesson: Lesson
    submission: Submission
    files: Path
    gradebook_url: str


def _work(coursedir: CourseDirectory, resources: dict[str, Any], limits: Limits) -> _Work:
    ids = resources["nbgrader"]
    assignment, notebook = ids["assignment"], f"{ids['notebook']}.ipynb"
    source, release = (
        Path(coursedir.format_path(step, ".", assignment))
        for step in (coursedir.source_directory, coursedir.release_directory)
    )
    lesson = load_lesson(source / notebook, release / notebook)
    submitted = coursedir.format_path(coursedir.submitted_directory, ids["student"], assignment)
    secret = read_secret(Path(coursedir.root)) if lesson.choices else None
    held = draw(lesson.choices, secret, lesson.name, ids["student"])
    submission = read_submission(Path(submitted) / notebook, lesson, limits, held)
    check_gradebook(coursedir.db_url, lesson, assignment)
    return _Work(lesson, submission, release, coursedir.db_url)


def check_gradebook(db_url: str, lesson: Lesson, assignment: str) -> None:
    """Raise GradebookError where nbgrader's gradebook knows another version of the lesson."""
    with reading(db_url), Gradebook(db_url) as gradebook:
        try:
            known = gradebook.find_notebook(lesson.name, assignment)
        except MissingEntry:
            known = None
        sources = {cell.name: cell.source for cell in known.source_cells} if known else {}
        graded = [*known.grade_cells, *known.task_cells] if known else []
        points = {cell.name: cell.max_score for cell in graded}
    for cell in lesson.graded:
        text = cell.full if cell.role is Role.TEST else cell.released
        if sources.get(cell.grade_id) != text or points.get(cell.grade_id) != cell.points:
            raise GradebookError(
                "the gradebook was made from another version of the lesson",
                expected=f"run: nbgrader generate_assignment {assignment} --force",
                got=f"the graded cell '{cell.grade_id}' differs",
                where=without_password(db_url),
            )


class RebuildingExporter(NotebookExporter):
    """Stands where nbgrader reads a submission: the rebuilt notebook comes out, never an error.

    Set as `c.Autograde.exporter_class`.
    """

    limits = Dict(help="Limits of nbproctor.config.Limits that differ from the defaults").tag(
        config=True
    )

    sandbox = Enum(
        list(Level),
        Level.REDUCED,
        help="The weakest sandbox that will do: full, reduced, or off (none, and loudly)",
    ).tag(config=True)

    @validate("limits")
    def _valid_limits(self, proposal: Any) -> Any:
        limits_from(proposal["value"])
        return proposal["value"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        in_stages(self.parent)

    def from_filename(
        self, filename: str, resources: dict[str, Any] | None = None, **kwargs: Any
    ) -> Any:
        converter: Any = self.parent
        if resources is None or not converter._sanitizing:
            text, made = super().from_filename(filename, resources=resources, **kwargs)
            return sealed(str(text), made["nbproctor"]["submission"]), made
        work = _work(converter.coursedir, resources, limits_from(self.limits))
        _leave_out_files(converter, resources)
        rebuilt = nbformat.from_dict(blank_notebook(work.lesson, work.submission))
        return self.from_notebook_node(rebuilt, resources=resources, **kwargs)


class ReleaseExporter(NotebookExporter):
    """Leaves out of a release what only a build needs: the hash of what a lesson imports.

    Set as `c.GenerateAssignment.exporter_class`.
    """

    def from_notebook_node(
        self, nb: nbformat.NotebookNode, resources: Any = None, **kwargs: Any
    ) -> Any:
        nb.metadata.pop("nbproctor", None)
        return super().from_notebook_node(nb, resources, **kwargs)


def set_traps_aside(assignment: str, student: str, notebooks: list[str]) -> None:
    """Remove from one student's submission what is no file, and a time stamp that is none.

    nbgrader would follow links, and fail at a pipe or at such a time stamp. Set as
    `c.Autograde.pre_convert_hook`; nbgrader calls it for each student, with paths of `notebooks`.
    """
    for path in {p for name in notebooks for p in entries_below(Path(name).parent)}:
        is_trap = path.is_symlink() or not (path.is_file() or path.is_dir())
        if path.name == "timestamp.txt" and not is_trap:
            is_trap = not _is_time(path)
        if is_trap and str(path) not in notebooks:  # of these read_submission says what is wrong
            path.unlink()


def _is_time(path: Path) -> bool:
    """Whether a file holds a time stamp that nbgrader can read."""
    try:
        parse_utc(path.read_text(encoding="utf-8").strip())
    except (ValueError, OverflowError):
        return False
    return True


def _leave_out_files(converter: Any, resources: dict[str, Any]) -> None:
    """Take away what nbgrader has copied of a submission beside its notebook.

    It follows links, and what stands here is handed back with the feedback.
    """
    ids = resources["nbgrader"]
    graded = Path(converter._format_dest(ids["assignment"], ids["student"]))
    coursedir = converter.coursedir
    source = Path(coursedir.format_path(coursedir.source_directory, ".", ids["assignment"]))
    for place, _, names in os.walk(graded):
        for path in (Path(place, name) for name in names):
            theirs = not (source / path.relative_to(graded)).is_file()
            if theirs and path.name not in FROM_EXCHANGE and path.suffix != ".ipynb":
                path.unlink()


class JudgedExecute(Execute):
    """Stands where nbgrader executes notebooks; listed in `c.Autograde.autograde_preprocessors`."""

    def preprocess(
        self, nb: nbformat.NotebookNode, resources: dict[str, Any], km: Any = None
    ) -> tuple[nbformat.NotebookNode, dict[str, Any]]:
        exporter = self.parent
        limits = limits_from(exporter.limits)
        coursedir, ids = exporter.parent.coursedir, resources["nbgrader"]
        digest = submission_digest(coursedir, ids["assignment"], ids["student"], ids["notebook"])
        work = _work(coursedir, resources, limits)
        level = Level(exporter.sandbox)
        if level is Level.OFF:
            self.log.warning(NO_SANDBOX)
        graded = grade_submission(work.lesson, work.submission, limits, work.files, level)
        for note in graded.report.notes:
            self.log.info("%s: %s", ids["student"], note)
        resources["nbproctor"] = {"submission": digest}
        return nbformat.from_dict(graded.notebook), resources


@dataclass(frozen=True)
class Score:
    """One student's marks for one assignment, as nbgrader's gradebook holds them.

    `score` is what remains after `late_penalty`; `cells` has the points that tests gave.
    """

    student: str
    score: float
    max_score: float
    late_penalty: float
    needs_manual_grade: bool
    cells: dict[str, float | None]


@contextmanager
def settings_in(root: Path) -> Iterator[None]:
    """Where what a course's settings say is made use of.

    Raises:
        ConfigError: a setting has a value that it cannot have.
    """
    try:
        yield
    except TraitError as error:
        where = root / COURSE_MARK
        raise ConfigError("a setting cannot be used", got=error, where=where) from error


def _check_address(db_url: str) -> None:
    """Raise TraitError where a gradebook cannot be found by its address, whoever asks for it."""
    try:
        make_url(db_url).get_dialect().import_dbapi()
    except (ArgumentError, ImportError) as error:
        raise TraitError(
            "c.CourseDirectory.db_url is no address of a database that can be opened here, "
            f"like sqlite:///gradebook.db: {error}"
        ) from error


class Course:
    """nbgrader's own steps for one course folder.

    Raises:
        ConfigError: the folder holds no nbgrader_config.py.
        GradebookError: a step of nbgrader's failed.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.config: Config = course_config(self.root)

    @cached_property
    def coursedir(self) -> CourseDirectory:
        with settings_in(self.root):
            coursedir = CourseDirectory(config=self.config)
            _check_address(coursedir.db_url)
            return coursedir

    @cached_property
    def api(self) -> NbGraderAPI:
        logging.getLogger("traitlets").setLevel(logging.CRITICAL)
        return NbGraderAPI(coursedir=self.coursedir, config=self.config)

    def release(self, assignment: str) -> None:
        self._checked("generate_assignment", self.api.generate_assignment(assignment, force=True))

    def set_due(self, assignment: str, when: datetime) -> None:
        """Say until when an assignment may be handed in without being late."""
        with self.api.gradebook as gradebook:
            gradebook.update_or_create_assignment(assignment, duedate=when)

    def zip_collect(self, assignment: str) -> None:
        """Collect `downloaded/ASSIGNMENT/archive` into `submitted/`."""
        command = [sys.executable, "-m", "nbgrader", "zip_collect", assignment, "--force"]
        done = subprocess.run(command, cwd=self.root, capture_output=True, text=True)
        self._checked("zip_collect", {"success": done.returncode == 0, "log": done.stderr})

    def autograde(self, assignment: str, student: str = "*", force: bool = True) -> None:
        """Grade one student or, without `force`, whoever of a class has no whole result."""
        self._checked("autograde", self.api.autograde(assignment, student, force=force))

    def unfinished(self, assignment: str) -> dict[str, str]:
        """Students who handed in and have no whole result, each with the reason.

        Grading them again is all that is left to do after a run was killed.
        """
        recorded = Recorded.read(self.api.coursedir.db_url, assignment)
        students = sorted(self.api.get_submitted_students(assignment))
        reasons = {name: recorded.why_unfinished(self.api.coursedir, name) for name in students}
        return {name: reason for name, reason in reasons.items() if reason}

    def generate_feedback(self, assignment: str) -> None:
        self._checked("generate_feedback", self.api.generate_feedback(assignment, force=True))

    def scores(self, assignment: str) -> list[Score]:
        """Marks of all students who submitted, by name."""
        with self.api.gradebook as gradebook:
            found = gradebook.assignment_submissions(assignment)
            return sorted((_score(submission) for submission in found), key=lambda s: s.student)

    def _checked(self, step: str, answer: dict[str, Any]) -> None:
        if not answer["success"]:
            reason = answer.get("log") or answer.get("error") or "no reason given"
            raise GradebookError(f"nbgrader {step} failed", got=reason, where=self.root)


def _score(submission: Any) -> Score:
    penalty = submission.late_submission_penalty or 0.0
    grades = [grade for notebook in submission.notebooks for grade in notebook.grades]
    return Score(
        student=submission.student.id,
        score=submission.score - penalty,
        max_score=submission.max_score,
        late_penalty=penalty,
        needs_manual_grade=submission.needs_manual_grade,
        cells={grade.name: grade.auto_score for grade in grades},
    )
