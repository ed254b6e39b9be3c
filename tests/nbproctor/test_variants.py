"""Exercises that students hold in variants: drawn, handed out, graded, and told apart."""

import json
import re
import shutil
import stat
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from courses import CONFIG, submit
from fixtures import cell_of, fill, lesson, notebook, own_cell, write

from nbproctor.building.source import read_source
from nbproctor.classes.classrun import grade_class
from nbproctor.classes.variants_release import hand_out, holdings, students_in, variant_lines
from nbproctor.classes.watching import Quiet
from nbproctor.commands.check import check_notebook
from nbproctor.commands.cli import main
from nbproctor.config import Limits
from nbproctor.course.lesson import Lesson
from nbproctor.course.notebook import HandedIn, answered, held_variant, parse_submission
from nbproctor.course.sealed import read_sealed
from nbproctor.course.variants import (
    Choice,
    choice_from,
    draw,
    in_text,
    mismatch,
    put_in,
    put_in_notebook,
)
from nbproctor.course.variants_secret import (
    HANDED_OUT,
    NO_SECRET,
    SECRET,
    make_secret,
    note_handed_out,
    read_secret,
    write_secret,
)
from nbproctor.crew.pool import LocalCrew
from nbproctor.errors import ConfigError, LessonError
from nbproctor.grading.parcels import job_from_parcel, job_to_parcel
from nbproctor.grading.work import Grader, Job, LessonPack
from nbproctor.results.exports import run_packing
from nbproctor.sandbox.plan import Level
from nbproctor.store.gradebook import Course
from nbproctor.store.places import LEDGER

VARIED = """\
# %% [markdown]
# Multiply by your factor, `FACTOR = 3`. A third of it is of no interest, nor is FACTOR == 3.

# %% solution times nbproctor={"variants": {"FACTOR": [3, 5, 7]}}
def times(x):
    \"\"\"x times FACTOR = 3.\"\"\"
    ### BEGIN SOLUTION
    FACTOR = 3
    return FACTOR * x
    ### END SOLUTION

# %% test test_times 2
FACTOR = 3
assert times(1) == FACTOR, f"times(1) is not {FACTOR}"
### BEGIN HIDDEN TESTS
assert times(4) == 4 * FACTOR, f"times(4) is not 4 * {FACTOR}"
### END HIDDEN TESTS

# %% solution power nbproctor={"variants": {"KIND": ["square", "cube"], "EXPONENT": [2, 3]}}
def power(x):
    \"\"\"The KIND = "square" of x, with EXPONENT = 2.\"\"\"
    ### BEGIN SOLUTION
    EXPONENT = 2
    return x**EXPONENT
    ### END SOLUTION

# %% test test_power 3
KIND = "square"
EXPONENT = 2
assert power(1) == 1
### BEGIN HIDDEN TESTS
assert power(2) == 2**EXPONENT, f"the {KIND} of 2"
### END HIDDEN TESTS
"""
KEY = b"a key of the tests, that is long enough"
CHOICES = (
    choice_from("times", {"FACTOR": [3, 5, 7]}),
    choice_from("power", {"KIND": ["square", "cube"], "EXPONENT": [2, 3]}),
)
FIVE = {"FACTOR": 5, "KIND": "square", "EXPONENT": 2}


def right(values: Mapping[str, Any]) -> dict[str, str]:
    """Answers to one variant, with its numbers in them."""
    return {
        "times": f"def times(x):\n    return {values['FACTOR']} * x",
        "power": f"def power(x):\n    return x ** {values['EXPONENT']}",
    }


def given(released: Any, values: Mapping[str, Any]) -> Any:
    """The notebook that somebody with these values was given."""
    return nbformat.from_dict(put_in_notebook(released, values))


# --- drawing


def test_what_is_drawn_is_the_same_in_every_version() -> None:
    """These students hold these variants for ever: a course is graded with the next version too."""
    held = {name: draw(CHOICES, KEY, "tiny", name) for name in ("ann", "bob", "cy", "Łukasz ☃")}
    assert {name: (v["FACTOR"], v["KIND"]) for name, v in held.items()} == PINNED


PINNED = {
    "ann": (5, "cube"),
    "bob": (7, "cube"),
    "cy": (5, "cube"),
    "Łukasz ☃": (5, "square"),
}


