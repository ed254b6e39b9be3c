"""Units in five orders, with eight shortcuts; starts without norm; highway layers."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plusx import ArgumentError, Mlp, count_parameters, fill_by_shape, hidden_states, plots
from plusx.gates import HighwayLayer, HighwayMlp
from plusx.order_diagram import order_diagram
from plusx.shortcuts import GATED, JOINS, ORDERS, DenseUnit, UnitMlp
from plusx.starts import STARTS, NormFreeMlp, ScaledUnit, fixup_factor, zero_gamma


@pytest.fixture
def x():
    return torch.randn(7, 6, generator=torch.Generator().manual_seed(0))


def test_the_original_order_is_the_residual_network_of_lesson_01():
    ours, theirs = UnitMlp(14), Mlp(14, skip=True)
    assert count_parameters(ours) == count_parameters(theirs)
    for net in (ours, theirs):
        fill_by_shape(net, seed=1)
    images = torch.randn(9, 1, 8, 8)
    torch.testing.assert_close(ours(images), theirs(images))


def test_a_full_pre_activation_unit_by_hand(x):
    unit = DenseUnit(6, "full pre-activation")
    norm1, _, dense1, norm2, _, dense2 = unit.branch
    expected = x + dense2(F.relu(norm2(dense1(F.relu(norm1(x))))))
    torch.testing.assert_close(unit(x), expected)


@pytest.mark.parametrize("order", ORDERS)
def test_the_road_is_free_where_nothing_follows_the_sum(order, x):
    unit = DenseUnit(6, order)
    with torch.no_grad():
        for parameter in unit.branch.parameters():
            parameter.zero_()
        y = unit(x)
    assert torch.equal(y, x) == (ORDERS[order][1] == "")


def test_the_first_unit_leaves_out_what_the_stem_has_done():
    net = UnitMlp(8, "full pre-activation")
    first, second, third = net.blocks
    assert len(first.branch) == 4 and len(second.branch) == len(third.branch) == 6
    assert [type(m) for m in net.end] == [nn.BatchNorm1d, nn.ReLU]
    assert len(UnitMlp(8).end) == 0


@pytest.mark.parametrize("name", JOINS)
def test_every_shortcut_is_what_its_name_says(name, x):
    unit = DenseUnit(6, "full pre-activation", name, gate_bias=-1.0)
    f = unit.branch(x)
    g = torch.zeros_like(x)
    if unit.gate is not None:
        g = unit.gate(x).sigmoid() if name in GATED else unit.gate(x)
    torch.manual_seed(3)
    y = unit(x)
    torch.manual_seed(3)
    expected = {
        "identity": x + f,
        "none": f,
        "both × 0.5": (x + f) / 2,
        "shortcut × 0.5": x / 2 + f,
        "exclusive gate": (1 - g) * x + g * f,
        "shortcut-only gate": (1 - g) * x + f,
        "dense": g + f,
        "dropout": F.dropout(x) + f,
    }
    torch.testing.assert_close(y, expected[name])


def test_gates_start_with_their_bias():
    net = UnitMlp(10, shortcut="exclusive gate", gate_bias=-6.0)
    for unit in net.blocks:
        assert (unit.gate.bias == -6).all()
    assert DenseUnit(6).gate is None


@pytest.mark.parametrize(
    "arguments", [(6, "backwards"), (6, "original", "scenic"), (6, "original", "gate")]
)
def test_unknown_names_are_refused(arguments):
    with pytest.raises(ArgumentError, match="no such unit"):
        DenseUnit(*arguments)


@pytest.mark.parametrize("depth", [2, 5, 0])
def test_impossible_depths_are_refused(depth):
    with pytest.raises(ArgumentError, match="no such depth"):
        UnitMlp(depth)


def test_a_highway_layer_by_hand_and_at_both_ends(x):
    layer = HighwayLayer(6, gate_bias=-1.5)
    t = torch.sigmoid(layer.gate(x))
    torch.testing.assert_close(layer(x), t * F.relu(layer.transform(x)) + (1 - t) * x)
    assert (layer.gate.bias == -1.5).all()
    torch.testing.assert_close(HighwayLayer(6, -60.0)(x), x)
    torch.testing.assert_close(HighwayMlp(6, -60.0)(torch.ones(2, 1, 8, 8)).shape, (2, 10))


@pytest.mark.parametrize("start", ["SkipInit", "Fixup"])
def test_near_identity_starts_are_the_identity(start):
    net = NormFreeMlp(22, start)
    first, *others = hidden_states(net, torch.randn(5, 1, 8, 8))
    assert len(others) == 10 and all(torch.equal(first, other) for other in others)


def test_what_the_starts_learn_and_how_large_they_are():
    units = {start: ScaledUnit(64, 25, start) for start in STARTS}
    counts = {start: count_parameters(unit) for start, unit in units.items()}
    weights = 2 * (64 * 64 + 64)
    assert counts == {
        "plain": weights,
        "scaled": weights,
        "SkipInit": weights + 1,
        "Fixup": weights + 1,
    }
    assert units["scaled"].scale.item() == pytest.approx(0.2)
    spread = units["Fixup"].first.weight.std() / units["plain"].first.weight.std()
    assert spread.item() == pytest.approx(0.2, rel=0.15)
    assert (NormFreeMlp(8, "Fixup").head.weight == 0).all()
    assert [fixup_factor(16, m) for m in (2, 3)] == [0.25, 0.5]
    with pytest.raises(ArgumentError, match="SkipInit"):
        ScaledUnit(4, 3, "warm")


def test_zero_gamma_closes_every_branch():
    net = zero_gamma(20)
    states = hidden_states(net, torch.randn(6, 1, 8, 8))
    assert len(states) == 10 and all(torch.equal(states[0], state) for state in states[1:])


def test_the_diagram_shows_every_order():
    drawing = order_diagram()
    titles = [axis.get_title().replace("\n", " ") for axis in drawing.axes]
    assert titles == list(ORDERS)
    texts = [text.get_text() for text in drawing.axes[4].texts]
    assert [t for t in texts if t] == ["+", "norm", "ReLU", "weight", "norm", "ReLU", "weight"]
    plots.plt.close(drawing)
