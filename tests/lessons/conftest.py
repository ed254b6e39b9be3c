"""Prints the table of mutants and variants at the end of a run."""

import sys
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

ROWS = pytest.StashKey[list[tuple[str, str, str, str]]]()


@pytest.fixture
def case_table(request: pytest.FixtureRequest) -> list[tuple[str, str, str, str]]:
    """Rows (kind, exercise, name, what the judge said), printed when all tests are done."""
    return request.config.stash.setdefault(ROWS, [])


def pytest_terminal_summary(terminalreporter, config) -> None:
    rows = config.stash.get(ROWS, [])
    if not rows:
        return
    terminalreporter.section("mutants and variants")
    for kind, exercise, name, said in sorted(rows):
        said = said.rpartition("hint: ")[2]
        terminalreporter.write_line(f"{kind:8} {exercise:15} {name:42.42} {said:.130}")
    for kind in ("mutant", "variant"):
        terminalreporter.write_line(f"{sum(row[0] == kind for row in rows)} {kind}s")
