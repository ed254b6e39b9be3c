"""Wrong and honest answers to the exercises of lesson 07, dense and U-shaped."""

from cases import Mutant, Variant

LEAVING = "leaving = channels + layers * growth"
HALVED = "channels = leaving // 2"
PAIR = "widths.append((channels, leaving))"
NORM1 = "self.norm1 = nn.BatchNorm2d(in_channels)"
CONV1 = "self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)"
NORM2 = "self.norm2 = nn.BatchNorm2d(4 * growth)"
CONV2 = "self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)"
FIRST = "y = self.conv1(F.relu(self.norm1(x)))"
SECOND = "return self.conv2(F.relu(self.norm2(y)))"
WIDTHS = "widths = [in_channels + n * growth for n in range(layers)]"
LAYERS = "self.layers = nn.ModuleList(DenseLayer(width, growth) for width in widths)"
JOIN = "x = torch.cat([x, layer(x)], dim=1)"
BLOCK = """        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)  # (B, C + growth, H, W)
        return x"""
STEM = "nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False)"
STEM_NORM = """            nn.BatchNorm2d(stem),
            nn.ReLU(),
            nn.MaxPool2d"""
POOL = "nn.MaxPool2d(3, stride=2, padding=1)"
BETWEEN = "if number > 0:"
TRANSITION = "nn.Conv2d(channels, channels // 2, 1, bias=False)"
TRANSITION_NORM = """                    nn.BatchNorm2d(channels),
                    nn.ReLU(),"""
SHRINK = "nn.AvgPool2d(2)"
DENSE = "parts.append(DenseBlock(layers, channels, growth))"
BODY = "self.body = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.ReLU())"
HEAD = "return self.head(x.mean(dim=(2, 3)))"
CALL = "y = checkpoint(squeeze, *features, use_reentrant=False)"
SQUEEZE = "return self.conv1(F.relu(self.norm1(x)))"
JOINED = "x = torch.cat(features, dim=1)"
TABLE = "table[row, column] = part.abs().mean()"
SPLIT = "weight.split([first] + [growth] * row, dim=1)"
ZEROS = "table = weights[0].new_zeros(len(weights), len(weights))"
SETS = "found, wanted = logits > 0, masks > 0.5"
UNION = "union = (found | wanted).sum().item()"
EMPTY = """    if union == 0:
        return 1.0
"""
SCORE = "return (found & wanted).sum().item() / union"
CHECK = """        if skip not in ("concat", "add", "none"):
            raise ValueError(f"no such skip: {skip!r}")
"""
LEVELS = "widths = [width * 2**level for level in range(depth + 1)]"
DOWN = "x = encoder(F.max_pool2d(x, 2) if level > 0 else x)"
NARROW = "self.ups.append(nn.Conv2d(2 * channels, channels, 1))"
READS = 'joined = 2 * channels if skip == "concat" else channels'
POP = "        kept.pop()\n        for"
TAKE = "earlier = kept.pop()"
LARGER = "x = F.interpolate(up(x), size=earlier.shape[2:])"
CONCAT = "x = torch.cat([earlier, x], dim=1)"
ADD = "x = earlier + x"
DECODE = "x = decoder(x)  # (B, C_n, ...)"
LOGITS = "return self.head(x)"
LAST = "self.head = nn.Conv2d(width, out_channels, 1)"


def mutant(exercise, name, says, *edits):
    return Mutant(exercise, name, edits=edits, says=says)


