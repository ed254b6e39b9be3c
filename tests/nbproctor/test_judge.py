"""The judge: what becomes of a test's end, which words a learner reads, and what it forgets."""

import math
import os
import signal
import socket
from pathlib import Path
from typing import Any

import numpy
import pytest
import torch
from fixtures import lesson
from harness import judge_sources

from nbproctor.config import Limits
from nbproctor.course.records import Verdict
from nbproctor.errors import GraderError
from nbproctor.kernels.judge_process import JudgeProcess
from nbproctor.remote.judge import MAX_MESSAGE, Judge, Outcome, _alarm, _scored
from nbproctor.sandbox.plan import Level

TORCH = "import torch"
PASSED, FAILED, PARTIAL = Verdict.PASSED, Verdict.FAILED, Verdict.PARTIAL
TIMED_OUT, MISTAKE = Verdict.TIMED_OUT, Verdict.GRADER_ERROR


@pytest.mark.parametrize(
    ("value", "verdict", "score"),
    [
        *((None, PASSED, None), (True, PASSED, None), (numpy.True_, PASSED, None)),
        *((torch.tensor(True), PASSED, None), (3, PASSED, None), (3.0, PASSED, None)),
        *((1.5, PARTIAL, 1.5), (torch.tensor(1.5), PARTIAL, 1.5), (numpy.float32(2), PARTIAL, 2)),
        *((0, FAILED, 0), (0.0, FAILED, 0), (numpy.int64(0), FAILED, 0)),
        *((False, FAILED, None), (numpy.False_, FAILED, None), ("3", FAILED, None)),
        *(([], FAILED, None), (torch.ones(1), FAILED, None), (numpy.ones(3), FAILED, None)),
        *((object(), FAILED, None), (1j, FAILED, None)),
        *((torch.empty((), device="meta"), FAILED, None), (numpy.array("3"), FAILED, None)),
        *((3.01, MISTAKE, None), (-1, MISTAKE, None), (4, MISTAKE, None)),
        *((math.nan, MISTAKE, None), (math.inf, MISTAKE, None), (-math.inf, MISTAKE, None)),
    ],
    ids=lambda value: repr(value).partition(" at 0x")[0],  # the same in every process
)
def test_what_a_test_ends_in_is_its_score(
    value: Any, verdict: Verdict, score: float | None
) -> None:
    outcome = _scored(value, 3.0)
    assert (outcome.verdict, outcome.score) == (verdict, score)
    assert bool(outcome.message) == (verdict is MISTAKE or (verdict is FAILED and score is None))


def test_a_score_is_a_plain_number() -> None:
    assert type(_scored(numpy.float64(1.5), 3.0).score) is float


def asked(test: str, names: list[str], hidden: Any = (), points: float = 1.0) -> dict[str, Any]:
    return {"source": test, "names": names, "hidden": hidden, "points": points, "grade_id": "t"}


def outcomes(source: str, *tests: dict[str, Any], limits: Limits | None = None) -> list[Outcome]:
    more = {} if limits is None else {"limits": limits}
    return judge_sources([source], [TORCH], list(tests), **more)


# Names


def test_a_name_does_not_outlive_its_test() -> None:
    """What an earlier test bound, or the learner's kernel had then, is no answer."""
    first = asked("f = lambda: 1", [])
    second = asked("assert f() == 1", ["f"])
    found = outcomes("", first, second)
    assert [o.verdict for o in found] == [PASSED, FAILED]
    assert found[1].message == "The name 'f' is not defined: did its cell run without an error?"


def test_an_earlier_tests_own_names_stay() -> None:
    tests = asked("helper = lambda: 1", []), asked("assert helper() == f()", ["f"])
    assert [o.verdict for o in outcomes("def f(): return 1", *tests)] == [PASSED, PASSED]


# Words


SECRET = "404142"


@pytest.mark.parametrize(
    ("test", "hidden", "said"),
    [
        # A visible line: its own words, or the line itself.
        ("assert f(1) == 2", (), "This check failed: assert f(1) == 2"),
        ("assert f(1) == 2, 'twice'", (), "twice"),
        ("[][f(1)]", (), "IndexError: list index out of range, at: [][f(1)]"),
        # A hidden line: the test's own words, never the line, nor what a library says of values.
        (f"assert f(1) == {SECRET}", (1,), "A check of this exercise failed."),
        (f"assert f(1) == {SECRET}, 'twice'", (1,), "twice"),
        (f"torch.testing.assert_close(f(1), {SECRET})", (1,), "A check of this exercise failed."),
        (
            f"{{}}[{SECRET} + f(1)]",
            (1,),
            "The answer made a check fail with KeyError",
        ),
        (
            "len(f(1))",
            (1,),
            "The answer made a check fail with TypeError: object of type 'int' has no len()",
        ),
        # A hidden function of a visible line, and the other way round.
        (
            f"def check():\n    assert f(1) == {SECRET}\ncheck()",
            (1, 2),
            "A check of this exercise failed.",
        ),
        (
            f"def check(n):\n    assert f(1) == n\ncheck({SECRET})",
            (3,),
            "A check of this exercise failed.",
        ),
        ("assert f(1) == 10 ** 5000, 10 ** 5000", (1,), "A check of this exercise failed."),
    ],
)
def test_a_learner_reads_no_hidden_value(test: str, hidden: tuple[int, ...], said: str) -> None:
    [outcome] = outcomes("def f(x): return x", asked(test, ["f"], hidden))
    assert (outcome.verdict, outcome.message) == (FAILED, said)


