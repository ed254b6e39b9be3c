"""Which of a project's own files a piece of Python depends on, by its import statements."""

import ast
from collections.abc import Iterator
from pathlib import Path

from nbproctor.errors import BuildError

__all__ = ["imported_modules", "local_files"]


def imported_modules(tree: ast.AST, package: str = "") -> Iterator[tuple[str, str]]:
    """Yield (module, name) for everything imported in a tree; name is "" for `import module`.

    `package` is the package that relative imports start from. `from m import *` yields (m, "*").
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1]
            base = [*parents, node.module or ""] if node.level else [node.module or ""]
            module = ".".join(part for part in base if part)
            yield from ((module, alias.name) for alias in node.names)


def local_files(code: str, root: Path) -> list[Path]:
    """Files below `root` that `code` depends on through imports, at any depth, sorted.

    Every folder of `root` may be a source root: what is found depends on the files there, and not
    on what is installed.

    `from package import name` leads to the module that defines `name`, be it a submodule or one
    re-exported by the package's `__init__`. What else an `__init__` re-exports is not followed:
    importing it must have no effect on what a notebook shows.
    """
    walker = _Walker(root)
    walker.follow(ast.parse(code), "")
    return sorted(walker.files)


class _Walker:
    def __init__(self, root: Path) -> None:
        self.source_roots = [p for p in root.iterdir() if p.is_dir() and p.name[0] != "."]
        self.files: set[Path] = set()
        self.followed: set[Path] = set()

    def follow(self, tree: ast.AST, package: str) -> None:
        for module, name in imported_modules(tree, package):
            self._enter(module, name)

    def _enter(self, module: str, name: str) -> None:
        if (path := self._locate(module)) is None:
            return
        self._add(path)
        if path.name == "__init__.py" and name not in ("", "*"):
            if submodule := self._locate(f"{module}.{name}"):
                return self._follow_file(submodule, f"{module}.{name}")
            origin = _reexported_from(path, module, name)
            if origin and origin != module:
                return self._enter(origin, name)
        return self._follow_file(path, module)

    def _follow_file(self, path: Path, module: str) -> None:
        self._add(path)
        if path not in self.followed:
            self.followed.add(path)
            package = module if path.name == "__init__.py" else module.rpartition(".")[0]
            self.follow(ast.parse(path.read_text(encoding="utf-8")), package)

    def _add(self, path: Path) -> None:
        self.files.add(path)
        for parent in path.parents:
            if not (init := parent / "__init__.py").is_file():
                break
            self.files.add(init)

    def _locate(self, module: str) -> Path | None:
        """The file of a module, if it is one of the project's own."""
        bases = [source_root.joinpath(*module.split(".")) for source_root in self.source_roots]
        candidates = [p for base in bases for p in (base.with_suffix(".py"), base / "__init__.py")]
        found = [path for path in candidates if path.is_file()] if module else []
        if len(found) > 1:
            got = ", ".join(str(path) for path in found)
            raise BuildError(f"the module {module} stands twice in this project", got=got)
        return found[0] if found else None


def _reexported_from(init: Path, package: str, name: str) -> str | None:
    """The module that a package's `__init__` takes `name` from."""
    for node in ast.walk(ast.parse(init.read_text(encoding="utf-8"))):
        names = [a.asname or a.name for a in node.names] if isinstance(node, ast.ImportFrom) else []
        if name in names:
            return next(imported_modules(node, package))[0]
    return None
