"""How much memory JSON takes, foretold."""

import json
import tracemalloc
from pathlib import Path

import pytest
from fixtures import RIGHT, fill, lesson

from nbproctor.config import Limits
from nbproctor.course.notebook import HandedIn, parse_submission
from nbproctor.json_bounds import TooMuchError, memory_of, read_json

N = 100_000
MIB = 1 << 20


def listed(value: bytes) -> bytes:
    return b"[" + (value + b",") * N + b"0]"


CASES = {
    "lists": listed(b"[]"),
    "lists of one": listed(b"[1e1]"),
    "objects": listed(b"{}"),
    "objects of one": listed(b'{"":0}'),
    "keys": b"[" + b",".join(b'{"%d":0}' % n for n in range(N)) + b"]",
    "pairs": b"[" + b",".join(b'{"a%d":"b%d"}' % (n, n) for n in range(N)) + b"]",
    "strings": listed(b'"ab"'),
    "numbers": listed(b"1e1"),
    "empty strings": listed(b'""'),
    "text": json.dumps("a" * N).encode(),
    "escapes": json.dumps('"\\[{,:' * N).encode(),
    "wide text": json.dumps("a" * N + "\N{GRINNING FACE}", ensure_ascii=False).encode(),
    "wide escape": json.dumps("a" * N + "\N{GRINNING FACE}").encode(),
    "accents": json.dumps("\N{LATIN SMALL LETTER E WITH ACUTE}" * N, ensure_ascii=False).encode(),
    "one sign": json.dumps("a" * N + "\N{EURO SIGN}", ensure_ascii=False).encode(),
    "one escape": json.dumps("a" * N + "\N{EURO SIGN}").encode(),
    "capital escape": b'"' + b"a" * N + b'\\uD83D\\uDE00"',
    "nested": b"[" * 500 + b"]" * 500,
}


@pytest.mark.parametrize("data", CASES.values(), ids=CASES)
def test_reading_takes_no_more_than_foretold(data: bytes) -> None:
    tracemalloc.start()
    read_json(data, 1 << 40)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= memory_of(data)


def test_marks_within_strings_cost_nothing() -> None:
    text = json.dumps(["[{,:\\" * 1000, '"[{,:"' * 1000, "\\"]).encode()
    assert memory_of(text) < 3 * len(text) + 5000


def test_to_foretell_takes_little_itself() -> None:
    data = b"[" + b'"",' * 1_500_000 + b"0]"
    tracemalloc.start()
    foretold = memory_of(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * len(data) < foretold


def test_what_would_take_too_much_is_not_read() -> None:
    with pytest.raises(TooMuchError):
        read_json(listed(b"[]"), MIB)
    with pytest.raises(ValueError, match="utf-8"):
        read_json('["a"]'.encode("utf-16"), MIB)
    assert read_json(b'\xef\xbb\xbf["a"]', MIB) == ["a"]
    assert read_json(b'["\xed\xa0\x80"]', MIB) == ["\ud800"], "text.well_formed sees to it"


def test_a_notebook_of_many_pictures_is_read(tmp_path: Path) -> None:
    """Pictures are the bulk of honest notebooks; an emoji makes all of the text wide."""
    tiny, released = lesson(tmp_path)
    made = fill(released, RIGHT)
    picture = {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo" * 40_000 + "=\n"}}
    made.cells[0]["outputs"] = [picture] * 230
    made.cells[0]["metadata"]["said"] = '\N{GRINNING FACE} "' + "A" * 5000 + '\\"'
    data = json.dumps(made, ensure_ascii=False).encode()
    assert 90 * MIB < len(data) < Limits().max_notebook_bytes
    assert parse_submission(HandedIn(data), tiny, Limits()).answers == RIGHT