MUTANTS = [
    # dense_channels
    mutant("dense_channels", "no halving", "no transition halves", (HALVED, "channels = leaving")),
    mutant(
        "dense_channels",
        "halved before the first block",
        "before the first block",
        ("widths, channels = [], stem\n", "widths, channels = [], stem // 2\n"),
    ),
    mutant(
        "dense_channels",
        "growth ignored",
        "each layer adds one",
        (LEAVING, "leaving = channels + layers"),
    ),
    mutant(
        "dense_channels",
        "growth times four",
        "multiplied by the 4",
        (LEAVING, "leaving = channels + 4 * layers * growth"),
    ),
    mutant(
        "dense_channels",
        "one layer for each block",
        "whatever its number",
        (LEAVING, "leaving = channels + growth"),
    ),
    mutant(
        "dense_channels",
        "halved inside the block",
        "has been halved already",
        (PAIR, "widths.append((channels, leaving // 2))"),
    ),
    mutant("dense_channels", "x dropped", "x is kept", (LEAVING, "leaving = layers * growth")),
    mutant(
        "dense_channels",
        "last layer forgotten",
        "last layer of each block",
        (LEAVING, "leaving = channels + (layers - 1) * growth"),
    ),
    mutant("dense_channels", "doubled", "double", (HALVED, "channels = 2 * leaving")),
    mutant("dense_channels", "halves are floats", "//", (HALVED, "channels = leaving / 2")),
    mutant(
        "dense_channels", "only what leaves", "dense_channels", (PAIR, "widths.append(leaving)")
    ),
    # dense_block: the layer
    mutant(
        "dense_block", "first ReLU missing", "first ReLU", (FIRST, "y = self.conv1(self.norm1(x))")
    ),
    mutant(
        "dense_block",
        "second ReLU missing",
        "second ReLU",
        (SECOND, "return self.conv2(self.norm2(y))"),
    ),
    mutant(
        "dense_block",
        "ReLUs before the norms",
        "before its norm",
        (FIRST, "y = self.conv1(self.norm1(F.relu(x)))"),
        (SECOND, "return self.conv2(self.norm2(F.relu(y)))"),
    ),
    mutant(
        "dense_block",
        "ReLU at the end",
        "follows the last",
        (SECOND, f"return F.relu({SECOND[7:]})"),
    ),
    mutant(
        "dense_block",
        "layer appends x",
        "x is appended here",
        (SECOND, f"return torch.cat([x, {SECOND[7:]}], dim=1)"),
    ),
    mutant(
        "dense_block",
        "norms behind the convolutions",
        "behind their convolutions",
        (NORM1, "self.norm1 = nn.BatchNorm2d(4 * growth)"),
        (NORM2, "self.norm2 = nn.BatchNorm2d(growth)"),
        (FIRST, "y = F.relu(self.norm1(self.conv1(x)))"),
        (SECOND, "return F.relu(self.norm2(self.conv2(y)))"),
    ),
    mutant(
        "dense_block",
        "no first norm",
        "first norm is missing",
        (NORM1, "self.norm1 = nn.Identity()"),
    ),
    mutant(
        "dense_block",
        "no bottleneck",
        "bottleneck is missing",
        (CONV1, "self.conv1 = nn.Identity()"),
        (NORM2, "self.norm2 = nn.Identity()"),
        (CONV2, "self.conv2 = nn.Conv2d(in_channels, growth, 3, padding=1, bias=False)"),
    ),
    mutant(
        "dense_block",
        "inner width growth",
        "inner width",
        (CONV1, CONV1.replace("4 * growth", "growth")),
        (NORM2, NORM2.replace("4 * growth", "growth")),
        (CONV2, CONV2.replace("4 * growth", "growth")),
    ),
    mutant(
        "dense_block",
        "biases",
        "both convolutions have a bias",
        (CONV1, CONV1.replace(", bias=False", "")),
        (CONV2, CONV2.replace(", bias=False", "")),
    ),
    mutant(
        "dense_block",
        "3x3 has a bias",
        "3x3 convolution has a bias",
        (CONV2, CONV2.replace(", bias=False", "")),
    ),
    mutant(
        "dense_block",
        "kernels exchanged",
        "changed places",
        (CONV1, "self.conv1 = nn.Conv2d(in_channels, 4 * growth, 3, padding=1, bias=False)"),
        (CONV2, "self.conv2 = nn.Conv2d(4 * growth, growth, 1, bias=False)"),
    ),
    mutant(
        "dense_block",
        "no padding",
        "no padding",
        (CONV2, CONV2.replace(", padding=1", "")),
    ),
    mutant(
        "dense_block",
        "batch statistics in evaluation mode",
        "wrong mode",
        (NORM1, "self.norm1 = nn.BatchNorm2d(in_channels, track_running_stats=False)"),
        (NORM2, "self.norm2 = nn.BatchNorm2d(4 * growth, track_running_stats=False)"),
    ),
    mutant("dense_block", "x changed in place", "in place", (FIRST, FIRST + "; x.relu_()")),
    mutant(
        "dense_block",
        "layer in float32",
        "dtype",
        (FIRST, "y = self.conv1(F.relu(self.norm1(x.float())))"),
    ),
    mutant("dense_block", "layer on the CPU", "device", (SECOND, SECOND + ".cpu()")),
    # dense_block: the block
    mutant("dense_block", "sum", "", (JOIN, "x = x + layer(x)")),
    mutant(
        "dense_block",
        "new channels in front",
        "put in front",
        (JOIN, "x = torch.cat([layer(x), x], dim=1)"),
    ),
    mutant(
        "dense_block",
        "every layer reads in_channels",
        "every layer reads",
        (WIDTHS, "widths = [in_channels] * layers"),
        (
            BLOCK,
            "        return torch.cat([x] + [layer(x) for layer in self.layers], dim=1)",
        ),
    ),
    mutant(
        "dense_block",
        "x left out of the result",
        "x is missing in the output",
        (BLOCK, "        size = x.shape[1]\n" + BLOCK.replace("return x", "return x[:, size:]")),
    ),
    mutant(
        "dense_block",
        "only the last layer's channels",
        "last layer made",
        (
            BLOCK,
            "        for layer in self.layers:\n"
            "            new = layer(x)\n"
            "            x = torch.cat([x, new], dim=1)\n"
            "        return new",
        ),
    ),
    mutant(
        "dense_block",
        "layers in a plain list",
        "nn.ModuleList",
        (LAYERS, "self.layers = [DenseLayer(width, growth) for width in widths]"),
    ),
    mutant(
        "dense_block",
        "one layer too many",
        "one layer too many",
        (WIDTHS, WIDTHS.replace("range(layers)", "range(layers + 1)")),
    ),
    mutant(
        "dense_block",
        "detached features",
        "detached",
        (JOIN, "x = torch.cat([x.detach(), layer(x)], dim=1)"),
    ),
    # densenet
    mutant(
        "densenet",
        "no norm at the end",
        "norm behind the last block",
        (BODY, "self.body = nn.Sequential(*parts, nn.ReLU())"),
    ),
    mutant(
        "densenet",
        "no ReLU at the end",
        "ReLU behind the last norm",
        (BODY, "self.body = nn.Sequential(*parts, nn.BatchNorm2d(channels))"),
    ),
    mutant(
        "densenet",
        "transitions keep the channels",
        "keep the channels",
        (TRANSITION, "nn.Conv2d(channels, channels, 1, bias=False)"),
        ("channels = channels // 2", "pass"),
    ),
    mutant(
        "densenet",
        "transitions have a bias",
        "transitions' convolutions have a bias",
        (TRANSITION, TRANSITION.replace(", bias=False", "")),
    ),
    mutant(
        "densenet",
        "transitions without norm",
        "transitions have no norm",
        (TRANSITION_NORM, "                    nn.ReLU(),"),
    ),
    mutant(
        "densenet",
        "transitions without ReLU",
        "transitions have no ReLU",
        (TRANSITION_NORM, "                    nn.BatchNorm2d(channels),"),
    ),
    mutant(
        "densenet", "transitions pool the maximum", "pool the maximum", (SHRINK, "nn.MaxPool2d(2)")
    ),
    mutant(
        "densenet",
        "transitions round up",
        "round odd sizes up",
        (SHRINK, "nn.AvgPool2d(2, ceil_mode=True)"),
    ),
    mutant("densenet", "transitions do not pool", "do not halve rows", (SHRINK, "nn.Identity()")),
    mutant(
        "densenet",
        "stem has a bias",
        "stem's convolution has a bias",
        (STEM, STEM.replace(", bias=False", "")),
    ),
    mutant(
        "densenet",
        "stem without norm",
        "stem's norm",
        (STEM_NORM, "            nn.ReLU(),\n            nn.MaxPool2d"),
    ),
    mutant(
        "densenet",
        "stem without ReLU",
        "stem's ReLU",
        (STEM_NORM, "            nn.BatchNorm2d(stem),\n            nn.MaxPool2d"),
    ),
    mutant("densenet", "no pooling in the stem", "max pooling", (POOL, "nn.Identity()")),
    mutant(
        "densenet",
        "stem pools the mean",
        "pools the mean",
        (POOL, "nn.AvgPool2d(3, stride=2, padding=1)"),
    ),
    mutant(
        "densenet",
        "no stride in the stem",
        "stride 2",
        (STEM, STEM.replace("stride=2, ", "")),
    ),
    mutant(
        "densenet",
        "growth ignored",
        "growth is ignored",
        (DENSE, "growth = 32\n            " + DENSE),
    ),
    mutant(
        "densenet",
        "classes ignored",
        "classes is ignored",
        ("nn.Linear(channels, classes)", "nn.Linear(channels, 1000)"),
    ),
    mutant("densenet", "softmax", "softmax", (HEAD, HEAD + ".softmax(dim=1)")),
    mutant(
        "densenet",
        "maximum over pixels",
        "maximum over pixels",
        (HEAD, HEAD.replace("mean(", "amax(")),
    ),
    mutant(
        "densenet",
        "head assigned first",
        "order of assignment",
        ("        self.head = nn.Linear(channels, classes)\n", ""),
        (
            "        parts = [",
            "        channels = self.out(blocks, growth, stem)\n"
            "        self.head = nn.Linear(channels, classes)\n        parts = [",
        ),
        (
            "    def forward(self, x):",
            "    def out(self, blocks, growth, stem):\n"
            "        for number, layers in enumerate(blocks):\n"
            "            stem = (stem // 2 if number else stem) + layers * growth\n"
            "        return stem\n\n"
            "    def forward(self, x):",
        ),
    ),
    mutant(
        "densenet",
        "logits in float32",
        "dtype",
        (HEAD, "return self.head(x.mean(dim=(2, 3)).float())"),
    ),
    # thrifty
    mutant(
        "thrifty", "no checkpoint", "nothing is computed again", (CALL, "y = squeeze(*features)")
    ),
    mutant(
        "thrifty",
        "the second half runs again",
        "second half that runs again",
        (CALL, "y = squeeze(*features)"),
        (
            SECOND,
            "return checkpoint("
            "lambda y: self.conv2(F.relu(self.norm2(y))), y, use_reentrant=False)",
        ),
    ),
    mutant(
        "thrifty",
        "reentrant checkpoint",
        "use_reentrant=False",
        (CALL, CALL.replace("False", "True")),
    ),
    mutant(
        "thrifty",
        "first half twice in the forward pass",
        "run twice in the forward pass",
        (CALL, "squeeze(*features)\n        y = squeeze(*features)"),
    ),
    mutant(
        "thrifty",
        "list goes in whole",
        "a list of tensors",
        (CALL, CALL.replace("*features", "features")),
    ),
    mutant(
        "thrifty",
        "last feature detached",
        "gradient with respect to features",
        (CALL, "features = [*features[:-1], features[-1].detach()]\n        " + CALL),
    ),
    mutant(
        "thrifty",
        "features in reverse order",
        "join, norm",
        (JOINED, "x = torch.cat(features[::-1], dim=1)"),
    ),
    mutant("thrifty", "no ReLU", "first ReLU", (SQUEEZE, "return self.conv1(self.norm1(x))")),
    mutant(
        "thrifty",
        "first half without gradients",
        "gradient",
        (CALL, "with torch.no_grad():\n            y = squeeze(*features)"),
    ),
    # feature_reuse
    mutant(
        "feature_reuse",
        "no absolute value",
        "keep their signs",
        (TABLE, "table[row, column] = part.mean()"),
    ),
    mutant(
        "feature_reuse",
        "absolute value of the mean",
        "of the mean: take it of each",
        (TABLE, "table[row, column] = part.mean().abs()"),
    ),
    mutant(
        "feature_reuse",
        "root mean square",
        "root mean squares",
        (TABLE, "table[row, column] = part.square().mean().sqrt()"),
    ),
    mutant(
        "feature_reuse",
        "largest",
        "largest values",
        (TABLE, "table[row, column] = part.abs().max()"),
    ),
    mutant(
        "feature_reuse",
        "sum",
        "sums over the weights",
        (TABLE, "table[row, column] = part.abs().sum()"),
    ),
    mutant(
        "feature_reuse",
        "sum over the source's channels",
        "sums over the source",
        (TABLE, "table[row, column] = part.abs().mean(0).sum()"),
    ),
    mutant(
        "feature_reuse",
        "rows normalised",
        "divided by its sum",
        ("return table", "return table / table.sum(dim=1, keepdim=True)"),
    ),
    mutant(
        "feature_reuse", "transposed", "exchanged", ("return table", "return table.T.contiguous()")
    ),
    mutant(
        "feature_reuse",
        "sources backwards",
        "from the last to the first",
        (SPLIT, "weight.split([growth] * row + [first], dim=1)"),
    ),
    mutant(
        "feature_reuse",
        "input of growth channels",
        "`first`",
        (SPLIT, "weight.split(growth, dim=1)"),
    ),
    mutant(
        "feature_reuse",
        "table in float32 on the CPU",
        "dtype",
        (ZEROS, "table = torch.zeros(len(weights), len(weights))"),
    ),
    mutant(
        "feature_reuse",
        "weights changed in place",
        "in place",
        (TABLE, "table[row, column] = part.abs_().mean()"),
    ),
    # iou
    mutant(
        "iou",
        "threshold one half",
        "compared with 0.5",
        (SETS, SETS.replace("logits > 0", "logits > 0.5")),
    ),
    mutant(
        "iou",
        "zero counts as found",
        "exactly 0",
        (SETS, SETS.replace("logits > 0", "logits >= 0")),
    ),
    mutant(
        "iou",
        "accuracy",
        "share of pixels",
        (SCORE, "return (found == wanted).double().mean().item()"),
    ),
    mutant(
        "iou",
        "Dice",
        "Dice",
        (SCORE, SCORE.replace("/ union", "* 2 / (found.sum() + wanted.sum()).item()")),
    ),
    mutant(
        "iou",
        "union counts twice",
        "counts the intersection twice",
        (UNION, "union = (found.sum() + wanted.sum()).item()"),
    ),
    mutant("iou", "empty gives zero", "nothing is missed", ("return 1.0", "return 0.0")),
    mutant("iou", "empty not handled", "0 divided by 0", (EMPTY, "")),
    mutant("iou", "per cent", "100 times", (SCORE, "return 100 * " + SCORE[7:])),
    mutant(
        "iou",
        "recall",
        "wanted pixels alone",
        (SCORE, "return (found & wanted).sum().item() / max(1, wanted.sum().item())"),
    ),
    mutant(
        "iou",
        "precision",
        "found pixels alone",
        (SCORE, "return (found & wanted).sum().item() / max(1, found.sum().item())"),
    ),
    mutant(
        "iou",
        "mean over pictures",
        "averaged",
        (
            UNION,
            "both = (found & wanted).flatten(1).sum(1)\n"
            "    union = (found | wanted).flatten(1).sum(1)",
        ),
        (EMPTY, ""),
        (SCORE, "return torch.where(union > 0, both / union.clamp(min=1), 1.0).mean().item()"),
    ),
    mutant(
        "iou",
        "soft",
        "multiplied",
        (
            SETS,
            "p = logits.sigmoid()\n"
            "    both = (p * masks).sum().item()\n"
            "    return both / (p.sum().item() + masks.sum().item() - both)\n    " + SETS,
        ),
    ),
    # unet
    mutant(
        "unet",
        "what came up first",
        "order of the channels",
        (CONCAT, "x = torch.cat([x, earlier], dim=1)"),
    ),
    mutant("unet", "the skip is x itself", "comes twice", (CONCAT, "x = torch.cat([x, x], dim=1)")),
    mutant(
        "unet",
        "what came up is left out",
        "what came up is missing",
        (CONCAT, "x = torch.cat([earlier, earlier], dim=1)"),
    ),
    mutant(
        "unet", "mean pooling", "mean of 2 x 2", (DOWN, DOWN.replace("max_pool2d", "avg_pool2d"))
    ),
    mutant(
        "unet", "bilinear", "interpolation", (LARGER, LARGER.replace("])", '], mode="bilinear")'))
    ),
    mutant("unet", "scale factor 2", "", (LARGER, "x = F.interpolate(up(x), scale_factor=2)")),
    mutant("unet", "sigmoid", "sigmoid", (LOGITS, "return self.head(x).sigmoid()")),
    mutant(
        "unet", "ReLU at the end", "goes through a ReLU", (LOGITS, "return F.relu(self.head(x))")
    ),
    mutant("unet", "detached skip", "detached", (TAKE, "earlier = kept.pop().detach()")),
    mutant(
        "unet",
        "one level too many",
        "one level too many",
        (LEVELS, LEVELS.replace("depth + 1", "depth + 2")),
    ),
    mutant("unet", "width ignored", "width is ignored", (LEVELS, "width = 6\n        " + LEVELS)),
    mutant(
        "unet",
        "channels do not double",
        "do not double",
        (LEVELS, "widths = [width] * (depth + 1)"),
        (NARROW, "self.ups.append(nn.Conv2d(channels, channels, 1))"),
    ),
    mutant(
        "unet",
        "head without bias",
        "head has no bias",
        (LAST, LAST.replace("1)", "1, bias=False)")),
    ),
    mutant(
        "unet",
        "1x1 without bias",
        "have no bias",
        (NARROW, NARROW.replace("1))", "1, bias=False))")),
    ),
    mutant(
        "unet", "out_channels ignored", "out_channels", (LAST, "self.head = nn.Conv2d(width, 1, 1)")
    ),
    mutant(
        "unet",
        "always reads 2 C",
        "with skip='add' it reads C",
        (READS, "joined = 2 * channels"),
        (
            "            x = decoder(x)",
            "            if self.skip != 'concat':\n"
            "                x = torch.cat([x, 0 * x], dim=1)\n"
            "            x = decoder(x)",
        ),
    ),
    mutant("unet", "add does not add", "the skip is missing", (ADD, "x = x")),
    mutant("unet", "add takes the mean", "mean of the two", (ADD, "x = (earlier + x) / 2")),
    mutant("unet", "add subtracts", "subtracted", (ADD, "x = x - earlier")),
    mutant("unet", "none adds", "skip='none'", ('elif self.skip == "add":', "else:")),
    mutant("unet", "unknown skips pass", "ValueError", (CHECK, "")),
    mutant("unet", "in float32", "dtype", (DOWN, "x = x.float()\n            " + DOWN)),
    mutant("unet", "on the CPU", "device", (LOGITS, "return self.head(x).cpu()")),
]

