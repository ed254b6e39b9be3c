"""Wrong and honest answers to the exercises of lesson 05, unraveled."""

from cases import Mutant, Variant

GROW = "found = torch.cat([found, found @ weight])  # (2 ** (l + 1), B, d)"
ALL = "return found"
SHARE = "return sum(comb(n, k) for k in range(low, high + 1)) / 2**n"
LOOP = "for place in order:"
CALL = "y = branches[place](x)  # (B, d)"
STEP = "x = x + y if skip else y"
RUN_END = "    return x"
SIGNS = "signs = [1 if a < b else -1 for a, b in combinations(order, 2)]"
TAU = "return sum(signs) / len(signs)"
GATE = "h = y + h.detach() if place in chosen else y.detach() + h"
PULL = "return torch.autograd.grad(h, start, v)[0]"
HELD = "held.append((held[-1] + branch(held[-1])).detach())"
THROUGH = "through = [torch.autograd.grad(y, h, g, retain_graph=True)[0] for g in sums[:-1]]"
ADD = "sums = [v] + [along + more for along, more in zip(sums[1:], through, strict=True)]"
WALK = "for branch, state in zip(reversed(branches), reversed(held), strict=False):"
SUMS = "return torch.stack(sums)"
EVALUATION = "return x + self.survival * self.branch(x)"
DRAW = "stays = torch.rand(()).item() < self.survival"
TRAINING = "return x + self.branch(x) if stays else x"
EVALUATES = "if not self.training:"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


