"""Lesions on lists whose scores can be worked out by hand."""

from itertools import permutations

import pytest
import torch
from scipy.stats import kendalltau

from plusx import ArgumentError, lesions

BLOCKS = [2.0, 3.0, 5.0, 7.0]


def test_a_lesion_leaves_the_other_blocks_in_their_order():
    assert lesions.without("abcd", [2, 0]) == ["b", "d"]
    assert lesions.without("abcd", []) == list("abcd")
    assert lesions.in_order("abcd", [3, 1]) == ["d", "b"]


@pytest.mark.parametrize("gone", [[4], [-1], [0, 9]])
def test_a_block_that_is_not_there_cannot_go(gone):
    with pytest.raises(ArgumentError, match="places 0 to 3"):
        lesions.without(BLOCKS, gone)


def test_each_block_is_deleted_once():
    assert lesions.delete_each(BLOCKS, sum).tolist() == [15, 14, 12, 10]


def test_each_block_is_swapped_with_the_next():
    def number(digits):
        return float("".join(digits))

    assert lesions.swap_each("1234", number).tolist() == [2134, 1324, 1243]


def test_some_blocks_are_deleted_at_random():
    counts = lesions.delete_some(BLOCKS, len, count=3, draws=5)
    assert counts.tolist() == [1.0] * 5
    sums = lesions.delete_some(BLOCKS, sum, count=1, draws=200)
    assert set(sums.tolist()) == {15.0, 14.0, 12.0, 10.0}
    again = lesions.delete_some(BLOCKS, sum, count=1, draws=200)
    assert torch.equal(sums, again)
    assert not torch.equal(sums, lesions.delete_some(BLOCKS, sum, count=1, draws=200, seed=1))
    with pytest.raises(ArgumentError, match="0 to 4"):
        lesions.delete_some(BLOCKS, sum, count=5, draws=1)


def test_an_order_and_its_score_belong_together():
    taus, scores = lesions.shuffle_some(range(6), lesions.kendall_tau, swaps=4, draws=30)
    assert torch.equal(taus, scores)
    assert taus.unique().numel() > 5
    taus, _ = lesions.shuffle_some(BLOCKS, len, swaps=0, draws=3)
    assert taus.tolist() == [1.0] * 3


def test_kendalls_tau_is_scipys():
    for order in permutations(range(5)):
        assert lesions.kendall_tau(order) == pytest.approx(kendalltau(range(5), order).statistic)
    with pytest.raises(ArgumentError, match="two or more"):
        lesions.kendall_tau([0])
