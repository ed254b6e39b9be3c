"""What well-known mistakes would compute in pre-activation units; see `plusx.diagnose`."""

from collections.abc import Callable
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.preactivation import PreActBlock, PreActResNet


def wrong_unit_counts(in_channels: int, out_channels: int, stride: int = 1) -> dict[str, int]:
    """Mistakes in the number of parameters of a pre-activation unit."""
    C, D = in_channels, out_channels
    changes = stride != 1 or C != D
    count = 2 * C + 9 * C * D + 2 * D + 9 * D * D + (C * D if changes else 0)
    wrong = {
        "the convolutions have a bias: leave it out": count + 2 * D,
        "a convolution has a bias: leave it out": count + D,
        "norm1 stands before conv1: it has in_channels": count - 2 * C + 2 * D,
        "there is a third norm: one before each 3x3 convolution": count + 2 * D + (C == D),
        "a norm is missing: one stands before each 3x3 convolution": count - 2 * D,
        "the first norm is missing: it stands before conv1": count - 2 * C,
        "the norms are missing, or have no scale and shift": count - 2 * C - 2 * D,
        "a convolution is missing: the branch has two (a Python list hides its modules)": count
        - 9 * D * D,
    }
    if changes:
        return {
            "the projection is missing where stride or channels change": count - C * D,
            "the projection has a norm: in a pre-activation unit it has none": count + 2 * D,
            "the projection has a bias: leave it out": count + D,
            "all convolutions have a bias: leave it out": count + 3 * D,
        } | {sentence: n for sentence, n in wrong.items() if n != count}
    return {"there is a projection: no shape changes here": count + C * D} | {
        sentence: n for sentence, n in wrong.items() if n != count
    }


