"""The student end: answers a judge's requests inside the student kernel.

This code runs beside the learner's, which may change it at will. Nothing that it says is trusted;
it only has to be right for honest learners.
"""

import contextlib
import importlib
import json
import linecache
import math
import socket
import sys
from collections.abc import Iterator
from typing import Any

from nbproctor.heap import give_back
from nbproctor.remote.wire import Channel, Decoder, Encoder, tensor_spec

__all__ = ["StudentEnd", "receive_calls_on", "serve"]

FOREVER = math.inf
ANY_SIZE = 1 << 62
MAX_MESSAGE = 2000


_calls: list[socket.socket] = []


def receive_calls_on(descriptor: int) -> None:
    """Judges' connections will come, one for each test cell, through this socket."""
    _calls[:] = [socket.socket(fileno=descriptor)]


def serve(test: int, namespace: dict[str, Any]) -> None:
    """Answer the judge of test cell number `test` until it hangs up."""
    number = -1
    while number != test:  # a connection to a test that the kernel never served is passed over
        said, descriptors, _, _ = socket.recv_fds(_calls[0], 16, 1)
        number = int(said)
        sock = socket.socket(fileno=descriptors[0])
    with sock:
        sock.sendall(b".")  # the grader waits for a sign of life
        StudentEnd(sock, namespace).run()
    give_back()


