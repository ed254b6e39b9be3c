"""A picture of residual units: what stands on the road, and what stands beside it."""

from collections.abc import Mapping

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch

from plusx.plots import COLOURS, figure
from plusx.shortcuts import ORDERS

NAMES = {"D": "weight", "N": "norm", "R": "ReLU"}
ROAD, BRANCH = 0.0, 1.5  # where the two ways run
STEP = 0.62  # from one box to the next


def order_diagram(orders: Mapping[str, tuple[str, str]] = ORDERS, height: float = 4.4) -> Figure:
    """Units side by side, input at the top, the shortcut as a thick blue line: the road.

    `orders` maps a name to the letters of the branch and of what follows the sum (see
    `plusx.shortcuts.ORDERS`). Boxes on the road are orange.
    """
    drawing, axes = figure(len(orders), height)
    bottom = -STEP * max(len(branch) + len(after) for branch, after in orders.values()) - 2.0
    for axis, (name, (branch, after)) in zip(axes, orders.items(), strict=True):
        _draw_unit(axis, branch, after, bottom)
        axis.set(xlim=(-0.9, 2.3), ylim=(bottom, 0.4))
        axis.set_title(name.replace(" pre-", "\npre-").replace(" the ", "\nthe "), fontsize=10)
        axis.set_axis_off()
    return drawing


def _draw_unit(axis: Axes, branch: str, after: str, bottom: float) -> None:
    """One unit: its branch on the right, the sum, and what follows it on the road."""
    join = bottom + 0.75 + STEP * len(after)
    blue = COLOURS["residual"]
    axis.plot([ROAD, ROAD], [0.1, join], color=blue, linewidth=4, solid_capstyle="butt")
    axis.plot([ROAD, BRANCH, BRANCH, ROAD], [-0.2, -0.2, join, join], color="black", linewidth=1.2)
    axis.plot([ROAD, ROAD], [join, bottom + 0.3], color=blue, linewidth=4)
    arrow = {"arrowstyle": "-|>", "color": blue, "linewidth": 3, "mutation_scale": 18}
    axis.annotate("", xy=(ROAD, bottom), xytext=(ROAD, bottom + 0.5), arrowprops=arrow)
    axis.add_patch(Circle((ROAD, join), 0.2, facecolor="white", edgecolor="black", zorder=3))
    axis.text(ROAD, join, "+", ha="center", va="center", zorder=4)
    top = (-0.2 + join) / 2 + STEP * (len(branch) - 1) / 2
    for row, letter in enumerate(branch):
        _draw_box(axis, BRANCH, top - STEP * row, letter, "white")
    for row, letter in enumerate(after):
        _draw_box(axis, ROAD, join - STEP * (row + 0.9), letter, COLOURS["third"])


def _draw_box(axis: Axes, x: float, y: float, letter: str, colour: str) -> None:
    box = FancyBboxPatch(
        (x - 0.55, y - 0.17), 1.1, 0.34, boxstyle="round,pad=0.04", facecolor=colour, zorder=3
    )
    axis.add_patch(box)
    axis.text(x, y, NAMES[letter], ha="center", va="center", fontsize=8.5, zorder=4)
