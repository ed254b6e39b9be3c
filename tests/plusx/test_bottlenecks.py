"""The reference blocks and networks of lesson 03 against torchvision's."""

import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.regnet import ResBottleneckBlock

from plusx import (
    Bottleneck,
    BottleneckResNet,
    InvertedBottleneck,
    SqueezeExcite,
    count_parameters,
    fill_by_shape,
    load_by_order,
)
from plusx.checks import expect_bottleneck
from plusx.diagnose_bottlenecks import (
    torchvision_bottleneck,
    torchvision_mbconv,
    torchvision_resnet,
)
from plusx.errors import ExpectationError

COUNTS = {
    "resnet50": ([3, 4, 6, 3], 64, 1),
    "resnet101": ([3, 4, 23, 3], 64, 1),
    "resnet152": ([3, 8, 36, 3], 64, 1),
    "wide_resnet50_2": ([3, 4, 6, 3], 128, 1),
    "resnext50_32x4d": ([3, 4, 6, 3], 128, 32),
}


@pytest.mark.parametrize("name", COUNTS)
def test_parameter_counts_are_those_torchvision_publishes(name):
    blocks, width, groups = COUNTS[name]
    with torch.device("meta"):
        net = BottleneckResNet(blocks, width=width, groups=groups)
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta["num_params"]
    assert count_parameters(net) == published


def test_resnet50_computes_what_torchvisions_does():
    torch.manual_seed(0)
    theirs, ours = torchvision.models.resnet50().eval(), BottleneckResNet([3, 4, 6, 3]).eval()
    load_by_order(ours, theirs.state_dict())
    x = torch.randn(1, 3, 70, 64)
    with torch.no_grad():
        torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("stride_first", [False, True])
def test_narrow_and_grouped_networks_too(stride_first):
    torch.manual_seed(1)
    options = {"classes": 5, "width": 16, "groups": 4, "stride_first": stride_first}
    theirs = torchvision_resnet([1, 2, 1, 1], **options).double().eval()
    ours = BottleneckResNet([1, 2, 1, 1], **options).double().eval()
    load_by_order(ours, theirs.state_dict())
    x = torch.randn(2, 3, 53, 64, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_oracle_is_torchvisions_own_block():
    own = torchvision.models.resnet.Bottleneck(16, 4)
    made = torchvision_bottleneck(16, 4, 16)
    for block in (own, made):
        fill_by_shape(block, seed=3)
    x = torch.randn(2, 16, 6, 6)
    torch.testing.assert_close(own(x), made(x))
    own = torchvision_resnet([1, 1, 1, 1], stride_first=True).layer2[0]
    assert (own.conv1.stride, own.conv2.stride) == ((2, 2), (1, 1))


@pytest.mark.parametrize("sizes", [(8, 2, 8), (6, 8, 12)])
@pytest.mark.parametrize("options", [{}, {"stride": 2}, {"stride": 2, "stride_first": True}])
def test_the_block_passes_the_check_of_the_lesson(sizes, options):
    torch.manual_seed(2)
    expect_bottleneck(Bottleneck, sizes, 2, 7, 6, **options)
    expect_bottleneck(Bottleneck, sizes, 2, 7, 6, groups=2, **options)


def test_the_check_of_the_lesson_can_fail():
    class NoSkip(Bottleneck):
        def forward(self, x):
            return torch.relu(self.branch(x))

    with pytest.raises(ExpectationError, match="the skip is missing"):
        expect_bottleneck(NoSkip, (8, 2, 8), 2, 5, 5)


def test_regnets_block_is_a_setting_of_ours():
    theirs = ResBottleneckBlock(16, 24, 2, nn.BatchNorm2d, nn.ReLU, group_width=8)
    ours = Bottleneck(16, 24, 24, stride=2, groups=3)
    for block in (theirs, ours):
        fill_by_shape(block.eval(), seed=4)
    x = torch.randn(2, 16, 7, 9)
    torch.testing.assert_close(ours(x), theirs(x))


@pytest.mark.parametrize(
    "options", [(8, 8, 4), (8, 8, 1), (6, 6, 2, 3, 2), (8, 12, 6, 5), (3, 3, 6, 5, 1)]
)
@pytest.mark.parametrize("training", [False, True])
def test_mbconv_is_torchvisions(options, training):
    torch.manual_seed(5)
    ours, theirs = InvertedBottleneck(*options), torchvision_mbconv(*options)
    assert count_parameters(ours) == count_parameters(theirs)
    for block in (ours, theirs):
        fill_by_shape(block.double().train(training), seed=5)
    x = torch.randn(2, options[0], 7, 5, dtype=torch.float64)
    torch.testing.assert_close(ours(x), theirs(x))


def test_the_first_blocks_of_efficientnet_are_of_this_kind():
    net = torchvision.models.efficientnet_b0(weights=None)
    for block, options in {
        net.features[1][0]: (32, 16, 1),
        net.features[2][0]: (16, 24, 6, 3, 2),
        net.features[3][1]: (40, 40, 6, 5),
    }.items():
        assert count_parameters(block) == count_parameters(InvertedBottleneck(*options))


def test_gates_lie_between_zero_and_one():
    x = torch.ones(2, 6, 3, 3)
    y = SqueezeExcite(6, 2)(x)
    assert ((y > 0) & (y < 1)).all()
    assert torch.equal(y[0], y[1])


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_the_blocks_follow_dtype_and_device(dtype):
    x = torch.empty(2, 8, 6, 6, dtype=dtype, device="meta")
    for block in (Bottleneck(8, 4, 16, 2), InvertedBottleneck(8, 16, 4, 3, 2)):
        y = block.to("meta", dtype)(x)
        assert (y.shape, y.dtype, y.device.type) == ((2, 16, 3, 3), dtype, "meta")
