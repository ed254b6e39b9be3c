"""A training on disk: written as a whole or not at all, and read back only where it fits."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import torch

from plusx.errors import ArgumentError
from plusx.files import whole_file


class Restorable(Protocol):
    """What can be stopped and continued: `settings` must agree, `state` is taken up again."""

    def settings(self) -> dict[str, Any]: ...

    def state(self) -> dict[str, Any]: ...

    def restore(self, state: dict[str, Any]) -> None: ...


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