MUTANTS = [
    # path_outputs
    mutant(
        "path_outputs",
        "bits from the other end",
        "lowest bit",
        (
            GROW,
            "found = torch.stack([found, found @ weight], dim=1).flatten(0, 1)",
        ),
    ),
    mutant(
        "path_outputs",
        "last block first",
        "from last to first",
        (
            ALL,
            "n, paths = len(weights), []\n"
            "    for p in range(2**n):\n"
            "        h = x\n"
            "        for l in reversed(range(n)):\n"
            "            h = h @ weights[l] if p >> l & 1 else h\n"
            "        paths.append(h)\n"
            "    return torch.stack(paths)",
        ),
    ),
    mutant(
        "path_outputs", "transposed", "transposed", (GROW, GROW.replace("weight]", "weight.T]"))
    ),
    mutant(
        "path_outputs",
        "a set bit is the skip",
        "means the skip",
        (GROW, "found = torch.cat([found @ weight, found])"),
    ),
    mutant(
        "path_outputs",
        "skips kept beside branches",
        "keeps x beside",
        (GROW, "found = torch.cat([found, found + found @ weight])"),
    ),
    mutant(
        "path_outputs",
        "branches added, not chained",
        "added along a path",
        (GROW, "found = torch.cat([found, found + x @ weight])"),
    ),
    mutant("path_outputs", "running sums", "added up one by one", (ALL, "return found.cumsum(0)")),
    mutant(
        "path_outputs", "the mean", "divided by their number", (ALL, "return found / len(found)")
    ),
    mutant("path_outputs", "the sum alone", "shape", (ALL, "return found.sum(0)")),
    mutant("path_outputs", "path of skips missing", "shape", (ALL, "return found[1:]")),
    mutant(
        "path_outputs",
        "hard-coded float32",
        "dtype",
        ("found = x[None]", "found = x.float()[None]"),
    ),
    mutant("path_outputs", "result on the CPU", "device", (ALL, "return found.cpu()")),
    # share_of_paths
    mutant(
        "share_of_paths", "high left out", "length high", (SHARE, SHARE.replace("high + 1", "high"))
    ),
    mutant(
        "share_of_paths", "low left out", "length low", (SHARE, SHARE.replace("(low,", "(low + 1,"))
    ),
    mutant(
        "share_of_paths",
        "both ends left out",
        "both ends are missing",
        (SHARE, SHARE.replace("range(low, high + 1)", "range(low + 1, high)")),
    ),
    mutant(
        "share_of_paths", "per cent", "per cent", (SHARE, SHARE.replace("return ", "return 100 * "))
    ),
    mutant("share_of_paths", "the number", "divide by 2^n", (SHARE, SHARE.replace(" / 2**n", ""))),
    mutant(
        "share_of_paths", "all up to high", "up to high", (SHARE, SHARE.replace("(low,", "(0,"))
    ),
    mutant(
        "share_of_paths",
        "all from low on",
        "from low on",
        (SHARE, SHARE.replace("high + 1", "n + 1")),
    ),
    mutant(
        "share_of_paths",
        "the rest",
        "outside",
        (SHARE, SHARE.replace("return sum(", "return 1 - sum(")),
    ),
    mutant(
        "share_of_paths",
        "lengths alike",
        "counts alike",
        (SHARE, "return (high - low + 1) / (n + 1)"),
    ),
    mutant(
        "share_of_paths",
        "a float that overflows",
        "integers",
        (SHARE, SHARE.replace("2**n", "2.0**n")),
    ),
    mutant(
        "share_of_paths",
        "one block too few",
        "too few",
        (SHARE, SHARE.replace("comb(n, k)", "comb(n - 1, k)").replace("2**n", "2**(n - 1)")),
    ),
    # run_in_order
    mutant(
        "run_in_order", "order ignored", "is ignored", (LOOP, "for place in range(len(branches)):")
    ),
    mutant("run_in_order", "sorted", "sorted", (LOOP, "for place in sorted(order):")),
    mutant("run_in_order", "reversed", "reversed", (LOOP, "for place in reversed(order):")),
    mutant("run_in_order", "skip ignored", "skip is ignored", (STEP, "x = x + y")),
    mutant("run_in_order", "never a skip", "skip is ignored", (STEP, "x = y")),
    mutant(
        "run_in_order",
        "x in every block",
        "x is added in every block",
        (LOOP, "start = x\n    " + LOOP),
        (STEP, "x = start + y if skip else y"),
    ),
    mutant(
        "run_in_order",
        "one skip around all",
        "once, at the end",
        (LOOP, "start = x\n    " + LOOP),
        (STEP, "x = y"),
        (RUN_END, "    return start + x if skip else x"),
    ),
    mutant(
        "run_in_order",
        "order taken as deletions",
        "left out",
        (LOOP, "for place in [p for p in range(len(branches)) if p not in order]:"),
    ),
    mutant(
        "run_in_order",
        "each block once",
        "run it each time",
        (LOOP, "for place in dict.fromkeys(order):"),
    ),
    mutant(
        "run_in_order",
        "all branches see x",
        "all branches see x",
        (LOOP, "start = x\n    " + LOOP),
        (CALL, "y = branches[place](start if skip else x)"),
    ),
    mutant("run_in_order", "adds in place", "in place", (STEP, "x = x.add_(y) if skip else y")),
    # kendall_tau
    mutant(
        "kendall_tau", "share in order", "subtract", (SIGNS, SIGNS.replace("else -1", "else 0"))
    ),
    mutant(
        "kendall_tau",
        "share out of order",
        "changed their order",
        (SIGNS, SIGNS.replace("1 if a < b else -1", "int(a > b)")),
    ),
    mutant(
        "kendall_tau", "sign reversed", "sign is reversed", (SIGNS, SIGNS.replace("a < b", "a > b"))
    ),
    mutant("kendall_tau", "not divided", "divide it", (TAU, "return sum(signs)")),
    mutant(
        "kendall_tau",
        "each pair counted twice below",
        "not by n (n - 1)",
        (TAU, "return sum(signs) / (len(order) * (len(order) - 1))"),
    ),
    mutant("kendall_tau", "n squared", "n squared", (TAU, "return sum(signs) / len(order) ** 2")),
    mutant(
        "kendall_tau",
        "n squared over two",
        "n squared / 2",
        (TAU, "return sum(signs) / (len(order) ** 2 / 2)"),
    ),
    mutant(
        "kendall_tau",
        "neighbours",
        "neighbours",
        (SIGNS, SIGNS.replace("combinations(order, 2)", "zip(order, order[1:])")),
    ),
    mutant(
        "kendall_tau",
        "Spearman's rho",
        "Spearman",
        (
            TAU,
            "n = len(order)\n"
            "    return 1 - 6 * sum((i - p) ** 2 for i, p in enumerate(order)) / (n**3 - n)",
        ),
    ),
    mutant(
        "kendall_tau",
        "entries in place",
        "in their places",
        (TAU, "return sum(i == p for i, p in enumerate(order)) / len(order)"),
    ),
    # path_gradient
    mutant("path_gradient", "whole gradient", "whole gradient", (GATE, "h = y + h")),
    mutant(
        "path_gradient",
        "the other blocks",
        "were not chosen",
        (GATE, GATE.replace("place in chosen", "place not in chosen")),
    ),
    mutant(
        "path_gradient",
        "forward pass along the path",
        "whole network",
        (GATE, "h = y if place in chosen else h"),
    ),
    mutant(
        "path_gradient",
        "others taken out of the forward pass",
        "taken out of the forward pass",
        (GATE, "h = y + h.detach() if place in chosen else h"),
    ),
    mutant(
        "path_gradient",
        "skips open at chosen blocks",
        "skips of the chosen blocks are open",
        (GATE, "h = y + h if place in chosen else y.detach() + h"),
    ),
    mutant(
        "path_gradient",
        "Jacobians in place of their transposes",
        "take its transpose",
        (
            PULL,
            "held = [x.detach()]\n"
            "    for branch in branches:\n"
            "        held.append((held[-1] + branch(held[-1])).detach())\n"
            "    g = v\n"
            "    for place in sorted(chosen):\n"
            "        s = held[place].requires_grad_()\n"
            "        u = torch.zeros_like(v).requires_grad_()\n"
            "        (p,) = torch.autograd.grad(branches[place](s), s, u, create_graph=True)\n"
            "        (g,) = torch.autograd.grad(p, u, g)\n"
            "    return g",
        ),
    ),
    mutant(
        "path_gradient",
        "v ignored",
        "v is ignored",
        (PULL, PULL.replace("(h, ", "(h.sum(), ").replace(", v)", ")")),
    ),
    mutant(
        "path_gradient",
        "branches entered at x",
        "entered at x",
        ("y = branch(h)  # (B, d)", "y = branch(h + (x - h).detach())"),
    ),
    mutant(
        "path_gradient",
        "first to last",
        "from first to last",
        (
            PULL,
            "held = [x.detach()]\n"
            "    for branch in branches:\n"
            "        held.append((held[-1] + branch(held[-1])).detach())\n"
            "    g = v\n"
            "    for place in sorted(chosen):\n"
            "        s = held[place].requires_grad_()\n"
            "        (g,) = torch.autograd.grad(branches[place](s), s, g)\n"
            "    return g",
        ),
    ),
    mutant(
        "path_gradient",
        "states behind the blocks",
        "behind its block",
        (
            PULL,
            "held = [x.detach()]\n"
            "    for branch in branches:\n"
            "        held.append((held[-1] + branch(held[-1])).detach())\n"
            "    g = v\n"
            "    for place in sorted(chosen, reverse=True):\n"
            "        s = held[place + 1].requires_grad_()\n"
            "        (g,) = torch.autograd.grad(branches[place](s), s, g)\n"
            "    return g",
        ),
    ),
    mutant("path_gradient", "the norm", "shape", (PULL, PULL.replace("[0]", "[0].norm()"))),
    # gradient_by_length
    mutant(
        "gradient_by_length",
        "sums used that have changed already",
        "long to short",
        (THROUGH, "sums = list(sums)"),
        (
            ADD,
            "for k in range(1, len(sums)):\n"
            "            more = torch.autograd.grad(y, h, sums[k - 1], retain_graph=True)[0]\n"
            "            sums[k] = sums[k] + more",
        ),
    ),
    mutant(
        "gradient_by_length",
        "lengths reversed",
        "reversed",
        (SUMS, "return torch.stack(sums[::-1])"),
    ),
    mutant(
        "gradient_by_length",
        "up to each length",
        "up to length",
        (SUMS, "return torch.stack(sums).cumsum(0)"),
    ),
    mutant(
        "gradient_by_length",
        "means over paths",
        "means",
        (
            SUMS,
            "n = len(branches)\n"
            "    return torch.stack([s / comb(n, k) for k, s in enumerate(sums)])",
        ),
    ),
    mutant(
        "gradient_by_length",
        "length 0 missing",
        "lengths 0 to 3",
        (SUMS, "return torch.stack(sums[1:])"),
    ),
    mutant(
        "gradient_by_length",
        "length n missing",
        "lengths 0 to 3",
        (SUMS, "return torch.stack(sums[:-1])"),
    ),
    mutant(
        "gradient_by_length",
        "norms",
        "shape",
        (SUMS, "return torch.stack([s.norm() for s in sums])"),
    ),
    mutant(
        "gradient_by_length",
        "branches entered at x",
        "entered at x",
        (HELD, "held.append(x.detach().clone())"),
    ),
    mutant(
        "gradient_by_length",
        "states behind the blocks",
        "behind its block",
        ("for branch in branches[:-1]:", "for branch in branches:"),
        (WALK, WALK.replace("reversed(held)", "reversed(held[1:])")),
    ),
    mutant(
        "gradient_by_length",
        "first to last",
        "from first to last",
        (WALK, "for branch, state in zip(branches, held):"),
    ),
    mutant(
        "gradient_by_length",
        "the skip's share lost",
        "skips is lost",
        (ADD, "sums = [torch.zeros_like(v)] + through"),
        (SUMS, "return torch.stack([v] + sums[1:])"),
    ),
    mutant(
        "gradient_by_length",
        "one path of each length, the last blocks",
        "one path of each length",
        (
            SUMS,
            "path, g = [v], v\n"
            "    for branch, state in zip(reversed(branches), reversed(held)):\n"
            "        h = state.detach().requires_grad_()\n"
            "        (g,) = torch.autograd.grad(branch(h), h, g)\n"
            "        path.append(g)\n"
            "    return torch.stack(path)",
        ),
    ),
    mutant(
        "gradient_by_length",
        "v ignored",
        "v is ignored",
        (
            "sums = [v] + [torch.zeros_like(v) for _ in branches]",
            "v = torch.ones_like(v)\n    sums = [v] + [torch.zeros_like(v) for _ in branches]",
        ),
    ),
    # stochastic_block
    mutant(
        "stochastic_block", "not scaled", "not scaled", (EVALUATION, "return x + self.branch(x)")
    ),
    mutant(
        "stochastic_block",
        "inverted: divided in training",
        "not scaled",
        (EVALUATION, "return x + self.branch(x)"),
        (TRAINING, "return x + self.branch(x) / self.survival if stays else x"),
    ),
    mutant(
        "stochastic_block",
        "divided in training, scaled in evaluation",
        "1 and 11",
        (TRAINING, "return x + self.branch(x) / self.survival if stays else x"),
    ),
    mutant(
        "stochastic_block",
        "scaled in training as well",
        "1 and 11",
        (TRAINING, "return x + self.survival * self.branch(x) if stays else x"),
    ),
    mutant(
        "stochastic_block",
        "probability to die, in both modes",
        "1 - survival",
        (EVALUATION, "return x + (1 - self.survival) * self.branch(x)"),
        (DRAW, "stays = torch.rand(()).item() >= self.survival"),
    ),
    mutant(
        "stochastic_block",
        "probability to die, in training",
        "probability that the branch stays",
        (DRAW, "stays = torch.rand(()).item() >= self.survival"),
    ),
    mutant(
        "stochastic_block",
        "one draw for each example",
        "one draw for the whole batch",
        (
            TRAINING,
            "return x + self.branch(x) * (torch.rand(len(x), *[1] * (x.ndim - 1)) < self.survival)",
        ),
    ),
    mutant(
        "stochastic_block",
        "dropout on the branch",
        "StochasticBlock",
        (TRAINING, "return x + torch.dropout(self.branch(x), 1 - self.survival, True)"),
    ),
    mutant(
        "stochastic_block",
        "skip dropped too",
        "1 and 11",
        (TRAINING, "return x + self.branch(x) if stays else 0 * x"),
    ),
    mutant(
        "stochastic_block",
        "skip scaled in evaluation",
        "skip is scaled",
        (EVALUATION, "return self.survival * (x + self.branch(x))"),
    ),
    mutant(
        "stochastic_block",
        "no skip in evaluation",
        "skip is missing",
        (EVALUATION, "return self.survival * self.branch(x)"),
    ),
    mutant(
        "stochastic_block",
        "no branch in evaluation",
        "left out in evaluation",
        (EVALUATION, "return x"),
    ),
    mutant(
        "stochastic_block",
        "one draw for all time",
        "1 and 11",
        (
            "self.survival = survival",
            "self.survival = survival\n        self.fate = torch.rand(()).item()",
        ),
        (DRAW, "stays = self.fate < self.survival"),
    ),
    mutant("stochastic_block", "draws in evaluation", "evaluation mode", (EVALUATES, "if False:")),
    mutant("stochastic_block", "never drops", "1 and 11", (DRAW, "stays = True")),
    mutant(
        "stochastic_block",
        "half, whatever survival says",
        "probability that the branch stays",
        (DRAW, "stays = torch.rand(()).item() < 0.5"),
    ),
    mutant(
        "stochastic_block",
        "branch detached",
        "gradients",
        (TRAINING, "return x + self.branch(x).detach() if stays else x"),
    ),
]

