"""Residual networks as solvers of dx/dt = F(x): a block is a step of size h.

Branches F map (B, d) to (B, d). A list of different branches is a residual network, the same
branch n times is a solver with n steps. Sources: W. Kutta 1901, "Beitrag zur näherungsweisen
Integration totaler Differentialgleichungen" (Zeitschrift für Mathematik und Physik 46:435), for the
tables; W. E 2017, "A Proposal on Machine Learning via Dynamical Systems" (Communications in
Mathematics and Statistics 5:1), for the view of networks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, log

import torch
from torch import Tensor

from plusx.errors import ArgumentError
from plusx.paths import Branch


@dataclass(frozen=True)
class Table:
    """An explicit Runge-Kutta method: slope i is taken at x + h * sum of rows[i][j] * slope j.

    The step is x + h * sum of weights[i] * slope i. `order` is the power of h with which the error
    at a fixed time falls.
    """

    rows: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    order: int


TABLES = {
    "Euler": Table(((),), (1.0,), 1),
    "midpoint": Table(((), (0.5,)), (0.0, 1.0), 2),
    "Heun": Table(((), (1.0,)), (0.5, 0.5), 2),
    "RK4": Table(((), (0.5,), (0.0, 0.5), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), 4),
}


def table(method: str) -> Table:
    """The table of that name; raises `ArgumentError` for another one."""
    if method not in TABLES:
        raise ArgumentError("no such method", expected=tuple(TABLES), got=repr(method))
    return TABLES[method]


def euler(branches: Sequence[Branch], x: Tensor, h: float) -> Tensor:
    """A residual network with step size h: x <- x + h F(x), branch after branch; (B, d)"""
    for branch in branches:
        x = x + h * branch(x)
    return x


def runge_kutta(
    branch: Branch,
    x: Tensor,
    h: float,
    rows: Sequence[Sequence[float]],
    weights: Sequence[float],
) -> Tensor:
    """One step of an explicit Runge-Kutta method, (B, d); see `Table` for rows and weights."""
    slopes: list[Tensor] = []
    for row in rows:
        stage = x
        for factor, slope in zip(row, slopes, strict=True):
            stage = stage + h * factor * slope
        slopes.append(branch(stage))
    for weight, slope in zip(weights, slopes, strict=True):
        x = x + h * weight * slope
    return x


def solve(branch: Branch, x: Tensor, time: float, steps: int, method: str = "RK4") -> Tensor:
    """x after `time` under dx/dt = branch(x), in `steps` equal steps; (B, d)"""
    return trajectory(branch, x, time, steps, method)[-1]


def trajectory(
    branch: Branch, x: Tensor, time: float, steps: int, method: str = "RK4"
) -> list[Tensor]:
    """The states of `solve`: steps + 1 of them, x first."""
    if steps < 1:
        raise ArgumentError("too few steps", expected="steps >= 1", got=steps, where="trajectory")
    chosen, states = table(method), [x]
    for _ in range(steps):
        states.append(runge_kutta(branch, states[-1], time / steps, chosen.rows, chosen.weights))
    return states


def observed_order(sizes: Sequence[float], errors: Sequence[float]) -> float:
    """The power p of error = C h^p: the slope of log error against log h, by least squares."""
    x = torch.tensor([log(size) for size in sizes], dtype=torch.float64)
    y = torch.tensor([log(error) for error in errors], dtype=torch.float64)
    x, y = x - x.mean(), y - y.mean()
    return ((x * y).sum() / (x * x).sum()).item()


def largest_stable_step(matrix: Tensor) -> float:
    """The h up to which Euler's steps for dx/dt = A x do not grow; A is (d, d).

    |1 + h z| <= 1 for all eigenvalues z, hence h <= -2 Re z / |z|^2. It is 0 where an eigenvalue
    (other than 0) has a real part that is not negative, and infinite if all are 0.
    """
    found = torch.linalg.eigvals(matrix)
    found = found[found.abs() > 1e-9]
    if not len(found):
        return float("inf")
    return max(0.0, (-2 * found.real / found.abs() ** 2).min().item())


def amplification(method: str, z: Tensor) -> Tensor:
    """What one step does to dx/dt = lambda x, as a factor, at z = h lambda; complex, as z."""
    chosen = table(method)
    one = torch.ones_like(z)
    slopes: list[Tensor] = []
    for row in chosen.rows:
        stage = one
        for factor, slope in zip(row, slopes, strict=True):
            stage = stage + factor * slope
        slopes.append(z * stage)
    for weight, slope in zip(chosen.weights, slopes, strict=True):
        one = one + weight * slope
    return one


def adaptive_heun(
    branch: Branch, x: Tensor, time: float, tolerance: float
) -> tuple[Tensor, list[float]]:
    """Heun's steps whose size follows their error: x after `time`, and the sizes of the steps.

    A step is taken if Heun's result and Euler's differ by at most `tolerance` in every number.
    Then, as after a refusal, the next size is 0.9 h sqrt(tolerance / difference), but at least a
    fifth of the last one, at most five times it, and no more than is left. Raises `ArgumentError`
    for a time that is negative or has no end, a tolerance that is not positive, and where steps
    would have to become ever smaller.
    """
    if not (0 <= time < inf and tolerance > 0):
        raise ArgumentError(
            "no such flow",
            expected="0 <= time < infinity, tolerance > 0",
            got=f"time {time}, tolerance {tolerance}",
            where="adaptive_heun",
        )
    left, h, sizes = time, time, list[float]()
    while left > 0:
        first = branch(x)
        second = branch(x + h * first)
        difference = (h / 2 * (second - first)).abs().max().item()
        if difference <= tolerance:
            x = x + h / 2 * (first + second)
            sizes.append(h)
            left = 0.0 if h == left else left - h
        factor = 0.9 * (tolerance / max(difference, 1e-300)) ** 0.5
        h = min(left, h * min(5.0, max(0.2, factor)))
        if left and h < time * 1e-9:
            raise ArgumentError(
                "the step size vanishes", expected="a smooth branch", got=f"h = {h}"
            )
    return x, sizes
