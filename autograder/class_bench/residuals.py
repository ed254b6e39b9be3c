# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # The benchmark's lesson
#
# Three exercises on residual connections, with tests of about the weight of the course's own.
# No learner sees this lesson: it exists to be graded many times.

# %%
import torch
from torch import nn
from torch.nn import functional as F
from torchvision.models.resnet import BasicBlock

# %% [markdown]
# ## Exercise 1: a residual block
#
# `ResidualBlock(channels)` computes `relu(F(x) + x)`, where `F` is conv, norm, ReLU, conv, norm.
# The parts are called `conv1`, `bn1`, `conv2` and `bn2`.


# %% nbgrader={"grade": false, "grade_id": "residual_block", "locked": false, "schema_version": 3, "solution": true, "task": false}
class ResidualBlock(nn.Module):
    """Maps (B, C, H, W) to (B, C, H, W)."""

    ### BEGIN SOLUTION
    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))  # (B, C, H, W)
        return F.relu(self.bn2(self.conv2(y)) + x)  # (B, C, H, W)

    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_residual_block", "locked": true, "points": 3, "schema_version": 3, "solution": false, "task": false}
block = ResidualBlock(4)
assert block(torch.zeros(2, 4, 6, 6)).shape == (2, 4, 6, 6)
### BEGIN HIDDEN TESTS
draw = torch.Generator().manual_seed(1)
for batch, channels, side in (
    (32, 128, 14),
    (16, 96, 20),
    (1, 8, 17),
    (32, 160, 14),
    (16, 192, 14),
):
    reference, block = BasicBlock(channels, channels), ResidualBlock(channels)
    block.load_state_dict(reference.state_dict())
    x = torch.randn(batch, channels, side, side, generator=draw, requires_grad=True)
    cotangent = torch.randn(x.shape, generator=draw)
    wanted, got = reference(x), block(x)
    torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)
    (wanted_gradient,) = torch.autograd.grad(wanted, x, cotangent)
    (gradient,) = torch.autograd.grad(got, x, cotangent)
    torch.testing.assert_close(gradient, wanted_gradient, rtol=1e-3, atol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 2: a stack of residual layers
#
# `residual_stack(x, weights)` applies `x + relu(x @ w)` for every `w` in turn.


# %% nbgrader={"grade": false, "grade_id": "residual_stack", "locked": false, "schema_version": 3, "solution": true, "task": false}
def residual_stack(x, weights):
    """x: (B, D), weights: L matrices of (D, D). Returns (B, D)."""
    ### BEGIN SOLUTION
    for w in weights:
        x = x + F.relu(x @ w)  # (B, D)
    return x
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_residual_stack", "locked": true, "points": 2, "schema_version": 3, "solution": false, "task": false}
assert residual_stack(torch.ones(2, 3), [torch.eye(3)]).tolist() == [[2.0] * 3] * 2
### BEGIN HIDDEN TESTS
draw = torch.Generator().manual_seed(2)
for batch, width, depth in ((512, 512, 12), (64, 256, 20), (1, 16, 0)):
    x = torch.randn(batch, width, generator=draw)
    weights = [0.02 * torch.randn(width, width, generator=draw) for _ in range(depth)]
    wanted = x
    for w in weights:
        wanted = wanted + F.relu(wanted @ w)
    torch.testing.assert_close(residual_stack(x, weights), wanted, rtol=1e-3, atol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# ## Exercise 3: how gradients grow
#
# `gradient_gain(x, weights, skip)` sends `x` through layers `relu(x @ w)`, each with its input
# added if `skip`, and returns the norm of the gradient of the sum of the result with respect to `x`,
# as a number.


# %% nbgrader={"grade": false, "grade_id": "gradient_gain", "locked": false, "schema_version": 3, "solution": true, "task": false}
def gradient_gain(x, weights, skip):
    """x: (B, D), weights: L matrices of (D, D). Returns a number."""
    ### BEGIN SOLUTION
    start = x.clone().requires_grad_()  # (B, D)
    h = start
    for w in weights:
        h = F.relu(h @ w) + (h if skip else 0)  # (B, D)
    h.sum().backward()
    return start.grad.norm().item()
    ### END SOLUTION


# %% nbgrader={"grade": true, "grade_id": "test_gradient_gain", "locked": true, "points": 4, "schema_version": 3, "solution": false, "task": false}
one = gradient_gain(torch.ones(1, 1), [torch.ones(1, 1)], True)
### BEGIN HIDDEN TESTS
points, draw = 0, torch.Generator().manual_seed(3)
for skip, batch, depth in ((True, 256, 30), (False, 256, 8), (True, 1, 6), (False, 32, 3)):
    x = torch.randn(batch, 256, generator=draw, requires_grad=True)
    weights = [0.1 * torch.randn(256, 256, generator=draw) for _ in range(depth)]
    h = x
    for w in weights:
        h = F.relu(h @ w) + (h if skip else 0)
    wanted = torch.autograd.grad(h.sum(), x)[0].norm().item()
    points += abs(gradient_gain(x.detach(), weights, skip) - wanted) < 1e-3 * wanted
points
### END HIDDEN TESTS
