"""Wrong and honest answers to the exercises of lesson 01, degradation."""

from cases import Mutant, Variant

LAYER = (
    "layers += [nn.Linear(before, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]\n"
    "            before = width"
)
HIDDEN_LOOP = "for _ in range(depth - 1):"
NET_HEAD = "return self.head(x)  # (B, classes)"
NET_BODY = "x = self.hidden(x.flatten(1))  # (B, width)"
SPREAD = "spread = errors.var() / len(errors) + others.var() / len(others)"
GAP = "return ((errors.mean() - others.mean()) / spread.sqrt()).item()"
DEGRADES = "if gap(train_deep, train_shallow) > 2:"
OVERFITS = 'return "overfitting" if gap(test_deep, test_shallow) > 2 else "neither"'
LOSS = "F.cross_entropy(net(images), labels)"
NORMS = "return [gradient.norm().item() for gradient in gradients]"
CHOICE = "weights = [p for p in net.parameters() if p.ndim > 1]"
RATIO = "ratio = weight.norm() / gradient.norm().clamp(min=1e-12)"
MOVE = "moved.append(weight - lr * ratio * gradient)"
NEW_LAYER = "layer = nn.Linear(head.in_features, head.in_features).to(head.weight)"
EYE = "nn.init.eye_(layer.weight)"
ZEROS = "nn.init.zeros_(layer.bias)"
PAIR = "body += [layer, nn.ReLU()]"
WHOLE = "return nn.Sequential(*body, head)"
DIRAC = "nn.init.dirac_(conv.weight)"
SCALE = "nn.init.constant_(norm.weight, (1 + norm.eps) ** 0.5)"
CONV = "conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)"
TRIPLE = "return nn.Sequential(conv, norm, nn.ReLU())"
STEP_LAYER = "h = F.relu(h + z if skip else z)"
MSE = "loss = (h - x).square().mean()"
DESCENT = "weights -= lr * gradient"
GUARD = "if step < steps:"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


