"""Grading one submission: rebuild, run, judge outside, record."""

import contextlib
import json
import queue
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from nbproctor.config import Limits
from nbproctor.errors import GraderError
from nbproctor.kernel import Ended, Execution, StudentKernel
from nbproctor.lesson import Cell, Lesson, Role
from nbproctor.notebook import Planned, Submission, answered, plan
from nbproctor.records import CellResult, Report, Verdict

__all__ = ["Graded", "blank_notebook", "grade_submission"]


@dataclass(frozen=True)
class Graded:
    """The graded notebook (as JSON data) and the verdicts on it."""

    notebook: dict[str, Any]
    report: Report


def grade_submission(
    lesson: Lesson, submission: Submission, limits: Limits, files: Path | None = None
) -> Graded:
    """Give one verdict for every graded cell of a submission.

    Args:
        files: a folder whose files the learner's code finds beside it.

    Raises:
        GraderError: no kernel or no judge could be started: no verdict would be fair.
    """
    began = time.monotonic()
    planned = plan(lesson, submission)
    if submission.unreadable:
        run = _Run(lesson, submission, planned, limits)
    else:
        with _JudgeProcess(lesson, limits) as judge, StudentKernel(limits, files) as kernel:
            run = _Run(lesson, submission, planned, limits, kernel, judge)
            run.run()
    results = tuple(run.result(cell) for cell in lesson.graded)
    report = Report(lesson.name, results, submission.notes, time.monotonic() - began)
    return Graded(_notebook(lesson, planned, run), report)


def blank_notebook(lesson: Lesson, submission: Submission) -> dict[str, Any]:
    """The rebuilt notebook before anything ran."""
    planned = plan(lesson, submission)
    return _notebook(lesson, planned, None)


