"""Long work shows how far it is where somebody watches, and goes on after an interrupt."""

import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from kernels import ANSWER_S, Kernel

from plusx import long_work
from plusx.denoising import Denoiser, DenoisingRecipe, DenoisingTraining
from plusx.segmentation import SegmentationRecipe, SegmentationTraining
from plusx.sequence_training import SequenceRecipe, SequenceTraining
from plusx.sequences import Sorting
from plusx.trained import advance_kept
from plusx.transformers import Transformer
from plusx.unet import UNet

CPU = torch.device("cpu")

COUNT = """
import time
from pathlib import Path
import torch
from plusx import Mlp, Recipe, experiments, load_data

folder, taken, step = Path({folder!r}), [], torch.optim.SGD.step

def counted(self, *arguments, **options):
    taken.append(1)
    time.sleep(0.02)
    (folder / "taken").write_text(str(len(taken)))
    return step(self, *arguments, **options)

torch.optim.SGD.step = counted
data, recipe, cpu = load_data("digits", limit=100), Recipe(epochs=6, batch=10), torch.device("cpu")
"""
STUDY = """
del taken[:]
records = {{
    depth: experiments.run(Mlp, data, recipe, 2, cpu, folder / "runs", depth=depth)
    for depth in (2, 4, 6)
}}
"""
STEPS = 60  # of one setting: 6 epochs of 10


@pytest.fixture(params=[False, True], ids=["watched", "quiet"])
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Kernel, bool]]:
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path)}
    environment.pop("TQDM_DISABLE", None)
    if request.param:
        environment["TQDM_DISABLE"] = "1"
    started = Kernel(tmp_path, environment)
    yield started, request.param
    started.stop()


def test_an_interrupted_cell_goes_on_with_what_is_not_finished(
    kernel: tuple[Kernel, bool], tmp_path: Path
) -> None:
    """SIGINT in the second of three settings: the first one is not computed again."""
    one, quiet = kernel
    assert one.answer(one.begin(COUNT.format(folder=str(tmp_path))))["status"] == "ok"
    asked = one.begin(STUDY.format())
    wait_for(tmp_path / "taken", STEPS + 20)
    one.manager.interrupt_kernel()
    reply = one.answer(asked)
    assert reply["status"] == "error" and reply["ename"] == "KeyboardInterrupt"
    bars = [data["text/plain"] for data in one.shown(asked) if "text/plain" in data]
    assert bars == [] if quiet else any("Mlp depth=2" in text for text in bars)
    assert STEPS + 20 <= int(one.value("len(taken)")) < 2 * STEPS
    assert len(list((tmp_path / "runs").glob("*.json"))) == 1
    assert one.answer(one.begin(STUDY.format()))["status"] == "ok"
    assert STEPS < int(one.value("len(taken)")) <= 2 * STEPS
    assert one.answer(one.begin(STUDY.format()))["status"] == "ok"
    assert int(one.value("len(taken)")) == 0


def wait_for(path: Path, steps: int) -> None:
    until = time.monotonic() + ANSWER_S
    while time.monotonic() < until:
        if path.exists() and int(path.read_text() or 0) >= steps:
            return
        time.sleep(0.01)
    raise AssertionError(f"no {steps} steps were taken")


def sorting() -> SequenceTraining:
    recipe = SequenceRecipe(batch=4)
    return SequenceTraining(lambda: Transformer(10, 8, blocks=1), Sorting(), recipe, 2, CPU)


def segmenting() -> SegmentationTraining:
    recipe = SegmentationRecipe(epochs=3, images=8, batch=2)
    return SegmentationTraining(lambda: UNet(width=2, depth=1), recipe, 2, CPU)


def denoising() -> DenoisingTraining:
    recipe = DenoisingRecipe(epochs=1, steps=10, batch=4)
    return DenoisingTraining(lambda: Denoiser(width=2), recipe, 2, CPU)


def weights(training: Any) -> list[torch.Tensor]:
    return [w.detach().clone() for net in training.nets.state() for w in net.values()]


def same(ones: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(ones, others, strict=True))


@pytest.mark.parametrize("make", [sorting, segmenting, denoising])
def test_steps_that_were_taken_are_found_again(make, tmp_path, monkeypatch):
    straight, first, second = make(), make(), make()
    straight.advance(7)
    for steps in (0, 5, 2):
        advance_kept(first, steps, folder=tmp_path)
    assert same(weights(straight), weights(first))
    monkeypatch.setattr(second.optimiser, "step", lambda: pytest.fail("it was trained again"))
    for steps in (0, 5, 2):
        advance_kept(second, steps, folder=tmp_path)
    assert second.step == 7 and same(weights(first), weights(second))
    first.advance(1), straight.advance(1)
    assert same(weights(straight), weights(first)), "also the draws go on"


@pytest.mark.parametrize("make", [sorting, segmenting, denoising])
def test_steps_that_were_interrupted_go_on(make, tmp_path, monkeypatch):
    straight, first, second, taken = make(), make(), make(), []
    begin, straight_steps = straight.optimiser.step, []
    straight.optimiser.step = lambda: (straight_steps.append(straight.step), begin())
    straight.advance(7)
    monkeypatch.setattr("plusx.trained.EVERY_S", 0.0)
    begin = first.optimiser.step

    def failing() -> None:
        taken.append(first.step)
        if len(taken) == 5:
            raise KeyboardInterrupt
        begin()

    first.optimiser.step = failing
    with pytest.raises(KeyboardInterrupt):
        advance_kept(first, 7, folder=tmp_path)
    begin, taken_then = second.optimiser.step, []
    second.optimiser.step = lambda: (taken_then.append(second.step), begin())
    advance_kept(second, 7, folder=tmp_path)
    assert taken_then == straight_steps[4:] and same(weights(straight), weights(second))


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    training = sorting()
    advance_kept(training, 1, folder=tmp_path / "file/runs")
    assert training.step == 1


def test_a_bar_is_shown_on_a_terminal_and_nowhere_else(monkeypatch, capsys):
    monkeypatch.setattr(long_work, "AFTER_S", 0.0)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    assert list(long_work.each([1, 2, 3], "seeds", "seed")) == [1, 2, 3]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(long_work, "_is_watched", lambda: True)
    assert list(long_work.each([1, 2, 3], "seeds", "seed")) == [1, 2, 3]
    assert "seeds" in (said := capsys.readouterr().err) and "seed/s" in said
    assert list(long_work.each([1], "one")) == [1]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("terminal", "switch", "watched"), [(True, "", True), (False, "", False), (True, "1", False)]
)
def test_who_watches(monkeypatch, terminal, switch, watched):
    monkeypatch.setenv("TQDM_DISABLE", switch)
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(isatty=lambda: terminal))
    assert long_work._is_watched() is watched
