"""Weights cross between models whose attribute names differ."""

import pytest
import torch
from torch import nn

from plusx import WeightsError, fill_by_shape, load_by_order


class Reordered(nn.Module):
    """Conv and norm, created in the other order."""

    def __init__(self):
        super().__init__()
        self.second = nn.BatchNorm2d(4)
        self.first = nn.Conv2d(3, 4, 3)

    def forward(self, x):
        return self.second(self.first(x))


def test_load_by_order_copies_and_keeps_counters():
    source, target = (nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)) for _ in range(2))
    source(torch.randn(5, 2))
    load_by_order(target, source.state_dict())
    assert torch.equal(source[0].weight, target[0].weight)
    assert torch.equal(source[1].running_mean, target[1].running_mean)
    assert target[1].num_batches_tracked == 0


def test_load_by_order_names_the_tensor_that_does_not_fit():
    source = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 4))
    with pytest.raises(WeightsError) as caught:
        load_by_order(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 5)), source.state_dict())
    for word in ("tensor 2", "1.weight (4, 3)", "1.weight (5, 3)", "load_by_order"):
        assert word in str(caught.value)
    with pytest.raises(WeightsError, match="different numbers"):
        load_by_order(nn.Linear(2, 3), source.state_dict())


def test_models_filled_by_shape_compute_the_same():
    models = Reordered(), nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    for model in models:
        fill_by_shape(model.eval(), seed=3)
    x = torch.randn(2, 3, 6, 6)
    torch.testing.assert_close(models[0](x), models[1](x))


def test_filling_depends_on_shape_and_seed_alone():
    first, second, other = nn.Linear(4, 3), nn.Linear(4, 3).double(), nn.Linear(4, 3)
    for model, seed in ((first, 5), (second, 5), (other, 6)):
        fill_by_shape(model, seed)
    torch.testing.assert_close(first.weight.double(), second.weight, atol=1e-6, rtol=1e-6)
    assert not torch.allclose(first.weight, other.weight)
    assert (first.bias >= 0.5).all() and (first.bias < 1.5).all()


def test_axes_of_length_one_do_not_count():
    raw = nn.ParameterList([torch.zeros(1, 4, 1, 1)])
    norm = nn.BatchNorm2d(4)
    fill_by_shape(raw, 2), fill_by_shape(norm, 2)
    assert torch.equal(raw[0].flatten(), norm.weight)
