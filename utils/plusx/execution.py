"""How a training computes: precision, memory layout, compiler. What it computes says `Recipe`."""

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from plusx.errors import ArgumentError

PRECISIONS = ("float32", "bf16")


@dataclass(frozen=True)
class Execution:
    """Settings that change speed and rounding, nothing else. An unknown one raises `ArgumentError`.

    precision: "float32", or "bf16": autocast to bfloat16, weights and their updates in float32
    channels_last: images in memory pixel by pixel, with the channels of a pixel side by side
    compiler: a backend of torch.compile, such as "inductor"; "" for none. On CUDA its kernels are
        replayed as CUDA graphs, so that Python's pace does not matter
    deterministic: only algorithms that give the same bits again; an operation without one raises
    """

    precision: str = "float32"
    channels_last: bool = False
    compiler: str = ""
    deterministic: bool = False

    def __post_init__(self) -> None:
        choices: dict[str, tuple[str, ...]] = {"precision": PRECISIONS}
        if self.compiler:  # seconds to look up
            choices["compiler"] = tuple(torch.compiler.list_backends(exclude_tags=()))
        for name, known in choices.items():
            if getattr(self, name) not in known:
                got = repr(getattr(self, name))
                raise ArgumentError(f"unknown {name}", expected=known, got=got, where="Execution")

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Inside it, what gains from bfloat16 is computed in it."""
        if self.precision == "float32":
            return nullcontext()
        return torch.autocast(device.type, torch.bfloat16)

    def laid_out(self, x: Tensor) -> Tensor:
        """x (B, C, H, W), or of another rank, in the wanted layout."""
        if self.channels_last and x.ndim == 4:
            return x.contiguous(memory_format=torch.channels_last)
        return x

    def prepared(self, net: nn.Module) -> nn.Module:
        """The same network with its kernels in the wanted layout."""
        return net.to(memory_format=torch.channels_last) if self.channels_last else net

    def compiled(self, net: nn.Module) -> Callable[[Tensor], Tensor]:
        """What computes as `net` does, with its weights."""
        if not self.compiler:
            return net
        on_cuda = any(weight.is_cuda for weight in net.parameters())
        mode = "reduce-overhead" if on_cuda and self.compiler == "inductor" else None
        return torch.compile(net, backend=self.compiler, mode=mode)

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Inside it, torch keeps to deterministic algorithms, if they are wanted."""
        if not self.deterministic:
            yield
            return
        # cuBLAS is deterministic only with this, and torch looks for it
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        before = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
        warned = torch.is_deterministic_algorithms_warn_only_enabled()
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(before[0], warn_only=warned)
            torch.backends.cudnn.benchmark = before[1]


def fastest(device: torch.device) -> Execution:
    """The settings that make training quickest on a device, as far as it was measured.

    CPU: docs/benchmarks_train.md; bfloat16 pays where the processor has instructions for it, and a
    compiler's minutes come back only in long runs. CUDA: what torch recommends for its tensor
    cores, to be measured by the same program. Anything else: as always.
    """
    if device.type == "cuda":
        return Execution("bf16", channels_last=True, compiler="inductor")
    if device.type == "cpu":
        able: dict[str, bool] = getattr(
            torch.cpu, "get_capabilities", dict
        )()  # torch 2.9 and later
        has_bf16 = able.get("avx512_bf16", False) or able.get("amx_bf16", False)
        return Execution("bf16" if has_bf16 else "float32", channels_last=True)
    return Execution()
