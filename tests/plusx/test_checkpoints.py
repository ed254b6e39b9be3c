"""Trainings that are stopped and continued give the same bits, also when they are killed."""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from plusx import ArgumentError, Mlp, Recipe, Training, checkpoints, load_data, trained
from plusx.execution import Execution
from plusx.files import forget, whole_file

CPU = torch.device("cpu")
DIGITS = load_data("digits", limit=100)
RECIPE = Recipe(epochs=3, batch=20, augment=True, warmup=4)


class Dropping(nn.Module):
    """A network that draws from torch's own generator in training."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(), nn.Flatten()
        )
        self.head = nn.Linear(144, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.layers(x))


def training(recipe=RECIPE, make=Dropping, seeds=2, execution=None):
    torch.manual_seed(0)
    return Training(make, DIGITS, recipe, seeds, CPU, execution=execution)


def same_bits(one: Training, two: Training) -> bool:
    pairs = [
        (a[name], b[name])
        for a, b in zip(one.nets.state(), two.nets.state(), strict=True)
        for name in a
    ]
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("steps", [1, 5, 7])
@pytest.mark.parametrize(
    ("recipe", "make"),
    [
        (RECIPE, Dropping),
        (replace(RECIPE, optimiser="adam", lr=1e-3), Dropping),
        (replace(RECIPE, schedule="cosine", clip=1.0, augment=False), lambda: Mlp(4, width=8)),
    ],
)
def test_a_training_continues_to_the_same_bits(tmp_path, recipe, make, steps):
    straight, first = training(recipe, make), training(recipe, make)
    torch.manual_seed(1)
    straight.advance(12)
    torch.manual_seed(1)
    first.advance(steps)
    checkpoints.save(tmp_path / "kept.pt", first)
    first.advance(2)  # what comes after the file was written is lost
    later = training(recipe, make)
    torch.manual_seed(99)
    checkpoints.load(tmp_path / "kept.pt", later)
    later.advance(12 - steps)
    assert same_bits(straight, later) and not same_bits(straight, first)


def test_a_run_that_is_cut_off_after_any_epoch_gives_the_same_record(tmp_path):
    path = tmp_path / "run.pt"
    whole = training().run()
    for done in range(RECIPE.epochs):
        for epochs in training().epochs(path, every_s=0):
            if epochs == done:
                break
    record = training().run(path, every_s=0)
    for name, values in vars(whole).items():
        assert torch.equal(values, getattr(record, name)), name


def test_a_run_goes_on_from_the_middle_of_an_epoch(tmp_path):
    whole, first = training().run(), training()
    assert [epochs for epochs, _ in zip(first.epochs(), range(2), strict=False)] == [0, 1]
    first.advance(2)  # of five in an epoch
    checkpoints.save(tmp_path / "kept.pt", first)
    record = training().run(tmp_path / "kept.pt")
    for name, values in vars(whole).items():
        assert torch.equal(values, getattr(record, name)), name


def test_short_runs_write_nothing(tmp_path):
    training(replace(RECIPE, epochs=1)).run(tmp_path / "run.pt", every_s=1000)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("no folder")
    training(replace(RECIPE, epochs=1)).run(tmp_path / "file/run.pt", every_s=0)


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"recipe": replace(RECIPE, lr=0.01)}, "recipe"),
        ({"seeds": [0, 3]}, "seeds"),
        ({"make": lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10))}, "weights"),
        ({"execution": Execution(channels_last=True)}, "execution"),
    ],
)
def test_another_trainings_checkpoint_is_refused(tmp_path, changed, named):
    checkpoints.save(tmp_path / "kept.pt", training())
    with pytest.raises(ArgumentError, match=f"another training(.|\n)*'{named}'"):
        checkpoints.load(tmp_path / "kept.pt", training(**changed))


@pytest.mark.parametrize("content", [b"", b"no checkpoint", None])
def test_a_spoilt_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "kept.pt"
    checkpoints.save(path, training())
    path.write_bytes(path.read_bytes()[:-2000] if content is None else content)
    with pytest.raises(ArgumentError, match="remove it to begin anew"):
        checkpoints.load(path, training())


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with pytest.raises(TypeError), whole_file(path) as file:
        file.writelines([b"half of the new", 1])
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


CHILD = """
import os, signal, sys
from pathlib import Path
import torch
from plusx import Recipe, Training, checkpoints, files, load_data
sys.path.insert(0, sys.argv[3])
from test_checkpoints import training

path, deadly = Path(sys.argv[1]), int(sys.argv[2])
torch.set_num_threads(1)
one = training()
if path.exists():
    checkpoints.load(path, one)
print("ready", flush=True)
written = 0
def die(descriptor):
    global written
    written += 1
    if written == deadly:
        size = os.fstat(descriptor).st_size
        os.ftruncate(descriptor, size // 2)
        os.kill(os.getpid(), signal.SIGKILL)
os.fsync = die
while True:
    one.advance(1)
    checkpoints.save(path, one)
"""


def test_a_kill_in_the_middle_of_a_write_loses_nothing(tmp_path):
    """Once between half a file and a whole one, and once at a moment that nobody chose."""
    path = tmp_path / "kept.pt"
    for deadly in (4, 10**9):
        command = [sys.executable, "-c", CHILD, str(path), str(deadly), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout.readline() == "ready\n"
            if deadly > 10**6:
                time.sleep(0.3)
                child.kill()
            assert child.wait(timeout=240) == -9
    later = training()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        checkpoints.load(path, later)
        assert later.step >= 3
        later.advance(2)
        straight = training()
        straight.advance(later.step)
    finally:
        torch.set_num_threads(threads)
    assert same_bits(straight, later)
    assert len(list(tmp_path.iterdir())) >= 2  # the half file lies beside it
    forget(path)
    assert list(tmp_path.iterdir()) == []


def test_networks_whose_training_was_stopped_go_on_where_they_were(tmp_path, monkeypatch):
    def networks(folder):
        torch.manual_seed(0)
        return trained.trained_networks(Dropping, DIGITS, RECIPE, 1, CPU, tmp_path / folder)

    straight, advance, begun = networks("straight"), Training.advance, []

    def failing(self, steps):
        begun.append(self.step)
        if len(begun) == 2:
            raise KeyboardInterrupt
        advance(self, steps)

    monkeypatch.setattr(trained, "EVERY_S", 0.0)
    monkeypatch.setattr(Training, "advance", failing)
    with pytest.raises(KeyboardInterrupt):
        networks("cut")
    (net,) = networks("cut")
    assert begun == [0, 1, *range(1, 15)] and len(list((tmp_path / "cut").iterdir())) == 1
    assert all(
        torch.equal(*pair) for pair in zip(net.parameters(), straight[0].parameters(), strict=True)
    )
