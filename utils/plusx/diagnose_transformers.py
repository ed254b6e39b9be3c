"""What well-known mistakes would compute, for the transformers of lesson 06.

As in `plusx.diagnose`, each function returns a dictionary: a sentence about the mistake ->
the value it gives.
"""

from collections.abc import Callable, Sequence
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Function = Callable[[Tensor], Tensor]


def torch_block(width: int, heads: int, norm_first: bool) -> nn.TransformerEncoderLayer:
    """torch's own transformer block, four times as wide inside, without dropout."""
    return nn.TransformerEncoderLayer(
        width, heads, 4 * width, dropout=0.0, batch_first=True, norm_first=norm_first
    )


def block_parts(layer: nn.TransformerEncoderLayer) -> tuple[Function, Function, Function, Function]:
    """Attention, feed-forward, and the two norms of a block."""

    def attention(x: Tensor) -> Tensor:
        return layer.self_attn(x, x, x, need_weights=False)[0]

    def feed_forward(x: Tensor) -> Tensor:
        return layer.linear2(F.relu(layer.linear1(x)))

    return attention, feed_forward, layer.norm1, layer.norm2


def wrong_blocks(layer: nn.TransformerEncoderLayer, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in the output of a block; `layer` is the right one, x (B, T, C)."""
    A, M, n, m = block_parts(layer)  # attention, feed-forward, first norm, second norm
    bare, post, pre = x + A(x), n(x + A(x)), x + A(n(x))
    wrong = {
        "no branch has a skip": m(M(n(A(x)))),
        "no branch has a skip (norms first)": M(m(A(n(x)))),
        "there is no norm": bare + M(bare),
        "the norms stand between branch and sum": (y := x + n(A(x))) + m(M(y)),
        "feed-forward stands first: attention comes first": _swapped(layer, x),
        "the feed-forward network has GELU: it has ReLU": _with_gelu(layer, x),
        "only the first branch is there: the feed-forward network is missing": (
            pre if layer.norm_first else post
        ),
        "only the second branch is there: attention is missing": (
            x + M(m(x)) if layer.norm_first else m(x + M(x))
        ),
    }
    return (_wrong_pre if layer.norm_first else _wrong_post)(A, M, n, m, x) | wrong


def _wrong_post(A: Function, M: Function, n: Function, m: Function, x: Tensor) -> dict[str, Tensor]:
    y, bare, pre = n(x + A(x)), x + A(x), x + A(n(x))
    return {
        "the norms stand before the branches: that is the pre-norm block": pre + M(m(pre)),
        "attention has no skip": m((z := n(A(x))) + M(z)),
        "the feed-forward network has no skip": m(M(y)),
        "the feed-forward network reads the block's input: it reads what stands behind the first "
        "norm": m(y + M(x)),
        "the second sum adds the block's input: it adds what stands behind the first norm": m(
            x + M(y)
        ),
        "both branches read x, and their results are added to x: one after the other": m(
            bare + M(x)
        ),
        "the first norm is missing: one follows each sum": m(bare + M(bare)),
        "the second norm is missing: one follows each sum": y + M(y),
        "the second branch reads a norm's output, but the skip does not": m(bare + M(y)),
        "the first norm stands on the branch: it follows the sum": m((z := x + n(A(x))) + M(z)),
        "the second norm stands on the branch: it follows the sum": y + m(M(y)),
    }


def _wrong_pre(A: Function, M: Function, n: Function, m: Function, x: Tensor) -> dict[str, Tensor]:
    h, y = x + A(n(x)), n(x + A(x))
    return {
        "the norms stand behind the sums: that is the post-norm block": m(y + M(y)),
        "the skip adds the norm's output: it adds the stream itself": (g := m((z := n(x)) + A(z)))
        + M(g),
        "the first skip adds the norm's output: it adds the stream itself": (z := n(x) + A(n(x)))
        + M(m(z)),
        "the second skip adds the norm's output: it adds the stream itself": m(h) + M(m(h)),
        "the attention branch has no norm": (b := x + A(x)) + M(m(b)),
        "the feed-forward branch has no norm": h + M(h),
        "a norm stands behind the last sum: the stream leaves the block as it is": m(h + M(m(h))),
        "attention has no skip": (a := A(n(x))) + M(m(a)),
        "the feed-forward network has no skip": M(m(h)),
        "both branches read the block's input: feed-forward reads what attention left": h + M(m(x)),
        "the second skip adds the block's input: it adds what attention left": x + M(m(h)),
    }


def _swapped(layer: nn.TransformerEncoderLayer, x: Tensor) -> Tensor:
    """The right block with its branches in the wrong order."""
    A, M, n, m = block_parts(layer)
    if layer.norm_first:
        h = x + M(m(x))
        return h + A(n(h))
    y = m(x + M(x))
    return n(y + A(y))


def _with_gelu(layer: nn.TransformerEncoderLayer, x: Tensor) -> Tensor:
    """The right block with another function between the dense layers."""
    A, _, n, m = block_parts(layer)

    def dense(x: Tensor) -> Tensor:
        return layer.linear2(F.gelu(layer.linear1(x)))

    h = x + A(n(x)) if layer.norm_first else n(x + A(x))
    return h + dense(m(h)) if layer.norm_first else m(h + dense(h))


def wrong_block_counts(layer: nn.Module, width: int) -> dict[str, int]:
    """Mistakes in the number of parameters of a block; `layer` is the right one."""
    count = sum(p.numel() for p in layer.parameters())
    return {
        "there is one norm: each branch has its own": count - 2 * width,
        "the norms are missing, or have no scale and shift": count - 4 * width,
        "there are three norms: one for each branch": count + 2 * width,
        "there are four norms: one for each branch": count + 4 * width,
    }


def right_contributions(x: Tensor, branches: Sequence[Function]) -> Tensor:
    """x and what each branch adds to the stream: (L + 1, B, T, C)."""
    parts = [x]
    for branch in branches:
        parts.append(branch(torch.stack(parts).sum(0)))
    return torch.stack(parts)


def wrong_contributions(x: Tensor, branches: Sequence[Function]) -> dict[str, Tensor]:
    """Mistakes in the contributions to a stream; x (B, T, C)."""
    right = right_contributions(x, branches)
    chain = list(accumulate(branches, lambda h, branch: branch(h), initial=x))
    without_skip = [x, *(branch(h) for branch, h in zip(branches, chain, strict=False))]
    late = [x]
    for branch in branches:
        late.append(branch(torch.stack(late[1:]).sum(0) if late[1:] else x))
    return {
        "every branch reads x: it reads the sum of all that was added before": torch.stack(
            [x, *(branch(x) for branch in branches)]
        ),
        "every branch reads what the one before it gave: it reads the sum of all that was added "
        "before": torch.stack(without_skip),
        "this is the stream after each branch: what each branch adds is asked for": right.cumsum(0),
        "x is missing from what the branches read": torch.stack(late),
        "the order is reversed: x comes first": right.flip(0),
        "the first entry is zero: it is x": torch.cat([torch.zeros_like(x)[None], right[1:]]),
        "x comes last: it comes first": right.roll(-1, 0),
    }


def wrong_lenses(parts: Tensor, norm: nn.LayerNorm, head: nn.Linear) -> dict[str, Tensor]:
    """Mistakes in the logit lens; parts (L, B, T, C)."""
    stream = parts.cumsum(0)
    return {
        "the norm is missing: the head reads the normed stream": head(stream),
        "this reads each contribution alone: read the stream, the sum so far": head(norm(parts)),
        "this reads each contribution alone, without norm": head(parts),
        "each contribution is normed before they are summed: norm the stream": head(
            norm(parts).cumsum(0)
        ),
        "the logits of contributions are summed: sum first, then norm and head": head(
            norm(parts)
        ).cumsum(0),
        "every row reads the last stream: row n has what was there after n branches": head(
            norm(stream[-1:])
        ).expand(len(parts), *parts.shape[1:-1], head.out_features),
        "row n misses contribution n": head(norm(stream - parts)),
        "this is the mean of the contributions: take their sum": head(
            norm(parts.cumsum(0) / torch.arange(1, len(parts) + 1).view(-1, 1, 1, 1))
        ),
        "this is the normed stream: the head is missing": norm(stream),
        "these are probabilities: logits are asked for": head(norm(stream)).softmax(-1),
        "these are log-probabilities: logits are asked for": head(norm(stream)).log_softmax(-1),
    }


def right_attribution(
    parts: Tensor, norm: nn.LayerNorm, head: nn.Linear, correction: int = 0
) -> Tensor:
    """What each contribution adds to the logits: (L, B, T, C) -> (L, B, T, V)."""
    size = (parts.sum(0).var(-1, correction=correction, keepdim=True) + norm.eps).sqrt()
    centred = parts - parts.mean(-1, keepdim=True)
    return F.linear(norm.weight * centred / size, head.weight)


def wrong_attributions(parts: Tensor, norm: nn.LayerNorm, head: nn.Linear) -> dict[str, Tensor]:
    """Mistakes in the attribution of logits; parts (L, B, T, C)."""
    total, right = parts.sum(0), right_attribution(parts, norm, head)
    size = (total.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
    centred = parts - parts.mean(-1, keepdim=True)
    own = F.linear(norm.weight * F.layer_norm(parts, parts.shape[-1:]), head.weight)
    return {
        "each contribution is divided by its own size: all share that of the whole stream": own,
        "each contribution went through the norm alone": head(norm(parts)),
        "each contribution went through the norm alone (without head's bias)": F.linear(
            norm(parts), head.weight
        ),
        "the head's bias is added to every contribution: it belongs to none": right + head.bias,
        "biases are added to every contribution: they belong to none": right + head(norm.bias),
        "the norm's shift is added to every contribution: it belongs to none": F.linear(
            norm.weight * centred / size + norm.bias, head.weight
        ),
        "contributions are not divided by the size of the stream": F.linear(
            norm.weight * centred, head.weight
        ),
        "the norm is left out altogether": F.linear(parts, head.weight),
        "the norm is left out, and the bias is added": head(parts),
        "the norm's scale is missing": F.linear(centred / size, head.weight),
        "the mean is not subtracted": F.linear(norm.weight * parts / size, head.weight),
        "the mean of the whole stream is subtracted from each: each has its own": F.linear(
            norm.weight * (parts - total.mean(-1, keepdim=True)) / size, head.weight
        ),
        "the variance is that of n - 1: layer norm divides by n": right_attribution(
            parts, norm, head, correction=1
        ),
        "it is divided by the variance: take its root": F.linear(
            norm.weight * centred / size**2, head.weight
        ),
        "these are sums so far: what each adds is asked for": right.cumsum(0),
    }


def right_wired(kind: str, branch: Function, norm: Function, gain: Tensor, blocks: int) -> Function:
    """The six wirings, with a norm and a gain that are given: a function of x (B, T, C)."""
    formulas: dict[str, Function] = {
        "pre": lambda x: x + branch(norm(x)),
        "post": lambda x: norm(x + branch(x)),
        "peri": lambda x: x + norm(branch(norm(x))),
        "deepnorm": lambda x: norm((2 * blocks) ** 0.25 * x + branch(x)),
        "rezero": lambda x: x + gain * branch(x),
        "layerscale": lambda x: x + gain * branch(norm(x)),
    }
    return formulas[kind]


def wrong_wired(
    kind: str, branch: Function, norm: Function, gain: Tensor, blocks: int, x: Tensor
) -> dict[str, Tensor]:
    """Mistakes in one wiring: the formulas of the others, and slips in its own."""
    own: dict[str, dict[str, Function]] = {
        "pre": {"the skip adds norm(x): it adds x": lambda x: norm(x) + branch(norm(x))},
        "post": {"the norm is on the branch: it follows the sum": lambda x: x + norm(branch(x))},
        "peri": {
            "the inner norm is missing": lambda x: x + norm(branch(x)),
            "the norm behind the branch is missing: that is pre-norm": lambda x: (
                x + branch(norm(x))
            ),
            "the second norm follows the sum: it belongs to the branch": lambda x: norm(
                x + branch(norm(x))
            ),
        },
        "deepnorm": {
            f"alpha is {name}: it is (2 blocks) ** (1/4), and multiplies x": _scaled_skip(
                branch, norm, alpha
            )
            for name, alpha in {
                "missing": 1.0,
                "of blocks, not of 2 blocks": blocks**0.25,
                "the square root": (2 * blocks) ** 0.5,
                "upside down": (2 * blocks) ** -0.25,
                "of 8 blocks (that is for beta)": (8 * blocks) ** 0.25,
                "2 blocks": 2.0 * blocks,
            }.items()
        }
        | {
            "alpha multiplies the branch: it multiplies x": lambda x: norm(
                x + (2 * blocks) ** 0.25 * branch(x)
            ),
            "alpha multiplies both": lambda x: norm(x + branch(x)),
            "the norm is missing": lambda x: (2 * blocks) ** 0.25 * x + branch(x),
        },
        "rezero": {
            "there is a norm: ReZero has none": lambda x: x + gain * branch(norm(x)),
            "the gain multiplies x: it multiplies the branch": lambda x: gain * x + branch(x),
            "the gain multiplies the whole sum: only the branch": lambda x: gain * (x + branch(x)),
            "there is no gain": lambda x: x + branch(x),
        },
        "layerscale": {
            "the norm is missing": lambda x: x + gain * branch(x),
            "there is no gain: that is pre-norm": lambda x: x + branch(norm(x)),
            "the gain multiplies the branch's input: it multiplies its output": lambda x: (
                x + branch(gain * norm(x))
            ),
            "the gain multiplies the whole sum: only the branch": lambda x: (
                gain * (x + branch(norm(x)))
            ),
        },
    }
    found = {sentence: formula(x) for sentence, formula in own[kind].items()}
    for other in own.keys() - {kind}:
        found.setdefault(
            f'this computes "{other}"', right_wired(other, branch, norm, gain, blocks)(x)
        )
    found["the skip is missing"] = branch(norm(x))
    return found


def _scaled_skip(branch: Function, norm: Function, alpha: float) -> Function:
    return lambda x: norm(alpha * x + branch(x))


def wrong_sinkhorns(logits: Tensor, steps: int) -> dict[str, Tensor]:
    """Mistakes in making a matrix doubly stochastic; logits (n, n)."""
    from plusx.streams import sinkhorn

    columns_first = sinkhorn(logits.T, steps).T
    return {
        "these are the exponentials: nothing is divided": logits.exp(),
        "only the rows are divided by their sums": logits.softmax(-1),
        "only the columns are divided by their sums": logits.softmax(-2),
        "columns come first: rows, then columns": columns_first,
        "there is one step too few": sinkhorn(logits, steps - 1),
        "there is one step too many": sinkhorn(logits, steps + 1),
        "there is one step, whatever `steps` says": sinkhorn(logits, 1),
        "exp is missing: entries could be negative": sinkhorn(logits.abs().log(), steps),
        "the sigmoid takes the place of exp": sinkhorn(logits.sigmoid().log(), steps),
    }


def right_hyper(H: Tensor, branch: Function, mix: Tensor, read: Tensor, write: Tensor) -> Tensor:
    """mix H + write branch(read . H), with H (n, B, T, C)."""
    given = branch(torch.einsum("n,nbtc->btc", read, H))
    return torch.einsum("mn,nbtc->mbtc", mix, H) + write[:, None, None, None] * given


def wrong_hypers(
    H: Tensor, branch: Function, mix: Tensor, read: Tensor, write: Tensor
) -> dict[str, Tensor]:
    """Mistakes in one hyper-connection; H (n, B, T, C), mix (n, n), read and write (n,)."""
    eye, one = torch.eye(len(H), dtype=H.dtype), torch.ones_like(read)
    mixed = torch.einsum("mn,nbtc->mbtc", mix, H)
    return {
        "mix is transposed: H'[m] gets mix[m, n] H[n]": right_hyper(H, branch, mix.T, read, write),
        "mix is left out: the streams do not mix": right_hyper(H, branch, eye, read, write),
        "write is left out: every stream gets the same": right_hyper(H, branch, mix, read, one),
        "read is left out: streams are summed": right_hyper(H, branch, mix, one, write),
        "read is left out: the branch reads the mean": right_hyper(
            H, branch, mix, one / len(H), write
        ),
        "read and write are interchanged": right_hyper(H, branch, mix, write, read),
        "the branch runs on every stream, not on their weighted sum": mixed
        + write[:, None, None, None] * torch.stack([branch(h) for h in H]),
        "the branch reads each stream times read: it reads their sum": mixed
        + write[:, None, None, None]
        * torch.stack([branch(r * h) for r, h in zip(read, H, strict=True)]),
        "the branch reads the mixed streams: it reads H": mixed
        + write[:, None, None, None] * branch(torch.einsum("n,nbtc->btc", read, mixed)),
        "H is added once more: mix holds the skip": H + right_hyper(H, branch, mix, read, write),
        "the branch's result is missing": mixed,
        "the streams are missing: only what the branch gives is left": right_hyper(
            H, branch, 0 * eye, read, write
        ),
        "the branch's result is mixed too: mix acts on H alone": torch.einsum(
            "mn,nbtc->mbtc",
            mix,
            H + write[:, None, None, None] * branch(torch.einsum("n,nbtc->btc", read, H)),
        ),
    }
