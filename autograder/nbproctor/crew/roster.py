"""The workers of a cluster: who has come, who may grade, who has gone.

A worker is asked for its versions and its sandbox before it gets anything. One that differs from
the grader is refused: its verdicts might differ too. The others get the lessons, once, and then
submissions.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

from distributed import Future, KilledWorker

from nbproctor.crew import node
from nbproctor.crew.cluster_link import Link
from nbproctor.crew.cluster_settings import is_protected
from nbproctor.grading.parcels import pack_to_parcel
from nbproctor.grading.versions import differences, libraries_of, versions
from nbproctor.grading.work import LessonPack
from nbproctor.sandbox.plan import Level

__all__ = ["NOT_THE_WORKERS", "Owner", "Roster", "State", "Worker"]

ASK_S = 300.0  # for an answer of a worker that may be busy with somebody else's tasks
LEAVING = ("closing_gracefully", "closing", "closed")
# What becomes of a task when something else happened than its function: the worker has gone, the
# connection has, or somebody told the scheduler to forget it.
NOT_THE_WORKERS = (KilledWorker, CancelledError, asyncio.CancelledError)
STRENGTH = (Level.OFF, Level.REDUCED, Level.FULL)


class State(StrEnum):
    """What is known of a worker."""

    ASKED = "asked what it is"
    READY = "grades"
    LEAVING = "is leaving"
    REFUSED = "is refused"
    GONE = "has gone"


@dataclass(eq=False)
class Worker:
    """One Dask worker process. `attempts` are the owner's, the one that it works on first."""

    address: str
    name: str
    threads: int
    state: State = State.ASKED
    since: float = field(default_factory=time.monotonic)
    question: Future[Any] | None = None
    attempts: list[Any] = field(default_factory=list)
    failures: int = 0

    def __str__(self) -> str:
        return self.address if self.name == self.address else f"{self.name} ({self.address})"


class Owner(Protocol):
    """Who has work for the workers, and is told of them."""

    def has_come(self, worker: Worker) -> None:
        """A worker may grade."""

    def has_gone(self, worker: Worker, failure: str) -> None:
        """A worker gives no more answers; `failure` says how, where what it did may be why."""


