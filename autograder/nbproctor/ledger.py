"""Results by what they were made from: what was graded once is not executed again.

A result's key is a digest of what is used of a submission, of the lesson with its tests and limits,
of the versions that graded, and of the sandbox it ran in. What a student's metadata or outputs say
does not matter. Beside the results stands, for every student, which of them is in the gradebook.

One SQLite file below the course's `.nbproctor`. A result takes one transaction and carries a
checksum: one that does not fit is said, and never used.
"""

import contextlib
import hashlib
import json
import os
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

from nbproctor.errors import LedgerError
from nbproctor.grade import Graded
from nbproctor.notebook import Submission
from nbproctor.parcels import graded_from_bytes, graded_to_bytes

__all__ = ["Entry", "Ledger", "Standing", "digest_of_submission", "key_of"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS context (id TEXT PRIMARY KEY, about TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS result (
    key TEXT PRIMARY KEY, context TEXT NOT NULL, notebook TEXT NOT NULL, level TEXT NOT NULL,
    submission TEXT NOT NULL, made REAL NOT NULL, checksum TEXT NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS standing (
    assignment TEXT NOT NULL, student TEXT NOT NULL, notebook TEXT NOT NULL,
    handed_in TEXT NOT NULL, filed TEXT NOT NULL, key TEXT NOT NULL, context TEXT NOT NULL,
    level TEXT NOT NULL, submission TEXT NOT NULL, report TEXT NOT NULL,
    PRIMARY KEY (assignment, student, notebook)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (
    assignment TEXT NOT NULL, student TEXT NOT NULL, made_from TEXT NOT NULL,
    PRIMARY KEY (assignment, student)) WITHOUT ROWID;
"""
BUSY_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Standing:
    """What a student's graded notebook was made from: as long as that stands, so does it.

    Args:
        handed_in: digest of the files as handed in; `submission` of what is used of them.
        filed: digest of the graded notebook's file.
        report: the verdicts, as `Report.as_dict` gives them.
    """

    assignment: str
    student: str
    notebook: str
    handed_in: str
    filed: str
    key: str
    context: str
    level: str
    submission: str
    report: Mapping[str, Any]


@dataclass(frozen=True)
class Entry:
    """One result in the ledger. `made` is in seconds since 1970."""

    key: str
    notebook: str
    level: str
    context: str
    made: float
    stored_bytes: int


def digest_of_submission(submission: Submission) -> str:
    """Of what is used of a submission, and of what was noticed while reading it."""
    return _digest(json.dumps(asdict(submission), sort_keys=True).encode())


def key_of(context: str, submission: str, level: str) -> str:
    """The key of the result that this submission gets."""
    return _digest(f"{context} {submission} {level}".encode())


class Ledger:
    """The ledger in one file, made where there is none. A context manager.

    Args:
        say: told, in words, of every entry that is damaged.

    Raises:
        LedgerError: the file cannot be read or written.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path, self.say = path, say
        path.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):  # whose results these are is nobody's business
            os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o600))
        try:
            self._open()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise self._failure(error) from error
            self._put_aside()
            self._open()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def context(self, about: Mapping[str, Any]) -> str:
        """The id of what all submissions of a notebook are graded with; it is kept for `why`."""
        text = json.dumps(about, sort_keys=True)
        name = _digest(text.encode())
        with self._transaction() as connection:
            connection.execute("INSERT OR IGNORE INTO context VALUES (?, ?)", (name, text))
        return name

    def about(self, context: str) -> dict[str, Any] | None:
        """What a context was made of."""
        row = self._one("SELECT about FROM context WHERE id = ?", (context,))
        return None if row is None else dict(json.loads(row[0]))

    def get(self, key: str) -> Graded | None:
        """The result with this key; None if there is none, or it is damaged."""
        row = self._one("SELECT checksum, data FROM result WHERE key = ?", (key,))
        if row is None:
            return None
        try:
            return _unpacked(key, *row)
        except LedgerError as error:
            self.say(f"{error}: it is graded again")
            return None

    def put(self, key: str, context: str, notebook: str, submission: str, graded: Graded) -> None:
        """Keep a result, in place of another one with this key."""
        data = zlib.compress(graded_to_bytes(graded), level=3)
        level = graded.report.sandbox
        row = (key, context, notebook, level, submission, time.time(), _checksum(key, data), data)
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO result VALUES (?,?,?,?,?,?,?,?)", row)

    def standings(self, assignment: str, student: str) -> dict[str, Standing]:
        """What a student's graded notebooks were made from, by notebook."""
        query = "SELECT * FROM standing WHERE assignment = ? AND student = ?"
        with self._transaction() as connection:
            rows = connection.execute(query, (assignment, student)).fetchall()
        names = [field.name for field in fields(Standing)]
        found = [dict(zip(names, row, strict=True)) for row in rows]
        return {
            data["notebook"]: Standing(**{**data, "report": json.loads(data["report"])})
            for data in found
        }

    def stand(self, standings: Sequence[Standing]) -> None:
        """Note what all graded notebooks of some students were made from."""
        rows = [(*list(vars(s).values())[:-1], json.dumps(s.report)) for s in standings]
        students = {(s.assignment, s.student) for s in standings}
        with self._transaction() as connection:
            delete = "DELETE FROM standing WHERE assignment = ? AND student = ?"
            connection.executemany(delete, sorted(students))
            marks = ",".join("?" * 10)
            connection.executemany(f"INSERT INTO standing VALUES ({marks})", rows)

    def page(self, assignment: str, student: str) -> str:
        """The digest of what a student's feedback was made from; empty if none was made."""
        query = "SELECT made_from FROM page WHERE assignment = ? AND student = ?"
        row = self._one(query, (assignment, student))
        return "" if row is None else str(row[0])

    def note_page(self, assignment: str, student: str, made_from: str) -> None:
        """Note what the feedback was made from that has taken its place."""
        row = (assignment, student, made_from)
        with self._transaction() as connection:
            connection.execute("INSERT OR REPLACE INTO page VALUES (?, ?, ?)", row)

    def entries(self) -> Iterator[Entry]:
        """All results, the oldest first."""
        query = "SELECT key, notebook, level, context, made, length(data) FROM result ORDER BY made"
        with self._transaction() as connection:
            rows = connection.execute(query).fetchall()
        yield from (Entry(*row) for row in rows)

    def in_use(self) -> set[str]:
        """Keys of the results that stand in the gradebook."""
        with self._transaction() as connection:
            return {row[0] for row in connection.execute("SELECT DISTINCT key FROM standing")}

    def damaged(self) -> Iterator[str]:
        """What is wrong with the file and its results, in words."""
        with self._transaction() as connection:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            keys = [row[0] for row in connection.execute("SELECT key FROM result")]
        yield from (f"the file is damaged: {problem}" for problem in found if problem != "ok")
        for key in keys:
            row = self._one("SELECT checksum, data FROM result WHERE key = ?", (key,))
            try:
                if row is not None:
                    _unpacked(key, *row)
            except LedgerError as error:
                yield str(error)

    def prune(self, keep: set[str]) -> int:
        """Remove all results but these; how many went."""
        with self._transaction() as connection:
            found = [row[0] for row in connection.execute("SELECT key FROM result")]
            gone = [(key,) for key in found if key not in keep]
            connection.executemany("DELETE FROM result WHERE key = ?", gone)
            used = "SELECT context FROM result UNION SELECT context FROM standing"
            connection.execute(f"DELETE FROM context WHERE id NOT IN ({used})")
        self.connection.execute("VACUUM")
        return len(gone)

    def _open(self) -> None:
        self.connection = sqlite3.connect(self.path, BUSY_TIMEOUT_S, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.executescript(SCHEMA)

    def _put_aside(self) -> None:
        self.connection.close()
        aside = self.path.with_name(f"{self.path.name}.damaged")
        self.path.rename(aside)
        for name in ("-wal", "-shm"):
            self.path.with_name(f"{self.path.name}{name}").unlink(missing_ok=True)
        self.say(f"the ledger is damaged: submissions are graded again (the old one: {aside})")

    def _one(self, query: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
        with self._transaction() as connection:
            row: tuple[Any, ...] | None = connection.execute(query, values).fetchone()
            return row

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self.connection.execute("BEGIN")
            yield self.connection
            self.connection.execute("COMMIT")
        except sqlite3.Error as error:
            with contextlib.suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
            raise self._failure(error) from error

    def _failure(self, error: sqlite3.Error) -> LedgerError:
        return LedgerError(
            "the ledger cannot be used (it may be removed: then all is graded again)",
            got=error,
            where=self.path,
        )


def _unpacked(key: str, checksum: str, data: bytes) -> Graded:
    if checksum != _checksum(key, data):
        raise LedgerError(f"the result {key[:12]} in the ledger is damaged")
    return graded_from_bytes(zlib.decompress(data))


def _checksum(key: str, data: bytes) -> str:
    return _digest(key.encode() + data)


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
