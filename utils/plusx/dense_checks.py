"""Checks of lesson 07's answers that more than one test cell needs."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any

import torch
from torch import Tensor, nn

from plusx.checks import expect_count, expect_gradient, expect_output, made, near, of_input
from plusx.dense import FACTOR
from plusx.diagnose_dense import (
    torchvision_block,
    torchvision_layer,
    wrong_blocks,
    wrong_layer_counts,
    wrong_layers,
    wrong_net_logits,
)
from plusx.diagnose_unet import wrong_unet_counts, wrong_unets
from plusx.expect import expect_close, expect_equal, expect_true, expect_works
from plusx.unet import UNet
from plusx.weights import fill_by_shape, load_by_order

DTYPE = "a dtype is written into it: take that of x"
DEVICE = "a device is written into it: .cpu(), .cuda(), or a tensor made without device="


def expect_layer(make: Callable[..., Any], size: tuple[int, int, int, int], growth: int) -> None:
    """make(C, growth) computes what torchvision's dense layer does, for x of `size` (B, C, H, W).

    Compared are the number of parameters, outputs in both modes and the gradient with respect to
    x. Draws from torch's generator.
    """
    C = size[1]
    what = f"DenseLayer({C}, {growth})"
    layer, right = made(make, what, C, growth), torchvision_layer(C, growth)
    expect_count(layer, right, what, lambda: wrong_layer_counts(C, growth))
    expect_same(layer, right, size, what, wrong_layers, "the layer returns only what is new")


def expect_block(
    make: Callable[..., Any], size: tuple[int, int, int, int], layers: int, growth: int
) -> None:
    """make(layers, C, growth) computes what torchvision's dense block does; see `expect_layer`."""
    C = size[1]
    what = f"DenseBlock({layers}, {C}, {growth})"
    block, right = made(make, what, layers, C, growth), torchvision_block(layers, C, growth)
    one = sum(p.numel() for p in right.denselayer1.parameters())
    own = sum(p.numel() for p in right.parameters())
    wrong = {
        "every layer reads `in_channels`: layer n reads in_channels + n * growth": one * layers,
        "there is one layer too many": own
        + sum(p.numel() for p in torchvision_layer(C + layers * growth, growth).parameters()),
        "the layers do not belong to the block: keep them in an nn.ModuleList": 0,
    }
    expect_count(block, right, what, lambda: wrong)
    expect_same(block, right, size, what, wrong_blocks, "x and all new channels come back")


def expect_unet(make: Callable[..., Any], size: tuple[int, int, int, int], **settings: Any) -> None:
    """make(C, out_channels, width, depth, skip) computes what `plusx.unet.UNet` does."""
    defaults = {"in_channels": size[1], "out_channels": 1, "width": 4, "depth": 2}
    settings = defaults | {"skip": "concat"} | settings
    named = ", ".join(f"{name}={value!r}" for name, value in settings.items())
    what = f"UNet({named})"
    net, right = made(make, what, **settings), UNet(**settings)
    expect_count(net, right, what, lambda: wrong_unet_counts(**settings))
    hint = "the output is as large as x, with out_channels channels"
    expect_same(net, right, size, what, wrong_unets, hint)


def expect_logits(
    net: Any, right: Any, size: tuple[int, ...], what: str, explain: bool = True
) -> None:
    """With the weights of `right`, torchvision's, in float64, both give the same logits.

    Weights go over in the order of assignment; scales, shifts and statistics of the norms are
    drawn anew before. With `explain`, mistakes are named, which takes a dozen more passes.
    """
    for norm in (m for m in right.modules() if isinstance(m, nn.BatchNorm2d)):
        for tensor in norm.state_dict().values():
            if tensor.is_floating_point():
                tensor.uniform_(0.5, 1.5)
    advice = "the order of assignment differs from torchvision's, or a layer does: see hint 3"
    with expect_works(f"{what}: taking over torchvision's weights, tensor by tensor", advice):
        load_by_order(net, right.state_dict())
    with expect_works(f"{what} in float64", DTYPE):
        net.double()
    right.double()
    net.eval(), right.eval()
    x = torch.randn(size, dtype=torch.float64)
    with torch.no_grad(), expect_works(f"{what}, x of shape {size}"):
        logits = net(x)
    hint = "the tensors fit in shape, yet the network computes something else"
    shown = f"{what}: logits with torchvision's weights, x of shape {size}"
    with torch.no_grad():
        expected = right(x)
        is_near = torch.is_tensor(logits) and near(logits, expected)
        wrong = wrong_net_logits(right, x) if explain and not is_near else {}
    expect_close(logits, expected, shown, hint, rtol=1e-6, wrong=wrong)


def expect_same(
    module: Any,
    right: Any,
    size: Sequence[int],
    what: str,
    diagnose: Callable[[Any, Tensor], dict[str, Tensor]],
    hint: str,
) -> None:
    """Both compute the same, in both modes and in float64, and have the same gradient."""
    with expect_works(what, DTYPE):
        module.double()
    right.double()
    for model in (module, right):
        fill_by_shape(model, seed=size[1])
    for training in (False, True, False):
        mode = "training" if training else "evaluation"
        module.train(training), right.train(training)
        x, shown = torch.randn(*size, dtype=torch.float64), f"{what}, x of shape {tuple(size)}"
        works = f"{hint}; or {DTYPE}"
        expect_output(module, right, x, f"{shown}, {mode}", of_input(diagnose), hint, works)
    x = torch.randn(*size, dtype=torch.float64)
    advice = "something is detached: gradients flow through all that was joined"
    expect_gradient(module, right, x, what, advice)


