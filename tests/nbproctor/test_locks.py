"""The lock of a course: who comes second waits, and is told who is at work."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from nbproctor.errors import ConfigError
from nbproctor.store import locks
from nbproctor.store.locks import course_lock
from nbproctor.store.places import LOCK

HOLDER = """
import sys, time
from pathlib import Path
from nbproctor.store.locks import course_lock
with course_lock(Path(sys.argv[1]), "grading all night"):
    print("held", flush=True)
    time.sleep(600)
"""


@contextmanager
def holder(course: Path) -> "Iterator[subprocess.Popen[str]]":
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLDER, str(course)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_who_comes_second_is_told_who_is_at_work(tmp_path: Path) -> None:
    (tmp_path / LOCK).parent.mkdir()
    (tmp_path / LOCK).write_text("process 1 (something that took much longer to say, long ago)")
    with (
        holder(tmp_path) as process,
        pytest.raises(ConfigError) as caught,
        course_lock(tmp_path, "a test", wait_s=0.3),
    ):
        pytest.fail("two hold it")
    said = str(caught.value)
    assert f"got: process {process.pid} (grading all night)\n" in said
    assert "expected: that it ends within 0.3 s" in said and f"where: {tmp_path}" in said


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_ends_with_its_process_and_is_waited_for(tmp_path: Path, how: int) -> None:
    with holder(tmp_path) as process:
        timer = threading.Timer(0.5, process.send_signal, [how])
        timer.start()
        with course_lock(tmp_path, "a test", wait_s=60):
            assert (tmp_path / LOCK).read_text() == f"process {os.getpid()} (a test)"
        timer.join()


def test_a_lock_is_given_back_also_after_an_error(tmp_path: Path) -> None:
    opened = set(os.listdir("/dev/fd"))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), course_lock(tmp_path, "a test", wait_s=0):
            raise ZeroDivisionError
    assert set(os.listdir("/dev/fd")) == opened


def test_no_program_that_is_started_meanwhile_holds_it_on(tmp_path: Path) -> None:
    with course_lock(tmp_path, "a test"):
        started = subprocess.Popen(["sleep", "600"], close_fds=False)
    try:
        with course_lock(tmp_path, "another", wait_s=0):
            pass
    finally:
        started.kill()
        started.wait()


def test_a_file_system_without_locks_is_named_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(file: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", flock)
    began = time.monotonic()
    with (
        pytest.raises(ConfigError, match=r"cannot be locked(.|\n)*not supported"),
        course_lock(tmp_path, "a test", wait_s=60),
    ):
        pass
    assert time.monotonic() - began < 30


def test_a_lock_that_another_instructor_made_is_held_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It can be read, and not written; that nobody can see who holds it, is no reason to stop."""
    (tmp_path / LOCK).parent.mkdir()
    (tmp_path / LOCK).write_text("theirs")
    opened = os.open

    def read_only(path: Path, flags: int, *mode: int) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, *mode)

    monkeypatch.setattr(locks.os, "open", read_only)
    with course_lock(tmp_path, "a test"):
        assert (tmp_path / LOCK).read_text() == "theirs"
        with (
            pytest.raises(ConfigError, match="another process"),
            course_lock(tmp_path, "another", wait_s=0),
        ):
            pass


def test_a_course_that_cannot_be_locked_says_so(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir(parents=True)
    (tmp_path / "file").touch()
    for course, where in ((tmp_path, tmp_path / LOCK), (tmp_path / "file", tmp_path / "file")):
        with (
            pytest.raises(ConfigError, match="the course cannot be locked") as caught,
            course_lock(course, "a test"),
        ):
            pass
        assert f"where: {where}" in str(caught.value)
