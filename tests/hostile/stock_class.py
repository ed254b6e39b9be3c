"""Inside the container of stock.py: a class with one attacker, graded by nbgrader alone.

`python stock_class.py FAMILY/NAME SECONDS` writes what came of it to /result/outcome.json.
"""

import json
import os
import signal
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "nbproctor")]

from arena import Arena, Run  # noqa: E402
from corpus import Attack, read_corpus  # noqa: E402
from lessons import EARLIER, NEIGHBOUR, stock_config  # noqa: E402
from watch import processes, survivors  # noqa: E402


class StockArena(Arena):
    """nbgrader without nbproctor grades the class in one go, as `nbgrader autograde` does."""

    def _run(self, course: Any, attack: Attack) -> Run:
        began = time.monotonic()
        hung = _command(course.root, attack.lesson, float(sys.argv[2]))
        seconds = time.monotonic() - began
        remaining = survivors(self.before)
        for pid, _ in set(processes()) - set(self.before):
            os.kill(pid, signal.SIGKILL)
        return Run(seconds, "hung" if hung else "", survivors=remaining)

    def _made(self, folder: Path, lesson: str) -> Any:
        return self._released(folder, lesson)

    def _results(self, course: Any, lesson: str) -> list[Any]:
        return []

    def _neighbours_loss(self, lesson: str) -> str:
        marks = {score.student: score.cells for score in self.course(lesson).scores(lesson)}
        honest = [marks.get(student, {}) for student in (EARLIER, NEIGHBOUR)]
        return next((text for m in honest if (text := self._not_full(m, lesson))), "")


def _command(root: Path, lesson: str, patience_s: float) -> bool:
    """`nbgrader autograde` and `generate_feedback` in a process of their own; whether they hang."""
    child = os.fork()
    if child == 0:
        os.chdir(root)
        from nbgrader.apps import AutogradeApp, GenerateFeedbackApp

        for application in (AutogradeApp, GenerateFeedbackApp):
            try:
                app = application()
                app.initialize([lesson, "--force"])
                app.start()
            except BaseException as error:  # SystemExit is how nbgrader says that a student failed
                print(repr(error), flush=True)
        os._exit(0)
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


if __name__ == "__main__":
    chosen = next(attack for attack in read_corpus() if attack.id == sys.argv[1])
    outcome = StockArena(stock_config).grade(chosen)
    Path("/result/outcome.json").write_text(json.dumps(asdict(outcome)))
