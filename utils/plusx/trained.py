"""Trained networks, and steps of a training, kept on disk and found again by code and settings."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from plusx import long_work
from plusx.checkpoints import EVERY_S, Keeper, Restorable, save
from plusx.data import Data
from plusx.device import choose_device
from plusx.experiments import cache_folder, name_of
from plusx.files import forget, whole_file
from plusx.fingerprint import fingerprint
from plusx.training import Recipe, Training

Net = TypeVar("Net", bound=nn.Module)


def trained_networks(
    make_model: Callable[..., Net],
    data: Data,
    recipe: Recipe | None = None,
    seeds: int = 5,
    device: torch.device | None = None,
    folder: Path | None = None,
    **settings: Any,
) -> list[Net]:
    """Networks `make_model(**settings)` after training, one for each seed, on the CPU.

    As `experiments.run` keeps records, this keeps weights: what is found again was trained with
    the same code, settings, recipe, data and kind of device, and the same torch.
    """
    recipe, device = recipe or Recipe(), device or choose_device()
    build = partial(make_model, **settings)
    described = (asdict(recipe), seeds, data.digest, device.type, torch.__version__)
    path = (folder or cache_folder()) / f"{fingerprint(Training, build, described)}.pt"
    nets = [build() for _ in range(seeds)]
    if not _load(path, nets):
        training = Training(build, data, recipe, seeds, device)
        checkpoint, end = path.with_suffix(".training"), recipe.epochs * training.steps_per_epoch
        _advance(training, end, checkpoint, name_of(make_model, settings))
        forget(checkpoint)
        nets = [net.cpu() for net in training.trained()]  # type: ignore[misc]
        _save(path, nets)
    return nets


def advance_kept(
    training: Restorable, steps: int, what: str = "training", folder: Path | None = None
) -> None:
    """Take training steps, or those that an earlier call took.

    Earlier is: of the same code, from the same state of networks, optimiser and random draws.
    What was stopped goes on where it was seconds before. States are kept as `trained_networks`
    keeps weights.
    """
    start = (training.settings(), training.state(), training.nets.modules())
    name = fingerprint(type(training), *start, steps, torch.__version__)
    path = (folder or cache_folder()) / f"{name}.state"
    end = training.step + steps
    _advance(training, end, path, what)
    with suppress(OSError):
        save(path, training)


def _advance(training: Restorable, end: int, checkpoint: Path, what: str) -> None:
    """All steps up to number `end`; what was stopped goes on at a later call."""
    keeper, begun = Keeper(checkpoint, EVERY_S), training.step
    keeper.restore(training)
    with long_work.bar(end - begun, what, begun=training.step - begun) as done:
        keeper.advance(training, end, done)


def _load(path: Path, nets: list[Net]) -> bool:
    """Whether the weights in a file were there and fitted; the networks then have them."""
    try:
        states = torch.load(path, weights_only=True)
        for net, state in zip(nets, states, strict=True):
            net.load_state_dict(state)
    except Exception:  # no file, or a spoilt one: torch.load then raises nearly anything
        return False
    return True


def _save(path: Path, nets: list[Net]) -> None:
    """Write a file in one go. Where that is not possible, the weights are merely not kept."""
    try:
        with whole_file(path) as file:
            torch.save([net.state_dict() for net in nets], file)
    except OSError:
        return
