"""Gradescope: its results.json, and what grades there, inside of its container.

The format: gradescope-autograders.readthedocs.io/en/latest/specs (Output Format). A top-level
`score` overrides the sum of the tests; `visibility` is one of four words; `status` is passed or
failed; outputs are shown as plain text. What `run_autograder` prints is seen by instructors only.

In the container nbproctor grades as everywhere else: the hidden tests stay in the judge, and the
student's code runs in the strongest sandbox that there is, at least the one that was asked for. If
the container cannot give that, nothing is graded and no results.json is written.
"""

import json
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbproctor.config import Limits
from nbproctor.course.notebook import HandedIn, read_handed_in
from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.errors import NbproctorError
from nbproctor.files import write_whole
from nbproctor.grading.work import Grader, LessonPack
from nbproctor.reports.report import message, place, plain, points
from nbproctor.sandbox.plan import Level

__all__ = ["VISIBILITIES", "GradescopeForm", "grade_here", "results_json"]

VISIBILITIES = ("visible", "after_due_date", "after_published", "hidden")
PACKS = "lessons"
STATUS = {Verdict.PASSED: "passed", Verdict.PARTIAL: None}


@dataclass(frozen=True)
class GradescopeForm:
    """When students see the tests; and whether marks that wait for a person are given out."""

    visibility: str = "visible"
    incomplete: bool = False


def results_json(
    results: Sequence[CellResult],
    score: float,
    seconds: float,
    visibility: str = "visible",
    notes: Iterable[str] = (),
    about: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """One submission's results.json. Cells without a score yet are named in `output`.

    Args:
        score: the points of the whole submission: after penalties, where there are any.
        notes: sentences for the student, above the tests.
        about: what else to keep with the result (`extra_data`).
    """
    waiting = [result for result in results if result.score is None]
    told = list(notes)
    if waiting:
        most = points(sum(result.points for result in waiting))
        names = ", ".join(result.grade_id for result in waiting)
        told.append(f"{most} more points are given by hand: {names}.")
    return {
        "score": round(score, 4),
        "execution_time": round(seconds, 3),
        "output": plain("\n".join(told)),
        "output_format": "text",
        "test_output_format": "text",
        "test_name_format": "text",
        "visibility": visibility,
        "stdout_visibility": "hidden",
        "extra_data": dict(about or {}),
        "tests": [_test(result) for result in results if result.score is not None],
    }


def _test(result: CellResult) -> dict[str, Any]:
    told = f"{result.verdict}\n{message(result)}".strip()
    if result.verdict is Verdict.MANUAL:
        told = "given by a person"
    test = {
        "name": plain(result.grade_id),
        "score": round(result.score or 0.0, 4),
        "max_score": result.points,
        "output": plain(told),
        "tags": [str(result.verdict)],
    }
    # A part of the points is neither: Gradescope then goes by the score.
    status = STATUS.get(result.verdict, "failed")
    return test if status is None or result.by_hand else {**test, "status": status}


def grade_here(root: Path, source: Path) -> dict[str, Any]:
    """Grade what lies in `root`/submission with the lesson packed in `source`.

    Raises:
        SandboxError: the container cannot hold student code as the pack asks for.
        GraderError: grading itself failed.
    """
    settings = json.loads((source / "settings.json").read_text(encoding="utf-8"))
    limits = Limits(**settings["limits"])
    reports = []
    for name in settings["notebooks"]:
        folder = source / PACKS / name
        pack = LessonPack.read(
            folder / "source" / f"{name}.ipynb",
            folder / "release" / f"{name}.ipynb",
            limits,
            Level(settings["sandbox"]),
        )
        with Grader(pack) as grader:
            reports.append(grader.grade(_handed_in(root / "submission", name, limits)).report)
    return _results(reports, settings["visibility"])


def _results(reports: Sequence[Report], visibility: str) -> dict[str, Any]:
    results = [result for report in reports for result in report.results]
    levels = sorted({report.sandbox for report in reports})
    notes = [note for report in reports for note in report.notes]
    notes += [f"Graded {place(level)}." for level in levels]
    total = sum(report.score for report in reports)
    seconds = sum(report.seconds for report in reports)
    return results_json(results, total, seconds, visibility, notes, {"sandbox": levels})


def _handed_in(folder: Path, name: str, limits: Limits) -> HandedIn:
    """The notebook of this name, wherever it lies; or the only one there is."""
    found = sorted(
        Path(place, file)
        for place, _, files in os.walk(folder)
        for file in files
        if file.endswith(".ipynb") and ".ipynb_checkpoints" not in place
    )
    named = [path for path in found if path.name == f"{name}.ipynb"] or found
    if len(named) == 1:
        return read_handed_in(named[0], limits)
    several = f"there are {len(named)} notebooks" if named else "there is no notebook"
    return HandedIn(unreadable=f"{several}; one called {name}.ipynb was expected")


def main(root: Path, source: Path) -> int:
    """What `run_autograder` runs. Returns 1, and writes nothing, where no verdict would be fair."""
    try:
        made = grade_here(root, source)
        (root / "results").mkdir(exist_ok=True)
        write_whole(root / "results" / "results.json", json.dumps(made, indent=1).encode())
    except NbproctorError as error:
        print(f"nbproctor: not graded: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