def test_without_a_secret_everybody_holds_what_the_lesson_says() -> None:
    expected = {"FACTOR": 3, "KIND": "square", "EXPONENT": 2}
    assert draw(CHOICES, None, "tiny", "ann") == expected == draw(CHOICES, None, "more", "bob")


def test_parameters_of_an_exercise_are_drawn_together_and_exercises_alone() -> None:
    held = [draw(CHOICES, KEY, "tiny", f"s{n}") for n in range(3000)]
    assert {(v["KIND"], v["EXPONENT"]) for v in held} == {("square", 2), ("cube", 3)}
    counts = Counter((v["FACTOR"], v["KIND"]) for v in held)
    assert len(counts) == 6
    assert all(400 < count < 600 for count in counts.values()), "500 each, 4.9 deviations"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((KEY, "tiny", "ann"), (KEY, "more", "ann")),
        ((KEY, "tiny", "ann"), (KEY[::-1], "tiny", "ann")),
        ((KEY, "tiny", "ann"), (KEY, "tinya", "nn")),
    ],
    ids=["another lesson", "another secret", "the same letters"],
)
def test_all_that_is_drawn_from_counts(one: tuple, other: tuple) -> None:
    many = (choice_from("times", {"FACTOR": list(range(1000))}),)
    assert draw(many, *one) != draw(many, *other)
    assert draw(many, *one) == draw(many, *one)


@pytest.mark.parametrize(
    ("lists", "says"),
    [
        ({}, "expected variants like"),
        ([3, 5], "expected variants like"),
        ({"factor": [3, 5]}, "capitals"),
        ({"FACTOR": [3]}, "at least two"),
        ({"FACTOR": 3}, "at least two"),
        ({"FACTOR": [3, "5"]}, "one kind"),
        ({"FACTOR": [3, True]}, "one kind"),
        ({"FACTOR": [[3], [5]]}, "a number, True or False, or a text"),
        ({"FACTOR": ['a "b"', "c"]}, "a number, True or False, or a text"),
        ({"FACTOR": [float("inf"), 1.0]}, "a number, True or False, or a text"),
        ({"FACTOR": [3, 3]}, "same values"),
        ({"FACTOR": [3, 5], "KIND": ["a", "b", "c"]}, "one length, got FACTOR 2, KIND 3"),
    ],
)
def test_what_is_no_variant_is_said(lists: object, says: str) -> None:
    with pytest.raises(ValueError, match=re.escape(says)):
        choice_from("times", lists)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("FACTOR = 3", "FACTOR = 5"),
        ("with `FACTOR = 3`. Then", "with `FACTOR = 5`. Then"),
        ("f(FACTOR=3, y=3)", "f(FACTOR=5, y=3)"),
        ("FACTOR  =  -3e-2;", "FACTOR  =  5;"),
        ("FACTOR == 3 and FACTOR = other", None),
        ("MY_FACTOR = 3, self.FACTOR = 3, FACTORS = 3", None),
        ("FACTOR = 3x3", None),
        ("FACTOR = 3.", "FACTOR = 5."),
    ],
)
def test_only_what_says_the_parameter_is_changed(text: str, found: str | None) -> None:
    assert put_in(text, {"FACTOR": 5}) == (found or text)


def test_texts_and_truths_stand_in_double_quotes_and_words() -> None:
    values = {"KIND": "cube", "DEEP": True, "RATE": 0.5}
    text = 'KIND = "square", DEEP = False, RATE = 0.25'
    assert put_in(text, values) == 'KIND = "cube", DEEP = True, RATE = 0.5'
    assert dict(in_text(put_in(text, values), list(values))) == values


def test_a_number_too_long_to_be_one_changes_nothing() -> None:
    assert in_text(f"FACTOR = {'9' * 6000}", ["FACTOR"])[0][1] == "9" * 6000


# --- the secret


