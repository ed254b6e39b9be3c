"""What grading a class works with, opened together: files, gradebook, ledger, lesson."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from nbproctor.classes.due import Context, Due, Rerun, about
from nbproctor.course.variants_secret import NO_SECRET, read_secret
from nbproctor.sandbox.plan import Level
from nbproctor.store.filing import Filing
from nbproctor.store.gradebook import Course
from nbproctor.store.ledger import Ledger
from nbproctor.store.marks import MarksWriter, open_gradebook
from nbproctor.store.packing import lesson_packs, notebooks_of, resolve_lesson
from nbproctor.store.places import LEDGER
from nbproctor.store.staging import Recorded

__all__ = ["Desk", "open_desk"]


@dataclass(frozen=True)
class Desk:
    """One lesson of a course, ready to be graded."""

    filing: Filing
    ledger: Ledger
    writer: MarksWriter
    contexts: Mapping[str, Context]
    due: Due


@contextmanager
def open_desk(
    course: Course,
    lesson: str,
    say: Callable[[str], None],
    rerun: Rerun = Rerun.CHANGED,
    sandbox: Level | None = None,
) -> Iterator[Desk]:
    """Open what grading a lesson works with.

    Args:
        lesson: its name, or the beginning of it.
        say: told of damage in the ledger, and that variants cannot be drawn.
        sandbox: the weakest level that will do, in place of the course's own setting.

    Raises:
        ConfigError: there is no such lesson, or the course's secret cannot be used.
        LessonError, GradebookError: it is not released as it is now, or the gradebook is locked.
        LedgerError: the ledger cannot be used.
    """
    assignment, url = resolve_lesson(course, lesson), course.coursedir.db_url
    filing = Filing(course, assignment, notebooks_of(course, assignment), sandbox)
    packed = lesson_packs(course, assignment, filing.names, filing.limits, filing.level)
    has_variants = any(lesson.choices for _, lesson in packed.values())
    secret = read_secret(course.root) if has_variants else None
    if has_variants and secret is None:
        say(NO_SECRET)
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger(course.root / LEDGER, say))
        contexts = {
            name: Context(ledger.context(about(pack)), pack, read, secret)
            for name, (pack, read) in packed.items()
        }
        engine = open_gradebook(url)
        stack.callback(engine.dispose)
        writer = MarksWriter(engine, assignment, filing.penalties, filing.creates_students)
        due = Due(filing, ledger, contexts, Recorded.read(url, assignment), rerun)
        yield Desk(filing, ledger, writer, contexts, due)
