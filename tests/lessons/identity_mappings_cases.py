"""Wrong and honest answers to the exercises of lesson 04, identity mappings."""

from cases import Mutant, Variant

NORM1 = "self.norm1 = nn.BatchNorm2d(in_channels)"
NORM2 = "self.norm2 = nn.BatchNorm2d(out_channels)"
CONV1 = "self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)"
CONV2 = "self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)"
CHANGES = "changes_shape = stride != 1 or in_channels != out_channels"
SHARED = "self.shared = shared or changes_shape"
PROJECTION = "self.projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)"
ACTIVATED = "a = F.relu(self.norm1(x))  # (B, in_channels, H, W)"
BRANCH = "y = self.conv2(F.relu(self.norm2(self.conv1(a))))  # (B, out_channels, H', W')"
SUM = "return self.projection(a if self.shared else x) + y"

CHECK_DEPTH = "if remainder or n < 1:"
STEM = "self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)"
UNIT = "blocks.append(PreActBlock(channels, width, stride, shared=not blocks))"
STRIDE = "stride = 1 if width == channels else 2"
COUNT = "for _ in range(n):"
LAST_NORM = "self.norm = nn.BatchNorm2d(64)"
HEAD = "self.head = nn.Linear(64, classes)"
BODY = "x = self.blocks(self.stem(x))  # (B, 64, H/4, W/4)"
END = "x = F.relu(self.norm(x)).mean(dim=(2, 3))  # (B, 64)"
LOGITS = "return self.head(x)  # (B, classes)"

FORWARD = "squares.append(skip**2 * squares[-1] + branch**2 * (1.0 if norm else squares[-1]))"
BACKWARD = "lengths.append(lengths[-1] * (skip**2 + branch**2 / (square if norm else 1.0)))"
ORDER = "for square in reversed(squares[:-1]):"
REVERSED = "return lengths[::-1]"

GATE_BIAS = "nn.init.constant_(self.gate.bias, gate_bias)"
GATE = "t = torch.sigmoid(self.gate(x))  # (B, width)"
MIX = "return t * F.relu(self.transform(x)) + (1 - t) * x"

QUARTERS = "i, f, g, o = z.chunk(4, dim=1)  # (B, d) each"
SUMS = "z = x @ weight_x.T + h @ weight_h.T + bias  # (B, 4d)"
CELL = "c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)"
STATES = "return torch.sigmoid(o) * torch.tanh(c), c"

ALPHA = 'self.alpha = nn.Parameter(torch.tensor(0.0 if start == "skipinit" else 1.0))'
HE = "nn.init.kaiming_normal_(layer.weight)"
ZERO_BIAS = "nn.init.zeros_(layer.bias)"
FIXUP = "layer.weight.mul_(units ** (-1 / (2 * layers - 2)))"
LAST = "self.dense[-1].weight.zero_()"
LAYER = "f = layer(F.relu(f))  # (B, width)"
RESIDUAL = "return x + self.alpha * f"

ROUND = "_, v = vjp(function, x, u)  # (d,)"
SCALE = "v = v / v.norm()\n    return"
GAIN = "return (jvp(function, x, v)[1].norm() / v.norm()).item()"
LOOP = "for _ in range(steps):"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


