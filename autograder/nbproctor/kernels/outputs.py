"""Outputs of the learner's cells: bounded in bytes, without what a browser runs."""

import re
from typing import Any

from nbproctor.text import plain_text, well_formed

__all__ = ["Outputs"]

SAFE_TYPES = ("text/plain", "image/png", "image/jpeg")
BASE64 = re.compile(r"[A-Za-z0-9+/=\s]*")
CUT = "\n... output cut ...\n"
MAX_ALT = 2000  # characters of a picture's alternative text
MAX_DISPLAY_ID = 200  # characters; IPython's own have 32
OVERHEAD = 200  # bytes that an output, or a line of a traceback, takes besides its text


class Outputs:
    """Collects a cell's outputs from the kernel's messages, as a notebook stores them.

    Args:
        max_bytes: output beyond this is dropped, and a line says so.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.used, self.cut, self.clear_next = 0, False, False
        self._begin_anew()
        # The learner's code can send messages of any kind: only these count.
        self.handlers = {
            "stream": self._stream,
            "display_data": self._display_data,
            "update_display_data": self._update_display_data,
            "execute_result": self._execute_result,
            "error": self._error,
            "clear_output": self._clear_output,
        }

    def add(self, kind: Any, content: Any) -> None:
        """Take one message of the kernel's; what is no output is ignored."""
        handler = self.handlers.get(kind) if isinstance(kind, str) else None
        if handler is None or not isinstance(content, dict):
            return
        if self.clear_next and kind != "clear_output":
            self._begin_anew()
        if kind == "clear_output" or not self.cut:
            handler(content)

    def cut_off(self) -> None:
        """Take nothing more: here was an output that is too large to be read at all."""
        if not self.cut:
            self.cut = True
            self.cells.append({"output_type": "stream", "name": "stdout", "text": CUT})

    @property
    def error(self) -> str:
        """`Class: message` of the last error, '' if there is none."""
        errors = [c for c in self.cells if c["output_type"] == "error"]
        return f"{errors[-1]['ename']}: {errors[-1]['evalue']}"[:300] if errors else ""

    def _begin_anew(self) -> None:
        self.used, self.cut, self.clear_next = 0, False, False
        self.cells: list[dict[str, Any]] = []
        self.displays: dict[str, dict[str, Any]] = {}

    def _fits(self, *texts: str) -> bool:
        self.used += OVERHEAD + sum(len(text.encode()) for text in texts)
        if self.used <= self.max_bytes:
            return True
        self.cut_off()
        return False

    def _stream(self, content: dict[str, Any]) -> None:
        text = _text(content.get("text"))
        name = "stderr" if content.get("name") == "stderr" else "stdout"
        kept = text.encode()[: max(self.max_bytes - self.used, 0)].decode(errors="ignore")
        last = self.cells[-1] if self.cells else {}
        if last.get("output_type") == "stream" and last.get("name") == name:
            last["text"] += kept
        else:
            self.cells.append({"output_type": "stream", "name": name, "text": kept})
        self._fits(text)

    def _display_data(self, content: dict[str, Any]) -> None:
        data, metadata = _safe(content)
        if data and self._fits(*_texts(data, metadata)):
            output = {"output_type": "display_data", "data": data, "metadata": metadata}
            self.cells.append(output)
            if (name := _display_id(content)) is not None:
                self.displays[name] = output

    def _update_display_data(self, content: dict[str, Any]) -> None:
        output = self.displays.get(_display_id(content) or "")
        data, metadata = _safe(content)
        if output is not None and data:
            self.used -= sum(len(text) for text in _texts(output["data"], output["metadata"]))
            if self._fits(*_texts(data, metadata)):
                output.update(data=data, metadata=metadata)

    def _execute_result(self, content: dict[str, Any]) -> None:
        data, metadata = _safe(content)
        if data and self._fits(*_texts(data, metadata)):
            result = {"output_type": "execute_result", "execution_count": None}
            self.cells.append({**result, "data": data, "metadata": metadata})

    def _error(self, content: dict[str, Any]) -> None:
        lines = content.get("traceback")
        lines = [_text(line) for line in lines] if isinstance(lines, list) else []
        self.used += OVERHEAD * len(lines)
        name, value = (_text(content.get(key))[:2000] for key in ("ename", "evalue"))
        if self._fits(name, value, "\n".join(lines)):
            error = {"output_type": "error", "ename": name, "evalue": value}
            self.cells.append({**error, "traceback": lines})

    def _clear_output(self, content: dict[str, Any]) -> None:
        if content.get("wait"):
            self.clear_next = True
        else:
            self._begin_anew()


def _text(value: Any) -> str:
    return well_formed(value) if isinstance(value, str) else ""


def _display_id(content: dict[str, Any]) -> str | None:
    transient = content.get("transient")
    name = transient.get("display_id") if isinstance(transient, dict) else None
    return name if isinstance(name, str) and len(name) <= MAX_DISPLAY_ID else None


def _safe(content: dict[str, Any]) -> tuple[dict[str, str], dict[str, Any]]:
    """Plain text and raster images only: a browser runs none of them.

    Of the metadata, the alternative texts of images, which nbconvert escapes.
    """
    data, metadata = content.get("data"), content.get("metadata")
    if not isinstance(data, dict):
        return {}, {}
    kept = {t: well_formed(data[t]) for t in SAFE_TYPES if isinstance(data.get(t), str)}
    images = [t for t in kept if t.startswith("image/")]
    kept = {t: v for t, v in kept.items() if t not in images or BASE64.fullmatch(v)}
    given = metadata if isinstance(metadata, dict) else {}
    alts = {t: given[t].get("alt") for t in kept if isinstance(given.get(t), dict)}
    return kept, {
        t: {"alt": plain_text(alt[:MAX_ALT])}
        for t, alt in alts.items()
        if t in images and isinstance(alt, str)
    }


def _texts(data: dict[str, str], metadata: dict[str, Any]) -> list[str]:
    return [*data.values(), *(image["alt"] for image in metadata.values())]
