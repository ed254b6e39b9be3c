# ---
# jupyter:
#   jupytext:
#     notebook_metadata_filter: lesson,kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation: {extension: .py, format_name: percent, format_version: '1.3'}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     title: Degradation
#     minutes: 90
#     points: 20
#     goals:
#       - Show that plain networks get worse with depth on their own training set, and by how much.
#       - Tell degradation from overfitting, from an unlucky recipe and from vanishing gradients, with a measurement for each.
#       - Build a deeper network that computes what a shallower one does, and say what that proves.
#       - Fit the identity with plain and residual layers, and explain why their starting points differ.
#       - Weigh the explanations in the literature against what was measured, counterexamples included.
#     needs:
#       - PyTorch modules, dense layers, batch norm, ReLU, autograd and a training loop
#       - Mean, variance and standard error
# ---

# %% [markdown]
# # 01 · Degradation
#
# **90 minutes · 20 points** (seven exercises and one written question)
#
# More layers can compute more functions. So a deeper network should fit its training set at least
# as well as a shallower one. It does not: past some depth, plain networks fit their *own training
# data* worse and worse. This lesson makes it happen, rules out the easy explanations one by one,
# and says what is left.
#
# **You will be able to**
#
# - show that plain networks get worse with depth on their own training set, and by how much;
# - tell degradation from overfitting, from an unlucky recipe and from vanishing gradients, with a
#   measurement for each;
# - build a deeper network that computes what a shallower one does, and say what that proves;
# - fit the identity with plain and residual layers, and explain why their starting points differ;
# - weigh the explanations in the literature against what was measured, counterexamples included.
#
# **You need** PyTorch modules, dense layers, batch norm, ReLU, autograd and a training loop;
# mean, variance and standard error.
#
# **How it works.** Run the cells from top to bottom. An exercise is a cell with a docstring and
# `raise NotImplementedError()`: replace that line. The cell below it checks your answer on small
# cases. When your work is graded, more checks run: other sizes, other dtypes, another device.
# Hints are folded; open them one at a time.

# %%
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional as F

import plusx
from plusx import diagnose_depth as diagnose
from plusx import experiments, identity, long_work, plots
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
# One function seeds every generator. Nothing in this lesson names a device: training takes the
# best there is. One word chooses the size of the experiments on depth. `"small"` is dense
# networks on 8×8 digits: all of them together take about a minute of a laptop's time, on the
# first run. `"full"` is the networks, the data (CIFAR-10) and the recipe of the paper: hours of a
# GPU. The same cells run either; the text describes `"small"`. Curves at full scale are not there yet
# (`make reference-runs` makes them). (`load_data` also takes the path of
# a folder of images, with `train/<class>/` and `test/<class>/` inside.)

# %%
plusx.seed_all(0)
scale = "small"
setting = experiments.choose_scale(scale)
data = plusx.load_data(setting.data)
print(f"{data.name}: {len(data.train_labels):,} training and {len(data.test_labels):,} test images")

# %% [markdown]
# A training run is kept on disk under its code and settings. So the second time this notebook
# runs it is quick, and what you change is trained anew. (`experiments.clear_cache()` forgets all
# runs.)
#
# ## 1 · A race for depth
#
# | year | network | layers with weights | how it was made to train |
# |---|---|---|---|
# | 1998 | LeNet-5 (LeCun et al.) | 5 | as it is |
# | 2012 | AlexNet (Krizhevsky et al.) | 8 | ReLU, dropout, two GPUs |
# | 2014 | VGG-19 (Simonyan, Zisserman) | 19 | 11 layers first; the deeper nets start from their weights |
# | 2014 | GoogLeNet (Szegedy et al.) | 22 | extra classifiers half-way, to bring in gradient |
# | 2015 | Highway networks (Srivastava et al.) | up to hundreds | gates that let the input pass |
# | 2015 | ResNet (He et al.) | 152 | `y = F(x) + x` |
#
# Read the last column. Up to about twenty layers, depth was bought with tricks of training.
# (VGG's authors started deep networks from shallow ones *before* they knew of good
# initialisation; they say so in their section 3.1.) Then two proposals in one year changed the
# *block* instead.
#
# What went wrong beyond twenty layers? Let us see it happen, on the simplest network there is.
#
# ### Exercise 1 · A plain network
#
# **Goal** the object of study · **Difficulty** ★★☆ · **Time** 9 minutes · **Points** 3
#
# `depth` counts **layers with weights**. All but the last are: dense without bias, batch norm,
# ReLU. The last is dense with bias, and gives the logits. A depth below 2 raises `ValueError`.
#
# <details><summary>Hint 1: how many of each?</summary>
#
# One layer from `inputs` to `width`, then `depth - 2` layers from `width` to `width`, then the
# head from `width` to `classes`. Depth 2 has no layer in the middle.
#
# </details>
# <details><summary>Hint 2: images</summary>
#
# `x.flatten(1)` turns (B, 1, 8, 8) into (B, 64), and leaves (B, 64) as it is.
#
# </details>
# <details><summary>Hint 3: a list of layers</summary>
#
# Collect the layers in a Python list and make `nn.Sequential(*layers)` of it. Create each layer
# in the loop: a layer that is created once and appended often is *one* layer.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "plain_net", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.Mlp", "plusx.plain_reference"]}
class PlainNet(nn.Module):
    """A dense network of `depth` layers with weights, without skip connections.

    depth: int, at least 2; less raises ValueError
    width: int, units of every hidden layer
    inputs: int, numbers in one example
    classes: int, the number of logits

    forward: x (B, ...), `inputs` numbers in each example -> logits (B, classes)
    """

    def __init__(self, depth, width=32, inputs=64, classes=10):
        super().__init__()
        ### BEGIN SOLUTION
        if depth < 2:
            raise ValueError(f"expected a depth of at least 2, got {depth}")
        layers, before = [], inputs
        for _ in range(depth - 1):
            layers += [nn.Linear(before, width, bias=False), nn.BatchNorm1d(width), nn.ReLU()]
            before = width
        self.hidden = nn.Sequential(*layers)
        self.head = nn.Linear(width, classes)
        ### END SOLUTION

    def forward(self, x):
        ### BEGIN SOLUTION
        x = self.hidden(x.flatten(1))  # (B, width)
        return self.head(x)  # (B, classes)
        ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_plain_net", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
net = PlainNet(5)
expect_type(net, nn.Module, "PlainNet(5)")
expect_equal(
    sum(p.numel() for p in net.parameters()),
    (64 * 32 + 64) + 3 * (32 * 32 + 64) + (32 * 10 + 10),  # 5,706
    "PlainNet(5): number of parameters",
    wrong=diagnose.wrong_plain_counts(5, 32, 64, 10),
)
with expect_works("PlainNet(5), x of shape (5, 1, 8, 8)", "flatten each example"):
    logits = net(torch.randn(5, 1, 8, 8))
expect_shape(logits, (5, 10), "PlainNet(5): logits of five images")
with expect_raises(ValueError, "PlainNet(1)", "a depth below 2 raises ValueError"):
    PlainNet(1)
