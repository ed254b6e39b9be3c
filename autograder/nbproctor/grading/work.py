"""Grading as a worker does it: a lesson and a submission come as bytes, a result goes back.

A worker may be a process beside the one that writes the gradebook, or one on another machine that
shares no file with it. It needs neither nbgrader nor a gradebook.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

from nbproctor.config import Limits
from nbproctor.course.lesson import Lesson, load_lesson
from nbproctor.course.notebook import HandedIn, Submission, parse_submission
from nbproctor.grading.grade import Graded, grade_submission
from nbproctor.sandbox.plan import Level
from nbproctor.scratch import ScratchFolder

__all__ = ["Crew", "Done", "Grader", "Job", "LessonPack", "PageJob", "Task"]


@dataclass(frozen=True)
class LessonPack:
    """All that grading one notebook of a lesson takes, and the policy it is graded by.

    Args:
        source: the notebook with solutions and hidden tests; `release` is what learners were given.
        files: what lies beside the release, by its path from there.
        sandbox: the weakest level that will do.
    """

    name: str
    source: bytes
    release: bytes
    files: Mapping[str, bytes]
    limits: Limits
    sandbox: Level

    @classmethod
    def read(cls, source: Path, release: Path, limits: Limits, sandbox: Level) -> Self:
        """Pack a lesson from its source and release notebooks.

        Raises:
            LessonError: a notebook is missing, or the two do not belong together.
        """
        load_lesson(source, release)
        beside = release.parent
        paths = (path for path in sorted(beside.rglob("*")) if path.suffix != ".ipynb")
        files = {str(p.relative_to(beside)): p.read_bytes() for p in paths if p.is_file()}
        return cls(source.stem, source.read_bytes(), release.read_bytes(), files, limits, sandbox)

    @cached_property
    def digest(self) -> str:
        """Of the lesson, its tests, its files and the policy: of all but the submission."""
        policy = {"name": self.name, "limits": asdict(self.limits), "sandbox": str(self.sandbox)}
        parts = [json.dumps(policy, sort_keys=True).encode(), self.source, self.release]
        parts += [part for name in sorted(self.files) for part in (name.encode(), self.files[name])]
        total = hashlib.sha256()
        for part in parts:
            total.update(hashlib.sha256(part).digest())
        return total.hexdigest()


class Grader:
    """Grades submissions of one lesson, unpacked once. A context manager.

    Raises:
        LessonError: the pack holds no lesson.
    """

    def __init__(self, pack: LessonPack) -> None:
        self.pack = pack
        self._folder = ScratchFolder()
        root = Path(self._folder.path)
        self._files = root / "release"
        source, release = root / f"{pack.name}.ipynb", self._files / f"{pack.name}.ipynb"
        for path, data in {source: pack.source, release: pack.release, **self._beside()}.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.lesson: Lesson = load_lesson(source, release)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._folder.remove()

    def read(self, handed_in: HandedIn) -> Submission:
        """What is used of what was handed in."""
        return parse_submission(handed_in, self.lesson, self.pack.limits)

    def grade(self, handed_in: HandedIn) -> Graded:
        """Give one verdict for every graded cell.

        Raises:
            SandboxError: this machine cannot give the level that the pack asks for.
            GraderError: no kernel or no judge could be started.
        """
        pack = self.pack
        submission = self.read(handed_in)
        return grade_submission(self.lesson, submission, pack.limits, self._files, pack.sandbox)

    def _beside(self) -> dict[Path, bytes]:
        return {self._files / name: data for name, data in self.pack.files.items()}


@dataclass(frozen=True)
class Job:
    """One notebook that one student handed in; `notebook` is the name of its lesson pack."""

    student: str
    notebook: str
    handed_in: HandedIn


@dataclass(frozen=True)
class PageJob:
    """The feedback page of a graded notebook: the notebook's file, and what `pages` needs besides.

    It can be made anywhere: it takes neither the course's folder nor its gradebook.
    """

    student: str
    notebook: str
    graded: bytes
    order: bytes


Task = Job | PageJob


@dataclass(frozen=True)
class Done:
    """What became of a job: its result or, without one, why there is none.

    A page that could not be made where it was tried has neither page nor error.
    """

    job: Task
    graded: Graded | None = None
    error: str = ""
    page: bytes = b""


class Crew(Protocol):
    """Workers that grade: processes on this machine, or on others. A context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def grade(self, jobs: Iterable[Task]) -> Iterator[Done]:
        """Do each job once and yield what became of it, in the order in which they end.

        Jobs are taken from the iterable as workers become free, so that a large class is never
        in memory as a whole. A job whose worker died is given to another one; after a second
        death it is done, with an error. Closing the iterator ends what still runs.
        """
        ...
