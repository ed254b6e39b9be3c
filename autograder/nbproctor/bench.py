"""How long one correct submission takes: nbgrader's own execution and nbproctor's, in turns."""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

from nbproctor.check import check_notebook
from nbproctor.config import Limits
from nbproctor.errors import GraderError

__all__ = ["run_bench"]


def run_bench(root: Path, name: str, runs: int) -> int:
    """Time the solution notebook of the lesson `name` as a submission, after one warm-up each.

    Both arms leave out cells tagged `demo` and start a cold kernel. nbgrader's runs the tests in
    that kernel; nbproctor's rebuilds the notebook, runs it, and judges outside.
    """
    solution = root / "solutions" / name / f"{name}.ipynb"
    arms: dict[str, Callable[[], None]] = {
        "nbgrader": lambda: _stock(solution),
        "nbproctor": lambda: _judged(root, name, solution),
    }
    seconds: dict[str, list[float]] = {arm: [] for arm in arms}
    for n in range(runs + 1):
        for arm, run in arms.items():
            began = time.monotonic()
            run()
            if n:
                seconds[arm].append(time.monotonic() - began)
    print(f"{name}: seconds per submission, {runs} runs in turns, kernels cold")
    print(f"{'':10} {'minimum':>8} {'median':>8} {'maximum':>8}")
    for arm, took in seconds.items():
        print(f"{arm:10} {min(took):8.2f} {statistics.median(took):8.2f} {max(took):8.2f}")
    ratios = [b / a for a, b in zip(*seconds.values(), strict=True)]
    print(f"ratio nbproctor / nbgrader, pair by pair: median {statistics.median(ratios):.2f}")
    return 0


def _stock(solution: Path) -> None:
    """What nbgrader does with a submission, without its gradebook: every cell in one kernel."""
    import nbformat
    from nbgrader.preprocessors import Execute

    notebook = nbformat.read(solution, 4)
    notebook.cells = [c for c in notebook.cells if "demo" not in c.metadata.get("tags", [])]
    done, _ = Execute(timeout=300).preprocess(
        notebook, {"metadata": {"path": str(solution.parent)}}
    )
    errors = [o for c in done.cells for o in c.get("outputs", []) if o.output_type == "error"]
    if errors:
        raise GraderError("the solution notebook fails in a plain kernel", got=errors[0].evalue)


def _judged(root: Path, name: str, solution: Path) -> None:
    report = check_notebook(root, name, solution, Limits(cell_timeout_s=300))
    if report.score != report.auto_points:
        raise GraderError("the solution notebook does not get full marks", got=report.score)
