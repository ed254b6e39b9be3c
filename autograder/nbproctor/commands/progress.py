"""What a learner has reached, kept between sessions in a small file of the learner's own.

`nbproctor check` writes it, `plusx.progress()` shows it. It stays on this machine.
"""

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from platformdirs import user_data_path

from nbproctor.course.records import CellResult, Report, Verdict
from nbproctor.errors import ConfigError
from nbproctor.files import write_whole

__all__ = ["note_progress", "progress_of", "progress_path"]

FORMAT = 1
DONE = (Verdict.PASSED, Verdict.MANUAL)
UNTRIED = (Verdict.NOT_ANSWERED,)


def progress_path() -> Path:
    """Where the file is: PLUSX_PROGRESS, or the user's own data folder."""
    named = os.environ.get("PLUSX_PROGRESS")
    return Path(named) if named else user_data_path("plusx") / "progress.json"


def note_progress(lesson: str, report: Report, path: Path | None = None) -> dict[str, Any]:
    """Remember a check of a lesson; what is now known of that lesson.

    By grade_id there are the verdict, points, and `failed_checks`: how often this exercise has
    failed since it last passed. A file that cannot be read is set aside, not overwritten.

    Raises:
        ConfigError: the file cannot be written.
    """
    path = path or progress_path()
    with _alone(path):
        known = _read(path)
        entry = progress_of(report, known["lessons"].get(lesson, {}))
        known["lessons"][lesson] = entry
        write_whole(path, json.dumps(known, indent=1).encode())
    return entry


def progress_of(report: Report, before: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a lesson after a check, given what was known before."""
    old = before.get("exercises", {})
    return {
        "checked": datetime.now(UTC).isoformat(timespec="seconds"),
        "score": report.score,
        "points": report.auto_points,
        "by_hand": report.manual_points,
        "exercises": {r.grade_id: _exercise(r, old.get(r.grade_id, {})) for r in report.results},
    }


def _exercise(result: CellResult, before: Mapping[str, Any]) -> dict[str, Any]:
    failed = 0
    if result.verdict not in DONE:
        failed = int(before.get("failed_checks", 0)) + (result.verdict not in UNTRIED)
    return {
        "verdict": str(result.verdict),
        "score": result.score,
        "points": result.points,
        "failed_checks": failed,
    }


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold the file's lock: two checks at once do not forget each other."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(path.with_suffix(".lock"), os.O_CREAT | os.O_RDWR, 0o600)
    except OSError as error:
        raise ConfigError("progress cannot be kept", got=error.strerror, where=path) from error
    try:
        with contextlib.suppress(OSError):  # a file system without locks: then without one
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _read(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
        if known["format"] == FORMAT and all(map(_is_ours, known["lessons"].values())):
            return dict(known)
    except FileNotFoundError:
        return {"format": FORMAT, "lessons": {}}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass
    try:
        path.replace(path.with_suffix(".unreadable.json"))
    except OSError as error:
        raise ConfigError("progress cannot be kept", got=error.strerror, where=path) from error
    return {"format": FORMAT, "lessons": {}}


def _is_ours(entry: Any) -> bool:
    """Whether a lesson's entry is as `progress_of` makes it.

    Raises:
        KeyError, TypeError, AttributeError: it is something else altogether.
    """
    counts = [exercise["failed_checks"] for exercise in entry["exercises"].values()]
    numbers = [entry["score"], entry["points"]]
    return all(type(n) is int for n in counts) and all(isinstance(n, int | float) for n in numbers)
