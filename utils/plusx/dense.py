"""Reference dense networks: every layer reads what all layers before it wrote.

Huang, Liu, van der Maaten, Weinberger 2017, "Densely Connected Convolutional Networks" (arXiv
1608.06993): sections 3 and 4.2.2. Recomputing instead of keeping: Pleiss et al. 2017,
"Memory-Efficient Implementation of DenseNets" (arXiv 1707.06990).
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

FACTOR = 4  # channels inside a layer, as a multiple of the growth rate


class DenseLayer(nn.Module):
    """New channels from all earlier ones: norm, ReLU, conv 1x1, norm, ReLU, conv 3x3.

    features: list of tensors (B, C_i, H, W), `in_channels` together -> (B, growth, H, W).
    With `recompute`, the first half keeps nothing for the backward pass and runs again in it.
    """

    def __init__(self, in_channels: int, growth: int, recompute: bool = False) -> None:
        super().__init__()
        inner = FACTOR * growth
        self.recompute = recompute
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def squeeze(self, *features: Tensor) -> Tensor:
        """The first half: features, (B, in_channels, H, W) together -> (B, 4 growth, H, W)"""
        return self.conv1(F.relu(self.norm1(torch.cat(features, 1))))

    def forward(self, features: Sequence[Tensor]) -> Tensor:
        if self.recompute and torch.is_grad_enabled():
            y = checkpoint(self.squeeze, *features, use_reentrant=False)
        else:
            y = self.squeeze(*features)  # (B, 4 growth, H, W)
        return self.conv2(F.relu(self.norm2(y)))  # (B, growth, H, W)


class DenseBlock(nn.Module):
    """Dense layers at one size of the image: x and all that they make, side by side.

    x (B, in_channels, H, W) -> (B, in_channels + layers * growth, H, W)
    """

    def __init__(self, layers: int, in_channels: int, growth: int, recompute: bool = False) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(in_channels + n * growth, growth, recompute) for n in range(layers)
        )

    def members(self) -> list[DenseLayer]:
        """The layers, first to last."""
        return [layer for layer in self.layers if isinstance(layer, DenseLayer)]

    def forward(self, x: Tensor) -> Tensor:
        features = [x]
        for layer in self.layers:
            features.append(layer(features))
        return torch.cat(features, 1)  # (B, in_channels + layers * growth, H, W)


class DenseNet(nn.Module):
    """The dense network for large images: DenseNet-121 and its relatives.

    x (B, in_channels, H, W) -> logits (B, classes). `blocks` are the layers of each dense block;
    between two blocks a transition halves channels, rows and columns. With `small`, the stem
    is one 3x3 convolution and keeps the size of the image. Its tensors stand in torchvision's
    order.
    """

    def __init__(
        self,
        blocks: Sequence[int] = (6, 12, 24, 16),
        growth: int = 32,
        stem: int = 64,
        classes: int = 1000,
        recompute: bool = False,
        small: bool = False,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        parts: list[nn.Module] = [_stem(in_channels, stem, small)]
        channels = stem
        for number, layers in enumerate(blocks):
            if number:
                parts.append(transition(channels, channels // 2))
                channels //= 2
            parts.append(DenseBlock(layers, channels, growth, recompute))
            channels += layers * growth
        self.features = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (B, channels, H', W')
        return self.head(torch.mean(x, dim=(2, 3)))  # (B, classes)

    def dense_blocks(self) -> list[DenseBlock]:
        """The dense blocks, first to last."""
        return [part for part in self.features if isinstance(part, DenseBlock)]


def transition(in_channels: int, out_channels: int) -> nn.Sequential:
    """Between two blocks: norm, ReLU, conv 1x1, mean of 2 x 2 pixels."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.AvgPool2d(2),
    )


def _stem(in_channels: int, channels: int, small: bool) -> nn.Module:
    if small:
        return nn.Conv2d(in_channels, channels, 3, padding=1, bias=False)
    return nn.Sequential(
        nn.Conv2d(in_channels, channels, 7, stride=2, padding=3, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.MaxPool2d(3, stride=2, padding=1),
    )


def dense_channels(
    blocks: Sequence[int], growth: int = 32, stem: int = 64
) -> list[tuple[int, int]]:
    """Channels that enter and leave each dense block, when transitions halve them."""
    widths, channels = [], stem
    for layers in blocks:
        widths.append((channels, channels + layers * growth))
        channels = widths[-1][1] // 2
    return widths


def kept_channels(layers: int, first: int, growth: int, recompute: bool = False) -> int:
    """Channels that a dense block keeps for its backward pass.

    Each layer keeps what its two norms and its two convolutions read; its first half, where it is
    recomputed, reads nothing but the features themselves, which all layers share.
    """
    read = [first + n * growth for n in range(layers)]
    inner = 2 * FACTOR * growth * layers
    return inner + (read[-1] if recompute else 2 * sum(read))
