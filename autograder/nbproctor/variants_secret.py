"""The secret of a course, from which students' variants are drawn: one file, for its owner alone.

Whoever has it knows everybody's variant. Whoever loses it can grade nobody's any more.
"""

import os
import secrets
import stat
from pathlib import Path

from nbproctor.errors import ConfigError

__all__ = ["SECRET", "make_secret", "read_secret", "write_secret"]

SECRET = "variants.secret"
FEWEST_BYTES = 16


def read_secret(root: Path) -> bytes | None:
    """The secret of the course at `root`; None if it has none.

    Raises:
        ConfigError: others may read the file, it cannot be read, or it is too short to be secret.
    """
    path = root / SECRET
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            found = file.read().strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError("the course's secret cannot be read", got=error, where=path) from error
    if mode & 0o077:
        raise ConfigError(
            "others may read the course's secret",
            expected=f"mode 600: chmod 600 {SECRET}",
            got=f"mode {mode:o}",
            where=path,
        )
    if len(found) < FEWEST_BYTES:
        expected = f"at least {FEWEST_BYTES} bytes"
        raise ConfigError(
            "the course's secret is too short", expected=expected, got=len(found), where=path
        )
    return found


def make_secret(root: Path) -> Path:
    """Make a secret for the course at `root`; where it is.

    Raises:
        ConfigError: it has one already, from which variants may have been given out.
    """
    return write_secret(root, secrets.token_hex(32))


def write_secret(root: Path, text: str) -> Path:
    """Write a secret where there is none, readable by its owner alone; as `make_secret`."""
    path = root / SECRET
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise ConfigError(
            "the course has a secret already",
            expected="no such file: with another secret, everybody holds other variants",
            where=path,
        ) from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    return path
