"""What well-known mistakes would compute about signals and starts; see `plusx.diagnose`."""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor
from torch.nn import functional as F


def wrong_signals(depth: int, skip: float, branch: float, norm: bool) -> dict[str, list[float]]:
    """Mistakes in the mean squares of the states by depth."""

    def chain(step: Callable[[float], float]) -> list[float]:
        squares = [1.0]
        for _ in range(depth):
            squares.append(step(squares[-1]))
        return squares

    def by_norm(q: float) -> float:
        return 1.0 if norm else q

    right = chain(lambda q: skip**2 * q + branch**2 * by_norm(q))
    return {
        "the state at the start is missing: entry 0 is 1": right[1:],
        "one entry is missing: there are depth + 1 states": right[:-1],
        "norm is ignored" if norm else "there is a norm where none should be": chain(
            lambda q: skip**2 * q + branch**2 * (q if norm else 1.0)
        ),
        "the factors are not squared: mean squares are asked for": chain(
            lambda q: skip * q + branch * by_norm(q)
        ),
        "the skip's factor is not squared": chain(lambda q: skip * q + branch**2 * by_norm(q)),
        "the branch's factor is not squared": chain(lambda q: skip**2 * q + branch * by_norm(q)),
        "the factors are added, then squared: skip and branch are uncorrelated": chain(
            lambda q: (skip * sqrt(q) + branch * sqrt(by_norm(q))) ** 2
        ),
        "the skip is missing": chain(lambda q: branch**2 * by_norm(q)),
        "the branch is missing": chain(lambda q: skip**2 * q),
        "skip is ignored: it scales the state": chain(lambda q: q + branch**2 * by_norm(q)),
        "branch is ignored: it scales F": chain(lambda q: skip**2 * q + by_norm(q)),
        "these are roots: mean squares are asked for": [sqrt(q) for q in right],
        "the ReLU halves the square, and W doubles it again: no factor 1/2 is left": chain(
            lambda q: skip**2 * q + 0.5 * branch**2 * by_norm(q)
        ),
        "the order is reversed: entry 0 is the start": right[::-1],
    }


def wrong_lengths(depth: int, skip: float, branch: float, norm: bool) -> dict[str, list[float]]:
    """Mistakes in the squared lengths of the gradients by depth."""
    squares = [1.0]
    for _ in range(depth):
        squares.append(skip**2 * squares[-1] + branch**2 * (1.0 if norm else squares[-1]))

    def chain(step: Callable[[int], float]) -> list[float]:
        lengths = [1.0]
        for n in range(depth - 1, -1, -1):
            lengths.append(lengths[-1] * step(n))
        return lengths[::-1]

    def inner(n: int) -> float:
        return 1 / squares[n] if norm else 1.0

    right = chain(lambda n: skip**2 + branch**2 * inner(n))
    return {
        "the order is reversed: the last entry belongs to the output, and is 1": right[::-1],
        "these are the signals: a gradient is asked for": squares,
        "one entry is missing: there are depth + 1 states": right[:-1],
        "norm is ignored" if norm else "there is a norm where none should be": chain(
            lambda n: skip**2 + branch**2 * (1.0 if norm else 1 / squares[n])
        ),
        "the norm divides by the root of the mean square: its square divides by that": chain(
            lambda n: skip**2 + branch**2 * sqrt(inner(n))
        ),
        "the norm divides by the square of the state before it, not behind it": chain(
            lambda n: skip**2 + branch**2 * (1 / squares[n + 1] if norm else 1.0)
        ),
        "the squares are counted from the wrong end": chain(
            lambda n: skip**2 + branch**2 * inner(depth - 1 - n)
        ),
        "the norm multiplies by the square: it divides": chain(
            lambda n: skip**2 + branch**2 * (squares[n] if norm else 1.0)
        ),
        "the norm divides the skip as well: it stands in the branch": chain(
            lambda n: (skip**2 + branch**2) * inner(n)
        ),
        "the factors are not squared": chain(lambda n: skip + branch * inner(n)),
        "the skip's factor is not squared": chain(lambda n: skip + branch**2 * inner(n)),
        "the branch's factor is not squared": chain(lambda n: skip**2 + branch * inner(n)),
        "the skip is missing": chain(lambda n: branch**2 * inner(n)),
        "the branch is missing": chain(lambda n: skip**2),
        "skip is ignored: it scales the state": chain(lambda n: 1 + branch**2 * inner(n)),
        "branch is ignored: it scales F": chain(lambda n: skip**2 + inner(n)),
        "these are roots: squared lengths are asked for": [sqrt(g) for g in right],
        "the squared lengths are not relative to the output": [g / right[0] for g in right],
    }


def right_gain(jacobian: Tensor, v: Tensor, steps: int) -> float:
    """|J v| / |v| after `steps` times v <- J^T J v; jacobian (d', d), v (d,)."""
    for _ in range(steps):
        v = jacobian.T @ (jacobian @ v)
        v = v / v.norm()
    return ((jacobian @ v).norm() / v.norm()).item()


