"""What well-known mistakes would compute, for the bottleneck blocks of lesson 03.

As in `plusx.diagnose`, each function returns a dictionary: a sentence about the mistake ->
the value it gives.
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.models.efficientnet import MBConv, MBConvConfig
from torchvision.models.resnet import Bottleneck as TorchvisionBottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from plusx.diagnose import wrong_logits, wrong_sums


def torchvision_bottleneck(
    in_channels: int,
    width: int,
    out_channels: int,
    stride: int = 1,
    groups: int = 1,
    stride_first: bool = False,
) -> Any:
    """torchvision's bottleneck with any three numbers of channels and either place of stride."""
    projection = None
    if stride != 1 or in_channels != out_channels:
        projection = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
            nn.BatchNorm2d(out_channels),
        )
    block: Any = TorchvisionBottleneck(in_channels, max(1, out_channels // 4), 1, projection)
    first, second = (stride, 1) if stride_first else (1, stride)
    block.conv1 = nn.Conv2d(in_channels, width, 1, first, bias=False)
    block.conv2 = nn.Conv2d(width, width, 3, second, 1, groups=groups, bias=False)
    block.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
    block.bn1, block.bn2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)
    block.bn3 = nn.BatchNorm2d(out_channels)
    return block


def torchvision_resnet(
    blocks: Sequence[int],
    classes: int = 1000,
    width: int = 64,
    groups: int = 1,
    stride_first: bool = False,
) -> Any:
    """torchvision's ResNet of bottlenecks; `width` are the inner channels of stage 1."""
    net: Any = TorchvisionResNet(
        TorchvisionBottleneck,
        list(blocks),
        num_classes=classes,
        groups=groups,
        width_per_group=width // groups,
    )
    if stride_first:
        for block in (b for b in net.modules() if isinstance(b, TorchvisionBottleneck)):
            block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
    return net


def torchvision_mbconv(
    in_channels: int, out_channels: int, expand: int, kernel: int = 3, stride: int = 1
) -> Any:
    """torchvision's MBConv, the block of EfficientNet, without stochastic depth."""
    config: Any = MBConvConfig(expand, kernel, stride, in_channels, out_channels, 1)
    # torchvision rounds channels to multiples of 8; a test wants the ones that it names.
    config.input_channels, config.out_channels = in_channels, out_channels
    config.adjust_channels = lambda channels, factor: int(channels * factor)
    return MBConv(config, 0.0, nn.BatchNorm2d)


def wrong_bottlenecks(block: Any, x: Tensor, y: Tensor) -> dict[str, Tensor]:
    """Mistakes in the output of a bottleneck; y is the answer in question.

    `block` is the right one, of torchvision, and is not changed; x (B, C, H, W) is its input.
    """
    block = deepcopy(block)
    skip = x if block.downsample is None else block.downsample(x)  # (B, C', H', W')
    wrong = wrong_sums(_branch(block, x), skip, y)
    mistakes: dict[str, dict[str, Any]] = {
        "the ReLU after norm1 is missing": {"relus": (False, True)},
        "the ReLU after norm2 is missing": {"relus": (True, False)},
        "both inner ReLUs are missing": {"relus": (False, False)},
        "the ReLUs stand before the norms: norm first, then ReLU": {"early": True},
    }
    for sentence, options in mistakes.items():
        wrong[sentence] = F.relu(_branch(block, x, **options) + skip)
    return wrong | _wrong_strides(block, x, skip) | _wrong_rest(block, x)


def wrong_bottleneck_gradients(block: Any, x: Tensor, v: Tensor) -> dict[str, Tensor]:
    """Mistakes in the gradient with respect to x of a bottleneck; v is the gradient at y."""
    block, x = deepcopy(block), x.detach().requires_grad_()
    v = v * (block(x) > 0)
    skip = x * 1 if block.downsample is None else block.downsample(x)
    return {
        "the skip is detached: no gradient flows through it": torch.autograd.grad(
            _branch(block, x), x, v
        )[0],
        "the branch is detached: no gradient flows through it": torch.autograd.grad(skip, x, v)[0],
    }


def wrong_bottleneck_counts(block: Any) -> dict[str, int]:
    """Mistakes in the number of parameters of a bottleneck; `block` is the right one."""
    count = sum(p.numel() for p in block.parameters())
    C, W, D = block.conv1.in_channels, block.conv1.out_channels, block.conv3.out_channels
    middle, dense = block.conv2.weight.numel(), 9 * W * W
    wrong = {
        "the groups are ignored: they belong to the 3x3 convolution": count - middle + dense,
        "all three convolutions have a bias: the norms make it useless": count + 2 * W + D,
        "one convolution has a bias: the norm makes it useless": count + W,
        "the last convolution has a bias: the norm makes it useless": count + D,
        "a norm inside is missing: one follows each convolution": count - 2 * W,
        "no convolution has a norm": count - 4 * W - 2 * D,
        "the middle convolution is 1x1": count - middle + middle // 9,
        "the 3x3 is missing": count - middle - 2 * W,
        "the first convolution is 3x3, not 1x1": count + 8 * C * W,
        "the last convolution is 3x3, not 1x1": count + 8 * W * D,
        "the 3x3 stands first: it belongs in the middle": count - middle + W * W + 8 * C * W,
    }
    if block.downsample is None:
        return wrong | {
            "there is a projection where no shape changes": count + C * D + 2 * D,
            "the norm after the last convolution is missing": count - 2 * D,
        }
    return wrong | {
        "the projection is missing where stride or channels change": count - C * D - 2 * D,
        "the norm of the projection is missing, or that after the last convolution": count - 2 * D,
        "the projection has a bias: the norm makes it useless": count + D,
    }


def wrong_resnet_counts(
    count: int, blocks: Sequence[int], classes: int, width: int, groups: int
) -> dict[str, int]:
    """Mistakes in the number of parameters of a ResNet of bottlenecks with `count` of them."""
    stages = [(width * 2**s, 256 * 2**s) for s in range(len(blocks))]
    more = sum(_block_count(outer, inner, outer, groups) for inner, outer in stages)
    dense = sum(n * 9 * w * w for n, (w, _) in zip(blocks, stages, strict=True))
    half = sum(n * (2 * w * d) for n, (w, d) in zip(blocks, stages, strict=True))
    return {
        "there is one block too many in each stage": count + more,
        "there is one block too few in each stage": count - more,
        "the groups are ignored": count - dense // groups + dense,
        "the linear layer has no bias": count - classes,
        "the stem's convolution has a bias: its norm makes it useless": count + 64,
        "the stem's norm is missing": count - 128,
        "the stem's kernel is 3x3, not 7x7": count - 40 * 3 * 64,
        "the first block of stage 1 has no projection": count - 64 * 256 - 512,
        "the number of classes is ignored": count + (1000 - classes) * (stages[-1][1] + 1),
        "the 1x1 convolutions are counted twice": count + half,
    }


def wrong_resnet_logits(net: Any, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in a ResNet for large images; `net` is the right one, of torchvision."""
    net = deepcopy(net)
    body = nn.Sequential(net.layer1, net.layer2, net.layer3, net.layer4)
    stem = nn.Sequential(net.conv1, net.bn1, net.relu, net.maxpool)
    wrong = wrong_logits(stem, body, net.fc, x)
    wrong["the max pooling of the stem is missing"] = wrong.pop("the stem's last layer is missing")

    def logits(features: Tensor) -> Tensor:
        return net.fc(body(features).mean((2, 3)))

    conv = F.relu(net.bn1(net.conv1(x)))
    flat = F.relu(net.bn1(F.conv2d(x, net.conv1.weight, padding=3)))
    wrong["the stem's convolution has stride 2"] = logits(net.maxpool(flat))
    wrong["the stem pools the mean: take the maximum"] = logits(F.avg_pool2d(conv, 3, 2, 1))
    wrong["the max pooling of the stem has padding 1"] = logits(F.max_pool2d(conv, 3, 2))
    return wrong | _wrong_stage_strides(net, body, stem(x))


def _wrong_stage_strides(net: Any, body: nn.Sequential, features: Tensor) -> dict[str, Tensor]:
    """The blocks are right, their strides are not; `body` is changed."""
    firsts: list[Any] = [next(stage.children()) for stage in body]
    paper = firsts[1].conv1.stride[0] == 2

    def logits(strides: Sequence[tuple[int, int]]) -> Tensor:
        for block, (first, second) in zip(firsts, strides, strict=True):
            block.conv1.stride, block.conv2.stride = (first, first), (second, second)
            block.downsample[0].stride = (first * second, first * second)
        return net.fc(body(features).mean((2, 3)))

    other = "the 3x3 convolutions: stride_first" if paper else "the first 1x1 convolutions"
    move = (1, 2) if paper else (2, 1)
    stay = (2, 1) if paper else (1, 2)
    belongs = "is true" if paper else "is False, so it belongs to the 3x3"
    return {
        f"the stride is at {other} {belongs}": logits([(1, 1)] + 3 * [move]),
        "stage 1 has stride 2: the stem has halved the image already": logits(4 * [stay]),
        "the stages do not halve the image: stages 2 to 4 begin with stride 2": logits(
            4 * [(1, 1)]
        ),
    }


def wrong_gates(gate: Any, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in squeeze and excitation; `gate` is the right one, of torchvision."""
    means = x.mean((2, 3), keepdim=True)  # (B, C, 1, 1)
    inner = gate.fc2(F.silu(gate.fc1(means)))  # (B, C, 1, 1)
    pixels = torch.sigmoid(gate.fc2(F.silu(gate.fc1(x))))  # (B, C, H, W)
    largest = torch.sigmoid(gate.fc2(F.silu(gate.fc1(x.amax((2, 3), keepdim=True)))))
    summed = torch.sigmoid(gate.fc2(F.silu(gate.fc1(x.sum((2, 3), keepdim=True)))))
    relu = torch.sigmoid(gate.fc2(F.relu(gate.fc1(means))))
    straight = torch.sigmoid(gate.fc2(gate.fc1(means)))
    return {
        "the sigmoid is missing: the gates lie between 0 and 1": x * inner,
        "the gates are added: multiply x with them": x + torch.sigmoid(inner),
        "x is added: return x times the gates alone": x + x * torch.sigmoid(inner),
        "the gates alone come back: multiply x with them": torch.sigmoid(inner).expand_as(x),
        "x comes back as it was": x,
        "softmax instead of sigmoid: each gate is on its own": x * inner.softmax(1),
        "the mean over the pixels is missing: one gate per channel": x * pixels,
        "the largest pixel is taken: take the mean": x * largest,
        "the pixels are summed: take their mean": x * summed,
        "the activation inside is ReLU: it is SiLU": x * relu,
        "the activation inside is missing": x * straight,
    }


def wrong_inverted(block: Any, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in an inverted bottleneck; `block` is the right one, of torchvision."""
    *widen, depthwise, gate, narrow = list(block.block)
    wide = x
    for layer in widen:
        wide = layer(wide)
    filtered = depthwise(wide)
    y = narrow(gate(filtered))
    skip = x if block.use_res_connect else 0
    swap = partial(_with_activation, block, x)
    wrong = {
        "an activation follows the last norm: the block ends linearly": F.silu(y) + skip,
        "an activation follows the sum: the block ends linearly": F.silu(y + skip),
        "a ReLU follows the sum: the block ends linearly": F.relu(y + skip),
        "squeeze-and-excite is missing": narrow(filtered) + skip,
        "the activations are ReLU: they are SiLU": swap(nn.ReLU()),
        "the activations are ReLU6: they are SiLU": swap(nn.ReLU6()),
    }
    if widen:
        early = narrow(depthwise(gate(wide))) + skip
        wrong["squeeze-and-excite stands before the depthwise convolution"] = early
    if block.use_res_connect:
        return wrong | {"the skip is missing: shapes agree, so x is added": y}
    if x.shape == y.shape:
        return wrong | {"x is added although the shape changes": x + y}
    return wrong


def wrong_inverted_counts(
    count: int, in_channels: int, out_channels: int, expand: int, kernel: int
) -> dict[str, int]:
    """Mistakes in the number of parameters of an inverted bottleneck with `count` of them."""
    width, squeezed = expand * in_channels, max(1, in_channels // 4)
    depthwise, dense = kernel**2 * width, (kernel * width) ** 2
    other = max(1, width // 4)
    first = in_channels * width + 2 * width
    wrong = {
        "the middle convolution is dense: groups=width makes it depthwise": count
        - depthwise
        + dense,
        "squeeze-and-excite narrows to width // 4: it is in_channels // 4": count
        + (other - squeezed) * (2 * width + 1),
        "squeeze-and-excite is missing": count - (2 * width * squeezed + squeezed + width),
        "squeeze-and-excite has no biases": count - squeezed - width,
        "all convolutions have a bias: the norms make it useless": count
        + (2 if expand > 1 else 1) * width
        + out_channels,
        "the last norm is missing": count - 2 * out_channels,
        "a norm inside is missing": count - 2 * width,
        "the kernel is ignored: the depthwise convolution is 3x3": count - (kernel**2 - 9) * width,
    }
    if expand == 1:
        wrong["with expand 1 there is no first convolution"] = count + first
    return wrong


def _block_count(C: int, W: int, D: int, groups: int) -> int:
    """Parameters of a bottleneck that keeps the shape."""
    return C * W + 9 * W * W // groups + W * D + 4 * W + 2 * D


def _branch(
    block: Any,
    x: Tensor,
    relus: tuple[bool, bool] = (True, True),
    early: bool = False,
    strides: tuple[int, int, int] | None = None,
) -> Tensor:
    """The branch of torchvision's bottleneck, with mistakes on demand."""
    layers = [(block.conv1, block.bn1), (block.conv2, block.bn2), (block.conv3, block.bn3)]
    own = (block.conv1.stride[0], block.conv2.stride[0], 1)
    for (conv, norm), stride, relu in zip(layers, strides or own, (*relus, False), strict=True):
        x = F.conv2d(x, conv.weight, None, stride, conv.padding, groups=conv.groups)
        x = norm(F.relu(x)) if early and relu else norm(x)
        x = F.relu(x) if relu and not early else x
    return x


def _wrong_strides(block: Any, x: Tensor, skip: Tensor) -> dict[str, Tensor]:
    first, second = block.conv1.stride[0], block.conv2.stride[0]
    stride = first * second
    if stride == 1:
        return {}
    places = {
        "the first 1x1 convolution": (stride, 1, 1),
        "the 3x3 convolution": (1, stride, 1),
        "the last 1x1 convolution": (1, 1, stride),
    }
    right = "the first 1x1" if first > 1 else "the 3x3"
    return {
        f"the stride is at {place}: it belongs at {right}": F.relu(
            _branch(block, x, strides=strides) + skip
        )
        for place, strides in places.items()
        if strides != (first, second, 1)
    }


def _wrong_rest(block: Any, x: Tensor) -> dict[str, Tensor]:
    """Batch norm in the other mode, and mistakes in the projection."""
    mode = "training" if block.training else "evaluation"
    block.train(not block.training)
    other = block(x)
    block.train(not block.training)
    wrong = {f"batch norm is in the wrong mode: the block is in {mode} mode": other}
    if block.downsample is not None:
        bare = block.downsample[0](x)
        wrong["the projection has no norm"] = F.relu(_branch(block, x) + bare)
    return wrong


def _with_activation(block: Any, x: Tensor, activation: nn.Module) -> Tensor:
    """Output of torchvision's MBConv with another activation in its convolutions."""
    changed = deepcopy(block)
    for layer in changed.block[:-1]:
        if isinstance(layer, nn.Sequential):
            layer[-1] = activation
    return changed(x)
