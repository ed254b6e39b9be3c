"""Marks in the forms that other programs take in: a plain CSV, Canvas, Moodle.

Each says where its rules stand. All agree on this: whoever was never graded has an empty grade, not
zero; and so has, unless asked for otherwise, whoever waits for a person.
"""

import csv
import html
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from nbproctor.class_marks import Entry, Lesson, Mark, Person, State
from nbproctor.errors import ConfigError
from nbproctor.report import message, plain, points
from nbproctor.spreadsheet import csv_bytes, look_alikes, neutral

__all__ = ["CanvasForm", "Exported", "LessonEntries", "MoodleForm", "canvas", "moodle", "table"]

SHOWN = 5
MOST_FEEDBACK = 4000
MOST_MESSAGE = 300
MOODLE_MOST = 100.0
POINTS_POSSIBLE = "Points Possible"
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
class CanvasForm:
    """How students and assignments are called in Canvas.

    Args:
        login, sis_user: which field of `Person` stands as SIS Login ID, and as SIS User ID;
            empty for none.
        columns: by lesson, the header of its column, such as `Homework 1 (4711)`. Without the
            number Canvas looks for an assignment of that title, and offers to make a new one.
        roster: the text of a gradebook as Canvas exports it: names, numbers and headers are
            taken from there.
        incomplete: whether marks that wait for a person are given out too.
    """

    login: str = "id"
    sis_user: str = ""
    section: str = ""
    columns: Mapping[str, str] = field(default_factory=dict)
    roster: str = ""
    incomplete: bool = False


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
    return Exported(csv_bytes([TABLE, *rows]), (*_warnings(lessons), *_name_warnings(names)))


def _table_row(lesson: Lesson, entry: Entry, mark: Mark) -> Cells:
    person, marks, result = entry.person, entry.marks, entry.result(mark)
    given_by = "" if mark.score is None else "person" if mark.by_person else "tests"
    names = (person.id, person.first_name, person.last_name, person.email)
    place = (str(entry.state), _time(marks.timestamp), mark.notebook, mark.grade_id)
    score = (str(result.verdict) if result else "", mark.score, mark.points, given_by)
    return [lesson.name, *names, *place, *score, marks.late_penalty, marks.score, entry.problem]


def _time(when: datetime | None) -> str:
    return "" if when is None else when.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")


def canvas(lessons: Sequence[LessonEntries], form: CanvasForm) -> Exported:
    """A CSV for Canvas: Gradebook, Import.

    The rules are those of Canvas's own importer (instructure/canvas-lms, lib/gradebook_importer.rb;
    what it writes itself: gradebook_exporter.rb). The header begins with Student and ID and the
    last column about the student is Section; SIS User ID and SIS Login ID stand between them, in
    this order. An assignment is `Title (number)`. The row `Points Possible` follows. Students
    are found by ID, else SIS User ID, else SIS Login ID, else name. An empty grade is none.

    Raises:
        ConfigError: the roster is no gradebook of Canvas's.
    """
    by_student: dict[str, dict[str, Entry]] = {}
    for of in lessons:
        for entry in of.entries:
            by_student.setdefault(entry.person.id, {})[of.lesson.name] = entry
    names = [of.lesson.name for of in lessons]
    roster = _Roster(form.roster) if form.roster else None
    told = roster.about if roster else ["Student", "ID", "SIS User ID", "SIS Login ID", "Section"]
    columns = [form.columns.get(n) or (roster.column(n) if roster else n) for n in names]
    possible: Cells = [POINTS_POSSIBLE, *[None] * (len(told) - 1)]
    rows: list[Cells] = [[*told, *columns], [*possible, *(of.lesson.points for of in lessons)]]
    warnings = [*_warnings(lessons, form.incomplete)]
    unmatched = []
    for entries in by_student.values():
        person = next(iter(entries.values())).person
        about = roster.row_of(person) if roster else _canvas_person(person, form)
        scores = [_given(entries.get(name), form.incomplete) for name in names]
        if about is None:
            unmatched.append(person.id)
        else:
            rows.append([*about, *scores])
    if unmatched:
        warnings.append(f"not in the roster, and left out: {_some(unmatched)}")
    if roster and (unknown := roster.unmatched):
        warnings.append(f"in the roster, but not in the gradebook: {_some(unknown)}")
    return Exported(csv_bytes(rows), (*warnings, *_name_warnings(by_student)))


def _canvas_person(person: Person, form: CanvasForm) -> Cells:
    names = ", ".join(part for part in (person.last_name, person.first_name) if part)
    number = person.lms_id if person.lms_id.isascii() and person.lms_id.isdigit() else ""
    user, login = _field(person, form.sis_user), _field(person, form.login)
    return [names or person.id, number, user, login, form.section]


