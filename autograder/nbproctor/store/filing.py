"""The files of a class: what was handed in, and where graded notebooks go.

The course's own settings of nbgrader decide: folders, hooks, permissions, which files of the lesson
stand beside a graded notebook, what is done to outputs before they are stored.
"""

import glob
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.preprocessors import ClearMetadataPreprocessor
from nbgrader.converters import Autograde
from nbgrader.preprocessors import (
    AssignLatePenalties,
    CheckCellMetadata,
    Execute,
    SaveAutoGrades,
)
from nbgrader.utils import find_all_files
from traitlets.utils.importstring import import_item

from nbproctor.config import Limits, limits_from
from nbproctor.course.notebook import HandedIn, read_handed_in
from nbproctor.course.sealed import digest_of, sealed
from nbproctor.errors import ConfigError
from nbproctor.grading.grade import Graded
from nbproctor.sandbox.plan import Level
from nbproctor.store.gradebook import Course, RebuildingExporter, settings_in
from nbproctor.store.marks import NotebookMarks, marks_in
from nbproctor.store.places import FROM_EXCHANGE, Place, path_of
from nbproctor.store.staging import RecordMarks

__all__ = ["Filed", "Filing", "HandIn"]

TIMESTAMP = "timestamp.txt"
# Steps of nbgrader's that are ours here, or that look at metadata, which are the course's own.
DONE_ELSEWHERE = (
    Execute,
    SaveAutoGrades,
    AssignLatePenalties,
    RecordMarks,
    CheckCellMetadata,
    ClearMetadataPreprocessor,
)


@dataclass(frozen=True)
class HandIn:
    """What a student handed in: the lesson's notebooks among it, by name, and when (in UTC)."""

    student: str
    folder: Path
    notebooks: tuple[str, ...]
    timestamp: datetime | None = None


@dataclass(frozen=True)
class Filed:
    """A graded notebook that was written: its marks, and the digest of the file."""

    marks: NotebookMarks
    digest: str