def test_the_secret_is_for_its_owner_alone_and_made_once(tmp_path: Path) -> None:
    assert read_secret(tmp_path) is None
    path = make_secret(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = read_secret(tmp_path)
    assert first is not None and len(first) == 64
    with pytest.raises(ConfigError, match="has a secret already"):
        make_secret(tmp_path)
    assert read_secret(tmp_path) == first
    path.chmod(0o640)
    with pytest.raises(ConfigError, match=r"others may read(.|\n)*chmod 600(.|\n)*mode 640"):
        read_secret(tmp_path)


def test_a_short_secret_is_none(tmp_path: Path) -> None:
    write_secret(tmp_path, "short")
    with pytest.raises(ConfigError, match=r"too short(.|\n)*got: 5"):
        read_secret(tmp_path)


# --- a lesson in variants


def test_a_course_takes_no_other_secret_than_the_one_it_handed_out_with(tmp_path: Path) -> None:
    path = write_secret(tmp_path, KEY.decode())
    note_handed_out(tmp_path, KEY)
    assert read_secret(tmp_path) == KEY
    mark = tmp_path / HANDED_OUT
    assert stat.S_IMODE(mark.stat().st_mode) == 0o600
    assert KEY not in mark.read_bytes() and bytes.fromhex(mark.read_text())
    path.unlink()
    for step in (read_secret, make_secret):  # another one would only hide that it is gone
        with pytest.raises(ConfigError, match=rf"another secret(.|\n)*got: no {SECRET}"):
            step(tmp_path)
    write_secret(tmp_path, KEY.decode()[::-1])
    with pytest.raises(ConfigError, match=r"another secret(.|\n)*with another content"):
        read_secret(tmp_path)
    mark.unlink()  # a new course in the old folder
    assert read_secret(tmp_path) == KEY[::-1]


def test_text_stub_solution_and_test_follow_from_one_source(tmp_path: Path) -> None:
    loaded, _ = lesson(tmp_path, VARIED)
    varied = loaded.varied({"FACTOR": 7, "KIND": "cube", "EXPONENT": 3})
    texts = "\n".join(cell.full for cell in varied.cells)
    assert "`FACTOR = 7`" in texts and "nor is FACTOR == 3" in texts
    assert "FACTOR = 3" not in texts and texts.count("FACTOR = 7") == 4
    assert varied.by_grade_id["power"].released.count('KIND = "cube"') == 1
    assert [c.hidden_lines for c in varied.cells] == [c.hidden_lines for c in loaded.cells]
    assert loaded.varied({"FACTOR": 3}) is loaded
    assert loaded.varied({"FACTOR": 7}) is loaded.varied({"FACTOR": 7})
    assert varied.varied(loaded.variant).cells == loaded.cells


@pytest.mark.parametrize("values", [{"FACTOR": 4}, {"OTHER": 3}, {"KIND": "cube", "EXPONENT": 2}])
def test_a_variant_that_the_lesson_does_not_have_is_refused(tmp_path: Path, values: Any) -> None:
    loaded, _ = lesson(tmp_path, VARIED)
    with pytest.raises(LessonError, match="no such variant"):
        loaded.varied(values)


def test_metadata_that_are_no_variants_stop_a_lesson(tmp_path: Path) -> None:
    with pytest.raises(LessonError, match=r"lesson's variants(.|\n)*at least two"):
        lesson(tmp_path, VARIED.replace("[3, 5, 7]", "[3]"))
    with pytest.raises(LessonError, match="vary by one name"):
        lesson(tmp_path, VARIED.replace('"EXPONENT": [2, 3]', '"FACTOR": [2, 3]'))


SOURCE = """\
# ---
# jupyter:
#   lesson:
#     title: Times
#     minutes: 5
#     points: 2
#     goals: [one, two, three]
#     needs: [nothing]
# ---

# %% [markdown]
# # 01 · Times
#
# **5 minutes · 2 points** Your factor is `FACTOR = 3`.

# %% nbgrader={ANSWER} nbproctor={"variants": {"FACTOR": [3, 5]}}
def times(x):
    ### BEGIN SOLUTION
    FACTOR = 3
    return FACTOR * x
    ### END SOLUTION

# %% nbgrader={TEST}
FACTOR = 3
assert times(1) == FACTOR
### BEGIN HIDDEN TESTS
assert times(2) == 2 * FACTOR
### END HIDDEN TESTS
"""
ANSWER = {"grade": False, "locked": False, "solution": True, "task": False, "schema_version": 3}
TEST = {**ANSWER, "grade": True, "locked": True, "solution": False, "points": 2}


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("[3, 5]", "[3]", r"cell 2 \(times\): expected at least two values"),
        ("`FACTOR = 3`", "`FACTOR = 5`", r"cell 1: expected FACTOR = 3, the first"),
        ("    FACTOR = 3\n", "    FACTOR = 4\n", r"cell 2 \(times\): expected FACTOR = 3"),
        ("FACTOR = 3\nassert", "assert", r"times: expected the visible part of its test to say"),
        ("`FACTOR = 3`", "a number", r"times: expected the text or the stub to say `FACTOR = 3`"),
        ('"variants"', '"variant"', r"cell 2 \(times\): expected nbproctor="),
    ],
)
def test_a_source_that_says_its_variants_otherwise_is_refused(
    tmp_path: Path, old: str, new: str, says: str
) -> None:
    cells = {"ANSWER": {**ANSWER, "grade_id": "times"}, "TEST": {**TEST, "grade_id": "test_times"}}
    text = SOURCE
    for name, metadata in cells.items():
        text = text.replace(f"{{{name}}}", json.dumps(metadata))
    path = write(tmp_path / "01_times" / "01_times.py", text)
    assert read_source(path).name == "01_times"
    assert text.count(old) == 1
    write(path, text.replace(old, new))
    with pytest.raises(LessonError, match=says):
        read_source(path)


