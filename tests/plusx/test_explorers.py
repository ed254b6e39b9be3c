"""Every explorer: what it shows depends on its controls alone."""

import pytest

from plusx import widgets
from plusx.block_explorer import BlockExplorer
from plusx.challenge_explorer import ChallengeExplorer
from plusx.dense_explorer import DenseExplorer
from plusx.path_explorer import PathExplorer
from plusx.propagation_explorer import PropagationExplorer
from plusx.step_explorer import StepExplorer
from plusx.transformer_figures import WiringExplorer

EXPLORERS = {  # two settings of each, as unlike as the controls allow
    widgets.GradientExplorer: (
        {"depth": 20, "gain": 1.0, "skip": False, "norm": False},
        {"depth": 3, "gain": 3.0, "skip": True, "norm": True},
    ),
    widgets.DepthExplorer: (
        {"lr": 0.05, "norm": True, "epoch": 8, "test": False},
        {"lr": 0.2, "norm": False, "epoch": 1, "test": True},
    ),
    BlockExplorer: (
        {"channels": 256, "ratio": 1 / 4, "kernel": 3, "grouping": "4", "size": 14, "batch": 1},
        {"channels": 64, "ratio": 1, "kernel": 7, "grouping": "depthwise", "size": 7, "batch": 64},
    ),
    PropagationExplorer: (
        {"depth": 20, "skip": 1.0, "branch": 1.0, "norm": True, "order": "pre"},
        {"depth": 5, "skip": 0.5, "branch": 2.0, "norm": False, "order": "post"},
    ),
    PathExplorer: (
        {"blocks": 54, "factor": 0.25, "directions": "the same"},
        {"blocks": 2, "factor": 2.0, "directions": "random"},
    ),
    WiringExplorer: (
        {"wiring": "pre", "blocks": 4, "skips": "both"},
        {"wiring": "deepnorm", "blocks": 2, "skips": "none"},
    ),
    DenseExplorer: (
        {"layers": 24, "growth": 32, "first": 256, "side": 14},
        {"layers": 1, "growth": 1, "first": 16, "side": 7},
    ),
    StepExplorer: (
        {"method": "Euler", "h": 0.3, "decay": -1.0, "rotation": 2.0},
        {"method": "RK4", "h": 2.0, "decay": -6.0, "rotation": 0.0},
    ),
    ChallengeExplorer: (
        {"kind": "residual", "blocks": 2, "width": 4},
        {"kind": "dense", "blocks": 6, "width": 20},
    ),
}


def test_the_table_holds_every_explorer():
    assert set(EXPLORERS) == set(widgets.Explorer.__subclasses__())


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda e: e.__name__)
def test_nothing_of_one_setting_is_left_in_the_picture_of_the_next(explorer):
    """Panels are emptied, not made anew: ticks, legends and directions must not stay behind."""
    for one, other in (EXPLORERS[explorer], EXPLORERS[explorer][::-1]):
        live = explorer()
        fresh, changed, again = (live.draw(**setting) for setting in (one, other, one))
        assert fresh == again and fresh != changed


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda e: e.__name__)
def test_labels_have_room_when_the_numbers_change(explorer):
    """Places are settled by the first picture; another has longer numbers beside its axes."""
    shown = explorer()
    controls = {name: control.value for name, control in shown.inputs().items()}
    for setting in (controls, *EXPLORERS[explorer]):
        shown.draw(**setting)
        end = 0.0  # of the panel before
        for axis in shown._live._axes:
            if axis.get_ylabel() and axis.axison:
                assert axis.yaxis.label.get_window_extent().x0 >= end, (setting, axis.get_ylabel())
            end = axis.bbox.x1


@pytest.mark.parametrize("explorer", EXPLORERS, ids=lambda e: e.__name__)
def test_a_figure_is_there_in_words(explorer):
    words = explorer().controls().children[-1].value
    assert words.startswith("Figure: ") and len(words) > 30
    assert not set(words) & set("${}\\\n")


def test_the_words_follow_the_controls():
    (depth_and_gain, _, _, words) = widgets.GradientExplorer().controls().children
    _, gain = depth_and_gain.children
    gain.value = 1.0
    before = words.value
    assert "without skip, no norm" in before
    gain.value = 3.0
    assert words.value != before
