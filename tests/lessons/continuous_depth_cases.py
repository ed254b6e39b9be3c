"""Wrong and honest answers to the exercises of lesson 08, continuous depth."""

from cases import Mutant, Variant

STEP = "x = x + h * branch(x)  # (B, d)"
BLOCKS = "for branch in branches:"
MEANS = "u, w = u - u.mean(), w - w.mean()"
SLOPE = "return ((u * w).sum() / (u * u).sum()).item()"
LOGS = "u = torch.tensor(sizes, dtype=torch.float64).log()"
LOG_ERRORS = "w = torch.tensor(errors, dtype=torch.float64).log()"
LIMITS = "limits = -2 * z.real / z.abs() ** 2"
EIGEN = "z = torch.linalg.eigvals(A)"
SMALLEST = "return max(0.0, limits.min().item())"
START = "stage = x"
STAGE = "stage = stage + h * factor * slope"
SUM = "x = x + h * weight * slope"
PAIRS = "for factor, slope in zip(row, slopes, strict=True):"
WEIGHED = "for weight, slope in zip(weights, slopes, strict=True):"
RK_END = "\n    return x"
DIFFERENCE = "e = (h / 2 * (k2 - k1)).abs().max().item()"
TAKEN = "if e <= tolerance:"
HEUN = "x = x + h / 2 * (k1 + k2)"
NOTED = "sizes.append(h)"
LEFT = "left = 0.0 if h == left else left - h"
NEXT = "h = h * min(5.0, max(0.2, 0.9 * (tolerance / max(e, 1e-30)) ** 0.5))"
CAPPED = "h = min(h, left)"
PULL = "toward_y, *shares = torch.autograd.grad(slope, [y, *branch.parameters()], v)"
BACK = "y = y.detach() - h * slope.detach()"
TOWARD = "v = v + h * toward_y"
TOTALS = "totals = [total + h * share for total, share in zip(totals, shares, strict=True)]"
WALKED = "return y, v, totals"
STEPS = "for _ in range(steps):"
FIRST = "y1 = x1 + self.f(x2)"
SECOND = "y2 = x2 + self.g(y1)"
HALVES = "x1, x2 = x.chunk(2, dim=1)  # (B, C / 2, ...) each"
JOINED = "return torch.cat([y1, y2], dim=1)  # (B, C, ...)"
UNDO_SECOND = "x2 = y2 - self.g(y1)"
UNDO_FIRST = "x1 = y1 - self.f(x2)"
UNJOINED = "return torch.cat([x1, x2], dim=1)  # (B, C, ...)"
KEPT = "self.f, self.g = f, g"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


