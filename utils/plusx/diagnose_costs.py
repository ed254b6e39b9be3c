"""What well-known mistakes would compute, for the counts and fields of lesson 03.

As in `plusx.diagnose`, each function returns a dictionary: a sentence about the mistake ->
the value it gives.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

from plusx.costs import Conv, receptive_field


def wrong_conv_weights(conv: Conv) -> dict[str, int]:
    """Mistakes in the number of weights of a convolution."""
    k, C, D, g = conv.kernel, conv.in_channels, conv.out_channels, conv.groups
    return {
        "the groups are ignored: an output channel sees in_channels / groups": k * k * C * D,
        "the groups divide once: inputs per output channel": k * k * C * D // g**2,
        "the groups multiply: they divide": k * k * C * D * g,
        "the kernel counts once: it is kernel x kernel": k * C * D // g,
        "the kernel is ignored: it is kernel x kernel": C * D // g,
        "biases are counted: these convolutions have none": conv.weights + D,
        "input channels are counted for both sides": k * k * C * C // g,
        "output channels are counted for both sides": k * k * D * D // g,
    }


def wrong_conv_operations(conv: Conv, height: int, width: int) -> dict[str, int]:
    """Mistakes in the multiply-adds of a convolution on an image of height x width."""
    rows, columns = conv.out_size(height), conv.out_size(width)
    s, W = conv.stride, conv.weights
    return {
        "the stride is ignored: count the pixels of the output": W * height * width,
        "the stride divides once: rows and columns shrink": W * rows * width,
        "the stride divides once: columns and rows shrink": W * height * columns,
        "the stride divides rounding down: the output has ceil(H / stride) rows": W
        * (height // s)
        * (width // s),
        "these are the weights: each is used at every pixel of the output": W,
        "a multiply-add counts once, not as two operations": 2 * W * rows * columns,
        "the image is taken as square: it has height and width": W * rows * rows,
        "the groups are ignored: an output channel sees in_channels / groups": W
        * conv.groups
        * rows
        * columns,
    }


def wrong_model_counts(model: nn.Module, x: Tensor) -> dict[str, int]:
    """Mistakes in the multiply-adds of a model; best on the meta device."""
    rows: list[tuple[Any, int, int]] = []  # layer, numbers in, numbers out

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        rows.append((layer, inputs[0].numel(), output.numel()))

    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    handles = [layer.register_forward_hook(note) for layer in layers]
    model(x)
    for handle in handles:
        handle.remove()
    convs = [row for row in rows if isinstance(row[0], nn.Conv2d)]
    return _wrong_totals(rows, convs, len(x), sum(p.numel() for p in model.parameters()))


def _wrong_totals(
    rows: list[tuple[Any, int, int]],
    convs: list[tuple[Any, int, int]],
    batch: int,
    parameters: int,
) -> dict[str, int]:
    def total(part: list[tuple[Any, int, int]]) -> int:
        return sum(out * layer.weight[0].numel() for layer, _, out in part)

    groups_ignored = sum(
        out * layer.weight[0].numel() * getattr(layer, "groups", 1) for layer, _, out in rows
    )
    at_input = sum(i // layer.in_channels * layer.weight.numel() for layer, i, _ in convs) + total(
        [row for row in rows if row not in convs]
    )
    biases = sum(out for layer, _, out in rows if layer.bias is not None)
    return {
        "the groups are ignored: use the shape of the weights": groups_ignored,
        "linear layers are not counted": total(convs),
        "convolutions are not counted": total(rows) - total(convs),
        "the batch is ignored: count what one call computes": total(rows) // batch,
        "a multiply-add counts once, not as two operations": 2 * total(rows),
        "the pixels of the input are counted: take those of the output": at_input,
        "biases are counted: they are additions alone": total(rows) + biases,
        "these are the parameters: weights are used at every pixel": parameters,
    }


def wrong_fields(layers: Sequence[tuple[int, int]]) -> dict[str, tuple[int, int]]:
    """Mistakes in (field, jump) of a stack of (kernel, stride) layers."""
    field, jump = receptive_field(layers)
    return {
        "the stride of a layer counts too early: it spreads the layers after it": _walk(
            layers, early=True
        ),
        "a kernel of k adds k - 1 jumps, not k": _walk(layers, less=0),
        "the field of no layer is one pixel": (field - 1, jump),
        "the strides are added: they multiply": _walk(layers, added=True),
        "the strides are ignored in the field: a later layer steps over jump pixels": (
            1 + sum(kernel - 1 for kernel, _ in layers),
            jump,
        ),
        "the order is reversed: the first layer is the one next to the input": (
            receptive_field(layers[::-1])[0],
            jump,
        ),
        "field and jump are swapped": (jump, field),
        "the strides of the last layer alone are the jump: they multiply": (
            field,
            layers[-1][1] if layers else 0,
        ),
    }


def right_width(channels: int, budget: int, groups: int) -> int:
    """The largest inner width of a bottleneck whose three convolutions fit the budget.

    A multiple of `groups`, those of the 3x3; 0 where not even the narrowest fits.
    """
    return _widest(budget, groups, lambda W: 2 * channels * W + 9 * W**2 // groups)


def wrong_widths(channels: int, budget: int, groups: int) -> dict[str, int]:
    """Mistakes in that width."""
    C, g, right = channels, groups, right_width(channels, budget, groups)
    others = {n: right_width(C, budget, n) for n in (2, 4, 8, 16, 32) if n != g}
    return {
        "the groups are ignored: the 3x3 has 9 W * W / groups weights": _widest(
            budget, g, lambda W: 2 * C * W + 9 * W**2
        ),
        "one 1x1 is not counted: there are two": _widest(
            budget, g, lambda W: C * W + 9 * W**2 // g
        ),
        "the kernel is ignored: the 3x3 has 9 weights for a pair of channels": _widest(
            budget, g, lambda W: 2 * C * W + W**2 // g
        ),
        "this width costs more than the budget: the one before it fits": right + g,
        "a wider one fits: the budget itself may be spent": right - g,
        "the width is no multiple of the groups": _widest(
            budget, 1, lambda W: 2 * C * W + 9 * W**2 / g
        ),
        **{f"this is the width for {n} groups: yours has {g}": w for n, w in others.items()},
    }


def _widest(budget: int, step: int, price: Callable[[int], float]) -> int:
    width = 0
    while price(width + step) <= budget:
        width += step
    return width


def wrong_intensities(conv: Conv, size: int, batch: int) -> dict[str, float]:
    """Mistakes in the multiply-adds per number moved of a convolution."""
    operations = batch * conv.multiply_adds(size)
    x = batch * conv.in_channels * size**2
    y = batch * conv.out_channels * conv.out_size(size) ** 2
    return {
        "the input is not counted": operations / (y + conv.weights),
        "the output is not counted": operations / (x + conv.weights),
        "the weights are not counted": operations / (x + y),
        "only the weights are counted": operations / conv.weights,
        "the weights are counted for every image, or the batch is ignored": operations
        / (x + y + batch * conv.weights),
        "the batch is ignored in the numbers moved": operations / ((x + y) / batch + conv.weights),
        "the batch is ignored in the multiply-adds": conv.multiply_adds(size)
        / (x + y + conv.weights),
        "it is the wrong way up: multiply-adds per number": (x + y + conv.weights) / operations,
        "these are bytes: count numbers": operations / (4 * (x + y + conv.weights)),
        "the output is taken as large as the input: mind the stride": operations
        / (x + batch * conv.out_channels * size**2 + conv.weights),
    }


def _walk(
    layers: Sequence[tuple[int, int]], less: int = 1, early: bool = False, added: bool = False
) -> tuple[int, int]:
    """Field and jump, with mistakes on demand."""
    field, jump = 1, 1
    for kernel, stride in layers:
        after = jump + stride - 1 if added else jump * stride
        field += (kernel - less) * (after if early else jump)
        jump = after
    return field, jump
