"""Files that are never seen half written, and pages put where such pages go."""

import os
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from nbproctor.errors import ConfigError

__all__ = ["make_folder", "write_page", "write_whole"]


def write_page(page: str, to: Path | None, usual: Path, *, private: bool = False) -> Path:
    """Write a page where it is asked for (`to`), or else at its usual place; where it is.

    Raises:
        ConfigError: it cannot be written there.
    """
    path = to or usual
    if to is None:
        make_folder(path.parent)
    write_whole(path, page.encode(), private=private)
    return path


def make_folder(path: Path) -> None:
    """Make a folder, and those it lies in, unless it is there.

    Raises:
        ConfigError: that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        got = error.strerror or error
        raise ConfigError("the folder cannot be made", got=got, where=path) from error


def write_whole(path: Path, data: bytes, *, private: bool = False) -> None:
    """Write a file that is never seen half written.

    `-` is standard output. Where a link, a device or a pipe stands, it is written to, and stays.

    Args:
        private: for its owner alone, from its first byte on.

    Raises:
        ConfigError: it cannot be written there.
    """
    try:
        if str(path) == "-":
            sys.stdout.buffer.write(data)
        elif path.is_symlink() or (path.exists() and not path.is_file()):
            path.write_bytes(data)
        else:
            _replace(path, data, private)
    except OSError as error:
        got = error.strerror or error
        raise ConfigError("the file cannot be written", got=got, where=path) from error


def _replace(path: Path, data: bytes, private: bool) -> None:
    handle, made = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        if not private:  # as mkstemp makes it
            os.chmod(made, 0o666 & ~_umask())
        os.replace(made, path)
    except OSError:
        with suppress(OSError):
            os.unlink(made)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
