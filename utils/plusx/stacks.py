"""Networks of several seeds that are called as one.

Small networks keep a processor waiting for Python. So all seeds can be computed together: their
weights are stacked, and `torch.func.vmap` turns the code of one network into that of all. Where
that does not help (convolutions), they are called one after another.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from plusx.execution import Execution

Network = Callable[[Tensor], Tensor]
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)


class Stacked:
    """Networks of several seeds as one, by `torch.func.vmap` over their stacked weights."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self.base = nets[0]
        self.parameters, self.buffers = stack_module_state(list(nets))

    def __call__(self, x: Tensor) -> Tensor:
        """x (S, B, C, H, W) -> logits (S, B, classes)"""
        return vmap(self._one, randomness="different")(self.parameters, self.buffers, x)

    def _one(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(self.base, (parameters, buffers), (x,))

    def modules(self) -> list[nn.Module]:
        return [self.base]

    def net(self, index: int) -> nn.Module:
        """A copy of one seed's network, with its weights as they are now."""
        net = deepcopy(self.base)
        state = {**self.parameters, **self.buffers}
        net.load_state_dict({name: tensor[index].detach() for name, tensor in state.items()})
        return net

    def weights(self) -> list[list[Tensor]]:
        """Groups of weights, each (seeds of the group, ...); here all seeds are one group."""
        return [list(self.parameters.values())]

    def state(self) -> list[dict[str, Tensor]]:
        """All weights and buffers, without copies."""
        return [{**self.parameters, **self.buffers}]


class SideBySide:
    """Networks of several seeds, called one after another, computed as `execution` says."""

    def __init__(self, nets: Sequence[nn.Module], execution: Execution | None = None) -> None:
        self.execution = execution or Execution()
        self.nets = [self.execution.prepared(net) for net in nets]
        self._in_training = [self.execution.compiled(net) for net in self.nets]

    def __call__(self, x: Tensor) -> Tensor:
        """x (S, B, C, H, W) -> logits (S, B, classes) in float32"""
        # Compiling once more for evaluation, with its other batches, would not pay.
        graded = torch.is_grad_enabled()
        nets: Sequence[Network] = self._in_training if graded else self.nets
        with self.execution.autocast(x.device):
            return torch.stack(
                [net(self.execution.laid_out(x_)) for net, x_ in zip(nets, x, strict=True)]
            ).float()

    def modules(self) -> list[nn.Module]:
        return self.nets

    def net(self, index: int) -> nn.Module:
        """A copy of one seed's network, with its weights as they are now."""
        return deepcopy(self.nets[index])

    def weights(self) -> list[list[Tensor]]:
        """Groups of weights; here each seed is a group of its own, without an axis for seeds."""
        return [list(net.parameters()) for net in self.nets]

    def state(self) -> list[dict[str, Tensor]]:
        """All weights and buffers of each network, without copies."""
        return [net.state_dict() for net in self.nets]


class evaluation_mode:  # noqa: N801 (used like a function, in `with`)
    """Evaluation mode inside `with`, with batch norm's statistics taken from `images` alone.

    Running averages lag behind the weights, all the more in a deep net: what they would add to an
    error is no matter of training. images (S, N, C, H, W).
    """

    def __init__(self, nets: Stacked | SideBySide, images: Tensor) -> None:
        self.nets, self.images = nets, images

    def __enter__(self) -> None:
        norms = [m for net in self.nets.modules() for m in net.modules() if isinstance(m, NORMS)]
        before = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        try:
            if norms:
                with torch.no_grad():
                    self.nets(self.images)
        finally:
            for norm, momentum in zip(norms, before, strict=True):
                norm.momentum = momentum
        for net in self.nets.modules():
            net.eval()

    def __exit__(self, *_: object) -> None:
        for net in self.nets.modules():
            net.train()
