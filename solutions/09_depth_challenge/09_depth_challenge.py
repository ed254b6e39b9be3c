# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: The depth challenge
#     minutes: 90
#     points: 20
#     goals:
#       - Count parameters and multiply-adds of a network from its description alone.
#       - Trade depth against width under a budget, and say what skips change about it.
#       - Tell a better network from a luckier one, with an exact test and the noise of a test set.
#       - Average the weights of a training, and say when that helps and when it hurts.
#       - Train an entry within the budget, hand it in as plain data, and read a leaderboard soberly.
#     needs:
#       - Residual, pre-activated and dense blocks (lessons 02, 04, 07), counting costs (lesson 03)
#       - A training loop in PyTorch; mean, standard deviation, a little counting
# ---

# %% [markdown]
# # 09 · The depth challenge
#
# **90 minutes · 20 points** (six exercises and one written question)
#
# The last lesson is a contest. You get a **budget**: 10,000 parameters and one million
# multiply-adds for an image. You build the best network that fits, out of the parts of this
# course, and train it on your own machine. What you hand in is a list of parts and the weights.
# The judge builds your network anew and shows it thousands of pictures that no notebook contains.
#
# Ten thousand parameters are few: the smallest ResNet of the paper has 27 times as many.
# So every layer has to be worth its price, and the question of the first lesson comes back with a
# price tag: **is it better to be deep, or to be wide?**
#
# **You will be able to**
#
# - count parameters and multiply-adds of a network from its description alone;
# - trade depth against width under a budget, and say what skips change about it;
# - tell a better network from a luckier one, with an exact test and the noise of a test set;
# - average the weights of a training, and say when that helps and when it hurts;
# - train an entry within the budget, hand it in as plain data, and read a leaderboard soberly.
#
# **You need** residual, pre-activated and dense blocks (lessons 02, 04, 07), counting costs
# (lesson 03); a training loop in PyTorch; mean, standard deviation, and a little counting.
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on small
# cases. When your work is graded, more checks run: other sizes, other dtypes, another device.
# Hints are folded; open them one at a time. Training your own entry takes the machine a few
# minutes more, while you do something else.

# %%
from itertools import combinations
from statistics import mean

import torch

import plusx
from plusx import diagnose_challenge as diagnose
from plusx import plots
from plusx.challenge import Costs, build, costs_of, layers_of, stages
from plusx.challenge_entry import (
    BANDS,
    accuracy,
    cell_text,
    examine,
    held_out,
    marked,
)
from plusx.challenge_studies import BLOCKS, DECAY, EXAMPLE, load_study, widest_parts
from plusx.challenge_training import RECIPE, training_data
from plusx.expect import expect_close, expect_equal, expect_true, expect_type, expect_works
from plusx.experiments import mean_spread
from plusx.trained import trained_networks

# %%
plusx.seed_all(0)
data = training_data(10_000)
print(f"{len(data.train_labels):,} images to train on, {len(data.test_labels):,} to look at")

# %% [markdown]
# ## 1 · The rules
#
# **The task** is lesson 01's: small pictures of five shapes in two patterns, ten classes, 16 × 16
# pixels, noisy.

# %% tags=["demo"]
from plusx.data import PATTERNS, SHAPES, make_shapes

images, labels = make_shapes(100, seed=0)  # (N, C, H, W), from 0 to 1
examples = {}
for pattern, pattern_name in enumerate(PATTERNS):
    for shape, shape_name in enumerate(SHAPES):
        n = (labels == shape + 5 * pattern).nonzero()[0, 0]  # the first of its class
        examples[f"{shape_name}\n{pattern_name}"] = images[n].permute(1, 2, 0)  # (H, W, C)
plots.show_images(examples, height=1.4)
plots.show(
    "One image of each class: disc, square, triangle, cross and ring, with stripes and with a "
    "checker pattern, coloured and noisy."
)

# %% [markdown]
# **A network is data**: a list of parts, each `[kind, width]` or `[kind, width, stride]`.
#
# | kind | what it computes | gives |
# |---|---|---|
# | `"conv"` | $\text{relu}(N(Cx))$ | `width` channels |
# | `"residual"` | $\text{relu}\bigl(x + N(C\,\text{relu}(N(Cx)))\bigr)$, lesson 02 | `width` channels |
# | `"preactivation"` | $x + C\,\text{relu}(N(C\,\text{relu}(N(x))))$, lesson 04 | `width` channels |
# | `"dense"` | $x$ beside $C\,\text{relu}(N(x))$, lesson 07 | `width` channels more than it got |
#
# $C$ is a 3 × 3 convolution without bias, with padding, $N$ batch norm. The **first** convolution of a
# part has its stride (1 or 2). Where a skip has to change shape, it drops pixels and appends zeros
# (option A of lesson 02: no weights), so its `width` cannot be smaller than the channels that come
# in; the skip of `"dense"` takes means over 2 × 2 pixels. Behind the last part there always stand a
# norm, a ReLU, the mean over all pixels, and one dense layer with bias.

# %%
parts = [["conv", 8], ["residual", 8], ["residual", 12, 2], ["residual", 16, 2]]
net = build(parts)
print(f"{layers_of(parts)} layers, logits {tuple(net(torch.randn(5, 3, 16, 16)).shape)}")
print(costs_of(parts))

