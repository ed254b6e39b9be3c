"""How soon a single submission has its verdict, from a worker that is warm.

Run as `python -m nbproctor.bench.latency SOURCE RELEASE SUBMISSION...`; see `main`.
"""

import json
import sys
import time
from pathlib import Path

from nbproctor.config import Limits
from nbproctor.course.notebook import read_handed_in
from nbproctor.crew.pool import LocalCrew
from nbproctor.errors import GraderError
from nbproctor.grading.work import Job, LessonPack
from nbproctor.sandbox.plan import Level

__all__ = ["main"]


def main(arguments: list[str]) -> None:
    """Hand submissions to one worker, each when the one before is done; print seconds as JSON."""
    source, release, *submissions = map(Path, arguments)
    limits, took = Limits(), list[float]()
    pack = LessonPack.read(source, release, limits, Level.REDUCED)
    with LocalCrew({pack.name: pack}, workers=1) as crew:
        for path in submissions:
            job = Job(path.parts[-3], pack.name, read_handed_in(path, limits))
            began = time.monotonic()
            (done,) = crew.grade([job])
            took.append(time.monotonic() - began)
            if done.graded is None:
                raise GraderError("a submission has no verdict", got=done.error)
    print(json.dumps({"first_s": took[0], "later_s": took[1:]}))


if __name__ == "__main__":
    main(sys.argv[1:])
