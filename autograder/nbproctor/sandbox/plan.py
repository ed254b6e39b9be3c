"""What a sandbox is asked to be, in plain data: the grader sends it to the process that enters."""

import json
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

__all__ = ["NO_SANDBOX", "Budget", "Layer", "Level", "Plan"]

NO_SANDBOX = (
    "THE SANDBOX IS OFF: student code runs with your rights. It can read and change your files, "
    "use the network, and leave processes behind. Every report of this run says so."
)


class Level(StrEnum):
    """How much stands between a process and the machine."""

    FULL = "full"
    """Namespaces: a file system, a process table and a network of its own."""
    REDUCED = "reduced"
    """No namespaces, as inside most containers: Landlock and a filter of system calls."""
    OFF = "off"
    """Nothing: the rights of whoever grades."""


class Layer(StrEnum):
    """The single parts of a sandbox."""

    USER = "user namespace"
    MOUNT = "mount namespace"
    PID = "PID namespace"
    NETWORK = "network namespace"
    IPC = "IPC namespace"
    UTS = "UTS namespace"
    LANDLOCK = "Landlock"
    SECCOMP = "seccomp filter"
    RLIMITS = "resource limits"
    CGROUP = "control group"
    UID = "unprivileged uid"
    PRIVILEGES = "no new privileges"


@dataclass(frozen=True)
class Budget:
    """What all processes in a sandbox may use together."""

    memory_bytes: int
    disk_bytes: int
    processes: int
    """Threads count too."""
    cpu_s: float
    """CPU time from start to end."""
    cell_cpu_s: float
    """CPU time between two marks that the grader sets."""


@dataclass(frozen=True)
class Plan:
    """One sandboxed process.

    Args:
        target: the module whose `main(arguments)` runs inside.
        folder: an empty folder of the machine's: the new root stands there, or, without a mount
            namespace, the scratch. It is removed at the end.
        readable: what can be seen, read-only.
        listable: folders of which only the names in them can be seen.
        copies: what is copied into the scratch, by path below it.
        devices: device files of GPUs, to be used.
        groups: folders of the control group to join.
        memory_events: the group's file that tells of processes killed for their use of memory.
    """

    level: Level
    target: str
    budget: Budget
    folder: str
    readable: tuple[str, ...] = ()
    listable: tuple[str, ...] = ()
    copies: dict[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    memory_events: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Plan":
        data = json.loads(text)
        data |= {"level": Level(data["level"]), "budget": Budget(**data["budget"])}
        return cls(**data)
