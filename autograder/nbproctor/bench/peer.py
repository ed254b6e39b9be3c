"""Otter-Grader on the same submissions, without containers: `otter run`, one after another.

It gets an environment of its own, which sees the course's torch but none of its other packages
before its own. Its tests are the same code as the lesson's; each becomes as many cases as it gives
points.
"""

import ast
import json
import shutil
import site
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from nbproctor.bench.arms import Arm, Plan, Site
from nbproctor.bench.courses import environment, plain
from nbproctor.course.lesson import Cell, Role, load_lesson
from nbproctor.errors import ConfigError

__all__ = ["otter"]

PACKAGES = ("otter-grader==7.0.0", "ipykernel")
LINK = "torch_of_the_course.pth"
CASES = """\
from otter.test_files import test_case

OK_FORMAT = False
name = {name!r}
points = {points!r}
SOURCE = {source!r}
given = []


def given_points(env):
    if not given:
        namespace = dict(env)
        exec(SOURCE, namespace)
        given.append(namespace["given_in_the_end"])
    return given[0]

"""
CASE = """
@test_case(points=1)
def case_{number}(env):
    assert given_points(env) >= {number}

"""


def otter(folder: Path) -> Arm:
    """The arm, with its environment in `folder`, made where there is none.

    Raises:
        ConfigError: the environment cannot be made here.
    """
    program = folder / "bin" / "otter"
    if not program.is_file():
        _make(folder)

    def plan_of(site_: Site) -> Plan:
        archive = _archive(site_, folder)
        lines = [
            f"mkdir -p results/{p.parts[-3]} && {program} run --no-logo -a {archive} "
            f"-o results/{p.parts[-3]} {p}"
            for p in site_.submissions
        ]
        return Plan([["sh", "-ec", f"PATH={program.parent}:$PATH; {' && '.join(lines)}"]])

    return Arm("otter", "Otter-Grader, without containers", lambda root: plain(), plan_of,
               finished=_finished, marks=_marks)  # fmt: skip


def _make(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    if uv := shutil.which("uv"):
        install = [uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", python]
        steps = [[uv, "venv", "--quiet", "--python", sys.executable, str(folder)]]
    else:
        install = [python, "-m", "pip", "install", "--quiet"]
        steps = [[sys.executable, "-m", "venv", str(folder)]]
    steps.append([*install, *PACKAGES])
    for step in steps:
        done = subprocess.run(step, env=environment(), capture_output=True, text=True)
        if done.returncode:
            raise ConfigError("no environment for Otter-Grader", got=done.stderr.strip()[-500:])
    own = subprocess.run(
        [python, "-c", "import site; print(site.getsitepackages()[0])"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    Path(own.stdout.strip(), LINK).write_text("\n".join(site.getsitepackages()) + "\n")


def _archive(site_: Site, folder: Path) -> Path:
    """The tests as Otter-Grader takes them."""
    lesson = load_lesson(site_.notebook("source"), site_.notebook("release"))
    tests = site_.folder / "tests"
    tests.mkdir()
    for cell in (c for c in lesson.cells if c.role is Role.TEST):
        (tests / f"{cell.grade_id}.py").write_text(_cases(cell), encoding="utf-8")
    made = site_.folder / "autograder.zip"
    options = ["--no-requirements", "--no-environment", "--no-config"]
    command = [str(folder / "bin" / "otter"), "generate", "-t", str(tests), *options]
    done = subprocess.run(
        [*command, "-o", str(made)], cwd=site_.folder, env=environment(),
        capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise ConfigError("Otter-Grader refuses the tests", got=done.stderr.strip()[-500:])
    return made


def _cases(cell: Cell) -> str:
    """One case for each point; all share one run of the test."""
    points = int(cell.points)
    head = CASES.format(name=cell.grade_id, points=points, source=_giving_points(cell))
    return head + "\n".join(CASE.format(number=n + 1) for n in range(points))


def _giving_points(cell: Cell) -> str:
    """The test's code, which in the end says how many points it gives."""
    body = ast.parse(cell.full)
    if isinstance(body.body[-1], ast.Expr):
        last = ast.unparse(body.body.pop())
        return f"{ast.unparse(body)}\ngiven_in_the_end = {last}\n"
    return f"{ast.unparse(body)}\ngiven_in_the_end = {cell.points:g}\n"


def _results(site_: Site) -> list[Path]:
    return sorted(site_.folder.glob("results/*/results.json"))


def _finished(site_: Site) -> list[float]:
    return [path.stat().st_mtime for path in _results(site_)]


def _marks(site_: Site) -> Mapping[str, Mapping[str, float | None]]:
    return {path.parent.name: _scores(json.loads(path.read_text())) for path in _results(site_)}


def _scores(results: Mapping[str, list[dict[str, object]]]) -> dict[str, float | None]:
    told = (test for test in results["tests"] if "score" in test)
    return {str(test["name"]): float(str(test["score"])) for test in told}