def expect_thrifty(
    make: Callable[..., Any], channels: Sequence[int], growth: int, batch: int = 2, side: int = 4
) -> None:
    """make(C, growth), called with a list of features, computes a dense layer and recomputes.

    `channels` are those of each tensor of the list. Compared are outputs, gradients of all
    features and parameters, also where no feature needs one, and how often each norm saw a batch.
    """
    C = sum(channels)
    what = f"ThriftyLayer({C}, {growth}), features of {', '.join(map(str, channels))} channels"
    layer, right = made(make, what, C, growth), torchvision_layer(C, growth)
    expect_count(layer, right, what, lambda: wrong_layer_counts(C, growth))
    layer.double(), right.double()
    for model in (layer, right):
        fill_by_shape(model, seed=C)
    for leaf in (True, False):
        features = [
            torch.randn(batch, c, side, side, dtype=torch.float64, requires_grad=leaf)
            for c in channels
        ]
        _expect_recomputed(layer, right, features, what)
    features = [feature.detach() for feature in features]
    for model in (
        layer,
        right,
    ):  # the answer's first norm saw each batch twice
        fill_by_shape(model, seed=C)
        model.eval()
    with torch.no_grad(), expect_works(f"{what}, evaluation without gradients"):
        y = layer(features)
    expect_close(y, right(features), f"{what}: output in evaluation mode")


def _expect_recomputed(layer: Any, right: Any, features: list[Tensor], what: str) -> None:
    joined = torch.cat(features, 1).detach()
    expected = deepcopy(right)(features)
    before = _batches(layer)
    with expect_works(what, "features is a list of tensors: checkpoint(function, *features)"):
        y = layer(features)
    hint = "join, norm, ReLU, 1x1; norm, ReLU, 3x3"
    expect_close(y, expected, f"{what}: output", hint, wrong=wrong_layers(right, joined))
    middle = _batches(layer)
    seen = {c: middle[c] - before[c] for c in middle}
    once = f"{what}: in the forward pass each norm sees the batch once"
    expect_true(set(seen.values()) == {1}, once, "the first half is run twice in the forward pass")
    v = torch.randn_like(expected)
    expect_true(y.requires_grad, f"{what}: gradients flow", "the result is detached")
    y.backward(v)
    _expect_gradients(layer, right, features, v, what)
    again = {c: count - middle[c] for c, count in _batches(layer).items()}
    first, second = joined.shape[1], right.conv1.out_channels
    wrong = (
        "nothing is computed again: call the first half through checkpoint"
        if not again[second]
        else "it is the second half that runs again: it should be the first"
    )
    expect_equal(again[first], 1, f"{what}: runs of the first half in the backward pass", wrong)


def _batches(layer: Any) -> dict[int, int]:
    """How many batches each norm has seen, by its number of channels."""
    state = layer.state_dict()
    ends = [name.removesuffix("num_batches_tracked") for name in state if "num_batches" in name]
    return {
        len(state[f"{end}running_mean"]): int(state[f"{end}num_batches_tracked"]) for end in ends
    }


def _expect_gradients(layer: Any, right: Any, features: list[Tensor], v: Tensor, what: str) -> None:
    own = [feature.detach().requires_grad_(feature.requires_grad) for feature in features]
    reference = deepcopy(right)
    reference.zero_grad()
    reference(own).backward(v)
    for place, (feature, other) in enumerate(zip(features, own, strict=True)):
        if other.grad is not None:
            name = f"{what}: gradient with respect to features[{place}]"
            expect_close(feature.grad, other.grad, name, "is a feature detached, or left out?")
    wanted = {tuple(p.shape): p.grad for p in reference.parameters() if p.ndim == 4}
    found = {tuple(p.shape): p.grad for p in layer.parameters() if p.ndim == 4}
    for size, gradient in wanted.items():
        name = f"{what}: gradient of the weights of shape {size}"
        advice = "checkpoint needs use_reentrant=False: else it drops the gradients of parameters"
        expect_true(found.get(size) is not None, f"{name} is there", advice)
        expect_close(found[size], gradient, name, "is something detached?")
    layer.zero_grad()


def expect_little_kept(make: Callable[..., Any], channels: Sequence[int], growth: int) -> None:
    """Two layers on the same features keep these once, and else only their second halves.

    For a learner's own process: a judge, whose autograd does not see inside the learner's layer,
    finds nothing here.
    """
    B, side = 7, 6
    layers = [make(sum(channels), growth) for _ in range(2)]
    features = [torch.randn(B, c, side, side) for c in channels]
    kept: dict[int, Tensor] = {}

    def note(tensor: Tensor) -> Tensor:
        if tensor.ndim == 4 and len(tensor) == B:  # no weights
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        outputs = [layer(features) for layer in layers]
    del outputs
    found = sum(tensor.untyped_storage().nbytes() for tensor in kept.values()) // (4 * B * side**2)
    shared = sum(channels) + 2 * 2 * FACTOR * growth
    what = f"two ThriftyLayers on the same {sum(channels)} channels keep {shared} at most"
    expect_true(found <= shared, what, f"{found} are kept: concatenate inside the checkpoint")
