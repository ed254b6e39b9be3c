"""Writes docs/residual_ideas.md: the residual ideas of the course in one table, with their costs.

    python docs/ideas.py            write the page
    python docs/ideas.py --check    say whether it is stale, and write nothing

Parameters and memory are those of one block each, measured as the page is written.
"""

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from plusx.bottlenecks import Bottleneck, InvertedBottleneck
from plusx.dense import DenseLayer
from plusx.gates import HighwayLayer
from plusx.models import BasicBlock
from plusx.preactivation import PreActBlock
from plusx.probes import count_parameters, saved_mebibytes
from plusx.recompute import ReversibleBlock, adjoint_euler, reversible
from plusx.starts import ScaledUnit
from plusx.streams import HyperConnection
from plusx.transformers import Branch, FeedForward, SelfAttention, wiring
from plusx.unet import UNet
from plusx.unraveled import PreBlock

ROOT = Path(__file__).parents[1]
PAGE = Path("docs", "residual_ideas.md")
C, B = 64, 16
IMAGE, VECTOR, TOKENS = (B, C, 8, 8), (B, C), (B, 16, C)
UNITS = {IMAGE: "image", VECTOR: "vector", TOKENS: "tokens"}
HEAD = f"""\
# Residual ideas in one table

<!-- Written by `make build` (docs/ideas.py). Do not edit. -->

All of them are ways to write $y = F(x) + x$, or answers to what goes wrong with it. $x$ is what a
block gets, $y$ what it gives, $F$ its branch; $n$ is a norm, $W$ a layer with weights.

**Parameters** and **kept** are measured: one block of the course's own code, on a batch of {B},
either of images (`image`: {C} channels of 8 × 8), of vectors (`vector`: {C} numbers) or of
sequences (`tokens`: 16 tokens of {C} numbers), in float32, in training mode. *Kept* is the memory
in KiB that the forward pass holds for the backward pass. Compare within a kind; a block of one row
may be worth two of another. "Where" names examples, not all uses.

| idea | formula | what it changes | on | parameters | kept (KiB) | where | lesson |
|---|---|---|---|---:|---:|---|---|
"""
FOOT = """
## Sources

{sources}
"""


@dataclass(frozen=True)
class Idea:
    """One row. `make` builds a block for inputs of the shape `on`."""

    name: str
    formula: str
    changes: str
    on: tuple[int, ...]
    make: Callable[[], nn.Module]
    where: str
    lesson: str
    source: str


class Step(nn.Module):
    """One step of a recurrent network: the input is the state, too."""

    def __init__(self, cell: nn.RNNCell | nn.LSTMCell, adds: bool = False) -> None:
        super().__init__()
        self.cell, self.adds = cell, adds

    def forward(self, x: Tensor) -> Tensor:
        state = (x, x) if isinstance(self.cell, nn.LSTMCell) else x
        made = self.cell(x, state)
        h = made[0] if isinstance(made, tuple) else made
        return h + x if self.adds else h


class Dense(nn.Module):
    """x beside what a dense layer makes of it: (B, C, H, W) -> (B, C + growth, H, W)"""

    def __init__(self) -> None:
        super().__init__()
        self.layer = DenseLayer(C, growth=C // 2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.layer([x])], dim=1)


class Reversible(nn.Module):
    """A reversible block, of which only the output is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.block = ReversibleBlock(_half_branch(), _half_branch())

    def forward(self, x: Tensor) -> Tensor:
        return reversible([self.block], x)


class Ode(nn.Module):
    """Ten Euler steps with one branch, whose gradient is the adjoint's."""

    def __init__(self) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, C))

    def forward(self, x: Tensor) -> Tensor:
        return adjoint_euler(self.branch, x, 0.1, 10)


class Streams(nn.Module):
    """Two branches on four streams that are mixed: x (B, T, C) -> (B, T, C)"""

    def __init__(self, constrained: bool) -> None:
        super().__init__()
        self.branches = nn.ModuleList(_branches("pre"))
        self.links = nn.ModuleList(HyperConnection(4, n, constrained) for n in range(2))

    def forward(self, x: Tensor) -> Tensor:
        streams = x.expand(4, *x.shape)
        for link, branch in zip(self.links, self.branches, strict=True):
            streams = link(streams, branch)
        return streams.sum(0)


def _half_branch() -> nn.Module:
    half = C // 2
    return nn.Sequential(
        nn.BatchNorm2d(half), nn.ReLU(), nn.Conv2d(half, half, 3, padding=1, bias=False)
    )


