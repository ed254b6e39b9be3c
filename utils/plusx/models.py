"""Reference residual networks for small images, and their plain twins.

He et al. 2015, "Deep Residual Learning for Image Recognition" (arXiv 1512.03385):
the block is section 3.2, the shortcut options A and B are section 4.1, the networks
for CIFAR-10 are section 4.2. `Mlp` is the same idea with dense layers, small enough
to be trained dozens of times on a laptop.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError

OPTIONS = ("A", "B")


def pad_shortcut(x: Tensor, out_channels: int, stride: int) -> Tensor:
    """Option A: keep every `stride`-th pixel, append channels of zeros; no weights.

    x (B, C, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)), on the
    device and in the dtype of x. Raises `ArgumentError` if `out_channels` < C.
    """
    missing = out_channels - x.shape[1]
    if missing < 0:
        raise ArgumentError(
            "option A can only add channels",
            expected=f"out_channels >= {x.shape[1]}",
            got=out_channels,
            where="pad_shortcut",
        )
    x = x[:, :, ::stride, ::stride]  # (B, C, H', W')
    return F.pad(x, (0, 0, 0, 0, 0, missing))  # (B, out_channels, H', W')


class PadShortcut(nn.Module):
    """Option A as a module: `pad_shortcut` with fixed channels and stride."""

    def __init__(self, out_channels: int, stride: int) -> None:
        super().__init__()
        self.out_channels = out_channels
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        return pad_shortcut(x, self.out_channels, self.stride)


class BasicBlock(nn.Module):
    """y = relu(F(x) + shortcut(x)) with F = conv, norm, relu, conv, norm.

    x (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)).
    The shortcut is the identity where shapes agree, else option "A" (zero padding)
    or "B" (1x1 convolution and norm). `skip=False` leaves it out: the plain twin.
    Raises `ArgumentError` for another option. Source: He et al. 2015, section 3.2.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        option: str = "B",
        skip: bool = True,
    ) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut = _shortcut(in_channels, out_channels, stride, option) if skip else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x)  # (B, out_channels, H', W')
        if self.shortcut is not None:
            y = y + self.shortcut(x)
        return F.relu(y)


def _shortcut(in_channels: int, out_channels: int, stride: int, option: str) -> nn.Module:
    if option not in OPTIONS:
        raise ArgumentError("unknown shortcut option", expected=OPTIONS, got=repr(option))
    if in_channels == out_channels and stride == 1:
        return nn.Identity()
    if option == "A":
        return PadShortcut(out_channels, stride)
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class CifarResNet(nn.Module):
    """The ResNet for 32x32 images: 6n + 2 layers, widths 16, 32, 64.

    x (B, 3, H, W) -> logits (B, classes). `depth` is 20, 32, 44, 56, 110 or any other
    6n + 2 with n >= 1, else `ArgumentError`. `skip=False` gives the plain twin, with as
    many parameters as option "A". Source: He et al. 2015, section 4.2.
    """

    def __init__(self, depth: int, option: str = "A", classes: int = 10, skip: bool = True) -> None:
        super().__init__()
        blocks, remainder = divmod(depth - 2, 6)
        if remainder or blocks < 1:
            raise ArgumentError(
                "no such depth", expected="6n + 2 with n >= 1", got=depth, where="CifarResNet"
            )
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        widths = [16] * blocks + [32] * blocks + [64] * blocks
        self.blocks = nn.Sequential(
            *(
                BasicBlock(before, width, width // before, option, skip)
                for before, width in zip([16, *widths], widths, strict=False)
            )
        )
        self.head = nn.Linear(64, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)  # (B, 16, H, W)
        x = self.blocks(x)  # (B, 64, H/4, W/4)
        x = torch.mean(x, dim=(2, 3))  # (B, 64)
        return self.head(x)  # (B, classes)


class Mlp(nn.Module):
    """A dense network of `depth` layers with weights, plain or with a skip over every two.

    One layer from the inputs to `width`, blocks of two layers (with `skip`: relu(F(x) + x)), and
    one layer to the logits; a norm follows each layer but the last, if `norm`. Weights are
    normal with variance gain^2 / fan-in; a gain of sqrt(2) is He initialisation.
    x (B, ...), flattened to (B, inputs) -> logits (B, classes). Raises `ArgumentError` unless
    `depth` is even and at least 2.
    """

    def __init__(
        self,
        depth: int,
        skip: bool = False,
        norm: bool = True,
        width: int = 32,
        inputs: int = 64,
        classes: int = 10,
        gain: float = 2**0.5,
    ) -> None:
        super().__init__()
        blocks, remainder = divmod(depth - 2, 2)
        if remainder or blocks < 0:
            raise ArgumentError("no such depth", expected="2, 4, 6, ...", got=depth, where="Mlp")
        self.stem = nn.Sequential(*_dense(inputs, width, norm), nn.ReLU())
        self.blocks = nn.Sequential(*(DenseBlock(width, skip, norm) for _ in range(blocks)))
        self.head = nn.Linear(width, classes)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.normal_(module.weight, std=gain / module.in_features**0.5)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1))  # (B, width)
        return self.head(self.blocks(x))  # (B, classes)


class DenseBlock(nn.Module):
    """y = relu(F(x) + x), or relu(F(x)) without `skip`; F = dense, norm, relu, dense, norm."""

    def __init__(self, width: int, skip: bool, norm: bool) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *_dense(width, width, norm), nn.ReLU(), *_dense(width, width, norm)
        )
        self.skip = skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x)  # (B, width)
        return F.relu(y + x if self.skip else y)


def _dense(inputs: int, outputs: int, norm: bool) -> list[nn.Module]:
    """A dense layer, and its norm if it has one; with a norm, a bias would do nothing."""
    layer = nn.Linear(inputs, outputs, bias=not norm)
    return [layer, nn.BatchNorm1d(outputs)] if norm else [layer]
