"""The explorer of lesson 05: which path lengths carry a gradient, if a branch scales it by a."""

from collections.abc import Sequence
from math import exp, lgamma, log
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from plusx.path_plots import GREY, plot_masses
from plusx.paths import effective_length, shortest_range
from plusx.plots import COLOURS, STYLE, whole_numbers
from plusx.widgets import WIDE, Explorer

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

DIRECTIONS = {"the same": 1.0, "random": 0.5}  # the power of the number of paths


def length_masses(blocks: int, factor: float, power: float) -> Tensor:
    """What paths of each length carry: count^power * factor^length, summing to 1; (blocks + 1,)

    A branch scales every gradient by `factor`. N gradients of one direction add up to N times
    one (power 1), N of random directions to sqrt(N) times one (power 1/2). With power 1 the
    masses are a binomial distribution, of mean blocks * factor / (1 + factor).
    """
    logs = [power * _log_count(blocks, k) + k * log(factor) for k in range(blocks + 1)]
    masses = torch.tensor([exp(value - max(logs)) for value in logs], dtype=torch.float64)
    return masses / masses.sum()


def _log_count(n: int, k: int) -> float:
    """The logarithm of n over k"""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


class PathExplorer(Explorer):
    """Number of blocks, what a branch does to a gradient, and how paths add up.

    Nothing is trained: all is computed from binomial coefficients.
    """

    about = "which path lengths carry the gradient"
    alt = (
        "Shares by path length for 54 blocks, each of which multiplies a gradient by 0.25. The "
        "number of paths peaks at 27 blocks; the gradient at about 11 if all paths point the "
        "same way, at about 4 if they point in random directions."
    )

    size = (7.0, 3.2)

    def paint(  # type: ignore[override]
        self, axes: Sequence[Axes], blocks: int, factor: float, directions: str
    ) -> None:
        """The shares by length for one setting."""
        _panel(axes[0], blocks, factor, directions)
        axes[0].legend(fontsize=9, loc="upper right")

    def inputs(self) -> dict[str, Any]:
        """Two sliders and a choice."""
        return {
            "blocks": ipywidgets.IntSlider(54, 1, 110, description="blocks", style=WIDE),
            "factor": ipywidgets.FloatSlider(
                0.25, min=0.05, max=2.0, step=0.05, description="factor a of a branch", style=WIDE
            ),
            "directions": ipywidgets.SelectionSlider(
                options=list(DIRECTIONS), description="directions of the paths", style=WIDE
            ),
        }

    def still_figure(self) -> Figure:
        """Two factors, each with paths of one direction and of random ones."""
        with mpl.rc_context(STYLE):
            drawing = Figure(figsize=(9, 3.2), dpi=100)
            FigureCanvasAgg(drawing)
            axes: Sequence[Axes] = drawing.subplots(1, 2, sharey=True)
            for axis, directions in zip(axes, DIRECTIONS, strict=True):
                _panel(axis, 54, 0.25, directions)
                axis.legend(fontsize=9, loc="upper right")
            axes[1].set_ylabel("")
            return drawing


def _panel(axis: Axes, blocks: int, factor: float, directions: str) -> None:
    """Shares of the paths, and of what they carry, by length."""
    carried = length_masses(blocks, factor, DIRECTIONS[directions])
    low, high = shortest_range(carried)
    role = "third" if directions == "the same" else "residual"
    lengths = range(blocks + 1)
    plot_masses(axis, lengths, length_masses(blocks, 1.0, 1.0)[None], "number of paths", GREY)
    label = f"gradient: mean {effective_length(carried):.1f}, 95 % in {low} to {high}"
    plot_masses(axis, lengths, carried[None], label, COLOURS[role])
    axis.set(xlabel="path length (blocks)", ylabel="share", xlim=(0, max(blocks, 2)))
    axis.set_ylim(0, 1.3 * max(0.15, carried.max().item()))
    whole_numbers(axis)
    axis.set_title(f"{blocks} block{'s' * (blocks > 1)}, a = {factor:g}, directions: {directions}")
