"""Jupyter's messages between the grader and a student kernel: requests to it, outputs from it."""

import contextlib
import hashlib
import hmac
import json
import secrets
from datetime import UTC, datetime
from typing import Any, NamedTuple

from nbproctor.config import MIB
from nbproctor.json_bounds import TooMuchError, read_json
from nbproctor.kernels.connection import IOPUB, SHELL
from nbproctor.kernels.zmtp import Peer

__all__ = ["LOST", "Channels", "Published"]

# Honest outputs are smaller, and no more than `Limits.max_output_bytes` of them is kept.
MAX_MESSAGE_BYTES = 16 * MIB
MAX_PART_MEMORY = 64 * MIB
DELIMITER = b"<IDS|MSG>"


class Published(NamedTuple):
    """What a kernel published: `parent` is the id of the request that it is about.

    It was written by a process that runs a learner's code: any of it can be forged.
    """

    kind: str
    parent: str
    content: dict[str, Any]


# A message that was too large to be taken in.
LOST = Published("lost", "", {})


class Channels:
    """The two of a kernel's sockets that a grader needs. Replies to requests are never read.

    Args:
        ip: the path of the kernel's sockets, without the dash and number of each.
        key: with which the kernel wants requests to be signed.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, ip: str, key: str) -> None:
        self.key = key.encode()
        self.session = secrets.token_hex(16)
        self.iopub = Peer(f"{ip}-{IOPUB}", "SUB", MAX_MESSAGE_BYTES)
        self.shell = Peer(f"{ip}-{SHELL}", "DEALER", MAX_MESSAGE_BYTES)

    def close(self) -> None:
        self.iopub.close()
        self.shell.close()

    def are_ready(self, timeout_s: float) -> bool:
        """Wait until the kernel has answered on both sockets."""
        return self.iopub.await_ready(timeout_s) and self.shell.await_ready(timeout_s)

    def request(self, kind: str, content: dict[str, Any]) -> str:
        """Ask the kernel for something; returns the request's id.

        A kernel that has gone, or takes nothing, is noticed where its answer is waited for.
        """
        header = {
            "msg_id": secrets.token_hex(16),
            "msg_type": kind,
            "session": self.session,
            "username": "grader",
            "date": datetime.now(UTC).isoformat(),
            "version": "5.3",
        }
        parts = [json.dumps(part).encode() for part in (header, {}, {}, content)]
        signature = hmac.new(self.key, b"".join(parts), hashlib.sha256).hexdigest().encode()
        with contextlib.suppress(OSError):
            self.shell.send([DELIMITER, signature, *parts])
        return str(header["msg_id"])

    def published(self, timeout_s: float) -> Published | None:
        """The next message of the kernel's, LOST if it was too large; None: none in time.

        Raises:
            ValueError: it is none of Jupyter's.
        """
        parts = self.iopub.receive(timeout_s)
        if not parts:
            return parts if parts is None else LOST
        # The learner's code holds the key: to check the signature would prove nothing.
        header, parent, _, content = parts[parts.index(DELIMITER) + 2 :][:4]
        try:
            read = [read_json(part, MAX_PART_MEMORY) for part in (header, parent, content)]
        except TooMuchError:
            return LOST
        kind, about = (read[0].get("msg_type"), read[1].get("msg_id")) if _maps(read) else (0, 0)
        if not isinstance(kind, str) or not isinstance(about, str):
            raise ValueError("not a message of a kernel's")
        return Published(kind, about, read[2])


def _maps(values: list[Any]) -> bool:
    return all(isinstance(value, dict) for value in values)
