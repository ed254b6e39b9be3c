"""The depth challenge: a network as plain data, built from allowed parts, and what it costs.

A list of parts is data, so that nothing of an entrant's runs where an entry is judged: the
network is built anew there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NoReturn

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.data import SIDE
from plusx.errors import ArgumentError
from plusx.models import BasicBlock, PadShortcut

CHANNELS, CLASSES = 3, 10
MAX_PARTS, MAX_WIDTH = 200, 256
STRIDES = (1, 2, 2)  # of the first part of each stage
GROWTH = (1.0, 1.5, 2.0)  # how wide the stages are, beside the first


@dataclass(frozen=True)
class Costs:
    """What a network costs for one image, or may cost."""

    parameters: int
    multiply_adds: int

    def fits(self, budget: "Costs") -> bool:
        """Whether neither is above the budget."""
        return self.parameters <= budget.parameters and self.multiply_adds <= budget.multiply_adds


BUDGET = Costs(parameters=10_000, multiply_adds=1_000_000)


@dataclass(frozen=True)
class Part:
    """One part of a network: its kind, the channels it gives (or appends, if dense), its stride."""

    kind: str
    width: int
    stride: int = 1


class ConvPart(nn.Sequential):
    """relu(norm(conv(x))): one layer, no skip. (B, C, H, W) -> (B, width, H', W')"""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__(_conv(channels, width, stride), nn.BatchNorm2d(width), nn.ReLU())


class PreActivationPart(nn.Module):
    """shortcut(x) + F(x), F = norm, relu, conv, norm, relu, conv; the shortcut has no weights.

    (B, C, H, W) -> (B, width, H', W'). Source: He et al. 2016, figure 1b.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            _conv(channels, width, stride),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            _conv(width, width),
        )
        self.shortcut = PadShortcut(width, stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.shortcut(x) + self.branch(x)


class DensePart(nn.Module):
    """x beside conv(relu(norm(x))): (B, C, H, W) -> (B, C + width, H', W').

    With stride 2 both are halved, x by its mean over 2 x 2 pixels. Source: Huang et al. 2017.
    """

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), _conv(channels, width, stride)
        )
        self.stride = stride

    def forward(self, x: Tensor) -> Tensor:
        kept = F.avg_pool2d(x, self.stride, ceil_mode=True) if self.stride > 1 else x
        return torch.cat([kept, self.branch(x)], dim=1)  # (B, C + width, H', W')


def _conv(channels: int, width: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, width, 3, stride, padding=1, bias=False)


def _residual(channels: int, width: int, stride: int) -> nn.Module:
    return BasicBlock(channels, width, stride, option="A")


KINDS: Mapping[str, Callable[[int, int, int], nn.Module]] = {
    "conv": ConvPart,
    "residual": _residual,
    "preactivation": PreActivationPart,
    "dense": DensePart,
}


def stages(kind: str, width: int, blocks: int) -> list[list[str | int]]:
    """A network in three stages: one convolution, then `blocks` blocks in each stage.

    The stages are `width`, 1.5 and 2 times as wide, and see 16, 8 and 4 rows of pixels. A block
    is one part; of kind "conv" it is two parts, so that it has two layers as residual ones have.
    Of kind "dense" it is two parts as well, and each appends `width` channels.
    """
    parts: list[list[str | int]] = [["conv", width if kind != "dense" else 2 * width]]
    each = 1 if kind in ("residual", "preactivation") else 2
    for stride, growth in zip(STRIDES, GROWTH, strict=True):
        wide = width if kind == "dense" else int(width * growth)
        for n in range(blocks * each):
            parts.append([kind, wide, 1 if n else stride])
    return parts


def layers_of(parts: object) -> int:
    """Layers with weights on the longest way through: convolutions, and the dense layer.

    Raises `ArgumentError` for what is no list of parts.
    """
    return 1 + sum(
        2 if part.kind in ("residual", "preactivation") else 1 for part in read_parts(parts)
    )


