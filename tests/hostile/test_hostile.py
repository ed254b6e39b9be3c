"""Every attack of the corpus, graded through nbgrader in a class with honest neighbours."""

from collections.abc import Iterator

import pytest
from arena import Arena
from corpus import Attack, read_corpus

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def arena() -> Iterator[Arena]:
    made = Arena()
    yield made
    made.close()


@pytest.mark.parametrize("attack", [pytest.param(a, id=a.id) for a in read_corpus()])
def test_an_attack_fails(arena: Arena, attack: Attack) -> None:
    assert arena.grade(attack).problems(attack) == []
