"""Wrong and honest answers to the exercises of lesson 03, bottlenecks."""

from cases import Mutant, Variant

WEIGHTS = "weights = kernel * kernel * (in_channels // groups) * out_channels"
PIXELS = "rows, columns = -(-height // stride), -(-width // stride)"
OPERATIONS = "return weights, weights * rows * columns"
PLACES = "first, second = (stride, 1) if stride_first else (1, stride)"
CONV1 = "nn.Conv2d(in_channels, width, 1, stride=first, bias=False)"
CONV2 = "width, width, 3, stride=second, padding=1, groups=groups, bias=False"
CONV3 = "nn.Conv2d(width, out_channels, 1, bias=False)"
PROJECTION = "nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False)"
CHANGES = "if stride != 1 or in_channels != out_channels:"
FIRST = "y = F.relu(self.norm1(self.conv1(x)))"
SECOND = "y = F.relu(self.norm2(self.conv2(y)))"
THIRD = "y = self.norm3(self.conv3(y))"
SUM = "return F.relu(y + self.projection(x))"
COUNT = "counts.append(output.numel() * layer.weight[0].numel())"
KINDS = "isinstance(m, (nn.Conv2d, nn.Linear))"
CALL = "model(x)"
STRIDE = "stride = 2 if stage > 0 and n == 0 else 1"
BLOCK = "layers.append(Bottleneck(channels, inner, outer, stride, groups, stride_first))"
INNER = "inner, outer = width * 2**stage, 256 * 2**stage"
HEAD = "return self.head(x.mean(dim=(2, 3)))"
STEM = "nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False)"
POOL = "nn.MaxPool2d(3, stride=2, padding=1)"
GATES = "gates = torch.sigmoid(self.excite(F.silu(self.squeeze(means))))"
GATED = "return x * gates[:, :, None, None]"
MEANS = "means = x.mean(dim=(2, 3))"
SQUEEZED = "SqueezeExcite(width, max(1, in_channels // 4)),"
DEPTHWISE = "groups=width, bias=False),"
NARROW = """nn.Conv2d(width, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),"""
ADDS = "self.adds = stride == 1 and in_channels == out_channels"
RETURN = "return x + y if self.adds else y"
GROWS = "field += (kernel - 1) * jump"
JUMPS = "jump *= stride"
START = "field, jump = 1, 1"
FITS = "2 * channels * (width + GROUPS) + 9 * (width + GROUPS) ** 2 // GROUPS <= budget"
IMAGES = "images = in_channels * size**2 + out_channels * rows**2"
RATIO = "return batch * operations / (batch * images + weights)"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


