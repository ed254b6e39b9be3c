"""Build a course: from each lesson's source to the two notebooks that are made from it.

    solutions/NN_topic/NN_topic.py        the source, edited by hand
    solutions/NN_topic/NN_topic.ipynb     the source executed, with figures: for readers
    notebooks/NN_topic/NN_topic.ipynb     nbgrader's generate_assignment of it: for learners

What "two builds are identical" means here:

- A release notebook depends on the source alone (and on nbgrader_config.py and nbgrader). It has
  no outputs, and is the same byte for byte whoever builds it.
- An executed notebook is made anew only when it is out of date: when its cells differ from the
  source's, or when the project's own modules that the lesson imports have changed since. For that
  one hash of those modules stands in its metadata (`nbproctor.course.imports`); the cells are
  compared directly. So a second build writes nothing.
- A lesson that is executed again on the same machine gives the same bytes, except for the outputs
  of cells tagged `timing`: measured times differ, are kept as measured, and `comparable` leaves
  them out. Lessons seed themselves; the build fixes the hash seed and one thread, and hides GPUs.
  Another processor or another version of torch may still change a last digit or a pixel: that
  alone does not make a notebook out of date.
"""

import copy
import hashlib
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbproctor.building.executed import add_outputs
from nbproctor.building.public import Public, badges, public_of, set_up_cell, with_badges
from nbproctor.building.release import notebook_bytes, release_lesson
from nbproctor.building.source import Source, SourceCell, find_sources, read_source
from nbproctor.course.imports import local_files
from nbproctor.errors import BuildError
from nbproctor.files import make_folder, write_whole

__all__ = ["Built", "build_course", "comparable", "lesson_notebook"]

KERNELSPEC = {"display_name": "Python 3", "language": "python", "name": "python3"}
LANGUAGE = {
    "codemirror_mode": {"name": "ipython", "version": 3},
    "file_extension": ".py",
    "mimetype": "text/x-python",
    "name": "python",
    "nbconvert_exporter": "python",
    "pygments_lexer": "ipython3",
}


@dataclass(frozen=True)
class Built:
    """What a build did for one lesson: `written` are paths relative to the course."""

    name: str
    executed: bool
    written: tuple[Path, ...]


def build_course(
    root: Path,
    lessons: Iterable[str] = (),
    check: bool = False,
    *,
    force: bool = False,
    say: Callable[[str], None] = print,
) -> list[Built]:
    """Build the lessons named (`02` or `02_residual_block`), or all of them.

    `check` writes nothing and executes nothing: it raises if a build would change a file.
    `force` executes also what is up to date. `say` receives a line per step.

    Raises:
        LessonError: a source, or what is released from it, is not what a lesson must be.
        BuildError: a lesson is unknown, fails, shows what must not be published, is stale
            (`check`), or would overwrite a notebook that somebody has worked in.
    """
    root = root.resolve()
    lessons = list(lessons)
    sources = [read_source(path) for path in find_sources(root, lessons)]
    plans = [_plan(root, source) for source in sources]
    if check:
        _check_in_step(root, plans, whole=not lessons)
        say(f"in step with the source: {', '.join(plan.folder.name for plan in plans)}")
        return []
    for plan in plans:
        _refuse_if_worked_in(root, plan)
    if (readme := _readme(root)) and _write(*readme):
        say("wrote README.md")
    return [_build(root, plan, force, say) for plan in plans]


@dataclass(frozen=True)
class _Plan:
    """What a lesson's files should be: its notebook without outputs, and its released files."""

    folder: Path
    notebook: Any
    released: dict[Path, bytes]

    @property
    def executed(self) -> Path:
        return self.folder / f"{self.folder.name}.ipynb"


def _plan(root: Path, source: Source) -> _Plan:
    notebook, folder = lesson_notebook(source, root), source.path.parent
    return _Plan(folder, notebook, release_lesson(root, folder, notebook))


def _build(root: Path, plan: _Plan, force: bool, say: Callable[[str], None]) -> Built:
    name, files = plan.folder.name, dict(plan.released)
    executes = force or bool(_out_of_date(plan))
    if executes:
        say(f"{name}: executing {len(plan.notebook.cells)} cells")
        began = time.monotonic()
        private = [root, Path.home(), Path(tempfile.gettempdir())]
        add_outputs(plan.notebook, plan.folder, private)
        say(f"{name}: ran from top to bottom in {time.monotonic() - began:.0f} s")
        files[plan.executed.relative_to(root)] = notebook_bytes(plan.notebook)
    written = tuple(sorted(p for p, content in files.items() if _write(root / p, content)))
    say(f"{name}: wrote {', '.join(map(str, written))}" if written else f"{name}: up to date")
    return Built(name, executes, written)


