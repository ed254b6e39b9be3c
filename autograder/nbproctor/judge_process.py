"""The grader's side of a judge: a process of its own for one submission."""

import contextlib
import json
import os
import queue
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from nbproctor.config import Limits
from nbproctor.errors import GraderError
from nbproctor.kernel import StudentKernel
from nbproctor.lesson import Cell, Lesson
from nbproctor.records import CellResult, Verdict

__all__ = ["JudgeProcess"]

POLL_S = 0.2


class JudgeProcess:
    """A judge of its own for one submission; restarted when it fails."""

    def __init__(self, lesson: Lesson, limits: Limits, files: Path | None = None) -> None:
        self.lesson, self.limits, self.files = lesson, limits, files
        self.folder = tempfile.TemporaryDirectory(prefix="nbj-")
        self.process: subprocess.Popen[str] | None = None
        self.tests = 0
        self._start()

    def __enter__(self) -> "JudgeProcess":
        return self

    def __exit__(self, *_: object) -> None:
        self._stop()
        self.folder.cleanup()

    def test(self, cell: Cell, kernel: StudentKernel) -> tuple[CellResult, bool]:
        """Run one test cell; also says whether the kernel is fit for more."""
        began = time.monotonic()
        self.tests += 1
        path = str(Path(self.folder.name) / f"{self.tests}")
        hidden = cell.hidden_lines
        request = {
            "socket": path,
            "source": cell.full,
            "names": self.lesson.names_needed_by(cell),
            "hidden": [hidden.start, hidden.stop],
            "points": cell.points,
            "grade_id": cell.grade_id,
        }
        self._await_ready()
        self._say(request)
        self._hear(self.limits.start_timeout_s)  # it listens
        message = kernel.begin_serving(path)
        try:
            came = self._await_connection(kernel, message, path)
            answer = self._hear(self.limits.test_timeout_s + self.limits.call_timeout_s)
        except GraderError as error:
            self._stop()
            self._start()
            came = True
            answer = {"verdict": Verdict.GRADER_ERROR, "message": str(error), "score": None}
        fit = kernel.end_serving(message) if came else kernel.is_alive
        return _result(cell, answer, time.monotonic() - began), fit

    def _await_connection(self, kernel: StudentKernel, message: str, path: str) -> bool:
        """Wait until the student kernel has reached the judge; end the test if it never will."""
        deadline = time.monotonic() + self.limits.call_timeout_s
        while time.monotonic() < deadline:
            with contextlib.suppress(queue.Empty):
                self._take_in(self.heard.get(timeout=POLL_S))
                return True
            if kernel.declines_to_serve(message) and self.heard.empty():
                with socket.socket(socket.AF_UNIX) as knock, contextlib.suppress(OSError):
                    knock.connect(path)  # and hang up: nobody else will come
                self._take_in(self.heard.get(timeout=self.limits.call_timeout_s))
                return False
        return True

    def _take_in(self, line: str) -> None:
        """The line says that somebody connected; any other is the test's outcome already."""
        if '"connected"' not in line:
            self.heard.put(line)

    def _start(self) -> None:
        command = [sys.executable, "-P", "-m", "nbproctor.judge"]
        pipe = subprocess.PIPE
        # Judge and student kernel take turns: a second thread would only get in the way.
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )
        self.heard: queue.Queue[str] = queue.Queue()
        threading.Thread(
            target=_listen, args=(self.process.stdout, self.heard), daemon=True
        ).start()
        self.ready = False
        hello = {
            "limits": asdict(self.limits),
            "setup": self.lesson.judge_setup,
            "folder": self.folder.name,
            "path": [str(self.files.resolve())] if self.files else [],
        }
        self._say(hello)

    def _await_ready(self) -> None:
        """A judge starts while the kernel does; only its first test waits for it."""
        if not self.ready:
            answer = self._hear(self.limits.start_timeout_s)
            if "error" in answer:
                raise GraderError("the judge cannot run the lesson's set-up", got=answer["error"])
            self.ready = True

    def _stop(self) -> None:
        assert self.process is not None and self.process.stdin is not None
        self.process.kill()
        self.process.wait()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()

    def _say(self, message: dict[str, Any]) -> None:
        assert self.process is not None and self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise GraderError("the judge ended") from None

    def _hear(self, timeout_s: float) -> dict[str, Any]:
        try:
            line = self.heard.get(timeout=timeout_s)
        except queue.Empty:
            raise GraderError(
                "the judge did not answer in time", expected=f"within {timeout_s:g} s"
            ) from None
        if not line:
            raise GraderError("the judge ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _listen(stream: IO[str], heard: "queue.Queue[str]") -> None:
    """Pass a judge's lines on; an empty one says that it ended."""
    with stream:
        for line in stream:
            heard.put(line)
    heard.put("")


def _result(cell: Cell, answer: dict[str, Any], seconds: float) -> CellResult:
    verdict, score = Verdict(answer["verdict"]), answer["score"]
    if score is None:
        score = cell.points if verdict is Verdict.PASSED else 0.0
    return CellResult(cell.grade_id or "", verdict, score, cell.points, answer["message"], seconds)
