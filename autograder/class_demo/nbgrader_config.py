# What the made-up class adds to the course's nbgrader_config.py: `make demo` puts it at the end.
from math import ceil

from nbgrader.plugins import LateSubmissionPlugin

SECONDS_PER_DAY = 24 * 60 * 60


class OnePointPerDay(LateSubmissionPlugin):
    def late_submission_penalty(self, student_id, score, total_seconds_late):
        return float(ceil(total_seconds_late / SECONDS_PER_DAY))


c.AssignLatePenalties.plugin_class = OnePointPerDay

# The archive holds files like ada_20260301T110000_02_residual_block.ipynb.
c.FileNameCollectorPlugin.named_regexp = (
    r".*/(?P<student_id>[a-z]+)_(?P<timestamp>\d{8}T\d{6})_(?P<file_id>\w+)\.ipynb$"
)

# Endless loops are ended soon; the first cell still has time to import torch on a slow machine.
c.RebuildingExporter.limits = {
    "cell_timeout_s": 20,
    "call_timeout_s": 15,
    "test_timeout_s": 60,
    "notebook_timeout_s": 300,
}
