"""How long a step of each explorer takes, from the key to the new picture, in a real browser.

    make explorers                  all lessons: a table for docs/measurements.md
    make explorers LESSON=05        one of them

Each control is moved by the keyboard, from where it stands at first and back again.
"""

import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
from lab import LESSONS, browser_page, jupyterlab, open_lesson, run_cell, show_explorer

STEPS = 10
LIMIT_MS = 100

# In the page: when a key went down, and when the picture that followed could be seen.
WATCH = """picture => {
  window.plusx = {down: 0, seen: 0};
  window.addEventListener('keydown', () => { window.plusx.down = performance.now(); }, true);
  picture.addEventListener('load', () =>
    requestAnimationFrame(() => { window.plusx.seen = performance.now(); }));
}"""
FORGET = "() => { window.plusx.seen = 0; }"
SEEN = "() => window.plusx.seen > 0"
AT_END = "e => e.ariaValueNow !== null && e.ariaValueNow === e.ariaValueMax"
TOOK = "() => window.plusx.seen - window.plusx.down"


@dataclass(frozen=True)
class Control:
    """One control of an explorer: its label, where it is, and the keys that move it and back."""

    name: str
    handle: Any
    keys: tuple[str, str]


def controls(page: Any) -> Iterator[Control]:
    """The controls of the explorer that is shown, in the order of Tab."""
    kinds = {
        ".noUi-handle": ("ArrowRight", "ArrowLeft"),
        "input[type=checkbox]": ("Space", "Space"),
    }
    boxes = page.locator(".jp-OutputArea .widget-vbox .widget-hbox > .widget-inline-hbox")
    for box in boxes.all():
        for selector, keys in kinds.items():
            if box.locator(selector).count():
                label, handle = box.inner_text().strip("\u200b\n "), box.locator(selector).first
                there, back = keys
                yield Control(
                    label.splitlines()[0],
                    handle,
                    (back, there) if handle.evaluate(AT_END) else (there, back),
                )


def measure(page: Any, control: Control, steps: int = STEPS) -> list[float]:
    """Milliseconds from each key to the picture that it changed, there and back in turns."""
    control.handle.focus()
    took = []
    for step in range(steps):
        page.evaluate(FORGET)
        page.keyboard.press(control.keys[step % 2])
        page.wait_for_function(SEEN, timeout=60_000)
        took.append(float(page.evaluate(TOOK)))
        page.wait_for_timeout(150)  # a person looks before the next step
    return took


def watched(page: Any, address: str, lesson: str) -> list[Control]:
    """Open the explorer of a lesson, ready to be measured."""
    texts = open_lesson(page, address, lesson)
    (explorer,) = [n for n, text in enumerate(texts) if text.endswith("Explorer()")]
    for n in [n for n, text in enumerate(texts) if text and "import" in text][:2]:
        run_cell(page, n)
    show_explorer(page, explorer).evaluate(WATCH)
    return list(controls(page))


def main(lessons: list[str]) -> None:
    print(f"| lesson | control | fastest of {STEPS} steps | median |\n|---|---|---|---|")
    slow = []
    with tempfile.TemporaryDirectory() as folder, jupyterlab(Path(folder)) as address:
        for lesson in lessons:
            with browser_page() as page:
                for control in watched(page, address, lesson):
                    measure(page, control, 2)  # what is imported and laid out once
                    took = measure(page, control)
                    middle = statistics.median(took)
                    slow += [f"{lesson}: {control.name}"] * (middle > LIMIT_MS)
                    row = f"{min(took):.0f} ms | {middle:.0f} ms |"
                    print(f"| {lesson[:2]} | {control.name} | {row}", flush=True)
    print(f"\nover {LIMIT_MS} ms: {', '.join(slow) or 'none'}")


if __name__ == "__main__":
    main([name for name in LESSONS if not sys.argv[1:] or name.startswith(sys.argv[1].zfill(2))])
