"""On what something ran: results mean little without it."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch


def surroundings(device: torch.device) -> dict[str, Any]:
    """Date, machine and versions, in plain values."""
    import torchvision

    about: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(),
        "device": device.type,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": str(torch.__version__),
        "torchvision": str(torchvision.__version__),
    }
    if device.type == "cuda":
        about["gpu"] = torch.cuda.get_device_name(device)
    return about


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
