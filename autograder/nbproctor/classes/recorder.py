"""Recording finished students, a batch at a time: files, gradebook, ledger.

In an order in which a run may be killed at any moment: files are made aside, marks go to the
gradebook in one transaction, the ledger notes what stands, files take their places. A student whose
files are still aside is recorded again by the next run, from the ledger.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from nbproctor.classes.due import Context, is_final
from nbproctor.classes.watching import How, Outcome
from nbproctor.errors import GradebookError
from nbproctor.grading.grade import Graded
from nbproctor.store.filing import Filed, Filing, HandIn
from nbproctor.store.ledger import Ledger, Standing, key_of
from nbproctor.store.marks import Marks, MarksWriter

__all__ = ["Recorder", "Result", "Student"]

BATCH = 50
BATCH_S = 2.0
UNFAIR = "a test asked for something impossible: its cell has no fair mark"


@dataclass(frozen=True)
class Result:
    """One notebook's result, and digests of what it was made from."""

    graded: Graded
    handed_in: str
    submission: str


@dataclass
class Student:
    """One student's notebooks: those that are still waited for, and results.

    `made_from` has, by notebook, the digests of what was handed in and of what is used of it.
    """

    hand_in: HandIn
    waiting: set[str]
    made_from: dict[str, tuple[str, str]] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    how: How = How.LEDGER
    error: str = ""

    @property
    def name(self) -> str:
        return self.hand_in.student

    def add(self, notebook: str, graded: Graded) -> Result:
        """Take in a notebook's result."""
        self.waiting.discard(notebook)
        result = self.results[notebook] = Result(graded, *self.made_from[notebook])
        return result

    def fail(self, notebook: str, error: str) -> None:
        """Take in why a notebook got no result: then the student gets no marks."""
        self.waiting.discard(notebook)
        self.error = error

    def outcome(self) -> Outcome:
        """What became of the student."""
        if self.error:
            return Outcome(self.name, How.NO_MARK, error=self.error)
        reports = {name: result.graded.report for name, result in self.results.items()}
        problem = "" if all(map(is_final, reports.values())) else UNFAIR
        return Outcome(self.name, self.how, reports, problem)


class Recorder:
    """Records students in batches that stay small in number and in time.

    Args:
        see: told what became of each student.
    """

    def __init__(
        self,
        filing: Filing,
        writer: MarksWriter,
        ledger: Ledger,
        contexts: Mapping[str, Context],
        see: Callable[[Outcome], None],
    ) -> None:
        self.filing, self.writer, self.ledger = filing, writer, ledger
        self.contexts, self.see = contexts, see
        self._waiting: list[Student] = []
        self._recorded = 0.0

    def add(self, student: Student) -> None:
        """Record a student whose notebooks all have results, soon."""
        self._waiting.append(student)
        if len(self._waiting) >= BATCH or time.monotonic() - self._recorded >= BATCH_S:
            self.flush()

    def flush(self) -> None:
        """Record whoever waits for it.

        Raises:
            GradebookError: the gradebook cannot be written. Nobody is recorded.
        """
        students, self._waiting = self._waiting, []
        filed = {s.name: (s, made) for s in students if (made := self._file(s)) is not None}
        recorded = self._record([self._marks(*pair) for pair in filed.values()])
        self.ledger.stand([one for name in recorded for one in self._standings(*filed[name])])
        for name in recorded:
            self._take_place(filed[name][0])
        self._recorded = time.monotonic()

    def _file(self, student: Student) -> dict[str, Filed] | None:
        try:
            results = {name: (r.graded, r.handed_in) for name, r in student.results.items()}
            return self.filing.file(student.hand_in, results)
        except Exception as error:  # one student's files, or a step of the course's own
            self._fail(student.name, error)
            return None

    def _marks(self, student: Student, filed: Mapping[str, Filed]) -> Marks:
        missing = dict.fromkeys(name for name in self.filing.names if name not in filed)
        given = {name: made.marks for name, made in filed.items()}
        return Marks(student.name, {**missing, **given}, student.hand_in.timestamp)

    def _record(self, batch: Sequence[Marks]) -> list[str]:
        """Write marks; the names of those that were written."""
        if not batch:
            return []
        try:
            self.writer.record(batch)
            return [marks.student for marks in batch]
        except GradebookError:
            raise
        except Exception as error:  # the course's late penalties fail, for somebody
            if len(batch) > 1:
                return [name for marks in batch for name in self._record([marks])]
            self.filing.place(batch[0].student).clear()
            self._fail(batch[0].student, error)
            return []

    def _take_place(self, student: Student) -> None:
        try:
            self.filing.take_place(student.hand_in)
        except Exception as error:
            return self._fail(student.name, error)
        self.see(student.outcome())

    def _standings(self, student: Student, filed: Mapping[str, Filed]) -> Iterator[Standing]:
        for name, made in filed.items():
            result, context = student.results[name], self.contexts[name].id
            report = result.graded.report
            yield Standing(
                assignment=self.filing.assignment,
                student=student.name,
                notebook=name,
                handed_in=result.handed_in,
                filed=made.digest,
                key=key_of(context, result.submission, report.sandbox),
                context=context,
                level=report.sandbox,
                submission=result.submission,
                report=report.as_dict(),
            )

    def _fail(self, student: str, error: Exception) -> None:
        self.see(Outcome(student, How.NO_MARK, error=f"{type(error).__name__}: {error}"))
