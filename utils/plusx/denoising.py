"""A small diffusion model: the U-Net of lesson 07, trained to find the noise in digits.

Ho, Jain, Abbeel 2020, "Denoising Diffusion Probabilistic Models" (arXiv 2006.11239): the loss of
section 3.4. Song, Meng, Ermon 2021, "Denoising Diffusion Implicit Models" (arXiv 2010.02502): the
steps without new noise, equation 12. Time runs from 0 (picture) to 1 (noise).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import pi

import torch
from torch import Tensor, nn

from plusx import long_work
from plusx.checkpoints import Resumable
from plusx.data import load_data
from plusx.device import choose_device
from plusx.stacks import SideBySide, evaluation_mode
from plusx.training import SCHEDULES, Record, seeded
from plusx.unet import UNet


def signal_and_noise(time: Tensor) -> tuple[Tensor, Tensor]:
    """How much of the picture and of the noise there is: their squares add up to 1."""
    return (pi / 2 * time).cos(), (pi / 2 * time).sin()


def noised(pictures: Tensor, noise: Tensor, time: Tensor) -> Tensor:
    """signal * picture + noise: pictures and noise (B, C, H, W), time (B,) from 0 to 1."""
    signal, spread = signal_and_noise(time[:, None, None, None])
    return signal * pictures + spread * noise


class Denoiser(nn.Module):
    """A U-Net that is told the time by a second channel.

    x (B, 2, H, W): noised picture, and the time at every pixel -> the noise (B, 1, H, W)
    """

    def __init__(self, skip: str = "concat", width: int = 10) -> None:
        super().__init__()
        self.net = UNet(in_channels=2, out_channels=1, width=width, depth=2, skip=skip)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def with_time(pictures: Tensor, time: Tensor) -> Tensor:
    """(B, 1, H, W) and (B,) -> (B, 2, H, W), what a `Denoiser` reads"""
    level = time[:, None, None, None].expand_as(pictures)
    return torch.cat([pictures, level], dim=1)


@torch.no_grad()
def sample(net: nn.Module, count: int, steps: int = 40, seed: int = 0, side: int = 8) -> Tensor:
    """Pictures (count, 1, side, side) from -1 to 1, out of noise, by a network on the CPU."""
    x = torch.randn(count, 1, side, side, generator=torch.Generator().manual_seed(seed))
    times = torch.linspace(0.99, 0, steps + 1)
    for now, later in pairwise(times.unbind()):
        noise = net(with_time(x, now.expand(count)))
        signal, spread = signal_and_noise(now)
        picture = ((x - spread * noise) / signal).clamp(-1, 1)
        noise = (x - signal * picture) / spread  # what fits the clamped picture
        x = noised(picture, noise, later.expand(count))
    return x


@dataclass(frozen=True)
class DenoisingRecipe:
    """How a denoiser is trained: with Adam and a cosine schedule, on digits and fresh noise."""

    epochs: int = 4  # measurements
    steps: int = 100  # between two of them
    batch: int = 64
    lr: float = 5e-3


class DenoisingTraining(Resumable):
    """Denoisers of several seeds in training.

    `make_model` is called once for each seed, after `torch.manual_seed(seed)`; the seed also gives
    the batches, their noise and their times.
    """

    def __init__(
        self,
        make_model: Callable[[], nn.Module],
        recipe: DenoisingRecipe | None = None,
        seeds: int | Sequence[int] = 5,
        device: torch.device | None = None,
    ) -> None:
        self.recipe, self.device = recipe or DenoisingRecipe(), device or choose_device()
        seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        self.nets = SideBySide([seeded(make_model, seed).to(self.device) for seed in seeds])
        self._draws = [torch.Generator().manual_seed(seed) for seed in seeds]
        self.train, self.test = digits()
        weights = [weight for group in self.nets.weights() for weight in group]
        self.optimiser = torch.optim.Adam(weights, self.recipe.lr)
        self.step = 0

    def run(self) -> Record:
        """Train, and measure before, and after each epoch.

        Loss is the mean squared error of the noise; an error is 100 times it: the noise has
        variance 1, so it is the percentage that stays unexplained.
        """
        rows = [self.measure()]
        for _ in range(self.recipe.epochs):
            self.advance(self.recipe.steps)
            rows.append(self.measure())
        return Record(*(torch.stack(column, dim=1) for column in zip(*rows, strict=True)))

    def advance(self, steps: int) -> None:
        """Take some training steps."""
        total = self.recipe.epochs * self.recipe.steps
        for _ in long_work.each(range(steps), "training"):
            pairs = [draw_batch(self.train, self.recipe.batch, draw) for draw in self._draws]
            x, noise = (torch.stack(half).to(self.device) for half in zip(*pairs, strict=True))
            loss = (self.nets(x) - noise).square().flatten(1).mean(dim=1).sum()
            self.optimiser.zero_grad()
            loss.backward()
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.lr * SCHEDULES["cosine"](self.step / total)
            self.optimiser.step()
            self.step += 1

    def trained(self) -> list[nn.Module]:
        """Copies of the networks, one for each seed, as they are now, in evaluation mode."""
        with evaluation_mode(self.nets, self._for_all(self._held(self.train)[0])):
            return [self.nets.net(index).cpu() for index in range(len(self._draws))]

    @torch.no_grad()
    def measure(self) -> tuple[Tensor, Tensor, Tensor]:
        """Training loss, training error and test error of each seed, (S,) each, on the CPU."""
        losses = []
        with evaluation_mode(self.nets, self._for_all(self._held(self.train)[0])):
            for half in (self.train, self.test):
                x, noise = self._held(half)
                gaps = self.nets(self._for_all(x)) - self._for_all(noise)
                losses.append(gaps.square().flatten(1).mean(dim=1).cpu())
        return losses[0], 100 * losses[0], 100 * losses[1]

    def _held(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """The same noised pictures at each call."""
        return draw_batch(pictures, 512, torch.Generator().manual_seed(54321))

    def _for_all(self, x: Tensor) -> Tensor:
        return x.to(self.device).expand(len(self._draws), *x.shape)


def digits() -> tuple[Tensor, Tensor]:
    """Pictures for training and testing, (N, 1, 8, 8), from -1 to 1."""
    data = load_data("digits")
    low, high = data.train_images.min(), data.train_images.max()
    return tuple(  # type: ignore[return-value]
        2 * (images - low) / (high - low) - 1 for images in (data.train_images, data.test_images)
    )


def draw_batch(pictures: Tensor, count: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """What a denoiser reads (count, 2, H, W), and the noise in it (count, 1, H, W)."""
    chosen = pictures[torch.randint(len(pictures), (count,), generator=draw)]
    noise = torch.randn(chosen.shape, generator=draw)
    time = torch.rand(count, generator=draw)
    return with_time(noised(chosen, noise, time), time), noise
