"""What well-known mistakes would compute, for tests that name the mistake.

Each function returns a dictionary: a sentence about the mistake -> the value it gives. It is
made for the argument `wrong` of `expect_close` and `expect_equal`.
"""

from collections.abc import Sequence
from copy import deepcopy
from math import comb, prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock as TorchvisionBlock


def torchvision_block(
    in_channels: int, out_channels: int, stride: int = 1, option: str = "B"
) -> Any:
    """torchvision's basic block with shortcut option "A" or "B" where the shape changes."""
    if stride == 1 and in_channels == out_channels:
        return TorchvisionBlock(in_channels, out_channels)
    missing = out_channels - in_channels
    options = {
        # Pooling one pixel with a stride keeps every stride-th; here the third axis from the
        # end, which ZeroPad3d takes for depth, holds the channels.
        "A": (nn.AvgPool2d(1, stride), nn.ZeroPad3d((0, 0, 0, 0, 0, missing))),
        "B": (
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        ),
    }
    return TorchvisionBlock(in_channels, out_channels, stride, nn.Sequential(*options[option]))


def wrong_pads(x: Tensor, right: Tensor, stride: int) -> dict[str, Tensor]:
    """Mistakes in option A; x (B, C, H, W), `right` (B, C', H', W') is the right result."""
    missing = right.shape[1] - x.shape[1]
    kept = right[:, : x.shape[1]]
    wrong = {
        "the result is all zeros": torch.zeros_like(right),
        "the zeros come before the channels of x: they belong after": right.roll(missing, 1),
        "the zeros stand on both sides of x: they belong after": right.roll(missing // 2, 1),
        "the new channels repeat x: they should be zeros": kept.repeat(1, right.shape[1], 1, 1)[
            :, : right.shape[1]
        ],
    }
    for start in range(1, min(stride, *x.shape[2:])):
        for rows, columns in ((start, start), (start, 0), (0, start)):
            late = x[:, :, rows::stride, columns::stride]
            sentence = f"the slice does not begin at pixel 0 (rows {rows}, columns {columns})"
            wrong[sentence] = F.pad(late, (0, 0, 0, 0, 0, missing))
    averaged = F.avg_pool2d(x, stride, ceil_mode=True)
    wrong["pixels are averaged: keep every stride-th as it is"] = F.pad(
        averaged, (0, 0, 0, 0, 0, missing)
    )
    return wrong


def wrong_blocks(block: Any, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Mistakes in the output of a basic block; y is the answer in question.

    `block` is the right one, of torchvision, and is not changed; x (B, C, H, W) is its input.
    y is needed for mistakes with an unknown factor in them.
    """
    block = deepcopy(block)
    skip = x if block.downsample is None else block.downsample(x)  # (B, C', H', W')
    return (
        wrong_sums(_branch(block, x), skip, y)
        | _wrong_branches(block, x, skip)
        | _wrong_modes(block, x, skip)
        | _wrong_projections(block, x)
    )


def wrong_sums(f: Tensor, skip: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Mistakes in relu(f + skip), where f and the shortcut are right; y is the answer."""
    return {
        "the output is all zeros": torch.zeros_like(f),
        "the skip is missing: relu(F(x)) comes back": F.relu(f),
        "the skip and the final ReLU are missing: F(x) alone comes back": f,
        "the skip has the wrong sign: F(x) - x": F.relu(f - skip),
        "the skip has the wrong sign, and the final ReLU is missing: F(x) - x": f - skip,
        "the branch has the wrong sign: x - F(x)": F.relu(skip - f),
        "branch and skip are multiplied: add them": F.relu(f * skip),
        "branch and skip are multiplied, and the final ReLU is missing": f * skip,
        "the branch is missing: the shortcut alone comes back": skip,
        "the branch is missing: relu of the shortcut comes back": F.relu(skip),
        "the final ReLU is missing: it follows the sum": f + skip,
        "a ReLU acts before the sum: it belongs after it": F.relu(f) + skip,
        "a ReLU acts on the branch before the sum": F.relu(F.relu(f) + skip),
        "a ReLU acts on the skip: it joins the sum as it is": F.relu(f + F.relu(skip)),
        "the skip is scaled: it joins with factor 1": F.relu(f + _factor(y, f, skip) * skip),
        "the branch is scaled: it joins with factor 1": F.relu(_factor(y, skip, f) * f + skip),
        "the sum is scaled: it needs no factor": F.relu(_factor(y, 0 * f, f + skip) * (f + skip)),
    }


def wrong_block_counts(block: Any) -> dict[str, int]:
    """Mistakes in the number of parameters of a basic block; `block` is the right one."""
    count = sum(p.numel() for p in block.parameters())
    width, channels = block.conv2.out_channels, block.conv1.in_channels
    projection = channels * width + 2 * width
    wrong = {
        "the branch's convolutions have a bias: the norms make it useless": count + 2 * width,
        "a convolution has a bias: the norm after it makes it useless": count + width,
        "a norm is missing: one follows each convolution, the projection's too": count - 2 * width,
        "the norms of the branch are missing, or have no scale and shift": count - 4 * width,
        "a convolution is missing: the branch has two (a Python list hides its modules)": count
        - 9 * width * width,
    }
    if not _has_projection(block):
        return wrong | {"there is a projection: this shortcut has no weights": count + projection}
    return wrong | {
        "all convolutions have a bias: the norms make it useless": count + 3 * width,
        "the projection is missing where stride or channels change": count - projection,
    }


def wrong_block_gradients(block: Any, x: Tensor, v: Tensor) -> dict[str, Tensor]:
    """Mistakes in the gradient with respect to x of a basic block; v is the gradient at y."""
    block, x = deepcopy(block), x.detach().requires_grad_()
    v = v * (block(x) > 0)
    skip = x * 1 if block.downsample is None else block.downsample(x)
    return {
        "the skip is detached: no gradient flows through it": torch.autograd.grad(
            _branch(block, x), x, v
        )[0],
        "the branch is detached: no gradient flows through it": torch.autograd.grad(skip, x, v)[0],
    }


def wrong_jacobians(inner: Tensor) -> dict[str, Tensor]:
    """Mistakes in I + dF/dx; `inner` (d, d) is dF/dx."""
    one = torch.eye(len(inner), dtype=inner.dtype)
    return {
        "the identity is missing: this is dF/dx alone": inner,
        "dF/dx is missing: this is the identity alone": one,
        "it is transposed: row i belongs to y_i, column j to x_j": (one + inner).T,
        "dF/dx has the wrong sign": one - inner,
        "ones were added everywhere: the identity has them on its diagonal": 1 + inner,
        "identity and dF/dx are multiplied: add them": one * inner,
    }


def wrong_gains(factors: Sequence[float], skip: bool) -> dict[str, float]:
    """Mistakes in the gain of a chain of scalar layers."""
    if not skip:
        return {
            "there is a skip where none should be": prod(1 + w for w in factors),
            "the factors are added: multiply them": sum(factors),
            "the sign is lost": abs(prod(factors)),
            "only the first factor is used": prod([*factors[:1]] * len(factors)),
        }
    return {
        "the skip is missing: each layer has 1 + w": prod(factors),
        "the skip is added once for the whole chain: each layer has its own": 1 + prod(factors),
        "the factors are added: multiply 1 + w": sum(factors),
        "the terms 1 + w are added: multiply them": sum(1 + w for w in factors),
        "the sign is lost: the factor is 1 + w, not |1 + w|": abs(prod(1 + w for w in factors)),
        "the sign of w is lost: the factor is 1 + w": prod(1 + abs(w) for w in factors),
        "only the first factor is used": prod(1 + w for w in [*factors[:1]] * len(factors)),
    }


def wrong_lengths(factors: Sequence[float], right: Sequence[float]) -> dict[str, list[float]]:
    """Mistakes in the gains by path length of a residual chain; `right` are the right ones."""
    lengths = range(len(factors) + 1)
    mean = sum(factors) / max(len(factors), 1)
    return {
        "the order is reversed: entry 0 is the path that meets no weight": [*right][::-1],
        "the factors are treated as if all were equal": [
            comb(len(factors), k) * mean**k for k in lengths
        ],
        "each length counts one path only: there are many": [prod(factors[:k]) for k in lengths],
        "the gains are averaged over the paths: sum them": [
            right[k] / comb(len(factors), k) for k in lengths
        ],
        "the paths are counted: sum their gains": [comb(len(factors), k) for k in lengths],
        "a path enters each branch at most once: no powers": [sum(factors) ** k for k in lengths],
        "the path that meets no weight is missing: entry 0": [0.0, *right[1:]],
        "the gains are cumulative: entry k is for length k alone": [
            sum(right[: k + 1]) for k in lengths
        ],
    }


def wrong_norms(
    states: Sequence[Tensor], gradients: Sequence[Tensor], unweighted: Sequence[Tensor]
) -> dict[str, list[float]]:
    """Mistakes in gradient norms by layer, from the right states and gradients.

    `unweighted` are the gradients of the plain sum of the output instead of v . output.
    """
    norms = [g.norm().item() for g in gradients]
    return {
        "the order is reversed: entry 0 belongs to the input": norms[::-1],
        "these are squares of the norms": [n * n for n in norms],
        "v is ignored: it is the gradient at the output": [g.norm().item() for g in unweighted],
        "these are norms of the states: take their gradients": [s.norm().item() for s in states],
        "these are sums of absolute values: take the Euclidean norm": [
            g.abs().sum().item() for g in gradients
        ],
        "these are largest entries: take the Euclidean norm": [
            g.abs().max().item() for g in gradients
        ],
        "the norm is averaged over the batch: take it over all entries": [
            g.flatten(1).norm(dim=1).mean().item() for g in gradients
        ],
        "the norm is divided by the root of the number of entries": [
            (g.norm() / g.numel() ** 0.5).item() for g in gradients
        ],
    }


def wrong_network_counts(count: int, option: str, n: int) -> dict[str, int]:
    """Mistakes in the number of parameters of a CIFAR ResNet with n blocks in each stage."""
    widths = (16, 32, 64)
    block_each = sum(18 * C * C + 4 * C for C in widths)
    projections = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    other = count + (projections if option == "A" else -projections)
    biases = 2 * n * sum(widths)
    return {
        f"the option is ignored: this is no option {option}": other,
        "there is one block too many in each stage": count + block_each,
        "there is one block too few in each stage": count - block_each,
        "the linear layer has no bias": count - 10,
        "the linear layer is missing": count - 650,
        "the stem's convolution has a bias: its norm makes it useless": count + 16,
        "the convolutions of the blocks have a bias": count + biases,
        "all convolutions have a bias": count + 16 + biases,
        "the stem's norm is missing": count - 32,
        "stage 1 has a projection: no shape changes there": count + 16 * 16 + 32,
    }


def wrong_logits(
    stem: nn.Sequential, body: nn.Module, head: nn.Module, x: Tensor
) -> dict[str, Tensor]:
    """Mistakes around the blocks of a network; the stem is conv, norm, ReLU and perhaps more.

    x (B, 3, H, W) -> logits (B, classes), for each mistake.
    """

    def logits(features: Tensor) -> Tensor:
        return head(body(features).mean((2, 3)))

    right, features = logits(stem(x)), body(stem(x))  # (B, classes), (B, C, H', W')
    return {
        "softmax is applied: return the logits": right.softmax(1),
        "log-softmax is applied: return the logits": right.log_softmax(1),
        "a ReLU acts on the logits": F.relu(right),
        "the largest pixel is taken: take the mean over all pixels": head(features.amax((2, 3))),
        "the pixels are summed: take their mean": head(features.sum((2, 3))),
        "the ReLU of the stem is missing": logits(stem[3:](stem[:2](x))),
        "the norm of the stem is missing": logits(stem[2:](stem[:1](x))),
        "the stem halves the image once too often": logits(stem(x)[:, :, ::2, ::2]),
        "the stem's last layer is missing": logits(stem[:-1](x)),
    }


def _branch(block: Any, x: Tensor) -> Tensor:
    return block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))


