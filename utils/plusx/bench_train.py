"""How many images per second training takes in, beside other loops, on this machine.

    make bench-train                         six minutes; writes docs/benchmarks_train.md
    make bench-train ARGS="--minutes 20"     the same with less spread
    make bench-train ARGS=--options          what each setting brings, printed; no page

The arms take turns of about half a second, and a ratio is that of two turns of one round: a
machine that is busy for a while slows all of them. On the CPU one thread works, and what counts is
the time that the system gave it: other programs take little of that. On CUDA the same arms run
there, by the clock.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from plusx.bench_page import Measured, options_table, page
from plusx.costs import count_multiply_adds
from plusx.data import Data
from plusx.device import choose_device
from plusx.execution import Execution, fastest
from plusx.models import CifarResNet
from plusx.surroundings import surroundings
from plusx.train_loops import Step, all_loops, option_loops

TURN_S = 0.5
LEAST_ROUNDS = 3


def resnet18() -> nn.Module:
    """torchvision's ResNet-18 for small images: a 3x3 stem with stride 1, no pooling behind it."""
    from torchvision.models import resnet18

    net = resnet18(num_classes=10)
    net.conv1, net.maxpool = nn.Conv2d(3, 64, 3, padding=1, bias=False), nn.Identity()
    return net


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    **{f"ResNet-{depth}": partial(CifarResNet, depth) for depth in (20, 56, 110)},
    "ResNet-18": resnet18,
}


@dataclass(frozen=True)
class Settings:
    """How much is measured, and how: minutes in all, images per step, where."""

    device: torch.device
    execution: Execution  # of the fast arms
    minutes: float = 6.0
    batch: int = 128


def pictures(count: int = 1280) -> Data:
    """Noise of CIFAR-10's size: what an image shows takes no time."""
    draw = torch.Generator().manual_seed(0)
    images = torch.randn(count, 3, 32, 32, generator=draw)
    labels = torch.randint(10, (count,), generator=draw)
    return Data("noise", images, labels, images[:1], labels[:1], tuple("0123456789"))


def measure(
    make: Callable[[], nn.Module],
    settings: Settings,
    seconds: float,
    loops: Mapping[str, Callable[..., Step]],
) -> Measured:
    """Images per second of every arm with one network, for about so many seconds."""
    data, net = pictures(10 * settings.batch), make()
    arms: dict[str, Step] = {}
    first_s: dict[str, float] = {}
    for name, loop in loops.items():
        torch.manual_seed(0)
        began = time.perf_counter()
        arms[name] = loop(make(), data, settings.batch, settings.device)
        _seconds(arms[name], 1, settings.device)
        first_s[name] = time.perf_counter() - began
    speeds = in_turns(arms, settings.batch, settings.device, seconds)
    with torch.device("meta"):
        multiply_adds = count_multiply_adds(make(), torch.empty(1, 3, 32, 32))
    return Measured(sum(p.numel() for p in net.parameters()), multiply_adds, speeds, first_s)


def in_turns(
    arms: Mapping[str, Step], batch: int, device: torch.device, seconds: float
) -> dict[str, Tensor]:
    """Images per second of each arm, (rounds,); the first arm of a round is another in each."""
    counts = {name: max(1, int(TURN_S / _seconds(arm, 1, device))) for name, arm in arms.items()}
    names, rounds = list(arms), list[dict[str, float]]()
    end = time.perf_counter() + seconds
    while len(rounds) < LEAST_ROUNDS or time.perf_counter() < end:
        shift = len(rounds) % len(names)
        taken = {
            name: _seconds(arms[name], counts[name], device)
            for name in names[shift:] + names[:shift]
        }
        rounds.append({name: batch * counts[name] / s for name, s in taken.items()})
    return {name: torch.tensor([row[name] for row in rounds]) for name in names}


def peak(device: torch.device, dtype: torch.dtype, size: int, rounds: int = 5) -> float:
    """Multiply-adds per second at best: of a large matrix product, or of a convolution as large.

    A processor's library may do either better than the other.
    """
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    channels, pixels = size // 8, max(4, int((64 * size / 9) ** 0.5))
    images = torch.randn(1, channels, pixels, pixels, device=device, dtype=dtype)
    conv = nn.Conv2d(channels, channels, 3, padding=1, bias=False, device=device, dtype=dtype)
    works = {size**3: lambda _: a @ b, 9 * channels**2 * pixels**2: lambda _: conv(images)}
    with torch.no_grad():
        return max(
            count / min(_seconds(work, 1, device) for _ in range(rounds + 1))
            for count, work in works.items()
        )


def _seconds(step: Step, count: int, device: torch.device) -> float:
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    _wait(device)
    start = clock()
    step(count)
    _wait(device)
    return clock() - start


def _wait(device: torch.device) -> None:
    if device.type != "cpu":  # an accelerator works on after the call returns
        torch.accelerator.synchronize()


def measure_all(
    settings: Settings, loops: Mapping[str, Callable[..., Step]]
) -> dict[str, Measured]:
    """Every network in turn, each for its share of the minutes."""
    results = {}
    for name, make in NETWORKS.items():
        print(f"{name}: {settings.minutes / len(NETWORKS):.1f} minutes of turns", flush=True)
        results[name] = measure(make, settings, 60 * settings.minutes / len(NETWORKS), loops)
    return results


def run(settings: Settings) -> str:
    """Measure all networks; the text of the page."""
    size = 8192 if settings.device.type == "cuda" else 2048
    peaks = {
        name: peak(settings.device, dtype, size)
        for name, dtype in (("float32", torch.float32), ("bf16", torch.bfloat16))
    }
    results = measure_all(settings, all_loops(settings.execution))
    about = surroundings(settings.device) | {"batch": settings.batch}
    return page(results, about, settings.execution, peaks)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m plusx.bench_train", description=__doc__)
    parser.add_argument("--minutes", type=float, default=Settings.minutes)
    parser.add_argument("--batch", type=int, default=Settings.batch)
    parser.add_argument("--device", type=torch.device, default=choose_device())
    parser.add_argument("--compiler", default=None, help="for the fast arms: inductor, or ''")
    parser.add_argument("--options", action="store_true", help="print what each setting brings")
    parser.add_argument("--output", type=Path, help="the page, instead of printing it")
    given = parser.parse_args()
    torch.set_num_threads(1)
    execution = fastest(given.device)
    if given.compiler is not None:
        execution = Execution(execution.precision, execution.channels_last, given.compiler)
    settings = Settings(given.device, execution, given.minutes, given.batch)
    if given.options:
        print(options_table(measure_all(settings, option_loops(given.compiler or ""))))
        return
    text = run(settings)
    if given.output is None:
        print(text)
    else:
        given.output.write_text(text, encoding="utf-8")
        print(f"written: {given.output}")


if __name__ == "__main__":
    main()
