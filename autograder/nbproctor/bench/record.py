"""What the benchmark measured, as kept in a file: a run that was stopped goes on from it."""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from nbproctor.errors import ConfigError

__all__ = ["Record", "Run"]

# What must not change between the runs of one record.
FIXED = ("machine", "versions", "settings")


@dataclass(frozen=True)
class Run:
    """One arm grading one class once. Times in seconds.

    Args:
        finished: when each submission was done, since the start, in order.
        each_wall_s, each_cpu_s: per submission, once all workers have done their first one.
        compute_s: CPU time of a submission's cells alone, where the arm knows it.
        marks: points by student and cell.
        other_cores: how many cores something else kept busy meanwhile.
    """

    workload: str
    arm: str
    turn: int
    workers: int
    wall_s: float
    cpu_s: float
    finished: tuple[float, ...]
    each_wall_s: float
    each_cpu_s: float
    marks: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    compute_s: float | None = None
    problem: str = ""
    other_cores: float = 0.0

    @property
    def key(self) -> tuple[str, str, int]:
        return self.workload, self.arm, self.turn


@dataclass
class Record:
    """All runs and probes of one benchmark on one machine with one set of settings.

    `about` says what was measured where; `probes` has what is measured once.
    """

    path: Path
    about: dict[str, Any]
    runs: list[Run] = field(default_factory=list)
    probes: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def open(cls, path: Path, about: dict[str, Any], fresh: bool) -> Self:
        """Continue the record at `path`, or begin one.

        Raises:
            ConfigError: it holds numbers of another machine, version or setting.
        """
        if fresh or not path.is_file():
            return cls(path, about)
        kept = cls.read(path)
        differing = [k for k in about if k in FIXED and kept.about.get(k) != about[k]]
        if differing:
            raise ConfigError(
                "the record was begun under other conditions: --fresh begins anew",
                expected={k: kept.about.get(k) for k in differing},
                got={k: about[k] for k in differing},
                where=path,
            )
        return kept

    @classmethod
    def read(cls, path: Path) -> Self:
        """The record in a file.

        Raises:
            ConfigError: there is none.
        """
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            runs = [Run(**{**r, "finished": tuple(r["finished"])}) for r in told["runs"]]
            return cls(path, told["about"], runs, told["probes"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError("no record of a benchmark", got=repr(error), where=path) from error

    def has(self, workload: str, arm: str, turn: int) -> bool:
        """Whether an arm has come to an end in a turn."""
        return any(run.key == (workload, arm, turn) and not run.problem for run in self.runs)

    def has_probe(self, name: str) -> bool:
        """Whether a probe has told something."""
        found = self.probes.get(name)
        return found is not None and not (isinstance(found, dict) and "failed" in found)

    def of(self, workload: str, arm: str) -> list[Run]:
        """Runs of an arm that came to an end, by turn."""
        found = [r for r in self.runs if (r.workload, r.arm) == (workload, arm) and not r.problem]
        return sorted(found, key=lambda run: run.turn)

    def add(self, *runs: Run, probes: Mapping[str, Any] | None = None) -> None:
        """Keep what was measured, in place of what failed; the file is replaced as a whole."""
        again = {run.key for run in runs}
        self.runs = [run for run in self.runs if run.key not in again] + list(runs)
        self.probes |= probes or {}
        told = {"about": self.about, "runs": [asdict(r) for r in self.runs], "probes": self.probes}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps(told, indent=1), encoding="utf-8")
        os.replace(new, self.path)

    def arms(self, workload: str) -> Iterable[str]:
        """Names of the arms that were measured on a workload."""
        return dict.fromkeys(run.arm for run in self.runs if run.workload == workload)
