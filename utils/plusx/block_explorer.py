"""The explorer of lesson 03: what each layer of a bottleneck contributes to its cost."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from plusx.costs import Conv, block_layers
from plusx.plots import COLOURS, STYLE, draw_block, layer_name
from plusx.widgets import WIDE, Explorer

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

RATIOS = {"1/8": 1 / 8, "1/4": 1 / 4, "1/2": 1 / 2, "1": 1, "2": 2, "4": 4, "6": 6}
SIZE, WIDTHS = (8.0, 3.2), (1, 2)
GROUPINGS = ("1 (dense)", "4", "32", "depthwise")


class BlockExplorer(Explorer):
    """Channels, inner width, kernel and groups of a block against what each layer costs.

    Nothing is timed: all numbers are counted.
    """

    about = "what the three layers of a block cost"
    alt = (
        "A bottleneck of 256, 64 and 256 channels, and bars of what its three layers cost: the "
        "3×3 does about half of the multiply-adds and moves the fewest numbers."
    )

    size = SIZE
    widths = WIDTHS

    def paint(  # type: ignore[override]
        self,
        axes: Sequence[Axes],
        channels: int,
        ratio: float,
        kernel: int,
        grouping: str,
        size: int,
        batch: int,
    ) -> None:
        """The block's shape and the cost of its layers, for one setting."""
        _draw_both(axes, explored_block(channels, ratio, kernel, grouping), size, batch)

    def inputs(self) -> dict[str, Any]:
        """Six sliders over lists."""
        choices: dict[str, tuple[str, Any, Any]] = {
            "channels": ("channels in and out", [64, 128, 256, 512], 256),
            "ratio": ("inner width / channels", RATIOS, 1 / 4),
            "kernel": ("kernel", [1, 3, 5, 7], 3),
            "grouping": ("groups", GROUPINGS, GROUPINGS[0]),
            "size": ("image (pixels)", [7, 14, 28, 56], 14),
            "batch": ("batch", [1, 8, 64], 1),
        }
        return {
            name: ipywidgets.SelectionSlider(
                options=options, value=value, description=text, style=WIDE
            )
            for name, (text, options, value) in choices.items()
        }

    def still_figure(self) -> Figure:
        """ResNet's bottleneck at 256 channels."""
        with mpl.rc_context(STYLE):
            drawing = Figure(figsize=SIZE, dpi=90)
            FigureCanvasAgg(drawing)
            _draw_both(drawing.subplots(1, 2, width_ratios=WIDTHS), block_layers(256, 64), 14, 1)
            return drawing


def explored_block(channels: int, ratio: float, kernel: int, grouping: str) -> tuple[Conv, ...]:
    """The block that the explorer's controls describe; groups never exceed the width."""
    width = int(channels * ratio)
    groups = width if grouping == "depthwise" else min(width, int(grouping.split()[0]))
    return block_layers(channels, width, kernel, groups)


def _draw_both(axes: Sequence[Axes], layers: Sequence[Conv], size: int, batch: int) -> None:
    """The shape of a block on the left, the cost of its layers on the right."""
    draw_block(axes[0], layers, max(layer.out_channels for layer in layers))
    _draw_shares(axes[1], layers, size, batch)


def _draw_shares(axis: Axes, layers: Sequence[Conv], size: int, batch: int) -> None:
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
    for factor, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= factor:
            return f"{count / factor:.3g} {letter}"
    return str(count)
