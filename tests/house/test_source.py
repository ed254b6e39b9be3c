"""What is asked of a lesson source: one problem a time, on the tiny course's first lesson."""

from pathlib import Path

import pytest

from nbproctor.building.source import find_sources, read_source
from nbproctor.errors import BuildError, LessonError


def lesson_file(root: Path) -> Path:
    return root / "solutions/01_counting/01_counting.py"


# What is changed in the source -> what the error says. "" as old text means: at the end.
PROBLEMS = {
    "no header": ("#   lesson:\n", "#   other:\n", "header: expected a mapping `lesson`"),
    "key missing": ("#     needs: [Fingers.]\n", "", "header: `needs` is missing"),
    "key unknown": (
        "#     minutes: 10\n",
        "#     minutes: 10\n#     mood: calm\n",
        "unknown key `mood`",
    ),
    "no title": ("title: Counting", "title: ''", "expected `title` to be a text"),
    "minutes": ("minutes: 10\n", "minutes: ten\n", "expected `minutes` to be a whole number"),
    "two goals": ("[Count to two., Count to three., Count on.]", "[A., B.]", "a list of 3 to 6"),
    "points": ("points: 5\n", "points: 6\n", "points is 6, the graded cells sum to 5"),
    "other title": ("# # 01 · Counting", "# # 1: Counting", "begins with '# 01 · Counting'"),
    "minutes unsaid": ("# 10 minutes, 5 points.", "# 5 points.", "say minutes (10)"),
    "points unsaid": ("# 10 minutes, 5 points.", "# 10 minutes.", "say points (5)"),
    "tag": ('["demo"]', '["dmeo"]', "cell 9: unknown tag 'dmeo', known: demo, judge, timing"),
    "id twice": ('"grade_id": "test_two"', '"grade_id": "two"', "cell 7 (two): the grade_id"),
    "id odd": ('"grade_id": "question_why"', '"grade_id": "Why?"', "expected a grade_id like"),
    "question name": ('"question_why"', '"why_two"', "expected a written question to be named"),
    "test of nothing": ('"test_two"', '"test_three"', "is named after its solution cell: test_two"),
    "no points": ('"points": 3', '"points": 0', "cell 7 (test_two): expected points above 0"),
    "test unlocked": ('"locked": true', '"locked": false', "a test cell must be locked"),
    "no hidden tests": (
        '### BEGIN HIDDEN TESTS\nassert same(two(5), 6), "hidden knowledge"\n'
        "### END HIDDEN TESTS\n",
        "",
        "cell 7 (test_two): a test cell without ### BEGIN HIDDEN TESTS",
    ),
    "no visible test": ("assert same(two(), 2)\n", "", "without a visible check"),
    "no solution": (
        "    ### BEGIN SOLUTION\n    secret_way = one() + step\n    return secret_way\n"
        "    ### END SOLUTION\n",
        "    return 2\n",
        "cell 6 (two): without ### BEGIN SOLUTION",
    ),
    "solution not ended": (
        "    ### END SOLUTION\n",
        "",
        "expected pairs of BEGIN SOLUTION and END SOLUTION, got BEGIN",
    ),
    "marker misspelt": (
        "    ### END SOLUTION\n",
        "    # # END SOLUTION\n",
        "on lines of their own",
    ),
    "rubric outside": (
        "# ### END MARK SCHEME\n# ### END SOLUTION\n",
        "# ### END SOLUTION\n# ### END MARK SCHEME\n",
        "a mark scheme outside the solution region",
    ),
    "no rubric": (
        "# ### BEGIN MARK SCHEME\n# The rubric.\n# ### END MARK SCHEME\n",
        "",
        "needs a model answer and a mark scheme",
    ),
    "hidden test in a given cell": (
        "print(object())",
        "### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS",
        "cell 9: a HIDDEN TESTS marker",
    ),
    "graded demo": (
        '%% nbgrader={"grade": false',
        '%% tags=["demo"] nbgrader={"grade": false',
        "no tag",
    ),
    "schema": (
        '"points": 3, "schema_version": 3',
        '"points": 3, "schema_version": 2',
        "schema_version 3",
    ),
}


@pytest.mark.parametrize("case", PROBLEMS)
def test_a_problem_is_named_with_its_file_and_cell(course: Path, case: str) -> None:
    old, new, message = PROBLEMS[case]
    path = lesson_file(course)
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(LessonError) as raised:
        read_source(path)
    assert message in str(raised.value)
    assert str(path) in str(raised.value)


def test_all_problems_are_listed_at_once(course: Path) -> None:
    path = lesson_file(course)
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("minutes: 10", "minutes: 0").replace('["demo"]', '["x"]'))
    with pytest.raises(LessonError) as raised:
        read_source(path)
    assert str(raised.value).count("\n  - ") == 3  # the header, the opening, the tag


def test_a_good_source_is_read(course: Path) -> None:
    source = read_source(lesson_file(course))
    assert source.name == "01_counting"
    assert source.header["points"] == 5
    assert [c.grade_id for c in source.cells if c.nbgrader] == ["two", "test_two", "question_why"]
    assert not any("lines_to_next_cell" in cell.metadata for cell in source.cells)


def test_a_file_that_is_no_notebook_says_so(course: Path) -> None:
    lesson_file(course).write_text("# ---\n# jupyter: [\n# ---\n")
    with pytest.raises(LessonError, match=r"01_counting\.py"):
        read_source(lesson_file(course))


def test_a_lesson_is_called_like_its_folder(course: Path) -> None:
    path = lesson_file(course).rename(lesson_file(course).with_name("counting.py"))
    with pytest.raises(LessonError, match=r"got 01_counting/counting\.py"):
        read_source(path)
    with pytest.raises(BuildError, match="a lesson has no source"):
        find_sources(course)


def test_a_course_without_lessons_says_what_it_looked_for(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"solutions/NN_topic/NN_topic\.py"):
        find_sources(tmp_path)
