"""The page of a class: right numbers, named mistakes, nothing a browser would run, small."""

import random
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from classes import Graded, enter, grade_as, tiny_course
from test_report import HOSTILE, Page

from nbproctor.commands.cli import main
from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.reports.class_entries import Entry
from nbproctor.reports.class_marks import Lesson, Mark, Person, State, StudentMarks
from nbproctor.reports.class_picture import MOST_LINES, MOST_LISTED, ClassPicture, mistake_name
from nbproctor.reports.lesson_report import MOST_MISTAKES, lesson_page, write_report
from nbproctor.store.gradebook import Course

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
CELLS = {("tiny", "test_a"): 2.0, ("tiny", "test_b"): 3.0, ("tiny", "essay"): 2.0}
LESSON = Lesson("tiny", ("tiny",), CELLS)
V = Verdict


def entry(name: str, *outcomes, essay: float | None = 1.0, notes=(), seconds=1.0, problem=""):
    """A student with these (verdict, score, message) for test_a and test_b."""
    results = [
        CellResult(key[1], verdict, score, CELLS[key], message)
        for key, (verdict, score, message) in zip(CELLS, outcomes, strict=False)
    ]
    marks = [Mark("tiny", r.grade_id, r.score, r.points) for r in results]
    marks.append(Mark("tiny", "essay", essay, 2.0, essay is not None, essay is None))
    results.append(CellResult("essay", V.MANUAL, None, 2.0, by_hand=True))
    report = Report("tiny", tuple(results), tuple(notes), seconds, "full")
    student = StudentMarks(Person(name), True, None, 0.0, tuple(marks))
    return Entry(student, {"tiny": report}, problem)


GOOD = (V.PASSED, 2.0, ""), (V.PASSED, 3.0, "")


def wrong(message: str, verdict: Verdict = V.FAILED):
    return (verdict, 0.0, message), (V.PASSED, 3.0, "")


def picture_of(*entries: Entry) -> ClassPicture:
    return ClassPicture(LESSON).add_all(entries)


def text_of(picture: ClassPicture) -> str:
    return " ".join(Page(lesson_page(picture)).text.split())


def test_numbers_are_those_of_the_class():
    picture = picture_of(
        entry("ann", *GOOD), entry("bob", *wrong("no")), entry("cy", *GOOD, essay=None)
    )
    absent = StudentMarks(Person("dan"), False, None, 0.0, tuple(Mark(*k, None, 1) for k in CELLS))
    picture.add(Entry(absent, {}))
    text = text_of(picture)
    assert "3 of 4 students have a mark; half of them have 5 of 7 points or more." in text
    assert "1 nothing handed in 1 waiting for a person 2 graded 3 graded in a full sandbox" in text
    assert "test_a 2 67 % 1.33 ✓ 2 passed , ✗ 1 failed".replace(" ,", ",") in text
    assert "essay 2 – 1 ✎ 3 to be graded by hand; 1 wait for a person" in text
    assert "1 wait for a person Open them in formgrader's Manual Grading. cy" in text
    assert [line.state for line in picture.lines] == [
        State.DONE, State.DONE, State.WAITING, State.ABSENT,
    ]  # fmt: skip


def test_marks_by_hand_from_before_are_told():
    again = entry("ann", *GOOD)
    marks = [replace(m, flagged=True) if m.by_person else m for m in again.marks.marks]
    picture = picture_of(replace(again, marks=replace(again.marks, marks=tuple(marks))))
    assert picture.states[State.DONE] == 1 and not picture.waiting.count
    assert "1 were marked by hand before they were graded again" in text_of(picture)


def test_mistakes_are_grouped_by_what_the_test_named():
    messages = [
        f"the sum differs\n  expected: 6\n  got: {n / 7:.3f}\n  hint: add x, do not subtract"
        for n in range(30)
    ]
    raised = [f"your code raised NameError: name 'secret{n}' is not defined" for n in range(5)]
    entries = [entry(f"s{n}", *wrong(text)) for n, text in enumerate([*messages, *raised])]
    picture = picture_of(*entries, entry("t", *wrong("", V.TIMED_OUT)), entry("u", *GOOD))
    mistakes, kinds, count = picture.common_mistakes(2)
    assert [(m.count, m.exercise, m.name, m.hint) for m in mistakes] == [
        (30, "test_a", "the sum differs", "add x, do not subtract"),
        (5, "test_a", "your code raised NameError", ""),
    ]
    assert (kinds, count) == (1, 1)
    assert mistakes[0].example == messages[0]
    shown = lesson_page(picture)
    assert shown.count("secret") == 1, "one example"


def test_numbers_that_are_everybodys_stay_in_the_name():
    same = [entry(n, *wrong("ResNet18: 62 layers\n  hint: not 61")) for n in "ab"]
    (mistake,) = picture_of(*same).mistakes.values()
    assert (mistake.name, mistake.hint, mistake.count) == ("ResNet18: 62 layers", "not 61", 2)
    other = entry("c", *wrong("ResNet18: 63 layers\n  hint: not 61"))
    (mistake,) = picture_of(*same, other, *same).mistakes.values()
    assert (mistake.name, mistake.hint, mistake.count) == ("ResNet…: … layers", "not …", 5)


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ("layer 3 of 18 differs by 1.5e-3", "layer … of … differs by …"),
        ("your code raised ValueError: my text", "your code raised ValueError"),
        ("It used more memory than allowed.", "It used more memory than allowed."),
        ("", ""),
    ],
)
def test_names_of_mistakes_leave_out_what_differs(message, name):
    assert mistake_name(message) == (name, "")


