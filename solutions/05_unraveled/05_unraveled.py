# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Unraveled
#     minutes: 90
#     points: 20
#     goals:
#       - Expand a residual network into its 2^n paths, and say for what this is exact.
#       - Carry out a lesion study (delete, delete many, shuffle) and read it with its controls.
#       - Measure the gradient by path length, by sampling as in the paper and exactly, and explain why the two differ.
#       - Train with stochastic depth, and measure what it changes.
#       - Say what the unraveled view shows, what it does not show, and who disagrees.
#     needs:
#       - Residual blocks (lesson 02), the chain rule and vector-Jacobian products in PyTorch
#       - Binomial coefficients; mean and spread over seeds
# ---

# %% [markdown]
# # 05 · Unraveled
#
# **90 minutes · 20 points** (seven exercises and one written question)
#
# Take one block out of a trained network of ordinary layers, and it guesses. Take one block out
# of a trained *residual* network of fifty, and you will hardly notice. Why? Veit, Wilber and
# Belongie (2016) gave an answer that changed how people look at these networks: a residual
# network is not one deep chain. It is a sheaf of very many paths, most of them are shorter than
# the network is deep, and the gradient lives on the shortest. This lesson takes a network apart
# to see how much of that is true.
#
# **You will be able to**
#
# - expand a residual network into its $2^n$ paths, and say for what this is exact;
# - carry out a lesion study (delete, delete many, shuffle) and read it with its controls;
# - measure the gradient by path length, by sampling as in the paper and exactly, and explain why
#   the two differ;
# - train with stochastic depth, and measure what it changes;
# - say what the unraveled view shows, what it does not show, and who disagrees.
#
# **You need** residual blocks (lesson 02), the chain rule and vector-Jacobian products in
# PyTorch; binomial coefficients; mean and spread over seeds.
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on small
# cases. When your work is graded, more checks run: other sizes, other dtypes, another device.
# Hints are folded; open them one at a time.

# %%
from itertools import permutations
from math import comb

import torch
from torch import nn

import plusx
from plusx import diagnose_unraveled as diagnose
from plusx import lesions, path_plots, paths, plots, unraveled_conv
from plusx.expect import (
    expect_close,
    expect_shape,
    expect_true,
    expect_type,
    expect_works,
)
from plusx.experiments import mean_spread
from plusx.trained import trained_networks
from plusx.unraveled import PreNet, Specimen, gradient_problem

# %% [markdown]
# One word chooses the size of the one study on convolutional networks, in section 4. `"small"` is
# shipped. `"full"` trains on CIFAR-10 by the recipe of He et al. (2015), hours of a GPU, and the
# same cells show it; `lesion_study(scale, "a/folder")` takes images of your own. The text
# describes `"small"`; curves at full scale are not there yet (`make reference-runs` makes them).
# Nothing names a device.

# %%
plusx.seed_all(0)
scale = "small"
data = plusx.load_data("digits")
print(f"{data.name}: {len(data.train_labels):,} training and {len(data.test_labels):,} test images")

# %% [markdown]
# The dense networks of this lesson together train in a minute or two on a laptop, and only on the
# first run: they are kept on disk under their code and settings.
#
# ## 1 · One network, many paths
#
# A residual block computes $h + F(h)$. At every block the signal has a choice of two ways: through
# the branch $F$, or along the skip. Write out three blocks:
#
# $$y = (1 + F_3)(1 + F_2)(1 + F_1)\,x ,$$
#
# and multiply, as in school: eight terms, one for each way of choosing.

# %% tags=["demo"]
path_plots.unraveled_diagram(3)
plots.show(
    "Left, three residual blocks in a row with skips around them. Right, the same unraveled: "
    "eight paths from x to y, one through no block, three through one, three through two, one "
    "through all three."
)

# %% [markdown]
# A **path** goes through some branches and skips the others. Its **length** is the number of
# branches on it. Every block doubles the number of paths: $n$ blocks, $2^n$ paths.
#
# For matrices the multiplication is legal, so let us begin there. A *linear* residual network has
# $F_l(h) = hW_l$, with examples as rows of $h$.
#
# ### Exercise 1 · All the paths
#
# **Goal** the expansion, with nothing left out · **Difficulty** ★★☆ · **Time** 9 minutes ·
# **Points** 3
#
# Number the paths from 0 to $2^n - 1$. Path `p` goes through block `l` if **bit `l`** of `p` is
# set (bit 0 is the lowest), so path 0 is all skips. Return what each path adds to the output.
# Along a path the blocks come in their order: block 0 acts first.
#
# <details><summary>Hint 1: one path</summary>
#
# `p >> l & 1` is bit `l` of `p`. Start with `h = x`; for each block whose bit is set,
# `h = h @ weights[l]`.
#
# </details>
# <details><summary>Hint 2: all at once</summary>
#
# Or grow the sheaf block by block: after block `l` there are the old paths, which skip it, and
# the old paths times `weights[l]`. Which half comes first, if bit `l` is the highest so far?
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "path_outputs", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.path_outputs"]}
def path_outputs(weights, x):
    """What each path of a linear residual network, h <- h + h @ W, adds to its output.

    weights: list of n tensors (d, d), the first block's first; n may be 0
    x: (B, d), dtype and device of the weights
    returns: (2**n, B, d); entry p belongs to the path through the blocks whose bits are set in p
    """
    ### BEGIN SOLUTION
    found = x[None]  # (1, B, d)
    for weight in weights:
        found = torch.cat([found, found @ weight])  # (2 ** (l + 1), B, d)
    return found
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_path_outputs", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
weights = [torch.tensor([[2.0]]), torch.tensor([[10.0]])]  # h -> 3 h, then h -> 11 h
found = path_outputs(weights, torch.tensor([[1.0]]))
expect_shape(found, (4, 1, 1), "path_outputs: two blocks, four paths")
by_hand = torch.tensor([1.0, 2.0, 10.0, 20.0])[:, None, None]  # none, block 0, block 1, both
wrong = diagnose.wrong_path_outputs(weights, torch.tensor([[1.0]]))
expect_close(found, by_hand, "path_outputs: by hand", wrong=wrong)
expect_close(found.sum(), 33.0, "path_outputs: the paths add up to (1 + 2)(1 + 10)")
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(101)
for n, d, batch in [(3, 4, 5), (6, 3, 2), (1, 5, 3), (4, 2, 1), (0, 3, 2)]:
    weights = [torch.randn(d, d, dtype=torch.float64) / d**0.5 for _ in range(n)]
    x = torch.randn(batch, d, dtype=torch.float64)
    what = f"path_outputs: {n} blocks of {d} units, {batch} examples"
    with expect_works(what):
        found = path_outputs(weights, x)
    expect_shape(found, (2**n, batch, d), what, "one entry for each of the 2^n paths")
    expected = paths.path_outputs(weights, x)
    wrong = diagnose.wrong_path_outputs(weights, x)
    hint = "path p goes through block l if bit l of p is set; block 0 acts first"
    expect_close(found, expected, what, hint, 1e-9, 1e-9, wrong)
    h = x
    for weight in weights:
        h = h + h @ weight
    expect_close(found.sum(0), h, f"{what}: their sum is the network's output", hint, 1e-9, 1e-9)
with expect_works("path_outputs on another device (meta)", "a device is written into the function"):
    found = path_outputs([torch.empty(2, 2, device="meta")] * 3, torch.empty(4, 2, device="meta"))