OUTPUTS_BY_BITS = """
def path_outputs(weights, x):
    results = []
    for path in range(2 ** len(weights)):
        h = x
        for block, w in enumerate(weights):
            if (path // 2**block) % 2 == 1:
                h = torch.matmul(h, w)
        results.append(h)
    return torch.stack(results, dim=0)
"""

OUTPUTS_RECURSIVE = """
def path_outputs(weights, x):
    if not weights:
        return x.unsqueeze(0)
    *before, last = weights
    short = path_outputs(before, x)
    long = torch.einsum("pbi,ij->pbj", short, last)
    return torch.cat((short, long), dim=0)
"""

SHARE_BY_FRACTION = """
from fractions import Fraction


def share_of_paths(n, low, high):
    row = [1]
    for _ in range(n):
        row = [a + b for a, b in zip([0] + row, row + [0])]
    return float(Fraction(sum(row[low : high + 1]), sum(row)))
"""

SHARE_BY_LOGS = """
from math import exp, lgamma, log


def share_of_paths(n, low, high):
    def logged(k):
        return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1) - n * log(2)

    return sum(exp(logged(k)) for k in range(low, high + 1))
"""

RUN_RECURSIVE = """
def run_in_order(branches, x, order, skip):
    if len(order) == 0:
        return x
    first = branches[order[0]]
    h = first(x)
    if skip:
        h = torch.add(x, h)
    return run_in_order(branches, h, order[1:], skip)
"""

