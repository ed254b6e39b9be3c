"""The judge: runs test cells in a process that holds no student code.

Its process speaks JSON lines with the grader: one line per test cell, answered by one line with its
outcome. The learner's names are proxies onto the student kernel, to which the grader sends a
connection for the length of one test cell.
"""

import ast
import contextlib
import json
import math
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Container, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

from nbproctor.config import Limits
from nbproctor.course.records import Verdict
from nbproctor.errors import (
    GraderError,
    ProxyLimitError,
    RemoteClosedError,
    RemoteError,
    RemoteTimeoutError,
    StudentError,
)
from nbproctor.heap import give_back
from nbproctor.remote.proxy import Proxy, Session

__all__ = ["Judge", "Outcome", "main"]

MAX_MESSAGE = 2000
MAX_FACTS, MAX_FACT = 20, 200  # entries, and characters of one
OUT_OF_MEMORY_SIGNS = ("MemoryError", "OutOfMemoryError", "can't allocate memory")


@dataclass(frozen=True)
class Outcome:
    """How one test cell ended. `score` is set when the cell gave partial credit.

    `facts` is what the test noted of the answer: plain text and numbers, by name.
    """

    verdict: Verdict
    message: str = ""
    score: float | None = None
    facts: Mapping[str, str | int | float] = field(default_factory=dict)


class Judge:
    """Runs test cells of one submission, in order, in one trusted namespace.

    Args:
        setup: trusted source: the lesson's imports and the cells tagged `judge`.
        time_limit: ends what runs in it after some seconds, by a RemoteTimeoutError. (A session
            does so only while it waits; a value may keep a test busy without being asked again.)
    """

    def __init__(
        self,
        setup: list[str],
        limits: Limits,
        time_limit: Callable[[float], AbstractContextManager[None]] | None = None,
    ) -> None:
        self.limits, self.time_limit = limits, time_limit or _no_limit
        self.namespace: dict[str, Any] = {"__name__": "__judge__"}
        for source in setup:
            exec(compile(source, "<lesson set-up>", "exec"), self.namespace)

    def test(
        self,
        sock: socket.socket,
        source: str,
        names: list[str],
        hidden: Container[int],
        points: float,
        grade_id: str,
    ) -> Outcome:
        """Run one test cell against the student end on `sock`."""
        filename = f"<test {grade_id}>"
        deadline = time.monotonic() + self.limits.test_timeout_s
        session = Session(sock, self.limits, deadline, _remote_tensors)
        try:
            with self.time_limit(self.limits.test_timeout_s):
                self._bring(session, names)
                scope = _TopLevel(self.namespace, session, names)
                value = self._execute(source, filename, scope)
            return _scored(value, points)
        except BaseException as error:
            visible = _visible_line(error, source, filename, hidden)
            return Outcome(_verdict_on(error), _message(error, filename, visible)[:MAX_MESSAGE])

    def _bring(self, session: Session, names: list[str]) -> None:
        """Put the learner's names into the namespace; one that is missing stays undefined."""
        for name in names:
            self.namespace.pop(name, None)
            try:
                self.namespace[name] = session.get(name)
            except NameError:
                continue

    def _execute(self, source: str, filename: str, scope: "_TopLevel") -> Any:
        """Run a cell; the value is that of its last expression."""
        body = ast.parse(source, filename)
        last: ast.Expression | None = None
        if body.body and isinstance(body.body[-1], ast.Expr):
            last = ast.Expression(body.body.pop().value)  # type: ignore[attr-defined]
        exec(compile(body, filename, "exec"), self.namespace, scope)
        return eval(compile(last, filename, "eval"), self.namespace, scope) if last else None


class _TopLevel(MutableMapping[str, Any]):
    """The judge's namespace, as the top level of one test cell sees it.

    A learner's name that the cell deletes, or gives back to an object of the learner's, changes in
    the student kernel too: so a test finds out whether one answer makes use of another.
    """

    def __init__(self, namespace: dict[str, Any], session: Session, names: list[str]) -> None:
        self.namespace, self.session, self.names = namespace, session, names

    def __getitem__(self, name: str) -> Any:
        return self.namespace[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.namespace)

    def __len__(self) -> int:
        return len(self.namespace)

    def __setitem__(self, name: str, value: Any) -> None:
        if name in self.names and isinstance(value, Proxy):
            self.session.bind(name, value)
        elif name in self.names and callable(value):
            raise ProxyLimitError(
                f"a test puts a function of its own in the place of the learner's '{name}'",
                expected="another name: the learner's code cannot call into the judge",
            )
        self.namespace[name] = value

    def __delitem__(self, name: str) -> None:
        del self.namespace[name]
        if name in self.names:
            self.session.unbind(name)


def _remote_tensors(session: Session) -> Any:
    from nbproctor.remote.gradients import (
        RemoteTensors,  # needs torch: a lesson without it should not
    )

    return RemoteTensors(session)


def _scored(value: Any, points: float) -> Outcome:
    """A test cell that ran to its end: full marks, or what its last expression says.

    A number of the test's own making may have a `message` for the learner, and `facts`. No
    number of a learner's can: it comes as a bare one.
    """
    if not isinstance(value, int | float | Proxy) and getattr(value, "ndim", None) == 0:
        with contextlib.suppress(RuntimeError):  # a tensor without data
            value = value.item()  # a number, True or False of numpy's or torch's
    if value is None or value is True:
        return Outcome(Verdict.PASSED)
    if isinstance(value, bool) or not isinstance(value, int | float):
        # Whatever made it so, a value that is no score must not become full marks.
        message = f"The check ended in {type(value).__name__}, which is no score."
        return Outcome(Verdict.FAILED, message)
    if not 0 <= value <= points:  # NaN too
        message = f"The test gave {value!r}, which is not between 0 and {points:g}."
        return Outcome(Verdict.GRADER_ERROR, message)
    said = str(getattr(value, "message", ""))[:MAX_MESSAGE]
    facts = _plain_facts(getattr(value, "facts", {}))
    if value == points:
        return Outcome(Verdict.PASSED, said, facts=facts)
    return Outcome(Verdict.PARTIAL if value else Verdict.FAILED, said, float(value), facts)


