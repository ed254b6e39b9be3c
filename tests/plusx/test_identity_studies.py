"""The shipped studies of lesson 04: a sample run anew agrees, and what the lesson says holds."""

import random

import pytest

from plusx import load_reference
from plusx.reference import STUDIES
from plusx.shortcuts import ORDERS

SLACK_PERCENT = 8.0  # as in test_reference


def end(runs, *key):
    return runs[key].train_error[:, -1].mean().item()


@pytest.mark.parametrize("name", ["identity_orders", "identity_highway"])
def test_a_random_case_run_anew_agrees(name):
    depths = {case.key: case.key[1] for case in STUDIES[name]()}
    cases = [case for case in STUDIES[name]() if depths[case.key] <= 20]
    case = random.SystemRandom().choice(cases)
    shipped, now = load_reference(name)[case.key].train_error[:, -1], case.run().train_error[:, -1]
    spread = 3 * (shipped.std() + now.std())
    assert abs(shipped.mean() - now.mean()) <= SLACK_PERCENT + spread, (case.key, shipped, now)


def test_what_lesson_04_says_about_orders():
    runs = load_reference("identity_orders")
    merit = ["full pre-activation", "ReLU-only pre-activation", "original", "ReLU before the sum"]
    errors = [end(runs, name, 110) for name in [*merit, "norm after the sum"]]
    assert errors == sorted(errors) and set(ORDERS) == {*merit, "norm after the sum"}
    assert end(runs, "full pre-activation", 200) < 5 < 25 < end(runs, "original", 200)
    assert sum(end(runs, name, 20) < 1 for name in ORDERS) == 4


def test_what_lesson_04_says_about_shortcuts():
    runs = load_reference("identity_shortcuts")
    for lr in (0.05, 0.01):
        good = {("identity", 0.0), ("exclusive gate", -6.0), ("shortcut-only gate", -6.0)}
        for name, bias, rate in runs:
            if rate == lr:
                error = end(runs, name, bias, lr)
                assert error < 15 if (name, bias) in good else error > 25, (name, bias, lr)
    assert end(runs, "exclusive gate", -6.0, 0.05) < end(runs, "identity", 0.0, 0.05)
    assert end(runs, "exclusive gate", -6.0, 0.01) > end(runs, "identity", 0.0, 0.01)
    assert not runs["dense", 0.0, 0.05].train_loss[:, -1].isfinite().any()


def test_what_lesson_04_says_about_gates_and_starts():
    highway, starts = load_reference("identity_highway"), load_reference("identity_starts")
    assert all(end(highway, bias, 10) < 5 for bias in (-6.0, -4.0, -2.0))
    assert max(end(highway, bias, 50) for bias in (-6.0, -4.0)) < 5
    assert min(end(highway, bias, 50) for bias in (-2.0, 0.0)) > 50
    for lr in (0.01, 0.05, 0.2, 0.5):
        assert not starts["no norm, plain", lr].train_loss[:, -1].isfinite().any()
    for start in ("scaled", "SkipInit", "Fixup"):
        assert end(starts, f"no norm, {start}", 0.05) < end(starts, "norm, post-activation", 0.05)
    assert not starts["no norm, SkipInit", 0.2].train_loss[:, -1].isfinite().any()
    assert end(starts, "no norm, Fixup", 0.2) < 3
    assert end(starts, "norm, pre-activation", 0.5) < 5
