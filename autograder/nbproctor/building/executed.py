"""Executing a lesson, and making its outputs comparable byte by byte between two executions.

Kept: what a reader sees. Taken out: what changes between two executions of the same code (memory
addresses, how prints were cut into messages, versions inside PNG files, widget state, progress
bars). What must not be published stops the build: a warning or another text on stderr, an absolute
path, an interactive widget in a cell that shows no figure for where widgets cannot run.
"""

import base64
import os
import re
import struct
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from nbproctor.errors import BuildError

__all__ = ["Seconds", "add_outputs", "check_outputs", "tidy_outputs", "time_cells"]

CELL_TIMEOUT_S = 900
# Hash order and the number of threads would show in outputs; so would a GPU, and progress bars.
SETTLED = {
    "PYTHONHASHSEED": "0",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "",
    "TQDM_DISABLE": "1",
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# What a PNG needs to be shown; text, time and profiles are left out.
PNG_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"pHYs", b"IDAT", b"IEND")
ADDRESS = re.compile(r"\b0x[0-9a-f]{6,16}\b")
PROGRESS_BAR = re.compile(r"\d+%\||\d(it/s|s/it)|\d+it \[")


def add_outputs(notebook: Any, folder: Path, private: list[Path]) -> None:
    """Execute a notebook in `folder`, from its first cell to its last, and tidy its outputs.

    `private` are folders that no output may name.

    Raises:
        BuildError: a cell fails, or shows what must not be published.
    """
    name = f"{folder.name}.ipynb"
    with tempfile.TemporaryDirectory() as scratch:
        _execute(notebook, folder, Path(scratch))
    notebook.metadata.pop("widgets", None)
    notebook.metadata["language_info"].pop("version", None)
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = tidy_outputs(cell.outputs)
            check_outputs(cell.outputs, private, _where(name, notebook, index))


@dataclass(frozen=True)
class Seconds:
    """What a cell took, and how much of that its kernel computed: less where others compute too."""

    passed: float
    computed: float


def time_cells(notebook: Any, folder: Path) -> dict[int, Seconds]:
    """Execute a notebook as `add_outputs` does, with an empty cache folder: times by cell.

    The folder is the user's as XDG has it (XDG_CACHE_HOME), as on Linux.

    Raises:
        BuildError: a cell fails.
    """
    with tempfile.TemporaryDirectory() as scratch, tempfile.TemporaryDirectory() as cache:
        return _execute(notebook, folder, Path(scratch), {"XDG_CACHE_HOME": cache})


def _execute(
    notebook: Any, folder: Path, scratch: Path, environment: dict[str, str] | None = None
) -> dict[int, Seconds]:
    """Run all cells; what each code cell took, by its place in the notebook."""
    import psutil
    from nbclient import NotebookClient  # a second to import, and only a build needs it
    from nbclient.exceptions import CellControlSignal, CellTimeoutError, DeadKernelError
    from traitlets.config import Config

    name, at, began, took = f"{folder.name}.ipynb", {"cell": 0}, {}, {}
    # Sockets in a folder of our own: no port is opened, and their path is short.
    config = Config({"KernelManager": {"transport": "ipc", "ip": str(scratch / "kernel")}})
    with tqdm(total=len(notebook.cells), desc=name, unit="cell", leave=False, disable=None) as bar:

        def started(cell: Any, cell_index: int) -> None:
            at["cell"] = cell_index
            bar.update(cell_index - bar.n)
            began[cell_index] = now()

        def ended(cell: Any, cell_index: int, execute_reply: Any) -> None:
            passed, computed = now()
            before = began[cell_index]
            took[cell_index] = Seconds(passed - before[0], computed - before[1])

        def now() -> tuple[float, float]:
            kernel = psutil.Process(client.km.provisioner.pid)  # type: ignore[union-attr]
            return time.monotonic(), sum(kernel.cpu_times()[:2])

        client = NotebookClient(
            notebook,
            config=config,
            timeout=CELL_TIMEOUT_S,
            kernel_name="python3",
            record_timing=False,
            store_widget_state=False,
            on_cell_start=started,
            on_cell_executed=ended,
            resources={"metadata": {"path": str(folder)}},
        )
        try:
            # Nobody's own: not their IPython settings, nor how far they are in the course.
            own = {"IPYTHONDIR": str(scratch), "PLUSX_PROGRESS": str(scratch / "progress.json")}
            client.execute(env={**os.environ, **SETTLED, **own, **(environment or {})})
        except (CellControlSignal, CellTimeoutError, DeadKernelError) as error:
            where = _where(name, notebook, at["cell"])
            raise BuildError("a cell of a lesson fails", got=_reason(error), where=where) from error
    return took


