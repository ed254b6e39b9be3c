"""One verdict per graded cell, whatever a submission holds: a table, through real kernels."""

import copy
import json
import time
from collections.abc import Callable
from typing import Any

import nbformat
import pytest
from fixtures import RIGHT, TINY, cell_of, fill, lesson, own_cell, write

from nbproctor.config import Limits
from nbproctor.course.notebook import read_submission
from nbproctor.grading.grade import Graded, grade_submission
from nbproctor.kernels.kernel import Execution, StudentKernel

LIMITS = Limits(
    cell_timeout_s=3, call_timeout_s=3, test_timeout_s=6, interrupt_grace_s=1, max_restarts=2
)
Notebook = nbformat.NotebookNode
CASES: list[Any] = []


def case(double: str, half: str, essay: str = "to be graded by hand") -> Callable[..., Any]:
    """Register an edit of the right submission with the verdicts it must get."""

    def register(edit: Callable[[Notebook], Any]) -> Callable[[Notebook], Any]:
        CASES.append(pytest.param(edit, [double, half, essay], id=edit.__name__))
        return edit

    return register


def answer(made: Notebook, grade_id: str, source: str) -> None:
    cell_of(made, grade_id)["source"] = source


@case("passed", "passed")
def correct(made: Notebook) -> None:
    pass


@case("failed", "passed")
def wrong(made: Notebook) -> None:
    answer(made, "double", "def double(x):\n    return 2 + x if x == 2 else 0")


@case("passed", "partial")
def partly_correct(made: Notebook) -> None:
    answer(made, "half", "def half(x):\n    return 0.5 if x == 1 else 7")


@case("failed", "passed")
def raises_an_exception(made: Notebook) -> None:
    answer(made, "double", "def double(x):\n    raise RuntimeError('no idea')")


@case("passed", "failed")
def syntax_error_in_another_cell(made: Notebook) -> None:
    answer(made, "half", "def half(x:\n    return")


@case("failed", "passed")
def name_not_defined(made: Notebook) -> None:
    answer(made, "double", "def twice(x):\n    return 2 * x")


@case("failed", "passed")
def wrong_type_returned(made: Notebook) -> None:
    answer(made, "double", "class Two: pass\ndef double(x):\n    return Two()")


@case("timed out", "passed")
def infinite_loop_in_the_cell(made: Notebook) -> None:
    answer(made, "double", "while True: pass")


@case("timed out", "passed")
def infinite_loop_when_called(made: Notebook) -> None:
    answer(made, "double", "def double(x):\n    while True: pass")


@case("passed", "kernel died")
def kernel_dies_in_the_cell(made: Notebook) -> None:
    answer(made, "half", "import os; os._exit(1)")


@case("kernel died", "passed")
def kernel_dies_when_called(made: Notebook) -> None:
    answer(made, "double", "import os\ndef double(x):\n    os._exit(1)")


@case("out of memory", "passed")
def out_of_memory(made: Notebook) -> None:
    answer(made, "double", "def double(x):\n    raise MemoryError('too much')")


@case("not answered", "not answered", "not answered")
def untouched(made: Notebook) -> None:
    for grade_id in ("double", "half", "essay"):
        answer(made, grade_id, cell_of(RELEASED[0], grade_id)["source"])


@case("passed", "passed")
def deleted_test_cells(made: Notebook) -> None:
    made.cells = [c for c in made.cells if not c.metadata.get("nbgrader", {}).get("locked")]


@case("failed", "passed")
def emptied_test_cell(made: Notebook) -> None:
    answer(made, "test_double", "")
    answer(made, "double", "def double(x):\n    return x")


@case("passed", "passed")
def cells_reordered(made: Notebook) -> None:
    made.cells.reverse()


@case("passed", "passed")
def solution_metadata_lost(made: Notebook) -> None:
    for grade_id in ("double", "half"):
        del cell_of(made, grade_id).metadata["nbgrader"]


@case("passed", "passed")
def solution_cell_duplicated(made: Notebook) -> None:
    stub = copy.deepcopy(cell_of(RELEASED[0], "double"))
    made.cells.append(stub)


@case("passed", "passed")
def solution_cell_of_another_type(made: Notebook) -> None:
    cell_of(made, "double").cell_type = "markdown"


@case("passed", "passed")
def answer_in_a_cell_of_its_own(made: Notebook) -> None:
    place = made.cells.index(cell_of(made, "double"))
    made.cells[place] = own_cell(RIGHT["double"])


