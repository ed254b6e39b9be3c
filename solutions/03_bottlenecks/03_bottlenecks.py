# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Bottlenecks
#     minutes: 90
#     points: 20
#     goals:
#       - Count weights, multiply-adds and receptive fields by hand and by code, for any network.
#       - Build the bottleneck block and ResNet-50, 101 and 152, equal to torchvision's in counts and outputs.
#       - See ResNeXt, wide, RegNet and inverted blocks as settings of one block, and build MBConv.
#       - Measure time and memory, and say why fewer operations are not always faster.
#     needs:
#       - Lesson 02, the residual block with both kinds of shortcut
#       - PyTorch modules, convolution, batch norm and state_dict
# ---

# %% [markdown]
# # 03 · Bottlenecks
#
# **90 minutes · 20 points** (eight exercises and one written question)
#
# A network of 152 layers does fewer operations than one of 19 (He et al. 2015, section 4.1).
# The block that made this possible squeezes 256 channels into 64, works there, and widens
# again. This lesson counts what that saves, builds ResNet-50 to 152 and their relatives, and
# then takes a stopwatch to the counts.
#
# **You will be able to**
#
# - count weights, multiply-adds and receptive fields by hand and by code, for any network;
# - build the bottleneck block and ResNet-50, 101 and 152, equal to torchvision's in counts and
#   outputs;
# - see ResNeXt, wide, RegNet and inverted blocks as settings of one block, and build MBConv;
# - measure time and memory, and say why fewer operations are not always faster.
#
# **You need** lesson 02, the residual block with both kinds of shortcut; PyTorch modules,
# convolution, batch norm and `state_dict`.
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on
# small cases. When your work is graded, more checks run: other sizes, odd sizes, gradients,
# another dtype, another device. Hints are folded; open them one at a time.

# %%
from copy import deepcopy

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import plusx
from plusx import diagnose_bottlenecks, diagnose_costs, plots
from plusx.checks import expect_bottleneck
from plusx.expect import (
    expect_close,
    expect_equal,
    expect_shape,
    expect_true,
    expect_type,
    expect_works,
)
from plusx.weights import fill_by_shape, load_by_order

# %% [markdown]
# One function seeds every random generator, and one chooses the device. Nothing in this lesson
# names a device, so it runs on a laptop and on a GPU alike.

# %%
plusx.seed_all(0)
device = plusx.choose_device()

