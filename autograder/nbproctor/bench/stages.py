"""Where the time of a submission goes: one process grades a class, with a watch on every stage.

Run as `python -m nbproctor.bench.stages COURSE LESSON`; see `main`. The functions that are timed
are wrapped from outside, so that grading itself carries no watch.
"""

import functools
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from nbproctor.classes.classrun import grade_class
from nbproctor.classes.due import Due
from nbproctor.classes.watching import Outcome, Quiet
from nbproctor.grading import grade
from nbproctor.grading.work import Done, Grader, Job, LessonPack, Task
from nbproctor.kernels.judge_process import JudgeProcess
from nbproctor.kernels.kernel import StudentKernel
from nbproctor.store.filing import Filing
from nbproctor.store.gradebook import Course
from nbproctor.store.ledger import Ledger
from nbproctor.store.marks import MarksWriter

__all__ = ["STAGES", "Stopwatch", "main"]

# What a stage consists of: functions and methods, by the object that holds them.
STAGES: Mapping[str, tuple[tuple[Any, str], ...]] = {
    "read": (
        (Filing, "handed_in"), (Filing, "prepared"), (Filing, "read"),
        (Due, "look"), (Due, "from_ledger"), (Grader, "read"),
    ),
    "start the judge": ((JudgeProcess, "__init__"),),
    "start the kernel": ((StudentKernel, "start"),),
    "the learner's cells": ((StudentKernel, "execute"),),
    "tests": ((JudgeProcess, "test"),),
    "end kernel and judge": ((StudentKernel, "stop"), (JudgeProcess, "_stop")),
    "assemble the result": ((grade, "rebuilt_notebook"), (grade, "forbidden_notes")),
    "ledger": ((Ledger, "put"), (Ledger, "stand")),
    "write the notebook": ((Filing, "file"),),
    "gradebook": ((MarksWriter, "record"),),
    "take its place": ((Filing, "take_place"),),
}  # fmt: skip
OTHER = "all else"


class Stopwatch:
    """Adds up seconds by stage; of nested stages only the inner one runs."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock, self.seconds = clock, dict[str, float]()
        self._stack = [OTHER]
        self._since = clock()

    def _switch(self) -> None:
        now = self.clock()
        stage = self._stack[-1]
        self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now

    def restart(self) -> None:
        """Forget what was added up."""
        self._switch()
        self.seconds.clear()

    def watch(self, stage: str, owner: Any, name: str) -> None:
        """Count the time of a function or method as a stage's."""
        timed = getattr(owner, name)

        @functools.wraps(timed)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            self._switch()
            self._stack.append(stage)
            try:
                return timed(*args, **kwargs)
            finally:
                self._switch()
                self._stack.pop()

        setattr(owner, name, wrapper)


class _CrewOfOne:
    """Grades in this process. Begins to count when the first submission is done."""

    def __init__(self, packs: Mapping[str, LessonPack], stopwatch: Stopwatch) -> None:
        self.packs, self.stopwatch, self.counted = packs, stopwatch, 0
        self._graders: dict[str, Grader] = {}
        self._end = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.close()

    def grade(self, jobs: Iterable[Task]) -> Iterator[Done]:
        """See `nbproctor.grading.work.Crew`."""
        for n, job in enumerate(jobs):
            assert isinstance(job, Job)  # no feedback is asked for
            if job.notebook not in self._graders:
                grader = self._end.enter_context(Grader(self.packs[job.notebook]))
                self._graders[job.notebook] = grader
            yield Done(job, self._graders[job.notebook].grade(job.handed_in))
            if n == 0:
                self.stopwatch.restart()
            self.counted = n


class _Faults(Quiet):
    def see(self, outcome: Outcome) -> None:
        if outcome.error:
            raise SystemExit(f"{outcome.student}: {outcome.error}")


def main(arguments: list[str]) -> None:
    """Grade the class of a fresh course and print seconds per submission by stage, as JSON.

    The first submission starts what is started once, and is not counted.
    """
    folder, lesson = arguments
    warnings.filterwarnings("ignore", module=r"nbgrader\.")
    stopwatch = Stopwatch()
    for stage, parts in STAGES.items():
        for owner, name in parts:
            stopwatch.watch(stage, owner, name)
    crews: list[_CrewOfOne] = []

    def crew(packs: Mapping[str, LessonPack]) -> _CrewOfOne:
        crews.append(_CrewOfOne(packs, stopwatch))
        return crews[0]

    grade_class(Course(Path(folder)), lesson, crew, _Faults())
    counted = crews[0].counted
    told = {stage: stopwatch.seconds.get(stage, 0.0) / counted for stage in (*STAGES, OTHER)}
    print(json.dumps({"submissions": counted, "seconds": told}))


if __name__ == "__main__":
    main(sys.argv[1:])