@case("passed", "passed")
def an_import_in_a_given_cell(made: Notebook) -> None:
    made.cells[0]["source"] += "\nfactor = 2"
    answer(made, "double", "def double(x):\n    return factor * x")


@case("passed", "passed")
def text_on_stderr(made: Notebook) -> None:
    noise = "import sys, warnings\nprint('hm', file=sys.stderr)\nwarnings.warn('hm')\n"
    answer(
        made, "double", noise + "def double(x):\n    print('hm', file=sys.stderr)\n    return 2*x"
    )


@case("passed", "passed")
def floods_its_output(made: Notebook) -> None:
    answer(made, "double", "print('x' * 5_000_000)\ndef double(x):\n    return 2 * x")


@case("passed", "passed")
def old_format_4_0(made: Notebook) -> None:
    made.nbformat_minor = 0
    for cell in made.cells:
        del cell["id"]


@case("passed", "passed")
def fifty_megabytes_of_output(made: Notebook) -> None:
    output = nbformat.v4.new_output("stream", text="x" * 50_000_000)
    made.cells[0]["outputs"] = [output]


@case("failed", "failed")
def exits_and_returns_nan(made: Notebook) -> None:
    answer(made, "double", "def double(x):\n    raise SystemExit(0)")
    answer(made, "half", "def half(x):\n    return float('nan')")


RELEASED: list[Notebook] = []


def graded(tmp_path: Any, edit: Callable[[Notebook], Any]) -> Graded:
    loaded, released = lesson(tmp_path)
    RELEASED[:] = [released]
    made = fill(released, RIGHT)
    edit(made)
    submission = read_submission(write(tmp_path / "s.ipynb", made), loaded, LIMITS)
    return grade_submission(loaded, submission, LIMITS)


@pytest.mark.parametrize(("edit", "expected"), CASES)
def test_verdicts(tmp_path: Any, edit: Callable[[Notebook], Any], expected: list[str]) -> None:
    result = graded(tmp_path, edit)
    assert [str(r.verdict) for r in result.report.results] == expected
    points = {"passed": 1.0, "failed": 0.0}
    for cell_result in result.report.results:
        share = points.get(str(cell_result.verdict))
        if share is not None:
            assert cell_result.score == share * cell_result.points
    nbformat.validate(nbformat.from_dict(result.notebook))
    assert "three is not doubled" not in json.dumps(
        [c["source"] for c in result.notebook["cells"]]
    ), "hidden test source must not be in the graded notebook"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "empty"),
        ("{", "not valid JSON"),
        ("[]", "no cells"),
        ('{"cells": []}', "no cells"),
        ('{"cells": 3}', "no cells"),
        ("[" * 100_000, "not valid JSON"),
        ('{"nbformat": 3, "worksheets": 7}', "not a notebook"),
        ('{"cells": [7, null, {"cell_type": 4, "source": {"a": 1}, "metadata": []}]}', ""),
    ],
)
def test_unreadable_notebooks_get_verdicts(tmp_path: Any, content: str, reason: str) -> None:
    loaded, _ = lesson(tmp_path)
    submission = read_submission(write(tmp_path / "s.ipynb", content), loaded, LIMITS)
    result = grade_submission(loaded, submission, LIMITS)
    assert len(result.report.results) == 3
    assert result.report.score == 0
    assert reason in submission.unreadable


def test_format_3_is_upgraded(tmp_path: Any) -> None:
    loaded, released = lesson(tmp_path)
    old = nbformat.convert(fill(released, RIGHT), 3)
    submission = read_submission(write(tmp_path / "s.ipynb", old), loaded, LIMITS)
    assert submission.answers["double"] == RIGHT["double"]


def test_messages_tell_what_happened(tmp_path: Any) -> None:
    def edit(made: Notebook) -> None:
        answer(made, "double", "def double(x):\n    return 4 if x == 2 else 0")
        answer(made, "half", "def half(x):\n    return [] + x")

    double, half, _ = graded(tmp_path, edit).report.results
    assert double.message == "three is not doubled"
    assert half.message.startswith("Your code raised TypeError: can only concatenate list")
    assert "return [] + x" in half.message


def test_the_place_of_a_syntax_error_is_in_that_cell(tmp_path: Any) -> None:
    def edit(made: Notebook) -> None:
        answer(made, "double", "def double(x):\n    return (x")

    report = graded(tmp_path, edit).report
    assert ".py" not in report.results[0].message
    assert "(line 2 of that cell)" in report.results[0].message


