"""The source of a lesson, solutions/NN_topic/NN_topic.py: found, read and checked.

A source is a notebook in jupytext's percent format. Its YAML header holds, beside jupytext's own
keys, a mapping `lesson` with exactly the keys of `HEADER_KEYS`. What else is asked of a source is
what `read_source` checks; it reports every problem of a file at once.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbproctor.building.variants_source import variant_problems
from nbproctor.errors import BuildError, LessonError

__all__ = ["HEADER_KEYS", "TAGS", "Source", "find_sources", "read_source"]

HEADER_KEYS = ("title", "minutes", "points", "goals", "needs")
TAGS = {
    "demo": "a demonstration that takes time or plots: runs for learners, grading skips it",
    "judge": "trusted helpers of the tests: runs in the student kernel and in the judge",
    "timing": "prints measured times: its outputs differ from one execution to the next",
}
LESSON_NAME = re.compile(r"\d\d_[a-z0-9]+(_[a-z0-9]+)*")
GRADE_ID = re.compile(r"[a-z][a-z0-9_]{0,59}")
NBGRADER_KEYS = {"grade", "grade_id", "locked", "schema_version", "solution", "task"}
SOLUTION, HIDDEN, SCHEME = "SOLUTION", "HIDDEN TESTS", "MARK SCHEME"


@dataclass(frozen=True)
class Source:
    """A checked lesson source: `header` is the lesson's mapping, `cells` its raw cells in order."""

    name: str
    path: Path
    header: dict[str, Any]
    cells: tuple["SourceCell", ...]


@dataclass(frozen=True)
class SourceCell:
    """One cell of a source. `number` counts from 1, as a person would."""

    number: int
    cell_type: str
    text: str
    tags: tuple[str, ...] = ()
    nbgrader: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def grade_id(self) -> str:
        return str(self.nbgrader.get("grade_id", ""))

    @property
    def is_answer(self) -> bool:
        return bool(self.nbgrader.get("solution")) and not self.nbgrader.get("grade")

    @property
    def is_test(self) -> bool:
        grade, solution = self.nbgrader.get("grade"), self.nbgrader.get("solution")
        return bool(grade) and not solution and not self.is_task

    @property
    def is_question(self) -> bool:
        return bool(self.nbgrader.get("grade")) and bool(self.nbgrader.get("solution"))

    @property
    def is_task(self) -> bool:
        return bool(self.nbgrader.get("task"))

    @property
    def points(self) -> float:
        points = self.nbgrader.get("points", 0)
        return float(points) if isinstance(points, int | float) else 0.0

    def at(self) -> str:
        return f"cell {self.number}" + (f" ({self.grade_id})" if self.grade_id else "")


def find_sources(root: Path, lessons: Iterable[str] = ()) -> list[Path]:
    """Source files of the lessons named (`02` or `02_residual_block`), or of all of them.

    Raises:
        BuildError: a name fits no lesson, or a folder of solutions/ holds no source.
    """
    folders = sorted(p for p in (root / "solutions").glob("[0-9]*") if p.is_dir())
    if not folders:
        expected = "solutions/NN_topic/NN_topic.py"
        raise BuildError("there are no lessons", expected=expected, where=root)
    wanted = [_named(lesson, folders) for lesson in lessons] or folders
    sources = [folder / f"{folder.name}.py" for folder in dict.fromkeys(wanted)]
    for path in sources:
        if not path.is_file():
            raise BuildError("a lesson has no source", expected=path.name, where=path.parent)
    return sources


def _named(lesson: str, folders: list[Path]) -> Path:
    for folder in folders:
        if lesson == folder.name or f"{lesson:0>2}" == folder.name[:2]:
            return folder
    known = ", ".join(folder.name for folder in folders)
    raise BuildError("there is no such lesson", expected=f"one of {known}", got=lesson)


def read_source(path: Path) -> Source:
    """Read and check a lesson source.

    Raises:
        LessonError: the file cannot be read, or it has problems; the message lists all of them.
    """
    import jupytext  # half a second, and only building needs it

    try:
        notebook = jupytext.read(path, fmt="py:percent")
    except Exception as error:
        raise LessonError("a lesson source cannot be read", got=error, where=path) from error
    cells = tuple(_cell(number, raw) for number, raw in enumerate(notebook.cells, 1))
    header = notebook.metadata.get("lesson")
    source = Source(path.stem, path, dict(header) if isinstance(header, dict) else {}, cells)
    if problems := _problems(source):
        lines = "".join(f"\n  - {problem}" for problem in problems)
        raise LessonError(f"a lesson source has problems:{lines}", where=path)
    return source


