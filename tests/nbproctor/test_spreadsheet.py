"""Tables: text stays text, whatever it holds; files are whole or not there."""

import csv
import io

import pytest

from nbproctor.spreadsheet import csv_bytes, look_alikes, neutral

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "＝1", "＋1", "－1", "＠x", " =1", '"=1', "'-1"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_reckon_gets_an_apostrophe(text):
    assert neutral(text) == f"'{text}"
    assert neutral(f"a;{text}") == f"a;'{text}", "where the semicolon separates fields"


@pytest.mark.parametrize(
    "text", ["ann", "2*3-1", "a=b", "x@example.org", "Müller, Ann", "日本", ""]
)
def test_ordinary_text_stays_as_it_is(text):
    assert neutral(text) == text


def test_what_cannot_be_seen_is_written_out():
    assert neutral("ann\u200b") == "ann<U+200B>"
    assert neutral("a\u202eb\x00\ud800\u00a0") == "a<U+202E>b<U+0000>?<U+00A0>"
    assert neutral("\t=1") == "<U+0009>=1", "not the beginning any more"
    assert neutral("a\nb") != neutral("a b")


def test_names_that_look_alike_are_found():
    assert look_alikes(["ann", "bob", "ANN", "ａｎｎ", "a\u200bnn"]) == [
        ("ann", "ANN", "ａｎｎ", "a\u200bnn")
    ]
    assert look_alikes(["é", "e\u0301"]) == [("é", "e\u0301")]
    assert look_alikes(["ann", "bob"]) == []


def test_rows_are_read_back_as_they_were():
    rows = [["a,b", 'say "x"', None, 2.50, 0.0, 1 / 3, -0.0], ["line\nend", "", 1.0, 2, 3, 4, 5]]
    data = csv_bytes(rows)
    assert data.endswith(b"\r\n") and b"\n" not in data.replace(b"\r\n", b"")
    read = list(csv.reader(io.StringIO(data.decode(), newline="")))
    assert read == [
        ["a,b", 'say "x"', "", "2.5", "0", "0.3333", "0"],
        ["line<U+000A>end", "", "1", "2", "3", "4", "5"],
    ]
