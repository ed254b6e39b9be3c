"""The other pages: documents with their links as the site has them, and the front page."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from docs.site import SiteError
from docs.site.lessons import Lesson, whole_formulas

__all__ = ["document", "front_page", "write_documents"]

# What the side bar shows, in this order; a document of docs/ that is not named comes last.
SECTIONS = {
    "To read beside them": ("docs/residual_ideas.md", "docs/papers.md"),
    "To teach": ("docs/instructors.md", "docs/scaling.md", "docs/security.md"),
    "How it is made": (
        "docs/architecture.md",
        "docs/measurements.md",
        "docs/benchmarks.md",
        "docs/training.md",
        "docs/benchmarks_train.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
    ),
}
PICTURES = ("*.png", "*.svg")
FENCE = re.compile(r"^(`{3,}|~{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([\w./-]+\.\w+)(#[\w-]+)?\)")
LESSON = re.compile(r"(?:solutions|notebooks)/(\w+)/\1\.ipynb")


def write_documents(root: Path, sources: Path, lessons: dict[str, Lesson]) -> None:
    """Write the front page, the documents and their pictures below `sources`.

    Raises:
        SiteError: a document that the site names is not there.
    """
    sections = _sections(root)
    names = [name for section in sections.values() for name in section]
    for name in names:
        if not (root / name).is_file():
            raise SiteError(f"{name} is not there: SECTIONS in docs/site/documents.py names it")
        text = whole_formulas((root / name).read_text(encoding="utf-8"))
        _write(sources / name, document(text, PurePosixPath(name), {*names}, root))
    for pattern in PICTURES:
        for picture in (root / "docs").rglob(pattern):
            place = sources / picture.relative_to(root)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, place)
    front = (root / "docs/site/front.md").read_text(encoding="utf-8")
    _write(sources / "index.md", front_page(front, lessons, sections))


def document(text: str, name: PurePosixPath, names: set[str], root: Path) -> str:
    """A document whose links to lessons lead to their pages, and of whose links to files that are
    not on the site only the words are left.

    Args:
        name: where the document is, from `root`.
        names: the documents that the site has.
    """

    def mended(link: re.Match[str]) -> str:
        words, target, anchor = link[1], link[2], link[3] or ""
        place = _resolved(name.parent / target)
        if found := LESSON.fullmatch(place):
            return f"[{words}]({_upwards(name)}lessons/{found[1]}.ipynb{anchor})"
        is_left_out = place not in names and (root / place).exists()
        return words if is_left_out else link[0]

    pieces, end = [], 0
    for fence in FENCE.finditer(text):
        pieces += [LINK.sub(mended, text[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*pieces, LINK.sub(mended, text[end:])])


def front_page(front: str, lessons: dict[str, Lesson], sections: dict[str, list[str]]) -> str:
    """The front page: its words, the map of the lessons, and the lists that make the side bar."""
    headers = {name: page["metadata"]["lesson"] for name, page in lessons.items()}
    totals = {
        "number": len(headers),
        "minutes": sum(header["minutes"] for header in headers.values()),
        "points": sum(header["points"] for header in headers.values()),
    }
    for word, value in {**totals, "lessons": "\n".join(_map(headers))}.items():
        front = front.replace(f"{{{{ {word} }}}}", str(value))
    trees = {"Lessons": [f"lessons/{name}.ipynb" for name in lessons], **sections}
    lists = [f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n" + "\n".join(names) + "\n```\n"
             for title, names in trees.items()]  # fmt: skip
    return "\n".join([front, *lists])


def _map(headers: dict[str, Lesson]) -> Iterator[str]:
    """One item for each lesson: what it is, how long it takes, what it gives, what it needs."""
    yield "{.lesson-map}"
    for name, header in headers.items():
        amount = f"{header['minutes']} minutes · {_counted(header['points'], 'point')}"
        yield f"- [**{name[:2]} · {header['title']}**](lessons/{name}.ipynb)\n"
        yield f"  {amount}\n"
        yield f"  Needs: {'. '.join(header['needs'])}.\n"


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _sections(root: Path) -> dict[str, list[str]]:
    sections = {title: list(names) for title, names in SECTIONS.items()}
    named = {name for names in sections.values() for name in names}
    others = sorted(f"docs/{path.name}" for path in (root / "docs").glob("*.md"))
    sections[list(sections)[-1]] += [name for name in others if name not in named]
    return sections


def _resolved(place: PurePosixPath) -> str:
    """A path from the course's folder, without its `..`."""
    parts: list[str] = []
    for part in place.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _upwards(name: PurePosixPath) -> str:
    return "../" * len(name.parent.parts)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
