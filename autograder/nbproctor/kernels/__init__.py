"""The student kernel and the judge, as the grader holds them."""
