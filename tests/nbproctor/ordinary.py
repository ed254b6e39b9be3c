"""`python ordinary.py`: cells in a reduced sandbox, held as an ordinary user holds it.

A plan comes in on standard input, and what came of it goes out, both as JSON. The process gives up
all capabilities first, so that student code runs under its own user id, as it does for whoever
grades without being root.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from nbproctor.config import Limits
from nbproctor.kernels.kernel import StudentKernel
from nbproctor.sandbox import syscalls
from nbproctor.sandbox.plan import Level
from nbproctor.scratch import ScratchFolder

OWN_FOLDER = "nbp-"


def main() -> None:
    """Run the plan's cells one after the other, each only while there is a kernel."""
    syscalls.drop_capabilities()
    syscalls.prctl("PR_SET_CHILD_SUBREAPER", syscalls.PR_SET_CHILD_SUBREAPER, 1)
    plan = json.load(sys.stdin)
    told: dict[str, Any] = {"uid": os.getuid(), "cells": {}}
    kernel = StudentKernel(Limits(**plan["limits"]), Level.REDUCED)
    kernel.start()
    told["student"] = Path(f"/proc/{target(os.getpid())}").stat().st_uid
    for name, code in plan["cells"].items():
        told["cells"][name] = cell(kernel, code)
    kernel.stop()
    told["processes"] = survivors()
    told["folders"] = folders()
    ScratchFolder().remove()
    json.dump(told, sys.stdout)


def cell(kernel: StudentKernel, code: str) -> dict[str, str]:
    """How a cell ended, and why its kernel did."""
    if not kernel.is_alive:
        return {"ended": "there is no kernel", "error": "", "reason": ""}
    done = kernel.execute(code, 100, 1 << 20)
    reason = "" if done.reason is None else done.reason.name
    return {"ended": str(done.ended), "error": done.outputs.error, "reason": reason}


def target(pid: int) -> int:
    """The last process of a chain: outside, warden, target."""
    below = children(pid)
    return target(below[0]) if below else pid


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def survivors() -> list[str]:
    """Processes that outlived the kernel, ended now."""
    time.sleep(0.5)
    found = []
    for pid in children(os.getpid()):
        stat = Path(f"/proc/{pid}/stat").read_text()
        if stat.rpartition(")")[2].split()[0] != "Z":
            found.append(stat)
            os.kill(pid, 9)
    return found


def folders() -> list[str]:
    """Folders of the grader's that were not removed, removed now."""
    left = [str(path) for path in Path(tempfile.gettempdir()).glob(f"{OWN_FOLDER}*")]
    for path in left:
        subprocess.run(["chmod", "-R", "u+rwx", path], capture_output=True)
        subprocess.run(["rm", "-rf", path], check=True)
    return left


if __name__ == "__main__":
    main()
