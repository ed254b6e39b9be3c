"""What instructors look at."""
