"""Tables for spreadsheets and learning platforms: text that stays text, files that are whole.

A spreadsheet takes a field that begins with = + - or @ for a formula, and what a formula may do is
not ours to say. The rules are those of OWASP (owasp.org/www-community/attacks/CSV_Injection, and
ASVS 1.2.10): an apostrophe goes before such a beginning, and quoting is RFC 4180's. In some
countries the semicolon separates fields, whatever stands in quotes, so what follows one counts as a
beginning too.
"""

import csv
import io
import re
import unicodedata
from collections.abc import Iterable, Sequence

from nbproctor.text import well_formed

__all__ = ["csv_bytes", "look_alikes", "neutral"]

# Also the full-width forms, which spreadsheets of East Asia take for the same signs.
FORMULA = re.compile(r"""(^|;)(?=[\s"']*[=+\-@＝＋－＠])""")
# Unicode's categories of what is not seen: controls, formats (changes of direction, joiners),
# surrogates, private use, not assigned; and separators that are no ordinary space.
UNSEEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def neutral(text: str) -> str:
    """Text in one line that no spreadsheet takes for a formula, with nothing in it unseen.

    What cannot be seen is written out (`<U+202E>`) rather than left out: two names that differ
    stay different.
    """
    seen = "".join(map(_seen, well_formed(text)))
    return FORMULA.sub(r"\1'", seen)


def _seen(sign: str) -> str:
    return f"<U+{ord(sign):04X}>" if _is_unseen(sign) else sign


def _is_unseen(sign: str) -> bool:
    kind = unicodedata.category(sign)
    return kind in UNSEEN or (kind == "Zs" and sign != " ")


def look_alikes(names: Iterable[str]) -> list[tuple[str, ...]]:
    """Groups of names that are the same but for case, width, accents' coding and unseen signs."""
    groups: dict[str, list[str]] = {}
    for name in names:
        kept = (sign for sign in name if not _is_unseen(sign))
        key = unicodedata.normalize("NFKC", "".join(kept)).casefold().strip()
        groups.setdefault(key, []).append(name)
    return [tuple(group) for group in groups.values() if len(group) > 1]


def csv_bytes(rows: Iterable[Sequence[str | float | None]]) -> bytes:
    """Rows as a CSV file in UTF-8: every text neutral, numbers as numbers, None as nothing."""
    written = io.StringIO()
    # In quotes if it could be taken apart; ends of lines as RFC 4180 has them.
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerows([_field(value) for value in row] for row in rows)
    return written.getvalue().encode()


def _field(value: str | float | None) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return neutral(value)
    return f"{round(value, 4) + 0:.4f}".rstrip("0").rstrip(".")