# %% [markdown]
# ## 1 · Depth has a price
#
# The basic block of lesson 02 has two 3×3 convolutions with $C$ channels: $2 \cdot 9\,C^2$
# weights. With $C = 64$ that is 73,728. With $C = 256$ it is 1,179,648, sixteen times as many.
# Wide features are useful, and so is depth; both together are dear. What exactly do we pay?
#
# A convolution with kernel $k$, from $C$ to $C'$ channels, in $g$ groups, without bias, has
#
# $$k^2 \cdot \frac{C}{g} \cdot C' \quad\text{weights},$$
#
# since each of the $C'$ output channels looks at $C/g$ input channels through a $k \times k$
# window. ($g = 1$ is the usual, dense convolution; in $g$ groups, the channels fall into $g$
# parts that do not see each other.) Each weight is used once for every pixel of the *output*, so
# the layer does
#
# $$k^2 \cdot \frac{C}{g} \cdot C' \cdot H' W' \quad\text{multiply-adds}.$$
#
# A multiply-add is one multiplication and the addition that goes with it. **Beware of the word
# FLOP**: He et al. (2015) and torchvision call a multiply-add one FLOP, others count it as two.
# This lesson says multiply-add and counts it once.
#
# Padded by $\lfloor k/2 \rfloor$ with an odd $k$, stride $s$ leaves
# $H' = \lceil H/s \rceil$ rows.
#
# ### Exercise 1 · What a convolution costs
#
# **Goal** weights and multiply-adds as two formulas · **Difficulty** ★☆☆ · **Time** 5 minutes ·
# **Points** 2
#
# <details><summary>Hint 1: groups</summary>
#
# Every output channel sees `in_channels // groups` input channels.
#
# </details>
# <details><summary>Hint 2: rounding up</summary>
#
# `-(-height // stride)` is the quotient rounded up, in whole numbers. So is
# `(height - 1) // stride + 1`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "conv_cost", "locked": false, "schema_version": 3, "solution": true, "task": false}
def conv_cost(in_channels, out_channels, kernel, height, width, stride=1, groups=1):
    """What a convolution without bias, padded by kernel // 2, costs for one image.

    in_channels, out_channels: ints, multiples of groups
    kernel: int, odd
    height, width: ints, rows and columns of the input
    stride, groups: ints, at least 1
    returns: (weights, multiply-adds), two ints
    """
    ### BEGIN SOLUTION
    weights = kernel * kernel * (in_channels // groups) * out_channels
    rows, columns = -(-height // stride), -(-width // stride)
    return weights, weights * rows * columns
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_conv_cost", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
total = 0
for C, D, kernel, by_hand in [(256, 64, 1, 16_384), (64, 64, 3, 36_864), (64, 256, 1, 16_384)]:
    what, conv = f"conv_cost({C}, {D}, {kernel}, 56, 56)", plusx.Conv(C, D, kernel)
    weights, operations = conv_cost(C, D, kernel, 56, 56)
    wrong = diagnose_costs.wrong_conv_weights(conv)
    expect_equal(weights, by_hand, f"{what}: weights", wrong=wrong)
    wrong = diagnose_costs.wrong_conv_operations(conv, 56, 56)
    expect_equal(operations, by_hand * 56 * 56, f"{what}: multiply-adds", wrong=wrong)
    total += weights
expect_equal(total, 69_632, "conv_cost: weights of 256-64-64-256, all three layers")
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
for in_channels, out_channels, kernel, height, width, stride, groups in [
    (3, 8, 3, 6, 10, 1, 1),
    (6, 4, 5, 9, 7, 2, 1),
    (12, 18, 3, 7, 5, 1, 6),
    (8, 8, 3, 13, 6, 3, 8),
    (5, 7, 1, 5, 8, 2, 1),
    (64, 32, 7, 225, 17, 4, 2),
]:
    conv = plusx.Conv(in_channels, out_channels, kernel, stride, groups)
    what = (
        f"conv_cost({in_channels}, {out_channels}, {kernel}, {height}, {width}, "
        f"stride={stride}, groups={groups})"
    )
    with expect_works(what):
        cost = conv_cost(in_channels, out_channels, kernel, height, width, stride, groups)
    expect_type(cost, (tuple, list), what, "return both numbers")
    expect_equal(len(cost), 2, f"{what}: how many numbers come back")
    expect_equal(
        cost[0], conv.weights, f"{what}: weights", wrong=diagnose_costs.wrong_conv_weights(conv)
    )
    layer = conv.module().to("meta")
    pixels = layer(torch.empty(1, in_channels, height, width, device="meta"))[0, 0].numel()
    wrong = diagnose_costs.wrong_conv_operations(conv, height, width)
    expect_equal(cost[1], conv.weights * pixels, f"{what}: multiply-adds", wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# The three layers of the check are the **bottleneck** of He et al. (2015, figure 5): 256 channels
# are squeezed into 64 by a 1×1 convolution, worked on by a 3×3, and brought back to 256 by
# another 1×1. `plusx.Conv` holds the same two formulas as yours.

# %% tags=["demo"]
blocks = {
    "two 3×3 at 64": (plusx.Conv(64, 64, 3), plusx.Conv(64, 64, 3)),
    "bottleneck": plusx.block_layers(256, 64),  # 1×1, 3×3, 1×1
    "two 3×3 at 256": (plusx.Conv(256, 256, 3), plusx.Conv(256, 256, 3)),
}
print(f"{'':16} {'weights':>9}   multiply-adds at 56 × 56")
for name, layers in blocks.items():
    weights, operations = (sum(c.weights for c in layers), sum(c.multiply_adds(56) for c in layers))
    print(f"{name:16} {weights:9,} {operations / 1e6:12.0f} million")

# %% tags=["demo"]
plots.block_shapes(blocks, height=3.2)
plots.show(
    "Three blocks drawn as wide as their channels. Two 3×3 at 64 channels; the bottleneck, which "
    "narrows from 256 to 64 channels with a 1×1, has its 3×3 there, and widens again; two 3×3 at "
    "256 channels."
)

# %% [markdown]
# A layer is drawn as wide as its channels. The bottleneck hands on 256 channels for less than
# the price of two 3×3 convolutions with 64, and for a seventeenth of two with 256. The 3×3,
# which pays nine weights per pair of channels, works where channels are few; the 1×1 layers,
# which pay one, do the widening.

# %% [markdown]
# ## 2 · The block
#
# $$F(x) = \mathrm{norm}_3\Bigl(W_3 * \mathrm{relu}\bigl(\mathrm{norm}_2(W_2 *
#   \mathrm{relu}(\mathrm{norm}_1(W_1 * x)))\bigr)\Bigr), \qquad
#   y = \mathrm{relu}\bigl(F(x) + \mathrm{shortcut}(x)\bigr),$$
#
# with kernels 1, 3, 1. As in the basic block, each convolution is followed by a norm, there is no
# bias, and the sum comes before the last ReLU. The shortcut is the identity where shapes agree,
# and else a 1×1 convolution with the block's stride, and a norm (option B).
#
# **Why the identity matters more here.** The shortcut joins the two *wide* ends. A projection
# there has $256 \cdot 256 = 65{,}536$ weights, nearly as many as the whole branch (69,632): it
# would about double the size and the time of the block, as He et al. (2015, section 4.1)
# note.
#
# ### Where the stride goes: v1 and v1.5
#
# A block that halves the image may do it in its first 1×1 convolution, as the paper does
# ("v1"), or in the 3×3, as torchvision does ("v1.5"). A 1×1 convolution with stride 2 reads one
# pixel of four and never sees the others. The shortcut has such a convolution too. So which
# pixels of $x$ does the *block* read? The gradient tells: where it is zero, nothing was read.


# %% tags=["demo"]
def reading(stride_first, seed):
    """Gradient at every pixel of a 12 × 12 input, relative to the largest: (H, W)."""
    plusx.seed_all(seed)
    block = plusx.Bottleneck(64, 32, 128, stride=2, stride_first=stride_first)
    x = torch.randn(1, 64, 12, 12, requires_grad=True)
    y = block(x)
    y.backward(torch.randn_like(y))
    size = x.grad.norm(dim=1)[0]  # (H, W)
    return size / size.max()


# %% tags=["demo"]
pictures = {}
for name, stride_first in {"v1: stride in the first 1×1": True, "v1.5: in the 3×3": False}.items():
    maps = torch.stack([reading(stride_first, seed) for seed in range(5)])  # (seeds, H, W)
    pictures[name] = maps[0]
    unread = 100 * (maps == 0).double().mean((1, 2))  # (seeds,)
    print(f"{name:28} unread: {unread.min():.0f} to {unread.max():.0f} % of the pixels (5 seeds)")
plots.show_images(pictures, height=2.8, scale="gradient / largest gradient")
plots.show(
    "Which pixels a block with stride 2 reads. With the stride in the first 1×1 only every second "
    "pixel of every second row is not black; with the stride in the 3×3 all pixels are read."
)

# %% [markdown]
# In v1 three quarters of the pixels are black: the block before computed them for nothing. In
# v1.5 the 3×3 windows overlap and every pixel is read. T. He et al. (2019, section 4) call this
# change ResNet-B; NVIDIA reports about half a per cent more accuracy for it on ImageNet, and
# five per cent less speed (see the reading list). In section 4 we count what it costs.
#
# ### Exercise 2 · The bottleneck block
#
# **Goal** one block for a whole family · **Difficulty** ★★☆ · **Time** 12 minutes ·
# **Points** 2 for blocks that keep the shape, 2 for the others
#
# `width` are the channels inside, and `groups` belong to the 3×3 convolution: with them the same
# class will build ResNeXt and RegNet blocks in section 5. Only what the block *computes*, and how
# many parameters it has, is tested. Assign the branch to `self` before the shortcut, first layer
# first: exercise 4 loads weights in the order of assignment.
#
# <details><summary>Hint 1: what to create</summary>
#
# Three `nn.Conv2d` without bias: kernel 1, then kernel 3 with `padding=1, groups=groups`, then
# kernel 1. Three `nn.BatchNorm2d`: two over `width` channels, one over `out_channels`. Where the
# shape changes, a fourth convolution with kernel 1 and a fourth norm.
#
# </details>
# <details><summary>Hint 2: the stride</summary>
#
# `first, second = (stride, 1) if stride_first else (1, stride)`. The projection always has the
# whole stride.
#
# </details>
# <details><summary>Hint 3: the forward pass in words</summary>
#
# Convolution, norm, ReLU, convolution, norm, ReLU, convolution, norm: that is `F(x)`. Add the
# shortcut of `x`, then ReLU. Nothing changes `x` in place.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "bottleneck", "locked": false, "schema_version": 3, "solution": true, "task": false}
class Bottleneck(nn.Module):
    """y = relu(F(x) + shortcut(x)), with F = conv 1x1, conv 3x3, conv 1x1, each with a norm.

    in_channels, width, out_channels: channels of x, of the 3x3 convolution, of y
    stride: of the 3x3 convolution; with stride_first, of the first 1x1 convolution instead
    groups: of the 3x3 convolution

    forward: x (B, in_channels, H, W) -> y (B, out_channels, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels, width, out_channels, stride=1, groups=1, stride_first=False):
        super().__init__()
        ### BEGIN SOLUTION
        first, second = (stride, 1) if stride_first else (1, stride)
        self.conv1 = nn.Conv2d(in_channels, width, 1, stride=first, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=second, padding=1, groups=groups, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.projection = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.projection = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        y = F.relu(self.norm1(self.conv1(x)))  # (B, width, H, W)
        y = F.relu(self.norm2(self.conv2(y)))  # (B, width, H', W')
        y = self.norm3(self.conv3(y))  # (B, out_channels, H', W')
        return F.relu(y + self.projection(x))
        ### END SOLUTION


# %% [markdown]
# **First check: blocks that keep the shape.** `fill_by_shape` gives all tensors of one shape the
# same values in your block and in torchvision's, so that names do not matter (lesson 02).

# %% nbgrader={"grade": true, "grade_id": "test_bottleneck_a", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
block = Bottleneck(12, 3, 12)
reference = diagnose_bottlenecks.torchvision_bottleneck(12, 3, 12)
expect_type(block, nn.Module, "Bottleneck(12, 3, 12)")
expect_equal(
    sum(p.numel() for p in block.parameters()),
    12 * 3 + 9 * 3 * 3 + 3 * 12 + 2 * (3 + 3 + 12),  # three convolutions, three norms: 189
    "Bottleneck(12, 3, 12): number of parameters",
    wrong=diagnose_bottlenecks.wrong_bottleneck_counts(reference),
)
x = torch.randn(2, 12, 6, 6, generator=torch.Generator().manual_seed(0))
expect_shape(block(x), (2, 12, 6, 6), "Bottleneck(12, 3, 12): output", "add, do not concatenate")
for model in (block, reference):
    fill_by_shape(model, seed=0)
    model.eval()
with torch.no_grad():
    y, expected = block(x.clone()), reference(x)
    wrong = diagnose_bottlenecks.wrong_bottlenecks(reference, x, y)
expect_close(y, expected, "Bottleneck(12, 3, 12): relu(F(x) + x)", wrong=wrong)
print("Exercise 2, blocks that keep the shape: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(201)
expect_bottleneck(Bottleneck, (12, 3, 12), 2, 6, 6)
expect_bottleneck(Bottleneck, (6, 4, 6), 3, 5, 8)
expect_bottleneck(Bottleneck, (8, 16, 8), 2, 7, 4)
with expect_works("Bottleneck(8, 2, 8) in float64", "a dtype is written into the block"):
    y = Bottleneck(8, 2, 8).double()(torch.randn(2, 8, 5, 5, dtype=torch.float64))
expect_true(y.dtype == torch.float64, "Bottleneck(8, 2, 8): the dtype of y is that of x")
with expect_works(
    "Bottleneck(8, 2, 8) on another device (meta)",
    "a device is written into the block: .cpu(), .cuda(), or a tensor created without device=",
):
    y = Bottleneck(8, 2, 8).to("meta")(torch.empty(2, 8, 5, 5, device="meta"))
expect_true(y.is_meta, "Bottleneck(8, 2, 8): the device of y is that of x")
### END HIDDEN TESTS

# %% [markdown]
# **Second check: other shapes, groups, and both places of the stride.**

# %% nbgrader={"grade": true, "grade_id": "test_bottleneck_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
x = torch.randn(2, 8, 7, 6, generator=torch.Generator().manual_seed(0))
for stride_first in (False, True):
    block = Bottleneck(8, 6, 16, stride=2, groups=3, stride_first=stride_first)
    reference = diagnose_bottlenecks.torchvision_bottleneck(8, 6, 16, 2, 3, stride_first)
    what = f"Bottleneck(8, 6, 16, stride=2, groups=3, stride_first={stride_first})"
    expect_equal(
        sum(p.numel() for p in block.parameters()),
        8 * 6 + 9 * 6 * 2 + 6 * 16 + 2 * (6 + 6 + 16) + (8 * 16 + 2 * 16),
        f"{what}: number of parameters",
        wrong=diagnose_bottlenecks.wrong_bottleneck_counts(reference),
    )
    hint = "ceil(7 / 2) rows, ceil(6 / 2) columns; branch and shortcut are added"
    expect_shape(block(x), (2, 16, 4, 3), f"{what}: output for x of shape (2, 8, 7, 6)", hint)
print("Exercise 2, other blocks: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(202)
expect_bottleneck(Bottleneck, (6, 4, 10), 2, 5, 7)
expect_bottleneck(Bottleneck, (8, 4, 8), 2, 7, 9, stride=2)
expect_bottleneck(Bottleneck, (8, 4, 8), 2, 7, 9, stride=2, stride_first=True)
expect_bottleneck(Bottleneck, (4, 6, 12), 3, 8, 6, stride=2, groups=3)
expect_bottleneck(Bottleneck, (6, 8, 10), 2, 8, 5, stride=3, groups=8, stride_first=True)
expect_bottleneck(Bottleneck, (12, 8, 12), 2, 6, 6, groups=4)
expect_bottleneck(
    Bottleneck, (4, 12, 12), 2, 9, 6, stride=2, groups=4
)  # as in RegNet: no narrowing
with expect_works("Bottleneck(4, 2, 8, stride=2) in float64", "a dtype is written into it"):
    y = Bottleneck(4, 2, 8, stride=2).double()(torch.randn(2, 4, 5, 5, dtype=torch.float64))
expect_true(y.dtype == torch.float64, "Bottleneck(4, 2, 8, stride=2): the dtype of y is that of x")
with expect_works(
    "Bottleneck(4, 2, 8, stride=2) on another device (meta)",
    "a device is written into the block: .cpu(), .cuda(), or a tensor created without device=",
):
    y = Bottleneck(4, 2, 8, stride=2).to("meta")(torch.empty(2, 4, 5, 5, device="meta"))
expect_true(y.is_meta, "Bottleneck(4, 2, 8, stride=2): the device of y is that of x")
### END HIDDEN TESTS

# %% [markdown]
# From here on the lesson uses `plusx.Bottleneck`, which computes what yours does, so that the
# demonstrations run before you have solved the exercises.
#
# ## 3 · Counting a whole network
#
# Formulas for single layers are error-prone when there are a hundred of them. Let the network
# count itself: PyTorch can call a function of yours after every layer, with the layer, its
# inputs and its output. Such a function is called a *forward hook*.

# %%
layer = nn.Conv2d(3, 8, 5, stride=2, padding=2)
handle = layer.register_forward_hook(
    lambda layer, inputs, output: print(type(layer).__name__, tuple(output.shape))
)
layer(torch.randn(1, 3, 9, 9))
handle.remove()  # or it would be called for ever

# %% [markdown]
# And to count we need no arithmetic on pixels: on the device `meta`, tensors have a shape and no
# numbers, and a layer only works out the shape of its output. A network of sixty million
# parameters takes no memory there.

# %%
print(nn.Linear(4096, 4096, device="meta")(torch.empty(64, 4096, device="meta")).shape)

# %% [markdown]
# ### Exercise 3 · A counter for any network
#
# **Goal** multiply-adds of a forward pass · **Difficulty** ★★☆ · **Time** 8 minutes ·
# **Points** 2
#
# Count what the `nn.Conv2d` and `nn.Linear` layers of a model do in one call `model(x)`: one
# multiply-add for each weight that takes part in each output number. Biases are additions alone
# and do not count. Neither do other layers. `x` may hold several images and may be on any device.
#
# <details><summary>Hint 1: the number per output</summary>
#
# Each number of a layer's output needs as many multiply-adds as there are weights for *one*
# output channel: `layer.weight[0].numel()`. That holds for `nn.Conv2d`, groups included, and for
# `nn.Linear`.
#
# </details>
# <details><summary>Hint 2: the plan</summary>
#
# Go through `model.modules()`, register a hook on those that are
# `isinstance(layer, (nn.Conv2d, nn.Linear))`, keep the handles. In the hook append
# `output.numel() * layer.weight[0].numel()` to a list. Call the model, remove the hooks, return
# the sum.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "multiply_adds", "locked": false, "schema_version": 3, "solution": true, "task": false}
def multiply_adds(model, x):
    """Multiply-adds of one call model(x), in its nn.Conv2d and nn.Linear layers.

    model: nn.Module, on the device of x
    x: the model's input, on any device, meta included
    returns: int
    """
    ### BEGIN SOLUTION
    counts = []

    def note(layer, inputs, output):
        counts.append(output.numel() * layer.weight[0].numel())

    layers = [m for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    handles = [layer.register_forward_hook(note) for layer in layers]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return sum(counts)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_multiply_adds", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
small = nn.Sequential(nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2), nn.ReLU(), nn.Flatten())
small.append(nn.Linear(6 * 3 * 3, 5))
x = torch.randn(2, 4, 5, 5)  # two images: the convolution gives 2 x 6 x 3 x 3 numbers
by_hand = 2 * (6 * 3 * 3) * (2 * 3 * 3) + 2 * 5 * 54
wrong = diagnose_costs.wrong_model_counts(small, x)
expect_equal(multiply_adds(small, x), by_hand, "multiply_adds: a small network", wrong=wrong)
print("Exercise 3: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(301)
nested = nn.Sequential(
    nn.Conv2d(3, 8, (3, 5), stride=(2, 1), padding=(1, 2), bias=False),
    nn.Sequential(nn.BatchNorm2d(8), nn.Conv2d(8, 12, 3, dilation=2, groups=4), nn.Tanh()),
    nn.AdaptiveAvgPool2d(2),
    nn.Flatten(),
    nn.Linear(48, 7),
    nn.Linear(7, 3, bias=False),
)
models = {
    "a nested network in float64": (nested.double(), torch.randn(3, 3, 9, 8).double()),
    "one linear layer, x with three axes": (nn.Linear(6, 4), torch.randn(2, 5, 6)),
    "ReLU alone": (nn.ReLU(), torch.randn(2, 3, 4, 4)),
}
for name, size in {"resnet18": (2, 3, 96, 64), "mobilenet_v2": (1, 3, 224, 224)}.items():
    with torch.device("meta"):
        net = torchvision.models.get_model(name, weights=None).eval()
    models[f"torchvision's {name} on the meta device"] = (net, torch.empty(size, device="meta"))
for name, (model, x) in models.items():
    what = f"multiply_adds: {name}"
    expected = plusx.count_multiply_adds(model, x)
    with expect_works(what, "the model, or x, is moved to a device or a dtype of its own"):
        found = multiply_adds(model, x)
    wrong = diagnose_costs.wrong_model_counts(model, x)
    expect_equal(found, expected, what, "output.numel() * layer.weight[0].numel()", wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# torchvision publishes the two counts for every network that it offers, and the accuracy on
# ImageNet. Here they are beside what `plusx.count_multiply_adds`, which does what yours does,
# finds. Nothing is downloaded: the published numbers come with the package.


# %% tags=["demo"]
def on_meta(name):
    """A network of torchvision's without numbers, and an image of the usual size."""
    net = torchvision.models.get_model(name, weights=None).eval()
    return net.to("meta"), torch.empty(1, 3, 224, 224, device="meta")


names = """resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d wide_resnet50_2
regnet_x_3_2gf mobilenet_v2 efficientnet_b0 densenet121 vgg16 vit_b_16""".split()
print(f"{'':17} {'parameters':>12} {'published':>12}   {'10⁹ mult.-adds':>14} {'published':>9}")
for name in names:
    net, image = on_meta(name)
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta
    count, billions = plusx.count_parameters(net), plusx.count_multiply_adds(net, image) / 1e9
    theirs = f"{published['num_params']:12,}", f"{published['_ops']:9.3f}"
    print(f"{name:17} {count:12,} {theirs[0]}   {billions:14.3f} {theirs[1]}")

# %% [markdown]
# All agree to the last digit but one: the vision transformer at the end. Its attention multiplies
# two computed matrices, and projects with a function instead of an `nn.Linear` that is called;
# our counter sees neither. **A counter counts what it was told to see.** Norms, activations and
# sums are missing for every network; section 7 shows that they take time all the same.

# %% [markdown]
# ## 4 · ResNet-50, 101 and 152
#
# He et al. (2015, table 1) put the same four stages under the same stem as in ResNet-18, with
# bottlenecks instead of basic blocks:
#
# | part | output for 224 × 224 | inner width | blocks: 50 / 101 / 152 |
# |---|---|---|---|
# | conv 7×7, stride 2, padding 3, no bias; norm; ReLU | 64 × 112 × 112 | | |
# | max pooling 3×3, stride 2, padding 1 | 64 × 56 × 56 | | |
# | stage 1 | 256 × 56 × 56 | 64 | 3 / 3 / 3 |
# | stage 2, begins with stride 2 | 512 × 28 × 28 | 128 | 4 / 4 / 8 |
# | stage 3, begins with stride 2 | 1024 × 14 × 14 | 256 | 6 / 23 / 36 |
# | stage 4, begins with stride 2 | 2048 × 7 × 7 | 512 | 3 / 3 / 3 |
# | mean over all pixels, one linear layer | classes | | |
#
# The first block of every stage changes the number of channels and has a projection; in stage 1
# it goes from 64 to 256 channels at stride 1. Layers with weights: 1 + 3 · 16 + 1 = 50.
#
# ### Exercise 4 · The whole family
#
# **Goal** ResNet-50, 101, 152 and their relatives in one class · **Difficulty** ★★★ ·
# **Time** 10 minutes · **Points** 2 for the counts, 2 for outputs equal to torchvision's
#
# `width` is the inner width of stage 1; it doubles from stage to stage. What a stage hands on is
# always 256, 512, 1024, 2048 channels. Then `width=128` gives Wide ResNet-50-2, and
# `width=128, groups=32` gives ResNeXt-50 (32×4d). For the weights, **the order of assignment to
# `self` counts**: stem convolution, stem norm, blocks from first to last, linear layer; within a
# block, convolution 1, norm 1, ..., norm 3, then the projection's convolution and norm.
#
# <details><summary>Hint 1: the plan</summary>
#
# A stem, a list of blocks, a head, as in lesson 02. `for stage, count in enumerate(blocks)` gives
# the stage's number from 0; its inner width is `width * 2**stage`.
#
# </details>
# <details><summary>Hint 2: the strides</summary>
#
# The stride is 2 in the first block of stages 2, 3 and 4, and 1 everywhere else.
#
# </details>
# <details><summary>Hint 3: when loading fails</summary>
#
# The message names a tensor. Compare `list(net.state_dict())` with
# `list(torchvision.models.resnet50().state_dict())`, line by line.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "resnet", "locked": false, "schema_version": 3, "solution": true, "task": false}
class ResNet(nn.Module):
    """The ResNet for large images with bottleneck blocks; its tensors in torchvision's order.

    blocks: list of four ints, the blocks of each stage
    classes: int, the number of logits
    width: int, inner channels of stage 1; they double from stage to stage
    groups, stride_first: of every block

    forward: x (B, 3, H, W) -> logits (B, classes)
    """

    def __init__(self, blocks, classes=1000, width=64, groups=1, stride_first=False):
        super().__init__()
        ### BEGIN SOLUTION
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        layers, channels = [], 64
        for stage, count in enumerate(blocks):
            inner, outer = width * 2**stage, 256 * 2**stage
            for n in range(count):
                stride = 2 if stage > 0 and n == 0 else 1
                layers.append(Bottleneck(channels, inner, outer, stride, groups, stride_first))
                channels = outer
        self.blocks = nn.Sequential(*layers)
        self.head = nn.Linear(channels, classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.blocks(self.stem(x))  # (B, 2048, H/32, W/32)
        return self.head(x.mean(dim=(2, 3)))  # (B, classes)
        ### END SOLUTION


# %% [markdown]
# **First check: the counts.**

# %% nbgrader={"grade": true, "grade_id": "test_resnet_a", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for name, by_torchvision, options in [
    ("ResNet-50", 25_557_032, {}),
    ("ResNeXt-50 32x4d", 25_028_904, {"width": 128, "groups": 32}),
]:
    net = ResNet([3, 4, 6, 3], **options).to("meta")  # counting needs no numbers
    count = sum(p.numel() for p in net.parameters())
    extra = "".join(f", {key}={value}" for key, value in options.items())
    what = f"ResNet([3, 4, 6, 3]{extra}), {name}: number of parameters"
    wrong = diagnose_bottlenecks.wrong_resnet_counts(
        by_torchvision, [3, 4, 6, 3], 1000, options.get("width", 64), options.get("groups", 1)
    )
    expect_equal(count, by_torchvision, what, "as many as torchvision's", wrong=wrong)
print("Exercise 4, the counts: the visible checks pass.")
### BEGIN HIDDEN TESTS
for blocks, classes, options in [
    ([1, 1, 1, 1], 7, {"width": 8}),
    ([2, 1, 3, 1], 10, {"width": 16, "groups": 4}),
    ([1, 2, 1, 2], 3, {"width": 24, "stride_first": True}),
    ([3, 4, 23, 3], 1000, {}),
    ([3, 8, 36, 3], 1000, {}),
    ([3, 4, 6, 3], 1000, {"width": 128}),
]:
    extra = "".join(f", {key}={value}" for key, value in options.items())
    what = f"ResNet({blocks}, classes={classes}{extra})"
    with torch.device("meta"):
        reference = diagnose_bottlenecks.torchvision_resnet(blocks, classes, **options)
    expected = sum(p.numel() for p in reference.parameters())
    with expect_works(what):
        net = ResNet(blocks, classes=classes, **options).to("meta")
    wrong = diagnose_bottlenecks.wrong_resnet_counts(
        expected, blocks, classes, options.get("width", 64), options.get("groups", 1)
    )
    count = sum(p.numel() for p in net.parameters())
    expect_equal(count, expected, f"{what}: number of parameters", wrong=wrong)
    with expect_works(
        f"{what} on another device (meta)",
        "a device is written into the network or its blocks: take it from x",
    ):
        logits = net(torch.empty(2, 3, 64, 64, device="meta"))
    expect_true(logits.is_meta, f"{what}: the device of the logits is that of x")
    expect_shape(logits, (2, classes), f"{what}: logits of two images")
### END HIDDEN TESTS

# %% [markdown]
# **Second check: the outputs.** Your network takes over the weights of torchvision's, tensor by
# tensor, and must compute the same logits.

# %% nbgrader={"grade": true, "grade_id": "test_resnet_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
reference = diagnose_bottlenecks.torchvision_resnet([1, 1, 1, 1], 5, width=8).eval()
net = ResNet([1, 1, 1, 1], classes=5, width=8).eval()
with expect_works(
    "ResNet: taking over torchvision's weights, tensor by tensor",
    "the order of assignment differs from torchvision's, or a layer does: see hint 3",
):
    load_by_order(net, reference.state_dict())
x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    wrong = diagnose_bottlenecks.wrong_resnet_logits(reference, x)
    expect_close(net(x), reference(x), "ResNet: logits with torchvision's weights", wrong=wrong)
print("Exercise 4, the outputs: the visible checks pass.")


### BEGIN HIDDEN TESTS
def expect_same_logits(name, net, original, sizes, explain=True):
    """With the weights of `original`, its norms filled anew, the learner's net gives its logits."""
    with torch.no_grad():
        for tensor in original.state_dict().values():
            if tensor.ndim == 1:  # scales, shifts, means and variances that differ
                tensor.copy_(torch.rand(tensor.shape) + 0.5)
    with expect_works(
        f"{name}: torchvision's weights, tensor by tensor",
        "the order of assignment differs from torchvision's, or a layer does: see hint 3",
    ):
        load_by_order(net, original.state_dict())
    with expect_works(f"{name} in float64", "a dtype is written into the network"):
        net.double()
    original.double()
    for size in sizes:
        x = torch.randn(size, dtype=torch.float64)
        what = f"{name}: logits for x of shape {size}, with torchvision's weights"
        with torch.no_grad(), expect_works(what):
            logits = net(x)
        with torch.no_grad():
            hint = "the tensors fit in shape, yet the network computes something else"
            wrong = diagnose_bottlenecks.wrong_resnet_logits(original, x) if explain else {}
            expect_close(logits, original(x), what, hint, rtol=1e-6, wrong=wrong)


torch.manual_seed(401)
for blocks, options in [
    ([1, 1, 1, 1], {"width": 8}),
    ([2, 1, 2, 1], {"width": 16, "groups": 4}),
    ([1, 2, 1, 1], {"width": 8, "stride_first": True}),
]:
    extra = "".join(f", {key}={value}" for key, value in options.items())
    name = f"ResNet({blocks}, classes=7{extra})"
    original = diagnose_bottlenecks.torchvision_resnet(blocks, 7, **options).eval()
    with expect_works(name):
        net = ResNet(blocks, classes=7, **options).eval()
    expect_same_logits(name, net, original, [(2, 3, 64, 64), (1, 3, 75, 53)])
for name, blocks, options in [
    ("ResNet-50", [3, 4, 6, 3], {}),
    ("ResNet-101, narrow", [3, 4, 23, 3], {"classes": 5, "width": 8}),
    ("ResNet-152, narrow", [3, 8, 36, 3], {"classes": 5, "width": 8}),
]:
    original = diagnose_bottlenecks.torchvision_resnet(blocks, **options).eval()
    net = ResNet(blocks, **options).eval()
    expect_same_logits(name, net, original, [(1, 3, 64, 64)], explain=False)
### END HIDDEN TESTS

# %% [markdown]
# So your class **is** torchvision's ResNet-50: given trained weights, from
# `torchvision.models.resnet50(weights="IMAGENET1K_V1")`, the same `load_by_order` makes it a
# classifier for ImageNet. And the others are one number away.
#
# Now the price of moving the stride, and the paper's own table (He et al. 2015, table 1, in
# 10⁹ "FLOPs (multiply-adds)"):

# %% tags=["demo"]
paper = {50: "3.8", 101: "7.6", 152: "11.3"}
counts = {50: [3, 4, 6, 3], 101: [3, 4, 23, 3], 152: [3, 8, 36, 3]}
print("layers   parameters   v1: 10⁹ mult.-adds   paper   v1.5")
for depth, blocks in counts.items():
    row = []
    for stride_first in (True, False):
        with torch.device("meta"):
            net = plusx.BottleneckResNet(blocks, stride_first=stride_first)
        image = torch.empty(1, 3, 224, 224, device="meta")
        row.append(plusx.count_multiply_adds(net, image) / 1e9)
    parameters = plusx.count_parameters(net)
    print(f"{depth:6} {parameters:12,} {row[0]:20.2f} {paper[depth]:>7} {row[1]:6.2f}")

# %% [markdown]
# The paper's numbers are those of v1 (3.86 it seems to have cut rather than rounded). v1.5 has
# the same weights and does six per cent more with them in ResNet-50: three 1×1 convolutions now
# run before the image is halved.

# %% [markdown]
# ## 5 · One family
#
# Keep the plan 1×1, $k \times k$, 1×1, from $C$ channels through $W$ inner channels back to $C$.
# With $g$ groups in the middle it has
#
# $$2\,C\,W + \frac{k^2 W^2}{g} \quad\text{weights.}$$
#
# Choosing $W$ and $g$ gives many well-known blocks:

# %% tags=["demo"]
family = {
    "ResNet": plusx.block_layers(256, 64),
    "Wide": plusx.block_layers(256, 128),
    "ResNeXt": plusx.block_layers(256, 128, groups=32),
    "RegNet X": plusx.block_layers(256, 256, groups=16),
    "inverted": plusx.block_layers(64, 384, groups=384),
}
for name, layers in family.items():
    weights = [layer.weights for layer in layers]
    share = 100 * weights[1] / sum(weights)
    print(f"{name:9} {sum(weights):8,} weights, {share:4.1f} % of them in the 3×3")
plots.block_shapes(family, height=3.2)
plots.show(
    "Five blocks drawn as wide as their channels. ResNet narrows to a quarter, Wide and ResNeXt "
    "to a half, RegNet X not at all; the inverted block widens sixfold. The 3×3 works in groups "
    "in ResNeXt and RegNet X, and depthwise in the inverted block."
)

# %% [markdown]
# - **Wide** ResNets (Zagoruyko and Komodakis 2016) trade depth for width. torchvision's, called
#   50-2, has a 3×3 twice as wide.
# - **ResNeXt** (Xie et al. 2017) doubles the middle too and cuts it into 32 groups, which makes
#   it as cheap as ResNet's. At equal cost the paper reports an error of 22.2 % instead of 23.9
#   % on ImageNet (table 3). Its authors also took the shortcuts away, and both got worse: groups
#   do not replace the skip, and the skip does not replace groups.
# - **RegNet X** (Radosavovic et al. 2020) came out of a search over such settings, and does
#   not narrow at all: $W = C$.
# - The **inverted** bottleneck (Sandler et al. 2018) turns the hourglass into a barrel: the
#   skip joins the *narrow* ends, the middle is six times as wide, and its 3×3 is **depthwise**:
#   as many groups as channels, one filter for each. Only a few per cent of the weights are left
#   in it.
#
# That RegNet's block is a setting of ours can be checked, as always, by equal outputs:

# %% tags=["demo"]
from torchvision.models.regnet import ResBottleneckBlock

theirs = ResBottleneckBlock(32, 64, 2, nn.BatchNorm2d, nn.ReLU, group_width=16)
ours = plusx.Bottleneck(32, 64, 64, stride=2, groups=64 // 16)
for block in (theirs, ours):
    fill_by_shape(block, seed=5)
x = torch.randn(2, 32, 9, 9)
print("largest difference:", (ours(x) - theirs(x)).abs().max().item())

# %% [markdown]
# The explorer shows what each of the three layers contributes: to the arithmetic, and to the
# numbers that have to be moved between memory and processor. Things to try: ResNeXt's setting
# (256 channels, ratio 1/2, 32 groups); the inverted block (64 channels, ratio 6, depthwise) and
# where its traffic goes; a kernel of 7 in both; then batch 64.

# %% tags=["demo"]
from plusx.block_explorer import BlockExplorer

BlockExplorer()

# %% [markdown]
# ### MBConv: the inverted bottleneck with a gate
#
# EfficientNet (Tan and Le 2019) builds on the inverted bottleneck and adds
# **squeeze-and-excitation** (Hu et al. 2018): every channel is scaled by a number between 0 and
# 1 that depends on the means of all channels. With $m \in \mathbb{R}^C$ the mean of each
# channel over all pixels,
#
# $$\mathrm{gate}(m) = \sigma\bigl(A_2\,\mathrm{silu}(A_1 m + b_1) + b_2\bigr), \qquad
#   y_c = \mathrm{gate}(m)_c \; x_c ,$$
#
# where $A_1$ goes down to a few numbers and $A_2$ back up, $\sigma$ is the sigmoid, and
# $\mathrm{silu}(z) = z\,\sigma(z)$. A bottleneck again, in a place where pixels do not count.
#
# The whole block, from $C$ to $C'$ channels with expansion $t$:
#
# 1. 1×1 convolution to $tC$ channels, norm, SiLU (left out where $t = 1$);
# 2. depthwise $k \times k$ convolution with the stride, norm, SiLU;
# 3. squeeze-and-excitation, through $\max(1, \lfloor C/4 \rfloor)$ numbers. Note that it is
#    $C$, the block's *input* channels, that is divided by 4, not $tC$;
# 4. 1×1 convolution to $C'$ channels, norm, and **no** activation: the narrow ends stay linear;
# 5. plus $x$, if stride is 1 and $C = C'$; otherwise nothing is added.
#
# ### Exercise 5 · Squeeze-and-excitation, and MBConv
#
# **Goal** EfficientNet's block · **Difficulty** ★★☆ · **Time** 12 minutes ·
# **Points** 1 for `SqueezeExcite`, 2 for `InvertedBottleneck`
#
# <details><summary>Hint 1: the gate</summary>
#
# `x.mean(dim=(2, 3))` is (B, C). Two `nn.Linear` layers with bias, `F.silu` between them and
# `torch.sigmoid` at the end give (B, C). `gates[:, :, None, None]` can be multiplied with x.
#
# </details>
# <details><summary>Hint 2: a depthwise convolution</summary>
#
# `nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False)`.
#
# </details>
# <details><summary>Hint 3: the rest of the block</summary>
#
# Collect the layers in a list, beginning with the first step only if `expand != 1`, and make an
# `nn.Sequential(*layers)` of it. Convolutions have no bias, the two linear layers of the gate
# do.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "inverted", "locked": false, "schema_version": 3, "solution": true, "task": false}
class SqueezeExcite(nn.Module):
    """x times one gate per channel: sigmoid(A2 silu(A1 mean(x) + b1) + b2).

    channels: int, channels of x
    squeezed: int, how many numbers A1 gives

    forward: x (B, channels, H, W) -> y of the same shape
    """

    def __init__(self, channels, squeezed):
        super().__init__()
        ### BEGIN SOLUTION
        self.squeeze = nn.Linear(channels, squeezed)
        self.excite = nn.Linear(squeezed, channels)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        means = x.mean(dim=(2, 3))  # (B, channels)
        gates = torch.sigmoid(self.excite(F.silu(self.squeeze(means))))  # (B, channels)
        return x * gates[:, :, None, None]
        ### END SOLUTION


class InvertedBottleneck(nn.Module):
    """EfficientNet's MBConv: widen, filter each channel alone, gate, narrow, add x.

    in_channels, out_channels: channels of x and of y
    expand: int, the inner width is expand * in_channels
    kernel: int, odd, of the depthwise convolution
    stride: of the depthwise convolution

    forward: x (B, in_channels, H, W) -> y (B, out_channels, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels, out_channels, expand, kernel=3, stride=1):
        super().__init__()
        ### BEGIN SOLUTION
        width = expand * in_channels
        layers = []
        if expand != 1:
            layers.append(nn.Conv2d(in_channels, width, 1, bias=False))
            layers += [nn.BatchNorm2d(width), nn.SiLU()]
        layers += [
            nn.Conv2d(width, width, kernel, stride, kernel // 2, groups=width, bias=False),
            nn.BatchNorm2d(width),
            nn.SiLU(),
            SqueezeExcite(width, max(1, in_channels // 4)),
            nn.Conv2d(width, out_channels, 1, bias=False),
            nn.BatchNorm2d(out_channels),
        ]
        self.branch = nn.Sequential(*layers)
        self.adds = stride == 1 and in_channels == out_channels
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        y = self.branch(x)  # (B, out_channels, H', W')
        return x + y if self.adds else y
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_inverted_a", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
gate = SqueezeExcite(6, 2)
reference = torchvision.ops.SqueezeExcitation(6, 2, activation=nn.SiLU)
count = sum(p.numel() for p in gate.parameters())
expect_equal(count, 2 * 6 * 2 + 2 + 6, "SqueezeExcite(6, 2): number of parameters", "with biases")
for model in (gate, reference):
    fill_by_shape(model, seed=0)
x = 1 + 2 * torch.randn(2, 6, 4, 5, generator=torch.Generator().manual_seed(0))
expect_shape(gate(x), (2, 6, 4, 5), "SqueezeExcite(6, 2): output")
with torch.no_grad():
    wrong = diagnose_bottlenecks.wrong_gates(reference, x)
    expect_close(gate(x), reference(x), "SqueezeExcite(6, 2): x times its gates", wrong=wrong)
print("Exercise 5, SqueezeExcite: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(501)
for channels, squeezed, size in [(8, 2, (3, 8, 5, 3)), (5, 1, (1, 5, 1, 4)), (4, 9, (2, 4, 6, 6))]:
    what = f"SqueezeExcite({channels}, {squeezed}), x of shape {size}"
    with expect_works(what):
        gate = SqueezeExcite(channels, squeezed).double()
    reference = torchvision.ops.SqueezeExcitation(channels, squeezed, activation=nn.SiLU).double()
    count, right = (sum(p.numel() for p in model.parameters()) for model in (gate, reference))
    wrong = {"the layers have no bias: both have one": right - squeezed - channels}
    expect_equal(count, right, f"{what}: number of parameters", wrong=wrong)
    for model in (gate, reference):
        fill_by_shape(model, seed=channels)
    x = (1 + 2 * torch.randn(size, dtype=torch.float64)).requires_grad_()
    expected, caller = reference(x), x.detach().clone()
    with expect_works(what):
        y = gate(x)
    expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
    expect_shape(y, size, f"{what}: output")
    wrong = diagnose_bottlenecks.wrong_gates(reference, x)
    expect_close(y, expected, f"{what}: output", wrong=wrong)
    v = torch.randn_like(expected)
    expect_true(y.requires_grad, f"{what}: gradients flow through it", "it is detached")
    (gradient,) = torch.autograd.grad(expected, x, v)
    (found,) = torch.autograd.grad(y, x, v)
    expect_close(found, gradient, f"{what}: gradient", "does it flow through the gates too?")
with expect_works("SqueezeExcite(4, 2) on another device (meta)", "a device is written into it"):
    y = SqueezeExcite(4, 2).to("meta")(torch.empty(2, 4, 3, 3, device="meta"))
expect_true(y.is_meta, "SqueezeExcite: the device of y is that of x")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "test_inverted_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
block = InvertedBottleneck(8, 8, expand=4)
reference = diagnose_bottlenecks.torchvision_mbconv(8, 8, 4)
by_hand = (8 * 32 + 64) + (9 * 32 + 64) + (2 * 32 * 2 + 2 + 32) + (32 * 8 + 16)
count = sum(p.numel() for p in block.parameters())
wrong = diagnose_bottlenecks.wrong_inverted_counts(by_hand, 8, 8, 4, 3)
expect_equal(count, by_hand, "InvertedBottleneck(8, 8, 4): number of parameters", wrong=wrong)
for model in (block, reference):
    fill_by_shape(model, seed=0)
    model.eval()
x = torch.randn(2, 8, 6, 5, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    wrong = diagnose_bottlenecks.wrong_inverted(reference, x)
    expect_close(block(x), reference(x), "InvertedBottleneck(8, 8, 4): output", wrong=wrong)
print("Exercise 5, InvertedBottleneck: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(502)
for in_channels, out_channels, expand, kernel, stride, size in [
    (8, 8, 4, 3, 1, (2, 6, 5)),
    (12, 12, 6, 5, 1, (3, 7, 8)),
    (6, 6, 2, 3, 2, (2, 7, 6)),
    (8, 12, 3, 5, 1, (2, 6, 6)),
    (16, 8, 1, 3, 1, (2, 5, 5)),
    (6, 10, 6, 5, 2, (3, 9, 4)),
    (3, 3, 4, 3, 1, (2, 4, 4)),
]:
    options = (in_channels, out_channels, expand, kernel, stride)
    name = f"InvertedBottleneck{options}"
    with expect_works(name):
        block = InvertedBottleneck(*options).double()
    reference = diagnose_bottlenecks.torchvision_mbconv(*options).double()
    count, right = (sum(p.numel() for p in model.parameters()) for model in (block, reference))
    wrong = diagnose_bottlenecks.wrong_inverted_counts(right, *options[:4])
    expect_equal(count, right, f"{name}: number of parameters", wrong=wrong)
    for model in (block, reference):
        fill_by_shape(model, seed=in_channels)
    for training in (False, True):
        block.train(training), reference.train(training)
        what = f"{name}, {'training' if training else 'evaluation'} mode"
        x = torch.randn(size[0], in_channels, *size[1:], dtype=torch.float64)
        caller = x.clone()
        with torch.no_grad(), expect_works(what):
            y = block(x)
        expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
        with torch.no_grad():
            wrong = diagnose_bottlenecks.wrong_inverted(deepcopy(reference), x)
            expected = reference(x)
            expect_shape(y, expected.shape, f"{what}: output")
            expect_close(y, expected, f"{what}: output", "see the five steps", wrong=wrong)
    x = torch.randn(size[0], in_channels, *size[1:], dtype=torch.float64, requires_grad=True)
    expected, y = reference(x), block(x)
    v = torch.randn_like(expected)
    expect_true(y.requires_grad, f"{name}: gradients flow through it", "it is detached")
    (gradient,) = torch.autograd.grad(expected, x, v)
    (found,) = torch.autograd.grad(y, x, v)
    expect_close(found, gradient, f"{name}: gradient with respect to x")
with expect_works(
    "InvertedBottleneck(8, 8, 4) on another device (meta)",
    "a device is written into the block: take it from x",
):
    y = InvertedBottleneck(8, 8, 4).to("meta")(torch.empty(2, 8, 5, 5, device="meta"))
expect_true(y.is_meta, "InvertedBottleneck: the device of y is that of x")
### END HIDDEN TESTS

# %% [markdown]
# ### Wider for the same price
#
# Groups make the 3×3 cheaper, so that at one price the block may be wider. That is how ResNeXt's
# authors compare: with 1, 2, 4, 8 and 32 groups they give it 64, 80, 96, 112 and 128 inner
# channels (Xie et al. 2017, table 2), about 70,000 weights each time.
#
# ### Exercise 6 · As wide as the budget allows
#
# **Goal** trade groups for width · **Difficulty** ★☆☆ · **Time** 4 minutes · **Points** 1
#
# Your block has `GROUPS = 8` groups in its 3×3. (In a course, others may have another number.) How
# many inner channels may it have, if its three convolutions must not have more weights than a
# given budget?
#
# <details><summary>Hint: one loop</summary>
#
# The width is a multiple of the groups. Begin at 0 and go on as long as the next width fits, by
# the formula at the top of this section.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "widest", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.right_width"], "variants": {"GROUPS": [8, 2, 4, 16, 32]}}
def widest(channels, budget):
    """The largest inner width of a block 1x1, 3x3, 1x1 with GROUPS = 8 in the 3x3.

    channels: int, channels of x and of y
    budget: int, the most weights that the three convolutions may have together
    returns: int, a multiple of the groups; 0 if not even the narrowest block fits
    """
    ### BEGIN SOLUTION
    GROUPS = 8
    width = 0
    while 2 * channels * (width + GROUPS) + 9 * (width + GROUPS) ** 2 // GROUPS <= budget:
        width += GROUPS
    return width
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_widest", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
GROUPS = 8  # of your block
for channels, budget in [(64, 64_000), (256, 69_632)]:
    what = f"widest({channels}, {budget}) with {GROUPS} groups"
    wrong = diagnose_costs.wrong_widths(channels, budget, GROUPS)
    width = widest(channels, budget)
    expect_equal(width, diagnose_costs.right_width(channels, budget, GROUPS), what, wrong=wrong)
print("Exercise 6: the visible checks pass.")
### BEGIN HIDDEN TESTS
exactly = sum(layer.weights for layer in plusx.block_layers(96, 25 * GROUPS, groups=GROUPS))
for channels, budget in [(96, exactly), (96, exactly - 1), (512, 278_528), (24, 3_000), (700, 99)]:
    what = f"widest({channels}, {budget}) with {GROUPS} groups"
    with expect_works(what):
        width = widest(channels, budget)
    wrong = diagnose_costs.wrong_widths(channels, budget, GROUPS)
    expect_equal(width, diagnose_costs.right_width(channels, budget, GROUPS), what, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · How far does it see?
#
# One pixel of the last feature map depends on a square of the image, its **receptive field**.
# Go from the image upward. Let $r$ be the field so far and $j$ the **jump**: how many image
# pixels lie between neighbours. At the image, $r = 1$ and $j = 1$. A layer with kernel $k$ and
# stride $s$ looks at $k$ neighbours, which lie $j$ apart, and its own neighbours lie $s$ times
# as far apart:
#
# $$r \leftarrow r + (k - 1)\,j, \qquad j \leftarrow s\,j .$$
#
# By hand, two 3×3 convolutions, the first with stride 2: $r = 1 + 2 \cdot 1 = 3$, $j = 2$; then
# $r = 3 + 2 \cdot 2 = 7$.
#
# A 1×1 convolution adds nothing to $r$. So a bottleneck, with one 3×3 in three layers, reaches
# half as far as a basic block, with two in two. Skip connections do not change $r$: the
# longest path decides (a shortcut is a shorter one).
#
# ### Exercise 7 · The receptive field
#
# **Goal** field and jump of any stack · **Difficulty** ★☆☆ · **Time** 5 minutes · **Points** 1
#
# <details><summary>Hint: one loop</summary>
#
# The field grows with the jump from *before* the layer; only then the jump grows.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "receptive_field", "locked": false, "schema_version": 3, "solution": true, "task": false}
def receptive_field(layers):
    """Receptive field of one output pixel, and the distance between two fields.

    layers: list of (kernel, stride), from the input upward; may be empty
    returns: (field, jump), two ints, in pixels of the input
    """
    ### BEGIN SOLUTION
    field, jump = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * jump
        jump *= stride
    return field, jump
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_receptive_field", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
for layers, by_hand in {((7, 2), (3, 2)): [11, 4], ((3, 2), (3, 1)): [7, 2]}.items():
    wrong = diagnose_costs.wrong_fields(layers)
    found = receptive_field(list(layers))
    expect_type(found, (tuple, list), "receptive_field", "return both numbers")
    expect_equal(list(found), by_hand, f"receptive_field({list(layers)})", wrong=wrong)
print("Exercise 7: the visible checks pass.")
### BEGIN HIDDEN TESTS
for layers in [
    [],
    [(1, 3)],
    [(5, 1), (3, 2), (3, 3), (1, 1), (7, 1)],
    [(3, 1)] * 6,
    [(2, 2)] * 5,
    [(1, 2), (1, 1), (3, 2), (5, 1)],
    plusx.resnet_reach([3, 4, 6, 3], bottleneck=True),
    plusx.resnet_reach([3, 8, 36, 3], bottleneck=True, stride_first=True),
]:
    shown = layers if len(layers) < 8 else f"{len(layers)} layers of a ResNet"
    what = f"receptive_field({shown})"
    with expect_works(what, "without layers a pixel sees itself: (1, 1)"):
        found = receptive_field(layers)
    expect_type(found, (tuple, list), what, "return both numbers")
    expected = list(plusx.receptive_field(layers))
    wrong = diagnose_costs.wrong_fields(layers)
    hint = "r grows by (k - 1) j, then j by the factor s"
    expect_equal(list(found), expected, what, hint, wrong=wrong)
layers = [(3, 1), (3, 2), (1, 1), (3, 1)]  # against autograd: which pixels reach one output?
stack = nn.Sequential(*(nn.Conv1d(1, 1, k, s, padding=k // 2) for k, s in layers)).double()
x = torch.randn(1, 1, 41, dtype=torch.float64, requires_grad=True)
(gradient,) = torch.autograd.grad(stack(x)[0, 0, 10], x)
reached = int(gradient.count_nonzero())
expect_equal(receptive_field(layers)[0], reached, f"receptive_field({layers}), by autograd")
### END HIDDEN TESTS

# %% [markdown]
# The networks of section 4, at the end of stage 4, in pixels of the image:

# %% tags=["demo"]
basic = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3]}
for depth, blocks in basic.items():
    field, jump = plusx.receptive_field(plusx.resnet_reach(blocks, bottleneck=False))
    print(f"ResNet-{depth:<4} {field:5} pixels")
for depth, blocks in counts.items():
    fields = [
        plusx.receptive_field(plusx.resnet_reach(blocks, bottleneck=True, stride_first=first))[0]
        for first in (True, False)
    ]
    print(f"ResNet-{depth:<4} {fields[0]:5} pixels as v1, {fields[1]} as v1.5")

# %% [markdown]
# ResNet-34 and ResNet-50 have sixteen blocks each, and the shallower one sees twice as far. The
# numbers for v1 are those of Araujo et al. (2019) for the ResNets in TensorFlow's library. All
# exceed the 224 pixels of the usual image. Does a pixel at the edge of the field matter, then?
#
# ### The field that counts
#
# Luo et al. (2016) measure influence by the gradient of one output pixel with respect to all
# input pixels. They find that it is close to a Gaussian and fills only a fraction of the
# theoretical field. What do skip connections do to it? Here are ten blocks at full resolution,
# random weights, five seeds. The norms take their statistics from one batch and keep them, so
# that they mix no pixels.

# %% tags=["demo"]
kinds = {
    "10 plain blocks": (lambda: plusx.BasicBlock(16, 16, skip=False), 41),
    "10 basic blocks": (lambda: plusx.BasicBlock(16, 16), 41),
    "10 bottlenecks": (lambda: plusx.Bottleneck(16, 4, 16), 21),
}


def influence(make, seed, blocks=10, size=61):
    """Sum of |d output pixel / d input pixel| over channels and four images: (size, size)."""
    plusx.seed_all(seed)
    net = nn.Sequential(*(make() for _ in range(blocks)))
    for norm in (m for m in net.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.momentum = 1.0  # keep the statistics of the last batch
    net(torch.randn(16, 16, size, size))
    x = torch.randn(4, 16, size, size, requires_grad=True)
    net.eval()(x)[:, :, size // 2, size // 2].sum().backward()
    return x.grad.abs().sum((0, 1))  # (size, size)


# %% tags=["demo"]
fields = {}
for name, (make, field) in kinds.items():
    maps = torch.stack([influence(make, seed) for seed in range(5)])  # (seeds, size, size)
    away = torch.arange(61.0) - 30  # pixels from the centre
    columns = maps.sum(1) / maps.sum((1, 2))[:, None]  # (seeds, size), each sums to 1
    reach = 4 * (columns * away**2).sum(1).sqrt()  # (seeds,): ± two deviations
    fields[name] = maps.mean(0), field
    print(f"{name:16} in theory {field}, in effect {reach.mean():.1f} ± {reach.std():.1f} pixels")
plots.show_fields(fields)
plots.show(
    "Influence of pixels on the middle of the output after ten blocks, with the theoretical field "
    "as a dashed box. It fills about half of the box for plain blocks, a third for basic blocks, "
    "and little of a box half as wide for bottlenecks."
)

# %% [markdown]
# The dashed boxes are the fields of exercise 7. "In effect" is four standard deviations of the
# influence across. Plain and basic blocks differ in nothing but the skip, and have the same
# box: with skips a third of it counts, without them half. Each path through the blocks (lesson
# 02) that passes some of them by sees less than the whole. The bottlenecks, with half as many
# 3×3 layers, see less again. All this is at the start of training; Luo et al. report that the
# effective field can grow in training, which we have not repeated here.

# %% [markdown]
# ## 7 · Operations are not time
#
# A processor does two things: it computes, and it moves numbers to where it can compute with
# them. If moving takes longer, the multiply-adds do not matter. Their ratio is called the
# **arithmetic intensity** (Williams et al. 2009, who count operations per byte):
#
# $$\text{intensity} = \frac{\text{multiply-adds}}{\text{numbers moved}} .$$
#
# For a convolution, count each number of input, weights and output as moved once: the least
# possible. A batch of $B$ images brings $B$ inputs and outputs but needs the weights once.
#
# By hand, at 28 × 28 and for one image: a dense 3×3 with 64 channels moves 2 · 50,176 + 36,864
# = 137,216 numbers and does 28.9 million multiply-adds, 211 for each number. A **depthwise**
# 3×3 with 64 channels does 451,584 and moves 100,928: only 4.5 for each.
#
# ### Exercise 8 · Arithmetic intensity
#
# **Goal** a number that predicts trouble · **Difficulty** ★☆☆ · **Time** 4 minutes ·
# **Points** 1
#
# <details><summary>Hint: what you have</summary>
#
# `conv_cost` gives weights and multiply-adds for one image. The output has
# `-(-size // stride)` rows.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "intensity", "locked": false, "schema_version": 3, "solution": true, "task": false}
def intensity(in_channels, out_channels, kernel, size, stride=1, groups=1, batch=1):
    """Multiply-adds per number moved of a convolution, padded by kernel // 2.

    size: int, height and width of the input
    batch: int, number of images; the others as in conv_cost
    returns: float; input, weights and output count as moved once each
    """
    ### BEGIN SOLUTION
    weights, operations = conv_cost(in_channels, out_channels, kernel, size, size, stride, groups)
    rows = -(-size // stride)
    images = in_channels * size**2 + out_channels * rows**2  # numbers in and out, per image
    return batch * operations / (batch * images + weights)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_intensity", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
for D, groups, by_hand in [(128, 1, 57_802_752 / 224_256), (64, 64, 451_584 / 100_928)]:
    what = f"intensity(64, {D}, 3, 28, groups={groups})"
    wrong = diagnose_costs.wrong_intensities(plusx.Conv(64, D, 3, 1, groups), 28, 1)
    expect_close(intensity(64, D, 3, 28, groups=groups), by_hand, what, wrong=wrong)
print("Exercise 8: the visible checks pass.")
### BEGIN HIDDEN TESTS
for sizes, size, stride, groups, batch in [
    ((8, 12, 3), 10, 1, 1, 1),
    ((16, 8, 1), 7, 2, 1, 4),
    ((12, 12, 5), 9, 1, 12, 8),
    ((8, 24, 3), 11, 2, 4, 3),
]:
    conv = plusx.Conv(*sizes, stride, groups)
    what = f"intensity{(*sizes, size)} with stride={stride}, groups={groups}, batch={batch}"
    with expect_works(what, "it uses conv_cost: is exercise 1 right?"):
        found = intensity(*sizes, size, stride=stride, groups=groups, batch=batch)
    expected = batch * conv.multiply_adds(size) / conv.numbers_moved(size, batch)
    wrong = diagnose_costs.wrong_intensities(conv, size, batch)
    expect_close(found, expected, what, "input, weights and output, each once", 1e-6, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# Now measure. Ten convolutions, eight images of 28 × 28. All take turns nine times. Other
# programs on the machine can only slow a round down, so the **fastest** says most about the
# layer, and the spread says how busy the machine was: differences smaller than the spread mean
# nothing.

# %% tags=["demo"]
layers = {
    "3×3, 16": plusx.Conv(16, 16, 3),
    "3×3, 64": plusx.Conv(64, 64, 3),
    "3×3, 256": plusx.Conv(256, 256, 3),
    "1×1, 16": plusx.Conv(16, 16),
    "1×1, 64": plusx.Conv(64, 64),
    "1×1, 256": plusx.Conv(256, 256),
    "3×3, 4 groups, 128": plusx.Conv(128, 128, 3, groups=4),
    "3×3, 32 groups, 128": plusx.Conv(128, 128, 3, groups=32),
    "3×3, depthwise, 256": plusx.Conv(256, 256, 3, groups=256),
    "7×7, depthwise, 256": plusx.Conv(256, 256, 7, groups=256),
}


def kind(conv):
    """The role (colour and marker) of a layer in the figure."""
    if conv.groups == 1:
        return "residual" if conv.kernel == 1 else "plain"
    return "second" if conv.groups == conv.in_channels else "first"


def report(name, counted, times):
    """One line: multiply-adds in millions, times in ms, the speed of the fastest round."""
    fastest, middle, slowest = times.min(), times.median(), times.max()
    shown = f"{fastest:9.2f} {middle:9.2f} {slowest:9.2f} {counted / fastest / 1e6:12.1f}"
    print(f"{name:20} {counted / 1e6:18.1f} {shown}")


HEAD = f"{'':20} {'million mult.-adds':>18} {'fastest':>9} {'median':>9} {'slowest':>9} {'10⁹ per s':>12}"

# %% tags=["demo", "timing"]
images = {c.in_channels: torch.randn(8, c.in_channels, 28, 28) for c in layers.values()}
pairs = {
    name: (conv.module().to(device), images[conv.in_channels].to(device))
    for name, conv in layers.items()
}
times = plusx.forward_milliseconds(pairs, rounds=9)  # (rounds,) for each, in milliseconds
print(HEAD)
for name, conv in layers.items():
    report(name, 8 * conv.multiply_adds(28), times[name])

# %% tags=["demo", "timing"]
points = {}
for name, conv in layers.items():
    counted = 8 * conv.multiply_adds(28)
    speeds = counted / times[name] / 1e6  # 10⁹ multiply-adds per second
    ratio = counted / conv.numbers_moved(28, batch=8)
    points[name] = plots.Point(ratio, speeds.max().item(), speeds, kind(conv))
drawing, (axis,) = plots.figure(height=4.2, wide=True)
axis.set(xscale="log", yscale="log", xlabel="intensity (multiply-adds per number moved)")
axis.set(ylabel="10⁹ multiply-adds per second", title="forward, eight images of 28 × 28")
axis.set(xlim=(2, 3000))
kinds = {"plain": "3×3", "residual": "1×1", "first": "grouped", "second": "depthwise"}
plots.plot_points(axis, points, kinds)
plots.show(
    "Speed of single convolutions against their intensity, both on log scales. On the whole speed "
    "rises with intensity: the depthwise 3×3 is the slowest, dense 3×3 convolutions are among the "
    "fastest. Each point has a wide spread over nine rounds."
)

# %% [markdown]
# A point is the fastest of nine rounds, the bar spans all of them. Compare the two ends. A
# dense 3×3 with 256 channels does 256 times the multiply-adds of the depthwise 3×3 with as many
# channels. Look up in your table by how much its time is longer: it is far less than 256. With
# an intensity of 4.5 the processor should mostly wait for numbers; the measurement agrees with
# that, though it does not prove it. Intensity is not all: at similar intensity speeds differ
# too, because some shapes have faster code written for them than others, and because small
# layers stay in the cache. **Your** figure will differ from ours, most of all on a GPU.
#
# ### Whole blocks
#
# Five blocks with about the same number of weights, norms and all, at 28 × 28 and eight images:
# what they count, what one keeps in memory for the backward pass, and what they take.

# %% tags=["demo"]
built = {
    "two 3×3, 64": plusx.BasicBlock(64, 64),
    "ResNet": plusx.Bottleneck(256, 64, 256),
    "ResNeXt": plusx.Bottleneck(256, 128, 256, groups=32),
    "RegNet X": plusx.Bottleneck(160, 160, 160, groups=10),
    "MBConv": plusx.InvertedBottleneck(64, 64, expand=6),
}
costs = {}
print(f"{'':12} {'parameters':>10} {'million mult.-adds':>19} {'kept for backward':>18}")
for name, block in built.items():
    channels = next(block.parameters()).shape[1]
    x = torch.randn(8, channels, 28, 28)
    costs[name] = plusx.count_multiply_adds(block, x)
    count, kept = plusx.count_parameters(block), plusx.saved_mebibytes(block, x)
    print(f"{name:12} {count:10,} {costs[name] / 1e6:19.0f} {kept:14.1f} MiB")

# %% tags=["demo", "timing"]
pairs = {}
for name, block in built.items():
    channels = next(block.parameters()).shape[1]
    pairs[name] = block.to(device).eval(), torch.randn(8, channels, 28, 28, device=device)
times = plusx.forward_milliseconds(pairs, rounds=9)
print(HEAD)
for name, milliseconds in times.items():
    report(name, costs[name], milliseconds)

# %% [markdown]
# The first column hardly varies, the third by a factor of nine. What is kept are *activations*,
# and those grow with width, not with weights. The inverted block widens to 384 channels and
# pays for it on every pixel: in memory, and in the time of norms and activations that no
# multiply-add counts. Now compare "10⁹ per s" of the first row and the last: MBConv has the
# fewest multiply-adds, but is it the fastest?
#
# ### Whole networks
#
# One image of 224 × 224, eleven networks of torchvision's (random weights: they take as long as
# trained ones). The line joins networks of equal speed, through ResNet-50.

# %% tags=["demo"]
families = {
    "plain": ["resnet18", "resnet34", "resnet50", "wide_resnet50_2"],
    "first": ["resnext50_32x4d", "regnet_x_400mf"],
    "second": ["mobilenet_v2", "efficientnet_b0", "shufflenet_v2_x1_0"],
    "fourth": ["densenet121", "vgg16"],
}
nets = {
    name: torchvision.models.get_model(name, weights=None).eval().to(device)
    for members in families.values()
    for name in members
}
image = torch.randn(1, 3, 224, 224).to(device)
operations = {name: plusx.count_multiply_adds(net, image) / 1e9 for name, net in nets.items()}

# %% tags=["demo", "timing"]
times = plusx.forward_milliseconds({name: (net, image) for name, net in nets.items()}, rounds=7)
drawing, (axis,) = plots.figure(height=4.4, wide=True)
pace = times["resnet50"].min() / operations["resnet50"]  # milliseconds per 10⁹
ends = torch.tensor([0.12, 18.0])
axis.plot(ends, pace * ends, color="gray", linewidth=1, zorder=0)
axis.set(xscale="log", yscale="log", xlabel="10⁹ multiply-adds for one image")
axis.set(ylabel="milliseconds for one image", title="forward, one image of 224 × 224")
points = {
    name: plots.Point(operations[name], times[name].min().item(), times[name], role)
    for role, members in families.items()
    for name in members
}
kinds = {"plain": "ResNets", "first": "grouped", "second": "depthwise", "fourth": "others"}
plots.plot_points(axis, points, kinds)
plots.show(
    "Time for one image against multiply-adds for eleven networks, both on log scales. ResNets "
    "lie near a straight line; networks of depthwise convolutions lie above it, slower than their "
    "count promises."
)

# %% tags=["demo", "timing"]
for fewer, more in [("efficientnet_b0", "resnet18"), ("shufflenet_v2_x1_0", "mobilenet_v2")]:
    saved = operations[more] / operations[fewer]
    gained = times[more].min() / times[fewer].min()
    rounds = times[more] / times[fewer]  # (rounds,): they took turns
    print(f"{more} does {saved:.1f} times the multiply-adds of {fewer} and takes")
    spread = f"round by round {rounds.min():.1f} to {rounds.max():.1f}"
    print(f"    {gained:.1f} times as long, by the fastest rounds ({spread})")

# %% [markdown]
# Above the line a network is slower than its multiply-adds promise. On the machine that built
# this page, the networks with depthwise or grouped convolutions (diamonds, triangles) are, and
# DenseNet. Ma et al. (2018), who
# measured on phones and GPUs, advise to judge a design by the direct metric, time on the device
# in question. The count is not useless: along one family (the circles, say) it orders times
# well, and it does not depend on a machine. It is one instrument; the stopwatch is another.

# %% [markdown]
# ## 8 · The paper's table beside ours
#
# He et al. (2015), tables 1 and 3: multiply-adds, and top-1 error on ImageNet with ten crops. We
# have trained nothing at that size. So the errors are theirs, and beside them stand
# torchvision's, of other recipes and one crop. (ResNet-34 is the paper's with option B; lesson 01
# quotes option A, 25.03.)

# %% tags=["demo"]
published = {
    34: ("3.6", "24.52"),
    50: ("3.8", "22.85"),
    101: ("7.6", "21.75"),
    152: ("11.3", "21.43"),
}
print(f"{'':11} {'10⁹ multiply-adds':>21}   {'top-1 error in %':>24}")
print(f"{'':11} {'paper':>7} {'ours, v1':>13}   {'paper':>9} {'torchvision':>14}")
for depth, (billions, error) in published.items():
    net, image = on_meta(f"resnet{depth}")
    if depth > 34:  # torchvision's own is v1.5
        net = plusx.BottleneckResNet(counts[depth], stride_first=True).to("meta")
    ours = plusx.count_multiply_adds(net, image) / 1e9
    meta = torchvision.models.get_model_weights(f"resnet{depth}").IMAGENET1K_V1.meta
    other = 100 - meta["_metrics"]["ImageNet-1K"]["acc@1"]
    print(f"ResNet-{depth:<4} {billions:>7} {ours:13.2f}   {error:>9} {other:14.2f}")

# %% [markdown]
# From 34 to 50 layers the count hardly grows: a basic block at 64 channels and a bottleneck at
# 256 cost nearly the same, as section 1 found. The error falls by more than one and a half points.
# Whether that is due to depth, to wider features or to both, this table cannot say.
#
# ## 9 · A written question
#
# **Difficulty** ★★☆ · **Time** 6 minutes · **Points** 2, given by a person
#
# A colleague writes: *"I replaced the bottlenecks of our ResNet by inverted ones with depthwise
# convolutions. It has a third of the multiply-adds and a third of the parameters. So it will
# run three times as fast and train in a third of the memory."*
#
# In five to eight sentences: which of these conclusions follow, and which do not? Support each
# point with a formula or a measurement from this lesson (say which, and its spread if it is a
# time), and say what you would measure before you decide.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_time", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# A third of the parameters means a third of the memory *for parameters* (and for their
# gradients and the optimiser's state): that follows. Neither of the other conclusions does.
# Memory in training is mostly activations, which grow with the width of a layer on every pixel
# of every image, whatever the weights: in section 7 MBConv, with fewer weights than the other
# blocks, kept several times as much for the backward pass as two 3×3 convolutions. Time depends
# on the numbers moved, too: a depthwise 3×3 does about 4.5 multiply-adds for each number it
# moves, a dense one with 64 channels 211 (section 7), and in the figure its speed in
# multiply-adds per second was lower by more than the spread of nine rounds. Of whole networks,
# resnet18 has 4.7 times the multiply-adds of efficientnet_b0 and took nothing like 4.7 times as
# long. So I would time both networks, forward and backward, on the device and with the batch
# size that count, in turns and several times, and measure the memory that a training step
# takes. I would also check the accuracy, which nothing here has tested.
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, time.** Half: says that multiply-adds do not determine time, because of low
#   intensity (numbers moved), norms and activations that are not counted, or missing fast code.
#   Half: a formula or a measured comparison from section 7, with its spread or range.
# - **1 point, memory and decision.** Half: parameters' memory follows, activations' does not,
#   with the kept MiB of section 7 or the width argument. Half: names what to measure: time and
#   memory on the target device and batch size, repeated.
#
# No point for a claim that contradicts the measurements, however well it is written.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 10 · Summary
#
# - A convolution has $k^2 C C' / g$ weights and uses each once per output pixel.
# - A bottleneck does its 3×3 where channels are few: 256-64-64-256 has 69,632 weights, two 3×3
#   with 256 channels have 1,179,648. Its shortcut should be the identity, a projection would
#   cost as much as the branch.
# - v1 strides in the first 1×1 and never reads three pixels of four; v1.5 reads all, for six
#   per cent more multiply-adds in ResNet-50.
# - ResNet, Wide ResNet, ResNeXt and RegNet X are one class with other numbers; the inverted
#   bottleneck turns it inside out, MBConv adds a gate.
# - The receptive field grows by $(k-1)\,j$ per layer. What has influence is smaller, the more
#   so with skip connections (at the start of training).
# - Multiply-adds do not tell time. Intensity explains a part; measure the rest, in turns, with
#   spread.
#
# ## Open questions
#
# - Does the order of norm, ReLU and convolution inside these blocks matter? (Lesson 04)
# - If short paths dominate, what do the deepest blocks of ResNet-152 do? (Lesson 05)
# - Networks at equal cost differ in accuracy, ResNeXt and ResNet for instance. Why do groups
#   help?
# - What would a network look like that was designed for time on *your* machine?
#
# ## Further reading
#
# - K. He, X. Zhang, S. Ren, J. Sun. *Deep Residual Learning for Image Recognition.* 2015,
#   [arXiv 1512.03385](https://arxiv.org/abs/1512.03385). Section 4.1 has the bottleneck.
# - T. He, Z. Zhang, H. Zhang, Z. Zhang, J. Xie, M. Li. *Bag of Tricks for Image Classification
#   with Convolutional Neural Networks.* 2019,
#   [arXiv 1812.01187](https://arxiv.org/abs/1812.01187).
# - NVIDIA.
#   [*ResNet-50 v1.5 for PyTorch*](https://catalog.ngc.nvidia.com/orgs/nvidia/resources/resnet_50_v1_5_for_pytorch).
#   The numbers for v1.5 in section 2, as quoted by the model cards of ResNet-50.
# - S. Zagoruyko, N. Komodakis. *Wide Residual Networks.* 2016,
#   [arXiv 1605.07146](https://arxiv.org/abs/1605.07146).
# - S. Xie, R. Girshick, P. Dollár, Z. Tu, K. He. *Aggregated Residual Transformations for Deep
#   Neural Networks.* 2017, [arXiv 1611.05431](https://arxiv.org/abs/1611.05431).
# - M. Sandler, A. Howard, M. Zhu, A. Zhmoginov, L.-C. Chen. *MobileNetV2: Inverted Residuals and
#   Linear Bottlenecks.* 2018, [arXiv 1801.04381](https://arxiv.org/abs/1801.04381).
# - J. Hu, L. Shen, G. Sun. *Squeeze-and-Excitation Networks.* 2018,
#   [arXiv 1709.01507](https://arxiv.org/abs/1709.01507).
# - M. Tan, Q. Le. *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks.*
#   2019, [arXiv 1905.11946](https://arxiv.org/abs/1905.11946).
# - I. Radosavovic, R. Kosaraju, R. Girshick, K. He, P. Dollár. *Designing Network Design
#   Spaces.* 2020, [arXiv 2003.13678](https://arxiv.org/abs/2003.13678).
# - W. Luo, Y. Li, R. Urtasun, R. Zemel. *Understanding the Effective Receptive Field in Deep
#   Convolutional Neural Networks.* 2016, [arXiv 1701.04128](https://arxiv.org/abs/1701.04128).
# - A. Araujo, W. Norris, J. Sim. *Computing Receptive Fields of Convolutional Neural Networks.*
#   2019, [Distill](https://distill.pub/2019/computing-receptive-fields/).
# - N. Ma, X. Zhang, H.-T. Zheng, J. Sun. *ShuffleNet V2: Practical Guidelines for Efficient CNN
#   Architecture Design.* 2018, [arXiv 1807.11164](https://arxiv.org/abs/1807.11164).
# - S. Williams, A. Waterman, D. Patterson. *Roofline: An Insightful Visual Performance Model
#   for Multicore Architectures.* 2009,
#   [doi 10.1145/1498765.1498785](https://doi.org/10.1145/1498765.1498785).
