"""Networks of steps: x <- x + h F(x), with a branch of their own for each step or one for all."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from plusx.errors import ArgumentError
from plusx.solvers import solve

KINDS = ("flow", "lifted flow", "residual net")


def make_field(width: int, seed: int, gain: float = 1.0, inner: int | None = None) -> nn.Sequential:
    """A smooth random F in float64, (B, width) -> (B, width): dense, tanh, dense.

    Weights are normal with variance gain^2 / fan-in; `inner` units, by default `width`.
    """
    inner = inner or width
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(width, inner), nn.Linear(inner, width)]
        for layer in layers:
            nn.init.normal_(layer.weight, std=gain / layer.in_features**0.5)
    return nn.Sequential(layers[0], nn.Tanh(), layers[1]).double()


def linear_field(matrix: Tensor) -> nn.Linear:
    """dx/dt = A x as a branch: rows of x (B, d) are states, A is (d, d)."""
    layer = nn.Linear(matrix.shape[1], matrix.shape[0], bias=False, dtype=matrix.dtype)
    with torch.no_grad():
        layer.weight.copy_(matrix)
    return layer.requires_grad_(False)


def turning(decay: float, rotation: float) -> Tensor:
    """The real (2, 2) matrix with the eigenvalues decay + i rotation and decay - i rotation."""
    return torch.tensor([[decay, -rotation], [rotation, decay]], dtype=torch.float64)


class StepNet(nn.Module):
    """A dense layer, `blocks` steps x + h V tanh(W x + b) without any norm, and a dense layer.

    Each step has weights of its own, h = blocks^-power. They start independent of each other, or,
    with `smooth`, all alike. images (B, ...), flattened to (B, inputs) -> logits (B, classes).
    """

    def __init__(
        self,
        blocks: int,
        power: float,
        smooth: bool = False,
        width: int = 32,
        inputs: int = 64,
        classes: int = 10,
    ) -> None:
        super().__init__()
        if blocks < 1:
            raise ArgumentError("no such network", expected="blocks >= 1", got=blocks)
        self.h = blocks**-power
        drawn = 1 if smooth else blocks
        self.stem = nn.Linear(inputs, width)
        self.inner = nn.Parameter(_alike(torch.randn(drawn, width, width) / width**0.5, blocks))
        self.outer = nn.Parameter(_alike(torch.randn(drawn, width, width) / width**0.5, blocks))
        self.bias = nn.Parameter(torch.zeros(blocks, width))
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.run(images)

    def run(self, images: Tensor, every: int = 1) -> Tensor:
        """The logits from every `every`-th block alone, with steps as many times as large."""
        return self.head(self.states(images, every)[-1])

    def states(self, images: Tensor, every: int = 1) -> list[Tensor]:
        """What stands before the first step and after each, (B, width)."""
        held = [self.stem(images.flatten(1))]
        weights = zip(
            self.inner[::every].unbind(),
            self.bias[::every],
            self.outer[::every].unbind(),
            strict=True,
        )
        for inner, bias, outer in weights:
            slope = torch.tanh(held[-1] @ inner + bias) @ outer  # (B, width)
            held.append(held[-1] + every * self.h * slope)
        return held


def _alike(weights: Tensor, blocks: int) -> Tensor:
    """(1 or blocks, d, d) -> (blocks, d, d)"""
    return weights.expand(blocks, *weights.shape[1:]).clone()


def relative_change(net: StepNet, images: Tensor) -> float:
    """How far all steps together move the state, over its norm before them."""
    with torch.no_grad():
        held = net.states(images)
    return ((held[-1] - held[0]).norm() / held[0].norm()).item()


def step_cosine(net: StepNet, images: Tensor) -> float:
    """The mean cosine between the steps of neighbouring blocks: 1 on a smooth path, 0 at random."""
    with torch.no_grad():
        held = torch.stack(net.states(images))  # (blocks + 1, B, width)
    steps = held.diff(dim=0).flatten(1)
    return nn.functional.cosine_similarity(steps[:-1], steps[1:], dim=1).mean().item()


class OdeNet(nn.Module):
    """A dense layer, dx/dt = V tanh(W x + b) from 0 to `time`, and a dense layer.

    One branch serves all steps. images (B, ...), flattened to (B, inputs) -> logits (B, classes).
    """

    def __init__(
        self,
        steps: int,
        method: str = "Euler",
        time: float = 4.0,
        width: int = 32,
        inputs: int = 64,
        classes: int = 10,
    ) -> None:
        super().__init__()
        self.steps, self.method, self.time = steps, method, time
        self.stem = nn.Linear(inputs, width)
        self.field = nn.Sequential(
            nn.Linear(width, width), nn.Tanh(), nn.Linear(width, width, bias=False)
        )
        for layer in (self.field[0], self.field[2]):
            nn.init.normal_(layer.get_parameter("weight"), std=width**-0.5)
        self.head = nn.Linear(width, classes)

    def forward(self, images: Tensor) -> Tensor:
        return self.run(images, self.steps, self.method)

    def run(self, images: Tensor, steps: int, method: str) -> Tensor:
        """The logits by another method or another number of steps, with the same weights."""
        x = self.stem(images.flatten(1))  # (B, width)
        return self.head(solve(self.field, x, self.time, steps, method))


@dataclass(frozen=True)
class Reflection:
    """What came of fitting x -> -x: the mean square error of each seed, and where points went.

    `paths` (seeds, times, points): the first coordinate, from x to what was made of it.
    """

    error: Tensor
    paths: Tensor


class _Fields(nn.Module):
    """dense, tanh, dense for several seeds at once, and for each of `count` steps."""

    def __init__(self, seeds: Sequence[int], count: int, width: int, inner: int = 16) -> None:
        super().__init__()
        draws = [torch.Generator().manual_seed(seed) for seed in seeds]

        def normal(*shape: int) -> nn.Parameter:
            rows = [torch.randn(count, *shape, generator=draw) for draw in draws]
            return nn.Parameter(torch.stack(rows, dim=1))  # (count, seeds, ...)

        self.inner, self.bias = normal(width, inner), normal(1, inner)
        self.outer = normal(inner, width)
        with torch.no_grad():
            self.outer.div_(inner**0.5)

    def forward(self, x: Tensor, step: int) -> Tensor:
        """(S, points, width) -> (S, points, width), by the branch of that step"""
        hidden = torch.tanh(torch.bmm(x, self.inner[step]) + self.bias[step])
        return torch.bmm(hidden, self.outer[step])


def reflect(kind: str, seeds: int = 10, updates: int = 300, points: int = 21) -> Reflection:
    """Fit x -> -x on [-1, 1] with Adam, for several seeds at once.

    kind: "flow", dx/dt = F(x) in one dimension, 6 steps of RK4 to time 1; "lifted flow", the same
    in two dimensions, x beside a zero; "residual net", two blocks x + F(x) in one dimension.
    Raises `ArgumentError` for another kind.
    """
    if kind not in KINDS:
        raise ArgumentError("no such model", expected=KINDS, got=repr(kind), where="reflect")
    width, count = (2 if kind == "lifted flow" else 1), (2 if kind == "residual net" else 1)
    fields = _Fields(range(seeds), count, width)
    x = torch.linspace(-1, 1, points).view(1, -1, 1).expand(seeds, -1, 1)
    start = torch.cat([x, x.new_zeros(seeds, points, width - 1)], dim=2)  # (S, points, width)
    optimiser = torch.optim.Adam(fields.parameters(), lr=0.02)
    for _ in range(updates):
        optimiser.zero_grad()
        error = (_states(fields, start, kind)[-1][..., :1] + x).square().mean(dim=(1, 2))
        error.sum().backward()
        optimiser.step()
    with torch.no_grad():
        paths = torch.stack([state[..., 0] for state in _states(fields, start, kind)], dim=1)
        return Reflection((paths[:, -1] + x[..., 0]).square().mean(dim=1), paths)


def _states(fields: _Fields, x: Tensor, kind: str) -> list[Tensor]:
    states = [x]
    if kind == "residual net":
        for step in range(2):
            states.append(states[-1] + fields(states[-1], step))
        return states
    for _ in range(6):
        states.append(solve(lambda now: fields(now, 0), states[-1], 1 / 6, 1, "RK4"))
    return states
