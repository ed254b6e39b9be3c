"""What is read of a submission: text of solution cells and of the learner's own, nothing else."""

import copy
import math
from typing import Any

import pytest
from fixtures import RIGHT, TINY, cell_of, fill, lesson, own_cell, write

from nbproctor.config import Limits, limits_from
from nbproctor.course.lesson import load_lesson
from nbproctor.course.notebook import Submission, plan, read_submission
from nbproctor.errors import ConfigError, LessonError


def read(tmp_path: Any, made: Any, **limits: float) -> Submission:
    loaded, _ = lesson(tmp_path / "again")
    path = write(tmp_path / "submitted.ipynb", made)
    return read_submission(path, loaded, limits_from(limits))


def test_answers_are_matched_by_grade_id(tmp_path: Any) -> None:
    _, released = lesson(tmp_path)
    submission = read(tmp_path, fill(released, RIGHT))
    assert submission.answers == RIGHT
    assert submission.extras == () and submission.notes == ()


def test_own_cells_stay_behind_the_cell_they_followed(tmp_path: Any) -> None:
    loaded, released = lesson(tmp_path)
    made = fill(released, RIGHT)
    made.cells.insert(2, own_cell("mine = 1"))
    made.cells.insert(0, own_cell("first = 1"))
    made.cells.append(own_cell("*note*", "markdown"))
    planned = plan(loaded, read(tmp_path, made))
    texts = [(p.text.split("\n")[0], p.runs) for p in planned]
    assert texts[0] == ("first = 1", True)
    assert texts[texts.index(("def double(x):", True)) + 1] == ("mine = 1", True)
    assert texts[-1] == ("*note*", False)


def test_answered_copies_run_in_order_and_the_last_counts(tmp_path: Any) -> None:
    _, released = lesson(tmp_path)
    made = fill(released, RIGHT)
    later = copy.deepcopy(cell_of(made, "double"))
    later["source"] = "def double(x): return x + x"
    made.cells += [later, copy.deepcopy(cell_of(released, "double"))]
    submission = read(tmp_path, made)
    assert submission.answers["double"] == "def double(x): return x + x"
    assert [e.text for e in submission.extras] == [RIGHT["double"]]
    assert "3 cells claim to be 'double'" in submission.notes[0]


def test_foreign_and_missing_ids_are_noted(tmp_path: Any) -> None:
    _, released = lesson(tmp_path)
    made = fill(released, RIGHT)
    cell = cell_of(made, "double")
    cell.metadata["nbgrader"]["grade_id"] = "other"
    cell["id"] = "unknown"
    submission = read(tmp_path, made)
    assert submission.extras[0].text == RIGHT["double"]
    assert [n for n in submission.notes if "no cell 'other'" in n]
    assert [n for n in submission.notes if "'double' is missing" in n]


def test_text_is_made_harmless(tmp_path: Any) -> None:
    _, released = lesson(tmp_path)
    made = fill(released, {**RIGHT, "double": "x = '\ud800\x00\x1b[31m'\tand\n"})
    answer = read(tmp_path, made).answers["double"]
    answer.encode()
    assert "\x00" not in answer and "\x1b" not in answer and "\tand\n" in answer


def test_too_much_is_not_read(tmp_path: Any) -> None:
    _, released = lesson(tmp_path)
    made = fill(released, {**RIGHT, "double": "x" * 5000})
    submission = read(tmp_path, made, max_cell_bytes=1000)
    assert "double" not in submission.answers
    assert "more than 100" in read(tmp_path, made, max_notebook_bytes=100).unreadable
    assert read(tmp_path, made, max_cells=1).answers == {}


