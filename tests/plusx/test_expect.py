"""Friendly assertions: what passes, what fails, and what the two messages tell."""

import numpy
import pytest
import torch

from plusx.errors import ArgumentError, ExpectationError
from plusx.expect import (
    expect_close,
    expect_equal,
    expect_raises,
    expect_shape,
    expect_true,
    expect_type,
    expect_works,
)

NAN = float("nan")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1.0, 1),
        (torch.tensor(2.0), 2.0),
        (numpy.float64(2.0), 2.0),
        ([1, 2.0], (1.0, 2.0)),
        ([torch.tensor(1.0), 2], [1.0, 2.0]),
        (torch.ones(2, 3), torch.ones(2, 3)),
        (torch.ones(2, requires_grad=True), torch.ones(2)),
        (torch.tensor([float("inf")]), torch.tensor([float("inf")])),
        ([], []),
    ],
)
def test_close_values_pass(actual, expected):
    expect_close(actual, expected, "a value")


@pytest.mark.parametrize(
    ("actual", "expected", "says"),
    [
        (NAN, NAN, "NaN"),
        (torch.tensor([NAN]), torch.tensor([NAN]), "NaN"),
        ([1.0], [1.0, 2.0], "shape (1,)"),
        (torch.ones(2), torch.ones(3), "shape (2,)"),
        (torch.ones(2).double(), torch.ones(2), "torch.float64"),
        (torch.ones(2, device="meta"), torch.ones(2), "device meta"),
        ([1.0, 2.0], torch.ones(2), "a list of 2"),
        (None, torch.ones(2), "NoneType"),
        ("text", 1.0, "str"),
        (None, 1.0, "NoneType"),
    ],
)
def test_other_values_fail_and_say_why(actual, expected, says):
    with pytest.raises(ExpectationError) as caught:
        expect_close(actual, expected, "the value", "look again")
    for message in (str(caught.value), caught.value.feedback):
        assert message.startswith("the value")
        assert says in message


def test_how_far_off_stays_out_of_the_feedback():
    """An answer of zero would learn the expected number from it."""
    with pytest.raises(ExpectationError) as caught:
        expect_close(0.0, 1.25, "the value")
    assert "largest difference: 1.25" in str(caught.value)
    assert "1.25" not in caught.value.feedback


def test_lists_are_compared_in_double_precision():
    with pytest.raises(ExpectationError):
        expect_close([1.0 + 1e-8], [1.0], "a value", rtol=1e-9, atol=0)
    tensors = [torch.tensor(1.0 + 1e-8, dtype=torch.float64)]
    with pytest.raises(ExpectationError):
        expect_close(tensors, [1.0], "a value", rtol=1e-9, atol=0)


def test_only_the_full_message_shows_expected_numbers():
    with pytest.raises(ExpectationError) as caught:
        expect_close(5.25, 7.125, "the value")
    assert "7.125" in str(caught.value)
    assert "7.125" not in caught.value.feedback
    with pytest.raises(ExpectationError) as caught:
        expect_equal(5, 7125, "the count", "count again")
    assert "7125" in str(caught.value)
    assert "7125" not in caught.value.feedback
    assert "count again" in caught.value.feedback


def test_a_known_mistake_takes_the_place_of_the_hint():
    wrong = {"the sign is lost": 2.0, "it is doubled": -4.0}
    with pytest.raises(ExpectationError, match="hint: the sign is lost"):
        expect_close(2.0, -2.0, "the value", "some hint", wrong=wrong)
    with pytest.raises(ExpectationError, match="hint: some hint"):
        expect_close(3.0, -2.0, "the value", "some hint", wrong=wrong)
    with pytest.raises(ExpectationError, match="hint: one too many"):
        expect_equal(4, 3, "the count", wrong={"one too many": 4})
    expect_close(-2.0, -2.0, "the value", wrong=wrong)


def test_a_mistake_of_another_shape_does_not_match():
    wrong = {"only one": torch.ones(1)}
    with pytest.raises(ExpectationError) as caught:
        expect_close(torch.ones(2), torch.zeros(2), "the value", wrong=wrong)
    assert "only one" not in str(caught.value)


def test_shapes():
    expect_shape(torch.ones(2, 3), (2, 3), "a tensor")
    with pytest.raises(ExpectationError, match=r"expected: shape \(3,\)\n  got: shape \(2,\)"):
        expect_shape(torch.ones(2), (3,), "a tensor")
    with pytest.raises(ExpectationError, match="got: int"):
        expect_shape(3, (3,), "a tensor")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [(1, 1), ("a", "a"), ([1, [2]], (1, (2,))), ({"a": [1]}, {"a": [1]}), (None, None)],
)
def test_equal_values_pass(actual, expected):
    expect_equal(actual, expected, "a value")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1, True),
        (1, 2),
        ([1], [1, 2]),
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": 2}),
        (NAN, NAN),
        ("a", 1),
    ],
)
def test_unequal_values_fail(actual, expected):
    with pytest.raises(ExpectationError):
        expect_equal(actual, expected, "a value")


def test_a_nan_in_a_list_is_never_equal():
    numbers = [NAN]
    with pytest.raises(ExpectationError):
        expect_equal(numbers, numbers, "a value")


def test_conditions():
    expect_true(True, "it holds")
    with pytest.raises(ExpectationError, match="it holds"):
        expect_true(False, "it holds", "why")
    with pytest.raises(ArgumentError, match="bool"):
        expect_true(torch.tensor(1.0), "it holds")


def test_types():
    expect_type([], (list, tuple), "a value")
    with pytest.raises(ExpectationError, match="expected: list or tuple"):
        expect_type({}, (list, tuple), "a value")


def test_errors_of_the_answer_become_expectations():
    with expect_works("it runs"):
        pass
    with pytest.raises(ExpectationError) as caught, expect_works("it runs", "a hint"):
        raise NotImplementedError("first line\n second line")
    assert "NotImplementedError: first line; second line" in caught.value.feedback
    assert "a hint" in caught.value.feedback


def test_errors_that_are_nobodys_mistake_pass_through():
    class Deadline(Exception):  # noqa: N818
        pass

    with pytest.raises(Deadline), expect_works("it runs"):
        raise Deadline


def test_expected_errors():
    with expect_raises(ValueError, "it complains"):
        raise ArgumentError("no")
    with (
        pytest.raises(ExpectationError, match="got: no error"),
        expect_raises(ValueError, "it complains"),
    ):
        pass
    with (
        pytest.raises(ExpectationError, match="got: TypeError: oh"),
        expect_raises(ValueError, "it complains"),
    ):
        raise TypeError("oh")
