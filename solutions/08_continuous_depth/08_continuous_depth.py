# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Continuous depth
#     minutes: 90
#     points: 20
#     goals:
#       - Read a residual block as one Euler step, and measure how its error falls with the step size.
#       - Predict which steps are stable, and build blocks with better steps, fixed and adaptive.
#       - Say which step size suits which start of the weights, and test whether a trained network is an ODE.
#       - Carry a gradient back along a flow without stored states, and say when that goes wrong.
#       - Choose between storing, checkpoints, reversible blocks and the adjoint by measured memory.
#     needs:
#       - Residual blocks (lesson 02), the chain rule and vector-Jacobian products in PyTorch
#       - Eigenvalues, complex numbers; a derivative as a limit
# ---

# %% [markdown]
# # 08 · Continuous depth
#
# **90 minutes · 20 points** (seven exercises and one written question)
#
# A residual block computes $x + F(x)$: where we are, plus a small move. Whoever has ever
# solved a differential equation on paper knows this line. Is a deep residual network a *path*,
# and its blocks are merely where we happened to look? Then two hundred years of mathematics come
# for free: how wrong a step is, when it blows up, how to take better ones, how to walk back
# without a map. This lesson takes the idea seriously, and then tests whether it is true.
#
# **You will be able to**
#
# - read a residual block as one Euler step, and measure how its error falls with the step size;
# - predict which steps are stable, and build blocks with better steps, fixed and adaptive;
# - say which step size suits which start of the weights, and test whether a trained network is an
#   ODE;
# - carry a gradient back along a flow without stored states, and say when that goes wrong;
# - choose between storing, checkpoints, reversible blocks and the adjoint by measured memory.
#
# **You need** residual blocks (lesson 02), the chain rule and vector-Jacobian products in
# PyTorch; eigenvalues and complex numbers; a derivative as a limit.
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on small
# cases. When your work is graded, more checks run: other sizes, other dtypes, another device.
# Hints are folded; open them one at a time.

# %%
from math import exp

import torch
from torch import nn

import plusx
from plusx import continuous_plots as figures
from plusx import diagnose_continuous as diagnose
from plusx import plots, solvers
from plusx.continuous import (
    KINDS,
    OdeNet,
    StepNet,
    linear_field,
    make_field,
    reflect,
    relative_change,
    step_cosine,
    turning,
)
from plusx.continuous_studies import DEPTHS, load_study
from plusx.expect import expect_close, expect_shape, expect_true, expect_type, expect_works
from plusx.experiments import mean_spread
from plusx.recompute import (
    ReversibleBlock,
    adjoint,
    adjoint_euler,
    checkpointed,
    peak_allocated_mebibytes,
    peak_saved_mebibytes,
    reversible,
)
from plusx.trained import trained_networks

# %%
plusx.seed_all(0)
data = plusx.load_data("digits")
images, labels = data.test_images, data.test_labels
print(f"{data.name}: {len(data.train_labels):,} training and {len(labels):,} test images")

# %% [markdown]
# ## 1 · A block is a step
#
# A **flow** says where every point is about to go: $\frac{dx}{dt} = F(x)$. To follow it on a
# computer, one looks at the arrow $F(x)$, walks along it for a short time $h$, and looks again:
#
# $$x \;\leftarrow\; x + h\,F(x).$$
#
# That is **Euler's method**, of 1768, and with $h = 1$ it is a residual block. More precisely: $n$
# blocks that share their weights are $n$ Euler steps. Blocks with weights of their own follow a
# flow that changes with time.

# %% tags=["demo"]
figures.step_panels(turning(-0.5, 1.5), time=4.0, counts=(8, 16, 64))
plots.show(
    "A flow that spirals inwards, and Euler's steps beside it. Eight blocks with h = 0.5 spiral "
    "outwards and miss the end by 1.47; 16 blocks miss it by 0.34; 64 blocks lie on the flow and "
    "miss it by 0.05."
)

# %% [markdown]
# The grey flow spirals inwards. Sixty-four blocks with small steps follow it. Eight blocks with
# $h = 0.5$ do not just follow it badly: they spiral **outwards**. Both deserve a number. Sections 2
# and 3 are about how far a step misses, section 4 about which steps explode.
#
# ### Exercise 1 · A residual network with a step size
#
# **Goal** the one new symbol of this lesson · **Difficulty** ★☆☆ · **Time** 4 minutes ·
# **Points** 2
#
# <details><summary>Hint</summary>
#
# A loop over the branches: each sees what the step before it gave. `h` scales the branch alone.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "euler_net", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.euler", "plusx.solve", "plusx.trajectory"]}
def euler_net(branches, x, h):
    """Run a residual network whose blocks compute x + h F(x).

    branches: list of n modules F, (B, d) -> (B, d), the first block's first; n may be 0
    x: (B, d)
    h: float, the step size
    returns: (B, d)
    """
    ### BEGIN SOLUTION
    for branch in branches:
        x = x + h * branch(x)  # (B, d)
    return x
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_euler_net", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
branches = [linear_field(torch.tensor([[2.0]])), linear_field(torch.tensor([[6.0]]))]
x = torch.ones(1, 1)  # two blocks: 1 -> 1 + 2 h, then times 1 + 6 h
for h, by_hand in [(1.0, 21.0), (0.25, 3.75), (0.0, 1.0)]:
    what = f"euler_net: branches 2 x and 6 x, h = {h}"
    wrong = diagnose.wrong_eulers(branches, x, h)
    found = euler_net(branches, x, h)
    expect_close(x, torch.ones(1, 1), f"{what}: the caller's x", "it was changed in place")
    expect_close(found, torch.tensor([[by_hand]]), what, wrong=wrong)
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(101)
for n, width, batch, h in [
    (4, 3, 5, 0.3),
    (6, 2, 1, 0.1),
    (1, 4, 2, 0.7),
    (3, 5, 2, -0.2),
    (0, 3, 2, 0.5),
]:
    for dtype in (torch.float64, torch.float32):
        branches = [make_field(width, seed=10 * n + k).to(dtype) for k in range(n)]
        x = torch.randn(batch, width, dtype=dtype)
        what = f"euler_net: {n} blocks of {width} units, h = {h}, {dtype}"
        with torch.no_grad(), expect_works(what):
            found = euler_net(branches, x, h)
        with torch.no_grad():
            expected = solvers.euler(branches, x, h)
            wrong = diagnose.wrong_eulers(branches, x, h)
        hint = "x <- x + h F(x), one branch after the other"
        expect_close(found, expected, what, hint, 1e-5, 1e-6, wrong)
with expect_works("euler_net on another device (meta)", "a device is written into the function"):
    found = euler_net([nn.Linear(2, 2).to("meta")] * 3, torch.empty(4, 2, device="meta"), 0.1)
