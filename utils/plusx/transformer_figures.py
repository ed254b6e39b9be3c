"""The figures of lesson 06 that are more than a few lines, and its explorer."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyBboxPatch
from matplotlib.ticker import MaxNLocator, NullLocator
from torch import Tensor
from torch.nn import functional as F

from plusx.plots import COLOURS, figure, plot_runs, whole_numbers
from plusx.sequences import Sorting
from plusx.transformer_studies import WIRINGS
from plusx.transformers import NO_SKIP, FeedForward, Transformer
from plusx.widgets import WIDE, Explorer

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

GUESSING = 10.0  # per cent: ten digits
SEEDS = 5
ROLES = {"post": "plain", "pre": "residual"}
NAMES = {"post": "post-norm", "pre": "pre-norm"}


def wiring_diagram() -> Figure:
    """The post-norm and the pre-norm block, the stream from left to right."""
    drawing, axes = figure(2, height=2.0)
    _draw_block(axes[0], "post-norm: norms stand in the stream", outside=True)
    _draw_block(axes[1], "pre-norm: norms stand in the branches", outside=False)
    return drawing


def _draw_block(axis: Axes, title: str, outside: bool) -> None:
    """Two branches above the stream; norms in the stream (`outside`) or in the branches."""
    axis.plot([0, 10.4], [0, 0], color=COLOURS["residual"], linewidth=3.5, zorder=0)
    axis.annotate("", (10.9, 0), (10.3, 0), arrowprops={"arrowstyle": "->", "linewidth": 2})
    axis.text(-0.15, 0, "x", ha="right", va="center", style="italic", fontsize=13)
    axis.text(11.0, 0, "y", ha="left", va="center", style="italic", fontsize=13)
    for left, name in ((0.4, "attention"), (5.6, "feed-\nforward")):
        end = left + (2.9 if outside else 4.3)
        axis.plot([left, left, end, end], [0, 1.5, 1.5, 0.25], color=COLOURS["plain"], zorder=0)
        if outside:
            _box(axis, left + 1.45, 1.5, name, 1.8)
            _box(axis, left + 4.0, 0, "norm", 1.1, COLOURS["third"])
        else:
            _box(axis, left + 1.1, 1.5, "norm", 1.1, COLOURS["third"])
            _box(axis, left + 2.95, 1.5, name, 1.8)
        axis.add_patch(Circle((end, 0), 0.27, facecolor="white", edgecolor="black", linewidth=1.4))
        axis.text(end, -0.02, "+", ha="center", va="center", fontsize=13)
    axis.set(xlim=(-0.6, 11.5), ylim=(-0.7, 2.3), aspect="equal", title=title)
    axis.set_axis_off()


def _box(axis: Axes, x: float, y: float, name: str, width: float, colour: str = "white") -> None:
    corner = (x - width / 2, y - 0.42)
    axis.add_patch(FancyBboxPatch(corner, width, 0.84, boxstyle="round,pad=0.05", facecolor=colour))
    axis.text(x, y, name, ha="center", va="center", fontsize=9)


def accuracy_axes(axis: Axes, title: str) -> None:
    """Label a panel of accuracies in sorting, from 0 to 100 %, with a line for guessing."""
    axis.axhline(GUESSING, color="gray", linewidth=0.8, linestyle=":")
    axis.set(ylabel="positions right (%)", ylim=(0, 103), title=title)


def show_bars(axis: Axes, bars: dict[str, Tensor], role: str = "residual") -> None:
    """Horizontal bars: mean and deviation of each entry's runs (seeds,), and every seed."""
    names = list(bars)
    for row, name in enumerate(names):
        runs = bars[name].tolist()
        middle, deviation = bars[name].mean().item(), bars[name].std().item()
        axis.barh(row, middle, 0.62, color=COLOURS[role], alpha=0.35)
        axis.errorbar(middle, row, xerr=deviation, color=COLOURS[role], capsize=3)
        axis.plot(runs, [row] * len(runs), "o", color=COLOURS[role], markersize=3.5)
    axis.set(yticks=range(len(names)), yticklabels=names)
    axis.invert_yaxis()
    axis.grid(False, axis="y")


