"""Stubs: what is left of a solution cell when its solution is taken out."""

import ast
from collections.abc import Iterator

from nbproctor.course.lesson import Cell, Lesson
from nbproctor.errors import LessonError

__all__ = ["check_stubs", "signatures"]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def signatures(code: str) -> dict[str, str]:
    """Every public function, method and class of a cell: qualified name -> its signature."""
    return dict(_signatures(ast.parse(code), ""))


def _signatures(tree: ast.Module | ast.ClassDef, prefix: str) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        if not isinstance(node, Definition) or (node.name.startswith("_") and not prefix):
            continue
        name = f"{prefix}{node.name}"
        if isinstance(node, ast.ClassDef):
            bases = ", ".join(ast.unparse(b) for b in [*node.bases, *node.keywords])
            yield name, f"class {node.name}({bases})"
            yield from _signatures(node, f"{name}.")
        else:
            returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
            yield name, f"def {node.name}({ast.unparse(node.args)}){returns}"


def check_stubs(lesson: Lesson) -> None:
    """Raise LessonError where learners are given other signatures than the solution has.

    A public function or class of a solution must be in the stub; methods may be the learner's own.
    """
    for cell in lesson.cells:
        if cell.is_code and cell.takes_answer:
            _check_stub(cell, f"{lesson.where.name}, cell {cell.index + 1} ({cell.grade_id})")


def _check_stub(cell: Cell, where: str) -> None:
    try:
        stub = signatures(cell.released)
    except SyntaxError as error:
        raise LessonError("a stub is not Python", got=error, where=where) from error
    solution = signatures(cell.full)
    for name in solution.keys() | stub.keys():
        if "." in name and name not in stub:
            continue
        if stub.get(name) != solution.get(name):
            raise LessonError(
                "a stub's signature is not the solution's",
                expected=solution.get(name, f"no {name}"),
                got=stub.get(name, f"no {name}"),
                where=where,
            )