MUTANTS = [
    # euler_net
    mutant("euler_net", "no h", "h is missing", (STEP, "x = x + branch(x)")),
    mutant("euler_net", "h on the sum", "the skip as well", (STEP, "x = h * (x + branch(x))")),
    mutant("euler_net", "no skip", "skip is missing", (STEP, "x = h * branch(x)")),
    mutant(
        "euler_net",
        "h over n",
        "divided by the number",
        (STEP, "x = x + h / len(branches) * branch(x)"),
    ),
    mutant(
        "euler_net",
        "h times n",
        "multiplied by the number",
        (STEP, "x = x + h * len(branches) * branch(x)"),
    ),
    mutant(
        "euler_net",
        "branches see the first x",
        "all branches see the first x",
        (BLOCKS, "start = x\n    " + BLOCKS),
        (STEP, "x = x + h * branch(start)"),
    ),
    mutant(
        "euler_net",
        "first x added",
        "first x is added",
        (BLOCKS, "start = x\n    " + BLOCKS),
        (STEP, "x = start + h * branch(x)"),
    ),
    mutant(
        "euler_net", "backwards", "last to first", (BLOCKS, "for branch in reversed(branches):")
    ),
    mutant("euler_net", "minus", "subtracted", (STEP, "x = x - h * branch(x)")),
    mutant("euler_net", "h inside", "goes into the branch", (STEP, "x = x + branch(h * x)")),
    mutant("euler_net", "h squared", "squared", (STEP, "x = x + h**2 * branch(x)")),
    mutant(
        "euler_net", "one step short", "step is missing", (BLOCKS, "for branch in branches[:-1]:")
    ),
    mutant(
        "euler_net",
        "h grows",
        "one size",
        (BLOCKS, "for n, branch in enumerate(branches, 1):"),
        (STEP, "x = x + n * h * branch(x)"),
    ),
    mutant("euler_net", "in place", "in place", (STEP, "x += h * branch(x)")),
    mutant("euler_net", "h in float32", "dtype", (STEP, "x = (x + h * branch(x)).float()")),
    # observed_order
    mutant(
        "observed_order", "sign", "sign is reversed", (SLOPE, SLOPE.replace("return ", "return -"))
    ),
    mutant(
        "observed_order",
        "no logarithms",
        "slope of the errors themselves",
        (LOGS, LOGS[:-6]),
        (LOG_ERRORS, LOG_ERRORS[:-6]),
    ),
    mutant("observed_order", "through the origin", "through the origin", (MEANS, "pass")),
    mutant(
        "observed_order",
        "quotients",
        "quotients",
        (MEANS, "pass"),
        (SLOPE, "return (w / u).mean().item()"),
    ),
    mutant(
        "observed_order",
        "axes swapped",
        "axes are swapped",
        (SLOPE, "return ((u * w).sum() / (w * w).sum()).item()"),
    ),
    mutant(
        "observed_order",
        "end points",
        "first and the last",
        (SLOPE, "return ((w[-1] - w[0]) / (u[-1] - u[0])).item()"),
    ),
    mutant(
        "observed_order",
        "last two points",
        "last two",
        (SLOPE, "return ((w[-1] - w[-2]) / (u[-1] - u[-2])).item()"),
    ),
    mutant(
        "observed_order",
        "mean of slopes",
        "between neighbours",
        (SLOPE, "return (w.diff() / u.diff()).mean().item()"),
    ),
    mutant(
        "observed_order",
        "h halves",
        "halve from point to point",
        (SLOPE, "return (-w.diff().mean() / 0.6931471805599453).item()"),
    ),
    mutant(
        "observed_order",
        "ratio",
        "ratio of errors",
        (SLOPE, "return sum(a / b for a, b in zip(errors, errors[1:])) / (len(errors) - 1)"),
    ),
    mutant(
        "observed_order",
        "the constant",
        "constant",
        (MEANS, "a, b = u.mean(), w.mean()\n    u, w = u - a, w - b"),
        (SLOPE, "return (b - (u * w).sum() / (u * u).sum() * a).item()"),
    ),
    # runge_kutta_step
    mutant("runge_kutta_step", "rows ignored", "all slopes are taken at x", (STAGE, "pass")),
    mutant(
        "runge_kutta_step",
        "no h in the stages",
        "inside the stages",
        (STAGE, "stage = stage + factor * slope"),
    ),
    mutant(
        "runge_kutta_step", "no h in the sum", "in the final sum", (SUM, "x = x + weight * slope")
    ),
    mutant(
        "runge_kutta_step",
        "newest slope alone",
        "newest slope alone",
        (PAIRS, "for factor, slope in zip(row[-1:], slopes[-1:], strict=True):"),
    ),
    mutant(
        "runge_kutta_step",
        "stages build on stages",
        "leaves from the stage before",
        ("slopes = []", "slopes = []\n    stage = x"),
        ("        stage = x\n        for", "        for"),
    ),
    mutant(
        "runge_kutta_step",
        "leaves from the last stage",
        "leaves from the last stage",
        (WEIGHED, "x = stage\n    " + WEIGHED),
    ),
    mutant(
        "runge_kutta_step",
        "last slope alone",
        "only the last slope",
        (WEIGHED, "return x + h * slopes[-1]\n    " + WEIGHED),
    ),
    mutant(
        "runge_kutta_step",
        "Euler",
        "only the first slope",
        (WEIGHED, "return x + h * slopes[0]\n    " + WEIGHED),
    ),
    mutant("runge_kutta_step", "averaged", "averaged", (SUM, "x = x + h * slope / len(slopes)")),
    mutant("runge_kutta_step", "not weighed", "without `weights`", (SUM, "x = x + h * slope")),
    mutant("runge_kutta_step", "no x", "x is missing", (WEIGHED, "x = 0 * x\n    " + WEIGHED)),
    mutant(
        "runge_kutta_step",
        "weights reversed",
        "other end",
        (WEIGHED, "for weight, slope in zip(weights[::-1], slopes):"),
    ),
    mutant(
        "runge_kutta_step",
        "last stage returned",
        "last stage: the step",
        (RK_END, "\n    return stage"),
        (SUM, "pass"),
    ),
    mutant("runge_kutta_step", "x changed in place", "in place", (SUM, "x += h * weight * slope")),
    mutant(
        "runge_kutta_step", "stages lack x", "leaves x out", (START, "stage = 0 * x if row else x")
    ),
    mutant(
        "runge_kutta_step",
        "half steps",
        "halved in the stages",
        (STAGE, "stage = stage + h / 2 * factor * slope"),
    ),
    mutant("runge_kutta_step", "on the CPU", "device", (RK_END, "\n    return x.cpu()")),
    # largest_stable_step
    mutant(
        "largest_stable_step",
        "2 over the size",
        "real eigenvalues alone",
        (LIMITS, "limits = torch.where(z.real < 0, 2 / z.abs(), 0)"),
    ),
    mutant(
        "largest_stable_step",
        "2 over the real part",
        "imaginary parts are ignored",
        (LIMITS, "limits = -2 / z.real"),
    ),
    mutant(
        "largest_stable_step",
        "the slowest",
        "slowest eigenvalue",
        (SMALLEST, SMALLEST.replace("min()", "max()")),
    ),
    mutant("largest_stable_step", "half", "half of it", (LIMITS, LIMITS.replace("-2 *", "-"))),
    mutant(
        "largest_stable_step", "twice", "twice too large", (LIMITS, LIMITS.replace("-2 *", "-4 *"))
    ),
    mutant(
        "largest_stable_step", "not squared", "not squared", (LIMITS, LIMITS.replace(" ** 2", ""))
    ),
    mutant("largest_stable_step", "negative", "return 0", (SMALLEST, "return limits.min().item()")),
    mutant(
        "largest_stable_step",
        "absolute",
        "return 0",
        (SMALLEST, "return limits.abs().min().item()"),
    ),
    mutant(
        "largest_stable_step",
        "symmetric part",
        "symmetric part",
        (EIGEN, "z = torch.linalg.eigvalsh((A + A.T) / 2).to(torch.complex128)"),
    ),
    mutant(
        "largest_stable_step", "diagonal", "diagonal", (EIGEN, "z = A.diag().to(torch.complex128)")
    ),
    mutant(
        "largest_stable_step",
        "lower triangle",
        "largest_stable_step",
        (EIGEN, "z = torch.linalg.eigvalsh(A).to(torch.complex128)"),
    ),
    mutant(
        "largest_stable_step",
        "singular values",
        "singular values",
        (EIGEN, "z = -torch.linalg.svdvals(A).to(torch.complex128)"),
    ),
    # adaptive_solve
    mutant("adaptive_solve", "keeps Euler's result", "Euler's result", (HEUN, "x = x + h * k1")),
    mutant("adaptive_solve", "takes every step", "differ by at most", (TAKEN, "if True:")),
    mutant(
        "adaptive_solve", "never longer", "let h grow", (NEXT, NEXT.replace("min(5.0,", "min(1.0,"))
    ),
    mutant("adaptive_solve", "tiny steps", "let h grow", (NEXT, NEXT.replace("0.9 *", "0.4 *"))),
    mutant(
        "adaptive_solve",
        "mean difference",
        "differ by at most",
        (DIFFERENCE, DIFFERENCE.replace("max()", "mean()")),
    ),
    mutant(
        "adaptive_solve",
        "difference not halved",
        "let h grow",
        (DIFFERENCE, DIFFERENCE.replace("h / 2", "h")),
    ),
    mutant(
        "adaptive_solve",
        "signed difference",
        "differ by at most",
        (DIFFERENCE, DIFFERENCE.replace(".abs()", "")),
        (NEXT, NEXT.replace("max(e, 1e-30)", "max(e, tolerance / 25)")),
    ),
    mutant(
        "adaptive_solve",
        "difference of the slopes",
        "adaptive_solve",
        (DIFFERENCE, DIFFERENCE.replace("h / 2 * ", "")),
    ),
    mutant(
        "adaptive_solve",
        "walks past the end",
        "add up to the time",
        (CAPPED, "pass"),
        (LEFT, "left = left - h"),
    ),
    mutant(
        "adaptive_solve",
        "refused steps noted",
        "add up to the time",
        (TAKEN, NOTED + "\n        " + TAKEN),
        ("            " + NOTED, "            pass"),
    ),
    mutant(
        "adaptive_solve",
        "number of steps",
        "sizes of the steps",
        ("return x, sizes", "return x, len(sizes)"),
    ),
    mutant("adaptive_solve", "x alone", "adaptive_solve", ("return x, sizes", "return x")),
    mutant("adaptive_solve", "x never moves", "adaptive_solve", (HEUN, "pass")),
    mutant("adaptive_solve", "no skip", "adaptive_solve", (HEUN, "x = h / 2 * (k1 + k2)")),
    mutant(
        "adaptive_solve",
        "equal steps",
        "differ by at most",
        ("left, h, sizes = time, time, []", "left, h, sizes = time, time / 50, []"),
        (TAKEN, "if True:"),
        (NEXT, "pass"),
    ),
    mutant(
        "adaptive_solve",
        "tolerance for the sum",
        "not a sum",
        (DIFFERENCE, DIFFERENCE.replace("max()", "sum()")),
    ),
    mutant(
        "adaptive_solve", "division by zero", "no error", (NEXT, NEXT.replace("max(e, 1e-30)", "e"))
    ),
    # adjoint_gradient
    mutant(
        "adjoint_gradient",
        "v the wrong way",
        "moves the wrong way",
        (TOWARD, "v = v - h * toward_y"),
    ),
    mutant(
        "adjoint_gradient",
        "state forward",
        "moves forward",
        (BACK, "y = y.detach() + h * slope.detach()"),
    ),
    mutant("adjoint_gradient", "state stands still", "stands still", (BACK, "pass")),
    mutant(
        "adjoint_gradient",
        "Jacobian behind the step",
        "behind the step back",
        (BACK, "pass"),
        (
            "slope = branch(y)  # (B, d)",
            "y = (y - h * branch(y)).detach().requires_grad_()\n        slope = branch(y)",
        ),
    ),
    mutant(
        "adjoint_gradient",
        "parameters get the new v",
        "v behind the step",
        (
            TOWARD,
            TOWARD
            + "\n        shares = torch.autograd.grad(branch(at), [*branch.parameters()], v)",
        ),
        (PULL, "at = y\n        " + PULL),
    ),
    mutant(
        "adjoint_gradient",
        "Jacobian, not its transpose",
        "take its transpose",
        (
            TOWARD,
            "u = torch.zeros_like(v).requires_grad_()\n"
            "        (p,) = torch.autograd.grad(branch(at), at, u, create_graph=True)\n"
            "        v = v + h * torch.autograd.grad(p, u, v)[0]",
        ),
        (PULL, "at = y\n        " + PULL),
    ),
    mutant(
        "adjoint_gradient",
        "v ignored",
        "v is ignored",
        (STEPS, "v = torch.ones_like(v)\n    " + STEPS),
    ),
    mutant(
        "adjoint_gradient",
        "v not moved in the end",
        "has not moved",
        (WALKED, "return y, start, totals"),
        (STEPS, "start = v\n    " + STEPS),
    ),
    mutant(
        "adjoint_gradient",
        "one step short",
        "step is missing",
        (STEPS, "for _ in range(steps - 1):"),
    ),
    mutant(
        "adjoint_gradient", "one step too many", "too many", (STEPS, "for _ in range(steps + 1):")
    ),
    mutant(
        "adjoint_gradient",
        "no h for parameters",
        "h is missing in the parameters",
        (TOTALS, TOTALS.replace("h * share", "share")),
    ),
    mutant(
        "adjoint_gradient",
        "sign for parameters",
        "wrong sign",
        (TOTALS, TOTALS.replace("total +", "total -")),
    ),
    mutant(
        "adjoint_gradient",
        "last share alone",
        "last step's share",
        (TOTALS, "totals = [h * share for share in shares]"),
    ),
    mutant("adjoint_gradient", "no h in v", "h is missing in v", (TOWARD, "v = v + toward_y")),
    mutant("adjoint_gradient", "v replaced", "add it to v", (TOWARD, "v = h * toward_y")),
    mutant(
        "adjoint_gradient",
        "no parameters",
        "one gradient for each",
        (WALKED, "return y, v, totals[:-1]"),
    ),
    mutant("adjoint_gradient", "on the CPU", "device", (WALKED, "return y, v.cpu(), totals")),
    # reversible_block
    mutant("reversible_block", "G sees x1", "G sees x1", (SECOND, "y2 = x2 + self.g(x1)")),
    mutant("reversible_block", "G sees x2", "G sees x2", (SECOND, "y2 = x2 + self.g(x2)")),
    mutant("reversible_block", "F sees x1", "F sees x1", (FIRST, "y1 = x1 + self.f(x1)")),
    mutant(
        "reversible_block",
        "two separate blocks",
        "block of its own",
        (FIRST, "y1 = x1 + self.f(x1)"),
        (SECOND, "y2 = x2 + self.g(x2)"),
    ),
    mutant(
        "reversible_block",
        "F and G swapped",
        "F and G are swapped",
        (KEPT, "self.f, self.g = g, f"),
    ),
    mutant(
        "reversible_block",
        "halves swapped",
        "come out swapped",
        (JOINED, "return torch.cat([y2, y1], dim=1)"),
    ),
    mutant("reversible_block", "y1 without skip", "y1 lacks", (FIRST, "y1 = self.f(x2)")),
    mutant("reversible_block", "y2 without skip", "y2 lacks", (SECOND, "y2 = self.g(y1)")),
    mutant("reversible_block", "y2 adds y1", "y2 adds y1", (SECOND, "y2 = y1 + self.g(y1)")),
    mutant(
        "reversible_block",
        "other order of halves",
        "other order",
        (HALVES, "x2, x1 = x.chunk(2, dim=1)"),
    ),
    mutant(
        "reversible_block",
        "odd and even channels",
        "Reversible",
        (HALVES, "x1, x2 = x[:, ::2], x[:, 1::2]"),
    ),
    mutant(
        "reversible_block",
        "halves of the batch",
        "Reversible",
        (HALVES, "x1, x2 = x.chunk(2, dim=0)"),
    ),
    mutant(
        "reversible_block",
        "halves of the last axis",
        "Reversible",
        (HALVES, "x1, x2 = x.chunk(2, dim=-1)"),
        (JOINED, "return torch.cat([y1, y2], dim=-1)"),
    ),
    mutant(
        "reversible_block",
        "inverse begins with F",
        "F sees y2",
        (UNDO_SECOND, "x1 = y1 - self.f(y2)"),
        (UNDO_FIRST, "x2 = y2 - self.g(x1)"),
    ),
    mutant(
        "reversible_block",
        "inverse with y2 in F",
        "F sees y2",
        (UNDO_FIRST, "x1 = y1 - self.f(y2)"),
    ),
    mutant(
        "reversible_block", "inverse adds F", "F is added", (UNDO_FIRST, "x1 = y1 + self.f(x2)")
    ),
    mutant(
        "reversible_block", "inverse adds G", "G is added", (UNDO_SECOND, "x2 = y2 + self.g(y1)")
    ),
    mutant(
        "reversible_block", "inverse is forward", "go back", (UNJOINED, "return self.forward(y)")
    ),
    mutant(
        "reversible_block",
        "inverse swapped",
        "x1 stands first",
        (UNJOINED, "return torch.cat([x2, x1], dim=1)"),
    ),
    mutant("reversible_block", "inverse leaves x1", "x1 is left", (UNDO_FIRST, "x1 = y1")),
    mutant(
        "reversible_block",
        "inverse sees y2 in G",
        "G sees y2",
        (UNDO_SECOND, "x2 = y2 - self.g(y2)"),
    ),
    mutant(
        "reversible_block",
        "input kept and given back",
        "from y alone",
        (HALVES, "self.x = x\n        " + HALVES),
        (UNJOINED, "return self.x"),
    ),
    mutant(
        "reversible_block",
        "branches detached",
        "detached",
        (FIRST, "y1 = x1 + self.f(x2).detach()"),
    ),
    mutant(
        "reversible_block",
        "parameters lost",
        "belong to the block",
        (KEPT, "self.f, self.g = (lambda x: f(x)), (lambda x: g(x))"),
    ),
]

