# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Identity mappings
#     minutes: 90
#     points: 20
#     goals:
#       - Build pre-activation units and a whole network of them, first and last unit included.
#       - Say what happens when something stands on the shortcut, with a formula and a measurement.
#       - Predict signal and gradient at every depth in closed form, and check the prediction.
#       - See highway layers and the LSTM cell as one idea, and set their gates so that they train.
#       - Start a residual network near the identity without any norm, and name the limits of that.
#     needs:
#       - Lesson 02, the residual block; lesson 01 helps
#       - Variance, sigmoid, singular values; autograd
# ---

# %% [markdown]
# # 04 · Identity mappings
#
# **90 minutes · 20 points** (seven exercises and one written question)
#
# A residual network has a road from its input to its output, and every unit may add something to
# what travels on it. This lesson asks what happens when things stand *on the road*: a ReLU, a
# factor of one half, a gate. Most of them stop the traffic at a hundred layers. Then it follows
# the same idea into gates, through time, and to networks that need no norm.
#
# **You will be able to**
#
# - build pre-activation units and a whole network of them, first and last unit included;
# - say what happens when something stands on the shortcut, with a formula and a measurement;
# - predict signal and gradient at every depth in closed form, and check the prediction;
# - see highway layers and the LSTM cell as one idea, and set their gates so that they train;
# - start a residual network near the identity without any norm, and name the limits of that.
#
# **You need** lesson 02, the residual block (lesson 01 helps); variance, sigmoid, singular values;
# autograd.
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on small
# cases. When your work is graded, more checks run: other sizes, other dtypes, another device.
# Hints are folded; open them one at a time.

# %%
from functools import partial
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

import plusx
from plusx import (
    diagnose_gates,
    diagnose_preactivation,
    diagnose_propagation,
    experiments,
    gates,
    memory,
    plots,
    preactivation,
    propagation,
    shortcuts,
    starts,
)
from plusx.checks_preactivation import expect_unit
from plusx.expect import (
    expect_close,
    expect_equal,
    expect_raises,
    expect_shape,
    expect_true,
    expect_type,
    expect_works,
)
from plusx.weights import fill_by_shape

# %% [markdown]
# One function seeds every generator, and nothing names a device. `"small"` is dense networks on
# 8×8 digits; `"full"` takes the paper's convolutional networks on CIFAR-10, hours of a GPU, for
# the first comparison in section 3. (`load_data` also takes the path of a folder of images, with
# `train/<class>/` and `test/<class>/` inside.) The text describes `"small"`; curves at full scale are
# not there yet (`make reference-runs` makes them).

# %%
plusx.seed_all(0)
scale = "small"
setting = experiments.choose_scale(scale)
digits = plusx.load_data("digits")

# %% [markdown]
# ## 1 · The road
#
# Write a residual unit as generally as He et al. (2016) do:
#
# $$y_l = h(x_l) + F(x_l), \qquad x_{l+1} = f(y_l).$$
#
# In lesson 02, $h$ was the identity and $f$ a ReLU. Suppose that **both** are the identity. Then
# $x_{l+1} = x_l + F(x_l)$, and unit after unit just adds:
#
# $$x_L = x_l + \sum_{i=l}^{L-1} F(x_i), \qquad
#   \frac{\partial \mathcal E}{\partial x_l} = \frac{\partial \mathcal E}{\partial x_L}
#   \Bigl(I + \frac{\partial}{\partial x_l} \sum_{i=l}^{L-1} F(x_i)\Bigr).$$
#
# The deep state is the shallow one *plus* a sum; a plain network would have a product. And the
# gradient at any depth contains the gradient at the output as it is, with factor one. (The sum
# behind the $I$ can still grow, or cancel it: lesson 02. We shall come back to that.)
#
# So we want nothing between one sum and the next. But norm and ReLU must be somewhere. He et al.
# put them **before** the weights, inside the branch. Here are five orders that they compare
# (their figure 4). Blue is the road, orange is what stands on it:

# %% tags=["demo"]
from plusx.order_diagram import order_diagram

order_diagram()
plots.show(
    "Five orders of a residual unit. In the original a ReLU, and with norm after the sum a norm "
    "and a ReLU, stand on the road; with ReLU before the sum, ReLU-only and full pre-activation "
    "the road is free."
)

# %% [markdown]
# Only in the last three is the road free. In the third, however, the branch ends in a ReLU and can
# only *add*: the state never gets smaller. The last one is called **full pre-activation**:
#
# $$F(x) = W_2 * \mathrm{relu}\bigl(\mathrm{norm}_2(W_1 * \mathrm{relu}(\mathrm{norm}_1(x)))\bigr),
#   \qquad y = x + F(x).$$
#
# ### Where shapes change
#
# A unit that changes channels or size needs a projection, as in lesson 02. But mind the place. The
# authors' published code applies $\mathrm{norm}_1$ and ReLU *first*, and both ways start from the
# result $a = \mathrm{relu}(\mathrm{norm}_1(x))$:
#
# $$y = W_s * a + F(x), \qquad F(x) = W_2 * \mathrm{relu}(\mathrm{norm}_2(W_1 * a)).$$
#
# The projection is a 1×1 convolution **without** norm. We call such a unit *shared*: the
# activation is shared by both ways. A unit can also be shared without changing the shape; then
# $y = a + F(x)$. We shall need one of those, at the beginning of a network.
#
# ### Exercise 1 · The pre-activation unit
#
# **Goal** the unit of figure 4e, with both kinds of shortcut · **Difficulty** ★★☆ ·
# **Time** 12 minutes · **Points** 2 for units that keep the shape, 2 for the others
#
# Two 3×3 convolutions with padding 1, no biases anywhere. The stride is that of the first
# convolution and of the projection. A unit that changes the shape is always shared.
#
# <details><summary>Hint 1: how many channels?</summary>
#
# `norm1` stands before the first convolution, so it has `in_channels`; `norm2` has
# `out_channels`.
#
# </details>
# <details><summary>Hint 2: the forward pass in words</summary>
#
# `a` is norm1 and ReLU of `x`. The branch is conv1 of `a`, norm2, ReLU, conv2. The shortcut is the
# projection of `a`, or `a`, or `x`. Add. Nothing follows.
#
# </details>
# <details><summary>Hint 3: one case less</summary>
#
# With `self.projection = nn.Identity()` where no shape changes, the last line can be
# `return self.projection(a if self.shared else x) + y`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "preact_block", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.PreActBlock"]}
class PreActBlock(nn.Module):
    """y = shortcut + F(x), F = norm, relu, conv 3x3, norm, relu, conv 3x3; nothing after the sum.

    in_channels, out_channels: channels of x and of y
    stride: of the first convolution and of the projection
    shared: the shortcut starts from relu(norm1(x)) instead of x; a unit that changes the shape
        (stride or channels) is always shared, and has a 1x1 convolution there, without a norm

    forward: x (B, in_channels, H, W) -> y (B, out_channels, ceil(H / stride), ceil(W / stride))
    """

    def __init__(self, in_channels, out_channels, stride=1, shared=False):
        super().__init__()
        ### BEGIN SOLUTION
        self.norm1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        changes_shape = stride != 1 or in_channels != out_channels
        self.shared = shared or changes_shape
        self.projection = nn.Identity()
        if changes_shape:
            self.projection = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        a = F.relu(self.norm1(x))  # (B, in_channels, H, W)
        y = self.conv2(F.relu(self.norm2(self.conv1(a))))  # (B, out_channels, H', W')
        return self.projection(a if self.shared else x) + y
        ### END SOLUTION


# %% [markdown]
# **First check: units that keep the shape.**

# %% nbgrader={"grade": true, "grade_id": "test_preact_block_a", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
block = PreActBlock(3, 3)
expect_type(block, nn.Module, "PreActBlock(3, 3)")
expect_equal(
    sum(p.numel() for p in block.parameters()),
    2 * (9 * 3 * 3) + 2 * (3 + 3),  # two convolutions, two norms: 174
    "PreActBlock(3, 3): number of parameters",
    wrong=diagnose_preactivation.wrong_unit_counts(3, 3),
)
reference = preactivation.PreActBlock(3, 3)
for model in (block, reference):
    fill_by_shape(model, seed=0)
x = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
with torch.no_grad():
    y = block.eval()(x)
    wrong = diagnose_preactivation.wrong_units(reference.eval(), x, y)
    expect_close(y, reference(x), "PreActBlock(3, 3): output in evaluation mode", wrong=wrong)