CHANNELS_BY_SUM = """
def dense_channels(blocks, growth=32, stem=64):
    result = []
    for layers in blocks:
        start = stem if not result else int(result[-1][1] / 2)
        result.append([start, start + sum(growth for _ in range(layers))])
    return tuple(result)
"""

TORCHVISION_STYLE = """
class DenseLayer(nn.Sequential):
    def __init__(self, in_channels, growth):
        super().__init__(
            nn.BatchNorm2d(in_channels), nn.ReLU(),
            nn.Conv2d(in_channels, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth), nn.ReLU(inplace=True),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )


class DenseBlock(nn.Module):
    def __init__(self, layers, in_channels, growth):
        super().__init__()
        for n in range(layers):
            self.add_module(f"layer{n}", DenseLayer(in_channels + n * growth, growth))

    def forward(self, x):
        features = [x]
        for layer in self.children():
            features += [layer(torch.cat(features, 1))]
        return torch.cat(features, 1)
"""

PREALLOCATED = """
class DenseLayer(nn.Module):
    def __init__(self, in_channels, growth):
        super().__init__()
        self.first_norm = nn.BatchNorm2d(in_channels)
        self.squeeze = nn.Conv2d(in_channels, 4 * growth, kernel_size=(1, 1), bias=False)
        self.second_norm = nn.BatchNorm2d(4 * growth)
        self.look = nn.Conv2d(4 * growth, growth, (3, 3), padding="same", bias=False)

    def forward(self, x):
        x = self.squeeze(self.first_norm(x).clamp(min=0))
        return self.look(torch.relu(self.second_norm(x)))


class DenseBlock(nn.ModuleList):
    def __init__(self, layers, in_channels, growth):
        super().__init__([DenseLayer(in_channels + n * growth, growth) for n in range(layers)])

    def forward(self, x):
        if not len(self):
            return x
        head, *rest = self
        for layer in (head, *rest):
            x = torch.hstack((x, layer(x)))
        return x
"""

