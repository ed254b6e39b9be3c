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
    """What became of one cell."""

    ended: Ended
    outputs: Outputs


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
            self.manager.start_kernel(cwd=str(work), env=_environment(scratch))
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

    def execute(self, code: str, timeout_s: float) -> Execution:
        """Run one cell; interrupt it at the time limit, kill the kernel if that does not help."""
        message = self._send(code, silent=False)
        outputs = Outputs(self.limits.max_output_bytes)
        ended = self._follow(message, outputs, timeout_s)
        if ended is Ended.TIMED_OUT and not self._interrupt(message, outputs):
            return Execution(Ended.DIED, outputs)
        return Execution(ended, outputs)

    def begin_serving(self, path: str) -> str:
        """Have the kernel answer the judge that listens at `path`; returns the message's id."""
        code = f"__import__('nbproctor.student', fromlist=['serve']).serve({path!r}, globals())"
        return self._send(code, silent=True)

    def end_serving(self, message: str) -> bool:
        """Wait until the kernel is idle again; False if it had to be killed or is dead."""
        nothing = Outputs(0)  # what the learner's code prints during a test may show its inputs
        ended = self._follow(message, nothing, self.limits.interrupt_grace_s)
        if ended is Ended.TIMED_OUT:
            return self._interrupt(message, nothing)
        return ended is Ended.DONE

    def _send(self, code: str, silent: bool) -> str:
        assert self.client is not None
        return self.client.execute(
            code, silent=silent, store_history=not silent, allow_stdin=False, stop_on_error=False
        )

    def _follow(self, message: str, outputs: Outputs, timeout_s: float) -> Ended:
        """Collect outputs until the kernel is idle again."""
        assert self.client is not None and self.manager is not None
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            try:
                got = self.client.get_iopub_msg(timeout=min(left, POLL_S))
            except queue.Empty:
                if not self.manager.is_alive():
                    return Ended.DIED
                continue
            except (ValueError, KeyError, TypeError):  # a message that the learner's code forged
                continue
            if got.get("parent_header", {}).get("msg_id") != message:
                continue
            kind, content = got["msg_type"], got["content"]
            if kind == "status" and content.get("execution_state") == "idle":
                return Ended.DONE
            outputs.add(kind, content)
        return Ended.TIMED_OUT

    def _interrupt(self, message: str, outputs: Outputs) -> bool:
        """Whether the kernel became idle when interrupted; it is killed otherwise."""
        assert self.manager is not None
        self.manager.interrupt_kernel()
        if self._follow(message, outputs, self.limits.interrupt_grace_s) is Ended.DONE:
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
    own = {"HOME": str(scratch), "IPYTHONDIR": str(scratch / ".ipython"), "PYTHONSAFEPATH": "1"}
    return {
        **kept,
        **own,
        "PYTHONNOUSERSITE": "1",
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    }
