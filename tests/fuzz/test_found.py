"""What fuzzing found: each of these got through an earlier version."""

import contextlib
import json
import time
import tracemalloc
from typing import Any

import pytest
from frames import converse

from nbproctor.config import Limits
from nbproctor.course.records import Verdict
from nbproctor.errors import BadReplyError
from nbproctor.kernels.outputs import CUT, Outputs
from nbproctor.remote.student import StudentEnd
from nbproctor.remote.wire import Decoder
from nbproctor.store.feedback import safe_markdown
from nbproctor.text import plain_text

LIMITS = Limits(call_timeout_s=20, test_timeout_s=60, max_reply_bytes=1 << 20)


def saying(**replies: list[Any]) -> type[StudentEnd]:
    """A student end that is honest but for requests of some kinds, whose replies are given."""

    class Scripted(StudentEnd):
        def _answer(self, header: dict[str, Any], payload: bytearray) -> Any:
            reply, parts = super()._answer(header, payload)
            if lies := replies.get(header["do"]):
                return lies.pop(0), parts
            return reply, parts

    return Scripted


def tensor(*shape: int, **claims: Any) -> dict[str, Any]:
    plain = {"$": "tensor", "dtype": "float32", "shape": list(shape), "device": "cpu", "at": 0}
    return {**plain, "grad": False, **claims}


def parameters(*specs: dict[str, Any]) -> dict[str, Any]:
    return {"ok": [[f"p{n}", n, spec] for n, spec in enumerate(specs)]}


LOOK = "list(block.parameters())"
GHOST = tensor(3, device="meta")


@pytest.mark.parametrize(
    ("test", "replies", "said"),
    [
        ("double(torch.ones(1))", {"call": [{"ok": {"graph": 1}}]}, "malformed"),
        (LOOK, {"parameters": [parameters({})]}, "malformed"),
        (
            LOOK,
            {
                "parameters": [parameters(tensor(0, dtype="bool", grad=True))],
                "pull": [{"ok": [tensor(0, dtype="bool")]}],
            },
            "no score",
        ),
        (
            f"kept = {LOOK}; {LOOK}",
            {
                "parameters": [parameters(GHOST), parameters(tensor(3))],
                "pull": [{"ok": [GHOST]}, {"ok": [GHOST]}],
            },
            "parameter",
        ),
        (LOOK, {"parameters": [parameters(tensor(3))], "pull": [{"ok": [GHOST]}]}, "parameter"),
        (LOOK, {"parameters": [parameters(tensor(3))], "pull": [{"ok": [None]}]}, "parameter"),
        (LOOK, {"parameters": [parameters(*[tensor(1 << 18)] * 3)]}, "too large"),
        ("len(block)", {"special": [{"ok": 1 << 64}]}, "length"),
    ],
)
def test_claims_of_the_wrong_kind_are_bad_replies(test: str, replies: Any, said: str) -> None:
    outcome = converse(saying(**replies), test, LIMITS)
    assert outcome.verdict is Verdict.FAILED
    assert said in outcome.message


def test_parameters_that_grow_later_are_too_large_too() -> None:
    """The mirror of a parameter takes a new shape; many of them are no larger than one reply."""
    small, large = parameters(*[tensor(0)] * 9), parameters(*[tensor(1 << 18)] * 9)
    pulled = {"ok": [tensor(0)] * 9}
    liar = saying(parameters=[small, large], pull=[pulled])
    outcome = converse(liar, f"kept = {LOOK}; {LOOK}", LIMITS)
    assert "too large" in outcome.message


def test_an_end_that_hangs_up_inside_an_answer_has_died() -> None:
    class Mortal(StudentEnd):
        def run(self) -> None:
            with contextlib.suppress(SystemError):
                super().run()

        def _answer(self, header: dict[str, Any], payload: bytearray) -> Any:
            if header["do"] == "pull":
                raise SystemError
            return super()._answer(header, payload)

    outcome = converse(Mortal, "block.line.weight", LIMITS)
    assert outcome.verdict is Verdict.KERNEL_DIED


def test_an_error_whose_words_are_no_text() -> None:
    deep: Any = []
    for _ in range(800):
        deep = [deep]
    error = {"types": ["UnicodeDecodeError"] * 100_000, "message": deep, "where": deep}
    began = time.monotonic()
    outcome = converse(saying(call=[{"error": error}]), "double(1)", LIMITS)
    assert outcome.message.startswith("Your code raised UnicodeDecodeError")
    assert time.monotonic() - began < 20


UNWRITABLE = ["double(torch.ones(1)).sum()", "assert not double(1), double(1) ** 2"]


@pytest.mark.parametrize("test", UNWRITABLE)
def test_values_that_cannot_be_written_end_a_test(test: str) -> None:
    replies = [{"ok": {"value": tensor(device="meta") if "torch" in test else 10**4000}}] * 2
    outcome = converse(saying(call=replies), test, LIMITS)
    assert outcome.verdict is Verdict.FAILED