print("Exercise 1: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(101)
for depth, width, inputs, classes in [(2, 5, 6, 3), (3, 4, 12, 7), (7, 6, 9, 2), (6, 11, 4, 5)]:
    name = f"PlainNet({depth}, width={width}, inputs={inputs}, classes={classes})"
    with expect_works(name):
        net = PlainNet(depth, width=width, inputs=inputs, classes=classes).double()
    reference = diagnose.plain_reference(depth, width, inputs, classes).double()
    expect_equal(
        sum(p.numel() for p in net.parameters()),
        sum(p.numel() for p in reference.parameters()),
        f"{name}: number of parameters",
        "depth counts layers with weights: the first and the head are two of them",
        wrong=diagnose.wrong_plain_counts(depth, width, inputs, classes),
    )
    for model in (net, reference):
        fill_by_shape(model, seed=depth)
    for training in (True, False):
        net.train(training), reference.train(training)
        x = torch.randn(8, inputs, dtype=torch.float64)
        what = f"{name}: logits in {'training' if training else 'evaluation'} mode"
        with torch.no_grad(), expect_works(what, "is a dtype written into the network?"):
            logits = net(x)
        with torch.no_grad():
            expected = reference(x)
            wrong = diagnose.wrong_plain_logits(reference, x)
        hint = "each layer but the head is dense, batch norm, ReLU, in this order"
        expect_shape(logits, expected.shape, what)
        expect_close(logits, expected, what, hint, rtol=1e-6, atol=1e-7, wrong=wrong)
for depth in (1, 0, -3):
    with expect_raises(ValueError, f"PlainNet({depth})", "a depth below 2 raises ValueError"):
        PlainNet(depth)
with expect_works("PlainNet(3, inputs=12), x of shape (4, 3, 2, 2)", "flatten each example"):
    logits = PlainNet(3, inputs=12)(torch.randn(4, 3, 2, 2))
expect_shape(logits, (4, 10), "PlainNet(3, inputs=12): logits for x of shape (4, 3, 2, 2)")
with expect_works(
    "PlainNet on another device (meta)",
    "a device is written into the network: .cpu(), .cuda(), or a tensor made without device=",
):
    logits = PlainNet(4).to("meta")(torch.empty(2, 64, device="meta"))
expect_true(logits.is_meta, "PlainNet: the device of the logits is that of x")
### END HIDDEN TESTS

# %% [markdown]
# From here on the lesson uses `plusx.Mlp(depth, skip)`. Without `skip` it is your network (of
# even depth); with `skip` its layers come in pairs, and each pair adds its input:
# `relu(F(x) + x)`, with **not one parameter more**. So the demonstrations run before you have
# solved the exercises.

# %%
print("parameters of 56 layers, plain and residual:")
print(*[f"{plusx.count_parameters(plusx.Mlp(56, skip)):,}" for skip in (False, True)])

# %% [markdown]
# ### The sweep
#
# Same data, same recipe, same width; only the depth changes. The recipe: SGD with momentum 0.9,
# learning rate 0.05, batches of 100, 8 epochs, He initialisation, batch norm after every layer
# but the last. Ten seeds each, which vary the initial weights and the order of the images. Errors
# are taken after each epoch with batch norm's statistics measured anew, so that lagging running
# averages play no part.

# %% tags=["demo"]
records = {
    (depth, skip): experiments.run(
        setting.make_model, data, setting.recipe, setting.seeds, depth=depth, skip=skip
    )
    for depth in long_work.each(setting.depths, "depths", "depth")
    for skip in (False, True)
}

# %% tags=["demo"]
drawing, (axis,) = plots.figure()
for depth, role in zip(setting.depths, ("first", "second", "third", "fourth"), strict=False):
    errors = records[depth, False].train_error  # (seeds, epochs + 1), percent
    plots.plot_runs(axis, range(errors.shape[1]), errors, f"{depth} layers", role)
axis.set(xlabel="epoch", ylabel="training error (%)", ylim=(-2, 100), title="plain networks")
axis.legend(title=f"median and range, {setting.seeds} seeds")
plots.show(
    "Training error by epoch of plain networks. With 8 layers it falls to nearly zero in four "
    "epochs, with 20 layers to about 17 %, with 56 layers it stays near 80 %."
)

# %% [markdown]
# This is **degradation**. Eight layers learn the training set almost by heart. Twenty layers are
# clearly worse, and fifty-six remain near guessing (90 % for ten classes). Each deeper network
# has more parameters and contains, as we shall see, every function of the shallower ones.
#
# ## 2 · Is it overfitting?
#
# A reflex says: too many parameters, so it overfits. Overfitting means *low* error on the
# training set and high error on new data. So look at both errors. But differences between
# networks mean nothing without their spread over seeds. A good unit is the **standard error of
# the difference**:
#
# $$\text{gap} = \frac{\bar a - \bar b}{\sqrt{s_a^2/n_a + s_b^2/n_b}},$$
#
# with means $\bar a, \bar b$, sample variances $s^2$ (divided by $n - 1$) and numbers of seeds
# $n$. Below 2 in size we shall not speak of a difference. (That is a rule of thumb, near the
# usual 5 % test when there are many seeds; with three seeds ask for more.)
#
# ### Exercise 2 · Degradation or overfitting?
#
# **Goal** a verdict from numbers · **Difficulty** ★★☆ · **Time** 9 minutes · **Points** 1 for
# `gap`, 2 for `verdict`
#
# `verdict` compares a deep with a shallow network. If the deep one's **training** error is higher
# (gap above 2), that is `"degradation"`, whatever the test error does. If it is not, but its
# **test** error is higher, `"overfitting"`. Else `"neither"`.
#
# <details><summary>Hint 1: the variance</summary>
#
# `statistics.variance(errors)` (after `import statistics`) divides by $n - 1$, and so does `torch.tensor(errors).var()`.
#
# </details>
# <details><summary>Hint 2: which order?</summary>
#
# "Higher" is about the deep network: `gap(deep, shallow) > 2`. First ask about training errors,
# then about test errors.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "verdict", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.right_gap"]}
def gap(errors, others):
    """How far the mean of `errors` lies above that of `others`, in standard errors.

    errors, others: lists of at least 2 floats, one for each seed; not all are equal
    returns: float, negative where the mean of `errors` is the lower one
    """
    ### BEGIN SOLUTION
    errors, others = (torch.tensor(list(x), dtype=torch.float64) for x in (errors, others))
    spread = errors.var() / len(errors) + others.var() / len(others)
    return ((errors.mean() - others.mean()) / spread.sqrt()).item()
    ### END SOLUTION


def verdict(train_shallow, test_shallow, train_deep, test_deep):
    """What a deeper network suffers from, by its errors and those of a shallower one.

    each argument: list of at least 2 floats, errors in percent, one for each seed
    returns: "degradation", "overfitting" or "neither"
    """
    ### BEGIN SOLUTION
    if gap(train_deep, train_shallow) > 2:
        return "degradation"
    return "overfitting" if gap(test_deep, test_shallow) > 2 else "neither"
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_verdict_a", "locked": true, "points": 1, "schema_version": 3, "solution": false, "task": false}
errors, others = [4.0, 5.0, 9.0], [1.0, 5.0]  # means 6 and 3; variances 7 and 8; n = 3 and 2
by_hand = (6 - 3) / (7 / 3 + 8 / 2) ** 0.5  # 1.1921
wrong = diagnose.wrong_gaps(errors, others)
expect_close(gap(errors, others), by_hand, "gap([4, 5, 9], [1, 5])", wrong=wrong)
print("Exercise 2, gap: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(201)
for n, m in [(2, 5), (5, 5), (12, 3), (4, 9)]:
    errors = (10 + 3 * torch.randn(n, dtype=torch.float64)).tolist()
    others = (12 + 2 * torch.randn(m, dtype=torch.float64)).tolist()
    what = f"gap of lists with {n} and {m} numbers"
    with expect_works(what):
        found = gap(errors, others)
    wrong = diagnose.wrong_gaps(errors, others)
    hint = "(mean - mean) / sqrt(variance / n + variance / m)"
    expect_close(found, diagnose.right_gap(errors, others), what, hint, rtol=1e-5, wrong=wrong)
### END HIDDEN TESTS

# %% nbgrader={"grade": true, "grade_id": "test_verdict_b", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
low, high = [1.0, 1.5, 0.5], [20.0, 23.0, 18.0]
expect_equal(verdict(low, low, high, high), "degradation", "verdict: both errors are higher")
expect_equal(verdict(high, high, low, high), "neither", "verdict: only the training error changed")
expect_equal(verdict(low, low, low, high), "overfitting", "verdict: only the test error is higher")
print("Exercise 2, verdict: the visible checks pass.")
### BEGIN HIDDEN TESTS
noisy, shifted = [1.0, 9.0, 3.0, 7.0], [2.0, 11.0, 4.0, 8.0]  # a gap of 0.5: noise
for answer, arguments, what in [
    ("degradation", (low, high, high, low), "training error higher, test error lower"),
    ("degradation", (low, low, [3.0, 3.2, 2.8], low), "a small rise of the training error, 5 gaps"),
    ("neither", (low, low, low, low), "no difference at all"),
    ("neither", (noisy, noisy, shifted, shifted), "means differ by less than 2 standard errors"),
    ("overfitting", (noisy, low, shifted, high), "training error within noise, test error higher"),
    ("overfitting", (high, low, low, high), "training error lower, test error higher"),
    ("neither", (high, high, low, low), "both errors lower: the deep one is better"),
    ("neither", (low, high, low, low), "test error lower"),
]:
    with expect_works(f"verdict: {what}"):
        found = verdict(*arguments)
    hints = {
        "degradation": "higher training error decides, whatever the test error does",
        "overfitting": "the training error is not higher, the test error is",
        "neither": "no error of the deep network is higher by more than 2 standard errors",
    }
    expect_equal(found, answer, f"verdict: {what}", hints[answer])
### END HIDDEN TESTS

# %% [markdown]
# Now for the sweep: training and test error after the last epoch.

# %% tags=["demo"]
drawing, axes = plots.figure(2, share_y=True)
for axis, half in zip(axes, ("training", "test"), strict=True):
    for role in ("plain", "residual"):
        runs = [records[depth, role == "residual"] for depth in setting.depths]
        errors = [(r.train_error if half == "training" else r.test_error)[:, -1] for r in runs]
        plots.plot_means(axis, setting.depths, errors, role, role)
        shown = "   ".join(experiments.mean_spread(e).rjust(11) for e in errors)
        print(f"{role:9} {half:8} error (%)   {shown}")
    plots.error_axes(
        axis, setting.depths, f"{half} error", "error (%)" if half == "training" else ""
    )
axes[0].legend(title=f"mean ± deviation, {setting.seeds} seeds")
plots.show(
    "Training and test error by depth. Both rise from nearly zero to about 80 % at 56 layers in "
    "plain networks, and stay below 10 % in residual ones."
)

# %% [markdown]
# The two panels look alike: the deep plain network is bad on *new* data because it is bad on
# *known* data. From training to test error it is one to four points, at every depth. So this is
# not overfitting. And there is a first glance at the cure: with skips, 56 layers train. They too
# are a little worse than eight: a skip does not make depth free.
#
# ## 3 · Is it the recipe?
#
# Perhaps 0.05 is a bad learning rate for 56 layers, or 8 epochs are too few. The explorer shows
# 56 settings of learning rate, depth and norm, plain and residual, five seeds each. They were
# trained beforehand (`python -m plusx.reference degradation_grid`, six minutes). **Look for** a
# learning rate at which 56 plain layers train. Then switch batch norm off, and watch the residual
# curve.

# %% tags=["demo"]
from plusx.widgets import DepthExplorer

DepthExplorer()

# %% [markdown]
# No learning rate rescues the deep plain network. Two more things deserve notice. Residual
# networks have limits as well: at a rate of 0.2 they fail at 44 layers and more. And **without a
# norm the residual networks degrade too**: the bare skip makes their activations grow from block
# to block (lesson 04 measures that; lesson 02 measures the gradients). The cure that we saw is skip *and* norm.
#
# Longer training, another optimiser, other step sizes (the third recipe is explained in section
# 4):

# %% tags=["demo"]
runs = plusx.load_reference("degradation_recipes")
print("training error (%), mean ± deviation of 5 seeds, at 8, 20 and 56 layers")
for recipe in ("60 epochs, cosine", "Adam, 0.003", "layer-scaled, 0.003"):
    for skip in (False, True):
        ends = [runs[recipe, depth, skip].train_error[:, -1] for depth in (8, 20, 56)]
        cells = " | ".join(experiments.mean_spread(e).rjust(11) for e in ends)
        print(f"{recipe:20} {'residual' if skip else 'plain':9} {cells}")

# %% [markdown]
# Patience helps twenty layers: after 60 epochs with a decaying rate they are nearly as good as
# eight. It does not help fifty-six. So degradation has a milder form, *slow*, and a harder one,
# *stuck* (for as long as we looked). He et al. (2015, section 4.1) saw the same at their scale:
# three times more iterations did not remove it. They conjecture that deep plain networks converge
# at rates that are exponentially low in depth.

# %% [markdown]
# ## 4 · Is it vanishing gradients?
#
# In a chain of layers the gradient is a product of Jacobians, and a long product of small factors
# vanishes (Hochreiter 1991; Bengio et al. 1994). Many texts say that this is why deep plain
# networks fail. It is a real disease: section 7 will show it in networks that start badly. Is it
# *this* one? Measure.
#
# ### Exercise 3 · The gradient at every layer
#
# **Goal** the instrument · **Difficulty** ★☆☆ · **Time** 6 minutes · **Points** 2
#
# For every weight **matrix** (a parameter with two axes or more) the Euclidean norm of the
# gradient of the loss. The loss is the **mean** cross-entropy over the batch.
#
# <details><summary>Hint 1: which parameters?</summary>
#
# `[p for p in net.parameters() if p.ndim > 1]`. They come in the order in which layers were made.
#
# </details>
# <details><summary>Hint 2: the gradients</summary>
#
# `torch.autograd.grad(loss, weights)` returns one gradient for each, and leaves `.grad` alone:
# what you measure twice does not add up.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "weight_gradients", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.weight_gradients"]}
def weight_gradients(net, images, labels):
    """Gradient norms of the mean cross-entropy at the weight matrices of a network.

    net: nn.Module that gives logits (B, classes)
    images: (B, ...); labels: (B,), integers
    returns: list of floats, one for each parameter with two axes or more, in their order
    """
    ### BEGIN SOLUTION
    weights = [p for p in net.parameters() if p.ndim > 1]
    gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), weights)
    return [gradient.norm().item() for gradient in gradients]
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_weight_gradients", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
net = nn.Linear(2, 2, bias=False)
net.load_state_dict({"weight": torch.tensor([[8.0, -6.0], [8.0, -6.0]])})
images, labels = torch.tensor([[3.0, 4.0]]), torch.tensor([0])
# The logits W x are (0, 0), so both classes have probability 1/2:
# dL/dlogits = (1/2 - 1, 1/2), so dL/dW has the rows -x/2 and x/2: norm 5 / sqrt(2)
found = weight_gradients(net, images, labels)
expect_equal(len(found), 1, "weight_gradients: one matrix, one norm")
wrong = diagnose.wrong_weight_gradients(net, images, labels)
expect_close(found, [5 / 2**0.5], "weight_gradients: one layer, by hand", wrong=wrong)
print("Exercise 3: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(301)
dense = [nn.Linear(6, 5, bias=False), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 7), nn.Tanh()]
dense.append(nn.Linear(7, 4))
convolutional = [nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 3, 3)]
convolutional += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 5)]
for layers, size, classes in [
    (dense, (9, 6), 4),
    (dense[3:], (3, 5), 4),
    (convolutional, (4, 2, 7, 6), 5),
]:
    net = nn.Sequential(*layers).double()
    images = 1.5 * torch.randn(size, dtype=torch.float64)
    labels = torch.randint(classes, (size[0],))
    what = f"weight_gradients: {len(layers)} modules, images of shape {size}"
    weights = [p for p in net.parameters() if p.ndim > 1]
    gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), weights)
    wrong = diagnose.wrong_weight_gradients(net, images, labels)
    with expect_works(what):
        found = weight_gradients(net, images, labels)
    expect_type(found, (list, tuple), what, "return a list of numbers")
    known = {sentence: len(values) for sentence, values in wrong.items() if "biases" in sentence}
    hint = "parameters with two axes or more count, and no others"
    expect_equal(len(found), len(weights), f"{what}: number of norms", hint, wrong=known)
    expected = [g.norm().item() for g in gradients]
    expect_close(found, expected, what, "one norm for each matrix", 1e-6, 1e-9, wrong=wrong)