TAU_BY_LOOPS = """
def kendall_tau(order):
    n, inversions = len(order), 0
    for i in range(n):
        for j in range(i + 1, n):
            if order[i] > order[j]:
                inversions += 1
    return 1 - 4 * inversions / (n * (n - 1))
"""

TAU_BY_TORCH = """
def kendall_tau(order):
    places = torch.tensor(order)
    upper = torch.triu(torch.sign(places[None, :] - places[:, None]), diagonal=1)
    return 2 * upper.sum() / (len(order) * (len(order) - 1))
"""

GRADIENT_BY_WALK = """
def path_gradient(branches, x, v, chosen):
    states = []
    h = x
    with torch.no_grad():
        for branch in branches:
            states.append(h)
            h = h + branch(h)
    g = v
    for place in reversed(range(len(branches))):
        if place in chosen:
            s = states[place].detach().clone().requires_grad_(True)
            branches[place](s).backward(g)
            g = s.grad
    return g
"""

GRADIENT_BY_VJP = """
def path_gradient(branches, x, v, chosen):
    pulls, h = [], x
    for l, branch in enumerate(branches):
        y, pull = torch.func.vjp(branch, h)
        h = h + y
        if l in set(chosen):
            pulls.append(pull)
    for pull in pulls[::-1]:
        (v,) = pull(v)
    return v
"""

