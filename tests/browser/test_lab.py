"""The lessons as a learner meets them: JupyterLab in a real browser."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).parents[2]
LESSONS = sorted(path.stem for path in ROOT.glob("notebooks/*/*.ipynb"))
MODEL, START = "02_residual_block", "00_start"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium (.ci/run installs it)"),
]

BROWSER_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NOTEBOOK = "const book = window.jupyterapp.shell.currentWidget.content;"
RUN_CELL = (
    f"async n => {{ {NOTEBOOK} book.activeCellIndex = n;"
    " await window.jupyterapp.commands.execute('notebook:run-cell'); }"
)
WRITE = (
    f"async ([n, text]) => {{ {NOTEBOOK} await book.scrollToItem(n);"
    " book.widgets[n].model.sharedModel.setSource(text); }"
)
INSERT_BELOW = (
    f"async ([n, text]) => {{ {NOTEBOOK} book.activeCellIndex = n;"
    " await window.jupyterapp.commands.execute('notebook:insert-cell-below');"
    " await window.jupyterapp.commands.execute('notebook:change-cell-to-code');"
    " book.activeCell.model.sharedModel.setSource(text); }"
)
SAVE = "async () => await window.jupyterapp.commands.execute('docmanager:save')"


def wait_for(url: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing answers within {seconds} s")


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """JupyterLab as `make lab` starts it, in a copy of the course: the address of its files."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    shutil.copytree(ROOT / "solutions" / START, folder / "solutions" / START)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = [
        "--ServerApp.root_dir=notebooks",
        "--no-browser",
        "--allow-root",
        f"--ServerApp.port={port}",
        "--IdentityProvider.token=t",
        "--LabApp.expose_app_in_browser=True",
    ]
    environment = {
        **os.environ,
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "PLUSX_PROGRESS": str(folder / "progress.json"),
    }
    with (folder / "lab.log").open("w") as log:
        lab = subprocess.Popen(
            [Path(sys.executable).parent / "jupyter", "lab", *options],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
        try:
            wait_for(f"http://127.0.0.1:{port}/api?token=t")
            yield f"http://127.0.0.1:{port}/lab/tree"
        finally:
            lab.terminate()
            lab.wait(timeout=30)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with jupyterlab(tmp_path_factory.mktemp("lab")) as address:
        yield address


@pytest.fixture
def page() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        yield browser.new_page(viewport={"width": 1366, "height": 900})
        browser.close()


def open_lesson(page: Any, files: str, lesson: str) -> list[str]:
    """Open a lesson and wait for its kernel: the text of each code cell, "" for others."""
    page.goto(f"{files}/{lesson}/{lesson}.ipynb?token=t&reset")
    page.wait_for_selector(".jp-Notebook", timeout=180_000)
    page.wait_for_function(
        f"() => {{ {NOTEBOOK} return book.widgets.length > 10"
        " && window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel; }",
        timeout=180_000,
    )
    return sources(page)


def run_cell(page: Any, n: int) -> None:
    page.evaluate(RUN_CELL, n)
    assert [o for o in outputs(page, n) if o["output_type"] == "error"] == []


def show_explorer(page: Any, n: int) -> Any:
    """Run an explorer's cell and scroll to it: its picture."""
    run_cell(page, n)
    page.evaluate(f"async n => {{ {NOTEBOOK} await book.scrollToItem(n); }}", n)
    picture = page.locator(".jp-OutputArea img.widget-image, .jp-OutputArea .widget-image img")
    picture.first.wait_for(timeout=60_000)
    return picture.first


def sources(page: Any) -> list[str]:
    code = "c => c.model.type === 'code' ? c.model.sharedModel.source : ''"
    found: list[str] = page.evaluate(f"() => {{ {NOTEBOOK} return book.widgets.map({code}); }}")
    return found


def outputs(page: Any, n: int) -> list[dict[str, Any]]:
    model = "book.widgets[n].model.outputs.toJSON()"
    found: list[dict[str, Any]] = page.evaluate(f"n => {{ {NOTEBOOK} return {model}; }}", n)
    return found


def test_the_lesson_runs_and_its_widget_moves(page: Any, files: str, tmp_path: Path) -> None:
    texts = open_lesson(page, files, MODEL)
    explorer = next(n for n, text in enumerate(texts) if "GradientExplorer()" in text)
    first = [n for n, text in enumerate(texts) if text][:6]
    for n in first:
        run_cell(page, n)
    assert "image/png" in outputs(page, first[4])[-1]["data"], "the first figure"
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
def test_every_lesson_has_an_explorer_that_fits_the_page(
    page: Any, files: str, lesson: str, tmp_path: Path
) -> None:
    texts = open_lesson(page, files, lesson)
    (explorer,) = [n for n, text in enumerate(texts) if text.endswith("Explorer()")]
    run_cell(page, next(n for n, text in enumerate(texts) if text))  # the imports
    picture = show_explorer(page, explorer)
    shown, drawn = picture.evaluate("image => [image.clientWidth, image.naturalWidth]")
    assert 0 < shown <= drawn
    page.screenshot(path=str(tmp_path / "explorer.png"))


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
