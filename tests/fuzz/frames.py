"""Frames of a real conversation between judge and student end, and how to spoil them."""

import contextlib
import json
import re
import socket
import struct
import threading
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from mutation import PLAIN_VALUES, as_text, mutated, mutated_bytes

from nbproctor import text
from nbproctor.config import Limits
from nbproctor.errors import NbproctorError
from nbproctor.remote import gradients, proxy, wire
from nbproctor.remote.judge import Judge, Outcome
from nbproctor.remote.proxy import Session
from nbproctor.remote.student import StudentEnd

__all__ = ["HOSTILE_DATA", "NAMES", "SETUP", "STUDENT", "Frame", "recorded", "spoiled"]

PREFIX = struct.Struct("!IQ")
SETUP = "import random\nimport numpy\nimport torch\nfrom torch import nn"
STUDENT = f"""{SETUP}
class Block(nn.Module):
    def __init__(self, size=3):
        super().__init__()
        self.line, self.norm = nn.Linear(size, size), nn.BatchNorm1d(size)
    def forward(self, x):
        return x + self.norm(self.line(x))
    def __len__(self):
        return 2
    def __iter__(self):
        return iter([self.line, self.norm])
def echo(x): return x
def double(x): return 2 * x
def order(x): return torch.sort(x)
def refuse(x): raise ValueError("no")
def many(): return {{"a": (1, 2.5, 1j), 3: [None, True, b"ab"], "s": {{1, 2}}, "n": float("nan")}}
def array(): return numpy.arange(6.0).reshape(2, 3)
def kinds(): return [slice(1, None), torch.float16, torch.device("cpu"), torch.zeros(2, 0)]
block = Block()
"""
NAMES = "Block echo double order refuse many array kinds block".split()
# Makes every kind of request, and gets every kind of reply.
HONEST_TEST = """
many(), array(), kinds(), echo([1, "two"]), echo(block)
x = torch.randn(4, 3, requires_grad=True)
(double(x) * 3).sum().backward()
order(x)
made = Block(3)
for parameter in made.parameters():
    nn.init.ones_(parameter)
made(x).square().sum().backward()
made.state_dict(), dict(made.named_buffers()), made.train().training, list(made.children())
made.line.weight.sum(), block.norm, len(block), list(block), echo(nn.Linear(2, 2))
made.to("meta")
try:
    refuse(1)
except ValueError:
    pass
"""


@dataclass(frozen=True)
class Frame:
    """What a student end says, and what it was asked."""

    asked: str
    header: Any
    payload: bytes

    def __bytes__(self) -> bytes:
        return framed(json.dumps(self.header).encode(), self.payload)


@cache
def recorded() -> tuple[Frame, ...]:
    """Replies of an honest student end, in order."""
    frames: list[Frame] = []

    class Recorder(StudentEnd):
        def _answer(self, header: dict[str, Any], payload: bytearray) -> Any:
            reply, parts = super()._answer(header, payload)
            frames.append(Frame(header["do"], reply, b"".join(parts)))
            return reply, parts

    outcome = converse(Recorder, HONEST_TEST, Limits())
    assert outcome.verdict == "passed", outcome
    return tuple(_without_addresses(frames))


def _without_addresses(frames: list[Frame]) -> Iterator[Frame]:
    """The frames with small handles, the same in every run, instead of memory addresses."""
    handles: dict[str, str] = {}
    for frame in frames:
        said = re.sub(
            r"\b\d{9,}\b",
            lambda found: handles.setdefault(found[0], str(len(handles))),
            json.dumps(frame.header),
        )
        yield replace(frame, header=json.loads(said))


