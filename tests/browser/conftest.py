"""One browser for the tests of a module. Modules beside the tests are imported by name."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nbproctor"), str(HERE.parent)]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser, in which tests open contexts of their own: a context shares nothing.

    Not for a whole run: while it is open, playwright's event loop runs in this thread.
    """
    from accessible import chromium

    with chromium() as opened:
        yield opened
