"""Grading again in two steps: the preview changes nothing, what is applied is what was shown."""

import hashlib
import json
import shutil
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import nbformat
import pytest
from classes import WHEN, tiny_course
from databases import running_server
from fixtures import RIGHT, TINY, fill, notebook, write
from nbgrader.api import Gradebook
from test_report import HOSTILE, Page

from nbproctor.classes.classrun import grade_class
from nbproctor.classes.proposal import Change, Proposal, Snapshot
from nbproctor.classes.regrade import apply_preview, discard_preview, make_preview
from nbproctor.classes.regrade_report import regrade_lines, regrade_page
from nbproctor.classes.watching import Quiet
from nbproctor.commands.cli import main
from nbproctor.course.graded_notebook import rebuilt_notebook
from nbproctor.course.lesson import load_lesson
from nbproctor.course.notebook import parse_submission, plan
from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.errors import ConfigError, GradebookError
from nbproctor.grading.grade import Graded
from nbproctor.grading.work import Done, Job, LessonPack
from nbproctor.store.gradebook import Course
from nbproctor.store.locks import course_lock

WRONG = {**RIGHT, "double": "def double(x):\n    return x + x  # nearly"}
STRICT = TINY.replace("double(3) == 6", "double(3) == 7 - 1")


class Crew:
    """Gives verdicts without running anything: a strict lesson fails whoever is 'nearly' right."""

    executed = 0

    def __init__(self, packs: Mapping[str, LessonPack]) -> None:
        self.packs = packs

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def grade(self, jobs: Iterable[Job]) -> Iterator[Done]:
        for job in jobs:
            Crew.executed += 1
            yield Done(job, self.graded(job))

    def graded(self, job: Job) -> Graded:
        pack = self.packs[job.notebook]
        folder = Path(self.folder) / hashlib.sha256(pack.source).hexdigest()[:8]
        source, release = folder / "source" / "tiny.ipynb", folder / "release" / "tiny.ipynb"
        for path, data in ((source, pack.source), (release, pack.release)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        lesson = load_lesson(source, release)
        submission = parse_submission(job.handed_in, lesson, pack.limits)
        nearly = "nearly" in submission.answers.get("double", "")
        odd = "odd" in submission.answers.get("double", "")
        failed = {"test_double"} if nearly and b"7 - 1" in pack.source else set()
        results = {}
        for cell in lesson.graded:
            name = cell.grade_id
            verdict, score = Verdict.PASSED, cell.points
            if name == "essay":
                verdict, score = Verdict.MANUAL, None
            elif name in failed:
                verdict, score = Verdict.FAILED, 0.0
            elif odd:
                verdict, score = Verdict.GRADER_ERROR, 0.0
            message = "no real doubling" if verdict is Verdict.FAILED else ""
            by_hand = name == "essay"
            results[name] = CellResult(name, verdict, score, cell.points, message, 0.1, by_hand)
        made = rebuilt_notebook(lesson, plan(lesson, submission), results)
        made["metadata"]["nbproctor"] = {"sandbox": "full", "notes": [], "seconds": 1.0}
        return Graded(made, Report("tiny", tuple(results.values()), (), 1.0, "full"))


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Path:
    """A graded class, and its lesson changed and released again since."""
    return graded_course(tmp_path_factory.mktemp("regrade") / "course")


def graded_course(folder: Path, db_url: str = "") -> Path:
    tiny_course(folder, db_url)
    released = nbformat.read(folder / "notebooks" / "tiny" / "tiny.ipynb", 4)
    for student, answers in {
        "ann": RIGHT,
        "bob": WRONG,
        "cy": {**RIGHT, "half": RIGHT["half"] + "  # mine"},
    }.items():
        hand_in(folder, student, fill(released, answers))
    Crew.folder = str(folder.parent / "crew")
    assert grade_class(Course(folder), "tiny", Crew, Quiet()).is_complete
    with Gradebook(Course(folder).coursedir.db_url) as gradebook:
        for student in ("ann", "bob"):
            grade = gradebook.find_grade("essay", "tiny", "tiny", student)
            grade.manual_score, grade.needs_manual_grade = 1.5, False
        gradebook.db.commit()
    write(folder / "solutions" / "tiny" / "tiny.ipynb", notebook(STRICT))
    Course(folder).release("tiny")
    return folder


def hand_in(folder: Path, student: str, content: object) -> None:
    place = folder / "submitted" / student / "tiny"
    write(place / "tiny.ipynb", content)
    (place / "timestamp.txt").write_text(WHEN)


@pytest.fixture
def folder(original, tmp_path) -> Path:
    copy = tmp_path / "course"
    shutil.copytree(original, copy)
    Crew.executed = 0
    return copy


def preview(folder: Path) -> Proposal:
    return make_preview(Course(folder), "tiny", Crew, Quiet())


def state_of(folder: Path) -> dict[str, object]:
    """Everything a preview must not change: marks, and every file but nbproctor's own."""
    with Gradebook(Course(folder).coursedir.db_url) as gradebook:
        marks = [
            (s.student.id, str(s.timestamp), n.late_submission_penalty, *_of(g))
            for s in gradebook.assignment_submissions("tiny")
            for n in s.notebooks
            for g in n.grades
        ]
        students = [student.id for student in gradebook.students]
    kept = ("submitted", "autograded", "notebooks", "solutions")
    files = {
        str(path.relative_to(folder)): path.read_bytes()
        for name in kept
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }
    return {"marks": sorted(marks, key=str), "students": students, "files": files}


def _of(grade):
    return grade.name, grade.auto_score, grade.manual_score, grade.needs_manual_grade


def totals(folder: Path) -> dict[str, float]:
    return {s.student: s.score for s in Course(folder).scores("tiny")}


def test_a_preview_shows_and_changes_nothing(folder):
    before = state_of(folder)
    proposal = preview(folder)
    assert state_of(folder) == before and Crew.executed == 3
    shown = {c.student: (c.old_total, c.after.total, c.difference) for c in proposal.changes}
    assert shown == {"ann": (6.5, 6.5, 0), "bob": (6.5, 4.5, -2), "cy": (5, 5, 0)}
    bob = next(change for change in proposal.changes if change.student == "bob")
    assert bob.cells == [("tiny/test_double", 2.0, 0.0)]
    assert bob.told["tiny/test_double"] == ("failed", "no real doubling")
    assert bob.reason == "the lesson, a version or a limit is another one"
    assert bob.after.cells["tiny/essay"][:2] == (1.5, True), "what a person gave stays"


def test_what_is_applied_is_what_was_shown(folder):
    proposal = preview(folder)
    executed = Crew.executed
    assert apply_preview(Course(folder), "tiny", Quiet()) == proposal
    assert Crew.executed == executed, "results come from the ledger"
    assert totals(folder) == {c.student: c.after.total for c in proposal.changes}
    assert totals(folder)["bob"] == 4.5
    graded = json.loads((folder / "autograded" / "bob" / "tiny" / "tiny.ipynb").read_text())
    verdicts = [c["metadata"].get("nbproctor", {}).get("verdict") for c in graded["cells"]]
    assert "failed" in verdicts
    assert preview(folder).changes == () and preview(folder).unchanged == 3
    summary = grade_class(Course(folder), "tiny", Crew, Quiet())
    assert summary.how == {"unchanged": 3}


def change_submission(folder):
    released = nbformat.read(folder / "notebooks" / "tiny" / "tiny.ipynb", 4)
    hand_in(folder, "bob", fill(released, {**WRONG, "essay": "I have thought again."}))


def change_lesson(folder):
    source = notebook(STRICT.replace("a list is not doubled", "a list is not doubled at all"))
    write(folder / "solutions" / "tiny" / "tiny.ipynb", source)
    Course(folder).release("tiny")


def change_mark(folder):
    with Gradebook(Course(folder).coursedir.db_url) as gradebook:
        gradebook.find_grade("essay", "tiny", "tiny", "bob").manual_score = 0.5
        gradebook.db.commit()


def change_due_date(folder):
    with Gradebook(Course(folder).coursedir.db_url) as gradebook:
        gradebook.update_or_create_assignment("tiny", duedate="2026-11-19 10:00:00 UTC")
    with (folder / "nbgrader_config.py").open("a") as config:
        config.write("c.LateSubmissionPlugin.penalty_method = 'zero'\n")


def remove_submission(folder):
    shutil.rmtree(folder / "submitted" / "bob")


def add_student(folder):
    shutil.copytree(folder / "submitted" / "ann", folder / "submitted" / "zoe")


def lose_result(folder):
    (folder / ".nbproctor" / "ledger.sqlite").unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (change_submission, "bob: 'tiny' has no result"),
        (change_lesson, "the lesson, its tests, a version or a limit is another one"),
        (change_mark, "the gradebook says something else of bob"),
        (change_due_date, "the gradebook says something else of ann"),
        (remove_submission, "bob need not be graded any more"),
        (add_student, "zoe is due now"),
        (lose_result, "has no result"),
    ],
)
def test_whatever_changed_since_nothing_is_recorded(folder, change, why):
    preview(folder)
    change(folder)
    before = state_of(folder)
    with pytest.raises(ConfigError, match="nothing was recorded") as refused:
        apply_preview(Course(folder), "tiny", Quiet())
    assert why in str(refused.value) and "regrade tiny --preview" in str(refused.value)
    assert state_of(folder) == before


