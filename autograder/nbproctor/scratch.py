"""Temporary folders that do not stay when the grader is killed.

A folder is locked by the process that made it for as long as that process lives. Whoever makes the
next one removes those that nobody holds any more.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["ScratchFolder", "sweep"]

PREFIX = "nbp-"


class ScratchFolder:
    """An empty folder of this process's own. As a context manager it gives its path."""

    def __init__(self) -> None:
        sweep()
        self.path = tempfile.mkdtemp(prefix=PREFIX)
        while (lock := _hold(self.path, fcntl.LOCK_SH)) is None:  # somebody swept it away
            self.path = tempfile.mkdtemp(prefix=PREFIX)
        self._lock: int | None = lock

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder and what is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep() -> None:
    """Remove this user's folders whose maker has gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = _hold(str(path), fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock is not None:
            if os.fstat(lock).st_uid == os.geteuid():
                shutil.rmtree(path, ignore_errors=True)
            os.close(lock)


def _hold(path: str, kind: int) -> int | None:
    """Lock a folder: a file descriptor, or None if it is gone, another's, or no folder."""
    try:
        place = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    with contextlib.suppress(OSError):
        fcntl.flock(place, kind)
        if os.path.isdir(path):  # nobody has removed it before it was locked
            return place
    os.close(place)
    return None
