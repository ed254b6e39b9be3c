"""What this machine can put between student code and itself, found out by trying to get out."""

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nbproctor.config import MIB, Limits
from nbproctor.errors import SandboxError
from nbproctor.sandbox.forkserver import KERNEL_MODULES, ForkServer
from nbproctor.sandbox.gpus import gpus_there
from nbproctor.sandbox.plan import Layer, Level
from nbproctor.sandbox.process import Sandboxed, strongest_level
from nbproctor.sandbox.warden import Reason

__all__ = ["Finding", "Health", "examine", "health_lines"]

LIMITS = Limits(
    max_memory_bytes=256 * MIB,
    max_disk_bytes=16 * MIB,
    max_processes=24,
    cell_cpu_s=1.0,
    start_timeout_s=30.0,
)
PROBE = "nbproctor.sandbox.probe"
ANSWER_S = 60.0
VARIABLE = "NBPROCTOR_DOCTOR"

# By layer: the namespace that it is, or the attempts that it has to stop.
NAMESPACE = {
    Layer.USER: "user",
    Layer.MOUNT: "mnt",
    Layer.PID: "pid",
    Layer.NETWORK: "net",
    Layer.IPC: "ipc",
    Layer.UTS: "uts",
}
# What no student code may do, whatever stops it: in words, by attempt.
ATTEMPTS = {
    "tcp": "connect to a TCP port of this machine",
    "udp": "send to a UDP port of this machine",
    "unix": "connect to a Unix socket of the grader",
    "abstract": "connect to an abstract Unix socket of the grader",
    "read": "read a gradebook",
    "write beside": "write beside a gradebook",
    "write environment": "write into the Python environment",
    "signal": "send a signal to the grader",
    "environ": "read the grader's environment in /proc",
    "ptrace": "trace the grader",
    "mount": "mount a file system",
    "namespace": "make a namespace",
    "keyring": "use the kernel's keyrings",
    "io_uring": "use io_uring",
    "memory": "allocate more memory than allowed, in one process",
}
TOOLS = {
    "chromium": "the tests open JupyterLab in it; without it they leave that out",
    "bwrap": "attacks on stock nbgrader run in it, for comparison",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: whether it is as it should be, and what was seen."""

    name: str
    ok: bool
    seen: str
    required: bool = True


@dataclass(frozen=True)
class Health:
    """What was found on this machine. `level` is "" where no sandbox can be had."""

    level: str
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        return bool(self.level) and all(f.ok for f in self.findings if f.required)

    def to_json(self) -> str:
        return json.dumps({"ok": self.ok, **asdict(self)}, indent=1)


def examine(least: Level) -> Health:
    """Try to get out of the strongest sandbox that this machine can give.

    Args:
        least: a sandbox weaker than this is no health; OFF examines a process without one.
    """
    try:
        level = strongest_level(least)
    except SandboxError as error:
        return Health("", (Finding("sandbox", False, str(error)), *_tools()))
    findings = [*_layers_and_attempts(level), _ending(level), *_excesses(level)]
    return Health(str(level), (*findings, _warmth(), *_tools()))


def health_lines(health: Health) -> Iterator[str]:
    """The findings for a terminal, one line each."""
    width = max(len(finding.name) for finding in health.findings)
    for finding in health.findings:
        sign = "ok" if finding.ok else "NO" if finding.required else "--"
        seen = " ".join(finding.seen.split())
        yield f"{sign}  {finding.name:<{width}}  {seen}"
    yield ""
    level = f"the sandbox is '{health.level}'" if health.level else "there is no sandbox"
    told = "student code is held" if health.ok else "STUDENT CODE IS NOT HELD as it should be"
    yield f"On this machine {level}; {told}."


def _layers_and_attempts(level: Level) -> Iterator[Finding]:
    with ExitStack() as stack:
        arguments, arrived = _bait(stack)
        os.environ[VARIABLE] = "secret"
        stack.callback(os.environ.pop, VARIABLE)
        told, missing = _run(level, arguments)
        was_reached = arrived()
    yield from _layers(level, missing, told["facts"])
    for name, words in ATTEMPTS.items():
        reason = told["attempts"][name]
        yield Finding(f"cannot {words}", bool(reason), reason or "it could")
    yield Finding("nothing arrived", not was_reached, "at the ports and sockets that were tried")
    yield from _facts(told["facts"])


def _layers(level: Level, missing: dict[Layer, str], facts: dict[str, Any]) -> Iterator[Finding]:
    status = dict(line.split(":\t", 1) for line in facts["status"].splitlines() if ":\t" in line)
    proofs = {
        Layer.SECCOMP: (status.get("Seccomp") == "2", "a filter is in force"),
        Layer.PRIVILEGES: (
            status.get("NoNewPrivs") == "1" and int(status.get("CapPrm", "1"), 16) == 0,
            f"no capabilities ({status.get('CapPrm')}), and no program can bring any",
        ),
        Layer.UID: (facts["uid"] != os.getuid(), f"runs as user {facts['uid']}"),
    }
    optional = (Layer.LANDLOCK, Layer.CGROUP, Layer.UID, Layer.USER)
    for layer in Layer:
        if layer in missing:
            needed = level is Level.OFF or (level is Level.FULL and layer not in optional)
            yield Finding(layer, False, missing[layer], required=needed)
        elif layer in NAMESPACE:
            name = NAMESPACE[layer]
            outside, inside = os.readlink(f"/proc/self/ns/{name}"), facts["namespaces"].get(name)
            yield Finding(layer, inside != outside, f"{inside} inside, {outside} outside")
        else:
            ok, seen = proofs.get(layer, (True, "in force: what it stops was tried below"))
            yield Finding(layer, ok, seen, required=layer not in optional)


def _facts(facts: dict[str, Any]) -> Iterator[Finding]:
    strange = [name for name in facts["environment"] if name == VARIABLE]
    seen = f"{len(facts['environment'])} variables, none of the grader's"
    yield Finding("environment", not strange, f"has {strange[0]}" if strange else seen)
    descriptors = facts["descriptors"]
    yield Finding(
        "open files", descriptors == [0, 1, 2, facts["given"]], f"descriptors {descriptors}"
    )


def _bait(stack: ExitStack) -> tuple[dict[str, Any], Callable[[], bool]]:
    """Things of the grader's that a probe will try to reach; and whether it did."""
    folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="nbproctor-doctor-"))
    os.chmod(folder, 0o755)  # a user's own folders stand open to others often enough
    secret = Path(folder, "gradebook.db")
    secret.write_text("marks")
    abstract = f"nbproctor-doctor-{os.getpid()}"
    places: dict[str, tuple[int, int, Any]] = {
        "tcp": (socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)),
        "udp": (socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)),
        "unix": (socket.AF_UNIX, socket.SOCK_STREAM, f"{folder}/socket"),
        "abstract": (socket.AF_UNIX, socket.SOCK_STREAM, f"\0{abstract}"),
    }
    open_sockets = {}
    for name, (family, kind, address) in places.items():
        made = stack.enter_context(socket.socket(family, kind))
        made.bind(address)
        if kind == socket.SOCK_STREAM:
            made.listen()
        made.setblocking(False)
        open_sockets[name] = made
    os.chmod(f"{folder}/socket", 0o666)

    def arrived() -> bool:
        return any(_was_reached(made) for made in open_sockets.values())

    arguments = {
        "attempt": "all",
        "secret": str(secret),
        "tcp": open_sockets["tcp"].getsockname(),
        "udp": open_sockets["udp"].getsockname(),
        "unix": f"{folder}/socket",
        "abstract": abstract,
        "pid": os.getpid(),
        "memory_bytes": LIMITS.max_memory_bytes,
    }
    return arguments, arrived


