"""Grading on a Dask cluster: a real scheduler, real workers, all of them processes that can die."""

import json
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import classes
import pytest
from clusters import BARE, Running, running
from courses import course, released, submit
from distributed import Client
from fixtures import RIGHT, TINY, fill, lesson

from nbproctor.config import Limits
from nbproctor.course.notebook import HandedIn
from nbproctor.crew import cluster as cluster_module
from nbproctor.crew import node
from nbproctor.crew.cluster import ClusterCrew
from nbproctor.crew.cluster_settings import Cluster, resources_from
from nbproctor.errors import ClusterError, ConfigError
from nbproctor.grading import versions
from nbproctor.grading.grade import Graded
from nbproctor.grading.work import Done, Grader, Job, LessonPack
from nbproctor.sandbox.plan import Level
from nbproctor.store.filing import Filing
from nbproctor.store.gradebook import Course
from nbproctor.store.marks import MarksWriter, open_gradebook
from nbproctor.store.pages import PageIds, order_for, settings_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="layers are Linux's")

ROOT = Path(__file__).parents[2]
LIMITS = Limits(cell_timeout_s=5.0, call_timeout_s=5.0)
ANSWERS = {
    "right": RIGHT,
    "wrong": {**RIGHT, "double": "def double(x):\n    return x"},
    "partly": {**RIGHT, "half": "def half(x):\n    return x // 2"},
    "blank": {},
    "deadly": {**RIGHT, "half": "import os\nos._exit(1)"},
    "slow": {**RIGHT, "double": "while True: pass"},
}
# These run inside a worker. Where the answer has such a word, the grader dies or has a mistake.
KILLS = """
import os, signal, time
from nbproctor.grading.work import Grader
inner = Grader.grade
def grade(self, handed_in, inner=inner):
    if b"LETHAL" in handed_in.data:
        time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGKILL)
    if b"STRANGE" in handed_in.data:
        return strange()
    return inner(self, handed_in)
def strange():  # its traceback is too long to be pickled
    return strange()
Grader.grade = grade
"""
BROKEN = """
from nbproctor.errors import GraderError
from nbproctor.grading.work import Grader
def grade(self, handed_in):
    raise GraderError("the disk is full")
Grader.grade = grade
"""


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> "Tiny":
    return Tiny(tmp_path_factory.mktemp("lesson"))


class Tiny:
    """A small lesson, and what students hand in."""

    def __init__(self, folder: Path, text: str = TINY) -> None:
        _, self.released = lesson(folder, text)
        source, release = (folder / name / "tiny.ipynb" for name in ("source", "release"))
        self.pack = LessonPack.read(source, release, LIMITS, Level.REDUCED)

    def job(self, student: str, answers: Mapping[str, str] = RIGHT) -> Job:
        data = json.dumps(fill(self.released, dict(answers))).encode()
        return Job(student, "tiny", HandedIn(data))

    def jobs(self, count: int) -> Iterator[Job]:
        return (self.job(f"s{n:02}") for n in range(count))


class Session:
    """A crew at work, and what it said."""

    def __init__(self, pack: LessonPack, address: str, **settings: Any) -> None:
        self.said: list[str] = []
        settings = {"wait_for_workers_s": 120.0, **settings}
        self.crew = ClusterCrew(
            {"tiny": pack}, Cluster(address=address, **settings), self.said.append
        )

    def __enter__(self) -> "Session":
        self.crew.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self.crew.__exit__(None, None, None)

    def grade(self, jobs: Iterator[Job], each: Callable[[int], None] = lambda n: None) -> "Result":
        """Grade; `each` is called with the number of results after each of them."""
        done = []
        for item in self.crew.grade(jobs):
            done.append(item)
            each(len(done))
        return Result(done)


class Result:
    """What a crew made of a class."""

    def __init__(self, done: list[Done]) -> None:
        self.students = sorted(item.job.student for item in done)
        self.errors = {item.job.student: item.error for item in done if item.graded is None}
        self.graded = {item.job.student: item.graded for item in done if item.graded is not None}

    @property
    def scores(self) -> dict[str, float]:
        return {student: graded.report.score for student, graded in self.graded.items()}


