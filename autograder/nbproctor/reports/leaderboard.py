"""A leaderboard: a class ranked by what a test measured, under names that they chose themselves.

A test of the lesson ends in a number with `facts` (see `judge`), of which three have a meaning:

    "pseudonym"         the name to be shown; an empty one is not shown
    "ranked by"         the name of the number that is ranked, the larger the better
    "standard error"    how far that may be off by chance

All others are columns. Facts are made by the judge and stand in the sealed notebook: nothing that
a student's code says goes onto the page but the pseudonym. Rows that are nobody's come from a file
of the course, data/leaderboards/LESSON.json.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

from nbproctor.errors import ConfigError, in_words
from nbproctor.files import write_page
from nbproctor.reports.class_entries import Entry, read_entries
from nbproctor.reports.class_marks import lesson_of, opened_gradebook
from nbproctor.reports.report import plain, rendered
from nbproctor.spreadsheet import look_alikes
from nbproctor.store.gradebook import Course

__all__ = ["Board", "Row", "board_of", "board_page", "read_baselines", "write_board"]

PSEUDONYM, MEASURE, ERROR = "pseudonym", "ranked by", "standard error"
LONGEST_NAME = 40
MARGIN = 0.08  # of the scale, free on both sides

Fact = str | int | float


@dataclass(frozen=True)
class Row:
    """One line of a leaderboard. `low` and `high` bound what chance may have done.

    `rank` is 0 for a baseline: a row that the course measured itself.
    """

    name: str
    value: float
    low: float
    high: float
    facts: Mapping[str, Fact]
    rank: int = 0

    @property
    def is_baseline(self) -> bool:
        return self.rank == 0


@dataclass(frozen=True)
class Board:
    """A lesson's leaderboard: its rows, best first, and how many took part without a name.

    `measure` is what is ranked; `columns` are the other facts.
    """

    lesson: str
    measure: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    unnamed: int
    baselines_about: str = ""

    @property
    def scale(self) -> tuple[float, float]:
        """The ends of the axis that all rows share."""
        low, high = min(row.low for row in self.rows), max(row.high for row in self.rows)
        margin = MARGIN * (high - low or 1.0)
        return low - margin, high + margin

    def place(self, value: float) -> float:
        """Where a value lies on that axis, from 0 to 100."""
        low, high = self.scale
        return round(100 * (value - low) / (high - low), 2)


def write_board(
    course: Course, asked: str, to: Path | None, baselines: Path | None = None
) -> tuple[Path, Board]:
    """Write the leaderboard of a lesson; where it is, and what it shows.

    Raises:
        ConfigError: the lesson is unknown, none of its tests notes a pseudonym, or a file cannot
            be read or written.
        GradebookError: there is no gradebook.
    """
    with opened_gradebook(course.coursedir.db_url) as gradebook:
        lesson = lesson_of(gradebook, asked)
        facts = list(_facts_of(read_entries(gradebook, course.coursedir, lesson)))
    given = baselines or course.root / "data" / "leaderboards" / f"{lesson.name}.json"
    about, rows = read_baselines(given) if baselines or given.is_file() else ("", [])
    board = board_of(lesson.name, facts, rows, about)
    usual = course.root / "reports" / f"{lesson.name}_leaderboard.html"
    return write_page(board_page(board), to, usual), board


def _facts_of(entries: Iterable[Entry]) -> Iterator[Mapping[str, Fact]]:
    """The facts of everybody who took part: of the first test that notes a pseudonym."""
    for entry in entries:
        results = (result for report in entry.reports.values() for result in report.results)
        found = [result.facts for result in results if PSEUDONYM in result.facts]
        yield from found[:1]


def board_of(
    lesson: str,
    facts: Sequence[Mapping[str, Fact]],
    baselines: Sequence[Mapping[str, Any]] = (),
    about: str = "",
) -> Board:
    """The leaderboard of a class with these facts.

    Args:
        baselines: rows of the course's own, as `read_baselines` gives them.

    Raises:
        ConfigError: nobody took part, or a row does not have the number that is ranked.
    """
    if not facts:
        raise ConfigError(
            f"nobody is on the leaderboard of {lesson}",
            expected="a graded submission in which a test noted a pseudonym",
        )
    measure = str(facts[0].get(MEASURE, ""))
    others = [name for name in facts[0] if name not in (PSEUDONYM, MEASURE, ERROR, measure)]
    named = [_row(measure, f) for f in facts if plain(str(f[PSEUDONYM])).strip()]
    given = [_baseline(measure, row) for row in baselines]
    ranked = [
        replace(row, rank=1 + sum(other.value > row.value for other in named)) for row in named
    ]
    rows = sorted([*_told_apart(ranked, given), *given], key=lambda row: (-row.value, row.name))
    return Board(lesson, measure, tuple(others), tuple(rows), len(facts) - len(named), about)


def _row(measure: str, facts: Mapping[str, Fact]) -> Row:
    value, error = _number(facts, measure), facts.get(ERROR, 0.0)
    error = 0.0 if isinstance(error, str) else float(error)
    name = " ".join(plain(str(facts[PSEUDONYM])).split())[:LONGEST_NAME]
    return Row(name, value, value - error, value + error, facts)


def _baseline(measure: str, facts: Mapping[str, Any]) -> Row:
    """A row of the course's own; what is ranked is a list of numbers, one for each seed."""
    values = facts.get(measure)
    if not isinstance(values, list) or not all(isinstance(v, int | float) for v in values):
        raise ConfigError(
            f"the baseline '{facts.get('name')}' has no list of numbers '{measure}'", got=values
        )
    return Row(str(facts["name"]), mean(values), min(values), max(values), facts)


