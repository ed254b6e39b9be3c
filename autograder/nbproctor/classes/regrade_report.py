"""What grading again would change, for people: lines for a terminal, and a page."""

from collections import Counter
from collections.abc import Iterator

from nbproctor.classes.proposal import Change, Proposal
from nbproctor.reports.charts import Chart, change_chart, comparison_chart
from nbproctor.reports.report import plain, points, rendered

__all__ = ["regrade_lines", "regrade_page"]

MOST_LINES = 200
MOST_ROWS = 1000
PAGE = 100


def regrade_lines(proposal: Proposal) -> Iterator[str]:
    """A line for each student whose marks change, and sums."""
    changes = ranked(proposal)
    yield plain(summary(proposal))
    if changes:
        longest = max(len(plain(change.student)) for change in changes[:MOST_LINES])
        yield ""
        yield f"{'student':<{longest}}    old    new  change  exercises"
    for change in changes[:MOST_LINES]:
        marks = f"{_shown(change.old_total):>5}  {_shown(change.after.total):>5}"
        cells = ", ".join(_cell(change, *cell) for cell in change.cells)
        name = plain(change.student)
        yield f"{name:<{longest}}  {marks}  {_signed(change):>6}  {plain(cells)}"
    if len(changes) > MOST_LINES:
        yield f"and {len(changes) - MOST_LINES} more: they are on the page"
    for student, why in list(proposal.left.items())[:MOST_LINES]:
        yield plain(f"left as it is: {student}: {why}").replace("\n", " ")


def ranked(proposal: Proposal) -> list[Change]:
    """Students whose marks change: who loses most, who gains most, who had no mark."""
    changing = [change for change in proposal.changes if change.changes_marks]
    return sorted(changing, key=_rank)


def _rank(change: Change) -> tuple[bool, bool, float, str]:
    is_first = change.old_total is None
    return is_first, change.difference >= 0, -abs(change.difference), change.student


def summary(proposal: Proposal) -> str:
    """The proposal in one sentence."""
    changing = ranked(proposal)
    had_one = [change for change in changing if change.old_total is not None]
    up = sum(change.difference > 0 for change in had_one)
    down = sum(change.difference < 0 for change in had_one)
    counts = {
        "gain points": up,
        "lose some": down,
        "get their first mark": len(changing) - len(had_one),
        "same marks again": len(proposal.changes) - len(changing),
        "not graded again, as nothing has changed": proposal.unchanged,
        "left as they are": len(proposal.left),
    }
    told = "; ".join(f"{name}: {count:,}" for name, count in counts.items())
    return f"{proposal.lesson}, in students: {told}"


def regrade_page(proposal: Proposal) -> str:
    """The proposal as one HTML page."""
    changes = ranked(proposal)
    shown = changes[:MOST_ROWS]
    return rendered(
        "regrade.html",
        title=f"{proposal.lesson}: what grading again would change",
        proposal=proposal,
        summary=summary(proposal),
        figures=list(_figures(proposal)),
        exercises=_by_exercise(changes),
        pages=[shown[n : n + PAGE] for n in range(0, len(shown), PAGE)],
        count=len(changes),
        more=len(changes) - len(shown),
        left=list(proposal.left.items())[:PAGE],
        shown=_shown,
        signed=_signed,
        cell=_cell,
    )


def _figures(proposal: Proposal) -> Iterator[Chart]:
    had_one = [change for change in proposal.changes if change.old_total is not None]
    before = [change.old_total or 0.0 for change in had_one]
    after = [c.after.total for c in proposal.changes if c.after.total is not None]
    if after:
        yield comparison_chart(before, after, proposal.points)
    if had_one:
        yield change_chart([change.difference for change in had_one])


def _by_exercise(changes: list[Change]) -> list[tuple[str, int, int]]:
    """Of each cell, for how many its score rises, and falls."""
    up, down = Counter[str](), Counter[str]()
    for change in (change for change in changes if change.old_total is not None):
        for name, was, now in change.cells:
            (up if (now or 0.0) >= (was or 0.0) else down)[name] += 1
    return [(name, up[name], down[name]) for name in sorted({*up, *down})]


def _cell(change: Change, name: str, was: float | None, now: float | None) -> str:
    verdict, said = change.told.get(name, ("", ""))
    why = f" ({': '.join(filter(None, (verdict, said)))})" if verdict else ""
    return f"{name.partition('/')[2]} {_shown(was)} → {_shown(now)}{why}"


def _shown(score: float | None) -> str:
    return "–" if score is None else points(score)


def _signed(change: Change) -> str:
    sign = "+" if change.difference > 0 else "−" if change.difference < 0 else ""
    return "first" if change.old_total is None else f"{sign}{points(abs(change.difference))}"
