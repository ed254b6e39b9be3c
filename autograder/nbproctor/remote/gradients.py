"""Tensors across the boundary: gradients through remote calls, and a learner's parameters.

`y = block(x)` gives a real tensor whose backward pass asks the student kernel for vector-Jacobian
products. A learner's parameters are mirrored by leaf tensors of the judge's: their `.grad` fills,
and edits (an optimizer's step, `nn.init`) travel back before the next call.
"""

from collections.abc import Iterator
from itertools import compress
from typing import Any
from weakref import WeakValueDictionary

import torch
from torch.autograd.function import once_differentiable

from nbproctor.errors import BadReplyError, ProxyLimitError
from nbproctor.remote.proxy import Proxy, Session, free_later
from nbproctor.remote.wire import Decoder, Named

__all__ = ["RemoteTensors"]

MAX_PARAMETERS = 10_000
MODULE_HOMES = ("torch.nn.", "torchvision.")
MODULE_INTERNALS = frozenset(torch.nn.Module().__dict__) - {"training"}


class Mirror:
    """A leaf tensor of the judge's that stands for one of the learner's parameters.

    `known` is the value that the student kernel last had; None until the test looks at it.
    """

    def __init__(self, blank: torch.Tensor) -> None:
        self.tensor = torch.nn.Parameter(blank, requires_grad=False)
        self.known: torch.Tensor | None = None

    @property
    def is_edited(self) -> bool:
        known, tensor = self.known, self.tensor
        if known is None or tensor.device.type == "meta":
            return False
        return known.dtype != tensor.dtype or not torch.equal(known, tensor)

    def fit(self, blank: torch.Tensor) -> None:
        """Take the shape, dtype and device that the parameter now has; its value is unknown."""
        if _kind(self.tensor) != _kind(blank):
            self.set(blank)
            self.known = None

    def set(self, value: torch.Tensor) -> None:
        value = value.detach()
        if _kind(self.tensor) == _kind(value):
            with torch.no_grad():
                self.tensor.copy_(value)
        else:
            self.tensor.grad = None
            try:
                self.tensor.data = value.clone()
            except RuntimeError:  # torch has its own idea of what may become of a tensor
                raise BadReplyError("a parameter is no longer what it was") from None


