"""Judging without Jupyter: the real judge here, the real student end in a process of its own.

As in a class, that process is forked from a warm one, which has imported what lessons import.
"""

import multiprocessing
import multiprocessing.context
import socket
import sys
from functools import cache
from pkgutil import iter_modules
from typing import Any

import plusx
from nbproctor.config import Limits
from nbproctor.course.lesson import Cell, Lesson
from nbproctor.remote.judge import Judge, Outcome

LIBRARIES = ("torch", "torchvision", "matplotlib.pyplot", "sklearn.datasets")
LIMITS = Limits(call_timeout_s=60, test_timeout_s=120)


@cache
def _context() -> multiprocessing.context.ForkServerContext:
    """Children come from a clean process that has imported once and run nothing.

    Importing costs seconds, running the cells of a lesson and its tests hundredths of a second.
    """
    context = multiprocessing.get_context("forkserver")
    own = [f"plusx.{module.name}" for module in iter_modules(plusx.__path__)]
    context.set_forkserver_preload(["nbproctor.remote.student", *LIBRARIES, *own])
    return context


def _student(sources: list[str], sockets: list[socket.socket]) -> None:
    """What a student kernel does: run cells (an error ends its cell only), then answer."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    from nbproctor.remote.student import StudentEnd

    namespace: dict[str, Any] = {"__name__": "__main__"}
    for n, source in enumerate(sources):
        try:
            exec(compile(source, f"ipykernel_cell_{n}", "exec"), namespace)
        except Exception as error:
            print(f"cell {n}: {error!r}", file=sys.stderr)
    for sock in sockets:
        with sock:
            StudentEnd(sock, namespace).run()


def judge_sources(
    sources: list[str], setup: list[str], tests: list[dict[str, Any]], limits: Limits = LIMITS
) -> list[Outcome]:
    """Outcomes of test cells (keyword arguments of Judge.test) for a student's sources."""
    if "torch" in sys.modules:  # two processes take turns: more threads only get in the way
        sys.modules["torch"].set_num_threads(1)
    pairs = [socket.socketpair() for _ in tests]
    process = _context().Process(
        target=_student, args=(sources, [theirs for _, theirs in pairs]), daemon=True
    )
    process.start()
    judge = Judge(setup, limits)
    outcomes = []
    try:
        for (ours, theirs), test in zip(pairs, tests, strict=True):
            theirs.close()
            with ours:
                outcomes.append(judge.test(sock=ours, **test))
    finally:
        process.kill()
        process.join()
    return outcomes


def judge_answers(lesson: Lesson, answers: dict[str, str], tests: list[Cell]) -> list[Outcome]:
    """Outcomes of some test cells, with the lesson's own solutions but for `answers`."""
    sources = [
        answers.get(cell.grade_id or "", cell.full)
        for cell in lesson.cells
        if cell.is_code and not cell.metadata.get("nbgrader", {}).get("grade")
        if "demo" not in cell.tags
    ]
    asked = [
        {
            "source": cell.full,
            "names": lesson.names_needed_by(cell),
            "hidden": cell.hidden_lines,
            "points": cell.points,
            "grade_id": cell.grade_id or "",
        }
        for cell in tests
    ]
    return judge_sources(sources, list(lesson.judge_setup), asked)
