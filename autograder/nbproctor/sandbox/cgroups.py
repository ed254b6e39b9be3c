"""Control groups: memory and number of processes, counted by the system for a whole tree.

Used where this process may make groups of its own: as root, or where one was delegated to it.
Versions 1 and 2 are both met.
"""

import contextlib
import itertools
import os
import time
from collections.abc import Iterator
from pathlib import Path

__all__ = ["Group", "killed_for_memory", "make_group", "sweep"]

PREFIX = "nbproctor-"
MEMORY_LIMITS = {1: "memory.limit_in_bytes", 2: "memory.max"}
REMOVAL_S = 2.0
_numbers = itertools.count()


class Group:
    """A group that was made, in one or several hierarchies.

    Args:
        folders: by controller (`memory`, `pids`), the folder that stands for the group.
    """

    def __init__(self, folders: dict[str, Path]) -> None:
        self.folders = folders

    @property
    def paths(self) -> list[str]:
        """The folders, each once."""
        return sorted({str(folder) for folder in self.folders.values()})

    @property
    def memory_events(self) -> str:
        """The file in which `killed_for_memory` is told; "" where there is none."""
        for name in ("memory.events", "memory.oom_control"):
            path = self.folders["memory"] / name
            if path.is_file():
                return str(path)
        return ""

    def remove(self) -> None:
        """Remove the group once its last process has gone."""
        for path in self.paths:
            deadline = time.monotonic() + REMOVAL_S
            while os.path.isdir(path) and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    os.rmdir(path)
                    break
                time.sleep(0.01)


def killed_for_memory(events: int) -> bool:
    """Whether the system had to kill a process of a group for its use of memory.

    Args:
        events: a descriptor of the group's `memory_events`, which works where no path leads there.
    """
    lines = os.pread(events, 4096, 0).decode().splitlines()
    return int(dict(line.split() for line in lines if line).get("oom_kill", 0)) > 0


def make_group(max_memory_bytes: int, max_processes: int) -> Group | None:
    """A new, empty group with these limits; None where none can be made.

    Processes join by writing `0` to the file `cgroup.procs` of every folder.
    """
    name = f"{PREFIX}{os.getpid()}-{next(_numbers)}"
    folders: dict[str, Path] = {}
    limits = {"memory": max_memory_bytes, "pids": max_processes}
    for controller, limit in limits.items():
        for parent, version in _parents(controller):
            with contextlib.suppress(OSError):
                folder = parent / name
                folder.mkdir(exist_ok=True)
                folders[controller] = folder
                file = MEMORY_LIMITS[version] if controller == "memory" else "pids.max"
                (folder / file).write_text(str(limit))
                _forbid_swap(folder, version, max_memory_bytes)
                break
            folders.pop(controller, None)
    group = Group(folders)
    if set(folders) == set(limits):
        return group
    group.remove()
    return None


def sweep() -> None:
    """Remove groups that a grader left behind which was killed."""
    for controller in ("memory", "pids"):
        for parent, _ in _parents(controller):
            for folder in parent.glob(f"{PREFIX}*"):
                owner = folder.name.removeprefix(PREFIX).partition("-")[0]
                if owner.isdigit() and not os.path.exists(f"/proc/{owner}"):
                    with contextlib.suppress(OSError):
                        folder.rmdir()


def _forbid_swap(folder: Path, version: int, max_bytes: int) -> None:
    name = {1: "memory.memsw.limit_in_bytes", 2: "memory.swap.max"}[version]
    with contextlib.suppress(OSError):  # where swap is not counted, the limit on memory holds
        (folder / name).write_text(str(max_bytes if version == 1 else 0))


def _parents(controller: str) -> Iterator[tuple[Path, int]]:
    """Folders in which a group for this controller may perhaps be made, best first."""
    own = _own_groups()
    for mounted, controllers, version in _hierarchies():
        if version == 1 and controller in controllers:
            yield _within(mounted, own.get(controller, "/")), 1
        elif version == 2:
            folder = _within(mounted, own.get("", "/"))
            # A group with processes of its own can have no limited groups below it, but for the
            # topmost one: then its neighbours' parent is the place.
            for parent in (folder, folder.parent):
                with contextlib.suppress(OSError):
                    if controller in (parent / "cgroup.subtree_control").read_text().split():
                        yield parent, 2


def _within(mounted: Path, path: str) -> Path:
    inside = mounted / path.lstrip("/")
    return inside if inside.is_dir() else mounted


def _own_groups() -> dict[str, str]:
    """This process's group by controller; version 2 has the empty name."""
    groups: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            groups |= dict.fromkeys(controllers.split(","), path)
    return groups


def _hierarchies() -> Iterator[tuple[Path, list[str], int]]:
    """Mounted hierarchies: where, which controllers (version 1), and the version."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            before, _, after = line.partition(" - ")
            kind, _, options = after.split(" ", 2)
            if kind in ("cgroup", "cgroup2"):
                version = 2 if kind == "cgroup2" else 1
                yield Path(before.split()[4]), options.split(","), version
