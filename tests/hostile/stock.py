"""The same submissions through nbgrader as it comes, each in a container of its own.

Run by table.py. The container is bubblewrap's: own namespaces, no network but its own loopback, a
read-only view of Python and of this project, small file systems in memory, limits on processes and
memory, an unprivileged user. stock_class.py is the program inside.
"""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from corpus import Attack
from outcome import Outcome

__all__ = ["measure"]

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "stock_class.py"
# Each container has a user of its own, where this process can give it one: the limit on processes
# counts all of a user's.
USERS = itertools.count(0x60000000 + os.getpid() % 100_000 * 1000)
# nbgrader gives a cell 30 s; a class of three that has not ended after this never will.
CLASS_SECONDS = 150
START_SECONDS = 120
LIMITS = {"nproc": 256, "as": 6 << 30, "core": 0}
DISK_BYTES = 256 << 20


def measure(attacks: Sequence[Attack], folder: Path) -> dict[str, Outcome | None]:
    """Grade attacks with stock nbgrader, one after another, contained.

    Args:
        folder: an empty folder, where the results come back.

    Returns:
        What came of each attack, by its id; None where the container had to be ended.

    Raises:
        RuntimeError: a container ended without a single result.
    """
    folder.chmod(0o777)
    left = [attack.id for attack in attacks]
    found: dict[str, Outcome | None] = {}
    while left:
        told, before = _run(left, folder), len(left)
        for name in list(left):
            result = folder / f"{name.replace('/', '.')}.json"
            if not result.is_file():
                break
            found[name] = Outcome(**json.loads(result.read_text()))
            left.remove(name)
        if told is None and left:
            found[left.pop(0)] = None
        elif left and len(left) == before:
            raise RuntimeError(f"{left[0]}: {told}")
        # Otherwise an attack has left its container unfit for the next one, which gets a new one.
    return found


def _run(names: list[str], folder: Path) -> str | None:
    """Run the program inside; what it said, or None if it had to be ended."""
    limits = [f"--{name}={value}" for name, value in LIMITS.items()]
    inside = [
        "nice",
        "-n",
        "15",
        "prlimit",
        *limits,
        sys.executable,
        str(PROGRAM),
        str(CLASS_SECONDS),
        *names,
    ]
    try:
        done = subprocess.run(
            [*_container(folder), *inside],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_SECONDS + len(names) * CLASS_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    return (done.stdout + done.stderr)[-2000:]


def _container(folder: Path) -> list[str]:
    """bubblewrap's command line, up to the program that is to run inside."""
    if (found := shutil.which("bwrap")) is None:
        raise RuntimeError("`make hostile` needs bubblewrap to contain stock nbgrader")
    spaces = ["--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"]
    command = [found, *spaces, "--die-with-parent", "--new-session", "--clearenv"]
    command += [*_python(), "--proc", "/proc", "--dev", "/dev", "--chdir", "/tmp"]
    for path in ("/tmp", "/var/tmp", "/dev/shm"):
        command += ["--perms", "1777", "--size", str(DISK_BYTES), "--tmpfs", path]
    command += ["--bind", str(folder), "/result"]
    for name, value in _environment().items():
        command += ["--setenv", name, value]
    if os.geteuid() != 0:
        return [*command, "--unshare-user", "--"]
    user = next(USERS)
    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
    return [*command, "--", *drop, "--bounding-set=-all", "--no-new-privs"]


def _python() -> list[str]:
    """The system, this Python and this project, read-only; whoever is inside can get there."""
    seen = sorted({"/usr", "/etc", sys.base_prefix, sys.prefix, str(ROOT)})
    above = {str(parent) for path in seen for parent in Path(path).parents} - {"/", "/usr"}
    parts = [part for path in sorted(above) for part in ("--perms", "0755", "--dir", path)]
    parts += [part for path in seen for part in ("--ro-bind", path, path)]
    return parts + [part for name in ("bin", "sbin", "lib", "lib64") for part in _linked(name)]


def _linked(name: str) -> list[str]:
    path = Path("/", name)
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.exists() else []


def _environment() -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {"PATH": path, "HOME": "/tmp", "LANG": "C.UTF-8", **one_thread}
