"""How an error in a checking cell is shown in a notebook: the learner's lines, and advice.

Between the check and the mistake stand frames of torch and of plusx, which say nothing about the
answer: they are left out. Errors of all other cells are shown whole.
"""

import linecache
import sys
from types import FrameType, TracebackType
from typing import Any

from plusx.advice import advice
from plusx.errors import ExpectationError

__all__ = ["install", "is_of_a_check", "own_frames", "prepare"]

MARK = "expect_"  # begins the name of every function that checks


def install() -> None:
    """Show errors of checking cells so, if this runs in a notebook."""
    if "ipykernel" not in sys.modules:
        return
    from IPython import get_ipython

    if hasattr(shell := get_ipython(), "kernel"):
        shell.set_custom_exc((Exception,), _show)


def _show(
    shell: Any, kind: type, error: Exception, trace: TracebackType, tb_offset: int | None = None
) -> None:
    if not is_of_a_check(trace):
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    prepare(error)
    shell.showtraceback((kind, error, error.__traceback__), tb_offset=0)


def is_of_a_check(trace: TracebackType | None) -> bool:
    """Whether the cell that was run calls a function that checks."""
    own = _own(trace)
    return bool(own) and MARK in "".join(linecache.getlines(own[0].tb_frame.f_code.co_filename))


def prepare(error: BaseException) -> None:
    """Leave of an error, and of what caused it, the notebook's frames; add advice if it needs any.

    An `ExpectationError` says itself what to look at.
    """
    error.__traceback__ = own_frames(error.__traceback__)
    words = "" if isinstance(error, ExpectationError) else advice(error)
    if words:
        error.add_note(f"Look at again: {words.rstrip('?')}{'?' if words[-1] == '?' else '.'}")
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and own_frames(before.__traceback__) is not None:
        prepare(before)
    else:
        error.__cause__, error.__suppress_context__ = None, True


def own_frames(trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that runs in cells of the notebook."""
    kept: TracebackType | None = None
    for step in reversed(_own(trace)):
        kept = TracebackType(kept, step.tb_frame, step.tb_lasti, step.tb_lineno)
    return kept


def _own(trace: TracebackType | None) -> list[TracebackType]:
    found = []
    while trace is not None:
        if _is_own(trace.tb_frame):
            found.append(trace)
        trace = trace.tb_next
    return found


def _is_own(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "__main__"
