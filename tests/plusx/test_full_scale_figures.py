"""What lessons show of full-scale runs: what is there, and plain words about what is not."""

from dataclasses import replace
from functools import partial

import pytest
from test_full_scale import CASES, TINY, settings, silent

from plusx import ArgumentError, full_scale_figures
from plusx.conv_lesions import lesion_study
from plusx.conv_units import UnitResNet
from plusx.full_scale import STUDIES, load_runs, run_studies
from plusx.full_scale_figures import about_runs, show_depths, show_lesions, table_of_runs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("runs")
    study = partial(lesion_study, draws=2, few=4)
    net = partial(UnitResNet, 14, "full pre-activation")
    lesions = replace(CASES[0], key=(14,), make_model=net, study=study, recipe=TINY)
    assert run_studies({"cifar_small": CASES, "cifar_lesions": [lesions]}, settings(made), silent)
    return made


@pytest.mark.parametrize("study", STUDIES)
def test_a_study_that_was_not_run_is_said_to_be_missing(tmp_path, study):
    assert about_runs(study, tmp_path).startswith(f"{study}: not run yet.")
    assert table_of_runs(study, tmp_path) == about_runs(study, tmp_path)


def test_nothing_is_drawn_of_what_is_not_there(tmp_path):
    assert show_depths("cifar_small", tmp_path) is None
    assert show_lesions(tmp_path) is None


def test_a_study_of_no_name_is_refused():
    with pytest.raises(ArgumentError, match="no such study"):
        full_scale_figures.about_runs("cifar_huge")


def test_the_table_has_what_the_files_have(folder):
    first, plain, residual = table_of_runs("cifar_small", folder).splitlines()
    assert "4 runs, 2 epochs of 40 images from 'shapes', tested on 40" in first
    for line, skip in ((plain, False), (residual, True)):
        ends = load_runs("cifar_small", folder)[8, skip].test_error[:, -1]
        assert line.split()[:2] == ["8,", str(skip)]
        assert f"test {ends.mean():.1f} ± {ends.std():.1f} %" in line


def test_the_curves_are_the_runs(folder):
    drawing = show_depths("cifar_small", folder)
    epochs, depths = drawing.axes
    runs = load_runs("cifar_small", folder)
    for line, skip in zip(epochs.get_lines(), (False, True), strict=True):
        drawn = line.get_ydata().tolist()
        assert drawn == pytest.approx(runs[8, skip].train_error.quantile(0.5, 0).tolist())
    assert [text.get_text() for text in epochs.texts] == [" 8", " 8"]
    assert depths.get_ylabel() == "test error (%)"


def test_the_lesions_are_the_study(folder):
    one, many, gradient = show_lesions(folder).axes
    assert len(one.get_lines()) == 2 + 1 + 1  # two seeds, their mean, the whole networks
    assert list(many.get_lines()[0].get_xdata()) == [1, 2, 3]
    assert sum(gradient.get_lines()[0].get_ydata()) == pytest.approx(1, abs=0.2)  # of medians
