"""What well-known mistakes would compute in the lesson on paths; see `plusx.diagnose`."""

from collections.abc import Callable, Collection, Sequence
from itertools import combinations, pairwise
from math import comb
from typing import Any

import torch
from torch import Tensor, nn

from plusx.paths import Branch, gradient_by_length, path_gradient, path_outputs, states


def make_branches(n: int, width: int, seed: int, inner: int = 5) -> list[nn.Sequential]:
    """Small smooth branches (B, width) -> (B, width) in float64, all different."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return [
            nn.Sequential(nn.Linear(width, inner), nn.Tanh(), nn.Linear(inner, width)).double()
            for _ in range(n)
        ]


def wrong_path_outputs(weights: Sequence[Tensor], x: Tensor) -> dict[str, Tensor]:
    """Mistakes in what each path of a linear network contributes."""
    n = len(weights)
    right = path_outputs(weights, x)
    mirrored = [int(f"{p:0{max(n, 1)}b}"[::-1], 2) for p in range(2**n)]
    backwards = path_outputs(list(reversed(weights)), x)[mirrored]
    with_skips = [torch.eye(len(w), dtype=w.dtype, device=w.device) + w for w in weights]
    added = [
        x + sum((x @ w for bit, w in enumerate(weights) if p >> bit & 1), torch.zeros_like(x))
        for p in range(2**n)
    ]
    return {
        "the bits are read from the other end: block 0 belongs to the lowest bit": right[mirrored],
        "the blocks of a path are taken from last to first": backwards,
        "the matrices are transposed: a block computes h @ W": path_outputs(
            [w.T for w in weights], x
        ),
        "a set bit means the skip: it should mean the branch": right.flip(0),
        "a path keeps x beside the branch: it goes through W alone": path_outputs(with_skips, x),
        "branches are added along a path: each takes what the one before gave": torch.stack(added),
        "paths are added up one by one: return each for itself": right.cumsum(0),
        "each path is divided by their number": right / 2**n,
    }


def wrong_shares(n: int, low: int, high: int) -> dict[str, float]:
    """Mistakes in the share of paths whose length lies from low to high."""

    def share(first: int, last: int, blocks: int = n) -> float:
        return sum(comb(blocks, k) for k in range(max(first, 0), last + 1)) / 2**blocks

    right = share(low, high)
    return {
        "paths of length high are missing: both ends count": share(low, high - 1),
        "paths of length low are missing: both ends count": share(low + 1, high),
        "both ends are missing": share(low + 1, high - 1),
        "these are per cent: return a share from 0 to 1": 100 * right,
        "this is the number of paths: divide by 2^n": right * 2.0 ** min(n, 900),
        "these are all paths up to high": share(0, high),
        "these are all paths from low on": share(low, n),
        "these are the paths outside of the range": 1 - right,
        "every length counts alike: weigh each by its number of paths": (high - low + 1) / (n + 1),
        "there is one block too many": share(low, high, n + 1),
        "there is one block too few": share(low, high, max(n - 1, 0)),
    }


def right_run(branches: Sequence[Branch], x: Tensor, order: Sequence[int], skip: bool) -> Tensor:
    """Blocks, with or without skips, in a given order."""
    for place in order:
        x = x + branches[place](x) if skip else branches[place](x)
    return x


@torch.no_grad()
def wrong_runs(
    branches: Sequence[Branch], x: Tensor, order: Sequence[int], skip: bool
) -> dict[str, Tensor]:
    """Mistakes in running blocks in a given order."""
    every = range(len(branches))
    added, outer = x, x
    for place in order:
        added, outer = x + branches[place](added), branches[place](outer)
    parallel = x + sum((branches[place](x) for place in order), torch.zeros_like(x))
    return {
        "order is ignored: the blocks run as they stand": right_run(branches, x, every, skip),
        "the blocks run sorted: keep the order that is given": right_run(
            branches, x, sorted(order), skip
        ),
        "the order is reversed": right_run(branches, x, list(order)[::-1], skip),
        "skip is ignored": right_run(branches, x, order, not skip),
        "x is added in every block: add what the block gets": added,
        "x is added once, at the end: every block has its own skip": outer + x,
        "the blocks in order are left out: they are the ones to run": right_run(
            branches, x, [place for place in every if place not in order], skip
        ),
        "a block that is named twice runs once: run it each time": right_run(
            branches, x, list(dict.fromkeys(order)), skip
        ),
        "all branches see x: each sees what the one before it gave": parallel,
        "a plain block that is left out becomes zero": torch.zeros_like(x),
    }


def wrong_taus(order: Sequence[int]) -> dict[str, float]:
    """Mistakes in Kendall's tau of a permutation."""
    n = len(order)
    pairs = comb(n, 2)
    kept = sum(a < b for a, b in combinations(order, 2))
    tau = (2 * kept - pairs) / pairs
    near = [1 if a < b else -1 for a, b in pairwise(order)]
    squares = sum((place - entry) ** 2 for place, entry in enumerate(order))
    return {
        "this is the share of pairs that kept their order: subtract those that did not": kept
        / pairs,
        "this is the share of pairs that changed their order": 1 - kept / pairs,
        "the sign is reversed: an order that is kept has tau 1": -tau,
        "this is the difference of the counts: divide it by the number of pairs": tau * pairs,
        "divide by n (n - 1) / 2 pairs, not by n (n - 1)": tau / 2,
        "divide by n (n - 1) / 2 pairs, not by n squared": tau * pairs / n**2,
        "divide by n (n - 1) / 2 pairs, not by n squared / 2": 2 * tau * pairs / n**2,
        "only neighbours are compared: take all pairs": sum(near) / len(near),
        "this is Spearman's rho: count pairs": 1 - 6 * squares / (n * (n * n - 1)),
        "this is the share of entries in their places": sum(
            place == entry for place, entry in enumerate(order)
        )
        / n,
    }


