"""A target that tries to get out, and says how each attempt ended: what `doctor` runs inside.

An attempt that succeeds takes back what it did: where there is no sandbox it harms nothing.
"""

import contextlib
import ctypes
import errno
import json
import mmap
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from nbproctor.sandbox import calls, syscalls

__all__ = ["main"]

BLOCK = 1 << 20
HOLD_S = 3.0
OPEN_FILES = 4096
NEW_USER = 0x10000000
PTRACE_ATTACH, PTRACE_DETACH, WAIT_FOR_ANY = 16, 17, 0x40000000
NAMESPACES = ("user", "mnt", "pid", "net", "ipc", "uts")


def main(arguments: dict[str, Any], descriptors: list[int]) -> None:
    """Try one thing, or everything that leaves the process alive.

    Args:
        arguments: `attempt` is `all`, `survive`, `disk`, `processes`, `memory` or `cpu`; the
            others say where the grader's things are.
        descriptors: a pipe to which one JSON line goes: by attempt, "" if it succeeded and the
            reason if it was refused.
    """
    (answer,) = descriptors
    if arguments["attempt"] == "memory":
        return _share_out_memory(arguments["memory_bytes"])
    if arguments["attempt"] == "cpu":
        return _stay_busy()
    if arguments["attempt"] == "survive":
        return _leave_a_survivor(answer)
    if arguments["attempt"] == "disk":
        return _tell(answer, {"disk": _outcome(partial(_fill_disk, arguments["disk_bytes"]))})
    if arguments["attempt"] == "processes":
        return _tell(
            answer, {"processes": _outcome(partial(_start_processes, arguments["processes"]))}
        )
    attempts = {name: _outcome(attempt) for name, attempt in _attempts(arguments).items()}
    return _tell(answer, {"attempts": attempts, "facts": {**_facts(), "given": answer}})


def _tell(answer: int, what: dict[str, Any]) -> None:
    os.write(answer, json.dumps(what).encode() + b"\n")


def _attempts(where: dict[str, Any]) -> dict[str, Callable[[], object]]:
    return {
        "tcp": partial(_connect, socket.AF_INET, socket.SOCK_STREAM, tuple(where["tcp"])),
        "udp": partial(_connect, socket.AF_INET, socket.SOCK_DGRAM, tuple(where["udp"])),
        "unix": partial(_connect, socket.AF_UNIX, socket.SOCK_STREAM, where["unix"]),
        "abstract": partial(_connect, socket.AF_UNIX, socket.SOCK_STREAM, "\0" + where["abstract"]),
        "read": Path(where["secret"]).read_bytes,
        "write beside": partial(_write, Path(where["secret"] + ".new")),
        "write environment": partial(_write, Path(sys.prefix, "nbproctor-probe")),
        "signal": partial(os.kill, where["pid"], 0),
        "environ": Path(f"/proc/{where['pid']}/environ").read_bytes,
        "ptrace": partial(_trace, where["pid"]),
        "mount": _mount,
        "keyring": partial(_call, "keyctl", 0, -3, 0),
        "io_uring": _set_up_io_uring,
        "memory": partial(_reserve_memory, where["memory_bytes"] + BLOCK),
        "namespace": partial(syscalls.unshare, NEW_USER),
    }


def _outcome(attempt: Callable[[], object]) -> str:
    try:
        attempt()
    except (OSError, MemoryError) as error:
        return str(error) or type(error).__name__
    return ""


def _facts() -> dict[str, Any]:
    """What a process can see of itself."""
    links = {}
    for name in NAMESPACES:
        with contextlib.suppress(OSError):
            links[name] = os.readlink(f"/proc/self/ns/{name}")
    return {
        "namespaces": links,
        "uid": os.getuid(),
        "host": socket.gethostname(),
        "environment": sorted(os.environ),
        "descriptors": [number for number in range(OPEN_FILES) if _is_open(number)],
        "status": Path("/proc/self/status").read_text(),
    }


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _connect(family: int, kind: int, address: Any) -> None:
    with socket.socket(family, kind) as made:
        made.settimeout(2)
        made.connect(address)
        made.send(b"nbproctor")


def _write(path: Path) -> None:
    path.write_text("x")
    path.unlink()


def _mount() -> None:
    with tempfile.TemporaryDirectory() as target:
        syscalls.mount("tmpfs", target, "tmpfs")
        syscalls.unmount(target)


def _set_up_io_uring() -> None:
    os.close(_call("io_uring_setup", 1, ctypes.create_string_buffer(120)))


def _call(name: str, *arguments: Any) -> int:
    column = ("x86_64", "aarch64").index(syscalls.MACHINE)
    number = calls.NUMBERS[name][column]
    assert number is not None
    return syscalls.syscall(name, number, *arguments)


def _trace(pid: int) -> None:
    _call("ptrace", PTRACE_ATTACH, pid, 0, 0)
    os.waitpid(pid, WAIT_FOR_ANY)
    _call("ptrace", PTRACE_DETACH, pid, 0, 0)


def _start_processes(limit: int) -> None:
    """Each child waits for a pipe that the parent closes: without signals, which may be refused."""
    read_end, write_end = os.pipe()
    started = 0
    try:
        for _ in range(limit + 1):
            if os.fork() == 0:
                os.close(write_end)
                os.read(read_end, 1)
                os._exit(0)
            started += 1
        time.sleep(HOLD_S)  # the warden looks now and then
    finally:
        os.close(write_end)
        os.close(read_end)
        for _ in range(started):
            os.wait()


def _fill_disk(limit: int) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a file that grows too large is an error, too
    folder = Path(os.environ["TMPDIR"])
    files = [folder / f"fill-{n}" for n in range(4)]
    try:
        for file in files:  # each within the limit of one file, all together beyond the scratch
            with file.open("wb") as stream:
                for _ in range(limit // BLOCK - 1):
                    stream.write(bytes(BLOCK))
        time.sleep(HOLD_S)
    finally:
        for file in files:
            file.unlink(missing_ok=True)


def _leave_a_survivor(descriptor: int) -> None:
    """Start a process that cuts all ties, as a daemon does, and holds a descriptor open."""
    if os.fork() == 0:
        os.setsid()
        if os.fork():
            os._exit(0)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.write(descriptor, b".")
        time.sleep(600)
        os._exit(0)
    os.wait()
    time.sleep(600)


def _reserve_memory(size: int) -> None:
    """Without touching it: where nothing refuses, the warden must see no reason to end this."""
    mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()


def _share_out_memory(limit: int) -> None:
    """More memory than allowed, in processes that each stay within the limit."""
    held = bytearray(BLOCK)
    for _ in range(4):
        if os.fork() == 0:
            with contextlib.suppress(MemoryError):
                while len(held) < limit * 0.6:
                    held += os.urandom(1) * BLOCK
            signal.pause()
    signal.pause()


def _stay_busy() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        try:
            time.perf_counter()
        except OSError as error:
            if error.errno != errno.EINTR:
                raise
