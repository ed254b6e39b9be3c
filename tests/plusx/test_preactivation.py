"""The pre-activation unit and network, their check, and the diagnoses of lesson 04."""

import pytest
import torch
from mistakes import some
from torch import nn
from torch.nn import functional as F

from plusx import ArgumentError, ExpectationError, count_parameters, fill_by_shape
from plusx import diagnose_gates as gated
from plusx import diagnose_preactivation as diagnose
from plusx import diagnose_propagation as signals
from plusx.checks_preactivation import expect_unit
from plusx.gates import HighwayLayer
from plusx.preactivation import PreActBlock, PreActResNet
from plusx.propagation import gradient_by_depth, signal_by_depth


def test_a_unit_by_hand():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 6)
    for arguments in [(3, 3), (3, 3, 1, True), (3, 5), (3, 3, 2)]:
        block = PreActBlock(*arguments).eval()
        fill_by_shape(block, seed=2)
        a = F.relu(block.norm1(x))
        f = block.conv2(F.relu(block.norm2(block.conv1(a))))
        keeps = arguments == (3, 3)
        torch.testing.assert_close(block(x), (x if keeps else block.projection(a)) + f)
        assert isinstance(block.projection, nn.Conv2d) == (arguments[1:] in [(5,), (3, 2)])


def test_a_network_has_a_bare_stem_a_shared_first_unit_and_an_end():
    net = PreActResNet(20, classes=7)
    assert isinstance(net.stem, nn.Conv2d)
    assert [block.shared for block in net.blocks] == [n in (0, 3, 6) for n in range(9)]
    assert net(torch.randn(2, 3, 9, 8)).shape == (2, 7)
    # stem, three units, the last norm, head
    assert count_parameters(PreActResNet(8)) == 432 + 4_672 + 14_432 + 57_536 + 128 + 650
    for depth in (2, 9, 0):
        with pytest.raises(ArgumentError, match="6n"):
            PreActResNet(depth)


class Broken(PreActBlock):
    def forward(self, x):
        return F.relu(super().forward(x))


def test_the_check_passes_the_right_unit_and_names_a_mistake():
    torch.manual_seed(0)
    expect_unit(PreActBlock, (3, 4), (2, 3, 5, 5), stride=2)
    expect_unit(PreActBlock, (3, 3), (2, 3, 5, 5), shared=True)
    with pytest.raises(ExpectationError, match="a ReLU stands after the sum"):
        expect_unit(Broken, (3, 3), (2, 3, 5, 5))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("arguments", [(4, 4), (4, 4, 1, True), (3, 5, 2), (4, 4, 2)])
def test_wrong_units_differ_and_leave_the_reference_alone(arguments, training):
    torch.manual_seed(1)
    block = PreActBlock(*arguments).train(training)
    fill_by_shape(block, seed=4)
    before = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    x = torch.randn(3, arguments[0], 6, 5)
    with torch.no_grad():
        wrong = diagnose.wrong_units(block, x, torch.randn_like(PreActBlock(*arguments)(x)))
        assert all(torch.equal(before[name], t) for name, t in block.state_dict().items())
        right = block(x)
    for sentence, value in some(wrong).items():
        assert not torch.allclose(value, right, rtol=1e-4, atol=1e-5), sentence
    x, v = torch.randn_like(x).requires_grad_(), torch.randn_like(right)
    (gradient,) = torch.autograd.grad(block(x), x, v)
    for sentence, value in some(diagnose.wrong_unit_gradients(block, x, v)).items():
        assert not torch.allclose(value, gradient, rtol=1e-4), sentence


def test_wrong_counts_differ():
    for arguments in [(3, 3), (3, 4, 2), (5, 2, 1), (4, 4, 2)]:
        count = count_parameters(PreActBlock(*arguments))
        assert count not in some(diagnose.wrong_unit_counts(*arguments)).values()
    for depth, classes in [(8, 7), (14, 4)]:
        count = count_parameters(PreActResNet(depth, classes))
        assert count not in some(diagnose.wrong_network_counts(depth, classes)).values()
    assert 2 * (25 + 5) not in some(gated.wrong_highway_counts(5)).values()


def test_wrong_logits_differ():
    torch.manual_seed(2)
    net = PreActResNet(14, 5).double()
    fill_by_shape(net, seed=3)
    x = torch.randn(3, 3, 9, 8, dtype=torch.float64)
    with torch.no_grad():
        wrong, right = diagnose.wrong_network_logits(net, x), net(x)
    for sentence, value in some(wrong).items():
        if "on the logits" not in sentence or (right < 0).any():
            assert not torch.allclose(value, right, rtol=1e-5), sentence


def test_wrong_gates_differ_and_the_right_ones_are_torchs():
    torch.manual_seed(3)
    layer, x = HighwayLayer(5, -0.5).double(), torch.randn(6, 5, dtype=torch.float64)
    with torch.no_grad():
        for sentence, value in some(gated.wrong_highways(layer, x)).items():
            assert not torch.allclose(value, layer(x)), sentence
        cell = nn.LSTMCell(3, 4).double()
        states = [torch.randn(6, n, dtype=torch.float64) for n in (3, 4, 4)]
        bias = cell.bias_ih + cell.bias_hh
        arguments = [*states, cell.weight_ih, cell.weight_hh, bias]
        right = torch.cat(cell(states[0], (states[1], states[2])), dim=1)
        torch.testing.assert_close(gated.right_lstm(arguments), right)
        for sentence, value in some(gated.wrong_lstms(arguments)).items():
            assert not torch.allclose(value, right), sentence


@pytest.mark.parametrize("setting", [(4, 0.5, 1.5, True), (6, 0.9, 0.3, False)])
def test_wrong_signals_and_gradients_differ(setting):
    for right, wrong in [
        (signal_by_depth(*setting), signals.wrong_signals(*setting)),
        (gradient_by_depth(*setting), signals.wrong_lengths(*setting)),
    ]:
        for sentence, value in some(wrong).items():
            impossible = not setting[3] and ("norm divides" in sentence or "wrong end" in sentence)
            impossible |= not setting[3] and "norm multiplies" in sentence
            assert value != pytest.approx(right) or impossible, sentence


def test_wrong_gains_units_and_spreads_differ():
    torch.manual_seed(4)
    jacobian, v = torch.randn(5, 5).double(), torch.randn(5).double()
    right = signals.right_gain(jacobian, v, 2)
    for sentence, value in some(signals.wrong_gains(jacobian, v, 2, growth=0.3)).items():
        assert value != pytest.approx(right, rel=1e-6), sentence
    weights, biases = [torch.randn(5, 5) for _ in range(3)], [torch.randn(5) for _ in range(3)]
    x, scale = torch.randn(4, 5), torch.tensor(0.7)
    unit = signals.norm_free_unit(x, weights, biases, scale)
    for sentence, value in some(signals.wrong_norm_free_units(x, weights, biases, scale)).items():
        assert not torch.allclose(value, unit), sentence
    for fixup, right in [(True, 0.25 * 16**-0.25), (False, 0.25)]:
        for sentence, value in some(signals.wrong_spreads(32, 16, 3, fixup)).items():
            assert value != pytest.approx(right, rel=0.12), sentence
