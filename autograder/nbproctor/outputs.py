"""Outputs of the learner's cells: bounded in bytes, without what a browser runs."""

import re
from typing import Any

__all__ = ["Outputs"]

SAFE_TYPES = ("text/plain", "image/png", "image/jpeg")
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
CUT = "\n... output cut ...\n"


class Outputs:
    """Collects a cell's outputs from the kernel's messages, as a notebook stores them.

    Args:
        max_bytes: output beyond this is dropped, and a line says so.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used = 0
        self.cut = False
        self.cells: list[dict[str, Any]] = []
        self.clear_next = False

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Take one message of the kernel's; kinds that are no output are ignored."""
        make = getattr(self, "_" + kind, None)
        if make is None or self.cut:
            return
        if self.clear_next and kind != "clear_output":
            self.cells, self.clear_next = [], False
        make(content)

    @property
    def error(self) -> str:
        """`Class: message` of the last error, '' if there is none."""
        errors = [c for c in self.cells if c["output_type"] == "error"]
        return f"{errors[-1]['ename']}: {errors[-1]['evalue']}"[:300] if errors else ""

    def _fits(self, text: str) -> bool:
        self.used += len(text)
        if self.used <= self.max_bytes:
            return True
        self.cut = True
        self.cells.append({"output_type": "stream", "name": "stdout", "text": CUT})
        return False

    def _stream(self, content: dict[str, Any]) -> None:
        text = str(content.get("text", ""))
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        left = self.max_bytes - self.used
        last = self.cells[-1] if self.cells else {}
        if last.get("output_type") == "stream" and last.get("name") == name:
            last["text"] += text[:left]
        else:
            self.cells.append({"output_type": "stream", "name": name, "text": text[:left]})
        self._fits(text)

    def _display_data(self, content: dict[str, Any]) -> None:
        data = _safe(content.get("data"))
        if data and self._fits("".join(data.values())):
            self.cells.append({"output_type": "display_data", "data": data, "metadata": {}})

    def _execute_result(self, content: dict[str, Any]) -> None:
        data = _safe(content.get("data"))
        if data and self._fits("".join(data.values())):
            result = {"output_type": "execute_result", "execution_count": None}
            self.cells.append({**result, "data": data, "metadata": {}})

    def _error(self, content: dict[str, Any]) -> None:
        lines = content.get("traceback")
        lines = [str(line) for line in lines] if isinstance(lines, list) else []
        error = {
            "output_type": "error",
            "ename": str(content.get("ename", ""))[:200],
            "evalue": str(content.get("evalue", ""))[:2000],
            "traceback": lines,
        }
        if self._fits("".join(lines)):
            self.cells.append(error)

    def _clear_output(self, content: dict[str, Any]) -> None:
        if content.get("wait"):
            self.clear_next = True
        else:
            self.cells = []


def _safe(data: Any) -> dict[str, str]:
    """Plain text and raster images only: a browser runs none of them."""
    if not isinstance(data, dict):
        return {}
    kept = {t: data[t] for t in SAFE_TYPES if isinstance(data.get(t), str)}
    images = [t for t in kept if t.startswith("image/")]
    return {t: v for t, v in kept.items() if t not in images or BASE64.fullmatch(v)}