MUTANTS = [
    # conv_cost
    mutant("conv_cost", "groups ignored", "groups", ("(in_channels // groups)", "in_channels")),
    mutant(
        "conv_cost",
        "groups divide both sides",
        "divide once",
        ("* out_channels\n", "* (out_channels // groups)\n"),
    ),
    mutant("conv_cost", "kernel counted once", "kernel", ("kernel * kernel * (", "kernel * (")),
    mutant(
        "conv_cost",
        "biases counted",
        "biases",
        (WEIGHTS, WEIGHTS + " + out_channels"),
    ),
    mutant(
        "conv_cost",
        "stride ignored",
        "stride is ignored",
        (PIXELS, "rows, columns = height, width"),
    ),
    mutant(
        "conv_cost",
        "output rounded down",
        "rounding down",
        (PIXELS, "rows, columns = height // stride, width // stride"),
    ),
    mutant(
        "conv_cost",
        "two operations for each multiply-add",
        "counts once",
        (OPERATIONS, "return weights, 2 * weights * rows * columns"),
    ),
    mutant(
        "conv_cost",
        "square images only",
        "square",
        (OPERATIONS, "return weights, weights * rows * rows"),
    ),
    mutant(
        "conv_cost",
        "stride for rows alone",
        "divides once",
        (PIXELS, "rows, columns = -(-height // stride), width"),
    ),
    # bottleneck: the sum and the branch
    mutant("bottleneck", "no skip", "skip is missing", (SUM, "return F.relu(y)")),
    mutant("bottleneck", "F only", "alone comes back", (SUM, "return y")),
    mutant("bottleneck", "no final ReLU", "final ReLU", (SUM, "return y + self.projection(x)")),
    mutant(
        "bottleneck",
        "ReLU before the sum",
        "before the sum",
        (SUM, "return F.relu(y) + self.projection(x)"),
    ),
    mutant(
        "bottleneck",
        "F - x",
        "wrong sign",
        (SUM, "return F.relu(y - self.projection(x))"),
    ),
    mutant(
        "bottleneck",
        "skip halved",
        "skip is scaled",
        (SUM, "return F.relu(y + 0.5 * self.projection(x))"),
    ),
    mutant(
        "bottleneck",
        "detached skip",
        "skip is detached",
        (SUM, "return F.relu(y + self.projection(x).detach())"),
    ),
    mutant(
        "bottleneck",
        "concatenation",
        "concatenate",
        (SUM, "return F.relu(torch.cat([y, self.projection(x)], dim=1))"),
    ),
    mutant(
        "bottleneck",
        "sum into x in place",
        "in place",
        (SUM, "skip = self.projection(x)\n        skip += y\n        return F.relu(skip)"),
    ),
    mutant(
        "bottleneck",
        "no first ReLU",
        "after norm1 is missing",
        (FIRST, "y = self.norm1(self.conv1(x))"),
    ),
    mutant(
        "bottleneck",
        "no second ReLU",
        "after norm2 is missing",
        (SECOND, "y = self.norm2(self.conv2(y))"),
    ),
    mutant(
        "bottleneck",
        "ReLUs before the norms",
        "before the norms",
        (FIRST, "y = self.norm1(F.relu(self.conv1(x)))"),
        (SECOND, "y = self.norm2(F.relu(self.conv2(y)))"),
    ),
    mutant(
        "bottleneck",
        "no third norm",
        "norm after the last",
        ("self.norm3 = nn.BatchNorm2d(out_channels)", "self.norm3 = nn.Identity()"),
    ),
    mutant(
        "bottleneck",
        "one norm inside for both",
        "norm inside is missing",
        ("self.norm2 = nn.BatchNorm2d(width)", "self.norm2 = self.norm1"),
    ),
    mutant(
        "bottleneck",
        "biases everywhere",
        "bias",
        (CONV1, CONV1.replace(", bias=False", "")),
        (CONV2, CONV2.replace(", bias=False", "")),
        (CONV3, CONV3.replace(", bias=False", "")),
    ),
    mutant("bottleneck", "groups ignored", "groups", (CONV2, CONV2.replace("groups=groups, ", ""))),
    mutant(
        "bottleneck",
        "3x3 first",
        "3x3 stands first",
        (CONV1, "nn.Conv2d(in_channels, width, 3, stride=first, padding=1, bias=False)"),
        (CONV2, "width, width, 1, stride=second, groups=groups, bias=False"),
    ),
    mutant(
        "bottleneck",
        "batch statistics in evaluation mode",
        "wrong mode",
        *(
            (
                f"{n} = nn.BatchNorm2d(width)",
                f"{n} = nn.BatchNorm2d(width, track_running_stats=False)",
            )
            for n in ("self.norm1", "self.norm2")
        ),
        (
            "self.norm3 = nn.BatchNorm2d(out_channels)",
            "self.norm3 = nn.BatchNorm2d(out_channels, track_running_stats=False)",
        ),
    ),
    # bottleneck: stride and projection
    mutant(
        "bottleneck",
        "always v1",
        "belongs at the 3x3",
        (PLACES, "first, second = stride, 1"),
    ),
    mutant(
        "bottleneck",
        "always v1.5",
        "belongs at the first 1x1",
        (PLACES, "first, second = 1, stride"),
    ),
    mutant(
        "bottleneck",
        "stride in the last convolution",
        "the stride is at the last",
        (PLACES, "first, second = 1, 1"),
        (CONV3, "nn.Conv2d(width, out_channels, 1, stride=stride, bias=False)"),
    ),
    mutant(
        "bottleneck",
        "projection missing when only the stride changes",
        "projection is missing",
        (CHANGES, "if in_channels != out_channels:"),
    ),
    mutant(
        "bottleneck",
        "projection missing when only the channels change",
        "projection is missing",
        (CHANGES, "if stride != 1:"),
    ),
    mutant("bottleneck", "projection always", "there is a projection", (CHANGES, "if True:")),
    mutant(
        "bottleneck",
        "projection without norm",
        "norm of the projection",
        (f"{PROJECTION},\n                nn.BatchNorm2d(out_channels),", f"{PROJECTION},"),
    ),
    mutant("bottleneck", "hard-coded .cpu()", "device", (SUM, SUM + ".cpu()")),
    mutant("bottleneck", "hard-coded float32", "dtype", (SUM, SUM + ".float()")),
    # multiply_adds
    mutant(
        "multiply_adds",
        "groups ignored",
        "groups are ignored",
        (
            COUNT,
            "kernel = layer.weight[0, 0].numel() if isinstance(layer, nn.Conv2d) else 1\n"
            "        counts.append(output.numel() * inputs[0].shape[1] * kernel)",
        ),
    ),
    mutant(
        "multiply_adds", "convolutions only", "linear layers", (KINDS, "isinstance(m, nn.Conv2d)")
    ),
    mutant(
        "multiply_adds",
        "linear layers only",
        "convolutions are not",
        (KINDS, "isinstance(m, nn.Linear)"),
    ),
    mutant(
        "multiply_adds", "operations", "counts once", (COUNT, COUNT.replace("(out", "(2 * out"))
    ),
    mutant(
        "multiply_adds",
        "one image only",
        "batch is ignored",
        (COUNT, COUNT.replace("output.numel()", "output[0].numel()")),
    ),
    mutant(
        "multiply_adds",
        "parameters",
        "these are the parameters",
        ("return sum(counts)", "return sum(p.numel() for p in model.parameters())"),
    ),
    mutant(
        "multiply_adds",
        "biases counted",
        "biases are counted",
        (
            COUNT,
            "bias = 0 if layer.bias is None else 1\n"
            "        counts.append(output.numel() * (layer.weight[0].numel() + bias))",
        ),
    ),
    mutant(
        "multiply_adds",
        "pixels of the input",
        "pixels of the input",
        (
            COUNT,
            "if isinstance(layer, nn.Conv2d):\n"
            "            pixels = inputs[0].numel() // layer.in_channels\n"
            "            counts.append(pixels * layer.weight.numel())\n"
            "        else:\n"
            "            counts.append(output.numel() * layer.weight[0].numel())",
        ),
    ),
    mutant(
        "multiply_adds",
        "x moved to the CPU",
        "device",
        ("with torch.no_grad():\n        model(x)", "model(torch.zeros(x.shape))"),
    ),
    # resnet
    mutant(
        "resnet",
        "a block too many",
        "too many",
        ("for n in range(count):", "for n in range(count + 1):"),
    ),
    mutant(
        "resnet",
        "groups not passed on",
        "groups are ignored",
        (BLOCK, BLOCK.replace("stride, groups, stride_first", "stride, 1, stride_first")),
    ),
    mutant(
        "resnet",
        "stride_first not passed on",
        "stride_first",
        (BLOCK, BLOCK.replace(", stride_first", "")),
    ),
    mutant("resnet", "stem with bias", "stem's", (STEM, STEM.replace(", bias=False", ""))),
    mutant("resnet", "no pooling", "max pooling", (POOL, "nn.Identity()")),
    mutant("resnet", "mean pooling", "pools the mean", (POOL, POOL.replace("Max", "Avg"))),
    mutant(
        "resnet",
        "stage 1 halves too",
        "stage 1 has stride 2",
        (STRIDE, "stride = 2 if n == 0 else 1"),
    ),
    mutant("resnet", "no halving", "halve", (STRIDE, "stride = 1")),
    mutant("resnet", "softmax", "softmax", (HEAD, HEAD + ".softmax(dim=1)")),
    mutant("resnet", "largest pixel", "largest pixel", (HEAD, "return self.head(x.amax((2, 3)))")),
    mutant(
        "resnet",
        "classes ignored",
        "number of classes",
        ("(channels, classes)", "(channels, 1000)"),
    ),
    mutant(
        "resnet",
        "head created before the blocks",
        "order of assignment",
        (
            "layers, channels = [], 64",
            "self.head = nn.Linear(256 * 2 ** (len(blocks) - 1), classes)\n"
            "        layers, channels = [], 64",
        ),
        ("        self.head = nn.Linear(channels, classes)\n", ""),
    ),
    mutant(
        "resnet",
        "images moved to the CPU",
        "device",
        ("x = self.blocks(self.stem(x))", "x = self.blocks(self.stem(x.cpu()))"),
    ),
    # inverted
    mutant(
        "inverted",
        "no sigmoid",
        "sigmoid is missing",
        (GATES, "gates = self.excite(F.silu(self.squeeze(means)))"),
    ),
    mutant(
        "inverted", "ReLU in the gate", "inside is ReLU", (GATES, GATES.replace("silu", "relu"))
    ),
    mutant(
        "inverted",
        "gates alone",
        "gates alone",
        (GATED, "return gates[:, :, None, None].expand_as(x)"),
    ),
    mutant("inverted", "gates added", "multiply", (GATED, GATED.replace("*", "+"))),
    mutant(
        "inverted", "largest pixel in the gate", "largest pixel", (MEANS, "means = x.amax((2, 3))")
    ),
    mutant(
        "inverted",
        "x gated in place",
        "in place",
        (GATED, "return x.mul_(gates[:, :, None, None])"),
    ),
    mutant(
        "inverted",
        "squeezed from the width",
        "in_channels // 4",
        (SQUEEZED, "SqueezeExcite(width, max(1, width // 4)),"),
    ),
    mutant("inverted", "no gate", "squeeze-and-excite is missing", (SQUEEZED, "")),
    mutant("inverted", "dense 3x3", "depthwise", (DEPTHWISE, "bias=False),")),
    mutant(
        "inverted",
        "SiLU at the end",
        "ends linearly",
        (NARROW, NARROW + "\n            nn.SiLU(),"),
    ),
    mutant(
        "inverted",
        "ReLU after the sum",
        "ends linearly",
        (RETURN, "return F.relu(x + y if self.adds else y)"),
    ),
    mutant("inverted", "no skip", "skip is missing", (RETURN, "return y")),
    mutant(
        "inverted",
        "widens with expand 1 too",
        "expand 1",
        ("if expand != 1:", "if True:"),
    ),
    mutant(
        "inverted",
        "ReLU6 as in MobileNetV2",
        "ReLU6",
        (
            "layers += [nn.BatchNorm2d(width), nn.SiLU()]",
            "layers += [nn.BatchNorm2d(width), nn.ReLU6()]",
        ),
        ("            nn.SiLU(),\n", "            nn.ReLU6(),\n"),
    ),
    mutant(
        "inverted",
        "kernel ignored",
        "kernel is ignored",
        ("kernel, stride, kernel // 2, groups=width", "3, stride, 1, groups=width"),
    ),
    # receptive_field
    mutant("receptive_field", "k jumps", "k - 1", (GROWS, "field += kernel * jump")),
    mutant(
        "receptive_field",
        "stride first",
        "too early",
        (f"{GROWS}\n        {JUMPS}", f"{JUMPS}\n        {GROWS}"),
    ),
    mutant("receptive_field", "begins at 0", "one pixel", (START, "field, jump = 0, 1")),
    mutant(
        "receptive_field", "strides ignored", "strides are ignored", (GROWS, "field += kernel - 1")
    ),
    mutant("receptive_field", "strides added", "added", (JUMPS, "jump += stride - 1")),
    mutant(
        "receptive_field",
        "from the output down",
        "reversed",
        ("for kernel, stride in layers:", "for kernel, stride in reversed(layers):"),
    ),
    mutant("receptive_field", "swapped", "swapped", ("return field, jump", "return jump, field")),
    # widest
    mutant("widest", "groups ignored", "groups are ignored", (" // GROUPS <=", " <=")),
    mutant("widest", "one 1x1", "there are two", ("2 * channels", "channels")),
    mutant("widest", "no kernel", "kernel is ignored", ("+ 9 * (", "+ (")),
    mutant("widest", "one step too wide", "costs more", ("return width", "return width + GROUPS")),
    mutant("widest", "budget not spent", "may be spent", ("<= budget", "< budget")),
    mutant(
        "widest",
        "no multiple of the groups",
        "no multiple",
        (FITS, FITS.replace("width + GROUPS", "width + 1")),
        ("width += GROUPS", "width += 1"),
    ),
    mutant("widest", "another's groups", "yours has", ("GROUPS = 8\n", "GROUPS = 4\n")),
    # intensity
    mutant(
        "intensity", "weights left out", "weights are not", (RATIO, "return operations / images")
    ),
    mutant(
        "intensity", "output left out", "output is not", (IMAGES, "images = in_channels * size**2")
    ),
    mutant(
        "intensity",
        "bytes",
        "bytes",
        (RATIO, "return batch * operations / (batch * images + weights) / 4"),
    ),
    mutant(
        "intensity",
        "weights for every image",
        "every image",
        (RATIO, "return operations / (images + weights)"),
    ),
    mutant(
        "intensity",
        "the wrong way up",
        "wrong way up",
        (RATIO, "return (batch * images + weights) / (batch * operations)"),
    ),
    mutant(
        "intensity",
        "output as large as the input",
        "mind the stride",
        (IMAGES, "images = (in_channels + out_channels) * size**2"),
    ),
]

