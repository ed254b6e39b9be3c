"""The reference networks against torchvision and the counts of the paper."""

import pytest
import torch

from plusx import (
    BasicBlock,
    CifarResNet,
    PadShortcut,
    count_parameters,
    fill_by_shape,
    pad_shortcut,
)
from plusx.diagnose import torchvision_block
from plusx.errors import ArgumentError

# He et al. 2015, table 6, to the last unit: option A, option B.
COUNTS = {
    20: (269_722, 272_474),
    32: (464_154, 466_906),
    44: (658_586, 661_338),
    56: (853_018, 855_770),
    110: (1_727_962, 1_730_714),
}


@pytest.mark.parametrize("depth", COUNTS)
def test_parameter_counts_are_those_of_the_paper(depth):
    option_a, option_b = COUNTS[depth]
    assert count_parameters(CifarResNet(depth)) == option_a
    assert count_parameters(CifarResNet(depth, skip=False)) == option_a
    assert count_parameters(CifarResNet(depth, "B")) == option_b


@pytest.mark.parametrize("option", ["A", "B"])
@pytest.mark.parametrize("shape", [(4, 4, 1), (3, 6, 1), (3, 6, 2), (4, 4, 2), (2, 5, 3)])
@pytest.mark.parametrize("training", [True, False])
def test_the_block_computes_what_torchvisions_does(option, shape, training):
    block, reference = BasicBlock(*shape, option), torchvision_block(*shape, option)
    for model in (block, reference):
        fill_by_shape(model.double().train(training), seed=1)
    x = torch.randn(3, shape[0], 7, 5, dtype=torch.float64)
    torch.testing.assert_close(block(x), reference(x))


def test_the_plain_block_is_the_branch_alone():
    block = BasicBlock(3, 6, 2, skip=False).eval()
    x = torch.randn(2, 3, 5, 5)
    torch.testing.assert_close(block(x), torch.relu(block.branch(x)))


def test_a_zero_branch_leaves_the_identity():
    block = BasicBlock(2, 2)
    for parameter in block.branch.parameters():
        torch.nn.init.zeros_(parameter)
    x = torch.rand(3, 2, 4, 4)
    assert torch.equal(block(x), x)


def test_pad_shortcut_by_hand():
    x = torch.arange(15.0).reshape(1, 1, 3, 5)
    y = pad_shortcut(x, 2, 2)
    assert y.tolist() == [[[[0, 2, 4], [10, 12, 14]], [[0, 0, 0], [0, 0, 0]]]]
    assert torch.equal(PadShortcut(2, 2)(x), y)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
def test_the_networks_follow_dtype_and_device(dtype):
    x = torch.empty(2, 3, 9, 9, dtype=dtype, device="meta")
    for option in ("A", "B"):
        y = CifarResNet(8, option, classes=4).to("meta", dtype)(x)
        assert (y.shape, y.dtype, y.device.type) == ((2, 4), dtype, "meta")


def test_logits_have_one_entry_per_class():
    assert CifarResNet(14, classes=7)(torch.randn(2, 3, 17, 12)).shape == (2, 7)


@pytest.mark.parametrize(
    "call",
    [
        lambda: CifarResNet(21),
        lambda: CifarResNet(2),
        lambda: BasicBlock(2, 4, option="C"),
        lambda: pad_shortcut(torch.ones(1, 3, 2, 2), 2, 1),
    ],
)
def test_bad_arguments_are_named(call):
    with pytest.raises(ArgumentError, match=r"expected: (.|\n)*got: "):
        call()
