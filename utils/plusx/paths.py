"""A residual network as a collection of paths: counted, followed one by one, summed by length.

A block computes h + F(h). A path goes through the branch F of some blocks and along the skip of
the others; its length is the number of branches on it. A network is given by its branches, here
any functions of h; n branches make 2^n paths.
Source: Veit, Wilber, Belongie 2016 (arXiv 1605.06431). `gradient_by_length`, the exact sum over
all paths of one length, is a recursion that takes the place of the paper's sampling.
"""

from collections.abc import Callable, Collection, Sequence
from math import comb

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError

Branch = Callable[[Tensor], Tensor]


def path_outputs(weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """What each path of a linear residual network h <- h + h W contributes to the output.

    weights: n matrices (d, d); x (B, d) -> (2^n, B, d). Path p goes through block l if bit l of p
    is set. The sum over all paths is the network's output.
    """
    paths = x[None]  # (1, B, d)
    for weight in weights:
        paths = torch.cat([paths, paths @ weight])  # (2^(l + 1), B, d)
    return paths


def share_of_paths(n: int, low: int, high: int) -> float:
    """The share of the 2^n paths of n blocks whose length lies from low to high, both included."""
    if n < 0:
        raise ArgumentError("no such network", expected="n >= 0", got=n, where="share_of_paths")
    return sum(comb(n, k) for k in range(max(low, 0), high + 1)) / 2**n


def states(
    branches: Sequence[Branch], x: Tensor, skips: Sequence[Branch | None] = ()
) -> list[Tensor]:
    """x and what the network holds after each block, (B, d) each, without a graph.

    skips: for each block what stands in the place of the identity, where something does.
    """
    held = [x.detach()]
    with torch.no_grad():
        for branch, skip in zip(branches, skips or [None] * len(branches), strict=True):
            h = held[-1]
            held.append((h if skip is None else skip(h)) + branch(h))
    return held


def path_gradient(
    branches: Sequence[Branch], x: Tensor, v: Tensor, chosen: Collection[int]
) -> Tensor:
    """The gradient that reaches x along one path: through the branches in `chosen` only.

    x (B, d); v (B, d) is the gradient at the output -> (B, d). The forward pass is that of the
    whole network. Source: section 5 of the paper.
    """
    held = states(branches, x)
    for place in sorted(set(chosen), reverse=True):
        (v,) = _pull_back(branches[place], held[place], v[None])
    return v


def sampled_gradients(
    branches: Sequence[Branch], x: Tensor, v: Tensor, lengths: Sequence[int], draw: torch.Generator
) -> Tensor:
    """Gradients along random paths, one of each length in `lengths`: (len(lengths), B, d).

    As `path_gradient` for each, with as many branches as its length says, drawn at random.
    """
    n = len(branches)
    chosen = torch.zeros(len(lengths), n, dtype=torch.bool)
    for row, length in zip(chosen, lengths, strict=True):
        row[torch.randperm(n, generator=draw)[:length]] = True
    gradients = v[None].repeat(len(lengths), *[1] * v.ndim)  # (paths, B, d)
    held = states(branches, x)
    for place in reversed(range(n)):
        if (through := chosen[:, place].to(v.device)).any():
            gradients[through] = _pull_back(branches[place], held[place], gradients[through])
    return gradients


def gradient_by_length(
    branches: Sequence[Branch], x: Tensor, v: Tensor, skips: Sequence[Branch | None] = ()
) -> Tensor:
    """The gradient at x, taken apart by path length: (n + 1, B, d), exact.

    Entry k is the sum over all paths with k branches. Going back over a block, the gradient of
    length k is what came along the skip with length k, plus what came through the branch with
    length k - 1. The sum over k is the whole gradient. x and v (B, d), or any other shape that
    begins with B; `skips` as for `states`.
    """
    sums = v[None]  # (1, B, d); one more for each block
    held = states(branches, x, skips)
    for place in reversed(range(len(branches))):
        longer = _pull_back(branches[place], held[place], sums)
        skip = skips[place] if skips else None
        kept = sums if skip is None else _pull_back(skip, held[place], sums)
        sums = torch.cat([kept[:1], kept[1:] + longer[:-1], longer[-1:]])
    return sums


def _pull_back(branch: Branch, h: Tensor, gradients: Tensor) -> Tensor:
    """J^T g for the branch's Jacobian J at h and each of some gradients: (paths, B, d)."""
    with torch.enable_grad():
        h = h.detach().requires_grad_()
        y = branch(h)
    return torch.autograd.grad(y, h, gradients, is_grads_batched=True)[0]


def gradient_at_end(head: nn.Module, h: Tensor, labels: Tensor) -> Tensor:
    """The gradient of the mean cross-entropy of head(h) at h, (B, d)."""
    h = h.detach().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(head(h), labels), h)[0]


def norms(gradients: Tensor) -> Tensor:
    """(paths, B, d) -> the Euclidean norm of each whole gradient, (paths,)"""
    return gradients.flatten(1).norm(dim=1)


def effective_length(masses: Tensor) -> float:
    """The mean length, when length k weighs masses[k]."""
    lengths = torch.arange(len(masses), device=masses.device)
    return ((lengths * masses).sum() / masses.sum()).item()


def shortest_range(masses: Tensor, share: float = 0.95) -> tuple[int, int]:
    """The fewest successive lengths that hold at least this share of the masses: (low, high)."""
    sums = torch.cat([torch.zeros(1, dtype=torch.float64), masses.double().cpu().cumsum(0)])
    wanted = share * sums[-1]
    for size in range(1, len(masses) + 1):
        held = sums[size:] - sums[:-size]
        if (held >= wanted).any():
            low = int(held.argmax())
            return low, low + size - 1
    return 0, len(masses) - 1
