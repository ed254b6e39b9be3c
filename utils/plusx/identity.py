"""Layers that do nothing, and deeper networks made with them."""

from copy import deepcopy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError
from plusx.models import Mlp


def deepen(net: nn.Sequential, extra: int) -> nn.Sequential:
    """The same function with `extra` more layers: each a dense layer that does nothing, and ReLU.

    `net` is dense layers with a ReLU between any two. The new layers stand before the last one,
    where nothing is negative; `net` is not changed. x (B, inputs) -> (B, outputs) for both.
    Source of the argument: He et al. 2015, section 1.
    """
    *body, head = deepcopy(net)
    if not isinstance(head, nn.Linear) or not body:
        raise ArgumentError(
            "this network cannot be deepened",
            expected="dense layers with ReLU between them",
            got=net,
            where="deepen",
        )
    for _ in range(extra):
        layer = nn.Linear(head.in_features, head.in_features).to(head.weight)
        nn.init.eye_(layer.weight)
        nn.init.zeros_(layer.bias)
        body += [layer, nn.ReLU()]
    return nn.Sequential(*body, head)


def plain_stack(depth: int, width: int = 32, inputs: int = 64, classes: int = 10) -> nn.Sequential:
    """A dense network without norm, `depth` layers with ReLU between them, He initialised.

    x (B, inputs) -> logits (B, classes). An image is flattened first, by a layer of its own.
    """
    sizes = [inputs, *[width] * (depth - 1), classes]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layer = nn.Linear(before, after)
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers[:-1])


def near_identity(depth: int, noise: float, width: int = 32) -> Mlp:
    """A plain network without norm whose hidden layers start at I + noise * W.

    W is the usual random start (He). Only the start differs from `Mlp(depth, norm=False)`.
    """
    net = Mlp(depth, norm=False, width=width)
    for layer in (m for m in net.blocks.modules() if isinstance(m, nn.Linear)):
        with torch.no_grad():
            layer.weight.mul_(noise).add_(torch.eye(width))
    return net


def fit_identity(weights: Tensor, x: Tensor, skip: bool, lr: float, steps: int) -> Tensor:
    """Train stacks of layers to give back their input, many seeds at once, on the whole batch.

    A layer is h <- relu(h W), or relu(h + h W) with `skip`. weights (L, S, d, d) for L layers and
    S seeds; x (S, B, d) without negative entries. Returns the mean squared error before each step
    and after the last, (S, steps + 1).
    """
    weights = weights.clone().requires_grad_()
    history = []
    for step in range(steps + 1):
        h = x
        for weight in weights:
            z = torch.bmm(h, weight)  # (S, B, d)
            h = F.relu(h + z if skip else z)
        loss = (h - x).square().mean((1, 2))  # (S,)
        history.append(loss.detach())
        if step < steps:
            (gradient,) = torch.autograd.grad(loss.sum(), weights)
            with torch.no_grad():
                weights -= lr * gradient
    return torch.stack(history, dim=1)
