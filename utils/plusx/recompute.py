"""Memory for computing: backward passes that make states anew in place of keeping them.

Three ways, with one forward pass more each: checkpoints (T. Chen et al. 2016, "Training Deep Nets
with Sublinear Memory Cost", arXiv 1604.06174), blocks that can be inverted (Gomez et al. 2017, "The
Reversible Residual Network", arXiv 1707.04585), and the adjoint of a differential equation (R. Chen
et al. 2018, "Neural Ordinary Differential Equations", arXiv 1806.07366).
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from plusx.errors import ArgumentError


def checkpointed(blocks: Sequence[nn.Module], x: Tensor, length: int) -> Tensor:
    """blocks[-1](... blocks[0](x)), of which only every `length`-th state is kept.

    The backward pass computes the states of one segment at a time anew. Gradients are those of the
    ordinary pass. Blocks must give the same output again: no dropout, no running statistics.
    """
    if length < 1:
        raise ArgumentError("no such segment", expected="length >= 1", got=length)
    for start in range(0, len(blocks), length):
        segment = nn.Sequential(*blocks[start : start + length])
        x = _Recomputed.apply(segment, x, *segment.parameters())
    return x


class _Recomputed(torch.autograd.Function):
    """A module that keeps its input alone, and runs again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, run: nn.Module, x: Tensor, *parameters: Tensor) -> Tensor:
        ctx.run, ctx.parameters = run, parameters
        ctx.save_for_backward(x)
        return run(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x = ctx.saved_tensors[0].detach().requires_grad_()
        with torch.enable_grad():
            y = ctx.run(x)
        return None, *torch.autograd.grad(y, [x, *ctx.parameters], gradients)


class ReversibleBlock(nn.Module):
    """y1 = x1 + F(x2), y2 = x2 + G(y1) for the two halves of the channels; x (B, C, ...)

    f, g: modules, (B, C / 2, ...) -> (B, C / 2, ...)
    """

    def __init__(self, f: nn.Module, g: nn.Module) -> None:
        super().__init__()
        self.f, self.g = f, g

    def forward(self, x: Tensor) -> Tensor:
        x1, x2 = x.chunk(2, dim=1)
        y1 = x1 + self.f(x2)
        y2 = x2 + self.g(y1)
        return torch.cat([y1, y2], dim=1)

    def inverse(self, y: Tensor) -> Tensor:
        """The x of which `forward` made y."""
        y1, y2 = y.chunk(2, dim=1)
        x2 = y2 - self.g(y1)
        x1 = y1 - self.f(x2)
        return torch.cat([x1, x2], dim=1)


def reversible(blocks: Sequence[ReversibleBlock], x: Tensor) -> Tensor:
    """blocks[-1](... blocks[0](x)), of which only the last state is kept."""
    return _Reversible.apply(tuple(blocks), x, *nn.ModuleList(blocks).parameters())


class _Reversible(torch.autograd.Function):
    """Walks back from the output: each block's input is computed from what it gave."""

    @staticmethod
    def forward(
        ctx: Any, blocks: tuple[ReversibleBlock, ...], x: Tensor, *parameters: Tensor
    ) -> Tensor:
        ctx.blocks = blocks
        for block in blocks:
            x = block(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        y, v = ctx.saved_tensors[0].detach(), gradients[0]
        found: list[list[Tensor]] = []
        for block in reversed(ctx.blocks):
            y, v, more = _back_through(block, y, v)
            found.append(more)
        return None, v, *(gradient for more in reversed(found) for gradient in more)


def _back_through(
    block: ReversibleBlock, y: Tensor, v: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """The block's input, the gradient there, and those of its parameters; F and G run once."""
    (y1, y2), (v1, v2) = y.chunk(2, dim=1), v.chunk(2, dim=1)
    g_of, (toward_y1, *of_g) = _run_and_pull(block.g, y1, v2)
    x2, v1 = y2 - g_of, v1 + toward_y1
    f_of, (toward_x2, *of_f) = _run_and_pull(block.f, x2, v1)
    x1, v2 = y1 - f_of, v2 + toward_x2
    return torch.cat([x1, x2], dim=1), torch.cat([v1, v2], dim=1), [*of_f, *of_g]


def _run_and_pull(branch: nn.Module, x: Tensor, v: Tensor) -> tuple[Tensor, list[Tensor]]:
    """branch(x), and the products of v with its Jacobians by x and by each parameter."""
    x = x.detach().requires_grad_()
    with torch.enable_grad():
        y = branch(x)
    return y.detach(), list(torch.autograd.grad(y, [x, *branch.parameters()], v))


def adjoint(
    branch: nn.Module, y: Tensor, v: Tensor, h: float, steps: int
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Gradients of a solution of dx/dt = F(x), from its end alone, by Euler's steps backwards.

    y (B, d): the state at the end; v (B, d): the gradient there. Each of the steps, of size h,
    takes y <- y - h F(y), v <- v + h J^T v and g <- g + h (dF/dparameter)^T v, all at the y and
    the v before the step. Returns y and v at the beginning, and g for each parameter of the branch.
    """
    found = [torch.zeros_like(p) for p in branch.parameters()]
    for _ in range(steps):
        slope, (toward_y, *more) = _run_and_pull(branch, y, v)
        y, v = y - h * slope, v + h * toward_y
        found = [g + h * part for g, part in zip(found, more, strict=True)]
    return y, v, found


def adjoint_euler(branch: nn.Module, x: Tensor, h: float, steps: int) -> Tensor:
    """Euler's steps x <- x + h F(x), of which only the last state is kept; see `adjoint`."""
    return _Adjoint.apply(branch, h, steps, x, *branch.parameters())


class _Adjoint(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, branch: nn.Module, h: float, steps: int, x: Tensor, *parameters: Tensor
    ) -> Tensor:
        ctx.branch, ctx.h, ctx.steps = branch, h, steps
        for _ in range(steps):
            x = x + h * branch(x)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        y = ctx.saved_tensors[0].detach()
        _, v, found = adjoint(ctx.branch, y, gradients[0], ctx.h, ctx.steps)
        return None, None, None, v, *found


class SavedMeter:
    """Counts, inside `with`, the bytes that autograd keeps for backward passes, over time.

    Counted are storages, each once, without those of `ignored` (parameters, say), in forward and
    backward passes on the CPU. `peak_mebibytes` is the largest sum so far.

    torch.utils.checkpoint (not reentrant) keeps what it recomputes from hooks outside of it: what
    it saves there is not seen here.
    """

    def __init__(self, ignored: Sequence[Tensor] = ()) -> None:
        self._ignored = {tensor.untyped_storage().data_ptr() for tensor in ignored}
        self._holders: dict[int, int] = {}
        self._bytes = self._peak = 0
        self._hooks = torch.autograd.graph.saved_tensors_hooks(
            lambda tensor: _Kept(self, tensor), lambda kept: kept.tensor
        )

    @property
    def peak_mebibytes(self) -> float:
        return self._peak / 2**20

    @property
    def now_mebibytes(self) -> float:
        """What is kept at this moment."""
        return self._bytes / 2**20

    def __enter__(self) -> "SavedMeter":
        self._hooks.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.__exit__()

    def count(self, storage: Any, change: int) -> None:
        """One holder more (1) or less (-1) of a storage; its first and last one count."""
        address = storage.data_ptr()
        if address in self._ignored:
            return
        before = self._holders.get(address, 0)
        self._holders[address] = before + change
        if 0 in (before, before + change):
            self._bytes += change * storage.nbytes()
            self._peak = max(self._peak, self._bytes)


class _Kept:
    """A saved tensor, which says when it is let go."""

    def __init__(self, meter: SavedMeter, tensor: Tensor) -> None:
        self.meter, self.tensor = meter, tensor
        meter.count(tensor.untyped_storage(), 1)

    def __del__(self) -> None:
        self.meter.count(self.tensor.untyped_storage(), -1)


def peak_saved_mebibytes(
    run: Callable[[Tensor], Tensor], x: Tensor, ignored: Sequence[Tensor] = ()
) -> float:
    """The most that autograd keeps (MiB) in a forward and backward pass of run(x), on the CPU."""
    x = x.detach().requires_grad_()
    with SavedMeter(ignored) as meter:
        run(x).sum().backward()
    return meter.peak_mebibytes


def peak_allocated_mebibytes(run: Callable[[Tensor], Tensor], x: Tensor) -> float:
    """How far one forward and backward pass raises CUDA's allocated memory in MiB, at its peak.

    Gradients of parameters count only if they are not there yet. Raises `ArgumentError` if x is
    not on a CUDA device: other devices have no such counter.
    """
    if x.device.type != "cuda":
        raise ArgumentError(
            "only CUDA's allocator counts", expected="a tensor on cuda", got=str(x.device)
        )
    x = x.detach().requires_grad_()
    run(x).sum().backward()  # gradients of parameters and the libraries' own memory are there now
    torch.cuda.reset_peak_memory_stats(x.device)
    before = torch.cuda.memory_allocated(x.device)
    run(x).sum().backward()
    return (torch.cuda.max_memory_allocated(x.device) - before) / 2**20
