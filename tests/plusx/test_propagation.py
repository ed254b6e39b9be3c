"""Signals and gradients by depth: the closed form against hand arithmetic and measurements."""

import pytest
import torch
from torch import nn

from plusx import ArgumentError
from plusx.propagation import (
    gradient_by_depth,
    largest_gain,
    propagate,
    rms_norm,
    signal_by_depth,
)
from plusx.propagation_explorer import PropagationExplorer


def test_the_closed_form_by_hand():
    assert signal_by_depth(3, 1.0, 1.0, norm=False) == [1, 2, 4, 8]
    assert gradient_by_depth(3, 1.0, 1.0, norm=False) == [8, 4, 2, 1]
    assert signal_by_depth(3, 0.5, 2.0, norm=True) == [1, 4.25, 5.0625, 5.265625]
    assert signal_by_depth(0, 1.0, 1.0, norm=True) == gradient_by_depth(0, 1.0, 1.0, True) == [1]


@pytest.mark.parametrize("depth", [1, 7, 50])
def test_with_a_norm_signal_and_gradient_both_grow_to_depth_plus_one(depth):
    assert signal_by_depth(depth, 1.0, 1.0, norm=True)[-1] == pytest.approx(depth + 1)
    assert gradient_by_depth(depth, 1.0, 1.0, norm=True)[0] == pytest.approx(depth + 1)


@pytest.mark.parametrize(
    "setting", [(1.0, 1.0, True), (0.9, 1.0, True), (1.0, 0.3, False), (0.7, 0.7, False)]
)
def test_wide_random_stacks_follow_the_closed_form(setting):
    squares, lengths = propagate(12, *setting, width=256, seeds=4)
    for found, predicted in [
        (squares.mean(0), signal_by_depth(12, *setting)),
        (lengths.mean(0), gradient_by_depth(12, *setting)),
    ]:
        torch.testing.assert_close(found, torch.tensor(predicted).double(), rtol=0.3, atol=0)


def test_shapes_and_ends():
    squares, lengths = propagate(5, order="post", width=16, batch=4, seeds=3)
    assert squares.shape == lengths.shape == (3, 6)
    assert squares.dtype == torch.float64
    assert (lengths[:, -1] == 1).all()
    with pytest.raises(ArgumentError, match="pre"):
        propagate(5, order="middle")


def test_the_norm_makes_the_mean_square_one():
    x = 7 * torch.randn(5, 30, dtype=torch.float64)
    torch.testing.assert_close(rms_norm(x).square().mean(1), torch.ones(5, dtype=torch.float64))


def test_the_largest_gain_is_the_largest_singular_value():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 4)).double()
    x, v = torch.randn(6, dtype=torch.float64), torch.randn(6, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(net, x)
    largest = torch.linalg.matrix_norm(jacobian, 2).item()
    assert largest_gain(net, x, v, 200) == pytest.approx(largest, rel=1e-6)
    assert largest_gain(net, x, v, 0) == pytest.approx(((jacobian @ v).norm() / v.norm()).item())
    gains = [largest_gain(net, x, v, steps) for steps in range(5)]
    assert gains == sorted(gains)


def test_the_explorer_draws_any_setting():
    explorer = PropagationExplorer()
    assert set(explorer.inputs()) == {"depth", "skip", "branch", "norm", "order"}
    one = explorer.draw(depth=6, skip=1.0, branch=0.5, norm=True, order="pre")
    other = explorer.draw(depth=6, skip=0.9, branch=0.5, norm=False, order="post")
    assert one[:4] == other[:4] == b"\x89PNG" and one != other
    bundle, _ = explorer._repr_mimebundle_()
    assert "image/png" in bundle and "application/vnd.jupyter.widget-view+json" in bundle
