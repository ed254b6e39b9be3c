"""The grader's side of a judge: a process of its own for one submission."""

import contextlib
import json
import queue
import socket
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from nbproctor.config import Limits
from nbproctor.course.lesson import Cell, Lesson
from nbproctor.course.records import CellResult, Verdict
from nbproctor.errors import GraderError
from nbproctor.kernels.kernel import StudentKernel
from nbproctor.sandbox.forkserver import ForkServer
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import Sandboxed
from nbproctor.sandbox.warden import Reason

__all__ = ["EXCESSES", "JudgeProcess"]

POLL_S = 0.2
# What the warden ended a kernel or judge for, and what that makes of the answer.
EXCESSES = {
    Reason.MEMORY: (Verdict.OUT_OF_MEMORY, "It used more memory than allowed."),
    Reason.CPU: (Verdict.TIMED_OUT, "It used more CPU time than allowed."),
    Reason.DISK: (Verdict.KERNEL_DIED, "It filled the disk."),
    Reason.PROCESSES: (Verdict.KERNEL_DIED, "It started more processes than allowed."),
}


class JudgeProcess:
    """A judge of its own for one submission; restarted when it fails."""

    def __init__(
        self,
        lesson: Lesson,
        limits: Limits,
        level: Level,
        files: Path | None = None,
        server: ForkServer | None = None,
    ) -> None:
        self.lesson, self.limits, self.level, self.files = lesson, limits, level, files
        self.server = server
        self.tests = 0
        self._start()

    def __enter__(self) -> "JudgeProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()

    def test(self, cell: Cell, kernel: StudentKernel) -> tuple[CellResult, bool]:
        """Run one test cell; also says whether the kernel is fit for more."""
        began = time.monotonic()
        self.tests += 1
        request = {
            "source": cell.full,
            "names": self.lesson.names_needed_by(cell),
            "hidden": sorted(cell.hidden_lines),
            "points": cell.points,
            "grade_id": cell.grade_id,
        }
        self._await_ready()
        self.sandbox.begin_cell()
        ours, theirs = socket.socketpair()
        with theirs:
            with ours:
                self._say(request)
                socket.send_fds(self.calls, [b"."], [ours.fileno()])
            message = kernel.begin_serving(self.tests, theirs)
            try:
                came = self._await_first_reply(kernel, message, theirs)
                theirs.close()  # from here on the judge notices when the kernel dies
                answer = self._hear(self.limits.test_timeout_s + self.limits.call_timeout_s)
            except GraderError as error:
                self._stop()
                came, answer = True, _failure(self.sandbox.reason, error)
                self._start()
        fit = kernel.end_serving(message) if came else kernel.is_alive
        return _result(cell, answer, time.monotonic() - began), fit

    def _await_first_reply(
        self, kernel: StudentKernel, message: str, theirs: socket.socket
    ) -> bool:
        """Wait until the student kernel has answered; hang up for it if it never will."""
        deadline = time.monotonic() + self.limits.call_timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                self._take_in(self.heard.get(timeout=POLL_S))
                return True
            if kernel.declines_to_serve(message) and self.heard.empty():
                theirs.shutdown(socket.SHUT_RDWR)
                self._take_in(self._line(self.limits.call_timeout_s))
                return False
        return True

    def _take_in(self, line: bytes) -> None:
        """The line says that somebody connected; any other is the test's outcome already."""
        if b'"connected"' not in line:
            self.heard.put(line)

    def _start(self) -> None:
        (self.lines, lines), (self.calls, calls) = socket.socketpair(), socket.socketpair()
        files = [str(self.files.resolve())] if self.files else []
        with lines, calls:
            arguments = {
                "limits": asdict(self.limits),
                "setup": self.lesson.judge_setup,
                "path": files,
            }
            self.sandbox = Sandboxed(
                self.level,
                "nbproctor.remote.judge",
                self.limits,
                arguments=arguments,
                readable=files,
                descriptors=[lines.fileno(), calls.fileno()],
                server=self.server,
            )
        self.heard: queue.Queue[bytes] = queue.Queue()
        stream = self.lines.makefile("rb")
        threading.Thread(target=_listen, args=(stream, self.heard), daemon=True).start()
        self.ready = False

    def _await_ready(self) -> None:
        """A judge starts while the kernel does; only its first test waits for it."""
        if not self.ready:
            answer = self._hear(self.limits.start_timeout_s)
            if "error" in answer:
                raise GraderError("the judge cannot run the lesson's set-up", got=answer["error"])
            self.ready = True

    def _stop(self) -> None:
        self.sandbox.stop()
        self.lines.close()
        self.calls.close()

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self.lines.sendall(json.dumps(message).encode() + b"\n")
        except OSError:
            raise GraderError("the judge ended") from None

    def _hear(self, timeout_s: float) -> dict[str, Any]:
        line = self._line(timeout_s)
        if not line:
            raise GraderError("the judge ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _line(self, timeout_s: float) -> bytes:
        """The judge's next line; an empty one says that it ended.

        Raises:
            GraderError: it has said nothing in time.
        """
        try:
            return self.heard.get(timeout=timeout_s)
        except queue.Empty:
            raise GraderError(
                "the judge did not answer in time", expected=f"within {timeout_s:g} s"
            ) from None


def _listen(stream: IO[bytes], heard: "queue.Queue[bytes]") -> None:
    """Pass a judge's lines on; an empty one says that it ended."""
    with contextlib.suppress(OSError, ValueError):  # it was closed on this side
        for line in stream:
            heard.put(line)
    heard.put(b"")


def _failure(reason: Reason | None, error: GraderError) -> dict[str, Any]:
    """A judge ends by an excess where an answer's value drove it there: the solution's does not."""
    if reason in EXCESSES:
        verdict, message = EXCESSES[reason]
        message = f"The check did not get to its end with what the answer gave. {message}"
    else:
        verdict, message = Verdict.GRADER_ERROR, f"{error} ({reason})"
    return {"verdict": verdict, "message": message, "score": None}


def _result(cell: Cell, answer: dict[str, Any], seconds: float) -> CellResult:
    verdict, score = Verdict(answer["verdict"]), answer["score"]
    if score is None:
        score = cell.points if verdict is Verdict.PASSED else 0.0
    told, facts = answer["message"], answer.get("facts", {})
    return CellResult(cell.grade_id or "", verdict, score, cell.points, told, seconds, facts=facts)
