"""The command `nbproctor similarity`."""

import argparse
import warnings
import webbrowser
from pathlib import Path

from nbproctor.places import course_root

__all__ = ["add_similarity"]


def add_similarity(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor similarity`."""
    parser.add_argument("lesson", help="a lesson's name, or how it begins, for example 02")
    parser.add_argument(
        "--to", type=Path, help="where the page goes (reports/LESSON_similarity.html)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.set_defaults(run=_similarity)


def _similarity(options: argparse.Namespace) -> int:
    from nbproctor.gradebook import Course
    from nbproctor.similarity_class import compare_class, similarity_lines, write_similarity

    warnings.filterwarnings("ignore", module=r"nbgrader\.")
    course = Course(course_root(options.course))
    found = compare_class(course, options.lesson)
    path = write_similarity(found, course, options.to)
    print("\n".join(similarity_lines(found)))
    print(f"Side by side: {path}")
    if options.open:
        webbrowser.open(path.resolve().as_uri())
    return 0
