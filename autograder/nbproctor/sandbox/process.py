"""The grader's side of a sandbox: start a process in it, interrupt it, end it."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from nbproctor.config import Limits
from nbproctor.errors import GraderError, SandboxError
from nbproctor.sandbox import cgroups
from nbproctor.sandbox.forkserver import ForkServer, start_interpreter
from nbproctor.sandbox.gpus import gpu_devices
from nbproctor.sandbox.mounts import SYSTEM
from nbproctor.sandbox.plan import Budget, Layer, Level, Plan
from nbproctor.sandbox.syscalls import IS_LINUX
from nbproctor.sandbox.warden import Mark, Reason
from nbproctor.scratch import ScratchFolder

__all__ = ["Sandboxed", "strongest_level"]

END_S = 10.0


class Sandboxed:
    """One process in a sandbox of its own.

    Args:
        level: FULL, REDUCED or OFF, exactly; `strongest_level` says what there can be.
        descriptors: open files that the process gets; its `main` receives their numbers there.
        server: whose fork it becomes; None starts a new interpreter.

    Raises:
        SandboxError: a layer that the level needs cannot be had.
        ConfigError: the machine has fewer GPUs than the limits promise.
        GraderError: the process did not start in time, or files for it could not be copied.
    """

    def __init__(
        self,
        level: Level,
        target: str,
        limits: Limits,
        *,
        arguments: Mapping[str, Any] | None = None,
        readable: Iterable[str] = (),
        copies: Mapping[str, str] | None = None,
        descriptors: Sequence[int] = (),
        server: ForkServer | None = None,
    ) -> None:
        # These may fail, with nothing to remove yet.
        seen, devices = (*SYSTEM, *environment_paths(), *readable), gpu_devices(limits.gpus)
        self.level, self.folder = level, ScratchFolder()
        self.group = _group(level, limits)
        plan = Plan(
            level=level,
            target=target,
            budget=budget_from(limits),
            folder=self.folder.path,
            readable=seen,
            listable=source_roots(),
            copies={**_fonts(), **(copies or {})},
            devices=devices,
            groups=tuple(self.group.paths) if self.group else (),
            memory_events=self.group.memory_events if self.group else "",
            arguments=dict(arguments or {}),
        )
        self.reason: Reason | None = None
        self.leash, theirs = socket.socketpair()
        self._heard = b""
        self.process: subprocess.Popen[bytes] | None = None
        with theirs:
            passed = [theirs.fileno(), *descriptors]
            if server is not None:
                with contextlib.suppress(OSError):  # it has gone: then nobody will answer
                    server.fork(passed)
            else:
                numbers = [str(number) for number in passed]
                self.process = start_interpreter("nbproctor.sandbox.launch", numbers, passed)
        try:
            with contextlib.suppress(OSError):  # it has ended: then it will not answer either
                self.leash.sendall(plan.to_json().encode() + b"\n")
            answer = self._hear(limits.start_timeout_s)
            self.missing = _missing(answer, level)
        except BaseException:
            self.stop()
            raise

    def begin_cell(self) -> None:
        """Count the CPU time of the next cell from here."""
        self._mark(Mark.CELL)

    def interrupt(self) -> None:
        """Send SIGINT to the process and what it started."""
        self._mark(Mark.INTERRUPT)

    @property
    def is_alive(self) -> bool:
        """Whether the process runs; when it does not, `reason` says why."""
        if self.reason is None:
            self._listen(0.0)
        return self.reason is None

    def wait(self, timeout_s: float) -> Reason | None:
        """Why the process ended, once it has; None if it still runs after `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        while self.is_alive and (left := deadline - time.monotonic()) > 0:
            self._listen(left)
        return self.reason

    def stop(self) -> None:
        """End the process and everything that it started. Nothing of it is left afterwards."""
        with contextlib.suppress(OSError):
            self.leash.shutdown(socket.SHUT_WR)
        self.wait(END_S)
        self._await_the_outside()
        self.leash.close()
        self.folder.remove()
        if self.group is not None:
            self.group.remove()

    def _await_the_outside(self) -> None:
        """The process that cleans up outside holds the leash until it has."""
        with contextlib.suppress(OSError):
            self.leash.settimeout(END_S)
            while self.leash.recv(4096):
                continue
        if self.process is not None:
            try:
                self.process.wait(END_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def _mark(self, mark: Mark) -> None:
        with contextlib.suppress(OSError):
            self.leash.sendall(mark.encode())

    def _hear(self, timeout_s: float) -> dict[str, Any]:
        """The next line of the sandbox's; {} if it ended without one."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._heard:
            left = deadline - time.monotonic()
            if left <= 0:
                raise GraderError("the sandbox did not start", expected=f"within {timeout_s:g} s")
            self.leash.settimeout(left)
            try:
                data = self.leash.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                data = b""
            if not data:
                return {}
            self._heard += data
        line, _, self._heard = self._heard.partition(b"\n")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _listen(self, timeout_s: float) -> None:
        """Take in the line that says why all ended; a leash cut without one says as much."""
        with contextlib.suppress(GraderError):
            answer = self._hear(max(timeout_s, 1e-4))
            self.reason = Reason[answer.get("ended", "EXIT")]


def strongest_level(least: Level) -> Level:
    """The strongest level that this machine can give.

    Raises:
        SandboxError: it is weaker than `least`, which then is REDUCED or FULL.
    """
    if least is Level.OFF:
        return Level.OFF
    reasons = []
    for level in (Level.FULL, Level.REDUCED):
        reason = _reason_against(level)
        if not reason:
            return level
        reasons.append(f"{level}: {reason}")
        if level is least:
            break
    raise SandboxError(
        "this machine cannot give student code the sandbox that grading needs",
        expected=f"level '{least}' (--sandbox off would give student code your rights)",
        got="; ".join(reasons),
    )


@cache
def _reason_against(level: Level) -> str:
    """Why a sandbox of this level cannot be had; '' if it can: by making one."""
    if not IS_LINUX:
        return "namespaces, Landlock and seccomp filters are Linux's"
    try:
        Sandboxed(level, "nbproctor.sandbox.nothing", Limits()).stop()
    except SandboxError as error:  # a GraderError proves nothing: it must not weaken the level
        return error.what
    return ""


def budget_from(limits: Limits) -> Budget:
    """What a submission's processes may use, from the grader's settings."""
    return Budget(
        memory_bytes=int(limits.max_memory_bytes),
        disk_bytes=int(limits.max_disk_bytes),
        processes=int(limits.max_processes),
        cpu_s=limits.notebook_timeout_s,
        cell_cpu_s=limits.cell_cpu_s,
    )


@cache
def environment_paths() -> tuple[str, ...]:
    """What a process needs to see of the Python environment that grades.

    An editable install puts a folder on the path that may hold more than packages, sources of
    lessons for example: of such a folder only the packages are named.
    """
    packages = {str(f.parent) for root in source_roots() for f in Path(root).glob("*/__init__.py")}
    return tuple(sorted({*_prefixes(), *packages}))


@cache
def source_roots() -> tuple[str, ...]:
    """Folders that an editable install has put on the path."""
    program = "import sys; print(*sys.path, sep='\\n')"
    told = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True)
    if told.returncode:  # the answer is kept: half of it would be believed for good
        raise GraderError("Python does not say where its packages are", got=told.returncode)
    roots = [Path(line) for line in told.stdout.splitlines() if line]
    return tuple(str(r) for r in roots if not any(r.is_relative_to(p) for p in _prefixes()))


def _prefixes() -> set[str]:
    names = ("stdlib", "purelib", "platlib", "scripts")
    return {sys.prefix, sys.base_prefix, *(sysconfig.get_path(name) for name in names)}


def _group(level: Level, limits: Limits) -> cgroups.Group | None:
    if level is Level.OFF:
        return None
    cgroups.sweep()
    memory = limits.max_memory_bytes + 2 * limits.max_disk_bytes  # a scratch in memory counts
    others = 2  # the process that waits outside, and the warden
    return cgroups.make_group(int(memory), int(limits.max_processes) + others)


def _fonts() -> dict[str, str]:
    """matplotlib's list of fonts: without it a search of the system would take seconds."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "matplotlib"
    return {f".cache/matplotlib/{p.name}": str(p) for p in cache.glob("fontlist-*.json")}


def _missing(answer: dict[str, Any], level: Level) -> dict[Layer, str]:
    if "missing" in answer:
        return {Layer(layer): reason for layer, reason in answer["missing"].items()}
    if told := answer.get("uncopied"):
        raise GraderError(
            "files cannot be copied into the sandbox",
            expected="files that can be read, within the limit max_disk_bytes",
            got=f"{told['bytes']} bytes, most of them in {told['largest']}: {told['reason']}",
            where=told["source"],
        )
    if "failed" not in answer:
        raise GraderError("the sandbox ended while it was made", where=f"sandbox level '{level}'")
    what = f"{answer['failed']}: {answer['reason']}"
    raise SandboxError(what, where=f"sandbox level '{level}'")