MUTANTS = [
    # preact_block
    mutant("preact_block", "no skip", "skip is missing", (SUM, "return y")),
    mutant("preact_block", "skip subtracted", "wrong sign", (SUM, SUM.replace("+ y", "- y"))),
    mutant(
        "preact_block",
        "branch minus skip",
        "wrong sign",
        (SUM, "return y - self.projection(a if self.shared else x)"),
    ),
    mutant(
        "preact_block",
        "multiplied",
        "multiplied",
        (SUM, SUM.replace("+ y", "* y")),
    ),
    mutant(
        "preact_block",
        "ReLU after the sum",
        "after the sum",
        (SUM, "return F.relu(self.projection(a if self.shared else x) + y)"),
    ),
    mutant(
        "preact_block",
        "branch ends in a ReLU",
        "ends in a convolution",
        (SUM, SUM.replace("+ y", "+ F.relu(y)")),
    ),
    mutant(
        "preact_block",
        "always activated shortcut",
        "carries the activated x",
        (SHARED, "self.shared = True"),
    ),
    mutant(
        "preact_block",
        "projection of the raw x",
        "carries x itself",
        (SHARED, "self.shared = shared"),
    ),
    mutant(
        "preact_block",
        "shared ignored",
        "carries x itself",
        (SHARED, "self.shared = changes_shape"),
    ),
    mutant(
        "preact_block",
        "shared without ReLU",
        "carries norm1(x)",
        (SUM, "return self.projection(self.norm1(x) if self.shared else x) + y"),
    ),
    mutant(
        "preact_block",
        "post-activation",
        "they come first",
        (ACTIVATED, "a = x"),
        (BRANCH, "y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(a)))))"),
        (SUM, "return F.relu(self.projection(x) + y)"),
        (NORM1, "self.norm1 = nn.BatchNorm2d(out_channels)"),
    ),
    mutant(
        "preact_block",
        "norms behind the convolutions",
        "norms stand behind",
        (ACTIVATED, "a = x"),
        (BRANCH, "y = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(a)))))"),
        (NORM1, "self.norm1 = nn.BatchNorm2d(out_channels)"),
    ),
    mutant(
        "preact_block", "no first ReLU", "first ReLU is missing", (ACTIVATED, "a = self.norm1(x)")
    ),
    mutant(
        "preact_block",
        "first ReLU before the norm",
        "before norm1",
        (ACTIVATED, "a = self.norm1(F.relu(x))"),
    ),
    mutant(
        "preact_block",
        "no second ReLU",
        "second ReLU is missing",
        (BRANCH, "y = self.conv2(self.norm2(self.conv1(a)))"),
    ),
    mutant(
        "preact_block",
        "second ReLU before the norm",
        "before norm2",
        (BRANCH, "y = self.conv2(self.norm2(F.relu(self.conv1(a))))"),
    ),
    mutant(
        "preact_block",
        "norms unused",
        "norm",
        (ACTIVATED, "a = F.relu(x)"),
    ),
    mutant("preact_block", "bias", "has a bias", (CONV1, CONV1.replace(", bias=False", ""))),
    mutant(
        "preact_block",
        "projection with a norm",
        "in a pre-activation unit it has none",
        (
            PROJECTION,
            "self.projection = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, "
            "bias=False), nn.BatchNorm2d(out_channels))",
        ),
    ),
    mutant(
        "preact_block",
        "projection only for channels",
        "projection",
        (CHANGES, "changes_shape = in_channels != out_channels"),
    ),
    mutant(
        "preact_block",
        "projection only for strides",
        "projection",
        (CHANGES, "changes_shape = stride != 1"),
    ),
    mutant(
        "preact_block",
        "projection everywhere",
        "no shape changes here",
        (CHANGES, "changes_shape = True"),
    ),
    mutant(
        "preact_block",
        "stride on the second convolution",
        "second convolution",
        (CONV1, CONV1.replace("stride, ", "")),
        (CONV2, CONV2.replace("3, padding", "3, stride, padding")),
    ),
    mutant(
        "preact_block",
        "half of both",
        "scaled",
        (SUM, "return 0.5 * self.projection(a if self.shared else x) + 0.5 * y"),
    ),
    mutant(
        "preact_block",
        "half of the shortcut",
        "skip is scaled",
        (SUM, "return 0.5 * self.projection(a if self.shared else x) + y"),
    ),
    mutant(
        "preact_block",
        "detached skip",
        "skip is detached",
        (SUM, "return self.projection(a if self.shared else x).detach() + y"),
    ),
    mutant(
        "preact_block",
        "detached branch",
        "branch is detached",
        (SUM, SUM.replace("+ y", "+ y.detach()")),
    ),
    mutant(
        "preact_block",
        "in place",
        "in place",
        (SUM, "x += y\n        return x if self.shared is False else self.projection(a) + y"),
    ),
    mutant("preact_block", "on the CPU", "device", (SUM, SUM.replace("+ y", "+ y.cpu()"))),
    mutant(
        "preact_block",
        "single precision",
        "dtype",
        (ACTIVATED, "a = F.relu(self.norm1(x.float()))"),
    ),
    mutant(
        "preact_block",
        "one convolution for both",
        "never used",
        (BRANCH, "y = self.conv1(F.relu(self.norm2(self.conv1(a))))"),
    ),
    mutant(
        "preact_block",
        "one norm for both",
        "never used",
        (BRANCH, "y = self.conv2(F.relu(self.norm1(self.conv1(a))))"),
    ),
    # preact_net
    mutant(
        "preact_net",
        "no last norm and ReLU",
        "behind the last unit",
        (LAST_NORM, ""),
        (END, "x = x.mean(dim=(2, 3))"),
    ),
    mutant(
        "preact_net",
        "last norm without ReLU",
        "ReLU is missing behind the last unit",
        (END, "x = self.norm(x).mean(dim=(2, 3))"),
    ),
    mutant(
        "preact_net",
        "last ReLU before the norm",
        "before the norm",
        (END, "x = self.norm(F.relu(x)).mean(dim=(2, 3))"),
    ),
    mutant(
        "preact_net",
        "mean before norm and ReLU",
        "mean is taken before",
        (END, "x = F.relu(self.norm(x.mean(dim=(2, 3), keepdim=True))).flatten(1)"),
    ),
    mutant(
        "preact_net",
        "first unit not shared",
        "first unit is not shared",
        (UNIT, UNIT.replace(", shared=not blocks", "")),
    ),
    mutant(
        "preact_net",
        "all units shared",
        "all units are shared",
        (UNIT, UNIT.replace("shared=not blocks", "shared=True")),
    ),
    mutant(
        "preact_net",
        "stem with norm and ReLU, first unit as all others",
        "stem has a norm",
        (
            STEM,
            "self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), "
            "nn.BatchNorm2d(16), nn.ReLU())",
        ),
        (UNIT, UNIT.replace(", shared=not blocks", "")),
    ),
    mutant(
        "preact_net",
        "ReLU behind the stem",
        "behind the stem",
        (BODY, "x = self.blocks(F.relu(self.stem(x)))"),
    ),
    mutant("preact_net", "stem with a bias", "stem", (STEM, STEM.replace(", bias=False", ""))),
    mutant("preact_net", "one unit too many", "too many", (COUNT, "for _ in range(n + 1):")),
    mutant(
        "preact_net",
        "one unit too few",
        "number of parameters",
        (COUNT, "for _ in range(max(1, n - 1)):"),
    ),
    mutant("preact_net", "no strides", "halve", (STRIDE, "stride = 1")),
    mutant("preact_net", "largest pixel", "largest pixel", (END, END.replace("mean", "amax"))),
    mutant("preact_net", "sum of pixels", "summed", (END, END.replace("mean", "sum"))),
    mutant("preact_net", "softmax", "softmax", (LOGITS, "return self.head(x).softmax(dim=1)")),
    mutant(
        "preact_net", "ReLU on the logits", "on the logits", (LOGITS, "return F.relu(self.head(x))")
    ),
    mutant(
        "preact_net",
        "classes ignored",
        "classes is ignored",
        (HEAD, "self.head = nn.Linear(64, 10)"),
    ),
    mutant(
        "preact_net",
        "head without bias",
        "no bias",
        (HEAD, "self.head = nn.Linear(64, classes, bias=False)"),
    ),
    mutant("preact_net", "any depth", "6n + 2", (CHECK_DEPTH, "if n < 1:")),
    mutant("preact_net", "no units accepted", "6n + 2", (CHECK_DEPTH, "if remainder:")),
    mutant("preact_net", "logits on the CPU", "device", (LOGITS, "return self.head(x).cpu()")),
    # signal_by_depth
    mutant(
        "signal_by_depth",
        "norm ignored in the signal",
        "norm is ignored",
        (FORWARD, "squares.append(skip**2 * squares[-1] + branch**2 * squares[-1])"),
    ),
    mutant(
        "signal_by_depth",
        "always a norm in the signal",
        "none should be",
        (FORWARD, "squares.append(skip**2 * squares[-1] + branch**2)"),
    ),
    mutant(
        "signal_by_depth",
        "factors not squared",
        "not squared",
        (FORWARD, FORWARD.replace("**2", "")),
    ),
    mutant(
        "signal_by_depth",
        "amplitudes added",
        "uncorrelated",
        (
            FORWARD,
            "squares.append((skip * squares[-1] ** 0.5 + branch * "
            "(1.0 if norm else squares[-1] ** 0.5)) ** 2)",
        ),
    ),
    mutant(
        "signal_by_depth",
        "half lost at the ReLU",
        "factor 1/2",
        (FORWARD, FORWARD.replace("+ branch**2", "+ 0.5 * branch**2")),
    ),
    mutant(
        "signal_by_depth",
        "no skip in the signal",
        "skip is missing",
        (FORWARD, FORWARD.replace("skip**2 * squares[-1] + ", "")),
    ),
    mutant(
        "signal_by_depth",
        "skip of one",
        "skip is ignored",
        (FORWARD, FORWARD.replace("skip**2 * ", "")),
    ),
    mutant(
        "signal_by_depth", "start missing", "entry 0", ("return squares\n", "return squares[1:]\n")
    ),
    mutant(
        "signal_by_depth",
        "roots",
        "roots",
        ("return squares\n", "return [q**0.5 for q in squares]\n"),
    ),
    mutant("signal_by_depth", "gradient reversed", "reversed", (REVERSED, "return lengths")),
    mutant(
        "signal_by_depth",
        "norm ignored in the gradient",
        "norm is ignored",
        (BACKWARD, "lengths.append(lengths[-1] * (skip**2 + branch**2))"),
    ),
    mutant(
        "signal_by_depth",
        "always a norm in the gradient",
        "none should be",
        (BACKWARD, "lengths.append(lengths[-1] * (skip**2 + branch**2 / square))"),
    ),
    mutant(
        "signal_by_depth",
        "the norm multiplies",
        "it divides",
        (BACKWARD, BACKWARD.replace("branch**2 / (", "branch**2 * (")),
    ),
    mutant(
        "signal_by_depth",
        "root of the square in the gradient",
        "root of the mean square",
        (BACKWARD, BACKWARD.replace("/ (square if", "/ (square**0.5 if")),
    ),
    mutant(
        "signal_by_depth",
        "the square behind the layer",
        "behind it",
        (ORDER, "for square in reversed(squares[1:]):"),
    ),
    mutant(
        "signal_by_depth",
        "squares from the wrong end",
        "wrong end",
        (ORDER, "for square in squares[:-1]:"),
    ),
    mutant(
        "signal_by_depth",
        "the norm divides the skip too",
        "divides the skip",
        (
            BACKWARD,
            "lengths.append(lengths[-1] * (skip**2 + branch**2) / (square if norm else 1.0))",
        ),
    ),
    mutant(
        "signal_by_depth",
        "the signal again",
        "reversed",
        (REVERSED, "return squares"),
    ),
    mutant(
        "signal_by_depth",
        "lengths, not squares",
        "roots",
        (REVERSED, "return [g**0.5 for g in lengths[::-1]]"),
    ),
    mutant(
        "signal_by_depth",
        "relative to the input",
        "relative to the output",
        (REVERSED, "return [g / lengths[-1] for g in lengths[::-1]]"),
    ),
    # highway
    mutant(
        "highway",
        "gates swapped",
        "t weighs the transform, 1 - t the input",
        (GATE, "t = 1 - torch.sigmoid(self.gate(x))"),
    ),
    mutant(
        "highway",
        "input ungated",
        "ungated",
        (MIX, "return t * F.relu(self.transform(x)) + x"),
    ),
    mutant(
        "highway",
        "transform ungated",
        "t weighs the transform, 1 - t the input",
        (MIX, "return F.relu(self.transform(x)) + (1 - t) * x"),
    ),
    mutant(
        "highway", "no input", "input is missing", (MIX, "return t * F.relu(self.transform(x))")
    ),
    mutant(
        "highway", "no ReLU", "ReLU is missing", (MIX, "return t * self.transform(x) + (1 - t) * x")
    ),
    mutant(
        "highway",
        "tanh",
        "tanh stands in place",
        (MIX, "return t * torch.tanh(self.transform(x)) + (1 - t) * x"),
    ),
    mutant("highway", "no sigmoid", "comes back", (GATE, "t = self.gate(x)")),
    mutant(
        "highway",
        "gate from the transform",
        "looks at the transform",
        (GATE, "t = torch.sigmoid(self.gate(F.relu(self.transform(x))))"),
    ),
    mutant(
        "highway",
        "bias on the transform",
        "comes back",
        (GATE_BIAS, "nn.init.constant_(self.transform.bias, gate_bias)"),
    ),
    mutant(
        "highway",
        "bias on both",
        "only the gate's bias",
        (GATE_BIAS, GATE_BIAS + "\n        nn.init.constant_(self.transform.bias, gate_bias)"),
    ),
    mutant("highway", "bias ignored", "comes back", (GATE_BIAS, "")),
    mutant(
        "highway",
        "bias always -2",
        "comes back",
        (GATE_BIAS, "nn.init.constant_(self.gate.bias, -2.0)"),
    ),
    mutant(
        "highway",
        "bias made of large weights",
        "how many biases",
        (GATE_BIAS, "nn.init.constant_(self.gate.bias, 2 * gate_bias)"),
    ),
    mutant(
        "highway",
        "one layer for both",
        "one dense layer",
        ("self.gate = nn.Linear(width, width)", "self.gate = self.transform"),
    ),
    mutant(
        "highway",
        "a scalar gate",
        "one for each unit",
        ("self.gate = nn.Linear(width, width)", "self.gate = nn.Linear(width, 1)"),
    ),
    mutant(
        "highway",
        "ReLU after the sum",
        "comes back",
        (MIX, "return F.relu(t * F.relu(self.transform(x)) + (1 - t) * x)"),
    ),
    mutant(
        "highway",
        "gate detached",
        "detached",
        (GATE, "t = torch.sigmoid(self.gate(x)).detach()"),
    ),
    mutant("highway", "on the CPU", "device", (GATE, "t = torch.sigmoid(self.gate(x)).cpu()")),
    mutant(
        "highway",
        "one layer used for both",
        "never used",
        (MIX, "return t * F.relu(self.gate(x)) + (1 - t) * x"),
    ),
    # lstm_step
    mutant(
        "lstm_step",
        "input and forget gate swapped",
        "order is i, f, g, o",
        (QUARTERS, "f, i, g, o = z.chunk(4, dim=1)"),
    ),
    mutant(
        "lstm_step",
        "order i f o g",
        "not i, f, o, g",
        (QUARTERS, "i, f, o, g = z.chunk(4, dim=1)"),
    ),
    mutant(
        "lstm_step",
        "sigmoid on the candidate",
        "f c + i tanh(g)",
        (CELL, CELL.replace("torch.tanh(g)", "torch.sigmoid(g)")),
    ),
    mutant(
        "lstm_step",
        "no tanh on the candidate",
        "no tanh",
        (CELL, CELL.replace("torch.tanh(g)", "g")),
    ),
    mutant("lstm_step", "no tanh in h", "o tanh(c)", (STATES, "return torch.sigmoid(o) * c, c")),
    mutant(
        "lstm_step",
        "h from the old c",
        "with the new c",
        (CELL, "new = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)"),
        (STATES, "return torch.sigmoid(o) * torch.tanh(c), new"),
    ),
    mutant(
        "lstm_step",
        "no forget gate",
        "f c + i tanh(g)",
        (CELL, "c = c + torch.sigmoid(i) * torch.tanh(g)"),
    ),
    mutant(
        "lstm_step",
        "no input gate",
        "input gate is missing",
        (CELL, "c = torch.sigmoid(f) * c + torch.tanh(g)"),
    ),
    mutant(
        "lstm_step",
        "coupled gates",
        "rows of its own",
        (CELL, "f = torch.sigmoid(f)\n    c = f * c + (1 - f) * torch.tanh(g)"),
    ),
    mutant(
        "lstm_step",
        "forget gate turned round",
        "multiplies the old c",
        (CELL, "c = (1 - torch.sigmoid(f)) * c + torch.sigmoid(i) * torch.tanh(g)"),
    ),
    mutant(
        "lstm_step", "c and h swapped", "c", (STATES, "return c, torch.sigmoid(o) * torch.tanh(c)")
    ),
    mutant(
        "lstm_step", "no bias", "bias is missing", (SUMS, "z = x @ weight_x.T + h @ weight_h.T")
    ),
    mutant("lstm_step", "old h unused", "old h is missing", (SUMS, "z = x @ weight_x.T + bias")),
    mutant("lstm_step", "c detached", "detached", (CELL, CELL.replace("* c +", "* c.detach() +"))),
    mutant(
        "lstm_step",
        "in place",
        "in place",
        (CELL, "c *= torch.sigmoid(f)\n    c += torch.sigmoid(i) * torch.tanh(g)"),
    ),
    mutant(
        "lstm_step",
        "weights not transposed",
        "no error",
        (SUMS, "z = x @ weight_x + h @ weight_h + bias"),
    ),
    mutant("lstm_step", "h has no gate", "o tanh(c)", (STATES, "return torch.tanh(c), c")),
    # norm_free
    mutant(
        "norm_free",
        "alpha fixed",
        "alpha is not learned",
        (ALPHA, 'self.alpha = 0.0 if start == "skipinit" else 1.0'),
    ),
    mutant(
        "norm_free",
        "alpha for every unit of width",
        "not one for each unit",
        (
            ALPHA,
            'self.alpha = nn.Parameter(torch.full((width,), 0.0 if start == "skipinit" else 1.0))',
        ),
    ),
    mutant(
        "norm_free",
        "alpha always 1",
        "branch begins at zero",
        (ALPHA, "self.alpha = nn.Parameter(torch.tensor(1.0))"),
    ),
    mutant(
        "norm_free",
        "alpha always 0",
        "alpha at the start",
        (ALPHA, "self.alpha = nn.Parameter(torch.tensor(0.0))"),
    ),
    mutant("norm_free", "last layer not zero", "branch begins at zero", (LAST, "pass")),
    mutant(
        "norm_free",
        "all layers zero",
        "no other",
        (FIXUP, "layer.weight.zero_()"),
    ),
    mutant("norm_free", "not scaled", "not scaled", (FIXUP, "pass")),
    mutant("norm_free", "exponent -1/2", "always -1/2", (FIXUP, "layer.weight.mul_(units**-0.5)")),
    mutant(
        "norm_free",
        "exponent -1/(2m)",
        "-1/(2m)",
        (FIXUP, "layer.weight.mul_(units ** (-1 / (2 * layers)))"),
    ),
    mutant(
        "norm_free",
        "exponent -1/(m-1)",
        "-1/(m-1)",
        (FIXUP, "layer.weight.mul_(units ** (-1 / (layers - 1)))"),
    ),
    mutant("norm_free", "exponent positive", "wrong sign", (FIXUP, FIXUP.replace("(-1 /", "(1 /"))),
    mutant("norm_free", "divided by units", "number of units", (FIXUP, "layer.weight.div_(units)")),
    mutant(
        "norm_free",
        "units and layers swapped",
        "not scaled",
        (FIXUP, "layer.weight.mul_(layers ** (-1 / (2 * units - 2)))"),
    ),
    mutant("norm_free", "torch's own start", "own start", (HE, "pass")),
    mutant(
        "norm_free",
        "variance 1 / width",
        "variance",
        (HE, "nn.init.normal_(layer.weight, std=width**-0.5)"),
    ),
    mutant(
        "norm_free",
        "SkipInit scaled too",
        "that is Fixup",
        (
            HE,
            HE + '\n            if start == "skipinit":'
            "\n                layer.weight.data.mul_(units ** (-1 / (2 * layers - 2)))",
        ),
    ),
    mutant("norm_free", "biases not zero", "begins at zero", (ZERO_BIAS, "pass")),
    mutant("norm_free", "no skip", "branch begins at zero", (RESIDUAL, "return self.alpha * f")),
    mutant(
        "norm_free",
        "alpha on the sum",
        "branch begins at zero",
        (RESIDUAL, "return self.alpha * (x + f)"),
    ),
    mutant("norm_free", "alpha unused", "branch begins at zero", (RESIDUAL, "return x + f")),
    mutant(
        "norm_free",
        "ReLU after the sum",
        "branch begins at zero",
        (RESIDUAL, "return F.relu(x + self.alpha * f)"),
    ),
    mutant("norm_free", "ReLUs behind", "they come first", (LAYER, "f = F.relu(layer(f))")),
    mutant("norm_free", "no ReLU", "ReLUs are missing", (LAYER, "f = layer(f)")),
    mutant(
        "norm_free",
        "no first ReLU",
        "first ReLU is missing",
        (LAYER, "f = layer(F.relu(f) if f is not x else f)"),
    ),
    mutant(
        "norm_free", "branch unused", "x comes back", (RESIDUAL, "return x + 0 * self.alpha * f")
    ),
    mutant(
        "norm_free",
        "always two layers",
        "dense layers with bias",
        ("for _ in range(layers))", "for _ in range(2))"),
    ),
    mutant(
        "norm_free",
        "no bias",
        "no bias",
        ("nn.Linear(width, width) for", "nn.Linear(width, width, bias=False) for"),
        (ZERO_BIAS, "pass"),
    ),
    mutant(
        "norm_free", "branch detached", "detached", (RESIDUAL, "return x + self.alpha * f.detach()")
    ),
    mutant(
        "norm_free",
        "one layer used for all",
        "never used",
        (LAYER, "f = self.dense[-1](F.relu(f))"),
    ),
    # largest_gain
    mutant(
        "largest_gain",
        "the square",
        "take the root",
        (GAIN, "return ((jvp(function, x, v)[1].norm() / v.norm()) ** 2).item()"),
    ),
    mutant("largest_gain", "steps ignored", "steps is ignored", (LOOP, "for _ in range(0):")),
    mutant("largest_gain", "one step too many", "too many", (LOOP, "for _ in range(steps + 1):")),
    mutant("largest_gain", "one step too few", "too few", (LOOP, "for _ in range(steps - 1):")),
    mutant("largest_gain", "never scaled", "overflows", (SCALE, "pass\n    return")),
    mutant("largest_gain", "J twice", "transposed", (ROUND, "_, v = jvp(function, x, u)")),
    mutant(
        "largest_gain",
        "values",
        "not the Jacobian",
        (GAIN, "return (function(x).norm() / x.norm()).item()"),
    ),
    mutant(
        "largest_gain",
        "J^T J in the end",
        "|J^T J v|",
        (
            GAIN,
            "return vjp(function, x, jvp(function, x, v)[1])[1].norm().item() / v.norm().item()",
        ),
    ),
    mutant(
        "largest_gain",
        "Frobenius norm",
        "Frobenius",
        (GAIN, "return torch.autograd.functional.jacobian(function, x).norm().item()"),
    ),
    mutant(
        "largest_gain",
        "the exact singular value",
        "largest singular value at once",
        (
            GAIN,
            "J = torch.autograd.functional.jacobian(function, x)\n"
            "    return torch.linalg.matrix_norm(J, 2).item()",
        ),
    ),
    mutant(
        "largest_gain",
        "largest eigenvalue",
        "at once",
        (
            GAIN,
            "J = torch.autograd.functional.jacobian(function, x)\n"
            "    return torch.linalg.eigvals(J).abs().max().item()",
        ),
    ),
    mutant(
        "largest_gain",
        "not divided in the end",
        "not divided",
        (GAIN, "return jvp(function, x, v)[1].norm().item()"),
    ),
    mutant(
        "largest_gain", "in place", "in place", (LOOP, "v /= v.norm()\n    for _ in range(steps):")
    ),
]

