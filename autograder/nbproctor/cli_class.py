"""The commands `nbproctor grade` and `nbproctor ledger`."""

import argparse
import os
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING

from nbproctor.places import course_root
from nbproctor.sandbox.plan import Level

if TYPE_CHECKING:
    from nbproctor.watching import Watch
    from nbproctor.work import Crew, LessonPack

__all__ = ["add_grade"]

RERUN = ("changed", "failed", "all")


def add_grade(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor grade`."""
    parser.add_argument("lesson", help="a lesson's number or name, for example 02")
    parser.add_argument("students", nargs="*", metavar="STUDENT", help="only these (all)")
    parser.add_argument("--workers", type=int, help="submissions at the same time (one per core)")
    parser.add_argument(
        "--rerun",
        choices=RERUN,
        default="changed",
        help="changed: whoever has no result for what is handed in now, taken from the ledger "
        "where it is known; failed: and whoever ran out of time or memory, or met an error of "
        "the grader's; all: everybody, executed again (changed)",
    )
    parser.add_argument(
        "--sandbox",
        type=Level,
        choices=list(Level),
        help="the weakest sandbox that will do (what the course's settings say)",
    )
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--quiet", action="store_true", help="say only what went wrong")
    output.add_argument("--json", action="store_true", help="lines for a program, on stdout")
    parser.set_defaults(run=_grade)


def _grade(options: argparse.Namespace) -> int:
    from nbproctor.classrun import grade_class
    from nbproctor.due import Rerun
    from nbproctor.gradebook import Course
    from nbproctor.pool import LocalCrew

    workers = os.cpu_count() or 1 if options.workers is None else options.workers

    def crew(packs: Mapping[str, "LessonPack"]) -> "Crew":
        return LocalCrew(packs, workers)

    # SQLAlchemy warns of nbgrader's own queries; nobody here can do anything about it.
    warnings.filterwarnings("ignore", module=r"nbgrader\.")
    summary = grade_class(
        Course(course_root(options.course)),
        options.lesson,
        crew,
        _watch(options),
        students=options.students,
        rerun=Rerun(options.rerun),
        sandbox=options.sandbox,
    )
    return 0 if summary.is_complete else 1


def _watch(options: argparse.Namespace) -> "Watch":
    from nbproctor.watching import Bar, Lines, Quiet

    if options.json:
        return Lines()
    return Quiet() if options.quiet else Bar()
