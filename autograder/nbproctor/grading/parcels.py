"""Lessons, submissions and results as a header for JSON and raw bytes, and back."""

import json
from dataclasses import asdict
from typing import Any

from nbproctor.config import limits_from
from nbproctor.course.notebook import HandedIn
from nbproctor.course.records import report_from
from nbproctor.grading.grade import Graded
from nbproctor.grading.work import Done, Job, LessonPack, PageJob, Task
from nbproctor.sandbox.plan import Level

__all__ = [
    "done_from_bytes",
    "graded_from_bytes",
    "graded_to_bytes",
    "job_from_parcel",
    "job_to_parcel",
    "pack_from_parcel",
    "pack_to_parcel",
]

Header = dict[str, Any]


def pack_to_parcel(pack: LessonPack) -> tuple[Header, list[bytes]]:
    header = {
        "name": pack.name,
        "limits": asdict(pack.limits),
        "sandbox": str(pack.sandbox),
        "files": list(pack.files),
    }
    return header, [pack.source, pack.release, *pack.files.values()]


def pack_from_parcel(header: Header, parts: list[bytes]) -> LessonPack:
    source, release, *files = parts
    return LessonPack(
        name=header["name"],
        source=source,
        release=release,
        files=dict(zip(header["files"], files, strict=True)),
        limits=limits_from(header["limits"]),
        sandbox=Level(header["sandbox"]),
    )


def job_to_parcel(job: Task) -> tuple[Header, list[bytes]]:
    header = {"student": job.student, "notebook": job.notebook}
    if isinstance(job, PageJob):
        return header, [job.graded, job.order]
    handed_in = job.handed_in
    told = {"unreadable": handed_in.unreadable, "variant": dict(handed_in.variant)}
    return header | told, [handed_in.data]


def job_from_parcel(header: Header, parts: list[bytes]) -> Task:
    student, notebook, data = header["student"], header["notebook"], parts[0]
    if "unreadable" not in header:
        return PageJob(student, notebook, data, order=parts[1])
    return Job(student, notebook, HandedIn(data, header["unreadable"], header["variant"]))


def done_from_bytes(job: Task, data: bytes) -> Done:
    """A job whose result, or page, are these bytes.

    Raises:
        ValueError, KeyError, TypeError: they are no result.
    """
    if isinstance(job, PageJob):
        return Done(job, page=data)
    return Done(job, graded_from_bytes(data))


def graded_to_bytes(graded: Graded) -> bytes:
    """A result as JSON text."""
    data = {"notebook": graded.notebook, "report": graded.report.as_dict()}
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()


def graded_from_bytes(data: bytes) -> Graded:
    """A result from its JSON text.

    Raises:
        ValueError, KeyError, TypeError: this is no result.
    """
    found = json.loads(data)
    return Graded(found["notebook"], report_from(found["report"]))