def test_errors_of_the_graders_are_nobodys_mistake():
    picture = picture_of(entry("ann", *wrong("a lambda cannot travel", V.GRADER_ERROR)))
    assert not picture.mistakes and "No test found a mistake." in text_of(picture)
    assert "1 met an error of the grader's" in text_of(picture)
    assert picture.states[State.WAITING] == 1


def test_what_a_person_should_look_at_is_listed_with_counts():
    notes = [f"To be looked at: cell {n} uses torchvision.BasicBlock" for n in range(80)]
    entries = [entry(f"s{n:02}", *GOOD, notes=[note]) for n, note in enumerate(notes)]
    picture = picture_of(*entries, entry("z", *GOOD, problem="grading was interrupted"))
    text = text_of(picture)
    assert "80 flagged: To be looked at: cell … uses torchvision.BasicBlock s00, s01" in text
    assert f"s{MOST_LISTED - 1} and {80 - MOST_LISTED} more" in text
    assert "1 to be graded again: grading was interrupted Run: nbproctor grade tiny z" in text


def test_nothing_a_student_wrote_becomes_markup():
    hostile = entry(HOSTILE, *wrong(HOSTILE), notes=(HOSTILE,), problem=HOSTILE)
    page = lesson_page(picture_of(hostile))
    seen = Page(page)
    assert not {"script", "a", "iframe", "form", "input", "style "} & {tag for tag, _ in seen.tags}
    assert len(seen.attributes("img")) == 3, "the figures'"
    assert not {name for _, attributes in seen.tags for name in attributes if name[:2] == "on"}
    assert "<script>alert('red')</script>" in seen.text
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", seen.text)
    (policy,) = [m["content"] for m in seen.attributes("meta") if "http-equiv" in m]
    assert "default-src 'none'" in policy and "script-src" not in policy


def test_a_class_of_ten_thousand_makes_a_small_page():
    draw = random.Random(1)
    picture = ClassPicture(LESSON)
    for n in range(10_000):
        text = f"{'abcdefghij'[draw.randrange(10)] * (1 + draw.randrange(300))} {n}"
        outcome = GOOD if n % 2 else wrong(text)
        picture.add(entry(f"s{n}", *outcome, notes=[f"{'xyz'[n % 3]}" * (n % 40)]))
    page = lesson_page(picture)
    assert len(page) < 1_000_000
    text = " ".join(Page(page).text.split())
    assert (
        f"The first {MOST_LINES:,} of 10,000 are listed; nbproctor export tiny writes all" in text
    )
    shown, kinds, count = picture.common_mistakes(MOST_MISTAKES)
    assert sum(m.count for m in shown) + count == 5000
    assert f"{count:,} more, of {kinds:,} rarer kinds" in text


def test_an_empty_class_has_a_page():
    assert "0 of 0 students have a mark." in text_of(picture_of())


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tiny_course(tmp_path_factory.mktemp("report") / "course")
    failed = (V.FAILED, 0.0, "three is not doubled\n  expected: 6")
    grade_as(made, {"ann": Graded(), "bob": Graded({"test_double": failed}, essay=2.0)})
    enter(made, ["zoe"])
    return made


def test_a_course_gets_its_page(folder, tmp_path, capsys):
    assert main(["report", "tiny", "--course", str(folder)]) == 0
    assert "tiny: 2 of 3 students have a mark" in capsys.readouterr().out
    page = (folder / "reports" / "tiny.html").read_text()
    text = " ".join(Page(page).text.split())
    assert "1 test_double ✗ failed three is not doubled" in text
    order = [text.index(f"{name} ") for name in ("test_double", "test_half", "essay")]
    assert order == sorted(order), "in the notebook's order"
    assert main(["report", "nope", "--course", str(folder)]) == 2
    assert "no single lesson is called 'nope'" in capsys.readouterr().err


def test_a_result_that_is_not_whole_is_told(folder, tmp_path):
    path = folder / "autograded" / "ann" / "tiny" / "tiny.ipynb"
    before = path.read_text()
    path.write_text(before.replace("full", "none"))
    try:
        _, picture = write_report(Course(folder), "tiny", tmp_path / "page.html")
    finally:
        path.write_text(before)
    assert picture.problems["the graded notebook is not whole"].names == ["ann"]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium")
def test_the_page_fits_a_phone_and_says_nothing_to_the_console(folder, tmp_path):
    from playwright.sync_api import sync_playwright

    path, _ = write_report(Course(folder), "tiny", tmp_path / "page.html")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            page = browser.new_page(viewport={"width": 400, "height": 800}, color_scheme=scheme)
            said: list[str] = []
            page.on("console", lambda message, said=said: said.append(message.text))
            page.goto(path.as_uri())
            assert page.evaluate("document.documentElement.scrollWidth") <= 400
            ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
            assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(22, 24, 27)"}[scheme]
            assert said == []
        browser.close()


def test_exercises_of_two_notebooks_may_share_a_name():
    cells = {("one", "t"): 1.0, ("two", "t"): 1.0, ("two", "u"): 1.0}
    marks = tuple(Mark(*key, key[0] == "one", 1.0) for key in cells)
    reports = {
        name: Report(name, (CellResult("t", verdict, score, 1.0, "no"),), (), 1.0, "full")
        for name, verdict, score in (("one", V.PASSED, 1.0), ("two", V.FAILED, 0.0))
    }
    student = StudentMarks(Person("ann"), True, None, 0.0, marks)
    picture = ClassPicture(Lesson("tiny", ("one", "two"), cells)).add_all([Entry(student, reports)])
    assert picture.lines[0].verdicts == (V.PASSED, V.FAILED, None)
    assert picture.verdicts == {"one/t": {V.PASSED: 1}, "two/t": {V.FAILED: 1}}
    assert [m.exercise for m in picture.common_mistakes(5)[0]] == ["two/t"]
