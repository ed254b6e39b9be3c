"""A trained residual network of convolutions taken apart: lesions, shuffles, gradients by length.

Veit, Wilber, Belongie 2016 (arXiv 1605.06431), at the size of the paper: 110 layers, 54 units.
Where shapes change, a unit cannot go, nor change its place: a lesion takes its branch alone.
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from plusx.conv_units import ConvUnit, UnitResNet
from plusx.data import Data
from plusx.errors import ArgumentError
from plusx.lesions import delete_each, delete_some, kendall_tau
from plusx.paths import (
    effective_length,
    gradient_at_end,
    gradient_by_length,
    norms,
    shortest_range,
    states,
)

CHUNK = 1000  # images that are tried at once


class ConvSpecimen:
    """A network on which lesions are tried; its error is taken on `images`, `labels`.

    The norms keep the averages of the whole network on the images `statistics`. The given network
    is not changed.
    """

    def __init__(self, net: UnitResNet, images: Tensor, labels: Tensor, statistics: Tensor) -> None:
        self.net, self.images, self.labels = deepcopy(net).train(), images, labels
        for norm in (m for m in self.net.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.momentum = 1.0
        with torch.no_grad():
            self.net(statistics)
        self.net.eval()
        self.units = self.net.units()
        self.places = list(range(len(self.units)))

    @property
    def stages(self) -> list[list[int]]:
        """The places of the units of one shape, stage by stage, without those that change it."""
        found: list[list[int]] = [[]]
        for place, unit in enumerate(self.units):
            if unit.crosses:
                found.append([])
            else:
                found[-1].append(place)
        return [stage for stage in found if stage]

    @torch.no_grad()
    def error(self, order: Sequence[int]) -> float:
        """The error in percent with the units at these places, in this order within a stage."""
        wrong = 0
        for x, y in zip(self.images.split(CHUNK), self.labels.split(CHUNK), strict=True):
            wrong += int((self._logits(x, order).argmax(1) != y).sum())
        return 100 * wrong / len(self.labels)

    def _logits(self, x: Tensor, order: Sequence[int]) -> Tensor:
        chosen, h = set(order), self.net.stem(x)
        crossings = [place for place in self.places if self.units[place].crosses]
        for begin, end in zip([-1, *crossings], [*crossings, len(self.places)], strict=True):
            if begin >= 0:
                unit = self.units[begin]
                h = unit(h) if begin in chosen else unit.skipped(h)
            for place in order:
                if begin < place < end:
                    h = self.units[place](h)
        return self.net.finish(h)

    def shuffled(self, swaps: int, draw: torch.Generator) -> list[int]:
        """All places after some swaps of two units of one stage, drawn at random."""
        order, stages = list(self.places), [s for s in self.stages if len(s) > 1]
        for _ in range(swaps):
            stage = stages[int(torch.randint(len(stages), (), generator=draw))]
            i, j = (stage[n] for n in torch.randperm(len(stage), generator=draw)[:2].tolist())
            order[i], order[j] = order[j], order[i]
        return order


def length_masses(net: UnitResNet, images: Tensor, labels: Tensor) -> Tensor:
    """The norm of the gradient behind the stem, for each length of path, (units + 1,)

    In training mode, with the batch's own statistics. Only for networks with nothing after the
    sum of a unit, which are those of "full" and "ReLU-only pre-activation".
    """
    net = deepcopy(net).train()
    units = net.units()
    if len(units[0].after):
        raise ArgumentError(
            "paths cannot be told apart where something follows the sum",
            expected="a pre-activation",
            got=units[0].after,
            where="length_masses",
        )
    branches = [partial(_way, unit, 1) for unit in units]
    skips = [partial(_way, unit, 0) if unit.crosses or unit.shared else None for unit in units]
    with torch.no_grad():
        x = net.stem(images)  # (B, 16, H, W)
    end = _Finish(net)
    v = gradient_at_end(end, states(branches, x, skips)[-1], labels)
    return norms(gradient_by_length(branches, x, v, skips))


def lesion_study(net: nn.Module, data: Data, draws: int = 20, few: int = 20) -> dict[str, Any]:
    """What `plusx.full_scale` keeps of a trained network, in plain values.

    draws: of lesions and orders of one size; few: images whose gradient is taken apart
    """
    assert isinstance(net, UnitResNet)
    one = ConvSpecimen(net, data.test_images, data.test_labels, data.train_images[:2000])
    draw, n = torch.Generator().manual_seed(0), len(one.places)
    sizes = sorted({max(1, n * tenths // 10) for tenths in (1, 2, 3, 4, 5)})
    orders = [one.shuffled(swaps, draw) for swaps in sizes for _ in range(draws)]
    masses = length_masses(net, data.train_images[:few], data.train_labels[:few]).cpu()
    return {
        "error": one.error(one.places),
        "crossings": [place for place in one.places if one.units[place].crosses],
        "without_one": delete_each(one.places, one.error).tolist(),
        "without_some": {
            size: delete_some(one.places, one.error, size, draws).tolist() for size in sizes
        },
        "shuffled_tau": [kendall_tau(order) for order in orders],
        "shuffled_error": [one.error(order) for order in orders],
        "gradient_by_length": masses.tolist(),
        "effective_length": effective_length(masses),
        "lengths_of_95_percent": list(shortest_range(masses)),
    }


class _Finish(nn.Module):
    def __init__(self, net: UnitResNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        return self.net.finish(x)


def _way(unit: ConvUnit, which: int, x: Tensor) -> Tensor:
    return unit.ways(x)[which]
