"""Whatever bytes come from a student kernel, the judge's end stays within its time and memory,
and raises nothing but its own errors."""

import socket
import time
import tracemalloc
from random import Random

from budget import examples
from frames import HOSTILE_DATA, framed, recorded, spoiled
from hypothesis import given
from hypothesis import strategies as st
from mutation import PLAIN_VALUES, as_text, mutated

from nbproctor.config import Limits
from nbproctor.errors import RemoteError
from nbproctor.remote.gradients import RemoteTensors
from nbproctor.remote.proxy import Session

KIB = 1024
LIMITS = Limits(call_timeout_s=0.1, max_reply_header_bytes=128 * KIB, max_reply_bytes=512 * KIB)
BUSY_S = 10  # what a busy machine may add to a time limit
HELD_PER_BYTE = 100  # lists in lists take 70 for each of their bytes, before and after decoding


def replies() -> st.SearchStrategy[bytes]:
    """A reply or several in a row, nearly as a student end sends them, or arbitrary bytes."""
    nearly = st.builds(_some, st.randoms(use_true_random=False))
    return st.one_of(nearly, nearly, nearly, st.binary(max_size=64))


def _some(random: Random) -> bytes:
    return b"".join(spoiled(random.choice(recorded()), random) for _ in range(random.randint(1, 3)))


def hear(data: bytes, hangs_up: bool, limits: Limits = LIMITS) -> tuple[float, int]:
    """Ask for a value, of a student end that says `data`: seconds and peak memory in bytes."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        theirs.setblocking(False)
        theirs.send(data)
        if hangs_up:
            theirs.shutdown(socket.SHUT_WR)
        session = Session(ours, limits, time.monotonic() + 1, RemoteTensors)
        tracemalloc.start()
        began = time.monotonic()
        try:
            session.get("x")
        except RemoteError:
            pass
        finally:
            seconds, (_, peak) = time.monotonic() - began, tracemalloc.get_traced_memory()
            tracemalloc.stop()
    return seconds, peak


@examples(500)
@given(replies(), st.integers(0, 19))
def test_any_reply_is_a_value_or_an_error_of_ours(data: bytes, silent: int) -> None:
    seconds, peak = hear(data, hangs_up=silent > 0)
    assert seconds < LIMITS.call_timeout_s + BUSY_S
    assert peak < HELD_PER_BYTE * len(data) + 512 * KIB


@examples(40)
@given(st.randoms(use_true_random=False))
def test_a_small_thing_said_very_often_costs_little(random: Random) -> None:
    values = (*PLAIN_VALUES, *HOSTILE_DATA)
    value = random.choice(values)
    item = as_text(random.choice([value, mutated(value, random, values)]))[: 8 * KIB]
    times = LIMITS.max_reply_header_bytes // (len(item) + 2) - 20
    data = framed(b'{"ok": [%s]}' % b",".join([item] * times), bytes(64))
    seconds, peak = hear(data, hangs_up=True)
    assert seconds < LIMITS.call_timeout_s + BUSY_S
    assert peak < HELD_PER_BYTE * len(data) + 512 * KIB
