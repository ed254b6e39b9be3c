"""The lessons of this course: valid, in step with their sources, and nothing given away."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nbproctor.building.build import build_course
from nbproctor.building.source import Source, find_sources, read_source
from nbproctor.building.stubs import signatures

ROOT = Path(__file__).parents[2]
SOURCES = [pytest.param(path, id=path.stem) for path in find_sources(ROOT)]
MARKER = re.compile(r"(BEGIN|END) (SOLUTION|HIDDEN TESTS|MARK SCHEME)")


def released(source: Source) -> Any:
    path = ROOT / "notebooks" / source.name / f"{source.name}.ipynb"
    return json.loads(path.read_text(encoding="utf-8"))


def text_of(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def secrets(source: Source) -> list[str]:
    """The text between each pair of markers, whole."""
    found = []
    for name in ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME"):
        pattern = rf"BEGIN {name}\n(.*?)\n[^\n]*END {name}"
        found += [m for c in source.cells for m in re.findall(pattern, c.text, re.DOTALL)]
    return found


def test_generated_notebooks_are_in_step_with_their_sources() -> None:
    build_course(ROOT, check=True, say=lambda line: None)


@pytest.mark.parametrize("path", SOURCES)
def test_a_release_gives_nothing_away(path: Path) -> None:
    source = read_source(path)
    notebook = released(source)
    whole = "\n".join(text_of(cell) for cell in notebook["cells"])
    assert secrets(source)
    for secret in secrets(source):
        assert secret.strip() not in whole
    assert not MARKER.search(json.dumps(notebook))


@pytest.mark.parametrize("path", SOURCES)
def test_single_lines_of_a_hidden_test_or_rubric_are_not_released(path: Path) -> None:
    """Lines that a learner may read elsewhere in the source's open parts do not count."""
    source = read_source(path)
    open_lines = {line.strip() for cell in released(source)["cells"] for line in cell["source"]}
    hidden = {
        line.strip()
        for cell in source.cells
        for name in ("HIDDEN TESTS", "MARK SCHEME")
        for part in re.findall(rf"BEGIN {name}\n(.*?)\n[^\n]*END {name}", cell.text, re.DOTALL)
        for line in part.splitlines()
    }
    visible = {
        line.strip()
        for cell in source.cells
        for line in re.sub(
            r"BEGIN ([A-Z ]+)\n.*?END \1", "", cell.text, flags=re.DOTALL
        ).splitlines()
    }
    assert not (hidden - visible) & open_lines


@pytest.mark.parametrize("path", SOURCES)
def test_a_release_has_no_outputs(path: Path) -> None:
    for cell in released(read_source(path))["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
        assert "attachments" not in cell


@pytest.mark.parametrize("path", SOURCES)
def test_no_source_stands_beside_a_release(path: Path) -> None:
    folder = ROOT / "notebooks" / path.stem
    assert not list(folder.rglob("*.py"))
    executed = path.with_suffix(".ipynb").read_bytes()
    assert all(p.read_bytes() != executed for p in folder.rglob("*.ipynb"))


@pytest.mark.parametrize("path", SOURCES)
def test_stub_signatures_are_those_of_the_solution(path: Path) -> None:
    source = read_source(path)
    stubs = {
        cell["metadata"]["nbgrader"]["grade_id"]: text_of(cell)
        for cell in released(source)["cells"]
        if cell["cell_type"] == "code" and cell["metadata"].get("nbgrader", {}).get("solution")
    }
    assert stubs
    for cell in source.cells:
        if cell.is_answer and cell.cell_type == "code":
            solution, stub = signatures(cell.text), signatures(stubs[cell.grade_id])
            assert stub and stub == {name: solution.get(name) for name in stub}


@pytest.mark.parametrize("path", SOURCES)
def test_an_executed_notebook_shows_its_figures_and_no_trace_of_the_machine(path: Path) -> None:
    notebook = json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))
    codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    counts = [cell["execution_count"] for cell in codes if cell["source"]]
    assert counts == list(range(1, len(counts) + 1)), "run once, from top to bottom"
    assert any("image/png" in o.get("data", {}) for cell in codes for o in cell["outputs"])
    for output in (output for cell in codes for output in cell["outputs"]):
        output.get("data", {}).pop("image/png", None)  # base64: may hold any word by chance
    shown = json.dumps([cell["outputs"] for cell in codes])
    assert not re.search(r"0x[0-9a-f]{6,}|/home/|/tmp/|site-packages|widget-view", shown)
    assert notebook["metadata"].keys() == {"kernelspec", "language_info", "lesson", "nbproctor"}


@pytest.mark.parametrize("path", SOURCES)
def test_every_picture_has_a_text_of_its_own(path: Path) -> None:
    notebook = json.loads(path.with_suffix(".ipynb").read_text(encoding="utf-8"))
    codes = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    pictures = [o for c in codes for o in c["outputs"] if "image/png" in o.get("data", {})]
    texts = [picture["metadata"].get("image/png", {}).get("alt", "") for picture in pictures]
    assert all(40 <= len(text) <= 400 for text in texts), texts
    assert len(set(texts)) == len(texts)


@pytest.mark.parametrize("path", SOURCES)
def test_the_readme_lists_the_lesson_as_its_header_has_it(path: Path) -> None:
    header = read_source(path).header
    row = f"| {path.stem[:2]} {header['title']} | {header['minutes']} | {header['points']} |"
    assert row in (ROOT / "README.md").read_text(encoding="utf-8")
