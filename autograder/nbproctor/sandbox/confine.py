"""From an ordinary process into the sandbox, in the order in which the steps are possible.

First, while it may still make namespaces, the process that everything else descends from
(`leave_the_machine`); then the one that will run a learner's code (`give_up_rights`).
"""

import contextlib
import os
import resource
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from nbproctor.sandbox import landlock, seccomp, syscalls
from nbproctor.sandbox.furnishing import fill
from nbproctor.sandbox.gpus import DRIVER
from nbproctor.sandbox.mounts import (
    DEVICES,
    SCRATCH,
    SHARED_MEMORY,
    TEMPORARY,
    TERMINALS,
    build_root,
)
from nbproctor.sandbox.plan import Budget, Layer, Level, Plan

__all__ = ["Confinement", "LayerError"]

NEW_MOUNT, NEW_UTS, NEW_IPC, NEW_USER = 0x20000, 0x4000000, 0x8000000, 0x10000000
NEW_PID, NEW_NETWORK = 0x20000000, 0x40000000
NAMESPACES = {
    Layer.PID: NEW_PID,
    Layer.NETWORK: NEW_NETWORK,
    Layer.IPC: NEW_IPC,
    Layer.UTS: NEW_UTS,
}
NOBODY = 65534
CHANGE_USER = (syscalls.CAP_SETUID, syscalls.CAP_SETGID)
FIRST_UID = 0x70000000  # far from the ids that people and services have
OPEN_FILES, LOCKED_BYTES = 1024, 8 << 20
# Of /proc, without a process table of its own, only the process itself and the hardware.
HARDWARE = ("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg")


class LayerError(Exception):
    """A layer that this level needs cannot be had here."""

    def __init__(self, layer: Layer, reason: object) -> None:
        super().__init__(f"{layer}: {reason}")
        self.layer, self.reason = layer, str(reason)


@dataclass
class Confinement:
    """The steps for one plan; `missing` says why a layer is not there, by layer."""

    plan: Plan
    missing: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.is_full = self.plan.level is Level.FULL
        self.scratch = SCRATCH if self.is_full else f"{self.plan.folder}/scratch"
        self.privileged = syscalls.has_capabilities(syscalls.CAP_SYS_ADMIN, *CHANGE_USER)
        self.changes_user = self.plan.level is not Level.OFF and self._can_change_user()
        self.uid = FIRST_UID + os.getpid() if self.changes_user else os.getuid()
        self.events: int | None = None
        self.neighbours = 0 if self.changes_user else _tasks_of_this_user()

    def join_groups(self) -> None:
        """Enter the control group, before there is a child that could be outside."""
        for folder in self.plan.groups:
            self._need(Layer.CGROUP, partial(Path(folder, "cgroup.procs").write_text, "0"))
        if self.plan.memory_events:  # no path will lead there from the new root
            self.events = os.open(self.plan.memory_events, os.O_RDONLY | os.O_CLOEXEC)
        if not self.plan.groups:
            self.missing[Layer.CGROUP] = "none can be made here"

    def leave_the_machine(self) -> None:
        """Take namespaces; children of this process are in the new process table."""
        if not self.is_full:
            reason = "not at this level"
            self.missing |= dict.fromkeys((*NAMESPACES, Layer.MOUNT, Layer.USER), reason)
            return
        if not self.privileged:
            self._need(Layer.USER, partial(_new_user_namespace, NOBODY))
        for layer, flag in NAMESPACES.items():
            self._need(layer, partial(syscalls.unshare, flag))

    def furnish(self) -> None:
        """In the first child: a root of its own, and a scratch.

        Raises:
            LayerError: a layer cannot be had.
            CopyError: what was to be copied into the scratch was not.
        """
        if not self.is_full:
            os.chmod(self.plan.folder, 0o711)
            os.mkdir(self.scratch, 0o700)
            fill(self.scratch, self.plan.copies, self.plan.budget.disk_bytes, self.uid)
            os.chown(self.scratch, self.uid, -1)
            return
        if not self.changes_user:
            self.uid = os.getuid()  # its number in the user namespace
        # Only from here on: who stands outside keeps the machine's files, to clean up.
        self._need(Layer.MOUNT, partial(syscalls.unshare, NEW_MOUNT))
        socket.sethostname("sandbox")
        where, size = Path(self.plan.folder), self.plan.budget.disk_bytes
        plan = self.plan
        devices = (*DEVICES, *plan.devices)
        readable = (*plan.readable, *(DRIVER if plan.devices else ()))
        self._need(
            Layer.MOUNT,
            lambda: build_root(where, readable, devices, plan.copies, self.uid, size),
        )

    def give_up_rights(self) -> None:
        """In the process that will run the target. There is no way back."""
        if self.plan.level is Level.OFF:
            self.missing |= dict.fromkeys(Layer, "the sandbox is off")
            return
        _set_limits(self.plan.budget, self.neighbours)
        _own_process_files()
        _offer_as_first_to_kill()
        if self.changes_user:
            self._change_user()
        self._need(Layer.PRIVILEGES, syscalls.drop_capabilities)
        self._need(Layer.PRIVILEGES, syscalls.no_new_privileges)
        syscalls.set_parent_death_signal(signal.SIGKILL)
        self._restrict_files()
        if self.events is not None:
            os.close(self.events)
        only_process = None if self.is_full else os.getpid()
        self._need(Layer.SECCOMP, partial(seccomp.install, self.is_full, only_process))

    def _need(self, layer: Layer, step: Callable[[], object]) -> None:
        try:
            step()
        except (OSError, KeyError) as error:
            raise LayerError(layer, error) from error

    def _can_change_user(self) -> bool:
        """Whether the target can get a user id that nobody has, and says why not."""
        reason = ""
        if not syscalls.has_capabilities(*CHANGE_USER):
            reason = "only root can give a process another user id"
        elif self.is_full and not self.privileged:
            reason = "root lacks the right to make namespaces"
        elif closed := [p for p in self.plan.readable if not _is_open(p, not self.is_full)]:
            reason = f"other users may not read {closed[0]}"
        if reason:
            self.missing[Layer.UID] = reason
        return not reason

    def _change_user(self) -> None:
        os.setgroups([])
        os.setresgid(self.uid, self.uid, self.uid)
        os.setresuid(self.uid, self.uid, self.uid)
        _own_process_files()
        if self.is_full:
            try:
                _new_user_namespace(self.uid)
            except OSError as error:  # the user id is worth as much
                self.missing[Layer.USER] = str(error)

    def _restrict_files(self) -> None:
        # In a file system of its own, all that is there may be read.
        hardware = (*HARDWARE, *(DRIVER if self.plan.devices else ()))
        readable = ["/"] if self.is_full else [*self.plan.readable, *hardware]
        places = (SHARED_MEMORY, TERMINALS, TEMPORARY) if self.is_full else ()
        writable = [self.scratch, *DEVICES, *self.plan.devices, *places]
        try:
            landlock.restrict(readable, writable, self.plan.listable)
        except OSError as error:
            if not self.is_full:
                raise LayerError(Layer.LANDLOCK, error) from error
            self.missing[Layer.LANDLOCK] = str(error)


