"""docs/papers.md and its pictures are those of the executed lessons."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LESSONS = sorted(path.stem for path in ROOT.glob("solutions/0[1-9]_*/*.ipynb"))


def course(folder: Path) -> Path:
    """A copy of what the page is made from and of the page itself."""
    shutil.copytree(ROOT / "docs", folder / "docs")
    for name in LESSONS:
        (folder / "solutions" / name).mkdir(parents=True)
        shutil.copy(ROOT / "solutions" / name / f"{name}.ipynb", folder / "solutions" / name)
    return folder


def papers(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "docs/papers.py", *options]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, encoding="utf-8")


def changed(root: Path, name: str, old: str, new: str) -> None:
    """Change a lesson's notebook, where the text stands."""
    path = root / "solutions" / name / f"{name}.ipynb"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_the_page_is_up_to_date() -> None:
    done = papers(ROOT, "--check")
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_lesson_has_its_place_and_every_picture_is_shown() -> None:
    text = (ROOT / "docs/papers.md").read_text(encoding="utf-8")
    pictures = list((ROOT / "docs/figures").iterdir())
    assert LESSONS and pictures
    for name in LESSONS:
        assert f"(../solutions/{name}/{name}.ipynb)" in text
    for picture in pictures:
        assert text.count(f"(figures/{picture.name})") == 1


def test_a_number_that_changed_makes_the_page_stale(tmp_path: Path) -> None:
    root = course(tmp_path)
    changed(root, "02_residual_block", "1,727,962", "1,727,963")
    done = papers(root, "--check")
    assert done.returncode == 1
    assert done.stdout == "docs/papers.md: stale, run `make build`\n"
    assert papers(root).returncode == 0
    assert "1,727,963" in (root / "docs/papers.md").read_text(encoding="utf-8")
    assert papers(root, "--check").returncode == 0


def test_pictures_that_are_not_as_in_the_lesson_are_stale(tmp_path: Path) -> None:
    root = course(tmp_path)
    shown = sorted((root / "docs/figures").iterdir())
    shown[0].write_bytes(b"another picture")
    left_over = root / "docs/figures/99_nothing_1.png"
    left_over.write_bytes(b"")
    done = papers(root, "--check")
    assert done.returncode == 1
    assert {line.partition(":")[0] for line in done.stdout.splitlines()} == {
        f"docs/figures/{path.name}" for path in (shown[0], left_over)
    }
    papers(root)
    assert not left_over.exists()
    assert papers(root, "--check").returncode == 0


def test_a_figure_whose_cell_is_gone_is_named(tmp_path: Path) -> None:
    root = course(tmp_path)
    changed(root, "05_unraveled", "lost = deletion_errors(fifty)", "lost = nothing")
    done = papers(root, "--check")
    assert done.returncode == 1
    assert (
        "05_unraveled: expected 'lost = deletion_errors(fifty)' in one cell, got 0" in done.stderr
    )


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_without_such_a_section_is_named(tmp_path: Path, name: str) -> None:
    root = course(tmp_path)
    path = root / "solutions" / name / f"{name}.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        cell["source"] = "".join(cell["source"]).replace("beside ours", "elsewhere")
    path.write_text(json.dumps(notebook), encoding="utf-8")
    done = papers(root, "--check")
    assert done.returncode == 1
    assert f"{name}.ipynb: expected one heading that ends in 'beside ours'" in done.stderr
