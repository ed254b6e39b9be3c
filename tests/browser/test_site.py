"""The site as a reader meets it: in a real browser, at laptop and phone width, light and dark."""

import functools
import html
import http.server
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from accessible import CHROMIUM, LAPTOP, PHONE, grave_findings

from nbproctor.building.source import find_sources, read_source

ROOT = Path(__file__).parents[2]
LESSON = "lessons/02_residual_block.html"
HIDDEN = re.compile(r"### BEGIN HIDDEN TESTS\n(.*?)### END HIDDEN TESTS", re.DOTALL)
LOOKED_AT = [
    ("index.html", "light", LAPTOP),
    ("index.html", "dark", PHONE),
    (LESSON, "light", LAPTOP),
    ("lessons/00_start.html", "dark", PHONE),
    ("docs/papers.html", "dark", LAPTOP),
    ("docs/residual_ideas.html", "light", PHONE),
    ("search.html", "light", PHONE),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium (.ci/run installs it)"),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("built") / "site"
    command = [sys.executable, "-m", "docs.site", "--output", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def address(built: Path) -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(built))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def opened(browser: Any, address: str, size: dict[str, int] = LAPTOP, scheme: str = "light") -> Any:
    """A page whose requests are all noted down, in `page.asked`, and its errors in `page.said`."""
    page = browser.new_context(viewport=size, color_scheme=scheme).new_page()
    page.set_default_timeout(120_000)
    page.asked, page.said = [], []
    page.on("request", lambda request: page.asked.append(request.url))
    page.on("console", lambda said: page.said.append(said.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.goto(address)
    return page


def pages_of(built: Path) -> list[str]:
    return sorted(str(path.relative_to(built)) for path in built.rglob("*.html"))


def test_every_page_loads_from_the_site_alone_fits_and_shows_its_formulas(
    built: Path, address: str, browser: Any
) -> None:
    names = pages_of(built)
    assert len(names) > 20
    page = opened(browser, f"{address}/{names[0]}", PHONE)
    for name in names:
        page.set_viewport_size(PHONE)
        page.goto(f"{address}/{name}")
        assert wrong_formulas(page) == [], name
        for size in (PHONE, LAPTOP):
            page.set_viewport_size(size)
            assert page.evaluate("document.documentElement.scrollWidth") <= size["width"], name
        elsewhere = [url for url in page.asked if not url.startswith((address, "data:"))]
        assert elsewhere == [], name
        assert page.said == [], name
    page.context.close()


def wrong_formulas(page: Any) -> list[str]:
    """What MathJax does not understand on a page, or has not drawn."""
    formulas = page.locator("article .math")
    if not formulas.count():
        return []
    page.wait_for_function("window.MathJax?.startup?.promise !== undefined")
    page.evaluate("window.MathJax.startup.promise")
    errors = "found => found.map(e => e.getAttribute('data-mjx-error'))"
    wrong = page.locator("[data-mjx-error]").evaluate_all(errors)
    missing = formulas.count() - formulas.locator("mjx-container").count()
    return [*wrong, *[f"{missing} formulas are not drawn"] * bool(missing)]


@pytest.mark.parametrize(("name", "scheme", "size"), LOOKED_AT)
def test_axe_finds_nothing_grave(
    address: str, browser: Any, name: str, scheme: str, size: dict[str, int]
) -> None:
    assert grave_findings(browser, f"{address}/{name}", scheme, size) == []


def test_a_solution_opens_by_a_click_and_by_the_keyboard(address: str, browser: Any) -> None:
    page = opened(browser, f"{address}/{LESSON}")
    solutions = page.locator("details.solution", has_text="class BasicBlock")
    code = solutions.first.locator("pre")
    assert not code.is_visible()
    solutions.first.locator("summary").click()
    assert code.is_visible() and "F.relu(y + self.shortcut(x))" in code.inner_text()
    solutions.first.locator("summary").press("Enter")
    assert not code.is_visible()
    assert page.locator("details[open]").count() == 0
    page.context.close()


def test_figures_have_their_text_and_formulas_are_drawn(address: str, browser: Any) -> None:
    page = opened(browser, f"{address}/{LESSON}", scheme="dark")
    pictures = page.locator("article .cell_output img")
    texts = pictures.evaluate_all("found => found.map(image => [image.alt, image.naturalWidth])")
    assert len(texts) == 7
    assert all(len(alt) >= 40 and width > 100 for alt, width in texts)
    assert len({alt for alt, _ in texts}) == len(texts)
    page.locator("article .math mjx-container svg").first.wait_for()
    assert page.locator("article .math").count() > 50
    page.context.close()


def test_search_finds_a_lesson_and_leads_there(address: str, browser: Any) -> None:
    page = opened(browser, f"{address}/index.html")
    box = page.locator("input[name=q]").first
    box.fill("torchvision projection")
    box.press("Enter")
    result = page.locator("#search-results li a", has_text="The residual block").first
    result.wait_for()
    result.click()
    page.wait_for_url("**/02_residual_block.html*")
    assert all(url.startswith(address) for url in page.asked) and page.said == []
    page.context.close()


def test_the_front_page_has_the_map_of_all_lessons(address: str, browser: Any) -> None:
    page = opened(browser, f"{address}/index.html", PHONE)
    items = page.locator(".lesson-map > li").all_inner_texts()
    sources = [read_source(path) for path in find_sources(ROOT)]
    assert len(items) == len(sources)
    for item, source in zip(items, sources, strict=True):
        header = source.header
        for words in (header["title"], f"{header['minutes']} minutes", f"{header['points']} point"):
            assert words in item
        assert all(need in item for need in header["needs"])
    page.context.close()


def test_no_hidden_test_is_on_any_page(built: Path) -> None:
    """Lines of hidden tests that a learner may read elsewhere in the course do not count."""
    hidden: set[str] = set()
    known: set[str] = set()
    for source in map(read_source, find_sources(ROOT)):
        for cell in source.cells:
            hidden |= lines_of("\n".join(HIDDEN.findall(cell.text)))
            known |= lines_of(HIDDEN.sub("", cell.text))
    assert len(hidden - known) > 500
    for name in (name for name in pages_of(built) if name.startswith(("lessons/", "docs/papers"))):
        text = (built / name).read_text(encoding="utf-8")
        shown = lines_of(html.unescape(re.sub(r"<[^>]+>", "", text)))
        assert not (hidden - known) & shown, name
        assert "BEGIN HIDDEN" not in text and "BEGIN SOLUTION" not in text, name
    assert list(built.rglob("*.ipynb")) == [], "sources are not on the site"


def lines_of(text: str) -> set[str]:
    """Lines that say something, without what stands around them."""
    return {line.strip() for line in text.splitlines() if len(line.strip()) > 12}
