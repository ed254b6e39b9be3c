"""A class with secrets in every corner, one hostile student in it, and a look at what came out."""

import csv
import json
import os
import re
import secrets
import shutil
import signal
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus import Attack
from lessons import (
    ATTACKER,
    EARLIER,
    NEIGHBOUR,
    POINTS,
    WHEN,
    Secrets,
    furnish,
    hand_in_honestly,
    our_config,
)
from outcome import Outcome
from watch import (
    Ears,
    active_content,
    adopt_orphans,
    files_below,
    named_files,
    peak_memory,
    processes,
    reset_peak_memory,
    segments,
    survivors,
    walk,
)

__all__ = ["Arena", "Run"]

VARIABLE = "GRADER_TOKEN"
TERMINAL_SIGNS = (b"\x1b", "\x9b".encode())


@dataclass(frozen=True)
class Run:
    """How the grading of one hostile submission, and then of an honest one, went."""

    seconds: float
    failure: str = ""
    neighbours_failure: str = ""
    survivors: tuple[str, ...] = ()


class Arena:
    """Courses with secrets, in which one hostile submission after another is graded.

    Until `close` this process has another HOME and TMPDIR, and adopts orphaned processes.

    Args:
        config: nbgrader_config.py for a lesson.
    """

    def __init__(self, config: Callable[[str], str] = our_config) -> None:
        self.config = config
        self.folder = Path(tempfile.mkdtemp(prefix="nbh-")).resolve()
        self.secrets, self.mark = Secrets(), f"nbh{secrets.token_hex(5)}"
        self.boast, self.key = f"boast{secrets.token_hex(5)}", secrets.randbits(30) | 1
        self.home, self.scratch = self.folder / "home", self.folder / "tmp"
        for place in (self.home, self.scratch):
            place.mkdir()
        (self.home / "notes.txt").write_text(self.secrets.home)
        self._environment = self._enter()
        self.signals = list[str]()
        signal.signal(signal.SIGURG, lambda *_: self.signals.append("a signal"))
        self.ears = Ears(self.folder / "ears")
        self.courses: dict[str, Any] = {}
        self.released: dict[str, Any] = {}
        self.before: dict[tuple[int, int], str] = {}

    def _enter(self) -> dict[str, str]:
        kept = dict(os.environ)
        cache = os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))
        own = {"HOME": str(self.home), "TMPDIR": str(self.scratch), "XDG_CACHE_HOME": cache}
        os.environ.update({**own, VARIABLE: self.secrets.variable})
        tempfile.tempdir = None
        adopt_orphans()
        return kept

    def close(self) -> None:
        os.environ.clear()
        os.environ.update(self._environment)
        tempfile.tempdir = None
        for place, names, _ in os.walk(self.folder):
            for name in names:
                os.chmod(os.path.join(place, name), 0o700, follow_symlinks=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def known(self, lesson: str) -> dict[str, str]:
        """What an attacker could at best know."""
        course = self.folder / lesson
        return {
            "MARK": self.mark,
            "BOAST": f'("{self.boast[:7]}" "{self.boast[7:]}")',  # printed whole, written in two
            "KEY": str(self.key),
            "COURSE": str(course),
            "SOLUTION": str(course / "solutions" / lesson / f"{lesson}.ipynb"),
            "NEIGHBOUR": str(course / "submitted" / NEIGHBOUR / lesson / f"{lesson}.ipynb"),
            "GRADEBOOK": str(course / "gradebook.db"),
            "HOME": str(self.home),
            "VARIABLE": VARIABLE,
            "PID": str(os.getpid()),
            "TCP": str(self.ears.tcp),
            "UDP": str(self.ears.udp),
            "UNIX": str(self.ears.path),
            "DATAGRAM": str(self.ears.datagrams),
        }

    def grade(self, attack: Attack) -> Outcome:
        """Hand in an attack, grade it, then an honest neighbour, and look around."""
        course, lesson = self.course(attack.lesson), attack.lesson
        for name in {"tiny", lesson}:
            self._forget(self.course(name), name)
        self.ears.heard.clear()
        self.signals.clear()
        refused = self._hand_in(attack, course)
        before = files_below(self.folder, but=self._own(course))
        memory = reset_peak_memory()
        with self._log() as log:
            run = self._run(course, attack)
        results = self._results(course, lesson)
        marks, others = self._marks(course, lesson)
        returned = self._returned(course, lesson, log)
        return Outcome(
            verdicts={r.grade_id: str(r.verdict) for r in results},
            marks=marks.get(ATTACKER, {}),
            seconds=run.seconds,
            failure=refused or run.failure,
            leaks=tuple(sorted(self._leaks(returned))),
            processes=run.survivors,
            files=self._left(before, course),
            reach=self._reached(returned),
            memory_bytes=peak_memory() - memory,
            page=tuple(self._active(course, returned, results, "page" in attack.never)),
            neighbour=run.neighbours_failure or self._neighbours_loss(lesson),
            others=others,
        )

    def _run(self, course: Any, attack: Attack) -> Run:
        """Grade the attacker, who may have handed in nothing, and then the neighbour."""
        began, failure = time.monotonic(), ""
        if (course.root / "submitted" / ATTACKER).exists():
            failure = self._try(course, "autograde", attack.lesson, ATTACKER)
            failure = failure or self._try(course, "generate_feedback", attack.lesson, ATTACKER)
        seconds = time.monotonic() - began
        remaining = survivors(self.before)
        worse = self._try(self.course("tiny"), "autograde", "tiny", NEIGHBOUR)
        return Run(seconds, failure, worse, remaining)

    def course(self, lesson: str) -> Any:
        """The course of a lesson, made when it is first asked for."""
        if lesson not in self.courses:
            folder = self.folder / lesson
            folder.mkdir()
            self.courses[lesson] = self._made(folder, lesson)
            self.before = processes()  # what stays on purpose has been started by now
        return self.courses[lesson]

    def _made(self, folder: Path, lesson: str) -> Any:
        course = self._released(folder, lesson)
        for student in (EARLIER, NEIGHBOUR):
            course.autograde(lesson, student)
        return course

    def _released(self, folder: Path, lesson: str) -> Any:
        from nbproctor.store.gradebook import Course

        self.released[lesson] = furnish(folder, lesson, self.secrets, self.config(lesson))
        return Course(folder)

    def _forget(self, course: Any, lesson: str) -> None:
        """What is left of the attack before this one, and the neighbour's marks."""
        from nbgrader.api import Gradebook

        with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
            for student in (ATTACKER, NEIGHBOUR):
                if student in {s.id for s in gradebook.students}:
                    gradebook.remove_student(student)
        for path in [*self._own(course), self.home]:
            if path.is_dir():
                shutil.rmtree(path)
        self._restore(course, lesson)

    def _restore(self, course: Any, lesson: str) -> None:
        """What an attack that got through has changed: the next one is judged by itself."""
        (self.home / ".ipython").mkdir(parents=True)  # nbgrader would make it
        (self.home / "notes.txt").write_text(self.secrets.home)
        hand_in_honestly(course.root, lesson, self.released[lesson], self.secrets)
        for path in map(Path, named_files(self.mark)):
            path.unlink()
        for pid, _ in set(processes()) - set(self.before):
            os.kill(pid, signal.SIGKILL)

    def _own(self, course: Any) -> list[Path]:
        """Where grading writes: the attacker's own folders, and what nbgrader keeps."""
        steps = ("submitted", "autograded", "feedback")
        theirs = [course.root / step / ATTACKER for step in steps]
        kept = ("autograded/zoe", "downloaded", "feedback", "gradebook.db", "grades.csv")
        lock = ".nbproctor/grade.lock"
        roots = {course.root, self.folder / "tiny"}
        names = [root / name for root in roots for name in (*kept, lock)]
        return [*theirs, *names, self.folder / "out.log"]

    def _hand_in(self, attack: Attack, course: Any) -> str:
        """Hand in an attack, by itself or in an archive; why collecting failed, if it did."""
        from nbproctor.errors import GradebookError

        released, known = self.released[attack.lesson], self.known(attack.lesson)
        if not attack.by_archive:
            submitted = course.root / "submitted" / ATTACKER / attack.lesson
            submitted.mkdir(parents=True)
            (submitted / "timestamp.txt").write_text(WHEN)
            attack.hand_in(released, submitted, known)
            return ""
        archive = course.root / "downloaded" / attack.lesson / "archive"
        archive.mkdir(parents=True)
        attack.hand_in(released, archive, known)
        try:
            course.zip_collect(attack.lesson)
        except GradebookError as error:
            return str(error)
        return ""

    @contextmanager
    def _log(self) -> Iterator[Path]:
        """Whatever this process and its children print, in a file."""
        path = self.folder / "out.log"
        kept = [os.dup(1), os.dup(2)]
        with path.open("wb") as file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            try:
                yield path
            finally:
                for number, old in zip((1, 2), kept, strict=True):
                    os.dup2(old, number)
                    os.close(old)

    def _try(self, course: Any, step: str, lesson: str, student: str) -> str:
        """Run one of nbgrader's steps; what it raised or reported."""
        answer = getattr(course.api, step)(lesson, student, force=True)
        with (self.folder / "out.log").open("ab") as log:
            log.write(str(answer.get("log", "")).encode("utf-8", "replace"))
        if answer["success"]:
            return ""
        return f"{step} of {student}: {answer.get('log') or answer.get('error')}"

    def _results(self, course: Any, lesson: str) -> list[Any]:
        """The verdicts in the graded notebook."""
        from nbproctor.course.records import CellResult, Verdict

        path = course.root / "autograded" / ATTACKER / lesson / f"{lesson}.ipynb"
        cells = json.loads(path.read_bytes())["cells"] if path.exists() else []
        told = [cell["metadata"].get("nbproctor", {}) for cell in cells]
        return [
            CellResult(**{**t, "verdict": Verdict(t["verdict"])}) for t in told if "verdict" in t
        ]

    def _marks(self, course: Any, lesson: str) -> tuple[dict[str, Mapping[str, float | None]], str]:
        """Points that tests gave, by student; and what is wrong with marks, if anything is."""
        scores = course.scores(lesson)
        marks = {score.student: score.cells for score in scores}
        for score in scores:
            if score.score != sum(points or 0 for points in score.cells.values()):
                return marks, f"{score.student} has {score.score} points from {dict(score.cells)}"
        strangers = set(marks) - {EARLIER, ATTACKER, NEIGHBOUR}
        if strangers:
            return marks, f"strangers have marks: {strangers}"
        return marks, self._not_full(marks.get(EARLIER, {}), lesson)

    def _neighbours_loss(self, lesson: str) -> str:
        marks = {score.student: score.cells for score in self.course("tiny").scores("tiny")}
        return self._not_full(marks.get(NEIGHBOUR, {}), "tiny")

    def _not_full(self, marks: Mapping[str, float | None], lesson: str) -> str:
        got = {name: marks.get(name) for name in POINTS[lesson]}
        return "" if got == POINTS[lesson] else f"an honest student has {got}"

    def _returned(self, course: Any, lesson: str, log: Path) -> dict[str, bytes]:
        """All that the student, or whoever reads the log, gets to see: by where it stands."""
        found = {str(log): log.read_bytes()}
        for step in ("autograded", "feedback"):
            for path in (Path(path) for path, _ in walk(course.root / step / ATTACKER)):
                if stat.S_ISREG(path.lstat().st_mode):
                    found[str(path)] = path.read_bytes()
        return found | {"gradebook": self._gradebook_texts(course, lesson)}

    def _leaks(self, returned: Mapping[str, bytes]) -> set[str]:
        return set().union(*map(self.secrets.found_in, returned.values()))

    def _gradebook_texts(self, course: Any, lesson: str) -> bytes:
        from nbgrader.api import Gradebook, MissingEntry

        with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
            try:
                submission = gradebook.find_submission(lesson, ATTACKER)
            except MissingEntry:
                return b""
            told = [c.comment for n in submission.notebooks for c in n.comments]
        return json.dumps(told, default=str).encode()

    def _reached(self, returned: Mapping[str, bytes]) -> tuple[str, ...]:
        """Connections and signals that came, and what the attack itself says that it could do."""
        boasts = re.findall(rf"{self.boast}( [\w .]*)".encode(), b"\n".join(returned.values()))
        told = [f"the attack says:{text.decode()}" for text in boasts]
        return tuple(dict.fromkeys([*self.ears.heard, *self.signals, *told]))

    def _left(self, before: Mapping[str, Any], course: Any) -> tuple[str, ...]:
        after = files_below(self.folder, but=self._own(course))
        changed = [path for path in {*before, *after} if before.get(path) != after.get(path)]
        return tuple(sorted([*changed, *named_files(self.mark), *segments(self.key)]))

    def _active(
        self, course: Any, returned: Mapping[str, bytes], results: list[Any], draw: bool
    ) -> Iterator[str]:
        """What a browser, a terminal or a spreadsheet would obey and the attacker has written."""
        from nbproctor.course.records import Report
        from nbproctor.reports.report import StudentRow, check_lines, check_page, class_page

        report = Report("a lesson", tuple(results))
        row = StudentRow(ATTACKER, tuple(results), 0.0, 0.0)
        pages = {"check page": check_page(report, "t")}
        if draw and results:  # its two figures take a second
            pages["class page"] = class_page([row], "t")
        pages |= {k: v.decode() for k, v in returned.items() if k.endswith(".html")}
        for name, page in pages.items():
            yield from (f"{name}: {text}" for text in active_content(page, self.mark))
        log = next(v for k, v in returned.items() if k.endswith("out.log"))
        if formulas := self._formulas(course):
            yield f"formulas in nbgrader's export: {formulas}"
        if b"\x1b" in check_lines(report).encode():
            yield "terminal sequences in the lines of `nbproctor check`"
        lines = [line for line in log.splitlines() if self.mark.encode() in line]
        if any(sign in line for line in lines for sign in TERMINAL_SIGNS):
            yield "terminal sequences in the log"
        if any(line.startswith(b"[ERROR]") for line in lines):
            yield "a line in the log that only the attack has written"

    def _formulas(self, course: Any) -> list[str]:
        """Cells of nbgrader's export that a spreadsheet would compute."""
        from nbgrader.api import Gradebook
        from nbgrader.plugins.export import CsvExportPlugin

        target = course.root / "grades.csv"
        with Gradebook(f"sqlite:///{course.root / 'gradebook.db'}") as gradebook:
            plugin = CsvExportPlugin()
            plugin.to = str(target)
            plugin.export(gradebook)
        with target.open(newline="") as file:
            return [text for row in csv.reader(file) for text in row if text[:1] in ("=", "@", "+")]
