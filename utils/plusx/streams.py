"""What may take the place of one residual stream: several that mix, or a choice among all layers.

Sources: hyper-connections, Zhu et al. 2024 (arXiv 2409.19606); manifold-constrained ones, Xie et
al. 2025 (arXiv 2512.24880); attention over earlier layers, Kimi Team 2026 (arXiv 2603.15031).
All are the papers' static versions, with one number per connection and no dependence on x.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.transformers import Branch, Transformer


def sinkhorn(logits: Tensor, steps: int = 20) -> Tensor:
    """Make exp(logits) nearly doubly stochastic: (..., n, n) -> (..., n, n).

    Divides rows by their sums, then columns by theirs, `steps` times. Source: Sinkhorn, Knopp 1967.
    """
    matrix = logits.exp()
    for _ in range(steps):
        matrix = matrix / matrix.sum(-1, keepdim=True)
        matrix = matrix / matrix.sum(-2, keepdim=True)
    return matrix


class HyperConnection(nn.Module):
    """How one branch reads from, mixes and writes to n streams: (n, B, T, C) -> (n, B, T, C).

        H' = mix H + write F(read . H)

    Free: at the start a branch reads one stream (the `place`-th, in turns), writes to all, and
    `mix` is the identity, so that all streams hold what the one of a pre-norm transformer holds.
    Constrained: `mix` is doubly stochastic, `read` between 0 and 1, `write` between 0 and 2.
    """

    def __init__(self, streams: int, place: int, constrained: bool = False) -> None:
        super().__init__()
        self.constrained = constrained
        eye, one = torch.eye(streams), torch.zeros(streams)
        one[place % streams] = 1
        # 4 and -4: almost 1 and almost 0 after the sigmoid, almost the identity after Sinkhorn.
        self.mix_logits = nn.Parameter(8 * eye if constrained else eye)
        self.read_logits = nn.Parameter(8 * one - 4 if constrained else one)
        self.write_logits = nn.Parameter(
            torch.zeros(streams) if constrained else torch.ones(streams)
        )

    def matrices(self) -> tuple[Tensor, Tensor, Tensor]:
        """mix (n, n), read (n,), write (n,)"""
        if not self.constrained:
            return self.mix_logits, self.read_logits, self.write_logits
        read, write = self.read_logits.sigmoid(), 2 * self.write_logits.sigmoid()
        return sinkhorn(self.mix_logits), read, write

    def forward(self, H: Tensor, branch: Branch) -> Tensor:
        mix, read, write = self.matrices()
        x = torch.einsum("n,nbtc->btc", read, H)
        y = branch.added(x)  # (B, T, C)
        mixed = torch.einsum("mn,nbtc->mbtc", mix, H)
        return mixed + write[:, None, None, None] * y


class HyperTransformer(Transformer):
    """A pre-norm transformer with several streams: copies at first, summed at the end."""

    def __init__(
        self,
        vocabulary: int,
        length: int,
        width: int = 32,
        heads: int = 2,
        blocks: int = 6,
        streams: int = 4,
        constrained: bool = False,
    ) -> None:
        super().__init__(vocabulary, length, width, heads, blocks)
        self.streams = streams
        self.connections = nn.ModuleList(
            HyperConnection(streams, place, constrained) for place in range(2 * blocks)
        )

    def forward(self, tokens: Tensor) -> Tensor:
        H = self.stem(tokens).expand(self.streams, -1, -1, -1)  # (n, B, T, C)
        for connection, branch in zip(self.connections, self.branches(), strict=True):
            H = connection(H, branch)
        return self.head(self.norm(H.sum(0)))


class AveragedTransformer(Transformer):
    """Each branch reads a weighted mean of the token vectors and of what all earlier ones gave.

    The weights are a softmax over the earlier ones v: of a learned query (zero at the start, so all
    weights are equal) times the normalised v. The head reads such a mean too.
    """

    def __init__(
        self, vocabulary: int, length: int, width: int = 32, heads: int = 2, blocks: int = 6
    ) -> None:
        super().__init__(vocabulary, length, width, heads, blocks)
        self.queries = nn.Parameter(torch.zeros(2 * blocks + 1, width))

    def forward(self, tokens: Tensor) -> Tensor:
        given = [self.stem(tokens)]
        for query, branch in zip(self.queries, self.branches(), strict=False):
            given.append(branch.added(over_layers(given, query)))
        return self.head(self.norm(over_layers(given, self.queries[-1])))


def over_layers(given: list[Tensor], query: Tensor) -> Tensor:
    """Attention over layers: a list of (B, T, C) and a query (C,) -> (B, T, C)."""
    values = torch.stack(given)  # (L, B, T, C)
    keys = F.normalize(values, dim=-1) * values.shape[-1] ** 0.5  # of root mean square 1
    weights = (keys @ query).softmax(0)  # (L, B, T)
    return (weights[..., None] * values).sum(0)
