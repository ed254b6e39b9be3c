"""What well-known mistakes would compute, for the dense networks of lesson 07.

As in `plusx.diagnose`, each function returns a dictionary: a sentence about the mistake -> the
value it gives.
"""

from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models import densenet

from plusx.dense import FACTOR, dense_channels
from plusx.reuse import feature_reuse


def torchvision_layer(in_channels: int, growth: int, recompute: bool = False) -> Any:
    """torchvision's dense layer; it takes one tensor, or a list of tensors."""
    return densenet._DenseLayer(in_channels, growth, FACTOR, 0.0, recompute)


def torchvision_block(layers: int, in_channels: int, growth: int) -> Any:
    """torchvision's dense block."""
    return densenet._DenseBlock(layers, in_channels, FACTOR, growth, 0.0)


def torchvision_densenet(
    blocks: Sequence[int], growth: int = 32, stem: int = 64, classes: int = 1000
) -> Any:
    """torchvision's dense network; any number of blocks."""
    return densenet.DenseNet(growth, tuple(blocks), stem, FACTOR, 0, classes)


def wrong_channels(
    blocks: Sequence[int], growth: int, stem: int
) -> dict[str, list[tuple[int, int]]]:
    """Mistakes in the channels that enter and leave each dense block."""

    def walk(grow: int, halve: bool = True, early: bool = False) -> list[tuple[int, int]]:
        widths, channels = [], stem // 2 if early else stem
        for layers in blocks:
            widths.append((channels, channels + layers * grow))
            channels = widths[-1][1] // 2 if halve else widths[-1][1]
        return widths

    right = dense_channels(blocks, growth, stem)
    return {
        "no transition halves the channels": walk(growth, halve=False),
        "there is a transition before the first block, too: the stem's channels enter it": walk(
            growth, early=True
        ),
        "each layer adds one channel: it adds `growth`": walk(1),
        "the growth is multiplied by the 4 of the bottleneck: a layer hands on `growth`": walk(
            FACTOR * growth
        ),
        "each block adds `growth` channels, whatever its number of layers": [
            (start, start + growth) for start, _ in _once(stem, growth, blocks)
        ],
        "what leaves a block has been halved already: the transition comes behind it": [
            (start, end // 2) for start, end in right
        ],
        "what enters a block is missing in what leaves it: x is kept, the layers append to it": [
            (start, layers * growth)
            for (start, _), layers in zip(_forgetful(stem, growth, blocks), blocks, strict=True)
        ],
        "the last layer of each block is not counted": _walk_layers(blocks, growth, stem, -1),
        "one layer too many is counted in each block": _walk_layers(blocks, growth, stem, 1),
        "the channels double where they should halve": _doubling(blocks, growth, stem),
    }


def _walk_layers(blocks: Sequence[int], growth: int, stem: int, more: int) -> list[tuple[int, int]]:
    return dense_channels([layers + more for layers in blocks], growth, stem)


def _once(stem: int, growth: int, blocks: Sequence[int]) -> list[tuple[int, int]]:
    return dense_channels([1] * len(blocks), growth, stem)


def _forgetful(stem: int, growth: int, blocks: Sequence[int]) -> list[tuple[int, int]]:
    widths, channels = [], stem
    for layers in blocks:
        widths.append((channels, layers * growth))
        channels = layers * growth // 2
    return widths


def _doubling(blocks: Sequence[int], growth: int, stem: int) -> list[tuple[int, int]]:
    widths, channels = [], stem
    for layers in blocks:
        widths.append((channels, channels + layers * growth))
        channels = 2 * widths[-1][1]
    return widths


def wrong_layer_counts(in_channels: int, growth: int) -> dict[str, int]:
    """Mistakes in the number of parameters of a dense layer."""
    C, k, inner = in_channels, growth, FACTOR * growth
    count = 2 * C + C * inner + 2 * inner + 9 * inner * k
    return {
        "a convolution has a bias: there is none": count + inner,
        "the 3x3 convolution has a bias: there is none": count + k,
        "both convolutions have a bias: there is none": count + inner + k,
        "the first norm stands behind its convolution: norm, ReLU, then convolution": count
        - 2 * C
        + 2 * inner,
        "the norms stand behind their convolutions: norm, ReLU, then convolution": count
        - 2 * C
        + 2 * k,
        "the first norm is missing": count - 2 * C,
        "the second norm is missing": count - 2 * inner,
        "the bottleneck is missing: a 1x1 convolution to 4 * growth channels comes first": 2 * C
        + 9 * C * k,
        "the inner width is growth: it is 4 * growth": 2 * C + C * k + 2 * k + 9 * k * k,
        "the 3x3 hands on 4 * growth channels: a layer hands on growth": count
        + 9 * inner * (inner - k),
        "both kernels are 3x3: the first is 1x1": count + 8 * C * inner,
        "both kernels are 1x1: the second is 3x3": count - 8 * inner * k,
        "the kernels have changed places: 1x1 first": count + 8 * C * inner - 8 * inner * k,
    }


def wrong_layers(layer: Any, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in the output of a dense layer; `layer` is the right one, of torchvision."""
    layer = deepcopy(layer)
    n1, c1, n2, c2 = layer.norm1, layer.conv1, layer.norm2, layer.conv2
    y = c1(F.relu(n1(x)))
    right = c2(F.relu(n2(y)))
    wrong = {
        "the output is all zeros": torch.zeros_like(right),
        "the first ReLU is missing": c2(F.relu(n2(c1(n1(x))))),
        "the second ReLU is missing": c2(n2(y)),
        "both ReLUs are missing": c2(n2(c1(n1(x)))),
        "a ReLU follows the last convolution: the layer ends with it": F.relu(right),
        "each ReLU stands before its norm: norm first": c2(n2(F.relu(c1(n1(F.relu(x)))))),
        "x is appended here: a layer returns its new channels, the block joins": torch.cat(
            [x, right], 1
        ),
        "the 3x3 convolution has no padding": F.conv2d(F.relu(n2(y)), c2.weight),
    }
    if x.shape == right.shape:
        wrong["x is added: a dense layer returns its new channels alone"] = x + right
    return wrong | _other_mode(layer, x)


def _other_mode(layer: Any, x: Tensor) -> dict[str, Tensor]:
    mode = "training" if layer.training else "evaluation"
    layer.train(not layer.training)
    return {f"batch norm is in the wrong mode: the layer is in {mode} mode": layer(x)}


def wrong_blocks(block: Any, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in the output of a dense block; `block` is the right one, of torchvision."""
    block = deepcopy(block)
    features = [x]
    for layer in block.children():
        features.append(layer(features))
    joined = torch.cat(features, 1)
    backwards = torch.cat(features[::-1], 1)
    wrong = {
        "the output is all zeros": torch.zeros_like(joined),
        "x is missing in the output: it comes first": torch.cat(features[1:], 1),
        "only what the last layer made comes back": features[-1],
        "the channels come in the reverse order: x first, then layer by layer": backwards,
        "x stands last: it comes first": torch.cat([*features[1:], x], 1),
        "a ReLU follows the block: it ends with the concatenation": F.relu(joined),
    }
    front = [x]
    for layer in block.children():
        front.insert(0, layer(torch.cat(front, 1)))
    wrong["new channels are put in front: append them"] = torch.cat(front, 1)
    return wrong


def wrong_net_counts(
    count: int, blocks: Sequence[int], growth: int, stem: int, classes: int
) -> dict[str, int]:
    """Mistakes in the number of parameters of a dense network with `count` of them."""
    widths = dense_channels(blocks, growth, stem)
    last, ends = widths[-1][1], [end for _, end in widths[:-1]]
    extra = 2 * last + last * (last // 2)
    return {
        "there is a transition behind the last block: only between two blocks": count
        + extra
        - (2 + classes) * (last - last // 2),
        "the norm behind the last block is missing": count - 2 * last,
        "the transitions have no norm": count - sum(2 * end for end in ends),
        "the transitions' convolutions have a bias: there is none": count
        + sum(end // 2 for end in ends),
        "the transitions keep the channels: they halve them": _count_without_halving(
            count, blocks, growth, stem, classes
        ),
        "the stem's norm is missing": count - 2 * stem,
        "the stem's convolution has a bias: its norm makes it useless": count + stem,
        "the stem's kernel is 3x3, not 7x7": count - 40 * 3 * stem,
        "the linear layer has no bias": count - classes,
        "the number of classes is ignored": count + (1000 - classes) * (last + 1),
        "growth is ignored: it is 32 everywhere": _count(blocks, 32, stem, classes),
        "stem is ignored: 64 channels leave the stem": _count(blocks, growth, 64, classes),
        "there is one layer too many in each block": _count(
            [n + 1 for n in blocks], growth, stem, classes
        ),
        "there is one layer too few in each block": _count(
            [n - 1 for n in blocks], growth, stem, classes
        ),
    }


def _count(blocks: Sequence[int], growth: int, stem: int, classes: int) -> int:
    """Parameters of a dense network."""
    with torch.device("meta"):
        net = torchvision_densenet(blocks, growth, stem, classes)
    return sum(p.numel() for p in net.parameters())


def _count_without_halving(
    count: int, blocks: Sequence[int], growth: int, stem: int, classes: int
) -> int:
    """Parameters when transitions go from C to C channels."""
    right = dense_channels(blocks, growth, stem)
    channels, total = stem, count
    for number, (layers, (start, end)) in enumerate(zip(blocks, right, strict=True)):
        wider = channels - start  # more channels enter the block than should
        total += layers * wider * (2 + FACTOR * growth)
        channels = channels + layers * growth
        if number < len(blocks) - 1:
            total += 2 * (channels - end) + channels**2 - end * (end // 2)
    return total + (channels - right[-1][1]) * (2 + classes)


def wrong_net_logits(net: Any, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in a dense network; `net` is the right one, of torchvision, in evaluation mode."""
    net = deepcopy(net)
    parts: Any = net.features
    body = [part for name, part in parts.named_children() if "block" in name or "trans" in name]

    def features(h: Tensor, layers: Sequence[Any] = body) -> Tensor:
        for layer in layers:
            h = layer(h)
        return h

    def logits(h: Tensor) -> Tensor:
        return net.classifier(F.relu(parts.norm5(h)).mean((2, 3)))

    conv = F.relu(parts.norm0(parts.conv0(x)))
    h = features(parts.pool0(conv))
    flat = F.relu(parts.norm0(F.conv2d(x, parts.conv0.weight, padding=3)))
    right = logits(h)
    maxed = [_with_pool(part, nn.MaxPool2d(2)) for part in body]
    odd = [_with_pool(part, nn.AvgPool2d(2, ceil_mode=True)) for part in body]
    bare = [_with_pool(part, nn.Identity()) for part in body]
    return {
        "the logits are all zeros": torch.zeros_like(right),
        "the ReLU behind the last norm is missing": net.classifier(parts.norm5(h).mean((2, 3))),
        "the last norm is not used": net.classifier(F.relu(h).mean((2, 3))),
        "neither the last norm nor its ReLU is used": net.classifier(h.mean((2, 3))),
        "the head takes the maximum over pixels: take the mean": net.classifier(
            F.relu(parts.norm5(h)).amax((2, 3))
        ),
        "the logits go through a softmax: return them as they are": right.softmax(1),
        "the max pooling of the stem is missing": logits(features(conv)),
        "the stem pools the mean: take the maximum": logits(features(F.avg_pool2d(conv, 3, 2, 1))),
        "the max pooling of the stem has padding 1": logits(features(F.max_pool2d(conv, 3, 2))),
        "the stem's convolution has stride 2": logits(features(parts.pool0(flat))),
        "the stem's ReLU is missing": logits(features(parts.pool0(parts.norm0(parts.conv0(x))))),
        "the transitions pool the maximum: they take the mean": logits(
            features(parts.pool0(conv), maxed)
        ),
        "the transitions do not halve rows and columns": logits(features(parts.pool0(conv), bare)),
        "the transitions round odd sizes up: nn.AvgPool2d(2) drops the rest": logits(
            features(parts.pool0(conv), odd)
        ),
    } | _wrong_transitions(body, logits, parts.pool0(conv))


def _wrong_transitions(body: list[Any], logits: Any, h: Tensor) -> dict[str, Tensor]:
    def through(no_relu: bool) -> Tensor:
        y = h
        for part in body:
            if not hasattr(part, "pool"):
                y = part(y)
                continue
            normed = part.norm(y) if no_relu else F.relu(y)
            y = part.pool(part.conv(normed))
        return logits(y)

    return {
        "the transitions have no ReLU: norm, ReLU, convolution, pooling": through(True),
        "the norm of the transitions is not used": through(False),
    }


def _with_pool(part: Any, pool: nn.Module) -> Any:
    """A copy of a transition with another pooling; other parts as they are."""
    if not hasattr(part, "pool"):
        return part
    changed = deepcopy(part)
    changed.pool = pool
    return changed


def wrong_reuse(weights: Sequence[Tensor], first: int, growth: int) -> dict[str, Tensor]:
    """Mistakes in the table of feature reuse."""
    right = feature_reuse(weights, first, growth)
    sizes = torch.tensor([first] + [growth] * (len(weights) - 1)).to(right)
    inner = weights[0].shape[0]
    signed, squared, largest = (torch.zeros_like(right) for _ in range(3))
    uniform, reverse = torch.zeros_like(right), torch.zeros_like(right)
    for row, weight in enumerate(weights):
        parts = weight.flatten(1).split([first] + [growth] * row, dim=1)
        signed[row, : row + 1] = torch.stack([part.mean() for part in parts])
        squared[row, : row + 1] = torch.stack([part.square().mean().sqrt() for part in parts])
        largest[row, : row + 1] = torch.stack([part.abs().max() for part in parts])
        backwards = weight.flatten(1).split([growth] * row + [first], dim=1)
        reverse[row, : row + 1] = torch.stack([part.abs().mean() for part in backwards])
        even = weight.flatten(1)[:, first - growth :] if first > growth else weight.flatten(1)
        chunks = even.split(growth, dim=1)[: row + 1]
        uniform[row, : len(chunks)] = torch.stack([chunk.abs().mean() for chunk in chunks])
    rows = right.sum(dim=1, keepdim=True)
    return {
        "the table is all zeros": torch.zeros_like(right),
        "the means keep their signs, and cancel: take absolute values first": signed,
        "the absolute value is taken of the mean: take it of each weight": signed.abs(),
        "these are root mean squares: take the mean of absolute values": squared,
        "these are largest values: take the mean": largest,
        "these are sums over the weights: take the mean": right * sizes * inner,
        "these are sums over the source's channels: take the mean over them, too": right * sizes,
        "these are sums over the layer's 4 * growth channels: take the mean": right * inner,
        "each row is divided by its sum: leave the means as they are": right / rows,
        "each row is divided by its largest entry: leave the means as they are": right
        / right.amax(dim=1, keepdim=True),
        "rows and columns are exchanged: row l is what layer l reads": right.T.contiguous(),
        "the block's input is taken to have `growth` channels: it has `first`": uniform,
        "the sources are read from the last to the first": reverse,
    }
