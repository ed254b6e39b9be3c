"""Inside the container of stock.py: a class with one attacker, graded by nbgrader alone.

`python stock_class.py SECONDS FAMILY/NAME...` writes what came of each attack to /result.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1] / "nbproctor")]

from arena import Arena, Run  # noqa: E402
from corpus import Attack, read_corpus  # noqa: E402
from lessons import EARLIER, NEIGHBOUR, stock_config  # noqa: E402
from nbgrader.api import Gradebook  # noqa: E402
from watch import processes, survivors  # noqa: E402

JUPYTERS = (".jupyter", ".cache", ".config", ".ipython/profile_default/history")


class StockArena(Arena):
    """nbgrader without nbproctor grades the class in one go, as `nbgrader autograde` does."""

    def _run(self, course: Any, attack: Attack) -> Run:
        began = time.monotonic()
        hung = _command(course.root, attack.lesson, float(sys.argv[1]))
        seconds = time.monotonic() - began
        remaining = survivors(self.before)
        for pid, _ in set(processes()) - set(self.before):
            os.kill(pid, signal.SIGKILL)
        return Run(seconds, "hung" if hung else "", survivors=remaining)

    def _forget(self, course: Any, lesson: str) -> None:
        """All three students are graded anew, in an empty gradebook but for what must not leak."""
        super()._forget(course, lesson)
        with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
            gradebook.remove_student(EARLIER)
            gradebook.update_or_create_student(EARLIER, last_name=self.secrets.gradebook)

    def _leaks(self, returned: Mapping[str, bytes]) -> set[str]:
        """Secrets in what the student's own cells show: nbgrader shows everybody its tests."""
        found = set[str]()
        for path, data in returned.items():
            if path.endswith(".ipynb"):
                cells = json.loads(data)["cells"]
                own = [c for c in cells if not c["metadata"].get("nbgrader", {}).get("grade")]
                found |= self.secrets.found_in(json.dumps([c.get("outputs") for c in own]).encode())
            elif not path.endswith((".html", ".log")):
                found |= self.secrets.found_in(data)
        return found

    def _left(self, before: Mapping[str, Any], course: Any) -> tuple[str, ...]:
        """Without what Jupyter and nbgrader make of their own."""
        theirs = (str(course.root / "autograded"), *(str(self.home / n) for n in JUPYTERS))
        left = super()._left(before, course)
        return tuple(
            path for path in left if not path.startswith(theirs) and not self._is_usual(path)
        )

    def _is_usual(self, path: str) -> bool:
        profile = self.home / ".ipython" / "profile_default"
        made = [profile / name for name in ("log", "pid", "security", "db", "startup")]
        return Path(path) in {profile, *made, profile / "startup" / "README", self.scratch}

    def _made(self, folder: Path, lesson: str) -> Any:
        return self._released(folder, lesson)

    def _results(self, course: Any, lesson: str) -> list[Any]:
        return []

    def _formulas(self, course: Any) -> list[str]:
        return []  # the export is nbgrader's own here as there, and the disk may be full

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
    arena, corpus = StockArena(stock_config), {attack.id: attack for attack in read_corpus()}
    for name in sys.argv[2:]:
        outcome = arena.grade(corpus[name])
        text = json.dumps(asdict(outcome))
        Path("/result", f"{name.replace('/', '.')}.json").write_text(text)
