"""Dense residual units with other orders, and with other shortcuts.

He et al. 2016, "Identity Mappings in Deep Residual Networks" (arXiv 1603.05027), compare five
orders of norm, ReLU and layer (its figure 4) and several shortcuts (its figure 2). These are the
same with dense layers in place of convolutions, small enough to be trained a hundred times.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from plusx.errors import ArgumentError

# Layers of the branch and layers after the sum: D dense, N batch norm, R ReLU.
ORDERS = {
    "original": ("DNRDN", "R"),
    "norm after the sum": ("DNRD", "NR"),
    "ReLU before the sum": ("DNRDNR", ""),
    "ReLU-only pre-activation": ("RDNRDN", ""),
    "full pre-activation": ("NRDNRD", ""),
}
# What a network in this order needs after its last unit: what the next unit would have begun with.
ENDS = {"ReLU-only pre-activation": "R", "full pre-activation": "NR"}

JOINS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {  # x, F(x), gate -> sum
    "identity": lambda x, f, g: x + f,
    "none": lambda x, f, g: f,
    "both × 0.5": lambda x, f, g: 0.5 * x + 0.5 * f,
    "shortcut × 0.5": lambda x, f, g: 0.5 * x + f,
    "exclusive gate": lambda x, f, g: (1 - g) * x + g * f,
    "shortcut-only gate": lambda x, f, g: (1 - g) * x + f,
    "dense": lambda x, f, g: g + f,
    "dropout": lambda x, f, g: F.dropout(x) + f,
}
GATED = ("exclusive gate", "shortcut-only gate")


def unit_layers(order: str, shortcut: str) -> tuple[str, str]:
    """Layers of a unit's branch, and after its sum; raises `ArgumentError` for another name."""
    for name, known in ((order, ORDERS), (shortcut, JOINS)):
        if name not in known:
            raise ArgumentError("no such unit", expected=tuple(known), got=repr(name))
    return ORDERS[order]


class DenseUnit(nn.Module):
    """y = after(join(x, F(x))): one residual unit, its order and its shortcut chosen by name.

    width: units of every layer; order: a key of ORDERS; shortcut: a key of JOINS
    gate_bias: the bias with which a gate starts
    first: the unit stands behind a stem that ends in norm and ReLU, so that a pre-activation
    would repeat them; they are left out
    x (B, width) -> y (B, width). Raises `ArgumentError` for another name.
    """

    def __init__(
        self,
        width: int,
        order: str = "original",
        shortcut: str = "identity",
        gate_bias: float = 0.0,
        first: bool = False,
    ) -> None:
        super().__init__()
        branch, after = unit_layers(order, shortcut)
        self.branch = nn.Sequential(*dense_layers(branch.lstrip("NR") if first else branch, width))
        self.after = nn.Sequential(*dense_layers(after, width))
        self.shortcut, self.gate = shortcut, None
        if shortcut == "dense":
            self.gate = nn.Linear(width, width, bias=False)
        if shortcut in GATED:
            self.gate = nn.Linear(width, width)
        self.gate_bias = gate_bias

    def forward(self, x: Tensor) -> Tensor:
        f = self.branch(x)  # (B, width)
        g = x if self.gate is None else self.gate(x)  # (B, width)
        if self.shortcut in GATED:
            g = torch.sigmoid(g)
        return self.after(JOINS[self.shortcut](x, f, g))


class UnitMlp(nn.Module):
    """A dense network of `depth` layers with weights: a stem, (depth - 2) / 2 units, a head.

    x (B, ...), flattened to (B, inputs) -> logits (B, classes). Weights are normal with variance
    2 / fan-in, in shortcuts and gates 1 / fan-in. Raises `ArgumentError` unless `depth` is even
    and at least 4, or for an order or a shortcut that is not known.
    """

    def __init__(
        self,
        depth: int,
        order: str = "original",
        shortcut: str = "identity",
        gate_bias: float = 0.0,
        width: int = 32,
        inputs: int = 64,
        classes: int = 10,
    ) -> None:
        super().__init__()
        units, remainder = divmod(depth - 2, 2)
        if remainder or units < 1:
            raise ArgumentError("no such depth", expected="4, 6, 8, ...", got=depth)
        self.stem = nn.Sequential(*dense_layers("DNR", width, inputs))
        self.blocks = nn.Sequential(
            *(DenseUnit(width, order, shortcut, gate_bias, first=n == 0) for n in range(units))
        )
        self.end = nn.Sequential(*dense_layers(ENDS.get(order, ""), width))
        self.head = nn.Linear(width, classes)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x.flatten(1))  # (B, width)
        return self.head(self.end(self.blocks(x)))  # (B, classes)


def dense_layers(letters: str, width: int, inputs: int | None = None) -> list[nn.Module]:
    """Layers by their letters: D dense without bias, N batch norm, R ReLU."""
    layers: list[nn.Module] = []
    for letter in letters:
        if letter == "D":
            layers.append(nn.Linear(inputs or width, width, bias=False))
            inputs = width
        else:
            layers.append(nn.BatchNorm1d(width) if letter == "N" else nn.ReLU())
    return layers


def initialise(net: nn.Module) -> None:
    """He's start for layers that a ReLU follows, variance 1 / fan-in for shortcuts and gates."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    for unit in net.modules():
        if isinstance(unit, DenseUnit) and unit.gate is not None:
            nn.init.normal_(unit.gate.weight, std=unit.gate.in_features**-0.5)
            if unit.gate.bias is not None:
                nn.init.constant_(unit.gate.bias, unit.gate_bias)
