"""The C library's heap in a process that forks for one submission and computes with tensors.

Two settings, both of GNU's C library and nothing elsewhere: new memory comes in pages of two
megabytes, since a forked process has to fault in all that it allocates; and what tests have freed
goes back to the system, since the next process needs it more. docs/benchmarks.md has what both are
worth.
"""

import ctypes

__all__ = ["LARGE_PAGES", "give_back"]

# For the environment of a process that is about to start.
LARGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}


def give_back() -> None:
    """Return free memory to the system, also what lies below memory in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
