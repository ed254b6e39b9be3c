"""Exports, held against the documented rules of what takes them in."""

import csv
import io
import json
import re
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from classes import Graded, enter, grade_as, tiny_course
from nbgrader.api import Gradebook

from nbproctor.commands.cli import main
from nbproctor.course.records import Verdict
from nbproctor.errors import ConfigError, GradebookError
from nbproctor.reports.class_entries import read_entries
from nbproctor.reports.class_marks import lesson_of, opened_gradebook
from nbproctor.results import gradescope, handout
from nbproctor.results.exports import run_export
from nbproctor.results.gradescope_zip import pinned
from nbproctor.store.gradebook import Course

FORMULA = "=cmd|' /C calc'!A1"
HTML = "<img src=x onerror=alert(1)>\n  expected: 6; =2+3"
STUDENTS = {
    "ann": Graded(
        essay=1.5,
        about={
            "first_name": "Ann",
            "last_name": "Ärm",
            "email": "ann@example.org",
            "lms_user_id": "17",
        },
    ),
    "bob": Graded({"test_double": (Verdict.FAILED, 0.0, HTML)}, about={"email": "bob@example.org"}),
    "cy": Graded(
        {"test_double": (Verdict.FAILED, 0.0, HTML)}, essay=0.0, about={"email": "cy@example.org"}
    ),
    "dan": Graded(
        {"test_half": (Verdict.GRADER_ERROR, 0.0, "a lambda cannot travel")},
        essay=2.0,
        about={"email": "dan@example.org"},
    ),
    FORMULA: Graded(essay=2.0, about={"last_name": "+1", "email": "=evil@example.org"}),
    'comma, "quote"': Graded(essay=0.0, about={"email": "ANN@example.org"}),
    "new\nline": Graded({"test_half": (Verdict.PARTIAL, 1.0, "")}, essay=0.0),
}
NEVER = ("zoe", "z\u200boe")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    made = tiny_course(tmp_path_factory.mktemp("exports") / "course")
    grade_as(made, STUDENTS)
    enter(made, NEVER)
    return made


def exported(folder: Path, tmp_path: Path, kind: str, **settings):
    path, warnings = run_export(Course(folder), "tiny", kind, tmp_path / "out", **settings)
    return path.read_bytes(), "\n".join(warnings)


def rows_of(data: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(data.decode(), newline="")))


def test_no_field_of_any_form_begins_as_a_formula(folder, tmp_path):
    for kind in ("csv", "canvas", "moodle"):
        data, _ = exported(folder, tmp_path, kind)
        fields = [field for row in rows_of(data) for field in row]
        for field in fields:
            for cell in [field, *field.split(";")]:
                assert not re.match(r"""[\s"']*[=+\-@＝＋－＠]""", cell) or cell.startswith("'")
        assert not any(sign in data for sign in (b"\t", b"\x00", "\u200b".encode()))
        assert len({len(row) for row in rows_of(data)}) == 1


def test_the_table_has_a_row_for_each_student_and_exercise(folder, tmp_path):
    data, warnings = exported(folder, tmp_path, "csv")
    rows = list(csv.DictReader(io.StringIO(data.decode(), newline="")))
    assert len(rows) == 3 * (len(STUDENTS) + len(NEVER))
    bob = [row for row in rows if row["student"] == "bob"]
    told = [(r["exercise"], r["verdict"], r["score"], r["points"], r["given_by"]) for r in bob]
    assert told == [
        ("test_double", "failed", "0", "2", "tests"),
        ("test_half", "passed", "3", "3", "tests"),
        ("essay", "to be graded by hand", "", "2", ""),
    ]
    assert {row["state"] for row in bob} == {"waiting for a person"}
    assert {row["handed_in"] for row in bob} == {"2026-11-20T10:00:00Z"}
    zoe = [row for row in rows if row["student"] == "zoe"]
    assert {(r["score"], r["total"], r["verdict"]) for r in zoe} == {("", "", "")}
    assert "names that look alike: 2 (zoe, z<U+200B>oe)" in warnings
    assert "never graded, and empty: 2" in warnings


