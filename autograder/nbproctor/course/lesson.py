"""A lesson as the grader sees it: the course's own cells, whole and as released."""

import ast
import builtins
import dis
import json
import symtable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any

from nbproctor.course.variants import Choice, Scalar, Values, choice_from, defaults, put_in
from nbproctor.errors import LessonError, in_words

__all__ = ["Cell", "Lesson", "Role", "cell_text", "load_lesson"]


class Role(StrEnum):
    """What a cell of a lesson is for."""

    GIVEN = "given"
    ANSWER = "answer"  # a solution cell
    TEST = "test"
    MANUAL = "manual"  # a solution cell or task that a person grades


@dataclass(frozen=True)
class Cell:
    """One cell of a lesson: `full` is the course's text, `released` what learners were given."""

    index: int
    id: str
    cell_type: str
    role: Role
    full: str
    released: str
    grade_id: str | None
    points: float
    tags: frozenset[str]
    metadata: dict[str, Any]

    @property
    def is_code(self) -> bool:
        return self.cell_type == "code"

    @property
    def takes_answer(self) -> bool:
        """Whether the text of this cell comes from the submission."""
        return self.role in (Role.ANSWER, Role.MANUAL) and bool(
            self.metadata.get("nbgrader", {}).get("solution")
        )

    @cached_property
    def hidden_lines(self) -> frozenset[int]:
        """Line numbers (from 1) of `full` that learners were not given, whatever marked them."""
        given = self.released.splitlines()[::-1]
        hidden = []
        for number, line in enumerate(self.full.splitlines(), 1):
            if given and line.rstrip() == given[-1].rstrip():
                given.pop()
            else:
                hidden.append(number)
        return frozenset(hidden)


@dataclass(frozen=True)
class Lesson:
    """A lesson's cells in order, and what its tests may name.

    `values` are those of the variant that its cells say, where they are not the default.
    """

    name: str
    cells: tuple[Cell, ...]
    metadata: dict[str, Any]
    where: Path
    values: Values = field(default_factory=dict)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The exercises that students hold in variants."""
        options = [(cell, cell.metadata.get("nbproctor", {})) for cell in self.cells]
        given = [(cell, o["variants"]) for cell, o in options if "variants" in o]
        try:
            return tuple(choice_from(cell.grade_id or "", lists) for cell, lists in given)
        except ValueError as error:
            raise LessonError("a lesson's variants", got=error, where=self.where) from error

    @cached_property
    def variant(self) -> dict[str, Scalar]:
        """The value of each parameter, as this lesson's cells say them."""
        return {**defaults(self.choices), **self.values}

    def varied(self, values: Values) -> "Lesson":
        """The lesson as those students hold it who have these values.

        Raises:
            LessonError: the lesson has no such variant.
        """
        if values.keys() - self.variant.keys() or None in [
            c.row_with(values) for c in self.choices
        ]:
            raise LessonError("a lesson has no such variant", got=dict(values), where=self.where)
        wanted = {**self.variant, **values}
        if wanted == self.variant:
            return self
        key = json.dumps(wanted, sort_keys=True)
        if key not in self._others:
            self._others[key] = replace(
                self,
                cells=tuple(
                    replace(c, full=put_in(c.full, wanted), released=put_in(c.released, wanted))
                    for c in self.cells
                ),
                values=wanted,
            )
        return self._others[key]

    @cached_property
    def _others(self) -> dict[str, "Lesson"]:
        """Variants that were asked for: most students share theirs with somebody."""
        return {}

    @cached_property
    def by_grade_id(self) -> dict[str, Cell]:
        return {cell.grade_id: cell for cell in self.cells if cell.grade_id}

    @cached_property
    def graded(self) -> tuple[Cell, ...]:
        """The cells that get a verdict, in order."""
        return tuple(c for c in self.cells if c.role in (Role.TEST, Role.MANUAL))

    @cached_property
    def learner_names(self) -> frozenset[str]:
        """Names that the learner's solution cells bind: proxies in the judge.

        What the course's own solution imports stays the judge's: its numpy is not the learner's.
        """
        bound = (_bound_names(c.full, self._at(c)) for c in self._solutions)
        return frozenset().union(*bound) - _bound_names("\n".join(self._imports), self.name)

    @property
    def _solutions(self) -> list[Cell]:
        return [c for c in self.cells if c.is_code and c.takes_answer]

    @property
    def _imports(self) -> list[str]:
        return [_only_imports(c.full, self._at(c)) for c in self._solutions]

    @cached_property
    def judge_setup(self) -> tuple[str, ...]:
        """Trusted source that the judge runs first: imports, and cells tagged `judge`."""
        given = [c for c in self.cells if c.role is Role.GIVEN and c.is_code]
        parts = [c.full if "judge" in c.tags else _only_imports(c.full, self._at(c)) for c in given]
        return tuple(part for part in [*parts, *self._imports] if part.strip())

    def answers_tested_by(self, test: Cell) -> list[Cell]:
        """The solution cells that a test cell is about: the nearest group above it."""
        group: list[Cell] = []
        for cell in reversed(self.cells[: test.index]):
            if cell.role is Role.ANSWER:
                group.append(cell)
            elif group and cell.role in (Role.TEST, Role.MANUAL):
                break
        return group[::-1]

    def names_needed_by(self, test: Cell) -> list[str]:
        """Learner's names that a test cell uses before it binds them itself, if it does."""
        where = self._at(test)
        used = _used_names(test.full, where)[0] | _read_first(test.full, where)
        return sorted(used & self.learner_names)

    def check(self) -> None:
        """Raise LessonError where a test uses a name that neither judge nor learner provides."""
        trusted = {n for source in self.judge_setup for n in _bound_names(source, self.name)}
        if both := sorted(trusted & self.learner_names):
            raise LessonError(
                "solution cells bind names that the judge has of its own",
                expected="other names in imports and in cells tagged 'judge'",
                got=", ".join(both),
                where=self.where,
            )
        known = set(dir(builtins)) | {"__name__"} | self.learner_names | trusted
        for test in (c for c in self.cells if c.role is Role.TEST):
            used, bound = _used_names(test.full, self._at(test))
            known |= bound
            if unknown := sorted(used - known):
                raise LessonError(
                    "a test uses names that the judge does not have",
                    expected="names imported by a given cell, bound by a cell tagged 'judge', "
                    "or bound in a solution cell",
                    got=", ".join(unknown),
                    where=self._at(test),
                )

    def _at(self, cell: Cell) -> str:
        return f"{self.where}, cell {cell.index + 1} ({cell.grade_id or cell.id})"


