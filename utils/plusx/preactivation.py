"""Residual networks whose norms and ReLUs stand before the convolutions.

He et al. 2016, "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027): the unit is
figure 1b, the first and the last unit of a network are treated in the appendix. Units that
change the shape follow the authors' own code (github.com/KaimingHe/resnet-1k-layers).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError


class PreActBlock(nn.Module):
    """y = shortcut + F(x), F = norm, relu, conv 3x3, norm, relu, conv 3x3; nothing after the sum.

    The shortcut is x where shapes agree, else a 1x1 convolution of relu(norm(x)), without norm.
    `shared` is for a unit right behind a convolution: then relu(norm(x)) takes the place of x on
    both ways. x (B, in_channels, H, W) -> (B, out_channels, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(
        self, in_channels: int, out_channels: int, stride: int = 1, shared: bool = False
    ) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        changes_shape = stride != 1 or in_channels != out_channels
        self.shared = shared or changes_shape
        self.projection: nn.Module = nn.Identity()
        if changes_shape:
            self.projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        a = F.relu(self.norm1(x))  # (B, in_channels, H, W)
        y = self.conv2(F.relu(self.norm2(self.conv1(a))))  # (B, out_channels, H', W')
        return self.projection(a if self.shared else x) + y


class PreActResNet(nn.Module):
    """The pre-activation ResNet for small images: 6n + 2 layers in three stages.

    A bare convolution, 3n units (the first one shared), norm, ReLU, mean over the pixels, and one
    linear layer. x (B, 3, H, W) -> logits (B, classes). Raises `ArgumentError` unless `depth` is
    6n + 2 with n >= 1.
    """

    def __init__(
        self, depth: int, classes: int = 10, widths: tuple[int, int, int] = (16, 32, 64)
    ) -> None:
        super().__init__()
        units, remainder = divmod(depth - 2, 6)
        if remainder or units < 1:
            raise ArgumentError(
                "no such depth", expected="6n + 2 with n >= 1", got=depth, where="PreActResNet"
            )
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        before = widths[0]
        for stage, width in enumerate(widths):
            for n in range(units):
                stride = 2 if stage > 0 and n == 0 else 1
                blocks.append(PreActBlock(before, width, stride, shared=not blocks))
                before = width
        self.blocks = nn.Sequential(*blocks)
        self.end = nn.Sequential(nn.BatchNorm2d(before), nn.ReLU())
        self.head = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = self.end(self.blocks(self.stem(x)))  # (B, C, H/4, W/4)
        return self.head(torch.mean(x, dim=(2, 3)))  # (B, classes)
