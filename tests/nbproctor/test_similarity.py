"""Answers that are alike: planted ones are found, honest ones are not."""

import ast
import builtins
import importlib
import re
import sys
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from courses import CONFIG, submit
from fixtures import RIGHT, TINY, fill, notebook, write

from nbproctor.classes.similarity import Exercise, Measure, alike
from nbproctor.classes.similarity_class import (
    Likeness,
    compare_class,
    exercises_of,
    similarity_page,
)
from nbproctor.commands.cli import main
from nbproctor.course.lesson import Lesson, load_lesson
from nbproctor.errors import ConfigError
from nbproctor.store.gradebook import Course

ROOT = Path(__file__).parents[2]

STUB = '''\
def moving_mean(values, width):
    """The mean of each `width` neighbours.

    values: list of floats; width: int, at least 1
    returns: list of floats
    """
    raise NotImplementedError()
'''
SOLUTION = STUB.replace(
    "    raise NotImplementedError()\n",
    "    return [sum(values[n : n + width]) / width for n in range(len(values) - width + 1)]\n",
)
ONE = '''\
def moving_mean(values, width):
    """The mean of each `width` neighbours."""
    total, means = 0.0, []
    queue = []
    for value in values:  # one after the other
        queue.append(value)
        total += value
        if len(queue) > width:
            total -= queue.pop(0)
        if len(queue) == width:
            means.append(total / width)
    if not means:
        print("fewer values than", width)
    return means
'''
TWO = '''\
def moving_mean(values, width):
    """The mean of each `width` neighbours."""
    if width > len(values):
        return []
    sums = [0.0]
    for number in values:
        sums.append(sums[-1] + number)
    pairs = zip(sums, sums[width:])
    return [(late - early) / width for early, late in pairs]
'''
THREE = """\
import torch


def moving_mean(values, width):
    tensor = torch.tensor(values, dtype=torch.float64)
    windows = tensor.unfold(0, width, 1)
    return windows.mean(dim=1).tolist()
"""
FOUR = """\
def moving_mean(values, width):
    result = []
    start = 0
    while start + width <= len(values):
        total = 0
        for offset in range(width):
            total = total + values[start + offset]
        result.append(total / width)
        start = start + 1
    return result
"""
HONEST = {"ann": ONE, "bob": TWO, "cy": THREE, "dan": FOUR}


def renamed(text: str) -> str:
    for old, new in {"total": "s", "means": "out", "queue": "window", "value": "v"}.items():
        text = re.sub(rf"\b{old}\b", new, text)
    return text


def recommented(text: str) -> str:
    text = text.replace("  # one after the other", "").replace(
        '"""The mean', '"""Computes the mean'
    )
    return text.replace("    return means", "    # all of them\n\n    return means")


def reordered(text: str) -> str:
    lines = text.splitlines(keepends=True)
    lines[2:4] = ["    queue = []\n", "    means, total = [], 0.0\n"]
    return "".join(lines)


def all_at_once(text: str) -> str:
    return recommented(reordered(renamed(text)))


DISGUISES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "names changed": renamed,
    "comments changed": recommented,
    "statements in another order": reordered,
    "an import, and a cell of more": lambda text: "import math\n\n\n" + text + "\n\nprint(1)\n",
    "spaces and lines": lambda text: text.replace(" += ", "+=").replace("\n    ", "\n\n        "),
}


def exercise(answers: Mapping[str, str]) -> Exercise:
    return Exercise("moving_mean", [STUB, SOLUTION], answers)


@pytest.mark.parametrize("disguise", DISGUISES)
def test_a_planted_pair_is_found_and_nobody_else(disguise: str) -> None:
    answers = {**HONEST, "eve": DISGUISES[disguise](ONE)}
    (pair,) = alike([exercise(answers)], Measure())
    assert pair.students == ("ann", "eve")
    (shared,) = pair.shared
    assert shared.signs >= 80
    for side in shared.sides:
        assert "".join(text for _, text in side.parts) == answers[side.student]
        assert all(start < stop for start, stop in side.spans)
        marked = "".join(text for is_shared, text in side.parts if is_shared)
        assert "pop(0)" in marked and "import math" not in marked