PREACT_SEQUENTIAL = """
class PreActBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, shared=False):
        super().__init__()
        self.start = nn.Sequential(nn.BatchNorm2d(in_channels), nn.ReLU())
        self.rest = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, (3, 3), stride=stride, padding=1, bias=False),
            nn.BatchNorm2d(out_channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(out_channels, out_channels, 3, padding="same", bias=False),
        )
        self.match = None
        if stride > 1 or out_channels != in_channels:
            self.match = nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)
        self.shared = shared

    def forward(self, x):
        activated = self.start(x)
        if self.match is not None:
            return torch.add(self.rest(activated), self.match(activated))
        return self.rest(activated) + (activated if self.shared else x)
"""

PREACT_FUNCTIONAL = """
class PreActBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, shared=False):
        super().__init__()
        self.w2 = nn.Parameter(torch.randn(out_channels, out_channels, 3, 3) * 0.1)
        self.w1 = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3) * 0.1)
        self.bn = nn.ModuleList([nn.BatchNorm2d(in_channels), nn.BatchNorm2d(out_channels)])
        self.ws, self.stride, self.shared = None, stride, shared
        if (stride, in_channels) != (1, out_channels):
            self.ws = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1) * 0.1)

    def forward(self, x):
        a = self.bn[0](x).clamp(min=0)
        f = F.conv2d(a, self.w1, stride=self.stride, padding=1)
        f = F.conv2d(self.bn[1](f).clamp(min=0), self.w2, padding=1)
        if self.ws is not None:
            return f + F.conv2d(a, self.ws, stride=self.stride)
        return f + a if self.shared else f + x
"""

