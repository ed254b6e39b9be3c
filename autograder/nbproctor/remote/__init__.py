"""A hidden test's calls into the learner's kernel: the three parties, and what travels."""
