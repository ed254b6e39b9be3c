"""Archives for Gradescope: one that hands out results made here, one that grades there.

Both have what gradescope-autograders.readthedocs.io/en/latest/specs asks for: `setup.sh` and an
executable `run_autograder` at the root of the archive.
"""

import hashlib
import importlib.util
import io
import json
import platform
import re
import sysconfig
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import Any

from nbproctor.course.records import CellResult, Verdict
from nbproctor.errors import ConfigError
from nbproctor.grading.versions import libraries_of
from nbproctor.grading.work import LessonPack
from nbproctor.reports.class_entries import Entry
from nbproctor.reports.class_marks import Lesson, State
from nbproctor.reports.report import points
from nbproctor.results import gradescope, handout
from nbproctor.results.formats import Exported, LessonEntries
from nbproctor.results.gradescope import GradescopeForm, results_json
from nbproctor.spreadsheet import neutral
from nbproctor.store.places import path_of

__all__ = ["grading_there", "handing_out", "pinned"]

TEMPLATES = Path(__file__).parents[1] / "templates"
LONG_AGO = (1980, 1, 1, 0, 0, 0)  # the same archive for the same content
ITSELF = "nbproctor"
# Whatever asks for them on the machine where this is packed, a container without a GPU does not.
OF_GPUS = re.compile(r"(nvidia|cuda|triton)\b", re.IGNORECASE)
REQUIREMENT = re.compile(r"\s*([A-Za-z0-9._-]+)\s*(?:\[([^\]]*)\])?")
EXTRA = re.compile(r"""extra\s*==\s*['"]([^'"]+)""")


def handing_out(of: LessonEntries, coursedir: Any, form: GradescopeForm) -> Exported:
    """An autograder that hands out the results of this class, by the students' addresses.

    Nothing of a student's runs in it, and no test is in it. It gives a result only to the very
    notebooks that were graded.
    """
    graded: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    for entry in of.entries:
        address = (entry.person.email or entry.person.id).casefold()
        notebooks = _digests(coursedir, of.lesson, entry)
        if why := _why_not(entry, address, graded, notebooks, form):
            left_out[entry.person.id] = why
            continue
        graded[address] = {"notebooks": notebooks, "results": _results_of(entry, form)}
    run = '#!/bin/sh\nexec python3 /autograder/source/handout.py /autograder "$@"\n'
    setup = "#!/bin/sh\nset -e\npython3 --version || apt-get install -y python3\n"
    files = {
        "setup.sh": setup.encode(),
        "run_autograder": run.encode(),
        "handout.py": Path(handout.__file__).read_bytes(),
        "graded.json": json.dumps(graded, indent=1, sort_keys=True).encode(),
    }
    warnings = [f"left out: {neutral(name)}: {why}" for name, why in left_out.items()]
    return Exported(_zipped(files), tuple(warnings))


def _why_not(
    entry: Entry,
    address: str,
    graded: Mapping[str, Any],
    notebooks: list[str],
    form: GradescopeForm,
) -> str:
    """Why a student's result is not handed out; empty if it is."""
    if entry.marks.score is None:
        return str(entry.state)
    if entry.state is State.WAITING and not form.incomplete:
        return str(entry.state)
    if entry.problem or not notebooks:
        return entry.problem or "no notebook was handed in"
    if "@" not in address:
        return "the gradebook has no address (nbgrader db student add ID --email ADDRESS)"
    return "another student has the same address" if address in graded else ""


def _digests(coursedir: Any, lesson: Lesson, entry: Entry) -> list[str]:
    student = entry.person.id
    folder = path_of(coursedir, coursedir.submitted_directory, lesson.name, student)
    paths = [folder / f"{name}.ipynb" for name in lesson.notebooks]
    there = [path for path in paths if path.is_file() and not path.is_symlink()]
    return sorted(hashlib.sha256(path.read_bytes()).hexdigest() for path in there)


def _results_of(entry: Entry, form: GradescopeForm) -> dict[str, Any]:
    """A student's results.json, with the marks that stand in the gradebook."""
    results = []
    for mark in entry.ordered:
        found = entry.result(mark)
        message = found.message if found and not mark.by_person else ""
        verdict = found.verdict if found and not mark.by_person else Verdict.MANUAL
        score = None if mark.waits and not mark.by_person else mark.score
        results.append(
            CellResult(mark.grade_id, verdict, score, mark.points, message, by_hand=mark.by_person)
        )
    reports = entry.reports.values()
    notes = [note for report in reports for note in report.notes]
    if entry.marks.late_penalty:
        notes.append(f"Handed in late: {points(entry.marks.late_penalty)} points less.")
    about = {"sandbox": sorted({report.sandbox for report in reports})}
    seconds = sum(report.seconds for report in reports)
    total = entry.marks.score or 0.0
    return results_json(results, total, seconds, form.visibility, notes, about)


