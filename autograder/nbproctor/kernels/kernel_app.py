"""The student kernel's process: ipykernel on sockets that the grader has opened for it."""

# ruff: noqa: E402 (ipykernel looks for a debugger when it is imported)
import sys
from typing import Any

sys.modules["debugpy"] = None  # type: ignore[assignment]  # nobody debugs here: it costs 0.2 s

import ipykernel.debugger  # noqa: F401
import zmq
from ipykernel.control import ControlThread
from ipykernel.iostream import IOPubThread
from ipykernel.kernelapp import IPKernelApp
from ipykernel.shellchannel import ShellChannelThread

from nbproctor.kernels.connection import PORTS, connection
from nbproctor.remote import student

__all__ = ["SandboxedKernelApp", "main"]


class SandboxedKernelApp(IPKernelApp):
    """A kernel that opens no socket of its own but those within the process."""

    listening: dict[int, int] = {}  # noqa: RUF012 (a kernel's process has one application)

    def init_connection_file(self) -> None:
        """There is no file: the connection came as an argument."""

    def write_connection_file(self, **kwargs: Any) -> None:
        """There is nobody to read one."""

    def init_heartbeat(self) -> None:
        """The grader watches the process itself."""

    def _try_bind_socket(self, s: Any, port: int) -> int:
        s.setsockopt(zmq.USE_FD, self.listening[port])
        return int(super()._try_bind_socket(s, port))

    def init_control(self, context: Any) -> None:
        """As ipykernel does, but without a debugger, which would call back by a path."""
        self.control_socket = context.socket(zmq.ROUTER)
        self.control_socket.linger = 1000
        self.control_port = self._bind_socket(self.control_socket, self.control_port)
        self.debugpy_socket = context.socket(zmq.STREAM)
        self.debug_shell_socket = context.socket(zmq.DEALER)
        self.control_thread = ControlThread(daemon=True)
        self.shell_channel_thread = ShellChannelThread(context, daemon=True)

    def init_iopub(self, context: Any) -> None:
        """Without a port for what forked processes print: there is no network to have it."""
        self.iopub_socket = context.socket(zmq.XPUB)
        self.iopub_socket.linger = 1000
        self.iopub_socket.sndhwm = 0  # what the grader has not taken yet waits in here
        self.iopub_port = self._bind_socket(self.iopub_socket, self.iopub_port)
        self.configure_tornado_logger()
        self.iopub_thread = IOPubThread(self.iopub_socket, pipe=False, session=self.session)
        self.iopub_thread.start()
        self.iopub_socket = self.iopub_thread.background_socket


def main(arguments: dict[str, Any], descriptors: list[int]) -> None:
    """Run a kernel until it is killed.

    Args:
        arguments: `key` and `ip` of the connection.
        descriptors: the socket through which judges come, then those that listen at its ports.
    """
    calls, *listeners = descriptors
    sys.path.append("")  # what a cell writes beside the notebook can be imported, and hides nothing
    student.receive_calls_on(calls)
    SandboxedKernelApp.listening = dict(zip(PORTS, listeners, strict=True))
    app = SandboxedKernelApp.instance(
        **{k: v for k, v in connection(arguments["ip"]).items() if k != "signature_scheme"}
    )
    app.session.key = arguments["key"].encode()
    app.initialize(["--HistoryManager.hist_file=:memory:"])
    app.start()
