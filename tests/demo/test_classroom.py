"""The made-up class is what it says it is."""

import json
import re
from math import ceil
from pathlib import Path

import nbformat
import pytest

from nbproctor.classroom import BIG_BYTES, DAMAGE, Classroom, Student, hand_in, read_class
from nbproctor.config import Limits
from nbproctor.errors import ConfigError
from nbproctor.lesson import Lesson, load_lesson
from nbproctor.notebook import Submission, read_submission
from nbproctor.records import CellResult, Verdict

ROOT = Path(__file__).parents[2]
CLASS = ROOT / "autograder" / "class_demo"


@pytest.fixture(scope="module")
def classroom() -> Classroom:
    return read_class(CLASS)


@pytest.fixture(scope="module")
def release(classroom) -> Path:
    return ROOT / "notebooks" / classroom.lesson / f"{classroom.lesson}.ipynb"


@pytest.fixture(scope="module")
def lesson(classroom, release) -> Lesson:
    return load_lesson(ROOT / "solutions" / classroom.lesson / release.name, release)


@pytest.fixture
def submit(lesson, release, tmp_path):
    def submitted(student: Student) -> Submission:
        path = tmp_path / release.name
        path.write_bytes(hand_in(student, lesson, json.loads(release.read_bytes())))
        return read_submission(path, lesson, Limits())

    return submitted


def test_the_class_fits_its_lesson(classroom, lesson, submit):
    for student in classroom.students:
        submit(student)
        assert list(classroom.expected[student.name].cells) == [c.grade_id for c in lesson.graded]


def test_the_expected_scores_add_up(classroom, lesson):
    for student in classroom.students:
        expected = classroom.expected[student.name]
        given = sum(score or 0.0 for _, score in expected.cells.values())
        late = ceil(student.days_late)  # a point per day: class_demo/nbgrader_config.py
        assert expected.score == given - late, student.name
        for cell in lesson.graded:
            verdict, score = expected.cells[cell.grade_id]
            whole = {Verdict.PASSED: cell.points, Verdict.MANUAL: None}
            assert verdict is Verdict.PARTIAL or score == whole.get(verdict, 0.0)


def test_the_class_holds_no_answers_of_its_own(lesson):
    """Every line of a solution that says something stands in the lesson only."""
    text = (CLASS / "class.toml").read_text()
    answers = [c for c in lesson.cells if c.takes_answer and c.is_code]
    released = "\n".join(c.released for c in answers)
    solved = "\n".join(c.full for c in answers).splitlines()
    telling = {x.strip() for x in solved if len(x.strip()) > 40 and x.strip() not in released}
    assert telling
    assert not [line for line in telling if line in text]


def test_a_changed_text_must_occur_once(lesson):
    student = Student("zoe", "", edits=(("basic_block", "no such text", ""),))
    with pytest.raises(ConfigError, match="does not hold this text once"):
        hand_in(student, lesson, {"cells": []})


def test_an_exercise_must_exist(lesson):
    with pytest.raises(ConfigError, match="no exercise 'juggling'"):
        hand_in(Student("zoe", "", blank=("juggling",)), lesson, {"cells": []})


def test_big_files_are_big_and_old_ones_old(lesson, release):
    released = json.loads(release.read_bytes())
    big = hand_in(Student("zoe", "", damage=("50 MB of output",)), lesson, released)
    assert len(big) >= BIG_BYTES
    old = json.loads(hand_in(Student("zoe", "", damage=("notebook format 3",)), lesson, released))
    assert old["nbformat"] == 3 and "worksheets" in old
    older = hand_in(Student("zoe", "", damage=("notebook format 4.0",)), lesson, released)
    nbformat.validate(json.loads(older))
    assert b'"id"' not in older


@pytest.mark.parametrize("damage", sorted(set(DAMAGE) - {"no cells", "cut in half"}))
def test_damage_leaves_the_answers_readable(damage, submit):
    whole = submit(Student("zoe", ""))
    assert submit(Student("zoe", "", damage=(damage,))).answers == whole.answers


def test_differences_are_found():
    expected = read_class(CLASS).expected["ada"]
    results = tuple(
        CellResult(name, verdict, score, score or 0.0)
        for name, (verdict, score) in expected.cells.items()
    )
    assert expected.differences(results, expected.score) == {}
    first = results[0]
    failed = CellResult(first.grade_id, Verdict.FAILED, 0.0, first.points)
    assert set(expected.differences((failed, *results[1:]), 0.0)) == {first.grade_id, "score"}
    assert set(expected.differences(results[1:], expected.score)) == {first.grade_id}
    extra = CellResult("test_extra", Verdict.PASSED, 1.0, 1.0)
    assert set(expected.differences((*results, extra), expected.score)) == {"test_extra"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "ada"', 'name = "ada"\nmood = "good"'),
        ('damage = ["no cells"]', 'damage = ["eaten by the dog"]'),
        ('name = "ada"', 'name = "eve"'),
        ("[[student]]", "[[student"),
    ],
    ids=["unknown key", "unknown damage", "another name", "not TOML"],
)
def test_a_class_that_is_not_right_stops_the_demo(old, new, tmp_path):
    text = (CLASS / "class.toml").read_text()
    assert old in text
    (tmp_path / "class.toml").write_text(text.replace(old, new, 1))
    (tmp_path / "expected.csv").write_bytes((CLASS / "expected.csv").read_bytes())
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path))):
        read_class(tmp_path)
