"""Tiny lessons and submissions, written as text and made into real notebooks."""

import copy
import json
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbgrader.preprocessors import ClearHiddenTests, ClearSolutions, ComputeChecksums

from nbproctor.course.lesson import Lesson, load_lesson

SOLUTION = {"grade": False, "locked": False, "solution": True, "task": False}
TEST = {"grade": True, "locked": True, "solution": False, "task": False}
MANUAL = {"grade": True, "locked": False, "solution": True, "task": False}

TINY = """\
# %%
import math

# %% solution double
def double(x):
    ### BEGIN SOLUTION
    return 2 * x
    ### END SOLUTION

# %% test test_double 2
assert double(2) == 4
### BEGIN HIDDEN TESTS
assert double(3) == 6, "three is not doubled"
assert double([1]) == [1, 1], "a list is not doubled"
### END HIDDEN TESTS

# %% solution half
def half(x):
    ### BEGIN SOLUTION
    return x / 2
    ### END SOLUTION

# %% test test_half 3
score = 0
### BEGIN HIDDEN TESTS
for x in (1, 2, 0):
    score += half(x) == x / 2
### END HIDDEN TESTS
score

# %% [markdown] manual essay 2
# ### BEGIN SOLUTION
# Because.
# ### END SOLUTION
"""
RIGHT = {
    "double": "def double(x):\n    return 2 * x",
    "half": "def half(x):\n    return x / 2",
    "essay": "Because I say so.",
}


def notebook(text: str) -> nbformat.NotebookNode:
    """A notebook from percent format, where a cell's title is `solution NAME`, `test NAME POINTS`
    or `manual NAME POINTS`."""
    made = jupytext.reads(text, fmt="py:percent")
    made.metadata["kernelspec"] = {
        "name": "python3",
        "language": "python",
        "display_name": "Python 3",
    }
    for n, cell in enumerate(made.cells):
        cell["id"] = f"cell-{n}"
        words = cell.metadata.pop("title", "").split()
        if words and words[0] in ("solution", "test", "manual"):
            kind = {"solution": SOLUTION, "test": TEST, "manual": MANUAL}[words[0]]
            cell.metadata["nbgrader"] = {**kind, "grade_id": words[1], "schema_version": 3}
            if len(words) > 2:
                cell.metadata["nbgrader"]["points"] = float(words[2])
        elif words:
            cell.metadata["tags"] = words
    made.nbformat, made.nbformat_minor = 4, 5
    return made


def release(source: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """What nbgrader's own preprocessors make of a source notebook."""
    made, resources = copy.deepcopy(source), {"language": "python"}
    for step in (ClearSolutions(), ClearHiddenTests(), ComputeChecksums()):
        made, resources = step.preprocess(made, resources)
    return made


def write(path: Path, made: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(made if isinstance(made, str) else json.dumps(made))
    return path


def lesson(folder: Path, text: str = TINY) -> tuple[Lesson, nbformat.NotebookNode]:
    """A loaded lesson, and its release notebook to fill in."""
    source = notebook(text)
    released = release(source)
    paths = [folder / "source" / "tiny.ipynb", folder / "release" / "tiny.ipynb"]
    for path, made in zip(paths, (source, released), strict=True):
        write(path, made)
    return load_lesson(*paths), released


def fill(released: nbformat.NotebookNode, answers: dict[str, str]) -> nbformat.NotebookNode:
    """A submission: the release notebook with some solution cells answered."""
    made = copy.deepcopy(released)
    for cell in made.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in answers:
            cell["source"] = answers[grade_id]
    return made


def cell_of(made: nbformat.NotebookNode, grade_id: str) -> nbformat.NotebookNode:
    """The cell of a notebook that has this grade_id."""
    return next(c for c in made.cells if c.metadata.get("nbgrader", {}).get("grade_id") == grade_id)


def own_cell(text: str, cell_type: str = "code") -> nbformat.NotebookNode:
    """A cell that a learner added."""
    new = nbformat.v4.new_code_cell if cell_type == "code" else nbformat.v4.new_markdown_cell
    return new(text)
