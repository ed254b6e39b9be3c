"""Explorers: controls above a figure that is drawn anew at every change."""

import base64
import io
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from plusx.costs import Conv, block_layers
from plusx.plots import COLOURS, STYLE, draw_block, gradient_axes, gradient_panels, layer_name
from plusx.probes import gradient_profile

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

LIMITS = (1e-20, 1e20)  # of the axis: fixed, so that curves of two settings compare
SEEDS = 5


class Explorer:
    """A box of controls and a live figure; a still figure where widgets cannot run.

    A subclass says what its controls are and draws a PNG for their values. Make it the last
    expression of a cell.
    """

    summary = "an explorer"

    def inputs(self) -> dict[str, Any]:
        """The controls (ipywidgets) by the name of the argument of `draw` that each sets."""
        raise NotImplementedError

    def draw(self, **settings: Any) -> bytes:
        """A PNG for one setting of the controls."""
        raise NotImplementedError

    def still(self) -> bytes:
        """A PNG for readers without a kernel."""
        raise NotImplementedError

    def controls(self) -> Any:
        """The controls, two in a row, above the figure that follows them."""
        inputs, picture = self.inputs(), ipywidgets.Image(format="png")

        def update(_change: object = None) -> None:
            picture.value = self.draw(**{name: item.value for name, item in inputs.items()})

        for item in inputs.values():
            item.observe(update, names="value")
        update()
        items = [*inputs.values()]
        rows = [ipywidgets.HBox(items[n : n + 2]) for n in range(0, len(items), 2)]
        return ipywidgets.VBox([*rows, picture])

    def _repr_mimebundle_(self, **_: object) -> dict[str, Any]:
        """The widget for front ends that have widgets, the still figure for all others."""
        still = base64.b64encode(self.still()).decode()
        bundle = self.controls()._repr_mimebundle_() if ipywidgets is not None else {}
        return bundle | {"text/plain": self.summary, "image/png": still}


class GradientExplorer(Explorer):
    """Depth, gain, skip and norm against the gradient norms of every layer.

    One step takes some 50 ms on one CPU core.
    """

    summary = "gradient norms by layer"

    def __init__(self) -> None:
        with mpl.rc_context(STYLE | {"figure.constrained_layout.use": False}):
            self._figure = Figure(figsize=(7, 3.6), dpi=90)
            FigureCanvasAgg(self._figure)
            self._axis = self._figure.subplots()
            self._axis.set_ylim(LIMITS)
            self._lines = [self._axis.plot([], [], linewidth=1.2)[0] for _ in range(SEEDS)]
            gradient_axes(self._axis, " ")
            self._figure.tight_layout()

    def inputs(self) -> dict[str, Any]:
        wide = {"description_width": "initial"}
        return {
            "depth": ipywidgets.IntSlider(50, 1, 100, description="depth (layers)", style=wide),
            "gain": ipywidgets.FloatSlider(1.0, min=0.1, max=3.0, step=0.05, description="gain"),
            "skip": ipywidgets.Checkbox(False, description="skip connection", style=wide),
            "norm": ipywidgets.Checkbox(False, description="batch norm", style=wide),
        }

    def draw(self, depth: int, gain: float, skip: bool, norm: bool) -> bytes:  # type: ignore[override]
        """A PNG of the gradient norms of 5 seeds for one setting."""
        runs = gradient_profile(depth, gain, skip, norm, width=32, batch=16, seeds=SEEDS)
        colour = COLOURS["residual" if skip else "plain"]
        for line, run in zip(self._lines, runs, strict=True):
            line.set(data=(range(depth + 1), run.numpy()), color=colour)
        self._axis.set_xlim(0, depth)
        self._axis.set_title(_summary(runs, skip, norm))
        return _png(self._figure)

    def still(self) -> bytes:
        """A PNG of four gains without and with the skip, for readers without a kernel."""
        drawing = gradient_panels()
        plt.close(drawing)  # or the cell would show it a second time
        return _png(drawing)


def _png(drawing: Figure) -> bytes:
    with io.BytesIO() as stream:
        drawing.savefig(stream, format="png")
        return stream.getvalue()


