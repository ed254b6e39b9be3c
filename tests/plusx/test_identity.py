"""Networks that do nothing more, and measurements of what they keep."""

import pytest
import torch
from torch import nn

from plusx import (
    ArgumentError,
    CifarResNet,
    Mlp,
    count_parameters,
    hidden_states,
    identity,
    similarity_kept,
    weight_gradients,
)
from plusx.diagnose_depth import right_fit


@pytest.mark.parametrize("extra", [0, 1, 7])
def test_a_deeper_network_computes_the_same(extra):
    net = identity.plain_stack(3, width=5, inputs=4, classes=3)[1:]
    deeper = identity.deepen(net, extra)
    x = torch.randn(9, 4)
    assert torch.equal(net(x), deeper(x))
    assert count_parameters(deeper) == count_parameters(net) + extra * 30
    deeper[0].weight.data.zero_()
    assert not torch.equal(net(x), deeper(x)), "its weights are its own"


def test_what_cannot_be_deepened_is_refused():
    with pytest.raises(ArgumentError, match="deepen"):
        identity.deepen(nn.Sequential(nn.Linear(2, 2), nn.ReLU()), 1)


def test_a_plain_stack_has_its_depth():
    stack = identity.plain_stack(6)
    assert sum(isinstance(m, nn.Linear) for m in stack) == 6
    assert stack(torch.randn(2, 1, 8, 8)).shape == (2, 10)


def test_without_noise_hidden_layers_do_nothing():
    net = identity.near_identity(20, 0.0)
    x = torch.randn(5, 64)
    torch.testing.assert_close(net(x), net.head(net.stem(x)))
    torch.manual_seed(0)
    noisy = identity.near_identity(4, 0.5)
    torch.manual_seed(0)
    usual = Mlp(4, norm=False)
    expected = torch.eye(32) + 0.5 * usual.blocks[0].branch[0].weight
    torch.testing.assert_close(noisy.blocks[0].branch[0].weight, expected)


@pytest.mark.parametrize("skip", [False, True])
def test_the_fit_of_many_seeds_is_that_of_each(skip):
    torch.manual_seed(0)
    weights, x = 0.3 * torch.randn(3, 2, 4, 4), torch.rand(2, 6, 4)
    together = identity.fit_identity(weights, x, skip, 0.1, 5)
    assert together.shape == (2, 6)
    for seed in range(2):
        alone = right_fit(weights[:, seed], x[seed], skip, 0.1, 5)
        torch.testing.assert_close(together[seed], torch.tensor(alone))


def test_the_mlp_counts_its_layers():
    for depth in (2, 8, 20):
        layers = [m for m in Mlp(depth).modules() if isinstance(m, nn.Linear)]
        assert len(layers) == depth
    assert count_parameters(Mlp(20)) == count_parameters(Mlp(20, skip=True))
    with pytest.raises(ArgumentError, match="Mlp"):
        Mlp(7)


def test_the_gain_sets_the_scale_of_the_weights():
    net = Mlp(4, norm=False, width=400, gain=3.0)
    assert net.blocks[0].branch[0].weight.std().item() == pytest.approx(3 / 20, rel=0.02)


@pytest.mark.parametrize(
    ("net", "size", "blocks"), [(Mlp(8), (3, 1, 8, 8), 3), (CifarResNet(8), (3, 3, 8, 8), 3)]
)
def test_hidden_states_lead_to_the_logits(net, size, blocks):
    x = torch.randn(size)
    states = hidden_states(net.eval(), x)
    assert len(states) == blocks + 1
    last = states[-1].mean((2, 3)) if states[-1].ndim == 4 else states[-1]
    torch.testing.assert_close(net.head(last), net(x))


def test_similarity_is_kept_by_scaling_and_lost_by_noise():
    torch.manual_seed(0)
    x = torch.randn(60, 10)
    assert similarity_kept(x, 3 * x) == pytest.approx(1)
    assert abs(similarity_kept(x, torch.randn(60, 10))) < 0.15
    rotation = torch.linalg.qr(torch.randn(10, 10)).Q
    assert similarity_kept(x, x @ rotation) == pytest.approx(1)


def test_weight_gradients_by_hand():
    net = nn.Linear(2, 2)
    nn.init.zeros_(net.weight), nn.init.zeros_(net.bias)
    (norm,) = weight_gradients(net, torch.tensor([[3.0, 4.0]]), torch.tensor([0]))
    assert norm == pytest.approx(5 / 2**0.5)


def test_what_lesson_01_says_about_starts():
    """Measured in the lesson; here with a wide margin."""
    torch.manual_seed(0)
    from plusx import load_data

    digits = load_data()
    images, labels = digits.train_images[:200], digits.train_labels[:200]
    kept = {
        name: similarity_kept(images, hidden_states(net, images)[-1].detach())
        for name, net in {
            "plain": Mlp(56),
            "plain, no norm": Mlp(56, norm=False),
            "near": identity.near_identity(56, 0.1),
        }.items()
    }
    assert kept["plain"] < 0.1 and kept["plain, no norm"] < 0.2 < kept["near"]
    plain, residual = (weight_gradients(Mlp(56, skip), images, labels) for skip in (False, True))
    assert plain[0] > 1000 * plain[-2]
    assert residual[0] < 100 * residual[-2]
