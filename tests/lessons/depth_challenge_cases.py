"""Wrong and honest answers to the exercises of lesson 09, the depth challenge."""

from cases import Mutant, Variant

FIRST = "total += 9 * channels * width\n"
SECOND = "total += 9 * width * width\n"
BLOCKS = """        if kind in ("residual", "preactivation"):
            total += 9 * width * width
"""
NORMS = "total += 2 * norms[kind]"
PRE_NORM = '"preactivation": channels + width,'
RESIDUAL_NORM = '"residual": 2 * width,'
DENSE_NORM = '"dense": channels,'
LEAVES = 'channels = channels + width if kind == "dense" else width'
HEAD = "return total + 2 * channels + 10 * channels + 10"
ADDS = "total += 9 * channels * width * rows**2"
ADDS_SECOND = "total += 9 * width * width * rows**2"
ADDS_BLOCKS = """        if kind in ("residual", "preactivation"):
            total += 9 * width * width * rows**2
"""
ROWS = "rows = -(-rows // stride)"
START = "total, channels, rows = 0, 3, 16"
ADDS_HEAD = "return total + 10 * channels"
FITS = "if costs.parameters > parameters or costs.multiply_adds > multiply_adds:"
GIVES = "return width\n"
TRIES = "stages(kind, width + 1, blocks)"
EVERYTHING = "everything, observed = [*ours, *theirs], mean(ours) - mean(theirs)"
CHOSEN = "for chosen in combinations(range(len(everything)), len(ours)):"
REST = "second = [everything[n] for n in range(len(everything)) if n not in chosen]"
REACHED = "reached.append(mean(first) - mean(second) >= observed)"
SHARE = "return mean(reached)"
BEGIN = "kept = dict(states[0])"
LATER = "for state in states[1:]:"
FLOATING = "if tensor.is_floating_point():"
MIXED = "kept[name] = decay * kept[name] + (1 - decay) * tensor"
WHOLE = "kept[name] = tensor\n"
KEPT = "return kept"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


def changed(code):
    """The solution's entry, with something done to it."""
    wrapper = f"def my_entry():\n    entry = trained()\n    {code}\n    return entry\n\n\n"
    return (("def my_entry():", wrapper + "def trained():"),)


def entry_mutant(name, says, code):
    return Mutant("my_entry", name, edits=changed(code), says=says)


ZEROS = (
    "import base64\n    size = len(base64.b64decode(entry['weights']))\n    "
    "entry['weights'] = base64.b64encode({}).decode()"
)


