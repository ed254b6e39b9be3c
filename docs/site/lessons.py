"""A lesson as a page: what learners open, what came out of it, and the solutions, folded."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from docs.site import SiteError

__all__ = ["Lesson", "lesson_page", "read_lessons", "whole_formulas"]

Cell = dict[str, Any]
Lesson = dict[str, Any]

SCHEME = re.compile(r"### BEGIN MARK SCHEME\n(.*?)### END MARK SCHEME\n?", re.DOTALL)
SOLUTION = re.compile(r"### BEGIN SOLUTION\n(.*?)### END SOLUTION\n?", re.DOTALL)
MARKER = re.compile(r"^[ \t]*### (?:BEGIN|END) [A-Z ]+\n?", re.MULTILINE)
FORMULA = re.compile(r"```.*?```|`[^`\n]*`|\$\$.*?\$\$|(?P<inline>\$[^$]+\$)", re.DOTALL)
OTHER_LESSON = re.compile(r"\]\(\.\./(\w+)/\1\.ipynb\)")  # here they stand in one folder
MACHINE = ("application/vnd.jupyter.widget-view+json",)


def read_lessons(root: Path) -> dict[str, Lesson]:
    """The pages of all lessons, as notebooks, by name.

    Raises:
        SiteError: there is no lesson, or one has not been built.
    """
    names = sorted(path.stem for path in root.glob("solutions/[0-9]*/[0-9]*.py"))
    if not names:
        raise SiteError(f"there are no lessons: expected solutions/NN_topic/NN_topic.py in {root}")
    return {
        name: lesson_page(_notebook(root, "notebooks", name), _notebook(root, "solutions", name))
        for name in names
    }


def lesson_page(released: Lesson, executed: Lesson) -> Lesson:
    """The released notebook with the executed one's outputs, and its solutions behind a click.

    Test cells are the released ones: a hidden test is never looked at.

    Raises:
        SiteError: the two are not made from the same source.
    """
    cells, done = released["cells"], executed["cells"]
    name = f"{executed['metadata']['lesson']['title']!r}"
    if [cell["id"] for cell in cells] != [cell["id"] for cell in done]:
        raise SiteError(
            f"lesson {name}: the released notebook and the executed one have other cells. Was its "
            "source changed? Then run `make build`. Was the one in notebooks/ worked in? Keep a "
            "copy elsewhere, and put back what was released: `git checkout notebooks`"
        )
    page = [new for pair in zip(cells, done, strict=True) for new in _on_page(*pair)]
    metadata = {key: executed["metadata"][key] for key in ("kernelspec", "language_info", "lesson")}
    return {"cells": page, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}


def whole_formulas(text: str) -> str:
    """Markdown whose inline formulas stand on one line each.

    Jupyter takes formulas out before it reads Markdown. Sphinx does not: a formula that goes on
    with "+ x" in the next line would become a list.
    """

    def joined(found: re.Match[str]) -> str:
        return " ".join(found[0].split("\n")) if found["inline"] else found[0]

    return FORMULA.sub(joined, text)


def _notebook(root: Path, folder: str, name: str) -> Lesson:
    path = root / folder / name / f"{name}.ipynb"
    if not path.is_file():
        number = name[:2]
        raise SiteError(
            f"lesson {number} has no {path.relative_to(root)}: run `make build LESSON={number}`"
        )
    return dict(json.loads(path.read_text(encoding="utf-8")))


def _on_page(cell: Cell, done: Cell) -> Iterator[Cell]:
    """What stands for a cell: itself with its outputs, and its solution if it has one."""
    if cell["cell_type"] != "code":
        yield _prose(cell["id"], _text(cell))
    else:
        yield {**cell, "execution_count": None, "metadata": _alt(done), "outputs": _outputs(done)}
    if done["metadata"].get("nbgrader", {}).get("solution"):
        yield _prose(f"{cell['id']}-solution"[-64:], "\n".join(_folded(done)))


def _folded(cell: Cell) -> Iterator[str]:
    """The solution of a cell, or the model answer and mark scheme of a written question."""
    text = _text(cell)
    if cell["cell_type"] == "code":
        fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
        yield from _fold("Solution", f"{fence}python\n{MARKER.sub('', text).rstrip()}\n{fence}")
        return
    answer = "\n\n".join(SOLUTION.findall(SCHEME.sub("", text)))
    yield from _fold("A model answer", answer.strip())
    if schemes := SCHEME.findall(text):
        yield from _fold("How it is marked", "\n\n".join(schemes).strip())


def _fold(title: str, text: str) -> Iterator[str]:
    yield f'<details class="solution"><summary>{title}</summary>\n\n{text}\n\n</details>'


def _outputs(cell: Cell) -> list[Any]:
    """Outputs as they came; an explorer shows its still figure."""
    kept = []
    for output in cell["outputs"]:
        data = {k: v for k, v in output.get("data", {}).items() if k not in MACHINE}
        kept.append({**output, "data": data} if "data" in output else output)
    return kept


def _alt(cell: Cell) -> dict[str, Any]:
    """Where myst-nb looks for the text of a picture: in the metadata of its cell."""
    pictures = [o for o in cell["outputs"] if "image/png" in o.get("data", {})]
    if len(pictures) > 1:
        raise SiteError(f"cell {cell['id']} shows {len(pictures)} pictures: expected one in a cell")
    if not pictures:
        return {}
    text = pictures[0]["metadata"].get("image/png", {}).get("alt", "")
    return {"mystnb": {"image": {"alt": text}}}


def _prose(cell_id: str, text: str) -> Cell:
    text = OTHER_LESSON.sub(r"](\1.ipynb)", whole_formulas(text))
    return {"cell_type": "markdown", "id": cell_id, "metadata": {}, "source": text}


def _text(cell: Cell) -> str:
    return "".join(cell["source"])
