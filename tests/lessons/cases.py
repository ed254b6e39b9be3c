"""What a lesson's exercises are tried with: wrong answers and honest ones, as data."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """A plausible wrong answer; its hidden tests fail with a message that contains `says`.

    `edits` are (old, new) pairs on the text of the reference solution cell, where each old
    text occurs exactly once; `source` is a whole cell instead.
    """

    exercise: str
    name: str
    edits: tuple[tuple[str, str], ...] = ()
    says: str = ""
    source: str = ""

    def text(self, reference: str) -> str:
        """The solution cell with the mistake in it."""
        return _edited(self.name, reference, self.edits, self.source)


@dataclass(frozen=True)
class Variant:
    """An honest answer that differs from the reference; it gets full marks."""

    exercise: str
    name: str
    edits: tuple[tuple[str, str], ...] = ()
    source: str = ""

    def text(self, reference: str) -> str:
        """The solution cell written the other way."""
        return _edited(self.name, reference, self.edits, self.source)


def _edited(name: str, reference: str, edits: tuple[tuple[str, str], ...], source: str) -> str:
    if bool(edits) == bool(source):
        raise ValueError(f"{name}: expected either edits or a whole source")
    text = source or reference
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(
                f"{name}: expected {old!r} once in the solution, got {text.count(old)}"
            )
        text = text.replace(old, new)
    return text
