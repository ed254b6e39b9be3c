"""Entries: weights as text and back, hostile entries refused, marks by bands."""

import base64
import math

import pytest
import torch

from plusx import ArgumentError, PlusxError, WeightsError
from plusx.challenge import Costs, build
from plusx.challenge_entry import (
    BANDS,
    Mark,
    accuracy,
    cell_text,
    examine,
    held_out,
    into_cell,
    marked,
    pack,
    points_for,
    unpack,
)
from plusx.challenge_training import averaged, refreshed, running_means, training_data
from plusx.data import load_data

PARTS = [["conv", 4], ["residual", 4], ["dense", 2, 2]]


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    made = build(PARTS)
    made(torch.randn(20, 3, 16, 16))  # moves the statistics
    return made.eval()


def entry(net, **changes):
    return {"parts": PARTS, "weights": pack(net), "pseudonym": "", **changes}


def test_a_packed_network_comes_back_up_to_rounding(net):
    x = torch.randn(5, 3, 16, 16)
    found = examine(entry(net))
    torch.testing.assert_close(found.net(x), net(x), rtol=0.02, atol=0.02)
    assert not torch.equal(found.net(x), net(x)), "numbers of 16 bits are rounded"
    again = build(PARTS).eval()
    unpack(again, pack(found.net))
    assert torch.equal(again(x), found.net(x)), "and only once"
    assert (found.layers, found.pseudonym) == (5, "")


def test_the_text_may_be_cut_into_other_lines(net):
    text = pack(net)
    assert max(map(len, text.splitlines())) <= 88
    unpack(build(PARTS), text.replace("\n", " \r\n\t"))


def floats(*values):
    return base64.b64encode(torch.tensor(values, dtype=torch.float16).numpy().tobytes()).decode()


@pytest.mark.parametrize(
    ("weights", "what"),
    [
        (None, "there are no weights"),
        (b"AAAA", "there are no weights"),
        (" \n ", "there are no weights"),
        ("AAAA", "do not belong to these parts"),
        ("hello, judge!", "no text of weights"),
        ("ÄÖÜ" * 9, "no text of weights"),
        ("A" * 10**7, "too long"),
        ("\x00" * 50, "no text of weights"),
    ],
)
def test_weights_that_are_none_are_refused(net, weights, what):
    with pytest.raises(WeightsError, match=what):
        examine(entry(net, weights=weights))


def test_weights_of_another_network_are_refused(net):
    with pytest.raises(WeightsError, match="do not belong to these parts"):
        examine(entry(net, parts=[["conv", 5]]))
    with pytest.raises(WeightsError, match=r"do not belong|no text of weights"):
        examine(entry(net, weights=pack(net)[:-9]))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_weights_that_are_no_numbers_are_refused(net, value):
    count = sum(t.numel() for t in net.state_dict().values() if t.is_floating_point())
    with pytest.raises(WeightsError, match="weights must be numbers"):
        examine(entry(net, weights=floats(*[0.0] * (count - 1), value)))


def test_a_network_over_the_budget_is_refused_before_it_is_built(net):
    with pytest.raises(ArgumentError, match="over the budget"):
        examine(entry(net), Costs(100, 10**9))
    with pytest.raises(ArgumentError, match="over the budget"):
        examine(entry(net), Costs(10**9, 100))
    with pytest.raises(ArgumentError, match="over the budget"):
        examine(entry(net, parts=[["dense", 256]] * 200))


@pytest.mark.parametrize("what", [None, 3, "entry", [], {}, {"parts": PARTS}, {"weights": "AA"}])
def test_what_is_no_entry_is_refused(what):
    with pytest.raises(ArgumentError, match="this is no entry"):
        examine(what)


@pytest.mark.parametrize("name", [None, 3, "x" * 25, "a\x00b", "\u202eabc", ["a"]])
def test_what_is_no_pseudonym_is_refused(net, name):
    with pytest.raises(ArgumentError, match="no pseudonym"):
        examine(entry(net, pseudonym=name))