MUTANTS = [
    # parameters_of
    mutant(
        "parameters_of",
        "no norms",
        "norms are not counted",
        (NORMS, "pass"),
        (HEAD, "return total + 10 * channels + 10"),
    ),
    mutant(
        "parameters_of",
        "norms of one number",
        "two numbers for every channel",
        (NORMS, "total += norms[kind]"),
        (HEAD, "return total + channels + 10 * channels + 10"),
    ),
    mutant(
        "parameters_of",
        "statistics counted",
        "running mean and variance",
        (NORMS, "total += 4 * norms[kind]"),
        (HEAD, "return total + 4 * channels + 10 * channels + 10"),
    ),
    mutant(
        "parameters_of",
        "biases",
        "have no bias",
        (FIRST, "total += (9 * channels + 1) * width\n"),
        (SECOND, "total += (9 * width + 1) * width\n"),
    ),
    mutant(
        "parameters_of",
        "kernels of one pixel",
        "3 x 3 weights",
        (FIRST, "total += channels * width\n"),
        (SECOND, "total += width * width\n"),
    ),
    mutant(
        "parameters_of",
        "kernels of three weights",
        "not three",
        (FIRST, "total += 3 * channels * width\n"),
        (SECOND, "total += 3 * width * width\n"),
    ),
    mutant("parameters_of", "one convolution in a block", "second is missing", (BLOCKS, "")),
    mutant(
        "parameters_of",
        "second reads the input",
        "reads what the first gives",
        (SECOND, "total += 9 * channels * width  # again\n"),
    ),
    mutant(
        "parameters_of",
        "pre-activation norms of the width",
        "as wide as what comes in",
        (PRE_NORM, '"preactivation": 2 * width,'),
        (DENSE_NORM, '"dense": width,'),
    ),
    mutant(
        "parameters_of",
        "dense forgets its input",
        "a dense part appends",
        (LEAVES, "channels = width"),
    ),
    mutant(
        "parameters_of",
        "no last norm",
        "behind the last part",
        (HEAD, "return total + 10 * channels + 10"),
    ),
    mutant(
        "parameters_of",
        "no last bias",
        "bias of the last layer",
        (HEAD, "return total + 2 * channels + 10 * channels"),
    ),
    mutant(
        "parameters_of",
        "no last layer",
        "last layer is missing",
        (HEAD, "return total + 2 * channels"),
    ),
    mutant(
        "parameters_of",
        "multiply-adds",
        "these are multiply-adds",
        (FIRST, "total += 9 * channels * width * rows**2\n"),
        (SECOND, "total += 9 * width * width * rows**2\n"),
        (NORMS, "pass"),
        (HEAD, "return total + 10 * channels"),
        (
            "for kind, width, *_ in parts:",
            "rows = 16\n    for kind, width, *rest in parts:\n"
            "        rows = -(-rows // (rest[0] if rest else 1))",
        ),
    ),
    mutant(
        "parameters_of",
        "grey images",
        "parameters_of",
        ("total, channels = 0, 3", "total, channels = 0, 1"),
    ),
    mutant(
        "parameters_of",
        "one norm in a residual block",
        "parameters_of",
        (RESIDUAL_NORM, '"residual": width,'),
    ),
    mutant(
        "parameters_of",
        "a float",
        "parameters_of",
        (HEAD, "return [total + 2 * channels + 10 * channels + 10]"),
    ),
    # multiply_adds_of
    mutant("multiply_adds_of", "stride ignored", "the stride is ignored", (ROWS, "rows = rows")),
    mutant(
        "multiply_adds_of",
        "stride of the part before",
        "has its stride already",
        (ROWS, "before, rows = rows, -(-rows // stride)"),
        (ADDS, "total += 9 * channels * width * before**2"),
    ),
    mutant("multiply_adds_of", "rounded down", "rounded up", (ROWS, "rows = rows // stride")),
    mutant(
        "multiply_adds_of", "one convolution in a block", "second is missing", (ADDS_BLOCKS, "")
    ),
    mutant(
        "multiply_adds_of",
        "second reads the input",
        "reads what the first gives",
        (ADDS_SECOND, "total += 9 * channels * width * rows**2  # again"),
    ),
    mutant(
        "multiply_adds_of",
        "dense forgets its input",
        "a dense part appends",
        (LEAVES, "channels = width"),
    ),
    mutant(
        "multiply_adds_of", "no last layer", "last layer is missing", (ADDS_HEAD, "return total")
    ),
    mutant(
        "multiply_adds_of",
        "kernels of one pixel",
        "3 x 3 weights",
        (ADDS, "total += channels * width * rows**2"),
        (ADDS_SECOND, "total += width * width * rows**2"),
    ),
    mutant(
        "multiply_adds_of",
        "two operations",
        "counts once",
        (ADDS_HEAD, "return 2 * (total + 10 * channels)"),
    ),
    mutant(
        "multiply_adds_of",
        "rows for pixels",
        "pixels of a row",
        (ADDS, "total += 9 * channels * width * rows"),
        (ADDS_SECOND, "total += 9 * width * width * rows"),
    ),
    mutant(
        "multiply_adds_of",
        "32 rows",
        "multiply_adds_of",
        (START, "total, channels, rows = 0, 3, 32"),
    ),
    mutant(
        "multiply_adds_of",
        "parameters",
        "these are parameters",
        (
            ADDS,
            "total += 9 * channels * width\n"
            "        total += 2 * (width if kind in ('conv', 'residual') else channels)",
        ),
        (ADDS_SECOND, "total += 9 * width * width + 2 * width"),
        (ADDS_HEAD, "return total + 12 * channels + 10"),
    ),
    # widest
    mutant(
        "widest",
        "parameters alone",
        "only parameters are compared",
        (FITS, "if costs.parameters > parameters:"),
    ),
    mutant(
        "widest",
        "multiply-adds alone",
        "only multiply-adds are compared",
        (FITS, "if costs.multiply_adds > multiply_adds:"),
    ),
    mutant("widest", "one too wide", "over the budget", (GIVES, "return width + 1\n")),
    mutant("widest", "one too narrow", "a wider one fits", (GIVES, "return max(width - 1, 0)\n")),
    mutant(
        "widest",
        "strictly below",
        "exactly the budget",
        (FITS, "if costs.parameters >= parameters or costs.multiply_adds >= multiply_adds:"),
    ),
    mutant("widest", "at least one", "return 0", (GIVES, "return max(width, 1)\n")),
    mutant("widest", "either fits", "widest", (FITS, FITS.replace(" or ", " and "))),
    mutant("widest", "one block", "widest", (TRIES, "stages(kind, width + 1, 1)")),
    mutant("widest", "always residual", "widest", (TRIES, 'stages("residual", width + 1, blocks)')),
    mutant(
        "widest",
        "the course's budget",
        "widest",
        (
            "width = 0\n",
            "parameters, multiply_adds = BUDGET.parameters, BUDGET.multiply_adds\n    width = 0\n",
        ),
    ),
    # luck
    mutant("luck", "strictly larger", "compare with >=", (REACHED, REACHED.replace(">=", ">"))),
    mutant(
        "luck",
        "two-sided",
        "size of the difference",
        (REACHED, "reached.append(abs(mean(first) - mean(second)) >= abs(observed))"),
    ),
    mutant(
        "luck",
        "the other way round",
        "ours minus theirs",
        (REACHED, "reached.append(mean(second) - mean(first) >= -observed)"),
    ),
    mutant(
        "luck",
        "medians",
        "medians are compared",
        (
            EVERYTHING,
            "from statistics import median\n\n"
            "    everything, observed = [*ours, *theirs], median(ours) - median(theirs)",
        ),
        (REACHED, "reached.append(median(first) - median(second) >= observed)"),
    ),
    mutant(
        "luck",
        "the best",
        "best of each group",
        (EVERYTHING, "everything, observed = [*ours, *theirs], max(ours) - max(theirs)"),
        (REACHED, "reached.append(max(first) - max(second) >= observed)"),
    ),
    mutant(
        "luck", "the other splits", "share of the other splits", (SHARE, "return 1 - mean(reached)")
    ),
    mutant(
        "luck",
        "observed left out",
        "observed split is one of the splits",
        (SHARE, "return (sum(reached) - 1) / len(reached)"),
    ),
    mutant(
        "luck",
        "observed left out of both",
        "left out of both",
        (SHARE, "return (sum(reached) - 1) / max(len(reached) - 1, 1)"),
    ),
    mutant("luck", "a count", "divide by how many", (SHARE, "return sum(reached)")),
    mutant("luck", "the difference", "the difference itself", (SHARE, "return observed")),
    mutant(
        "luck",
        "pairs",
        "every number of ours",
        (SHARE, "return mean(b >= a for a in ours for b in theirs)"),
    ),
    mutant(
        "luck",
        "values instead of places",
        "luck",
        (REST, "second = [value for value in everything if value not in first] or [0.0]"),
    ),
    mutant(
        "luck",
        "groups of another size",
        "luck",
        (CHOSEN, CHOSEN.replace("len(ours)", "max(len(everything) // 2, 1)")),
        (REST, REST + " or [0.0]"),
    ),
    # average_weights
    mutant(
        "average_weights",
        "decay swapped",
        "decay and 1 - decay are swapped",
        (MIXED, "kept[name] = (1 - decay) * kept[name] + decay * tensor"),
    ),
    mutant(
        "average_weights",
        "from zeros",
        "begins as zeros",
        (BEGIN, "kept = {name: 0 * t for name, t in states[0].items()}"),
        (LATER, "for state in states:"),
    ),
    mutant(
        "average_weights",
        "from zeros, corrected",
        "corrected for that",
        (BEGIN, "kept = {name: 0 * t for name, t in states[0].items()}"),
        (LATER, "for state in states:"),
        (
            KEPT,
            "whole = 1 - decay ** len(states)\n"
            "    return {n: t / whole if t.is_floating_point() else t for n, t in kept.items()}",
        ),
    ),
    mutant(
        "average_weights",
        "plain mean",
        "plain mean",
        (
            KEPT,
            "mean = lambda n: torch.stack([s[n] for s in states]).mean(0)\n"
            "    return {n: mean(n) if t.is_floating_point() else t for n, t in kept.items()}",
        ),
    ),
    mutant("average_weights", "last state", "last state alone", (MIXED, "kept[name] = tensor")),
    mutant("average_weights", "first state", "first state alone", (MIXED, "pass")),
    mutant(
        "average_weights",
        "last two",
        "only the last two",
        (BEGIN, "states = states[-2:]\n    kept = dict(states[0])"),
    ),
    mutant(
        "average_weights",
        "backwards",
        "last to first",
        (BEGIN, "last, states = states[-1], states[::-1]\n    kept = dict(states[0])"),
        (WHOLE, "kept[name] = last[name]\n"),
    ),
    mutant(
        "average_weights",
        "added whole",
        "is missing",
        (MIXED, "kept[name] = decay * kept[name] + tensor"),
    ),
    mutant(
        "average_weights",
        "first left out",
        "first state is left out",
        (BEGIN, "states = states[1:] or states\n    kept = dict(states[0])"),
    ),
    mutant("average_weights", "counters averaged", "whole numbers", (FLOATING, "if True:")),
    mutant("average_weights", "first counters", "whole numbers", (WHOLE, "pass\n")),
    mutant(
        "average_weights",
        "without counters",
        "names",
        (KEPT, "return {n: t for n, t in kept.items() if t.is_floating_point()}"),
    ),
    mutant(
        "average_weights",
        "in place",
        "in place",
        (MIXED, "kept[name].mul_(decay).add_((1 - decay) * tensor)"),
    ),
    mutant(
        "average_weights",
        "on the CPU",
        "device",
        (KEPT, "return {n: t.cpu() for n, t in kept.items()}"),
    ),
    mutant(
        "average_weights",
        "in float32",
        "dtype",
        (KEPT, "return {n: t.float() if t.is_floating_point() else t for n, t in kept.items()}"),
    ),
    mutant("average_weights", "a list", "what comes back", (KEPT, "return list(kept.values())")),
    # my_entry
    entry_mutant(
        "over the parameters", "over the budget", "entry['parts'] = [['conv', 40], ['conv', 40]]"
    ),
    entry_mutant("over the multiply-adds", "over the budget", "entry['parts'] = [['conv', 9]] * 8"),
    entry_mutant("parts without end", "no list of parts", "entry['parts'] = [['conv', 1]] * 5000"),
    entry_mutant(
        "weights of another network",
        "do not belong to these parts",
        "entry['parts'][-1][1] += 1",
    ),
    entry_mutant("no weights", "there are no weights", "entry['weights'] = ''"),
    entry_mutant(
        "weights cut",
        "do not belong to these parts",
        "entry['weights'] = ''.join(entry['weights'].split())[:-40]",
    ),
    entry_mutant(
        "a letter lost",
        "no text of weights",
        "entry['weights'] = ''.join(entry['weights'].split())[:-1]",
    ),
    entry_mutant(
        "another text",
        "no text of weights",
        "entry['weights'] = 'weights.pt is beside the notebook!'",
    ),
    entry_mutant("bytes", "there are no weights", "entry['weights'] = entry['weights'].encode()"),
    entry_mutant(
        "the network itself", "there are no weights", "entry['weights'] = build(entry['parts'])"
    ),
    entry_mutant(
        "a state",
        "there are no weights",
        "entry['weights'] = dict(build(entry['parts']).state_dict())",
    ),
    entry_mutant("a million signs", "too long", "entry['weights'] = 'A' * 10**6"),
    entry_mutant("fifty million signs", "too large", "entry['weights'] = 'A' * (5 * 10**7)"),
    entry_mutant("NaN", "weights must be numbers", ZEROS.format("b'\\xff' * size")),
    entry_mutant("zeros", "of 5,000 held-out images", ZEROS.format("bytes(size)")),
    entry_mutant(
        "untrained",
        "of 5,000 held-out images",
        "from plusx.challenge_entry import pack\n"
        "    entry['weights'] = pack(build(entry['parts']))",
    ),
    entry_mutant(
        "weights in another order",
        "of 5,000 held-out images",
        "import base64\n    import numpy as np\n    raw = base64.b64decode(entry['weights'])\n    "
        "numbers = np.frombuffer(raw, np.float16)[::-1].tobytes()\n    "
        "entry['weights'] = base64.b64encode(numbers).decode()",
    ),
    entry_mutant("an unknown part", "no such kind", "entry['parts'][1] = ['attention', 8]"),
    entry_mutant("a module as a part", "no part", "entry['parts'][1] = torch.nn.Conv2d(3, 3, 3)"),
    entry_mutant(
        "channels taken away",
        "cannot take channels away",
        "entry['parts'] = [['conv', 8], ['residual', 4]]",
    ),
    entry_mutant("a width that is a float", "no width", "entry['parts'][0][1] = 8.0"),
    entry_mutant("a long pseudonym", "no pseudonym", "entry['pseudonym'] = 'x' * 25"),
    entry_mutant(
        "an unseen pseudonym", "no pseudonym", "entry['pseudonym'] = chr(0x202E) + 'evil'"
    ),
    entry_mutant("parts alone", "no entry", "entry = {'parts': entry['parts']}"),
    entry_mutant("a pair", "no entry", "entry = (entry['parts'], entry['weights'])"),
    entry_mutant(
        "a claimed score",
        "of 5,000 held-out images",
        ZEROS.format("bytes(size)") + "\n    entry['accuracy (%)'] = 99.9",
    ),
]

