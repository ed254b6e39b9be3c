"""A class in numbers: how it did, which mistakes it made, what a person should look at.

It is made of one student after the other: what is kept does not grow with the class, but for a
number or two of each student, and for lists that end at a stated length.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from statistics import median

from nbproctor.course.records import CellResult, Verdict
from nbproctor.reports.class_entries import Entry
from nbproctor.reports.class_marks import Lesson, Mark, State
from nbproctor.reports.report import message

__all__ = ["ClassPicture", "Line", "Listed", "Mistake", "mistake_name"]

MOST_LISTED = 50
MOST_LINES = 1000
MOST_MISTAKES = 2000
MOST_EXAMPLE = 1200
# Of a message: numbers differ from student to student, the mistake does not.
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
RAISED = re.compile(r"^(your code raised \w+|.*\b\w+(?:Error|Exception)\b)(?::.*)?$")
NO_MISTAKE = (Verdict.PASSED, Verdict.MANUAL, Verdict.NOT_ANSWERED, Verdict.GRADER_ERROR)


@dataclass
class Listed:
    """How many, and the first of them by name."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.names) < MOST_LISTED:
            self.names.append(name)

    @property
    def more(self) -> int:
        return self.count - len(self.names)


@dataclass
class Mistake:
    """What went wrong for several students in the same way: as a test named it, with an example."""

    exercise: str
    verdict: Verdict
    name: str
    hint: str
    example: str
    count: int = 0

    def add(self, text: str) -> None:
        """Count one more. Its numbers stand in the name as long as they are everybody's."""
        self.count += 1
        if self.count > 1:
            name, hint = mistake_name(text, numbers=True)
            if (name, hint) != (self.name, self.hint):
                self.name, self.hint = mistake_name(text)


@dataclass(frozen=True)
class Line:
    """One student in the table of all. `score` is None where there is no mark."""

    student: str
    state: State
    score: float | None
    verdicts: tuple[Verdict | None, ...]
    seconds: float


@dataclass
class Exercise:
    """How a class did in one graded cell."""

    name: str
    points: float
    verdicts: Counter[Verdict] = field(default_factory=Counter)
    given: float = 0.0
    scored: int = 0
    waiting: int = 0

    @property
    def share_passed(self) -> float | None:
        """Of those that a test looked at; None for cells that a person grades."""
        judged = sum(n for verdict, n in self.verdicts.items() if verdict is not Verdict.MANUAL)
        by_hand = self.verdicts[Verdict.MANUAL] > 0
        return None if by_hand or not judged else self.verdicts[Verdict.PASSED] / judged

    @property
    def mean(self) -> float | None:
        return self.given / self.scored if self.scored else None