# --- reading what was handed in


def read(loaded: Lesson, made: Any, values: Mapping[str, Any]) -> Any:
    return parse_submission(HandedIn(json.dumps(made).encode(), "", values), loaded, Limits())


def test_another_students_notebook_is_noticed_and_its_stub_is_no_answer(tmp_path: Path) -> None:
    loaded, released = lesson(tmp_path, VARIED)
    found = read(loaded, given(released, {**FIVE, "FACTOR": 7}), FIVE)
    told = "'times' was given out with FACTOR = 5; what was handed in says FACTOR = 7."
    assert found.notes == (told,)
    assert not answered(loaded.varied(FIVE).by_grade_id["times"], found)
    own = read(loaded, fill(given(released, FIVE), right(FIVE)), FIVE)
    assert own.notes == () and own.others == {} and own.variant == FIVE
    assert answered(loaded.varied(FIVE).by_grade_id["times"], own)


def test_an_answer_copied_into_ones_own_notebook_is_noticed_too(tmp_path: Path) -> None:
    loaded, released = lesson(tmp_path, VARIED)
    theirs = cell_of(given(released, {**FIVE, "FACTOR": 7}), "times")["source"]
    found = read(loaded, fill(given(released, FIVE), {"times": theirs + "\n# done"}), FIVE)
    assert found.others == {"FACTOR": 7}
    assert mismatch(CHOICES[0], found.variant, found.others) in found.notes


def test_the_learners_own_cells_and_values_that_nobody_holds_are_nobodys(tmp_path: Path) -> None:
    loaded, released = lesson(tmp_path, VARIED)
    made = fill(given(released, FIVE), {**right(FIVE), "power": "EXPONENT = 9"})
    made.cells.append(own_cell("FACTOR = 7"))
    assert read(loaded, made, FIVE).others == {}


def test_the_same_answers_in_two_variants_are_two_results_in_the_ledger(tmp_path: Path) -> None:
    from nbproctor.store.ledger import digest_of_submission

    loaded, released = lesson(tmp_path, VARIED)
    made = fill(given(released, FIVE), right(FIVE))
    digests = {digest_of_submission(read(loaded, made, {**FIVE, "FACTOR": n})) for n in (3, 5, 7)}
    assert len(digests) == 3


def test_a_job_takes_its_variant_along_and_no_secret() -> None:
    job = Job("ann", "tiny", HandedIn(b"{}", "", FIVE))
    header, parts = job_to_parcel(job)
    assert job_from_parcel(json.loads(json.dumps(header)), parts) == job
    assert set(header) == {"student", "notebook", "unreadable", "variant"}


@pytest.mark.parametrize("data", [b"", b"{", b'{"cells": [7, {"metadata": 7, "source": []}]}'])
def test_what_is_no_notebook_holds_the_default(tmp_path: Path, data: bytes) -> None:
    loaded, _ = lesson(tmp_path, VARIED)
    assert held_variant(HandedIn(data), loaded, Limits()) == loaded.variant


# --- grading


@pytest.fixture(scope="module")
def varied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a lesson in variants, released, with a secret."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "nbgrader_config.py").write_text(CONFIG.read_text())
    write(folder / "solutions" / "tiny" / "tiny.ipynb", notebook(VARIED))
    Course(folder).release("tiny")
    write_secret(folder, KEY.decode())
    return folder


