"""The judge's end: proxies that stand for the learner's objects.

A test uses them like the objects themselves. What crosses is plain data and raw tensors; every
call has an absolute deadline. What a proxy cannot do raises ProxyLimitError, for the test's author.
"""

import builtins
import importlib
import keyword
import socket
import sys
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from nbproctor.config import Limits
from nbproctor.errors import (
    BadReplyError,
    InPlaceError,
    ProxyLimitError,
    StudentError,
    WrongKindError,
)
from nbproctor.remote.wire import Channel, Decoder, Encoder
from nbproctor.text import plain_text

__all__ = ["Proxy", "Session"]

# Requests that do not look at parameters: they bring them up to date, or use them as they were.
PARAMETER_TRAFFIC = ("push", "pull", "gradients")
MAX_BASES = 50  # classes that one exception is taken to have
IMPORTABLE = ("torch", "torchvision", "numpy", "math", "operator", "builtins")


class Session:
    """One conversation with a student kernel: requests, and the proxies made so far.

    Args:
        sock: a connected socket whose other end is a `StudentEnd`.
        deadline: when the test cell has to be done, as time.monotonic() tells it, in seconds.
        make_tensors: makes the session's `RemoteTensors` when tensors are first met; only then
            is torch needed.
    """

    def __init__(
        self,
        sock: socket.socket,
        limits: Limits,
        deadline: float,
        make_tensors: Callable[["Session"], Any],
    ) -> None:
        self.channel = Channel(sock, limits.max_reply_header_bytes, limits.max_reply_bytes)
        self.limits, self.deadline = limits, deadline
        self.proxies: weakref.WeakValueDictionary[int, Proxy] = weakref.WeakValueDictionary()
        self.freed: list[int] = []
        self.make_tensors = make_tensors
        self._tensors: Any = None

    @property
    def tensors(self) -> Any:
        """Gradients and parameters of this session."""
        if self._tensors is None:
            self._tensors = self.make_tensors(self)
        return self._tensors

    def get(self, name: str) -> Any:
        """The value of a learner's global name, or a proxy for it."""
        return self.ask("get", name=name)

    def bind(self, name: str, value: "Proxy") -> None:
        """Give a learner's global name to an object of the learner's."""
        encode = self.encoder()
        self.request("bind", encode, name=name, value=encode(value))

    def unbind(self, name: str) -> None:
        """Take a learner's global name away."""
        self.ask("unbind", name=name)

    def ask(self, do: str, **fields: Any) -> Any:
        """A request whose answer is a value."""
        answer, decode = self.request(do, **fields)
        return decode(answer)

    def request(self, do: str, encode: Encoder | None = None, **fields: Any) -> tuple[Any, Decoder]:
        """Send a request; return the raw answer and the decoder that fits it.

        Raises:
            StudentError: the learner's code raised; also of the built-in class it raised.
            RemoteError: there is no usable answer.
        """
        if self._tensors is not None and do not in PARAMETER_TRAFFIC:
            self._tensors.push_changes()
        deadline = min(self.deadline, time.monotonic() + self.limits.call_timeout_s)
        free, self.freed = self.freed, []
        header = {"do": do, "free": free, **fields}
        self.channel.send(header, encode.payload if encode else [], deadline)
        reply, payload = self.channel.receive(deadline)
        if "ok" not in reply:
            raise _student_error(reply.get("error"))
        return reply["ok"], Decoder(payload, self._decode_special)

    def encoder(self) -> Encoder:
        return Encoder(self._encode_special)

    def call(self, proxy: "Proxy", args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a learner's function, class, method or module."""
        encode = self.encoder()
        fields = {"args": encode(list(args)), "kwargs": encode(kwargs)}
        inputs = encode.tensors
        grad, inner = True, []
        if inputs or "torch" in sys.modules:
            grad, inner = self.tensors.grad_state(inputs)
        answer, decode = self.request(
            "call", encode, of=proxy.__nbproctor_id__, grad=grad, inner=inner, **fields
        )
        if not isinstance(answer, dict):
            raise BadReplyError("a reply is malformed")
        value = decode(answer.get("value"))
        if answer.get("changed"):
            raise InPlaceError("your code changed an argument in place: work on a copy of it")
        if "graph" in answer:
            value = self.tensors.attach(value, decode, answer, inputs)
        if self._tensors is not None and proxy.__nbproctor_kind__ != "module":
            self._tensors.pull_again()
        return value

    def _decode_special(self, data: dict[str, Any]) -> Any:
        if data["$"] == "parameter":
            return self.tensors.parameter(data)
        if data["$"] != "object" or type(data["id"]) is not int:
            raise BadReplyError("a reply holds an unknown kind of data")
        handle = data["id"]
        proxy = self.proxies.get(handle)
        if proxy is None:
            proxy = self.proxies[handle] = _make_proxy(self, handle, data)
        return proxy

    def _encode_special(self, value: Any) -> Any:
        if isinstance(value, Proxy):
            if value.__nbproctor_session__ is not self:
                raise ProxyLimitError("an object of an earlier test cell cannot be used again")
            return {"$": "object", "id": value.__nbproctor_id__}
        if path := _import_path(value):
            return {"$": "import", "v": path}
        if "torch" in sys.modules and self.tensors.is_module(value):
            return self.tensors.module_data(value)
        raise ProxyLimitError(
            "a test passes something that cannot cross to the student kernel",
            expected="plain data, tensors, torch.nn modules, importable functions, "
            "or the learner's own objects",
            got=f"{type(value).__module__}.{type(value).__qualname__}",
        )


class Proxy:
    """Stands for an object in the student kernel. Its class and structure are claims."""

    def __init__(self, session: Session, handle: int, kind: str) -> None:
        object.__setattr__(self, "__nbproctor_session__", session)
        object.__setattr__(self, "__nbproctor_id__", handle)
        object.__setattr__(self, "__nbproctor_kind__", kind)
        object.__setattr__(self, "__nbproctor_kept__", {})

    # Declared for readers of the class; __init__ sets them past our __setattr__.
    __nbproctor_session__: Session
    __nbproctor_id__: int
    __nbproctor_kind__: str
    __nbproctor_kept__: dict[int, Any]  # what has to live as long as this proxy

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self.__nbproctor_session__.ask("attr", of=self.__nbproctor_id__, name=name)

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise WrongKindError(f"the test sets the attribute '{name}' of an object", got=repr(self))

    def __len__(self) -> int:
        size = self.__nbproctor_session__.ask("special", of=self.__nbproctor_id__, what="len")
        if type(size) is not int or not 0 <= size <= sys.maxsize:
            raise BadReplyError("a length is not a number")
        return size

    def __getitem__(self, key: Any) -> Any:
        session = self.__nbproctor_session__
        encode = session.encoder()
        fields = {"of": self.__nbproctor_id__, "what": "item", "key": encode(key)}
        answer, decode = session.request("special", encode, **fields)
        return decode(answer)

    def __iter__(self) -> Iterator[Any]:
        items = self.__nbproctor_session__.ask("special", of=self.__nbproctor_id__, what="list")
        if not isinstance(items, list):
            raise BadReplyError("an iteration is not a list")
        return iter(items)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of the learner's>"

    def __hash__(self) -> int:
        return id(self)

    def __deepcopy__(self, memo: Any) -> NoReturn:
        raise WrongKindError("the test copies an object", got=repr(self))

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise WrongKindError("the test copies or pickles an object", got=repr(self))


def _refuses(operator: str) -> Callable[..., NoReturn]:
    def refuse(self: Proxy, *_: Any) -> NoReturn:
        raise WrongKindError(
            f"the test needs a value for '{operator}'",
            expected="a number, a tensor or other plain data",
            got=f"an object of class {type(self).__name__}",
        )

    return refuse


OPERATORS = (
    "eq ne lt le gt ge bool add radd sub rsub mul rmul truediv rtruediv matmul rmatmul "
    "pow neg abs float int index contains"
).split()
for _operator in OPERATORS:
    setattr(Proxy, f"__{_operator}__", _refuses(_operator))


class CallableProxy(Proxy):
    """A learner's function, method or class."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.__nbproctor_session__.call(self, args, kwargs)


class ClassProxy(CallableProxy):
    """A learner's class."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # so that isinstance() answers
        return type


class ModuleProxy(CallableProxy):
    """A learner's nn.Module. Parameters are real tensors of the judge's, kept in step."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:  # so that isinstance() answers
        import torch

        return torch.nn.Module

    def named_parameters(self) -> Iterator[tuple[str, Any]]:
        yield from self.__nbproctor_session__.tensors.named_parameters(self)

    def parameters(self) -> Iterator[Any]:
        return (parameter for _, parameter in self.named_parameters())

    def zero_grad(self, set_to_none: bool = True) -> None:
        for parameter in self.parameters():
            parameter.grad = None
        self.__getattr__("zero_grad")(set_to_none)

    def _named(self, what: str) -> Iterator[tuple[str, Any]]:
        session = self.__nbproctor_session__
        named = session.ask("named", of=self.__nbproctor_id__, what=what)
        if not isinstance(named, dict):
            raise BadReplyError("a list of names is malformed")
        yield from named.items()

    def named_buffers(self) -> Iterator[tuple[str, Any]]:
        return self._named("named_buffers")

    def buffers(self) -> Iterator[Any]:
        return (buffer for _, buffer in self.named_buffers())

    def named_modules(self) -> Iterator[tuple[str, Any]]:
        return self._named("named_modules")

    def modules(self) -> Iterator[Any]:
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Any]]:
        return self._named("named_children")

    def children(self) -> Iterator[Any]:
        return (child for _, child in self.named_children())


KINDS: dict[str, type[Proxy]] = {
    "object": Proxy,
    "function": CallableProxy,
    "class": ClassProxy,
    "module": ModuleProxy,
}


def _make_proxy(session: Session, handle: int, data: dict[str, Any]) -> Proxy:
    """A proxy whose own class carries the claimed name, so that messages can show it."""
    kind, name = data["kind"], data["class"]
    if not (isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)):
        name = "object"
    return type(name[:80], (KINDS[kind],), {})(session, handle, kind)


# StopIteration would end a loop of the test's in silence, and with it the checks in it.
NOT_TAKEN_OVER = (Exception, StopIteration, StopAsyncIteration)


def _student_error(error: Any) -> Exception:
    """The exception to raise for one that the learner's code raised.

    It derives from the learner's built-in class too, so that `except ValueError` works in a test.
    """
    if not isinstance(error, dict) or not isinstance(error.get("types"), list):
        return BadReplyError("a reply is malformed")
    names = [plain_text(n)[:80] for n in error["types"][:MAX_BASES] if isinstance(n, str)]
    names = names or ["Exception"]
    said = (error.get("message"), error.get("where"))
    message, where = (plain_text(text) if isinstance(text, str) else "" for text in said)
    message, where = message[:2000], where[:200]
    for name in names:
        base = getattr(builtins, name, None)
        if isinstance(base, type) and issubclass(base, Exception) and base not in NOT_TAKEN_OVER:
            try:
                kind = type("StudentError", (StudentError, base), {})
                return kind(names[0], message, where)
            except TypeError:  # a built-in class with a layout of its own
                continue
    return StudentError(names[0], message, where)


def _import_path(value: Any) -> str:
    """`module:name` of an importable function or class, '' for anything else."""
    name = getattr(value, "__qualname__", None)
    if not isinstance(name, str) or isinstance(value, Proxy):
        return ""
    homes = [getattr(value, "__module__", None), "torch", "torch.nn.functional"]
    for home in homes:
        if not isinstance(home, str) or home.split(".")[0] not in IMPORTABLE:
            continue
        if home.split(".")[0] not in sys.modules:
            continue
        for attribute in (name, getattr(value, "__name__", name)):
            if _found(home, attribute) is value:
                return f"{home}:{attribute}"
    return ""


def _found(home: str, name: str) -> Any:
    try:
        value: Any = importlib.import_module(home)
        for part in name.split("."):
            value = getattr(value, part)
    except (ImportError, AttributeError):
        return None
    return value


def free_later(session: Session, owner: Any, graph: int) -> None:
    """Have the student end forget a graph once `owner` is gone."""
    weakref.finalize(owner, session.freed.append, graph)
