"""What makes a course's nbgrader grade through nbproctor.

In the course's nbgrader_config.py, before anything else that it sets:

    from nbproctor.settings import use_nbproctor

    c = get_config()
    use_nbproctor(c)
"""

import os
import sys
from pathlib import Path
from typing import Any

__all__ = ["use_nbproctor"]


def use_nbproctor(c: Any) -> None:
    """Put nbproctor where nbgrader collects, reads, runs and shows submissions.

    With it the stock commands (nbgrader generate_assignment, zip_collect, autograde,
    generate_feedback, export, formgrader) work as nbgrader documents them. What the course sets
    afterwards holds.

    Args:
        c: the settings, as nbgrader's `get_config()` gives them.
    """
    # nbgrader starts `alembic` by name. It stands beside this Python, activated or not.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    c.GenerateAssignment.exporter_class = "nbproctor.store.gradebook.ReleaseExporter"
    # One student's broken archive does not keep the others' work from being collected.
    c.ZipCollectApp.extractor_plugin = "nbproctor.store.collect.CarefulExtractor"
    _grade(c)
    # Feedback is written on whole results only, and is whole itself.
    c.GenerateFeedback.exporter_class = "nbproctor.store.staging.FeedbackExporter"
    # What students write is shown to instructors: no HTML of theirs reaches a browser unclean.
    c.HTMLExporter.filters = {"markdown2html": "nbproctor.store.feedback.safe_markdown"}


def _grade(c: Any) -> None:
    """`nbgrader autograde`: the rebuilt notebook, the judge, all marks in one transaction."""
    c.Autograde.pre_convert_hook = "nbproctor.store.gradebook.set_traps_aside"
    c.Autograde.exporter_class = "nbproctor.store.gradebook.RebuildingExporter"
    # The rebuilt notebook needs none of nbgrader's sanitizing: no byte of it but text is a
    # student's.
    c.Autograde.sanitize_preprocessors = []
    c.Autograde.autograde_preprocessors = [
        "nbproctor.store.gradebook.JudgedExecute",
        "nbgrader.preprocessors.LimitOutput",
        "nbgrader.preprocessors.CheckCellMetadata",
        # Scores and late penalties.
        "nbproctor.store.staging.RecordMarks",
    ]
