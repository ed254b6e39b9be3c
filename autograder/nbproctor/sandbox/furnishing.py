"""What a scratch folder holds at the start: two folders, and copies of the grader's files."""

import errno
import os
import shutil
from collections.abc import Iterator

__all__ = ["CopyError", "fill"]

LEFT_OUT = shutil.ignore_patterns("*.ipynb", ".*")


class CopyError(Exception):
    """A file or folder of the grader's could not be copied; the lesson or the disk is at fault."""

    def __init__(self, source: str, size_bytes: int, largest: str, reason: OSError) -> None:
        self.told = {"source": source, "bytes": size_bytes, "largest": largest}
        self.told["reason"] = str(reason)[:1000]
        super().__init__(self.told)


def fill(scratch: str, copies: dict[str, str], max_bytes: int, uid: int | None = None) -> None:
    """Furnish a scratch folder: a working folder, one for temporary files, and copies.

    Args:
        copies: by path below the scratch, what is copied there. Of folders neither notebooks nor
            hidden files are.
        max_bytes: how much all copies together may hold.
        uid: whose all of it will be.

    Raises:
        CopyError: a copy is too large, or failed.
        OSError: the scratch itself cannot be used.
    """
    for name in ("tmp", "work"):
        os.makedirs(f"{scratch}/{name}", exist_ok=True)
    for target, source in copies.items():
        max_bytes -= _copy(source, f"{scratch}/{target}", max_bytes)
    if uid is not None:
        for path in _below(scratch):
            os.chown(path, uid, uid, follow_symlinks=False)


def _copy(source: str, path: str, max_bytes: int) -> int:
    """Copy a file, or what is in a folder; its size in bytes."""
    size, largest = 0, source
    try:
        sizes = {file: os.stat(file).st_size for file in _files(source)}
        size, largest = sum(sizes.values()), max(sizes, key=sizes.__getitem__, default=source)
        if size > max_bytes:
            raise OSError(errno.EFBIG, f"there is room for {max_bytes} bytes")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.isdir(source):
            shutil.copytree(source, path, ignore=LEFT_OUT, dirs_exist_ok=True)
        else:
            shutil.copy(source, path)
    except OSError as error:
        raise CopyError(source, size, largest, error) from error
    return size


def _files(source: str) -> Iterator[str]:
    """The files that copying a file or a folder would read."""
    if not os.path.isdir(source):
        yield source
    for where, folders, files in os.walk(source):
        left_out = LEFT_OUT(where, [*folders, *files])
        folders[:] = [name for name in folders if name not in left_out]
        yield from (f"{where}/{name}" for name in files if name not in left_out)


def _below(folder: str) -> Iterator[str]:
    for where, folders, files in os.walk(folder):
        yield from (f"{where}/{name}" for name in (*folders, *files))
