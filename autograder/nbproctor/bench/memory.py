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
from nbproctor.grade import modules_of
from nbproctor.judge_process import JudgeProcess
from nbproctor.kernel import StudentKernel
from nbproctor.lesson import Lesson, Role, load_lesson
from nbproctor.notebook import Planned, plan, read_submission
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
    return sum(_pss_bytes(pid) for pid in descendants(os.getpid())) / MIB


def _pss_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:")), 0)


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
        sizes["of that, the second kernel's own process"] = max(map(_pss_bytes, new)) / MIB
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
