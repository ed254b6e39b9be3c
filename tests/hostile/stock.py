"""The same submissions through nbgrader as it comes, each in a container of its own.

Run by table.py. The container is bubblewrap's: own namespaces, no network but its own loopback, a
read-only view of Python and of this project, small file systems in memory, limits on processes and
memory, an unprivileged user. stock_class.py is the program inside.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from corpus import Attack
from outcome import Outcome

__all__ = ["measure"]

ROOT = Path(__file__).parents[2]
PROGRAM = Path(__file__).parent / "stock_class.py"
NOBODY = 65534
# nbgrader gives a cell 30 s; a class of three that has not ended after this never will.
CLASS_SECONDS = 150
START_SECONDS = 120
LIMITS = {"nproc": 256, "as": 6 << 30, "core": 0}
DISK_BYTES = 256 << 20


def measure(attack: Attack, folder: Path) -> Outcome | None:
    """Grade one attack with stock nbgrader, contained; None if not even the container ended.

    Args:
        folder: an empty folder, where the result comes back.

    Raises:
        RuntimeError: the container did not start, or its program failed by itself.
    """
    folder.chmod(0o777)
    limits = [f"--{name}={value}" for name, value in LIMITS.items()]
    inside = ["prlimit", *limits, sys.executable, str(PROGRAM), attack.id, str(CLASS_SECONDS)]
    try:
        done = subprocess.run(
            [*_container(folder), *inside],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=START_SECONDS + CLASS_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return None
    result = folder / "outcome.json"
    if not result.is_file():
        raise RuntimeError(
            f"{attack.id}: {done.returncode} {done.stdout[-500:]} {done.stderr[-2000:]}"
        )
    return Outcome(**json.loads(result.read_text()))


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
    drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
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
