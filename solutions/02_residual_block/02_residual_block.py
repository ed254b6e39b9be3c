# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: The residual block
#     minutes: 90
#     points: 20
#     goals:
#       - Say what a residual block has to learn, and when that is easier than for a plain block.
#       - Build the basic block with both shortcuts of He et al., and the networks made of it.
#       - Derive the Jacobian of a block and of a stack of blocks, and check both numerically.
#       - Measure gradient norms and costs, and state what the numbers do and do not show.
#     needs:
#       - PyTorch modules, convolution, batch norm, ReLU and autograd
#       - The chain rule and matrix products
# ---

# %% [markdown]
# # 02 · The residual block
#
# **90 minutes · 20 points** (seven exercises and one written question)
#
# A residual block adds its input to its output: `y = F(x) + x`. One plus sign, and networks
# of a hundred layers train. This lesson builds the block, takes it apart, and measures it.
#
# **You will be able to**
#
# - say what a residual block has to learn, and when that is easier than for a plain block;
# - build the basic block with both shortcuts of He et al., and the networks made of it;
# - derive the Jacobian of a block and of a stack of blocks, and check both numerically;
# - measure gradient norms and costs, and state what the numbers do and do not show.
#
# **You need** PyTorch modules, convolution, batch norm, ReLU and autograd; the chain rule and
# matrix products.
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on
# small cases. When your work is graded, more checks run: other sizes, odd sizes, a batch of
# one, gradients, another dtype, another device. Hints are folded; open them one at a time.

# %%
from copy import deepcopy
from itertools import combinations
from math import prod

import torch
import torchvision
from torch import nn
from torch.nn import functional as F

