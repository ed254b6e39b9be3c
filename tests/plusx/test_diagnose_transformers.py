"""The mistakes of lesson 06 are mistakes: none gives the right value, few give the same."""

import pytest
import torch
from mistakes import some
from torch import nn

from plusx import diagnose_transformers as diagnose


def draw(*shape):
    return torch.randn(*shape, dtype=torch.float64)


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)
    with torch.no_grad():
        yield


def expect_all_wrong(wrong, right):
    for sentence, value in some(wrong).items():
        same = value.shape == right.shape and torch.allclose(value, right, rtol=1e-4, atol=1e-5)
        assert not same, sentence


def layer_norm():
    norm = nn.LayerNorm(6).double()
    norm.weight.data.uniform_(0.5, 1.5), norm.bias.data.normal_()
    return norm


@pytest.mark.parametrize("norm_first", [True, False])
def test_blocks(norm_first):
    layer = diagnose.torch_block(6, 2, norm_first).double()
    layer.norm1.weight.data.uniform_(0.5, 1.5), layer.norm2.weight.data.uniform_(0.5, 1.5)
    x = draw(2, 4, 6)
    expect_all_wrong(diagnose.wrong_blocks(layer, x), layer(x))
    counts = diagnose.wrong_block_counts(layer, 6)
    assert sum(p.numel() for p in layer.parameters()) not in some(counts).values()


def test_streams():
    x, branches = draw(2, 3, 6), [nn.Linear(6, 6).double() for _ in range(3)]
    right = diagnose.right_contributions(x, branches)
    assert torch.allclose(right[2], branches[1](x + branches[0](x)))
    expect_all_wrong(diagnose.wrong_contributions(x, branches), right)


def test_lenses_and_attributions():
    parts, norm, head = draw(4, 2, 3, 6) + 0.3, layer_norm(), nn.Linear(6, 5).double()
    expect_all_wrong(diagnose.wrong_lenses(parts, norm, head), head(norm(parts.cumsum(0))))
    right = diagnose.right_attribution(parts, norm, head)
    torch.testing.assert_close(right.sum(0) + head(norm.bias), head(norm(parts.sum(0))))
    expect_all_wrong(diagnose.wrong_attributions(parts, norm, head), right)


@pytest.mark.parametrize("kind", ["pre", "post", "peri", "deepnorm", "rezero", "layerscale"])
def test_wirings(kind):
    branch, norm, x = nn.Linear(6, 6).double(), layer_norm(), draw(2, 3, 6)
    right = diagnose.right_wired(kind, branch, norm, norm.weight, 5)(x)
    expect_all_wrong(diagnose.wrong_wired(kind, branch, norm, norm.weight, 5, x), right)


def test_hyper_connections():
    H, branch = draw(3, 2, 4, 6), nn.Linear(6, 6).double()
    mix, read, write = draw(3, 3), draw(3), draw(3)
    right = diagnose.right_hyper(H, branch, mix, read, write)
    by_hand = mix[1, 0] * H[0] + mix[1, 1] * H[1] + mix[1, 2] * H[2]
    by_hand += write[1] * branch(read[0] * H[0] + read[1] * H[1] + read[2] * H[2])
    torch.testing.assert_close(right[1], by_hand)
    expect_all_wrong(diagnose.wrong_hypers(H, branch, mix, read, write), right)


def test_sinkhorns():
    from plusx.streams import sinkhorn

    logits = draw(4, 4)
    expect_all_wrong(diagnose.wrong_sinkhorns(logits, 3), sinkhorn(logits, 3))
