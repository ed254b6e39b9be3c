"""Marks in the forms that other programs take in: a plain CSV and Moodle's; what all forms share.

Each says where its rules stand. All agree on this: whoever was never graded has an empty grade, not
zero; and so has, unless asked for otherwise, whoever waits for a person.
"""

import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from nbproctor.reports.class_entries import Entry
from nbproctor.reports.class_marks import Lesson, Mark, Person, State
from nbproctor.reports.report import message, plain, points
from nbproctor.spreadsheet import csv_bytes, look_alikes, neutral

__all__ = [
    "Cells",
    "Exported",
    "LessonEntries",
    "MoodleForm",
    "field_of",
    "given",
    "moodle",
    "name_warnings",
    "some",
    "state_warnings",
    "table",
]

SHOWN = 5
MOST_FEEDBACK = 4000
MOST_MESSAGE = 300
MOODLE_MOST = 100.0
TABLE = (
    "lesson student first_name last_name email state handed_in notebook exercise verdict score "
    "points given_by late_penalty total note"
).split()

Cells = list[str | float | None]


@dataclass(frozen=True)
class LessonEntries:
    """A lesson, and what is known of every student."""

    lesson: Lesson
    entries: Sequence[Entry]


@dataclass(frozen=True)
class Exported:
    """The bytes of a file, and what a person should know before using it."""

    data: bytes
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class MoodleForm:
    """Which field of `Person` names a student in Moodle, and what the column is called."""

    identifier: str = "email"
    header: str = "Email address"
    incomplete: bool = False


def table(lessons: Sequence[LessonEntries]) -> Exported:
    """One row for each student and graded cell, in UTF-8, without a byte-order mark."""
    rows = (
        _table_row(of.lesson, entry, mark)
        for of in lessons
        for entry in of.entries
        for mark in entry.ordered
    )
    names = (entry.person.id for of in lessons[:1] for entry in of.entries)
    return Exported(csv_bytes([TABLE, *rows]), (*state_warnings(lessons), *name_warnings(names)))


def _table_row(lesson: Lesson, entry: Entry, mark: Mark) -> Cells:
    person, marks, result = entry.person, entry.marks, entry.result(mark)
    given_by = "" if mark.score is None else "person" if mark.by_person else "tests"
    names = (person.id, person.first_name, person.last_name, person.email)
    place = (str(entry.state), _time(marks.timestamp), mark.notebook, mark.grade_id)
    score = (str(result.verdict) if result else "", mark.score, mark.points, given_by)
    return [lesson.name, *names, *place, *score, marks.late_penalty, marks.score, entry.problem]


def _time(when: datetime | None) -> str:
    return "" if when is None else when.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def field_of(person: Person, name: str) -> str:
    """One of a person's fields; empty for none."""
    return str(getattr(person, name)) if name else ""


def moodle(lessons: Sequence[LessonEntries], form: MoodleForm) -> Exported:
    """A CSV for Moodle: Grades, Import, CSV file (separator: comma, encoding: UTF-8).

    The rules: docs.moodle.org/en/Grade_import, and grade/import/csv/classes/load_data.php of
    moodle/moodle. One column identifies the student; a grade and its feedback are mapped together,
    since feedback alone would remove the grade; an empty grade is none. One row whose student is
    not found stops the whole import, and one without an identifier gives its grade to the student
    of the row before: both are left out here, and named.
    """
    people = {entry.person.id: entry.person for of in lessons for entry in of.entries}
    entries = {(of.lesson.name, e.person.id): e for of in lessons for e in of.entries}
    header: Cells = [form.header]
    for of in lessons:
        header += [f"{of.lesson.name} (Real)", f"{of.lesson.name} (Feedback)"]
    rows, left_out, seen = [header], [], set[str]()
    for person in people.values():
        name = field_of(person, form.identifier)
        if not name.strip() or neutral(name) != name or name in seen:
            left_out.append(person.id)
            continue
        seen.add(name)
        row: Cells = [name]
        for of in lessons:
            entry = entries.get((of.lesson.name, person.id))
            grade = given(entry, form.incomplete)
            row += [grade, "" if entry is None or grade is None else _feedback(entry)]
        rows.append(row)
    warnings = [*state_warnings(lessons, form.incomplete)]
    if left_out:
        what = f"without a usable {form.header.lower()} of their own, and left out"
        warnings.append(f"{what}: {some(left_out)}")
    if most := [of.lesson.name for of in lessons if of.lesson.points > MOODLE_MOST]:
        warnings.append(
            f"Moodle takes grades above {MOODLE_MOST:g} only where its settings allow "
            f"unlimited grades: {some(most)}"
        )
    return Exported(csv_bytes(rows), (*warnings, *name_warnings(people)))


def _feedback(entry: Entry) -> str:
    """Verdicts and messages in one line. Moodle shows feedback as HTML: it is text here."""
    said = []
    for mark in entry.ordered:
        result = entry.result(mark)
        score = "?" if mark.score is None else points(mark.score)
        verdict = "given by a person" if mark.by_person else str(result.verdict if result else "")
        told = plain(message(result)) if result and not mark.by_person else ""
        short = " ".join(told.split())[:MOST_MESSAGE]
        said.append(f"{mark.grade_id}: {score} of {points(mark.points)}, {verdict}")
        said[-1] += f" ({short})" if short else ""
    return html.escape("; ".join(said)[:MOST_FEEDBACK], quote=False)


def given(entry: Entry | None, incomplete: bool) -> float | None:
    """The points that a form gives out, if any."""
    if entry is None or (entry.state is State.WAITING and not incomplete):
        return None
    return entry.marks.score


def state_warnings(lessons: Sequence[LessonEntries], incomplete: bool = True) -> Iterator[str]:
    """Whose grades are empty, or may be other ones soon."""
    for of in lessons:
        name, states = of.lesson.name, {state: list[str]() for state in State}
        for entry in of.entries:
            states[entry.state].append(entry.person.id)
        empty = states[State.ABSENT] + states[State.UNGRADED]
        if empty:
            yield f"{name}: never graded, and empty: {some(empty)}"
        if states[State.WAITING]:
            how = "with the points so far" if incomplete else "and empty"
            yield f"{name}: waiting for a person, {how}: {some(states[State.WAITING])}"
        if old := [e.person.id for e in of.entries if any(m.is_old for m in e.marks.marks)]:
            yield f"{name}: marked by hand before they were graded again, look: {some(old)}"
        if odd := [f"{e.person.id} ({e.problem})" for e in of.entries if e.problem]:
            yield f"{name}: to be graded again: {some(odd)}"


def name_warnings(names: Iterable[str]) -> Iterator[str]:
    """Names that were changed to be harmless, or can be taken for each other."""
    names = list(names)
    if changed := [name for name in names if neutral(name) != name]:
        yield f"made harmless for spreadsheets, and no longer as they were: {some(changed)}"
    for group in look_alikes(names)[:SHOWN]:
        yield f"names that look alike: {some(group)}"


def some(names: Sequence[str]) -> str:
    """How many, and the first of them."""
    shown = ", ".join(neutral(name) for name in names[:SHOWN])
    return f"{len(names)} ({shown}{', ...' if len(names) > SHOWN else ''})"
