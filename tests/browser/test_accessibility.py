"""The pages that graders and learners get, looked at by axe-core: nothing serious is found."""

import re
from pathlib import Path
from typing import Any

import pytest
from accessible import CHROMIUM, LAPTOP, PHONE, grave_findings
from classes import Graded, enter, grade_as, tiny_course
from test_regrade import change_of
from test_report import EVERY_VERDICT, row
from test_similarity import DISGUISES, FOUR, HONEST, ONE, exercise

from nbproctor.classes.proposal import Proposal
from nbproctor.classes.regrade_report import regrade_page
from nbproctor.classes.similarity import Exercise, Measure, alike
from nbproctor.classes.similarity_class import Likeness, similarity_page
from nbproctor.course.records import Verdict
from nbproctor.reports.lesson_report import write_report
from nbproctor.reports.report import check_page, class_page, course_page
from nbproctor.store.gradebook import Course

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium (.ci/run installs it)"),
]
VIEWS = [("light", LAPTOP), ("dark", PHONE)]
ESSAY = "The gradient reaches the first layer because one of the paths has no weights at all. "


def test_reports_have_no_grave_findings(browser: Any, tmp_path: Path) -> None:
    students = [row(f"student_{n}", *EVERY_VERDICT.results, about="late") for n in range(3)]
    students.append(row("other", *EVERY_VERDICT.results, differences={"score": "3"}))
    pages = {
        "check": check_page(EVERY_VERDICT, "Lesson 01"),
        "class": class_page(students, "A class", ["A note."]),
        "course": course_page({"01_tiny": students}, "A course", {"01_tiny": "class.html"}),
        "similarity": similarity_page(likeness()),
        "regrade": regrade_page(Proposal("tiny", 7.0, {}, (change_of("ann", 5, 2),), {"cy": "-"})),
    }
    paths = [tmp_path / f"{name}.html" for name in pages]
    for path, text in zip(paths, pages.values(), strict=True):
        path.write_text(text, encoding="utf-8")
    assert found_on(browser, paths) == []


def test_a_lessons_report_and_feedback_have_no_grave_findings(browser: Any, tmp_path: Path) -> None:
    folder = tiny_course(tmp_path / "course")
    wrong = {"test_double": (Verdict.FAILED, 0.0, "double\n  expected: 4\n  got: 5")}
    grade_as(folder, {"ann": Graded(essay=1.0), "bob": Graded(wrong, notes=("A cell is gone.",))})
    enter(folder, ["cy"])
    course = Course(folder)
    report, _ = write_report(course, "tiny", tmp_path / "report.html")
    course.generate_feedback("tiny")
    feedback = folder / "feedback" / "bob" / "tiny" / "tiny.html"
    assert found_on(browser, [report, feedback]) == []
    long = feedback.with_name("long.html")
    text = feedback.read_text(encoding="utf-8")
    words = "<code>" + "nn.functional.interpolate" * 6 + "</code>"
    start = re.search(r"<div[^>]*rendered_html[^>]*>", text)
    assert start is not None
    long.write_text(text[: start.end()] + words + text[start.end() :], encoding="utf-8")
    page = browser.new_page(viewport=PHONE)
    page.goto(long.as_uri())
    width = page.evaluate("document.documentElement.scrollWidth")
    page.close()
    assert width <= PHONE["width"], "code in a sentence is wrapped"


def likeness() -> Likeness:
    """Two pairs: one shares a program and a written answer, one a program."""
    programs = {**HONEST, "eve": DISGUISES["names changed"](ONE), "fay": FOUR}
    essays = {"ann": ESSAY * 2, "eve": "As I see it: " + ESSAY}
    exercises = [exercise(programs), Exercise("essay", [], essays, is_code=False)]
    pairs = alike(exercises, Measure())
    assert [len(pair.shared) for pair in pairs] == [2, 1]
    return Likeness("tiny", 6, ("moving_mean", "essay"), tuple(pairs), Measure())


def found_on(browser: Any, paths: list[Path]) -> list[str]:
    return [
        finding
        for path in paths
        for scheme, size in VIEWS
        for finding in grave_findings(browser, path.as_uri(), scheme, size)
    ]
