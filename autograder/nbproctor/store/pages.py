"""One page of feedback, made anywhere: bytes of a graded notebook in, bytes of a page out.

nbgrader's own converter and exporter make it. Its step that asks the gradebook for every cell is
replaced by one that was given what the gradebook says. An order holds all else that a page depends
on, as JSON: settings of the course, names, marks, versions.
"""

import json
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from nbconvert.utils.base import NbConvertBase
from nbformat import NotebookNode
from nbgrader.converters import GenerateFeedback
from nbgrader.preprocessors import GetGrades, NbGraderPreprocessor
from traitlets.config import Config
from traitlets.utils.importstring import import_item

from nbproctor.scratch import ScratchFolder
from nbproctor.store.gradebook_rows import Shown
from nbproctor.store.staging import Recorded

__all__ = ["GivenGrades", "PageIds", "order_for", "page_or_nothing", "prepared", "settings_of"]

# What a page looks like, besides nbproctor's own part.
LIBRARIES = "nbgrader nbconvert jinja2 beautifulsoup4 pygments mistune bleach".split()


@dataclass(frozen=True)
class PageIds:
    """Whose page it is, and of which notebook."""

    assignment: str
    student: str
    notebook: str


def settings_of(config: Config) -> str | None:
    """The course's settings of its pages, as JSON; None where a page takes more than plain data."""
    names = set(_sections(config))
    chosen = {name: config[name] for name in names & set(config)}
    if any(section.get("embed_images") for section in chosen.values()):
        return None  # from files beside the notebook
    try:
        text = json.dumps(chosen, sort_keys=True)
    except TypeError:
        return None
    return text if json.loads(text) == chosen else None


def order_for(settings: str, ids: PageIds, shown: Shown) -> bytes:
    """All that a page is made of besides the graded notebook."""
    told = {"settings": settings, "ids": asdict(ids), "shown": asdict(shown)}
    return json.dumps({**told, "versions": _versions()}).encode()


def page_or_nothing(order: bytes, graded: bytes) -> bytes:
    """A page; nothing where it cannot be made here as it would be elsewhere."""
    try:
        told = json.loads(order)
        if told["versions"] != _versions():
            return b""
        return _page(told["settings"], PageIds(**told["ids"]), Shown(**told["shown"]), graded)
    except Exception:  # of nbgrader, of the course's own steps
        traceback.print_exc()
        return b""


def prepared(converter: Any) -> "GivenGrades":
    """Give a converter its exporter, with all its steps; returns the one that wants marks."""
    exporter = converter.exporter_class(parent=converter, config=converter.config)
    converter.exporter, given = exporter, GivenGrades(parent=exporter)
    for step in _steps(converter):
        exporter.register_preprocessor(given if step is GetGrades else step)
    return given


def _steps(converter: Any) -> list[Any]:
    return [import_item(s) if isinstance(s, str) else s for s in converter.preprocessors]


class GivenGrades(GetGrades):
    """nbgrader's step that puts marks and comments into a notebook, without its many queries."""

    def give(self, assignment: str, shown: Mapping[tuple[str, str], Shown]) -> None:
        """Have notebooks get these marks, by student and notebook."""
        self.shown = shown
        marks = {key: dict(found.auto_scores) for key, found in shown.items()}
        names = frozenset(name for _, name in shown)
        self.parent.recorded = Recorded(assignment, names, marks)

    def preprocess(
        self, nb: NotebookNode, resources: dict[str, Any]
    ) -> tuple[NotebookNode, dict[str, Any]]:
        ids = resources["nbgrader"]
        self.now = self.shown[ids["student"], ids["notebook"]]
        nb, resources = NbGraderPreprocessor.preprocess(self, nb, resources)
        penalty = self.now.late_penalty or 0
        ids["score"] = sum(self.now.scores.values(), 0.0) - penalty
        ids["max_score"] = sum(self.now.points.values(), 0.0)
        ids["late_penalty"] = penalty
        return nb, resources

    def _get_comment(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        nbgrader = cell.metadata.nbgrader
        nbgrader["comment"] = self.now.comments[nbgrader["grade_id"]]

    def _get_score(self, cell: NotebookNode, resources: dict[str, Any]) -> None:
        nbgrader = cell.metadata.nbgrader
        nbgrader["score"] = self.now.scores[nbgrader["grade_id"]]
        nbgrader["points"] = self.now.points[nbgrader["grade_id"]]


def _page(settings: str, ids: PageIds, shown: Shown, graded: bytes) -> bytes:
    converter, given = _converter(settings)
    given.give(ids.assignment, {(ids.student, ids.notebook): shown})
    resources = {
        "unique_key": ids.notebook,
        "output_files_dir": f"{ids.notebook}_files",
        "nbgrader": {**asdict(ids), "db_url": ""},
    }
    with ScratchFolder() as folder:
        path = Path(folder, f"{ids.notebook}.ipynb")
        path.write_bytes(graded)
        text, made = converter.exporter.from_filename(str(path), resources=resources)
    if made.get("outputs") or made.get("attachments") or made["output_extension"] != ".html":
        return b""  # files beside the page are made where they are written
    return str(text).encode()


@lru_cache(maxsize=4)
def _converter(settings: str) -> tuple[Any, GivenGrades]:
    converter = GenerateFeedback(config=Config(json.loads(settings)))
    return converter, prepared(converter)


def _sections(config: Config) -> Iterator[str]:
    """Names of all classes that have a part in a page."""
    converter = GenerateFeedback(config=config)
    prepared(converter)
    for kind in (type(converter), type(converter.exporter), *_steps(converter)):
        yield from (cls.__name__ for cls in kind.__mro__)
    yield from _filters(NbConvertBase)


def _filters(cls: type[Any]) -> Iterator[str]:
    """nbconvert's own classes below one: what templates call."""
    for below in cls.__subclasses__():
        if below.__module__.startswith("nbconvert."):
            yield below.__name__
        yield from _filters(below)


@cache
def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in LIBRARIES}