def wrong_path_gradients(
    branches: Sequence[Branch], x: Tensor, v: Tensor, chosen: Collection[int]
) -> dict[str, Tensor]:
    """Mistakes in the gradient along one path."""
    n = len(branches)
    every = set(range(n))
    held = states(branches, x)
    inside = [branch for place, branch in enumerate(branches) if place in chosen]

    def chained(blocks: Sequence[Branch]) -> Tensor:
        start = x.detach().requires_grad_()
        h = start
        for block in blocks:
            h = block(h)
        return torch.autograd.grad(h, start, v)[0] if blocks else v

    def walk(places: Sequence[int], at: Callable[[int], Tensor], with_skip: bool) -> Tensor:
        g = v
        for place in places:
            pulled = _pull_back(branches[place], at(place), g)
            g = pulled + g if with_skip else pulled
        return g

    down = sorted(chosen, reverse=True)
    return {
        "this is the whole gradient: block the skips of the chosen blocks, and the branches of "
        "the others": gradient_by_length(branches, x, v).sum(0),
        "the path goes through the blocks that were not chosen": path_gradient(
            branches, x, v, every - set(chosen)
        ),
        "the forward pass is that of the path: it should be that of the whole network": chained(
            inside
        ),
        "the other blocks are taken out of the forward pass: only the backward pass is "
        "restricted": path_gradient(inside, x, v, set(range(len(inside)))),
        "the skips of the chosen blocks are open: the path goes through their branches alone": walk(
            down, held.__getitem__, True
        ),
        "the branches are entered at x: each is entered at the state before its block": walk(
            down, lambda place: held[0], False
        ),
        "each branch is entered at the state behind its block": walk(
            down, lambda place: held[place + 1], False
        ),
        "the blocks are walked from first to last: a gradient goes from last to first": walk(
            down[::-1], held.__getitem__, False
        ),
        "v is ignored: it is the gradient at the output": path_gradient(
            branches, x, torch.ones_like(v), chosen
        ),
        "this is the Jacobian times v: take its transpose": _pushed(branches, held, v, down[::-1]),
    }


