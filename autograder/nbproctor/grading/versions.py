"""What grades: the versions of Python, of nbproctor, and of the libraries that a lesson imports.

Two machines that say the same give the same verdicts. A version number is not enough for code that
is worked on: nbproctor itself, and packages that are installed in place, are named by their source.
"""

import ast
import hashlib
import importlib.machinery
import importlib.util
import json
import platform
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from nbproctor.course.imports import imported_modules

__all__ = ["differences", "libraries_of", "versions"]

ITSELF = "nbproctor"
# What student code may import without the lesson's doing so, and what runs it.
ALWAYS = ("IPython", "ipykernel", "numpy", "torch")
MISSING = "not installed"


def libraries_of(notebook: bytes) -> tuple[str, ...]:
    """Libraries that verdicts on a notebook may depend on: what it imports, and a few more."""
    cells = [cell for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    found = {name for cell in cells for name in _imports_of("".join(cell["source"]))}
    return tuple(sorted({*ALWAYS, *found} - set(sys.stdlib_module_names) - {"", "__main__"}))


def _imports_of(source: str) -> Iterator[str]:
    """Names that a cell imports; lines of IPython's own are left out."""
    lines = ("pass" if line.lstrip()[:1] in ("%", "!") else line for line in source.splitlines())
    try:
        tree = ast.parse("\n".join(lines))
    except SyntaxError:
        return
    for module, _ in imported_modules(tree):
        yield module.partition(".")[0]


def versions(libraries: Iterable[str]) -> dict[str, str]:
    """The version of Python, of nbproctor and of each library. Nothing is imported for it."""
    told = {"Python": platform.python_version()}
    return told | {name: _version(name) for name in (ITSELF, *libraries)}


def differences(expected: Mapping[str, str], found: Mapping[str, str]) -> list[str]:
    """In words: what is not as expected."""
    return [
        f"{name} is {found.get(name, 'unknown')}, expected {version}"
        for name, version in expected.items()
        if found.get(name) != version
    ]


@cache
def _version(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None:
        return MISSING
    owners = _distributions().get(name, [])
    # Builds for other hardware ("2.9+cpu") are the same version.
    numbers = sorted({metadata.version(owner).partition("+")[0] for owner in owners})
    if name == ITSELF or not numbers or not _is_installed(spec):
        numbers.append(f"source {_source_digest(spec)[:12]}")
    return ", ".join(numbers)


@cache
def _distributions() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def _is_installed(spec: importlib.machinery.ModuleSpec) -> bool:
    """Whether a module lies where installers put it, and nobody edits it."""
    places = [Path(sysconfig.get_path(name)).resolve() for name in ("purelib", "platlib")]
    return all(any(root.is_relative_to(place) for place in places) for root in _roots(spec))


def _source_digest(spec: importlib.machinery.ModuleSpec) -> str:
    """Of all files of a module or package but those that Python makes of them."""
    total = hashlib.sha256()
    for root in _roots(spec):
        paths = sorted(root.rglob("*")) if root.is_dir() else [root]
        for path in (p for p in paths if p.is_file() and "__pycache__" not in p.parts):
            name = path.relative_to(root.parent).as_posix()
            total.update(name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def _roots(spec: importlib.machinery.ModuleSpec) -> list[Path]:
    """The folders of a package, or the file of a module."""
    folders = spec.submodule_search_locations
    return [Path(place).resolve() for place in folders or [spec.origin or "."]]
