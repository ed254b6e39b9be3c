"""Library functions that do an exercise: found by a look, told to a person, never scored."""

import json
from pathlib import Path

import pytest
from fixtures import RIGHT, cell_of, fill, lesson, own_cell, write

from nbproctor.config import Limits
from nbproctor.course.forbidden import forbidden_notes, uses_of
from nbproctor.course.lesson import Cell, Role, load_lesson
from nbproctor.course.notebook import Planned, read_submission
from nbproctor.grading.grade import grade_submission

NAMES = ["vision.BasicBlock", "plusx.pad"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from vision.models.resnet import BasicBlock", "vision.models.resnet.BasicBlock"),
        ("from vision.models.resnet import BasicBlock as B", "vision.models.resnet.BasicBlock"),
        ("import vision\nB = vision.models.BasicBlock", "vision.models.BasicBlock"),
        ("import vision.models as m\nm.resnet.BasicBlock()", "vision.models.resnet.BasicBlock"),
        ("import vision\nr = vision.resnet\nr.BasicBlock", "vision.resnet.BasicBlock"),
        ("import vision as v\ngetattr(v.resnet, 'BasicBlock')", "vision.resnet.BasicBlock"),
        ("import vision as v\nvars(v.resnet)['BasicBlock']", "vision.resnet.BasicBlock"),
        ("import vision as v\nv.resnet.__dict__['BasicBlock']", "vision.resnet.BasicBlock"),
        ("import importlib\nimportlib.import_module('vision.r').BasicBlock", "vision.r.BasicBlock"),
        ("__import__('vision').BasicBlock", "vision.BasicBlock"),
        ("import sys\nsys.modules['vision.r'].BasicBlock", "vision.r.BasicBlock"),
        ("eval('vision.BasicBlock(1, 2)')", "vision.BasicBlock"),
        ("from vision.models.resnet import *", "vision.models.resnet.*"),
        ("%matplotlib inline\nfrom plusx import pad", "plusx.pad"),
        ("class BasicBlock(:\n import vision", "vision.BasicBlock"),
        ("def f():\n    from plusx.models import pad\n    return pad", "plusx.models.pad"),
    ],
)
def test_a_forbidden_name_is_found(source: str, found: str) -> None:
    assert found in uses_of(NAMES, [source])


@pytest.mark.parametrize(
    "source",
    [
        "class BasicBlock:\n    '''As vision.BasicBlock.'''\nBasicBlock()",
        "import vision\nvision.transforms.ToTensor()",
        "pad = 3\npad + 1",
        "import mine\nmine.BasicBlock",
        "import plusx\nplusx.seed_all(0)",
        "# plusx.pad",
        "self.vision.BasicBlock",
    ],
)
def test_honest_work_is_not_remarked_upon(source: str) -> None:
    assert uses_of(NAMES, [source]) == []


def test_an_import_of_another_cell_is_known() -> None:
    assert uses_of(NAMES, ["B()"], ["from vision import BasicBlock as B"]) == ["vision.BasicBlock"]


@pytest.mark.parametrize(
    "source",
    [
        "import vision\nvision" + ".a" * 5000,
        "import vision as a\n" + "a = a.b\n" * 20_000,
        "(" * 5000,
        "x = " + "-" * 50_000 + "1",
        "\0",
    ],
    ids=["long path", "growing alias", "brackets", "signs", "null byte"],
)
def test_a_hostile_source_is_looked_at_too(source: str) -> None:
    assert isinstance(uses_of(NAMES, [source]), list)


@pytest.mark.parametrize("text", ["x = 1\n" * 40_000 + "plusx.pad", "(" * 200_000 + "plusx.pad"])
def test_a_large_submission_is_looked_at_within_limits(text: str) -> None:
    cell = Cell(
        *(0, "c", "code", Role.ANSWER, "", "", "double", 0.0, frozenset[str]()),
        metadata={"nbproctor": {"forbidden": NAMES}},
    )
    own = [Planned(None, "code", f"{text}\n{n}", True) for n in range(150)]
    notes = forbidden_notes([Planned(cell, "code", "import plusx", True), *own])
    assert notes == {"double": ("To be looked at: the answer to 'double' mentions plusx.pad.",)}


def test_a_note_changes_no_mark_and_is_seen(tmp_path: Path) -> None:
    _, released = lesson(tmp_path)
    paths = [tmp_path / folder / "tiny.ipynb" for folder in ("source", "release")]
    for path in paths:
        made = json.loads(path.read_text())
        cell = next(c for c in made["cells"] if c["source"].startswith("def double"))
        cell["metadata"]["nbproctor"] = {"forbidden": ["operator.mul"]}
        write(path, made)
    loaded = load_lesson(*paths)
    answer = "from operator import mul\ndef double(x):\n    return mul(2, x)"
    made = fill(released, {**RIGHT, "double": answer})
    made.cells.append(own_cell("print('nothing')"))
    del cell_of(made, "double").metadata["nbgrader"]["solution"]
    submission = read_submission(write(tmp_path / "s.ipynb", made), loaded, Limits())
    graded = grade_submission(loaded, submission, Limits())
    sentence = "To be looked at: the answer to 'double' mentions operator.mul."
    assert sentence in graded.report.notes
    assert graded.report.results[0].score == 2
    outputs = next(c for c in graded.notebook["cells"] if c["source"] == answer)["outputs"]
    assert sentence in outputs[-1]["text"]


def test_only_the_first_few_uses_are_noted() -> None:
    """The report must not grow with what an answer was filled with."""
    text = "x = '''" + " ".join(f"vision.a{n:0300}.BasicBlock" for n in range(500)) + "'''"
    metadata = {"nbproctor": {"forbidden": NAMES}}
    cell = Cell(0, "id", "code", Role.ANSWER, "", "", "double", 0, frozenset(), metadata)
    [notes] = forbidden_notes([Planned(cell, "code", text, runs=True)]).values()
    assert len(notes) == 6 and max(map(len, notes)) < 300
    assert "mentions 495 more" in notes[-1]
