"""Answers that have unusually much in common, for a person to look at: never a mark.

copydetect makes fingerprints of answers (Schleimer, Wilkerson and Aiken 2003, "Winnowing", SIGMOD):
names become one letter, comments and spaces nothing, so that renaming and commenting change none.
Every stretch of `gram` signs of what is left is a fingerprint, and their order does not count.

Taken off are the stub, the course's own solution, and what many of the class write: the shape that
an exercise gives its answers. What two answers share beyond that is compared, exercise by exercise.
"""

import copy
import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from nbproctor.errors import ConfigError

if TYPE_CHECKING:
    from copydetect import CodeFingerprint

__all__ = ["Exercise", "Measure", "Pair", "Shared", "Side", "alike"]

Span = tuple[int, int]


@dataclass(frozen=True)
class Measure:
    """What counts as unusually much. Signs are those of code without names, comments and spaces.

    Args:
        gram: the fewest signs in a row that are compared.
        fewest: the fewest signs that two answers to an exercise share.
        share: of the smaller answer, as far as it is its author's own.
        common: what more than this part of a class writes is the exercise's shape.
        group: what so many write is none yet, in a small class; `most_group` in a large one.
        longest: of an answer, so many letters are looked at.
    """

    gram: int = 14
    fewest: int = 80
    share: float = 0.65
    common: float = 0.1
    group: int = 4
    most_group: int = 50
    longest: int = 8_000

    def is_shape(self, writers: int, answers: int) -> bool:
        """Whether what so many of a class have written is a matter of the exercise."""
        return writers > min(max(self.group, int(self.common * answers)), self.most_group)


@dataclass(frozen=True)
class Exercise:
    """An exercise, the course's own texts of it (stub, solutions), and the class's answers."""

    name: str
    given: Sequence[str]
    answers: Mapping[str, str]
    is_code: bool = True


@dataclass(frozen=True)
class Side:
    """One student's answer, and which parts of it the other one shares; `share` of what is own."""

    student: str
    text: str
    spans: tuple[Span, ...]
    share: float

    @property
    def parts(self) -> Iterator[tuple[bool, str]]:
        """The text in pieces: whether shared, and what it says."""
        end = 0
        for start, stop in self.spans:
            yield False, self.text[end:start]
            yield True, self.text[start:stop]
            end = stop
        yield False, self.text[end:]


@dataclass(frozen=True)
class Shared:
    """What two answers to one exercise share."""

    exercise: str
    signs: int
    sides: tuple[Side, Side]


@dataclass(frozen=True)
class Pair:
    """Two students, and the exercises in which their answers have unusually much in common."""

    students: tuple[str, str]
    shared: tuple[Shared, ...]

    @property
    def signs(self) -> int:
        return sum(found.signs for found in self.shared)


def alike(exercises: Iterable[Exercise], measure: Measure) -> list[Pair]:
    """Pairs of students to look at, those who share most first.

    Raises:
        ConfigError: copydetect is not installed.
    """
    found: dict[tuple[str, str], list[Shared]] = {}
    for exercise in exercises:
        for shared in _alike_in(exercise, measure):
            one, other = shared.sides
            found.setdefault((one.student, other.student), []).append(shared)
    pairs = [
        Pair(students, tuple(sorted(shared, key=lambda s: -s.signs)))
        for students, shared in found.items()
    ]
    return sorted(pairs, key=lambda pair: (-pair.signs, pair.students))


def _alike_in(exercise: Exercise, measure: Measure) -> Iterator[Shared]:
    """Pairs of answers to one exercise."""
    answers = {who: text[: measure.longest] for who, text in sorted(exercise.answers.items())}
    printed = {text: _printed(text, exercise, measure) for text in {*answers.values()}}
    writers = Counter[int]()
    for text in answers.values():
        writers.update(printed[text].hashes)
    taken_off = {h for h, count in writers.items() if measure.is_shape(count, len(answers))}
    taken_off.update(*(_printed(text, exercise, measure).hashes for text in exercise.given))
    shared = {h for h, count in writers.items() if count > 1} - taken_off
    own = {text: _without(made, taken_off) for text, made in printed.items()}
    prints = {who: own[text] for who, text in answers.items()}
    for one, other in _candidates(prints, shared, measure):
        found = _compared(exercise, one, other, prints, measure)
        if found is not None:
            yield found


def _candidates(
    prints: Mapping[str, "CodeFingerprint"], shared: set[int], measure: Measure
) -> Iterator[tuple[str, str]]:
    """Pairs that share as many fingerprints as it takes: most pairs share none."""
    holders: dict[int, list[str]] = {}
    for who, printed in prints.items():
        for value in printed.hashes & shared:
            holders.setdefault(value, []).append(who)
    counts = Counter[tuple[str, str]]()
    for students in holders.values():
        counts.update(combinations(students, 2))
    yield from (pair for pair, count in counts.items() if count * measure.gram >= measure.fewest)


def _compared(
    exercise: Exercise,
    one: str,
    other: str,
    prints: Mapping[str, "CodeFingerprint"],
    measure: Measure,
) -> Shared | None:
    """What two answers share; None if that is not much."""
    from copydetect import compare_files

    signs, shares, slices = compare_files(prints[one], prints[other])
    if signs < measure.fewest or max(shares) < measure.share:
        return None
    first, second = (
        Side(who, prints[who].raw_code, _spans(found, len(prints[who].raw_code)), min(share, 1.0))
        for who, found, share in zip((one, other), slices, shares, strict=True)
    )
    return Shared(exercise.name, int(signs), (first, second))


def _spans(slices: Any, length: int) -> tuple[Span, ...]:
    """Where a text is shared: in order, without overlaps, within the text."""
    spans: list[Span] = []
    for start, stop in sorted((int(a), int(b)) for a, b in zip(*slices, strict=True)):
        start, stop = max(start, spans[-1][1] if spans else 0), min(stop, length)
        if start < stop:
            spans.append((start, stop))
    return tuple(spans)


def _printed(text: str, exercise: Exercise, measure: Measure) -> "CodeFingerprint":
    """The fingerprints of a text. All are kept: answers are short."""
    try:
        from copydetect import CodeFingerprint
    except ImportError as error:
        raise ConfigError(
            "comparing submissions takes copydetect", expected="plusx[similarity] installed"
        ) from error
    gram = measure.gram if exercise.is_code else 2 * measure.gram
    file = io.StringIO(text.lstrip("\n"))  # where it begins with blank lines, places would be wrong
    made = CodeFingerprint(
        exercise.name, gram, 1, filter=exercise.is_code, language="python", fp=file
    )
    if len(made.offsets):  # 0.5.0 loses count at the name of a class
        made.offsets[:, 1] = np.maximum.accumulate(made.offsets[:, 1])
    return made


def _without(printed: "CodeFingerprint", taken_off: set[int]) -> "CodeFingerprint":
    """The fingerprints but for some: copydetect's own way loses others that stand twice (0.5.0)."""
    from copydetect.utils import get_token_coverage

    made = copy.copy(printed)
    made.hashes = printed.hashes - taken_off
    made.hash_idx = {value: printed.hash_idx[value] for value in made.hashes}
    made.token_coverage = get_token_coverage(made.hash_idx, made.k, len(made.filtered_code))
    return made
