"""The check of a pre-activation unit, which two test cells need; raises `ExpectationError`."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch

from plusx.diagnose_preactivation import wrong_unit_counts, wrong_unit_gradients, wrong_units
from plusx.expect import expect_close, expect_equal, expect_shape, expect_true, expect_works
from plusx.preactivation import PreActBlock
from plusx.weights import fill_by_shape


def expect_unit(
    make: Callable[..., Any],
    channels: tuple[int, int],
    size: tuple[int, int, int, int],
    **options: Any,
) -> None:
    """make(*channels, **options) computes what `plusx.preactivation.PreActBlock` does.

    Compared are the number of parameters, the output for x of this size (B, C, H, W) in
    evaluation mode, in training mode and in evaluation mode with the statistics of that, and
    the gradient with respect to x. Draws from torch's generator.
    """
    extra = "".join(f", {key}={value}" for key, value in options.items())
    name = f"PreActBlock({channels[0]}, {channels[1]}{extra})"
    with expect_works(name):
        block = make(*channels, **options)
    reference = PreActBlock(*channels, **options)
    count, right = (sum(p.numel() for p in m.parameters()) for m in (block, reference))
    wrong = wrong_unit_counts(*channels, options.get("stride", 1))
    expect_equal(count, right, f"{name}: number of parameters", wrong=wrong)
    for model in (block, reference):
        fill_by_shape(model, seed=sum(channels))
    _expect_all_used(block.eval(), torch.randn(size), name)
    for training in (False, True, False):
        mode = "training" if training else "evaluation"
        block.train(training), reference.train(training)
        _expect_output(block, reference, torch.randn(size), f"{name}, {mode} mode")
    _expect_gradient(block, reference, torch.randn(size), name)


def _expect_all_used(block: Any, x: torch.Tensor, name: str) -> None:
    """All weights of one shape have equal values here, so that only a gradient tells them apart."""
    with expect_works(name, "branch and shortcut have different shapes: both have the stride"):
        y = block(x)
    expect_true(y.requires_grad, f"{name}: gradients flow through the unit", "it is detached")
    y.sum().backward()
    learns = all(p.grad is not None for p in block.parameters())
    hint = "a weight is never used, or the branch is detached: each layer has its own weights"
    expect_true(learns, f"{name}: every weight receives a gradient", hint)


def _expect_output(block: Any, reference: PreActBlock, x: torch.Tensor, what: str) -> None:
    caller = x.clone()
    hint = "branch and shortcut have different shapes: both have the stride"
    with torch.no_grad(), expect_works(what, hint):
        y = block(x)
    expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
    with torch.no_grad():
        expected = deepcopy(reference)(x)
        expect_shape(y, tuple(expected.shape), f"{what}: output", "add, do not concatenate")
        wrong = wrong_units(reference, x, y)
        expect_close(y, expected, f"{what}: output", "is it shortcut + F(x)?", wrong=wrong)
        reference(x)  # its running statistics follow those of the unit


def _expect_gradient(block: Any, reference: PreActBlock, x: torch.Tensor, name: str) -> None:
    x.requires_grad_()
    expected = reference(x)
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, v)
    y = block(x)
    expect_true(y.requires_grad, f"{name}: gradients flow through the unit", "it is detached")
    y.backward(v)
    wrong = wrong_unit_gradients(reference, x, v)
    expect_close(x.grad, gradient, f"{name}: gradient with respect to x", wrong=wrong)