COST_BY_LAYER = """
def conv_cost(in_channels, out_channels, kernel, height, width, stride=1, groups=1):
    layer = nn.Conv2d(
        in_channels, out_channels, kernel, stride, kernel // 2, groups=groups, bias=False,
        device="meta",
    )
    weights = layer.weight.numel()
    output = layer(torch.empty(1, in_channels, height, width, device="meta"))
    return [weights, weights * output.shape[2] * output.shape[3]]
"""

TORCHVISION_BLOCK = """
from torchvision.models.resnet import Bottleneck as Original


class Bottleneck(Original):
    def __init__(self, in_channels, width, out_channels, stride=1, groups=1, stride_first=False):
        downsample = None
        if stride > 1 or in_channels != out_channels:
            downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        nn.Module.__init__(self)
        a, b = (stride, 1) if stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, a, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, b, 1, groups=groups, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample
"""

SEQUENTIAL_BLOCK = """
def conv_norm(C, D, k, s=1, g=1):
    return [nn.Conv2d(C, D, k, s, k // 2, groups=g, bias=False), nn.BatchNorm2d(D)]


class Bottleneck(nn.Module):
    def __init__(self, in_channels, width, out_channels, stride=1, groups=1, stride_first=False):
        super().__init__()
        self.branch = nn.Sequential(
            *conv_norm(in_channels, width, 1, stride if stride_first else 1),
            nn.ReLU(inplace=True),
            *conv_norm(width, width, 3, 1 if stride_first else stride, groups),
            nn.ReLU(inplace=True),
            *conv_norm(width, out_channels, 1),
        )
        nn.init.zeros_(self.branch[-1].weight)
        same = stride == 1 and in_channels == out_channels
        self.way_round = nn.Sequential(
            *([] if same else conv_norm(in_channels, out_channels, 1, stride))
        )

    def forward(self, x):
        return torch.clamp(self.way_round(x) + self.branch(x), min=0)
"""

