"""Where a student kernel is reached, known to both sides."""

from typing import Any

__all__ = ["IOPUB", "PORTS", "SHELL", "connection"]

PORTS = SHELL, IOPUB, STDIN, CONTROL = (1, 2, 3, 4)
NAMES = ("shell_port", "iopub_port", "stdin_port", "control_port")


def connection(ip: str) -> dict[str, Any]:
    """Where a kernel is reached, in the words of Jupyter's connection files."""
    ports = dict(zip(NAMES, PORTS, strict=True))
    return {"transport": "ipc", "ip": ip, "signature_scheme": "hmac-sha256", "hb_port": 0, **ports}