print("Exercise 1, same shape: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(101)
expect_unit(PreActBlock, (4, 4), (2, 4, 6, 5))
expect_unit(PreActBlock, (5, 5), (3, 5, 1, 4))
expect_unit(PreActBlock, (4, 4), (2, 4, 5, 6), shared=True)
with expect_works("PreActBlock(3, 3) in float64", "a dtype is written into the unit"):
    y = PreActBlock(3, 3).double()(torch.randn(2, 3, 5, 5, dtype=torch.float64))
expect_true(y.dtype == torch.float64, "PreActBlock(3, 3): the dtype of y is that of x")
with expect_works(
    "PreActBlock(3, 3) on another device (meta)",
    "a device is written into the unit: .cpu(), .cuda(), or a tensor created without device=",
):
    y = PreActBlock(3, 3).to("meta")(torch.empty(2, 3, 5, 5, device="meta"))
expect_true(y.is_meta, "PreActBlock(3, 3): the device of y is that of x")
### END HIDDEN TESTS

# %% [markdown]
# **Second check: units that change the shape.**

# %% nbgrader={"grade": true, "grade_id": "test_preact_block_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
block = PreActBlock(3, 4, stride=2)
expect_equal(
    sum(p.numel() for p in block.parameters()),
    2 * 3 + 9 * 3 * 4 + 2 * 4 + 9 * 4 * 4 + 3 * 4,  # 278
    "PreActBlock(3, 4, stride=2): number of parameters",
    wrong=diagnose_preactivation.wrong_unit_counts(3, 4, 2),
)
expect_shape(block(torch.randn(2, 3, 7, 4)), (2, 4, 4, 2), "PreActBlock(3, 4, stride=2): output")
print("Exercise 1, another shape: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(102)
expect_unit(PreActBlock, (3, 6), (2, 3, 7, 6), stride=2)
expect_unit(PreActBlock, (6, 4), (2, 6, 5, 4))
expect_unit(PreActBlock, (4, 4), (2, 4, 6, 7), stride=2)
expect_unit(PreActBlock, (2, 5), (1, 2, 8, 5), stride=3, shared=True)
### END HIDDEN TESTS

# %% [markdown]
# ### The sum, checked
#
# Ten units in a row. The state at the end, minus the state after the third unit, must be the sum of
# what units four to ten have added. From here on the lesson uses `plusx.preactivation`, so that
# the demonstrations run before you have solved the exercises.

# %%
units = nn.Sequential(*(preactivation.PreActBlock(4, 4) for _ in range(10))).double().eval()
states = [torch.randn(2, 4, 8, 8, dtype=torch.float64)]  # (B, C, H, W)
for unit in units:
    states.append(unit(states[-1]))
added = [after - before for before, after in pairwise(states)]
difference = states[10] - states[3] - sum(added[3:])
print("largest difference:", "below 1e-12" if difference.abs().max() < 1e-12 else "too large")

# %% [markdown]
# ## 2 · The first unit and the last
#
# Pre-activation shifts everything by half a unit, and leaves a loose end on both sides (He et al.
# 2016, appendix).
#
# - **At the end** the road carries a raw sum. No norm, no ReLU has touched it; the next unit would
#   have done that, but there is none. So the network needs **an extra norm and ReLU behind its
#   last unit**, before the mean over pixels.
# - **At the beginning** stands a single convolution, the stem. In the original network it has a
#   norm and ReLU behind it. Now the first unit's own norm and ReLU do that job, *and the road
#   should begin behind them*. So the **first unit is shared**, and the stem is a bare convolution.
#
# Forget the first, and the classifier gets numbers whose size grows with depth. Forget the second,
# and the road starts from three colour channels, linearly mixed.
#
# ### Exercise 2 · A whole network
#
# **Goal** the pre-activation network for small images · **Difficulty** ★★☆ · **Time** 8 minutes ·
# **Points** 3
#
# As in lesson 02: depth $6n + 2$, three stages of $n$ units with 16, 32, 64 channels, stages 2 and 3
# begin with stride 2. The stem is a 3×3 convolution from 3 to 16 channels with padding 1 and no
# bias. The head is a dense layer with bias. Any other depth raises `ValueError`.
#
# <details><summary>Hint 1: the list of units</summary>
#
# Go over the widths `16, 32, 64` and over `range(n)`. The first unit of stages 2 and 3 has
# `stride=2` and takes the channels of the stage before.
#
# </details>
# <details><summary>Hint 2: the first unit</summary>
#
# `shared=not blocks` is true while the list is empty.
#
# </details>
# <details><summary>Hint 3: the end</summary>
#
# Norm over 64 channels, ReLU, mean over the pixels (`x.mean(dim=(2, 3))`), linear layer.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "preact_net", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.PreActResNet"]}
class PreActResNet(nn.Module):
    """The pre-activation network for small images: 6n + 2 layers.

    depth: int, 6n + 2 with n >= 1; any other raises ValueError
    classes: int, the number of logits

    forward: x (B, 3, H, W) -> logits (B, classes)
    """

    def __init__(self, depth, classes=10):
        super().__init__()
        ### BEGIN SOLUTION
        n, remainder = divmod(depth - 2, 6)
        if remainder or n < 1:
            raise ValueError(f"expected a depth of 6n + 2, got {depth}")
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        blocks, channels = [], 16
        for width in (16, 32, 64):
            for _ in range(n):
                stride = 1 if width == channels else 2
                blocks.append(PreActBlock(channels, width, stride, shared=not blocks))
                channels = width
        self.blocks = nn.Sequential(*blocks)
        self.norm = nn.BatchNorm2d(64)
        self.head = nn.Linear(64, classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.blocks(self.stem(x))  # (B, 64, H/4, W/4)
        x = F.relu(self.norm(x)).mean(dim=(2, 3))  # (B, 64)
        return self.head(x)  # (B, classes)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_preact_net", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
with expect_works("PreActResNet(8)", "does exercise 1 pass?"):
    net = PreActResNet(8)
expect_equal(
    sum(p.numel() for p in net.parameters()),
    432 + 4_672 + 14_432 + 57_536 + 128 + 650,  # stem, three units, the last norm, head: 77,850
    "PreActResNet(8): number of parameters",
    wrong=diagnose_preactivation.wrong_network_counts(8, 10),
)
with expect_works("PreActResNet(8), x of shape (2, 3, 12, 12)"):
    logits = net(torch.randn(2, 3, 12, 12))
expect_shape(logits, (2, 10), "PreActResNet(8): logits of two images")
for depth in (18, 2):
    with expect_raises(ValueError, f"PreActResNet({depth})", "this depth is not 6n + 2, n >= 1"):
        PreActResNet(depth)
print("Exercise 2: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(201)
for depth, classes, size in [(14, 7, (2, 3, 9, 12)), (8, 4, (3, 3, 8, 8)), (20, 10, (2, 3, 11, 5))]:
    name = f"PreActResNet({depth}, classes={classes})"
    with expect_works(name):
        net = PreActResNet(depth, classes=classes).double()
    reference = preactivation.PreActResNet(depth, classes).double()
    expect_equal(
        sum(p.numel() for p in net.parameters()),
        sum(p.numel() for p in reference.parameters()),
        f"{name}: number of parameters",
        wrong=diagnose_preactivation.wrong_network_counts(depth, classes),
    )
    for model in (net, reference):
        fill_by_shape(model, seed=depth)
    for training in (False, True):
        net.train(training), reference.train(training)
        x = torch.randn(size, dtype=torch.float64)
        what = f"{name}: logits in {'training' if training else 'evaluation'} mode"
        with torch.no_grad(), expect_works(what):
            logits = net(x)
        with torch.no_grad():
            wrong = diagnose_preactivation.wrong_network_logits(reference, x)
            hint = "the first unit is shared; norm and ReLU stand behind the last unit"
            expect_close(logits, reference(x), what, hint, rtol=1e-6, wrong=wrong)
for depth in (0, 9, 22, -4):
    with expect_raises(ValueError, f"PreActResNet({depth})", "this depth is not 6n + 2, n >= 1"):
        PreActResNet(depth)
with expect_works(
    "PreActResNet(8) on another device (meta)",
    "a device is written into the network or its units: take it from x",
):
    logits = PreActResNet(8).to("meta")(torch.empty(2, 3, 32, 32, device="meta"))
expect_true(logits.is_meta, "PreActResNet: the device of the logits is that of x")
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Does the order matter?
#
# We train the same dense networks as lesson 01 (digits, width 32, SGD with momentum, rate 0.05, 8
# epochs), in the original order and with full pre-activation. `shortcuts.UnitMlp` builds them, with
# first and last unit treated as above.

# %% tags=["demo"]
if scale == "small":
    data, recipe, depths, seeds = digits, plusx.Recipe(), (54, 110), 5
    nets = {"original": shortcuts.UnitMlp}
    nets["full pre-activation"] = partial(shortcuts.UnitMlp, order="full pre-activation")
else:
    data, recipe, depths, seeds = plusx.load_data(setting.data), setting.recipe, (56, 110), 3
    nets = {"original": plusx.CifarResNet, "full pre-activation": preactivation.PreActResNet}

for name, make_model in nets.items():
    for depth in depths:
        record = experiments.run(make_model, data, recipe, seeds, depth=depth)
        error = experiments.mean_spread(record.train_error[:, -1])
        print(f"{name:20} {depth:4} layers: training error {error} %")

# %% [markdown]
# Now all five orders, from the shipped study (`python -m plusx.reference identity_orders`), and two
# of them down to 200 layers.

# %% tags=["demo"]
orders = plusx.load_reference("identity_orders")
roles = dict(zip(shortcuts.ORDERS, ("plain", "third", "second", "first", "residual"), strict=True))
drawing, (axis,) = plots.figure(height=4.0, wide=True)
for name, role in roles.items():
    deep = [depth for depth in (20, 54, 110, 200) if (name, depth) in orders]
    ends = [orders[name, depth].train_error[:, -1] for depth in deep]
    plots.plot_means(axis, deep, ends, name, role)
    print(f"{name:26}", *[experiments.mean_spread(end).rjust(12) for end in ends])
plots.error_axes(axis, (20, 54, 110, 200), "where norm and ReLU stand", "training error (%)")
axis.legend(title="mean ± deviation, 5 seeds", fontsize=8, title_fontsize=8)
plots.show(
    "Training error by depth for the five orders. At 20 layers all are low; at 110 norm after the "
    "sum is near 90 %, ReLU before the sum near 40 %, the original at 16 %, ReLU-only at 8 %, "
    "full pre-activation near 1 %, and at 200 layers still near 2 %."
)

# %% [markdown]
# The order decides, and it decides more the deeper the network is. At 20 layers you could take
# several of them; at 110 the original order is far behind pre-activation, and a norm on the road
# is as bad as no shortcut at all. The paper finds nearly the same order of merit in its own networks,
# with much smaller differences (section 10 puts both side by side).
#
# ### What does the ReLU on the road do?
#
# A ReLU on the road cuts it, unit by unit of width, wherever the sum is negative. So ask each
# number of the state: is the road open, for this image, from the first unit to here? (In
# pre-activation it is always open.)


# %% tags=["demo"]
def open_road(depth, steps, seeds=3):
    """(seeds, units): the share of numbers that no ReLU on the road has cut so far."""
    make_model = partial(shortcuts.UnitMlp, depth)
    training = plusx.Training(make_model, digits, plusx.Recipe(), seeds)
    training.advance(steps)
    images, rows = training.data.train_images[:300], []
    for net in training.trained():
        with torch.no_grad():
            states = torch.stack(plusx.hidden_states(net, images)[1:])  # (units, B, width)
        rows.append((states > 0).int().cumprod(dim=0).double().mean(dim=(1, 2)))
    return torch.stack(rows).cpu()


# %% tags=["demo"]
drawing, (axis,) = plots.figure()
for steps, role in ((0, "first"), (112, "second")):
    share = 100 * open_road(54, steps)
    label = "before training" if steps == 0 else f"after {steps} steps (8 epochs)"
    plots.plot_runs(axis, range(1, 27), share, label, role)
    print(f"{label:26} open to the end: {experiments.mean_spread(share[:, -1])} %")
axis.axhline(100, color=plots.COLOURS["residual"], label="pre-activation")
axis.set(xlabel="unit", ylabel="open so far (%)", ylim=(0, 105), title="original order, 54 layers")
axis.legend(title="median and range, 3 seeds", fontsize=8, title_fontsize=8)
plots.show(
    "Share of numbers whose road no ReLU has cut so far, by unit, in the original order: it falls "
    "from about 60 % after the first unit to 17 % after 26, before and after training. In pre- "
    "activation it is always 100 %."
)

# %% [markdown]
# In 54 layers, five of six numbers have lost their road before the end, most of them in the first
# ten units; training changes little about that. What arrives at the head is mostly what *branches*
# have carried. This is the difference that the formulas of section 1 point at. Mind what it is not:
# a proof that the cut road is the cause of the errors above.
#
# ## 4 · Things on the shortcut
#
# Now leave the order as it was in 2015 and change $h$. Let the shortcut of unit $l$ multiply by
# $\lambda_l$. Then
#
# $$x_L = \Bigl(\prod_{i=l}^{L-1} \lambda_i\Bigr)\, x_l + (\text{a sum of branches, weighted}),$$
#
# and the gradient's direct part has the same product in it. With $\lambda = 0.5$ and 26 units it is
# $0.5^{26} \approx 10^{-8}$: the road is closed. With $\lambda = 1.1$ and 200 units it is $10^8$.
# Nothing but 1 is safe at depth, and a *gate*, a 1×1 convolution or dropout on the shortcut is a
# factor (or a matrix) like any other. He et al. (2016, table 1) try them all. Gates and convolutions
# can *represent* the identity and more, so one might expect them to do better. The shipped study has them in small: 54 layers, $F$
# as in 2015, $g = \sigma(Vx + b)$ a gate with a bias $b$ that it starts with.
#
# | name | sum |
# |---|---|
# | identity | $x + F(x)$ |
# | both × 0.5 | $0.5\,x + 0.5\,F(x)$ |
# | shortcut × 0.5 | $0.5\,x + F(x)$ |
# | exclusive gate | $(1 - g)\,x + g\,F(x)$ |
# | shortcut-only gate | $(1 - g)\,x + F(x)$ |
# | dense (for images: 1×1 convolution) | $W_s x + F(x)$ |
# | dropout | $\mathrm{dropout}_{0.5}(x) + F(x)$ |

# %% tags=["demo"]
table = plusx.load_reference("identity_shortcuts")
gains = {"identity": "1", "none": "0", "dropout": "random", "dense": "a matrix"}
print(f"{'':28} {'one shortcut':>12} {'26 of them':>11}   training error (%), 5 seeds")
for name, bias, lr in table:
    if lr == 0.05:
        factor = 1 / (1 + 2.718281828**bias) if "gate" in name else 0.5
        one, all_ = f"{factor:.4g}", f"{factor**26:.1e}"
        if name in gains:
            one, all_ = gains[name], gains[name] if name in ("identity", "none") else ""
        record, label = table[name, bias, lr], f"{name}, b = {bias:g}" if "gate" in name else name
        lost = int((~record.train_loss[:, -1].isfinite()).sum())
        error = experiments.mean_spread(record.train_error[:, -1])
        shown = error if lost == 0 else "all diverge" if lost == 5 else f"{error}, {lost} diverged"
        print(f"{label:28} {one:>12} {all_:>11}   {shown}")

# %% [markdown]
# Every factor clearly below 1 fails, and a gate that starts half open is such a factor. The closer a gate
# starts to the identity, the better: a bias of -6 leaves 94 % of the input after 26 units, and
# trains. In fact the *exclusive* gate with -6 beats the plain identity here. Its branch starts at
# 0.0025 of its size: it is a near-identity start in disguise (section 8). The paper saw no such gain.
# A dense shortcut is the most general of all, contains the identity, and diverges: 26 random matrices in
# a row, on the road. What a shortcut *can represent* is not what training *reaches*.
#
# Try your own: another gate bias, `"ReLU-only pre-activation"` as `order`, another depth.

# %% tags=["demo"]
record = experiments.run(
    shortcuts.UnitMlp,
    digits,
    plusx.Recipe(),
    5,
    depth=54,
    shortcut="exclusive gate",
    gate_bias=-4.0,
)
print("exclusive gate, b = -4: ", experiments.mean_spread(record.train_error[:, -1]), "%")

# %% [markdown]
# ## 5 · Signal and gradient, in closed form
#
# How large are states and gradients at depth $l$ before training? For random weights one can
# calculate it. Take dense layers in pre-activation order,
#
# $$x_{l+1} = s\,x_l + a\,W_l\,\mathrm{relu}\bigl(N(x_l)\bigr), \qquad
#   W_l \text{ normal with variance } 2/\text{width},$$
#
# with a factor $s$ on the skip and $a$ on the branch. $N$ is nothing, or a norm that divides each
# example by the root of its mean square $q$ (batch norm does much the same). Let $q_l$ be the
# mean square of the numbers in $x_l$, and $q_0 = 1$.
#
# **Forward.** A ReLU keeps half of the mean square of symmetric numbers, and $W$ doubles it again:
# so $W\,\mathrm{relu}(x)$ has the mean square of $x$. With the norm, that is 1. Skip and branch are
# uncorrelated, since $W$ is random with mean zero, so their squares add:
#
# $$q_{l+1} = s^2 q_l + a^2 q_l \;\;\text{(no norm)}, \qquad q_{l+1} = s^2 q_l + a^2 \;\;\text{(norm)}.$$
#
# **Backward.** Let $g_l$ be the squared length of the gradient at $x_l$, over that at the output, so
# $g_L = 1$. The branch hands back $a^2$ of it, half lost at the ReLU and doubled by $W$. The
# norm divided $x_l$ by $\sqrt{q_l}$, so it divides the gradient by the same:
#
# $$g_l = (s^2 + a^2)\, g_{l+1} \;\;\text{(no norm)}, \qquad
#   g_l = \Bigl(s^2 + \frac{a^2}{q_l}\Bigr) g_{l+1} \;\;\text{(norm)}.$$
#
# ### Exercise 3 · Predict it
#
# **Goal** both formulas as lists · **Difficulty** ★★☆ · **Time** 9 minutes · **Points** 1 for the
# signal, 2 for the gradient
#
# <details><summary>Hint 1: the signal</summary>
#
# Start with `[1.0]` and append `depth` times.
#
# </details>
# <details><summary>Hint 2: the gradient</summary>
#
# You need all $q_l$ first. Then start with 1 at the output and go *down* from $l = L - 1$ to $0$.
# Reverse the list in the end.
#
# </details>
# <details><summary>Hint 3: which q?</summary>
#
# The layer from $x_l$ to $x_{l+1}$ normalises $x_l$. The last state $q_L$ is normalised by nobody,
# so the formula never uses it.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "signal_by_depth", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.signal_by_depth", "plusx.gradient_by_depth"]}
def signal_by_depth(depth, skip, branch, norm):
    """Expected mean square of the state after 0, 1, ..., depth layers.

    depth: int, at least 0; skip, branch: floats, the factors s and a; norm: bool
    returns: list of depth + 1 floats, q_0 = 1 to q_L
    """
    ### BEGIN SOLUTION
    squares = [1.0]
    for _ in range(depth):
        squares.append(skip**2 * squares[-1] + branch**2 * (1.0 if norm else squares[-1]))
    return squares
    ### END SOLUTION


def gradient_by_depth(depth, skip, branch, norm):
    """Expected squared length of the gradient at every state, over that at the output.

    depth: int, at least 0; skip, branch: floats, the factors s and a; norm: bool
    returns: list of depth + 1 floats, g_0 to g_L = 1
    """
    ### BEGIN SOLUTION
    squares = signal_by_depth(depth, skip, branch, norm)
    lengths = [1.0]
    for square in reversed(squares[:-1]):
        lengths.append(lengths[-1] * (skip**2 + branch**2 / (square if norm else 1.0)))
    return lengths[::-1]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_signal_by_depth_a", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
for setup, by_hand in [
    ((3, 1.0, 1.0, False), [1.0, 2.0, 4.0, 8.0]),
    ((3, 1.0, 2.0, True), [1.0, 5.0, 9.0, 13.0]),
]:
    what = f"signal_by_depth{setup}"
    found, wrong = signal_by_depth(*setup), diagnose_propagation.wrong_signals(*setup)
    lengths = {sentence: len(values) for sentence, values in wrong.items()}
    expect_equal(len(found), 4, f"{what}: number of states", "from 0 to depth", wrong=lengths)
    expect_close(found, by_hand, what, wrong=wrong)
print("Exercise 3, signal: the visible checks pass.")
### BEGIN HIDDEN TESTS
for setup in [
    (4, 0.5, 1.5, True),
    (6, 0.9, 0.3, False),
    (5, 1.1, 0.7, True),
    (7, 0.0, 1.2, False),
    (3, -0.5, -2.0, True),
    (1, 0.6, 0.8, True),
    (0, 0.5, 0.5, True),
]:
    what = f"signal_by_depth{setup}"
    with expect_works(what, "depth 0 leaves the input: [1.0]"):
        found = signal_by_depth(*setup)
    expect_type(found, (list, tuple), what, "return a list")
    wrong = diagnose_propagation.wrong_signals(*setup) if setup[0] else {}
    lengths = {sentence: len(values) for sentence, values in wrong.items()}
    expect_equal(len(found), setup[0] + 1, f"{what}: number of states", wrong=lengths)
    expected = propagation.signal_by_depth(*setup)
    expect_close(found, expected, what, "squares add: s² q + a²", 1e-9, 1e-12, wrong=wrong)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "test_signal_by_depth_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for setup, by_hand in [
    ((3, 1.0, 1.0, False), [8.0, 4.0, 2.0, 1.0]),
    ((3, 1.0, 1.0, True), [4.0, 2.0, 4 / 3, 1.0]),  # (1 + 1)(1 + 1/2)(1 + 1/3) = 4
]:
    what = f"gradient_by_depth{setup}"
    found, wrong = gradient_by_depth(*setup), diagnose_propagation.wrong_lengths(*setup)
    lengths = {sentence: len(values) for sentence, values in wrong.items()}
    expect_equal(len(found), 4, f"{what}: number of states", "from 0 to depth", wrong=lengths)
    expect_close(found, by_hand, what, wrong=wrong)
print("Exercise 3, gradient: the visible checks pass.")
### BEGIN HIDDEN TESTS
for setup in [
    (4, 0.5, 1.5, True),
    (6, 0.9, 0.3, False),
    (5, 1.1, 0.7, True),
    (7, 0.0, 1.2, False),
    (3, -0.5, -2.0, True),
    (1, 0.6, 0.8, True),
    (0, 0.5, 0.5, True),
]:
    what = f"gradient_by_depth{setup}"
    with expect_works(what, "depth 0 leaves the output: [1.0]"):
        found = gradient_by_depth(*setup)
    expect_type(found, (list, tuple), what, "return a list")
    wrong = diagnose_propagation.wrong_lengths(*setup) if setup[0] else {}
    lengths = {sentence: len(values) for sentence, values in wrong.items()}
    expect_equal(len(found), setup[0] + 1, f"{what}: number of states", wrong=lengths)
    expected = propagation.gradient_by_depth(*setup)
    expect_close(found, expected, what, "from the output down", 1e-9, 1e-12, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# Does it hold? `propagation.propagate` builds random stacks and measures both, five seeds.

# %% tags=["demo"]
cases = {
    "plain, no norm": (0.0, 1.0, False),
    "skip, no norm": (1.0, 1.0, False),
    "skip, branch / √50, no norm": (1.0, 50**-0.5, False),
    "skip, norm": (1.0, 1.0, True),
    "skip × 0.9, norm": (0.9, 1.0, True),
}
print(f"{'50 layers':28} {'signal':>9} {'measured':>20} {'gradient':>10} {'measured':>20}")
for name, factors in cases.items():
    measured = propagation.propagate(50, *factors)
    ends = [measured[0][:, -1], measured[1][:, 0]]  # (seeds,) each
    lines = [f(50, *factors) for f in (propagation.signal_by_depth, propagation.gradient_by_depth)]
    shown = [f"{end.mean():9.2g} ± {end.std():<8.1g}" for end in ends]
    print(f"{name:28} {lines[0][-1]:9.2g} {shown[0]} {lines[1][0]:10.2g} {shown[1]}")

# %% [markdown]
# The calculation is right within the spread (which is large for a *product* of random factors, as in
# the first two rows). Read the rows: without norm a bare skip doubles the signal in each layer,
# $2^{50} \approx 10^{15}$. **With a norm in the branch it grows only by addition**, to $L + 1 = 51$,
# and the gradient too: $(1 + 1)(1 + \tfrac12)(1 + \tfrac13)\cdots = L + 1$. Exponential has become
# linear. That is what the norm does here: unit $l$ adds one part to $l$ parts that are already on
# the road, so a deep unit changes the state by about $1/\sqrt l$ of its size. Deep normalised
# residual networks *start near the identity by themselves* (De, Smith 2020). Remember this for
# section 8.
#
# The explorer draws both curves for any setting. **Look for** a factor of the branch at which
# fifty layers without norm keep signal and gradient within a factor of ten; then move the skip's
# factor away from 1. There is no closed form drawn for a ReLU after the sum: compare its curves,
# too.

# %% tags=["demo"]
from plusx.propagation_explorer import PropagationExplorer

PropagationExplorer()

# %% [markdown]
# A caution. With norm and a ReLU after the sum the curves look as healthy as without the ReLU. Yet section 3 showed
# that deep networks of that order train worse. So healthy signals **at the start** are needed and
# not enough; lesson 01 came to the same conclusion from another side.
#
# ## 6 · Gates
#
# Half a year before ResNet, Srivastava et al. (2015) built **highway networks**. A gate
# $t \in (0, 1)$, one number for each unit of width, mixes a layer's output with its input:
#
# $$t = \sigma(Vx + c), \qquad y = t \odot \mathrm{relu}(Wx + b) + (1 - t) \odot x .$$
#
# It is the exclusive gate of section 4. Its strength is also its weakness: when the gate opens for
# the transform it closes for the input. With $c = 0$ the gate starts near $\tfrac12$, and fifty
# layers pass on $2^{-50}$ of the input. So the authors start with a **negative gate bias** $c$.
#
# ### Exercise 4 · The highway layer
#
# **Goal** the layer, with its bias at the right place · **Difficulty** ★☆☆ · **Time** 6 minutes ·
# **Points** 2
#
# Make it of two `nn.Linear(width, width)`, both with bias. All entries of the gate's bias start at
# `gate_bias`; how the other weights start is up to you.
#
# <details><summary>Hint 1: the bias</summary>
#
# `nn.init.constant_(self.gate.bias, gate_bias)`.
#
# </details>
# <details><summary>Hint 2: which is which?</summary>
#
# `t` weighs the transform. A very negative bias makes `t` zero, and the layer gives back `x`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "highway", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.HighwayLayer", "plusx.HighwayMlp"]}
class HighwayLayer(nn.Module):
    """y = t * relu(W x + b) + (1 - t) * x with the gate t = sigmoid(V x + c).

    width: int, units in and out
    gate_bias: float, where all entries of c start

    forward: x (B, width) -> y (B, width)
    """

    def __init__(self, width, gate_bias=-2.0):
        super().__init__()
        ### BEGIN SOLUTION
        self.transform = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, gate_bias)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        t = torch.sigmoid(self.gate(x))  # (B, width)
        return t * F.relu(self.transform(x)) + (1 - t) * x
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_highway", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
layer = HighwayLayer(4, gate_bias=-60.0)
expect_type(layer, nn.Module, "HighwayLayer(4)")
expect_equal(
    sum(p.numel() for p in layer.parameters()),
    2 * (4 * 4 + 4),  # 40
    "HighwayLayer(4): number of parameters",
    wrong=diagnose_gates.wrong_highway_counts(4),
)
x = torch.randn(5, 4, generator=torch.Generator().manual_seed(0))
hint = "t weighs the transform, 1 - t the input, and c starts at gate_bias"
wrong = {"the input is missing: it has the factor 1 - t": 0 * x}
expect_close(layer(x), x, "HighwayLayer with gate_bias=-60: x comes back", hint, wrong=wrong)
print("Exercise 4: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(401)
for width, bias in [(3, -1.5), (6, 0.75), (5, -4.0)]:
    name = f"HighwayLayer({width}, gate_bias={bias})"
    with expect_works(name):
        layer = HighwayLayer(width, gate_bias=bias).double()
    count = sum(p.numel() for p in layer.parameters())
    wrong = diagnose_gates.wrong_highway_counts(width)
    expect_equal(count, 2 * (width * width + width), f"{name}: number of parameters", wrong=wrong)
    starts_ = [p.detach() for p in layer.parameters() if p.ndim == 1]
    found = sum(bool((p - bias).abs().max() < 1e-6) for p in starts_)
    hint = "only the gate's bias starts at gate_bias" if found else "set it with nn.init.constant_"
    expect_equal(found, 1, f"{name}: how many biases start at gate_bias", hint)
    reference = gates.HighwayLayer(width, bias).double()
    for model in (layer, reference):
        fill_by_shape(model, seed=width)
    x = 2 * torch.randn(7, width, dtype=torch.float64)
    caller, x = x.clone(), x.requires_grad_()
    with expect_works(name):
        y = layer(x)
    expect_close(x, caller, f"{name}: the caller's x after the call", "x is changed in place")
    with torch.no_grad():
        wrong = diagnose_gates.wrong_highways(reference, x)
        expected = reference(x)
    expect_shape(y, expected.shape, f"{name}: output")
    expect_close(
        y, expected, f"{name}: output", "t * relu(W x + b) + (1 - t) * x", 1e-7, wrong=wrong
    )
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(reference(x), x, v)
    expect_true(y.requires_grad, f"{name}: gradients flow through it", "it is detached")
    y.backward(v)
    hint = "something is detached: gate, transform and input all pass gradients"
    expect_close(x.grad, gradient, f"{name}: gradient with respect to x", hint, 1e-7)
    learns = all(p.grad is not None for p in layer.parameters())
    hint = "a weight is never used: transform and gate have a dense layer each"
    expect_true(learns, f"{name}: every weight receives a gradient", hint)
layer = HighwayLayer(4, gate_bias=60.0)
y = layer(torch.randn(20, 4))
expect_true(bool((y >= 0).all()), "HighwayLayer with gate_bias=60: a ReLU, nothing negative")
with expect_works("HighwayLayer on another device (meta)", "a device is written into the layer"):
    y = HighwayLayer(4).to("meta")(torch.empty(2, 4, device="meta"))
expect_true(y.is_meta, "HighwayLayer: the device of y is that of x")
### END HIDDEN TESTS

# %% [markdown]
# Highway networks without norm (gradients clipped to length 1), from the shipped study
# `identity_highway`: four biases, three depths.

# %% tags=["demo"]
highway = plusx.load_reference("identity_highway")
drawing, (axis,) = plots.figure()
for bias, role in zip(
    (0.0, -2.0, -4.0, -6.0), ("plain", "third", "residual", "first"), strict=True
):
    ends = [highway[bias, depth].train_error[:, -1] for depth in (10, 20, 50)]
    plots.plot_means(axis, (10, 20, 50), ends, f"gate bias {bias:g}", role)
    carried = (1 - torch.sigmoid(torch.tensor(bias))) ** 48
    print(f"bias {bias:3g}: 48 layers pass on {carried:.1e} of the input;  error (%):", end=" ")
    print(*[experiments.mean_spread(end) for end in ends], sep="   ")
plots.error_axes(axis, (10, 20, 50), "highway networks", "training error (%)")
axis.legend(title="mean ± deviation, 5 seeds", fontsize=8, title_fontsize=8)
plots.show(
    "Training error of highway networks by depth for four gate biases. With -4 and -6 it stays "
    "near 1 % at 50 layers, with -2 it rises to 77 %, with 0 to 90 %."
)

# %% [markdown]
# At ten layers a bias of -2 does as well as any, and even 0 trains. At twenty it begins to fail, at
# fifty only those biases train that leave a good part of the input on the road. The bias has to fit
# the depth; the identity fits every depth. (Gates have one thing to say for themselves: these networks
# train without any norm, where a bare skip explodes. An exclusive gate never lets the sum of its two
# factors exceed 1.)
#
# ## 7 · The same idea through time
#
# A recurrent network is a deep network whose layers share their weights: a hundred steps are a
# hundred layers. And it had the same illness, twenty years earlier (Hochreiter 1991). The cure of
# Hochreiter and Schmidhuber (1997) is a state $c$ that steps *add* to; Gers et al. (2000) put a
# gate on its road, the forget gate $f$:
#
# $$c_t = f \odot c_{t-1} + i \odot \tanh(g), \qquad h_t = o \odot \tanh(c_t),$$
#
# where $i, f, o$ are sigmoids, and all four come from $z = W_x x_t + W_h h_{t-1} + b$, cut
# into quarters. Compare with a unit: $c$ is the road, $i \odot \tanh(g)$ the branch, $f$ the factor
# $\lambda$ of section 4. The direct part of $\partial c_T / \partial c_0$ is a product of forget gates.
#
# ### Exercise 5 · One step of an LSTM
#
# **Goal** the cell, equal to PyTorch's · **Difficulty** ★★☆ · **Time** 7 minutes · **Points** 2
#
# The quarters of $z$ are, in this order, for $i$, $f$, $g$ and $o$, as in `torch.nn.LSTMCell`.
#
# <details><summary>Hint 1: shapes</summary>
#
# `x @ weight_x.T` is (B, 4d). `z.chunk(4, dim=1)` gives the quarters.
#
# </details>
# <details><summary>Hint 2: the new c comes first</summary>
#
# $h_t$ uses the *new* $c_t$. Return `(h, c)`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "lstm_step", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.lstm_step", "torch.LSTMCell", "torch.LSTM"]}
def lstm_step(x, h, c, weight_x, weight_h, bias):
    """One step of an LSTM.

    x: (B, inputs), the input of this step
    h, c: (B, d), the states before it
    weight_x: (4d, inputs); weight_h: (4d, d); bias: (4d,): rows for i, f, g, o
    returns: (h, c), the states after it, (B, d) each
    """
    ### BEGIN SOLUTION
    z = x @ weight_x.T + h @ weight_h.T + bias  # (B, 4d)
    i, f, g, o = z.chunk(4, dim=1)  # (B, d) each
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_lstm_step", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# All weights zero: every gate is 1/2, the candidate 0. So c halves, and h is half its tanh.
none = [torch.zeros(8, 3), torch.zeros(8, 2), torch.zeros(8)]
with expect_works("lstm_step with weights of zero"):
    h, c = lstm_step(torch.ones(1, 3), torch.ones(1, 2), torch.tensor([[2.0, -4.0]]), *none)
expect_close(c, torch.tensor([[1.0, -2.0]]), "lstm_step with weights of zero: c", "f c + i tanh(g)")
by_hand = 0.5 * torch.tensor([[1.0, -2.0]]).tanh()
expect_close(h, by_hand, "lstm_step with weights of zero: h", "o tanh(c), with the new c")
print("Exercise 5: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(501)
for batch, inputs, d in [(4, 3, 5), (1, 6, 2), (7, 1, 4)]:
    cell = nn.LSTMCell(inputs, d).double()
    x, h, c = (2 * torch.randn(batch, n, dtype=torch.float64) for n in (inputs, d, d))
    weights = [cell.weight_ih.detach(), cell.weight_hh.detach()]
    arguments = [x, h, c, *weights, (cell.bias_ih + cell.bias_hh).detach()]
    what = f"lstm_step: x of shape {(batch, inputs)}, states of shape {(batch, d)}"
    with expect_works(what):
        states = lstm_step(*arguments)
    expect_type(states, (tuple, list), what, "return h and c")
    expect_equal(len(states), 2, f"{what}: how many tensors come back", "h and c")
    for state in states:
        expect_shape(state, (batch, d), what)
    both = torch.cat([states[0], states[1]], dim=1)
    with torch.no_grad():
        expected = torch.cat(cell(x, (h, c)), dim=1)
        wrong = diagnose_gates.wrong_lstms(arguments)
    expect_close(both, expected, f"{what}: h and c", "as nn.LSTMCell", 1e-7, 1e-9, wrong=wrong)
c = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
x, h = (torch.randn(2, n, dtype=torch.float64) for n in (4, 3))
weights = [torch.randn(12, n, dtype=torch.float64) for n in (4, 3)]
_, after = lstm_step(x, h, c, *weights, torch.zeros(12, dtype=torch.float64))
expect_true(after.requires_grad, "lstm_step: gradients flow along c", "c is detached")
after.backward(torch.ones(2, 3, dtype=torch.float64))
forget = (x @ weights[0].T + h @ weights[1].T)[:, 3:6].sigmoid()
expect_close(c.grad, forget, "lstm_step: dc/dc of one step is the forget gate", "is c detached?")
with expect_works("lstm_step on another device (meta)", "a device is written into the function"):
    sizes = [(2, 3), (2, 4), (2, 4), (16, 3), (16, 4), (16,)]
    h, c = lstm_step(*(torch.empty(size, device="meta") for size in sizes))
expect_true(h.is_meta and c.is_meta, "lstm_step: the device of the states is that of x")
### END HIDDEN TESTS

# %% [markdown]
# **A task that needs the road.** The first of 50 steps shows one of four symbols, the other 49 are
# noise. After the last step the network names the symbol (guessing: 75 % errors). Three kinds of
# steps, 16 units each:
#
# - *tanh*: $h_t = \tanh(W_x x_t + W_h h_{t-1} + b)$, no road;
# - *residual*: $h_t = h_{t-1} + \tfrac{1}{\sqrt{50}} \tanh(W_x x_t + W_h h_{t-1} + b)$, a free road;
# - *LSTM* with the forget gate's bias at 0, 2 or 4.

# %% tags=["demo"]
task = memory.recall_task(50)
recall = plusx.Recipe(epochs=8, batch=50, optimiser="adam", lr=0.01, clip=1.0)
networks = {"tanh": ("tanh", 0.0), "residual": ("residual", 0.0)}
networks |= {f"LSTM, forget bias {b}": ("lstm", float(b)) for b in (0, 2, 4)}
records = {
    name: experiments.run(
        memory.RecurrentNet, task, recall, 5, kind=kind, length=50, forget_bias=bias
    )
    for name, (kind, bias) in networks.items()
}

# %% tags=["demo"]
drawing, (axis,) = plots.figure(height=3.8)
for (name, record), role in zip(
    records.items(), ("plain", "residual", "fourth", "third", "first"), strict=True
):
    plots.plot_runs(axis, range(9), record.test_error, name, role)
    line = f"{name:20} test error {experiments.mean_spread(record.test_error[:, -1]):>12} %"
    if "bias" in name:
        kept = torch.sigmoid(torch.tensor(networks[name][1])) ** 49
        line += f"   49 forget gates at the start: {kept:.1e}"
    print(line)
axis.set(xlabel="epoch", ylabel="test error (%)", ylim=(-2, 122), title="recall over 50 steps")
axis.set_yticks(range(0, 101, 20))
axis.legend(title="median and range, 5 seeds", fontsize=8, title_fontsize=8, ncols=3)
plots.show(
    "Test error by epoch when recalling over 50 steps. The tanh network and the LSTM with forget "
    "bias 0 stay at guessing; the residual network and the LSTMs with biases 2 and 4 fall below 5 "
    "%, some seeds of the LSTMs late or not at all."
)

# %% [markdown]
# Without a road, and with half-open forget gates, nothing is learned from 50 steps back: the error
# stays at guessing. With a free road, or a forget gate that starts open, it is learned. In the
# median the LSTM with bias 4 is the quickest; but the bands are wide, some runs find the road late or
# not yet. The residual step, which has no gates at all, is slower and gets there with every seed. Jozefowicz
# et al. (2015) recommend a forget bias of 1. Our task, to carry one symbol over 50 steps and
# forget nothing, asks for more; gates earn their keep where something *should* be forgotten.
#
# ## 8 · Starting near the identity
#
# Section 5 said what a norm does for a residual network at the start: it makes every branch small
# against the road, $1/\sqrt l$. Could we not just *make* the branches small, without a norm?
#
# | start | what it does | branch at the start |
# |---|---|---|
# | zero gamma (Goyal et al. 2017) | the scale of the branch's last norm begins at 0 | 0 |
# | scaled | a fixed factor $1/\sqrt L$ for $L$ units | $1/\sqrt L$ |
# | SkipInit (De, Smith 2020), ReZero (Bachlechner et al. 2020) | a learned factor $\alpha$ begins at 0 | 0 |
# | Fixup (Zhang et al. 2019) | the last layer begins at 0, the others are scaled down | 0 |
#
# Fixup looks one step further: not only the start should be right, but the size of the first
# *updates*. If the $m - 1$ layers before the last are scaled by $\varepsilon$, what they compute has
# $\varepsilon^{m-1}$ of its size. That is also the size of the last layer's gradient. So one
# step of SGD changes the output of the branch by about $\varepsilon^{2(m-1)}$. With $L$ branches that all
# push in the same direction, the change of the whole network stays bounded if
#
# $$L\,\varepsilon^{2m-2} = 1, \qquad\text{so}\qquad \varepsilon = L^{-1/(2m-2)} .$$
#
# ### Exercise 6 · A unit without norm
#
# **Goal** SkipInit and Fixup's scaling · **Difficulty** ★★☆ · **Time** 8 minutes · **Points** 2
#
# $y = x + \alpha F(x)$, where $F$ is ReLU, dense, ReLU, dense, and so on, `layers` times. The factor
# $\alpha$ is **one learned number**. He's start is a normal one with variance $2/\text{width}$.
# (Fixup also has learned single numbers as biases before every layer. We leave that to the biases
# of the dense layers.)
#
# | `start` | weights | $\alpha$ |
# |---|---|---|
# | `"skipinit"` | all: He's start | 0 |
# | `"fixup"` | the last: 0; the others: He's start times $\text{units}^{-1/(2m-2)}$, $m$ = `layers` | 1 |
#
# All biases start at 0.
#
# <details><summary>Hint 1: He's start</summary>
#
# `nn.init.kaiming_normal_(layer.weight)`: with its default arguments the variance is
# `2 / width`.
#
# </details>
# <details><summary>Hint 2: one learned number</summary>
#
# `nn.Parameter(torch.tensor(0.0))`.
#
# </details>
# <details><summary>Hint 3: changing weights</summary>
#
# Under `torch.no_grad()`: `layer.weight.mul_(factor)`, `layer.weight.zero_()`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "norm_free", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.ScaledUnit", "plusx.NormFreeMlp", "plusx.fixup_factor"]}
class NormFreeUnit(nn.Module):
    """y = x + alpha * F(x), F = (ReLU, dense with bias) `layers` times; at the start y = x.

    width: int, units in and out of every dense layer
    units: int, how many such units the network has
    start: "skipinit" or "fixup", see the table
    layers: int, dense layers of the branch, at least 2

    forward: x (B, width) -> y (B, width)
    """

    def __init__(self, width, units, start, layers=2):
        super().__init__()
        ### BEGIN SOLUTION
        self.dense = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.alpha = nn.Parameter(torch.tensor(0.0 if start == "skipinit" else 1.0))
        for layer in self.dense:
            nn.init.kaiming_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
        if start == "fixup":
            with torch.no_grad():
                for layer in self.dense[:-1]:
                    layer.weight.mul_(units ** (-1 / (2 * layers - 2)))
                self.dense[-1].weight.zero_()
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        f = x
        for layer in self.dense:
            f = layer(F.relu(f))  # (B, width)
        return x + self.alpha * f
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_norm_free", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
x = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
for start in ("skipinit", "fixup"):
    with expect_works(f"NormFreeUnit(8, 20, {start!r})"):
        unit = NormFreeUnit(8, 20, start)
    what = f"NormFreeUnit(8, 20, {start!r})"
    expect_type(unit, nn.Module, what)
    count = sum(p.numel() for p in unit.parameters())
    wrong = {
        "alpha is not learned: make it an nn.Parameter": 2 * (8 * 8 + 8),
        "alpha is one number, not one for each unit of width": 2 * (8 * 8 + 8) + 8,
        "the dense layers have no bias": 2 * 8 * 8 + 1,
    }
    expect_equal(count, 2 * (8 * 8 + 8) + 1, f"{what}: number of parameters", wrong=wrong)
    expect_close(unit(x), x, f"{what}: at the start, x comes back", "the branch begins at zero")
print("Exercise 6: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(601)
for width, units, layers in [(64, 60, 4), (48, 30, 2), (40, 50, 3)]:
    for start in ("skipinit", "fixup"):
        what = f"NormFreeUnit({width}, {units}, {start!r}, layers={layers})"
        with expect_works(what):
            unit = NormFreeUnit(width, units, start, layers=layers)
        named = {name: p.detach() for name, p in unit.named_parameters()}
        count = layers * (width * width + width) + 1
        hint = f"{layers} dense layers with bias, and one learned number"
        expect_equal(sum(p.numel() for p in named.values()), count, f"{what}: parameters", hint)
        matrices = [p for p in named.values() if p.ndim == 2]
        expect_equal(len(matrices), layers, f"{what}: number of weight matrices", "one per layer")
        numbers = [p for p in named.values() if p.numel() == 1]
        expect_equal(len(numbers), 1, f"{what}: learned single numbers", "alpha is one number")
        (alpha,) = numbers
        expected = 0.0 if start == "skipinit" else 1.0
        expect_close(alpha.item(), expected, f"{what}: alpha at the start", "see the table")
        for p in named.values():
            if p.ndim == 1 and p.numel() == width:
                expect_close(p, torch.zeros(width), f"{what}: biases at the start", "they are zero")
        zero = sum(bool((p == 0).all()) for p in matrices)
        hint = "Fixup's last layer begins at zero, and no other"
        expect_equal(zero, int(start == "fixup"), f"{what}: weights that are all zero", hint)
        kept = [p for p in matrices if (p != 0).any()]
        factor = units ** (-1 / (2 * layers - 2)) if start == "fixup" else 1.0
        right = factor * (2 / width) ** 0.5
        wrong = diagnose_propagation.wrong_spreads(width, units, layers, start == "fixup")
        for p in kept:  # the deviation of 1,600 numbers is known to 2 %
            name = f"{what}: deviation of the weights"
            expect_close(p.std().item(), right, name, "see the table", 0.12, 0.0, wrong=wrong)
for start, layers in [("fixup", 2), ("fixup", 3), ("skipinit", 3)]:
    width, what = 5, f"NormFreeUnit(5, 9, {start!r}, layers={layers}) with other weights"
    unit = NormFreeUnit(width, 9, start, layers=layers).double()
    fill_by_shape(unit, seed=layers)
    weights = [p.detach() for p in unit.parameters() if p.ndim == 2]
    biases = [p.detach() for p in unit.parameters() if p.ndim == 1 and p.numel() == width]
    (alpha,) = (p.detach() for p in unit.parameters() if p.numel() == 1)
    x = torch.randn(6, width, dtype=torch.float64)
    caller = x.clone()
    with torch.no_grad(), expect_works(what):
        y = unit(x)
    expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
    expected = diagnose_propagation.norm_free_unit(x, weights, biases, alpha)
    wrong = diagnose_propagation.wrong_norm_free_units(x, weights, biases, alpha)
    expect_shape(y, expected.shape, what)
    expect_close(y, expected, what, "x + alpha * F(x)", 1e-7, 1e-9, wrong=wrong)
    x = torch.randn(4, width, dtype=torch.float64, requires_grad=True)
    v = torch.randn(4, width, dtype=torch.float64)
    formula = diagnose_propagation.norm_free_unit(x, weights, biases, alpha)
    (gradient,) = torch.autograd.grad(formula, x, v)
    y = unit(x)
    expect_true(y.requires_grad, f"{what}: gradients flow through it", "it is detached")
    y.backward(v)
    expect_close(
        x.grad, gradient, f"{what}: gradient with respect to x", "is a part detached?", 1e-7
    )
    learns = all(p.grad is not None for p in unit.parameters())
    hint = "a weight is never used: each dense layer has its own"
    expect_true(learns, f"{what}: every weight receives a gradient", hint)
with expect_works("NormFreeUnit on another device (meta)", "a device is written into the unit"):
    y = NormFreeUnit(4, 3, "skipinit").to("meta")(torch.empty(2, 4, device="meta"))
expect_true(y.is_meta, "NormFreeUnit: the device of y is that of x")
### END HIDDEN TESTS

# %% [markdown]
# Networks of 54 layers, at four learning rates (shipped: `identity_starts`). Where runs
# diverged (their loss is no number any more), the brackets say how many of five are left; the mean
# is over those, a dash stands where fewer than two are.

# %% tags=["demo"]
study = plusx.load_reference("identity_starts")
rates, names = (0.01, 0.05, 0.2, 0.5), list(dict.fromkeys(name for name, _ in study))
print(f"{'training error (%), 5 seeds':24}", *[f"lr {rate:g}".rjust(12) for rate in rates])
for name in names:
    cells = []
    for rate in rates:
        record = study[name, rate]
        alive = record.train_loss[:, -1].isfinite()
        shown = (
            experiments.mean_spread(record.train_error[:, -1][alive]) if alive.sum() > 1 else "–"
        )
        cells.append(shown if alive.all() else f"{shown} ({int(alive.sum())})")
    print(f"{name:27}", *[cell.rjust(12) for cell in cells])

# %% [markdown]
# Without a norm and with branches of full size nothing trains, at any rate. With branches that start at zero or small,
# fifty-four layers train **without any norm**, nearly as well as with norm and pre-activation, and better than in the original order. Now
# read from left to right. At a rate of 0.2 SkipInit has lost every run; at 0.5 only pre-activation *with* norm still trains
# as if nothing had happened. The start made the first step possible; it does not guard the hundredth. (Zero gamma is both,
# norm and start: in the *original* order it takes the error from 4 % to almost 0, with not one parameter more.)
#
# ## 9 · The limits: large Jacobians
#
# A start is a promise about step zero. What keeps the Jacobian of the whole stack small later? Let
# us measure its **largest singular value**: by how much a small change of the state behind the stem
# can grow until the last unit. The Jacobian $J$ itself is large. But products with it are cheap,
# and repeating $v \leftarrow J^\top J v$ turns any $v$ towards the direction that grows most: this is
# **power iteration**, and $\|Jv\| / \|v\|$ approaches the singular value from below.
#
# `torch.autograd.functional.jvp(f, x, v)` gives the pair $f(x)$, $Jv$, and
# `torch.autograd.functional.vjp(f, x, u)` the pair $f(x)$, $J^\top u$.
#
# ### Exercise 7 · The largest gain
#
# **Goal** power iteration on a Jacobian · **Difficulty** ★★☆ · **Time** 8 minutes · **Points** 2
#
# Do `steps` times $v \leftarrow J^\top J v$, scaled to length 1 each time (or it overflows). Then return
# $\|Jv\| / \|v\|$.
#
# <details><summary>Hint 1: one round</summary>
#
# First $Jv$ by `jvp`, then $J^\top$ of that by `vjp`, then divide by the length.
#
# </details>
# <details><summary>Hint 2: in code</summary>
#
# `_, u = jvp(function, x, v)`, then `_, v = vjp(function, x, u)`, then `v = v / v.norm()`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "largest_gain", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.largest_gain"]}
def largest_gain(function, x, v, steps):
    """The largest singular value of the Jacobian of a function at x, by power iteration.

    function: callable, (d,) -> (d',); x: (d,), where to look
    v: (d,), not zero, where to start
    steps: int, at least 0: how often v <- J^T J v
    returns: float, |J v| / |v| after that
    """
    ### BEGIN SOLUTION
    from torch.autograd.functional import jvp, vjp

    for _ in range(steps):
        _, u = jvp(function, x, v)  # (d',)
        _, v = vjp(function, x, u)  # (d,)
        v = v / v.norm()
    return (jvp(function, x, v)[1].norm() / v.norm()).item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_largest_gain", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
layer = nn.Linear(2, 2)
layer.load_state_dict({"weight": torch.tensor([[3.0, 0.0], [0.0, 1.0]]), "bias": torch.ones(2)})
x, v = torch.tensor([5.0, 7.0]), torch.tensor([2.0, 1.0])
for steps, by_hand in [(0, (37 / 5) ** 0.5), (12, 3.0)]:  # |(6, 1)| / |(2, 1)|; the larger factor
    what = f"largest_gain: factors 3 and 1, {steps} steps"
    with expect_works(what):
        found = largest_gain(layer, x, v, steps)
    growth = (layer(x).norm() / x.norm()).item()
    wrong = diagnose_propagation.wrong_gains(layer.weight.detach(), v, steps, growth)
    expect_close(found, by_hand, what, wrong=wrong)
print("Exercise 7: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(701)
for sizes, steps in [((4, 6, 4), 3), ((5, 3), 1), ((3, 8, 6), 2), ((6, 7, 6), 0), ((4, 4), 60)]:
    layers = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.Tanh()]
    function = nn.Sequential(*layers).double()
    x, v = (torch.randn(sizes[0], dtype=torch.float64) for _ in range(2))
    jacobian = torch.autograd.functional.jacobian(function, x)
    what = f"largest_gain: sizes {sizes}, {steps} steps"
    caller = x.clone(), v.clone()
    with expect_works(what):
        found = largest_gain(function, x, v, steps)
    expected = diagnose_propagation.right_gain(jacobian, v, steps)
    growth = (function(x).norm() / x.norm()).item()
    wrong = diagnose_propagation.wrong_gains(jacobian, v, steps, growth)
    expect_close(found, expected, what, "v <- J^T J v, then |J v| / |v|", 1e-6, 1e-9, wrong=wrong)
    expect_close(x, caller[0], f"{what}: the caller's x", "x is changed in place")
    expect_close(v, caller[1], f"{what}: the caller's v", "v is changed in place")
huge = nn.Linear(3, 3, bias=False)
huge.load_state_dict({"weight": 1e6 * torch.eye(3)})
what = "largest_gain: a factor of a million, 40 steps"
with expect_works(what):
    found = largest_gain(huge, torch.ones(3), torch.ones(3), 40)
hint = "v overflows: divide it by its length in every step"
expect_close(found, 1e6, what, hint, rtol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# Before training, and along it: the gain from the stem to the last unit, for one image, three seeds.


# %% tags=["demo"]
def gain_of(net, steps=8):
    """Largest gain of the units of a network, at the first test image."""
    v = torch.randn(32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        h = net.stem(digits.test_images[:1].flatten(1))[0]  # (width,)
    return propagation.largest_gain(net.blocks, h, v, steps)


STEPS = (0, 2, 4, 6, 8, 10, 12, 28, 112)


def gains_along(start, lr):
    """(3 seeds, STEPS): the largest gain before training and along it; NaN where it diverged."""
    make_model = partial(starts.NormFreeMlp, 54, start)
    training = plusx.Training(make_model, digits, plusx.Recipe(lr=lr), 3)
    columns = []
    for step in STEPS:
        training.advance(step - training.step)
        columns.append([gain_of(net.cpu()) for net in training.trained()])
    return torch.tensor(columns).T


# %% tags=["demo"]
drawing, (axis,) = plots.figure(height=3.8)
print("largest of 3 seeds, after steps", *STEPS)
for start, lr, role in [
    ("plain", 0.01, "plain"),
    ("SkipInit", 0.2, "third"),
    ("SkipInit", 0.05, "first"),
    ("Fixup", 0.2, "residual"),
]:
    gains = gains_along(start, lr)
    alive = int(gains.isfinite().all(dim=0).sum())  # as long as no seed has diverged
    plots.plot_runs(axis, STEPS[:alive], gains[:, :alive], f"{start}, lr {lr}", role)
    if alive < len(STEPS):
        axis.plot(STEPS[alive - 1], gains[:, alive - 1].median(), "x", color=plots.COLOURS[role])
    cells = [f"{g:.2g}" if g == g else "–" for g in gains.max(dim=0)[0].tolist()]
    print(f"{start:9} lr {lr:4}:", *cells)
axis.set(xscale="symlog", yscale="log", xlabel="training step", ylabel="largest gain of 26 units")
axis.set_xticks([0, 1, 10, 100], ["0", "1", "10", "100"])
axis.legend(title="median and range, 3 seeds (× = then one diverges)", fontsize=8, title_fontsize=8)
plots.show(
    "Largest gain of 26 units along training, on log scales. The plain start has a gain of ten "
    "thousands and diverges at once; SkipInit at rate 0.2 rises from 1 to a hundred and diverges "
    "after ten steps, at 0.05 it stays near 5; Fixup at 0.2 stays below 2."
)

# %% [markdown]
# The plain start has a gain of some ten thousands, and the first steps end it. SkipInit and Fixup both
# start at exactly 1, and at the same rate of 0.2 they part. Within ten steps one of the SkipInit networks has a
# gain of about a hundred; its loss follows and soon is no number, and the other two go the same way.
# Fixup's gain stays below 2, because its *updates* are small by design: that is what the exponent is for. But at 0.5
# most Fixup networks diverge as well (table above). Nothing in $y = x + \alpha F(x)$ forbids large
# Jacobians; the start only puts them off. A norm in the branch divides by the size of the state in every step.
#
# ## 10 · The paper's tables beside ours
#
# He et al. (2016), tables 1 and 2: ResNet-110 on CIFAR-10, test error, median of five runs. Ours:
# dense networks of 54 and 110 layers on digits, training error, mean of five.

# %% tags=["demo"]
paper = {
    ("identity", 0.0): "6.61",
    ("both × 0.5", 0.0): "12.35",
    ("shortcut × 0.5", 0.0): "fail",
    ("exclusive gate", 0.0): "fail",
    ("exclusive gate", -6.0): "8.70",
    ("shortcut-only gate", 0.0): "12.86",
    ("shortcut-only gate", -6.0): "6.91",
    ("dense", 0.0): "12.22 (1×1)",
    ("dropout", 0.0): "fail",
}
print(f"{'shortcut':28} {'paper, 110':>12} {'ours, 54':>14} {'ours, lr 0.01':>14}")
for (name, bias), theirs in paper.items():
    ours = []
    for lr in (0.05, 0.01):
        record = table[name, bias, lr]
        fine = record.train_loss[:, -1].isfinite().all()
        ours.append(experiments.mean_spread(record.train_error[:, -1]) if fine else "diverges")
    label = f"{name}, b = {bias:g}" if "gate" in name else name
    print(f"{label:28} {theirs:>12} {ours[0]:>14} {ours[1]:>14}")
theirs = dict(zip(shortcuts.ORDERS, ("6.61", "8.17", "7.84", "6.71", "6.37"), strict=True))
print(f"\n{'order':28} {'paper, 110':>12} {'ours, 54':>14} {'ours, 110':>14}")
for name, error in theirs.items():
    ours = [experiments.mean_spread(orders[name, d].train_error[:, -1]) for d in (54, 110)]
    print(f"{name:28} {error:>12} {ours[0]:>14} {ours[1]:>14}")

# %% [markdown]
# The order of merit is the paper's in nearly every row: identity before every shortcut but the exclusive gate at -6 (below),
# gates only when they start shut (-6),
# full pre-activation first among the orders, a norm behind the sum last (the original order and ReLU-only change places).
# Where we differ, plainly:
#
# - **Size.** In the paper many losers reach 8 to 13 %; ours fail outright. Ours are narrow and train for 8 epochs, theirs for
#   164 with a tuned recipe.
# - **The exclusive gate at -6** beats the identity here at a rate of 0.05 and does not differ from it at 0.01; in the paper it loses. We read this
#   as an effect of its small branch, not of the gate.
# - **Dense against 1×1.** Ours diverges. It starts at random; so did theirs, presumably, with other sizes and rates.
# - **Which error.** Theirs is test error, with well-trained networks: a matter of generalisation too. Ours is training error: of
#   optimisation alone.
#
# A fairer comparison has the paper's network on the paper's images. What there is of it is drawn from files
# that come with the course:

# %% tags=["demo"]
from plusx.full_scale_figures import table_of_runs

print(table_of_runs("cifar_shortcuts"))
print(table_of_runs("cifar_orders"))

# %% [markdown]
# ## 11 · A written question
#
# **Difficulty** ★★☆ · **Time** 7 minutes · **Points** 2, given by a person
#
# A colleague designs a network of 100 residual units. *"The identity is only a special case. So I
# put a learned factor on every shortcut, which starts at 0.9; the network will find 1 where it
# needs it. And as ReZero needs no norm, I leave the norms out and start every branch at full
# size."*
#
# In five to eight sentences: what will happen to the signal and the gradient of this network at the
# start, and why is "can represent" a weak argument? Support **each** point with a formula or a measurement
# from this lesson (say which), suggest what to change, and name one thing that this lesson did **not**
# test.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_road", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# A factor of 0.9 on 100 shortcuts leaves $0.9^{100} \approx 3 \cdot 10^{-5}$ of the input on the direct road,
# and of the gradient (section 4). The full-size branches without norm work the other way: by section 5 each
# unit multiplies the mean square of signal and gradient by $s^2 + a^2 = 0.81 + 1 = 1.81$, which is about $10^{26}$
# after 100 units. So the network explodes at the start; the "plain" start without norm diverged at every
# learning rate in section 8. That the identity can be represented says nothing about whether training
# reaches it: gates and dense shortcuts can represent it too, and in section 4 they trained far worse than the plain
# identity, unless they started next to it (bias -6). ReZero works without norm because its branches start at *zero*. I
# would put nothing on the shortcut and start the branches at zero or at $1/\sqrt{L}$ (1.4 % and 1.6 % error in
# section 8), or keep a norm inside the branch. Not tested here: learned factors on the shortcut
# that start at 1, large images, or whether the differences remain after long training.
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, what happens.** Half: the product of the factors, $0.9^{100}$, closes the direct road (or a
#   measured row of section 4). Half: full-size branches without norm explode, with $s^2 + a^2$ per unit or the diverging
#   row of section 8.
# - **1 point, argument and advice.** Half: representing is not reaching; gates or dense shortcuts as
#   evidence. Half: a change that the lesson supports (identity shortcut; zero, scaled or normalised branches), and something
#   untested.
#
# No point for a claim that contradicts the measurements, however well it is written.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 12 · Summary
#
# - With nothing on the road, $x_L = x_l + \sum F(x_i)$, forward and backward. Pre-activation puts norm and ReLU into the branch
#   and frees the road; its first unit is shared, its last one is followed by norm and ReLU.
# - A factor on every shortcut becomes a product over all. Gates work when they start open for the input.
# - Squares add: $q_{l+1} = s^2 q_l + a^2 \cdot (q_l \text{ or } 1)$. A bare skip grows as $2^L$, a norm in the branch makes it $L + 1$. The
#   gradient does the same on the way back.
# - A highway layer is a gated unit in depth, the LSTM cell one in time. In both, the bias of the gate decides how far the road reaches
#   at the start.
# - Norm-free residual networks train when their branches start at zero or small. The start is all that this secures:
#   large Jacobians can come later.
# - Healthy signals at the start are not the whole story: a ReLU after the sum passes every such check, and trains worse.
#
# ## Open questions
#
# - If a deep unit changes the state by only $1/\sqrt l$, what happens when one is taken out? (Lesson 05)
# - Transformers had the same quarrel, norm on the road or in the branch. (Lesson 06)
# - Why does pre-activation train better, if not by its signals at the start?
# - What does a norm do *during* training that a good start does not replace?
#
# ## Further reading
#
# - K. He, X. Zhang, S. Ren, J. Sun. *Identity Mappings in Deep Residual Networks.* 2016,
#   [arXiv 1603.05027](https://arxiv.org/abs/1603.05027). Code:
#   [KaimingHe/resnet-1k-layers](https://github.com/KaimingHe/resnet-1k-layers).
# - R. Srivastava, K. Greff, J. Schmidhuber. *Highway Networks.* 2015,
#   [arXiv 1505.00387](https://arxiv.org/abs/1505.00387).
# - S. Hochreiter, J. Schmidhuber. *Long Short-Term Memory.* 1997, Neural Computation 9:1735.
# - F. Gers, J. Schmidhuber, F. Cummins. *Learning to Forget: Continual Prediction with LSTM.* 2000, Neural
#   Computation 12:2451.
# - R. Jozefowicz, W. Zaremba, I. Sutskever. *An Empirical Exploration of Recurrent Network Architectures.* 2015. The
#   forget gate's bias.
# - S. De, S. Smith. *Batch Normalization Biases Residual Blocks Towards the Identity Function in Deep
#   Networks.* 2020, [arXiv 2002.10444](https://arxiv.org/abs/2002.10444). SkipInit.
# - T. Bachlechner et al. *ReZero is All You Need.* 2020, [arXiv 2003.04887](https://arxiv.org/abs/2003.04887).
# - H. Zhang, Y. Dauphin, T. Ma. *Fixup Initialization: Residual Learning Without Normalization.* 2019,
#   [arXiv 1901.09321](https://arxiv.org/abs/1901.09321).
# - P. Goyal et al. *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour.* 2017,
#   [arXiv 1706.02677](https://arxiv.org/abs/1706.02677). Section 5.1: the last norm starts at zero.
