"""Gradebooks to compare: real SQLite files, and databases of a real PostgreSQL server."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from nbgrader import api
from sqlalchemy import NullPool, create_engine, select

# Debian puts these programs into no PATH.
FOLDERS = [os.environ.get("PATH", ""), *sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))]


def _program(name: str) -> str:
    """Where a program of PostgreSQL's is; the test is left out where there is none."""
    found = shutil.which(name, path=os.pathsep.join(FOLDERS))
    if found is None:
        pytest.skip(f"needs PostgreSQL's {name} (.ci/run installs it)")
    return found


class Server:
    """A PostgreSQL server that is reached through a socket in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.count = folder, 0
        self._admin = create_engine(
            self._url("postgres"), isolation_level="AUTOCOMMIT", poolclass=NullPool
        )

    def new_database(self) -> str:
        """The address of an empty database, as nbgrader's `db_url` takes it."""
        self.count += 1
        with self._admin.connect() as c:
            c.exec_driver_sql(f"CREATE DATABASE gradebook_{self.count}")
        return self._url(f"gradebook_{self.count}")

    def _url(self, database: str) -> str:
        return f"postgresql+psycopg://grader@/{database}?host={self.folder}"


@contextmanager
def running_server() -> Iterator[Server]:
    """A server of our own. PostgreSQL refuses root: then it runs as another user."""
    initdb, postgres = _program("initdb"), _program("postgres")
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # paths of sockets must be short
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        other = pwd.getpwnam("nobody")
        os.chown(folder, other.pw_uid, other.pw_gid)
        who = {"user": other.pw_uid, "group": other.pw_gid, "extra_groups": []}
    data = str(folder / "data")
    making = [initdb, "-D", data, "-U", "grader", "--auth=trust", "--no-sync"]
    subprocess.run(making, check=True, capture_output=True, cwd=folder, **who)
    settings = ["-k", str(folder), "-c", "listen_addresses=", "-c", "fsync=off"]
    log = (folder / "log").open("wb")
    with (
        log,
        subprocess.Popen(
            [postgres, "-D", data, *settings], stderr=log, stdout=log, cwd=folder, **who
        ) as process,
    ):
        try:
            _await(folder)
            yield Server(folder)
        finally:
            process.send_signal(signal.SIGINT)  # at once, whoever is connected
            process.wait(60)
            shutil.rmtree(folder)


def _await(folder: Path) -> None:
    deadline = time.monotonic() + 60
    url = f"postgresql+psycopg://grader@/postgres?host={folder}"
    engine = create_engine(url, poolclass=NullPool)
    while True:
        try:
            return engine.connect().close()
        except Exception:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def rows_of(db_url: str) -> dict[str, list[tuple[Any, ...]]]:
    """All that a gradebook says of students, with names in place of random ids."""
    submission, notebook = api.SubmittedAssignment.__table__, api.SubmittedNotebook.__table__
    student, cell = api.Student.__table__, api.BaseCell.__table__
    names = (
        select(
            notebook.c.id,
            api.Assignment.name.label("assignment"),
            submission.c.student_id,
            api.Notebook.name.label("notebook"),
        )
        .select_from(notebook)
        .join(submission, submission.c.id == notebook.c.assignment_id)
        .join(api.Notebook, api.Notebook.id == notebook.c.notebook_id)
        .join(api.Assignment, api.Assignment.id == submission.c.assignment_id)
        .subquery()
    )
    whose = (names.c.assignment, names.c.student_id, names.c.notebook)
    queries = {
        "students": select(student),
        "submissions": select(
            api.Assignment.name,
            submission.c.student_id,
            submission.c.timestamp,
            submission.c.extension,
        ).join_from(submission, api.Assignment.__table__),
        "notebooks": select(
            *whose, notebook.c.flagged, notebook.c.late_submission_penalty
        ).join_from(notebook, names, names.c.id == notebook.c.id),
    }
    for name, table in (("grades", api.Grade.__table__), ("comments", api.Comment.__table__)):
        own = [c for c in table.c if c.name not in ("id", "notebook_id", "cell_id")]
        queries[name] = (
            select(*whose, cell.c.name, cell.c.type, *own)
            .join_from(table, names, names.c.id == table.c.notebook_id)
            .join(cell, cell.c.id == table.c.cell_id)
        )
    engine = create_engine(db_url, poolclass=NullPool)
    with engine.connect() as connection:
        found = {k: [tuple(r) for r in connection.execute(q)] for k, q in queries.items()}
    return {name: sorted(rows, key=repr) for name, rows in found.items()}
