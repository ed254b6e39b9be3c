"""`scale = "full"`: the cells that depend on it run, at a tiny size and on a folder of images."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torchvision.utils import save_image

from nbproctor.building.source import read_source
from plusx import experiments, plots

ROOT = Path(__file__).parents[2]
DEPENDS = re.compile(r"scale = |scale ==|\(scale\)|\bsetting\.")
LESSONS = [
    path
    for path in sorted(ROOT.glob("solutions/*/*.py"))
    if '\nscale = "small"\n' in path.read_text(encoding="utf-8")
]


@pytest.fixture
def tiny(tmp_path, monkeypatch) -> None:
    """Full scale becomes tiny: two networks, one epoch, 40 images of 8 x 8 pixels."""
    draw = torch.Generator().manual_seed(0)
    for half in ("train", "test"):
        for name in "abcdefghij":
            (tmp_path / half / name).mkdir(parents=True)
            for n in range(2):
                image = torch.rand(3, 8, 8, generator=draw)
                save_image(image, tmp_path / half / name / f"{n}.png")
    full = experiments.SCALES["full"]
    recipe = replace(full.recipe, epochs=1, batch=10)
    small = replace(full, data=str(tmp_path), depths=(8, 14), recipe=recipe, seeds=2)
    monkeypatch.setitem(experiments.SCALES, "full", small)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(plots, "show", lambda alt: plots.plt.close("all"))


def test_the_lessons_on_depth_offer_full_scale() -> None:
    assert {path.stem[:2] for path in LESSONS} >= {"01", "04", "05"}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_cells_run_at_full_scale(path: Path, tiny: None, capsys: pytest.CaptureFixture) -> None:
    codes = [cell.text for cell in read_source(path).cells if cell.cell_type == "code"]
    chosen = [text for text in codes if DEPENDS.search(text)]
    assert len(chosen) >= 2
    space: dict[str, object] = {}
    for text in [codes[0], *chosen]:
        exec(text.replace('scale = "small"', 'scale = "full"'), space)
    assert "±" in capsys.readouterr().out