LENGTHS_IN_PLACE = """
def gradient_by_length(branches, x, v):
    n = len(branches)
    states = [x]
    with torch.no_grad():
        for branch in branches:
            states.append(states[-1] + branch(states[-1]))
    V = torch.zeros(n + 1, *v.shape, dtype=v.dtype, device=v.device)
    V[0] = v
    for l in range(n - 1, -1, -1):
        h = states[l].detach().requires_grad_()
        y = branches[l](h)
        for k in range(n, 0, -1):
            V[k] += torch.autograd.grad(y, h, V[k - 1], retain_graph=True)[0]
    return V
"""

LENGTHS_BY_PATHS = """
from itertools import combinations


def gradient_by_length(branches, x, v):
    n, states = len(branches), [x]
    for branch in branches:
        states.append((states[-1] + branch(states[-1])).detach())

    def along(path):
        g = v
        for l in reversed(path):
            h = states[l].detach().requires_grad_()
            (g,) = torch.autograd.grad(branches[l](h), h, g)
        return g

    return torch.stack([sum(along(p) for p in combinations(range(n), k)) for k in range(n + 1)])
"""

LENGTHS_BY_POLYNOMIAL = """
def gradient_by_length(branches, x, v):
    pulls, h = [], x
    for branch in branches:
        y, pull = torch.func.vjp(branch, h)
        pulls.append(pull)
        h = h + y
    V = [v]
    for pull in reversed(pulls):
        longer = [torch.zeros_like(v)] + [pull(g)[0] for g in V]
        V = [a + b for a, b in zip(V + [torch.zeros_like(v)], longer)]
    return torch.stack(V)
"""