def grade_class(tiny: Tiny, running: Running, count: int = 4, **settings: Any) -> Result:
    with Session(tiny.pack, running.address, **settings) as session:
        return session.grade(tiny.jobs(count))


def assert_all_right(result: Result, count: int) -> None:
    names = [f"s{n:02}" for n in range(count)]
    assert result.students == names
    assert result.errors == {}
    assert result.scores == dict.fromkeys(names, 5.0)


def without_times(graded: Graded) -> Any:
    report = graded.report
    results = [replace(result, seconds=0.0) for result in report.results]
    text = re.sub(r'"seconds": [0-9.e-]+', '"seconds": 0', json.dumps(graded.notebook))
    return results, report.notes, report.sandbox, text


def tasks_left(running: Running) -> list[str]:
    """Tasks that the scheduler knows, once it has had time to forget those it was told to."""

    def keys(dask_scheduler: Any) -> list[str]:
        return [str(key) for key in dask_scheduler.tasks]

    with Client(running.address, set_as_default=False) as client:
        deadline = time.monotonic() + 30.0
        while (left := client.run_on_scheduler(keys)) and time.monotonic() < deadline:
            time.sleep(0.1)
        return left


# What comes out


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A scheduler with two workers, one of which has three threads and a nanny."""
    with running(tmp_path_factory.mktemp("two")) as made:
        made.add("--resources", "GPU=1")
        made.add(nanny=True, threads=3)
        yield made


def test_verdicts_are_those_of_one_process(tiny: Tiny, two: Running) -> None:
    jobs = [tiny.job(name, answers) for name, answers in ANSWERS.items()]
    jobs += [
        Job("broken", "tiny", HandedIn(b"{")),
        Job("absent", "tiny", HandedIn(unreadable="it is a folder")),
    ]
    with Session(tiny.pack, two.address) as session:
        result = session.grade(iter(jobs))
    assert result.errors == {} and len(result.graded) == len(jobs)
    with Grader(tiny.pack) as grader:
        expected = {job.student: without_times(grader.grade(job.handed_in)) for job in jobs}
    assert {name: without_times(graded) for name, graded in result.graded.items()} == expected
    assert len(set(result.scores.values())) > 3


def test_nothing_stays_on_the_scheduler(tiny: Tiny, two: Running) -> None:
    with Session(tiny.pack, two.address) as session:
        assert_all_right(session.grade(tiny.jobs(5)), 5)
        assert tasks_left(two) == []


def test_few_jobs_are_taken_before_they_are_needed(tiny: Tiny, two: Running) -> None:
    taken = 0

    def jobs() -> Iterator[Job]:
        nonlocal taken
        for job in tiny.jobs(24):
            taken += 1
            yield job

    def is_bounded(results: int) -> None:
        # Two for each worker wait or run; as many results may have come together.
        assert taken <= results + 2 * (2 * 2)

    with Session(tiny.pack, two.address) as session:
        assert_all_right(session.grade(jobs(), is_bounded), 24)


def test_a_closed_run_leaves_nothing_waiting_and_the_crew_can_go_on(
    tiny: Tiny, two: Running
) -> None:
    with Session(tiny.pack, two.address) as session:
        begun = session.crew.grade(tiny.jobs(20))
        assert next(begun).graded is not None
        begun.close()
        assert tasks_left(two) == []
        assert_all_right(session.grade(tiny.jobs(3)), 3)


def test_no_jobs_need_no_workers(tiny: Tiny, tmp_path: Path) -> None:
    with running(tmp_path) as empty, Session(tiny.pack, empty.address) as session:
        assert session.grade(iter(())).students == []


def test_a_worker_with_several_threads_grades_one_at_a_time_and_says_so(
    tiny: Tiny, two: Running
) -> None:
    with Session(tiny.pack, two.address) as session:
        assert_all_right(session.grade(tiny.jobs(6)), 6)
    assert len([line for line in session.said if "3 threads" in line]) == 1


def test_only_workers_that_offer_what_is_needed_get_jobs(tiny: Tiny, two: Running) -> None:
    with Session(tiny.pack, two.address, resources={"GPU": 1.0}) as session:
        assert_all_right(session.grade(tiny.jobs(3)), 3)
    assert [line for line in session.said if "does not offer GPU=1" in line]


# Workers that die, leave, come, hang


@pytest.mark.slow
def test_workers_killed_at_random(tiny: Tiny, tmp_path: Path) -> None:
    """Forty submissions, six kills: every job has one end, and a mark unless it was hit twice."""
    chance = random.Random(20261121)
    with running(tmp_path) as hosts, Session(tiny.pack, hosts.address) as session:
        for _ in range(3):
            hosts.add()
        killed = []

        def kill(results: int) -> None:
            if results % 6 == 0:
                time.sleep(chance.uniform(0.0, 1.0))
                victim = chance.choice([w for w in hosts.workers if w.poll() is None])
                victim.kill()
                killed.append(victim)
                hosts.add()

        result = session.grade(tiny.jobs(40), kill)
        assert len(killed) == 6
    assert result.students == [f"s{n:02}" for n in range(40)]
    assert all(error.count(" died") == 2 for error in result.errors.values())
    assert len(result.errors) <= 1
    assert set(result.scores.values()) == {5.0}


@pytest.mark.parametrize("allowed", ["0", "3"])
def test_a_job_that_kills_its_workers_is_given_up(tiny: Tiny, tmp_path: Path, allowed: str) -> None:
    """It costs two workers, also where Dask itself would give up at once, or never so soon."""
    preload = tmp_path / "kills.py"
    preload.write_text(KILLS)
    lethal = tiny.job("lethal", {**RIGHT, "essay": "LETHAL"})
    strange = tiny.job("strange", {**RIGHT, "essay": "STRANGE"})
    config = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": allowed}
    with running(tmp_path, **config) as hosts, Session(tiny.pack, hosts.address) as session:
        for _ in range(3):
            hosts.add("--preload", str(preload))
        jobs = [*tiny.jobs(3), lethal, strange, *(tiny.job(f"t{n}") for n in range(4))]
        result = session.grade(iter(jobs))
        assert sum(worker.poll() is not None for worker in hosts.workers) == 2
    assert sorted(result.errors) == ["lethal", "strange"]
    assert result.errors["lethal"].startswith("2 workers failed on it: worker tcp://")
    assert result.errors["strange"].startswith("the grader failed: RecursionError: ")
    assert len(result.graded) == 7 and set(result.scores.values()) == {5.0}


def test_workers_that_reach_the_end_of_their_time_cost_nothing(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If leaving counted as dying, one time would be enough here for an error.

    Workers live twice as long as one needs to start and to grade a little on this machine.
    """
    monkeypatch.setattr(cluster_module, "TRIES", 1)
    with running(tmp_path / "measured") as hosts:
        began = time.monotonic()
        hosts.add(nanny=True)
        assert_all_right(grade_class(tiny, hosts, 2), 2)
        lifetime_s = 2 * (time.monotonic() - began)
    with running(tmp_path / "lived") as hosts, Session(tiny.pack, hosts.address) as session:
        given = count()

        def until_two_have_left() -> Iterator[Job]:
            while hosts.log().count("worker-lifetime-reached") < 2:
                yield tiny.job(f"s{next(given)}")

        for _ in range(2):
            lives = ("--lifetime", f"{lifetime_s:.1f}s", "--lifetime-stagger", "1s")
            hosts.add(*lives, "--lifetime-restart", nanny=True)
        result = session.grade(until_two_have_left())
    assert result.errors == {}
    assert len(result.scores) == next(given) > 0
    assert set(result.scores.values()) == {5.0}