def wrong_by_length(branches: Sequence[Branch], x: Tensor, v: Tensor) -> dict[str, Tensor]:
    """Mistakes in the gradient by path length, (n + 1, B, d) each."""
    n = len(branches)
    right = gradient_by_length(branches, x, v)
    held = states(branches, x)

    def walk(places: Sequence[int], at: Callable[[int], Tensor], rising: bool) -> Tensor:
        sums = torch.zeros_like(right)
        sums[0] = v
        for place in places:
            before = sums if rising else sums.clone()
            for k in range(1, n + 1):
                sums[k] = sums[k] + _pull_back(branches[place], at(place), before[k - 1])
        return sums

    down = list(range(n))[::-1]
    counts = torch.tensor([float(comb(n, k)) for k in range(n + 1)]).to(v)
    return {
        "length k takes a sum that this block has changed already: go from long to short, or "
        "work on a copy": walk(down, held.__getitem__, True),
        "the lengths are reversed: entry k belongs to length k": right.flip(0),
        "entry k holds all paths up to length k: keep each length for itself": right.cumsum(0),
        "these are means over the paths of a length: take sums": right / counts[:, None, None],
        "the branches are entered at x: each is entered at the state before its block": walk(
            down, lambda place: held[0], False
        ),
        "each branch is entered at the state behind its block": walk(
            down, lambda place: held[place + 1], False
        ),
        "the blocks are walked from first to last: a gradient goes from last to first": walk(
            down[::-1], held.__getitem__, False
        ),
        "one path of each length is followed, through the last blocks: take all": torch.stack(
            [path_gradient(branches, x, v, set(down[:k])) for k in range(n + 1)]
        ),
        "one path of each length is followed, through the first blocks: take all": torch.stack(
            [path_gradient(branches, x, v, set(down[::-1][:k])) for k in range(n + 1)]
        ),
        "v is ignored: it is the gradient at the output": gradient_by_length(
            branches, x, torch.ones_like(v)
        ),
        "what came along the skips is lost: add what comes through the branch to it": torch.cat(
            [v[None], torch.zeros_like(right[1:-1]), right[-1:]]
        ),
        "what came along the skips is lost: add what comes through the branch to it, as v": (
            torch.cat([torch.zeros_like(right[:-1]), right[-1:]])
        ),
    }


def _pull_back(branch: Branch, h: Tensor, gradient: Tensor) -> Tensor:
    h = h.detach().requires_grad_()
    return torch.autograd.grad(branch(h), h, gradient)[0]


def _pushed(
    branches: Sequence[Branch], held: Sequence[Tensor], v: Tensor, places: Sequence[int]
) -> Tensor:
    """J v, block after block: the derivative of J^T u with respect to u, times v."""
    for place in places:
        h = held[place].detach().requires_grad_()
        u = torch.zeros_like(v).requires_grad_()
        (pulled,) = torch.autograd.grad(branches[place](h), h, u, create_graph=True)
        (v,) = torch.autograd.grad(pulled, u, v)
    return v


def wrong_in_evaluation(branch: Any, x: Tensor, survival: float) -> dict[str, Tensor]:
    """Mistakes in what a stochastic block gives in evaluation mode."""
    y = branch(x)
    return {
        "the branch is not scaled: in evaluation it counts with its survival probability": x + y,
        "the branch is scaled by 1 - survival: survival is the probability to stay": x
        + (1 - survival) * y,
        "the skip is scaled as well: scale the branch alone": survival * (x + y),
        "the skip is missing": survival * y,
        "the branch is left out in evaluation": x.clone(),
        "the branch is divided by survival": x + y / survival if survival else x,
        "the branch is scaled twice": x + survival**2 * y,
        "branch and skip are blended: x counts in full": (1 - survival) * x + survival * y,
        "the square root of survival scales the branch": x + survival**0.5 * y,
    }


def wrong_in_training(branch: Any, x: Tensor, survival: float) -> dict[str, Tensor]:
    """Outputs that a stochastic block must never give in training mode."""
    y = branch(x)
    return {
        "the surviving branch is divided by survival: it counts in full, and is scaled in "
        "evaluation": x + y / survival if survival else x,
        "the branch is scaled by survival in training: that is for evaluation": x + survival * y,
        "the skip is dropped together with the branch": torch.zeros_like(x),
        "the skip is missing when the branch survives": y,
        "the skip is scaled when the branch is dropped": survival * x,
    }