MUTANTS = [
    # plain_net
    mutant("plain_net", "one layer too many", "too many", (HIDDEN_LOOP, "for _ in range(depth):")),
    mutant(
        "plain_net", "two layers too many", "too many", (HIDDEN_LOOP, "for _ in range(depth + 1):")
    ),
    mutant(
        "plain_net",
        "one layer too few",
        "too few",
        (HIDDEN_LOOP, "for _ in range(max(1, depth - 2)):"),
    ),
    mutant(
        "plain_net",
        "bias in the dense layers",
        "bias",
        ("nn.Linear(before, width, bias=False)", "nn.Linear(before, width)"),
    ),
    mutant("plain_net", "no norm", "norms are missing", ("nn.BatchNorm1d(width), ", "")),
    mutant("plain_net", "no ReLU", "ReLUs are missing", (", nn.ReLU()]", "]")),
    mutant(
        "plain_net",
        "ReLU before the norm",
        "before the norm",
        ("nn.BatchNorm1d(width), nn.ReLU()]", "nn.ReLU(), nn.BatchNorm1d(width)]"),
    ),
    mutant("plain_net", "tanh", "tanh", ("nn.ReLU()]", "nn.Tanh()]")),
    mutant(
        "plain_net",
        "a skip over each layer",
        "there is a skip",
        (
            NET_BODY,
            "x = x.flatten(1)\n"
            "        for dense, norm, relu in zip(*[iter(self.hidden)] * 3):\n"
            "            y = norm(dense(x))\n"
            "            x = relu(y + x if y.shape == x.shape else y)",
        ),
    ),
    mutant(
        "plain_net",
        "one layer used again and again",
        "again and again",
        (
            LAYER,
            "if len(layers) < 6:\n"
            "                layers += [nn.Linear(before, width, bias=False), "
            "nn.BatchNorm1d(width), nn.ReLU()]\n"
            "            else:\n"
            "                layers += layers[3:6]\n"
            "            before = width",
        ),
    ),
    mutant("plain_net", "softmax", "softmax", (NET_HEAD, "return self.head(x).softmax(dim=1)")),
    mutant(
        "plain_net",
        "log-softmax",
        "log-softmax",
        (NET_HEAD, "return self.head(x).log_softmax(dim=1)"),
    ),
    mutant(
        "plain_net",
        "ReLU on the logits",
        "on the logits",
        (NET_HEAD, "return F.relu(self.head(x))"),
    ),
    mutant(
        "plain_net",
        "classes ignored",
        "classes is ignored",
        ("nn.Linear(width, classes)", "nn.Linear(width, 10)"),
    ),
    mutant(
        "plain_net",
        "inputs ignored",
        "inputs is ignored",
        ("layers, before = [], inputs", "layers, before = [], 64"),
    ),
    mutant(
        "plain_net",
        "head without bias",
        "head has no bias",
        ("nn.Linear(width, classes)", "nn.Linear(width, classes, bias=False)"),
    ),
    mutant("plain_net", "any depth accepted", "below 2", ("if depth < 2:", "if depth < 1:")),
    mutant("plain_net", "images not flattened", "flatten", ("x.flatten(1)", "x")),
    mutant("plain_net", "logits on the CPU", "device", (NET_HEAD, "return self.head(x).cpu()")),
    mutant(
        "plain_net",
        "hard-coded float32",
        "dtype",
        (NET_BODY, "x = self.hidden(x.float().flatten(1))"),
    ),
    # verdict
    mutant(
        "verdict",
        "variances divided by n",
        "n - 1",
        (SPREAD, SPREAD.replace(".var()", ".var(correction=0)")),
    ),
    mutant(
        "verdict",
        "standard deviations in place of standard errors",
        "standard deviations",
        (SPREAD, "spread = errors.var() + others.var()"),
    ),
    mutant("verdict", "no square root", "square root", (GAP, GAP.replace(".sqrt()", ""))),
    mutant(
        "verdict",
        "sign reversed",
        "reversed",
        (GAP, GAP.replace("errors.mean() - others.mean()", "others.mean() - errors.mean()")),
    ),
    mutant("verdict", "sign lost", "sign is lost", (GAP, GAP.replace(".item()", ".abs().item()"))),
    mutant(
        "verdict",
        "plain difference",
        "divide it",
        (GAP, "return (errors.mean() - others.mean()).item()"),
    ),
    mutant(
        "verdict",
        "standard errors added",
        "add their squares",
        (
            GAP,
            "spread = (errors.var() / len(errors)).sqrt() + (others.var() / len(others)).sqrt()\n"
            "    return ((errors.mean() - others.mean()) / spread).item()",
        ),
    ),
    mutant(
        "verdict",
        "medians",
        "medians",
        (
            GAP,
            "from statistics import median\n"
            "    a, b = median(errors.tolist()), median(others.tolist())\n"
            "    return ((a - b) / spread.sqrt()).item()",
        ),
    ),
    mutant(
        "verdict",
        "spread of one list only",
        "second list is missing",
        (SPREAD, "spread = errors.var() / len(errors)"),
    ),
    mutant(
        "verdict", "no threshold", "2 standard errors", (DEGRADES, DEGRADES.replace("> 2", "> 0"))
    ),
    mutant(
        "verdict",
        "test error asked first",
        "whatever the test error does",
        (DEGRADES, "if gap(test_deep, test_shallow) > 2 and gap(train_deep, train_shallow) > 2:"),
    ),
    mutant(
        "verdict",
        "overfitting by the distance of test and training error",
        "neither",
        (OVERFITS, 'return "overfitting" if gap(test_deep, train_deep) > 2 else "neither"'),
    ),
    mutant(
        "verdict",
        "any difference counts, lower or higher",
        "higher by more than",
        (
            OVERFITS,
            OVERFITS.replace("gap(test_deep, test_shallow)", "abs(gap(test_deep, test_shallow))"),
        ),
    ),
    mutant(
        "verdict",
        "never neither",
        "neither",
        (OVERFITS, 'return "overfitting"'),
    ),
    # weight_gradients
    mutant(
        "weight_gradients",
        "loss summed",
        "summed over the batch",
        (LOSS, 'F.cross_entropy(net(images), labels, reduction="sum")'),
    ),
    mutant(
        "weight_gradients", "all parameters", "biases", (CHOICE, "weights = list(net.parameters())")
    ),
    mutant(
        "weight_gradients",
        "reversed",
        "reversed",
        (
            NORMS,
            NORMS.replace("return [", "return [").replace("in gradients]", "in gradients[::-1]]"),
        ),
    ),
    mutant(
        "weight_gradients", "squares", "squares", (NORMS, NORMS.replace("norm()", "square().sum()"))
    ),
    mutant(
        "weight_gradients",
        "norms of the weights",
        "norms of the weights",
        (NORMS, "return [weight.norm().item() for weight in weights]"),
    ),
    mutant(
        "weight_gradients",
        "largest entry",
        "largest",
        (NORMS, NORMS.replace("norm()", "abs().max()")),
    ),
    mutant(
        "weight_gradients",
        "sum of absolute values",
        "absolute",
        (NORMS, NORMS.replace("norm()", "norm(1)")),
    ),
    mutant(
        "weight_gradients",
        "softmax before the cross-entropy",
        "applies it itself",
        (LOSS, "F.cross_entropy(net(images).softmax(1), labels)"),
    ),
    mutant(
        "weight_gradients", "gradient of the logits", "logits' sum", (LOSS, "net(images).sum()")
    ),
    mutant(
        "weight_gradients",
        "relative to the weights",
        "divided by that of its weights",
        (
            NORMS,
            "return [(g.norm() / w.norm()).item() for g, w in zip(gradients, weights)]",
        ),
    ),
    # scaled_step
    mutant("scaled_step", "uphill", "uphill", (MOVE, MOVE.replace("weight - lr", "weight + lr"))),
    mutant("scaled_step", "ordinary step", "ordinary", (RATIO, "ratio = 1")),
    mutant(
        "scaled_step",
        "upside down",
        "upside down",
        (RATIO, "ratio = gradient.norm() / weight.norm()"),
    ),
    mutant(
        "scaled_step",
        "unit length",
        "norm of the weight is missing",
        (RATIO, "ratio = 1 / gradient.norm().clamp(min=1e-12)"),
    ),
    mutant("scaled_step", "not divided", "not divided", (RATIO, "ratio = weight.norm()")),
    mutant(
        "scaled_step",
        "one ratio for all",
        "each has its own",
        (
            RATIO,
            "size = torch.stack([w.norm() for w in weights]).norm()\n"
            "        ratio = size / torch.stack([g.norm() for g in gradients]).norm()",
        ),
    ),
    mutant(
        "scaled_step",
        "NaN at zero",
        "stays as it is",
        (RATIO, "ratio = weight.norm() / gradient.norm()"),
    ),
    mutant(
        "scaled_step",
        "row by row",
        "each row",
        (
            RATIO,
            "ratio = weight.norm(dim=-1, keepdim=True) / gradient.norm(dim=-1, keepdim=True)"
            ".clamp(min=1e-12)",
        ),
    ),
    mutant(
        "scaled_step",
        "in place",
        "in place",
        (MOVE, "weight -= lr * ratio * gradient\n        moved.append(weight)"),
    ),
    mutant(
        "scaled_step",
        "the steps alone",
        "these are the steps",
        (MOVE, "moved.append(lr * ratio * gradient)"),
    ),
    mutant("scaled_step", "lr ignored", "lr is ignored", (MOVE, MOVE.replace("lr * ", ""))),
    mutant(
        "scaled_step",
        "result in float32",
        "dtype",
        (
            MOVE,
            MOVE.replace("gradient)", "gradient).float())").replace(
                "append(weight", "append((weight"
            ),
        ),
    ),
    # deepen
    mutant("deepen", "random weights", "a new layer has the identity", (EYE, "pass")),
    mutant("deepen", "random biases", "zeros for biases", (ZEROS, "pass")),
    mutant("deepen", "weights of zero", "zeros", (EYE, "nn.init.zeros_(layer.weight)")),
    mutant("deepen", "weights of ones", "on the diagonal", (EYE, "nn.init.ones_(layer.weight)")),
    mutant("deepen", "no ReLU", "no ReLU", (PAIR, "body += [layer]")),
    mutant(
        "deepen",
        "no bias",
        "no bias",
        (NEW_LAYER, NEW_LAYER.replace("in_features)", "in_features, bias=False)")),
        (ZEROS, "pass"),
    ),
    mutant("deepen", "nothing added", "nothing was added", (PAIR, "pass")),
    mutant(
        "deepen", "one too few", "too few", ("for _ in range(extra):", "for _ in range(extra - 1):")
    ),
    mutant(
        "deepen",
        "one too many",
        "too many",
        ("for _ in range(extra):", "for _ in range(extra + 1):"),
    ),
    mutant(
        "deepen",
        "layers at the front",
        "at the front",
        (NEW_LAYER, "layer = nn.Linear(net[0].in_features, net[0].in_features).to(head.weight)"),
        (PAIR, "body = [layer, nn.ReLU(), *body]"),
    ),
    mutant(
        "deepen",
        "one layer, used again",
        "used again",
        (
            PAIR,
            "first = layer if len(body) < len(net) else first\n        body += [first, nn.ReLU()]",
        ),
    ),
    mutant(
        "deepen",
        "ReLU on the output",
        "through a ReLU",
        (WHOLE, "return nn.Sequential(*body, head, nn.ReLU())"),
    ),
    mutant(
        "deepen",
        "frozen layers",
        "can learn",
        (PAIR, "body += [layer.requires_grad_(False), nn.ReLU()]"),
    ),
    mutant(
        "deepen", "dtype ignored", "dtype", (NEW_LAYER, NEW_LAYER.replace(".to(head.weight)", ""))
    ),
    mutant(
        "deepen",
        "layers on the CPU",
        "device",
        (NEW_LAYER, NEW_LAYER.replace(".to(head.weight)", ".to(head.weight.dtype)")),
    ),
    # identity_conv
    mutant("identity_conv", "eps ignored", "sqrt(1 + eps)", (SCALE, "pass")),
    mutant(
        "identity_conv",
        "eps without the root",
        "the square root of that",
        (SCALE, SCALE.replace(" ** 0.5", "")),
    ),
    mutant(
        "identity_conv",
        "eps the wrong way round",
        "wrong way round",
        (SCALE, SCALE.replace("** 0.5", "** -0.5")),
    ),
    mutant(
        "identity_conv",
        "kernels of ones",
        "between all channels",
        (DIRAC, "nn.init.ones_(conv.weight)"),
    ),
    mutant(
        "identity_conv",
        "ones in the whole kernel of each channel",
        "full of ones",
        (
            DIRAC,
            "nn.init.zeros_(conv.weight)\n    with torch.no_grad():\n"
            "        conv.weight[range(channels), range(channels)] = 1",
        ),
        (SCALE, SCALE),
    ),
    mutant(
        "identity_conv",
        "middle of every kernel",
        "sums all channels",
        (
            DIRAC,
            "nn.init.zeros_(conv.weight)\n    with torch.no_grad():\n"
            "        conv.weight[:, :, 1, 1] = 1",
        ),
    ),
    mutant(
        "identity_conv",
        "corner of the kernel",
        "the image moves",
        (
            DIRAC,
            "nn.init.zeros_(conv.weight)\n    with torch.no_grad():\n"
            "        conv.weight[range(channels), range(channels), 0, 0] = 1",
        ),
    ),
    mutant("identity_conv", "bias", "bias", (CONV, CONV.replace(", bias=False", ""))),
    mutant("identity_conv", "no padding", "padding", (CONV, CONV.replace("padding=1, ", ""))),
    mutant(
        "identity_conv",
        "no norm",
        "norm is missing",
        (TRIPLE, "return nn.Sequential(conv, nn.ReLU())"),
    ),
    mutant(
        "identity_conv", "no ReLU", "ReLU is missing", (TRIPLE, "return nn.Sequential(conv, norm)")
    ),
    mutant(
        "identity_conv",
        "1x1 convolution",
        "1x1",
        (CONV, "conv = nn.Conv2d(channels, channels, 1, bias=False)"),
    ),
    # fit_identity
    mutant(
        "fit_identity", "last loss missing", "after the last", ("range(steps + 1)", "range(steps)")
    ),
    mutant("fit_identity", "skip ignored", "skip is ignored", (STEP_LAYER, "h = F.relu(z)")),
    mutant(
        "fit_identity",
        "skip after the ReLU",
        "after the ReLU",
        (STEP_LAYER, "h = h + F.relu(z) if skip else F.relu(z)"),
    ),
    mutant(
        "fit_identity",
        "one skip around the stack",
        "each layer has its own skip",
        (STEP_LAYER, "h = F.relu(z)"),
        (MSE, "h = h + x if skip else h\n        " + MSE),
    ),
    mutant(
        "fit_identity",
        "x in every layer",
        "add h",
        (STEP_LAYER, "h = F.relu(x + z if skip else z)"),
    ),
    mutant("fit_identity", "transposed", "transposed", ("z = h @ weight", "z = h @ weight.T")),
    mutant(
        "fit_identity", "no ReLU", "ReLUs are missing", (STEP_LAYER, "h = h + z if skip else z")
    ),
    mutant(
        "fit_identity",
        "gradients add up",
        "add up",
        (
            "(gradient,) = torch.autograd.grad(loss, weights)",
            "loss.backward()\n            gradient = weights.grad",
        ),
    ),
    mutant("fit_identity", "uphill", "uphill", (DESCENT, "weights += lr * gradient")),
    mutant("fit_identity", "no step", "nothing is learned", (DESCENT, "weights.mul_(1)")),
    mutant("fit_identity", "loss summed", "summed", (MSE, MSE.replace("mean()", "sum()"))),
    mutant(
        "fit_identity",
        "summed over the features",
        "features",
        (MSE, "loss = (h - x).square().sum(1).mean()"),
    ),
    mutant("fit_identity", "loss halved", "halved", (MSE, "loss = (h - x).square().mean() / 2")),
    mutant("fit_identity", "target zero", "target is zero", (MSE, "loss = h.square().mean()")),
    mutant(
        "fit_identity",
        "root of the loss",
        "root",
        ("losses.append(loss.item())", "losses.append(loss.sqrt().item())"),
    ),
    mutant(
        "fit_identity",
        "only the last layer learns",
        "only the last layer",
        (DESCENT, "weights[-1] -= lr * gradient[-1]"),
    ),
    mutant(
        "fit_identity",
        "in place on the caller's weights",
        "in place",
        ("weights = weights.clone().requires_grad_()", "weights.requires_grad_()"),
    ),
    mutant(
        "fit_identity",
        "one weight for all layers",
        "share one weight",
        ("for weight in weights:", "for weight in weights[:1].expand_as(weights):"),
    ),
]

