"""The process that becomes a sandbox: `python -I -m nbproctor.sandbox.launch FD [FD ...]`.

Three processes come of it. This one waits outside and cleans up. Its child, the warden, is the
first inside. The warden's child gives up its rights and runs the target.

The first FD is a socket to the grader, the leash: the plan comes from there, then the warden's
marks; one line goes back when the target is about to start, one when all is over, and it is closed
when all is cleaned up. The other descriptors are the target's.
"""

import contextlib
import importlib
import json
import os
import random
import signal
import socket
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

from nbproctor.sandbox import syscalls
from nbproctor.sandbox.confine import Confinement, LayerError
from nbproctor.sandbox.furnishing import CopyError
from nbproctor.sandbox.plan import Plan
from nbproctor.sandbox.warden import Usage, watch
from nbproctor.trees import remove_tree

__all__ = ["launch", "main"]


def main() -> None:
    """Become a sandbox, from a fresh interpreter."""
    first, *others = map(int, sys.argv[1:])
    launch(socket.socket(fileno=first), others)


def launch(leash: socket.socket, descriptors: list[int]) -> None:
    """Read the plan and carry it out. Returns only in the target's process, when that has ended."""
    with leash.makefile("r", encoding="utf-8", buffering=1) as lines:
        plan = Plan.from_json(lines.readline())
    _name_process(plan.target)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the warden passes interrupts on
    confinement = Confinement(plan)
    try:
        confinement.join_groups()
        confinement.leave_the_machine()
    except LayerError as error:
        _give_up(leash, error)
    warden = os.fork()
    if warden:
        for descriptor in descriptors:
            os.close(descriptor)
        os.waitpid(warden, 0)
        remove_tree(plan.folder)
        os._exit(0)
    _stand_as_warden(confinement, leash, descriptors)


def _name_process(target: str) -> None:
    """What `ps` and `top` show for this process and those that it forks."""
    with contextlib.suppress(OSError):
        Path("/proc/self/comm").write_text(f"nbp-{target.rpartition('.')[2]}")


def _stand_as_warden(
    confinement: Confinement, leash: socket.socket, descriptors: list[int]
) -> None:
    plan = confinement.plan
    try:
        if syscalls.IS_LINUX:
            syscalls.set_parent_death_signal(signal.SIGKILL)
            syscalls.prctl("PR_SET_DUMPABLE", syscalls.PR_SET_DUMPABLE, 0)
            syscalls.prctl("PR_SET_CHILD_SUBREAPER", syscalls.PR_SET_CHILD_SUBREAPER, 1)
        confinement.furnish()
    except LayerError as error:
        _give_up(leash, error)
    except CopyError as error:
        _say(leash, {"uncopied": error.told})
        os._exit(1)
    target = os.fork()
    if not target:
        return _run_target(confinement, leash, descriptors)
    kept = [leash.fileno(), *([] if confinement.events is None else [confinement.events])]
    _close_all_but(kept)
    scratch = None if confinement.is_full else confinement.scratch
    reason = watch(target, leash, Usage(plan.budget, confinement.events, scratch))
    _say(leash, {"ended": reason.name})
    os._exit(0)


def _run_target(confinement: Confinement, leash: socket.socket, descriptors: list[int]) -> None:
    plan = confinement.plan
    os.setsid()
    try:
        confinement.give_up_rights()
    except LayerError as error:
        _give_up(leash, error)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(_places(confinement.scratch))
    os.chdir(f"{confinement.scratch}/work")
    try:
        target = importlib.import_module(plan.target)
    except ImportError as error:  # a part of the environment that cannot be seen in here
        _say(leash, {"failed": plan.target, "reason": str(error)})
        os._exit(1)
    _say(leash, {"missing": confinement.missing})
    leash.close()
    tempfile.tempdir = None  # where it was before, there is nothing now
    _draw_new_random_numbers()
    target.main(plan.arguments, descriptors)


def _draw_new_random_numbers() -> None:
    """Forks of one process would all draw the same."""
    random.seed()
    if (numpy := sys.modules.get("numpy")) is not None:
        numpy.random.seed()
    if (torch := sys.modules.get("torch")) is not None:
        torch.seed()


def _places(scratch: str) -> dict[str, str]:
    return {"HOME": scratch, "TMPDIR": f"{scratch}/tmp", "IPYTHONDIR": f"{scratch}/.ipython"}


def _close_all_but(kept: list[int]) -> None:
    """The warden holds no end of the target's connections, so that they end with it."""
    for before, after in pairwise([-1, *sorted(kept), 4096]):
        os.closerange(before + 1, after)


def _say(leash: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # the grader has gone
        leash.sendall(json.dumps(message).encode() + b"\n")


def _give_up(leash: socket.socket, error: LayerError) -> None:
    _say(leash, {"failed": error.layer, "reason": error.reason})
    os._exit(1)


if __name__ == "__main__":
    main()
