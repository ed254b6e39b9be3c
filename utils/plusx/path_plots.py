"""Figures of lesson 05: a network unraveled into paths, and its gradient by their length."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import comb
from typing import Any, Literal

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, PathPatch
from matplotlib.path import Path
from torch import Tensor

from plusx.paths import effective_length, shortest_range
from plusx.plots import COLOURS, DASHES, figure, plot_runs

GREY = "#888888"


def unraveled_diagram(blocks: int = 3) -> Figure:
    """A residual network as it is usually drawn, and the same as a sheaf of 2^blocks paths.

    A path is coloured by its length: the number of branches that it goes through.
    """
    drawing, axes = figure(2, height=4.0)
    _draw_chain(axes[0], blocks)
    _draw_sheaf(axes[1], blocks)
    for axis in axes:
        axis.set_axis_off()
    return drawing


def length_colour(length: int, longest: int) -> tuple[float, float, float, float]:
    """From purple (short) to green (long), readable for the colour-blind and in grey."""
    return colormaps["viridis"](0.12 + 0.68 * length / max(longest, 1))


def _draw_chain(axis: Axes, blocks: int) -> None:
    """x, then blocks of a branch and an arc over it, then y."""
    end = 2 * blocks
    axis.plot([-0.8, end + 0.3], [0, 0], color="black", linewidth=1.5, zorder=1)
    _label(axis, -1.0, 0, "$x$", ha="right")
    _label(axis, end + 0.5, 0, "$y$", ha="left")
    for block in range(blocks):
        left, plus = 2 * block - 0.4, 2 * block + 1.35
        arc = [(left, 0), (left, 1.7), (plus, 1.7), (plus, 0.2)]
        axis.add_patch(_curve(arc, COLOURS["residual"], 2.2))
        _box(axis, (2 * block + 0.45, 0), f"$F_{block + 1}$", "white", "black")
        axis.add_patch(Circle((plus, 0), 0.22, facecolor="white", edgecolor="black", zorder=3))
        _label(axis, plus, -0.02, "+", size=11)
    axis.set(xlim=(-1.5, end + 1.0), ylim=(-2.6, 2.6), aspect="equal")
    axis.set_title(f"{blocks} residual blocks")


def _draw_sheaf(axis: Axes, blocks: int) -> None:
    """One row for each path; the shortest stands at the top, the length at the end of a row."""
    paths = sorted(range(2**blocks), key=lambda path: (path.bit_count(), path))
    bend, step = 1.5, 1.5  # where rows begin, and how far apart branches stand
    stop = bend + step * blocks + 0.7
    end = stop + bend
    for row, path in enumerate(paths):
        height = (len(paths) - 1) / 2 - row
        colour = length_colour(path.bit_count(), blocks)
        for tip, edge in ((0.0, bend), (end, stop)):
            middle = (tip + edge) / 2
            points = [(tip, 0.0), (middle, 0.0), (middle, height), (edge, height)]
            axis.add_patch(_curve(points, colour, 2.0))
        axis.plot([bend, stop], [height] * 2, color=colour, linewidth=2.0, zorder=1)
        for block in range(blocks):
            if path >> block & 1:
                place = (bend + step * (block + 0.5), height)
                _box(axis, place, f"$F_{block + 1}$", colour, "white")
        _label(axis, stop - 0.25, height + 0.26, str(path.bit_count()), size=9)
    for tip, text in ((0.0, "$x$"), (end, "+")):
        axis.plot(tip, 0, "o", markersize=19, color="white", markeredgecolor="black", zorder=3)
        _label(axis, tip, -0.04, text, size=12)
    axis.plot([end, end + 0.9], [0, 0], color="black", linewidth=1.5, zorder=1)
    _label(axis, end + 1.0, 0, "$y$", ha="left")
    half = len(paths) / 2
    axis.set(xlim=(-0.6, end + 1.5), ylim=(-half - 0.1, half + 0.1))
    axis.set_title(f"unraveled: $2^{blocks}$ paths, and their lengths")


def _curve(points: Sequence[tuple[float, float]], colour: Any, width: float) -> PathPatch:
    codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
    shape = Path(list(points), codes)
    return PathPatch(shape, facecolor="none", edgecolor=colour, linewidth=width, zorder=1)


def _box(axis: Axes, centre: tuple[float, float], text: str, fill: Any, ink: str) -> None:
    corner = (centre[0] - 0.45, centre[1] - 0.36)
    edge = "black" if fill == "white" else fill
    style = "round,pad=0,rounding_size=0.14"
    shape = FancyBboxPatch(corner, 0.9, 0.72, style, facecolor=fill, edgecolor=edge, zorder=2)
    axis.add_patch(shape)
    _label(axis, centre[0], centre[1] - 0.02, text, size=10, color=ink)


def _label(
    axis: Axes,
    x: float,
    y: float,
    text: str,
    ha: Literal["left", "center", "right"] = "center",
    size: float = 13,
    color: str = "black",
) -> None:
    axis.text(x, y, text, ha=ha, va="center", fontsize=size, color=color, zorder=4)


@dataclass(frozen=True)
class LengthStudy:
    """Gradients by path length of several networks of `blocks` blocks, all in float64.

    exact (networks, blocks + 1): norm of the sum over all paths of a length.
    single (networks, lengths): mean norm of one path, for lengths 0, 1, ...
    """

    blocks: int
    exact: Tensor
    single: Tensor

    @property
    def lengths(self) -> range:
        """The lengths of which paths were sampled."""
        return range(self.single.shape[1])

    @property
    def counts(self) -> Tensor:
        """How many paths there are of each sampled length, (lengths,)"""
        return torch.tensor([float(comb(self.blocks, k)) for k in self.lengths]).double()

    @property
    def sampled(self) -> Tensor:
        """Norms added up over all paths of a length, by the sample: (networks, lengths)"""
        return self.single * self.counts


def length_panels(study: LengthStudy, longest: int = 36) -> Figure:
    """How many paths of each length there are, what one carries, and what all of them carry."""
    drawing, axes = figure(3, height=3.6)
    axes[0].get_gridspec().set_width_ratios([1, 1.1, 1.7])  # type: ignore[union-attr]
    whole = [comb(study.blocks, k) / 2**study.blocks for k in range(study.blocks + 1)]
    axes[0].bar(range(study.blocks + 1), whole, color=GREY, width=0.85)
    axes[0].set(xlabel="path length (blocks)", ylabel="share of all paths", title="how many")
    plot_runs(axes[1], study.lengths, study.single, "one path", "third")
    axes[1].set(yscale="log", xlabel="path length (blocks)", title="times what one carries")
    axes[1].set_ylabel("gradient norm")
    plot_masses(axes[2], range(study.blocks + 1), torch.tensor([whole]), "number of paths", GREY)
    measured = {"norms added": study.sampled, "gradients added": study.exact}
    for (name, masses), role in zip(measured.items(), ("third", "residual"), strict=True):
        shown = masses / masses.sum(1, keepdim=True)
        places = range(masses.shape[1])
        plot_masses(axes[2], places, shown, name, COLOURS[role], DASHES[role])
    axes[2].set(xlim=(-0.5, longest + 0.5), xlabel="path length (blocks)")
    axes[2].set(ylabel="share", title="is what all of them carry")
    axes[2].set_ylim(0, 1.32 * axes[2].get_ylim()[1])
    axes[2].legend(fontsize=8, loc="upper right")
    return drawing


def plot_masses(
    axis: Axes,
    lengths: Sequence[int],
    masses: Tensor,
    label: str,
    colour: str,
    dash: str = "-",
) -> None:
    """Shares by length of several networks, (networks, lengths): median and range, foot filled."""
    values = masses.numpy()
    middle = np.median(values, axis=0)
    axis.fill_between(lengths, middle, color=colour, alpha=0.12, linewidth=0)
    axis.fill_between(lengths, values.min(0), values.max(0), color=colour, alpha=0.3, linewidth=0)
    axis.plot(lengths, middle, dash, color=colour, label=label)


def range_bars(axis: Axes, rows: Mapping[str, tuple[Tensor, str]], longest: int) -> None:
    """For each row, (networks, lengths) masses as a bar over the lengths that hold 95 %.

    The bar's ends are medians over networks; a dot marks the mean length of each network.
    """
    for row, (masses, colour) in enumerate(rows.values()):
        ranges = np.median([shortest_range(m) for m in masses], axis=0)
        low, high = ranges.tolist()
        axis.barh(row, high - low + 1, 0.55, left=low - 0.5, color=colour, alpha=0.3)
        means = [effective_length(m) for m in masses]
        axis.plot(means, [row] * len(means), "o", color=colour, markersize=5, alpha=0.7)
        axis.text(high + 0.9, row, f"{low:.0f} to {high:.0f}", va="center", fontsize=9)
    axis.set(yticks=range(len(rows)), yticklabels=list(rows), xlabel="path length (blocks)")
    axis.set(xlim=(-0.7, longest + 0.5), ylim=(len(rows) - 0.4, -0.6))
    axis.grid(False, axis="y")


def plot_lesions(
    axis: Axes, errors: Tensor, base: Tensor, label: str, colour: str, marker: str, dash: str
) -> None:
    """Error without each block, by its place from stem (0) to head (1), and of the whole net.

    errors (networks, blocks), base (networks,), in percent; a block whose errors are NaN is passed
    over. Points are networks, the line is their mean; a dotted line marks the mean error of the
    whole networks.
    """
    blocks = errors.shape[1]
    shown = errors.isfinite().all(dim=0)
    places, errors = ((np.arange(blocks) + 0.5) / blocks)[shown.numpy()], errors[:, shown]
    size = 5 if blocks < 10 else 3
    for row in errors.numpy():
        axis.plot(places, row, marker, color=colour, markersize=size, alpha=0.35, markeredgewidth=0)
    axis.plot(places, errors.mean(0).numpy(), dash, color=colour, label=label)
    axis.axhline(base.mean().item(), color=colour, linewidth=0.9, linestyle=":")


def guessing(axis: Axes, error: float = 90.0) -> None:
    """A line at the error of guessing, in percent: 90 for ten classes of one size."""
    axis.axhline(error, color=GREY, linewidth=1)
    along = axis.get_yaxis_transform()  # x from 0 to 1 over the panel, y in percent
    axis.text(0.4, error + 1, "guessing", ha="center", color=GREY, fontsize=9, transform=along)


def measure_lengths(
    exact: Sequence[Tensor], paths: Sequence[Tensor], samples: int, blocks: int
) -> LengthStudy:
    """A study from gradient norms: exact ones (blocks + 1,), and those of sampled paths.

    `paths` holds, for each network, the norms of `samples` paths of length 0, then 1, and so on.
    """
    single = torch.stack([norms.double().view(-1, samples).mean(1) for norms in paths])
    return LengthStudy(blocks, torch.stack(list(exact)).double(), single)
