"""The few Linux system calls that a sandbox is made of and that Python's standard library lacks.

Every function raises OSError with the call's name in place of a file name.
"""

import contextlib
import ctypes
import os
import platform
import struct
import sys
from functools import cache
from typing import Any

__all__ = [
    "IS_LINUX",
    "MACHINE",
    "drop_capabilities",
    "has_capabilities",
    "make_read_only",
    "mount",
    "no_new_privileges",
    "pivot_root",
    "prctl",
    "set_parent_death_signal",
    "syscall",
    "unmount",
    "unshare",
]

IS_LINUX = sys.platform == "linux"
MACHINE = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())

PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
CAPGET = {"x86_64": 125, "aarch64": 90}
CAPSET = {"x86_64": 126, "aarch64": 91}
MOUNT_SETATTR = 442  # since Linux 5.12

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 1, 4, 24, 38
PR_SET_CHILD_SUBREAPER, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 36, 47, 4
CAP_VERSION_3 = 0x20080522
CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN = 6, 7, 21
MNT_DETACH = 2
AT_FDCWD, AT_RECURSIVE, ATTR_READ_ONLY, ATTR_NO_SETUID = -100, 0x8000, 1, 2


@cache
def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _checked(result: int, name: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), name)
    return result


def syscall(name: str, number: int, *arguments: Any) -> int:
    """A system call by its number; arguments are integers, bytes, or pointers."""
    values = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return _checked(_libc().syscall(ctypes.c_long(number), *values), name)


def prctl(name: str, option: int, *arguments: Any) -> int:
    """prctl(2), with its missing arguments as zeros."""
    values = [ctypes.c_ulong(a) if isinstance(a, int) else a for a in arguments]
    values += [ctypes.c_ulong(0)] * (4 - len(values))
    return _checked(_libc().prctl(ctypes.c_int(option), *values), f"prctl({name})")


def unshare(flags: int) -> None:
    """Leave namespaces behind: see namespaces(7) for the flags."""
    _checked(_libc().unshare(ctypes.c_int(flags)), "unshare")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """mount(2)."""
    texts = [text.encode() or None for text in (source, target, kind, data)]
    done = _libc().mount(*texts[:3], ctypes.c_ulong(flags), texts[3])
    _checked(done, f"mount({kind or 'again'}, {target})")


def make_read_only(target: str, recursive: bool = True) -> None:
    """Nothing at or below a mount can be written, nor gain rights by a set-user-id bit."""
    attributes = struct.pack("=QQQQ", ATTR_READ_ONLY | ATTR_NO_SETUID, 0, 0, 0)
    flags = AT_RECURSIVE if recursive else 0
    arguments = (AT_FDCWD, target.encode(), flags, attributes, len(attributes))
    syscall("mount_setattr", MOUNT_SETATTR, *arguments)


def unmount(target: str) -> None:
    """Take a file system out of sight, at once."""
    _checked(_libc().umount2(target.encode(), MNT_DETACH), f"umount({target})")


def pivot_root(new_root: str, old_root: str) -> None:
    """pivot_root(2): `new_root` becomes /, the old one stands below it at `old_root`."""
    syscall("pivot_root", PIVOT_ROOT[MACHINE], new_root.encode(), old_root.encode())


def set_parent_death_signal(signal_number: int) -> None:
    """The signal that this process gets when the thread that made it ends."""
    prctl("PR_SET_PDEATHSIG", PR_SET_PDEATHSIG, signal_number)


def no_new_privileges() -> None:
    """No program that this process starts can have more rights than it."""
    prctl("PR_SET_NO_NEW_PRIVS", PR_SET_NO_NEW_PRIVS, 1)


def has_capabilities(*wanted: int) -> bool:
    """Whether this process may do all that these numbers of capabilities(7) stand for."""
    if not IS_LINUX:
        return False
    header = (ctypes.c_uint32 * 2)(CAP_VERSION_3, 0)
    data = (ctypes.c_uint32 * 6)()
    syscall("capget", CAPGET[MACHINE], header, data)
    return all(data[0] >> number & 1 for number in wanted)


def drop_capabilities() -> None:
    """Give up every capability, for good."""
    with contextlib.suppress(OSError):  # past the last one of this system, or not permitted
        for number in range(64):
            prctl("PR_CAPBSET_DROP", PR_CAPBSET_DROP, number)
    with contextlib.suppress(OSError):  # before Linux 4.3 there were none
        prctl("PR_CAP_AMBIENT", PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL)
    header = (ctypes.c_uint32 * 2)(CAP_VERSION_3, 0)
    syscall("capset", CAPSET[MACHINE], header, (ctypes.c_uint32 * 6)())
