"""The nbgrader course: its folders, and nbproctor where nbgrader reads and runs submissions.

With this file the stock commands (nbgrader generate_assignment, autograde, generate_feedback,
export, formgrader) work as documented by nbgrader; only how a submission is run is ours.
"""

from nbproctor.settings import use_nbproctor

c = get_config()
use_nbproctor(c)

c.CourseDirectory.course_id = "plusx"
c.CourseDirectory.source_directory = "solutions"
c.CourseDirectory.release_directory = "notebooks"
# The sources of the lessons (*.py) hold the solutions: they are never released.
c.CourseDirectory.ignore = [".ipynb_checkpoints", "__pycache__", "*.py", "*.pyc", ".*"]

# Times and sizes that one submission may use: see nbproctor.config.Limits.
c.RebuildingExporter.limits = {"cell_timeout_s": 60, "notebook_timeout_s": 600}
