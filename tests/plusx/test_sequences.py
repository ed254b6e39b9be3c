"""Tasks on sequences, and training on them."""

from functools import partial

import pytest
import torch

from plusx import ArgumentError
from plusx.sequence_training import SequenceRecipe, SequenceTraining, sequence_losses
from plusx.sequences import NextCharacter, Sorting, load_text
from plusx.transformers import Transformer

CPU = torch.device("cpu")


def small(**settings):
    return partial(Transformer, 10, 8, 16, 2, 1, **settings)


def test_sorting_asks_for_the_digits_in_order():
    tokens, targets = Sorting().batch(50, torch.Generator().manual_seed(3))
    assert tokens.shape == targets.shape == (50, 8) and tokens.unique().tolist() == list(range(10))
    assert (targets.diff(dim=1) >= 0).all()
    assert [sorted(row) for row in tokens.tolist()] == targets.tolist()


def test_the_test_of_sorting_is_always_the_same():
    assert torch.equal(Sorting().test()[0], Sorting().test()[0])
    assert len(Sorting().test()[0]) == 512


def test_text_goes_to_tokens_and_back():
    task = NextCharacter(load_text(), 32)
    assert task.decode(task.encode("The slate")) == "The slate"
    assert task.vocabulary == len(set(load_text())) < 60
    with pytest.raises(ArgumentError, match=r"unknown characters(.|\n)*@"):
        task.encode("a@b")


def test_targets_are_the_next_characters_and_halves_do_not_overlap():
    text = "".join(chr(97 + n % 26) for n in range(2000)) + "!" * 223
    task = NextCharacter(text, length=10)
    for tokens, targets in (task.batch(40, torch.Generator().manual_seed(0)), task.test()):
        assert torch.equal(tokens[:, 1:], targets[:, :-1])
    assert "!" not in {c for row in task.batch(200, torch.Generator())[1] for c in task.decode(row)}
    assert set(task.decode(task.test()[0].flatten())) == {"!"}


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(ArgumentError, match="too short"):
        NextCharacter("abc", 8)


def test_the_tale_ships_and_is_plain():
    text = load_text()
    assert 5000 < len(text) < 20000 and text.isascii()
    assert max(map(len, text.split())) < 15


def test_the_learning_rate_warms_up_evenly():
    recipe = SequenceRecipe(lr=0.4, warmup=4)
    assert [recipe.rate(step) for step in (1, 2, 4, 9)] == pytest.approx([0.1, 0.2, 0.4, 0.4])
    assert SequenceRecipe(lr=0.4).rate(1) == 0.4


def test_seeds_trained_together_equal_a_seed_trained_alone():
    recipe = SequenceRecipe(epochs=2, steps=3, warmup=2, clip=1.0)
    both = SequenceTraining(small(), Sorting(), recipe, [4, 7], CPU).run()
    alone = SequenceTraining(small(), Sorting(), recipe, [7], CPU).run()
    assert both.train_loss.shape == (2, 3)
    torch.testing.assert_close(both.train_loss[1:], alone.train_loss, rtol=1e-3, atol=1e-4)


def test_a_transformer_learns_to_sort_a_little():
    training = SequenceTraining(small(), Sorting(), SequenceRecipe(lr=5e-3), 2, CPU)
    before = training.measure()[0]
    training.advance(60)
    after = training.measure()[0]
    assert (after < before - 0.5).all()
    net = training.trained()[1]
    tokens, targets = Sorting().test()
    loss = sequence_losses(net(tokens)[None], targets[None])
    torch.testing.assert_close(
        loss, training.evaluate(tokens, targets)[0][1:], rtol=1e-4, atol=1e-4
    )