class ClassPicture:
    """Takes in what is known of each student."""

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.students = 0
        self.states: Counter[State] = Counter()
        self.sandboxes: Counter[str] = Counter()
        shared = Counter(grade_id for _, grade_id in lesson.cells)
        self.exercises = {
            key: Exercise(key[1] if shared[key[1]] == 1 else "/".join(key), points)
            for key, points in lesson.cells.items()
        }
        self.scores: list[float] = []
        self.seconds: list[float] = []
        self.slowest: list[tuple[float, str]] = []
        self.mistakes: dict[tuple[str, Verdict, str], Mistake] = {}
        self.other_mistakes = 0
        self.notes: dict[str, Listed] = {}
        self.waiting, self.unfair, self.old = Listed(), Listed(), Listed()
        self.problems: dict[str, Listed] = {}
        self.lines: list[Line] = []
        self._order: dict[tuple[str, str], int] = {}

    def add_all(self, entries: Iterable[Entry]) -> "ClassPicture":
        for entry in entries:
            self.add(entry)
        return self

    def add(self, entry: Entry) -> None:
        name = entry.person.id
        self.students += 1
        self.states[entry.state] += 1
        if entry.problem:
            self.problems.setdefault(entry.problem, Listed()).add(name)
        results = {(m.notebook, m.grade_id): entry.result(m) for m in entry.marks.marks}
        for mark in entry.ordered:
            self._add_mark(mark, results[mark.notebook, mark.grade_id])
        self._add_attention(entry, name, list(filter(None, results.values())))
        seconds = sum(report.seconds for report in entry.reports.values())
        for report in entry.reports.values():
            self.sandboxes[report.sandbox] += 1
        if seconds:  # grading has not always said how long it took
            self.seconds.append(seconds)
            self.slowest = sorted([*self.slowest, (seconds, name)], reverse=True)[:10]
        if entry.marks.score is not None:
            self.scores.append(entry.marks.score)
        if len(self.lines) < MOST_LINES:
            found = [results[key] for key in self.exercises]
            verdicts = tuple(result.verdict if result else None for result in found)
            self.lines.append(Line(name, entry.state, entry.marks.score, verdicts, seconds))
        if entry.reports and not self._order:  # the gradebook does not know the cells' order
            self._put_in_order(entry)

    def _put_in_order(self, entry: Entry) -> None:
        keys = [(mark.notebook, mark.grade_id) for mark in entry.ordered]
        order = [list(self.exercises).index(key) for key in keys]
        self.exercises = {key: self.exercises[key] for key in keys}
        self._order = {key: place for place, key in enumerate(keys)}
        self.lines = [
            Line(li.student, li.state, li.score, tuple(li.verdicts[n] for n in order), li.seconds)
            for li in self.lines
        ]

    def _add_mark(self, mark: Mark, result: CellResult | None) -> None:
        exercise = self.exercises[mark.notebook, mark.grade_id]
        if mark.score is not None:
            exercise.given += mark.score
            exercise.scored += 1
        exercise.waiting += mark.waits
        if result is None:
            return
        exercise.verdicts[result.verdict] += 1
        if result.verdict not in NO_MISTAKE:
            self._add_mistake(exercise.name, result)

    def _add_mistake(self, exercise: str, result: CellResult) -> None:
        text = message(result)
        name, hint = mistake_name(text)
        key = (exercise, result.verdict, f"{name}\n{hint}")
        found = self.mistakes.get(key)
        if found is None:
            if len(self.mistakes) >= MOST_MISTAKES:
                self.other_mistakes += 1
                return
            words = mistake_name(text, numbers=True)
            made = Mistake(exercise, result.verdict, *words, text[:MOST_EXAMPLE])
            found = self.mistakes[key] = made
        found.add(text)

    def _add_attention(self, entry: Entry, name: str, results: list[CellResult]) -> None:
        if any(mark.waits for mark in entry.marks.marks) and entry.marks.score is not None:
            self.waiting.add(name)
        if any(mark.is_old for mark in entry.marks.marks):
            self.old.add(name)
        if any(result.verdict is Verdict.GRADER_ERROR for result in results):
            self.unfair.add(name)
        for report in entry.reports.values():
            for note in report.notes:
                kind = NUMBER.sub("…", note)[:300]
                if kind in self.notes or len(self.notes) < MOST_LISTED:
                    self.notes.setdefault(kind, Listed()).add(name)

    @property
    def graded(self) -> int:
        """Students with a mark."""
        return len(self.scores)

    @property
    def middle(self) -> float | None:
        return median(self.scores) if self.scores else None

    @property
    def time_quantiles(self) -> tuple[float, float, float]:
        """Seconds that half of the submissions took at most, that 95 % took, and the longest."""
        times = sorted(self.seconds)
        if not times:
            return (0.0, 0.0, 0.0)
        return median(times), times[min(len(times) - 1, int(0.95 * len(times)))], times[-1]

    def common_mistakes(self, most: int) -> tuple[list[Mistake], int, int]:
        """The most frequent mistakes; how many kinds are left out, and how often they occurred."""
        ranked = sorted(self.mistakes.values(), key=lambda m: (-m.count, m.exercise, m.name))
        rest = ranked[most:]
        return ranked[:most], len(rest), sum(m.count for m in rest) + self.other_mistakes

    @property
    def verdicts(self) -> Mapping[str, Counter[Verdict]]:
        return {e.name: e.verdicts for e in self.exercises.values() if e.verdicts}

    @property
    def all_verdicts(self) -> Counter[Verdict]:
        return sum((e.verdicts for e in self.exercises.values()), Counter[Verdict]())


def mistake_name(text: str, numbers: bool = False) -> tuple[str, str]:
    """What a message names, and its hint; without numbers, which differ among students."""
    lines = text.strip().splitlines() or [""]
    first = RAISED.sub(r"\1", lines[0].strip())
    hints = [line.strip() for line in lines[1:] if line.strip().startswith("hint:")]
    parts = (first, " ".join(hints).removeprefix("hint:").strip())
    name, hint = (part if numbers else NUMBER.sub("…", part) for part in parts)
    return name[:200], hint[:200]
