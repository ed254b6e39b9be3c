"""What a second kernel costs in memory, while the first one is there: proportional set size.

Run as `python -m nbproctor.bench.memory SOURCE RELEASE SUBMISSION`; see `main`. A page that several
processes share counts in proportion for each, so the sum over a tree is what the tree occupies.
"""

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from nbproctor.bench.meter import descendants
from nbproctor.config import MIB, Limits
from nbproctor.course.lesson import Lesson, Role, load_lesson
from nbproctor.course.notebook import Planned, plan, read_submission
from nbproctor.grading.grade import modules_of
from nbproctor.kernels.judge_process import JudgeProcess
from nbproctor.kernels.kernel import StudentKernel
from nbproctor.sandbox.forkserver import warm_server
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import strongest_level

__all__ = ["main", "tree_mib"]

SETTLE_S = 30.0


def tree_mib() -> float:
    """Proportional set size of all processes below this one, in MiB.

    Raises:
        PermissionError: this user may not look at what has become another's.
    """
    return sum(_bytes(pid, "Pss") for pid in descendants(os.getpid())) / MIB


def _bytes(pid: int, *kinds: str) -> int:
    """The sum of these lines of a process's smaps_rollup."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0
    sizes = {line.partition(":")[0]: int(line.split()[1]) * 1024 for line in lines}
    return sum(sizes[kind] for kind in kinds if sizes)


def _settled_mib() -> float:
    """The size once it no longer changes: a new fork-server goes on tidying its memory."""
    before, deadline = 0.0, time.monotonic() + SETTLE_S
    while abs((now := tree_mib()) - before) > 1 and time.monotonic() < deadline:
        before = now
        time.sleep(1.0)
    return now


def main(arguments: list[str]) -> None:
    """Run a submission with all its tests, then again beside the first; print MiB as JSON."""
    source, release, submission = map(Path, arguments)
    lesson, limits = load_lesson(source, release), Limits()
    planned = plan(lesson, read_submission(submission, lesson, limits))
    warm_server(modules_of(lesson), limits.start_timeout_s)
    sizes = {"fork-server": _settled_mib()}
    with ExitStack() as first, ExitStack() as second:
        _run(first, lesson, limits, planned)
        sizes["and one submission"] = tree_mib()
        before = set(descendants(os.getpid()))
        judge = _run(second, lesson, limits, planned)
        sizes["and two submissions"] = tree_mib()
        judge.__exit__()
        sizes["and two kernels, one judge"] = tree_mib()
        new = set(descendants(os.getpid())) - before
        *guards, own = sorted(_bytes(pid, "Private_Clean", "Private_Dirty") for pid in new)
        sizes["private to the second kernel itself"] = own / MIB
        sizes["private to its two guards"] = sum(guards) / MIB
    print(json.dumps(sizes))


def _run(
    stack: ExitStack, lesson: Lesson, limits: Limits, planned: Sequence[Planned]
) -> JudgeProcess:
    """Bring a kernel and its judge to the end of a submission, and leave them there."""
    level = strongest_level(Level.REDUCED)
    server = warm_server(modules_of(lesson), limits.start_timeout_s)
    judge = JudgeProcess(lesson, limits, level, None, server)
    stack.callback(judge.__exit__)
    kernel = stack.enter_context(StudentKernel(limits, level, None, server))
    kernel.start()
    for item in planned:
        if item.cell is not None and item.cell.role is Role.TEST:
            judge.test(item.cell, kernel)
        elif item.runs:
            kernel.execute(item.text, limits.cell_timeout_s, limits.max_output_bytes)
    return judge


if __name__ == "__main__":
    main(sys.argv[1:])