PLAIN_BY_LIST = """
class PlainNet(nn.Module):
    def __init__(self, depth, width=32, inputs=64, classes=10):
        super().__init__()
        if not depth >= 2:
            raise ValueError("too shallow")
        self.out = nn.Linear(width, classes)
        sizes = [inputs] + [width] * (depth - 1)
        self.norms = nn.ModuleList(nn.BatchNorm1d(width) for _ in range(depth - 1))
        self.dense = nn.ModuleList(
            nn.Linear(sizes[i], sizes[i + 1], bias=False) for i in range(depth - 1)
        )

    def forward(self, x):
        h = torch.flatten(x, start_dim=1)
        for dense, norm in zip(self.dense, self.norms):
            h = norm(dense(h)).clamp(min=0)
        return self.out(h)
"""

PLAIN_FUNCTIONAL = """
class PlainNet(nn.Module):
    def __init__(self, depth, width=32, inputs=64, classes=10):
        super().__init__()
        if depth < 2:
            raise ValueError(depth)
        shapes = [(width, inputs)] + [(width, width)] * (depth - 2)
        self.weights = nn.ParameterList([torch.randn(s) * (2 / s[1]) ** 0.5 for s in shapes])
        self.gammas = nn.ParameterList([torch.ones(width) for _ in shapes])
        self.betas = nn.ParameterList([torch.zeros(width) for _ in shapes])
        for i in range(len(shapes)):
            self.register_buffer(f"mean{i}", torch.zeros(width))
            self.register_buffer(f"var{i}", torch.ones(width))
        self.head = nn.Linear(width, classes)

    def forward(self, x):
        h = x.reshape(len(x), -1)
        for i, weight in enumerate(self.weights):
            h = F.linear(h, weight)
            stored = getattr(self, f"mean{i}"), getattr(self, f"var{i}")
            h = F.batch_norm(h, *stored, self.gammas[i], self.betas[i], training=self.training)
            h = torch.relu(h)
        return self.head(h)
"""

