"""What axe-core finds on a page, in a real browser."""

import contextlib
import shutil
from collections.abc import Iterator
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
LAPTOP, PHONE = {"width": 1366, "height": 900}, {"width": 400, "height": 800}
GRAVE = {"serious", "critical"}


@contextlib.contextmanager
def chromium() -> Iterator[Any]:
    """A browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


def grave_findings(browser: Any, address: str, scheme: str, size: dict[str, int]) -> list[str]:
    """Serious and critical findings of a page, all folds open."""
    from axe_playwright_python.sync_playwright import Axe

    # Our reports allow no script at all: the policy is set aside for axe's own.
    context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    page.set_default_timeout(180_000)
    page.goto(address)
    page.evaluate("() => document.querySelectorAll('details').forEach(d => { d.open = true; })")
    found = Axe().run(page).response["violations"]
    context.close()
    return [
        f"{address} {scheme} {size['width']}: {one['id']}, {one['help']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in GRAVE
        for node in one["nodes"][:3]
    ]
