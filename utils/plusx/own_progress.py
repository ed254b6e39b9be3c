"""`plusx.progress()`: what of the course is done, by the checks made on this machine."""

import base64
import io
import json
import os
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from plusx.errors import ArgumentError

ALONE = (
    "This notebook stands alone; where the whole course is, its lessons and your points are shown."
)


@dataclass(frozen=True)
class Standing:
    """One lesson: what its header says, and what the last check of it gave.

    `points` are those that tests can give; `checked` is a date, "" before the first check.
    """

    name: str
    title: str
    minutes: int
    points: float
    score: float = 0.0
    checked: str = ""


def progress(course: str | Path | None = None) -> "Progress":
    """The lessons of the course and what you have reached in each, as a table and a picture.

    `course` is the folder of the lessons, by default the nearest one upwards from here. Where a
    notebook stands alone, without its course, there is nothing to show, and that is said. Raises
    `ArgumentError` if the `course` that is named has no lessons.
    """
    folder = _lessons_folder(Path(course) if course is not None else Path.cwd())
    if folder is None and course is not None:
        raise ArgumentError(
            "there are no lessons here",
            expected="a folder with lessons, such as notebooks/, here or above",
            got=str(course),
            where="plusx.progress",
        )
    return Progress(tuple(_standings(folder, _reached())) if folder else ())


@dataclass(frozen=True)
class Progress:
    """A learner's standing in all lessons. Shows itself as a table and a picture."""

    standings: tuple[Standing, ...]

    @property
    def score(self) -> float:
        return sum(standing.score for standing in self.standings)

    @property
    def points(self) -> float:
        return sum(standing.points for standing in self.standings)

    def __str__(self) -> str:
        if not self.standings:
            return ALONE
        width = max((len(s.title) for s in self.standings), default=0)
        lines = [
            f"{s.name[:2]} {s.title:<{width}}  {s.minutes:>3} min  "
            f"{s.score:>4g} of {s.points:g} points  {s.checked or 'not checked yet'}"
            for s in self.standings
        ]
        return "\n".join([*lines, f"{self.score:g} of {self.points:g} points from tests"])

    def figure(self) -> Any:
        """A bar for each lesson: the share of its points that you have."""
        from plusx import plots

        drawing, (axis,) = plots.figure(height=0.9 + 0.32 * len(self.standings))
        names = [f"{s.name[:2]} {s.title}" for s in self.standings]
        shares = [100 * s.score / s.points if s.points else 0.0 for s in self.standings]
        axis.barh(names, [100.0] * len(names), color="#e6e6e6", label="all points from tests")
        axis.barh(names, shares, color=plots.COLOURS["residual"], label="yours")
        axis.invert_yaxis()
        axis.set(xlabel="points reached (%)", xlim=(0, 100))
        axis.grid(visible=False, axis="y")
        return drawing

    def _repr_mimebundle_(self, **_: object) -> dict[str, str]:
        if not self.standings:
            return {"text/plain": ALONE}
        from matplotlib import pyplot as plt

        drawing, image = self.figure(), io.BytesIO()
        drawing.savefig(image, format="png")
        plt.close(drawing)
        picture = base64.b64encode(image.getvalue()).decode()
        rows = "".join(
            f"<tr><td style='text-align: left'>{escape(f'{s.name[:2]} {s.title}')}</td>"
            f"<td>{s.minutes}</td><td>{s.score:g} of {s.points:g}</td>"
            f"<td>{escape(s.checked) or 'not yet'}</td></tr>"
            for s in self.standings
        )
        heads = ("Lesson", "Minutes", "Points from tests", "Last check")
        head = "".join(f"<th style='text-align: left'>{name}</th>" for name in heads)
        about = f"{self.score:g} of {self.points:g} points from tests"
        html = (
            f"<table><tr>{head}</tr>{rows}</table>"
            f"<img alt='Your share of the points of each lesson: {about}.' "
            f"src='data:image/png;base64,{picture}'>"
        )
        return {"text/html": html, "text/plain": str(self)}


def _lessons_folder(start: Path) -> Path | None:
    """The nearest folder with lessons, from `start` upwards."""
    for folder in (start, *start.absolute().parents):
        for candidate in (folder, folder / "notebooks"):
            if any(candidate.glob("[0-9][0-9]_*/[0-9][0-9]_*.ipynb")):
                return candidate
    return None


def _standings(folder: Path, reached: dict[str, Any]) -> list[Standing]:
    found = []
    for path in sorted(folder.glob("[0-9][0-9]_*")):
        notebook = path / f"{path.name}.ipynb"
        if notebook.is_file():
            found.append(_standing(path.name, *_read(notebook), reached.get(path.name, {})))
    return found


def _standing(name: str, header: dict[str, Any], points: float, entry: dict[str, Any]) -> Standing:
    return Standing(
        name,
        str(header.get("title", name)),
        int(header.get("minutes", 0)),
        float(entry.get("points", points)),
        float(entry.get("score", 0.0)),
        str(entry.get("checked", ""))[:10],
    )


def _read(notebook: Path) -> tuple[dict[str, Any], float]:
    """The header of a lesson, and the points that its tests give."""
    try:
        content = json.loads(notebook.read_text(encoding="utf-8"))
        cells = [cell["metadata"].get("nbgrader", {}) for cell in content["cells"]]
        tests = [cell for cell in cells if cell.get("grade") and not cell.get("solution")]
        return dict(content["metadata"]["lesson"]), sum(float(cell["points"]) for cell in tests)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}, 0.0  # a notebook that was broken by hand is still a lesson


def _checked(entry: Any) -> dict[str, Any]:
    """A lesson's entry, whose numbers are numbers; raises TypeError and the like if not."""
    return {**entry, "points": float(entry["points"]), "score": float(entry["score"])}


def _reached() -> dict[str, Any]:
    """What `nbproctor check` has kept, by lesson (see nbproctor.commands.progress)."""
    named = os.environ.get("PLUSX_PROGRESS")
    path = Path(named) if named else user_data_path("plusx") / "progress.json"
    try:
        lessons = json.loads(path.read_text(encoding="utf-8"))["lessons"]
        return {name: _checked(entry) for name, entry in lessons.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArgumentError(
            "your progress cannot be read",
            expected="what `make check` wrote; delete the file to begin anew",
            got=type(error).__name__,
            where=str(path),
        ) from error
