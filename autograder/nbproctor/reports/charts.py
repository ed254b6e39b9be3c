"""Figures of the class page: drawn once for light and once for dark pages, as data URIs.

Colours are Okabe and Ito's; a hatch and a number say the same without colour.
"""

import base64
import io
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from nbproctor.course.records import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.ticker import MaxNLocator

__all__ = [
    "Chart",
    "change_chart",
    "comparison_chart",
    "score_chart",
    "time_chart",
    "verdict_chart",
]

WIDTH_IN = 5.6
MOST_BINS = 12
STEP = 1.5
MOST_CHANGES = 15
LABEL_SHARE = 0.03
MOST_LETTERS = 40
# Colour and hatch of each verdict; the colour "" is the page's own text colour. Hatches of dots,
# circles and stars would make a page ten times as long.
LOOK = {
    Verdict.PASSED: ("#009E73", ""),
    Verdict.PARTIAL: ("#56B4E9", "/"),
    Verdict.FAILED: ("#D55E00", "\\\\\\"),
    Verdict.TIMED_OUT: ("#E69F00", "xx"),
    Verdict.OUT_OF_MEMORY: ("#CC79A7", "++"),
    Verdict.KERNEL_DIED: ("#0072B2", "|||"),
    Verdict.NOT_ANSWERED: ("#999999", "--"),
    Verdict.MANUAL: ("#F0E442", ""),
    Verdict.GRADER_ERROR: ("", "xxxx"),
}
THEMES = {"light": ("#1b1b1b", "#ffffff"), "dark": ("#e8e6e3", "#16181b")}  # text, ground


@dataclass(frozen=True)
class Chart:
    """A figure for a page: its title, the same drawing for two themes, and what it shows."""

    title: str
    light: str
    dark: str
    alt: str


def verdict_chart(
    verdicts: Mapping[str, Sequence[Verdict]],
    title: str = "Verdicts by exercise",
    counted: str = "number of students",
) -> Chart:
    """How many students (at least one) got which verdict, by exercise."""
    counts = {name: {v: list(got).count(v) for v in Verdict} for name, got in verdicts.items()}
    height = 1.5 + 0.36 * len(counts)
    # A label needs that much room; the description below has all numbers.
    least = LABEL_SHARE * max((sum(c.values()) for c in counts.values()), default=0)

    def draw(axes: "Axes", text: str, ground: str) -> None:
        for verdict in (v for v in Verdict if any(c[v] for c in counts.values())):
            before = [sum(_until(c, verdict)) for c in counts.values()]
            widths = [c[verdict] for c in counts.values()]
            colour, hatch = LOOK[verdict]
            bars = axes.barh(
                range(len(counts)), widths, left=before, color=colour or text, hatch=hatch,
                edgecolor=ground, linewidth=1, label=str(verdict),
            )  # fmt: skip
            labels = [str(width) if width > least else "" for width in widths]
            for label in axes.bar_label(bars, labels, label_type="center", fontsize=9):
                if label.get_text():
                    label.set_bbox({"facecolor": ground, "edgecolor": "none", "pad": 1.5})
        axes.set_yticks(range(len(counts)), [name[:MOST_LETTERS] for name in counts])
        axes.invert_yaxis()
        axes.xaxis.set_major_locator(_whole_numbers())
        axes.set_xlabel(counted)
        axes.get_figure(root=True).legend(  # type: ignore[union-attr]
            loc="outside upper center", ncols=3, fontsize=9, frameon=False,
            labelcolor=text, handlelength=2.2, handleheight=1.2,
        )  # fmt: skip

    told = [f"{name}: {_told(count)}" for name, count in counts.items()]
    return _chart(title, draw, height, "; ".join(told))


def score_chart(scores: Sequence[float], most: float) -> Chart:
    """How many students (at least one) reached how many points."""
    edges, middle = _edges(most), median(scores)

    def draw(axes: "Axes", text: str, ground: str) -> None:
        axes.hist(scores, bins=edges, color="#0072B2", edgecolor=ground, linewidth=1.5)
        axes.axvline(middle, color="#D55E00", linestyle="--", linewidth=2)
        axes.annotate(
            f"median {middle:g}", (middle, 1.02), xycoords=("data", "axes fraction"), ha="center"
        )
        axes.set_xlim(0, edges[-1])
        axes.set_xticks(edges)
        axes.yaxis.set_major_locator(_whole_numbers())
        axes.set_xlabel("score (points)")
        axes.set_ylabel("number of students")

    told = [
        f"{low:g} to {high:g} points: {count}"
        for (low, high), count in zip(pairwise(edges), _in_bins(scores, edges), strict=True)
        if count
    ]
    told.append(f"median {middle:g} of {most:g} points")
    return _chart("Scores", draw, 3.4, "; ".join(told))