def comparable(notebook: Any) -> Any:
    """A copy of an executed notebook without the outputs that no two executions share."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook["cells"]:
        if "timing" in cell["metadata"].get("tags", ()):
            cell["outputs"] = []
    return notebook


def lesson_notebook(source: Source, root: Path) -> Any:
    """The notebook of a lesson, solutions and tests in it, before it is executed."""
    import nbformat

    code = "\n".join(cell.text for cell in source.cells if cell.cell_type == "code")
    metadata = {
        "kernelspec": KERNELSPEC,
        "language_info": LANGUAGE,
        "lesson": source.header,
        "nbproctor": {"imports": _hash_of_imports(code, root)},
    }
    ids = _cell_ids(source.cells)
    cells = [_raw_cell(cell, ids[cell.number]) for cell in source.cells]
    cells = _made_public(cells, public_of(root), source.name)
    document = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return nbformat.from_dict(document)


def _raw_cell(cell: SourceCell, cell_id: str) -> dict[str, Any]:
    raw: dict[str, Any] = {
        "cell_type": cell.cell_type,
        "id": cell_id,
        "metadata": cell.metadata,
        "source": cell.text,
    }
    return raw | {"execution_count": None, "outputs": []} if cell.cell_type == "code" else raw


def _made_public(cells: list[dict[str, Any]], public: Public, lesson: str) -> list[dict[str, Any]]:
    """The cells with badges below the title, and before the first code the cell that installs."""
    title, *others = cells
    if line := badges(public, lesson):
        title = {**title, "source": f"{title['source']}\n\n{line}"}
    if not (text := set_up_cell(public)):
        return [title, *others]
    at = next((n for n, cell in enumerate(others) if cell["cell_type"] == "code"), len(others))
    made: dict[str, Any] = {"cell_type": "code", "id": "set-up", "metadata": {}, "source": text}
    made |= {"execution_count": None, "outputs": []}
    return [title, *others[:at], made, *others[at:]]


def _readme(root: Path) -> tuple[Path, bytes] | None:
    """The course's README as it should be, with badges that open its first lesson."""
    path = root / "README.md"
    if not path.is_file():
        return None
    first = find_sources(root)[0].stem
    text = with_badges(path.read_text(encoding="utf-8"), badges(public_of(root), first))
    return path, text.encode()


def _cell_ids(cells: Iterable[SourceCell]) -> dict[int, str]:
    """Ids that stay when other cells come or go: the grade_id, or a hash of the cell's text."""
    ids: dict[int, str] = {}
    for cell in cells:
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.text}".encode()).hexdigest()
        stem = cell.grade_id.replace("_", "-") or digest[:12]
        twins = sum(re.fullmatch(rf"{stem}(-\d+)?", known) is not None for known in ids.values())
        ids[cell.number] = f"{stem}-{twins + 1}" if twins else stem
    return ids


def _hash_of_imports(code: str, root: Path) -> str:
    digest = hashlib.sha256()
    for path in local_files(code, root):
        text = path.read_text(encoding="utf-8")
        digest.update(f"{path.relative_to(root).as_posix()}\0{text}\0".encode())
    return digest.hexdigest()[:32]


def _out_of_date(plan: _Plan) -> str:
    """Why a lesson's executed notebook must be made anew; "" if it need not."""
    try:
        found = json.loads(plan.executed.read_text(encoding="utf-8"))
        codes = [cell for cell in found["cells"] if cell["cell_type"] == "code"]
        executed = all(cell["execution_count"] for cell in codes if cell["source"])
        for cell in codes:
            cell.update(outputs=[], execution_count=None)
        imports = found["metadata"].get("nbproctor")
    except FileNotFoundError:
        return "is missing"
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return "is not a notebook"
    wanted = json.loads(notebook_bytes(plan.notebook))
    if imports != wanted["metadata"]["nbproctor"]:
        return "was executed with other versions of the modules it imports"
    if found != wanted:
        return "differs from its source"
    return "" if executed else "was not executed"


def _check_in_step(root: Path, plans: list[_Plan], whole: bool) -> None:
    problems = []
    for plan in plans:
        if reason := _out_of_date(plan):
            problems.append(f"{plan.executed.relative_to(root)} {reason}")
        problems += [
            f"{path} differs from what its source gives"
            for path, content in plan.released.items()
            if not _is_released(root / path, content)
        ]
    if (readme := _readme(root)) and readme[0].read_bytes() != readme[1]:
        problems.append("README.md has other badges than pyproject.toml asks for")
    if whole:
        names = {plan.folder.name for plan in plans}
        folders = (p for p in (root / "notebooks").glob("[0-9]*") if p.is_dir())
        problems += [f"notebooks/{p.name} has no source" for p in folders if p.name not in names]
    if problems:
        raise BuildError(
            "notebooks are not in step with their sources",
            expected="what `nbproctor build` writes",
            got="".join(f"\n  - {problem}" for problem in problems),
        )


def _is_released(path: Path, content: bytes) -> bool:
    """Whether a file is what a build releases; a teacher's generate_assignment makes the same."""
    return path.is_file() and path.read_bytes() == content


def _refuse_if_worked_in(root: Path, plan: _Plan) -> None:
    """Raise BuildError rather than overwrite what may hold a learner's answers."""
    for path, content in plan.released.items():
        found = root / path
        if not found.is_file() or found.suffix != ".ipynb" or found.read_bytes() == content:
            continue
        if _was_worked_in(found):
            raise BuildError(
                "a build would overwrite a notebook that somebody has worked in",
                expected="a release notebook without outputs; move this one away or delete it",
                where=path,
            )


def _was_worked_in(path: Path) -> bool:
    """A release notebook has no outputs: one that has was opened and run."""
    try:
        cells = json.loads(path.read_bytes())["cells"]
        return any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
    except (ValueError, KeyError, TypeError, AttributeError):
        return True


def _write(path: Path, content: bytes) -> bool:
    """Write a file if its content changes, whole or not at all."""
    if _is_released(path, content):
        return False
    make_folder(path.parent)
    write_whole(path, content)
    return True
