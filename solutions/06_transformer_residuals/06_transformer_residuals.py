# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Transformer residuals
#     minutes: 90
#     points: 20
#     goals:
#       - Build the post-norm and the pre-norm block, equal to torch's own under the same weights.
#       - Measure why deep post-norm transformers need warm-up and pre-norm ones do not.
#       - Read the residual stream as a sum of contributions, exactly, and decode it half-way.
#       - Choose among six wirings by what they do at the start, and say what lesions show.
#       - Build hyper-connections, and judge today's proposals by means and spreads.
#     needs:
#       - Self-attention, layer norm, cross-entropy and Adam
#       - Lesson 02, the residual block; lesson 05 helps with section 6
# ---

# %% [markdown]
# # 06 · Transformer residuals
#
# **90 minutes · 20 points** (seven exercises and one written question)
#
# A transformer is a long sum. Token vectors enter a stream, and every attention and every
# feed-forward network adds something to it. Where the norms stand in this sum decides whether
# forty-eight additions train at all. This lesson moves them about, takes the sum apart, cuts
# pieces out, and looks at what may come after it.
#
# **You will be able to**
#
# - build the post-norm and the pre-norm block, equal to torch's own under the same weights;
# - measure why deep post-norm transformers need warm-up and pre-norm ones do not;
# - read the residual stream as a sum of contributions, exactly, and decode it half-way;
# - choose among six wirings by what they do at the start, and say what lesions show;
# - build hyper-connections, and judge today's proposals by means and spreads.
#
# **You need** self-attention, layer norm, cross-entropy and Adam; lesson 02, the residual block.
# (Lesson 05 helps with section 6.)
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on
# small cases. When your work is graded, more checks run: other sizes, gradients, another dtype,
# another device. Hints are folded; open them one at a time.

# %%
import torch
from torch import nn

import plusx
from plusx import diagnose_transformers as diagnose
from plusx import plots
from plusx import transformer_figures as figures
from plusx.expect import (
    expect_close,
    expect_equal,
    expect_raises,
    expect_shape,
    expect_true,
    expect_works,
)
from plusx.experiments import mean_spread
from plusx.trained import advance_kept
from plusx.transformer_checks import expect_block, expect_wired
from plusx.transformers import FeedForward, SelfAttention

# %% [markdown]
# One function seeds every generator. Nothing in this lesson names a device: training takes the
# best there is.

# %%
plusx.seed_all(0)
device = plusx.choose_device()

# %% [markdown]
# ## 1 · Two places for a norm
#
# `SelfAttention(width, heads)` and `FeedForward(width)` turn x of shape (B, T, C) into the same
# shape: B sequences of T positions with C channels. Attention is the only part of a transformer in
# which positions see each other. The feed-forward network treats each position alone: a dense
# layer to 4C units, ReLU, a dense layer back.

# %%
x = torch.randn(2, 5, 8)  # (B, T, C)
print(tuple(SelfAttention(8, 2)(x).shape), tuple(FeedForward(8)(x).shape))

# %% [markdown]
# Both become residual branches. The first transformer (Vaswani et al. 2017, section 3.1) puts a
# layer norm behind each **sum**; since GPT-2 (Radford et al. 2019) most put it before each
# **branch**. Xiong et al. (2020) call the two Post-LN and Pre-LN.

# %% tags=["demo"]
figures.wiring_diagram()
plots.show(
    "Two transformer blocks. Post-norm: a norm stands in the stream behind each of the two sums. "
    "Pre-norm: a norm stands at the beginning of each branch, attention and feed-forward, and the "
    "stream is free."
)