class _JudgeProcess:
    """A judge of its own for one submission; restarted when it fails."""

    def __init__(self, lesson: Lesson, limits: Limits) -> None:
        self.lesson, self.limits = lesson, limits
        self.folder = tempfile.TemporaryDirectory(prefix="nbj-")
        self.process: subprocess.Popen[str] | None = None
        self.tests = 0
        self._start()

    def __enter__(self) -> "_JudgeProcess":
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
            answer = self._hear(self.limits.test_timeout_s + 2 * self.limits.call_timeout_s)
        except GraderError as error:
            self._stop()
            self._start()
            answer = {"verdict": Verdict.GRADER_ERROR, "message": str(error), "score": None}
        fit = kernel.end_serving(message)
        return _result(cell, answer, time.monotonic() - began), fit

    def _start(self) -> None:
        command = [sys.executable, "-P", "-m", "nbproctor.judge"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        self.heard: queue.Queue[str] = queue.Queue()
        threading.Thread(
            target=_listen, args=(self.process.stdout, self.heard), daemon=True
        ).start()
        self.ready = False
        hello = {
            "limits": asdict(self.limits),
            "setup": self.lesson.judge_setup,
            "folder": self.folder.name,
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
    return CellResult(
        cell.grade_id or "", verdict, score, cell.points, answer["message"], seconds
    )


class _Run:
    """Executes a rebuilt notebook cell by cell, surviving kernels that die."""

    def __init__(
        self,
        lesson: Lesson,
        submission: Submission,
        planned: list[Planned],
        limits: Limits,
        kernel: StudentKernel | None = None,
        judge: _JudgeProcess | None = None,
    ) -> None:
        self.lesson, self.submission, self.planned = lesson, submission, planned
        self.limits, self.kernel, self.judge = limits, kernel, judge
        self.deadline = time.monotonic() + limits.notebook_timeout_s
        self.executions: dict[int, Execution] = {}
        self.results: dict[str, CellResult] = {}
        self.switched_off: set[int] = set()
        self.restarts = 0
        self.given_up = ""

    def run(self) -> None:
        self._kernel.start()
        for n, item in enumerate(self.planned):
            if self.given_up:
                return
            if time.monotonic() > self.deadline:
                self.given_up = "The time for the whole notebook was used up."
            elif item.cell is not None and item.cell.role is Role.TEST:
                self._test(n, item.cell)
            elif item.runs:
                self.executions[n] = self._execute(item)
                if self.executions[n].ended is Ended.DIED:
                    self._recover(n)

    def result(self, cell: Cell) -> CellResult:
        """The verdict on a graded cell: exactly one, whatever happened."""
        grade_id = cell.grade_id or ""
        if grade_id in self.results:
            return self.results[grade_id]
        if cell.role is Role.MANUAL:
            return self._manual_result(cell, grade_id)
        message = f"The notebook cannot be read: {self.submission.unreadable}."
        verdict = Verdict.NOT_ANSWERED
        if not self.submission.unreadable:
            message, verdict = self.given_up, Verdict.TIMED_OUT
            if self.restarts > self.limits.max_restarts:
                verdict = Verdict.KERNEL_DIED
        return CellResult(grade_id, verdict, 0.0, cell.points, message)

    def _manual_result(self, cell: Cell, grade_id: str) -> CellResult:
        if cell.takes_answer and not answered(cell, self.submission):
            return CellResult(grade_id, Verdict.NOT_ANSWERED, 0.0, cell.points)
        return CellResult(grade_id, Verdict.MANUAL, None, cell.points)

    @property
    def _kernel(self) -> StudentKernel:
        assert self.kernel is not None
        return self.kernel

    def _execute(self, item: Planned) -> Execution:
        left = max(self.deadline - time.monotonic(), 0.1)
        return self._kernel.execute(item.text, min(self.limits.cell_timeout_s, left))

    def _test(self, n: int, cell: Cell) -> None:
        assert self.judge is not None
        result, fit = self.judge.test(cell, self._kernel)
        self.results[result.grade_id] = self._explained(cell, result)
        if not fit:
            self._recover(n)

    def _recover(self, n: int) -> None:
        """Start a new kernel and bring it to where the dead one was, without what killed it."""
        self.switched_off.add(n)
        while self.restarts < self.limits.max_restarts:
            self.restarts += 1
            self._kernel.stop()
            self._kernel.start()
            if self._replayed(n):
                return
        self.restarts += 1
        self.given_up = "The kernel died too often."

    def _replayed(self, upto: int) -> bool:
        for n, item in enumerate(self.planned[:upto]):
            if not item.runs or n in self.switched_off:
                continue
            if self._execute(item).ended is not Ended.DONE:
                self.switched_off.add(n)
                return False
        return True

    def _explained(self, cell: Cell, result: CellResult) -> CellResult:
        """A failed test's verdict and message, with what happened to the answer itself."""
        if result.verdict not in (Verdict.FAILED, Verdict.KERNEL_DIED):
            return result
        answers = self.lesson.answers_tested_by(cell)
        if answers and not any(answered(a, self.submission) for a in answers):
            message = "This exercise was not answered."
            return CellResult(cell.grade_id or "", Verdict.NOT_ANSWERED, 0.0, cell.points, message)
        verdict, message = result.verdict, result.message
        for n, item in enumerate(self.planned):
            execution = self.executions.get(n)
            if item.cell not in answers or execution is None:
                continue
            if execution.ended is Ended.TIMED_OUT:
                verdict, message = Verdict.TIMED_OUT, "Its cell did not end in time."
            elif execution.ended is Ended.DIED:
                verdict, message = Verdict.KERNEL_DIED, "Its cell killed the kernel."
            elif execution.outputs.error:
                message += f" Its cell stopped with {execution.outputs.error}"
        return CellResult(
            result.grade_id, verdict, result.score, result.points, message, result.seconds
        )


def _notebook(lesson: Lesson, planned: list[Planned], run: _Run | None) -> dict[str, Any]:
    kept = {k: v for k, v in lesson.metadata.items() if k in ("kernelspec", "language_info")}
    cells = [_cell_data(n, item, run) for n, item in enumerate(planned)]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": kept, "cells": cells}


def _cell_data(n: int, item: Planned, run: _Run | None) -> dict[str, Any]:
    cell = item.cell
    if cell is None:
        metadata: dict[str, Any] = {"nbproctor": {"own": True}}
        data = {"id": f"own-{n}", "cell_type": item.cell_type, "metadata": metadata}
    else:
        data = {"id": cell.id, "cell_type": item.cell_type, "metadata": dict(cell.metadata)}
    data["source"] = item.text
    if item.cell_type == "code":
        data |= {"execution_count": None, "outputs": _outputs(n, item, run)}
    if cell is not None and cell in (run.lesson.graded if run else ()):
        result = run.result(cell)  # type: ignore[union-attr]
        data["metadata"]["nbproctor"] = result.as_dict()
    return data


def _outputs(n: int, item: Planned, run: _Run | None) -> list[dict[str, Any]]:
    if run is None:
        return []
    if item.cell is not None and item.cell.role is Role.TEST:
        return _verdict_outputs(run.result(item.cell))
    return run.executions[n].outputs.cells if n in run.executions else []


def _verdict_outputs(result: CellResult) -> list[dict[str, Any]]:
    """A verdict as the outputs from which nbgrader takes its scores."""
    if result.verdict is Verdict.PASSED:
        return []
    if result.verdict is Verdict.PARTIAL:
        data = {"text/plain": repr(result.score)}
        made = {"output_type": "execute_result", "execution_count": None, "metadata": {}}
        return [{**made, "data": data}]
    text = f"{result.verdict}: {result.message}" if result.message else str(result.verdict)
    error = {"output_type": "error", "ename": str(result.verdict), "evalue": result.message}
    return [{**error, "traceback": [text]}]