def test_independent_answers_are_not_alike() -> None:
    assert alike([exercise(HONEST)], Measure()) == []


def test_the_stub_the_solution_and_what_many_write_are_taken_off() -> None:
    own = {f"s{n}": SOLUTION.replace("n ", f"n{n} ") for n in range(4)}
    assert alike([exercise({"x": STUB, "y": STUB, **own})], Measure()) == []
    many = {f"s{n}": ONE for n in range(6)}
    assert alike([exercise({**many, **HONEST})], Measure()) == [], "a way that everybody has"
    assert len(alike([exercise(dict.fromkeys("abcd", ONE))], Measure())) == 6


def test_short_answers_are_never_alike() -> None:
    text = "def add_skip(f, x):\n    y = f(x)\n    return torch.add(y, x)\n"
    found = alike([Exercise("add_skip", [], dict.fromkeys("abc", text))], Measure())
    assert found == []


def test_a_pair_is_one_entry_whatever_it_shares() -> None:
    answers = {**HONEST, "eve": renamed(ONE), "fay": recommented(FOUR)}
    more = Exercise("other", [], {"ann": TWO, "eve": recommented(TWO), "fay": THREE})
    pairs = alike([exercise(answers), more], Measure())
    assert [pair.students for pair in pairs] == [("ann", "eve"), ("dan", "fay")]
    assert {shared.exercise for shared in pairs[0].shared} == {"moving_mean", "other"}
    assert pairs[0].signs == sum(shared.signs for shared in pairs[0].shared)


def test_written_answers_are_compared_word_by_word() -> None:
    text = "The gradient reaches the first layer because one of the paths has no weights at all. "
    copied = Exercise("essay", [], {"a": text * 2, "b": "As I see it: " + text, "c": "No."}, False)
    (pair,) = alike([copied], Measure())
    assert pair.students == ("a", "b")
    other = "Each of the blocks adds something, and what was there before is still there."
    assert alike([Exercise("essay", [], {"a": text, "b": other}, False)], Measure()) == []


@pytest.mark.parametrize(
    "text",
    ["", "\n\n", "def f(:\n  '''", "\x00" * 500, "é" * 500, "(" * 5000, "#" * 9000, "'" * 999],
    ids=["empty", "blank", "no Python", "nulls", "letters", "brackets", "a comment", "quotes"],
)
def test_whatever_was_handed_in_is_compared(text: str) -> None:
    alike([exercise({**HONEST, "x": text, "y": text + " "})], Measure())


# --- the lessons' honest answers


def lesson_answers(name: str) -> tuple[Lesson, dict[str, dict[str, str]]]:
    """A lesson, and for each exercise its honest variants as answers of a class."""
    sys.path.insert(0, str(ROOT / "tests" / "lessons"))
    cases = importlib.import_module(CASES[name])
    loaded = load_lesson(*(ROOT / d / name / f"{name}.ipynb" for d in ("solutions", "notebooks")))
    answers: dict[str, dict[str, str]] = {}
    for number, case in enumerate(cases.VARIANTS):
        if case.source:  # written anew: the others are edits of the solution
            answers.setdefault(case.exercise, {})[f"s{number}"] = case.source
    return loaded, answers


CASES = {
    "01_degradation": "degradation_cases",
    "02_residual_block": "residual_block_cases",
    "03_bottlenecks": "bottlenecks_cases",
    "04_identity_mappings": "identity_mappings_cases",
    "05_unraveled": "unraveled_cases",
    "06_transformer_residuals": "transformer_cases",
    "07_dense_and_unet": "dense_cases",
    "08_continuous_depth": "continuous_depth_cases",
}


@pytest.mark.parametrize("name", CASES)
def test_honest_answers_to_the_lessons_are_not_alike(name: str) -> None:
    loaded, answers = lesson_answers(name)
    found = alike(exercises_of(loaded, answers), Measure())
    assert [(p.students, [s.exercise for s in p.shared]) for p in found] == []


