"""Images and labels: shipped, generated, fetched, or from a folder of yours, all in one form.

| source          | images                  | where they come from                              |
|-----------------|-------------------------|---------------------------------------------------|
| "digits"        | 1,797, 1 x 8 x 8        | scikit-learn's own copy; nothing is fetched       |
| "shapes"        | 2,500, 3 x 16 x 16      | drawn here from a seed; nothing is fetched        |
| "cifar10"       | 60,000, 3 x 32 x 32     | fetched, checked and unpacked as torchvision says |
| "fashion_mnist" | 70,000, 1 x 28 x 28     | fetched, checked and unpacked as torchvision says |
| a folder        | any, of one size        | train/<class>/* and test/<class>/*                |
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from hashlib import sha256
from math import pi
from pathlib import Path
from typing import Any

import torch
from platformdirs import user_cache_path
from torch import Tensor

from plusx.downloads import both_halves
from plusx.errors import ArgumentError

DIGITS_FOR_TRAINING = 1400  # of 1,797
SHAPES = ("disc", "square", "triangle", "cross", "ring")
PATTERNS = ("stripes", "checker")
SIDE = 16  # pixels of a generated image


@dataclass(frozen=True)
class Data:
    """A data set in memory: images (N, C, H, W) in float32, labels (N,) in int64.

    `load_data` standardises images: over the training images, each channel has mean 0 and
    standard deviation 1.
    """

    name: str
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    classes: tuple[str, ...]

    def to(self, device: torch.device | str) -> "Data":
        """The same data on another device."""
        names = ("train_images", "train_labels", "test_images", "test_labels")
        moved: dict[str, Any] = {name: getattr(self, name).to(device) for name in names}
        return replace(self, **moved)

    @property
    def digest(self) -> str:
        """A short name for the content: all labels, and pixels of up to 1,000 training images."""
        step = max(1, len(self.train_images) // 1000)
        content = sha256(repr((self.name, tuple(self.train_images.shape))).encode())
        for tensor in (self.train_labels, self.test_labels, self.train_images[::step]):
            content.update(tensor.cpu().contiguous().numpy().tobytes())
        return content.hexdigest()[:16]


def load_data(source: str | Path = "digits", limit: int | None = None) -> Data:
    """Load a data set by its name, or from a folder of images.

    `limit` keeps that many images of each half, drawn with a fixed seed. Fetched data sets are
    kept in the user's cache folder. Raises `ArgumentError` if there is no such source, and
    `DownloadError`, which says the way by hand, if it cannot be fetched.
    """
    if isinstance(source, str) and source in SOURCES:
        data = SOURCES[source]()
    elif Path(source).is_dir():
        data = _from_folder(Path(source))
    else:
        raise ArgumentError(
            "no such data set",
            expected=f"{', '.join(SOURCES)}, or a folder with train/ and test/",
            got=repr(source),
            where="load_data",
        )
    return _standardised(_limited(data, limit) if limit is not None else data)


def make_shapes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images of coloured shapes on noise, and their labels.

    Class = shape + 5 * pattern, for the names in SHAPES and PATTERNS; place, size, angle, colours
    and noise are drawn. Returns (count, 3, 16, 16) with values from 0 to 1, and (count,) labels.
    """
    draw = torch.Generator().manual_seed(seed)

    def uniform(low: float, high: float, *size: int) -> Tensor:
        return low + (high - low) * torch.rand(count, *(size or (1, 1)), generator=draw)

    labels = torch.randint(len(SHAPES) * len(PATTERNS), (count,), generator=draw)
    grid = (torch.arange(SIDE) + 0.5) / SIDE
    x = grid[None, None, :] - uniform(0.38, 0.62)  # (count, 1, W)
    y = grid[None, :, None] - uniform(0.38, 0.62)  # (count, H, 1)
    angle, radius = uniform(0, 2 * pi), uniform(0.24, 0.36)
    u = (x * angle.cos() + y * angle.sin()) / radius  # (count, H, W)
    v = (y * angle.cos() - x * angle.sin()) / radius  # (count, H, W)
    inside = torch.stack(_insides(u, v))[labels % len(SHAPES), torch.arange(count)]
    wave = 2 * pi * SIDE * radius / uniform(3.0, 4.5)  # periods of 3 to 4.5 pixels
    stripes, across = (wave * u).sin() > 0, (wave * v).sin() > 0
    checkered = (labels // len(SHAPES) == 1)[:, None, None]
    dark = torch.where(checkered, stripes ^ across, stripes)  # (count, H, W)
    shade = torch.where(dark, 0.35, 1.0)[:, None]  # (count, 1, H, W)
    colour, background = uniform(0.5, 1.0, 3, 1, 1), uniform(0.0, 0.5, 3, 1, 1)
    images = torch.where(inside[:, None], colour * shade, background)  # (count, 3, H, W)
    noise = 0.15 * torch.randn(images.shape, generator=draw)
    return (images + noise).clamp(0, 1), labels


def _insides(u: Tensor, v: Tensor) -> list[Tensor]:
    """For each of SHAPES, which points are inside; (u, v) run from -1 to 1 over its box."""
    distance = (u**2 + v**2).sqrt()
    in_box = (u.abs() < 0.85) & (v.abs() < 0.85)
    return [
        distance < 1,
        in_box,
        (v > -0.6) & (v < 1 - 1.8 * u.abs()),
        ((u.abs() < 0.3) & (v.abs() < 1)) | ((v.abs() < 0.3) & (u.abs() < 1)),
        (distance < 1) & (distance > 0.55),
    ]


def _digits() -> Data:
    from sklearn.datasets import load_digits  # a second to import

    bunch = load_digits()
    order = torch.randperm(len(bunch.target), generator=torch.Generator().manual_seed(0))
    images = torch.tensor(bunch.images, dtype=torch.float32)[order, None] / 16  # (N, 1, 8, 8)
    labels = torch.tensor(bunch.target, dtype=torch.int64)[order]
    n = DIGITS_FOR_TRAINING
    classes = tuple("0123456789")
    return Data("digits", images[:n], labels[:n], images[n:], labels[n:], classes)


def _shapes() -> Data:
    classes = tuple(f"{shape}, {pattern}" for pattern in PATTERNS for shape in SHAPES)
    return Data("shapes", *make_shapes(2000, seed=0), *make_shapes(500, seed=1), classes)


def _fetched(name: str, torchvision_name: str) -> Data:
    from torchvision import datasets

    folder = user_cache_path("plusx") / "data"
    kind = getattr(datasets, torchvision_name)
    train, test = both_halves(kind, folder)
    return Data(name, *_pixels(train), *_pixels(test), tuple(train.classes))


def _pixels(half: Any) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) from 0 to 1, and labels (N,), of one of torchvision's data sets."""
    pixels = torch.as_tensor(half.data, dtype=torch.float32) / 255
    # torchvision has (N, H, W) for grey images and (N, H, W, C) for coloured ones
    images = pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)
    return images, torch.as_tensor(half.targets, dtype=torch.int64)


