"""Counts by hand and against torchvision's published ones; fields against autograd."""

import pytest
import torch
import torchvision
from torch import nn

from plusx import (
    ArgumentError,
    Conv,
    block_layers,
    count_multiply_adds,
    forward_milliseconds,
    receptive_field,
    resnet_reach,
)

NETWORKS = "resnet18 resnet50 resnext50_32x4d mobilenet_v2 densenet121".split()


def test_the_bottleneck_of_the_paper_by_hand():
    weights = [layer.weights for layer in block_layers(256, 64)]
    assert weights == [16_384, 36_864, 16_384] and sum(weights) == 69_632


@pytest.mark.parametrize("conv", [Conv(6, 9, 5, 2, 3), Conv(4, 8), Conv(8, 8, 3, 1, 8)])
@pytest.mark.parametrize("size", [7, 10])
def test_a_convolution_counts_what_the_layer_holds_and_does(conv, size):
    layer = conv.module()
    x = torch.randn(3, conv.in_channels, size, size)
    y = layer(x)
    assert conv.weights == layer.weight.numel()
    assert tuple(y.shape[2:]) == (conv.out_size(size),) * 2
    assert 3 * conv.multiply_adds(size) == count_multiply_adds(layer, x)
    assert conv.numbers_moved(size, batch=3) == x.numel() + y.numel() + conv.weights


@pytest.mark.parametrize("sizes", [(6, 9, 3, 1, 2), (4, 4, 2)])
def test_a_convolution_that_cannot_be_is_refused(sizes):
    with pytest.raises(ArgumentError, match="Conv"):
        Conv(*sizes)


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_count_as_torchvision_publishes(name):
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta["_ops"]
    with torch.device("meta"):
        net, image = torchvision.models.get_model(name).eval(), torch.empty(1, 3, 224, 224)
    assert count_multiply_adds(net, image) / 1e9 == pytest.approx(published, abs=5e-4)


def test_counting_leaves_no_hook_behind():
    net = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    assert count_multiply_adds(net, torch.ones(5, 3)) == 5 * (12 + 8)
    with pytest.raises(RuntimeError):
        count_multiply_adds(net, torch.ones(5, 7))
    assert not any(layer._forward_hooks for layer in net)


def test_a_layer_called_twice_counts_twice():
    layer = nn.Linear(3, 3)
    assert count_multiply_adds(nn.Sequential(layer, layer), torch.ones(1, 3)) == 18


@pytest.mark.parametrize("layers", [[], [(3, 1)], [(5, 2), (3, 3), (1, 2), (3, 1)]])
def test_a_field_is_what_autograd_reaches(layers):
    stack = nn.Sequential(*(nn.Conv1d(1, 1, k, s, k // 2) for k, s in layers)).double()
    x = torch.randn(1, 1, 301, dtype=torch.float64, requires_grad=True)
    y = stack(x)[0, 0]
    middle = len(y) // 2
    reached = [
        torch.autograd.grad(y[n], x, retain_graph=True)[0][0, 0] for n in (middle, middle + 1)
    ]
    first, second = ((g != 0).nonzero().flatten() for g in reached)
    span = int(first[-1] - first[0]) + 1  # with holes, where a stride is larger than a kernel
    assert receptive_field(layers) == (span, int(second[0] - first[0]))


# From the table of google-research/receptive_field, which goes with Araujo et al. 2019.
@pytest.mark.parametrize(
    ("blocks", "field"), [([3, 4, 6, 3], 483), ([3, 4, 23, 3], 1027), ([3, 8, 36, 3], 1507)]
)
def test_fields_of_the_papers_resnets(blocks, field):
    assert receptive_field(resnet_reach(blocks, bottleneck=True, stride_first=True)) == (field, 32)


def test_every_round_is_timed():
    pairs = {name: (nn.Linear(n, n), torch.ones(1, n)) for name, n in {"a": 2, "b": 50}.items()}
    times = forward_milliseconds(pairs, rounds=3, least_ms=0.1)
    assert times.keys() == pairs.keys()
    assert all(t.shape == (3,) and (t > 0).all() for t in times.values())
