"""A real kernel, and what it says."""

from pathlib import Path
from typing import Any

from jupyter_client import KernelManager

ANSWER_S = 600  # on a machine that does other things, too


class Kernel:
    """A real kernel, as JupyterLab starts one."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.manager = KernelManager(
            kernel_name="python3", transport="ipc", ip=str(folder / "kernel")
        )
        self.manager.start_kernel(env=environment)
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=ANSWER_S)

    def begin(self, code: str) -> str:
        return str(self.client.execute(code))

    def answer(self, asked: str) -> dict[str, Any]:
        """The reply to one request."""
        while True:
            reply = self.client.get_shell_msg(timeout=ANSWER_S)
            if reply["parent_header"].get("msg_id") == asked:
                return dict(reply["content"])

    def value(self, expression: str) -> str:
        reply = self.client.execute("", user_expressions={"asked": expression}, reply=True)
        return str(reply["content"]["user_expressions"]["asked"]["data"]["text/plain"])

    def shown(self, asked: str) -> list[dict[str, Any]]:
        """What a request displayed, errors included, until the kernel was idle again."""
        found = []
        while True:
            message = self.client.get_iopub_msg(timeout=ANSWER_S)
            if message["parent_header"].get("msg_id") != asked:
                continue
            if message["msg_type"] == "display_data":
                found.append(message["content"]["data"])
            if message["msg_type"] == "error":
                found.append({"error": "\n".join(message["content"]["traceback"])})
            if message["content"].get("execution_state") == "idle":
                return found

    def stop(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
