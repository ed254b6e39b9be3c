"""SIGKILL at any moment, to any process of a run: the next run makes every mark what it must be."""

import contextlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from statistics import median

import pytest
from fixtures import RIGHT, TINY, fill, notebook, write
from killing import Job, Server, children, descendants, name_of

from nbproctor.course.records import CellResult, Verdict
from nbproctor.course.sealed import read_sealed
from nbproctor.errors import UnfinishedError
from nbproctor.scratch import ScratchFolder
from nbproctor.store.gradebook import Course

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks for victims in /proc"),
]

ROOT = Path(__file__).parents[2]
SEED = 20261121
AT_ONCE = 2
PATIENCE_S = 120.0
HALF_RIGHT = {**RIGHT, "half": "def half(x):\n    return 0.5 if x == 1 else 7"}
OLD = {"ann": {}, "bob": HALF_RIGHT}
NEW = {"ann": HALF_RIGHT, "bob": RIGHT}

Marks = dict[str, float | None]
OLD_MARKS: dict[str, Marks] = {
    "ann": {"test_double": 0.0, "test_half": 0.0, "essay": 0.0},
    "bob": {"test_double": 2.0, "test_half": 1.0, "essay": None},
}
NEW_MARKS: dict[str, Marks] = {
    "ann": {"test_double": 2.0, "test_half": 1.0, "essay": None},
    "bob": {"test_double": 2.0, "test_half": 3.0, "essay": None},
}
NO_MARKS: Marks = dict.fromkeys(("test_double", "test_half", "essay"))


@dataclass(frozen=True)
class Situation:
    """How a course stands when the run that will be killed begins."""

    name: str
    template: Path
    force: bool = False
    workers: int = 0


@dataclass
class Trial:
    """A copy of a course, and a run over it."""

    situation: Situation
    server: Server
    rng: random.Random
    folder: Path
    scratch: Path
    hit: str = "nothing"
    problems: list[str] = field(default_factory=list)

    def job(self, **settings: int) -> Job:
        workers = self.situation.workers
        return Job(self.folder, self.scratch, self.situation.force, workers=workers, **settings)

    def expect(self, is_so: object, problem: object) -> None:
        if not is_so:
            self.problems.append(str(problem))


def graded(folder: Path, student: str) -> Path:
    return folder / "autograded" / student / "tiny" / "tiny.ipynb"


def hand_in(folder: Path, answers: dict[str, dict[str, str]]) -> None:
    import nbformat

    blank = nbformat.read(folder / "notebooks" / "tiny" / "tiny.ipynb", 4)
    for student, given in answers.items():
        write(folder / "submitted" / student / "tiny" / "tiny.ipynb", fill(blank, given))


@pytest.fixture(scope="module")
def situations(tmp_path_factory: pytest.TempPathFactory) -> list[Situation]:
    """Nothing graded yet; all graded and to be graded again; all graded and handed in again."""
    first, again, changed = (
        Situation(name, tmp_path_factory.mktemp(name), force=name == "again")
        for name in ("first", "again", "changed")
    )
    shutil.copy(ROOT / "nbgrader_config.py", first.template)
    write(first.template / "solutions" / "tiny" / "tiny.ipynb", notebook(TINY))
    Course(first.template).release("tiny")
    for situation, answers in ((again, NEW), (changed, OLD)):
        shutil.copytree(first.template, situation.template, dirs_exist_ok=True)
        hand_in(situation.template, answers)
        Course(situation.template).autograde("tiny")
    hand_in(first.template, NEW)
    hand_in(changed.template, NEW)
    return [first, again, changed]


@pytest.fixture(scope="module")
def servers() -> Iterator["SimpleQueue[Server]"]:
    made = [Server() for _ in range(AT_ONCE)]
    idle: SimpleQueue[Server] = SimpleQueue()
    for server in made:
        idle.put(server)
    yield idle
    for server in made:
        server.close()


@pytest.fixture(scope="module")
def length(servers: "SimpleQueue[Server]", situations: list[Situation]) -> "Length":
    """How long an undisturbed run takes while as many run at once as in the trials."""

    def undisturbed(trial: Trial) -> None:
        began = time.monotonic()
        status = trial.server.wait(trial.server.start(trial.job()))
        trial.hit = str(time.monotonic() - began)
        trial.expect(status == 0, f"ended with {status}")

    seconds = run_trials(undisturbed, 2 * AT_ONCE, situations, servers)
    return Length(median(float(s) for s in seconds.elements()))


@dataclass
class Length:
    """How long runs take, at the moment: a machine may become quicker while trials are made."""

    seconds: float

    @contextlib.contextmanager
    def of_a_miss(self, trial: Trial) -> Iterator[None]:
        """A run in which nothing was killed has shown how long it takes."""
        began = time.monotonic()
        yield
        if trial.hit == "nothing":
            self.seconds = min(self.seconds, time.monotonic() - began)


