"""The check of a pre-activation unit, which two test cells need; raises `ExpectationError`."""

from collections.abc import Callable
from typing import Any

from plusx.checks import Mistakes, called, expect_like, made
from plusx.diagnose_preactivation import wrong_unit_counts, wrong_unit_gradients, wrong_units
from plusx.preactivation import PreActBlock


def expect_unit(
    make: Callable[..., Any],
    channels: tuple[int, int],
    size: tuple[int, int, int, int],
    **options: Any,
) -> None:
    """make(*channels, **options) computes what `plusx.preactivation.PreActBlock` does.

    For x of this size, (B, C, H, W): see `plusx.checks.expect_like`.
    """
    name = called("PreActBlock", channels, options)
    block = made(make, name, *channels, **options)
    mistakes = Mistakes(
        wrong_unit_counts(*channels, options.get("stride", 1)),
        wrong_units,
        wrong_unit_gradients,
        "is it shortcut + F(x)?",
    )
    expect_like(block, PreActBlock(*channels, **options), size, name, mistakes)
