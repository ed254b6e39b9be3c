"""`python -m docs.site`: put the sources together, let Sphinx make pages, look at every link."""

import argparse
import io
import json
import re
import shutil
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

from docs.site import SiteError
from docs.site.documents import write_documents
from docs.site.lessons import read_lessons
from docs.site.links import Links, check_links

ROOT = Path(__file__).parents[2]
NEEDED = ("furo", "myst_nb", "sphinx", "sphinx-mathjax-offline")
MOST_TOLD = 30
CELL = re.compile(r"(lessons/(\w+)\.ipynb):(\d+)(\d{4}):")


def main() -> int:
    """Build the site: 1 if it cannot be built, and then the old one stays as it is."""
    parser = argparse.ArgumentParser(description="The lessons and documents as a static site.")
    parser.add_argument("--output", type=Path, default=ROOT / "site", help="where to (site/)")
    parser.add_argument("--addresses", action="store_true", help="list addresses outside the site")
    options = parser.parse_args()
    try:
        links = build(ROOT, options.output)
    except SiteError as error:
        print(f"plusx: the site was not built: {error}", file=sys.stderr)
        return 1
    pages = len(list(options.output.rglob("*.html")))
    print(f"plusx: {pages} pages, {links.checked} links and pictures checked; open "
          f"{options.output / 'index.html'}")  # fmt: skip
    if options.addresses:
        print("\n".join(sorted(links.addresses)))
    return 0


def build(root: Path, output: Path) -> Links:
    """Build the site into `output`, which holds nothing else.

    Raises:
        SiteError: something is missing, a page has a mistake, or a link leads nowhere.
    """
    if output.exists() and not (output / "searchindex.js").is_file():
        raise SiteError(f"{output} is there and is no site: expected a folder to replace")
    with tempfile.TemporaryDirectory(prefix="plusx-site-") as folder:
        sources, made = Path(folder, "sources"), Path(folder, "made")
        _write_sources(root, sources)
        _run_sphinx(sources, made)
        links = check_links(made)
        if links.problems:
            raise SiteError(_listed(links.problems))
        if output.exists():
            shutil.rmtree(output)
        shutil.copytree(made, output)
    return links


def _write_sources(root: Path, sources: Path) -> None:
    lessons = read_lessons(root)
    (sources / "lessons").mkdir(parents=True)
    for name, page in lessons.items():
        (sources / "lessons" / f"{name}.ipynb").write_text(json.dumps(page), encoding="utf-8")
    write_documents(root, sources, lessons)


def _run_sphinx(sources: Path, made: Path) -> None:
    if missing := [name for name in NEEDED if find_spec(name) is None]:
        raise SiteError(
            f"{', '.join(missing)} not installed: see the extra `site` of pyproject.toml"
        )
    from sphinx.application import Sphinx
    from sphinx.errors import SphinxError

    warnings = io.StringIO()
    try:
        app = Sphinx(
            sources, Path(__file__).parent, made, sources.parent / "trees", "html",
            status=None, warning=warnings, freshenv=True,
        )  # fmt: skip
        app.build()
    except SphinxError as error:
        raise SiteError(str(error)) from error
    if told := warnings.getvalue().strip():
        raise SiteError(_listed([_in_words(line, sources) for line in told.splitlines()]))
    (made / ".buildinfo").unlink(missing_ok=True)
    shutil.rmtree(made / "_sources", ignore_errors=True)


def _in_words(line: str, sources: Path) -> str:
    """A line of Sphinx's without the temporary folder and colours; of a lesson, which cell."""
    line = re.sub(r"\x1b\[[\d;]*m", "", line).replace(f"{sources}/", "")
    return CELL.sub(lambda m: f"{m[1]}, cell {m[3]} of the page, line {int(m[4])}:", line)


def _listed(problems: list[str]) -> str:
    more = [f"and {len(problems) - MOST_TOLD} more"] if len(problems) > MOST_TOLD else []
    return "".join(f"\n  - {problem}" for problem in [*problems[:MOST_TOLD], *more])


if __name__ == "__main__":
    sys.exit(main())
