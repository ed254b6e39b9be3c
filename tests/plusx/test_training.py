"""The training loop: what it does, and that seeds trained together are seeds trained alone."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from plusx import ArgumentError, Mlp, Recipe, Training, load_data, train
from plusx.augmentation import augment
from plusx.training import SCHEDULES, clip_gradients, losses, scale_to_weights

CPU = torch.device("cpu")
DIGITS = load_data("digits", limit=200)


def trained(recipe, seeds, steps=6, together=None, make=lambda: Mlp(4, skip=True, width=8)):
    training = Training(make, DIGITS, recipe, seeds, CPU, together)
    training.advance(steps)
    return training


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(batch=20),
        Recipe(batch=20, optimiser="adam", lr=1e-3),
        Recipe(batch=20, clip=0.1, schedule="cosine", weight_decay=0.1),
        Recipe(batch=20, layer_scaled=True, lr=0.01),
        Recipe(batch=20, augment=True),
    ],
)
def test_seeds_trained_together_are_seeds_trained_alone(recipe):
    together = trained(recipe, [3, 8], together=True).trained()
    beside = trained(recipe, [3, 8], together=False).trained()
    alone = [trained(recipe, [seed], together=False).trained()[0] for seed in (3, 8)]
    for nets in zip(together, beside, alone, strict=True):
        with torch.no_grad():  # not the weights: Adam moves even those that do nothing
            one, two, three = (net(DIGITS.train_images) for net in nets)
        torch.testing.assert_close(two, three, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(one, three, rtol=1e-2, atol=1e-2)


def test_a_step_is_that_of_a_plain_loop():
    """Against torch's own optimiser, written out."""
    training = Training(lambda: Mlp(4, width=8), DIGITS, Recipe(batch=50, lr=0.1), [5], CPU)
    torch.manual_seed(5)
    net = Mlp(4, width=8)
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    order = torch.randperm(200, generator=torch.Generator().manual_seed(5))
    for start in (0, 50, 100):
        chosen = order[start : start + 50]
        loss = F.cross_entropy(net(DIGITS.train_images[chosen]), DIGITS.train_labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    training.advance(3)
    for mine, theirs in zip(training.trained()[0].parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_a_record_has_a_row_for_each_seed_and_a_column_for_each_epoch():
    record = train(lambda: Mlp(4), DIGITS, Recipe(epochs=3), seeds=2, device=CPU)
    for values in vars(record).values():
        assert values.shape == (2, 4) and values.isfinite().all()
    assert (record.train_loss[:, -1] < record.train_loss[:, 0]).all()
    assert (record.train_error >= 0).all() and (record.train_error <= 100).all()


def test_training_is_repeated_by_its_seeds_and_leaves_the_global_generator_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    one, two, other = (
        train(lambda: Mlp(4), DIGITS, Recipe(epochs=1), seeds, CPU).train_loss
        for seeds in ([0, 1], [0, 1], [2, 3])
    )
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_errors_are_measured_with_statistics_of_the_training_images():
    """Running averages after a few steps are far off; what is measured does not depend on them."""
    training = trained(Recipe(batch=20), [0])
    (net,) = training.trained()
    loss, error, _ = training.measure()
    with torch.no_grad():
        logits = net.train()(DIGITS.train_images)  # the whole set as one batch
    wanted = F.cross_entropy(logits, DIGITS.train_labels)
    torch.testing.assert_close(loss[0], wanted, rtol=2e-2, atol=1e-3)
    wrong = 100 * (logits.argmax(1) != DIGITS.train_labels).float().mean()
    assert error[0].item() == pytest.approx(wrong.item(), abs=1.0)
    assert all(m.momentum == 0.1 for m in net.modules() if isinstance(m, nn.BatchNorm1d))
    assert net.training


def test_measuring_does_not_change_the_course_of_training():
    measured, plain = (Training(lambda: Mlp(4), DIGITS, Recipe(), [0], CPU) for _ in range(2))
    measured.advance(2), plain.advance(2)
    measured.measure()
    measured.advance(2), plain.advance(2)
    for one, two in zip(
        measured.trained()[0].parameters(), plain.trained()[0].parameters(), strict=True
    ):
        assert torch.equal(one, two)


def test_given_networks_are_copied_and_trained_on():
    net = Mlp(4)
    before = net.head.weight.clone()
    training = Training([net], DIGITS, Recipe(), device=CPU)
    training.advance(2)
    assert torch.equal(net.head.weight, before)
    assert not torch.equal(training.trained()[0].head.weight, before)


def test_convolutions_train_side_by_side():
    def make():
        return nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))

    record = train(make, DIGITS, Recipe(epochs=4, batch=20), seeds=2, device=CPU)
    assert (record.train_error[:, -1] < record.train_error[:, 0]).all()