def read_parts(parts: object) -> tuple[Part, ...]:
    """Parts from plain data: a list of [kind, width] or [kind, width, stride].

    Raises `ArgumentError`, which names the first part that is none.
    """
    if not isinstance(parts, list | tuple) or not 1 <= len(parts) <= MAX_PARTS:
        _refuse("this is no list of parts", f"a list of 1 to {MAX_PARTS} parts", short(parts))
    made, channels = [], CHANNELS
    for number, item in enumerate(parts):
        part = _read_part(item, number)
        skips = part.kind in ("residual", "preactivation")
        if skips and part.width < channels:
            what = f"part {number}: a skip cannot take channels away"
            _refuse(what, f"a width of {channels} or more", part.width)
        channels = channels + part.width if part.kind == "dense" else part.width
        made.append(part)
    return tuple(made)


def _read_part(item: object, number: int) -> Part:
    if not isinstance(item, list | tuple) or len(item) not in (2, 3):
        expected = "[kind, width] or [kind, width, stride]"
        _refuse(f"part {number} is no part", expected, short(item))
    kind, width, stride = (*item, 1)[:3]
    if not isinstance(kind, str) or kind not in KINDS:
        _refuse(f"part {number}: there is no such kind", ", ".join(KINDS), short(kind))
    if type(width) is not int or not 1 <= width <= MAX_WIDTH:
        expected = f"a whole number, 1 to {MAX_WIDTH}"
        _refuse(f"part {number}: this is no width", expected, short(width))
    if type(stride) is not int or stride not in (1, 2):
        _refuse(f"part {number}: this is no stride", "1 or 2", short(stride))
    return Part(kind, width, stride)


def _refuse(what: str, expected: str, got: object) -> NoReturn:
    raise ArgumentError(what, expected=expected, got=got, where="the list of parts")


def short(value: object) -> str:
    """A value as text of at most 60 signs; what cannot be written is named by its class."""
    if not isinstance(value, str | int | float | list | tuple | dict | None):
        return f"an object of class {type(value).__name__}"[:60]
    if isinstance(value, list | tuple | dict):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value[:80]) if isinstance(value, str) else _number_text(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _number_text(value: object) -> str:
    try:
        return repr(value)
    except ValueError:  # Python refuses to write integers of very many digits
        return "a number of very many digits"


def build(parts: object) -> nn.Sequential:
    """The network of a list of parts: images (B, 3, 16, 16) -> logits (B, 10).

    Behind the parts stand a norm, a ReLU, the mean over all pixels, and one dense layer.
    Raises `ArgumentError` for what is no list of parts.
    """
    modules, channels = list[nn.Module](), CHANNELS
    for part in read_parts(parts):
        modules.append(KINDS[part.kind](channels, part.width, part.stride))
        channels = channels + part.width if part.kind == "dense" else part.width
    head = [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    net = nn.Sequential(*modules, *head, nn.Linear(channels, CLASSES))
    for module in net.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
    return net


def costs_of(parts: object) -> Costs:
    """Parameters and multiply-adds for one image of a list of parts; nothing is built.

    Multiply-adds are those of convolutions and of the dense layer. Raises `ArgumentError` for
    what is no list of parts.
    """
    parameters, adds, channels, side = 0, 0, CHANNELS, SIDE
    for part in read_parts(parts):
        side = -(-side // part.stride)  # rounded up
        weights = 9 * channels * part.width
        normed = part.width if part.kind == "conv" else channels
        if part.kind in ("residual", "preactivation"):
            weights += 9 * part.width**2
            normed = part.width + (part.width if part.kind == "residual" else channels)
        parameters += weights + 2 * normed
        adds += weights * side**2
        channels = channels + part.width if part.kind == "dense" else part.width
    head = channels * CLASSES
    return Costs(parameters + 2 * channels + head + CLASSES, adds + head)


def widest(kind: str, blocks: int, budget: Costs = BUDGET) -> int:
    """The largest width for which `stages(kind, width, blocks)` fits a budget; 0 if none does."""
    width = 0
    while costs_of(stages(kind, width + 1, blocks)).fits(budget):
        width += 1
    return width