import plusx
from plusx import diagnose, plots
from plusx.expect import (
    expect_close,
    expect_equal,
    expect_raises,
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
# ## 1 · What must a block learn?
#
# Let a few layers of a network have the task of computing some function $H(x)$. A **plain**
# block learns it directly: its layers must produce $H(x)$. A **residual** block computes
# $y = F(x) + x$, so its layers must produce the difference
#
# $$F(x) = H(x) - x .$$
#
# Both can represent the same functions whenever $F$ is flexible enough. What changes is the
# starting point. With small weights, $F$ is close to zero. The plain block then starts near
# the zero function, the residual block near the identity. Which start is better depends on $H$.
#
# Let us measure that. The branch is $F(x) = W_2\,\mathrm{relu}(W_1 x)$ with 32 units,
# enough to represent any linear map, in ten independent copies (seeds), trained together as one
# batched product.


# %% tags=["demo"]
def toy_branch(x, weights):  # x: (S, B, 16), S seeds at once
    first, second = weights  # (S, 16, 32), (S, 32, 16)
    return torch.bmm(F.relu(torch.bmm(x, first)), second)  # (S, B, 16)


def loss_of(target, weights, skip, x, A):
    y = toy_branch(x, weights) + x if skip else toy_branch(x, weights)  # (S, B, 16)
    return (y - target(x, A)).square().mean((1, 2))  # (S,)


targets = {
    "H(x) = x + a little": lambda x, A: x + 0.3 * torch.tanh(x @ A),
    "H(x) = -x": lambda x, A: -x,
}

# %% [markdown]
# The training loop is the same for both; only `skip` differs. The weights begin small, with
# standard deviation 0.1. The loss is the mean squared error, per seed.


# %% tags=["demo"]
def fit(target, skip, seeds=10, steps=400):
    draw = torch.Generator().manual_seed(0)
    sizes = [(seeds, 16, 32), (seeds, 32, 16), (seeds, 16, 16)]
    first, second, A = (0.1 * torch.randn(size, generator=draw) for size in sizes)
    weights = [first.requires_grad_(), second.requires_grad_()]
    optimiser, losses = torch.optim.Adam(weights, lr=3e-3), []
    for _ in range(steps):
        x = torch.randn(seeds, 64, 16, generator=draw)  # (S, B, 16)
        loss = loss_of(target, weights, skip, x, A)  # (S,)
        optimiser.zero_grad()
        loss.sum().backward()
        optimiser.step()
        losses.append(loss.detach())
    return torch.stack(losses, dim=1)  # (S, steps)


# %% tags=["demo"]
drawing, axes = plots.figure(2, share_y=True)
for axis, (name, target) in zip(axes, targets.items(), strict=True):
    for role in ("plain", "residual"):
        losses = fit(target, skip=role == "residual")
        plots.plot_runs(axis, range(losses.shape[1]), losses, role, role)
        last = losses[:, -1]
        print(f"{name:20} {role:9} final loss {last.mean():.1e} ± {last.std():.1e}")
    axis.set(yscale="log", xlabel="training step", title=name)
axes[0].set_ylabel("mean squared error")
axes[0].legend(title="median and range, 10 seeds")
plots.show(
    "Squared error by training step of plain and residual networks. For a target near x the "
    "residual network is more than a hundred times better; for the target -x it is worse than the "
    "plain one."
)

# %% [markdown]
# Left, the target is close to the identity, and the residual block is better from the first
# step to the last. Right, the target is $-x$: the branch of the residual block must learn
# $F(x) = -2x$, twice as much as the plain block. It starts with four times the loss, and after
# 400 steps it is still *behind*. Both can represent the target (try `steps=4000`): what differs
# is where they start.
#
# So a skip connection is a bet: *what a block should do is closer to doing nothing than to
# wiping everything out*. He et al. made that bet because of an observation. A deeper plain
# network had a higher **training** error than a shallower one, although the deeper one could
# copy the shallower one and let the extra layers compute the identity (He et al. 2015,
# section 1). Such a solution exists; the optimiser does not find it. The bet puts it at the
# starting point.

# %% [markdown]
# ## 2 · The basic block
#
# For images, He et al. (2015, section 3.2 and figure 2) take two 3×3 convolutions as the
# branch, with batch norm after each convolution, as their section 3.4 says:

# %% tags=["demo"]
plots.block_diagram()
plots.show(
    "The basic block: x goes through the branch of conv 3×3, norm, ReLU, conv 3×3 and norm; the "
    "shortcut leads around it to a sum, which a last ReLU follows."
)

# %% [markdown]
# $$F(x) = \mathrm{norm}_2\bigl(W_2 * \mathrm{relu}(\mathrm{norm}_1(W_1 * x))\bigr), \qquad
#   y = \mathrm{relu}\bigl(F(x) + x\bigr).$$
#
# Four details are easy to get wrong, and each changes what the block computes:
#
# - the sum comes **before** the last ReLU. If $F$ ended in a ReLU, the block could only ever
#   add;
# - the convolutions have **no bias**: the norm that follows subtracts the mean, and has a
#   shift of its own;
# - $x$ joins with factor **one**, and gradients flow through it;
# - $x$ is used twice, so nothing may overwrite it in place.
#
# ### Where shapes change
#
# The sum needs two tensors of one shape. A block that halves height and width (stride 2) or
# changes the number of channels needs a shortcut that does the same:
#
# $$y = \mathrm{relu}\bigl(F(x) + W_s x\bigr).$$
#
# He et al. (2015, section 4.1) compare ways to choose $W_s$. Two of them we build here.
#
# | | shortcut where shapes change | weights |
# |---|---|---|
# | **A** | take every second pixel, fill the missing channels with zeros | none |
# | **B** | 1×1 convolution with the block's stride, then batch norm | $C \cdot C' + 2C'$ |
#
# Where shapes agree, both use the identity. The branch halves the size with its **first**
# convolution: stride $s$, kernel 3 and padding 1 turn a height $H$ into
# $\lfloor (H - 1)/s \rfloor + 1 = \lceil H/s \rceil$ rows, also when $H$ is odd.

# %%
x = torch.randn(2, 3, 7, 10)  # (B, C, H, W)
halved = nn.Conv2d(3, 8, 3, stride=2, padding=1)(x)  # (B, 8, 4, 5)
print(tuple(halved.shape), tuple(x[:, :, ::2, ::2].shape))

# %% [markdown]
# The slice `::2` gives the same four rows and five columns as the convolution.
#
# ### Exercise 1 · A shortcut without weights
#
# **Goal** option A as a function · **Difficulty** ★☆☆ · **Time** 4 minutes · **Points** 2
#
# Keep every `stride`-th pixel in both directions, beginning with the first, and append channels
# of zeros after those of `x`. It must work for every dtype and on every device.
#
# <details><summary>Hint 1: the pixels</summary>
#
# One slice does it. `x[:, :, ::stride, ::stride]` begins with pixel 0.
#
# </details>
# <details><summary>Hint 2: the channels</summary>
#
# `F.pad` pads with zeros, in the dtype and on the device of its input. Its list of numbers
# begins with the **last** axis: (left, right, top, bottom, front, back).
#
# </details>
# <details><summary>Hint 3: almost the answer</summary>
#
# The last number in `F.pad(..., (0, 0, 0, 0, 0, n))` is how many channels come after those of
# `x`. How many are missing?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "pad_shortcut", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.pad_shortcut", "plusx.PadShortcut"]}
def pad_shortcut(x, out_channels, stride):
    """Option A: subsample the pixels, append channels of zeros.

    x: (B, C, H, W), any floating-point dtype, any device
    out_channels: int, at least C
    stride: int, at least 1
    returns: (B, out_channels, ceil(H / stride), ceil(W / stride)), dtype and device of x
    """
    ### BEGIN SOLUTION
    kept = x[:, :, ::stride, ::stride]  # (B, C, H', W')
    missing = out_channels - x.shape[1]
    return F.pad(kept, (0, 0, 0, 0, 0, missing))  # (B, out_channels, H', W')
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pad_shortcut", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
x = torch.arange(16.0).reshape(1, 1, 4, 4)  # one image, one channel: 0, 1, ... 15
y = pad_shortcut(x, 3, 2)
expect_shape(y, (1, 3, 2, 2), "pad_shortcut: a 4x4 image with 1 channel, to 3 channels at stride 2")
by_hand = torch.zeros(1, 3, 2, 2)
by_hand[0, 0] = torch.tensor([[0.0, 2.0], [8.0, 10.0]])
expect_close(y, by_hand, "pad_shortcut: its values", wrong=diagnose.wrong_pads(x, by_hand, 2))
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(101)
for size, out_channels, stride in [
    ((2, 3, 6, 8), 8, 2),
    ((2, 3, 5, 7), 8, 2),
    ((1, 2, 7, 4), 3, 3),
    ((3, 4, 5, 5), 4, 1),
    ((1, 4, 1, 3), 6, 2),
]:
    what = f"pad_shortcut: {size} to {out_channels} channels at stride {stride}"
    x = torch.randn(size, dtype=torch.float64, requires_grad=True)
    kept = x.detach()[:, :, ::stride, ::stride]
    expected = torch.zeros(size[0], out_channels, *kept.shape[2:], dtype=torch.float64)
    expected[:, : size[1]] = kept
    with expect_works(what):
        y = pad_shortcut(x, out_channels, stride)
    expect_shape(y, expected.shape, what, "ceil(H / stride) rows remain, also when H is odd")
    wrong = diagnose.wrong_pads(x.detach(), expected, stride)
    expect_close(y, expected, what, "keep every stride-th pixel, append zeros", wrong=wrong)
    expect_true(y.requires_grad, f"{what}: gradients flow through it", "it is detached from x")
    v = torch.randn_like(expected)
    y.backward(v)
    gradient = torch.zeros_like(x)
    gradient[:, :, ::stride, ::stride] = v[:, : size[1]]
    expect_close(x.grad, gradient, f"{what}: gradient with respect to x")

for dtype in (torch.float32, torch.bfloat16):
    y = pad_shortcut(torch.ones(2, 3, 4, 4, dtype=dtype), 5, 2)
    expect_close(y[:, 3:], torch.zeros(2, 2, 2, 2, dtype=dtype), f"pad_shortcut in {dtype}")
with expect_works(
    "pad_shortcut on another device (meta)",
    "a device is written into the function: take it from x, as F.pad does",
):
    y = pad_shortcut(torch.empty(2, 3, 4, 4, device="meta"), 5, 2)
expect_true(y.is_meta, "pad_shortcut: the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2 · The basic block
#
# **Goal** the block, with both shortcuts · **Difficulty** ★★☆ · **Time** 15 minutes ·
# **Points** 2 for blocks that keep the shape, 2 for blocks that change it
#
# Write the module. How you name the parts, and whether you use `nn.Sequential`, single modules
# or plain functions, is up to you: only what the block *computes*, and how many parameters it has, is tested. One piece of
# advice: assign the branch to `self` before the shortcut. Exercise 7 will load weights in the
# order in which parts were assigned.
#
# <details><summary>Hint 1: what to create</summary>
#
# Two `nn.Conv2d` (kernel 3, padding 1, no bias) and two `nn.BatchNorm2d`. Only the first
# convolution has the stride. For option B, and only where the shape changes, a third
# convolution with kernel 1 and a third norm.
#
# </details>
# <details><summary>Hint 2: when does the shape change?</summary>
#
# When `stride != 1` **or** `in_channels != out_channels`. Each alone is enough.
#
# </details>
# <details><summary>Hint 3: the forward pass in words</summary>
#
# Convolution, norm, ReLU, convolution, norm: that is `F(x)`. Then the shortcut of `x`, with no
# ReLU of its own. Then the sum. Then ReLU, not in place on `x`.
#
# </details>
# <details><summary>Hint 4: the shortcut</summary>
#
# With option A: `pad_shortcut(x, out_channels, stride)`. Keep the two numbers in `__init__`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "basic_block", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.BasicBlock", "plusx.torchvision_block", "torchvision.BasicBlock"]}
class BasicBlock(nn.Module):
    """y = relu(F(x) + shortcut(x)), with F = conv 3x3, norm, relu, conv 3x3, norm.

    in_channels, out_channels: channels of x and of y
    stride: of the first convolution and of the shortcut
    option: "A" or "B", the shortcut used where the shape changes; the identity elsewhere

    forward: x (B, in_channels, H, W) -> y (B, out_channels, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels, out_channels, stride=1, option="B"):
        super().__init__()
        ### BEGIN SOLUTION
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.out_channels, self.stride = out_channels, stride
        self.changes_shape = stride != 1 or in_channels != out_channels
        self.projection = None
        if self.changes_shape and option == "B":
            self.projection = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride=stride, bias=False),
                nn.BatchNorm2d(out_channels),
            )
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        y = F.relu(self.norm1(self.conv1(x)))  # (B, out_channels, H', W')
        y = self.norm2(self.conv2(y))  # (B, out_channels, H', W')
        return F.relu(y + self.shortcut(x))

    def shortcut(self, x):
        if not self.changes_shape:
            return x
        if self.projection is None:
            return pad_shortcut(x, self.out_channels, self.stride)
        return self.projection(x)
        ### END SOLUTION


# %% [markdown]
# **First check: blocks that keep the shape.** How can a test compare your block with
# torchvision's when it does not know the names of your weights? `fill_by_shape` gives all
# tensors of one shape the same values, in both blocks. Then it does not matter which is which,
# and two blocks that compute the same thing give the same output.

# %% nbgrader={"grade": true, "grade_id": "test_basic_block_a", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
block, reference = BasicBlock(4, 4), diagnose.torchvision_block(4, 4)
expect_type(block, nn.Module, "BasicBlock(4, 4)")
expect_equal(
    sum(p.numel() for p in block.parameters()),
    2 * (4 * 4 * 9) + 2 * (4 + 4),  # two convolutions without bias, two norms: 304
    "BasicBlock(4, 4): number of parameters",
    wrong=diagnose.wrong_block_counts(reference),
)
x = torch.randn(2, 4, 6, 6, generator=torch.Generator().manual_seed(0))
y = block(x)
expect_shape(
    y, (2, 4, 6, 6), "BasicBlock(4, 4): output", "y is shaped like x: add, not concatenate"
)
for model in (block, reference):
    fill_by_shape(model, seed=0)
    model.eval()
with torch.no_grad():
    y, expected = block(x.clone()), reference(x)
    wrong = diagnose.wrong_blocks(reference, x, y)
expect_close(y, expected, "BasicBlock(4, 4): relu(F(x) + x)", wrong=wrong)
print("Exercise 2, blocks that keep the shape: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(201)
for channels, batch, height, width in [(4, 2, 6, 6), (3, 1, 5, 7), (6, 3, 9, 4)]:
    where = f"BasicBlock({channels}, {channels}), x of shape {(batch, channels, height, width)}"
    block, reference = (
        BasicBlock(channels, channels),
        diagnose.torchvision_block(channels, channels),
    )
    expect_equal(
        sum(p.numel() for p in block.parameters()),
        sum(p.numel() for p in reference.parameters()),
        f"BasicBlock({channels}, {channels}): number of parameters",
        wrong=diagnose.wrong_block_counts(reference),
    )
    for model in (block, reference):
        fill_by_shape(model, seed=channels)
    for training in (False, True, False):  # the last: with the statistics of the second
        block.train(training), reference.train(training)
        what = f"{where}, {'training' if training else 'evaluation'} mode"
        x = torch.randn(batch, channels, height, width)
        caller = x.clone()
        with torch.no_grad(), expect_works(what):
            y = block(x)
        expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
        hint = "y is shaped like x: add branch and skip, do not concatenate them"
        expect_shape(y, x.shape, f"{what}: output", hint)
        with torch.no_grad():
            wrong = diagnose.wrong_blocks(reference, x, y)
            expect_close(y, reference(x), f"{what}: output", "is it relu(F(x) + x)?", wrong=wrong)

    x = torch.randn(batch, channels, height, width, requires_grad=True)
    expected = reference(x)
    v = torch.randn_like(expected)
    expected.backward(v)
    gradient, x.grad = x.grad, None
    y = block(x)
    expect_true(y.requires_grad, f"{where}: gradients flow through the block", "it is detached")
    y.backward(v)
    wrong = diagnose.wrong_block_gradients(reference, x, v)
    expect_close(x.grad, gradient, f"{where}: gradient with respect to x", wrong=wrong)
    for size in {p.numel() for p in reference.parameters()}:  # which is which does not matter
        what = f"{where}: gradients of its weights"
        mine = [p.grad for p in block.parameters() if p.numel() == size]
        expect_true(all(g is not None for g in mine), what, "a weight receives no gradient")
        theirs = [p.grad for p in reference.parameters() if p.numel() == size]
        mine, theirs = (torch.stack([g.sum() for g in side]).sum() for side in (mine, theirs))
        expect_close(mine, theirs, what, rtol=1e-3, atol=1e-3)

with expect_works("BasicBlock(3, 3) in float64", "a dtype is written into the block"):
    y = BasicBlock(3, 3).double()(torch.randn(2, 3, 5, 5, dtype=torch.float64))
expect_true(y.dtype == torch.float64, "BasicBlock(3, 3): the dtype of y is that of x")
with expect_works(
    "BasicBlock(3, 3) on another device (meta)",
    "a device is written into the block: .cpu(), .cuda(), or a tensor created without device=",
):
    y = BasicBlock(3, 3).to("meta")(torch.empty(2, 3, 5, 5, device="meta"))
expect_true(y.is_meta, "BasicBlock(3, 3): the device of y is that of x")
### END HIDDEN TESTS

# %% [markdown]
# **Second check: blocks that change the shape.**

# %% nbgrader={"grade": true, "grade_id": "test_basic_block_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
x = torch.randn(2, 4, 7, 6, generator=torch.Generator().manual_seed(0))
for option in ("A", "B"):
    block = BasicBlock(4, 8, stride=2, option=option)
    reference = diagnose.torchvision_block(4, 8, 2, option)
    what = f"BasicBlock(4, 8, stride=2, option={option!r})"
    expect_equal(
        sum(p.numel() for p in block.parameters()),
        4 * 8 * 9 + 8 * 8 * 9 + 2 * (8 + 8) + (4 * 8 + 8 + 8 if option == "B" else 0),
        f"{what}: number of parameters",
        wrong=diagnose.wrong_block_counts(reference),
    )
    hint = "ceil(7 / 2) rows, ceil(6 / 2) columns; branch and shortcut are added, not concatenated"
    expect_shape(block(x), (2, 8, 4, 3), f"{what}: output for x of shape (2, 4, 7, 6)", hint)
print("Exercise 2, blocks that change the shape: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(202)
for in_channels, out_channels, stride, option, size in [
    (3, 5, 2, "B", (2, 8, 8)),
    (4, 6, 1, "B", (2, 5, 7)),
    (6, 6, 2, "B", (1, 7, 9)),
    (3, 7, 3, "B", (2, 8, 5)),
    (5, 2, 2, "B", (3, 6, 3)),
    (3, 5, 2, "A", (2, 7, 6)),
    (4, 6, 1, "A", (1, 5, 5)),
    (5, 5, 2, "A", (2, 5, 8)),
]:
    name = f"BasicBlock({in_channels}, {out_channels}, stride={stride}, option={option!r})"
    with expect_works(name):
        block = BasicBlock(in_channels, out_channels, stride=stride, option=option)
    reference = diagnose.torchvision_block(in_channels, out_channels, stride, option)
    expect_equal(
        sum(p.numel() for p in block.parameters()),
        sum(p.numel() for p in reference.parameters()),
        f"{name}: number of parameters",
        wrong=diagnose.wrong_block_counts(reference),
    )
    for model in (block, reference):
        fill_by_shape(model, seed=out_channels)
    for training in (True, False):
        block.train(training), reference.train(training)
        what = f"{name}, {'training' if training else 'evaluation'} mode"
        x = torch.randn(size[0], in_channels, *size[1:])
        caller = x.clone()
        hint = "branch and shortcut have different shapes: the shortcut must change them too"
        with torch.no_grad(), expect_works(what, hint):
            y = block(x)
        expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
        with torch.no_grad():
            expected = deepcopy(reference)(x)
            hint = "add branch and shortcut, do not concatenate them"
            expect_shape(y, expected.shape, f"{what}: output", hint)
            wrong = diagnose.wrong_blocks(reference, x, y)
            expect_close(y, expected, f"{what}: output", "is it relu(F(x) + W x)?", wrong=wrong)
            reference(x)  # its running statistics follow those of the block

    x = torch.randn(size[0], in_channels, *size[1:], requires_grad=True)
    expected = reference(x)
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, v)
    y = block(x)
    expect_true(y.requires_grad, f"{name}: gradients flow through the block", "it is detached")
    y.backward(v)
    wrong = diagnose.wrong_block_gradients(reference, x, v)
    expect_close(x.grad, gradient, f"{name}: gradient with respect to x", wrong=wrong)

for option in ("A", "B"):
    name = f"BasicBlock(3, 5, 2, {option!r})"
    with expect_works(f"{name} in float64", "a dtype is written into the block"):
        y = BasicBlock(3, 5, 2, option).double()(torch.randn(2, 3, 5, 5, dtype=torch.float64))
    expect_true(y.dtype == torch.float64, f"{name}: the dtype of y is that of x")
    with expect_works(
        f"{name} on another device (meta)",
        "a device is written into the block: .cpu(), .cuda(), or a tensor without device=",
    ):
        y = BasicBlock(3, 5, 2, option).to("meta")(torch.empty(2, 3, 5, 5, device="meta"))
    expect_true(y.is_meta, f"{name}: the device of y is that of x")
### END HIDDEN TESTS

# %% [markdown]
# From here on the lesson uses `plusx.BasicBlock`, which computes what yours does and has one
# more switch: `skip=False` makes its plain twin. So the demonstrations run before you have
# solved the exercises.
#
# ## 3 · Zero the branch and look
#
# Set both convolutions to zero, and leave the norms as they start (shift 0, mean 0). Then
# $F(x) = 0$, and a residual block returns
# $\mathrm{relu}(x)$: for pixels $x \ge 0$ that is $x$ itself. A plain block returns zero. Let us
# send a picture through twenty such blocks.

# %% tags=["demo"]
rows, columns = torch.meshgrid(torch.linspace(-1, 1, 96), torch.linspace(-1, 1, 96), indexing="ij")
ring = ((rows**2 + columns**2).sqrt() - 0.6).abs() < 0.15
picture = ring * (0.6 + 0.4 * rows)  # (H, W), values from 0 to 1


def stack(skip, scale, seed=0):
    """Twenty blocks of one channel; their convolutions are normal with deviation `scale`."""
    torch.manual_seed(seed)
    blocks = nn.Sequential(*(plusx.BasicBlock(1, 1, skip=skip) for _ in range(20)))
    for conv in (m for m in blocks.modules() if isinstance(m, nn.Conv2d)):
        nn.init.normal_(conv.weight, std=scale)
    return blocks.eval()


# %% tags=["demo"]
with torch.no_grad():
    residual = stack(skip=True, scale=0)(picture[None, None])[0, 0]  # (1, 1, H, W) -> (H, W)
    plain = stack(skip=False, scale=0)(picture[None, None])[0, 0]
print("residual, largest change:", (residual - picture).abs().max().item())
print("plain, largest value left:", plain.abs().max().item())

# %% tags=["demo"]
with torch.no_grad():
    residual_small = stack(skip=True, scale=0.12)(picture[None, None])[0, 0]
plots.show_images(
    {
        "input": picture,
        "20 residual, F = 0": residual,
        "20 plain, F = 0": plain,
        "20 residual, F small": residual_small,
    }
)
plots.show(
    "Four pictures: a grey ring; the same after 20 residual blocks with F = 0; nothing but black "
    "after 20 plain blocks with F = 0; a distorted ring after 20 residual blocks with small F."
)

# %% [markdown]
# Twenty residual blocks with zero branches give back the picture, to the last bit. Twenty plain
# blocks give back nothing. On the right the branches are small instead of zero, and the picture
# comes out distorted, but it is still the ring.
#
# To compute the identity, a plain block has to *find* weights that undo each other, through a
# ReLU. A residual block has to let go. Batch norm offers an even shorter way: set the scale of
# the block's last norm to zero at the start, and every block that keeps the
# shape begins as $\mathrm{relu}(x)$ whatever its convolutions hold. torchvision offers this as
# `zero_init_residual` (Goyal et al. 2017, section 5.1).

# %% [markdown]
# ## 4 · Backward through one block
#
# Write the block without its final ReLU: $y = x + F(x)$, with $x$ and $y$ vectors of $d$
# numbers. The derivative of a sum is the sum of the derivatives:
#
# $$\frac{\partial y}{\partial x} = I + \frac{\partial F}{\partial x}, \qquad
#   \frac{\partial \mathcal{L}}{\partial x} = \frac{\partial \mathcal{L}}{\partial y}
#     + \frac{\partial \mathcal{L}}{\partial y}\,\frac{\partial F}{\partial x} .$$
#
# The gradient of the loss $\mathcal{L}$ (a row vector) arrives at $x$ twice: once **as it is**, over the skip, and once
# through the branch. A final ReLU multiplies the Jacobian, $I$ and $\partial F/\partial x$
# alike, from the left by a diagonal matrix of zeros and ones (where $y > 0$). A later paper by the same authors moves that ReLU into the branch
# (He et al. 2016).
#
# `torch.func.jacrev` turns a function into the function that gives its Jacobian. Here is a
# branch whose derivative we know by hand: $F(x) = W_2 \tanh(W_1 x)$ has
# $\partial F / \partial x = W_2\,\mathrm{diag}(1 - \tanh^2(W_1 x))\,W_1$.

# %%
draw = torch.Generator().manual_seed(4)
W1 = torch.randn(6, 4, generator=draw, dtype=torch.float64)  # (hidden, d)
W2 = torch.randn(4, 6, generator=draw, dtype=torch.float64)  # (d, hidden)
x = torch.randn(4, generator=draw, dtype=torch.float64)  # (d,)

by_autograd = torch.func.jacrev(lambda x: W2 @ torch.tanh(W1 @ x))(x)  # (d, d)
by_hand = W2 @ torch.diag(1 - torch.tanh(W1 @ x) ** 2) @ W1  # (d, d)
expect_close(by_autograd, by_hand, "the Jacobian of the branch", rtol=0, atol=1e-12)

# %% [markdown]
# The check passes in silence: no entry differs by more than $10^{-12}$. Third opinion: finite
# differences, which know no calculus. Column $j$ is the change of $y$ when only $x_j$ moves a
# little.


# %%
def block_output(x):
    return x + W2 @ torch.tanh(W1 @ x)  # (d,)


step = 1e-6 * torch.eye(4, dtype=torch.float64)
by_differences = torch.stack(
    [(block_output(x + e) - block_output(x - e)) / 2e-6 for e in step], dim=1
)  # (d, d)
expect_close(by_differences, torch.eye(4).double() + by_hand, "the Jacobian of the block")

# %% [markdown]
# ### Exercise 3 · The Jacobian of a block
#
# **Goal** $I + \partial F / \partial x$ for any branch · **Difficulty** ★★☆ ·
# **Time** 6 minutes · **Points** 2
#
# <details><summary>Hint 1: the tool</summary>
#
# `torch.func.jacrev(f)(x)` is the Jacobian of `f` at `x`. A module is a function too.
#
# </details>
# <details><summary>Hint 2: the identity</summary>
#
# Either add `torch.eye` (with which dtype, on which device?), or let `jacrev` see the whole
# block, not only its branch.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "block_jacobian", "locked": false, "schema_version": 3, "solution": true, "task": false}
def block_jacobian(branch, x):
    """The Jacobian of y = x + branch(x) at x.

    branch: nn.Module that maps (d,) to (d,)
    x: (d,), any floating-point dtype, any device
    returns: (d, d), entry (i, j) is dy_i / dx_j; dtype and device of x
    """
    ### BEGIN SOLUTION
    return torch.func.jacrev(lambda x: x + branch(x))(x)  # (d, d)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_block_jacobian", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
linear = nn.Linear(2, 2, bias=False)  # F(x) = W x has the Jacobian W everywhere
W = torch.tensor([[0.0, 2.0], [3.0, 0.0]])
linear.load_state_dict({"weight": W})
J = block_jacobian(linear, torch.tensor([2.0, 3.0]))
expect_shape(J, (2, 2), "block_jacobian: the Jacobian at a point of 2 numbers")
by_hand = torch.tensor([[1.0, 2.0], [3.0, 1.0]])
expect_close(J, by_hand, "block_jacobian: a linear branch", wrong=diagnose.wrong_jacobians(W))
print("Exercise 3: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(301)
for d, hidden in [(3, 5), (6, 2), (1, 4), (5, 5)]:
    what = f"block_jacobian: a branch {d} -> {hidden} -> {d} with tanh, in float64"
    branch = nn.Sequential(nn.Linear(d, hidden), nn.Tanh(), nn.Linear(hidden, d)).double()
    x = torch.randn(d, dtype=torch.float64)
    W1, b1, W2 = branch[0].weight.detach(), branch[0].bias.detach(), branch[2].weight.detach()
    inner = W2 @ torch.diag(1 - torch.tanh(W1 @ x + b1) ** 2) @ W1
    at_zero = W2 @ torch.diag(1 - torch.tanh(b1) ** 2) @ W1
    one = torch.eye(d, dtype=torch.float64)
    with expect_works(what):
        J = block_jacobian(branch, x)
    wrong = diagnose.wrong_jacobians(inner) | {"it is taken at 0: take it at x": one + at_zero}
    expect_close(J, one + inner, what, rtol=1e-9, atol=1e-9, wrong=wrong)
with expect_works(
    "block_jacobian on another device (meta)",
    "a device is written into the function: torch.eye needs device=x.device",
):
    J = block_jacobian(nn.Linear(3, 3).to("meta"), torch.empty(3, device="meta"))
expect_true(J.is_meta, "block_jacobian: the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# ## 5 · Backward through many blocks
#
# Stack $L$ blocks: $x_{l+1} = x_l + F_l(x_l)$. Going forward, the sum telescopes,
#
# $$x_L = x_0 + \sum_{l=0}^{L-1} F_l(x_l),$$
#
# so the input itself stands in the output (He et al. 2016, equation 4). Going backward, the
# chain rule multiplies the Jacobians of the blocks. Write $J_l = \partial F_l/\partial x_l$:
#
# $$\frac{\partial x_L}{\partial x_0} = (I + J_{L-1}) \cdots (I + J_1)(I + J_0) .$$
#
# Multiply out three factors:
#
# $$I \;+\; J_0 + J_1 + J_2 \;+\; J_1 J_0 + J_2 J_0 + J_2 J_1 \;+\; J_2 J_1 J_0 .$$
#
# Each block is either entered or passed by, so there are $2^L$ terms: the paths from input to
# output (Veit et al. 2016, section 3). One of them, $I$, meets **no weight at all**. A plain
# stack has a single term, of the form of the last one, in which the gradient meets every weight.
#
# Check it: product, sum over paths, and autograd must agree.

# %%
branches = [nn.Sequential(nn.Linear(4, 6), nn.Tanh(), nn.Linear(6, 4)).double() for _ in range(3)]
start = torch.randn(4, generator=draw, dtype=torch.float64)  # (d,)


def whole_stack(x):
    for branch in branches:
        x = x + branch(x)  # (d,)
    return x


points = [start]  # x_0, x_1, x_2: each Jacobian is taken where its block stands
for branch in branches[:-1]:
    points.append(points[-1] + branch(points[-1]).detach())
J = [torch.func.jacrev(f)(p).detach() for f, p in zip(branches, points, strict=True)]  # (d, d) each

# %%
one = torch.eye(4, dtype=torch.float64)
product = (one + J[2]) @ (one + J[1]) @ (one + J[0])  # (d, d)
paths = one + J[0] + J[1] + J[2] + J[1] @ J[0] + J[2] @ J[0] + J[2] @ J[1] + J[2] @ J[1] @ J[0]
by_autograd = torch.func.jacrev(whole_stack)(start).detach()
expect_close(product, by_autograd, "the telescoped product", rtol=0, atol=1e-12)
expect_close(paths, by_autograd, "the sum over eight paths", rtol=0, atol=1e-12)

# %% [markdown]
# All three agree, again within $10^{-12}$. With numbers in place of matrices the same can be
# done by hand. Three layers, each with derivative 0.5:
#
# - plain: $0.5 \cdot 0.5 \cdot 0.5 = 0.125$;
# - residual: $(1 + 0.5)^3 = 3.375 = 1 + 3 \cdot 0.5 + 3 \cdot 0.25 + 0.125$.
#
# In the second line, the paths are sorted by **length**, the number of branches on them: one
# path of length 0, three of length 1, three of length 2, one of length 3.
#
# ### Exercise 4 · The gain of a chain, and of its paths
#
# **Goal** two functions on plain numbers · **Difficulty** ★★☆ · **Time** 10 minutes ·
# **Points** 1 for `chain_gain`, 2 for `gain_by_length`
#
# With unequal factors $w_0, w_1, \dots$ the paths of length $k$ add up to the sum of all
# products of $k$ *different* factors. There are far too many to list for fifty layers, and no
# need to: build the answer one block at a time.
#
# <details><summary>Hint 1: one more block</summary>
#
# Suppose you know the gains by length of a stack, `[1.0, a, b]`. Put one more block with
# factor `w` behind it. A path of length 2 through the longer stack either passes the new block
# by (it had length 2 before) or enters it (it had length 1 before).
#
# </details>
# <details><summary>Hint 2: the formula</summary>
#
# `new[k] = old[k] + w * old[k - 1]`. A stack without blocks has one path: `[1.0]`.
#
# </details>
# <details><summary>Hint 3: why does this look familiar?</summary>
#
# It is how one multiplies the polynomial `1 + a t + b t²` by `1 + w t`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "chain_gain", "locked": false, "schema_version": 3, "solution": true, "task": false}
def chain_gain(factors, skip):
    """Derivative of the output of a chain of scalar layers with respect to its input.

    factors: list of L floats, the derivative of each layer's F; L may be 0
    skip: True for layers x + F(x), False for layers F(x)
    returns: float
    """
    ### BEGIN SOLUTION
    gain = 1.0
    for factor in factors:
        gain *= 1 + factor if skip else factor
    return gain
    ### END SOLUTION


def gain_by_length(factors):
    """Gains of the paths through a residual chain, summed by the length of the path.

    factors: list of L floats; L may be 0
    returns: list of L + 1 floats; entry k belongs to the paths that enter exactly k branches
    """
    ### BEGIN SOLUTION
    gains = [1.0]  # no block: one path, of length 0
    for factor in factors:
        passing, entering = [*gains, 0.0], [0.0, *gains]
        gains = [p + factor * e for p, e in zip(passing, entering, strict=True)]
    return gains
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_chain_gain_a", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
for skip, by_hand in {False: 0.125, True: 3.375}.items():
    halves = [0.5, 0.5, 0.5]
    what = f"chain_gain: three {'residual' if skip else 'plain'} layers of 0.5"
    wrong = diagnose.wrong_gains(halves, skip)
    expect_close(chain_gain(halves, skip), by_hand, what, wrong=wrong)
print("Exercise 4, chain_gain: the visible checks pass.")
### BEGIN HIDDEN TESTS
for factors, skip, expected in [
    ([], False, 1.0),
    ([], True, 1.0),
    ([0.25], True, 1.25),
    ([2.0, -0.5, 3.0], False, -3.0),
    ([2.0, -0.5, 3.0], True, 6.0),
    ([-1.0, 5.0, 0.125], True, 0.0),
    ([-3.0, -3.0, -3.0], True, -8.0),
    ([10.0] * 4, True, 14641.0),
]:
    what = f"chain_gain: {len(factors)} {'residual' if skip else 'plain'} layers"
    with expect_works(what, "a chain without layers changes nothing: its gain is 1"):
        gain = chain_gain(factors, skip)
    wrong = diagnose.wrong_gains(factors, skip)
    expect_close(gain, expected, what, "one factor for each layer", rtol=1e-9, wrong=wrong)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "test_chain_gain_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for factors, by_hand in [
    ([0.5, 0.5, 0.5], [1.0, 1.5, 0.75, 0.125]),
    ([2.0, 3.0], [1.0, 5.0, 6.0]),
]:
    gains, what = gain_by_length(factors), f"gain_by_length({factors})"
    expect_equal(len(gains), len(factors) + 1, f"{what}: number of lengths", "they go from 0 to L")
    expect_close(gains, by_hand, what, wrong=diagnose.wrong_lengths(factors, by_hand))
print("Exercise 4, gain_by_length: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(402)
for L in (4, 1, 7, 0):
    factors = (torch.randn(L, dtype=torch.float64) * 1.5).tolist()
    what = f"gain_by_length: {L} layers"
    with expect_works(what, "without layers one path is left, of length 0: [1.0]"):
        gains = gain_by_length(factors)
    expect_type(gains, (list, tuple), what, "return a list")
    expect_equal(len(gains), L + 1, f"{what}: number of lengths", "they go from 0 to L")
    expected = [float(sum(prod(c) for c in combinations(factors, k))) for k in range(L + 1)]
    wrong = diagnose.wrong_lengths(factors, expected)
    expect_close(gains, expected, what, "new[k] = old[k] + w * old[k - 1]", 1e-7, wrong=wrong)
with expect_works("gain_by_length: 60 layers", "listing all paths takes too long: see hint 1"):
    gains = gain_by_length([0.5] * 60)
expect_close(sum(gains), 1.5**60, "gain_by_length: 60 layers, summed over the lengths", rtol=1e-9)
### END HIDDEN TESTS

# %% [markdown]
# ### What if the factors are negative, or large?
#
# The same formula warns us. A factor of $-1$ gives $1 + w = 0$: the block cancels its own skip,
# and no gradient passes. A factor of $+1$ gives $2^L$. Let all ten layers have the factor $w$:

# %% tags=["demo"]
w = torch.linspace(-3, 3, 601)  # steps of 0.01
drawing, (axis,) = plots.figure()
for role, gain in {"plain": w**10, "residual": (1 + w) ** 10}.items():
    plots.plot_runs(axis, w, gain.abs()[None].clamp(min=1e-12), role, role)
axis.axhline(1, color="gray", linewidth=0.8)
axis.set(yscale="log", ylim=(1e-8, 1e8), xlabel="factor w of each layer")
axis.set(ylabel="|gain| of ten layers", title="ten layers, each with factor w")
axis.legend()
plots.show(
    "Gain of ten layers by the factor w of each, on a log scale. Plain: w to the tenth, one at w "
    "= 1 and -1 and zero at w = 0. Residual: the same curve moved by one, so that the gain is one "
    "at w = 0."
)

# %% [markdown]
# Each curve has one deep notch and two places where ten layers have gain one: $w = \pm 1$ for
# the plain chain, $w = 0$ and $w = -2$ for the residual chain. A skip connection does not
# forbid vanishing (see $w = -1$), and it does not forbid explosion (see $w > 0$ and $w < -2$). It **moves
# the place where all is well to small weights**, to $w = 0$: a network can begin there, if its
# branches begin small.

# %% [markdown]
# ## 6 · Gradient norms, measured
#
# Now with matrices, ReLUs and random weights. For a stack $x_0 \to x_1 \to \dots \to x_L$ we
# send a fixed vector $v$ back from the output and note the length of what arrives at every
# layer, $\|\partial (v \cdot x_L) / \partial x_l\|$.
#
# ### Exercise 5 · The gradient at every layer
#
# **Goal** the instrument for all that follows · **Difficulty** ★★☆ · **Time** 7 minutes ·
# **Points** 2
#
# <details><summary>Hint 1: keep the states</summary>
#
# Apply the layers one after another and keep every state in a list: `x_0, x_1, ..., x_L`.
#
# </details>
# <details><summary>Hint 2: the gradients</summary>
#
# `torch.autograd.grad(output, states, v)` gives the gradient with respect to every state at
# once. `x_0` must require a gradient before the first layer sees it.
#
# </details>
# <details><summary>Hint 3: the caller's x</summary>
#
# `x.detach().requires_grad_()` is a new tensor that shares the numbers of `x`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "gradient_norms", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.gradient_norms", "plusx.gradient_profile"]}
def gradient_norms(layers, x, v):
    """Lengths of the gradient of v . x_L with respect to every state x_0, ..., x_L.

    layers: list of L >= 1 modules; x_0 = x, and x_{l+1} = layers[l](x_l)
    x: any shape that the first layer takes
    v: shaped like the output of the last layer: the gradient there
    returns: list of L + 1 floats; entry l is the Euclidean norm (over all entries) at x_l
    """
    ### BEGIN SOLUTION
    states = [x.detach().requires_grad_()]
    for layer in layers:
        states.append(layer(states[-1]))
    gradients = torch.autograd.grad(states[-1], states, v)
    return [gradient.norm().item() for gradient in gradients]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gradient_norms", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
double, halve = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False)
double.load_state_dict({"weight": 2 * torch.eye(2)})
halve.load_state_dict({"weight": 0.5 * torch.eye(2)})
x, v = torch.ones(1, 2), torch.tensor([[3.0, 4.0]])
norms = gradient_norms([double, double, halve], x, v)
expect_equal(len(norms), 4, "gradient_norms: number of norms for three layers", "x_0 to x_3")
states = [x, 2 * x, 4 * x, 2 * x]
gradients, ones = ([2 * g, g, 0.5 * g, g] for g in (v, torch.ones(1, 2)))
wrong = diagnose.wrong_norms(states, gradients, ones)
expect_close(norms, [10.0, 5.0, 2.5, 5.0], "gradient_norms: double, double, halve", wrong=wrong)
print("Exercise 5: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(501)
dense = [nn.Sequential(nn.Linear(a, b), nn.Tanh()) for a, b in [(4, 7), (7, 3), (3, 5)]]
images = [nn.Conv2d(2, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 3, padding=1)]
for layers, size in [
    (dense, (6, 4)),
    (dense[:1], (1, 4)),
    (images, (2, 2, 5, 7)),
    (images, (1, 2, 4, 3)),
]:
    layers = [layer.double() for layer in layers]
    x = torch.randn(size, dtype=torch.float64)
    states = [x.clone().requires_grad_()]
    for layer in layers:
        states.append(layer(states[-1]))
    v = torch.randn_like(states[-1])
    gradients = torch.autograd.grad(states[-1], states, v, retain_graph=True)
    unweighted = torch.autograd.grad(states[-1].sum(), states)
    what, caller = f"gradient_norms: {len(layers)} layers, x of shape {size}", x.clone()
    with expect_works(what):
        norms = gradient_norms(layers, x, v)
    expect_type(norms, (list, tuple), what, "return a list of numbers")
    expect_equal(len(norms), len(layers) + 1, f"{what}: number of norms", "x_0 to x_L")
    expected = [g.norm().item() for g in gradients]
    wrong = diagnose.wrong_norms(states, gradients, unweighted)
    expect_close(norms, expected, what, "in full precision", 1e-9, 1e-12, wrong)
    expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
### END HIDDEN TESTS

# %% [markdown]
# ### Dense layers without norm
#
# `plusx.gradient_profile` does the same for random dense layers, five seeds at once. Layer $l$
# computes $\mathrm{relu}(W x_l)$, plus $x_l$ with a skip; the entries of $W$ have variance
# $\mathrm{gain}^2 / 64$. A gain of $\sqrt 2$ is He initialisation.
#
# The explorer computes each curve anew as you move a control. Things to try: find a gain at
# which fifty plain layers keep the gradient's size; switch the skip on at that gain; then
# batch norm.

# %% tags=["demo"]
from plusx.widgets import GradientExplorer

GradientExplorer()

# %% [markdown]
# Now with numbers, at four gains:

# %% tags=["demo"]
print("log10 of |gradient at the input| / |gradient at the output|, mean ± deviation of 5 seeds")
for skip in (False, True):
    cells = []
    for gain in (0.5, 1, 2**0.5, 2):
        norms = plusx.gradient_profile(50, gain, skip)  # (seeds, 51)
        logs = norms[:, 0].log10()
        cells.append(f"gain {gain:.2f}: {logs.mean():5.1f} ± {logs.std():.1f}")
    print("residual" if skip else "plain   ", " | ".join(cells))

# %% [markdown]
# Without a skip, gradients vanish at small gains and explode at large ones; He initialisation
# sits on the edge between the two and keeps their size over fifty layers, on average. With a
# skip nothing vanishes, and everything **explodes**, at each of these gains. An unscaled skip without a
# norm trades one disease for the other.
#
# ### Dense layers with batch norm
#
# Batch norm makes the gain irrelevant: whatever the scale of $W$, the norm divides it out. So
# we vary the depth instead.

# %% tags=["demo"]
depths, ratios = (8, 20, 56, 110), {}
print("log10 of the ratio at depths", *depths)
for norm in (False, True):
    for role in ("plain", "residual"):
        runs = [plusx.gradient_profile(d, 2**0.5, role == "residual", norm)[:, 0] for d in depths]
        ratios[norm, role] = torch.stack(runs, dim=1)  # (seeds, depths)
        spread = [f"{r.log10().mean():5.2f} ± {r.log10().std():.2f}" for r in runs]
        print("norm   " if norm else "no norm", f"{role:9}", " | ".join(spread))

# %% tags=["demo"]
drawing, axes = plots.figure(2, share_y=True)
for axis, norm in zip(axes, (False, True), strict=True):
    for role in ("plain", "residual"):
        plots.plot_runs(axis, depths, ratios[norm, role], role, role)
    title = "batch norm" if norm else "no norm, He initialisation"
    axis.set(yscale="log", xlabel="depth (layers)", title=title)
axes[0].set_ylabel("gradient norm: input / output")
axes[0].legend(title="median and range, 5 seeds")
plots.show(
    "Ratio of the gradient norms at input and output, by depth. Without norm it is near one for "
    "plain networks and grows beyond 10 to the 20 for residual ones; with batch norm it grows for "
    "plain ones and stays below a hundred for residual ones."
)

# %% [markdown]
# On the right is what many texts get
# wrong. In **plain** layers with batch norm the gradient does not vanish: at initialisation it
# *grows* on the way back, at a fixed rate per layer. Yang et al. (2019) derive the rate for wide
# ReLU layers and large batches, $\sqrt{\pi/(\pi - 1)} \approx 1.211$. Ours, at width 128 and
# batch 128:

# %% tags=["demo"]
norms = plusx.gradient_profile(50, 1.0, skip=False, norm=True, width=128, batch=128)
rate = (norms[:, 5] / norms[:, 45]) ** (1 / 40)  # (seeds,)
print(f"measured growth per layer: {rate.mean():.3f} ± {rate.std():.3f} (5 seeds)")
print(f"theory, infinite width and batch: {(torch.pi / (torch.pi - 1)) ** 0.5:.3f}")

# %% [markdown]
# With a skip **and** batch norm the growth is no longer exponential: from 56 to 110 layers the
# ratio only about doubles. The branch always adds a term of size one, while the sum $x_l$ has
# grown with $l$. So a block at depth $l$ adds only about $1/l$ of its input, and a product of
# factors $1 + c/l$ grows as a power of the depth.
#
# ### Real blocks
#
# Do convolutions behave alike? Here are the plain and the residual network with 56 layers for
# small images, as section 8 will build them, on random input.


# %% tags=["demo"]
def profile(skip, seed):
    """Gradient norms after the stem and after each of 27 blocks, relative to the last."""
    plusx.seed_all(seed)
    net = plusx.CifarResNet(56, skip=skip)
    h = net.stem(torch.randn(16, 3, 16, 16))  # (B, 16, H, W)
    v = torch.randn_like(net.blocks(h))  # (B, 64, H/4, W/4)
    norms = torch.tensor(plusx.gradient_norms(net.blocks, h.detach(), v))  # (28,)
    return norms / norms[-1]


# %% tags=["demo"]
drawing, (axis,) = plots.figure()
for role in ("plain", "residual"):
    runs = torch.stack([profile(role == "residual", seed) for seed in range(5)])  # (seeds, 28)
    plots.plot_runs(axis, range(28), runs, role, role)
    logs = runs[:, 0].log10()
    print(f"{role:9} log10 of the ratio: {logs.mean():.2f} ± {logs.std():.2f} (5 seeds)")
plots.gradient_axes(axis, "56 layers with batch norm, at initialisation")
axis.set(xlabel="block (0 = after the stem)", ylabel="gradient norm / norm at the last block")
axis.legend(title="median and range, 5 seeds")
plots.show(
    "Gradient norms by block in 56 layers with batch norm, before training: in the plain network "
    "they grow to about ten thousand towards the input, in the residual one to about thirty."
)

# %% [markdown]
# The same picture. And now a warning about what it shows. He et al. (2015, section 4.1) report
# that their plain networks, with batch norm, have gradients of healthy size, and call it
# *unlikely* that vanishing gradients are why deep plain networks fail. Our plain network
# shows no vanishing either. Large gradients at the first step are not the whole story: they may
# even out within a few steps, and whether their size is the cause at all needs its own test.
# So far we may say: **skip connections keep the backward signal in a moderate range when the
# branches are normalised (or very small: try the lowest gain in the explorer). That this is why residual networks train better is a
# hypothesis, which this lesson has not tested.**

# %% [markdown]
# ## 7 · What does a skip cost?
#
# Parameters, memory, time: let us count and measure. Memory means what the forward pass
# keeps for the backward pass, without the parameters.

# %% tags=["demo"]
x = torch.randn(32, 3, 32, 32)  # (B, C, H, W)
kinds = {"plain": ("A", False), "option A": ("A", True), "option B": ("B", True)}
nets = {name: plusx.CifarResNet(20, option, skip=skip) for name, (option, skip) in kinds.items()}
print(f"{'20 layers':10} {'parameters':>10} {'kept for backward':>20}")
for name, net in nets.items():
    kept = plusx.saved_mebibytes(net, x)
    print(f"{name:10} {plusx.count_parameters(net):10,} {kept:16.1f} MiB")

# %% [markdown]
# The identity and option A have no parameters; option B adds 2,752. In memory the skip costs
# nothing (option B: 3 %), since $x$ is kept for the first convolution of the branch anyway, and
# a sum needs nothing for its derivative. Now the time of one training step, forward and
# backward. It differs from machine to machine and from run to run, so look at the spread before
# you compare.

# %% tags=["demo", "timing"]
images = x[:8].to(device)
for name, net in nets.items():
    seconds = [plusx.step_seconds(net.to(device), images, repeats=3) for _ in range(5)]
    times = 1000 * torch.tensor(seconds)  # (5,), milliseconds
    print(f"{name:10} {times.median():7.1f} ms (from {times.min():.1f} to {times.max():.1f})")

# %% [markdown]
# The skip adds one addition per number to two convolutions that do $9C$ multiplications per
# number each. By that count it should be invisible. But an addition moves as much memory as any
# layer while it computes little, so it may cost a few per cent: operations are not time. Where
# the three ranges overlap, your measurement cannot tell the nets apart.
#
# ## 8 · The networks for small images
#
# He et al. (2015, section 4.2) build a family for 32×32 images from the basic block alone:
#
# | part | output | layers |
# |---|---|---|
# | stem: conv 3×3, norm, ReLU | 16 × 32 × 32 | 1 |
# | stage 1: $n$ blocks | 16 × 32 × 32 | $2n$ |
# | stage 2: $n$ blocks, the first with stride 2 | 32 × 16 × 16 | $2n$ |
# | stage 3: $n$ blocks, the first with stride 2 | 64 × 8 × 8 | $2n$ |
# | mean over all pixels, one linear layer | classes | 1 |
#
# That makes $6n + 2$ layers: $n = 3, 5, 7, 9, 18$ give ResNet-20, 32, 44, 56 and 110. Count by
# hand, for option A. A block with $C$ channels holds $2 \cdot 9C^2 + 4C$ numbers; one that goes
# from $C/2$ to $C$ holds $9C^2/2 + 9C^2 + 4C$.


# %%
def same(C):
    return 2 * 9 * C * C + 4 * C


def growing(C):
    return 9 * C * C // 2 + 9 * C * C + 4 * C


n = 3  # ResNet-20
stem, head = 3 * 16 * 9 + 2 * 16, 64 * 10 + 10
stages = n * same(16) + growing(32) + (n - 1) * same(32) + growing(64) + (n - 1) * same(64)
print(f"ResNet-20, option A, by hand: {stem + stages + head:,}")

# %% [markdown]
# The paper's table 6 says 0.27 million.
#
# ### Exercise 6 · ResNet-20 to ResNet-110
#
# **Goal** the whole family in one class · **Difficulty** ★★★ · **Time** 10 minutes ·
# **Points** 3
#
# Use your `BasicBlock`. Initialise as you like: only what the network computes, and its
# number of parameters, is tested. A depth
# that is not $6n + 2$ with $n \ge 1$ must raise a `ValueError`.
#
# <details><summary>Hint 1: the plan</summary>
#
# A stem, a list of $3n$ blocks, a head. `nn.Sequential(*blocks)` runs a list of blocks.
#
# </details>
# <details><summary>Hint 2: the blocks</summary>
#
# Keep the current number of channels in a variable. For each width of 16, 32, 64, append $n$
# blocks; the first goes from the current number to this width. Its stride is 2 unless the
# width stays 16.
#
# </details>
# <details><summary>Hint 3: the depth</summary>
#
# `n, rest = divmod(depth - 2, 6)`; complain if `rest` is not 0 or `n` is below 1.
#
# </details>
# <details><summary>Hint 4: the head</summary>
#
# `x.mean(dim=(2, 3))` turns (B, 64, H, W) into (B, 64), whatever H and W are. The linear layer
# returns logits: no softmax.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "cifar_resnet", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.CifarResNet", "torchvision.ResNet"]}
class CifarResNet(nn.Module):
    """The residual network of 6n + 2 layers for small images.

    depth: int, 6n + 2 with n >= 1; another depth raises ValueError
    option: "A" or "B", the shortcut of the two blocks that change the shape
    classes: int, the number of logits

    forward: x (B, 3, H, W) -> logits (B, classes)
    """

    def __init__(self, depth, option="A", classes=10):
        super().__init__()
        ### BEGIN SOLUTION
        n, rest = divmod(depth - 2, 6)
        if rest != 0 or n < 1:
            raise ValueError(f"expected a depth of 6n + 2 with n >= 1, got {depth}")
        self.stem = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()
        )
        blocks, channels = [], 16
        for width in (16, 32, 64):
            for _ in range(n):
                stride = 1 if width == channels else 2
                blocks.append(BasicBlock(channels, width, stride, option))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(64, classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.blocks(self.stem(x))  # (B, 64, H/4, W/4)
        return self.head(x.mean(dim=(2, 3)))  # (B, classes)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_cifar_resnet", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
for option, by_hand in {"A": 269_722, "B": 272_474}.items():
    net = CifarResNet(20, option)
    expect_equal(
        sum(p.numel() for p in net.parameters()),
        by_hand,
        f"CifarResNet(20, {option!r}): number of parameters",
        wrong=diagnose.wrong_network_counts(by_hand, option, 3),
    )
    logits = net(torch.randn(2, 3, 32, 32))
    expect_shape(logits, (2, 10), f"CifarResNet(20, {option!r}): logits of two images")
with expect_raises(ValueError, "CifarResNet(21)", "21 is not 6n + 2"):
    CifarResNet(21)
print("Exercise 6: the visible checks pass.")


### BEGIN HIDDEN TESTS
def torchvision_network(depth, option, classes, stride=2):
    """Stem, blocks and head, of torchvision's blocks; `stride` begins stages 2 and 3."""
    stem = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    blocks = []
    for before, width in ((16, 16), (16, 32), (32, 64)):
        step = 1 if before == width else stride
        blocks.append(diagnose.torchvision_block(before, width, step, option))
        blocks += [diagnose.torchvision_block(width, width) for _ in range((depth - 8) // 6)]
    return nn.ModuleList([stem, nn.Sequential(*blocks), nn.Linear(64, classes)])


def expect_right_count(net, reference, name, n, option):
    mine, count = (sum(p.numel() for p in model.parameters()) for model in (net, reference))
    wrong = diagnose.wrong_network_counts(count, option, n)
    expect_equal(mine, count, f"{name}: number of parameters", wrong=wrong)


def logits_of(network, x):
    stem, blocks, head = network
    return head(blocks(stem(x)).mean((2, 3)))


torch.manual_seed(601)
for depth, option, classes, size in [
    (14, "A", 7, (1, 3, 17, 12)),
    (8, "A", 10, (2, 3, 16, 16)),
    (8, "B", 3, (2, 3, 20, 9)),
    (14, "B", 10, (3, 3, 16, 16)),
]:
    name = f"CifarResNet({depth}, {option!r}, classes={classes}), x of shape {size}"
    with expect_works(name):
        net = CifarResNet(depth, option, classes=classes).double()
    reference = torchvision_network(depth, option, classes).double()
    expect_right_count(net, reference, name, (depth - 2) // 6, option)
    flat = torchvision_network(depth, option, classes, stride=1).double()
    for model in (net, reference, flat):
        fill_by_shape(model, seed=depth)
    for training in (False, True):
        net.train(training), reference.train(training), flat.train(training)
        x = torch.randn(size, dtype=torch.float64)
        with torch.no_grad(), expect_works(name):
            logits = net(x)
        with torch.no_grad():
            wrong = diagnose.wrong_logits(*deepcopy(reference), x)
            sentence = "the stages do not halve the image: stages 2 and 3 begin with stride 2"
            wrong[sentence] = logits_of(flat, x)
            what = f"{name}: logits in {'training' if training else 'evaluation'} mode"
            expect_close(logits, logits_of(reference, x), what, rtol=1e-6, wrong=wrong)
for depth in (2, 3, 18, 22, 0, -4):
    with expect_raises(ValueError, f"CifarResNet({depth})", "this depth is not 6n + 2 with n >= 1"):
        CifarResNet(depth)
with expect_works(
    "CifarResNet(8) on another device (meta)",
    "a device is written into the network or its blocks: take it from x",
):
    logits = CifarResNet(8).to("meta")(torch.empty(2, 3, 32, 32, device="meta"))
expect_true(logits.is_meta, "CifarResNet: the device of the logits is that of x")
for n in (5, 7, 9, 18):
    for option in ("A", "B"):
        name = f"CifarResNet({6 * n + 2}, {option!r})"
        with expect_works(name):
            net = CifarResNet(6 * n + 2, option)
        expect_right_count(net, torchvision_network(6 * n + 2, option, 10), name, n, option)
### END HIDDEN TESTS

# %% [markdown]
# ### The paper's table beside ours
#
# With your class or with `plusx.CifarResNet` you get the whole table. The paper gives the sizes
# in millions, rounded (He et al. 2015, table 6).

# %% tags=["demo"]
paper = {20: "0.27M", 32: "0.46M", 44: "0.66M", 56: "0.85M", 110: "1.7M"}
print("depth   option A   option B   paper")
for depth, rounded in paper.items():
    A, B = (plusx.count_parameters(plusx.CifarResNet(depth, option)) for option in "AB")
    print(f"{depth:5} {A:10,} {B:10,} {rounded:>7}")

# %% [markdown]
# The difference between the columns is 2,752 at every depth: only two blocks change the shape.
#
# ## 9 · ResNet-18
#
# For large images the first step is different, the block is the same (He et al. 2015,
# table 1):
#
# | part | output for 224 × 224 |
# |---|---|
# | conv 7×7, stride 2, padding 3, no bias; norm; ReLU | 64 × 112 × 112 |
# | max pooling 3×3, stride 2, padding 1 | 64 × 56 × 56 |
# | 2 blocks of 64 channels | 64 × 56 × 56 |
# | 2 blocks of 128 channels, the first with stride 2 | 128 × 28 × 28 |
# | 2 blocks of 256 channels, the first with stride 2 | 256 × 14 × 14 |
# | 2 blocks of 512 channels, the first with stride 2 | 512 × 7 × 7 |
# | mean over all pixels, one linear layer | classes |
#
# All shortcuts that change the shape are option B. How do we know that a network of ours is *the*
# ResNet-18? By giving it the weights of another and comparing outputs. Names differ, but a
# `state_dict` is ordered: tensors appear in the order in which `__init__` assigned the modules to
# `self` (in an `nn.Sequential`: in the order in it).
# `plusx.load_by_order` copies the first tensor into the first, the second into the second, and
# complains where shapes differ.

# %%
first = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
second = nn.ModuleDict({"conv": nn.Conv2d(3, 4, 3), "norm": nn.BatchNorm2d(4)})
load_by_order(second, first.state_dict())
print(list(first.state_dict())[:3], "->", list(second.state_dict())[:3])

# %% [markdown]
# ### Exercise 7 · Loading torchvision's weights
#
# **Goal** a ResNet-18 that takes over torchvision's weights · **Difficulty** ★★☆ ·
# **Time** 7 minutes · **Points** 2
#
# Here the **order of assignment to `self` matters**: stem convolution, stem norm, the eight blocks from
# first to last, the linear layer. Within a block: convolution 1, norm 1, convolution 2, norm 2,
# then the projection's convolution and norm. If your `BasicBlock` assigns its parts in another
# order, change it.
#
# <details><summary>Hint 1: what carries over</summary>
#
# It is your `CifarResNet` with another stem, widths 64, 128, 256, 512, two blocks for each, and
# option B.
#
# </details>
# <details><summary>Hint 2: the first stage</summary>
#
# The stem already gives 64 channels, so both blocks of the first stage keep the shape.
#
# </details>
# <details><summary>Hint 3: the message names a tensor</summary>
#
# If loading fails, compare `list(net.state_dict())` with
# `list(torchvision.models.resnet18().state_dict())`, line by line.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "resnet18", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["torchvision.resnet18", "torchvision.ResNet"]}
class ResNet18(nn.Module):
    """ResNet-18; its tensors stand in the order of torchvision's.

    classes: int, the number of logits

    forward: x (B, 3, H, W) -> logits (B, classes)
    """

    def __init__(self, classes=1000):
        super().__init__()
        ### BEGIN SOLUTION
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, stride=2, padding=3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        )
        blocks, channels = [], 64
        for width in (64, 128, 256, 512):
            blocks.append(BasicBlock(channels, width, stride=1 if width == channels else 2))
            blocks.append(BasicBlock(width, width))
            channels = width
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(512, classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.blocks(self.stem(x))  # (B, 512, H/32, W/32)
        return self.head(x.mean(dim=(2, 3)))  # (B, classes)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_resnet18", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
net = ResNet18()
count = sum(p.numel() for p in net.parameters())
expect_equal(count, 11_689_512, "ResNet18(): number of parameters", "as many as torchvision's")
expect_shape(net(torch.randn(2, 3, 64, 64)), (2, 1000), "ResNet18(): logits of two images")
with expect_works(
    "ResNet18: taking over torchvision's weights, tensor by tensor",
    "the order of assignment differs from torchvision's, or a layer does: see hint 3",
):
    load_by_order(net, torchvision.models.resnet18(weights=None).state_dict())
print("Exercise 7: the visible checks pass.")


### BEGIN HIDDEN TESTS
def with_changed_stem(original, x):
    """Logits of torchvision's network with a mistake in its stem, for each mistake."""
    layers = [original.conv1, original.bn1, original.relu, original.maxpool]
    body = nn.Sequential(original.layer1, original.layer2, original.layer3, original.layer4)
    wrong = diagnose.wrong_logits(nn.Sequential(*layers), body, original.fc, x)
    wrong["the max pooling of the stem is missing"] = wrong.pop("the stem's last layer is missing")
    first = original.bn1(F.conv2d(x, original.conv1.weight, padding=3)).relu()
    conv = original.bn1(original.conv1(x)).relu()
    for sentence, features in {
        "the stem's convolution has stride 2": original.maxpool(first),
        "the stem pools the mean: take the maximum": F.avg_pool2d(conv, 3, 2, 1),
        "the max pooling of the stem has padding 1": F.max_pool2d(conv, 3, 2),
    }.items():
        wrong[sentence] = original.fc(body(features).mean((2, 3)))
    return wrong


torch.manual_seed(701)
original = torchvision.models.resnet18(weights=None, num_classes=7).eval()
with torch.no_grad():
    for tensor in original.state_dict().values():
        if tensor.ndim == 1:  # scales, shifts, means and variances that differ from each other
            tensor.copy_(torch.rand(tensor.shape) + 0.5)
with expect_works("ResNet18(classes=7)"):
    net = ResNet18(classes=7).eval()
with expect_works(
    "ResNet18: torchvision's weights, tensor by tensor",
    "the order of assignment differs from torchvision's, or a layer does: see hint 3",
):
    load_by_order(net, original.state_dict())
for size in [(2, 3, 64, 64), (1, 3, 75, 53)]:
    x = torch.randn(size)
    what = f"ResNet18: logits for x of shape {size}, with torchvision's weights"
    with torch.no_grad(), expect_works(what):
        logits = net(x)
    with torch.no_grad():
        hint = "the tensors fit in shape, yet the network computes something else"
        wrong = with_changed_stem(original, x)
        expect_close(logits, original(x), what, hint, rtol=1e-3, atol=1e-3, wrong=wrong)
with expect_works(
    "ResNet18 on another device (meta)",
    "a device is written into the network or its blocks: take it from x",
):
    logits = net.to("meta")(torch.empty(2, 3, 64, 64, device="meta"))
expect_true(logits.is_meta, "ResNet18: the device of the logits is that of x")
### END HIDDEN TESTS

# %% [markdown]
# The weights here are random, so that nothing has to be downloaded. With trained ones, from
# `torchvision.models.resnet18(weights="DEFAULT")`, the same call of `load_by_order` turns your
# network into a classifier for ImageNet.
#
# ## 10 · A written question
#
# **Difficulty** ★★☆ · **Time** 6 minutes · **Points** 2, given by a person
#
# A blog says: *"Deep plain networks fail because their gradients vanish. Skip connections let
# the gradient through unchanged, so residual networks can be as deep as you like."*
#
# In five to eight sentences: what in this is right, and what is wrong? Support **each** of your
# points with a formula or a measurement from this lesson (say which), and name one thing that
# this lesson did **not** test.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_gradients", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# Right is that the gradient has a path that meets no weight: the term $I$ in
# $\prod_l (I + J_l)$, so it cannot vanish merely because every factor is small (0.125 becomes
# 3.375 in the example with 0.5). Wrong, in general, is "vanish": it happens
# without a norm at small gains, but plain networks with batch norm show no
# vanishing at initialisation. In section 6 their gradients grow on the way back, by about 1.2
# per layer, and He et al. 2015 (section 4.1) call vanishing gradients an unlikely cause. Wrong
# is "unchanged": the identity is one term among $2^L$, and the others change the sum; without a
# norm fifty residual layers multiplied the gradient by more than $10^{10}$ at He
# initialisation, and a factor of $-1$ makes it zero. So "as deep as you like" does not follow:
# branches must be very small or normalised. Not tested here: whether the size of gradients is what
# makes deep plain networks train badly. Nothing was trained but a toy block.
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, right and wrong.** Half: names as right the path without weights (the term $I$),
#   or that without a norm and at small gains plain gradients vanish and residual ones do not. Half: at least one of "with batch norm nothing vanishes, gradients grow" and "not
#   unchanged: residual gradients can explode, or cancel at $-1$".
# - **1 point, evidence and limits.** Half: each point has a formula or measurement from the
#   lesson. Half: names something untested (that gradient size causes bad training; trained
#   networks; real data).
#
# No point for a claim that contradicts the measurements, however well it is written.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 11 · Summary
#
# - A residual block learns $F(x) = H(x) - x$. It has a head start when $H$ is near the
#   identity, and a handicap when $H$ is, for instance, $-x$: section 1 measured both.
# - The basic block: conv, norm, ReLU, conv, norm; add $x$; ReLU. Where shapes change, $x$ goes
#   through option A (pixels and zeros) or B (1×1 convolution and norm).
# - With a zero branch a residual block is the identity on $x \ge 0$.
# - The Jacobian of a block is $I + \partial F / \partial x$, that of a stack the product, which
#   expands into $2^L$ paths. One of them meets no weight.
# - Residuals do not forbid explosion. In section 6 it was the norm that tamed it.
# - With batch norm, plain gradients grow backward at initialisation; they do not vanish.
# - The identity and option A cost no parameters; option B costs few. Time: section 7 measured it.
#
# ## Open questions
#
# - If not vanishing gradients, what stops deep plain networks from training? (Lesson 01)
# - Where should norm and ReLU stand, and why does it matter more at a hundred layers than at
#   twenty? (Lesson 04)
# - Are the $2^L$ paths a useful picture, or only an expansion? Veit et al. say useful; Wu et al.
#   dispute it. (Lesson 05)
# - Why is zero the right place for $F$? What if a layer's job is *not* close to nothing?
#
# ## Further reading
#
# - K. He, X. Zhang, S. Ren, J. Sun. *Deep Residual Learning for Image Recognition.* 2015,
#   [arXiv 1512.03385](https://arxiv.org/abs/1512.03385). Sections 3 and 4.
# - K. He, X. Zhang, S. Ren, J. Sun. *Identity Mappings in Deep Residual Networks.* 2016,
#   [arXiv 1603.05027](https://arxiv.org/abs/1603.05027). Section 2 has the telescoped sum.
# - A. Veit, M. Wilber, S. Belongie. *Residual Networks Behave Like Ensembles of Relatively
#   Shallow Networks.* 2016, [arXiv 1605.06431](https://arxiv.org/abs/1605.06431).
# - Z. Wu, C. Shen, A. van den Hengel. *Wider or Deeper: Revisiting the ResNet Model for Visual
#   Recognition.* 2016, [arXiv 1611.10080](https://arxiv.org/abs/1611.10080). Another reading of
#   the same expansion.
# - G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein, S. Schoenholz. *A Mean Field Theory of
#   Batch Normalization.* 2019, [arXiv 1902.08129](https://arxiv.org/abs/1902.08129).
# - P. Goyal et al. *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour.* 2017,
#   [arXiv 1706.02677](https://arxiv.org/abs/1706.02677). Section 5.1: the last norm starts at
#   zero.
