"""Where files, marks and results stand, through nbgrader, safe against kills."""
