"""A training loop with records, for several seeds of one network at once.

It can be stopped at any moment and continued to the same bits, and where memory does not suffice
it computes a batch in parts. How it computes is `plusx.execution`'s matter.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import asdict, dataclass, replace
from math import cos, inf, pi
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx import checkpoints, long_work
from plusx.augmentation import draw_moves, moved
from plusx.data import Data
from plusx.device import choose_device
from plusx.errors import ArgumentError
from plusx.execution import Execution
from plusx.memory_limits import in_parts
from plusx.stacks import SideBySide, Stacked, evaluation_mode

CHUNK = 2000  # images that are evaluated at once
SCHEDULES: dict[str, Callable[[float], float]] = {  # progress from 0 to 1 -> factor of lr
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: 0.5 + 0.5 * cos(pi * progress),
    "steps": lambda progress: 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01,
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. What is unknown, or no number for it, raises `ArgumentError`."""

    epochs: int = 8
    batch: int = 100
    lr: float = 0.05
    optimiser: str = "sgd"  # or "adam"
    momentum: float = 0.9  # of sgd
    weight_decay: float = 0.0
    schedule: str = "constant"  # or "cosine", or "steps": a tenth after 1/2 and after 3/4
    clip: float | None = None  # largest norm of one seed's whole gradient
    layer_scaled: bool = False  # every weight matrix's gradient gets the norm of the matrix
    augment: bool = False  # shift by up to 4 pixels, and mirror
    warmup: int = 0  # first steps, taken at a tenth of lr

    def rate(self, step: int, steps: int) -> float:
        """The learning rate of step 0, 1, ... of so many steps."""
        if step < self.warmup:
            return self.lr / 10
        return self.lr * SCHEDULES[self.schedule](step / steps)

    def __post_init__(self) -> None:
        for name, known in (("optimiser", ("sgd", "adam")), ("schedule", tuple(SCHEDULES))):
            if getattr(self, name) not in known:
                got = repr(getattr(self, name))
                raise ArgumentError(f"unknown {name}", expected=known, got=got, where="Recipe")
        for name, least in (("epochs", 0), ("batch", 1), ("warmup", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                wanted = f"{name} a whole number, {least} or more"
                raise ArgumentError("no recipe", expected=wanted, got=repr(value), where="Recipe")
        if not 0 <= self.lr < inf:
            raise ArgumentError("no recipe", expected="0 <= lr", got=self.lr, where="Recipe")


@dataclass(frozen=True)
class Record:
    """What a training gave: (seeds, epochs + 1) each, column 0 before the first step.

    Loss is the mean cross-entropy in nats; errors are in percent. All are taken in evaluation
    mode, with batch norm's statistics taken anew from training images.
    """

    train_loss: Tensor
    train_error: Tensor
    test_error: Tensor


class Training(checkpoints.Resumable):
    """Networks of several seeds in training.

    `make_model` is called once for each seed, after `torch.manual_seed(seed)`, or it is a list of
    networks, one for each seed, which are copied; the seed also gives the order of the images.
    `data` and networks go to `device`, by default the best there is. `together` says whether
    seeds share one vectorised pass; by default they do where the network has no convolution.
    `execution` says how the others compute; a shared pass has its own way, and refuses another.
    `notes` holds what had to be done otherwise than asked for.
    """

    def __init__(
        self,
        make_model: Callable[[], nn.Module] | Sequence[nn.Module],
        data: Data,
        recipe: Recipe | None = None,
        seeds: int | Sequence[int] = 5,
        device: torch.device | None = None,
        together: bool | None = None,
        execution: Execution | None = None,
    ) -> None:
        self.device = device or choose_device()
        self.data, self.recipe = data.to(self.device), recipe or Recipe()
        self.seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        if callable(make_model):
            nets = [seeded(make_model, seed).to(self.device) for seed in self.seeds]
        else:
            nets = [deepcopy(net).to(self.device) for net in make_model]
            self.seeds = self.seeds[: len(nets)]
        self.execution = execution or Execution()
        self.nets = _joined(nets, together, self.execution)
        self.optimiser = _optimiser(self.nets, self.recipe)
        self.steps_per_epoch = max(1, len(data.train_labels) // self.recipe.batch)
        self.step, self.rows = 0, list[tuple[Tensor, Tensor, Tensor]]()
        self._run_began = 0  # at this step
        self.parts, self.notes = 1, list[str]()  # parts of a batch that are computed at once
        self._chunks = 1  # parts of CHUNK images
        self._draws = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self._epoch = 0, [draw.get_state() for draw in self._draws]  # its first step, and draws
        self._batches = self._endless_batches()

    def run(
        self,
        checkpoint: Path | None = None,
        every_s: float = checkpoints.EVERY_S,
        what: str = "training",
    ) -> Record:
        """Train for all epochs of the recipe and measure before, and after each.

        With a `checkpoint`, go on from that file if it is there, and write it after a step when
        the last time was `every_s` seconds ago. The result is the same, bit by bit. What is
        measured is kept: another call returns the same record. `what` names it while it lasts.
        """
        for _ in self.epochs(checkpoint, every_s, what):
            pass
        return self.record

    def epochs(
        self,
        checkpoint: Path | None = None,
        every_s: float = checkpoints.EVERY_S,
        what: str = "training",
    ) -> Iterator[int]:
        """As `run`, but giving back control after the first measurement and after each epoch.

        What comes is the number of epochs that are done.
        """
        keeper = checkpoints.Keeper(checkpoint, every_s)
        keeper.restore(self)
        if not self.rows:
            self._run_began = self.step
        total = self.recipe.epochs * self.steps_per_epoch
        with long_work.bar(total, what, begun=self.step - self._run_began) as done:
            while len(self.rows) <= self.recipe.epochs:
                end = self._run_began + len(self.rows) * self.steps_per_epoch
                keeper.advance(self, end, done)
                self.rows.append(self.measure())
                keeper.keep(self)
                yield len(self.rows) - 1

    @property
    def record(self) -> Record:
        """What `run` has measured so far."""
        return Record(*(torch.stack(column, dim=1) for column in zip(*self.rows, strict=True)))

    def advance(self, steps: int) -> None:
        """Take some training steps."""
        total = self.recipe.epochs * self.steps_per_epoch
        with self.execution.settled():
            for _ in long_work.each(range(steps), "training"):
                images, labels = next(self._batches)  # (S, B, C, H, W), (S, B)
                self._set_gradients(images, labels)
                self._adjust_gradients()
                for group in self.optimiser.param_groups:
                    group["lr"] = self.recipe.rate(self.step, total)
                self.optimiser.step()
                self.step += 1

    def _set_gradients(self, images: Tensor, labels: Tensor) -> None:
        """The gradients of the batch's mean loss, in as many parts as memory makes necessary."""
        B = labels.shape[1]

        def work(parts: int) -> None:
            self.optimiser.zero_grad()
            size = -(-B // parts)
            for x, y in zip(images.split(size, dim=1), labels.split(size, dim=1), strict=True):
                loss = losses(self.nets(x), y).sum()
                (loss if parts == 1 else loss * (y.shape[1] / B)).backward()

        def grew(parts: int, reason: str) -> None:
            self.parts = parts
            self._note(
                f"batches of {B} are computed in {parts} parts, and their gradients added up: the "
                f"batch stays as it was, but a batch norm sees {-(-B // parts)} images at once",
                reason,
            )

        in_parts(work, self.parts, B, grew)

    def _note(self, change: str, reason: str) -> None:
        self.notes.append(f"from step {self.step} on, {change}; out of memory: {reason}")
        warnings.warn(self.notes[-1], RuntimeWarning, stacklevel=2)

    def trained(self) -> list[nn.Module]:
        """Copies of the networks, one for each seed, as they are now."""
        return [self.nets.net(index) for index in range(len(self.seeds))]

    def measure(self) -> tuple[Tensor, Tensor, Tensor]:
        """Training loss, training error and test error of each seed, (S,) each, on the CPU."""

        def grew(chunks: int, reason: str) -> None:
            self._chunks = chunks
            size = CHUNK // chunks
            self._note(f"{size} images are measured at once, and give the norms' averages", reason)

        with self.execution.settled():
            return in_parts(self._measured, self._chunks, CHUNK, grew)

    @torch.no_grad()
    def _measured(self, chunks: int) -> tuple[Tensor, Tensor, Tensor]:
        size = CHUNK // chunks
        with evaluation_mode(self.nets, self._for_all(self.data.train_images[:size])):
            train = self._evaluate(self.data.train_images, self.data.train_labels, size)
            test = self._evaluate(self.data.test_images, self.data.test_labels, size)
        return (*train, test[1])

    def _evaluate(self, images: Tensor, labels: Tensor, size: int) -> tuple[Tensor, Tensor]:
        loss = wrong = torch.zeros(len(self.seeds), device=self.device)
        for x, y in zip(images.split(size), labels.split(size), strict=True):
            logits, wanted = self.nets(self._for_all(x)), self._for_all(y)
            loss = loss + losses(logits, wanted) * len(y)
            wrong = wrong + (logits.argmax(dim=-1) != wanted).sum(dim=1)
        return (loss / len(labels)).cpu(), (100 * wrong / len(labels)).cpu()

    def _for_all(self, x: Tensor) -> Tensor:
        """(N, ...) -> (S, N, ...), without a copy"""
        return x.expand(len(self.seeds), *x.shape)

    def _endless_batches(self, skip: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Epoch after epoch in a new order; of the first one, `skip` batches are left out."""
        images, labels, batch = self.data.train_images, self.data.train_labels, self.recipe.batch
        while True:
            self._epoch = self.step - skip, [draw.get_state() for draw in self._draws]
            orders = [torch.randperm(len(labels), generator=draw) for draw in self._draws]
            order = torch.stack(orders).to(self.device)  # (S, N)
            if self.recipe.augment:
                drawn = [draw_moves(len(labels), draw) for draw in self._draws]
                moves = torch.stack(drawn).to(self.device)  # (S, N, 3)
            for start in range(skip * batch, self.steps_per_epoch * batch, batch):
                chosen = order[:, start : start + batch]  # (S, B)
                x = images[chosen]  # (S, B, C, H, W)
                if self.recipe.augment:
                    wanted = moves[:, start : start + batch].flatten(0, 1)  # (S * B, 3)
                    x = moved(x.flatten(0, 1), wanted).unflatten(0, chosen.shape)
                yield x, labels[chosen]
            skip = 0

    def _adjust_gradients(self) -> None:
        if not self.recipe.layer_scaled and self.recipe.clip is None:
            return
        shared = isinstance(self.nets, Stacked)
        for weights in self.nets.weights():
            pairs = [(w.detach(), w.grad) for w in weights if w.grad is not None]
            if not shared:  # an axis for the one seed
                pairs = [(w[None], g[None]) for w, g in pairs]
            if self.recipe.layer_scaled:
                scale_to_weights(pairs)
            if self.recipe.clip is not None:
                clip_gradients([g for _, g in pairs], self.recipe.clip)

    def settings(self) -> dict[str, Any]:
        """What must be the same for a state to fit, in plain values."""
        return super().settings() | {
            "execution": asdict(self.execution),
            "seeds": self.seeds,
            "data": self.data.digest,
            "device": self.device.type,
            "torch": str(torch.__version__),
        }

    def state(self) -> dict[str, Any]:
        """All that the course of training depends on from here, without copies of tensors."""
        epoch_began, draws = self._epoch
        return super().state() | {
            "draws": draws,  # as the epoch found them: its batches are drawn again
            "steps_of_epoch": self.step - epoch_began,
            "run_began": self._run_began,
            "rows": self.rows,
            "parts": (self.parts, self._chunks),
            "notes": self.notes,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a training with the same settings."""
        super().restore(state)
        self.rows, self.notes = state["rows"], state["notes"]
        self.parts, self._chunks = state["parts"]
        self._run_began = state["run_began"]
        self._batches = self._endless_batches(state["steps_of_epoch"])


def train(
    make_model: Callable[[], nn.Module],
    data: Data,
    recipe: Recipe | None = None,
    seeds: int | Sequence[int] = 5,
    device: torch.device | None = None,
) -> Record:
    """Train a network with several seeds; see `Training`."""
    return Training(make_model, data, recipe, seeds, device).run()


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each seed: (S, B, classes) and (S, B) -> (S,)"""
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(dim=1)


def clip_gradients(gradients: Sequence[Tensor], largest: float) -> None:
    """Shorten, in place, the whole gradient of each seed to `largest`; each is (S, ...)."""
    norms = [g.flatten(1).norm(dim=1) for g in gradients]
    whole = torch.stack(norms).norm(dim=0)  # (S,)
    factor = (largest / whole.clamp(min=1e-12)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(_like(factor, gradient))


def scale_to_weights(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Give, in place, the gradient of every matrix or kernel the norm of that weight.

    Pairs of weight and gradient, (S, ...) each; biases, scales and shifts are left alone.
    """
    for weight, gradient in pairs:
        if weight.ndim > 2:
            size = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)
            gradient.mul_(_like(weight.flatten(1).norm(dim=1) / size, gradient))


def seeded(make_model: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_model()


def _joined(
    nets: Sequence[nn.Module], together: bool | None, execution: Execution
) -> Stacked | SideBySide:
    if together is None:
        together = not any(isinstance(m, nn.Conv2d) for m in nets[0].modules())
    if not together:
        return SideBySide(nets, execution)
    if replace(execution, deterministic=False) != Execution():
        raise ArgumentError(
            "seeds that share a pass are computed in one way only",
            expected=f"together=False, or {Execution()}",
            got=execution,
            where="Training",
        )
    return Stacked(nets)


def _optimiser(nets: Stacked | SideBySide, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [weight for group in nets.weights() for weight in group]
    if recipe.optimiser == "adam":
        return torch.optim.Adam(weights, recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        weights, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def _like(factor: Tensor, gradient: Tensor) -> Tensor:
    """(S,) -> (S, 1, ...), as many axes as the gradient"""
    return factor.view(-1, *[1] * (gradient.ndim - 1))
