"""What grading found, for people: lines for a terminal, and pages that load nothing from outside.

What students write reaches a page only through Jinja's escaping, after `plain` has taken out what
a terminal or a browser would obey. A strict Content-Security-Policy stands behind that.
"""

import base64
import hashlib
import json
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.sandbox.plan import Level

if TYPE_CHECKING:
    from nbproctor.reports.charts import Chart

__all__ = [
    "SYMBOLS",
    "StudentRow",
    "check_json",
    "check_lines",
    "check_page",
    "class_page",
    "course_page",
    "message",
    "place",
    "plain",
    "points",
    "rendered",
]

SYMBOLS = {
    Verdict.PASSED: "✓",
    Verdict.PARTIAL: "◐",
    Verdict.FAILED: "✗",
    Verdict.TIMED_OUT: "◔",
    Verdict.OUT_OF_MEMORY: "■",
    Verdict.KERNEL_DIED: "†",
    Verdict.NOT_ANSWERED: "–",
    Verdict.MANUAL: "✎",
    Verdict.GRADER_ERROR: "!",
}
EXPLAINED = {
    Verdict.PARTIAL: "The test gave part of the points.",
    Verdict.OUT_OF_MEMORY: "The answer used more memory than there is.",
    Verdict.NOT_ANSWERED: "There is no answer.",
    Verdict.MANUAL: "A person reads this answer.",
    Verdict.GRADER_ERROR: "The grader failed, not the answer: please tell the instructor.",
}
TEMPLATES = Path(__file__).parents[1] / "templates"

ANSI = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # operating system commands: titles, links
    r"|\x1b[PX^_][^\x1b]*(?:\x1b\\)?"  # device control and other strings
    r"|[\x1b\x9b]\[?[0-?]*[ -/]*[@-~]"  # colours and cursor movements
)
# Control characters, and those that turn the direction of the text around them.
UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]")


@dataclass(frozen=True)
class StudentRow:
    """One student's line in the summary of a class.

    Args:
        score: points in the gradebook, after the late penalty.
        seconds: how long grading took.
        sandbox: the level at which the student's code ran.
        notes: what was noticed in the submission, for a person to look at.
        expected_score: what a made-up student should get; None where nothing is expected.
        differences: what was expected instead, by grade_id or "score".
    """

    student: str
    results: tuple[CellResult, ...]
    score: float
    seconds: float
    about: str = ""
    late_penalty: float = 0.0
    sandbox: str = ""
    notes: tuple[str, ...] = ()
    expected_score: float | None = None
    differences: Mapping[str, str] = field(default_factory=dict)

    @property
    def by_grade_id(self) -> dict[str, CellResult]:
        return {result.grade_id: result for result in self.results}


def plain(text: str) -> str:
    """Text without terminal sequences, control characters and changes of direction."""
    return UNSEEN.sub("", ANSI.sub("", text.replace("\r\n", "\n")))


def points(value: float) -> str:
    """Points as a person writes them: 4, 2.5, 0.33."""
    return f"{round(value, 2) + 0:.2f}".rstrip("0").rstrip(".")


def check_lines(report: Report, width: int = 80) -> str:
    """The result for a terminal: text without colours, lines of at most `width` characters.

    Only a line that names a graded cell may be longer.
    """
    return "\n".join(_check_lines(report, max(width, 20)))


def check_json(lesson: str, report: Report, progress: Mapping[str, Any]) -> str:
    """The result for a program, on one line; `progress` is what `note_progress` gave."""
    results = [
        {
            **progress["exercises"][result.grade_id],
            "grade_id": plain(result.grade_id),
            "symbol": SYMBOLS[result.verdict],
            "message": plain(message(result)),
        }
        for result in report.results
    ]
    told = {"total": plain(total(report)), "notes": [plain(note) for note in report.notes]}
    return json.dumps({"lesson": lesson, "results": results, **told})


def _check_lines(report: Report, width: int) -> Iterator[str]:
    longest = max((len(result.grade_id) for result in report.results), default=0)
    yield plain(report.lesson)
    yield ""
    for result in report.results:
        yield _line(result, longest)
        yield from _wrapped(message(result), width, "      ")
    yield ""
    yield from _wrapped(total(report), width, "")
    for note in report.notes:
        yield from _wrapped(f"Note: {note}", width, "")


def _line(result: CellResult, longest: int) -> str:
    word = f"{SYMBOLS[result.verdict]} {result.verdict}"
    given = "?" if result.score is None else points(result.score)
    of = f"{given:>4} of {points(result.points)}"
    time = f"  {result.seconds:.1f} s" if result.seconds else ""
    return plain(f"  {word:<22}  {result.grade_id:<{longest}}  {of}{time}")


