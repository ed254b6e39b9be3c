"""Grading a class: what is due goes to a crew, what comes back is recorded.

Only this process writes: to the ledger as results come, to files and gradebook in batches.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType

from nbproctor.classes.desk import Desk, open_desk
from nbproctor.classes.due import Rerun, is_final
from nbproctor.classes.feedback_pages import FeedbackPages
from nbproctor.classes.recorder import Recorder, Result, Student
from nbproctor.classes.watching import How, Outcome, Summary, Watch
from nbproctor.errors import GradebookError, GraderError, LedgerError, in_words
from nbproctor.grading.work import Crew, Done, Job, LessonPack, PageJob, Task
from nbproctor.sandbox.plan import NO_SANDBOX, Level
from nbproctor.store.gradebook import Course
from nbproctor.store.ledger import key_of
from nbproctor.store.locks import course_lock

__all__ = ["CrewFactory", "grade_class"]

CrewFactory = Callable[[Mapping[str, LessonPack]], Crew]


def grade_class(
    course: Course,
    lesson: str,
    crew_factory: CrewFactory,
    watch: Watch,
    students: Sequence[str] = (),
    rerun: Rerun = Rerun.CHANGED,
    sandbox: Level | None = None,
    feedback: bool = False,
) -> Summary:
    """Grade what a class handed in for a lesson, and record it.

    Args:
        lesson: the lesson's name, or the beginning of it.
        crew_factory: makes the crew that grades, given the lesson's notebooks.
        students: only these; all who handed in if empty.
        sandbox: the weakest level that will do, in place of the course's own setting.
        feedback: whether to write feedback, too, where it is missing or outdated.

    Raises:
        ConfigError: the lesson or a student is unknown, or another run grades in this course.
        LessonError, GradebookError: the lesson is not released as it is now, or the gradebook is
            locked.
        GraderError: the crew cannot grade, or cannot go on: no sandbox, no worker. What was graded
            is recorded.
        KeyboardInterrupt: a second interrupt came. What was graded is recorded.
    """
    began = time.monotonic()
    with (
        course_lock(course.root, f"nbproctor grade {lesson}"),
        open_desk(course, lesson, watch.say, rerun, sandbox) as desk,
    ):
        if desk.filing.level is Level.OFF:
            watch.say(NO_SANDBOX)
        run = _Run(desk, watch, course if feedback else None)
        everybody = desk.filing.students(students)
        try:
            run.grade(everybody, crew_factory)
        finally:
            run.summary.seconds = time.monotonic() - began
            watch.end(run.summary)
    return run.summary


class _Run:
    """One run over a class. In memory are the students that the crew works on, and a batch."""

    def __init__(self, desk: Desk, watch: Watch, feedback_for: Course | None) -> None:
        self.due, self.filing, self.ledger = desk.due, desk.filing, desk.ledger
        self.contexts, self.watch = desk.contexts, watch
        self.summary = Summary(self.filing.assignment)
        self.recorder = Recorder(desk.filing, desk.writer, desk.ledger, desk.contexts, self._see)
        self.pages: FeedbackPages | None = None
        if feedback_for is not None:
            assignment = self.filing.assignment
            self.pages = FeedbackPages(
                feedback_for, assignment, desk.writer, desk.ledger, self._without_page
            )
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
                    self.recorder.flush()
                    for done in crew.grade(self._page_jobs(to_the_end=True)):
                        self._take(done)
            except (KeyboardInterrupt, GraderError):
                self.recorder.flush()
                raise

    @contextmanager
    def _interruptible(self) -> Iterator[None]:
        """The first interrupt lets what runs come to its end, the second one does not."""

        def interrupted(_signal: int, _frame: FrameType | None) -> None:
            if self.stopping:
                raise KeyboardInterrupt
            self.stopping = True
            count = len(self.open)
            submissions = "1 submission" if count == 1 else f"{count} submissions"
            self.watch.say(f"finishing {submissions}; press Ctrl-C again to stop now")

        before = signal.signal(signal.SIGINT, interrupted)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _page_jobs(self, to_the_end: bool = False) -> Iterator[PageJob]:
        """Feedback that is due, unless somebody wants to stop: the next run makes it."""
        if self.pages is not None:
            for job in self.pages.jobs(to_the_end):
                if self.stopping:
                    return
                yield job

    def _jobs(self, students: Sequence[str]) -> Iterator[Task]:
        """What has to be executed. What needs no execution is recorded on the way."""
        for name in students:
            yield from self._page_jobs()
            if self.stopping:
                return
            try:
                yield from self._jobs_of(name)
            except (GradebookError, LedgerError):
                raise
            except Exception as error:  # a hook or step of the course's may raise anything
                self._see(Outcome(name, How.NO_MARK, error=in_words(error)))

    def _jobs_of(self, name: str) -> Iterator[Job]:
        hand_in = self.filing.handed_in(name)
        if not hand_in.notebooks:
            expected = ", ".join(f"{notebook}.ipynb" for notebook in self.filing.names)
            error = f"no notebook of this lesson was handed in (expected: {expected})"
            return self._see(Outcome(name, How.NO_MARK, error=error))
        if not self.recorder.writer.admits(name):
            error = "the gradebook does not know this student, and the course says to create none"
            return self._see(Outcome(name, How.NO_MARK, error=error))
        reason, reports = self.due.look(hand_in)
        if not reason:
            return self._see(Outcome(name, How.UNCHANGED, reports))
        hand_in = self.filing.prepared(hand_in)
        student = self.open[name] = Student(hand_in, set(hand_in.notebooks))
        for notebook in hand_in.notebooks:
            handed_in, digest, submission = self.contexts[notebook].take(self.filing, hand_in)
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
        if isinstance(done.job, PageJob):
            if self.pages is not None:
                self.pages.take(done)
            return
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
        if self.pages is not None and outcome.how is not How.NO_MARK:
            self.pages.add(outcome.student)

    def _without_page(self, student: str, error: str) -> None:
        self.summary.without_feedback[student] = error
        self.watch.say(f"{student} has no feedback: {error}")
