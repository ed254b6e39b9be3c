"""Residual networks without norm, and starts near the identity that make them train.

| start   | branch begins at | by | source |
|---|---|---|---|
| plain   | full size   | nothing | |
| scaled  | 1/sqrt(units) | a fixed factor | |
| SkipInit | zero       | a learned factor that begins at 0 | De, Smith 2020 (arXiv 2002.10444) |
| Fixup   | zero        | a last layer of zeros, the others scaled | Zhang et al. 2019, 1901.09321 |

ReZero (Bachlechner et al. 2020, arXiv 2003.04887) has the same learned factor as SkipInit.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError
from plusx.gates import initialise_ends
from plusx.shortcuts import UnitMlp

STARTS = ("plain", "scaled", "SkipInit", "Fixup")


def fixup_factor(units: int, layers: int) -> float:
    """By what Fixup multiplies the weights of a branch, all but its last layer: L^(-1/(2m-2))."""
    return units ** (-1 / (2 * layers - 2))


class ScaledUnit(nn.Module):
    """y = x + scale * F(x), F = ReLU, dense, ReLU, dense; no norm.

    units: how many there are in the network; start: one of STARTS, else `ArgumentError`
    x (B, width) -> y (B, width)
    """

    def __init__(self, width: int, units: int, start: str) -> None:
        super().__init__()
        if start not in STARTS:
            raise ArgumentError("no such start", expected=STARTS, got=repr(start))
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        scale = torch.tensor({"scaled": units**-0.5, "SkipInit": 0.0}.get(start, 1.0))
        self.scale: Tensor | nn.Parameter
        if start in ("SkipInit", "Fixup"):
            self.scale = nn.Parameter(scale)
        else:
            self.register_buffer("scale", scale)
        for layer in (self.first, self.second):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        if start == "Fixup":
            with torch.no_grad():
                self.first.weight.mul_(fixup_factor(units, layers=2))
                self.second.weight.zero_()

    def forward(self, x: Tensor) -> Tensor:
        return x + self.scale * self.second(F.relu(self.first(F.relu(x))))


class NormFreeMlp(nn.Module):
    """A dense residual network of `depth` layers without norm: a stem, units, a head.

    x (B, ...), flattened to (B, inputs) -> logits (B, classes). Fixup's head begins at zero too.
    """

    def __init__(
        self, depth: int, start: str, width: int = 32, inputs: int = 64, classes: int = 10
    ) -> None:
        super().__init__()
        units = (depth - 2) // 2
        self.stem = nn.Sequential(nn.Linear(inputs, width), nn.ReLU())
        self.blocks = nn.Sequential(*(ScaledUnit(width, units, start) for _ in range(units)))
        self.head = nn.Linear(width, classes)
        initialise_ends(self.stem, self.head)
        if start == "Fixup":
            nn.init.zeros_(self.head.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1))  # (B, width)
        return self.head(F.relu(self.blocks(x)))  # (B, classes)


def zero_gamma(depth: int, order: str = "original", width: int = 32) -> UnitMlp:
    """A residual network with norm whose branches begin at zero: the last norm's scale is 0.

    Source: Goyal et al. 2017 (arXiv 1706.02677), section 5.1.
    """
    net = UnitMlp(depth, order, width=width)
    for block in net.blocks.children():
        norms = [
            m for m in block.get_submodule("branch").modules() if isinstance(m, nn.BatchNorm1d)
        ]
        nn.init.zeros_(norms[-1].weight)
    return net
