"""The reference U-Net: an encoder, a decoder, and long skips between them.

Ronneberger, Fischer, Brox 2015, "U-Net: Convolutional Networks for Biomedical Image Segmentation"
(arXiv 1505.04597), section 2; with padding, batch norm, and enlarged pixels instead of transposed
convolutions, so that the output has the size of the input, whatever that is.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError

SKIPS = ("concat", "add", "none")


def double_conv(in_channels: int, out_channels: int) -> nn.Sequential:
    """Twice: conv 3x3, norm, ReLU. The size of the image stays."""
    layers: list[nn.Module] = []
    for channels in (in_channels, out_channels):
        layers += [
            nn.Conv2d(channels, out_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """A U-Net with `depth` halvings: x (B, in_channels, H, W) -> (B, out_channels, H, W).

    The encoder has width, 2 width, 4 width ... channels. `skip` says how the decoder gets what the
    encoder had at the same size: "concat", "add", or "none", not at all. Raises `ArgumentError`
    for another skip.
    """

    def __init__(
        self,
        in_channels: int = 1,
        out_channels: int = 1,
        width: int = 6,
        depth: int = 2,
        skip: str = "concat",
    ) -> None:
        super().__init__()
        if skip not in SKIPS:
            raise ArgumentError("no such skip", expected=SKIPS, got=repr(skip), where="UNet")
        self.skip = skip
        widths = [width * 2**level for level in range(depth + 1)]
        self.encoders = nn.ModuleList(
            double_conv(C, D) for C, D in zip([in_channels, *widths], widths, strict=False)
        )
        self.ups, self.decoders = nn.ModuleList(), nn.ModuleList()
        for C in reversed(widths[:-1]):
            self.ups.append(nn.Conv2d(2 * C, C, 1))
            self.decoders.append(double_conv(2 * C if skip == "concat" else C, C))
        self.head = nn.Conv2d(width, out_channels, 1)

    def forward(self, x: Tensor, closed: tuple[int, ...] = ()) -> Tensor:
        """The skips of the levels in `closed` carry zeros; level 0 has the full size."""
        kept: list[Tensor] = []
        for encoder in self.encoders:
            x = encoder(F.max_pool2d(x, 2) if kept else x)  # (B, width * 2**level, H', W')
            kept.append(x)
        kept.pop()  # the deepest level is x itself
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            level = len(kept) - 1
            earlier = kept.pop()
            x = F.interpolate(up(x), size=earlier.shape[2:])  # as many channels as earlier
            x = decoder(self.joined(x, earlier * 0 if level in closed else earlier))
        return self.head(x)  # (B, out_channels, H, W)

    def joined(self, x: Tensor, earlier: Tensor) -> Tensor:
        """What the decoder reads: x and earlier are (B, C, H, W) each."""
        if self.skip == "concat":
            return torch.cat([earlier, x], dim=1)  # (B, 2C, H, W)
        return x + earlier if self.skip == "add" else x
