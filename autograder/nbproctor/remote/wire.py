"""Frames and plain data between judge and student kernel. Nothing is ever unpickled.

A frame is a length of the header, a length of the payload, a JSON header, and a payload of raw
tensor bytes that the header's entries point into. JSON holds None, bool, int, str, finite floats
and lists as they are; everything else is an object `{"$": kind, ...}`.
"""

import json
import math
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from nbproctor.errors import (
    BadReplyError,
    NbproctorError,
    RemoteClosedError,
    RemoteTimeoutError,
)

__all__ = ["Channel", "Decoder", "Encoder", "tensor_spec"]

PREFIX = struct.Struct("!IQ")
CHUNK = 1 << 20
MAX_DEPTH = 40
MAX_DIMENSIONS = 16
MAX_INT_BITS = 4096
MAX_META_BYTES = 1 << 31
MAX_SHARED_HASH = 100
TORCH_DTYPES = (
    "float16 bfloat16 float32 float64 complex64 complex128 uint8 int8 int16 int32 int64 bool"
).split()
NUMPY_DTYPES = (
    "float16 float32 float64 complex64 complex128 "
    "uint8 uint16 uint32 uint64 int8 int16 int32 int64 bool"
).split()


class Channel:
    """A connected socket that carries frames, each with an absolute deadline.

    Args:
        max_header, max_payload: bytes that a frame received here may have.
    """

    def __init__(self, sock: socket.socket, max_header: int, max_payload: int) -> None:
        self.sock, self.max_header, self.max_payload = sock, max_header, max_payload

    def send(self, header: dict[str, Any], payload: list[Any], deadline: float) -> None:
        text = json.dumps(header, separators=(",", ":")).encode()
        size = sum(len(part) for part in payload)
        for part in (PREFIX.pack(len(text), size) + text, *payload):
            self._send_all(memoryview(part), deadline)

    def receive(self, deadline: float) -> tuple[dict[str, Any], bytearray]:
        prefix = self._receive_exactly(PREFIX.size, deadline)
        header_size, payload_size = PREFIX.unpack(prefix)
        if header_size > self.max_header or payload_size > self.max_payload:
            raise BadReplyError(
                "a reply is too large",
                expected=f"at most {self.max_header:,} + {self.max_payload:,} bytes",
                got=f"{header_size:,} + {payload_size:,} bytes",
            )
        text = self._receive_exactly(header_size, deadline)
        payload = self._receive_exactly(payload_size, deadline)
        try:
            header = json.loads(text, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            raise BadReplyError("a reply is not JSON") from None
        if not isinstance(header, dict):
            raise BadReplyError("a reply is not an object")
        return header, payload

    def close(self) -> None:
        self.sock.close()

    def _wait(self, deadline: float) -> None:
        left = deadline - time.monotonic()
        if left <= 0:
            raise RemoteTimeoutError("no answer in time")
        self.sock.settimeout(None if math.isinf(left) else left)

    def _send_all(self, data: memoryview, deadline: float) -> None:
        while data:
            self._wait(deadline)
            try:
                data = data[self.sock.send(data[:CHUNK]) :]
            except TimeoutError:
                raise RemoteTimeoutError("no answer in time") from None
            except OSError:
                raise RemoteClosedError("the student kernel ended the conversation") from None

    def _receive_exactly(self, size: int, deadline: float) -> bytearray:
        # Grows with what arrives: a claimed length alone takes no memory.
        data = bytearray()
        while len(data) < size:
            self._wait(deadline)
            try:
                part = self.sock.recv(min(CHUNK, size - len(data)))
            except TimeoutError:
                raise RemoteTimeoutError("no answer in time") from None
            except OSError:
                part = b""
            if not part:
                raise RemoteClosedError("the student kernel ended the conversation")
            data += part
        return data


def _no_constant(name: str) -> None:
    raise ValueError(name)


class Encoder:
    """Turns values into JSON and a payload; `special` encodes what is not plain data.

    With `by_handle`, parameters count as objects: they are not copied but handed out. The payload
    holds views of the values' own memory, where it can: send or copy it before they change.
    """

    def __init__(self, special: Callable[[Any], Any], by_handle: bool = False) -> None:
        self.special, self.by_handle = special, by_handle
        self.payload: list[Any] = []  # arrays of bytes
        self.size = 0
        self.tensors: list[Any] = []

    def __call__(self, value: Any) -> Any:
        kind = type(value)
        if value is None or kind in (bool, str):
            return value
        if kind is int:
            return value if value.bit_length() <= MAX_INT_BITS else self.special(value)
        if kind is float:
            return value if math.isfinite(value) else {"$": "float", "v": repr(value)}
        if kind is complex:
            return {"$": "complex", "v": [self(value.real), self(value.imag)]}
        if kind is list:
            return [self(item) for item in value]
        if isinstance(value, dict):
            return {"$": "dict", "v": [[self(k), self(v)] for k, v in value.items()]}
        if isinstance(value, tuple):
            return self._tuple(value)
        if not _is_numpy(value):
            if isinstance(value, int):
                return self(int.__int__(value))  # an IntEnum, say
            if isinstance(value, float):
                return self(float.__float__(value))
            if isinstance(value, str):
                return self(str.__str__(value))
        if kind in (bytes, bytearray):
            return {"$": "bytes", "v": value.hex()}
        if kind in (set, frozenset):
            return {"$": "set", "v": [self(item) for item in value]}
        if kind is slice:
            parts = (value.start, value.stop, value.step)
            return {"$": "slice", "v": [self(part) for part in parts]}
        return self._array(value)

    def _tuple(self, value: tuple[Any, ...]) -> Any:
        """A tuple; the field names of a named one (torch.sort returns such) go with it."""
        data = {"$": "tuple", "v": [self(item) for item in value]}
        names: Any = getattr(value, "_fields", None) or getattr(value, "__match_args__", ())
        return {**data, "names": list(names)} if len(names) == len(value) > 0 else data

    def _array(self, value: Any) -> Any:
        torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
        if torch is not None:
            if self.by_handle and isinstance(value, torch.nn.Parameter):
                return self.special(value)
            if isinstance(value, torch.Tensor):
                return self._tensor(value)
            if isinstance(value, torch.dtype):
                return {"$": "dtype", "v": str(value).removeprefix("torch.")}
            if isinstance(value, torch.device):
                return {"$": "device", "v": str(value)}
        if numpy is not None and isinstance(value, numpy.generic):
            item = value.item()
            if isinstance(item, numpy.floating):  # longdouble stays numpy's own
                return self(float(item))
            return self.special(value) if isinstance(item, numpy.generic) else self(item)
        if numpy is not None and isinstance(value, numpy.ndarray):
            if value.dtype.name not in NUMPY_DTYPES:
                return self.special(value)
            spec = {"$": "array", "dtype": value.dtype.name, "shape": list(value.shape)}
            native = value.astype(value.dtype.newbyteorder("="))
            return {**spec, "at": self._append(native.reshape(-1).view("uint8"))}
        return self.special(value)

    def _tensor(self, tensor: Any) -> Any:
        import torch

        spec = tensor_spec(tensor)
        if tensor.layout is not torch.strided or spec["dtype"] not in TORCH_DTYPES:
            return self.special(tensor)
        self.tensors.append(tensor)
        if tensor.device.type == "meta":
            return spec
        plain = tensor.detach().resolve_conj().resolve_neg().cpu().reshape(-1)
        if plain.stride() != (1,):
            plain = plain.clone(memory_format=torch.contiguous_format)
        return {**spec, "at": self._append(plain.view(torch.uint8).numpy())}

    def _append(self, data: Any) -> int:
        at = self.size
        self.payload.append(data)
        self.size += len(data)
        return at


def tensor_spec(tensor: Any) -> dict[str, Any]:
    """dtype, shape, device and whether a tensor takes part in gradients, as plain data."""
    return {
        "$": "tensor",
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "shape": list(tensor.shape),
        "device": str(tensor.device),
        "grad": bool(tensor.requires_grad),
    }


class Decoder:
    """Turns JSON and a payload back into values, checking every claim.

    `special` decodes kinds that are not plain data. Tensors are collected in `tensors`, in the
    order in which the sender met them.

    Raises:
        BadReplyError: the data are malformed.
    """

    def __init__(self, payload: bytearray, special: Callable[[dict[str, Any]], Any]) -> None:
        self.payload, self.special = payload, special
        self.tensors: list[Any] = []
        self.unread = len(payload)

    def __call__(self, data: Any, depth: int = 0) -> Any:
        if depth > MAX_DEPTH:
            raise BadReplyError("a reply is nested too deeply", expected=f"at most {MAX_DEPTH}")
        if isinstance(data, int) and data.bit_length() > MAX_INT_BITS:
            raise BadReplyError("a reply holds an integer of very many digits")
        if data is None or isinstance(data, bool | str | int | float):
            return data
        if isinstance(data, list):
            return [self(item, depth + 1) for item in data]
        if not isinstance(data, dict) or not isinstance(data.get("$"), str):
            raise BadReplyError("a reply holds an unknown kind of data")
        try:
            return self._tagged(data, depth + 1)
        except NbproctorError:
            raise  # `special` may ask the other end, which may be gone
        except Exception as error:  # whatever a malformed claim breaks, it is malformed
            raise BadReplyError("a reply is malformed", got=type(error).__name__) from None

    def _tagged(self, data: dict[str, Any], depth: int) -> Any:
        kind = data["$"]
        if kind == "float":
            return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[data["v"]]
        if kind == "complex":
            return complex(*(self(part, depth) for part in data["v"]))
        if kind == "dict":
            pairs = [(self(k, depth), self(v, depth)) for k, v in data["v"]]
            _check_hashes(key for key, _ in pairs)
            return dict(pairs)
        if kind == "tuple":
            return _named(data.get("names"), tuple(self(item, depth) for item in data["v"]))
        if kind == "set":
            items = [self(item, depth) for item in data["v"]]
            _check_hashes(items)
            return set(items)
        if kind == "bytes":
            return bytes.fromhex(data["v"])
        if kind == "slice":
            return slice(*(self(part, depth) for part in data["v"]))
        if kind == "tensor":
            return self.tensor(data)
        if kind == "array":
            return self._array(data)
        if kind in ("dtype", "device"):
            return _torch_name(kind, data["v"])
        return self.special(data)

    def tensor(self, spec: dict[str, Any]) -> Any:
        import torch

        dtype, device = _torch_name("dtype", spec["dtype"]), _torch_name("device", spec["device"])
        shape = _shape(spec["shape"])
        if device.type == "meta":
            if math.prod(shape) * dtype.itemsize > MAX_META_BYTES:
                raise ValueError("a tensor without data is too large")
            made = torch.empty(shape, dtype=dtype, device=device)
        else:
            raw = self._bytes(spec["at"], math.prod(shape) * dtype.itemsize)
            made = _from_bytes(raw, dtype).reshape(shape).to(device)
        made.requires_grad_(spec.get("grad") is True and _differentiable(made))
        self.tensors.append(made)
        return made

    def _array(self, spec: dict[str, Any]) -> Any:
        import numpy

        if spec["dtype"] not in NUMPY_DTYPES:
            raise ValueError(spec["dtype"])
        dtype, shape = numpy.dtype(spec["dtype"]), _shape(spec["shape"])
        raw = self._bytes(spec["at"], math.prod(shape) * dtype.itemsize)
        if dtype.kind == "b":
            return (numpy.frombuffer(raw, "uint8") != 0).reshape(shape)
        return numpy.frombuffer(raw, dtype).reshape(shape)

    def _bytes(self, at: Any, size: int) -> bytearray:
        # Each byte is read once: a small reply must not become a large one.
        if type(at) is not int or at < 0 or at + size > len(self.payload) or size > self.unread:
            raise ValueError("outside the payload")
        self.unread -= size
        return self.payload[at : at + size]


def _is_numpy(value: Any) -> bool:
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.generic)