expect_true(found.is_meta, "path_outputs: the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# Ten blocks, so 1,024 paths. Do they add up to what the network computes, and how exactly? And
# does the same work for a network with a ReLU in its branches?

# %% tags=["demo"]
draw = torch.Generator().manual_seed(0)
weights = [torch.randn(16, 16, generator=draw).double() / 16 for _ in range(10)]
x = torch.randn(8, 16, generator=draw).double()


def split_error(branches):
    """How far the sum of all paths is from the network's output, as a share of it."""
    sheaf, h = [x], x
    for branch in branches:
        sheaf, h = sheaf + [branch(path) for path in sheaf], h + branch(h)
    return ((torch.stack(sheaf).sum(0) - h).norm() / h.norm()).item()


linear = [lambda h, w=w: h @ w for w in weights]
bent = [lambda h, w=w: torch.relu(h @ w) for w in weights]
print(f"linear branches:  {split_error(linear):.1e}   with ReLU: {split_error(bent):.2f}")

# %% [markdown]
# With linear branches the sum is exact to rounding. **With ReLU it is not even close.** The
# second block gets $x + F_1(x)$ as a whole, and $F_2(a + b)$ is not $F_2(a) + F_2(b)$. The sheaf
# in the figure is then a picture of which blocks feed which, not a sum of eight separate
# networks.
#
# But there is one thing in *every* network that is linear: the **gradient**. With $h_{l+1} = h_l
# + F_l(h_l)$ and Jacobians $J_l = \partial F_l / \partial h_l$, taken where the forward pass
# really went,
#
# $$\frac{\partial y}{\partial x} = (1 + J_n)\cdots(1 + J_2)(1 + J_1)$$
#
# is a product of matrices, and expands into $2^n$ terms with nothing left over. So the path view
# is exact for gradients, and a figure of speech for outputs. Keep this in mind: sections 3
# and 4 are about outputs, section 5 is about gradients.
#
# ## 2 · How long are the paths?
#
# Choose $k$ of $n$ blocks: there are $\binom{n}{k}$ paths of length $k$. Lengths are distributed
# like heads among $n$ tosses of a coin.
#
# ### Exercise 2 · The share of some lengths
#
# **Goal** how rare short paths are · **Difficulty** ★☆☆ · **Time** 5 minutes · **Points** 2
#
# Both ends of the range count. It must work for a thousand blocks and more.
#
# <details><summary>Hint 1: counting</summary>
#
# `math.comb(n, k)` is an integer, exact at any size, and zero for `k > n`.
#
# </details>
# <details><summary>Hint 2: a thousand blocks</summary>
#
# `2.0 ** 1100` overflows, `2 ** 1100` is an integer. Python divides two integers of any size
# correctly.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "share_of_paths", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.share_of_paths"]}
def share_of_paths(n, low, high):
    """The share of all paths through n residual blocks that are low to high blocks long.

    n: int, number of blocks; low, high: int, 0 <= low <= high <= n, both included
    returns: float from 0 to 1
    """
    ### BEGIN SOLUTION
    return sum(comb(n, k) for k in range(low, high + 1)) / 2**n
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_share_of_paths", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
# Five blocks: 1, 5, 10, 10, 5, 1 paths of length 0 to 5, together 32
for low, high, by_hand in [(1, 2, 15 / 32), (3, 3, 10 / 32), (0, 5, 1.0), (0, 1, 6 / 32)]:
    what = f"share_of_paths(5, {low}, {high})"
    wrong = diagnose.wrong_shares(5, low, high)
    expect_close(share_of_paths(5, low, high), by_hand, what, wrong=wrong)
print("Exercise 2: the visible checks pass.")
### BEGIN HIDDEN TESTS
for n, low, high in [(54, 5, 17), (10, 3, 7), (7, 0, 2), (20, 11, 20), (50, 4, 14), (1200, 0, 590)]:
    what = f"share_of_paths({n}, {low}, {high})"
    with expect_works(what, "numbers of this size need integers: 2 ** n, not 2.0 ** n"):
        found = share_of_paths(n, low, high)
    wrong = diagnose.wrong_shares(n, low, high)
    hint = "add up n over k for k from low to high, and divide by 2^n"
    expected = paths.share_of_paths(n, low, high)
    expect_close(found, expected, what, hint, 1e-6, 1e-12, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# He et al.'s ResNet-110 has 54 blocks: $2^{54}$, that is 18,014,398,509,481,984 paths. The range
# of lengths that will matter, 5 to 17, is marked. Look for it on the left.

# %% tags=["demo"]
lengths = range(55)
shares = [paths.share_of_paths(54, k, k) for k in lengths]
colours = [plots.COLOURS["third"] if 5 <= k <= 17 else path_plots.GREY for k in lengths]
drawing, axes = plots.figure(2, height=2.9)
for axis, kind in zip(axes, ("linear", "log"), strict=True):
    axis.bar(lengths, shares, color=colours, width=0.85)
    axis.set(xlabel="path length (blocks)", yscale=kind, title=f"54 blocks, {kind} scale")
axes[0].set_ylabel("share of all paths")
plots.show(
    "Share of all paths through 54 blocks by length, a bell around 27. Lengths 5 to 17 are "
    "marked: on the linear scale they are hardly visible, on the log scale they are the left "
    "flank."
)
print(f"5 to 17 blocks:  {100 * paths.share_of_paths(54, 5, 17):7.4f} % of the paths")
print(f"19 to 35 blocks: {100 * paths.share_of_paths(54, 19, 35):7.4f} %")

# %% [markdown]
# Nearly all paths are about half as long as the network: 27 blocks, give or take 4. Only one path
# in two hundred has 5 to 17 blocks. Paths that see the whole depth are rarer still: there is
# one with 54.
#
# ## 3 · A lesion study
#
# What a part does, one learns from what happens without it. A **lesion** takes a block out of a
# *trained* network and changes nothing else; no training follows. In the sheaf, one block less is
# half of the paths less. In a plain chain there is one path, and it is cut.
#
# One function will do for all lesions: run blocks *in a given order*. Leaving a number out
# deletes the block, exchanging two shuffles.
#
# ### Exercise 3 · Run blocks in any order
#
# **Goal** the operating table · **Difficulty** ★☆☆ · **Time** 5 minutes · **Points** 2
#
# `order` lists places of blocks. It may lack some, and may name one twice; an empty order gives
# back `x`. With `skip` a block computes $h + F(h)$, without it $F(h)$.
#
# <details><summary>Hint</summary>
#
# A loop over `order`, not over `branches`. Each block gets what the one before it gave.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "run_in_order", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.right_run"]}
def run_in_order(branches, x, order, skip):
    """Run some blocks of a network, in a given order.

    branches: list of n modules F, (B, d) -> (B, d)
    x: (B, d)
    order: list of ints from 0 to n - 1, the places of the blocks to run, the first first
    skip: bool; a block computes h + F(h) with it, F(h) without
    returns: (B, d)
    """
    ### BEGIN SOLUTION
    for place in order:
        y = branches[place](x)  # (B, d)
        x = x + y if skip else y
    return x
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_run_in_order", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
branches = [nn.Linear(1, 1, bias=False) for _ in range(2)]
for branch, factor in zip(branches, (2.0, 5.0), strict=True):
    nn.init.constant_(branch.weight, factor)
x = torch.ones(1, 1)
for order, skip, by_hand in [([0, 1], True, 18.0), ([1], True, 6.0), ([0, 1], False, 10.0)]:
    what = f"run_in_order: branches 2 h and 5 h, order {order}, skip={skip}"
    wrong = diagnose.wrong_runs(branches, x, order, skip)
    found = run_in_order(branches, x, order, skip)
    expect_close(found, torch.tensor([[by_hand]]), what, wrong=wrong)
print("Exercise 3: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(301)
for n, width, batch, order in [
    (5, 2, 3, [4, 1, 3]),
    (4, 3, 5, [0, 1, 2, 3]),
    (4, 3, 2, [3, 1, 0, 2]),
    (5, 4, 3, [0, 2, 4]),
    (3, 3, 1, [2, 0, 2]),
    (3, 4, 2, []),
]:
    for skip in (True, False):
        branches = diagnose.make_branches(n, width, seed=n + len(order))
        x = torch.randn(batch, width, dtype=torch.float64)
        what = f"run_in_order: {n} blocks, order {order}, skip={skip}"
        with torch.no_grad(), expect_works(what):
            found = run_in_order(branches, x, order, skip)
        with torch.no_grad():
            expected = diagnose.right_run(branches, x, order, skip)
        wrong = diagnose.wrong_runs(branches, x, order, skip)
        hint = "go through order; each block gets what the one before it gave"
        expect_close(found, expected, what, hint, 1e-8, 1e-8, wrong)
### END HIDDEN TESTS

# %% [markdown]
# ### The patients
#
# Three networks of **pre-activation** blocks (lesson 04), $F$ = norm, ReLU, dense, norm, ReLU,
# dense, 32 units wide, trained for 10 epochs on 8×8 digits, ten seeds each: fifty residual
# blocks; five plain ones (fifty plain ones would not train, lesson 01); and, to be fair to the
# plain ones, five residual blocks.

# %% tags=["demo"]
recipe, seeds = plusx.Recipe(epochs=10), 10
kinds = {
    "50 residual blocks": ({"blocks": 50}, plots.COLOURS["residual"], "s", "-"),
    "5 residual blocks": ({"blocks": 5}, plots.COLOURS["first"], "^", "-."),
    "5 plain blocks": ({"blocks": 5, "skip": False}, plots.COLOURS["plain"], "o", "--"),
}
nets = {
    name: trained_networks(PreNet, data, recipe, seeds, **settings)
    for name, (settings, *_) in kinds.items()
}

# %% [markdown]
# A lesion also disturbs what the norms see: a batch norm behind the wound divides by a variance
# that is no longer right. We want to know what the *block* did. So after each lesion the norms
# take their statistics anew, from the test images. (Further down we do not let them, as a
# control.) `Specimen` does that; `.error` is the test error with any list of blocks between stem
# and head.

# %% tags=["demo"]
images, labels = data.test_images, data.test_labels
specimens = {name: [Specimen(net, images, labels) for net in nets[name]] for name in kinds}
base = {name: torch.tensor([s.error(s.blocks) for s in specimens[name]]) for name in kinds}
without_one = {
    name: torch.stack([lesions.delete_each(s.blocks, s.error) for s in specimens[name]])
    for name in kinds
}  # (seeds, blocks)

# %% tags=["demo"]
drawing, axes = plots.figure(2, height=3.8)
for name, (_, colour, marker, dash) in kinds.items():
    for axis in axes if "residual" in name else axes[:1]:
        path_plots.plot_lesions(axis, without_one[name], base[name], name, colour, marker, dash)
    print(f"{name:18} whole {mean_spread(base[name])} %", end=", ")
    print(f"without one block {mean_spread(without_one[name].mean(1))} %")
path_plots.guessing(axes[0])
for axis, top, title in zip(
    axes, (100, 16), ("all three", "residual only, magnified"), strict=True
):
    axis.set(xlabel="place of the deleted block (0 input, 1 output)", ylim=(0, top), title=title)
axes[0].set_ylabel("test error (%)")
axes[0].legend(title="line: mean, points: 10 seeds,\ndotted: whole network", loc="center left")
plots.show(
    "Test error without one block, by the block's place. Plain: near guessing wherever the block "
    "is. Residual: nearly that of the whole network, except for the first blocks; with five "
    "residual blocks a few points more."
)

# %% [markdown]
# Without one of its blocks, **the plain network guesses**, or nearly so, whichever block it is.
# **The residual network hardly notices**: its error rises by a fraction of a point on average,
# and by some points only for the first two or three blocks. With five residual blocks each counts
# for more: two points on average, six for the first, not eighty. So it is the skip that makes the
# difference, not the number of blocks.
#
# The paper found the same on CIFAR-10: deleting any layer of a VGG network leads to chance,
# deleting a block of a residual network is barely visible, a little more so at the blocks that
# halve the image.
#
# ## 4 · More than one, and in disorder
#
# If the network were a committee, its error should grow *smoothly* with the number of members who
# left. Delete $k$ blocks at random and, a harsher test, keep all blocks but **shuffle** them.
# How much an order is shuffled is measured by **Kendall's tau**: look at all pairs, and count
# those that stand as before and those that have changed sides:
#
# $$\tau = \frac{\text{pairs in order} - \text{pairs out of order}}{n(n-1)/2} .$$
#
# ### Exercise 4 · Kendall's tau
#
# **Goal** a measure of disorder · **Difficulty** ★☆☆ · **Time** 6 minutes · **Points** 2
#
# `order` is a permutation of 0 … n−1: the block that now stands first is named first.
#
# <details><summary>Hint 1: all pairs</summary>
#
# `itertools.combinations(order, 2)` gives each pair once, in the order in which they stand. Such a
# pair `(a, b)` is in order if `a < b`.
#
# </details>
# <details><summary>Hint 2: check yourself</summary>
#
# Untouched gives 1, reversed gives −1. `[1, 0, 2]` has three pairs, one of them out of order:
# $(2 - 1)/3$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "kendall_tau", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.kendall_tau", "scipy.kendalltau"]}
def kendall_tau(order):
    """Kendall's rank correlation of a permutation with the order 0, 1, 2, ...

    order: list of the ints 0 to n - 1, each once; n is at least 2
    returns: float from -1 (reversed) to 1 (as it was)
    """
    ### BEGIN SOLUTION
    from itertools import combinations

    signs = [1 if a < b else -1 for a, b in combinations(order, 2)]
    return sum(signs) / len(signs)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_kendall_tau", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for order, by_hand in [
    ([0, 1, 2], 1.0),
    ([2, 1, 0], -1.0),
    ([1, 0, 2], 1 / 3),
    ([2, 0, 1], -1 / 3),
]:
    what, wrong = f"kendall_tau({order})", diagnose.wrong_taus(order)
    expect_close(kendall_tau(order), by_hand, what, wrong=wrong)
print("Exercise 4: the visible checks pass.")
### BEGIN HIDDEN TESTS
draw = torch.Generator().manual_seed(401)
shuffled = [torch.randperm(n, generator=draw).tolist() for n in (2, 5, 8, 13, 30)]
for order in [*map(list, permutations(range(4))), *shuffled]:
    what, wrong = f"kendall_tau of {len(order)} blocks", diagnose.wrong_taus(order)
    with expect_works(what):
        found = kendall_tau(order)
    hint = "(pairs in order - pairs out of order) / (n (n - 1) / 2), over all pairs"
    expect_close(found, lesions.kendall_tau(order), what, hint, 1e-6, 1e-9, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# Ten random choices for each number of deleted blocks, ten random orders for each number of swaps,
# on each of the ten networks.

# %% tags=["demo"]
deleted, swaps = (1, 5, 10, 15, 20, 25, 30, 35, 40, 45, 49, 50), (1, 3, 6, 10, 16, 25, 45, 100)


def deletion_errors(patients):
    """(seeds, counts): mean error over ten random choices of deleted blocks."""
    rows = [
        [lesions.delete_some(s.blocks, s.error, k, 10, seed=n).mean() for k in deleted]
        for n, s in enumerate(patients)
    ]
    return torch.tensor(rows)


def shuffle_errors(patients):
    """Mean tau (swaps,), and mean errors over ten orders each, (seeds, swaps)."""
    rows = [
        [lesions.shuffle_some(s.blocks, s.error, k, 10, seed=n) for k in swaps]
        for n, s in enumerate(patients)
    ]
    means = torch.tensor([[[pair.mean() for pair in pairs] for pairs in row] for row in rows])
    return means[..., 0].mean(0), means[..., 1]


# %% tags=["demo"]
fifty = specimens["50 residual blocks"]
lost = deletion_errors(fifty)
taus, shuffled_errors = shuffle_errors(fifty)
drawing, axes = plots.figure(2, height=3.6, share_y=True)
plots.plot_runs(axes[0], deleted, lost, "50 residual blocks", "residual")
plots.plot_runs(axes[1], taus, shuffled_errors, "50 residual blocks", "residual")
for axis in axes:
    path_plots.guessing(axis)
axes[0].set(xlabel="blocks deleted at random, of 50", ylabel="test error (%)", ylim=(0, 100))
axes[1].set(xlabel="Kendall's tau: from in order (1) to shuffled (0)", xlim=(1, 0))
axes[0].legend(title="median and range, 10 seeds", loc="center left")
plots.show(
    "Test error of 50 residual blocks. It grows smoothly with the number of blocks deleted at "
    "random, to about 60 % when all are gone, and with shuffling, to about 45 % in complete "
    "disorder; both stay below guessing."
)
for k, errors in zip(deleted, lost.T, strict=True):
    print(
        f"{k:2} deleted {mean_spread(errors):>11} %", end="\n" if k in (10, 25, 40, 50) else "   "
    )

# %% [markdown]
# The error grows smoothly, as the committee picture predicts. Ten blocks of fifty may go, and
# with them 99.9 % of the paths ($1 - 2^{-10}$), for a few points. Complete disorder costs about
# as much as the loss of four blocks in five, and it is far from guessing: **order matters, but
# not the way it does in a chain**, where it is everything.
#
# Now read the right end of the left panel, which such figures often leave out. With **45 of 50
# gone, the error is above 50 %**, nearly as high as with no block at all (stem and head alone:
# they still read something of the pixels). The surviving paths, five blocks or shorter, cannot do
# the job. Yet five residual blocks *trained as five* have an error of 3 %. In a committee every
# member can vote alone. These members cannot. We come back to that in section 7.
#
# And the control: norms that keep the whole network's statistics.

# %% tags=["demo"]
strict = [Specimen(net, images, labels, data.train_images) for net in nets["50 residual blocks"]]
for k in (0, 1, 10, 20):
    found = [lesions.delete_some(s.blocks, s.error, k, 10, n).mean() for n, s in enumerate(strict)]
    print(f"{k:2} deleted, statistics kept: {mean_spread(torch.stack(found)):>11} %")

# %% [markdown]
# For one block it makes little difference. For ten or twenty it more than doubles the damage:
# most of that is then done by norms that are out of tune, not by missing blocks. A lesion study
# that does not say what its norms do leaves this open.
#
# ### The same with convolutions
#
# So far all layers were dense. The paper's are convolutional, and two of their blocks halve the
# image. Here is the study on such networks: those of He et al. (2015) with 56 and 14 layers, that
# is 27 and 6 blocks, and the plain one of 14; ten epochs on the digits, five seeds (shipped;
# `python -m plusx.unraveled_conv` makes them). A residual block that is deleted leaves its shortcut
# behind. A plain block that halves the image cannot be deleted: nothing else would fit.

# %% tags=["demo"]
conv = unraveled_conv.lesion_study(scale)
conv_kinds = {
    "27 residual blocks": (conv[True, 9], plots.COLOURS["residual"], "s", "-"),
    "6 residual blocks": (conv[True, 2], plots.COLOURS["first"], "^", "-."),
    "6 plain blocks": (conv[False, 2], plots.COLOURS["plain"], "o", "--"),
}
drawing, axes = plots.figure(2, height=3.6, share_y=True)
for name, (record, colour, marker, dash) in conv_kinds.items():
    whole, one_less = record.test_error[:, 0], record.without_one
    path_plots.plot_lesions(axes[0], one_less, whole, name, colour, marker, dash)
    print(f"{name:18} whole {mean_spread(whole)} %", end=", ")
    print(f"without one block {mean_spread(one_less.nanmean(1))} %")
plots.plot_runs(
    axes[1], unraveled_conv.COUNTS, conv[True, 9].without_some, "27 residual blocks", "residual"
)
for axis in axes:
    path_plots.guessing(axis)
axes[0].set(xlabel="place of the deleted block (0 input, 1 output)", ylabel="test error (%)")
axes[0].set(ylim=(0, 100), title="one block deleted")
axes[0].legend(title="line: mean, points: seeds", loc="center right")
axes[1].set(xlabel="blocks deleted at random, of 27", title="many deleted: median and range")
plots.show(
    "Convolutional networks without one block, by the block's place, and without many. Plain: near "
    "guessing. 27 residual blocks: nearly the whole network's error but for the first block; with 6 "
    "it is 20 points for the first, a few for the others. With more and more blocks gone the error "
    "grows smoothly, and reaches guessing."
)

# %% tags=["demo"]
deep = conv[True, 9].without_one - conv[True, 9].test_error  # (seeds, blocks)
print("rise of the error, points, without one of 27 blocks")
print(f"  the first                     {mean_spread(deep[:, 0])}")
print(f"  the two that halve the image  {mean_spread(deep[:, [9, 18]].mean(1), 2)}")
others = [n for n in range(27) if n not in (0, 9, 18)]
print(f"  the other 24                  {mean_spread(deep[:, others].mean(1), 2)}")

# %% [markdown]
# The same picture. Without one of its blocks the plain network guesses; the residual one of 27
# blocks loses half a point on average, and with six blocks each counts for more. Only the first
# block, which reads what the stem wrote, is missed. In the paper the blocks that halve the image
# stand out a little. Here they cost twice as much as the others, but the difference is within the
# spread of five seeds.
#
# One thing differs from our dense networks. With two thirds of the blocks gone the error is 60 %,
# and with all gone the network guesses: what is left of it is a mean over the pixels of what the
# stem wrote, and that says little about a digit.
#
# ## 5 · Where the gradient goes
#
# Most paths are long. Does the *gradient* come through them? Each branch on a path multiplies the
# gradient by its Jacobian, and if that shrinks it, a long path carries little. So there are two
# opposing effects: the number of paths, and what each carries.
#
# Section 5 of the paper measures a single path: a batch goes forward through the **whole**
# network; on the way back, the gradient goes through the **branch alone** at $k$ chosen blocks,
# and through the **skip alone** at all others.
#
# ### Exercise 5 · The gradient along one path
#
# **Goal** the paper's procedure · **Difficulty** ★★★ · **Time** 11 minutes · **Points** 3
#
# `v` is the gradient at the output; return what arrives at `x`. Jacobians are taken at the states
# of the forward pass of the whole network.
#
# <details><summary>Hint 1: two passes</summary>
#
# First go forward and keep the state before every block. Then go from the last block to the
# first: at a chosen one, the gradient `g` becomes $J^\top g$; at any other it stays.
#
# </details>
# <details><summary>Hint 2: one vector-Jacobian product</summary>
#
# `h = state.detach().requires_grad_()`, then
# `(g,) = torch.autograd.grad(branches[l](h), h, g)`.
#
# </details>
# <details><summary>Hint 3: or let autograd do it in one pass</summary>
#
# `detach` closes a way for gradients and leaves the value. At a chosen block compute
# `branch(h) + h.detach()`, at any other `branch(h).detach() + h`. The output is the same, and the
# backward pass takes one path.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "path_gradient", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.path_gradient", "plusx.sampled_gradients", "plusx.gradient_by_length"]}
def path_gradient(branches, x, v, chosen):
    """The gradient that reaches x along one path of the residual network h <- h + F(h).

    branches: list of n modules F, (B, d) -> (B, d)
    x: (B, d); v: (B, d), the gradient at the network's output
    chosen: list of ints, the blocks through whose branches the path goes, in any order
    returns: (B, d)
    """
    ### BEGIN SOLUTION
    start = x.detach().requires_grad_()
    h = start
    for place, branch in enumerate(branches):
        y = branch(h)  # (B, d)
        h = y + h.detach() if place in chosen else y.detach() + h
    return torch.autograd.grad(h, start, v)[0]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_path_gradient", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
branches = [nn.Linear(1, 1, bias=False) for _ in range(3)]
for branch, factor in zip(branches, (2.0, 5.0, 7.0), strict=True):
    nn.init.constant_(branch.weight, factor)
x, v = torch.ones(1, 1), torch.tensor([[3.0]])
for chosen, by_hand in [([], 3.0), ([1], 15.0), ([2, 0], 42.0), ([0, 1, 2], 210.0)]:
    what = f"path_gradient: branches 2 h, 5 h, 7 h, v = 3, path through {chosen}"
    wrong = diagnose.wrong_path_gradients(branches, x, v, chosen)
    found = path_gradient(branches, x, v, chosen)
    expect_close(found, torch.tensor([[by_hand]]), what, wrong=wrong)
print("Exercise 5: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(501)
for n, width, batch, chosen in [
    (5, 4, 3, [4, 1, 2]),
    (4, 3, 2, [0, 2]),
    (3, 4, 5, [1]),
    (4, 5, 2, [0, 1, 2, 3]),
    (3, 3, 4, []),
    (6, 2, 1, [5]),
]:
    branches = diagnose.make_branches(n, width, seed=n)
    x, v = (torch.randn(batch, width, dtype=torch.float64) for _ in range(2))
    what = f"path_gradient: {n} blocks, path through {chosen}"
    with expect_works(what):
        found = path_gradient(branches, x, v, chosen)
    expected = paths.path_gradient(branches, x, v, chosen)
    expect_shape(found, expected.shape, what, "return the gradient with respect to x alone")
    wrong = diagnose.wrong_path_gradients(branches, x, v, chosen)
    hint = "whole forward pass; on the way back, branch alone at chosen blocks, else skip alone"
    expect_close(found, expected, what, hint, 1e-7, 1e-9, wrong)
branches = [nn.Linear(2, 2).to("meta") for _ in range(3)]
x, v = (torch.empty(4, 2, device="meta") for _ in range(2))
with expect_works(
    "path_gradient on another device (meta)", "a device is written into the function"
):
    found = path_gradient(branches, x, v, [0, 2])
expect_true(found.is_meta, "path_gradient: the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# Now the measurement: 60 random paths of each length up to 24, in each of the ten trained
# networks of fifty blocks. (`paths.sampled_gradients` does what your function does, for many
# paths in one pass.) The gradient is that of the loss on 50 training images, at the output of the
# stem.

# %% tags=["demo"]
lengths, samples = range(25), 60
batch = data.train_images[:50], data.train_labels[:50]


def sampled_norms(net, seed):
    """Gradient norms along random paths, `samples` of each length."""
    draw = torch.Generator().manual_seed(seed)
    wanted = [k for k in lengths for _ in range(samples)]
    return paths.norms(paths.sampled_gradients(*gradient_problem(net, *batch), wanted, draw))


sampled = [sampled_norms(net, seed) for seed, net in enumerate(nets["50 residual blocks"])]

# %% tags=["demo"]
single = torch.stack([norms.double().view(-1, samples).mean(1) for norms in sampled])
factors = (single[:, 20] / single[:, 5]) ** (1 / 15)  # between lengths 5 and 20
print(f"each branch on a path multiplies its gradient by {mean_spread(factors, 2)}")

# %% [markdown]
# What one path carries falls **exponentially** with its length, by a factor of a bit more than
# four for each branch. Times the number of paths of that length, the paper says, that is what all
# of them carry. But hold on. *Adding up norms* is not the same as adding up gradients: what if
# they point in different directions, and cancel? The paper's procedure cannot tell. We can do
# better.
#
# **The exact sum.** There are far too many paths to visit. But walk backwards through the blocks,
# and keep one gradient *for each length*: $V_k$ is the sum over all paths of length $k$ so far.
# At a block with Jacobian $J$, a path either skips it and keeps its length, or takes the branch
# and grows by one:
#
# $$V_k \;\leftarrow\; V_k + J^\top V_{k-1} .$$
#
# At the start $V_0 = v$ and all others are zero. It is the rule behind Pascal's triangle, with
# gradients in place of numbers, and it sums $2^{50}$ paths in the time of some fifty backward
# passes.
#
# ### Exercise 6 · All paths of a length
#
# **Goal** an exact answer where the paper samples · **Difficulty** ★★★ · **Time** 12 minutes ·
# **Points** 3
#
# <details><summary>Hint 1: what to keep</summary>
#
# A tensor of zeros `(n + 1, B, d)` with `v` in entry 0, and the states before each block. Then
# walk from the last block to the first.
#
# </details>
# <details><summary>Hint 2: the trap</summary>
#
# The right-hand side needs the *old* $V_{k-1}$. Go from the longest length down, or compute all
# products first.
#
# </details>
# <details><summary>Hint 3: check yourself</summary>
#
# The sum over all lengths is the ordinary gradient. Entry $n$ is one path, through all branches.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "gradient_by_length", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.gradient_by_length", "plusx.sampled_gradients"]}
def gradient_by_length(branches, x, v):
    """The gradient at x of the residual network h <- h + F(h), taken apart by path length.

    branches: list of n modules F, (B, d) -> (B, d)
    x: (B, d); v: (B, d), the gradient at the network's output
    returns: (n + 1, B, d); entry k is the sum over all paths through exactly k branches
    """
    ### BEGIN SOLUTION
    held = [x.detach()]
    for branch in branches[:-1]:
        held.append((held[-1] + branch(held[-1])).detach())
    sums = [v] + [torch.zeros_like(v) for _ in branches]
    for branch, state in zip(reversed(branches), reversed(held), strict=False):
        h = state.requires_grad_()
        y = branch(h)
        through = [torch.autograd.grad(y, h, g, retain_graph=True)[0] for g in sums[:-1]]
        sums = [v] + [along + more for along, more in zip(sums[1:], through, strict=True)]
    return torch.stack(sums)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gradient_by_length", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
branches = [nn.Linear(1, 1, bias=False) for _ in range(3)]
for branch, factor in zip(branches, (2.0, 5.0, 7.0), strict=True):
    nn.init.constant_(branch.weight, factor)
x, v = torch.ones(1, 1), torch.ones(1, 1)
by_hand = torch.tensor([1.0, 2 + 5 + 7, 2 * 5 + 2 * 7 + 5 * 7, 2 * 5 * 7])[:, None, None]
found = gradient_by_length(branches, x, v)
expect_shape(found, (4, 1, 1), "gradient_by_length: three blocks, lengths 0 to 3")
wrong = diagnose.wrong_by_length(branches, x, v)
expect_close(found, by_hand, "gradient_by_length: branches 2 h, 5 h, 7 h", wrong=wrong)
print("Exercise 6: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(601)
for n, width, batch_size in [(3, 4, 5), (6, 3, 2), (1, 4, 3), (9, 2, 4)]:
    branches = diagnose.make_branches(n, width, seed=10 + n)
    x, v = (torch.randn(batch_size, width, dtype=torch.float64) for _ in range(2))
    what = f"gradient_by_length: {n} blocks of {width} units"
    with expect_works(what):
        found = gradient_by_length(branches, x, v)
    expected = paths.gradient_by_length(branches, x, v)
    expect_shape(found, expected.shape, what, "one entry for each length from 0 to n")
    wrong = diagnose.wrong_by_length(branches, x, v)
    hint = "V[k] becomes V[k] + J^T V[k - 1], from the last block to the first"
    expect_close(found, expected, what, hint, 1e-7, 1e-9, wrong)
    start = x.clone().requires_grad_()
    (whole,) = torch.autograd.grad(diagnose.right_run(branches, start, range(n), True), start, v)
    expect_close(found.sum(0), whole, f"{what}: the sum is the whole gradient", hint, 1e-7, 1e-9)
branches = [nn.Linear(2, 2).to("meta") for _ in range(3)]
x, v = (torch.empty(4, 2, device="meta") for _ in range(2))
with expect_works("gradient_by_length on another device (meta)", "a device is written into it"):
    found = gradient_by_length(branches, x, v)
expect_true(found.is_meta, "gradient_by_length: the device of the result is that of x")
### END HIDDEN TESTS


# %% [markdown]
# Here is the central figure of this lesson. The product of the first two panels is the amber curve
# of the third, the paper's measure. The blue curve is the exact sum.


# %% tags=["demo"]
def exact_norms(net):
    """(blocks + 1,): norms of the gradient by path length."""
    return paths.norms(paths.gradient_by_length(*gradient_problem(net, *batch)))


exact = [exact_norms(net) for net in nets["50 residual blocks"]]
study = path_plots.measure_lengths(exact, sampled, samples, blocks=50)
path_plots.length_panels(study)
plots.show(
    "Three panels by path length. How many paths: a bell around 25. The gradient norm of one "
    "path: falls exponentially, by a factor of four per block. What all of them carry: with norms "
    "added a bell around 10, with gradients added one around 3, both far left of the number of "
    "paths."
)

# %% tags=["demo"]
counts = torch.tensor([[float(comb(50, k)) for k in range(51)]])
rows = {
    "number of paths": (counts, path_plots.GREY),
    "norms added (sampled)": (study.sampled, plots.COLOURS["third"]),
    "gradients added (exact)": (study.exact, plots.COLOURS["residual"]),
}
drawing, (axis,) = plots.figure(height=2.4, wide=True)
path_plots.range_bars(axis, rows, longest=36)
axis.set_title("95 % of each in the shortest range (bar), mean length of each network (dots)")
plots.show(
    "Ranges of path length that hold 95 %: of the paths 18 to 31, of the gradient with norms "
    "added 4 to 14, with gradients added 0 to 8."
)
excess = study.sampled.sum(1) / study.exact.sum(1)
print(f"norms of all paths / norms of their sums: {excess.min():.0f} to {excess.max():.0f}")

# %% [markdown]
# Three things to see.
#
# 1. **The paper's finding holds**, and closely. By its measure, 95 % of the gradient lies on
#    paths of about 4 to 14 of 50 blocks (in the paper: 5 to 17 of 54). The typical path, of 25,
#    carries nothing.
# 2. **The exact answer is more extreme.** Summed as gradients, the mass lies at 0 to 8, with a
#    mean below four blocks. The network is fifty blocks deep; its gradient is four blocks deep.
# 3. **Why they differ: the paths cancel.** Norms of all paths together are a thousand times the
#    gradient that is left when they are added. The longer the paths, the more there are, and the
#    more they cancel. This also says that single paths are no independent actors: almost
#    everything that they carry is undone by other paths.
#
# ### Why four?
#
# A little theory. If each branch multiplies a gradient by $a$ and **all paths point the same
# way**, length $k$ carries $\binom{n}{k}a^k$. These are the terms of $(1 + a)^n$, a binomial
# distribution of mean $n\,a/(1+a)$. If the paths point in **random directions**, $N$ of them add
# up to $\sqrt N$ times one, and length $k$ carries $\sqrt{\binom{n}{k}}\,a^k$. Move $a$, and
# compare both with what we measured: $a$ near 0.23. **Look for** the $a$ from which the gradient
# comes through typical paths.

# %% tags=["demo"]
from plusx.path_explorer import PathExplorer, length_masses

PathExplorer()

# %% tags=["demo"]
a = factors.mean().item()
for name, power, measured in [("one direction", 1.0, study.sampled), ("random", 0.5, study.exact)]:
    theory = paths.effective_length(length_masses(50, a, power))
    lengths_found = torch.tensor([paths.effective_length(masses) for masses in measured])
    print(f"{name:14} theory {theory:4.1f}   measured {mean_spread(lengths_found)} blocks")

# %% [markdown]
# With one number, $a$, the theory puts the sum of norms where we found it. Random directions give
# too small a length: real paths cancel a little less than at random, but far more than they
# agree. Only at $a = 1$, where a branch keeps the size of gradients, would the typical path carry
# the most.
#
# ### Does training make it shallower, or deeper?

# %% tags=["demo"]
epochs = (0, 1, 2, 5, 10)
early = {
    e: trained_networks(PreNet, data, plusx.Recipe(epochs=e), 5, blocks=50) for e in epochs[:-1]
}
early[10] = nets["50 residual blocks"][:5]
effective = torch.tensor(
    [[paths.effective_length(exact_norms(net)) for net in early[e]] for e in epochs]
)
for e in (0, 10):
    added = [Specimen(net, images, labels).contributions().mean() for net in early[e]]
    print(f"epoch {e:2}: a block adds {mean_spread(torch.stack(added), 2)} of what it gets")

# %% tags=["demo"]
drawing, (axis,) = plots.figure(height=2.9)
plots.plot_runs(axis, epochs, effective.T, "gradients added (exact)", "residual")
axis.set(xlabel="epoch", ylabel="mean path length (blocks)", ylim=(0, 9), xticks=epochs)
axis.legend(title="median and range, 5 seeds")
plots.show(
    "Mean path length of the gradient by epoch: it falls from nearly 8 blocks before training to "
    "4 after two epochs, and stays there."
)
print(
    "mean length:",
    *[f"epoch {e}: {mean_spread(row)}" for e, row in zip(epochs, effective, strict=True)],
    sep="  ",
)

# %% [markdown]
# **Shallower**: from more than seven blocks to about four, most of it in two epochs. Littwin and
# Wolf (2016) come to the opposite: from a model of the loss surface they derive that the ensemble
# gets *deeper* as training goes on, driven by the scales of batch norm. They weigh paths in
# another way and look at other networks, so both may be right; ours contradicts it for our case.
# A likely reason stands in the printed lines: in training, a block comes to add less, compared
# with what it gets. A norm divides by the size of what it gets, so the branch's Jacobian shrinks
# with that ratio.
#
# ## 6 · Training for it: stochastic depth
#
# If a network is to survive lesions, why not train it with lesions? Huang et al. (2016) drop each
# block with some probability *in training*: for a whole mini-batch the block computes $x$ instead
# of $x + F(x)$. With the probability $p$ to **survive**:
#
# $$\text{training: } y = \begin{cases} x + F(x) & \text{with probability } p\\ x & \text{else}\end{cases}
# \qquad \text{evaluation: } y = x + p\,F(x) .$$
#
# ### Exercise 7 · A block that may be absent
#
# **Goal** stochastic depth · **Difficulty** ★★☆ · **Time** 9 minutes · **Points** 3
#
# One draw for the whole batch, anew at every call, from torch's generator.
#
# <details><summary>Hint 1: which mode?</summary>
#
# `self.training` is True in training mode.
#
# </details>
# <details><summary>Hint 2: one draw</summary>
#
# `torch.rand(()) < p` is true with probability `p`: one number, not one for each example.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "stochastic_block", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.PreBlock", "torchvision.StochasticDepth", "torchvision.stochastic_depth"]}
class StochasticBlock(nn.Module):
    """A residual block that is left out at random in training.

    branch: nn.Module F, (B, ...) -> (B, ...)
    survival: float from 0 to 1, the probability with which the branch stays

    forward: x -> x + F(x) or x in training mode, x + survival * F(x) in evaluation mode
    """

    def __init__(self, branch, survival):
        super().__init__()
        ### BEGIN SOLUTION
        self.branch = branch
        self.survival = survival
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        if not self.training:
            return x + self.survival * self.branch(x)
        stays = torch.rand(()).item() < self.survival
        return x + self.branch(x) if stays else x
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_stochastic_block", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
branch = nn.Linear(1, 1, bias=False)
nn.init.constant_(branch.weight, 10.0)
x = torch.ones(1, 1)  # F(x) = 10
block = StochasticBlock(branch, 0.25)
expect_type(block, nn.Module, "StochasticBlock(branch, 0.25)")
wrong = diagnose.wrong_in_evaluation(branch, x, 0.25)
expect_close(block.eval()(x), x + 2.5, "StochasticBlock: evaluation mode", wrong=wrong)
seen = {round(block.train()(x).item(), 3) for _ in range(60)}
hint = "each call draws anew and gives x or x + F(x); scaling is for evaluation mode"
expect_true(seen == {1.0, 11.0}, "StochasticBlock: 60 calls in training give 1 and 11", hint)
print("Exercise 7: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(701)
for survival in (0.7, 0.2, 1.0, 0.0):
    (branch,) = diagnose.make_branches(1, 3, seed=int(10 * survival))
    x = torch.randn(6, 3, dtype=torch.float64)
    what = f"StochasticBlock, survival {survival}"
    with expect_works(what):
        block = StochasticBlock(branch, survival)
        y = block.eval()(x)
    with torch.no_grad():
        expected = x + survival * branch(x)
        wrong = diagnose.wrong_in_evaluation(branch, x, survival)
        never = diagnose.wrong_in_training(branch, x, survival)
        added = branch(x)
    hint = "in evaluation mode: x + survival * F(x), nothing is drawn"
    expect_close(y, expected, f"{what}: evaluation mode", hint, 1e-8, 1e-8, wrong)
    calls, stayed = 150, 0
    for _ in range(calls):
        with torch.no_grad(), expect_works(f"{what}: training mode"):
            y = block.train()(x)
        expect_shape(y, x.shape, f"{what}: training mode")
        share = ((y - x) * added).sum(1) / added.square().sum(1)  # (B,), 1 stayed, 0 dropped
        shapes = "one draw for the whole batch: here some examples have the branch, some do not"
        mixed = share.round().unique().numel() > 1 and torch.allclose(share, share.round())
        expect_true(not mixed, f"{what}: the whole batch has one fate", shapes)
        if not torch.allclose(y, x):
            hint = "it is x + F(x) or x"
            expect_close(y, x + added, f"{what}: training mode", hint, 1e-8, 1e-8, never)
            stayed += 1
    spread = 6 * (survival * (1 - survival) / calls) ** 0.5
    low, high = survival - spread, survival + spread
    hint = "survival is the probability that the branch stays; draw at every call"
    expect_true(low <= stayed / calls <= high, f"{what}: how often the branch stays", hint)
    expect_close(block.eval()(x), expected, f"{what}: evaluation mode again", hint, 1e-8, 1e-8)
image_block = StochasticBlock(nn.Conv2d(2, 2, 3, padding=1), 0.5)
with expect_works("StochasticBlock on images (B, C, H, W)"):
    y = image_block.train()(torch.randn(3, 2, 4, 5))
expect_shape(y, (3, 2, 4, 5), "StochasticBlock on images (B, C, H, W)")
(branch,) = diagnose.make_branches(1, 3, seed=1)
block, x = StochasticBlock(branch, 1.0).train(), torch.randn(2, 3, dtype=torch.float64)
x.requires_grad_()
(expected,) = torch.autograd.grad(x + branch(x), x, torch.ones_like(x))
block(x).backward(torch.ones_like(x))
hint = "gradients flow through skip and branch: nothing is detached"
expect_close(x.grad, expected, "StochasticBlock: gradient with respect to x", hint)
with expect_works("StochasticBlock on another device (meta)", "a device is written into the block"):
    y = StochasticBlock(nn.Linear(2, 2), 0.5).to("meta").eval()(torch.empty(3, 2, device="meta"))
expect_true(y.is_meta, "StochasticBlock: the device of the output is that of x")
### END HIDDEN TESTS

# %% [markdown]
# The survival probability falls linearly from 1 at the stem to 0.5 at the last block, as the
# authors recommend: early blocks are needed by all that follows. On average 37 of our 50 blocks
# are alive. Same network, same recipe, same ten seeds. (The lesion curves also show the effect
# for shuffled blocks.)

# %% tags=["demo"]
name = "stochastic depth"
nets[name] = trained_networks(PreNet, data, recipe, seeds, blocks=50, last_survival=0.5)
survivors = [Specimen(net, images, labels) for net in nets[name]]
base[name] = torch.tensor([s.error(s.blocks) for s in survivors])
lost_stochastic = deletion_errors(survivors)
_, shuffled_stochastic = shuffle_errors(survivors)
exact_stochastic = [exact_norms(net) for net in nets[name]]

# %% tags=["demo"]
drawing, axes = plots.figure(2, height=3.6, share_y=True)
for label, role, x_errors, tau_errors in [
    ("as usual", "residual", lost, shuffled_errors),
    (name, "second", lost_stochastic, shuffled_stochastic),
]:
    plots.plot_runs(axes[0], deleted, x_errors, label, role)
    plots.plot_runs(axes[1], taus, tau_errors, label, role)
axes[0].set(xlabel="blocks deleted at random, of 50", ylabel="test error (%)", ylim=(0, 100))
axes[1].set(xlabel="Kendall's tau: from in order (1) to shuffled (0)", xlim=(1, 0))
axes[0].legend(title="median and range, 10 seeds", loc="upper left")
plots.show(
    "Test error by the number of deleted blocks, and by disorder, of networks trained as usual "
    "and with stochastic depth: with stochastic depth both curves rise about half as fast."
)
for label, errors, masses in [
    ("as usual", base["50 residual blocks"], exact),
    (name, base[name], exact_stochastic),
]:
    found = torch.tensor([paths.effective_length(m) for m in masses])
    print(f"{label:17} test error {mean_spread(errors)} %, mean path length {mean_spread(found)}")

# %% [markdown]
# Trained with lesions, the network withstands lesions: where the usual one has lost ten points or
# more, this one has lost about half as many, deleted or shuffled. The error of the *whole*
# network is the same within the spread: the gain in accuracy that the authors report (on
# CIFAR-10, with far larger networks) does not show here. The gradient becomes a little shallower
# still.
#
# This is the practical side of the unraveled view. A network whose blocks can be left out is one
# that can be made smaller after training, at no cost but some error. In the paper's own
# experiment of this kind, a network of 54 blocks trained with a random 23 of them in each batch,
# so that no gradient ever went through a path longer than that, reached an error of 5.96 %,
# against 6.10 % with all of them.
#
# ## 7 · What it shows, and what it does not
#
# One measurement first. How much does a block *add*, compared with what it gets? Left, the ratio
# $|F(h)| / |h|$ at each block. Right, the same against the damage when this block is deleted.

# %% tags=["demo"]
added = torch.stack([s.contributions() for s in fifty])  # (seeds, blocks)
damage = without_one["50 residual blocks"] - base["50 residual blocks"][:, None]
drawing, axes = plots.figure(2, height=3.3)
plots.plot_runs(axes[0], range(1, 51), added, "trained", "residual")
axes[0].set(xlabel="block (1 next to the input)", ylabel="added / received (norms)", ylim=(0, 0.8))
axes[0].legend(title="median and range, 10 seeds")
colours = [path_plots.length_colour(k, 50) for k in range(50)]
axes[1].scatter(added.mean(0), damage.mean(0), c=colours, s=28)
for block in (0, 1, 2):
    place = added.mean(0)[block], damage.mean(0)[block]
    axes[1].annotate(f"block {block + 1}", place, (6, -9), textcoords="offset points", fontsize=8)
axes[1].set(
    xlabel="added / received (mean)", ylabel="rise of the error (points)", xlim=(0.05, 0.75)
)
axes[1].set_title("purple: early blocks, green: late ones")
plots.show(
    "Left, what each block adds relative to what it gets: more than half at the first block, a "
    "tenth at the last. Right, the rise of the error when a block is deleted against that share: "
    "large for the first three blocks, near zero for the many that add little."
)
pairs = [
    torch.corrcoef(torch.stack([a_, d.to(a_)]))[0, 1] for a_, d in zip(added, damage, strict=True)
]
print("correlation of the two within a network:", mean_spread(torch.stack(pairs), 2))

# %% [markdown]
# The first block changes half of what it gets, the last ones a tenth. **A block that changes
# little is missed little.** That needs no ensemble: it would be so in any network of small steps.
# Lesions alone cannot tell the two apart.
#
# | claim | what speaks for it | what does not |
# |---|---|---|
# | A residual network *is* $2^n$ paths | for gradients exact (section 1) | for outputs it is not: with ReLU the sum misses by far (section 1) |
# | Paths do not depend much on each other | lesions hurt little, and smoothly (sections 3, 4) | small contributions explain that as well (above); the gradients of paths cancel a thousandfold (section 5) |
# | It is an *ensemble* of shallow networks | error falls smoothly with the number of blocks | the members cannot work alone (section 4); they share weights and were trained together; no definition of "ensemble" is given, as a reviewer of the paper remarked |
# | Only short paths carry gradient | yes, here even shorter ones (section 5) | says nothing about what the *outputs* use; long paths could be built from what short ones taught |
# | That is why residual networks train | where paths are short, nothing vanishes | near-identity plain networks train as well (lesson 01), normed plain ones fail without vanishing |
#
# The critics, in short:
#
# - **Wu, Shen, van den Hengel (2016)** accept the unraveled view and reject the exponential
#   ensemble: since paths share their blocks, adding blocks adds sub-networks linearly. Beyond
#   some *effective depth* a network is not trained end to end as a whole; make it wider instead.
#   Their shallower, wider networks beat ResNet-200 on ImageNet.
# - **Greff, Srivastava, Schmidhuber (2017)** read the same lesions in another way: blocks of one
#   stage refine one estimate, step by step. Leaving out a step, or exchanging two, makes it
#   rougher, not wrong.
# - **Jastrzębski et al. (2018)** find both: early blocks build representations, late ones refine.
#   Our right panel above is of this kind.
# - **Littwin and Wolf (2016)** find an ensemble whose depth changes in training; we saw the other
#   direction (section 5).
#
# What is safe to say:
#
# 1. Skips make networks robust against losing or exchanging blocks, plain networks are not, and
#    training can make it more so.
# 2. The gradient of a deep residual network comes through paths far shorter than the network,
#    however one measures it. *How* short depends on how one adds.
# 3. "Ensemble" is a picture. It predicts the smooth curves, and it fails where members should
#    stand alone.

# %% [markdown]
# ## 8 · The paper beside ours
#
# Veit et al. used a ResNet-110 (54 blocks) on CIFAR-10; ours are dense networks of 50 blocks on
# digits, and where the table says so, convolutional ones of 27.

# %% tags=["demo"]
ranges = {
    kind: torch.tensor([paths.shortest_range(m) for m in masses], dtype=torch.float64).median(0)[0]
    for kind, masses in (("norms", study.sampled), ("sums", study.exact))
}
low, high = (int(end) for end in ranges["norms"])
plain, fifty_less = without_one["5 plain blocks"].mean(1), damage.mean(1)
rise = lost_stochastic[:, deleted.index(20)]
print(f"""                                   paper             ours
gradient on paths of               5 to 17 of 54     {low} to {high} of 50 (95 %, norms added)
  they are this share of paths     {100 * paths.share_of_paths(54, 5, 17):.2f} %            {100 * paths.share_of_paths(50, low, high):.2f} %
  exact (gradients added)          not measured      {int(ranges["sums"][0])} to {int(ranges["sums"][1])}
one block less, plain              chance            {mean_spread(plain)} % error
  convolutional                                      {mean_spread(conv[False, 2].without_one.nanmean(1))} % error
one block less, residual           hardly visible    {mean_spread(fifty_less, 2)} points more
  convolutional                                      {mean_spread(deep.mean(1), 2)} points more
trained with missing blocks        5.96 % (6.10 %)   {mean_spread(base[name])} % ({mean_spread(base["50 residual blocks"])} %)
  and 20 blocks deleted            -                 {mean_spread(rise)} % ({mean_spread(lost[:, deleted.index(20)])} %)""")

# %% [markdown]
# In brackets: the same network trained as usual. The patterns agree. Mind what is not the same:
# photographs there, digits here; convolutions there, and here only in the study of section 4; and
# ours are small enough that blocks beyond the first few have little to do. With a GPU,
# `scale = "full"` repeats that study on CIFAR-10. What has been run at the paper's own size, 110
# layers on CIFAR-10, is drawn from files that come with the course:

# %% tags=["demo"]
from plusx.full_scale_figures import about_runs, show_lesions, table_of_runs

print(about_runs("cifar_lesions"))
print(table_of_runs("cifar_stochastic"))
if show_lesions():
    plots.show(
        "The lesion study at full scale, three panels: test error by the place of the one deleted "
        "unit, by the number of units deleted at random, and the gradient's share by path length."
    )

# %% [markdown]
# ## 9 · A written question
#
# **Difficulty** ★★☆ · **Time** 8 minutes · **Points** 2, given by a person
#
# A blog says: "ResNets are ensembles of exponentially many shallow networks. Proof: you can
# delete any block."
#
# In five to eight sentences: which part of this is right, and for what quantity is the expansion
# into paths exact? Name **two** measurements of this lesson that do not fit an ensemble, or that
# have another explanation, and give the number. Propose one experiment that could decide, and say
# which result would speak for the blog.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_ensemble", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# A residual network does expand into exponentially many paths, and deleting a block of a trained
# one hardly matters; that part is right (a fraction of a point here, against guessing for plain
# blocks). But the expansion is exact for gradients only, where the product of 1 + J is a product
# of matrices; with nonlinear branches the outputs of paths do not add up to the output. First,
# members of an ensemble work alone: with 45 of 50 blocks gone the error was above 50 %, while
# five blocks trained as such reach 3 %. Second, late blocks add only a tenth of what they get, so
# that deleting one is a small disturbance in any network of small steps; and the gradients of
# single paths cancel a thousandfold, so the paths are not independent. An experiment: delete half
# of the blocks at random, many times, and let these sub-networks vote; beside them, let as many
# small networks vote that were trained separately. If the vote of the sub-networks were better
# than each of them by as much as in the real ensemble, and their errors as independent, that
# would speak for the blog.
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, what is right and what is exact.** Half: lesions do hurt little, with the contrast
#   to plain networks. Half: exact for gradients (or for linear branches), not for outputs.
# - **1 point, evidence and experiment.** Half: two measurements with a number each (members alone
#   fail; small contributions; cancellation of gradients; five residual blocks suffer more; norms
#   out of tune). Half: an experiment that could come out either way, and what would speak for the
#   blog.
#
# No point for "deleting proves an ensemble" or for "long paths are useless" without saying that
# this is about gradients.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 10 · Summary
#
# - $n$ residual blocks expand into $2^n$ paths, of binomial lengths. Exact for linear networks
#   and for gradients; for outputs a picture.
# - Deleting a block: plain networks guess, residual ones hardly notice. Many deletions and
#   shuffles hurt smoothly.
# - The gradient lives on short paths: 4 to 14 of 50 by adding norms, as the paper does; 0 to 8 by
#   adding gradients, exactly. Most of what paths carry cancels.
# - What one path carries falls as $a^k$; with $a$ near 0.23 the binomial theorem gives the length.
# - In training the gradient became shallower here, against the prediction of Littwin and Wolf.
# - Stochastic depth trains for lesions, makes them hurt about half as much, and leaves the error
#   of the whole network as it was.
# - Small contributions explain lesions as well as ensembles do; members cannot stand alone.
#
# ## Open questions
#
# - If the gradient is four blocks deep, what do the other forty-six learn, and from whom?
# - How short do paths get in a network that *needs* its depth, where fifty steps have to follow
#   one another?
# - Transformers are residual networks too. Which of their blocks may go? (Lesson 06)
#
# ## Further reading
#
# - A. Veit, M. Wilber, S. Belongie. *Residual Networks Behave Like Ensembles of Relatively
#   Shallow Networks.* 2016, [arXiv 1605.06431](https://arxiv.org/abs/1605.06431). Sections 4
#   (lesions) and 5 (paths); read the reviews at NIPS 2016, too.
# - G. Huang, Y. Sun, Z. Liu, D. Sedra, K. Weinberger. *Deep Networks with Stochastic Depth.* 2016,
#   [arXiv 1603.09382](https://arxiv.org/abs/1603.09382).
# - Z. Wu, C. Shen, A. van den Hengel. *Wider or Deeper: Revisiting the ResNet Model for Visual
#   Recognition.* 2016, [arXiv 1611.10080](https://arxiv.org/abs/1611.10080).
# - E. Littwin, L. Wolf. *The Loss Surface of Residual Networks: Ensembles and the Role of Batch
#   Normalization.* 2016, [arXiv 1611.02525](https://arxiv.org/abs/1611.02525).
# - K. Greff, R. Srivastava, J. Schmidhuber. *Highway and Residual Networks learn Unrolled
#   Iterative Estimation.* 2017, [arXiv 1612.07771](https://arxiv.org/abs/1612.07771).
# - S. Jastrzębski et al. *Residual Connections Encourage Iterative Inference.* 2018, [arXiv
#   1710.04773](https://arxiv.org/abs/1710.04773).
# - K. He, X. Zhang, S. Ren, J. Sun. *Identity Mappings in Deep Residual Networks.* 2016,
#   [arXiv 1603.05027](https://arxiv.org/abs/1603.05027). The blocks used here.
