"""Worker processes: lazily fed, killed at random, ended with whoever made them."""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures import RIGHT, fill, lesson
from killing import command_of, descendants
from traitlets.config import Config

from nbproctor.config import Limits
from nbproctor.course.notebook import HandedIn
from nbproctor.course.records import Verdict
from nbproctor.crew.headstart import head_start
from nbproctor.crew.pool import LocalCrew
from nbproctor.errors import ConfigError, GraderError
from nbproctor.grading.work import Done, Job, LessonPack
from nbproctor.sandbox.plan import Level

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for processes in /proc"),
]


@pytest.fixture
def pack(tmp_path: Path) -> LessonPack:
    lesson(tmp_path)
    source, release = (tmp_path / name / "tiny.ipynb" for name in ("source", "release"))
    return LessonPack.read(source, release, Limits(), Level.OFF)


def jobs(tmp_path: Path, count: int, double: str = RIGHT["double"]) -> Iterator[Job]:
    import json

    _, released = lesson(tmp_path)
    for number in range(count):
        answers = {**RIGHT, "double": double, "essay": f"Because of {number}."}
        data = json.dumps(fill(released, answers)).encode()
        yield Job(f"s{number}", "tiny", HandedIn(data))


def workers_of(pid: int) -> list[int]:
    return [child for child in descendants(pid) if "nbproctor.crew.worker" in command_of(child)]


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def await_end(pids: list[int]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(is_running(pid) for pid in pids):
        time.sleep(0.1)
    assert not [command_of(pid) for pid in pids if is_running(pid)]


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def is_right(done: Done) -> bool:
    results = done.graded.report.results if done.graded else ()
    return [r.verdict for r in results] == [Verdict.PASSED, Verdict.PASSED, Verdict.MANUAL]


def test_jobs_are_taken_as_workers_become_free(pack: LessonPack, tmp_path: Path) -> None:
    taken: list[str] = []

    def noted() -> Iterator[Job]:
        for job in jobs(tmp_path, 6):
            taken.append(job.student)
            yield job

    with LocalCrew({"tiny": pack}, 2) as crew:
        assert not workers_of(os.getpid()), "workers start with the first job"
        for count, done in enumerate(crew.grade(noted()), 1):
            assert is_right(done), done
            assert len(taken) <= count + 2
        assert len(taken) == 6
        left = workers_of(os.getpid())
        assert len(left) == 2
        assert [is_right(done) for done in crew.grade(jobs(tmp_path, 2))] == [True, True]
        assert workers_of(os.getpid()) == left, "workers stay for the next class"
    await_end(left)


def test_killed_workers_are_replaced_and_no_job_is_lost(pack: LessonPack, tmp_path: Path) -> None:
    over, killed, rng = threading.Event(), [], random.Random(7)

    def kill_now_and_then() -> None:
        while not over.wait(rng.uniform(2, 4)) and len(killed) < 4:
            if found := workers_of(os.getpid()):
                killed.append(rng.choice(found))
                kill(killed[-1])

    killer = threading.Thread(target=kill_now_and_then)
    killer.start()
    try:
        slow = "import time\ntime.sleep(1)\n" + RIGHT["double"]
        with LocalCrew({"tiny": pack}, 2) as crew:
            finished = list(crew.grade(jobs(tmp_path, 10, slow)))
    finally:
        over.set()
        killer.join()
    assert killed and sorted(d.job.student for d in finished) == [f"s{n}" for n in range(10)]
    for done in finished:
        assert is_right(done) or "2 workers ended while grading it: SIGKILL" in done.error


def test_a_job_that_costs_two_workers_is_done(pack: LessonPack, tmp_path: Path) -> None:
    """Without a sandbox, a student's code can kill the worker: its own submission suffers."""
    deadly = (
        "import os, signal\n"
        "for name in os.listdir('/proc'):\n"
        "    if name.isdigit() and int(name) != os.getpid():\n"
        "        words = open(f'/proc/{name}/cmdline').read()\n"
        "        parent = open(f'/proc/{name}/stat').read().rpartition(')')[2].split()[1]\n"
        f"        if 'nbproctor.crew.worker' in words and parent == '{os.getpid()}':\n"
        "            os.kill(int(name), signal.SIGKILL)\n"  # not those of other runs
        + RIGHT["double"]
    )
    first, *_ = jobs(tmp_path, 1, deadly)
    with LocalCrew({"tiny": pack}, 1) as crew:
        finished = list(crew.grade([first, *jobs(tmp_path, 2)]))
    assert "2 workers ended while grading it: SIGKILL" in finished[0].error
    assert [is_right(done) for done in finished[1:]] == [True, True]


def test_closing_ends_what_runs(pack: LessonPack, tmp_path: Path) -> None:
    forever = "import time\ntime.sleep(25)\n" + RIGHT["double"]
    with LocalCrew({"tiny": pack}, 2) as crew:
        running = crew.grade([*jobs(tmp_path, 1), *jobs(tmp_path, 3, forever)])
        assert is_right(next(running))
        workers = workers_of(os.getpid())
        below = [*workers, *(pid for worker in workers for pid in descendants(worker))]
        began = time.monotonic()
        running.close()
        assert time.monotonic() - began < 15
    await_end(below)


def test_nothing_is_left_of_a_worker_that_has_to_be_killed(
    pack: LessonPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nbproctor.crew.pool.END_S", 1.0)
    with tempfile.TemporaryDirectory(prefix="t") as place:  # paths of sockets are short
        monkeypatch.setenv("TMPDIR", place)
        monkeypatch.setattr(tempfile, "tempdir", place)
        with LocalCrew({"tiny": pack}, 1) as crew:
            assert all(is_right(done) for done in crew.grade(jobs(tmp_path, 1)))
            [worker] = workers_of(os.getpid())
            assert list(Path(place).glob("nbp-*")), "its lesson, unpacked"
            os.kill(worker, signal.SIGSTOP)
        assert not list(Path(place).glob("nbp-*"))


def test_workers_end_with_their_control_process(tmp_path: Path) -> None:
    program = (
        "import sys; sys.path[:0] = sys.argv[2:]\n"
        "from pathlib import Path; from test_pool import *\n"
        "folder = Path(sys.argv[1]); lesson(folder)\n"
        "paths = [folder / name / 'tiny.ipynb' for name in ('source', 'release')]\n"
        "pack = LessonPack.read(*paths, Limits(), Level.OFF)\n"
        "slow = 'import time\\ntime.sleep(25)\\n' + RIGHT['double']\n"
        "with LocalCrew({'tiny': pack}, 2) as crew: list(crew.grade(jobs(folder, 2, slow)))\n"
    )
    places = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path), *places]) as control:
        deadline = time.monotonic() + 120
        while len(list(descendants(control.pid))) < 5 and time.monotonic() < deadline:
            time.sleep(0.1)
        below = list(descendants(control.pid))
        control.kill()
    assert len(below) >= 5
    await_end(below)


