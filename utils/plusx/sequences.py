"""Tasks on sequences of tokens: sorting digits, and predicting the next character of a text."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from plusx.errors import ArgumentError

HELD_OUT = 512  # sequences of a test


class Task(Protocol):
    """Tokens and targets, both (N, T), integers below `vocabulary`; T is at most `length`."""

    @property
    def vocabulary(self) -> int: ...

    @property
    def length(self) -> int: ...

    def batch(self, size: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """`size` sequences to train on."""
        ...

    def test(self) -> tuple[Tensor, Tensor]:
        """Always the same sequences, which training does not draw on purpose."""
        ...


@dataclass(frozen=True)
class Sorting:
    """Put `length` digits in order: each position has to name the digit that belongs there.

    There are vocabulary ** length inputs, so a network hardly meets one twice.
    """

    vocabulary: int = 10
    length: int = 8

    def batch(self, size: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Digits (size, length), and the same digits in order."""
        tokens = torch.randint(self.vocabulary, (size, self.length), generator=draw)
        return tokens, tokens.sort(dim=1).values

    def test(self) -> tuple[Tensor, Tensor]:
        """512 sequences from a seed of their own."""
        return self.batch(HELD_OUT, torch.Generator().manual_seed(12345))


@dataclass(frozen=True)
class NextCharacter:
    """Say for each character of a window of text which one follows; the last tenth is the test."""

    text: str
    length: int = 32

    def __post_init__(self) -> None:
        if len(self.text) < 20 * (self.length + 1):
            raise ArgumentError(
                "the text is too short",
                expected=f"{20 * (self.length + 1)} characters",
                got=len(self.text),
                where="NextCharacter",
            )

    @cached_property
    def characters(self) -> str:
        """All characters that occur, in order: token n stands for the n-th."""
        return "".join(sorted(set(self.text)))

    @property
    def vocabulary(self) -> int:
        """How many characters there are."""
        return len(self.characters)

    def encode(self, text: str) -> Tensor:
        """(len(text),) tokens. Raises `ArgumentError` for a character that does not occur."""
        if missing := set(text) - set(self.characters):
            got = "".join(sorted(missing))
            raise ArgumentError(
                "unknown characters", expected=self.characters, got=got, where="encode"
            )
        return torch.tensor([self.characters.index(c) for c in text], dtype=torch.int64)

    def decode(self, tokens: Tensor) -> str:
        """The text of tokens (T,)."""
        return "".join(self.characters[token] for token in tokens.tolist())

    def batch(self, size: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Windows (size, length) of the first nine tenths, and what follows each character."""
        train = self._halves[0]
        starts = torch.randint(len(train) - self.length, (size,), generator=draw)
        windows = train[starts[:, None] + torch.arange(self.length + 1)]  # (size, length + 1)
        return windows[:, :-1], windows[:, 1:]

    def test(self) -> tuple[Tensor, Tensor]:
        """All windows of the last tenth that do not overlap."""
        test = self._halves[1]
        count = (len(test) - 1) // self.length
        inputs, targets = test[:-1], test[1:]
        shape = count, self.length
        return tuple(half[: count * self.length].view(shape) for half in (inputs, targets))  # type: ignore[return-value]

    @cached_property
    def _halves(self) -> tuple[Tensor, Tensor]:
        tokens = self.encode(self.text)
        cut = len(tokens) * 9 // 10
        return tokens[:cut], tokens[cut:]


def load_text() -> str:
    """A short tale that was written for this course, some thousands of characters."""
    return (Path(__file__).parent / "tale.txt").read_text(encoding="utf-8")