PARAMETERS_BY_BUILDING = """
from torch import nn


def parameters_of(parts):
    count = lambda *modules: sum(p.numel() for m in modules for p in m.parameters())
    conv = lambda a, b: nn.Conv2d(a, b, 3, bias=False)
    total, c = 0, 3
    for part in parts:
        kind, w = part[0], part[1]
        if kind == "conv":
            total += count(conv(c, w), nn.BatchNorm2d(w))
        elif kind == "residual":
            total += count(conv(c, w), conv(w, w), nn.BatchNorm2d(w), nn.BatchNorm2d(w))
        elif kind == "preactivation":
            total += count(conv(c, w), conv(w, w), nn.BatchNorm2d(c), nn.BatchNorm2d(w))
        else:
            total, w = total + count(conv(c, w), nn.BatchNorm2d(c)), c + w
        c = w
    return total + count(nn.BatchNorm2d(c), nn.Linear(c, 10))
"""

PARAMETERS_BY_TABLE = """
COST = {
    "conv": lambda c, w: (9 * c * w + 2 * w, w),
    "residual": lambda c, w: (9 * w * (c + w) + 4 * w, w),
    "preactivation": lambda c, w: (9 * w * (c + w) + 2 * (c + w), w),
    "dense": lambda c, w: (9 * c * w + 2 * c, c + w),
}


def parameters_of(parts):
    whole, c = 10, 3
    for part in parts:
        price, c = COST[part[0]](c, part[1])
        whole = whole + price
    return whole + 12 * c
"""

