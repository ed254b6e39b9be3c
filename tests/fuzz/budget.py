"""How much is tried: about a minute in CI, the same every time; `make fuzz` takes MINUTES."""

import os

from hypothesis import HealthCheck, settings

__all__ = ["MINUTES", "examples"]

# Set by `make fuzz`: as many times the effort of CI, and other examples in each run.
MINUTES = int(os.environ.get("FUZZ_MINUTES", "0"))


def examples(count: int) -> settings:
    """Hypothesis settings for a test that tries `count` examples in CI."""
    return settings(
        max_examples=count * max(MINUTES, 1),
        derandomize=not MINUTES,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