def handed_out(folder: Path) -> Any:
    return nbformat.read(folder / "notebooks" / "tiny" / "tiny.ipynb", 4)


def somebody_with(**wanted: object) -> str:
    """A student who holds these values."""
    for n in range(1000):
        held = draw(CHOICES, KEY, "tiny", f"s{n}")
        if all(held[name] == value for name, value in wanted.items()):
            return f"s{n}"
    raise AssertionError(f"nobody holds {wanted}")


def with_another_secret(folder: Path, to: Path) -> Course:
    """A copy of a course as it is now, with another secret."""
    shutil.copytree(folder, to, ignore=shutil.ignore_patterns(SECRET))
    write_secret(to, KEY.decode()[::-1])
    return Course(to)


@pytest.mark.slow
def test_every_variant_is_graded_by_its_own_tests(varied: Path) -> None:
    """Also as a node of a cluster does it, which is told values and never a secret."""
    paths = [varied / d / "tiny" / "tiny.ipynb" for d in ("solutions", "notebooks")]
    pack, released = LessonPack.read(*paths, Limits(), Level.REDUCED), handed_out(varied)
    with Grader(pack) as grader:
        for values in ({**FIVE, "FACTOR": n} for n in (3, 5, 7)):
            own = fill(given(released, values), right(values))
            for held in ({**FIVE, "FACTOR": n} for n in (3, 5, 7)):
                handed_in = HandedIn(json.dumps(own).encode(), "", held)
                times, power = grader.grade(handed_in).report.results
                assert power.score == 3.0
                assert times.score == (2.0 if held == values else 0.0)
                if held != values:
                    assert f"times(1) is not {held['FACTOR']}" in times.message
                    told = f"given out with FACTOR = {held['FACTOR']}"
                    assert (
                        told in times.message and f"FACTOR = {values['FACTOR']}." in times.message
                    )


@pytest.mark.slow
def test_a_parameter_changed_in_the_notebook_changes_no_mark(varied: Path) -> None:
    released, held = handed_out(varied), {**FIVE, "FACTOR": 5}
    theirs = {**FIVE, "FACTOR": 7}
    cheat = fill(given(released, theirs), right(theirs))
    cell_of(cheat, "times").metadata["nbproctor"] = {"variants": {"FACTOR": [7, 3, 5]}}
    cheat.cells.insert(0, own_cell("FACTOR = 7\nimport builtins\nbuiltins.FACTOR = 7"))
    paths = [varied / d / "tiny" / "tiny.ipynb" for d in ("solutions", "notebooks")]
    with Grader(LessonPack.read(*paths, Limits(), Level.REDUCED)) as grader:
        graded = grader.grade(HandedIn(json.dumps(cheat).encode(), "", held))
    assert [r.score for r in graded.report.results] == [0.0, 3.0]
    assert graded.report.variant == held
    cells = graded.notebook["cells"]
    (test,) = [
        c for c in cells if c["metadata"].get("nbgrader", {}).get("grade_id") == "test_times"
    ]
    assert test["source"].startswith("FACTOR = 5\n") and "HIDDEN" not in test["source"]


def grade(folder: Path, *students: str) -> dict[str, list[float | None]]:
    """Grade with `nbproctor grade`; scores in order, by student."""
    grade_class(Course(folder), "tiny", lambda packs: LocalCrew(packs, 2), Quiet(), students)
    return scores(folder)


def scores(folder: Path) -> dict[str, list[float | None]]:
    """Scores of both tests, by student."""
    found = {score.student: score.cells for score in Course(folder).scores("tiny")}
    return {name: [cells["test_times"], cells["test_power"]] for name, cells in found.items()}


