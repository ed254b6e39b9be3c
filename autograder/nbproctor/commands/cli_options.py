"""What several commands have in common: options, the course, a page at the end."""

import argparse
import warnings
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from nbproctor.sandbox.plan import Level
from nbproctor.store.places import course_root

if TYPE_CHECKING:
    from nbproctor.store.gradebook import Course

__all__ = ["add_lesson", "add_page", "add_sandbox", "course_of", "quiet_nbgrader", "show_page"]


def add_lesson(parser: argparse.ArgumentParser, example: str = "02") -> None:
    """The lesson that a command is about."""
    parser.add_argument("lesson", help=f"a lesson's number or name, for example {example}")


def add_sandbox(
    parser: argparse.ArgumentParser, default: Level | None = None, otherwise: str = ""
) -> None:
    """How student code is held.

    Args:
        otherwise: in words, what holds where there is no default.
    """
    parser.add_argument(
        "--sandbox",
        type=Level,
        choices=list(Level),
        default=default,
        help=f"the weakest sandbox that will do ({default or otherwise})",
    )


def add_page(parser: argparse.ArgumentParser, usual: str) -> None:
    """Where a page goes (`usual` where nothing is said), and whether it is opened."""
    parser.add_argument("--to", type=Path, help=f"where the page goes ({usual})")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def show_page(path: Path, options: argparse.Namespace) -> None:
    """Open a page that was written, if asked to."""
    if options.open:
        webbrowser.open(path.resolve().as_uri())


def course_of(options: argparse.Namespace) -> "Course":
    """The course that a command is about, for nbgrader's own steps.

    Raises:
        ConfigError: there is none, or its settings cannot be read.
    """
    from nbproctor.store.gradebook import Course

    quiet_nbgrader()
    return Course(course_root(options.course))


def quiet_nbgrader() -> None:
    """SQLAlchemy warns of nbgrader's own queries; nobody here can do anything about it."""
    warnings.filterwarnings("ignore", module=r"nbgrader\.")
