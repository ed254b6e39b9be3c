"""The notebook in which this kernel runs: which file it is, and what its exercises are called."""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plusx.errors import ArgumentError

HEADING = re.compile(r"^#{2,4} (Exercise .+|.*[Qq]uestion.*)$", re.MULTILINE)
HINT = re.compile(r"<summary>(Hint[^<]*)</summary>")


@dataclass(frozen=True)
class Exercise:
    """A graded cell: what its heading calls it, and the hints above it, the first one first."""

    title: str
    hints: tuple[str, ...] = ()

    def next_hint(self, failed_checks: int) -> str:
        """The hint to open after so many failed checks; "" where there is none."""
        return self.hints[min(failed_checks, len(self.hints)) - 1] if self.hints else ""


def own_notebook(named: str | Path | None = None) -> Path:
    """The file of the notebook in which this runs, or the one that is named.

    Raises `ArgumentError` if there is no such file, or nothing says which it is.
    """
    for candidate in (named, os.environ.get("JPY_SESSION_NAME"), _named_by_vs_code()):
        if candidate and Path(candidate).suffix == ".ipynb":
            path = Path(candidate).absolute()
            break
    else:
        here = sorted(Path.cwd().glob("*.ipynb"))
        if named is not None or len(here) != 1:
            raise ArgumentError(
                "which notebook is to be checked?",
                expected='its name, as in plusx.check("02_residual_block.ipynb")',
                got="nothing" if named is None else repr(str(named)),
                where=str(Path.cwd()),
            )
        path = here[0]
    if not path.is_file():
        raise ArgumentError("there is no such notebook", expected="a saved one", got=str(path))
    return path


def _named_by_vs_code() -> str:
    return str(_user_names().get("__vsc_ipynb_file__", ""))


def _user_names() -> dict[str, Any]:
    """The names that cells of this notebook have defined; none outside a notebook."""
    try:
        from IPython import get_ipython
    except ImportError:
        return {}
    shell = get_ipython()
    return {} if shell is None else dict(shell.user_ns)


def running_cell() -> str:
    """The source of the cell that runs now; "" outside a notebook."""
    entered = _user_names().get("In") or [""]
    return str(entered[-1])


def cells_of(notebook: Path) -> list[dict[str, Any]]:
    """The cells of a saved notebook, each source as one text.

    Raises `ArgumentError` for a file that is no notebook.
    """
    try:
        cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
        return [{**cell, "source": "".join(cell["source"])} for cell in cells]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArgumentError(
            "this file is no notebook", got=type(error).__name__, where=str(notebook)
        ) from error


def exercises_of(cells: list[dict[str, Any]]) -> dict[str, Exercise]:
    """The graded cells of a notebook, by grade_id, with the heading and hints above them."""
    found, title, hints = {}, "", ()
    for cell in cells:
        if cell["cell_type"] == "markdown":
            if headings := HEADING.findall(cell["source"]):
                title, hints = headings[-1], ()
            hints = (*hints, *HINT.findall(cell["source"]))
        about = cell.get("metadata", {}).get("nbgrader", {})
        if about.get("grade"):
            found[str(about["grade_id"])] = Exercise(title or str(about["grade_id"]), hints)
    return found
