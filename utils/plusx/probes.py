"""Instruments: what a network costs, and how large its gradients are."""

import time
from collections.abc import Sequence
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError


def count_parameters(model: nn.Module) -> int:
    """Number of trainable numbers in the model."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


def gradient_profile(
    depth: int,
    gain: float,
    skip: bool,
    norm: bool = False,
    width: int = 64,
    batch: int = 32,
    seeds: int = 5,
) -> Tensor:
    """Gradient norms, layer by layer, in a random stack of dense layers, for many seeds.

    Layer l computes h_{l+1} = relu(N(W_l h_l)), plus h_l if `skip`; N is batch norm (batch
    statistics, no scale or shift) if `norm`, else nothing. W_l is normal with variance
    gain^2 / width. A random vector of length 1 is sent back from the output. Returns
    (seeds, depth + 1) in float64: entry l is |dL/dh_l|, so the last one is 1. Raises
    `ArgumentError` if a size is below 1.
    """
    if min(depth, width, batch, seeds) < 1:
        raise ArgumentError(
            "a size is too small",
            expected="depth, width, batch, seeds >= 1",
            got=(depth, width, batch, seeds),
            where="gradient_profile",
        )
    draw = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    h = normal(seeds, batch, width).requires_grad_()
    states = [h]
    for _ in range(depth):
        weight = normal(seeds, width, width) * (gain / width**0.5)
        z = torch.bmm(h, weight)  # (seeds, batch, width)
        if norm:
            z = (z - z.mean(1, keepdim=True)) / (z.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        h = F.relu(z) + h if skip else F.relu(z)
        states.append(h)
    v = normal(seeds, batch, width)
    v = v / v.flatten(1).norm(dim=1)[:, None, None]
    gradients = torch.autograd.grad(h, states, v)
    return torch.stack([g.flatten(1).norm(dim=1) for g in gradients], dim=1)


def gradient_norms(layers: Sequence[nn.Module], x: Tensor, v: Tensor) -> list[float]:
    """Gradient norms at the input of every layer, and at the output of the last.

    The layers are applied one after another to x; v, of the output's shape, is the
    gradient there. Returns len(layers) + 1 numbers.
    """
    states = [x.detach().requires_grad_()]
    for layer in layers:
        states.append(layer(states[-1]))
    return [g.norm().item() for g in torch.autograd.grad(states[-1], states, v)]


def saved_mebibytes(model: nn.Module, x: Tensor) -> float:
    """Memory in MiB that a forward pass keeps for the backward pass, without parameters."""
    parameters = {p.untyped_storage().data_ptr() for p in model.parameters()}
    sizes: dict[int, int] = {}
    kept: list[Tensor] = []  # alive until counted, so that no address is used twice

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in parameters:
            sizes[storage.data_ptr()] = storage.nbytes()
            kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        output = model(x)
    del output
    return sum(sizes.values()) / 2**20


def step_seconds(model: nn.Module, x: Tensor, repeats: int = 7) -> float:
    """Median time in seconds of one forward and backward pass; one more warms up."""
    times = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        model(x).sum().backward()
        if x.device.type != "cpu":  # an accelerator works on after the call returns
            torch.accelerator.synchronize()
        times.append(time.perf_counter() - start)
    return median(times[1:])


def weight_gradients(net: nn.Module, images: Tensor, labels: Tensor) -> list[float]:
    """Gradient norm of the mean cross-entropy at every weight matrix or kernel, first to last.

    images (B, ...), labels (B,). Biases, scales and shifts (one axis) are left out.
    """
    weights = [p for p in net.parameters() if p.ndim > 1]
    gradients = torch.autograd.grad(F.cross_entropy(net(images), labels), weights)
    return [g.norm().item() for g in gradients]


def hidden_states(net: nn.Module, x: Tensor) -> list[Tensor]:
    """What a network made of a `stem` and `blocks` holds after the stem and after every block.

    x (B, C, H, W) -> (B, ...) each. `Mlp` and `CifarResNet` are such networks.
    """
    stem, blocks = net.get_submodule("stem"), net.get_submodule("blocks")
    dense = any(isinstance(m, nn.Linear) for m in stem.modules())
    states = [stem(x.flatten(1) if dense else x)]
    for block in blocks.children():
        states.append(block(states[-1]))
    return states


def similarity_kept(x: Tensor, h: Tensor) -> float:
    """How much of who-resembles-whom among the inputs is left in the states, at most 1.

    x (B, ...) and h (B, ...): the correlation, over all pairs of examples, of the cosine of their
    inputs with the cosine of their states. 0 means that nothing is left.
    """
    both = torch.stack([_pair_cosines(x.flatten(1)), _pair_cosines(h.flatten(1))])
    return torch.corrcoef(both)[0, 1].item()


def _pair_cosines(h: Tensor) -> Tensor:
    """(B, d) -> the cosines of all B (B - 1) / 2 pairs"""
    h = F.normalize(h.double(), dim=1)
    rows, columns = torch.triu_indices(len(h), len(h), offset=1)
    return (h @ h.T)[rows, columns]