SUBSAMPLED_BLOCK = """
class Bottleneck(nn.Module):
    def __init__(self, in_channels, width, out_channels, stride=1, groups=1, stride_first=False):
        super().__init__()
        self.stride, self.early = stride, stride_first
        self.shortcut = None
        if stride != 1 or in_channels != out_channels:
            self.shortcut = nn.ModuleList(
                [nn.Conv2d(in_channels, out_channels, 1, bias=False), nn.BatchNorm2d(out_channels)]
            )
        self.norms = nn.ModuleList(nn.BatchNorm2d(n) for n in (width, width, out_channels))
        self.last = nn.Conv2d(width, out_channels, 1, bias=False)
        self.middle = nn.Conv2d(
            width, width, 3, 1 if stride_first else stride, 1, groups=groups, bias=False
        )
        self.first = nn.Conv2d(in_channels, width, 1, bias=False)

    def forward(self, x):
        small = x[:, :, :: self.stride, :: self.stride]
        y = self.norms[0](self.first(small if self.early else x)).relu()
        y = self.norms[1](self.middle(y)).relu()
        y = self.norms[2](self.last(y))
        if self.shortcut is None:
            return (x + y).relu()
        return (y + self.shortcut[1](self.shortcut[0](small))).relu()
"""

FLOP_COUNTER = """
from torch.utils.flop_counter import FlopCounterMode


def multiply_adds(model, x):
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(x)
    return counter.get_total_flops() // 2
"""

