"""Dense networks: equal to torchvision's, in linear memory when recomputed; feature reuse."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F

from plusx import load_by_order, saved_mebibytes
from plusx.dense import DenseBlock, DenseLayer, DenseNet, dense_channels, kept_channels
from plusx.diagnose_dense import torchvision_block, torchvision_densenet, torchvision_layer
from plusx.reuse import block_reuse, cut_costs, feature_reuse, rank_correlation, row_correlations

PIXELS = 8 * 16**2 * 4 / 2**20  # MiB of one channel


def test_densenet121_is_torchvisions_to_the_last_parameter():
    with torch.device("meta"):
        net = DenseNet()
    meta = torchvision.models.DenseNet121_Weights.IMAGENET1K_V1.meta
    assert sum(p.numel() for p in net.parameters()) == meta["num_params"] == 7_978_856


@pytest.mark.parametrize("recompute", [False, True])
def test_outputs_under_copied_weights_are_torchvisions(recompute):
    torch.manual_seed(0)
    original = torchvision_densenet([2, 3, 1], 4, 6, 5).double()
    net = DenseNet([2, 3, 1], 4, 6, 5, recompute).double()
    load_by_order(net, original.state_dict())
    x = torch.randn(2, 3, 64, 48, dtype=torch.float64)
    for training in (True, False):
        net.train(training), original.train(training)
        torch.testing.assert_close(net(x), original(x))


@pytest.mark.parametrize("recompute", [False, True])
def test_gradients_are_torchvisions(recompute):
    torch.manual_seed(0)
    original, block = torchvision_block(3, 5, 2), DenseBlock(3, 5, 2, recompute)
    load_by_order(block, original.state_dict())
    x = torch.randn(2, 5, 6, 6, requires_grad=True)
    v = torch.randn(2, 11, 6, 6)
    (wanted,) = torch.autograd.grad(original(x), x, v)
    torch.testing.assert_close(torch.autograd.grad(block(x), x, v)[0], wanted)


@pytest.mark.parametrize("recompute", [False, True])
@pytest.mark.parametrize("layers", [1, 3, 8])
def test_what_is_kept_is_what_the_formula_says(layers, recompute):
    block = DenseBlock(layers, 16, 8, recompute)
    measured = saved_mebibytes(block, torch.randn(8, 16, 16, 16)) / PIXELS
    assert measured == pytest.approx(kept_channels(layers, 16, 8, recompute), rel=0.02)


def test_recomputing_moves_the_first_norms_statistics_twice():
    layer = DenseLayer(4, 2, recompute=True)
    layer([torch.randn(2, 4, 5, 5)]).sum().backward()
    assert layer.norm1.num_batches_tracked == 2 and layer.norm2.num_batches_tracked == 1
    kept = torchvision_layer(4, 2)
    kept([torch.randn(2, 4, 5, 5)]).sum().backward()
    assert kept.norm1.num_batches_tracked == 1


def test_channels_of_densenet121():
    assert dense_channels([6, 12, 24, 16]) == [(64, 256), (128, 512), (256, 1024), (512, 1024)]


def test_a_small_net_keeps_the_size_of_the_image():
    net = DenseNet((2,), 4, 8, 10, small=True, in_channels=1)
    assert net.features[:2](torch.randn(1, 1, 8, 8)).shape == (1, 16, 8, 8)
    assert net(torch.randn(3, 1, 8, 8)).shape == (3, 10)


def test_reuse_by_hand():
    first = torch.tensor([[1.0, -3.0], [2.0, -2.0]])[:, :, None, None]
    second = torch.tensor([[1.0, 1.0, -5.0], [1.0, -1.0, 7.0]])[:, :, None, None]
    wanted = torch.tensor([[2.0, 0.0], [1.0, 6.0]])
    torch.testing.assert_close(feature_reuse([first, second], 2, 1), wanted)


def test_cutting_costs_what_a_net_without_the_connection_loses():
    torch.manual_seed(0)
    net = DenseNet((3,), 2, 4, 10, small=True, in_channels=1).eval()
    x, labels = torch.randn(20, 1, 8, 8), torch.randint(10, (20,))
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    costs = cut_costs(net, x, labels)
    assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())
    assert torch.equal(costs.triu(1), torch.zeros(3, 3)) and (costs.tril() != 0).sum() == 6
    with torch.no_grad():
        whole = F.cross_entropy(net(x), labels)
        net.dense_blocks()[0].members()[2].conv1.weight[:, 4:6] = 0
        assert costs[2, 1] == pytest.approx((F.cross_entropy(net(x), labels) - whole).item())


def test_reuse_of_a_block_has_its_layers_and_sources():
    block = DenseBlock(4, 6, 3)
    table = block_reuse(block)
    assert table.shape == (4, 4) and (table > 0).sum() == 10
    with torch.no_grad():
        block.members()[3].conv1.weight[:, 6:9] = 0  # what layer 1 made
    assert block_reuse(block)[3, 1] == 0


def test_rank_correlations_are_those_of_ranks():
    a = torch.tensor([1.0, 5.0, 2.0, 9.0])
    assert rank_correlation(a, a.exp()) == pytest.approx(1)
    assert rank_correlation(a, -a) == pytest.approx(-1)
    table = torch.rand(6, 6, generator=torch.Generator().manual_seed(0)).tril() + torch.eye(6)
    torch.testing.assert_close(row_correlations(table, table), torch.ones(3).double())


def test_parts_are_named_as_the_lesson_says():
    layer = DenseLayer(4, 2)
    kinds = [nn.BatchNorm2d, nn.Conv2d, nn.BatchNorm2d, nn.Conv2d]
    assert [type(part) for part in layer.children()] == kinds
