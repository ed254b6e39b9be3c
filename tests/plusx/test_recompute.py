"""Backward passes that compute states anew: the same gradients, less memory."""

import pytest
import torch
import torchdiffeq
from torch import nn
from torch.utils.checkpoint import checkpoint_sequential

from plusx import ArgumentError, recompute, solvers
from plusx.continuous import make_field


class Block(nn.Module):
    """x + F(x), which counts its runs."""

    def __init__(self, width, seed):
        super().__init__()
        self.branch, self.runs = make_field(width, seed, gain=0.5), 0

    def forward(self, x):
        self.runs += 1
        return x + self.branch(x)


def blocks_and_input(count=6, width=4):
    x = torch.randn(3, width, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return nn.ModuleList(Block(width, seed) for seed in range(count)), x.requires_grad_()


def gradients(y, x, parts):
    v = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y)
    return torch.autograd.grad(y, [x, *parts.parameters()], v)


def through(blocks, x):
    for block in blocks:
        x = block(x)
    return x


@pytest.mark.parametrize("length", [1, 2, 4, 6, 9])
def test_checkpoints_give_the_same_gradients(length):
    blocks, x = blocks_and_input()
    expected = gradients(through(blocks, x), x, blocks)
    y = recompute.checkpointed(blocks, x, length)
    assert all(map(torch.equal, gradients(y, x, blocks), expected))
    assert {block.runs for block in blocks} == {3}  # once stored, twice with checkpoints


def test_checkpoints_agree_with_torch():
    blocks, x = blocks_and_input()
    theirs = checkpoint_sequential(nn.Sequential(*blocks), 3, x, use_reentrant=False)
    expected = gradients(theirs, x, blocks)
    found = gradients(recompute.checkpointed(blocks, x, 2), x, blocks)
    assert all(map(torch.equal, found, expected))


def reversible_chain(count=5, half=3):
    return nn.ModuleList(
        recompute.ReversibleBlock(make_field(half, 2 * n), make_field(half, 2 * n + 1))
        for n in range(count)
    )


def test_a_reversible_block_can_be_undone():
    (block,), (_, x) = reversible_chain(1), blocks_and_input(width=6)
    torch.testing.assert_close(block.inverse(block(x)), x)
    torch.testing.assert_close(block(block.inverse(x)), x)


def test_reversible_chains_give_the_same_gradients():
    chain, (_, x) = reversible_chain(), blocks_and_input(width=6)
    expected = gradients(through(chain, x), x, chain)
    found = gradients(recompute.reversible(list(chain), x), x, chain)
    for ours, stored in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, stored, rtol=1e-9, atol=1e-11)


def test_the_adjoint_comes_close_to_autograd_as_steps_shrink():
    field, (_, x) = make_field(4, seed=3, gain=1.5), blocks_and_input()
    gaps = []
    for steps in (20, 40, 80):
        stored = gradients(solvers.euler([field] * steps, x, 1 / steps), x, field)
        walked = gradients(recompute.adjoint_euler(field, x, 1 / steps, steps), x, field)
        pairs = zip(stored, walked, strict=True)
        gaps.append(sum((a - b).norm().item() for a, b in pairs))
    assert solvers.observed_order([1 / 20, 1 / 40, 1 / 80], gaps) == pytest.approx(1, abs=0.1)


def test_the_adjoint_of_a_linear_flow_is_known():
    """For F(x) = x W^T, v becomes (1 + h W^T) v in every step."""
    field = nn.Linear(2, 2, bias=False).double()
    y, v = (torch.randn(3, 2, dtype=torch.float64) for _ in range(2))
    state, gradient, _ = recompute.adjoint(field, y, v, 0.1, 3)
    back = torch.linalg.matrix_power(torch.eye(2) - 0.1 * field.weight.detach(), 3)
    forth = torch.linalg.matrix_power(torch.eye(2) + 0.1 * field.weight.detach(), 3)
    torch.testing.assert_close(state, y @ back.T)
    torch.testing.assert_close(gradient, v @ forth)


def test_the_adjoint_agrees_with_torchdiffeq():
    field, (_, x) = make_field(4, seed=3, gain=1.5), blocks_and_input()
    times = torch.linspace(0, 1, 201, dtype=torch.float64)

    class Timed(nn.Module):
        def __init__(self):
            super().__init__()
            self.field = field

        def forward(self, t, x):
            return self.field(x)

    theirs = torchdiffeq.odeint_adjoint(Timed(), x, times, method="euler")[-1]
    ours = recompute.adjoint_euler(field, x, 1 / 200, 200)
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(gradients(ours, x, field), gradients(theirs, x, field), strict=True):
        torch.testing.assert_close(a, b, rtol=0.02, atol=0.02)


def kept(run, parts, x):
    return recompute.peak_saved_mebibytes(run, x, list(parts.parameters()))


def test_memory_falls_as_it_should():
    chain, x = nn.ModuleList(Block(16, n) for n in range(16)), torch.randn(64, 16).double()
    pairs, field = reversible_chain(16, 8), make_field(16, 1)
    one = 64 * 16 * 8 / 2**20  # MiB of one state
    assert kept(lambda x: through(chain, x), chain, x) == pytest.approx(32 * one)
    assert kept(lambda x: recompute.checkpointed(chain, x, 4), chain, x) <= 12 * one
    assert kept(lambda x: recompute.reversible(list(pairs), x), pairs, x) <= 3 * one
    assert kept(lambda x: recompute.adjoint_euler(field, x, 0.1, 16), field, x) <= 3 * one


def test_the_meter_counts_a_storage_once_and_lets_go():
    x = torch.randn(256, 1024, requires_grad=True)  # 1 MiB
    with recompute.SavedMeter() as meter:
        y = (x * x).sum() + (x * x).sum()
        assert meter.now_mebibytes == 1.0
        y.backward()
        del y
    assert meter.now_mebibytes == 0.0
    assert meter.peak_mebibytes == 1.0


def test_bad_settings_are_refused():
    blocks, x = blocks_and_input()
    with pytest.raises(ArgumentError, match="length >= 1"):
        recompute.checkpointed(blocks, x, 0)
    with pytest.raises(ArgumentError, match="CUDA"):
        recompute.peak_allocated_mebibytes(nn.Identity(), x)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA's allocator")
def test_the_allocator_confirms_the_hooks():
    x = torch.randn(4096, 64, device="cuda")
    chain = nn.ModuleList(Block(64, n) for n in range(32)).float().cuda()
    stored = recompute.peak_allocated_mebibytes(lambda x: through(chain, x), x)
    spared = recompute.peak_allocated_mebibytes(lambda x: recompute.checkpointed(chain, x, 6), x)
    assert spared < 0.6 * stored