expect_true(found.is_meta, "euler_net: the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# ## 2 · How far a step misses
#
# For a time $T$ one needs $n = T/h$ steps. Each leaves an error of about $h^2$ (the first term
# that the straight line does not have), and there are $T/h$ of them: together about $h$. A method
# whose error falls as $C\,h^p$ has **order** $p$. On paper with logarithmic axes,
#
# $$\log e = p\,\log h + \log C$$
#
# is a straight line, and $p$ is its slope.
#
# ### Exercise 2 · The observed order
#
# **Goal** measure $p$ · **Difficulty** ★☆☆ · **Time** 6 minutes · **Points** 2
#
# Fit a line to all points by least squares, and return its slope. With $u = \log h$ and $w = \log
# e$ that is $\sum (u - \bar u)(w - \bar w) \,/\, \sum (u - \bar u)^2$.
#
# <details><summary>Hint 1: which is which?</summary>
#
# `log h` goes to the right, `log e` upwards. Smaller steps have smaller errors, so the slope is
# positive.
#
# </details>
# <details><summary>Hint 2: tools</summary>
#
# `torch.tensor(sizes, dtype=torch.float64).log()`, then subtract the mean. Or `numpy.polyfit`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "observed_order", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.observed_order"]}
def observed_order(sizes, errors):
    """The power p of the law error = C h^p that fits best.

    sizes: list of at least two different step sizes h, floats above 0
    errors: list of as many errors, floats above 0
    returns: float p, the slope of log error against log h by least squares
    """
    ### BEGIN SOLUTION
    u = torch.tensor(sizes, dtype=torch.float64).log()
    w = torch.tensor(errors, dtype=torch.float64).log()
    u, w = u - u.mean(), w - w.mean()
    return ((u * w).sum() / (u * u).sum()).item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_observed_order", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
for sizes, errors, by_hand in [
    ([0.4, 0.2, 0.1], [3.2, 1.6, 0.8], 1.0),  # error halves with h
    ([0.3, 0.1], [9.0, 1.0], 2.0),  # a third of h, a ninth of the error
]:
    wrong = diagnose.wrong_orders(sizes, errors)
    expect_close(observed_order(sizes, errors), by_hand, "observed_order: by hand", wrong=wrong)
print("Exercise 2: the visible checks pass.")
### BEGIN HIDDEN TESTS
for power, constant, sizes, noise in [
    (1.0, 5.0, [0.5, 0.25, 0.125, 0.0625], [1.0, 1.0, 1.0, 1.0]),
    (4.0, 0.3, [0.7, 0.2, 0.05], [1.0, 1.0, 1.0]),
    (2.0, 40.0, [0.9, 0.3, 0.2, 0.01], [1.3, 0.8, 1.1, 0.7]),
    (1.5, 1e-6, [0.02, 0.4, 0.1], [1.0, 1.2, 0.9]),
]:
    errors = [constant * h**power * factor for h, factor in zip(sizes, noise, strict=True)]
    what = f"observed_order: {len(sizes)} errors of about {constant:g} h^{power:g}"
    with expect_works(what):
        found = observed_order(sizes, errors)
    hint = "the slope of log error against log h, by least squares over all points"
    wrong = diagnose.wrong_orders(sizes, errors)
    expect_close(found, solvers.observed_order(sizes, errors), what, hint, 1e-5, 1e-6, wrong)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 · Better steps
#
# A step may look at the arrow more than once. **Heun** walks to the end of Euler's step, looks
# there as well, and takes the mean of both arrows. **RK4** (Kutta 1901) looks four times. All of
# them have one form. Slope number $i$ is
#
# $$k_i = F\Bigl(x + h\sum_{j<i} a_{ij}\,k_j\Bigr), \qquad\text{and the step}\quad
#   x + h\sum_i b_i\,k_i .$$
#
# A *table* holds the numbers: `rows` the $a_{ij}$ (row $i$ has $i$ entries, so the first one is
# empty), `weights` the $b_i$.

# %%
for name in ("Euler", "Heun", "RK4"):
    table = solvers.TABLES[name]
    rows = " | ".join(" ".join(f"{a:g}" for a in row) or "-" for row in table.rows)
    print(f"{name:5}  rows: {rows:24}  weights: {' '.join(f'{b:.3g}' for b in table.weights)}")

# %% [markdown]
# Read as an architecture, a Runge-Kutta step is a residual block made of several uses of one
# branch, with skips from $x$ into each of them: a small, strictly weighted relative of the
# DenseNet block.
#
# ### Exercise 3 · Any Runge-Kutta step
#
# **Goal** one function for all tables · **Difficulty** ★★☆ · **Time** 8 minutes · **Points** 3
#
# <details><summary>Hint 1: what to keep</summary>
#
# A list of the slopes so far. Row $i$ pairs up with it: `zip(row, slopes)`.
#
# </details>
# <details><summary>Hint 2: where each stage leaves from</summary>
#
# From `x`, always: `stage = x`, then `stage = stage + h * a * k` for each pair. The step leaves
# from `x`, too.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "runge_kutta_step", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.runge_kutta", "plusx.solve", "plusx.trajectory"]}
def runge_kutta_step(branch, x, h, rows, weights):
    """One step of an explicit Runge-Kutta method for dx/dt = F(x).

    branch: module F, (B, d) -> (B, d)
    x: (B, d)
    h: float, the step size
    rows: list of s lists of floats; rows[i] has i entries, the factors of the slopes before
    weights: list of s floats
    returns: (B, d), x + h * (the sum of weights[i] * slope i)
    """
    ### BEGIN SOLUTION
    slopes = []
    for row in rows:
        stage = x
        for factor, slope in zip(row, slopes, strict=True):
            stage = stage + h * factor * slope
        slopes.append(branch(stage))
    for weight, slope in zip(weights, slopes, strict=True):
        x = x + h * weight * slope
    return x
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_runge_kutta_step", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
branch, x = linear_field(torch.tensor([[2.0]])), torch.ones(1, 1)  # dx/dt = 2 x, from 1
for h, rows, weights, by_hand in [
    (0.1, [[], [0.8]], [0.5, 1.5], 1.448),  # made up: slopes 2 and 2 * 1.16
    (0.5, [[]], [1.0], 2.0),  # Euler: 1 + 0.5 * 2
    (0.5, [[], [1.0]], [0.5, 0.5], 2.5),  # Heun: slopes 2 and 4
    (0.5, [[], [0.5], [0.0, 0.5], [0.0, 0.0, 1.0]], [1 / 6, 1 / 3, 1 / 3, 1 / 6], 2.708333),
]:
    what = f"runge_kutta_step: dx/dt = 2 x, h = {h}, {len(rows)} slopes"
    wrong = diagnose.wrong_steps(branch, x, h, rows, weights)
    found = runge_kutta_step(branch, x, h, rows, weights)
    expect_close(found, torch.tensor([[by_hand]]), what, wrong=wrong)
print("Exercise 3: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(301)
draw = torch.Generator().manual_seed(301)
for stages, width, batch, h in [
    (3, 3, 4, 0.4),
    (4, 2, 3, 0.7),
    (2, 4, 1, 1.3),
    (5, 3, 2, 0.2),
    (1, 3, 2, 0.5),
]:
    rows = [torch.randn(i, generator=draw).tolist() for i in range(stages)]
    weights = torch.randn(stages, generator=draw).tolist()
    for dtype in (torch.float64, torch.float32):
        branch = make_field(width, seed=stages).to(dtype)
        x = torch.randn(batch, width, dtype=dtype)
        what = f"runge_kutta_step: a random table with {stages} slopes, h = {h}, {dtype}"
        with torch.no_grad(), expect_works(what):
            found = runge_kutta_step(branch, x, h, rows, weights)
        with torch.no_grad():
            expected = solvers.runge_kutta(branch, x, h, rows, weights)
            wrong = diagnose.wrong_steps(branch, x, h, rows, weights)
        hint = (
            "slope i: F(x + h (row i times the slopes so far)); step: x + h (weights times slopes)"
        )
        expect_close(found, expected, what, hint, 1e-4, 1e-5, wrong)
with expect_works("runge_kutta_step on another device (meta)", "a device is written into it"):
    branch, x = nn.Linear(2, 2).to("meta"), torch.empty(3, 2, device="meta")
    found = runge_kutta_step(branch, x, 0.1, [[], [0.5]], [0.0, 1.0])
expect_true(found.is_meta, "runge_kutta_step: the device of the result is that of x")
### END HIDDEN TESTS

# %% [markdown]
# Now the race. Ten random networks $F$ (8 units, tanh), followed for a time of 2. What a step
# costs is evaluations of $F$, one for Euler, two for Heun, four for RK4, so let us compare at equal
# **cost**. The truth is RK4 with 1,000 steps.

# %% tags=["demo"]
fields = [make_field(8, seed, gain=1.5) for seed in range(10)]
points = torch.randn(5, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
evaluations = (4, 8, 16, 32, 64, 128, 256)
with torch.no_grad():
    truth = [solvers.solve(F, points, 2.0, 1000) for F in fields]
drawing, (axis,) = plots.figure(height=3.6)
for method in ("Euler", "Heun", "RK4"):
    steps = [n // len(solvers.TABLES[method].rows) for n in evaluations]
    with torch.no_grad():
        rows = [[solvers.solve(F, points, 2.0, n, method) for n in steps] for F in fields]
    misses = torch.tensor(
        [[(y - end).norm() / end.norm() for y in row] for row, end in zip(rows, truth, strict=True)]
    )
    figures.plot_means_log(axis, evaluations, misses, method, method)
    found = [solvers.observed_order([2 / n for n in steps[3:]], row[3:].tolist()) for row in misses]
    print(f"{method:5} observed order {mean_spread(torch.tensor(found), 2)}")
axis.set(xlabel="evaluations of F", ylabel="relative error at time 2", ylim=(1e-10, 3))
axis.set_xticks(evaluations, evaluations)
axis.minorticks_off()
axis.legend(title="median and range, 10 fields", loc="lower left")
plots.show(
    "Relative error at time 2 against evaluations of F, 4 to 256, both scales logarithmic. Three "
    "straight lines: Euler falls to about 0.003, Heun to 0.00005, RK4 to 0.00000002."
)

# %% [markdown]
# Orders 1, 2 and 4, as the theory has it: Euler's error halves when $h$ does. At 256 evaluations
# RK4 is a hundred thousand times as exact as Euler **for the same cost**. So why is hardly any
# ResNet built of RK4 blocks? Because nobody asked the network to follow a given flow. It may
# *choose* its $F$, and it can choose one for which coarse steps do what is wanted. Keep this in
# mind until section 7.
#
# ## 4 · Steps that explode
#
# Near a point of rest every flow is linear, and a matrix is made of its eigenvalues. So look at
# $\frac{dx}{dt} = \lambda x$ with a complex number $\lambda$: its real part says how fast $x$ decays,
# its imaginary part how fast it turns. An Euler step multiplies $x$ by $1 + h\lambda$. If the real
# part is negative, the flow goes to zero. The steps go there only if
#
# $$|1 + h\lambda| \le 1 .$$
#
# Better methods have larger regions. Drag the step size through the border.

# %% tags=["demo"]
from plusx.step_explorer import StepExplorer

StepExplorer()

# %% [markdown]
# **Look for** three things. With Euler and a pure rotation (real part 0), no step size is
# stable: a rotation built of straight steps always spirals outwards. RK4 allows about $h|\lambda| <
# 2.8$ there. And with real part −6, even RK4 needs small steps, although the solution is
# practically zero: such problems are called **stiff**.
#
# ### Exercise 4 · The largest stable step
#
# **Goal** turn the inequality into a number · **Difficulty** ★★☆ · **Time** 9 minutes ·
# **Points** 3
#
# For $\frac{dx}{dt} = Ax$ all eigenvalues of $A$ have to be stable at once. No eigenvalue is 0. If
# one has a real part of 0 or above, no step is stable: return 0.
#
# <details><summary>Hint 1: one eigenvalue</summary>
#
# With $z = a + ib$: $|1 + hz|^2 = (1 + ha)^2 + h^2b^2 = 1 + 2ha + h^2|z|^2$. When is it 1?
#
# </details>
# <details><summary>Hint 2: all of them</summary>
#
# $h = -2a/|z|^2$ for each; the smallest one binds. `torch.linalg.eigvals(A)` has `.real` and
# `.abs()`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "largest_stable_step", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.largest_stable_step"]}
def largest_stable_step(A):
    """The largest h for which Euler's steps x <- x + h A x never grow.

    A: (d, d), float64, without an eigenvalue 0
    returns: float; 0.0 if an eigenvalue's real part is 0 or above
    """
    ### BEGIN SOLUTION
    z = torch.linalg.eigvals(A)
    limits = -2 * z.real / z.abs() ** 2
    return max(0.0, limits.min().item())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_largest_stable_step", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
diagonal = torch.diag(torch.tensor([-2.0, -5.0], dtype=torch.float64))
swirl = torch.tensor([[-1.0, 3.0], [-2.0, -2.0]], dtype=torch.float64)
for A, by_hand, name in [
    (diagonal, 0.4, "decays -2 and -5"),  # 1 - 5 h >= -1
    (
        swirl,
        0.375,
        "[[-1, 3], [-2, -2]]",
    ),  # Re z = -3 / 2, half the trace; |z|^2 = 8, the determinant
    (turning(0.0, 3.0), 0.0, "a pure rotation"),
]:
    wrong = diagnose.wrong_stable_steps(A)
    found = largest_stable_step(A)
    expect_close(found, by_hand, f"largest_stable_step: {name}", wrong=wrong)
print("Exercise 4: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(401)
for d, shift in [(2, 2.5), (4, 3.0), (6, 4.0), (3, 0.0), (5, 1.0), (1, 2.0)]:
    for _ in range(3):
        A = torch.randn(d, d, dtype=torch.float64) - shift * torch.eye(d, dtype=torch.float64)
        what = f"largest_stable_step: a random matrix of size {d}"
        with expect_works(what):
            found = largest_stable_step(A)
        hint = "|1 + h z| = 1 at h = -2 Re z / |z|^2; the smallest over all eigenvalues, at least 0"
        wrong = diagnose.wrong_stable_steps(A)
        expect_close(found, solvers.largest_stable_step(A), what, hint, 1e-6, 1e-8, wrong)
for A, expected in [(turning(0.3, 1.0), 0.0), (-turning(0.0, 2.0), 0.0), (turning(-2.0, 0.0), 1.0)]:
    what = "largest_stable_step: a matrix that turns and grows, turns, or shrinks"
    wrong = diagnose.wrong_stable_steps(A)
    expect_close(largest_stable_step(A), expected, what, "", 1e-6, 1e-8, wrong)
### END HIDDEN TESTS

# %% [markdown]
# For a network this is a bound on its Jacobians: with $F$ of slope $-L$ somewhere, a block $x +
# F(x)$ is stable there only if $L \le 2$. And it answers one reading of the old question *why not
# $x + \frac1L F(x)$?* If $F = -\nabla E$ goes downhill on some energy, and no slope of $F$ exceeds
# $L$ in size, then $h = 1/L$ is **gradient descent with the textbook's step**: the steepest
# direction is solved in one step, no direction ever overshoots. Section 6 takes up the other
# reading, in which $L$ is the number of blocks.
#
# ## 5 · Let the solver choose
#
# Most flows are fast in some places and slow in others. Where Euler and Heun nearly agree, the
# step could have been longer. Their difference $e$ is about $h^2$, so the step that would have
# made it equal to a tolerance is $h\sqrt{\text{tolerance}/e}$. The rule, with some caution (0.9, and
# never more than five times longer or shorter at once):
#
# 1. Try a step of size $h$, the first with $h$ = all of `time`. Let $e$ be the largest difference, in
#    size, between Heun's result and Euler's.
# 2. If $e \le$ tolerance, **take** Heun's result, and note $h$. If not, refuse: $x$ stays.
# 3. In both cases, next $h \leftarrow h \cdot \min\bigl(5, \max(0.2,\; 0.9\sqrt{\text{tolerance}/e})\bigr)$,
#    but no longer than what is left.
#
# ### Exercise 5 · An adaptive solver
#
# **Goal** steps that follow the flow · **Difficulty** ★★★ · **Time** 12 minutes · **Points** 3
#
# <details><summary>Hint 1: the loop</summary>
#
# `left = time`; while `left > 0`: try, perhaps take and subtract, choose the next `h`.
#
# </details>
# <details><summary>Hint 2: the difference</summary>
#
# With `k1 = F(x)` and `k2 = F(x + h * k1)`: Euler gives `x + h * k1`, Heun `x + h / 2 * (k1 + k2)`.
# `.abs().max().item()` is the largest difference. It may be 0: divide by `max(e, 1e-30)`.
#
# </details>
# <details><summary>Hint 3: the end</summary>
#
# `h = min(h, left)`. Subtracting numbers of computers leaves crumbs: if the step took all that
# was left, set `left = 0.0`.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "adaptive_solve", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.adaptive_heun"]}
def adaptive_solve(branch, x, time, tolerance):
    """Follow dx/dt = F(x) for a time, with Heun's steps whose size follows their error.

    branch: module F, (B, d) -> (B, d)
    x: (B, d)
    time, tolerance: floats above 0
    returns: x after `time`, (B, d), and the list of the sizes of all steps taken, floats
    """
    ### BEGIN SOLUTION
    left, h, sizes = time, time, []
    while left > 0:
        k1 = branch(x)
        k2 = branch(x + h * k1)
        e = (h / 2 * (k2 - k1)).abs().max().item()
        if e <= tolerance:
            x = x + h / 2 * (k1 + k2)
            sizes.append(h)
            left = 0.0 if h == left else left - h
        h = h * min(5.0, max(0.2, 0.9 * (tolerance / max(e, 1e-30)) ** 0.5))
        h = min(h, left)
    return x, sizes
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_adaptive_solve", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
branch, x = linear_field(torch.tensor([[-1.0]])), torch.ones(1, 1)  # dx/dt = -x
with torch.no_grad():
    result = adaptive_solve(branch, x, 2.0, 1e-3)
expect_type(result, (tuple, list), "adaptive_solve: x and the sizes of the steps")
found, sizes = result
expect_type(sizes, (tuple, list), "adaptive_solve: the sizes of the steps")
expect_close(sum(sizes), 2.0, "adaptive_solve: the sizes add up to the time", atol=1e-9)
hint = "take a step only if Heun and Euler differ by at most `tolerance`"
largest = diagnose.replayed(branch, x, sizes)[1]
expect_true(largest <= 1.001e-3, "adaptive_solve: no step with a larger difference", hint)
wrong = diagnose.wrong_adaptive_ends(branch, x, sizes)
expect_close(found, torch.tensor([[exp(-2)]]), "adaptive_solve: exp(-2)", "", 0.02, wrong=wrong)
print(f"Exercise 5: the visible checks pass, with {len(sizes)} steps.")
### BEGIN HIDDEN TESTS
torch.manual_seed(501)
cases = [
    (make_field(3, seed, gain=2.0), 3, 3.0, tol) for seed, tol in [(1, 1e-2), (2, 1e-3), (3, 1e-4)]
]
cases += [
    (linear_field(turning(-4.0, 1.0)), 2, 2.0, 1e-3),
    (linear_field(turning(0.0, 3.0)), 2, 1.5, 1e-3),
]
cases += [
    (make_field(4, 4).float(), 4, 1.0, 1e-2),
    (linear_field(0 * turning(0.0, 1.0)), 2, 3.0, 1e-3),
]
for branch, width, time, tolerance in cases:
    dtype = next(branch.parameters()).dtype
    x = torch.randn(2, width, dtype=dtype)
    what = f"adaptive_solve: {width} units, time {time}, tolerance {tolerance:g}, {dtype}"
    with torch.no_grad(), expect_works(what, "return x and the list of step sizes"):
        found, sizes = adaptive_solve(branch, x, time, tolerance)
    expect_type(sizes, (list, tuple), f"{what}: the sizes of the steps")
    expect_true(all(isinstance(h, float) for h in sizes), f"{what}: step sizes are floats")
    hint = "note h for every step that is taken, and for no other; the last step ends at `time`"
    expect_close(sum(sizes), time, f"{what}: the sizes add up to the time", hint, 1e-6)
    with torch.no_grad():
        replay, largest = diagnose.replayed(branch, x, sizes)
        wrong = diagnose.wrong_adaptive_ends(branch, x, sizes)
        right = solvers.adaptive_heun(branch, x, time, tolerance)[1]
    hint = "a step is taken only if Heun and Euler differ by at most `tolerance`, in every number"
    expect_true(largest <= tolerance * 1.001, f"{what}: no step with a larger difference", hint)
    hint = "it is Heun's result of the steps that you noted"
    expect_close(found, replay, f"{what}: x", hint, 1e-4, 1e-5, wrong)
    hint = "e is the largest difference, not a sum; and let h grow again where the two agree"
    most = 1.3 * len(right) + 2
    expect_true(len(sizes) <= most, f"{what}: no more steps than the rule takes", hint)
    least = 0.7 * len(right) - 2
    hint = "steps are too large to have been checked: e is the largest difference, not a mean"
    expect_true(len(sizes) >= least, f"{what}: no fewer steps than the rule takes", hint)
### END HIDDEN TESTS

# %% [markdown]
# A flow with a fast place: a point circles, and on the right of its circle it is swept along twenty
# times faster.


# %% tags=["demo"]
def gust(x):
    """A rotation whose speed is 1 on the left and 20 on the right; x (B, 2)."""
    speed = 1 + 19 * torch.sigmoid(12 * (x[:, :1] - 0.6))
    return speed * torch.stack([-x[:, 1], x[:, 0]], dim=1)


start = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
end, sizes = solvers.adaptive_heun(gust, start, 9.0, tolerance=4e-3)
way, clock = [start], torch.tensor([0.0, *sizes]).cumsum(0)
for h in sizes:
    way.append(diagnose.replayed(gust, way[-1], [h])[0])
drawing, axes = plots.figure(2, height=2.9)
axes[0].plot(clock, torch.cat(way)[:, 0], ".-", color=plots.COLOURS["first"], linewidth=1, ms=4)
axes[0].set(xlabel="time", ylabel="first coordinate", title="a dot for each step")
axes[1].plot(clock[1:], sizes, ".-", color=plots.COLOURS["first"], linewidth=1, ms=4)
axes[1].set(xlabel="time", ylabel="step size", yscale="log", title="their sizes")
ticks = (0.005, 0.01, 0.02, 0.05, 0.1)
axes[1].set_yticks(ticks, ticks)
axes[1].minorticks_off()
plots.show(
    "Adaptive steps by time. Left, the first coordinate, with dots close together where it "
    "changes fast. Right, the size of the steps: near 0.08 most of the time, 0.004 in the gust."
)
truth = solvers.solve(gust, start, 9.0, 20_000)
same = solvers.solve(gust, start, 9.0, len(sizes), "Heun")
print(f"{len(sizes)} steps, {min(sizes):.4f} to {max(sizes):.4f}: miss {(end - truth).norm():.3f}")
print(f"as many equal steps of Heun:       miss {(same - truth).norm():.3f}")

# %% [markdown]
# The solver takes long steps on the slow side and short ones in the gust. A network that runs such
# a solver decides at run time, for each batch, how deep it is: that is what the title of this
# lesson means.
#
# ## 6 · Why one, of all step sizes?
#
# Let $L$ be the number of blocks. A ResNet takes $h = 1$, whatever $L$. For *what it can compute*
# that is no restriction: the last layer of $F$ may hold any factor. But the factor decides where
# training **starts**. Consider the $L$ additions at the start.
#
# - **Independent** weights: the additions point in random directions. It is a random walk,
#   and $L$ steps of size $h$ lead about $h\sqrt L$ away.
# - **Alike** from block to block (smooth in depth, as a flow wants it): all pull the same way, and
#   lead about $hL$ away.
#
# So $h = 1$ drifts off with depth in both cases. $h = 1/\sqrt L$ suits independent weights, and
# $h = 1/L$ smooth ones. Marion et al. (2022) prove it: with independent weights, $1/\sqrt L$
# alone gives a limit that is neither explosion nor the identity, and that limit is a *stochastic*
# differential equation. Let us see it in networks without norm, $F(x) = V\tanh(Wx + b)$, 32
# units.

# %% tags=["demo"]
names = {0.0: ("h = 1", "Euler"), 0.5: ("h = 1/√L", "Heun"), 1.0: ("h = 1/L", "RK4")}
drawing, axes = plots.figure(2, height=3.3, share_y=True)
for axis, smooth in zip(axes, (False, True), strict=True):
    for power, (label, look) in names.items():
        moved = []
        for seed in range(5):
            torch.manual_seed(seed)
            nets = [StepNet(blocks, power, smooth) for blocks in DEPTHS]
            moved.append([relative_change(net, images[:100]) for net in nets])
        figures.plot_means_log(axis, DEPTHS, torch.tensor(moved), label, look)
    axis.set(xlabel="blocks L", title=f"start: {'all alike' if smooth else 'independent'}")
    axis.set_xticks(DEPTHS, DEPTHS)
    axis.minorticks_off()
axes[0].set_ylabel("change / state at the stem (norms)")
axes[0].legend(title="median and range, 5 seeds", loc="upper left")
plots.show(
    "How far all blocks move the state before training, by depth. Independent start: it grows "
    "with h = 1, stays near 1 with one over root L, falls with one over L. Alike: it grows with "
    "the first two and stays with one over L."
)

# %% [markdown]
# Just so: independent weights keep their scale with $1/\sqrt L$ and fade to the identity with
# $1/L$; equal ones keep it with $1/L$. Now train them: 8 epochs of digits, one recipe, five
# seeds. These runs take minutes and are shipped (`python -m plusx.continuous_studies
# continuous_steps` makes them anew).

# %% tags=["demo"]
study = load_study("continuous_steps")
drawing, axes = plots.figure(2, height=3.3, share_y=True)
for axis, smooth in zip(axes, (False, True), strict=True):
    for power, (label, look) in names.items():
        errors = [study[blocks, power, smooth].test_error[:, -1] for blocks in DEPTHS]
        role = figures.ROLES[look]
        plots.plot_means(axis, DEPTHS, errors, label, role)
        print(f"{'alike' if smooth else 'independent':11} {label:8}", end="")
        print("".join(f"{mean_spread(e):>13} %" for e in errors))
    title = f"start: {'all alike' if smooth else 'independent'}"
    axis.set(xscale="log", yscale="log", xlabel="blocks L", title=title)
    axis.set_xticks(DEPTHS, DEPTHS)
    axis.set_yticks((3, 5, 10, 20, 50, 90), (3, 5, 10, 20, 50, 90))
    axis.minorticks_off()
axes[0].set_ylabel("test error (%)")
axes[1].legend(title="mean ± deviation, 5 seeds", loc="upper left")
plots.show(
    "Test error by depth, 4 to 256 blocks. With h = 1 it rises to 58 % from an independent start "
    "and to 80 % from a start alike. Independent: lowest, near 3 %, with one over root L. Alike: "
    "flat near 4 % with one over L, rising to 10 % with one over root L."
)

# %% [markdown]
# **What the start foretold, training confirms.** With 4 blocks nothing matters. With 256, $h = 1$ ends
# at 58 % (independent) and 80 % (alike). For independent weights $1/\sqrt L$ is the best at every
# larger depth: it has 3.2 % at 256 blocks, and errs in 0.2 % of the training images, where $1/L$
# is left with 1.6 %, since its blocks began as near-identities and their gradients carry the factor
# $h$, too. For weights that start alike it is the other way round: $1/L$ does not mind depth, and
# $1/\sqrt L$ has begun to drift off.
#
# To be fair: one learning rate served all, and a norm would mend $h = 1$ as well (lesson 01): it
# divides by a state that grows, and so makes later steps smaller. A pre-activation ResNet chooses
# its own step size that way.
#
# ### Is it an ODE now?
#
# A flow does not mind how often one looks. So here is a test for any trained network of 64 blocks:
# **throw away every second block, and double the step**. Then again. If the blocks are steps along
# a path that is smooth in depth, little should change.

# %% tags=["demo"]
recipe, keep = plusx.Recipe(clip=1.0), (64, 32, 16, 8, 4, 2, 1)
drawing, (axis,) = plots.figure(height=3.4)
for smooth, power, look in [(False, 0.5, "plain"), (False, 1.0, "third"), (True, 1.0, "residual")]:
    nets = trained_networks(StepNet, data, recipe, 5, blocks=64, power=power, smooth=smooth)
    with torch.no_grad():
        guesses = [[net.run(images, 64 // k).argmax(1) for k in keep] for net in nets]
    lost = torch.tensor([[100 * (g != labels).float().mean() for g in row] for row in guesses])
    label = f"start {'alike' if smooth else 'independent'}, {names[power][0]}"
    plots.plot_runs(axis, keep, lost, label, look)
    moved = torch.tensor([relative_change(net, images) for net in nets])
    agree = torch.tensor([step_cosine(net, images) for net in nets])
    print(f"{label}:")
    print(
        "  error with",
        *(f"{k}: {mean_spread(e)} %" for k, e in zip(keep[:4], lost.T, strict=False)),
    )
    print(f"  all blocks move the state by {mean_spread(moved, 2)} of its norm;", end=" ")
    print(f"cosine of neighbouring steps {mean_spread(agree, 2)}")
axis.set(xscale="log", xlabel="blocks that are left, of 64", ylabel="test error (%)", ylim=(0, 80))
axis.set_xticks(keep, keep)
axis.minorticks_off()
axis.invert_xaxis()
axis.legend(title="median and range, 5 seeds", loc="upper left")
plots.show(
    "Test error when ever fewer of 64 blocks are left, with longer steps. Independent start with "
    "one over root L: from 3 % to nearly 50 %. Both networks with one over L: flat, near 4 %."
)

# %% [markdown]
# The network with $1/\sqrt L$, the best of the three when whole, fails: 3 % become 17 % with eight
# blocks, and nearly 50 % with one. Neighbouring steps have nothing to do with each other (cosine
# 0.03). It is no path that one may look at more rarely: each block matters.
#
# Both networks with $h = 1/L$ pass, for opposite reasons, and the printed lines tell them apart. The
# one that started alike **is** a discretised flow: after training its neighbouring steps still agree
# (cosine 1.00), and together they move the state by half of its norm. The one that started
# independent is no smoother than the first, but all of its 64 blocks together move the state by 6 %
# of its norm: one may leave out blocks that hardly do anything. A test that is passed proves little
# until one has asked what else would pass it.
#
# So *a ResNet is an ODE, discretised* is not a fact about architectures. It depends on how the
# weights vary with depth, which a start and a step size bring about. (And digits ask for little: a
# flow that can be followed in a single step hardly needs 64 blocks.)
#
# ## 7 · Is a trained flow a flow?
#
# A **Neural ODE** (Chen et al. 2018) shares one $F$ among all steps, and speaks of the flow alone:
# the solver is a detail. Is it? Train such a network on digits with $n$ Euler steps for a time of
# 4, and then run *the same weights* with more steps, which follow their flow better.

# %% tags=["demo"]
counts = (1, 2, 4, 8, 16)
adam = plusx.Recipe(optimiser="adam", lr=0.01)
swapped = {}
for n in counts:
    nets = trained_networks(OdeNet, data, adam, 5, steps=n)
    with torch.no_grad():
        logits = [[net.run(images, m, "Euler") for m in (n, 2 * n, 64)] for net in nets]
        exact = [net.run(images, 64, "RK4") for net in nets]
    guesses = [[*row, last] for row, last in zip(logits, exact, strict=True)]
    swapped[n] = torch.tensor(
        [[100 * (z.argmax(1) != labels).float().mean() for z in row] for row in guesses]
    )
    shown = [f"{mean_spread(column):>11} %" for column in swapped[n].T]
    print(f"trained with {n:2} steps: as trained, twice, 64, RK4 with 64:", *shown)

# %% tags=["demo"]
drawing, (axis,) = plots.figure(height=3.3)
for column, label, role in [
    (0, "solver of the training", "residual"),
    (3, "RK4, 64 steps", "plain"),
]:
    plots.plot_means(axis, counts, [swapped[n][:, column] for n in counts], label, role)
axis.set(xscale="log", xlabel="Euler steps in training", ylabel="test error (%)", ylim=(0, None))
axis.set_xticks(counts, counts)
axis.minorticks_off()
axis.legend(title="mean ± deviation, 5 seeds")
plots.show(
    "Test error by the number of Euler steps in training. Run as trained, about 4 % everywhere. "
    "Run by RK4 with 64 steps: 33 % for a network trained with one step, 12 % with two, 5 % with "
    "eight or more."
)

# %% [markdown]
# Run as they were trained, all are about equally good. Solved exactly, the network that was trained
# with one step errs in a third of the images; twice as many steps already harm it. **It is not a
# flow, but a residual network that shares its weights**, and its $F$ was fitted to jumps of size 4.
# From eight steps on, the solver hardly matters any more. Ott et al. (2021) found such a
# critical step size on larger networks.
#
# RK4 is not at fault. It gives the exact answer to a question that the network was never trained on.
#
# ### What no flow can do
#
# On the line, paths of a flow never cross: where two meet, they have the same arrow and stay
# together. So no flow in one dimension turns $x$ into $-x$, however large its network. Two ways
# out: take steps that jump, or lift the problem into one more dimension and go around (Dupont et
# al. 2019).

# %% tags=["demo"]
found = {kind: reflect(kind) for kind in KINDS}
for kind, result in found.items():
    print(
        f"{kind:13} mean square error {result.error.mean():.5f} (worst of 10 seeds {result.error.max():.5f})"
    )
figures.reflection_panels(found)
plots.show(
    "Points from -1 to 1 on their way to their negatives. In a flow on the line all end at zero. "
    "In a lifted flow they change sides. In two residual blocks they change sides, too."
)

# %% [markdown]
# The flow ends at the best it can do without crossing: everything goes to zero, and the error is
# the mean of $x^2$, 0.367, for every seed. In two dimensions the points turn around each other
# (the figure shows the first coordinate only, where shadows may cross). And **two blocks with
# $h = 1$ simply jump across**. A residual network can do what its continuous limit cannot.
#
# ## 8 · Walking back
#
# Backpropagation needs the states of the forward pass, and stores them all. But a flow can be
# walked backwards: $x \leftarrow x - hF(x)$. If the states come back on their own, nothing has to be
# stored. The gradient $v$ travels along, by the chain rule for one small step, $v \leftarrow (1 +
# hJ)^\top v$:
#
# $$x \leftarrow x - h\,F(x), \qquad
#   v \leftarrow v + h\,J^\top v, \qquad
#   g \leftarrow g + h\,\Bigl(\frac{\partial F}{\partial\theta}\Bigr)^{\!\top} v ,$$
#
# each right-hand side with the $x$ and $v$ **before** the step. $g$ collects the gradient of the
# parameters, which serve in every step. This is the **adjoint method** (Pontryagin et al. 1962; for
# networks Chen et al. 2018), with Euler's steps.
#
# ### Exercise 6 · The adjoint
#
# **Goal** a gradient from the end state alone · **Difficulty** ★★★ · **Time** 12 minutes ·
# **Points** 3
#
# <details><summary>Hint 1: one step</summary>
#
# `y = y.detach().requires_grad_()`, then `slope = branch(y)`.
#
# </details>
# <details><summary>Hint 2: both products at once</summary>
#
# `torch.autograd.grad(slope, [y, *branch.parameters()], v)` gives $J^\top v$, and
# $(\partial F/\partial\theta)^\top v$ for each parameter.
#
# </details>
# <details><summary>Hint 3: check yourself</summary>
#
# For $F(x) = \lambda x$: $y$ shrinks by $1 - h\lambda$ per step, $v$ grows by $1 + h\lambda$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "adjoint_gradient", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.adjoint", "plusx.adjoint_euler", "torchdiffeq.odeint_adjoint"]}
def adjoint_gradient(branch, y, v, h, steps):
    """Carry a gradient back along dx/dt = F(x), from the end state alone.

    branch: module F, (B, d) -> (B, d)
    y: (B, d), the state at the end; v: (B, d), the gradient of a loss there
    h: float, the step size; steps: int, how many steps back
    returns: the state at the beginning (B, d), the gradient there (B, d), and a list with the
        gradient of each of branch.parameters(), in their order
    """
    ### BEGIN SOLUTION
    totals = [torch.zeros_like(p) for p in branch.parameters()]
    for _ in range(steps):
        y = y.detach().requires_grad_()
        slope = branch(y)  # (B, d)
        toward_y, *shares = torch.autograd.grad(slope, [y, *branch.parameters()], v)
        y = y.detach() - h * slope.detach()
        v = v + h * toward_y
        totals = [total + h * share for total, share in zip(totals, shares, strict=True)]
    return y, v, totals
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_adjoint_gradient", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
branch = nn.Linear(1, 1, bias=False)  # F(x) = 3 x
nn.init.constant_(branch.weight, 3.0)
y, v = torch.tensor([[8.0]]), torch.tensor([[3.0]])
result = adjoint_gradient(branch, y, v, 0.25, 2)
expect_type(result, (tuple, list), "adjoint_gradient: the state, the gradient, and a list")
state, gradient, totals = result
expect_true(len(totals) == 1, "adjoint_gradient: one gradient for each parameter of the branch")
wrong = diagnose.wrong_adjoints(branch, y, v, 0.25, 2)
for part, found, by_hand in [
    (0, state, [[0.5]]),  # 8 -> 2 -> 0.5
    (1, gradient, [[9.1875]]),  # 3 -> 5.25 -> 9.1875
    (2, totals[0], [[8.625]]),  # 0.25 * 8 * 3 + 0.25 * 2 * 5.25
]:
    what = f"adjoint_gradient: F(x) = 3 x, {('state', 'gradient', 'gradient of the weight')[part]}"
    expect_close(found, torch.tensor(by_hand), what, wrong=diagnose.part_of(wrong, part))
print("Exercise 6: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(601)
for width, batch, h, steps in [(3, 4, 0.2, 5), (2, 3, 0.5, 3), (4, 1, 0.1, 8), (3, 2, 0.3, 1)]:
    for dtype in (torch.float64, torch.float32):
        branch = make_field(width, seed=width + steps, gain=1.5).to(dtype)
        y, v = torch.randn(batch, width, dtype=dtype), torch.randn(batch, width, dtype=dtype)
        what = f"adjoint_gradient: {width} units, {steps} steps of {h}, {dtype}"
        with expect_works(what, "return the state, the gradient, and a list for the parameters"):
            state, gradient, totals = adjoint_gradient(branch, y, v, h, steps)
        right = adjoint(branch, y, v, h, steps)
        wrong = diagnose.wrong_adjoints(branch, y, v, h, steps)
        near = 1e-7 if dtype is torch.float64 else 1e-4
        hint = "x <- x - h F(x), v <- v + h J^T v, both with what was there before the step"
        for part, found in [(0, state), (1, gradient)]:
            name = f"{what}: {('state', 'gradient')[part]} at the beginning"
            known = diagnose.part_of(wrong, part)
            expect_close(found, right[part], name, hint, near, near, known)
        expect_true(len(totals) == len(right[2]), f"{what}: one gradient for each parameter")
        hint = "add h times the share of every step, with the y and the v before the step"
        for index, (found, expected) in enumerate(zip(totals, right[2], strict=True)):
            known = diagnose.part_of(wrong, 2, index)
            name = f"{what}: gradient of parameter {index}"
            expect_close(found, expected, name, hint, near, near, known)
branch = make_field(3, seed=7)
x, v = torch.randn(2, 3, dtype=torch.float64), torch.randn(2, 3, dtype=torch.float64)
x.requires_grad_()
end = solvers.euler([branch] * 400, x, 1 / 400)
(through,) = torch.autograd.grad(end, x, v)
_, gradient, _ = adjoint_gradient(branch, end.detach(), v, 1 / 400, 400)
what = "adjoint_gradient: autograd through 400 small steps agrees, roughly"
expect_close(gradient, through, what, "", 0.02, 0.02)
branch = nn.Linear(2, 2).to("meta")
y, v = (torch.empty(4, 2, device="meta") for _ in range(2))
with expect_works("adjoint_gradient on another device (meta)", "a device is written into it"):
    state, gradient, totals = adjoint_gradient(branch, y, v, 0.1, 2)
expect_true(gradient.is_meta, "adjoint_gradient: the device of the result is that of y")
### END HIDDEN TESTS

# %% [markdown]
# Is that the right gradient? Compare three: autograd through RK4 with 400 steps (the truth),
# autograd through $n$ Euler steps, and the adjoint with $n$ Euler steps. Ten random fields, time 2;
# the gradient is that of the start *and* of all parameters.


# %% tags=["demo"]
def whole_gradient(F, v, run):
    """The gradient of <v, run(points)> by the points and all parameters, as one vector."""
    x = points.clone().requires_grad_()
    return torch.cat([g.flatten() for g in torch.autograd.grad(run(x), [x, *F.parameters()], v)])


counts_back = (4, 8, 16, 32, 64, 128)
v = torch.randn(5, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
off = torch.zeros(3, 10, len(counts_back))  # three comparisons, ten fields
for seed, F in enumerate(fields):
    truth = whole_gradient(F, v, lambda x, F=F: solvers.solve(F, x, 2.0, 400))
    for k, n in enumerate(counts_back):
        stored = whole_gradient(F, v, lambda x, F=F, n=n: solvers.solve(F, x, 2.0, n, "Euler"))
        walked = whole_gradient(F, v, lambda x, F=F, n=n: adjoint_euler(F, x, 2.0 / n, n))
        for row, (a, b) in enumerate([(stored, truth), (walked, truth), (walked, stored)]):
            off[row, seed, k] = (a - b).norm() / truth.norm()

# %% tags=["demo"]
drawing, (axis,) = plots.figure(height=3.4)
for row, label, look in [
    (0, "stored states, against the truth", "RK4"),
    (1, "adjoint, against the truth", "Euler"),
    (2, "adjoint, against stored states", "Heun"),
]:
    figures.plot_means_log(axis, counts_back, off[row], label, look)
    order = [
        solvers.observed_order([2 / n for n in counts_back[2:]], r[2:].tolist()) for r in off[row]
    ]
    print(
        f"{label:34} at 128 steps {mean_spread(off[row, :, -1], 3)}, order {mean_spread(torch.tensor(order), 2)}"
    )
axis.set(xlabel="Euler steps", ylabel="relative error of the gradient")
axis.set_xticks(counts_back, counts_back)
axis.minorticks_off()
axis.legend(title="median and range, 10 fields", fontsize=9, title_fontsize=9)
plots.show(
    "Relative error of the gradient by the number of Euler steps, both scales logarithmic. All "
    "three comparisons fall in proportion to the step; stored states are nearest to the truth, "
    "the adjoint is a bit less than twice as far off."
)

# %% [markdown]
# Both gradients approach the truth as $h$ does. But they are **not the same gradient**. Autograd
# through the steps is exact for the network that really ran. The adjoint discretises another
# equation: it is the gradient of nothing that was computed, and comes close only with small
# steps. Libraries such as torchdiffeq offer both.
#
# ### What was forgotten does not come back
#
# Walking back assumes that the end still knows the beginning. A flow that contracts forgets. Here
# is a plane in which one (tilted) direction decays slowly and the other with rate $\lambda$; RK4,
# 100 steps there and 100 steps back.

# %% tags=["demo"]
tilt = torch.tensor([[0.8, -0.6], [0.6, 0.8]], dtype=torch.float64)
for dtype in (torch.float32, torch.float64):
    print(str(dtype).removeprefix("torch."), end=":")
    for rate in (1, 5, 15, 25, 45):
        A = tilt @ torch.diag(torch.tensor([-0.5, -rate], dtype=torch.float64)) @ tilt.T
        x = torch.ones(1, 2, dtype=dtype)
        there = solvers.solve(linear_field(A.to(dtype)), x, 1.0, 100)
        back = solvers.solve(linear_field(-A.to(dtype)), there, 1.0, 100)
        print(f"   rate {rate}: {((back - x).norm() / x.norm()).item():.0e}", end="")
    print()

# %% [markdown]
# Rounding errors, $10^{-7}$ in float32, grow by $e^{\lambda}$ on the way back: at a rate of 15 a good
# part of the state is wrong, at 25 nothing is left. Double precision moves the wall, and does not
# remove it. A gradient taken at such states is noise. (Gholami et al. 2019 warn of this for residual
# blocks.)
#
# ## 9 · Blocks that can be undone
#
# The cure is to build blocks whose inverse is *exact algebra*, not small steps. Split the channels
# into two halves and update them in turns (Gomez et al. 2017):
#
# $$y_1 = x_1 + F(x_2), \qquad y_2 = x_2 + G(y_1).$$
#
# $F$ and $G$ may be anything, and yet there is always a way back. Physicists know such steps from
# planets: position and speed, updated in turns.
#
# ### Exercise 7 · A reversible block
#
# **Goal** forward, and back · **Difficulty** ★★☆ · **Time** 7 minutes · **Points** 2
#
# `x` has two or more axes; the halves are halves of axis 1, the first one is $x_1$.
#
# <details><summary>Hint 1: halves</summary>
#
# `x1, x2 = x.chunk(2, dim=1)` and `torch.cat([y1, y2], dim=1)`.
#
# </details>
# <details><summary>Hint 2: back</summary>
#
# Solve the last line first: you know $y_1$, so $x_2 = y_2 - G(y_1)$. Now you know $x_2$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "reversible_block", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.ReversibleBlock"]}
class Reversible(nn.Module):
    """y1 = x1 + F(x2), y2 = x2 + G(y1), for the two halves of the channels.

    f, g: modules, (B, C / 2, ...) -> (B, C / 2, ...)

    forward: x (B, C, ...) -> y (B, C, ...)
    inverse: y (B, C, ...) -> the x with forward(x) = y
    """

    def __init__(self, f, g):
        super().__init__()
        ### BEGIN SOLUTION
        self.f, self.g = f, g
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x1, x2 = x.chunk(2, dim=1)  # (B, C / 2, ...) each
        y1 = x1 + self.f(x2)
        y2 = x2 + self.g(y1)
        return torch.cat([y1, y2], dim=1)  # (B, C, ...)
        ### END SOLUTION

    def inverse(self, y):
        ### BEGIN SOLUTION
        y1, y2 = y.chunk(2, dim=1)  # (B, C / 2, ...) each
        x2 = y2 - self.g(y1)
        x1 = y1 - self.f(x2)
        return torch.cat([x1, x2], dim=1)  # (B, C, ...)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_reversible_block", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
f, g = linear_field(torch.tensor([[2.0]])), linear_field(torch.tensor([[10.0]]))
block, right = Reversible(f, g), ReversibleBlock(f, g)
x = torch.tensor([[1.0, 4.0]])  # y1 = 1 + 2 * 4 = 9, y2 = 4 + 10 * 9 = 94
what, wrong = "Reversible: F = 2 x, G = 10 x", diagnose.wrong_reversibles(right, x)
with expect_works(what, "the halves are halves of axis 1"):
    y = block(x)
expect_close(y, torch.tensor([[9.0, 94.0]]), what, wrong=wrong)
wrong = diagnose.wrong_inverses(right, y.detach())
expect_close(block.inverse(y), x, "Reversible: and back", wrong=wrong)
print("Exercise 7: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(701)
shapes = [(4, 6), (1, 4), (3, 8)]
cases = [
    (make_field(c // 2, 1), make_field(c // 2, 2), torch.randn(b, c, dtype=torch.float64))
    for b, c in shapes
]
cases += [(nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1), torch.randn(2, 4, 5, 3))]
for f, g, x in cases:
    what = f"Reversible: x of shape {tuple(x.shape)}"
    right = ReversibleBlock(f, g)
    with expect_works(what):
        block = Reversible(f, g)
    with torch.no_grad(), expect_works(what):
        y = block(x)
    with torch.no_grad():
        expected, wrong = right(x), diagnose.wrong_reversibles(right, x)
    expect_shape(y, x.shape, what, "the halves are halves of axis 1; join them along it")
    hint = "y1 = x1 + F(x2), y2 = x2 + G(y1)"
    expect_close(y, expected, what, hint, 1e-5, 1e-6, wrong)
    given = torch.randn_like(x)  # of no forward pass
    with torch.no_grad(), expect_works(f"{what}, inverse"):
        back = block.inverse(given)
    with torch.no_grad():
        expected, wrong = right.inverse(given), diagnose.wrong_inverses(right, given)
    hint = "x2 = y2 - G(y1) first, then x1 = y1 - F(x2); from y alone"
    expect_close(back, expected, f"{what}, inverse", hint, 1e-5, 1e-6, wrong)
f, g, x = cases[0]
right, block = ReversibleBlock(f, g), Reversible(f, g)
v = torch.randn_like(x)
x.requires_grad_()
(expected,) = torch.autograd.grad(right(x), x, v)
block(x).backward(v)
hint = "gradients flow through both branches and both skips: nothing is detached"
expect_close(x.grad, expected, "Reversible: gradient with respect to x", hint)
count = sum(p.numel() for p in block.parameters())
expected = sum(p.numel() for p in right.parameters())
expect_close(count, expected, "Reversible: number of parameters", "F and G belong to the block")
block = Reversible(nn.Linear(2, 2), nn.Linear(2, 2)).to("meta")
with expect_works("Reversible on another device (meta)", "a device is written into the block"):
    y = block(torch.empty(3, 4, device="meta"))
expect_true(y.is_meta, "Reversible: the device of the output is that of x")
### END HIDDEN TESTS

# %% [markdown]
# Exact algebra, but still in floating-point numbers. How well do the states come back through many
# random blocks, in float32?

# %% tags=["demo"]
for depth in (16, 64, 256):
    worst = []
    for seed in range(5):
        halves = [make_field(32, 1000 * seed + k, gain=0.5).float() for k in range(2 * depth)]
        chain = [ReversibleBlock(a, b) for a, b in zip(halves[::2], halves[1::2], strict=True)]
        y = x = torch.randn(16, 64, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            for block in chain:
                y = block(y)
            for block in reversed(chain):
                y = block.inverse(y)
        worst.append(((y - x).norm() / x.norm()).item())
    print(f"{depth:3} blocks: relative error {max(worst):.0e} (worst of 5 seeds)")

# %% [markdown]
# Rounding still adds up, over 256 blocks to some hundred-thousandths. (Branches with larger slopes
# amplify it, as above; nothing is free.)
#
# ### Four ways to remember
#
# | way | keeps | runs $F$ again | gradient |
# |---|---|---|---|
# | **store** (ordinary) | everything | no | exact |
# | **checkpoints** (T. Chen et al. 2016) | every $s$-th state | once | exact |
# | **reversible** (Gomez et al. 2017) | the last state | once | exact up to rounding; another architecture |
# | **adjoint** (R. Chen et al. 2018) | the last state | once | close for small steps; a shared $F$ |
#
# Autograd tells everyone who asks what it saves: `torch.autograd.graph.saved_tensors_hooks`. We add
# up what is alive at each moment, in the forward *and* in the backward pass, each storage once,
# parameters left out, and note the peak. Blocks: dense, tanh, dense with 64 units, 128 examples.


# %% tags=["demo"]
class Block(nn.Module):
    """x + F(x) / 8, which counts how often F runs."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 64))
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return x + self.branch(x) / 8


def half():
    """A branch for half of the channels."""
    return nn.Sequential(nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 32))


def ways(depth):
    """The four ways with `depth` blocks, and the parameters of each: see the table."""
    blocks = nn.ModuleList(Block() for _ in range(depth))
    pairs = nn.ModuleList(ReversibleBlock(half(), half()) for _ in range(depth))
    F, root = Block().branch, round(depth**0.5)
    return {
        "store": (lambda x: nn.Sequential(*blocks)(x), blocks),
        "checkpoints": (lambda x: checkpointed(blocks, x, root), blocks),
        "reversible": (lambda x: reversible(list(pairs), x), pairs),
        "adjoint": (lambda x: adjoint_euler(F, x, 1 / depth, depth), F),
    }


# %% tags=["demo"]
depths, x = (4, 16, 64, 256), torch.randn(128, 64)
looks = {"store": "plain", "checkpoints": "third", "reversible": "first", "adjoint": "residual"}
drawing, axes = plots.figure(2, height=3.4)


def peak(run, parts):
    """The most that is kept at once, without the parameters, in MiB."""
    return peak_saved_mebibytes(run, x, list(parts.parameters()))


peaks = {name: [peak(*ways(n)[name]) for n in depths] for name in looks}
for name, role in looks.items():
    style = plots.MARKERS[role] + plots.DASHES[role]
    axes[0].plot(depths, peaks[name], style, color=plots.COLOURS[role], label=name)
    print(f"{name:12}", *(f"{n:3}: {p:6.2f} MiB" for n, p in zip(depths, peaks[name], strict=True)))
axes[0].set(xscale="log", yscale="log", xlabel="blocks", ylabel="peak of saved tensors (MiB)")
axes[0].set_xticks(depths, depths)
axes[0].legend(fontsize=9)
blocks, lengths = nn.ModuleList(Block() for _ in range(64)), (1, 2, 4, 8, 16, 32, 64)
by_length = [peak(lambda x, s=s: checkpointed(blocks, x, s), blocks) for s in lengths]
axes[1].plot(lengths, by_length, "v-.", color=plots.COLOURS["third"])
axes[1].set(xscale="log", xlabel="blocks in a segment, of 64", ylim=(0, None), title="checkpoints")
axes[1].set_xticks(lengths, lengths)
for axis in axes:
    axis.minorticks_off()
plots.show(
    "Left, peak of saved memory by depth: storing rises in proportion to 16 MiB at 256 blocks, "
    "checkpoints with the root to 1.5 MiB, reversible blocks and adjoint stay at 0.1 MiB. Right, "
    "checkpoints by segment length: a U with its lowest point between 4 and 8."
)
print("F ran", sum(b.runs for b in blocks) / len(lengths) / 64, "times per block with checkpoints")

# %% [markdown]
# Storing grows with every block by 64 KiB: two tensors of 128 × 64 numbers. Checkpoints in
# segments of $\sqrt L$ grow with the root: 256 blocks fit into a tenth. Reversible blocks and the
# adjoint keep the same **0.1 MiB at any depth**.
#
# Why a root? With segments of $s$ blocks one keeps $L/s$ states in the forward pass, and while going
# back all tensors of one segment, two for each block: $L/s + 2s$. It is smallest at $s =
# \sqrt{L/2}$, here between 4 and 8 (right panel). The price is one forward pass more: every $F$ ran
# twice. What that costs in time, with 64 blocks:

# %% tags=["demo", "timing"]
took = {
    name: plusx.step_seconds(run, x.clone().requires_grad_()) for name, (run, _) in ways(64).items()
}
for name, seconds in took.items():
    print(
        f"{name:12} {1000 * seconds:5.1f} ms for a step, {seconds / took['store']:.2f} of storing"
    )

# %% [markdown]
# On a GPU the allocator itself can be asked. It counts everything that is alive, gradients and
# what operations need in between, too.

# %% tags=["demo"]
device = plusx.choose_device()
if device.type == "cuda":
    for name, (run, parts) in ways(64).items():
        parts.to(device)
        print(f"{name:12} {peak_allocated_mebibytes(run, x.to(device)):6.2f} MiB more at the peak")
else:
    print("The allocator's count needs a CUDA device; here the hooks above have to do.")

# %% [markdown]
# ## 10 · The papers beside ours

# %% tags=["demo"]
flow, net = OdeNet(16), StepNet(16, 0.5)
parts = flow.field.parameters(), (net.inner, net.outer, net.bias)
sizes = [sum(p.numel() for p in part) for part in parts]
coarse, fine = swapped[1].T, swapped[16].T
last = {key: record.test_error[:, -1] for key, record in study.items()}
stored, kept = peaks["store"][-1], peaks["checkpoints"][-1]
print(f"""                                    paper                     ours
one flow / residual blocks          0.22 M / 0.60 M numbers   {sizes[0]:,} / {sizes[1]:,} numbers
  and their errors                  about the same (MNIST)    {mean_spread(fine[0])} % / {mean_spread(last[16, 0.5, False])} % (digits)
trained coarsely, solved finely     a sharp drop              {mean_spread(coarse[0])} % -> {mean_spread(coarse[3])} %
trained with small enough steps     a valid flow              {mean_spread(fine[0])} % -> {mean_spread(fine[3])} %
256 independent blocks, h = 1       explodes                  {mean_spread(last[256, 0.0, False])} %
256 independent blocks, h = 1/√L    the one scale that lasts  {mean_spread(last[256, 0.5, False])} %
checkpoints                         48 GB -> 7 GB             {stored:.1f} MiB -> {kept:.1f} MiB
reversible, memory by depth         constant                  {peaks["reversible"][0]:.2f} MiB at 4, {peaks["reversible"][-1]:.2f} at 256""")

# %% [markdown]
# Papers, from above: R. Chen et al. 2018, six residual blocks replaced by one flow (numbers of the
# whole networks; ours are those of the blocks); Ott et al. 2021 and Marion et al. 2022, as their
# abstracts say it; T. Chen et al. 2016, a residual network of 1,000 layers on ImageNet, for 30 % more
# time; Gomez et al. 2017. The patterns agree, with one exception: **our flow is behind our
# residual network**, by about two points at a sixteenth of the numbers (its recipe and its time were
# chosen for the experiment, not for the error). What is not the same: digits of 8 × 8 pixels ask for
# very little depth, our branches are dense and have no norm, and our flows run for a time that we
# chose (4) so that it matters how they are solved. Set `time=1.0` for `OdeNet` in section 7, and the
# networks hardly mind any more: a step is coarse only beside a slope.
#
# ## 11 · A written question
#
# **Difficulty** ★★☆ · **Time** 8 minutes · **Points** 2, given by a person
#
# A lecture says: "A ResNet is the Euler discretisation of an ODE. So in $x + hF(x)$ the step
# size 1 is a poor choice; $h = 1/L$ would be right, and RK4 blocks would be better still."
#
# In five to eight sentences: under which condition on the weights does the first sentence hold, and
# which measurement of this lesson tests it? Judge the second sentence in both parts, with **two**
# numbers from this lesson. Say what $h$ does *not* change about a residual network.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_step_size", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# A residual network discretises an ODE only if its blocks vary smoothly with depth and h goes down
# as 1/L. Throwing away every second block and doubling the step tests it: a network that started with
# all blocks alike and h = 1/L does not notice (3.9 % with 64 blocks and with 8; neighbouring steps
# have a cosine of 1.00), while one that started independent with h = 1/sqrt(L) goes from 3 % to about
# 17 % (cosine 0.03). Whether h = 1 is poor depends on depth and start: with 4 blocks it is as good as
# any, with 256 it ends near 58 % (independent) or 80 % (alike). For independent weights, as they are usually drawn, 1/sqrt(L) was best (3.2 % with
# 256 blocks), and 1/L begins as the identity; 1/L is right for weights that start alike. RK4
# follows a given flow more exactly, but a network learns its F together with its steps: trained with
# one Euler step it had an error of about 4 %, and the exact solver made that far worse. And
# h does not change what a network can compute, since the last layer of F can absorb it; it
# changes the start and the size of gradients.
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, the condition.** Half: weights smooth in depth (or shared) with small steps. Half: a
#   measurement that tests it (halving the blocks; swapping the solver), with its outcome.
# - **1 point, the judgement.** Half: h = 1/L is right for alike, 1/sqrt(L) for independent weights,
#   and h = 1 harmless in shallow networks, with two numbers. Half: exactness is not accuracy (or
#   the network can choose F for its solver), or h can be absorbed by F and acts through
#   the start and the gradients.
#
# No point for "smaller steps are always better".
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 12 · Summary
#
# - $x + hF(x)$ is one Euler step. Its error at a fixed time falls as $h$; Heun's as $h^2$, RK4's as
#   $h^4$, for two and four evaluations a step.
# - Steps of $dx/dt = Ax$ are stable while $|1 + h\lambda| \le 1$ for all eigenvalues: $h \le -2\,
#   \mathrm{Re}\,\lambda/|\lambda|^2$. An adaptive solver finds its step itself.
# - $h = 1$ drifts off in deep networks without norm. $1/\sqrt L$ suits a start with independent
#   weights, $1/L$ one with equal weights. Only the last is an ODE after training: blocks may be
#   taken away, and neighbouring steps agree.
# - A network trained with coarse steps is no flow: its own exact solution misleads it.
# - Flows on a line cannot cross; residual blocks jump.
# - The adjoint stores nothing and is exact only in the limit; it fails where the flow forgets.
#   Reversible blocks come back by algebra. Checkpoints are exact at $\sqrt L$ memory.
#
# ## Open questions
#
# - How smooth in depth are the weights of large trained networks? (Cohen et al. 2021 looked.)
# - A norm rescales every branch. Which step size does a pre-activation ResNet really take?
#   (Lesson 05 measures what each block adds.)
# - Diffusion models solve an ODE to draw an image. Where does the solver's order matter there?
#
# ## Further reading
#
# - W. E, *A Proposal on Machine Learning via Dynamical Systems.* 2017, Communications in
#   Mathematics and Statistics 5:1.
# - E. Haber, L. Ruthotto. *Stable Architectures for Deep Neural Networks.* 2017,
#   [arXiv 1705.03341](https://arxiv.org/abs/1705.03341).
# - R. Chen, Y. Rubanova, J. Bettencourt, D. Duvenaud. *Neural Ordinary Differential Equations.*
#   2018, [arXiv 1806.07366](https://arxiv.org/abs/1806.07366).
# - E. Dupont, A. Doucet, Y. W. Teh. *Augmented Neural ODEs.* 2019,
#   [arXiv 1904.01681](https://arxiv.org/abs/1904.01681).
# - A. Gholami, K. Keutzer, G. Biros. *ANODE: Unconditionally Accurate Memory-Efficient Gradients for
#   Neural ODEs.* 2019, [arXiv 1902.10298](https://arxiv.org/abs/1902.10298).
# - K. Ott, P. Katiyar, P. Hennig, M. Tiemann. *ResNet After All? Neural ODEs and Their Numerical
#   Solution.* 2021, [arXiv 2007.15386](https://arxiv.org/abs/2007.15386).
# - A. Cohen, R. Cont, A. Rossier, R. Xu. *Scaling Properties of Deep Residual Networks.* 2021,
#   [arXiv 2105.12245](https://arxiv.org/abs/2105.12245). Trained weights that are not smooth.
# - P. Marion, A. Fermanian, G. Biau, J.-P. Vert. *Scaling ResNets in the Large-depth Regime.* 2022,
#   [arXiv 2206.06929](https://arxiv.org/abs/2206.06929).
# - A. Gomez, M. Ren, R. Urtasun, R. Grosse. *The Reversible Residual Network.* 2017,
#   [arXiv 1707.04585](https://arxiv.org/abs/1707.04585).
# - T. Chen, B. Xu, C. Zhang, C. Guestrin. *Training Deep Nets with Sublinear Memory Cost.* 2016,
#   [arXiv 1604.06174](https://arxiv.org/abs/1604.06174).