PLAIN_SUBCLASS = """
class PlainNet(nn.Sequential):
    def __init__(self, depth, width=32, inputs=64, classes=10):
        if depth < 2:
            raise ValueError("depth")

        def layer(before):
            dense = nn.Linear(before, width, bias=False)
            return nn.Sequential(dense, nn.BatchNorm1d(width), nn.ReLU(inplace=True))

        hidden = [layer(inputs if i == 0 else width) for i in range(depth - 1)]
        super().__init__(nn.Flatten(), *hidden, nn.Linear(width, classes))

    def forward(self, x):
        return super().forward(x)
"""

VERDICT_BY_STATISTICS = """
from statistics import mean, variance


def gap(errors, others):
    squared = variance(errors) / len(errors) + variance(others) / len(others)
    return (mean(errors) - mean(others)) / squared**0.5


def verdict(train_shallow, test_shallow, train_deep, test_deep):
    answers = {(True, True): "degradation", (True, False): "degradation",
               (False, True): "overfitting", (False, False): "neither"}
    return answers[gap(train_deep, train_shallow) > 2, gap(test_deep, test_shallow) > 2]
"""

VERDICT_BY_NUMPY = """
import numpy as np


def gap(errors, others):
    a, b = np.asarray(errors), np.asarray(others)
    return (a.mean() - b.mean()) / np.sqrt(a.var(ddof=1) / a.size + b.var(ddof=1) / b.size)


def verdict(train_shallow, test_shallow, train_deep, test_deep):
    if gap(train_shallow, train_deep) < -2:
        return "degradation"
    elif gap(test_shallow, test_deep) < -2:
        return "overfitting"
    else:
        return "neither"
"""

