"""The whole benchmark: turns of all arms, probes, a second lesson, a peer; bounded in time."""

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from nbproctor.bench.arms import ARMS, Arm
from nbproctor.bench.machine import machine, versions
from nbproctor.bench.peer import otter
from nbproctor.bench.probes import PROBES, Lab
from nbproctor.bench.record import Record
from nbproctor.bench.turns import Settings, Turns
from nbproctor.bench.workload import Workload, course_lesson, residuals
from nbproctor.errors import ConfigError, NbproctorError

__all__ = ["Request", "run_bench"]

RECORD = Path("reports", "bench.json")
PEER = Path("reports", "otter")
PROBE_S = 40.0
SECOND = ("stock", "one", "workers", "floor", "floors")  # arms that grade the second lesson, too


@dataclass(frozen=True)
class Request:
    """What somebody asked for.

    Args:
        lesson: a lesson of the course, which gets one turn besides the benchmark's own.
        arms: names of the arms to measure; all if empty.
        minutes: no further step begins when it would probably end after this time.
        fresh: forget what was measured before.
    """

    lesson: str
    settings: Settings
    arms: tuple[str, ...] = ()
    minutes: float = 12.0
    fresh: bool = False


@dataclass(frozen=True)
class _Step:
    """Something to be measured, and how many seconds it will probably take."""

    name: str
    expected_s: Callable[[], float]
    run: Callable[[], object]


def run_bench(root: Path, request: Request, say: Callable[[str], None] = print) -> Record:
    """Measure what the record does not hold yet, the most important first.

    Raises:
        ConfigError: an arm is unknown, or the record was begun under other conditions.
    """
    deadline = time.monotonic() + 60 * request.minutes
    about = {
        "machine": machine(),
        "versions": versions(root),
        "settings": asdict(request.settings),
        "date": time.strftime("%Y-%m-%d"),
    }
    record = Record.open(root / RECORD, about, request.fresh)
    arms = _chosen(request.arms)
    with Turns(root, record, request.settings, say) as turns:
        for step in _steps(root, request, record, turns, arms):
            left = deadline - time.monotonic()
            if step.expected_s() > left:
                say(f"left for the next call, for want of time: {step.name}")
                continue
            say(f"{step.name} ({left / 60:.0f} minutes left)")
            step.run()
    return record


def _chosen(names: tuple[str, ...]) -> tuple[Arm, ...]:
    known = {arm.name: arm for arm in ARMS}
    if unknown := sorted(set(names) - {*known, "otter"}):
        raise ConfigError(f"no arm is called '{unknown[0]}'", expected=", ".join([*known, "otter"]))
    return tuple(arm for arm in ARMS if not names or arm.name in names)


def _steps(
    root: Path, request: Request, record: Record, turns: Turns, arms: tuple[Arm, ...]
) -> Iterator[_Step]:
    own = residuals(root)
    yield from _turn(turns, own, arms, 0)
    if not request.arms:
        lab = Lab(root, turns.folder, own, request.settings.workers)
        yield from _probes(record, lab)
    for turn in range(1, request.settings.turns - 1):
        yield from _turn(turns, own, arms, turn)
    second = tuple(arm for arm in arms if arm.name in SECOND)
    yield from _turn(turns, course_lesson(root, request.lesson), second, 0)
    if not request.arms or "otter" in request.arms:
        yield from _peer(root, turns, own)
    for turn in range(max(1, request.settings.turns - 1), request.settings.turns):
        yield from _turn(turns, own, arms, turn)


def _turn(turns: Turns, workload: Workload, arms: tuple[Arm, ...], turn: int) -> Iterator[_Step]:
    for arm in turns.missing(workload, arms, turn):
        yield _Step(
            f"{workload.name}, turn {turn + 1}: {arm.name}",
            partial(turns.expected_s, workload, arm),
            partial(turns.run, workload, arm, turn),
        )


def _probes(record: Record, lab: Lab) -> Iterator[_Step]:
    for name in PROBES:
        if not record.has_probe(name):
            yield _Step(f"probe: {name}", lambda: PROBE_S, partial(_probe, record, lab, name))


def _probe(record: Record, lab: Lab, name: str) -> None:
    try:
        found = PROBES[name](lab)
    except (NbproctorError, subprocess.TimeoutExpired) as error:
        found = {"failed": str(error)}
    record.add(probes={name: found})


def _peer(root: Path, turns: Turns, workload: Workload) -> Iterator[_Step]:
    if not turns.record.has(workload.name, "otter", 0):
        run = partial(_run_peer, root, turns, workload)
        yield _Step("Otter-Grader", lambda: 2 * PROBE_S, run)


def _run_peer(root: Path, turns: Turns, workload: Workload) -> None:
    try:
        turns.run(workload, otter(root / PEER), 0)
    except NbproctorError as error:
        turns.record.add(probes={"otter": {"failed": str(error)}})
