"""Shifted and mirrored images, a whole batch at once, on whatever device the images are.

Which shift and which side is drawn on the CPU, so that a seed means the same on every device;
the draws of a whole epoch take one copy to the device.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

REACH = 4  # pixels by which an image is shifted at most


def augment(images: Tensor, draw: torch.Generator) -> Tensor:
    """Shift each image by up to 4 pixels, with zeros around it, and mirror half of them.

    images (B, C, H, W) -> (B, C, H, W). Source: He et al. 2015, section 4.2.
    """
    return moved(images, draw_moves(len(images), draw).to(images.device))


def draw_moves(count: int, draw: torch.Generator) -> Tensor:
    """For each of `count` images: row and column of its window, and whether it is mirrored.

    (count, 3) in int64 on the CPU; rows and columns from 0 to 8, 4 being no shift; 0 or 1.
    """
    windows = torch.randint(2 * REACH + 1, (count, 2), generator=draw)
    return torch.cat([windows, torch.randint(2, (count, 1), generator=draw)], dim=1)


def moved(images: Tensor, moves: Tensor) -> Tensor:
    """images (B, C, H, W), shifted and mirrored as moves (B, 3) say -> (B, C, H, W)"""
    rows, columns, mirrored = moves.unbind(dim=1)  # (B,) each
    padded = F.pad(images, [REACH] * 4)  # (B, C, H + 8, W + 8)
    windows = padded.unfold(2, images.shape[2], 1).unfold(3, images.shape[3], 1)
    shifted = windows[torch.arange(len(images), device=images.device), :, rows, columns]
    return torch.where(mirrored.view(-1, 1, 1, 1) == 1, shifted.flip(3), shifted)
