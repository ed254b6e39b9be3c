"""Work that is done in more, smaller parts where memory does not suffice."""

import gc
from collections.abc import Callable
from typing import TypeVar

import torch

T = TypeVar("T")


def in_parts(
    work: Callable[[int], T], parts: int, most: int, grew: Callable[[int, str], None]
) -> T:
    """work(parts); when it runs out of memory, work(2 * parts), and so on up to work(most).

    `grew` hears each new number of parts and torch's reason before the work begins anew. With
    `most` parts there is no further way: then the error goes on.
    """
    while True:
        try:
            return work(parts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or parts >= most:
                raise
            reason = str(error).strip().partition("\n")[0]
        # Outside `except`: while the error lives, so do the tensors of the failed attempt.
        free_memory()
        parts = min(2 * parts, most)
        grew(parts, reason)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an accelerator, or the CPU, had no memory left. torch has no class for the CPU's.

    What a compiler's attempts ran out of, it wraps into an error of its own.
    """
    inner = getattr(error, "inner_exception", None)
    if isinstance(inner, BaseException):
        return is_out_of_memory(inner)
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or "can't allocate memory" in str(error) or "not enough memory" in str(error)


def free_memory() -> None:
    """Give back what nothing refers to, also the accelerator's blocks that torch keeps."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    elif torch.backends.mps.is_available():
        torch.mps.empty_cache()
