"""Diagnoses of lesson 07: none fits a right answer."""

import pytest
import torch

from plusx import diagnose_dense, diagnose_unet, fill_by_shape
from plusx.dense import dense_channels
from plusx.reuse import feature_reuse
from plusx.unet import SKIPS, UNet

NETS = [([2, 3], 4, 8, 5), ([1, 2, 1], 6, 10, 7), ([6, 12, 24, 16], 32, 64, 1000)]


def none_fits(wrong, right):
    assert wrong
    for sentence, value in wrong.items():
        same = value.shape == right.shape and torch.allclose(value, right, 1e-5, 1e-6)
        assert not same, sentence


@pytest.mark.parametrize("training", [False, True])
def test_no_diagnosis_fits_the_right_layer_or_block(training):
    layer = diagnose_dense.torchvision_layer(6, 6).train(training)
    block = diagnose_dense.torchvision_block(3, 6, 2).train(training)
    for part, diagnose in (
        (layer, diagnose_dense.wrong_layers),
        (block, diagnose_dense.wrong_blocks),
    ):
        fill_by_shape(part, seed=1)
        before = {name: tensor.clone() for name, tensor in part.state_dict().items()}
        x = torch.randn(3, 6, 5, 4, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            wrong = diagnose(part, x)
            assert all(torch.equal(before[name], t) for name, t in part.state_dict().items())
            none_fits(wrong, part(x))


def test_no_wrong_channels_are_right():
    for blocks, growth, stem, _ in NETS:
        wrong = diagnose_dense.wrong_channels(blocks, growth, stem)
        assert dense_channels(blocks, growth, stem) not in wrong.values()


def test_no_wrong_count_is_right():
    for blocks, growth, stem, classes in NETS[:2]:
        with torch.device("meta"):
            net = diagnose_dense.torchvision_densenet(blocks, growth, stem, classes)
        count = sum(p.numel() for p in net.parameters())
        wrong = diagnose_dense.wrong_net_counts(count, blocks, growth, stem, classes)
        assert count not in wrong.values()
    layer = diagnose_dense.torchvision_layer(7, 3)
    count = sum(p.numel() for p in layer.parameters())
    assert count not in diagnose_dense.wrong_layer_counts(7, 3).values()


def test_no_diagnosis_fits_the_right_network():
    net = diagnose_dense.torchvision_densenet([2, 1, 1], 4, 8, 5).eval()
    fill_by_shape(net, seed=1)
    x = torch.randn(2, 3, 72, 53, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        none_fits(diagnose_dense.wrong_net_logits(net, x), net(x))


def test_no_wrong_reuse_is_right():
    weights = [torch.randn(8, 3 + 2 * n, 1, 1) for n in range(4)]
    none_fits(diagnose_dense.wrong_reuse(weights, 3, 2), feature_reuse(weights, 3, 2))


@pytest.mark.parametrize("skip", SKIPS)
def test_no_diagnosis_fits_the_right_unet(skip):
    settings = {"in_channels": 2, "out_channels": 3, "width": 4, "depth": 3, "skip": skip}
    net = UNet(**settings).eval()
    fill_by_shape(net, seed=1)
    with torch.no_grad():
        x = torch.randn(2, 2, 12, 9, generator=torch.Generator().manual_seed(0))
        none_fits(diagnose_unet.wrong_unets(net, x), net(x))
    count = sum(p.numel() for p in net.parameters())
    assert count not in diagnose_unet.wrong_unet_counts(**settings).values()


def test_no_wrong_score_is_right():
    draw = torch.Generator().manual_seed(0)
    masks = (torch.rand(2, 1, 6, 6, generator=draw) < 0.4).float()
    logits = torch.randn(2, 1, 6, 6, generator=draw)
    right = diagnose_unet.right_iou(logits, masks)
    assert all(abs(v - right) > 1e-3 for v in diagnose_unet.wrong_ious(logits, masks).values())
