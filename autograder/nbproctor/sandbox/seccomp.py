"""A filter of system calls: what no learner's code needs is refused.

The filter names what is refused, and refuses every call that is newer than the table (with "no
such call", so that libraries fall back to an older one). An allow-list would be shorter to reason
about, but would break honest work with every release of a library.
"""

import ctypes
import errno
import struct
from collections.abc import Iterator

from nbproctor.sandbox.calls import (
    BY_ARGUMENT,
    BY_PID,
    NUMBERS,
    PRETENDED,
    REACHING,
    WITHOUT_NAMESPACES,
)
from nbproctor.sandbox.syscalls import MACHINE, prctl

__all__ = ["install", "program"]

PR_SET_SECCOMP, MODE_FILTER = 22, 2
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, AND, JUMP_EQ, JUMP_GE, JUMP_SET, RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCHITECTURE, AT_ARGUMENTS = 0, 4, 16
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000
NEWEST = 462  # mseal, Linux 6.10: later calls do not exist in here

AF_UNIX = 1
NEW_NAMESPACES = 0x7E020080  # CLONE_NEW* of clone(2)
TIOCSTI, TIOCLINUX = 0x5412, 0x541C
# Whom a signal about a descriptor goes to; and a lease, on which whoever opens the file waits.
FIOSETOWN, SIOCSPGRP, F_SETOWN, F_SETOWN_EX, F_SETLEASE = 0x8901, 0x8902, 8, 15, 1024
# Flags, seals and volumes of file systems need no file that is open for writing.
IOCTL_KIND, FILE_SYSTEMS = 0xFF00, (0x6600, 0x5800, 0x7600, 0x9400, 0xBC00)
SOCKET_KIND, STREAM, SEQUENCE = 0xF, 1, 5  # of the others, a pair can send elsewhere
O_TRUNC, ACCESS_MODE, READ_ONLY = 0o1000, 3, 0

Instruction = tuple[int, int, int, int]


def program(
    unix_sockets: bool, only_process: int | None = None, machine: str = MACHINE
) -> list[Instruction]:
    """The filter, as instructions of classic BPF (code, jump if true, jump if false, value).

    Args:
        unix_sockets: whether sockets of the Unix domain may be made; pairs always may.
        only_process: the one process, besides 0 for the caller's own, that calls may name.

    Raises:
        KeyError: there is no table for this kind of machine.
    """
    column = ("x86_64", "aarch64").index(machine) if machine in ARCHITECTURE else None
    if column is None:
        raise KeyError(f"no table of system calls for {machine}")
    number = {name: numbers[column] for name, numbers in NUMBERS.items()}
    lines: list[Instruction] = [
        (LOAD, 0, 0, AT_ARCHITECTURE),
        (JUMP_EQ, 1, 0, ARCHITECTURE[machine]),
        (RETURN, 0, 0, KILL),
        (LOAD, 0, 0, AT_NUMBER),
        *_answer_if((JUMP_GE, X32), errno.ENOSYS),
        *_answer_if((JUMP_GE, NEWEST + 1), errno.ENOSYS),
        *_answer_if((JUMP_EQ, number["clone3"]), errno.ENOSYS),  # its flags cannot be seen
    ]
    for name, found in number.items():
        if found is not None and name not in BY_ARGUMENT:
            lines += _answer_if((JUMP_EQ, found), errno.EPERM)
    lines += _on(number["clone"], 0, [*_answer_if((JUMP_SET, NEW_NAMESPACES), errno.EPERM)])
    lines += _on(number["ioctl"], 1, _ioctl(only_process is not None))
    lines += _on(number["socket"], 0, _only_unix_sockets(unix_sockets))
    if only_process is not None:
        lines += _without_namespaces(column, only_process)
    return [*lines, (RETURN, 0, 0, ALLOW)]


def install(unix_sockets: bool, only_process: int | None = None) -> None:
    """Put the filter on this process and all that it will start; see `program`.

    Raises:
        OSError: this system has no filters.
        KeyError: there is no table for this kind of machine.
    """

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))

    lines = program(unix_sockets, only_process)
    packed = b"".join(struct.pack("=HBBI", *line) for line in lines)
    filter_ = Program(len(lines), packed)
    prctl("PR_SET_SECCOMP", PR_SET_SECCOMP, MODE_FILTER, ctypes.byref(filter_))


