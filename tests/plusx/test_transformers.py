"""Transformers by their wiring: equal to torch's blocks, and started as their sources say."""

import pytest
import torch
from torch import nn

from plusx import ArgumentError, fill_by_shape, hidden_states
from plusx.diagnose_transformers import torch_block
from plusx.transformers import Branch, FeedForward, SelfAttention, Transformer, wiring

NAMES = ("post", "pre", "gpt2", "rezero", "layerscale", "deepnorm", "peri")


def tokens(batch=3, length=5):
    return torch.randint(10, (batch, length), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("name", ["pre", "post"])
def test_a_block_equals_torchs_under_the_same_weights(name):
    block = Transformer(10, 8, width=12, heads=3, blocks=1, wiring=name).blocks[0].double()
    layer = torch_block(12, 3, norm_first=name == "pre").double()
    for module in (block, layer):
        fill_by_shape(module, seed=1)
    x = torch.randn(2, 5, 12, dtype=torch.float64)
    torch.testing.assert_close(block(x), layer(x))


def test_causal_attention_does_not_look_ahead():
    attention, x = SelfAttention(8, 2, causal=True), torch.randn(1, 5, 8)
    y = attention(x)
    x[:, 3:] += 1
    torch.testing.assert_close(attention(x)[:, :3], y[:, :3])
    assert not torch.allclose(attention(x)[:, 3:], y[:, 3:])


@pytest.mark.parametrize("name", NAMES)
def test_every_wiring_gives_logits_and_gradients_everywhere(name):
    net = Transformer(10, 8, blocks=3, wiring=name)
    logits = net(tokens())
    assert logits.shape == (3, 5, 10) and len(net.branches()) == 6
    logits.square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_the_formula_of_a_branch_with_every_part():
    plan = wiring("peri", 2)
    branch = Branch(nn.Linear(4, 4), 4, plan)
    x = torch.randn(2, 3, 4)
    torch.testing.assert_close(branch(x), x + branch.after(branch.function(branch.before(x))))
    deep = Branch(nn.Linear(4, 4), 4, wiring("deepnorm", 8))
    torch.testing.assert_close(deep(x), deep.out(2 * x + deep.function(x)))


def test_rezero_starts_as_the_identity_and_gpt2_small():
    net = Transformer(10, 8, blocks=2, wiring="rezero")
    first, *_, last = hidden_states(net, tokens())
    torch.testing.assert_close(first, last)
    stds = {}
    for name in ("pre", "gpt2", "deepnorm"):
        branches = Transformer(10, 8, 64, 2, 8, name).branches()
        weights = [branch.function.last.weight.detach().flatten() for branch in branches]
        stds[name] = torch.cat(weights).std().item()
    assert stds["gpt2"] / stds["pre"] == pytest.approx(0.25, rel=0.05)  # 1 / sqrt(16)
    assert stds["deepnorm"] / stds["pre"] == pytest.approx(64**-0.25, rel=0.05)


def test_without_skips_the_stream_is_what_the_branch_gives():
    net = Transformer(10, 8, blocks=1, skips="none")
    attention, _ = net.branches()
    x = torch.randn(1, 5, 32)
    torch.testing.assert_close(attention(x), attention.added(x))
    kept = Transformer(10, 8, blocks=1, skips="attention only").branches()
    assert [branch.skip for branch in kept] == [1.0, 0.0]


def test_parallel_branches_read_the_same_stream():
    net = Transformer(10, 8, blocks=2, parallel=True)
    assert len(net.branches()) == 2
    branch, x = net.branches()[0], torch.randn(1, 5, 32)
    z = branch.before(x)
    both = branch.function.attention(z) + branch.function.feed_forward(z)
    torch.testing.assert_close(branch(x), x + both)


def test_unknown_wirings_and_skips_are_refused():
    with pytest.raises(ArgumentError, match="no such wiring"):
        Transformer(10, 8, wiring="pro")
    with pytest.raises(ArgumentError, match="no such skips"):
        Transformer(10, 8, skips="some")


def test_a_feed_forward_network_treats_each_position_alone():
    network, x = FeedForward(4, hidden=6), torch.randn(2, 3, 4)
    torch.testing.assert_close(network(x)[:, 1:2], network(x[:, 1:2]))
