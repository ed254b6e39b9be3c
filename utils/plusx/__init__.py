"""plusx: what the notebooks of the course on y = F(x) + x import.

Names are looked up on first use, so that `import plusx` loads neither torch nor
matplotlib. Figures and widgets are imported from `plusx.plots` and `plusx.widgets`.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plusx.bottlenecks import (
        Bottleneck,
        BottleneckResNet,
        InvertedBottleneck,
        SqueezeExcite,
    )
    from plusx.costs import (
        Conv,
        block_layers,
        count_multiply_adds,
        forward_milliseconds,
        receptive_field,
        resnet_reach,
    )
    from plusx.device import choose_device
    from plusx.errors import ArgumentError, ExpectationError, PlusxError, WeightsError
    from plusx.expect import (
        expect_close,
        expect_equal,
        expect_raises,
        expect_shape,
        expect_true,
        expect_type,
        expect_works,
    )
    from plusx.models import BasicBlock, CifarResNet, PadShortcut, pad_shortcut
    from plusx.probes import (
        count_parameters,
        gradient_norms,
        gradient_profile,
        saved_mebibytes,
        step_seconds,
    )
    from plusx.seeds import seed_all
    from plusx.weights import fill_by_shape, load_by_order

__all__ = [
    "ArgumentError",
    "BasicBlock",
    "Bottleneck",
    "BottleneckResNet",
    "CifarResNet",
    "Conv",
    "ExpectationError",
    "InvertedBottleneck",
    "PadShortcut",
    "PlusxError",
    "SqueezeExcite",
    "WeightsError",
    "block_layers",
    "choose_device",
    "count_multiply_adds",
    "count_parameters",
    "expect_close",
    "expect_equal",
    "expect_raises",
    "expect_shape",
    "expect_true",
    "expect_type",
    "expect_works",
    "fill_by_shape",
    "forward_milliseconds",
    "gradient_norms",
    "gradient_profile",
    "load_by_order",
    "pad_shortcut",
    "receptive_field",
    "resnet_reach",
    "saved_mebibytes",
    "seed_all",
    "step_seconds",
]

_HOMES = {
    "bottlenecks": ("Bottleneck", "BottleneckResNet", "InvertedBottleneck", "SqueezeExcite"),
    "costs": (
        "Conv",
        "block_layers",
        "count_multiply_adds",
        "forward_milliseconds",
        "receptive_field",
        "resnet_reach",
    ),
    "device": ("choose_device",),
    "errors": ("ArgumentError", "ExpectationError", "PlusxError", "WeightsError"),
    "expect": (
        "expect_close",
        "expect_equal",
        "expect_raises",
        "expect_shape",
        "expect_true",
        "expect_type",
        "expect_works",
    ),
    "models": ("BasicBlock", "CifarResNet", "PadShortcut", "pad_shortcut"),
    "probes": (
        "count_parameters",
        "gradient_norms",
        "gradient_profile",
        "saved_mebibytes",
        "step_seconds",
    ),
    "seeds": ("seed_all",),
    "weights": ("fill_by_shape", "load_by_order"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'plusx' has no attribute {name!r}")
    return getattr(import_module(f"plusx.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