### END HIDDEN TESTS

# %% [markdown]
# The deepest network of the sweep, plain and residual: before training, and after fifty steps.


# %% tags=["demo"]
def gradients_after(steps, skip, depth=setting.depths[-1]):
    """(seeds, layers): gradient norms of 5 networks at their weight matrices."""
    training = plusx.Training(
        lambda: setting.make_model(depth, skip=skip), data, setting.recipe, seeds=5
    )
    training.advance(steps)
    images, labels = training.data.train_images[:500], training.data.train_labels[:500]
    norms = [plusx.weight_gradients(net, images, labels) for net in training.trained()]
    return torch.tensor(norms)


# %% tags=["demo"]
drawing, axes = plots.figure(2, share_y=True)
for axis, steps in zip(axes, (0, 50), strict=True):
    for role in ("plain", "residual"):
        norms = gradients_after(steps, role == "residual")
        plots.plot_runs(axis, range(1, norms.shape[1] + 1), norms, role, role)
        ratio = (norms[:, 0] / norms[:, -2]).log10()
        spread = f"{ratio.mean():5.2f} ± {ratio.std():.2f}"
        print(f"after {steps:2} steps, {role:9} log10 of first / last hidden layer: {spread}")
    title = f"{setting.depths[-1]} layers, after {steps} steps"
    axis.set(yscale="log", xlabel="layer (1 = next to the input)", title=title)
axes[0].set_ylabel("norm of the loss's gradient")
axes[0].legend(title="median and range, 5 seeds")
plots.show(
    "Gradient norms of the loss at each of 56 layers. Before training those of the plain network "
    "grow to ten thousand towards the input, those of the residual one stay within a factor of "
    "twenty; after 50 steps both are level."
)

