"""Larger pages for a process that forks: a fork copies the table of pages, not the pages.

A process that has imported torch has some 75,000 small private pages. Gathered into pages of two
megabytes (MADV_COLLAPSE, Linux 6.1), a fork of it costs a third of the time.
"""

import ctypes
from collections.abc import Iterator

__all__ = ["collapse", "private_ranges"]

SIZE = 2 << 20
MADV_COLLAPSE = 25


def private_ranges() -> Iterator[int]:
    """Where this process's own memory has room for a huge page: addresses."""
    with open("/proc/self/maps") as file:
        mappings = [line.split() for line in file]
    for where, rights, _, _, _, *path in mappings:
        if "w" in rights and (not path or path[0] == "[heap]"):
            start, end = (int(address, 16) for address in where.split("-"))
            yield from range(-(-start // SIZE) * SIZE, end // SIZE * SIZE, SIZE)


def collapse(address: int) -> bool:
    """Gather one range of small pages into a huge one; False where the system does not."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return int(libc.madvise(address, SIZE, MADV_COLLAPSE)) == 0
