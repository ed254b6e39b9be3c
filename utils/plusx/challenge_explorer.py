"""The explorer of lesson 09: a network of a kind, depth and width, beside the budget."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from plusx.challenge import BUDGET, Costs, costs_of, layers_of, stages, widest
from plusx.challenge_studies import BLOCKS, load_study
from plusx.plots import COLOURS, DASHES, MARKERS, figure
from plusx.widgets import WIDE, Explorer

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

ROLES = {"conv": "plain", "residual": "residual", "preactivation": "first", "dense": "third"}
NAMES = {
    "conv": "plain",
    "residual": "residual",
    "preactivation": "pre-activation",
    "dense": "dense",
}
ASIDE = {"preactivation": -0.7, "dense": 0.7}  # layers: points of one depth stand side by side
MOST_SHOWN = 2.0  # times the budget: a bar that is longer is cut


class ChallengeExplorer(Explorer):
    """Kind, blocks of a stage and width, against the budget and the shipped study on depth.

    Nothing is trained.
    """

    about = "costs of a network, and the error of networks that use up the budget"
    alt = (
        "Left, what a residual network of 14 layers, 4 channels wide, takes of the budget: about "
        "half of the parameters and a third of the multiply-adds. Right, test error by layers of "
        "plain, residual, pre-activated and dense networks that are as wide as the budget allows."
    )

    size = (9.0, 3.3)
    widths = (1, 1)

    def paint(  # type: ignore[override]
        self, axes: Sequence[Axes], kind: str, blocks: int, width: int
    ) -> None:
        """Costs and depth of one setting."""
        _draw_setting(axes, kind, blocks, width)

    def inputs(self) -> dict[str, Any]:
        """Three sliders, one of them over names: JupyterLab takes a list's keys for itself."""
        slider = ipywidgets.IntSlider
        kinds = [(name, kind) for kind, name in NAMES.items()]
        return {
            "kind": ipywidgets.SelectionSlider(
                options=kinds, value="residual", description="kind", style=WIDE
            ),
            "blocks": slider(2, 1, 6, description="blocks of a stage", style=WIDE),
            "width": slider(4, 1, 20, description="width", style=WIDE),
        }

    def still_figure(self) -> Figure:
        """A residual network that leaves room, and the study."""
        drawing, axes = figure(2, height=3.3)
        _draw_setting(axes, "residual", 2, 4)
        return drawing


def _draw_setting(axes: Sequence[Axes], kind: str, blocks: int, width: int) -> None:
    parts = stages(kind, width, blocks)
    _draw_costs(axes[0], costs_of(parts))
    fits = costs_of(parts).fits(BUDGET)
    told = "within the budget" if fits else "OVER the budget"
    axes[0].set_title(f"{NAMES[kind]}, {layers_of(parts)} layers, width {width}: {told}", size=10)
    draw_depths(axes[1])
    most = widest(kind, blocks)
    axes[1].axvline(layers_of(parts), color="gray", linewidth=1, linestyle=":")
    axes[1].set_title(f"at this depth the budget allows width {most}", size=10)


def _draw_costs(axis: Axes, costs: Costs) -> None:
    """Two bars, in units of the budget."""
    shares = {
        f"parameters\n{costs.parameters:,}": costs.parameters / BUDGET.parameters,
        f"multiply-adds\n{costs.multiply_adds:,}": costs.multiply_adds / BUDGET.multiply_adds,
    }
    colours = [COLOURS["plain" if share > 1 else "residual"] for share in shares.values()]
    # At places, not by name: an axis would keep the names of all settings shown before.
    axis.bar([0, 1], [min(s, MOST_SHOWN) for s in shares.values()], color=colours, width=0.5)
    axis.set_xticks([0, 1], list(shares))
    for place, share in enumerate(shares.values()):
        axis.text(place, min(share, MOST_SHOWN) + 0.03, f"{share:.2f}", ha="center")
    axis.set_axisbelow(True)
    axis.axhline(1, color="black", linewidth=1.2, linestyle="--")
    axis.set(ylabel="share of the budget", ylim=(0, MOST_SHOWN + 0.25), xlim=(-0.6, 1.6))


def draw_depths(axis: Axes) -> None:
    """Test error by layers of the shipped networks that use up the budget, by kind."""
    study = load_study("challenge_depths")
    for kind, role in ROLES.items():
        errors = [study[kind, blocks].test_error[:, -1] for blocks in BLOCKS[kind]]
        aside = ASIDE.get(kind, 0.0)
        depths = [layers_of(stages(kind, 4, blocks)) + aside for blocks in BLOCKS[kind]]
        axis.errorbar(
            depths,
            [error.mean().item() for error in errors],
            yerr=[error.std().item() for error in errors],
            fmt=MARKERS[role],
            linestyle=DASHES[role],
            color=COLOURS[role],
            capsize=3,
            label=NAMES[kind],
        )
    axis.set(xlabel="layers", ylabel="test error (%)", ylim=(0, 95))
    axis.set_xticks([layers_of(stages("conv", 4, blocks)) for blocks in BLOCKS["conv"]])
    title = "mean ± deviation, 3 seeds"
    axis.legend(fontsize=8, title=title, title_fontsize=8, loc="upper left")
