"""A peer that speaks ZMTP 3.0, the protocol below Jupyter's messages, read in bounded memory.

ZeroMQ's own limits are on one part of a message and on the number of messages: of the parts of one
message it takes in as many as come. Here the message as a whole has a limit, and nothing is read
before somebody asks for it: the rest waits at the sender's. Written after the protocol's
specification, rfc.zeromq.org/spec/23.
"""

import socket
import time
from collections.abc import Generator

__all__ = ["Peer"]

GREETING = b"\xff" + bytes(7) + b"\x01\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
MORE, LONG, COMMAND = 1, 2, 4
PART_BYTES = 100  # what a part takes besides its own bytes
CHUNK_BYTES = 1 << 16
SEND_TIMEOUT_S = 10.0


class Peer:
    """One connection to a socket of ZeroMQ's that listens at a path.

    Args:
        kind: what this end is: SUB (it subscribes to everything) or DEALER.
        max_message_bytes: a larger message is dropped as it comes.

    Raises:
        OSError: nobody listens there.
    """

    def __init__(self, path: str, kind: str, max_message_bytes: int) -> None:
        self.max_message_bytes = max_message_bytes
        self.kind, self.is_open, self.is_ready = kind, True, False
        self.buffer = bytearray()
        self.messages = self._read()
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(path)
        name = kind.encode()
        ready = b"\x05READY\x0bSocket-Type" + len(name).to_bytes(4, "big") + name
        self._try_to_send(GREETING + _frame(COMMAND, ready))

    def close(self) -> None:
        self.socket.close()

    def await_ready(self, timeout_s: float) -> bool:
        """Wait until the other end has answered: before that, nothing can be sent."""
        deadline = time.monotonic() + timeout_s
        while not self.is_ready and (left := deadline - time.monotonic()) > 0:
            if next(self.messages) is None and not self.is_ready:
                self._take_in(left)
        return self.is_ready

    def send(self, parts: list[bytes]) -> None:
        """Send one message.

        Raises:
            OSError: the other end has gone, or takes nothing.
        """
        last = len(parts) - 1
        self._send(b"".join(_frame(MORE * (n < last), p) for n, p in enumerate(parts)))

    def receive(self, timeout_s: float) -> list[bytes] | None:
        """The parts of the next message: none if it was too large. None: no message in time."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if (message := next(self.messages)) is not None:
                return message
            self._take_in(left)
        return None

    def _send(self, data: bytes) -> None:
        self.socket.settimeout(SEND_TIMEOUT_S)
        self.socket.sendall(data)

    def _try_to_send(self, data: bytes) -> None:
        """Send a part of the handshake; where the other end has gone, nothing will be ready."""
        try:
            self._send(data)
        except OSError:
            self.is_open = False

    def _take_in(self, timeout_s: float) -> None:
        """Take what there is, or wait for it."""
        if not self.is_open:
            return time.sleep(timeout_s)
        self.socket.settimeout(timeout_s)
        try:
            data = self.socket.recv(CHUNK_BYTES)
        except TimeoutError:
            return
        except OSError:
            data = b""
        self.is_open = bool(data)
        self.buffer += data

    def _read(self) -> Generator[list[bytes] | None, None, None]:
        """The messages, and None whenever there are not enough bytes for the next one."""
        yield from self._bytes(len(GREETING))
        _, length = yield from self._head()  # of its READY
        yield from self._drop(length)
        if self.kind == "SUB":
            self._try_to_send(_frame(0, b"\x01"))
        self.is_ready = self.is_open
        yield None
        while True:
            parts, size, more = list[bytes](), 0, True
            while more:
                flags, length = yield from self._head()
                more = bool(flags & MORE)
                size += length + PART_BYTES
                if size > self.max_message_bytes:
                    parts.clear()
                    yield from self._drop(length)
                elif not flags & COMMAND:
                    parts.append((yield from self._bytes(length)))
                else:
                    yield from self._drop(length)
            if not flags & COMMAND:
                yield parts

    def _head(self) -> Generator[None, None, tuple[int, int]]:
        """Flags and length of a frame."""
        (flags,) = yield from self._bytes(1)
        length = yield from self._bytes(8 if flags & LONG else 1)
        return flags, int.from_bytes(length, "big")

    def _bytes(self, count: int) -> Generator[None, None, bytes]:
        while len(self.buffer) < count:
            yield
        data = bytes(memoryview(self.buffer)[:count])
        del self.buffer[:count]
        return data

    def _drop(self, count: int) -> Generator[None, None, None]:
        while len(self.buffer) < count:
            count -= len(self.buffer)
            self.buffer.clear()
            yield
        del self.buffer[:count]


def _frame(flags: int, body: bytes) -> bytes:
    if len(body) < 256:
        return bytes([flags, len(body)]) + body
    return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body
