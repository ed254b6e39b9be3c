"""A generated task of segmentation, and the training of networks on it.

A picture shows rings, boxes and lines, one pixel thin, in noise. The task: for each pixel, does it
belong to a shape?
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import pi
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx import long_work
from plusx.checkpoints import Resumable
from plusx.device import choose_device
from plusx.stacks import SideBySide, evaluation_mode
from plusx.training import SCHEDULES, Record, seeded

SHAPES = ("ring", "box", "line")
SIDE = 24  # pixels
NOISE = 0.35  # standard deviation; a shape is 1 brighter than what is behind it


@dataclass(frozen=True)
class Scenes:
    """Pictures (N, 1, H, W), their masks of 0 and 1, (N, 1, H, W), and what covers a pixel.

    `kinds` (N, H, W) in int64: -1 for nothing, else the place of the kind in SHAPES.
    """

    images: Tensor
    masks: Tensor
    kinds: Tensor


def make_scenes(count: int, seed: int, side: int = SIDE, noise: float = NOISE) -> Scenes:
    """Pictures with three shapes each, of kind, place, size and angle drawn from the seed."""
    draw = torch.Generator().manual_seed(seed)
    grid = torch.arange(side) + 0.5
    kinds = torch.full((count, side, side), -1)
    for _ in range(3):
        kind = torch.randint(len(SHAPES), (count, 1, 1), generator=draw)
        place = side * (0.15 + 0.7 * torch.rand(2, count, 1, 1, generator=draw))
        size = side * (0.12 + 0.12 * torch.rand(count, 1, 1, generator=draw))
        angle = pi * torch.rand(count, 1, 1, generator=draw)
        x, y = grid[None, None, :] - place[0], grid[None, :, None] - place[1]
        u = x * angle.cos() + y * angle.sin()  # (count, H, W)
        v = y * angle.cos() - x * angle.sin()
        inside = torch.stack(_insides(u, v, size))  # (kinds, count, H, W)
        covered = inside.gather(0, kind.expand(1, count, side, side))[0]
        kinds = torch.where(covered, kind, kinds)
    masks = (kinds >= 0).float()[:, None]  # (count, 1, H, W)
    return Scenes(masks + noise * torch.randn(masks.shape, generator=draw), masks, kinds)


def _insides(u: Tensor, v: Tensor, size: Tensor) -> list[Tensor]:
    """For each of SHAPES, which pixels it covers; u, v and size are in pixels."""
    radius = (u**2 + v**2).sqrt()
    return [
        (radius - 1.2 * size).abs() < 0.8,
        (u.abs() < size) & (v.abs() < 0.7 * size),
        (v.abs() < 0.5) & (u.abs() < 2 * size),
    ]


def iou(logits: Tensor, masks: Tensor) -> float:
    """Intersection over union of {logits > 0} and {masks = 1}, all pixels of a batch together.

    1 where both are empty.
    """
    found, wanted = logits > 0, masks > 0.5
    union = (found | wanted).sum().item()
    return (found & wanted).sum().item() / union if union else 1.0


@dataclass(frozen=True)
class SegmentationRecipe:
    """How a network is trained: with Adam and a cosine schedule, on `images` pictures."""

    epochs: int = 8
    images: int = 200
    batch: int = 20
    lr: float = 1e-2

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches; what is left of the pictures waits for the next epoch."""
        return self.images // self.batch

    @property
    def steps(self) -> int:
        """Of all epochs."""
        return self.epochs * self.steps_per_epoch


