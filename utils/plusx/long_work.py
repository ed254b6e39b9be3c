"""The bar of long work, in one place: how far it is, and an estimate of what is left.

It comes after a second, in a notebook or on a terminal, and goes when the work is done; work that
was interrupted leaves it as it was. Elsewhere nothing is shown, nor with TQDM_DISABLE in the
environment, which is how lessons are executed for readers.
"""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

__all__ = ["bar", "each"]

AFTER_S = 1.0
Item = TypeVar("Item")
Done = Callable[[int], object]


@contextmanager
def bar(total: int, what: str, unit: str = "step", begun: int = 0) -> Iterator[Done]:
    """A bar while the block under `with` runs: it gives a function to call with what was done.

    `begun` of the `total` were done before. Less than two need no bar.
    """
    if total - begun < 2 or not _is_watched():
        yield lambda count: None
        return
    from tqdm.auto import tqdm  # only long work needs it

    with tqdm(
        total=total, initial=begun, desc=what, unit=f" {unit}", delay=AFTER_S, leave=False
    ) as shown:
        yield shown.update


def each(items: Sequence[Item], what: str, unit: str = "step") -> Iterator[Item]:
    """The items one after another, with a bar: `for seed in each(range(5), "seeds", "seed")`."""
    with bar(len(items), what, unit) as done:
        for item in items:
            yield item
            done(1)


def _is_watched() -> bool:
    # tqdm's own half for notebooks passes over this switch.
    if os.environ.get("TQDM_DISABLE"):
        return False
    return sys.stderr.isatty() or _in_notebook()


def _in_notebook() -> bool:
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