@pytest.mark.slow
def test_a_class_is_graded_alike_by_both_commands_and_again_with_another_secret(
    varied: Path, capsys: pytest.CaptureFixture
) -> None:
    three, five = somebody_with(FACTOR=3, KIND="cube"), somebody_with(FACTOR=5, KIND="square")
    released = handed_out(varied)
    for student, owner in ((three, three), (five, five), ("copier", three)):
        values = draw(CHOICES, KEY, "tiny", owner)
        submit(varied, student, fill(given(released, values), right(values)))
    assert draw(CHOICES, KEY, "tiny", "copier") != draw(CHOICES, KEY, "tiny", three)
    by_us = grade(varied)
    assert by_us[three] == by_us[five] == [2.0, 3.0]
    assert sum(score or 0 for score in by_us["copier"]) < 5.0
    path = varied / "autograded" / "copier" / "tiny" / "tiny.ipynb"
    about = read_sealed(path).about
    assert about["variant"] == draw(CHOICES, KEY, "tiny", "copier")
    assert any("was given out with" in note for note in about["notes"])
    Course(varied).autograde("tiny")
    assert scores(varied) == by_us
    assert KEY not in path.read_bytes() and KEY not in (varied / LEDGER).read_bytes()
    # Whoever holds something else now is graded again, and only they.
    grade(varied)  # what nbgrader's command wrote is not the ledger's: once more
    (varied / SECRET).unlink()
    (varied / HANDED_OUT).unlink(missing_ok=True)
    try:
        assert main(["grade", "tiny", "--course", str(varied), "--quiet"]) == 0
        assert f"there is no {SECRET}" in "".join(capsys.readouterr())
        assert read_sealed(path).about["variant"]["FACTOR"] == 3
    finally:
        write_secret(varied, KEY.decode())
    assert grade(varied) == by_us


