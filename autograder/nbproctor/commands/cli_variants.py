"""The commands `nbproctor variants` and `nbproctor release`."""

import argparse
from pathlib import Path

from nbproctor.commands.cli_options import add_lesson, course_of
from nbproctor.errors import ConfigError
from nbproctor.store.places import course_root

__all__ = ["add_release", "add_variants"]

ROSTER = "a file with a student's id in each line (the gradebook's students)"


def add_variants(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor variants`."""
    parser.add_argument("lesson", nargs="?", help="a lesson's name, or how it begins")
    parser.add_argument("--students", type=Path, metavar="FILE", help=ROSTER)
    parser.add_argument(
        "--new-secret",
        action="store_true",
        help="make the course's secret, from which variants are drawn; once, before the first "
        "lesson is handed out",
    )
    parser.set_defaults(run=_variants)


def add_release(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor release`."""
    add_lesson(parser, "03")
    parser.add_argument("--to", type=Path, required=True, help="a folder: STUDENT/LESSON/ in it")
    parser.add_argument("--students", type=Path, metavar="FILE", help=ROSTER)
    parser.add_argument("--zip", action="store_true", help="STUDENT/LESSON.zip instead")
    parser.set_defaults(run=_release)


def _variants(options: argparse.Namespace) -> int:
    from nbproctor.course.variants_secret import make_secret

    if options.lesson is None and not options.new_secret:
        raise ConfigError("nothing to do", expected="a lesson, or --new-secret")
    if options.new_secret:
        print(f"Written: {make_secret(course_root(options.course))}")
        print("Keep a copy where you keep the gradebook: without it no variant can be graded.")
    if options.lesson is not None:
        from nbproctor.classes.variants_release import holdings, students_in, variant_lines

        course = course_of(options)
        students = students_in(course, options.students)
        print("\n".join(variant_lines(holdings(course, options.lesson, students))))
    return 0


def _release(options: argparse.Namespace) -> int:
    from nbproctor.classes.variants_release import hand_out, students_in

    course = course_of(options)
    students = students_in(course, options.students)
    written = hand_out(course, options.lesson, students, options.to, options.zip)
    print(f"{len(written)} students: {options.to}")
    return 0