# %% [markdown]
# Nothing vanishes. Before training the plain network's gradients are *larger* near the input, by
# four to five powers of ten: batch norm makes them grow on the way back (Yang et al. 2019; lesson
# 02 measures the rate). After fifty steps they are nearly level, smaller near the input by a
# factor of about ten; a vanishing gradient would be smaller by many powers of ten. And the
# network still has not learned. He et al. (2015, section 4.1) checked their plain networks too,
# found gradients of healthy norm, and call vanishing gradients an *unlikely* cause.
#
# Then is it **exploding** gradients: huge steps in the first layers, tiny ones in the last? Here
# is a clean test. Make gradient size irrelevant: let every weight matrix move by the *same
# fraction* of its own norm,
#
# $$W \leftarrow W - \eta\, \frac{\|W\|}{\|G\|}\, G .$$
#
# Only the *direction* of the gradient $G$ is left. (You et al. 2017 train large batches with such
# a rule, LARS.)
#
# ### Exercise 4 · Steps that ignore the size of gradients
#
# **Goal** the control experiment · **Difficulty** ★★☆ · **Time** 6 minutes · **Points** 2
#
# Return new tensors; the caller's stay as they are. A weight whose gradient is zero does not
# move.
#
# <details><summary>Hint 1: one weight</summary>
#
# `w - lr * w.norm() / g.norm() * g`, with norms over the whole tensor.
#
# </details>
# <details><summary>Hint 2: a gradient of zero</summary>
#
# `0 / 0` is NaN. Bound the norm from below, `g.norm().clamp(min=1e-12)`, or return the weight as
# it is in that case.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "scaled_step", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.right_scaled_step", "plusx.scale_to_weights"]}
def scaled_step(weights, gradients, lr):
    """Move every weight by `lr` times its own norm, against its gradient.

    weights, gradients: lists of tensors, pairwise of one shape, float32 or float64
    lr: float, the fraction of its norm by which a weight moves
    returns: list of new tensors; a weight whose gradient is zero stays as it is
    """
    ### BEGIN SOLUTION
    moved = []
    for weight, gradient in zip(weights, gradients, strict=True):
        ratio = weight.norm() / gradient.norm().clamp(min=1e-12)
        moved.append(weight - lr * ratio * gradient)
    return moved
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_scaled_step", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
weight, gradient = torch.tensor([[3.0, 4.0]]), torch.tensor([[0.0, 0.1]])
(moved,) = scaled_step([weight], [gradient], 0.1)  # it moves by a tenth of its norm, 5
by_hand = torch.tensor([[3.0, 3.5]])
expect_shape(moved, by_hand.shape, "scaled_step: a weight of norm 5")
wrong = diagnose.wrong_scaled_steps([weight], [gradient], 0.1)
both = diagnose.flat([moved]), diagnose.flat([by_hand])
expect_close(*both, "scaled_step: a weight of norm 5, by hand", wrong=wrong)
hint = "it was changed in place: return new tensors"
expect_close(weight, torch.tensor([[3.0, 4.0]]), "scaled_step: the caller's weight", hint)
print("Exercise 4: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(401)
for shapes, lr in [
    ([(3, 4), (5, 3), (2, 5)], 0.1),
    ([(4, 2, 3, 3), (6,), (2, 7)], 0.7),
    ([(1, 1)], 2.0),
]:
    weights = [(n + 1) * torch.randn(s, dtype=torch.float64) for n, s in enumerate(shapes)]
    gradients = [10.0**-n * torch.randn(s, dtype=torch.float64) for n, s in enumerate(shapes)]
    what = f"scaled_step: weights of shapes {shapes}, lr {lr}"
    with expect_works(what):
        moved = scaled_step(weights, gradients, lr)
    expect_type(moved, (list, tuple), what, "return a list of tensors")
    expect_equal(len(moved), len(weights), f"{what}: number of tensors")
    expected = diagnose.right_scaled_step(weights, gradients, lr)
    for new, wanted in zip(moved, expected, strict=True):
        expect_shape(new, wanted.shape, what)
        expect_true(new.dtype == wanted.dtype, f"{what}: the dtype is that of the weight")
    wrong = diagnose.wrong_scaled_steps(weights, gradients, lr)
    together = (diagnose.flat(moved), diagnose.flat(expected))
    expect_close(*together, what, "w - lr * |w| / |g| * g, for each w", 1e-6, 1e-9, wrong)
weights = [torch.ones(2, 3), torch.ones(3)]
what = "scaled_step: one of the gradients is zero"
with expect_works(what):
    moved = scaled_step(weights, [torch.zeros(2, 3), torch.ones(3)], 0.5)
hint = "a weight whose gradient is zero stays as it is: 0 / 0 is not a number"
expect_close(moved[0], torch.ones(2, 3), what, hint)
expect_close(moved[1], torch.full((3,), 0.5), f"{what}: the other weight")
### END HIDDEN TESTS

# %% [markdown]
# Training with such steps is the third recipe in section 3, `layer-scaled` (momentum is kept).
# Look again: **plain-56 is as stuck as before**, plain-20 is better than with ordinary steps and
# still far from 8 layers, residual-56 trains. So neither small nor large gradients are the reason. The *size* is
# not what is wrong with them.
#
# ## 5 · The identity argument
#
# Perhaps deep networks *cannot* represent a good solution? They can, and the proof is a
# construction (He et al. 2015, section 1). Take a trained shallow network, and add layers that do
# nothing. A deeper network results with exactly the same error. The best deep network is at least
# as good.
#
# After a ReLU nothing is negative. So a dense layer with $W = I$ and $b = 0$, followed by ReLU,
# does nothing.
#
# ### Exercise 5 · Deeper, and the same
#
# **Goal** the construction, for dense networks · **Difficulty** ★★☆ · **Time** 9 minutes ·
# **Points** 3
#
# The network is an `nn.Sequential` of dense layers with a ReLU between any two. Put the new
# layers, each with its ReLU, **in front of the last dense layer**. Leave the given network as it
# is. The new layers must be able to learn later on: real weights and biases of their own, in the
# dtype and on the device of the others.
#
# <details><summary>Hint 1: a copy, in parts</summary>
#
# After `import copy`, `*body, head = copy.deepcopy(net)` gives a list of all modules but the last, and the last.
#
# </details>
# <details><summary>Hint 2: a layer that does nothing</summary>
#
# `nn.init.eye_(layer.weight)` and `nn.init.zeros_(layer.bias)`. It is as wide as what the head
# takes: `head.in_features`.
#
# </details>
# <details><summary>Hint 3: dtype and device</summary>
#
# `layer.to(head.weight)` takes both from a tensor.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "deepen", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.deepen"]}
def deepen(net, extra):
    """A deeper network that computes the same function.

    net: nn.Sequential of nn.Linear with nn.ReLU between any two; it is not changed
    extra: int, how many layers to add in front of the last nn.Linear; each is followed by a ReLU
    returns: nn.Sequential, x (B, inputs) -> (B, outputs) as `net`
    """
    ### BEGIN SOLUTION
    from copy import deepcopy

    *body, head = deepcopy(net)
    for _ in range(extra):
        layer = nn.Linear(head.in_features, head.in_features).to(head.weight)
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
        body += [layer, nn.ReLU()]
    return nn.Sequential(*body, head)
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_deepen", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
net = nn.Sequential(nn.Linear(3, 6), nn.ReLU(), nn.Linear(6, 2))
deeper = deepen(net, 5)
expect_type(deeper, nn.Module, "deepen(net, 5)")
expect_equal(
    sum(p.numel() for p in deeper.parameters()),
    (3 * 6 + 6) + 5 * (6 * 6 + 6) + (6 * 2 + 2),  # 248
    "deepen(net, 5): number of parameters",
    wrong=diagnose.wrong_deeper_counts(net, 5),
)
expect_equal(len(net), 3, "deepen: the given network keeps its three modules")
x = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
wrong = diagnose.wrong_deeper_logits(net, 5, x)
hint = "a new layer has the identity for weights, zeros for biases, and a ReLU behind it"
expect_close(deeper(x), net(x), "deepen(net, 5): the same outputs", hint, wrong=wrong)
print("Exercise 5: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(501)
for sizes, extra in [((3, 6, 2), 4), ((5, 7, 4, 3), 1), ((4, 4, 4, 4), 9), ((6, 3, 5), 0)]:
    what = f"deepen: a network of sizes {sizes}, {extra} layers more"
    layers = [m for a, b in pairwise(sizes) for m in (nn.Linear(a, b), nn.ReLU())][:-1]
    net = nn.Sequential(*layers).double()
    with expect_works(what, "the new layers take dtype and device from the others"):
        deeper = deepen(net, extra)
    expect_type(deeper, nn.Module, what)
    reference = identity.deepen(net, extra)
    expect_equal(
        sum(p.numel() for p in deeper.parameters()),
        sum(p.numel() for p in reference.parameters()),
        f"{what}: number of parameters",
        wrong=diagnose.wrong_deeper_counts(net, extra) if extra else None,
    )
    trainable = all(p.requires_grad for p in deeper.parameters())
    expect_true(
        trainable, f"{what}: all its parameters can learn", "some do not require a gradient"
    )
    x = 2 * torch.randn(9, sizes[0], dtype=torch.float64)
    caller = x.clone()
    with torch.no_grad(), expect_works(what):
        y = deeper(x)
    expect_close(x, caller, f"{what}: the caller's x after the call", "x is changed in place")
    with torch.no_grad():
        wrong = diagnose.wrong_deeper_logits(net, extra, x)
        hint = "a new layer has the identity for weights, zeros for biases, and a ReLU behind it"
        expect_close(y, net(x), f"{what}: the same outputs", hint, 1e-9, 1e-9, wrong)
    for model in (deeper, reference):  # other weights: now the new layers do something
        fill_by_shape(model, seed=extra)
    with torch.no_grad():
        h = nn.Sequential(*reference[: len(layers) - 1])(x)
        linear = nn.Sequential(
            *[m for m in reference[len(layers) - 1 :] if isinstance(m, nn.Linear)]
        )
        wrong = {"the new layers have no ReLU: one follows each": linear(h)}
        hint = "new layers stand in front of the last one, each with a ReLU"
        what = f"{what}, then other weights"
        expect_close(deeper(x), reference(x), what, hint, 1e-6, 1e-6, wrong)
net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)).to("meta")
with expect_works("deepen on another device (meta)", "new layers belong on the network's device"):
    y = deepen(net, 2)(torch.empty(5, 3, device="meta"))
