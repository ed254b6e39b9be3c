"""The explorer of lesson 04: signals and gradients by depth, predicted and measured."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from torch import Tensor

from plusx.plots import COLOURS, figure, plot_runs, whole_numbers
from plusx.propagation import gradient_by_depth, propagate, signal_by_depth
from plusx.widgets import WIDE, Explorer

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

SEEDS = 5
LIMITS = (1e-6, 1e12)  # of both axes: fixed, so that two settings compare


class PropagationExplorer(Explorer):
    """Depth, the factors of skip and branch, norm and order against signals and gradients.

    The dotted line is the closed form (of pre-activation layers).
    """

    about = "signals and gradients by depth"
    alt = (
        "Two panels over 50 layers with skip and norm: the mean square of the state grows from "
        "1 to about 50, the squared gradient grows from 1 at the output to about 50 at the "
        "input; measured and closed form agree."
    )

    size = (8.0, 3.0)
    widths = (1, 1)

    def paint(  # type: ignore[override]
        self,
        axes: Sequence[Axes],
        depth: int,
        skip: float,
        branch: float,
        norm: bool,
        order: str,
    ) -> None:
        """Both, five seeds, for one setting."""
        draw_propagation(axes, depth, skip, branch, norm, order, width=32)
        for axis in axes:
            axis.set_ylim(LIMITS)
            axis.yaxis.set_major_locator(LogLocator(numticks=8))
            axis.yaxis.set_minor_locator(NullLocator())

    def inputs(self) -> dict[str, Any]:
        """Sliders for depth and both factors, a switch for the norm, a choice of the order."""
        slider = ipywidgets.FloatSlider
        return {
            "depth": ipywidgets.IntSlider(50, 2, 100, description="layers", style=WIDE),
            "skip": slider(1.0, min=0.5, max=1.1, step=0.05, description="skip ×", style=WIDE),
            "branch": slider(1.0, min=0.0, max=2.0, step=0.05, description="branch ×", style=WIDE),
            "norm": ipywidgets.Checkbox(True, description="norm in the branch", style=WIDE),
            "order": ipywidgets.SelectionSlider(
                options={"pre-activation": "pre", "ReLU after sum": "post"},
                description="order",
                style=WIDE,
            ),
        }

    def still_figure(self) -> Figure:
        """Pre-activation layers with a norm: signal and gradient both change by L + 1."""
        drawing, axes = figure(2, height=3.3)
        draw_propagation(axes, 50, 1.0, 1.0, True, "pre")
        return drawing


def draw_propagation(
    axes: Any, depth: int, skip: float, branch: float, norm: bool, order: str, width: int = 48
) -> None:
    """Mean squares of the states on the left axis, squared gradients on the right one."""
    measured = propagate(depth, skip, branch, norm, order, width, batch=16, seeds=SEEDS)
    predicted = [f(depth, skip, branch, norm) for f in (signal_by_depth, gradient_by_depth)]
    names = ("mean square of the state", "squared gradient (output: 1)")
    for axis, runs, line, name in zip(axes, measured, predicted, names, strict=True):
        _draw_one(axis, runs, line if order == "pre" else None, name)
    axes[0].legend(title=f"median and range, {SEEDS} seeds", fontsize=8, title_fontsize=8)


def _draw_one(axis: Axes, runs: Tensor, line: list[float] | None, name: str) -> None:
    layers = range(runs.shape[1])
    plot_runs(axis, layers, runs, "measured", "residual")
    if line is not None:
        axis.plot(layers, line, ":", color=COLOURS["fourth"], label="closed form")
    axis.axhline(1, color="gray", linewidth=0.8)
    axis.set(yscale="log", xlabel="layer (0 = input)", ylabel=name)
    whole_numbers(axis)
