"""Trained networks that are kept on disk and found again by their code and settings."""

from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from plusx.checkpoints import Keeper
from plusx.data import Data
from plusx.device import choose_device
from plusx.experiments import cache_folder
from plusx.files import forget, whole_file
from plusx.fingerprint import fingerprint
from plusx.training import Recipe, Training

EVERY_S = 60.0  # between two checkpoints
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
        _advance_to_the_end(training, path.with_suffix(".training"))
        nets = [net.cpu() for net in training.trained()]  # type: ignore[misc]
        _save(path, nets)
    return nets


def _advance_to_the_end(training: Training, checkpoint: Path) -> None:
    """All steps of the recipe; what takes minutes and is stopped goes on at a later call."""
    keeper = Keeper(checkpoint, EVERY_S)
    keeper.restore(training)
    end = training.recipe.epochs * training.steps_per_epoch
    while training.step < end:
        training.advance(min(training.steps_per_epoch, end - training.step))
        keeper.keep(training)
    forget(checkpoint)


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
