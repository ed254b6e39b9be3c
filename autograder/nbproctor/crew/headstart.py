"""A first worker that imports what kernels need while this process still imports nbgrader."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from nbproctor.course.lesson import load_lesson
from nbproctor.crew.pool import WorkerProcess
from nbproctor.errors import LessonError
from nbproctor.grading.grade import modules_of
from nbproctor.store.places import named

if TYPE_CHECKING:
    from traitlets.config import Config

__all__ = ["head_start", "modules_of_lesson"]

# The folders of nbgrader's course where nothing else is said.
SOURCE, RELEASE = "source", "release"


@contextmanager
def head_start(root: Path, config: "Config", asked: str) -> Iterator[WorkerProcess | None]:
    """A worker for a lesson, if one can tell without nbgrader where the lesson stands.

    That is a guess: a worker that was started for other modules imports what is missing later. One
    that nobody took ends with the context.
    """
    modules = modules_of_lesson(root, config, asked)
    worker = WorkerProcess(modules) if modules else None
    try:
        yield worker
    finally:
        if worker is not None and worker.process.poll() is None:
            worker.process.terminate()
            worker.stop()


def modules_of_lesson(root: Path, config: "Config", asked: str) -> set[str]:
    """What the given cells of the lesson's first notebook import; nothing if it is not found."""
    folders = config.get("CourseDirectory", {})
    if "directory_structure" in folders:
        return set()
    source = root / str(folders.get("source_directory", SOURCE))
    release = root / str(folders.get("release_directory", RELEASE))
    for lesson in named(asked, (path.name for path in source.glob("*") if path.is_dir())):
        for path in sorted((source / lesson).glob("*.ipynb")):
            try:
                return modules_of(load_lesson(path, release / lesson / path.name))
            except LessonError:  # this is said where it is needed
                continue
    return set()
