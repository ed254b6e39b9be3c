"""A worker: `python -I -m nbproctor.crew.worker FD [MODULE ...]` grades what comes over a socket.

It does one thing after another. Where modules are named, the fork-server imports them at once. It
has read a lesson once when it grades its first submission, and holds no gradebook. It ends when the
process at the other end does, or at SIGTERM, and then leaves nothing behind.
"""

import os
import queue
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from nbproctor.config import Limits
from nbproctor.crew.frames import receive, send
from nbproctor.errors import NbproctorError
from nbproctor.grading.parcels import graded_to_bytes, job_from_parcel, pack_from_parcel
from nbproctor.grading.work import Grader, Job, LessonPack, PageJob, Task
from nbproctor.sandbox import syscalls
from nbproctor.sandbox.forkserver import warm_server
from nbproctor.unused import leave_out

__all__ = ["main"]

LAST_WORDS_S = 10.0

Message = tuple[dict[str, Any], list[bytes]]


def main() -> None:
    """Serve the socket whose descriptor stands on the command line."""
    leave_out()
    crew = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGTERM, _end)
    if syscalls.IS_LINUX:
        syscalls.set_parent_death_signal(signal.SIGTERM)
    inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(crew, inbox), daemon=True).start()
    if modules := sys.argv[2:]:
        warm_server(modules, Limits().start_timeout_s)
    with ExitStack() as until_the_end:
        _serve(crew, inbox, until_the_end)


def _serve(
    crew: socket.socket, inbox: "queue.SimpleQueue[Message]", until_the_end: ExitStack
) -> None:
    packs: dict[str, LessonPack] = {}
    graders: dict[str, Grader] = {}
    send(crew, {"kind": "ready"})
    while True:
        header, parts = inbox.get()
        if header["kind"] == "pack":
            pack = pack_from_parcel(header, parts)
            packs[pack.name] = pack
            continue
        job = job_from_parcel(header, parts)
        if isinstance(job, Job) and job.notebook not in graders:
            grader = Grader(packs[job.notebook])
            graders[job.notebook] = until_the_end.enter_context(grader)
        error, result = _done(graders, job)
        send(crew, {"kind": "done", "error": error}, result)


def _done(graders: Mapping[str, Grader], job: Task) -> tuple[str, bytes]:
    """Why there is no result, or the result."""
    if isinstance(job, PageJob):
        from nbproctor.store.pages import page_or_nothing  # takes nbgrader, which grading does not

        return "", page_or_nothing(job.order, job.graded)
    try:
        return "", graded_to_bytes(graders[job.notebook].grade(job.handed_in))
    except NbproctorError as error:
        return str(error), b""
    except Exception as error:  # a mistake of the grader's own: the others' work goes on
        traceback.print_exc()
        return f"the grader failed: {type(error).__name__}: {error}", b""


def _listen(crew: socket.socket, inbox: "queue.SimpleQueue[Message]") -> None:
    """Take in what comes, also while a submission is graded; then end the process."""
    while (message := receive(crew)) is not None:
        inbox.put(message)
    os.kill(os.getpid(), signal.SIGTERM)


def _end(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.setitimer(signal.ITIMER_REAL, LAST_WORDS_S)  # and then the default: the process ends
    sys.exit(1)


if __name__ == "__main__":
    main()
