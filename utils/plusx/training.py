"""A training loop with records, for several seeds of one network at once.

Small networks keep a processor waiting for Python. So all seeds are trained together: their
weights are stacked, and `torch.func.vmap` turns the code of one network into that of all. Where
that does not help (convolutions), the same loop trains them side by side.
"""

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

from plusx.data import Data
from plusx.device import choose_device
from plusx.errors import ArgumentError

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
CHUNK = 2000  # images that are evaluated at once
SCHEDULES: dict[str, Callable[[float], float]] = {  # progress from 0 to 1 -> factor of lr
    "constant": lambda progress: 1.0,
    "cosine": lambda progress: 0.5 + 0.5 * cos(pi * progress),
    "steps": lambda progress: 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01,
}


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. An unknown optimiser or schedule raises `ArgumentError`."""

    epochs: int = 8
    batch: int = 100
    lr: float = 0.05
    optimiser: str = "sgd"  # or "adam"
    momentum: float = 0.9  # of sgd
    weight_decay: float = 0.0
    schedule: str = "constant"  # or "cosine", or "steps": a tenth after 1/2 and after 3/4
    clip: float | None = None  # largest norm of one seed's whole gradient
    layer_scaled: bool = False  # every weight matrix's gradient gets the norm of the matrix
    augment: bool = False  # shift by up to 4 pixels, and mirror

    def __post_init__(self) -> None:
        for name, known in (("optimiser", ("sgd", "adam")), ("schedule", tuple(SCHEDULES))):
            if getattr(self, name) not in known:
                got = repr(getattr(self, name))
                raise ArgumentError(f"unknown {name}", expected=known, got=got, where="Recipe")


@dataclass(frozen=True)
class Record:
    """What a training gave: (seeds, epochs + 1) each, column 0 before the first step.

    Loss is the mean cross-entropy in nats; errors are in percent. All are taken in evaluation
    mode, with batch norm's statistics taken anew from training images.
    """

    train_loss: Tensor
    train_error: Tensor
    test_error: Tensor


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


class SideBySide:
    """Networks of several seeds, called one after another."""

    def __init__(self, nets: Sequence[nn.Module]) -> None:
        self.nets = list(nets)

    def __call__(self, x: Tensor) -> Tensor:
        """x (S, B, C, H, W) -> logits (S, B, classes)"""
        return torch.stack([net(images) for net, images in zip(self.nets, x, strict=True)])

    def modules(self) -> list[nn.Module]:
        return self.nets

    def net(self, index: int) -> nn.Module:
        """A copy of one seed's network, with its weights as they are now."""
        return deepcopy(self.nets[index])

    def weights(self) -> list[list[Tensor]]:
        """Groups of weights; here each seed is a group of its own, without an axis for seeds."""
        return [list(net.parameters()) for net in self.nets]


