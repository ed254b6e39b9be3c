"""The figures and the explorer of lesson 06."""

import base64

import torch

from plusx import plots
from plusx import transformer_figures as figures
from plusx.transformer_figures import WiringExplorer, start_profile
from plusx.transformers import Transformer


def test_the_diagram_shows_both_blocks():
    drawing = figures.wiring_diagram()
    texts = [[t.get_text() for t in axis.texts] for axis in drawing.axes]
    assert [names.count("norm") for names in texts] == [2, 2]
    assert all(names.count("+") == 2 for names in texts)


def test_bars_show_mean_and_every_seed():
    _, (axis,) = plots.figure()
    figures.show_bars(axis, {"one": torch.tensor([10.0, 20.0]), "two": torch.tensor([1.0, 1.0])})
    assert [bar.get_width() for bar in axis.patches] == [15.0, 1.0]
    assert [label.get_text() for label in axis.get_yticklabels()] == ["one", "two"]


def test_a_profile_has_a_size_for_every_state_and_a_gradient_for_every_block():
    torch.manual_seed(0)
    sizes, gradients = start_profile(Transformer(10, 8, blocks=5), sequences=8)
    assert len(sizes) == 6 and len(gradients) == 5
    assert sizes[-1] > sizes[0] > 0 and min(gradients) > 0


def test_the_explorer_draws_what_its_controls_say():
    explorer = WiringExplorer()
    first = explorer.draw(wiring="pre", blocks=2, skips="both")
    assert first[:4] == b"\x89PNG"
    assert first != explorer.draw(wiring="post", blocks=2, skips="both")
    assert first == explorer.draw(wiring="pre", blocks=2, skips="both")


def test_the_explorer_has_a_still_figure_and_controls(monkeypatch):
    monkeypatch.setattr(figures, "SEEDS", 1)
    explorer = WiringExplorer()
    bundle, _ = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"])[:4] == b"\x89PNG"
    assert set(explorer.inputs()) == {"wiring", "blocks", "skips"}
