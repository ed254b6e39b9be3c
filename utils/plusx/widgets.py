"""The explorer: depth, gain, skip and norm against the gradient norms of every layer."""

import base64
import io
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from plusx.plots import COLOURS, STYLE, gradient_axes, gradient_panels
from plusx.probes import gradient_profile

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

LIMITS = (1e-20, 1e20)  # of the axis: fixed, so that curves of two settings compare
SEEDS = 5


class GradientExplorer:
    """Four controls and one live figure; a still figure where widgets cannot run.

    Make it the last expression of a cell. One step takes some 50 ms on one CPU core.
    """

    def __init__(self) -> None:
        with mpl.rc_context(STYLE | {"figure.constrained_layout.use": False}):
            self._figure = Figure(figsize=(7, 3.6), dpi=90)
            FigureCanvasAgg(self._figure)
            self._axis = self._figure.subplots()
            self._axis.set_ylim(LIMITS)
            self._lines = [self._axis.plot([], [], linewidth=1.2)[0] for _ in range(SEEDS)]
            gradient_axes(self._axis, " ")
            self._figure.tight_layout()

    def draw(self, depth: int, gain: float, skip: bool, norm: bool) -> bytes:
        """A PNG of the gradient norms of 5 seeds for one setting."""
        runs = gradient_profile(depth, gain, skip, norm, width=32, batch=16, seeds=SEEDS)
        colour = COLOURS["residual" if skip else "plain"]
        for line, run in zip(self._lines, runs, strict=True):
            line.set(data=(range(depth + 1), run.numpy()), color=colour)
        self._axis.set_xlim(0, depth)
        self._axis.set_title(_summary(runs, skip, norm))
        with io.BytesIO() as stream:
            self._figure.savefig(stream, format="png")
            return stream.getvalue()

    def controls(self) -> Any:
        """The box of ipywidgets: sliders and switches above the figure."""
        wide = {"description_width": "initial"}
        inputs = {
            "depth": ipywidgets.IntSlider(50, 1, 100, description="depth (layers)", style=wide),
            "gain": ipywidgets.FloatSlider(1.0, min=0.1, max=3.0, step=0.05, description="gain"),
            "skip": ipywidgets.Checkbox(False, description="skip connection", style=wide),
            "norm": ipywidgets.Checkbox(False, description="batch norm", style=wide),
        }
        picture = ipywidgets.Image(format="png")

        def update(_change: object = None) -> None:
            picture.value = self.draw(**{name: item.value for name, item in inputs.items()})

        for item in inputs.values():
            item.observe(update, names="value")
        update()
        rows = [ipywidgets.HBox([*inputs.values()][:2]), ipywidgets.HBox([*inputs.values()][2:])]
        return ipywidgets.VBox([*rows, picture])

    def still(self) -> bytes:
        """A PNG of four gains without and with the skip, for readers without a kernel."""
        drawing = gradient_panels()
        plt.close(drawing)  # or the cell would show it a second time
        with io.BytesIO() as stream:
            drawing.savefig(stream, format="png")
            return stream.getvalue()

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """The widget for front ends that have widgets, the still figure for all others."""
        still = base64.b64encode(self.still()).decode()
        bundle = self.controls()._repr_mimebundle_() if ipywidgets is not None else {}
        return bundle | {"text/plain": "gradient norms by layer", "image/png": still}


def _summary(runs: Tensor, skip: bool, norm: bool) -> str:
    exponent = runs[:, 0].log10().median().item()
    parts = ["with skip" if skip else "without skip", "batch norm" if norm else "no norm"]
    return f"{', '.join(parts)}: at the input $10^{{{exponent:.1f}}}$ (median of {SEEDS} seeds)"
