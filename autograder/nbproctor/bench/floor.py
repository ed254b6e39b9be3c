"""The floor: fork from a process that has imported everything, execute all cells, nothing else.

No kernel, no sandbox, no judge, no notebook that comes back, no gradebook. Run as
`python -m nbproctor.bench.floor`; see `main`.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from nbproctor.config import Limits
from nbproctor.course.lesson import Lesson, Role, load_lesson
from nbproctor.course.notebook import plan, read_submission

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> None:
    """Execute submissions, and write a line of JSON for each to the file `--results`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--release", type=Path, required=True)
    parser.add_argument("--results", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("submissions", type=Path, nargs="+")
    options = parser.parse_args(arguments)
    lesson = load_lesson(options.source, options.release)
    _import_all(lesson)
    running = 0
    for path in options.submissions:
        if running == options.workers:
            os.wait()
            running -= 1
        if os.fork() == 0:
            _child(path, lesson, options.results)
        running += 1
    while running:
        os.wait()
        running -= 1


def _import_all(lesson: Lesson) -> None:
    for text in lesson.judge_setup:
        exec(text, {"__name__": "__floor__"})
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)  # a team of threads does not survive a fork


def _child(path: Path, lesson: Lesson, results: Path) -> None:
    began, used = time.monotonic(), time.process_time()
    errors = list(_errors(_texts(path, lesson)))
    told = {
        "student": path.parts[-3],
        "finished": time.time(),
        "wall_s": time.monotonic() - began,
        "cpu_s": time.process_time() - used,
        "errors": errors,
    }
    with results.open("a") as file:
        file.write(json.dumps(told) + "\n")
    os._exit(0)


def _texts(path: Path, lesson: Lesson) -> Iterable[tuple[str, str]]:
    """Names and texts of the cells to execute: the student's, and the course's whole tests."""
    for item in plan(lesson, read_submission(path, lesson, Limits())):
        if item.cell is not None and item.cell.role is Role.TEST:
            yield item.grade_id, item.cell.full
        elif item.runs:
            yield item.grade_id, item.text


def _errors(cells: Iterable[tuple[str, str]]) -> Iterable[str]:
    """Run cells in one namespace; names of those that raise an exception."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for name, text in cells:
        try:
            exec(compile(text, name, "exec"), namespace)
        except Exception:
            yield name


if __name__ == "__main__":
    main()
