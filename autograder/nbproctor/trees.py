"""Folders that a learner's code has filled: measured and removed, however deep, closed or long.

Python's own walks call themselves for every folder (until 3.12), follow paths whose length has a
limit, and pass over what its owner may not read.
"""

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterator

__all__ = ["holds_too_much", "remove_tree"]

MAX_DEPTH = 100
PATIENCE_S = 60.0


def holds_too_much(folder: str, max_files: int, max_bytes: int) -> bool:
    """Whether a folder holds more than allowed, or hides what it holds: too deep, or closed."""
    count, size, waiting = 0, 0, [(folder, 0)]
    while waiting:
        where, depth = waiting.pop()
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    count += 1
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((entry.path, depth + 1))
                    with contextlib.suppress(OSError):
                        size += entry.stat(follow_symlinks=False).st_blocks * 512
                    if count > max_files or size > max_bytes:
                        return True
        except (FileNotFoundError, NotADirectoryError):  # it has gone meanwhile
            continue
        except OSError:
            return True
        if depth > MAX_DEPTH:
            return True
    return False


def remove_tree(folder: str, patience_s: float = PATIENCE_S) -> None:
    """Remove a folder and what is in it, as far as it can be, and raise nothing.

    What lies deeper is moved up first, so that no path grows long and few files are open.

    Args:
        patience_s: how long to go on; whoever still lives in there might add more for ever.
    """
    with contextlib.suppress(OSError):
        top = _opened(folder)
        try:
            _empty(top, time.monotonic() + patience_s)
        finally:
            os.close(top)
        os.rmdir(folder)


def _empty(top: int, deadline_s: float) -> None:
    waiting = os.listdir(top)
    while waiting and time.monotonic() < deadline_s:
        name = waiting.pop()
        with contextlib.suppress(OSError):
            if _unlinked(name, top):
                continue
            place = _opened(name, top)
            try:
                waiting += _moved_up(place, top)
            finally:
                os.close(place)
            os.rmdir(name, dir_fd=top)


def _moved_up(place: int, top: int) -> Iterator[str]:
    """Leave a folder empty: its files go, its folders move to the top. Their new names."""
    with os.scandir(place) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                if not _unlinked(entry.name, place):
                    name = secrets.token_hex(16)
                    os.close(_opened(entry.name, place))  # who moves a folder writes into it
                    os.rename(entry.name, name, src_dir_fd=place, dst_dir_fd=top)
                    yield name


def _unlinked(name: str, place: int) -> bool:
    """Whether this was no folder, and is gone."""
    try:
        os.unlink(name, dir_fd=place)
    except (IsADirectoryError, PermissionError):  # the second on macOS
        return False
    return True


def _opened(name: str, place: int | None = None) -> int:
    """A folder, never through a link, opened for its owner if it was closed."""
    if sys.platform == "linux":
        handle = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
        try:
            with contextlib.suppress(OSError):
                os.chmod(f"/proc/self/fd/{handle}", 0o700)
        finally:
            os.close(handle)
    return os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
