"""Where a course can be had: badges that open its lessons elsewhere, and a cell that installs it.

The settings stand in the course's pyproject.toml:

    [tool.nbproctor]
    package = "plusx"                               what its lessons import
    repository = "https://github.com/OWNER/NAME"    its public address
    branch = "main"                                 the branch that is shown there

Without `repository` there are no badges, without `package` there is no cell.
"""

import re
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from urllib.parse import quote

from nbproctor.errors import BuildError

__all__ = ["BEGIN", "END", "Public", "badges", "public_of", "set_up_cell", "with_badges"]

BEGIN, END = "<!-- badges: made by `nbproctor build` -->", "<!-- end of badges -->"
COLAB_PICTURE = "https://colab.research.google.com/assets/colab-badge.svg"
BINDER_PICTURE = "https://mybinder.org/badge_logo.svg"

SET_UP = """\
# Where {package} is missing (on Colab, or if this notebook stands alone), it is installed first.
import importlib.util

if importlib.util.find_spec("{package}") is None:
    import os
    import sys

    source = os.environ.get("{variable}", "{source}")
    options = "--no-deps" if "google.colab" in sys.modules else ""  # Colab has versions of its own
    if source:
        print(f"{package} is not here yet: installing it from {{source}}")
        get_ipython().run_line_magic("pip", f"install --quiet {{options}} {{source}}")
        importlib.invalidate_caches()
    if importlib.util.find_spec("{package}") is None:
        raise ModuleNotFoundError(
            "{package}, the package of this course, is not installed here"
            + (f", and could not be had from {{source}}: pip says why above. " if source else ". ")
            + "Either open the lesson in the course's own folder, as its README says; or name a "
            "folder or wheel of the course in the environment variable {variable}, start "
            "Jupyter again, and run this cell."
        )
"""


@dataclass(frozen=True)
class Public:
    """What is known of a course's place in public; "" is nothing."""

    package: str = ""
    repository: str = ""
    branch: str = "main"

    @property
    def name(self) -> str:
        """OWNER/NAME."""
        return self.repository.removeprefix("https://github.com/")


def public_of(root: Path) -> Public:
    """The settings of the course at `root`.

    Raises:
        BuildError: they cannot be read, or hold what is not known.
    """
    path = root / "pyproject.toml"
    if not path.is_file():
        return Public()
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("nbproctor", {})
    except tomllib.TOMLDecodeError as error:
        raise BuildError("the course's settings cannot be read", got=error, where=path) from error
    known = [field.name for field in fields(Public)]
    if unknown := [key for key in found if key not in known]:
        got = ", ".join(unknown)
        expected = ", ".join(known)
        raise BuildError("unknown settings of nbproctor", expected=expected, got=got, where=path)
    public = Public(**{key: str(value).rstrip("/") for key, value in found.items()})
    if public.repository and not re.fullmatch(
        r"https://github\.com/[\w.-]+/[\w.-]+", public.repository
    ):
        expected = "https://github.com/OWNER/NAME, which Colab and Binder can open"
        got = public.repository
        raise BuildError("no such repository", expected=expected, got=got, where=path)
    return public


def badges(public: Public, lesson: str) -> str:
    """Markdown that opens a lesson's release notebook elsewhere; "" without an address."""
    if not public.repository:
        return ""
    notebook = f"notebooks/{lesson}/{lesson}.ipynb"
    branch = quote(public.branch, safe="/")
    colab = f"https://colab.research.google.com/github/{public.name}/blob/{branch}/{notebook}"
    binder = (
        f"https://mybinder.org/v2/gh/{public.name}/{quote(public.branch, safe='')}"
        f"?labpath={quote(notebook, safe='')}"
    )
    return (
        f"[![Open in Colab]({COLAB_PICTURE})]({colab}) "
        f"[![Open on Binder]({BINDER_PICTURE})]({binder})"
    )


def with_badges(text: str, line: str) -> str:
    """A document with the line between its marks, if it has any."""
    middle = f"\n{line}\n" if line else "\n"
    marked = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    return marked.sub(lambda _: f"{BEGIN}{middle}{END}", text)


def set_up_cell(public: Public) -> str:
    """The source of the cell that installs the course's package where it is missing; "" if none."""
    if not public.package:
        return ""
    address = f"git+{public.repository}@{public.branch}" if public.repository else ""
    variable = re.sub(r"\W", "_", public.package).upper() + "_SOURCE"
    text = SET_UP.format(package=public.package, variable=variable, source=address)
    return text.rstrip("\n")
