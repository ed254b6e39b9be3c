"""Explorers: controls above a live figure, and a still figure where widgets cannot run."""

import base64
import html
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, partial
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from plusx.live_figure import LiveFigure
from plusx.plots import (
    COLOURS,
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
UNSEEN = {"width": "1px", "height": "1px", "margin": "0", "overflow": "hidden"}  # but read aloud
WIDE = {"description_width": "initial"}


class Explorer:
    """Controls and one live figure; make it the last expression of a cell.

    A subclass says what is drawn for one setting (`paint`), into panels of which size (`size`,
    `widths`), what the controls are (`inputs`), and what readers without a kernel see
    (`still_figure`). `about` names the subject, `alt` says what the still figure shows, for readers
    who do not see it. `make explorers` measures how long a step takes in a browser.
    """

    about = ""
    alt = ""
    size = (7.0, 3.4)  # inches
    widths: tuple[float, ...] = (1,)  # of the panels, relative to each other

    @cached_property
    def _live(self) -> LiveFigure:
        return LiveFigure(self.size, self.widths)

    def paint(self, axes: Sequence[Axes], **setting: Any) -> None:
        """Draw one setting of the controls into empty panels."""
        raise NotImplementedError

    def draw(self, **setting: Any) -> bytes:
        """A PNG for one setting of the controls."""
        with _one_thread():
            return self._live.png(partial(self.paint, **setting))

    def inputs(self) -> dict[str, Any]:
        """The controls, by the argument of `paint` that each sets.

        Sliders and checkboxes: of a dropdown list JupyterLab takes the arrow keys for itself.
        """
        raise NotImplementedError

    def still_figure(self) -> Figure:
        """A figure of several settings at once."""
        raise NotImplementedError

    def controls(self) -> Any:
        """The box of ipywidgets: controls, two in a row, the figure, and the figure in words."""
        inputs = self.inputs()
        # At its own size: a box would stretch it to the width of the page.
        picture = ipywidgets.Image(
            format="png", layout={"align_self": "flex-start", "max_width": "100%"}
        )
        words = ipywidgets.HTML(layout=UNSEEN)  # ipywidgets' pictures take no text of their own

        def update(_change: object = None) -> None:
            picture.value = self.draw(**{name: item.value for name, item in inputs.items()})
            words.value = html.escape(f"Figure: {self._live.words()}")

        for item in inputs.values():
            item.observe(update, names="value")
        update()
        items = [*inputs.values()]
        rows = [ipywidgets.HBox(items[n : n + 2]) for n in range(0, len(items), 2)]
        return ipywidgets.VBox([*rows, picture, words])

    def still(self) -> bytes:
        """A PNG of the still figure."""
        drawing = self.still_figure()
        plt.close(drawing)  # or the cell would show it a second time
        with io.BytesIO() as stream:
            drawing.savefig(stream, format="png")
            return stream.getvalue()

    def _repr_mimebundle_(self, **_: object) -> tuple[dict[str, Any], dict[str, Any]]:
        """The widget for front ends that have widgets, the still figure for all others."""
        still = base64.b64encode(self.still()).decode()
        bundle = self.controls()._repr_mimebundle_() if ipywidgets is not None else {}
        bundle |= {"text/plain": self.about, "image/png": still}
        return bundle, {"image/png": {"alt": self.alt or self.about}}


class GradientExplorer(Explorer):
    """Depth, gain, skip and norm against the gradient norms of every layer."""

    about = "gradient norms by layer"
    alt = (
        "Gradient norms of 50 layers, relative to the output, for four gains. Without skip they "
        "vanish towards the input at gains below 1.41 and explode at 2; with skip they explode at "
        "all four, the more the larger the gain."
    )

    def paint(  # type: ignore[override]
        self, axes: Sequence[Axes], depth: int, gain: float, skip: bool, norm: bool
    ) -> None:
        """The gradient norms of 5 seeds for one setting."""
        runs = gradient_profile(depth, gain, skip, norm, width=32, batch=16, seeds=SEEDS)
        colour = COLOURS["residual" if skip else "plain"]
        axes[0].plot(range(depth + 1), runs.numpy().T, color=colour, linewidth=1.2)
        gradient_axes(axes[0], _summary(runs, skip, norm))
        axes[0].set(xlim=(0, depth), ylim=LIMITS)

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

    size = (5.5, 3.2)

    def __init__(self) -> None:
        self._runs = load_reference("degradation_grid")

    def paint(  # type: ignore[override]
        self, axes: Sequence[Axes], lr: float, norm: bool, epoch: int, test: bool
    ) -> None:
        """The errors by depth, plain and residual, for one setting."""
        kind = "test" if test else "training"
        when = f"{kind} error after {epoch} epoch{'s' if epoch != 1 else ''}, lr {lr:g}"
        self._panel(axes[0], lr, norm, epoch, test, when)
        axes[0].legend(title=f"mean ± deviation, {SEEDS} seeds")

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


@contextmanager
def _one_thread() -> Iterator[None]:
    """For tensors as small as an explorer's: threads would wait for each other and the browser."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _summary(runs: Tensor, skip: bool, norm: bool) -> str:
    exponent = runs[:, 0].log10().median().item()
    parts = ["with skip" if skip else "without skip", "batch norm" if norm else "no norm"]
    return f"{', '.join(parts)}: at the input $10^{{{exponent:.1f}}}$ (median of {SEEDS} seeds)"
