"""Grading one submission: rebuild, run, judge outside, record."""

import ast
import re
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from nbproctor.config import Limits
from nbproctor.course.forbidden import forbidden_notes
from nbproctor.course.graded_notebook import rebuilt_notebook
from nbproctor.course.imports import imported_modules
from nbproctor.course.lesson import Cell, Lesson, Role
from nbproctor.course.notebook import Planned, Submission, answered, plan
from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.course.variants import mismatch
from nbproctor.errors import GraderError, SandboxError
from nbproctor.kernels.judge_process import EXCESSES, JudgeProcess
from nbproctor.kernels.kernel import Ended, Execution, StudentKernel
from nbproctor.sandbox.forkserver import warm_server
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import strongest_level
from nbproctor.sandbox.warden import Reason

__all__ = ["Graded", "blank_notebook", "grade_submission", "modules_of"]


# IPython gives every cell the name of a file, of which a learner knows nothing.
NAMELESS_PLACE = re.compile(r"\(\d+\.py, line (\d+)\)")


@dataclass(frozen=True)
class Graded:
    """The graded notebook (as JSON data) and the verdicts on it."""

    notebook: dict[str, Any]
    report: Report


def grade_submission(
    lesson: Lesson,
    submission: Submission,
    limits: Limits,
    files: Path | None = None,
    sandbox: Level = Level.REDUCED,
) -> Graded:
    """Give one verdict for every graded cell of a submission, in the variant that it was read in.

    Args:
        sandbox: the weakest level that will do; the strongest that there is, is used.
        files: a folder whose files the learner's code finds beside it.

    Raises:
        SandboxError: this machine cannot give the level asked for.
        GraderError: no kernel or no judge could be started: no verdict would be fair.
    """
    lesson = lesson.varied(submission.variant)
    try:
        return _grade(lesson, submission, limits, files, sandbox)
    except SandboxError:
        raise
    except GraderError:  # something killed a kernel or a judge that was not running anything
        return _grade(lesson, submission, limits, files, sandbox)


def _grade(
    lesson: Lesson, submission: Submission, limits: Limits, files: Path | None, sandbox: Level
) -> Graded:
    began = time.monotonic()
    level = strongest_level(sandbox)
    planned = plan(lesson, submission)
    if submission.unreadable:
        run = _Run(lesson, submission, planned, limits)
    else:
        server = warm_server(modules_of(lesson), limits.start_timeout_s)
        with (
            JudgeProcess(lesson, limits, level, files, server) as judge,
            StudentKernel(limits, level, files, server) as kernel,
        ):
            run = _Run(lesson, submission, planned, limits, kernel, judge)
            run.run()
    results = tuple(run.result(cell) for cell in lesson.graded)
    seconds = time.monotonic() - began
    review = forbidden_notes(planned)
    notes = (*submission.notes, *(note for found in review.values() for note in found))
    report = Report(lesson.name, results, notes, seconds, str(level), lesson.variant)
    by_id = {result.grade_id: result for result in results}
    outputs = {n: execution.outputs.cells for n, execution in run.executions.items()}
    notebook = rebuilt_notebook(lesson, planned, by_id, outputs, review)
    about = {"sandbox": str(level), "notes": list(notes), "seconds": round(seconds, 3)}
    held = {"variant": lesson.variant} if lesson.choices else {}
    notebook["metadata"]["nbproctor"] = about | held
    return Graded(notebook, report)


def modules_of(lesson: Lesson) -> set[str]:
    """What the lesson's own given cells import."""
    return {m for cell in lesson.judge_setup for m, _ in imported_modules(ast.parse(cell)) if m}


def blank_notebook(lesson: Lesson, submission: Submission) -> dict[str, Any]:
    """The rebuilt notebook before anything ran."""
    lesson = lesson.varied(submission.variant)
    return rebuilt_notebook(lesson, plan(lesson, submission))