def grading_there(packs: Mapping[str, LessonPack], form: GradescopeForm) -> Exported:
    """An autograder that grades in Gradescope's container, hidden tests included.

    The archive holds nbproctor, the packages of this machine's that the lesson imports and that
    are worked on here, and the names and versions of all others.
    """
    first = next(iter(packs.values()))
    libraries = {name for pack in packs.values() for name in libraries_of(pack.source)}
    ours = [ITSELF, *sorted(name for name in libraries - {ITSELF} if _is_ours(name))]
    others = [name for name in libraries if name not in ours]
    settings = {
        "notebooks": sorted(packs),
        "limits": asdict(first.limits),
        "sandbox": str(first.sandbox),
        "visibility": form.visibility,
    }
    files = {
        "setup.sh": _script("gradescope_setup.sh"),
        "run_autograder": _script("gradescope_run.sh"),
        "requirements.txt": "".join(f"{line}\n" for line in pinned(ours, others)).encode(),
        "settings.json": json.dumps(settings, indent=1).encode(),
    }
    for name in ours:
        files |= {f"packages/{path}": data for path, data in _package(name)}
    for name, pack in packs.items():
        folder = f"{gradescope.PACKS}/{name}"
        files |= {f"{folder}/release/{path}": data for path, data in pack.files.items()}
        files[f"{folder}/source/{name}.ipynb"] = pack.source
        files[f"{folder}/release/{name}.ipynb"] = pack.release
    return Exported(_zipped(files), ("the archive holds the hidden tests: keep it to yourself",))


def _script(name: str) -> bytes:
    text = (TEMPLATES / name).read_text(encoding="utf-8")
    version = ".".join(platform.python_version_tuple()[:2])
    return text.replace("PYTHON_VERSION", version).encode()


def _is_ours(name: str) -> bool:
    """Whether a package lies where somebody works on it, not where installers put things."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise ConfigError("the lesson imports what is not installed here", got=name)
    installed = [Path(sysconfig.get_path(kind)).resolve() for kind in ("purelib", "platlib")]
    where = Path(spec.origin).resolve()
    return not any(where.is_relative_to(place) for place in installed)


def _package(name: str) -> Iterator[tuple[str, bytes]]:
    """A package's files, by their path from the folder it lies in."""
    spec = importlib.util.find_spec(name)
    assert spec is not None and spec.origin is not None
    origin = Path(spec.origin).resolve()
    root = origin.parent if spec.submodule_search_locations else origin
    for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
        if path.is_file() and "__pycache__" not in path.parts:
            yield path.relative_to(root.parent).as_posix(), path.read_bytes()


def pinned(ours: Iterable[str], others: Iterable[str]) -> list[str]:
    """Names and versions, as installed here, of all that these packages need to run.

    Args:
        ours: packages that come along themselves; only what they need is named.
    """
    owners = dict(metadata.packages_distributions())
    # An editable install does not say which packages it holds.
    commands = metadata.entry_points(group="console_scripts", name=ITSELF)
    owners[ITSELF] = [command.dist.name for command in commands if command.dist is not None]
    carried = {_normal(owner) for name in ours for owner in owners.get(name, ())}
    wanted = [(name, frozenset({"grading"})) for name in carried]
    wanted += [(_normal(o), frozenset[str]()) for name in others for o in owners.get(name, ())]
    seen: dict[str, str] = {}
    done: set[tuple[str, frozenset[str]]] = set()
    while wanted:
        name, extras = wanted.pop()
        if (name, extras) in done or OF_GPUS.match(name):
            continue
        done.add((name, extras))
        try:
            found = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another system or Python
        # Builds for other hardware ("2.9+cpu") are the same version.
        seen[name] = found.version.partition("+")[0]
        wanted += _needed(found.requires or (), extras)
    return [f"{name}=={version}" for name, version in sorted(seen.items()) if name not in carried]


def _needed(
    requires: Iterable[str], extras: frozenset[str]
) -> Iterator[tuple[str, frozenset[str]]]:
    for line in requires:
        text, _, marker = line.partition(";")
        extra = EXTRA.search(marker)
        if (extra and extra[1] not in extras) or not (match := REQUIREMENT.match(text)):
            continue
        inner = (match[2] or "").split(",")
        yield _normal(match[1]), frozenset(part.strip() for part in inner if part.strip())


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _zipped(files: Mapping[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name, LONG_AGO)
            info.compress_type = zipfile.ZIP_DEFLATED
            runs = name in ("setup.sh", "run_autograder")
            info.external_attr = (0o100755 if runs else 0o100644) << 16
            archive.writestr(info, data)
    return made.getvalue()
