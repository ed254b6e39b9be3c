"""Wrong and honest answers to the exercises of lesson 02, the residual block."""

from cases import Mutant, Variant

RETURN_A = "return F.pad(kept, (0, 0, 0, 0, 0, missing))  # (B, out_channels, H', W')"
SUM = "return F.relu(y + self.shortcut(x))"
INNER = "y = F.relu(self.norm1(self.conv1(x)))"
BRANCH_END = "y = self.norm2(self.conv2(y))"
CONV1 = "nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)"
CONV2 = "nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)"
PROJECTION = "nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)"
PROJECTION_NORM = f"""{PROJECTION},
                nn.BatchNorm2d(out_channels),"""
CHANGES = "self.changes_shape = stride != 1 or in_channels != out_channels"
JACOBIAN = "return torch.func.jacrev(lambda x: x + branch(x))(x)"
CHAIN = "gain *= 1 + factor if skip else factor"
LENGTHS = "gains = [p + factor * e for p, e in zip(passing, entering, strict=True)]"
NORMS = "return [gradient.norm().item() for gradient in gradients]"
GRADIENTS = "gradients = torch.autograd.grad(states[-1], states, v)"
CIFAR_STEM = "nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()"
CIFAR_HEAD = "return self.head(x.mean(dim=(2, 3)))"
CIFAR_BLOCK = "blocks.append(BasicBlock(channels, width, stride, option))"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