def _cell(number: int, raw: Any) -> SourceCell:
    # jupytext notes down blank lines between cells, which are of no use in a notebook.
    metadata = {k: v for k, v in raw.metadata.items() if not k.startswith("lines_to_")}
    nbgrader, tags = metadata.get("nbgrader"), metadata.get("tags", ())
    return SourceCell(
        number=number,
        cell_type=raw.cell_type,
        text=raw.source,
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list | tuple) else (str(tags),),
        nbgrader=dict(nbgrader) if isinstance(nbgrader, dict) else {},
        metadata=metadata,
    )


def _problems(source: Source) -> list[str]:
    problems = _name_problems(source) + _header_problems(source) + _opening_problems(source)
    for cell in source.cells:
        problems += [f"{cell.at()}: {problem}" for problem in _cell_problems(cell)]
    return problems + _id_problems(source.cells) + variant_problems(source.cells)


def _name_problems(source: Source) -> list[str]:
    folder = source.path.parent.name
    if source.name == folder and LESSON_NAME.fullmatch(folder):
        return []
    got = f"{folder}/{source.path.name}"
    return [f"name: expected NN_topic/NN_topic.py in small letters, got {got}"]


def _header_problems(source: Source) -> list[str]:
    header = source.header
    if not header:
        return [f"header: expected a mapping `lesson` with {', '.join(HEADER_KEYS)}, got none"]
    problems = [f"header: `{key}` is missing" for key in HEADER_KEYS if key not in header]
    problems += [f"header: unknown key `{key}`" for key in header if key not in HEADER_KEYS]
    for key, (fits, expected) in _HEADER_RULES.items():
        if key in header and not fits(header[key]):
            problems.append(f"header: expected `{key}` to be {expected}, got {header[key]!r}")
    total = sum(cell.points for cell in source.cells)
    if isinstance(header.get("points"), int | float) and header["points"] != total:
        problems.append(f"header: points is {header['points']}, the graded cells sum to {total:g}")
    return problems


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _are_texts(value: object, fewest: int, most: int) -> bool:
    return isinstance(value, list) and fewest <= len(value) <= most and all(map(_is_text, value))


_HEADER_RULES: dict[str, tuple[Callable[[object], bool], str]] = {
    "title": (_is_text, "a text"),
    "minutes": (_is_whole, "a whole number of minutes"),
    "points": (lambda v: v == 0 or _is_whole(v), "a whole number of points"),
    "goals": (lambda v: _are_texts(v, 3, 6), "a list of 3 to 6 sentences"),
    "needs": (lambda v: _are_texts(v, 1, 12), "a list of at least one text"),
}


def _opening_problems(source: Source) -> list[str]:
    """The first cell tells the reader what the header says."""
    first = source.cells[0] if source.cells else SourceCell(1, "raw", "")
    title = f"# {source.name[:2]} · {source.header.get('title', '')}"
    if first.cell_type != "markdown" or first.text.partition("\n")[0].strip() != title:
        got = first.text.partition("\n")[0]
        return [f"cell 1: expected a markdown cell that begins with {title!r}, got {got!r}"]
    return [
        f"cell 1: expected it to say {key} ({source.header[key]}), as the header does"
        for key in ("minutes", "points")
        if key in source.header and not re.search(rf"\b{source.header[key]}\b", first.text)
    ]


def _cell_problems(cell: SourceCell) -> list[str]:
    unknown, known = [tag for tag in cell.tags if tag not in TAGS], ", ".join(TAGS)
    problems = [f"unknown tag {tag!r}, known: {known}" for tag in unknown]
    if cell.nbgrader:
        problems += _graded_problems(cell)
    for name, allowed in _MARKER_RULES.items():
        problems += _marker_problems(cell, name, allowed(cell))
    problems += _option_problems(cell)
    if not problems and SCHEME in cell.text and not (cell.is_task or _scheme_is_inside(cell.text)):
        problems.append("a mark scheme outside the solution region, where nbgrader cannot clear it")
    return problems


def _option_problems(cell: SourceCell) -> list[str]:
    """Names that an answer has no need of (see nbproctor.course.forbidden), and its variants."""
    options = cell.metadata.get("nbproctor")
    if options is None:
        return []
    known = isinstance(options, dict) and options and set(options) <= {"forbidden", "variants"}
    names = options.get("forbidden", []) if known else None
    if not cell.is_answer or not isinstance(names, list):
        return ['expected nbproctor={"forbidden": [...], "variants": {...}} on a solution cell']
    odd = [n for n in names if not (isinstance(n, str) and re.fullmatch(r"\w+\.\w+", n))]
    return [f"a forbidden name is package.name, got {n!r}" for n in odd]


