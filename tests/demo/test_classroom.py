"""The made-up class is what it says it is."""

import json
import re
from math import ceil
from pathlib import Path

import nbformat
import pytest

from nbproctor.classes.classroom import (
    BIG_BYTES,
    DAMAGE,
    Classroom,
    Student,
    hand_in,
    read_class,
    read_classes,
)
from nbproctor.config import Limits
from nbproctor.course.lesson import Lesson, Role, load_lesson
from nbproctor.course.notebook import Submission, read_submission
from nbproctor.course.records import CellResult, Verdict
from nbproctor.errors import ConfigError

ROOT = Path(__file__).parents[2]
CLASSES = ROOT / "autograder" / "class_demo"
LESSONS = sorted(path.parent.name for path in ROOT.glob("solutions/0[1-9]_*/*.py"))
MODEL = "02_residual_block"  # its class is the largest one
CLASS = CLASSES / MODEL


def released(name: str) -> Path:
    return ROOT / "notebooks" / name / f"{name}.ipynb"


def loaded(name: str) -> Lesson:
    return load_lesson(ROOT / "solutions" / name / f"{name}.ipynb", released(name))


@pytest.fixture(params=LESSONS)
def classroom(request) -> Classroom:
    return read_class(CLASSES / request.param)


@pytest.fixture(scope="module")
def release() -> Path:
    return released(MODEL)


@pytest.fixture(scope="module")
def lesson() -> Lesson:
    return loaded(MODEL)


@pytest.fixture
def submit(lesson, release, tmp_path):
    def submitted(student: Student) -> Submission:
        path = tmp_path / release.name
        path.write_bytes(hand_in(student, lesson, json.loads(release.read_bytes())))
        return read_submission(path, lesson, Limits())

    return submitted


def test_every_lesson_but_the_start_has_a_class():
    assert [classroom.lesson for classroom in read_classes(CLASSES)] == LESSONS


def test_lessons_are_taken_in_the_order_asked_for():
    asked = LESSONS[::-1][:2]
    assert [classroom.lesson for classroom in read_classes(CLASSES, asked)] == asked
    (second,) = read_classes(CLASSES, ["02"])
    assert second.lesson == MODEL


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no single made-up class"):
        read_classes(tmp_path)


def test_the_class_fits_its_lesson(classroom):
    lesson, notebook = loaded(classroom.lesson), released(classroom.lesson)
    text = json.loads(notebook.read_bytes())
    for student in classroom.students:
        assert hand_in(student, lesson, text)
        assert list(classroom.expected[student.name].cells) == [c.grade_id for c in lesson.graded]


def test_a_class_has_students_of_every_kind(classroom):
    """Right on time, right and late, half done, wrong, a file of another kind, no answer at all."""
    lesson = loaded(classroom.lesson)
    most = sum(cell.points for cell in lesson.graded if cell.role is Role.TEST)
    expected = classroom.expected
    by_kind = {
        "right": [s for s in classroom.students if expected[s.name].score == most],
        "late": [s for s in classroom.students if s.days_late],
        "half done": [s for s in classroom.students if s.blank and "all" not in s.blank],
        "wrong": [s for s in classroom.students if s.edits and expected[s.name].score < most],
        "another file": [s for s in classroom.students if s.damage],
        "not answered": [s for s in classroom.students if "all" in s.blank],
    }
    assert [kind for kind, students in by_kind.items() if not students] == []


def test_every_exercise_is_missed_by_somebody(classroom):
    """Each test fails an answer: a demonstration in which all pass shows little."""
    tests = [cell for cell in loaded(classroom.lesson).graded if cell.role is Role.TEST]
    for cell in tests:
        verdicts = {e.cells[cell.grade_id][0] for e in classroom.expected.values()}
        assert verdicts & {Verdict.FAILED, Verdict.PARTIAL, Verdict.TIMED_OUT}, cell.grade_id
        assert Verdict.PASSED in verdicts, cell.grade_id


def test_the_expected_scores_add_up(classroom):
    lesson = loaded(classroom.lesson)
    for student in classroom.students:
        expected = classroom.expected[student.name]
        given = sum(score or 0.0 for _, score in expected.cells.values())
        late = ceil(student.days_late)  # a point per day: class_demo/nbgrader_config.py
        assert expected.score == given - late, student.name
        for cell in lesson.graded:
            verdict, score = expected.cells[cell.grade_id]
            whole = {Verdict.PASSED: cell.points, Verdict.MANUAL: None}
            assert verdict is Verdict.PARTIAL or score == whole.get(verdict, 0.0)


def test_the_class_holds_no_answers_of_its_own(classroom):
    """Every line of a solution that says something stands in the lesson only."""
    lesson = loaded(classroom.lesson)
    text = (CLASSES / lesson.name / "class.toml").read_text()
    answers = [c for c in lesson.cells if c.takes_answer and c.is_code]
    given = "\n".join(c.released for c in answers)
    solved = "\n".join(c.full for c in answers).splitlines()
    telling = {x.strip() for x in solved if len(x.strip()) > 40 and x.strip() not in given}
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
    text = json.loads(release.read_bytes())
    big = hand_in(Student("zoe", "", damage=("50 MB of output",)), lesson, text)
    assert len(big) >= BIG_BYTES
    old = json.loads(hand_in(Student("zoe", "", damage=("notebook format 3",)), lesson, text))
    assert old["nbformat"] == 3 and "worksheets" in old
    older = hand_in(Student("zoe", "", damage=("notebook format 4.0",)), lesson, text)
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
