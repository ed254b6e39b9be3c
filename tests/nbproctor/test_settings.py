"""What is wrong with a course's own files and settings is said in words; the status is 2."""

import shutil
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from courses import course
from fixtures import write

from nbproctor.commands.cli import main
from nbproctor.errors import StudentError
from nbproctor.store.gradebook import Course
from nbproctor.store.places import named


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return course(tmp_path_factory.mktemp("course"))


def no_database(folder: Path) -> None:
    (folder / "gradebook.db").write_text("not a database at all\n" * 500)


def no_program(folder: Path) -> None:
    (folder / "nbgrader_config.py").write_text("c = get_config(\n")


def no_level(folder: Path) -> None:
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write("\nc.RebuildingExporter.sandbox = 'fulll'\n")


def no_address(folder: Path) -> None:
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write("\nc.CourseDirectory.db_url = 'gradebook.db'\n")


def no_driver(folder: Path) -> None:
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write("\nc.CourseDirectory.db_url = 'nothing://localhost/gradebook'\n")


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (no_database, "the gradebook cannot be read"),
        (no_program, "the course's settings cannot be read"),
        (no_level, "a setting cannot be used"),
        (no_address, "Could not parse SQLAlchemy URL"),
        (no_driver, "c.CourseDirectory.db_url is no address of a database that can be opened here"),
    ],
)
@pytest.mark.parametrize("command", [["grade"], ["regrade", "--preview"]], ids="_".join)
def test_what_is_spoilt_is_said(
    original: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    says: str,
    command: list[str],
) -> None:
    folder = tmp_path / "course"
    shutil.copytree(original, folder)
    (folder / "submitted").mkdir()
    spoil(folder)
    name, *more = command
    assert main([name, "tiny", *more, "--course", str(folder)]) == 2
    assert says in capsys.readouterr().err


def test_a_release_holds_nothing_of_a_build(original: Path, tmp_path: Path) -> None:
    folder = tmp_path / "course"
    shutil.copytree(original, folder)
    before = (folder / "notebooks" / "tiny" / "tiny.ipynb").read_bytes()
    source = folder / "solutions" / "tiny" / "tiny.ipynb"
    made = nbformat.read(source, 4)
    made.metadata["nbproctor"] = {"imports": "0123"}
    write(source, made)
    Course(folder).release("tiny")
    assert (folder / "notebooks" / "tiny" / "tiny.ipynb").read_bytes() == before


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("2", ["02_two"]),
        ("02", ["02_two"]),
        ("1", ["01_one"]),
        ("10", ["10_ten"]),
        ("0", ["01_one", "02_two"]),
        ("3", ["3_three"]),
        ("02_two", ["02_two"]),
        ("", []),
        ("four", []),
    ],
)
def test_lessons_by_number(asked: str, found: list[str]) -> None:
    assert named(asked, ["10_ten", "02_two", "01_one", "3_three"]) == found


def test_what_is_not_written_yet_is_said() -> None:
    place = "in gain: raise NotImplementedError()"
    assert str(StudentError("NotImplementedError", "", place)) == "'gain' is not written yet"
    assert str(StudentError("NotImplementedError", "later", place)).startswith("your code raised")
    assert str(StudentError("KeyError", "", "")) == "your code raised KeyError"
