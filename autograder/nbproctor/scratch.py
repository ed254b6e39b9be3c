"""Temporary folders that do not stay when the grader is killed.

A folder is locked by the process that made it for as long as that process lives. Whoever makes the
next one removes those that nobody holds any more.
"""

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path

from nbproctor.errors import GraderError
from nbproctor.trees import remove_tree

__all__ = ["ScratchFolder", "sweep"]

PREFIX = "nbp-"


class ScratchFolder:
    """An empty folder of this process's own. As a context manager it gives its path.

    Raises:
        GraderError: the folder cannot be locked where the system keeps temporary ones.
    """

    def __init__(self) -> None:
        sweep()
        self._lock: int | None = None
        while self._lock is None:  # somebody swept it away
            self.path = tempfile.mkdtemp(prefix=PREFIX)
            try:
                self._lock = _hold(self.path, fcntl.LOCK_SH)
            except OSError as error:
                self.remove()
                expected = "a file system with locks (TMPDIR may name one), and open files to spare"
                what = "a temporary folder cannot be locked"
                raise GraderError(what, expected=expected, got=error, where=self.path) from error

    def __enter__(self) -> str:
        return self.path

    def __exit__(self, *_: object) -> None:
        self.remove()

    def remove(self) -> None:
        """Remove the folder and what is in it."""
        remove_tree(self.path)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def sweep() -> None:
    """Remove this user's folders whose maker has gone."""
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):  # held, another's, or no folder
            lock = _hold(str(path), fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock is not None:
                if os.fstat(lock).st_uid == os.geteuid():
                    remove_tree(str(path))
                os.close(lock)


def _hold(path: str, kind: int) -> int | None:
    """Lock a folder: a file descriptor, or None if it is gone.

    Raises:
        OSError: it cannot be opened or locked.
    """
    try:
        place = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(place, kind)
        if os.path.isdir(path):  # nobody has removed it before it was locked
            return place
    except OSError:
        os.close(place)
        raise
    os.close(place)
    return None
