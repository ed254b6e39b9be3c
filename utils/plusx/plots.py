"""The one place that sets figure sizes, fonts and colours.

Colours are those of Okabe and Ito, which people with the common kinds of colour
blindness can tell apart (Wong 2011, "Points of view: Color blindness", Nature Methods
8:441). A role always has the same colour and the same dashes.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.ticker import NullLocator
from torch import Tensor

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
    panels: int = 1, height: float = 3.2, share_y: bool = False
) -> tuple[Figure, Sequence[Axes]]:
    """A row of panels in the house style; one panel is 5.5 inches wide, more share 9."""
    plt.rcParams.update(STYLE)
    width = 5.5 if panels == 1 else 9.0
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


def show_images(images: Mapping[str, Tensor], height: float = 2.2) -> Figure:
    """Pictures side by side, values from 0 to 1: grey ones (H, W), coloured ones (H, W, 3)."""
    drawing, axes = figure(len(images), height)
    for axis, (title, image) in zip(axes, images.items(), strict=True):
        axis.imshow(image.detach().numpy(), cmap="gray", vmin=0, vmax=1)
        axis.set_title(title)
        axis.set_axis_off()
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


def _box(axis: Axes, x: float, name: str) -> None:
    shape = FancyBboxPatch((x - 0.5, -0.3), 1.0, 0.6, boxstyle="round,pad=0.04", facecolor="white")
    axis.add_patch(shape)
    axis.text(x, 0, name, ha="center", va="center", fontsize=9)


def _arrow(
    axis: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "black"
) -> None:
    arrow = {"arrowstyle": "->", "color": colour, "linewidth": 1.5}
    axis.annotate("", xy=end, xytext=start, arrowprops=arrow)


def show() -> None:
    """Show the figures of this cell and close them."""
    plt.show()


def gradient_axes(axis: Axes, title: str) -> None:
    """Label a panel of gradient norms by layer, on a logarithmic scale."""
    axis.set_yscale("log")
    axis.axhline(1, color="gray", linewidth=0.8)
    axis.set(xlabel="layer (0 = input)", ylabel="gradient norm / norm at the output", title=title)


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
