"""The arms of the benchmark: who grades, by which commands, and how one sees that it is done."""

import json
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from nbproctor.bench.courses import CourseKind, marks, plain, proctored
from nbproctor.bench.workload import Workload

__all__ = ["ARMS", "Arm", "Plan", "Site", "loopback_cluster"]

Command = Sequence[str]
RESULTS = "results.jsonl"
HOST = "127.0.0.1"
DASK_WORKER = "--nthreads 1 --no-nanny --no-dashboard --memory-limit 0".split()


@dataclass(frozen=True)
class Site:
    """A course folder in which an arm grades a class.

    Args:
        folder: the course; `kind` says what stands where in it.
        workers: how many processes an arm with several has.
    """

    folder: Path
    kind: CourseKind
    workload: Workload
    submissions: Sequence[Path]
    workers: int

    def notebook(self, kind: str) -> Path:
        """The lesson's notebook below one of the course's folders."""
        return self.folder / kind / self.workload.name / f"{self.workload.name}.ipynb"


@dataclass(frozen=True)
class Plan:
    """Commands that grade, side by side, and services that run meanwhile."""

    commands: Sequence[Command]
    services: Sequence[Command] = ()


def _graded_notebooks(site: Site) -> list[float]:
    """When graded notebooks were written."""
    return [p.stat().st_mtime for p in site.folder.glob("autograded/[!.]*/*/*.ipynb")]


def _gradebook(site: Site) -> Mapping[str, Mapping[str, float | None]]:
    return marks(site.folder)


def _unknown(site: Site) -> float | None:
    return None


@dataclass(frozen=True)
class Arm:
    """One way to grade a class.

    Args:
        title: what tables call it.
        course: its configuration, from the folder of the course that is benchmarked.
        plan: its commands, for a site.
        workers: 1, or None for as many as the run is asked for.
        is_quick: whether it grades a whole class in every turn, or the first few students of it.
        finished: when each submission was done, in seconds since 1970.
        marks: the points it gave.
        compute_s: CPU time of a submission's cells alone, if it knows it.
    """

    name: str
    title: str
    course: Callable[[Path], CourseKind]
    plan: Callable[[Site], Plan]
    workers: int | None = 1
    is_quick: bool = False
    finished: Callable[[Site], list[float]] = _graded_notebooks
    marks: Callable[[Site], Mapping[str, Mapping[str, float | None]]] = _gradebook
    compute_s: Callable[[Site], float | None] = _unknown


def _python(module: str, *arguments: object) -> Command:
    return [sys.executable, "-m", module, *map(str, arguments)]


def _stock(root: Path) -> CourseKind:
    return plain()


def _tuned(root: Path) -> CourseKind:
    return plain('c.Execute.shutdown_kernel = "immediate"\n')


def _cold(root: Path) -> CourseKind:
    """The configuration is Python: it can take the fork-server away."""
    return proctored(
        root, "from nbproctor.grading import grade\ngrade.warm_server = lambda *_: None\n"
    )


def _autograde(site: Site) -> Plan:
    return Plan([_python("nbgrader", "autograde", site.workload.name)])


def _two_autogrades(site: Site) -> Plan:
    halves = ("a*", "b*")
    name = site.workload.name
    return Plan([_python("nbgrader", "autograde", name, f"--student={half}") for half in halves])


def _floor(workers: int | None) -> Callable[[Site], Plan]:
    def plan(site: Site) -> Plan:
        places = ["--source", site.notebook("source"), "--release", site.notebook("release")]
        options = ["--results", site.folder / RESULTS, "--workers", workers or site.workers]
        command = _python("nbproctor.bench.floor", *places, *options, *site.submissions)
        return Plan([command])

    return plan


def _floor_lines(site: Site) -> list[dict[str, Any]]:
    """What the floor told of each submission."""
    lines = (site.folder / RESULTS).read_text().splitlines()
    return [json.loads(line) for line in lines]


def _floor_finished(site: Site) -> list[float]:
    return [float(line["finished"]) for line in _floor_lines(site)]


def _floor_compute(site: Site) -> float | None:
    return mean(float(line["cpu_s"]) for line in _floor_lines(site))


def _no_marks(site: Site) -> Mapping[str, Mapping[str, float | None]]:
    return {}


def _grade(*options: str) -> Callable[[Site], Plan]:
    def plan(site: Site) -> Plan:
        words = [word.replace("{workers}", str(site.workers)) for word in options]
        return Plan([_python("nbproctor.commands.cli", "grade", site.workload.name, *words)])

    return plan


def loopback_cluster(workers: int) -> tuple[str, list[Command]]:
    """A Dask scheduler's address, and the commands that start it and workers of one thread each."""
    with socket.create_server((HOST, 0)) as found:
        port = str(found.getsockname()[1])
    address = f"tcp://{HOST}:{port}"
    scheduler = _python("distributed.cli.dask_scheduler", "--host", HOST, "--port", port)
    worker = _python("distributed.cli.dask_worker", address, *DASK_WORKER)
    return address, [[*scheduler, "--no-dashboard"], *[[*worker] for _ in range(workers)]]


def _dask(site: Site) -> Plan:
    address, services = loopback_cluster(site.workers)
    grade = _python("nbproctor.commands.cli", "grade", site.workload.name, "--scheduler", address)
    return Plan([grade], services)


ARMS = (
    Arm("stock", "nbgrader, as it comes", _stock, _autograde),
    Arm("tuned", "nbgrader, kernels shut down at once", _tuned, _autograde),
    Arm("pair", "nbgrader, two processes side by side", _stock, _two_autogrades, workers=2),
    Arm("cold", "nbproctor, cold kernels, by nbgrader's command", _cold, _autograde),
    Arm("through", "nbproctor, by nbgrader's command", proctored, _autograde, is_quick=True),
    Arm("one", "nbproctor, 1 worker", proctored, _grade("--workers", "1"), is_quick=True),
    Arm(
        "workers", "nbproctor, {workers} workers", proctored, _grade("--workers", "{workers}"),
        workers=None, is_quick=True,
    ),
    Arm(
        "dask", "nbproctor, {workers} Dask workers", proctored, _dask, workers=None, is_quick=True
    ),
    Arm(
        "floor", "the floor", _stock, _floor(1), is_quick=True,
        finished=_floor_finished, marks=_no_marks, compute_s=_floor_compute,
    ),
    Arm(
        "floors", "the floor, {workers} processes", _stock, _floor(None), workers=None,
        is_quick=True, finished=_floor_finished, marks=_no_marks,
    ),
)  # fmt: skip
