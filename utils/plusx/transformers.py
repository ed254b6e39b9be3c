"""Small transformers in which only the wiring of the residual branches differs.

Every wiring is one formula, with parts left out (`Wiring`):

    y = norm_out(skip * x + gain * norm_after(F(norm_before(x))))

F is self-attention or a feed-forward network. A block is two such branches, one after the other, or
side by side.
"""

from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError

EXPAND = 4  # hidden units of a feed-forward network, per channel
NO_SKIP = {"none": (0, 1), "feed-forward only": (0,), "attention only": (1,), "both": ()}


@dataclass(frozen=True)
class Wiring:
    """How a branch joins the stream; see the formula at the top of this module."""

    before: bool = False  # layer norm before the branch
    after: bool = False  # layer norm behind the branch, before the sum
    out: bool = False  # layer norm behind the sum
    skip: float = 1.0
    gain: float | None = None  # where a learned factor of the branch starts; None: no factor
    per_channel: bool = False  # one factor for each channel
    last: float = 1.0  # the weights of the branch's last layer start smaller by this factor
    inner: float = 1.0  # the other weights do (in attention, of the values alone)


def wiring(name: str, blocks: int) -> Wiring:
    """The wiring of that name, for a transformer of `blocks` blocks (two branches each).

    | name         | what it is                                     | source                      |
    |--------------|------------------------------------------------|-----------------------------|
    | "post"       | norm(x + F(x))                                 | Vaswani et al. 2017         |
    | "pre"        | x + F(norm(x))                                 | Xiong et al. 2020           |
    | "gpt2"       | "pre", last layers start at 1 / sqrt(2 blocks) | Radford et al. 2019         |
    | "rezero"     | x + a F(x), a learned number that starts at 0  | Bachlechner et al. 2020     |
    | "layerscale" | x + g F(norm(x)), g per channel, starts at 0.1 | Touvron et al. 2021         |
    | "deepnorm"   | norm(alpha x + F(x)), smaller start            | Wang et al. 2022            |
    | "peri"       | x + norm(F(norm(x)))                           | Kim et al. 2025             |

    Raises `ArgumentError` for another name.
    """
    small = (8 * blocks) ** -0.25
    known = {
        "post": Wiring(out=True),
        "pre": Wiring(before=True),
        "gpt2": Wiring(before=True, last=(2 * blocks) ** -0.5),
        "rezero": Wiring(gain=0.0),
        "layerscale": Wiring(before=True, gain=0.1, per_channel=True),
        "deepnorm": Wiring(out=True, skip=(2 * blocks) ** 0.25, last=small, inner=small),
        "peri": Wiring(before=True, after=True),
    }
    if name not in known:
        raise ArgumentError("no such wiring", expected=sorted(known), got=name, where="wiring")
    return known[name]


class SelfAttention(nn.Module):
    """Multi-head self-attention: x (B, T, C) -> (B, T, C).

    Its tensors have the shapes and the order of those of `nn.MultiheadAttention`. With `causal`,
    a position sees itself and what stands before it.
    """

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        super().__init__()
        self.inner = nn.Linear(width, 3 * width)  # queries, keys, values
        self.last = nn.Linear(width, width)
        self.heads, self.causal = heads, causal

    def forward(self, x: Tensor) -> Tensor:
        B, T, C = x.shape
        parts = self.inner(x).view(B, T, 3, self.heads, C // self.heads)
        q, k, v = parts.permute(2, 0, 3, 1, 4)  # (B, heads, T, C / heads) each
        scores = q @ k.transpose(-2, -1) * (C // self.heads) ** -0.5  # (B, heads, T, T)
        if self.causal:
            later = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        y = scores.softmax(-1) @ v  # (B, heads, T, C / heads)
        return self.last(y.transpose(1, 2).reshape(B, T, C))


class FeedForward(nn.Module):
    """Two dense layers with a ReLU between them, for each position: x (B, T, C) -> (B, T, C)."""

    def __init__(self, width: int, hidden: int | None = None) -> None:
        super().__init__()
        self.inner = nn.Linear(width, hidden or EXPAND * width)
        self.last = nn.Linear(hidden or EXPAND * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.relu(self.inner(x)))


class SideBySide(nn.Module):
    """Attention and feed-forward that read the same x; their results add up."""

    def __init__(self, attention: nn.Module, feed_forward: nn.Module) -> None:
        super().__init__()
        self.attention, self.feed_forward = attention, feed_forward

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x) + self.feed_forward(x)


class Branch(nn.Module):
    """A branch and the way it joins the stream: x (B, T, C) -> (B, T, C)."""

    def __init__(self, function: nn.Module, width: int, wiring: Wiring) -> None:
        super().__init__()
        norms = (
            nn.LayerNorm(width) if there else nn.Identity()
            for there in (wiring.before, wiring.after, wiring.out)
        )
        self.before, self.after, self.out = norms
        self.function, self.skip = function, wiring.skip
        self.gain = None
        if wiring.gain is not None:
            self.gain = nn.Parameter(torch.full([width if wiring.per_channel else 1], wiring.gain))

    def added(self, x: Tensor) -> Tensor:
        """What the branch adds to the stream x: (B, T, C) -> (B, T, C)."""
        y = self.after(self.function(self.before(x)))
        return y if self.gain is None else self.gain * y

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.skip * x + self.added(x))