class Named(tuple[Any, ...]):
    """A tuple whose items are attributes too. One class for all names: a class for each set of
    names takes kilobytes and a millisecond, and a reply may hold thousands."""

    _fields: tuple[str, ...]

    def __new__(cls, values: Iterable[Any], names: Iterable[str] = ()) -> "Named":
        made = super().__new__(cls, values)
        made._fields = tuple(names)
        vars(made).update(zip(made._fields, made, strict=False))
        return made


def _named(names: Any, values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The tuple, as a named one if there are usable names."""
    if not isinstance(names, list) or len(names) != len(values):
        return values
    # numpy and torch look for some attributes that begin with an underscore, and believe them.
    if not all(isinstance(n, str) and n.isidentifier() and n[0] != "_" for n in names):
        return values
    return Named(values, names)


def _check_hashes(keys: Iterable[Any]) -> None:
    """Refuse keys that share one hash: a dict or set of n of them takes n * n steps to make."""
    counts = Counter(map(hash, keys))
    if max(counts.values(), default=0) > MAX_SHARED_HASH:
        raise ValueError("too many keys of the same hash")


def _shape(claim: Any) -> tuple[int, ...]:
    if not isinstance(claim, list) or len(claim) > MAX_DIMENSIONS:
        raise ValueError("shape")
    if not all(type(size) is int and 0 <= size < 1 << 48 for size in claim):
        raise ValueError("shape")
    return tuple(claim)


def _torch_name(kind: str, name: Any) -> Any:
    import torch

    if kind == "device":
        return torch.device(name)
    if name not in TORCH_DTYPES:
        raise ValueError(name)
    return getattr(torch, name)


def _from_bytes(raw: bytearray, dtype: Any) -> Any:
    import torch

    if not raw:
        return torch.empty(0, dtype=dtype)
    if dtype is torch.bool:  # a byte other than 0 and 1 is no bool
        return torch.frombuffer(raw, dtype=torch.uint8) != 0
    return torch.frombuffer(raw, dtype=dtype)


def _differentiable(tensor: Any) -> bool:
    return bool(tensor.is_floating_point() or tensor.is_complex())