def test_a_pseudonym_is_kept_without_spaces_around_it(net):
    assert examine(entry(net, pseudonym="  quick  <b>fox</b> ")).pseudonym == "quick <b>fox</b>"


@pytest.mark.parametrize("value", [-1e4, 0.0, 6e4, 1e-7])
def test_odd_but_finite_weights_get_a_score_and_no_error(net, value):
    count = sum(t.numel() for t in net.state_dict().values() if t.is_floating_point())
    found = examine(entry(net, weights=floats(*[value] * count)))
    assert 0 <= accuracy(found.net, *held_out(200, 5)) <= 0.3


def test_held_out_images_are_new_and_standardised_as_the_course_does():
    given = load_data("shapes")
    images, labels = held_out(500, 1)  # the seed of the test images of "shapes"
    torch.testing.assert_close(images, given.test_images)
    assert torch.equal(labels, given.test_labels)
    assert not torch.equal(held_out(500, 9)[1], labels)
    data = training_data(300)
    assert len(data.train_labels) == 300 and len(data.test_labels) == 4000
    assert data.train_images.shape[1:] == (3, 16, 16)


def test_accuracy_counts_right_names():
    class Constant(torch.nn.Module):
        def forward(self, x):
            return torch.eye(10)[3].expand(len(x), 10)

    images, labels = held_out(1200, 4)
    assert accuracy(Constant(), images, labels) == int((labels == 3).sum()) / 1200


def test_points_rise_with_the_bands():
    assert list(BANDS) == sorted(BANDS) and len(BANDS) == 6
    assert [points_for(x, (0.3, 0.5)) for x in (0.0, 0.3, 0.49, 0.5, 1.0)] == [0, 1, 1, 2, 2]


def test_a_mark_is_a_number_that_says_why(net):
    mark = marked(examine(entry(net, pseudonym="fox")), 0.64, 2500, (0.3, 0.5, 0.7))
    assert mark == 2.0 and isinstance(mark, float) and repr(mark) == "2.0"
    assert "64.0 % of 2,500" in mark.message and "next point is given at 70 %" in mark.message
    assert mark.facts["pseudonym"] == "fox" and mark.facts["accuracy (%)"] == 64.0
    assert mark.facts["standard error"] == 0.96
    assert "next point" not in marked(examine(entry(net)), 0.9, 100, (0.3,)).message
    assert Mark(3.0).message == ""


def test_a_cell_holds_an_entry_that_is_plain_python(net):
    space: dict = {}
    exec(cell_text(PARTS, net, "o\"'x"), space)
    found = examine(space["my_entry"]())
    assert found.pseudonym == "o\"'x"
    put: list[str] = []
    into_cell(PARTS, net, put=put.append)
    exec(put[0], space)
    assert space["my_entry"]()["parts"] == PARTS
    with pytest.raises(PlusxError):
        cell_text([["conv", 4]], net)


def test_into_cell_prints_outside_of_a_notebook(net, capsys):
    into_cell(PARTS, net)
    assert "def my_entry():" in capsys.readouterr().out


def test_a_mean_of_weights_gets_statistics_of_its_own():
    torch.manual_seed(1)
    states = [build(PARTS).state_dict() for _ in range(3)]
    x = torch.randn(50, 3, 16, 16)
    means = running_means(states, 0.8)
    for name, tensor in averaged(states, 0.8).items():
        torch.testing.assert_close(means[-1][name], tensor)
    fresh = refreshed(PARTS, means[-1], x)
    assert not fresh.training
    torch.testing.assert_close(fresh[0][1].running_mean, fresh[0][0](x).mean(dim=(0, 2, 3)))
    assert torch.equal(means[-1]["0.1.running_mean"], torch.zeros(4)), "the state is left alone"
