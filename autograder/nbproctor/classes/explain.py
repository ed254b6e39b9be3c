"""Why a submission was or will be graded again, in words; and what the ledger holds."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from nbproctor.classes.desk import Desk
from nbproctor.classes.due import about
from nbproctor.store.filing import HandIn
from nbproctor.store.ledger import Ledger, Standing

__all__ = ["differences", "ledger_lines", "why_lines"]


def why_lines(desk: Desk, student: str) -> Iterator[str]:
    """What a student's next grading will do, and what has changed since the last one."""
    filing, assignment = desk.filing, desk.filing.assignment
    hand_in = filing.handed_in(student)
    if not hand_in.notebooks:
        yield f"{student} has handed in no notebook of {assignment}"
        return
    reason, _ = desk.due.look(hand_in)
    standings = desk.ledger.standings(assignment, student)
    yield f"{student}, {assignment}: " + (f"to be graded: {reason}" if reason else "up to date")
    for name in hand_in.notebooks:
        yield from (f"  {name}: {text}" for text in _why(desk, hand_in, name, standings.get(name)))


def _why(desk: Desk, hand_in: HandIn, name: str, standing: Standing | None) -> Iterator[str]:
    context = desk.contexts[name]
    _, digest, submission = context.take(desk.filing, hand_in)
    if standing is None:
        yield "never graded by `nbproctor grade`"
    else:
        if submission != standing.submission:
            yield "the submission: what is used of it differs from what was graded"
        elif digest != standing.handed_in:
            yield "the submission: its file or time stamp differs, but nothing that is graded"
        before = desk.ledger.about(standing.context)
        if before is None:
            yield "the ledger does not know any more what it was graded with"
        else:
            yield from differences(before, about(context.pack))
    if desk.due.from_ledger(name, submission) is None:
        yield "the ledger has no result for it: it will be executed"
    else:
        yield "the ledger has its result: nothing will be executed"


def differences(before: Mapping[str, Any], now: Mapping[str, Any], of: str = "") -> Iterator[str]:
    """What differs between two descriptions of what results depend on."""
    for name in sorted({*before, *now}):
        old, new, what = before.get(name), now.get(name), f"{of}{name}"
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from differences(old, new, f"{what}: ")
        elif old != new:
            yield f"{what}: {_short(old)} then, {_short(new)} now"


def _short(value: object) -> str:
    """A value for a line of text; digests are cut."""
    if value is None:
        return "nothing"
    text = str(value)
    return f"{text[:12]}..." if len(text) == 64 and text.isalnum() else text


def ledger_lines(ledger: Ledger) -> Iterator[str]:
    """A line for each lesson's notebook and what it was graded with."""
    groups: dict[tuple[str, str, str], list[tuple[float, int]]] = {}
    for entry in ledger.entries():
        key = (entry.notebook, entry.context, entry.level)
        groups.setdefault(key, []).append((entry.made, entry.stored_bytes))
    in_use = ledger.in_use()
    for (notebook, context, level), found in sorted(groups.items()):
        times = [datetime.fromtimestamp(made).strftime("%Y-%m-%d %H:%M") for made, _ in found]
        size = sum(stored for _, stored in found) / 1024
        yield (
            f"{notebook}: {len(found)} results, {size:,.0f} KiB, made {times[0]} to {times[-1]}, "
            f"sandbox {level}, graded with {context[:12]}"
        )
    total = sum(len(found) for found in groups.values())
    yield f"{total} results; {len(in_use)} of them stand in the gradebook"
