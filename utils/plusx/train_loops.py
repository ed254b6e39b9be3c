"""Three ways to train one network, step by step, for `plusx.bench_train` to time in turns.

All take the same batches' worth of work: random order, shifts by up to 4 pixels, mirroring, a
step of SGD with momentum and weight decay.
"""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

from plusx.data import Data
from plusx.execution import Execution
from plusx.training import Recipe, Training

Step = Callable[[int], object]  # takes so many training steps
LR, MOMENTUM, DECAY = 0.1, 0.9, 1e-4


def our_steps(
    net: nn.Module, data: Data, batch: int, device: torch.device, execution: Execution
) -> Step:
    """The loop of this project, `plusx.training`."""
    recipe = Recipe(10**6, batch, LR, momentum=MOMENTUM, weight_decay=DECAY, augment=True)
    return Training([net], data, recipe, [0], device, execution=execution).advance


def minimal_steps(
    net: nn.Module, data: Data, batch: int, device: torch.device, execution: Execution
) -> Step:
    """As few lines of torch as do the same, written for this one purpose and nothing else."""
    net = execution.prepared(net.to(device))
    call = execution.compiled(net)
    optimiser = torch.optim.SGD(net.parameters(), LR, MOMENTUM, weight_decay=DECAY)
    images, labels = data.train_images.to(device), data.train_labels.to(device)
    N, _, H, W = images.shape
    windows = F.pad(images, [4] * 4).unfold(2, H, 1).unfold(3, W, 1)  # (N, C, 9, 9, H, W)

    def batches() -> Iterator[tuple[Tensor, Tensor]]:
        while True:
            for chosen in torch.randperm(N, device=device)[: N // batch * batch].split(batch):
                row, column = torch.randint(9, (2, batch), device=device)
                x = windows[chosen, :, row, column]  # (B, C, H, W)
                mirrored = torch.rand(batch, 1, 1, 1, device=device) < 0.5
                yield torch.where(mirrored, x.flip(3), x), labels[chosen]

    source = batches()

    def steps(count: int) -> None:
        for _ in range(count):
            x, y = next(source)
            with execution.autocast(device):
                logits = call(execution.laid_out(x))
            loss = F.cross_entropy(logits.float(), y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()

    return steps


class Pictures(Dataset[tuple[Tensor, int]]):
    """Images as files hold them, for transforms one by one."""

    def __init__(self, data: Data, transform: Callable[[object], Tensor]) -> None:
        from torchvision.transforms.functional import to_pil_image

        pixels = (40 * data.train_images + 128).clamp(0, 255).byte()
        self.pictures = [to_pil_image(image) for image in pixels]
        self.labels, self.transform = data.train_labels.tolist(), transform

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.transform(self.pictures[index]), self.labels[index]


def recipe_steps(
    net: nn.Module, data: Data, batch: int, device: torch.device, workers: int = 0
) -> Step:
    """What torchvision's reference training for classification does in each step.

    Pictures are transformed one by one in a DataLoader; loss, top-1 and top-5 accuracy are read
    after every step. Source: references/classification/train.py and presets.py of torchvision.
    """
    loader = DataLoader(
        Pictures(data, _transforms()), batch, shuffle=True, num_workers=workers, drop_last=True,
        pin_memory=device.type == "cuda", persistent_workers=workers > 0,
    )  # fmt: skip
    net = net.to(device)
    optimiser = torch.optim.SGD(net.parameters(), LR, MOMENTUM, weight_decay=DECAY)
    criterion = nn.CrossEntropyLoss()
    meters: list[float] = []
    source = (pair for _ in repeat(None) for pair in loader)

    def steps(count: int) -> None:
        for _ in range(count):
            images, target = (t.to(device, non_blocking=True) for t in next(source))
            output = net(images)
            loss = criterion(output, target)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            best = output.topk(5, dim=1).indices == target[:, None]  # (B, 5)
            meters[:] = [loss.item(), *(best[:, :k].any(1).float().mean().item() for k in (1, 5))]

    return steps


def _transforms() -> Callable[[object], Tensor]:
    from torchvision import transforms

    return transforms.Compose(
        [
            transforms.RandomCrop(32, padding=4),
            transforms.RandomHorizontalFlip(),
            transforms.PILToTensor(),
            transforms.ConvertImageDtype(torch.float32),
            transforms.Normalize([0.5] * 3, [0.16] * 3),
        ]
    )


def option_loops(compiler: str = "") -> dict[str, Callable[..., Step]]:
    """Our loop with each setting of `Execution` that may make it quicker, by name."""
    options = {
        "plain": Execution(),
        "channels last": Execution(channels_last=True),
        "bf16": Execution("bf16"),
        "bf16, channels last": Execution("bf16", channels_last=True),
    }
    if compiler:
        options["all, compiled"] = Execution("bf16", channels_last=True, compiler=compiler)
    return {name: partial(our_steps, execution=e) for name, e in options.items()}


def all_loops(execution: Execution) -> dict[str, Callable[..., Step]]:
    """The arms of the benchmark by name; each is called with net, data, batch and device."""
    plain = Execution()
    return {
        "minimal": partial(minimal_steps, execution=plain),
        "ours": partial(our_steps, execution=plain),
        "torchvision": recipe_steps,
        "minimal, fast": partial(minimal_steps, execution=execution),
        "ours, fast": partial(our_steps, execution=execution),
    }