BY_SHAPES = """
def multiply_adds(model, x):
    total = 0

    def count(layer, inputs, output):
        nonlocal total
        if isinstance(layer, nn.Conv2d):
            k = layer.kernel_size[0] * layer.kernel_size[1]
            total += layer.in_channels // layer.groups * k * output.numel()
        elif isinstance(layer, nn.Linear):
            total += layer.in_features * output.numel()

    copy = deepcopy(model).to("meta")
    for layer in copy.modules():
        layer.register_forward_hook(count)
    copy(x.to("meta"))
    return total
"""

RESNET_STAGES = """
class ResNet(nn.Module):
    def __init__(self, blocks, classes=1000, width=64, groups=1, stride_first=False):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.stages = nn.ModuleList()
        for s, count in enumerate(blocks):
            before, outer = 64 if s == 0 else 128 * 2**s, 256 << s
            first = Bottleneck(before, width << s, outer, 1 if s == 0 else 2, groups, stride_first)
            rest = [Bottleneck(outer, width << s, outer, groups=groups) for _ in range(count - 1)]
            self.stages.append(nn.Sequential(first, *rest))
        self.fc = nn.Linear(outer, classes)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))
"""

RESNET_SUBCLASS = """
from torchvision.models.resnet import Bottleneck as Original


class ResNet(torchvision.models.ResNet):
    def __init__(self, blocks, classes=1000, width=64, groups=1, stride_first=False):
        super().__init__(
            Original, blocks, num_classes=classes, groups=groups, width_per_group=width // groups
        )
        for block in self.modules():
            if stride_first and isinstance(block, Original):
                block.conv1.stride, block.conv2.stride = block.conv2.stride, (1, 1)
"""

