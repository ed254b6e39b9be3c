"""Processes that have imported everything already: forks of one that did.

`python -I -m nbproctor.sandbox.forkserver FD MODULE [MODULE ...]` imports the modules, then forks
once for every message on FD, with the descriptors that came along. It never starts a thread: a
fork would lose it, and hang where it was waited for.
"""

import atexit
import contextlib
import gc
import importlib
import json
import logging
import os
import select
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from types import FrameType

from nbproctor.heap import LARGE_PAGES
from nbproctor.sandbox.huge_pages import collapse, private_ranges
from nbproctor.sandbox.launch import launch

__all__ = ["KERNEL_MODULES", "ForkServer", "main", "start_interpreter", "warm_server"]

log = logging.getLogger(__name__)
MAX_DESCRIPTORS = 16
MAX_SERVERS = 2  # each holds the memory of its imports: torch's alone are hundreds of megabytes
KERNEL_MODULES = (
    *("nbproctor.remote.judge", "nbproctor.kernels.kernel_app", "nbproctor.remote.student"),
    # What a kernel would import when it starts.
    *("IPython.core.completerlib", "IPython.core.debugger", "IPython.core.logger"),
    *("IPython.core.oinspect", "IPython.extensions.storemagic", "sqlite3", "faulthandler"),
    "tornado.platform.asyncio",
)
# What the first figure would import.
FIGURE_MODULES = (
    *("matplotlib_inline.backend_inline", "matplotlib.backends.backend_agg"),
    *("IPython.core.pylabtools", "PIL.features", "PIL.BmpImagePlugin", "PIL.GifImagePlugin"),
    *("PIL.JpegImagePlugin", "PIL.PngImagePlugin", "PIL.PpmImagePlugin"),
)
# The whole environment of a sandboxed process, but for what depends on its scratch.
ENVIRONMENT = {
    "LANG": "C.UTF-8",
    "PYTHONNOUSERSITE": "1",
    "PYTHONSAFEPATH": "1",
    "OMP_NUM_THREADS": "1",  # judge and student kernel take turns
    **LARGE_PAGES,
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    "TQDM_DISABLE": "1",  # nobody watches a bar
}


class ForkServer:
    """A process that has imported `modules` and starts sandboxes by forking.

    Raises:
        OSError: it did not come up in time. `refusal` says so, or why it will not fork.
    """

    def __init__(self, modules: Sequence[str], timeout_s: float) -> None:
        self.requests, theirs = socket.socketpair()
        with theirs:
            arguments = [str(theirs.fileno()), *modules]
            name = "nbproctor.sandbox.forkserver"
            self.process = start_interpreter(name, arguments, [theirs.fileno()])
        self.requests.settimeout(timeout_s)
        try:
            told = json.loads(self.requests.recv(65536) or b'{"refusal": "it ended"}')
            self.refusal = str(told["refusal"])
        except TimeoutError:
            self.refusal = "it took too long to import what a kernel needs"
        except BaseException:  # whoever waits for it is ended: it would go on importing
            self.stop()
            raise
        self.requests.settimeout(None)

    @property
    def is_usable(self) -> bool:
        return not self.refusal and self.process.poll() is None

    def fork(self, descriptors: Sequence[int]) -> None:
        """Start a sandbox; the first descriptor is its leash, the others are the target's.

        Raises:
            OSError: the server has gone.
        """
        socket.send_fds(self.requests, [b"."], descriptors)

    def stop(self) -> None:
        """End the server. Sandboxes that it started live on."""
        self.requests.close()
        self.process.kill()
        self.process.wait()


def start_interpreter(
    module: str, arguments: Iterable[str], descriptors: Sequence[int]
) -> subprocess.Popen[bytes]:
    """Run a module in a Python that has nothing of this process but these descriptors."""
    path = os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"])
    return subprocess.Popen(
        [sys.executable, "-I", "-m", module, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        pass_fds=descriptors,
        env={**ENVIRONMENT, "PATH": path},
        cwd="/",
        start_new_session=True,
    )


_servers: dict[tuple[str, ...], ForkServer] = {}  # by their imports, the one used last at the end


def warm_server(modules: Iterable[str], timeout_s: float) -> ForkServer | None:
    """The server that has imported these modules and ours, started anew where it has gone.

    Of servers with other modules only the one used last is kept. None where forking is not safe:
    one of the modules starts threads or initialises CUDA.
    """
    wanted = {*KERNEL_MODULES, *modules}
    if any(module.startswith("matplotlib") for module in wanted):
        wanted |= set(FIGURE_MODULES)
    key = tuple(sorted(wanted))
    server = _servers.pop(key, None)
    if server is None or (not server.refusal and not server.is_usable):
        if server is not None:
            server.stop()
        server = ForkServer(key, timeout_s)
        if server.refusal:
            log.warning("Every kernel starts cold, in seconds: %s.", server.refusal)
            server.stop()
        _stop_at_exit()
    _servers[key] = server
    for old in [key for key, made in _servers.items() if not made.refusal][:-MAX_SERVERS]:
        _servers.pop(old).stop()
    return server if server.is_usable else None


@cache
def _stop_at_exit() -> None:
    atexit.register(_stop_all)


def _stop_all() -> None:
    for server in _servers.values():
        server.stop()


def main() -> None:
    """Import, then fork until the grader hangs up."""
    requests = socket.socket(fileno=int(sys.argv[1]))
    refusal = _import_all(sys.argv[2:])
    requests.sendall(json.dumps({"refusal": refusal}).encode())
    signal.signal(signal.SIGCHLD, _reap)
    gc.collect()
    gc.freeze()  # pages that a collection does not touch stay shared
    improvable = private_ranges()
    while True:
        while not select.select([requests], [], [], 0)[0] and (place := next(improvable, 0)):
            collapse(place)  # only while nobody waits
        said, descriptors, _, _ = socket.recv_fds(requests, 1, MAX_DESCRIPTORS)
        if not said:
            return
        if os.fork() == 0:
            requests.close()
            os.setsid()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            first, *others = descriptors
            launch(socket.socket(fileno=first), others)
            return
        for descriptor in descriptors:
            os.close(descriptor)


def _reap(_signal: int, _frame: FrameType | None) -> None:
    """Nobody waits for a fork's end, but whoever measures this process counts its forks' time."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def _import_all(modules: Iterable[str]) -> str:
    """Why forking would not be safe afterwards, or ""."""
    for module in modules:
        with contextlib.suppress(ImportError):  # it will be missed, and named, where it is used
            importlib.import_module(module)
    return _why_not_to_fork()


def _why_not_to_fork() -> str:
    if not os.path.isdir("/proc/self/task"):
        return "there is no /proc to see threads"
    if (threads := len(os.listdir("/proc/self/task"))) != 1:
        return f"importing left {threads} threads"
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        return "importing initialised CUDA"
    return ""


if __name__ == "__main__":
    main()