MUTANTS = [
    # pad_shortcut
    mutant(
        "pad_shortcut",
        "zeros before x",
        "before the channels",
        ("(0, 0, 0, 0, 0, missing)", "(0, 0, 0, 0, missing, 0)"),
    ),
    mutant(
        "pad_shortcut",
        "zeros on both sides",
        "both sides",
        ("0, 0, missing)", "0, missing // 2, missing - missing // 2)"),
    ),
    mutant(
        "pad_shortcut",
        "average pooling",
        "averaged",
        ("kept = x[:, :, ::stride, ::stride]", "kept = F.avg_pool2d(x, stride, ceil_mode=True)"),
    ),
    mutant(
        "pad_shortcut",
        "last pixel of each window",
        "pixel 0",
        ("kept = x[:, :, ::stride, ::stride]", "kept = x[:, :, stride // 2 :: stride, ::stride]"),
    ),
    mutant(
        "pad_shortcut",
        "odd rows cut off",
        "odd",
        (
            "kept = x[:, :, ::stride, ::stride]",
            "kept = x[:, :, : x.shape[2] // stride * stride : stride, ::stride]",
        ),
    ),
    mutant(
        "pad_shortcut",
        "channels repeated",
        "repeat",
        (RETURN_A, "return kept.repeat(1, out_channels, 1, 1)[:, :out_channels]"),
    ),
    mutant(
        "pad_shortcut",
        "float32 zeros",
        "dtype",
        (
            RETURN_A,
            "full = torch.zeros(x.shape[0], out_channels, *kept.shape[2:])\n"
            "    full[:, : x.shape[1]] = kept\n"
            "    return full",
        ),
    ),
    mutant(
        "pad_shortcut",
        "zeros on the CPU",
        "device",
        (
            RETURN_A,
            "zeros = torch.zeros(x.shape[0], missing, *kept.shape[2:], dtype=x.dtype)\n"
            "    return torch.cat([kept, zeros], dim=1)",
        ),
    ),
    mutant("pad_shortcut", "detached", "detached", ("kept = x[", "kept = x.detach()[")),
    mutant(
        "pad_shortcut",
        "x set to zero",
        "zeros",
        ("kept = x[:, :, ::stride, ::stride]", "kept = 0 * x[:, :, ::stride, ::stride]"),
    ),
    # basic_block: the sum
    mutant("basic_block", "no skip", "skip is missing", (SUM, "return F.relu(y)")),
    mutant("basic_block", "F only", "alone comes back", (SUM, "return y")),
    mutant("basic_block", "F - x", "wrong sign", (SUM, "return F.relu(y - self.shortcut(x))")),
    mutant(
        "basic_block",
        "x - F",
        "branch has the wrong sign",
        (SUM, "return F.relu(self.shortcut(x) - y)"),
    ),
    mutant("basic_block", "F * x", "multiplied", (SUM, "return F.relu(y * self.shortcut(x))")),
    mutant(
        "basic_block",
        "skip halved",
        "skip is scaled",
        (SUM, "return F.relu(y + 0.5 * self.shortcut(x))"),
    ),
    mutant(
        "basic_block",
        "sum halved",
        "sum is scaled",
        (SUM, "return F.relu((y + self.shortcut(x)) / 2)"),
    ),
    mutant(
        "basic_block",
        "branch scaled",
        "branch is scaled",
        (SUM, "return F.relu(0.1 * y + self.shortcut(x))"),
    ),
    mutant("basic_block", "no final ReLU", "final ReLU", (SUM, "return y + self.shortcut(x)")),
    mutant(
        "basic_block",
        "ReLU before the sum",
        "before the sum",
        (SUM, "return F.relu(y) + self.shortcut(x)"),
    ),
    mutant(
        "basic_block",
        "ReLU before and after the sum",
        "before the sum",
        (SUM, "return F.relu(F.relu(y) + self.shortcut(x))"),
    ),
    mutant(
        "basic_block",
        "branch missing",
        "branch is missing",
        (SUM, "return F.relu(self.shortcut(x))"),
    ),
    mutant("basic_block", "x comes back", "branch is missing", (SUM, "return self.shortcut(x)")),
    mutant("basic_block", "zeros", "zeros", (SUM, "return torch.zeros_like(y)")),
    mutant(
        "basic_block",
        "detached skip",
        "skip is detached",
        (SUM, "return F.relu(y + self.shortcut(x).detach())"),
    ),
    mutant(
        "basic_block",
        "detached branch",
        "branch is detached",
        (SUM, "return F.relu(y.detach() + self.shortcut(x))"),
    ),
    mutant("basic_block", "all detached", "detached", (SUM, SUM + ".detach()")),
    mutant(
        "basic_block",
        "concatenation",
        "concatenate",
        (SUM, "return F.relu(torch.cat([y, self.shortcut(x)], dim=1))"),
    ),
    mutant(
        "basic_block",
        "sum into x in place",
        "in place",
        (SUM, "skip = self.shortcut(x)\n        skip += y\n        return F.relu(skip)"),
    ),
    mutant("basic_block", "in-place ReLU on x", "in place", (INNER, "x.relu_()\n        " + INNER)),
    mutant(
        "basic_block",
        "ReLU on the skip",
        "ReLU acts on the skip",
        (SUM, "return F.relu(y + F.relu(self.shortcut(x)))"),
    ),
    # basic_block: the branch
    mutant(
        "basic_block",
        "no inner ReLU",
        "inner ReLU is missing",
        (INNER, "y = self.norm1(self.conv1(x))"),
    ),
    mutant(
        "basic_block",
        "ReLU before norm1",
        "before norm1",
        (INNER, "y = self.norm1(F.relu(self.conv1(x)))"),
    ),
    mutant(
        "basic_block",
        "ReLU before norm2",
        "before norm2",
        (BRANCH_END, "y = self.norm2(F.relu(self.conv2(y)))"),
    ),
    mutant(
        "basic_block",
        "norm2 after the sum",
        "norm2 acts after the sum",
        (BRANCH_END, "y = self.conv2(y)"),
        (SUM, "return F.relu(self.norm2(y + self.shortcut(x)))"),
    ),
    mutant(
        "basic_block",
        "bias in both convolutions",
        "bias",
        (CONV1, CONV1.replace(", bias=False", "")),
        (CONV2, CONV2.replace(", bias=False", "")),
    ),
    mutant(
        "basic_block", "bias in one convolution", "bias", (CONV2, CONV2.replace(", bias=False", ""))
    ),
    mutant(
        "basic_block",
        "no norm after the second convolution",
        "norm is missing",
        ("self.norm2 = nn.BatchNorm2d(out_channels)", "self.norm2 = nn.Identity()"),
    ),
    mutant(
        "basic_block",
        "one norm for both",
        "norm is missing",
        ("self.norm2 = nn.BatchNorm2d(out_channels)", "self.norm2 = self.norm1"),
    ),
    mutant(
        "basic_block",
        "batch statistics in evaluation mode",
        "wrong mode",
        (
            "self.norm1 = nn.BatchNorm2d(out_channels)",
            "self.norm1 = nn.BatchNorm2d(out_channels, track_running_stats=False)",
        ),
        (
            "self.norm2 = nn.BatchNorm2d(out_channels)",
            "self.norm2 = nn.BatchNorm2d(out_channels, track_running_stats=False)",
        ),
    ),
    mutant(
        "basic_block",
        "stride on the second convolution",
        "second convolution",
        (CONV1, CONV1.replace("stride=stride, ", "")),
        (CONV2, CONV2.replace("padding=1", "stride=stride, padding=1")),
    ),
    # basic_block: the shortcut
    mutant(
        "basic_block",
        "projection missing when channels change at stride 1",
        "projection is missing",
        (CHANGES, "self.changes_shape = stride != 1"),
    ),
    mutant(
        "basic_block",
        "projection missing when only the stride changes",
        "projection is missing",
        (CHANGES, "self.changes_shape = in_channels != out_channels"),
    ),
    mutant(
        "basic_block", "projection always", "projection", (CHANGES, "self.changes_shape = True")
    ),
    mutant(
        "basic_block",
        "ReLU on the projection",
        "ReLU acts on the skip",
        ("return self.projection(x)", "return F.relu(self.projection(x))"),
    ),
    mutant(
        "basic_block",
        "projection without norm",
        "norm is missing",
        (PROJECTION_NORM, PROJECTION + ","),
    ),
    mutant(
        "basic_block",
        "projection with bias",
        "bias",
        (PROJECTION, PROJECTION.replace(", bias=False", "")),
    ),
    mutant(
        "basic_block",
        "average pooling in the projection",
        "averages",
        (
            PROJECTION,
            "nn.AvgPool2d(stride, ceil_mode=True),\n                "
            + PROJECTION.replace("stride=stride, ", ""),
        ),
    ),
    mutant(
        "basic_block",
        "option ignored",
        "projection",
        ('if self.changes_shape and option == "B":', "if self.changes_shape:"),
    ),
    mutant("basic_block", "hard-coded .cpu()", "device", (SUM, SUM + ".cpu()")),
    mutant(
        "basic_block",
        "hard-coded .cuda()",
        "device",
        (SUM, "if not x.is_cpu:\n            x = x.cuda()\n        " + SUM),
    ),
    mutant("basic_block", "hard-coded float32", "dtype", (SUM, SUM + ".float()")),
    mutant(
        "basic_block",
        "input cast to float32",
        "float64",
        (INNER, "x = x.float()\n        " + INNER),
    ),
    # block_jacobian
    mutant(
        "block_jacobian",
        "dF/dx alone",
        "identity is missing",
        ("lambda x: x + branch(x)", "branch"),
    ),
    mutant(
        "block_jacobian",
        "the identity alone",
        "dF/dx is missing",
        (JACOBIAN, "return torch.eye(x.numel(), dtype=x.dtype, device=x.device)"),
    ),
    mutant("block_jacobian", "transposed", "transposed", ("+ branch(x))(x)", "+ branch(x))(x).T")),
    mutant("block_jacobian", "minus", "wrong sign", ("x: x + branch(x)", "x: x - branch(x)")),
    mutant(
        "block_jacobian",
        "taken at zero",
        "taken at 0",
        ("+ branch(x))(x)", "+ branch(x))(torch.zeros_like(x))"),
    ),
    mutant(
        "block_jacobian",
        "identity on the CPU",
        "device",
        (JACOBIAN, "return torch.eye(x.numel(), dtype=x.dtype) + torch.func.jacrev(branch)(x)"),
    ),
    mutant(
        "block_jacobian",
        "ones instead of the identity",
        "diagonal",
        (JACOBIAN, "return 1 + torch.func.jacrev(branch)(x)"),
    ),
    # chain_gain
    mutant("chain_gain", "skip ignored", "skip is missing", (CHAIN, "gain *= factor")),
    mutant(
        "chain_gain",
        "skip added once",
        "once for the whole chain",
        (CHAIN, "gain *= factor"),
        ("return gain\n", "return 1 + gain if skip else gain\n"),
    ),
    mutant(
        "chain_gain", "sign lost", "sign", (CHAIN, "gain *= abs(1 + factor if skip else factor)")
    ),
    mutant(
        "chain_gain",
        "absolute factors",
        "sign",
        (CHAIN, "gain *= 1 + abs(factor) if skip else factor"),
    ),
    mutant(
        "chain_gain",
        "equal factors assumed",
        "first factor",
        (CHAIN, "gain *= 1 + factors[0] if skip else factors[0]"),
    ),
    mutant(
        "chain_gain", "lengths reversed", "reversed", ("return gains\n", "return gains[::-1]\n")
    ),
    mutant(
        "chain_gain",
        "lengths by the mean factor",
        "all were equal",
        (
            "for factor in factors:\n        passing",
            "for factor in [sum(factors) / len(factors)] * len(factors):\n        passing",
        ),
    ),
    mutant(
        "chain_gain",
        "cumulative lengths",
        "cumulative",
        ("return gains\n", "return [sum(gains[: k + 1]) for k in range(len(gains))]\n"),
    ),
    mutant(
        "chain_gain",
        "path of length 0 left out",
        "number of lengths",
        ("return gains\n", "return gains[1:]\n"),
    ),
    mutant(
        "chain_gain",
        "paths counted",
        "counted",
        (LENGTHS, "gains = [p + e for p, e in zip(passing, entering, strict=True)]"),
    ),
    # gradient_norms
    mutant(
        "gradient_norms",
        "reversed",
        "reversed",
        (NORMS, NORMS.replace("gradients]", "gradients[::-1]]")),
    ),
    mutant(
        "gradient_norms", "squared", "squares", (NORMS, NORMS.replace(".norm()", ".square().sum()"))
    ),
    mutant(
        "gradient_norms",
        "input left out",
        "number of norms",
        (NORMS, NORMS.replace("gradients]", "gradients[1:]]")),
    ),
    mutant(
        "gradient_norms",
        "v ignored",
        "v is ignored",
        (GRADIENTS, GRADIENTS.replace(" v)", " torch.ones_like(v))")),
    ),
    mutant(
        "gradient_norms",
        "norms of the states",
        "of the states",
        (NORMS, "return [state.norm().item() for state in states]"),
    ),
    mutant(
        "gradient_norms",
        "sum of absolute values",
        "absolute values",
        (NORMS, NORMS.replace("norm()", "abs().sum()")),
    ),
    mutant(
        "gradient_norms",
        "averaged over the batch",
        "averaged over the batch",
        (NORMS, NORMS.replace("norm()", "flatten(1).norm(dim=1).mean()")),
    ),
    mutant(
        "gradient_norms",
        "largest entry",
        "largest",
        (NORMS, NORMS.replace("norm()", "abs().max()")),
    ),
    # cifar_resnet
    mutant(
        "cifar_resnet",
        "option ignored",
        "option is ignored",
        (CIFAR_BLOCK, "blocks.append(BasicBlock(channels, width, stride))"),
    ),
    mutant(
        "cifar_resnet",
        "one block too many",
        "too many",
        ("for _ in range(n):", "for _ in range(n + 1):"),
    ),
    mutant(
        "cifar_resnet",
        "one block too few",
        "too few",
        ("for _ in range(n):", "for _ in range(n - 1):"),
    ),
    mutant(
        "cifar_resnet",
        "no halving",
        "halve",
        ("stride = 1 if width == channels else 2", "stride = 1"),
    ),
    mutant("cifar_resnet", "softmax", "softmax", (CIFAR_HEAD, CIFAR_HEAD + ".softmax(dim=1)")),
    mutant(
        "cifar_resnet",
        "log-softmax",
        "log-softmax",
        (CIFAR_HEAD, CIFAR_HEAD + ".log_softmax(dim=1)"),
    ),
    mutant(
        "cifar_resnet",
        "max pooling in the head",
        "largest pixel",
        ("x.mean(dim=(2, 3))", "x.amax(dim=(2, 3))"),
    ),
    mutant("cifar_resnet", "no ReLU in the stem", "ReLU of the stem", (", nn.ReLU()", "")),
    mutant(
        "cifar_resnet",
        "stem with stride 2",
        "stem halves",
        (CIFAR_STEM, CIFAR_STEM.replace("padding", "stride=2, padding")),
    ),
    mutant(
        "cifar_resnet",
        "bias in the stem",
        "bias",
        ("16, 3, padding=1, bias=False", "16, 3, padding=1"),
    ),
    mutant("cifar_resnet", "any depth accepted", "6n + 2", ("if rest != 0 or n < 1:", "if n < 1:")),
    mutant(
        "cifar_resnet", "depth 2 accepted", "6n + 2", ("if rest != 0 or n < 1:", "if rest != 0:")
    ),
    mutant("cifar_resnet", "logits on the CPU", "device", (CIFAR_HEAD, CIFAR_HEAD + ".cpu()")),
    # resnet18
    mutant(
        "resnet18",
        "no max pooling",
        "max pooling",
        ("            nn.MaxPool2d(3, stride=2, padding=1),\n", ""),
    ),
    mutant("resnet18", "no ReLU in the stem", "ReLU of the stem", ("            nn.ReLU(),\n", "")),
    mutant(
        "resnet18", "stem with stride 1", "stride 2", ("7, stride=2, padding=3", "7, padding=3")
    ),
    mutant(
        "resnet18", "average pooling in the stem", "maximum", ("nn.MaxPool2d(3", "nn.AvgPool2d(3")
    ),
    mutant(
        "resnet18",
        "max pooling without padding",
        "padding",
        ("stride=2, padding=1),", "stride=2),"),
    ),
    mutant("resnet18", "softmax", "softmax", (CIFAR_HEAD, CIFAR_HEAD + ".softmax(dim=1)")),
    mutant(
        "resnet18",
        "head created first",
        "order of assignment",
        (
            "        self.stem = ",
            "        self.head = nn.Linear(512, classes)\n        self.stem = ",
        ),
        (
            "(*blocks)\n        self.head = nn.Linear(512, classes)\n",
            "(*blocks)\n",
        ),
    ),
    mutant(
        "resnet18", "classes ignored", "shape", ("nn.Linear(512, classes)", "nn.Linear(512, 1000)")
    ),
    mutant("resnet18", "logits on the CPU", "device", (CIFAR_HEAD, CIFAR_HEAD + ".cpu()")),
]

