"""The command line: `nbproctor check`, `grade`, `report`, `export` and others.

Importing this module imports neither torch nor nbgrader: `--help` answers at once.
"""

import argparse
import io
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from nbproctor.bench.command import add_bench
from nbproctor.commands.cli_class import add_grade, add_ledger
from nbproctor.commands.cli_options import add_lesson, add_sandbox, show_page
from nbproctor.commands.cli_results import add_export, add_leaderboard, add_regrade, add_report
from nbproctor.commands.cli_similarity import add_similarity
from nbproctor.commands.cli_variants import add_release, add_variants
from nbproctor.config import Limits
from nbproctor.errors import ConfigError, NbproctorError, SandboxError
from nbproctor.files import write_page
from nbproctor.sandbox.plan import NO_SANDBOX, Level
from nbproctor.sandbox.process import strongest_level
from nbproctor.store.places import course_root, the_one_named
from nbproctor.unused import leave_out

__all__ = ["main"]

WITHOUT_A_COURSE = ("init", "doctor")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command. Returns 0 if all is well, 1 if not, 2 if the command cannot be run."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that is not UTF-8 shows '?' for a sign
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    options = _parser().parse_args(arguments)
    leave_out()
    try:
        return int(options.run(options))
    except NbproctorError as error:
        print(f"nbproctor: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("nbproctor: stopped", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="nbproctor", description="Grades notebooks.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, add_options, about in (
        ("init", _add_init, "make a new course, with a lesson and a made-up class"),
        ("check", _add_check, "grade your own notebook here and now"),
        ("grade", add_grade, "grade what a class handed in"),
        ("ledger", add_ledger, "results that need not be computed again"),
        ("export", add_export, "marks for a spreadsheet or a learning platform"),
        ("report", add_report, "a page about a lesson and its class"),
        ("leaderboard", add_leaderboard, "a class ranked, under pseudonyms"),
        ("regrade", add_regrade, "see what grading again changes, then do it"),
        ("similarity", add_similarity, "a page of answers that are alike"),
        ("variants", add_variants, "who holds which variant of an exercise"),
        ("release", add_release, "notebooks of their own for all students"),
        ("demo", _add_demo, "grade a small made-up class through nbgrader"),
        ("build", _add_build, "make the notebooks from solutions/*/*.py"),
        ("bench", add_bench, "time grading, by nbgrader alone and by us"),
        ("doctor", _add_doctor, "say what this machine can hold student code with"),
    ):
        command = commands.add_parser(name, help=about)
        add_options(command)
        if name not in WITHOUT_A_COURSE:
            command.add_argument("--course", type=Path, help="the course folder (found upwards)")
    return parser


def _add_init(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="where: a new or empty folder")
    parser.add_argument("--id", help="what nbgrader calls the course (the folder's name)")
    parser.set_defaults(run=_init)


def _add_check(parser: argparse.ArgumentParser) -> None:
    add_lesson(parser)
    parser.add_argument("--notebook", type=Path, help="another notebook of that lesson")
    parser.add_argument("--student", help="the variants of this student (those of the notebook)")
    page = "where the page goes (.nbproctor/check_LESSON.html)"
    parser.add_argument("--html", type=Path, help=page)
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    parser.add_argument("--json", action="store_true", help="the result for a program")
    add_sandbox(parser, otherwise="what there is")
    parser.set_defaults(run=_check)


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lessons", nargs="*", help="lessons by number or name (all)")
    parser.add_argument("--keep", type=Path, help="leave the class's course folder there")
    add_sandbox(parser, Level.REDUCED)
    parser.set_defaults(run=_demo)


def _add_build(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("lessons", nargs="*", help="lessons by number or name (all)")
    parser.add_argument("--check", action="store_true", help="only say what is stale")
    parser.add_argument("--force", action="store_true", help="execute what is up to date, too")
    times = "write nothing: time each demonstration, cache empty"
    parser.add_argument("--times", action="store_true", help=times)
    parser.set_defaults(run=_build)


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="the findings for a program")
    add_sandbox(parser, Level.REDUCED)
    parser.set_defaults(run=_doctor)


def _init(options: argparse.Namespace) -> int:
    from nbproctor.building.init_course import make_course

    made = make_course(options.folder, options.id)
    print("\n".join(str(options.folder / path.relative_to(made[0].parent)) for path in made))
    print(f"\nA new course. What to do with it: {options.folder / 'README.md'}, or at once:")
    print(f"    cd {shlex.quote(str(options.folder))} && nbproctor build && nbproctor demo")
    return 0


def _lesson_name(root: Path, asked: str) -> str:
    """The lesson whose folder name is, or begins with, what was asked for."""
    folder = root / "notebooks"
    names = (path.name for path in folder.glob("*") if path.is_dir())
    return the_one_named(asked, names, "a lesson: run nbproctor build", where=folder)


def _check(options: argparse.Namespace) -> int:
    from nbproctor.commands.check import check_notebook
    from nbproctor.commands.progress import note_progress, progress_of
    from nbproctor.reports.report import check_json, check_lines, check_page

    root = course_root(options.course)
    name = _lesson_name(root, options.lesson)
    notebook = options.notebook or root / "notebooks" / name / f"{name}.ipynb"
    level = _level_for_own_work(options.sandbox)
    report = check_notebook(root, name, notebook, Limits(), level, options.student)
    try:
        progress = note_progress(name, report)
    except ConfigError as error:  # the result is worth showing all the same
        print(f"nbproctor: {error}", file=sys.stderr)
        progress = progress_of(report, {})
    print(check_json(name, report, progress) if options.json else check_lines(report))
    usual = root / ".nbproctor" / f"check_{name}.html"
    page = write_page(check_page(report, title=name), options.html, usual)
    if not options.json:
        print(f"The same as a page: {page}")
    show_page(page, options)
    return 0


def _doctor(options: argparse.Namespace) -> int:
    from nbproctor.commands.doctor import examine, health_lines

    health = examine(options.sandbox)
    print(health.to_json() if options.json else "\n".join(health_lines(health)))
    return 0 if health.ok else 1


def _level_for_own_work(asked: Level | None) -> Level:
    """Whoever checks a notebook of their own has run it without a sandbox before."""
    if asked is None:
        try:
            return strongest_level(Level.REDUCED)
        except SandboxError as error:
            print(f"Your code runs without a sandbox: {error}", file=sys.stderr)
            return Level.OFF
    if asked is Level.OFF:
        print(NO_SANDBOX, file=sys.stderr)
    return asked


def _demo(options: argparse.Namespace) -> int:
    from nbproctor.classes.demo import run_demo

    if options.sandbox is Level.OFF:
        print(NO_SANDBOX, file=sys.stderr)
    root = course_root(options.course)
    return run_demo(root, options.lessons, options.keep, sandbox=options.sandbox)


def _build(options: argparse.Namespace) -> int:
    from nbproctor.building.build import build_course

    root = course_root(options.course)
    if options.times:
        from nbproctor.building.times import time_lessons

        time_lessons(root, options.lessons)
    else:
        build_course(root, options.lessons, options.check, force=options.force)
    return 0


if __name__ == "__main__":
    sys.exit(main())
