"""Writes docs/papers.md: figures and tables of papers beside ours, from the executed lessons.

    python docs/papers.py            write the page and its pictures
    python docs/papers.py --check    say what is stale, and write nothing

Whole sections of the lessons are taken, prose and outputs: those whose heading ends in "beside
ours". FIGURES names what else shows a paper's finding, elsewhere in a lesson.
"""

import argparse
import base64
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = Path("docs", "papers.md")
PICTURES = Path("docs", "figures")
HEADING = re.compile(r"^(#{2,4}) (.+)$", re.MULTILINE)
MARK = "beside ours"
WITHOUT = ("00_start",)  # lessons that quote no paper
HEAD = """\
# Papers beside ours

<!-- Written by `make build` (docs/papers.py) from the executed lessons. Do not edit. -->

Every lesson sets a figure or a table of a paper beside what it measured itself. Here they are in
one place, as the lessons have them: prose, figures and numbers come from the executed notebooks in
`solutions/`. "Section" means a section of that lesson. Our networks are small and our data are
smaller; each text says what is not the same.
"""

Cell = dict[str, Any]


@dataclass(frozen=True)
class Figure:
    """A cell of a lesson that shows what a paper shows.

    Args:
        cell: text that stands in this code cell only.
        paper: where the paper has it.
        caption: what both show.
    """

    lesson: str
    cell: str
    paper: str
    caption: str


FIGURES = (
    Figure(
        "05_unraveled",
        'for axis in axes if "residual" in name else axes[:1]',
        "Veit et al. 2016, one layer deleted",
        "Test error without one block, by the block's place: plain and residual networks.",
    ),
    Figure(
        "05_unraveled",
        "lost = deletion_errors(fifty)",
        "Veit et al. 2016, many blocks deleted, or shuffled",
        "Test error against the number of deleted blocks, and against how much of their order is "
        "left.",
    ),
    Figure(
        "05_unraveled",
        "path_plots.length_panels(study)",
        "Veit et al. 2016, the gradient by path length",
        "How many paths have a length, what one of them carries, and what all of them carry: the "
        "paper's measure, and the exact sum beside it.",
    ),
    Figure(
        "06_transformer_residuals",
        "last = [profiles[wiring, blocks][:, -1]",
        "Xiong et al. 2020, gradients before training",
        "Gradient norms of a transformer's blocks, norm behind the sum and norm inside the branch.",
    ),
    Figure(
        "06_transformer_residuals",
        'figures.accuracy_axes(axes[0], "one block deleted")',
        "Veit et al. 2016, carried over to transformers",
        "Accuracy without one block, and with two neighbours exchanged.",
    ),
    Figure(
        "07_dense_and_unet",
        "dense_figures.reuse_maps(",
        "Huang et al. 2017, figure 5, feature reuse",
        "Mean absolute weights by layer and source, and what it costs to cut the connection.",
    ),
    Figure(
        "07_dense_and_unet",
        'plots.plot_means(axis, halvings, scores, f"skip: {skip}", role)',
        "Ronneberger et al. 2015, long skips",
        "Intersection over union with appended, added and no long skips, by halvings.",
    ),
    Figure(
        "08_continuous_depth",
        "errors = [study[blocks, power, smooth]",
        "Marion et al. 2022, networks by depth and by the scale of their branches",
        "Test error by depth with step size 1, 1/√L and 1/L, from independent and equal weights.",
    ),
    Figure(
        "08_continuous_depth",
        'xlabel="Euler steps in training"',
        "Ott et al. 2021, another solver after training",
        "Test error of Neural ODEs run by the solver of their training, and by an exact one.",
    ),
    Figure(
        "08_continuous_depth",
        "figures.reflection_panels(found)",
        "Dupont et al. 2019, what no flow can do",
        "Points on their way from x to -x: in a flow, in a flow with one more dimension, in two "
        "residual blocks.",
    ),
)


