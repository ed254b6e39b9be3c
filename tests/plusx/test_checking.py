"""plusx.check() and plusx.progress(): a learner's own notebook, from inside a notebook."""

import json
import types

import pytest
from platformdirs import user_data_path

import plusx
from plusx import checking, own_notebook
from plusx.checking import UNSAVED, Check
from plusx.errors import ArgumentError
from plusx.own_notebook import Exercise, cells_of, exercises_of

ANSWER = "raise NotImplementedError()"
TEXT = """## 1 · A section

### Exercise 1 · Double

<details><summary>Hint 1: twice</summary>

Add it to itself.

</details>
<details><summary>Hint 2</summary></details>
"""


def markdown(text):
    return {"cell_type": "markdown", "metadata": {}, "source": text.splitlines(keepends=True)}


def code(text, **about):
    metadata = {"nbgrader": about} if about else {}
    return {"cell_type": "code", "metadata": metadata, "source": text.splitlines(keepends=True)}


CELLS = [
    markdown(TEXT),
    code(ANSWER, grade_id="double", grade=False, solution=True),
    code("assert double(1) == 2", grade_id="test_double", grade=True, solution=False),
    markdown("### Exercise 2 · Half"),
    code("pass", grade_id="test_half", grade=True),
    markdown("## A written question\n\nWhy?"),
    markdown("Your answer"),
    code("plusx.check()"),
]
CELLS[6]["metadata"] = {"nbgrader": {"grade_id": "question", "grade": True}}
RESULT = {
    "lesson": "02_residual_block",
    "results": [
        {
            "grade_id": "test_double",
            "symbol": "✗",
            "verdict": "failed",
            "score": 0.0,
            "points": 3.0,
            "failed_checks": 2,
            "message": "double(<b>1</b>): expected twice as much",
        },
        {
            "grade_id": "question",
            "symbol": "✎",
            "verdict": "to be graded by hand",
            "score": None,
            "points": 2.0,
            "failed_checks": 0,
            "message": "",
        },
    ],
    "notes": ["two cells were <i>added</i>"],
    "total": "Total: 0 of 3 points from tests.",
}


@pytest.fixture
def notebook(tmp_path):
    path = tmp_path / "02_residual_block" / "02_residual_block.ipynb"
    path.parent.mkdir()
    path.write_text(json.dumps({"cells": CELLS, "metadata": {}}))
    return path


def grader(monkeypatch, stdout, code=0, stderr=""):
    """Have the grader answer so; what it was asked is returned as a list that fills."""
    asked = []

    def run(command, **_):
        asked.append(command)
        return types.SimpleNamespace(returncode=code, stdout=stdout, stderr=stderr)

    monkeypatch.setattr(checking.subprocess, "run", run)
    return asked


def test_exercises_have_their_headings_and_hints(notebook):
    assert exercises_of(cells_of(notebook)) == {
        "test_double": Exercise("Exercise 1 · Double", ("Hint 1: twice", "Hint 2")),
        "test_half": Exercise("Exercise 2 · Half"),
        "question": Exercise("A written question"),
    }


@pytest.mark.parametrize(("failed", "hint"), [(1, "one"), (2, "two"), (5, "two")])
def test_hints_come_one_at_a_time(failed, hint):
    assert Exercise("", ("one", "two")).next_hint(failed) == hint


@pytest.mark.parametrize("content", ["", "[]", '{"cells": 1}', '{"cells": [{}]}'])
def test_a_file_that_is_no_notebook_is_named(tmp_path, content):
    path = tmp_path / "n.ipynb"
    path.write_text(content)
    with pytest.raises(ArgumentError, match="no notebook") as caught:
        cells_of(path)
    assert str(path) in str(caught.value)


def test_the_notebook_is_found_by_what_jupyter_says(notebook, monkeypatch):
    monkeypatch.setenv("JPY_SESSION_NAME", str(notebook))
    assert own_notebook.own_notebook() == notebook
    monkeypatch.setenv("JPY_SESSION_NAME", "a console")
    monkeypatch.chdir(notebook.parent)
    assert own_notebook.own_notebook() == notebook  # the only one here
    (notebook.parent / "another.ipynb").touch()
    with pytest.raises(ArgumentError, match="which notebook"):
        own_notebook.own_notebook()
    assert own_notebook.own_notebook("another.ipynb").name == "another.ipynb"
    with pytest.raises(ArgumentError, match="no such notebook"):
        own_notebook.own_notebook("absent.ipynb")


def test_a_result_names_exercises_and_the_next_hint(notebook, monkeypatch):
    asked = grader(monkeypatch, "loading\n" + json.dumps(RESULT))
    done = Check(notebook).wait()
    assert asked[0][2:] == [
        *(
            "nbproctor.commands.start",
            "check",
            "02_residual_block",
            "--json",
            "--notebook",
            str(notebook),
        ),
    ]
    assert done.text.splitlines() == [
        "✗ Exercise 1 · Double: failed, 0 of 3 points",
        "    double(<b>1</b>): expected twice as much",
        "    If you are stuck, open “Hint 2” above the exercise.",
        "✎ A written question: to be graded by hand, 2 points",
        "Note: two cells were <i>added</i>",
        "Total: 0 of 3 points from tests.",
    ]
    assert "&lt;b&gt;1&lt;/b&gt;" in done.html and "&lt;i&gt;added" in done.html


