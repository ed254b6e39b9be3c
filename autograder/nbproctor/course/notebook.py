"""Reading what a student handed in, and rebuilding the notebook that is graded.

The graded notebook consists of the course's own cells. From the submission come only the text of
its solution cells and of cells that the learner added: no metadata, no outputs.
"""

import re
import stat
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from nbproctor.config import MIB, Limits
from nbproctor.course.lesson import Cell, Lesson, Role
from nbproctor.course.variants import Scalar, Values, mismatch, other_values, put_in
from nbproctor.json_bounds import TooMuchError, memory_of, read_json
from nbproctor.text import plain_text

__all__ = [
    "HandedIn",
    "Planned",
    "Submission",
    "answered",
    "held_variant",
    "parse_submission",
    "plan",
    "read_handed_in",
    "read_submission",
]

MAX_GRADE_ID = 200
MAX_MEMORY = 512 * MIB
MAX_MEMORY_OF_OLD = 48 * MIB  # nbformat, which brings it to format 4, takes many times as much
# Pictures are the bulk of a notebook. Nothing of them is used, and to read them could take a lot.
PICTURE = re.compile(rb'("image/[\w.+-]{1,40}"\s?:\s?")[A-Za-z0-9+/=]{4096,}(?:\\n)?"')


@dataclass(frozen=True)
class Extra:
    """A cell of the learner's own, standing behind the lesson's cell number `after`."""

    after: int
    cell_type: str
    text: str


@dataclass(frozen=True)
class Submission:
    """What is used of a submitted notebook.

    `answers` maps grade_ids to text. `unreadable` says why nothing could be read, if so. `notes`
    tell the learner and the instructor what was noticed. `variant` has the values that the
    student holds, and `others` those of other students' variants that the notebook says.
    """

    answers: dict[str, str] = field(default_factory=dict)
    extras: tuple[Extra, ...] = ()
    notes: tuple[str, ...] = ()
    unreadable: str = ""
    variant: Values = field(default_factory=dict)
    others: Values = field(default_factory=dict)


@dataclass(frozen=True)
class Planned:
    """One cell of the rebuilt notebook: the lesson's (`cell`) or, without it, the learner's own."""

    cell: Cell | None
    cell_type: str
    text: str
    runs: bool

    @property
    def grade_id(self) -> str:
        return (self.cell.grade_id or "") if self.cell else ""


def answered(cell: Cell, submission: Submission) -> bool:
    """Whether the submission holds a text for this cell that differs from the stub.

    The stub of another student's variant is a stub, too.
    """
    text = submission.answers.get(cell.grade_id or "")
    if text is None:
        return False
    return put_in(text, submission.variant).strip() != plain_text(cell.released).strip()


def plan(lesson: Lesson, submission: Submission) -> list[Planned]:
    """The rebuilt notebook: which text stands where, and which cells the student kernel runs."""
    planned = []
    extras = list(submission.extras)
    for extra in (e for e in extras if e.after < 0):
        planned.append(_planned_extra(extra))
    for cell in lesson.cells:
        planned.append(_planned_cell(cell, submission))
        planned += [_planned_extra(e) for e in extras if e.after == cell.index]
    return planned


def _planned_extra(extra: Extra) -> Planned:
    return Planned(None, extra.cell_type, extra.text, runs=extra.cell_type == "code")


def _planned_cell(cell: Cell, submission: Submission) -> Planned:
    if not cell.takes_answer:
        runs = cell.is_code and not cell.metadata.get("nbgrader", {}).get("grade", False)
        return Planned(cell, cell.cell_type, cell.released, runs and "demo" not in cell.tags)
    text = submission.answers.get(cell.grade_id or "")
    # A solution cell that is gone is not run: the answer may stand in a cell of the learner's own.
    runs = cell.is_code and text is not None
    return Planned(cell, cell.cell_type, cell.released if text is None else text, runs)


@dataclass(frozen=True)
class HandedIn:
    """The bytes of a submitted file, or why there are none; and the values that its student holds.

    Where no values are given, the lesson is what its own text says.
    """

    data: bytes = b""
    unreadable: str = ""
    variant: Values = field(default_factory=dict)


def read_submission(
    path: Path, lesson: Lesson, limits: Limits, variant: Values | None = None
) -> Submission:
    """Read a submitted notebook. Never raises for what a student may have written."""
    handed_in = replace(read_handed_in(path, limits), variant=variant or {})
    return parse_submission(handed_in, lesson, limits)


