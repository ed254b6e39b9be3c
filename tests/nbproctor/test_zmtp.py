"""The grader's end of a kernel's sockets, against ZeroMQ itself."""

import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import zmq

from nbproctor.kernels.zmtp import GREETING, Peer

MIB = 1 << 20


@contextmanager
def connected(folder: Path, theirs: int, ours: str) -> Iterator[tuple[Any, Peer]]:
    """A socket of ZeroMQ's, and a peer that is connected to it."""
    with zmq.Context() as context, context.socket(theirs) as made:
        made.linger = 0
        made.sndhwm = 0
        made.bind(f"ipc://{folder}/s")
        with closing(Peer(f"{folder}/s", ours, MIB)) as peer:
            assert peer.await_ready(60)
            yield made, peer


def test_requests_arrive_as_they_were_sent(tmp_path: Path) -> None:
    parts = [b"", b"a" * 255, b"b" * 256, b"c" * MIB]
    with connected(tmp_path, zmq.ROUTER, "DEALER") as (router, peer):
        peer.send(parts)
        who, *arrived = router.recv_multipart()
        assert arrived == parts
        router.send_multipart([who, b"answer"])
        assert peer.receive(60) == [b"answer"]


def test_what_is_published_arrives(tmp_path: Path) -> None:
    messages = [[b"topic", b"x" * n * 100] for n in range(100)]
    with connected(tmp_path, zmq.XPUB, "SUB") as (publisher, peer):
        assert publisher.recv() == b"\x01"
        assert peer.receive(0.01) is None
        for message in messages:
            publisher.send_multipart(message)
        assert [peer.receive(60) for _ in messages] == messages


@pytest.mark.parametrize("parts", [[b"x" * 5 * MIB] * 80, [b""] * 300_000], ids=["large", "many"])
def test_a_large_message_takes_no_memory(tmp_path: Path, parts: list[bytes]) -> None:
    """ZeroMQ would take it in: each part is small, and it is one message."""
    with connected(tmp_path, zmq.XPUB, "SUB") as (publisher, peer):
        assert publisher.recv() == b"\x01"
        publisher.send_multipart(parts, copy=False)
        publisher.send(b"next")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        assert [peer.receive(60), peer.receive(60)] == [[], [b"next"]]
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10  # KiB


def test_a_peer_may_say_anything_and_hang_up(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{tmp_path}/s")
        listener.listen()
        with closing(Peer(f"{tmp_path}/s", "SUB", MIB)) as peer:
            with listener.accept()[0] as other:
                assert not peer.await_ready(0.01)
                threading.Timer(0.1, other.sendall, [b"\x02" + b"\xff" * 200]).start()
                assert peer.await_ready(0.5) is False
            began = time.process_time()
            assert peer.receive(0.5) is None
            assert not peer.is_open
            assert time.process_time() - began < 0.25, "it waits, and does not ask again and again"


def test_a_peer_that_hangs_up_in_the_handshake_is_never_ready(tmp_path: Path) -> None:
    """As a kernel does that is killed while it starts: what we send then breaks the pipe."""
    answer = GREETING + b"\x04\x00"
    for kind in ("SUB", "DEALER"):
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(f"{tmp_path}/{kind}")
            listener.listen()
            with closing(Peer(f"{tmp_path}/{kind}", kind, MIB)) as peer:
                with listener.accept()[0] as other:
                    other.sendall(answer)
                assert peer.await_ready(0.2) is (kind == "DEALER")  # that one has nothing to send
                assert peer.receive(0.1) is None
                assert not peer.is_open
