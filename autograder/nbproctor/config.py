"""Settings of one grading run: limits on time, size and restarts."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from nbproctor.errors import ConfigError

__all__ = ["Limits", "limits_from"]

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30


@dataclass(frozen=True)
class Limits:
    """What one submission may use. Times in seconds, sizes in bytes.

    Raises:
        ConfigError: a limit is not a positive number.
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
            value = getattr(self, field.name)
            number, least = (int, 0) if field.name == "gpus" else (int | float, 1e-6)
            if isinstance(value, bool) or not isinstance(value, number) or not value >= least:
                raise ConfigError(
                    f"the limit {field.name} is not usable",
                    expected="a positive number" if least else "0, or how many",
                    got=repr(value),
                )


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