class RemoteTensors:
    """The tensors of one session."""

    def __init__(self, session: Session) -> None:
        self.session = session
        # Kept by the proxies and calls that use them: what a test has dropped costs nothing more.
        self.mirrors: WeakValueDictionary[int, Mirror] = WeakValueDictionary()
        self.with_gradient: dict[int, Mirror] = {}

    def grad_state(self, inputs: list[torch.Tensor]) -> tuple[bool, list[int]]:
        """Whether gradients are on, and which inputs are inner nodes of the judge's graph."""
        inner = [n for n, tensor in enumerate(inputs) if not tensor.is_leaf]
        return torch.is_grad_enabled(), inner

    def attach(
        self, value: Any, decode: Decoder, answer: dict[str, Any], inputs: list[torch.Tensor]
    ) -> Any:
        """Tie a call's outputs to its inputs and to the parameters that it used."""
        outputs = list(decode.tensors)
        if not torch.is_grad_enabled():
            return value
        mirrors = self._mirrors(_specs(answer.get("parameters")))
        call = _Call(self, answer["graph"], outputs, mirrors, inputs)
        tied = _RemoteCall.apply(call, *call.differentiable)
        return _replace(value, dict(zip(map(id, outputs), tied, strict=True)))

    def named_parameters(self, module: Proxy) -> Iterator[tuple[str, torch.Tensor]]:
        """A module's parameters by name, with their present values."""
        rows, _ = self.session.request("parameters", of=module.__nbproctor_id__)
        named = _named_specs(rows)
        mirrors = self._mirrors([spec for _, spec in named])
        module.__nbproctor_kept__.update(mirrors)
        self._pull(mirrors)
        return iter([(name, mirrors[n].tensor) for name, (n, _) in named])

    def parameter(self, data: dict[str, Any]) -> torch.Tensor:
        """The mirror of one parameter that the student kernel handed out."""
        mirrors = self._mirrors(_specs([[data.get("id"), data.get("spec")]]))
        self._pull(mirrors)
        # Nothing else holds it: a parameter may come out of any attribute or function.
        self.with_gradient.update(mirrors)
        [mirror] = mirrors.values()
        return mirror.tensor

    def pull_again(self) -> None:
        """Refresh parameters that the test has looked at: a call may have changed them."""
        self._pull({n: m for n, m in self.mirrors.items() if m.known is not None})

    def _pull(self, mirrors: dict[int, Mirror]) -> None:
        if not mirrors:
            return
        wanted = [[n, mirror.known is not None] for n, mirror in mirrors.items()]
        values = self.session.ask("pull", parameters=wanted)
        if not isinstance(values, list) or len(values) != len(mirrors):
            raise BadReplyError("a list of parameters is malformed")
        for mirror, value in zip(mirrors.values(), values, strict=True):
            if value is None and mirror.known is not None:
                continue  # it is what it was
            if not isinstance(value, torch.Tensor):
                raise BadReplyError("a parameter is not a tensor")
            mirror.set(value)
            mirror.known = value.detach()  # nobody else has its memory

    def push_changes(self) -> None:
        """Send parameters that the test has edited since the student kernel last had them."""
        edited = {n: mirror for n, mirror in self.mirrors.items() if mirror.is_edited}
        if edited:
            encode = self.session.encoder()
            values = encode([mirror.tensor.detach() for mirror in edited.values()])
            self.session.request("push", encode, parameters=list(edited), values=values)
            for mirror in edited.values():
                mirror.known = mirror.tensor.detach().clone()

    def _mirrors(self, specs: list[tuple[int, dict[str, Any]]]) -> dict[int, Mirror]:
        """Mirrors of the parameters that the student kernel names, by handle."""
        ghosts = {handle: _ghost(spec) for handle, spec in specs}
        held = {handle: mirror.tensor.nbytes for handle, mirror in self.mirrors.items()}
        held |= {handle: ghost.nbytes for handle, ghost in ghosts.items()}
        size, limit = sum(held.values()), self.session.limits.max_reply_bytes
        if size > limit:
            raise BadReplyError(
                "parameters are too large together",
                expected=f"at most {limit:,} bytes",
                got=f"{size:,} bytes",
            )
        # By handle: of a parameter that is named twice, the last claim counts, as above.
        devices = {handle: spec.get("device") for handle, spec in specs}
        return {n: self._mirror(n, ghost, devices[n]) for n, ghost in ghosts.items()}

    def _mirror(self, handle: int, ghost: torch.Tensor, device: Any) -> Mirror:
        blank = _blank(ghost, device)
        mirror = self.mirrors.get(handle)
        if mirror is None:
            mirror = self.mirrors[handle] = Mirror(blank)
        mirror.fit(blank)
        mirror.tensor.requires_grad_(ghost.requires_grad)
        return mirror

    # The judge's own modules, on their way to the student kernel.

    def is_module(self, value: Any) -> bool:
        return isinstance(value, torch.nn.Module) and not isinstance(value, Proxy)

    def module_data(self, module: torch.nn.Module) -> dict[str, Any]:
        """One of torch's own modules as plain data, from which the other end builds a copy."""
        cls = type(module)
        if not cls.__module__.startswith(MODULE_HOMES):
            raise ProxyLimitError(
                "a test passes a module of a class of its own to the learner's code",
                expected="a module whose class stands in torch.nn or torchvision",
                got=f"{cls.__module__}.{cls.__qualname__}",
            )
        attributes = {k: v for k, v in vars(module).items() if k not in MODULE_INTERNALS}
        encode = self.session.encoder()
        data = {
            "$": "module",
            "class": f"{cls.__module__}:{cls.__qualname__}",
            "attributes": encode(attributes),
            "parameters": encode(dict(module._parameters)),
            "buffers": encode(dict(module._buffers)),
            "children": [
                [name, self.module_data(child)]
                for name, child in module._modules.items()
                if child is not None
            ],
        }
        return {**data, "payload": b"".join(encode.payload).hex()}


class _Call:
    """One remote call whose result takes part in gradients."""

    def __init__(
        self,
        owner: RemoteTensors,
        graph: Any,
        outputs: list[torch.Tensor],
        mirrors: dict[int, Mirror],
        inputs: list[torch.Tensor],
    ) -> None:
        self.owner, self.graph, self.outputs = owner, graph, outputs
        self.inputs = [n for n, tensor in enumerate(inputs) if tensor.requires_grad]
        self.mirrors = {n: m for n, m in mirrors.items() if m.tensor.requires_grad}
        self.differentiable = [inputs[n] for n in self.inputs]
        self.differentiable += [mirror.tensor for mirror in self.mirrors.values()]
        if type(graph) is int:
            free_later(owner.session, self, graph)

    def gradients(
        self, cotangents: tuple[torch.Tensor | None, ...], wanted: list[bool]
    ) -> list[torch.Tensor | None]:
        """Products with the Jacobians of the inputs and parameters that are wanted."""
        # A gradient that arrives must be found again, also when the test holds nothing but a name.
        self.owner.with_gradient.update(self.mirrors)
        session = self.owner.session
        of_inputs, of_parameters = wanted[: len(self.inputs)], wanted[len(self.inputs) :]
        differentiable = list(compress(self.differentiable, wanted))
        encode = session.encoder()
        answer, decode = session.request(
            "gradients",
            encode,
            graph=self.graph,
            cotangents=encode([None if c is None else c.detach() for c in cotangents]),
            inputs=list(compress(self.inputs, of_inputs)),
            parameters=list(compress(self.mirrors, of_parameters)),
        )
        gradients = decode(answer)
        if not isinstance(gradients, list) or len(gradients) != len(differentiable):
            raise BadReplyError("a list of gradients is malformed")
        for gradient, tensor in zip(gradients, differentiable, strict=True):
            is_tensor = isinstance(gradient, torch.Tensor)
            if gradient is not None and not (is_tensor and _kind(gradient) == _kind(tensor)):
                raise BadReplyError("a gradient does not fit its tensor")
        found = iter(gradients)
        return [next(found) if is_wanted else None for is_wanted in wanted]


