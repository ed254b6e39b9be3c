"""The figure of docs/benchmarks.md: seconds per submission of every arm, on a logarithmic axis.

Colours are Okabe and Ito's; wall and CPU differ by their marks, too.
"""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from nbproctor.bench.spread import Spread
from nbproctor.bench.summary import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw"]

WIDTH_IN, ROW_IN = 7.6, 0.42
TICKS = (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100)
# Label, colour, mark, fill, and how far from the middle of its row (downwards).
WALL = ("wall, with range", "#0072B2", "o", "#0072B2", -0.12)
CPU = ("CPU, all processes together", "#D55E00", "D", "white", 0.16)


def draw(rows: Sequence[Row], titles: Mapping[str, str], compute_s: float | None) -> bytes:
    """An SVG picture; the same bytes for the same rows."""
    import matplotlib
    from matplotlib.figure import Figure

    settings: dict[Any, Any] = {"font.size": 10, "svg.hashsalt": "nbproctor"}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(WIDTH_IN, 1.6 + ROW_IN * len(rows)), layout="constrained")
        axes = figure.subplots()
        if compute_s is not None:
            _draw_compute(axes, compute_s)
        for n, row in enumerate(rows):
            _draw_spread(axes, n, row.wall, *WALL)
            _draw_spread(axes, n, row.cpu, *CPU)
            _tell(axes, n, row.wall)
        axes.set_yticks(range(len(rows)), [titles[row.arm] for row in rows])
        _furnish(axes, rows)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", facecolor="white", metadata={"Date": None})
    return picture.getvalue()


def _draw_spread(
    axes: "Axes", n: int, spread: Spread, label: str, colour: str, mark: str, fill: str, off: float
) -> None:
    ends, height = [spread.low, spread.high], [n + off] * 2
    axes.plot(ends, height, color=colour, linewidth=2.5, solid_capstyle="butt")
    axes.plot(
        spread.middle, n + off, mark, color=colour, markerfacecolor=fill, markersize=6,
        label=label if n == 0 else None,
    )  # fmt: skip


def _tell(axes: "Axes", n: int, spread: Spread) -> None:
    axes.annotate(
        f"{spread.middle:.2f}", (spread.high, n + WALL[-1]), xytext=(7, 0), va="center",
        textcoords="offset points", color=WALL[1], fontsize=9,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip


def _draw_compute(axes: "Axes", compute_s: float) -> None:
    axes.axvline(
        compute_s, color="#555555", linestyle=":", linewidth=1.5,
        label=f"C = {compute_s:.2f} s: cells and tests alone",
    )  # fmt: skip


def _furnish(axes: "Axes", rows: Sequence[Row]) -> None:
    from matplotlib.ticker import NullLocator

    spreads = [spread for row in rows for spread in (row.wall, row.cpu)]
    low, high = min(s.low for s in spreads) / 1.3, max(s.high for s in spreads) * 1.6
    axes.set_xscale("log")
    axes.set_xlim(low, high)
    shown = [tick for tick in TICKS if low <= tick <= high]
    axes.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.invert_yaxis()
    axes.set_xlabel("seconds per submission (logarithmic)")
    axes.grid(axis="x", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["right", "top"]].set_visible(False)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=3, frameon=False, fontsize=9)
