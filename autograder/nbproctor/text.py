"""Text of students made fit to be stored, printed and compared."""

import re

__all__ = ["plain_text", "well_formed"]

# \x80 to \x9f: a terminal takes \x9b for the beginning of a sequence.
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0e-\x1f\x7f-\x9f]")


def well_formed(text: str) -> str:
    """Text that can be written as UTF-8: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode()


def plain_text(text: str) -> str:
    """Well-formed text without terminal controls or a byte-order mark, with newlines as \\n."""
    text = well_formed(text).replace("\r\n", "\n").replace("\r", "\n").replace("\ufeff", "")
    return CONTROLS.sub("\N{REPLACEMENT CHARACTER}", text)
