"""A figure that is drawn again and again, quickly enough to follow a slider."""

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from plusx.plots import STYLE

DPI = 90
Paint = Callable[[Sequence[Axes]], object]


class LiveFigure:
    """One row of panels whose layout is settled by what is drawn first.

    Finding a layout takes longer than drawing, so panels keep their places; what is drawn first
    should need as much room for its numbers as what comes later. Panels also keep what they say
    about ticks, grid and frame, since making these anew is half of drawing. size: inches; widths:
    of the panels, relative to each other.
    """

    def __init__(self, size: tuple[float, float], widths: tuple[float, ...] = (1,)) -> None:
        with mpl.rc_context(STYLE):
            self._figure = Figure(figsize=size, dpi=DPI)
            self._canvas = FigureCanvasAgg(self._figure)
            panels = self._figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)
            self._axes: list[Axes] = list(panels[0])

    def png(self, paint: Paint) -> bytes:
        """A PNG of what `paint` draws into the panels, which are empty when it is called."""
        # Titles stay where they are: looking for a place above the ticks draws all ticks twice.
        with mpl.rc_context({**STYLE, "axes.titley": 1.0}):
            for axis in self._axes:
                _empty(axis)
            paint(self._axes)
            with io.BytesIO() as stream:
                # Not by savefig, which draws twice; packed lightly, since it does not travel far.
                self._canvas.print_png(stream, pil_kwargs={"compress_level": 1})
                self._figure.set_layout_engine("none")
                return stream.getvalue()


def _empty(axis: Axes) -> None:
    """Take out what was drawn; `axis.clear()` would also throw away all ticks, which are slow."""
    for container in [*axis.containers]:
        container.remove()
    for kind in (axis.lines, axis.collections, axis.patches, axis.texts, axis.images, axis.artists):
        for artist in [*kind]:
            artist.remove()
    if legend := axis.get_legend():
        legend.remove()
    axis.set(title="", xscale="linear", yscale="linear", xlim=(0, 1), ylim=(0, 1))
    axis.set_autoscale_on(True)  # setting limits had turned it off
    axis.relim()
    axis.set_prop_cycle(None)
