"""What well-known mistakes would compute in the lesson on depth; see `plusx.diagnose`."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from itertools import pairwise
from math import sqrt
from statistics import mean, median, pvariance, variance
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Layer = Callable[[Tensor, Tensor], Tensor]  # (h, W) -> h


def plain_reference(depth: int, width: int, inputs: int, classes: int) -> nn.Sequential:
    """The plain network of `depth` layers: dense, norm, ReLU, again and again, and a head."""
    sizes = [inputs, *[width] * (depth - 1)]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(nn.Flatten(), *layers, nn.Linear(width, classes))


def wrong_plain_counts(depth: int, width: int, inputs: int, classes: int) -> dict[str, int]:
    """Mistakes in the number of parameters of a plain network."""
    count = sum(p.numel() for p in plain_reference(depth, width, inputs, classes).parameters())
    layer, hidden = width * width + 2 * width, depth - 1
    head, wide = width * classes + classes, count - width * classes - classes
    return {
        "there is one layer too many: the head counts as a layer too": count + layer,
        "there are two layers too many: the first and the head count too": count + 2 * layer,
        "there is one layer too few": count - layer,
        "the dense layers have a bias: their norms make it useless": count + hidden * width,
        "the norms are missing: one follows each layer but the head": count - 2 * hidden * width,
        "the norms are missing, and the dense layers have a bias": count - hidden * width,
        "one layer is used again and again: each has weights of its own": inputs * width
        + 2 * width
        + layer
        + head,
        "one norm serves all layers: each layer has its own": count - 2 * width * (hidden - 1),
        "the head has no bias: no norm follows it": count - classes,
        "the head has a norm: it gives the logits as they are": count + 2 * classes,
        "classes is ignored: there are always 10 logits": wide + 11 * width - width + 10,
        "inputs is ignored: it is always 64": count + (64 - inputs) * width,
        "width is ignored: it is always 32": sum(
            p.numel() for p in plain_reference(depth, 32, inputs, classes).parameters()
        ),
    }


def wrong_plain_logits(reference: Any, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in the logits of a plain network; `reference` (not changed) is right, x (B, ...)."""
    reference = deepcopy(reference)  # norms take note of what they see
    flatten, *layers, head = reference
    triples = [layers[i : i + 3] for i in range(0, len(layers), 3)]
    no_relu = before_norm = with_skip = flatten(x)
    for dense, norm, relu in triples:
        no_relu = norm(dense(no_relu))
        before_norm = norm(relu(dense(before_norm)))
        update = norm(dense(with_skip))
        same = update.shape == with_skip.shape
        with_skip = relu(update + with_skip if same else update)
    right = reference(x)
    features = nn.Sequential(flatten, *layers)(x)
    *_, (last_dense, last_norm, _) = triples
    before = nn.Sequential(flatten, *layers[:-3])(x)
    return {
        "the ReLUs are missing: one follows each norm": head(no_relu),
        "the ReLU stands before the norm: it follows the norm": head(before_norm),
        "there is a skip: a plain network has none": head(with_skip),
        "a ReLU acts on the logits: the head is followed by nothing": F.relu(right),
        "softmax is applied: return the logits": right.softmax(1),
        "log-softmax is applied: return the logits": right.log_softmax(1),
        "the last ReLU is missing: one follows each norm": head(last_norm(last_dense(before))),
        "tanh stands in place of ReLU": _with_activation(reference, x, torch.tanh),
        "the features are doubled": head(2 * features),
    }


def _with_activation(
    reference: nn.Sequential, x: Tensor, activation: Callable[[Tensor], Tensor]
) -> Tensor:
    for layer in reference:
        x = activation(x) if isinstance(layer, nn.ReLU) else layer(x)
    return x


def right_gap(errors: Sequence[float], others: Sequence[float]) -> float:
    """Difference of two means in standard errors."""
    spread = variance(errors) / len(errors) + variance(others) / len(others)
    return (mean(errors) - mean(others)) / sqrt(spread)