FUNCTIONAL_BLOCK = """
def norm_of(channels):
    return nn.ParameterList([torch.ones(channels), torch.zeros(channels)])


class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, option="B"):
        super().__init__()
        self.shape = in_channels, out_channels, stride
        kernels = [(out_channels, in_channels, 3, 3), (out_channels, out_channels, 3, 3)]
        if option == "B" and (stride > 1 or in_channels != out_channels):
            kernels.append((out_channels, in_channels, 1, 1))
        self.kernels = nn.ParameterList([torch.randn(k) * 0.1 for k in kernels])
        self.norms = nn.ModuleList([norm_of(out_channels) for _ in kernels])
        for i in range(len(kernels)):
            self.register_buffer(f"mean{i}", torch.zeros(out_channels))
            self.register_buffer(f"var{i}", torch.ones(out_channels))

    def conv_norm(self, x, i, stride=1):
        padding = self.kernels[i].shape[-1] // 2
        x = F.conv2d(x, self.kernels[i], stride=stride, padding=padding)
        mean, var = getattr(self, f"mean{i}"), getattr(self, f"var{i}")
        return F.batch_norm(x, mean, var, *self.norms[i], training=self.training)

    def forward(self, x):
        in_channels, out_channels, stride = self.shape
        branch = self.conv_norm(self.conv_norm(x, 0, stride).clamp(min=0), 1)
        if len(self.kernels) == 3:
            x = self.conv_norm(x, 2, stride)
        elif stride > 1 or in_channels != out_channels:
            x = pad_shortcut(x, out_channels, stride)
        return (branch + x).clamp(min=0)
"""

