"""Submissions as learning platforms give them out: whose file it is, and which notebook.

Set as `c.ZipCollectApp.collector_plugin`, for `nbgrader zip_collect`. The names are those that
Canvas (instructure/canvas-lms, lib/content_zipper.rb) and Moodle (moodle/moodle,
mod/assign/classes/downloader.php) give to files when a teacher downloads all submissions:

    doejane_LATE_4711_90210_02_lesson-1.ipynb            Canvas: user 4711, file 90210
    LATE_anon_x7Kq2_90210_02_lesson.ipynb                Canvas, anonymous
    Jane Doe_815_assignsubmission_file/02_lesson.ipynb   Moodle, in folders: participant 815
    Jane Doe_815_assignsubmission_file_02_lesson.ipynb   Moodle, without folders

Neither holds a time: what comes late has to be settled in the platform.
"""

import csv
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from nbgrader.plugins import FileNameCollectorPlugin
from traitlets import Unicode

from nbproctor.errors import ConfigError
from nbproctor.store.places import files_below, path_of

__all__ = ["CanvasCollector", "MoodleCollector"]

NOTEBOOK = ".ipynb"
# What browsers and Canvas add to the name of a file of which there is one already.
COPY = re.compile(r"(-\d+|[ _]?\(\d+\))$")
USABLE_ID = re.compile(r"[^\s/.][^/\n]*")


@dataclass(frozen=True)
class _Upload:
    """A file of a student's: `number` is the student's, `file` the platform's for the file."""

    path: Path
    name: str
    number: str
    file: int
    notebook: str


def _id_column(usual: str) -> Unicode[str, str | bytes]:
    return Unicode(usual, help="The column of the roster that holds ids.").tag(config=True)


class _PlatformCollector(FileNameCollectorPlugin):
    """What the platforms have in common: some part of a file's path says whose it is.

    Of several versions of a notebook the newest is collected. A student's archive is looked into.
    """

    pattern: ClassVar[re.Pattern[str]]
    number_column: ClassVar[str]

    roster = Unicode(
        "", help="A table (CSV) of the platform's, by which a student's number becomes an id."
    ).tag(config=True)
    id_column = _id_column("")

    def collect(self, submitted_file: str) -> dict[str, str] | None:
        """Whose notebook a file is, for nbgrader; None for what is not collected."""
        return self._collected.get(Path(submitted_file))

    @cached_property
    def _collected(self) -> dict[Path, dict[str, str]]:
        newest: dict[tuple[str, str], _Upload] = {}
        for upload in sorted(self._uploads, key=lambda one: (one.file, one.path)):
            try:
                key = self._student(upload), upload.notebook
            except ConfigError as error:
                self.log.error("Left out: %s (%s)", upload.path, error)
                continue
            if older := newest.get(key):
                self.log.warning("Left out, since there is a newer one: %s", older.path)
            newest[key] = upload
        ids = ("student_id", "file_id")
        return {made.path: dict(zip(ids, key, strict=True)) for key, made in newest.items()}

    @cached_property
    def _uploads(self) -> list[_Upload]:
        folder = Path(self.parent._format_collect_path(self.parent.extracted_directory))
        return [made for path in sorted(files_below(folder)) for made in self._read(path, folder)]

    def _read(self, path: Path, folder: Path) -> Iterator[_Upload]:
        if path.suffix != NOTEBOOK:
            return
        parts = path.relative_to(folder).parts
        for depth, part in enumerate(parts, 1):
            if found := self.pattern.fullmatch(part):
                said = found.groupdict("")
                uploaded = said["uploaded"] if depth == len(parts) else path.name
                notebook = self._notebook(uploaded.removesuffix(NOTEBOOK))
                file = int(said.get("file") or 0)
                yield _Upload(path, said["name"], said["number"], file, notebook)
                return
        self.log.error("Left out, since its name does not say whose it is: %s", path)

    def _notebook(self, stem: str) -> str:
        """The notebook of the lesson's that a file is a copy of, or else its own name."""
        course = self.parent.coursedir
        release = path_of(course, course.release_directory, course.assignment_id, ".")
        names = (stem, COPY.sub("", stem))
        return next((name for name in names if (release / f"{name}{NOTEBOOK}").is_file()), stem)

    def _student(self, upload: _Upload) -> str:
        """nbgrader's id of a student.

        Raises:
            ConfigError: the roster has none that could name a folder.
        """
        if not self.roster:
            return self._without_roster(upload)
        student = self._ids.get(upload.number, "")
        if not USABLE_ID.fullmatch(student):
            raise ConfigError(
                f"the roster has no usable id for number {upload.number}",
                expected=f"one in its column '{self.id_column}'",
                got=repr(student),
                where=self.roster,
            )
        return student

    def _without_roster(self, upload: _Upload) -> str:
        """The id of a student where there is no table that says it."""
        raise NotImplementedError

    @cached_property
    def _ids(self) -> Mapping[str, str]:
        """The roster: numbers, without words around them, and ids."""
        path = Path(self.parent.coursedir.root, self.roster)
        needed = [self.number_column, self.id_column]
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                rows = list(csv.DictReader(file))
            return {
                re.sub(r"\D", "", row[needed[0]] or ""): (row[needed[1]] or "").strip()
                for row in rows
            }
        except (OSError, UnicodeDecodeError, KeyError) as error:
            what = "the roster cannot be read"
            expected = f"a table with the columns {' and '.join(needed)}"
            self.parent.fail(str(ConfigError(what, expected=expected, got=error, where=path)))
            raise


class CanvasCollector(_PlatformCollector):
    """Canvas: Download Submissions. The roster is a gradebook as Canvas exports it.

    Without one the student's id is Canvas's number, or `anon_...` where grading is anonymous.
    """

    pattern = re.compile(
        r"((?P<name>\w*?)_)??(LATE_)?(?P<number>\d+|anon_[A-Za-z0-9]+)_(?P<file>\d+)_(?P<uploaded>.+)"
    )
    number_column = "ID"
    id_column = _id_column("SIS Login ID")

    def _without_roster(self, upload: _Upload) -> str:
        return upload.number


class MoodleCollector(_PlatformCollector):
    """Moodle: Download all submissions. The roster is the grading worksheet.

    Without one the student's id is made from the name, and from the participant's number too where
    several share a name, as all do where grading is anonymous.
    """

    pattern = re.compile(
        r"(?P<name>.+)_(?P<number>\d+)_assignsubmission_file(_|_(?P<uploaded>.+))?"
    )
    number_column = "Identifier"
    id_column = _id_column("Email address")

    def _without_roster(self, upload: _Upload) -> str:
        parts = [upload.name, *[upload.number] * (len(self._numbers[upload.name]) > 1)]
        return re.sub(r"\W+", "_", "_".join(parts))

    @cached_property
    def _numbers(self) -> Mapping[str, set[str]]:
        """The numbers of all who have a name."""
        numbers = defaultdict[str, set[str]](set)
        for upload in self._uploads:
            numbers[upload.name].add(upload.number)
        return numbers