def test_an_expectation_shows_its_numbers_only_where_the_line_is_shown() -> None:
    test = f"from plusx import expect_close\nexpect_close(f(1), {SECRET}, 'f')"
    shown, hidden = outcomes("def f(x): return x", asked(test, ["f"]), asked(test, ["f"], (2,)))
    assert SECRET in shown.message and SECRET not in hidden.message
    assert hidden.message.startswith("f\n  expected: a number")


def test_messages_have_an_end() -> None:
    [outcome] = outcomes("", asked("assert False, 'x' * 100_000", []))
    assert len(outcome.message) == MAX_MESSAGE


# Verdicts


@pytest.mark.parametrize(
    ("source", "verdict"),
    [
        ("def f(): raise MemoryError", Verdict.OUT_OF_MEMORY),
        ("def f(): raise RuntimeError('DefaultCPUAllocator: can\\'t allocate memory')",
         Verdict.OUT_OF_MEMORY),
        ("def f(): raise SystemExit", FAILED),
        ("def f(): raise KeyboardInterrupt('mine')", None),
        ("import os\ndef f(): os._exit(1)", Verdict.KERNEL_DIED),
        ("import time\ndef f(): time.sleep(60)", TIMED_OUT),
    ],
)  # fmt: skip
def test_what_an_answer_does_is_its_verdict(source: str, verdict: Verdict | None) -> None:
    limits = Limits(call_timeout_s=2, test_timeout_s=60)
    [outcome] = outcomes(source, asked("f()", ["f"]), limits=limits)
    if verdict is not None:
        assert outcome.verdict is verdict, outcome
    assert outcome.verdict is not PASSED


@pytest.mark.parametrize(
    "test", ["f(lambda: 1)", "import copy\ncopy.copy", "assert 'MemoryError' == 1, 'MemoryError'"]
)
def test_a_mistake_of_the_tests_own_is_told_from_the_answers(test: str) -> None:
    [outcome] = outcomes("def f(x): return x", asked(test, ["f"]))
    expected = {"f(": MISTAKE, "im": FAILED, "as": FAILED}[test[:2]]
    assert outcome.verdict is expected, outcome


def test_a_test_that_leaves_python_does_not_take_the_judge_along() -> None:
    tests = asked("raise SystemExit", []), asked("raise KeyboardInterrupt", []), asked("None", [])
    assert [o.verdict for o in outcomes("", *tests)] == [FAILED, FAILED, PASSED]


# Time


BUSY = "for _ in range(2000): time.sleep(0.01)"
CATCHING = f"""
for _ in range(2):
    try:
        {BUSY}
    except Exception: pass
{BUSY}
"""


@pytest.mark.parametrize("source", [BUSY, CATCHING], ids=["busy", "catching"])
def test_a_test_that_asks_nobody_has_a_time_limit_too(source: str) -> None:
    """Also one that catches what stops it: then it is stopped again, a second later."""
    judge = Judge(["import time"], Limits(test_timeout_s=0.5), _alarm)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        outcome = judge.test(ours, source, [], (), 1.0, "t")
    assert outcome.verdict is TIMED_OUT and "in time" in outcome.message
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0), "it rings for nobody else"


class Mute:
    """A student kernel that never answers a judge."""

    is_alive = True

    def begin_serving(self, test: int, judge: Any) -> str:
        return ""

    def declines_to_serve(self, message: str) -> bool:
        return True

    def end_serving(self, message: str) -> bool:
        return True


def target_of(pid: int) -> int:
    """The last process of a chain: outside, warden, target."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return target_of(int(children[0])) if children else pid


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="looks for processes in /proc")
def test_a_judge_that_falls_silent_is_the_graders_fault_and_is_replaced(tmp_path: Path) -> None:
    loaded, _ = lesson(tmp_path)
    cell = loaded.by_grade_id["test_double"]
    limits = Limits(call_timeout_s=1, test_timeout_s=1)
    kernel: Any = Mute()
    with JudgeProcess(loaded, limits, Level.OFF) as judge:
        judge._await_ready()
        first = judge.sandbox
        assert first.process is not None
        os.kill(target_of(first.process.pid), signal.SIGSTOP)
        result, _ = judge.test(cell, kernel)
        assert result.verdict is MISTAKE and "did not answer in time" in result.message
        result, _ = judge.test(cell, kernel)
        assert result.verdict is Verdict.KERNEL_DIED and judge.sandbox is not first


def test_a_set_up_that_fails_is_the_lessons_fault(tmp_path: Path) -> None:
    loaded, _ = lesson(tmp_path, "# %%\nimport nowhere_at_all\n\n" + "# %% test test_a 1\n1\n")
    with (
        JudgeProcess(loaded, Limits(), Level.OFF) as judge,
        pytest.raises(GraderError, match="cannot run the lesson's set-up") as caught,
    ):
        judge._await_ready()
    assert "nowhere_at_all" in str(caught.value)
