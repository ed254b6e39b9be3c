"""What is measured once, beside the arms: imports, single verdicts, memory, stages."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbproctor.bench.arms import Site
from nbproctor.bench.courses import CourseKind, environment, fresh_course, proctored
from nbproctor.bench.workload import Workload, student
from nbproctor.errors import GraderError

__all__ = ["PROBES", "Lab"]

REPEATS = 3
CLASS = 6
TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Lab:
    """A course with a handed-in class, from which a probe makes its own copies."""

    root: Path
    folder: Path
    workload: Workload
    workers: int

    @property
    def kind(self) -> CourseKind:
        return proctored(self.root)

    def site(self, name: str, size: int = CLASS) -> Site:
        """A fresh course in which nothing was graded."""
        made = fresh_course(self.folder, f"probe-{name}", self.kind, self.workload, size)
        return Site(made[0], self.kind, self.workload, made[1], self.workers)


def _called(module: str, *arguments: object) -> str:
    """What a module of ours prints."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(
        command, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode:
        raise GraderError(f"{module} failed", got=done.stderr.strip()[-1000:])
    return done.stdout


def _seconds(command: list[str], cwd: Path) -> float:
    began = time.monotonic()
    done = subprocess.run(
        command, cwd=cwd, env=environment(), capture_output=True, text=True, timeout=TIMEOUT_S
    )
    if done.returncode:
        raise GraderError(f"{' '.join(command)} failed", got=done.stderr.strip()[-1000:])
    return time.monotonic() - began


def _imports(lab: Lab) -> Any:
    """Seconds to import what the lesson imports; and nbgrader, which a class run needs."""
    return {
        name: [
            _seconds([sys.executable, "-c", f"import {name}"], lab.folder) for _ in range(REPEATS)
        ]
        for name in ("torch, torchvision", "nbgrader.apps")
    }


def _cold(lab: Lab) -> Any:
    """Seconds from a command for one student until its mark is recorded."""
    took = []
    for _ in range(REPEATS):
        site = lab.site("cold", 1)
        command = [
            "-m",
            "nbproctor.commands.cli",
            "grade",
            lab.workload.name,
            student(0),
            "--workers",
            "1",
        ]
        began = time.time()
        _seconds([sys.executable, *command], site.folder)
        (graded,) = site.folder.glob(f"autograded/{student(0)}/*/*.ipynb")
        took.append(graded.stat().st_mtime - began)
    return took


def _latency(lab: Lab) -> Any:
    site = lab.site("latency")
    places = (site.notebook(site.kind.source), site.notebook(site.kind.release))
    return json.loads(_called("nbproctor.bench.latency", *places, *site.submissions))


def _memory(lab: Lab) -> Any:
    site = lab.site("memory", 2)
    places = (site.notebook(site.kind.source), site.notebook(site.kind.release))
    return json.loads(_called("nbproctor.bench.memory", *places, site.submissions[1]))


def _stages(lab: Lab) -> Any:
    site = lab.site("stages")
    return json.loads(_called("nbproctor.bench.stages", site.folder, lab.workload.name))


PROBES: Mapping[str, Callable[[Lab], Any]] = {
    "imports": _imports,
    "cold": _cold,
    "latency": _latency,
    "memory": _memory,
    "stages": _stages,
}