def run_trials(
    trial: Callable[[Trial], None],
    count: int,
    situations: list[Situation],
    servers: "SimpleQueue[Server]",
) -> Counter[str]:
    """Make `count` trials, some at once; what was hit how often."""

    def one(number: int) -> Trial:
        server = servers.get()
        # Sockets stand in there: their paths must be short.
        place = Path(tempfile.mkdtemp(prefix="k-", dir="/tmp")).resolve()
        situation = situations[number % len(situations)]
        rng = random.Random(f"{SEED} {trial.__name__} {number}")
        made = Trial(situation, server, rng, place / "course", place / "t")
        made.scratch.mkdir()
        shutil.copytree(situation.template, made.folder, copy_function=shutil.copy2)
        try:
            trial(made)
        except Exception as error:
            made.problems.append(repr(error))
        if made.problems:
            made.problems.append((made.folder / "run.log").read_text()[-3000:])
        shutil.rmtree(place)
        servers.put(server)
        return made

    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(one, range(count)))
    bad = [
        f"trial {n}, {t.situation.name}, {t.hit}: " + "\n    ".join(t.problems)
        for n, t in enumerate(done)
        if t.problems
    ]
    assert not bad, f"{len(bad)} of {count} trials:\n" + "\n".join(bad)
    hit = Counter(trial.hit for trial in done)
    print(f"{trial.__name__}: {dict(hit)}")
    return hit


