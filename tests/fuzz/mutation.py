"""Changes JSON data a little: what comes out is nearly what a program expects.

Chance comes from a `random.Random`, which may be hypothesis's own, so that findings shrink.
"""

import copy
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

__all__ = ["PLAIN_VALUES", "as_text", "mutated", "mutated_bytes"]

# JSON text that json.dumps does not write, by the string that stands for it until then.
SPELLED_OUT = {
    "@deep list@": "[" * 3000 + "]" * 3000,
    "@deep object@": '{"a":' * 3000 + "1" + "}" * 3000,
    "@shallow@": "[" * 60 + "]" * 60,
    "@many@": "[" + "[]," * 3000 + "0]",
    "@huge@": "9" * 5000,
    "@overflow@": "-1e999",
    "@twice@": '{"$": "float", "v": "nan", "v": [], "$": "object", "source": 1, "source": "two"}',
}
PLAIN_VALUES = (
    *(None, True, False, 0, 1, -1, 3, 255, 1 << 31, 1 << 48, 1 << 62, 1 << 64, 10**4000),
    *(0.5, -0.0, 1e308, float("inf"), float("nan")),
    *("", "a", "code", "\ud800", "\x00", "\ufeff", "\r", "\x1b[31m", "\x9b31m", "<script>"),
    "é" * 99,
    *([], {}, [[]], [0, 1], {"a": {}}),
    *SPELLED_OUT,
)
Place = tuple[Any, Any]  # a list or dict, and an index or key of it


def mutated(data: Any, random: Random, pool: tuple[Any, ...] = PLAIN_VALUES) -> Any:
    """A copy of JSON data with one to four places changed; some values come from `pool`."""
    holder = [copy.deepcopy(data)]
    for _ in range(random.choice([1, 1, 1, 2, 4])):
        places = list(_places(holder))
        if not places:
            break
        container, key = random.choice(places)
        random.choice(CHANGES)(container, key, random, [*pool, *(c[k] for c, k in places[-20:])])
    return holder[0] if holder else None


def as_text(data: Any, ascii_only: bool = True) -> bytes:
    """Data as JSON text, with values in it that json.dumps cannot write."""
    text = json.dumps(data, ensure_ascii=ascii_only)
    for name, spelled in SPELLED_OUT.items():
        text = text.replace(f'"{name}"', spelled)
    return text.encode("utf-8", "surrogatepass")


def mutated_bytes(data: bytes, random: Random) -> bytes:
    """Bytes cut, doubled or flipped somewhere."""
    at = random.randint(0, len(data))
    upto = min(at + random.choice([1, 4, 100]), len(data))
    new = random.choice([b"", data[at:upto] * 2, b"\x00", b"\xff\xfe", b"[", b'"', b"NaN"])
    return random.choice([data[:at], data[:at] + new + data[upto:], data + new])


def _places(data: Any) -> Iterator[Place]:
    items = enumerate(data) if isinstance(data, list) else data.items()
    for key, value in items:
        yield data, key
        if isinstance(value, list | dict):
            yield from _places(value)


def _replace(container: Any, key: Any, random: Random, pool: list[Any]) -> None:
    container[key] = copy.deepcopy(random.choice(pool))


def _delete(container: Any, key: Any, random: Random, pool: list[Any]) -> None:
    del container[key]


def _double(container: Any, key: Any, random: Random, pool: list[Any]) -> None:
    again = copy.deepcopy(container[key])
    if isinstance(container, list):
        container.insert(random.randint(0, len(container)), again)
    else:
        container[random.choice(["$", "id", "v", "source", "ok", "more"])] = again


def _reorder(container: Any, key: Any, random: Random, pool: list[Any]) -> None:
    if isinstance(container[key], list):
        random.shuffle(container[key])
    else:
        keys = range(len(container)) if isinstance(container, list) else container
        other = random.choice(list(keys))
        container[key], container[other] = container[other], container[key]


def _wrap(container: Any, key: Any, random: Random, pool: list[Any]) -> None:
    for _ in range(random.choice([1, 1, 2, 45])):
        container[key] = random.choice([[container[key]], {"v": container[key]}])


def _retype(container: Any, key: Any, random: Random, pool: list[Any]) -> None:
    value = container[key]
    ways: list[Callable[[Any], Any]] = [str, bool, lambda v: [v], lambda v: {"v": v}]
    ways += [list] if isinstance(value, str) else []
    container[key] = random.choice(ways)(value)


def _nudge(container: Any, key: Any, random: Random, pool: list[Any]) -> None:
    value = container[key]
    if isinstance(value, int | float):
        container[key] = random.choice([value + 1, value - 1, -value, value * 2])
    elif isinstance(value, str):
        at = random.randint(0, len(value))
        new = random.choice([v for v in pool if isinstance(v, str)])
        container[key] = value[:at] + new + value[at:]


CHANGES = (_replace, _replace, _delete, _double, _reorder, _wrap, _retype, _nudge)