# What instructure/canvas-lms, lib/gradebook_importer.rb asks of a file.


def canvas_students(data: bytes) -> tuple[list[str], dict[str, list[str]], list[str]]:
    """Assignment columns, rows by SIS Login ID, and the points possible, as Canvas reads them."""
    header, possible, *rows = rows_of(data)
    assert "Student" in header[0] and "ID" in header[1] and len(header) > 3
    assert re.search(r"SIS\s+User\s+ID", header[2]) and re.search(r"SIS\s+Login\s+ID", header[3])
    width = 5 + ("Integration ID" in header)
    assert "Section" in header[width - 1], "the last column about the student"
    assert "Points Possible" in possible[0] and not any(possible[1:width])
    for row in rows:
        assert row[1] == "" or row[1].isdigit()
        assert not any(re.fullmatch(r"-?[0-9]+,[0-9]+", grade) for grade in row[width:])
    return header[width:], {row[3]: row for row in rows}, possible[width:]


def test_canvas_reads_what_is_written_for_it(folder, tmp_path):
    data, warnings = exported(folder, tmp_path, "canvas")
    columns, students, possible = canvas_students(data)
    assert columns == ["tiny"] and possible == ["7"]
    assert students["ann"] == ["Ärm, Ann", "17", "", "ann", "", "6.5"]
    assert students["cy"][-1] == "3"
    assert students["zoe"][-1] == "", "never graded: no grade, not zero"
    assert students["bob"][-1] == "", "a person has to read something"
    assert students["dan"][-1] == "", "a test failed by its own fault"
    assert "waiting for a person, and empty: 2 (bob, dan)" in warnings
    assert "made harmless for spreadsheets, and no longer as they were: 3" in warnings
    given, _ = exported(folder, tmp_path, "canvas", incomplete=True)
    assert canvas_students(given)[1]["bob"][-1] == "3"


def test_marks_by_hand_from_before_are_given_out_and_told(folder, tmp_path):
    """nbgrader asks for a second look whenever something is graded again."""
    with Gradebook(Course(folder).coursedir.db_url) as gradebook:
        grade = gradebook.find_grade("essay", "tiny", "tiny", "ann")
        grade.needs_manual_grade = True
        gradebook.db.commit()
        data, warnings = exported(folder, tmp_path, "canvas")
        grade.needs_manual_grade = False
        gradebook.db.commit()
    assert canvas_students(data)[1]["ann"][-1] == "6.5"
    assert "marked by hand before they were graded again, look: 1 (ann)" in warnings


def test_canvas_assignments_have_a_title_and_a_number(folder, tmp_path):
    data, _ = exported(folder, tmp_path, "canvas", columns={"tiny": "Homework 1 (4711)"})
    columns, _, _ = canvas_students(data)
    assert re.fullmatch(r"(.+) \((\d+)\)", columns[0])


def test_names_and_numbers_come_from_canvas_own_roster(folder, tmp_path):
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "\ufeffStudent,ID,SIS User ID,SIS Login ID,Integration ID,Section,tiny (88),Final Score\n"
        ",,,,,,Manual Posting,\n"
        "    Points Possible,,,,,,7,(read only)\n"
        '"Ärm, Ann",17,s-1,ann1,,"A, B",,\n'
        '"Y, C",23,CY,cy@uni,,"A",3,\n'
        '"Nobody, N",99,s-9,nobody,,"A",,\n',
        encoding="utf-8",
    )
    data, warnings = exported(folder, tmp_path, "canvas", roster=str(roster))
    columns, students, _ = canvas_students(data)
    assert columns == ["tiny (88)"]
    assert students["ann1"] == ["Ärm, Ann", "17", "s-1", "ann1", "", "A, B", "6.5"]
    assert students["cy@uni"][-1] == "3" and len(students) == 2
    assert "not in the roster, and left out: 7" in warnings
    assert "in the roster, but not in the gradebook: 1 (Nobody, N)" in warnings


