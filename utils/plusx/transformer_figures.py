"""The figures of lesson 06 that are more than a few lines, and its explorer."""

import io
from typing import Any

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.ticker import NullLocator

from plusx.plots import COLOURS, figure, plot_means
from plusx.reference import load_reference
from plusx.transformer_studies import GRID_BLOCKS, GRID_RATES, GRID_WARMUPS
from plusx.widgets import WIDE, Explorer

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

GUESSING = 10.0  # per cent: ten digits
ROLES = {"post": "plain", "pre": "residual"}
NAMES = {"post": "post-norm", "pre": "pre-norm"}


def wiring_diagram() -> Figure:
    """The post-norm and the pre-norm block, the stream from left to right."""
    drawing, axes = figure(2, height=2.0)
    _draw_block(axes[0], "post-norm: norms stand in the stream", outside=True)
    _draw_block(axes[1], "pre-norm: norms stand in the branches", outside=False)
    return drawing


def _draw_block(axis: Axes, title: str, outside: bool) -> None:
    """Two branches above the stream; norms in the stream (`outside`) or in the branches."""
    axis.plot([0, 10.4], [0, 0], color=COLOURS["residual"], linewidth=3.5, zorder=0)
    axis.annotate("", (10.9, 0), (10.3, 0), arrowprops={"arrowstyle": "->", "linewidth": 2})
    axis.text(-0.15, 0, "x", ha="right", va="center", style="italic", fontsize=13)
    axis.text(11.0, 0, "y", ha="left", va="center", style="italic", fontsize=13)
    for left, name in ((0.4, "attention"), (5.6, "feed-\nforward")):
        end = left + (2.9 if outside else 4.3)
        axis.plot([left, left, end, end], [0, 1.5, 1.5, 0.25], color=COLOURS["plain"], zorder=0)
        if outside:
            _box(axis, left + 1.45, 1.5, name, 1.8)
            _box(axis, left + 4.0, 0, "norm", 1.1, COLOURS["third"])
        else:
            _box(axis, left + 1.1, 1.5, "norm", 1.1, COLOURS["third"])
            _box(axis, left + 2.95, 1.5, name, 1.8)
        axis.add_patch(Circle((end, 0), 0.27, facecolor="white", edgecolor="black", linewidth=1.4))
        axis.text(end, -0.02, "+", ha="center", va="center", fontsize=13)
    axis.set(xlim=(-0.6, 11.5), ylim=(-0.7, 2.3), aspect="equal", title=title)
    axis.set_axis_off()


def _box(axis: Axes, x: float, y: float, name: str, width: float, colour: str = "white") -> None:
    corner = (x - width / 2, y - 0.42)
    axis.add_patch(FancyBboxPatch(corner, width, 0.84, boxstyle="round,pad=0.05", facecolor=colour))
    axis.text(x, y, name, ha="center", va="center", fontsize=9)


def accuracy_axes(axis: Axes, title: str) -> None:
    """Label a panel of accuracies in sorting, from 0 to 100 %, with a line for guessing."""
    axis.axhline(GUESSING, color="gray", linewidth=0.8, linestyle=":")
    axis.set(ylabel="positions right (%)", ylim=(0, 103), title=title)


def show_bars(axis: Axes, bars: dict[str, Any], role: str = "residual") -> None:
    """Horizontal bars: mean and deviation of each entry's runs (seeds,), and every seed."""
    names = list(bars)
    for row, name in enumerate(names):
        runs = bars[name]
        axis.barh(row, runs.mean(), 0.62, color=COLOURS[role], alpha=0.35)
        axis.errorbar(runs.mean(), row, xerr=runs.std(), color=COLOURS[role], capsize=3)
        axis.plot(runs, [row] * len(runs), "o", color=COLOURS[role], markersize=3.5)
    axis.set(yticks=range(len(names)), yticklabels=names)
    axis.invert_yaxis()
    axis.grid(False, axis="y")


class WarmupExplorer(Explorer):
    """Learning rate, warm-up and training time against the accuracy at three depths.

    Shows the shipped study `transformer_grid`: nothing is trained when a control moves.
    """

    about = "positions sorted right, by number of blocks"

    def __init__(self) -> None:
        self._runs = load_reference("transformer_grid")

    def draw(self, lr: float, warmup: int, epoch: int) -> bytes:  # type: ignore[override]
        """A PNG of the accuracies by depth, pre-norm and post-norm, for one setting."""
        drawing, (axis,) = figure(height=3.2)
        plt.close(drawing)
        self._panel(axis, lr, warmup, epoch, f"{_when(lr, warmup)}, after {40 * epoch} steps")
        axis.legend(title="mean ± deviation, 5 seeds", loc="lower left")
        with io.BytesIO() as stream:
            drawing.savefig(stream, format="png")
            return stream.getvalue()

    def inputs(self) -> dict[str, Any]:
        """Lists of learning rates and of warm-ups, and a slider over the training."""
        return {
            "lr": ipywidgets.SelectionSlider(
                options=GRID_RATES, value=2e-3, description="learning rate", style=WIDE
            ),
            "warmup": ipywidgets.Dropdown(
                options=GRID_WARMUPS, value=0, description="warm-up (steps)", style=WIDE
            ),
            "epoch": ipywidgets.IntSlider(5, 0, 5, description="after 40 steps ×", style=WIDE),
        }

    def still_figure(self) -> Figure:
        """One learning rate without and with warm-up, after 200 steps."""
        drawing, axes = figure(2, share_y=True)
        for axis, warmup in zip(axes, GRID_WARMUPS, strict=True):
            self._panel(axis, 2e-3, warmup, 5, _when(2e-3, warmup))
        axes[1].set_ylabel("")
        axes[0].legend(title="mean ± deviation, 5 seeds", loc="lower left")
        return drawing

    def _panel(self, axis: Axes, lr: float, warmup: int, epoch: int, title: str) -> None:
        for wiring, role in ROLES.items():
            records = [self._runs[wiring, blocks, lr, warmup] for blocks in GRID_BLOCKS]
            right = [100 - record.test_error[:, epoch] for record in records]
            plot_means(axis, GRID_BLOCKS, right, NAMES[wiring], role)
        accuracy_axes(axis, title)
        axis.set(xscale="log", xlabel="blocks")
        axis.set_xticks(GRID_BLOCKS, [str(blocks) for blocks in GRID_BLOCKS])
        axis.xaxis.set_minor_locator(NullLocator())


def _when(lr: float, warmup: int) -> str:
    return f"learning rate {lr:g}, {f'warm-up of {warmup} steps' if warmup else 'no warm-up'}"
