"""Paths counted by hand, followed one by one, and summed against autograd."""

from itertools import combinations

import pytest
import torch
from torch import nn

from plusx import ArgumentError, paths


def make(n: int, width: int = 3) -> list[nn.Sequential]:
    torch.manual_seed(n)
    layers = [(nn.Linear(width, 4), nn.Tanh(), nn.Linear(4, width)) for _ in range(n)]
    return [nn.Sequential(*branch).double() for branch in layers]


def problem(n: int) -> tuple[list[nn.Sequential], torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(n)
    x, v = (torch.randn(5, 3, generator=draw, dtype=torch.float64) for _ in range(2))
    return make(n), x, v


def test_the_paths_of_a_linear_network_add_up_to_it():
    torch.manual_seed(0)
    weights = [torch.randn(4, 4).double() for _ in range(6)]
    x = h = torch.randn(3, 4).double()
    for weight in weights:
        h = h + h @ weight
    found = paths.path_outputs(weights, x)
    assert found.shape == (64, 3, 4)
    torch.testing.assert_close(found.sum(0), h, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(found[0b100101], x @ weights[0] @ weights[2] @ weights[5])


def test_shares_of_paths_are_those_of_the_reference():
    assert 100 * paths.share_of_paths(54, 5, 17) == pytest.approx(0.4537, abs=5e-5)
    assert 100 * paths.share_of_paths(54, 19, 35) == pytest.approx(98.02, abs=5e-3)
    assert paths.share_of_paths(1500, 0, 1500) == 1.0
    assert paths.share_of_paths(0, 0, 0) == 1.0
    assert paths.share_of_paths(3, -2, 0) == 1 / 8
    with pytest.raises(ArgumentError, match="n >= 0"):
        paths.share_of_paths(-1, 0, 0)


def test_the_gradient_along_a_path_is_a_product_of_jacobians():
    branches, x, v = problem(4)
    held = paths.states(branches, x)
    for chosen in ([], [2], [3, 0], [0, 1, 2, 3]):
        expected = v
        for place in sorted(chosen, reverse=True):
            h = held[place].requires_grad_()
            (expected,) = torch.autograd.grad(branches[place](h), h, expected)
        torch.testing.assert_close(paths.path_gradient(branches, x, v, chosen), expected)


def test_sums_by_length_are_sums_over_all_paths_and_make_the_whole_gradient():
    branches, x, v = problem(5)
    sums = paths.gradient_by_length(branches, x, v)
    for length in range(6):
        every = [paths.path_gradient(branches, x, v, c) for c in combinations(range(5), length)]
        torch.testing.assert_close(sums[length], torch.stack(every).sum(0))
    h = start = x.requires_grad_()
    for branch in branches:
        h = h + branch(h)
    torch.testing.assert_close(sums.sum(0), torch.autograd.grad(h, start, v)[0])


def test_batch_norm_in_training_mode_is_taken_apart_too():
    torch.manual_seed(0)
    branches = [nn.Sequential(nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3)) for _ in range(4)]
    x, v = torch.randn(8, 3), torch.randn(8, 3)
    h = start = x.clone().requires_grad_()
    for branch in branches:
        h = h + branch(h)
    whole = torch.autograd.grad(h, start, v)[0]
    found = paths.gradient_by_length(branches, x, v).sum(0)
    torch.testing.assert_close(found, whole, rtol=1e-4, atol=1e-5)


def test_sampled_paths_have_their_length_and_are_repeatable():
    branches, x, v = problem(5)
    lengths = [0, 5, 1, 1, 1, 1, 1, 1, 3]
    found = paths.sampled_gradients(branches, x, v, lengths, torch.Generator().manual_seed(1))
    again = paths.sampled_gradients(branches, x, v, lengths, torch.Generator().manual_seed(1))
    assert torch.equal(found, again)
    torch.testing.assert_close(found[0], v)
    torch.testing.assert_close(found[1], paths.path_gradient(branches, x, v, range(5)))
    singles = [paths.path_gradient(branches, x, v, [place]) for place in range(5)]
    met = {n for row in found[2:8] for n, one in enumerate(singles) if torch.allclose(row, one)}
    assert len(met) > 1
    assert all(any(torch.allclose(row, one) for one in singles) for row in found[2:8])


def test_the_gradient_at_the_end_is_that_of_the_mean_loss():
    head, h, labels = nn.Linear(3, 2), torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
    h.requires_grad_()
    nn.functional.cross_entropy(head(h), labels).backward()
    torch.testing.assert_close(paths.gradient_at_end(head, h, labels), h.grad)


def test_mean_length_and_shortest_range():
    assert paths.effective_length(torch.tensor([0.0, 1.0, 1.0, 2.0])) == pytest.approx(2.25)
    masses = torch.tensor([1.0, 10.0, 80.0, 8.0, 1.0])
    assert paths.shortest_range(masses, 0.8) == (2, 2)
    assert paths.shortest_range(masses, 0.95) == (1, 3)
    assert paths.shortest_range(masses, 1.0) == (0, 4)
