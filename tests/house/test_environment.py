"""pyproject.toml, requirements.lock, environment.yml, the Makefile and the README agree."""

import ast
import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from nbproctor.course.imports import imported_modules
from nbproctor.unused import UNUSED

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LOCK = (ROOT / "requirements.lock").read_text()
EXTRAS = {"cluster", "dev", "grading", "postgresql", "similarity", "site"}


def locked() -> dict[str, list[str]]:
    """Each requirement of the lock (name==version) with its hashes."""
    blocks = re.split(r"\n(?=\S)", LOCK)
    requirements = [block for block in blocks if not block.startswith("#")]
    return {block.split()[0]: re.findall(r"--hash=(\S+)", block) for block in requirements}


def distribution(requirement: str) -> str:
    """A requirement's name as the lock spells it."""
    return re.match(r"[\w-]+", requirement)[0].lower().replace("_", "-")


def test_every_package_is_pinned_and_hashed() -> None:
    assert len(locked()) > 100
    for requirement, hashes in locked().items():
        assert re.fullmatch(r"[a-z0-9-]+==[0-9][\w.]*", requirement)
        assert hashes and all(re.fullmatch("sha256:[0-9a-f]{64}", h) for h in hashes)


def test_the_lock_names_no_index_no_address_and_no_folder() -> None:
    options = [line for line in LOCK.splitlines() if re.match(r"\s*-(?!-hash=sha256)", line)]
    assert options == []
    assert "://" not in LOCK
    assert not re.search(r"(^|\s)/\w", LOCK)


def test_the_lock_holds_everything_that_the_project_asks_for() -> None:
    asked = [*PROJECT["dependencies"]]
    for extra in PROJECT["optional-dependencies"].values():
        asked += extra
    names = {distribution(requirement) for requirement in asked}
    assert names <= {requirement.partition("==")[0] for requirement in locked()}


def test_the_lock_leaves_out_what_nothing_uses() -> None:
    """nbgrader's commands and JupyterLab would start about a second later."""
    names = {requirement.partition("==")[0] for requirement in locked()}
    assert UNUSED and not {distribution(name) for name in UNUSED} & names


@pytest.mark.parametrize(
    ("package", "extras"),
    [("utils/plusx", ()), ("autograder/nbproctor", ("grading", "cluster", "similarity"))],
)
def test_what_a_package_imports_is_declared(package: str, extras: tuple[str, ...]) -> None:
    asked = [*PROJECT["dependencies"]]
    for extra in extras:
        asked += PROJECT["optional-dependencies"][extra]
    declared = {distribution(requirement) for requirement in asked}
    providers = packages_distributions()
    paths = list((ROOT / package).rglob("*.py"))
    assert len(paths) > 20
    for path in paths:
        for module, _ in imported_modules(ast.parse(path.read_text()), path.parent.name):
            top = module.split(".")[0]
            if top not in {*sys.stdlib_module_names, Path(package).name}:
                names = {distribution(name) for name in providers[top]}
                assert names & declared, f"{path.name} imports {top}, which is not declared"


def test_extras_are_those_that_the_documents_name() -> None:
    assert PROJECT["optional-dependencies"].keys() == EXTRAS


def test_conda_environment_is_in_step_with_the_project() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert conda == [f"python {PROJECT['requires-python']}", "pip"]
    assert pip == {"pip": ["-e .[grading]"]}
    assert environment["name"] == PROJECT["name"]


def test_supported_pythons_are_said_once() -> None:
    said = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if "Python ::" in c]
    assert said == ["3.11", "3.12", "3.13"]
    assert PROJECT["requires-python"] == ">=3.11,<3.14"
    assert f"PYTHON ?= {PROJECT['requires-python']}\n" in (ROOT / "Makefile").read_text()


def test_the_readme_and_make_help_name_only_what_make_has() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    asked = {"lab", "demo", "check", "test", "bench", "build", "lint", "clean", "help"}
    asked |= {"bench-train", "reference-runs"}
    assert asked <= targets
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    for document in documents:
        named = set(
            re.findall(r"(?:^|`|[A-Z]=\S+ )make ([a-z-]+)", document.read_text(), re.MULTILINE)
        )
        assert named <= targets, f"{document.name} names {named - targets}"
    shown = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True).stdout
    assert set(re.findall(r"make ([a-z-]+) ", shown)) >= asked


def test_ci_runs_the_command_that_the_readme_gives() -> None:
    (command,) = re.findall(r"^exec (make .*)$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert command.split()[0] == "make" and "test" in command.split()
    assert "make lint test" in (ROOT / "README.md").read_text()
