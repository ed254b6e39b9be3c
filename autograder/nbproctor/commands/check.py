"""Grading a learner's own notebook on the spot: no gradebook, no class."""

import tempfile
from dataclasses import replace
from pathlib import Path

from nbproctor.building.release import release_lesson
from nbproctor.config import Limits
from nbproctor.course.lesson import load_lesson
from nbproctor.course.notebook import held_variant, parse_submission, read_handed_in
from nbproctor.course.records import Report
from nbproctor.course.variants import draw
from nbproctor.course.variants_secret import read_secret
from nbproctor.errors import ConfigError
from nbproctor.grading.grade import grade_submission
from nbproctor.sandbox.plan import Level

__all__ = ["check_notebook"]


def check_notebook(
    root: Path,
    name: str,
    notebook: Path,
    limits: Limits,
    sandbox: Level = Level.REDUCED,
    student: str | None = None,
) -> Report:
    """Grade one notebook of the lesson `name` of the course at `root`.

    Of exercises with variants, the one is taken that the notebook says or, where a student is
    named, the one that this student holds.

    The lesson is released anew into a scratch folder: the release in `notebooks/` may be the very
    notebook that the learner works in.

    Raises:
        ConfigError: there is no such notebook.
        SandboxError: this machine cannot give the level `sandbox`.
        LessonError: the lesson has not been built.
    """
    import nbformat

    source = root / "solutions" / name / f"{name}.ipynb"
    if not notebook.is_file():
        raise ConfigError("there is no such notebook", where=notebook)
    if not source.is_file():
        raise ConfigError(
            "this lesson is not built", expected=f"run: nbproctor build {name}", where=source
        )
    with tempfile.TemporaryDirectory(prefix="nbproctor-") as scratch:
        for path, content in release_lesson(root, source.parent, nbformat.read(source, 4)).items():
            target = Path(scratch) / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        release = Path(scratch) / "notebooks" / name
        lesson = load_lesson(source, release / f"{name}.ipynb")
        handed_in = read_handed_in(notebook, limits)
        if student is None:
            held = held_variant(handed_in, lesson, limits)
        else:
            held = draw(lesson.choices, read_secret(root), lesson.name, student)
        submission = parse_submission(replace(handed_in, variant=held), lesson, limits)
        return grade_submission(lesson, submission, limits, release, sandbox).report
