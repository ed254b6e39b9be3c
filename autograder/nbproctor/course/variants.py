"""Variants: exercises with parameters, of which every student holds values of their own.

A solution cell names its parameters and their values in its metadata,

    nbproctor={"variants": {"GROUPS": [8, 4, 16]}}

and wherever the lesson says `GROUPS = 8`, in text, stub, solution or test, a student's own value is
put. The first value is the default: it stands in the lesson itself, and whoever learns alone has
it. Parameters of one exercise are drawn together, place by place in their lists.

Which values a student holds follows from a secret of the course and the student's id alone
(HMAC-SHA256), so that grading finds out again what was handed out, and nothing needs to be kept.
"""

import ast
import contextlib
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = [
    "Choice",
    "Scalar",
    "Values",
    "choice_from",
    "defaults",
    "draw",
    "in_text",
    "literal",
    "mismatch",
    "other_values",
    "put_in",
    "put_in_notebook",
]

Scalar = str | int | float | bool
Values = Mapping[str, Scalar]

NAME = re.compile(r"[A-Z][A-Z0-9_]{1,39}")
LITERAL = r'-?\d+(?:\.\d+)?(?:e-?\d+)?|"[^"\\\n]*"|True|False'
# Part of what is drawn from: another way to draw would get another name.
METHOD = "nbproctor variants 1"


@dataclass(frozen=True)
class Choice:
    """The values that an exercise is given out with; the first row is the default."""

    exercise: str
    rows: tuple[Values, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.rows[0])

    def row_with(self, values: Values) -> Values | None:
        """The row that has these values of this exercise's names; None if there is none."""
        wanted = {name: values[name] for name in self.names if name in values}
        return next((row for row in self.rows if {n: row[n] for n in wanted} == wanted), None)


def choice_from(exercise: str, lists: object) -> Choice:
    """What a solution cell's metadata say.

    Raises:
        ValueError: they are no parameters with lists of values; the message says what is expected.
    """
    if not isinstance(lists, dict) or not lists:
        raise ValueError(f'expected variants like {{"GROUPS": [8, 4, 16]}}, got {lists!r}')
    for name, values in lists.items():
        if not NAME.fullmatch(str(name)):
            raise ValueError(f"expected a parameter in capitals, like GROUPS, got {name!r}")
        _check_values(name, values)
    if len({len(values) for values in lists.values()}) > 1:
        lengths = ", ".join(f"{name} {len(values)}" for name, values in lists.items())
        raise ValueError(f"parameters of one exercise need lists of one length, got {lengths}")
    rows = [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]
    if any(row in rows[:n] for n, row in enumerate(rows)):
        raise ValueError("two variants have the same values")
    return Choice(exercise, tuple(rows))


def _check_values(name: str, values: object) -> None:
    if not isinstance(values, list) or len(values) < 2:
        raise ValueError(f"expected at least two values of {name} in a list, got {values!r}")
    for value in values:
        if not isinstance(value, Scalar) or not re.fullmatch(LITERAL, literal(value)):
            expected = 'a number, True or False, or a text in one line without " and \\'
            raise ValueError(f"expected each value of {name} to be {expected}, got {value!r}")
    if len({type(value) for value in values}) > 1:
        raise ValueError(f"expected values of one kind for {name}, got {values!r}")


def literal(value: Scalar) -> str:
    """A value as it stands in a lesson: texts in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def defaults(choices: Iterable[Choice]) -> dict[str, Scalar]:
    """The values that the lesson itself says."""
    return {name: value for choice in choices for name, value in choice.rows[0].items()}


def draw(
    choices: Iterable[Choice], secret: bytes | None, lesson: str, student: str
) -> dict[str, Scalar]:
    """The values that a student holds: those of the lesson itself where there is no secret.

    Args:
        lesson: the notebook's name; with the exercise's it makes the draws independent.
    """
    held: dict[str, Scalar] = {}
    for choice in choices:
        row = 0 if secret is None else _number(secret, lesson, choice.exercise, student)
        held |= choice.rows[row % len(choice.rows)]
    return held


def _number(secret: bytes, *parts: str) -> int:
    message = json.dumps([METHOD, *parts]).encode("ascii")  # no two lists give the same text
    return int.from_bytes(hmac.new(secret, message, hashlib.sha256).digest(), "big")


def _pattern(names: Iterable[str]) -> "re.Pattern[str]":
    return re.compile(rf"(?<![\w.])({'|'.join(names)})(\s*=\s*)({LITERAL})(?!\.?\w)")


def in_text(text: str, names: Sequence[str]) -> list[tuple[str, Scalar]]:
    """What a text says of these parameters, in its order: each `NAME = value`."""
    found = _pattern(names).findall(text) if names else []
    return [(name, _value(value)) for name, _, value in found]


def _value(text: str) -> Scalar:
    """What a LITERAL stands for. A number of thousands of digits is no value, and no error."""
    with contextlib.suppress(ValueError, SyntaxError):
        found: Scalar = ast.literal_eval(text)
        return found
    return text


def put_in(text: str, values: Values) -> str:
    """A text with these values in place of those that it says."""
    if not values:
        return text
    return _pattern(values).sub(lambda m: f"{m[1]}{m[2]}{literal(values[m[1]])}", text)


def put_in_notebook(notebook: Mapping[str, Any], values: Values) -> dict[str, Any]:
    """A notebook (as JSON data) of the lesson with these values."""
    cells = []
    for cell in notebook["cells"]:
        source = cell["source"]
        text = source if isinstance(source, str) else "".join(source)
        cells.append({**cell, "source": put_in(text, values)})
    return {**notebook, "cells": cells}


def other_values(text: str, choices: Iterable[Choice], held: Values) -> dict[str, Scalar]:
    """Values of other students' variants that a text says; what no variant has is left out."""
    known = {name: [row[name] for row in c.rows] for c in choices for name in c.names}
    said = in_text(text, list(known)) if known else []
    return {name: value for name, value in said if value != held[name] and value in known[name]}


def mismatch(choice: Choice, held: Values, others: Values) -> str:
    """In words, that something was made for another variant of an exercise; "" if nothing was."""
    theirs = {name: others[name] for name in choice.names if name in others}
    if not theirs:
        return ""
    ours = {name: held[name] for name in theirs}
    given, found = _said(ours), _said(theirs)
    return f"'{choice.exercise}' was given out with {given}; what was handed in says {found}."


def _said(values: Values) -> str:
    return ", ".join(f"{name} = {literal(value)}" for name, value in values.items())
