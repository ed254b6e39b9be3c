"""Steps along a flow: orders, stability, adaptive steps."""

from math import cos, exp, inf, sin

import numpy as np
import pytest
import torch
from torch import nn

from plusx import ArgumentError, solvers
from plusx.continuous import linear_field, make_field, turning

X = torch.tensor([[1.0, 0.5, -0.3]], dtype=torch.float64)


@pytest.mark.parametrize("method", solvers.TABLES)
def test_a_table_is_consistent_and_has_its_order(method):
    table = solvers.table(method)
    assert [len(row) for row in table.rows] == list(range(len(table.weights)))
    assert sum(table.weights) == pytest.approx(1)
    field, sizes, errors = make_field(3, seed=1, gain=1.5), [], []
    with torch.no_grad():
        exact = solvers.solve(field, X, 1.0, 400)
        for steps in (16, 32, 64):
            sizes.append(1 / steps)
            errors.append((solvers.solve(field, X, 1.0, steps, method) - exact).norm().item())
    assert solvers.observed_order(sizes, errors) == pytest.approx(table.order, abs=0.15)


def test_solutions_of_a_rotation_are_cosine_and_sine():
    x = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    found = solvers.solve(linear_field(turning(-0.5, 2.0)), x, 1.5, 200)
    expected = exp(-0.75) * torch.tensor([[cos(3.0), sin(3.0)]], dtype=torch.float64)
    torch.testing.assert_close(found, expected, rtol=1e-7, atol=1e-8)


def test_euler_with_h_one_is_a_residual_network():
    branches = [make_field(3, seed) for seed in range(4)]
    x = X
    for branch in branches:
        x = x + branch(x)
    torch.testing.assert_close(solvers.euler(branches, X, 1.0), x)
    assert solvers.euler([], X, 1.0) is X


def test_the_observed_order_is_numpys_slope():
    sizes, errors = [0.5, 0.2, 0.05], [3.0, 0.7, 0.011]
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert solvers.observed_order(sizes, errors) == pytest.approx(slope)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        (turning(-1.0, 3.0), 0.2),
        (turning(-4.0, 0.0), 0.5),
        (turning(0.0, 1.0), 0.0),
        (turning(0.5, 1.0), 0.0),
        (torch.zeros(2, 2), inf),
    ],
)
def test_the_largest_stable_step_is_where_steps_begin_to_grow(matrix, expected):
    assert solvers.largest_stable_step(matrix) == pytest.approx(expected, abs=1e-12)


def test_beyond_the_largest_stable_step_euler_explodes():
    torch.manual_seed(0)
    A = torch.randn(4, 4, dtype=torch.float64) - 3 * torch.eye(4, dtype=torch.float64)
    h, x = solvers.largest_stable_step(A), torch.ones(1, 4, dtype=torch.float64)
    sizes = [
        solvers.solve(linear_field(A), x, 2000 * f * h, 2000, "Euler").norm() for f in (0.98, 1.02)
    ]
    assert sizes[0] < 1e-3 < 1e3 < sizes[1]


@pytest.mark.parametrize("method", solvers.TABLES)
def test_the_amplification_is_what_a_step_does(method):
    z = torch.tensor(complex(-0.4, 0.9), dtype=torch.complex128)
    x = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    step = solvers.solve(linear_field(turning(-0.4, 0.9)), x, 1.0, 1, method)
    factor = solvers.amplification(method, z)
    torch.testing.assert_close(step, torch.stack([factor.real, factor.imag])[None])


@pytest.mark.parametrize("tolerance", [1e-2, 1e-4])
def test_adaptive_steps_end_in_time_and_are_as_exact_as_asked(tolerance):
    field = make_field(3, seed=2, gain=2.0)
    with torch.no_grad():
        found, sizes = solvers.adaptive_heun(field, X, 2.0, tolerance)
        exact = solvers.solve(field, X, 2.0, 400)
    assert sum(sizes) == pytest.approx(2.0)
    assert (found - exact).abs().max() < 5 * tolerance


def test_adaptive_steps_are_short_where_the_flow_is_fast():
    slow = solvers.adaptive_heun(linear_field(turning(-1.0, 0.0)), X[:, :2], 2.0, 1e-3)[1]
    fast = solvers.adaptive_heun(linear_field(turning(-9.0, 0.0)), X[:, :2], 2.0, 1e-3)[1]
    assert min(fast) < 0.3 * min(slow)


def test_a_flow_that_jumps_is_refused():
    with pytest.raises(ArgumentError, match="step size vanishes"):
        solvers.adaptive_heun(lambda x: 1 - 2 * (x > 0.5).to(x.dtype), X * 0, 2.0, 1e-12)


def test_bad_settings_are_refused():
    with pytest.raises(ArgumentError, match="RK4"):
        solvers.solve(nn.Identity(), X, 1.0, 3, "Simpson")
    with pytest.raises(ArgumentError, match="too few steps"):
        solvers.solve(nn.Identity(), X, 1.0, 0)


@pytest.mark.parametrize(
    ("time", "tolerance"),
    [(-1.0, 1e-3), (float("inf"), 1e-3), (float("nan"), 1e-3), (1.0, 0.0), (1.0, float("nan"))],
)
def test_flows_that_have_no_end_are_refused(time, tolerance):
    with pytest.raises(ArgumentError, match="no such flow"):
        solvers.adaptive_heun(torch.tanh, X, time, tolerance)


def test_no_time_takes_no_step():
    end, sizes = solvers.adaptive_heun(torch.tanh, X, 0.0, 1e-3)
    assert sizes == [] and torch.equal(end, X)
