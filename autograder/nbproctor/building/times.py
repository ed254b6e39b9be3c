"""How long the demonstrations of a lesson take: `nbproctor build --times`."""

from collections.abc import Callable, Iterable
from pathlib import Path

from nbproctor.building.build import lesson_notebook
from nbproctor.building.executed import Seconds, time_cells
from nbproctor.building.source import find_sources, read_source

__all__ = ["time_lessons"]

DEMONSTRATION = "demo"  # the tag of a cell that grading does not run


def time_lessons(
    root: Path, lessons: Iterable[str] = (), *, say: Callable[[str], None] = print
) -> dict[str, Seconds]:
    """Execute lessons from top to bottom, each with an empty cache, and say what each cell took.

    Nothing is written. `say` receives a line per demonstration, and a sum. Returns what all
    demonstrations of a lesson took, by its name.

    Raises:
        LessonError, BuildError: as `build_course`.
    """
    sums = {}
    for path in find_sources(root.resolve(), list(lessons)):
        notebook = lesson_notebook(read_source(path), root.resolve())
        times = time_cells(notebook, path.parent)
        shown = [n for n in times if DEMONSTRATION in notebook.cells[n].metadata.get("tags", ())]
        for n in shown:
            first_line = notebook.cells[n].source.strip().partition("\n")[0]
            say(f"{path.stem}: {_in_words(times[n])}  cell {n + 1:3}  {first_line}")
        sums[path.stem] = _sum(times[n] for n in shown)
        others = _sum(taken for n, taken in times.items() if n not in shown)
        count = f"{len(shown)} demonstrations, cache empty"
        say(f"{path.stem}: {_in_words(sums[path.stem])}  in {count}")
        say(f"{path.stem}: {_in_words(others)}  in all other cells")
    return sums


def _sum(times: Iterable[Seconds]) -> Seconds:
    every = list(times)
    return Seconds(sum(t.passed for t in every), sum(t.computed for t in every))


def _in_words(taken: Seconds) -> str:
    return f"{taken.passed:6.1f} s ({taken.computed:6.1f} s computed)"