GRADIENTS_BY_BACKWARD = """
def weight_gradients(net, images, labels):
    net.zero_grad()
    nn.CrossEntropyLoss()(net(images), labels).backward()
    result = [float(p.grad.pow(2).sum().sqrt()) for p in net.parameters() if len(p.shape) >= 2]
    net.zero_grad()
    return result
"""

STEP_WITH_CASES = """
def scaled_step(weights, gradients, lr):
    result = []
    for w, g in zip(weights, gradients):
        if g.norm() == 0:
            result.append(w.clone())
            continue
        direction = g / torch.linalg.vector_norm(g)
        result.append(torch.sub(w, direction * torch.linalg.vector_norm(w), alpha=lr))
    return tuple(result)
"""

STEP_WITH_NAN_TO_NUM = """
def scaled_step(weights, gradients, lr):
    def one(w, g):
        return w - lr * torch.nan_to_num(w.norm() / g.norm() * g)

    return [one(w, g) for w, g in zip(weights, gradients)]
"""

DEEPEN_BY_HAND = """
def deepen(net, extra):
    layers = []
    for i, module in enumerate(net):
        if i == len(net) - 1:
            for _ in range(extra):
                size, like = module.in_features, module.weight
                new = nn.Linear(size, size, dtype=like.dtype, device=like.device)
                with torch.no_grad():
                    new.weight.copy_(torch.eye(size, dtype=like.dtype, device=like.device))
                    new.bias.fill_(0)
                layers.append(new)
                layers.append(nn.ReLU())
        layers.append(module)
    return nn.Sequential(*layers)
"""

