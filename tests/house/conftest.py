"""A tiny course in a temporary folder: a lesson with everything, and a small one."""

import json
import shutil
from pathlib import Path

import pytest

from nbproctor.building.build import build_course

SETTINGS = Path(__file__).parents[2] / "nbgrader_config.py"

LESSON = '''\
# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Counting
#     minutes: 10
#     points: 5
#     goals: [Count to two., Count to three., Count on.]
#     needs: [Fingers.]
# ---

# %% [markdown]
# # 01 · Counting
#
# 10 minutes, 5 points.

# %%
import time

from counting import one

# %% tags=["judge"]
def same(a: int, b: int) -> bool:
    return a == b

# %% [markdown]
# The same text twice.

# %% [markdown]
# The same text twice.

# %% nbgrader=TWO
def two(step: int = 1, *, start: int | None = None) -> int:
    """One and one."""
    ### BEGIN SOLUTION
    secret_way = one() + step
    return secret_way
    ### END SOLUTION

# %% nbgrader=TEST_TWO
assert same(two(), 2)
### BEGIN HIDDEN TESTS
assert same(two(5), 6), "hidden knowledge"
### END HIDDEN TESTS

# %% [markdown] nbgrader=QUESTION
# Why two?
#
# ### BEGIN SOLUTION
# The model answer.
#
# ### BEGIN MARK SCHEME
# The rubric.
# ### END MARK SCHEME
# ### END SOLUTION

# %% tags=["demo"]
import sys

import matplotlib.pyplot as plt
plt.plot([1, two()])
plt.show()
print(object())
print({"a", "b", "c"})
print("flushed", flush=True); print("twice")
print("0%|     |", file=sys.stderr)

# %% tags=["timing"]
print(time.perf_counter_ns())
'''

for name, options in {
    "TWO": {"grade_id": "two", "solution": True},
    "TEST_TWO": {"grade_id": "test_two", "grade": True, "locked": True, "points": 3},
    "QUESTION": {"grade_id": "question_why", "grade": True, "points": 2, "solution": True},
}.items():
    off = {"grade": False, "locked": False, "solution": False, "task": False}
    LESSON = LESSON.replace(f"={name}\n", f"={json.dumps(off | options | {'schema_version': 3})}\n")

SECOND = """\
# ---
# jupyter:
#   jupytext:
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Resting
#     minutes: 1
#     points: 0
#     goals: [Sit., Breathe., Stand up.]
#     needs: [A chair.]
# ---

# %% [markdown]
# # 02 · Resting
#
# 1 minute, 0 points.

# %%
print("resting")
"""

MODULE = '''\
"""A module of the course's own."""

def one() -> int:
    return 1
'''


def make_course(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course with two lessons, and a module `counting` that the first one imports."""
    for name, text in {"01_counting": LESSON, "02_resting": SECOND}.items():
        folder = root / "solutions" / name
        folder.mkdir(parents=True)
        (folder / f"{name}.py").write_text(text, encoding="utf-8")
    shutil.copy(SETTINGS, root)
    (root / "solutions/01_counting/sketch.txt").write_text("a file that belongs to the lesson\n")
    modules = root / "library"
    modules.mkdir()
    (modules / "counting.py").write_text(MODULE)
    monkeypatch.setenv("PYTHONPATH", str(modules))
    return root


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course that nobody has built yet."""
    return make_course(tmp_path / "course", monkeypatch)


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A built course, for tests that copy it or only read it."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        root = make_course(tmp_path_factory.mktemp("built") / "course", monkeypatch)
        build_course(root, say=lambda line: None)
    return root


@pytest.fixture
def built(built_once: Path, course: Path) -> Path:
    """A built course of the test's own."""
    shutil.copytree(built_once, course, dirs_exist_ok=True)
    return course
