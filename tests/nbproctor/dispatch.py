"""What a cluster costs besides grading: `python tests/nbproctor/dispatch.py [COUNT [WORKERS]]`.

Workers answer with one and the same result of a real lesson, at once. What remains is what the
scheduler and the grader's process do for each submission: CPU time, bytes, memory. CPU time says
where they saturate, however busy the machine is. A class of a tenth of COUNT is then graded by
`nbproctor grade`, which also writes graded notebooks, gradebook and ledger.
"""

import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from clusters import running
from nbformat.v4 import new_code_cell

from nbproctor.config import Limits
from nbproctor.course.notebook import HandedIn
from nbproctor.crew.cluster import ClusterCrew
from nbproctor.crew.cluster_settings import Cluster
from nbproctor.grading.parcels import graded_to_bytes, pack_to_parcel
from nbproctor.grading.work import Grader, Job, LessonPack
from nbproctor.sandbox.plan import Level
from nbproctor.store.gradebook import Course

ROOT = Path(__file__).parents[2]
LESSON = "02_residual_block"
PARTS = 4
CANNED = """
from pathlib import Path
from nbproctor.grading.parcels import graded_from_bytes
from nbproctor.grading.work import Grader
result = graded_from_bytes(Path({path!r}).read_bytes())
Grader.grade = lambda self, handed_in, result=result: result
"""


def main() -> None:
    """Measure, and print a table."""
    count, workers = (int(word) for word in [*sys.argv[1:], "4000", "2"][:2])
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        pack, data, result = example()
        (folder / "result").write_bytes(result)
        preload = folder / "canned.py"
        preload.write_text(CANNED.format(path=str(folder / "result")))
        lesson = sum(len(part) for part in pack_to_parcel(pack)[1])
        print(f"bytes: lesson {lesson}, submission {len(data)}, result {len(result)}")
        with running(folder / "cluster") as hosts:
            for _ in range(workers):
                hosts.add("--preload", str(preload))
            with ClusterCrew({LESSON: pack}, Cluster(address=hosts.address), print) as crew:
                watch(crew, hosts.scheduler.pid, data, count)
            grade_class(folder / "course", hosts.address, data, count // 10)


def example() -> tuple[LessonPack, bytes, bytes]:
    """A lesson, a submission (its own solution) and the result of that."""
    source, release = (
        ROOT / name / LESSON / f"{LESSON}.ipynb" for name in ("solutions", "notebooks")
    )
    pack = LessonPack.read(source, release, Limits(), Level.REDUCED)
    notebook = json.loads(source.read_bytes())
    for cell in notebook["cells"]:
        if "outputs" in cell:
            cell["outputs"] = []
    data = json.dumps(notebook).encode()
    with Grader(pack) as grader:
        return pack, data, graded_to_bytes(grader.grade(HandedIn(data)))


def watch(crew: ClusterCrew, scheduler: int, data: bytes, count: int) -> None:
    """Grade, and say after each part what it took."""
    jobs: Iterator[Job] = (Job(f"s{n}", LESSON, HandedIn(data)) for n in range(count))
    print("submissions  per second  scheduler ms, MiB   grader ms, MiB   (CPU for each; memory)")
    before = None
    for done, item in enumerate(crew.grade(jobs), 1):
        assert item.graded is not None, item.error
        if before is None or done % (count // PARTS) == 0:
            now = (done, time.monotonic(), cpu_s(scheduler), cpu_s(os.getpid()))
            if before is not None:
                n, wall, theirs, ours = (b - a for a, b in zip(before, now, strict=True))
                memory = memory_mib(scheduler), memory_mib(os.getpid())
                print(f"{done:11}  {n / wall:10.0f}", end="")
                print(f"  {1e3 * theirs / n:12.2f}, {memory[0]:3.0f}", end="")
                print(f"  {1e3 * ours / n:9.2f}, {memory[1]:3.0f}", flush=True)
            before = now


def grade_class(folder: Path, address: str, data: bytes, count: int) -> None:
    """The same through the command, and what it leaves on the disk."""
    shutil.copytree(ROOT / "solutions" / LESSON, folder / "solutions" / LESSON)
    shutil.copy(ROOT / "nbgrader_config.py", folder)
    course = Course(folder)
    course.release(LESSON)
    for n in range(count):
        place = folder / "submitted" / f"s{n:05}" / LESSON
        place.mkdir(parents=True)
        notebook = json.loads(data)
        notebook["cells"].append(new_code_cell(f"# {n}"))  # no two are the same
        (place / f"{LESSON}.ipynb").write_text(json.dumps(notebook))
        (place / "timestamp.txt").write_text("2026-11-20 10:00:00 UTC")
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    before = used.ru_utime + used.ru_stime, *sizes(folder)
    command = [
        sys.executable,
        "-m",
        "nbproctor.commands.cli",
        "grade",
        LESSON,
        "--scheduler",
        address,
    ]
    began = time.monotonic()
    subprocess.run([*command, "--quiet"], cwd=folder, check=True)
    wall = time.monotonic() - began
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    after = used.ru_utime + used.ru_stime, *sizes(folder)
    cpu, book, ledger, files = ((b - a) / count for a, b in zip(before, after, strict=True))
    print(
        f"nbproctor grade, {count} submissions: {count / wall:.0f} per second, {1e3 * cpu:.1f} ms,"
    )
    print(f"KiB each: gradebook {book:.1f}, ledger {ledger:.1f}, graded notebooks {files:.1f};")
    print(f"{used.ru_maxrss / 1024:.0f} MiB at most (CPU time and memory with its start)")


def sizes(folder: Path) -> tuple[float, float, float]:
    """KiB of the gradebook, of the ledger, of the graded notebooks."""
    patterns = "gradebook.db*", ".nbproctor/ledger*", "autograded/**/*"
    found = ([p.stat().st_size for p in folder.glob(x) if p.is_file()] for x in patterns)
    book, ledger, files = (sum(each) / 1024 for each in found)
    return book, ledger, files


def cpu_s(pid: int) -> float:
    """CPU time of a process until now."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
