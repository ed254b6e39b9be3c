"""Marks as Canvas imports them.

The rules are those of Canvas's own importer (instructure/canvas-lms, lib/gradebook_importer.rb;
what it writes itself: gradebook_exporter.rb). The header begins with Student and ID, and the last
column about the student is Section; SIS User ID and SIS Login ID stand between them, in this order.
An assignment is `Title (number)`. The row `Points Possible` follows. Students are found by ID, else
SIS User ID, else SIS Login ID, else name. An empty grade is none.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nbproctor.errors import ConfigError
from nbproctor.reports.class_entries import Entry
from nbproctor.reports.class_marks import Person
from nbproctor.results.formats import (
    Cells,
    Exported,
    LessonEntries,
    field_of,
    given,
    name_warnings,
    some,
    state_warnings,
)
from nbproctor.spreadsheet import csv_bytes

__all__ = ["CanvasForm", "canvas"]

POINTS_POSSIBLE = "Points Possible"
NAMING = ("SIS User ID", "SIS Login ID")


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


def canvas(lessons: Sequence[LessonEntries], form: CanvasForm) -> Exported:
    """A CSV for Canvas: Gradebook, Import.

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
    warnings = [*state_warnings(lessons, form.incomplete)]
    unmatched = []
    for entries in by_student.values():
        person = next(iter(entries.values())).person
        about = roster.row_of(person) if roster else _canvas_person(person, form)
        scores = [given(entries.get(name), form.incomplete) for name in names]
        if about is None:
            unmatched.append(person.id)
        else:
            rows.append([*about, *scores])
    if unmatched:
        warnings.append(f"not in the roster, and left out: {some(unmatched)}")
    if roster and (unknown := roster.unmatched):
        warnings.append(f"in the roster, but not in the gradebook: {some(unknown)}")
    return Exported(csv_bytes(rows), (*warnings, *name_warnings(by_student)))


def _canvas_person(person: Person, form: CanvasForm) -> Cells:
    names = ", ".join(part for part in (person.last_name, person.first_name) if part)
    number = person.lms_id if person.lms_id.isascii() and person.lms_id.isdigit() else ""
    user, login = field_of(person, form.sis_user), field_of(person, form.login)
    return [names or person.id, number, user, login, form.section]


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
        self._places: dict[tuple[str, str], int] = {}
        for n, row in enumerate(self.rows):
            for name, value in zip(self.about, row, strict=True):
                if value:
                    kind = "ID" if name == "ID" else "name" if name in NAMING else ""
                    self._places.setdefault((kind, value.casefold()), n)

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
        keys = [("ID", person.lms_id), ("name", person.id), ("name", person.email)]
        places = (self._places.get((kind, value.casefold())) for kind, value in keys if value)
        found = next((place for place in places if place is not None), None)
        if found is None or found in self.found:  # nobody's, or somebody else's already
            return None
        self.found.add(found)
        return list(self.rows[found])

    @property
    def unmatched(self) -> list[str]:
        return [row[0] for n, row in enumerate(self.rows) if n not in self.found]
