"""Workers on this machine: a process each, one submission at a time in each."""

import contextlib
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from nbproctor.config import Limits
from nbproctor.crew.frames import receive, send
from nbproctor.errors import ConfigError, GraderError
from nbproctor.grading.parcels import done_from_bytes, job_to_parcel, pack_to_parcel
from nbproctor.grading.work import Done, LessonPack, Task
from nbproctor.sandbox.process import strongest_level
from nbproctor.scratch import sweep

__all__ = ["LocalCrew", "WorkerProcess", "patience_s"]

TRIES = 2
STARTS = 3
STALL_S = 60.0
END_S = 12.0


def patience_s(limits: Limits) -> float:
    """Seconds after which a worker that has not answered hangs: all its limits say less."""
    starts = (limits.max_restarts + 2) * limits.start_timeout_s
    return 2 * (limits.notebook_timeout_s + limits.test_timeout_s + starts) + STALL_S


class LocalCrew:
    """Worker processes that end with this process, however that ends. A context manager.

    They are started with the first jobs; `first`, if there is one, was before. A worker that was
    killed is replaced, and its job given to another one, once.

    Raises:
        ConfigError: there is to be no worker.
        SandboxError: this machine cannot give the level that a lesson asks for.
    """

    def __init__(
        self,
        packs: Mapping[str, LessonPack],
        workers: int,
        first: "WorkerProcess | None" = None,
    ) -> None:
        if workers < 1:
            raise ConfigError("nobody would grade", expected="1 worker or more", got=workers)
        self.packs, self.count = packs, workers
        self._workers = [] if first is None else [first]
        self._failed_starts = 0

    def __enter__(self) -> Self:
        for level in {pack.sandbox for pack in self.packs.values()}:
            strongest_level(level)  # now rather than in every worker
        return self

    def __exit__(self, *_: object) -> None:
        self._dismiss(self._workers)

    def grade(self, jobs: Iterable[Task]) -> Iterator[Done]:
        """See `nbproctor.grading.work.Crew`. Jobs are taken in the thread that iterates.

        Raises:
            GraderError: no worker can be started.
        """
        source, again = iter(jobs), deque[_Try]()
        try:
            while True:
                self._hand_out(source, again)
                busy = [worker for worker in self._workers if worker.task is not None]
                if not busy:
                    return
                for worker in _with_news(busy):
                    done = self._hear(worker, again)
                    if done is not None:
                        yield done
        finally:
            self._dismiss([worker for worker in self._workers if worker.task is not None])

    def _hand_out(self, source: Iterator[Task], again: "deque[_Try]") -> None:
        """Give every worker that has none a job, as long as there are jobs."""
        for _ in range(self.count):
            idle = next((worker for worker in self._workers if worker.task is None), None)
            if idle is None and len(self._workers) == self.count:
                return
            task = again.popleft() if again else _next_of(source)
            if task is None:
                return
            if idle is None:
                idle = WorkerProcess()
                self._workers.append(idle)
            idle.begin(task)

    def _hear(self, worker: "WorkerProcess", again: "deque[_Try]") -> Done | None:
        """What a worker has to say, or what becomes of the job of one that has gone."""
        message = worker.hear()
        task = worker.task
        assert task is not None
        if message is None:
            return self._bury(worker, task, again)
        header, parts = message
        if header["kind"] == "ready":
            self._failed_starts = 0
            worker.get_ready(self.packs)
            return None
        worker.task = None
        if header["error"]:
            return Done(task.job, error=header["error"])
        return done_from_bytes(task.job, parts[0])

    def _bury(self, worker: "WorkerProcess", task: "_Try", again: "deque[_Try]") -> Done | None:
        self._workers.remove(worker)
        how = worker.stop()
        if not worker.is_ready:  # it has not seen the job
            self._failed_starts += 1
            if self._failed_starts == STARTS:
                raise GraderError("workers do not start", got=how)
            again.append(task)
            return None
        task.deaths.append(how)
        if len(task.deaths) < TRIES:
            again.append(task)
            return None
        return Done(task.job, error=f"{TRIES} workers ended while grading it: {how}")

    def _dismiss(self, workers: list["WorkerProcess"]) -> None:
        leaving = list(workers)
        for worker in leaving:
            worker.process.terminate()
        for worker in leaving:
            worker.stop()
            self._workers.remove(worker)
        if leaving:
            sweep()  # after those that had to be killed


@dataclass
class _Try:
    """A job, and how the workers ended that had it."""

    job: Task
    deaths: list[str] = field(default_factory=list)


def _next_of(source: Iterator[Task]) -> _Try | None:
    job = next(source, None)
    return None if job is None else _Try(job)


class WorkerProcess:
    """One worker process, and the job that it has.

    Args:
        modules: what kernels import: the worker has it imported before it is asked for anything.
    """

    def __init__(self, modules: Iterable[str] = ()) -> None:
        self.sock, theirs = socket.socketpair()
        self.sock.settimeout(STALL_S)
        self.log = tempfile.TemporaryFile()  # noqa: SIM115
        command = [sys.executable, "-I", "-m", "nbproctor.crew.worker"]
        with theirs:
            self.process = subprocess.Popen(
                [*command, str(theirs.fileno()), *sorted(modules)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self.log,
                stderr=self.log,
                start_new_session=True,  # an interrupt from the terminal is for this process
            )
        self.is_ready = False
        self.task: _Try | None = None

    def begin(self, task: _Try) -> None:
        """Take a job on; it is sent when the process is ready."""
        self.task = task
        self.deadline = time.monotonic() + Limits().start_timeout_s
        if self.is_ready:
            self._send_job()

    def get_ready(self, packs: Mapping[str, LessonPack]) -> None:
        self.is_ready = True
        self.patience_s = max(patience_s(pack.limits) for pack in packs.values())
        for pack in packs.values():
            self._send("pack", *pack_to_parcel(pack))
        self._send_job()

    def hear(self) -> tuple[dict[str, Any], list[bytes]] | None:
        """The message that has come; None if the process has gone, hangs, or is past its time."""
        try:
            return receive(self.sock)
        except TimeoutError:
            return None

    def stop(self) -> str:
        """End the process; how it ended."""
        self.sock.close()
        try:
            status = self.process.wait(END_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        with self.log:
            self.log.seek(max(self.log.seek(0, 2) - 2000, 0))
            lines = self.log.read().decode(errors="replace").strip().splitlines()
        how = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        return f"{how} ({lines[-1]})" if lines else how

    def _send_job(self) -> None:
        assert self.task is not None
        self.deadline = time.monotonic() + self.patience_s
        self._send("job", *job_to_parcel(self.task.job))

    def _send(self, kind: str, header: dict[str, Any], parts: list[bytes]) -> None:
        try:
            send(self.sock, {"kind": kind, **header}, *parts)
        except OSError:  # it has gone: whoever listens to it notices
            with contextlib.suppress(OSError):
                self.sock.shutdown(socket.SHUT_RDWR)


def _with_news(busy: list[WorkerProcess]) -> list[WorkerProcess]:
    """Wait until workers have something to say, or have had their time."""
    with selectors.DefaultSelector() as selector:
        for worker in busy:
            selector.register(worker.sock, selectors.EVENT_READ, worker)
        next_deadline = min(worker.deadline for worker in busy)
        found = selector.select(max(next_deadline - time.monotonic(), 0.0))
    late = [worker for worker in busy if worker.deadline <= time.monotonic()]
    for worker in late:
        worker.process.kill()
    return [key.data for key, _ in found] or late
