"""The lessons as a learner meets them: JupyterLab in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accessible import CHROMIUM, LAPTOP
from explorers import measure, watched
from lab import (
    INSERT_BELOW,
    LESSONS,
    MODEL,
    SAVE,
    START,
    WRITE,
    close_lesson,
    jupyterlab,
    open_lesson,
    outputs,
    run_cell,
    show_explorer,
)

THEME = (
    "async name => await window.jupyterapp.commands.execute("
    "'apputils:change-theme', {theme: `JupyterLab ${name}`})"
)
HAS_THEME = "name => document.body.dataset.jpThemeName === `JupyterLab ${name}`"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium (.ci/run installs it)"),
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyterlab(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page of a learner who was never here."""
    opened = browser.new_page(viewport=LAPTOP)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def same_page(browser: Any) -> Iterator[Any]:
    """A page that stays open: loading JupyterLab takes as long as all that an explorer does."""
    opened = browser.new_page(viewport=LAPTOP)
    yield opened
    opened.close()


def test_the_lesson_runs_and_its_widget_moves(page: Any, files: str, tmp_path: Path) -> None:
    texts = open_lesson(page, files, MODEL)
    explorer = next(n for n, text in enumerate(texts) if "GradientExplorer()" in text)
    drawn = next(n for n, text in enumerate(texts) if "plots.show(" in text)
    for n in [n for n, text in enumerate(texts[: drawn + 2]) if text]:
        run_cell(page, n)
    assert "image/png" in outputs(page, drawn)[-1]["data"], "the first figure"
    figure = page.locator(".jp-OutputArea .jp-RenderedHTML img").first
    assert "training step" in figure.get_attribute("alt")
    picture = show_explorer(page, explorer)
    before = picture.get_attribute("src")
    handle = page.locator(".noUi-handle").first
    handle.focus()
    handle.press("ArrowRight")
    page.wait_for_function(
        "before => [...document.querySelectorAll('.jp-OutputArea img')]"
        ".every(image => image.getAttribute('src') !== before)",
        arg=before,
        timeout=60_000,
    )
    assert page.locator(".widget-readout").first.inner_text() == "51"
    page.screenshot(path=str(tmp_path / "explorer.png"))


@pytest.mark.parametrize("lesson", LESSONS)
def test_every_lesson_has_an_explorer_that_fits_the_page_and_obeys_the_keyboard(
    same_page: Any, files: str, lesson: str, tmp_path: Path
) -> None:
    page = same_page
    found = watched(page, files, lesson)
    picture = page.locator(
        ".jp-OutputArea img.widget-image, .jp-OutputArea .widget-image img"
    ).first
    shown, drawn = picture.evaluate("image => [image.clientWidth, image.naturalWidth]")
    assert 0 < shown <= drawn
    change_theme(page, "Light")
    page.screenshot(path=str(tmp_path / "light.png"))
    assert len({control.name for control in found}) == len(found) >= 3
    for control in found:
        before = picture.get_attribute("src")
        measure(page, control, steps=1)
        assert picture.get_attribute("src") != before, control.name
    change_theme(page, "Dark")
    page.screenshot(path=str(tmp_path / "dark.png"))
    close_lesson(page)


def change_theme(page: Any, name: str) -> None:
    page.evaluate(THEME, name)
    page.wait_for_function(HAS_THEME, arg=name, timeout=60_000)


def test_the_first_start_asks_nothing(page: Any, files: str) -> None:
    """JupyterLab would offer its news; nothing is fetched from elsewhere either."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    open_lesson(page, files, START)
    page.wait_for_timeout(3000)
    assert page.locator(".jp-Dialog").count() == 0
    assert page.get_by_text("Would you like to").count() == 0
    assert [url for url in asked if "127.0.0.1" not in url and url.startswith("http")] == []
    assert [url for url in asked if "/lab/api/news" in url] == []


def test_a_notebook_is_checked_from_inside_it(page: Any, files: str, tmp_path: Path) -> None:
    """Answer wrongly, save, check; answer rightly, save, check again: what a learner does."""
    texts = open_lesson(page, files, START)
    for n in [n for n, text in enumerate(texts) if text][:2]:
        run_cell(page, n)
    answer = next(n for n, text in enumerate(texts) if text.startswith("def add_skip"))
    last = len(texts) - 1
    page.evaluate(INSERT_BELOW, [last, "plusx.check()"])
    page.evaluate(WRITE, [answer, "def add_skip(f, x):\n    return f(x)"])
    run_cell(page, last + 1)
    assert "was not saved" in shown_result(page, "was not saved")
    page.evaluate(SAVE)
    page.get_by_role("button", name="Check again").click()
    wrong = shown_result(page, "of 1 points from tests")
    assert "Exercise 1 · The line" in wrong and "the skip is missing: add x" in wrong
    assert "open “Hint 1: where is the formula?”" in wrong
    page.screenshot(path=str(tmp_path / "wrong.png"))
    page.evaluate(WRITE, [answer, "def add_skip(f, x):\n    return f(x) + x"])
    page.evaluate(SAVE)
    page.get_by_role("button", name="Check again").click()
    assert "✓ passed, 1 of 1 points" in shown_result(page, "1 of 1 points from tests")
    page.screenshot(path=str(tmp_path / "right.png"))
    run_cell(page, next(n for n, text in enumerate(texts) if text == "plusx.progress()"))
    page.get_by_text("1 of 1", exact=True).wait_for(timeout=60_000)


def shown_result(page: Any, words: str) -> str:
    """The text of the checking widget, once it holds the words."""
    result = page.locator(".widget-html-content", has_text=words)
    result.wait_for(timeout=180_000)
    return str(result.inner_text())
