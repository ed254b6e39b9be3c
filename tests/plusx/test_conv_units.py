"""Residual networks of convolutions by name: against the course's own, and by their counts."""

import pytest
import torch

from plusx import ArgumentError, CifarResNet
from plusx.conv_units import ConvUnit, UnitResNet
from plusx.preactivation import PreActResNet
from plusx.shortcuts import GATED, JOINS, ORDERS

IMAGES = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def count(net):
    return sum(p.numel() for p in net.parameters())


def with_weights_of(net, other):
    """The same numbers, by layer: convolutions, norms and dense layers in the order of use."""
    for kind in (torch.nn.Conv2d, torch.nn.BatchNorm2d, torch.nn.Linear):
        pairs = zip(
            (m for m in net.modules() if isinstance(m, kind)),
            (m for m in other.modules() if isinstance(m, kind)),
            strict=True,
        )
        for mine, theirs in pairs:
            mine.load_state_dict(theirs.state_dict())
    return net


def test_the_original_order_is_the_courses_network():
    other = CifarResNet(20)
    net = with_weights_of(UnitResNet(20), other)
    for training in (True, False):
        net.train(training), other.train(training)
        torch.testing.assert_close(net(IMAGES), other(IMAGES))


def test_full_pre_activation_is_the_courses_network():
    torch.manual_seed(0)
    other = PreActResNet(14)
    net = with_weights_of(UnitResNet(14, "full pre-activation"), other)
    torch.testing.assert_close(net(IMAGES), other(IMAGES))


@pytest.mark.parametrize(("depth", "parameters"), [(20, 269_722), (56, 853_018), (110, 1_727_962)])
def test_counts_are_the_papers(depth, parameters):
    assert count(UnitResNet(depth)) == parameters


@pytest.mark.parametrize("order", ["original", "full pre-activation"])
def test_164_layers_of_bottlenecks_have_1_7_million_weights(order):
    """He et al. 2016 name the size of both."""
    net = UnitResNet(164, order, bottleneck=True)
    assert round(count(net) / 1e6, 1) == 1.7
    convolutions = [
        m for m in net.modules() if isinstance(m, torch.nn.Conv2d) and m.kernel_size == (3, 3)
    ]
    assert len(convolutions) == 1 + 54


@pytest.mark.parametrize("bottleneck", [False, True])
@pytest.mark.parametrize("order", ORDERS)
def test_every_order_trains(order, bottleneck):
    net = UnitResNet(11 if bottleneck else 8, order, bottleneck=bottleneck)
    logits = net(IMAGES)
    logits.sum().backward()
    assert logits.shape == (4, 10)
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize("shortcut", JOINS)
def test_every_shortcut_joins_as_its_formula_says(shortcut):
    torch.manual_seed(0)
    unit = ConvUnit(4, 4, shortcut=shortcut, gate_bias=-2.0).eval()
    x = IMAGES.new_ones(2, 4, 5, 5) * torch.rand(2, 4, 5, 5)
    f = unit.branch(x)
    gate = x if unit.gate is None else unit.gate(x)
    if shortcut in GATED:
        assert unit.gate[0].bias.tolist() == [-2.0] * 4 and gate.max() < 1
    torch.manual_seed(1)
    expected = JOINS[shortcut](x, f, gate).relu()
    torch.manual_seed(1)
    torch.testing.assert_close(unit(x), expected)


def test_where_shapes_change_every_shortcut_is_the_same():
    for shortcut in JOINS:
        unit = ConvUnit(4, 8, 2, shortcut=shortcut)
        assert unit.join == "identity" and unit.gate is None
        assert unit(IMAGES[:, :1].expand(-1, 4, -1, -1)).shape == (4, 8, 8, 8)


def test_a_unit_dies_in_training_as_often_as_it_should():
    torch.manual_seed(0)
    unit = ConvUnit(4, 4, survival=0.25)
    x = torch.rand(2, 4, 5, 5)
    dead = sum(torch.equal(unit(x), x) for _ in range(400))
    assert 250 < dead < 350
    unit.eval()
    torch.testing.assert_close(unit(x), (x + 0.25 * unit.branch(x)).relu())
    alive = [unit.survival for unit in UnitResNet(20, last_survival=0.5).units()]
    assert alive[-1] == 0.5 and alive == sorted(alive, reverse=True)


def test_a_skipped_unit_is_its_shortcut():
    x = torch.rand(2, 4, 6, 6)
    assert torch.equal(ConvUnit(4, 4).skipped(x), x)
    assert ConvUnit(4, 8, 2).skipped(x).shape == (2, 8, 3, 3)


@pytest.mark.parametrize("wrong", [{"depth": 21}, {"depth": 2}, {"depth": 26, "bottleneck": True}])
def test_a_depth_that_cannot_be_is_refused(wrong):
    with pytest.raises(ArgumentError, match="UnitResNet"):
        UnitResNet(**wrong)


@pytest.mark.parametrize("wrong", [{"order": "other"}, {"shortcut": "other"}])
def test_a_name_that_is_not_known_is_refused(wrong):
    with pytest.raises(ArgumentError, match="no such unit"):
        UnitResNet(8, **wrong)
