"""JSON that a learner's code may have written, read in bounded memory.

Python's objects are much larger than the text that they are read from: an empty list, two bytes of
text, takes some seventy, and a single character beyond ASCII makes a whole text four times as wide.
"""

import json
import re
from typing import Any

__all__ = ["TooMuchError", "memory_of", "read_json"]

# What a bracket, comma or colon outside of strings can cost at most, by measurement (Python 3.11).
MARK_BYTES, LEAST_BYTES = 110, 4096
MANY_STRINGS = 1_000_000
WIDE = re.compile(rb"[\xf0-\xff]|\\u[dD][89abAB]")
WIDER_THAN_ASCII = re.compile(rb"[\x80-\xff]|\\u")
NO_MARKS = bytes(set(range(256)) - set(b'"[{,:'))


class TooMuchError(ValueError):
    """To read this would take more memory than allowed."""


def read_json(data: bytes, max_memory_bytes: int) -> Any:
    """What some JSON says.

    Raises:
        TooMuchError: to read it could take more memory than this.
        ValueError, RecursionError: it is no JSON in UTF-8, or nested too deeply.
    """
    if (memory := memory_of(data)) > max_memory_bytes:
        raise TooMuchError(f"it would take {memory:,} bytes of memory")
    # Of other encodings, which json.loads would guess, the marks would be counted wrongly.
    return json.loads(data.decode("utf-8-sig", "surrogatepass"))


def memory_of(data: bytes) -> int:
    """The most bytes of memory that `json.loads` takes for this, besides the text itself."""
    width = 4 if WIDE.search(data) else 2 if WIDER_THAN_ASCII.search(data) else 1
    # The text as it is decoded; and a string in it, in the making: in a buffer that grows by a
    # quarter, and that is copied when a sign comes that is wider than all before.
    signs = (2 * width + 1) * len(data)
    return signs + MARK_BYTES * _marks(data) + LEAST_BYTES


def _marks(data: bytes) -> int:
    """How many brackets, commas and colons stand outside of strings, or more."""
    plain = data.replace(rb"\\", b"").replace(rb"\"", b"").translate(None, NO_MARKS)
    if (quotes := plain.count(b'"')) > 2 * MANY_STRINGS:
        return len(plain) - quotes  # to look between so many would take memory itself
    return sum(len(piece) for piece in plain.split(b'"')[::2])
