"""Wall and CPU time of commands and all that they start.

CPU time of a whole tree of processes is what its living members have used, with their reaped
children, and what has been reaped at its root: orphans come there, since the root makes itself
their reaper. No control group and no rights are needed. What a parent lets the system reap unseen
is not counted; nothing that is measured here does that.

The root is a process of its own, `python -m nbproctor.bench.meter`, which ends all that is below it
when it ends, or when whoever started it does.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO

from nbproctor.errors import GraderError
from nbproctor.sandbox import syscalls

__all__ = ["Metered", "descendants", "main", "metered"]

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
    task = {
        "commands": [list(command) for command in commands],
        "services": [list(command) for command in services],
        "cwd": str(cwd),
        "env": dict(env),
        "output": str(output),
        "timeout_s": timeout_s,
    }
    root = subprocess.Popen(
        [sys.executable, "-m", "nbproctor.bench.meter"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    try:
        told, _ = root.communicate(json.dumps(task).encode())
    finally:
        if root.poll() is None:
            root.terminate()
            root.wait()
    if root.returncode:
        raise GraderError("the meter failed", got=f"exit status {root.returncode}")
    found = json.loads(told)
    found["samples"] = tuple(map(tuple, found["samples"]))
    return Metered(**{**found, "returncodes": tuple(found["returncodes"])})


def main() -> None:
    """Read a task from stdin, carry it out, and write what it took to stdout, as JSON."""
    if syscalls.IS_LINUX:
        syscalls.prctl("PR_SET_CHILD_SUBREAPER", syscalls.PR_SET_CHILD_SUBREAPER, 1)
        syscalls.set_parent_death_signal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    print(json.dumps(asdict(_measured(**json.load(sys.stdin)))))


def _measured(
    commands: Sequence[Sequence[str]],
    services: Sequence[Sequence[str]],
    cwd: str,
    env: Mapping[str, str],
    output: str,
    timeout_s: float,
) -> Metered:
    busy, began, start = _busy_s(), time.time(), time.monotonic()
    made: list[subprocess.Popen[bytes]] = []
    codes, samples = dict[int, int](), list[tuple[float, float]]()
    with open(output, "ab") as log:
        try:
            made += [_started(command, cwd, env, log) for command in (*services, *commands)]
            awaited = [process.pid for process in made[len(services) :]]
            while not codes.keys() >= set(awaited) and time.monotonic() - start < timeout_s:
                _sleep_and_reap(codes)
                samples.append((time.monotonic() - start, _tree_cpu() + _reaped()))
            wall = time.monotonic() - start
            timed_out = not codes.keys() >= set(awaited)
        finally:
            _end_all(made, codes)
    for process in made:  # reaped here, where Popen does not see it
        process.returncode = codes.get(process.pid, -signal.SIGKILL)
    returned = tuple(codes.get(pid, -signal.SIGKILL) for pid in awaited)
    others = (_busy_s() - busy - _reaped()) / (time.monotonic() - start)
    return Metered(began, wall, _reaped(), tuple(samples), returned, timed_out, max(others, 0.0))


def _started(
    command: Sequence[str], cwd: str, env: Mapping[str, str], log: IO[bytes]
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


if __name__ == "__main__":
    main()