TORCHVISION_BLOCK = """
def conv3x3(in_planes, out_planes, stride=1, groups=1, dilation=1):
    return nn.Conv2d(
        in_planes, out_planes, kernel_size=3, stride=stride, padding=dilation, groups=groups,
        bias=False, dilation=dilation,
    )


class PadDownsample(nn.Module):
    def __init__(self, planes, stride):
        super().__init__()
        self.planes, self.stride = planes, stride

    def forward(self, x):
        return pad_shortcut(x, self.planes, self.stride)


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, in_channels, out_channels, stride=1, option="B"):
        super().__init__()
        norm_layer = nn.BatchNorm2d
        self.conv1 = conv3x3(in_channels, out_channels, stride)
        self.bn1 = norm_layer(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = conv3x3(out_channels, out_channels)
        self.bn2 = norm_layer(out_channels)
        downsample = None
        if stride != 1 or in_channels != out_channels * self.expansion:
            downsample = PadDownsample(out_channels, stride)
            if option == "B":
                downsample = nn.Sequential(
                    nn.Conv2d(in_channels, out_channels, kernel_size=1, stride=stride, bias=False),
                    norm_layer(out_channels),
                )
        self.downsample = downsample
        self.stride = stride

    def forward(self, x):
        identity = x
        out = self.conv1(x)
        out = self.bn1(out)
        out = self.relu(out)
        out = self.conv2(out)
        out = self.bn2(out)
        if self.downsample is not None:
            identity = self.downsample(x)
        out += identity
        out = self.relu(out)
        return out
"""

