"""One function that makes a run repeatable."""

import random


def seed_all(seed: int) -> None:
    """Seed the generators of Python, NumPy and PyTorch (all devices).

    `seed` is an integer from 0 to 2**32 - 1; anything else raises `ArgumentError`.
    """
    import numpy
    import torch

    from plusx.errors import ArgumentError

    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ArgumentError(
            "no such seed", expected="an int from 0 to 2**32 - 1", got=repr(seed), where="seed_all"
        )
    random.seed(seed)
    numpy.random.seed(seed)
    torch.manual_seed(seed)