def test_losses_are_per_seed():
    logits, labels = torch.randn(3, 5, 4), torch.randint(4, (3, 5))
    expected = [F.cross_entropy(a, b) for a, b in zip(logits, labels, strict=True)]
    torch.testing.assert_close(losses(logits, labels), torch.stack(expected))


def test_clipping_is_per_seed():
    gradients = [torch.tensor([[3.0, 0.0], [0.3, 0.0]]), torch.tensor([[4.0], [0.4]])]
    clip_gradients(gradients, 1.0)
    torch.testing.assert_close(gradients[0], torch.tensor([[0.6, 0.0], [0.3, 0.0]]))
    torch.testing.assert_close(gradients[1], torch.tensor([[0.8], [0.4]]))


def test_scaled_gradients_have_the_norm_of_their_weights():
    weight, bias = torch.randn(2, 3, 4), torch.randn(2, 3)
    gradients = torch.randn(2, 3, 4), torch.randn(2, 3)
    kept = gradients[1].clone()
    scale_to_weights([(weight, gradients[0]), (bias, gradients[1])])
    torch.testing.assert_close(gradients[0].flatten(1).norm(dim=1), weight.flatten(1).norm(dim=1))
    assert torch.equal(gradients[1], kept)


def test_augmented_images_are_shifted_or_mirrored_ones():
    images = torch.arange(1.0, 65.0).reshape(1, 1, 8, 8).expand(40, 2, 8, 8)
    moved = augment(images, torch.Generator().manual_seed(0))
    assert moved.shape == images.shape
    candidates = [
        F.pad(side[:1], (4, 4, 4, 4))[:, :, row : row + 8, column : column + 8]
        for side in (images, images.flip(3))
        for row in range(9)
        for column in range(9)
    ]
    for image in moved:
        assert any(torch.equal(image, candidate[0]) for candidate in candidates)
    assert len({tuple(image.flatten().tolist()) for image in moved}) > 20


def test_schedules_begin_at_one():
    assert all(factor(0.0) == 1 for factor in SCHEDULES.values())
    assert [SCHEDULES["steps"](p) for p in (0.49, 0.5, 0.75)] == [1.0, 0.1, 0.01]
    assert SCHEDULES["cosine"](1.0) == pytest.approx(0)


@pytest.mark.parametrize("wrong", [{"optimiser": "sdg"}, {"schedule": "linear"}])
def test_an_unknown_setting_is_refused(wrong):
    with pytest.raises(ArgumentError, match="Recipe"):
        Recipe(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"epochs": -1}, {"epochs": 2.5}, {"batch": 0}, {"batch": -5}, {"batch": "20"}),
        *({"warmup": -1}, {"lr": -0.1}, {"lr": float("nan")}, {"lr": float("inf")}),
    ],
)
def test_a_recipe_of_numbers_that_cannot_be_is_refused(wrong):
    with pytest.raises(ArgumentError, match="no recipe") as caught:
        Recipe(**wrong)
    assert next(iter(wrong)) in str(caught.value)
