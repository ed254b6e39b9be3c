"""Library functions that do an exercise, found by a look at the submitted source.

A lesson says which names an answer has no need of, in the metadata of the solution cell:

    nbproctor={"forbidden": ["torchvision.BasicBlock"]}

means: anything called BasicBlock that is reached through the package torchvision, by whatever path.
What is found is a note for a person, never a verdict: the look sees imports, attributes, getattr,
importlib and plain text in strings, but not a name that the program puts together while it runs;
and an honest answer may mention a name that it does not use.
"""

import ast
import contextlib
import json
import re
import resource
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nbproctor.course.lesson import Cell
from nbproctor.course.notebook import Planned
from nbproctor.text import plain_text

__all__ = ["forbidden_notes", "forbidden_of", "uses_of"]

IMPORTERS = ("import_module", "__import__", "find_spec")
LONGEST_PATH = 30
MOST_USES, LONGEST_USE = 5, 200  # said of one exercise; characters
PATIENCE_S = 10.0
MEMORY_BYTES = 1 << 30
Path = tuple[str, ...]


def forbidden_notes(planned: Sequence[Planned]) -> dict[str, tuple[str, ...]]:
    """For each exercise, sentences on the forbidden names that its answer uses.

    The learner's own cells count for every exercise, since an answer may be prepared in them.
    """
    own = [item.text for item in planned if item.cell is None and item.cell_type == "code"]
    context = [item.text for item in planned if item.cell_type == "code"]
    asked = {}
    for item in planned:
        if item.cell is not None and item.runs and (names := forbidden_of(item.cell)):
            asked[item.grade_id] = Question(names, [item.text, *own], context)
    found = _answers_of_a_child(list(asked.values())) if asked else []
    return {
        grade_id: tuple(_notes(grade_id, uses))
        for grade_id, uses in zip(asked, found, strict=True)
        if uses
    }


def _notes(grade_id: str, uses: Sequence[str]) -> Iterator[str]:
    """A person looks at the first few: whoever mentions thousands wants the report to be long."""
    for use in uses[:MOST_USES]:
        words = plain_text(use)[:LONGEST_USE]
        yield f"To be looked at: the answer to '{grade_id}' mentions {words}."
    if (more := len(uses) - MOST_USES) > 0:
        yield f"To be looked at: the answer to '{grade_id}' mentions {more} more of the kind."


class Question(NamedTuple):
    """Arguments of `uses_of`."""

    names: list[str]
    texts: list[str]
    context: list[str]


def _answers_of_a_child(questions: list[Question]) -> list[list[str]]:
    """`uses_of` in a process of its own: Python's parser may crash on what was made for that."""
    command = [sys.executable, "-I", "-m", "nbproctor.course.forbidden"]
    try:
        done = subprocess.run(
            command, input=json.dumps(questions), capture_output=True, text=True, timeout=PATIENCE_S
        )
        answers: list[list[str]] = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError):
        words = [_in_words("\n".join(q.texts), q.names) for q in questions]
        return [[".".join(path) for path in found] for found in words]
    return answers