GATE_BY_CONVOLUTIONS = """
class SqueezeExcite(nn.Module):
    def __init__(self, channels, squeezed):
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.SiLU(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return self.gate(x) * x


class InvertedBottleneck(nn.Module):
    def __init__(self, in_channels, out_channels, expand, kernel=3, stride=1):
        super().__init__()
        width = in_channels * expand
        self.shapes_agree = (in_channels, stride) == (out_channels, 1)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.narrow = nn.Conv2d(width, out_channels, 1, bias=False)
        self.gate = SqueezeExcite(width, in_channels // 4 or 1)
        self.norm2 = nn.BatchNorm2d(width)
        self.filter = nn.Conv2d(
            width, width, kernel, stride, (kernel - 1) // 2, groups=width, bias=False
        )
        self.widen = nn.Identity()
        if expand > 1:
            self.widen = nn.Sequential(
                nn.Conv2d(in_channels, width, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.SiLU(inplace=True),
            )

    def forward(self, x):
        y = F.silu(self.norm2(self.filter(self.widen(x))))
        y = self.norm3(self.narrow(self.gate(y)))
        if self.shapes_agree:
            y = y + x
        return y
"""

TORCHVISION_MBCONV = """
class SqueezeExcite(torchvision.ops.SqueezeExcitation):
    def __init__(self, channels, squeezed):
        super().__init__(channels, squeezed, activation=nn.SiLU)


class InvertedBottleneck(nn.Module):
    def __init__(self, in_channels, out_channels, expand, kernel=3, stride=1):
        super().__init__()
        Layer, width = torchvision.ops.Conv2dNormActivation, in_channels * expand
        layers = []
        if expand > 1:
            layers.append(Layer(in_channels, width, 1, activation_layer=nn.SiLU))
        layers += [
            Layer(width, width, kernel, stride, groups=width, activation_layer=nn.SiLU),
            SqueezeExcite(width, max(1, in_channels // 4)),
            Layer(width, out_channels, 1, activation_layer=None),
        ]
        self.layers = nn.ModuleList(layers)
        self.factor = float(stride == 1 and in_channels == out_channels)

    def forward(self, x):
        y = x
        for layer in self.layers:
            y = layer(y)
        return y + x if self.factor else y
"""

