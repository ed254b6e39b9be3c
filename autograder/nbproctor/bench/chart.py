"""The figure of docs/benchmarks.md: seconds per submission of every arm, on a logarithmic axis.

Colours are Okabe and Ito's; wall and CPU differ by their marks, too.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from nbproctor.bench.summary import Row

__all__ = ["draw"]

WALL, CPU = "#0072B2", "#D55E00"
WIDTH_IN, ROW_IN = 7.6, 0.42


def draw(rows: Sequence[Row], titles: Mapping[str, str], compute_s: float | None) -> bytes:
    """An SVG picture; the same bytes for the same rows."""
    import matplotlib
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {
        "font.size": 10,
        "svg.hashsalt": "nbproctor",
        "svg.fonttype": "path",
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(WIDTH_IN, 1.6 + ROW_IN * len(rows)), layout="constrained")
        axes = figure.subplots()
        for n, row in enumerate(rows):
            for spread, shift, colour, mark in (
                (row.wall, -0.12, WALL, "o"),
                (row.cpu, 0.16, CPU, "D"),
            ):
                line = [spread.low, spread.high]
                axes.plot(line, [n + shift] * 2, color=colour, linewidth=2, solid_capstyle="butt")
                label = {"o": "wall", "D": "CPU, all processes"}[mark] if n == 0 else None
                fill = colour if mark == "o" else "white"
                axes.plot(
                    spread.middle, n + shift, mark, color=colour, markerfacecolor=fill,
                    markersize=6, label=label,
                )  # fmt: skip
            axes.annotate(
                f"{row.wall.middle:.2f}", (row.wall.high, n - 0.12), xytext=(7, 0),
                textcoords="offset points", va="center", color=WALL, fontsize=9,
            )  # fmt: skip
        if compute_s is not None:
            axes.axvline(compute_s, color="#777777", linestyle=":", linewidth=1.5)
            axes.annotate(
                f"C = {compute_s:.2f} s", (compute_s, 0.0), xycoords=("data", "axes fraction"),
                xytext=(4, 4), textcoords="offset points", color="#555555", fontsize=9,
            )  # fmt: skip
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_yticks(range(len(rows)), [titles[row.arm] for row in rows])
        axes.invert_yaxis()
        axes.set_xlabel("seconds per submission (logarithmic)")
        axes.grid(axis="x", which="both", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.spines[["right", "top"]].set_visible(False)
        axes.legend(loc="lower right", frameon=True, fontsize=9)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", facecolor="white", metadata={"Date": None})
    return picture.getvalue()
