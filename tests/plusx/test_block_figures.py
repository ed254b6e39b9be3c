"""Figures of blocks, points and fields, and the explorer of blocks."""

import base64
import io

import numpy
import pytest
import torch
from matplotlib.text import Text
from PIL import Image

from plusx import ArgumentError, block_explorer, block_layers, plots

PNG = b"\x89PNG\r\n\x1a\n"


def test_blocks_are_drawn_with_their_channels():
    shapes = {"a": block_layers(64, 16), "b": block_layers(8, 48, 5, 48)}
    axes = plots.block_shapes(shapes).axes
    assert [axis.get_title() for axis in axes] == ["a", "b"]
    texts = [text.get_text() for text in axes[1].texts]
    assert texts == ["1×1", "8", "5×5\ndepthwise", "48", "1×1", "48", "8"]


def test_names_of_points_do_not_hide_each_other():
    drawing, (axis,) = plots.figure(wide=True)
    axis.set(xscale="log", yscale="log", xlim=(1, 100), ylim=(1, 100))
    runs = torch.tensor([9.0, 11.0])
    points = {f"point {n}": plots.Point(10.0 + n / 2, 10, runs, "first") for n in range(4)}
    plots.plot_points(axis, points, {"plain": "dense"})
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["dense"]
    drawing.canvas.draw()
    assert [text.get_text() for text in axis.texts] == list(points)
    boxes = [text.get_window_extent() for text in axis.texts]
    assert all(box.count_overlaps(boxes) == 1 for box in boxes)  # with itself
    with pytest.raises(ArgumentError, match="plot_points"):
        plots.plot_points(axis, {"a": plots.Point(1, 1, runs, "no such role")}, {})


def test_fields_are_boxed():
    drawing = plots.show_fields({"a": (torch.rand(9, 9), 5)})
    (box,) = drawing.axes[0].patches
    assert (box.get_x(), box.get_width()) == (1.5, 5)  # pixels 2 to 6 of 0 to 8


def test_the_block_explorer_draws_any_setting():
    explorer = block_explorer.BlockExplorer()
    settings = [
        (64, 1 / 8, 1, "32", 7, 1),
        (512, 6, 7, "depthwise", 56, 64),
        (256, 1, 3, "4", 14, 8),
    ]
    names = explorer.inputs()
    pictures = {explorer.draw(**dict(zip(names, setting, strict=True))) for setting in settings}
    assert len(pictures) == 3 and all(picture.startswith(PNG) for picture in pictures)


def test_groups_of_the_block_explorer_fit_the_width():
    for channels in (64, 128, 256, 512):
        for ratio in block_explorer.RATIOS.values():
            for grouping in block_explorer.GROUPINGS:
                layers = block_explorer.explored_block(channels, ratio, 3, grouping)
                assert layers[1].in_channels == channels * ratio


def shown_in(axis):
    """Words and shapes of a panel, wherever it stands."""
    axis.figure.draw_without_rendering()
    words = [text.get_text() for text in axis.findobj(Text) if text.get_text()]
    shapes = [
        (
            type(p).__name__,
            p.get_path().vertices.tolist(),
            p.get_facecolor(),
            p.get_patch_transform().get_matrix().tolist(),
        )
        for p in axis.patches
    ]
    return words, shapes


def test_the_block_explorer_has_a_still_figure_and_its_controls():
    explorer = block_explorer.BlockExplorer()
    bundle, _ = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(PNG)
    inputs = explorer.inputs()
    drawn = explorer.draw(**{name: item.value for name, item in inputs.items()})
    both = [numpy.asarray(Image.open(io.BytesIO(picture))) for picture in (drawn, explorer.still())]
    assert both[0].shape == both[1].shape
    # Panels of the live one have more room between them: what they show is the same.
    live, still = explorer._live._axes, explorer.still_figure().axes
    assert len(live) == len(still) == 2
    assert [shown_in(axis) for axis in live] == [shown_in(axis) for axis in still]
