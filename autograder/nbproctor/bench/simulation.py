"""Very many light submissions: is memory flat, is the cost of each flat, how fast is a second look?

The lesson's one exercise takes no time, and no two answers are the same. The class is graded by
`nbproctor grade`, then once more with nothing changed.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from nbproctor.bench.arms import loopback_cluster
from nbproctor.bench.courses import environment, furnish, hand_in_class, proctored
from nbproctor.bench.machine import machine, versions
from nbproctor.bench.workload import LIGHT, light_lesson
from nbproctor.errors import ConfigError, GraderError
from nbproctor.store.places import LEDGER

__all__ = ["DASK", "POOL", "SIMULATION", "simulate"]

SIMULATION = Path("reports", "simulation.json")
POOL, DASK = "pool", "dask"
PARTS = 10
END_S = 20.0


@dataclass(frozen=True)
class _Watched:
    """A run of `nbproctor grade`: seconds in all, and at the end of each part of the class seconds
    since the start and the memory of the control process in MiB."""

    wall_s: float
    cpu_s: float
    at_s: tuple[float, ...]
    memory_mib: tuple[float, ...]


def simulate(
    root: Path, submissions: int, workers: int, on_dask: bool, say: Callable[[str], None] = print
) -> dict[str, Any]:
    """Grade that many light submissions twice; what came of it is kept in SIMULATION.

    Args:
        on_dask: by workers of a Dask scheduler on the loopback, not by those of the local pool.

    Raises:
        ConfigError: there are too few submissions to see a trend.
        GraderError: grading failed.
    """
    if submissions < 10 * PARTS:
        raise ConfigError("too few submissions", expected=f"{10 * PARTS} or more", got=submissions)
    workload, kind = light_lesson(), proctored(root)
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="nbproctor-bench-"))
        folder = Path(scratch).resolve() / "course"
        say(f"writing {submissions} submissions")
        furnish(folder, kind, workload)
        hand_in_class(folder, kind, workload, range(submissions))
        options = ["--workers", str(workers)]
        if on_dask:
            address, services = loopback_cluster(workers)
            stack.enter_context(_running(services, Path(scratch)))
            options = ["--scheduler", address]
        told = {
            "date": time.strftime("%Y-%m-%d"),
            "machine": machine(),
            "versions": versions(root),
            "workers": workers,
            "submissions": submissions,
            **_graded_twice(folder, submissions, options, say),
        }
    path = root / SIMULATION
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        json.dumps({**kept, DASK if on_dask else POOL: told}, indent=1), encoding="utf-8"
    )
    return told


def _graded_twice(
    folder: Path, submissions: int, options: Sequence[str], say: Callable[[str], None]
) -> dict[str, Any]:
    before = _kib(folder, "gradebook.db")
    say("grading them")
    first = _grade(folder, submissions, options)
    say(f"{first.wall_s:.0f} s; grading them again, unchanged")
    return {
        "grade": asdict(first),
        "each_s": _each(first.at_s, submissions),
        "gradebook_kib_each": (_kib(folder, "gradebook.db") - before) / submissions,
        "ledger_kib_each": _kib(folder, LEDGER) / submissions,
        "recheck": asdict(_grade(folder, submissions, options)),
    }


@contextmanager
def _running(services: Sequence[Sequence[str]], folder: Path) -> Iterator[None]:
    """Services for as long as the context lasts."""
    with (folder / "services.log").open("wb") as log:
        made = [
            subprocess.Popen(command, cwd=folder, env=environment(), stdout=log, stderr=log)
            for command in services
        ]
        try:
            yield
        finally:
            for process in reversed(made):  # a worker that has lost its scheduler waits for it
                process.terminate()
                try:
                    process.wait(END_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def _grade(folder: Path, submissions: int, options: Sequence[str]) -> _Watched:
    """Run `nbproctor grade`, and look at it each time that another part of the class is done."""
    command = [sys.executable, "-m", "nbproctor.commands.cli", "grade", LIGHT, "--json", *options]
    before, began = _children_cpu(), time.monotonic()
    at, memory, done = list[float](), list[float](), 0
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            command, cwd=folder, env=environment(), stdout=subprocess.PIPE, stderr=log
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            if b'"student"' not in line[:12]:
                continue
            done += 1
            if done * PARTS // submissions > len(at):
                at.append(time.monotonic() - began)
                memory.append(_memory_mib(process.pid))
        code = process.wait()
        log.seek(0)
        if code or done != submissions:
            words = log.read().decode(errors="replace")[-1000:]
            raise GraderError(
                "grading failed", expected=submissions, got=f"{done}, {code}, {words}"
            )
    wall = time.monotonic() - began
    return _Watched(wall, _children_cpu() - before, tuple(at), tuple(memory))


def _children_cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _memory_mib(pid: int) -> float:
    """Resident memory of one process, to the page; 0 where the system does not say."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Rss:")), 0.0)


def _each(at_s: Sequence[float], submissions: int) -> list[float]:
    """Seconds per submission in each part but the first, in which everything starts."""
    return [(b - a) * PARTS / submissions for a, b in pairwise(at_s)]


def _kib(folder: Path, name: str) -> float:
    """Size of a database with what stands beside it."""
    return (
        sum(path.stat().st_size for path in (folder / name).parent.glob(f"{Path(name).name}*"))
        / 1024
    )
