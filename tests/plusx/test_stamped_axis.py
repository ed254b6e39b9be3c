"""An axis that is stamped looks as one that is drawn."""

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from plusx.stamped_axis import stamp_axis

CHANGES = [  # one after the other; each changes what an axis looks like
    lambda axis: axis.set_xlim(0, 7),
    lambda axis: axis.set_ylim(3, -2),
    lambda axis: axis.set(xlabel="layer", ylabel="share"),
    lambda axis: axis.set_yticks([0, 1], ["none", "all"]),
    lambda axis: axis.grid(True, axis="x"),
    lambda axis: axis.tick_params(axis="x", labelsize=14),
    lambda axis: axis.set(yscale="log", ylim=(1e-1, 1e1)),
    lambda axis: axis.yaxis.set_minor_locator(NullLocator()),
    lambda axis: axis.set_position([0.3, 0.3, 0.4, 0.5]),
    lambda axis: axis.xaxis.set_visible(False),
]


def panel(size=(3, 2)):
    drawing = Figure(figsize=size, dpi=60)
    FigureCanvasAgg(drawing)
    return drawing.add_axes([0.2, 0.2, 0.7, 0.7])


def pixels(axis):
    axis.figure.canvas.draw()
    return np.array(axis.figure.canvas.buffer_rgba()).astype(int)


@mpl.style.context("default")  # the house style has a grid
def test_a_stamp_is_what_would_be_drawn():
    drawn, stamped = panel(), panel()
    stamp_axis(stamped.xaxis)
    stamp_axis(stamped.yaxis)
    before = pixels(stamped)
    for change in CHANGES:
        change(drawn)
        change(stamped)
        expected, found = pixels(drawn), pixels(stamped)
        assert abs(found - expected).max() <= 2, "rounding of half-transparent pixels"
        assert abs(found - before).max() > 40, "the change is to be seen"
        before = found
    assert (pixels(stamped) == before).all()


@mpl.style.context("default")
def test_what_has_not_changed_is_not_drawn_again(monkeypatch):
    axis = panel()
    drawn = []
    inner = axis.yaxis.draw
    monkeypatch.setattr(axis.yaxis, "draw", lambda sheet: (drawn.append(1), inner(sheet)))
    stamp_axis(axis.yaxis)
    for top in (1, 1, 5, 1, 5):
        axis.set_ylim(0, top)
        pixels(axis)
    assert len(drawn) == 2
