"""The command `nbproctor similarity`."""

import argparse

from nbproctor.commands.cli_options import add_lesson, add_page, course_of, show_page

__all__ = ["add_similarity"]


def add_similarity(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor similarity`."""
    add_lesson(parser)
    add_page(parser, "reports/LESSON_similarity.html")
    parser.set_defaults(run=_similarity)


def _similarity(options: argparse.Namespace) -> int:
    from nbproctor.classes.similarity_class import compare_class, similarity_lines, write_similarity

    course = course_of(options)
    found = compare_class(course, options.lesson)
    path = write_similarity(found, course, options.to)
    print("\n".join(similarity_lines(found)))
    print(f"Side by side: {path}")
    show_page(path, options)
    return 0
