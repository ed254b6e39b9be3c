# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Dense and U-shaped
#     minutes: 90
#     points: 20
#     goals:
#       - Build DenseNet-121 from layers that append, equal to torchvision's in counts and outputs.
#       - Compute and measure what appending costs in memory, and pay in time instead.
#       - Read from weights which features are used again, and test what the reading is worth.
#       - Build a U-Net, and measure what its long skips carry, appended, added and cut.
#     needs:
#       - Lesson 02, the residual block; lesson 03 helps with counting
#       - PyTorch modules, convolution, batch norm, autograd
# ---

# %% [markdown]
# # 07 · Dense and U-shaped
#
# **90 minutes · 20 points** (seven exercises and one written question)
#
# So far a skip connection *added* what came before. There is another way to hand something on
# untouched: put it beside the new. DenseNet does so inside a block, from every layer to every
# later one. U-Net does so across the whole network, from the fine pixels at its entrance to the
# fine pixels at its exit. This lesson builds both, counts what appending costs, and cuts the
# skips to see what went through them.
#
# **You will be able to**
#
# - build DenseNet-121 from layers that append, equal to torchvision's in counts and outputs;
# - compute and measure what appending costs in memory, and pay in time instead;
# - read from weights which features are used again, and test what the reading is worth;
# - build a U-Net, and measure what its long skips carry, appended, added and cut.
#
# **You need** lesson 02, the residual block; PyTorch modules, convolution, batch norm, autograd.
# (Lesson 03 helps with counting.)
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on
# small cases. When your work is graded, more checks run: other sizes, gradients, another dtype,
# another device. Hints are folded; open them one at a time.

# %%
from functools import partial

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

import plusx
from plusx import dense, dense_figures, diagnose_dense, diagnose_unet, plots, reuse
from plusx.denoising import Denoiser, DenoisingRecipe, DenoisingTraining, digits, sample
from plusx.dense_checks import (
    DEVICE,
    expect_block,
    expect_layer,
    expect_little_kept,
    expect_logits,
    expect_thrifty,
    expect_unet,
)
from plusx.dense_explorer import DenseExplorer
from plusx.dense_studies import load_study
from plusx.expect import (
    expect_close,
    expect_equal,
    expect_raises,
    expect_shape,
    expect_true,
    expect_type,
    expect_works,
)
from plusx.experiments import mean_spread
from plusx.segmentation import SHAPES, SegmentationTraining, make_scenes
from plusx.segmentation import iou as segmentation_iou
from plusx.trained import advance_kept, trained_networks
from plusx.training import seeded
from plusx.unet import UNet as UNetReference
from plusx.unet import double_conv

# %% [markdown]
# One function seeds every generator. Nothing in this lesson names a device: training takes the
# best there is.

# %%
plusx.seed_all(0)

# %% [markdown]
# ## 1 · Add, or append
#
# A residual layer reads a sum, and adds to it. A dense layer (Huang et al. 2017) reads everything
# that was made before it, side by side, and appends a little of its own:
#
# $$\text{residual:}\quad x_l = x_{l-1} + F_l(x_{l-1}), \qquad
#   \text{dense:}\quad x_l = F_l\bigl([x_0, x_1, \dots, x_{l-1}]\bigr),$$
#
# where $[\dots]$ puts channels one behind the other. In a sum the parts can no longer be told
# apart; in a concatenation each keeps its place, and the next layer may use it or not.

# %%
x, new = torch.randn(2, 8, 5, 5), torch.randn(2, 4, 5, 5)  # (B, C, H, W)
print(tuple(torch.cat([x, new], dim=1).shape))  # (B, 8 + 4, H, W)

# %% tags=["demo"]
dense_figures.stack_diagram()
plots.show(
    "What each of five layers reads. Added: a stream of 8 channels that stays 8 wide and holds one sum. "
    "Appended: x with 8 channels, then 4 more from each layer before, 28 at the end."
)

