"""JupyterLab as `make lab` starts it, and a browser that looks at it."""

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

from accessible import LAPTOP, chromium

ROOT = Path(__file__).parents[2]
LESSONS = sorted(path.stem for path in ROOT.glob("notebooks/*/*.ipynb"))
MODEL, START = "02_residual_block", "00_start"

NOTEBOOK = "const book = window.jupyterapp.shell.currentWidget.content;"
OPEN = "async path => { await window.jupyterapp.commands.execute('docmanager:open', {path}); }"
READY = """path => {
  const shown = window.jupyterapp?.shell.currentWidget;
  return shown?.context?.path === path && shown.content.widgets.length > 10
    && shown.sessionContext.session?.kernel;
}"""
CLOSE = """async () => {
  const shown = window.jupyterapp.shell.currentWidget;
  await shown.sessionContext.shutdown();
  shown.dispose();
}"""
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
        "JUPYTER_CONFIG_PATH": str(ROOT / ".jupyter"),
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


@contextlib.contextmanager
def browser_page() -> Iterator[Any]:
    """An empty page of a browser of its own, as wide as a laptop's."""
    with chromium() as browser:
        yield browser.new_page(viewport=LAPTOP)


def open_lesson(page: Any, files: str, lesson: str) -> list[str]:
    """Open a lesson and wait for its kernel: the text of each code cell, "" for others.

    By its address in an empty page; in JupyterLab, if the page has it open already.
    """
    path = f"{lesson}/{lesson}.ipynb"
    if page.url == "about:blank":
        page.goto(f"{files}/{path}?token=t&reset")
        page.wait_for_selector(".jp-Notebook", timeout=180_000)
    else:
        page.evaluate(OPEN, path)
    page.wait_for_function(READY, arg=path, timeout=180_000)
    return sources(page)


def close_lesson(page: Any) -> None:
    """Close the notebook that is shown, unsaved as it is, and end its kernel."""
    page.evaluate(CLOSE)


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
