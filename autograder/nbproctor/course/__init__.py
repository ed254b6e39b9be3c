"""What a course's cells are: lessons, variants, what was handed in, and what came of it."""
