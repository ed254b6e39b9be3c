"""A filter of system calls: what no learner's code needs is refused.

The filter names what is refused, and refuses every call that is newer than the table (with "no
such call", so that libraries fall back to an older one). An allow-list would be shorter to reason
about, but would break honest work with every release of a library.
"""

import ctypes
import errno
import struct
from collections.abc import Iterator

from nbproctor.sandbox.syscalls import MACHINE, prctl

__all__ = ["install", "program"]

PR_SET_SECCOMP, MODE_FILTER = 22, 2
ALLOW, KILL, FAIL = 0x7FFF0000, 0x80000000, 0x00050000
LOAD, JUMP_EQ, JUMP_GE, JUMP_SET, RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
AT_NUMBER, AT_ARCHITECTURE, AT_ARGUMENTS = 0, 4, 16
ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
X32 = 0x40000000
NEWEST = 462  # mseal, Linux 6.10: later calls do not exist in here

AF_UNIX = 1
NEW_NAMESPACES = 0x7E020080  # CLONE_NEW* of clone(2)
TIOCSTI, TIOCLINUX = 0x5412, 0x541C

# Numbers on x86_64 and on aarch64; None where there is no such call.
NUMBERS: dict[str, tuple[int | None, int | None]] = {
    "acct": (163, 89),
    "add_key": (248, 217),
    "adjtimex": (159, 171),
    "bpf": (321, 280),
    "chroot": (161, 51),
    "clock_adjtime": (305, 266),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "create_module": (174, None),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "ioperm": (173, None),
    "iopl": (172, None),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lookup_dcookie": (212, 18),
    "lsm_set_self_attr": (460, 460),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "nfsservctl": (180, 42),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "request_key": (249, 218),
    "semget": (64, 190),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "settimeofday": (164, 170),
    "shmget": (29, 194),
    "socket": (41, 198),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}
# Not refused outright: it depends on an argument.
BY_ARGUMENT = ("clone", "clone3", "ioctl", "socket")
# Calls that reach any process by its number, which stands in the argument named last. Without a
# process table of its own, a process may reach only itself.
BY_PID: dict[str, tuple[int, int, int]] = {
    "kill": (62, 129, 0),
    "migrate_pages": (256, 238, 0),
    "pidfd_open": (434, 434, 0),
    "prlimit64": (302, 261, 0),
    "rt_sigqueueinfo": (129, 138, 0),
    "rt_tgsigqueueinfo": (297, 240, 0),
    "sched_setaffinity": (203, 122, 0),
    "sched_setattr": (314, 274, 0),
    "sched_setparam": (142, 118, 0),
    "sched_setscheduler": (144, 119, 0),
    "tgkill": (234, 131, 0),
    "tkill": (200, 130, 0),
    "ioprio_set": (251, 30, 1),
    "setpriority": (141, 140, 1),
}
# The others of these only schedule. Libraries name their threads in them and give up on an error:
# these calls seem to succeed, and do nothing.
REACHING = (
    *("kill", "migrate_pages", "pidfd_open", "prlimit64", "rt_sigqueueinfo"),
    *("rt_tgsigqueueinfo", "tgkill", "tkill"),
)

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
    forbidden = [*_answer_if((JUMP_EQ, TIOCSTI), errno.EPERM)]
    forbidden += _answer_if((JUMP_EQ, TIOCLINUX), errno.EPERM)
    lines += _on(number["ioctl"], 1, forbidden)
    lines += _on(number["socket"], 0, _only_unix_sockets(unix_sockets))
    if only_process is not None:
        for name, calls in BY_PID.items():
            refusal = errno.EPERM if name in REACHING else 0
            lines += _on(calls[column], calls[2], _only_process(only_process, refusal))
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


def _answer_if(test: tuple[int, int | None], number: int) -> Iterator[Instruction]:
    """Answer a call with an error number where a test of the loaded value holds."""
    code, value = test
    assert value is not None
    yield (code, 0, 1, value)
    yield (RETURN, 0, 0, FAIL | number)


def _on(number: int | None, argument: int, then: list[Instruction]) -> list[Instruction]:
    """Look at an argument (its lower half) of one call; the call's number is loaded after it."""
    assert number is not None
    body = [(LOAD, 0, 0, AT_ARGUMENTS + 8 * argument), *then, (LOAD, 0, 0, AT_NUMBER)]
    return [(JUMP_EQ, 0, len(body), number), *body]


def _only_unix_sockets(allowed: bool) -> list[Instruction]:
    refuse = (RETURN, 0, 0, FAIL | errno.EACCES)
    return [(JUMP_EQ, 1, 0, AF_UNIX), refuse] if allowed else [refuse]


def _only_process(number: int, refusal: int) -> list[Instruction]:
    refuse = (RETURN, 0, 0, FAIL | refusal)
    return [(JUMP_EQ, 2, 0, 0), (JUMP_EQ, 1, 0, number), refuse]
