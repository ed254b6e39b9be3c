"""A node's part of grading on a cluster: what runs inside a Dask worker.

The functions are called by the grader, as Dask tasks on one named worker each. What travels are
plain values and bytes, also where something fails: Dask's client never hears the end of a task
whose traceback cannot be pickled. Nothing here needs Dask.

A process grades one submission at a time, whatever number of threads Dask gives it: a second one
waits. So a worker is started with one thread, and a machine gets as many workers as it has cores.
"""

import threading
import traceback
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from nbproctor.course.notebook import HandedIn
from nbproctor.errors import NbproctorError, SandboxError, in_words
from nbproctor.grading.parcels import graded_to_bytes, pack_from_parcel
from nbproctor.grading.versions import versions
from nbproctor.grading.work import Grader, LessonPack
from nbproctor.sandbox.plan import Level
from nbproctor.sandbox.process import strongest_level

__all__ = ["Answer", "describe", "grade", "make_page", "nothing", "take_in"]

MAX_LESSONS = 16  # unpacked at the same time, of all graders that use this worker

_one_at_a_time = threading.Lock()
_graders: OrderedDict[str, Grader] = OrderedDict()


class Answer(StrEnum):
    """What a node says when it was asked to grade."""

    GRADED = "graded"
    """A result follows, or a page; an empty page could not be made here."""
    FAILED = "failed"
    """No verdict would be fair; the reason follows. The node may be at fault."""
    MISTAKE = "mistake"
    """The grader has one; what was raised follows."""
    UNFIT = "unfit"
    """The node cannot confine student code any more; the reason follows."""
    UNKNOWN = "unknown"
    """The node does not have the lesson: it was started anew, or has seen too many others."""


def describe(libraries: Sequence[str], least: str) -> tuple[dict[str, str], str]:
    """The versions that grade here, and why there is no sandbox as strong as `least`, or ''."""
    with _one_at_a_time:
        try:
            strongest_level(Level(least))
            return versions(libraries), ""
        except Exception as error:
            return versions(libraries), in_words(error)


def nothing() -> None:
    """What an adaptive cluster without a worker is asked to do: it is asked, so that one comes."""


def take_in(parcels: Sequence[tuple[dict[str, Any], list[bytes]]]) -> str:
    """Unpack lessons, once for this process. Why that could not be done, or ''."""
    try:
        with _one_at_a_time:
            for header, parts in parcels:
                _unpack(pack_from_parcel(header, parts))
            while len(_graders) > max(MAX_LESSONS, len(parcels)):
                _, oldest = _graders.popitem(last=False)
                oldest.__exit__(None, None, None)
    except Exception as error:
        return in_words(error)
    return ""


def _unpack(pack: LessonPack) -> None:
    if pack.digest not in _graders:
        _graders[pack.digest] = Grader(pack)
    _graders.move_to_end(pack.digest)


def grade(
    lesson: str, data: bytes, unreadable: str, variant: Mapping[str, Any]
) -> tuple[str, str, bytes]:
    """Grade what was handed in for the lesson with this digest: an answer, why, the result."""
    with _one_at_a_time:
        grader = _graders.get(lesson)
        if grader is None:
            return Answer.UNKNOWN, "", b""
        try:
            graded = grader.grade(HandedIn(data, unreadable, variant))
        except SandboxError as error:
            return Answer.UNFIT, str(error), b""
        except NbproctorError as error:
            return Answer.FAILED, str(error), b""
        except Exception as error:
            traceback.print_exc()
            return Answer.MISTAKE, in_words(error), b""
        return Answer.GRADED, "", graded_to_bytes(graded)


def make_page(order: bytes, graded: bytes) -> tuple[str, str, bytes]:
    """Make the feedback page of a graded notebook: an answer as `grade` gives it."""
    with _one_at_a_time:
        from nbproctor.store.pages import page_or_nothing  # takes nbgrader, which grading does not

        return Answer.GRADED, "", page_or_nothing(order, graded)