EULER_RECURSIVE = """
def euler_net(branches, x, h):
    if not len(branches):
        return x
    first, *others = branches
    return euler_net(others, torch.add(x, first(x), alpha=h), h)
"""

ORDER_BY_NUMPY = """
import numpy as np


def observed_order(sizes, errors):
    return np.polyfit(np.log(sizes), np.log(errors), 1)[0]
"""

ORDER_BY_LSTSQ = """
from math import log10


def observed_order(sizes, errors):
    A = torch.tensor([[log10(h), 1.0] for h in sizes], dtype=torch.float64)
    b = torch.tensor([[log10(e)] for e in errors], dtype=torch.float64)
    return torch.linalg.lstsq(A, b).solution[0, 0]
"""

KUTTA_BY_SUM = """
def runge_kutta_step(branch, x, h, rows, weights):
    ks = []
    for i in range(len(weights)):
        ks.append(branch(x + h * sum(rows[i][j] * ks[j] for j in range(i))))
    return x + h * sum(b * k for b, k in zip(weights, ks))
"""

KUTTA_STACKED = """
def runge_kutta_step(branch, x, h, rows, weights):
    slopes = branch(x)[None]
    for row in rows[1:]:
        factors = torch.tensor(row, dtype=x.dtype, device=x.device)
        slopes = torch.cat([slopes, branch(x + h * torch.tensordot(factors, slopes, 1))[None]])
    return x + h * torch.tensordot(torch.tensor(weights, dtype=x.dtype, device=x.device), slopes, 1)
"""

