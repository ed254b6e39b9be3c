"""What lessons show of the runs at full scale: what is there, and a word on what is not.

Runs are made by `plusx.full_scale` and shipped as files; nothing is trained here.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor

from plusx.errors import ArgumentError
from plusx.experiments import mean_spread
from plusx.full_scale import STUDIES, Key, load_files, load_runs
from plusx.path_plots import plot_lesions
from plusx.plots import COLOURS, figure, plot_means, plot_runs
from plusx.training import Record

__all__ = ["about_runs", "show_depths", "show_lesions", "table_of_runs"]


def about_runs(study: str, folder: Path | None = None) -> str:
    """What was run for a study, on which images, by what; or that nothing was yet.

    Raises `ArgumentError` for a study that does not exist.
    """
    if study not in STUDIES:
        raise ArgumentError("no such study", expected=list(STUDIES), got=study, where="about_runs")
    files = list(load_files(study, folder))
    if not files:
        return (
            f"{study}: not run yet. On a GPU: make reference-runs ARGS={study}\n"
            f"  ({STUDIES[study].__doc__})"
        )
    first = files[0]
    data, recipe, made = first["data"], first["recipe"], first["made_with"]
    return (
        f"{study}: {first['about']} {len(files)} runs, {recipe['epochs']} epochs of "
        f"{data['training_images']:,} images from {data['name']!r}, tested on "
        f"{data['test_images']:,}; on {made.get('gpu', made['processor'])}."
    )


def table_of_runs(study: str, folder: Path | None = None) -> str:
    """A line for each case: its key, training and test error in percent, mean ± standard
    deviation over seeds. Where nothing was run, a sentence that says so."""
    runs = load_runs(study, folder)
    lines = [
        f"  {', '.join(map(str, key)):36} training {_spread(record.train_error[:, -1])} %, "
        f"test {_spread(record.test_error[:, -1])} %"
        for key, record in _sorted(runs)
    ]
    return "\n".join([about_runs(study, folder), *lines])


def _spread(values: Tensor) -> str:
    return mean_spread(values) if len(values) > 1 else f"{values.item():.1f} (one seed)"


def _sorted(runs: dict[Key, Record]) -> list[tuple[Key, Record]]:
    return sorted(runs.items(), key=lambda item: str(item[0]))


def show_depths(study: str, folder: Path | None = None) -> Figure | None:
    """Training and test error of plain and residual networks, by epoch and, in the end, by depth.

    None where nothing was run. The study's keys are (depth, skip), as in He et al. 2015, figure 6.
    """
    runs = {(int(str(depth)), skip): r for (depth, skip), r in load_runs(study, folder).items()}
    if not runs:
        return None
    drawing, axes = figure(2, height=3.4)
    for skip, role in ((False, "plain"), (True, "residual")):
        depths = sorted(depth for depth, has_skip in runs if has_skip == skip)
        for depth in depths:
            errors = runs[depth, skip].train_error
            label = role if depth == depths[0] else ""
            plot_runs(axes[0], range(errors.shape[1]), errors, label, role)
            place = (errors.shape[1] - 1, errors[:, -1].median().item())
            axes[0].annotate(
                f" {depth}", place, color=COLOURS[role], fontsize=8, va="center", clip_on=False
            )
        ends = [runs[depth, skip].test_error[:, -1] for depth in depths]
        plot_means(axes[1], depths, ends, role, role)
    axes[0].set(xlabel="epoch", ylabel="training error (%)", title="by epoch (numbers: layers)")
    axes[1].set(xlabel="depth (layers)", ylabel="test error (%)", title="in the end")
    axes[1].set_xticks(sorted({depth for depth, _ in runs}))
    axes[0].legend()
    return drawing


def show_lesions(folder: Path | None = None) -> Figure | None:
    """The lesion study at full scale: one unit deleted, many deleted, gradient by path length.

    None where it was not run. Source: Veit et al. 2016, figures 3, 5, 6.
    """
    studies = [content["study"] for content in load_files("cifar_lesions", folder)]
    if not studies:
        return None
    drawing, axes = figure(3, height=3.2)
    whole, one_less = _rows(studies, "error"), _rows(studies, "without_one")
    plot_lesions(axes[0], one_less, whole, "residual", COLOURS["residual"], "s", "-")
    sizes = sorted(map(int, studies[0]["without_some"]))
    some = torch.stack(
        [torch.cat([torch.tensor(one["without_some"][str(n)]) for one in studies]) for n in sizes],
        dim=1,
    )  # (seeds * draws, sizes)
    plot_runs(axes[1], sizes, some, "residual", "residual")
    masses = _rows(studies, "gradient_by_length")  # (seeds, units + 1)
    share = masses / masses.sum(-1, keepdim=True)
    plot_runs(axes[2], range(share.shape[-1]), share, "residual", "residual")
    axes[0].set(xlabel="place of the deleted unit", ylabel="test error (%)", title="one deleted")
    axes[1].set(xlabel="units deleted at random", ylabel="test error (%)", title="many deleted")
    axes[2].set(xlabel="path length (units)", ylabel="share of the gradient", title="gradient")
    return drawing


def _rows(studies: Sequence[dict[str, Any]], name: str) -> Tensor:
    return torch.stack([torch.tensor(one[name]) for one in studies])