def test_a_failed_visible_check_is_shown(tmp_path: Any) -> None:
    result = graded(tmp_path, lambda made: answer(made, "double", "def double(x):\n    return 0"))
    assert result.report.results[0].message == "This check failed: assert double(2) == 4"


def test_earlier_outputs_stay_after_a_restart(tmp_path: Any) -> None:
    def edit(made: Notebook) -> None:
        answer(made, "double", "print('here')\n" + RIGHT["double"])
        answer(made, "half", "import os; os._exit(1)")

    cells = graded(tmp_path, edit).notebook["cells"]
    printed = next(c for c in cells if c["source"].startswith("print"))["outputs"]
    assert printed == [{"output_type": "stream", "name": "stdout", "text": "here\n"}]


def test_html_of_students_does_not_reach_outputs(tmp_path: Any) -> None:
    script = "from IPython.display import HTML, display\ndisplay(HTML('<script>x</script>'))\n"

    def edit(made: Notebook) -> None:
        answer(made, "double", script + RIGHT["double"])

    assert "<script>" not in json.dumps(
        [c.get("outputs") for c in graded(tmp_path, edit).notebook["cells"]]
    )


def test_the_whole_notebook_has_a_time_limit(tmp_path: Any) -> None:
    loaded, released = lesson(tmp_path)
    slow = {**RIGHT, "double": "import time; time.sleep(60)"}
    path = write(tmp_path / "s.ipynb", fill(released, slow))
    limits = Limits(notebook_timeout_s=2, interrupt_grace_s=1)
    began = time.monotonic()
    report = grade_submission(loaded, read_submission(path, loaded, limits), limits).report
    assert time.monotonic() - began < 15
    assert [str(r.verdict) for r in report.results[:2]] == ["timed out", "timed out"]


def test_kernel_that_always_dies_ends(tmp_path: Any) -> None:
    deadly = "import os\n" + "\n".join(f"def {f}(x): os._exit(1)" for f in ("double", "half"))

    def edit(made: Notebook) -> None:
        made.cells[:0] = [own_cell("import os; os._exit(1)") for _ in range(4)]
        answer(made, "double", deadly)

    verdicts = [str(r.verdict) for r in graded(tmp_path, edit).report.results]
    assert verdicts[:2] == ["kernel died", "kernel died"]


def test_a_kernel_that_dies_behind_a_cell_is_said_to_have_died(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a thread of that cell's that waits: the cell ended, and the test has not begun."""
    inner, killed = StudentKernel.execute, []

    def execute(kernel: StudentKernel, code: str, *limits: Any) -> Execution:
        execution = inner(kernel, code, *limits)
        if "def half" in code and not killed:
            assert kernel.sandbox is not None
            kernel.sandbox.stop()
            killed.append(code)
        return execution

    monkeypatch.setattr(StudentKernel, "execute", execute)
    results = graded(tmp_path, correct).report.results
    assert [str(r.verdict) for r in results[:2]] == ["passed", "kernel died"]
    assert results[1].message == "Its cell killed the kernel."


def test_a_cell_whose_kernel_dies_only_when_it_runs_again_is_said_to_have_died(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel is brought back to where another had died, and dies on the way."""
    inner, runs = StudentKernel.execute, []

    def execute(kernel: StudentKernel, code: str, *limits: Any) -> Execution:
        runs.append(code)
        if len([run for run in runs if "def half" in run]) == 2 and "def half" in code:
            assert kernel.sandbox is not None
            kernel.sandbox.stop()
        return inner(kernel, code, *limits)

    def edit(made: Notebook) -> None:
        place = made.cells.index(cell_of(made, "half")) + 1
        made.cells.insert(place, own_cell("import os; os._exit(1)"))

    monkeypatch.setattr(StudentKernel, "execute", execute)
    results = graded(tmp_path, edit).report.results
    assert [str(r.verdict) for r in results[:2]] == ["passed", "kernel died"]
    assert results[1].message == "Its cell killed the kernel."


def test_demo_cells_do_not_run_and_judge_cells_do(tmp_path: Any) -> None:
    text = TINY.replace(
        "# %% solution double",
        "# %% demo\n1 / 0\nloud = 1\n\n# %% judge\ntwo = 2\n\n# %% solution double",
        1,
    )
    text = text.replace("assert double(2) == 4", "assert double(two) == 4")
    loaded, released = lesson(tmp_path, text)
    path = write(tmp_path / "s.ipynb", fill(released, RIGHT))
    result = grade_submission(loaded, read_submission(path, loaded, LIMITS), LIMITS)
    assert result.report.score == 5
    assert "two = 2" in loaded.judge_setup
