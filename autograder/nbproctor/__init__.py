"""Grades notebooks: tests run outside the process that holds a learner's code."""
