"""The leaderboard: right order, only who wants to be there, nothing a browser would run."""

import json
import re
import shutil
from pathlib import Path

import pytest
from classes import Graded, grade_as, tiny_course
from harness import judge_sources
from test_report import HOSTILE, Page

from nbproctor.commands.cli import main
from nbproctor.course.records import CellResult, Report, Verdict, report_from
from nbproctor.errors import ConfigError
from nbproctor.remote.judge import _scored
from nbproctor.reports.leaderboard import board_of, board_page, read_baselines

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BASELINES = [
    {"name": "plain", "accuracy (%)": [70.0, 72.0, 74.0], "layers": 8},
    {"name": "residual", "accuracy (%)": [82.0, 84.0], "layers": 14},
]


def facts(name: str, accuracy: float = 80.0, **more):
    return {
        "pseudonym": name, "ranked by": "accuracy (%)", "a column": 1,
        "accuracy (%)": accuracy, "standard error": 0.5, "layers": 14, **more,
    }  # fmt: skip


def names(board) -> list[tuple[int, str]]:
    return [(row.rank, row.name) for row in board.rows]


def text_of(board) -> str:
    return " ".join(Page(board_page(board)).text.split())


def test_entries_are_ranked_and_baselines_stand_between_them():
    board = board_of("tiny", [facts("ann", 71.0), facts("bo", 90.0), facts("cy", 83.5)], BASELINES)
    assert names(board) == [(1, "bo"), (2, "cy"), (0, "residual"), (0, "plain"), (3, "ann")]
    assert board.measure == "accuracy (%)" and board.columns == ("a column", "layers")
    text = text_of(board)
    assert text.index("1 bo 90.0") < text.index("– residual baseline 83.0")
    assert "3 entries under a name of their own choice." in text


def test_equal_entries_share_a_rank():
    board = board_of("tiny", [facts("a", 80.0), facts("b", 80.0), facts("c", 70.0)])
    assert names(board) == [(1, "a"), (1, "b"), (3, "c")]


def test_who_gave_no_name_is_counted_and_not_shown():
    quiet = [facts("", 99.9), facts("  ", 98.8), facts("\u202e", 97.7)]
    board = board_of("tiny", [*quiet, facts("ann", 71.0)])
    assert names(board) == [(1, "ann")] and board.unnamed == 3
    text = text_of(board)
    assert "1 entry under a name of its own choice; 3 more took part and are not shown." in text
    assert "99.9" not in board_page(board)


def test_a_class_of_quiet_people_has_a_page():
    assert "0 entries under a name" in text_of(board_of("tiny", [facts("")]))
    shown = text_of(board_of("tiny", [facts("")], BASELINES))
    assert "residual" in shown


def test_names_that_are_or_look_the_same_are_told_apart():
    twins = [facts("Ada", 80.0), facts("ada ", 82.0), facts("Ａda", 81.0), facts("Plain", 60.0)]
    board = board_of("tiny", twins, BASELINES)
    assert [row.name for row in board.rows] == [
        "residual", "ada (1)", "Ａda (2)", "Ada (3)", "plain", "Plain (1)",
    ]  # fmt: skip
    assert [row.is_baseline for row in board.rows if "lain" in row.name] == [True, False]


def test_bars_are_a_standard_error_of_entries_and_all_seeds_of_baselines():
    board = board_of("tiny", [facts("ann", 80.0)], BASELINES)
    bars = {row.name: (row.low, row.value, row.high) for row in board.rows}
    assert bars == {
        "ann": (79.5, 80.0, 80.5), "plain": (70.0, 72.0, 74.0), "residual": (82.0, 83.0, 84.0),
    }  # fmt: skip
    places = [board.place(value) for row in board.rows for value in (row.low, row.high)]
    assert 0 < min(places) < max(places) < 100


def test_nothing_a_student_wrote_becomes_markup():
    page = board_page(board_of(HOSTILE, [facts(HOSTILE), facts("<b>x</b>" * 9)], BASELINES, "x."))
    seen = Page(page)
    assert not {"script", "a", "iframe", "form", "input", "img", "b"} & {t for t, _ in seen.tags}
    assert not {name for _, attributes in seen.tags for name in attributes if name[:2] == "on"}
    assert not any("style" in attributes for _, attributes in seen.tags)
    assert "<script>alert('red')</script>" in seen.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", seen.text)
    (policy,) = [m["content"] for m in seen.attributes("meta") if "http-equiv" in m]
    assert "default-src 'none'" in policy and "script-src" not in policy
    assert max(len(row.name) for row in board_of("t", [facts("long" * 99)]).rows) == 40


def test_nobody_is_an_error_and_so_is_a_row_without_its_number():
    with pytest.raises(ConfigError, match="nobody is on the leaderboard"):
        board_of("tiny", [])
    with pytest.raises(ConfigError, match="no number 'accuracy"):
        board_of("tiny", [facts("a"), {"pseudonym": "b"}])
    with pytest.raises(ConfigError, match="'odd' has no list of numbers"):
        board_of("tiny", [facts("a")], [{"name": "odd", "accuracy (%)": 3.0}])


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"rows": [3]}', '{"rows": [{}]}', "\xff"])
def test_baselines_that_cannot_be_read_are_said(tmp_path, text):
    path = tmp_path / "board.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match="the baselines cannot be read"):
        read_baselines(path)


