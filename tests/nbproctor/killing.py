"""Control processes to be killed: forked from a server that has imported nbgrader once.

The server adopts what a killed control process leaves behind, so nothing of it can hide.
"""

import ctypes
import multiprocessing
import os
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

SET_CHILD_SUBREAPER = 36
# What a process does to the course's files; each is a moment to be killed at.
FILE_EVENTS = (
    "open",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.remove",
    "os.chmod",
    "shutil.rmtree",
)


@dataclass(frozen=True)
class Job:
    """One grading run over a course.

    It kills itself before its `file_event`th change of a file in the course folder, or after its
    `statement`th change of the gradebook; 0 is never. With `workers` it is a run of `nbproctor
    grade`, without them one of nbgrader's own command.
    """

    folder: Path
    scratch: Path
    force: bool = False
    file_event: int = 0
    statement: int = 0
    workers: int = 0


class Server:
    """Starts control processes, says how they ended and what is left of them."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self.process.start()
        theirs.close()

    def start(self, job: Job) -> int:
        """Begin a run; returns the id of its process."""
        return self._ask(_fork, job)

    def wait(self, pid: int) -> int:
        """Wait for a run to end; its exit status, negative for a signal."""
        return self._ask(_wait, pid)

    def leftovers(self) -> list[str]:
        """Command lines of processes that outlived the runs that made them."""
        return self._ask(_leftovers, None)

    def close(self) -> None:
        self.pipe.close()
        self.process.join()

    def _ask(self, function: Callable[[Any], Any], argument: object) -> Any:
        self.pipe.send((function, argument))
        return self.pipe.recv()


def _serve(pipe: Connection) -> None:
    import nbproctor.classes.classrun
    import nbproctor.crew.pool  # noqa: F401

    assert len(os.listdir("/proc/self/task")) == 1, "a process with threads must not fork"
    ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1)
    while True:
        try:
            function, argument = pipe.recv()
        except EOFError:
            return
        pipe.send(function(argument))


def _fork(job: Job) -> int:
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            _run(job)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    return pid


def _run(job: Job) -> None:
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    from nbproctor.store.gradebook import Course

    with (job.folder / "run.log").open("ab") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    warnings.simplefilter("ignore")
    os.environ["TMPDIR"] = str(job.scratch)
    tempfile.tempdir = None
    countdown = _Countdown(job)
    sys.addaudithook(countdown.see_file)
    event.listen(Engine, "after_cursor_execute", countdown.see_statement)
    if job.workers:
        _grade_class(job)
    else:
        Course(job.folder).autograde("tiny", force=job.force)


def _grade_class(job: Job) -> None:
    from nbproctor.classes.classrun import grade_class
    from nbproctor.classes.due import Rerun
    from nbproctor.classes.watching import Quiet
    from nbproctor.crew.pool import LocalCrew
    from nbproctor.store.gradebook import Course

    def crew(packs: Any) -> LocalCrew:
        return LocalCrew(packs, job.workers)

    rerun = Rerun.ALL if job.force else Rerun.CHANGED
    grade_class(Course(job.folder), "tiny", crew, Quiet(), rerun=rerun)


class _Countdown:
    """Kills its process at the moment that a job names."""

    def __init__(self, job: Job) -> None:
        self.files, self.statements, self.folder = job.file_event, job.statement, str(job.folder)

    def see_file(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook: called before the event."""
        if event not in FILE_EVENTS or not str(arguments[0]).startswith(self.folder):
            return
        if event == "open" and not (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            return
        self.files -= 1
        if self.files == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def see_statement(self, _connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE")):
            self.statements -= 1
            if self.statements == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _wait(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _leftovers(_: None) -> list[str]:
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return []
    return [command_of(pid) for pid in descendants(os.getpid())]


def descendants(pid: int) -> Iterator[int]:
    """All processes below one."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def children(pid: int) -> list[int]:
    """Processes that one has started."""
    found = []
    for task in _listed(f"/proc/{pid}/task"):
        found += [int(child) for child in _text(f"/proc/{pid}/task/{task}/children").split()]
    return found


def command_of(pid: int) -> str:
    return _text(f"/proc/{pid}/cmdline").replace("\0", " ").strip()


def name_of(pid: int) -> str:
    return _text(f"/proc/{pid}/comm").strip()


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:
        return ""
