"""Runs are found again when nothing changed, and only then."""

import json
import time
from dataclasses import replace
from functools import partial

import pytest
import torch

from plusx import ArgumentError, Mlp, Recipe, experiments, load_data
from plusx.execution import Execution
from plusx.experiments import choose_scale, from_lists, mean_spread, run, to_lists

CPU = torch.device("cpu")
DIGITS = load_data("digits", limit=100)
RECIPE = Recipe(epochs=1, batch=50)


def small(depth, skip=False):
    return Mlp(depth, skip, width=4)


def files(folder):
    return sorted(path.name for path in folder.glob("*"))


def test_a_second_run_is_the_first_one(tmp_path, monkeypatch):
    first = run(small, DIGITS, RECIPE, 2, CPU, tmp_path, depth=4)
    assert len(files(tmp_path)) == 1

    def fail(*_, **__):
        raise AssertionError("it was trained again")

    monkeypatch.setattr(experiments.Training, "run", fail)
    with pytest.raises(AssertionError, match="trained again"):  # the loop's code is in the name
        run(small, DIGITS, RECIPE, 2, CPU, tmp_path, depth=4)
    monkeypatch.undo()
    start = time.perf_counter()
    second = run(small, DIGITS, RECIPE, 2, CPU, tmp_path, depth=4)
    assert time.perf_counter() - start < 5
    for name, values in vars(first).items():
        assert torch.equal(values, getattr(second, name))
    assert len(files(tmp_path)) == 1


def test_what_changes_is_trained_anew(tmp_path):
    run(small, DIGITS, RECIPE, 2, CPU, tmp_path, depth=4)
    changes = [
        {"depth": 6},
        {"depth": 4, "skip": True},
        {"recipe": replace(RECIPE, lr=0.01), "depth": 4},
        {"seeds": [0, 2], "depth": 4},
        {"data": load_data("digits", limit=99), "depth": 4},
        {"execution": Execution(deterministic=True), "depth": 4},
        {"make_model": lambda depth: Mlp(depth, width=5), "depth": 4},
    ]
    for n, change in enumerate(changes, 2):
        usual = {"make_model": small, "data": DIGITS, "recipe": RECIPE, "seeds": 2}
        run(**(usual | change), device=CPU, folder=tmp_path)
        assert len(files(tmp_path)) == n, change


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path, monkeypatch):
    """Here after one epoch of three, by an error that a later call does not meet."""
    recipe = replace(RECIPE, epochs=3)
    usual = {"make_model": small, "data": DIGITS, "recipe": recipe, "seeds": 1, "device": CPU}
    straight = run(**usual, folder=tmp_path / "straight", depth=4)
    measure, begun = experiments.Training.measure, []

    def failing(training):
        begun.append(training.step)
        if len(begun) == 3:
            raise KeyboardInterrupt
        return measure(training)

    monkeypatch.setattr(experiments.Training, "measure", failing)
    monkeypatch.setattr(experiments.Training.run, "__defaults__", (None, 0.0, "training"))
    with pytest.raises(KeyboardInterrupt):
        run(**usual, folder=tmp_path / "cut", depth=4)
    record = run(**usual, folder=tmp_path / "cut", depth=4)
    assert begun == [0, 2, 4, 4, 6]
    assert torch.equal(record.train_loss, straight.train_loss)
    assert len(files(tmp_path / "cut")) == 1


def test_a_damaged_file_is_trained_anew(tmp_path):
    first = run(small, DIGITS, RECIPE, 1, CPU, tmp_path, depth=4)
    (path,) = tmp_path.glob("*.json")
    for content in ("", "{}", '{"record": {"train_loss": 3}}', '{"record": {"other": []}}'):
        path.write_text(content)
        again = run(small, DIGITS, RECIPE, 1, CPU, tmp_path, depth=4)
        assert torch.equal(first.train_error, again.train_error)
        assert json.loads(path.read_text())["record"]


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    run(small, DIGITS, RECIPE, 1, CPU, tmp_path / "file" / "runs", depth=4)


def test_the_cache_is_the_users_and_can_be_cleared(tmp_path, monkeypatch):
    monkeypatch.setattr(experiments, "user_cache_path", lambda name: tmp_path / name)
    run(small, DIGITS, RECIPE, 1, CPU, depth=4)
    assert len(files(tmp_path / "plusx/runs")) == 1
    experiments.clear_cache()
    assert not (tmp_path / "plusx/runs").exists()
    experiments.clear_cache()


def test_a_record_survives_as_lists():
    record = run(small, DIGITS, RECIPE, 1, CPU, depth=2)
    back = from_lists(json.loads(json.dumps(to_lists(record))))
    assert all(torch.equal(values, getattr(back, name)) for name, values in vars(record).items())
    rounded = to_lists(record, digits=2)["train_loss"][0][0]
    assert rounded == pytest.approx(record.train_loss[0, 0].item(), rel=0.05)
    assert len(f"{rounded:g}".replace(".", "")) <= 2


def test_mean_and_spread():
    assert mean_spread(torch.tensor([1.0, 3.0])) == "2.0 ± 1.4"


def test_scales():
    small_scale, full = choose_scale("small"), choose_scale("full")
    for scale in (small_scale, full):
        net = scale.make_model(8, skip=True)
        shape = (2, 1, 8, 8) if scale is small_scale else (2, 3, 32, 32)
        assert net(torch.randn(shape)).shape == (2, 10)
    steps = full.recipe.epochs * (50_000 // full.recipe.batch)
    assert steps == pytest.approx(64_000, rel=0.01)  # He et al. 2015, section 4.2
    with pytest.raises(ArgumentError, match="small"):
        choose_scale("medium")


def test_partial_functions_are_told_apart(tmp_path):
    for depth in (2, 4, 4):
        run(partial(small, depth), DIGITS, RECIPE, 1, CPU, tmp_path)
    assert len(files(tmp_path)) == 2