def main() -> int:
    """Write what differs, or with --check only name it: 1 if there is something."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say what is stale")
    check = parser.parse_args().check
    files = made(ROOT)
    stale = stale_files(ROOT, files)
    for path in stale:
        print(f"{path}: stale, run `make build`" if check else f"writing {path}")
    if not check:
        write(ROOT, stale, files)
    return 1 if check and stale else 0


def made(root: Path) -> dict[Path, bytes]:
    """The page and its pictures, by path."""
    pictures: dict[Path, bytes] = {}
    text = HEAD
    notebooks = sorted(p for p in root.glob("solutions/*/*.ipynb") if p.stem not in WITHOUT)
    if unknown := {f.lesson for f in FIGURES} - {path.stem for path in notebooks}:
        raise SystemExit(f"FIGURES names {', '.join(sorted(unknown))}: no such lesson")
    for path in notebooks:
        text += "\n" + "\n\n".join(_lesson(path, pictures)) + "\n"
    return {PAGE: text.encode(), **pictures}


def stale_files(root: Path, files: dict[Path, bytes]) -> list[Path]:
    """Files that are not as they should be, or should not be there."""
    there = {path.relative_to(root) for path in (root / PICTURES).glob("*")}
    differing = {
        path
        for path, data in files.items()
        if not (root / path).is_file() or (root / path).read_bytes() != data
    }
    return sorted(differing | (there - files.keys()))


def write(root: Path, stale: list[Path], files: dict[Path, bytes]) -> None:
    """Bring stale files up to date."""
    (root / PICTURES).mkdir(parents=True, exist_ok=True)
    for path in stale:
        if path in files:
            (root / path).write_bytes(files[path])
        else:
            (root / path).unlink()


def _lesson(path: Path, pictures: dict[Path, bytes]) -> Iterator[str]:
    """The parts of the page that a lesson gives, as Markdown."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    name, cells = path.stem, notebook["cells"]
    section = _section(cells)
    if section is None:
        raise SystemExit(f"{path}: expected one heading that ends in '{MARK}'")
    title, parts = section
    lesson = f"{name[:2]} · {notebook['metadata']['lesson']['title']}"
    yield f"## {lesson}"
    yield f"*{title}: from [lesson {name[:2]}](../solutions/{name}/{name}.ipynb).*"
    for part in parts:
        yield from [part] if isinstance(part, str) else _outputs(part, name, lesson, pictures)
    for figure in (f for f in FIGURES if f.lesson == name):
        yield f"**{figure.paper}.** {figure.caption}"
        yield from _outputs(_named(cells, figure), name, lesson, pictures)


def _section(cells: list[Cell]) -> tuple[str, list[str | Cell]] | None:
    """The title of the section about the paper; its prose, and its code cells."""
    found: tuple[str, list[str | Cell]] | None = None
    level, inside = 0, False
    for cell in cells:
        if cell["cell_type"] != "markdown":
            if inside and found:
                found[1].append(cell)
            continue
        for depth, title, prose in _pieces("".join(cell["source"])):
            if title.endswith(MARK):
                found, level, inside = (title, []), depth, True
            elif depth and depth <= level:
                inside = False
            if inside and found and prose:
                found[1].append(prose)
    return found


def _pieces(text: str) -> Iterator[tuple[int, str, str]]:
    """The depth (0 for none) and title of each heading of a cell, and what stands below it."""
    heads = list(HEADING.finditer(text))
    starts = [*(head.start() for head in heads), len(text)]
    yield 0, "", text[: starts[0]].strip()
    for head, end in zip(heads, starts[1:], strict=True):
        yield len(head[1]), head[2].strip(), text[head.end() : end].strip()


def _named(cells: list[Cell], figure: Figure) -> Cell:
    code = (c for c in cells if c["cell_type"] == "code")
    found = [cell for cell in code if figure.cell in "".join(cell["source"])]
    if len(found) != 1:
        raise SystemExit(f"{figure.lesson}: expected '{figure.cell}' in one cell, got {len(found)}")
    return found[0]


def _outputs(cell: Cell, name: str, lesson: str, pictures: dict[Path, bytes]) -> Iterator[str]:
    """A cell's outputs: text as it is, pictures as files of their own."""
    for output in cell["outputs"]:
        if text := "".join(output.get("text", ())).rstrip():
            yield f"```text\n{text}\n```"
        if data := output.get("data", {}).get("image/png"):
            number = 1 + sum(path.name.startswith(name) for path in pictures)
            path = PICTURES / f"{name}_{number}.png"
            pictures[path] = base64.b64decode("".join(data))
            alt = output["metadata"].get("image/png", {}).get("alt", f"Lesson {lesson}")
            yield f"![{alt.replace('[', '(').replace(']', ')')}](figures/{path.name})"


if __name__ == "__main__":
    sys.exit(main())