def _field(person: Person, name: str) -> str:
    return str(getattr(person, name)) if name else ""


class _Roster:
    """A gradebook that Canvas exported: what it says of its students."""

    def __init__(self, text: str) -> None:
        first = text.lstrip("\ufeff").partition("\n")[0]
        separator = ";" if first.count(";") > first.count(",") else ","
        lines = list(csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=separator))
        header = lines[0] if lines else []
        if header[:2] != ["Student", "ID"] or "Section" not in header:
            raise ConfigError(
                "the roster is no gradebook as Canvas exports it",
                expected="a header that begins with Student and ID, and has Section",
                got=", ".join(header[:6]) or "an empty file",
            )
        width = header.index("Section") + 1
        self.about, self.columns = header[:width], header[width:]
        self.rows = [line[:width] for line in lines[1:] if len(line) >= width and self._is(line)]
        self.found: set[int] = set()

    @staticmethod
    def _is(line: Sequence[str]) -> bool:
        """Whether a line is about a student: the points possible and posting policies are not."""
        return "Points Possible" not in line[0] and bool(line[0].strip() and line[1].strip())

    def column(self, lesson: str) -> str:
        """The header of the lesson's assignment, if Canvas has one of that title."""
        found = (c for c in self.columns if c == lesson or c.rpartition(" (")[0] == lesson)
        return next(found, lesson)

    def row_of(self, person: Person) -> Cells | None:
        """What Canvas says of a student, found by number, SIS id, login or address."""
        ours = {value.casefold() for value in (person.id, person.email) if value}
        for n, row in enumerate(self.rows):
            said = dict(zip(self.about, row, strict=True))
            theirs = {said.get(k, "").casefold() for k in ("SIS User ID", "SIS Login ID")}
            if (person.lms_id and person.lms_id == said["ID"]) or ours & theirs:
                self.found.add(n)
                return list(row)
        return None

    @property
    def unmatched(self) -> list[str]:
        return [row[0] for n, row in enumerate(self.rows) if n not in self.found]


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
        name = _field(person, form.identifier)
        if not name.strip() or neutral(name) != name or name in seen:
            left_out.append(person.id)
            continue
        seen.add(name)
        row: Cells = [name]
        for of in lessons:
            entry = entries.get((of.lesson.name, person.id))
            given = _given(entry, form.incomplete)
            row += [given, "" if entry is None or given is None else _feedback(entry)]
        rows.append(row)
    warnings = [*_warnings(lessons, form.incomplete)]
    if left_out:
        what = f"without a usable {form.header.lower()} of their own, and left out"
        warnings.append(f"{what}: {_some(left_out)}")
    if most := [of.lesson.name for of in lessons if of.lesson.points > MOODLE_MOST]:
        warnings.append(
            f"Moodle takes grades above {MOODLE_MOST:g} only where its settings allow "
            f"unlimited grades: {_some(most)}"
        )
    return Exported(csv_bytes(rows), (*warnings, *_name_warnings(people)))


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


def _given(entry: Entry | None, incomplete: bool) -> float | None:
    if entry is None or (entry.state is State.WAITING and not incomplete):
        return None
    return entry.marks.score


def _warnings(lessons: Sequence[LessonEntries], incomplete: bool = True) -> Iterator[str]:
    for of in lessons:
        name, states = of.lesson.name, {state: list[str]() for state in State}
        for entry in of.entries:
            states[entry.state].append(entry.person.id)
        empty = states[State.ABSENT] + states[State.UNGRADED]
        if empty:
            yield f"{name}: never graded, and empty: {_some(empty)}"
        if states[State.WAITING]:
            how = "with the points so far" if incomplete else "and empty"
            yield f"{name}: waiting for a person, {how}: {_some(states[State.WAITING])}"
        if odd := [f"{e.person.id} ({e.problem})" for e in of.entries if e.problem]:
            yield f"{name}: to be graded again: {_some(odd)}"


def _name_warnings(names: Iterable[str]) -> Iterator[str]:
    names = list(names)
    if changed := [name for name in names if neutral(name) != name]:
        yield f"made harmless for spreadsheets, and no longer as they were: {_some(changed)}"
    for group in look_alikes(names)[:SHOWN]:
        yield f"names that look alike: {_some(group)}"


def _some(names: Sequence[str]) -> str:
    """How many, and the first of them."""
    shown = ", ".join(neutral(name) for name in names[:SHOWN])
    return f"{len(names)} ({shown}{', ...' if len(names) > SHOWN else ''})"
