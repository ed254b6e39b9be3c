"""The recall task, and recurrent networks for it."""

import pytest
import torch
from torch import nn

from plusx import ArgumentError, Recipe, Training
from plusx.memory import NOISE, SYMBOLS, RecurrentNet, lstm_step, recall_task


def test_the_symbol_stands_first_and_nowhere_else():
    task = recall_task(12, train=300, test=50)
    assert task.train_images.shape == (300, 1, 12, SYMBOLS)
    assert torch.equal(task.train_images[:, 0, 0].argmax(1), task.train_labels)
    assert torch.equal(task.test_images[:, 0, 0].sum(1), torch.ones(50))
    assert task.train_images[:, 0, 1:].std().item() == pytest.approx(NOISE, rel=0.05)
    assert task.digest == recall_task(12, train=300, test=50).digest


def test_one_step_is_torchs():
    torch.manual_seed(0)
    cell = nn.LSTMCell(3, 5)
    x, h, c = (torch.randn(4, n) for n in (3, 5, 5))
    ours = lstm_step(x, h, c, cell.weight_ih, cell.weight_hh, cell.bias_ih + cell.bias_hh)
    for mine, theirs in zip(ours, cell(x, (h, c)), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_steps_by_hand():
    x, h = torch.randn(2, SYMBOLS), torch.randn(2, 8)
    for kind in ("tanh", "residual"):
        net = RecurrentNet(kind, length=25, width=8)
        z = torch.tanh(x @ net.weight_x.T + h @ net.weight_h.T)
        expected = z if kind == "tanh" else h + z / 5
        torch.testing.assert_close(net.step(x, h, h)[0], expected)
    net = RecurrentNet("lstm", length=25, forget_bias=3.0, width=8)
    assert net.bias.tolist() == [0] * 8 + [3] * 8 + [0] * 16
    with pytest.raises(ArgumentError, match="residual"):
        RecurrentNet("gru", length=25)


def test_a_free_road_learns_to_recall_ten_steps():
    recipe = Recipe(epochs=5, batch=50, optimiser="adam", lr=0.01, clip=1.0)
    make = lambda: RecurrentNet("residual", 10)  # noqa: E731
    record = Training(make, recall_task(10), recipe, 2, torch.device("cpu")).run()
    assert record.test_error[:, 0].mean() > 50
    assert record.test_error[:, -1].mean() < 20
