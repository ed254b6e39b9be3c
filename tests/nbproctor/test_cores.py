"""How many cores a process may keep busy: by its affinity, and by what a container grants."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nbproctor.config import usable_cores

HERE = usable_cores(Path("/nothing"), Path("/nothing"))


def groups(folder: Path, own: str, **granted: str) -> tuple[Path, Path]:
    """Control groups by name (`a_b` is b in a, `top` the whole tree), and who is in which."""
    tree = folder / "groups"
    for name, text in granted.items():
        place = tree if name == "top" else tree / name.replace("_", "/")
        place.mkdir(parents=True, exist_ok=True)
        (place / "cpu.max").write_text(text)
    (folder / "own").write_text(own)
    return tree, folder / "own"


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is Linux's")
def test_a_process_that_is_bound_to_one_core_has_one() -> None:
    code = (
        "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "from nbproctor.config import usable_cores; print(usable_cores())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr


@pytest.mark.parametrize(
    ("granted", "cores"),
    [
        ({"a_b": "50000 100000"}, 1),  # half a core
        ({"a": "100000 100000", "a_b": "max 100000"}, 1),  # the group around it says so
        ({"top": "100000 100000"}, 1),  # as a container sees its own
        ({"a_b": "max 100000"}, HERE),
        ({"a_b": "100000000 100000"}, HERE),  # more than there are
        ({"c": "50000 100000"}, HERE),  # somebody else's
        ({"a_b": "what is this"}, HERE),
        ({}, HERE),
    ],
)
def test_a_group_grants_time(tmp_path: Path, granted: dict[str, str], cores: int) -> None:
    assert usable_cores(*groups(tmp_path, "1:cpu:/x\n0::/a/b\n", **granted)) == cores


@pytest.mark.skipif(HERE < 2, reason="this machine has one core")
def test_a_part_of_a_core_counts_as_one_more(tmp_path: Path) -> None:
    assert usable_cores(*groups(tmp_path, "0::/a\n", a="110000 100000")) == 2


def test_a_group_that_is_not_shown_here_says_what_the_top_says(tmp_path: Path) -> None:
    """A container without a namespace for groups sees its path on the host."""
    tree = groups(tmp_path, "0::/pods/one/two\n", top="100000 100000")
    assert usable_cores(*tree) == 1