class StudentEnd:
    """Holds the objects that the judge has seen, and does what it asks with them."""

    def __init__(self, sock: socket.socket, namespace: dict[str, Any]) -> None:
        self.channel = Channel(sock, ANY_SIZE, ANY_SIZE)
        self.namespace = namespace
        self.objects: dict[int, Any] = {}
        self.graphs: dict[int, tuple[list[Any], list[Any]]] = {}
        self.told: dict[int, Any] = {}  # parameters' values that the judge was given last

    def run(self) -> None:
        while True:
            try:
                header, payload = self.channel.receive(FOREVER)
            except Exception:  # the judge hung up
                return
            reply, parts = self._answer(header, payload)
            self.channel.send(reply, parts, FOREVER)

    def _answer(
        self, header: dict[str, Any], payload: bytearray
    ) -> tuple[dict[str, Any], list[Any]]:
        encode = Encoder(self._encode_special, by_handle=True)
        decode = Decoder(payload, self._decode_special)
        try:
            for graph in header.get("free", []):
                self.graphs.pop(graph, None)
            answer = getattr(self, "do_" + header["do"])(header, decode, encode)
            return {"ok": answer}, encode.payload
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # SystemExit included: a learner may call sys.exit()
            return {"error": _describe(error)}, []

    # Requests. Each returns JSON; tensors go through `encode`.

    def do_get(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        name = header["name"]
        if name not in self.namespace:
            raise NameError(f"name '{name}' is not defined", name=name)
        return encode(self.namespace[name])

    def do_bind(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        self.namespace[header["name"]] = decode(header["value"])

    def do_unbind(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        self.namespace.pop(header["name"], None)

    def do_attr(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        return encode(getattr(self.objects[header["of"]], header["name"]))

    def do_call(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        function = self.objects[header["of"]]
        args, kwargs = decode(header["args"]), decode(header["kwargs"])
        leaves = decode.tensors
        # A tensor that is no leaf in the judge is none here either.
        inner = {id(leaves[n]): leaves[n].clone() for n in header["inner"]}
        args, kwargs = _swap(args, inner), _swap(kwargs, inner)
        text, parts = self._contents((args, kwargs))
        before = text, [part.copy() for part in parts]
        with _gradients(header["grad"]):
            value = function(*args, **kwargs)
        answer: dict[str, Any] = {"value": encode(value)}
        outputs = list(encode.tensors)
        if any(tensor.requires_grad for tensor in outputs):
            answer["graph"] = graph = id(outputs)
            self.graphs[graph] = (outputs, leaves)
            used = [p for p in _leaves_of(outputs) if not any(p is leaf for leaf in leaves)]
            answer["parameters"] = [self._parameter_spec(p) for p in used]
        answer["changed"] = not _same(self._contents((args, kwargs)), before)
        return answer

    def _contents(self, value: Any) -> tuple[str, list[Any]]:
        """What a value holds; whether its tensors require gradients does not matter."""
        encode = Encoder(self._encode_special, by_handle=True)
        text = json.dumps(encode(value))
        return text.replace('"grad": true', '"grad": false'), encode.payload

    def do_gradients(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        import torch

        outputs, leaves = self.graphs[header["graph"]]
        cotangents = decode(header["cotangents"])
        pairs = [(o, g) for o, g in zip(outputs, cotangents, strict=True) if g is not None]
        inputs = [leaves[n] for n in header["inputs"]]
        inputs += [self.objects[n] for n in header["parameters"]]
        gradients = torch.autograd.grad(
            [o for o, _ in pairs],
            inputs,
            [g for _, g in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        return encode([None if g is None else g.detach() for g in gradients])

    def do_parameters(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        module = self.objects[header["of"]]
        named = list(module.named_parameters())
        return [[name, *self._parameter_spec(p)] for name, p in named]

    def do_pull(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        """Values of parameters; none for one that still is what the judge was told and knows."""
        return encode([self._news_of(n, knows) for n, knows in header["parameters"]])

    def _news_of(self, parameter: int, is_known: bool) -> Any:
        now, told = self.objects[parameter].detach(), self.told.get(parameter)
        if is_known and told is not None and _same_bits(now, told):
            return None
        self.told[parameter] = now.clone()
        return now

    def do_push(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        import torch

        with torch.no_grad():
            for n, value in zip(header["parameters"], decode(header["values"]), strict=True):
                self.objects[n].copy_(value)
                self.told.pop(n, None)

    def do_named(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        """named_buffers, named_modules or named_children, as a dict."""
        named = getattr(self.objects[header["of"]], header["what"])()
        return encode(dict(named))

    def do_special(self, header: dict[str, Any], decode: Decoder, encode: Encoder) -> Any:
        value = self.objects[header["of"]]
        if header["what"] == "len":
            return len(value)
        if header["what"] == "list":
            return encode(list(value))
        return encode(value[decode(header["key"])])

    # What is not plain data.

    def _encode_special(self, value: Any) -> Any:
        torch = sys.modules.get("torch")
        handle = id(value)
        self.objects[handle] = value  # holding the object keeps its id its own
        if torch is not None and isinstance(value, torch.nn.Parameter):
            return {"$": "parameter", "id": handle, "spec": tensor_spec(value)}
        data = {"$": "object", "id": handle, "class": type(value).__name__[:80]}
        if isinstance(value, type):
            return {**data, "kind": "class", "class": value.__name__[:80]}
        if torch is not None and isinstance(value, torch.nn.Module):
            return {**data, "kind": "module"}
        return {**data, "kind": "function" if callable(value) else "object"}

    def _decode_special(self, data: dict[str, Any]) -> Any:
        if data["$"] == "object":
            return self.objects[data["id"]]
        if data["$"] == "import":
            return _imported(data["v"])
        if data["$"] == "module":
            return self._built_module(data)
        raise ValueError(f"unknown kind of data: {data['$']}")

    def _built_module(self, data: dict[str, Any]) -> Any:
        """A copy of one of the judge's own torch modules."""
        import torch

        cls = _imported(data["class"])
        module = cls.__new__(cls)
        torch.nn.Module.__init__(module)
        # A decoder of its own: these tensors are not inputs of the call.
        quiet = Decoder(bytearray.fromhex(data["payload"]), self._decode_special)
        for name, value in quiet(data["attributes"]).items():
            object.__setattr__(module, name, value)
        for name, value in quiet(data["parameters"]).items():
            trains = value is not None and value.requires_grad
            parameter = None if value is None else torch.nn.Parameter(value.detach(), trains)
            module.register_parameter(name, parameter)
        for name, value in quiet(data["buffers"]).items():
            module.register_buffer(name, value)
        for name, child in data["children"]:
            module.add_module(name, self._built_module(child))
        return module

    def _parameter_spec(self, parameter: Any) -> list[Any]:
        self.objects[id(parameter)] = parameter
        return [id(parameter), tensor_spec(parameter)]


@contextlib.contextmanager
def _gradients(on: bool) -> Iterator[None]:
    """Gradients on or off, as in the judge; without torch there are none."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    with torch.set_grad_enabled(on):
        yield


def _leaves_of(outputs: list[Any]) -> list[Any]:
    """The leaf tensors that outputs depend on, in the order in which they are met."""
    found: dict[int, Any] = {}
    pending = [output.grad_fn for output in outputs if output.grad_fn is not None]
    seen = set(pending)
    while pending:
        node = pending.pop()
        if (leaf := getattr(node, "variable", None)) is not None:
            found[id(leaf)] = leaf
        following = {n for n, _ in node.next_functions if n is not None} - seen
        seen |= following
        pending += following
    return list(found.values())


def _same_bits(a: Any, b: Any) -> bool:
    """Whether two tensors surely hold the same: also the same zeros, and the same that is no
    number. Contents are compared, since an edit through `.data` leaves no other trace."""
    import torch

    integers = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    dtype = integers.get(a.dtype.itemsize)
    if dtype is None or a.is_meta or a.layout is not torch.strided or a.device != b.device:
        return False
    same_kind = a.dtype is b.dtype and a.shape == b.shape
    return same_kind and bool(torch.equal(a.view(dtype), b.view(dtype)))


def _same(now: tuple[str, list[Any]], before: tuple[str, list[Any]]) -> bool:
    """Whether contents are the same; equal texts say that there are as many bytes."""
    pairs = zip(now[1], before[1], strict=True)
    return now[0] == before[0] and all((a == b).all() for a, b in pairs)


def _swap(value: Any, by_id: dict[int, Any]) -> Any:
    """The same structure with some tensors replaced."""
    if id(value) in by_id:
        return by_id[id(value)]
    if type(value) in (list, tuple):
        return type(value)(_swap(item, by_id) for item in value)
    if type(value) is dict:
        return {key: _swap(item, by_id) for key, item in value.items()}
    return value


def _imported(path: str) -> Any:
    module, _, name = path.partition(":")
    value = importlib.import_module(module)
    for part in name.split("."):
        value = getattr(value, part)
    return value


def _describe(error: BaseException) -> dict[str, Any]:
    """An exception as plain data: its class, message, and the learner's line it came from."""
    names = [cls.__name__[:80] for cls in type(error).__mro__]
    try:
        message = str(error)
    except Exception:
        message = ""
    return {"types": names, "message": message[:MAX_MESSAGE], "where": _learners_line(error)}


def _learners_line(error: BaseException) -> str:
    where = ""
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if "ipykernel_" in code.co_filename or "<ipython-input" in code.co_filename:
            line = linecache.getline(code.co_filename, traceback.tb_lineno).strip()
            where = f"in {code.co_name}: {line}"[:200]
        traceback = traceback.tb_next
    return where