def disguised(text: str, swapped: bool) -> str:
    """Every name another one, no comment left; and every second statement before the one above."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id not in dir(builtins):
            node.id += "_of_mine"
        if isinstance(node, ast.FunctionDef) and swapped:
            first = int(isinstance(node.body[0], ast.Expr))  # a docstring stays where it is
            for n in range(first, len(node.body) - 2, 2):
                node.body[n : n + 2] = node.body[n + 1], node.body[n]
    return f"# my own work\n{ast.unparse(tree)}"


@pytest.mark.parametrize("swapped", [False, True], ids=["names", "order too"])
def test_copies_of_the_lessons_honest_answers_are_found(swapped: bool) -> None:
    """Those that are long enough: what remains is too short to say anything."""
    measure, found = Measure(), []
    for name in CASES:
        loaded, answers = lesson_answers(name)
        for exercise in (e for e in exercises_of(loaded, answers) if e.is_code):
            for text in exercise.answers.values():
                copied = {"one": text, "other": disguised(text, swapped)}
                whole = replace(exercise, answers={"one": text, "other": text})
                if alike([whole], measure):
                    found.append(bool(alike([replace(exercise, answers=copied)], measure)))
    assert len(found) > 80
    assert sum(found) >= (0.8 if swapped else 0.9) * len(found)


# --- a class


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A course with a class in which eve has ann's answer."""
    folder = tmp_path_factory.mktemp("course")
    (folder / "nbgrader_config.py").write_text(CONFIG.read_text())
    made = notebook(TINY)
    write(folder / "solutions" / "tiny" / "tiny.ipynb", made)
    Course(folder).release("tiny")
    released = folder / "notebooks" / "tiny" / "tiny.ipynb"
    import nbformat

    blank = nbformat.read(released, 4)
    hers = ONE.replace("def moving_mean", "def double") + "<script>alert(1)</script> = 1\n"
    for student, answer in {
        "ann": hers,
        "bob": RIGHT["double"],
        "cy": TWO,
        "<b>eve": renamed(hers),
        "blank": None,
    }.items():
        submit(folder, student, fill(blank, {**RIGHT, "double": answer} if answer else {}))
    submit(folder, "broken", "{")
    return folder


def test_a_class_is_compared_and_shown(course: Path, capsys: pytest.CaptureFixture) -> None:
    before = (course / "gradebook.db").read_bytes()
    assert main(["similarity", "tiny", "--course", str(course)]) == 0
    printed = capsys.readouterr().out
    assert "tiny: 1 of 15 pairs of students share unusually much" in printed
    assert re.search(r"<b>eve  ann  double \d+ signs", printed)
    path = course / "reports" / "tiny_similarity.html"
    page = path.read_text(encoding="utf-8")
    assert path.stat().st_mode & 0o077 == 0
    assert "&lt;script&gt;" in page and "<script" not in page and "<b>eve" not in page
    assert page.count("<mark>") > 2 and "http" not in page.replace("http-equiv", "")
    assert (course / "gradebook.db").read_bytes() == before, "nothing reaches the gradebook"


def test_the_page_of_a_class_without_pairs_says_so() -> None:
    page = similarity_page(Likeness("tiny", 3, ("double",), (), Measure()))
    assert "Nobody has unusually much in common" in page and "0 of 3 pairs" in page


def test_one_submission_cannot_be_compared(course: Path, tmp_path: Path) -> None:
    (tmp_path / "nbgrader_config.py").write_text(CONFIG.read_text())
    write(tmp_path / "solutions" / "tiny" / "tiny.ipynb", notebook(TINY))
    Course(tmp_path).release("tiny")
    with pytest.raises(ConfigError, match=r"nothing to compare(.|\n)*got: 0"):
        compare_class(Course(tmp_path), "tiny")


def test_without_the_library_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "copydetect", None)
    with pytest.raises(ConfigError, match=r"plusx\[similarity\] installed"):
        alike([exercise(HONEST)], Measure())


def test_a_large_class_is_compared_in_bounded_memory() -> None:
    """Three hundred, each with an answer of their own to some degree; two copied."""
    answers = {f"s{n:03}": f"{TWO}\n\ndef helper_{n}(x):\n    return {n}" for n in range(298)}
    answers |= {"t1": ONE, "t2": renamed(ONE)}
    tracemalloc.start()
    pairs = alike([exercise(answers)], Measure())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [pair.students for pair in pairs] == [("t1", "t2")]
    assert peak < 64 * 2**20
