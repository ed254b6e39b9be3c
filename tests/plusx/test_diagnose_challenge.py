"""The mistakes that lesson 09 knows: all differ from the right answer, and from each other."""

from itertools import combinations

import pytest
import torch

from plusx import diagnose_challenge as diagnose
from plusx.challenge import Costs, costs_of, widest
from plusx.challenge_training import averaged

PARTS = [
    ["conv", 5],
    ["dense", 4, 2],
    ["residual", 11, 2],
    ["preactivation", 13, 2],
    ["conv", 4, 2],
]
SMALL = [*PARTS, ["conv", 2, 2], ["conv", 3, 2]]  # down to one pixel
OURS, THEIRS = [84.5, 80.25, 86.0, 79.0], [83.0, 80.0, 84.75]
draw = torch.Generator().manual_seed(4)
STATES = [{"w": torch.randn(4, generator=draw, dtype=torch.float64)} for _ in range(4)]


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (costs_of(PARTS).parameters, diagnose.wrong_parameters(PARTS)),
        (costs_of(SMALL).multiply_adds, diagnose.wrong_multiply_adds(SMALL)),
    ],
    ids=["parameters", "multiply-adds"],
)
def test_mistakes_differ_from_the_right_answer_and_from_each_other(right, wrong):
    assert len(wrong) > 9
    assert [name for name, value in wrong.items() if value == pytest.approx(right)] == []
    same = [(a, b) for a, b in combinations(wrong, 2) if wrong[a] == pytest.approx(wrong[b])]
    assert same == []


def test_no_mistake_gives_the_right_share_of_luck():
    right, wrong = diagnose.luck(OURS, THEIRS), diagnose.wrong_luck(OURS, THEIRS)
    assert [name for name, value in wrong.items() if value == pytest.approx(right)] == []


def test_luck_is_counted_as_by_hand():
    assert diagnose.luck([3.0, 4.0], [1.0, 2.0]) == pytest.approx(1 / 6)
    assert diagnose.luck([1.0, 2.0], [3.0, 4.0]) == 1
    assert diagnose.luck([1.0], [1.0, 1.0]) == 1


def test_widths_that_are_wrong_are_wrong():
    for budget, binding in ((Costs(9_000, 200_000), "parameters"), (Costs(2_500, 10**6), "adds")):
        right, wrong = widest("residual", 1, budget), diagnose.wrong_widths("residual", 1, budget)
        only = {"parameters": "only parameters", "adds": "only multiply-adds"}[binding]
        (found,) = [value for name, value in wrong.items() if name.startswith(only)]
        assert found > right
        assert sorted({*wrong.values()} - {found, right}) == [right - 1, right + 1]
    exact = costs_of(diagnose.stages("residual", 4, 1))
    wrong = diagnose.wrong_widths("residual", 1, exact)
    assert wrong["one that needs exactly the budget fits: compare with <="] == 3


def test_wrong_means_of_weights_are_wrong():
    right = averaged(STATES, 0.7)["w"]
    wrong = diagnose.one_entry(diagnose.wrong_averages(STATES, 0.7), "w")
    assert [name for name, value in wrong.items() if torch.allclose(value, right)] == []
    same = [(a, b) for a, b in combinations(wrong, 2) if torch.allclose(wrong[a], wrong[b])]
    assert same == []


def test_the_running_mean_is_counted_as_by_hand():
    states = [{"w": torch.tensor([v]), "n": torch.tensor(k)} for k, v in enumerate([4.0, 8.0, 2.0])]
    found = averaged(states, 0.75)
    assert found["w"].item() == 4.25 and found["n"].item() == 2
