"""Shipped results of lesson 09: complete, what their command gives today, what the lesson says."""

import base64
import json
from dataclasses import replace

import pytest
import torch

from plusx import ArgumentError
from plusx.challenge import BUDGET, costs_of, layers_of
from plusx.challenge_explorer import ChallengeExplorer
from plusx.challenge_studies import (
    BLOCKS,
    ENTRY,
    STUDIES,
    AverageCase,
    load_study,
    write_leaderboard,
)
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
