"""What is asked of a lesson's source where its exercises have variants."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from nbproctor.course.variants import Choice, choice_from, defaults, in_text, literal

__all__ = ["variant_problems"]

HIDDEN = "### BEGIN HIDDEN TESTS"
SOLUTION = re.compile(r"### BEGIN SOLUTION.*?### END SOLUTION", re.DOTALL)


class SourceCell(Protocol):
    """Of a cell of a source, what is looked at here."""

    @property
    def text(self) -> str: ...

    @property
    def cell_type(self) -> str: ...

    @property
    def grade_id(self) -> str: ...

    @property
    def is_answer(self) -> bool: ...

    @property
    def is_test(self) -> bool: ...

    @property
    def metadata(self) -> dict[str, Any]: ...

    def at(self) -> str: ...


def variant_problems(cells: Sequence[SourceCell]) -> list[str]:
    """What is wrong with a lesson's variants, in words."""
    choices, problems = list[Choice](), list[str]()
    for cell in cells:
        options = cell.metadata.get("nbproctor")
        if not isinstance(options, dict) or "variants" not in options:
            continue
        try:
            choices.append(choice_from(cell.grade_id, options["variants"]))
        except ValueError as error:
            problems.append(f"{cell.at()}: {error}")
    names = [name for choice in choices for name in choice.names]
    problems += [f"the parameter {n} stands twice" for n in {*names} if names.count(n) > 1]
    for cell in cells:
        problems += [f"{cell.at()}: {problem}" for problem in _said_otherwise(cell.text, choices)]
    for choice in choices:
        problems += [f"{choice.exercise}: {problem}" for problem in _not_said(choice, cells)]
    return problems


def _said_otherwise(text: str, choices: Sequence[Choice]) -> list[str]:
    """The lesson itself is the default variant."""
    wanted = defaults(choices)
    return [
        f"expected {name} = {literal(wanted[name])}, the first of its values, got {literal(value)}"
        for name, value in in_text(text, list(wanted))
        if value != wanted[name]
    ]


def _not_said(choice: Choice, cells: Sequence[SourceCell]) -> list[str]:
    """A learner has to read each parameter, and the visible check has to say what it checks."""
    tests = [c for c in cells if c.is_test and c.grade_id.startswith(f"test_{choice.exercise}")]
    shown = [c.text for c in cells if c.cell_type == "markdown" or c.grade_id == choice.exercise]
    shown = [SOLUTION.sub("", text) for text in shown]
    visible = [c.text.partition(HIDDEN)[0] for c in tests]
    problems = []
    for name in choice.names:
        said = f"{name} = {literal(choice.rows[0][name])}"
        if not any(in_text(text, [name]) for text in shown):
            problems.append(f"expected the text or the stub to say `{said}`")
        if not any(in_text(text, [name]) for text in visible):
            problems.append(f"expected the visible part of its test to say `{said}`")
    return problems
