"""A student end that lies: every malformed reply ends in a clear error, in time."""

import contextlib
import json
import math
import socket
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch

from nbproctor.config import Limits
from nbproctor.errors import (
    BadReplyError,
    RemoteClosedError,
    RemoteError,
    RemoteTimeoutError,
    StudentError,
)
from nbproctor.remote.gradients import RemoteTensors
from nbproctor.remote.proxy import Session
from nbproctor.remote.wire import Decoder, Encoder

LIMITS = Limits(call_timeout_s=0.5, max_reply_bytes=1 << 20, max_reply_header_bytes=1 << 16)


def frame(header: Any, payload: bytes = b"", claim: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    size = len(payload) if claim is None else claim
    return struct.pack("!IQ", len(text), size) + text + payload


def tensor(**claims: Any) -> dict[str, Any]:
    plain = {"$": "tensor", "dtype": "float32", "shape": [2], "device": "cpu", "at": 0}
    return {"ok": {**plain, **claims}}


def ask_a_liar(reply: bytes | Callable[[socket.socket], None]) -> Any:
    ours, theirs = socket.socketpair()

    def lie() -> None:
        with theirs, contextlib.suppress(OSError):
            theirs.recv(1 << 16)
            if callable(reply):
                reply(theirs)
            else:
                theirs.sendall(reply)

    thread = threading.Thread(target=lie)
    thread.start()
    try:
        return Session(ours, LIMITS, time.monotonic() + 5, RemoteTensors).get("x")
    finally:
        ours.close()
        thread.join()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00\x00", id="half a prefix"),
        pytest.param(frame({"ok": 1})[:-1], id="truncated"),
        pytest.param(frame(b"{"), id="no JSON"),
        pytest.param(frame(b"\xff\xfe"), id="no UTF-8"),
        pytest.param(frame(b"[" * 60_000), id="deep JSON"),
        pytest.param(frame(b'{"ok": NaN}'), id="bare NaN"),
        pytest.param(frame(b'{"ok": ' + b"9" * 10_000 + b"}"), id="giant number"),
        pytest.param(frame([1]), id="a list"),
        pytest.param(frame({}), id="neither ok nor error"),
        pytest.param(frame({"error": 3}), id="error of the wrong kind"),
        pytest.param(frame({"ok": {"a": 1}}), id="untagged object"),
        pytest.param(frame({"ok": {"$": "pickle", "v": ""}}), id="unknown kind"),
        pytest.param(frame({"ok": {"$": ["tensor"]}}), id="kind is a list"),
        pytest.param(frame({"ok": {"$": "dict", "v": [[[], 1]]}}), id="unhashable key"),
        pytest.param(frame({"ok": {"$": "dict", "v": 3}}), id="dict of a number"),
        pytest.param(frame(tensor(), b"1234"), id="too few bytes"),
        pytest.param(frame(tensor(at=-4), b"12345678"), id="negative offset"),
        pytest.param(frame(tensor(at="0"), b"12345678"), id="offset is a string"),
        pytest.param(frame(tensor(shape=[-2]), b"12345678"), id="negative size"),
        pytest.param(frame(tensor(shape=[1 << 62, 1 << 62]), b"12345678"), id="overflowing shape"),
        pytest.param(frame(tensor(shape=[1] * 100), b"1234"), id="too many dimensions"),
        pytest.param(frame(tensor(shape=[True, 2]), b"12345678"), id="size is a bool"),
        pytest.param(frame(tensor(dtype="object"), b"12345678"), id="unknown dtype"),
        pytest.param(frame(tensor(dtype="__class__"), b"12345678"), id="attribute as dtype"),
        pytest.param(frame(tensor(device="moon"), b"12345678"), id="unknown device"),
        pytest.param(frame(tensor(device="cuda:7"), b"12345678"), id="device not here"),
        pytest.param(frame({"ok": 1}, b"", claim=1 << 40), id="claims a terabyte"),
        pytest.param(frame({"ok": "x" * (1 << 17)}), id="header too long"),
        pytest.param(
            frame({"ok": {"$": "object", "id": 1, "kind": "nice", "class": "A"}}), id="bad proxy"
        ),
        pytest.param(
            frame({"ok": {"$": "object", "id": [], "kind": "module", "class": "A"}}), id="bad id"
        ),
    ],
)
def test_malformed_replies_are_refused(reply: bytes) -> None:
    with pytest.raises((BadReplyError, RemoteClosedError)):
        ask_a_liar(reply)


