"""Checks of an answer that more than one test cell needs; each raises `ExpectationError`."""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from plusx.diagnose_bottlenecks import (
    torchvision_bottleneck,
    wrong_bottleneck_counts,
    wrong_bottleneck_gradients,
    wrong_bottlenecks,
)
from plusx.expect import (
    expect_close,
    expect_equal,
    expect_shape,
    expect_true,
    expect_type,
    expect_works,
)
from plusx.weights import fill_by_shape

STRIDES = "branch and shortcut have different shapes: both have the stride"
NOT_JOINED = "add, do not concatenate"
Values = Mapping[str, Tensor]  # by the sentence that explains the mistake which gives them
Diagnose = Callable[[Any, Tensor, Tensor], Values]


@dataclass(frozen=True)
class Mistakes:
    """What a block that is not right may be instead: values by the sentence that explains them.

    counts: numbers of parameters. outputs(reference, x, y) and gradients(reference, x, v) give
    what wrong blocks give for x, where y is the answer's output and v the gradient at the output.
    formula: the question to ask where no sentence fits.
    """

    counts: Mapping[str, int]
    outputs: Diagnose
    gradients: Diagnose
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
    block = made(make, name, *sizes, **options)
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
    expect_count(block, reference, name, lambda: mistakes.counts)
    for model in (block, reference):
        fill_by_shape(model, seed=size[1])
    _expect_all_used(block.eval(), torch.randn(size), name)
    for training in (False, True, False):
        mode = "training" if training else "evaluation"
        block.train(training), reference.train(training)
        what, x = f"{name}, x of shape {size}, {mode} mode", torch.randn(size)
        outputs, formula = mistakes.outputs, mistakes.formula
        expect_output(block, reference, x, what, outputs, formula, STRIDES, NOT_JOINED)
    expect_gradient(block, reference, torch.randn(size), name, diagnose=mistakes.gradients)


def _expect_all_used(block: Any, x: Tensor, name: str) -> None:
    """All weights of one shape have equal values here: only a gradient tells them apart."""
    with expect_works(name, STRIDES):
        y = block(x)
    expect_type(y, Tensor, f"{name}: output", NOT_JOINED)
    expect_true(y.requires_grad, f"{name}: gradients flow", "the result is detached")
    y.sum().backward()
    learns = all(p.grad is not None for p in block.parameters())
    hint = (
        "a weight is never used (each layer has its own), or the branch is detached, or the skip "
        "is detached"
    )
    expect_true(learns, f"{name}: every weight receives a gradient", hint)


def made(make: Callable[..., Any], what: str, *arguments: Any, **settings: Any) -> Any:
    """The learner's module, which must be one."""
    with expect_works(what):
        module = make(*arguments, **settings)
    expect_type(module, nn.Module, what)
    return module


def expect_count(
    module: Any, right: nn.Module, what: str, diagnose: Callable[[], Mapping[str, int]]
) -> None:
    """Both have as many parameters; else `diagnose` says what mistakes would give."""
    count, wanted = (sum(p.numel() for p in m.parameters()) for m in (module, right))
    wrong = diagnose() if count != wanted else {}
    expect_equal(count, wanted, f"{what}: number of parameters", wrong=wrong)


def expect_output(
    module: Any,
    right: Any,
    x: Tensor,
    what: str,
    diagnose: Diagnose,
    hint: str = "",
    works: str = "",
    shape_hint: str = "",
) -> None:
    """module(x) is right(x), and leaves x as it was; running statistics of both follow x.

    diagnose(right, x, y): what mistakes make of x, for an answer y that differs. hint, works,
    shape_hint: the advice where no mistake fits, where the answer raises, where it has another
    shape. Without a `shape_hint` mistakes are looked for in answers of another shape, too.
    """
    before = x.clone()
    with torch.no_grad(), expect_works(what, works):
        y = module(x)
    expect_close(x, before, f"{what}: the caller's x after the call", "x is changed in place")
    with torch.no_grad():
        expected = deepcopy(right)(x)
        shape = tuple(expected.shape)
        if shape_hint:
            expect_shape(y, shape, f"{what}: output", shape_hint)
        expect_type(y, Tensor, f"{what}: output", hint)
        wrong = {} if near(y, expected) else diagnose(right, x, y)
        fitting = [sentence for sentence, value in wrong.items() if near(y, value)]
        expect_shape(y, shape, f"{what}: output", fitting[0] if fitting else hint)
        expect_close(y, expected, f"{what}: output", hint, wrong=wrong)
        right(x)  # its running statistics follow those of the answer


def of_input(diagnose: Callable[[Any, Tensor], Values]) -> Diagnose:
    """A diagnosis for `expect_output` that does not look at the answer."""
    return lambda right, x, y: diagnose(right, x)


def near(found: Tensor, expected: Tensor) -> bool:
    """Whether `expect_close` would let one pass for the other."""
    kinds = [(t.shape, t.dtype, t.device) for t in (found, expected)]
    return kinds[0] == kinds[1] and torch.allclose(found, expected, rtol=1e-4, atol=1e-5)


def expect_gradient(
    module: Any,
    right: Any,
    x: Tensor,
    what: str,
    hint: str = "",
    diagnose: Diagnose | None = None,
) -> None:
    """Both have the same gradient with respect to x.

    diagnose(right, x, v): what mistakes make of v, the gradient at the output.
    """
    x.requires_grad_()
    expected = right(x)
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, v)
    y = module(x)
    expect_true(y.requires_grad, f"{what}: gradients flow", "the result is detached")
    y.backward(v)
    wrong = diagnose(right, x, v) if diagnose is not None else {}
    expect_close(x.grad, gradient, f"{what}: gradient with respect to x", hint, wrong=wrong)