def test_workers_that_cannot_start_end_the_run(
    pack: LessonPack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with (
        LocalCrew({"tiny": pack}, 2) as crew,
        pytest.raises(GraderError, match=r"workers do not start\n  got: exit status 1"),
    ):
        list(crew.grade(jobs(tmp_path, 3)))


def test_there_must_be_a_worker(pack: LessonPack) -> None:
    with pytest.raises(ConfigError, match="nobody would grade"):
        LocalCrew({"tiny": pack}, 0)


def test_a_first_worker_is_ready_before_there_is_a_job(pack: LessonPack, tmp_path: Path) -> None:
    course = Config(
        {"CourseDirectory": {"source_directory": "solutions", "release_directory": "r"}}
    )
    for name, data in (("solutions", pack.source), ("r", pack.release)):
        (tmp_path / name / "tiny").mkdir(parents=True)
        (tmp_path / name / "tiny" / "tiny.ipynb").write_bytes(data)
    with head_start(tmp_path, course, "ti") as first:
        assert first is not None
        deadline = time.monotonic() + 120
        while not (servers := servers_of(first.process.pid)) and time.monotonic() < deadline:
            time.sleep(0.1)
        with LocalCrew({"tiny": pack}, 2, first) as crew:
            assert all(is_right(done) for done in crew.grade(jobs(tmp_path, 1)))
            assert workers_of(os.getpid()) == [first.process.pid]
            assert servers_of(first.process.pid) == servers
            assert all(is_right(done) for done in crew.grade(jobs(tmp_path, 3)))
            left = workers_of(os.getpid())
            assert len(left) == 2
    await_end([*left, *servers])


def test_a_first_worker_that_nobody_takes_ends(pack: LessonPack, tmp_path: Path) -> None:
    (tmp_path / "source" / "tiny").mkdir()
    (tmp_path / "source" / "tiny" / "tiny.ipynb").write_bytes(pack.source)
    (tmp_path / "release" / "tiny").mkdir()
    (tmp_path / "release" / "tiny" / "tiny.ipynb").write_bytes(pack.release)
    with head_start(tmp_path, Config(), "tiny") as first:
        assert first is not None
        while not (below := list(descendants(first.process.pid))):
            time.sleep(0.01)
    await_end([first.process.pid, *below])
    with head_start(tmp_path, Config(), "other") as first:
        assert first is None
    elsewhere = Config({"CourseDirectory": {"directory_structure": "{student_id}"}})
    with head_start(tmp_path, elsewhere, "tiny") as first:
        assert first is None


def servers_of(pid: int) -> list[int]:
    """Fork-servers of a worker; what they have forked has another name."""
    return [
        child for child in descendants(pid) if "nbproctor.sandbox.forkserver" in command_of(child)
    ]


@pytest.mark.parametrize(("first", "said"), [("", "slow\n"), ("leave_out()", "")])
def test_what_nothing_uses_is_not_imported(first: str, said: str, tmp_path: Path) -> None:
    """The lock leaves it out; where it is installed all the same, our commands do."""
    (tmp_path / "rfc3987_syntax.py").write_text("print('slow')\nis_valid_syntax = None\n")
    program = (
        f"from nbproctor.unused import leave_out; {first}\n"
        "import nbformat, nbgrader.apps; nbformat.validate(nbformat.v4.new_notebook())\n"
    )
    command = [sys.executable, "-c", program]
    there = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=there)
    assert (done.returncode, done.stdout) == (0, said), done.stderr