expect_true(y.is_meta, "deepen: the device of the new layers is that of the network")
### END HIDDEN TESTS

# %% [markdown]
# Convolutional networks have norms in between. The same argument needs a convolution that does
# nothing (a kernel with a single 1 in its middle, from each channel to itself) and a norm that
# does nothing. In evaluation mode, batch norm computes
#
# $$y = \gamma\,\frac{x - \mu}{\sqrt{\sigma^2 + \varepsilon}} + \beta,$$
#
# with stored mean $\mu = 0$ and variance $\sigma^2 = 1$ in a new layer. Mind the $\varepsilon$.
#
# ### Exercise 6 · A convolution and a norm that do nothing
#
# **Goal** the construction, for real blocks · **Difficulty** ★★☆ · **Time** 6 minutes ·
# **Points** 2
#
# <details><summary>Hint 1: the kernel</summary>
#
# `nn.init.dirac_(conv.weight)` makes it. By hand: `weight[i, i, 1, 1] = 1` for every channel `i`,
# zero elsewhere.
#
# </details>
# <details><summary>Hint 2: the norm</summary>
#
# A new norm divides by $\sqrt{1 + \varepsilon}$. Which $\gamma$ makes up for that? `norm.eps`
# holds $\varepsilon$.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "identity_conv", "locked": false, "schema_version": 3, "solution": true, "task": false}
def identity_conv(channels):
    """Convolution, norm and ReLU that give back what they get, if it has no negative entries.

    channels: int
    returns: nn.Module, x (B, channels, H, W) -> relu(x), in evaluation mode; it is made of a 3x3
        convolution without bias, a batch norm, and a ReLU
    """
    ### BEGIN SOLUTION
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
    norm = nn.BatchNorm2d(channels)
    nn.init.dirac_(conv.weight)
    nn.init.constant_(norm.weight, (1 + norm.eps) ** 0.5)
    return nn.Sequential(conv, norm, nn.ReLU())
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_identity_conv", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
block = identity_conv(3).eval()
expect_equal(
    sum(p.numel() for p in block.parameters()),
    3 * 3 * 9 + 6,
    "identity_conv(3): number of parameters",
    wrong=diagnose.wrong_conv_counts(3),
)
x = 100 * torch.rand(2, 3, 5, 4, generator=torch.Generator().manual_seed(0))
wrong = diagnose.wrong_identity_convs(x)
y = block(x)
expect_shape(y, x.shape, "identity_conv(3): output", "padding 1 keeps height and width")
expect_close(y, x, "identity_conv(3): x comes back", rtol=2e-6, atol=1e-6, wrong=wrong)
print("Exercise 6: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(601)
for channels, batch, height, width in [(1, 2, 4, 4), (5, 1, 3, 7), (4, 3, 1, 2)]:
    what = f"identity_conv({channels}), x of shape {(batch, channels, height, width)}"
    with expect_works(what):
        block = identity_conv(channels).eval().double()
    expect_type(block, nn.Module, what)
    count = sum(p.numel() for p in block.parameters())
    known = diagnose.wrong_conv_counts(channels) if channels > 1 else None
    right = 9 * channels * channels + 2 * channels
    expect_equal(count, right, f"{what}: number of parameters", wrong=known)
    x = 1000 * torch.rand(batch, channels, height, width, dtype=torch.float64)
    with torch.no_grad(), expect_works(what):
        y = block(x)
    expect_shape(y, x.shape, what, "padding 1 keeps height and width")
    wrong = diagnose.wrong_identity_convs(x)
    expect_close(y, x, f"{what}: x comes back", "", 2e-6, 1e-6, wrong)
    with torch.no_grad():
        y = block(-x)
    wrong = {
        "the ReLU is missing": -x,
        "the ReLU is missing, and eps is ignored": -x / (1 + 1e-5) ** 0.5,
    }
    expect_close(y, 0 * x, f"{what}: negative entries become zero", "", 2e-6, 1e-6, wrong)
### END HIDDEN TESTS

# %% [markdown]
# ### A solution exists. Is it found?
#
# Ten seeds, networks without norm (gradients clipped to length 1): four layers, trained for 8
# epochs. From each we build 32 layers that compute the same, and go on training them for 8 more.
# Beside them, 32 layers from the usual random start, trained for all 16.

# %% tags=["demo"]
digits = plusx.load_data("digits")
recipe = plusx.Recipe(clip=1.0)
shallow = plusx.Training(lambda: identity.plain_stack(4), digits, recipe, seeds=10)
before = shallow.run()
nets = shallow.trained()
deep = [nn.Sequential(net[0], *identity.deepen(net[1:], 28)) for net in nets]  # net[0] flattens
images = digits.test_images.to(shallow.device)
with torch.no_grad():
    off = max((a(images) - b(images)).abs().max().item() for a, b in zip(nets, deep, strict=True))
print("4 and 32 layers, largest difference of their outputs:", off)

# %% tags=["demo"]
constructed = experiments.run(deep, digits, recipe, seeds=10)
longer = experiments.run(nets, digits, recipe, seeds=10)
twice = plusx.Recipe(clip=1.0, epochs=16)
from_scratch = experiments.run(identity.plain_stack, digits, twice, seeds=10, depth=32)

# %% tags=["demo"]
drawing, (axis,) = plots.figure(height=4.2)
for record, epochs, label, role in [
    (before, range(9), "4 layers", "first"),
    (longer, range(8, 17), "4 layers, trained on", "second"),
    (constructed, range(8, 17), "32 layers, constructed, trained on", "residual"),
    (from_scratch, range(17), "32 layers, random start", "plain"),
]:
    errors = record.train_error
    plots.plot_runs(axis, epochs, errors, label, role)
    print(f"{label:36} training error at the end {experiments.mean_spread(errors[:, -1])} %")
axis.set(xlabel="epoch", ylabel="training error (%)", yscale="symlog", ylim=(0, 130))
axis.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
axis.legend(title="median and range, 10 seeds", fontsize=8, title_fontsize=8, loc="lower left")
plots.show(
    "Training error by epoch. The 4 layers reach 2 % in 8 epochs and, trained on, nearly zero. "
    "The 32 layers constructed from them start where they were and stay between 2 and 5 %; 32 "
    "layers from a random start end near 40 %."
)

# %% [markdown]
# The constructed network starts with the error of the shallow one and stays near it. The same
# architecture from the usual start is nowhere near, after the same number of epochs. So the deep
# network *can*; **what fails is the search, from where it starts.** Note also what the
# construction does not give: the constructed 32 layers are no better than four layers that train
# on alone. "At least as good" is a statement about the best weights, not about what training
# makes of them.
#
# ## 6 · Learning to do nothing
#
# If a deep network is to use only some of its layers, the others must learn the identity. How
# hard is that? Let us ask for nothing else: give back the input, $H(x) = x$, for $x \ge 0$. Two
# kinds of layers:
#
# $$\text{plain: } h \leftarrow \mathrm{relu}(hW), \qquad \text{residual: } h \leftarrow \mathrm{relu}(h + hW) .$$
#
# Look closely. The second is the first with $I + W$ in place of $W$. So both stacks can compute
# **exactly the same functions**, with as many weights. The plain layer must find $W = I$. The
# residual layer must find $W = 0$, that is, $F(x) = 0$. From small random weights the first is
# far away, the second is close.
#
# (He et al. do not use single layers: with one layer, they note in section 3.2, a residual block
# resembles a linear layer, and they saw no advantage. Here the single layer is just what makes
# the two kinds comparable.)
#
# ### Exercise 7 · Fit both
#
# **Goal** a training loop, for either kind · **Difficulty** ★★★ · **Time** 12 minutes ·
# **Points** 3
#
# Gradient descent on the whole batch. The loss is the mean of $(h - x)^2$ over **all** entries,
# with $h$ the output of the stack. All layers learn. Return the loss before each step and, at the
# end, after the last one.
#
# <details><summary>Hint 1: the weights</summary>
#
# `weights.clone().requires_grad_()` is a copy that you may change: one tensor (L, d, d) for all
# layers. Going over it gives one matrix after the other.
#
# </details>
# <details><summary>Hint 2: one step</summary>
#
# Forward, loss, `torch.autograd.grad(loss, weights)`, and under `torch.no_grad()`:
# `weights -= lr * gradient`.
#
# </details>
# <details><summary>Hint 3: how many losses?</summary>
#
# `steps + 1`. With `steps = 0` the list has one entry, the loss at the start.
#
# </details>


# %% nbgrader={"grade": false, "grade_id": "fit_identity", "locked": false, "schema_version": 3, "solution": true, "task": false} nbproctor={"forbidden": ["plusx.fit_identity", "plusx.right_fit"]}
def fit_identity(weights, x, skip, lr, steps):
    """Train a stack of layers to give back its input, by gradient descent on the whole batch.

    weights: (L, d, d), the start; layer l computes relu(h @ weights[l]), or, with `skip`,
        relu(h + h @ weights[l]); the caller's tensor is not changed
    x: (B, d), no negative entries, dtype and device of the weights
    skip: bool
    lr: float; steps: int, at least 0
    returns: list of steps + 1 floats, the mean squared error before each step and after the last
    """
    ### BEGIN SOLUTION
    weights = weights.clone().requires_grad_()
    losses = []
    for step in range(steps + 1):
        h = x  # (B, d)
        for weight in weights:
            z = h @ weight  # (B, d)
            h = F.relu(h + z if skip else z)
        loss = (h - x).square().mean()
        losses.append(loss.item())
        if step < steps:
            (gradient,) = torch.autograd.grad(loss, weights)
            with torch.no_grad():
                weights -= lr * gradient
    return losses
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_fit_identity", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
weights, x = torch.tensor([[[0.5]]]), torch.tensor([[1.0], [3.0]])  # one layer, one number
# Plain, h = 0.5 x: the mean of (x - 0.5 x)^2 is 1.25, its derivative 2 * mean((0.5 x - x) x) = -5.
# A step of 0.02 leads to 0.6, where the loss is 0.16 * 5 = 0.8.
by_hand = {False: [1.25, 0.8], True: [1.25, 0.8]}  # residual, h = 1.5 x: to 0.4, by symmetry
for skip, expected in by_hand.items():
    losses = fit_identity(weights, x, skip, 0.02, 1)
    what = f"fit_identity: one layer, one step, skip={skip}"
    expect_equal(
        len(losses), 2, f"{what}: number of losses", "one before each step, and one after the last"
    )
    wrong = diagnose.wrong_fits(weights, x, skip, 0.02, 1)
    expect_close(losses, expected, what, wrong=wrong)
print("Exercise 7: the visible checks pass.")
### BEGIN HIDDEN TESTS
torch.manual_seed(701)
for L, d, batch, lr, steps in [
    (3, 4, 6, 0.1, 6),
    (1, 3, 2, 0.3, 4),
    (5, 2, 7, 0.05, 9),
    (2, 5, 1, 0.2, 3),
]:
    for skip in (False, True):
        weights = 0.6 * torch.rand(L, d, d, dtype=torch.float64) - 0.1
        x = torch.rand(batch, d, dtype=torch.float64) + 0.1
        what = f"fit_identity: {L} layers of {d} units, {steps} steps, skip={skip}"
        with expect_works(what):
            losses = fit_identity(weights, x, skip, lr, steps)
        expected = diagnose.right_fit(weights, x, skip, lr, steps)
        wrong = diagnose.wrong_fits(weights, x, skip, lr, steps)
        lengths = {sentence: len(values) for sentence, values in wrong.items()}
        expect_type(losses, (list, tuple), what, "return a list of numbers")
        missing = "the loss after the last step is missing, or there is one too many"
        expect_equal(len(losses), steps + 1, f"{what}: number of losses", missing)
        expect_close(losses, expected, what, "compare one step by hand", 1e-6, 1e-9, wrong)
x = torch.rand(3, 2)
with expect_works("fit_identity: no steps"):
    losses = fit_identity(torch.zeros(4, 2, 2), x, True, 0.1, 0)
expect_close(
    losses, [0.0], "fit_identity: weights of zero, with skip, no steps", "F(x) = 0 is the goal"
)
### END HIDDEN TESTS

# %% [markdown]
# Now for stacks of 1 to 16 layers of 16 units, 300 steps with learning rate 0.1, ten seeds; $x$
# is uniform on $[0, 1]$. Each kind begins where it usually does: plain layers at He
# initialisation, residual ones with small weights. As a control, plain layers with the same small
# weights.

# %% tags=["demo"]
depths, d = (1, 2, 4, 8, 16), 16
draw = torch.Generator().manual_seed(0)
x = torch.rand(10, 64, d, generator=draw)  # (S, B, d)
kinds = {
    "plain, He start": (False, (2 / d) ** 0.5, "plain"),
    "plain, small start": (False, 0.1 / d**0.5, "third"),
    "residual, small start": (True, 0.1 / d**0.5, "residual"),
}
ends = {name: [] for name in kinds}
for L in depths:
    noise = torch.randn(L, 10, d, d, generator=draw)  # the same numbers for all kinds
    for name, (skip, scale_, _) in kinds.items():
        ends[name].append(identity.fit_identity(scale_ * noise, x, skip, 0.1, 300)[:, -1])

# %% tags=["demo"]
drawing, (axis,) = plots.figure()
for name, (_, _, role) in kinds.items():
    plots.plot_runs(axis, depths, torch.stack(ends[name], dim=1), name, role)
    print(f"{name:22} median error", *[f"{e.median():.1e}" for e in ends[name]])
axis.axhline(1 / 12, color="gray", linewidth=0.8)
axis.text(1, 0.06, "always answering the mean", fontsize=8, color="dimgray", va="top")
plots.error_axes(axis, depths, "after 300 steps", "mean squared error")
axis.set_yscale("log")
axis.legend(title="median and range, 10 seeds", fontsize=8, title_fontsize=8)
plots.show(
    "Error in fitting the identity by depth, after 300 steps. Plain stacks are worse than always "
    "answering the mean from two layers on; residual stacks are more than a hundred times better "
    "at every depth."
)

# %% [markdown]
# From two layers on, plain stacks do worse than an answer that ignores the input (the grey line,
# the variance $1/12$ of $x$). With the small start they answer zero, whose error is $1/3$: the
# signal dies, and the gradient with it. The residual stack fits the identity at every depth, more
# than a hundred times better. To be fair: it was *given* the answer, up to small noise. That is
# the point. Same functions, same number of weights, another place to start, and the place happens
# to be right for the task "do little".

# %% [markdown]
# ## 7 · What a start can fix, and what a norm can
#
# Back to digits and classification, plain networks **without norm**. The entries of $W$ have
# variance $\mathrm{gain}^2 / \text{fan-in}$. A ReLU passes half of the mean square on, so each
# layer multiplies it by $\mathrm{gain}^2/2$: with gain $\sqrt 2$ its size is kept on average (He
# et al. 2015b), with gain 1 the mean square halves from layer to layer, and that of the gradient
# with it.

# %% tags=["demo"]
starts = {"gain 1": 1.0, "gain √2 (He)": 2**0.5, "gain 2": 2.0}
clipped = plusx.Recipe(clip=1.0)
for name, gain in starts.items():
    cells = []
    for depth in (8, 20, 32):
        record = experiments.run(
            plusx.Mlp, digits, clipped, seeds=5, depth=depth, norm=False, gain=gain
        )
        cells.append(f"{depth} layers {experiments.mean_spread(record.train_error[:, -1]):>11}")
    print(f"{name:13} training error (%): {' | '.join(cells)}")

# %% [markdown]
# The start matters a great deal: at gain 1, twenty layers learn almost nothing, and **here** the
# old explanation is right: $2^{-19}$ of the signal's mean square is left. He initialisation repairs
# that, and batch norm does too (section 2, where 20 layers had the lowest error of all these). But
# with either, 32 layers are still bad. Keeping the *size* of signals and gradients is necessary, and
# not enough.
#
# ### Another start for the same network
#
# Section 6 suggests one: begin every hidden layer at $I + c\,W$, with $W$ the usual random
# matrix. No skip, no norm, no change of architecture: at $c = 0.1$ the 56 layers are a plain
# network, whose weights happen to be near the identity.

# %% tags=["demo"]
noises = (0.0, 0.1, 0.2, 0.3, 0.5, 1.0)
near = {
    c: experiments.run(identity.near_identity, digits, clipped, seeds=5, depth=56, noise=c)
    for c in long_work.each(noises, "starts", "start")
}
usual = experiments.run(plusx.Mlp, digits, clipped, seeds=5, depth=56, norm=False)
ends = [near[c].train_error[:, -1] for c in noises]

# %% tags=["demo"]
drawing, (axis,) = plots.figure()
plots.plot_means(axis, noises, ends, "start at I + c W", "first")
end = usual.train_error[:, -1]
axis.axhline(end.mean(), color=plots.COLOURS["plain"], linestyle="--", label="usual start, W alone")
axis.set(xlabel="c, the size of the random part", ylabel="training error (%)", ylim=(0, 100))
axis.set_title("56 plain layers without norm")
axis.legend(title="mean ± deviation, 5 seeds")
plots.show(
    "Training error of 56 plain layers that start at the identity plus c times random weights: "
    "about 5 % up to c = 0.2, then rising to 90 % at c = 1. The usual start ends at 77 %."
)
print(
    "I + 0.1 W:", experiments.mean_spread(ends[1]), "  usual start:", experiments.mean_spread(end)
)

# %% [markdown]
# **Fifty-six plain layers, without skip and without norm, train to 5 % error.** So degradation
# does not lie in the architecture alone. It is a property of an architecture *from a given
# start*. A skip connection is one way to begin near the identity (and to remain in reach of it).
# Zagoruyko and Komodakis (2017) train deep plain convolutional networks in this way, with weights
# written as identity plus something; Xiao et al. (2018) train plain networks of 10,000 layers
# from carefully chosen orthogonal weights, and Balduzzi et al. (2017) from a start at which
# rectifiers act linearly.
#
# ### What is different at the good start?
#
# One candidate: what a network still *knows about its input* at its end. Take 200 images. For all
# pairs, compare how similar the two images are (cosine of the pixels) with how similar the
# network's last hidden states are. The correlation between the two is 1 if the states keep who
# resembles whom, and 0 if depth has wiped it out. Theory predicts that random deep networks lose
# it exponentially with depth, and can be trained only as deep as some of it survives (Schoenholz
# et al. 2017).


# %% tags=["demo"]
def similarity_by_layer(make_model, seeds=5, **settings):
    """(seeds, blocks + 1): similarity kept after each block of untrained networks."""
    images, rows = digits.train_images[:200], []
    for seed in range(seeds):
        plusx.seed_all(seed)
        with torch.no_grad():
            states = plusx.hidden_states(make_model(**settings), images)
        rows.append([plusx.similarity_kept(images, h) for h in states])
    return torch.tensor(rows)


untrained = {
    "plain, batch norm": (plusx.Mlp, {}, "plain"),
    "residual, batch norm": (plusx.Mlp, {"skip": True}, "residual"),
    "plain, no norm, He": (plusx.Mlp, {"norm": False}, "third"),
    "plain, no norm, I + 0.1 W": (identity.near_identity, {"noise": 0.1}, "first"),
}

# %% tags=["demo"]
drawing, (axis,) = plots.figure()
for name, (make_model, options, role) in untrained.items():
    kept = similarity_by_layer(make_model, depth=56, **options)  # (seeds, 28)
    plots.plot_runs(axis, range(1, 56, 2), kept, name, role)
    print(f"{name:26} kept at the end: {experiments.mean_spread(kept[:, -1], 3)}")
axis.set(xlabel="layer", ylabel="similarity kept", ylim=(-0.1, 1.05), title="before training")
axis.legend(title="median and range, 5 seeds", fontsize=8, title_fontsize=8, ncols=2)
plots.show(
    "Similarity to the input kept by layer, before training. Plain networks with batch norm lose "
    "it within fifteen layers, others more slowly; those that start near the identity keep nearly "
    "half of it at layer 56."
)

# %% [markdown]
# Of the two networks that fail, the one with batch norm forgets its input within some fifteen
# layers, the other more slowly. The two that train keep some of it to the end, though the
# residual one not much. Is that the rule? More networks, from the shipped study (section 3) and
# from above: similarity kept before training, against training error after it.

# %% tags=["demo"]
grid = plusx.load_reference("degradation_grid")
points = {}  # name -> ([similarity kept], [training error]), means of 5 seeds
for norm in (True, False):
    for skip in (False, True):
        kept, errors = [], []
        for depth in (2, 8, 14, 20, 32, 44, 56):
            layers = similarity_by_layer(plusx.Mlp, depth=depth, skip=skip, norm=norm)
            kept.append(layers[:, -1].mean())
            errors.append(grid[depth, 0.05, norm, skip].train_error[:, -1].mean())
        name = f"{'residual' if skip else 'plain'}, {'batch norm' if norm else 'no norm'}"
        points[name] = kept, errors
layers = [similarity_by_layer(identity.near_identity, depth=56, noise=c) for c in noises]
points["I + c W, no norm, 56 layers"] = [k[:, -1].mean() for k in layers], [e.mean() for e in ends]

# %% tags=["demo"]
drawing, (axis,) = plots.figure(height=3.8)
roles = ("plain", "residual", "third", "second", "first")
for (name, (kept, errors)), role in zip(points.items(), roles, strict=True):
    axis.plot(kept, errors, plots.MARKERS[role], color=plots.COLOURS[role], label=name)
axis.set(xlabel="similarity kept at the end, before training", ylabel="training error (%)")
axis.legend(title="each point: mean of 5 seeds", fontsize=8, title_fontsize=8)
plots.show(
    "Training error against the similarity kept before training, for networks of five kinds. "
    "Nearly all errors above 20 % lie where less than a seventh is kept; where more is kept, "
    "errors are small."
)

# %% [markdown]
# A clear trend: networks that keep little train badly. But it is a **correlation**, and it has
# exceptions. Where about a tenth is kept, you find all sorts: residual networks *with* norm that
# train to 5 %, residual networks *without* norm (diamonds, 44 and 56 layers) that fail because
# their signals explode, and plain ones in between. Keeping information about the input looks
# necessary here; it is not sufficient, and these measurements cannot show that it is the cause.
#
# ## 8 · What is the cause? A dispute
#
# He et al. (2015) gave a name to the effect and a cure, and left the cause open ("will be studied
# in the future"). Here is where the explanations stand.
#
# | explanation | for it | against it, or open |
# |---|---|---|
# | **Overfitting** | – | training error rises too (section 2) |
# | **Too little capacity** | – | the identity construction (section 5) |
# | **Vanishing gradients** (Hochreiter 1991; Bengio et al. 1994) | true of bad starts without norm (section 7, gain 1) | with batch norm nothing vanishes (section 4; He et al. 2015) |
# | **Exploding gradients** under batch norm (Yang et al. 2019) | true at the start (section 4) | steps that ignore size fail as well (section 4) |
# | **Slow convergence** (He et al. 2015, a conjecture) | 20 layers catch up in 60 epochs (section 3) | names the effect, not its cause; 56 layers did not move |
# | **Gradients without correlation**: those of nearby inputs become like white noise (Balduzzi et al. 2017) | they derive it, and show that skips prevent it | not measured here |
# | **Loss of information** about the input (Schoenholz et al. 2017; Xiao et al. 2018) | the trend in section 7; starts that avoid it train | the exceptions in section 7; correlation |
# | **Singularities**: weights that cannot be told apart (Orhan, Pitkow 2018) | they show it in dense networks | not measured here |
# | **Bad conditioning** of the loss at the start (Li et al. 2016) | derived for linear networks | not measured here |
#
# Several of these may be faces of one thing, and none is accepted as *the* cause. Three
# statements are safe:
#
# 1. Degradation is a failure of **training**: not of capacity, and not of generalisation.
# 2. With batch norm, the **size** of gradients is not what makes our deep plain networks fail.
# 3. It depends on the **start**. Starts near the identity avoid it, with a skip or without.
#
# ## 9 · The paper's figure beside ours
#
# The paper's test is ImageNet with 18 and 34 layers: error on 50,000 validation images (He et al.
# 2015, table 2). Ours: the dense networks of section 1 on digits, and the paper's own kind of
# convolutional networks on small generated pictures of shapes, as training error.

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
    "One image of each class of the generated data: disc, square, triangle, cross and ring, with "
    "stripes and with a checker pattern, coloured and noisy."
)

