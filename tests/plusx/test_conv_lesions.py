"""Lesions, shuffles and gradients of convolutional residual networks."""

import json

import pytest
import torch
from torch.nn import functional as F

from plusx import ArgumentError, load_data
from plusx.conv_lesions import ConvSpecimen, length_masses, lesion_study
from plusx.conv_units import UnitResNet
from plusx.paths import gradient_by_length, states

SHAPES = load_data("shapes", limit=30)
ORDER = "full pre-activation"


def network(depth=20):
    torch.manual_seed(0)
    return UnitResNet(depth, ORDER)


def specimen(net):
    return ConvSpecimen(net, SHAPES.test_images, SHAPES.test_labels, SHAPES.train_images)


def test_the_whole_specimen_is_the_network_with_the_statistics_it_was_given():
    net = network()
    one = specimen(net)
    logits = one._logits(SHAPES.train_images, one.places)
    # not the same: evaluation takes the unbiased variance, training the biased one
    torch.testing.assert_close(logits, net.train()(SHAPES.train_images), atol=2e-2, rtol=0)
    assert one.stages == [[0, 1, 2], [4, 5], [7, 8]]
    assert 0 <= one.error(one.places) <= 100


def test_a_lesion_leaves_out_a_branch_and_nothing_else():
    one = specimen(network())
    x = SHAPES.test_images
    for gone in (1, 3):
        order = [place for place in one.places if place != gone]
        unit, h = one.units[gone], one.net.stem(x)
        for place, other in enumerate(one.units):
            h = other(h) if place != gone else unit.ways(h)[0]
        with torch.no_grad():
            torch.testing.assert_close(one._logits(x, order), one.net.finish(h))


def test_units_change_places_within_their_stage_only():
    one = specimen(network())
    draw = torch.Generator().manual_seed(0)
    assert one.shuffled(0, draw) == one.places
    orders = [one.shuffled(3, draw) for _ in range(50)]
    assert any(order != one.places for order in orders)
    for order in orders:
        assert order[3] == 3 and order[6] == 6
        assert sorted(order[:3]) == [0, 1, 2] and sorted(order[4:6]) == [4, 5]
    x = SHAPES.test_images
    swapped = one._logits(x, [1, 0, *one.places[2:]])
    h = one.net.stem(x)
    for place in [1, 0, *one.places[2:]]:
        h = one.units[place](h)
    with torch.no_grad():
        torch.testing.assert_close(swapped, one.net.finish(h))


def test_the_gradients_of_all_lengths_add_up_to_autograds():
    """In float64, over units that change the shape, too."""
    net = network(14).double()
    images, labels = SHAPES.train_images[:3].double(), SHAPES.train_labels[:3]
    x = net.stem(images).detach().requires_grad_()
    (whole,) = torch.autograd.grad(F.cross_entropy(net.finish(net.blocks(x)), labels), x)
    units = net.units()
    branches = [lambda h, unit=unit: unit.ways(h)[1] for unit in units]
    skips = [lambda h, unit=unit: unit.ways(h)[0] for unit in units]
    h = states(branches, x, skips)[-1].requires_grad_()
    (v,) = torch.autograd.grad(F.cross_entropy(net.finish(h), labels), h)
    parts = gradient_by_length(branches, x, v, skips)
    assert parts.shape == (len(units) + 1, *x.shape)
    torch.testing.assert_close(parts.sum(0), whole)
    masses = length_masses(net, images, labels)
    torch.testing.assert_close(masses, parts.flatten(1).norm(dim=1))


def test_paths_need_a_bare_sum():
    with pytest.raises(ArgumentError, match="follows the sum"):
        length_masses(UnitResNet(8), SHAPES.train_images, SHAPES.train_labels)


def test_the_study_is_plain_data():
    found = lesion_study(network(14), SHAPES, draws=2, few=4)
    assert json.loads(json.dumps(found))["crossings"] == [2, 4]
    assert len(found["without_one"]) == 6 and len(found["gradient_by_length"]) == 7
    assert len(found["shuffled_tau"]) == len(found["shuffled_error"]) == 2 * 3
    assert all(len(errors) == 2 for errors in found["without_some"].values())