class Training:
    """Networks of several seeds in training.

    `make_model` is called once for each seed, after `torch.manual_seed(seed)`, or it is a list of
    networks, one for each seed, which are copied; the seed also gives the order of the images.
    `data` and networks go to `device`, by default the best there is. `together` says whether
    seeds share one vectorised pass; by default they do where the network has no convolution.
    """

    def __init__(
        self,
        make_model: Callable[[], nn.Module] | Sequence[nn.Module],
        data: Data,
        recipe: Recipe | None = None,
        seeds: int | Sequence[int] = 5,
        device: torch.device | None = None,
        together: bool | None = None,
    ) -> None:
        self.device = device or choose_device()
        self.data, self.recipe = data.to(self.device), recipe or Recipe()
        self.seeds = list(range(seeds)) if isinstance(seeds, int) else list(seeds)
        if callable(make_model):
            nets = [seeded(make_model, seed).to(self.device) for seed in self.seeds]
        else:
            nets = [deepcopy(net).to(self.device) for net in make_model]
            self.seeds = self.seeds[: len(nets)]
        if together is None:
            together = not any(isinstance(m, nn.Conv2d) for m in nets[0].modules())
        self.nets: Stacked | SideBySide = Stacked(nets) if together else SideBySide(nets)
        self.optimiser = _optimiser(self.nets, self.recipe)
        self.steps_per_epoch = max(1, len(data.train_labels) // self.recipe.batch)
        self.step = 0
        self._draws = [torch.Generator().manual_seed(seed) for seed in self.seeds]
        self._batches = self._endless_batches()

    def run(self) -> Record:
        """Train for all epochs of the recipe and measure before, and after each."""
        rows = [self.measure()]
        for _ in range(self.recipe.epochs):
            self.advance(self.steps_per_epoch)
            rows.append(self.measure())
        return Record(*(torch.stack(column, dim=1) for column in zip(*rows, strict=True)))

    def advance(self, steps: int) -> None:
        """Take some training steps."""
        total = self.recipe.epochs * self.steps_per_epoch
        for _ in range(steps):
            images, labels = next(self._batches)  # (S, B, C, H, W), (S, B)
            loss = losses(self.nets(images), labels)  # (S,)
            self.optimiser.zero_grad()
            loss.sum().backward()
            self._adjust_gradients()
            for group in self.optimiser.param_groups:
                group["lr"] = self.recipe.lr * SCHEDULES[self.recipe.schedule](self.step / total)
            self.optimiser.step()
            self.step += 1

    def trained(self) -> list[nn.Module]:
        """Copies of the networks, one for each seed, as they are now."""
        return [self.nets.net(index) for index in range(len(self.seeds))]

    @torch.no_grad()
    def measure(self) -> tuple[Tensor, Tensor, Tensor]:
        """Training loss, training error and test error of each seed, (S,) each, on the CPU."""
        with evaluation_mode(self.nets, self._for_all(self.data.train_images[:CHUNK])):
            train = self._evaluate(self.data.train_images, self.data.train_labels)
            test = self._evaluate(self.data.test_images, self.data.test_labels)
        return (*train, test[1])

    def _evaluate(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        loss = wrong = torch.zeros(len(self.seeds), device=self.device)
        for x, y in zip(images.split(CHUNK), labels.split(CHUNK), strict=True):
            logits, wanted = self.nets(self._for_all(x)), self._for_all(y)
            loss = loss + losses(logits, wanted) * len(y)
            wrong = wrong + (logits.argmax(dim=-1) != wanted).sum(dim=1)
        return (loss / len(labels)).cpu(), (100 * wrong / len(labels)).cpu()

    def _for_all(self, x: Tensor) -> Tensor:
        """(N, ...) -> (S, N, ...), without a copy"""
        return x.expand(len(self.seeds), *x.shape)

    def _endless_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        images, labels, batch = self.data.train_images, self.data.train_labels, self.recipe.batch
        while True:
            orders = [torch.randperm(len(labels), generator=draw) for draw in self._draws]
            order = torch.stack(orders).to(self.device)  # (S, N)
            for start in range(0, self.steps_per_epoch * batch, batch):
                chosen = order[:, start : start + batch]  # (S, B)
                x = images[chosen]  # (S, B, C, H, W)
                if self.recipe.augment:
                    x = torch.stack([augment(*p) for p in zip(x, self._draws, strict=True)])
                yield x, labels[chosen]

    def _adjust_gradients(self) -> None:
        shared = isinstance(self.nets, Stacked)
        for weights in self.nets.weights():
            pairs = [(w.detach(), w.grad) for w in weights if w.grad is not None]
            if not shared:  # an axis for the one seed
                pairs = [(w[None], g[None]) for w, g in pairs]
            if self.recipe.layer_scaled:
                scale_to_weights(pairs)
            if self.recipe.clip is not None:
                clip_gradients([g for _, g in pairs], self.recipe.clip)


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
        if norms:
            with torch.no_grad():
                self.nets(self.images)
        for norm, momentum in zip(norms, before, strict=True):
            norm.momentum = momentum
        for net in self.nets.modules():
            net.eval()

    def __exit__(self, *_: object) -> None:
        for net in self.nets.modules():
            net.train()


def train(
    make_model: Callable[[], nn.Module],
    data: Data,
    recipe: Recipe | None = None,
    seeds: int | Sequence[int] = 5,
    device: torch.device | None = None,
) -> Record:
    """Train a network with several seeds; see `Training`."""
    return Training(make_model, data, recipe, seeds, device).run()


def losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean cross-entropy of each seed: (S, B, classes) and (S, B) -> (S,)"""
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape).mean(dim=1)


def clip_gradients(gradients: Sequence[Tensor], largest: float) -> None:
    """Shorten, in place, the whole gradient of each seed to `largest`; each is (S, ...)."""
    norms = [g.flatten(1).norm(dim=1) for g in gradients]
    whole = torch.stack(norms).norm(dim=0)  # (S,)
    factor = (largest / whole.clamp(min=1e-12)).clamp(max=1)
    for gradient in gradients:
        gradient.mul_(_like(factor, gradient))


def scale_to_weights(pairs: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Give, in place, the gradient of every matrix or kernel the norm of that weight.

    Pairs of weight and gradient, (S, ...) each; biases, scales and shifts are left alone.
    """
    for weight, gradient in pairs:
        if weight.ndim > 2:
            size = gradient.flatten(1).norm(dim=1).clamp(min=1e-12)
            gradient.mul_(_like(weight.flatten(1).norm(dim=1) / size, gradient))


def augment(images: Tensor, draw: torch.Generator) -> Tensor:
    """Shift each image by up to 4 pixels, with zeros around it, and mirror half of them.

    images (B, C, H, W) -> (B, C, H, W). Source: He et al. 2015, section 4.2.
    """
    B, _, H, W = images.shape
    device, at = images.device, torch.arange(B, device=images.device)[:, None, None]
    rows, columns = (torch.randint(9, (B, 1), generator=draw).to(device) for _ in range(2))
    rows = (rows + torch.arange(H, device=device))[:, :, None]  # (B, H, 1)
    columns = (columns + torch.arange(W, device=device))[:, None, :]  # (B, 1, W)
    mirrored = torch.rand(B, 1, 1, generator=draw).to(device) < 0.5
    columns = torch.where(mirrored, columns.flip(2), columns)
    padded = F.pad(images, (4, 4, 4, 4)).permute(0, 2, 3, 1)  # (B, H + 8, W + 8, C)
    return padded[at, rows, columns].permute(0, 3, 1, 2)


def seeded(make_model: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make_model()


def _optimiser(nets: Stacked | SideBySide, recipe: Recipe) -> torch.optim.Optimizer:
    weights = [weight for group in nets.weights() for weight in group]
    if recipe.optimiser == "adam":
        return torch.optim.Adam(weights, recipe.lr, weight_decay=recipe.weight_decay)
    return torch.optim.SGD(
        weights, recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def _like(factor: Tensor, gradient: Tensor) -> Tensor:
    """(S,) -> (S, 1, ...), as many axes as the gradient"""
    return factor.view(-1, *[1] * (gradient.ndim - 1))