# %% [markdown]
# $$\text{post-norm:}\quad h = \mathrm{norm}_1\bigl(x + A(x)\bigr), \qquad
#   y = \mathrm{norm}_2\bigl(h + M(h)\bigr);$$
# $$\text{pre-norm:}\quad h = x + A\bigl(\mathrm{norm}_1(x)\bigr), \qquad
#   y = h + M\bigl(\mathrm{norm}_2(h)\bigr),$$
#
# with attention $A$ and feed-forward network $M$. Look at the thick line. On the right it runs
# from x to y untouched: $y = x + \dots$, as in lesson 02. On the left it passes through a norm
# after each sum: nobody adds to x itself for long.
#
# A layer norm takes each position's C numbers, subtracts their mean, divides by their standard
# deviation, and applies a learned scale and shift: `nn.LayerNorm(width)`.
#
# ### Exercise 1 · The post-norm block
#
# **Goal** the first formula as a module · **Difficulty** ★★☆ · **Time** 9 minutes · **Points** 3
#
# Use `SelfAttention(width, heads)` and `FeedForward(width)`, or parts of torch. Only what the
# block *computes*, and how many parameters it has, is tested: it must equal
# `nn.TransformerEncoderLayer` under the same weights.
#
# <details><summary>Hint 1: what to create</summary>
#
# Four parts: attention, feed-forward network, and **two** norms. Each norm has weights of its own.
#
# </details>
# <details><summary>Hint 2: two lines</summary>
#
# The forward pass is the formula, line by line. The second branch reads `h`, and the second sum
# adds `h`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "post_block", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["torch.TransformerEncoderLayer", "plusx.torch_block", "plusx.Branch"]}
class PostBlock(nn.Module):
    """h = norm1(x + attention(x)); y = norm2(h + feed_forward(h)).

    width: int, channels; heads: int, a divisor of width

    forward: x (B, T, width) -> y (B, T, width)
    """

    def __init__(self, width, heads):
        super().__init__()
        ### BEGIN SOLUTION
        self.attention = SelfAttention(width, heads)
        self.feed_forward = FeedForward(width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        h = self.norm1(x + self.attention(x))  # (B, T, width)
        return self.norm2(h + self.feed_forward(h))  # (B, T, width)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_post_block", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(1)
expect_block(PostBlock, "PostBlock", norm_first=False, size=(2, 3, 4), heads=2)
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(101)
for size, heads in [((3, 5, 6), 1), ((1, 7, 12), 3), ((2, 1, 8), 4)]:
    expect_block(PostBlock, "PostBlock", norm_first=False, size=size, heads=heads)
with expect_works(
    "PostBlock(8, 2) on another device (meta)",
    "a device is written into the block: .cpu(), .cuda(), or a tensor made without device=",
):
    y = PostBlock(8, 2).to("meta")(torch.empty(2, 3, 8, device="meta"))
expect_true(y.is_meta, "PostBlock: the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2 · The pre-norm block
#
# **Goal** the second formula, and what it leaves alone · **Difficulty** ★☆☆ · **Time** 4 minutes ·
# **Points** 2
#
# <details><summary>Hint: who reads the norm?</summary>
#
# The branch alone. `x` and `h` go into the sums as they are.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "pre_block", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["torch.TransformerEncoderLayer", "plusx.torch_block", "plusx.Branch"]}
class PreBlock(nn.Module):
    """h = x + attention(norm1(x)); y = h + feed_forward(norm2(h)).

    width: int, channels; heads: int, a divisor of width

    forward: x (B, T, width) -> y (B, T, width)
    """

    def __init__(self, width, heads):
        super().__init__()
        ### BEGIN SOLUTION
        self.attention = SelfAttention(width, heads)
        self.feed_forward = FeedForward(width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        h = x + self.attention(self.norm1(x))  # (B, T, width)
        return h + self.feed_forward(self.norm2(h))  # (B, T, width)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_pre_block", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(2)
expect_block(PreBlock, "PreBlock", norm_first=True, size=(2, 3, 4), heads=2)
print("Exercise 2: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(201)
for size, heads in [((3, 5, 6), 1), ((1, 7, 12), 3), ((2, 1, 8), 4)]:
    expect_block(PreBlock, "PreBlock", norm_first=True, size=size, heads=heads)
with expect_works(
    "PreBlock(8, 2) on another device (meta)",
    "a device is written into the block: .cpu(), .cuda(), or a tensor made without device=",
):
    y = PreBlock(8, 2).to("meta")(torch.empty(2, 3, 8, device="meta"))
expect_true(y.is_meta, "PreBlock: the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# From here on the lesson uses `Transformer` from `plusx.transformers`, in which the wiring is an
# argument. So the demonstrations run before you have solved the exercises.
#
# ## 2 · A task, and no skips at all
#
# The task of most experiments: **sort eight digits**. Position 1 of the output names the smallest
# digit, position 8 the largest. It cannot be done without attention, there are $10^8$ inputs, so
# nothing can be learned by heart, and guessing gives 10 %.

# %%
from plusx.sequence_training import SequenceRecipe, SequenceTraining
from plusx.sequences import NextCharacter, Sorting, load_text
from plusx.transformer_studies import load_study
from plusx.transformers import Transformer

task = Sorting()
tokens, targets = task.batch(2, torch.Generator().manual_seed(0))  # (2, 8) each
print(tokens.tolist(), "->", targets.tolist(), sep="\n")

# %% [markdown]
# When we train on this task: 32 channels, two heads, batches of 32, Adam, 200 steps, five seeds at once (twenty
# where the text says so). Runs that take long are shipped, with the command that makes them. The first asks which
# skips a transformer of **six** pre-norm blocks needs (learning rate 0.003).

# %% tags=["demo"]
skips = load_study("transformer_skips")
right = {
    f"skips: {name}": 100 - skips[(name,)].test_error[:, -1]
    for name in ("both", "attention only", "feed-forward only", "none")
}
drawing, (axis,) = plots.figure(height=2.4)
figures.show_bars(axis, right)
axis.set(xlabel="positions right (%), mean ± deviation, each seed", xlim=(0, 103))
axis.axvline(figures.GUESSING, color="gray", linestyle=":")
plots.show(
    "Positions right by which branches have a skip, six blocks: both about 96 %, attention only "
    "about 44 % with a wide spread, feed-forward only 24 %, none 16 %; guessing gives 10 %."
)

# %% tags=["demo"]
for name, runs in right.items():
    print(f"{name:26} {mean_spread(runs)} %")

# %% [markdown]
# Without skips, next to nothing is learned at a depth of six. One kind of skip is not enough either,
# though with the attention's alone some seeds get half-way: the spread is as large as the effect.
#
# What goes wrong? Attention averages. Without skips each layer mixes the positions once more, and
# in the end all positions of a sequence hold the same vector. Dong et al. (2021) prove that pure
# attention loses rank doubly exponentially with depth, and that skips prevent it. Measure the
# cosine between the positions of one sequence, in untrained networks:


# %% tags=["demo"]
def likeness(blocks, seeds=5, **settings):
    """(seeds, blocks + 1): mean cosine between positions after each block, untrained."""
    tokens, rows = task.test()[0][:100], []
    for seed in range(seeds):
        plusx.seed_all(seed)
        with torch.no_grad():
            states = plusx.hidden_states(Transformer(10, 8, blocks=blocks, **settings), tokens)
        units = [nn.functional.normalize(h, dim=-1) for h in states]  # (B, T, C) each
        rows.append([(((u.sum(1) ** 2).sum(-1) - 8) / 56).mean().item() for u in units])
    return torch.tensor(rows)


# %% tags=["demo"]
drawing, (axis,) = plots.figure()
for name, role in {"both": "residual", "attention only": "third", "none": "plain"}.items():
    runs = likeness(24, skips=name)
    plots.plot_runs(axis, range(25), runs, f"skips: {name}", role)
    print(f"skips: {name:16} cosine after 24 blocks {mean_spread(runs[:, -1], 3)}")
axis.set(xlabel="block", ylabel="cosine between positions", ylim=(-0.05, 1.05))
axis.legend(title="median and range, 5 seeds")
plots.show(
    "Cosine between positions by block, untrained. Without skips it reaches 1 after two blocks, "
    "with the skip of attention only after four; with both skips it rises slowly to about 0.8 "
    "after 24."
)

# %% [markdown]
# Without skips all positions are nearly alike after a few blocks: eight copies of one vector
# cannot be sorted. With both skips they grow alike slowly, and after 24 blocks a difference is left.
# The sum keeps the digits. With the attention's skip alone they grow alike too, a few blocks later:
# likeness at the start is not the whole story.
#
# ## 3 · Depth and warm-up
#
# **Warm-up** means that the learning rate grows from zero to its full value over the first steps.
# Transformers are famous for needing it. Three depths at a learning rate of 0.002: pre-norm
# without warm-up, post-norm without, and post-norm with 80 steps of it.

# %% tags=["demo"]
depth = load_study("transformer_depth")
arms = {
    "pre-norm, no warm-up": ("pre", 0, "residual"),
    "post-norm, 80 steps": ("post", 80, "third"),
    "post-norm, no warm-up": ("post", 0, "plain"),
}
drawing, (axis,) = plots.figure()
for name, (wiring, warmup, role) in arms.items():
    ends = [100 - depth[wiring, n, 2e-3, warmup].test_error[:, -1] for n in (3, 6, 12)]
    plots.plot_means(axis, (3, 6, 12), ends, name, role)
    print(f"{name:22}", *[mean_spread(e).rjust(12) for e in ends])
figures.accuracy_axes(axis, "200 steps, learning rate 0.002")
axis.set(xlabel="blocks", xticks=(3, 6, 12))
axis.legend(title="mean ± deviation, 5 seeds", fontsize=8, title_fontsize=8, loc="lower left")
plots.show(
    "Positions right by depth, after 200 steps. Pre-norm without warm-up stays near 99 % at 12 "
    "blocks, post-norm with warm-up falls to 80 %, post-norm without warm-up to 15 %, near "
    "guessing."
)

# %% tags=["demo"]
print("post-norm, 12 blocks, no warm-up, at smaller learning rates: positions right (%)")
for lr in (2e-3, 1e-3, 5e-4):
    runs = 100 - depth["post", 12, lr, 0].test_error[:, -1]
    print(f"{lr:7g} {mean_spread(runs):>12}   each seed:", *[f"{run:.0f}" for run in runs])

# %% [markdown]
# At three blocks the place of the norm hardly matters, and what warm-up costs is within two standard
# errors. At six post-norm is slightly behind. At **twelve**, post-norm without
# warm-up stays near guessing, with warm-up it sorts four positions of five, and pre-norm needs none. A
# quarter of the learning rate helps post-norm nearly as much as warm-up; with half of it, seeds
# disagree widely. So its failure is one of *steps that are too large too early*. Why too large?
#
# ### The gradients at the start
#
# Xiong et al. (2020) look at the untrained network. They prove, by mean-field theory, that
# post-norm has large gradients near the output, whatever the depth, and that in pre-norm they
# shrink with it. Let us measure: the gradient of the loss at the last weight matrix of every
# feed-forward network.


# %% tags=["demo"]
def gradients(wiring, blocks, seeds=20):
    """(seeds, blocks): gradient norm at the last layer of each feed-forward network."""
    tokens, targets = (half[:64] for half in task.test())
    rows = []
    for seed in range(seeds):
        plusx.seed_all(seed)
        net = Transformer(10, 8, blocks=blocks, wiring=wiring)
        loss = nn.functional.cross_entropy(net(tokens).flatten(0, 1), targets.flatten())
        weights = [branch.function.last.weight for branch in net.branches()[1::2]]
        rows.append([g.norm().item() for g in torch.autograd.grad(loss, weights)])
    return torch.tensor(rows)


# %% tags=["demo"]
profiles = {
    (wiring, blocks): gradients(wiring, blocks)
    for wiring in ("post", "pre")
    for blocks in (6, 12, 24, 48)
}

# %% tags=["demo"]
drawing, axes = plots.figure(2)
for wiring, role in figures.ROLES.items():
    plots.plot_runs(axes[0], range(1, 25), profiles[wiring, 24], figures.NAMES[wiring], role)
    last = [profiles[wiring, blocks][:, -1] for blocks in (6, 12, 24, 48)]
    plots.plot_means(axes[1], (6, 12, 24, 48), last, figures.NAMES[wiring], role)
axes[0].set(xlabel="block, of 24", ylabel="gradient norm", title="median and range, 20 seeds")
axes[1].set(xlabel="blocks", ylim=(0, None), xticks=(6, 12, 24, 48))
axes[1].set_title("last block: mean ± deviation")
axes[0].set_ylim(0, None)
axes[0].legend(loc="upper left")
plots.show(
    "Gradient norms before training. Left, over 24 blocks: in post-norm they grow towards the "
    "last, in pre-norm they fall. Right, at the last block: with more blocks those of post-norm "
    "stay large, those of pre-norm shrink."
)
for wiring, name in figures.NAMES.items():
    print(
        name, "last block:", *[mean_spread(profiles[wiring, n][:, -1], 2) for n in (6, 12, 24, 48)]
    )

# %% [markdown]
# Two things differ. From block to block, post-norm's gradient rises toward the output, and
# pre-norm's falls. And with depth, the last block of post-norm keeps a gradient above 1, while that
# of pre-norm halves from 6 blocks to 48. This is the picture of Xiong et al.: large at the output
# in post-norm whatever the depth, smaller with depth in pre-norm. Their bound for pre-norm falls as
# $1/\sqrt N$, which would be a factor of 2.8 where we measure two. Note what the figure does
# *not* show: **nothing vanishes**, in either network. Post-norm's gradients are the larger ones.
#
# ### Is it the size of the gradient?
#
# A thought: Adam divides every gradient by its own size. So how can large gradients alone harm a
# network that Adam trains? Liu et al. (2020) ask this, and point to something else: how far the
# *output* moves when all weights move a little. Try it. Change every weight matrix by one per cent
# of its norm, in a random direction, and see how much the logits change.


# %% tags=["demo"]
@torch.no_grad()
def output_change(wiring, blocks, seed, share=0.01):
    """How much the logits change, relative to their size, when all matrices change by `share`."""
    plusx.seed_all(seed)
    net, tokens = Transformer(10, 8, blocks=blocks, wiring=wiring), task.test()[0][:64]
    before = net(tokens)  # (B, T, V)
    for weight in (w for w in net.parameters() if w.ndim > 1):
        step = torch.randn_like(weight)
        weight += share * step * weight.norm() / step.norm()
    return ((net(tokens) - before).norm() / before.norm()).item()


# %% tags=["demo"]
drawing, (axis,) = plots.figure()
for wiring, role in figures.ROLES.items():
    moved = [
        100 * torch.tensor([output_change(wiring, blocks, seed) for seed in range(5)])
        for blocks in (6, 12, 24, 48)
    ]
    plots.plot_means(axis, (6, 12, 24, 48), moved, figures.NAMES[wiring], role)
    print(f"{figures.NAMES[wiring]:10}", *[mean_spread(m, 2).rjust(14) for m in moved])
axis.set(xlabel="blocks", ylabel="change of the logits (%)", ylim=(0, None))
axis.legend(title="mean ± deviation, 5 seeds")
plots.show(
    "How far a small step in the weights moves the logits, by depth: 2 to 3 % in pre-norm at any "
    "depth; in post-norm it grows to about 17 % at 48 blocks."
)

# %% [markdown]
# In pre-norm the same small step moves the output equally far at every depth. In post-norm it moves
# it the farther, the deeper the network: at 48 blocks one per cent in the weights is 17 ± 7 per cent
# in the logits. Liu et al. (2020) derive this: variances of the change add up to $O(N)$ in post-norm
# and to $O(\log N)$ in pre-norm. It fits Adam better, whose first steps have a size that the
# learning rate sets, not the gradient. Warm-up makes exactly these steps small. The two explanations
# do not exclude each other, and neither measurement proves that it is the cause: both are taken
# before training.
#
# ## 4 · The stream as a sum
#
# In a pre-norm transformer nothing ever divides or overwrites the stream. Write $F_1, F_2, \dots$
# for all branches with their norms, attention and feed-forward in turns. Then
#
# $$h_l = x + F_1(h_0) + F_2(h_1) + \dots + F_l(h_{l-1}), \qquad h_0 = x .$$
#
# Every branch reads the sum of all that was added before, and adds its own. Elhage et al. (2021)
# call the stream a *communication channel*: what one branch writes, any later one may read.
#
# ### Exercise 3 · Who added what
#
# **Goal** the terms of the sum · **Difficulty** ★★☆ · **Time** 6 minutes · **Points** 2
#
# `branches` are functions $F_l$ (the norm is inside). Give back all terms, x first.
#
# <details><summary>Hint 1: two things to keep</summary>
#
# The stream, which grows, and the list of what was added.
#
# </details>
# <details><summary>Hint 2: in place</summary>
#
# `stream = stream + part` makes a new tensor. `stream += part` overwrites the old one, which may
# be the caller's x.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "contributions", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.right_contributions"]}
def contributions(x, branches):
    """x, and what each branch adds to the residual stream.

    x: (B, T, C)
    branches: list of L functions, (B, T, C) -> (B, T, C) each
    returns: (L + 1, B, T, C); the sum over the first axis is the stream at the end
    """
    ### BEGIN SOLUTION
    stream, parts = x, [x]
    for branch in branches:
        part = branch(stream)  # (B, T, C)
        parts.append(part)
        stream = stream + part
    return torch.stack(parts)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_contributions", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(3)
x, branches = torch.randn(2, 3, 4), [nn.Sequential(nn.Linear(4, 4), nn.Tanh()) for _ in range(3)]
with torch.no_grad(), expect_works("contributions of three branches"):
    parts = contributions(x, branches)
shape_hint = "x is the first entry, then one for each branch"
expect_shape(parts, (4, 2, 3, 4), "contributions of three branches", shape_hint)
with torch.no_grad():
    wrong = diagnose.wrong_contributions(x, branches)
    expected = diagnose.right_contributions(x, branches)
expect_close(parts, expected, "contributions of three branches", wrong=wrong)
print("Exercise 3: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(301)
for size, count in [((2, 5, 6), 4), ((1, 1, 3), 1), ((3, 2, 4), 0), ((2, 3, 5), 7)]:
    what, C = f"contributions, x of shape {size}, {count} branches", size[2]
    branches = [
        nn.Sequential(nn.LayerNorm(C), nn.Linear(C, 2 * C), nn.GELU(), nn.Linear(2 * C, C)).double()
        for _ in range(count)
    ]
    x = torch.randn(size, dtype=torch.float64, requires_grad=True)
    before = x.detach().clone()
    with expect_works(what):
        parts = contributions(x, branches)
    expect_close(x, before, f"{what}: the caller's x after the call", "x is changed in place")
    expected = diagnose.right_contributions(x, branches)
    expect_shape(parts, expected.shape, what, "x is the first entry, then one for each branch")
    expect_close(parts, expected, what, wrong=diagnose.wrong_contributions(x, branches))
    expect_true(parts.requires_grad, f"{what}: gradients flow", "something is detached")
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, x, v)
    parts.backward(v)
    expect_close(x.grad, gradient, f"{what}: gradient with respect to x", "a part is detached")
### END HIDDEN TESTS

# %% [markdown]
# ### A trained stream
#
# Now train: twelve blocks, five seeds, pre-norm; and post-norm with a warm-up of 80 steps for
# section 6. (Half a minute or more.)


# %% tags=["demo"]
def train_sorters(wiring, warmup):
    """The networks of five seeds, and the percentage of positions that each gets right."""
    recipe = SequenceRecipe(lr=2e-3, warmup=warmup)
    training = SequenceTraining(
        lambda: Transformer(10, 8, blocks=12, wiring=wiring), task, recipe, seeds=5
    )
    advance_kept(training, 200, f"{wiring}-norm")
    right = 100 - training.evaluate(*task.test())[1]
    return [net.cpu() for net in training.trained()], right


sorters, right = {}, {}
for wiring, warmup in {"pre": 0, "post": 80}.items():
    sorters[wiring], right[wiring] = train_sorters(wiring, warmup)
    print(f"{figures.NAMES[wiring]:10} warm-up {warmup:2}: {mean_spread(right[wiring])} % right")


# %% tags=["demo"]
@torch.no_grad()
def sizes(net, tokens):
    """Root mean square of what each branch adds, and of the stream: (L + 1,) each."""
    x, branches = net.stem(tokens), [branch.added for branch in net.branches()]
    parts = diagnose.right_contributions(x, branches)  # (L + 1, B, T, C)
    return [h.square().mean((1, 2, 3)).sqrt() for h in (parts, parts.cumsum(0))]


def untrained(seed, blocks=12, wiring="pre"):
    plusx.seed_all(seed)
    return Transformer(10, 8, blocks=blocks, wiring=wiring)


tokens = task.test()[0]
before = [sizes(untrained(seed), tokens) for seed in range(5)]
after = [sizes(net, tokens) for net in sorters["pre"]]

# %% tags=["demo"]
drawing, axes = plots.figure(2, share_y=True)
for axis, found, title in zip(axes, (before, after), ("before training", "trained"), strict=True):
    parts, streams = (torch.stack(half) for half in zip(*found, strict=True))  # (seeds, L + 1)
    plots.plot_runs(axis, range(25), streams, "the stream", "residual")
    for first, name, role in (
        (1, "added by attention", "third"),
        (2, "added by feed-forward", "plain"),
    ):
        plots.plot_runs(axis, range(first, 25, 2), parts[:, first::2], name, role)
    axis.set(xlabel="branch (0: token vectors)", title=title)
axes[0].set_ylabel("root mean square")
axes[0].legend(title="median and range, 5 seeds", fontsize=8, title_fontsize=8)
plots.show(
    "Size of the stream and of what each branch adds, before training and after. The stream grows "
    "steadily, a little steeper when trained; what attention and feed-forward add stays at about "
    "a fifth of it or less in late branches."
)

# %% [markdown]
# Before training every branch adds about as much as every other, and the stream grows steadily. After
# training the picture is the same, a little steeper. What a late branch adds is a fifth of what it
# is added *to*: late branches turn the stream by a small angle.
#
# ### Exercise 4 · Reading the stream half-way
#
# **Goal** two instruments · **Difficulty** ★★★ · **Time** 11 minutes · **Points** 1 for the lens,
# 2 for the attribution
#
# All states of the stream have the same shape and the same meaning for the head. So decode them
# early: the **logit lens** (nostalgebraist 2020) puts the last norm and the head on the stream
# after every branch.
#
# The second instrument splits the *final* logits among the branches. The head is linear, but the
# norm before it is not, since it divides by the size of the stream. Yet once the stream is known,
# this size $\sigma$ is one number for each position, the same for all contributions. What is left is
# linear:
#
# $$\text{logits} = W\,\Bigl(\gamma \odot \frac{h - \bar h}{\sigma} + \beta\Bigr) + b
#   = \underbrace{\sum_l W\Bigl(\gamma \odot \frac{p_l - \bar p_l}{\sigma}\Bigr)}_{\text{one term for each contribution}} + W\beta + b,
#   \qquad h = \sum_l p_l .$$
#
# Here $\bar h$ is the mean over the channels, $\sigma = \sqrt{\mathrm{var}(h) + \epsilon}$ with the
# variance divided by C, and $\odot$ multiplies channel by channel.
#
# <details><summary>Hint 1: the lens</summary>
#
# `parts.cumsum(0)` is the stream after each branch. Norm and head work on any leading axes.
#
# </details>
# <details><summary>Hint 2: sigma</summary>
#
# From the whole stream: `parts.sum(0).var(-1, correction=0, keepdim=True)`, then `+ norm.eps` and
# the root. Its shape (B, T, 1) divides every contribution.
#
# </details>
# <details><summary>Hint 3: the rest</summary>
#
# The means of the contributions: `parts.mean(-1, keepdim=True)`. Multiply by `norm.weight`, then
# by the transpose of `head.weight`. No bias anywhere.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "logit_lens", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.right_attribution"]}
def logit_lens(parts, norm, head):
    """Logits as if the network ended after each contribution.

    parts: (L + 1, B, T, C), from `contributions`
    norm: nn.LayerNorm over C; head: nn.Linear from C to V
    returns: (L + 1, B, T, V); the last entry holds the network's own logits
    """
    ### BEGIN SOLUTION
    return head(norm(parts.cumsum(0)))
    ### END SOLUTION


def attribution(parts, norm, head):
    """What each contribution adds to the final logits.

    parts, norm, head: as for `logit_lens`
    returns: (L + 1, B, T, V); the sum over the first axis, plus head.weight @ norm.bias + head.bias,
        equals the network's logits
    """
    ### BEGIN SOLUTION
    variance = parts.sum(0).var(-1, correction=0, keepdim=True)  # (B, T, 1)
    centred = parts - parts.mean(-1, keepdim=True)  # (L + 1, B, T, C)
    scaled = norm.weight * centred / (variance + norm.eps).sqrt()
    return scaled @ head.weight.T  # (L + 1, B, T, V)
    ### END SOLUTION


# %% [markdown]
# **First check: the lens.**


# %% tags=["judge"]
def random_stream(size, vocabulary, dtype=torch.float64):
    """Contributions (L + 1, B, T, C), a norm and a head with numbers that differ."""
    norm, head = nn.LayerNorm(size[-1]), nn.Linear(size[-1], vocabulary)
    norm.weight.data.uniform_(0.5, 1.5), norm.bias.data.normal_()
    return torch.randn(size, dtype=dtype) + 0.3, norm.to(dtype), head.to(dtype)


# %% nbgrader={"grade": true, "grade_id": "test_logit_lens_a", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(4)
parts, norm, head = random_stream((3, 2, 4, 6), 5, torch.float32)
with torch.no_grad(), expect_works("logit_lens"):
    logits = logit_lens(parts, norm, head)
expect_shape(logits, (3, 2, 4, 5), "logit_lens: three contributions, five tokens")
with torch.no_grad():
    expected, wrong = head(norm(parts.cumsum(0))), diagnose.wrong_lenses(parts, norm, head)
expect_close(logits, expected, "logit_lens: its values", wrong=wrong)
print("Exercise 4, lens: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(401)
for size, vocabulary in [((5, 1, 3, 8), 4), ((1, 2, 1, 5), 7), ((9, 2, 3, 4), 3)]:
    what = f"logit_lens: parts of shape {size}, {vocabulary} tokens"
    parts, norm, head = random_stream(size, vocabulary)
    before = parts.clone()
    with torch.no_grad(), expect_works(what):
        logits = logit_lens(parts, norm, head)
    expect_close(parts, before, f"{what}: the caller's parts", "parts are changed in place")
    with torch.no_grad():
        expected, wrong = head(norm(parts.cumsum(0))), diagnose.wrong_lenses(parts, norm, head)
    expect_shape(logits, expected.shape, what)
    expect_close(logits, expected, what, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# **Second check: the attribution.**

# %% nbgrader={"grade": true, "grade_id": "test_logit_lens_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(5)
parts, norm, head = random_stream((3, 2, 4, 6), 5, torch.float32)
with torch.no_grad(), expect_works("attribution"):
    terms = attribution(parts, norm, head)
expect_shape(terms, (3, 2, 4, 5), "attribution: three contributions, five tokens")
with torch.no_grad():
    logits, wrong = head(norm(parts.sum(0))), diagnose.wrong_attributions(parts, norm, head)
    total = terms.sum(0) + head(norm.bias)
    sums = {sentence: value.sum(0) + head(norm.bias) for sentence, value in wrong.items()}
expect_close(total, logits, "attribution: the sum of the terms, plus the constant", wrong=sums)
print("Exercise 4, attribution: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(411)
for size, vocabulary in [((5, 1, 3, 8), 4), ((1, 2, 1, 5), 7), ((9, 2, 3, 4), 3)]:
    what = f"attribution: parts of shape {size}, {vocabulary} tokens"
    parts, norm, head = random_stream(size, vocabulary)
    parts[-1] *= 0.01  # a small one, whose own size would betray itself
    before = parts.clone()
    with torch.no_grad(), expect_works(what):
        terms = attribution(parts, norm, head)
    expect_close(parts, before, f"{what}: the caller's parts", "parts are changed in place")
    with torch.no_grad():
        expected = diagnose.right_attribution(parts, norm, head)
        wrong = diagnose.wrong_attributions(parts, norm, head)
    expect_shape(terms, expected.shape, what)
    expect_close(terms, expected, what, rtol=1e-6, atol=1e-9, wrong=wrong)
with torch.no_grad():
    parts, norm, head = random_stream((3, 2, 3, 4), 3)
    norm.eps = 0.5
    expected = diagnose.right_attribution(parts, norm, head)
    terms = attribution(parts, norm, head)
expect_close(terms, expected, "attribution: a norm with a large eps", "eps is the norm's: norm.eps")
### END HIDDEN TESTS

# %% [markdown]
# Use both on the trained sorters: how many positions would be right if the network ended early,
# and how much each branch adds to the logit of the *right* digit, compared with the mean of all
# ten.


# %% tags=["demo"]
@torch.no_grad()
def read_stream(net, tokens, targets):
    """(L + 1,) each: positions right by the lens in percent; what each part adds to the target."""
    branches = [branch.added for branch in net.branches()]
    parts = diagnose.right_contributions(net.stem(tokens), branches)
    logits = net.head(net.norm(parts.cumsum(0)))  # (L + 1, B, T, V)
    terms = diagnose.right_attribution(parts, net.norm, net.head)
    terms = terms - terms.mean(-1, keepdim=True)
    own = terms.gather(-1, targets.expand(len(parts), -1, -1)[..., None])  # (L + 1, B, T, 1)
    right = (logits.argmax(-1) == targets).float().mean((1, 2))
    return 100 * right, own.mean((1, 2, 3))


# %% tags=["demo"]
readings = [read_stream(net, *task.test()) for net in sorters["pre"]]
lens, terms = (torch.stack(half) for half in zip(*readings, strict=True))  # (seeds, L + 1)
drawing, axes = plots.figure(2)
plots.plot_runs(axes[0], range(25), lens, "lens", "residual")
for first, name, role in ((1, "attention", "third"), (2, "feed-forward", "plain")):
    plots.plot_runs(axes[1], range(first, 25, 2), terms[:, first::2], name, role)
figures.accuracy_axes(axes[0], "logit lens")
axes[0].set_xlabel("branches read")
axes[1].set(xlabel="branch", ylabel="added to the right logit", title="attribution")
axes[1].legend(title="median and range, 5 seeds")
plots.show(
    "Left, positions right when the stream is read by the head after each branch: a steady climb "
    "from 10 to nearly 100 %. Right, what branches add to the right logit: feed-forward more and "
    "more with depth, attention little."
)

# %% tags=["demo"]
print("positions right after 0, 2, 4, ... 24 branches (%):")
print(*[f"{v:.0f}" for v in lens.mean(0)[::2]])

# %% [markdown]
# There is no moment at which the network "knows". Every branch improves the guess a little: read
# after half of the branches, 71 % of the positions are right, and the curve climbs in steps: at
# the feed-forward networks. The attribution says why. The feed-forward networks write into the direction of the
# right digit, the later the more. Attention hardly does: its work shows in what the feed-forward
# networks after it can write. (Do not read small terms as "unimportant". A branch may matter by what
# others read from it; section 6 takes branches away.)
#
# Is the lens fair to early layers? Not always. It assumes that the stream speaks the head's language
# from the start; Belrose et al. (2023) train a translator for each layer instead, and find the
# lens biased in some models.
#
# ## 5 · Six wirings
#
# Pre-norm has a flaw of its own. Its stream grows: if every branch adds something of size one,
# independent of the rest, then $2N$ branches make it grow as $\sqrt{2N}$, and later branches, read
# through a norm, weigh less and less. Measured in untrained networks:

# %% tags=["demo"]
drawing, (axis,) = plots.figure()
depths = (6, 12, 24, 48)
for wiring, role in {
    "pre": "residual",
    "gpt2": "first",
    "layerscale": "second",
    "peri": "third",
}.items():
    ends = [
        torch.stack(
            [sizes(untrained(seed, blocks, wiring), tokens[:64])[1][-1] for seed in range(5)]
        )
        for blocks in depths
    ]
    plots.plot_means(axis, depths, ends, wiring, role)
    print(f"{wiring:11}", *[mean_spread(e, 2).rjust(14) for e in ends])
axis.set(xlabel="blocks", ylabel="size of the stream at the end", xticks=depths, ylim=(0, None))
axis.legend(title="mean ± deviation, 5 seeds")
plots.show(
    "Size of the stream at the end of untrained networks by depth. With pre and peri it grows "
    "with the root of the depth, with gpt2 and layerscale it stays near 1.5."
)

# %% [markdown]
# Pre-norm triples from 6 to 48 blocks, as $\sqrt{8} = 2.8$ would have it. Two remedies hold the size
# constant: GPT-2 shrinks the last layer of every branch by $1/\sqrt{2N}$ at the start, LayerScale
# gives every channel of a branch a small factor that is learned. Peri-norm does **not** stop the
# growth: it norms what a branch adds to size one, so its stream grows as $\sqrt{2N + 2}$ (the
# token vectors count for two), more than pre-norm's. What it stops is growth *by the weights*,
# later in training: no branch can add more than its scale says.
#
# Several wirings, then, that differ in where norms stand, and in how large a branch is at the
# start. The explorer measures any of them untrained. **Look for** wirings whose stream or last
# gradient does not depend on the depth; then take the skips away.

# %% tags=["demo"]
figures.WiringExplorer()

# %% [markdown]
# | name | formula | at the start |
# |---|---|---|
# | `post` (Vaswani et al. 2017) | norm(x + F(x)) | |
# | `pre` (Xiong et al. 2020) | x + F(norm(x)) | |
# | GPT-2 (Radford et al. 2019) | as `pre` | last layer of each branch times $1/\sqrt{2N}$ |
# | `peri` (Ding et al. 2021, "sandwich"; Kim et al. 2025) | x + norm′(F(norm(x))) | |
# | `deepnorm` (Wang et al. 2022) | norm(α x + F(x)), $\alpha = (2N)^{1/4}$ | F's weights times $(8N)^{-1/4}$ |
# | `rezero` (Bachlechner et al. 2020) | x + a F(x), no norm | a = 0, one learned number |
# | `layerscale` (Touvron et al. 2021) | x + g ⊙ F(norm(x)) | g small, one number per channel |
#
# $N$ is the number of blocks. (For DeepNorm these are the constants of an encoder. LayerScale's
# authors start g the smaller, the deeper the network; here 0.1 serves.)
#
# ### Exercise 5 · One wire, six ways
#
# **Goal** a branch and its wiring as one module · **Difficulty** ★★☆ · **Time** 11 minutes ·
# **Points** 2 for `pre`, `post`, `peri`, `deepnorm`; 2 for `rezero`, `layerscale`, and errors
#
# `branch` is a given module; do not change its weights (the smaller weights of DeepNorm are not
# asked for). Norms are `nn.LayerNorm(width)`. Create only what the wiring uses. A `kind` that is
# none of the six raises `ValueError`.
#
# <details><summary>Hint 1: learned numbers</summary>
#
# `nn.Parameter(torch.zeros(1))` is one that starts at 0; `nn.Parameter(torch.full((width,), 0.1))`
# are `width` that start at 0.1. As attributes of the module they are trained, saved and moved with
# it.
#
# </details>
# <details><summary>Hint 2: what does not exist</summary>
#
# `nn.Identity()` in the place of a norm that a wiring lacks lets one line serve several wirings.
# A chain of `if` in `forward` is as good.
#
# </details>
# <details><summary>Hint 3: two norms</summary>
#
# `peri` has two norms, each with weights of its own: before and behind the branch. Neither touches
# x.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "wired", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.Branch", "plusx.wiring", "plusx.right_wired"]}
class Wired(nn.Module):
    """A residual branch in one of six wirings: see the table above.

    branch: nn.Module, (B, T, width) -> (B, T, width)
    width: int, channels
    kind: "pre", "post", "peri", "deepnorm", "rezero" or "layerscale"; else ValueError
    blocks: int, N of the table

    forward: x (B, T, width) -> (B, T, width)
    """

    def __init__(self, branch, width, kind, blocks):
        super().__init__()
        ### BEGIN SOLUTION
        if kind not in ("pre", "post", "peri", "deepnorm", "rezero", "layerscale"):
            raise ValueError(f"no such wiring: {kind!r}")
        self.branch, self.kind = branch, kind
        self.alpha = (2 * blocks) ** 0.25 if kind == "deepnorm" else 1.0
        if kind != "rezero":
            self.norm = nn.LayerNorm(width)
        if kind == "peri":
            self.behind = nn.LayerNorm(width)
        if kind == "rezero":
            self.gain = nn.Parameter(torch.zeros(1))
        if kind == "layerscale":
            self.gain = nn.Parameter(torch.full((width,), 0.1))
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        if self.kind == "rezero":
            return x + self.gain * self.branch(x)
        if self.kind in ("post", "deepnorm"):
            return self.norm(self.alpha * x + self.branch(x))
        y = self.branch(self.norm(x))  # (B, T, width)
        if self.kind == "peri":
            y = self.behind(y)
        if self.kind == "layerscale":
            y = self.gain * y
        return x + y
        ### END SOLUTION


# %% [markdown]
# **First check: wirings without a gain.**

# %% nbgrader={"grade": true, "grade_id": "test_wired_a", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(6)
for kind in ("pre", "post", "peri", "deepnorm"):
    expect_wired(Wired, kind, 4, 6)
print("Exercise 5, no gain: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(601)
for kind in ("pre", "post", "peri", "deepnorm"):
    for width, blocks in [(6, 1), (3, 40)]:
        expect_wired(Wired, kind, width, blocks)
    with expect_works(
        f"Wired({kind!r}) on another device (meta)", "a device is written into the module"
    ):
        y = Wired(nn.Linear(4, 4), 4, kind, 3).to("meta")(torch.empty(2, 3, 4, device="meta"))
    expect_true(y.is_meta, f"Wired({kind!r}): the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# **Second check: wirings with a gain, and errors.**

# %% nbgrader={"grade": true, "grade_id": "test_wired_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(7)
for kind in ("rezero", "layerscale"):
    expect_wired(Wired, kind, 4, 6)
with expect_raises(ValueError, "Wired(branch, 4, 'pro', 6)", "this kind does not exist"):
    Wired(nn.Linear(4, 4), 4, "pro", 6)
print("Exercise 5, gains: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(701)
for kind in ("rezero", "layerscale"):
    for width, blocks in [(6, 1), (3, 40)]:
        expect_wired(Wired, kind, width, blocks)
    with expect_works(
        f"Wired({kind!r}) on another device (meta)",
        "the gain stays behind: make it an nn.Parameter",
    ):
        y = Wired(nn.Linear(4, 4), 4, kind, 3).to("meta")(torch.empty(2, 3, 4, device="meta"))
    expect_true(y.is_meta, f"Wired({kind!r}): the device of the result is that of x")
for kind in ("", "gpt2", "PRE", None):
    with expect_raises(ValueError, f"Wired(branch, 4, {kind!r}, 6)", "this kind does not exist"):
        Wired(nn.Linear(4, 4), 4, kind, 6)
### END HIDDEN TESTS

# %% [markdown]
# **Twenty-four blocks** (48 branches), learning rate 0.001, no warm-up, 200 steps, five seeds
# (shipped; `python -m plusx.transformer_studies transformer_wirings`):

# %% tags=["demo"]
wirings = load_study("transformer_wirings")
ends = {name: 100 - record.test_error[:, -1] for (name,), record in wirings.items()}
drawing, (axis,) = plots.figure(height=3.4)
figures.show_bars(axis, ends)
axis.axvline(figures.GUESSING, color="gray", linestyle=":")
axis.set(xlabel="positions right (%), mean ± deviation, each seed", xlim=(0, 103))
plots.show(
    "Positions right after 200 steps with 24 blocks, by wiring: post-norm guesses; ReZero reaches "
    "about 91 %, the other five between 94 and 99 %."
)
for name, runs in ends.items():
    print(f"{name:11} {mean_spread(runs)} %")

# %% [markdown]
# Post-norm stays at guessing. All others train; each makes branches small against the stream at the
# start, or normed. DeepNorm keeps post-norm's order, and only scales: at this depth and rate it is
# even the best, by more than three standard errors over pre-norm (lesson 01 has the formula). ReZero
# is behind by more than five; its branches must first grow from nothing, and 200 steps are few. Peri-norm
# is behind by a little more than two, the others are within two. **Do not take this as a ranking.** Learning rate and
# length of training were chosen once, for none of them.
#
# ## 6 · Lesions: the unraveled view again
#
# Lesson 05 deletes blocks of residual networks, and little happens. A transformer is a residual
# network. Take one of the twelve blocks out, or swap two neighbours, and do not train again.

# %% tags=["demo"]
from plusx import lesions


def scorer(net):
    """A function that runs the network with other blocks: percent of positions right."""
    tokens, targets = (half[:256] for half in task.test())

    @torch.no_grad()
    def score(blocks):
        logits = net.head(net.norm(nn.Sequential(*blocks)(net.stem(tokens))))
        return 100 * (logits.argmax(-1) == targets).float().mean().item()

    return score


# %% tags=["demo"]
deleted, swapped = {}, {}
for wiring, nets in sorters.items():
    blocks_and_scores = [(list(net.blocks), scorer(net)) for net in nets]
    deleted[wiring] = torch.stack([lesions.delete_each(*both) for both in blocks_and_scores])
    swapped[wiring] = torch.stack([lesions.swap_each(*both) for both in blocks_and_scores])
    whole = right[wiring]
    for what, found in (("one block deleted", deleted), ("neighbours swapped", swapped)):
        runs = found[wiring].mean(1)
        print(
            f"{figures.NAMES[wiring]:10} {what}: {mean_spread(runs)} % right, whole {mean_spread(whole)}"
        )

# %% tags=["demo"]
drawing, axes = plots.figure(2, share_y=True)
for wiring, role in figures.ROLES.items():
    name = figures.NAMES[wiring]
    plots.plot_runs(axes[0], range(1, 13), deleted[wiring], name, role)
    plots.plot_runs(axes[1], range(1, 12), swapped[wiring], name, role)
figures.accuracy_axes(axes[0], "one block deleted")
figures.accuracy_axes(axes[1], "a block and the next one swapped")
axes[0].set_xlabel("deleted block")
axes[1].set(xlabel="first of the two", ylabel="")
axes[0].legend(title="median and range, 5 seeds")
plots.show(
    "Positions right without one of twelve blocks, and with two neighbours swapped. In pre-norm "
    "only the first few blocks matter, and late ones hardly do; in post-norm every lesion hurts, "
    "and leaves 40 to 70 %."
)

# %% [markdown]
# The unraveled view holds for the upper half of the pre-norm network: delete block 7 or any later
# one, or swap two of them, and hardly a position changes. It fails for the lower blocks. Without
# the first, more than half of the positions are wrong, although eleven blocks with all their
# shortcuts are there: what later blocks read was, it seems, never written. So blocks are not
# interchangeable; *late* ones are nearly so. Post-norm (whole: 80 %) loses at every place. There no
# stream runs past the norms, but it is also the network that has learned less: the comparison
# shows a difference, not its cause.
#
# Large pre-norm language models show the same pattern, early layers critical, many late ones
# dispensable (Men et al. 2024; Gromov et al. 2024; Sun et al. 2025). Mind that deleting *one* block
# says little about deleting many, or about training a shallower network to begin with.
#
# ### Side by side
#
# If blocks hardly notice when a neighbour is missing, do attention and feed-forward have to wait
# for each other? GPT-J (Wang, Komatsuzaki 2021) and PaLM (Chowdhery et al. 2022) let both read the
# same stream, through one norm:
#
# $$y = x + A(\mathrm{norm}(x)) + M(\mathrm{norm}(x)).$$
#
# That is one sum instead of two, half as many norms, and two matrix products that may run at the
# same time. Ours, twelve blocks each (shipped):

# %% tags=["demo"]
successors = load_study("transformer_successors")
for name in ("pre", "parallel"):
    print(f"{name:9} {mean_spread(100 - successors[(name,)].test_error[:, -1])} % right")

# %% [markdown]
# Side by side is a little worse here, by less than two standard errors: no difference by the rule of lesson 01. It has
# half the depth in branches, and feed-forward cannot read what attention found in its own block, only
# in the block before. The gain is time on large machines, not measured here.
#
# ## 7 · A model that writes
#
# The same blocks with **causal** attention, where a position sees only what stands before it,
# predict the next character of a text. The text ships with the course: a tale of 7,300
# characters, written for this lesson. (It is about a residual stream, but does not know it.)

# %%
tale = NextCharacter(load_text(), length=32)
print(load_text()[37:330])

# %% tags=["demo"]
recipe = SequenceRecipe(batch=32, lr=3e-3)
writers = SequenceTraining(
    lambda: Transformer(tale.vocabulary, 32, width=48, heads=4, blocks=4, causal=True),
    tale,
    recipe,
    seeds=3,
)
sample = tale.batch(512, torch.Generator().manual_seed(1))
for steps in (0, 100, 200, 200):
    advance_kept(writers, steps)
    losses = [writers.evaluate(*pair)[0] for pair in (sample, tale.test())]  # (seeds,) each
    shown = ", ".join(
        f"{name} {mean_spread(loss, 2)}" for name, loss in zip(("read", "new"), losses, strict=True)
    )
    print(f"{writers.step:4} steps, nats per character: {shown} (3 seeds)")

# %% [markdown]
# "Read" are windows from the nine tenths that it trains on, "new" is the last tenth of the tale.
# Untrained, the loss is a little above $\ln 45 = 3.8$, that of guessing among 45 characters. On a
# text this short the network overfits: towards the end the first number still falls and the
# second rises.
#
# ### Exercise 6 · Let it write
#
# **Goal** text from a network · **Difficulty** ★★☆ · **Time** 7 minutes · **Points** 2
#
# Give the network the last `length` tokens at most, take the logits of the **last** position, and
# choose the next token: with temperature 0 the one of the largest logit; otherwise draw it with
# probabilities `softmax(logits / temperature)`. Append it, and go on.
#
# <details><summary>Hint 1: shapes</summary>
#
# The network wants (B, T): `tokens[None, -length:]`. Its logits are (1, T, V); you need
# `[0, -1]`.
#
# </details>
# <details><summary>Hint 2: drawing</summary>
#
# `torch.multinomial(probabilities, 1)` draws one index, as a tensor of shape (1,).
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "generate", "locked": false, "schema_version": 3, "solution": true, "task": false}
def generate(net, tokens, count, length, temperature=0.0):
    """Continue a sequence of tokens.

    net: nn.Module, tokens (B, T) -> logits (B, T, V); T at most `length`
    tokens: (T,), integers, T at least 1
    count: int, how many tokens to add
    temperature: float, 0 takes the most likely token, larger is more random
    returns: (T + count,), the given tokens and the new ones
    """
    ### BEGIN SOLUTION
    for _ in range(count):
        with torch.no_grad():
            logits = net(tokens[None, -length:])[0, -1]  # (V,)
        if temperature == 0:
            new = logits.argmax().view(1)
        else:
            new = torch.multinomial((logits / temperature).softmax(0), 1)
        tokens = torch.cat([tokens, new])
    return tokens
    ### END SOLUTION


# %% tags=["judge"]
def follower(vocabulary):
    """A network in which token n is followed by n + 1: logits 5 for it, 0 for the others."""
    net = nn.Embedding(vocabulary, vocabulary)
    net.weight.data = 5 * torch.eye(vocabulary).roll(1, 1)
    return net


def mixer(vocabulary, width=8):
    """A random network whose last logits depend on all tokens that it is given."""
    layer = diagnose.torch_block(width, 2, norm_first=True)
    net = nn.Sequential(nn.Embedding(vocabulary, width), layer, nn.Linear(width, vocabulary))
    for weight in net.parameters():
        if weight.ndim > 1:
            weight.data.normal_()
    return net.eval()


def continued(net, tokens, count, length):
    """The right greedy continuation, as a list."""
    tokens = tokens.tolist()
    with torch.no_grad():
        for _ in range(count):
            tokens.append(net(torch.tensor([tokens[-length:]]))[0, -1].argmax().item())
    return tokens


# %% nbgrader={"grade": true, "grade_id": "test_generate", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
with expect_works("generate, in a net where token n is followed by n + 1"):
    longer = generate(follower(7), torch.tensor([4, 2]), 6, length=3)
hint = "given tokens first, then the new ones"
expect_shape(longer, (8,), "generate: two given tokens and six new ones", hint)
what = "generate, in a net where token n is followed by n + 1"
hint = "read the logits of the last position, take the largest"
expect_equal(longer.tolist(), [4, 2, 3, 4, 5, 6, 0, 1], what, hint)
print("Exercise 6: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(801)
for given, count, length in [(3, 12, 5), (9, 10, 4), (1, 8, 20), (6, 0, 3)]:
    net, tokens = mixer(30), torch.randint(30, (given,))
    what, before = f"generate: {given} tokens given, {count} new, length {length}", tokens.clone()
    with expect_works(what, "no more than `length` tokens go into the network"):
        longer = generate(net, tokens, count, length)
    expect_equal(
        tokens.tolist(), before.tolist(), f"{what}: the caller's tokens", "changed in place"
    )
    expect_shape(longer, (given + count,), what, "given tokens first, then the new ones")
    wrong = {
        "the network gets all tokens: give it the last `length`": continued(
            net, tokens, count, 999
        ),
        "the network gets the last token alone: give it the last `length`": continued(
            net, tokens, count, 1
        ),
        "the network gets one token too few": continued(net, tokens, count, max(1, length - 1)),
        "the network gets one token too many": continued(net, tokens, count, length + 1),
    }
    hint = "read the logits of the last position, take the largest"
    expect_equal(longer.tolist(), continued(net, tokens, count, length), what, hint, wrong)


def share_of_one(temperature, draws=400):
    """How often token 1 is drawn, where its logit is 5 and three others have 0, always."""
    net = nn.Embedding(4, 4)
    net.weight.data = torch.tensor([0.0, 5.0, 0.0, 0.0]).repeat(4, 1)
    drawn = generate(net, torch.zeros(1, dtype=torch.int64), draws, 8, temperature)
    return (drawn[1:] == 1).double().mean().item()


for temperature in (3.0, 8.0, 0.5):
    probability = (torch.tensor([0.0, 5.0, 0.0, 0.0]) / temperature).softmax(0)[1].item()
    share = share_of_one(temperature)
    near = abs(share - probability) < 5 * (probability * (1 - probability) / 400) ** 0.5 + 0.01
    hint = "divide the logits by the temperature, then softmax, then draw"
    expect_true(near, f"generate at temperature {temperature:g}: how often tokens are drawn", hint)
### END HIDDEN TESTS

# %% [markdown]
# Let the trained networks write, with a function of the lesson's own:


# %% tags=["demo"]
@torch.no_grad()
def write(net, start, count, temperature, seed):
    draw, tokens = torch.Generator().manual_seed(seed), tale.encode(start)
    for _ in range(count):
        logits = net(tokens[None, -32:])[0, -1] / temperature  # (V,)
        tokens = torch.cat([tokens, torch.multinomial(logits.softmax(0), 1, generator=draw)])
    return tale.decode(tokens)


writer = writers.trained()[0].cpu()
for temperature in (0.3, 0.8, 1.5):
    print(f"temperature {temperature}:\n{write(writer, 'The reader', 170, temperature, 0)}\n")

# %% [markdown]
# Words and half sentences of the tale at a low temperature, soup at a high one: 119,085
# weights, and a minute of training. Now the lens. After each branch, what does the stream say
# comes next?

# %% tags=["demo"]
start = "The boy carried the slate to the"
with torch.no_grad():
    branches = [branch.added for branch in writer.branches()]
    parts = diagnose.right_contributions(writer.stem(tale.encode(start)[None]), branches)
    chances = writer.head(writer.norm(parts.cumsum(0)))[:, 0].softmax(-1)  # (L + 1, T, V)
names = ["tokens"] + [f"{kind} {n}" for n in range(1, 5) for kind in ("attention", "feed-forward")]
print(f"{'read: the slate to the':22}", " ".join(start[11:]))
for name, chance in zip(names, chances, strict=True):
    print(f"{name:22}", " ".join(tale.decode(chance.argmax(-1))[11:]))

# %% [markdown]
# Without any branch the stream holds the last character alone, and the guesses are single letters
# that often follow it. Branch by branch they turn into most of the words; the last row is the network's own
# answer. On new sentences it would be wrong more often: this one stands in the tale.
#
# ## 8 · What comes after the single stream?
#
# Recent proposals keep the sum, and change who adds what to which.
#
# **Hyper-connections** (Zhu et al. 2024) run $n$ streams $H$, of shape (n, B, T, C). A branch reads
# a weighted sum of them and writes to all with weights; a small matrix mixes the streams:
#
# $$H'_m = \sum_k \text{mix}_{mk} H_k + \text{write}_m \cdot F\Bigl(\sum_k \text{read}_k H_k\Bigr).$$
#
# All $n^2 + 2n$ numbers are learned. They start such that the streams are copies and the network
# equals a pre-norm transformer. (In the papers the numbers may also depend on x; ours are static.)
#
# **Manifold-constrained** hyper-connections (Xie et al. 2025): a product of many free mixing
# matrices may explode, just like the unscaled sums of lesson 02. So make every `mix` **doubly
# stochastic**: entries not negative, rows and columns sum to one. Such matrices have norm 1, and
# so have their products. Sinkhorn and Knopp (1967) find one: take $\exp$, divide each row by its
# sum, then each column by its sum, again and again.
#
# **Attention over earlier layers** (Kimi Team 2026): each branch reads a weighted *mean* of the
# token vectors and of all earlier branches' results, with weights from a softmax.
#
# ### Exercise 7 · Hyper-connections
#
# **Goal** the step, and the constraint · **Difficulty** ★★☆ · **Time** 9 minutes · **Points** 1
# for `sinkhorn`, 1 for `hyper_step`
#
# <details><summary>Hint 1: sums of rows</summary>
#
# `matrix.sum(-1, keepdim=True)` holds the sum of each row, in a shape that divides the matrix.
#
# </details>
# <details><summary>Hint 2: weighted sums of streams</summary>
#
# `torch.einsum("k,kbtc->btc", read, H)`, and `torch.einsum("mk,kbtc->mbtc", mix, H)`. The branch
# runs once.
#
# </details>
# <details><summary>Hint 3: writing</summary>
#
# `write.view(-1, 1, 1, 1) * y` has shape (n, B, T, C).
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "hyper", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.sinkhorn", "plusx.HyperConnection", "plusx.right_hyper"]}
def sinkhorn(logits, steps):
    """A nearly doubly stochastic matrix: exp, then rows, columns, rows, columns ...

    logits: (n, n)
    steps: int, at least 1; each divides all rows by their sums, then all columns by theirs
    returns: (n, n)
    """
    ### BEGIN SOLUTION
    matrix = logits.exp()
    for _ in range(steps):
        matrix = matrix / matrix.sum(-1, keepdim=True)
        matrix = matrix / matrix.sum(-2, keepdim=True)
    return matrix
    ### END SOLUTION


def hyper_step(H, branch, mix, read, write):
    """One branch in n streams: see the formula above.

    H: (n, B, T, C); branch: (B, T, C) -> (B, T, C), called once
    mix: (n, n); read, write: (n,)
    returns: (n, B, T, C)
    """
    ### BEGIN SOLUTION
    x = torch.einsum("k,kbtc->btc", read, H)  # (B, T, C)
    mixed = torch.einsum("mk,kbtc->mbtc", mix, H)  # (n, B, T, C)
    return mixed + write.view(-1, 1, 1, 1) * branch(x)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_hyper_a", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
logits = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
e = torch.e
by_hand = torch.tensor([[1 / (1 + e), e / (1 + e)], [0.5, 0.5]])  # rows sum to one
by_hand = by_hand / by_hand.sum(0)  # columns sum to one
with expect_works("sinkhorn of a 2 x 2 matrix, one step"):
    matrix = sinkhorn(logits, 1)
expect_close(matrix, by_hand, "sinkhorn, one step", wrong=diagnose.wrong_sinkhorns(logits, 1))
print("Exercise 7, sinkhorn: the visible checks pass.")
### BEGIN HIDDEN TESTS
from plusx.streams import sinkhorn as right_sinkhorn

torch.manual_seed(901)
for n, steps in [(3, 3), (4, 1), (5, 2), (4, 40)]:
    what, logits = f"sinkhorn of a {n} x {n} matrix, {steps} steps", torch.randn(n, n).double()
    before = logits.clone()
    with expect_works(what):
        matrix = sinkhorn(logits, steps)
    expect_close(logits, before, f"{what}: the caller's logits", "they are changed in place")
    wrong = diagnose.wrong_sinkhorns(logits, steps)
    expected = right_sinkhorn(logits, steps)
    expect_close(matrix, expected, what, rtol=1e-9, atol=1e-12, wrong=wrong)
logits = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
(gradient,) = torch.autograd.grad(right_sinkhorn(logits, 2)[0, 1], logits)
found = sinkhorn(logits, 2)
expect_true(found.requires_grad, "sinkhorn: gradients flow through it", "it is detached")
found[0, 1].backward()
expect_close(logits.grad, gradient, "sinkhorn: gradient with respect to the logits")
with expect_works("sinkhorn on another device (meta)", "a device is written into the function"):
    matrix = sinkhorn(torch.empty(3, 3, device="meta"), 2)
expect_true(matrix.is_meta, "sinkhorn: the device of the result is that of the logits")
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "test_hyper_b", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
torch.manual_seed(9)
H, branch = torch.randn(2, 1, 3, 4), nn.Sequential(nn.Linear(4, 4), nn.Tanh())
mix, read, write = torch.randn(2, 2), torch.randn(2), torch.randn(2)
with torch.no_grad(), expect_works("hyper_step with two streams"):
    found = hyper_step(H, branch, mix, read, write)
with torch.no_grad():
    expected = diagnose.right_hyper(H, branch, mix, read, write)
    wrong = diagnose.wrong_hypers(H, branch, mix, read, write)
expect_close(found, expected, "hyper_step with two streams", wrong=wrong)
print("Exercise 7, hyper_step: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(911)
for n, B, T, C in [(4, 2, 3, 5), (1, 1, 2, 3), (3, 2, 1, 4)]:
    what = f"hyper_step with {n} streams, ({B}, {T}, {C}) each"
    branch = nn.Sequential(nn.LayerNorm(C), nn.Linear(C, 7), nn.GELU(), nn.Linear(7, C)).double()
    H = torch.randn(n, B, T, C, dtype=torch.float64, requires_grad=True)
    mix, read, write = (torch.randn(s, dtype=torch.float64) for s in ((n, n), (n,), (n,)))
    before = H.detach().clone()
    with expect_works(what):
        found = hyper_step(H, branch, mix, read, write)
    expect_close(H, before, f"{what}: the caller's H after the call", "H is changed in place")
    expected = diagnose.right_hyper(H, branch, mix, read, write)
    expect_shape(found, expected.shape, what)
    with torch.no_grad():
        wrong = diagnose.wrong_hypers(H, branch, mix, read, write)
    expect_close(found, expected, what, rtol=1e-6, wrong=wrong)
    expect_true(found.requires_grad, f"{what}: gradients flow", "something is detached")
    v = torch.randn_like(expected)
    (gradient,) = torch.autograd.grad(expected, H, v)
    found.backward(v)
    expect_close(H.grad, gradient, f"{what}: gradient with respect to H", "a part is detached")
### END HIDDEN TESTS

# %% [markdown]
# ### The mechanism
#
# What the streams carry through 64 branches untouched is the product of 64 mixing matrices. Free
# ones, identity plus noise, against Sinkhorn's:

# %% tags=["demo"]
from plusx.streams import sinkhorn as balanced


def gains(constrained, noise, branches=64, seeds=20):
    """(seeds,): the largest factor by which a product of 4 x 4 mixing matrices stretches."""
    draw, found = torch.Generator().manual_seed(0), []
    for _ in range(seeds):
        product = torch.eye(4)
        for _ in range(branches):
            matrix = torch.eye(4) + noise * torch.randn(4, 4, generator=draw)
            product = (balanced(8 * matrix) if constrained else matrix) @ product
        found.append(torch.linalg.matrix_norm(product, 2).item())
    return torch.tensor(found)


# %% tags=["demo"]
drawing, (axis,) = plots.figure()
noises = (0.02, 0.05, 0.1, 0.2, 0.4)
for name, role in {"free": "plain", "doubly stochastic": "residual"}.items():
    runs = torch.stack([gains(name != "free", noise) for noise in noises], dim=1)  # (seeds, 5)
    plots.plot_runs(axis, noises, runs, name, role)
    print(f"{name:18}", *[f"10^{e:.2f}" for e in runs.log10().median(0).values])
axis.set(xscale="log", yscale="log", xlabel="noise in each matrix", ylabel="largest factor")
axis.set_xticks(noises, map(str, noises))
axis.minorticks_off()
axis.set_title("product of 64 mixing matrices")
axis.legend(title="median and range, 20 draws")
plots.show(
    "Largest factor of a product of 64 mixing matrices by the noise in each: free matrices reach "
    "more than ten thousand at noise 0.4, doubly stochastic ones stay at 1."
)

# %% [markdown]
# Free matrices explode: noise of 0.2 in each entry, and 64 of them stretch some direction by a factor
# of ten or more. The doubly stochastic ones stay at 1, always: that is the theorem, not luck. (Free
# matrices that stay near the identity do no harm; whether training takes them far away is another
# question. Xie et al. 2025 report that in large language models it does, and that training then
# becomes unstable.)
#
# ### Do they help us?
#
# Twelve blocks, the same recipe, five seeds (shipped, `transformer_successors`). Before you look:
# the pre-norm transformer leaves about two per cent of the positions wrong, so there is little to
# gain. Means and deviations decide.

# %% tags=["demo"]
names = {
    "pre": "one stream (pre-norm)",
    "parallel": "one stream, side by side",
    "hyper": "four streams, free",
    "constrained": "four streams, constrained",
    "attention": "attention over layers",
}
losses = {text: successors[(name,)].train_loss for name, text in names.items()}
ROLES = ("residual", "first", "plain", "second", "third")
drawing, (axis,) = plots.figure(height=3.6, wide=True)
for (text, runs), role in zip(losses.items(), ROLES, strict=True):
    plots.plot_runs(axis, range(0, 201, 40), runs, text, role)
axis.set(yscale="log", xlabel="training step", ylabel="loss (nats per position)")
axis.legend(title="median and range, 5 seeds", fontsize=8, title_fontsize=8)
plots.show(
    "Loss by training step of five ways to carry the stream: all curves fall together from 2.3 to "
    "about 0.1, within each other's spread."
)

# %% tags=["demo"]
for name, text in names.items():
    error = successors[(name,)].test_error[:, -1]
    loss = successors[(name,)].train_loss[:, -1]
    print(f"{text:26} wrong {mean_spread(error)} %   loss {mean_spread(loss, 3)}")

# %% [markdown]
# No curve stands out. Four streams, free or constrained, end within two standard errors of one
# stream; attention over layers is worse by about three. None is better. Papers report gains in
# language models that are tens of thousands of times larger and see millions of times more tokens,
# with weights that depend on x; we can neither confirm nor deny them. What we can say: on a task that one stream already solves there is
# nothing to gain, and more connections are more to learn in 200 steps.
#
# ## 9 · The papers beside ours
#
# | claim | paper | ours |
# |---|---|---|
# | gradient near the output, post-norm, at the start | large whatever the depth (Xiong et al. 2020) | 1.3 to 1.7 in the last block, 6 to 48 blocks |
# | the same, pre-norm | falls at least as $1/\sqrt N$ (bound) | falls by half from 6 to 48 blocks |
# | pre-norm without warm-up | comparable with post-norm with warm-up, in less time (Xiong et al. 2020, abstract) | better: 98.2 ± 0.5 against 79.7 ± 4.2 % at 12 blocks, 200 steps |
# | pure attention, no skips | rank collapses doubly exponentially with depth (Dong et al. 2021) | attention and feed-forward, no skips: positions alike (cosine above 0.99) after 3 blocks |
# | DeepNorm | 1,000 layers are stable (Wang et al. 2022) | 24 blocks, no warm-up: 99.2 ± 0.4 % |
# | hyper-connections | converge 1.8 times faster in a mixture of experts, 7 billion parameters of which 1 billion work at a time (Zhu et al. 2024, figure 1) | no difference at 150,000 parameters |
#
# Where we differ: our pre-norm networks are *better* than post-norm ones with warm-up, where the
# paper finds them alike. Two hundred steps, of which warm-up takes eighty, favour what needs no
# warm-up. At three blocks (section 3) pre-norm is ahead by two points only, and level with post-norm
# without warm-up. And there is evidence on the other side that
# a small task cannot show: where both train, post-norm often ends a little *better* on large
# translation tasks (Liu et al. 2020; Nguyen, Salazar 2019, found that pre-norm helped with little
# data and hurt with much).
#
# ## 10 · A written question
#
# **Difficulty** ★★☆ · **Time** 7 minutes · **Points** 2, given by a person
#
# Your team trains a post-norm transformer of 24 blocks with Adam and no warm-up; it stays near
# guessing. Three proposals are made:
#
# 1. *"Its gradients vanish. Use pre-norm."*
# 2. *"Pre-norm is fine, but half of its blocks are useless: you can delete them. So take twelve."*
# 3. *"Take hyper-connections, they are newer and better."*
#
# In six to nine sentences: say for **each** proposal what in it this lesson supports, what it
# contradicts, and which measurement says so (with its spread, where there is one). Then say what
# you would do first.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_wiring", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# Proposal 1 names a remedy that works: with 24 blocks and no warm-up pre-norm sorts 97.5 ± 1.0 % of
# the positions and post-norm 11.2 ± 2.6 % (section 5). Its reason is wrong: at the start post-norm's
# gradients near the output are the larger ones, above 1 at every depth (section 3), and nothing
# vanishes; that small steps in the weights move the output far, 17 ± 7 % at 48 blocks against 3 %,
# fits better. Proposal 2 is right that single late blocks can go: from block 7 on, deletion cost at
# most a few points. It is wrong for early ones (without the first block fewer than half of the
# positions are right), and a lesion of one block says nothing about twelve at once, or about a
# network trained with twelve. Proposal 3 finds no support here: four streams made 2.4 ± 0.9 or 2.8 ±
# 1.4 % errors against 1.8 ± 0.5 % with one, which is within the spread, at one small size. I would
# first train the same network with a warm-up, and pre-norm without, over several seeds each, since
# both are one-line changes.
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, proposals 1 and 2.** Half: pre-norm helps (24 blocks, section 5, or 12 blocks,
#   section 3), but not because gradients vanish: post-norm's are the *larger* ones near the output
#   (section 3). Half: single late blocks can be deleted, early ones cannot (section 6), and one deletion says
#   nothing about deleting half, or about training with twelve from the start.
# - **1 point, proposal 3 and a decision.** Half: here hyper-connections are within the spread of
#   pre-norm (section 8), or worse. Half: a sensible first step with a measurement over several seeds
#   (warm-up, pre-norm, a smaller rate, or DeepNorm).
#
# No point for a claim that contradicts the measurements, however well it is written.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 11 · Summary
#
# - A transformer block has two residual branches. Post-norm puts a norm behind each sum, pre-norm
#   into each branch; in pre-norm the stream runs through untouched.
# - Without skips, six blocks learn next to nothing: attention makes all positions alike.
# - Deep post-norm needs warm-up (or DeepNorm), pre-norm does not. Before training its gradients near
#   the output do not shrink with depth, those of pre-norm halve from 6 to 48 blocks (the bound falls
#   as $1/\sqrt N$). With Adam, how far the *output* moves per step is at least as good an explanation.
# - The pre-norm stream is an exact sum. Contributions can be read off, decoded half-way, and
#   credited with their part of the logits.
# - It grows with depth, so later branches weigh less. Scaling at the start or a learned gain keeps
#   it constant; a norm behind the branch bounds only what one branch can add.
# - Deleting or swapping late blocks costs little, early ones are needed.
# - Hyper-connections and attention over layers change who adds what to which. At our size we see
#   the mechanism, and no gain.
#
# ## Open questions
#
# - Which wirings keep their rank when width, data and training time grow a thousandfold?
# - If late blocks add little, is that a waste (Sun et al. 2025 call it the curse of depth), or the
#   slow end of a good approximation? (Lesson 05 asks it of images.)
# - The logit lens assumes that all layers speak the head's language. When do they not?
# - Is there a task at which several streams help at small size?
#
# ## Further reading
#
# - R. Sinkhorn, P. Knopp. *Concerning Nonnegative Matrices and Doubly Stochastic Matrices.* 1967,
#   Pacific Journal of Mathematics 21:343.
# - A. Vaswani et al. *Attention Is All You Need.* 2017, [arXiv 1706.03762](https://arxiv.org/abs/1706.03762).
# - R. Xiong et al. *On Layer Normalization in the Transformer Architecture.* 2020,
#   [arXiv 2002.04745](https://arxiv.org/abs/2002.04745).
# - L. Liu, X. Liu, J. Gao, W. Chen, J. Han. *Understanding the Difficulty of Training
#   Transformers.* 2020, [arXiv 2004.08249](https://arxiv.org/abs/2004.08249).
# - Y. Dong, J.-B. Cordonnier, A. Loukas. *Attention Is Not All You Need: Pure Attention Loses Rank
#   Doubly Exponentially with Depth.* 2021, [arXiv 2103.03404](https://arxiv.org/abs/2103.03404).
# - T. Nguyen, J. Salazar. *Transformers without Tears: Improving the Normalization of
#   Self-Attention.* 2019, [arXiv 1910.05895](https://arxiv.org/abs/1910.05895).
# - N. Elhage et al. *A Mathematical Framework for Transformer Circuits.* 2021,
#   [transformer-circuits.pub](https://transformer-circuits.pub/2021/framework/index.html).
# - nostalgebraist. *Interpreting GPT: the logit lens.* 2020,
#   [LessWrong](https://www.lesswrong.com/posts/AcKRB8wDpdaN6v6ru/interpreting-gpt-the-logit-lens).
# - N. Belrose et al. *Eliciting Latent Predictions from Transformers with the Tuned Lens.* 2023,
#   [arXiv 2303.08112](https://arxiv.org/abs/2303.08112).
# - A. Radford et al. *Language Models are Unsupervised Multitask Learners* (GPT-2). 2019.
# - H. Wang et al. *DeepNet: Scaling Transformers to 1,000 Layers.* 2022,
#   [arXiv 2203.00555](https://arxiv.org/abs/2203.00555).
# - T. Bachlechner et al. *ReZero is All You Need.* 2020, [arXiv 2003.04887](https://arxiv.org/abs/2003.04887).
# - H. Touvron et al. *Going Deeper with Image Transformers* (LayerScale). 2021,
#   [arXiv 2103.17239](https://arxiv.org/abs/2103.17239).
# - M. Ding et al. *CogView* (sandwich norm). 2021, [arXiv 2105.13290](https://arxiv.org/abs/2105.13290);
#   J. Kim et al. *Peri-LN.* 2025, [arXiv 2502.02732](https://arxiv.org/abs/2502.02732).
# - B. Wang, A. Komatsuzaki. *GPT-J-6B.* 2021; A. Chowdhery et al. *PaLM.* 2022,
#   [arXiv 2204.02311](https://arxiv.org/abs/2204.02311).
# - D. Zhu et al. *Hyper-Connections.* 2024, [arXiv 2409.19606](https://arxiv.org/abs/2409.19606);
#   Z. Xie et al. *mHC: Manifold-Constrained Hyper-Connections.* 2025,
#   [arXiv 2512.24880](https://arxiv.org/abs/2512.24880).
# - Kimi Team. *Attention Residuals.* 2026, [arXiv 2603.15031](https://arxiv.org/abs/2603.15031).
# - X. Men et al. *ShortGPT: Layers in Large Language Models are More Redundant Than You Expect.*
#   2024, [arXiv 2403.03853](https://arxiv.org/abs/2403.03853); A. Gromov et al. *The Unreasonable
#   Ineffectiveness of the Deeper Layers.* 2024, [arXiv 2403.17887](https://arxiv.org/abs/2403.17887).
# - W. Sun et al. *The Curse of Depth in Large Language Models.* 2025,
#   [arXiv 2502.05795](https://arxiv.org/abs/2502.05795).
