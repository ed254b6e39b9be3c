"""Networks that can be taken apart, and the specimens made of them."""

import pytest
import torch
from torch import nn

from plusx import ArgumentError, Recipe, Training, load_data, paths
from plusx.lesions import delete_each, without
from plusx.trained import trained_networks
from plusx.unraveled import PreBlock, PreNet, Specimen, gradient_problem, survivals

CPU = torch.device("cpu")


def test_the_network_is_stem_blocks_and_head():
    net, x = PreNet(3).eval(), torch.randn(4, 1, 8, 8)
    h = net.stem(x.flatten(1))
    for block in net.blocks:
        h = h + block.branch(h)
    torch.testing.assert_close(net(x), net.head(h))
    assert net(x).shape == (4, 10)
    torch.testing.assert_close(net.run(x, []), net.head(net.stem(x.flatten(1))))


def test_a_plain_block_has_no_skip():
    block, x = PreBlock(4, skip=False).eval(), torch.randn(3, 4)
    torch.testing.assert_close(block(x), block.branch(x))


def test_a_stochastic_block_is_there_or_not_and_scaled_in_evaluation():
    torch.manual_seed(0)
    block, x = PreBlock(4, survival=0.3), torch.randn(6, 4)
    both = [x, x + block.branch(x)]
    stayed = 0
    for _ in range(200):
        y = block(x)
        assert any(torch.allclose(y, one) for one in both)
        stayed += torch.allclose(y, both[1])
    assert 30 < stayed < 90
    block.eval()
    torch.testing.assert_close(block(x), x + 0.3 * block.branch(x))


def test_survival_falls_linearly():
    assert survivals(4, 0.5) == [0.875, 0.75, 0.625, 0.5]
    assert survivals(3, 1.0) == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    "settings",
    [{"blocks": 0}, {"blocks": 2, "last_survival": 0.0}, {"blocks": 2, "last_survival": 1.5}],
)
def test_networks_that_cannot_be_are_refused(settings):
    with pytest.raises(ArgumentError, match="0 < last_survival <= 1"):
        PreNet(**settings)


def test_stochastic_depth_needs_skips():
    with pytest.raises(ArgumentError, match="skip"):
        PreNet(3, skip=False, last_survival=0.5)


@pytest.mark.parametrize("kept", [True, False])
def test_a_specimen_leaves_the_network_alone_and_gives_its_error(kept):
    data = load_data("digits", limit=200)
    torch.manual_seed(0)
    net = PreNet(2)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    statistics = data.train_images if kept else None
    specimen = Specimen(net, data.test_images, data.test_labels, statistics)
    error = specimen.error(specimen.blocks)
    assert specimen.error(specimen.blocks) == error
    net.train()
    if kept:
        for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm1d)):
            norm.momentum = 1.0
        net(data.train_images)
        net.eval()
    wrong = net(data.test_images).argmax(1) != data.test_labels
    assert error == pytest.approx(100 * wrong.double().mean().item())
    fresh = PreNet(2)
    fresh.load_state_dict(before)
    specimen = Specimen(fresh, data.test_images, data.test_labels, statistics)
    delete_each(specimen.blocks, specimen.error)
    assert all(torch.equal(value, before[name]) for name, value in fresh.state_dict().items())


def test_contributions_are_what_blocks_add():
    net, images = PreNet(2).eval(), torch.randn(50, 1, 8, 8)
    specimen = Specimen(net, images, torch.zeros(50, dtype=torch.int64), images)
    h = specimen.net.stem(images.flatten(1))
    expected = specimen.blocks[0].branch(h).norm() / h.norm()
    assert specimen.contributions()[0].item() == pytest.approx(expected.item(), rel=1e-5)


def test_the_gradient_problem_is_that_of_the_loss():
    net, images = PreNet(4), torch.randn(30, 1, 8, 8)
    labels = torch.randint(10, (30,))
    branches, x, v = gradient_problem(net, images, labels)
    h = start = x.requires_grad_()
    for block in net.blocks:
        h = block(h)
    loss = nn.functional.cross_entropy(net.head(h), labels)
    whole = torch.autograd.grad(loss, start)[0]
    found = paths.gradient_by_length(branches, x, v).sum(0)
    torch.testing.assert_close(found, whole, rtol=1e-3, atol=1e-6)


def test_trained_networks_are_found_again(tmp_path):
    data, recipe = load_data("digits", limit=300), Recipe(epochs=1)
    first = trained_networks(PreNet, data, recipe, 2, CPU, tmp_path, blocks=2)
    (file,) = tmp_path.iterdir()
    made = file.stat().st_mtime_ns
    again = trained_networks(PreNet, data, recipe, 2, CPU, tmp_path, blocks=2)
    assert file.stat().st_mtime_ns == made, "trained again"
    for a, b in zip(first, again, strict=True):
        other = b.state_dict()
        assert all(torch.equal(value, other[name]) for name, value in a.state_dict().items())
    assert not torch.equal(first[0].stem.weight, first[1].stem.weight)
    trained_networks(PreNet, data, recipe, 2, CPU, tmp_path, blocks=1)
    assert len(list(tmp_path.iterdir())) == 2
    file.write_bytes(b"broken")
    mended = trained_networks(PreNet, data, recipe, 2, CPU, tmp_path, blocks=2)
    torch.testing.assert_close(mended[0].stem.weight, first[0].stem.weight)


def test_a_folder_that_cannot_be_written_does_no_harm(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("in the way")
    data = load_data("digits", limit=200)
    nets = trained_networks(PreNet, data, Recipe(epochs=0), 1, CPU, blocker / "runs", blocks=1)
    assert len(nets) == 1


def test_what_lesson_05_says_about_lesions_and_gradients():
    """Smaller than the lesson: two seeds, and effects by a wide margin."""
    data, recipe = load_data("digits"), Recipe(epochs=10)
    batch = data.train_images[:50], data.train_labels[:50]

    def trained(**settings):
        training = Training(lambda: PreNet(**settings), data, recipe, 2, CPU)
        training.advance(recipe.epochs * training.steps_per_epoch)
        nets = training.trained()
        return nets, [Specimen(net, data.test_images, data.test_labels) for net in nets]

    _, plain = trained(blocks=5, skip=False)
    nets, residual = trained(blocks=50)
    for patient in plain:
        assert patient.error(patient.blocks) < 15
        assert delete_each(patient.blocks, patient.error).mean() > 65
    for net, patient in zip(nets, residual, strict=True):
        whole = patient.error(patient.blocks)
        assert whole < 10
        assert delete_each(patient.blocks, patient.error).mean() < whole + 2
        assert patient.error(without(patient.blocks, range(45))) > 30
        by_length = paths.norms(paths.gradient_by_length(*gradient_problem(net, *batch)))
        assert paths.effective_length(by_length) < 50 / 6