def _new_user_namespace(inner: int) -> None:
    """Enter a user namespace in which this user and group have the number `inner`."""
    uid, gid = os.geteuid(), os.getegid()
    syscalls.unshare(NEW_USER)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inner} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inner} {gid} 1")


def _own_process_files() -> None:
    """/proc/self belongs to this user again: the warden's was closed, a new user's is too."""
    syscalls.prctl("PR_SET_DUMPABLE", syscalls.PR_SET_DUMPABLE, 1)


def _is_open(path: str, with_parents: bool) -> bool:
    """Whether a user without rights of its own may read a file or folder."""
    if not os.path.exists(path):
        return True
    folders = Path(path).parents if with_parents else ()
    return bool(os.stat(path).st_mode & 0o004) and all(f.stat().st_mode & 0o001 for f in folders)


def _set_limits(budget: Budget, neighbours: int) -> None:
    """Limits of setrlimit(2): per process, but for the number of processes."""
    limits = {
        resource.RLIMIT_DATA: budget.memory_bytes,
        resource.RLIMIT_FSIZE: budget.disk_bytes,
        resource.RLIMIT_NPROC: budget.processes + neighbours,
        resource.RLIMIT_CPU: int(budget.cpu_s) + 1,
        resource.RLIMIT_NOFILE: OPEN_FILES,
        resource.RLIMIT_MEMLOCK: LOCKED_BYTES,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_CORE: 0,
    }
    for kind, value in limits.items():
        _, hard = resource.getrlimit(kind)
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def _tasks_of_this_user() -> int:
    """Processes and threads of this user: they may count against its limit too."""
    count, user = 0, os.getuid()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended meanwhile
            if process.stat().st_uid == user:
                count += len(os.listdir(process / "task"))
    return count


def _offer_as_first_to_kill() -> None:
    # A courtesy to the machine, no part of the protection.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