ADDS_BY_CEIL = """
from math import ceil


def multiply_adds_of(parts):
    side, channels, sums = 16, 3, []
    for part in parts:
        kind, width, stride = (part + [1])[:3]
        side = ceil(side / stride)
        weights = 9 * channels * width
        weights += 9 * width ** 2 * (kind[:3] in ("res", "pre"))
        sums.append(weights * side * side)
        channels = width + (channels if kind == "dense" else 0)
    return sum(sums) + channels * 10
"""

WIDEST_BY_BISECTION = """
def widest(kind, blocks, parameters, multiply_adds):
    def fits(width):
        if width == 0:
            return True
        costs = costs_of(stages(kind, width, blocks))
        return costs.parameters <= parameters and costs.multiply_adds <= multiply_adds

    low, high = 0, 1
    while high < 128 and fits(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
"""

WIDEST_BY_DOWN = """
def widest(kind, blocks, parameters, multiply_adds):
    budget = Costs(parameters, multiply_adds)
    for width in range(40, 0, -1):
        if costs_of(stages(kind, width, blocks)).fits(budget):
            return width
    return 0
"""

LUCK_BY_NUMPY = """
import itertools

import numpy as np


def luck(ours, theirs):
    values, n = np.array(list(ours) + list(theirs)), len(ours)
    seen = np.mean(ours) - np.mean(theirs)
    hits = tries = 0
    for pick in itertools.combinations(range(len(values)), n):
        mask = np.zeros(len(values), bool)
        mask[list(pick)] = True
        hits += values[mask].mean() - values[~mask].mean() >= seen - 1e-12
        tries += 1
    return hits / tries
"""

