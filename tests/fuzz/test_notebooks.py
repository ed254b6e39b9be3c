"""Whatever is handed in, the rebuilt notebook is the course's, but for texts of answers."""

import json
from pathlib import Path
from typing import Any

import nbformat
import pytest
from budget import examples
from fixtures import lesson
from hypothesis import given
from hypothesis import strategies as st
from notebooks import submissions

from nbproctor.config import Limits
from nbproctor.course.graded_notebook import rebuilt_notebook
from nbproctor.course.lesson import Lesson
from nbproctor.course.notebook import Submission, plan, read_submission
from nbproctor.text import plain_text

LIMITS = Limits(max_notebook_bytes=200_000, max_cell_bytes=2000, max_cells=30)
OWN = {"nbproctor": {"own": True}}


class Texts:
    """What a submitted file gives as texts of cells, in any place, cleaned."""

    def __init__(self, data: bytes) -> None:
        self.texts, self.in_old_format = {""}, False
        try:
            pending = [json.loads(data)]
        except (ValueError, RecursionError):
            return
        while pending:
            value = pending.pop()
            if isinstance(value, list):
                pending += value
            if isinstance(value, dict):
                pending += value.values()
                self.texts |= cleaned(value.get("source"))
                # nbformat, which upgrades these, makes text of anything.
                self.in_old_format |= value.get("nbformat", 4) in (0, 1, 2, 3)

    def __contains__(self, text: str) -> bool:
        return self.in_old_format or text in self.texts


def cleaned(source: Any) -> set[str]:
    if isinstance(source, list):
        source = "".join(part for part in source if isinstance(part, str))
    return {plain_text(source)} if isinstance(source, str) else set()


@pytest.fixture(scope="module")
def course(tmp_path_factory: Any) -> tuple[Lesson, Any]:
    return lesson(tmp_path_factory.mktemp("course"))


def test_any_submission_is_rebuilt_from_the_courses_cells(
    course: tuple[Lesson, Any], tmp_path: Path
) -> None:
    loaded, released = course
    file = tmp_path / "submitted.ipynb"
    unanswered = rebuilt_notebook(loaded, plan(loaded, Submission()))["cells"]

    @examples(600)
    @given(submissions(released))
    def check(data: bytes) -> None:
        file.write_bytes(data)
        submission = read_submission(file, loaded, LIMITS)
        rebuilt = rebuilt_notebook(loaded, plan(loaded, submission))
        nbformat.validate(nbformat.from_dict(rebuilt))
        json.dumps(rebuilt, ensure_ascii=False).encode()
        assert all(note == plain_text(note) for note in submission.notes)
        texts = Texts(data)
        cells = rebuilt["cells"]
        for cell in (c for c in cells if c["metadata"] == OWN):
            assert cell["source"] in texts and cell["cell_type"] in ("code", "markdown")
            assert cell.get("outputs", []) == []
        assert_course_cells([c for c in cells if c["metadata"] != OWN], unanswered, texts)

    check()


def assert_course_cells(got: list[Any], unanswered: list[Any], texts: Texts) -> None:
    """The course's cells, all of them and in order; only answers have a text of the student's."""
    assert len(got) == len(unanswered)
    for cell, blank in zip(got, unanswered, strict=True):
        if blank["metadata"].get("nbgrader", {}).get("solution") and cell != blank:
            assert cell["source"] in texts
            cell = {**cell, "source": blank["source"]}
        assert cell == blank


@examples(300)
@given(st.text(st.characters()))
def test_plain_text_holds_nothing_that_a_terminal_obeys(text: str) -> None:
    plain = plain_text(text)
    plain.encode()
    assert not [c for c in plain if c not in "\t\n\f" and (ord(c) < 32 or 127 <= ord(c) < 160)]
    assert plain_text(plain) == plain
