"""The nbgrader course: its folders, and nbproctor where nbgrader reads and runs submissions.

With this file the stock commands (nbgrader generate_assignment, autograde, generate_feedback,
export, formgrader) work as documented by nbgrader; only how a submission is run is ours.
"""

import os
import sys
from pathlib import Path

# nbgrader starts `alembic` by name. It stands beside this Python, activated or not.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"

c = get_config()

c.CourseDirectory.course_id = "plusx"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"
# The sources of the lessons (*.py) hold the solutions: they are never released.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.py", "*.pyc", ".*"]

c.GenerateAssignment.exporter_class = "nbproctor.gradebook.ReleaseExporter"

# The rebuilt notebook needs none of nbgrader's sanitizing: no byte of it but text is a student's.
c.Autograde.pre_convert_hook = "nbproctor.gradebook.set_traps_aside"
c.Autograde.exporter_class = "nbproctor.gradebook.RebuildingExporter"
c.Autograde.sanitize_preprocessors = []
c.Autograde.autograde_preprocessors = [
    "nbproctor.gradebook.JudgedExecute",
    "nbgrader.preprocessors.LimitOutput",
    "nbgrader.preprocessors.CheckCellMetadata",
    # Scores and late penalties, in one transaction.
    "nbproctor.staging.RecordMarks",
]
# One student's broken archive does not keep the others' work from being collected.
c.ZipCollectApp.extractor_plugin = "nbproctor.collect.CarefulExtractor"
# Times and sizes that one submission may use: see nbproctor.config.Limits.
c.RebuildingExporter.limits = {"cell_timeout_s": 60, "notebook_timeout_s": 600}

# Feedback is written on whole results only, and is whole itself.
c.GenerateFeedback.exporter_class = "nbproctor.staging.FeedbackExporter"

# What students write is shown to instructors: no HTML of theirs reaches a browser unclean.
c.HTMLExporter.filters = {"markdown2html": "nbproctor.feedback.safe_markdown"}