class Score(float):
    """What a test may end in."""

    message, facts = "", {}


def test_a_tests_own_number_may_bring_words_and_facts():
    score = Score(2.0)
    score.message, score.facts = "84 % right", {"accuracy (%)": 84.0, "pseudonym": "ann"}
    partial, whole = _scored(score, 3.0), _scored(score, 2.0)
    assert (partial.verdict, partial.score) == (Verdict.PARTIAL, 2.0)
    assert (whole.verdict, whole.score) == (Verdict.PASSED, None)
    assert partial.message == whole.message == "84 % right"
    assert partial.facts == whole.facts == {"accuracy (%)": 84.0, "pseudonym": "ann"}
    assert _scored(2.0, 2.0).facts == {} and _scored(None, 2.0).message == ""


def test_a_learners_number_brings_neither_words_nor_facts():
    forged = """
class Score(float):
    message = "the best of all"
    facts = {"pseudonym": "me", "accuracy (%)": 99.9}

def score():
    return Score(2.0)
"""
    test = {"source": "score()", "names": ["score"], "hidden": (), "points": 3.0, "grade_id": "t"}
    (outcome,) = judge_sources([forged], [], [test])
    assert (outcome.verdict, outcome.score) == (Verdict.PARTIAL, 2.0)
    assert (outcome.message, outcome.facts) == ("", {})


def test_facts_are_plain_and_of_bounded_size():
    score = Score(1.0)
    score.facts = {"a": "x" * 999, "b": float("nan"), "c": [1], "d": None, "e": 2, "f" * 999: 1.5}
    assert _scored(score, 1.0).facts == {"a": "x" * 200, "e": 2, "f" * 200: 1.5}
    score.facts = {str(n): n for n in range(99)}
    assert len(_scored(score, 1.0).facts) == 20


def test_facts_survive_being_written():
    result = CellResult("t", Verdict.PARTIAL, 1.0, 2.0, "so", facts=facts("ann"))
    report = Report("tiny", (result, CellResult("u", Verdict.PASSED, 1.0, 1.0)))
    written = json.loads(json.dumps(report.as_dict()))
    assert report_from(written) == report
    assert "facts" not in written["results"][1]
    assert hash(result) == hash(CellResult("t", Verdict.PARTIAL, 1.0, 2.0, "so"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tiny_course(tmp_path_factory.mktemp("board") / "course")
    passed = (Verdict.PASSED, 2.0, "84.0 % of 5,000 held-out images")
    students = {
        "student1": Graded({"test_double": passed}, facts=facts("quick brown fox", 84.0)),
        "student2": Graded({"test_double": (Verdict.FAILED, 0.0, "no")}),
        "student3": Graded(facts=facts("", 91.0)),
        "student4": Graded(facts=facts("lazy dog", 61.25)),
    }
    grade_as(made, students)
    return made


def test_a_course_gets_its_page(folder, capsys):
    rows = folder / "data" / "leaderboards" / "tiny.json"
    rows.parent.mkdir(parents=True)
    rows.write_text(json.dumps({"about": "means of five seeds.", "rows": BASELINES}))
    assert main(["leaderboard", "tiny", "--course", str(folder)]) == 0
    assert "tiny: 2 entries with a pseudonym, 1 without" in capsys.readouterr().out
    page = (folder / "reports" / "tiny_leaderboard.html").read_text()
    text = " ".join(Page(page).text.split())
    assert text.index("quick brown fox") < text.index("residual") < text.index("lazy dog")
    assert "student" not in page and "91" not in text
    assert "means of five seeds." in text


def test_graded_notebooks_say_what_the_test_said_and_keep_their_marks(folder):
    path = folder / "autograded" / "student1" / "tiny" / "tiny.ipynb"
    cells = json.loads(path.read_text())["cells"]
    outputs = [c["outputs"] for c in cells if c["metadata"].get("nbproctor", {}).get("facts")]
    assert ["".join(o["text"]) for o in outputs[0]] == ["84.0 % of 5,000 held-out images\n"]
    assert main(["export", "tiny", "--course", str(folder), "--to", str(folder / "m.csv")]) == 0
    rows = (folder / "m.csv").read_text()
    assert re.search(r"student1.*test_double.*passed.*2", rows)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_the_page_fits_a_phone_and_says_nothing_to_the_console(tmp_path):
    from playwright.sync_api import sync_playwright

    path = tmp_path / "board.html"
    long = [facts("a name of twenty-four xx", 80.0 + n / 7) for n in range(9)]
    path.write_text(board_page(board_of("09_depth_challenge", long, BASELINES, "means.")))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme)
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 400
            assert said == []
        browser.close()
