"""Messages between our own processes: a header as JSON, then parts as raw bytes. No pickle.

    4 bytes: length of the header, big endian | the header | the parts, as long as it says

Both ends are trusted; what a student wrote travels in the parts, uninterpreted.
"""

import json
import socket
import struct
from typing import Any

__all__ = ["receive", "send"]

LENGTH = struct.Struct(">I")
SIZES = "sizes"


def send(sock: socket.socket, header: dict[str, Any], *parts: bytes) -> None:
    """Write one message, however long.

    Raises:
        OSError: the other end has gone.
    """
    text = json.dumps({**header, SIZES: [len(part) for part in parts]}).encode()
    sock.sendall(LENGTH.pack(len(text)) + text)
    for part in parts:
        sock.sendall(part)


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[bytes]] | None:
    """Read one message; None if the other end has gone, be it in the middle of one."""
    length = _read(sock, LENGTH.size)
    text = None if length is None else _read(sock, LENGTH.unpack(length)[0])
    if text is None:
        return None
    header: dict[str, Any] = json.loads(text)
    parts = []
    for size in header.pop(SIZES):
        part = _read(sock, size)
        if part is None:
            return None
        parts.append(bytes(part))
    return header, parts


def _read(sock: socket.socket, size: int) -> bytearray | None:
    data = bytearray(size)
    view, done = memoryview(data), 0
    while done < size:
        try:
            count = sock.recv_into(view[done:])
        except ConnectionError:
            return None
        if not count:
            return None
        done += count
    return data