# %% [markdown]
# **Everything is allowed in training**: `make_shapes` draws as many pictures as you like, you may
# augment, average, search, train for a night. Only the result is judged. The judge's pictures come
# from the same generator, by a seed that you do not have.
#
# ### Exercise 1 · Parameters
#
# **Goal** read the price of a network off its description · **Difficulty** ★★☆ · **Time** 12
# minutes · **Points** 3
#
# Count trainable numbers. Please do it by arithmetic: that is how you will find out where your
# budget goes.
#
# <details><summary>Hint 1: what has parameters?</summary>
#
# A convolution from $a$ to $b$ channels has $9ab$, a norm of $c$ channels $2c$ (scale and shift), the dense
# layer from $c$ to 10 has $10c + 10$. ReLU, skips and means have none.
#
# </details>
# <details><summary>Hint 2: walk along</summary>
#
# Keep the number of channels that arrive: 3 at first. For each part, add what it costs, then
# set the channels to what leaves it. For `"dense"` that is `channels + width`.
#
# </details>
# <details><summary>Hint 3: which norms?</summary>
#
# `"conv"`: one, of `width`. `"residual"`: two, of `width`. `"preactivation"`: the first stands before
# the first convolution, so it has `channels`; the second has `width`. `"dense"`: one of `channels`.
# And one of `channels` behind the last part.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "parameters_of", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.costs_of", "plusx.count_parameters", "plusx.Count"]}
def parameters_of(parts):
    """Trainable numbers of the network of a list of parts.

    parts: list of [kind, width] or [kind, width, stride]
    returns: int
    """
    ### BEGIN SOLUTION
    total, channels = 0, 3
    for kind, width, *_ in parts:
        total += 9 * channels * width
        if kind in ("residual", "preactivation"):
            total += 9 * width * width
        norms = {
            "conv": width,
            "residual": 2 * width,
            "preactivation": channels + width,
            "dense": channels,
        }
        total += 2 * norms[kind]
        channels = channels + width if kind == "dense" else width
    return total + 2 * channels + 10 * channels + 10
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_parameters_of", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
for parts, by_hand in [
    ([["conv", 2], ["residual", 4, 2]], 58 + (9 * 2 * 4 + 9 * 4 * 4 + 2 * 8) + 8 + 50),  # 348
    ([["conv", 2]], (9 * 3 * 2 + 2 * 2) + 2 * 2 + (10 * 2 + 10)),  # 92
    ([["conv", 2], ["preactivation", 4]], 58 + (72 + 144 + 2 * (2 + 4)) + 8 + 50),  # 344
    ([["conv", 2], ["dense", 4, 2]], 58 + (9 * 2 * 4 + 2 * 2) + 2 * 6 + 10 * 6 + 10),  # 216
]:
    wrong = diagnose.wrong_parameters(parts)
    expect_equal(parameters_of(parts), by_hand, f"parameters_of({parts})", wrong=wrong)
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
for parts in [
    [["conv", 5, 2], ["conv", 7], ["conv", 3, 1]],
    [["residual", 4], ["residual", 4, 2], ["residual", 9, 2]],
    [["preactivation", 3], ["preactivation", 8, 2], ["preactivation", 8]],
    [["dense", 6], ["dense", 2, 2], ["dense", 5]],
    [["conv", 6], ["dense", 4], ["residual", 11, 2], ["preactivation", 12], ["conv", 5, 2]],
    [["dense", 7, 2], ["preactivation", 10], ["dense", 3], ["residual", 16, 2]],
    stages("dense", 3, 2),
    stages("preactivation", 5, 3),
]:
    names = ", ".join(f"{kind} {width}" for kind, width, *_ in parts)
    what = f"parameters_of a network of {len(parts)} parts ({names[:70]})"
    with expect_works(what):
        found = parameters_of(parts)
    wrong = diagnose.wrong_parameters(parts)
    hint = "9 x channels x width for each convolution, two numbers a channel for each norm"
    expect_equal(found, costs_of(parts).parameters, what, hint, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 2 · Multiply-adds
#
# **Goal** the other half of the price · **Difficulty** ★★☆ · **Time** 10 minutes · **Points** 3
#
# One multiply-add is one multiplication and the addition that goes with it, for one image. Count those of
# convolutions and of the dense layer; norms, ReLUs, skips and means do not count.
#
# <details><summary>Hint 1: a weight is used often</summary>
#
# A convolution uses each of its $9ab$ weights once for every pixel that *leaves* it. The dense layer
# uses its $10c$ weights once.
#
# </details>
# <details><summary>Hint 2: sizes</summary>
#
# 16 rows at first. A stride of 2 leaves half of the rows and columns, rounded **up**: 16, 8, 4, 2, 1,
# 1. `-(-rows // 2)` rounds up. The first convolution of a part has the stride, so both
# convolutions of a block give images of the smaller size.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "multiply_adds_of", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.costs_of", "plusx.count_multiply_adds", "plusx.Count"]}
def multiply_adds_of(parts):
    """Multiply-adds of the network of a list of parts, for one image of 3 x 16 x 16 numbers.

    parts: list of [kind, width] or [kind, width, stride]
    returns: int
    """
    ### BEGIN SOLUTION
    total, channels, rows = 0, 3, 16
    for kind, width, *rest in parts:
        stride = rest[0] if rest else 1
        rows = -(-rows // stride)
        total += 9 * channels * width * rows**2
        if kind in ("residual", "preactivation"):
            total += 9 * width * width * rows**2
        channels = channels + width if kind == "dense" else width
    return total + 10 * channels
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_multiply_adds_of", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
for parts, by_hand in [
    ([["conv", 2]], 9 * 3 * 2 * 256 + 10 * 2),  # 13,844
    ([["conv", 2, 2], ["residual", 4, 2]], 54 * 64 + (72 + 144) * 16 + 40),  # 6,952
    ([["conv", 2], ["dense", 4, 2]], 54 * 256 + 72 * 64 + 60),  # 18,492
]:
    wrong = diagnose.wrong_multiply_adds(parts)
    expect_equal(multiply_adds_of(parts), by_hand, f"multiply_adds_of({parts})", wrong=wrong)
print("Exercise 2: the visible checks pass.")
### BEGIN HIDDEN TESTS
for parts in [
    [["conv", 5, 2], ["conv", 7, 2], ["conv", 3, 2], ["conv", 4, 2], ["conv", 2, 2]],
    [["residual", 4, 2], ["residual", 9, 2], ["residual", 9]],
    [["preactivation", 3], ["preactivation", 8, 2], ["preactivation", 8, 2]],
    [["dense", 6, 2], ["dense", 2, 1], ["dense", 5, 2]],
    [["conv", 6], ["dense", 4, 2], ["residual", 11, 2], ["preactivation", 12], ["conv", 5, 2]],
    [["conv", 2, 2]] * 7,
    stages("dense", 3, 2),
    stages("residual", 5, 3),
]:
    names = ", ".join(" ".join(str(item) for item in part) for part in parts)
    what = f"multiply_adds_of a network of {len(parts)} parts ({names[:70]})"
    with expect_works(what):
        found = multiply_adds_of(parts)
    wrong = diagnose.wrong_multiply_adds(parts)
    hint = "9 x channels x width for every pixel that leaves a convolution"
    expect_equal(found, costs_of(parts).multiply_adds, what, hint, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · Deep, or wide?
#
# To compare, we need a family. `stages(kind, width, blocks)` gives one convolution and then three
# stages, on 16 × 16, 8 × 8 and 4 × 4 pixels, with `blocks` blocks each, `width`, 1.5 and 2 times as wide.
# (Of kind `"conv"`, a block is two parts, so that it has as many layers as a residual one; of kind
# `"dense"` as well, and each part appends `width` channels.)

# %%
for kind in ("conv", "residual", "dense"):
    parts = stages(kind, 4, 1)
    print(f"{kind:9} {layers_of(parts)} layers, {costs_of(parts)}")
    print(f"          {parts}")

# %% [markdown]
# A plain network and its residual twin cost the same to the last parameter: option A's skips are
# free. Depth is not. Twice the layers at the same width cost twice as much, so under a budget
# **a deep network is a narrow one**: costs grow with the square of the width.
#
# ### Exercise 3 · As wide as the budget allows
#
# **Goal** the exchange rate of depth and width · **Difficulty** ★☆☆ · **Time** 5 minutes · **Points** 2
#
# For a kind and a number of blocks, find the largest width for which *both* costs fit. Exactly at the
# budget still fits. Here you may use `costs_of`.
#
# <details><summary>Hint</summary>
#
# Try widths 1, 2, 3, … while they fit. `costs_of(parts)` has `.parameters` and `.multiply_adds`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "widest", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.widest", "plusx.widest_parts", "plusx.best_width"]}
def widest(kind, blocks, parameters, multiply_adds):
    """The largest width of stages(kind, width, blocks) within a budget.

    kind: str, the kind of the parts
    blocks: int, blocks of each stage
    parameters, multiply_adds: ints, the most that the network may have of each
    returns: int; 0 if no width fits
    """
    ### BEGIN SOLUTION
    width = 0
    while True:
        costs = costs_of(stages(kind, width + 1, blocks))
        if costs.parameters > parameters or costs.multiply_adds > multiply_adds:
            return width
        width += 1
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_widest", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for kind, blocks, parameters, adds in [
    ("residual", 1, 1_500, 500_000),  # parameters are what binds
    ("conv", 2, 100_000, 200_000),  # multiply-adds are what binds
]:
    what = f"widest({kind!r}, {blocks}, {parameters:,}, {adds:,})"
    wrong = diagnose.wrong_widths(kind, blocks, Costs(parameters, adds))
    expect_equal(widest(kind, blocks, parameters, adds), 3, what, wrong=wrong)
print("Exercise 3: the visible checks pass.")
### BEGIN HIDDEN TESTS
exact = costs_of(stages("preactivation", 6, 2))
for kind, blocks, parameters, adds in [
    ("preactivation", 2, exact.parameters, 10**9),
    ("preactivation", 2, 10**6, exact.multiply_adds),
    ("preactivation", 2, exact.parameters - 1, exact.multiply_adds),
    ("dense", 2, 6_000, 700_000),
    ("dense", 1, 60_000, 150_000),
    ("conv", 3, 2_500, 10**7),
    ("residual", 5, 10_000, 1_000_000),
    ("residual", 2, 100, 1_000_000),
    ("conv", 1, 10_000, 1_000),
]:
    what = f"widest({kind!r}, {blocks}, {parameters:,}, {adds:,})"
    with expect_works(what):
        found = widest(kind, blocks, parameters, adds)
    expected = diagnose.best_width(kind, blocks, Costs(parameters, adds))
    wrong = diagnose.wrong_widths(kind, blocks, Costs(parameters, adds))
    hint = "the largest width whose two costs are both at most the budget"
    expect_equal(found, expected, what, hint, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# ### What was measured
#
# Networks of four kinds, each as wide as the budget allows, three seeds each, all with the short
# recipe of section 4: plain and residual ones with 8, 20 and 32 layers, the others with 20. (Shipped:
# `python -m plusx.challenge_studies challenge_depths` makes it anew.) Try to break the budget first.

# %% tags=["demo"]
from plusx.challenge_explorer import ChallengeExplorer, draw_depths

ChallengeExplorer()

# %% tags=["demo"]
study = load_study("challenge_depths")
drawing, (axis,) = plots.figure(height=3.6)
draw_depths(axis)
axis.set_title("every network is as wide as the budget allows")
plots.show(
    "Test error by layers under one budget. Plain networks rise from 29 % with 8 layers to 57 and "
    "83 % with 20 and 32 layers; residual ones from 28 % to 34 and 58 %. At 20 layers pre-activated "
    "ones have 37 and dense ones 32 %, with seeds far apart."
)
for (kind, blocks), record in study.items():
    parts = widest_parts(kind, blocks)
    told = f"{kind:13} {layers_of(parts):2} layers, width {parts[1][1]}"
    print(f"{told}: test error {mean_spread(record.test_error[:, -1])} %")

# %% [markdown]
# With 8 layers, the difference between plain and residual is within the spread. With 20, a skip is
# worth more than twenty points: plain networks degrade as in lesson 01, now on *new* pictures. But
# look at the residual curve as well: it rises, too. Under a budget every layer is paid for in width, and
# these networks are narrow already (with 32 layers, three to six channels). A skip makes depth
# **affordable**; it does not make it free. With this budget and so short a training, few wide layers
# are the better buy. Seeds lie far apart, the more the deeper the network: residual ones of 32 layers
# end between 46 and 72 %. Pre-activated and dense networks of 20 layers lie beside the residual ones.
# Does it mean anything that they are not equal?
#
# (At 32 layers the next width, 4, is over the budget, so those networks have to leave a part of it
# unused, which is one reason for the last step of both curves.)
#
# ## 3 · Better, or luckier?
#
# Two networks, a few seeds each, and one mean is better. Would *any* two groups of numbers differ as
# much? There is a way to ask that needs no assumption about distributions, only counting (Fisher
# 1935). Suppose the label "ours" or "theirs" does not matter. Then every way to split the numbers into
# two groups was equally likely to come about. So: try **all** splits, and see how often the
# difference of means is at least as large as the one we observed.
#
# ### Exercise 4 · The share of luck
#
# **Goal** an exact test · **Difficulty** ★★☆ · **Time** 9 minutes · **Points** 2
#
# The observed split is one of the splits, so the share is never 0.
#
# <details><summary>Hint 1: all splits</summary>
#
# `combinations(range(len(everything)), len(ours))` gives the places of the first group; it is
# imported.
#
# </details>
# <details><summary>Hint 2: the other group</summary>
#
# Everything whose place is not chosen. Go by places, not by values: the same value may stand twice.
#
# </details>
# <details><summary>Hint 3: at least as large</summary>
#
# `>=`, and without a sign being lost: ours has to be the *higher* one.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "luck", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.luck", "scipy.permutation_test"]}
def luck(ours, theirs):
    """How often chance alone would put ours as far above theirs.

    ours, theirs: lists of floats (scores, higher is better), at least one each, not always equally many
    returns: float, the share of all splits into groups of these sizes with a difference of means
        (first group minus second) that is at least the observed one
    """
    ### BEGIN SOLUTION
    everything, observed = [*ours, *theirs], mean(ours) - mean(theirs)
    reached = []
    for chosen in combinations(range(len(everything)), len(ours)):
        first = [everything[n] for n in chosen]
        second = [everything[n] for n in range(len(everything)) if n not in chosen]
        reached.append(mean(first) - mean(second) >= observed)
    return mean(reached)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_luck", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for ours, theirs, by_hand in [
    ([7.0, 9.0], [6.0, 10.0, 6.0, 8.0], 7 / 15),  # of 15 pairs, 7 have a sum of 16 or more
    ([3.0, 4.0], [1.0, 2.0], 1 / 6),  # the best of six splits
    ([2.0, 4.0], [1.0, 3.0], 2 / 6),  # 2 + 4 against 1 + 3, and 3 + 4 against 1 + 2
    ([1.0], [1.0, 1.0], 1.0),  # all alike
]:
    what = f"luck({ours}, {theirs})"
    wrong = diagnose.wrong_luck(ours, theirs)
    expect_close(luck(ours, theirs), by_hand, what, wrong=wrong)
print("Exercise 4: the visible checks pass.")
### BEGIN HIDDEN TESTS
for ours, theirs in [
    ([84.5, 86.0, 85.25], [83.0, 84.75, 82.5]),
    ([70.0, 71.5, 69.0, 75.25], [70.0, 73.0, 68.5, 71.0]),
    ([60.0, 62.0], [61.0, 59.5, 64.0, 60.25, 58.0]),
    ([60.0, 65.5, 64.0, 61.0, 63.25], [62.0]),
    ([50.0, 50.0, 52.0], [51.0, 50.0, 50.0]),
    ([81.0, 80.0, 82.5, 79.0, 83.0], [85.0, 84.0, 82.0, 86.5, 81.5]),
    ([5.0], [4.0]),
]:
    what = f"luck: {len(ours)} numbers against {len(theirs)}"
    with expect_works(what):
        found = luck(ours, theirs)
    expect_true(isinstance(found, int | float), f"{what}: a number comes back")
    wrong = diagnose.wrong_luck(ours, theirs)
    hint = "of all splits into groups of these sizes, the share with at least that difference"
    expect_close(found, diagnose.luck(ours, theirs), what, hint, 1e-6, 1e-9, wrong)
### END HIDDEN TESTS

# %% tags=["demo"]
right = {kind: (100 - study[kind, 3].test_error[:, -1]).tolist() for kind in BLOCKS}
print("20 layers, share of luck that the row is as far above the column:")
print(" " * 14 + "".join(f"{kind:>15}" for kind in right))
for kind in right:
    row = "".join(f"{diagnose.luck(right[kind], right[other]):15.2f}" for other in right)
    print(f"{kind:14}{row}")

# %% [markdown]
# Read a row: how easily chance alone would put it as far above a column. Each kind of skip against none:
# 0.05. Among the three kinds of skips all shares are 0.2 or more: from these runs **nothing** can be
# said about which is the best, although one mean is four points above another.
#
# With three seeds on each side there are twenty splits, so the smallest possible share is 1/20:
# **three seeds can never show more than that**, however far two networks are apart. With five there
# are 252 splits.
#
# A leaderboard adds a second kind of luck, that of the pictures. Of $n$ pictures a share $p$ is named rightly;
# on other pictures it would have been a little different, by about $\sqrt{p(1-p)/n}$.

# %%
for n in (500, 5_000, 50_000):
    print(f"{n:6,} pictures: 85 % ± {100 * (0.85 * 0.15 / n) ** 0.5:.2f}")

# %% [markdown]
# The judge takes 5,000 pictures. So differences of half a point on the leaderboard mean nothing. And
# whoever looks at the board, changes something, and hands in again, *learns about the judge's
# pictures*, entry by entry (Blum, Hardt 2015). Choose on pictures of your own.
#
# ## 4 · What training is worth
#
# Our short recipe: SGD with momentum, a high learning rate that falls along half a cosine, weight
# decay, and images that are mirrored and shifted; five epochs of 10,000 images. Two changes, for one
# residual network of 14 layers (three seeds, shipped):

# %% tags=["demo"]
averages, long = load_study("challenge_averages"), load_study("challenge_long")
changes = {
    "short recipe": averages["cosine", 0.0],
    "constant rate": averages["constant", 0.0],
    "20 epochs": long[20,],
}
for change, record in changes.items():
    ends = [mean_spread(e[:, -1]) for e in (record.train_error, record.test_error)]
    print(f"{change:14} training error {ends[0]:>10} %   test error {ends[1]:>10} %")

# %% [markdown]
# A constant rate does as well here, within the spread: after five epochs there is nothing to polish
# yet. Training error is about as high as test error, so these networks do not overfit; they have not
# learned enough. Four times the epochs halve the error: worth more than any choice among kinds of
# skips, at the price of patience.
#
# Something cheaper? SGD at a high rate never settles: its weights rattle around something. Then why
# not take their **mean**? The weights of the last epochs, averaged, may lie where none of them does:
# nearer to the middle (Polyak, Juditsky 1992; Izmailov et al. 2018). A running mean needs one copy:
#
# $$\bar w \leftarrow d\,\bar w + (1 - d)\,w .$$
#
# ### Exercise 5 · The running mean of weights
#
# **Goal** a network that was never trained · **Difficulty** ★★☆ · **Time** 9 minutes · **Points** 2
#
# States are what `net.state_dict()` gives, from one training, in their order. The mean begins as the first.
# Some entries are whole numbers (batch norm counts its batches): take those of the last state. Leave the
# states as they are.
#
# <details><summary>Hint 1: which entries?</summary>
#
# `tensor.is_floating_point()`.
#
# </details>
# <details><summary>Hint 2: as they are</summary>
#
# `mean = d * mean + (1 - d) * w` makes a new tensor. `mean.mul_(d)` would change the first
# state, unless you copied it.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "average_weights", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.averaged", "torch.AveragedModel"]}
def average_weights(states, decay):
    """The running mean of the weights of a training.

    states: list of at least one dict of tensors with the same names, the earliest first
    decay: float, from 0 to 1: how much of the mean so far is kept at each later state
    returns: dict of tensors, of the shapes, dtypes and devices of the states
    """
    ### BEGIN SOLUTION
    kept = dict(states[0])
    for state in states[1:]:
        for name, tensor in state.items():
            if tensor.is_floating_point():
                kept[name] = decay * kept[name] + (1 - decay) * tensor
            else:
                kept[name] = tensor
    return kept
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_average_weights", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
states = [
    {"weight": torch.tensor([4.0]), "batches": torch.tensor(10)},
    {"weight": torch.tensor([8.0]), "batches": torch.tensor(20)},
    {"weight": torch.tensor([2.0]), "batches": torch.tensor(30)},
    {"weight": torch.tensor([12.0]), "batches": torch.tensor(40)},
]
found = average_weights(states, 0.75)  # 4, then 3 + 2 = 5, 3.75 + 0.5, 3.1875 + 3
expect_type(found, dict, "average_weights: what comes back")
expect_equal(sorted(found), ["batches", "weight"], "average_weights: names")
wrong = diagnose.one_entry(diagnose.wrong_averages(states, 0.75), "weight")
expect_close(found["weight"], torch.tensor([6.1875]), "average_weights: 4, 8, 2, 12", wrong=wrong)
expect_equal(int(found["batches"]), 40, "average_weights: whole numbers are the last state's")
print("Exercise 5: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(501)
for count, decay, dtype in [
    (4, 0.9, torch.float32),
    (6, 0.6, torch.float64),
    (2, 0.3, torch.float32),
    (1, 0.5, torch.float64),
    (3, 0.0, torch.float32),
]:
    states = [
        {
            "0.weight": torch.randn(3, 2, 3, 3, dtype=dtype),
            "1.running_var": torch.rand(3, dtype=dtype) + n,
            "1.num_batches_tracked": torch.tensor(7 * n * n + 5),
            "2.bias": torch.randn(4, dtype=dtype),
        }
        for n in range(count)
    ]
    what = f"average_weights: {count} states, decay {decay}, {dtype}"
    with expect_works(what):
        found = average_weights(states, decay)
    expect_type(found, dict, f"{what}: what comes back")
    expect_equal(sorted(found), sorted(states[0]), f"{what}: names")
    right = diagnose.averaged(states, decay)
    wrong = diagnose.wrong_averages(states, decay)
    hint = "mean <- decay * mean + (1 - decay) * state, beginning as the first state"
    for name in ("0.weight", "1.running_var", "2.bias"):
        cases = diagnose.one_entry(wrong, name)
        expect_close(found[name], right[name], f"{what}: {name}", hint, 1e-5, 1e-6, cases)
    hint = "entries of whole numbers are those of the last state, as they are"
    name = "1.num_batches_tracked"
    expect_type(found[name], torch.Tensor, f"{what}: {name}", hint)
    expect_close(found[name], right[name], f"{what}: {name}", hint)
with expect_works("average_weights on another device (meta)", "a device is written into it"):
    states = [{"w": torch.empty(2, 2, device="meta")} for _ in range(3)]
    found = average_weights(states, 0.9)
expect_true(found["w"].is_meta, "average_weights: the device of the result is that of the states")
### END HIDDEN TESTS

# %% [markdown]
# Does it help? The same network with two schedules, three seeds; after each epoch its state is
# kept, and beside it stands the running mean so far ($d = 0.7$ an epoch). The statistics of batch norm
# belong to weights, so for a mean they are measured anew. (Shipped.)

# %% tags=["demo"]
drawing, axes = plots.figure(2, height=3.3, share_y=True)
for axis, schedule in zip(axes, ("constant", "cosine"), strict=True):
    for decay, label, role in ((0.0, "as it is", "plain"), (DECAY, "running mean", "residual")):
        errors = averages[schedule, decay].test_error  # (seeds, epochs), percent
        plots.plot_runs(axis, range(1, errors.shape[1] + 1), errors, label, role)
        print(f"{schedule:9} {label:13} at the end {mean_spread(errors[:, -1])} %")
    axis.set(xlabel="epoch", title=f"{schedule} rate", xticks=range(1, 6), ylim=(0, 75))
axes[0].set_ylabel("test error (%)")
axes[0].legend(title="median and range, 3 seeds")
plots.show(
    "Test error by epoch with a constant and a falling rate: it falls from 64 % to about 30 % in five "
    "epochs. The running mean of the weights falls more slowly, to 35 and 39 %."
)

# %% [markdown]
# It hurts. The papers find the opposite, and both are right: an average helps weights that have
# **arrived** and rattle. Ours are still on their way: in these five epochs the error halves, and the
# mean drags along the network of two epochs ago, which was much worse. Izmailov et al. start
# averaging late in a long training, from weights that are good already. In your entry, with its longer
# training, begin late, try a smaller decay, and compare.
#
# ## 5 · Your entry
#
# **How it is judged.** The judge reads your parts and your weights as plain text, checks the budget,
# builds the network anew, and counts how many of 5,000 new pictures it names rightly. Weights are
# rounded to numbers of 16 bits; no line of yours runs while it counts. Six points, one for each band:

# %%
print("a point each at", ", ".join(f"{100 * band:.0f} %" for band in BANDS))

# %% [markdown]
# The bands were set by measuring. The network of section 4 got 66 to 71 % with the short recipe (three
# seeds: three or four points) and 84 to 87 % with 20 epochs, which take a laptop some minutes (six
# points, with two to spare). Plain networks of 20 layers got 37 to 49 %.
#
# **The leaderboard.** If your teacher makes one, only those are on it who want to be: put a pseudonym
# of at most 24 signs into your entry, better not your name. Without one you are counted and not shown.
#
# **A first entry.** This trains the network of section 4 with the short recipe, in less than half a
# minute of an idle machine:

# %% tags=["demo"]
parts = EXAMPLE
(net,) = trained_networks(build, data, RECIPE, seeds=1, parts=parts)
reached = accuracy(net, data.test_images, data.test_labels)
print(f"{layers_of(parts)} layers, {costs_of(parts)}: {100 * reached:.1f} %")
print(cell_text(parts, net)[:600], "...")

# %% [markdown]
# ### Exercise 6 · The entry
#
# **Goal** the best network of 10,000 parameters · **Difficulty** ★★★ · **Time** 20 minutes, and the
# machine's · **Points** 6, by bands
#
# Train in cells of your own, above. When you are content, replace everything in the next cell by
#
#     from plusx.challenge_entry import into_cell
#     into_cell(parts, net, pseudonym="")
#
# and run it: the lines are replaced by your entry, a function `my_entry` that holds parts and weights
# as text. Run the cell once more, and save the notebook. (Where a notebook does not replace cells,
# `print(cell_text(parts, net))` shows the text; copy it.) The entry is all that is judged. Remove your
# training cells in the end, or turn them into text: the grader runs cells of yours, and stops each
# after half a minute.
#
# <details><summary>Hint 1: where to begin</summary>
#
# The figures of sections 2 and 4 say which kinds and depths do well, and what a longer training is
# worth: `replace(RECIPE, epochs=20)` after `from dataclasses import replace`. More pictures:
# `training_data(30_000)`.
#
# </details>
# <details><summary>Hint 2: where the budget goes</summary>
#
# `stages` is one family of many, and it leaves a third of the multiply-adds unused. Where do
# parameters go, and where multiply-adds? A block on 16 × 16 pixels costs few parameters, one on 4 × 4
# few multiply-adds.
#
# </details>
# <details><summary>Hint 3: choosing</summary>
#
# Compare on `data.test_images`, with several seeds, after short trainings; then train the winner
# once, for long.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "my_entry", "locked": false, "schema_version": 3, "solution": true, "task": false}
def my_entry():
    """My network: its parts, its weights as text, and a pseudonym or "".

    returns: dict with "parts" (a list), "weights" (str, of pack(net)) and "pseudonym" (str)
    """
    ### BEGIN SOLUTION

    return {
        "pseudonym": "",
        "parts": [
            ["conv", 6],
            ["residual", 6, 1],
            ["residual", 6, 1],
            ["residual", 9, 2],
            ["residual", 9, 1],
            ["residual", 12, 2],
            ["residual", 12, 1],
        ],
        "weights": """
Y7XWsQ2007h0OAQysbM9Nxs6TLHHszO1J7gZON4zALa/OOo5H7a+tF21sLhzOP8w57MXOYc7JDEVOOw2jDOLvFOt
oCsoqKskFDRdNnY3PjRUvNCwEidGLRewjDSdNQk3QzFnuxu0sDFAFDKwNDGEsYqxBbK4ugk4BbFZOm4xVzRps1iz
abQkuzs51LK+OSw10zH9sD6oobUBunc4pLfAOR02qaz8rqus6yaUK+a0max/PgiyfLGMpiyyYqk9ntS076z2Ppmy
HquKrYKxISsrpbWymK6lPtGyjrbgs1gxLCylsLE0uTS9LB0x9LWBNYs2HDQVMvo0pDc+NrY1ObpIuI2s1bJEucmv
Ca7ntICRrq/EsOMu5LXAtp20Dq8GqCivwCgotN+WWrVct+qypazZpfSvL7URsQwwy7OvtqC1bLKgK32xvTVkNpM4
wToMrkQ1xLAjpui1Q7huuVU1AqesLOMoXqYkLisi3kirRbZG3kmJRX1FizQjtFSz67WoMCm0CLS3oM4vVzRINRow
CTFjNZW4Ai3SsKcvszH/r1UwbDC5OGWoAzfyMp6wcTbkJA61mBl5NCIuFjRcs92qAyVeL88tkrJjtBisMrG9MBIt
m7VRsfWhB7UsMi8wRLdXrBayvzbesLA1vLnkt/I01aK6tFw1FrK8sZ21OLDHufuzn6aKq/ifwLBYMVkrzqMQtFcn
Qqq5Ny6iKSXnpaSnzTX9vSs1NDDAN0Q0YCSKKVYvqzF9Kz4uxDENL8Apzq+vMNCYuzacNmMkLLHjrayun7FbuMSo
WTMiuD6x7jSmqhKwhCxKsC01IbTKtm+yDLPquQS0RbRJqr0soCcXvJGwbLBEOYm4k6f2ugm40Ly4uki0YLCQszMg
XKOGMaYhnS74HDgdliR5rCa0WbRTM/e2G7OmNvKs27ZbsOuzrhbOMfO0Y7UemCKtMri1McSjJau+s9m1DzDIKQux
Lzj7NwEwcxoVNAKvIC7oNK41ZjLeOfmzwzaBOb41dyxUsX82Vqxorfk2EzEernQxeyROrnStNTBPMlmuYih4tU+t
aaxfrhexkDWBMA4tWLlGsUEmqjL5NtMtFzWBNqYm2DD6Li42+6hdLxo3Xy/+s6sYJrXZrjCsALNlMYs1HS1kLU2w
m7LZrvGxZrKBOCc5/rZFNAk6TLHKLaauCil6M2ksgTH0Jqgiwa0kMGW3hjOHLKms9jQvtO2xsTTQN/i0rbddrTC3
4i5oqnAjWzA6NRWvJjQ2r2u2yDg4tyOy2ya1paWtC67RtFkrHa3uteS1LbkcNa4vQbP0ticxsDTyMb6wL7RHsaQp
DxDfqhOpJLRnnKInLLmRtLyx9LVOoJiu47iMK28x/ThRPXM+LjoBOr477ih4tFY7NzTFrsqv6rFZqLG9FTaMM7C6
RzXHOkRAwDrROzc3i63fKXcvUjTOq6I0KbTNssqvGi3vsvK1YLTvueO52yL3uGi0NjWqraW0SjSsuSi1wLSVt54s
fbdXtL67ti/CsYa3ayytsqeuiTaOsoggtCrztBkvira+rTgwfrDuNjy1IzZaD0a49S3as2G1XrXtrf0k+S56opkr
dzG6qQsxXrEoKGCv0jfwOAwsPbKqLhezx7MGt0OvrLLPrbuxKSthM0+4Ky/ysSqzAq+vNCA5frJ/MU81YLeyt34e
JLdxup0x/DTDNpWzvawwrdq4Bq4CM0Gj7LHCsTM46rVNLO+3cjQHLc0ufjJDNxwsPzHruG2r1bQVrOGvNbSDMGUz
F7eeuyQlpLjrsTgtha5nsvS3tzNPsiurzbT5Ma6sI7Rhpr8wfLGCt0e3oLUyshizKzaMNaUkAqFWKVernrMFMt2l
VLHGMvoxgyVhMnOrRSTMrKQ2GBwSsdYtRDW9NIopobSvsG4vmrVWuKkhjat0siKuDLgwupK26rQItqEvvbXpNPGx
kLQ2MbIu/qipLWGmH7GSrla07LSStRqwADT0JLyvs7Q6KPQoSSx5MDIwwault3W2qy83ruKxHjAcKv8vITK1rBWw
gKd/MAU0yaewLYQ0rzW6MUYn6rJtq0K0kCXQKxUrzbEdsMOsJLNxtqGtR6kWtDOuKTEzqjYx3LVSKmIeXKimH9uk
pS6rscEspqqZrEivoqjkKKSvd65csFyuAzgsNFCidTd+Lkm11jRYNRqzGLZBtRC2nR+erB2vYzHmNVU4d7HlOLU0
/ypcORQxrii2NcgvkrC5uUG8Lygltim5XCxQMLWsxrIxstm1WLRRtSG0NjFyroo0XDIeMss1WzP7M7U0AzSmMnwr
jTjMOH454zdQNgk9yTKxtFS23LDatxQrdsPMvmfDasNKvERAUkIVQVpBDEDmOP1IBTAnLIGqgjDOqumzrSicsK2x
pDBHL5Us8qtGIhuohLL1ssmpaq70sV6117SSqEuwdy7CsdGzmykXtcKyFLE1sWC0Oq5HsWq1TLWFLSKwMy85lFSw
BiukrS6rcrCGLiypk69ithGwXbP6tOexqbSlMxo0xTTRsxot6iwIrcU0fKgPrTS31rKWqZ22aa36LhCgIyhyrnm0
/C6QsVw2jjFGn4mxTiwZpFIyK6nCMT+1Oiq7teAx2q4CL7arRLGKs/etnKxEr84ZzLWSr/wtprLIsZGusbRhsYQw
tjUrLJ2j6S00Mx023qY/qTolg6anp78gEaV1K8ks8yX8oty2oa3lLtOx0TK+NDou7CZaMWKwdzDpLxCxWjUKOd2r
ezBYORuxOLLSsT6aDbD9sWa17rAfIDSwMrSyt7C2g7HRte24F7YguRO3pqwKNKQpXSx2NVM3X7aSMpsrHDjYuPm8
pjTfvBG8ay3POWA1yzeyrZeqijCut6O2+C4aNCAqSrRXNCY497eINog3yLGftCOzA6oCsBAwSyzGsz+uGSuLr1+t
IqZPsaiujLSXtQKzPK0ytb+sUjKgM/CuSazfrikoajZjN18lw6zqsAC3pKbxMjm2dzLfmAOygjUgNZaugDafNgsw
wTijOBAu6zSfMnuqujaSOEMwCjFSOAuwsjJ0I8Uwpa2xKKMwly2lKSkwR7RqMKY1N7RLre44era9LBg4ES6LNOgy
nRnzr78trzCUsmMtArXlNNYs2S7ZM8syvDBaL86gD6yPNbMxuS5KMBs3by3wpfIxgi3CNmg05DRjKSYqi68MLk8l
6a7ztOyy4CxVsUalfjPUsHSyIbfMt7+0Ji4+saG0Iy4asXK0gznYOOg8iTuoO8c7QrCPKlu5lLfDtTa2B8DXuw7A
Dr0KP3y4mTitN7hFYEGiQwxDFjC9mi+y5jLErF6y46jdr4G1m7NGNHeyKzH4LKO0OKzTtHo0JDE0NUywgLTLNOIo
4qjyMQYw+TX+OTo4bzfxNSw64TRgOTY3NLFrs9WyYSkYNBAzJTDBrkWtTbUXsDqyE647NT6oarC6IfWrD6/ertss
PTKcsC21Qa/Br8GuwqxwJPg1/TS1LyM4GTDdKEUyFTgLK2E2nSRJMI0xpjBUND0YhK2Rs0ih1qzRro+o9yztMSCu
DLLMMKypOK5/pXs1ASV7sGMylChHHkEyqSJErNwnvC9CsrMzdKoasQwlzrdTsXspZy3XoImx+SuZLhU0fK0mMZ4y
YjFArFMwkjcLNTA0SjQFMmIuKzm8Nc03GbDwrueo5bC+shM0hizWsLcqvy7BuBS5XTCktpa43y7psC61hikyN4w0
NzDQMpMoyTUTL9stCbFFJBiy5qgptXuxrTNgsJ+mibEtJAq3BTXYrOCzgSKpND2x6SSLtqOwpjPNsBOwrzVcNuQo
4zH4s6a1mS5mNBmtD7MRL9YqSTO4rL+zvigCrqiuF7IDMJ8xcrUZtp21q7ZVscC5mSH+qyKyta2KMiys1K5KqqIv
tKdWMgAx+ho+LimsbKW3MBcy6akhkTM0WrBNskyxHrI5qSq0X6JQqEa0hq38rw6uVLCSpoWyfTGRqumxW6wlsCax
xLJ3sY6u+rZOtYO07rKrr9OwwSnRrmGz16kLsSm1G62HMTsyHawKM44w+ShLKXAzhiGHLomwJzJMpjCwyaoFsUyu
iTYyKBwvh7ZaurerAbk4uKMwH60hKeenBKtfpnAe/rKIs8YxdK4Nsfi2ujGWNHmz9zhXMvSsFTb/MKE4TrIqtLAz
nrd5tUk1njqiOnY74DuWPdg8zruxMrG5grFHNVkyzzidOiA6gLuQvJ+0PkCiPxhBV0HjQvBAwSwYqQsh2qyUqnIe
Uqh0F4y1hTF0L64yWih7LHgxqy5TsZG1GzRIMh44oCvnLt+sfKZCtrO0kyous0kojrDfqDmwNjA2sAax8bHmKSqo
bKymKAewUSnCLW00E7HjsCMuBSqsLO4lqzAYOTQ58So6sjq4giQps8W1op3jsVazAiAkrRCfsqn6oXYZqqwaMSSu
fy2TNuM4YzT0LAg3ybQkMAUkXLHItr224bThr+6sCbTxqaspI7AaMo4qlCrMLXMu+KypJmEqOrY2rNCw2KnUrFKu
lq6XtGKzKCTtsigwQ6+hpBkwAi1TLKUsJ68OI/sw4Sg0srozkBR4MUYxPzMzKsIytTPJrFgx4ievM2IuqatXsWIr
jbQAsQK1r6rytRC02DH+LbKtW6tSLOqvfigDJfwk46ewtBS1x7AxtUO3CKIftgG4BrF0rHqwybIKtEOoOiaIrS2u
KijUs9y1hig5pvewzTGTKwuo1Kytr2MsKS+UsNurFisNLlItOSg8NVYw3TM+NcUxVS0INAkwwSL0LzYxeiv+MoQr
ayzEsYWifKrks9OxL7BbsQ6dm7KUsBQxnbKyr+ezpbRmsRGzybRVthapKyyXrzywMSB7siMpgi66Fa8rarOOsoS0
I6zatUyza7XxtVOwrqwNKS6j4qErMUAtdTDYn5chjrCBrlwxGrBIK+W017AAr2Gp7bDHsC+sS7HSsdKudq6PMCCl
abA3HPut9jATGhIxBTK1NZgsHDPEJLYxX7O5jfWvU7WhrZOuszeANP2n4iqvly6uOrHQsliyjykzLWUtcBQotViv
UyyIobstoLAotNMeBS4etI+pfDAGLtktorNfsZItlLeisci0brWhtuq097Kmrgyriqs5qqkpXCexLzex2K2YIMqh
iCxpJr0riLGNqEWwGLEmsaevyLJXsZ2qWLb2s9q0FjLSNiA26yoKOJQ4YrC3MZ00faTFqR+5WbWatQ+26y2zs8Mk
OzPpKo2wmaQGuES1+7H0tpex56yrtBW0Z7Iesou0ZKUisIKxfjiLMykqdTZxOOImMTZfMXIqeTUVMR22rZ+5Lnm0
sTR3sHqpEqytpx4ray/eLmyxPzHpMd4pWrVjtcKrgrcgt7+0ELIEsya0qi81MyYq+Sx4HwEt5ByPMVuugDWqOIE0
6zXtNkQ2na5AMIQ2pa0SsagnMbF9s84tIKoHroyaE7HgrCkriJ6zMq+sJyI6EvGqfqFWNEcxA608uXcucbF/tLSy
WZ+HtfqxsrO/tIqmQid5p2Ehvaz8sNGxpKx1oiq14iwHLbW0ETuMOUA7OTnGOfg45Ds8Ok453yX5udWsIa+CNoCs
fa1zMJA2I0AewGfC2rn5wLbCzsLYMWXAxUJ1QQlIpD1EQfVAz0L8RvdCaDDSsCUw0DBsrD+ywC/psWCtIqxPMmmq
ZbI3LQiyvyVcqMOrAbN1L+CxMbRhILuyDrIdKZ+w2CoIpAQkEK/KrOunrpWCmGKx+KyLrmyhPK13tfix0C8AtCKq
OK+Nqu6vHK/1MLUnECxPMQostijaNjy0xKAwMS4tsat+Mk0uriXuIFaqmikJMMWmGbXgtAOxtbC5Mg+uFbDBMEEf
EbNHLCk047J7rvcpbbT0pIMy5y4DNG0jT7IBsvemCzXQNJSyeq0bo4q00awkM6202zXEN+W1sSpDtTS1FDMbM8Mr
L5zSrZsxD6cfLnorpy+QNLsRZy4BNLIxtTPJMNcz/aq8qVW1UDD+NDer+7I/KoaxCDKyNbMTpjP7MKk0tbgpsI23
GLUitWuxHbdIseczF7hys8i1AbKGqCi1tzYNNaMoULFdI7S2lTABriuY4yggrAa3QzBrrBOxgTP9reWyGjjyMhuw
fjSTNIwh3653qYezpTTMLpIe4SwlNJ8wmrLPLRA0Hi+is4oxu7BaoQKx+69CL64iBa5HpwmtJi4vrQatqKkisDod
6TR9IyadOTQxN8gw0akJM/Axv5/fMNc3A7GgtW+vwrY8n9SxqDGtMH0wqqybNUk0CqNXL8Wppq7/rNkxrK0xsRew
Mq6dMRQyqTAqsPosaSzFpMYWk7CPrGqsXijNrQu1bqyFrfSyJy8hLqGxBS0kKY2t66+lrr+yN6lSKsiqOSW9sVys
0adJrY6w/K/Gsj6sH7ActoSxvbHxsM2qVzDmMH0weDEEMf8ycq9RMq0seS5Yq+ilibLAsjCikDA+NQewfbN7sHCw
YSwIsWi2wbBxtFSxxTTDM8o1KTHLOfc5fC0ZNEI1BK4qqPKo9aM8LeIqOafgryuqhaw7Lachm68tNZOsL7FIsdek
ICvjn4Wmf6dSraGhoqaFJzEzZK0pMpynmyQKqiMwuSKyMEcxkCR7qMotEqf3KkKwNq1RKR4mqSd+MDalGjGTslAn
4yruomEo2LTAt6C2L6xJtt23j6Rks8S0XC2uKc+sqi0sqYaz7DCrrA+p+y6at7uwtSR0rbaydbH2sykoITZnLR6x
dzQnKFay8rKZthaXvzKjM5CsD64GsK0rDjDGMGCqJjSaLkA0/q8HtfEyuDOWn/oxwya1KAgwThl8L9Gvuy5cMtqq
sKottYKysqqtsziwYSx5s6avNS0jsPitjiqAtgWxvzNfsLMxsa8xrWM0Cbc+J50vji7+MTA1LDN/MT8sSTegsCMv
PjbwoTU1uiwyHQk2SLWitQw0crMtpyUzbTBvGFayJynsMiCosK1ANPczgLQKLfewD7H6M14zXa+sreSxIbDPMMk0
U7AhMzg0pzL1Kaa0jSp3MVA03yhNKXYwCzAXIhcynjGdLSg1JTDZgfQwFa5mMKMpjbJgLIYtPbBULuQzt6jMtIys
cLTsJxsyx7QPss8jKbb1tUKthK3kseAshLMnqeo2yTClrNcyS7TQMjM0kq/QNnA0KrI8Ls+k6yy+IIEwPLDDMAEs
YLK5sBO2u7ShtK+v3izvN2ExSzPjNBUy67EirlyvEaSiM681CzQdNX84miTXLCksgqR2KpwsO65VrFIvVSjYsEwv
RayBqCcuxy5JLwirq7E2JTScTrMbtFYnXKwvNIIymLDbq5Q1xDAmL9g0n6/IKIAylbfQtr60nLewJcoy0qh+M0oy
qq3Vp12rBDRdKUGitDKiKDalKq7QsEe1vav1sUe0GiWgsPqtGzJVMQ+zRjHWMBiq1DIjrgq2DDMvn8YuxjIPNecv
CjJRMqUxHqZiL00sSKwTLLwwIR2QsC8xH6zcLkQtCh/qMUUraJ6zrAc15q1UKtg0QjFnMrQoMStyNG4xaazELT0o
PK7lqUKlFbKHrvmynbNyqjasqS4HsYYcoRDKrouza7B3JaEjli2ZNJQy+qMoMUYo7TjDPgM8qztnPIE8Oj1KPE45
l66ULA2zd6/4MbW4WbKDtjq0FbtmtEo1mC9lvSw1jDoVN6w3njl+QC9ByT50QHU+fUBuQxo9461fKU0siLJOsdgo
y6g2slezmayENX46mam2M+c2/6/4rcyyWrajNG42T7ObMF00q7ScsuSyfq6KrpkrUq8SLbGoSDLysSqxAyKGqsCO
Xi3zLHku/jDGMWExLrFhKb6puSmIK56x1LQyqrIxMSleNaAt76xWOJowwbIppUUtODBCNQI0JDOGLO8sMamsrRmj
XaiNplYtLKgHLFCxW6sXLaulBSq5J1yuLi0Wq44x2SziLkyxNbc4rjItP7GQrJMzc7UytMcvGiYqNIg0JLUSNCE0
YrXOrtovl7QtKrUhUbRIMJKkUx5Vqmws1qybJtwqWjOKL+EuYy5SL/MvBK4VrS0q5a6eHCowyK8tsjCzOaoKpNy3
iTCEsfGzyTSSLRKweKk4NHAqfCL4JOqnzq40ockkF7BYsMQylLBEMY0yE7MjHjIyoq74MsmtSDiqMGozVDNPLg8l
n6zEqTowYSlUKpAoELDPsJEgtTMKNSKvkzALNh0lpCiqMSYsPLOTLKyzLDFhM/WyCDBQNLoukzALIimkOzKwJFgs
qazds5OrE6yqrfSjray+sIGyD6o5tSOq5SjDrb6xtTQrqQMzkTQMNBUwRq09KOGw/KKPpnKsYrJJsD2zGKxOIU4s
gzbGNFou3DIHLbkxxqt2p/Oqra8gqpQmrafbsVarV7C0tECyGLI/tHmmyapgrFW127QHteEqmq7rtbKsVJgstBay
maXsLtwwCS9TLkopTySFr/KoAx/vIEQkKTF9LyMz4qaTNn4u1K0VJJGyni3NNrIk96j1Ms2oSC5sKuucqyryrL0u
LLUeqXUxaLWJsJGqtrBEsx+0zyhrr+WbQ7DGLwqsSwyhIxAujqoppBwliKicseuqNjZwLB41mzTMHS8udy49sFyq
qrJbtlyri7QnuV6w6ayRrO0yu7BFrM+s4qVZqSOtgbNWMVSg8DEGMVssUbCMrPGpxy7LsHq1oLdHtG619SgBsdQq
ijFfNBkztqgzuk+0ailAqZ40lTKpqk+0Ha7PsY+xtp1Jsji0CqZVFBmy46ifL4c1ZTEzM+uiba06roqnSKgrrmO2
ubGrq+IuE7CJqXMv0KuRrFAy0S1vLZ4sU7ExtVW236kVs+y2DCgHojWsdjLys60kpjQXr+omqy52sfGprKjWFZWs
NqzfneEmXTLiqQyr561+sCwroC9NrgarRippK7Ez8jAEKGksuC85rdEqhiuFIkSthK8sNE4qg7XisWYv37EKNecu
sbJlsH6fMzI8NPovKrCXp78q8jBMs0ynjiYdL08r7iy2NBuYaKpBNuUz4DZHNQkyfDaSONUzJqsbrYyu/qEGMJQv
Vy1cLnClM7NorNuzurMRLZKwS7Fmr1m14atUrs2uSTbkMKg1gCzJLvYrqzHRo/cxjTGKtQmwjqxiKCys/yopsZEp
mycIqoyvmSZ3tPSwQrQxsPMf/a5DMAe0gibyMI2ueLR1K1Stmq4XK86teLSrsfexyLCRHMEtAS6KnSEkRzB6Mqgg
YChXLRwsdzBtJxKuri61LDKrhbRRL6gtzCjUrxg1rbRBJjAx+KrsMl4TXzCoNaozUakhNj8yd63RqE2uGq75Mb8P
JyR1MlCnXDNhKUms9StiNKIw/6sjo4IvnDHss7UhzbHmqq+zX7OVtf+4PK0nsMuy+DOqrsywRDidMHcoZzX8ONww
mDVbNIUxTK04KGSupiwlKx8vDCw+oT0zEy2XLGWpwzQVsRM0Cy2+KHUsWDHtp242xS8ArZcyZSYotN0sKqc9NrMx
oTMgMe02TqmrtiyvTzUlNxY0uq3/p1myrqqYJnSwsCz6nfysnLDdrTgqTyquK48pRqhAr/orjzDCMZ2y/TKxNtgq
WrSqsmqtgSafKDawQCpTKyIq2K2VNTksHLVdrOux/itMKn0kNC0jrRsqDTQ4Mawvyq2KrGiu4a3GKLQhtTq8OBw5
FzlTOh06QTjyOSc6vrlnsRi0HjiysHGwKbIUuUmz8D7yuMI3MLz5wxC8c7kfOlc+H0mKRDFGBko7QF5BZ0N4SV5E
rK5hrOcs+6tpMswxvSXMMMyuNzCqKhUq8qhTILmvEjAvKbWkZ6xUsiWsQKXFqiy1O60LslwoYS0JsJ6xt6apt0m3
XLCatY+yHqP5IMidEC0FMPWnrDL4MO6reZlJMjoxvqgjMMMqWLF7qM+VFRxAsY20ViPBJeitViikKnA0H7UKtaSy
e7PstMuzyLUqs2C1iLMDLPgozqQzpYCx6506MyK1JKJIqyEg7rGWKbOvla1LLqEbbC2WMUOuTaqHK5+qOa0Wq+ka
MS6BMIYwmDHFMBY1xqIwNPefrjDPMQ803agyprIxDjIDrNyxkbKHqmKwobQ4rzKyCiVLFDeuspiDM38mpqbhIGQt
nzEGq1qeW5ZwJoOoQTEBNBsxrDJ3M8wu8yC6L8InBCVYNFwb0jCBMpEgU7IpqsmrbjCNNrGfcKHEr4y03qrgKLIw
aCS3MZ+t1rCNMaasl6zIp3MrvDBlMDIzEKsKNVgvcbBMsXms7TO/stQgbahLsJiuUq8FLbAcvKcnLOWxGaZVKjsu
YS6qMi01HC1uNWs1eyhsM4MxIqVTMekrLKZ4LtgvzSk6JxYtiS6Nra2sMiiCqsms3p+bMpQpWbCErIUvxaVKMZYu
2yj2MDQ0b7QIsvewfrOvsnGqsqwYraokNrCRLegr2bRUsXmsW7Q2sLSk9iooKxqvTqh7rZcrIq8Kq6+laiknLQQz
JTXyNE43azQFLN80H7GDqB2yoB3VsJ6xh6IYMJcsDzTkoaUv25jtqSWkhyxFNNwwkC9qqu4jyi0joC4yBjFsrVGp
sjGONYwt6KnsM2er5i4nMgA1G6s+MHQxmDKoMFYwXrEnKEAhZawCJ7Et8ychoZ4yCDN9ojksMzImNa8s5DRpNoM2
+bKqIdo0bLILJvmqxa0xo8CtlyC9KL8yHjEILTUv5jB3saepVDW4K9uuqC2nJ9OkEy9LL28wfJ2Voa0sYq8bseuk
wLE9srOxL7LhKK2wAyD3MO2zrC6bNJMvA60SM7MtdSxtpKctRSkCswkkqDN5HUkwWDLnqo8zd54ksO0ryjKpJzM1
ErSes6e0DLCHsD2wnJuwr1AwsjGENXuolzFbL2w0FzWlMcMzz6+Ao6svkbQtqlupp7CltJujCR6XJpkt66A7pbyw
BilWHAKmNB+lsPWyi6/Es261qqUztQ6u561osYO2xqZMqFO13rEjr0mujrA9rkOoJLFzKsYi761FMOWyQigNstmt
t6ugsW2tbrAQrD2wXylJr7wwIzLorNouBCwLLHyliC2+NA0suahWrvoz9S+1J7gzQzRDLnquADY4qSKwijFdMUku
O66ur1aylatFra8o7ilQsN4tQCv0Kj2wkqWcqHqwc6xGJMyxqDA1rkQVJKc8oZ2xRC3oLtoiyLDItIyxiasJtHuw
CbRrsTavWxzfsJQseTNkrKIwLy2HqKEtvCRZmg0xdjLcJT044zSDNIIyOLDwsV2uCbFnqjWxZal5sR2xoSxgsFGw
Jiy2K0m0p6wDq42xl61QLdsvMzEvNXoxwiwINLszRrD8NBI0dTJUKdA1ViQgNVk03CpCqGajWK0DsA4tUbKQLogx
B6gWGaQyyayNND6pgSuOMS4k6DC9pA2uiC6/MIEvyabVKgqvirEdLMuuEi8QM70mqaZ/Ldsut7AaqJ6wb605rOen
9rD6I6yebhTnLI81+a0CL9wtdKKdJ4c1dSbNLjsvWC6NLk80TrMaLVOm5qlvMxUojjFWMU4uGSqMLzQr7phxLTIz
4S/GLvEonDBIqwOwCLESMfszuycqMPExuzE/MUwx0a2XMjQm+67hMkot3y2DMI01ebOKLlAwOylmLX4wnScHIuqw
WSWwNQgtHDG/MzI0qC9QLusyTrCPLJErFKbgpZMn4pJ6pYKzaLAVKRA0ZTLiMZgwMTEMMUilb63TnTuxd6yVJVSw
Ba+TsfG0yz1IO485qzoLOjI77TrlOpI5uLWTtA6tUi9sKuizwigVuKezeL0aOHY0OzdKNSy7UbZ8OwU8oDi8OH82
nzwlNpU3uDjzOno4CihVK52wr68OLD+uyqy+pBOtAKursNygIbBkqokod634L8Yp5SWSqNQri7FFLiqsF6ptLk4z
3ydQqfmPjLAmscCw5ig4KgOywKVXqD4oHqmZMEEugCm+Lvasxyxmq8KzjqoNLGQxR6pFqgewQLAsMc4oMyp1qMmx
biFFqNQkAa4BJukwW7BmoAawCrEdrY8uu7LcKRcp05ysJX2lvaxPsuUwWCh2MMYtcypMrWss2jErN4M0viwVsNAt
F6DYp/al9q6yIKok5S0MNJUwPyizLm2Fai7erDyrQDJkLvw0Di+PrPc0WDAgMtQ1z7Njt+60ALWLtOe46LTyt1W3
C7Gvp8MtoyqrMK2r06TNsb2tNKuyrlyxQKdUtCawO6ejtGK0MrKYsQWwareOtI20mbG9rWGzC53qLFKzHqohse6z
fLKNsaau3anhK7ssMaripEmwo6zYqy6vyS9pKNWwKiizITGxVSUisEowDzTIMuUxlDDcpsAyEzLDM9UtW6RhL0oe
MqV1JgWxEyoosC0svim1LsgpKixVKVerZqHdrNau17QdsKaqtzABrX+iuLPXsIKuKCrtrZOoDa1uJf6z7COAtcws
HjDUNLo0A7B8M0gvuDL8LjEsCDKQjRos8S0IK3AtiajLL1kqHai5sEOuUi2/IReyiS5EIG0fFCqtMpMo+azYI8kq
BLOiLGUisTK1Ntcz4DIfMYI27bKcLTGtfDHRrqkwtKudMPWt9K54sW6zm6S9LC2xz6WKsQslmqnzJ1QsMYkgqgEg
VrE+Lmsa/K7oqWougSNQqCqsljJNLFEqb6h/rNkxpC+eNhUzVCyuMOMwBTBGsJmpfqgJK3aqH7DjJnQysSjtodGw
+DJdrJujxDBFLIiupDFNNDUcUqm2oKWhBS7tNEkwIBcdNKM0grShr9Wkoq9+qICvULBRpu6qOKUGoHKwRyY9LHEs
CTC8NU0q5C7ZLf0vaSV7sGIxdjG6KRc0Cq39MewtTqyoruKqpi+JqhOqM5xMLWCpkTLuKMWqLzhuNYUzbDJjJgiw
lSzlokurCSqCqI2ykK96qDCsuSkuKTExXDEhL74q8pjRHUixtyuuKj6roykmLSsU+DKysfGxmC+dsYSy2LIsM9cx
2y7WqOUhvqerKtysG67cruuhYi53LMwvsSvPMDmvda1gKeEs/asyM6szq6u1Ng44i6yiJs0s1bHZK4Myl6l4MSw2
7awDMeozfCxoLq8g4zETtbwwNDeTMwWgUS+WLIAwuCIFMJ6qpKnvMvUwaDV7NCcuIC+1qYclIqdFMROp7TAOLQkk
mzAXKZI2DzANONIzfy3nKAqonigrMoQyPh61LvimsrARsby1QiVGLUau8zI5rrytVC75JR4rFCzBKvOuQCYIqeqo
FDBbKKAs3bL7sgmxW63ssbOwUashMokwsyNxqtMqzqmTKh2wSS8nMvSlXjUkq16xDTMONbKqxa2/rsCzjLBGsb4l
UbDArdquj7CQs8mtGLBbs0OryLE7rl+trq4zLRecPCkrrUgrfKUrMmqunSdvrtawg7ABsLqvu6y+reK0TaPXLwIz
kbP4sqgjuK4dtKkg3KmMrJYx2SnNGWygixars1uudKRLrOaviihzKVyobq96rQu2FzJyL5wwfjEpIQowAjIvMzGi
GyzKL2ipp6hmoy2w6qq+IwGpySqXKbsbwKw1LGMzARxbsZAvna04rmItIrJSm9qujKf2sHetMqoWs1+QSrHyJqYg
qakCsUIiIjVSJsWzOjeQqaazTTQrKUa02Kb7Joixri5QsDuxOC4wrDaz8CxXrh2qRjBJLvKqxC1vsJ60S7OELHUz
k7QFGe8uECzLMEQxNyUPLIuZwa6RM4slW6hvKl4lm7BmLAGvLzHgHCAtS63orHuyTjFoqHoumSmXLEuwyahxq78u
TCsdMEgsATEaKoyx4CdKFMyuxbDfsACxIrQttTS1jbHStJyzyKTSmuMmTyWEKRGypKeSsjSyviwlMBAxwawcsHus
fi4mKIgl/y80sPAsDSxVrK2h3rOXrAetgDHZLjwoBjBVJ64wBzQ3MBUs1rD5sLStZrCuLSu0rSz6sUCyyCwarDww
qipFrcGiEbSorQYVsa2srQ+tK6tAK10o2zQJLmktXi3TLN4zKJq5nXYyNywyq8qgriiRqHCtYamQL9qvmrIHrQCz
OSSCMzAy3Si+pckzaDJaLlUwDys2rvImj7DipzIoCagsr46zrTDwNFgytzEoMZU2UDSJNxI2jLJhqD4gz65yMcyr
66xgsCeo5LDbJoqoeBsGNPckWik8rjGi1p4JqUCxGDChKdAwLyn2LocvLbBTn16sJCnsr3SvWi3BIHao3DAjM0mm
0y5PMnMxpSvrrT0sBrGCK6Sow6QsqWms762tqKesLCW8qD4rFah1oIsv9aQEMyIpTrSbKRoxxbA/L7k0JqbpLfYt
sa4Tr7WyzaoWrK20HqtusWizQyPvMBWxNSmKJxYxlCOHNEQy4yzeLm8m4iZ2M7snNS6iLCMyKKLqLa8qbK5GrT4z
xar6MVcvFKZYMDkwJTH/MQE1RDMYM6gxCSlWpT+kMrNwgOQtATJDpVA1WDZKO2E5AzlnOC06KjonOe04pjqeOWw5
t7KTsDKwvCqPM5yxG6QjNAOzKi3KMp0qmrqNxMQgBzuxQbNDrbaPvmo1XrxVQJNAfUA6SMlFQEcfRQpDJ0cIQ+VG
lkWVSiFEfixBLyet9i1DJEQtFyKYsOCgBbLPJMwxKC8RNA4zCTOjM4WvjzCZLTEt8i14Ls4xTq1sI8Imji6DsUKw
BqX0smO1a7CMrtyyeLBIH8uosi75r/4wh6kvLzinuTG7p/ImlzDYMJav2ixwMjAsqyWANOQykTW7Mgc0qDG6MeSr
oSxNIB4pgKjrqNkkjrG/sZmmlCGHsSqz3KzDsY+ydq5qnaexKDC8LREtySsuqXoTky1FLxozpaM/tBW0ErFFr3at
UbEmss2wBzIDNPCkWy5WMSucsDHaNEMvfSh6Mbmxqx7xpRswJq0wLSMkhK+AsuWuaiH5rmCm+awFsCEo2iKgLYmt
O6yjoAKtbqnWpd4sQKcBoQeBV7BlrYisNS6JLImpHbJWM/SvLyeiMKYnGyw1qhYri6QiLniu2aE5MfAufB9wnuUr
sygWKKKmJ7NKraOvn6uOGFcvKqqSsGywyC1wqCiyS632p/mnwqhUqYikyipiMaovDC4QL80yXjHPLsyqQy52qu0l
BSotMSIs/ykiqbct1DRhMw4zLDJ5Noo17iYEMBcxuqyoJOIqcCc+qzoxmZlvLf+riyEPMduUnqhAL8uonCm/Mm0l
oSlBMBsuEaDzMdCo5i0rMC+wkJqbLZMy5TBuIxYs8y1gplotYy47LS0sWi0gMhqrXC4eLV4pKqHDG5avx64qq4Mr
j6vRqrwtALD2rsuuqanzsbquAzDFrjqwCCdFqSaw2CfSnC6yRKUxIcKsD6urLW+oErKOtNuygTEVKmGwVi+Ao7Gw
QyiFLTovVS87MPksKzBQM1gyFC5hMaMrdCxKszKtDrAaszkrlS2/rcSwqKnhMOmWHigPLEAs2SqeLFUqpyVJMi0o
eCHVrlStd7B5qxUnzawbqLwwZTQVMjg0rTHhNAE0K7DJrrGyL6xwshqlyLDwr+6smKiWoXOsbLD5r5mwra3Rramp
6Sdto/Qic61prxgwcaJSMKuhsRqdsu6rWa8/rluxw7DBtFKvKLGFIh0tAC8ZrHEuIK7jJ8ksASrBrs2tvagwrOKx
zq4AKuKzqS/cIoSo+DA3rIQlL6DaqMAgnDCgLf4lDau0p98lziEvLpiv7ClYKhkw9zFBNDc11DFUNIAwgCtcI5my
+ZQ1rJat37KqnsKq0CwPIOCqraxCL92i7iATMCisqLDAtPWubKhyK+GxBrHSsm21o6/boxytq62DLP+v/BmlrOiv
ITIkshOtKS8/IG4mpCy5MZimBy4BK0YvYy/GLDYyfi1OLnyvDy6lKpCqPCQGNRKk7iDkIGgpQKidp38vpS9ZnMQu
SS3VLlotBKmCraKzWrJLKm2sKqpWGRCraa46qYOkF65PMfwxQyIaMvUxSy5pMNqoBahgqHEwkC+zpCSoCyFAsp6w
jbCCsPWg4qVEncuqzDDcMTQnLTTjNLAsuzLLL1KiJK+Lrk2pyafEnYMtwZzKqBuwwLHGrxuvZLFNLAirZLCPsjys
caZrKXWtzCurID+vpKyps+WuoSdoKcIvFq4frGKwqqeGLNUwNJZGsxq0yapio/yw/awcsCKyXDL9LRoqCLMZryGk
yKvbBawwya0RqOyuw6qhKhuu1rBLoAWddTGFIOEsuDG0Mj8wBCedLY4rsyi7LQortLFlIn8sdKREp+mgLayRm6+y
5q8XqPmy7a2TrTyvMrRCtIiqg66fsCO0zq5csRW04iJFJVonLSzZrmixqKrtLCos7Kkar4ub37CGJyCm0SkkrKav
USHGLvSxmyQMLcmvCrLgqZmukiz6q6GvTbBHrUqtb60UscyubapjLSYkpbEmr5ivzqQnrU6s0TBYLj8wkjLAMJI0
TTKHMX0ut6WIKeMuySkZMWEt8TAQMl8u0SrhNHuloTG2NN8uu6t2Mv4zQrJWrwasDbAbr7aqFqxWqM2q46q8rHEn
iamHKqGw0CxtLTcska61qiGnfql2rQorzyrbrqMeli42qQ4tzSaVsfslsKeHqJ0wjLAAJVUxXy4wIlgqnitMIZkt
DShyqV2ulSkDrIcnfCJ8IVGuxazMKlyoDa2BMUCv/xoHrfqzcSsmNM4x2zDxL/cyKDQRNEEnnKCeNCkv8CyHMEgy
QzOiMM4wpS7ArLWu7SgarZiwrq4VMCyxPKaxqHOkK6zfrqyqqB1wr/4rA7CBIa6sKqyIsOO1MyiUJYK1WCq5LxSk
6ypEnUqspa2QrT2gwyPjsfMwVaiYprmuoqyFMbwxnS9+Li8pCiz3MDsv16WjL4ot6BSXLIEtsiqCK9cufBCSKjcl
niRCKmwyjjDJKSgqFqlpGnAobS08rIehxbBELLGtmS6vLUWh961vHcusOLHxsWyuV7RYtem0LipnrE0xz64jtCSN
QCsdLBg00yRnJiQfpCjxqmskoaqFIimyIDRIH8Yoo6u4MOGsuy18LIoycCikqHUpgKrSL6isaioime4W2q0sJoeu
7C0VqQ2zGKZFrsW1Q63rnD2sIa4TJ5yeL7FCr3iyYqjrMOEjhjCvMVqpdqcZrsmqaS+vKaMxzDDONVM0vywQM6On
5iz0MyAzazBxJUmiP53bK9KiSq3RsCenkKxzKGOeDy1uqcCpkTH/MHytSLEdqvekFiAOIPcojqoTnJGvVycspG4u
UC/jLMOpWa7IrQiuti9qMfGqVbHUMOowPTTQLHOv4TJtNe+Ys7DCNZczXylrsH0vWa/kqViz66rSpRmxcKcdFiyw
26VCsFEpWCnFrbyvOKWjpHouBLAJrQwukqnGr9womDE8rKGoczTWMiihQR3KMjiuW7P7ME6lJqmXlsUtDBwLsHsw
TLDnrzArtq5gsSyqkSqbH9ur+7CMsxOvkq/7raKyM6iFsHOrIjT3MLqrmzGUMD2pJ7AhNe8wUK7/qDusLCSyLmUn
BzP+oyYrdyLhq4e0ValcJgguuSe/rligFSxzKT8pPrBbpNwvAikzsjytby0PrXmkXCo0Lq8nKKXDnLgv/i0FMtYx
TC9BHYElnyzFo+UceKkRLaIj/q2ar6upLag5rVgtoLBxoV2mda2cKbGdDrFXMKaxvq1PnqStuymUMHoo/inbMKob
NxL9MUot9hSeL3Usvq2FLEAwnij6KBeiSqVNKCKtLC6BMEyveyoSMqUsLiloNPkwUjCjM5elybF2sUCsDTBjqpko
Sq/2GSQmyavYJdEmui84sg+U2i6AqOcuH627sXOz77SnqEWz07OLs1C1GaP/reQrCK2PrLizfLNEtVMpHK7xpOao
9KzwqM0yfjGMrf+ya6/2LI0vsrAiLSQ0/Sy0MN8y2S0MNe4t9iwRKn8pzS28MO41czDcq1+0fqo/M0YsGLA2Mdsw
PCz7JtAoOjFVKriuIxoCMSsmpy7OI3om4K4hMCQ0Y69XJu00YyVvsd2sgrAktDCxa6tkra2yAi9Qm6Aq66xCLK4o
dC9oqi4tPSbmKKSuYDHkHtQw1i4WMeIirj21O8s5NjpWOQI7lzqEPKU6bjsuOa45p7aSsKMqxy5LnF8YfaqYsMSv
FTOsMPWqHTa1N+0xxyp6Lmi8mTS2NwukFKSwNxihfjmrOkQ1ajyrOF87ETmXPS48hzubNQk2krF9qVqwAxx2KP0p
xjCpp+kuvC/DreyvXy8AqMMq5qgzNKwvVatAKuyrGzHSND4wYTRKMS2tmK0PrX8oPDHbKgopvDInoeEPny75LzUt
tatIsfspMbQKtc2xwi/pKOCuiKoqtEQoebDDsnelkKrSpS0bs7CZrn+uIbN6ssqtBK0lr8WopRF9LUmg+jMdq1qx
wqZvqTij9icMrvItC6N4IGuzLBl3KWYxriq5Kt2VIB3WMLAUMiyDsJiqRC+QoZufEJGXoH8ntqt0HwuxN6v8Lm6x
yqvwJlakUjJ9McIz0i6zKdYwYS/pMQgxWq7jsKGwU6wpsPUpFKfNrpAxYjBwo/csnixuLfQtLTLLJ+Yy9jILM+kw
ui9PqZIx6DONLgk0G6yHqmexZbBLrwSn5q9vqPCwZSuzHMIm8yo0rg8nOi4Bro0vcKeeMbSqByDCIBOyRLLKqoGu
tatxrBkyoKegIXKqRLExKkQxa7OcqzEqSCGzLREqAykCq5yvgysPMgauC6u6LtEyFjChLF4uITEMrJipFSiyrr0i
Z630MEOcLyuVqUusLZMkrUggSCyPJW+vHy7noVYcKqlTqTion6o9qRKtJympMGMsni/YLe4ubCrJMvgleTLLMwMx
KDUNMuOqAS/0LyExpCwNKgAuga1WKTqvUCNiKDedESJKMAas1KkdNOeeai04L1Asta4rsioqE6QpGm+sYLBxqDar
2SFpqhQvvJaZrcQqw59RrnCv/zQ/M3ou3jZhNUMnLjQINVotoi5FLGQsrDDVNAgwIK0CMKkpTzEnLRMrwyzMMGMw
SSV8MUeYsyrJKZcxUCklK9WlyyIYJ10usyPUKngs2i/nLBQuSq2rJw8uRy5rrsYqgSrPKikssCj0Kak0q6pGpJ2w
x7LVsAy0rK5jtDKzhTLcMjcyxS7PJgolBCM3rDWsPTFsmdOsvy9Wsd4oH6AslgKxhbSLtRKxRrFEt66vX6RGsAyt
GSNqJAY0jKsnr2UxjyolJQEzNrGqrxOq6iEHqO0jT6y0pbErfS5er6Art6HmphexTq8sLfeiWTDtrjKuiCz+rHEu
UqriqvewBqKNrHWsRq0mLd0ilyrwLAqubDDKjv8ku6UHrQ0pfCaOsGWw6rFaLLmwJCnVspwgXLA7rtisxSPipD8x
i6xnreOmwbOqriWuDSRnKy2tnjB0q4qs5zIZrAQxETJpLTwnhDENqiUw9jJEMd4tfywBsI+chbFQtVKqC61dsoCs
x6O5LA+qmTJIM4A0gy8hM3oyCCgrIGqlKSk4LMMk/qtFq0urKi8KJRwx2ykVmPCum6bJJrqvnzXLMzQxOjM2M7o0
kDDrMYIwVC5FJ6al3CkPLG4l1h9ALFMu4i1mq/EuDDE+LTItmzAsK4oeGi2CLg0keyU6KIwsQ6U1r5KiuB9ErMmm
VqkMF7kxCKwIKxIpFqwSpACnIzH4NJ+sBCLbrK6sybB0LTOxg6zkMYOvjayzIPmZJK3uqnKpO6AXpDcrQK39LBAs
PK5qqucseKh5sLOyfrIntCK0ajI/LVAu4DFmsfAwMyVwMkkwwTISMZUsGTXIMT4vYzASLpkx5zFUMNItMzNvM7Yo
/S/VIUkyuC+8KFmwQaxbrroqV6wLnBiyK7IGLJWqdi2xs5ssRKPxrXUxGjAWtG2ppSNQrJguyCKzrEosdqmorhIh
D6yZIved96idrRGnjqiWKW0styBWLX0ye6tCNBEw3rC+JnOjhadULVOkH7CqsrGY27Fose2uJ6wRLAWw3a4VrsCx
ci9NMcwy/am4LkozuacqIGGxrLEHr3q1frZgspCxurMUtB+01Cq6KfcyFC+iqfIo6zAoqX0rxSGhM1AyJS18Jdcv
LCZ2rDAJOLGhsCywfC3ULQ2r1TEYITOgKDHwMiMwCbDon1IztbJPrk2y6q4tKOOnQqbqKdCwWbAPsAukbCWMqpQs
HbFuocirnCxeqkMv06tiMIKmQq0OsKipryYar3Ws47B9sOyVtqUprWysbBpVLA8oLy0KJfas6jMwMFmmOa0ZKq+z
1KhdnX4cY6ZFMemuoa83Lq2mELKiJDGzsq8LpIiuUbJ1MNKshak9IdatmqlLLFsmmay5sEO0dC6SJnYpJzSzMP8z
qjAmrNolFrRjoUismSaRLmqemS94sHYqwyzzMCSjdi7mMBg0tajkMb0uZSRisIOwyKb3Mouux63ELZ2w8am4qw+q
4CqupFgYZy5boDIhcBjCsXOgeKCkn+IsNDDqp42wMCEHpLen5Cd2pVirn6MdL2Swdy3lrz0tqiZTruYuCaZULC8r
dyhHrb+vzByYrAks7rHDsrutQy7hKoOoyi84sgistaSLrQ0svzQrnQ+tBSrJn5EwDjBfro4z/qyBqlarhS1WLc2u
ebTIprSshCwfLFwq0DGIM0M0FTRyKXMxprH6rrGyLbBwsKOyw62Xshmw1Sjcq5uvdqbIrrers6wrF/4wRKdrMZsx
PjXcr4cs9KlPM3EzBSqprTcvsKkPKCUvrq21Ln6wT7D7rQstZa+ZrSglozN2L9auNi8VsaCkziXdLOKoPax4LAOr
160+MJkjKyorIxYz6y2fLEkuzieZroqsuanKqtqkCynbLsGwNK7oslEsIKs+rKSwUyhhsnaw3a7qKAmxY7Ekp76p
yy8NLUMoz7ApqpQjzKXzsh6gM7EtpoGxrqzrro2wM7EsrqiwsbL+rR+xDiXfsrOszyqsMXaxvC37qf8kgiMDsQ6t
/7BMr3OvQ6qerpketZxRrDKxH69qsAepNq4XsTCu0iebqpGw5Q5Ir1UoaqyGHSWxV7BzrJctjqmLIc6p1KlnMQAs
gbAELFWuOrDgs8msLKt+JEisIqI9qWWrxiW+F5WuFa/Km1irrCfMrcCvha7BrZosly72MTwn7Skere+p0DAIKMGp
1K3msd8tEy3gLOcfNS2xL5SshrDyrNGu1q5CsGKwSqU4rTklRaYMKwgyVSs3q8owdbDML2Qx661DrKCyZbAwsNys
za5oq6OdEaxyLXasyKpOqPazGqmmKJehdBZyD7gj1SoUq+MxrqjIrhwvUivrrZAtCLCMrA8xLK2AnbqqCyncHOyo
GKvTLAYoeKr2oR0wfqk6MjetyKsooRQq66mSqIksRKkIpY0ZFLFNL1UtGKZrpcQtW62Im4inVDHjqDUxAilTnt0r
vy3tnxIpZzCTMgOu3i/MMd81WKkMLnwwXDCkqHwmxKtfLW+gcKW1L7ktNzTUpP2wJTK2MB8wWa/JrL0upikKIyox
4K6BqLUgZKkYLQWrYQ15KiqboKTysQOopy5tqiywZip/sYAtyxhppgSmTTH+JqOvVzKaLqSnhyRKLMgvD62AMOEx
KyucHNqz8y3NKj0siDKmMnEzei0VMBioK6PULcakfS4sLmUsiip4sDaxojJKLwWoe6/NLZgtoCzcrZ+tFqy2MTEw
9K3dLTIy2Th+OYo6LToGOk45xDj0N9A50zkxORw4VS9uKheiZ6iDsgWxCS9aJxytATPeqRcypLghPDlEesIMQr48
vr9eOC05iMQxuoFBcETlQ0RMGEe8SepFfUkzQrlEikYrQJNHl7RnIxOxKqdmsDauaa2jrEGr6LKWsMIj37JSr+wh
E6zfqb+pOiPooLykRCk6KYusBiglL+2w4rAWMI0sGawOKycbW7DanaSySySXKbAd4ykmMd6V5CugL2ku36ELLqwk
1THpMlowjTBaNDwx1ZW6MHetq6oLprwvXp6nLwmiiC3NG/ovyakdJcyeBi7RLyMwxKo9qNEmH6wIroYr+CQWp/Kl
wir6Ko+vZqlsL/cfRZ/HKLMtjTGbL2UqEiNLMFIziyv4LEMdf6utq0ixCrQtrdWsw6zDLs+sualStDyfbCDvrDcq
ASxDKnWN3KxlrA4nNK4vrOwoba9uphSyRSwOLxWoqquiMKQoNijMoFAujKqiqqkwnCUCG08tv7C2q9itWSlpoGAU
Xi/CKqylip1CJ4IjULIbp8WurATyslykfS0OsH0faC4crY+tBLCcsVwkiqwCr6uktzBgsOohCzEILt2t1ymSJFYv
dKz4qdaks6XureauSqy+HHew7KqprB6oiqZXqb6v4a9CqE2uD7ADLFsvAC4mquaibyWCMFKq66hsMKwxYgraMb4z
eqjgLIuhCC0orOiyj6pDHgEvBS0sLEGuBSJuJYQlDbAqpusuICwBMb4qEzE3J+Eppi+HJcsliKD3proscStlKNYk
u53kJn8n56gcsj+lhS+bn5SspDBjMvIkpioIMTku3Kl0MIQu6y3ILEipvTJJMKqk1S14McaokCx3Mp8wO7LEofQu
zpZ4rTMpC6nvrGguti7GoiSsnDArp56mwCr0LmUvADT3MOEuSqpup+SsPyzQLi8iOKYxEtOnybAEHN8kraigLnKw
pq6yLRqp9aisosgpLq6WG0Mn7igpsMOwEykBLWqkLxqIKNQuYqS2Kf4skCkQrXgyh6jgrHGwmqXxs7qsDbRBsHKy
TLGMtnmy9aOns3qxP7JIsmKsrLHoKAQvCCJQKeaoA6cfrZklFKZJrtEscqqQLDytx62KqrarBCzGrjSxSJj1sLe0
bS4oLn4t0qjuKxOuPa6YsMAxtK1eqv0sjbCjrBioXaVCLMQhia0yq3grEajFrJSriyixKFokeS9xrWEjPKrXp8ex
3ywNKNGpTibaJpqw36K/KrSiOSwcr4EnG7ECsAeq7SlhLwSkJyGArfwyziyUJy4qXKknLqCtULTSsraqByICsJCz
ti1IKHawMioYsGqsIa5YpbSnjq6IoJarWKufrXajNrEvrduj7K/mMFOrH69HLaqoM6h+KBSpeLEHp++m/yTgsPMm
rqseLOmruaNdLjcyPzE2Ly2mwKyLr6Wns6o9LD2i3y1ClOQkPayLpzUqrCcRrh8kSKuHLPIhLSTFJIitEyzbs5Cr
YagCs1WxDykKqQQtO64km1UmvRVgqMAsaKpwnOAeG6PHrmqvvbBZrbIkBbCCrL+xFKjEGbIqKaxwlS+gWyrDLOky
sq5DMeYu8q9wKdmoWbKsrKmmCa59sQ6wE69Tra6zrrALq/WcArDKrjGt2a7qqDarg6wzIM+sETD+L7ws5iAWL9uk
t7JMr3az8rMFtI+sjLAms76yzrPEsKGxsa9tqZerYazwrSOwqCyzqBQWarE5soOs9CwtsTAhASmtHiKjCrTFsw2z
3a/GrY2uhC8+nEAqyiTKrjinuKx0p8ut1S1YMnMymiklrCouTzKQMTg15TFyLVQsmiu5sbSvvyUas9+o6C8hMLSu
pZimJoYoniyYKqKXcaesqm6rHyfLq1KjFrHQKgGknSo6sOUlwJo1KmKuR6wgs7GvSa2rqImharPZroqweSt7of4n
MrDmsfYch6/MKPaxQK/rsXCyTK1UpxKmVqwgsUYlA7HLr3elR68CrDMivS4HMOGpsij6JoSwm7B2sCyy07Lus96x
3Kw9IoexkC9NIH4yPayolVmsQKoOKPkwb6aVJNKsYrSBsheyHa9FptSw1qIdKpSqR624tZunMhrQpnKjFCQEJJYu
Oy2WHJAvJTDQJhWl8iuGqEaneSt0MmGSCzDPKZcvsC5xLKIcKCM2KoGoADWrJlqoWrAJqT80Ey2Sn4woSaUgKs0u
YS9ENGYxVDDPL3GtHaohFhOyELIvLAcspSUFLJOtFSmnqWyq+qzingytXq5mLFYq2K8nr3mu1KL3LKgu5CX7rBqs
Sq2nrzOfm6g7MJWvEyMPLZaoRanNsQ0thqXKJyiynTJOrsKqs6+2Jy6uWrHzsWysdbCZJYqxHbCpMDUeaCYcsgGw
OKmhmzUtZiiwGM4kMK6iK6Swma7Brryz2q9kLJoscKxOKdktViy3KJ+nZyYlpfaw6qporsGxyCVHMaqmhzEXMlQz
sLEZnp2vHKcYMdmqaarVptAkwyjpL181wjBTM6IxMS1zLdcy16ZwKfQtEbAor96rg63Osi+uNjTZqKqamy9BNq80
MiQSMrktQq6HqKmhZyg7MMigwCwdnXEhWSS1sDiucydtLCsr5rP1rnYqJiUTpL4pAaTBLbCvJqpFLLwldy5HMB0t
LzBwNKww8DLbMywt4qQcrvexAKwXojGwtqmfrEqsAa8ZH7+lsyH1MVCos6rQKlmcPKyJne4ubyd3K12yOiiXNC2s
mKWFIMizLylarY+viyYOq2Ov56sYqwQagi6qKg0tBaxjrtMqZqu8tN6vxLL0sFis1LFCskWzRZ5yqt6l9q6YKhUn
ULANrkMc47Bjm3qvArPyprSxdKliKE6s4ybmrPyvzSnwKYQrk57eM8QwXzKAL+wzHDSrNVk27zOyMSk06JRYqeWj
lB0JrEmcKbDHr4OicbCyKLQwz6lTI/ouMbL/Lz4zwipzsngwu6wCJOUpvDHfpsEhKaufLiqfmqwlL5oscrCbsLKw
mbPMrDG0jLTesQa0KLEXrq+y/61Yo12r1aT+pO8tgavcp6kaUbBPskGzvyKlreiptbCvsAuuDq17r/av4rP+sJOu
MqRDqhuBn6gPqgonMCMCrSqwOKG3qC+noSm5HBaw+ZxzLI8cZSqWLLihi6nmqXyqq6h8rACx4bD3LRyr9ysnsSOs
UakjJMKvFaxqsKmq9KxHGmcwWbGHo54k77BNLfApvyIBnjQoJaoSn/avKizqrYsl3CmurTSvJapVrySwkyILrQus
nKyNLiivKqh7FwcsVCvVqmisu6xlKCOoICyMMrKo1ppfLLwoaLI4skyz16rTtCKvQbNes66zY6wJrOqzPjAFse+0
aa8jtAS2oqdQK5evGKtOqfcuzK66rborF7SQsXWzoLQ7shy2krLzsdSzba4CseMsbqtKsK0uTqfyKN2nVasjMjwu
ECN3Mu4zWyybMusv3an6KZ4ZcC3hJesqEzBcJo6pfapXMLObvSbIL8YpMilGsR8wTLCaInOpviUIpc2aKK7ipgiy
xyWYsuIrrqyprMStGKjsrLeuyjNCpooU+qS5qrotHrFrrM8lMqzyKZewT68RtFexi7Dtr2Ktxzm0Ork6RjnqO388
5zmJOco5Yzm5ONg67rZCpgqt/bDfpk+qj7Iqo9SyNKqFp9kjk6hWtOw3L7vmuIC5C7zPsd04/7gdu2u98jfhM5g0
TjltNbw5nTmvNCE//T5yNVU9zUGjPnE/JEFPPH0+Sz8oQFZA7D/oPN49GzjhNiw2RjmDNrM6EDcgOTQ4Fjo4NZk5
xjjzPGA77Dv/PlI8ZjqgOrU4YDgUN2c4AT93QhVBXUBZPl09Vj2UP8s79DfZNI04WbUsPC4sTjr0tDu79LYZPGA+
DbzxNG+1uLbxPN2s7Tgctr2xOLbbO0A8nLjhOC60Trn7NrC6LajUOBwxmTsHuAGsF7vuOAs9/7znrbu4Oz+XMzo5
gjF2u8W8ErmdOL20tT5MtqK4QD1xudy2tz3vuLu5frris1K2m7m2swE/B7y2qmC7HbZqO1A8iDqRq1mzQ7WMrGA8
krhitX2uFbmtPSktKj45tM23EKVauOey5L2qO0E0fakDusu1BzzetmA9i7kbt2WxDLg5N5M9Rb24uAC8pjyqsS20
zUBJu3u2bLjhtEU4VzhduCq6bLexuhC3U7PcNtgn1zvkulS8sa79sTo8EbA=
""",
    }


### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_my_entry", "locked": true, "points": 6, "schema_version": 3, "solution": false, "task": false}
with expect_works("my_entry: the rules", "into_cell(parts, net) writes an entry that keeps them"):
    entry = examine(my_entry())
print(f"Exercise 6: an entry of {entry.layers} layers, {entry.costs}.")
### BEGIN HIDDEN TESTS
images, labels = held_out(5_000, seed=3_141_592)
marked(entry, accuracy(entry.net, images, labels), len(labels), BANDS)
### END HIDDEN TESTS

# %% [markdown]
# ## 6 · Papers on small budgets, beside ours
#
# Who is best per parameter? On CIFAR-10, with shifted and mirrored images (He et al. 2015, table 6; He et
# al. 2016, table 2; Huang et al. 2017, table 2):

# %% tags=["demo"]
paper = {  # millions of parameters -> test error, percent
    "residual": {0.27: 8.75, 0.46: 7.51, 0.66: 7.17, 0.85: 6.97, 1.73: 6.43},
    "preactivation": {1.73: 6.37},
    "dense": {1.0: 5.24, 0.8: 4.51},
}
roles = {"conv": "plain", "residual": "residual", "preactivation": "first", "dense": "third"}
drawing, axes = plots.figure(2, height=3.4)
for kind, errors in paper.items():
    marker, colour = plots.MARKERS[roles[kind]], plots.COLOURS[roles[kind]]
    axes[0].plot(list(errors), list(errors.values()), marker, color=colour, label=kind)
for place, (kind, role) in enumerate(roles.items()):
    errors = study[kind, 3].test_error[:, -1]
    plots.plot_means(axes[1], [place], [errors], kind, role)
axes[0].set(xlabel="parameters (millions)", ylabel="test error (%)", title="papers: CIFAR-10")
axes[0].set(xlim=(0.1, 1.9), ylim=(0, 10))
axes[1].set(ylabel="test error (%)", title="ours: 20 layers, 10,000 parameters at most")
axes[1].set_xticks(range(4), ["plain", "residual", "pre-act.", "dense"])
axes[1].set(xlim=(-0.5, 3.5), ylim=(0, 70))
axes[0].legend(loc="lower left")
plots.show(
    "Left, papers: test error on CIFAR-10 by parameters; residual networks fall from 8.8 to 6.4 %, "
    "dense ones of about a million parameters have 4.5 and 5.2 %. Right, ours at 10,000 parameters "
    "and 20 layers: plain 57 %, the three kinds with skips 32 to 37 %, with wide bars."
)

# %% [markdown]
# In the papers dense networks reach a lower error with less than half of the parameters, and
# pre-activation gains little at 110 layers (6.37 against 6.61 %; more beyond). In ours, dense networks
# are a little better, with fewer parameters and multiply-adds, and pre-activated ones a little worse;
# both are within luck. Mind what is *not* the same: a hundred times the parameters, real photographs,
# hundreds of epochs against five, and recipes that each paper tuned for its own network. What is the
# same, here and in lesson 01: without any skip, networks of that depth are far worse.
#
# ## 7 · A written question
#
# **Difficulty** ★★☆ · **Time** 8 minutes · **Points** 2, given by a person
#
# On the leaderboard your neighbour's dense network stands at 86.1 %, your residual one at 85.4 %, each
# from one training. She says: "So at this budget dense networks are better than residual ones."
#
# In five to eight sentences: which **two** kinds of chance stand between these numbers and her
# sentence, how large is each here (with a number from this lesson), and which measurement would
# convince you? Then say what her sentence would still not be about, even if she is right.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_leaderboard", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# Two kinds of chance lie between. First the pictures: of 5,000 pictures, 85 % are named rightly with a
# standard error of about half a point, so two entries that are equally good often differ by 0.7 points
# (that both see the same pictures makes it less, and does not remove it). Second the training: the same
# network comes out differently with another seed, by 1.5 points (standard deviation of three seeds, 20
# epochs, section 4); each of us handed in one seed only, perhaps the best of several. A difference of 0.7 points is no larger than either. I
# would be convinced by five or more seeds of both recipes, tuned with the same effort, on pictures
# that nobody used for choosing, and a share of luck below 0.05. Even then her sentence would be about
# one data set, one budget, and these recipes and training times: not about dense and residual networks
# as such. And of a whole class, the best dense and the best residual entry are both flattered by being
# the best of many.
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, two kinds of chance.** The pictures (standard error of a share, about half a point at
#   5,000 pictures and 85 %) and the training (seeds: their deviation, from section 2, 4 or 5), each with a
#   number. Half: one of the two with a number, or both without.
# - **1 point, measurement and limits.** Half: several seeds of both recipes, each tuned as much as the
#   other, compared by the share of luck or a gap in standard errors, on pictures that were not used for
#   choosing. Half: names something that the sentence would still not cover: other budgets, data,
#   recipes, depths or training times; the effort of tuning; that the best of many is flattered.
#
# No point for "0.7 points are a lot" or "a little" without a number to compare them with.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 8 · Summary
#
# - A network is a list of parts, and its price can be read off: nine numbers for every pair of channels,
#   each used at every pixel.
# - Under a budget, depth is paid for in width, and costs grow with the square of the width.
# - Plain networks degrade under a budget as well, and earlier. Skips make depth affordable, not free: with
#   our budget and short training, residual networks of 20 and 32 layers were worse than those of 8.
# - Training longer was worth more than any choice among kinds of skips. A mean of weights hurts as long as the
#   weights are under way.
# - A difference counts beside the spread of seeds and the noise of the test set. With three seeds on each side
#   no test can show less than 0.05; on 5,000 pictures half a point is nothing.
# - Weights are data: a judge can read them without running anything of an entrant's.
#
# ## Open questions
#
# - With ten times the training, does the best depth move? (Does a longer training favour depth?)
# - What would the best network of this budget look like, if every part could be chosen? Is it one of ours at
#   all?
# - How many entries can a class make before its leaderboard says more about the judge's pictures than about
#   networks?
#
# ## Further reading
#
# - K. He, X. Zhang, S. Ren, J. Sun. *Deep Residual Learning for Image Recognition.* 2015,
#   [arXiv 1512.03385](https://arxiv.org/abs/1512.03385). Section 4.2, table 6.
# - K. He, X. Zhang, S. Ren, J. Sun. *Identity Mappings in Deep Residual Networks.* 2016,
#   [arXiv 1603.05027](https://arxiv.org/abs/1603.05027).
# - G. Huang, Z. Liu, L. van der Maaten, K. Weinberger. *Densely Connected Convolutional Networks.* 2017,
#   [arXiv 1608.06993](https://arxiv.org/abs/1608.06993). Table 2.
# - S. Zagoruyko, N. Komodakis. *Wide Residual Networks.* 2016,
#   [arXiv 1605.07146](https://arxiv.org/abs/1605.07146).
# - M. Tan, Q. Le. *EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks.* 2019,
#   [arXiv 1905.11946](https://arxiv.org/abs/1905.11946). Depth, width and resolution under one budget.
# - B. Polyak, A. Juditsky. *Acceleration of Stochastic Approximation by Averaging.* 1992, SIAM Journal on
#   Control and Optimization 30:838.
# - P. Izmailov, D. Podoprikhin, T. Garipov, D. Vetrov, A. G. Wilson. *Averaging Weights Leads to Wider
#   Optima and Better Generalization.* 2018, [arXiv 1803.05407](https://arxiv.org/abs/1803.05407).
# - R. Fisher. *The Design of Experiments.* 1935, Oliver and Boyd. Section 21: a test by counting.
# - A. Blum, M. Hardt. *The Ladder: A Reliable Leaderboard for Machine Learning Competitions.* 2015,
#   [arXiv 1502.04585](https://arxiv.org/abs/1502.04585).
# - X. Bouthillier et al. *Accounting for Variance in Machine Learning Benchmarks.* 2021,
#   [arXiv 2103.03098](https://arxiv.org/abs/2103.03098).
