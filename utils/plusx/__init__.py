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
    from plusx.checking import check
    from plusx.costs import (
        Conv,
        block_layers,
        count_multiply_adds,
        forward_milliseconds,
        receptive_field,
        resnet_reach,
    )
    from plusx.data import Data, load_data
    from plusx.device import choose_device
    from plusx.errors import (
        ArgumentError,
        DownloadError,
        ExpectationError,
        PlusxError,
        WeightsError,
    )
    from plusx.expect import (
        expect_close,
        expect_equal,
        expect_raises,
        expect_shape,
        expect_true,
        expect_type,
        expect_works,
    )
    from plusx.models import BasicBlock, CifarResNet, Mlp, PadShortcut, pad_shortcut
    from plusx.own_progress import progress
    from plusx.probes import (
        count_parameters,
        gradient_norms,
        gradient_profile,
        hidden_states,
        saved_mebibytes,
        similarity_kept,
        step_seconds,
        weight_gradients,
    )
    from plusx.reference import load_reference
    from plusx.seeds import seed_all
    from plusx.training import Recipe, Record, Training, train
    from plusx.weights import fill_by_shape, load_by_order

__all__ = [
    "ArgumentError",
    "BasicBlock",
    "Bottleneck",
    "BottleneckResNet",
    "CifarResNet",
    "Conv",
    "Data",
    "DownloadError",
    "ExpectationError",
    "InvertedBottleneck",
    "Mlp",
    "PadShortcut",
    "PlusxError",
    "Recipe",
    "Record",
    "SqueezeExcite",
    "Training",
    "WeightsError",
    "block_layers",
    "check",
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
    "hidden_states",
    "load_by_order",
    "load_data",
    "load_reference",
    "pad_shortcut",
    "progress",
    "receptive_field",
    "resnet_reach",
    "saved_mebibytes",
    "seed_all",
    "similarity_kept",
    "step_seconds",
    "train",
    "weight_gradients",
]

_HOMES = {
    "bottlenecks": ("Bottleneck", "BottleneckResNet", "InvertedBottleneck", "SqueezeExcite"),
    "checking": ("check",),
    "costs": (
        "Conv",
        "block_layers",
        "count_multiply_adds",
        "forward_milliseconds",
        "receptive_field",
        "resnet_reach",
    ),
    "data": ("Data", "load_data"),
    "device": ("choose_device",),
    "errors": (
        "ArgumentError",
        "DownloadError",
        "ExpectationError",
        "PlusxError",
        "WeightsError",
    ),
    "expect": (
        "expect_close",
        "expect_equal",
        "expect_raises",
        "expect_shape",
        "expect_true",
        "expect_type",
        "expect_works",
    ),
    "models": ("Mlp", "BasicBlock", "CifarResNet", "PadShortcut", "pad_shortcut"),
    "probes": (
        "count_parameters",
        "gradient_norms",
        "gradient_profile",
        "hidden_states",
        "saved_mebibytes",
        "similarity_kept",
        "step_seconds",
        "weight_gradients",
    ),
    "own_progress": ("progress",),
    "reference": ("load_reference",),
    "seeds": ("seed_all",),
    "training": ("Recipe", "Record", "Training", "train"),
    "weights": ("fill_by_shape", "load_by_order"),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'plusx' has no attribute {name!r}")
    return getattr(import_module(f"plusx.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
