"""Give two models the same weights although their attribute names differ."""

import zlib
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from plusx.errors import WeightsError


def load_by_order(model: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Load the n-th floating-point tensor of `state` into the n-th one of `model`.

    `state` is another model's `state_dict()`. Integer entries (batch norm's counters)
    are left alone. Raises `WeightsError` if the number of tensors or a shape differs.
    """
    own, other = _floating(model.state_dict()), _floating(state)
    for position, (mine, theirs) in enumerate(zip(own, other, strict=False)):
        if own[mine].shape != other[theirs].shape:
            raise WeightsError(
                f"tensor {position} has another shape",
                expected=f"{theirs} {tuple(other[theirs].shape)}",
                got=f"{mine} {tuple(own[mine].shape)}",
                where="load_by_order",
            )
    if len(own) != len(other):
        raise WeightsError(
            "the models hold different numbers of tensors",
            expected=len(other),
            got=len(own),
            where="load_by_order",
        )
    model.load_state_dict({**model.state_dict(), **dict(zip(own, other.values(), strict=True))})


def fill_by_shape(model: nn.Module, seed: int) -> None:
    """Set every floating-point parameter and buffer to values that its shape determines.

    Two models with the same operations then compute the same function, whatever their
    attributes are called and in whatever order they were built: tensors of one shape
    are all equal. Axes of length 1 do not count. Vectors are drawn from [0.5, 1.5), so
    that they can be a scale, a shift, a mean and a variance alike; the others from a
    normal distribution of standard deviation 1 / sqrt(fan-in).
    """
    state = model.state_dict()
    filled = {name: _values(tensor, seed) for name, tensor in _floating(state).items()}
    model.load_state_dict({**state, **filled})


def _floating(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor for name, tensor in state.items() if tensor.is_floating_point()}


def _values(tensor: Tensor, seed: int) -> Tensor:
    core = [length for length in tensor.shape if length != 1]
    draw = torch.Generator().manual_seed(zlib.crc32(f"{seed} {core}".encode()))
    if len(core) < 2:
        values = torch.rand(core, generator=draw, dtype=torch.float64) + 0.5
    else:
        values = torch.randn(core, generator=draw, dtype=torch.float64)
        values *= (core[0] / values.numel()) ** 0.5
    return values.reshape(tensor.shape).to(tensor)
