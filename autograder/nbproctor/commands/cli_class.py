"""The commands `nbproctor grade` and `nbproctor ledger`."""

import argparse
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from nbproctor.commands.cli_options import add_lesson, add_sandbox, course_of, quiet_nbgrader
from nbproctor.config import usable_cores
from nbproctor.errors import ConfigError, LedgerError
from nbproctor.store.places import course_config, course_root

if TYPE_CHECKING:
    from traitlets.config import Config

    from nbproctor.classes.watching import Watch
    from nbproctor.crew.cluster_settings import Cluster
    from nbproctor.crew.pool import WorkerProcess
    from nbproctor.grading.work import Crew, LessonPack
    from nbproctor.store.ledger import Ledger

__all__ = ["add_crew", "add_grade", "add_ledger", "crew_factory"]

RERUN = ("changed", "failed", "all")


def add_grade(parser: argparse.ArgumentParser) -> None:
    """The options of `nbproctor grade`."""
    add_lesson(parser)
    parser.add_argument("students", nargs="*", metavar="STUDENT", help="only these (all)")
    add_crew(parser)
    parser.add_argument(
        "--rerun",
        choices=RERUN,
        default="changed",
        help="changed: whoever has no result for what is handed in now, taken from the ledger "
        "where it is known; failed: and whoever ran out of time or memory, or met an error of "
        "the grader's; all: everybody, executed again (changed)",
    )
    parser.add_argument("--feedback", action="store_true", help="write feedback in the same pass")
    output = parser.add_mutually_exclusive_group()
    output.add_argument("--quiet", action="store_true", help="say only what went wrong")
    output.add_argument("--json", action="store_true", help="lines for a program, on stdout")
    parser.set_defaults(run=_grade)


def add_crew(parser: argparse.ArgumentParser) -> None:
    """The options that say who grades, and in which sandbox."""
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--workers", type=int, help="processes on this machine (one per core)")
    where.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="grade on the workers of this Dask scheduler (c.Cluster of the course's settings)",
    )
    parser.add_argument(
        "--resources", metavar="GPU=1", help="what a worker of the cluster must offer (nothing)"
    )
    parser.add_argument(
        "--wait-for-workers",
        type=float,
        metavar="S",
        help="seconds to go on without a usable worker of the cluster (60)",
    )
    add_sandbox(parser, otherwise="what the course's settings say")


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """The commands below `nbproctor ledger`."""
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    commands.add_parser("list", help="what results there are").set_defaults(run=_list)
    verify = commands.add_parser("verify", help="check every result; status 1 if one is damaged")
    verify.set_defaults(run=_verify)
    why = commands.add_parser("why", help="why a submission is or is not graded again")
    add_lesson(why)
    why.add_argument("student")
    why.set_defaults(run=_why)
    prune = commands.add_parser("prune", help="remove results that are in no gradebook any more")
    prune.set_defaults(run=_prune)
    for command in commands.choices.values():
        command.add_argument(
            "--course", type=Path, default=argparse.SUPPRESS, help="the course folder"
        )


def _list(options: argparse.Namespace) -> int:
    from nbproctor.classes.explain import ledger_lines

    with _ledger(options) as ledger:
        print("\n".join(ledger_lines(ledger)))
    return 0


def _verify(options: argparse.Namespace) -> int:
    from nbproctor.store.ledger import problems_of

    path = _ledger_path(options)
    problems = list(problems_of(path))
    print("\n".join([*problems, f"{path}: {len(problems) or 'no'} problems"]))
    return 1 if problems else 0


def _why(options: argparse.Namespace) -> int:
    from nbproctor.classes.desk import open_desk
    from nbproctor.classes.explain import why_lines

    with open_desk(course_of(options), options.lesson, print) as desk:
        print("\n".join(why_lines(desk, options.student)))
    return 0


def _prune(options: argparse.Namespace) -> int:
    from nbproctor.store.locks import course_lock

    root = course_root(options.course)
    with course_lock(root, "nbproctor ledger prune"), _ledger(options) as ledger:
        print(f"{ledger.prune(ledger.in_use())} results removed")
    return 0


def _ledger(options: argparse.Namespace) -> "Ledger":
    from nbproctor.store.ledger import Ledger

    return Ledger(_ledger_path(options), print)


def _ledger_path(options: argparse.Namespace) -> Path:
    from nbproctor.store.places import LEDGER

    path = course_root(options.course) / LEDGER
    if not path.is_file():
        raise LedgerError("there is no ledger yet: `nbproctor grade` makes it", where=path)
    return path


def _grade(options: argparse.Namespace) -> int:
    root, watch = course_root(options.course), _watch(options)
    config = course_config(root)
    quiet_nbgrader()
    with _first_worker(options, config, root) as first:
        from nbproctor.classes.classrun import grade_class
        from nbproctor.classes.due import Rerun
        from nbproctor.store.gradebook import Course

        summary = grade_class(
            Course(root),
            options.lesson,
            crew_factory(options, config, watch, first),
            watch,
            students=options.students,
            rerun=Rerun(options.rerun),
            sandbox=options.sandbox,
            feedback=options.feedback,
        )
    return 0 if summary.is_complete else 1


def _first_worker(
    options: argparse.Namespace, config: "Config", root: Path
) -> "AbstractContextManager[WorkerProcess | None]":
    """A worker that has its imports behind it when this process has; none for a cluster."""
    from nbproctor.crew.headstart import head_start

    if _cluster(options, config) is not None:
        return nullcontext()
    return head_start(root, config, options.lesson)


def crew_factory(
    options: argparse.Namespace,
    config: "Config",
    watch: "Watch",
    first: "WorkerProcess | None" = None,
) -> "Callable[[Mapping[str, LessonPack]], Crew]":
    """Who grades: a cluster where one is named, or else processes on this machine.

    Args:
        first: one that was started already.
    """
    from nbproctor.crew.pool import LocalCrew

    cluster = _cluster(options, config)
    if cluster is None:
        workers = usable_cores() if options.workers is None else options.workers
        return lambda packs: LocalCrew(packs, workers, first)
    try:
        from nbproctor.crew.cluster import ClusterCrew
    except ImportError as error:
        raise ConfigError(
            "grading on a cluster takes Dask", expected="plusx[cluster] installed", got=error
        ) from error
    return lambda packs: ClusterCrew(packs, cluster, watch.say)


def _cluster(options: argparse.Namespace, config: "Config") -> "Cluster | None":
    """The cluster to grade on, with what the command line says of it; None is this machine."""
    from nbproctor.crew.cluster_settings import Cluster, resources_from

    cluster = Cluster(config=config)
    if options.scheduler is not None:
        cluster = cluster.at(options.scheduler)
    if options.resources is not None:
        cluster.resources = resources_from(options.resources)
    if options.wait_for_workers is not None:
        cluster.wait_for_workers_s = options.wait_for_workers
    if options.workers is None and cluster.is_set:
        return cluster
    if options.resources is not None or options.wait_for_workers is not None:
        raise ConfigError(
            "--resources and --wait-for-workers are for clusters",
            expected="--scheduler, or a cluster in the course's settings (c.Cluster)",
        )
    return None


def _watch(options: argparse.Namespace) -> "Watch":
    from nbproctor.classes.watching import Bar, Lines, Quiet

    if options.json:
        return Lines()
    return Quiet() if options.quiet else Bar()
