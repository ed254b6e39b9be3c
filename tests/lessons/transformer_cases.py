"""Wrong and honest answers to the exercises of lesson 06, transformer residuals."""

from cases import Mutant, Variant

POST_1 = "h = self.norm1(x + self.attention(x))  # (B, T, width)"
POST_2 = "return self.norm2(h + self.feed_forward(h))  # (B, T, width)"
PRE_1 = "h = x + self.attention(self.norm1(x))  # (B, T, width)"
PRE_2 = "return h + self.feed_forward(self.norm2(h))  # (B, T, width)"
NORM_2 = "self.norm2 = nn.LayerNorm(width)"
PART = "part = branch(stream)  # (B, T, C)"
GROW = "stream = stream + part"
STACK = "return torch.stack(parts)"
LENS = "return head(norm(parts.cumsum(0)))"
VARIANCE = "variance = parts.sum(0).var(-1, correction=0, keepdim=True)  # (B, T, 1)"
CENTRED = "centred = parts - parts.mean(-1, keepdim=True)  # (L + 1, B, T, C)"
SCALED = "scaled = norm.weight * centred / (variance + norm.eps).sqrt()"
TERMS = "return scaled @ head.weight.T  # (L + 1, B, T, V)"
ALPHA = 'self.alpha = (2 * blocks) ** 0.25 if kind == "deepnorm" else 1.0'
OUTSIDE = "return self.norm(self.alpha * x + self.branch(x))"
REZERO = "return x + self.gain * self.branch(x)"
INNER = "y = self.branch(self.norm(x))  # (B, T, width)"
BEHIND = "y = self.behind(y)"
SCALE = "y = self.gain * y"
ZERO = "self.gain = nn.Parameter(torch.zeros(1))"
TENTH = "self.gain = nn.Parameter(torch.full((width,), 0.1))"
KINDS = 'if kind not in ("pre", "post", "peri", "deepnorm", "rezero", "layerscale"):'
LOGITS = "logits = net(tokens[None, -length:])[0, -1]  # (V,)"
GREEDY = "new = logits.argmax().view(1)"
DRAWN = "new = torch.multinomial((logits / temperature).softmax(0), 1)"
APPEND = "tokens = torch.cat([tokens, new])"
ROWS = "matrix = matrix / matrix.sum(-1, keepdim=True)"
COLUMNS = "matrix = matrix / matrix.sum(-2, keepdim=True)"
READ = 'x = torch.einsum("k,kbtc->btc", read, H)  # (B, T, C)'
MIXED = 'mixed = torch.einsum("mk,kbtc->mbtc", mix, H)  # (n, B, T, C)'
WRITTEN = "return mixed + write.view(-1, 1, 1, 1) * branch(x)"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


