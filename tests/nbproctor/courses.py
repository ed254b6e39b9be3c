"""Course folders with one tiny lesson, as an instructor makes them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
from fixtures import TINY, notebook, write

from nbproctor.store.gradebook import Course

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "nbgrader_config.py"


def course(folder: Path, config: Path | None = CONFIG, more: str = "") -> Path:
    """A course of one tiny lesson, released; `more` is added to its settings."""
    if config is not None:
        shutil.copy(config, folder)
    else:
        (folder / "nbgrader_config.py").write_text(
            "c = get_config()\n"
            "c.CourseDirectory.source_directory = 'solutions'\n"
            "c.CourseDirectory.release_directory = 'notebooks'\n"
        )
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write(more)
    write(folder / "solutions" / "tiny" / "tiny.ipynb", notebook(TINY))
    Course(folder).release("tiny")
    return folder


def nbgrader(folder: Path, *arguments: str, fails: bool = False) -> str:
    """A stock command, as a person types it in the course folder."""
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "nbgrader", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + done.stderr


def submit(
    folder: Path,
    student: str,
    content: Any,
    when: str = "2026-11-20 10:00:00 UTC",
    name: str = "tiny",
) -> None:
    """Hand in one notebook of the lesson."""
    place = folder / "submitted" / student / "tiny"
    write(place / f"{name}.ipynb", content)
    (place / "timestamp.txt").write_text(when)


def released(folder: Path) -> Any:
    """What learners are given."""
    return nbformat.read(folder / "notebooks" / "tiny" / "tiny.ipynb", 4)