def time_chart(seconds: Sequence[float]) -> Chart:
    """How long grading took for how many submissions (at least one); each step is half as much
    again."""
    times = [max(s, 0.1) for s in seconds]
    first, last = (math.floor(math.log(t, STEP)) for t in (min(times), max(times)))
    edges = [STEP**n for n in range(first, last + 2)]
    counts = Counter(math.floor(math.log(t, STEP)) - first for t in times)

    def draw(axes: "Axes", text: str, ground: str) -> None:
        from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

        axes.hist(times, bins=edges, color="#0072B2", edgecolor=ground, linewidth=1.5)
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlim(edges[0], edges[-1])
        axes.yaxis.set_major_locator(_whole_numbers())
        axes.set_xlabel("time (seconds)")
        axes.set_ylabel("number of submissions")

    told = [f"{edges[n]:.2g} to {edges[n + 1]:.2g} s: {counts[n]}" for n in sorted(counts)]
    return _chart("Time of grading", draw, 3.4, "; ".join(told))


def comparison_chart(before: Sequence[float], after: Sequence[float], most: float) -> Chart:
    """How many students (at least one) had how many points, and would have."""
    edges = _edges(most)

    def draw(axes: "Axes", text: str, ground: str) -> None:
        axes.hist(before, bins=edges, color="#999999", alpha=0.6, label="before")
        axes.hist(after, bins=edges, histtype="step", color="#0072B2", linewidth=2.5, label="after")
        axes.set_xlim(0, edges[-1])
        axes.set_xticks(edges)
        axes.yaxis.set_major_locator(_whole_numbers())
        axes.set_xlabel("score (points)")
        axes.set_ylabel("number of students")
        axes.legend(
            loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=2, frameon=False, labelcolor=text
        )

    told = [
        f"{low:g} to {high:g} points: {was} before, {will} after"
        for (low, high), was, will in zip(
            pairwise(edges), _in_bins(before, edges), _in_bins(after, edges), strict=True
        )
        if was or will
    ]
    return _chart("Scores before and after", draw, 3.4, "; ".join(told))


def change_chart(changes: Sequence[float]) -> Chart:
    """How many students (at least one) gain or lose how many points."""
    counts = Counter(round(change, 2) for change in changes)
    if len(counts) > MOST_CHANGES:
        counts = Counter(float(round(change)) for change in changes)
    points = sorted(counts)
    names = [f"{p:+g}" if p else "0" for p in points]
    colours = ["#D55E00" if p < 0 else "#999999" if p == 0 else "#009E73" for p in points]

    def draw(axes: "Axes", text: str, ground: str) -> None:
        bars = axes.bar(
            range(len(points)), [counts[p] for p in points], color=colours, edgecolor=ground
        )
        axes.bar_label(bars, fontsize=9)
        axes.set_xticks(range(len(points)), names)
        axes.yaxis.set_major_locator(_whole_numbers())
        axes.set_xlabel("change (points)")
        axes.set_ylabel("number of students")

    told = [f"{name} points: {counts[p]}" for name, p in zip(names, points, strict=True)]
    return _chart("Change of marks", draw, 3.4, "; ".join(told))


def _in_bins(scores: Sequence[float], edges: Sequence[float]) -> list[int]:
    """How many scores lie in each bin; the last one has its upper edge too."""
    last = len(edges) - 2
    return [
        sum(low <= s < high or (n == last and s >= high) for s in scores)
        for n, (low, high) in enumerate(pairwise(edges))
    ]


def _until(counts: Mapping[Verdict, int], verdict: Verdict) -> list[int]:
    order = list(Verdict)
    return [counts[v] for v in order[: order.index(verdict)]]


def _told(counts: Mapping[Verdict, int]) -> str:
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)


def _edges(most: float) -> list[float]:
    """Bin edges from 0 to at least `most`, of a whole width."""
    width = max(1, -(-int(most) // MOST_BINS))
    number = max(1, -(-int(most) // width) + (most > int(most)))
    return [float(n * width) for n in range(number + 1)]


def _whole_numbers() -> "MaxNLocator":
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(integer=True)


def _chart(
    title: str, draw: Callable[["Axes", str, str], None], height_in: float, told: str
) -> Chart:
    pictures = {
        name: _drawn(draw, height_in, text, ground) for name, (text, ground) in THEMES.items()
    }
    return Chart(title, pictures["light"], pictures["dark"], f"{title}. {told}.")


def _drawn(
    draw: Callable[["Axes", str, str], None], height_in: float, text: str, ground: str
) -> str:
    """One drawing as a data URI; the same bytes for the same data."""
    # Half a second to import, and only this page needs it.
    import matplotlib
    from matplotlib.figure import Figure

    inked = "text.color axes.labelcolor axes.edgecolor xtick.color ytick.color".split()
    settings: dict[Any, Any] = {
        **dict.fromkeys(inked, text),
        "font.size": 10,
        "hatch.linewidth": 0.8,
        "svg.hashsalt": "nbproctor",
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(WIDTH_IN, height_in), layout="constrained")
        axes = figure.subplots()
        axes.set_facecolor("none")
        axes.spines[["right", "top"]].set_visible(False)
        draw(axes, text, ground)
        picture = io.BytesIO()
        figure.savefig(picture, format="svg", transparent=True, metadata={"Date": None})
    return "data:image/svg+xml;base64," + base64.b64encode(picture.getvalue()).decode()
