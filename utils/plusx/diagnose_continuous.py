"""What well-known mistakes would compute in the lesson on steps; see `plusx.diagnose`."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from math import log

import torch
from torch import Tensor, nn

from plusx.paths import Branch
from plusx.recompute import ReversibleBlock, adjoint
from plusx.solvers import euler, observed_order


def wrong_eulers(branches: Sequence[Branch], x: Tensor, h: float) -> dict[str, Tensor]:
    """Mistakes in a residual network with step size h."""

    def loop(
        step: Callable[[Tensor, Branch], Tensor], order: Sequence[Branch] = branches
    ) -> Tensor:
        y = x
        for branch in order:
            y = step(y, branch)
        return y

    n = len(branches)
    return {
        "h is missing: this is the ordinary residual network": euler(branches, x, 1.0),
        "h scales the skip as well: it scales the branch alone": loop(lambda y, f: h * (y + f(y))),
        "the skip is missing: a step is x + h F(x)": loop(lambda y, f: h * f(y)),
        "h is divided by the number of branches: it is the size of one step": euler(
            branches, x, h / max(n, 1)
        ),
        "h is multiplied by the number of branches: it is the size of one step": euler(
            branches, x, h * n
        ),
        "all branches see the first x: each sees what the step before it gave": x
        + h * sum((f(x) for f in branches), torch.zeros_like(x)),
        "the first x is added in every step: add what the step gets": loop(
            lambda y, f: x + h * f(y)
        ),
        "the branches run from last to first": euler(list(branches)[::-1], x, h),
        "the step is subtracted": euler(branches, x, -h),
        "h scales what goes into the branch: it scales what comes out": loop(
            lambda y, f: y + f(h * y)
        ),
        "h is squared": euler(branches, x, h * h),
        "one step is missing": euler(branches[:-1], x, h),
        "one branch serves for all": euler([branches[0]] * n, x, h) if n else x,
        "h shrinks or grows on the way: all steps have one size": loop_sizes(branches, x, h),
    }


def loop_sizes(branches: Sequence[Branch], x: Tensor, h: float) -> Tensor:
    """Step n has the size n h."""
    for number, branch in enumerate(branches, start=1):
        x = x + number * h * branch(x)
    return x


def wrong_orders(sizes: Sequence[float], errors: Sequence[float]) -> dict[str, float]:
    """Mistakes in the observed order of a method."""
    x, y = [log(size) for size in sizes], [log(error) for error in errors]
    pairs = list(pairwise(zip(x, y, strict=True)))
    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in pairs]
    squares = sum(a * a for a in x)
    raw = torch.tensor([sizes, errors], dtype=torch.float64)
    raw = raw - raw.mean(dim=1, keepdim=True)
    plain = ((raw[0] * raw[1]).sum() / raw[0].square().sum()).item()
    return {
        "the sign is reversed: the error falls as h falls, and the order is positive": (
            -observed_order(sizes, errors)
        ),
        "this is the slope of the errors themselves: take logarithms of both": plain,
        "the line is taken through the origin: C is not 1, so subtract means first": sum(
            a * b for a, b in zip(x, y, strict=True)
        )
        / (squares or 1.0),
        "these are quotients log error / log h: take the slope of a line": sum(
            b / (a or 1.0) for a, b in zip(x, y, strict=True)
        )
        / len(x),
        "the axes are swapped: log error is fitted against log h": observed_order(errors, sizes),
        "only the first and the last point count: fit a line to all": (y[-1] - y[0])
        / (x[-1] - x[0]),
        "only the last two points count: fit a line to all": slopes[-1],
        "only the first two points count: fit a line to all": slopes[0],
        "this is a mean of slopes between neighbours: fit one line by least squares": sum(slopes)
        / len(slopes),
        "this takes h to halve from point to point: divide by the differences of log h": sum(
            (a[1] - b[1]) / log(2) for a, b in pairs
        )
        / len(pairs),
        "this is the ratio of errors: the order is the slope of the logarithms": sum(
            errors[n] / errors[n + 1] for n in range(len(pairs))
        )
        / len(pairs),
        "this is the constant, not the slope": sum(y) / len(y)
        - observed_order(sizes, errors) * sum(x) / len(x),
    }


def wrong_stable_steps(matrix: Tensor) -> dict[str, float]:
    """Mistakes in the largest stable step of Euler's method."""
    found = torch.linalg.eigvals(matrix)
    real, size = found.real, found.abs()
    symmetric = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
    limits = -2 * real / size**2
    return {
        "2 / |z| holds for real eigenvalues alone: solve |1 + h z| = 1 for a complex z": (
            2 / size.max()
        ).item(),
        "imaginary parts are ignored: solve |1 + h z| = 1 for a complex z": (
            -2 / real.min()
        ).item(),
        "this is the limit of the slowest eigenvalue: all must be stable, so take the smallest "
        "h": limits.max().item(),
        "half of it: |1 + h z| = 1 at h = -2 Re z / |z|^2": limits.min().item() / 2,
        "twice too large: |1 + h z| = 1 at h = -2 Re z / |z|^2": limits.min().item() * 2,
        "|z| is not squared": (-2 * real / size).min().item(),
        "a negative limit means that no step is stable: return 0": limits.min().item(),
        "the size hides that this flow grows: no step is stable, return 0": limits.abs()
        .min()
        .item(),
        "singular values are no eigenvalues": (2 / torch.linalg.matrix_norm(matrix, 2)).item(),
        "these are eigenvalues of the symmetric part: take those of A": (
            -2 / symmetric.min()
        ).item(),
        "these are the diagonal's entries: take eigenvalues": (-2 / matrix.diag().min()).item(),
        "the limit is that of z = -2 / h, whatever A is": 2.0,
    }


