"""Layers that let a gate decide how much of the input passes: Highway networks.

Srivastava, Greff, Schmidhuber 2015, "Highway Networks" (arXiv 1505.00387).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class HighwayLayer(nn.Module):
    """y = t * relu(W x + b) + (1 - t) * x with the gate t = sigmoid(V x + c).

    The gate's bias c starts at `gate_bias`: a negative one lets most of x pass.
    x (B, width) -> y (B, width).
    """

    def __init__(self, width: int, gate_bias: float = -2.0) -> None:
        super().__init__()
        self.transform = nn.Linear(width, width)
        self.gate = nn.Linear(width, width)
        nn.init.kaiming_normal_(self.transform.weight)
        nn.init.normal_(self.gate.weight, std=width**-0.5)
        nn.init.zeros_(self.transform.bias)
        nn.init.constant_(self.gate.bias, gate_bias)

    def forward(self, x: Tensor) -> Tensor:
        t = torch.sigmoid(self.gate(x))  # (B, width)
        return t * F.relu(self.transform(x)) + (1 - t) * x


class HighwayMlp(nn.Module):
    """A dense network of `depth` layers: a stem, depth - 2 highway layers, a head; no norm.

    x (B, ...), flattened to (B, inputs) -> logits (B, classes).
    """

    def __init__(
        self,
        depth: int,
        gate_bias: float = -2.0,
        width: int = 32,
        inputs: int = 64,
        classes: int = 10,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Linear(inputs, width), nn.ReLU())
        self.blocks = nn.Sequential(*(HighwayLayer(width, gate_bias) for _ in range(depth - 2)))
        self.head = nn.Linear(width, classes)
        initialise_ends(self.stem, self.head)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1))  # (B, width)
        return self.head(self.blocks(x))  # (B, classes)


def initialise_ends(*parts: nn.Module) -> None:
    """He's start, and zero biases, for the dense layers before and behind the blocks."""
    for part in parts:
        for layer in part.modules():
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight)
                nn.init.zeros_(layer.bias)