SUBCLASS_BLOCK = """
from torchvision.models.resnet import BasicBlock as Original


class BasicBlock(Original):
    def __init__(self, in_channels, out_channels, stride=1, option="B"):
        downsample = None
        if option == "B" and (stride != 1 or in_channels != out_channels):
            downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        super().__init__(in_channels, out_channels, stride, downsample)
        if option == "A" and (stride != 1 or in_channels != out_channels):
            self.downsample = lambda x: pad_shortcut(x, out_channels, stride)
"""

MODULE_LIST_BLOCK = """
class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, option="B"):
        super().__init__()
        self.out_channels, self.stride = out_channels, stride
        self.kept = stride == 1 and in_channels == out_channels
        self.layers = nn.ModuleList(
            [
                nn.Conv2d(in_channels, out_channels, (3, 3), (stride, stride), (1, 1), bias=False),
                nn.BatchNorm2d(out_channels),
                nn.ReLU(),
                nn.Conv2d(out_channels, out_channels, 3, 1, "same", bias=False),
                nn.BatchNorm2d(out_channels),
            ]
        )
        self.way_round = nn.ModuleList()
        if option == "B" and not self.kept:
            self.way_round.append(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))
            self.way_round.append(nn.BatchNorm2d(out_channels))

    def forward(self, x):
        y = x
        for layer in self.layers:
            y = layer(y)
        if not self.kept and not len(self.way_round):
            x = pad_shortcut(x, self.out_channels, self.stride)
        for layer in self.way_round:
            x = layer(x)
        return torch.maximum(x + y, torch.zeros_like(y))
"""

