"""Networks whose blocks can be taken apart: pre-activation, with or without skips.

He et al. 2016, "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027), for the order of
layers; Huang et al. 2016, "Deep Networks with Stochastic Depth" (arXiv 1603.09382), for blocks
that are left out at random in training.
"""

from collections.abc import Iterable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn

from plusx.errors import ArgumentError
from plusx.paths import Branch, gradient_at_end, states


class PreBlock(nn.Module):
    """y = x + F(x), or F(x) without `skip`; F = norm, ReLU, dense, norm, ReLU, dense.

    With a `survival` below 1 (and a skip), training computes x + F(x) with that probability and x
    else, for the whole batch; evaluation computes x + survival * F(x). x (B, width) -> (B, width).
    """

    def __init__(self, width: int, skip: bool = True, survival: float = 1.0) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width),
            nn.ReLU(),
            nn.Linear(width, width, bias=False),
        )
        self.skip = skip
        self.survival = survival

    def forward(self, x: Tensor) -> Tensor:
        y = self.branch(x)  # (B, width)
        if self.survival < 1:
            y = y * self._gate(x)
        return x + y if self.skip else y

    def _gate(self, x: Tensor) -> Tensor | float:
        if not self.training:
            return self.survival
        return (torch.rand((), device=x.device) < self.survival).to(x.dtype)


class PreNet(nn.Module):
    """A dense layer, `blocks` pre-activation blocks, norm, ReLU and a dense layer to the logits.

    x (B, ...), flattened to (B, inputs) -> logits (B, classes). `last_survival` is the
    probability with which the last block survives in training; it falls linearly from 1 at the
    stem (stochastic depth). Raises `ArgumentError` below one block, for a probability outside
    (0, 1], and for stochastic depth without skips.
    """

    def __init__(
        self,
        blocks: int,
        skip: bool = True,
        last_survival: float = 1.0,
        width: int = 32,
        inputs: int = 64,
        classes: int = 10,
    ) -> None:
        super().__init__()
        if blocks < 1 or not 0 < last_survival <= 1 or (last_survival < 1 and not skip):
            raise ArgumentError(
                "no such network",
                expected="one block or more, 0 < last_survival <= 1, 1 without skips",
                got=f"{blocks} blocks, last_survival {last_survival}, skip={skip}",
                where="PreNet",
            )
        self.stem = nn.Linear(inputs, width, bias=False)
        self.blocks = nn.Sequential(
            *(PreBlock(width, skip, p) for p in survivals(blocks, last_survival))
        )
        self.head = nn.Sequential(nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, classes))
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.run(x, self.blocks)

    def run(self, x: Tensor, blocks: Iterable[nn.Module]) -> Tensor:
        """The logits with other blocks than its own between stem and head."""
        h = self.stem(x.flatten(1))  # (B, width)
        for block in blocks:
            h = block(h)
        return self.head(h)  # (B, classes)


def survivals(blocks: int, last: float) -> list[float]:
    """Probabilities that fall linearly from 1 at the stem to `last` at the last block.

    Source: Huang et al. 2016, equation 4: block l of L survives with 1 - (l / L) (1 - last).
    """
    return [1 - (block / blocks) * (1 - last) for block in range(1, blocks + 1)]


class Specimen:
    """A trained network on which lesions are tried; its error is taken on `images`, `labels`.

    A lesion changes what the norms see. With `statistics` (images), their means and variances are
    those of the whole network on these images, as at an ordinary test. Without, every lesioned
    network takes them anew from the images it is tested on. The given network is not changed.
    """

    def __init__(
        self, net: PreNet, images: Tensor, labels: Tensor, statistics: Tensor | None = None
    ) -> None:
        self.net, self.images, self.labels = deepcopy(net).eval(), images, labels
        norms = [m for m in self.net.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
        for norm in norms:
            norm.train()
            norm.momentum = 0.0 if statistics is None else 1.0
        if statistics is not None:
            with torch.no_grad():
                self.net(statistics)
            self.net.eval()

    @property
    def blocks(self) -> list[nn.Module]:
        """The network's own blocks, in their order."""
        return list(self.net.blocks)

    @torch.no_grad()
    def error(self, blocks: Iterable[nn.Module]) -> float:
        """The error in percent with these blocks between stem and head."""
        logits = self.net.run(self.images, blocks)  # (B, classes)
        return 100 * (logits.argmax(1) != self.labels).double().mean().item()

    @torch.no_grad()
    def contributions(self) -> Tensor:
        """For each block, the norm of what it adds over the norm of what it gets, (blocks,)"""
        h, shares = self.net.stem(self.images.flatten(1)), []
        for block in self.blocks:
            y = block(h)
            shares.append((y - h).norm() / h.norm())
            h = y
        return torch.stack(shares)


def gradient_problem(
    net: PreNet, images: Tensor, labels: Tensor
) -> tuple[Sequence[Branch], Tensor, Tensor]:
    """Branches, the state after the stem, and the loss's gradient at the last state.

    What the functions of `plusx.paths` need: (branches, x, v), x and v (B, width). In training
    mode, with the batch's own statistics, and every block alive.
    """
    net = deepcopy(net).train()
    branches = [block.get_submodule("branch") for block in net.blocks]
    with torch.no_grad():
        x = net.stem(images.flatten(1))  # (B, width)
    return branches, x, gradient_at_end(net.head, states(branches, x)[-1], labels)