def _number(facts: Mapping[str, Fact], name: str) -> float:
    value = facts.get(name)
    if isinstance(value, str) or value is None:
        raise ConfigError(f"a submission has no number '{name}': grade it again", got=value)
    return float(value)


def _told_apart(rows: Sequence[Row], others: Sequence[Row]) -> list[Row]:
    """The rows with a number behind names that are, or look, the same; baselines keep theirs."""
    ordered = sorted(rows, key=lambda row: (-row.value, row.name))
    taken = [row.name for row in others]
    twins = [set(group) for group in look_alikes([*(row.name for row in ordered), *taken])]
    made, counts = [], dict.fromkeys(range(len(twins)), 0)
    for row in ordered:
        group = next((n for n, names in enumerate(twins) if row.name in names), None)
        if group is not None:
            counts[group] += 1
            row = replace(row, name=f"{row.name} ({counts[group]})")
        made.append(row)
    return made


def read_baselines(path: Path) -> tuple[str, list[dict[str, Any]]]:
    """What a file of baselines says of itself, and its rows.

    Raises:
        ConfigError: it cannot be read.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = [dict(row) for row in content["rows"]]
        if not all(isinstance(row.get("name"), str) for row in rows):
            raise ValueError("a row without a name")
        return str(content.get("about", "")), rows
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ConfigError(
            "the baselines cannot be read",
            expected='JSON like {"about": "...", "rows": [{"name": "...", ...}, ...]}',
            got=in_words(error),
            where=path,
        ) from error


def board_page(board: Board) -> str:
    """A leaderboard as one HTML page that loads nothing and runs nothing."""
    named = sum(not row.is_baseline for row in board.rows)
    return rendered(
        "leaderboard.html",
        title=f"{board.lesson}: leaderboard",
        board=board,
        named=named,
        shown=shown,
        has_errors=any(row.high > row.low for row in board.rows if not row.is_baseline),
    )


def shown(value: object) -> str:
    """A fact as text: whole numbers with commas, others with one digit, a dash for none."""
    if isinstance(value, bool) or value is None:
        return "–" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.1f}" if isinstance(value, float) else str(value)
