"""The explorer of lesson 08: what a step size does to a decay, a rotation, or both."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from plusx.continuous import linear_field, turning
from plusx.continuous_plots import GREY, ROLES, exact_path, stability_regions
from plusx.plots import COLOURS, STYLE
from plusx.solvers import amplification, trajectory
from plusx.widgets import WIDE, Explorer

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

TIME = 6.0
LIMITS = (-4.2, 1.2, -3.2, 3.2)
STILL = (("Euler", 0.3, -1.0, 2.0), ("Euler", 0.6, -1.0, 2.0), ("RK4", 0.6, -1.0, 2.0))


class StepExplorer(Explorer):
    """Method, step size and the eigenvalue of a linear flow, against its first coordinate."""

    about = "steps of a linear flow, and where they are stable"
    alt = (
        "A decaying oscillation and steps along it. Euler with h = 0.3 decays too slowly, with "
        "h = 0.6 its swings grow without end; RK4 with h = 0.6 lies on the flow."
    )

    size = (9.0, 3.4)
    widths = (1, 1.6)

    def paint(  # type: ignore[override]
        self, axes: Sequence[Axes], method: str, h: float, decay: float, rotation: float
    ) -> None:
        """The place of h lambda and the steps, for one setting."""
        _draw_plane(axes[0], method, h, decay, rotation)
        _draw_path(axes[1], method, h, decay, rotation)

    def inputs(self) -> dict[str, Any]:
        """A choice of methods and three sliders."""
        slider = ipywidgets.FloatSlider
        return {
            "method": ipywidgets.SelectionSlider(
                options=list(ROLES), description="method", style=WIDE
            ),
            "h": slider(0.3, min=0.05, max=2.0, step=0.05, description="step size h", style=WIDE),
            "decay": slider(
                -1.0, min=-6.0, max=0.5, step=0.1, description="real part of λ", style=WIDE
            ),
            "rotation": slider(
                2.0, min=0.0, max=6.0, step=0.1, description="imaginary part of λ", style=WIDE
            ),
        }

    def still_figure(self) -> Figure:
        """Three settings: a stable one, one step size too large, and a better method."""
        with mpl.rc_context(STYLE):
            drawing = Figure(figsize=(9, 3.2), dpi=100)
            FigureCanvasAgg(drawing)
            axes: Sequence[Axes] = drawing.subplots(1, 3, sharey=True)
            for axis, setting in zip(axes, STILL, strict=True):
                _draw_path(axis, *setting)
            for axis in axes[1:]:
                axis.set_ylabel("")
            return drawing


def _draw_plane(axis: Axes, method: str, h: float, decay: float, rotation: float) -> None:
    stability_regions(axis, [method], LIMITS, points=61)
    for sign in (1, -1):
        axis.plot(h * decay, sign * h * rotation, "X", color=COLOURS["fourth"], ms=8)
    left, right, low, high = LIMITS
    seen = left <= h * decay <= right and low <= h * rotation <= high
    axis.set_title(f"stable inside, {'X: ' * seen}$h\\lambda${' far outside' * (not seen)}")


def _draw_path(axis: Axes, method: str, h: float, decay: float, rotation: float) -> None:
    """The first coordinate by time: the flow, and the steps taken."""
    matrix, steps = turning(decay, rotation), max(1, round(TIME / h))
    x = torch.tensor([1.0, 0.0], dtype=torch.float64)
    times = torch.linspace(0, steps * h, 300, dtype=torch.float64)
    axis.plot(times, exact_path(matrix, x, times)[:, 0], color=GREY, label="flow")
    found = torch.cat(trajectory(linear_field(matrix), x[None], steps * h, steps, method))
    places = [h * n for n in range(steps + 1)]
    colour = COLOURS[ROLES[method]]
    axis.plot(places, found[:, 0], "o-", color=colour, ms=4, linewidth=1.3, label=method)
    factor = amplification(method, torch.tensor(complex(h * decay, h * rotation))).abs()
    axis.set(xlabel="time", ylabel="first coordinate", ylim=(-2.2, 2.8), xlim=(0, TIME))
    axis.set_title(f"{method}, h = {h:.2f}: × {factor:.2f} a step")
    axis.legend(fontsize=9, loc="upper center", ncols=2)
