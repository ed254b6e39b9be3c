"""Grading again in two steps: a preview that changes nothing, then what it showed or nothing.

The preview is a file below the course's `.nbproctor`. To apply it, the same is reckoned once more
from what is there by then: if that gives anything else, nothing is recorded. Marks are recorded for
some students at a time; where that was interrupted, to apply the preview again records the rest.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from nbproctor.classes.classrun import CrewFactory
from nbproctor.classes.desk import Desk, open_desk
from nbproctor.classes.due import is_final
from nbproctor.classes.proposal import (
    Change,
    Proposal,
    Snapshot,
    first_difference,
    propose,
    snapshots,
    still_to_be_recorded,
)
from nbproctor.classes.recorder import Recorder, Student
from nbproctor.classes.watching import How, Outcome, Watch
from nbproctor.errors import ConfigError, GradebookError, LedgerError, in_words
from nbproctor.files import write_page
from nbproctor.grading.work import Done, Job, PageJob
from nbproctor.reports.class_marks import lesson_of, opened_gradebook
from nbproctor.sandbox.plan import NO_SANDBOX, Level
from nbproctor.store.gradebook import Course
from nbproctor.store.ledger import digest_of_submission, key_of
from nbproctor.store.locks import course_lock
from nbproctor.store.packing import resolve_lesson

__all__ = ["apply_preview", "discard_preview", "make_preview"]

AGAIN = "run: nbproctor regrade {} --preview"


def make_preview(
    course: Course,
    lesson: str,
    crew_factory: CrewFactory,
    watch: Watch,
    sandbox: Level | None = None,
) -> Proposal:
    """Grade whatever the gradebook does not hold yet, keep results in the ledger, record nothing.

    Raises:
        ConfigError: the lesson is unknown, or another run grades in this course.
        LessonError, GradebookError: it is not released as it is now, or the gradebook is locked.
        SandboxError: whoever grades cannot give the level.
    """
    with (
        course_lock(course.root, f"nbproctor regrade {lesson} --preview"),
        open_desk(course, lesson, watch.say, sandbox=sandbox) as desk,
    ):
        if desk.filing.level is Level.OFF:
            watch.say(NO_SANDBOX)
        _fill_ledger(desk, crew_factory, watch)
        proposal = propose(desk)
        # Marks are nobody else's business.
        write_page(proposal.to_json(), None, _path(course, proposal.lesson), private=True)
        return proposal


def apply_preview(
    course: Course, lesson: str, watch: Watch, sandbox: Level | None = None
) -> Proposal:
    """Record what the preview showed.

    Raises:
        ConfigError: there is no preview, or what it was made from has changed. Nothing is recorded.
        GradebookError: the gradebook cannot be written, or holds something else than was shown.
    """
    with course_lock(course.root, f"nbproctor regrade {lesson} --apply"):
        shown = _read(course, resolve_lesson(course, lesson))  # no other can take its place now
        with open_desk(course, lesson, watch.say, sandbox=sandbox) as desk:
            failed = _record(desk, _left(desk, course, shown), watch)
        _path(course, shown.lesson).unlink()
    if failed or (failed := _differing(course, shown)):
        raise GradebookError(
            "not all that the preview showed was recorded",
            expected=f"run: nbproctor grade {shown.lesson}",
            got="; ".join(f"{name}: {why}" for name, why in list(failed.items())[:5]),
        )
    return shown


def discard_preview(course: Course, lesson: str) -> Path:
    """Forget a preview; results stay in the ledger. Where it was.

    Raises:
        ConfigError: there is none, or another run grades in this course.
    """
    name = resolve_lesson(course, lesson)
    with course_lock(course.root, f"nbproctor regrade {lesson} --discard"):
        _read(course, name)
        _path(course, name).unlink()
    return _path(course, name)


def _path(course: Course, lesson: str) -> Path:
    return course.root / ".nbproctor" / "regrade" / f"{lesson}.json"


def _read(course: Course, lesson: str) -> Proposal:
    path = _path(course, lesson)
    try:
        return Proposal.from_json(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            "there is no preview of this lesson", expected=AGAIN.format(lesson), where=path
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            "the preview cannot be read", expected=AGAIN.format(lesson), got=error, where=path
        ) from error


def _fill_ledger(desk: Desk, crew_factory: CrewFactory, watch: Watch) -> None:
    """Execute what the ledger does not know yet."""
    names = desk.filing.students(())
    watch.begin(len(names))
    jobs = _jobs(desk, names, watch)
    first = next(jobs, None)
    if first is not None:
        with crew_factory({name: c.pack for name, c in desk.contexts.items()}) as crew:
            for done in crew.grade(chain([first], jobs)):
                _keep(desk, done, watch)


def _jobs(desk: Desk, names: Sequence[str], watch: Watch) -> Iterator[Job]:
    """What has to be executed. The course's hooks are not called: they may change what is there."""
    for name in names:
        try:
            hand_in = desk.filing.handed_in(name)
            is_due = bool(hand_in.notebooks) and bool(desk.due.look(hand_in)[0])
            if not is_due:
                watch.see(Outcome(name, How.UNCHANGED))
                continue
            for notebook in hand_in.notebooks:
                handed_in, _, submission = desk.contexts[notebook].take(desk.filing, hand_in)
                if desk.due.from_ledger(notebook, submission) is None:
                    yield Job(name, notebook, handed_in)
                else:
                    watch.see(Outcome(name, How.LEDGER))
        except (GradebookError, LedgerError):
            raise
        except Exception as error:  # whatever was handed in, it is one student's
            watch.see(Outcome(name, How.NO_MARK, error=in_words(error)))


