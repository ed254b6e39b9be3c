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
#       - Get more out of the same training by averaging weights, and say when that helps.
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
# Ten thousand parameters are few: the smallest ResNet of the paper has twenty-seven times as many.
# So every layer has to be worth its price, and the question of the first lesson comes back with a
# price tag: **is it better to be deep, or to be wide?**
#
# **You will be able to**
#
# - count parameters and multiply-adds of a network from its description alone;
# - trade depth against width under a budget, and say what skips change about it;
# - tell a better network from a luckier one, with an exact test and the noise of a test set;
# - get more out of the same training by averaging weights, and say when that helps;
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
from plusx.challenge import BUDGET, Costs, build, costs_of, layers_of, stages
from plusx.challenge_entry import (
    BANDS,
    accuracy,
    examine,
    held_out,
    into_cell,
    marked,
)
from plusx.challenge_training import RECIPE, training_data
from plusx.challenge_studies import BLOCKS, DECAY, load_study, widest_parts
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
# augment, average, search, train for a night. Only the result is judged. The judge's pictures come from the same
# generator, by a seed that you do not have.
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
    ([["conv", 2]], (9 * 3 * 2 + 2 * 2) + 2 * 2 + (10 * 2 + 10)),  # 92
    ([["conv", 2], ["residual", 4, 2]], 58 + (9 * 2 * 4 + 9 * 4 * 4 + 2 * 8) + 8 + 50),  # 348
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


# %% nbgrader={"grade": false, "grade_id": "widest", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.widest", "plusx.widest_parts"]}
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
    expected = diagnose.best_width(kind, blocks, Costs(parameters, adds))
    what = f"widest({kind!r}, {blocks}, {parameters:,}, {adds:,})"
    wrong = diagnose.wrong_widths(kind, blocks, Costs(parameters, adds))
    expect_equal(widest(kind, blocks, parameters, adds), expected, what, wrong=wrong)
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
# Networks of four kinds and five depths, each as wide as the budget allows, five seeds each, all with
# the recipe of section 4. (An hour of a processor; shipped. `python -m plusx.challenge_studies
# challenge_depths` makes it anew.) Try to break the budget first.

# %% tags=["demo"]
from plusx.challenge_explorer import ChallengeExplorer, draw_depths

ChallengeExplorer()

# %% tags=["demo"]
study = load_study("challenge_depths")
drawing, (axis,) = plots.figure(height=3.6)
draw_depths(axis)
axis.set_title("every network uses up the budget")
plots.show("TODO")
for kind in ("conv", "residual", "preactivation", "dense"):
    print(f"{kind:13}", end="")
    for blocks in BLOCKS:
        errors = study[kind, blocks].test_error[:, -1]  # (seeds,), percent
        depth, width = layers_of(widest_parts(kind, blocks)), widest_parts(kind, blocks)[-1][1]
        print(f" | {depth:2} layers, {width:2} wide: {mean_spread(errors)}", end="")
    print()

# %% [markdown]
# TODO
#
# ## 3 · Better, or luckier?
#
# Two networks, five seeds each, and one mean is lower. Would *any* two groups of five differ as much?
# There is a way to ask that needs no assumption about distributions, only counting (Fisher 1935).
# Suppose the label "ours" or "theirs" does not matter. Then every way to split the ten numbers into two
# groups of five was equally likely to come about. So: try **all** splits, and see how often the difference of
# means is at least as large as the one we observed.
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
kinds = {"pre-activated": "preactivation", "residual": "residual", "plain": "conv", "dense": "dense"}
best = {}
for name, kind in kinds.items():
    blocks = min(BLOCKS, key=lambda n, kind=kind: study[kind, n].test_error[:, -1].mean())
    best[name] = (100 - study[kind, blocks].test_error[:, -1]).tolist()
    print(f"{name:13} {blocks} blocks: {mean_spread(torch.tensor(best[name]))} %")