def load_lesson(source: Path, release: Path) -> Lesson:
    """Read a lesson from its source notebook (with tests) and its release notebook.

    Raises:
        LessonError: a file is missing or unreadable, the two do not belong together, or a test
            uses names that the judge cannot have.
    """
    released = _read(release)
    pairs = _paired(_read(source)["cells"], released["cells"], release)
    cells = tuple(_cell(n, a, b) for n, (a, b) in enumerate(pairs))
    lesson = Lesson(source.stem, cells, released.get("metadata", {}), source)
    _check_ids(lesson)
    lesson.check()
    return lesson


def cell_text(raw: dict[str, Any]) -> str:
    """The source of a raw notebook cell, which may be a string or a list of lines."""
    text = raw.get("source", "")
    return text if isinstance(text, str) else "".join(text)


def _read(path: Path) -> dict[str, Any]:
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if notebook["nbformat"] != 4 or not isinstance(notebook["cells"], list):
            raise ValueError(f"format {notebook['nbformat']}, or no list of cells")
    except FileNotFoundError:
        raise LessonError("a notebook of the lesson is missing", where=path) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LessonError(
            "a notebook of the lesson cannot be read",
            expected="a notebook of format 4",
            got=in_words(error),
            where=path,
        ) from error
    return notebook


RawCell = dict[str, Any]


def _paired(
    full: list[RawCell], released: list[RawCell], release: Path
) -> list[tuple[RawCell, RawCell]]:
    """Each released cell with the one that it was made from.

    Before the first and after the last cell of the source nbgrader may have put those of the
    course's header and footer. They are as they are.
    """
    surplus = len(released) - len(full)
    for start in range(surplus + 1):
        end = start + len(full)
        if all(map(_belong_together, full, released[start:end])):
            whole = [*released[:start], *full, *released[end:]]
            return list(zip(whole, released, strict=True))
    fits = [*map(_belong_together, full, released), False]
    raise LessonError(
        "the release notebook does not belong to the source notebook: release it again",
        expected=f"the source's {len(full)} cells",
        got=f"{len(released)} cells" if surplus else "another cell",
        where=release if surplus else f"{release}, cell {fits.index(False) + 1}",
    )


