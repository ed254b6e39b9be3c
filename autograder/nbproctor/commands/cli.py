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

    init = commands.add_parser("init", help="make a new course, with a lesson and a made-up class")
    init.add_argument("folder", type=Path, help="where: a new or empty folder")
    init.add_argument("--id", help="what nbgrader calls the course (the folder's name)")
    init.set_defaults(run=_init)

    check = commands.add_parser("check", help="grade your own notebook here and now")
    add_lesson(check)
    check.add_argument("--notebook", type=Path, help="another notebook of that lesson")
    check.add_argument("--student", help="the variants of this student (those of the notebook)")
    check.add_argument(
        "--html", type=Path, help="where the page goes (.nbproctor/check_LESSON.html)"
    )
    check.add_argument("--open", action="store_true", help="open the page in the browser")
    check.add_argument("--json", action="store_true", help="the result for a program")
    add_sandbox(check, otherwise="what there is")
    check.set_defaults(run=_check)

    grade = commands.add_parser("grade", help="grade what a class handed in")
    add_grade(grade)
    ledger = commands.add_parser("ledger", help="results that need not be computed again")
    add_ledger(ledger)

    export = commands.add_parser("export", help="marks for a spreadsheet or a learning platform")
    add_export(export)

    report = commands.add_parser("report", help="a page about a lesson and its class")
    add_report(report)

    leaderboard = commands.add_parser("leaderboard", help="a class ranked, under pseudonyms")
    add_leaderboard(leaderboard)

    regrade = commands.add_parser("regrade", help="see what grading again changes, then do it")
    add_regrade(regrade)

    similarity = commands.add_parser("similarity", help="a page of answers that are alike")
    add_similarity(similarity)

    variants = commands.add_parser("variants", help="who holds which variant of an exercise")
    add_variants(variants)
    release = commands.add_parser("release", help="notebooks of their own for all students")
    add_release(release)

    demo = commands.add_parser("demo", help="grade a small made-up class through nbgrader")
    demo.add_argument("lessons", nargs="*", help="lessons by number or name (all)")
    demo.add_argument("--keep", type=Path, help="leave the class's course folder there")
    add_sandbox(demo, Level.REDUCED)
    demo.set_defaults(run=_demo)

    build = commands.add_parser("build", help="make the notebooks from solutions/*/*.py")
    build.add_argument("lessons", nargs="*", help="lessons by number or name (all)")
    build.add_argument("--check", action="store_true", help="only say what is stale")
    build.add_argument("--force", action="store_true", help="execute what is up to date, too")
    build.add_argument(
        "--times", action="store_true", help="write nothing: time each demonstration, cache empty"
    )
    build.set_defaults(run=_build)

    bench = commands.add_parser("bench", help="time grading, by nbgrader alone and by us")
    add_bench(bench)

    doctor = commands.add_parser("doctor", help="say what this machine can hold student code with")
    doctor.add_argument("--json", action="store_true", help="the findings for a program")
    add_sandbox(doctor, Level.REDUCED)
    doctor.set_defaults(run=_doctor)

    of_course = (check, grade, ledger, export, report, leaderboard, regrade, similarity)
    for command in (*of_course, variants, release, demo, build, bench):
        command.add_argument("--course", type=Path, help="the course folder (found upwards)")
    return parser


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
