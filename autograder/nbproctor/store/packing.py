"""The lessons of a course folder, packed for workers."""

import glob
from pathlib import Path

from nbgrader.api import Gradebook, MissingEntry

from nbproctor.config import Limits
from nbproctor.course.lesson import Lesson, load_lesson
from nbproctor.errors import GradebookError
from nbproctor.grading.work import LessonPack
from nbproctor.sandbox.plan import Level
from nbproctor.store.gradebook import Course, check_gradebook
from nbproctor.store.gradebook_rows import reading
from nbproctor.store.places import path_of, the_one_named

__all__ = ["lesson_packs", "notebooks_of", "resolve_lesson"]


def resolve_lesson(course: Course, asked: str) -> str:
    """The assignment whose name is, or begins with, what was asked for.

    Raises:
        ConfigError: there is none, or more than one.
    """
    sources = path_of(course.coursedir, course.coursedir.source_directory, "*", ".")
    folders = [Path(path) for path in glob.glob(str(sources))]
    names = (folder.name for folder in folders if folder.is_dir())
    return the_one_named(asked, names, "a lesson", where=sources)


def notebooks_of(course: Course, assignment: str) -> list[str]:
    """The assignment's notebooks, as the gradebook knows them.

    Raises:
        GradebookError: it knows none, or it cannot be read.
    """
    url = course.coursedir.db_url
    try:
        with reading(url), Gradebook(url) as gradebook:
            known = gradebook.find_assignment(assignment).notebooks
            names = sorted(notebook.name for notebook in known)
    except MissingEntry:
        names = []
    if not names:
        command = f"run: nbgrader generate_assignment {assignment}"
        raise GradebookError("the lesson is not released", expected=command, where=url)
    return names


def lesson_packs(
    course: Course, assignment: str, names: list[str], limits: Limits, level: Level
) -> dict[str, tuple[LessonPack, Lesson]]:
    """An assignment's notebooks, packed to be graded, and read.

    Raises:
        LessonError: a notebook is missing, or released in another version.
        GradebookError: the gradebook was made from another version of the lesson.
    """
    coursedir, packs = course.coursedir, {}
    for name in names:
        source, release = (
            path_of(coursedir, step, assignment, ".") / f"{name}.ipynb"
            for step in (coursedir.source_directory, coursedir.release_directory)
        )
        lesson = load_lesson(source, release)
        check_gradebook(coursedir.db_url, lesson, assignment)
        packs[name] = LessonPack.read(source, release, limits, level), lesson
    return packs