# %% tags=["demo"]
paper = {"plain": {18: 27.94, 34: 28.54}, "residual": {18: 27.88, 34: 25.03}}
conv = plusx.load_reference("degradation_conv")
drawing, axes = plots.figure(3)
for role, errors in paper.items():
    skip = role == "residual"
    line = plots.MARKERS[role] + plots.DASHES[role]
    axes[0].plot(list(errors), list(errors.values()), line, color=plots.COLOURS[role], label=role)
    dense_ends = [records[n, skip].train_error[:, -1] for n in setting.depths]
    plots.plot_means(axes[1], setting.depths, dense_ends, role, role)
    ends_ = [conv[n, skip].train_error[:, -1] for n in (8, 20, 56)]
    plots.plot_means(axes[2], (8, 20, 56), ends_, role, role)
    print(f"{role:9} shapes, training error (%):", *[experiments.mean_spread(e) for e in ends_])
plots.error_axes(axes[0], (18, 34), "paper: ImageNet", "validation error, top-1 (%)")
plots.error_axes(axes[1], setting.depths, f"ours: dense, {data.name}", "training error (%)")
plots.error_axes(axes[2], (8, 20, 56), "ours: convolutional, shapes", "training error (%)")
axes[0].legend()
plots.show(
    "Errors by depth, three panels. In the paper, on ImageNet, plain networks get a little worse "
    "from 18 to 34 layers and residual ones clearly better. In ours, on digits and on shapes, "
    "plain networks rise to 80 % at 56 layers; residual ones stay low on digits and rise to about "
    "65 % on shapes."
)

