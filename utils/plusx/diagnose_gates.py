"""What well-known mistakes would compute in gated layers; see `plusx.diagnose`."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from plusx.gates import HighwayLayer


def wrong_highway_counts(width: int) -> dict[str, int]:
    """Mistakes in the number of parameters of a highway layer."""
    layer = width * width + width
    return {
        "there is one dense layer: transform and gate have one each": layer,
        "there are three dense layers: the carry is 1 - t, without weights": 3 * layer,
        "the dense layers have no bias: the gate's bias is the point": 2 * width * width,
        "one of the dense layers has no bias: both have one": 2 * layer - width,
        "the gate is one number for each example: it has one for each unit": layer + width + 1,
    }


def wrong_highways(layer: HighwayLayer, x: Tensor) -> dict[str, Tensor]:
    """Mistakes in the output of a highway layer; `layer` is the right one, x (B, width)."""
    inner, z = layer.transform(x), layer.gate(x)
    h, t = F.relu(inner), torch.sigmoid(z)
    return {
        "the gates are swapped: t weighs the transform, 1 - t the input": (1 - t) * h + t * x,
        "the input passes ungated: it has the factor 1 - t": t * h + x,
        "the transform is ungated: it has the factor t": h + (1 - t) * x,
        "the input is missing": t * h,
        "the transform is missing": (1 - t) * x,
        "the ReLU is missing": t * inner + (1 - t) * x,
        "tanh stands in place of ReLU": t * torch.tanh(inner) + (1 - t) * x,
        "the gate has no sigmoid": z * h + (1 - z) * x,
        "the gate is a tanh: it is a sigmoid": torch.tanh(z) * h + (1 - torch.tanh(z)) * x,
        "the gate looks at the transform: it looks at x": _mixed(
            torch.sigmoid(layer.gate(h)), h, x
        ),
        "a ReLU stands after the sum": F.relu(t * h + (1 - t) * x),
        "the ReLU acts on the input too": t * h + (1 - t) * F.relu(x),
        "there is no gate: this is relu(W x + b) + x": h + x,
        "the input is added on top: t * h + (1 - t) * x is all": t * h + (1 - t) * x + x,
        "a ReLU stands before the sigmoid": _mixed(torch.sigmoid(F.relu(z)), h, x),
    }


def _mixed(t: Tensor, h: Tensor, x: Tensor) -> Tensor:
    return t * h + (1 - t) * x


def right_lstm(arguments: Sequence[Tensor]) -> Tensor:
    """The next h and c, side by side (B, 2d), for the arguments of `plusx.lstm_step`."""
    i, f, g, o, c = _gates(arguments)
    return _joined(f.sigmoid() * c + i.sigmoid() * g.tanh(), o.sigmoid())


def wrong_lstms(arguments: Sequence[Tensor]) -> dict[str, Tensor]:
    """Mistakes in one step of an LSTM, h and c side by side (B, 2d)."""
    x, h, old, weight_x, weight_h, bias = arguments
    i, f, g, o, c = _gates(arguments)
    keep, write, read = f.sigmoid(), i.sigmoid(), o.sigmoid()
    new = keep * c + write * g.tanh()
    right = _joined(new, read)
    d = right.shape[1] // 2
    return {
        "h and c are swapped: return h first": torch.cat([right[:, d:], right[:, :d]], dim=1),
        "the gates of input and forgetting are swapped: the order is i, f, g, o": _joined(
            write * c + keep * g.tanh(), read
        ),
        "the order of the rows is i, f, g, o, not i, f, o, g": _joined(
            keep * c + write * o.tanh(), g.sigmoid()
        ),
        "the candidate has a sigmoid: it has a tanh": _joined(keep * c + write * g.sigmoid(), read),
        "the candidate has no tanh": _joined(keep * c + write * g, read),
        "h has no tanh: it is o * tanh(c)": torch.cat([read * new, new], dim=1),
        "h is made of the old c: use the new one": torch.cat([read * c.tanh(), new], dim=1),
        "h has no output gate": torch.cat([new.tanh(), new], dim=1),
        "the forget gate is missing: c is multiplied by it": _joined(c + write * g.tanh(), read),
        "the input gate is missing": _joined(keep * c + g.tanh(), read),
        "the input gate is 1 - f: it has rows of its own": _joined(
            keep * c + (1 - keep) * g.tanh(), read
        ),
        "the forget gate is 1 - f: f multiplies the old c": _joined(
            (1 - keep) * c + write * g.tanh(), read
        ),
        "the old c is missing": _joined(write * g.tanh(), read),
        "the old c goes through a tanh: it passes as it is": _joined(
            keep * c.tanh() + write * g.tanh(), read
        ),
        "the bias is missing": right_lstm([x, h, old, weight_x, weight_h, 0 * bias]),
        "the old h is missing: it goes through weight_h": right_lstm(
            [x, 0 * h, old, weight_x, weight_h, bias]
        ),
        "x is missing: it goes through weight_x": right_lstm(
            [0 * x, h, old, weight_x, weight_h, bias]
        ),
    }


def _gates(arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The four sums before their nonlinearities, and the old c; each (B, d)."""
    x, h, c, weight_x, weight_h, bias = arguments
    z = F.linear(x, weight_x, bias) + F.linear(h, weight_h)
    return (*z.chunk(4, dim=1), c)


def _joined(c: Tensor, read: Tensor) -> Tensor:
    return torch.cat([read * c.tanh(), c], dim=1)