PROJECTION_FIRST_BLOCK = """
class BasicBlock(nn.Module):
    def __init__(self, in_channels, out_channels, stride=1, option="B"):
        super().__init__()
        self.a_shortcut = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.a_shortcut = (
                Pad(out_channels, stride)
                if option == "A"
                else nn.Sequential(
                    nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                    nn.BatchNorm2d(out_channels),
                )
            )
        self.z_norm = nn.BatchNorm2d(out_channels)
        self.z_conv = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.y_norm = nn.BatchNorm2d(out_channels)
        self.y_conv = nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False)
        nn.init.zeros_(self.z_norm.weight)

    def forward(self, x):
        hidden = torch.relu(self.y_norm(self.y_conv(x)))
        return torch.relu(self.a_shortcut(x) + self.z_norm(self.z_conv(hidden)))


class Pad(nn.Module):
    def __init__(self, channels, stride):
        super().__init__()
        self.channels, self.stride = channels, stride

    def forward(self, x):
        small = x[..., :: self.stride, :: self.stride]
        missing = self.channels - small.shape[1]
        return torch.cat([small, small.new_zeros(len(x), missing, *small.shape[2:])], dim=1)
"""

CIFAR_LIST = """
class CifarResNet(nn.Module):
    def __init__(self, depth, option="A", classes=10):
        super().__init__()
        if depth < 8 or depth % 6 != 2:
            raise ValueError("the depth must be 6n + 2")
        n = depth // 6
        self.fc = nn.Linear(64, classes)
        self.stages = nn.ModuleList(
            nn.ModuleList(
                BasicBlock(8 * 2**s, 16 * 2**s, 2, option)
                if s and i == 0
                else BasicBlock(16 * 2**s, 16 * 2**s)
                for i in range(n)
            )
            for s in range(3)
        )
        self.bn = nn.BatchNorm2d(16)
        self.conv = nn.Conv2d(3, 16, 3, 1, 1, bias=False)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(x)))
        for stage in self.stages:
            for block in stage:
                x = block(x)
        return self.fc(F.adaptive_avg_pool2d(x, 1).flatten(1))
"""

