"""The U-Net, its task, and the denoiser made of it."""

import pytest
import torch
from torch import nn

from plusx import ArgumentError
from plusx.denoising import (
    Denoiser,
    DenoisingRecipe,
    DenoisingTraining,
    digits,
    draw_batch,
    noised,
    sample,
    signal_and_noise,
)
from plusx.segmentation import (
    SHAPES,
    SegmentationRecipe,
    SegmentationTraining,
    iou,
    make_scenes,
    missed,
)
from plusx.unet import SKIPS, UNet


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("size", [(8, 8), (13, 10), (17, 24)])
def test_the_output_is_as_large_as_the_input(skip, depth, size):
    net = UNet(3, 2, 2, depth, skip)
    assert net(torch.randn(2, 3, *size)).shape == (2, 2, *size)


def test_joining():
    x, earlier = torch.ones(1, 2, 1, 1), torch.full((1, 2, 1, 1), 3.0)
    joined = {skip: UNet(skip=skip).joined(x, earlier).flatten().tolist() for skip in SKIPS}
    assert joined == {"concat": [3, 3, 1, 1], "add": [4, 4], "none": [1, 1]}


def test_a_closed_skip_carries_zeros():
    torch.manual_seed(0)
    net, x = UNet(width=2).eval(), torch.randn(1, 1, 8, 8)
    with torch.no_grad():
        for decoder, level in ((net.decoders[0], 1), (net.decoders[1], 0)):
            closed = net(x, closed=(level,))
            kept = decoder[0].weight.clone()
            decoder[0].weight[:, : kept.shape[1] // 2] = 0  # deaf to what comes across
            torch.testing.assert_close(net(x), closed)
            decoder[0].weight.copy_(kept)


def test_without_skips_only_the_bottom_reaches_the_output():
    torch.manual_seed(0)
    net, x = UNet(width=2, skip="none").eval(), torch.randn(1, 1, 8, 8)
    nn.init.zeros_(net.encoders[-1][0].weight)
    with torch.no_grad():
        assert torch.equal(net(x), net(torch.randn(1, 1, 8, 8)))
        assert not torch.equal(UNet(width=2).eval()(x), net(x))


def test_an_unknown_skip_is_refused():
    with pytest.raises(ArgumentError, match="no such skip"):
        UNet(skip="sum")


def test_scenes_are_the_same_for_a_seed_and_have_all_kinds():
    scenes, again = make_scenes(50, seed=4), make_scenes(50, seed=4)
    assert torch.equal(scenes.images, again.images)
    assert not torch.equal(scenes.masks, make_scenes(50, seed=5).masks)
    assert torch.equal(scenes.masks[:, 0] == 1, scenes.kinds >= 0)
    assert scenes.kinds.unique().tolist() == list(range(-1, len(SHAPES)))
    assert 0.1 < scenes.masks.mean() < 0.35
    assert (scenes.images - scenes.masks).std().item() == pytest.approx(0.35, abs=0.02)


def test_iou_by_hand():
    logits = torch.tensor([2.0, 0.3, -1.0, -2.0])
    assert iou(logits, torch.tensor([1.0, 0.0, 1.0, 0.0])) == pytest.approx(1 / 3)
    assert iou(-torch.ones(4), torch.zeros(4)) == 1
    error = missed(torch.stack([logits, -logits]), torch.tensor([1.0, 0.0, 1.0, 0.0]))
    torch.testing.assert_close(error, torch.tensor([200 / 3, 200 / 3]))


def test_skips_pay_within_four_epochs():
    recipe = SegmentationRecipe(epochs=4, images=100)
    cpu = torch.device("cpu")
    errors = {}
    for skip in ("concat", "none"):
        training = SegmentationTraining(lambda s=skip: UNet(skip=s), recipe, 2, cpu)
        record = training.run()
        assert record.train_loss.shape == (2, 5)
        assert (record.train_loss[:, -1] < record.train_loss[:, 0]).all()
        errors[skip] = record.test_error[:, -1]
        (net, _) = training.trained()
        with torch.no_grad():
            now = missed(net(training.test.images)[None], training.test.masks)
        torch.testing.assert_close(now, record.test_error[:1, -1], rtol=0, atol=0.5)
    assert errors["concat"].mean() + 10 < errors["none"].mean()


def test_the_mixture_keeps_its_variance():
    signal, noise = signal_and_noise(torch.linspace(0, 1, 5))
    torch.testing.assert_close(signal**2 + noise**2, torch.ones(5))
    picture, other = torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)
    torch.testing.assert_close(noised(picture, other, torch.tensor([0.0])), picture)
    assert noised(picture, other, torch.tensor([1.0])).abs().max() < 1e-6


def test_a_batch_is_what_the_denoiser_reads():
    train, test = digits()
    assert train.min() == -1 and train.max() == 1 and test.shape[1:] == (1, 8, 8)
    x, noise = draw_batch(train, 6, torch.Generator().manual_seed(0))
    assert x.shape == (6, 2, 8, 8) and noise.shape == (6, 1, 8, 8)
    assert (x[:, 1] == x[:, 1, :1, :1]).all()


def test_a_denoiser_learns_and_draws():
    training = DenoisingTraining(
        lambda: Denoiser(width=4), DenoisingRecipe(1, 40), 1, torch.device("cpu")
    )
    record = training.run()
    assert record.test_error.shape == (1, 2)
    assert record.test_error[0, 1] < 60 < record.test_error[0, 0]
    (net,) = training.trained()
    pictures = sample(net, 3, steps=4)
    assert pictures.shape == (3, 1, 8, 8) and pictures.isfinite().all()
    assert torch.equal(pictures, sample(net, 3, steps=4))


def test_whoever_knows_the_noise_gets_the_picture_back():
    picture = digits()[1][:1]

    class Oracle(nn.Module):
        def forward(self, x):
            signal, spread = signal_and_noise(x[:, 1:])
            return (x[:, :1] - signal * picture) / spread

    torch.testing.assert_close(
        sample(Oracle(), 2), picture.expand(2, -1, -1, -1), atol=1e-4, rtol=0
    )
