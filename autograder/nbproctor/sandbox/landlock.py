"""Landlock: this process and all that it starts may use only the files named here.

Unlike a file system of its own it needs no rights at all, and works inside containers. It hides
no names, and says nothing about Unix sockets that have a path.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable

from nbproctor.sandbox.syscalls import IS_LINUX, syscall

__all__ = ["abi", "restrict"]

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_VERSION, RULE_PATH_BENEATH = 1, 1

EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = (1 << n for n in range(4))
TRUNCATE = 1 << 14
READ = EXECUTE | READ_FILE | READ_DIR
# How many rights to files the versions 1, 2, 3 and 5 of Landlock know.
FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}
ON_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
NETWORK_RIGHTS = 0b11  # bind and connect TCP ports, since version 4
SCOPES = 0b11  # abstract Unix sockets and signals, since version 6


def abi() -> int:
    """The version of Landlock that this system has; 0 where there is none."""
    if not IS_LINUX:
        return 0
    try:
        return syscall("landlock_create_ruleset", CREATE_RULESET, 0, 0, ASK_VERSION)
    except OSError:
        return 0


def restrict(
    readable: Iterable[str], writable: Iterable[str], listable: Iterable[str] = ()
) -> None:
    """Leave this process only these folders and files; no TCP, no signals to the outside.

    Of what is `listable`, and below it, names can be seen, and nothing else.
    Must come after `no_new_privileges`. A path that does not exist is passed over.

    Raises:
        OSError: this system has no Landlock.
    """
    version = abi()
    if not version:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), "landlock_create_ruleset")
    known = (1 << max(n for v, n in FILE_RIGHTS.items() if v <= version)) - 1
    handled = struct.pack(
        "=QQQ", known, NETWORK_RIGHTS if version >= 4 else 0, SCOPES if version >= 6 else 0
    )
    length = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = syscall("landlock_create_ruleset", CREATE_RULESET, _pointer(handled), length, 0)
    try:
        for path in readable:
            _allow(ruleset, path, READ)
        for path in listable:
            _allow(ruleset, path, READ_DIR)
        for path in writable:
            _allow(ruleset, path, known)
        syscall("landlock_restrict_self", RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= ON_FILES
        rule = struct.pack("=Qi", rights, place)
        syscall("landlock_add_rule", ADD_RULE, ruleset, RULE_PATH_BENEATH, _pointer(rule), 0)
    finally:
        os.close(place)


def _pointer(data: bytes) -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(data, len(data))
