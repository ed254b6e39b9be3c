"""A whole class: graded, graded again, given feedback."""
