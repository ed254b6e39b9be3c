"""Lesions: what becomes of a network when blocks are taken out, or change places.

Everything here works on any list of blocks and any score: a function that takes the blocks in
the order in which they are to run, and returns a number. It may be an error in percent, an
accuracy, a loss; the blocks may be modules, functions, or anything else that the score can use.
Source of the studies: Veit, Wilber, Belongie 2016 (arXiv 1605.06431), section 4.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import combinations
from typing import TypeVar

import torch
from torch import Tensor

from plusx.errors import ArgumentError

Block = TypeVar("Block")
Score = Callable[[list[Block]], float]


def without(blocks: Sequence[Block], gone: Collection[int]) -> list[Block]:
    """The blocks, in their order, without those at the places in `gone`.

    Raises `ArgumentError` for a place where no block is.
    """
    places = range(len(blocks))
    if not set(gone) <= set(places):
        raise ArgumentError(
            "no such block", expected=f"places 0 to {len(blocks) - 1}", got=gone, where="without"
        )
    return [blocks[place] for place in places if place not in set(gone)]


def in_order(blocks: Sequence[Block], order: Sequence[int]) -> list[Block]:
    """The blocks at the places that `order` names: a permutation shuffles, a part deletes."""
    return [blocks[place] for place in order]


def delete_each(blocks: Sequence[Block], score: Score[Block]) -> Tensor:
    """The score without each block in turn, (len(blocks),) in float64."""
    return _numbers([score(without(blocks, [place])) for place in range(len(blocks))])


def delete_some(
    blocks: Sequence[Block], score: Score[Block], count: int, draws: int, seed: int = 0
) -> Tensor:
    """The score without `count` blocks drawn at random, (draws,) in float64."""
    if not 0 <= count <= len(blocks):
        raise ArgumentError(
            "cannot delete so many blocks",
            expected=f"0 to {len(blocks)}",
            got=count,
            where="delete_some",
        )
    draw = torch.Generator().manual_seed(seed)
    chosen = [torch.randperm(len(blocks), generator=draw)[:count].tolist() for _ in range(draws)]
    return _numbers([score(without(blocks, gone)) for gone in chosen])


def swap_each(blocks: Sequence[Block], score: Score[Block]) -> Tensor:
    """The score with each block and its successor swapped, (len(blocks) - 1,) in float64."""
    scores = []
    for place in range(len(blocks) - 1):
        order = list(range(len(blocks)))
        order[place], order[place + 1] = place + 1, place
        scores.append(score(in_order(blocks, order)))
    return _numbers(scores)


def shuffle_some(
    blocks: Sequence[Block], score: Score[Block], swaps: int, draws: int, seed: int = 0
) -> tuple[Tensor, Tensor]:
    """Kendall's tau of random orders and the score in each, (draws,) and (draws,) in float64.

    An order comes from `swaps` swaps of two blocks drawn at random.
    """
    draw = torch.Generator().manual_seed(seed)
    orders = [random_order(len(blocks), swaps, draw) for _ in range(draws)]
    scores = [score(in_order(blocks, order)) for order in orders]
    return _numbers([kendall_tau(order) for order in orders]), _numbers(scores)


def random_order(n: int, swaps: int, draw: torch.Generator) -> list[int]:
    """0 to n - 1 after some swaps of two places drawn at random; n is at least 2."""
    order = list(range(n))
    for _ in range(swaps):
        i, j = torch.randperm(n, generator=draw)[:2].tolist()
        order[i], order[j] = order[j], order[i]
    return order


def kendall_tau(order: Sequence[float]) -> float:
    """How far an order without ties is in order: 1 as it was, 0 half of all pairs, -1 reversed.

    (pairs in order - pairs out of order) / pairs. Raises `ArgumentError` below two entries.
    """
    if len(order) < 2:
        raise ArgumentError(
            "too short for pairs", expected="two or more", got=len(order), where="kendall_tau"
        )
    signs = [1 if a < b else -1 for a, b in combinations(order, 2)]
    return sum(signs) / len(signs)


def _numbers(scores: Sequence[float]) -> Tensor:
    return torch.tensor([float(score) for score in scores], dtype=torch.float64)