def _branches(name: str) -> list[nn.Module]:
    wires = wiring(name, blocks=6)
    return [Branch(SelfAttention(C, 4), C, wires), Branch(FeedForward(C), C, wires)]


def _transformer(name: str) -> Callable[[], nn.Module]:
    return lambda: nn.Sequential(*_branches(name))


def _scaled(start: str) -> Callable[[], nn.Module]:
    return lambda: ScaledUnit(C, units=10, start=start)


IDEAS = (
    Idea("plain", "$F(x)$", "nothing: what all others are measured against", IMAGE,
         lambda: BasicBlock(C, C, skip=False), "VGG; inside every branch", "01",
         "Simonyan, Zisserman 2014 (arXiv 1409.1556)"),
    Idea("ResNet, basic", "$\\mathrm{relu}(x + F(x))$, two 3×3", "depth stops hurting", IMAGE,
         lambda: BasicBlock(C, C), "ResNet-18, 34", "02", "He et al. 2015 (arXiv 1512.03385)"),
    Idea("ResNet, bottleneck", "the same, 1×1, 3×3, 1×1", "wide features, narrow work", IMAGE,
         lambda: Bottleneck(C, C // 4, C), "ResNet-50 and deeper", "03",
         "He et al. 2015 (arXiv 1512.03385)"),
    Idea("ResNet, pre-activation", "$x + F(\\mathrm{relu}(n(x)))$", "nothing stands on the skip",
         IMAGE, lambda: PreActBlock(C, C), "the order of every pre-norm transformer", "04",
         "He et al. 2016 (arXiv 1603.05027)"),
    Idea("ResNeXt", "bottleneck, 3×3 in groups", "more channels for the same work", IMAGE,
         lambda: Bottleneck(C, C // 2, C, groups=8), "resnext50_32x4d", "03",
         "Xie et al. 2017 (arXiv 1611.05431)"),
    Idea("RegNet", "1×1, grouped 3×3, 1×1, all of one width", "widths by a rule, not by hand",
         IMAGE,
         lambda: Bottleneck(C, C, C, groups=4), "regnet_x, regnet_y", "03",
         "Radosavovic et al. 2020 (arXiv 2003.13678)"),
    Idea("WRN", "basic, twice as wide", "width instead of depth", IMAGE,
         lambda: nn.Sequential(BasicBlock(C, 2 * C), BasicBlock(2 * C, 2 * C)),
         "wide_resnet50_2; the row is a widening block and one of 128 channels", "03",
         "Zagoruyko, Komodakis 2016 (arXiv 1605.07146)"),
    Idea("MBConv", "$x +$ narrow(gate(depthwise(widen($x$))))", "wide inside, depthwise", IMAGE,
         lambda: InvertedBottleneck(C, C, expand=4), "EfficientNet, MobileNet: phones", "03",
         "Sandler et al. 2018 (arXiv 1801.04381); Tan, Le 2019 (arXiv 1905.11946)"),
    Idea("Highway", "$t\\,F(x) + (1-t)\\,x$, $t = \\sigma(Vx + c)$", "the net decides what passes",
         VECTOR, lambda: HighwayLayer(C), "the first very deep nets", "04",
         "Srivastava et al. 2015 (arXiv 1505.00387)"),
    Idea("DenseNet", "$[x, F(x)]$", "keeps all features, adds few", IMAGE, Dense,
         "densenet121", "07", "Huang et al. 2017 (arXiv 1608.06993)"),
    Idea("U-Net", "$[\\mathrm{enc}_l, \\mathrm{up}(\\mathrm{dec}_{l+1})]$",
         "long skips carry spatial detail", IMAGE,
         lambda: UNet(C, C, width=16, depth=2), "segmentation; denoisers of diffusion models",
         "07", "Ronneberger et al. 2015 (arXiv 1505.04597)"),
    Idea("LSTM", "$c' = f \\odot c + i \\odot \\tanh(g)$", "a sum through time", VECTOR,
         lambda: Step(nn.LSTMCell(C, C)), "speech, forecasting", "04",
         "Hochreiter, Schmidhuber 1997; Gers et al. 2000"),
    Idea("residual RNN", "$h + \\tanh(Wx + Vh + b)$", "the skip, through time", VECTOR,
         lambda: Step(nn.RNNCell(C, C), adds=True), "rare by itself", "04", "lesson 04"),
    Idea("stochastic depth", "$x + b\\,F(x)$, $b \\in \\{0, 1\\}$ drawn in training",
         "trains the short paths", VECTOR, lambda: PreBlock(C, survival=0.5),
         "EfficientNet, ConvNeXt, Swin", "05", "Huang et al. 2016 (arXiv 1603.09382)"),
    Idea("Fixup", "$x + s\\,F(x)$, last layer 0, others smaller", "no norm", VECTOR,
         _scaled("Fixup"), "norm-free networks", "04", "Zhang et al. 2019 (arXiv 1901.09321)"),
    Idea("SkipInit", "$x + s\\,F(x)$, $s = 0$ at the start", "starts as the identity", VECTOR,
         _scaled("SkipInit"), "norm-free networks", "04", "De, Smith 2020 (arXiv 2002.10444)"),
    Idea("ReZero", "$x + a\\,F(x)$, $a = 0$ at the start", "the same, for transformers", TOKENS,
         _transformer("rezero"), "norm-free transformers", "06",
         "Bachlechner et al. 2020 (arXiv 2003.04887)"),
    Idea("LayerScale", "$x + g \\odot F(n(x))$, $g$ small", "one factor per channel", TOKENS,
         _transformer("layerscale"), "CaiT, ConvNeXt", "06",
         "Touvron et al. 2021 (arXiv 2103.17239)"),
    Idea("DeepNorm", "$n(\\alpha x + F(x))$, $\\alpha > 1$", "deep post-norm that trains", TOKENS,
         _transformer("deepnorm"), "a 1,000-layer transformer", "06",
         "Wang et al. 2022 (arXiv 2203.00555)"),
    Idea("pre-norm", "$x + F(n(x))$", "trains without warm-up", TOKENS, _transformer("pre"),
         "GPT-2 and most language models since", "06", "Xiong et al. 2020 (arXiv 2002.04745)"),
    Idea("post-norm", "$n(x + F(x))$", "the stream keeps its size", TOKENS, _transformer("post"),
         "the first transformer, BERT", "06", "Vaswani et al. 2017 (arXiv 1706.03762)"),
    Idea("Neural ODE", "$\\dot x = F(x)$", "depth is a number; one branch for all", VECTOR, Ode,
         "time series, flows; the row is ten steps, with the adjoint", "08",
         "Chen et al. 2018 (arXiv 1806.07366)"),
    Idea("RevNet", "$y_1 = x_1 + F(x_2)$, $y_2 = x_2 + G(y_1)$", "inputs are computed back", IMAGE,
         Reversible, "Reformer", "08", "Gomez et al. 2017 (arXiv 1707.04585)"),
    Idea("hyper-connections", "$H' = AH + w\\,F(r \\cdot H)$", "several streams, mixed", TOKENS,
         lambda: Streams(constrained=False), "large language models, in papers", "06",
         "Zhu et al. 2024 (arXiv 2409.19606)"),
    Idea("manifold-constrained", "the same, $A$ doubly stochastic", "the mix keeps its size",
         TOKENS, lambda: Streams(constrained=True), "large language models, in papers", "06",
         "Xie et al. 2025 (arXiv 2512.24880)"),
)  # fmt: skip


def main() -> int:
    """Write the page, or with --check only say that it is stale: 1 if it is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="only say whether it is stale")
    check = parser.parse_args().check
    text = page()
    path = ROOT / PAGE
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return 0
    print(f"{PAGE}: stale, run `make build`" if check else f"writing {PAGE}")
    if not check:
        path.write_text(text, encoding="utf-8")
    return int(check)


def page() -> str:
    """The page as Markdown."""
    sources = dict.fromkeys(f"- {idea.name}: {_linked(idea.source)}" for idea in IDEAS)
    rows = "".join(f"| {' | '.join(_row(idea))} |\n" for idea in IDEAS)
    return HEAD + rows + FOOT.format(sources="\n".join(sources))


def _row(idea: Idea) -> Iterator[str]:
    parameters, kept = costs(idea)
    yield from (f"**{idea.name}**", idea.formula, idea.changes, UNITS[idea.on])
    yield from (f"{parameters:,}", f"{kept:,.0f}", idea.where, _lesson(idea.lesson))


def costs(idea: Idea) -> tuple[int, float]:
    """Parameters of a block, and the memory in KiB that its forward pass keeps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        block, x = idea.make(), torch.randn(idea.on, requires_grad=True)
        return count_parameters(block), 1024 * saved_mebibytes(block, x)


def _lesson(number: str) -> str:
    (path,) = ROOT.glob(f"solutions/{number}_*/*.ipynb")
    return f"[{number}](../{path.relative_to(ROOT).as_posix()})"


def _linked(source: str) -> str:
    return re.sub(r"arXiv (\d{4}\.\d{4,5})", r"[arXiv \1](https://arxiv.org/abs/\1)", source)


if __name__ == "__main__":
    sys.exit(main())