def test_a_roster_that_is_none_is_refused(folder, tmp_path):
    wrong = tmp_path / "roster.csv"
    wrong.write_text("name,grade\n")
    with pytest.raises(ConfigError, match="no gradebook as Canvas exports it"):
        exported(folder, tmp_path, "canvas", roster=str(wrong))
    with pytest.raises(ConfigError, match="the roster cannot be read"):
        exported(folder, tmp_path, "canvas", roster=str(tmp_path / "none.csv"))


# docs.moodle.org/en/Grade_import; grade/import/csv/classes/load_data.php


def test_moodle_finds_every_student_by_address(folder, tmp_path):
    data, warnings = exported(folder, tmp_path, "moodle")
    header, *rows = rows_of(data)
    assert header == ["Email address", "tiny (Real)", "tiny (Feedback)"]
    students = {row[0]: row[1:] for row in rows}
    # A row without a student stops the import, or gives its grade to the one before.
    assert set(students) == {f"{n}@example.org" for n in ("ann", "bob", "cy", "dan")} | {
        "ANN@example.org"
    }
    assert all(float(grade) <= 100 for grade, _ in students.values() if grade)
    assert students["ann@example.org"][0] == "6.5"
    assert students["bob@example.org"] == ["", ""], "feedback alone would remove a grade"
    feedback = students["cy@example.org"][1]
    assert "test_double: 0 of 2, failed (&lt;img src=x onerror=alert(1)&gt; expected" in feedback
    assert "<" not in feedback and "\n" not in feedback and ";' =2+3" in feedback
    assert "left out: 4 (" in warnings


def test_moodle_can_go_by_user_names(folder, tmp_path):
    data, _ = exported(folder, tmp_path, "moodle", identifier="id", header="Username")
    header, *rows = rows_of(data)
    assert header[0] == "Username" and {"ann", "zoe"} <= {row[0] for row in rows}


# gradescope-autograders.readthedocs.io/en/latest/specs

TOP = {
    "score", "execution_time", "output", "output_format", "test_output_format",
    "test_name_format", "visibility", "stdout_visibility", "extra_data", "tests", "leaderboard",
}  # fmt: skip
EACH = {
    "score", "max_score", "status", "name", "name_format", "number", "output", "output_format",
    "tags", "visibility", "extra_data",
}  # fmt: skip
FORMATS = {"text", "html", "simple_format", "md", "ansi"}
VISIBILITY = {"hidden", "after_due_date", "after_published", "visible"}


def check_results(made: dict) -> None:
    assert set(made) <= TOP and isinstance(made["score"], int | float)
    assert {made["output_format"], made["test_output_format"], made["test_name_format"]} <= FORMATS
    assert {made["visibility"], made["stdout_visibility"]} <= VISIBILITY
    for test in made["tests"]:
        assert set(test) <= EACH and test.get("status", "passed") in ("passed", "failed")
        assert 0 <= test["score"] <= test["max_score"] and isinstance(test["output"], str)
        assert all(isinstance(tag, str) for tag in test["tags"])


def archive_of(data: bytes) -> zipfile.ZipFile:
    archive = zipfile.ZipFile(io.BytesIO(data))
    for name in ("setup.sh", "run_autograder"):
        info = archive.getinfo(name)  # at the root of the archive
        assert (info.external_attr >> 16) & stat.S_IXUSR
        text = archive.read(name)
        assert text.startswith(b"#!") and b"\r" not in text
        assert subprocess.run(["bash", "-n"], input=text).returncode == 0
    return archive


def test_gradescope_hands_out_what_was_graded_here(folder, tmp_path):
    data, warnings = exported(folder, tmp_path, "gradescope", visibility="after_published")
    archive = archive_of(data)
    graded = json.loads(archive.read("graded.json"))
    assert sorted(graded) == ["=evil@example.org", "ann@example.org", "cy@example.org"]
    for entry in graded.values():
        check_results(entry["results"])
    ann = graded["ann@example.org"]["results"]
    assert ann["score"] == 6.5 and ann["visibility"] == "after_published"
    assert [(t["name"], t["score"]) for t in ann["tests"]] == [
        ("test_double", 2), ("test_half", 3), ("essay", 1.5),
    ]  # fmt: skip
    assert "zoe: nothing handed in" in warnings
    assert "same address" in warnings, "ann@ and ANN@"
    assert b"BEGIN HIDDEN" not in b"".join(archive.read(n) for n in archive.namelist())


