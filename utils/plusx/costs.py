"""What layers and networks cost: weights, multiply-adds, memory traffic, reach, time.

Counts are exact and need no computation: they work on the meta device. One multiply-add
is one multiplication and the addition that goes with it; torchvision and most papers
call it a FLOP, others count it as two.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from plusx.errors import ArgumentError


@dataclass(frozen=True)
class Conv:
    """A square convolution without bias, padded by kernel // 2, on square images.

    Raises `ArgumentError` for an even kernel, or channels that the groups do not divide.
    """

    in_channels: int
    out_channels: int
    kernel: int = 1
    stride: int = 1
    groups: int = 1

    def __post_init__(self) -> None:
        if self.in_channels % self.groups or self.out_channels % self.groups:
            raise ArgumentError(
                "the groups do not divide the channels",
                expected=f"multiples of {self.groups}",
                got=(self.in_channels, self.out_channels),
                where="Conv",
            )
        if self.kernel % 2 == 0:
            raise ArgumentError("an even kernel", expected="odd", got=self.kernel, where="Conv")

    @property
    def weights(self) -> int:
        """Numbers in the kernel tensor."""
        return self.kernel**2 * self.in_channels * self.out_channels // self.groups

    def out_size(self, size: int) -> int:
        """Rows of the output for `size` rows of the input."""
        return (size - 1) // self.stride + 1

    def multiply_adds(self, size: int) -> int:
        """Multiply-adds for one image of size x size pixels."""
        return self.weights * self.out_size(size) ** 2

    def numbers_moved(self, size: int, batch: int = 1) -> int:
        """Numbers of input, weights and output, each once."""
        images = self.in_channels * size**2 + self.out_channels * self.out_size(size) ** 2
        return batch * images + self.weights

    def module(self) -> nn.Conv2d:
        """The layer itself, with random weights."""
        padding = self.kernel // 2
        return nn.Conv2d(
            self.in_channels,
            self.out_channels,
            self.kernel,
            self.stride,
            padding,
            groups=self.groups,
            bias=False,
        )


def block_layers(channels: int, width: int, kernel: int = 3, groups: int = 1) -> tuple[Conv, ...]:
    """The branch of a block that goes through `width` channels: 1x1, kernel, 1x1."""
    return (
        Conv(channels, width),
        Conv(width, width, kernel, groups=groups),
        Conv(width, channels),
    )


def count_multiply_adds(model: nn.Module, x: Tensor) -> int:
    """Multiply-adds of model(x) in its Conv2d and Linear layers, biases left out.

    Works on the meta device. The mode of the model is left as it is, so a forward pass in
    training mode moves the statistics of batch norm. What is no such layer counts nothing:
    norms, activations, poolings, and the products inside attention.
    """
    found: list[int] = []

    def note(layer: nn.Module, _inputs: object, output: Tensor) -> None:
        weight = layer.weight
        assert isinstance(weight, Tensor)
        found.append(output.numel() * weight[0].numel())

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    try:
        with torch.no_grad():
            model(x)
    finally:
        for handle in handles:
            handle.remove()
    return sum(found)


def receptive_field(layers: Iterable[tuple[int, int]]) -> tuple[int, int]:
    """How far a stack of (kernel, stride) layers sees: (field, jump), both in input pixels.

    A pixel of the output depends on `field` rows of the input at most; its neighbour's
    field begins `jump` rows later. Source: Araujo, Norris, Sim 2019, "Computing Receptive
    Fields of Convolutional Neural Networks", Distill (doi 10.23915/distill.00021).
    """
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field, jump


def resnet_reach(
    blocks: Iterable[int], bottleneck: bool, stride_first: bool = False
) -> list[tuple[int, int]]:
    """The (kernel, stride) layers on the longest path of a ResNet for large images.

    `blocks` are the blocks of each stage; the 1x1 convolutions stand in it, since they may
    have the stride (`stride_first`).
    """
    layers = [(7, 2), (3, 2)]
    for stage, count in enumerate(blocks):
        for block in range(count):
            stride = 2 if stage and not block else 1
            if not bottleneck:
                layers += [(3, stride), (3, 1)]
            elif stride_first:
                layers += [(1, stride), (3, 1), (1, 1)]
            else:
                layers += [(1, 1), (3, stride), (1, 1)]
    return layers


def forward_milliseconds(
    pairs: Mapping[str, tuple[nn.Module, Tensor]], rounds: int = 7, least_ms: float = 2.0
) -> dict[str, Tensor]:
    """Times of forward passes without gradients, in milliseconds: (rounds,) for each pair.

    The pairs (model, x) take turns, so that a machine that is busy for a while slows all of
    them. A model is called as often as it takes to fill `least_ms`, and the time divided.
    """
    repeats = {}
    for name, (model, x) in pairs.items():
        _milliseconds(model, x, 1)  # the first call also sets up
        repeats[name] = 1 + int(least_ms / max(_milliseconds(model, x, 1), 1e-3))
    turns = [
        [_milliseconds(*pair, repeats[name]) for name, pair in pairs.items()] for _ in range(rounds)
    ]
    return dict(zip(pairs, torch.tensor(turns).T, strict=True))


def _milliseconds(model: nn.Module, x: Tensor, repeats: int) -> float:
    with torch.no_grad():
        start = time.perf_counter()
        for _ in range(repeats):
            model(x)
        if x.device.type != "cpu":  # an accelerator works on after the call returns
            torch.accelerator.synchronize()
        return 1000 * (time.perf_counter() - start) / repeats
