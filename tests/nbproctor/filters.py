"""What a filter of system calls answers, found by reading it as Linux does: nothing is called."""

from collections.abc import Mapping, Sequence

from nbproctor.sandbox import seccomp

__all__ = ["ALLOWED", "KILLED", "answer"]

ALLOWED, KILLED = "allowed", "killed"
WORD = 0xFFFFFFFF


def answer(program: Sequence[tuple[int, int, int, int]], data: Mapping[int, int]) -> str | int:
    """ALLOWED, KILLED, or the error number of a call.

    Args:
        program: instructions of classic BPF, as `seccomp.program` makes them.
        data: words of Linux's `struct seccomp_data`, by their place; others are zeros.

    Raises:
        ValueError: the filter has an instruction that is not known here.
    """
    at, loaded = 0, 0
    while True:
        code, if_true, if_false, value = program[at]
        at += 1
        if code == seccomp.LOAD:
            loaded = data.get(value, 0) & WORD
        elif code == seccomp.AND:
            loaded &= value
        elif code == seccomp.RETURN:
            break
        else:
            at += if_true if _holds(code, loaded, value) else if_false
    if value == seccomp.ALLOW:
        return ALLOWED
    return KILLED if value == seccomp.KILL else value & 0xFFFF


def _holds(code: int, loaded: int, value: int) -> bool:
    tests = {
        seccomp.JUMP_EQ: loaded == value,
        seccomp.JUMP_GE: loaded >= value,
        seccomp.JUMP_SET: bool(loaded & value),
    }
    if code not in tests:
        raise ValueError(f"an unknown instruction: {code:#x}")
    return tests[code]
