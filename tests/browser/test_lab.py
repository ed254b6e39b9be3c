"""The lesson as a learner meets it: JupyterLab in a real browser."""

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

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LESSON = "02_residual_block"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
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


def wait_for(url: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError), urllib.request.urlopen(url):
            return
        time.sleep(0.2)
    raise AssertionError(f"nothing answers within {seconds} s")


@contextlib.contextmanager
def jupyterlab(folder: Path) -> Iterator[str]:
    """JupyterLab as `make lab` starts it, in a copy of notebooks/: its address."""
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
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
    environment = {**os.environ, "HOME": str(folder), "JUPYTER_CONFIG_DIR": str(folder / "config")}
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
            yield f"http://127.0.0.1:{port}/lab/tree/{LESSON}/{LESSON}.ipynb?token=t&reset"
        finally:
            lab.terminate()
            lab.wait(timeout=30)


def sources(page: Any) -> list[str]:
    code = "c => c.model.type === 'code' ? c.model.sharedModel.source : ''"
    found: list[str] = page.evaluate(f"() => {{ {NOTEBOOK} return book.widgets.map({code}); }}")
    return found


def outputs(page: Any, n: int) -> list[dict[str, Any]]:
    model = "book.widgets[n].model.outputs.toJSON()"
    found: list[dict[str, Any]] = page.evaluate(f"n => {{ {NOTEBOOK} return {model}; }}", n)
    return found


@pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium (.ci/run installs it)")
def test_the_lesson_runs_and_its_widget_moves(tmp_path: Path) -> None:
    from playwright.sync_api import sync_playwright

    with jupyterlab(tmp_path) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=BROWSER_OPTIONS)
        page = browser.new_page(viewport={"width": 1366, "height": 900})
        page.goto(address)
        page.wait_for_selector(".jp-Notebook", timeout=60_000)
        page.wait_for_function(
            f"() => {{ {NOTEBOOK} return book.widgets.length > 50"
            " && window.jupyterapp.shell.currentWidget.sessionContext.session?.kernel; }",
            timeout=60_000,
        )
        texts = sources(page)
        explorer = next(n for n, text in enumerate(texts) if "GradientExplorer()" in text)
        first = [n for n, text in enumerate(texts) if text][:6]
        for n in [*first, explorer]:
            page.evaluate(RUN_CELL, n)
            assert [o for o in outputs(page, n) if o["output_type"] == "error"] == []
        assert "image/png" in outputs(page, first[4])[-1]["data"], "the first figure"
        page.evaluate(f"async n => {{ {NOTEBOOK} await book.scrollToItem(n); }}", explorer)
        picture = page.locator(".jp-OutputArea img.widget-image, .jp-OutputArea .widget-image img")
        picture.first.wait_for(timeout=20_000)
        before = picture.first.get_attribute("src")
        handle = page.locator(".noUi-handle").first
        handle.focus()
        handle.press("ArrowRight")
        page.wait_for_function(
            "before => [...document.querySelectorAll('.jp-OutputArea img')]"
            ".every(image => image.getAttribute('src') !== before)",
            arg=before,
            timeout=20_000,
        )
        assert page.locator(".widget-readout").first.inner_text() == "51"
        page.screenshot(path=str(tmp_path / "explorer.png"))
        browser.close()
