"""Settings of one grading run: limits on time, size and restarts."""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path

from nbproctor.errors import ConfigError

__all__ = ["Limits", "limits_from", "usable_cores"]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MOST_S, MOST = 86_400.0, 1 << 50  # more than a day, or than this, the system's own calls refuse
GROUPS, OWN_GROUP = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Times in seconds, sizes in bytes.

    Raises:
        ConfigError: a limit is no positive number of its kind, or larger than any machine.
    """

    cell_timeout_s: float = 30.0
    """One cell of the learner's."""
    call_timeout_s: float = 15.0
    """One call that a test makes into the learner's code."""
    test_timeout_s: float = 60.0
    """One test cell, all its calls together."""
    notebook_timeout_s: float = 600.0
    """The whole submission, restarts included."""
    start_timeout_s: float = 120.0
    """Start of a kernel or of a judge (a cold import of torch can take half a minute)."""
    interrupt_grace_s: float = 3.0
    """How long an interrupted kernel may take to become idle before it is killed."""
    cell_cpu_s: float = 60.0
    """CPU time of one cell, all threads and processes together."""
    max_memory_bytes: int = 4 * GIB
    """Memory of all processes of a submission together."""
    max_disk_bytes: int = 512 * MIB
    """Files of a submission in its scratch folder, and as much again in shared memory."""
    max_processes: int = 128
    """Processes and threads of a submission together."""
    gpus: int = 0
    """GPUs that a submission sees. 0: none, the only limit that may be 0."""
    max_restarts: int = 3
    """Kernels that one submission may lose before its remaining tests are given up."""
    max_notebook_bytes: int = 128 * MIB
    """A larger submission is not read."""
    max_cell_bytes: int = 256 * KIB
    """A longer cell is not run."""
    max_cells: int = 2000
    """Cells beyond this one are not read."""
    max_text_bytes: int = 2 * MIB
    """Text of all cells of a submission together; what is beyond it is not read."""
    max_output_bytes: int = 1 * MIB
    """Output kept of one cell."""
    max_notebook_output_bytes: int = 16 * MIB
    """Output kept of all cells of one submission together."""
    max_reply_bytes: int = 512 * MIB
    """Tensor bytes in one reply of the student kernel."""
    max_reply_header_bytes: int = 4 * MIB
    """Everything else in one reply."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value, whole = getattr(self, field.name), field.type is int
            kind = int if whole else int | float
            least = 0 if field.name == "gpus" else 1 if whole else 1e-6
            most = MOST if whole else MOST_S
            # NaN is in no range.
            is_number = isinstance(value, kind) and not isinstance(value, bool)
            if not is_number or not least <= value <= most:
                raise ConfigError(
                    f"the limit {field.name} is not usable",
                    expected=f"a {'whole ' if whole else ''}number from {least:g} to {most:,}",
                    got=repr(value),
                )


def usable_cores(groups: Path = GROUPS, own_group: Path = OWN_GROUP) -> int:
    """How many of the machine's cores this process may keep busy: a container may have fewer.

    Args:
        groups: where control groups (of version 2) are shown; `own_group` names this process's.
    """
    here = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else ()
    return min([len(here) or os.cpu_count() or 1, *_granted(groups, own_group)])


def _granted(groups: Path, own_group: Path) -> Iterator[int]:
    """The cores' worth of time that each group around this process may take, where it says so."""
    place = groups
    with contextlib.suppress(OSError):
        for line in own_group.read_text().splitlines():
            if line.startswith("0::"):
                place = groups / line.removeprefix("0::").lstrip("/")
    for folder in (place, *place.parents):
        if folder.is_relative_to(groups):
            with contextlib.suppress(OSError, ValueError):  # "max" is no number, and no limit
                time_us, of_us = map(int, (folder / "cpu.max").read_text().split())
                yield max(1, math.ceil(time_us / of_us))


def limits_from(settings: Mapping[str, float]) -> Limits:
    """Limits with some settings of the user's.

    Raises:
        ConfigError: a setting is unknown or not a positive number.
    """
    known = {field.name for field in fields(Limits)}
    if unknown := sorted(set(settings) - known):
        raise ConfigError(
            f"unknown limits: {', '.join(unknown)}", expected=", ".join(sorted(known))
        )
    return Limits(**settings)  # type: ignore[arg-type]
