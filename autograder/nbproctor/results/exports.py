"""Export plugins of nbgrader's: `--exporter nbproctor.results.exports.CanvasExport`, for one.

Their settings stand in `nbgrader_config.py`, as those of every part of nbgrader. The forms they
write are in `formats` and `gradescope`.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nbgrader.plugins import ExportPlugin
from traitlets import Bool, Dict, Enum, TraitError, Unicode

from nbproctor.course.variants_secret import read_secret
from nbproctor.errors import ConfigError, NbproctorError
from nbproctor.files import write_whole
from nbproctor.reports.class_entries import read_entries
from nbproctor.reports.class_marks import lesson_names, lesson_of, opened_gradebook
from nbproctor.results.canvas import CanvasForm, canvas
from nbproctor.results.formats import (
    Exported,
    LessonEntries,
    MoodleForm,
    moodle,
    table,
)
from nbproctor.results.gradescope import VISIBILITIES, GradescopeForm
from nbproctor.results.gradescope_zip import grading_there, handing_out
from nbproctor.store.filing import Filing
from nbproctor.store.gradebook import Course
from nbproctor.store.packing import lesson_packs, notebooks_of, resolve_lesson

__all__ = [
    "EXPORTS",
    "CanvasExport",
    "CsvExport",
    "GradescopeExport",
    "MoodleExport",
    "run_export",
    "run_packing",
]

FIELDS = ("id", "email", "lms_id", "first_name", "last_name")


class _Export(ExportPlugin):
    """What all exports share: which lessons and students, and where the file goes."""

    default_name = ""

    def exported(self, lessons: Sequence[LessonEntries], coursedir: Any) -> Exported:
        """The file's bytes."""
        raise NotImplementedError

    def write(self, gradebook: Any, coursedir: Any) -> tuple[Path, tuple[str, ...]]:
        """Write the file; where it is, and what a person should know.

        Raises:
            ConfigError: a lesson or student is unknown, or the file cannot be written.
        """
        names = [str(name) for name in self.assignment] or lesson_names(gradebook)
        if not names:
            raise ConfigError(
                "the gradebook has no lesson", expected="run: nbgrader generate_assignment LESSON"
            )
        only = [str(student) for student in self.student]
        lessons = []
        for name in names:
            lesson = lesson_of(gradebook, name)
            entries = list(read_entries(gradebook, coursedir, lesson, only))
            lessons.append(LessonEntries(lesson, entries))
        made = self.exported(lessons, coursedir)
        path = Path(self.to or self.default_name)
        write_whole(path, made.data)
        return path, made.warnings

    def export(self, gradebook: Any) -> None:
        """As nbgrader calls it."""
        try:
            path, warnings = self.write(gradebook, self.parent.coursedir)
        except NbproctorError as error:
            self.log.error(str(error))
            sys.exit(1)
        for warning in warnings:
            self.log.warning(warning)
        self.log.info("Exported to %s", path)


class CsvExport(_Export):
    """One row for each student and exercise, with verdict and score."""

    default_name = "grades_by_exercise.csv"

    def exported(self, lessons: Sequence[LessonEntries], coursedir: Any) -> Exported:
        return table(lessons)


class CanvasExport(_Export):
    """A gradebook that Canvas imports."""

    default_name = "grades_canvas.csv"
    login = Enum(["", *FIELDS], "id", help="What stands as SIS Login ID").tag(config=True)
    sis_user = Enum(["", *FIELDS], "", help="What stands as SIS User ID").tag(config=True)
    section = Unicode("", help="What stands as Section").tag(config=True)
    columns = Dict(
        help="By lesson, the header of its column: 'Homework 1 (4711)', with Canvas's number"
    ).tag(config=True)
    roster = Unicode(
        "", help="A gradebook that Canvas exported: names, numbers and headers come from there"
    ).tag(config=True)
    incomplete = Bool(False, help="Give out marks that wait for a person too").tag(config=True)

    def exported(self, lessons: Sequence[LessonEntries], coursedir: Any) -> Exported:
        roster = _text_of(Path(self.roster)) if self.roster else ""
        names = (self.login, self.sis_user, self.section)
        return canvas(lessons, CanvasForm(*names, self.columns, roster, self.incomplete))


