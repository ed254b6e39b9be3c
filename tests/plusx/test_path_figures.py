"""The figures and the explorer of lesson 05."""

from math import comb

import pytest
import torch
from matplotlib import pyplot as plt

from plusx import path_plots, paths, plots
from plusx.path_explorer import DIRECTIONS, PathExplorer, length_masses


@pytest.fixture(autouse=True)
def closed_figures():
    yield
    plt.close("all")


def study() -> path_plots.LengthStudy:
    exact = [torch.rand(11) + 0.1 for _ in range(3)]
    sampled = [torch.rand(7 * 4) + 0.1 for _ in range(3)]
    return path_plots.measure_lengths(exact, sampled, samples=4, blocks=10)


def test_a_study_multiplies_single_paths_by_their_number():
    made = study()
    assert made.exact.shape == (3, 11) and made.single.shape == (3, 7)
    assert made.lengths == range(7)
    assert made.counts.tolist() == [comb(10, k) for k in range(7)]
    torch.testing.assert_close(made.sampled[:, 3], 120 * made.single[:, 3])


@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_the_diagram_has_a_box_for_every_branch_of_every_path(blocks):
    drawing = path_plots.unraveled_diagram(blocks)
    chain, sheaf = ([text.get_text() for text in axis.texts] for axis in drawing.axes)
    assert sum(text.startswith("$F_") for text in chain) == blocks
    assert sum(text.startswith("$F_") for text in sheaf) == blocks * 2 ** (blocks - 1)
    lengths = [int(text) for text in sheaf if text.isdigit()]
    assert lengths == sorted(lengths)
    assert [lengths.count(k) for k in range(blocks + 1)] == [
        comb(blocks, k) for k in range(blocks + 1)
    ]


def test_the_panels_are_labelled():
    drawing = path_plots.length_panels(study(), longest=8)
    assert all(
        axis.get_xlabel() and axis.get_ylabel() and axis.get_title() for axis in drawing.axes
    )


def test_range_bars_show_the_ranges():
    _, (axis,) = plots.figure()
    masses = torch.tensor([[0.0, 1.0, 98.0, 1.0], [0.0, 1.0, 98.0, 1.0]])
    path_plots.range_bars(axis, {"some": (masses, "black")}, longest=5)
    assert [text.get_text() for text in axis.texts] == ["2 to 2"]


def test_lesions_are_drawn_by_place():
    _, (axis,) = plots.figure()
    path_plots.plot_lesions(axis, torch.ones(3, 4), torch.ones(3), "some", "black", "o", "-")
    path_plots.guessing(axis)
    places = axis.lines[0].get_xdata()
    assert list(places) == [0.125, 0.375, 0.625, 0.875]


def test_masses_of_one_direction_are_binomial():
    a, n = 0.3, 20
    masses = length_masses(n, a, 1.0)
    expected = [comb(n, k) * a**k / (1 + a) ** n for k in range(n + 1)]
    torch.testing.assert_close(masses, torch.tensor(expected, dtype=torch.float64))
    assert paths.effective_length(masses) == pytest.approx(n * a / (1 + a))
    assert length_masses(110, 2.0, 1.0).sum() == pytest.approx(1.0)


def test_random_directions_make_the_gradient_shallower():
    both = [paths.effective_length(length_masses(54, 0.25, p)) for p in DIRECTIONS.values()]
    assert both[0] > 2 * both[1]


@pytest.mark.parametrize("directions", DIRECTIONS)
@pytest.mark.parametrize(("blocks", "factor"), [(1, 0.05), (54, 0.25), (110, 2.0)])
def test_the_explorer_draws_any_setting(blocks, factor, directions):
    image = PathExplorer().draw(blocks=blocks, factor=factor, directions=directions)
    assert image.startswith(b"\x89PNG")


def test_the_explorer_has_a_widget_and_a_still_figure():
    bundle, _ = PathExplorer()._repr_mimebundle_()
    assert "image/png" in bundle and "text/plain" in bundle
    assert "application/vnd.jupyter.widget-view+json" in bundle
