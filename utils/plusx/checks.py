"""Checks of an answer that more than one test cell needs; each raises `ExpectationError`."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from plusx.diagnose_bottlenecks import (
    torchvision_bottleneck,
    wrong_bottleneck_counts,
    wrong_bottleneck_gradients,
    wrong_bottlenecks,
)
from plusx.expect import expect_close, expect_equal, expect_shape, expect_true, expect_works
from plusx.weights import fill_by_shape

STRIDES = "branch and shortcut have different shapes: both have the stride"


@dataclass(frozen=True)
class Mistakes:
    """What a block that is not right may be instead: values by the sentence that explains them.

    counts: numbers of parameters. outputs(reference, x, y) and gradients(reference, x, v) give
    what wrong blocks give for x, where y is the answer's output and v the gradient at the output.
    formula: the question to ask where no sentence fits.
    """

    counts: Mapping[str, int]
    outputs: Callable[[Any, Tensor, Tensor], Mapping[str, Tensor]]
    gradients: Callable[[Any, Tensor, Tensor], Mapping[str, Tensor]]
    formula: str


def expect_bottleneck(
    make: Callable[..., Any],
    sizes: tuple[int, int, int],
    batch: int,
    height: int,
    width: int,
    **options: Any,
) -> None:
    """make(*sizes, **options) computes what torchvision's bottleneck does: see `expect_like`.

    x is (batch, sizes[0], height, width).
    """
    name = called("Bottleneck", sizes, options)
    with expect_works(name):
        block = make(*sizes, **options)
    reference = torchvision_bottleneck(*sizes, **options)
    mistakes = Mistakes(
        wrong_bottleneck_counts(reference),
        wrong_bottlenecks,
        wrong_bottleneck_gradients,
        "is it relu(F(x) + W x)?",
    )
    expect_like(block, reference, (batch, sizes[0], height, width), name, mistakes)


def called(name: str, arguments: tuple[int, ...], options: Mapping[str, Any]) -> str:
    """A call as one writes it: Bottleneck(8, 2, 8, stride=2)."""
    parts = [*map(str, arguments), *(f"{key}={value}" for key, value in options.items())]
    return f"{name}({', '.join(parts)})"


def expect_like(
    block: Any, reference: Any, size: tuple[int, int, int, int], name: str, mistakes: Mistakes
) -> None:
    """A block computes what `reference` does, with the same weights.

    Compared are the number of parameters, which of them get a gradient, the output for x of this
    size (B, C, H, W) in evaluation mode, in training mode and in evaluation mode with the
    statistics of that, and the gradient with respect to x. Draws from torch's generator.
    """
    count, right = (sum(p.numel() for p in m.parameters()) for m in (block, reference))
    expect_equal(count, right, f"{name}: number of parameters", wrong=mistakes.counts)
    for model in (block, reference):
        fill_by_shape(model, seed=size[1])
    _expect_all_used(block.eval(), torch.randn(size), name)
    for training in (False, True, False):
        mode = "training" if training else "evaluation"
        block.train(training), reference.train(training)
        what = f"{name}, x of shape {size}, {mode} mode"
        _expect_output(block, reference, torch.randn(size), what, mistakes)
    _expect_gradient(block, reference, torch.randn(size), name, mistakes)


def _expect_all_used(block: Any, x: Tensor, name: str) -> None:
    """All weights of one shape have equal values here: only a gradient tells them apart."""
    with expect_works(name, STRIDES):
        y = block(x)
    expect_true(y.requires_grad, f"{name}: gradients flow through the block", "it is detached")
    y.sum().backward()
    learns = all(p.grad is not None for p in block.parameters())
    hint = (
        "a weight is never used (each layer has its own), or the branch is detached, or the skip "
        "is detached"
    )
    expect_true(learns, f"{name}: every weight receives a gradient", hint)


def _expect_output(block: Any, reference: Any, x: Tensor, what: str, mistakes: Mistakes) -> None:
    caller = x.clone()
    with torch.no_grad(), expect_works(what, STRIDES):
        y = block(x)
    expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
    with torch.no_grad():
        expected = deepcopy(reference)(x)
        expect_shape(y, tuple(expected.shape), f"{what}: output", "add, do not concatenate")
        wrong = mistakes.outputs(reference, x, y)
        expect_close(y, expected, f"{what}: output", mistakes.formula, wrong=wrong)
        reference(x)  # its running statistics follow those of the block


def _expect_gradient(block: Any, reference: Any, x: Tensor, name: str, mistakes: Mistakes) -> None:
    x.requires_grad_()
    expected = reference(x)
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, v)
    y = block(x)
    expect_true(y.requires_grad, f"{name}: gradients flow through the block", "it is detached")
    y.backward(v)
    wrong = mistakes.gradients(reference, x, v)
    expect_close(x.grad, gradient, f"{name}: gradient with respect to x", wrong=wrong)
