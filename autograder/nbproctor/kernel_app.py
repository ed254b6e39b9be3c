"""The student kernel's process: ipykernel on sockets that the grader has opened for it."""

import sys
from typing import Any

__all__ = ["PORTS", "connection", "main"]

PORTS = (1, 2, 3, 4)
NAMES = ("shell_port", "iopub_port", "stdin_port", "control_port")


def connection(ip: str) -> dict[str, Any]:
    """Where a kernel is reached, in the words of Jupyter's connection files."""
    ports = dict(zip(NAMES, PORTS, strict=True))
    return {"transport": "ipc", "ip": ip, "signature_scheme": "hmac-sha256", "hb_port": 0, **ports}


def main(arguments: dict[str, Any]) -> None:
    """Run a kernel until it is killed.

    Args:
        arguments: `key` and `ip` of the connection, `listeners`: descriptors of sockets that
            listen at its ports, `calls`: of the one through which judges come.
    """
    sys.modules.setdefault("debugpy", None)  # type: ignore[arg-type]  # 0.2 s, for nobody
    import zmq
    from ipykernel.control import ControlThread
    from ipykernel.iostream import IOPubThread
    from ipykernel.kernelapp import IPKernelApp
    from ipykernel.shellchannel import ShellChannelThread

    from nbproctor import student

    sys.path.append("")  # what a cell writes beside the notebook can be imported, and hides nothing
    student.receive_calls_on(arguments["calls"])
    listening = dict(zip(PORTS, arguments["listeners"], strict=True))

    class SandboxedKernelApp(IPKernelApp):
        """A kernel that opens no socket of its own but those within the process."""

        def init_connection_file(self) -> None:
            """There is no file: the connection came as an argument."""

        def write_connection_file(self, **kwargs: Any) -> None:
            """There is nobody to read one."""

        def init_heartbeat(self) -> None:
            """The grader watches the process itself."""

        def _try_bind_socket(self, s: Any, port: int) -> int:
            s.setsockopt(zmq.USE_FD, listening[port])
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

    app = SandboxedKernelApp.instance(
        **{k: v for k, v in connection(arguments["ip"]).items() if k != "signature_scheme"}
    )
    app.session.key = arguments["key"].encode()
    app.initialize(["--HistoryManager.hist_file=:memory:"])
    app.start()
