"""Grading a class: what is due goes to a crew, what comes back is recorded.

Only this process writes: to the ledger as results come, to files and gradebook in batches.
"""

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from nbproctor.due import Context, Due, Rerun, about, is_final
from nbproctor.errors import ConfigError, GradebookError, GraderError, LedgerError, NbproctorError
from nbproctor.filing import Filing
from nbproctor.gradebook import Course
from nbproctor.ledger import Ledger, digest_of_submission, key_of
from nbproctor.marks import MarksWriter, open_gradebook
from nbproctor.packing import lesson_packs, notebooks_of, resolve_lesson
from nbproctor.places import FOLDER
from nbproctor.recorder import Recorder, Result, Student
from nbproctor.sandbox.plan import NO_SANDBOX, Level
from nbproctor.staging import Recorded
from nbproctor.watching import How, Outcome, Summary, Watch
from nbproctor.work import Crew, Done, Job, LessonPack

__all__ = ["LEDGER", "CrewFactory", "grade_class"]

LEDGER = f"{FOLDER}/ledger.sqlite"
LOCK = f"{FOLDER}/grade.lock"

CrewFactory = Callable[[Mapping[str, LessonPack]], Crew]


def grade_class(
    course: Course,
    lesson: str,
    crew_factory: CrewFactory,
    watch: Watch,
    students: Sequence[str] = (),
    rerun: Rerun = Rerun.CHANGED,
    sandbox: Level | None = None,
) -> Summary:
    """Grade what a class handed in for a lesson, and record it.

    Args:
        lesson: the lesson's name, or the beginning of it.
        crew_factory: makes the crew that grades, given the lesson's notebooks.
        students: only these; all who handed in if empty.
        sandbox: the weakest level that will do, in place of the course's own setting.

    Raises:
        ConfigError: the lesson or a student is unknown, or another run grades in this course.
        LessonError, GradebookError: the lesson is not released as it is now, or the gradebook is
            locked.
        GraderError: the crew cannot grade, or cannot go on: no sandbox, no worker. What was graded
            is recorded.
        KeyboardInterrupt: a second interrupt came. What was graded is recorded.
    """
    began = time.monotonic()
    assignment = resolve_lesson(course, lesson)
    with ExitStack() as stack:
        stack.enter_context(_lock(course.root / LOCK))
        filing = Filing(course, assignment, notebooks_of(course, assignment), sandbox)
        if filing.level is Level.OFF:
            watch.say(NO_SANDBOX)
        ledger = stack.enter_context(Ledger(course.root / LEDGER, watch.say))
        packed = lesson_packs(course, assignment, filing.names, filing.limits, filing.level)
        contexts = {
            name: Context(ledger.context(about(pack)), pack, read)
            for name, (pack, read) in packed.items()
        }
        engine = open_gradebook(course.coursedir.db_url)
        stack.callback(engine.dispose)
        writer = MarksWriter(engine, assignment, filing.penalties, filing.creates_students)
        recorded = Recorded.read(course.coursedir.db_url, assignment)
        due = Due(filing, ledger, contexts, recorded, rerun)
        run = _Run(due, writer, watch, Summary(assignment))
        run.grade(filing.students(students), crew_factory)
    run.summary.seconds = time.monotonic() - began
    watch.end(run.summary)
    return run.summary


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Hold the course for this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            file.seek(0)
            raise ConfigError(
                "this course is being graded by another process",
                got=f"process {file.read().strip() or '?'}",
                where=path.parent.parent,
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class _Run:
    """One run over a class. In memory are the students that the crew works on, and a batch."""

    def __init__(self, due: Due, writer: MarksWriter, watch: Watch, summary: Summary) -> None:
        self.due, self.watch, self.summary = due, watch, summary
        self.filing, self.ledger, self.contexts = due.filing, due.ledger, due.contexts
        self.recorder = Recorder(self.filing, writer, self.ledger, self.contexts, self._see)
        self.open: dict[str, Student] = {}
        self.stopping = False

    def grade(self, students: Sequence[str], crew_factory: CrewFactory) -> None:
        self.summary.students = self.summary.not_reached = len(students)
        self.watch.begin(len(students))
        packs = {name: context.pack for name, context in self.contexts.items()}
        with self._interruptible():
            try:
                with crew_factory(packs) as crew:
                    for done in crew.grade(self._jobs(students)):
                        self._take(done)
            except (KeyboardInterrupt, GraderError):
                self.recorder.flush()
                raise
            self.recorder.flush()

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first interrupt lets what runs come to its end, the second one does not."""

        def interrupted(_signal: int, _frame: FrameType | None) -> None:
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping = True
            count = len(self.open)
            self.watch.say(f"finishing {count} submissions; press Ctrl-C again to stop now")

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _jobs(self, students: Sequence[str]) -> Iterator[Job]:
        """What has to be executed. What needs no execution is recorded on the way."""
        for name in students:
            if self.stopping:
                return
            try:
                yield from self._jobs_of(name)
            except (GradebookError, LedgerError):
                raise
            except (NbproctorError, OSError) as error:
                self._see(Outcome(name, How.NO_MARK, error=str(error)))

    def _jobs_of(self, name: str) -> Iterator[Job]:
        hand_in = self.filing.handed_in(name)
        if not hand_in.notebooks:
            expected = ", ".join(f"{notebook}.ipynb" for notebook in self.filing.names)
            error = f"no notebook of this lesson was handed in (expected: {expected})"
            return self._see(Outcome(name, How.NO_MARK, error=error))
        reason, reports = self.due.look(hand_in)
        if not reason:
            return self._see(Outcome(name, How.UNCHANGED, reports))
        hand_in = self.filing.prepared(hand_in)
        student = self.open[name] = Student(hand_in, set(hand_in.notebooks))
        for notebook in hand_in.notebooks:
            handed_in, digest = self.filing.read(hand_in, notebook)
            submission = digest_of_submission(self.contexts[notebook].read(handed_in))
            student.made_from[notebook] = (digest, submission)
            graded = self.due.from_ledger(notebook, submission)
            if graded is None:
                student.how = How.GRADED
                yield Job(name, notebook, handed_in)
            else:
                student.add(notebook, graded)
        self._close(student)

    def _take(self, done: Done) -> None:
        """A crew's answer."""
        student, notebook = self.open[done.job.student], done.job.notebook
        if done.graded is None:
            student.fail(notebook, done.error)
        else:
            self._keep(student.add(notebook, done.graded), notebook)
        self._close(student)

    def _keep(self, result: Result, notebook: str) -> None:
        report = result.graded.report
        if is_final(report):
            context = self.contexts[notebook].id
            key = key_of(context, result.submission, report.sandbox)
            self.ledger.put(key, context, notebook, result.submission, result.graded)

    def _close(self, student: Student) -> None:
        """Record a student when nothing is waited for any more."""
        if student.waiting or self.open.pop(student.name, None) is None:
            return
        if student.error:
            self._see(student.outcome())
        else:
            self.recorder.add(student)

    def _see(self, outcome: Outcome) -> None:
        summary = self.summary
        summary.not_reached -= 1
        summary.how[str(outcome.how)] += 1
        summary.verdicts += outcome.verdicts
        if outcome.error:
            summary.without[outcome.student] = outcome.error
        self.watch.see(outcome)
