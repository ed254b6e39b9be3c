"""Figures are labelled and drawn; the explorer is quick and has a still figure."""

import base64
import time

import pytest
import torch

from plusx import ArgumentError, plots, widgets

PNG = b"\x89PNG\r\n\x1a\n"


def test_roles_have_colours_and_dashes_that_differ():
    assert plots.COLOURS.keys() == plots.DASHES.keys()
    assert len(set(plots.COLOURS.values())) == len(plots.COLOURS)
    assert plots.DASHES["plain"] != plots.DASHES["residual"]


def test_runs_are_drawn_as_median_and_range():
    _, (axis,) = plots.figure()
    plots.plot_runs(axis, [0, 1], torch.tensor([[1.0, 2.0], [3.0, 4.0], [8.0, 9.0]]), "a", "plain")
    assert axis.lines[0].get_ydata().tolist() == [3.0, 4.0]
    bottom, top = axis.collections[0].get_paths()[0].get_extents().intervaly
    assert (bottom, top) == (1.0, 9.0)


def test_an_unknown_role_is_refused():
    _, (axis,) = plots.figure()
    with pytest.raises(ArgumentError, match="plot_runs"):
        plots.plot_runs(axis, [0], torch.ones(1, 1), "a", "no such role")


def test_means_are_drawn_with_their_deviation():
    _, (axis,) = plots.figure()
    plots.plot_means(
        axis, [8, 20], [torch.tensor([1.0, 3.0]), torch.tensor([5.0, 5.0])], "a", "plain"
    )
    line, _, (bars,) = axis.containers[0]
    assert line.get_ydata().tolist() == [2.0, 5.0]
    low, high = bars.get_segments()[0][:, 1]
    assert high - low == pytest.approx(2 * 2**0.5)
    plots.error_axes(axis, [8, 20], "title", "error (%)")
    assert [label.get_text() for label in axis.get_xticklabels()] == ["8", "20"]
    with pytest.raises(ArgumentError, match="plot_means"):
        plots.plot_means(axis, [0], [torch.ones(2)], "a", "no such role")


def test_gradient_panels_are_labelled():
    axes = plots.gradient_panels(depth=4).axes
    assert [axis.get_title() for axis in axes] == ["without skip, 4 layers", "with skip, 4 layers"]
    assert all(axis.get_xlabel() and axis.get_yscale() == "log" for axis in axes)
    assert axes[0].get_ylabel() and len(axes[0].get_legend().get_texts()) == 4


def test_pictures_and_diagram_are_drawn():
    assert len(plots.show_images({"a": torch.rand(3, 3), "b": torch.rand(3, 3)}).axes) == 2
    *_, bar = plots.show_images({"a": torch.rand(3, 3)}, scale="share").axes
    assert bar.get_ylabel() == "share" and bar.get_ylim() == (0.0, 1.0)
    texts = [text.get_text() for text in plots.block_diagram().axes[0].texts]
    assert texts.count("conv 3×3") == texts.count("norm") == texts.count("ReLU") == 2


def test_the_explorer_draws_any_setting():
    explorer = widgets.GradientExplorer()
    pictures = {
        explorer.draw(depth=depth, gain=gain, skip=skip, norm=norm)
        for depth, gain, skip, norm in [
            (1, 1.0, False, False),
            (100, 0.1, False, False),
            (100, 3.0, True, False),
            (100, 3.0, True, True),
        ]
    }
    assert len(pictures) == 4
    assert all(picture.startswith(PNG) for picture in pictures)


def test_a_step_of_the_explorer_is_smooth():
    """Under 100 ms where nothing else runs: in CPU time, which others hardly change."""
    explorer = widgets.GradientExplorer()
    explorer.draw(depth=10, gain=1.0, skip=True, norm=False)
    times = []
    for depth in range(46, 51):
        start = time.process_time()
        explorer.draw(depth=depth, gain=1.0, skip=True, norm=False)
        times.append(time.process_time() - start)
    assert min(times) < 0.2


def test_the_depth_explorer_draws_any_setting():
    explorer = widgets.DepthExplorer()
    settings = [
        {"lr": item, "norm": norm, "epoch": epoch, "test": test}
        for item, norm, epoch, test in [
            (0.05, True, 8, False),
            (0.05, True, 8, True),
            (0.005, False, 0, False),
            (0.2, False, 1, False),
        ]
    ]
    pictures = {explorer.draw(**setting) for setting in settings}
    assert len(pictures) == 4
    assert all(picture.startswith(PNG) for picture in pictures)


def test_every_position_of_the_depth_explorers_controls_has_its_runs():
    inputs = widgets.DepthExplorer().inputs()
    assert tuple(inputs["lr"].options) == widgets.LEARNING_RATES
    explorer = widgets.DepthExplorer()
    for lr in inputs["lr"].options:
        for norm in (True, False):
            record = explorer._runs[56, lr, norm, True]
            assert record.train_error.shape == (5, inputs["epoch"].max + 1)


def test_a_control_redraws_the_figure():
    box = widgets.GradientExplorer().controls()
    picture, depth = box.children[-2], box.children[0].children[0]
    before = picture.value
    depth.value = 12
    assert picture.value != before
    assert bytes(picture.value).startswith(PNG)
    assert picture.layout.align_self == "flex-start", "the box would stretch it"


@pytest.mark.parametrize("explorer", [widgets.GradientExplorer, widgets.DepthExplorer])
def test_the_bundle_holds_a_widget_and_a_still_figure(explorer):
    bundle, metadata = explorer()._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert base64.b64decode(bundle["image/png"]).startswith(PNG)
    assert metadata == {"image/png": {"alt": explorer.alt}} and len(explorer.alt) > 40


def test_without_ipywidgets_the_still_figure_remains(monkeypatch):
    monkeypatch.setattr(widgets, "ipywidgets", None)
    bundle, _ = widgets.GradientExplorer()._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "image/png"}


def test_a_figure_is_shown_with_its_text_and_closed(monkeypatch):
    shown = []
    monkeypatch.setattr(plots, "get_ipython", object)
    monkeypatch.setattr(plots, "format_display_data", lambda _: ({"image/png": "aGk="}, {}))
    monkeypatch.setattr(plots, "display", lambda data, **how: shown.append((data, how)))
    plots.figure()
    open_before = len(plots.plt.get_fignums())
    plots.show('two "lines" <rising>')
    assert len(plots.plt.get_fignums()) == open_before - 1
    ((data, how),) = shown
    assert how == {"metadata": {"image/png": {"alt": 'two "lines" <rising>'}}, "raw": True}
    assert data["text/plain"] == 'two "lines" <rising>'
    picture = '<img alt="two &quot;lines&quot; &lt;rising&gt;" src="data:image/png;base64,aGk=">'
    assert data["text/html"] == picture


def test_a_figure_without_a_text_is_refused():
    with pytest.raises(ArgumentError, match="a figure needs a text"):
        plots.show(" ")
