"""Diagnoses of lesson 03: none fits a right answer, and each names another value."""

import pytest
import torch
from mistakes import some
from torch import nn

from plusx import (
    Conv,
    block_layers,
    diagnose_bottlenecks,
    diagnose_costs,
    fill_by_shape,
    receptive_field,
)

BLOCKS = [
    {"in_channels": 8, "width": 4, "out_channels": 8},
    {"in_channels": 8, "width": 4, "out_channels": 12, "stride": 2},
    {"in_channels": 8, "width": 4, "out_channels": 12, "stride": 2, "stride_first": True},
    {"in_channels": 8, "width": 6, "out_channels": 8, "stride": 2, "groups": 3},
]


def none_fits(wrong, right):
    for sentence, value in some(wrong).items():
        assert value.shape == right.shape, sentence
        assert not torch.allclose(value, right, rtol=1e-4, atol=1e-5), sentence


@pytest.mark.parametrize("options", BLOCKS)
@pytest.mark.parametrize("training", [False, True])
def test_no_diagnosis_fits_the_right_block(options, training):
    torch.manual_seed(0)
    block = diagnose_bottlenecks.torchvision_bottleneck(**options).train(training)
    fill_by_shape(block, seed=1)
    before = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    x = torch.randn(3, 8, 7, 6)
    with torch.no_grad():
        shape = diagnose_bottlenecks.torchvision_bottleneck(**options)(x).shape
        wrong = diagnose_bottlenecks.wrong_bottlenecks(block, x, torch.ones(shape))
        assert all(torch.equal(before[name], t) for name, t in block.state_dict().items())
        if not training:  # pixels dropped after the 3x3 or after the last 1x1: no difference
            wrong.pop("the stride is at the last 1x1 convolution: it belongs at the 3x3", None)
        none_fits(wrong, block(x))


@pytest.mark.parametrize("options", BLOCKS)
def test_wrong_counts_of_blocks_differ(options):
    block = diagnose_bottlenecks.torchvision_bottleneck(**options)
    wrong = diagnose_bottlenecks.wrong_bottleneck_counts(block)
    if "groups" not in options:
        del wrong["the groups are ignored: they belong to the 3x3 convolution"]
    count = sum(p.numel() for p in block.parameters())
    assert len({count, *wrong.values()}) > len(wrong) - 2
    assert count not in some(wrong).values()


def test_wrong_gradients_add_up_to_the_right_one():
    block = diagnose_bottlenecks.torchvision_bottleneck(**BLOCKS[1]).eval()
    x = torch.randn(2, 8, 6, 6, requires_grad=True)
    y = block(x)
    v = torch.randn_like(y)
    (right,) = torch.autograd.grad(y, x, v)
    wrong = diagnose_bottlenecks.wrong_bottleneck_gradients(block, x, v)
    torch.testing.assert_close(sum(wrong.values()), right)


@pytest.mark.parametrize("stride_first", [False, True])
def test_no_diagnosis_fits_the_right_network(stride_first):
    torch.manual_seed(0)
    net = diagnose_bottlenecks.torchvision_resnet([1, 2, 1, 1], 5, 8, 1, stride_first).eval()
    with torch.no_grad():
        for tensor in (t for t in net.state_dict().values() if t.ndim == 1):
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
    x = torch.randn(2, 3, 64, 75)
    with torch.no_grad():
        wrong = diagnose_bottlenecks.wrong_resnet_logits(net, x)
        none_fits(wrong, net(x))
    right = sum(p.numel() for p in net.parameters())
    counts = diagnose_bottlenecks.wrong_resnet_counts(right, [1, 2, 1, 1], 5, 8, 2)
    assert right not in some(counts).values()


@pytest.mark.parametrize("options", [(8, 8, 4), (8, 8, 1), (8, 8, 4, 3, 2), (8, 12, 4, 5, 1)])
def test_no_diagnosis_fits_the_right_mbconv(options):
    torch.manual_seed(0)
    block = diagnose_bottlenecks.torchvision_mbconv(*options).eval()
    fill_by_shape(block, seed=2)
    x = torch.randn(2, 8, 7, 6)
    with torch.no_grad():
        none_fits(diagnose_bottlenecks.wrong_inverted(block, x), block(x))
    count = sum(p.numel() for p in block.parameters())
    kernel = options[3] if len(options) > 3 else 3
    wrong = diagnose_bottlenecks.wrong_inverted_counts(count, *options[:3], kernel)
    if kernel == 3:
        del wrong["the kernel is ignored: the depthwise convolution is 3x3"]
    if options[2] == 1:
        del wrong["squeeze-and-excite narrows to width // 4: it is in_channels // 4"]
    assert count not in some(wrong).values()


def test_no_diagnosis_fits_the_right_gate():
    torch.manual_seed(0)
    from torchvision.ops import SqueezeExcitation

    gate = SqueezeExcitation(6, 2, activation=nn.SiLU)
    x = 1 + 2 * torch.randn(2, 6, 5, 4)
    with torch.no_grad():
        none_fits(diagnose_bottlenecks.wrong_gates(gate, x), gate(x))


def test_wrong_numbers_are_not_the_right_ones():
    conv = Conv(12, 18, 5, 2, 3)
    assert conv.weights not in some(diagnose_costs.wrong_conv_weights(conv)).values()
    right = conv.weights * 4 * 6
    assert right not in some(diagnose_costs.wrong_conv_operations(conv, 7, 11)).values()
    layers = [(5, 2), (3, 2), (3, 3)]
    wrong = diagnose_costs.wrong_fields(layers)
    assert receptive_field(layers) not in some(wrong).values()
    assert len({*wrong.values()}) == len(wrong)
    conv = Conv(10, 18, 5, 2, 2)
    right = 3 * conv.multiply_adds(9) / conv.numbers_moved(9, 3)
    wrong = diagnose_costs.wrong_intensities(conv, 9, 3)
    assert right not in some(wrong).values()
    assert len({*wrong.values()}) == len(wrong)


@pytest.mark.parametrize("groups", [2, 4, 8, 16, 32])
@pytest.mark.parametrize(("channels", "budget"), [(256, 69_632), (64, 64_000)])
def test_wrong_widths_are_not_the_widest(channels, budget, groups):
    def price(width):
        return sum(layer.weights for layer in block_layers(channels, width, groups=groups))

    right = diagnose_costs.right_width(channels, budget, groups)
    assert right % groups == 0 and price(right) <= budget < price(right + groups)
    assert right not in some(diagnose_costs.wrong_widths(channels, budget, groups)).values()


def test_wrong_totals_are_not_the_right_one():
    net = nn.Sequential(nn.Conv2d(4, 6, 3, 2, 1, groups=2), nn.Flatten(), nn.Linear(54, 5))
    wrong = diagnose_costs.wrong_model_counts(net, torch.randn(2, 4, 5, 5))
    assert 2 * (54 * 18 + 5 * 54) not in some(wrong).values()
    assert len({*wrong.values()}) == len(wrong)
