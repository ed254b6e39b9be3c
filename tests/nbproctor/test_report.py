"""What people are shown: complete, legible without colour, and with nothing a browser would run."""

import base64
import hashlib
import html
import re
from html.parser import HTMLParser

import pytest

from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.reports.report import (
    SYMBOLS,
    TEMPLATES,
    StudentRow,
    check_lines,
    check_page,
    class_page,
    course_page,
    plain,
    points,
)

ESC = "\x1b"
HOSTILE = (
    f"{ESC}[31;1m<script>alert('red')</script>{ESC}[0m <img src=x onerror=alert(1)> "
    f"{ESC}]8;;https://example.org{ESC}\\a link{ESC}]8;;{ESC}\\ \u202edesrever \x9b2J"
    '{{ 7 * 7 }}\n  expected: a tensor & "quotes" of $x^$\r\n' + "long " * 60 + "x" * 500
)


def result(verdict: Verdict, message: str = "", grade_id: str = "") -> CellResult:
    score = {Verdict.PASSED: 3.0, Verdict.PARTIAL: 1.5, Verdict.MANUAL: None}.get(verdict, 0.0)
    grade_id = grade_id or f"test_{verdict.name.lower()}"
    by_hand = verdict is Verdict.MANUAL
    return CellResult(grade_id, verdict, score, 3.0, message, 0.25, by_hand)


def report_of(*results: CellResult, notes: tuple[str, ...] = ()) -> Report:
    return Report("01_tiny", results, notes, 2.5)


EVERY_VERDICT = report_of(*(result(verdict) for verdict in Verdict))
HOSTILE_REPORT = report_of(result(Verdict.FAILED, HOSTILE, HOSTILE), notes=(HOSTILE,))


def row(name: str, *results: CellResult, **more) -> StudentRow:
    return StudentRow(name, results, sum(r.score or 0.0 for r in results), 1.5, **more)