# %% [markdown]
# The pattern is the paper's: with depth, plain networks get worse and residual ones do not, or
# less. Mind what is *not* the same. The paper's axis begins at 25 %, and its effect is half a
# point upward against three points downward; ours is far larger, in narrow networks that train
# briefly. The paper's error is on new images (its figure 4 shows training error,
# with the same order). Our convolutional networks had 10 epochs and three seeds: from 8 to 20 layers
# the curves part as in the paper, one rises and one falls; at 56 layers neither kind has learned
# enough, and the residual one is less far behind.
#
# Nor were there photographs. Runs on CIFAR-10 itself are drawn from files that come with the course, with
# the networks of the paper's section 4.2. They were trained on JPEG copies of the images, whose
# pixels differ a little from the originals.

# %% tags=["demo"]
from plusx.full_scale_figures import about_runs, show_depths

for study, alt in {
    "cifar_small": "On 1,000 images, 12 epochs: 20 layers are better than 56, and residual networks "
    "better than plain ones of the same depth; residual ones of 56 layers end near plain ones of 20.",
    "cifar_depth_short": "Training error by epoch and test error by depth, 30 epochs.",
    "cifar_depth": "Training error by epoch and test error by depth, the paper's recipe.",
}.items():
    print(about_runs(study))
    if show_depths(study):
        plots.show(f"CIFAR-10, plain and residual networks, two panels. {alt}")