MUTANTS = [
    # post_block
    mutant(
        "post_block",
        "pre-norm instead",
        "pre-norm block",
        (POST_1, PRE_1),
        (POST_2, PRE_2),
    ),
    mutant(
        "post_block",
        "attention without skip",
        "attention has no skip",
        (POST_1, "h = self.norm1(self.attention(x))"),
    ),
    mutant(
        "post_block",
        "feed-forward without skip",
        "feed-forward network has no skip",
        (POST_2, "return self.norm2(self.feed_forward(h))"),
    ),
    mutant(
        "post_block",
        "no skip at all",
        "no branch has a skip",
        (POST_1, "h = self.norm1(self.attention(x))"),
        (POST_2, "return self.norm2(self.feed_forward(h))"),
    ),
    mutant(
        "post_block",
        "norm on the branches",
        "between branch and sum",
        (POST_1, "h = x + self.norm1(self.attention(x))"),
        (POST_2, "return h + self.norm2(self.feed_forward(h))"),
    ),
    mutant(
        "post_block",
        "norm on the first branch alone",
        "first norm stands on the branch",
        (POST_1, "h = x + self.norm1(self.attention(x))"),
    ),
    mutant(
        "post_block",
        "second sum adds x",
        "second sum adds the block's input",
        (POST_2, "return self.norm2(x + self.feed_forward(h))"),
    ),
    mutant(
        "post_block",
        "feed-forward reads x",
        "reads the block's input",
        (POST_2, "return self.norm2(h + self.feed_forward(x))"),
    ),
    mutant(
        "post_block",
        "branches side by side",
        "one after the other",
        (POST_1, "h = x + self.attention(x)"),
        (POST_2, "return self.norm2(h + self.feed_forward(x))"),
    ),
    mutant(
        "post_block",
        "first norm unused",
        "first norm is missing",
        (POST_1, "h = x + self.attention(x)"),
    ),
    mutant(
        "post_block",
        "second norm unused",
        "second norm is missing",
        (POST_2, "return h + self.feed_forward(h)"),
    ),
    mutant("post_block", "one norm for both", "one norm", (NORM_2, "self.norm2 = self.norm1")),
    mutant(
        "post_block",
        "norms without scale and shift",
        "no scale and shift",
        (
            "self.norm1 = nn.LayerNorm(width)",
            "self.norm1 = nn.LayerNorm(width, elementwise_affine=False)",
        ),
        (NORM_2, "self.norm2 = nn.LayerNorm(width, elementwise_affine=False)"),
    ),
    mutant(
        "post_block",
        "feed-forward first",
        "attention comes first",
        (POST_1, "h = self.norm2(x + self.feed_forward(x))"),
        (POST_2, "return self.norm1(h + self.attention(h))"),
    ),
    mutant(
        "post_block",
        "skip detached",
        "detached",
        (POST_1, "h = self.norm1(x.detach() + self.attention(x))"),
    ),
    mutant(
        "post_block",
        "x changed in place",
        "in place",
        (POST_1, "x += self.attention(x)\n        h = self.norm1(x)"),
    ),
    mutant(
        "post_block",
        "one head",
        "order of the formula",
        ("SelfAttention(width, heads)", "SelfAttention(width, 1)"),
    ),
    mutant(
        "post_block",
        "causal attention",
        "order of the formula",
        ("SelfAttention(width, heads)", "SelfAttention(width, heads, causal=True)"),
    ),
    mutant(
        "post_block",
        "GELU",
        "GELU",
        (
            "FeedForward(width)",
            "nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))",
        ),
    ),
    mutant(
        "post_block",
        "dropout",
        "order of the formula",
        ("FeedForward(width)", "nn.Sequential(FeedForward(width), nn.Dropout(0.3))"),
    ),
    mutant(
        "post_block", "result on the CPU", "device", (POST_2, POST_2.replace("(h))", "(h)).cpu()"))
    ),
    # pre_block
    mutant(
        "pre_block",
        "post-norm instead",
        "post-norm block",
        (PRE_1, POST_1),
        (PRE_2, POST_2),
    ),
    mutant(
        "pre_block",
        "stream overwritten by the norms",
        "it adds the stream itself",
        (PRE_1, "x = self.norm1(x)\n        h = x + self.attention(x)"),
        (PRE_2, "h = self.norm2(h)\n        return h + self.feed_forward(h)"),
    ),
    mutant(
        "pre_block",
        "first skip normed",
        "first skip adds the norm's output",
        (PRE_1, "x = self.norm1(x)\n        h = x + self.attention(x)"),
    ),
    mutant(
        "pre_block",
        "second skip normed",
        "second skip adds the norm's output",
        (PRE_2, "h = self.norm2(h)\n        return h + self.feed_forward(h)"),
    ),
    mutant(
        "pre_block",
        "attention without norm",
        "attention branch has no norm",
        (PRE_1, "h = x + self.attention(x)"),
    ),
    mutant(
        "pre_block",
        "feed-forward without norm",
        "feed-forward branch has no norm",
        (PRE_2, "return h + self.feed_forward(h)"),
    ),
    mutant(
        "pre_block",
        "norm at the end",
        "leaves the block as it is",
        (PRE_2, "return self.norm2(h + self.feed_forward(self.norm2(h)))"),
    ),
    mutant(
        "pre_block",
        "attention without skip",
        "attention has no skip",
        (PRE_1, "h = self.attention(self.norm1(x))"),
    ),
    mutant(
        "pre_block",
        "feed-forward without skip",
        "feed-forward network has no skip",
        (PRE_2, "return self.feed_forward(self.norm2(h))"),
    ),
    mutant(
        "pre_block",
        "both branches read x",
        "read the block's input",
        (PRE_2, "return h + self.feed_forward(self.norm2(x))"),
    ),
    mutant(
        "pre_block",
        "second sum adds x",
        "second skip adds the block's input",
        (PRE_2, "return x + self.feed_forward(self.norm2(h))"),
    ),
    mutant("pre_block", "one norm for both", "one norm", (NORM_2, "self.norm2 = self.norm1")),
    mutant(
        "pre_block",
        "branch detached",
        "detached",
        (PRE_1, "h = x + self.attention(self.norm1(x)).detach()"),
    ),
    # contributions
    mutant(
        "contributions", "every branch reads x", "every branch reads x", (PART, "part = branch(x)")
    ),
    mutant(
        "contributions",
        "a chain without skips",
        "the one before it",
        (GROW, "stream = part"),
    ),
    mutant(
        "contributions",
        "the streams",
        "stream after each branch",
        (STACK, "return torch.stack(parts).cumsum(0)"),
    ),
    mutant(
        "contributions",
        "x left out",
        "x is the first entry",
        (STACK, "return torch.stack(parts[1:])"),
    ),
    mutant(
        "contributions",
        "x missing from the stream",
        "x is missing",
        (GROW, "stream = part if len(parts) == 2 else stream + part"),
    ),
    mutant("contributions", "reversed", "reversed", (STACK, "return torch.stack(parts[::-1])")),
    mutant(
        "contributions", "x last", "x comes last", (STACK, "return torch.stack([*parts[1:], x])")
    ),
    mutant(
        "contributions",
        "zeros in place of x",
        "first entry is zero",
        ("stream, parts = x, [x]", "stream, parts = x, [torch.zeros_like(x)]"),
    ),
    mutant("contributions", "in place", "in place", (GROW, "stream += part")),
    mutant("contributions", "detached", "detached", (PART, "part = branch(stream.detach())")),
    mutant(
        "contributions",
        "no gradients",
        "detached",
        (STACK, "return torch.stack(parts).detach()"),
    ),
    # logit_lens
    mutant(
        "logit_lens", "lens without norm", "norm is missing", (LENS, "return head(parts.cumsum(0))")
    ),
    mutant(
        "logit_lens",
        "lens on contributions",
        "each contribution alone",
        (LENS, "return head(norm(parts))"),
    ),
    mutant(
        "logit_lens",
        "lens, bare contributions",
        "each contribution alone",
        (LENS, "return head(parts)"),
    ),
    mutant(
        "logit_lens",
        "lens, normed first",
        "normed before they are summed",
        (LENS, "return head(norm(parts).cumsum(0))"),
    ),
    mutant(
        "logit_lens",
        "lens, logits summed",
        "logits of contributions are summed",
        (LENS, "return head(norm(parts)).cumsum(0)"),
    ),
    mutant(
        "logit_lens",
        "lens, one behind",
        "misses contribution",
        (LENS, "return head(norm(parts.cumsum(0) - parts))"),
    ),
    mutant("logit_lens", "lens, probabilities", "probabilities", (LENS, LENS + ".softmax(-1)")),
    mutant(
        "logit_lens",
        "own sizes",
        "by its own size",
        (VARIANCE, "variance = parts.var(-1, correction=0, keepdim=True)"),
    ),
    mutant(
        "logit_lens",
        "norm and head on each",
        "went through the norm alone",
        (TERMS, "return head(norm(parts))"),
    ),
    mutant("logit_lens", "bias in each", "bias is added", (TERMS, "return head(scaled)")),
    mutant(
        "logit_lens",
        "shift in each",
        "shift is added",
        (TERMS, "return (scaled + norm.bias) @ head.weight.T"),
    ),
    mutant("logit_lens", "no size", "not divided", (SCALED, "scaled = norm.weight * centred")),
    mutant("logit_lens", "no norm", "left out", (TERMS, "return parts @ head.weight.T")),
    mutant(
        "logit_lens",
        "no scale",
        "scale is missing",
        (SCALED, SCALED.replace("norm.weight * ", "")),
    ),
    mutant("logit_lens", "no mean", "mean is not subtracted", (CENTRED, "centred = parts")),
    mutant(
        "logit_lens",
        "mean of the stream",
        "each has its own",
        (CENTRED, "centred = parts - parts.sum(0).mean(-1, keepdim=True)"),
    ),
    mutant("logit_lens", "n - 1", "n - 1", (VARIANCE, VARIANCE.replace("correction=0, ", ""))),
    mutant("logit_lens", "no root", "take its root", (SCALED, SCALED.replace(".sqrt()", ""))),
    mutant("logit_lens", "eps ignored", "eps", (SCALED, SCALED.replace("norm.eps", "1e-5"))),
    # wired
    mutant(
        "wired",
        "layerscale without norm",
        "norm is missing",
        (INNER, "y = self.branch(x if self.kind == 'layerscale' else self.norm(x))"),
    ),
    mutant(
        "wired",
        "norm of x added",
        "it adds x",
        ("return x + y", "return (self.norm(x) if self.kind == 'pre' else x) + y"),
    ),
    mutant(
        "wired",
        "post with the norm on the branch",
        "follows the sum",
        (
            OUTSIDE,
            "return x + self.norm(self.branch(x)) if self.kind == 'post' else " + OUTSIDE[7:],
        ),
    ),
    mutant(
        "wired",
        "peri without inner norm",
        "inner norm is missing",
        (INNER, "y = self.branch(x if self.kind == 'peri' else self.norm(x))"),
    ),
    mutant("wired", "peri without outer norm", "behind the branch is missing", (BEHIND, "pass")),
    mutant(
        "wired",
        "peri with one norm",
        "used twice",
        ("self.behind = nn.LayerNorm(width)", "self.behind = self.norm"),
    ),
    mutant(
        "wired",
        "peri with the norm on the sum",
        "belongs to the branch",
        (BEHIND, "return self.behind(x + y)"),
    ),
    mutant("wired", "alpha missing", "alpha is missing", (ALPHA, "self.alpha = 1.0")),
    mutant("wired", "alpha of N", "2 blocks", (ALPHA, ALPHA.replace("2 * blocks", "blocks"))),
    mutant("wired", "alpha a square root", "square root", (ALPHA, ALPHA.replace("0.25", "0.5"))),
    mutant("wired", "alpha upside down", "upside down", (ALPHA, ALPHA.replace("0.25", "-0.25"))),
    mutant(
        "wired",
        "alpha on the branch",
        "multiplies the branch",
        (OUTSIDE, "return self.norm(x + self.alpha * self.branch(x))"),
    ),
    mutant(
        "wired",
        "deepnorm without norm",
        "norm is missing",
        (
            OUTSIDE,
            "y = self.alpha * x + self.branch(x)\n"
            "            return y if self.kind == 'deepnorm' else self.norm(y)",
        ),
    ),
    mutant(
        "wired",
        "rezero starts at one",
        "the gain starts at 1: it starts at 0",
        (ZERO, "self.gain = nn.Parameter(torch.ones(1))"),
    ),
    mutant(
        "wired",
        "rezero starts at a tenth",
        "the gain starts at 0.1: it starts at 0",
        (ZERO, "self.gain = nn.Parameter(torch.full((1,), 0.1))"),
    ),
    mutant(
        "wired",
        "rezero gain unused",
        "there is no gain",
        (REZERO, "return x + self.branch(x)"),
    ),
    mutant(
        "wired",
        "rezero per channel",
        "one number",
        (ZERO, "self.gain = nn.Parameter(torch.zeros(width))"),
    ),
    mutant("wired", "rezero not learned", "nn.Parameter", (ZERO, "self.gain = torch.zeros(1)")),
    mutant(
        "wired",
        "rezero scales the sum",
        "only the branch",
        (REZERO, "return self.gain * (x + self.branch(x))"),
    ),
    mutant(
        "wired",
        "rezero scales x",
        "multiplies x",
        (REZERO, "return self.gain * x + self.branch(x)"),
    ),
    mutant(
        "wired",
        "rezero with a norm",
        "ReZero has no norm",
        ('if kind != "rezero":', "if True:"),
    ),
    mutant(
        "wired",
        "layerscale one number",
        "one for each channel",
        (TENTH, "self.gain = nn.Parameter(torch.full((1,), 0.1))"),
    ),
    mutant(
        "wired",
        "layerscale starts at zero",
        "the gain starts at 0: it starts at 0.1",
        (TENTH, "self.gain = nn.Parameter(torch.zeros(width))"),
    ),
    mutant(
        "wired",
        "layerscale starts at one",
        "the gain starts at 1: it starts at 0.1",
        (TENTH, "self.gain = nn.Parameter(torch.ones(width))"),
    ),
    mutant("wired", "layerscale gain unused", "no gain", (SCALE, "pass")),
    mutant(
        "wired",
        "layerscale before the branch",
        "multiplies its output",
        (
            INNER,
            "z = self.norm(x)\n"
            "        y = self.branch(self.gain * z if self.kind == 'layerscale' else z)",
        ),
        (SCALE, "pass"),
    ),
    mutant("wired", "skip missing", "skip is missing", ("return x + y", "return y")),
    mutant(
        "wired",
        "branch not registered",
        "not registered",
        (
            "self.branch, self.kind = branch, kind",
            "self.kind = kind\n        object.__setattr__(self, 'branch', branch)",
        ),
    ),
    mutant("wired", "any kind", "does not exist", (KINDS, "if not isinstance(kind, str):")),
    mutant(
        "wired",
        "kinds in capitals too",
        "does not exist",
        (KINDS, KINDS.replace("kind not in", "str(kind).lower() not in")),
    ),
    # generate
    mutant(
        "generate",
        "no limit",
        "last `length`",
        (LOGITS, LOGITS.replace("[None, -length:]", "[None]")),
    ),
    mutant(
        "generate",
        "last token alone",
        "last token alone",
        (LOGITS, LOGITS.replace("-length:", "-1:")),
    ),
    mutant(
        "generate", "first tokens", "last position", (LOGITS, LOGITS.replace("-length:", ":length"))
    ),
    mutant(
        "generate", "first position", "last position", (LOGITS, LOGITS.replace("[0, -1]", "[0, 0]"))
    ),
    mutant("generate", "smallest logit", "largest", (GREEDY, GREEDY.replace("argmax", "argmin"))),
    mutant("generate", "one token only", "new ones", (APPEND, APPEND + "\n        break")),
    mutant(
        "generate",
        "new tokens only",
        "given tokens first",
        ("return tokens", "return tokens[-count:]"),
    ),
    mutant(
        "generate",
        "temperature ignored",
        "temperature",
        (DRAWN, "new = torch.multinomial(logits.softmax(0), 1)"),
    ),
    mutant("generate", "temperature multiplied", "temperature", (DRAWN, DRAWN.replace("/", "*"))),
    mutant(
        "generate",
        "temperature on probabilities",
        "temperature",
        (DRAWN, "new = torch.multinomial(logits.softmax(0) / temperature, 1)"),
    ),
    mutant("generate", "always greedy", "temperature", (DRAWN, GREEDY)),
    mutant(
        "generate",
        "uniform draws",
        "temperature",
        (DRAWN, "new = torch.randint(len(logits), (1,))"),
    ),
    mutant(
        "generate",
        "greedy draws",
        "generate",
        (GREEDY, "new = torch.multinomial(logits.softmax(0), 1)"),
    ),
    # hyper
    mutant("hyper", "rows only", "only the rows", (COLUMNS, "pass")),
    mutant("hyper", "columns only", "only the columns", (ROWS, "pass")),
    mutant(
        "hyper",
        "columns first",
        "rows, then columns",
        (ROWS, ROWS.replace("-1", "0")),
        (COLUMNS, COLUMNS.replace("-2", "1")),
    ),
    mutant(
        "hyper",
        "one step",
        "whatever `steps` says",
        ("for _ in range(steps):", "for _ in range(1):"),
    ),
    mutant(
        "hyper",
        "one step too many",
        "too many",
        ("for _ in range(steps):", "for _ in range(steps + 1):"),
    ),
    mutant(
        "hyper",
        "one step too few",
        "too few",
        ("for _ in range(steps):", "for _ in range(steps - 1 or 1):"),
    ),
    mutant("hyper", "no exp", "sinkhorn", ("matrix = logits.exp()", "matrix = logits")),
    mutant("hyper", "sigmoid", "sigmoid", ("matrix = logits.exp()", "matrix = logits.sigmoid()")),
    mutant("hyper", "nothing divided", "nothing is divided", (ROWS, "pass"), (COLUMNS, "pass")),
    mutant(
        "hyper", "detached", "detached", ("matrix = logits.exp()", "matrix = logits.detach().exp()")
    ),
    mutant(
        "hyper", "logits in place", "in place", ("matrix = logits.exp()", "matrix = logits.exp_()")
    ),
    mutant("hyper", "mix transposed", "transposed", (MIXED, MIXED.replace('"mk,', '"km,'))),
    mutant("hyper", "streams do not mix", "do not mix", (MIXED, "mixed = H")),
    mutant("hyper", "write left out", "write is left out", (WRITTEN, "return mixed + branch(x)")),
    mutant("hyper", "read left out, sum", "streams are summed", (READ, "x = H.sum(0)")),
    mutant("hyper", "read left out, mean", "reads the mean", (READ, "x = H.mean(0)")),
    mutant(
        "hyper",
        "read and write interchanged",
        "interchanged",
        (READ, READ.replace("read", "write")),
        (WRITTEN, WRITTEN.replace("write", "read")),
    ),
    mutant(
        "hyper",
        "branch on every stream",
        "on every stream",
        (WRITTEN, "return mixed + write.view(-1, 1, 1, 1) * torch.stack([branch(h) for h in H])"),
    ),
    mutant(
        "hyper",
        "branch reads mixed streams",
        "it reads H",
        (READ, ""),
        (WRITTEN, 'x = torch.einsum("k,kbtc->btc", read, mixed)\n    ' + WRITTEN),
    ),
    mutant(
        "hyper",
        "one skip too many",
        "once more",
        (WRITTEN, WRITTEN.replace("mixed +", "H + mixed +")),
    ),
    mutant("hyper", "branch left out", "result is missing", (WRITTEN, "return mixed")),
    mutant(
        "hyper",
        "streams left out",
        "streams are missing",
        (WRITTEN, WRITTEN.replace("mixed + ", "")),
    ),
    mutant(
        "hyper",
        "result mixed too",
        "mix acts on H alone",
        (MIXED, ""),
        (
            WRITTEN,
            'return torch.einsum("mk,kbtc->mbtc", mix, H + write.view(-1, 1, 1, 1) * branch(x))',
        ),
    ),
    mutant(
        "hyper",
        "branch without gradient",
        "detached",
        (WRITTEN, WRITTEN.replace("branch(x)", "branch(x).detach()")),
    ),
]