def main() -> None:
    """Answer questions on stdin, within limits."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    questions = [Question(*told) for told in json.load(sys.stdin)]
    print(json.dumps([uses_of(*question) for question in questions]))


def forbidden_of(cell: Cell) -> list[str]:
    """The names that the lesson forbids in a solution cell: `package.name`."""
    names: list[str] = cell.metadata.get("nbproctor", {}).get("forbidden", [])
    return names


def uses_of(names: Sequence[str], texts: Sequence[str], context: Sequence[str] = ()) -> list[str]:
    """Uses of forbidden names in some sources, as they stand there, without repetition.

    Args:
        context: more sources, whose imports hold in `texts` too.
    """
    aliases: dict[str, Path] = {}
    for text in (*context, *texts):
        with contextlib.suppress(RecursionError):
            _learn_aliases(_parsed(text), aliases)
    found: list[str] = []
    for text in texts:
        try:
            paths = list(_mentioned(_parsed(text), aliases))
        except _UnreadableError:
            paths = list(_in_words(text, names))
        found += [".".join(path) for path in paths if any(_is(path, name) for name in names)]
    return list(dict.fromkeys(found))


class _UnreadableError(Exception):
    """The source is not Python, or nested too deeply to be looked at."""


def _is(path: Path, name: str) -> bool:
    package, _, last = name.rpartition(".")
    return path[0] == package and ("*" in path or last in path[1:])


def _parsed(text: str) -> ast.Module | None:
    """The syntax tree, without IPython's magics; None if it is not Python."""
    lines = ["" if line.lstrip().startswith(("%", "!")) else line for line in text.splitlines()]
    try:
        return ast.parse("\n".join(lines))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _learn_aliases(tree: ast.Module | None, aliases: dict[str, Path]) -> None:
    """What names stand for: imports, and plain assignments of what was imported."""
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            for item in node.names:
                whole = tuple(item.name.split("."))
                aliases[item.asname or whole[0]] = whole if item.asname else whole[:1]
        elif isinstance(node, ast.ImportFrom) and node.module:
            for item in node.names:
                aliases[item.asname or item.name] = (*node.module.split("."), item.name)
        elif isinstance(node, ast.Assign) and (path := _path(node.value, aliases)):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    aliases[target.id] = path


def _mentioned(tree: ast.Module | None, aliases: dict[str, Path]) -> Iterator[Path]:
    """Every path of names, from a package on, that a source mentions."""
    if tree is None:
        raise _UnreadableError
    try:
        yield from _paths_below(tree, aliases)
    except RecursionError:
        raise _UnreadableError from None


def _paths_below(tree: ast.Module, aliases: dict[str, Path]) -> Iterator[Path]:
    remarks = {id(n.value) for n in ast.walk(tree) if isinstance(n, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (tuple(item.name.split(".")) for item in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((*node.module.split("."), item.name) for item in node.names)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            if id(node) not in remarks:  # a docstring only talks
                yield from _paths_in(node.value)
        elif isinstance(node, ast.expr) and (path := _path(node, aliases)):
            yield path


def _paths_in(text: str) -> Iterator[Path]:
    """What looks like a path of names in a string: it may be meant for eval or exec."""
    for word in re.findall(r"[A-Za-z_]\w*(?:\.\w+)+", text):
        yield tuple(word.split("."))


def _path(node: ast.expr, aliases: dict[str, Path]) -> Path:
    """The path of names that an expression is, as far as can be seen; () if it is none."""
    if isinstance(node, ast.Name):
        return aliases.get(node.id, ())
    if isinstance(node, ast.Attribute):
        return _longer(_path(node.value, aliases), node.attr)
    if isinstance(node, ast.Subscript):
        key, base = _text(node.slice), _path(node.value, aliases)
        return tuple(key.split(".")) if base == ("sys", "modules") else _longer(base, key)
    if isinstance(node, ast.Call) and node.args:
        return _path_of_call(node, aliases)
    return ()


def _path_of_call(call: ast.Call, aliases: dict[str, Path]) -> Path:
    function, first = call.func, call.args[0]
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    if name in IMPORTERS and _text(first):
        return tuple(_text(first).split("."))
    if name == "getattr" and len(call.args) > 1:
        return _longer(_path(first, aliases), _text(call.args[1]))
    return _path(first, aliases) if name == "vars" else ()


def _longer(path: Path, name: str) -> Path:
    if not path or not name or len(path) > LONGEST_PATH:
        return ()
    return path if name == "__dict__" else (*path, name)


def _text(node: ast.expr) -> str:
    is_text = isinstance(node, ast.Constant) and isinstance(node.value, str)
    return str(node.value) if is_text else ""  # type: ignore[attr-defined]


def _in_words(text: str, names: Sequence[str]) -> Iterator[Path]:
    """Where the source is not Python: names of which both parts occur as words."""
    for name in names:
        package, _, last = name.rpartition(".")
        if all(re.search(rf"\b{word}\b", text) for word in (package, last)):
            yield (package, last)


if __name__ == "__main__":
    main()