def _where(name: str, notebook: Any, index: int) -> str:
    first_line = notebook.cells[index].source.strip().partition("\n")[0]
    return f"{name}, cell {index + 1}, which begins: {first_line}"


def _reason(error: Exception) -> str:
    """The cell's own exception in one line, or nbclient's words."""
    name, value = getattr(error, "ename", ""), getattr(error, "evalue", "")
    return f"{name}: {value}" if name else str(error).strip()


def tidy_outputs(outputs: list[Any]) -> list[Any]:
    """The outputs of one cell without what changes from one execution to the next."""
    tidied: list[Any] = []
    for output in outputs:
        if output.output_type == "stream":
            _add_stream(tidied, output)
        else:
            _tidy_data(output)
            tidied.append(output)
    for output in (o for o in tidied if o.output_type == "stream"):
        shown = _without_progress if output.name == "stderr" else _without_overwritten
        output.text = ADDRESS.sub("0x…", shown(output.text))
    has_figure = any("image/png" in o.get("data", {}) for o in tidied)
    return [o for o in tidied if not _says_nothing(o, has_figure)]


def _add_stream(tidied: list[Any], output: Any) -> None:
    """Prints arrive in chunks of any size: neighbours become one output."""
    if tidied and tidied[-1].output_type == "stream" and tidied[-1].name == output.name:
        tidied[-1].text += output.text
    else:
        tidied.append(output)


def _without_overwritten(text: str) -> str:
    """What is left on a terminal after carriage returns."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def _without_progress(text: str) -> str:
    """What stands on stderr beside progress bars."""
    parts = [part for part in re.split(r"[\r\n]+", text) if not PROGRESS_BAR.search(part)]
    return "\n".join(part for part in parts if part.strip())


def _tidy_data(output: Any) -> None:
    data = output.get("data", {})
    if data.get("image/png", "").strip() and data["image/png"].strip() in data.get("text/html", ""):
        del data["text/html"]  # the same picture once more: JupyterLab takes its text from there
    if any(kind not in (WIDGET_VIEW, "text/plain") for kind in data):
        data.pop(WIDGET_VIEW, None)
    for kind, value in data.items():
        if kind == "image/png":
            data[kind] = _plain_png(value)
        elif isinstance(value, str) and kind.startswith("text/"):
            data[kind] = ADDRESS.sub("0x…", value)


def _plain_png(encoded: str) -> str:
    content = base64.b64decode(encoded)
    kept, position = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while position < len(content):
        (length,) = struct.unpack_from(">I", content, position)
        end = position + 12 + length  # length, name, data, checksum
        if content[position + 4 : position + 8] in PNG_CHUNKS:
            kept.append(content[position:end])
        position = end
    return base64.b64encode(b"".join(kept)).decode("ascii")


def _says_nothing(output: Any, has_figure: bool) -> bool:
    """An empty print, or the view of a widget whose cell also shows a figure."""
    if output.output_type == "stream":
        return not output.text
    return has_figure and WIDGET_VIEW in output.get("data", {})


def check_outputs(outputs: list[Any], private: list[Path], where: str) -> None:
    """Refuse outputs that must not be published. `private` are folders that must not be named.

    Raises:
        BuildError: saying which output of which cell, and what to do.
    """
    for output in outputs:
        if output.get("name") == "stderr":
            raise BuildError("a cell writes to stderr", got=output.text.strip(), where=where)
        if WIDGET_VIEW in output.get("data", {}):
            raise BuildError(
                "a widget shows nothing where widgets cannot run",
                expected="a figure (image/png) from the same cell",
                got=", ".join(output.data),
                where=where,
            )
        shown = [output.get("text", ""), *map(str, output.get("data", {}).values())]
        for folder in private:
            if len(folder.parts) > 1 and any(str(folder) in text for text in shown):
                raise BuildError(
                    "an output names a folder of this machine", got=folder, where=where
                )
