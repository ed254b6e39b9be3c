"""The training of transformers on tasks of `plusx.sequences`, all seeds at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx import long_work
from plusx.checkpoints import Resumable
from plusx.device import choose_device
from plusx.sequences import HELD_OUT, Task
from plusx.stacks import Stacked
from plusx.training import Record, clip_gradients, seeded


@dataclass(frozen=True)
class SequenceRecipe:
    """How a transformer is trained: with Adam, on fresh batches."""

    epochs: int = 5  # measurements
    steps: int = 40  # between two of them
    batch: int = 32
    lr: float = 2e-3
    warmup: int = 0  # steps in which the learning rate grows from nothing to `lr`, evenly
    betas: tuple[float, float] = (0.9, 0.98)
    clip: float | None = None  # largest norm of one seed's whole gradient

    def rate(self, step: int) -> float:
        """The learning rate of a step; the first is number 1."""
        return self.lr * min(1.0, step / self.warmup) if self.warmup else self.lr


class SequenceTraining(Resumable):
    """Transformers of several seeds in training.

    `make_model` is called once for each seed, after `torch.manual_seed(seed)`; the seed also gives
    the batches. Networks go to `device`, by default the best there is.
    """

    def __init__(
        self,
        make_model: Callable[[], nn.Module],
        task: Task,
        recipe: SequenceRecipe | None = None,
        seeds: int | Sequence[int] = 5,
        device: torch.device | None = None,
    ) -> None:
        self.task, self.recipe = task, recipe or SequenceRecipe()
        self.device = device or choose_device()
        self.seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        self.nets = Stacked([seeded(make_model, seed).to(self.device) for seed in self.seeds])
        (self.weights,) = self.nets.weights()
        self.optimiser = torch.optim.Adam(self.weights, self.recipe.lr, betas=self.recipe.betas)
        self.step = 0
        self._draws = [torch.Generator().manual_seed(seed) for seed in self.seeds]

    def run(self) -> Record:
        """Train for all epochs of the recipe and measure before, and after each.

        An error is the share of positions, in percent, at which the largest logit is not that of
        the target.
        """
        rows = [self.measure()]
        for _ in range(self.recipe.epochs):
            self.advance(self.recipe.steps)
            rows.append(self.measure())
        return Record(*(torch.stack(column, dim=1) for column in zip(*rows, strict=True)))

    def advance(self, steps: int) -> None:
        """Take some training steps."""
        for _ in long_work.each(range(steps), "training"):
            batches = [self.task.batch(self.recipe.batch, draw) for draw in self._draws]
            tokens, targets = (
                torch.stack(half).to(self.device) for half in zip(*batches, strict=True)
            )
            loss = sequence_losses(self.nets(tokens), targets)  # (S,)
            self.optimiser.zero_grad()
            loss.sum().backward()
            if self.recipe.clip is not None:
                clip_gradients(
                    [w.grad for w in self.weights if w.grad is not None], self.recipe.clip
                )
            self.step += 1
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.rate(self.step)
            self.optimiser.step()

    def settings(self) -> dict[str, Any]:
        """What must be the same for a state to fit, in plain values."""
        return {**super().settings(), "task": repr(self.task), "device": self.device.type}

    def trained(self) -> list[nn.Module]:
        """Copies of the networks, one for each seed, as they are now."""
        return [self.nets.net(index) for index in range(len(self.seeds))]

    def measure(self) -> tuple[Tensor, Tensor, Tensor]:
        """Training loss, training error and test error of each seed, (S,) each, on the CPU.

        "Training" are sequences that are drawn as those of training are, the same at each call.
        """
        train = self.task.batch(HELD_OUT, torch.Generator().manual_seed(54321))
        return (*self.evaluate(*train), self.evaluate(*self.task.test())[1])

    @torch.no_grad()
    def evaluate(self, tokens: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        """Mean loss in nats and error in percent, (S,) each; tokens and targets (N, T)."""
        tokens, targets = (
            half.to(self.device).expand(len(self.seeds), *half.shape) for half in (tokens, targets)
        )
        logits = self.nets(tokens)  # (S, N, T, vocabulary)
        wrong = (logits.argmax(dim=-1) != targets).float().mean((1, 2))
        return sequence_losses(logits, targets).cpu(), 100 * wrong.cpu()


def sequence_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy of each seed: (S, B, T, vocabulary) and (S, B, T) -> (S,)"""
    each = F.cross_entropy(logits.flatten(0, 2), targets.flatten(), reduction="none")
    return each.view(targets.shape).mean((1, 2))
