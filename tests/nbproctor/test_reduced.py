"""The reduced level, as an ordinary user has it: student code runs under the grader's own id."""

import errno
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filters import ALLOWED, KILLED, answer

from nbproctor.sandbox import calls, seccomp

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="layers are Linux's")
RUNNER = Path(__file__).with_name("ordinary.py")
MIB = 1 << 20
OWN = 4242

HONEST = {
    "a shell": "import IPython\nout = !echo hello\nassert out == ['hello'], out",
    "processes": "import subprocess\nassert subprocess.check_output(['echo', 'x']) == b'x\\n'",
    "temporary files": "import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')",
    "copies": (
        "import os, shutil\nopen('a', 'w').write('x')\nshutil.copy2('a', 'b')\n"
        "os.truncate(os.open('b', os.O_RDWR), 0)\nassert open('b').read() == ''\n"
        "shutil.copytree('.', '../copied')\nos.chmod('a', 0o600)\nos.utime('a')\nos.nice(1)"
    ),
    "sqlite": (
        "import sqlite3\nwith sqlite3.connect('x.db') as c: c.execute('create table t(x)')\n"
        "c.execute('insert into t values (1)'); c.commit()"
    ),
    "threads": (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "with ThreadPoolExecutor(2) as pool: assert sum(pool.map(abs, [-1, 1])) == 2"
    ),
    "pipes": (
        "import multiprocessing as m\na, b = m.Pipe()\na.send(1)\nassert b.recv() == 1\n"
        "p = m.get_context('fork').Process(target=b.send, args=[2]); p.start(); p.join()\n"
        "assert a.recv() == 2"
    ),
    "loaders": (
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "data = DataLoader(TensorDataset(torch.ones(8, 2)), batch_size=4)\n"
        "assert sum(x.sum() for x, in data) == 16"
    ),
    "figures": (
        "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.savefig('f.png')\nplt.show()"
    ),
    "saved files": "torch.save(torch.ones(2), 'w.pt')\nassert torch.load('w.pt').sum() == 2",
    "many displays": "for n in range(1000): display(n)",
}

# What is done to a file of the grader's, whose path is in FILE.
FILE_ATTACKS = {
    "read": "open(FILE).read()",
    "write": "open(FILE, 'a').write('x')",
    "chmod": "os.chmod(FILE, 0)",
    "chown": "os.chown(FILE, os.getuid(), os.getgid())",
    "utime": "os.utime(FILE, (0, 0))",
    "setxattr": "os.setxattr(FILE, 'user.mine', b'x')",
    "truncate": "os.truncate(FILE, 0)",
    "open to truncate": "os.open(FILE, os.O_RDONLY | os.O_TRUNC)",
    "open for nothing": "os.open(FILE, 3 | os.O_TRUNC)",
    "unlink": "os.unlink(FILE)",
    "rename": "os.rename(FILE, 'mine')",
    "link": "os.link(FILE, 'mine')",
    "links to it": "os.symlink(FILE, 'mine'); os.chmod('mine', 0)",
}


def run(folder: Path, cells: dict[str, str], limits: dict[str, float]) -> dict[str, Any]:
    """What came of some cells; `ordinary.py` says how."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(RUNNER)],
        input=json.dumps({"cells": cells, "limits": limits}),
        env={**os.environ, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["uid"] == told["student"], "student code has another user: this proves nothing"
    return told


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A file, a socket and a process of the grader's, after a student had a go at them."""
    folder = tmp_path_factory.mktemp("grader")
    file, place = folder / "gradebook.db", folder / "s"
    file.write_text("marks")
    os.chmod(file, 0o644)
    before = file.stat()
    start = f"import os, socket, time\nFILE = {str(file)!r}"
    cells = {"start": start, **HONEST, **FILE_ATTACKS}
    cells["datagram"] = (
        "a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        f"a.sendto(b'from within', {str(place)!r})"
    )
    cells["connected"] = (
        f"a, b = socket.socketpair()\na.connect({str(place)!r})\na.send(b'from within')"
    )
    cells["inherited"] = (
        "for number in range(3, 100):\n"
        "    try: made = socket.socket(fileno=os.dup(number))\n"
        "    except OSError: continue\n"
        f"    try: made.sendto(b'from within', {str(place)!r})\n"
        "    except OSError as error: pass"
    )
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(str(place))
        ear.setblocking(False)
        told = run(folder / "tmp", cells, {})
        try:
            heard = ear.recv(100)
        except BlockingIOError:
            heard = b""
    yield {"told": told, "file": file, "before": before, "heard": heard}
    os.chmod(file, 0o600)


