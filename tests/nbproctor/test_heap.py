"""A process that computes gives back what it has freed, and takes memory in large pages."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from nbproctor.heap import LARGE_PAGES

pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="no GNU C library")

# Blocks below the size that the library maps one by one, with one in use above them all.
PROGRAM = """
import re
from nbproctor.heap import give_back

def mib(kind):
    text = open("/proc/self/smaps_rollup").read()
    return int(re.search(rf"^{kind}: +(\\d+)", text, re.M)[1]) / 1024

before = mib("Rss")
blocks = [bytes(64_000) for _ in range(3_000)]
last = bytes(64_000)
full, huge = mib("Rss"), mib("AnonHugePages")
del blocks
freed = mib("Rss")
give_back()
print(full - before, freed - before, mib("Rss") - before, huge)
"""
THP = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def test_what_is_free_goes_back_to_the_system() -> None:
    environment = {**os.environ, **LARGE_PAGES, "PYTHONMALLOC": "malloc"}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    full, freed, given_back, huge = map(float, done.stdout.split())
    assert full > 150
    assert freed > 150  # the library keeps it, since something above is in use
    assert given_back < 20
    assert huge > 100 or not THP.exists() or "[never]" in THP.read_text()