POST_BY_TORCH = """
class PostBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.second = nn.LayerNorm(width)
        self.first = nn.LayerNorm(width)
        up, down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.mlp = nn.Sequential(up, nn.ReLU(), down)
        self.mix = nn.MultiheadAttention(width, heads, batch_first=True)

    def forward(self, x):
        attended, _ = self.mix(x, x, x, need_weights=False)
        x = self.first(attended + x)
        return self.second(self.mlp(x) + x)
"""

POST_AS_SUBCLASS = """
class Skip(nn.Module):
    def __init__(self, branch, width):
        super().__init__()
        self.branch, self.norm = branch, nn.LayerNorm(width)

    def forward(self, x):
        return self.norm(torch.add(x, self.branch(x)))


class PostBlock(nn.Sequential):
    def __init__(self, width, heads):
        super().__init__(
            Skip(SelfAttention(width, heads), width), Skip(FeedForward(width), width)
        )
"""

PRE_BY_HAND = """
class PreBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.width = heads, width
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])

    def attend(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).chunk(3, dim=-1)
        q, k, v = (z.view(B, T, self.heads, -1).transpose(1, 2) for z in (q, k, v))
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).reshape(B, T, C))

    def forward(self, x):
        x = self.attend(self.norms[0](x)) + x
        return self.down(torch.relu(self.up(self.norms[1](x)))) + x
"""