def test_a_preview_can_be_forgotten(folder):
    before = state_of(folder)
    preview(folder)
    discard_preview(Course(folder), "tiny")
    for forgotten in (
        lambda: discard_preview(Course(folder), "tiny"),
        lambda: apply_preview(Course(folder), "tiny", Quiet()),
    ):
        with pytest.raises(ConfigError, match="there is no preview of this lesson"):
            forgotten()
    assert state_of(folder) == before
    preview(folder)
    assert Crew.executed == 3, "the ledger still knows"


def test_a_damaged_preview_is_refused(folder):
    preview(folder)
    path = folder / ".nbproctor" / "regrade" / "tiny.json"
    assert path.stat().st_mode & 0o077 == 0
    path.write_text(path.read_text()[:100])
    with pytest.raises(ConfigError, match="the preview cannot be read"):
        apply_preview(Course(folder), "tiny", Quiet())


def test_a_preview_with_other_marks_in_it_is_refused(folder):
    preview(folder)
    path = folder / ".nbproctor" / "regrade" / "tiny.json"
    data = json.loads(path.read_text())
    data["changes"][0]["after"]["total"] = 7
    path.write_text(json.dumps(data))
    with pytest.raises(ConfigError, match="nothing was recorded"):
        apply_preview(Course(folder), "tiny", Quiet())


