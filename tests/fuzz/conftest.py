"""Modules beside the tests are imported by name, as in tests/nbproctor."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "nbproctor")]