def test_a_missing_file_is_unreadable(tmp_path: Any) -> None:
    loaded, _ = lesson(tmp_path)
    submission = read_submission(tmp_path / "nowhere.ipynb", loaded, Limits())
    assert submission.unreadable == "the file cannot be opened (No such file or directory)"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cell_timeout": 3}, "unknown limits: cell_timeout"),
        ({"cell_timeout_s": 0}, "cell_timeout_s is not usable"),
        ({"cell_timeout_s": "3"}, "cell_timeout_s is not usable"),
        ({"max_cells": True}, "max_cells is not usable"),
        ({"max_cells": 2000.0}, "max_cells is not usable\n  expected: a whole number from 1"),
        ({"max_memory_bytes": 2e9}, "max_memory_bytes is not usable"),
        ({"max_memory_bytes": 1 << 60}, "max_memory_bytes is not usable"),
        ({"test_timeout_s": math.nan}, "test_timeout_s is not usable"),
        ({"test_timeout_s": math.inf}, "to 86,400"),
        ({"call_timeout_s": -1}, "call_timeout_s is not usable"),
        ({"gpus": -1}, "gpus is not usable\n  expected: a whole number from 0"),
    ],
)
def test_unusable_limits_are_refused(settings: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        limits_from(settings)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("assert double(2) == 4", "assert double(unknown) == 4", "unknown"),
        ("# %% test test_half", "# %% test test_double", "a grade_id stands twice"),
        ("return 2 * x", "return 2 *", "is not Python"),
        ("# %% test test_half 3", "# %% [markdown] test test_half 3", "must be a code cell"),
    ],
)
def test_a_lesson_that_cannot_be_graded_is_refused(
    tmp_path: Any, old: str, new: str, said: str
) -> None:
    with pytest.raises(LessonError, match=said):
        lesson(tmp_path, TINY.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "got"),
    [
        ("# %% solution half", "# %%\nmore = 1\n\n# %% solution half", "got: 7 cells"),
        ("# %%\nimport math\n\n", "", "got: 5 cells"),
        ("import math", "import cmath", "got: another cell(.|\n)*, cell 1"),
        ("solution half", "solution third", "got: another cell(.|\n)*, cell 4"),
    ],
)
def test_a_stale_release_is_refused(tmp_path: Any, old: str, new: str, got: str) -> None:
    lesson(tmp_path)
    _, released = lesson(tmp_path / "new", TINY.replace(old, new))
    with pytest.raises(LessonError, match=f"release it again(.|\n)*{got}"):
        load_lesson(
            tmp_path / "source" / "tiny.ipynb", write(tmp_path / "r" / "tiny.ipynb", released)
        )


def test_a_header_and_a_footer_belong_to_the_lesson(tmp_path: Any) -> None:
    """nbgrader puts them around the source's cells when it releases."""
    loaded, _ = lesson(tmp_path)
    _, released = lesson(tmp_path / "new", f"# %%\nNAME = ''\n\n{TINY}\n# %% [markdown]\n# Bye.\n")
    path = write(tmp_path / "release" / "tiny.ipynb", released)
    around = load_lesson(tmp_path / "source" / "tiny.ipynb", path)
    assert [cell.full for cell in around.cells[1:-1]] == [cell.full for cell in loaded.cells]
    assert (around.cells[0].full, around.cells[-1].full) == ("NAME = ''", "Bye.")
    with pytest.raises(LessonError, match="is missing"):
        load_lesson(tmp_path / "nowhere.ipynb", path)


def test_a_missing_release_is_refused(tmp_path: Any) -> None:
    lesson(tmp_path)
    with pytest.raises(LessonError, match="is missing"):
        load_lesson(tmp_path / "source" / "tiny.ipynb", tmp_path / "nowhere.ipynb")


def test_tests_see_the_answers_above_them(tmp_path: Any) -> None:
    loaded, _ = lesson(tmp_path)
    half = loaded.by_grade_id["test_half"]
    assert [c.grade_id for c in loaded.answers_tested_by(half)] == ["half"]
    assert loaded.names_needed_by(half) == ["half"]
    assert loaded.learner_names == {"double", "half"}
    assert loaded.judge_setup == ("import math",)


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("kept = double; del double; double = kept", ["double"]),
        ("double = 3; assert double == 3", []),
        ("del double", ["double"]),
        ("def check(): return double(1)", ["double"]),
        ("assert [double(n) for n in (1, 2)]", ["double"]),
    ],
)
def test_a_name_is_the_learners_until_a_test_binds_it(
    tmp_path: Any, line: str, needed: list[str]
) -> None:
    before, _, after = TINY.partition("assert double(2) == 4")
    rest = after.partition("# %% solution half")[2]
    loaded, _ = lesson(tmp_path, f"{before}{line}\n\n# %% solution half{rest}")
    assert loaded.names_needed_by(loaded.by_grade_id["test_double"]) == needed


def test_all_text_together_has_a_limit(tmp_path: Any) -> None:
    _, released = lesson(tmp_path)
    made = fill(released, RIGHT)
    made.cells += [own_cell("# " + "x" * 900, "markdown") for _ in range(20)]
    submission = read(tmp_path, made, max_text_bytes=10_000)
    assert submission.answers == RIGHT and 8 < len(submission.extras) < 12
    assert "not all was read" in submission.notes[0]


def test_a_cell_that_is_too_long_takes_no_room_from_others(tmp_path: Any) -> None:
    _, released = lesson(tmp_path)
    made = fill(released, RIGHT)
    made.cells.insert(1, own_cell("# " + "x" * 9_000))
    limits = {"max_text_bytes": 9_000, "max_cell_bytes": 8_000}
    submission = read(tmp_path, made, **limits)
    assert submission.answers == RIGHT
    assert submission.notes == ("A cell of the learner's own is too long and was not read.",)