for name, others in [("residual", "plain"), ("pre-activated", "residual"), ("residual", "dense")]:
    share = diagnose.luck(best[name], best[others])
    print(f"{name:13} above {others:9} by chance: {share:.3f}")

# %% [markdown]
# TODO With five seeds on each side there are 252 splits, so the smallest possible share is 0.004; with three
# on each side 0.05: **three seeds can never show more than that**. And we picked the best depth of each kind
# *after* looking, which flatters all of them a little.
#
# A leaderboard adds a second kind of luck, that of the pictures. Of $n$ pictures a share $p$ is named rightly;
# on other pictures it would have been a little different, by about $\sqrt{p(1-p)/n}$.

# %%
for n in (500, 5_000, 50_000):
    print(f"{n:6,} pictures: 85 % ± {100 * (0.85 * 0.15 / n) ** 0.5:.2f}")

# %% [markdown]
# The judge takes 5,000 pictures. So differences of half a point on the leaderboard mean nothing. And whoever looks at
# the board, changes something, and hands in again, *learns about the judge's pictures*, entry by
# entry (Blum, Hardt 2015). Choose on pictures of your own.
#
# ## 4 · More out of the same training
#
# Our recipe: SGD with momentum, a high learning rate that falls along half a cosine, weight decay, and images
# that are mirrored and shifted. What each of these is worth, for one residual network (five seeds, shipped):

# %% tags=["demo"]
print(RECIPE)
recipes = load_study("challenge_recipes")
for (change,), record in recipes.items():
    print(f"{change:22} test error {mean_spread(record.test_error[:, -1])} %")

# %% [markdown]
# TODO
#
# A constant rate never settles: its weights rattle around something. Then why not take their
# **mean**? The weights of the last epochs, averaged, often lie where none of them does: nearer to the
# middle (Polyak, Juditsky 1992; Izmailov et al. 2018). A running mean needs one copy:
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
]
found = average_weights(states, 0.75)  # 4, then 3 + 2 = 5, then 3.75 + 0.5
expect_type(found, dict, "average_weights: what comes back")
wrong = diagnose.one_entry(diagnose.wrong_averages(states, 0.75), "weight")
expect_close(found["weight"], torch.tensor([4.25]), "average_weights: 4, 8, 2", wrong=wrong)
expect_equal(int(found["batches"]), 30, "average_weights: whole numbers are the last state's")
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
# Does it help? The same network with two schedules, five seeds; after each epoch its state is kept, and beside it
# stands the running mean so far ($d = 0.7$ an epoch). The statistics of batch norm belong to weights, so for
# a mean they are measured anew. (Shipped.)

# %% tags=["demo"]
averages = load_study("challenge_averages")
drawing, axes = plots.figure(2, height=3.3, share_y=True)
for axis, schedule in zip(axes, ("constant", "cosine"), strict=True):
    for decay, label, role in ((0.0, "as it is", "plain"), (DECAY, "running mean", "residual")):
        errors = averages[schedule, decay].test_error  # (seeds, epochs), percent
        plots.plot_runs(axis, range(1, errors.shape[1] + 1), errors, label, role)
        print(f"{schedule:9} {label:13} at the end {mean_spread(errors[:, -1])} %")
    axis.set(xlabel="epoch", title=f"{schedule} rate")
axes[0].set_ylabel("test error (%)")
axes[0].legend(title="median and range, 5 seeds")
plots.show("TODO")

# %% [markdown]
# TODO
#
# ## 5 · Your entry
#
# **How it is judged.** The judge reads your parts and your weights as plain text, checks the budget, builds the
# network anew, and counts how many of 5,000 new pictures it names rightly. Weights are rounded to numbers
# of 16 bits; no line of yours runs while it counts. Six points, one for each band:

# %%
print("a point each at", ", ".join(f"{100 * band:.0f} %" for band in BANDS))