# %% [markdown]
# Twelve epochs of 1,000 images are 240 steps, where the paper has 64,000: this shows the beginning of training and no
# more. At the beginning depth slows down both kinds, and the plain one more: from 20 to 56 layers training error
# rises by about 21 points without skips and 14 with them. That deeper *residual* networks become the
# better ones, as in the paper, takes longer training than this.
#
# ## 10 · A written question
#
# **Difficulty** ★★☆ · **Time** 7 minutes · **Points** 2, given by a person
#
# A colleague trained networks of 20 and 50 layers. The deep one has the higher *test* error. She
# says: "It overfits; and if not, its gradients vanish."
#
# In five to eight sentences: which **three** measurements would you ask for, and what would each
# result tell you? For each, say what this lesson found in its own networks. Then say what would
# still be open if all three came out as here.

# %% [markdown] nbgrader={"grade": true, "grade_id": "question_measurements", "locked": false, "points": 2, "schema_version": 3, "solution": true, "task": false}
# ### BEGIN SOLUTION
# First the *training* error of both networks, over several seeds: were it low for the deep one,
# she would be right about overfitting; if it is higher than that of the shallow one by more than
# two standard errors, it is degradation. Here it was about 80 % at 56 layers against less than 1
# % at 8. Second, gradient norms of the weights by layer, at the start and during training: values
# near the input that are many powers of ten below those near the output would mean vanishing.
# Here, with batch norm, they were larger near the input at the start. Third, a control in which size cannot
# matter: steps scaled to the norm of each weight (or, to test capacity, the identity
# construction, or longer training and other learning rates). If the deep network then trained,
# gradient size was the problem; here it stayed at almost 90 %. What remains open is the cause:
# these results exclude explanations, and the loss of information about the input is only
# correlated with failure. It also stays open whether her networks behave like our small dense
# ones.
#
# ### BEGIN MARK SCHEME
# One point for each of the two parts; half points are possible.
#
# - **1 point, three measurements.** Three that are different and could decide something, each with what its
#   results would mean: training error against test error; gradient norms by layer; a control of size, of the recipe, or of
#   capacity (scaled steps, learning rates, longer training, another start, identity construction). Half: two of them, or three
#   without saying what the results would mean.
# - **1 point, findings and limits.** Half: what the lesson found, rightly, for each measurement named. Half: names something open (the cause, correlation
#   against cause, other data or networks, seeds).
#
# No point for "gradients vanish" as a finding about the networks with batch norm.
# ### END MARK SCHEME
# ### END SOLUTION

# %% [markdown]
# ## 11 · Summary
#
# - Plain networks degrade: beyond some depth the error rises on the *training* set. Means over seeds, with their spread, show it; single
#   runs do not.
# - It is not overfitting, and no learning rate, optimiser or patience that we tried removes it at 56 layers; at 20 layers patience helps.
# - With batch norm, gradients do not vanish. They explode at the start; steps that ignore their size fail as well.
# - A deeper network that does the same can be *constructed*, exactly. Training from the usual start does not find it.
# - A residual layer computes the same functions as a plain one, from another starting point: doing nothing is $F = 0$ instead of $W = I$.
# - Initialisation and batch norm keep the size of signals. That is needed, and it is not enough.
# - Plain layers that start near the identity train at 56 layers without skip or norm; residual networks without norm degrade. It is
#   the start that counts, and the skip is the most convenient one known.
#
# ## Open questions
#
# - What is the one thing, if there is one, that bad starts have in common?
# - Does a skip only change the start, or does it also help later on, when weights have moved? (Lesson 04)
# - If most residual blocks do little, how deep is a deep residual network? (Lesson 05)
# - Do networks of useful size on real data behave like these? `scale = "full"` is a beginning.
#
# ## Further reading
#
# - S. Hochreiter. *Untersuchungen zu dynamischen neuronalen Netzen.* 1991, diploma thesis, TU
#   München; Y. Bengio, P. Simard, P. Frasconi. *Learning Long-Term Dependencies with Gradient
#   Descent is Difficult.* 1994, IEEE Transactions on Neural Networks 5:157.
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner. *Gradient-Based Learning Applied to Document
#   Recognition* (LeNet). 1998, Proceedings of the IEEE 86:2278.
# - A. Krizhevsky, I. Sutskever, G. Hinton. *ImageNet Classification with Deep Convolutional Neural
#   Networks* (AlexNet). 2012, NeurIPS 25.
# - C. Szegedy et al. *Going Deeper with Convolutions* (GoogLeNet). 2014,
#   [arXiv 1409.4842](https://arxiv.org/abs/1409.4842).
# - K. He, X. Zhang, S. Ren, J. Sun. *Deep Residual Learning for Image Recognition.* 2015,
#   [arXiv 1512.03385](https://arxiv.org/abs/1512.03385). Sections 1 and 4; the footnote on more iterations.
# - K. He, X. Zhang, S. Ren, J. Sun. *Delving Deep into Rectifiers.* 2015 (2015b above),
#   [arXiv 1502.01852](https://arxiv.org/abs/1502.01852). The initialisation.
# - R. Srivastava, K. Greff, J. Schmidhuber. *Highway Networks.* 2015,
#   [arXiv 1505.00387](https://arxiv.org/abs/1505.00387).
# - K. Simonyan, A. Zisserman. *Very Deep Convolutional Networks for Large-Scale Image Recognition.* 2014,
#   [arXiv 1409.1556](https://arxiv.org/abs/1409.1556). Section 3.1.
# - S. Schoenholz, J. Gilmer, S. Ganguli, J. Sohl-Dickstein. *Deep Information Propagation.* 2017,
#   [arXiv 1611.01232](https://arxiv.org/abs/1611.01232).
# - D. Balduzzi et al. *The Shattered Gradients Problem.* 2017, [arXiv 1702.08591](https://arxiv.org/abs/1702.08591).
# - S. Zagoruyko, N. Komodakis. *DiracNets: Training Very Deep Neural Networks Without Skip-Connections.* 2017,
#   [arXiv 1706.00388](https://arxiv.org/abs/1706.00388).
# - L. Xiao et al. *Dynamical Isometry and a Mean Field Theory of CNNs.* 2018,
#   [arXiv 1806.05393](https://arxiv.org/abs/1806.05393).
# - A. E. Orhan, X. Pitkow. *Skip Connections Eliminate Singularities.* 2018,
#   [arXiv 1701.09175](https://arxiv.org/abs/1701.09175).
# - S. Li, J. Jiao, Y. Han, T. Weissman. *Demystifying ResNet.* 2016, [arXiv 1611.01186](https://arxiv.org/abs/1611.01186).
# - G. Yang, J. Pennington, V. Rao, J. Sohl-Dickstein, S. Schoenholz. *A Mean Field Theory of
#   Batch Normalization.* 2019, [arXiv 1902.08129](https://arxiv.org/abs/1902.08129).
# - Y. You, I. Gitman, B. Ginsburg. *Large Batch Training of Convolutional Networks.* 2017,
#   [arXiv 1708.03888](https://arxiv.org/abs/1708.03888). Steps scaled to the weights (LARS).