# %% [markdown]
# On the left, a stream of 8 channels stays 8 channels wide, and holds one sum (the dots stand for
# how much went into it). On the right, each layer makes 4 new channels and reads all that came
# before: $x$, then $x$ and 1, then $x$, 1 and 2. The number of new channels per layer is the
# **growth rate** $k$. After $l$ layers there are $k_0 + l\,k$ channels, and between $L$ layers
# there are $L(L+1)/2$ connections, hence "dense".
#
# Nothing can be appended to an image of another size. So a DenseNet is made of **dense blocks**, in
# which the size stays, and **transitions** between them, which halve rows and columns and, in the
# variant that everybody uses, also the number of channels.
#
# ### Exercise 1 · Counting channels
#
# **Goal** the channels that enter and leave each block · **Difficulty** ★☆☆ · **Time** 5 minutes ·
# **Points** 2
#
# A stem makes `stem` channels; they enter the first block. A block of $n$ layers adds $n$ times
# `growth`. Between two blocks a transition halves the channels (rounded down); there is none
# behind the last block.
#
# <details><summary>Hint: a loop</summary>
#
# Keep one number, `channels`. For each block note it, add, note it again, halve it.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "dense_channels", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.dense_channels"]}
def dense_channels(blocks, growth=32, stem=64):
    """Channels that enter and leave each dense block.

    blocks: list of ints, the layers of each block
    growth: int, new channels per layer; stem: int, channels that enter the first block
    returns: list of pairs (entering, leaving), one for each block
    """
    ### BEGIN SOLUTION
    widths, channels = [], stem
    for layers in blocks:
        leaving = channels + layers * growth
        widths.append((channels, leaving))
        channels = leaving // 2
    return widths
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_dense_channels", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
by_hand = [(8, 20), (10, 22)]  # 8 + 3 * 4; half of 20; 10 + 3 * 4
wrong = diagnose_dense.wrong_channels([3, 3], 4, 8)
expect_equal(dense_channels([3, 3], 4, 8), by_hand, "dense_channels([3, 3], 4, 8)", wrong=wrong)
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
for blocks, growth, stem in [
    ([6, 12, 24, 16], 32, 64),
    ([6, 12, 36, 24], 48, 96),
    ([2, 5], 3, 7),
    ([4], 12, 24),
    ([1, 2, 3, 2, 1], 5, 9),
]:
    what = f"dense_channels({blocks}, {growth}, {stem})"
    with expect_works(what):
        widths = dense_channels(blocks, growth=growth, stem=stem)
    expect_type(widths, (list, tuple), what, "return a list of pairs")
    right = dense.dense_channels(blocks, growth, stem)
    expect_equal(len(widths), len(right), f"{what}: how many pairs come back")
    wrong = diagnose_dense.wrong_channels(blocks, growth, stem)
    expect_equal(widths, right, what, "numbers are halved by // 2", wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# For DenseNet-121 that gives 64 to 256, 128 to 512, 256 to 1024, and 512 to 1024 channels: see
# `dense.dense_channels([6, 12, 24, 16])`. Its growth rate is 32. So each of its 58 dense layers
# makes no more than 32 new channels, where a ResNet-50 has 256 to 2048 in its stream.

# %% [markdown]
# ## 2 · A layer and a block
#
# A dense layer comes in the order of lesson 04: norm and ReLU *before* each convolution. Why?
# Every layer reads the same features with other needs, and so it gives them a norm of its own. And
# because it may read a thousand channels to make 32, a 1×1 convolution first squeezes them to
# $4k$, the bottleneck of lesson 03:
#
# $$F(x) = W_2 * \mathrm{relu}\Bigl(\mathrm{norm}_2\bigl(W_1 *
#   \mathrm{relu}(\mathrm{norm}_1(x))\bigr)\Bigr),$$
#
# with $W_1$ of kernel 1, from $C$ to $4k$ channels, and $W_2$ of kernel 3, from $4k$ to $k$. No
# convolution has a bias.
#
# ### Exercise 2 · The dense layer and the dense block
#
# **Goal** appending, layer by layer · **Difficulty** ★★☆ · **Time** 12 minutes · **Points** 2 for
# the layer, 2 for the block
#
# The layer takes one tensor with all features and returns **only the new channels**. The block
# calls its layers one after the other and returns $x$ and everything that was made, oldest first.
# Only what they compute, and how many parameters they have, is tested. (Assign the four parts of
# the layer in the order in which they are used: exercise 3 loads weights in that order.)
#
# <details><summary>Hint 1: what the layer has</summary>
#
# `nn.BatchNorm2d(in_channels)`, `nn.Conv2d(in_channels, 4 * growth, 1, bias=False)`,
# `nn.BatchNorm2d(4 * growth)`, `nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)`.
#
# </details>
# <details><summary>Hint 2: what the block has</summary>
#
# Layers in an `nn.ModuleList`. Layer number n, from 0, reads `in_channels + n * growth` channels.
#
# </details>
# <details><summary>Hint 3: the block's forward pass</summary>
#
# For each layer: `x = torch.cat([x, layer(x)], dim=1)`. That is all.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "dense_block", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["torchvision._DenseLayer", "torchvision._DenseBlock", "plusx.DenseBlock", "plusx.DenseLayer"]}
class DenseLayer(nn.Module):
    """New channels from all features: norm, ReLU, conv 1x1, norm, ReLU, conv 3x3.

    in_channels: int, channels of x; growth: int, channels of the result

    forward: x (B, in_channels, H, W) -> (B, growth, H, W)
    """

    def __init__(self, in_channels, growth):
        super().__init__()
        ### BEGIN SOLUTION
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 4 * growth, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(4 * growth)
        self.conv2 = nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        y = self.conv1(F.relu(self.norm1(x)))  # (B, 4 growth, H, W)
        return self.conv2(F.relu(self.norm2(y)))  # (B, growth, H, W)
        ### END SOLUTION


class DenseBlock(nn.Module):
    """Dense layers, one after the other: x and all that they make, side by side.

    layers, in_channels, growth: ints

    forward: x (B, in_channels, H, W) -> (B, in_channels + layers * growth, H, W), x first
    """

    def __init__(self, layers, in_channels, growth):
        super().__init__()
        ### BEGIN SOLUTION
        widths = [in_channels + n * growth for n in range(layers)]
        self.layers = nn.ModuleList(DenseLayer(width, growth) for width in widths)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        for layer in self.layers:
            x = torch.cat([x, layer(x)], dim=1)  # (B, C + growth, H, W)
        return x
        ### END SOLUTION


# %% [markdown]
# **First check: the layer.** It must equal torchvision's under the same weights.

# %% nbgrader={"grade": true, "grade_id": "test_dense_block_a", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(2)
expect_layer(DenseLayer, (2, 6, 4, 4), growth=3)
print("Exercise 2, the layer: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(201)
for size, growth in [((2, 5, 6, 3), 5), ((3, 16, 4, 5), 2), ((1, 4, 7, 7), 4), ((2, 3, 5, 5), 1)]:
    expect_layer(DenseLayer, size, growth)
with expect_works("DenseLayer(6, 2) on another device (meta)", DEVICE):
    y = DenseLayer(6, 2).to("meta")(torch.empty(2, 6, 5, 5, device="meta"))
expect_true(y.is_meta, "DenseLayer(6, 2): the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# **Second check: the block.**

# %% nbgrader={"grade": true, "grade_id": "test_dense_block_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(3)
expect_block(DenseBlock, (2, 6, 4, 4), layers=2, growth=3)
print("Exercise 2, the block: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(202)
for size, layers, growth in [((2, 5, 6, 3), 1, 4), ((2, 8, 4, 5), 4, 2), ((3, 3, 5, 5), 3, 5)]:
    expect_block(DenseBlock, size, layers, growth)
with expect_works("DenseBlock(2, 6, 2) on another device (meta)", DEVICE):
    y = DenseBlock(2, 6, 2).to("meta")(torch.empty(2, 6, 5, 5, device="meta"))
expect_true(y.is_meta, "DenseBlock(2, 6, 2): the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · DenseNet-121
#
# The whole network, for images of 224 × 224 (Huang et al. 2017, table 1), with $k = 32$:
#
# | part | DenseNet-121 | leaves |
# |---|---|---|
# | stem: conv 7×7, stride 2, padding 3, no bias; norm; ReLU; max pooling 3×3, stride 2, padding 1 | | 64 × 56 × 56 |
# | block 1 | 6 layers | 256 × 56 × 56 |
# | transition: norm; ReLU; conv 1×1 to half the channels, no bias; mean of 2×2 pixels | | 128 × 28 × 28 |
# | block 2, transition | 12 layers | 256 × 14 × 14 |
# | block 3, transition | 24 layers | 512 × 7 × 7 |
# | block 4 | 16 layers | 1024 × 7 × 7 |
# | norm, **ReLU**, mean over all pixels, one linear layer | | classes |
#
# Layers with weights: $1 + 2 \cdot 58 + 3 + 1 = 121$.
#
# ### Exercise 3 · The whole network
#
# **Goal** DenseNet-121 and its relatives, to the last parameter · **Difficulty** ★★★ ·
# **Time** 12 minutes · **Points** 2 for the counts, 2 for outputs equal to torchvision's
#
# Use your `DenseBlock`. For the weights **the order of assignment to `self` counts**: stem
# convolution, stem norm, then block, transition norm, transition convolution, block ..., the last
# norm, the linear layer.
#
# <details><summary>Hint 1: the plan</summary>
#
# A list of parts: the stem's four, then for each block a transition (not before the first) and the
# block, then `nn.BatchNorm2d(channels)` and `nn.ReLU()`. `nn.Sequential(*parts)` is the body.
#
# </details>
# <details><summary>Hint 2: what is often forgotten</summary>
#
# The norm and the ReLU behind the last block. A block ends with a concatenation of raw
# convolutions: nobody else gives it an activation.
#
# </details>
# <details><summary>Hint 3: when loading fails</summary>
#
# The message names a tensor. Compare `list(net.state_dict())` with
# `list(torchvision.models.densenet121().state_dict())`, line by line.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "densenet", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["torchvision.DenseNet", "plusx.DenseNet"]}
class DenseNet(nn.Module):
    """A dense network for large images; its tensors in torchvision's order.

    blocks: list of ints, the layers of each dense block
    growth: int, new channels per layer; stem: int, channels of the stem
    classes: int, the number of logits

    forward: x (B, 3, H, W) -> logits (B, classes)
    """

    def __init__(self, blocks=(6, 12, 24, 16), growth=32, stem=64, classes=1000):
        super().__init__()
        ### BEGIN SOLUTION
        parts = [
            nn.Conv2d(3, stem, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(stem),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
        channels = stem
        for number, layers in enumerate(blocks):
            if number > 0:
                parts += [
                    nn.BatchNorm2d(channels),
                    nn.ReLU(),
                    nn.Conv2d(channels, channels // 2, 1, bias=False),
                    nn.AvgPool2d(2),
                ]
                channels = channels // 2
            parts.append(DenseBlock(layers, channels, growth))
            channels += layers * growth
        self.body = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Linear(channels, classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.body(x)  # (B, channels, H/32, W/32)
        return self.head(x.mean(dim=(2, 3)))  # (B, classes)
        ### END SOLUTION


# %% [markdown]
# **First check: the counts.**

# %% nbgrader={"grade": true, "grade_id": "test_densenet_a", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
net = DenseNet().to("meta")  # counting needs no numbers
count = sum(p.numel() for p in net.parameters())
wrong = {}
if count != 7_978_856:
    wrong = diagnose_dense.wrong_net_counts(7_978_856, [6, 12, 24, 16], 32, 64, 1000)
expect_equal(count, 7_978_856, "DenseNet(): number of parameters", wrong=wrong)
print("Exercise 3, the counts: the visible checks pass.")
### BEGIN HIDDEN TESTS
for blocks, growth, stem, classes in [
    ([2, 3], 4, 8, 5),
    ([1, 2, 1], 6, 10, 7),
    ([3], 8, 12, 2),
    ([2, 2, 2, 2], 5, 11, 10),
    ([1, 1], 32, 64, 1000),
]:
    what = f"DenseNet({blocks}, growth={growth}, stem={stem}, classes={classes})"
    with torch.device("meta"):
        reference = diagnose_dense.torchvision_densenet(blocks, growth, stem, classes)
    expected = sum(p.numel() for p in reference.parameters())
    with expect_works(what):
        net = DenseNet(blocks, growth=growth, stem=stem, classes=classes).to("meta")
    expect_type(net, nn.Module, what)
    count = sum(p.numel() for p in net.parameters())
    wrong = {}
    if count != expected:
        wrong = diagnose_dense.wrong_net_counts(expected, blocks, growth, stem, classes)
    expect_equal(count, expected, f"{what}: number of parameters", wrong=wrong)
    with expect_works(f"{what} on another device (meta)", DEVICE):
        logits = net(torch.empty(2, 3, 64, 64, device="meta"))
    expect_true(logits.is_meta, f"{what}: the device of the logits is that of x")
    expect_shape(logits, (2, classes), f"{what}: logits of two images")
### END HIDDEN TESTS

# %% [markdown]
# **Second check: the outputs.** Your network takes over the weights of torchvision's, tensor by
# tensor, and must compute the same logits.

# %% nbgrader={"grade": true, "grade_id": "test_densenet_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(4)
reference = diagnose_dense.torchvision_densenet([2, 2], 4, 8, 5)
net = DenseNet([2, 2], growth=4, stem=8, classes=5)
expect_logits(net, reference, (1, 3, 64, 64), "DenseNet([2, 2], growth=4, stem=8, classes=5)")
print("Exercise 3, the outputs: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(301)
for blocks, growth, stem, classes, size in [
    ([2, 1], 4, 6, 3, (2, 3, 64, 64)),
    ([1, 2, 1], 3, 8, 7, (2, 3, 72, 53)),
    ([2], 5, 4, 4, (3, 3, 33, 40)),
    ([6, 12, 24, 16], 32, 64, 1000, (1, 3, 32, 32)),
]:
    what = f"DenseNet({blocks}, growth={growth}, stem={stem}, classes={classes})"
    reference = diagnose_dense.torchvision_densenet(blocks, growth, stem, classes)
    with expect_works(what):
        net = DenseNet(blocks, growth=growth, stem=stem, classes=classes)
    expect_logits(net, reference, size, what, explain=len(blocks) < 4)
### END HIDDEN TESTS

# %% [markdown]
# From here on the lesson uses `plusx.dense`, which computes what your classes do, so that the
# demonstrations run before you have solved the exercises.
#
# ## 4 · Eight million parameters, and no memory left
#
# DenseNet-121 has 7,978,856 parameters, ResNet-50 has 25,557,032, and torchvision's weights
# reach about the same accuracy on ImageNet (74.4 and 76.1 % top-1). So it should be easier to train.
# Those who tried ran out of memory. Why? Training keeps what each layer *read* for the backward
# pass. Layer $l$ reads $k_0 + l\,k$ channels, and `torch.cat` writes them anew each time. The norm
# keeps that copy; the ReLU behind the norm gives another one, which the convolution keeps. In
# channels, for $L$ layers:
#
# $$\underbrace{2 \sum_{l=0}^{L-1} (k_0 + l\,k)}_{\text{first halves: grows as } L^2}
#   + \underbrace{2 \cdot 4k \cdot L}_{\text{second halves}}.$$
#
# Yet all these copies hold the same features again and again. Let us count what PyTorch keeps.


# %% tags=["demo"]
def kept(layers, recompute):
    """MiB that a dense block with growth 8 keeps, for 8 images of 16 × 16 with 16 channels."""
    block = dense.DenseBlock(layers, 16, 8, recompute)
    return plusx.saved_mebibytes(block, torch.randn(8, 16, 16, 16))


depths = (4, 8, 16, 32)
print("layers    kept   by formula   recomputed   by formula   (MiB)")
for layers in depths:
    counted = [dense.kept_channels(layers, 16, 8, r) * 8 * 16**2 * 4 / 2**20 for r in (False, True)]
    found = kept(layers, False), kept(layers, True)
    print(f"{layers:6} {found[0]:7.1f} {counted[0]:12.1f} {found[1]:12.1f} {counted[1]:12.1f}")

# %% [markdown]
# From 16 to 32 layers the memory grows more than threefold (and towards fourfold): formula and
# measurement agree. The two columns
# on the right are what you build next. The first half of a layer (concatenate, norm, ReLU, 1×1)
# is cheap to compute and dear to keep. So **do not keep it**: hold the features themselves, once,
# and in the backward pass compute the first half again (Pleiss et al. 2017).
#
# `torch.utils.checkpoint.checkpoint(function, *tensors, use_reentrant=False)` calls
# `function(*tensors)`, keeps the tensors that went in and nothing of what happened inside, and
# calls the function again when the gradient is needed.
#
# ### Exercise 4 · Compute it again
#
# **Goal** the same layer, in linear memory · **Difficulty** ★★★ · **Time** 9 minutes · **Points** 2
#
# The parts are there; write the forward pass. It gets the *list* of all features, and everything
# from the concatenation to the 1×1 convolution runs inside `checkpoint`. The rest is as before.
#
# <details><summary>Hint 1: what to checkpoint</summary>
#
# A function that takes the features one by one: `def squeeze(*features)`. Inside it:
# `torch.cat(features, dim=1)`, norm, ReLU, convolution.
#
# </details>
# <details><summary>Hint 2: why inside</summary>
#
# What goes *into* the checkpoint is kept. If you concatenate before, each layer keeps its own copy
# of everything, and the square is back.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "thrifty", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["torchvision._DenseLayer", "plusx.DenseLayer"]}
class ThriftyLayer(nn.Module):
    """A dense layer that computes its first half again instead of keeping it.

    in_channels: int, channels of all features together; growth: int, channels of the result

    forward: features, list of tensors (B, C_i, H, W) -> (B, growth, H, W)
    """

    def __init__(self, in_channels, growth):
        super().__init__()
        inner = 4 * growth
        self.norm1, self.norm2 = nn.BatchNorm2d(in_channels), nn.BatchNorm2d(inner)
        self.conv1 = nn.Conv2d(in_channels, inner, 1, bias=False)
        self.conv2 = nn.Conv2d(inner, growth, 3, padding=1, bias=False)

    def forward(self, features):
        ### BEGIN SOLUTION
        def squeeze(*features):
            x = torch.cat(features, dim=1)  # (B, in_channels, H, W)
            return self.conv1(F.relu(self.norm1(x)))

        y = checkpoint(squeeze, *features, use_reentrant=False)  # (B, 4 growth, H, W)
        return self.conv2(F.relu(self.norm2(y)))  # (B, growth, H, W)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_thrifty", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(5)
expect_thrifty(ThriftyLayer, channels=(4, 3, 3), growth=3)
expect_little_kept(ThriftyLayer, channels=(20, 20, 20), growth=4)  # memory: in your notebook only
print("Exercise 4: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(401)
expect_thrifty(ThriftyLayer, channels=(5,), growth=2)
expect_thrifty(ThriftyLayer, channels=(2, 4, 4, 4), growth=4, batch=3, side=5)
expect_thrifty(ThriftyLayer, channels=(7, 1), growth=1, batch=1, side=6)
### END HIDDEN TESTS

# %% [markdown]
# Did you notice how the test knows? Each batch norm counts the batches it has seen. After the
# backward pass the first norm of your layer has counted one more: it *ran again*. That is a side
# effect worth knowing: under a checkpoint, a norm's running statistics move twice per step. The
# gradients are those of the usual layer, to the last bit that matters.
#
# What does it cost? Time: the first halves run twice. Of both kinds a block with 32 layers, forward
# and backward, five repeats each, in turns:

# %% tags=["demo", "timing"]
images = torch.randn(8, 16, 16, 16)
twins = {"kept": dense.DenseBlock(32, 16, 8), "recomputed": dense.DenseBlock(32, 16, 8, True)}
times = {name: [] for name in twins}
for _ in range(5):
    for name, block in twins.items():
        times[name].append(1000 * plusx.step_seconds(block, images, repeats=1))
for name, rounds in times.items():
    print(
        f"{name:11} {min(rounds):5.0f} ms, the fastest of {len(rounds)}; {max(rounds):.0f} the slowest"
    )

# %% [markdown]
# The authors' own implementation for PyTorch names 15 to 20 % more time as its price. Yours
# depends on the machine, and on how cheap a 1×1 convolution is there. (Where the slowest round takes
# twice as long as the fastest, the machine was busy, and the difference means nothing.)
#
# ### Explore
#
# Move the growth rate, the layers, the input, the image. Before you do: what happens to the red
# curve when the layers double? What happens to the weights of the *last* layer?

# %% tags=["demo"]
DenseExplorer()

# %% [markdown]
# ## 5 · Is appending better? And what is used again?
#
# An honest comparison needs equal means. Eight layers on digits: a dense net (growth 4, 8,594
# parameters), and a net with the same branch at a constant width of 13, with the sum (8,939
# parameters) or without. Each at three learning rates, five seeds, eight epochs:

# %% tags=["demo"]
joins = load_study("dense_joins")
names = {"concat": "appended", "add": "added", "none": "neither"}
print(f"{'test error (%)':14} " + "".join(f"lr {lr:<12}" for lr in (0.05, 0.2, 0.8)))
for join, name in names.items():
    cells = [mean_spread(joins[join, lr].test_error[:, -1]) for lr in (0.05, 0.2, 0.8)]
    print(f"{name:14} " + "".join(f"{cell:15}" for cell in cells))

# %% [markdown]
# At its best rate the dense net errs on 1.7 ± 0.8 %, the residual one on 2.0 ± 1.1 %: no difference.
# With neither, 9.5 ± 4.4 %. So some way to hand things on is worth a lot here, and *which* is worth
# nothing that five seeds could show. One thing does differ. At the small rate of 0.05 the dense net
# is far ahead (6.8 ± 2.1 against 20.4 ± 5.6 %): it learns sooner. A shorter road from every layer to
# the loss would explain that; so would a larger effective step. We have tested neither.
#
# The paper's claim, a third of the parameters for the same error, is about networks of a hundred
# layers on photographs. Eight layers on digits cannot check it.
#
# ### What is used again?
#
# In a residual stream nobody can say who reads what. In a dense block it stands in the weights: the
# first convolution of layer $l$ has its own columns for $x$, for layer 1, for layer 2 ... Huang et
# al. (2017, section 5) average their absolute values, one number for each layer and each source.
#
# ### Exercise 5 · Reading the weights
#
# **Goal** the table behind the paper's figure 5 · **Difficulty** ★★☆ · **Time** 8 minutes ·
# **Points** 2
#
# Row $l$ belongs to layer $l$, counted from 0. Its sources are the block's input (column 0, `first`
# channels) and the layers before it (column $s$ for layer $s - 1$, `growth` channels each), in this
# order along axis 1 of its weights. An entry is the **mean of the absolute values** of the
# weights that read this source. Where there is no source yet, it is 0.
#
# <details><summary>Hint 1: cutting a tensor</summary>
#
# `weight.split([first] + [growth] * l, dim=1)` gives the parts, one for each source.
#
# </details>
# <details><summary>Hint 2: device and dtype</summary>
#
# `weights[0].new_zeros(L, L)` makes a table like the weights.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "feature_reuse", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.feature_reuse", "plusx.block_reuse"]}
def feature_reuse(weights, first, growth):
    """How strongly each layer of a dense block reads each source: mean |weight|.

    weights: list of L tensors, weights[l] of shape (inner, first + l * growth, 1, 1)
    first: int, channels of the block's input; growth: int, channels that a layer makes
    returns: (L, L), row l for layer l, column 0 for the input, column s for layer s - 1; else 0
    """
    ### BEGIN SOLUTION
    table = weights[0].new_zeros(len(weights), len(weights))
    for row, weight in enumerate(weights):
        for column, part in enumerate(weight.split([first] + [growth] * row, dim=1)):
            table[row, column] = part.abs().mean()
    return table
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_feature_reuse", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
ones = torch.tensor([[1.0, -3.0], [2.0, -2.0]])[:, :, None, None]  # (inner 2, first 2, 1, 1)
more = torch.tensor([[1.0, 1.0, -5.0], [1.0, -1.0, 7.0]])[:, :, None, None]  # one channel more
by_hand = torch.tensor([[2.0, 0.0], [1.0, 6.0]])
wrong = diagnose_dense.wrong_reuse([ones, more], 2, 1)
with expect_works(
    "feature_reuse: two layers by hand", "parts: `first` channels, then `growth` each"
):
    table = feature_reuse([ones, more], 2, 1)
expect_close(table, by_hand, "feature_reuse: two layers by hand", wrong=wrong)
print("Exercise 5: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(501)
for layers, first, growth, dtype in [
    (1, 3, 2, torch.float32),
    (4, 6, 3, torch.float64),
    (5, 2, 4, torch.float32),
    (3, 4, 4, torch.float64),
    (6, 9, 1, torch.float32),
]:
    weights = [
        torch.randn(4 * growth, first + row * growth, 1, 1, dtype=dtype) * (1 + row)
        for row in range(layers)
    ]
    copies = [weight.clone() for weight in weights]
    what = f"feature_reuse: {layers} layers, first={first}, growth={growth}"
    hint = "row l has l + 1 sources: `first` channels, then `growth` for each layer before"
    with expect_works(what, hint):
        table = feature_reuse(weights, first, growth)
    for weight, copy in zip(weights, copies, strict=True):
        expect_close(weight, copy, f"{what}: the weights afterwards", "they are changed in place")
    expect_shape(table, (layers, layers), what)
    wrong = diagnose_dense.wrong_reuse(weights, first, growth)
    expect_close(table, reuse.feature_reuse(weights, first, growth), what, hint, wrong=wrong)
with expect_works("feature_reuse on another device (meta)", DEVICE):
    table = feature_reuse([weight.to("meta") for weight in weights], first, growth)
expect_true(table.is_meta, "feature_reuse: the device of the table is that of the weights")
### END HIDDEN TESTS

# %% [markdown]
# A weight is not a use. So we also try it: forbid one layer to read one source (its weights to 0),
# and see by how much the test loss rises. Three networks with eight layers and growth 4, on digits,
# with weight decay, since without it weights hardly leave their random start in so short a training:

# %% tags=["demo"]
data = plusx.load_data("digits")
recipe = plusx.Recipe(epochs=12, lr=0.1, weight_decay=0.003, schedule="cosine")
make = partial(dense.DenseNet, (8,), 4, 8, 10, small=True, in_channels=1)
nets = trained_networks(make, data, recipe, seeds=3, device=torch.device("cpu"))
nets = [net.eval() for net in nets]
tables = [reuse.block_reuse(net.dense_blocks()[0]) for net in nets]  # (8, 8) each
costs = [reuse.cut_costs(net, data.test_images, data.test_labels) for net in nets]

# %% tags=["demo"]
dense_figures.reuse_maps(
    {
        "what the weights say": torch.stack(tables).mean(0),
        "what cutting costs": torch.stack(costs).mean(0).clamp(min=1e-3).log10(),
    },
    ["mean |weight|, 3 networks", "log₁₀ of the rise in test loss (nats)"],
)
plots.show(
    "Two triangular maps, eight layers by their sources. Mean absolute weights, and the rise in "
    "test loss when a connection is cut: both fall from the first layer to the last, and within a "
    "row both are largest for the source just before the layer."
)

# %% tags=["demo"]
starts = [reuse.block_reuse(seeded(make, seed).dense_blocks()[0]) for seed in range(3)]
pairs = {"weights after training": tables, "the same before training": starts}
for name, rows in pairs.items():
    whole = [reuse.rank_correlation(table, cost) for table, cost in zip(rows, costs, strict=True)]
    inside = [reuse.row_correlations(t, c).mean() for t, c in zip(rows, costs, strict=True)]
    text = [mean_spread(torch.stack(values), 2) for values in (whole, inside)]
    print(f"{name:24} agree with cutting: whole table {text[0]}, within a row {text[1]}")

# %% [markdown]
# The two maps agree (rank correlation 0.87 over the whole table). But part of that is no
# discovery: the table of the same networks *before training* agrees, too (0.68). Why? The deeper a
# layer, the more it reads, and the smaller its weights start; and the deeper a layer, the less it costs
# to cut one of its many sources. The honest question is asked **within a row**: of all sources that one
# layer has, does it lean on those with large weights? Before training hardly (0.11 ± 0.12: how could
# it?), afterwards yes (0.70 ± 0.07).
#
# What they agree on: each layer leans on the one just before it most, early layers read $x$, and the
# last layers could lose most of their connections for next to nothing. Features *are* used
# again, over short distances above all. (Huang et al. find weight on early features even in late
# layers of their much larger networks.)

# %% [markdown]
# ## 6 · Skips across the whole network
#
# A classifier may forget *where* things are. A network that has to say for each pixel whether it
# belongs to a cell, a road, a tumour may not. Yet it must look at large regions, too, and the cheap
# way to do so is to halve the image again and again, which throws places away. U-Net
# (Ronneberger, Fischer, Brox 2015) does both: an encoder goes down to small images with many
# channels, a decoder comes up again, and at each size a **long skip** hands the encoder's fine
# features across.

# %% tags=["demo"]
dense_figures.u_diagram()
plots.show(
    "A U-Net with two halvings. The encoder goes down on the left from w channels at full size to "
    "4w at a quarter, the decoder comes up on the right; long skips join the two at full size, "
    "level 0, and at half size, level 1."
)

# %% [markdown]
# A decoder level gets two tensors of one size: what came up from below, which knows *what*, and
# what comes across, which knows *where*. U-Net appends them; adding them is possible, too.
#
# ### The task, and how to score it
#
# Pictures of 24 × 24 pixels with rings, boxes and lines, one pixel thin, in noise. Which pixels
# belong to a shape?

# %% tags=["demo"]
scenes = make_scenes(6, seed=3)
rows = {"picture": scenes.images[:, 0], "wanted": scenes.masks[:, 0]}
dense_figures.picture_rows(rows)
plots.show(
    "Six noisy pictures of rings, boxes and lines, and below each the mask of what belongs to a "
    "shape."
)

# %% [markdown]
# Most pixels are background. A network that says "nothing" everywhere is right for four pixels of
# five and has found nothing. So one counts the **intersection over union**, of the pixels found and
# the pixels wanted:
#
# $$\mathrm{IoU} = \frac{|\,\text{found} \cap \text{wanted}\,|}{|\,\text{found} \cup \text{wanted}\,|}.$$
#
# ### Exercise 6 · Intersection over union
#
# **Goal** a score that background cannot flatter · **Difficulty** ★☆☆ · **Time** 4 minutes ·
# **Points** 1
#
# A pixel is found where its logit is **above 0** (a probability above one half). Count all pixels
# of a batch together. If both sets are empty, nothing was missed: the score is 1.
#
# <details><summary>Hint: sets of pixels</summary>
#
# `found = logits > 0` and `wanted = masks > 0.5` are tensors of True and False; `&` is the
# intersection, `|` the union, `.sum().item()` counts.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "iou", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.iou", "plusx.right_iou"]}
def iou(logits, masks):
    """Intersection over union of {logits > 0} and {masks = 1}, over all pixels of the batch.

    logits, masks: (B, 1, H, W); masks hold 0 and 1
    returns: float from 0 to 1; 1.0 where both sets are empty
    """
    ### BEGIN SOLUTION
    found, wanted = logits > 0, masks > 0.5
    union = (found | wanted).sum().item()
    if union == 0:
        return 1.0
    return (found & wanted).sum().item() / union
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_iou", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
logits = torch.tensor([2.0, 1.0, 3.0, 0.3, -1, -1, -2, -3, -1, -4, -1, -2]).view(1, 1, 3, 4)
masks = torch.tensor([1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0, 0, 0, 0, 0]).view(1, 1, 3, 4)
wrong = diagnose_unet.wrong_ious(logits, masks)  # found 4, wanted 5, 2 of them in common
expect_close(iou(logits, masks), 2 / 7, "iou: two pixels of seven", wrong=wrong)
print("Exercise 6: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(601)
hint = "pixels in both sets, divided by pixels in either"
for name, size, share, scale in [
    ("random", (3, 1, 5, 7), 0.3, 1.0),
    ("confident", (2, 1, 8, 8), 0.6, 9.0),
    ("one picture empty", (2, 1, 6, 6), 0.4, 1.0),
    ("nothing wanted", (1, 1, 4, 4), 0.0, 1.0),
    ("in float64", (2, 1, 4, 6), 0.5, 0.4),
]:
    masks = (torch.rand(size) < share).float()
    logits = scale * torch.randn(size)
    if name == "one picture empty":
        masks[0], logits[0] = 0, -1
    if name == "in float64":
        masks, logits = masks.double(), logits.double()
    what = f"iou: {name}"
    with expect_works(what, hint):
        score = iou(logits, masks)
    right, wrong = diagnose_unet.right_iou(logits, masks), diagnose_unet.wrong_ious(logits, masks)
    expect_close(score, right, what, hint, wrong=wrong)
for name, logits, masks, right in [
    ("both empty", -torch.ones(2, 1, 3, 3), torch.zeros(2, 1, 3, 3), 1.0),
    ("all right", torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), 1.0),
    ("logits of exactly 0 are not found", torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2), 0.0),
]:
    with expect_works(f"iou: {name}", "0 divided by 0: decide what two empty sets mean"):
        score = iou(logits, masks)
    expect_close(score, right, f"iou: {name}", hint, wrong=diagnose_unet.wrong_ious(logits, masks))
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 7 · The U-Net
#
# **Goal** encoder, decoder, and three kinds of skip · **Difficulty** ★★★ · **Time** 14 minutes ·
# **Points** 2 for `skip="concat"`, 1 for `"add"` and `"none"`
#
# With `depth` halvings there are `depth + 1` sizes; at level $n$ the encoder has
# $C_n = \text{width} \cdot 2^n$ channels.
#
# - **Encoder**: at each level `double_conv(C_in, C_n)`, which is given (twice conv 3×3, norm, ReLU);
#   before each level but the first `F.max_pool2d(x, 2)`.
# - **Decoder**, from the second deepest level up to level 0: a 1×1 convolution *with bias* from
#   $2 C_n$ to $C_n$ channels; enlarge to the size of the encoder's tensor at this level
#   (`F.interpolate(x, size=...)`, which repeats pixels, also where the size is odd); join; `double_conv`
#   to $C_n$ channels.
# - **Join**: `"concat"` appends what came up *behind* the encoder's channels, `"add"` adds the two,
#   `"none"` ignores the encoder's. Any other `skip` raises a `ValueError`.
# - **Head**: a 1×1 convolution with bias to `out_channels`. Logits: nothing follows.
#
# Only what the network computes, and how many parameters it has, is tested.
#
# <details><summary>Hint 1: the decoder's channels</summary>
#
# Its `double_conv` reads $2 C_n$ channels with `"concat"`, and $C_n$ otherwise.
#
# </details>
# <details><summary>Hint 2: keeping what goes across</summary>
#
# Append the result of each encoder level to a list. The last one is where the decoder starts;
# `pop()` the others from the end, one for each level on the way up.
#
# </details>
# <details><summary>Hint 3: the way up</summary>
#
# `earlier = kept.pop()`, then `x = F.interpolate(up(x), size=earlier.shape[2:])`, then
# `x = decoder(torch.cat([earlier, x], dim=1))`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "unet", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.UNet"]}
class UNet(nn.Module):
    """A U-Net with `depth` halvings and width, 2 width, 4 width ... channels.

    in_channels, out_channels, width, depth: ints
    skip: "concat", "add" or "none"; else ValueError

    forward: x (B, in_channels, H, W) -> logits (B, out_channels, H, W)
    """

    def __init__(self, in_channels=1, out_channels=1, width=6, depth=2, skip="concat"):
        super().__init__()
        ### BEGIN SOLUTION
        if skip not in ("concat", "add", "none"):
            raise ValueError(f"no such skip: {skip!r}")
        self.skip = skip
        widths = [width * 2**level for level in range(depth + 1)]
        self.encoders, self.ups, self.decoders = (nn.ModuleList() for _ in range(3))
        for channels in widths:
            self.encoders.append(double_conv(in_channels, channels))
            in_channels = channels
        for channels in reversed(widths[:-1]):
            self.ups.append(nn.Conv2d(2 * channels, channels, 1))
            joined = 2 * channels if skip == "concat" else channels
            self.decoders.append(double_conv(joined, channels))
        self.head = nn.Conv2d(width, out_channels, 1)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        kept = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(F.max_pool2d(x, 2) if level > 0 else x)  # (B, C_n, H / 2^n, W / 2^n)
            kept.append(x)
        kept.pop()
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            earlier = kept.pop()
            x = F.interpolate(up(x), size=earlier.shape[2:])  # (B, C_n, ...)
            if self.skip == "concat":
                x = torch.cat([earlier, x], dim=1)  # (B, 2 C_n, ...)
            elif self.skip == "add":
                x = earlier + x
            x = decoder(x)  # (B, C_n, ...)
        return self.head(x)
        ### END SOLUTION


# %% [markdown]
# **First check: `skip="concat"`**, on even and odd sizes.

# %% nbgrader={"grade": true, "grade_id": "test_unet_a", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(7)
expect_unet(UNet, (2, 1, 8, 8))
print('Exercise 7, skip="concat": the visible checks pass.')
### BEGIN HIDDEN TESTS
torch.manual_seed(701)
expect_unet(UNet, (2, 3, 13, 10), out_channels=2, width=3, depth=2)
expect_unet(UNet, (1, 1, 9, 6), width=5, depth=1)
expect_unet(UNet, (2, 2, 17, 19), width=2, depth=3)
with expect_works("UNet() on another device (meta)", DEVICE):
    y = UNet().to("meta")(torch.empty(2, 1, 12, 12, device="meta"))
expect_true(y.is_meta, "UNet(): the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# **Second check: `skip="add"` and `skip="none"`.**

# %% nbgrader={"grade": true, "grade_id": "test_unet_b", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(8)
for skip in ("add", "none"):
    expect_unet(UNet, (2, 1, 8, 8), skip=skip)
print("Exercise 7, the other skips: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(702)
for skip in ("add", "none"):
    expect_unet(UNet, (2, 3, 11, 14), out_channels=2, width=3, depth=2, skip=skip)
    expect_unet(UNet, (1, 1, 9, 16), width=2, depth=3, skip=skip)
for skip in ("sum", "", None):
    with expect_raises(ValueError, f"UNet(skip={skip!r})", "an unknown skip raises ValueError"):
        UNet(skip=skip)
### END HIDDEN TESTS

# %% [markdown]
# ## 7 · What goes across
#
# From here on we use `plusx.unet.UNet`, here under the name `UNetReference`. Two hundred pictures, eight epochs with Adam, tested on two
# hundred others; five seeds. Networks without concatenation get 7 channels instead of 6, so that
# they have *more* parameters than the network with it (18,943 against 15,583 at two halvings).

# %% tags=["demo"]
found = load_study("unet_skips")
drawing, (axis,) = plots.figure()
halvings = (1, 2, 3)
for skip, role in {"concat": "residual", "add": "first", "none": "plain"}.items():
    scores = [1 - found[skip, n, "repeat", 8].test_error[:, -1] / 100 for n in halvings]
    plots.plot_means(axis, halvings, scores, f"skip: {skip}", role)
    print(f"{skip:7}" + "".join(f"{mean_spread(score, 3):>18}" for score in scores))
axis.set(xlabel="halvings", ylabel="test IoU, mean ± deviation, 5 seeds", ylim=(0, 1))
axis.set_xticks(halvings)
axis.legend()
plots.show(
    "Test IoU by the number of halvings. With appended or added skips it stays between 0.87 and 0.89; "
    "without skips it falls from 0.79 to 0.53 to 0.25."
)

# %% [markdown]
# With skips the number of halvings hardly matters: 0.87 to 0.89. Without them the score falls with
# every halving, from 0.79 to 0.53 to 0.25, although those networks have more parameters. Appended
# or added? No difference worth the name: the means differ by two hundredths, and of the five
# networks that append, with one channel less, some end lower (look at the bars).
#
# Is it overfitting? No: without skips the *training* score is as low (0.56 at two halvings). Is it
# that nothing fits through the bottom? Hardly: $28 \times 6 \times 6 = 1008$ numbers arrive there for
# 576 pixels. But to pack *where* into channels and to unpack it again has to be learned; the skip
# hands it over for nothing. It is the identity argument of lesson 01 once more.
#
# One objection is fair: our decoder only repeats pixels, and U-Net's own transposed convolutions
# could place finer things. And eight epochs are few. So we gave the network without skips both:

# %% tags=["demo"]
for epochs in (8, 24):
    record = found["none", 2, "transposed", epochs]
    train, test = (1 - error[:, -1] / 100 for error in (record.train_error, record.test_error))
    shown = f"test IoU {mean_spread(test, 3)}, training {mean_spread(train, 3)}"
    print(f"no skips, transposed convolutions, {epochs:2} epochs: {shown}")

# %% [markdown]
# It helps: from 0.53 to 0.57, and to 0.72 with three times the training, where the training score
# is at 0.83: what it learns of *where* it learns partly by heart. It remains far from the 0.87 to
# 0.89 that skips reach in eight epochs. **Long skips make easy what is possible without them.**
#
# ### Look at it
#
# Three networks of each kind, two halvings, trained here and now. The pictures are the first
# network's:

# %% tags=["demo"]
cpu = torch.device("cpu")
trained = {}
for skip, width in {"concat": 6, "add": 7, "none": 7}.items():
    training = SegmentationTraining(partial(UNetReference, width=width, skip=skip), None, 3, cpu)
    advance_kept(training, training.recipe.steps, f"skip: {skip}")
    trained[skip] = training.trained()

# %% tags=["demo"]
rows = {"picture": scenes.images[:, 0], "wanted": scenes.masks[:, 0]}
with torch.no_grad():
    for skip, nets in trained.items():
        rows[f"skip: {skip}"] = nets[0](scenes.images)[:, 0].sigmoid()  # (6, H, W)
dense_figures.picture_rows(rows)
plots.show(
    "Six pictures, what is wanted, and what networks find. With skips, appended or added, shapes come "
    "out sharp; without, as soft clouds: boxes survive, rings are filled, lines are gone."
)

# %% tags=["demo"]
many = make_scenes(200, seed=2)
print(f"{'wanted pixels found (%)':25}" + "".join(f"{name:>12}" for name in SHAPES))
for skip, nets in trained.items():
    with torch.no_grad():
        hits = torch.stack([net(many.images)[:, 0] > 0 for net in nets])  # (3, N, H, W)
    shares = [100 * hits[:, many.kinds == n].double().mean(1) for n in range(3)]  # (3,) each
    print(f"{skip:25}" + "".join(f"{mean_spread(share, 0):>12}" for share in shares))

# %% [markdown]
# Without skips the networks know *what* is there: they find nearly nine pixels of ten in the boxes. What
# they have lost is *where*: of the rings, one or two pixels thin, they find a half, of the lines a
# quarter; both melt into clouds. Long skips carry spatial detail, and here you see it.
#
# ### Cut one skip
#
# The trained networks with concatenation have a skip at full size (level 0) and one at half size
# (level 1). We let one of them carry zeros, without training again:

# %% tags=["demo"]
for closed in ((), (1,), (0,), (0, 1)):
    with torch.no_grad():
        logits = [net(many.images, closed=closed) for net in trained["concat"]]
    scores = torch.tensor([segmentation_iou(one, many.masks) for one in logits])
    print(f"closed: {closed!s:8} test IoU {mean_spread(scores, 3)}")

# %% [markdown]
# Nearly everything goes through the skip at full size: without it hardly a pixel is found. The other one
# is missed far less. And with the upper one closed the score is *below* that of networks which never
# had skips (0.53): these have learned to bring something of *where* up from the bottom, ours had no
# reason to. A lesion tells what a network has come to rely on, not what it could have learned.

# %% [markdown]
# ## 8 · The same net makes digits
#
# What needs fine detail most of all? To find the **noise** in a picture, pixel by pixel. That is
# what a diffusion model learns (Ho, Jain, Abbeel 2020). A picture $p$ is mixed with noise
# $\varepsilon$ by a time $t$ from 0 to 1,
#
# $$x_t = \cos\bigl(\tfrac{\pi}{2} t\bigr)\, p + \sin\bigl(\tfrac{\pi}{2} t\bigr)\, \varepsilon,$$
#
# and the network sees $x_t$ and $t$ (as a second channel) and names $\varepsilon$. Whoever knows the
# noise can take a little of it away; from pure noise, forty times, a picture is left. Our network is
# the U-Net of exercise 7, on digits of 8 × 8 pixels. How much of the noise's variance does it *not*
# explain, after 400 steps? Three seeds; then pictures, after 900 steps:

# %% tags=["demo"]
for (skip,), record in load_study("denoiser_skips").items():
    print(f"skip: {skip:7} {mean_spread(record.test_error[:, -1])} % of the noise left")

# %% tags=["demo"]
made = {}
for skip, width in {"concat": 10, "none": 11}.items():
    recipe = DenoisingRecipe(epochs=1, steps=900)
    training = DenoisingTraining(partial(Denoiser, skip, width), recipe, 1, cpu)
    advance_kept(training, 900, f"skip: {skip}")
    (net,) = training.trained()
    made[f"skip: {skip}"] = sample(net, 12)[:, 0]  # (12, 8, 8)
dense_figures.picture_rows({"real": digits()[1][:12, 0], **made}, low=-1)
plots.show(
    "Real digits of 8 by 8 pixels; below, pictures made from noise by a denoiser with long skips: "
    "blurred shapes, some like digits; and by one without skips: snow."
)

# %% [markdown]
# With skips, 24 % of the noise's variance stays unexplained (near $t = 0$ nobody could find what
# little noise there is). Without, 90 %: the network hardly finds any, though it has more parameters.
# Its forty steps end in snow, while the one with skips draws something like digits, a few of them
# good ones: it is small, and 900 steps are few.
#
# A caution about the size of this effect. We asked for the *noise*, which no small image at the
# bottom can hold, and did not try the other usual question, for the picture. Noise is the hardest
# thing to carry around a U, and therefore shows best what long skips do.

# %% [markdown]
# ## 9 · The papers beside ours
#
# | claim | paper | ours |
# |---|---|---|
# | DenseNet-121 | 7,978,856 parameters (torchvision) | the same, and the same outputs |
# | memory of a plain implementation | grows with the square of the depth; linear when recomputed (Pleiss et al. 2017, abstract) | both, as the formula says (section 4) |
# | error on CIFAR-10 with 0.8 million parameters | DenseNet-BC, k = 12, 100 layers: 4.51 %; ResNet-110 with 1.7 million: 6.43 % (Huang et al. 2017; He et al. 2015) | no difference at 9 thousand parameters on digits: 1.7 ± 0.8 and 2.0 ± 1.1 % (section 5) |
# | features are used again, late layers read early ones | seen in mean absolute weights (Huang et al. 2017, section 5) | used again, but over short distances above all; within a layer weights and cutting agree to 0.70 ± 0.07 (section 5) |
# | long skips bring back spatial detail | the reason given for them (Ronneberger et al. 2015; Drozdzal et al. 2016) | IoU 0.87 ± 0.04 and 0.53 ± 0.03 with and without, two halvings (section 7) |
# | a U-Net always needs its skips | disputed: small benefit on tasks of low and medium complexity (Kamath et al. 2023); best without the uppermost one (Wilm et al. 2024) | here all are needed: our task is all fine detail |
#
# Mind what is not the same. The papers' networks have hundreds of times our parameters and see
# photographs and microscope images. Our shapes are *made* of fine detail, lines of one pixel; a task of
# large, smooth regions would need the long skips less.
#
# ## 10 · A written question
#
# **Difficulty** ★★☆ · **Time** 7 minutes · **Points** 2, given by a person
#
# A colleague trains a U-Net on satellite images. Memory is short. She proposes: *"Concatenation
# doubles what the decoder reads. Adding would save memory, and since adding worked for ResNet,
# nothing is lost. In fact the encoder's features reach the decoder through the bottom anyway, so we
# could drop the skips altogether."*
#
# In five to eight sentences: judge both proposals by measurements of this lesson (say which, with
# their spread), name one thing that addition cannot do and concatenation can, and say what you
# would measure on her data before you decide.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_skips", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# Adding instead of appending: in section 7 the IoU was 0.890 ± 0.005 with addition and 0.868 ± 0.043
# with concatenation at two halvings, over five seeds, and nearly the same at one and three. So
# nothing was lost, and the decoder's first convolutions read half the channels. The first proposal is
# reasonable. The second is not: without skips the IoU was 0.53 ± 0.03, and fell to 0.25 with a
# third halving; the denoiser of section 8 found next to nothing without them. It is true that
# something comes through the bottom: with transposed convolutions and three times the training the
# score rose to 0.72. In a sum the encoder's and the decoder's features become one mixture, channel
# by channel, and no later layer can weigh them apart or ignore one of them; a concatenation
# leaves that choice to the next layer's weights (and does not ask for equal numbers of channels).
# Our pictures are all fine lines, and others found small benefits on easier tasks. So on her images I
# would compare the three kinds over several seeds: IoU on held-out images, for thin and for large
# objects apart, beside the memory of a training step.
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, the two proposals.** Half: adding is as good as appending here, with numbers and their
#   spread from section 7 (and adding saves memory and weights: the first proposal is reasonable).
#   Half: dropping the skips is not, with numbers from section 7, cut or trained without, or from
#   section 8; better answers mention that longer training and transposed convolutions narrow the gap.
# - **1 point, difference and measurement.** Half: in a sum the parts cannot be told apart or weighed
#   apart (both must have the same number of channels, and the next layer reads one mixture); in a
#   concatenation each keeps its own weights. Half: names what to measure: IoU on held-out images of
#   her data with the three kinds, several seeds, for small and thin objects apart, and memory.
#
# No point for a claim that contradicts the measurements, however well it is written.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 11 · Summary
#
# - A dense layer appends $k$ channels to what it reads; parts keep their places. Transitions halve
#   size and channels between blocks. DenseNet-121 has 7,978,856 parameters.
# - What is kept for the backward pass grows with the square of a block's layers. Recomputing the
#   first halves makes it linear, for some time, and moves norms' statistics twice.
# - Weights tell only roughly which features are used; cutting them tells more.
# - A U-Net's long skips carry *where*. Without them the score falls with every halving; whether they
#   are appended or added matters little.
# - A network that must name noise pixel by pixel is nothing without them.
#
# ## Open questions
#
# - Addition keeps the width; concatenation keeps the parts. Could one have both? (The
#   hyper-connections of lesson 06 keep several streams.)
# - Many connections of a dense block cost next to nothing when cut. Which would *you* leave out
#   before training?
# - In our U-Net a skip at full size matters most. Does it on images of large, smooth regions?
#
# ## Further reading
#
# - G. Huang, Z. Liu, L. van der Maaten, K. Q. Weinberger. *Densely Connected Convolutional Networks.*
#   2017, [arXiv 1608.06993](https://arxiv.org/abs/1608.06993).
# - G. Pleiss, D. Chen, G. Huang, T. Li, L. van der Maaten, K. Q. Weinberger. *Memory-Efficient
#   Implementation of DenseNets.* 2017, [arXiv 1707.06990](https://arxiv.org/abs/1707.06990); the
#   [code](https://github.com/gpleiss/efficient_densenet_pytorch) names the price in time.
# - O. Ronneberger, P. Fischer, T. Brox. *U-Net: Convolutional Networks for Biomedical Image
#   Segmentation.* 2015, [arXiv 1505.04597](https://arxiv.org/abs/1505.04597).
# - M. Drozdzal, E. Vorontsov, G. Chartrand, S. Kadoury, C. Pal. *The Importance of Skip Connections in
#   Biomedical Image Segmentation.* 2016, [arXiv 1608.04117](https://arxiv.org/abs/1608.04117).
# - A. Kamath, J. Willmann, N. Andratschke, M. Reyes. *Do We Really Need that Skip-Connection?
#   Understanding Its Interplay with Task Complexity.* 2023,
#   [doi 10.1007/978-3-031-43901-8_29](https://doi.org/10.1007/978-3-031-43901-8_29).
# - F. Wilm, J. Ammeling, M. Öttl, R. H. J. Fick, M. Aubreville, K. Breininger. *Rethinking U-net Skip
#   Connections for Biomedical Image Segmentation.* 2024,
#   [arXiv 2402.08276](https://arxiv.org/abs/2402.08276).
# - J. Ho, A. Jain, P. Abbeel. *Denoising Diffusion Probabilistic Models.* 2020,
#   [arXiv 2006.11239](https://arxiv.org/abs/2006.11239).
# - J. Song, C. Meng, S. Ermon. *Denoising Diffusion Implicit Models.* 2021,
#   [arXiv 2010.02502](https://arxiv.org/abs/2010.02502). The steps of `plusx.denoising.sample`.
