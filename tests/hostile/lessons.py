"""The courses in which attacks are graded: tiny lessons, their secrets, their honest students."""

import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from corpus import LESSONS
from fixtures import fill, notebook, write

__all__ = [
    "ATTACKER",
    "EARLIER",
    "NEIGHBOUR",
    "POINTS",
    "Secrets",
    "furnish",
    "hand_in_honestly",
    "our_config",
    "stock_config",
]

ROOT = Path(__file__).parents[2]
ATTACKER, EARLIER, NEIGHBOUR = "mallory", "aaron", "zoe"
WHEN = "2026-11-20 10:00:00 UTC"
NAMES = r".*/(?P<student_id>[a-z]+)_(?P<timestamp>\d{8}T\d{6})_(?P<file_id>\w+)\.ipynb$"
COLLECTING = f"c.FileNameCollectorPlugin.named_regexp = {NAMES!r}\n"
# Long enough for honest work on a busy machine; an attack that sits it out costs little.
LIMITS = {
    "tiny": {
        "cell_timeout_s": 3,
        "call_timeout_s": 3,
        "test_timeout_s": 6,
        "notebook_timeout_s": 25,
        "interrupt_grace_s": 1,
        "max_restarts": 2,
        "cell_cpu_s": 10,
        "max_memory_bytes": 512 << 20,
        "max_disk_bytes": 64 << 20,
        "max_processes": 64,
    },
    "torch": {
        "cell_timeout_s": 40,
        "call_timeout_s": 10,
        "test_timeout_s": 20,
        "notebook_timeout_s": 90,
        "max_restarts": 2,
    },
}
TINY = """\
# %%
import math

# %% solution double
def double(x):
    ### BEGIN SOLUTION
    return 2 * x  # {solution}
    ### END SOLUTION

# %% test test_double 2
assert double(2) == 4
### BEGIN HIDDEN TESTS
known_only_to_the_course = "{hidden}"
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
TORCH = """\
# %%
import torch
from torch import nn

# %% solution triple
class Triple(nn.Module):
    ### BEGIN SOLUTION
    def forward(self, x):
        return 3 * x  # {solution}
    ### END SOLUTION

# %% test test_triple 2
assert Triple()(torch.ones(2)).shape == (2,)
### BEGIN HIDDEN TESTS
known_only_to_the_course = "{hidden}"
x = torch.randn(4, 5)
torch.testing.assert_close(Triple()(x), 3 * x)
assert torch.allclose(Triple()(x), 3 * x), "not three times as much"
assert torch.equal(Triple()(-x), -3 * x)
### END HIDDEN TESTS

# %% solution total
def total(x):
    ### BEGIN SOLUTION
    return x.sum()
    ### END SOLUTION

# %% test test_total 3
assert total(torch.ones(3)) == 3
### BEGIN HIDDEN TESTS
x = torch.randn(2, 7)
got = total(x)
assert got.shape == () and got.dtype == x.dtype
assert (got == x.sum()).all() and torch.allclose(got, x.sum())
### END HIDDEN TESTS
"""
SOURCES = {"tiny": TINY, "torch": TORCH}
POINTS = {
    "tiny": {"test_double": 2.0, "test_half": 3.0},
    "torch": {"test_triple": 2.0, "test_total": 3.0},
}


def _word() -> str:
    return secrets.token_hex(12)


@dataclass(frozen=True)
class Secrets:
    """Random words that nobody but the grader may learn, by the place where they are kept."""

    hidden: str = field(default_factory=_word)
    solution: str = field(default_factory=_word)
    other_work: str = field(default_factory=_word)
    gradebook: str = field(default_factory=_word)
    variable: str = field(default_factory=_word)
    home: str = field(default_factory=_word)
    course: str = field(default_factory=_word)

    def found_in(self, data: bytes) -> set[str]:
        """The places whose secret stands in some bytes."""
        return {place for place, word in vars(self).items() if word.encode() in data}


def furnish(folder: Path, lesson: str, hidden: Secrets, config: str) -> Any:
    """A course of one lesson, released, with honest submissions; returns the released notebook."""
    from nbgrader.api import Gradebook

    from nbproctor.store.gradebook import Course

    (folder / "nbgrader_config.py").write_text(config)
    text = SOURCES[lesson].format(hidden=hidden.hidden, solution=hidden.solution)
    write(folder / "solutions" / lesson / f"{lesson}.ipynb", notebook(text))
    Course(folder).release(lesson)
    released = nbformat.read(folder / "notebooks" / lesson / f"{lesson}.ipynb", 4)
    hand_in_honestly(folder, lesson, released, hidden)
    (folder / "notes.txt").write_text(hidden.course)
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}") as gradebook:
        gradebook.update_or_create_student(EARLIER, last_name=hidden.gradebook)
    return released


def hand_in_honestly(folder: Path, lesson: str, released: Any, hidden: Secrets) -> None:
    """Submissions of the honest students of a course, as if nobody had touched them."""
    for student in (EARLIER, NEIGHBOUR):
        answers = {k: f"{v}  # {hidden.other_work}" for k, v in LESSONS[lesson].items()}
        place = folder / "submitted" / student / lesson
        shutil.rmtree(place, ignore_errors=True)
        write(place / f"{lesson}.ipynb", fill(released, answers))
        (place / "timestamp.txt").write_text(WHEN)


def our_config(lesson: str) -> str:
    """The course's own settings, with short limits."""
    own = f"c.RebuildingExporter.limits = {LIMITS[lesson]!r}\n{COLLECTING}"
    return (ROOT / "nbgrader_config.py").read_text(encoding="utf-8") + own


def stock_config(lesson: str) -> str:
    """nbgrader as it comes, with the course's folders."""
    return (
        "c = get_config()\n"
        "c.CourseDirectory.source_directory = 'solutions'\n"
        "c.CourseDirectory.release_directory = 'notebooks'\n" + COLLECTING
    )