CONTRIBUTIONS_BY_SUM = """
def contributions(x, branches):
    parts = [x]
    for branch in branches:
        parts.append(branch(sum(parts)))
    return torch.stack(parts, dim=0)
"""

CONTRIBUTIONS_BY_DIFFERENCE = """
def contributions(x, branches):
    states = [x]
    for branch in branches:
        states.append(states[-1] + branch(states[-1]))
    changes = [after - before for before, after in zip(states, states[1:])]
    return torch.cat([h[None] for h in [x, *changes]])
"""

LENS_BY_LOOP = """
def logit_lens(parts, norm, head):
    logits, stream = [], 0
    for part in parts:
        stream = stream + part
        logits.append(head(norm(stream)))
    return torch.stack(logits)


def attribution(parts, norm, head):
    h = parts.sum(dim=0)
    sigma = (h.sub(h.mean(-1, keepdim=True)).square().mean(-1, keepdim=True) + norm.eps) ** 0.5
    return torch.stack([
        nn.functional.linear((p - p.mean(-1, keepdim=True)) / sigma * norm.weight, head.weight)
        for p in parts
    ])
"""

ATTRIBUTION_BY_JACOBIAN = """
def logit_lens(parts, norm, head):
    return head(norm(torch.cumsum(parts, dim=0)))


def attribution(parts, norm, head):
    C = parts.shape[-1]
    eye = torch.eye(C, dtype=parts.dtype, device=parts.device)
    centre = eye - 1 / C
    matrix = head.weight @ torch.diag(norm.weight) @ centre  # (V, C)
    sigma = torch.sqrt(torch.var(parts.sum(0), dim=-1, unbiased=False) + norm.eps)[..., None]
    return torch.einsum("vc,lbtc->lbtv", matrix, parts) / sigma
"""

