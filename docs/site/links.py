"""What the pages of a site point to: places that are there, and addresses of the web."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["Links", "check_links"]

LOADED = {"audio", "embed", "iframe", "img", "input", "script", "source", "track", "video"}
LOADED_RELATIONS = {"stylesheet", "icon", "preload", "prefetch", "modulepreload", "manifest"}
IN_STYLES = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])([^'\")]+)")


@dataclass
class Links:
    """What was found.

    Attributes:
        problems: links that lead nowhere, and what would be fetched from elsewhere.
        addresses: of the web, which pages link to; nobody tries them.
        checked: how many links and pictures led to a place of the site.
    """

    problems: list[str] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    checked: int = 0


class _Page(HTMLParser):
    """The anchors of a page, and what it points to: (target, is it loaded with the page)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.targets: list[tuple[str, bool]] = []
        self.styles: list[str] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self._in_style = tag == "style"
        self.anchors |= {found[name] for name in ("id", "name") if name in found}
        self.styles.append(found.get("style", ""))
        relations = set(found.get("rel", "").split())
        is_loaded = tag in LOADED or (tag == "link" and bool(relations & LOADED_RELATIONS))
        for name in ("href", "src", "poster", "data", "xlink:href"):
            if name in found:
                self.targets.append((found[name], is_loaded))
        for candidate in filter(None, map(str.strip, found.get("srcset", "").split(","))):
            self.targets.append((candidate.split()[0], True))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.styles.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False


def check_links(site: Path) -> Links:
    """Look at every page and style sheet of a site."""
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    links = Links()
    for path, page in pages.items():
        for target, is_loaded in page.targets:
            _check(site, path, target, is_loaded, pages, links)
        for target in _in_styles("\n".join(page.styles)):
            _check(site, path, target, True, pages, links)
    for path in sorted(site.rglob("*.css")):
        for target in _in_styles(path.read_text(encoding="utf-8")):
            _check(site, path, target, True, pages, links)
    return links


def _in_styles(text: str) -> Iterator[str]:
    yield from (found.strip() for found in IN_STYLES.findall(text))


def _check(
    site: Path, path: Path, target: str, is_loaded: bool, pages: dict[Path, _Page], links: Links
) -> None:
    """Note down where one link or picture leads."""
    where, parts = path.relative_to(site), urlsplit(target)
    if parts.scheme == "data":
        return
    if parts.scheme or parts.netloc:
        if is_loaded:
            links.problems.append(f"{where} loads {target} from elsewhere")
        links.addresses.add(target)
        return
    links.checked += 1
    found = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
    if not found.is_relative_to(site.resolve()) or not found.is_file():
        links.problems.append(f"{where} leads to {target}, which is not there")
        return
    page = pages.get(site / found.relative_to(site.resolve()))
    if parts.fragment and page and unquote(parts.fragment) not in page.anchors:
        links.problems.append(f"{where} leads to {target}, and that page has no such place")
