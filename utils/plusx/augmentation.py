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
    B, _, H, W = images.shape
    device, at = images.device, torch.arange(B, device=images.device)[:, None, None]
    rows, columns, mirrored = (moves[:, None, None, n] for n in range(3))  # (B, 1, 1) each
    rows = rows + torch.arange(H, device=device)[:, None]  # (B, H, 1)
    columns = columns + torch.arange(W, device=device)  # (B, 1, W)
    columns = torch.where(mirrored == 1, columns.flip(2), columns)
    padded = F.pad(images, [REACH] * 4).permute(0, 2, 3, 1)  # (B, H + 8, W + 8, C)
    return padded[at, rows, columns].permute(0, 3, 1, 2)