class WiringExplorer(Explorer):
    """A wiring and a depth against the size of the stream and of the gradients, untrained."""

    about = "stream and gradients of an untrained transformer, block by block"
    alt = (
        "Four wirings of 24 untrained blocks. The stream grows with depth in pre-norm and peri- "
        "norm and stays at 1 in post-norm and DeepNorm; gradients are largest in post-norm at "
        "the late blocks, and smallest, and even, in DeepNorm."
    )

    size = (8.0, 3.0)
    widths = (1, 1)

    def paint(  # type: ignore[override]
        self, axes: Sequence[Axes], wiring: str, blocks: int, skips: str
    ) -> None:
        """Both profiles for one setting."""
        _draw_profiles(axes, {wiring: "residual"}, blocks, skips, seeds=3, sequences=8)
        axes[0].set_title(f"{wiring}, {blocks} blocks")
        axes[1].set_title("median, range of 3 seeds")
        axes[0].yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))  # numbers stay short
        axes[1].yaxis.set_minor_locator(NullLocator())

    def inputs(self) -> dict[str, Any]:
        """A list of wirings, one of skips, and a slider over the depth."""
        return {
            "wiring": ipywidgets.SelectionSlider(
                options=WIRINGS, value="pre", description="wiring", style=WIDE
            ),
            "blocks": ipywidgets.IntSlider(6, 2, 48, description="blocks", style=WIDE),
            "skips": ipywidgets.SelectionSlider(
                options=tuple(NO_SKIP), value="both", description="skips", style=WIDE
            ),
        }

    def still_figure(self) -> Figure:
        """Four wirings of 24 blocks."""
        # In this order: the stream of "post" lies on that of "deepnorm", and is dashed.
        roles = {"deepnorm": "first", "post": "plain", "pre": "residual", "peri": "third"}
        drawing, axes = figure(2)
        _draw_profiles(axes, roles, 24, "both")
        axes[0].legend(title=f"24 blocks: median, range of {SEEDS} seeds", fontsize=8)
        return drawing


def _draw_profiles(
    axes: Sequence[Axes],
    roles: dict[str, str],
    blocks: int,
    skips: str,
    seeds: int = SEEDS,
    sequences: int = 64,
) -> None:
    """Two panels: the size of the stream and the gradients, by block, for some wirings."""
    for wiring, role in roles.items():
        found = [_profile(wiring, blocks, skips, seed, sequences) for seed in range(seeds)]
        streams, gradients = (torch.tensor(half) for half in zip(*found, strict=True))
        plot_runs(axes[0], range(blocks + 1), streams, wiring, role)
        plot_runs(axes[1], range(1, blocks + 1), gradients.clamp(min=1e-12), wiring, role)
    axes[0].set(xlabel="block (0: token vectors)", ylabel="size of the stream")
    axes[0].set(xlim=(0, blocks), ylim=(0, None))
    axes[1].set(xlabel="block", ylabel="gradient norm", yscale="log")
    axes[1].set(xlim=(0, blocks), ylim=(1e-3, 1e2))
    for axis in axes:
        whole_numbers(axis)


@lru_cache(maxsize=1000)  # whoever compares two wirings goes to and fro between them
def _profile(
    wiring: str, blocks: int, skips: str, seed: int, sequences: int
) -> tuple[list[float], list[float]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = Transformer(10, 8, blocks=blocks, wiring=wiring, skips=skips)
    return start_profile(net, sequences)


def start_profile(net: Transformer, sequences: int = 64) -> tuple[list[float], list[float]]:
    """What an untrained sorter does, block by block.

    Root mean square of the stream after the token vectors and after each block; and the gradient
    norm of the loss at the last matrix of each feed-forward network.
    """
    tokens, targets = (half[:sequences] for half in Sorting().test())
    h = net.stem(tokens)  # (B, T, C)
    sizes = [h.square().mean().sqrt().item()]
    for block in net.blocks:
        h = block(h)
        sizes.append(h.square().mean().sqrt().item())
    logits = net.head(net.norm(h))  # (B, T, V)
    loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten())
    weights = [
        b.function.last.weight for b in net.branches() if isinstance(b.function, FeedForward)
    ]
    return sizes, [g.norm().item() for g in torch.autograd.grad(loss, weights)]