def decoded(data: Any) -> tuple[Any, float, int]:
    """What plain data become, in how many seconds, and with how many bytes held at most."""
    text = json.dumps(data)
    tracemalloc.start()
    began = time.monotonic()
    try:
        value = Decoder(bytearray(), lambda data: None)(json.loads(text))
        return value, time.monotonic() - began, tracemalloc.get_traced_memory()[1] // len(text)
    finally:
        tracemalloc.stop()


def test_named_tuples_by_the_thousand_cost_little() -> None:
    named = [{"$": "tuple", "v": [0], "names": [f"a{n}"]} for n in range(10_000)]
    value, seconds, held_per_byte = decoded(named)
    assert value[7].a7 == 0
    assert seconds < 10 and held_per_byte < 100


@pytest.mark.parametrize(
    "items",
    [
        [k * (2**61 - 1) for k in range(40_000)],
        [{"$": "complex", "v": [-1000003.0 * k, k]} for k in range(20_000)],
    ],
    ids=["int", "complex"],
)
def test_keys_of_the_same_hash_are_refused(items: list[Any]) -> None:
    for data in ({"$": "set", "v": items}, {"$": "dict", "v": [[item, 0] for item in items]}):
        began = time.monotonic()
        with pytest.raises(BadReplyError):
            decoded(data)
        assert time.monotonic() - began < 10


def test_large_honest_sets_and_dicts_cross() -> None:
    numbers = list(range(20_000))
    assert decoded({"$": "set", "v": numbers})[0] == set(numbers)
    assert decoded({"$": "dict", "v": [[-n, n] for n in numbers]})[0][-7] == 7


@pytest.mark.parametrize("names", [["__array_interface__"], ["_fields"], ["a b"], [3], ["a", "b"]])
def test_a_tuple_takes_only_plain_names(names: list[Any]) -> None:
    value = Decoder(bytearray(), lambda data: None)({"$": "tuple", "v": [1], "names": names})
    assert value == (1,) and type(value) is tuple


def test_gradients_flow_out_of_a_named_tuple() -> None:
    test = (
        "x = torch.tensor([2.0, 1.0], requires_grad=True)\n"
        "order(x).values[1].backward()\n"
        "assert x.grad.tolist() == [1, 0]"
    )
    assert converse(StudentEnd, test, LIMITS).verdict is Verdict.PASSED


def test_output_is_measured_in_bytes_and_lines() -> None:
    outputs = Outputs(1000)
    outputs.add("stream", {"name": "stdout", "text": "𝄞" * 1000})
    assert len(outputs.cells[0]["text"].encode()) <= 1000
    assert outputs.cells[1]["text"] == CUT
    lines = Outputs(1000)
    lines.add("error", {"ename": "E", "evalue": "", "traceback": [""] * 2000})
    assert [cell["output_type"] for cell in lines.cells] == ["stream"]


def test_of_metadata_only_the_texts_of_images_are_kept() -> None:
    outputs = Outputs(1000)
    given = {"image/png": {"alt": "a\x9bcurve", "width": 9}, "text/plain": {"alt": "no"}, "x": 1}
    data = {"image/png": "aGk=", "text/plain": "figure"}
    outputs.add("display_data", {"data": data, "metadata": given})
    outputs.add("display_data", {"data": data, "metadata": {"image/png": {"alt": ["a"]}}})
    outputs.add("display_data", {"data": data, "metadata": [given]})
    assert [cell["metadata"] for cell in outputs.cells] == [
        {"image/png": {"alt": "a\ufffdcurve"}},
        {},
        {},
    ]
    outputs.add("display_data", {"data": data, "metadata": {"image/png": {"alt": "long" * 200}}})
    assert outputs.cells[-1].get("text") == CUT, "a text counts as any other"


def test_output_of_the_wrong_kind_is_no_text() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]
    outputs = Outputs(1000)
    for value in (deep, 10**5000):
        outputs.add("stream", {"text": value})
        outputs.add("error", {"ename": value, "evalue": value, "traceback": [value]})
    assert "deep" not in json.dumps(outputs.cells)


def test_plain_text_has_one_kind_of_newline_and_no_terminal_controls() -> None:
    assert plain_text("a\rb\r\nc\x9b31m\x85") == "a\nb\nc\N{REPLACEMENT CHARACTER}31m" + "\ufffd"


def test_markdown_of_many_tags_is_shown_as_text() -> None:
    began = time.monotonic()
    shown = safe_markdown("<b><div>" * 20_000)
    assert time.monotonic() - began < 30
    assert "&lt;b&gt;" in shown and "<b>" not in shown
    assert "<strong>" in safe_markdown("a **bold** line\n\n" * 1000)
