"""Prints the table of mutants and variants at the end of a run."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

CASE = "case"


@pytest.fixture
def record_case(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Remembers (lesson, kind, exercise, name, what the judge said) for the table.

    With the test's report, since that reaches the process that prints.
    """
    return lambda *row: record_property(CASE, row)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    rows = sorted(_rows(terminalreporter))
    if not rows:
        return
    terminalreporter.section("mutants and variants")
    for lesson, kind, exercise, name, said, _ in rows:
        said = said.rpartition("hint: ")[2]
        terminalreporter.write_line(f"{lesson:2.2} {kind:8} {exercise:15} {name:42.42} {said:.130}")
    for (lesson, kind), count in sorted(Counter(row[:2] for row in rows).items()):
        good = sum(row[-1] for row in rows if row[:2] == (lesson, kind))
        done = "caught and named" if kind == "mutant" else "accepted"
        terminalreporter.write_line(f"{lesson}: {good} of {count} {kind}s {done}")


def _rows(terminalreporter: Any) -> Iterator[tuple[str, str, str, str, str, bool]]:
    """Lesson, kind, exercise, name, what the judge said, and whether it is as it should be."""
    for outcome in ("passed", "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, row in getattr(report, "user_properties", []):
                if name == CASE and report.when == "call":
                    yield (*row, outcome == "passed")