class Filing:
    """Reads what was handed in for an assignment, and files what came of it.

    Args:
        names: the assignment's notebooks.
        sandbox: the weakest level that will do, in place of the course's own setting.
    """

    def __init__(
        self, course: Course, assignment: str, names: Sequence[str], sandbox: Level | None = None
    ) -> None:
        self.coursedir, self.assignment = course.coursedir, assignment
        self.names = [name for name in names if fnmatch(name, self.coursedir.notebook_id)]
        self.converter: Any = Autograde(coursedir=self.coursedir, config=course.config)
        # It makes the converter work in stages.
        with settings_in(course.root):
            self.exporter = RebuildingExporter(parent=self.converter, config=self.converter.config)
        self.converter.exporter = self.exporter
        self.converter.force = True
        self.limits: Limits = limits_from(self.exporter.limits)
        self.level = sandbox or Level(self.exporter.sandbox)

    @property
    def creates_students(self) -> bool:
        return bool(self.converter.create_student)

    @property
    def penalties(self) -> AssignLatePenalties:
        """nbgrader's step that knows the course's late penalties."""
        return AssignLatePenalties(parent=self.exporter)

    def students(self, asked: Sequence[str]) -> list[str]:
        """Those asked for, or all who handed in.

        Raises:
            ConfigError: one who was asked for did not hand in.
        """
        course, step = self.coursedir, self.coursedir.submitted_directory
        pattern = re.compile(course.format_path(step, "(?P<id>.*)", self.assignment, escape=True))
        found = glob.glob(course.format_path(step, course.student_id, self.assignment))
        matches = (pattern.fullmatch(path) for path in found if os.path.isdir(path))
        excluded = course.student_id_exclude.split(",")
        students = sorted({m["id"] for m in matches if m is not None and m["id"] not in excluded})
        if missing := sorted(set(asked) - set(students)):
            raise ConfigError(
                f"nothing was handed in for {self.assignment} by {', '.join(missing)}",
                expected=", ".join(students[:10]) + (", ..." if len(students) > 10 else ""),
                where=Path(course.root, step),
            )
        return [student for student in students if student in asked] if asked else students

    def handed_in(self, student: str) -> HandIn:
        folder = path_of(
            self.coursedir, self.coursedir.submitted_directory, self.assignment, student
        )
        there = [name for name in self.names if os.path.lexists(folder / f"{name}.ipynb")]
        return HandIn(student, folder, tuple(there))

    def prepared(self, hand_in: HandIn) -> HandIn:
        """What a student handed in, after the hook that the course has nbgrader call before.

        Raises:
            ConfigError: the time stamp holds no time.
        """
        self._call("pre_convert_hook", hand_in)
        return replace(self.handed_in(hand_in.student), timestamp=self._timestamp(hand_in))

    def read(self, hand_in: HandIn, name: str) -> tuple[HandedIn, str]:
        """One notebook's bytes; and a digest of them and of the time stamp."""
        path = hand_in.folder / f"{name}.ipynb"
        found = read_handed_in(path, self.limits)
        data = path if found.unreadable else found.data
        return found, digest_of(data, hand_in.folder / TIMESTAMP)

    def _timestamp(self, hand_in: HandIn) -> datetime | None:
        try:
            found: datetime | None = self.coursedir.get_existing_timestamp(str(hand_in.folder))
        except Exception as error:  # nbgrader 0.9.6 fails on its way to say so
            raise ConfigError(
                "the time stamp cannot be read", got=error, where=hand_in.folder / TIMESTAMP
            ) from error
        return found

    def place(self, student: str) -> Place:
        found: Place = self.converter.place(self.assignment, student)
        return found

    def file(self, hand_in: HandIn, results: Mapping[str, tuple[Graded, str]]) -> dict[str, Filed]:
        """Make all of a student's graded files aside; what they say, by notebook.

        Args:
            results: each notebook's result, and the digest of what was handed in as it.
        """
        self.converter.notebooks = [str(hand_in.folder / f"{name}.ipynb") for name in results]
        self.converter.init_destination(self.assignment, hand_in.student)
        folder = self.place(hand_in.student).new
        folder.mkdir(parents=True, exist_ok=True)
        self._copy_files(hand_in, folder)
        filed = {}
        for name, (graded, digest) in results.items():
            notebook = self._finished(graded, hand_in.student, name)
            data = sealed(nbformat.v4.writes(notebook), digest).encode()
            (folder / f"{name}.ipynb").write_bytes(data)
            filed[name] = Filed(marks_in(notebook.cells), digest_of(data))
        return filed

    def take_place(self, hand_in: HandIn) -> None:
        """What was made aside is the student's result from now on."""
        self.converter.set_permissions(self.assignment, hand_in.student)
        self._call("post_convert_hook", hand_in)

    def _copy_files(self, hand_in: HandIn, folder: Path) -> None:
        """As nbgrader does: the lesson's files, and of the student's those that may differ."""
        for name, source in self._files_beside:
            theirs = hand_in.folder / name
            kept = name in self._not_overwritten and _is_file(theirs)
            if kept or name not in self._not_overwritten:
                _copy(theirs if kept else source, folder / name)
        for name in FROM_EXCHANGE:
            if _is_file(hand_in.folder / name):
                _copy(hand_in.folder / name, folder / name)

    @cached_property
    def _files_beside(self) -> list[tuple[str, Path]]:
        root = path_of(self.coursedir, self.coursedir.source_directory, self.assignment, ".")
        found = find_all_files(str(root), [*self.coursedir.ignore, "*.ipynb"])
        return [(os.path.relpath(path, root), Path(path)) for path in found]

    @cached_property
    def _not_overwritten(self) -> frozenset[str]:
        return frozenset(self.converter.exclude_overwriting.get(self.assignment, ()))

    def _finished(self, graded: Graded, student: str, name: str) -> Any:
        """A graded notebook after the steps that the course's settings add to ours."""
        notebook: Any = nbformat.from_dict(graded.notebook)
        ids = {"student": student, "assignment": self.assignment, "notebook": name}
        resources = {"nbgrader": {**ids, "db_url": self.coursedir.db_url}, "unique_key": name}
        for step in self._steps:
            notebook, resources = step.preprocess(notebook, resources)
        return notebook

    @cached_property
    def _steps(self) -> list[Any]:
        named = self.converter.autograde_preprocessors
        classes = [import_item(step) if isinstance(step, str) else step for step in named]
        return [
            step(parent=self.exporter) for step in classes if not issubclass(step, DONE_ELSEWHERE)
        ]

    def _call(self, hook: str, hand_in: HandIn) -> None:
        paths = [str(hand_in.folder / f"{name}.ipynb") for name in hand_in.notebooks]
        if function := getattr(self.converter, hook):
            function(assignment=self.assignment, student=hand_in.student, notebooks=paths)


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    shutil.copy(source, target)
