"""Data sets: one form for all, whatever the source."""

import pytest
import torch
from PIL import Image

from plusx import ArgumentError, load_data
from plusx.data import PATTERNS, SHAPES, Data, make_shapes


def halves(loaded: Data):
    return (
        (loaded.train_images, loaded.train_labels),
        (loaded.test_images, loaded.test_labels),
    )


@pytest.mark.parametrize(
    ("source", "sizes", "shape"),
    [("digits", (1400, 397), (1, 8, 8)), ("shapes", (2000, 500), (3, 16, 16))],
)
def test_what_is_embedded_has_the_promised_form(source, sizes, shape):
    loaded = load_data(source)
    assert tuple(len(labels) for _, labels in halves(loaded)) == sizes
    for images, labels in halves(loaded):
        assert images.shape[1:] == shape and images.dtype == torch.float32
        assert labels.dtype == torch.int64 and labels.unique().tolist() == list(range(10))
    assert len(loaded.classes) == 10
    deviation, mean = torch.std_mean(loaded.train_images, dim=(0, 2, 3))
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-4, rtol=0)
    torch.testing.assert_close(deviation, torch.ones_like(mean))


def test_the_halves_of_the_digits_share_no_image():
    loaded = load_data("digits")
    rows = torch.cat([loaded.train_images, loaded.test_images]).flatten(1)
    from sklearn.datasets import load_digits

    assert len(rows.unique(dim=0)) == len(torch.tensor(load_digits().data).unique(dim=0))


def test_a_source_loads_the_same_twice_and_a_limit_keeps_some():
    assert load_data("shapes").digest == load_data("shapes").digest
    few = load_data("shapes", limit=60)
    assert [len(labels) for _, labels in halves(few)] == [60, 60]
    assert few.digest != load_data("shapes").digest
    assert torch.equal(few.train_labels, load_data("shapes", limit=60).train_labels)


def test_shapes_depend_on_the_seed_alone_and_cover_all_classes():
    images, labels = make_shapes(300, seed=3)
    again, _ = make_shapes(300, seed=3)
    other, _ = make_shapes(300, seed=4)
    assert torch.equal(images, again) and not torch.equal(images, other)
    assert images.shape == (300, 3, 16, 16) and images.min() >= 0 and images.max() <= 1
    assert labels.unique().tolist() == list(range(len(SHAPES) * len(PATTERNS)))


def test_discs_are_fuller_than_rings_and_crosses():
    """The shape is brighter than its background, on average over many images."""
    images, labels = make_shapes(4000, seed=0)
    brightness = {
        shape: images[labels % len(SHAPES) == n].mean().item() for n, shape in enumerate(SHAPES)
    }
    assert brightness["disc"] > brightness["ring"]
    assert brightness["square"] > brightness["cross"]


def image_folder(root, sizes=(7,), classes=("a", "b")):
    for half in ("train", "test"):
        for name in classes:
            (root / half / name).mkdir(parents=True)
            for n, size in enumerate(sizes * 2):
                colour = (255, 40 * n, 0) if name == "a" else (0, 40 * n, 255)
                Image.new("RGB", (size, size), colour).save(root / half / name / f"{n}.png")
    return root


def test_a_folder_of_images_is_a_data_set(tmp_path):
    loaded = load_data(image_folder(tmp_path / "mine"))
    assert loaded.name == "mine" and loaded.classes == ("a", "b")
    assert loaded.train_images.shape == (4, 3, 7, 7)
    assert loaded.train_labels.tolist() == [0, 0, 1, 1]
    assert (loaded.train_images[:2, 0] > 0).all() and (loaded.train_images[2:, 0] < 0).all()
    assert load_data(str(tmp_path / "mine")).digest == loaded.digest


def test_what_is_no_data_set_is_refused(tmp_path):
    with pytest.raises(ArgumentError, match="digits, shapes, cifar10"):
        load_data("no such set")
    with pytest.raises(ArgumentError, match="no train and no test"):
        load_data(tmp_path)
    with pytest.raises(ArgumentError, match="differ in size"):
        load_data(image_folder(tmp_path / "sizes", sizes=(7, 8)))
    (image_folder(tmp_path / "classes") / "test/c").mkdir()
    Image.new("RGB", (7, 7)).save(tmp_path / "classes/test/c/0.png")
    with pytest.raises(ArgumentError, match="different classes"):
        load_data(tmp_path / "classes")
    with pytest.raises(ArgumentError, match="limit >= 1"):
        load_data("digits", limit=0)
