"""The student kernel: a Jupyter kernel of its own for one submission."""

import os
import queue
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from subprocess import DEVNULL
from typing import TYPE_CHECKING

from nbproctor.config import Limits
from nbproctor.errors import GraderError
from nbproctor.outputs import Outputs

if TYPE_CHECKING:
    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

__all__ = ["Ended", "Execution", "StudentKernel"]

POLL_S = 0.1
KEPT_VARIABLES = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH")


class Ended(StrEnum):
    """How the execution of a cell ended."""

    DONE = "done"  # with or without an exception
    TIMED_OUT = "timed out"
    DIED = "kernel died"


@dataclass(frozen=True)
class Execution:
    """What became of one cell. `began` is False if the kernel was dead before it."""

    ended: Ended
    outputs: Outputs
    began: bool = True


class StudentKernel:
    """Starts, runs, interrupts and kills one kernel after another for one submission.

    Args:
        files: a folder whose files (no notebooks) the learner's code finds beside it, or None.
    """

    def __init__(self, limits: Limits, files: Path | None = None) -> None:
        self.limits, self.files = limits, files
        self.folder = Path(tempfile.mkdtemp(prefix="nbp-"))
        self.manager: KernelManager | None = None
        self.client: BlockingKernelClient | None = None

    def __enter__(self) -> "StudentKernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start a fresh kernel in a fresh scratch folder.

        Raises:
            GraderError: no kernel came up in time.
        """
        from jupyter_client.manager import KernelManager

        scratch = Path(tempfile.mkdtemp(dir=self.folder))
        work = _furnish(scratch, self.files)
        self.manager = KernelManager(transport="ipc", ip=str(scratch / "k"))
        self.manager.connection_file = str(scratch / "kernel.json")
        arguments = ["--HistoryManager.hist_file=:memory:"]
        try:
            # Our own interpreter, whatever kernel specification the user has installed.
            assert self.manager.kernel_spec is not None
            self.manager.kernel_spec.argv = [
                *(sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"),
                *arguments,
            ]
            self.manager.start_kernel(
                cwd=str(work), env=_environment(scratch), stdout=DEVNULL, stderr=DEVNULL
            )
            self.client = self.manager.client()
            self.client.start_channels()
            self.client.wait_for_ready(timeout=self.limits.start_timeout_s)
        except (RuntimeError, OSError) as error:
            self.stop()
            raise GraderError("the student kernel did not start", got=error) from error

    def stop(self) -> None:
        """Kill the kernel, if there is one."""
        if self.client is not None:
            self.client.stop_channels()
        if self.manager is not None and self.manager.has_kernel:
            self.manager.shutdown_kernel(now=True)
        self.client = self.manager = None

    @property
    def is_alive(self) -> bool:
        return self.manager is not None and self.manager.is_alive()

    def execute(self, code: str, timeout_s: float, max_output_bytes: int) -> Execution:
        """Run one cell; interrupt it at the time limit, kill the kernel if that does not help."""
        outputs = Outputs(max_output_bytes)
        message = self._send(code, silent=False)
        ended, began = self._follow(message, outputs, timeout_s)
        if ended is Ended.TIMED_OUT and not self._interrupt(message, outputs):
            ended = Ended.DIED
        return Execution(ended, outputs, began)

    def begin_serving(self, path: str) -> str:
        """Have the kernel answer the judge that listens at `path`; returns the message's id."""
        # A learner may have given `globals` or `__import__` another meaning: no name is used.
        scope, builtin = "(lambda: 0).__globals__", "(lambda: 0).__builtins__['__import__']"
        code = f"{builtin}('nbproctor.student', fromlist=['serve']).serve({path!r}, {scope})"
        return self._send(code, silent=True)

    def declines_to_serve(self, message: str) -> bool:
        """Whether the kernel has gone, or gone idle, without answering the judge."""
        return self._follow(message, Outputs(0), POLL_S)[0] is not Ended.TIMED_OUT

    def end_serving(self, message: str) -> bool:
        """Wait until the kernel is idle again; False if it had to be killed or is dead."""
        nothing = Outputs(0)  # what the learner's code prints during a test may show its inputs
        ended, _ = self._follow(message, nothing, self.limits.interrupt_grace_s)
        if ended is Ended.TIMED_OUT:
            return self._interrupt(message, nothing)
        return ended is Ended.DONE

    def _send(self, code: str, silent: bool) -> str:
        assert self.client is not None
        return self.client.execute(
            code, silent=silent, store_history=not silent, allow_stdin=False, stop_on_error=False
        )

    def _follow(self, message: str, outputs: Outputs, timeout_s: float) -> tuple[Ended, bool]:
        """Collect outputs until the kernel is idle again; also says whether the cell began."""
        assert self.client is not None
        deadline, began = time.monotonic() + timeout_s, False
        while (left := deadline - time.monotonic()) > 0:
            try:
                got = self.client.get_iopub_msg(timeout=min(left, POLL_S))
                if got["parent_header"]["msg_id"] != message:
                    continue
                began = True
                if got["msg_type"] == "status" and got["content"]["execution_state"] == "idle":
                    return Ended.DONE, True
                outputs.add(got["msg_type"], got["content"])
            except queue.Empty:
                if not self.is_alive:
                    return Ended.DIED, began
            except Exception:  # a message that the learner's code forged
                continue
        return Ended.TIMED_OUT, began

    def _interrupt(self, message: str, outputs: Outputs) -> bool:
        """Whether the kernel became idle when interrupted; it is killed otherwise."""
        assert self.manager is not None
        self.manager.interrupt_kernel()
        if self._follow(message, outputs, self.limits.interrupt_grace_s)[0] is Ended.DONE:
            return True
        self.stop()
        return False


def _furnish(scratch: Path, files: Path | None) -> Path:
    """A working folder with the lesson's files, and a home of its own beside it."""
    work = scratch / "work"
    if files is not None:
        shutil.copytree(files, work, ignore=shutil.ignore_patterns("*.ipynb", ".*"))
    work.mkdir(exist_ok=True)
    # Without its list of fonts matplotlib would search the system for them, for seconds.
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "matplotlib"
    target = scratch / ".cache" / "matplotlib"
    target.mkdir(parents=True)
    for fonts in cache.glob("fontlist-*.json"):
        shutil.copy(fonts, target)
    return work


def _environment(scratch: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    own = {"HOME": str(scratch), "IPYTHONDIR": str(scratch / ".ipython")}
    return {
        **kept,
        **own,
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
