# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Start
#     minutes: 10
#     points: 1
#     goals:
#       - Solve an exercise, check it, read a message, open a hint, check again.
#       - Say how your work is graded, and what the grader never sees or shows.
#       - Know what this machine computes on, and how a study is run at full scale.
#     needs:
#       - Python, and a little PyTorch
# ---

# %% [markdown]
# # 00 · Start
#
# **10 minutes · 1 point** (one exercise, to practise)
#
# This course is about one line, $y = F(x) + x$: add to what a layer computes what it was given.
# Networks of a hundred layers train with it and not without it, and nearly every large network
# of today has it. You will write these networks, take them apart, and measure what the line does.
#
# This notebook shows how the others work.
#
# **You will be able to**
#
# - solve an exercise, check it, read a message, open a hint, check again;
# - say how your work is graded, and what the grader never sees or shows;
# - know what this machine computes on, and how a study is run at full scale.
#
# **You need** Python, and a little PyTorch.
#
# ## 1 · This machine
#
# Run a cell with Shift+Enter. Every lesson begins like this: imports, a seed, a device.

# %%
import torch

import plusx
from plusx import plots
from plusx.expect import expect_close, expect_shape, expect_works
from plusx.widgets import GradientExplorer

# %%
plusx.seed_all(0)
device = plusx.choose_device()
print(f"This notebook computes on: {device}")

# %% [markdown]
# `cpu` is enough. What is slow on it was measured before, ships with the course, and says with which
# command it was made. Some lessons have a line `scale = "small"` near their top: `"full"` repeats
# their studies with the papers' networks and data, and takes hours of a GPU.
#
# ## 2 · What it is all about
#
# Here is a figure that you can move, with the mouse or with Tab and the arrow keys. It shows how
# large the gradient is at each layer of an untrained network. Take the skip away: fifty layers
# further down, next to nothing is left. (Lesson 02 explains every curve.)

# %% tags=["demo"]
GradientExplorer()

# %% tags=["demo"]
drawing, (axis,) = plots.figure()
x = torch.linspace(-2, 2, 101)
plain = residual = x
for _ in range(8):  # eight layers F(h) = 0.5 tanh(h)
    plain = 0.5 * torch.tanh(plain)
    residual = residual + 0.5 * torch.tanh(residual)
axis.plot(x, plain, plots.DASHES["plain"], color=plots.COLOURS["plain"], label="F(h)")
axis.plot(x, residual, plots.DASHES["residual"], color=plots.COLOURS["residual"], label="h + F(h)")
axis.set(xlabel="input x", ylabel="output", title="eight layers, F(h) = 0.5 tanh(h)")
axis.legend()
plots.show(
    "Output against input of eight layers. Without a skip the curve is flat: the input is lost. "
    "With a skip it rises steadily."
)

# %% [markdown]
# Eight small layers without a skip have forgotten what they were given: whatever $x$ is, out comes
# nearly zero. With the skip the input is still there.
#
# ## 3 · An exercise, to practise
#
# In a cell like the next one, replace the line `raise NotImplementedError()` by your answer, and
# run it. The cell below it checks small cases at once. Try a wrong answer first (return `f(x)`
# alone), and read the message.
#
# ### Exercise 1 · The line
#
# **Goal** try how exercises work · **Difficulty** ★☆☆ · **Time** 2 minutes · **Points** 1
#
# <details><summary>Hint 1: where is the formula?</summary>
#
# In the first sentence of this notebook.
#
# </details>
# <details><summary>Hint 2: in Python</summary>
#
# `f(x)` calls the function; `+` adds tensors element by element.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "add_skip", "locked": false, "schema_version": 3, "solution": true, "task": false}
def add_skip(f, x):
    """The function f with a skip around it.

    f: a function, (B, d) -> (B, d)
    x: (B, d)
    returns: (B, d), f(x) + x
    """
    ### BEGIN SOLUTION
    return f(x) + x
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_add_skip", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
def mistakes(f, x):
    """What some wrong answers give."""
    return {
        "the skip is missing: add x": f(x),
        "F is missing: call f": x,
        "x is taken away, not added": f(x) - x,
        "the skip goes around f twice": f(f(x) + x) + x,
        "x is added to the input of f, not to its output": f(x + x),
    }


x = torch.tensor([[1.0, 2.0]])
y = add_skip(torch.square, x)
expect_shape(y, (1, 2), "add_skip: one example of two numbers")
in_place = "it was changed in place: write x + y, not x += y"
expect_close(x, torch.tensor([[1.0, 2.0]]), "add_skip: the caller's x, after the call", in_place)
expect_close(y, torch.tensor([[2.0, 6.0]]), "add_skip: by hand", wrong=mistakes(torch.square, x))
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(1)
for f in (torch.sin, torch.neg, torch.exp):
    x = torch.randn(4, 3, dtype=torch.float64)
    what = f"add_skip: {f.__name__} with a skip"
    with expect_works(what):
        y = add_skip(f, x)
    expect_close(y, f(x) + x, what, "f(x) + x", 1e-9, 1e-9, mistakes(f, x))
### END HIDDEN TESTS

# %% [markdown]
# ## 4 · Checks, hints and grades
#
# - The checks that you see try small cases. **Hidden tests** try others: other sizes, other number
#   types, what is easily forgotten. They run in a process of their own and call your functions; your
#   code never sees them.
# - To have the whole notebook checked by them, **save it** (Ctrl+S, or ⌘S on a Mac) and run
#   `plusx.check()`, in a cell of your own anywhere, or `make check LESSON=00` in a terminal. It says
#   of each exercise whether it is right, and if not, what was expected and found, and which hint
#   might help.
# - **Hints** are folded. Open one, think, open the next.
# - You may add cells, and change anything but the cells that check. If those are changed or deleted,
#   your work is graded with the original ones all the same.
# - **Written questions** are read by a person; alone, compare with the marking scheme in
#   `solutions/`, where every lesson stands with its answers. Try first.
#
# What of the course is done, by the checks that you made on this machine:

# %%
plusx.progress()

# %% [markdown]
# ## 5 · Where to go
#
# Lessons 01 to 03 stand on each other. After them the others can be read in any order.
#
# - **[01 Degradation](../01_degradation/01_degradation.ipynb)**: why deeper is worse without a skip, and what it is not.
# - **[02 The residual block](../02_residual_block/02_residual_block.ipynb)**: the block, its shapes, its gradients, ResNets of your own.
# - **[03 Bottlenecks](../03_bottlenecks/03_bottlenecks.ipynb)**: less work per block; ResNet-50; what a multiply-add costs.
# - **[04 Identity mappings](../04_identity_mappings/04_identity_mappings.ipynb)**: what the skip must not do; Highway networks; starts near the identity.
# - **[05 Unraveled](../05_unraveled/05_unraveled.ipynb)**: a residual network as very many short paths.
# - **[06 Transformer residuals](../06_transformer_residuals/06_transformer_residuals.ipynb)**: the same line in every transformer.
# - **[07 Dense and U-shaped](../07_dense_and_unet/07_dense_and_unet.ipynb)**: features kept instead of added; long skips that carry detail.
# - **[08 Continuous depth](../08_continuous_depth/08_continuous_depth.ipynb)**: a block as one step of a differential equation; memory and recomputing.
# - **[09 The depth challenge](../09_depth_challenge/09_depth_challenge.ipynb)**: ten thousand parameters, the best network wins; how to read a leaderboard.
