"""A short name for a piece of code that changes when the code, or what it uses, changes."""

import dis
import inspect
import sys
import sysconfig
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import torch
from torch import Tensor, nn

SITE_PACKAGES = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
GRAD_MODES = (torch.no_grad, torch.enable_grad, torch.inference_mode, torch.set_grad_enabled)


def fingerprint(*values: object) -> str:
    """A name of 24 characters for functions, classes and plain values.

    Functions and classes of the course, of a notebook or of the learner count by their source,
    and by that of whatever their code refers to: functions, classes, and the values of globals
    and closures. What is installed counts by name and version. An object that cannot be told
    from its `repr` gets a new name each time: nothing stale is ever found under it.
    """
    walker = _Walker()
    for value in values:
        walker.visit(value)
    return sha256("\n".join(walker.lines).encode()).hexdigest()[:24]


class _Walker:
    """Collects lines that describe values, each function and class once."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.seen: set[int] = set()
        self.kept: list[object] = []  # a bound method's id would be used again

    def visit(self, value: Any) -> None:
        if isinstance(value, list | tuple | set | frozenset | dict):
            self._visit_container(value)
        elif isinstance(value, Tensor):
            content = value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes()
            self.lines.append(f"tensor {value.dtype} {tuple(value.shape)} {_digest(content)}")
        elif isinstance(value, nn.Module):
            self._visit_network(value)
        elif isinstance(value, ModuleType):
            self.lines.append(_version(value.__name__))
        elif inspect.ismethod(value):
            self.visit(value.__func__)
            self.visit(value.__self__)
        elif isinstance(value, FunctionType | type):
            self._visit_code(value)
        elif isinstance(value, GRAD_MODES):  # decorates a function, and shows its address
            self.lines.append(f"{type(value).__name__} {getattr(value, 'mode', '')}")
        elif hasattr(value, "func") and hasattr(value, "keywords"):  # functools.partial
            self._visit_container([value.func, value.args, value.keywords])
        else:
            self.lines.append(f"{type(value).__name__} {value!r}")

    def _visit_container(self, value: Any) -> None:
        items = list(value.items()) if isinstance(value, dict) else list(value)
        if isinstance(value, set | frozenset):
            items.sort(key=repr)
        self.lines.append(f"{type(value).__name__} of {len(items)}")
        for item in items:
            self.visit(item)

    def _visit_network(self, net: nn.Module) -> None:
        """Weights, buffers, the class of every part, and its public attributes."""
        self._visit_container(dict(net.state_dict()))
        for name, part in net.named_modules():
            self.lines.append(f"{name} {part.extra_repr()}")
            self.visit(type(part))
            self._visit_container({k: v for k, v in vars(part).items() if k[0] != "_"})

    def _visit_code(self, value: Any) -> None:
        if id(value) in self.seen:
            return
        self.seen.add(id(value))
        self.kept.append(value)
        self.lines.append(f"{value.__module__}.{value.__qualname__}")
        if _is_installed(value.__module__):
            self.lines.append(_version(value.__module__))
            return
        self.lines.append(_source(value))
        functions = [value] if isinstance(value, FunctionType) else list(_methods(value))
        if isinstance(value, type):
            self._visit_container(value.__bases__)
        for function in functions:
            self._visit_references(function)

    def _visit_references(self, function: FunctionType) -> None:
        self._visit_container([function.__defaults__, function.__kwdefaults__])
        for cell in function.__closure__ or ():
            self.visit(cell.cell_contents)
        for name in sorted(_global_names(function.__code__)):
            if name in function.__globals__:
                self.lines.append(name)
                self.visit(function.__globals__[name])


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _is_installed(module: str) -> bool:
    """Whether a module came with Python or from a package index; plusx itself never counts."""
    top = module.partition(".")[0]
    if top in ("plusx", "__main__"):
        return False
    file = getattr(sys.modules.get(top), "__file__", None)
    return (
        top in sys.stdlib_module_names
        or top in sys.builtin_module_names
        or (file is not None and any(folder in Path(file).parents for folder in SITE_PACKAGES))
    )


def _version(module: str) -> str:
    top = module.partition(".")[0]
    return f"{module} {getattr(sys.modules.get(top), '__version__', '')}"


def _source(value: Any) -> str:
    """The text of a function or class; of a class in a notebook, that of its methods."""
    try:
        return inspect.getsource(value)
    except (OSError, TypeError):
        if isinstance(value, FunctionType):
            return value.__code__.co_code.hex()
        return "\n".join(_source(method) for method in _methods(value))


def _methods(kind: type) -> Iterator[FunctionType]:
    for value in vars(kind).values():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if isinstance(function, FunctionType) and function.__module__ == kind.__module__:
            yield function


def _global_names(code: CodeType) -> set[str]:
    """Names that a piece of code, or a function inside it, looks up as globals."""
    names = {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_GLOBAL"}
    names |= {i.argval for i in dis.get_instructions(code) if i.opname == "LOAD_NAME"}
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _global_names(constant)
    return names
