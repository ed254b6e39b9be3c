"""What the record says: times per submission, ratios, and which goals are met."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from nbproctor.bench.record import Record, Run
from nbproctor.bench.spread import Spread, differing_marks, ratios

__all__ = ["Goal", "Row", "compute_s", "disagreements", "failed", "goals", "recheck_s", "rows"]

STOCK = "stock"
UNCHANGED = 10_000


@dataclass(frozen=True)
class Row:
    """One arm on one workload. Times are seconds per submission; `start_s` is the first one's."""

    arm: str
    students: int
    wall: Spread
    cpu: Spread
    start: Spread
    faster: Spread | None
    over_floor: Spread | None


@dataclass(frozen=True)
class Goal:
    """A goal, what was measured (None if it was not), and the unit of both."""

    name: str
    wanted: float
    found: float | None
    unit: str = ""
    at_least: bool = False

    @property
    def is_met(self) -> bool | None:
        if self.found is None:
            return None
        return self.found >= self.wanted if self.at_least else self.found <= self.wanted

    @property
    def verdict(self) -> str:
        """In words: met, not measured, or missed and by how much."""
        if self.found is None:
            return "not measured"
        if self.is_met:
            return "met"
        return f"missed by {abs(self.found / self.wanted - 1):.0%}"


def rows(record: Record, workload: str, arms: Sequence[str]) -> list[Row]:
    """A row for each of these arms that came to an end at least once."""
    found = []
    for arm in arms:
        runs = record.of(workload, arm)
        if not runs:
            continue
        wall = _walls(runs)
        floor = "floors" if runs[0].workers > 1 else "floor"
        found.append(
            Row(
                arm,
                len(runs[0].finished),
                Spread.of(list(wall.values())),
                Spread.of([run.each_cpu_s for run in runs]),
                Spread.of([run.finished[0] for run in runs]),
                ratios(_walls(record.of(workload, STOCK)), wall),
                ratios(wall, _walls(record.of(workload, floor))),
            )
        )
    return found


def _walls(runs: Sequence[Run]) -> dict[int, float]:
    return {run.turn: run.each_wall_s for run in runs}


def compute_s(record: Record, workload: str) -> float | None:
    """C: CPU seconds that the cells and tests of a submission take, in the mean of the class."""
    told = [run.compute_s for run in record.of(workload, "floor") if run.compute_s is not None]
    return mean(told) if told else None


def disagreements(record: Record, workload: str) -> list[str]:
    """Marks on which an arm differs from nbgrader as it comes."""
    stock = record.of(workload, STOCK)
    if not stock:
        return []
    return [
        f"{run.arm}, turn {run.turn + 1}: {text}"
        for run in record.runs
        if run.workload == workload and run.marks and not run.problem
        for text in differing_marks(stock[0].marks, run.marks)
    ]


def failed(record: Record) -> list[str]:
    """Runs and probes that came to no end, each with the reason."""
    runs = [f"{r.arm} on {r.workload}, turn {r.turn + 1}: {r.problem}" for r in record.runs]
    told = [text for run, text in zip(record.runs, runs, strict=True) if run.problem]
    failures = {k: v for k, v in record.probes.items() if isinstance(v, dict) and "failed" in v}
    return told + [f"{name}: {probe['failed']}" for name, probe in failures.items()]


def goals(record: Record, workload: str, simulations: Mapping[str, Any]) -> list[Goal]:
    """The goals of the benchmark, in the order of its page."""
    by_arm = {row.arm: row for row in rows(record, workload, list(record.arms(workload)))}
    dask = ratios(_walls(record.of(workload, "dask")), _walls(record.of(workload, "workers")))

    def over_floor(arm: str) -> float | None:
        found = by_arm[arm].over_floor if arm in by_arm else None
        return found.middle if found else None

    fastest = by_arm["workers"].faster if "workers" in by_arm else None
    return [
        Goal("times as fast as stock nbgrader, two workers", 16, _middle(fastest), at_least=True),
        Goal("times the floor, one worker", 1.5, over_floor("one")),
        Goal("times the floor in as many processes, two workers", 1.5, over_floor("workers")),
        Goal("first verdict from a warm worker", 2.0, _warm_s(record), " s"),
        Goal("first verdict cold, in times of the imports", 1.3, _cold_over_imports(record)),
        Goal("Dask, in times of the local pool", 1.15, _middle(dask)),
        Goal("memory of a second kernel", 120, _second_kernel_mib(record), " MiB"),
        Goal(
            "re-check of 10,000 unchanged submissions", 60, recheck_s(simulations.get("pool")), " s"
        ),
    ]


def _middle(spread: Spread | None) -> float | None:
    return spread.middle if spread else None


def _probe(record: Record, name: str) -> Any:
    return record.probes[name] if record.has_probe(name) else None


def _warm_s(record: Record) -> float | None:
    found = _probe(record, "latency")
    return median(found["later_s"]) if found else None


def _cold_over_imports(record: Record) -> float | None:
    cold, imports = _probe(record, "cold"), _probe(record, "imports")
    if not cold or not imports:
        return None
    return median(cold) / median(imports["torch, torchvision"])


def _second_kernel_mib(record: Record) -> float | None:
    found = _probe(record, "memory")
    if not found:
        return None
    return found["and two kernels, one judge"] - found["and one submission"]


def recheck_s(simulation: Mapping[str, Any] | None) -> float | None:
    """Seconds to look at 10,000 unchanged submissions: what a smaller class took once, and as much
    again for each further submission as for those after the first tenth."""
    if simulation is None:
        return None
    again, number = simulation["recheck"], simulation["submissions"]
    each = (again["at_s"][-1] - again["at_s"][0]) / (number * (1 - 1 / len(again["at_s"])))
    return float(again["wall_s"] + each * (UNCHANGED - number))
