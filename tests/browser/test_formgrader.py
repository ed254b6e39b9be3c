"""A person grades a written answer in formgrader, in a real browser, in a course of their own."""

import contextlib
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from accessible import CHROMIUM, LAPTOP
from fixtures import fill
from lab import wait_for
from nbgrader.api import Gradebook

from nbproctor.building.build import build_course
from nbproctor.building.init_course import LESSON, make_course
from nbproctor.commands.cli import main
from nbproctor.store.gradebook import Course

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium (.ci/run installs it)"),
]

MEAN = """\
def running_mean(values, width):
    if width < 1:
        raise ValueError("too narrow")
    return [sum(values[n:n + width]) / width for n in range(len(values) - width + 1)]
"""
ANSWERS = {
    "ada": {"running_mean": MEAN, "question_peaks": "It is lower, <b>and</b> wider."},
    "carl": {"running_mean": MEAN.replace(" + 1)", ")"), "question_peaks": "Nothing is left."},
}
COMMENT = "Right; and what stays of the sum?"


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A new course whose only lesson is released, handed in by two students, and graded."""
    folder = tmp_path_factory.mktemp("formgrader") / "means"
    make_course(folder)
    build_course(folder, say=lambda line: None)
    Course(folder).release(LESSON)
    released = nbformat.read(folder / "notebooks" / LESSON / f"{LESSON}.ipynb", 4)
    for student, answers in ANSWERS.items():
        place = folder / "submitted" / student / LESSON
        place.mkdir(parents=True)
        nbformat.write(fill(released, answers), place / f"{LESSON}.ipynb")
    assert main(["grade", "01", "--course", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def formgrader(course: Path) -> Iterator[str]:
    """A Jupyter server in the course's folder: the address of formgrader."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [f"--ServerApp.port={port}", "--IdentityProvider.token=t", "--allow-root"]
    home = {"HOME": str(course.parent), "JUPYTER_CONFIG_DIR": str(course.parent / "config")}
    with (course.parent / "server.log").open("w") as log:
        server = subprocess.Popen(
            [Path(sys.executable).parent / "jupyter", "server", "--no-browser", *options],
            cwd=course,
            env={**os.environ, **home},
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api?token=t", 180)
            yield f"http://127.0.0.1:{port}/formgrader"
        finally:
            server.terminate()
            server.wait(timeout=30)


@pytest.fixture
def page(formgrader: str, browser: Any) -> Iterator[Any]:
    """A page of a browser that is logged in, and fetches nothing from elsewhere."""
    home = formgrader.removesuffix("/formgrader")
    made = browser.new_page(viewport=LAPTOP)
    made.set_default_timeout(180_000)
    made.route(re.compile(f"^(?!{re.escape(home)})http"), lambda route: route.abort())
    made.goto(f"{formgrader}/gradebook?token=t")
    yield made
    made.close()


def open_submission(page: Any, score: str) -> None:
    """Open the submission with this score, and wait until its form answers."""
    page.locator("tr", has_text=score).locator("a.name-hidden").click()
    page.locator("#question_peaks.needs_manual_grade").wait_for()
    page.wait_for_function("() => formgrader.grades.loaded && formgrader.comments.loaded")


@contextlib.contextmanager
def saved(page: Any, what: str) -> Iterator[None]:
    """What is done here saves a grade or a comment."""
    with page.expect_response(re.compile(f"/formgrader/api/{what}/")) as answer:
        yield
    assert answer.value.ok


def mark_of(course: Path, student: str) -> tuple[float, float | None, str | None]:
    """The score of a submission, and what a person gave and wrote for its question."""
    where = ("question_peaks", LESSON, LESSON, student)
    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        score = gradebook.find_submission(LESSON, student).score
        comment = gradebook.find_comment(*where)
        return score, gradebook.find_grade(*where).manual_score, comment.manual_comment


def test_a_written_answer_is_graded_by_hand(
    page: Any, formgrader: str, course: Path, tmp_path: Path
) -> None:
    page.get_by_role("link", name=LESSON).click()
    page.get_by_role("link", name=LESSON).last.click()
    links = page.locator("td.name a.name-hidden")
    links.first.wait_for()
    assert sorted(links.all_inner_texts()) == ["Submission #1", "Submission #2"]
    assert "ada" not in page.inner_text("table"), "who it is, is not shown unless asked for"
    page.screenshot(path=str(tmp_path / "submissions.png"))
    open_submission(page, "3 / 5")
    points, comment = page.locator("#question_peaks"), page.locator("#question_peaks-comment")
    assert "ada" not in page.inner_text("nav")
    with saved(page, "grade"):
        points.fill("1.5")
        points.press("Tab")
    with saved(page, "comment"):
        comment.fill(COMMENT)
        comment.press("Tab")
    page.screenshot(path=str(tmp_path / "graded.png"), full_page=True)
    assert mark_of(course, "ada") == (4.5, 1.5, COMMENT)

    page.goto(f"{formgrader}/gradebook/{LESSON}/{LESSON}")
    row = page.locator("tr", has_text="4.5 / 5")
    row.wait_for()
    assert row.locator(".needs-manual-grade span").count() == 0
    page.screenshot(path=str(tmp_path / "gradebook.png"))

    page.goto(f"{formgrader}/manage_assignments")
    page.locator(".generate-feedback a").click()
    page.get_by_text("successfully generated feedback", exact=False).first.wait_for()
    feedback = course / "feedback" / "ada" / LESSON / f"{LESSON}.html"
    page.goto(feedback.as_uri())
    text = page.inner_text("body")
    assert "Score: 4.5 / 5.0" in text and COMMENT in text
    page.screenshot(path=str(tmp_path / "feedback.png"), full_page=True)


def test_a_mark_given_by_hand_stays_when_the_class_is_graded_again(
    page: Any, formgrader: str, course: Path
) -> None:
    page.goto(f"{formgrader}/gradebook/{LESSON}/{LESSON}")
    open_submission(page, "1 / 5")
    answer = page.locator(".nbgrader_cell", has=page.locator("#question_peaks"))
    with saved(page, "grade"):
        answer.get_by_role("button", name="No credit").click()
    assert mark_of(course, "carl") == (1, 0, None)
    assert main(["grade", "01", "carl", "--course", str(course), "--rerun", "all", "--quiet"]) == 0
    assert mark_of(course, "carl") == (1, 0, None)
