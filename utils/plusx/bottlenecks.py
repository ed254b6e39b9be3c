"""Reference bottleneck blocks and the residual networks made of them.

He et al. 2015 (arXiv 1512.03385, section 4.1): the bottleneck. Xie et al. 2017 (arXiv
1611.05431): groups. Sandler et al. 2018 (arXiv 1801.04381): the inverted bottleneck. Hu
et al. 2018 (arXiv 1709.01507): squeeze and excitation. Tan and Le 2019 (arXiv 1905.11946)
join the last two; their blocks are what `InvertedBottleneck` builds.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Bottleneck(nn.Module):
    """y = relu(F(x) + shortcut(x)) with F = conv 1x1, conv 3x3, conv 1x1, each with a norm.

    x (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)).
    `width` are the channels of the 3x3 convolution, which works in `groups`. The stride is
    the 3x3's ("v1.5"), or with `stride_first` the first 1x1's (the paper's "v1"). The
    shortcut is the identity where shapes agree, else a 1x1 convolution and norm.
    """

    def __init__(
        self,
        in_channels: int,
        width: int,
        out_channels: int,
        stride: int = 1,
        groups: int = 1,
        stride_first: bool = False,
    ) -> None:
        super().__init__()
        first, second = (stride, 1) if stride_first else (1, stride)
        self.branch = nn.Sequential(
            nn.Conv2d(in_channels, width, 1, first, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, second, padding=1, groups=groups, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


class BottleneckResNet(nn.Module):
    """The ResNet for large images with bottleneck blocks: ResNet-50, 101, 152 and kin.

    x (B, 3, H, W) -> logits (B, classes). `blocks` are the blocks of the four stages, whose
    outputs have 256, 512, 1024 and 2048 channels. `width` are the inner channels of the
    first stage; they double from stage to stage. Its tensors stand in torchvision's order.
    """

    def __init__(
        self,
        blocks: Sequence[int],
        classes: int = 1000,
        width: int = 64,
        groups: int = 1,
        stride_first: bool = False,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        layers, channels = [], 64
        for stage, count in enumerate(blocks):
            inner, outer = width * 2**stage, 256 * 2**stage
            for block in range(count):
                stride = 2 if stage > 0 and block == 0 else 1
                layers.append(Bottleneck(channels, inner, outer, stride, groups, stride_first))
                channels = outer
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.stem(x))  # (B, 2048, H/32, W/32)
        return self.head(torch.mean(x, dim=(2, 3)))  # (B, classes)


class SqueezeExcite(nn.Module):
    """Scale every channel by a number from 0 to 1 that the means of all channels determine.

    x (B, channels, H, W) -> the same shape. The means go through a dense layer to `squeezed`
    numbers, SiLU, a dense layer back, and a sigmoid. Source: Hu et al. 2018, section 3, with
    the SiLU of Tan and Le 2019.
    """

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, squeezed)
        self.excite = nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        means = x.mean(dim=(2, 3))  # (B, C)
        gates = torch.sigmoid(self.excite(F.silu(self.squeeze(means))))  # (B, C)
        return x * gates[:, :, None, None]


class InvertedBottleneck(nn.Module):
    """EfficientNet's MBConv: widen, filter each channel alone, gate, narrow; no last ReLU.

    x (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)). The
    branch is conv 1x1 to expand * in_channels, norm, SiLU (left out for expand 1); depthwise
    convolution, norm, SiLU; `SqueezeExcite` through in_channels // 4; conv 1x1, norm. x is
    added where shapes agree. Source: Tan and Le 2019 (arXiv 1905.11946).
    """

    def __init__(
        self, in_channels: int, out_channels: int, expand: int, kernel: int = 3, stride: int = 1
    ) -> None:
        super().__init__()
        width = expand * in_channels
        widen = [
            nn.Conv2d(in_channels, width, 1, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
        ]
        self.branch = nn.Sequential(
            *(widen if expand != 1 else []),
            nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            SqueezeExcite(width, max(1, in_channels // 4)),
            nn.Conv2d(width, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        )
        self.adds = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x)  # (B, out_channels, H', W')
        return x + y if self.adds else y
