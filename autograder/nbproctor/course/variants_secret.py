"""The secret of a course, from which students' variants are drawn: one file, for its owner alone.

Whoever has it knows everybody's variant. Whoever loses it can grade nobody's any more. So a course
keeps a mark of the secret that it handed out variants with, and from then on takes no other.
"""

import hashlib
import hmac
import os
import secrets
import stat
from pathlib import Path

from nbproctor.errors import ConfigError
from nbproctor.files import write_page

__all__ = [
    "HANDED_OUT",
    "NO_SECRET",
    "SECRET",
    "make_secret",
    "note_handed_out",
    "read_secret",
    "write_secret",
]

SECRET = "variants.secret"
NO_SECRET = f"there is no {SECRET}: exercises with variants are graded as the lesson has them"
FEWEST_BYTES = 16

# A mark of a secret is a hash that the secret itself keys (HMAC-SHA256), of a text from which no
# variant is drawn: it says whether two secrets are the same, and nothing of anybody's variant. A
# guessed secret could be tried on it, though, so it is kept as the secret is, for its owner alone,
# and never goes into a notebook; one that --new-secret made has 256 random bits, too many to guess.
HANDED_OUT = ".nbproctor/variants.handed_out"
MARKED = b"nbproctor variants: the secret that they were handed out with"


def read_secret(root: Path) -> bytes | None:
    """The secret of the course at `root`; None if it has none.

    Raises:
        ConfigError: others may read the file, it cannot be read, it is too short to be secret, or
            variants were handed out with another one.
    """
    found = _read(root / SECRET)
    path = root / HANDED_OUT
    try:
        known = path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return found
    except (OSError, UnicodeDecodeError) as error:
        what = "which secret variants were handed out with cannot be read"
        raise ConfigError(what, got=error, where=path) from error
    if found is None or not hmac.compare_digest(known.encode(), _mark(found).encode()):
        raise ConfigError(
            "variants were handed out with another secret than the course has",
            expected=f"{SECRET} as it was then (put your copy back); or, where nothing that was "
            f"handed out is graded any more, no {HANDED_OUT}",
            got=f"no {SECRET}" if found is None else f"a {SECRET} with another content",
            where=root,
        )
    return found


def note_handed_out(root: Path, secret: bytes) -> None:
    """Remember that variants were handed out with this secret: `read_secret` takes no other now.

    Raises:
        ConfigError: the course cannot be written to.
    """
    write_page(f"{_mark(secret)}\n", None, root / HANDED_OUT, private=True)


def _mark(secret: bytes) -> str:
    return hmac.new(secret, MARKED, hashlib.sha256).hexdigest()


def _read(path: Path) -> bytes | None:
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
        ConfigError: it has one already, from which variants may have been given out; or it had one.
    """
    read_secret(root)
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
    except OSError as error:
        got = error.strerror or error
        raise ConfigError("the secret cannot be written", got=got, where=path) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(f"{text}\n")
    return path
