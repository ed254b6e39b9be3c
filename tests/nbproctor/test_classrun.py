"""A class graded by `nbproctor grade`: the same marks and files as by nbgrader's own command."""

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from courses import course, nbgrader, released, submit
from databases import rows_of, running_server
from fixtures import RIGHT, TINY, fill, notebook, own_cell, write
from killing import descendants
from nbgrader.api import Gradebook

from nbproctor.classes.classrun import grade_class
from nbproctor.classes.due import Rerun
from nbproctor.classes.feedback_pages import FeedbackPages
from nbproctor.classes.watching import Outcome, Quiet, Summary
from nbproctor.course.sealed import read_sealed
from nbproctor.crew.pool import LocalCrew
from nbproctor.errors import ConfigError, GradebookError, SandboxError
from nbproctor.grading.work import Done, Job, LessonPack, PageJob, Task
from nbproctor.sandbox.plan import Level
from nbproctor.store import pages
from nbproctor.store.gradebook import Course
from nbproctor.store.ledger import Ledger
from nbproctor.store.places import LEDGER, LOCK
from nbproctor.store.staging import FeedbackExporter

pytestmark = pytest.mark.slow

HALF_RIGHT = {**RIGHT, "half": "def half(x):\n    return 0.5 if x == 1 else 7"}
WRONG = {"double": "def double(x):\n    return x", "half": RIGHT["half"], "essay": ""}
SETTINGS = """
from nbgrader.plugins import BasePlugin
class Half(BasePlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return score / 2
c.AssignLatePenalties.plugin_class = Half
"""
LATE = "2026-11-21 10:00:00 UTC"


class Record(Quiet):
    """Remembers what a run told."""

    def __init__(self) -> None:
        self.outcomes: dict[str, Outcome] = {}
        self.said: list[str] = []

    def see(self, outcome: Outcome) -> None:
        assert outcome.student not in self.outcomes
        self.outcomes[outcome.student] = outcome

    def say(self, text: str) -> None:
        self.said.append(text)


class Counted(LocalCrew):
    """A crew that knows what it executed."""

    executed: list[str]

    def grade(self, jobs: Iterable[Task]) -> Iterator[Done]:
        return super().grade(self._noted(jobs))

    def _noted(self, jobs: Iterable[Task]) -> Iterator[Task]:
        for job in jobs:
            if isinstance(job, Job):
                self.executed.append(job.student)
            yield job


def run(folder: Path, *students: str, **settings: Any) -> tuple[Summary, Record, list[str]]:
    """Grade a class; the summary, what was told, and who was executed."""
    watch, executed = Record(), list[str]()

    def crew(packs: Mapping[str, LessonPack]) -> Counted:
        made = Counted(packs, 2)
        made.executed = executed
        return made

    summary = grade_class(Course(folder), "tiny", crew, watch, students, **settings)
    return summary, watch, sorted(executed)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'gradebook.db'}"


def class_of_seven(folder: Path, database: str = "") -> Path:
    """A lesson of two notebooks; submissions good, wrong, late, empty, broken and incomplete."""
    named = f"c.CourseDirectory.db_url = {database!r}\n" if database else ""
    folder.mkdir()
    write(folder / "solutions" / "tiny" / "more.ipynb", notebook(TINY))
    write(folder / "solutions" / "tiny" / "data" / "numbers.csv", "1,2\n")
    course(folder, more=SETTINGS + named)
    with Gradebook(database or url(folder)) as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate="2026-11-20 12:00:00 UTC")
    blank = released(folder)
    extra = fill(blank, RIGHT)
    extra.cells.insert(2, own_cell("print('of my own')"))
    extra.cells[2]["id"] = "own"
    for student, content in (
        ("ann", fill(blank, RIGHT)),
        ("bob", fill(blank, HALF_RIGHT)),
        ("cy", fill(blank, WRONG)),
        ("dan", blank),
        ("eve", "{"),
        ("fay", extra),
    ):
        when = LATE if student in ("bob", "cy") else "2026-11-20 10:00:00 UTC"
        for name in ("tiny", "more"):
            submit(folder, student, content, when, name)
    submit(folder, "gus", fill(blank, RIGHT))
    submitted = folder / "submitted" / "ann" / "tiny"
    write(submitted / "notes.txt", "not of the lesson")
    write(submitted / "data" / "numbers.csv", "3,4\n")
    (folder / "submitted" / "gus" / "tiny" / "timestamp.txt").unlink()
    return folder


