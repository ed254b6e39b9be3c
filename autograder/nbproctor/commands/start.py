"""Where the command begins: what the grader cannot do without is looked for before it is imported.

Imports nothing but the standard library, so that every system can say what it lacks.
"""

import sys
from collections.abc import Sequence
from importlib.util import find_spec

__all__ = ["main"]

NEEDED = ("fcntl", "resource")  # locks and limits: of Unix, and not of Windows
WORDS = """\
nbproctor: grading needs Linux or macOS.
  expected: a Python with {needed}
  got: {platform}, without {missing}
On Windows it runs in WSL 2, the Linux that comes with Windows. The lessons themselves run here:
`jupyter lab --ServerApp.root_dir=notebooks` opens them, and the checks in them work."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command of `nbproctor.commands.cli`, or say why it cannot run. Returns its status."""
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        named = " and ".join(missing)
        words = WORDS.format(needed=" and ".join(NEEDED), platform=sys.platform, missing=named)
        print(words, file=sys.stderr)
        return 2
    from nbproctor.commands.cli import main as run

    return run(arguments)


if __name__ == "__main__":
    sys.exit(main())