class SegmentationTraining(Resumable):
    """Networks of several seeds, trained to find the shapes of `make_scenes`.

    `make_model` is called once for each seed, after `torch.manual_seed(seed)`; the seed also gives
    the order of the pictures, which are the same for all.
    """

    def __init__(
        self,
        make_model: Callable[[], nn.Module],
        recipe: SegmentationRecipe | None = None,
        seeds: int | Sequence[int] = 5,
        device: torch.device | None = None,
    ) -> None:
        self.recipe, device = recipe or SegmentationRecipe(), device or choose_device()
        seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        self.nets = SideBySide([seeded(make_model, seed).to(device) for seed in seeds])
        self.device, self._draws = device, [torch.Generator().manual_seed(s) for s in seeds]
        self.train = make_scenes(self.recipe.images, seed=1)
        self.test = make_scenes(self.recipe.images, seed=2)
        weights = [weight for group in self.nets.weights() for weight in group]
        self.optimiser = torch.optim.Adam(weights, self.recipe.lr)
        self.step, self._orders = 0, torch.empty(len(seeds), 0, dtype=torch.int64)

    def run(self) -> Record:
        """Train for all epochs and measure before, and after each.

        Loss is binary cross-entropy in nats; an error is 100 (1 - IoU), in percent of the union.
        """
        rows = [self.measure()]
        for _ in range(self.recipe.epochs):
            self.advance(self.recipe.steps_per_epoch)
            rows.append(self.measure())
        return Record(*(torch.stack(column, dim=1) for column in zip(*rows, strict=True)))

    def advance(self, steps: int) -> None:
        """Take some training steps."""
        recipe = self.recipe
        for _ in long_work.each(range(steps), "training"):
            chosen = self._next_batch()  # (S, batch)
            loss = mask_losses(self._logits(self.train, chosen), self._chosen(chosen)).sum()
            self.optimiser.zero_grad()
            loss.backward()
            for group in self.optimiser.param_groups:
                group["lr"] = recipe.lr * SCHEDULES["cosine"](self.step / recipe.steps)
            self.optimiser.step()
            self.step += 1

    def _next_batch(self) -> Tensor:
        """(S, batch): places of pictures, in an order that is new in each epoch."""
        place, size = self.step % self.recipe.steps_per_epoch, self.recipe.batch
        if place == 0:
            orders = [torch.randperm(self.recipe.images, generator=draw) for draw in self._draws]
            self._orders = torch.stack(orders)  # (S, images)
        return self._orders[:, place * size : (place + 1) * size]

    def state(self) -> dict[str, Any]:
        """All that the course of training depends on from here, without copies of tensors."""
        return {**super().state(), "orders": self._orders}

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a training with the same settings."""
        super().restore(state)
        self._orders = state["orders"]

    def trained(self) -> list[nn.Module]:
        """Copies of the networks, one for each seed, as they are now, in evaluation mode."""
        with self._evaluation():
            return [self.nets.net(index).cpu() for index in range(len(self._draws))]

    @torch.no_grad()
    def measure(self) -> tuple[Tensor, Tensor, Tensor]:
        """Training loss, training error and test error of each seed, (S,) each, on the CPU."""
        everything = torch.arange(self.recipe.images).expand(len(self._draws), -1)
        with self._evaluation():
            train, test = (self._logits(half, everything) for half in (self.train, self.test))
        loss = mask_losses(train, self._chosen(everything)).cpu()
        return loss, missed(train, self.train.masks), missed(test, self.test.masks)

    def _logits(self, scenes: Scenes, chosen: Tensor) -> Tensor:
        """(S, batch) -> (S, batch, 1, H, W)"""
        return self.nets(scenes.images[chosen].to(self.device))

    def _chosen(self, chosen: Tensor) -> Tensor:
        return self.train.masks[chosen].to(self.device)

    def _evaluation(self) -> evaluation_mode:
        images = self.train.images.to(self.device)
        return evaluation_mode(self.nets, images.expand(len(self._draws), *images.shape))


def missed(logits: Tensor, masks: Tensor) -> Tensor:
    """100 (1 - IoU) of each seed: (S, N, 1, H, W) and (N, 1, H, W) -> (S,), on the CPU"""
    return torch.tensor([100 * (1 - iou(one.cpu(), masks)) for one in logits])


def mask_losses(logits: Tensor, masks: Tensor) -> Tensor:
    """Mean binary cross-entropy of each seed: (S, B, 1, H, W) twice -> (S,)"""
    each = F.binary_cross_entropy_with_logits(logits, masks, reduction="none")
    return each.flatten(1).mean(dim=1)