@pytest.fixture(scope="module")
def graded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course whose class of seven was graded by `grade_class`."""
    folder = class_of_seven(tmp_path_factory.mktemp("class") / "course")
    summary, watch, executed = run(folder)
    assert summary.is_complete and summary.students == 7
    assert set(watch.outcomes) == set("ann bob cy dan eve fay gus".split())
    # What is equal is executed once; gus handed in the same as ann.
    assert len(executed) <= 12
    return folder


@pytest.fixture
def again(graded: Path, tmp_path: Path) -> Path:
    """A copy of the graded course."""
    folder = tmp_path / "again"
    shutil.copytree(graded, folder, copy_function=shutil.copy2)
    return folder


def files_of(folder: Path) -> dict[str, Any]:
    """All graded files with their permissions; notebooks without what differs between runs."""
    found: dict[str, Any] = {}
    for path in sorted((folder / "autograded").rglob("*")):
        if path.is_file():
            content = path.read_text()
            if path.suffix == ".ipynb":
                read_sealed(path)
                content = json.loads(content)
                for name in ("seal", "seconds"):
                    content["metadata"]["nbproctor"].pop(name)
                for cell in content["cells"]:
                    cell["metadata"].get("nbproctor", {}).pop("seconds", None)
            place = str(path.relative_to(folder))
            found[place] = (oct(path.stat().st_mode), content)
    return found


def test_marks_and_files_are_those_of_nbgraders_command(graded: Path, tmp_path: Path) -> None:
    stock, ours = tmp_path / "stock", tmp_path / "ours"
    shutil.copytree(graded, ours, copy_function=shutil.copy2)
    class_of_seven(stock)
    Course(stock).autograde("tiny")
    assert rows_of(url(ours)) == rows_of(url(stock))
    assert files_of(ours) == files_of(stock)
    for folder in (stock, ours):  # a person grades, and two students hand in again
        with Gradebook(url(folder)) as gradebook:
            for student in ("ann", "bob"):
                grade = gradebook.find_grade("essay", "tiny", "tiny", student)
                grade.manual_score, grade.needs_manual_grade = 1.5, False
                comment = gradebook.find_comment("essay", "tiny", "tiny", student)
                comment.manual_comment = "Why so?"
            gradebook.db.commit()
        submit(folder, "ann", fill(released(folder), HALF_RIGHT), LATE)
        submit(folder, "dan", fill(released(folder), RIGHT), LATE, "more")
    for student in ("ann", "dan"):
        Course(stock).autograde("tiny", student)
    _, _, executed = run(ours)
    assert set(executed) <= {"ann", "dan"}
    assert rows_of(url(ours)) == rows_of(url(stock))
    assert files_of(ours) == files_of(stock)
    assert Course(ours).unfinished("tiny") == {}


def test_a_class_is_graded_into_postgresql(graded: Path, tmp_path: Path) -> None:
    with running_server() as server:
        database = server.new_database()
        folder = class_of_seven(tmp_path / "course", database)
        # What was executed before is in the ledger: only the gradebook is another one.
        shutil.copytree(graded / ".nbproctor", folder / ".nbproctor")
        summary, _, executed = run(folder, feedback=True)
        assert summary.is_complete and executed == []
        assert rows_of(database) == rows_of(url(graded))
        assert run(folder)[0].how == {"unchanged": 7}
        submit(folder, "ann", fill(released(folder), {**HALF_RIGHT, "essay": "New."}), LATE)
        assert run(folder)[2] == ["ann"]
        (ann,) = [s for s in Course(folder).scores("tiny") if s.student == "ann"]
        assert ann.late_penalty == 1.5 + 2.5
    assert not (folder / "gradebook.db").exists()


def test_what_is_unchanged_is_not_executed(again: Path) -> None:
    summary, _, executed = run(again)
    assert executed == [] and summary.how == {"unchanged": 7}
    for student in ("ann", "fay"):  # nothing that is graded: outputs, metadata, a time stamp
        path = again / "submitted" / student / "tiny" / "tiny.ipynb"
        made = json.loads(path.read_text())
        made["metadata"]["mine"] = 1
        for cell in made["cells"]:
            cell["metadata"]["mine"] = 1
            if cell["cell_type"] == "code":
                text = {"output_type": "stream", "name": "stdout", "text": "2.0"}
                cell["outputs"] = [text]
        path.write_text(json.dumps(made))
    (again / "submitted" / "bob" / "tiny" / "timestamp.txt").write_text("2026-11-20 11:00:00 UTC")
    summary, _, executed = run(again)
    assert executed == [] and summary.how == {"unchanged": 4, "from the ledger": 3}
    bob = next(s for s in Course(again).scores("tiny") if s.student == "bob")
    assert bob.late_penalty == 0
    submit(again, "cy", fill(released(again), {**WRONG, "half": "half = 3"}))
    summary, _, executed = run(again)
    assert executed == ["cy"] and summary.how == {"unchanged": 6, "graded": 1}


def test_what_gradebook_or_files_lost_comes_back_from_the_ledger(again: Path) -> None:
    before = rows_of(url(again))
    with Gradebook(url(again)) as gradebook:
        gradebook.find_grade("test_half", "tiny", "tiny", "ann").auto_score = None
        gradebook.remove_submission("tiny", "bob")
        gradebook.db.commit()
    shutil.rmtree(again / "autograded" / "cy")
    for name in ("dan", "fay"):
        path = again / "autograded" / name / "tiny" / "tiny.ipynb"
        path.chmod(0o644)
        path.write_text(path.read_text() + " ")
    gus = again / "autograded" / ".unfinished" / "new" / "gus" / "tiny"
    shutil.copytree(again / "autograded" / "gus" / "tiny", gus)
    summary, _, executed = run(again)
    assert executed == [] and summary.how == {"from the ledger": 6, "unchanged": 1}
    assert rows_of(url(again)) == before
    assert Course(again).unfinished("tiny") == {}


def test_a_damaged_result_is_said_and_executed_again(again: Path) -> None:
    with contextlib.closing(sqlite3.connect(again / LEDGER)) as ledger:
        rows = ledger.execute("SELECT key, data FROM result WHERE notebook = 'tiny'").fetchall()
        for key, data in rows:
            changed = data[:20] + bytes([data[20] ^ 1]) + data[21:]
            ledger.execute("UPDATE result SET data = ? WHERE key = ?", (changed, key))
        ledger.commit()
    shutil.rmtree(again / "autograded" / "ann")
    before = rows_of(url(again))
    _, watch, executed = run(again)
    assert executed == ["ann"] and "is damaged: it is graded again" in watch.said[0]
    assert rows_of(url(again)) == before
    (again / LEDGER).write_bytes(b"no database at all, but long enough to look at" * 100)
    summary, watch, executed = run(again, "ann", "bob")
    assert "the ledger is damaged" in watch.said[0] and len(executed) == 4
    assert summary.is_complete and rows_of(url(again)) == before
    assert nbproctor(again, "ledger", "verify").returncode == 0
    data = bytearray((again / LEDGER).read_bytes())
    for page in range(2, len(data) // 4096):  # the header stays: it opens, and then cannot be read
        data[page * 4096] ^= 0xFF
    (again / LEDGER).write_bytes(data)
    told = nbproctor(again, "ledger", "verify")
    assert told.returncode == 1 and "the file is damaged" in told.stdout
    done = nbproctor(again, "grade", "tiny", "ann", "--quiet")
    assert done.returncode == 0 and done.stdout == "", done.stderr
    assert "the ledger is damaged" in done.stderr
    assert f"The damaged one is now {again / LEDGER}.damaged-2" in done.stderr
    assert rows_of(url(again)) == before
    assert nbproctor(again, "ledger", "verify").stdout == f"{again / LEDGER}: no problems\n"


def test_reports_of_another_version_are_made_again(again: Path) -> None:
    with Ledger(again / LEDGER, pytest.fail) as ledger:
        for student, odd in (("ann", {"old": 1}), ("bob", {"results": [{"verdict": "odd"}]})):
            old = ledger.standings("tiny", student).values()
            ledger.stand([replace(s, report={**s.report, **odd}) for s in old])
    told = nbproctor(again, "ledger", "why", "tiny", "bob").stdout
    assert "to be graded: it was graded by another version of nbproctor" in told
    summary, _, executed = run(again)
    assert executed == [] and summary.how == {"from the ledger": 2, "unchanged": 5}
    assert run(again)[0].how == {"unchanged": 7}


def test_another_lesson_version_or_limit_is_graded_again(again: Path) -> None:
    with (again / "nbgrader_config.py").open("a") as config:
        config.write("c.RebuildingExporter.limits = {'cell_timeout_s': 59}\n")
    assert run(again, "ann")[2] == ["ann", "ann"]
    told = nbproctor(again, "ledger", "why", "tiny", "bob").stdout
    assert "limits: cell_timeout_s: 60 then, 59 now" in told
    changed = notebook(TINY.replace("double(3) == 6", "double(3) == 7 - 1"))
    write(again / "solutions" / "tiny" / "tiny.ipynb", changed)
    with pytest.raises(GradebookError, match="generate_assignment tiny --force"):
        run(again)
    Course(again).release("tiny")
    assert run(again, "ann")[2] == ["ann"]
    told = nbproctor(again, "ledger", "why", "tiny", "bob").stdout
    assert "tiny: lesson and tests: " in told and "it will be executed" in told


def test_all_and_failed_are_executed_again(again: Path) -> None:
    slow = {**RIGHT, "double": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)"}
    submit(again, "gus", fill(released(again), slow))
    _, watch, executed = run(again, "ann", "gus")
    assert executed == ["gus"] and watch.outcomes["gus"].verdicts["kernel died"]
    assert run(again, "ann", "gus")[2] == []
    assert run(again, "ann", "gus", rerun=Rerun.FAILED)[2] == ["gus"]
    assert run(again, "ann", "gus", rerun=Rerun.ALL)[2] == ["ann", "ann", "gus"]


def nbproctor(folder: Path, *arguments: str, **settings: Any) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "nbproctor.commands.cli", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, **settings)


def test_the_command_says_what_it_did(again: Path) -> None:
    done = nbproctor(again, "grade", "tiny", "--json")
    *students, last = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [line["student"] for line in students] == "ann bob cy dan eve fay gus".split()
    assert students[0]["score"] == 10 and students[0]["max_score"] == 14
    assert students[0]["notebooks"]["tiny"]["cells"]["test_half"] == ["passed", 3.0]
    assert last["summary"]["how"] == {"unchanged": 7} and last["summary"]["complete"]
    (again / "submitted" / "hal" / "tiny").mkdir(parents=True)
    done = nbproctor(again, "grade", "t", "hal", "ann", "--quiet")
    assert done.returncode == 1 and done.stdout == ""
    assert "hal: no notebook of this lesson was handed in" in done.stderr
    done = nbproctor(again, "grade", "tiny")
    assert done.returncode == 1 and "without a mark: hal" in done.stdout
    assert "7 unchanged" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tiny", "zoe"], "nothing was handed in for tiny by zoe"),
        (["big"], "no single lesson is called 'big'"),
        (["new"], "the lesson is not released"),
        (["tiny", "--workers", "0"], "nobody would grade"),
    ],
)
def test_what_cannot_be_graded_is_said(arguments: list[str], message: str, again: Path) -> None:
    write(again / "solutions" / "new" / "new.ipynb", notebook(TINY))
    done = nbproctor(again, "grade", *arguments)
    assert done.returncode == 2 and message in done.stderr, done.stderr


def test_one_run_at_a_time(again: Path) -> None:
    import fcntl

    with (again / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("process 4711")
        lock.flush()
        with pytest.raises(ConfigError, match="being graded by another process") as caught:
            run(again)
        assert "got: process 4711" in str(caught.value)
        lock.truncate(0)
        timer = threading.Timer(1.0, fcntl.flock, [lock, fcntl.LOCK_UN])  # it ends meanwhile
        timer.start()
        assert run(again)[0].how == {"unchanged": 7}
        timer.join()


def test_nbgraders_command_and_ours_keep_each_other_out(again: Path) -> None:
    """Whichever comes second waits for some seconds, then says who is at work."""
    long = {**RIGHT, "double": "import time\ntime.sleep(40)\n" + RIGHT["double"]}
    submit(again, "ann", fill(released(again), long))
    before = rows_of(url(again))
    ours = [sys.executable, "-m", "nbproctor.commands.cli", "grade", "tiny", "ann", "--quiet"]
    theirs = [sys.executable, "-m", "nbgrader", "autograde", "tiny", "--student=ann", "--force"]
    for first, name in ((ours, "nbproctor grade tiny"), (theirs, "nbgrader autograde tiny")):
        process = subprocess.Popen(first, cwd=again, stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 120
        held = f"process {process.pid} ({name})"  # an earlier run's words may stand there still
        while held not in (again / LOCK).read_text() and time.monotonic() < deadline:
            time.sleep(0.1)
        told = nbgrader(again, "autograde", "tiny", "--student=bob", "--force", fails=True)
        assert "is being graded by another process" in told
        assert f"got: {held}" in told and str(again) in told
        done = nbproctor(again, "grade", "tiny", "bob")
        assert done.returncode == 2 and f"got: {held}" in done.stderr
        told = nbgrader(again, "generate_feedback", "tiny", "--student=bob", fails=True)
        assert f"got: {held}" in told
        assert process.poll() is None and rows_of(url(again)) == before
        process.kill()
        process.wait()
    nbgrader(again, "autograde", "tiny", "--student=bob", "--force")


def test_the_sandbox_asked_for_decides(again: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, watch, executed = run(again, "ann", sandbox=Level.OFF)
    assert watch.said[0].startswith("THE SANDBOX IS OFF") and executed == ["ann", "ann"]
    assert {r.sandbox for r in watch.outcomes["ann"].reports.values()} == {"off"}
    monkeypatch.setattr("nbproctor.sandbox.process._reason_against", lambda level: "no")
    with pytest.raises(SandboxError, match="cannot give student code the sandbox"):
        run(again, "ann", sandbox=Level.FULL)


@pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")
def test_a_student_cannot_reach_the_ledger(again: Path) -> None:
    place = (again / LEDGER).resolve()
    reach = f"def half(x):\n    return len(open({str(place)!r}, 'rb').read()) and x / 2"
    submit(again, "ann", fill(released(again), {**RIGHT, "half": reach}))
    _, watch, _ = run(again, "ann")
    cells = {c.grade_id: c for c in watch.outcomes["ann"].reports["tiny"].results}
    assert cells["test_half"].score == 0
    errors = ("FileNotFoundError", "PermissionError")
    assert any(error in cells["test_half"].message for error in errors)


def test_no_student_is_entered_where_the_course_says_so(again: Path) -> None:
    with (again / "nbgrader_config.py").open("a") as config:
        config.write("c.Autograde.create_student = False\n")
    for student in ("ann", "ida"):
        submit(again, student, fill(released(again), {**RIGHT, "essay": "New."}))
    summary, _, _ = run(again)
    assert list(summary.without) == ["ida"] and "does not know" in summary.without["ida"]
    assert len(rows_of(url(again))["submissions"]) == 7


def test_a_failing_penalty_concerns_its_student_only(again: Path) -> None:
    with (again / "nbgrader_config.py").open("a") as config:
        config.write(
            "class Broken(BasePlugin):\n"
            "    def late_submission_penalty(self, student_id, score, total_seconds_late):\n"
            "        raise RuntimeError(f'no penalty for {student_id}')\n"
            "c.AssignLatePenalties.plugin_class = Broken\n"
        )
    before = files_of(again)
    for student in ("ann", "bob"):
        when = LATE if student == "bob" else "2026-11-20 10:00:00 UTC"
        submit(again, student, fill(released(again), {**RIGHT, "essay": "New."}), when)
    summary, _, _ = run(again)
    assert summary.without == {"bob": "RuntimeError: no penalty for bob"}
    bobs = [name for name in before if "/bob/" in name]
    assert [files_of(again)[name] for name in bobs] == [before[name] for name in bobs]
    aside = again / "autograded" / ".unfinished"
    assert not [path for path in aside.rglob("*") if path.is_file()]


SLEEPY = {**RIGHT, "double": "import time\ntime.sleep(3)\n" + RIGHT["double"]}


def test_an_interrupt_lets_what_runs_come_to_its_end(again: Path) -> None:
    for number in range(6):
        answers = {**SLEEPY, "essay": f"Because of {number}."}
        submit(again, f"s{number}", fill(released(again), answers))
    process = _start(again)
    _await_jobs(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 1, err
    assert "finishing 2 submissions; press Ctrl-C again to stop now" in err
    assert "4 were not reached: the same command goes on with them" in out
    process = _start(again)
    _await_jobs(process)
    below = list(descendants(process.pid))
    for _ in range(2):
        process.send_signal(signal.SIGINT)
        time.sleep(0.5)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    deadline = time.monotonic() + 60
    while any(_is_running(pid) for pid in below) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not [pid for pid in below if _is_running(pid)]
    summary, _, executed = run(again)
    assert summary.is_complete and len(set(executed)) >= 2
    assert Course(again).unfinished("tiny") == {}


def _start(folder: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "nbproctor.commands.cli", "grade", "tiny", "--workers", "2"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, text=True, **streams)


def _await_jobs(process: "subprocess.Popen[str]") -> None:
    """Wait until both workers have something to do: each has started processes."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        if sum("nbproctor.crew.worker" in _command(pid) for pid in descendants(process.pid)) == 2:
            time.sleep(1)
            return
        time.sleep(0.1)


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text()
    return ""


