"""The mistakes that lesson 08 knows: all differ from the right answer, and from each other."""

from itertools import combinations

import pytest
import torch

from plusx import diagnose_continuous as diagnose
from plusx.continuous import linear_field, make_field
from plusx.recompute import ReversibleBlock, adjoint
from plusx.solvers import adaptive_heun, euler, largest_stable_step, observed_order, runge_kutta

X = torch.randn(3, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
V = torch.randn(3, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
FIELD = make_field(4, seed=5, gain=1.5)
BRANCHES = [make_field(4, seed) for seed in range(3)]
ROWS, WEIGHTS = [[], [0.7], [0.2, 0.9]], [0.3, 0.8, 0.4]
BLOCK = ReversibleBlock(make_field(2, seed=1), make_field(2, seed=2))
MATRIX = torch.tensor([[-1.0, 3.0, 0.5], [-2.0, -2.0, 0.0], [0.0, 1.0, -0.4]], dtype=torch.float64)
SIZES, ERRORS = [0.5, 0.2, 0.03], [3.0, 0.7, 0.011]
WALKS = diagnose.wrong_adjoints(FIELD, X, V, 0.3, 3)
WALK = adjoint(FIELD, X, V, 0.3, 3)

CASES = {
    "euler": (euler(BRANCHES, X, 0.3), diagnose.wrong_eulers(BRANCHES, X, 0.3)),
    "order": (observed_order(SIZES, ERRORS), diagnose.wrong_orders(SIZES, ERRORS)),
    "stable step": (largest_stable_step(MATRIX), diagnose.wrong_stable_steps(MATRIX)),
    "Runge-Kutta": (
        runge_kutta(FIELD, X, 0.3, ROWS, WEIGHTS),
        diagnose.wrong_steps(FIELD, X, 0.3, ROWS, WEIGHTS),
    ),
    "reversible": (BLOCK(X), diagnose.wrong_reversibles(BLOCK, X)),
    "inverse": (BLOCK.inverse(X), diagnose.wrong_inverses(BLOCK, X)),
}


@pytest.mark.parametrize("case", CASES)
def test_no_diagnosis_fits_the_right_answer(case):
    right, wrong = CASES[case]
    fitting = [
        name
        for name, value in wrong.items()
        if torch.allclose(torch.as_tensor(value).double(), torch.as_tensor(right).double())
    ]
    harmless = [name for name in fitting if "return 0" in name]  # where the flow does not grow
    assert fitting == harmless


@pytest.mark.parametrize("case", ["euler", "Runge-Kutta", "reversible", "inverse"])
def test_diagnoses_differ_from_each_other(case):
    pairs = combinations(CASES[case][1].items(), 2)
    assert [(a[0], b[0]) for a, b in pairs if torch.allclose(a[1], b[1])] == []


def test_every_wrong_walk_is_wrong_in_some_part():
    for name, walk in WALKS.items():
        parts = [walk[0], walk[1], *walk[2]], [WALK[0], WALK[1], *WALK[2]]
        assert not all(map(torch.allclose, *parts)), name
    assert diagnose.part_of(WALKS, 2, 1)[
        "the state moves forward: it becomes y - h F(y)"
    ].shape == (4,)


def test_an_adaptive_solution_can_be_replayed():
    with torch.no_grad():
        end, sizes = adaptive_heun(FIELD, X, 1.0, 1e-3)
        replay, largest = diagnose.replayed(FIELD, X, sizes)
        wrong = diagnose.wrong_adaptive_ends(FIELD, X, sizes)
    torch.testing.assert_close(replay, end)
    assert largest <= 1e-3
    assert not any(torch.allclose(value, end, atol=1e-6) for value in wrong.values())


def test_euler_steps_of_a_decay_are_replayed_by_hand():
    found, largest = diagnose.replayed(
        linear_field(-torch.eye(1)), torch.ones(1, 1), [0.5], "Euler"
    )
    assert found.item() == 0.5 and largest == 0.125