class _RemoteCall(torch.autograd.Function):
    """The node that stands for a remote call in the judge's autograd graph."""

    @staticmethod
    def forward(ctx: Any, call: _Call, *differentiable: torch.Tensor) -> tuple[torch.Tensor, ...]:
        ctx.call = call
        ctx.set_materialize_grads(False)
        results = tuple(output.detach() for output in call.outputs)
        flat = [r for r, o in zip(results, call.outputs, strict=True) if not o.requires_grad]
        ctx.mark_non_differentiable(*flat)
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *cotangents: torch.Tensor | None) -> tuple[Any, ...]:
        pairs = zip(cotangents, ctx.call.outputs, strict=True)
        given = tuple(c if o.requires_grad else None for c, o in pairs)
        if all(c is None for c in given):
            return (None,) * (1 + len(ctx.call.differentiable))
        wanted = [node is not None and _is_wanted(node) for node, _ in ctx.next_functions]
        return (None, *ctx.call.gradients(given, wanted))


def _is_wanted(node: Any) -> bool:
    """Whether the backward pass that runs now leads to a node of the graph.

    Without this, a gradient with respect to an input alone would cost those of all weights.
    """
    try:
        return bool(torch._C._will_engine_execute_node(node))
    except RuntimeError:  # a leaf that torch.autograd.grad was asked for: torch cannot say that
        return True


def _specs(rows: Any) -> list[tuple[int, dict[str, Any]]]:
    """Checked (handle, spec) pairs."""
    if not isinstance(rows, list) or len(rows) > MAX_PARAMETERS:
        raise BadReplyError("a list of parameters is malformed")
    for row in rows:
        if not (isinstance(row, list) and len(row) == 2 and type(row[0]) is int):
            raise BadReplyError("a list of parameters is malformed")
        if not isinstance(row[1], dict):
            raise BadReplyError("a list of parameters is malformed")
    return [(row[0], row[1]) for row in rows]


def _named_specs(rows: Any) -> list[tuple[str, tuple[int, dict[str, Any]]]]:
    if not isinstance(rows, list) or not all(isinstance(r, list) and len(r) == 3 for r in rows):
        raise BadReplyError("a list of parameters is malformed")
    if not all(isinstance(row[0], str) for row in rows):
        raise BadReplyError("a list of parameters is malformed")
    names = [row[0] for row in rows]
    return list(zip(names, _specs([row[1:] for row in rows]), strict=True))


def _ghost(spec: dict[str, Any]) -> torch.Tensor:
    """A tensor without data of a claimed shape and dtype."""
    ghost: torch.Tensor = Decoder(bytearray(), _nothing_special)(
        {**spec, "$": "tensor", "device": "meta"}
    )
    return ghost


def _blank(ghost: torch.Tensor, device: Any) -> torch.Tensor:
    """The tensor on a claimed device: of zeros, since whatever else lies in this process's memory
    is not for the student kernel."""
    try:
        return torch.zeros_like(ghost, device=device, requires_grad=False)
    except Exception:  # a device that is not here, or no device at all
        raise BadReplyError("a parameter is on an unknown device") from None


def _nothing_special(data: dict[str, Any]) -> Any:
    raise BadReplyError("a reply holds an unknown kind of data", got=data["$"])


def _kind(tensor: torch.Tensor) -> tuple[torch.Size, torch.dtype, torch.device]:
    return tensor.shape, tensor.dtype, tensor.device


def _replace(value: Any, by_id: dict[int, Any]) -> Any:
    if id(value) in by_id:
        return by_id[id(value)]
    if isinstance(value, Named):
        return Named((_replace(item, by_id) for item in value), value._fields)
    if type(value) in (list, tuple, set):
        return type(value)(_replace(item, by_id) for item in value)
    if type(value) is dict:
        return {key: _replace(item, by_id) for key, item in value.items()}
    return value