class Page(HTMLParser):
    """What a browser makes of a page: its tags with attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def attributes(self, wanted: str) -> list[dict[str, str | None]]:
        return [attributes for tag, attributes in self.tags if tag == wanted]


def pages() -> list[str]:
    hostile = row(HOSTILE, *HOSTILE_REPORT.results, about=HOSTILE, differences={"score": HOSTILE})
    return [
        check_page(HOSTILE_REPORT, HOSTILE),
        class_page([hostile], HOSTILE, [HOSTILE]),
        course_page({HOSTILE: [hostile]}, HOSTILE, {HOSTILE: "class/1.html"}, [HOSTILE]),
    ]


@pytest.mark.parametrize("page", pages(), ids=["check", "class", "course"])
def test_nothing_a_student_wrote_becomes_markup(page):
    seen = Page(page)
    known = set(
        "html head meta title style body main h1 h2 p ol ul li span b small div figure "
        "figcaption picture source img table thead tbody tr th td br wbr strong details "
        "summary dl dt dd a".split()
    )
    assert {tag for tag, _ in seen.tags} <= known
    assert not {name for _, attributes in seen.tags for name in attributes if name[:2] == "on"}
    assert "<script>alert('red')</script>" in seen.text
    assert "{{ 7 * 7 }}" in seen.text


@pytest.mark.parametrize("page", pages(), ids=["check", "class", "course"])
def test_no_terminal_sequence_or_change_of_direction_is_left(page):
    text = html.unescape(page)
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)
    assert "[31" not in text and "example.org" not in text


def test_no_template_names_anything_to_be_fetched_from_elsewhere():
    found = {path.name: path.read_text(encoding="utf-8") for path in TEMPLATES.glob("*.html")}
    assert "default-src 'none'" in found["base.html"] and len(found) > 6
    fetched = re.compile(r"""(?:src|srcset|href|url|@import)\s*[=(]?\s*["']?\s*(?:\w+:)?//""")
    assert fetched.search('<script src="https://x.example/">')
    assert fetched.search("url(//x.example/)")
    assert not {name: fetched.findall(text) for name, text in found.items() if fetched.search(text)}


@pytest.mark.parametrize("page", pages(), ids=["check", "class", "course"])
def test_a_page_allows_no_script_and_loads_nothing(page):
    seen = Page(page)
    (policy,) = [m["content"] for m in seen.attributes("meta") if "http-equiv" in m]
    assert "default-src 'none'" in policy and "script-src" not in policy
    style = re.search(r"<style>(.*?)</style>", page, re.S)[1]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy
    addresses = [a.get(k) for _, a in seen.tags for k in ("src", "srcset") if k in a]
    assert all(address.startswith("data:") for address in addresses)
    links = [(tag, a["href"]) for tag, a in seen.tags if "href" in a]
    assert links in ([], [("a", "class/1.html")])
    assert not any("style" in attributes for _, attributes in seen.tags)
    assert "url(" not in style and "@import" not in style


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_shown_by_a_symbol_and_a_word(verdict):
    shown = f"{SYMBOLS[verdict]} {verdict}"
    (line,) = [x for x in check_lines(EVERY_VERDICT).splitlines() if shown in x]
    assert f"test_{verdict.name.lower()}" in line
    spoken = " ".join(Page(check_page(EVERY_VERDICT, "t")).text.split())
    assert shown in spoken
    text = Page(class_page([row("ada", *EVERY_VERDICT.results)], "t")).text
    assert SYMBOLS[verdict] in text and str(verdict) in text


def test_symbols_differ():
    assert len(set(SYMBOLS.values())) == len(Verdict)


def test_totals_count_what_tests_gave_and_name_what_a_person_gives():
    expected = "4.5 of 24 points from tests; 3 more are given by hand"
    assert expected in check_lines(EVERY_VERDICT)
    assert expected in check_page(EVERY_VERDICT, "t")


def test_points_read_as_a_person_writes_them():
    assert [points(v) for v in (0.0, 4.0, 2.5, 1 / 3, 10.0, 100.0)] == [
        *("0", "4", "2.5", "0.33", "10", "100")
    ]


def test_lines_are_wrapped_and_hold_no_control_characters():
    text = check_lines(report_of(result(Verdict.FAILED, HOSTILE), notes=(HOSTILE,)), width=60)
    assert max(len(line) for line in text.splitlines()) <= 60
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", text)
    assert "        expected: a tensor" in text  # the message's own indentation stays


def test_a_report_without_results_is_still_a_report():
    empty = report_of()
    assert "0 of 0 points" in check_lines(empty)
    assert "0 of 0 points" in check_page(empty, "t")
    assert "There are no students" in class_page([], "t")


def test_plain_keeps_ordinary_text():
    text = "naïve ∂y/∂x = I + ∂F/∂x, 日本語 ✓\n\tindented"
    assert plain(text) == text


def test_figures_have_alternative_text_with_the_numbers():
    rows = [
        row("ada", result(Verdict.PASSED, "", "test_one")),
        row("bob", result(Verdict.FAILED, "", "test_one")),
    ]
    alternatives = [img["alt"] for img in Page(class_page(rows, "t")).attributes("img")]
    assert alternatives[0] == "Verdicts by exercise. test_one: 1 passed, 1 failed."
    assert alternatives[1].startswith("Scores. 0 to 1 points: 1; ")
    assert "median 1.5 of 3 points" in alternatives[1]


def test_figures_come_for_light_and_for_dark_pages():
    seen = Page(class_page([row("ada", result(Verdict.PASSED))], "t"))
    (dark, _), (light, _) = seen.attributes("source"), seen.attributes("img")
    assert dark["media"] == "(prefers-color-scheme: dark)"
    assert light["src"] != dark["srcset"]


def test_a_page_is_the_same_every_time():
    rows = [row("ada", *EVERY_VERDICT.results)]
    assert class_page(rows, "t") == class_page(rows, "t")


def test_differences_from_what_was_expected_are_named():
    right = row("ada", result(Verdict.PASSED, "", "test_one"), expected_score=3.0)
    wrong = row(
        "bob", result(Verdict.PASSED, "", "test_one"), expected_score=0.0,
        differences={"test_one": "failed 0", "score": "0"},
    )  # fmt: skip
    assert "All scores and verdicts of these 1 students are as expected" in class_page([right], "t")
    text = " ".join(Page(class_page([right, wrong], "t")).text.split())
    assert "1 of 2 students differ from what was expected: bob." in text
    assert "≠ expected failed 0" in text


def test_a_course_page_shows_every_score_and_links_every_lesson():
    passed, failed = result(Verdict.PASSED), result(Verdict.FAILED)
    classes = {
        "01_one": [row("ada", passed), row("bilal", failed, late_penalty=1.0)],
        "02_two": [row("ada", failed, expected_score=3.0, differences={"score": "3"})],
    }
    seen = Page(course_page(classes, "t", {name: f"t/{name}.html" for name in classes}))
    assert [a["href"] for a in seen.attributes("a")] == ["t/01_one.html", "t/02_two.html"]
    text = " ".join(seen.text.split())
    assert "1 of 3 submissions differ" in text
    assert "ada 3 0≠ differs" in text
    assert "bilal 0late: −1 –" in text
    assert "01_one 2 1.5 of 3" in text  # students, and their median score
    (figure,) = seen.attributes("img")
    assert "01_one: 1 passed, 1 failed; 02_two: 1 failed" in figure["alt"]
