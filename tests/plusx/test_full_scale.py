"""The experiments at full scale: complete as a list, and sound at a tiny one."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch

from plusx import ArgumentError, CifarResNet, Recipe, full_scale
from plusx.conv_lesions import lesion_study
from plusx.conv_units import UnitResNet
from plusx.execution import Execution
from plusx.full_scale import STUDIES, FullCase, Settings, load_files, load_runs, run_studies

CPU = torch.device("cpu")
TINY = Recipe(epochs=2, batch=20, lr=0.05, augment=True, warmup=2)
CASES = [
    FullCase((8, skip), partial(CifarResNet, 8, skip=skip), TINY, seeds=2, limit=40)
    for skip in (False, True)
]


def settings(folder: Path, **changes) -> Settings:
    return Settings(folder, CPU, Execution(channels_last=True), "shapes", **changes)


def silent(_: str) -> None:
    pass


MADE: dict[str, torch.Size] = {}


def logits_shape(name, make):
    """Of a network on the meta device; each is made once."""
    if name not in MADE:
        with torch.device("meta"):
            MADE[name] = make()(torch.empty(2, 3, 32, 32)).shape
    return MADE[name]


@pytest.mark.parametrize("name", STUDIES)
def test_the_studies_are_whole_and_their_networks_can_be_made(name):
    cases = STUDIES[name]()
    assert len({case.key for case in cases}) == len(cases)
    for case in cases:
        assert logits_shape(repr(case.make_model), case.make_model) == (2, 10) and case.seeds == 3
        assert case.recipe.augment and case.recipe.weight_decay == 1e-4
    files = {full_scale.file_of(Path(), name, case.key, 0) for case in cases}
    assert len(files) == len(cases) and all(" " not in str(file) for file in files)


def test_the_papers_recipe_is_the_papers():
    steps = full_scale.PAPER.epochs * (50_000 // full_scale.PAPER.batch)
    assert steps == pytest.approx(64_000, rel=0.01)
    deep = full_scale.warmed(full_scale.PAPER, 110)
    rates = [deep.rate(step, steps) for step in (0, 399, 400, steps // 2, 3 * steps // 4)]
    assert rates == pytest.approx([0.01, 0.01, 0.1, 0.01, 0.001])
    assert full_scale.warmed(full_scale.PAPER, 56).rate(0, steps) == 0.1


def test_runs_are_made_once_and_say_how(tmp_path):
    said = []
    assert run_studies({"tiny": CASES}, settings(tmp_path), said.append)
    assert [line.partition(": ")[0] for line in said] == [
        "tiny (8, False) seed 0", "tiny (8, True) seed 0",
        "tiny (8, False) seed 1", "tiny (8, True) seed 1",
    ]  # fmt: skip
    files = sorted(path.name for path in (tmp_path / "tiny").iterdir())
    assert files == [f"8-{skip}-seed{n}.json" for skip in (False, True) for n in (0, 1)]
    first = next(load_files("tiny", tmp_path))
    assert first["recipe"]["warmup"] == 2 and first["data"]["training_images"] == 40
    assert first["parameters"] == 75_290 and first["made_with"]["torch"] == torch.__version__
    runs = load_runs("tiny", tmp_path)
    assert list(runs) == [(8, False), (8, True)]
    assert all(record.train_loss.shape == (2, 3) for record in runs.values())
    times = [path.stat().st_mtime_ns for path in (tmp_path / "tiny").iterdir()]
    assert run_studies({"tiny": CASES}, settings(tmp_path), silent)
    assert times == [path.stat().st_mtime_ns for path in (tmp_path / "tiny").iterdir()]


def test_a_run_that_is_stopped_in_time_goes_on_to_the_same_numbers(tmp_path):
    case = replace(CASES[1], seeds=1, make_model=partial(UnitResNet, 8, last_survival=0.5))
    assert run_studies({"s": [case]}, settings(tmp_path / "straight"), silent)
    sessions = 0
    while not run_studies({"s": [case]}, settings(tmp_path / "cut", until=0.0), silent):
        sessions += 1
        assert sessions < 10
        if sessions == 1:
            assert not list((tmp_path / "cut/s").glob("*.json"))
    straight, cut = (next(load_files("s", tmp_path / name)) for name in ("straight", "cut"))
    assert sessions >= 1 and straight["record"] == cut["record"]
    assert [path.suffix for path in (tmp_path / "cut/s").iterdir()] == [".json"]


CHILD = """
import sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[2])
import test_full_scale as t
torch.set_num_threads(1)
case = t.replace(t.CASES[1], seeds=1, recipe=t.replace(t.TINY, epochs=400))
t.run_studies({"k": [case]}, t.settings(Path(sys.argv[1]), every_s=0.0))
"""


def test_a_killed_session_leaves_what_the_next_one_goes_on_with(tmp_path):
    command = [sys.executable, "-c", CHILD, str(tmp_path), str(Path(__file__).parent)]
    checkpoint = tmp_path / "k/8-True-seed0.pt"
    with subprocess.Popen(command) as child:
        end = time.monotonic() + 200
        while not checkpoint.exists() and time.monotonic() < end:
            time.sleep(0.05)
        child.kill()
    content = torch.load(checkpoint, weights_only=True)
    assert len(content["state"]["rows"]) >= 1


def test_a_lesion_study_is_kept_with_its_run(tmp_path):
    study = partial(lesion_study, draws=2, few=4)
    net = partial(UnitResNet, 14, "full pre-activation")
    case = replace(CASES[0], make_model=net, study=study, seeds=1)
    assert run_studies({"lesions": [case]}, settings(tmp_path), silent)
    found = next(load_files("lesions", tmp_path))["study"]
    assert len(found["without_one"]) == 6 and found["effective_length"] > 0


def test_a_file_made_with_other_settings_is_not_taken_for_this_run(tmp_path):
    case = replace(CASES[0], seeds=1)
    run_studies({"tiny": [case]}, settings(tmp_path), silent)
    other = replace(case, recipe=replace(TINY, lr=0.1))
    with pytest.raises(ArgumentError, match=r"other settings(.|\n)*recipe"):
        run_studies({"tiny": [other]}, settings(tmp_path), silent)


def test_where_no_run_was_made_there_is_none(tmp_path):
    assert load_runs("cifar_depth", tmp_path) == {}


def test_the_command_names_its_studies(capsys):
    for arguments, code, words in ((["--help"], 0, "cifar_lesions"), (["none"], 2, "no study")):
        with pytest.raises(SystemExit) as ended:
            full_scale.main(arguments)
        said = capsys.readouterr()
        assert ended.value.code == code and words in said.out + said.err


def test_shipped_runs_are_those_of_their_studies():
    """What is shipped was made with the settings of today, with no run left out."""
    for name, make in STUDIES.items():
        files = list(load_files(name))
        cases = {json.dumps(case.key): case for case in make()}
        for content in files:
            case = cases[json.dumps(content["key"])]
            assert content["recipe"] == json.loads(json.dumps(vars(case.recipe)))
            assert content["made_with"].keys() >= {"processor", "torch", "date", "device"}
            assert len(content["record"]["train_loss"][0]) == case.recipe.epochs + 1
