"""Releasing a lesson: nbgrader's generate_assignment, run in a scratch course of its own."""

import logging
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nbproctor.building.stubs import check_stubs
from nbproctor.course.lesson import load_lesson
from nbproctor.errors import BuildError
from nbproctor.store.places import course_config

if TYPE_CHECKING:
    from traitlets.config import Config

__all__ = ["notebook_bytes", "release_lesson"]

IGNORED = ["*.py", "*.pyc", "__pycache__", ".ipynb_checkpoints", "feedback"]


def release_lesson(root: Path, folder: Path, notebook: Any) -> dict[Path, bytes]:
    """What nbgrader releases of a lesson: path below the course -> content.

    `root` is the course, whose nbgrader_config.py counts; `folder` is the lesson's, whose other
    files (figures, small data) are released too; `notebook` is the lesson without outputs.

    Raises:
        BuildError: nbgrader refuses the lesson.
        ConfigError: the course's settings cannot be read, or used.
        LessonError: what would be released cannot be graded, or a stub differs from its solution.
    """
    name = folder.name
    with tempfile.TemporaryDirectory() as scratch:
        course = Path(scratch).resolve()
        full, released = (
            course / kind / name / f"{name}.ipynb" for kind in ("solutions", "notebooks")
        )
        shutil.copytree(folder, full.parent, ignore=shutil.ignore_patterns(*IGNORED, "*.ipynb"))
        full.write_bytes(notebook_bytes(notebook))
        _generate_assignment(root, course, folder)
        check_stubs(load_lesson(full, released))
        paths = sorted(p for p in released.parent.rglob("*") if p.is_file())
        return {path.relative_to(course): path.read_bytes() for path in paths}


def notebook_bytes(notebook: Any) -> bytes:
    """A notebook as the bytes of its file."""
    import nbformat

    return (nbformat.writes(notebook).rstrip("\n") + "\n").encode()


def _generate_assignment(root: Path, course: Path, folder: Path) -> None:
    # Five seconds to import, and only a build needs it.
    from nbgrader.converters import GenerateAssignment
    from nbgrader.converters.base import NbGraderException
    from nbgrader.coursedir import CourseDirectory

    from nbproctor.store.gradebook import settings_in

    config = _scratch_config(root, course)
    config.CourseDirectory.assignment_id = folder.name
    log = logging.Logger("nbgrader", logging.ERROR)
    log.addHandler(messages := _Messages())
    try:
        with settings_in(root):
            coursedir = CourseDirectory(config=config, log=log)
            GenerateAssignment(coursedir=coursedir, config=config, log=log).start()
    except NbGraderException as error:
        reason = messages.last_exception() or str(error)
        raise BuildError("nbgrader refuses a lesson", got=reason, where=folder) from error


def _scratch_config(root: Path, scratch: Path) -> "Config":
    """The course's nbgrader options, with every path below a scratch folder."""
    config = course_config(root)
    config.CourseDirectory.root = str(scratch)
    config.CourseDirectory.source_directory = "solutions"
    config.CourseDirectory.release_directory = "notebooks"
    config.CourseDirectory.ignore = IGNORED
    # generate_assignment --no-db: a build leaves the gradebook alone.
    config.GenerateAssignment.no_database = True
    config.SaveCells.enabled = False
    return config


class _Messages(logging.Handler):
    """Keeps what nbgrader logs: it logs a traceback and then raises without a reason."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines += record.getMessage().splitlines()

    def last_exception(self) -> str:
        errors = [line for line in self.lines if re.match(r"[\w.]+(Error|Exception)\b", line)]
        return errors[-1] if errors else ""