@pytest.mark.parametrize("name", HONEST)
def test_honest_work_runs(victim: dict[str, Any], name: str) -> None:
    told = victim["told"]["cells"][name]
    assert told["ended"] == "done" and told["error"] == "", told


def test_a_file_of_the_graders_stays_as_it_is(victim: dict[str, Any]) -> None:
    before, after = victim["before"], victim["file"].stat()
    fields = ("st_mode", "st_size", "st_mtime_ns", "st_ctime_ns", "st_nlink", "st_uid", "st_gid")
    changed = [name for name in fields if getattr(after, name) != getattr(before, name)]
    assert changed == []
    assert victim["file"].read_text() == "marks"
    assert os.listxattr(victim["file"]) == []


@pytest.mark.parametrize("name", ["read", "write", "truncate", "unlink", "rename", "link"])
def test_what_was_refused_is_told(victim: dict[str, Any], name: str) -> None:
    assert "Error" in victim["told"]["cells"][name]["error"]


def test_no_datagram_leaves(victim: dict[str, Any]) -> None:
    assert victim["heard"] == b""


def test_nothing_is_left_of_a_kernel(victim: dict[str, Any]) -> None:
    assert victim["told"]["processes"] == [] and victim["told"]["folders"] == []


# Folders that cannot be looked through

DEEP = """
import os, time
if os.fork() == 0:
    os.setsid()
    time.sleep(60)
    os._exit(0)
for n in range(1100):
    os.mkdir('a')
    os.chdir('a')
time.sleep(60)
"""
CLOSED = """
import os, time
os.mkdir('d', 0o300)
for n in range(4):
    with open(f'd/f{n}', 'wb') as file:
        file.write(bytes(7 << 20))
time.sleep(60)
"""
LONG = """
import os, time
for n in range(20):
    os.mkdir('d' * 250)
    os.chdir('d' * 250)
for n in range(4):
    with open(f'f{n}', 'wb') as file:
        file.write(bytes(7 << 20))
time.sleep(60)
"""


@pytest.mark.parametrize("code", [DEEP, CLOSED, LONG], ids=["deep", "closed", "long"])
def test_what_cannot_be_looked_through_fills_the_disk(tmp_path: Path, code: str) -> None:
    began = time.monotonic()
    told = run(tmp_path / "tmp", {"hide": code}, {"max_disk_bytes": 8 * MIB})
    assert told["cells"]["hide"]["reason"] == "DISK", told
    assert told["processes"] == [] and told["folders"] == []
    assert time.monotonic() - began < 100 and list((tmp_path / "tmp").iterdir()) == []


# The filter, read