NET_BY_STAGES = """
class PreActResNet(nn.Module):
    def __init__(self, depth, classes=10):
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError("depth")
        n = depth // 6
        self.head = nn.Linear(64, classes)
        self.conv = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.one = nn.Sequential(PreActBlock(16, 16, shared=True), *self.same(16, n - 1))
        self.two = nn.Sequential(PreActBlock(16, 32, 2), *self.same(32, n - 1))
        self.three = nn.Sequential(PreActBlock(32, 64, 2), *self.same(64, n - 1))
        self.last = nn.Sequential(
            nn.BatchNorm2d(64), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )

    def same(self, width, count):
        return [PreActBlock(width, width) for _ in range(count)]

    def forward(self, x):
        for part in (self.conv, self.one, self.two, self.three, self.last, self.head):
            x = part(x)
        return x
"""

NET_SEQUENTIAL = """
class PreActResNet(nn.Sequential):
    def __init__(self, depth, classes=10):
        if (depth - 2) % 6 or depth <= 2:
            raise ValueError(depth)
        sizes = [16] + [w for w in (16, 32, 64) for _ in range((depth - 2) // 6)]
        units = [
            PreActBlock(a, b, 1 + (a != b), shared=i == 0)
            for i, (a, b) in enumerate(zip(sizes, sizes[1:]))
        ]
        super().__init__(
            nn.Conv2d(3, 16, 3, padding=1, bias=False),
            *units,
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d((1, 1)),
            nn.Flatten(),
            nn.Linear(64, classes),
        )
"""

