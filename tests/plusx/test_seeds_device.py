"""Seeds and devices."""

import random

import numpy
import pytest
import torch

from plusx import ArgumentError, choose_device, seed_all


def draws():
    return random.random(), numpy.random.rand(), torch.rand(1).item()


def test_a_seed_repeats_every_generator():
    seed_all(7)
    first = draws()
    assert draws() != first
    seed_all(7)
    assert draws() == first


@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, "1", None])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(ArgumentError, match="seed_all"):
        seed_all(seed)


@pytest.mark.parametrize(
    ("cuda", "mps", "chosen"),
    [(True, True, "cuda"), (True, False, "cuda"), (False, True, "mps"), (False, False, "cpu")],
)
def test_the_best_device_is_chosen(monkeypatch, cuda, mps, chosen):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    assert choose_device().type == chosen
