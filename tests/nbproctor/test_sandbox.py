"""The sandbox, tried from inside and from outside, at each level that this machine can give."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures import RIGHT, fill, lesson, write

from nbproctor.commands.check import check_notebook
from nbproctor.commands.cli import main
from nbproctor.commands.doctor import examine, health_lines
from nbproctor.config import MIB, Limits
from nbproctor.course.notebook import read_submission
from nbproctor.errors import GraderError, SandboxError
from nbproctor.grading.grade import grade_submission
from nbproctor.kernels.kernel import StudentKernel
from nbproctor.reports.report import check_lines
from nbproctor.sandbox import calls, process
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import Sandboxed, environment_paths, strongest_level
from nbproctor.sandbox.warden import Reason

ROOT = Path(__file__).parents[2]
PROBE = "nbproctor.sandbox.probe"
BUSY = {"attempt": "cpu"}

# Makes namespaces and mounts unavailable to what it then becomes, as most containers do.
CONTAINER = """
import os, sys
from nbproctor.sandbox import seccomp, syscalls
if sys.argv[1] == "ordinary":
    syscalls.drop_capabilities()
kept = "unshare mount setns pivot_root umount2 mount_setattr clone clone3 ioctl socket".split()
seccomp.NUMBERS = {name: seccomp.NUMBERS[name] for name in kept}
seccomp._only_unix_sockets = lambda allowed: []
if os.getuid() or sys.argv[1] == "ordinary":
    syscalls.no_new_privileges()
seccomp.install(True)
os.execv(sys.argv[2], sys.argv[2:])
"""

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="layers are Linux's")
pytestmark = needs_linux


def has_namespaces() -> bool:
    with contextlib.suppress(SandboxError):
        return strongest_level(Level.FULL) is Level.FULL
    return False


needs_namespaces = pytest.mark.skipif(
    not has_namespaces(), reason="this machine lets nobody make namespaces"
)
LEVELS = [pytest.param(Level.FULL, marks=needs_namespaces), Level.REDUCED]


def in_container(*command: str, user: str = "own") -> subprocess.CompletedProcess[str]:
    """The user: this process's own, or an ordinary one, as who is not root has it anyway."""
    run = [sys.executable, "-m", "nbproctor.commands.cli", *command]
    program = [sys.executable, "-c", CONTAINER, user, *run]
    return subprocess.run(program, capture_output=True, text=True, cwd=ROOT, timeout=200)


# What stops what


@needs_namespaces
def test_the_doctor_finds_the_full_sandbox_sound() -> None:
    health = examine(Level.FULL)
    assert health.level == "full"
    assert [f for f in health.findings if f.required and not f.ok] == []
    assert list(health_lines(health))[-1].endswith("student code is held.")


@pytest.mark.parametrize("user", ["own", "ordinary"])
def test_in_a_container_the_doctor_finds_the_reduced_sandbox_sound(user: str) -> None:
    done = in_container("doctor", "--json", user=user)
    health = json.loads(done.stdout)
    assert [f for f in health["findings"] if f["required"] and not f["ok"]] == []
    assert done.returncode == 0 and health["level"] == "reduced"


def test_without_a_sandbox_every_attempt_succeeds() -> None:
    """Or else the doctor's attempts would prove nothing."""
    health = examine(Level.OFF)
    stopped = {
        f.name for f in health.findings if f.ok and f.required and f.name.startswith("cannot")
    }
    # What the warden ends is ended at every level; tracing may be forbidden to all.
    assert {name for name in stopped if "grader" in name or "gradebook" in name} <= {
        "cannot trace the grader"
    }
    assert not {name for name in stopped if "connect" in name or "send" in name}
    assert not health.ok


def test_grading_stops_where_the_level_cannot_be_had() -> None:
    done = in_container("check", "02", "--sandbox", "full")
    assert done.returncode == 2
    assert "expected: level 'full'" in done.stderr and " namespace: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_level_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["doctor", "--sandbox", "strong"])
    assert "strong" in capsys.readouterr().err


