"""The graded notebook: the rebuilt cells, with verdicts as outputs that nbgrader reads."""

from collections.abc import Mapping, Sequence
from typing import Any

from nbproctor.course.lesson import Lesson, Role
from nbproctor.course.notebook import Planned
from nbproctor.course.records import CellResult, Verdict

__all__ = ["rebuilt_notebook"]


def rebuilt_notebook(
    lesson: Lesson,
    planned: list[Planned],
    results: Mapping[str, CellResult] | None = None,
    outputs: Mapping[int, list[dict[str, Any]]] | None = None,
    review: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, Any]:
    """The rebuilt notebook as JSON data.

    Args:
        results: verdicts by grade_id; None before anything ran.
        outputs: outputs of the cells that ran, by their place in `planned`.
        review: sentences for whoever looks at a cell, by grade_id: they stand below its outputs.
    """
    kept = {k: v for k, v in lesson.metadata.items() if k in ("kernelspec", "language_info")}
    results, outputs, review = results or {}, outputs or {}, review or {}
    cells = [
        _cell_data(
            n,
            item,
            results.get(item.grade_id),
            [*outputs.get(n, []), *_remarks(review.get(item.grade_id, ()))],
        )
        for n, item in enumerate(planned)
    ]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": kept, "cells": cells}


def _cell_data(
    n: int, item: Planned, result: CellResult | None, outputs: list[dict[str, Any]]
) -> dict[str, Any]:
    metadata = {"nbproctor": {"own": True}} if item.cell is None else dict(item.cell.metadata)
    data: dict[str, Any] = {
        "id": f"own-{n}" if item.cell is None else item.cell.id,
        "cell_type": item.cell_type,
        "metadata": metadata,
        "source": item.text,
    }
    if result is not None:
        metadata["nbproctor"] = result.as_dict()
        if item.cell is not None and item.cell.role is Role.TEST:
            outputs = _verdict_outputs(result)
    if item.cell_type == "code":
        data |= {"execution_count": None, "outputs": outputs}
    return data


def _remarks(sentences: Sequence[str]) -> list[dict[str, Any]]:
    text = "".join(f"[nbproctor] {sentence}\n" for sentence in sentences)
    return [{"output_type": "stream", "name": "stderr", "text": text}] if sentences else []


def _verdict_outputs(result: CellResult) -> list[dict[str, Any]]:
    """A verdict as the outputs from which nbgrader takes its scores."""
    if result.verdict is Verdict.PASSED:
        return _told(result)
    if result.verdict is Verdict.PARTIAL:
        data = {"text/plain": repr(result.score)}
        made: dict[str, Any] = {
            "output_type": "execute_result",
            "execution_count": None,
            "metadata": {},
        }
        return [*_told(result), {**made, "data": data}]
    text = f"{result.verdict}: {result.message}" if result.message else str(result.verdict)
    error: dict[str, Any] = {
        "output_type": "error",
        "ename": str(result.verdict),
        "evalue": result.message,
    }
    return [{**error, "traceback": [text]}]


def _told(result: CellResult) -> list[dict[str, Any]]:
    """What the test said of an answer that got points; nbgrader does not count this output."""
    if not result.message:
        return []
    return [{"output_type": "stream", "name": "stdout", "text": f"{result.message}\n"}]