def _is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def test_the_control_process_loads_no_torch() -> None:
    program = (
        "import nbproctor.classes.classrun, nbproctor.crew.pool, sys; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr
    program = "import nbproctor.crew.worker, sys; print({'torch', 'nbgrader'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "set()\n", done.stderr


def pages_of(folder: Path) -> dict[str, tuple[str, bytes]]:
    """All files of the feedback, with their permissions."""
    found = (path for path in sorted((folder / "feedback").rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): (oct(p.stat().st_mode), p.read_bytes()) for p in found}


def test_feedback_is_that_of_nbgraders_command(again: Path, tmp_path: Path) -> None:
    with Gradebook(url(again)) as gradebook:
        grade = gradebook.find_grade("essay", "tiny", "tiny", "bob")
        grade.manual_score, grade.extra_credit, grade.needs_manual_grade = 1.5, 0.25, False
        gradebook.find_comment("essay", "tiny", "tiny", "bob").manual_comment = "<b>Why</b> so?"
        gradebook.db.commit()
    submit(again, "ann", fill(released(again), {**HALF_RIGHT, "essay": "New."}), LATE)
    summary, _, executed = run(again, feedback=True)
    assert executed == ["ann"] and summary.is_complete and not summary.without_feedback
    ours = pages_of(again)
    stock = tmp_path / "stock"
    shutil.copytree(again, stock, copy_function=shutil.copy2)
    shutil.rmtree(stock / "feedback")
    Course(stock).generate_feedback("tiny")
    assert ours == pages_of(stock) and len(ours) == 7 * 2 - 1 + 7 - 1 + 7
    page = again / "feedback" / "bob" / "tiny" / "tiny.html"
    assert "Why" in page.read_text() and "<b>Why</b>" in page.read_text()
    before = {name: (again / name).stat().st_ino for name in ours}
    with Gradebook(url(again)) as gradebook:
        gradebook.find_grade("essay", "tiny", "tiny", "cy").manual_score = 2.0
        gradebook.db.commit()
    (again / "feedback" / "dan" / "tiny" / "tiny.html").unlink()
    assert run(again, feedback=True)[2] == []
    written = {name for name in ours if (again / name).stat().st_ino != before[name]}
    assert {name.split("/")[1] for name in written} == {"cy", "dan"}


def test_pages_are_made_by_workers_or_here_where_only_this_process_can(
    again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stock = again.parent / "stock"
    shutil.copytree(again, stock, copy_function=shutil.copy2)
    Course(stock).generate_feedback("tiny")
    expected, made_here = pages_of(stock), list[str]()
    inner = FeedbackExporter.from_filename

    def noted(self: Any, filename: str, *args: Any, **kwargs: Any) -> Any:
        made_here.append(filename)
        return inner(self, filename, *args, **kwargs)

    monkeypatch.setattr(FeedbackExporter, "from_filename", noted)
    run(again, feedback=True)
    assert pages_of(again) == expected and made_here == []
    shutil.rmtree(again / "feedback")
    monkeypatch.setattr(pages, "LIBRARIES", [*pages.LIBRARIES, "numpy"])  # workers have other ones
    pages._versions.cache_clear()
    run(again, "ann", feedback=True)
    assert {Path(name).parts[-3] for name in made_here} == {"ann"}
    made_here.clear()
    with (again / "nbgrader_config.py").open("a") as config:
        config.write("c.HTMLExporter.embed_images = True\n")  # reads files beside the notebook
    summary, _, executed = run(again, feedback=True)
    assert len(made_here) == 6 * 2 - 1 and executed == [] and not summary.without_feedback
    pages._versions.cache_clear()


def test_a_graded_notebook_that_has_gone_concerns_its_students_pages_only(
    again: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of its two notebooks the second: the page of the first one may be on its way by then."""
    place = FeedbackPages._graded

    def graded(self: FeedbackPages, student: str, notebook: str) -> Any:
        return place(self, student, "gone" if (student, notebook) == ("ann", "tiny") else notebook)

    monkeypatch.setattr(FeedbackPages, "_graded", graded)
    summary, _, _ = run(again, "ann", "bob", feedback=True)
    assert list(summary.without_feedback) == ["ann"]
    assert "FileNotFoundError" in summary.without_feedback["ann"]
    assert {name.split("/")[1] for name in pages_of(again)} == {"bob"}


def test_a_page_that_cannot_be_made_concerns_its_student_only(again: Path) -> None:
    path = again / "autograded" / "ann" / "tiny" / "tiny.ipynb"
    path.chmod(0o644)
    data = path.read_bytes()

    class Spoils(Counted):
        """Damages a graded notebook when its page is about to be made."""

        def _noted(self, jobs: Iterable[Task]) -> Iterator[Task]:
            for job in super()._noted(jobs):
                if isinstance(job, PageJob) and job.student == "ann":
                    path.write_bytes(data[:-9])
                    job = replace(job, graded=data[:-9])
                yield job

    def crew(packs: Mapping[str, LessonPack]) -> Spoils:
        made = Spoils(packs, 1)
        made.executed = []
        return made

    summary = grade_class(Course(again), "tiny", crew, Record(), ["ann", "bob"], feedback=True)
    assert list(summary.without_feedback) == ["ann"]
    assert "the graded notebook is not whole" in summary.without_feedback["ann"]
    assert {name.split("/")[1] for name in pages_of(again)} == {"bob"}