def test_off_is_loud_and_stands_in_the_report(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loaded, released = lesson(tmp_path)
    path = write(tmp_path / "s.ipynb", fill(released, RIGHT))
    graded = grade_submission(
        loaded, read_submission(path, loaded, Limits()), Limits(), sandbox=Level.OFF
    )
    assert graded.report.sandbox == "off"
    assert graded.notebook["metadata"]["nbproctor"]["sandbox"] == "off"
    assert "WITHOUT A SANDBOX" in check_lines(graded.report)
    page = tmp_path / "page.html"
    assert (
        main(["check", "02", "--course", str(ROOT), "--html", str(page), "--sandbox", "off"]) == 0
    )
    assert "THE SANDBOX IS OFF" in capsys.readouterr().err
    assert "WITHOUT A SANDBOX" in page.read_text()


@needs_namespaces
def test_the_level_used_is_the_strongest_one() -> None:
    name = "02_residual_block"
    notebook = ROOT / "notebooks" / name / f"{name}.ipynb"
    assert check_notebook(ROOT, name, notebook, Limits()).sandbox == "full"


def test_visible_paths_hold_no_sources_of_lessons() -> None:
    visible = [Path(path).resolve() for path in environment_paths()]
    assert (ROOT / "utils" / "plusx").resolve() in visible
    for secret in ("solutions", "autograder/class_demo", "tests", "notebooks"):
        for path in visible:
            assert not (ROOT / secret).resolve().is_relative_to(path)
            assert not path.is_relative_to((ROOT / secret).resolve())


HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/asm-generic/unistd.h",),
}


@pytest.mark.parametrize("machine", HEADERS)
def test_tables_of_system_calls_agree_with_this_system(machine: str) -> None:
    column = list(HEADERS).index(machine)
    header = next(filter(Path.exists, map(Path, HEADERS[machine])), None)
    if header is None:
        pytest.skip("the system's headers are not installed")
    defined = {}
    for line in header.read_text().splitlines():
        words = line.replace("__NR3264_", "__NR_").split()
        if len(words) == 3 and words[1].startswith("__NR_") and words[2].isdigit():
            defined.setdefault(words[1].removeprefix("__NR_"), int(words[2]))
    known = {**calls.NUMBERS, **calls.PRETENDED, **calls.WITHOUT_NAMESPACES}
    known |= {name: call[:2] for name, call in calls.BY_PID.items()}
    ours = {name: call[column] for name, call in known.items() if name in defined}
    assert ours == {name: defined[name] for name in ours}
    assert len(ours) > 50


# Ends


def tree(pid: int) -> Iterator[int]:
    """A process and all below it."""
    yield pid
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            yield from tree(int(child))


def wait_until_gone(pids: list[int]) -> list[int]:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        pids = [pid for pid in pids if is_running(pid)]
        if not pids:
            break
        time.sleep(0.05)
    return pids


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture(params=LEVELS)
def busy(request: pytest.FixtureRequest) -> Iterator[Sandboxed]:
    made = Sandboxed(request.param, PROBE, Limits(), arguments=BUSY, descriptors=[0])
    yield made
    made.stop()


def test_nothing_is_left_of_a_stopped_sandbox(busy: Sandboxed) -> None:
    pids = list(tree(busy.process.pid))
    assert len(pids) == 3 and busy.is_alive
    busy.stop()
    assert busy.reason is Reason.TOLD
    assert not [pid for pid in pids if is_running(pid)]
    assert not os.path.exists(busy.folder.path)
    assert not [path for path in (busy.group.paths if busy.group else []) if os.path.exists(path)]


@pytest.mark.parametrize("victim", ["outside", "warden", "target"])
def test_killing_one_process_ends_them_all(busy: Sandboxed, victim: str) -> None:
    pids = list(tree(busy.process.pid))
    os.kill(pids[["outside", "warden", "target"].index(victim)], signal.SIGKILL)
    assert busy.wait(20) is Reason.EXIT
    busy.stop()
    assert not wait_until_gone(pids)


