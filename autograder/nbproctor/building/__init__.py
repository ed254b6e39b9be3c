"""From `solutions/*.py` to notebooks."""
