"""Figures of lesson 08: steps along a flow, regions of stability, paths of points."""

from collections.abc import Mapping, Sequence

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from plusx.continuous import Reflection, linear_field
from plusx.plots import COLOURS, DASHES, MARKERS, figure
from plusx.solvers import amplification, trajectory

ROLES = {"Euler": "plain", "midpoint": "third", "Heun": "first", "RK4": "residual"}
GREY = "#888888"


def exact_path(matrix: Tensor, x: Tensor, times: Tensor) -> Tensor:
    """Solutions of dx/dt = A x at some times, (times, d), from x (d,)."""
    return torch.matrix_exp(times[:, None, None] * matrix) @ x  # (times, d, d) @ (d,)


def step_panels(matrix: Tensor, time: float, counts: Sequence[int]) -> Figure:
    """A solution of dx/dt = A x in the plane, and Euler's steps beside it, once for each count."""
    drawing, axes = figure(len(counts), height=3.3, share_y=True)
    x = torch.tensor([1.0, 0.0], dtype=torch.float64)
    smooth = exact_path(matrix, x, torch.linspace(0, time, 200, dtype=torch.float64))
    for axis, count in zip(axes, counts, strict=True):
        found = torch.cat(trajectory(linear_field(matrix), x[None], time, count, "Euler"))
        axis.plot(*smooth.T, color=GREY, label="flow")
        axis.plot(*found.T, "o-", color=COLOURS["plain"], ms=3.5, linewidth=1.3, label="blocks")
        gap = (found[-1] - smooth[-1]).norm()
        axis.set(title=f"{count} blocks, h = {time / count:.3g}\nmiss by {gap:.2f}", aspect="equal")
        axis.set(xlabel="first coordinate", xlim=(-1.9, 1.9), ylim=(-1.9, 1.9))
    axes[0].set_ylabel("second coordinate")
    axes[0].legend(loc="lower right", fontsize=9)
    return drawing


def stability_regions(
    axis: Axes, methods: Sequence[str], limits: tuple[float, ...], points: int = 241
) -> None:
    """Where a step of dx/dt = lambda x does not grow, in the plane of h lambda.

    limits: left, right, bottom, top; points: along each side, at which it is looked at
    """
    left, right, bottom, top = limits
    real = torch.linspace(left, right, points, dtype=torch.float64)
    imaginary = torch.linspace(bottom, top, points, dtype=torch.float64)
    plane = torch.complex(*torch.meshgrid(real, imaginary, indexing="xy"))
    for method in methods:
        size = amplification(method, plane).abs().numpy()
        colour = COLOURS[ROLES[method]]
        places = real.numpy(), imaginary.numpy(), size
        axis.contourf(*places, levels=[0, 1], colors=[colour], alpha=0.12)
        axis.contour(*places, levels=[1], colors=[colour], linewidths=1.8)
        axis.plot([], [], color=colour, label=method)
    for line in (axis.axhline, axis.axvline):
        line(0, color="black", linewidth=0.6)
    axis.set(xlabel="real part of $h\\lambda$", ylabel="imaginary part of $h\\lambda$")
    axis.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")


def plot_means_log(axis: Axes, x: Sequence[float], runs: Tensor, label: str, method: str) -> None:
    """Median and range over runs (runs, len(x)) in a method's colour, both axes logarithmic."""
    role = ROLES[method]
    look = MARKERS[role] + DASHES[role]
    axis.plot(x, runs.median(0)[0], look, color=COLOURS[role], label=label, ms=4.5)
    axis.fill_between(x, runs.amin(0), runs.amax(0), color=COLOURS[role], alpha=0.2, linewidth=0)
    axis.set(xscale="log", yscale="log")


def reflection_panels(found: Mapping[str, Reflection]) -> Figure:
    """Where each point of [-1, 1] goes while a model tries to make x into -x; one seed each."""
    drawing, axes = figure(len(found), height=3.2, share_y=True)
    for axis, (title, result) in zip(axes, found.items(), strict=True):
        paths = result.paths[0]  # (times, points)
        times = torch.linspace(0, 1, len(paths))
        for path, start in zip(paths.T, paths[0], strict=True):
            role = "residual" if start > 0.01 else "plain" if start < -0.01 else "fourth"
            marker = "o" if len(paths) < 4 else ""
            axis.plot(times, path, marker=marker, ms=3, color=COLOURS[role], linewidth=1.1)
        axis.set(title=title, xlabel="depth (share)", ylim=(-1.35, 1.35))
    axes[0].set_ylabel("first coordinate")
    return drawing