def _plain_facts(facts: Any) -> dict[str, str | int | float]:
    """Facts that are plain data of bounded size; the others are left out."""
    kept: dict[str, str | int | float] = {}
    for name, value in list(dict(facts).items())[:MAX_FACTS]:
        if isinstance(value, str):
            kept[str(name)[:MAX_FACT]] = value[:MAX_FACT]
        elif isinstance(value, int | float) and math.isfinite(value):
            kept[str(name)[:MAX_FACT]] = value
    return kept


def _visible_line(
    error: BaseException, source: str, filename: str, hidden: Container[int]
) -> str | None:
    """The line of the visible part that failed; None where a hidden line did."""
    frames = traceback.extract_tb(error.__traceback__)
    numbers = [frame.lineno for frame in frames if frame.filename == filename and frame.lineno]
    if numbers and any(number in hidden for number in numbers):
        return None
    return source.splitlines()[numbers[-1] - 1].strip() if numbers else ""


def _verdict_on(error: BaseException) -> Verdict:
    if isinstance(error, RemoteTimeoutError):
        return Verdict.TIMED_OUT
    if isinstance(error, RemoteClosedError):
        return Verdict.KERNEL_DIED
    if isinstance(error, GraderError):
        return Verdict.GRADER_ERROR
    if isinstance(error, StudentError) and any(s in str(error) for s in OUT_OF_MEMORY_SIGNS):
        return Verdict.OUT_OF_MEMORY
    return Verdict.FAILED


def _message(error: BaseException, filename: str, visible: str | None) -> str:
    """What the learner reads. Never the source of a hidden test, nor values it expects."""
    if isinstance(error, RemoteError | GraderError):
        return _capitalised(str(error))
    if isinstance(error, NameError) and error.name:
        return f"The name '{error.name}' is not defined: did its cell run without an error?"
    if visible is not None:
        if isinstance(error, AssertionError):
            return _words(error) or f"This check failed: {visible}"
        return f"{type(error).__name__}: {_words(error)}, at: {visible}"
    if isinstance(feedback := getattr(error, "feedback", None), str):
        return feedback
    if not isinstance(error, AssertionError):
        # Of a library's words only those about kinds of things: others may tell what it expected.
        words = f": {_words(error)}" if isinstance(error, TypeError | AttributeError) else ""
        return f"The answer made a check fail with {type(error).__name__}{words}"
    # The test's own words are for the learner; a library's may print what it expected.
    own = traceback.extract_tb(error.__traceback__)[-1].filename == filename
    return (_words(error) if own else "") or "A check of this exercise failed."


def _words(error: BaseException) -> str:
    """What an error says; nothing where it holds a value that cannot be written as text."""
    try:
        return str(error)
    except Exception:  # Python refuses to write integers of very many digits, for one
        return ""


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]


def main(arguments: dict[str, Any], descriptors: list[int]) -> None:
    """Serve the grader until it hangs up.

    Args:
        arguments: `limits` and `setup` as for Judge; `path`: folders to import from.
        descriptors: the grader's socket, then the one through which connections to the student
            kernel come, one per test cell.
    """
    grader, calls = (socket.socket(fileno=descriptor) for descriptor in descriptors)
    requests, answers = grader.makefile("r"), grader.makefile("w")
    limits = Limits(**arguments["limits"])
    sys.path += arguments["path"]
    try:
        judge = Judge(arguments["setup"], limits, _alarm)
        _say(answers, {"ready": True})
    except BaseException as error:
        _say(answers, {"error": f"{type(error).__name__}: {error}"[:MAX_MESSAGE]})
        return
    for line in requests:
        _, descriptors, _, _ = socket.recv_fds(calls, 1, 1)
        with socket.socket(fileno=descriptors[0]) as sock:
            outcome = _serve_test(judge, sock, json.loads(line), answers)
        give_back()
        _say(
            answers,
            {
                "verdict": outcome.verdict,
                "message": outcome.message,
                "score": outcome.score,
                "facts": outcome.facts,
            },
        )


def _no_limit(timeout_s: float) -> AbstractContextManager[None]:
    return contextlib.nullcontext()


@contextlib.contextmanager
def _alarm(timeout_s: float) -> Iterator[None]:
    """A time limit by a signal: for the main thread of a process of its own."""

    def ring(*_: object) -> None:
        raise RemoteTimeoutError("the check did not end in time")

    signal.signal(signal.SIGALRM, ring)
    # Again and again: a test that counts points may catch what stops one of its checks.
    signal.setitimer(signal.ITIMER_REAL, timeout_s, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _serve_test(
    judge: Judge, sock: socket.socket, request: dict[str, Any], answers: Any
) -> Outcome:
    sock.settimeout(judge.limits.call_timeout_s)
    try:
        sock.recv(1)  # the student end says that it is there
    except OSError:
        return Outcome(Verdict.TIMED_OUT, "The student kernel did not answer in time.")
    _say(answers, {"connected": True})
    return judge.test(
        sock,
        request["source"],
        request["names"],
        frozenset(request["hidden"]),
        request["points"],
        request["grade_id"],
    )


def _say(answers: Any, message: dict[str, Any]) -> None:
    answers.write(json.dumps(message) + "\n")
    answers.flush()
