"""Files that are there as a whole or not at all, also when a program is killed while it writes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import IO

PART = ".part"


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """A file to write that takes the place of `path` when the block ends, and not before.

    Until then the old content stays; where the block raises, for good. A killed program leaves
    what it had written beside it, under another name: see `forget`. Raises `OSError`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(
        dir=path.parent, prefix=f"{path.name}.", suffix=PART, delete=False
    ) as file:
        try:
            yield file
            file.flush()
            os.fsync(file.fileno())
        except BaseException:
            os.unlink(file.name)
            raise
    os.replace(file.name, path)


def forget(path: Path) -> None:
    """Remove a file that is no longer needed, and what killed programs left of it, if possible."""
    for file in (path, *path.parent.glob(f"{path.name}.*{PART}")):
        with suppress(OSError):
            file.unlink()