def _was_reached(made: socket.socket) -> bool:
    try:
        if made.type == socket.SOCK_STREAM:
            made.accept()[0].close()
        else:
            made.recv(64)
    except OSError:
        return False
    return True


def _run(level: Level, arguments: dict[str, Any]) -> tuple[dict[str, Any], dict[Layer, str]]:
    """What a probe says, and which layers are missing. Nothing of it lives on."""
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as stream:
        probe = Sandboxed(level, PROBE, LIMITS, arguments=arguments, descriptors=[write_end])
        os.close(write_end)
        try:
            line = stream.readline()
        finally:
            probe.stop()
    if not line:
        raise SandboxError("the probe in the sandbox said nothing", got=probe.reason)
    return json.loads(line), probe.missing


def _ending(level: Level) -> Finding:
    """Whether a process that has cut all ties is gone when its sandbox is."""
    read_end, write_end = os.pipe()
    with open(read_end, "rb") as stream:
        arguments = {"attempt": "survive"}
        probe = Sandboxed(level, PROBE, LIMITS, arguments=arguments, descriptors=[write_end])
        os.close(write_end)
        alive = stream.read(1)
        probe.stop()
        gone = bool(alive) and stream.read() == b""  # nobody holds the other end any more
    return Finding("nothing survives", gone, "a daemon that ignores signals ended with its sandbox")


def _excesses(level: Level) -> Iterator[Finding]:
    """What the warden, or a control group, must end."""
    wanted = {"memory": Reason.MEMORY, "cpu": Reason.CPU, "disk": Reason.DISK}
    wanted |= {"processes": Reason.PROCESSES}
    words = {
        "memory": "use more memory than allowed, in many processes",
        "cpu": "use more CPU time than allowed",
        "disk": "fill the disk",
        "processes": f"start more than {LIMITS.max_processes} processes",
    }
    sizes = {"memory_bytes": LIMITS.max_memory_bytes, "disk_bytes": LIMITS.max_disk_bytes}
    sizes |= {"processes": LIMITS.max_processes}
    for attempt, reason in wanted.items():
        arguments = {"attempt": attempt, **sizes}
        read_end, write_end = os.pipe()
        with open(read_end, "rb") as stream:
            probe = Sandboxed(level, PROBE, LIMITS, arguments=arguments, descriptors=[write_end])
            os.close(write_end)
            ended = probe.wait(ANSWER_S)
            probe.stop()
            told = json.loads(stream.readline() or "{}")
        refused = told.get(attempt, "")  # by the file system, before there was anything to end
        seen = refused or str(ended or "it went on")
        yield Finding(f"cannot {words[attempt]}", bool(refused) or ended is reason, seen)


def _warmth() -> Finding:
    """Whether kernels start quickly: slow ones grade as well."""
    server = ForkServer(KERNEL_MODULES, LIMITS.start_timeout_s)
    server.stop()
    seen = f"none, kernels start cold: {server.refusal}" if server.refusal else "kernels are forks"
    return Finding("fork-server", not server.refusal, seen, required=False)


def _tools() -> Iterator[Finding]:
    python = f"Python {sys.version.split()[0]} on {os.uname().sysname} {os.uname().release}"
    yield Finding("this machine", True, python, required=False)
    gpus = ", ".join(map(str, gpus_there())) or "none"
    yield Finding("GPUs", True, f"{gpus} (submissions see as many as the limit gpus says)", False)
    for name, use in TOOLS.items():
        found = shutil.which(name)
        yield Finding(name, bool(found), found or f"not installed: {use}", required=False)