# %% [markdown]
# The bands were set by measuring. TODO
#
# **The leaderboard.** If your teacher makes one, only those are on it who want to be: put a pseudonym of at most 24
# signs into your entry. Without one you are counted and not shown. Better not your name.
#
# **A first entry.** This trains the network of section 4 and takes a minute or two:

# %% tags=["demo"]
(net,) = trained_networks(build, data, RECIPE, seeds=1, parts=parts)
reached = accuracy(net, data.test_images, data.test_labels)
print(f"{layers_of(parts)} layers, {costs_of(parts)}: {100 * reached:.1f} %")

# %% [markdown]
# ### Exercise 6 · The entry
#
# **Goal** the best network of 10,000 parameters · **Difficulty** ★★★ · **Time** 20 minutes, and the
# machine's · **Points** 6, by bands
#
# Train in cells of your own, above. When you are content, replace everything in the next cell by the line
#
#     into_cell(parts, net, pseudonym="")
#
# and run it: the line is replaced by your entry, as a function `my_entry` that holds parts and weights as
# text. Run the cell once more and save the notebook. That is all that is handed in: what you trained with
# is not run again. (Where a notebook does not replace cells, `print(cell_text(parts, net))` shows the
# text; copy it.) Training cells of your own should stand behind `if False:` in the end, or be removed: the grader runs your
# cells, and stops them after half a minute.
#
# <details><summary>Hint 1: where to begin</summary>
#
# The figure of section 2 says which kinds and depths do well with this recipe. More pictures
# (`training_data(30_000)`) and more epochs help more than any trick.
#
# </details>
# <details><summary>Hint 2: where the budget goes</summary>
#
# `stages` is one family of many. Print the costs part by part: which of the two budgets binds, and where is the other
# one idle? A stride earlier makes multiply-adds cheaper, and the parameters they leave can buy width.
#
# </details>
# <details><summary>Hint 3: choosing</summary>
#
# Compare on `data.test_images`, with two or three seeds, and choose a *recipe*; then train it longest.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "my_entry", "locked": false, "schema_version": 3, "solution": true, "task": false}
def my_entry():
    """My network: its parts, its weights as text, and a pseudonym or "".

    returns: dict with "parts" (a list), "weights" (str, of pack(net)) and "pseudonym" (str)
    """
    ### BEGIN SOLUTION
ENTRY_TEXT
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
axes[1].set(ylabel="test error (%)", title="ours: 20 layers, 10,000 parameters at most")
axes[1].set_xticks(range(4), ["plain", "residual", "pre-act.", "dense"])
axes[0].legend()
plots.show("TODO")

# %% [markdown]
# TODO
#
# ## 7 · A written question
#
# **Difficulty** ★★☆ · **Time** 8 minutes · **Points** 2, given by a person
#
# On the leaderboard your neighbour's dense network stands at 86.1 %, your residual one at 85.4 %, both from one training
# each. She says: "So at this budget dense networks are better than residual ones."
#
# In five to eight sentences: which **two** kinds of chance stand between these numbers and her sentence, how large is each here
# (with a number from this lesson), and which measurement would convince you? Then say what her sentence
# would still not be about, even if she is right.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_leaderboard", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# TODO
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, two kinds of chance.** The pictures (standard error of a share, about half a point at 5,000 pictures and 85 %) and
#   the training (seeds: their deviation, from section 2 or 3), each with a number. Half: one of the two with a number, or both
#   without.
# - **1 point, measurement and limits.** Half: several seeds of both recipes, each tuned as much as the other, compared by
#   the share of luck or a gap in standard errors, on pictures that were not used for choosing. Half: names something that the sentence would still not
#   cover: other budgets, data, recipes, depths or training times; the effort of tuning; that the best of many entries is
#   flattered by the choice.
#
# No point for "0.7 points are a lot" or "a little" without a number to compare them with.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 8 · Summary
#
# TODO
#
# ## Open questions
#
# TODO
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