NUMBERS = {
    **{name: call[:2] for name, call in calls.BY_PID.items()},
    **calls.NUMBERS,
    **calls.PRETENDED,
    **calls.WITHOUT_NAMESPACES,
}
MACHINES = ("x86_64", "aarch64")
DGRAM, STREAM, CLOEXEC, UNIX = 2, 1, 0o2000000, 1
# Call, its arguments, and the answer; None: this machine has no such call.
REDUCED: dict[str, tuple[str, tuple[int, ...], str | int]] = {
    "own thread": ("sched_setaffinity", (0,), ALLOWED),
    "another process": ("kill", (77, 9), errno.EPERM),
    "its own": ("kill", (OWN, 9), ALLOWED),
    "slowing this user": ("setpriority", (2, 0, 19), 0),
    "slowing oneself": ("setpriority", (0, 0, 19), 0),
    "slow disks for this user": ("ioprio_set", (3, 0, 0), 0),
    "owner of a signal": ("fcntl", (3, 8, 77), errno.EPERM),
    "owner by kind": ("fcntl", (3, 15, 77), errno.EPERM),
    "a lease": ("fcntl", (3, 1024, 1), errno.EPERM),
    "flags of a descriptor": ("fcntl", (3, 4, 0o4000), ALLOWED),
    "locks": ("fcntl", (3, 6, 77), ALLOWED),
    "owner by ioctl": ("ioctl", (3, 0x8901, 77), errno.EPERM),
    "group by ioctl": ("ioctl", (3, 0x8902, 77), errno.EPERM),
    "flags of a file": ("ioctl", (3, 0x40086602), errno.ENOTTY),
    "seal of a file": ("ioctl", (3, 0x40806685), errno.ENOTTY),
    "btrfs": ("ioctl", (3, 0x5000940E), errno.ENOTTY),
    "a terminal": ("ioctl", (3, 0x5401), ALLOWED),
    "bytes to read": ("ioctl", (3, 0x541B), ALLOWED),
    "a pair": ("socketpair", (UNIX, STREAM | CLOEXEC), ALLOWED),
    "a pair of datagrams": ("socketpair", (UNIX, DGRAM), errno.EACCES),
    "the same with flags": ("socketpair", (UNIX, DGRAM | CLOEXEC), errno.EACCES),
    "a raw pair": ("socketpair", (UNIX, 3), errno.EACCES),
    "a pair of another kind": ("socketpair", (30, STREAM), errno.EACCES),
    "a socket": ("socket", (UNIX, STREAM), errno.EACCES),
    "mode": ("fchmodat", (3,), 0),
    "mode by descriptor": ("fchmod", (3,), 0),
    "owner": ("fchownat", (3,), 0),
    "times": ("utimensat", (3,), 0),
    "attributes": ("setxattr", (), 0),
    "no attributes": ("fremovexattr", (), 0),
    "truncating by name": ("truncate", (), errno.EPERM),
    "reading": ("openat", (3, 0, 0), ALLOWED),
    "writing": ("openat", (3, 0, 0o1001), ALLOWED),
    "reading and truncating": ("openat", (3, 0, 0o1000), errno.EPERM),
    "neither reading nor writing": ("openat", (3, 0, 3), errno.EPERM),
    "flags that cannot be seen": ("openat2", (), errno.ENOSYS),
    "a descriptor of a process": ("pidfd_send_signal", (3, 9), errno.EPERM),
    "another's memory": ("shmat", (77,), errno.EPERM),
    "another's memory removed": ("shmctl", (77,), errno.EPERM),
    "another's queue": ("mq_open", (), errno.EPERM),
    "new namespaces": ("clone", (0x10000000,), errno.EPERM),
    "a thread": ("clone", (0x3D0F00,), ALLOWED),
}
# The worst of what is refused at every level, whatever the arguments.
NEVER = (
    *("add_key", "bpf", "finit_module", "init_module", "io_uring_setup", "kexec_load", "keyctl"),
    *("memfd_create", "mount", "move_mount", "name_to_handle_at", "open_by_handle_at"),
    *("open_tree", "perf_event_open", "pidfd_getfd", "pivot_root", "process_madvise"),
    *("process_vm_readv", "process_vm_writev", "ptrace", "reboot", "request_key", "setns"),
    *("shmget", "unshare", "userfaultfd"),
)
ON_X86 = {
    "chmod": ((), 0),
    "chown": ((), 0),
    "lchown": ((), 0),
    "utime": ((), 0),
    "utimes": ((), 0),
    "futimesat": ((), 0),
    "open": ((0, 0o1000), errno.EPERM),
}


