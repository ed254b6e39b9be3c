"""The figures and the explorer of lesson 07."""

import base64
import subprocess
import sys

import torch

from plusx import dense_figures
from plusx.dense import DenseBlock
from plusx.dense_explorer import DenseExplorer, layer_weights


def test_the_stack_grows_by_the_growth_rate():
    _, appended = dense_figures.stack_diagram(layers=3, first=8, growth=4).axes
    tops = [bar.get_y() + bar.get_height() for bar in appended.patches]
    assert max(tops) == 8 + 3 * 4
    assert [t.get_text() for t in appended.texts] == [
        "x",
        "x",
        "1",
        "x",
        "1",
        "2",
        "x",
        "1",
        "2",
        "3",
    ]


def test_the_diagram_names_both_skips():
    (axis,) = dense_figures.u_diagram().axes
    texts = [t.get_text() for t in axis.texts]
    assert {"long skip, level 0", "long skip, level 1"} <= set(texts)
    assert texts.count("two conv 3×3") == 5


def test_reuse_maps_hide_what_cannot_be_read():
    tables = {"one": torch.ones(3, 3).tril(), "two": torch.rand(3, 3)}
    drawing = dense_figures.reuse_maps(tables, ["a", "b"])
    image = drawing.axes[0].images[0].get_array()
    assert image.mask.sum() == 3 and image[2, 0] == 1


def test_pictures_stand_in_named_rows():
    drawing = dense_figures.picture_rows({"up": torch.zeros(4, 3, 3), "down": torch.ones(4, 3, 3)})
    assert len(drawing.axes) == 8
    assert [drawing.axes[n].get_ylabel() for n in (0, 4)] == ["up", "down"]


def test_the_explorer_draws_what_its_controls_say():
    explorer = DenseExplorer()
    first = explorer.draw(layers=3, growth=4, first=16, side=7)
    assert first[:4] == b"\x89PNG"
    assert first != explorer.draw(layers=4, growth=4, first=16, side=7)
    assert first == explorer.draw(layers=3, growth=4, first=16, side=7)
    bundle, metadata = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"])[:4] == b"\x89PNG"
    assert "DenseNet-121" in metadata["image/png"]["alt"]
    assert set(explorer.inputs()) == {"layers", "growth", "first", "side"}


def test_counted_weights_are_those_of_the_layers():
    for n, layer in enumerate(DenseBlock(3, 5, 4).members()):
        assert layer_weights(5, 4, n) == layer.conv1.weight.numel() + layer.conv2.weight.numel()


def test_machinery_does_not_load_matplotlib():
    names = ["dense", "reuse", "unet", "segmentation", "denoising", "dense_studies"]
    imports = ", ".join(f"plusx.{name}" for name in names)
    code = f"import sys, {imports}; print('matplotlib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