class _Run:
    """Executes a rebuilt notebook cell by cell, surviving kernels that die."""

    def __init__(
        self,
        lesson: Lesson,
        submission: Submission,
        planned: list[Planned],
        limits: Limits,
        kernel: StudentKernel | None = None,
        judge: JudgeProcess | None = None,
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
                self._run_cell(n, item)

    def _run_cell(self, n: int, item: Planned) -> None:
        execution = self.executions[n] = self._execute(item)
        if execution.ended is Ended.DIED and not execution.began and self._blame_the_last(n):
            execution = self.executions[n] = self._execute(item)
        if execution.ended is Ended.DIED:
            self._recover(n, culprit=n)

    def _blame_the_last(self, n: int) -> bool:
        """A kernel that is dead before cell `n` begins was killed by the one before it.

        Whether there is a kernel again, in which cell `n` may be tried.
        """
        before = [k for k in self.executions if k < n and k not in self.switched_off]
        if not before:
            return False
        culprit = max(before)
        self._note_end(culprit, Ended.DIED, self._kernel.reason)
        self._recover(n, culprit)
        return not self.given_up

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
            return CellResult(grade_id, Verdict.NOT_ANSWERED, 0.0, cell.points, by_hand=True)
        return CellResult(grade_id, Verdict.MANUAL, None, cell.points, by_hand=True)

    @property
    def _kernel(self) -> StudentKernel:
        assert self.kernel is not None
        return self.kernel

    def _execute(self, item: Planned) -> Execution:
        left = max(self.deadline - time.monotonic(), 0.1)
        limits = self.limits
        used = sum(execution.outputs.used for execution in self.executions.values())
        room = max(min(limits.max_output_bytes, limits.max_notebook_output_bytes - used), 1)
        return self._kernel.execute(item.text, min(limits.cell_timeout_s, left), room)

    def _test(self, n: int, cell: Cell) -> None:
        assert self.judge is not None
        if not self._kernel.is_alive and not self._blame_the_last(n):
            return
        result, fit = self.judge.test(cell, self._kernel)
        if result.verdict is Verdict.KERNEL_DIED and self._kernel.reason in EXCESSES:
            verdict, message = EXCESSES[self._kernel.reason]
            result = replace(result, verdict=verdict, message=message)
        self.results[result.grade_id] = self._explained(cell, result)
        if not fit:
            self._recover(n, culprit=n)

    def _recover(self, n: int, culprit: int) -> None:
        """Start a new kernel and bring it to where the dead one was, without what killed it."""
        self.switched_off.add(culprit)
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
            again = self._execute(item)
            if again.ended is not Ended.DONE:
                self._note_end(n, again.ended, again.reason)
                self.switched_off.add(n)
                return False
        return True

    def _note_end(self, n: int, ended: Ended, reason: Reason | None) -> None:
        """Cell `n` came to another end than it seemed to: its exercise has to say so."""
        self.executions[n] = replace(self.executions[n], ended=ended, reason=reason)

    def _explained(self, cell: Cell, result: CellResult) -> CellResult:
        """A failed test's verdict and message, with what happened to the answer itself."""
        if result.verdict not in (Verdict.FAILED, Verdict.KERNEL_DIED):
            return result
        answers = self.lesson.answers_tested_by(cell)
        if answers and not any(answered(a, self.submission) for a in answers):
            message = "This exercise was not answered."
            return replace(result, verdict=Verdict.NOT_ANSWERED, message=message)
        verdict: Verdict = result.verdict
        message = " ".join(filter(None, [result.message, *self._mismatches(answers)]))
        for n, item in enumerate(self.planned):
            execution = self.executions.get(n)
            if item.cell not in answers or execution is None:
                continue
            if execution.ended is Ended.TIMED_OUT:
                verdict, message = Verdict.TIMED_OUT, "Its cell did not end in time."
            elif execution.reason in EXCESSES:
                verdict, message = EXCESSES[execution.reason]
            elif execution.ended is Ended.DIED:
                verdict, message = Verdict.KERNEL_DIED, "Its cell killed the kernel."
            elif execution.outputs.error:
                error = NAMELESS_PLACE.sub(r"(line \1 of that cell)", execution.outputs.error)
                message += f" Its cell stopped with {error}"
        return replace(result, verdict=verdict, message=message)

    def _mismatches(self, answers: list[Cell]) -> list[str]:
        """That an answer was written for another student's variant."""
        exercises, submission = [cell.grade_id for cell in answers], self.submission
        choices = [choice for choice in self.lesson.choices if choice.exercise in exercises]
        return [mismatch(choice, submission.variant, submission.others) for choice in choices]
