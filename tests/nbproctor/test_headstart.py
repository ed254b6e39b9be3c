"""The first worker's guess: right where it can be, and nothing else where it cannot."""

from pathlib import Path

import pytest
from fixtures import TINY, notebook, release, write
from traitlets.config import Config

from nbproctor.crew.headstart import head_start, modules_of_lesson

COURSE = Config({"CourseDirectory": {"source_directory": "solutions", "release_directory": "r"}})


@pytest.fixture
def course(tmp_path: Path) -> Path:
    source = notebook(TINY.replace("import math", "import math, wave"))
    write(tmp_path / "solutions/02_two/02_two.ipynb", source)
    write(tmp_path / "r/02_two/02_two.ipynb", release(source))
    (tmp_path / "solutions/03_stale").mkdir()
    write(tmp_path / "solutions/03_stale/03_stale.ipynb", "no notebook")
    return tmp_path


@pytest.mark.parametrize("asked", ["02_two", "02", "2", "0"])
def test_a_lesson_is_found_as_the_command_finds_it(course: Path, asked: str) -> None:
    assert modules_of_lesson(course, COURSE, asked) == {"math", "wave"}


@pytest.mark.parametrize(
    "asked", ["", "4", "03", "**", "/", "../solutions/02", "[", "\0", "x" * 999]
)
def test_what_names_no_lesson_starts_nothing(course: Path, asked: str) -> None:
    with head_start(course, COURSE, asked) as first:
        assert first is None


def test_settings_that_are_wrong_are_said_elsewhere(course: Path) -> None:
    for wrong in (3, "nowhere"):
        config = Config({"CourseDirectory": {**COURSE.CourseDirectory, "source_directory": wrong}})
        with head_start(course, config, "02") as first:
            assert first is None


def test_folders_that_are_arranged_otherwise_are_not_guessed(course: Path) -> None:
    settings = {**COURSE.CourseDirectory, "directory_structure": "{student_id}"}
    assert modules_of_lesson(course, Config({"CourseDirectory": settings}), "02") == set()


def test_a_file_beside_the_lessons_is_none(course: Path) -> None:
    (course / "solutions" / "02").touch()
    assert modules_of_lesson(course, COURSE, "02") == {"math", "wave"}