def test_a_worker_that_is_told_to_end_costs_nothing(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SIGTERM is what Slurm and Kubernetes send. A worker that came late does the rest."""
    monkeypatch.setattr(cluster_module, "TRIES", 1)
    with running(tmp_path) as hosts, Session(tiny.pack, hosts.address) as session:

        def change(results: int) -> None:
            if results == 2:
                hosts.add()
                hosts.workers[0].terminate()

        hosts.add(nanny=True)  # the nanny takes the signal, and says so
        assert_all_right(session.grade(tiny.jobs(8), change), 8)
        assert hosts.workers[0].wait(60) is not None


def test_workers_may_come_after_grading_began(tiny: Tiny, tmp_path: Path) -> None:
    with running(tmp_path) as hosts, Session(tiny.pack, hosts.address) as session:
        timer = threading.Timer(4.0, hosts.add)
        timer.start()
        assert_all_right(session.grade(tiny.jobs(3)), 3)
        timer.join()


def test_a_worker_that_hangs_is_left_alone(tiny: Tiny, tmp_path: Path) -> None:
    """It is waited for three times as long as both took to start and to grade a little."""
    with running(tmp_path) as hosts:
        began = time.monotonic()
        hosts.add()
        hosts.add()
        assert_all_right(grade_class(tiny, hosts), 4)
        patience_s = 3 * (time.monotonic() - began)
        session = Session(tiny.pack, hosts.address, job_timeout_s=patience_s)

        def stop(results: int) -> None:
            if results == 4:  # both have had a result each, for who is idle takes over
                hosts.workers[0].send_signal(signal.SIGSTOP)

        with session:
            assert_all_right(session.grade(tiny.jobs(10), stop), 10)
    assert len([line for line in session.said if "has not answered within" in line]) == 1


@pytest.mark.parametrize("good_comes_after_s", [0.0, 6.0])
def test_a_worker_on_which_nothing_can_be_graded_is_left_alone(
    tiny: Tiny, tmp_path: Path, good_comes_after_s: float
) -> None:
    """No submission is blamed for it, even where it is all that there is for a while."""
    preload = tmp_path / "broken.py"
    preload.write_text(BROKEN)
    with running(tmp_path) as hosts, Session(tiny.pack, hosts.address) as session:
        hosts.add("--preload", str(preload))
        timer = threading.Timer(good_comes_after_s, hosts.add)
        timer.start()
        assert_all_right(session.grade(tiny.jobs(12)), 12)
        timer.join()
    assert [
        line for line in session.said if "nothing can be graded on it: the disk is full" in line
    ]


def test_a_submission_that_cannot_be_graded_anywhere_says_why(tiny: Tiny, tmp_path: Path) -> None:
    preload = tmp_path / "broken.py"
    preload.write_text(BROKEN)
    with running(tmp_path) as hosts:
        hosts.add("--preload", str(preload))
        result = grade_class(tiny, hosts, count=1)
    assert result.errors["s00"].count("the disk is full") == 2


# Workers that are refused


def test_a_worker_without_a_sandbox_gets_no_job(tiny: Tiny, tmp_path: Path) -> None:
    with running(tmp_path) as hosts, Session(tiny.pack, hosts.address) as session:
        hosts.add(before=(sys.executable, "-c", BARE))
        hosts.add()
        assert_all_right(session.grade(tiny.jobs(6)), 6)
    (line,) = session.said
    assert "is refused: " in line and "expected: level 'reduced'" in line


def test_where_all_are_refused_grading_stops(tiny: Tiny, tmp_path: Path) -> None:
    with running(tmp_path) as hosts:
        hosts.add(before=(sys.executable, "-c", BARE))
        began = time.monotonic()
        with pytest.raises(ClusterError, match=r"1 refused: this machine cannot give") as caught:
            grade_class(tiny, hosts, wait_for_workers_s=10.0)
    assert "--wait-for-workers" in str(caught.value)
    assert time.monotonic() - began < 100.0


def test_a_worker_with_another_nbproctor_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(ROOT / "autograder/nbproctor", other / "nbproctor")
    with (other / "nbproctor/grading/grade.py").open("a") as file:
        file.write("# changed\n")
    with running(tmp_path) as hosts, Session(tiny.pack, hosts.address) as session:
        hosts.add(PYTHONPATH=str(other))
        hosts.add()
        assert_all_right(session.grade(tiny.jobs(4)), 4)
    (line,) = session.said
    assert re.search(r"is refused: nbproctor is source \w{12}, expected source \w{12}", line)


def test_a_worker_with_another_version_of_a_library_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0", "2.0"):
        about = tmp_path / version / f"oddlib-{version}.dist-info"
        about.mkdir(parents=True)
        (tmp_path / version / "oddlib.py").write_text("")
        (about / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: oddlib\nVersion: {version}\n"
        )
        (about / "top_level.txt").write_text("oddlib\n")
    monkeypatch.syspath_prepend(tmp_path / "1.0")
    versions._version.cache_clear()
    versions._distributions.cache_clear()
    odd = Tiny(tmp_path / "lesson", TINY.replace("import math", "import math, oddlib"))
    with running(tmp_path) as hosts:
        hosts.add(PYTHONPATH=str(tmp_path / "2.0"))
        with pytest.raises(ClusterError, match=r"oddlib is 2\.0, .*expected 1\.0, "):
            grade_class(odd, hosts, wait_for_workers_s=20.0)
    versions._distributions.cache_clear()


def test_a_worker_without_nbproctor_is_refused(tiny: Tiny, tmp_path: Path) -> None:
    empty = tmp_path / "empty" / "nbproctor"
    empty.mkdir(parents=True)
    (empty / "__init__.py").write_text("")
    with running(tmp_path) as hosts:
        hosts.add(PYTHONPATH=str(empty.parent))
        with pytest.raises(ClusterError, match=r"1 refused: ModuleNotFoundError: .*nbproctor"):
            grade_class(tiny, hosts, wait_for_workers_s=20.0)
        assert hosts.workers[0].poll() is None


# The scheduler, and the way there


def test_a_scheduler_that_is_not_there(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nbproctor.crew.cluster_link.CONNECT_S", 2.0)
    with pytest.raises(ClusterError, match=r"does not answer"):
        Session(tiny.pack, "tcp://127.0.0.1:9").__enter__()


def test_a_scheduler_that_goes_away(tiny: Tiny, tmp_path: Path) -> None:
    kept = []
    with running(tmp_path) as hosts, Session(tiny.pack, hosts.address) as session:
        hosts.add()

        def grade() -> None:
            for done in session.crew.grade(tiny.jobs(30)):
                kept.append(done)
                if len(kept) == 3:
                    hosts.scheduler.kill()

        with pytest.raises(ClusterError, match=r"has gone; what was graded until now is kept"):
            grade()
    assert 3 <= len(kept) < 30 and all(done.graded for done in kept)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "there is no cluster"),
        ({"address": "tcp://10.0.0.7:8786"}, "could read the hidden tests"),
        ({"address": "localhost:8786"}, "an address looks like"),
        ({"address": "tls://a:1", "cluster_class": "a.B"}, "either there"),
        ({"address": "tls://a:1", "tls_cert": "cert.pem"}, "TLS takes three files"),
        ({"cluster_class": "distributed.NoSuch"}, "cannot be made"),
        ({"cluster_class": "distributed.Security", "cluster_options": {"no": 1}}, "cannot be made"),
        ({"cluster_class": "a.B", "minimum": 3, "maximum": 2}, "minimum is above"),
        ({"address": "tls://a:1", "wait_for_workers_s": -1.0}, "negative"),
    ],
)
def test_settings_that_do_not_lead_to_a_cluster(
    tiny: Tiny, settings: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        ClusterCrew({"tiny": tiny.pack}, Cluster(**settings), print).__enter__()


def test_an_unknown_setting_is_refused() -> None:
    from traitlets.config import Config

    with pytest.raises(ConfigError, match="no setting adress"):
        Cluster(config=Config({"Cluster": {"adress": "tls://a:1"}}))


def test_resources_are_read_as_dask_reads_them() -> None:
    assert resources_from("GPU=1, memory=4e9") == {"GPU": 1.0, "memory": 4e9}
    with pytest.raises(ConfigError, match="GPU=one"):
        resources_from("GPU=one")


def test_a_cluster_class_grows_from_nothing_and_is_closed(tiny: Tiny, tmp_path: Path) -> None:
    options = {
        "n_workers": 0,
        "threads_per_worker": 1,
        "dashboard_address": "127.0.0.1:0",
        "memory_limit": 0,
        "local_directory": str(tmp_path),
    }
    settings = {
        "cluster_class": "distributed.LocalCluster",
        "cluster_options": options,
        "minimum": 0,
        "maximum": 2,
    }
    with Session(tiny.pack, "", **settings) as session:
        assert_all_right(session.grade(tiny.jobs(8)), 8)


def test_over_tls(tiny: Tiny, tmp_path: Path) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=nbproctor"
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    subprocess.run(
        ["openssl", *words.split(), "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    names = {"tls_ca_file": str(cert), "tls_cert": str(cert), "tls_key": str(key)}
    theirs = ["--tls-ca-file", str(cert), "--tls-cert", str(cert), "--tls-key", str(key)]
    with running(tmp_path / "tls", "--protocol", "tls", *theirs) as hosts:
        hosts.add(*theirs)
        assert hosts.address.startswith("tls://")
        assert_all_right(grade_class(tiny, hosts, count=2, **names), 2)
        with pytest.raises(ClusterError, match=r"does not answer|TLS|tls"):
            grade_class(tiny, hosts, count=1)


def test_only_the_cluster_modules_load_dask() -> None:
    modules = "nbproctor.commands.cli, nbproctor.crew.cluster_settings, sys"
    program = f"import {modules}; print('dask' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_what_a_killed_worker_had_started_ends_with_it(tiny: Tiny, tmp_path: Path) -> None:
    with running(tmp_path) as hosts, Session(tiny.pack, hosts.address) as session:
        worker = hosts.add()
        sleeper = tiny.job("sleeper", {**RIGHT, "double": "import time\ntime.sleep(4)"})
        begun = session.crew.grade(iter([tiny.job("first"), sleeper]))
        assert next(begun).graded is not None
        deadline = time.monotonic() + 60.0
        while not (below := descendants(worker.pid)) and time.monotonic() < deadline:
            time.sleep(0.05)
        worker.kill()
        while (left := [pid for pid in below if is_alive(pid)]) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert below and not left
        begun.close()


def descendants(pid: int) -> list[int]:
    """Processes below one."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return []
    # A process started by another thread of the worker's stands with that thread.
    for task in Path(f"/proc/{pid}/task").iterdir():
        if task.name != str(pid):
            children += (task / "children").read_text().split()
    return [below for child in map(int, children) for below in (child, *descendants(child))]


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


# A class, by command


def command(folder: Path, *options: str) -> tuple[int, list[dict[str, Any]], str]:
    """`nbproctor grade` in a course folder: exit status, what it told of students, stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "nbproctor.commands.cli", "grade", "tiny", "--json", *options],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, [line for line in lines if "student" in line], done.stderr


def class_of(folder: Path, count: int) -> dict[str, float]:
    """A course where `count` students handed in; the score of each."""
    made = released(course(folder))
    scores = {}
    for n in range(count):
        wrong = {"double": f"def double(x):\n    return {n}"} if n % 3 == 0 else {}
        answers = {**RIGHT, "essay": f"Because of {n}.", **wrong}  # no two are the same
        submit(folder, f"s{n:02}", fill(made, answers))
        scores[f"s{n:02}"] = 3.0 if wrong else 5.0
    return scores


@pytest.mark.slow
def test_a_class_is_graded_on_a_cluster_and_again_without(tmp_path: Path) -> None:
    (tmp_path / "course").mkdir()
    scores = class_of(tmp_path / "course", 6)
    with running(tmp_path / "cluster") as hosts:
        hosts.add()
        hosts.add()
        options = ["--scheduler", hosts.address, "--feedback"]
        status, told, errors = command(tmp_path / "course", *options)
        assert (status, errors) == (0, "")
        assert {line["student"]: line["score"] for line in told} == scores
        assert {line["how"] for line in told} == {"graded"}
    status, told, _ = command(tmp_path / "course", "--workers", "1")
    assert (status, {line["how"] for line in told}) == (0, {"unchanged"})
    assert {line["student"]: line["score"] for line in told} == scores
    made = sorted((tmp_path / "course" / "feedback").glob("*/tiny/tiny.html"))
    pages = {path: path.read_bytes() for path in made}
    Course(tmp_path / "course").generate_feedback("tiny")
    assert len(pages) == 6 and pages == {path: path.read_bytes() for path in made}


@pytest.mark.slow
def test_grading_again_is_previewed_on_a_cluster(tmp_path: Path) -> None:
    folder = tmp_path / "course"
    folder.mkdir()
    scores = class_of(folder, 3)

    def regrade(*options: str) -> str:
        words = [sys.executable, "-m", "nbproctor.commands.cli", "regrade", "tiny", *options]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, ""), done
        return done.stdout

    with running(tmp_path / "cluster") as hosts:
        hosts.add()
        told = regrade("--preview", "--scheduler", hosts.address)
        assert "get their first mark: 3" in told and Course(folder).scores("tiny") == []
        for worker in hosts.workers:
            worker.kill()
        assert regrade("--preview", "--scheduler", hosts.address) == told, "the ledger knows"
    regrade("--apply")
    assert {s.student: s.score for s in Course(folder).scores("tiny")} == scores


def test_a_node_makes_a_page_or_says_that_it_cannot(tmp_path: Path) -> None:
    classes.grade_as(classes.tiny_course(tmp_path), {"ann": classes.Graded()})
    course = Course(tmp_path)
    course.generate_feedback("tiny")
    graded = (tmp_path / "autograded" / "ann" / "tiny" / "tiny.ipynb").read_bytes()
    engine = open_gradebook(course.coursedir.db_url)
    penalties = Filing(course, "tiny", ["tiny"]).penalties
    shown = MarksWriter(engine, "tiny", penalties).shown(["ann"])["ann"]["tiny"]
    engine.dispose()
    ids, settings = PageIds("tiny", "ann", "tiny"), settings_of(course.config)
    assert settings is not None and "db_url" not in settings
    order = order_for(settings, ids, shown)
    page = tmp_path / "feedback" / "ann" / "tiny" / "tiny.html"
    assert node.make_page(order, graded) == (node.Answer.GRADED, "", page.read_bytes())
    other = json.loads(order)
    other["versions"]["nbconvert"] = "1.0"
    nothing = (node.Answer.GRADED, "", b"")
    assert node.make_page(json.dumps(other).encode(), graded) == nothing
    assert node.make_page(order, graded.replace(b"passed", b"failed")) == nothing


@pytest.mark.slow
def test_a_class_whose_scheduler_goes_away_goes_on_later(tmp_path: Path) -> None:
    """The course's settings name the cluster. What was graded is not graded again."""
    folder = tmp_path / "course"
    folder.mkdir()
    with running(tmp_path / "cluster") as hosts:
        hosts.add()
        scores = class_of(folder, 60)
        with (folder / "nbgrader_config.py").open("a") as file:
            file.write(f"c.Cluster.address = '{hosts.address}'\n")
        timer = threading.Timer(1.0, until_graded, [folder, 3, hosts.scheduler.kill])
        timer.start()
        status, told, errors = command(folder)
        timer.join()
        assert status == 2 and "the scheduler of the cluster has gone" in errors
        assert "Traceback" not in errors.partition("nbproctor: the scheduler")[2]
        kept = {line["student"] for line in told}
        assert 3 <= len(kept) < 60
    status, told, _ = command(folder, "--workers", "2")
    assert status == 0
    assert {line["student"]: line["score"] for line in told} == scores
    again = {line["student"] for line in told if line["how"] == "graded"}
    assert again == scores.keys() - kept


def until_graded(folder: Path, count: int, then: Callable[[], None]) -> None:
    """Wait until some students have their results, then do something."""
    deadline = time.monotonic() + 120.0
    while len(list(folder.glob("autograded/s*"))) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    then()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--resources", "GPU=1"], "are for clusters"),
        (["--scheduler", "tcp://127.0.0.1:1", "--resources", "GPU"], "NAME=AMOUNT"),
    ],
)
def test_commands_that_contradict_themselves(
    tmp_path: Path, options: list[str], words: str
) -> None:
    shutil.copy(ROOT / "nbgrader_config.py", tmp_path)
    status, told, errors = command(tmp_path, *options)
    assert (status, told) == (2, []) and words in errors
