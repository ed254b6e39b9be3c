"""Wall and CPU time of commands and all that they start.

CPU time of a whole tree of processes is what its living members have used, with their reaped
children, and what this process has reaped: orphans come here, since it makes itself their reaper.
No control group and no rights are needed. What a parent lets the system reap unseen is not counted;
nothing that is measured here does that.
"""

import os
import resource
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from nbproctor.sandbox.syscalls import IS_LINUX, PR_SET_CHILD_SUBREAPER, prctl

__all__ = ["Metered", "descendants", "metered"]

SAMPLE_S = 0.25
END_S = 15.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Metered:
    """What commands took, in seconds. `samples` are pairs of time since `began` and CPU time.

    `other_cores` is how many cores everything else on the machine kept busy meanwhile.
    """

    began: float
    wall_s: float
    cpu_s: float
    samples: tuple[tuple[float, float], ...]
    returncodes: tuple[int, ...]
    timed_out: bool = False
    other_cores: float = 0.0

    def cpu_at(self, wall_s: float) -> float:
        """CPU seconds used until then, between two samples in proportion."""
        points = [(0.0, 0.0), *self.samples, (self.wall_s, self.cpu_s)]
        for (t0, c0), (t1, c1) in pairwise(points):
            if t0 <= wall_s <= t1 and t1 > t0:
                return c0 + (c1 - c0) * (wall_s - t0) / (t1 - t0)
        return self.cpu_s


def metered(
    commands: Sequence[Sequence[str]],
    cwd: Path,
    env: Mapping[str, str],
    output: Path,
    timeout_s: float,
    services: Sequence[Sequence[str]] = (),
) -> Metered:
    """Run commands side by side until the last has ended.

    Args:
        output: a file that what they print is added to.
        services: commands that run meanwhile and are ended afterwards; they count, too.
    """
    if IS_LINUX:
        prctl("PR_SET_CHILD_SUBREAPER", PR_SET_CHILD_SUBREAPER, 1)
    with output.open("ab") as log:
        before, busy, began, start = _reaped(), _busy_s(), time.time(), time.monotonic()
        made = [_started(command, cwd, env, log) for command in (*services, *commands)]
        awaited, codes = {p.pid for p in made[len(services) :]}, dict[int, int]()
        samples: list[tuple[float, float]] = []
        while awaited - codes.keys() and time.monotonic() - start < timeout_s:
            _sleep_and_reap(codes)
            samples.append((time.monotonic() - start, _tree_cpu() + _reaped() - before))
        wall = time.monotonic() - start
        timed_out = bool(awaited - codes.keys())
        _end_all(made, codes)
        others = _busy_s() - busy - (_reaped() - before)
    for process in made:  # reaped above, where Popen does not see it
        process.returncode = codes.get(process.pid, -signal.SIGKILL)
    returned = tuple(p.returncode for p in made[len(services) :])
    cpu, passed = _reaped() - before, time.monotonic() - start
    return Metered(began, wall, cpu, tuple(samples), returned, timed_out, max(others / passed, 0.0))


def _started(
    command: Sequence[str], cwd: Path, env: Mapping[str, str], log: IO[bytes]
) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        start_new_session=True,
    )  # fmt: skip


def _sleep_and_reap(codes: dict[int, int]) -> None:
    """Wait for the next sample, or until a child ends."""
    deadline = time.monotonic() + SAMPLE_S
    while time.monotonic() < deadline:
        if _reap(codes):
            return
        time.sleep(0.01)


def _reap(codes: dict[int, int]) -> bool:
    """Take in every child that has ended; whether there was one."""
    found = False
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        codes[pid], found = os.waitstatus_to_exitcode(status), True


def _end_all(made: "Sequence[subprocess.Popen[bytes]]", codes: dict[int, int]) -> None:
    """Ask what still runs to end, then end it."""
    for process in made:
        if process.pid not in codes:
            process.send_signal(signal.SIGTERM)
    deadline = time.monotonic() + END_S
    while descendants(os.getpid()) and time.monotonic() < deadline:
        _sleep_and_reap(codes)
    for pid in descendants(os.getpid()):
        os.kill(pid, signal.SIGKILL)
    while descendants(os.getpid()) and time.monotonic() < deadline + END_S:
        _sleep_and_reap(codes)


def _busy_s() -> float:
    """Seconds that all cores together have been busy, or taken by another virtual machine."""
    try:
        words = Path("/proc/stat").read_text().splitlines()[0].split()[1:9]
    except OSError:
        return 0.0
    user, nice, system, _idle, _waiting, *others = map(int, words)
    return (user + nice + system + sum(others)) / TICKS_PER_S


def _reaped() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _tree_cpu() -> float:
    """CPU seconds of all living descendants and of the children that they have reaped."""
    return sum(ticks for _, ticks in _tree(os.getpid())) / TICKS_PER_S


def descendants(pid: int) -> list[int]:
    """Children of a process, theirs, and so on."""
    return [child for child, _ in _tree(pid)]


def _tree(root: int) -> list[tuple[int, int]]:
    """Descendants of a process, with the clock ticks that they and their reaped children used."""
    children: dict[int, list[tuple[int, int]]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "stat").read_bytes().rpartition(b")")[2].split()
        except OSError:  # it has just ended
            continue
        entry = (int(folder.name), sum(map(int, words[11:15])))
        children.setdefault(int(words[1]), []).append(entry)
    found, left = list[tuple[int, int]](), [root]
    while left:
        below = children.get(left.pop(), [])
        found += below
        left += [pid for pid, _ in below]
    return found