def test_late_penalties_are_in_the_preview(folder):
    change_due_date(folder)
    proposal = preview(folder)
    assert {c.after.total for c in proposal.changes} == {0.0}
    assert min(c.after.penalty for c in proposal.changes) > 0
    apply_preview(Course(folder), "tiny", Quiet())
    assert set(totals(folder).values()) == {0.0}


def test_who_gets_no_fair_result_is_left_alone(folder):
    released = nbformat.read(folder / "notebooks" / "tiny" / "tiny.ipynb", 4)
    odd = {**RIGHT, "double": "def double(x):\n    return 2 * x  # odd"}
    hand_in(folder, "cy", fill(released, odd))
    (folder / "submitted" / "dan" / "tiny").mkdir(parents=True)
    before = state_of(folder)["files"]["autograded/cy/tiny/tiny.ipynb"]
    proposal = preview(folder)
    assert proposal.left == {
        "cy": "'tiny' has no result, or none that is fair",
        "dan": "no notebook of this lesson was handed in",
    }
    apply_preview(Course(folder), "tiny", Quiet())
    assert state_of(folder)["files"]["autograded/cy/tiny/tiny.ipynb"] == before
    assert totals(folder)["cy"] == 5 and totals(folder)["bob"] == 4.5


def test_a_first_mark_is_no_gain_from_zero(folder):
    add_student(folder)
    proposal = preview(folder)
    zoe = next(change for change in proposal.changes if change.student == "zoe")
    assert zoe.before is None and zoe.after.total == 5 and zoe.changes_marks
    lines = "\n".join(regrade_lines(proposal))
    assert "gain points: 0; lose some: 1; get their first mark: 1" in lines
    apply_preview(Course(folder), "tiny", Quiet())
    assert totals(folder)["zoe"] == 5


def test_two_do_not_grade_at_once(folder):
    preview(folder)
    course = Course(folder)
    with course_lock(folder, "a test"):
        for act in (preview, lambda _: apply_preview(course, "tiny", Quiet())):
            with pytest.raises(ConfigError, match="another process"):
                act(folder)
        with pytest.raises(ConfigError, match="another process"):
            discard_preview(course, "tiny")
    assert discard_preview(course, "tiny").name == "tiny.json"


def test_a_preview_made_while_one_waits_to_apply_is_the_one_that_counts(folder):
    preview(folder)
    path = folder / ".nbproctor" / "regrade" / "tiny.json"
    old = path.read_text()
    change_submission(folder)
    newer = preview(folder)
    new = path.read_text()
    path.write_text(old)
    applied = []

    def wait_and_apply() -> None:
        applied.append(apply_preview(Course(folder), "tiny", Quiet()))

    waiting = threading.Thread(target=wait_and_apply)
    with course_lock(folder, "a test"):
        waiting.start()
        time.sleep(1)  # of the three seconds that it waits
        path.write_text(new)
    waiting.join()
    assert applied == [newer] and old != new


def change_of(student: str, old: float | None, new: float, said: str = "") -> Change:
    cells = {"tiny/test_a": (old, False, False)}
    before = None if old is None else Snapshot(old, 0.0, "", cells)
    after = Snapshot(new, 0.0, "", {"tiny/test_a": (new, False, False)})
    return Change(student, "why", {}, before, after, {"tiny/test_a": ("failed", said)})


