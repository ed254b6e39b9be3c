"""Memory keeps what it holds when its pages are gathered."""

import mmap
import re
import sys
from pathlib import Path

import pytest

from nbproctor.sandbox.huge_pages import SIZE, collapse, private_ranges

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="MADV_COLLAPSE is Linux's")


def test_gathered_memory_holds_what_it_held() -> None:
    block = mmap.mmap(-1, 8 * SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    for n in range(0, len(block), mmap.PAGESIZE):
        block[n] = n // mmap.PAGESIZE % 251
    before = bytes(block)
    places = list(private_ranges())
    gathered = [collapse(place) for place in places]
    assert all(place % SIZE == 0 for place in places)
    assert len(places) >= 7  # of the block itself
    assert bytes(block) == before
    rollup = Path("/proc/self/smaps_rollup").read_text()
    [huge_kib] = re.findall(r"AnonHugePages: +(\d+)", rollup)
    assert any(gathered) <= (int(huge_kib) >= SIZE >> 10)  # Linux before 6.1 gathers nothing


def test_what_is_no_memory_is_refused() -> None:
    assert collapse(1 << 46) is False
