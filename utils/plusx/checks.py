"""Checks of an answer that more than one test cell needs; each raises `ExpectationError`."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch

from plusx.diagnose_bottlenecks import (
    torchvision_bottleneck,
    wrong_bottleneck_counts,
    wrong_bottleneck_gradients,
    wrong_bottlenecks,
)
from plusx.expect import expect_close, expect_equal, expect_shape, expect_true, expect_works
from plusx.weights import fill_by_shape


def expect_bottleneck(
    make: Callable[..., Any],
    sizes: tuple[int, int, int],
    batch: int,
    height: int,
    width: int,
    **options: Any,
) -> None:
    """make(*sizes, **options) computes what torchvision's bottleneck does.

    Compared are the number of parameters, the output for x (batch, sizes[0], height, width) in
    evaluation mode, in training mode and in evaluation mode with the statistics of that, and
    the gradient with respect to x. Draws from torch's generator.
    """
    extra = "".join(f", {key}={value}" for key, value in options.items())
    name = f"Bottleneck({', '.join(map(str, sizes))}{extra})"
    with expect_works(name):
        block = make(*sizes, **options)
    reference = torchvision_bottleneck(*sizes, **options)
    count, right = (sum(p.numel() for p in m.parameters()) for m in (block, reference))
    wrong = wrong_bottleneck_counts(reference)
    expect_equal(count, right, f"{name}: number of parameters", wrong=wrong)
    for model in (block, reference):
        fill_by_shape(model, seed=sizes[0])
    for training in (False, True, False):
        mode = "training" if training else "evaluation"
        x = torch.randn(batch, sizes[0], height, width)
        block.train(training), reference.train(training)
        _expect_output(block, reference, x, f"{name}, x of shape {tuple(x.shape)}, {mode} mode")
    _expect_gradient(block, reference, torch.randn(batch, sizes[0], height, width), name)


def _expect_output(block: Any, reference: Any, x: torch.Tensor, what: str) -> None:
    caller = x.clone()
    hint = "branch and shortcut have different shapes: both have the stride"
    with torch.no_grad(), expect_works(what, hint):
        y = block(x)
    expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
    with torch.no_grad():
        expected = deepcopy(reference)(x)
        expect_shape(y, expected.shape, f"{what}: output", "add, do not concatenate")
        wrong = wrong_bottlenecks(reference, x, y)
        expect_close(y, expected, f"{what}: output", "is it relu(F(x) + W x)?", wrong=wrong)
        reference(x)  # its running statistics follow those of the block


def _expect_gradient(block: Any, reference: Any, x: torch.Tensor, name: str) -> None:
    x.requires_grad_()
    expected = reference(x)
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, v)
    y = block(x)
    expect_true(y.requires_grad, f"{name}: gradients flow through the block", "it is detached")
    y.backward(v)
    wrong = wrong_bottleneck_gradients(reference, x, v)
    expect_close(x.grad, gradient, f"{name}: gradient with respect to x", wrong=wrong)