def wrong_units(block: PreActBlock, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Mistakes in the output of a pre-activation unit; y is the answer in question.

    `block` is the right one and is not changed; x (B, C, H, W) is its input.
    """
    block = deepcopy(block)
    a = F.relu(block.norm1(x))  # (B, C, H, W)
    f = _second(block, block.conv1(a))  # (B, D, H', W')
    skip = block.projection(a if block.shared else x)
    return (
        _wrong_roads(block, x, a, f)
        | _wrong_sums(f, skip, y)
        | _wrong_branches(block, x, a, skip)
        | _wrong_modes(block, x)
    )


def _second(block: PreActBlock, inner: Tensor) -> Tensor:
    return block.conv2(F.relu(block.norm2(inner)))


def _wrong_roads(block: PreActBlock, x: Tensor, a: Tensor, f: Tensor) -> dict[str, Tensor]:
    """The shortcut starts from the wrong place."""
    if not block.shared:
        return {
            "the shortcut carries the activated x: here it carries x itself": a + f,
            "the shortcut carries norm1(x): here it carries x itself": block.norm1(x) + f,
            "the shortcut carries relu(x): here it carries x itself": F.relu(x) + f,
        }
    projection = block.projection
    return {
        "the shortcut carries x itself: here it carries relu(norm1(x))": projection(x) + f,
        "the shortcut carries norm1(x): here it carries relu(norm1(x))": projection(block.norm1(x))
        + f,
        "the shortcut carries relu(x): here it carries relu(norm1(x))": projection(F.relu(x)) + f,
        "the shortcut goes through a second norm1 and ReLU": projection(F.relu(block.norm1(a))) + f,
    }


def _wrong_sums(f: Tensor, skip: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Both ways are right, the sum is not."""
    return {
        "the output is all zeros": torch.zeros_like(f),
        "the skip is missing: F(x) alone comes back": f,
        "the branch is missing: the shortcut alone comes back": skip,
        "a ReLU stands after the sum: nothing does": F.relu(f + skip),
        "the branch ends in a ReLU: it ends in a convolution": F.relu(f) + skip,
        "the skip has the wrong sign: F(x) - x": f - skip,
        "the branch has the wrong sign: x - F(x)": skip - f,
        "branch and skip are multiplied: add them": f * skip,
        "the skip is scaled: it joins with factor 1": f + _factor(y - f, skip) * skip,
        "the branch is scaled: it joins with factor 1": skip + _factor(y - skip, f) * f,
        "the sum is scaled: it needs no factor": _factor(y, f + skip) * (f + skip),
    }


def _factor(y: Tensor, part: Tensor) -> Tensor:
    """The s in y = s * part, as far as one s explains y."""
    if y.shape != part.shape:
        return torch.ones(())
    return (y * part).sum() / (part * part).sum()


def _wrong_branches(block: PreActBlock, x: Tensor, a: Tensor, skip: Tensor) -> dict[str, Tensor]:
    """The order inside F is wrong."""
    conv1, conv2, norm1, norm2 = block.conv1, block.conv2, block.norm1, block.norm2
    inner = conv1(a)  # (B, D, H', W')
    late = F.conv2d(a, conv1.weight, padding=1)
    late = F.conv2d(F.relu(norm2(late)), conv2.weight, stride=conv1.stride, padding=1)
    branches = {
        "the first norm and ReLU are missing": _second(block, conv1(x)),
        "the first ReLU is missing: norm1 goes straight into conv1": _second(
            block, conv1(norm1(x))
        ),
        "the first norm is missing": _second(block, conv1(F.relu(x))),
        "the first ReLU stands before norm1": _second(block, conv1(norm1(F.relu(x)))),
        "the second ReLU is missing: norm2 goes straight into conv2": conv2(norm2(inner)),
        "the second norm is missing": conv2(F.relu(inner)),
        "the second ReLU stands before norm2": conv2(norm2(F.relu(inner))),
    }
    if conv1.stride != (1, 1):
        branches["the stride is on the second convolution: it belongs on the first"] = late
    sums = {sentence: f + skip for sentence, f in branches.items()}
    if x.shape == skip.shape and conv1.weight.shape == conv2.weight.shape:
        post = norm2(conv2(F.relu(norm1(conv1(x)))))
        sums["norm and ReLU stand behind the convolutions: they come first"] = F.relu(post + x)
        sums["norms stand behind the convolutions: they come first"] = post + x
    return sums


def _wrong_modes(block: PreActBlock, x: Tensor) -> dict[str, Tensor]:
    """Batch norm uses the batch's statistics in evaluation mode, or stored ones in training."""
    mode = "training" if block.training else "evaluation"
    other = deepcopy(block).train(not block.training)
    return {f"batch norm is in the wrong mode: the unit is in {mode} mode": other(x)}


def wrong_unit_gradients(block: PreActBlock, x: Tensor, v: Tensor) -> dict[str, Tensor]:
    """Mistakes in the gradient with respect to x of a pre-activation unit; v is that at y."""
    block, x = deepcopy(block), x.detach().requires_grad_()
    a = F.relu(block.norm1(x))
    f = _second(block, block.conv1(a))
    skip = block.projection(a if block.shared else x)
    sentences = {
        "the skip is detached: no gradient flows through it": f,
        "the branch is detached: no gradient flows through it": skip * 1.0,
    }
    return {
        s: torch.autograd.grad(part, x, v, retain_graph=True)[0] for s, part in sentences.items()
    }


def wrong_network_counts(depth: int, classes: int) -> dict[str, int]:
    """Mistakes in the number of parameters of a pre-activation network."""
    net = PreActResNet(depth, classes)
    count = sum(p.numel() for p in net.parameters())
    units = (depth - 2) // 6
    each = sum(18 * C * C + 4 * C for C in (16, 32, 64))
    biases = 2 * units * (16 + 32 + 64)
    return {
        "norm and ReLU are missing behind the last unit": count - 128,
        "the stem has a norm: the first unit brings it": count + 32,
        "the stem has a norm, and none stands behind the last unit": count + 32 - 128,
        "there is one unit too many in each stage": count + each,
        "there is one unit too few in each stage": count - each,
        "the linear layer has no bias": count - classes,
        "the stem's convolution has a bias: leave it out": count + 16,
        "the convolutions of the units have a bias": count + biases,
        "the projections have a norm": count + 2 * 32 + 2 * 64,
        "the first unit has a projection: no shape changes there": count + 16 * 16,
        "classes is ignored: there are always 10 logits": count + 65 * (10 - classes),
    }


def wrong_network_logits(net: PreActResNet, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in the logits of a pre-activation network; `net` is right and not changed.

    x (B, 3, H, W) -> logits (B, classes), for each mistake.
    """
    net = deepcopy(net)
    right = deepcopy(net)(x)
    features = deepcopy(net.blocks)(net.stem(x))  # (B, 64, H', W')
    norm = net.end[0]
    ended = F.relu(deepcopy(norm)(features))
    mean = features.mean((2, 3), keepdim=True)
    return {
        "the first unit is not shared: its shortcut carries the bare convolution": _changed(
            net, x, lambda n: n == 0, False
        ),
        "all units are shared: only the first, and those that change the shape": _changed(
            net, x, lambda n: n > 0, True
        ),
        "norm and ReLU are missing behind the last unit": net.head(features.mean((2, 3))),
        "the ReLU is missing behind the last unit": net.head(deepcopy(norm)(features).mean((2, 3))),
        "the norm is missing behind the last unit": net.head(F.relu(features).mean((2, 3))),
        "behind the last unit the ReLU stands before the norm": net.head(
            deepcopy(norm)(F.relu(features)).mean((2, 3))
        ),
        "the mean is taken before norm and ReLU: it comes last": net.head(
            F.relu(deepcopy(norm)(mean)).mean((2, 3))
        ),
        "a ReLU stands behind the stem: the first unit brings it": net.head(
            deepcopy(net.end)(deepcopy(net.blocks)(F.relu(net.stem(x)))).mean((2, 3))
        ),
        "softmax is applied: return the logits": right.softmax(1),
        "log-softmax is applied: return the logits": right.log_softmax(1),
        "a ReLU acts on the logits": F.relu(right),
        "the largest pixel is taken: take the mean over all pixels": net.head(ended.amax((2, 3))),
        "the pixels are summed: take their mean": net.head(ended.sum((2, 3))),
        "the stages do not halve the image: stages 2 and 3 begin with stride 2": _flat(net, x),
    }


def _changed(net: PreActResNet, x: Tensor, which: Callable[[int], bool], shared: bool) -> Tensor:
    """Logits when some units that keep the shape share their activation, or do not."""
    net = deepcopy(net)
    for n, block in enumerate(net.blocks):
        assert isinstance(block, PreActBlock)
        if isinstance(block.projection, nn.Identity) and which(n):
            block.shared = shared
    return net(x)


def _flat(net: PreActResNet, x: Tensor) -> Tensor:
    net = deepcopy(net)
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
    return net(x)
