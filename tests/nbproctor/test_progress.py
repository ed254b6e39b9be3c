"""What a learner has reached survives, whatever happens to the file."""

import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest

from nbproctor.commands.progress import note_progress, progress_path
from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.errors import ConfigError


def report(*verdicts: Verdict) -> Report:
    results = [
        CellResult(f"test_{n}", verdict, 2.0 * (verdict is Verdict.PASSED), 2.0)
        for n, verdict in enumerate(verdicts)
    ]
    return Report("a lesson", tuple(results))


def kept(path: Path) -> Any:
    return json.loads(path.read_text())["lessons"]


def test_the_last_check_of_each_lesson_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "new" / "progress.json"
    note_progress("01_a", report(Verdict.FAILED), path)
    note_progress("02_b", report(Verdict.PASSED, Verdict.NOT_ANSWERED), path)
    entry = note_progress("01_a", report(Verdict.PASSED), path)
    assert kept(path)["01_a"] == entry
    assert {name: e["score"] for name, e in kept(path).items()} == {"01_a": 2.0, "02_b": 2.0}
    assert kept(path)["02_b"]["points"] == 4.0


def test_failed_checks_count_from_the_last_pass_on(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    steps = [
        (Verdict.NOT_ANSWERED, 0),
        (Verdict.FAILED, 1),
        (Verdict.TIMED_OUT, 2),
        (Verdict.NOT_ANSWERED, 2),
        (Verdict.PASSED, 0),
        (Verdict.PARTIAL, 1),
    ]
    for verdict, failed in steps:
        entry = note_progress("01_a", report(verdict), path)
        assert entry["exercises"]["test_0"]["failed_checks"] == failed


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        '{"format": 1}',
        '{"format": 9, "lessons": {}}',
        '{"format": 1, "lessons": {"a": 1}}',
        '{"format": 1, "lessons": {"a": {"exercises": {}}}}',
        '{"format": 1, "lessons": {"01_a": {"score": 1, "points": 2, "exercises": {"test_0": 1}}}}',
        '{"format": 1, "lessons": {"01_a": {"score": 1, "points": 2,'
        ' "exercises": {"test_0": {"failed_checks": "many"}}}}}',
        '{"format": 1, "lessons": {"a": {"score": "x", "points": 2, "exercises": {}}}}',
    ],
)
def test_a_file_that_cannot_be_read_is_set_aside(tmp_path: Path, content: str) -> None:
    path = tmp_path / "progress.json"
    path.write_text(content)
    note_progress("01_a", report(Verdict.PASSED), path)
    assert list(kept(path)) == ["01_a"]
    assert (tmp_path / "progress.unreadable.json").read_text() == content


def test_where_nothing_can_be_written_the_message_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="progress cannot be kept") as caught:
        note_progress("01_a", report(), tmp_path / "file" / "progress.json")
    assert "file/progress.json" in str(caught.value)


def test_the_place_can_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUSX_PROGRESS", "elsewhere.json")
    assert progress_path() == Path("elsewhere.json")
    monkeypatch.delenv("PLUSX_PROGRESS")
    assert progress_path().name == "progress.json" and "plusx" in progress_path().parts


def note_many(path: Path, worker: int) -> None:
    for n in range(20):
        note_progress(f"{worker}_{n}", report(Verdict.PASSED), path)


def test_checks_at_the_same_time_do_not_forget_each_other(tmp_path: Path) -> None:
    path = tmp_path / "progress.json"
    context = multiprocessing.get_context("forkserver")
    workers = [context.Process(target=note_many, args=(path, n)) for n in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(kept(path)) == 60