LUCK_BY_BITS = """
def luck(ours, theirs):
    values, size, total = ours + theirs, len(ours), sum(ours) + sum(theirs)
    differences = []
    for bits in range(2 ** len(values)):
        if bin(bits).count("1") == size:
            part = sum(v for n, v in enumerate(values) if bits >> n & 1)
            differences.append(part / size - (total - part) / len(theirs))
    seen = sum(ours) / size - sum(theirs) / len(theirs)
    return sum(d >= seen - 1e-9 for d in differences) / len(differences)
"""

AVERAGE_BY_LERP = """
def average_weights(states, decay):
    mean = {name: tensor.clone() for name, tensor in states[0].items()}
    for later in states[1:]:
        mean = {
            name: torch.lerp(later[name], mean[name], decay)
            if later[name].is_floating_point()
            else later[name].clone()
            for name in mean
        }
    return mean
"""

AVERAGE_BY_WEIGHTS = """
def average_weights(states, decay):
    n = len(states)
    share = [decay ** (n - 1)] + [(1 - decay) * decay ** (n - 1 - k) for k in range(1, n)]
    result = {}
    for name in states[0]:
        if torch.is_floating_point(states[0][name]):
            result[name] = sum(s * state[name] for s, state in zip(share, states))
        else:
            result[name] = states[-1][name]
    return result
"""

