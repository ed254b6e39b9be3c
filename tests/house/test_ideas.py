"""docs/residual_ideas.md has every idea, with what its block costs."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
# By hand, for 64 channels: weights and biases, then two numbers per normalised channel.
BY_HAND = {
    "plain": 2 * 9 * 64 * 64 + 2 * 2 * 64,
    "ResNet, bottleneck": 64 * 16 + 9 * 16 * 16 + 16 * 64 + 2 * (16 + 16 + 64),
    "RegNet": 2 * 64 * 64 + 9 * 64 * 64 // 4 + 3 * 2 * 64,
    "Highway": 2 * (64 * 64 + 64),
    "LSTM": 4 * (2 * 64 * 64 + 2 * 64),
    "SkipInit": 2 * (64 * 64 + 64) + 1,
    "post-norm": 4 * (64 * 64 + 64) + 2 * 4 * 64 * 64 + 4 * 64 + 64 + 2 * 2 * 64,
    "Neural ODE": 2 * (64 * 64 + 64),
}


@pytest.fixture(scope="module")
def ideas() -> ModuleType:
    spec = importlib.util.spec_from_file_location("ideas", ROOT / "docs/ideas.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules["ideas"] = made  # where dataclasses look up their annotations
    spec.loader.exec_module(made)
    return made


def test_the_page_is_up_to_date(ideas: ModuleType) -> None:
    assert (ROOT / ideas.PAGE).read_text(encoding="utf-8") == ideas.page()


@pytest.mark.parametrize("name", BY_HAND)
def test_parameters_are_those_counted_by_hand(ideas: ModuleType, name: str) -> None:
    (idea,) = [idea for idea in ideas.IDEAS if idea.name == name]
    assert ideas.costs(idea)[0] == BY_HAND[name]


def test_memory_tells_the_ideas_apart_that_differ_in_it(ideas: ModuleType) -> None:
    kept = {idea.name: ideas.costs(idea)[1] for idea in ideas.IDEAS}
    state = 16 * 64 * 8 * 8 * 4 / 1024  # one batch of images, in KiB
    assert kept["RevNet"] == state
    assert kept["plain"] > 3 * state
    assert kept["MBConv"] > kept["ResNeXt"] > kept["ResNet, bottleneck"]