def _has_projection(block: Any) -> bool:
    return block.downsample is not None and any(True for _ in block.downsample.parameters())


def _factor(y: Tensor, fixed: Tensor, scaled: Tensor) -> Tensor:
    """The s in y = relu(fixed + s * scaled), as far as one s explains y."""
    ratios = ((y - fixed) / scaled)[(y > 0) & (scaled.abs() > 0.1)]
    return ratios.median() if ratios.numel() else torch.ones_like(y.sum())


def _wrong_branches(block: Any, x: Tensor, skip: Tensor) -> dict[str, Tensor]:
    """The order inside F is wrong."""
    conv1, bn1, conv2, bn2 = block.conv1, block.bn1, block.conv2, block.bn2
    inner = bn1(conv1(x))
    late = F.relu(bn1(F.conv2d(x, conv1.weight, padding=1)))
    late = F.conv2d(late, conv2.weight, stride=conv1.stride, padding=1)
    branches = {
        "the inner ReLU is missing: norm1 goes straight into conv2": bn2(conv2(inner)),
        "the inner ReLU stands before norm1": bn2(conv2(bn1(F.relu(conv1(x))))),
        "a ReLU stands before norm2": bn2(F.relu(conv2(F.relu(inner)))),
        "the stride is on the second convolution: it belongs on the first": bn2(late),
    }
    sums = {sentence: F.relu(f + skip) for sentence, f in branches.items()}
    joined = bn2(conv2(F.relu(inner)) + skip)
    return sums | {"norm2 acts after the sum: it belongs to the branch": F.relu(joined)}


def _wrong_modes(block: Any, x: Tensor, skip: Tensor) -> dict[str, Tensor]:
    """Batch norm uses the batch's statistics in evaluation mode, or stored ones in training."""
    mode = "training" if block.training else "evaluation"
    block.train(not block.training)
    wrong = {
        f"batch norm is in the wrong mode: the block is in {mode} mode": block(x),
        f"the branch's norms are in the wrong mode: the block is in {mode} mode": F.relu(
            _branch(block, x) + skip
        ),
    }
    block.train(not block.training)
    return wrong


def _wrong_projections(block: Any, x: Tensor) -> dict[str, Tensor]:
    """Option B is wrong."""
    if not _has_projection(block):
        return {}
    f, (conv, norm) = _branch(block, x), block.downsample
    averaged = F.conv2d(F.avg_pool2d(x, conv.stride, ceil_mode=True), conv.weight)
    return {
        "the projection has no norm: one follows its convolution": F.relu(f + conv(x)),
        "the projection averages pixels: its convolution has the stride": F.relu(
            f + norm(averaged)
        ),
    }
