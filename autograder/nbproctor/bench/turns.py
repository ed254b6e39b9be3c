"""The arms in turns: each grades a fresh course of the same class; what came of it is recorded."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbproctor.bench.arms import Arm, Site
from nbproctor.bench.courses import copy_course, environment, furnish, hand_in_class
from nbproctor.bench.meter import Metered, metered
from nbproctor.bench.record import Record, Run
from nbproctor.bench.spread import steady
from nbproctor.bench.workload import Workload

__all__ = ["Settings", "Turns"]

# Where nothing is known of an arm yet: seconds that a submission, and a run without any, may take.
GUESS_EACH_S, GUESS_START_S = 8.0, 15.0
PATIENCE = 8.0


@dataclass(frozen=True)
class Settings:
    """How much is measured.

    Args:
        turns: how often each arm grades.
        class_size: students in a class; `few` of them are enough for the slow arms.
        workers: processes of the arms that have several.
    """

    turns: int = 3
    class_size: int = 16
    few: int = 3
    workers: int = 2

    def students(self, arm: Arm) -> int:
        """How many an arm grades: as many for each of its workers."""
        workers = arm.workers or self.workers
        wanted = self.class_size if arm.is_quick else self.few
        return -(-wanted // workers) * workers


class Turns:
    """Runs arms on workloads, each course made once and copied for every run."""

    def __init__(
        self, root: Path, record: Record, settings: Settings, say: Callable[[str], None] = print
    ) -> None:
        self.root, self.record, self.settings, self.say = root, record, settings, say
        self._scratch = tempfile.TemporaryDirectory(prefix="nbproctor-bench-")
        self.folder = Path(self._scratch.name).resolve()

    def __enter__(self) -> "Turns":
        return self

    def __exit__(self, *_: object) -> None:
        self._scratch.cleanup()

    def missing(self, workload: Workload, arms: Sequence[Arm], turn: int) -> Iterator[Arm]:
        """Arms that have not had this turn, beginning with another one in each turn."""
        shift = turn % max(len(arms), 1)
        for arm in (*arms[shift:], *arms[:shift]):
            if not self.record.has(workload.name, arm.name, turn):
                yield arm

    def expected_s(self, workload: Workload, arm: Arm) -> float:
        """How long a run of this arm will take, from what it took before."""
        if earlier := self.record.of(workload.name, arm.name):
            return max(run.wall_s for run in earlier)
        share = 1.0 if not arm.is_quick else 0.2
        return GUESS_START_S + share * GUESS_EACH_S * self.settings.students(arm)

    def run(self, workload: Workload, arm: Arm, turn: int) -> Run:
        """Have an arm grade its part of the class, and record what it took."""
        site = self._site(workload, arm, turn)
        plan, log = arm.plan(site), self.folder / "log"
        timeout = PATIENCE * self.expected_s(workload, arm)
        taken = metered(plan.commands, site.folder, environment(), log, timeout, plan.services)
        run = _run_of(workload, arm, turn, site, taken)
        if run.problem:
            self.say(f"{arm.name}: {run.problem}\n{_end_of(log)}")
        self.record.add(run)
        return run

    def _site(self, workload: Workload, arm: Arm, turn: int) -> Site:
        kind = arm.course(self.root)
        template = self.folder / f"template-{workload.name}-{kind.source}"
        if not template.exists():
            furnish(template, kind, workload)
        folder = copy_course(template, self.folder / f"{workload.name}-{arm.name}-{turn}")
        (folder / "nbgrader_config.py").write_text(kind.config, encoding="utf-8")
        numbers = range(self.settings.students(arm))
        submissions = hand_in_class(folder, kind, workload, numbers)
        return Site(folder, kind, workload, submissions, self.settings.workers)


def _run_of(workload: Workload, arm: Arm, turn: int, site: Site, taken: Metered) -> Run:
    workers = arm.workers or site.workers
    finished = tuple(sorted(t - taken.began for t in arm.finished(site)))
    problem, each_wall, each_cpu = _problem(site, taken, finished), 0.0, 0.0
    try:
        since, later = steady(finished, workers)
        each_wall = (finished[-1] - since) / later
        each_cpu = (taken.cpu_s - taken.cpu_at(since)) / later
    except ValueError as error:
        problem = problem or str(error)
    return Run(
        workload.name, arm.name, turn, workers, taken.wall_s, taken.cpu_s, finished, each_wall,
        each_cpu, {} if problem else arm.marks(site), None if problem else arm.compute_s(site),
        problem, taken.other_cores,
    )  # fmt: skip


def _problem(site: Site, taken: Metered, finished: Sequence[float]) -> str:
    if taken.timed_out:
        return f"ended after {taken.wall_s:.0f} s, before it was done"
    if any(taken.returncodes):
        return f"its commands returned {taken.returncodes}"
    if len(finished) != len(site.submissions):
        return f"{len(finished)} of {len(site.submissions)} submissions were graded"
    return ""


def _end_of(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-15:])