def wrong_steps(
    branch: Branch, x: Tensor, h: float, rows: Sequence[Sequence[float]], weights: Sequence[float]
) -> dict[str, Tensor]:
    """Mistakes in a Runge-Kutta step."""

    def slopes(stage: Callable[[Sequence[float], list[Tensor], Tensor], Tensor]) -> list[Tensor]:
        found: list[Tensor] = []
        last = x
        for row in rows:
            last = stage(row, found, last)
            found.append(branch(last))
        return found

    def mixed(factors: Sequence[float], of: Sequence[Tensor]) -> Tensor:
        terms = (factor * slope for factor, slope in zip(factors, of, strict=False))
        return sum(terms, torch.zeros_like(x))

    right = slopes(lambda row, found, _: x + h * mixed(row, found))
    newest = slopes(lambda row, found, _: x + h * row[-1] * found[-1] if row else x)
    last_stage = x + h * mixed(rows[-1], right)
    return {
        "all slopes are taken at x: slope i is taken at x + h (row i times the slopes so far)": (
            x + h * mixed(weights, [branch(x)] * len(rows))
        ),
        "h is missing inside the stages": x
        + h * mixed(weights, slopes(lambda row, found, _: x + mixed(row, found))),
        "h is missing in the final sum": x + mixed(weights, right),
        "a stage uses the newest slope alone: it uses every entry of its row": x
        + h * mixed(weights, newest),
        "each stage leaves from the stage before: all leave from x": x
        + h * mixed(weights, slopes(lambda row, found, last: last + h * mixed(row, found))),
        "the step leaves from the last stage: it leaves from x": last_stage
        + h * mixed(weights, right),
        "only the last slope counts: weigh all of them": x + h * right[-1],
        "only the first slope counts: this is Euler's step": x + h * right[0],
        "the slopes are averaged: weigh them with `weights`": x
        + h * mixed([1 / len(right)] * len(right), right),
        "the slopes are added without `weights`": x + h * mixed([1.0] * len(right), right),
        "x is missing: a step is x + h (weighted slopes)": h * mixed(weights, right),
        "the weights are taken from the other end": x + h * mixed(list(weights)[::-1], right),
        "this is the last stage: the step weighs all slopes": last_stage,
        "a stage leaves x out: slope i is taken at x + h (...)": x
        + h * mixed(weights, slopes(lambda row, found, _: h * mixed(row, found) if row else x)),
        "h is halved in the stages: the rows hold such factors already": x
        + h * mixed(weights, slopes(lambda row, found, _: x + h / 2 * mixed(row, found))),
        "the step is subtracted": x - h * mixed(weights, right),
    }