def asked(
    machine: str, name: str, arguments: tuple[int, ...], only_process: int | None
) -> str | int:
    """What the filter of a kind of machine answers to one call."""
    number = NUMBERS[name][MACHINES.index(machine)]
    assert number is not None
    data = {0: number, 4: seccomp.ARCHITECTURE[machine]}
    data |= {16 + 8 * n: value for n, value in enumerate(arguments)}
    return answer(seccomp.program(only_process is None, only_process, machine), data)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("case", REDUCED)
def test_the_reduced_filter_answers(machine: str, case: str) -> None:
    name, arguments, expected = REDUCED[case]
    assert asked(machine, name, arguments, OWN) == expected


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", NEVER)
def test_some_calls_are_refused_at_every_level(machine: str, name: str) -> None:
    assert [asked(machine, name, (), only) for only in (None, OWN)] == [errno.EPERM] * 2


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", calls.BY_PID)
def test_a_process_reaches_only_itself(machine: str, name: str) -> None:
    seems_done = name.startswith("sched_")
    assert asked(machine, name, (OWN, 77, 77), OWN) == ALLOWED
    assert asked(machine, name, (77, OWN, OWN), OWN) == (0 if seems_done else errno.EPERM)
    assert asked(machine, name, (77, OWN, OWN), None) == ALLOWED, "has a process table of its own"


@pytest.mark.parametrize("name", ON_X86)
def test_the_reduced_filter_knows_older_calls(name: str) -> None:
    arguments, expected = ON_X86[name]
    assert asked("x86_64", name, arguments, OWN) == expected
    assert NUMBERS[name][1] is None


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("name", ["fchmodat", "utimensat", "truncate", "openat2", "setpriority"])
def test_with_a_file_system_of_its_own_honest_calls_stay(machine: str, name: str) -> None:
    assert asked(machine, name, (), None) == ALLOWED


def test_calls_of_another_kind_of_machine_kill() -> None:
    program = seccomp.program(False, OWN, "x86_64")
    assert answer(program, {0: 90, 4: 0x40000003}) == KILLED
    assert answer(program, {0: 0x40000000 | 90, 4: seccomp.ARCHITECTURE["x86_64"]}) == errno.ENOSYS


# The filter alone, in force: on older systems Landlock leaves these to it

ALONE = """
import fcntl, os, signal, socket, sys, time
from nbproctor.sandbox import seccomp, syscalls
syscalls.drop_capabilities()
syscalls.no_new_privileges()
seccomp.install(False, os.getpid())
victim = int(sys.argv[1])
a, b = socket.socketpair()
def tried(what, *arguments):
    try:
        what(*arguments)
    except OSError:
        pass
tried(fcntl.fcntl, a, fcntl.F_SETOWN, victim)
tried(fcntl.ioctl, a, 0x8901, victim.to_bytes(4, "little"))
fcntl.fcntl(a, 10, signal.SIGKILL)
fcntl.fcntl(a, fcntl.F_SETFL, os.O_NONBLOCK | fcntl.FASYNC)
b.send(b"x")
os.setpriority(os.PRIO_PROCESS, 0, 7)
for call in (os.truncate, lambda path, _: os.open(path, os.O_TRUNC),
             lambda path, _: os.open(path, 3 | os.O_TRUNC)):
    tried(call, "file", 0)
time.sleep(1)
print(os.getpriority(os.PRIO_PROCESS, 0))
"""


def test_the_filter_alone_holds_signals_sizes_and_priorities(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("marks")
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    with subprocess.Popen(["sleep", "600"]) as victim:
        done = subprocess.run(
            [sys.executable, "-c", ALONE, str(victim.pid)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        state = victim.poll()
        victim.kill()
    assert done.stderr == "" and state is None
    assert (tmp_path / "file").read_text() == "marks"
    assert int(done.stdout) == nice