WIRED_BY_IDENTITY = """
class Wired(nn.Module):
    TABLE = {
        "pre": (True, False, False), "post": (False, False, True), "peri": (True, True, False),
        "deepnorm": (False, False, True), "rezero": (False, False, False),
        "layerscale": (True, False, False),
    }

    def __init__(self, branch, width, kind, blocks):
        super().__init__()
        if kind not in self.TABLE:
            raise ValueError(kind)
        norms = [nn.LayerNorm(width) if there else nn.Identity() for there in self.TABLE[kind]]
        self.before, self.after, self.out = norms
        start = {"rezero": torch.zeros(()), "layerscale": 0.1 * torch.ones(width)}.get(kind)
        self.factor = 1.0 if start is None else nn.Parameter(start)
        self.skip = (2 * blocks) ** (1 / 4) if kind == "deepnorm" else 1
        self.f = branch

    def forward(self, x):
        return self.out(self.skip * x + self.factor * self.after(self.f(self.before(x))))
"""

WIRED_BY_TABLE = """
class Wired(nn.Module):
    def __init__(self, branch, width, kind, blocks):
        super().__init__()
        try:
            self.run = getattr(self, "_" + kind)
        except (AttributeError, TypeError):
            raise ValueError(f"{kind} is unknown") from None
        if not kind or kind == "version":
            raise ValueError("unknown")
        self.branch = branch
        self.register_buffer("alpha", torch.tensor(float(2 * blocks) ** 0.25, dtype=torch.float64))
        if kind in ("pre", "post", "peri", "deepnorm", "layerscale"):
            self.norm = nn.LayerNorm(width)
        if kind == "peri":
            self.norm2 = nn.LayerNorm(width)
        if kind == "layerscale":
            self.gain = nn.Parameter(torch.full([width], 0.1))
        if kind == "rezero":
            self.gain = nn.Parameter(torch.tensor([0.0]))

    def _pre(self, x): return x + self.branch(self.norm(x))
    def _post(self, x): return self.norm(x + self.branch(x))
    def _peri(self, x): return x + self.norm2(self.branch(self.norm(x)))
    def _deepnorm(self, x): return self.norm(self.alpha * x + self.branch(x))
    def _rezero(self, x): return torch.addcmul(x, self.gain, self.branch(x))
    def _layerscale(self, x): return x + self.branch(self.norm(x)) * self.gain
    def forward(self, x): return self.run(x)
"""