def _belong_together(full: RawCell, released: RawCell) -> bool:
    """Whether a released cell may have been made from a cell of the source."""
    options = [raw.get("metadata", {}).get("nbgrader", {}) for raw in (full, released)]
    same_kind = full["cell_type"] == released["cell_type"]
    same_id = options[0].get("grade_id") == options[1].get("grade_id")
    is_given = _role(options[1]) is Role.GIVEN
    return same_kind and same_id and (not is_given or cell_text(full) == cell_text(released))


def _cell(index: int, full: RawCell, released: RawCell) -> Cell:
    metadata = released.get("metadata", {})
    nbgrader = metadata.get("nbgrader", {})
    return Cell(
        index=index,
        id=str(released.get("id", f"cell-{index}")),
        cell_type=released["cell_type"],
        role=_role(nbgrader),
        full=cell_text(full),
        released=cell_text(released),
        grade_id=nbgrader.get("grade_id"),
        points=float(nbgrader.get("points", 0)),
        tags=frozenset(metadata.get("tags", [])),
        metadata=metadata,
    )


def _role(nbgrader: dict[str, Any]) -> Role:
    grade, solution = nbgrader.get("grade", False), nbgrader.get("solution", False)
    if nbgrader.get("task", False) or (grade and solution):
        return Role.MANUAL
    if grade:
        return Role.TEST
    return Role.ANSWER if solution else Role.GIVEN


def _check_ids(lesson: Lesson) -> None:
    ids = [c.grade_id for c in lesson.cells if c.grade_id]
    if twice := sorted({i for i in ids if ids.count(i) > 1}):
        raise LessonError("a grade_id stands twice", got=", ".join(twice), where=lesson.where)
    names = [name for choice in lesson.choices for name in choice.names]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise LessonError(
            "two exercises vary by one name", got=", ".join(twice), where=lesson.where
        )
    for cell in lesson.graded:
        if cell.role is Role.TEST and not cell.is_code:
            raise LessonError("a test cell must be a code cell", where=lesson._at(cell))
        if not cell.grade_id:
            raise LessonError("a graded cell has no grade_id", where=lesson._at(cell))


def _parse(source: str, where: str) -> str:
    """The source without IPython's magics, checked to be Python."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in source.splitlines()]
    plain = "\n".join(lines) + "\n"
    try:
        ast.parse(plain)
    except (SyntaxError, ValueError) as error:
        raise LessonError("a code cell is not Python", got=error, where=where) from error
    return plain


def _bound_names(source: str, where: str) -> frozenset[str]:
    return _used_names(source, where)[1]


def _used_names(source: str, where: str) -> tuple[frozenset[str], frozenset[str]]:
    """Global names that a cell uses, and those that it binds itself."""
    top = symtable.symtable(_parse(source, where), where, "exec")
    used, bound = set[str](), set[str]()
    for symbol in top.get_symbols():
        if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
            bound.add(symbol.get_name())
        elif symbol.is_referenced():
            used.add(symbol.get_name())
    pending = list(top.get_children())
    while pending:
        table = pending.pop()
        pending += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_global() and symbol.is_referenced():
                used.add(symbol.get_name())
            if symbol.is_declared_global() and symbol.is_assigned():
                bound.add(symbol.get_name())
    return frozenset(used - bound), frozenset(bound)


def _read_first(source: str, where: str) -> frozenset[str]:
    """Names that a cell reads or deletes, at its top level, before it binds them."""
    first: dict[str, str] = {}
    for step in dis.get_instructions(compile(_parse(source, where), where, "exec")):
        if step.opname in ("LOAD_NAME", "STORE_NAME", "DELETE_NAME"):
            first.setdefault(step.argval, step.opname)
    return frozenset(name for name, how in first.items() if how != "STORE_NAME")


def _only_imports(source: str, where: str) -> str:
    body = ast.parse(_parse(source, where)).body
    imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
    return "\n".join(ast.unparse(node) for node in imports)