VARIANTS = [
    Variant("parameters_of", "modules that are counted", source=PARAMETERS_BY_BUILDING),
    Variant("parameters_of", "a table of prices", source=PARAMETERS_BY_TABLE),
    Variant("multiply_adds_of", "ceil, powers", source=ADDS_BY_CEIL),
    Variant(
        "multiply_adds_of",
        "rows by halves",
        edits=((ROWS, "rows = (rows + stride - 1) // stride"),),
    ),
    Variant("widest", "bisection", source=WIDEST_BY_BISECTION),
    Variant("widest", "downwards", source=WIDEST_BY_DOWN),
    Variant("luck", "numpy, masks", source=LUCK_BY_NUMPY),
    Variant("luck", "bits", source=LUCK_BY_BITS),
    Variant(
        "luck",
        "sums of equally many numbers",
        edits=(
            (EVERYTHING, "everything, observed = [*ours, *theirs], sum(ours) - sum(theirs)"),
            (REACHED, "reached.append(sum(first) - sum(second) >= observed)"),
        ),
    ),
    Variant("average_weights", "lerp, clones", source=AVERAGE_BY_LERP),
    Variant("average_weights", "explicit weights", source=AVERAGE_BY_WEIGHTS),
    Variant(
        "my_entry",
        "one line, no pseudonym",
        edits=changed(
            "entry = {'parts': entry['parts'], 'weights': ''.join(entry['weights'].split())}"
        ),
    ),
    Variant(
        "my_entry",
        "tuples, all strides",
        edits=changed("entry['parts'] = tuple((*part, 1)[:3] for part in entry['parts'])"),
    ),
    Variant(
        "my_entry", "a pseudonym", edits=changed("entry['pseudonym'] = ' 深い fox & <b>hen</b> '")
    ),
]
