"""Shipped results of lesson 06 are what their command gives today."""

import json
import random

import torch

from plusx import reference, transformer_studies
from plusx.reference import make_reference
from plusx.transformer_studies import STUDIES, load_study

# Another processor rounds differently, and training amplifies that: what has to agree is the
# outcome within the spread of seeds.
SLACK_PERCENT = 12.0


def end(study, *key):
    return load_study(study)[key].test_error[:, -1]


def test_a_random_case_run_anew_agrees():
    cases = [case for case in STUDIES["transformer_depth"]() if case.key[1] <= 6]
    cases += STUDIES["transformer_skips"]()
    case = random.SystemRandom().choice(cases)
    study = "transformer_depth" if len(case.key) > 1 else "transformer_skips"
    shipped, now = end(study, *case.key), case.run([0, 1]).test_error[:, -1]
    spread = 3 * shipped.std()
    assert abs(shipped[:2].mean() - now.mean()) <= SLACK_PERCENT + spread, (case.key, shipped, now)


def test_what_lesson_06_says_about_the_shipped_runs():
    assert end("transformer_skips", "none").min() > 70
    assert end("transformer_skips", "both").max() < 15
    assert end("transformer_depth", "post", 12, 2e-3, 0).min() > 70
    assert 10 < end("transformer_depth", "post", 12, 2e-3, 80).mean() < 40
    for blocks in (3, 6, 12):
        assert end("transformer_depth", "pre", blocks, 2e-3, 0).mean() < 5
    assert end("transformer_wirings", "post").min() > 80
    for name in ("pre", "gpt2", "rezero", "layerscale", "deepnorm", "peri"):
        assert end("transformer_wirings", name).mean() < 12
    for name in ("pre", "parallel", "hyper", "constrained", "attention"):
        assert end("transformer_successors", name).mean() < 6


def test_a_study_is_made_and_found(monkeypatch, tmp_path):
    def tiny():
        """One short case."""
        recipe = transformer_studies.SequenceRecipe(epochs=1, steps=1)
        make = transformer_studies.sorter(blocks=1)
        return [transformer_studies.SortingCase(("tiny", 1), make, recipe, seeds=2)]

    monkeypatch.setitem(STUDIES, "tiny", tiny)
    monkeypatch.setattr(reference, "reference_folder", lambda: tmp_path)
    threads = torch.get_num_threads()
    try:
        path = make_reference("tiny", STUDIES, "plusx.transformer_studies")
    finally:
        torch.set_num_threads(threads)
    assert json.loads(path.read_text())["about"] == "One short case."
    assert load_study("tiny")["tiny", 1].train_loss.shape == (2, 2)