def _summary(runs: Tensor, skip: bool, norm: bool) -> str:
    exponent = runs[:, 0].log10().median().item()
    parts = ["with skip" if skip else "without skip", "batch norm" if norm else "no norm"]
    return f"{', '.join(parts)}: at the input $10^{{{exponent:.1f}}}$ (median of {SEEDS} seeds)"


RATIOS = {"1/8": 1 / 8, "1/4": 1 / 4, "1/2": 1 / 2, "1": 1, "2": 2, "4": 4, "6": 6}
GROUPINGS = ("1 (dense)", "4", "32", "depthwise")


class BlockExplorer(Explorer):
    """Channels, inner width, kernel and groups of a block against what each layer costs.

    Nothing is timed: all numbers are counted, for one image. One step takes some 100 ms.
    """

    summary = "what the three layers of a block cost"

    def inputs(self) -> dict[str, Any]:
        wide = {"description_width": "initial"}

        def choice(options: Any, value: object, name: str) -> Any:
            return ipywidgets.Dropdown(options=options, value=value, description=name, style=wide)

        return {
            "channels": choice([64, 128, 256, 512], 256, "channels in and out"),
            "ratio": choice(RATIOS, 1 / 4, "inner width / channels"),
            "kernel": choice([1, 3, 5, 7], 3, "kernel"),
            "grouping": choice(GROUPINGS, GROUPINGS[0], "groups"),
            "size": choice([7, 14, 28, 56], 14, "image (pixels)"),
            "batch": choice([1, 8, 64], 1, "batch"),
        }

    def draw(  # type: ignore[override]
        self, channels: int, ratio: float, kernel: int, grouping: str, size: int, batch: int
    ) -> bytes:
        """A PNG of the block's shape and of the cost of its layers."""
        layers = explored_block(channels, ratio, kernel, grouping)
        with mpl.rc_context(STYLE):
            drawing = Figure(figsize=(8, 3.2), dpi=90)
            FigureCanvasAgg(drawing)
            left, right = drawing.subplots(1, 2, width_ratios=(1, 2))
            draw_block(left, layers, max(channels, int(ratio * channels)))
            _draw_shares(right, layers, size, batch)
            return _png(drawing)

    def still(self) -> bytes:
        """A PNG of ResNet's bottleneck at 256 channels."""
        return self.draw(256, 1 / 4, 3, GROUPINGS[0], 14, 1)


def explored_block(channels: int, ratio: float, kernel: int, grouping: str) -> tuple[Conv, ...]:
    """The block that the explorer's controls describe; groups never exceed the width."""
    width = int(channels * ratio)
    groups = width if grouping == "depthwise" else min(width, int(grouping.split()[0]))
    return block_layers(channels, width, kernel, groups)


def _draw_shares(axis: Any, layers: tuple[Conv, ...], size: int, batch: int) -> None:
    """Each layer's part of the block's multiply-adds, and of the numbers it moves."""
    operations = [batch * layer.multiply_adds(size) for layer in layers]
    moved = [layer.numbers_moved(size, batch) for layer in layers]
    for shift, role, name, counts in (
        (-0.19, "residual", "multiply-adds", operations),
        (0.19, "third", "numbers moved", moved),
    ):
        shares = [100 * count / sum(counts) for count in counts]
        rows = [row + shift for row in range(len(layers))]
        axis.barh(rows, shares, 0.36, color=COLOURS[role], label=f"{name}: {_short(sum(counts))}")
    names = [layer_name(layer) for layer in layers]
    axis.set(yticks=range(len(layers)), yticklabels=names, xlim=(0, 100))
    axis.invert_yaxis()
    axis.grid(False, axis="y")
    axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.2), ncols=2, fontsize=9)
    weights, ratio = sum(layer.weights for layer in layers), sum(operations) / sum(moved)
    axis.set_xlabel(
        f"share of the block (per cent)\n"
        f"{weights:,} weights, {ratio:.1f} multiply-adds per number moved"
    )


def _short(count: int) -> str:
    """A count in three digits: 13.6 M, 1.2 G."""
    for factor, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:.3g} {letter}"
    return str(count)
