"""The explorer of lesson 07: what a dense block reads, holds and keeps, as its settings change."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plusx.dense import FACTOR, kept_channels
from plusx.plots import COLOURS, DASHES, figure, whole_numbers
from plusx.widgets import WIDE, Explorer

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

KIB_PER_PIXEL = 4 / 1024  # of one channel, in float32


class DenseExplorer(Explorer):
    """Layers, growth, input channels and image size against channels, weights and memory.

    Nothing is run: all numbers are counted.
    """

    about = "channels, weights and memory of a dense block"
    alt = (
        "The third dense block of DenseNet-121, layer by layer: the channels that a layer reads "
        "rise from 256 to 992, its weights from 70 to 165 thousand. Memory kept for the backward "
        "pass: a curve that bends up to 27 MiB for one image, and with recomputing a line to 5 MiB."
    )

    size = (9.0, 3.1)
    widths = (1, 1, 1)

    def paint(  # type: ignore[override]
        self, axes: Sequence[Axes], layers: int, growth: int, first: int, side: int
    ) -> None:
        """Channels, weights and memory for one setting."""
        _draw_block(axes, layers, growth, first, side)

    def inputs(self) -> dict[str, Any]:
        """Two sliders over numbers, two over lists."""
        slider, choice = ipywidgets.IntSlider, ipywidgets.SelectionSlider
        return {
            "layers": slider(24, 1, 64, description="layers", style=WIDE),
            "growth": slider(32, 1, 64, description="growth", style=WIDE),
            "first": choice(
                options=[16, 64, 128, 256, 512], value=256, description="channels of x", style=WIDE
            ),
            "side": choice(
                options=[7, 14, 28, 56], value=14, description="image (pixels)", style=WIDE
            ),
        }

    def still_figure(self) -> Figure:
        """The third dense block of DenseNet-121."""
        drawing, axes = figure(3, height=3.1)
        _draw_block(axes, 24, 32, 256, 14)
        return drawing


def layer_weights(first: int, growth: int, layer: int) -> int:
    """Weights of the convolutions of layer 0, 1, 2 ... of a dense block."""
    inner = FACTOR * growth
    return (first + layer * growth) * inner + 9 * inner * growth


def _draw_block(axes: Sequence[Axes], layers: int, growth: int, first: int, side: int) -> None:
    edges = [n + 0.5 for n in range(layers + 1)]  # layer n stands from n - 1/2 to n + 1/2
    read = [first + n * growth for n in range(layers)]
    axes[0].stairs([first] * layers, edges, fill=True, color=COLOURS["residual"], label="from x")
    axes[0].stairs(
        read, edges, baseline=first, fill=True, color=COLOURS["third"], label="from layers before"
    )
    top = 1.3 * read[-1]  # the legend stands above what is drawn
    axes[0].set(xlabel="layer", ylabel="channels that it reads", ylim=(0, top))
    weights = [layer_weights(first, growth, n) / 1000 for n in range(layers)]
    axes[1].stairs(weights, edges, fill=True, color=COLOURS["first"])
    total = f"{sum(weights):,.{0 if sum(weights) >= 10 else 1}f} thousand"
    axes[1].set(xlabel="layer", ylabel="weights (thousands)", title=total)
    _draw_memory(axes[2], layers, growth, first, side)
    axes[0].set_title(f"{first + layers * growth} channels leave")
    axes[0].legend(fontsize=8, loc="upper left")
    for axis in axes:
        whole_numbers(axis)


def _draw_memory(axis: Axes, layers: int, growth: int, first: int, side: int) -> None:
    numbers = range(1, layers + 1)
    for recompute, role, name in ((False, "plain", "all kept"), (True, "residual", "recomputed")):
        kept = [kept_channels(n, first, growth, recompute) for n in numbers]
        mebibytes = [channels * side**2 * KIB_PER_PIXEL / 1024 for channels in kept]
        line = f"{DASHES[role]}{'o' * (layers == 1)}"  # one point makes no line
        axis.plot(numbers, mebibytes, line, color=COLOURS[role], label=name)
    axis.set(xlabel="layers", ylabel="kept for backward (MiB)", ylim=(0, None))
    axis.set_title("memory")
    axis.legend(fontsize=8)
