"""Which files of the machine are its GPUs. Only NVIDIA's driver is known here."""

import os
import re
from pathlib import Path

from nbproctor.errors import ConfigError

__all__ = ["DRIVER", "gpu_devices", "gpus_there"]

DEVICES = Path("/dev")
# Without these no GPU can be used; who may use one GPU needs them all.
CONTROL = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools")
# What the driver's library reads besides, where a sandbox does not show it anyway.
DRIVER = ("/proc/driver/nvidia", "/proc/devices", "/sys/bus/pci", "/sys/devices", "/sys/module")


def gpus_there(folder: Path = DEVICES) -> list[int]:
    """The numbers of this machine's GPUs.

    Where CUDA_VISIBLE_DEVICES names GPUs by number, as Slurm and Dask set it for each worker,
    those of them that are there, in that order.
    """
    found = (re.fullmatch(r"nvidia(\d+)", path.name) for path in folder.glob("nvidia*"))
    there = sorted(int(name[1]) for name in found if name)
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if re.fullmatch(r"[\d, ]+", chosen):
        there = [int(number) for number in re.findall(r"\d+", chosen) if int(number) in there]
    return there


def gpu_devices(count: int, folder: Path = DEVICES) -> tuple[str, ...]:
    """The device files of the first `count` GPUs, and those that every GPU needs; () for none.

    Raises:
        ConfigError: there are fewer.
    """
    if not count:
        return ()
    there = gpus_there(folder)
    if len(there) < count:
        raise ConfigError(
            "this machine has too few GPUs for the limit gpus",
            expected=f"{count} that CUDA_VISIBLE_DEVICES does not hide",
            got=", ".join(f"nvidia{number}" for number in there) or "none",
            where=str(folder),
        )
    names = (*CONTROL, *(f"nvidia{number}" for number in there[:count]))
    return tuple(str(folder / name) for name in names if (folder / name).exists())
