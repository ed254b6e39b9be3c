"""Slow experiments on step sizes, shipped as `plusx.reference` ships others.

python -m plusx.continuous_studies continuous_steps    makes its file in data/reference_runs/
"""

import sys
from collections.abc import Hashable
from functools import partial
from itertools import product

from plusx.continuous import StepNet
from plusx.reference import Case, Study, load_reference, make_reference
from plusx.training import Recipe, Record

DEPTHS = (4, 16, 64, 256)  # blocks
POWERS = (0.0, 0.5, 1.0)  # h = blocks^-power


def continuous_steps() -> list[Case]:
    """Residual networks without norm by (blocks, power of the step size, smooth start)."""
    return [
        Case(
            (blocks, power, smooth),
            partial(StepNet, blocks, power, smooth),
            Recipe(clip=1.0),
        )
        for smooth, power, blocks in product((False, True), POWERS, DEPTHS)
    ]


STUDIES: dict[str, Study] = {"continuous_steps": continuous_steps}


def load_study(name: str) -> dict[tuple[Hashable, ...], Record]:
    """The shipped records of a study, by the key of each case: see `plusx.load_reference`."""
    return load_reference(name, STUDIES)


if __name__ == "__main__":
    for study_name in sys.argv[1:] or STUDIES:
        print(make_reference(study_name, STUDIES, "plusx.continuous_studies"))
