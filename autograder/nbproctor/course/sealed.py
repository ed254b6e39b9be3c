"""Whole results: a graded notebook that carries its own digest.

Grading can be killed at any moment. What that leaves is told from a whole result by the seal,
which is put on as the last step: a notebook without it, or changed after it, is no result.
"""

import hashlib
import json
import stat
from pathlib import Path
from typing import Any

from nbproctor.course.records import cell_result_from
from nbproctor.errors import UnfinishedError

__all__ = ["SealedResult", "digest_of", "read_sealed", "sealed"]

SEAL = "seal"
SUBMISSION = "submission"


class SealedResult:
    """A whole graded notebook: its verdicts, and the digest of the submission that got them.

    `about` is what grading says of itself in the notebook's metadata.
    """

    def __init__(self, notebook: dict[str, Any]) -> None:
        self.about: dict[str, Any] = notebook["metadata"]["nbproctor"]
        self.submission = str(self.about[SUBMISSION])
        verdicts = [cell["metadata"].get("nbproctor", {}) for cell in notebook["cells"]]
        self.results = tuple(cell_result_from(data) for data in verdicts if "verdict" in data)


def sealed(text: str, submission: str) -> str:
    """The text of a graded notebook with its seal.

    Args:
        submission: digest of the files that were graded.
    """
    notebook = json.loads(text)
    own = notebook["metadata"].setdefault("nbproctor", {})
    own.pop(SEAL, None)  # one that does not hold any more
    own[SUBMISSION] = submission
    own[SEAL] = _seal(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def read_sealed(path: Path) -> SealedResult:
    """Read a graded notebook.

    Raises:
        UnfinishedError: there is none, or it is not whole.
    """
    try:
        notebook = json.loads(path.read_bytes())
        found = notebook["metadata"]["nbproctor"].pop(SEAL)
    except FileNotFoundError:
        raise UnfinishedError("there is no graded notebook", where=path) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        found = notebook = None
    if found != _seal(notebook):
        raise UnfinishedError("the graded notebook is not whole", where=path)
    return SealedResult(notebook)


def digest_of(*parts: Path | bytes) -> str:
    """A digest of the bytes of files; one that is missing, or no plain file, counts as that.

    Bytes stand for a file that holds them.
    """
    total = hashlib.sha256()
    for part in parts:
        digest = b"none"
        if isinstance(part, bytes):
            digest = hashlib.sha256(part).digest()
        elif part.exists() and stat.S_ISREG(part.stat().st_mode):
            with part.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
        total.update(digest)
    return total.hexdigest()


def _seal(notebook: Any) -> str:
    return hashlib.sha256(json.dumps(notebook, sort_keys=True).encode()).hexdigest()
