"""Badges and the cell that installs: from settings, into notebooks; and a lone notebook runs."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

from nbproctor.building.build import build_course, lesson_notebook
from nbproctor.building.public import BEGIN, END, public_of
from nbproctor.building.release import release_lesson
from nbproctor.building.source import find_sources, read_source
from nbproctor.errors import BuildError

ROOT = Path(__file__).parents[2]
LESSON = "01_counting"
SETTINGS = """
[tool.nbproctor]
package = "counting"
repository = "https://github.com/someone/a-course"
branch = "autumn/2026"
"""
COLAB = (
    "https://colab.research.google.com/github/someone/a-course/blob/autumn/2026/"
    f"notebooks/{LESSON}/{LESSON}.ipynb"
)
BINDER = (
    "https://mybinder.org/v2/gh/someone/a-course/autumn%2F2026"
    f"?labpath=notebooks%2F{LESSON}%2F{LESSON}.ipynb"
)


def cells(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8"))["cells"])


def texts(root: Path) -> list[str]:
    notebook = lesson_notebook(read_source(find_sources(root, [LESSON])[0]), root)
    return [cell.source for cell in notebook.cells]


def test_a_public_address_gives_badges_in_lessons_and_readme(course: Path) -> None:
    (course / "pyproject.toml").write_text(SETTINGS)
    (course / "README.md").write_text(f"# A course\n\n{BEGIN}\n{END}\n\nIt counts.\n")
    build_course(course, say=lambda line: None)
    for folder in ("solutions", "notebooks"):
        title, *others = cells(course / folder / LESSON / f"{LESSON}.ipynb")
        assert f"]({COLAB})" in "".join(title["source"])
        assert f"]({BINDER})" in "".join(title["source"])
        (first, *_) = [cell for cell in others if cell["cell_type"] == "code"]
        asked = "git+https://github.com/someone/a-course@autumn/2026"
        assert asked in "".join(first["source"]) and "COUNTING_SOURCE" in "".join(first["source"])
    readme = (course / "README.md").read_text()
    assert f"]({COLAB})" in readme and readme.endswith("\n\nIt counts.\n")
    build_course(course, check=True, say=lambda line: None)
    (course / "pyproject.toml").write_text("")
    with pytest.raises(BuildError, match=r"README\.md has other badges"):
        build_course(course, check=True, say=lambda line: None)


def test_without_settings_nothing_is_added(course: Path) -> None:
    alone = texts(course)
    (course / "pyproject.toml").write_text('[tool.nbproctor]\npackage = "counting"\n')
    added = texts(course)
    assert len(added) == len(alone) + 1 and added[0] == alone[0]
    assert "badge" not in "".join(added) and "git+" not in "".join(added)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ('[tool.nbproctor]\nrepo = "x"', "repo"),
        ('[tool.nbproctor]\nrepository = "https://example.org/a"', "OWNER/NAME"),
        ("[tool.nbproctor", "cannot be read"),
    ],
)
def test_settings_that_are_not_known_stop_a_build(course: Path, settings: str, says: str) -> None:
    (course / "pyproject.toml").write_text(settings)
    with pytest.raises(BuildError, match=says):
        public_of(course)


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has all that plusx needs, and neither plusx nor this repository."""
    folder = tmp_path_factory.mktemp("elsewhere")
    venv.create(folder, with_pip=True)
    python = folder / "bin/python"
    site = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
        capture_output=True, text=True, check=True,
    ).stdout.strip()  # fmt: skip
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not (Path(site) / entry.name).exists() and not entry.name.strip("_").startswith("plusx"):
            (Path(site) / entry.name).symlink_to(entry)
    return python


def run_alone(python: Path, folder: Path, code: str, **environment: str) -> Any:
    """All that the wheel needs is there, but for what the lock leaves out of any environment."""
    pip = {"PIP_NO_INDEX": "1", "PIP_NO_DEPS": "1"}
    return subprocess.run(
        [python, "-c", code], cwd=folder, capture_output=True, text=True,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **pip, **environment},
    )  # fmt: skip


RUN = """
import nbclient, nbformat, sys
book = nbformat.read(sys.argv[1] if len(sys.argv) > 1 else "alone.ipynb", 4)
shown = []
from jupyter_client import KernelManager
manager = KernelManager(kernel_name="python3", transport="ipc", ip="k")
manager.kernel_spec.argv[0] = sys.executable
client = nbclient.NotebookClient(book, km=manager, timeout=1800, allow_errors=ALLOWED)
client.execute()
nbformat.write(book, "ran.ipynb")
"""


def released(lesson: str) -> bytes:
    """The release notebook as `make build` makes it of the source now."""
    (path,) = find_sources(ROOT, [lesson])
    files = release_lesson(ROOT, path.parent, lesson_notebook(read_source(path), ROOT))
    return files[Path("notebooks", lesson, f"{lesson}.ipynb")]


def given_of(notebook: Path) -> list[dict[str, Any]]:
    """The cells that a learner can run without having answered anything."""
    return [
        cell
        for cell in cells(notebook)
        if cell["cell_type"] == "code" and not cell["metadata"].get("nbgrader")
    ]


@pytest.mark.slow
def test_a_lone_notebook_installs_what_is_missing_and_runs(elsewhere: Path, tmp_path: Path) -> None:
    """The start lesson in an empty folder: its own package comes from a wheel."""
    wheels = tmp_path / "wheels"
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(wheels)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = wheels.glob("*.whl")
    alone = tmp_path / "empty"
    alone.mkdir()
    assert run_alone(elsewhere, alone, "import plusx").returncode == 1
    (alone / "alone.ipynb").write_bytes(released("00_start"))
    keep_given(alone / "alone.ipynb")
    done = run_alone(elsewhere, alone, RUN.replace("ALLOWED", "False"), PLUSX_SOURCE=str(wheel))
    assert done.returncode == 0, done.stderr[-3000:]
    ran = json.dumps(cells(alone / "ran.ipynb"))
    assert "installing it from" in ran and "This notebook stands alone" in ran
    where = run_alone(elsewhere, alone, "import plusx; print(plusx.__file__)").stdout
    assert str(ROOT) not in where
    data = "import plusx; print(len(plusx.load_reference('degradation_grid')))"
    assert int(run_alone(elsewhere, alone, data).stdout) > 50


@pytest.mark.slow
def test_what_cannot_be_installed_says_what_to_do(elsewhere: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.ipynb").write_bytes(released("00_start"))
    code = "".join(given_of(tmp_path / "alone.ipynb")[0]["source"]).replace(
        'find_spec("plusx")', 'find_spec("no_such_plusx")'
    )
    done = run_alone(elsewhere, tmp_path, code)
    assert done.returncode == 1
    assert "is not installed here" in done.stderr and "PLUSX_SOURCE" in done.stderr
    assert "as its README says" in done.stderr


def keep_given(path: Path) -> None:
    """Leave out exercises and their checks: they are not answered yet."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["cells"] = [cell for cell in notebook["cells"] if not cell["metadata"].get("nbgrader")]
    path.write_text(json.dumps(notebook), encoding="utf-8")