SIGNAL_CLOSED = """
def signal_by_depth(depth, skip, branch, norm):
    if not norm:
        return [(skip * skip + branch * branch) ** n for n in range(depth + 1)]
    return [
        skip ** (2 * n) + branch**2 * sum(skip ** (2 * k) for k in range(n))
        for n in range(depth + 1)
    ]


def gradient_by_depth(depth, skip, branch, norm):
    q = signal_by_depth(depth, skip, branch, norm)
    found = []
    for start in range(depth + 1):
        product = 1.0
        for n in range(start, depth):
            product *= skip**2 + (branch**2 / q[n] if norm else branch**2)
        found.append(product)
    return tuple(found)
"""

SIGNAL_TENSORS = """
def signal_by_depth(depth, skip, branch, norm):
    q = torch.ones(depth + 1, dtype=torch.float64)
    for n in range(depth):
        q[n + 1] = skip**2 * q[n] + branch**2 * (1 if norm else q[n])
    return list(q)


def gradient_by_depth(depth, skip, branch, norm):
    q = torch.stack(signal_by_depth(depth, skip, branch, norm))
    g = torch.ones(depth + 1, dtype=torch.float64)
    for n in range(depth - 1, -1, -1):
        g[n] = g[n + 1] * (skip**2 + branch**2 / (q[n] if norm else 1))
    return g.tolist()
"""