def replayed(
    branch: Branch, x: Tensor, sizes: Sequence[float], method: str = "Heun"
) -> tuple[Tensor, float]:
    """x after Heun's (or Euler's) steps of these sizes, and the largest difference of the two."""
    largest = 0.0
    for h in sizes:
        first = branch(x)
        second = branch(x + h * first)
        largest = max(largest, (h / 2 * (second - first)).abs().max().item())
        x = x + h / 2 * (first + second) if method == "Heun" else x + h * first
    return x, largest


def wrong_adaptive_ends(branch: Branch, x: Tensor, sizes: Sequence[float]) -> dict[str, Tensor]:
    """Mistakes in what an adaptive solver returns for x, given the sizes of its steps."""
    return {
        "this is Euler's result: keep Heun's, the better of the two": replayed(
            branch, x, sizes, "Euler"
        )[0],
        "the last step is missing in x": replayed(branch, x, sizes[:-1])[0],
        "x has not moved": x,
        "the refused steps have moved x: a refused step is tried again from the same x": (
            replayed(branch, x, [*sizes, *sizes])[0]
        ),
    }


Sweep = tuple[Tensor, Tensor, list[Tensor]]


def wrong_adjoints(
    branch: nn.Module, y: Tensor, v: Tensor, h: float, steps: int
) -> dict[str, Sweep]:
    """Mistakes in the walk back along a flow: (state, gradient, gradients of parameters) each."""
    state, gradient, found = adjoint(branch, y, v, h, steps)
    return {
        "v moves the wrong way: it becomes v + h J^T v": _sweep(branch, y, v, h, steps, toward=-1),
        "the state moves forward: it becomes y - h F(y)": _sweep(branch, y, v, h, steps, back=1),
        "the state stands still: walk back with y - h F(y)": _sweep(branch, y, v, h, steps, back=0),
        "the Jacobian is taken behind the step back: take it at the y before the step": _sweep(
            branch, y, v, h, steps, late=True
        ),
        "parameters get the v behind the step: take the v before it": _sweep(
            branch, y, v, h, steps, late_v=True
        ),
        "this is the Jacobian times v: take its transpose": _sweep(
            branch, y, v, h, steps, pushed=True
        ),
        "v is ignored: it is the gradient at the end": adjoint(
            branch, y, torch.ones_like(v), h, steps
        ),
        "v has not moved: it becomes v + h J^T v in every step": (state, v, found),
        "one step is missing": adjoint(branch, y, v, h, steps - 1),
        "there is one step too many": adjoint(branch, y, v, h, steps + 1),
        "h is missing in the parameters' gradients": (state, gradient, [g / h for g in found]),
        "the parameters' gradients have the wrong sign": (state, gradient, [-g for g in found]),
        "the parameters get the last step's share alone: add up all": (
            state,
            gradient,
            _last_share(branch, y, v, h, steps),
        ),
        "h is missing in v: it becomes v + h J^T v": _sweep(branch, y, v, h, steps, toward=1 / h),
        "v becomes h J^T v: add it to v": _sweep(branch, y, v, h, steps, keep=0),
    }


