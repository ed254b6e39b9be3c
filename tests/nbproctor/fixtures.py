"""Tiny lessons and submissions, written as text and made into real notebooks."""

import copy
import json
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions, ComputeChecksums
from nbproctor.lesson import Lesson, load_lesson

SOLUTION = {"grade": False, "locked": False, "solution": True, "task": False}
TEST = {"grade": True, "locked": True, "solution": False, "task": False}
MANUAL = {"grade": True, "locked": False, "solution": True, "task": False}


def notebook(text: str) -> nbformat.NotebookNode:
    """A notebook from percent format, where a cell's title is `solution NAME`, `test NAME POINTS`
    or `manual NAME POINTS`."""
    made = jupytext.reads(text, fmt="py:percent")
    for n, cell in enumerate(made.cells):
        cell["id"] = f"cell-{n}"
        words = cell.metadata.pop("title", "").split()
        if words and words[0] in ("solution", "test", "manual"):
            kind = {"solution": SOLUTION, "test": TEST, "manual": MANUAL}[words[0]]
            cell.metadata["nbgrader"] = {**kind, "grade_id": words[1], "schema_version": 3}
            if len(words) > 2:
                cell.metadata["nbgrader"]["points"] = float(words[2])
    made.nbformat, made.nbformat_minor = 4, 5
    return made


def release(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What nbgrader's own preprocessors make of a source notebook."""
    made, resources = copy.deepcopy(source), {"language": "python"}
    made.metadata.setdefault("kernelspec", {"name": "python3", "language": "python"})
    for step in (ClearSolutions(), ClearHiddenTests(), ComputeChecksums()):
        made, resources = step.preprocess(made, resources)
    return made


def write(path: Path, made: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(made))
    return path


def lesson(folder: Path, text: str) -> tuple[Lesson, nbformat.NotebookNode]:
    """A loaded lesson, and its release notebook to fill in."""
    source = notebook(text)
    released = release(source)
    paths = [folder / "source" / "tiny.ipynb", folder / "release" / "tiny.ipynb"]
    write(paths[0], source), write(paths[1], released)
    return load_lesson(*paths), released


def fill(released: nbformat.NotebookNode, answers: dict[str, str]) -> nbformat.NotebookNode:
    """A submission: the release notebook with some solution cells answered."""
    made = copy.deepcopy(released)
    for cell in made.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in answers:
            cell["source"] = answers[grade_id]
    return made