def _wrapped(text: str, width: int, indent: str) -> Iterator[str]:
    for line in plain(text).splitlines():
        inner = indent + " " * min(len(line) - len(line.lstrip()), 8)
        after = inner + "  " if line.startswith("Note: ") else inner
        yield from textwrap.wrap(line.strip(), width, initial_indent=inner, subsequent_indent=after)


def message(result: CellResult) -> str:
    """What the learner is told, or what the verdict means."""
    return result.message or EXPLAINED.get(result.verdict, "")


def total(report: Report) -> str:
    """The sum, in one or two sentences."""
    tests = f"{points(report.score)} of {points(report.auto_points)} points from tests"
    by_hand = report.manual_points
    rest = f"; {points(by_hand)} more are given by hand" if by_hand else ""
    return f"Total: {tests}{rest}. Graded in {report.seconds:.1f} s {place(report.sandbox)}."


def place(sandbox: str) -> str:
    """Where a learner's code ran, loudly where that was the machine itself."""
    return "WITHOUT A SANDBOX" if sandbox in ("", Level.OFF) else f"in a {sandbox} sandbox"


def check_page(report: Report, title: str) -> str:
    """A learner's own result as one HTML page."""
    return rendered("check.html", title=title, report=report, message=message, total=total(report))


def class_page(rows: Sequence[StudentRow], title: str, notes: Sequence[str] = ()) -> str:
    """A class on one HTML page: two figures, a table of students and exercises, messages.

    Args:
        notes: sentences that stand below the title.
    """
    columns = list(dict.fromkeys(r.grade_id for row in rows for r in row.results))
    most = max(map(_most, rows), default=0.0)
    return rendered(
        "class.html",
        title=title,
        rows=rows,
        columns=columns,
        most=most,
        notes=[*notes, *_places(rows)],
        message=message,
        figures=_figures(rows, columns, most),
        checked=any(row.expected_score is not None for row in rows),
        wrong=[row for row in rows if row.differences],
    )


def course_page(
    classes: Mapping[str, Sequence[StudentRow]],
    title: str,
    links: Mapping[str, str],
    notes: Sequence[str] = (),
) -> str:
    """Several classes (at least one) on one HTML page: what was graded, and everybody's scores.

    Args:
        classes: the students of each lesson (at least one).
        links: where the page of each lesson is.
        notes: sentences that stand below the title.
    """
    from nbproctor.reports.charts import verdict_chart

    verdicts = {
        plain(name): [r.verdict for row in rows for r in row.results]
        for name, rows in classes.items()
    }
    scores = {name: {row.student: row for row in rows} for name, rows in classes.items()}
    rows = [row for found in classes.values() for row in found]
    return rendered(
        "course.html",
        title=title,
        classes=classes,
        links=links,
        scores=scores,
        students=sorted({row.student for row in rows}),
        most={name: max(_most(row) for row in found) for name, found in classes.items()},
        notes=[*notes, *_places(rows)],
        figures=[verdict_chart(verdicts, "Verdicts by lesson", "number of graded cells")],
        median=median,
        rows=rows,
        checked=any(row.expected_score is not None for row in rows),
        wrong=[row for row in rows if row.differences],
    )


def _most(row: StudentRow) -> float:
    return sum(result.points for result in row.results)


def _places(rows: Sequence[StudentRow]) -> Iterator[str]:
    counts = Counter(row.sandbox for row in rows)
    for sandbox, count in sorted(counts.items()):
        yield f"{count} of {len(rows)} submissions ran {place(sandbox)}."


def _figures(rows: Sequence[StudentRow], columns: Sequence[str], most: float) -> list["Chart"]:
    from nbproctor.reports.charts import score_chart, verdict_chart

    if not rows:
        return []
    verdicts = {plain(name): _verdicts(rows, name) for name in columns}
    return [verdict_chart(verdicts), score_chart([row.score for row in rows], most)]


def _verdicts(rows: Sequence[StudentRow], grade_id: str) -> list[Verdict]:
    return [r.verdict for row in rows for r in row.results if r.grade_id == grade_id]


def rendered(template: str, **values: Any) -> str:
    """A page of this package's templates, with its style and policy."""
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    shared = {"style": _environment().trusted(style), "style_hash": digest}
    return _environment().templates.get_template(template).render(**shared, **values)


@dataclass(frozen=True)
class _Environment:
    templates: Any
    trusted: Any


@cache
def _environment() -> _Environment:
    # Not needed by those who only read verdicts.
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    def cleaned(value: Any) -> Any:
        return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value

    made = Environment(
        autoescape=True,
        finalize=cleaned,
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["points"] = points
    made.globals.update(symbols=SYMBOLS)
    return _Environment(made, Markup)