def wrong_gaps(errors: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """Mistakes in the gap of two means in standard errors."""
    n, m = len(errors), len(others)
    s, t = variance(errors), variance(others)
    difference = mean(errors) - mean(others)
    error = sqrt(s / n + t / m)
    return {
        "the sign is lost": abs(difference) / error,  # a right one where it is positive
        "the sign is reversed: it is positive when the first mean is larger": -difference / error,
        "the variances are divided by n: divide by n - 1": difference
        / sqrt(pvariance(errors) / n + pvariance(others) / m),
        "these are standard deviations, not standard errors: divide each variance by n": difference
        / sqrt(s + t),
        "the square root is missing: it is over the whole sum": difference / (s / n + t / m),
        "the standard errors are added: add their squares": difference
        / (sqrt(s / n) + sqrt(t / m)),
        "the spread of the second list is missing": difference / sqrt(s / n),
        "the spread of the first list is missing": difference / sqrt(t / m),
        "this is the difference: divide it by its standard error": difference,
        "this is the ratio of the means": mean(errors) / mean(others) if mean(others) else 0.0,
        "these are medians: take means": (median(errors) - median(others)) / error,
        "standard deviations stand where variances belong": difference
        / sqrt(sqrt(s) / n + sqrt(t) / m),
    }


def wrong_weight_gradients(
    net: nn.Module, images: Tensor, labels: Tensor
) -> dict[str, list[float]]:
    """Mistakes in the gradient norms of all weight matrices."""
    weights = [p for p in net.parameters() if p.ndim > 1]
    logits = net(images)
    gradients = torch.autograd.grad(F.cross_entropy(logits, labels), weights, retain_graph=True)
    norms = [g.norm().item() for g in gradients]
    of_logits = torch.autograd.grad(logits.sum(), weights, retain_graph=True)
    probabilities = F.cross_entropy(logits.softmax(1), labels)
    twice_softmax = torch.autograd.grad(probabilities, weights)
    everything = [p for p in net.parameters() if p.requires_grad]
    of_all = torch.autograd.grad(F.cross_entropy(net(images), labels), everything)
    return {
        "the loss is summed over the batch: take its mean": [n * len(labels) for n in norms],
        "biases, scales or shifts are among them: keep parameters with two axes or more": [
            g.norm().item() for g in of_all
        ],
        "the order is reversed: the first entry belongs to the first layer": norms[::-1],
        "these are squares of the norms": [n * n for n in norms],
        "these are norms of the weights: take their gradients": [w.norm().item() for w in weights],
        "these are largest entries: take the Euclidean norm": [
            g.abs().max().item() for g in gradients
        ],
        "these are sums of absolute values: take the Euclidean norm": [
            g.abs().sum().item() for g in gradients
        ],
        "these are means of absolute values: take the Euclidean norm": [
            g.abs().mean().item() for g in gradients
        ],
        "this is the gradient of the logits' sum: take the cross-entropy's": [
            g.norm().item() for g in of_logits
        ],
        "softmax is applied before the cross-entropy, which applies it itself": [
            g.norm().item() for g in twice_softmax
        ],
        "each norm is divided by that of its weights": [
            n / w.norm().item() for n, w in zip(norms, weights, strict=True)
        ],
    }


def right_scaled_step(
    weights: Sequence[Tensor], gradients: Sequence[Tensor], lr: float
) -> list[Tensor]:
    """Each weight moves by lr times its own norm, against its gradient."""
    return [
        w - lr * (w.norm() / g.norm() if g.norm() > 0 else 0.0) * g
        for w, g in zip(weights, gradients, strict=True)
    ]


def wrong_scaled_steps(
    weights: Sequence[Tensor], gradients: Sequence[Tensor], lr: float
) -> dict[str, Tensor]:
    """Mistakes in the scaled step, all weights in one vector; no gradient is zero."""
    pairs = list(zip(weights, gradients, strict=True))
    whole_w = torch.stack([w.norm() for w in weights]).norm()
    whole_g = torch.stack([g.norm() for g in gradients]).norm()
    steps = {
        "the step goes uphill: subtract it": [w + lr * w.norm() / g.norm() * g for w, g in pairs],
        "this is the ordinary step: scale the gradient to the weight's norm": [
            w - lr * g for w, g in pairs
        ],
        "the norm of the weight is missing from the step": [
            w - lr * g / g.norm() for w, g in pairs
        ],
        "the gradient is not divided by its norm": [w - lr * w.norm() * g for w, g in pairs],
        "the ratio is upside down: it is |w| / |g|": [
            w - lr * g.norm() / w.norm() * g for w, g in pairs
        ],
        "one ratio serves all layers: each has its own": [
            w - lr * whole_w / whole_g * g for w, g in pairs
        ],
        "the norms are squared": [w - lr * (w.norm() / g.norm()) ** 2 * g for w, g in pairs],
        "only the sign of the gradient is used": [w - lr * w.norm() * g.sign() for w, g in pairs],
        "these are the steps: subtract them from the weights": [
            lr * w.norm() / g.norm() * g for w, g in pairs
        ],
        "lr is ignored": [w - w.norm() / g.norm() * g for w, g in pairs],
        "nothing moves: the old weights come back": [w for w, _ in pairs],
        "each row is scaled by itself: take the norm of the whole tensor": [
            w - lr * _row_norms(w) / _row_norms(g) * g for w, g in pairs
        ],
    }
    return {sentence: flat(tensors) for sentence, tensors in steps.items()}


def flat(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers of some tensors in one vector."""
    return torch.cat([tensor.flatten() for tensor in tensors])


def _row_norms(tensor: Tensor) -> Tensor:
    return tensor.norm(dim=-1, keepdim=True)


def wrong_deeper_counts(net: Any, extra: int) -> dict[str, int]:
    """Mistakes in the number of parameters of a network that was made deeper."""
    count = sum(p.numel() for p in net.parameters())
    head = net[-1]
    width, inputs = head.in_features, net[0].in_features
    layer = width * width + width
    return {
        "nothing was added": count,
        "there is one layer too few": count + (extra - 1) * layer,
        "there is one layer too many": count + (extra + 1) * layer,
        "the new layers have no bias": count + extra * width * width,
        "the layers stand at the front, where inputs may be negative: put them before the head": (
            count + extra * (inputs * inputs + inputs)
        ),
        "the layers stand behind the head: put them before it": count
        + extra * (head.out_features**2 + head.out_features),
        "the new layers are one layer, used again: each has weights of its own": count + layer,
    }


def wrong_deeper_logits(net: Any, extra: int, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in what a network computes that was made deeper; x (B, inputs)."""
    *body, head = net
    h = nn.Sequential(*body)(x)
    return {
        "the new layers give zeros: their weights should be the identity": head(0 * h),
        "the biases of the new layers are 1: they should be 0": head(h + extra),
        "the weights of the new layers are all ones: ones belong on the diagonal": head(
            _repeated(h, extra)
        ),
        "the output went through a ReLU: nothing follows the head": F.relu(net(x)),
        "the head is missing": h,
        "the ReLU before the new layers is missing": head(nn.Sequential(*body[:-1])(x)),
    }


def _repeated(h: Tensor, times: int) -> Tensor:
    for _ in range(times):
        h = h.sum(dim=1, keepdim=True).expand_as(h)
    return h


def wrong_conv_counts(channels: int) -> dict[str, int]:
    """Mistakes in the number of parameters of a convolution and a norm."""
    kernel = 9 * channels * channels
    return {
        "the convolution has a bias: it needs none": kernel + 3 * channels,
        "the norm is missing": kernel,
        "the kernel is 1x1: it should be 3x3": channels * channels + 2 * channels,
        "each channel has a kernel of its own: use an ordinary convolution": 11 * channels,
    }


def wrong_identity_convs(x: Tensor, eps: float = 1e-5) -> dict[str, Tensor]:
    """Mistakes in a convolution and norm that should do nothing; x (B, C, H, W) >= 0."""
    C = x.shape[1]
    blur = torch.zeros(C, C, 3, 3, dtype=x.dtype)
    blur[range(C), range(C)] = 1.0
    shift = F.pad(x, (1, 1, 1, 1))
    H, W = x.shape[2:]
    wrong = {
        "the norm divides by sqrt(1 + eps): its scale must make up for that": x / (1 + eps) ** 0.5,
        "the scale makes up for eps the wrong way round": x / (1 + eps),
        "the scale is 1 + eps: the norm divides by the square root of that": x * (1 + eps) ** 0.5,
        "the kernels are full of ones: only the middle is 1": F.conv2d(x, blur, padding=1),
        "every output sums all channels: channel i takes channel i alone": x.sum(
            1, keepdim=True
        ).expand_as(x),
        "the output is all zeros": torch.zeros_like(x),
        "the kernels between all channels are full of ones: only the middle is 1": F.conv2d(
            x, torch.ones_like(blur), padding=1
        ),
        "the kernels are averages": F.conv2d(x, blur / 9, padding=1),
    }
    for row, column in ((0, 0), (0, 2), (2, 0), (2, 2), (0, 1), (1, 0), (1, 2), (2, 1)):
        moved = shift[:, :, row : row + H, column : column + W]
        wrong[f"the 1 stands at ({row}, {column}) of the kernel: the image moves"] = moved
        wrong[f"the 1 stands at ({row}, {column}) of the kernel: the image moves; eps too"] = (
            moved / (1 + eps) ** 0.5
        )
    return wrong


def right_fit(weights: Tensor, x: Tensor, skip: bool, lr: float, steps: int) -> list[float]:
    """Losses of a stack that learns to give back its input: see the lesson."""
    return _fit(weights, x, _layer_with_skip if skip else _plain_layer, lr, steps)


def wrong_fits(
    weights: Tensor, x: Tensor, skip: bool, lr: float, steps: int
) -> dict[str, list[float]]:
    """Mistakes in the fit of the identity; weights (L, d, d), x (B, d)."""
    layer = _layer_with_skip if skip else _plain_layer
    right = _fit(weights, x, layer, lr, steps)
    entries = x.numel()

    def fit(layer: Layer = layer, lr: float = lr, **changes: Any) -> list[float]:
        return _fit(weights, x, layer, lr, steps, **changes)

    return {
        "the last entry is missing: one loss before each step, and one after the last": right[:-1],
        "the first entry is missing: it is the loss before any step": right[1:],
        "skip is ignored": fit(_plain_layer if skip else _layer_with_skip),
        "the skip joins after the ReLU: it joins before": fit(lambda h, w: h + F.relu(h @ w)),
        "the input is added once, at the end: each layer has its own skip": fit(
            _plain_layer, outer=True
        ),
        "x is added in every layer: add h": fit(lambda h, w: F.relu(h @ w + x)),
        "the weights are transposed: a layer computes h @ W": fit(
            lambda h, w: F.relu(h @ w.T + h if skip else h @ w.T)
        ),
        "the ReLUs are missing": fit(lambda h, w: h @ w + h if skip else h @ w),
        "gradients add up over the steps: start each step at zero": fit(adds_up=True),
        "the step goes uphill: subtract the gradient": fit(lr=-lr),
        "nothing is learned: the weights stay as they were": fit(lr=0.0),
        "the loss is summed: take its mean over all entries": fit(factor=entries),
        "the loss is summed over the features: take its mean": fit(factor=x.shape[1]),
        "the loss is halved": fit(factor=0.5),
        "the target is zero: it is x": fit(target=0.0),
        "this is the root of the loss": [loss**0.5 for loss in right],
        "the layers share one weight: each has its own": fit(shared=True),
        "only the last layer learns": fit(frozen=len(weights) - 1),
        "the ReLU acts on the weights' side only: relu(h W) + relu(h)": fit(
            lambda h, w: F.relu(h @ w) + F.relu(h)
        ),
    }


def _plain_layer(h: Tensor, w: Tensor) -> Tensor:
    return F.relu(h @ w)


def _layer_with_skip(h: Tensor, w: Tensor) -> Tensor:
    return F.relu(h + h @ w)


def _fit(
    weights: Tensor,
    x: Tensor,
    layer: Layer,
    lr: float,
    steps: int,
    *,
    factor: float = 1.0,
    target: float = 1.0,
    frozen: int = 0,
    outer: bool = False,
    adds_up: bool = False,
    shared: bool = False,
) -> list[float]:
    """Gradient descent with one thing changed; the losses."""
    weights, total, history = weights.clone(), torch.zeros_like(weights), []
    for _ in range(steps + 1):
        weights = weights.detach().requires_grad_()
        h = x
        for w in weights[:1].expand_as(weights) if shared else weights:
            h = layer(h, w)
        loss = factor * ((h + x if outer else h) - target * x).square().mean()
        history.append(loss.item())
        (gradient,) = torch.autograd.grad(loss, weights)
        total = total + gradient if adds_up else gradient
        step = lr * total
        step[:frozen] = 0
        weights = weights - step
    return history
