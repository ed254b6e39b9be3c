"""The warden: the process above a learner's code. It watches, interrupts, and ends it.

It stands in the learner's namespaces, where it is the first process: when it ends, the system
ends all others. Without namespaces it adopts orphans and kills every descendant itself.
"""

import contextlib
import os
import select
import signal
import socket
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from nbproctor.sandbox.cgroups import killed_for_memory
from nbproctor.sandbox.mounts import MAX_FILES
from nbproctor.sandbox.plan import Budget
from nbproctor.trees import holds_too_much

__all__ = ["Mark", "Reason", "Usage", "watch"]

INTERVAL_S = 0.1
DISK_INTERVAL_S = 0.5
PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")


class Mark(StrEnum):
    """What the grader tells the warden, one byte each. Hanging up means: end it."""

    CELL = "c"
    """A new cell begins: its CPU time is counted from here."""
    INTERRUPT = "i"
    """Interrupt the target and what it started, as Ctrl-C does."""


class Reason(StrEnum):
    """Why a sandbox ended."""

    EXIT = "it ended by itself"
    TOLD = "the grader ended it"
    MEMORY = "it used more memory than allowed"
    CPU = "it used more CPU time than allowed"
    DISK = "it filled the disk"
    PROCESSES = "it started more processes than allowed"


def watch(target: int, leash: socket.socket, usage: "Usage") -> Reason:
    """Stand over the process `target` until it ends, misbehaves, or the grader says so.

    Nothing that descends from this process is left when this returns.
    """
    try:
        return _watch(target, leash, usage)
    finally:
        _end_all(target)


def _watch(target: int, leash: socket.socket, usage: "Usage") -> Reason:
    reason = None
    ended = os.pidfd_open(target) if hasattr(os, "pidfd_open") else None
    wanted: list[Any] = [leash] if ended is None else [leash, ended]
    while reason is None:
        ready = select.select(wanted, [], [], INTERVAL_S)[0]
        if leash in ready:
            reason = _obey(leash, target, usage)
        reason = reason or usage.excess()
        if _reap(target):
            reason = reason or Reason.EXIT
    return reason


def _obey(leash: socket.socket, target: int, usage: "Usage") -> Reason | None:
    try:
        said = leash.recv(64).decode("ascii", "replace")
    except OSError:
        said = ""
    if Mark.CELL in said:
        usage.begin_cell()
    if Mark.INTERRUPT in said:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(target, signal.SIGINT)
    return None if said else Reason.TOLD


def _reap(target: int) -> bool:
    """Collect children that have ended; whether the target is among them."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG)[0]) != 0:
            if found == target:
                return True
        return False
    return True


def _end_all(target: int) -> None:
    """Kill all descendants, and those that they start meanwhile, until none is left."""
    is_first = os.getpid() == 1  # of a process table: then -1 means all others in it
    while True:
        victims = [-1] if is_first else [-target, *_descendants(os.getpid())]
        for pid in victims:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        try:
            if os.waitpid(-1, os.WNOHANG)[0] == 0:
                time.sleep(0.002)
        except ChildProcessError:
            return


class Usage:
    """What all descendants of this process use together.

    Args:
        events: a descriptor for `killed_for_memory`, where there is a control group.
        scratch: the folder whose size to watch, where the file system has no limit of its own.
    """

    def __init__(self, budget: Budget, events: int | None, scratch: str | None) -> None:
        self.budget, self.events, self.scratch = budget, events, scratch
        self.cpu_s, self.cell_began_s, self.disk_seen_s = 0.0, 0.0, 0.0

    def begin_cell(self) -> None:
        self.excess()
        self.cell_began_s = self.cpu_s

    def excess(self) -> Reason | None:
        """A limit that is passed, if any."""
        pids, ticks, tasks, resident = list(_descendants(os.getpid())), 0, 0, 0
        for pid in pids:
            fields = _stat(pid)
            if fields:
                ticks += sum(int(n) for n in fields[11:15])  # utime, stime, and of its children
                tasks += int(fields[17])
                resident += int(fields[21]) * PAGE
        gone = os.times()
        used_s = ticks / TICKS + gone.children_user + gone.children_system
        self.cpu_s = max(self.cpu_s, used_s)
        if tasks > self.budget.processes:
            return Reason.PROCESSES
        if (
            self.cpu_s > self.budget.cpu_s
            or self.cpu_s - self.cell_began_s > self.budget.cell_cpu_s
        ):
            return Reason.CPU
        if self.events is not None and killed_for_memory(self.events):
            return Reason.MEMORY
        if self.scratch is not None and self._fills_the_disk(self.scratch):
            return Reason.DISK
        limit = self.budget.memory_bytes
        if resident > limit and sum(map(_proportional_bytes, pids)) > limit:
            return Reason.MEMORY
        return None

    def _fills_the_disk(self, scratch: str) -> bool:
        """Looked at now and then: there may be many files."""
        if time.monotonic() - self.disk_seen_s < DISK_INTERVAL_S:
            return False
        if holds_too_much(scratch, MAX_FILES, self.budget.disk_bytes):
            return True
        self.disk_seen_s = time.monotonic()
        return False


def _descendants(pid: int) -> Iterator[int]:
    """All processes below one, found anew at each step: they come and go."""
    waiting = [pid]
    while waiting:
        children = list(_children(waiting.pop()))
        yield from children
        waiting += children


def _children(pid: int) -> Iterator[int]:
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{pid}/task/{task}/children") as file:
                yield from map(int, file.read().split())


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat from the third on; the second may hold anything."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return []


def _proportional_bytes(pid: int) -> int:
    """Memory of a process, where a page that n processes share counts 1/n for each."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    fields = _stat(pid)
    return int(fields[21]) * PAGE if fields else 0
