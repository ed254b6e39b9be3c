"""Workers on other machines: each submission is a task of a Dask cluster.

The grader says which worker gets which submission, so that it knows what a worker had when it died.
Dask carries bytes there and back, and says who comes and goes. Nothing is left to its own retries:
a student whose code takes a worker along is found out, and costs two workers, not the class.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Self

from distributed import Future, KilledWorker

from nbproctor.crew import node
from nbproctor.crew.cluster_link import Link, linked
from nbproctor.crew.cluster_settings import Cluster
from nbproctor.crew.node import Answer
from nbproctor.crew.pool import TRIES, patience_s
from nbproctor.crew.roster import Roster, State, Worker
from nbproctor.errors import ClusterError
from nbproctor.grading.parcels import done_from_bytes
from nbproctor.grading.work import Done, LessonPack, PageJob, Task

__all__ = ["ClusterCrew"]

PLACES = 2  # one submission that a worker grades, and the next one
MAX_RETURNS = 20  # of workers that left in the middle of it, as they had announced
MAX_FAILURES = 3  # in a row: then it is the worker
TICK_S, LOOK_S = 1.0, 30.0


@dataclass(eq=False)
class _Task:
    """A job, and what came of it so far: how its workers failed, and how often one has left."""

    job: Task
    failures: list[str] = field(default_factory=list)
    returns: int = 0
    tried: set[str] = field(default_factory=set)


@dataclass(eq=False)
class _Attempt:
    """A task at a worker. `since` is when it became the worker's first.

    `is_over` is known before its result is here, which may be on its way when the worker dies.
    """

    task: _Task
    worker: Worker
    since: float
    future: Future[Any] | None = None
    is_over: bool = False

    def end(self, future: Future[Any]) -> None:
        """Called when Dask is done with it, be it because the worker died."""
        self.is_over = future.status == "finished"


class ClusterCrew:
    """A crew on the workers of a Dask scheduler. A context manager.

    Args:
        packs: the lessons, by the names that jobs have for them.
        tell: is given each line that a person should read.

    Raises:
        ConfigError: the settings do not say where, or the way there is not safe.
        ClusterError: the scheduler does not answer.
    """

    def __init__(
        self,
        packs: Mapping[str, LessonPack],
        settings: Cluster,
        tell: Callable[[str], None],
    ) -> None:
        self._packs, self._settings, self._tell = packs, settings, tell
        self._patience_s = settings.job_timeout_s or max(
            patience_s(pack.limits) for pack in packs.values()
        )
        self._until_the_end = ExitStack()
        self._source: Iterator[Task] | None = None
        self._waiting: deque[_Task] = deque()
        self._finished: deque[Done] = deque()

    def __enter__(self) -> Self:
        settings = self._settings
        self._link = self._until_the_end.enter_context(linked(settings))
        self._roster = Roster(self, self._link, self._packs, self._tell, settings.unprotected)
        self._roster.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._until_the_end.close()

    def grade(self, jobs: Iterable[Task]) -> Iterator[Done]:
        """See `Crew`. What a worker has begun when this is closed, it ends in vain.

        Raises:
            ClusterError: the scheduler has gone, or there is no worker that may grade.
        """
        self._source = iter(jobs)
        self._waiting.extend(self._pull())  # where there is no job, nobody waits for workers
        watch = _Watch(self._link, self._roster, self._settings.wait_for_workers_s)
        try:
            self._fill_all()
            while self._waiting or self._source or self._roster.is_busy:
                self._link.hear(TICK_S)
                watch.look_after(self._patience_s)
                while self._finished:
                    yield self._finished.popleft()
        finally:
            self._forget()

    def has_come(self, worker: Worker) -> None:
        self._fill(worker)

    def has_gone(self, worker: Worker, failure: str) -> None:
        """Take back what a worker had. What it was at may be why."""
        attempts, worker.attempts = worker.attempts, []
        current = next((attempt for attempt in attempts if not attempt.is_over), None)
        if current is not None and failure:
            current.task.failures.append(failure)
        elif current is not None:
            current.task.returns += 1
        for attempt in attempts:
            _release(attempt)
        for attempt in reversed(attempts):
            self._put_back(attempt.task)
        self._fill_all()

    def _fill_all(self) -> None:
        for worker in self._roster.ready:
            self._fill(worker)

    def _fill(self, worker: Worker) -> None:
        """Give a worker as much as it may have at a time."""
        while worker.state is State.READY and len(worker.attempts) < PLACES:
            task = self._next_for(worker)
            if task is None:
                return
            attempt = _Attempt(task, worker, time.monotonic())
            worker.attempts.append(attempt)
            attempt.future = self._link.call(
                worker.address,
                *self._call(task.job),
                then=partial(self._is_answered, attempt),
                takes_resources=True,
            )
            attempt.future.add_done_callback(attempt.end)

    def _call(self, job: Task) -> tuple[Any, ...]:
        """What a node is to do for a job, and with what."""
        if isinstance(job, PageJob):
            return node.make_page, job.order, job.graded
        lesson, handed_in = self._packs[job.notebook].digest, job.handed_in
        told = handed_in.data, handed_in.unreadable, dict(handed_in.variant)
        return node.grade, lesson, *told

    def _next_for(self, worker: Worker) -> _Task | None:
        """A task that failed elsewhere, a new one, or, for an idle worker, one that waits.

        What failed on this very worker comes last, and only where nobody else could try it: that
        the same worker fails twice says more of the worker than of the submission.
        """
        task = self._untried(worker) or next(self._pull(), None)
        if task is not None or worker.attempts:
            return task
        hopeful = {other.address for other in self._roster.hopeful}
        for task in self._waiting:
            if not hopeful - task.tried:
                self._waiting.remove(task)
                return task
        return self._take_from_another()

    def _untried(self, worker: Worker) -> _Task | None:
        """The first waiting task that this worker did not fail on."""
        for task in self._waiting:
            if worker.address not in task.tried:
                self._waiting.remove(task)
                return task
        return None

    def _pull(self) -> Iterator[_Task]:
        """The next job, if there is one."""
        if self._source is not None:
            job = next(self._source, None)
            if job is not None:
                yield _Task(job)
            else:
                self._source = None

    def _take_from_another(self) -> _Task | None:
        """What waits behind something else, when there is nothing else to do."""
        fullest = max(self._roster.ready, key=lambda worker: len(worker.attempts))
        if len(fullest.attempts) < 2:
            return None
        attempt = fullest.attempts.pop()
        _release(attempt)
        return attempt.task

    def _is_answered(self, attempt: _Attempt, outcome: Any) -> None:
        worker, task = attempt.worker, attempt.task
        if attempt not in worker.attempts or isinstance(outcome, KilledWorker):
            return  # it was taken back; or it will be, when the scheduler says that the worker died
        worker.attempts.remove(attempt)
        if worker.attempts:
            worker.attempts[0].since = time.monotonic()
        if isinstance(outcome, CancelledError | asyncio.CancelledError):
            self._link.check()
            task.returns += 1
            self._put_back(task)
        elif isinstance(outcome, BaseException):
            words = f"the grader failed: {type(outcome).__name__}: {outcome}"
            self._finished.append(Done(task.job, error=words))
        else:
            self._take(worker, task, *outcome)
        self._fill(worker)

    def _take(self, worker: Worker, task: _Task, answer: str, why: str, result: bytes) -> None:
        if answer == Answer.GRADED:
            worker.failures = 0
            self._finished.append(done_from_bytes(task.job, result))
        elif answer == Answer.MISTAKE:
            self._finished.append(Done(task.job, error=f"the grader failed: {why}"))
        elif answer == Answer.FAILED:
            worker.failures += 1
            task.failures.append(f"{why} (worker {worker})")
            task.tried.add(worker.address)
            self._put_back(task)
            if worker.failures == MAX_FAILURES:
                self._roster.refuse(worker, f"nothing can be graded on it: {why}")
        elif answer == Answer.UNFIT:
            self._put_back(task)
            self._roster.refuse(worker, why)
        else:
            task.returns += 1
            self._put_back(task)
            if worker.state is State.READY:
                self._roster.ask(worker)

    def _put_back(self, task: _Task) -> None:
        """Have a task tried once more, unless it had its tries."""
        if len(task.failures) >= TRIES:
            words = f"{TRIES} workers failed on it: {'; '.join(task.failures)}"
            self._finished.append(Done(task.job, error=words))
        elif task.returns > MAX_RETURNS:
            words = f"{task.returns} workers left before they had graded it"
            self._finished.append(Done(task.job, error=words))
        else:
            self._waiting.appendleft(task)

    def _forget(self) -> None:
        self._source = None
        self._waiting.clear()
        self._finished.clear()
        for worker in self._roster.workers:
            for attempt in worker.attempts:
                _release(attempt)
            worker.attempts.clear()


def _release(attempt: _Attempt) -> None:
    """Tell the scheduler that nobody wants the result any more."""
    if attempt.future is not None:
        attempt.future.release()


class _Watch:
    """Looks, about once a second, after workers that hang or are missing."""

    def __init__(self, link: Link, roster: Roster, wait_s: float) -> None:
        self._link, self._roster, self._wait_s = link, roster, wait_s
        self._ticked = self._looked = self._hoped = time.monotonic()
        self._wish: Future[Any] | None = None

    def look_after(self, patience_s: float) -> None:
        """Refuse workers that have not answered for `patience_s`.

        Raises:
            ClusterError: the scheduler has gone, or for too long nobody could grade.
        """
        self._link.check()
        now = time.monotonic()
        if now - self._ticked < TICK_S:
            return
        self._ticked = now
        if now - self._looked > LOOK_S:
            self._looked = now
            self._roster.look()
        self._roster.refuse_the_silent()
        for worker in self._roster.workers:
            if worker.attempts and now - worker.attempts[0].since > patience_s:
                student = worker.attempts[0].task.job.student
                why = f"it has not answered within {patience_s:g} s, when it graded {student}"
                self._roster.refuse(worker, why, failure=f"worker {worker} hung")
        if self._roster.hopeful:
            self._hoped = now
        elif now - self._hoped > self._wait_s:
            raise ClusterError(
                "no worker of the cluster may grade; what was graded until now is kept",
                expected=f"one within {self._wait_s:g} s (--wait-for-workers)",
                got=self._roster.reasons(),
                where=self._link.address,
            )
        elif self._roster.is_empty and self._wish is None:
            self._wish = self._link.call(
                None, node.nothing, then=self._forget, takes_resources=True
            )

    def _forget(self, _: Any) -> None:
        self._wish = None
