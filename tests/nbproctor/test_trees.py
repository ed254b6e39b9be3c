"""Folders that are hard to look through and to remove."""

import errno
import fcntl
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from nbproctor.errors import GraderError
from nbproctor.scratch import ScratchFolder, sweep
from nbproctor.trees import holds_too_much, remove_tree

MANY = 1 << 30


def deep(folder: Path, count: int, name: str = "a") -> None:
    """Folders within folders, made as a process does that goes down into them."""
    program = f"import os\nfor n in range({count}): os.mkdir('{name}'); os.chdir('{name}')"
    subprocess.run([sys.executable, "-c", f"{program}\nopen('x', 'w').close()"], cwd=folder)


def closed(folder: Path) -> None:
    for name in ("in", "in/deep", "search", "none"):
        (folder / name).mkdir()
        (folder / name / "file").write_text("x")
    (folder / "in/deep").chmod(0)
    (folder / "in").chmod(0o300)
    (folder / "search").chmod(0o400)
    (folder / "none").chmod(0)


def linked(folder: Path) -> None:
    for n, target in enumerate((folder.parent / "kept", "/", ".", "..", "nowhere")):
        (folder / str(n)).symlink_to(target)
    os.mkfifo(folder / "pipe")
    os.link(folder.parent / "kept" / "file", folder / "hard")


TREES = {
    "deep": lambda folder: deep(folder, 1500),
    "long": lambda folder: deep(folder, 40, "d" * 250),
    "wide": lambda folder: [(folder / str(n) / "x").mkdir(parents=True) for n in range(500)],
    "closed": closed,
    "linked": linked,
    "full": lambda folder: [(folder / str(n)).touch() for n in range(2000)],
}


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "file").write_text("kept")
    made = tmp_path / "made"
    made.mkdir()
    yield made
    subprocess.run(["chmod", "-R", "u+rwx", str(made)], capture_output=True)
    subprocess.run(["rm", "-rf", str(made)], check=True)


@pytest.mark.parametrize("kind", TREES)
def test_every_tree_is_removed_and_nothing_else(folder: Path, kind: str) -> None:
    TREES[kind](folder)
    remove_tree(str(folder))
    assert not folder.exists()
    assert (folder.parent / "kept" / "file").read_text() == "kept"
    assert (folder.parent / "kept").stat().st_mode & 0o777 == 0o755


def test_a_link_to_a_folder_is_not_followed(folder: Path) -> None:
    (folder / "link").symlink_to(folder.parent / "kept")
    remove_tree(str(folder / "link"))
    assert (folder.parent / "kept" / "file").exists()
    assert (folder.parent / "kept").stat().st_mode & 0o777 == 0o755


ORDINARY = """
import sys
from nbproctor.sandbox import syscalls
from nbproctor.trees import holds_too_much, remove_tree
syscalls.drop_capabilities()
print(holds_too_much(sys.argv[1], 1 << 30, 1 << 30))
remove_tree(sys.argv[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="capabilities are Linux's")
def test_an_owner_without_other_rights_sees_and_removes_what_is_closed(folder: Path) -> None:
    """Root may read and write everything; who grades as an ordinary user may not."""
    closed(folder)
    command = [sys.executable, "-c", ORDINARY, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr
    assert not folder.exists()


def test_what_does_not_exist_is_no_error(tmp_path: Path) -> None:
    remove_tree(str(tmp_path / "nothing"))


def test_removing_ends_when_its_patience_does(folder: Path) -> None:
    deep(folder, 10)
    remove_tree(str(folder), patience_s=0)
    assert (folder / "a").exists()


def test_trees_are_measured(folder: Path) -> None:
    (folder / "a").mkdir()
    for n in range(10):
        (folder / "a" / str(n)).write_bytes(bytes(8192))
    assert not holds_too_much(str(folder), 100, 1 << 20)
    assert holds_too_much(str(folder), 100, 60_000)
    assert holds_too_much(str(folder), 10, 1 << 20)
    assert not holds_too_much(str(folder / "gone"), 1, 1)


@pytest.mark.parametrize("kind", ["deep", "long"])
def test_what_lies_too_deep_is_too_much(folder: Path, kind: str) -> None:
    TREES[kind](folder)
    assert holds_too_much(str(folder), MANY, MANY)


def test_links_are_not_measured(folder: Path) -> None:
    linked(folder)
    (folder.parent / "kept" / "large").write_bytes(bytes(2 << 20))
    (folder / "to it").symlink_to(folder.parent / "kept" / "large")
    assert not holds_too_much(str(folder), 100, 1 << 20)


# Scratch folders


@pytest.fixture
def scratch(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.mark.parametrize("kind", ["deep", "closed"])
def test_a_folder_that_is_hard_to_remove_stops_no_grader(scratch: Path, kind: str) -> None:
    left = scratch / "nbp-left"
    left.mkdir()
    TREES[kind](left)
    with ScratchFolder() as ours:
        assert not left.exists()
        TREES[kind](Path(ours))
    assert list(scratch.iterdir()) == []


def test_where_nothing_can_be_locked_the_reason_is_told(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    make = tempfile.mkdtemp

    def mkdtemp(**settings: str) -> str:
        assert not made, "it goes on making folders"
        made.append(make(**settings))
        return made[-1]

    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(GraderError, match="No locks available") as caught:
        ScratchFolder()
    assert str(scratch) in str(caught.value)
    assert list(scratch.iterdir()) == []
    sweep()


def test_a_folder_that_was_swept_away_is_made_again(
    scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, count = tempfile.mkdtemp, iter(range(10))

    def mkdtemp(**settings: str) -> str:
        path = make(**settings)
        if next(count) < 2:
            os.rmdir(path)
        return path

    monkeypatch.setattr(tempfile, "mkdtemp", mkdtemp)
    with ScratchFolder() as path:
        assert next(count) == 3 and os.path.isdir(path)
