"""Networks as plain data: built as they say, counted exactly, refused with the wrong part named."""

import pytest
import torch

from plusx import ArgumentError, count_multiply_adds, count_parameters
from plusx.challenge import (
    BUDGET,
    KINDS,
    Costs,
    build,
    costs_of,
    layers_of,
    read_parts,
    short,
    stages,
    widest,
)
from plusx.diagnose_challenge import RIGHT
from plusx.models import CifarResNet

MIXED = [["conv", 6], ["dense", 4, 2], ["residual", 11, 2], ["preactivation", 12], ["conv", 5, 2]]


@pytest.mark.parametrize("kind", KINDS)
def test_costs_are_those_of_the_network_that_is_built(kind):
    parts = stages(kind, 3, 2)
    net = build(parts)
    assert net(torch.randn(2, 3, 16, 16)).shape == (2, 10)
    counted = Costs(count_parameters(net), count_multiply_adds(net, torch.randn(1, 3, 16, 16)))
    assert costs_of(parts) == counted
    assert Costs(RIGHT.parameters(parts), RIGHT.multiply_adds(parts)) == counted


def test_kinds_may_be_mixed_and_sizes_are_rounded_up():
    net, x = build(MIXED), torch.randn(2, 3, 16, 16)
    assert net(x).shape == (2, 10)
    assert costs_of(MIXED) == Costs(count_parameters(net), count_multiply_adds(net, x[:1]))
    assert costs_of(MIXED) == Costs(RIGHT.parameters(MIXED), RIGHT.multiply_adds(MIXED))
    deep = [["conv", 2, 2]] * 6  # 16, 8, 4, 2, 1, 1, 1 rows
    assert costs_of(deep).multiply_adds == 54 * 64 + 36 * (16 + 4 + 1 + 1 + 1) + 20


def test_counting_draws_no_random_numbers():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    costs_of([["dense", 256]] * 200)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_stages_have_layers_as_the_resnets_of_the_paper(kind):
    for blocks in (1, 3, 5):
        assert layers_of(stages(kind, 4, blocks)) == 6 * blocks + 2
    net = build(stages("residual", 16, 3))
    paper = sum(p.ndim == 4 for p in CifarResNet(20).parameters())
    assert sum(p.ndim == 4 for p in net.parameters()) == paper


def test_plain_and_residual_twins_cost_the_same():
    for blocks in (1, 2, 5):
        assert costs_of(stages("conv", 4, blocks)) == costs_of(stages("residual", 4, blocks))


@pytest.mark.parametrize("kind", KINDS)
def test_the_widest_fits_and_the_next_does_not(kind):
    width = widest(kind, 2)
    assert width > 1
    assert costs_of(stages(kind, width, 2)).fits(BUDGET)
    assert not costs_of(stages(kind, width + 1, 2)).fits(BUDGET)
    assert widest(kind, 2, Costs(100, 10**9)) == 0


@pytest.mark.parametrize(
    ("parts", "what"),
    [
        (None, "no list of parts"),
        ([], "no list of parts"),
        ("conv", "no list of parts"),
        ([["conv", 4]] * 201, "no list of parts"),
        ({"conv": 4}, "no list of parts"),
        (["conv"], "part 0 is no part"),
        ([["conv", 4], ["conv"]], "part 1 is no part"),
        ([["conv", 4], ["lstm", 4]], "part 1: there is no such kind"),
        ([[["conv"], 4]], "part 0: there is no such kind"),
        ([["conv", True]], "part 0: this is no width"),
        ([["conv", 4.0]], "part 0: this is no width"),
        ([["conv", 0]], "part 0: this is no width"),
        ([["conv", 10**5000]], "part 0: this is no width"),
        ([["conv", 4, 3]], "part 0: this is no stride"),
        ([["conv", 4, True]], "part 0: this is no stride"),
        ([["conv", 4], ["residual", 3]], "part 1: a skip cannot take channels away"),
        ([["dense", 4], ["preactivation", 6]], "part 1: a skip cannot take channels away"),
    ],
)
def test_what_is_no_network_is_refused_with_its_place(parts, what):
    for function in (read_parts, build, costs_of, layers_of):
        with pytest.raises(ArgumentError, match=what):
            function(parts)


def test_values_are_told_in_few_words_whatever_they_are():
    class Loud:
        def __repr__(self):
            raise RuntimeError("never called")

    for value in (Loud(), "x" * 10**6, 10**5000, [Loud()] * 9, {"a": Loud()}, None, 1.5):
        assert len(short(value)) <= 60
