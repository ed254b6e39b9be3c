"""One submission, from start to end."""