def _keep(desk: Desk, done: Done, watch: Watch) -> None:
    """Put a result into the ledger; one without a fair verdict is in no preview."""
    job = done.job
    student, notebook = job.student, job.notebook
    if done.graded is None or isinstance(job, PageJob):
        return watch.see(Outcome(student, How.NO_MARK, error=done.error))
    report, context = done.graded.report, desk.contexts[notebook]
    if is_final(report):
        submission = digest_of_submission(context.read(job.handed_in))
        key = key_of(context.id, submission, report.sandbox)
        desk.ledger.put(key, context.id, notebook, submission, done.graded)
    watch.see(Outcome(student, How.GRADED, {notebook: report}))


def _left(desk: Desk, course: Course, shown: Proposal) -> Proposal:
    """What of a preview is still to be recorded.

    Raises:
        ConfigError: what it was made from has changed.
    """
    now = propose(desk)
    left = still_to_be_recorded(shown, now, _stands(course, shown))
    if why := first_difference(left, now):
        raise ConfigError(
            "something has changed since the preview, and nothing was recorded now",
            expected=AGAIN.format(shown.lesson),
            got=why,
        )
    return left


def _record(desk: Desk, shown: Proposal, watch: Watch) -> dict[str, str]:
    """Record results from the ledger; students for whom that failed, and why."""
    failed: dict[str, str] = {}

    def see(outcome: Outcome) -> None:
        if outcome.how is How.NO_MARK:
            failed[outcome.student] = outcome.error
        watch.see(outcome)

    recorder = Recorder(desk.filing, desk.writer, desk.ledger, desk.contexts, see)
    watch.begin(len(shown.changes))
    for change in shown.changes:
        try:
            recorder.add(_student(desk, change))
        except GradebookError:
            raise
        except Exception as error:  # a hook or step of the course's may raise anything
            see(Outcome(change.student, How.NO_MARK, error=in_words(error)))
    recorder.flush()
    return failed


def _student(desk: Desk, change: Change) -> Student:
    """A student with the results that the preview showed.

    Raises:
        ConfigError: the course's own hook has changed what was handed in.
    """
    hand_in = desk.filing.prepared(desk.filing.handed_in(change.student))
    student = Student(hand_in, set(hand_in.notebooks))
    for notebook in hand_in.notebooks:
        _, digest = desk.filing.read(hand_in, notebook)
        was, submission, key = change.made_from.get(notebook, ("", "", ""))
        graded = desk.ledger.get(key)
        if graded is None or digest != was:
            raise ConfigError(f"'{notebook}' is another one than the preview was made from")
        student.made_from[notebook] = (digest, submission)
        student.add(notebook, graded)
    return student


def _stands(course: Course, shown: Proposal) -> dict[str, Snapshot]:
    """The marks that the gradebook holds, by student."""
    with opened_gradebook(course.coursedir.db_url) as gradebook:
        return snapshots(gradebook.db, lesson_of(gradebook, shown.lesson))


def _differing(course: Course, shown: Proposal) -> dict[str, str]:
    """Students of whom the gradebook now says something else than was shown."""
    stands = _stands(course, shown)
    return {
        change.student: f"{stands[change.student].total} instead of {change.after.total} points"
        for change in shown.changes
        if stands[change.student] != change.after
    }