HIGHWAY_LERP = """
class HighwayLayer(nn.Module):
    def __init__(self, width, gate_bias=-2.0):
        super().__init__()
        self.T = nn.Linear(width, width)
        self.H = nn.Sequential(nn.Linear(width, width), nn.ReLU())
        self.T.bias.data.fill_(gate_bias)

    def forward(self, x):
        return torch.lerp(x, self.H(x), self.T(x).sigmoid())
"""

HIGHWAY_RAW = """
class HighwayLayer(nn.Module):
    def __init__(self, width, gate_bias=-2.0):
        super().__init__()
        self.w = nn.Parameter(torch.randn(width, width) / width)
        self.v = nn.Parameter(torch.randn(width, width) / width)
        self.b = nn.Parameter(torch.zeros(width))
        self.c = nn.Parameter(torch.full((width,), float(gate_bias)))

    def forward(self, x):
        gate = 1 / (1 + torch.exp(-F.linear(x, self.v, self.c)))
        return x + gate * (F.linear(x, self.w, self.b).clamp(min=0) - x)
"""

LSTM_SPLIT = """
def lstm_step(x, h, c, weight_x, weight_h, bias):
    d = h.shape[1]
    z = F.linear(x, weight_x, bias) + F.linear(h, weight_h)
    write, keep, read = z[:, :d].sigmoid(), z[:, d : 2 * d].sigmoid(), z[:, 3 * d :].sigmoid()
    c = torch.addcmul(keep * c, write, z[:, 2 * d : 3 * d].tanh())
    return [read * c.tanh(), c]
"""

