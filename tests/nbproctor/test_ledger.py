"""A ledger whose file is damaged: what it says is right or missing, and the run goes on."""

import contextlib
import json
import random
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from nbproctor.commands.cli import main
from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.errors import LedgerError
from nbproctor.grading.grade import Graded
from nbproctor.store.ledger import Ledger, Standing, _unpacked, key_of, problems_of
from nbproctor.store.locks import course_lock
from nbproctor.store.places import LEDGER

STUDENTS = [f"student{n:02}" for n in range(40)]
ABOUT = {"lesson and tests": "made up", "versions": {"Python": "3"}}


def graded(student: str) -> Graded:
    result = CellResult("test_double", Verdict.PASSED, 2.0, 2.0, f"for {student}", 0.5, False)
    cells = [{"cell_type": "code", "source": f"{student} wrote this {'and more ' * 60}"}]
    return Graded({"cells": cells}, Report("tiny", (result,), (), 1.0, "full"))


def standing(student: str, context: str) -> Standing:
    key = key_of(context, student, "full")
    report = json.loads(json.dumps(graded(student).report.as_dict()))
    made_from = {"handed_in": f"in {student}", "filed": f"out {student}", "key": key}
    more = {"context": context, "level": "full", "submission": student}
    return Standing("tiny", student, "tiny", **made_from, **more, report=report)


def fill(path: Path) -> None:
    """Write a ledger of all students."""
    with Ledger(path, pytest.fail) as ledger:
        context = ledger.context(ABOUT)
        for student in STUDENTS:
            key = key_of(context, student, "full")
            ledger.put(key, context, "tiny", student, graded(student))
            ledger.stand([standing(student, context)])
            ledger.note_page("tiny", student, f"page {student}")


def read(path: Path, said: list[str]) -> int:
    """Read all of a ledger; how much is missing of it. What is there must be right."""
    missing = 0
    with Ledger(path, said.append) as ledger:
        context = ledger.context(ABOUT)
        for student in STUDENTS:
            result = ledger.get(key_of(context, student, "full"))
            page = ledger.page("tiny", student)
            found = ledger.standings("tiny", student)
            assert result in (None, graded(student))
            assert page in ("", f"page {student}")
            assert found in ({}, {"tiny": standing(student, context)})
            missing += (result is None) + (not page) + (not found)
        ledger.note_page("tiny", "new", "page new")
        assert ledger.page("tiny", "new") == "page new"
    return missing


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path, said = tmp_path_factory.mktemp("ledger") / "ledger.sqlite", list[str]()
    fill(path)
    assert list(problems_of(path)) == []
    assert path.stat().st_mode & 0o077 == 0, "answers of students: nobody else's to read"
    data = path.read_bytes()
    assert read(path, said) == 0
    assert said == []
    return data


