"""Explorers: controls above a live figure, and a still figure where widgets cannot run."""

import base64
import io
from typing import Any

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from plusx.plots import (
    COLOURS,
    STYLE,
    error_axes,
    figure,
    gradient_axes,
    gradient_panels,
    plot_means,
)
from plusx.probes import gradient_profile
from plusx.reference import GRID_DEPTHS, LEARNING_RATES, load_reference

try:
    import ipywidgets
except ImportError:  # the still figure remains
    ipywidgets = None

LIMITS = (1e-20, 1e20)  # of the axis: fixed, so that curves of two settings compare
SEEDS = 5
WIDE = {"description_width": "initial"}


class Explorer:
    """Controls and one live figure; make it the last expression of a cell.

    A subclass says what is drawn for one setting (`draw`), what the controls are (`inputs`), and
    what readers without a kernel see (`still_figure`). `about` names the subject, `alt` says what
    the still figure shows, for readers who do not see it.
    """

    about = ""
    alt = ""

    def draw(self, **setting: Any) -> bytes:
        """A PNG for one setting of the controls."""
        raise NotImplementedError

    def inputs(self) -> dict[str, Any]:
        """The controls, by the argument of `draw` that each sets."""
        raise NotImplementedError

    def still_figure(self) -> Figure:
        """A figure of several settings at once."""
        raise NotImplementedError

    def controls(self) -> Any:
        """The box of ipywidgets: controls above the figure, two in a row."""
        inputs = self.inputs()
        # At its own size: a box would stretch it to the width of the page.
        picture = ipywidgets.Image(
            format="png", layout={"align_self": "flex-start", "max_width": "100%"}
        )

        def update(_change: object = None) -> None:
            picture.value = self.draw(**{name: item.value for name, item in inputs.items()})

        for item in inputs.values():
            item.observe(update, names="value")
        update()
        items = [*inputs.values()]
        rows = [ipywidgets.HBox(items[n : n + 2]) for n in range(0, len(items), 2)]
        return ipywidgets.VBox([*rows, picture])

    def still(self) -> bytes:
        """A PNG of the still figure."""
        drawing = self.still_figure()
        plt.close(drawing)  # or the cell would show it a second time
        return _png(drawing)

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget for front ends that have widgets, the still figure for all others."""
        still = base64.b64encode(self.still()).decode()
        bundle = self.controls()._repr_mimebundle_() if ipywidgets is not None else {}
        bundle |= {"text/plain": self.about, "image/png": still}
        return bundle, {"image/png": {"alt": self.alt or self.about}}


class GradientExplorer(Explorer):
    """Depth, gain, skip and norm against the gradient norms of every layer.

    One step takes some 50 ms on one CPU core.
    """

    about = "gradient norms by layer"
    alt = (
        "Gradient norms of 50 layers, relative to the output, for four gains. Without skip they "
        "vanish towards the input at gains below 1.41 and explode at 2; with skip they explode at "
        "all four, the more the larger the gain."
    )

    def __init__(self) -> None:
        with mpl.rc_context(STYLE | {"figure.constrained_layout.use": False}):
            self._figure = Figure(figsize=(7, 3.6), dpi=90)
            FigureCanvasAgg(self._figure)
            self._axis = self._figure.subplots()
            self._axis.set_ylim(LIMITS)
            self._lines = [self._axis.plot([], [], linewidth=1.2)[0] for _ in range(SEEDS)]
            gradient_axes(self._axis, " ")
            self._figure.tight_layout()

    def draw(self, depth: int, gain: float, skip: bool, norm: bool) -> bytes:  # type: ignore[override]
        """A PNG of the gradient norms of 5 seeds for one setting."""
        runs = gradient_profile(depth, gain, skip, norm, width=32, batch=16, seeds=SEEDS)
        colour = COLOURS["residual" if skip else "plain"]
        for line, run in zip(self._lines, runs, strict=True):
            line.set(data=(range(depth + 1), run.numpy()), color=colour)
        self._axis.set_xlim(0, depth)
        self._axis.set_title(_summary(runs, skip, norm))
        return _png(self._figure)

    def inputs(self) -> dict[str, Any]:
        """Sliders for depth and gain, switches for skip and norm."""
        return {
            "depth": ipywidgets.IntSlider(50, 1, 100, description="depth (layers)", style=WIDE),
            "gain": ipywidgets.FloatSlider(1.0, min=0.1, max=3.0, step=0.05, description="gain"),
            "skip": ipywidgets.Checkbox(False, description="skip connection", style=WIDE),
            "norm": ipywidgets.Checkbox(False, description="batch norm", style=WIDE),
        }

    def still_figure(self) -> Figure:
        """Four gains without and with the skip."""
        return gradient_panels()


class DepthExplorer(Explorer):
    """Learning rate, norm and training time against the training error at seven depths.

    Shows the shipped study `degradation_grid`: nothing is trained when a control moves.
    """

    about = "training error by depth"
    alt = (
        "Training error by depth, 2 to 56 layers, plain and residual. With batch norm plain "
        "networks climb from nearly 0 to above 80 % and residual ones stay below 10 %; without "
        "norm both fail from 32 layers on."
    )

    def __init__(self) -> None:
        self._runs = load_reference("degradation_grid")

    def draw(self, lr: float, norm: bool, epoch: int, test: bool) -> bytes:  # type: ignore[override]
        """A PNG of the errors by depth, plain and residual, for one setting."""
        drawing, (axis,) = figure(height=3.2)
        plt.close(drawing)
        kind = "test" if test else "training"
        when = f"{kind} error after {epoch} epoch{'s' if epoch != 1 else ''}, lr {lr:g}"
        self._panel(axis, lr, norm, epoch, test, when)
        axis.legend(title=f"mean ± deviation, {SEEDS} seeds")
        return _png(drawing)

    def inputs(self) -> dict[str, Any]:
        """A slider over the learning rates, one over the epochs, and two switches."""
        return {
            "lr": ipywidgets.SelectionSlider(
                options=LEARNING_RATES, value=0.05, description="learning rate", style=WIDE
            ),
            "epoch": ipywidgets.IntSlider(8, 0, 8, description="after epoch", style=WIDE),
            "norm": ipywidgets.Checkbox(True, description="batch norm", style=WIDE),
            "test": ipywidgets.Checkbox(False, description="test error instead", style=WIDE),
        }

    def still_figure(self) -> Figure:
        """The usual setting with and without norm, after 8 epochs."""
        drawing, axes = figure(2, share_y=True)
        for axis, norm in zip(axes, (True, False), strict=True):
            title = f"lr 0.05, 8 epochs, {'batch norm' if norm else 'no norm'}"
            self._panel(axis, 0.05, norm, 8, False, title)
        axes[1].set_ylabel("")
        axes[0].legend(title=f"mean ± deviation, {SEEDS} seeds")
        return drawing

    def _panel(self, axis: Axes, lr: float, norm: bool, epoch: int, test: bool, title: str) -> None:
        for role in ("plain", "residual"):
            records = [self._runs[depth, lr, norm, role == "residual"] for depth in GRID_DEPTHS]
            errors = [r.test_error if test else r.train_error for r in records]
            plot_means(axis, GRID_DEPTHS, [e[:, epoch] for e in errors], role, role)
        error_axes(axis, GRID_DEPTHS, title, f"{'test' if test else 'training'} error (%)")
        axis.set_ylim(-4, 104)


def _png(drawing: Figure) -> bytes:
    with io.BytesIO() as stream:
        drawing.savefig(stream, format="png")
        return stream.getvalue()


def _summary(runs: Tensor, skip: bool, norm: bool) -> str:
    exponent = runs[:, 0].log10().median().item()
    parts = ["with skip" if skip else "without skip", "batch norm" if norm else "no norm"]
    return f"{', '.join(parts)}: at the input $10^{{{exponent:.1f}}}$ (median of {SEEDS} seeds)"