class MoodleExport(_Export):
    """Grades and feedback that Moodle imports."""

    default_name = "grades_moodle.csv"
    identifier = Enum(FIELDS[:3], "email", help="What names a student in Moodle").tag(config=True)
    header = Unicode("Email address", help="What that column is called").tag(config=True)
    incomplete = Bool(False, help="Give out marks that wait for a person too").tag(config=True)

    def exported(self, lessons: Sequence[LessonEntries], coursedir: Any) -> Exported:
        return moodle(lessons, MoodleForm(self.identifier, self.header, self.incomplete))


class GradescopeExport(_Export):
    """An autograder for Gradescope that hands out results made here."""

    default_name = "grades_gradescope.zip"
    visibility = Enum(
        VISIBILITIES, "visible", help="When students see tests and their messages"
    ).tag(config=True)
    incomplete = Bool(False, help="Give out marks that wait for a person too").tag(config=True)

    def exported(self, lessons: Sequence[LessonEntries], coursedir: Any) -> Exported:
        if len(lessons) != 1:
            found = ", ".join(of.lesson.name for of in lessons)
            raise ConfigError("an autograder is for one lesson", expected="--assignment", got=found)
        return handing_out(lessons[0], coursedir, GradescopeForm(self.visibility, self.incomplete))


EXPORTS: dict[str, type[_Export]] = {
    "csv": CsvExport,
    "canvas": CanvasExport,
    "moodle": MoodleExport,
    "gradescope": GradescopeExport,
}


def run_export(
    course: Course, lesson: str, kind: str, to: Path | None, **settings: Any
) -> tuple[Path, tuple[str, ...]]:
    """Export one lesson of a course, with its settings and these; as `_Export.write`.

    Raises:
        ConfigError, GradebookError: as for the plugins; a setting that this kind does not have.
    """
    made = EXPORTS[kind](parent=course.coursedir)
    for name, value in settings.items():
        if not made.has_trait(name):
            raise ConfigError(f"--{name} does not go with --format {kind}")
        try:
            setattr(made, name, value)
        except TraitError as error:
            raise ConfigError(f"--{name} cannot be that", got=error) from error
    made.assignment, made.to = [lesson], str(to or "")
    with opened_gradebook(course.coursedir.db_url) as gradebook:
        return made.write(gradebook, course.coursedir)


def run_packing(
    course: Course, lesson: str, to: Path | None, visibility: str = VISIBILITIES[0]
) -> tuple[Path, tuple[str, ...]]:
    """Write an autograder that grades a lesson in Gradescope's container.

    Raises:
        ConfigError: the lesson is unknown or handed out in variants, or the file cannot be written.
        LessonError, GradebookError: the lesson is not released as it is now.
    """
    if visibility not in VISIBILITIES:
        raise ConfigError(
            "no such visibility", expected=", ".join(VISIBILITIES), got=repr(visibility)
        )
    name = resolve_lesson(course, lesson)
    filing = Filing(course, name, notebooks_of(course, name))
    packs = lesson_packs(course, name, filing.names, filing.limits, filing.level)
    if read_secret(course.root) and any(lesson.choices for _, lesson in packs.values()):
        raise ConfigError(
            "an autograder that grades elsewhere does not know who holds which variant",
            expected="--format gradescope, with results that were made here",
            where=name,
        )
    made = grading_there(
        {key: pack for key, (pack, _) in packs.items()}, GradescopeForm(visibility)
    )
    path = Path(to or f"{name}_gradescope.zip")
    write_whole(path, made.data)
    return path, made.warnings


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError("the roster cannot be read", got=error, where=path) from error
