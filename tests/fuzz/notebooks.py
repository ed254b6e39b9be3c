"""Strategies for what students may hand in: nearly valid notebooks of every format, and worse."""

import copy
import json
from functools import partial
from random import Random
from typing import Any

import nbformat
from fixtures import RIGHT, fill, own_cell
from hypothesis import strategies as st
from mutation import PLAIN_VALUES, as_text, mutated, mutated_bytes

__all__ = ["any_json", "submissions"]

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=15,
)


def submissions(released: Any) -> st.SearchStrategy[bytes]:
    """Files that a student may hand in for a lesson whose release notebook is given."""
    texts = any_json.map(lambda data: json.dumps(data).encode())
    hostile = st.builds(partial(_nearly, _honest(released)), _chance())
    return st.one_of(hostile, hostile, hostile, texts, st.binary(max_size=200))


def _chance() -> st.SearchStrategy[Random]:
    return st.randoms(use_true_random=False)


def _nearly(honest: list[Any], random: Random) -> bytes:
    """An honest submission, mutated as data, as text, or as bytes."""
    data = random.choice(honest)
    cells = tuple(data.get("cells", []))
    values = (*PLAIN_VALUES, *HOSTILE_VALUES, *cells)
    if cells and random.randint(0, 2):
        data = {**data, "cells": [mutated(cell, random, values) for cell in cells]}
    else:
        data = mutated(data, random, values)
    text = as_text(data, ascii_only=random.choice([True, False]))
    if random.randint(0, 5) == 0:
        text = mutated_bytes(text, random)
    if random.randint(0, 9) == 0:
        encoding = random.choice(["utf-8-sig", "utf-16", "utf-32", "utf-7"])
        text = text.decode("utf-8", "replace").encode(encoding, "replace")
    return text


HOSTILE_VALUES = (
    *"double half test_double test_half essay cell-1 own-0 own-1 markdown raw heading".split(),
    *("import math", "def double(x):\r    return 2 * x\r\n", "x" * 300, "x" * 3000),
    *(["def ", 3, None, "double(x): pass"], ["\ud83d", "\ude00"]),
    {"grade": True, "grade_id": "double", "points": 99, "solution": False, "locked": True},
    {"grade": False, "grade_id": "test_double", "solution": True, "locked": False},
    {"nbgrader": {"grade_id": "half", "solution": True}, "tags": ["skip-execution", "demo"]},
    [{"output_type": "execute_result", "data": {"text/plain": "2.0"}, "metadata": {}}],
)


def _honest(released: Any) -> list[Any]:
    """One submission in every format that Jupyter has had."""
    filled = fill(released, RIGHT)
    filled.cells[2:2] = [own_cell("mine = 1"), own_cell("*mine*", "markdown")]
    newest = json.loads(nbformat.writes(filled))
    lines = copy.deepcopy(newest)
    for cell in lines["cells"]:
        cell["source"] = cell["source"] if isinstance(cell["source"], list) else [cell["source"]]
    third = json.loads(json.dumps(nbformat.convert(copy.deepcopy(filled), 3)))
    code = [{"cell_type": "code", "input": text, "outputs": []} for text in RIGHT.values()]
    second = {"nbformat": 2, "metadata": {}, "worksheets": [{"cells": code}]}
    first = {"nbformat": 1, "cells": [{"cell_type": "code", "code": t} for t in RIGHT.values()]}
    return [newest, newest, lines, third, second, first]
