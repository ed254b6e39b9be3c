"""A new course folder: settings, one lesson with hidden tests, a made-up class, a README."""

import re
from pathlib import Path

from nbproctor.errors import ConfigError

__all__ = ["make_course"]

TEMPLATES = Path(__file__).parents[1] / "templates" / "course"
LESSON = "01_running_means"
CLASS = "autograder/class_demo"
# Where each file of the templates stands in a course. They are no .py files here, since they are
# no modules of this package.
FILES = {
    "settings.txt": "nbgrader_config.py",
    "readme.md": "README.md",
    "gitignore.txt": ".gitignore",
    "lesson.txt": f"solutions/{LESSON}/{LESSON}.py",
    "class_settings.txt": f"{CLASS}/nbgrader_config.py",
    "class.toml": f"{CLASS}/{LESSON}/class.toml",
    "expected.csv": f"{CLASS}/{LESSON}/expected.csv",
}
COURSE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
MANY = 5


def make_course(folder: Path, course_id: str | None = None) -> list[Path]:
    """Make a course in a new or empty folder; the files that were written.

    Args:
        course_id: what nbgrader calls the course, for example in its exchange; the folder's name
            if None.

    Raises:
        ConfigError: the folder is not empty, no folder, or cannot be written; or the name would
            not do as a part of paths.
    """
    folder = folder.absolute()
    name = folder.resolve().name if course_id is None else course_id
    _check_name(name)
    try:
        _check_empty(folder)
        return [_write(folder / place, template, name) for template, place in FILES.items()]
    except OSError as error:
        raise ConfigError(
            "the course cannot be written", got=error.strerror or error, where=folder
        ) from error


def _check_name(name: str) -> None:
    if not COURSE_ID.fullmatch(name):
        raise ConfigError(
            "a course cannot have this name",
            expected="letters, digits, '.', '-' and '_', at most 60 (give one with --id)",
            got=repr(name),
        )


def _check_empty(folder: Path) -> None:
    if not folder.exists():
        return
    if not folder.is_dir():
        raise ConfigError("there is a file of this name", expected="a new folder", where=folder)
    if found := sorted(path.name for path in folder.iterdir()):
        more = ", ..." if len(found) > MANY else ""
        raise ConfigError(
            "the folder is not empty, and nothing in it was changed",
            expected="a new or empty folder",
            got=", ".join(found[:MANY]) + more,
            where=folder,
        )


def _write(path: Path, template: str, course_id: str) -> Path:
    text = (TEMPLATES / template).read_text(encoding="utf-8").replace("@COURSE@", course_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("x", encoding="utf-8") as file:  # nothing is ever overwritten
        file.write(text)
    return path
