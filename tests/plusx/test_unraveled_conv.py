"""Lesions of convolutional networks: what is left of a block, and what is shipped."""

import json

import pytest
import torch
from torch import nn
from torchvision.transforms.functional import to_pil_image

from plusx import ArgumentError, unraveled_conv
from plusx.reference import reference_folder
from plusx.training import Recipe
from plusx.unraveled_conv import COUNTS, KINDS, ConvNet, LesionCase, remains

SLACK_PERCENT = 8.0  # as in test_reference


def test_a_network_runs_with_other_blocks():
    net, x = ConvNet(1, True).eval(), torch.randn(3, 1, 8, 8)
    torch.testing.assert_close(net.run(x, net.blocks), net(x))
    halved = net.blocks[1]
    left = net.run(x, [net.blocks[0], remains(halved), net.blocks[2]])
    nn.init.zeros_(halved.branch[-1].weight)  # a branch that adds nothing
    torch.testing.assert_close(net(x), left)


def test_a_plain_block_can_go_only_where_it_keeps_the_shape():
    blocks = ConvNet(2, False).blocks
    assert [remains(block) is None for block in blocks] == [False, False, True, False, True, False]
    x = torch.randn(2, 16, 4, 4)
    assert remains(blocks[0])(x) is x


def test_a_case_is_carried_out_with_the_shapes_it_promises():
    record = LesionCase((True, 1), Recipe(epochs=0), seeds=2).run()
    assert record.test_error.shape == (2, 1)
    assert record.without_one.shape == (2, 3) and record.without_one.isfinite().all()
    assert record.without_some.shape == (2, 2)  # one block, and all three
    plain = LesionCase((False, 1), Recipe(epochs=0), seeds=1).run()
    assert plain.without_one.isfinite().tolist() == [[True, False, False]]
    assert plain.without_some.shape == (1, 0)


def test_the_file_holds_all_cases_and_its_command():
    records = unraveled_conv.shipped()
    assert tuple(records) == KINDS
    for (skip, stage), record in records.items():
        assert record.test_error.shape == (5, 1)
        assert record.without_one.shape == (5, 3 * stage)
        counts = [k for k in COUNTS if skip and k <= 3 * stage]
        assert record.without_some.shape == (5, len(counts))
    content = json.loads((reference_folder() / "unraveled_conv.json").read_text())
    assert content["command"] == "python -m plusx.unraveled_conv unraveled_conv"


def test_what_lesson_05_says_about_the_shipped_study():
    deep, short, plain = unraveled_conv.shipped().values()
    assert plain.test_error.mean() < 5 and plain.without_one.nanmean() > 80
    assert (deep.without_one - deep.test_error).mean() < 1
    assert (short.without_one - short.test_error).mean() > 3
    assert (deep.without_one.mean(0)[1:] < 4).all()
    some = deep.without_some.mean(0)
    assert (some.diff() > 0).all() and some[-1] > 80


@pytest.mark.timeout(600)
def test_a_case_run_anew_agrees():
    key = (True, 2)
    case = next(case for case in unraveled_conv.cases() if case.key == key)
    shipped, now = unraveled_conv.shipped()[key], case.run([3])
    for name, values in vars(now).items():
        difference = (values[0] - getattr(shipped, name)[3]).abs()
        assert difference.max() < SLACK_PERCENT + 12 * (name != "test_error"), name


def test_the_full_study_runs_on_a_folder_of_images(tmp_path, monkeypatch):
    """Tiny: three blocks, one epoch, a dozen images that stand for CIFAR-10."""
    for half in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / half / name).mkdir(parents=True)
            for n in range(3):
                image = to_pil_image(torch.rand(3, 8, 8))
                image.save(tmp_path / half / name / f"{n}.png")
    full = unraveled_conv.cases("full", tmp_path)
    assert all(case.recipe.augment and case.recipe.epochs == 164 for case in full)
    tiny = LesionCase((True, 1), Recipe(epochs=1, batch=4, augment=True), tmp_path, seeds=1)
    monkeypatch.setattr("plusx.trained.cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(unraveled_conv, "cases", lambda scale, source: [tiny])
    found = unraveled_conv.lesion_study("full", tmp_path)
    assert found[True, 1].without_one.shape == (1, 3)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ArgumentError, match="no such scale"):
        unraveled_conv.lesion_study("huge")