SUBCLASSED_NET = """
class DenseNet(nn.Module):
    def __init__(self, blocks=(6, 12, 24, 16), growth=32, stem=64, classes=1000):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, stem, 7, 2, 3, bias=False), nn.BatchNorm2d(stem)
        self.steps = nn.ModuleList()
        for number, layers in enumerate(blocks):
            if number:
                self.steps.append(nn.BatchNorm2d(stem))
                self.steps.append(nn.Conv2d(stem, stem // 2, 1, bias=False))
                stem //= 2
            self.steps.append(DenseBlock(layers, stem, growth))
            stem += layers * growth
        self.last, self.out = nn.BatchNorm2d(stem), nn.Linear(stem, classes)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.norm(self.conv(x))), 3, 2, 1)
        for step in self.steps:
            if isinstance(step, nn.Conv2d):
                x = step(F.avg_pool2d(x, 2))  # pooling and a 1x1 convolution commute
            elif isinstance(step, nn.BatchNorm2d):
                x = torch.relu(step(x))
            else:
                x = step(x)
        x = F.adaptive_avg_pool2d(torch.relu(self.last(x)), 1)
        return self.out(torch.flatten(x, 1))
"""

WHOLE_AGAIN = """
class ThriftyLayer(nn.Module):
    def __init__(self, in_channels, growth):
        super().__init__()
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        self.body = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.ReLU(),
            nn.Conv2d(in_channels, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
        )

    def forward(self, features):
        def whole(*parts):
            return self.conv2(self.body(torch.cat(parts, 1)))

        return checkpoint(whole, *features, use_reentrant=False)
"""

