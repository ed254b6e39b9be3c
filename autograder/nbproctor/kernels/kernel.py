"""The student kernel: a Jupyter kernel of its own for one submission."""

import contextlib
import secrets
import socket
import time
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from nbproctor.config import Limits
from nbproctor.errors import GraderError
from nbproctor.kernels.channels import LOST, Channels
from nbproctor.kernels.connection import PORTS
from nbproctor.kernels.outputs import Outputs
from nbproctor.sandbox.forkserver import ForkServer
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import Sandboxed
from nbproctor.sandbox.syscalls import IS_LINUX
from nbproctor.sandbox.warden import Reason
from nbproctor.scratch import ScratchFolder

__all__ = ["Ended", "Execution", "StudentKernel"]

POLL_S = 0.1
START_POLL_S = 0.3
# Whose ends are tied to each other: what sends datagrams could send them elsewhere, too.
ONE_MESSAGE_EACH = socket.SOCK_SEQPACKET if IS_LINUX else socket.SOCK_DGRAM


class Ended(StrEnum):
    """How the execution of a cell ended."""

    DONE = "done"  # with or without an exception
    TIMED_OUT = "timed out"
    DIED = "kernel died"


@dataclass(frozen=True)
class Execution:
    """What became of one cell.

    `began` is False if the kernel was dead before it; `reason` says why a kernel ended.
    """

    ended: Ended
    outputs: Outputs
    began: bool = True
    reason: Reason | None = None


class StudentKernel:
    """Starts, runs, interrupts and kills one kernel after another for one submission.

    Args:
        files: a folder whose files (no notebooks) the learner's code finds beside it, or None.
        server: whose forks the kernels are; None starts a new interpreter for each.
    """

    def __init__(
        self,
        limits: Limits,
        level: Level,
        files: Path | None = None,
        server: ForkServer | None = None,
    ) -> None:
        self.limits, self.level, self.files, self.server = limits, level, files, server
        self.sandbox: Sandboxed | None = None
        self.channels: Channels | None = None
        self.calls: socket.socket | None = None
        self.reason: Reason | None = None

    def __enter__(self) -> "StudentKernel":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start a fresh kernel in a fresh sandbox.

        Raises:
            GraderError: no kernel came up in time.
        """
        key = secrets.token_hex(32)
        with ScratchFolder() as folder, ExitStack() as theirs:
            # The kernel gets sockets that listen already: it shares no folder with the grader.
            listeners = [theirs.enter_context(_listener(f"{folder}/k-{n}")) for n in PORTS]
            self.calls, calls = socket.socketpair(socket.AF_UNIX, ONE_MESSAGE_EACH)
            theirs.enter_context(calls)
            descriptors = [listener.fileno() for listener in listeners]
            self.sandbox = Sandboxed(
                self.level,
                "nbproctor.kernels.kernel_app",
                self.limits,
                arguments={
                    "key": key,
                    "ip": f"{folder}/k",
                },
                copies={"work": str(self.files)} if self.files else {},
                descriptors=[calls.fileno(), *descriptors],
                server=self.server,
            )
            with contextlib.suppress(OSError):  # it has ended, before anybody could connect
                self.channels = Channels(f"{folder}/k", key)
            self._await_answer()

    def _await_answer(self) -> None:
        """Wait until the kernel answers, and until what it publishes arrives here."""
        assert self.sandbox is not None
        deadline = time.monotonic() + self.limits.start_timeout_s
        while self.channels is None or not self._answers():
            gone = not self.is_alive or self.channels is None
            if gone or time.monotonic() > deadline:
                reason = self.sandbox.reason or "no answer in time"
                self.stop()
                raise GraderError("the student kernel did not start", got=reason)

    def _answers(self) -> bool:
        assert self.channels is not None
        if not self.channels.are_ready(POLL_S):
            return False
        request = self._ask("kernel_info_request")
        # An answer that never comes was published before this end had subscribed.
        return self._follow(request, Outputs(0), START_POLL_S)[0] is Ended.DONE

    def stop(self) -> None:
        """Kill the kernel and all that it started, if there is one."""
        if self.channels is not None:
            self.channels.close()
        if self.sandbox is not None:
            self.sandbox.stop()
            self.reason = self.sandbox.reason
        if self.calls is not None:
            self.calls.close()
        self.channels = self.sandbox = self.calls = None

    @property
    def is_alive(self) -> bool:
        """Whether there is a kernel; where there was one, `reason` says why it ended."""
        if self.sandbox is not None and not self.sandbox.is_alive:
            self.reason = self.sandbox.reason
            return False
        return self.sandbox is not None

    def execute(self, code: str, timeout_s: float, max_output_bytes: int) -> Execution:
        """Run one cell; interrupt it at the time limit, kill the kernel if that does not help."""
        outputs = Outputs(max_output_bytes)
        assert self.sandbox is not None
        self.sandbox.begin_cell()
        message = self._send(code, silent=False)
        ended, began = self._follow(message, outputs, timeout_s)
        if ended is Ended.TIMED_OUT and not self._interrupt(message, outputs):
            ended = Ended.DIED
        return Execution(ended, outputs, began, None if self.is_alive else self.reason)

    def begin_serving(self, test: int, judge: socket.socket) -> str:
        """Have the kernel answer the judge on a socket; returns the message's id."""
        assert self.calls is not None and self.sandbox is not None
        self.sandbox.begin_cell()
        with contextlib.suppress(OSError):  # a kernel that has gone is noticed while waiting
            socket.send_fds(self.calls, [str(test).encode()], [judge.fileno()])
        # A learner may have given `globals` or `__import__` another meaning: no name is used.
        scope, builtin = "(lambda: 0).__globals__", "(lambda: 0).__builtins__['__import__']"
        code = f"{builtin}('nbproctor.remote.student', fromlist=['serve']).serve({test}, {scope})"
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
        return self._ask(
            "execute_request",
            code=code,
            silent=silent,
            store_history=not silent,
            user_expressions={},
            allow_stdin=False,
            stop_on_error=False,
        )

    def _ask(self, kind: str, **content: object) -> str:
        assert self.channels is not None
        return self.channels.request(kind, content)

    def _follow(self, message: str, outputs: Outputs, timeout_s: float) -> tuple[Ended, bool]:
        """Collect outputs until the kernel is idle again; also says whether the cell began."""
        assert self.channels is not None
        deadline, began = time.monotonic() + timeout_s, False
        while (left := deadline - time.monotonic()) > 0:
            try:
                got = self.channels.published(min(left, POLL_S))
            except Exception:  # a message that the learner's code forged
                continue
            if got is None and not self.is_alive:
                return Ended.DIED, began
            if got is LOST:
                outputs.cut_off()
            if got is None or got.parent != message:
                continue
            began = True
            if got.kind == "status" and got.content.get("execution_state") == "idle":
                return Ended.DONE, True
            outputs.add(got.kind, got.content)
        return Ended.TIMED_OUT, began

    def _interrupt(self, message: str, outputs: Outputs) -> bool:
        """Whether the kernel became idle when interrupted; it is killed otherwise."""
        assert self.sandbox is not None
        self.sandbox.interrupt()
        if self._follow(message, outputs, self.limits.interrupt_grace_s)[0] is Ended.DONE:
            return True
        self.stop()
        return False


def _listener(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    return listener
