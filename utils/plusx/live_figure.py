"""A figure that is drawn again and again, quickly enough to follow a slider."""

import io
from collections.abc import Callable, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from plusx.plots import STYLE
from plusx.stamped_axis import stamp_axis

DPI = 90
ROOM = 0.14  # inches
NO_MATHTEXT = str.maketrans({"$": "", "{": "", "}": "", "\\": " ", "\n": ", "})
Paint = Callable[[Sequence[Axes]], object]


class LiveFigure:
    """One row of panels whose layout is settled by what is drawn first.

    Finding a layout takes longer than drawing, so panels keep their places; what is drawn later
    may need room for two more digits, and not for much more. Panels also keep what they say
    about ticks, grid and frame, since making these anew is half of drawing. size: inches; widths:
    of the panels, relative to each other.
    """

    def __init__(self, size: tuple[float, float], widths: tuple[float, ...] = (1,)) -> None:
        with mpl.rc_context(STYLE):
            self._figure = Figure(figsize=size, dpi=DPI)
            self._canvas = FigureCanvasAgg(self._figure)
            # Room beside the panels for numbers that get longer than those of the first picture.
            self._figure.set_layout_engine("constrained", w_pad=ROOM)
            panels = self._figure.subplots(1, len(widths), squeeze=False, width_ratios=widths)
            self._axes: list[Axes] = list(panels[0])
            self._is_settled = False

    def png(self, paint: Paint) -> bytes:
        """A PNG of what `paint` draws into the panels, which are empty when it is called."""
        # Titles stay where they are: looking for a place above the ticks draws all ticks twice.
        with mpl.rc_context({**STYLE, "axes.titley": 1.0}):
            for axis in self._axes:
                _empty(axis)
            paint(self._axes)
            if not self._is_settled:
                self._settle()
            with io.BytesIO() as stream:
                # Not by savefig, which draws twice; packed lightly, since it does not travel far.
                self._canvas.print_png(stream, pil_kwargs={"compress_level": 1})
                return stream.getvalue()

    def words(self) -> str:
        """What the panels say above and beside them, for readers who do not see them."""
        return "; ".join(filter(None, map(_words, self._axes)))

    def _settle(self) -> None:
        """Find the panels' places, where they stay, as do the labels below them.

        Those beside them make room for what numbers need.
        """
        self._figure.draw_without_rendering()
        self._figure.set_layout_engine("none")
        for axis in self._axes:
            label = axis.xaxis.label
            axis.xaxis.set_label_coords(*label.get_position(), label.get_transform())
            for direction in (axis.xaxis, axis.yaxis):
                stamp_axis(direction)
        self._is_settled = True


def _words(axis: Axes) -> str:
    drawn = " by ".join(filter(None, (axis.get_ylabel(), axis.get_xlabel())))
    return ": ".join(filter(None, (drawn, axis.get_title()))).translate(NO_MATHTEXT)


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