def _from_folder(folder: Path) -> Data:
    from torchvision.datasets import ImageFolder
    from torchvision.transforms.functional import pil_to_tensor

    missing = [half for half in ("train", "test") if not (folder / half).is_dir()]
    if missing:
        raise ArgumentError(
            "a folder of images needs two halves",
            expected="train/<class>/* and test/<class>/*",
            got=f"no {' and no '.join(missing)}",
            where=str(folder),
        )
    train, test = (ImageFolder(folder / half, pil_to_tensor) for half in ("train", "test"))
    if train.classes != test.classes:
        raise ArgumentError(
            "the halves of a folder have different classes",
            expected=train.classes,
            got=test.classes,
            where=str(folder),
        )
    return Data(folder.name, *_decoded(train), *_decoded(test), tuple(train.classes))


def _decoded(half: Any) -> tuple[Tensor, Tensor]:
    """Images (N, C, H, W) from 0 to 1, and labels (N,), of a folder."""
    images = [image for image, _ in half]
    sizes = sorted({tuple(image.shape) for image in images})
    if len(sizes) > 1:
        raise ArgumentError(
            "the images differ in size", expected="one size", got=sizes[:4], where=half.root
        )
    return torch.stack(images) / 255, torch.tensor(half.targets)


def _limited(data: Data, limit: int) -> Data:
    if limit < 1:
        raise ArgumentError("too few images", expected="limit >= 1", got=limit, where="load_data")
    draw = torch.Generator().manual_seed(0)
    kept: dict[str, Any] = {}
    for half in ("train", "test"):
        images, labels = getattr(data, f"{half}_images"), getattr(data, f"{half}_labels")
        order = torch.randperm(len(labels), generator=draw)[:limit]
        kept |= {f"{half}_images": images[order], f"{half}_labels": labels[order]}
    return replace(data, **kept)


def _standardised(data: Data) -> Data:
    deviation, mean = torch.std_mean(data.train_images, dim=(0, 2, 3), keepdim=True)
    halves: dict[str, Any] = {
        name: (getattr(data, name) - mean) / deviation.clamp(min=1e-6)
        for name in ("train_images", "test_images")
    }
    return replace(data, **halves)


SOURCES: dict[str, Callable[[], Data]] = {
    "digits": _digits,
    "shapes": _shapes,
    "cifar10": lambda: _fetched("cifar10", "CIFAR10"),
    "fashion_mnist": lambda: _fetched("fashion_mnist", "FashionMNIST"),
}