class WatchedJudge(Judge):
    """A judge that tells the errors of test cells by whose code they come from."""

    def _bring(self, session: Session, names: list[str]) -> None:
        with self._watched():
            super()._bring(session, names)

    def _execute(self, source: str, filename: str, scope: Any) -> Any:
        with self._watched():
            return super()._execute(source, filename, scope)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except NbproctorError:
            raise
        except Exception as error:
            frames = traceback.extract_tb(error.__traceback__)
            refused = isinstance(error, AttributeError) and str(error).startswith("__")
            if any(Path(f.filename) in OURS for f in frames) and not refused:
                self.stray = error
            raise

    stray: Exception | None = None


OURS = [Path(module.__file__) for module in (gradients, proxy, text, wire)]


def converse(student_end: type[StudentEnd], test: str, limits: Limits) -> Outcome:
    """The outcome of a test cell judged against a student end in a thread of this process."""
    ours, theirs = socket.socketpair()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(STUDENT, namespace)

    def answer() -> None:
        with theirs:
            student_end(theirs, namespace).run()

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with ours:
            judge = WatchedJudge([SETUP], limits)
            names = [name for name in NAMES if re.search(rf"\b{name}\b", test)]
            outcome = judge.test(ours, test, names, range(0), 1.0, "t")
            if judge.stray:
                raise judge.stray
            return outcome
    finally:
        thread.join()


def framed(header: bytes, payload: bytes) -> bytes:
    return PREFIX.pack(len(header), len(payload)) + header + payload


def _tensor(**claims: Any) -> dict[str, Any]:
    plain = {"$": "tensor", "dtype": "float32", "shape": [1], "device": "cpu", "at": 0}
    return {**plain, "grad": False, **claims}


COLLIDING = [k * (2**61 - 1) for k in range(3000)]
HOSTILE_DATA = (
    *(_tensor(shape=shape) for shape in ([], [0], [1 << 40])),
    _tensor(device="meta", shape=[]),
    *(_tensor(grad=True), _tensor(dtype="int64", grad=True), _tensor(device="meta", grad=True)),
    {"$": "array", "dtype": "bool", "shape": [2], "at": 0},
    {"$": "parameter", "id": 1, "spec": _tensor(grad=True)},
    {"$": "parameter", "id": 1, "spec": _tensor(shape=[0], device="meta")},
    {"$": "object", "id": 1, "kind": "module", "class": "def"},
    {"$": "object", "id": -1, "kind": "class", "class": "A" * 99},
    {"$": "object", "id": 1, "kind": "function", "class": "f"},
    {"$": "tuple", "v": [1], "names": ["a"]},
    {"$": "tuple", "v": [1], "names": ["_fields"]},
    {"$": "tuple", "v": [1, 2], "names": ["a", "a"]},
    {"$": "set", "v": COLLIDING},
    {"$": "dict", "v": [[[], 1]]},
    {"$": "device", "v": "cuda"},
    *({"error": {"types": [name], "message": [[]]}} for name in ("OSError", "KeyError", "Warning")),
    {"error": {"types": ["UnicodeDecodeError"] * 99, "message": "m", "where": 3}},
    *("nan", "float32", "cpu", "cuda:0", "tensor", "object", "parameter", "names", "graph"),
)


def spoiled(frame: Frame, random: Random) -> bytes:
    """The bytes of a reply, changed as data, as text or as bytes, or not at all."""
    other = random.choice(recorded())
    values = (*PLAIN_VALUES, *HOSTILE_DATA, other.header.get("ok"), *HOSTILE_DATA)
    header, payload = frame.header, frame.payload
    if random.randint(0, 9) == 0:
        header, payload = other.header, other.payload
    if "ok" in header and random.randint(0, 9):
        header = {"ok": mutated(header["ok"], random, values)}
    else:
        header = mutated(header, random, values)
    header = as_text(header)
    if random.randint(0, 3) == 0:
        payload = mutated_bytes(payload, random)
    if random.randint(0, 9) == 0:
        header = mutated_bytes(header, random)
    data = framed(header, payload)
    return mutated_bytes(data, random) if random.randint(0, 9) == 0 else data