GENERATE_BY_LIST = """
def generate(net, tokens, count, length, temperature=0.0):
    found = tokens.tolist()
    for _ in range(count):
        window = torch.tensor(found[-length:]).unsqueeze(0)
        with torch.inference_mode():
            logits = net(window)[:, -1, :].squeeze(0)
        if temperature > 0:
            p = torch.softmax(logits / temperature, dim=-1)
            found.append(torch.distributions.Categorical(p).sample().item())
        else:
            found.append(int(torch.argmax(logits)))
    return torch.tensor(found, dtype=tokens.dtype, device=tokens.device)
"""

GENERATE_BY_GUMBEL = """
@torch.no_grad()
def generate(net, tokens, count, length, temperature=0.0):
    out = torch.empty(len(tokens) + count, dtype=tokens.dtype)
    out[:len(tokens)] = tokens
    for n in range(len(tokens), len(out)):
        logits = net(out[None, max(0, n - length):n])[0, -1]
        noise = -torch.log(-torch.log(torch.rand_like(logits)))
        out[n] = (logits + temperature * noise).argmax()
    return out
"""

HYPER_BY_LOOP = """
def sinkhorn(logits, steps):
    m = torch.exp(logits)
    for _ in range(steps):
        m = torch.nn.functional.normalize(m, p=1, dim=1)
        m = (m.T / m.T.sum(1)[:, None]).T
    return m


def hyper_step(H, branch, mix, read, write):
    n = len(H)
    given = branch(sum(read[k] * H[k] for k in range(n)))
    streams = [sum(mix[m, k] * H[k] for k in range(n)) + write[m] * given for m in range(n)]
    return torch.stack(streams)
"""

