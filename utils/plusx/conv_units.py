"""Residual networks of convolutions whose orders and shortcuts are chosen by name.

The dense ones of `plusx.shortcuts`, with the paper's own layers: He et al. 2016, "Identity
Mappings in Deep Residual Networks" (arXiv 1603.05027). Its figure 2 has the shortcuts, its figure
4 the orders, its appendix the first and last unit. Stochastic depth is Huang et al. 2016 (arXiv
1603.09382). For experiments that take a GPU's hours: see `plusx.full_scale`.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from plusx.errors import ArgumentError
from plusx.models import PadShortcut
from plusx.shortcuts import ENDS, GATED, JOINS, unit_layers
from plusx.unraveled import survivals

BOTTLENECK = 4  # channels outside a bottleneck over those inside
Sizes = Sequence[tuple[int, int, int, int]]  # in channels, out channels, kernel, stride


class ConvUnit(nn.Module):
    """y = after(join(shortcut(x), F(x))): one residual unit of convolutions.

    order, shortcut, gate_bias: as in `plusx.shortcuts.DenseUnit`. A shortcut other than the
        identity stands only where shapes agree; where they do not, it is `crossing`
    bottleneck: F goes 1x1, 3x3, 1x1 through a fourth of the channels, else 3x3, 3x3
    shared: norm and ReLU of a pre-activation stand before both ways
    survival: probability with which F is computed in training; evaluation scales F by it
    x (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)).
    Raises `ArgumentError` for another name.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        stride: int = 1,
        order: str = "original",
        shortcut: str = "identity",
        gate_bias: float = 0.0,
        bottleneck: bool = False,
        shared: bool = False,
        survival: float = 1.0,
    ) -> None:
        super().__init__()
        letters, after = unit_layers(order, shortcut)
        self.crosses = stride != 1 or in_channels != out_channels
        before = letters[: letters.index("D")]
        self.shared = shared or (self.crosses and bool(before))
        sizes = _kernels(in_channels, out_channels, stride, bottleneck)
        letters = _for_layers(letters[len(before) :], len(sizes))
        self.before = nn.Sequential(*conv_layers(before, in_channels))
        self.branch = nn.Sequential(*conv_layers(letters, in_channels, sizes))
        self.after = nn.Sequential(*conv_layers(after, out_channels))
        self.crossing = self._crossing(in_channels, out_channels, stride, bottleneck, bool(before))
        self.join = "identity" if self.crosses else shortcut
        self.gate = self._gate(out_channels, gate_bias)
        self.survival = survival

    def _crossing(
        self, before: int, width: int, stride: int, projects: bool, bare: bool
    ) -> nn.Module:
        """Option A, or for bottlenecks and pre-activation a 1x1 convolution."""
        if not self.crosses:
            return nn.Identity()
        if not projects and not bare:
            return PadShortcut(width, stride)
        conv = nn.Conv2d(before, width, 1, stride, bias=False)
        return conv if bare else nn.Sequential(conv, nn.BatchNorm2d(width))

    def _gate(self, width: int, bias: float) -> nn.Module | None:
        if self.join == "dense":
            return nn.Conv2d(width, width, 1, bias=False)
        if self.join not in GATED:
            return None
        gate = nn.Sequential(nn.Conv2d(width, width, 1), nn.Sigmoid())
        nn.init.constant_(gate[0].bias, bias)  # type: ignore[arg-type]
        return gate

    def forward(self, x: Tensor) -> Tensor:
        return self.after(self.joined(*self.ways(x)))

    def ways(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What comes along the shortcut, and F(x): (B, out_channels, H', W') each."""
        a = self.before(x)  # (B, in_channels, H, W)
        f = self.branch(a)  # (B, out_channels, H', W')
        return self.crossing(a if self.shared else x), f

    def joined(self, x: Tensor, f: Tensor) -> Tensor:
        """x and F(x) put together, as the unit's shortcut does it."""
        if self.survival < 1:
            alive = torch.rand((), device=f.device) < self.survival
            f = f * (alive.to(f.dtype) if self.training else self.survival)
        g = x if self.gate is None else self.gate(x)
        return JOINS[self.join](x, f, g)

    def skipped(self, x: Tensor) -> Tensor:
        """The unit after a lesion: x, or what the crossing makes of it, without F."""
        return self.after(self.ways(x)[0]) if self.crosses else x


class UnitResNet(nn.Module):
    """A ResNet for small images: a stem, three stages of `ConvUnit`s, a head.

    depth: 6n + 2, with bottlenecks 9n + 2, else `ArgumentError`; 16, 32 and 64 channels, with
        bottlenecks four times as many
    last_survival: as in `plusx.unraveled.PreNet`
    x (B, 3, H, W) -> logits (B, classes).
    """

    def __init__(
        self,
        depth: int,
        order: str = "original",
        shortcut: str = "identity",
        gate_bias: float = 0.0,
        bottleneck: bool = False,
        last_survival: float = 1.0,
        classes: int = 10,
    ) -> None:
        super().__init__()
        layers = 9 if bottleneck else 6  # of three units, one in each stage
        n, remainder = divmod(depth - 2, layers)
        if remainder or n < 1:
            wanted = f"{layers}n + 2 with n >= 1"
            raise ArgumentError("no such depth", expected=wanted, got=depth, where="UnitResNet")
        starts_bare = not unit_layers(order, shortcut)[0].startswith("D")
        self.stem = nn.Sequential(*conv_layers("D" if starts_bare else "DNR", 3, [(3, 16, 3, 1)]))
        factor = BOTTLENECK if bottleneck else 1
        widths = [factor * width for width in (16, 32, 64) for _ in range(n)]
        alive = survivals(3 * n, last_survival)
        units = [
            ConvUnit(
                before, width, 2 if place in (n, 2 * n) else 1, order, shortcut, gate_bias,
                bottleneck, shared=starts_bare and place == 0, survival=alive[place],
            )
            for place, (before, width) in enumerate(zip([16, *widths], widths, strict=False))
        ]  # fmt: skip
        self.blocks = nn.Sequential(*units)
        self.end = nn.Sequential(*conv_layers(ENDS.get(order, ""), widths[-1]))
        self.head = nn.Linear(widths[-1], classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        return self.finish(self.blocks(self.stem(x)))

    def finish(self, x: Tensor) -> Tensor:
        """What follows the last unit: x (B, C, H/4, W/4) -> logits (B, classes)"""
        return self.head(torch.mean(self.end(x), dim=(2, 3)))

    def units(self) -> list[ConvUnit]:
        """Its units, in their order."""
        return [unit for unit in self.blocks if isinstance(unit, ConvUnit)]


def conv_layers(letters: str, width: int, sizes: Sizes = ()) -> list[nn.Module]:
    """Layers by their letters: D convolution, N batch norm, R ReLU.

    width: channels that come in; sizes: those of one convolution after the other.
    """
    coming, layers = iter(sizes), list[nn.Module]()
    for letter in letters:
        if letter == "D":
            before, width, kernel, stride = next(coming)
            layers.append(nn.Conv2d(before, width, kernel, stride, kernel // 2, bias=False))
        else:
            layers.append(nn.BatchNorm2d(width) if letter == "N" else nn.ReLU())
    return layers


def _kernels(before: int, width: int, stride: int, bottleneck: bool) -> Sizes:
    """The sizes of a branch's convolutions."""
    if not bottleneck:
        return [(before, width, 3, stride), (width, width, 3, 1)]
    inner = width // BOTTLENECK
    return [(before, inner, 1, 1), (inner, inner, 3, stride), (inner, width, 1, 1)]


def _for_layers(letters: str, count: int) -> str:
    """The letters of a branch of two convolutions, made to hold `count` of them."""
    between = letters[1 : letters.index("D", 1)]
    return ("D" + between) * (count - 2) + letters