class Roster:
    """The workers that a scheduler knows.

    Args:
        tell: is given each line that a person should read.
        unprotected: accept workers whose connections are not encrypted.
    """

    def __init__(
        self,
        owner: Owner,
        link: Link,
        packs: Mapping[str, LessonPack],
        tell: Callable[[str], None],
        unprotected: bool,
    ) -> None:
        self._owner, self._link, self._tell = owner, link, tell
        self._unprotected = unprotected
        libraries = {name for pack in packs.values() for name in libraries_of(pack.source)}
        levels = {pack.sandbox for pack in packs.values()}
        self._libraries, self._least = sorted(libraries), max(levels, key=STRENGTH.index)
        self._expected = versions(self._libraries)
        self._parcels = [pack_to_parcel(pack) for pack in packs.values()]
        self._workers: dict[str, Worker] = {}
        self._refusals: Counter[str] = Counter()
        self._said: set[str] = set()
        self._is_looking = self._look_again = False

    def open(self) -> None:
        """Ask who is there, and listen for who comes and goes."""
        self._link.watch("all", self._hear_of_all)
        self.look()

    def look(self) -> None:
        """Compare with what the scheduler knows; one comparison at a time."""
        if self._is_looking:
            self._look_again = True
        else:
            self._is_looking = True
            self._link.look(self._see)

    @property
    def ready(self) -> list[Worker]:
        return [worker for worker in self._workers.values() if worker.state is State.READY]

    @property
    def workers(self) -> list[Worker]:
        """All that have come and not gone."""
        return list(self._workers.values())

    @property
    def is_busy(self) -> bool:
        """Whether somebody has work."""
        return any(worker.attempts for worker in self._workers.values())

    @property
    def hopeful(self) -> list[Worker]:
        """Those that grade, or may soon."""
        hopeful = (State.READY, State.ASKED)
        return [worker for worker in self._workers.values() if worker.state in hopeful]

    @property
    def is_empty(self) -> bool:
        """Whether the scheduler has no worker at all."""
        return not self._workers

    def reasons(self) -> str:
        """Why workers are refused, for a message."""
        words = [f"{count} refused: {why}" for why, count in self._refusals.most_common()]
        return "; ".join(words) or "no worker has come"

    def refuse(self, worker: Worker, why: str, failure: str = "") -> None:
        """Give a worker no more work. Each reason is said once."""
        if worker.state in (State.REFUSED, State.GONE):
            return
        worker.state = State.REFUSED
        self._refusals[why] += 1
        self._say_once(why, f"worker {worker} is refused: {why}")
        self._let_go(worker, failure)

    def ask(self, worker: Worker) -> None:
        """Ask a worker what it is; it may grade if it answers well."""
        worker.state, worker.since = State.ASKED, time.monotonic()
        question = (node.describe, self._libraries, str(self._least))
        worker.question = self._link.call(
            worker.address, *question, then=partial(self._is_described, worker)
        )

    def refuse_the_silent(self) -> None:
        """Refuse workers that were asked long ago."""
        for worker in self.workers:
            if worker.state is State.ASKED and time.monotonic() - worker.since > ASK_S:
                self.refuse(worker, f"it has not said what it is within {ASK_S:g} s")

    def _is_described(self, worker: Worker, outcome: Any) -> None:
        if worker.state is not State.ASKED or isinstance(outcome, NOT_THE_WORKERS):
            return  # it has gone; if nobody has said so yet, somebody will
        if isinstance(outcome, BaseException):
            return self.refuse(worker, _short(outcome))
        found, without_sandbox = outcome
        if wrong := differences(self._expected, found):
            return self.refuse(worker, "; ".join(wrong))
        if without_sandbox:
            return self.refuse(worker, _in_one_line(without_sandbox))
        if worker.threads > 1:
            self._say_once(
                "threads",
                f"worker {worker} has {worker.threads} threads, and grades one submission at once: "
                "start as many workers as there are cores, with --nthreads 1",
            )
        worker.question = self._link.call(
            worker.address, node.take_in, self._parcels, then=partial(self._is_equipped, worker)
        )

    def _is_equipped(self, worker: Worker, outcome: Any) -> None:
        if worker.state is not State.ASKED or isinstance(outcome, NOT_THE_WORKERS):
            return
        if outcome:
            why = _short(outcome) if isinstance(outcome, BaseException) else outcome
            return self.refuse(worker, _in_one_line(why))
        worker.state = State.READY
        self._owner.has_come(worker)

    def _hear_of_all(self, event: dict[str, Any]) -> None:
        if event.get("action") == "add-worker":
            self.look()
        elif event.get("action") == "remove-worker" and event["worker"] in self._workers:
            self._lose(self._workers[event["worker"]], announced=bool(event.get("expected")))

    def _hear_of_one(self, worker: Worker, event: dict[str, Any]) -> None:
        """A worker that retires, or is told to end, says so. Student code cannot make it."""
        action, status = event.get("action"), event.get("status")
        leaves = action == "closing-worker" or (
            action == "worker-status-change" and status in LEAVING
        )
        if leaves and worker.state in (State.ASKED, State.READY):
            worker.state = State.LEAVING
        elif worker.state is State.LEAVING and status == "running":  # it could not retire
            self.ask(worker)

    def _see(self, found: dict[str, dict[str, Any]]) -> None:
        self._is_looking = False
        if self._look_again:
            self._look_again = False
            self.look()
        for address in self._workers.keys() - found.keys():  # nobody said that it died
            self._lose(self._workers[address], announced=True)
        for address in found.keys() - self._workers.keys():
            self._greet(address, found[address])

    def _greet(self, address: str, about: dict[str, Any]) -> None:
        worker = Worker(address, str(about["name"]), about["nthreads"])
        self._workers[address] = worker
        self._link.watch(address, partial(self._hear_of_one, worker))
        wanted, offered = self._link.resources, about.get("resources") or {}
        lacking = [f"{n}={v:g}" for n, v in wanted.items() if offered.get(n, 0.0) < v]
        if not (self._unprotected or is_protected(address)):
            self.refuse(worker, "its connection is not encrypted (c.Cluster.unprotected is False)")
        elif lacking:
            self.refuse(worker, f"it does not offer {', '.join(lacking)}")
        else:
            self.ask(worker)

    def _lose(self, worker: Worker, announced: bool) -> None:
        del self._workers[worker.address]
        self._link.ignore(worker.address)
        announced = announced or worker.state is State.LEAVING
        worker.state = State.GONE
        self._let_go(worker, "" if announced else f"worker {worker} died")

    def _let_go(self, worker: Worker, failure: str) -> None:
        if worker.question is not None:
            worker.question.release()
            worker.question = None
        self._owner.has_gone(worker, failure)

    def _say_once(self, what: str, line: str) -> None:
        if what not in self._said:
            self._said.add(what)
            self._tell(line)


def _short(error: BaseException) -> str:
    """What Dask says where a task could not even begin."""
    cause = f" ({error.__cause__})" if error.__cause__ else ""
    return f"{type(error).__name__}: {error}{cause}".splitlines()[0]


def _in_one_line(text: str) -> str:
    return " ".join(text.split())
