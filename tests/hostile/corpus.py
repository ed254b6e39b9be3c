"""The attacks: one file each, in a folder per family. This module reads them.

A file begins with comments:

    # attack: what is tried, in a sentence
    # expect: double failed, half passed        (verdicts; `failed|timed out` allows both;
                                                 `none` where nothing is collected)
    # never: marks, secret                      (what it is after: words of NEVER)
    # lesson: torch                             (where it is not the tiny one)

Then come parts, each below its title:

    # %% double              replaces the answer to this exercise
    # %% own                 a cell that the learner added below the part before it
    # %% own markdown        the same, in markdown
    # %% file torch.py       a file handed in beside the notebook
    # %% edit                trusted: `edit(notebook)` changes the file, or returns its bytes
    # %% hand_in             trusted: `hand_in(notebook, folder)` fills the submission's folder
    # %% archive             trusted: `archive(notebook, folder)` fills the folder of zip_collect

Words like @COURSE@ are replaced by what an attacker could at best know: see `Arena.known`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures import RIGHT, fill, own_cell

__all__ = ["FAMILIES", "NEVER", "Attack", "read_corpus"]

HERE = Path(__file__).parent
FAMILIES = (
    "forging",
    "protocol",
    "metadata",
    "stealing",
    "shadowing",
    "resources",
    "escape",
    "report",
)
NEVER = {
    "marks": "a mark that the answers do not deserve, or another student's mark changed",
    "secret": "a hidden test, a solution, another's work, the gradebook or a file of the grader's "
    "in what the student gets back",
    "process": "a process that outlives the grading",
    "file": "a file left behind or changed outside the student's own results",
    "reach": "a connection to, a signal at, or a part taken of anything outside",
    "neighbour": "an honest student of the same class without a mark",
    "hang": "a grading that does not end",
    "memory": "more than 800 MiB of the grader's own memory taken",
    "page": "active content in a page, or a terminal's control sequence in a log",
}
KEYS = ("attack", "expect", "never", "lesson")
TORCH_RIGHT = {
    "triple": "class Triple(nn.Module):\n    def forward(self, x):\n        return 3 * x",
    "total": "def total(x):\n    return x.sum()",
}
LESSONS = {"tiny": RIGHT, "torch": TORCH_RIGHT}
TITLE = re.compile(r"^# %% (.+)\n", re.MULTILINE)
TRUSTED = ("edit", "hand_in", "archive")


@dataclass(frozen=True)
class Attack:
    """One hostile submission, and what must come of it.

    `expect` maps exercises to the verdicts that their tests may get.
    """

    family: str
    name: str
    about: str
    expect: Mapping[str, tuple[str, ...]]
    never: tuple[str, ...]
    lesson: str
    parts: tuple[tuple[str, str], ...]

    @property
    def id(self) -> str:
        return f"{self.family}/{self.name}"

    @property
    def digest(self) -> str:
        """What the file says, in short."""
        return hashlib.sha256((HERE / f"{self.id}.py").read_bytes()).hexdigest()[:16]

    @property
    def by_archive(self) -> bool:
        return any(title == "archive" for title, _ in self.parts)

    def hand_in(self, released: Any, folder: Path, known: Mapping[str, str]) -> None:
        """Write the submission into `folder`, which is empty."""
        parts = [(title, _filled(text, known)) for title, text in self.parts]
        notebook: Any = _notebook(released, self.lesson, parts)
        for title, text in parts:
            if title.startswith("file "):
                path = folder / title.removeprefix("file ")
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            elif title in TRUSTED:
                scope: dict[str, Any] = {"known": known}
                exec(compile(text, self.id, "exec"), scope)
                if title == "edit":
                    notebook = scope["edit"](notebook) or notebook
                else:
                    scope[title](notebook, folder)
                    return
        data = notebook if isinstance(notebook, bytes) else json.dumps(notebook).encode()
        (folder / f"{self.lesson}.ipynb").write_bytes(data)


def _notebook(released: Any, lesson: str, parts: list[tuple[str, str]]) -> Any:
    answers = {title: text for title, text in parts if title in LESSONS[lesson]}
    notebook = fill(released, {**LESSONS[lesson], **answers})
    place = 0
    for title, text in parts:
        ids = [c.metadata.get("nbgrader", {}).get("grade_id") for c in notebook.cells]
        if title in answers:
            place = ids.index(title) + 1
        elif title in ("own", "own markdown"):
            notebook.cells.insert(place, own_cell(text, "markdown" if "mark" in title else "code"))
            place += 1
    return notebook


def _filled(text: str, known: Mapping[str, str]) -> str:
    return re.sub(r"@([A-Z_]+)@", lambda match: known[match[1]], text)


def read_corpus() -> list[Attack]:
    """All attacks, by family and name.

    Raises:
        ValueError: a file's head is not as described above.
    """
    paths = [p for family in FAMILIES for p in sorted((HERE / family).glob("*.py"))]
    return [_read(path) for path in paths]


def _read(path: Path) -> Attack:
    head, *rest = TITLE.split(path.read_text(encoding="utf-8"))
    lines = [line.removeprefix("# ") for line in head.splitlines() if line.startswith("# ")]
    told = dict(line.split(": ", 1) for line in lines)
    lesson = told.get("lesson", "tiny")
    never = tuple(told["never"].split(", "))
    items = [] if told["expect"] == "none" else told["expect"].split(", ")
    expect = dict(_expected(item) for item in items)
    if set(told) - set(KEYS) or set(never) - set(NEVER) or set(expect) - set(LESSONS[lesson]):
        raise ValueError(f"{path}: expected {KEYS}, {tuple(NEVER)} and exercises, got {told}")
    parts = tuple(zip(rest[::2], [text.strip("\n") + "\n" for text in rest[1::2]], strict=True))
    for title, _ in parts:
        if title.split()[0] not in (*LESSONS[lesson], "own", "file", *TRUSTED):
            raise ValueError(f"{path}: unknown part {title!r}")
    return Attack(
        path.parent.name,
        path.stem,
        told["attack"],
        expect,
        never,
        lesson,
        parts,
    )


def _expected(item: str) -> tuple[str, tuple[str, ...]]:
    exercise, _, verdicts = item.partition(" ")
    return exercise, tuple(verdicts.split("|"))