@pytest.fixture
def container(folder, tmp_path) -> Path:
    """/autograder, as it is when run_autograder begins."""
    data, _ = exported(folder, tmp_path, "gradescope")
    root = tmp_path / "autograder"
    zipfile.ZipFile(io.BytesIO(data)).extractall(root / "source")
    (root / "results").mkdir()
    return root


def submitted(root: Path, *addresses: str, notebook: bytes) -> None:
    (root / "submission").mkdir(exist_ok=True)
    (root / "submission" / "any name.ipynb").write_bytes(notebook)
    users = [{"email": address, "id": 1, "name": "?"} for address in addresses]
    (root / "submission_metadata.json").write_text(json.dumps({"id": 5, "users": users}))


def run_handout(root: Path) -> subprocess.CompletedProcess:
    script = [sys.executable, str(root / "source" / "handout.py"), str(root)]
    return subprocess.run(script, capture_output=True, text=True)


def test_the_handout_gives_a_result_to_its_own_notebook_only(folder, container):
    notebook = (folder / "submitted" / "ann" / "tiny" / "tiny.ipynb").read_bytes()
    result = container / "results" / "results.json"
    for addresses, data, why in (
        (["who@example.org"], notebook, "no result was made for who@example.org"),
        ([], notebook, "a submission of nobody"),
        (["Ann@Example.org"], notebook + b" ", "another version was graded"),
        (["ann@example.org", "cy@example.org"], notebook, "differ"),
    ):
        submitted(container, *addresses, notebook=data)
        done = run_handout(container)
        assert done.returncode == 1 and why in done.stdout and not result.exists()
    submitted(container, "Ann@Example.org", notebook=notebook)
    assert run_handout(container).returncode == 0
    check_results(json.loads(result.read_text()))
    assert json.loads(result.read_text())["score"] == 6.5


def test_the_handout_needs_nothing_of_ours():
    imported = re.findall(r"^(?:from|import) (\w+)", Path(handout.__file__).read_text(), re.M)
    assert imported and set(imported) <= set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def grading_there(folder, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("there") / "autograder.zip"
    arguments = ["--format", "gradescope-autograder", "--to", str(path), "--course", str(folder)]
    assert main(["export", "tiny", *arguments]) == 0
    return path


def test_an_autograder_that_grades_there_has_all_it_needs(grading_there):
    archive = archive_of(grading_there.read_bytes())
    names = set(archive.namelist())
    assert {"packages/nbproctor/results/gradescope.py", "settings.json"} <= names
    assert b"BEGIN HIDDEN TESTS" in archive.read("lessons/tiny/source/tiny.ipynb")
    assert b"BEGIN HIDDEN TESTS" not in archive.read("lessons/tiny/release/tiny.ipynb")
    assert not any("__pycache__" in name for name in names)
    pins = dict(line.split("==") for line in archive.read("requirements.txt").decode().split())
    assert {"torch", "numpy", "ipykernel", "pyzmq", "jupyter-client", "jinja2"} <= set(pins)
    assert not {"plusx", "pytest", "mypy", "distributed"} & set(pins)
    assert not any("+" in version or name.startswith("nvidia") for name, version in pins.items())


def test_packages_that_come_along_are_not_asked_for():
    names = {line.partition("==")[0] for line in pinned(["nbproctor"], [])}
    assert "nbformat" in names and "plusx" not in names


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "score", "said"),
    [
        ("tiny.ipynb", 5.0, "2 more points are given by hand: essay."),
        ("other.ipynb", 5.0, "Graded in a"),
        (None, 0.0, "there is no notebook; one called tiny.ipynb was expected"),
    ],
)
def test_it_grades_a_submission(folder, grading_there, tmp_path, file, score, said):
    root = tmp_path / "autograder"
    zipfile.ZipFile(grading_there).extractall(root / "source")
    (root / "submission").mkdir()
    if file:
        answers = (folder / "submitted" / "ann" / "tiny" / "tiny.ipynb").read_bytes()
        (root / "submission" / file).write_bytes(answers)
    assert gradescope.main(root, root / "source") == 0
    made = json.loads((root / "results" / "results.json").read_text())
    check_results(made)
    told = made["output"] + "".join(test["output"] for test in made["tests"])
    assert made["score"] == score and said in told


