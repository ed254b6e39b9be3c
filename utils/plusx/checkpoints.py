"""A training on disk: written as a whole or not at all, and read back only where it fits."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch

from plusx.errors import ArgumentError
from plusx.files import whole_file

EVERY_S = 5.0  # between two times that a training in a notebook is kept


class Restorable(Protocol):
    """What can be stopped and continued: `settings` must agree, `state` is taken up again."""

    nets: Any  # a `Stacked` or `SideBySide` of plusx.stacks
    step: int

    def advance(self, steps: int) -> None: ...

    def settings(self) -> dict[str, Any]: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


class Resumable:
    """What makes a training `Restorable`: recipe, networks, optimiser and draws. Some add to it."""

    nets: Any
    recipe: Any
    optimiser: torch.optim.Optimizer
    step: int
    _draws: list[torch.Generator]

    def settings(self) -> dict[str, Any]:
        """What must be the same for a state to fit, in plain values."""
        shapes = [{name: list(w.shape) for name, w in net.items()} for net in self.nets.state()]
        return {"recipe": asdict(self.recipe), "weights": shapes}

    def state(self) -> dict[str, Any]:
        """All that the course of training depends on from here, without copies of tensors."""
        return {
            "weights": self.nets.state(),
            "optimiser": self.optimiser.state_dict(),
            "draws": [draw.get_state() for draw in self._draws],
            "step": self.step,
        }

    @torch.no_grad()
    def restore(self, state: dict[str, Any]) -> None:
        """Continue from a state of a training with the same settings."""
        for own, kept in zip(self.nets.state(), state["weights"], strict=True):
            for name, tensor in own.items():
                tensor.copy_(kept[name])
        self.optimiser.load_state_dict(state["optimiser"])
        for draw, kept in zip(self._draws, state["draws"], strict=True):
            draw.set_state(kept)
        self.step = state["step"]


class Keeper:
    """Keeps a training in a file, now and then; without a path it does nothing.

    every_s: seconds that pass at least between two times. Where the file cannot be written,
    nothing is kept: training goes on.
    """

    def __init__(self, path: Path | None, every_s: float) -> None:
        self.path, self.every_s, self.kept_at = path, every_s, time.monotonic()

    def restore(self, training: Restorable) -> None:
        """Continue from the file, if there is one."""
        if self.path is not None and self.path.exists():
            load(self.path, training)

    def advance(self, training: Restorable, end: int, done: Callable[[int], object]) -> None:
        """Take the steps that are left to number `end`; `done` is told of each.

        The file is written between two steps, when it is time: an interrupt in the middle of one
        leaves what was true before.
        """
        while training.step < end:
            training.advance(1)
            self.keep(training)
            done(1)

    def keep(self, training: Restorable) -> None:
        """Write the file, if it is time."""
        if self.path is not None and time.monotonic() - self.kept_at >= self.every_s:
            try:
                save(self.path, training)
            except OSError:
                return
            self.kept_at = time.monotonic()


def save(path: Path, training: Restorable) -> None:
    """Write all that the course of a training depends on. Raises `OSError`."""
    content = {"settings": training.settings(), "state": training.state()}
    with whole_file(path) as file:
        torch.save(content | {"random": _generators()}, file)


def load(path: Path, training: Restorable) -> None:
    """Put a training, made with the same settings, where it was when the file was written.

    torch's own generators, which dropout and its kin draw from, are put there too. Raises
    `ArgumentError` if the file belongs to another training, or is no checkpoint.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        settings, state, random = (content[name] for name in ("settings", "state", "random"))
    except Exception as error:  # torch.load raises nearly anything
        raise ArgumentError(
            "this is no checkpoint, or a spoilt one; remove it to begin anew",
            expected="a file that plusx.checkpoints.save wrote",
            got=str(error).partition("\n")[0],
            where=str(path),
        ) from error
    if (wanted := training.settings()) != settings:
        raise _misfit(path, settings, wanted)
    training.restore(state)
    torch.set_rng_state(random["cpu"])
    if random["cuda"]:
        torch.cuda.set_rng_state_all(random["cuda"])


def _generators() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    return {"cpu": torch.get_rng_state(), "cuda": cuda}


def _misfit(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> ArgumentError:
    names = [name for name in wanted if wanted[name] != found.get(name)]
    return ArgumentError(
        "this checkpoint belongs to another training; remove it to begin anew",
        expected={name: wanted[name] for name in names},
        got={name: found.get(name) for name in names},
        where=str(path),
    )
