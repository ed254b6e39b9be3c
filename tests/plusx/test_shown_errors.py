"""Errors of checking cells are shown without insides, and with advice; other errors as ever."""

import os

import pytest
import torch
from kernels import Kernel
from torch import nn

from plusx.advice import advice, advice_on_value

SET_UP = """
import torch
from torch import nn
from plusx.expect import expect_shape

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x):
        return self.layer(x)
"""


def test_in_a_notebook_a_check_shows_the_learners_lines_alone(tmp_path):
    kernel = Kernel(tmp_path, {**os.environ, "IPYTHONDIR": str(tmp_path)})
    try:
        assert kernel.answer(kernel.begin(SET_UP))["status"] == "ok"
        (check,) = kernel.shown(kernel.begin("expect_shape(Net()(torch.ones(1, 4)), (1, 2), 'y')"))
        (plain,) = kernel.shown(kernel.begin("Net()(torch.ones(1, 4))"))
        (after,) = kernel.shown(kernel.begin("expect_shape(torch.ones(3), (2,), 'y')"))
    finally:
        kernel.stop()
    assert "module.py" in plain["error"] and "Look at again" not in plain["error"]
    assert "module.py" not in check["error"] and "return" in check["error"]
    assert "Look at again: two shapes do not fit" in check["error"]
    assert "expect.py" not in after["error"] and "shape (2,)" in after["error"]


def without_super():
    class Bare(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    Bare()


def changed_in_place():
    x = torch.ones(2, requires_grad=True)
    x += 1


def changed_before_backward():
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    y.mul_(2)
    y.sum().backward()


class WithoutForward(nn.Module):
    pass


ERRORS = [
    (without_super, "super().__init__()"),
    (changed_in_place, "in place"),
    (changed_before_backward, "in place"),
    (lambda: WithoutForward()(1), "`forward`"),
    (lambda: torch.ones(2) + None, "`return`"),
    (lambda: torch.relu((torch.ones(1),)), "a tuple"),
    (lambda: torch.relu(torch.ones(1).numpy()), "stay with it"),
    (lambda: torch.relu(nn.Linear(1, 1)), "call it"),
    (lambda: nn.Linear(1, 1) + torch.ones(1), "call it"),
    (lambda: nn.Conv2d(1, 1, 1)(nn.ReLU()), "call it"),
    (lambda: torch.ones(1) + torch.sin, "call it"),
    (lambda: torch.ones(2, 3) @ torch.ones(2, 3), "print the shape"),
    (lambda: torch.ones(2) + torch.ones(3), "print the shape"),
    (lambda: nn.Conv2d(3, 4, 1)(torch.ones(1, 2, 5, 5)), "print the shape"),
    (lambda: nn.BatchNorm2d(3)(torch.ones(2, 4, 5, 5)), "print the shape"),
    (lambda: torch.ones(6).view(4, 2), "print the shape"),
    (lambda: nn.Linear(2, 2)(torch.ones(1, 2).double()), "dtype="),
    (lambda: nn.Linear(2, 2)(torch.ones(1, 2, dtype=torch.int64)), "dtype="),
    (lambda: nn.Linear(2, 2)(torch.ones(1, 2, device="meta")), "device="),
    (lambda: torch.ones(2, device="meta").tolist(), "device="),
    (lambda: torch.ones(2).sum().backward(), "gradient cannot get through"),
    (lambda: [1, 2][3], "count from 0"),
    (lambda: WithoutForward().nothing, "another kind"),
]


@pytest.mark.parametrize(("mistake", "says"), ERRORS)
def test_what_mistakes_raise_has_advice(mistake, says):
    with pytest.raises(Exception) as caught:
        mistake()
    assert says in advice(caught.value)


def test_what_is_not_known_has_no_advice():
    assert advice(ValueError("expected a depth of at least 2")) == ""
    assert advice_on_value(torch.ones(1), "Tensor") == advice_on_value([1.0], "numbers") == ""


@pytest.mark.parametrize(
    ("value", "says"),
    [(None, "`return`"), ((1, 2), "tuple"), (torch.ones(1).numpy(), "NumPy"), (nn.ReLU(), "call")],
)
def test_values_of_the_wrong_kind_have_advice(value, says):
    assert says in advice_on_value(value, "Tensor")