def _without_namespaces(column: int, only_process: int) -> Iterator[Instruction]:
    """What a process could do to its user's other processes and files, where it can name them."""
    for name, calls in BY_PID.items():
        refusal = errno.EPERM if name in REACHING else 0
        yield from _on(calls[column], calls[2], _only_process(only_process, refusal))
    for pair in PRETENDED.values():
        if (found := pair[column]) is not None:
            yield from _answer_if((JUMP_EQ, found), 0)
    number = {name: numbers[column] for name, numbers in WITHOUT_NAMESPACES.items()}
    # Some versions of Landlock do not look at it.
    yield from _answer_if((JUMP_EQ, number["truncate"]), errno.EPERM)
    yield from _answer_if((JUMP_EQ, number["pidfd_send_signal"]), errno.EPERM)
    yield from _answer_if((JUMP_EQ, number["openat2"]), errno.ENOSYS)  # its flags cannot be seen
    yield from _on(number["openat"], 2, _honest_flags(2))
    if number["open"] is not None:
        yield from _on(number["open"], 1, _honest_flags(1))
    owners = [*_refuse(F_SETOWN, F_SETOWN_EX, F_SETLEASE)]
    yield from _on(number["fcntl"], 1, owners)
    yield from _on(number["socketpair"], 0, _only_connected_pairs())


def _answer_if(test: tuple[int, int | None], number: int) -> Iterator[Instruction]:
    """Answer a call with an error number where a test of the loaded value holds."""
    code, value = test
    assert value is not None
    yield (code, 0, 1, value)
    yield (RETURN, 0, 0, FAIL | number)


def _refuse(*values: int) -> Iterator[Instruction]:
    for value in values:
        yield from _answer_if((JUMP_EQ, value), errno.EPERM)


def _on(number: int | None, argument: int, then: list[Instruction]) -> list[Instruction]:
    """Look at an argument (its lower half) of one call; the call's number is loaded after it."""
    assert number is not None
    body = [_argument(argument), *then, (LOAD, 0, 0, AT_NUMBER)]
    return [(JUMP_EQ, 0, len(body), number), *body]


def _argument(place: int) -> Instruction:
    return (LOAD, 0, 0, AT_ARGUMENTS + 8 * place)


def _ioctl(is_reduced: bool) -> list[Instruction]:
    lines = [*_refuse(TIOCSTI, TIOCLINUX)]
    if is_reduced:
        lines += [*_refuse(FIOSETOWN, SIOCSPGRP), (AND, 0, 0, IOCTL_KIND)]
        for kind in FILE_SYSTEMS:
            lines += _answer_if((JUMP_EQ, kind), errno.ENOTTY)
    return lines


def _honest_flags(place: int) -> list[Instruction]:
    """A file is opened to be read or written, and truncated only if to be written.

    Landlock before Linux 6.2 sees no truncation, and none sees who opens for neither.
    """
    truncating = [_argument(place), *_answer_if((JUMP_SET, O_TRUNC), errno.EPERM)]
    return [
        (AND, 0, 0, ACCESS_MODE),
        *_refuse(ACCESS_MODE),
        (JUMP_EQ, 0, len(truncating), READ_ONLY),
        *truncating,
    ]


def _only_connected_pairs() -> list[Instruction]:
    refuse = (RETURN, 0, 0, FAIL | errno.EACCES)
    kind = [_argument(1), (AND, 0, 0, SOCKET_KIND)]
    connected = [(JUMP_EQ, 2, 0, STREAM), (JUMP_EQ, 1, 0, SEQUENCE), refuse]
    return [(JUMP_EQ, 1, 0, AF_UNIX), refuse, *kind, *connected]


def _only_unix_sockets(allowed: bool) -> list[Instruction]:
    refuse = (RETURN, 0, 0, FAIL | errno.EACCES)
    return [(JUMP_EQ, 1, 0, AF_UNIX), refuse] if allowed else [refuse]


def _only_process(number: int, refusal: int) -> list[Instruction]:
    refuse = (RETURN, 0, 0, FAIL | refusal)
    return [(JUMP_EQ, 2, 0, 0), (JUMP_EQ, 1, 0, number), refuse]
