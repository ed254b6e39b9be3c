"""A diagnosis of lesson 01 never fits the right answer."""

import pytest
import torch
from mistakes import some
from torch import nn

from plusx import diagnose_depth as diagnose
from plusx import fill_by_shape, identity


def test_wrong_counts_of_plain_networks_differ():
    for sizes in [(4, 32, 64, 10), (7, 6, 9, 2), (3, 4, 12, 7)]:
        net = diagnose.plain_reference(*sizes)
        count = sum(p.numel() for p in net.parameters())
        wrong = diagnose.wrong_plain_counts(*sizes)
        unchanged = [sentence for sentence, value in wrong.items() if value == count]
        ignored = {"width": sizes[1] == 32, "inputs": sizes[2] == 64, "classes": sizes[3] == 10}
        expected = [f"{name} is ignored" for name, same in ignored.items() if same]
        if sizes[0] == 3:  # the one hidden layer of its kind serves nobody else
            expected.append("one layer is used again")
        assert all(any(sentence.startswith(e) for e in expected) for sentence in unchanged)


@pytest.mark.parametrize("training", [True, False])
def test_wrong_logits_differ_and_leave_the_reference_alone(training):
    torch.manual_seed(0)
    net = diagnose.plain_reference(5, 6, 4, 3).train(training)
    fill_by_shape(net, seed=2)
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    x = torch.randn(8, 4)
    with torch.no_grad():
        wrong = diagnose.wrong_plain_logits(net, x)
        assert all(torch.equal(before[name], t) for name, t in net.state_dict().items())
        right = net(x)
    for sentence, value in some(wrong).items():
        assert value.shape == right.shape, sentence
        if "on the logits" not in sentence or (right < 0).any():
            assert not torch.allclose(value, right, rtol=1e-4), sentence


def test_wrong_gaps_differ():
    errors, others = [4.0, 7.0, 3.5], [1.0, 3.0, 2.5, 9.0]
    right = diagnose.right_gap(errors, others)
    for sentence, value in some(diagnose.wrong_gaps(others, errors)).items():
        if sentence != "the sign is lost":
            assert value != pytest.approx(diagnose.right_gap(others, errors)), sentence
    assert right == pytest.approx((14.5 / 3 - 3.875) / (3.5833333 / 3 + 12.395833 / 4) ** 0.5)


def test_wrong_gradients_steps_and_fits_differ():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3))
    images, labels = torch.randn(6, 4), torch.randint(3, (6,))
    weights = [p for p in net.parameters() if p.ndim > 1]
    loss = nn.functional.cross_entropy(net(images), labels)
    right = [g.norm().item() for g in torch.autograd.grad(loss, weights)]
    for sentence, value in some(diagnose.wrong_weight_gradients(net, images, labels)).items():
        assert value != pytest.approx(right), sentence
    tensors = [torch.randn(3, 4), 2 * torch.randn(5, 3)], [torch.randn(3, 4), torch.randn(5, 3)]
    step = diagnose.flat(diagnose.right_scaled_step(*tensors, 0.3))
    for sentence, value in some(diagnose.wrong_scaled_steps(*tensors, 0.3)).items():
        assert not torch.allclose(value, step), sentence
    start, x = 0.6 * torch.rand(3, 4, 4) - 0.1, torch.rand(6, 4)
    for skip in (False, True):
        fit = diagnose.right_fit(start, x, skip, 0.1, 4)
        for sentence, value in some(diagnose.wrong_fits(start, x, skip, 0.1, 4)).items():
            same = ("the skip joins after", "x is added", "the ReLU acts on the weights' side")
            assert value != pytest.approx(fit, rel=1e-5) or sentence.startswith(same), sentence


def test_wrong_depths_and_identities_differ():
    torch.manual_seed(0)
    net = identity.plain_stack(3, width=5, inputs=4, classes=3)[1:]
    count = sum(p.numel() for p in identity.deepen(net, 4).parameters())
    assert count not in some(diagnose.wrong_deeper_counts(net, 4)).values()
    x = torch.randn(7, 4)
    with torch.no_grad():
        for sentence, value in some(diagnose.wrong_deeper_logits(net, 4, x)).items():
            assert value.shape != (7, 3) or not torch.allclose(value, net(x)), sentence
    x = 1000 * torch.rand(2, 3, 4, 5)
    for sentence, value in some(diagnose.wrong_identity_convs(x)).items():
        assert not torch.allclose(value, x, rtol=2e-6, atol=1e-6), sentence