STABLE_BY_NUMPY = """
import numpy as np


def largest_stable_step(A):
    steps = []
    for z in np.linalg.eigvals(A.numpy()):
        if z.real >= 0:
            return 0.0
        steps.append(2 * -z.real / (z.real**2 + z.imag**2))
    return min(steps)
"""

STABLE_BY_BISECTION = """
def largest_stable_step(A):
    z = torch.linalg.eigvals(A)
    low, high = 0.0, 2.0 / z.abs().min().item()
    for _ in range(60):
        middle = (low + high) / 2
        if (1 + middle * z).abs().max() <= 1:
            low = middle
        else:
            high = middle
    return low
"""

ADAPTIVE_BY_CLOCK = """
def adaptive_solve(branch, x, time, tolerance):
    now, h, taken = 0.0, time, []
    while now < time * (1 - 1e-12):
        h = min(h, time - now)
        slope = branch(x)
        short = x + h * slope
        better = x + 0.5 * h * (slope + branch(short))
        gap = float((better - short).abs().max())
        grow = 5.0 if gap == 0 else 0.9 * (tolerance / gap) ** 0.5
        if gap <= tolerance:
            x, now = better, now + h
            taken.append(h)
        h *= max(0.2, min(5.0, grow))
    return x, taken
"""

ADJOINT_BY_BACKWARD = """
def adjoint_gradient(branch, y, v, h, steps):
    names = [torch.zeros_like(p) for p in branch.parameters()]
    for _ in range(steps):
        at = y.detach().clone().requires_grad_(True)
        branch.zero_grad()
        out = branch(at)
        out.backward(v)
        for total, p in zip(names, branch.parameters()):
            total += h * p.grad
        y = at.detach() - h * out.detach()
        v = v + h * at.grad
    return y, v, names
"""

