"""Friendly assertions: what was checked, what was expected, what came, and a hint.

Each function returns None or raises `ExpectationError`. Its `str()` shows expected
values; its `feedback` does not, and serves for hidden tests. torch is imported on the
first comparison, not with this module. In a notebook, importing it has errors of checking
cells shown as `plusx.shown_errors` says.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from plusx.advice import advice, advice_on_value
from plusx.errors import ArgumentError, ExpectationError
from plusx.shown_errors import install

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "ExpectationError",
    "expect_close",
    "expect_equal",
    "expect_raises",
    "expect_shape",
    "expect_true",
    "expect_type",
    "expect_works",
]

SHOWN_NUMBERS = 9  # longer tensors are described, not printed
# What wrong answers raise. The grader's own errors (deadlines, dead kernels) pass through.
MISTAKES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)


def expect_close(
    actual: object,
    expected: object,
    what: str,
    hint: str = "",
    rtol: float = 1e-4,
    atol: float = 1e-5,
    wrong: Mapping[str, object] | None = None,
) -> None:
    """`actual` equals `expected` up to |difference| <= atol + rtol * |expected|.

    Two tensors must agree in shape, dtype and device too. A number or a nested list of
    numbers may be met by anything that reads as such numbers. NaN is never equal.
    `wrong` maps a diagnosis to the value that this mistake would give: the first that
    matches takes the place of the hint.
    """
    import torch

    if isinstance(expected, torch.Tensor):
        _expect_like(actual, expected, what, hint)
    found, wanted = _numbers(actual, what, hint), _numbers(expected, what, hint)
    if found.shape != wanted.shape:
        _fail(what, hint, expected=_describe(wanted), got=_describe(found))
    if _close(found, wanted, rtol, atol):
        return
    for diagnosis, value in (wrong or {}).items():
        candidate = _numbers(value, what, hint)
        if candidate.shape == found.shape and _close(found, candidate, rtol, atol):
            hint = diagnosis
            break
    gap = (found - wanted).abs().max().item()
    _fail(
        what,
        hint,
        expected=_describe(wanted),
        got=_describe(found),
        gap=f"{gap:.3g}" if gap == gap else "not a number (NaN)",
        values=(_show(wanted), _show(found)),
    )


def expect_shape(tensor: object, shape: tuple[int, ...], what: str, hint: str = "") -> None:
    """`tensor` is a tensor of exactly this shape."""
    import torch

    expect_type(tensor, torch.Tensor, what, hint)
    assert isinstance(tensor, torch.Tensor)
    if tuple(tensor.shape) != tuple(shape):
        _fail(what, hint, expected=f"shape {tuple(shape)}", got=f"shape {tuple(tensor.shape)}")


def expect_equal(
    actual: object,
    expected: object,
    what: str,
    hint: str = "",
    wrong: Mapping[str, object] | None = None,
) -> None:
    """`actual` is exactly `expected`: plain numbers, strings, and lists or dicts of them.

    `wrong` maps a diagnosis to the value that this mistake would give, as in `expect_close`.
    """
    if _same(actual, expected):
        return
    matching = [diagnosis for diagnosis, value in (wrong or {}).items() if _same(actual, value)]
    nothing = advice_on_value(None, "") if actual is None else ""
    _fail(
        what,
        matching[0] if matching else nothing or hint,
        expected=_kind(expected),
        got=_kind(actual),
        values=(repr(expected), repr(actual)),
    )


def expect_true(condition: bool, what: str, hint: str = "") -> None:
    """`condition` is True. `what` says what holds when all is well."""
    if not isinstance(condition, bool):
        raise ArgumentError(
            "a condition is True or False", expected="bool", got=_kind(condition), where=what
        )
    if not condition:
        _fail(what, hint, expected="this to hold", got="it does not")


def expect_type(value: object, kind: type | tuple[type, ...], what: str, hint: str = "") -> None:
    """`value` is an instance of `kind`."""
    if not isinstance(value, kind):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(k.__name__ for k in kinds)
        _fail(what, advice_on_value(value, expected) or hint, expected=expected, got=_kind(value))


@contextmanager
def expect_works(what: str, hint: str = "") -> Iterator[None]:
    """The block under `with` raises nothing."""
    try:
        yield
    except MISTAKES as error:
        advised = "; ".join(words for words in (hint, advice(error)) if words)
        raise _failure(what, advised, expected="no error", got=_summary(error)) from error


@contextmanager
def expect_raises(kind: type[Exception], what: str, hint: str = "") -> Iterator[None]:
    """The block under `with` raises an error of this kind."""
    try:
        yield
    except kind:
        return
    except MISTAKES as error:
        raise _failure(what, hint, expected=kind.__name__, got=_summary(error)) from error
    _fail(what, hint, expected=kind.__name__, got="no error")


def _expect_like(actual: object, expected: Tensor, what: str, hint: str) -> None:
    import torch

    expect_shape(actual, tuple(expected.shape), what, hint)
    assert isinstance(actual, torch.Tensor)
    for name in ("dtype", "device"):
        wanted, found = getattr(expected, name), getattr(actual, name)
        if wanted != found:
            remedy = f"take the {name} from the input: a constant of yours may fix it"
            _fail(what, remedy, expected=f"{name} {wanted}", got=f"{name} {found}")


def _numbers(value: object, what: str, hint: str) -> Tensor:
    import torch

    try:
        tensor = torch.as_tensor(value, dtype=torch.float64)
        if tensor.is_meta:
            raise ValueError("a tensor on the meta device holds no numbers")
        return tensor.detach().cpu()
    except (RuntimeError, TypeError, ValueError) as error:
        advised = advice_on_value(value, "numbers") or hint
        raise _failure(what, advised, expected="numbers", got=_kind(value)) from error


def _close(found: Tensor, wanted: Tensor, rtol: float, atol: float) -> bool:
    import torch

    return torch.allclose(found, wanted, rtol=rtol, atol=atol)


def _same(actual: object, expected: object) -> bool:
    if isinstance(actual, list | tuple) and isinstance(expected, list | tuple):
        return len(actual) == len(expected) and all(map(_same, actual, expected))
    if isinstance(actual, dict) and isinstance(expected, dict):
        same_keys = actual.keys() == expected.keys()
        return same_keys and all(_same(actual[key], expected[key]) for key in actual)
    return isinstance(actual, bool) == isinstance(expected, bool) and bool(actual == expected)


def _fail(
    what: str,
    hint: str,
    expected: str,
    got: str,
    gap: str = "",
    values: tuple[str, str] | None = None,
) -> None:
    raise _failure(what, hint, expected, got, gap, values)


def _failure(
    what: str,
    hint: str,
    expected: str,
    got: str,
    gap: str = "",
    values: tuple[str, str] | None = None,
) -> ExpectationError:
    """The error; `values` (expected, got) and `gap` stand in the full message only.

    To an answer of zeros the gap would tell what was expected; that there is NaN tells nothing.
    """
    distance = [f"  largest difference: {gap}"] if gap else []
    advice = [f"  hint: {hint}"] if hint else []
    shown = values or (expected, got)
    full = [what, f"  expected: {shown[0]}", f"  got: {shown[1]}", *distance, *advice]
    if expected == got:
        got = f"{got}, but other values"
    safe = distance if "NaN" in gap else []
    feedback = [what, f"  expected: {expected}", f"  got: {got}", *safe, *advice]
    return ExpectationError("\n".join(full), "\n".join(feedback))


def _describe(tensor: Tensor) -> str:
    return f"numbers of shape {tuple(tensor.shape)}" if tensor.ndim else "a number"


def _show(tensor: Tensor) -> str:
    if tensor.numel() > SHOWN_NUMBERS:
        return _describe(tensor)
    return str([f"{n:.6g}" for n in tensor.flatten().tolist()]).replace("'", "")


def _summary(error: Exception) -> str:
    """One line: the built-in kind of the error, and the beginning of what it says."""
    kind = next(k.__name__ for k in type(error).__mro__ if k.__module__ == "builtins")
    lines = [line.strip() for line in str(error).splitlines()]
    return f"{kind}: {'; '.join(lines)[:300]}"


def _kind(value: object) -> str:
    if isinstance(value, list | tuple):
        return f"a {type(value).__name__} of {len(value)}"
    return type(value).__name__


install()
