"""Training for the depth challenge: its data and recipe, and means of weights on the way."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial

import torch
from torch import Tensor, nn

from plusx.challenge import build
from plusx.challenge_entry import held_out
from plusx.data import Data, load_data
from plusx.training import Recipe, Training

State = Mapping[str, Tensor]
RECIPE = Recipe(epochs=5, lr=0.1, weight_decay=5e-4, schedule="cosine", augment=True)


def training_data(count: int = 10_000, seed: int = 2) -> Data:
    """`count` new images to train on and 4,000 to look at, drawn as "shapes" is."""
    halves = *held_out(count, seed), *held_out(4_000, seed + 1)
    return Data(f"{count:,} shapes", *halves, load_data("shapes").classes)


def kept_states(
    parts: object,
    data: Data,
    recipe: Recipe,
    seeds: int | Sequence[int] = 1,
    device: torch.device | None = None,
) -> list[list[State]]:
    """The states of a network after each epoch of a training, for each seed, on the CPU."""
    training = Training(partial(build, parts), data, recipe, seeds, device)
    kept: list[list[State]] = [[] for _ in training.seeds]
    for _ in range(recipe.epochs):
        training.advance(training.steps_per_epoch)
        for states, net in zip(kept, training.trained(), strict=True):
            states.append(net.cpu().state_dict())
    return kept


@torch.no_grad()
def refreshed(parts: object, state: State, images: Tensor) -> nn.Module:
    """The network of a state, with the statistics of its batch norms measured anew on images.

    A mean of weights was never trained, so the statistics that came along are not its own.
    """
    net = build(parts)
    net.load_state_dict(dict(deepcopy(state)))
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = 1.0
    net.train()(images)
    for norm in norms:
        norm.momentum = 0.1
    return net.eval()


def running_means(states: Sequence[State], decay: float) -> list[State]:
    """The running mean of weights after each of the states; see `averaged`."""
    means = [states[0]]
    for state in states[1:]:
        means.append(averaged([means[-1], state], decay))
    return means


def averaged(states: Sequence[State], decay: float) -> dict[str, Tensor]:
    """The running mean of states: it begins as the first, and moves towards each later one.

    mean <- decay * mean + (1 - decay) * state. Whole numbers are those of the last state.
    Source: Polyak, Juditsky 1992, SIAM Journal on Control and Optimization 30:838, for averages.
    """
    kept = dict(states[0])
    for state in states[1:]:
        for name, tensor in state.items():
            whole = not tensor.is_floating_point()
            kept[name] = tensor if whole else decay * kept[name] + (1 - decay) * tensor
    return kept
