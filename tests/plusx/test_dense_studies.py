"""Shipped results of lesson 07 are what their command gives today."""

import pytest
import torch

from plusx import count_parameters
from plusx.dense_studies import STUDIES, WIDTHS, DenoisingCase, SegmentationCase, load_study
from plusx.unet import UNet


def end(study, *key):
    return load_study(study)[key].test_error[:, -1]


def test_the_first_epochs_of_a_case_run_anew_agree():
    (case,) = [case for case in STUDIES["dense_joins"]() if case.key == ("add", 0.05)]
    now = case.run([0])
    shipped = load_study("dense_joins")[case.key]
    torch.testing.assert_close(
        now.train_loss[:, :3], shipped.train_loss[:1, :3], rtol=0.05, atol=0.02
    )


@pytest.mark.parametrize(
    ("study", "kind"), [("unet_skips", SegmentationCase), ("denoiser_skips", DenoisingCase)]
)
def test_a_case_starts_where_the_shipped_one_did(study, kind):
    case = STUDIES[study]()[0]
    assert isinstance(case, kind)
    recipe = type(case.recipe)(epochs=0)
    start = kind(case.key, case.make_model, recipe, 1).run()
    shipped = load_study(study)[case.key]
    torch.testing.assert_close(
        start.train_loss[:, 0], shipped.train_loss[:1, 0], rtol=1e-2, atol=1e-3
    )


def test_what_lesson_07_says_about_the_shipped_runs():
    for skip in ("concat", "add"):
        for halvings in (1, 2, 3):
            assert 86 < 100 - end("unet_skips", skip, halvings, "repeat", 8).mean() < 90
    scores = [100 - end("unet_skips", "none", n, "repeat", 8).mean() for n in (1, 2, 3)]
    assert scores[0] > 75 and scores[1] < 60 and scores[2] < 35
    assert 65 < 100 - end("unet_skips", "none", 2, "transposed", 24).mean() < 80
    best = {
        join: min(end("dense_joins", join, lr).mean() for lr in (0.05, 0.2, 0.8))
        for join in ("concat", "add", "none")
    }
    assert best["concat"] < 3 and best["add"] < 3 and best["none"] > 5
    assert end("dense_joins", "concat", 0.05).max() < end("dense_joins", "add", 0.05).mean()
    assert end("denoiser_skips", "none").min() > 2.5 * end("denoiser_skips", "concat").max()


def test_networks_without_concatenation_have_more_parameters():
    counts = [count_parameters(UNet(width=width, skip=skip)) for skip, width in WIDTHS.items()]
    assert counts[0] < counts[1] == counts[2]
