"""Fixture modules are imported by name: pytest's importlib mode puts no folder on the path."""

import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]


@pytest.fixture(scope="session", autouse=True)
def _version_asked_once() -> Iterator[None]:
    """For each new gradebook nbgrader has a program say which version of its tables it knows.

    It is always the same, and the program takes longer than all else of a release.
    """
    from nbgrader import api

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(api, "get_alembic_version", cache(api.get_alembic_version))
        yield
