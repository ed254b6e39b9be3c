"""Shipped results of lesson 09: complete, what their command gives today, what the lesson says."""

import base64
import json
from dataclasses import replace

import pytest
import torch

from plusx import ArgumentError
from plusx.challenge import BUDGET, costs_of, layers_of
from plusx.challenge_entry import BANDS, points_for
from plusx.challenge_explorer import ChallengeExplorer
from plusx.challenge_studies import (
    BLOCKS,
    DECAY,
    ENTRY,
    STUDIES,
    AverageCase,
    load_study,
    write_leaderboard,
)
from plusx.diagnose_challenge import luck
from plusx.reference import reference_folder


@pytest.mark.parametrize("name", STUDIES)
def test_a_file_holds_all_cases_of_its_study_and_its_command(name):
    runs, cases = load_study(name), STUDIES[name]()
    assert list(runs) == [case.key for case in cases]
    for case in cases:
        columns = case.recipe.epochs if isinstance(case, AverageCase) else 2
        for values in vars(runs[case.key]).values():
            assert values.shape == (case.seeds, columns)
            assert values.isfinite().all()
    content = json.loads((reference_folder() / f"{name}.json").read_text())
    assert content["command"] == f"python -m plusx.challenge_studies {name}"
    assert content["made_with"].keys() == {"python", "torch"}


def test_bands_are_those_that_were_measured():
    long, short = load_study("challenge_long")[20,], load_study("challenge_averages")["cosine", 0.0]
    right = [(100 - record.test_error[:, -1]) / 100 for record in (long, short)]
    assert [points_for(x, BANDS) for x in right[0].tolist()] == [6, 6, 6]
    assert right[0].min() > BANDS[-1] + 0.02
    assert {points_for(x, BANDS) for x in right[1].tolist()} == {3, 4}


def test_what_lesson_09_says_about_the_shipped_runs():
    study = load_study("challenge_depths")
    ends = {key: record.test_error[:, -1] for key, record in study.items()}
    means = {key: end.mean().item() for key, end in ends.items()}
    assert means["conv", 1] - means["residual", 1] < 2
    assert means["conv", 3] - means["residual", 3] > 20
    assert means["residual", 1] < means["residual", 3] - 5 < means["residual", 5] - 20
    assert ends["residual", 5].max() - ends["residual", 5].min() > 20
    right = {kind: (-ends[kind, 3]).tolist() for kind in BLOCKS}
    skips = [kind for kind in BLOCKS if kind != "conv"]
    assert all(luck(right[kind], right["conv"]) == 1 / 20 for kind in skips)
    assert min(luck(right[a], right[b]) for a in skips for b in skips if a != b) >= 0.2
    averages = load_study("challenge_averages")
    for schedule in ("constant", "cosine"):
        raw, mean = (averages[schedule, d].test_error.mean(dim=0) for d in (0.0, DECAY))
        assert mean[-1] > raw[-1] + 4 and raw[-1] < raw[0] / 2


def test_networks_of_the_study_use_up_the_budget():
    for case in STUDIES["challenge_depths"]():
        assert costs_of(case.parts).fits(BUDGET)
        assert layers_of(case.parts) == 6 * case.key[1] + 2
    assert costs_of(ENTRY).fits(BUDGET)


def test_the_first_epoch_of_a_case_run_anew_agrees():
    (case,) = [c for c in STUDIES["challenge_averages"]() if c.key == ("constant", 0.0)]
    now = replace(case, recipe=replace(case.recipe, epochs=1)).run([0])
    shipped = load_study("challenge_averages")[case.key]
    torch.testing.assert_close(now.train_loss[:, 0], shipped.train_loss[:1, 0], rtol=0.1, atol=0.05)


def test_a_case_starts_where_the_shipped_one_did():
    case = STUDIES["challenge_depths"]()[0]
    training = case.training([0])
    start = training.measure()
    shipped = load_study("challenge_depths")[case.key]
    torch.testing.assert_close(start[0], shipped.train_loss[:1, 0], rtol=1e-2, atol=1e-3)


def test_the_leaderboards_baselines_are_those_of_the_study():
    path = reference_folder().parent / "leaderboards" / "09_depth_challenge.json"
    before = path.read_bytes()
    assert write_leaderboard() == path
    assert path.read_bytes() == before
    names = [row["name"] for row in json.loads(before)["rows"]]
    assert len(names) == 4 and any("ResNet-20" in name for name in names)


def test_what_is_no_study_is_refused():
    with pytest.raises(ArgumentError, match="challenge_depths"):
        load_study("nothing")


def test_the_explorer_draws_what_its_controls_say():
    explorer = ChallengeExplorer()
    first = explorer.draw(kind="residual", blocks=2, width=4)
    assert first[:4] == b"\x89PNG"
    assert first != explorer.draw(kind="dense", blocks=2, width=4)
    assert first == explorer.draw(kind="residual", blocks=2, width=4)
    bundle, metadata = explorer._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"])[:4] == b"\x89PNG"
    assert "budget" in metadata["image/png"]["alt"]
    assert set(explorer.inputs()) == {"kind", "blocks", "width"}
    assert explorer.draw(kind="conv", blocks=6, width=20)[:4] == b"\x89PNG"
    assert {3 in blocks for blocks in BLOCKS.values()} == {True}