def test_where_nothing_can_be_held_nothing_is_graded(grading_there, tmp_path, monkeypatch, capsys):
    from nbproctor.errors import SandboxError

    def refuse(*_: object) -> None:
        raise SandboxError("no Landlock here")

    monkeypatch.setattr("nbproctor.grading.grade.strongest_level", refuse)
    root = tmp_path / "autograder"
    zipfile.ZipFile(grading_there).extractall(root / "source")
    (root / "submission").mkdir()
    assert gradescope.main(root, root / "source") == 1
    assert "not graded: no Landlock here" in capsys.readouterr().out
    assert not (root / "results").exists()


# All of them


def test_resubmitted_work_is_told(folder, tmp_path):
    path = folder / "submitted" / "cy" / "tiny" / "timestamp.txt"
    before = path.read_text()
    path.write_text("2026-11-21 10:00:00 UTC")
    try:
        _, warnings = exported(folder, tmp_path, "canvas")
    finally:
        path.write_text(before)
    assert "to be graded again: 1 (cy (another version was handed in" in warnings


@pytest.mark.parametrize("kind", ["csv", "canvas", "moodle", "gradescope"])
def test_an_export_is_the_same_every_time(folder, tmp_path, kind):
    assert exported(folder, tmp_path, kind) == exported(folder, tmp_path, kind)


def test_what_cannot_be_exported_is_said(folder, tmp_path, capsys):
    with pytest.raises(ConfigError, match=r"no single lesson is called 'nope'(.|\n)*tiny"):
        run_export(Course(folder), "nope", "csv", tmp_path / "out")
    with pytest.raises(ConfigError, match="--roster does not go with --format csv"):
        run_export(Course(folder), "tiny", "csv", tmp_path / "out", roster="x")
    with pytest.raises(ConfigError, match="--visibility cannot be that"):
        exported(folder, tmp_path, "gradescope", visibility="perhaps")
    empty = tmp_path / "empty"
    empty.mkdir()
    (empty / "nbgrader_config.py").write_text("c = get_config()\n")
    with pytest.raises(GradebookError, match="there is no gradebook"):
        run_export(Course(empty), "tiny", "csv", tmp_path / "out")
    assert not (empty / "gradebook.db").exists()
    assert not (tmp_path / "out").exists()
    to = str(tmp_path / "none" / "x.csv")
    assert main(["export", "tiny", "--to", to, "--course", str(folder)]) == 2
    assert "the file cannot be written" in capsys.readouterr().err


def test_marks_are_nbgraders(folder):
    """The same totals as nbgrader's own classes reckon."""
    with opened_gradebook(Course(folder).coursedir.db_url) as gradebook:
        entries = list(read_entries(gradebook, Course(folder).coursedir, lesson_of(gradebook, "t")))
        ours = {e.person.id: e.marks.score for e in entries if e.marks.submitted}
        theirs = {s.student.id: s.score for s in gradebook.assignment_submissions("tiny")}
        assert ours == theirs and len(ours) == len(STUDENTS)


@pytest.mark.slow
def test_the_stock_command_exports_through_the_plugins(folder, tmp_path):
    command = [sys.executable, "-m", "nbgrader", "export", "--assignment=['tiny']"]
    for name in ("CsvExport", "CanvasExport", "MoodleExport", "GradescopeExport"):
        target = tmp_path / name
        done = subprocess.run(
            [*command, "--exporter", f"nbproctor.results.exports.{name}", "--to", str(target)],
            cwd=folder, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert target.stat().st_size > 100
    done = subprocess.run(
        [*command[:-1], "--assignment=['nope']", "--exporter=nbproctor.results.exports.CsvExport"],
        cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1 and "no single lesson is called 'nope'" in done.stderr
