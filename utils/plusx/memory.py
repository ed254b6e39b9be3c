"""Skip connections through time: a memory task, and three recurrent networks for it.

Hochreiter, Schmidhuber 1997, "Long Short-Term Memory" (Neural Computation 9:1735); the forget
gate is that of Gers, Schmidhuber, Cummins 2000, "Learning to Forget" (Neural Computation 12:2451).
"""

import torch
from torch import Tensor, nn

from plusx.data import Data
from plusx.errors import ArgumentError

SYMBOLS = 4
NOISE = 0.3  # standard deviation
KINDS = ("tanh", "residual", "lstm")


def recall_task(length: int, train: int = 1000, test: int = 400) -> Data:
    """Remember the first of `length` steps: a symbol, then noise.

    Images (N, 1, length, SYMBOLS): step 0 is one-hot, all others are normal noise.
    The label is the symbol.
    """
    draw = torch.Generator().manual_seed(0)
    sequences = torch.randn(train + test, 1, length, SYMBOLS, generator=draw) * NOISE
    labels = torch.randint(SYMBOLS, (train + test,), generator=draw)
    sequences[:, 0, 0] = nn.functional.one_hot(labels, SYMBOLS).float()
    names = tuple(str(n) for n in range(SYMBOLS))
    halves = sequences[:train], labels[:train], sequences[train:], labels[train:]
    return Data(f"recall of {length} steps", *halves, names)


def lstm_step(
    x: Tensor, h: Tensor, c: Tensor, weight_x: Tensor, weight_h: Tensor, bias: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: x (B, inputs), h and c (B, d) -> the next h and c.

    weight_x (4d, inputs), weight_h (4d, d), bias (4d,): rows for the input gate, the forget gate,
    the candidate and the output gate, as in torch.nn.LSTMCell.
    """
    z = x @ weight_x.T + h @ weight_h.T + bias  # (B, 4d)
    i, f, g, o = z.chunk(4, dim=1)  # (B, d) each
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


class RecurrentNet(nn.Module):
    """A recurrent network that answers after the last step.

    kind: "tanh", h <- tanh(W x + V h + b); "residual", h <- h + tanh(W x + V h + b) / sqrt(length);
    "lstm", whose forget gate starts with the bias `forget_bias`
    x (B, 1, T, inputs) -> logits (B, classes). Raises `ArgumentError` for another kind.
    """

    def __init__(
        self,
        kind: str,
        length: int,
        forget_bias: float = 0.0,
        width: int = 16,
        inputs: int = SYMBOLS,
        classes: int = SYMBOLS,
    ) -> None:
        super().__init__()
        if kind not in KINDS:
            raise ArgumentError("no such recurrent network", expected=KINDS, got=repr(kind))
        rows = 4 * width if kind == "lstm" else width
        self.kind, self.width, self.rate = kind, width, length**-0.5
        self.weight_x = nn.Parameter(torch.randn(rows, inputs) / inputs**0.5)
        self.weight_h = nn.Parameter(torch.randn(rows, width) / width**0.5)
        self.bias = nn.Parameter(torch.zeros(rows))
        if kind == "lstm":
            with torch.no_grad():
                self.bias[width : 2 * width] = forget_bias
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        h = c = x.new_zeros(len(x), self.width)
        for step in x[:, 0].unbind(dim=1):  # (B, inputs) each
            h, c = self.step(step, h, c)
        return self.head(h)  # (B, classes)

    def step(self, x: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """One step: x (B, inputs), h and c (B, width) -> the next h and c."""
        if self.kind == "lstm":
            return lstm_step(x, h, c, self.weight_x, self.weight_h, self.bias)
        z = torch.tanh(x @ self.weight_x.T + h @ self.weight_h.T + self.bias)  # (B, width)
        h = z if self.kind == "tanh" else h + self.rate * z
        return h, h
