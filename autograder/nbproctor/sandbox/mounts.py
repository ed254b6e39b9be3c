"""A file system of its own: the Python environment read-only, and a scratch of limited size.

Nothing of the machine's disk can be written, and what is not named is not there.
"""

import os
from collections.abc import Iterable
from pathlib import Path

from nbproctor.sandbox.furnishing import fill
from nbproctor.sandbox.syscalls import make_read_only, mount, pivot_root, unmount

__all__ = ["DEVICES", "SCRATCH", "SHARED_MEMORY", "SYSTEM", "TEMPORARY", "TERMINALS", "build_root"]

NO_SETUID, NO_DEVICES, NO_EXECUTION = 2, 4, 8
BIND, RECURSIVE, PRIVATE = 4096, 16384, 1 << 18

SCRATCH, TERMINALS, SHARED_MEMORY = "/scratch", "/dev/pts", "/dev/shm"
TEMPORARY = "/tmp"  # the scratch's own
# What programs need of a Linux system, where it exists; /bin and the like may be links into /usr.
SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives"),
    *("/etc/ld.so.cache", "/etc/localtime", "/etc/fonts", "/sys/devices/system/cpu"),
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
FILES = {
    "/etc/passwd": "student:x:{uid}:{uid}::/scratch:/bin/sh\n",
    "/etc/group": "student:x:{uid}:\n",
    "/etc/hosts": "127.0.0.1 localhost\n",
}
MAX_FILES = 20_000


def build_root(
    where: Path,
    readable: Iterable[str],
    devices: Iterable[str],
    copies: dict[str, str],
    uid: int,
    max_bytes: int,
) -> None:
    """Make a new root at the empty folder `where` and move this process into it.

    Needs mount and PID namespaces of its own, and to be a child in the latter.

    Args:
        readable: files and folders to be seen, read-only, at their own paths.
        devices: device files to be used.
        copies: by path below SCRATCH, what is copied there to be changed at will.
        uid: who owns the scratch.
        max_bytes: the size of the scratch; shared memory has as much again.

    Raises:
        OSError: a step is not permitted here.
        CopyError: a copy is too large, or failed.
    """
    mount("", "/", "", RECURSIVE | PRIVATE)
    mount("tmpfs", str(where), "tmpfs", NO_SETUID | NO_DEVICES, "mode=755,size=4m")
    size = f"mode=700,uid={uid},gid={uid},size={max_bytes},nr_inodes={MAX_FILES}"
    for path in (SCRATCH, SHARED_MEMORY):
        _folder(where, path)
        mount("tmpfs", f"{where}{path}", "tmpfs", NO_SETUID | NO_DEVICES, size)
    # Before anything is shown: the Python environment may stand below /tmp.
    mount(str(_folder(where, f"{SCRATCH}/tmp")), str(_folder(where, TEMPORARY)), "", BIND)
    for path in readable:
        _show(where, path)
    for path in devices:
        _show(where, path, writable=True)
    for path, text in FILES.items():
        _place(where, path).write_text(text.format(uid=uid))
    _link_devices(where)
    _give_terminals(where)
    fill(f"{where}{SCRATCH}", copies, max_bytes, uid)
    _show_processes(where)
    _enter(where)


def _place(root: Path, path: str) -> Path:
    """Where a path stands in the new root, with the folders above it."""
    target = Path(f"{root}{path}")
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _folder(root: Path, path: str) -> Path:
    target = _place(root, path)
    target.mkdir(exist_ok=True)
    return target


def _show(root: Path, path: str, writable: bool = False) -> None:
    """Make a file or folder visible, where it exists."""
    if os.path.islink(path):
        target = _place(root, path)
        if not target.is_symlink():
            target.symlink_to(os.readlink(path))
        return
    if os.path.isdir(path):
        target = _folder(root, path)
    elif os.path.exists(path):
        target = _place(root, path)
        target.touch()
    else:
        return
    mount(path, str(target), "", BIND | RECURSIVE)
    if not writable:
        make_read_only(str(target))


def _link_devices(root: Path) -> None:
    (root / "dev" / "fd").symlink_to("/proc/self/fd")
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        (root / "dev" / name).symlink_to(f"/proc/self/fd/{number}")


def _give_terminals(root: Path) -> None:
    """Pseudo-terminals of its own: `!ls` in a notebook wants one."""
    target = _folder(root, TERMINALS)
    flags = NO_SETUID | NO_EXECUTION
    mount("devpts", str(target), "devpts", flags, "newinstance,ptmxmode=0666,mode=620,max=16")
    (root / "dev" / "ptmx").symlink_to("pts/ptmx")


def _show_processes(root: Path) -> None:
    """Processes of the own namespace; a container with a masked /proc does not let us."""
    flags = NO_SETUID | NO_DEVICES | NO_EXECUTION
    mount("proc", str(_folder(root, "/proc")), "proc", flags)


def _enter(root: Path) -> None:
    old = _folder(root, "/.old")
    os.chdir(root)
    pivot_root(".", str(old))
    os.chdir("/")
    unmount("/.old")
    os.rmdir("/.old")
    make_read_only("/", recursive=False)
