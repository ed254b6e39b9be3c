"""Results by what they were made from: what was graded once is not executed again.

A result's key is a digest of what is used of a submission, of the lesson with its tests and limits,
of the versions that graded, and of the sandbox it ran in. What a student's metadata or outputs say
does not matter. Beside the results stands, for every student, which of them is in the gradebook.

One SQLite file below the course's `.nbproctor`. Every row carries a checksum: one that does not fit
is said, and never used. A file that SQLite cannot read any more is moved aside, which is said, too,
and the run goes on with an empty one: what it held is graded again.
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
from typing import Any, Self, TypeVar

from nbproctor.course.notebook import Submission
from nbproctor.errors import LedgerError
from nbproctor.grading.grade import Graded
from nbproctor.grading.parcels import graded_from_bytes, graded_to_bytes

__all__ = ["Entry", "Ledger", "Standing", "digest_of_submission", "key_of", "problems_of"]

SCHEMA = """
CREATE TABLE IF NOT EXISTS context (id TEXT PRIMARY KEY, about TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS result (
    key TEXT PRIMARY KEY, context TEXT NOT NULL, notebook TEXT NOT NULL, level TEXT NOT NULL,
    submission TEXT NOT NULL, made REAL NOT NULL, data BLOB NOT NULL, checksum TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS standing (
    assignment TEXT NOT NULL, student TEXT NOT NULL, notebook TEXT NOT NULL,
    handed_in TEXT NOT NULL, filed TEXT NOT NULL, key TEXT NOT NULL, context TEXT NOT NULL,
    level TEXT NOT NULL, submission TEXT NOT NULL, report TEXT NOT NULL, checksum TEXT NOT NULL,
    PRIMARY KEY (assignment, student, notebook)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (
    assignment TEXT NOT NULL, student TEXT NOT NULL, made_from TEXT NOT NULL,
    checksum TEXT NOT NULL,
    PRIMARY KEY (assignment, student)) WITHOUT ROWID;
"""
TABLES = {"result": "key", "standing": "student", "page": "student"}
BUSY_TIMEOUT_S = 60.0
# What SQLite says of a file that is no database, is cut off, or has been written over; all else
# (a full disk, another process that does not let go) is no damage.
DAMAGE = (
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_IOERR_SHORT_READ,
)

T = TypeVar("T")
Row = tuple[Any, ...]


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
        say: told, in words, of everything that is damaged.

    Raises:
        LedgerError: the file cannot be read or written.
    """

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path, self.say = path, say
        self._contexts: dict[str, str] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._open()
        except sqlite3.Error as error:
            self._put_aside(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()

    def context(self, about: Mapping[str, Any]) -> str:
        """The id of what all submissions of a notebook are graded with; it is kept for `why`."""
        text = json.dumps(about, sort_keys=True)
        name = _digest(text.encode())
        self._contexts[name] = text
        self._write("INSERT OR IGNORE INTO context VALUES (?, ?)", [(name, text)])
        return name

    def about(self, context: str) -> dict[str, Any] | None:
        """What a context was made of."""
        for (about,) in self._read("SELECT about FROM context WHERE id = ?", context):
            if _digest_of(about) == context:
                return dict(json.loads(about))
        return None

    def get(self, key: str) -> Graded | None:
        """The result with this key; None if there is none, or it is damaged."""
        for row in self._read("SELECT * FROM result WHERE key = ?", key):
            try:
                return _unpacked(key, row)
            except LedgerError as error:
                self.say(f"{error}: it is graded again")
        return None

    def put(self, key: str, context: str, notebook: str, submission: str, graded: Graded) -> None:
        """Keep a result, in place of another one with this key."""
        data = zlib.compress(graded_to_bytes(graded), level=3)
        row = _checked(
            (key, context, notebook, graded.report.sandbox, submission, time.time(), data)
        )
        self._write(_insert("result", row, "OR REPLACE"), [row])

    def standings(self, assignment: str, student: str) -> dict[str, Standing]:
        """What a student's graded notebooks were made from, by notebook."""
        query = "SELECT * FROM standing WHERE assignment = ? AND student = ?"
        rows = list(filter(self._is_whole, self._read(query, assignment, student)))
        names = [field.name for field in fields(Standing)]
        found = [dict(zip(names, row[:-1], strict=True)) for row in rows]
        return {
            data["notebook"]: Standing(**{**data, "report": json.loads(data["report"])})
            for data in found
        }

    def stand(self, standings: Sequence[Standing]) -> None:
        """Note what all graded notebooks of some students were made from."""
        rows = [_checked((*list(vars(s).values())[:-1], json.dumps(s.report))) for s in standings]
        students = sorted({(s.assignment, s.student) for s in standings})

        def note(connection: sqlite3.Connection) -> None:
            delete = "DELETE FROM standing WHERE assignment = ? AND student = ?"
            connection.executemany(delete, students)
            if rows:
                connection.executemany(_insert("standing", rows[0]), rows)

        self._do(note)

    def page(self, assignment: str, student: str) -> str:
        """The digest of what a student's feedback was made from; empty if none was made."""
        query = "SELECT * FROM page WHERE assignment = ? AND student = ?"
        rows = filter(self._is_whole, self._read(query, assignment, student))
        return next((str(row[2]) for row in rows), "")

    def note_page(self, assignment: str, student: str, made_from: str) -> None:
        """Note what the feedback was made from that has taken its place."""
        row = _checked((assignment, student, made_from))
        self._write(_insert("page", row, "OR REPLACE"), [row])

    def entries(self) -> Iterator[Entry]:
        """All results, the oldest first."""
        query = "SELECT key, notebook, level, context, made, length(data) FROM result ORDER BY made"
        yield from (Entry(*row) for row in self._read(query))

    def in_use(self) -> set[str]:
        """Keys of the results that stand in the gradebook."""
        return {row[0] for row in self._read("SELECT DISTINCT key FROM standing")}

    def prune(self, keep: set[str]) -> int:
        """Remove all results but these; how many went."""

        def remove(connection: sqlite3.Connection) -> int:
            found = [row[0] for row in connection.execute("SELECT key FROM result")]
            gone = [(key,) for key in found if key not in keep]
            connection.executemany("DELETE FROM result WHERE key = ?", gone)
            used = "SELECT context FROM result UNION SELECT context FROM standing"
            connection.execute(f"DELETE FROM context WHERE id NOT IN ({used})")
            return len(gone)

        count = self._do(remove)
        try:
            self.connection.execute("VACUUM")
        except sqlite3.Error as error:
            self._put_aside(error)
        return count

    def _is_whole(self, row: Row) -> bool:
        if row == _checked(row[:-1]):
            return True
        self.say(f"what the ledger says of {row[1]} is damaged: it is looked at again")
        return False

    def _read(self, query: str, *values: Any) -> list[Row]:
        return self._do(lambda connection: connection.execute(query, values).fetchall())

    def _write(self, command: str, rows: Sequence[Row]) -> None:
        self._do(lambda connection: connection.executemany(command, rows))

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read or write in one transaction, in a new file where this one proves to be damaged."""
        try:
            return self._in_transaction(work)
        except sqlite3.Error as error:
            self._put_aside(error)
        try:
            return self._in_transaction(work)
        except sqlite3.Error as error:
            raise self._failure(error) from error

    def _in_transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            self.connection.execute("BEGIN")
            done = work(self.connection)
            self.connection.execute("COMMIT")
            return done
        except sqlite3.Error:
            with contextlib.suppress(sqlite3.Error):
                self.connection.execute("ROLLBACK")
            raise

    def _open(self) -> None:
        with contextlib.suppress(FileExistsError):  # whose results these are is nobody's business
            os.close(os.open(self.path, os.O_CREAT | os.O_EXCL, 0o600))
        self.connection = _connected(self.path)
        self.connection.execute("PRAGMA journal_mode=WAL")
        self.connection.execute("PRAGMA synchronous=NORMAL")
        self.connection.executescript(SCHEMA)
        insert = "INSERT OR IGNORE INTO context VALUES (?, ?)"
        self.connection.executemany(insert, self._contexts.items())

    def _put_aside(self, error: sqlite3.Error) -> None:
        """Go on with an empty file, if the error says that this one is damaged.

        Raises:
            LedgerError: it says something else.
        """
        if not _is_damage(error):
            raise self._failure(error) from error
        self.connection.close()
        aside = _free(self.path.with_name(f"{self.path.name}.damaged"))
        for end in ("", "-wal"):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(f"{self.path.name}{end}").rename(f"{aside}{end}")
        self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
        again = "submissions are graded again"
        self.say(f"the ledger is damaged ({error}): {again}. The damaged one is now {aside}")
        try:
            self._open()
        except sqlite3.Error as failure:
            raise self._failure(failure) from failure

    def _failure(self, error: sqlite3.Error) -> LedgerError:
        return LedgerError(
            "the ledger cannot be used (it may be removed: then all is graded again)",
            got=error,
            where=self.path,
        )


def problems_of(path: Path) -> Iterator[str]:
    """What is wrong with a ledger's file and its rows, in words. Nothing is changed."""
    with contextlib.closing(_connected(path)) as connection:
        try:
            found = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            yield from (f"the file is damaged: {problem}" for problem in found if problem != "ok")
            for name, about in connection.execute("SELECT * FROM context"):
                if _digest_of(about) != name:
                    yield f"what the ledger says of the lesson {name[:12]} is damaged"
            for table, column in TABLES.items():
                for row in connection.execute(f"SELECT {column}, * FROM {table}"):
                    if row[1:] != _checked(row[1:-1]):
                        yield f"the {table} of {str(row[0])[:12]} in the ledger is damaged"
        except sqlite3.Error as error:
            yield f"the file is damaged: {error}"


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, BUSY_TIMEOUT_S, isolation_level=None)


def _is_damage(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python's own: bytes that are no text, or a mistake of ours
        return type(error) is sqlite3.OperationalError
    return code in DAMAGE or code & 0xFF in DAMAGE


def _free(path: Path) -> Path:
    """The path, with a number where something stands there."""
    number = 1
    free = path
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}-{number}")
    return free


def _insert(table: str, row: Row, how: str = "") -> str:
    return f"INSERT {how} INTO {table} VALUES ({','.join('?' * len(row))})"


def _unpacked(key: str, row: Row) -> Graded:
    if row[0] != key or row != _checked(row[:-1]):
        raise LedgerError(f"the result {key[:12]} in the ledger is damaged")
    return graded_from_bytes(zlib.decompress(row[-2]))


def _checked(values: Row) -> Row:
    """A row with its checksum behind it."""
    plain = json.dumps([None if isinstance(value, bytes) else value for value in values])
    data = b"".join(value for value in values if isinstance(value, bytes))
    return (*values, _digest(plain.encode() + data))


def _digest_of(text: object) -> str:
    """Of what should be text."""
    return _digest(str(text).encode())


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