DEEPEN_AS_MODULE = """
import copy


class Deeper(nn.Module):
    def __init__(self, net, extra):
        super().__init__()
        self.net = copy.deepcopy(net)
        width = net[-1].in_features
        self.more = nn.ModuleList()
        for _ in range(extra):
            layer = nn.Linear(width, width).to(net[-1].weight)
            layer.weight.data = torch.eye(width).to(layer.weight)
            layer.bias.data.zero_()
            self.more.append(layer)

    def forward(self, x):
        x = self.net[:-1](x)
        for layer in self.more:
            x = layer(x).clamp(min=0)
        return self.net[-1](x)


def deepen(net, extra):
    return Deeper(net, extra)
"""

CONV_BY_INDEX = """
def identity_conv(channels):
    block = nn.Sequential(
        nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()
    )
    with torch.no_grad():
        block[0].weight.zero_()
        for i in range(channels):
            block[0].weight[i, i, 1, 1] = 1.0
        block[1].running_var.fill_(1 - block[1].eps)
    return block
"""

CONV_SCALED = """
def identity_conv(channels):
    norm = nn.BatchNorm2d(channels, eps=0.0)
    conv = nn.Conv2d(channels, channels, kernel_size=3, padding="same", bias=False)
    kernel = torch.zeros(3, 3)
    kernel[1, 1] = 1
    conv.weight = nn.Parameter(torch.eye(channels)[:, :, None, None] * kernel)
    return nn.Sequential(conv, norm, nn.ReLU(inplace=True))
"""

