"""How long the demonstrations of a lesson take: `nbproctor build --times`."""

from collections.abc import Callable, Iterable
from pathlib import Path

from nbproctor.build import lesson_notebook
from nbproctor.executed import time_cells
from nbproctor.source import find_sources, read_source

__all__ = ["time_lessons"]

DEMONSTRATION = "demo"  # the tag of a cell that grading does not run


def time_lessons(
    root: Path, lessons: Iterable[str] = (), *, say: Callable[[str], None] = print
) -> dict[str, float]:
    """Execute lessons from top to bottom, each with an empty cache, and say what each cell took.

    Nothing is written. `say` receives a line per demonstration, and a sum. Returns the seconds that
    all demonstrations of a lesson took, by its name.

    Raises:
        LessonError, BuildError: as `build_course`.
    """
    sums = {}
    for path in find_sources(root.resolve(), list(lessons)):
        notebook = lesson_notebook(read_source(path), root.resolve())
        seconds = time_cells(notebook, path.parent)
        shown = {
            index: taken
            for index, taken in seconds.items()
            if DEMONSTRATION in notebook.cells[index].metadata.get("tags", ())
        }
        for index, taken in shown.items():
            first_line = notebook.cells[index].source.strip().partition("\n")[0]
            say(f"{path.stem}: {taken:6.1f} s  cell {index + 1:3}  {first_line}")
        sums[path.stem] = sum(shown.values())
        others = sum(seconds.values()) - sums[path.stem]
        say(
            f"{path.stem}: {len(shown)} demonstrations take {sums[path.stem]:.0f} s with an empty "
            f"cache, all other cells {others:.0f} s"
        )
    return sums