LSTM_JOINED = """
def lstm_step(x, h, c, weight_x, weight_h, bias):
    both, weight = torch.cat([x, h], dim=1), torch.cat([weight_x, weight_h], dim=1)
    z = torch.einsum("bn,mn->bm", both, weight) + bias
    i, f, g, o = z.unflatten(1, (4, -1)).unbind(1)
    new = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * new.tanh(), new
"""

UNIT_SEQUENTIAL = """
class NormFreeUnit(nn.Module):
    def __init__(self, width, units, start, layers=2):
        super().__init__()
        fixup = start == "fixup"
        parts = []
        for n in range(layers):
            dense = nn.Linear(width, width)
            std = (2 / width) ** 0.5 * (units ** (-1 / (2 * layers - 2)) if fixup else 1)
            dense.weight.data.normal_(0, 0 if fixup and n == layers - 1 else std)
            dense.bias.data.zero_()
            parts += [nn.ReLU(), dense]
        self.branch = nn.Sequential(*parts)
        self.scale = nn.Parameter(torch.ones(1) if fixup else torch.zeros(1))

    def forward(self, x):
        return torch.addcmul(x, self.scale, self.branch(x))
"""

UNIT_RAW = """
class NormFreeUnit(nn.Module):
    def __init__(self, width, units, start, layers=2):
        super().__init__()
        limit = (6 / width) ** 0.5
        weights = [torch.empty(width, width).uniform_(-limit, limit) for _ in range(layers)]
        if start == "fixup":
            weights = [w * units ** (-0.5 / (layers - 1)) for w in weights[:-1]] + [
                torch.zeros(width, width)
            ]
        self.a = nn.Parameter(torch.tensor({"skipinit": 0.0, "fixup": 1.0}[start]))
        self.w = nn.ParameterList(weights)
        self.b = nn.ParameterList(torch.zeros(width) for _ in range(layers))

    def forward(self, x):
        y = x
        for w, b in zip(self.w, self.b):
            y = y.clamp(min=0) @ w.T + b
        return self.a * y + x
"""

