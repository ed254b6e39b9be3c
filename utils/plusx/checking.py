"""`plusx.check()`: this notebook, graded with the hidden tests, from inside the notebook.

The grader runs beside, in a process of its own, as it does for a class; the kernel here stays
free. What comes back is what a learner may see: verdicts and messages, never a hidden test.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from plusx.errors import ArgumentError
from plusx.own_notebook import Exercise, cells_of, exercises_of, own_notebook, running_cell

try:
    import ipywidgets
except ImportError:  # text remains
    ipywidgets = None

UNSAVED = (
    "This notebook was not saved since this cell was written. What is checked is the file: "
    "save it (Ctrl+S, or ⌘S on a Mac), then check again."
)
COURSE_MARK = "nbgrader_config.py"  # stands in the folder of every course
BAD = ("failed", "partial", "timed out", "out of memory", "kernel died")
COLOURS = {"passed": "#00664b", "to be graded by hand": "#005a8f"}  # of text on white or grey
BAD_COLOUR, CALM_COLOUR = "#9a3f00", "#555555"


def check(notebook: str | Path | None = None) -> "Check":
    """Grade this notebook, as it is saved, and show what is right and what is not yet.

    `notebook` names another one. As the last line of a cell it shows a button and the result,
    which comes by itself in some seconds. Raises `ArgumentError` if there is no such notebook,
    it is not in its course, or the grader is not installed here.
    """
    if any(find_spec(name) is None for name in ("nbproctor", "nbgrader")):
        raise ArgumentError(
            "the grader is not installed here",
            expected="the course's own environment, as `make lab` starts it",
            got=sys.prefix,
            where="plusx.check",
        )
    path = own_notebook(notebook)
    if not any((folder / COURSE_MARK).is_file() for folder in path.parents):
        raise ArgumentError(
            "this notebook stands alone: what checks it is in the folder of the whole course",
            expected=f"a {COURSE_MARK} in a folder above it, as in a clone of the course",
            got=str(path.parent),
            where="plusx.check",
        )
    return Check(path, running_cell() if notebook is None else "")


class Check:
    """One notebook's checks: the newest result as text, and as a widget where there are widgets.

    `cell` is a source that a saved notebook must hold, or it was not saved.
    """

    def __init__(self, notebook: Path, cell: str = "") -> None:
        self.notebook, self._cell = notebook, cell
        self.text = self.html = ""
        self._listeners: list[Callable[[], None]] = []
        self._thread: threading.Thread | None = None
        self.start()

    def start(self) -> None:
        """Begin to check, unless a check is on its way."""
        if self._thread is not None and self._thread.is_alive():
            return
        cells = cells_of(self.notebook)
        if self._cell and self._cell.strip() not in [cell["source"].strip() for cell in cells]:
            self._show(UNSAVED, f"<p>{escape(UNSAVED)}</p>")
            return
        waiting = f"Checking {self.notebook.name}: some seconds, more if its cells take longer."
        self._show(waiting, f"<p>{escape(waiting)}</p>")
        self._thread = threading.Thread(target=self._run, args=(exercises_of(cells),), daemon=True)
        self._thread.start()

    def wait(self) -> "Check":
        """Come back when the check has ended."""
        if self._thread is not None:
            self._thread.join()
        return self

    def __str__(self) -> str:
        return self.wait().text

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        if ipywidgets is None:
            return {"text/plain": str(self)}
        return {**self.controls()._repr_mimebundle_(), "text/plain": "plusx.check()"}

    def controls(self) -> Any:
        """A button above the result."""
        button = ipywidgets.Button(description="Check again", icon="check")
        shown = ipywidgets.HTML(self.html)

        def update() -> None:
            shown.value = self.html

        self._listeners.append(update)
        button.on_click(lambda _: self.start())
        update()  # it may have ended before anybody listened
        return ipywidgets.VBox([button, shown])

    def _run(self, exercises: dict[str, Exercise]) -> None:
        stem, folder = self.notebook.stem, self.notebook.parent.name
        lesson = folder if folder and stem.startswith(folder) else stem  # a copy has a longer name
        command = [sys.executable, "-m", "nbproctor.commands.start", "check", lesson]
        command += ["--json", "--notebook", str(self.notebook)]
        try:
            done = subprocess.run(
                command, cwd=self.notebook.parent, capture_output=True, text=True, encoding="utf-8"
            )
            words = done.stderr.strip() or f"The grader ended with status {done.returncode}."
            result = None if done.returncode else json.loads(done.stdout.splitlines()[-1])
        except (OSError, ValueError, IndexError) as error:  # nobody hears of it in this thread
            words, result = f"The grader gave no result ({type(error).__name__}: {error}).", None
        if result is None:
            self._show(words, f"<pre>{escape(words)}</pre>")
            return
        told = [line for line in done.stderr.splitlines() if line]
        self._show(
            "\n".join([*_lines(result, exercises), *told]),
            "".join([*_html(result, exercises), *(f"<p>{escape(line)}</p>" for line in told)]),
        )

    def _show(self, text: str, html: str) -> None:
        self.text, self.html = text, html
        for listener in self._listeners:
            listener()


def _lines(result: dict[str, Any], exercises: dict[str, Exercise]) -> Iterator[str]:
    for item in result["results"]:
        exercise = exercises.get(item["grade_id"], Exercise(item["grade_id"]))
        yield f"{item['symbol']} {exercise.title}: {item['verdict']}, {_points(item)}"
        yield from (f"    {line}" for line in item["message"].splitlines())
        if advice := _advice(item, exercise):
            yield f"    {advice}"
    yield from (f"Note: {note}" for note in result["notes"])
    yield result["total"]


def _html(result: dict[str, Any], exercises: dict[str, Exercise]) -> Iterator[str]:
    yield "<ul style='list-style: none; padding: 0; margin: 0; max-width: 46em'>"
    for item in result["results"]:
        exercise = exercises.get(item["grade_id"], Exercise(item["grade_id"]))
        verdict = item["verdict"]
        colour = COLOURS.get(verdict, BAD_COLOUR if verdict in BAD else CALM_COLOUR)
        yield (
            f"<li style='margin: 0.4em 0; padding-left: 0.7em; border-left: 4px solid {colour}'>"
            f"<b>{escape(exercise.title)}</b><br>{item['symbol']} {escape(verdict)}, "
            f"{_points(item)}"
        )
        if item["message"]:
            yield f"<div style='white-space: pre-wrap'>{escape(item['message'])}</div>"
        if advice := _advice(item, exercise):
            yield f"<div><i>{escape(advice)}</i></div>"
        yield "</li>"
    yield "</ul>"
    yield from (f"<p>Note: {escape(note)}</p>" for note in result["notes"])
    yield f"<p>{escape(result['total'])}</p>"


def _points(item: dict[str, Any]) -> str:
    if item["score"] is None:
        return f"{item['points']:g} points"
    return f"{item['score']:g} of {item['points']:g} points"


def _advice(item: dict[str, Any], exercise: Exercise) -> str:
    """Which hint to open next: the first after the first failed check, and so on."""
    hint = exercise.next_hint(item["failed_checks"]) if item["verdict"] in BAD else ""
    return f"If you are stuck, open “{hint}” above the exercise." if hint else ""
