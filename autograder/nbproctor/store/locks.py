"""One run at a time writes to a course, whichever command it is.

The lock is the system's (flock): it ends with the process that holds it, however that ends.
"""

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nbproctor.errors import ConfigError
from nbproctor.store.places import LOCK

__all__ = ["course_lock"]

WAIT_S, POLL_S = 3.0, 0.1
HELD = (errno.EAGAIN, errno.EACCES)


@contextmanager
def course_lock(root: Path, command: str, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold a course for this process.

    Args:
        command: what others are told that this process does.
        wait_s: seconds to wait for another process.

    Raises:
        ConfigError: another process holds it, or it cannot be locked.
    """
    path = root / LOCK
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _opened(path)
    except OSError as error:
        raise ConfigError("the course cannot be locked", got=error, where=path) from error
    try:
        _lock(file, path, wait_s)
        _tell(file, f"process {os.getpid()} ({command})")
        yield
    finally:
        os.close(file)


def _opened(path: Path) -> int:
    """A file that another instructor made can be locked, too, if it can be read."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except PermissionError:
        return os.open(path, os.O_RDONLY)


def _lock(file: int, path: Path, wait_s: float) -> None:
    deadline = time.monotonic() + wait_s
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in HELD:
                raise ConfigError("the course cannot be locked", got=error, where=path) from error
        if time.monotonic() >= deadline:
            raise ConfigError(
                "this course is being graded by another process",
                expected=f"that it ends within {wait_s:g} s; then the same command goes on",
                got=os.pread(file, 1000, 0).decode(errors="replace") or "it does not say which",
                where=path.parent.parent,
            )
        time.sleep(POLL_S)


def _tell(file: int, text: str) -> None:
    try:
        os.ftruncate(file, 0)
        os.pwrite(file, text.encode(), 0)
    except OSError:  # it is another instructor's, or the disk is full: locked it is
        return