def read_handed_in(path: Path, limits: Limits) -> HandedIn:
    """The bytes of a submitted notebook, if it is an ordinary file of an ordinary size."""
    try:
        # A link may lead to another's work, and a pipe keeps its reader waiting for ever.
        if not stat.S_ISREG((status := path.lstat()).st_mode):
            return HandedIn(unreadable="it is no ordinary file")
        if status.st_size > limits.max_notebook_bytes:
            most = limits.max_notebook_bytes
            return HandedIn(unreadable=f"it has {status.st_size:,} bytes, more than {most:,}")
        return HandedIn(path.read_bytes())
    except OSError as error:
        return HandedIn(unreadable=f"the file cannot be opened ({error.strerror})")


def parse_submission(handed_in: HandedIn, lesson: Lesson, limits: Limits) -> Submission:
    """What is used of a submitted notebook. Never raises for what a student may have written."""
    lesson = lesson.varied(handed_in.variant)
    try:
        if handed_in.unreadable:
            raise _UnreadableError(handed_in.unreadable)
        cells = list(_raw_cells(handed_in.data, limits))
    except _UnreadableError as error:
        reason = str(error)
    except Exception as error:  # a reader that meets hostile bytes must still give a verdict
        reason = f"it is not a notebook ({type(error).__name__})"
    else:
        return _Sorter(lesson, limits).sort(cells)
    notes = (f"The notebook cannot be read: {reason}.",)
    return Submission(unreadable=reason, notes=notes, variant=lesson.variant)


def held_variant(handed_in: HandedIn, lesson: Lesson, limits: Limits) -> dict[str, Scalar]:
    """The values that the test cells of a notebook say: for who checks their own work.

    Marks are never given by it, since a test cell can be edited.
    """
    found: dict[str, Scalar] = {}
    with suppress(Exception):  # whatever is wrong with the file, grading says it
        for raw in _raw_cells(handed_in.data, limits):
            options = raw.get("metadata", {}).get("nbgrader", {})
            cell = lesson.by_grade_id.get(options.get("grade_id"))
            if cell is not None and cell.role is Role.TEST:
                found |= other_values(_clean(raw), lesson.choices, lesson.variant)
    rows = [choice.row_with(found) for choice in lesson.choices]
    return {name: value for row in rows if row for name, value in row.items()}


class _UnreadableError(Exception):
    """Why a submitted file is no notebook, in the learner's words."""


def _raw_cells(data: bytes, limits: Limits) -> Iterator[dict[str, Any]]:
    data = PICTURE.sub(rb'\1"', data)
    try:
        notebook = read_json(data, MAX_MEMORY)
    except TooMuchError as error:
        raise _UnreadableError(f"{error}, more than {MAX_MEMORY:,}") from None
    except (ValueError, RecursionError) as error:
        raise _UnreadableError("it is not valid JSON" if data else "it is empty") from error
    if not isinstance(notebook, dict):
        raise _UnreadableError("it holds no cells")
    if isinstance(notebook.get("nbformat"), int) and notebook["nbformat"] < 4:
        if memory_of(data) > MAX_MEMORY_OF_OLD:
            raise _UnreadableError("it is too large for a notebook of an old format")
        notebook = _upgraded(notebook)
    cells = notebook.get("cells")
    if not isinstance(cells, list) or not cells:
        raise _UnreadableError("it holds no cells")
    for raw in cells[: limits.max_cells]:
        if isinstance(raw, dict):
            yield raw


def _upgraded(notebook: dict[str, Any]) -> dict[str, Any]:
    import nbformat

    return dict(nbformat.convert(nbformat.from_dict(notebook), 4))


