"""Where a course stands, where its files do, and how a whole result takes its place."""

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import TYPE_CHECKING, Any, Self

from nbproctor.course.sealed import digest_of
from nbproctor.errors import ConfigError

if TYPE_CHECKING:
    from traitlets.config import Config

__all__ = [
    "COURSE_MARK",
    "FROM_EXCHANGE",
    "LEDGER",
    "LOCK",
    "NEW",
    "Place",
    "course_config",
    "course_root",
    "entries_below",
    "files_below",
    "named",
    "path_of",
    "submission_digest",
    "the_one_named",
]

COURSE_MARK = "nbgrader_config.py"

# What nbgrader's exchange puts beside a submission: its time, and what its feedback is filed by.
FROM_EXCHANGE = ("timestamp.txt", "submission_secret.txt")

# Beside nbgrader's folders: what nbproctor remembers of a course.
LEDGER, LOCK = ".nbproctor/ledger.sqlite", ".nbproctor/grade.lock"
NEW, OLD = ".unfinished/new", ".unfinished/old"


def course_root(given: Path | None) -> Path:
    """The course folder: the one given, or the nearest one upwards from here.

    Raises:
        ConfigError: there is none.
    """
    start = (given or Path.cwd()).resolve()
    candidates = [start] if given else [start, *start.parents]
    for folder in candidates:
        if (folder / COURSE_MARK).is_file():
            return folder
    raise ConfigError("there is no course here", expected=f"a {COURSE_MARK}", where=start)


def course_config(root: Path) -> "Config":
    """The settings of a course, as its nbgrader_config.py makes them.

    Raises:
        ConfigError: there is none, or it cannot be read.
    """
    from traitlets.config.loader import PyFileConfigLoader

    path = root / COURSE_MARK
    if not path.is_file():
        raise ConfigError(f"the folder is no course: it has no {COURSE_MARK}", where=root)
    try:
        config = PyFileConfigLoader(COURSE_MARK, path=str(root)).load_config()
    except Exception as error:  # it is a program
        lines = [f.lineno for f in extract_tb(error.__traceback__) if f.filename == str(path)]
        raise ConfigError(
            "the course's settings cannot be read",
            expected="a Python program that sets nbgrader's options",
            got=f"{type(error).__name__}: {error}",
            where=f"{path}, line {lines[-1]}" if lines else path,
        ) from error
    config.CourseDirectory.root = str(root)
    return config


def named(asked: str, names: Iterable[str]) -> list[str]:
    """The lessons whose name is, or begins with, what was asked for; 2 stands for 02."""
    known = sorted(names)
    for word in (asked.zfill(2), asked) if asked.isdigit() else (asked,) if asked else ():
        if found := [n for n in known if n == word] or [n for n in known if n.startswith(word)]:
            return found
    return []


def the_one_named(
    asked: str, names: Iterable[str], otherwise: str, what: str = "lesson", where: object = None
) -> str:
    """The one lesson that is called so, or begins so.

    Args:
        otherwise: what is expected where there is none at all.

    Raises:
        ConfigError: there is none of that name, or several.
    """
    known = sorted(names)
    found = named(asked, known)
    if len(found) != 1:
        expected = ", ".join(known) or otherwise
        raise ConfigError(f"no single {what} is called '{asked}'", expected=expected, where=where)
    return found[0]


def path_of(coursedir: Any, step: str, assignment: str, student: str) -> Path:
    """The folder of a student's files of one step of nbgrader's."""
    return Path(os.path.normpath(coursedir.format_path(step, student, assignment)))


def submission_digest(coursedir: Any, assignment: str, student: str, name: str) -> str:
    """A digest of what was handed in as one notebook, and when."""
    folder = path_of(coursedir, coursedir.submitted_directory, assignment, student)
    return digest_of(folder / f"{name}.ipynb", folder / "timestamp.txt")


def entries_below(folder: Path) -> Iterator[Path]:
    """All that is in a folder, however deep: Python's own walks call themselves for each folder."""
    waiting = [folder]
    while waiting:
        with contextlib.suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                yield Path(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(Path(entry.path))


def files_below(folder: Path) -> Iterator[Path]:
    """The files in a folder, however deep, those that links lead to among them."""
    return (path for path in entries_below(folder) if os.path.isfile(path))


@dataclass(frozen=True)
class Place:
    """Where a result stands, where it is made, and where the old one is while they change."""

    final: Path
    new: Path
    old: Path

    @classmethod
    def of(cls, coursedir: Any, step: str, assignment: str, student: str) -> Self:
        steps = (step, f"{step}/{NEW}", f"{step}/{OLD}")
        return cls(*(path_of(coursedir, name, assignment, student) for name in steps))

    @property
    def is_disturbed(self) -> bool:
        """Whether a run that made something for this place was killed, or still makes it."""
        return self.new.exists() or self.old.exists()

    def clear(self) -> None:
        """Clear away what a killed run left; an old result that it had put aside comes back."""
        if self.old.exists() and not self.final.exists():
            self.old.rename(self.final)
        self._remove_both()

    def take(self) -> None:
        """What was made is whole: it takes its place."""
        self.final.parent.mkdir(parents=True, exist_ok=True)
        if self.final.exists():
            self.old.parent.mkdir(parents=True, exist_ok=True)
            self.final.rename(self.old)
        self.new.rename(self.final)
        self._remove_both()

    def _remove_both(self) -> None:
        for folder in (self.new, self.old):
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):
                folder.parent.rmdir()