def _sweep(
    branch: nn.Module,
    y: Tensor,
    v: Tensor,
    h: float,
    steps: int,
    toward: float = 1,
    back: float = -1,
    keep: float = 1,
    late: bool = False,
    late_v: bool = False,
    pushed: bool = False,
) -> Sweep:
    """`adjoint` with other signs, or parts taken at another moment."""
    found = [torch.zeros_like(p) for p in branch.parameters()]
    for _ in range(steps):
        after = y + back * h * branch(y).detach()
        at = (after if late else y).detach().requires_grad_()
        pulled, *more = torch.autograd.grad(branch(at), [at, *branch.parameters()], v)
        if pushed:
            pulled = _pushed(branch, at, v)
        moved = keep * v + toward * h * pulled
        if late_v:
            more = list(torch.autograd.grad(branch(at), list(branch.parameters()), moved))
        found = [g + h * part for g, part in zip(found, more, strict=True)]
        y, v = after, moved
    return y, v, found


def _pushed(branch: nn.Module, y: Tensor, v: Tensor) -> Tensor:
    """J v: the derivative of J^T u with respect to u, times v."""
    u = torch.zeros_like(v).requires_grad_()
    (pulled,) = torch.autograd.grad(branch(y), y, u, create_graph=True)
    return torch.autograd.grad(pulled, u, v)[0]


def _last_share(branch: nn.Module, y: Tensor, v: Tensor, h: float, steps: int) -> list[Tensor]:
    y, v, _ = adjoint(branch, y, v, h, steps - 1)
    return adjoint(branch, y, v, h, 1)[2]


def part_of(wrong: dict[str, Sweep], part: int, index: int = 0) -> dict[str, Tensor]:
    """One part of every wrong walk: 0 the state, 1 the gradient, 2 a parameter's gradient."""
    return {
        name: (state, gradient, found[index])[part]
        for name, (state, gradient, found) in wrong.items()
    }


def wrong_reversibles(block: ReversibleBlock, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in a reversible block's output."""
    f, g = block.f, block.g
    x1, x2 = x.chunk(2, dim=1)
    y1 = x1 + f(x2)
    y2 = x2 + g(y1)

    def joined(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=1)

    swapped = x1 + g(x2)
    return {
        "G sees x1: it sees y1": joined(y1, x2 + g(x1)),
        "G sees x2: it sees y1": joined(y1, x2 + g(x2)),
        "F sees x1: it sees x2": joined(x1 + f(x1), x2 + g(x1 + f(x1))),
        "each half has a block of its own: F sees x2, and G sees y1": joined(
            x1 + f(x1), x2 + g(x2)
        ),
        "F and G are swapped": joined(swapped, x2 + f(swapped)),
        "the halves come out swapped: y1 stands first": joined(y2, y1),
        "y1 lacks its skip": joined(f(x2), x2 + g(f(x2))),
        "y2 lacks its skip": joined(y1, g(y1)),
        "y2 adds y1: it adds x2": joined(y1, y1 + g(y1)),
        "the halves are taken in the other order": joined(x2 + f(x1), x1 + g(x2 + f(x1))),
        "the second half is left as it was": joined(y1, x2),
    }


def wrong_inverses(block: ReversibleBlock, y: Tensor) -> dict[str, Tensor]:
    """Mistakes in the way back through a reversible block."""
    f, g = block.f, block.g
    y1, y2 = y.chunk(2, dim=1)
    x2 = y2 - g(y1)

    def joined(a: Tensor, b: Tensor) -> Tensor:
        return torch.cat([a, b], dim=1)

    early = y1 - f(y2)
    return {
        "this is the forward pass once more: go back": block(y),
        "F sees y2: first find x2, then take F of it": joined(early, x2),
        "F sees y2, and G what came of it: begin with x2 = y2 - G(y1)": joined(
            early, y2 - g(early)
        ),
        "F is added: subtract it": joined(y1 + f(x2), x2),
        "G is added: subtract it": joined(y1 - f(y2 + g(y1)), y2 + g(y1)),
        "both are added: subtract them": joined(y1 + f(y2 + g(y1)), y2 + g(y1)),
        "the halves come out swapped: x1 stands first": joined(x2, y1 - f(x2)),
        "x1 is left as y1": joined(y1, x2),
        "x2 is left as y2": joined(early, y2),
        "G sees y2: it saw y1": joined(y1 - f(y2 - g(y2)), y2 - g(y2)),
        "y is given back": y,
    }