class _Sorter:
    """Sorts submitted cells into answers and the learner's own cells."""

    def __init__(self, lesson: Lesson, limits: Limits) -> None:
        self.lesson, self.limits = lesson, limits
        self.by_id = {cell.id: cell for cell in lesson.cells}
        self.given_texts = {c.released.strip(): c for c in lesson.cells if not c.takes_answer}
        self.answers: dict[str, list[str]] = {}
        self.extras: list[Extra] = []
        self.notes: list[str] = []
        self.others: dict[str, Scalar] = {}
        self.last = -1
        self.seen: set[int] = set()
        self.text_bytes = 0

    def sort(self, raw_cells: list[dict[str, Any]]) -> Submission:
        for raw in raw_cells:
            self._sort_one(raw)
        if self.text_bytes > self.limits.max_text_bytes:
            most = f"{self.limits.max_text_bytes:,}"
            self.notes.append(f"The cells hold more than {most} bytes of text: not all was read.")
        answers = {i: self._chosen(i, texts) for i, texts in self.answers.items()}
        self.extras.sort(key=lambda extra: extra.after)
        self._note_missing(answers)
        lesson, others = self.lesson, self.others
        told = [mismatch(choice, lesson.variant, others) for choice in lesson.choices]
        notes = (*self.notes, *filter(None, told))
        return Submission(answers, tuple(self.extras), notes, variant=lesson.variant, others=others)

    def _sort_one(self, raw: dict[str, Any]) -> None:
        text = _clean(raw)
        size = len(text.encode())
        if size <= self.limits.max_cell_bytes:  # a longer one is not kept, and takes nothing
            self.text_bytes += size
        if self.text_bytes > self.limits.max_text_bytes:
            return
        cell = self._match(raw, text)
        if cell is None or self._edited_given(cell, raw, text):
            self._add_extra(raw, text, after=max(self.last, cell.index if cell else -1))
        if cell is None:
            return
        self.others |= other_values(text, self.lesson.choices, self.lesson.variant)
        if cell.index not in self.seen:
            self.last = cell.index
        self.seen.add(cell.index)
        if cell.takes_answer and cell.grade_id:
            if len(text.encode()) > self.limits.max_cell_bytes:
                self.notes.append(f"The cell '{cell.grade_id}' is too long and was not read.")
            else:
                self.answers.setdefault(cell.grade_id, []).append(text)

    def _match(self, raw: dict[str, Any], text: str) -> Cell | None:
        """The lesson's cell that a submitted cell is: by grade_id, by text, or by cell id."""
        metadata = raw.get("metadata")
        nbgrader = metadata.get("nbgrader") if isinstance(metadata, dict) else None
        grade_id = nbgrader.get("grade_id") if isinstance(nbgrader, dict) else None
        if isinstance(grade_id, str) and len(grade_id) <= MAX_GRADE_ID:
            if grade_id in self.lesson.by_grade_id:
                return self.lesson.by_grade_id[grade_id]
            named = " ".join(plain_text(grade_id).split())
            self.notes.append(f"The lesson has no cell '{named}': taken as the learner's own.")
        cell = self.by_id.get(raw["id"]) if isinstance(raw.get("id"), str) else None
        cell = cell or self.given_texts.get(text.strip())
        # A second cell of the same text or id is a copy that the learner made.
        return None if cell is not None and cell.index in self.seen else cell

    def _edited_given(self, cell: Cell, raw: dict[str, Any], text: str) -> bool:
        """An unlocked given code cell that the learner changed also runs as the learner's own."""
        locked = cell.metadata.get("nbgrader", {}).get("locked", False)
        return not (
            cell.takes_answer
            or locked
            or "demo" in cell.tags
            or raw.get("cell_type") != "code"
            or text.strip() == cell.released.strip()
        )

    def _add_extra(self, raw: dict[str, Any], text: str, after: int) -> None:
        cell_type = raw.get("cell_type")
        if not text.strip() or cell_type not in ("code", "markdown"):
            return
        if len(text.encode()) > self.limits.max_cell_bytes:
            self.notes.append("A cell of the learner's own is too long and was not read.")
            return
        self.extras.append(Extra(after, cell_type, text))

    def _chosen(self, grade_id: str, texts: list[str]) -> str:
        """The answer among cells with one grade_id: the last; those before it run before it."""
        cell = self.lesson.by_grade_id[grade_id]
        if len(texts) > 1:
            self.notes.append(f"{len(texts)} cells claim to be '{grade_id}': they run in order.")
        stub = plain_text(cell.released).strip()
        written = [text for text in texts if text.strip() != stub] or texts[-1:]
        self.extras += [Extra(cell.index - 1, cell.cell_type, text) for text in written[:-1]]
        return written[-1]

    def _note_missing(self, answers: dict[str, str]) -> None:
        for cell in self.lesson.cells:
            if cell.takes_answer and cell.grade_id not in answers:
                self.notes.append(f"The solution cell '{cell.grade_id}' is missing.")


def _clean(raw: dict[str, Any]) -> str:
    """The text of a submitted cell, as `plain_text` makes it."""
    source = raw.get("source", "")
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    if not isinstance(source, str):
        return ""
    return plain_text(source)