def test_what_a_student_no_longer_has_does_not_stand(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite", pytest.fail) as ledger:
        context = ledger.context(ABOUT)
        one, two = standing("ann", context), standing("ben", context)
        ledger.stand([one, replace(one, notebook="more"), two])
        ledger.stand([one])
        assert ledger.standings("tiny", "ann") == {"tiny": one}
        assert ledger.standings("tiny", "ben") == {"tiny": two}


@pytest.mark.parametrize("seed", range(60))
def test_a_flipped_byte_loses_at_most_what_it_hits(sound: bytes, seed: int, tmp_path: Path) -> None:
    path, data, said = tmp_path / "ledger.sqlite", bytearray(sound), list[str]()
    data[random.Random(seed).randrange(len(data))] ^= 1 << seed % 8
    path.write_bytes(data)
    problems = list(problems_of(path))
    assert path.read_bytes() == bytes(data), "to verify changes nothing"
    missing = read(path, said)
    assert problems or not (missing or said), "what cost something is named"
    aside = tmp_path / "ledger.sqlite.damaged"
    assert aside.exists() == any(f"is now {aside}" in text for text in said)
    assert not aside.exists() or aside.read_bytes() == bytes(data)


@pytest.mark.parametrize("share", [0.001, 0.1, 0.5, 0.9])
def test_a_file_that_was_cut_off_is_moved_aside(sound: bytes, share: float, tmp_path: Path) -> None:
    path, said = tmp_path / "ledger.sqlite", list[str]()
    path.write_bytes(sound[: int(share * len(sound))])
    (tmp_path / "ledger.sqlite.damaged").write_bytes(b"from an earlier time")
    assert "the file is damaged" in next(problems_of(path))
    assert read(path, said) > 0
    assert said[0].startswith("the ledger is damaged")
    assert said[0].endswith(f"The damaged one is now {path}.damaged-2")
    assert (tmp_path / "ledger.sqlite.damaged").read_bytes() == b"from an earlier time"
    fill(path)
    said.clear()
    assert list(problems_of(path)) == []
    assert read(path, said) == 0
    assert said == []


def test_a_file_that_never_was_a_database_is_moved_aside(tmp_path: Path) -> None:
    path, said = tmp_path / "ledger.sqlite", list[str]()
    path.write_bytes(nothing := b"no database at all, but long enough to be looked at" * 100)
    assert "the file is damaged" in next(problems_of(path))
    assert read(path, said) == 3 * len(STUDENTS) and len(said) == 1
    assert (tmp_path / "ledger.sqlite.damaged").read_bytes() == nothing


def test_damage_while_it_is_open_does_not_stop_a_run(tmp_path: Path) -> None:
    path, said = tmp_path / "ledger.sqlite", list[str]()
    with Ledger(path, said.append) as ledger:
        context = ledger.context(ABOUT)
        ledger.connection.execute("DROP TABLE page")
        ledger.note_page("tiny", "ann", "page ann")
        assert ledger.page("tiny", "ann") == "page ann"
        assert ledger.about(context) == ABOUT
    assert len(said) == 1
    assert "no such table: page" in said[0]


def test_what_is_no_damage_leaves_the_ledger_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.sqlite"
    fill(path)
    monkeypatch.setattr("nbproctor.store.ledger.BUSY_TIMEOUT_S", 0.1)
    with (
        Ledger(path, pytest.fail) as ledger,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="database is locked"):
            ledger.note_page("tiny", "ann", "page ann")
        other.execute("ROLLBACK")
        ledger.note_page("tiny", "ann", "page ann")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["ledger.sqlite"]


def test_rows_that_answer_another_question_are_not_believed(tmp_path: Path) -> None:
    """As a damaged index gives them: whole rows, of somebody else; or a text of another lesson."""
    path = tmp_path / "ledger.sqlite"
    fill(path)
    with Ledger(path, pytest.fail) as ledger:
        context = ledger.context(ABOUT)
        (row,) = ledger.connection.execute("SELECT * FROM result LIMIT 1")
        assert _unpacked(row[0], row) in map(graded, STUDENTS)
        with pytest.raises(LedgerError, match="is damaged"):
            _unpacked(key_of(context, "somebody else", "full"), row)
        ledger.connection.execute("UPDATE context SET about = '{}'")
        assert ledger.about(context) is None
    assert any("the lesson" in problem for problem in problems_of(path))


def test_pruning_keeps_what_is_in_use_and_waits_for_who_grades(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A run that has kept a result, and not yet recorded it, would lose it."""
    (tmp_path / "nbgrader_config.py").touch()
    fill(tmp_path / LEDGER)
    with Ledger(tmp_path / LEDGER, pytest.fail) as ledger:
        context = ledger.context({"lesson and tests": "another one"})
        ledger.put("a key", context, "tiny", "submission", graded("nobody"))
    command = ["ledger", "prune", "--course", str(tmp_path)]
    with course_lock(tmp_path, "a test"):
        assert main(command) == 2
    assert "being graded by another process" in capsys.readouterr().err
    assert main(command) == 0
    assert capsys.readouterr().out == "1 results removed\n"
    with Ledger(tmp_path / LEDGER, pytest.fail) as ledger:
        assert ledger.get("a key") is None and ledger.about(context) is None
        assert len(list(ledger.entries())) == len(ledger.in_use()) == len(STUDENTS)
        assert ledger.about(ledger.context(ABOUT)) == ABOUT