FIT_WITH_OPTIMISER = """
def fit_identity(weights, x, skip, lr, steps):
    matrices = [nn.Parameter(w.clone()) for w in weights]
    optimiser = torch.optim.SGD(matrices, lr=lr)

    def loss_now():
        h = x
        for w in matrices:
            h = torch.relu(torch.matmul(h, w) + h) if skip else torch.relu(torch.matmul(h, w))
        return F.mse_loss(h, x)

    history = []
    for _ in range(steps):
        optimiser.zero_grad()
        loss = loss_now()
        history.append(loss.detach())
        loss.backward()
        optimiser.step()
    history.append(loss_now().detach())
    return history
"""

FIT_FUNCTIONAL = """
def fit_identity(weights, x, skip, lr, steps):
    d = weights.shape[-1]
    start = torch.eye(d, dtype=weights.dtype, device=weights.device) if skip else 0

    def loss_of(weights):
        h = x
        for w in weights:
            h = (h @ (w + start)).clamp(min=0)
        return ((h - x) ** 2).mean()

    step = torch.func.grad_and_value(loss_of)
    values = []
    for _ in range(steps + 1):
        gradient, value = step(weights)
        values.append(float(value))
        weights = weights - lr * gradient
    return values
"""

VARIANTS = [
    Variant("plain_net", "ModuleLists, head created first", source=PLAIN_BY_LIST),
    Variant("plain_net", "functional style, raw parameters", source=PLAIN_FUNCTIONAL),
    Variant("plain_net", "a subclass of nn.Sequential", source=PLAIN_SUBCLASS),
    Variant("verdict", "the statistics module, a table", source=VERDICT_BY_STATISTICS),
    Variant("verdict", "numpy, reversed comparisons", source=VERDICT_BY_NUMPY),
    Variant("weight_gradients", "backward and .grad", source=GRADIENTS_BY_BACKWARD),
    Variant(
        "weight_gradients",
        "tensors as numbers",
        edits=((NORMS, "return [torch.linalg.vector_norm(g) for g in gradients]"),),
    ),
    Variant("scaled_step", "a case for zero, a tuple", source=STEP_WITH_CASES),
    Variant("scaled_step", "nan_to_num", source=STEP_WITH_NAN_TO_NUM),
    Variant("deepen", "by hand, layers shared with the given network", source=DEEPEN_BY_HAND),
    Variant("deepen", "a module of one's own", source=DEEPEN_AS_MODULE),
    Variant(
        "identity_conv", "by index; the stored variance makes up for eps", source=CONV_BY_INDEX
    ),
    Variant("identity_conv", "eps of zero", source=CONV_SCALED),
    Variant("fit_identity", "torch's optimiser, tensors as numbers", source=FIT_WITH_OPTIMISER),
    Variant("fit_identity", "torch.func, identity added to the weights", source=FIT_FUNCTIONAL),
]
