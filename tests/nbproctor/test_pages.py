"""Pages of feedback made from bytes: those of nbgrader's own command, or none."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any

import classes
import pytest
from nbgrader.api import Gradebook
from traitlets.config import Config

from nbproctor.course.records import Verdict
from nbproctor.course.sealed import digest_of, sealed
from nbproctor.store.filing import Filing
from nbproctor.store.gradebook import Course
from nbproctor.store.gradebook_rows import Shown
from nbproctor.store.marks import MarksWriter, open_gradebook
from nbproctor.store.pages import PageIds, order_for, page_or_nothing, settings_of

IDS = PageIds("tiny", "ann", "tiny")
HALF = {"test_half": (Verdict.PARTIAL, 1.5, ""), "test_double": (Verdict.FAILED, 0.0, "<b>no</b>")}


@dataclass(frozen=True)
class Made:
    """A graded student: settings, what the gradebook shows, the notebook, nbgrader's page."""

    settings: str
    shown: Shown
    graded: bytes
    page: bytes


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = classes.tiny_course(tmp_path_factory.mktemp("pages") / "course")
    classes.grade_as(folder, {"ann": classes.Graded(HALF, essay=1.25)})
    course = Course(folder)
    url = course.coursedir.db_url
    with Gradebook(url) as gradebook:
        gradebook.find_grade("test_half", "tiny", "tiny", "ann").extra_credit = 0.125
        gradebook.find_comment("essay", "tiny", "tiny", "ann").manual_comment = "Why, at all?"
        notebook = gradebook.find_submission_notebook("tiny", "tiny", "ann")
        notebook.late_submission_penalty = 0.5
        gradebook.db.commit()
    course.generate_feedback("tiny")
    engine = open_gradebook(url)
    penalties = Filing(course, "tiny", ["tiny"]).penalties
    shown = MarksWriter(engine, "tiny", penalties).shown(["ann"])["ann"]["tiny"]
    engine.dispose()
    settings = settings_of(course.config)
    assert settings is not None
    graded = (folder / "autograded" / "ann" / "tiny" / "tiny.ipynb").read_bytes()
    page = (folder / "feedback" / "ann" / "tiny" / "tiny.html").read_bytes()
    return Made(settings, shown, graded, page)


def page_of(made: Made, graded: bytes = b"", more: Mapping[str, Any] | None = None) -> bytes:
    """A page, with some settings more."""
    settings = json.loads(made.settings)
    for section, values in (more or {}).items():
        settings[section] = settings.get(section, {}) | values
    order = order_for(json.dumps(settings), IDS, made.shown)
    return page_or_nothing(order, graded or made.graded)


def test_a_page_is_that_of_nbgraders_command(made: Made) -> None:
    page = page_of(made)
    assert page == made.page and page == page_of(made)
    # 0 for double, 1.5 and 0.125 for half, 1.25 by hand, less 0.5; nbgrader rounds to two digits
    for text in (b"2.38 / 7.0", b"1.62 / 3.0", b"1.25 / 2.0", b"Why, at all?"):
        assert text in page, text


class Fetches(HTMLParser):
    """What a browser fetches for a page by itself: all but links that somebody follows."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.found: list[str] = re.findall(r"(?:url\(|@import)\s*['\"]?([^'\")\s]+)", page.decode())
        self.feed(page.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = {"src", "srcset", "poster", "data", "background", *(["href"] if tag != "a" else [])}
        self.found += [value or "" for name, value in attrs if name in names]

    @property
    def elsewhere(self) -> list[str]:
        return [address for address in self.found if re.match(r"(\w+:)?//", address)]


def test_a_page_fetches_nothing_from_elsewhere_unless_it_is_told_to(made: Made) -> None:
    assert Fetches(made.page).elsewhere == [] and b"<script" not in made.page
    address = "https://course.example/MathJax.js?config=TeX-AMS_CHTML&x"
    page = page_of(made, more={"HTMLExporter": {"mathjax_url": address}})
    assert Fetches(page).elsewhere == [address]
    assert b"<script async src=" in page and b"init_mathjax();" in page


@pytest.mark.parametrize(
    "spoilt",
    [
        pytest.param(lambda order: order | {"versions": {}}, id="other versions"),
        pytest.param(lambda order: order | {"settings": "{"}, id="broken settings"),
        pytest.param(lambda order: order | {"ids": {}}, id="of nobody"),
        pytest.param(lambda order: order | {"shown": {}}, id="without marks"),
    ],
)
def test_an_order_that_does_not_fit_gives_no_page(made: Made, spoilt: Any) -> None:
    order = json.loads(order_for(made.settings, IDS, made.shown))
    assert page_or_nothing(json.dumps(spoilt(order)).encode(), made.graded) == b""
    assert page_or_nothing(b"no order", made.graded) == b""


def test_a_notebook_that_is_not_whole_or_contradicts_the_marks_gives_no_page(made: Made) -> None:
    assert page_of(made, made.graded.replace(b"1.5", b"2.5")) == b""
    notebook = json.loads(made.graded)
    for cell in notebook["cells"]:
        told = cell["metadata"].get("nbproctor", {})
        told["score"] = 2.5 if told.get("score") == 1.5 else told.get("score")
    assert page_of(made, sealed(json.dumps(notebook), digest_of()).encode()) == b""


def with_picture(made: Made) -> bytes:
    notebook = json.loads(made.graded)
    (cell, *_) = [c for c in notebook["cells"] if c["cell_type"] == "code"]
    picture = {"output_type": "display_data", "metadata": {}, "data": {"image/png": "aGk="}}
    cell["outputs"] = [picture]
    return sealed(json.dumps(notebook), "x").encode()


def test_what_writes_files_beside_the_page_is_made_elsewhere(made: Made) -> None:
    graded = with_picture(made)
    assert page_of(made, graded) != b""
    step = "nbconvert.preprocessors.ExtractOutputPreprocessor"
    extracting = {"HTMLExporter": {"preprocessors": [step]}}
    assert page_of(made, graded, extracting) == b""
    assert page_of(made, more=extracting) != b"", "there is no picture to be written"
    markdown = {"GenerateFeedback": {"exporter_class": "nbconvert.exporters.MarkdownExporter"}}
    assert page_of(made, more=markdown) == b""


def test_settings_are_those_of_pages_and_change_them(made: Made) -> None:
    course = {"CourseDirectory": {"db_url": "sqlite:///secret"}, "Autograde": {"force": True}}
    pages = {"HTMLExporter": {"theme": "dark"}, "Highlight2HTML": {"default_language": "text"}}
    older = {"Feedback": {"permissions": 600}}  # as nbgrader once called it
    found = json.loads(settings_of(Config(course | pages | older)) or "")
    assert found == pages | {"GenerateFeedback": {"permissions": 600}}
    assert page_of(made, more={"HTMLExporter": {"exclude_input": True}}) not in (b"", made.page)


def as_it_is(notebook: Any, resources: Any) -> tuple[Any, Any]:
    return notebook, resources


@pytest.mark.parametrize(
    "setting",
    [
        {"HTMLExporter": {"embed_images": True}},
        {"TemplateExporter": {"filters": {"shout": str.upper}}},
        {"HTMLExporter": {"preprocessors": [as_it_is]}},
        {"HTMLExporter": {"template_paths": ("a", "b")}},  # JSON has no tuples
        {"TemplateExporter": {"filters": {1: "x"}}},
    ],
)
def test_settings_that_do_not_travel_keep_pages_here(setting: Any) -> None:
    assert settings_of(Config(setting)) is None
