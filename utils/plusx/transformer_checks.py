"""Checks of an answer that more than one test cell of lesson 06 needs."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from plusx.checks import (
    NOT_JOINED,
    expect_count,
    expect_gradient,
    expect_output,
    made,
    of_input,
)
from plusx.diagnose_transformers import (
    right_wired,
    torch_block,
    wrong_block_counts,
    wrong_blocks,
    wrong_wired,
)
from plusx.expect import expect_close, expect_equal, expect_works
from plusx.weights import fill_by_shape

DTYPE = "a dtype is written into the block"
STARTS = {"layerscale": 0.1, "rezero": 0.0}  # of gains


def expect_block(
    make: Callable[..., Any], name: str, norm_first: bool, size: tuple[int, int, int], heads: int
) -> None:
    """make(width, heads) computes what torch's own block does, for x of `size` (B, T, width).

    Compared are the number of parameters, outputs in both modes, and the gradient with respect to
    x. Draws from torch's generator.
    """
    width, what = size[2], f"{name}({size[2]}, {heads})"
    block, layer = made(make, what, width, heads), torch_block(width, heads, norm_first)
    expect_count(block, layer, what, lambda: wrong_block_counts(layer, width))
    with expect_works(what, DTYPE):
        block.double()
    layer.double()
    for model in (block, layer):
        fill_by_shape(model, seed=width)
    hint = "do the parts come in the order of the formula?"
    for training in (True, False):
        x, shown = torch.randn(size, dtype=torch.float64), f"{what}, x of shape {size}"
        block.train(training), layer.train(training)
        diagnose = of_input(wrong_blocks)
        expect_output(block, layer, x, shown, diagnose, hint, DTYPE, NOT_JOINED)
    hint = "a skip or a branch is detached: gradients flow through both"
    x = torch.randn(size, dtype=torch.float64)
    expect_gradient(block, layer.train(), x, what, hint)


def expect_wired(make: Callable[..., Any], kind: str, width: int, blocks: int) -> None:
    """make(branch, width, kind, blocks) joins a branch to the stream as `kind` says.

    Compared are the number of parameters, the output with other parameters than at the start, and
    the output at the start. Draws from torch's generator.
    """
    what = f"Wired(branch, {width}, {kind!r}, {blocks})"
    branch = nn.Sequential(
        nn.Linear(width, 2 * width + 1), nn.Tanh(), nn.Linear(2 * width + 1, width)
    )
    branch.double()
    wired = made(make, what, branch, width, kind, blocks)
    with expect_works(what):
        wired.double()
    own = {"pre": 2, "post": 2, "peri": 4, "deepnorm": 2, "layerscale": 3}.get(kind, 0) * width
    count = sum(p.numel() for p in branch.parameters()) + own + (kind == "rezero")
    wrong = _wrong_wired_counts(branch, width, kind, count)
    mine = sum(p.numel() for p in wired.parameters())
    expect_equal(mine, count, f"{what}: number of parameters", wrong=wrong)
    norm = nn.LayerNorm(width).double()
    x = torch.randn(2, 5, width, dtype=torch.float64)
    with torch.no_grad(), expect_works(what):
        first, first_by_gain = wired(x), _outputs_by_gain(kind, branch, norm, blocks, x)
    for module in (wired, branch, norm):
        _fill_parameters(module, seed=blocks)
    gain = norm.weight.detach()
    if kind == "rezero":
        number = nn.Module()
        number.register_parameter("gain", nn.Parameter(torch.zeros(1, dtype=torch.float64)))
        fill_by_shape(number, seed=blocks)
        gain = next(number.parameters()).detach()
    # Only now the start: a gain of one that is used looks like none, until it has another value.
    _expect_formula(wired, kind, branch, norm, gain, blocks, x, f"{what}, other parameters")
    _expect_start(first, first_by_gain, kind, f"{what}, at the start")


def _outputs_by_gain(
    kind: str, branch: Callable[[Tensor], Tensor], norm: nn.LayerNorm, blocks: int, x: Tensor
) -> dict[float, Tensor]:
    """What a wiring gives for x if its gain has one of several values."""
    return {
        value: right_wired(kind, branch, norm, torch.tensor(value, dtype=x.dtype), blocks)(x)
        for value in (0.0, 1e-6, 1e-4, 0.01, 0.1, 0.5, 1.0)
    }


def _expect_start(first: Tensor, by_gain: dict[float, Tensor], kind: str, what: str) -> None:
    start = STARTS.get(kind)
    if start is None:  # no gain: all values give the same
        expect_close(first, by_gain[1.0], what, "norms start as torch has them")
        return
    expected = by_gain.pop(start)
    wrong = {f"the gain starts at {v:g}: it starts at {start:g}": y for v, y in by_gain.items()}
    expect_close(first, expected, what, f"the gain starts at {start:g}", wrong=wrong)


def _fill_parameters(module: Any, seed: int) -> None:
    """As `fill_by_shape`, but buffers (a constant that somebody keeps in one) stay."""
    learned = {name for name, _ in module.named_parameters()}
    kept = {k: v.clone() for k, v in module.state_dict().items() if k not in learned}
    fill_by_shape(module, seed)
    module.load_state_dict({**module.state_dict(), **kept})


def _wrong_wired_counts(branch: nn.Module, width: int, kind: str, right: int) -> dict[str, int]:
    inner = sum(p.numel() for p in branch.parameters())
    wrong = {
        "the branch is not registered: assign it to self": right - inner,
        "norms that this wiring does not have are there, or some are missing": inner + 2 * width,
        "norms that this wiring does not have are there": inner + 4 * width,
        "there is no norm and no gain": inner,
    }
    if kind == "rezero":
        wrong["the gain is one number for each channel: ReZero has one number"] = inner + width
        wrong["the gain is not learned: make it an nn.Parameter"] = inner
        wrong["ReZero has no norm"] = inner + 2 * width + 1
    if kind == "layerscale":
        wrong["the gain is one number: LayerScale has one for each channel"] = inner + 2 * width + 1
        wrong["the gain is not learned: make it an nn.Parameter"] = inner + 2 * width
        wrong["the norm is missing"] = inner + width
    if kind == "peri":
        wrong["one norm is used twice: there are two"] = inner + 2 * width
    return dict(reversed(wrong.items()))


def _expect_formula(
    wired: Any,
    kind: str,
    branch: Callable[[Tensor], Tensor],
    norm: Callable[[Tensor], Tensor],
    gain: Tensor,
    blocks: int,
    x: Tensor,
    what: str,
) -> None:
    before = x.clone()
    with torch.no_grad(), expect_works(what):
        y = wired(x)
    expect_close(x, before, f"{what}: the caller's x after the call", "x is changed in place")
    with torch.no_grad():
        expected = right_wired(kind, branch, norm, gain, blocks)(x)
        wrong = wrong_wired(kind, branch, norm, gain, blocks, x)
    expect_close(y, expected, what, wrong=wrong)
