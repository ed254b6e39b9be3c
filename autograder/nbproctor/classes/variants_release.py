"""Handing out variants: for every student a folder, or an archive, with notebooks of their own."""

import io
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nbproctor.config import Limits
from nbproctor.course.lesson import Lesson
from nbproctor.course.variants import Choice, Scalar, draw, literal, put_in_notebook
from nbproctor.course.variants_secret import SECRET, note_handed_out, read_secret
from nbproctor.errors import ConfigError
from nbproctor.files import make_folder, write_whole
from nbproctor.grading.work import LessonPack
from nbproctor.reports.class_marks import opened_gradebook
from nbproctor.sandbox.plan import Level
from nbproctor.store.gradebook import Course
from nbproctor.store.packing import lesson_packs, notebooks_of, resolve_lesson
from nbproctor.text import plain_text

__all__ = ["Holding", "hand_out", "holdings", "students_in", "variant_lines"]

LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same archive for the same content
MOST_BYTES_OF_A_NAME = 200


@dataclass(frozen=True)
class Holding:
    """Who holds which values of an assignment's exercises, by the notebooks' names."""

    student: str
    values: Mapping[str, Mapping[str, Scalar]]


@dataclass(frozen=True)
class _Assignment:
    """An assignment as it is released, and what its variants are drawn from."""

    name: str
    packs: Mapping[str, tuple[LessonPack, Lesson]]
    secret: bytes | None

    @classmethod
    def of(cls, course: Course, asked: str) -> "_Assignment":
        name = resolve_lesson(course, asked)
        names = notebooks_of(course, name)
        packs = lesson_packs(course, name, names, Limits(), Level.REDUCED)
        return cls(name, packs, read_secret(course.root))

    @property
    def choices(self) -> dict[str, tuple[Choice, ...]]:
        return {name: lesson.choices for name, (_, lesson) in self.packs.items()}

    def held_by(self, student: str) -> Holding:
        values = {
            name: draw(choices, self.secret, name, student)
            for name, choices in self.choices.items()
        }
        return Holding(student, values)

    def files_for(self, student: str) -> dict[str, bytes]:
        """What a student is given, by its path in the assignment's folder."""
        files = dict[str, bytes]()
        held = self.held_by(student).values
        for name, (pack, lesson) in self.packs.items():
            files |= pack.files
            files[f"{name}.ipynb"] = pack.release
            if held[name] != lesson.variant:
                made = put_in_notebook(json.loads(pack.release), held[name])
                text = json.dumps(made, indent=1, ensure_ascii=False)
                files[f"{name}.ipynb"] = f"{text}\n".encode()
        return files


def students_in(course: Course, roster: Path | None) -> list[str]:
    """The ids in a roster, one in each line; those in the gradebook where none is given.

    Raises:
        ConfigError: there is no student, one stands twice, or an id cannot be a folder's name.
    """
    if roster is None:
        where = course.coursedir.db_url
        with opened_gradebook(where) as gradebook:
            ids = sorted(str(student.id) for student in gradebook.students)
    else:
        where, ids = str(roster), _lines(roster)
    if not ids:
        expected = "students in the gradebook, or in a roster: an id in each line"
        raise ConfigError("there is no student", expected=expected, where=where)
    if twice := sorted({name for name in ids if ids.count(name) > 1}):
        raise ConfigError("a student stands twice", got=", ".join(twice[:5]), where=where)
    for name in ids:
        odd = name.startswith(".") or any(sign in name for sign in "/\\\0")
        if odd or len(name.encode()) > MOST_BYTES_OF_A_NAME or plain_text(name) != name:
            raise ConfigError("this id cannot be a folder's name", got=repr(name), where=where)
    return ids


def _lines(roster: Path) -> list[str]:
    try:
        text = roster.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        expected = "a text with an id in each line"
        what = "the roster cannot be read"
        raise ConfigError(what, expected=expected, got=error, where=roster) from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def holdings(course: Course, asked: str, students: Iterable[str]) -> list[Holding]:
    """Who holds what of a lesson.

    Raises:
        ConfigError: no exercise of the lesson has variants, or the secret is open to others.
        LessonError, GradebookError: the lesson is not released as it is now.
    """
    assignment = _with_variants(course, asked)
    return [assignment.held_by(student) for student in students]


def hand_out(
    course: Course, asked: str, students: Sequence[str], to: Path, zipped: bool = False
) -> list[Path]:
    """Write every student's notebooks below `to`: STUDENT/LESSON/, or STUDENT/LESSON.zip.

    What stands there for a student is replaced only where it is what would be written: somebody
    may have worked in it.

    Raises:
        ConfigError: no exercise has variants, there is no secret, or a file is in the way.
        LessonError, GradebookError: the lesson is not released as it is now.
    """
    assignment = _with_variants(course, asked)
    if assignment.secret is None:
        expected = "run: nbproctor variants --new-secret"
        raise ConfigError(f"the course has no {SECRET}", expected=expected, where=course.root)
    note_handed_out(course.root, assignment.secret)
    written = []
    for student in students:
        files = assignment.files_for(student)
        if zipped:
            files = {f"{assignment.name}.zip": _archive(assignment.name, files)}
            folder = to / student
        else:
            folder = to / student / assignment.name
        _write(folder, files)
        written.append(folder)
    return written


def _with_variants(course: Course, asked: str) -> _Assignment:
    assignment = _Assignment.of(course, asked)
    if not any(assignment.choices.values()):
        raise ConfigError(
            "no exercise of this lesson has variants",
            expected='a solution cell with nbproctor={"variants": {...}} in its metadata',
            where=assignment.name,
        )
    return assignment


def _archive(name: str, files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(f"{name}/{path}", LONG_AGO), data)
    return made.getvalue()


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a student's files, all of them or, where one is in the way, none."""
    for name, data in files.items():
        path = folder / name
        if path.exists() and not (path.is_file() and path.read_bytes() == data):
            raise ConfigError(
                "something else is there already",
                expected="an empty folder: move this one away, or choose another with --to",
                where=path,
            )
    for name, data in files.items():
        make_folder((folder / name).parent)
        write_whole(folder / name, data)


def variant_lines(held: Sequence[Holding]) -> Iterator[str]:
    """A line for each student, and how often each variant was drawn."""
    width = max(len(holding.student) for holding in held)
    said = {h.student: _said(h) for h in held}
    for student, text in said.items():
        yield f"{student:{width}}  {text}"
    texts = list(said.values())
    yield ""
    for text in sorted(set(texts)):
        yield f"{texts.count(text):{max(width, 4)}}  {text}"


def _said(holding: Holding) -> str:
    pairs = [pair for values in holding.values.values() for pair in values.items()]
    return ", ".join(f"{name} = {literal(value)}" for name, value in pairs)