def wrong_gains(jacobian: Tensor, v: Tensor, steps: int, growth: float) -> dict[str, float]:
    """Mistakes in the largest gain; `growth` is |f(x)| / |x|."""
    right, J = right_gain(jacobian, v, steps), jacobian
    last = v
    for _ in range(steps):
        last = J.T @ (J @ last)
        last = last / last.norm()
    wrong = {
        "this is the square: take the root": right**2,
        "this is the root: |J v| / |v| is asked for": right**0.5,
        "there is one step too many": right_gain(J, v, steps + 1),
        "these are the values, not the Jacobian: |f(x)| / |x|": growth,
        "steps is ignored: v never changes": right_gain(J, v, 0),
        "this is |J^T J v| / |v|": ((J.T @ (J @ last)).norm() / last.norm()).item(),
        "v is not divided by its length": (J @ v).norm().item()
        if steps == 0
        else right * v.norm().item(),
        "this is the Frobenius norm of the Jacobian": J.norm().item(),
        "this is the largest singular value at once: do exactly `steps` steps": (
            torch.linalg.matrix_norm(J, 2).item()
        ),
        "this is the largest entry of the Jacobian": J.abs().max().item(),
    }
    if steps:
        wrong["there is one step too few"] = right_gain(J, v, steps - 1)
    if J.shape[0] == J.shape[1]:
        wrong |= {
            "J is applied twice: the second time it is transposed": _iterated(J, J, v, steps),
            "J^T stands in place of J": right_gain(J.T, v, steps),
            "this is the largest eigenvalue: a singular value is asked for": (
                torch.linalg.eigvals(J).abs().max().item()
            ),
        }
    return wrong


def _iterated(first: Tensor, second: Tensor, v: Tensor, steps: int) -> float:
    for _ in range(steps):
        v = second @ (first @ v)
        v = v / v.norm()
    return ((first @ v).norm() / v.norm()).item()


def norm_free_unit(
    x: Tensor, weights: list[Tensor], biases: list[Tensor], scale: Tensor | float
) -> Tensor:
    """x + scale * F(x), F = ReLU, dense, as often as there are weights; x (B, width)."""
    return x + scale * _branch(x, weights, biases)


def _branch(x: Tensor, weights: list[Tensor], biases: list[Tensor]) -> Tensor:
    for weight, bias in zip(weights, biases, strict=True):
        x = F.linear(F.relu(x), weight, bias)
    return x


def wrong_norm_free_units(
    x: Tensor, weights: list[Tensor], biases: list[Tensor], scale: Tensor
) -> dict[str, Tensor]:
    """Mistakes in the output of a unit without norm; x (B, width)."""
    f = _branch(x, weights, biases)
    late = x
    for n, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        late = F.linear(F.relu(late) if n else late, weight, bias)
    behind = x
    for weight, bias in zip(weights, biases, strict=True):
        behind = F.relu(F.linear(behind, weight, bias))
    linear = x
    for weight, bias in zip(weights, biases, strict=True):
        linear = F.linear(linear, weight, bias)
    return {
        "the skip is missing": scale * f,
        "the scale is missing: it multiplies the branch": x + f,
        "the scale acts on the sum: it multiplies the branch alone": scale * (x + f),
        "the scale acts on the skip: it multiplies the branch": scale * x + f,
        "a ReLU stands after the sum: nothing does": F.relu(x + scale * f),
        "the first ReLU is missing: one stands before each dense layer": x + scale * late,
        "the ReLUs stand behind the dense layers: they come first": x + scale * behind,
        "the ReLUs are missing: one stands before each dense layer": x + scale * linear,
        "the shortcut carries relu(x): it carries x itself": F.relu(x) + scale * f,
        "the branch has the wrong sign": x - scale * f,
        "the branch ends in a ReLU: it ends in a dense layer": x + scale * F.relu(f),
        "the branch is missing: x comes back": x.clone(),
        "one dense layer is missing": x + scale * _branch(x, weights[1:], biases[1:]),
    }


def wrong_spreads(width: int, units: int, layers: int, fixup: bool) -> dict[str, float]:
    """Mistakes in the standard deviation of a branch's weights."""
    he = sqrt(2 / width)
    wrong = {
        "the variance is 1 / width: He's start has 2 / width": he / sqrt(2),
        "this is nn.Linear's own start: He's has variance 2 / width": 1 / sqrt(3 * width),
    }
    if not fixup:
        return {
            "the weights are scaled by units^(-1/(2m-2)): that is Fixup": he
            * units ** (-1 / (2 * layers - 2)),
            "the weights are scaled by 1 / sqrt(units)": he / sqrt(units),
        } | wrong
    right = units ** (-1 / (2 * layers - 2))
    exponents = {
        "the weights are not scaled: Fixup multiplies them by units^(-1/(2m-2))": 0.0,
        "the exponent is always -1/2: it depends on the number of layers": -1 / 2,
        "the exponent is -1/(2m): it is -1/(2m-2)": -1 / (2 * layers),
        "the exponent is -1/(m-1): it is -1/(2m-2)": -1 / (layers - 1),
        "the exponent is -1/m: it is -1/(2m-2)": -1 / layers,
        "the exponent has the wrong sign": 1 / (2 * layers - 2),
        "the weights are divided by the number of units": -1.0,
    }
    scaled = {s: he * units**e for s, e in exponents.items()}
    return scaled | {s: v * right for s, v in wrong.items()}