@pytest.mark.slow
def test_nbgraders_own_command_takes_no_other_secret_and_says_that_there_is_none(
    varied: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "course"
    shutil.copytree(varied, folder, ignore=shutil.ignore_patterns(".nbproctor", "[sa]*ed"))
    five = somebody_with(FACTOR=5, KIND="square")
    submit(folder, five, fill(given(handed_out(folder), FIVE), right(FIVE)))

    def autograde() -> dict[str, Any]:
        found: dict[str, Any] = Course(folder).api.autograde("tiny", "*", force=False)
        return found

    assert autograde()["success"] and scores(folder)[five] == [2.0, 3.0]
    secret = (folder / SECRET).rename(tmp_path / "aside")
    answer = autograde()  # nobody said yet that variants were handed out: graded as for all
    assert answer["success"] and NO_SECRET in answer["log"]
    assert scores(folder)[five] == [0.0, 3.0]
    note_handed_out(folder, KEY)
    for spoil in (lambda: None, lambda: write_secret(folder, "some other secret than that")):
        spoil()
        answer = autograde()
        assert not answer["success"] and "Traceback" not in answer["log"]
        assert "variants were handed out with another secret" in answer["log"]
        assert main(["grade", "tiny", "--course", str(folder)]) == 2
        assert "variants were handed out with another secret" in capsys.readouterr().err
        assert scores(folder)[five] == [0.0, 3.0]
    secret.rename(folder / SECRET)
    assert autograde()["success"] and scores(folder)[five] == [2.0, 3.0]


@pytest.mark.slow
def test_who_checks_their_own_work_is_checked_by_their_own_notebook(varied: Path) -> None:
    released, seven = handed_out(varied), {**FIVE, "FACTOR": 7}
    path = write(varied / "mine.ipynb", fill(given(released, seven), right(seven)))
    assert check_notebook(varied, "tiny", path, Limits()).score == 5.0
    held_by = somebody_with(FACTOR=3, KIND="square")
    report = check_notebook(varied, "tiny", path, Limits(), student=held_by)
    assert [result.score for result in report.results] == [0.0, 3.0]


def test_an_autograder_that_does_not_know_students_is_refused(varied: Path) -> None:
    with pytest.raises(ConfigError, match="who holds which variant"):
        run_packing(Course(varied), "tiny", varied / "autograder.zip")


# --- handing out


def test_every_student_is_handed_out_a_notebook_of_their_own(varied: Path, tmp_path: Path) -> None:
    students = [f"s{n}" for n in range(12)]
    hand_out(Course(varied), "tiny", students, tmp_path)
    with pytest.raises(ConfigError, match="another secret"):
        hand_out(with_another_secret(varied, tmp_path / "course"), "tiny", students, tmp_path)
    held = {h.student: h.values["tiny"] for h in holdings(Course(varied), "tiny", students)}
    assert len({json.dumps(values) for values in held.values()}) > 3
    released = handed_out(varied)
    for student, values in held.items():
        path = tmp_path / student / "tiny" / "tiny.ipynb"
        made = nbformat.read(path, 4)
        nbformat.validate(made)
        assert [c.source for c in made.cells] == [c.source for c in given(released, values).cells]
        assert [c.id for c in made.cells] == [c.id for c in released.cells]
        assert KEY not in path.read_bytes() and b"HIDDEN" not in path.read_bytes()
    hand_out(Course(varied), "tiny", students, tmp_path)  # the same again is no harm
    (tmp_path / "s3" / "tiny" / "tiny.ipynb").write_text("worked in")
    with pytest.raises(ConfigError, match=r"there already(.|\n)*s3"):
        hand_out(Course(varied), "tiny", students, tmp_path)
    assert (tmp_path / "s3" / "tiny" / "tiny.ipynb").read_text() == "worked in"


def test_what_cannot_be_written_is_said(varied: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for to in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"cannot be made(.|\n)*where: .*/file"):
            hand_out(Course(varied), "tiny", ["ann"], to)
    with pytest.raises(ConfigError, match="the secret cannot be written"):
        make_secret(tmp_path / "nowhere")


def test_archives_hold_the_same_and_are_the_same_each_time(varied: Path, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        hand_out(Course(varied), "tiny", ["ann"], tmp_path / folder, zipped=True)
    one, two = (tmp_path / folder / "ann" / "tiny.zip" for folder in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    hand_out(Course(varied), "tiny", ["ann"], tmp_path)
    with zipfile.ZipFile(one) as archive:
        assert archive.namelist() == ["tiny/tiny.ipynb"]
        plain = (tmp_path / "ann" / "tiny" / "tiny.ipynb").read_bytes()
        assert archive.read("tiny/tiny.ipynb") == plain


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ann\n\nann\n", r"stands twice\n  got: ann"),
        ("../ann\n", "folder's name"),
        (".ann\n", "folder's name"),
        ("a\x1bnn\n", "folder's name"),
        (f"{'n' * 300}\n", "folder's name"),
        ("\n", "there is no student"),
    ],
)
def test_a_roster_that_cannot_be_is_refused(
    varied: Path, tmp_path: Path, text: str, says: str
) -> None:
    roster = write(tmp_path / "roster.txt", text)
    with pytest.raises(ConfigError, match=says):
        students_in(Course(varied), roster)


def test_commands_say_who_holds_what(
    varied: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    roster = write(tmp_path / "roster.txt", "ann\nbob\n")
    at = ["--course", str(varied), "--students", str(roster)]
    assert main(["variants", "tiny", *at]) == 0
    held = draw(CHOICES, KEY, "tiny", "ann")
    said = f'FACTOR = {held["FACTOR"]}, EXPONENT = {held["EXPONENT"]}, KIND = "{held["KIND"]}"'
    printed = capsys.readouterr().out
    assert f"ann  {said}\n" in printed
    assert main(["release", "tiny", *at, "--to", str(tmp_path / "out")]) == 0
    assert "2 students" in capsys.readouterr().out
    assert (tmp_path / "out" / "bob" / "tiny" / "tiny.ipynb").is_file()
    assert main(["variants", "--course", str(varied)]) == 2
    assert main(["variants", "--new-secret", "--course", str(varied)]) == 2
    assert "has a secret already" in capsys.readouterr().err


def test_without_a_secret_nothing_is_handed_out(varied: Path, tmp_path: Path) -> None:
    folder = tmp_path / "course"
    shutil.copytree(varied, folder, ignore=shutil.ignore_patterns(".nbproctor", SECRET))
    with pytest.raises(ConfigError, match="nbproctor variants --new-secret"):
        hand_out(Course(folder), "tiny", ["ann"], tmp_path)
    (only,) = holdings(Course(folder), "tiny", ["ann"])
    assert only.values["tiny"]["FACTOR"] == 3


def test_lines_count_how_often_each_variant_was_drawn(varied: Path) -> None:
    lines = list(variant_lines(holdings(Course(varied), "tiny", [f"s{n}" for n in range(40)])))
    counts = [int(line.split()[0]) for line in lines[lines.index("") + 1 :]]
    assert sum(counts) == 40 and 3 <= len(counts) <= 6


def test_choices_compare_by_what_they_say() -> None:
    one = CHOICES[1]
    assert one == replace(one) and isinstance(one, Choice)
    assert one.row_with({"KIND": "cube"}) == {"KIND": "cube", "EXPONENT": 3}
    assert one.row_with({"KIND": "cube", "EXPONENT": 2}) is None