RESNET18_LAYERS = """
class ResNet18(nn.Module):
    def __init__(self, classes=1000):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = nn.Sequential(BasicBlock(64, 64), BasicBlock(64, 64))
        self.layer2 = nn.Sequential(BasicBlock(64, 128, 2), BasicBlock(128, 128))
        self.layer3 = nn.Sequential(BasicBlock(128, 256, 2), BasicBlock(256, 256))
        self.layer4 = nn.Sequential(BasicBlock(256, 512, 2), BasicBlock(512, 512))
        self.fc = nn.Linear(512, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, (1, 1)), 1))
"""

NORMS_BY_HOOKS = """
def gradient_norms(layers, x, v):
    h = x.clone().requires_grad_(True)
    states = [h]
    for layer in layers:
        h = layer(h)
        h.retain_grad()
        states.append(h)
    (h * v).sum().backward()
    return [torch.linalg.vector_norm(state.grad) for state in states]
"""

NORMS_ONE_BY_ONE = """
def gradient_norms(layers, x, v):
    states = [x]
    with torch.no_grad():
        for layer in layers:
            states.append(layer(states[-1]))
    norms = [float(v.square().sum().sqrt())]
    for layer, state in zip(reversed(list(layers)), reversed(states[:-1])):
        _, pull_back = torch.func.vjp(layer, state)
        (v,) = pull_back(v)
        norms.insert(0, v.norm().item())
    return norms
"""

