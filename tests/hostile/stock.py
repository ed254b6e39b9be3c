"""The same submissions through nbgrader as it comes, each in a container of its own.

Run by table.py. Outside, `measure` starts bubblewrap: own namespaces, no network but its own
loopback, a read-only view of Python and of this project, small file systems in memory, limits on
processes and memory, an unprivileged user. Inside, this file is the program: it makes a course
without nbproctor, hands the attack in and grades the whole class with nbgrader's own commands.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from corpus import Attack, read_corpus
from outcome import Outcome

__all__ = ["measure"]

ROOT = Path(__file__).parents[2]
NOBODY = 65534
# nbgrader gives a cell 30 s; a class of three that has not ended after this never will.
CLASS_SECONDS = 150
START_SECONDS = 120
LIMITS = {"nproc": 256, "as": 6 << 30, "core": 0}
DISK_BYTES = 256 << 20


def measure(attack: Attack, folder: Path) -> Outcome | None:
    """Grade one attack with stock nbgrader, contained; None if not even the container ended.

    Args:
        folder: an empty folder, where the result comes back.

    Raises:
        RuntimeError: the container did not start, or its program failed by itself.
    """
    folder.chmod(0o777)
    limits = [f"--{name}={value}" for name, value in LIMITS.items()]
    inside = ["prlimit", *limits, sys.executable, __file__, attack.id]
    try:
        done = subprocess.run(
            [*_container(folder), *inside],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_SECONDS + CLASS_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    result = folder / "outcome.json"
    if not result.is_file():
        raise RuntimeError(
            f"{attack.id}: {done.returncode} {done.stdout[-500:]} {done.stderr[-2000:]}"
        )
    return Outcome(**json.loads(result.read_text()))


def _container(folder: Path) -> list[str]:
    """bubblewrap's command line, up to the program that is to run inside."""
    if (found := shutil.which("bwrap")) is None:
        raise RuntimeError("`make hostile` needs bubblewrap to contain stock nbgrader")
    links = [part for name in ("bin", "sbin", "lib", "lib64") for part in _linked(name)]
    python = {sys.base_prefix, sys.prefix, str(ROOT), sysconfig.get_path("purelib")}
    seen = [
        part for path in sorted({"/usr", "/etc", *python}) for part in ("--ro-bind", path, path)
    ]
    memory = [
        part
        for path in ("/tmp", "/var/tmp", "/dev/shm")
        for part in ("--perms", "1777", "--size", str(DISK_BYTES), "--tmpfs", path)
    ]
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command = [found, *spaces, "--die-with-parent", "--new-session", *links]
    command += [
        "--proc",
        "/proc",
        "--dev",
        "/dev",
        *memory,
        *seen,
        "--bind",
        str(folder),
        "/result",
    ]
    command += ["--chdir", "/tmp", "--clearenv"]
    for name, value in _environment().items():
        command += ["--setenv", name, value]
    if os.geteuid() != 0:
        return [*command, "--unshare-user", "--"]
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    return [*command, "--", *drop, "--bounding-set=-all", "--no-new-privs"]


def _linked(name: str) -> list[str]:
    path = Path("/", name)
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.exists() else []


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {"PATH": path, "HOME": "/tmp", "LANG": "C.UTF-8", **one_thread}


# Inside.


def main(name: str) -> None:
    sys.path[:0] = [str(ROOT / "tests" / "nbproctor")]
    from arena import Arena, Run
    from lessons import stock_config
    from watch import processes, survivors

    class StockArena(Arena):
        """nbgrader without nbproctor grades the class in one go, as `nbgrader autograde` does."""

        def _run(self, course: Any, attack: Attack) -> Run:
            began = time.monotonic()
            hung = _command(course.root, attack.lesson)
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
            honest = [marks.get(student, {}) for student in ("aaron", "zoe")]
            return next((text for m in honest if (text := self._not_full(m, lesson))), "")

    attack = next(a for a in read_corpus() if a.id == name)
    outcome = StockArena(stock_config).grade(attack)
    Path("/result/outcome.json").write_text(json.dumps(asdict(outcome)))


def _command(root: Path, lesson: str) -> bool:
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
    deadline = time.monotonic() + CLASS_SECONDS
    while time.monotonic() < deadline:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.1)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


if __name__ == "__main__":
    main(sys.argv[1])
