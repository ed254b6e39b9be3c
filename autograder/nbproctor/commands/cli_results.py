"""The commands `nbproctor export`, `report`, `leaderboard` and `regrade`: what comes of marks."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nbproctor.commands.cli_class import add_crew, crew_factory
from nbproctor.commands.cli_options import add_lesson, add_page, course_of, show_page
from nbproctor.errors import ConfigError

if TYPE_CHECKING:
    from nbproctor.store.gradebook import Course

__all__ = ["add_export", "add_leaderboard", "add_regrade", "add_report"]

FORMATS = ("csv", "canvas", "moodle", "gradescope", "gradescope-autograder")


def add_export(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor export`."""
    add_lesson(parser)
    parser.add_argument(
        "--format",
        choices=FORMATS,
        default="csv",
        help="csv: one row per student and exercise; canvas, moodle: what these import; "
        "gradescope: an autograder that hands out these results; gradescope-autograder: one that "
        "grades there, hidden tests inside (csv)",
    )
    parser.add_argument(
        "--to",
        type=Path,
        help="where the file goes, - for standard output (here, by its format's name)",
    )
    parser.add_argument(
        "--incomplete", action="store_true", help="give out marks that wait for a person too"
    )
    parser.add_argument("--roster", help="canvas: a gradebook that Canvas exported")
    parser.add_argument("--visibility", help="gradescope: when students see the tests (visible)")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    from nbproctor.results.exports import run_export, run_packing

    course = course_of(options)
    asked = {name: getattr(options, name) for name in ("roster", "visibility", "incomplete")}
    settings = {name: value for name, value in asked.items() if value}
    if options.format == "gradescope-autograder":
        if unused := sorted(settings.keys() - {"visibility"}):
            raise ConfigError(f"--{unused[0]} does not go with --format {options.format}")
        path, told = run_packing(course, options.lesson, options.to, **settings)
    else:
        path, told = run_export(course, options.lesson, options.format, options.to, **settings)
    for warning in told:
        print(f"nbproctor: {warning}", file=sys.stderr)
    if str(path) != "-":
        print(f"nbproctor: written to {path}", file=sys.stderr)
    return 0


def add_report(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor report`."""
    add_lesson(parser)
    add_page(parser, "reports/LESSON.html")
    parser.set_defaults(run=_report)


def _report(options: argparse.Namespace) -> int:
    from nbproctor.reports.lesson_report import write_report

    path, picture = write_report(course_of(options), options.lesson, options.to)
    print(f"{picture.lesson.name}: {picture.graded} of {picture.students} students have a mark")
    print(path)
    show_page(path, options)
    return 0


def add_leaderboard(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor leaderboard`."""
    add_lesson(parser, "09")
    parser.add_argument(
        "--baselines", type=Path, help="rows of the course's own (data/leaderboards/LESSON.json)"
    )
    add_page(parser, "reports/LESSON_leaderboard.html")
    parser.set_defaults(run=_leaderboard)


def _leaderboard(options: argparse.Namespace) -> int:
    from nbproctor.reports.leaderboard import write_board

    course = course_of(options)
    path, board = write_board(course, options.lesson, options.to, options.baselines)
    named = sum(not row.is_baseline for row in board.rows)
    print(f"{board.lesson}: {named} entries with a pseudonym, {board.unnamed} without")
    print(path)
    show_page(path, options)
    return 0


def add_regrade(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor regrade`."""
    add_lesson(parser)
    step = parser.add_mutually_exclusive_group(required=True)
    step.add_argument("--preview", action="store_true", help="show what would change")
    step.add_argument("--apply", action="store_true", help="record what the preview showed")
    step.add_argument("--discard", action="store_true", help="forget the preview")
    parser.add_argument("--to", type=Path, help="where the page goes (reports/LESSON_regrade.html)")
    add_crew(parser)
    parser.set_defaults(run=_regrade)


def _regrade(options: argparse.Namespace) -> int:
    from nbproctor.classes.regrade import apply_preview, discard_preview
    from nbproctor.classes.watching import Quiet

    course = course_of(options)
    if options.preview:
        return _preview(course, options)
    if options.discard:
        discard_preview(course, options.lesson)
        print("The preview is forgotten; no mark was changed.")
        return 0
    applied = apply_preview(course, options.lesson, Quiet(), options.sandbox)
    print(f"{applied.lesson}: recorded for {len(applied.changes)} students, as the preview showed")
    return 0


def _preview(course: "Course", options: argparse.Namespace) -> int:
    from nbproctor.classes.regrade import make_preview
    from nbproctor.classes.regrade_report import regrade_lines, regrade_page
    from nbproctor.classes.watching import Bar
    from nbproctor.files import write_page

    watch = Bar()
    crew = crew_factory(options, course.config, watch)
    proposal = make_preview(course, options.lesson, crew, watch, options.sandbox)
    watch.close()
    usual = course.root / "reports" / f"{proposal.lesson}_regrade.html"
    path = write_page(regrade_page(proposal), options.to, usual)
    print("\n".join(regrade_lines(proposal)))
    print(f"\nThe same as a page: {path}")
    if not proposal.changes:
        print("There is nothing to record.")
        return 0
    print(f"Nothing is recorded yet: nbproctor regrade {proposal.lesson} --apply, or --discard")
    return 0
