"""The figures of lesson 07 that are more than a few lines."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from plusx.plots import COLOURS, STYLE, figure

HUES = ("residual", "third", "first", "second", "plain")


def stack_diagram(layers: int = 5, first: int = 8, growth: int = 4) -> Figure:
    """What each layer reads, added and appended: one bar per layer, as tall as its channels."""
    drawing, axes = figure(2, height=2.9, share_y=True)
    for layer in range(layers + 1):
        axes[0].bar(layer, first, 0.6, color=COLOURS["residual"])
        axes[0].bar(layer, first, 0.6, fill=False, edgecolor="white", hatch="." * layer)
        bottom = 0
        for source in range(layer + 1):
            height = growth if source else first
            colour = COLOURS[HUES[(source - 1) % 4 + 1] if source else "residual"]
            axes[1].bar(layer, height, 0.6, bottom, color=colour, edgecolor="white")
            name = f"{source}" if source else "x"
            axes[1].text(layer, bottom + height / 2, name, ha="center", va="center", color="white")
            bottom += height
    names = [f"{n}" for n in range(1, layers + 1)] + ["out"]
    for axis, title in zip(axes, ("added: one sum", "appended: side by side"), strict=True):
        axis.set(title=title, xlabel="what layer ... reads")
        axis.set_xticks(range(layers + 1), names)
        axis.grid(False, axis="x")
    axes[0].set_ylabel("channels")
    return drawing


def u_diagram() -> Figure:
    """A U-Net with two halvings: encoder on the left, decoder on the right, skips across."""
    drawing, (axis,) = figure(height=3.0, wide=True)
    places = [(0, 2), (1.6, 1), (3.2, 0), (4.8, 1), (6.4, 2)]
    sizes = ["w × H × W", "2w × H/2 × W/2", "4w × H/4 × W/4", "2w × H/2 × W/2", "w × H × W"]
    for (x, y), size in zip(places, sizes, strict=True):
        corner = (x - 0.62, y - 0.22)
        axis.add_patch(FancyBboxPatch(corner, 1.24, 0.44, boxstyle="round,pad=0.04", fc="white"))
        axis.text(x, y + 0.07, "two conv 3×3", ha="center", va="center", fontsize=8)
        axis.text(x, y - 0.12, size, ha="center", va="center", fontsize=8)
    for (x, y), (u, v) in pairwise(places):
        down = v < y
        start, end = ((x, y - 0.28), (u - 0.7, v)) if down else ((x + 0.7, y), (u, v - 0.28))
        _arrow(axis, start, end, "black")
        words = "max 2×2" if down else "1×1, enlarge"
        where = (
            (start[0] + end[0]) / 2 + (-0.12 if down else 0.12),
            (start[1] + end[1]) / 2 - 0.12,
        )
        axis.text(*where, words, ha="right" if down else "left", va="center", fontsize=8)
    for level, y in ((0, 2), (1, 1)):
        _arrow(
            axis, (places[level][0] + 0.7, y), (places[4 - level][0] - 0.7, y), COLOURS["residual"]
        )
        axis.text(
            3.2, y + 0.08, f"long skip, level {level}", ha="center", color=COLOURS["residual"]
        )
    _arrow(axis, (-1.3, 2), (-0.7, 2), "black")
    _arrow(axis, (7.1, 2), (8.0, 2), "black")
    axis.text(-1.35, 2, "x", ha="right", va="center", style="italic", fontsize=13)
    axis.text(7.5, 2.08, "1×1", ha="center", fontsize=8)
    axis.text(8.05, 2, "y", ha="left", va="center", style="italic", fontsize=13)
    axis.set(xlim=(-1.7, 8.4), ylim=(-0.4, 2.5))
    axis.set_axis_off()
    return drawing


def _arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], colour: str) -> None:
    arrow = {"arrowstyle": "->", "color": colour, "linewidth": 1.8}
    axis.annotate("", xy=end, xytext=start, arrowprops=arrow)


def reuse_maps(tables: Mapping[str, Tensor], labels: Sequence[str]) -> Figure:
    """Tables (layers, sources) side by side: a row is a layer, a column a source before it."""
    drawing, axes = figure(len(tables), height=3.4)
    for axis, label, (title, table) in zip(axes, labels, tables.items(), strict=True):
        L = len(table)
        hidden = torch.ones(L, L).triu(1).bool()
        shown = axis.imshow(table.masked_fill(hidden, torch.nan).numpy(), cmap="cividis")
        axis.set(title=title, xlabel="source", ylabel="layer that reads")
        axis.set_xticks(range(L), ["x", *(str(n) for n in range(1, L))])
        axis.set_yticks(range(L), [str(n) for n in range(1, L + 1)])
        axis.grid(False)
        drawing.colorbar(shown, ax=axis, label=label, shrink=0.85)
    return drawing


def picture_rows(rows: Mapping[str, Tensor], low: float = 0, high: float = 1) -> Figure:
    """Rows of pictures with a name each: (N, H, W) of values from `low` to `high`."""
    plt.rcParams.update(STYLE)
    count = max(len(pictures) for pictures in rows.values())
    drawing, axes = plt.subplots(
        len(rows), count, figsize=(9, 9 / count * len(rows) + 0.1), squeeze=False
    )
    for line, (name, pictures) in zip(axes, rows.items(), strict=True):
        for axis, picture in zip(line, pictures, strict=True):
            axis.imshow(picture.numpy(), cmap="gray", vmin=low, vmax=high)
            axis.set(xticks=[], yticks=[])
            axis.grid(False)
            for spine in axis.spines.values():
                spine.set_visible(False)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    return drawing