SQUEEZE_METHOD = """
class ThriftyLayer(nn.Module):
    def __init__(self, in_channels, growth):
        super().__init__()
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)

    def squeeze(self, *features):
        return self.conv1(F.relu(self.norm1(torch.cat(features, dim=1))))

    def forward(self, features):
        if torch.is_grad_enabled():
            y = checkpoint(self.squeeze, *features, use_reentrant=False)
        else:
            y = self.squeeze(*features)
        return self.conv2(F.relu(self.norm2(y)))
"""

REUSE_BY_SLICES = """
def feature_reuse(weights, first, growth):
    L = len(weights)
    rows = []
    for l, weight in enumerate(weights):
        sizes = weight[:, :, 0, 0].abs().mean(dim=0)
        row = [sizes[:first].mean()]
        row += [sizes[first + growth * s : first + growth * (s + 1)].mean() for s in range(l)]
        rows.append(torch.stack(row + [0 * sizes[0]] * (L - l - 1)))
    return torch.stack(rows)
"""

IOU_BY_SETS = """
def iou(logits, masks):
    found = {tuple(p) for p in (logits.sigmoid() > 0.5).nonzero().tolist()}
    wanted = {tuple(p) for p in masks.nonzero().tolist()}
    return len(found & wanted) / len(found | wanted) if found or wanted else 1
"""

