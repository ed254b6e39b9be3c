"""Building notebooks from sources, on a tiny course."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nbproctor.building.build import Built, build_course, comparable
from nbproctor.building.times import time_lessons
from nbproctor.errors import BuildError, ConfigError, LessonError

SOURCE = Path("solutions/01_counting/01_counting.py")
CONFIG = "nbgrader_config.py"
EXECUTED = SOURCE.with_suffix(".ipynb")
RELEASED = Path("notebooks/01_counting/01_counting.ipynb")


def build(root: Path, *lessons: str, **options: bool) -> list[Built]:
    return build_course(root, lessons, say=lambda line: None, **options)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path.name}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def snapshot(root: Path) -> dict[str, bytes]:
    found = (root / folder for folder in ("solutions", "notebooks"))
    paths = [p for folder in found for p in folder.rglob("*") if p.is_file()]
    return {str(p.relative_to(root)): p.read_bytes() for p in paths}


def notebook(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def outputs(root: Path) -> str:
    return json.dumps([c.get("outputs", []) for c in notebook(root / EXECUTED)["cells"]])


def test_build_makes_an_executed_and_a_release_notebook_of_each_lesson(built: Path) -> None:
    assert set(snapshot(built)) == {
        "solutions/01_counting/01_counting.py",
        "solutions/01_counting/01_counting.ipynb",
        "solutions/01_counting/sketch.txt",
        "solutions/02_resting/02_resting.py",
        "solutions/02_resting/02_resting.ipynb",
        "notebooks/01_counting/01_counting.ipynb",
        "notebooks/01_counting/sketch.txt",
        "notebooks/02_resting/02_resting.ipynb",
    }
    assert "image/png" in outputs(built)
    assert "flushed\\ntwice\\n" in json.dumps("".join(json.loads(outputs(built))[-2][-1]["text"]))


def test_release_holds_no_answer_no_hidden_test_no_rubric_and_no_output(built: Path) -> None:
    text = (built / RELEASED).read_text(encoding="utf-8")
    for secret in (
        "secret_way",
        "hidden knowledge",
        "model answer",
        "rubric",
        "nbproctor",
        "BEGIN",
    ):
        assert secret not in text
    cells = notebook(built / RELEASED)["cells"]
    assert all(not c.get("outputs") and c.get("execution_count") is None for c in cells)
    assert "YOUR CODE HERE" in text and "YOUR ANSWER HERE" in text


def test_two_executions_are_identical_but_for_measured_times(built: Path, tmp_path: Path) -> None:
    first = snapshot(built)
    again = tmp_path / "elsewhere" / "course"
    shutil.copytree(built, again, ignore=shutil.ignore_patterns("*.ipynb"))
    build(again)
    second = snapshot(again)
    timed = str(EXECUTED)
    assert {p: c for p, c in first.items() if p != timed} == {
        p: c for p, c in second.items() if p != timed
    }
    one, two = json.loads(first[timed]), json.loads(second[timed])
    assert comparable(one) == comparable(two)
    assert one != two, "the fixture's timing cell printed the same time twice"


def test_a_second_build_executes_and_writes_nothing(built: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in built.rglob("*.ipynb")}
    results = build(built)
    assert [(r.executed, r.written) for r in results] == [(False, ()), (False, ())]
    assert {p: p.stat().st_mtime_ns for p in built.rglob("*.ipynb")} == before
    assert build(built, check=True) == []


def test_force_executes_what_is_up_to_date(built: Path) -> None:
    (result,) = build(built, "02", force=True)
    assert result == Built("02_resting", True, ())


def test_only_the_lesson_that_changed_is_executed(built: Path) -> None:
    edit(built / "solutions/02_resting/02_resting.py", "resting", "at rest")
    counting, resting = build(built)
    assert not counting.executed and not counting.written
    assert resting.executed and len(resting.written) == 2


def test_a_lesson_is_executed_again_when_a_module_it_imports_changes(built: Path) -> None:
    released = (built / RELEASED).read_bytes()
    edit(built / "library/counting.py", "return 1", "return 2 - 1")
    with pytest.raises(BuildError, match="other versions of the modules it imports"):
        build(built, check=True)
    counting, resting = build(built)
    assert counting.executed and not resting.executed
    assert (built / RELEASED).read_bytes() == released


def test_lessons_are_named_by_number_or_by_name(built: Path) -> None:
    assert [r.name for r in build(built, "2")] == ["02_resting"]
    assert [r.name for r in build(built, "01_counting", "01")] == ["01_counting"]
    with pytest.raises(
        BuildError, match=r"no such lesson(.|\n)*01_counting, 02_resting(.|\n)*got: 7"
    ):
        build(built, "7")


def clear_outputs(root: Path) -> None:
    content = notebook(root / EXECUTED)
    for cell in content["cells"]:
        if cell["cell_type"] == "code":
            cell.update(outputs=[], execution_count=None)
    (root / EXECUTED).write_text(json.dumps(content))


STALE = {
    "source changed": (
        lambda root: edit(root / SOURCE, "Why two?", "Why not three?"),
        ["01_counting.ipynb differs from its source", "notebooks/01_counting/01_counting.ipynb"],
    ),
    "header changed": (
        lambda root: edit(root / SOURCE, "Count on.", "Go on."),
        ["01_counting.ipynb differs from its source"],
    ),
    "executed notebook edited": (
        lambda root: edit(root / EXECUTED, "Why two?", "Why?"),
        ["01_counting.ipynb differs from its source"],
    ),
    "outputs cleared": (clear_outputs, ["01_counting.ipynb was not executed"]),
    "executed notebook gone": (
        lambda root: (root / EXECUTED).unlink(),
        ["01_counting.ipynb is missing"],
    ),
    "executed notebook broken": (
        lambda root: (root / EXECUTED).write_text("{"),
        ["01_counting.ipynb is not a notebook"],
    ),
    "release edited": (
        lambda root: edit(root / RELEASED, "Why two?", "Why?"),
        ["notebooks/01_counting/01_counting.ipynb differs from what its source gives"],
    ),
    "released file gone": (
        lambda root: (root / "notebooks/01_counting/sketch.txt").unlink(),
        ["notebooks/01_counting/sketch.txt differs from what its source gives"],
    ),
    "release without source": (
        lambda root: (root / "notebooks/07_gone").mkdir(),
        ["notebooks/07_gone has no source"],
    ),
}


@pytest.mark.parametrize("case", STALE)
def test_check_names_what_is_stale_and_writes_nothing(built: Path, case: str) -> None:
    change, expected = STALE[case]
    change(built)
    before = snapshot(built)
    with pytest.raises(BuildError) as raised:
        build(built, check=True)
    for part in expected:
        assert part in str(raised.value)
    assert snapshot(built) == before


def test_a_notebook_that_a_learner_worked_in_is_not_overwritten(built: Path) -> None:
    content = notebook(built / RELEASED)
    next(c for c in content["cells"] if c["cell_type"] == "code")["execution_count"] = 1
    (built / RELEASED).write_text(json.dumps(content))
    before = snapshot(built)
    with pytest.raises(BuildError, match="somebody has worked in"):
        build(built)
    assert snapshot(built) == before


def test_nbgrader_own_command_releases_the_same_notebook(built: Path) -> None:
    """A teacher may run generate_assignment: the check must not call its result stale."""
    ours = (built / RELEASED).read_bytes()
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    command = [sys.executable, "-m", "nbgrader", "generate_assignment", "01_counting", "--force"]
    subprocess.run(
        command, cwd=built, env=os.environ | {"PATH": path}, check=True, capture_output=True
    )
    assert (built / RELEASED).read_bytes() == ours
    assert build(built, "01", check=True) == []
    edit(built / RELEASED, "Count to two.", "Count to ten.")
    with pytest.raises(BuildError, match="differs from what its source gives"):
        build(built, "01", check=True)


def test_options_of_the_course_reach_the_release(built: Path) -> None:
    with (built / CONFIG).open("a") as file:
        file.write("c.ClearSolutions.code_stub = {'python': 'raise NotImplementedError'}\n")
    counting, _ = build(built)
    assert not counting.executed and counting.written == (RELEASED,)
    assert "YOUR CODE HERE" not in (built / RELEASED).read_text()


BROKEN = {
    "no program": ("c = get_config(", r"SyntaxError"),
    "it fails": (
        "\nimport there_is_no_such_module\n",
        r"there_is_no_such_module(.|\n)*, line \d+$",
    ),
    "a value that cannot be": (
        "c.CourseDirectory.course_id = 3\n",
        r"cannot be used(.|\n)*course_id",
    ),
}


@pytest.mark.parametrize(("settings", "says"), BROKEN.values(), ids=BROKEN)
def test_settings_that_cannot_be_used_are_said_to_be_so(
    course: Path, settings: str, says: str
) -> None:
    with (course / CONFIG).open("a") as file:
        file.write(settings)
    with pytest.raises(ConfigError, match=rf"(?s)settings?.*{says}") as caught:
        build(course)
    assert f"where: {course / CONFIG}" in str(caught.value)


FAILING = {
    "exception": ("print(object())", "1 / 0", "a cell of a lesson fails(.|\n)*ZeroDivisionError"),
    "end of the kernel": ("print(object())", "import os; os._exit(3)", "a cell of a lesson fails"),
    "warning": (
        "print(object())",
        "import warnings; warnings.warn('old')",
        "writes to stderr(.|\n)*UserWarning",
    ),
    "absolute path": (
        "print(object())",
        "import os; print(os.getcwd())",
        "names a folder of this machine",
    ),
    "widget alone": (
        "plt.show()",
        "plt.close(); import ipywidgets; display(ipywidgets.IntSlider())",
        "shows nothing where widgets cannot run",
    ),
}


@pytest.mark.parametrize("case", FAILING)
def test_an_execution_that_must_not_be_published_stops_the_build(course: Path, case: str) -> None:
    old, new, message = FAILING[case]
    edit(course / SOURCE, old, new)
    with pytest.raises(BuildError, match=message) as raised:
        build(course, "01")
    assert "01_counting.ipynb, cell 9, which begins: import sys" in str(raised.value)
    assert not (course / EXECUTED).exists() and not (course / RELEASED).exists()


def test_a_widget_beside_a_figure_leaves_the_figure(course: Path) -> None:
    edit(course / SOURCE, "plt.show()", "plt.show(); import ipywidgets; display(ipywidgets.Text())")
    build(course, "01")
    assert "image/png" in outputs(course)
    assert "widget" not in outputs(course)
    assert "widgets" not in notebook(course / EXECUTED)["metadata"]


SHOWN_WITH_TEXT = """\
from base64 import b64encode; from io import BytesIO; stream = BytesIO(); plt.savefig(stream)
image = b64encode(stream.getvalue()).decode(); plt.close()
page = f'<img alt="a line" src="data:image/png;base64,{image}">'
text = {"image/png": {"alt": "a line"}}
display({"image/png": image, "text/html": page}, metadata=text, raw=True)
display({"text/html": "<b>alone</b>"}, raw=True)"""


def test_the_builders_own_progress_is_not_shown(course: Path, tmp_path: Path) -> None:
    look = "import os; print('seen:', os.path.exists(os.environ['PLUSX_PROGRESS']))\n"
    edit(course / SOURCE, "import sys\n", look + "import sys\n")
    (tmp_path / "mine.json").write_text("{}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLUSX_PROGRESS", str(tmp_path / "mine.json"))
        build(course, "01")
    assert "seen: False" in outputs(course)


def test_a_picture_keeps_its_text_and_stands_there_once(course: Path) -> None:
    edit(course / SOURCE, "plt.show()", SHOWN_WITH_TEXT)
    build(course, "01")
    shown = [o for c in notebook(course / EXECUTED)["cells"] for o in c.get("outputs", [])]
    (picture,) = [o for o in shown if "image/png" in o.get("data", {})]
    assert picture["metadata"] == {"image/png": {"alt": "a line"}}
    assert picture["data"].keys() == {"image/png"}
    assert "<b>alone</b>" in outputs(course)


def test_demonstrations_are_timed_with_an_empty_cache_and_nothing_is_written(course: Path) -> None:
    look = "import os; assert not os.listdir(os.environ['XDG_CACHE_HOME']); time.sleep(0.2)\n"
    edit(course / SOURCE, "import sys\n", look + "import sys\n")
    before, said = snapshot(course), []
    sums = time_lessons(course, ["01"], say=said.append)
    assert snapshot(course) == before
    assert sums.keys() == {"01_counting"}
    assert sums["01_counting"].passed > 0.2 and 0 < sums["01_counting"].computed < 60
    seconds = r" +\d+\.\d s \( +\d+\.\d s computed\)  "
    assert re.match(f"01_counting:{seconds}cell   9  import os", said[0])
    assert re.match(rf"01_counting:{seconds}in \d demonstrations, cache empty", said[-2])
    assert re.match(f"01_counting:{seconds}in all other cells", said[-1])


def test_a_public_function_that_learners_are_not_given_stops_the_build(course: Path) -> None:
    old = "    ### BEGIN SOLUTION\n    secret_way"
    edit(course / SOURCE, old, old.replace("    secret_way", "    pass\ndef helper(): pass\n#"))
    edit(course / SOURCE, "    return secret_way\n    ### END", "### END")
    with pytest.raises(LessonError, match=r"expected: def helper\(\)(.|\n)*got: no helper"):
        build(course, "01")


def test_a_test_that_uses_an_unknown_name_stops_the_build(course: Path) -> None:
    edit(course / SOURCE, "assert same(two(5), 6)", "assert same(three(5), 6)")
    with pytest.raises(LessonError, match="three"):
        build(course, "01")


def test_a_solution_that_nbgrader_would_leave_in_stops_the_build(course: Path) -> None:
    edit(
        course / SOURCE,
        "# The same text twice.\n\n# %% nbgrader",
        "# ### BEGIN SOLUTION\n\n# %% nbgrader",
    )
    with pytest.raises(LessonError, match=r"cell 5: a SOLUTION marker"):
        build(course, "01")