PATHS_BY_LISTING = """
from functools import lru_cache


def chain_gain(factors, skip):
    result = 1.0
    for w in factors:
        result = result + w * result if skip else w * result
    return result


def gain_by_length(factors):
    table = [[0.0] * (len(factors) + 1) for _ in range(len(factors) + 1)]
    table[0][0] = 1.0
    for l, w in enumerate(factors, 1):
        for k in range(l + 1):
            table[l][k] = table[l - 1][k] + (w * table[l - 1][k - 1] if k else 0.0)
    return tuple(table[-1])
"""

PATHS_BY_NUMPY = """
import numpy


def chain_gain(factors, skip):
    return float(numpy.prod([skip + w for w in factors]))


def gain_by_length(factors):
    polynomial = numpy.ones(1)
    for w in factors:
        polynomial = numpy.convolve(polynomial, [1.0, w])
    return polynomial.tolist()
"""

PAD_BY_CAT = """
def pad_shortcut(x, out_channels, stride):
    b, c, h, w = x.shape
    small = F.max_pool2d(x, kernel_size=1, stride=stride)
    zeros = torch.zeros(b, out_channels - c, *small.shape[-2:], dtype=x.dtype, device=x.device)
    return torch.cat((small, zeros), dim=1)
"""

PAD_BY_FILLING = """
def pad_shortcut(x, out_channels, stride):
    rows = torch.arange(0, x.shape[2], stride, device=x.device)
    columns = torch.arange(0, x.shape[3], stride, device=x.device)
    y = x.new_zeros(x.shape[0], out_channels, len(rows), len(columns))
    y[:, : x.shape[1]] = x.index_select(2, rows).index_select(3, columns)
    return y
"""

VARIANTS = [
    Variant("pad_shortcut", "torch.cat with zeros", source=PAD_BY_CAT),
    Variant("pad_shortcut", "a tensor of zeros, filled", source=PAD_BY_FILLING),
    Variant("basic_block", "functional style, raw parameters", source=FUNCTIONAL_BLOCK),
    Variant("basic_block", "torchvision's own block, pasted", source=TORCHVISION_BLOCK),
    Variant("basic_block", "a subclass of torchvision's block", source=SUBCLASS_BLOCK),
    Variant("basic_block", "ModuleList", source=MODULE_LIST_BLOCK),
    Variant(
        "basic_block", "shortcut first, other names, zero gamma", source=PROJECTION_FIRST_BLOCK
    ),
    Variant(
        "basic_block",
        "option A everywhere without a case for the identity",
        edits=(("if not self.changes_shape:", "if False:"),),
    ),
    Variant(
        "block_jacobian",
        "identity added to the branch's Jacobian",
        edits=((JACOBIAN, "return torch.eye(len(x)).to(x) + torch.func.jacrev(branch)(x)"),),
    ),
    Variant(
        "block_jacobian",
        "forward mode",
        edits=((JACOBIAN, "return torch.func.jacfwd(lambda z: branch(z) + z)(x)"),),
    ),
    Variant(
        "block_jacobian",
        "torch.autograd.functional",
        edits=(
            (JACOBIAN, "return torch.autograd.functional.jacobian(lambda z: branch(z) + z, x)"),
        ),
    ),
    Variant("chain_gain", "a table", source=PATHS_BY_LISTING),
    Variant("chain_gain", "numpy polynomials", source=PATHS_BY_NUMPY),
    Variant("gradient_norms", "retain_grad, tensors as numbers", source=NORMS_BY_HOOKS),
    Variant("gradient_norms", "vector-Jacobian products, layer by layer", source=NORMS_ONE_BY_ONE),
    Variant("cifar_resnet", "nested ModuleList, head created first", source=CIFAR_LIST),
    Variant("resnet18", "torchvision's names", source=RESNET18_LAYERS),
]