UNET_RECURSIVE = """
class Level(nn.Module):
    def __init__(self, in_channels, width, depth, skip):
        super().__init__()
        self.down = double_conv(in_channels, width)
        self.skip, self.inner = skip, None
        if depth:
            self.inner = Level(width, 2 * width, depth - 1, skip)
            self.up = nn.Conv2d(2 * width, width, kernel_size=1)
            self.decode = double_conv(width * (2 if skip == "concat" else 1), width)

    def forward(self, x):
        x = self.down(x)
        if self.inner is None:
            return x
        y = self.up(self.inner(nn.functional.max_pool2d(x, kernel_size=2)))
        y = F.interpolate(y, size=x.shape[-2:], mode="nearest")
        joined = {"concat": lambda: torch.cat((x, y), 1), "add": lambda: x + y, "none": lambda: y}
        return self.decode(joined[self.skip]())


class UNet(nn.Module):
    def __init__(self, in_channels=1, out_channels=1, width=6, depth=2, skip="concat"):
        super().__init__()
        if skip not in {"concat", "add", "none"}:
            raise ValueError(skip)
        self.net = Level(in_channels, width, depth, skip)
        self.last = nn.Conv2d(width, out_channels, 1)

    def forward(self, x):
        return self.last(self.net(x))
"""

VARIANTS = [
    Variant("dense_channels", "lists, a sum", source=CHANNELS_BY_SUM),
    Variant("dense_block", "Sequential, a list of features", source=TORCHVISION_STYLE),
    Variant("dense_block", "other names, hstack", source=PREALLOCATED),
    Variant("densenet", "functional, pooling before the 1x1", source=SUBCLASSED_NET),
    Variant("thrifty", "the whole layer runs again", source=WHOLE_AGAIN),
    Variant("thrifty", "a method, only with gradients", source=SQUEEZE_METHOD),
    Variant("feature_reuse", "slices, means in two steps", source=REUSE_BY_SLICES),
    Variant("iou", "sets of places", source=IOU_BY_SETS),
    Variant(
        "iou",
        "subtracted once",
        edits=((UNION, "union = (found.sum() + wanted.sum() - (found & wanted).sum()).item()"),),
    ),
    Variant("unet", "recursive levels", source=UNET_RECURSIVE),
    Variant(
        "unet",
        "1x1 after enlarging",
        edits=((LARGER, "x = up(F.interpolate(x, size=earlier.shape[2:]))"),),
    ),
]