@pytest.mark.parametrize("level", LEVELS)
def test_a_killed_grader_leaves_nothing_running(level: Level) -> None:
    program = (
        "import time\nfrom nbproctor.config import Limits\n"
        "from nbproctor.sandbox.plan import Level\n"
        "from nbproctor.sandbox.process import Sandboxed\n"
        f"made = Sandboxed(Level('{level}'), '{PROBE}', Limits(), arguments={BUSY},\n"
        "                 descriptors=[0])\n"
        "print(made.process.pid, made.folder.path, flush=True)\ntime.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as grader:
        assert grader.stdout is not None
        pid, folder = grader.stdout.readline().split()
        pids = list(tree(int(pid)))
        grader.kill()
    assert len(pids) == 3
    assert not wait_until_gone(pids)
    assert not os.path.exists(folder)


@pytest.mark.parametrize("level", LEVELS)
def test_interrupts_reach_the_target(level: Level) -> None:
    with StudentKernel(Limits(interrupt_grace_s=10), level) as kernel:
        kernel.start()
        kernel.execute("1", 20, 1000)
        ended = kernel.execute("import time; time.sleep(100)", 0.5, 10_000)
        assert ended.outputs.error == "KeyboardInterrupt: " and kernel.is_alive


@pytest.mark.parametrize("level", LEVELS)
def test_what_runs_in_a_sandbox_has_its_own_copies_of_files(level: Level, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("1,2")
    with StudentKernel(Limits(), level, tmp_path) as kernel:
        kernel.start()
        done = kernel.execute("f = open('table.csv', 'a'); f.write('!'); f.close()", 20, 10_000)
        assert done.outputs.error == ""
    assert (tmp_path / "table.csv").read_text() == "1,2"


@pytest.mark.parametrize("level", LEVELS)
def test_files_that_do_not_fit_are_told_with_their_size(level: Level, tmp_path: Path) -> None:
    (tmp_path / "small.csv").write_text("1,2")
    (tmp_path / "large.csv").write_bytes(bytes(3 * MIB))
    (tmp_path / "lesson.ipynb").write_bytes(bytes(3 * MIB))  # is not copied
    fits = StudentKernel(Limits(max_disk_bytes=4 * MIB), level, tmp_path)
    with fits as kernel:
        kernel.start()
    with (
        StudentKernel(Limits(max_disk_bytes=2 * MIB), level, tmp_path) as kernel,
        pytest.raises(GraderError) as caught,
    ):
        kernel.start()
    assert not isinstance(caught.value, SandboxError), "the machine is not at fault"
    message = caught.value.args[0]
    assert f"{3 * MIB + 3} bytes" in message and "there is room for" in message
    assert str(tmp_path) in message and "large.csv" in message


@pytest.mark.parametrize("level", LEVELS)
def test_a_file_that_cannot_be_copied_is_named(level: Level, tmp_path: Path) -> None:
    gone = tmp_path / "gone.csv"
    with pytest.raises(GraderError) as caught:
        Sandboxed(level, PROBE, Limits(), arguments=BUSY, copies={"x.csv": str(gone)})
    assert not isinstance(caught.value, SandboxError)
    assert str(gone) in caught.value.args[0] and "No such file" in caught.value.args[0]


HONEST = {
    "a shell": "import IPython\nout = !echo hello\nassert out == ['hello'], out",
    "a terminal": "!echo hello",
    "processes": "from multiprocessing import Pool\nwith Pool(2) as p: p.map(abs, [-1])",
    "loaders": (
        "import torch\nfrom torch.utils.data import DataLoader, TensorDataset\n"
        "data = DataLoader(TensorDataset(torch.ones(8, 2)), batch_size=4, num_workers=2)\n"
        "assert sum(x.sum() for x, in data) == 16"
    ),
    "temporary files": "import tempfile\nwith tempfile.TemporaryFile() as f: f.write(b'x')",
    "the literal /tmp": "open('/tmp/x', 'w').write('x')",
    "figures": "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()",
    "saved files": "torch.save(torch.ones(2), 'w.pt')\nassert torch.load('w.pt').sum() == 2",
    "names of users": "import getpass\nassert getpass.getuser() == 'student'",
    "many displays": "for n in range(3000): display(n)",
}


@pytest.mark.slow
@needs_namespaces
def test_honest_work_runs_in_the_full_sandbox() -> None:
    with StudentKernel(Limits(), Level.FULL) as kernel:
        kernel.start()
        failed = {
            name: done.outputs.error or done.ended
            for name, code in HONEST.items()
            if (done := kernel.execute(code, 120, MIB)).outputs.error or done.ended != "done"
        }
    assert failed == {}


@needs_namespaces
def test_an_environment_below_tmp_is_seen_and_tmp_is_the_learners(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    (folder / "module.py").write_text("")
    paths = (*process.environment_paths(), str(folder))
    monkeypatch.setattr(process, "environment_paths", lambda: paths)
    code = (
        f"import os\nassert os.listdir({str(folder)!r}) == ['module.py']\n"
        "open('/tmp/x', 'w').write('x')\nassert os.path.exists(os.environ['TMPDIR'] + '/x')\n"
        f"open({str(folder / 'y')!r}, 'w')"
    )
    with StudentKernel(Limits(), Level.FULL) as kernel:
        kernel.start()
        error = kernel.execute(code, 60, MIB).outputs.error
    shutil.rmtree(folder)
    assert "Read-only file system" in error and str(folder / "y") in error


def test_a_machine_without_layers_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    reasons = {Level.FULL: "it is no Linux", Level.REDUCED: "there is no Landlock"}
    monkeypatch.setattr(process, "_reason_against", reasons.__getitem__)
    with pytest.raises(SandboxError) as caught:
        strongest_level(Level.REDUCED)
    message = caught.value.args[0]
    assert "full: it is no Linux; reduced: there is no Landlock" in message
    assert not examine(Level.REDUCED).ok