ADJOINT_BY_VJP = """
def adjoint_gradient(branch, y, v, h, steps):
    weights = dict(branch.named_parameters())
    totals = {name: 0.0 for name in weights}
    for _ in range(steps):
        run = lambda w, state: torch.func.functional_call(branch, w, (state,))
        slope, pull = torch.func.vjp(run, weights, y)
        of_weights, of_state = pull(v)
        for name in totals:
            totals[name] = totals[name] + h * of_weights[name].detach()
        y, v = y - h * slope.detach(), v + h * of_state.detach()
    return y, v, [totals[name] for name in weights]
"""

REVERSIBLE_BY_SLICES = """
class Reversible(nn.Module):
    def __init__(self, f, g):
        super().__init__()
        self.branches = nn.ModuleList([f, g])

    def forward(self, x):
        half = x.shape[1] // 2
        top = x[:, :half] + self.branches[0](x[:, half:])
        return torch.cat((top, self.branches[1](top) + x[:, half:]), 1)

    def inverse(self, y):
        top, bottom = torch.split(y, y.shape[1] // 2, 1)
        bottom = bottom - self.branches[1](top)
        return torch.cat((top - self.branches[0](bottom), bottom), 1)
"""

VARIANTS = [
    Variant("euler_net", "recursive", source=EULER_RECURSIVE),
    Variant("observed_order", "numpy.polyfit", source=ORDER_BY_NUMPY),
    Variant("observed_order", "lstsq, decimal logarithms, a tensor", source=ORDER_BY_LSTSQ),
    Variant("runge_kutta_step", "sums over slopes", source=KUTTA_BY_SUM),
    Variant("runge_kutta_step", "stacked slopes", source=KUTTA_STACKED),
    Variant("largest_stable_step", "numpy, one by one", source=STABLE_BY_NUMPY),
    Variant("largest_stable_step", "bisection", source=STABLE_BY_BISECTION),
    Variant("adaptive_solve", "a clock that runs forward", source=ADAPTIVE_BY_CLOCK),
    Variant("adjoint_gradient", "backward and .grad", source=ADJOINT_BY_BACKWARD),
    Variant("adjoint_gradient", "torch.func.vjp", source=ADJOINT_BY_VJP),
    Variant("reversible_block", "slices, a module list", source=REVERSIBLE_BY_SLICES),
]