BLOCK_WITH_GATE = """
class StochasticBlock(nn.Module):
    def __init__(self, branch, survival):
        super().__init__()
        self.f, self.p = branch, survival

    def forward(self, x):
        if self.training:
            gate = torch.bernoulli(torch.full((), float(self.p), dtype=x.dtype, device=x.device))
        else:
            gate = self.p
        return x + gate * self.f(x)
"""

BLOCK_ON_MODES = """
class StochasticBlock(nn.Module):
    def __init__(self, branch, survival):
        super().__init__()
        self.survival = survival
        self.branch = branch

    def forward(self, x):
        if self.training and torch.rand(1) >= self.survival:
            return x
        scale = 1.0 if self.training else self.survival
        return self.branch(x).mul(scale).add(x)
"""

VARIANTS = [
    Variant("path_outputs", "one path after another, by bits", source=OUTPUTS_BY_BITS),
    Variant("path_outputs", "recursive, einsum", source=OUTPUTS_RECURSIVE),
    Variant("share_of_paths", "Pascal's triangle, fractions", source=SHARE_BY_FRACTION),
    Variant("share_of_paths", "logarithms", source=SHARE_BY_LOGS),
    Variant("run_in_order", "recursive", source=RUN_RECURSIVE),
    Variant("kendall_tau", "two loops, inversions", source=TAU_BY_LOOPS),
    Variant("kendall_tau", "torch, a tensor as number", source=TAU_BY_TORCH),
    Variant("path_gradient", "two passes, backward", source=GRADIENT_BY_WALK),
    Variant("path_gradient", "torch.func.vjp", source=GRADIENT_BY_VJP),
    Variant("gradient_by_length", "in place, from long to short", source=LENGTHS_IN_PLACE),
    Variant("gradient_by_length", "every single path", source=LENGTHS_BY_PATHS),
    Variant(
        "gradient_by_length", "a list that grows, torch.func.vjp", source=LENGTHS_BY_POLYNOMIAL
    ),
    Variant("stochastic_block", "a gate times the branch", source=BLOCK_WITH_GATE),
    Variant("stochastic_block", "two modes, other names", source=BLOCK_ON_MODES),
]
