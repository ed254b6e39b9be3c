"""A seal tells a whole result from what a killed run left, and from one that was changed since."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nbproctor.course.records import CellResult, Verdict
from nbproctor.course.sealed import digest_of, read_sealed, sealed
from nbproctor.errors import UnfinishedError

RESULTS = (
    CellResult("test_a", Verdict.PARTIAL, 1.5, 2.0, "nearly: caf\u00e9 \U0001f600", 0.25),
    CellResult("essay", Verdict.MANUAL, None, 3.0, by_hand=True),
)


def notebook() -> dict[str, Any]:
    graded = [
        {"cell_type": "code", "source": "x", "metadata": {"nbproctor": result.as_dict()}}
        for result in RESULTS
    ]
    own = {"cell_type": "code", "source": "mine", "metadata": {"nbproctor": {"own": True}}}
    given = {"cell_type": "markdown", "source": "text", "metadata": {}}
    about = {"sandbox": "full", "notes": ["a note"]}
    return {"cells": [given, *graded, own], "metadata": {"nbproctor": about}}


def write(folder: Path, text: str) -> Path:
    path = folder / "graded.ipynb"
    path.write_text(text, encoding="utf-8")
    return path


def test_what_was_sealed_is_read(tmp_path: Path) -> None:
    found = read_sealed(write(tmp_path, sealed(json.dumps(notebook()), "a digest")))
    assert found.results == RESULTS and found.submission == "a digest"
    assert found.about == {"sandbox": "full", "notes": ["a note"], "submission": "a digest"}


def test_text_stays_readable_and_a_bare_notebook_gets_a_seal_too(tmp_path: Path) -> None:
    assert "caf\u00e9 \U0001f600" in sealed(json.dumps(notebook()), "")
    path = write(tmp_path, sealed('{"cells": [], "metadata": {}}', "x"))
    assert read_sealed(path).submission == "x" and read_sealed(path).results == ()


def test_a_sealed_notebook_can_be_sealed_again(tmp_path: Path) -> None:
    once = sealed(json.dumps(notebook()), "first")
    assert read_sealed(write(tmp_path, sealed(once, "second"))).submission == "second"
    assert sealed(once, "first") == once


def change_source(made: Any) -> None:
    made["cells"][0]["source"] += "."


def change_score(made: Any) -> None:
    made["cells"][1]["metadata"]["nbproctor"]["score"] = 2.0


def change_submission(made: Any) -> None:
    made["metadata"]["nbproctor"]["submission"] = "another"


def lose_a_cell(made: Any) -> None:
    del made["cells"][-1]


def lose_the_seal(made: Any) -> None:
    del made["metadata"]["nbproctor"]["seal"]


def add_metadata(made: Any) -> None:
    made["metadata"]["more"] = 1


CHANGES = [change_source, change_score, change_submission, lose_a_cell, lose_the_seal, add_metadata]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_changed_it_is_not_whole_any_more(
    tmp_path: Path, change: Callable[[Any], None]
) -> None:
    made = json.loads(sealed(json.dumps(notebook()), "a digest"))
    read_sealed(write(tmp_path, json.dumps(made)))  # how it is written does not matter
    change(made)
    with pytest.raises(UnfinishedError, match="not whole") as caught:
        read_sealed(write(tmp_path, json.dumps(made)))
    assert str(tmp_path / "graded.ipynb") in str(caught.value)


WHOLE = sealed(json.dumps(notebook()), "a digest")
NULL_SEAL = {"metadata": {"nbproctor": {"seal": None}}, "cells": []}


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "[]", "null", "3", '{"metadata": {}}', '{"metadata": {"nbproctor": []}}'),
        *(json.dumps(NULL_SEAL), "[" * 100_000, WHOLE[: len(WHOLE) // 2], WHOLE + "}"),
    ],
    ids=range(11),
)
def test_what_is_no_sealed_notebook_is_not_whole(tmp_path: Path, text: str) -> None:
    with pytest.raises(UnfinishedError, match="not whole"):
        read_sealed(write(tmp_path, text))


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(UnfinishedError, match="there is no graded notebook"):
        read_sealed(tmp_path / "graded.ipynb")
    (tmp_path / "folder").mkdir()
    with pytest.raises(UnfinishedError, match="not whole"):
        read_sealed(tmp_path / "folder")


def test_a_digest_is_of_contents_and_of_their_order(tmp_path: Path) -> None:
    files = {"one": b"ab", "two": b"c", "empty": b""}
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    one, two, empty, gone = (tmp_path / name for name in (*files, "gone"))
    assert digest_of(one, two) == digest_of(b"ab", b"c") == digest_of(one, b"c")
    different = [(one, two), (two, one), (b"a", b"bc"), (b"abc",), (one,), (one, empty)]
    different += [(one, gone), (gone, one), (empty,), (gone,), (gone, gone), ()]
    assert len({digest_of(*parts) for parts in different}) == len(different)


def test_what_is_no_plain_file_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")  # to read it would wait for ever
    for name in ("folder", "pipe"):
        assert digest_of(tmp_path / name) == digest_of(tmp_path / "gone")
