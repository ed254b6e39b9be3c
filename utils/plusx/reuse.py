"""Which features a dense block uses again: read from its weights, and tried by cutting.

Huang et al. 2017, "Densely Connected Convolutional Networks" (arXiv 1608.06993), section 5.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from plusx.dense import DenseBlock, DenseNet


def feature_reuse(weights: Sequence[Tensor], first: int, growth: int) -> Tensor:
    """How strongly each layer of a dense block reads each source: mean |weight|.

    weights: of the L 1x1 convolutions, (4 growth, first + l * growth, 1, 1) for layer l = 0, 1, ...
    returns: (L, L); row l has l + 1 sources: the block's input, layers 0 to l - 1; then zeros
    Source: Huang et al. 2017, section 5, figure 5.
    """
    L = len(weights)
    table = weights[0].new_zeros(L, L)
    for row, weight in enumerate(weights):
        sizes = weight.abs().mean(dim=(0, 2, 3))  # (first + row * growth,)
        parts = sizes.split([first] + [growth] * row)
        table[row, : row + 1] = torch.stack([part.mean() for part in parts])
    return table


def block_reuse(block: DenseBlock) -> Tensor:
    """`feature_reuse` of a dense block: (L, L)."""
    weights = [layer.conv1.weight.detach() for layer in block.members()]
    growth = block.members()[0].conv2.out_channels
    return feature_reuse(weights, weights[0].shape[1], growth)


@torch.no_grad()
def cut_costs(net: DenseNet, images: Tensor, labels: Tensor) -> Tensor:
    """By how much the loss rises when one layer may not read one source: (L, L), in nats.

    Of a network in evaluation mode with one dense block; rows and columns as in `feature_reuse`.
    The weights are put back.
    """
    (block,) = net.dense_blocks()
    layers = block.members()
    first, growth = layers[0].conv1.in_channels, layers[0].conv2.out_channels
    whole = F.cross_entropy(net(images), labels)
    table = torch.zeros(len(layers), len(layers))
    for row, layer in enumerate(layers):
        starts = [0, *range(first, first + row * growth + 1, growth)]
        for column, (start, end) in enumerate(pairwise(starts)):
            part = layer.conv1.weight[:, start:end]
            kept = part.clone()
            part.zero_()
            table[row, column] = F.cross_entropy(net(images), labels) - whole
            part.copy_(kept)
    return table


def rank_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Spearman's rank correlation of two tensors of one shape, entries that are not 0 in `a`."""
    kept = a != 0
    ranks = [values[kept].argsort().argsort().double() for values in (a, b)]
    return torch.corrcoef(torch.stack(ranks))[0, 1]


def row_correlations(a: Tensor, b: Tensor, least: int = 4) -> Tensor:
    """Spearman's rank correlation of two tables (L, L) within each row of `least` entries or more.

    Row l has l + 1 entries; returns (L - least + 1,), from -1 to 1.
    """
    rows = range(least - 1, len(a))
    return torch.stack([rank_correlation(a[n, : n + 1], b[n, : n + 1]) for n in rows])