def test_lines_and_page_show_old_against_new():
    changes = (change_of("ann", 5, 2, HOSTILE), change_of(HOSTILE, 1, 3), change_of("cy", 4, 4))
    proposal = Proposal("tiny", 7.0, {}, changes, {"dan": HOSTILE}, 2)
    lines = list(regrade_lines(proposal))
    assert lines[0] == (
        "tiny, in students: gain points: 1; lose some: 1; get their first mark: 0; same marks "
        "again: 1; not graded again, as nothing has changed: 2; left as they are: 1"
    )
    assert lines[3].split()[:4] == ["ann", "5", "2", "−3"], "who loses comes first"
    assert not any(sign in "".join(lines) for sign in ("\x1b", "\u202e", "\r"))
    seen = Page(regrade_page(proposal))
    assert not {"script", "a", "iframe", "form"} & {tag for tag, _ in seen.tags}
    alternatives = [img["alt"] for img in seen.attributes("img")]
    assert alternatives == [
        "Scores before and after. 1 to 2 points: 1 before, 0 after; 2 to 3 points: 0 before, "
        "1 after; 3 to 4 points: 0 before, 1 after; 4 to 5 points: 1 before, 1 after; "
        "5 to 6 points: 1 before, 0 after.",
        "Change of marks. -3 points: 1; 0 points: 1; +2 points: 1.",
    ]
    text = " ".join(seen.text.split())
    assert "test_a 5 → 2 (failed: <script>" in text and "Who loses points comes first." in text


def test_ten_thousand_changes_make_a_small_page():
    changes = tuple(change_of(f"s{n}", n % 7, (n * 3) % 7, "x" * 100) for n in range(10_000))
    proposal = Proposal("tiny", 7.0, {}, changes)
    assert Proposal.from_json(proposal.to_json()) == proposal
    assert len(regrade_page(proposal)) < 1_000_000
    assert len(list(regrade_lines(proposal))) < 250


@pytest.mark.slow
def test_a_gradebook_in_postgresql_is_rehearsed_too(tmp_path):
    with running_server() as server:
        folder = graded_course(tmp_path / "course", server.new_database())
        before = state_of(folder)
        proposal = preview(folder)
        assert state_of(folder) == before
        assert {c.student: c.difference for c in proposal.changes} == {"ann": 0, "bob": -2, "cy": 0}
        apply_preview(Course(folder), "tiny", Quiet())
        assert totals(folder) == {"ann": 6.5, "bob": 4.5, "cy": 5.0}


@pytest.mark.slow
def test_the_command_grades_previews_and_records(folder, capsys):
    """With real kernels."""
    shutil.rmtree(folder / ".nbproctor")
    arguments = ["--course", str(folder)]
    assert main(["regrade", "ti", "--preview", "--workers", "1", *arguments]) == 0
    said = capsys.readouterr().out
    assert "Nothing is recorded yet: nbproctor regrade tiny --apply, or --discard" in said
    assert (folder / "reports" / "tiny_regrade.html").is_file()
    assert main(["regrade", "ti", "--apply", *arguments]) == 0
    assert "recorded for 3 students, as the preview showed" in capsys.readouterr().out
    assert totals(folder) == {"ann": 6.5, "bob": 6.5, "cy": 5.0}
    assert main(["regrade", "ti", "--discard", *arguments]) == 2


HOOK = """
def hook(assignment, student, notebooks):
    if student == "bob":
        {}["a key that nobody has"]
c.Autograde.pre_convert_hook = hook
"""


def test_a_hook_that_fails_for_one_student_stops_nobody_else(folder: Path) -> None:
    with (folder / "nbgrader_config.py").open("a") as file:
        file.write(HOOK)
    proposal = preview(folder)
    assert [change.student for change in proposal.changes] == ["ann", "bob", "cy"]
    with pytest.raises(GradebookError, match="bob: KeyError: 'a key that nobody has'"):
        apply_preview(Course(folder), "tiny", Quiet())
    hand_in(folder, "bob", {"cells": 7})
    summary = grade_class(Course(folder), "tiny", Crew, Quiet())
    assert summary.without == {"bob": "KeyError: 'a key that nobody has'"}


def test_what_was_interrupted_is_gone_on_with(folder: Path, tmp_path: Path) -> None:
    """Marks are recorded for some students at a time, and a run may be killed between two."""
    preview(folder)
    whole = tmp_path / "whole"
    shutil.copytree(folder, whole)
    apply_preview(Course(whole), "tiny", Quiet())
    grade_class(Course(folder), "tiny", Crew, Quiet(), ["ann"])  # as if killed after the first
    shutil.rmtree(folder / "autograded" / "bob")
    apply_preview(Course(folder), "tiny", Quiet())
    assert state_of(folder)["marks"] == state_of(whole)["marks"]
    assert (folder / "autograded" / "bob" / "tiny" / "tiny.ipynb").is_file()