class Tokens(nn.Module):
    """Token and position vectors, added: tokens (B, T), integers -> (B, T, C)."""

    def __init__(self, vocabulary: int, length: int, width: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Parameter(torch.randn(length, width))

    def forward(self, tokens: Tensor) -> Tensor:
        return self.tokens(tokens) + self.positions[: tokens.shape[1]]


class Transformer(nn.Module):
    """tokens (B, T), integers, T <= length -> logits (B, T, vocabulary).

    vocabulary: int, how many tokens there are; length: int, the longest input
    width, heads, blocks: ints; width is a multiple of heads
    wiring: a name that `wiring` knows
    skips: "both", "attention only", "feed-forward only" or "none": which branches have a skip
    causal: whether a position sees only what stands before it
    parallel: whether the two branches of a block read the same stream

    Weights start as Glorot and Bengio (2010) have it, biases at zero.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        width: int = 32,
        heads: int = 2,
        blocks: int = 6,
        wiring: str = "pre",
        skips: str = "both",
        causal: bool = False,
        parallel: bool = False,
    ) -> None:
        super().__init__()
        self.stem = Tokens(vocabulary, length, width)
        plan = _plan(wiring, skips, blocks)
        self.blocks = nn.Sequential(
            *(_block(width, heads, plan, causal, parallel) for _ in range(blocks))
        )
        normed = plan[-1].out or wiring == "rezero"
        self.norm = nn.Identity() if normed else nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary)
        _start(self.head, 1.0)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.blocks(self.stem(tokens))  # (B, T, C)
        return self.head(self.norm(x))  # (B, T, vocabulary)

    def branches(self) -> list[Branch]:
        """All branches, first to last."""
        return [branch for branch in self.modules() if isinstance(branch, Branch)]


def _plan(name: str, skips: str, blocks: int) -> list[Wiring]:
    """The wirings of attention and feed-forward."""
    if skips not in NO_SKIP:
        raise ArgumentError("no such skips", expected=sorted(NO_SKIP), got=skips, where="skips")
    plan = [wiring(name, blocks)] * 2
    for index in NO_SKIP[skips]:
        plan[index] = replace(plan[index], skip=0.0)
    return plan


def _block(
    width: int, heads: int, plan: list[Wiring], causal: bool, parallel: bool
) -> nn.Sequential:
    attention, feed_forward = SelfAttention(width, heads, causal), FeedForward(width)
    _start_branch(attention, plan[0])
    _start_branch(feed_forward, plan[1])
    if parallel:
        return nn.Sequential(Branch(SideBySide(attention, feed_forward), width, plan[0]))
    return nn.Sequential(Branch(attention, width, plan[0]), Branch(feed_forward, width, plan[1]))


def _start_branch(function: SelfAttention | FeedForward, wires: Wiring) -> None:
    _start(function.last, wires.last)
    if isinstance(function, FeedForward):
        _start(function.inner, wires.inner)
        return
    width = function.last.in_features
    nn.init.zeros_(function.inner.bias)
    for part, factor in zip(function.inner.weight.split(width), (1, 1, wires.inner), strict=True):
        nn.init.xavier_normal_(part, gain=factor)  # queries, keys, values


def _start(layer: nn.Linear, factor: float) -> None:
    nn.init.xavier_normal_(layer.weight, gain=factor)
    nn.init.zeros_(layer.bias)