FIELD_FROM_THE_TOP = """
from math import prod


def receptive_field(layers):
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return [field, prod(stride for _, stride in layers)]
"""

FIELD_BY_SUM = """
import numpy


def receptive_field(layers):
    jumps = numpy.cumprod([1] + [s for _, s in layers])
    return 1 + sum((k - 1) * jump for (k, _), jump in zip(layers, jumps)), jumps[-1]
"""

INTENSITY_BY_LAYER = """
def intensity(in_channels, out_channels, kernel, size, stride=1, groups=1, batch=1):
    layer = nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, groups=groups)
    layer, x = layer.to("meta"), torch.empty(batch, in_channels, size, size, device="meta")
    y = layer(x)
    moved = x.numel() + y.numel() + layer.weight.numel()
    return torch.tensor(layer.weight[0].numel() * y.numel() / moved, dtype=torch.float64)
"""

WIDEST_BY_FORMULA = """
def widest(channels, budget):
    GROUPS = 8
    a, b = 9 / GROUPS, 2 * channels  # a W W + b W <= budget
    root = ((b * b + 4 * a * budget) ** 0.5 - b) / (2 * a)
    return int(root + 1e-9) // GROUPS * GROUPS
"""

WIDEST_BY_LAYERS = """
GROUPS = 8


def price(channels, width, groups):
    ends = nn.Conv2d(channels, width, 1, bias=False), nn.Conv2d(width, channels, 1, bias=False)
    middle = nn.Conv2d(width, width, 3, groups=groups, bias=False)
    return sum(layer.weight.numel() for layer in (*ends, middle))


def widest(channels, budget, groups=GROUPS):
    fitting = [0]
    with torch.device("meta"):
        while price(channels, fitting[-1] + groups, groups) <= budget:
            fitting.append(fitting[-1] + groups)
    return max(fitting)
"""

VARIANTS = [
    Variant("conv_cost", "counted on a real layer, a list", source=COST_BY_LAYER),
    Variant("bottleneck", "a subclass of torchvision's block", source=TORCHVISION_BLOCK),
    Variant("bottleneck", "one Sequential, zero gamma", source=SEQUENTIAL_BLOCK),
    Variant("bottleneck", "pixels dropped by slices, other order", source=SUBSAMPLED_BLOCK),
    Variant("multiply_adds", "torch's own counter, halved", source=FLOP_COUNTER),
    Variant("multiply_adds", "from the layers' sizes, on a copy", source=BY_SHAPES),
    Variant("resnet", "stages, torchvision's names", source=RESNET_STAGES),
    Variant("resnet", "a subclass of torchvision's network", source=RESNET_SUBCLASS),
    Variant("inverted", "convolutions in the gate, other order", source=GATE_BY_CONVOLUTIONS),
    Variant("inverted", "torchvision's layers", source=TORCHVISION_MBCONV),
    Variant("receptive_field", "from the output down", source=FIELD_FROM_THE_TOP),
    Variant("receptive_field", "cumulative products of numpy", source=FIELD_BY_SUM),
    Variant("widest", "by the quadratic formula", source=WIDEST_BY_FORMULA),
    Variant("widest", "counted on real layers", source=WIDEST_BY_LAYERS),
    Variant("intensity", "from the tensors of a layer", source=INTENSITY_BY_LAYER),
]
