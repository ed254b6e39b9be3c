"""On what the benchmark ran: numbers mean nothing without it."""

import importlib.util
import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from nbproctor.config import usable_cores

__all__ = ["machine", "versions"]

PACKAGES = (
    "nbgrader",
    "nbclient",
    "ipykernel",
    "torch",
    "torchvision",
    "sqlalchemy",
    "distributed",
)


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory and kernel."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30
    cores = usable_cores()
    return {
        "processor": _processor(),
        "cores": cores,
        "memory_gib": round(memory, 1),
        "system": f"{platform.system()} {platform.release()}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def versions(root: Path) -> dict[str, str]:
    """Of Python, of the packages that matter, and of the project; whether bytecode is there."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found | {"bytecode": _bytecode(), "commit": _commit(root)}


def _bytecode() -> str:
    """Whether torch's bytecode is compiled: found without importing it."""
    spec = importlib.util.find_spec("torch")
    if spec is None or spec.origin is None:
        return "no torch"
    return (
        "compiled" if Path(importlib.util.cache_from_source(spec.origin)).is_file() else "missing"
    )


def _commit(root: Path) -> str:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=root, capture_output=True, text=True
        )
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