HYPER_BY_LOGS = """
def sinkhorn(logits, steps):
    for _ in range(steps):
        logits = logits - logits.logsumexp(1, keepdim=True)
        logits = logits - logits.logsumexp(0, keepdim=True)
    return logits.exp()


def hyper_step(H, branch, mix, read, write):
    flat = H.flatten(1)
    y = branch((read @ flat).view(H.shape[1:]))
    return (mix @ flat + torch.outer(write, y.flatten())).view_as(H)
"""

VARIANTS = [
    Variant("post_block", "torch's attention, norms created first", source=POST_BY_TORCH),
    Variant("post_block", "a subclass of nn.Sequential", source=POST_AS_SUBCLASS),
    Variant("pre_block", "everything by hand", source=PRE_BY_HAND),
    Variant(
        "pre_block",
        "torch's attention",
        source=POST_BY_TORCH.replace("PostBlock", "PreBlock")
        .replace(
            "attended, _ = self.mix(x, x, x",
            "z = self.first(x)\n        attended, _ = self.mix(z, z, z",
        )
        .replace("x = self.first(attended + x)", "x = attended + x")
        .replace("return self.second(self.mlp(x) + x)", "return self.mlp(self.second(x)) + x"),
    ),
    Variant("contributions", "sums of a list", source=CONTRIBUTIONS_BY_SUM),
    Variant("contributions", "differences of states", source=CONTRIBUTIONS_BY_DIFFERENCE),
    Variant("logit_lens", "loops", source=LENS_BY_LOOP),
    Variant("logit_lens", "one matrix for all", source=ATTRIBUTION_BY_JACOBIAN),
    Variant("wired", "one formula, identities in place of norms", source=WIRED_BY_IDENTITY),
    Variant("wired", "a method for each wiring", source=WIRED_BY_TABLE),
    Variant("generate", "a list, Categorical", source=GENERATE_BY_LIST),
    Variant("generate", "Gumbel noise", source=GENERATE_BY_GUMBEL),
    Variant("hyper", "loops over streams", source=HYPER_BY_LOOP),
    Variant("hyper", "logarithms, matrix products", source=HYPER_BY_LOGS),
]
