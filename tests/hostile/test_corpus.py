"""The corpus as a whole, and the page that tells about it."""

import re
from pathlib import Path

import pytest
from corpus import FAMILIES, Attack, read_corpus

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "security.md"
ATTACKS = read_corpus()


def test_every_family_has_attacks() -> None:
    assert {attack.family for attack in ATTACKS} == set(FAMILIES)
    assert len(ATTACKS) >= 75


def test_no_file_is_left_out() -> None:
    """A file in a folder that is no family would never be graded."""
    assert {str(path) for path in HERE.glob("*/*.py")} == {
        str(HERE / f"{attack.id}.py") for attack in ATTACKS
    }


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.id)
def test_the_page_has_a_row_for_each_attack(attack: Attack) -> None:
    row = f"| [{attack.name}](../tests/hostile/{attack.id}.py): {attack.about} |"
    assert row in PAGE.read_text(encoding="utf-8"), "out of date: run make hostile"


def test_the_page_names_no_attack_that_is_gone() -> None:
    named = re.findall(r"\(\.\./tests/hostile/(\S+?)\.py\)", PAGE.read_text(encoding="utf-8"))
    assert sorted(named) == sorted(attack.id for attack in ATTACKS)


def test_the_page_is_its_template_with_what_was_measured() -> None:
    template = (HERE / "security_template.md").read_text(encoding="utf-8")
    page = PAGE.read_text(encoding="utf-8")
    at = 0
    for prose in re.split(r"@[A-Z]+@", template):
        at = page.find(prose, at)
        assert at >= 0, f"docs/security.md lacks: {prose.strip()[:100]}"