GAIN_JACOBIAN = """
def largest_gain(function, x, v, steps):
    J = torch.autograd.functional.jacobian(function, x)
    for _ in range(steps):
        v = J.T @ (J @ v)
        v = v / v.norm()
    return float((J @ v).norm() / v.norm())
"""

GAIN_AUTOGRAD = """
def largest_gain(function, x, v, steps):
    v = F.normalize(v, dim=0)
    for _ in range(steps):
        _, Jv = torch.autograd.functional.jvp(function, x, v)
        _, v = torch.autograd.functional.vjp(function, x, Jv)
        v = F.normalize(v, dim=0)
    return torch.autograd.functional.jvp(function, x, v)[1].norm()
"""

VARIANTS = [
    Variant("preact_block", "nn.Sequential, other names", source=PREACT_SEQUENTIAL),
    Variant("preact_block", "raw parameters, another order", source=PREACT_FUNCTIONAL),
    Variant("preact_net", "three stages, head created first", source=NET_BY_STAGES),
    Variant("preact_net", "a subclass of nn.Sequential", source=NET_SEQUENTIAL),
    Variant("signal_by_depth", "powers and products", source=SIGNAL_CLOSED),
    Variant("signal_by_depth", "tensors as numbers", source=SIGNAL_TENSORS),
    Variant("highway", "torch.lerp", source=HIGHWAY_LERP),
    Variant("highway", "raw parameters, x + t (h - x)", source=HIGHWAY_RAW),
    Variant("lstm_step", "slices, a list", source=LSTM_SPLIT),
    Variant("lstm_step", "one matrix for both", source=LSTM_JOINED),
    Variant("norm_free", "nn.Sequential, alpha of shape (1,)", source=UNIT_SEQUENTIAL),
    Variant("norm_free", "raw parameters, uniform start", source=UNIT_RAW),
    Variant("largest_gain", "the whole Jacobian", source=GAIN_JACOBIAN),
    Variant("largest_gain", "torch.autograd.functional, scaled before", source=GAIN_AUTOGRAD),
]
