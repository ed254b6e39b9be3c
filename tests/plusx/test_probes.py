"""Instruments give what can be computed by hand."""

import pytest
import torch
from torch import nn

from plusx import (
    ArgumentError,
    BasicBlock,
    count_parameters,
    gradient_norms,
    gradient_profile,
    saved_mebibytes,
    step_seconds,
)


def test_frozen_parameters_do_not_count():
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1).requires_grad_(False))
    assert count_parameters(model) == 9


def test_gradient_norms_of_linear_layers():
    layers = [nn.Linear(2, 2, bias=False) for _ in range(3)]
    for layer, factor in zip(layers, (2.0, 3.0, 0.5), strict=True):
        nn.init.eye_(layer.weight).data.mul_(factor)
    norms = gradient_norms(layers, torch.ones(1, 2), torch.tensor([[3.0, 4.0]]))
    assert norms == pytest.approx([15.0, 7.5, 2.5, 5.0])


def test_a_profile_has_a_row_for_each_seed_and_ends_at_one():
    profile = gradient_profile(6, 1.0, skip=True, seeds=3, width=8, batch=4)
    assert profile.shape == (3, 7)
    assert profile.dtype == torch.float64
    torch.testing.assert_close(profile[:, -1], torch.ones(3, dtype=torch.float64))
    assert torch.equal(profile, gradient_profile(6, 1.0, skip=True, seeds=3, width=8, batch=4))


def test_gain_scales_a_plain_profile_layer_by_layer():
    one, two = (gradient_profile(5, gain, skip=False) for gain in (1.0, 2.0))
    factors = 2.0 ** torch.arange(5, -1, -1, dtype=torch.float64)
    torch.testing.assert_close(two, one * factors)


def test_batch_norm_makes_the_gain_irrelevant():
    one, two = (gradient_profile(5, gain, skip=False, norm=True) for gain in (1.0, 2.0))
    torch.testing.assert_close(one, two, rtol=1e-2, atol=0)


def test_what_the_lesson_says_about_gradients():
    """Measured in lesson 02; here with a wide margin."""
    ratio = {
        (skip, norm): gradient_profile(50, 2**0.5, skip, norm)[:, 0].log10().mean()
        for skip in (False, True)
        for norm in (False, True)
    }
    assert abs(ratio[False, False]) < 1.5
    assert ratio[True, False] > 8
    assert 3.5 < ratio[False, True] < 5.5
    assert 0.5 < ratio[True, True] < 2


@pytest.mark.parametrize("sizes", [{"depth": 0}, {"width": 0}, {"batch": 0}, {"seeds": 0}])
def test_a_size_below_one_is_refused(sizes):
    with pytest.raises(ArgumentError, match="expected: depth, width"):
        gradient_profile(**({"depth": 2, "gain": 1.0, "skip": True} | sizes))


def test_saved_memory_of_a_known_network():
    # Linear keeps its input (1024 x 256 floats, 1 MiB); ReLU its output, of the same size.
    net = nn.Sequential(nn.Linear(256, 256), nn.ReLU())
    assert saved_mebibytes(net, torch.randn(1024, 256)) == pytest.approx(2.0, abs=0.01)


def test_the_identity_shortcut_keeps_no_more_memory():
    x = torch.randn(8, 16, 16, 16)
    plain, residual = (saved_mebibytes(BasicBlock(16, 16, skip=s), x) for s in (False, True))
    assert residual == pytest.approx(plain, rel=0.01)


def test_a_step_takes_time():
    assert step_seconds(nn.Linear(4, 4), torch.ones(2, 4), repeats=2) > 0
