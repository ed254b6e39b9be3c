"""A diagnosis never fits the right answer, and mistakes that differ differ."""

import pytest
import torch
from mistakes import some

from plusx import diagnose, fill_by_shape


def filled(shape, training):
    block = diagnose.torchvision_block(*shape)
    fill_by_shape(block, seed=1)
    return block.train(training)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(3, 3, 1, "B"), (3, 5, 2, "B"), (3, 5, 2, "A"), (4, 4, 2, "B")])
def test_no_diagnosis_fits_the_right_block(shape, training):
    torch.manual_seed(0)
    block, x = filled(shape, training), torch.randn(3, shape[0], 8, 7)
    before = {name: tensor.clone() for name, tensor in block.state_dict().items()}
    with torch.no_grad():
        y = diagnose.torchvision_block(*shape)(x) * 0 + 1
        wrong = diagnose.wrong_blocks(block, x, y)
        assert all(torch.equal(before[name], t) for name, t in block.state_dict().items())
        right = block(x)
    if shape[2] == 1:  # there is only one place for a stride of 1
        del wrong["the stride is on the second convolution: it belongs on the first"]
    for sentence, value in some(wrong).items():
        assert value.shape == right.shape, sentence
        assert not torch.allclose(value, right, rtol=1e-4, atol=1e-5), sentence


@pytest.mark.parametrize("factor", [0.5, -2.0])
def test_a_factor_is_found(factor):
    torch.manual_seed(0)
    block, x = filled((4, 4), False), torch.randn(2, 4, 6, 6)
    with torch.no_grad():
        f = block.bn2(block.conv2(torch.relu(block.bn1(block.conv1(x)))))
        y = torch.relu(f + factor * x)
        wrong = diagnose.wrong_blocks(block, x, y)
    torch.testing.assert_close(wrong["the skip is scaled: it joins with factor 1"], y)


@pytest.mark.parametrize("shape", [(3, 3), (3, 5, 2, "B"), (3, 5, 2, "A")])
def test_wrong_counts_differ_from_the_right_one_and_each_other(shape):
    block = diagnose.torchvision_block(*shape)
    counts = some(diagnose.wrong_block_counts(block)).values()
    assert len({*counts, sum(p.numel() for p in block.parameters())}) == len(counts) + 1


def test_wrong_gradients_add_up_to_the_right_one():
    block, x = filled((3, 5, 2, "B"), False), torch.randn(2, 3, 6, 6, requires_grad=True)
    y = block(x)
    v = torch.randn_like(y)
    (right,) = torch.autograd.grad(y, x, v)
    parts = diagnose.wrong_block_gradients(block, x, v)
    torch.testing.assert_close(sum(parts.values()), right)


def test_wrong_numbers_are_not_the_right_ones():
    factors = [2.0, -1.5, 3.0]
    assert -9.0 not in some(diagnose.wrong_gains(factors, skip=False)).values()
    assert -6.0 not in some(diagnose.wrong_gains(factors, skip=True)).values()
    right = [1.0, 3.5, -1.5, -9.0]  # 1, the sum, -3 + 6 - 4.5, the product
    assert right not in some(diagnose.wrong_lengths(factors, right)).values()
    inner = torch.tensor([[0.0, 2.0], [3.0, 1.0]])
    for sentence, value in some(diagnose.wrong_jacobians(inner)).items():
        assert not torch.equal(value, torch.eye(2) + inner), sentence
    for n, option in ((3, "A"), (18, "B")):
        counts = diagnose.wrong_network_counts(1_000_000, option, n)
        assert len({1_000_000, *counts.values()}) == len(counts) + 1
