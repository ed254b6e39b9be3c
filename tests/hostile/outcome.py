"""What came of one attack, and whether that is what must come of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from corpus import Attack
from lessons import POINTS

__all__ = ["Outcome"]

# The whole of one submission, start and end of its processes included.
MOST_MEMORY_BYTES = 800 << 20
MOST_SECONDS = {"tiny": 60.0, "torch": 180.0}


@dataclass(frozen=True)
class Outcome:
    """What came of one attack. `failure` is what grading raised, if it did."""

    verdicts: Mapping[str, str]
    marks: Mapping[str, float | None]
    seconds: float
    failure: str = ""
    leaks: tuple[str, ...] = ()
    processes: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    reach: tuple[str, ...] = ()
    page: tuple[str, ...] = ()
    memory_bytes: int = 0
    neighbour: str = ""
    others: str = ""

    def problems(self, attack: Attack) -> list[str]:
        """What is not as the attack's file says it must be, in sentences."""
        told = {
            "secret": self.leaks,
            "process": self.processes,
            "file": self.files,
            "reach": self.reach,
            "page": self.page,
            "neighbour": (self.neighbour,) * bool(self.neighbour),
            "marks": (self.others,) * bool(self.others),
        }
        found = [f"{word}: {text}" for word, texts in told.items() for text in texts]
        found += [f"marks: {problem}" for problem in self._wrong_marks(attack)]
        if self.failure:
            found.append(f"the grading failed: {self.failure[-2000:]}")
        if self.memory_bytes > MOST_MEMORY_BYTES:
            found.append(f"memory: the grader took {self.memory_bytes >> 20} MiB")
        if self.seconds > MOST_SECONDS[attack.lesson]:
            found.append(f"hang: it took {self.seconds:.0f} s")
        return found

    def _wrong_marks(self, attack: Attack) -> Iterator[str]:
        for exercise, allowed in attack.expect.items():
            test = f"test_{exercise}"
            verdict, mark = self.verdicts.get(test, "none"), self.marks.get(test)
            most = POINTS[attack.lesson][test]
            if verdict not in allowed:
                yield f"{test}: expected {' or '.join(allowed)}, got {verdict}"
            fits = {"passed": mark == most, "partial": 0 < (mark or 0) < most, "none": mark is None}
            if not fits.get(verdict, mark == 0):
                yield f"{test}: {verdict}, and {mark} points in the gradebook"