def test_a_trickle_does_not_extend_the_deadline() -> None:
    def trickle(sock: socket.socket) -> None:
        for byte in frame({"ok": "slow" * 50}):
            try:
                sock.send(bytes([byte]))
            except OSError:
                break
            time.sleep(0.05)
        sock.close()

    began = time.monotonic()
    with pytest.raises(RemoteTimeoutError):
        ask_a_liar(trickle)
    assert time.monotonic() - began < 2


def test_two_replies_do_not_answer_two_questions() -> None:
    """A second reply sent ahead of time answers the next question: it is a claim like any other,
    and what it claims is checked against the inputs of that question."""
    ours, theirs = socket.socketpair()
    theirs.sendall(frame({"ok": 1}) + frame({"ok": 2}))
    session = Session(ours, LIMITS, time.monotonic() + 5, RemoteTensors)
    assert [session.get("a"), session.get("b")] == [1, 2]
    theirs.close()
    with pytest.raises(RemoteError):
        session.get("c")
    ours.close()


def test_an_error_keeps_its_class_but_only_builtin_ones() -> None:
    reply = frame({"error": {"types": ["Mine", "ValueError", "Exception"], "message": "m" * 9999}})
    with pytest.raises(ValueError, match="Mine: mmm") as caught:
        ask_a_liar(reply)
    assert isinstance(caught.value, StudentError)
    assert len(str(caught.value)) < 2100
    for name in ("SystemExit", "KeyboardInterrupt", "print", "AssertionErrorX"):
        with pytest.raises(StudentError):
            ask_a_liar(frame({"error": {"types": [name], "message": ""}}))


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**100),
        1.5,
        math.inf,
        1 + 2j,
        "ünï\ud800",
        [1, [2, []]],
        (1, (2,)),
        {"a": {3: None}, (1, 2): "t"},
        {1, 2},
        slice(1, None, 2),
        torch.float16,
        torch.device("meta"),
        torch.Size([2, 3]),
    ],
    ids=repr,
)
def test_plain_data_cross_unchanged(value: Any) -> None:
    encode = Encoder(_nothing)
    data = json.loads(json.dumps(encode(value)))
    assert Decoder(bytearray(b"".join(encode.payload)), _nothing)(data) == value


@pytest.mark.parametrize(
    "value",
    [
        torch.arange(6).reshape(2, 3).t(),
        torch.tensor(1.5, dtype=torch.bfloat16),
        torch.tensor([True, False]),
        torch.zeros(0, 3),
        torch.tensor([1 + 2j]).conj(),
        torch.randn(2, 3, dtype=torch.float64)[:, ::2],
        torch.randn(3, requires_grad=True),
    ],
    ids=lambda t: f"{t.dtype} {tuple(t.shape)}",
)
def test_tensors_cross_unchanged(value: torch.Tensor) -> None:
    encode = Encoder(_nothing)
    data = json.loads(json.dumps(encode([value])))
    [got] = Decoder(bytearray(b"".join(encode.payload)), _nothing)(data)
    assert torch.equal(got, value)
    assert (got.dtype, got.requires_grad) == (value.dtype, value.requires_grad)


def test_a_bool_tensor_holds_only_bools() -> None:
    decode = Decoder(bytearray(b"\x02\x00"), _nothing)
    assert decode(tensor(dtype="bool")["ok"]).view(torch.uint8).tolist() == [1, 0]


def test_nan_crosses_and_equals_nothing() -> None:
    encode = Encoder(_nothing)
    got = Decoder(bytearray(), _nothing)(encode(math.nan))
    assert got != got


def _nothing(value: Any) -> Any:
    raise BadReplyError("not plain", got=value)
