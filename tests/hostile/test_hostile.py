"""Every attack of the corpus, graded through nbgrader in a class with honest neighbours."""

from collections.abc import Iterator
from typing import Any

import pytest
from arena import Arena
from corpus import Attack, read_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    made = Arena()
    yield made
    made.close()


def rows() -> Iterator[Any]:
    """All attacks; one that still succeeds must go on doing so, or its `open` line goes."""
    for attack in read_corpus():
        marks = [pytest.mark.xfail(reason=attack.open)] if attack.open else []
        yield pytest.param(attack, id=attack.id, marks=marks)


@pytest.mark.parametrize("attack", list(rows()))
def test_an_attack_fails(arena: Arena, attack: Attack) -> None:
    assert arena.grade(attack).problems(attack) == []