def test_a_copy_is_checked_as_the_lesson_that_it_is_a_copy_of(notebook, monkeypatch):
    asked = grader(monkeypatch, json.dumps(RESULT))
    copy = notebook.with_name("02_residual_block-Copy1.ipynb")
    copy.write_bytes(notebook.read_bytes())
    Check(copy).wait()
    assert asked[0][4] == "02_residual_block" and asked[0][-1] == str(copy)


def test_a_notebook_that_was_not_saved_is_not_checked(notebook, monkeypatch):
    asked = grader(monkeypatch, json.dumps(RESULT))
    assert str(Check(notebook, "plusx.check()  # new")) == UNSAVED
    assert asked == []
    assert "Total" in str(Check(notebook, "plusx.check()\n"))


def test_a_grader_that_cannot_grade_says_why(notebook, monkeypatch):
    grader(monkeypatch, "", 2, "nbproctor: there is no course here\n  got: <x>\n")
    done = Check(notebook).wait()
    assert done.text == "nbproctor: there is no course here\n  got: <x>"
    assert "&lt;x&gt;" in done.html


@pytest.mark.parametrize("said", ["", "no JSON", "{"])
def test_a_grader_that_says_nothing_of_use_is_named(notebook, monkeypatch, said):
    grader(monkeypatch, said)
    assert "The grader gave no result" in Check(notebook).wait().text


def test_a_folder_that_has_gone_meanwhile_is_said(notebook, monkeypatch):
    grader(monkeypatch, json.dumps(RESULT))
    done = Check(notebook).wait()
    monkeypatch.undo()
    notebook.unlink(), notebook.parent.rmdir()
    done._run({})
    assert "The grader gave no result (FileNotFoundError" in done.text


def test_without_a_grader_the_message_says_where_there_is_one(notebook, monkeypatch):
    monkeypatch.setattr(checking, "find_spec", lambda name: None)
    with pytest.raises(ArgumentError, match="not installed here"):
        plusx.check(notebook)


def test_a_notebook_without_its_course_says_what_is_missing(notebook):
    with pytest.raises(ArgumentError, match=r"stands alone(.|\n)*nbgrader_config\.py"):
        plusx.check(notebook)


def test_a_widget_shows_the_newest_result(notebook, monkeypatch):
    grader(monkeypatch, json.dumps(RESULT))
    done = Check(notebook)
    button, shown = done.controls().children
    done.wait()
    assert "Exercise 1" in shown.value
    grader(monkeypatch, "", 1, "it broke")
    button.click()
    done.wait()
    assert shown.value == "<pre>it broke</pre>"
    monkeypatch.setattr(checking, "ipywidgets", None)
    assert done._repr_mimebundle_() == {"text/plain": "it broke"}


# Progress


def lessons(folder, *names):
    for name in names:
        path = folder / "notebooks" / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        header = {"title": f"About {name[3:]}", "minutes": 60, "points": 20}
        cells = [
            code("assert f()", grade_id="test_f", grade=True, solution=False, points=18),
            code("", grade_id="question", grade=True, solution=True, points=2),
        ]
        path.write_text(json.dumps({"cells": cells, "metadata": {"lesson": header}}))
    return folder


def keep(folder, monkeypatch, content):
    path = folder / "progress.json"
    path.write_text(content)
    monkeypatch.setenv("PLUSX_PROGRESS", str(path))


ENTRY = {"checked": "2026-11-21T10:00:00+00:00", "score": 9.0, "points": 18.0, "exercises": {}}
KEPT = json.dumps({"format": 1, "lessons": {"02_b": ENTRY}})


def test_progress_is_what_was_checked(tmp_path, monkeypatch):
    keep(tmp_path, monkeypatch, KEPT)
    monkeypatch.chdir(lessons(tmp_path, "01_a", "02_b") / "notebooks" / "01_a")
    assert str(plusx.progress()).splitlines() == [
        "01 About a   60 min     0 of 18 points  not checked yet",
        "02 About b   60 min     9 of 18 points  2026-11-21",
        "9 of 36 points from tests",
    ]
    bundle = plusx.progress(tmp_path)._repr_mimebundle_()
    assert bundle["text/html"].count("<tr>") == 3 and "alt='Your share" in bundle["text/html"]
    bars = plusx.progress(tmp_path).figure().axes[0].containers[1]
    assert [bar.get_width() for bar in bars] == [0.0, 50.0]


def test_progress_needs_lessons(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "stands alone" in str(plusx.progress())
    assert list(plusx.progress()._repr_mimebundle_()) == ["text/plain"]
    with pytest.raises(ArgumentError, match="no lessons here"):
        plusx.progress(tmp_path)


BAD_NUMBER = json.dumps({"format": 1, "lessons": {"01_a": {**ENTRY, "points": "many"}}})


@pytest.mark.parametrize("content", ["{", "[]", '{"lessons": [1]}', BAD_NUMBER])
def test_progress_that_cannot_be_read_is_named(tmp_path, monkeypatch, content):
    keep(lessons(tmp_path, "01_a"), monkeypatch, content)
    with pytest.raises(ArgumentError, match="cannot be read") as caught:
        plusx.progress(tmp_path)
    assert str(tmp_path / "progress.json") in str(caught.value)


def test_both_packages_mean_the_same_file(monkeypatch):
    from nbproctor.commands.progress import progress_path

    monkeypatch.delenv("PLUSX_PROGRESS", raising=False)
    assert progress_path() == user_data_path("plusx") / "progress.json"
