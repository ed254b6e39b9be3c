"""The one place that sets figure sizes, fonts and colours.

Colours are those of Okabe and Ito, which people with the common kinds of colour
blindness can tell apart (Wong 2011, "Points of view: Color blindness", Nature Methods
8:441). A role always has the same colour and the same dashes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
from IPython.core.formatters import format_display_data
from IPython.core.getipython import get_ipython
from IPython.display import display
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch, Polygon, Rectangle
from matplotlib.text import Annotation
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter
from matplotlib.transforms import Bbox
from torch import Tensor

from plusx.costs import Conv
from plusx.errors import ArgumentError
from plusx.probes import gradient_profile

COLOURS = {
    "plain": "#D55E00",
    "residual": "#0072B2",
    "first": "#009E73",
    "second": "#CC79A7",
    "third": "#E69F00",
    "fourth": "#000000",
}
DASHES = {
    "plain": "--",
    "residual": "-",
    "first": "-",
    "second": "--",
    "third": "-.",
    "fourth": ":",
}
MARKERS = {
    "plain": "o",
    "residual": "s",
    "first": "^",
    "second": "D",
    "third": "v",
    "fourth": "x",
}
STYLE: dict[Any, Any] = {
    "axes.grid": True,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 11,
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.alpha": 0.3,
    "legend.frameon": False,
    "lines.linewidth": 2,
}
GAINS = {0.5: "first", 1.0: "second", 2**0.5: "third", 2.0: "fourth"}


def figure(
    panels: int = 1, height: float = 3.2, share_y: bool = False, wide: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    """A row of panels in the house style; one is 5.5 inches wide, more (or `wide`) share 9."""
    plt.rcParams.update(STYLE)
    width = 9.0 if wide or panels > 1 else 5.5
    drawing, axes = plt.subplots(1, panels, figsize=(width, height), squeeze=False, sharey=share_y)
    return drawing, list(axes[0])


def plot_runs(axis: Axes, x: Sequence[float], runs: Tensor, label: str, role: str) -> None:
    """Median over runs (a line) and their full range (a band); `runs` is (runs, len(x))."""
    _check_role(role, "plot_runs")
    values = runs.numpy()
    colour = COLOURS[role]
    axis.plot(x, np.median(values, axis=0), DASHES[role], color=colour, label=label)
    axis.fill_between(x, values.min(0), values.max(0), color=colour, alpha=0.2, linewidth=0)


def plot_means(
    axis: Axes, x: Sequence[float], values: Sequence[Tensor], label: str, role: str
) -> None:
    """Mean and standard deviation over seeds at every x; one tensor (seeds,) for each."""
    _check_role(role, "plot_means")
    means = [value.mean().item() for value in values]
    spread = [value.std().item() for value in values]
    axis.errorbar(
        x,
        means,
        yerr=spread,
        fmt=MARKERS[role],
        linestyle=DASHES[role],
        color=COLOURS[role],
        capsize=3,
        label=label,
    )


def error_axes(axis: Axes, depths: Sequence[int], title: str, ylabel: str = "") -> None:
    """Label a panel of errors in percent by depth; depths are spaced by their ratios."""
    axis.set(xscale="log", xlabel="depth (layers)", ylabel=ylabel, title=title)
    axis.set_xticks(depths, [str(depth) for depth in depths])
    axis.xaxis.set_minor_locator(NullLocator())


def _check_role(role: str, where: str) -> None:
    if role not in COLOURS:
        raise ArgumentError("unknown role", expected=sorted(COLOURS), got=role, where=where)


def show_images(images: Mapping[str, Tensor], height: float = 2.2, scale: str = "") -> Figure:
    """Pictures side by side, values from 0 to 1: grey ones (H, W), coloured ones (H, W, 3).

    scale: what grey stands for, where it is no picture of anything; adds a bar with numbers
    """
    drawing, axes = figure(len(images), height)
    for axis, (title, image) in zip(axes, images.items(), strict=True):
        shown = axis.imshow(image.detach().numpy(), cmap="gray", vmin=0, vmax=1)
        axis.set_title(title)
        axis.set_axis_off()
    if scale:
        drawing.colorbar(shown, ax=axes, label=scale)
    return drawing


def block_diagram() -> Figure:
    """The basic block: the branch F in the middle, the shortcut around it."""
    drawing, (axis,) = figure(1, height=1.9)
    drawing.set_size_inches(9, 1.9)
    names = ["conv 3×3", "norm", "ReLU", "conv 3×3", "norm"]
    for position, name in enumerate(names):
        _box(axis, 1.5 + 1.5 * position, name)
    axis.text(9.0, 0, "+", ha="center", va="center", fontsize=16)
    axis.add_patch(Circle((9.0, 0), 0.22, fill=False, linewidth=1.5))
    _box(axis, 10.3, "ReLU")
    axis.text(0.1, 0, "x", ha="right", va="center", fontsize=14, style="italic")
    axis.text(11.75, 0, "y", ha="left", va="center", fontsize=14, style="italic")
    stops = [(0.2, 0.95), *((2.05 + 1.5 * n, 2.45 + 1.5 * n) for n in range(4)), (8.05, 8.75)]
    for start, end in [*stops, (9.25, 9.75), (10.85, 11.65)]:
        _arrow(axis, (start, 0), (end, 0))
    axis.plot([0.5, 0.5, 9.0], [0, 1, 1], color=COLOURS["residual"], linewidth=2.5)
    _arrow(axis, (9.0, 1), (9.0, 0.25), COLOURS["residual"])
    axis.text(4.5, 1.08, "shortcut: x itself, or $W_s x$ where shapes change", ha="center")
    axis.plot([0.95, 0.95, 8.05, 8.05], [-0.42, -0.52, -0.52, -0.42], color=COLOURS["plain"])
    axis.text(4.5, -0.88, "branch F(x)", ha="center", color=COLOURS["plain"])
    axis.set(xlim=(-0.3, 12.1), ylim=(-1.0, 1.5), aspect="equal")
    axis.set_axis_off()
    return drawing


def block_shapes(blocks: Mapping[str, Sequence[Conv]], height: float = 2.9) -> Figure:
    """Blocks side by side, input at the top: a layer is as wide as its channels.

    White lines show that a convolution works in groups, not how many.
    """
    drawing, axes = figure(len(blocks), height)
    widest = max(max(c.in_channels, c.out_channels) for b in blocks.values() for c in b)
    for axis, (title, layers) in zip(axes, blocks.items(), strict=True):
        draw_block(axis, layers, widest)
        axis.set_ylim(0.1 - max(map(len, blocks.values())), 0.15)
        axis.set_title(title)
    return drawing


def draw_block(axis: Axes, layers: Sequence[Conv], widest: int) -> None:
    """One block, input at the top, on a scale on which `widest` channels fill the axis."""
    for row, conv in enumerate(layers):
        top, bottom = conv.in_channels / 2, conv.out_channels / 2
        corners = [(-top, -row), (top, -row), (bottom, -row - 0.8), (-bottom, -row - 0.8)]
        axis.add_patch(Polygon(corners, color=COLOURS[_kind(conv)], linewidth=0))
        lines = min(conv.groups, 24 * conv.out_channels // widest)
        for n in range(1, lines):
            share = n / lines - 0.5
            ends = [share * conv.in_channels, share * conv.out_channels]
            axis.plot(ends, [-row, -row - 0.8], color="white", linewidth=0.6)
        label = {"boxstyle": "round,pad=0.15", "facecolor": "white", "linewidth": 0}
        axis.text(0, -row - 0.4, layer_name(conv), ha="center", va="center", bbox=label, size=8)
        axis.text(0.52 * widest, -row, str(conv.in_channels), va="center", size=9)
    axis.text(0.52 * widest, -len(layers) + 0.2, str(layers[-1].out_channels), va="center", size=9)
    axis.set(xlim=(-0.72 * widest, 0.72 * widest), ylim=(-len(layers) + 0.1, 0.15))
    axis.set_axis_off()


def _kind(conv: Conv) -> str:
    """The role, hence the colour, of a convolution in a diagram."""
    if conv.kernel == 1:
        return "residual"
    return "plain" if conv.groups == 1 else "first"


def layer_name(conv: Conv) -> str:
    """Kernel and groups of a convolution, in one or two short lines."""
    name = f"{conv.kernel}×{conv.kernel}"
    if conv.groups == 1:
        return name
    return (
        f"{name}\ndepthwise" if conv.groups == conv.in_channels else f"{name}\n{conv.groups} groups"
    )


@dataclass(frozen=True)
class Point:
    """A labelled point of a scatter plot; `runs` (n,) are the measurements behind y."""

    x: float
    y: float
    runs: Tensor
    role: str


def plot_points(axis: Axes, points: Mapping[str, Point], kinds: Mapping[str, str]) -> None:
    """Points with their names; a bar spans all runs of a point, a role has its own marker.

    `kinds` says in the legend what each role means. Set the scales of the axis before: names are
    put where nothing is drawn yet.
    """
    for role, kind in kinds.items():
        axis.plot([], [], MARKERS[role], color=COLOURS[role], markersize=7, label=kind)
    axis.legend(loc="lower right", fontsize=8)
    for point in points.values():
        _check_role(point.role, "plot_points")
        low, high = point.runs.min().item(), point.runs.max().item()
        axis.errorbar(
            point.x,
            point.y,
            [[point.y - low], [high - point.y]],
            marker=MARKERS[point.role],
            color=COLOURS[point.role],
            markersize=7,
            linewidth=1.2,
            capsize=2,
        )
    for side in (axis.xaxis, axis.yaxis):
        if side.get_scale() == "log":  # 20, not 2 x 10 to the 1
            side.set_major_locator(LogLocator(subs=(1, 2, 5)))
            side.set_major_formatter(StrMethodFormatter("{x:g}"))
            side.set_minor_locator(NullLocator())
    _place_names(axis, points)


# Where a name may stand, in points from its marker, in the order of trying.
PLACES = [
    (right * 7, up, "left" if right > 0 else "right")
    for up in (4, -11, 14, -21, 24, -31)
    for right in (1, -1)
]


def _place_names(axis: Axes, points: Mapping[str, Point]) -> None:
    """Write each name beside its point, where it hides least."""
    canvas: Any = axis.figure.canvas
    canvas.draw()  # settles the layout, so that places on the page are known
    marks, bars = [], []
    for point in points.values():
        ends = [(point.x, point.y), *((point.x, run) for run in point.runs.tolist())]
        places = axis.transData.transform(ends)
        marks.append(Bbox.from_bounds(places[0][0] - 5, places[0][1] - 5, 10, 10))
        bars.append(Bbox.null())
        bars[-1].update_from_data_xy(places)
    for name, point in points.items():
        note = axis.annotate(
            name,
            (point.x, point.y),
            (0, 0),
            textcoords="offset points",
            size=8,
            color=COLOURS[point.role],
        )

        def hidden(place: tuple[int, int, str], note: Annotation = note) -> int:
            _move(note, place)
            box = note.get_window_extent(canvas.get_renderer())
            frame = axis.get_window_extent()
            outside = not (frame.x0 <= box.x0 and box.x1 <= frame.x1)
            return 9 * outside + 3 * box.count_overlaps(marks) + box.count_overlaps(bars)

        _move(note, min(PLACES, key=hidden))
        marks.append(note.get_window_extent(canvas.get_renderer()))


def _move(note: Annotation, place: tuple[int, int, str]) -> None:
    right, up, side = place
    note.set_position((right, up))
    note.set_horizontalalignment(side)  # type: ignore[arg-type]


def show_fields(fields: Mapping[str, tuple[Tensor, int]], height: float = 2.9) -> Figure:
    """Maps (H, W) of influence side by side, each with the theoretical field as a box.

    `fields` maps a title to (map, field): the map is scaled to a largest value of 1 and
    shown with its root, so that small influences are seen; `field` is in pixels.
    """
    drawing, axes = figure(len(fields), height)
    for axis, (title, (influence, field)) in zip(axes, fields.items(), strict=True):
        image = (influence / influence.max()).sqrt().numpy()
        rows, columns = image.shape
        shown = axis.imshow(image, cmap="cividis", vmin=0, vmax=1)
        corner = ((columns - field) / 2 - 0.5, (rows - field) / 2 - 0.5)
        box = Rectangle(corner, field, field, fill=False, color="white", linestyle="--")
        axis.add_patch(box)
        axis.set(title=title, xlabel="pixel")
        axis.grid(False)
    axes[0].set_ylabel("pixel")
    drawing.colorbar(shown, ax=list(axes), label="root of the relative influence", shrink=0.8)
    return drawing


def _box(axis: Axes, x: float, name: str) -> None:
    shape = FancyBboxPatch((x - 0.5, -0.3), 1.0, 0.6, boxstyle="round,pad=0.04", facecolor="white")
    axis.add_patch(shape)
    axis.text(x, 0, name, ha="center", va="center", fontsize=9)


def _arrow(
    axis: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "black"
) -> None:
    arrow = {"arrowstyle": "->", "color": colour, "linewidth": 1.5}
    axis.annotate("", xy=end, xytext=start, arrowprops=arrow)


def show(alt: str) -> None:
    """Show the figure made last, with a text for readers who do not see it, and close it.

    `alt` says what the figure shows, in a sentence or two. JupyterLab takes it from the HTML that
    is sent along; nbconvert, and so a page of feedback, from the metadata of the picture. Outside
    of notebooks a window opens, and the text is not used. Raises `ArgumentError` without a text.
    """
    if not alt.strip():
        raise ArgumentError("a figure needs a text", expected="what it shows", got=repr(alt))
    if get_ipython() is None:
        plt.show()
        return
    drawing = plt.gcf()
    bundle, _ = format_display_data(drawing)
    picture = f'<img alt="{escape(alt)}" src="data:image/png;base64,{bundle["image/png"]}">'
    bundle |= {"text/plain": alt, "text/html": picture}
    display(bundle, metadata={"image/png": {"alt": alt}}, raw=True)
    plt.close(drawing)


def whole_numbers(axis: Axes) -> None:
    """Along the x axis, which counts something, only whole numbers."""
    places = MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    axis.xaxis.set_major_locator(places)


def gradient_axes(axis: Axes, title: str) -> None:
    """Label a panel of gradient norms by layer, on a logarithmic scale."""
    axis.set_yscale("log")
    axis.axhline(1, color="gray", linewidth=0.8)
    axis.set(xlabel="layer (0 = input)", ylabel="gradient norm / norm at the output", title=title)
    whole_numbers(axis)


def gradient_panels(depth: int = 50, norm: bool = False, seeds: int = 5) -> Figure:
    """Gradient norms by layer at four gains, without and with the skip; all seeds shown."""
    drawing, axes = figure(2, height=3.4, share_y=True)
    for axis, skip in zip(axes, (False, True), strict=True):
        for gain, role in GAINS.items():
            runs = gradient_profile(depth, gain, skip, norm, seeds=seeds)
            plot_runs(axis, range(depth + 1), runs, f"gain {gain:.3g}", role)
        gradient_axes(axis, f"{'with' if skip else 'without'} skip, {depth} layers")
    axes[0].legend(title=f"median, range of {seeds} seeds", fontsize=8, title_fontsize=8)
    return drawing