def kill(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def check_leftovers(trial: Trial) -> None:
    """Processes end by themselves soon after the run that made them, however that ended."""
    deadline = time.monotonic() + PATIENCE_S
    while (left := trial.server.leftovers()) and time.monotonic() < deadline:
        time.sleep(0.02)
    trial.expect(not left, f"processes are left: {left}")


def check_after_kill(trial: Trial) -> None:
    """What a control process leaves: whole results, complete marks, a sound gradebook."""
    check_leftovers(trial)
    check_gradebook(trial)
    course = Course(trial.folder)
    waiting = course.unfinished("tiny")
    marks = {score.student: score.cells for score in course.scores("tiny")}
    for student, new in NEW_MARKS.items():
        allowed = {
            "first": [NO_MARKS, new],
            "again": [new],
            "changed": [OLD_MARKS[student], new],
        }[trial.situation.name]
        if student in marks or trial.situation.name != "first":
            trial.expect(marks.get(student) in allowed, f"{student} has {marks.get(student)}")
        notebook = verdicts(trial, student)
        if notebook is None:
            trial.expect(trial.situation.name == "first", f"the result of {student} is lost")
            trial.expect(student in waiting, f"{student} would be forgotten")
        else:
            trial.expect(notebook in allowed, f"{student}'s notebook says {notebook}")
            whole = student not in waiting
            trial.expect(not whole or notebook == marks[student] == new, f"{student}: {waiting}")


def verdicts(trial: Trial, student: str) -> Marks | None:
    """Scores in the graded notebook, which is whole or not there; None where there is none."""
    aside = trial.folder / "autograded" / ".unfinished" / "old" / student / "tiny" / "tiny.ipynb"
    for path in (graded(trial.folder, student), aside):
        if path.exists():
            try:
                return {r.grade_id: r.score for r in read_sealed(path).results}
            except UnfinishedError as error:
                trial.problems.append(str(error))
    return None


def check_gradebook(trial: Trial) -> None:
    with contextlib.closing(sqlite3.connect(trial.folder / "gradebook.db")) as connection:
        (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
    trial.expect(answer == "ok", answer)


def check_rerun(trial: Trial, force: bool = False) -> None:
    """The next run: exactly the honest marks, in gradebook and notebooks, and nothing else left."""
    course = Course(trial.folder)
    waiting = course.unfinished("tiny")
    kept = {s: graded(trial.folder, s).stat().st_ino for s in NEW if s not in waiting}
    workers = trial.situation.workers
    job = Job(trial.folder, trial.scratch, force, workers=workers)
    status = trial.server.wait(trial.server.start(job))
    trial.expect(status == 0, f"the next run ended with {status}")
    check_leftovers(trial)
    check_gradebook(trial)
    trial.expect(course.unfinished("tiny") == {}, course.unfinished("tiny"))
    found = {score.student: score.cells for score in course.scores("tiny")}
    trial.expect(found == NEW_MARKS, f"the gradebook has {found}")
    for student, marks in NEW_MARKS.items():
        notebook = verdicts(trial, student)
        trial.expect(notebook == marks, f"{student}'s notebook says {notebook}")
    for student in () if force else kept:
        same = graded(trial.folder, student).stat().st_ino == kept[student]
        trial.expect(same, f"{student} was graded again")
    files = [p for p in trial.folder.glob("autograded/.unfinished/**/*") if p.is_file()]
    files += [*trial.scratch.iterdir(), *trial.folder.glob("gradebook.db?*")]
    trial.expect(not files, f"files are left: {files}")


def test_control_process_killed_at_any_moment(
    servers: "SimpleQueue[Server]", situations: list[Situation], length: Length
) -> None:
    def control_at_a_moment(trial: Trial) -> None:
        with length.of_a_miss(trial):
            pid = trial.server.start(trial.job())
            time.sleep(trial.rng.uniform(0, length.seconds))
            trial.hit = "control" if is_running(pid) and kill(pid) else "nothing"
            trial.expect(trial.server.wait(pid) in (0, -signal.SIGKILL), "the run failed")
        check_after_kill(trial)
        check_rerun(trial)

    hit = run_trials(control_at_a_moment, 30, situations, servers)
    assert hit["control"] >= 15, hit


def test_control_process_killed_between_any_two_file_operations(
    servers: "SimpleQueue[Server]", situations: list[Situation]
) -> None:
    def control_at_a_file(trial: Trial) -> None:
        last = 33 if trial.situation.name == "first" else 39
        die_at(trial, file_event=trial.rng.randint(1, last))

    hit = run_trials(control_at_a_file, 20, situations, servers)
    assert hit["control"] >= 10, hit


def test_control_process_killed_while_the_gradebook_changes(
    servers: "SimpleQueue[Server]", situations: list[Situation]
) -> None:
    first, _, changed = situations  # the same marks again change nothing

    def control_at_a_statement(trial: Trial) -> None:
        # Only a student's first submission makes rows.
        die_at(trial, statement=trial.rng.randint(1, 7 if trial.situation is first else 4))

    hit = run_trials(control_at_a_statement, 10, [first, changed], servers)
    assert hit["control"] >= 5, hit


def die_at(trial: Trial, **moment: int) -> None:
    """A run that kills itself at a certain moment, and what comes after it."""
    status = trial.server.wait(trial.server.start(trial.job(**moment)))
    trial.hit = "control" if status == -signal.SIGKILL else "nothing"
    trial.expect(status in (0, -signal.SIGKILL), "the run failed")
    check_after_kill(trial)
    check_rerun(trial)


@pytest.mark.parametrize("role", ["kernel_app", "judge", "forkserver"])
def test_a_process_below_killed_at_any_moment(
    role: str, servers: "SimpleQueue[Server]", situations: list[Situation], length: Length
) -> None:
    """The run goes on: at most the cell that was hit loses its points, and the class is graded."""

    def one_below(trial: Trial) -> None:
        depth = trial.rng.randrange(3) if role != "forkserver" else 0
        with length.of_a_miss(trial):
            pid = trial.server.start(trial.job())
            time.sleep(trial.rng.uniform(0, length.seconds))
            while is_running(pid):
                victims = [chain[depth] for chain in sandboxes(pid, role) if len(chain) > depth]
                if victims and kill(victims[-1]):
                    trial.hit = f"{role} {depth}"
                    break
            trial.expect(trial.server.wait(pid) == 0, "the run did not go on")
        check_leftovers(trial)
        losses = [r for s in NEW for r in lost(trial, s)]
        trial.expect(len(losses) <= 1, f"more than one cell was lost: {losses}")
        check_rerun(trial, force=bool(losses))

    one_below.__name__ += f" {role}"
    hit = run_trials(one_below, 20, situations, servers)
    assert hit.total() - hit["nothing"] >= 10, hit


def sandboxes(control: int, role: str) -> Iterator[list[int]]:
    """The processes of each sandbox of a kernel or of a judge, from the outside in.

    A fork-server stands alone.
    """
    for server in children(control):
        if role == "forkserver":
            yield [server]
        for outside in children(server):
            if name_of(outside) == f"nbp-{role}":
                yield [outside, *descendants(outside)]


def lost(trial: Trial, student: str) -> list[CellResult]:
    """Cells whose verdict is not the honest one; these must say why."""
    results = read_sealed(graded(trial.folder, student)).results
    found = [r for r in results if r.score != NEW_MARKS[student][r.grade_id]]
    for result in found:
        known = result.verdict in (Verdict.KERNEL_DIED, Verdict.GRADER_ERROR)
        trial.expect(known, f"{student}: {result}")
    return found


def test_a_scratch_folder_stays_while_its_maker_lives(tmp_path: Path) -> None:
    program = (
        "import sys, time; from nbproctor.scratch import ScratchFolder\n"
        "folder = ScratchFolder(); print(folder.path, flush=True); time.sleep(600)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        theirs = Path(other.stdout.readline().strip())
        assert theirs.parent == tmp_path
        (theirs / "file").write_text("")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(tempfile, "tempdir", str(tmp_path))
            with ScratchFolder() as ours:
                assert theirs.is_dir()
                other.kill()
                other.wait()
                with ScratchFolder():
                    assert not theirs.exists()
                    assert Path(ours).is_dir()
    assert not list(tmp_path.iterdir())
