"""What well-known mistakes would compute, for the U-Net of lesson 07.

As in `plusx.diagnose`, each function returns a dictionary: a sentence about the mistake -> the
value it gives.
"""

from copy import deepcopy
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from plusx.unet import UNet


def right_iou(logits: Tensor, masks: Tensor) -> float:
    """Intersection over union of {logits > 0} and {masks = 1}; 1 where both are empty."""
    found, wanted = logits > 0, masks > 0.5
    union = (found | wanted).sum().item()
    return (found & wanted).sum().item() / union if union else 1.0


def wrong_ious(logits: Tensor, masks: Tensor) -> dict[str, float]:
    """Mistakes in the intersection over union."""
    found, wanted = logits > 0, masks > 0.5
    both, either = (found & wanted).sum().item(), (found | wanted).sum().item()
    total = found.sum().item() + wanted.sum().item()
    one_by_one = [
        right_iou(*pair) for pair in zip(logits.flatten(1), masks.flatten(1), strict=True)
    ]
    wrong = {
        "logits are compared with 0.5: a logit of 0 is a probability of 0.5": right_iou(
            logits - 0.5, masks
        ),
        "this is the share of pixels that are right: leave out those that both leave out": (
            (found == wanted).float().mean().item()
        ),
        "the means of single pictures are averaged: count the pixels of the batch together": sum(
            one_by_one
        )
        / len(one_by_one),
        "it is 100 times as large: a number from 0 to 1": 100 * right_iou(logits, masks),
        "this is the intersection over union of the background": right_iou(-logits, 1 - masks),
        "this is the intersection in pixels: divide by the union": float(both),
    }
    if (logits == 0).any():
        above = right_iou(logits.where(logits != 0, 1), masks)
        wrong = {"logits of exactly 0 are taken as found: found is above 0": above} | wrong
    if not either:
        wrong = {"nothing was found and nothing wanted: nothing is missed, it is 1": 0.0} | wrong
    else:
        wrong |= {
            "this is the Dice coefficient: divide by the union": 2 * both / total,
            "the union counts the intersection twice: subtract it once": both / total,
            "this divides by the wanted pixels alone: the union has the found ones, too": both
            / max(1, wanted.sum().item()),
            "this divides by the found pixels alone: the union has the wanted ones, too": both
            / max(1, found.sum().item()),
            "probabilities are multiplied: decide each pixel first, by the sign of its logit": (
                _soft(logits, masks)
            ),
        }
    return wrong


def _soft(logits: Tensor, masks: Tensor) -> float:
    p = logits.sigmoid()
    both = (p * masks).sum().item()
    return both / (p.sum().item() + masks.sum().item() - both)


def wrong_unet_counts(
    in_channels: int, out_channels: int, width: int, depth: int, skip: str
) -> dict[str, int]:
    """Mistakes in the number of parameters of a U-Net."""

    def count(**changes: Any) -> int:
        settings: dict[str, Any] = {
            "in_channels": in_channels,
            "out_channels": out_channels,
            "width": width,
            "depth": depth,
            "skip": skip,
        }
        with torch.device("meta"):
            return sum(p.numel() for p in UNet(**(settings | changes)).parameters())

    right = count()
    narrow = [width * 2**level for level in range(depth)]
    other = "none" if skip == "concat" else "concat"
    fed = "C channels, but" if skip == "concat" else "2 C channels, but"
    read = "2 C" if skip == "concat" else "C"
    return {
        f"the decoder's first convolution reads {fed} with skip={skip!r} it reads {read}": count(
            skip=other
        ),
        "there is one level too many: depth halvings have depth + 1 sizes": count(depth=depth + 1),
        "there is one level too few: depth halvings have depth + 1 sizes": count(depth=depth - 1),
        "depth is ignored: there are two halvings": count(depth=2),
        "width is ignored": count(width=6),
        "in_channels is ignored: x has one channel": count(in_channels=1),
        "out_channels is ignored: there is one": count(out_channels=1),
        "the head has no bias": right - out_channels,
        "the convolutions that halve the channels have no bias": right - sum(narrow),
        "the convolutions that halve the channels are missing": right
        - sum(2 * C * C + C for C in narrow),
        "the head is a 3x3 convolution: it is 1x1": right + 8 * width * out_channels,
        "the channels do not double from level to level": _flat_count(
            in_channels, out_channels, width, depth, skip
        ),
    }


def _flat_count(C: int, D: int, width: int, depth: int, skip: str) -> int:
    """Parameters of a U-Net with `width` channels at all levels."""
    pair = 18 * width**2 + 4 * width  # two convolutions and two norms
    wide = 9 * width**2 if skip == "concat" else 0
    encoders = pair - 9 * width**2 + 9 * C * width + depth * pair
    return encoders + depth * (width**2 + width + pair + wide) + width * D + D


def wrong_unets(net: UNet, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in the output of a U-Net; `net` is the right one."""
    net = deepcopy(net)
    right = net(x)
    wrong = {
        "the output is all zeros": torch.zeros_like(right),
        "the output goes through a sigmoid: return logits": right.sigmoid(),
        "the output goes through a ReLU: the head ends with its convolution": F.relu(right),
    }
    ways: dict[str, dict[str, Any]] = {
        "the encoder takes the mean of 2 x 2 pixels: take the maximum": {"pool": F.avg_pool2d},
        "pixels are enlarged by interpolation: repeat them (mode='nearest')": {"mode": "bilinear"},
    }
    if net.skip == "concat":
        ways |= {
            "the order of the channels is exchanged: the encoder's come first": {
                "join": lambda up, earlier: torch.cat([up, earlier], 1)
            },
            "the skip is empty: x comes twice": {"join": lambda up, _: torch.cat([up, up], 1)},
            "the encoder's channels come twice: what came up is missing": {
                "join": lambda _, earlier: torch.cat([earlier, earlier], 1)
            },
        }
    else:
        ways |= {
            "the skip is missing: with skip='add' it is added": {"join": lambda up, _: up},
            "what came up is missing": {"join": lambda _, earlier: earlier},
            "the skip is added although skip='none'": {"join": lambda up, earlier: up + earlier},
            "the skip is subtracted: add it": {"join": lambda up, earlier: up - earlier},
            "the mean of the two is taken: add them": {
                "join": lambda up, earlier: (up + earlier) / 2
            },
            "the two are multiplied: add them": {"join": lambda up, earlier: up * earlier},
        }
    found = wrong | {sentence: _varied(net, x, **way) for sentence, way in ways.items()}
    return {k: v for k, v in found.items() if v.shape != right.shape or not torch.equal(v, right)}


def _varied(
    net: UNet, x: Tensor, pool: Any = F.max_pool2d, mode: str = "nearest", join: Any = None
) -> Tensor:
    """The forward pass with a part exchanged."""
    kept: list[Tensor] = []
    for encoder in net.encoders:
        x = encoder(pool(x, 2) if kept else x)
        kept.append(x)
    kept.pop()
    for up, decoder in zip(net.ups, net.decoders, strict=True):
        earlier = kept.pop()
        x = F.interpolate(up(x), size=earlier.shape[2:], mode=mode)
        x = decoder((join or net.joined)(x, earlier))
    return net.head(x)