_MARKER_RULES: dict[str, Callable[[SourceCell], bool]] = {
    SOLUTION: lambda cell: cell.is_answer or cell.is_question,
    HIDDEN: lambda cell: cell.is_test and cell.cell_type == "code",
    SCHEME: lambda cell: cell.is_question or cell.is_task,
}


def _graded_problems(cell: SourceCell) -> list[str]:
    options, problems = cell.nbgrader, []
    if missing := NBGRADER_KEYS - options.keys():
        problems.append(f"nbgrader metadata lacks {', '.join(sorted(missing))}")
    if options.get("schema_version") != 3:
        problems.append(f"expected schema_version 3, got {options.get('schema_version')!r}")
    if cell.tags:
        problems.append(f"a graded or solution cell takes no tag, got {', '.join(cell.tags)}")
    if (options.get("grade") or cell.is_task) and not cell.points > 0:
        problems.append(f"expected points above 0, got {options.get('points')!r}")
    if cell.is_answer and cell.cell_type == "code" and f"BEGIN {SOLUTION}" not in cell.text:
        problems.append("without ### BEGIN SOLUTION this cell would be released with its answer")
    if cell.is_question and not all(f"BEGIN {word}" in cell.text for word in (SOLUTION, SCHEME)):
        problems.append("a written question needs a model answer and a mark scheme in its solution")
    return problems + (_test_problems(cell) if cell.is_test else [])


def _test_problems(cell: SourceCell) -> list[str]:
    if cell.cell_type != "code":
        return [f"a test cell must be a code cell, got {cell.cell_type}"]
    visible, marker, _ = cell.text.partition(f"### BEGIN {HIDDEN}")
    problems = [] if marker else ["a test cell without ### BEGIN HIDDEN TESTS"]
    if marker and not any(line.strip()[:1] not in ("", "#") for line in visible.splitlines()):
        problems.append("a test cell without a visible check before its hidden tests")
    if not cell.nbgrader.get("locked"):
        problems.append("a test cell must be locked")
    return problems


def _marker_problems(cell: SourceCell, name: str, allowed: bool) -> list[str]:
    """Markers come in pairs, once around, and only where nbgrader looks for them."""
    found = re.findall(rf"(BEGIN|END) {name}\b", cell.text)
    if not found:
        return []
    if not allowed:
        return [f"a {name} marker in a cell where nbgrader does not look for it"]
    if found != ["BEGIN", "END"] * (len(found) // 2):
        return [f"expected pairs of BEGIN {name} and END {name}, got {', '.join(found)}"]
    exact = re.findall(rf"^[ \t]*### (?:BEGIN|END) {name}$", cell.text, re.MULTILINE)
    if len(exact) == len(found):
        return []
    return [f"expected ### BEGIN {name} and ### END {name} on lines of their own"]


def _scheme_is_inside(text: str) -> bool:
    order = re.findall(rf"((?:BEGIN|END) (?:{SOLUTION}|{SCHEME}))\b", text)
    return order == [f"BEGIN {SOLUTION}", f"BEGIN {SCHEME}", f"END {SCHEME}", f"END {SOLUTION}"]


def _id_problems(cells: tuple[SourceCell, ...]) -> list[str]:
    problems, seen, answers = [], set[str](), set[str]()
    for cell in (c for c in cells if c.nbgrader):
        name = cell.grade_id
        if not GRADE_ID.fullmatch(name):
            problems.append(f"{cell.at()}: expected a grade_id like basic_block, got {name!r}")
        if name in seen:
            problems.append(f"{cell.at()}: the grade_id {name!r} stands twice")
        seen.add(name)
        if cell.is_answer:
            answers.add(name)
        elif cell.is_test and not _tests_one_of(name, answers):
            above = ", ".join(f"test_{answer}" for answer in sorted(answers)) or "none is above"
            problems.append(f"{cell.at()}: a test is named after its solution cell: {above}")
        elif cell.is_question and not name.startswith("question_"):
            problems.append(f"{cell.at()}: expected a written question to be named question_...")
    return problems


def _tests_one_of(name: str, answers: set[str]) -> bool:
    """`test_X`, or `test_X_a`, `test_X_b` where X has several tests."""
    exercise = name.removeprefix("test_")
    return name != exercise and (exercise in answers or re.sub("_[a-z]$", "", exercise) in answers)
