"""What grading again would change, for people: lines for a terminal, and a page."""

from collections import Counter
from collections.abc import Iterator

from nbproctor.charts import Chart, change_chart, comparison_chart
from nbproctor.proposal import Change, Proposal
from nbproctor.report import plain, points, rendered

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
    """Students whose marks change: those who lose most first, then who gains most."""
    changing = [change for change in proposal.changes if change.changes_marks]
    return sorted(changing, key=lambda c: (c.difference >= 0, -abs(c.difference), c.student))


def summary(proposal: Proposal) -> str:
    """The proposal in one sentence."""
    changing = ranked(proposal)
    new = sum(change.old_total is None for change in changing)
    up = sum(change.difference > 0 and change.old_total is not None for change in changing)
    down = sum(change.difference < 0 for change in changing)
    same = len(proposal.changes) - len(changing)
    return (
        f"{proposal.lesson}: {up} students gain points, {down} lose some, {new} get their first "
        f"mark; {same} are graded again with the same marks, {proposal.unchanged} stand as they "
        f"are, {len(proposal.left)} are left as they are"
    )


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
    before = [c.old_total for c in proposal.changes if c.old_total is not None]
    after = [c.after.total for c in proposal.changes if c.after.total is not None]
    if after:
        yield comparison_chart(before, after, proposal.points)
        yield change_chart([change.difference for change in proposal.changes])


def _by_exercise(changes: list[Change]) -> list[tuple[str, int, int]]:
    """Of each cell, for how many its score rises, and falls."""
    up, down = Counter[str](), Counter[str]()
    for change in changes:
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
