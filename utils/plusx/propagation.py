"""How signals and gradients change with depth: in closed form, and measured in random stacks.

A layer here is x <- skip * x + branch * W relu(N(x)), with W normal of variance 2 / width and N
the root-mean-square norm (each example is divided by the root of its mean square) or nothing.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.functional import jvp, vjp
from torch.nn import functional as F

from plusx.errors import ArgumentError

ORDERS = ("pre", "post")


def signal_by_depth(depth: int, skip: float, branch: float, norm: bool) -> list[float]:
    """Expected mean square of the state after 0, 1, ... depth layers; it starts at 1.

    Exact for wide layers: W relu(x) has the mean square of x, and after a norm that is 1.
    """
    squares = [1.0]
    for _ in range(depth):
        inner = 1.0 if norm else squares[-1]
        squares.append(skip**2 * squares[-1] + branch**2 * inner)
    return squares


def gradient_by_depth(depth: int, skip: float, branch: float, norm: bool) -> list[float]:
    """Expected squared length of the gradient at every state, relative to that at the output.

    Entry l belongs to the state after l layers, so the last one is 1.
    """
    squares = signal_by_depth(depth, skip, branch, norm)
    lengths = [1.0]
    for square in reversed(squares[:-1]):
        inner = 1.0 / square if norm else 1.0  # the norm divides by the root of the mean square
        lengths.append(lengths[-1] * (skip**2 + branch**2 * inner))
    return lengths[::-1]


def propagate(
    depth: int,
    skip: float = 1.0,
    branch: float = 1.0,
    norm: bool = True,
    order: str = "pre",
    width: int = 128,
    batch: int = 32,
    seeds: int = 5,
) -> tuple[Tensor, Tensor]:
    """The same two, measured in random stacks: mean squares of states, squared gradients.

    Returns (seeds, depth + 1) twice, in float64; gradients are relative to the output. Order
    "post" is x <- relu(skip * x + branch * N(W x)). Raises `ArgumentError` for another order.
    """
    if order not in ORDERS:
        raise ArgumentError("no such order", expected=ORDERS, got=repr(order), where="propagate")
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    x = normal(seeds, batch, width)
    states = [(F.relu(x) * 2**0.5 if order == "post" else x).requires_grad_()]
    for _ in range(depth):
        weight = normal(seeds, width, width) * (2 / width) ** 0.5
        states.append(_layer(states[-1], weight, skip, branch, norm, order))
    gradients = torch.autograd.grad(states[-1], states, normal(seeds, batch, width))
    lengths = torch.stack([g.square().sum((1, 2)) for g in gradients], dim=1)
    squares = torch.stack([x.detach().square().mean((1, 2)) for x in states], dim=1)
    return squares, lengths / lengths[:, -1:]


def _layer(x: Tensor, weight: Tensor, skip: float, branch: float, norm: bool, order: str) -> Tensor:
    """One layer of all seeds: x (seeds, batch, width), weight (seeds, width, width)."""
    if order == "pre":
        return skip * x + branch * torch.bmm(F.relu(rms_norm(x) if norm else x), weight)
    z = torch.bmm(x, weight)  # (seeds, batch, width)
    return F.relu(skip * x + branch * (rms_norm(z) if norm else z))


def rms_norm(x: Tensor) -> Tensor:
    """Each example over the root of its mean square: (..., width) -> (..., width)"""
    return x / x.square().mean(-1, keepdim=True).sqrt()


def largest_gain(function: Callable[[Tensor], Tensor], x: Tensor, v: Tensor, steps: int) -> float:
    """How much longer a small step at x can become: the largest singular value of the Jacobian.

    x (d,), and v (d,) to start from; v <- J^T J v, `steps` times, and the result is |J v| / |v|.
    It approaches the singular value from below. J itself is never made.
    """
    for _ in range(steps):
        v = v / v.norm()
        v = vjp(function, x, jvp(function, x, v)[1])[1]
    return (jvp(function, x, v)[1].norm() / v.norm()).item()
