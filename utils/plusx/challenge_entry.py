"""Entries to the depth challenge: weights as text, and how an entry is examined and scored.

What an entrant hands in is never run: it is read as plain data, with its size known beforehand.
"""

import base64
import binascii
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor, nn

from plusx.challenge import BUDGET, Costs, build, costs_of, layers_of, short
from plusx.data import make_shapes
from plusx.errors import ArgumentError, WeightsError

NUMBER = torch.float16
LONGEST_NAME = 24
LINE = 88  # signs of a line of weights
CHUNK = 500  # images that are named at once
BANDS = (0.20, 0.40, 0.60, 0.70, 0.77, 0.82)  # shares of new images named rightly, a point each


@dataclass(frozen=True)
class Entry:
    """An entry that is within the rules: its network in evaluation mode, and its costs."""

    net: nn.Module
    costs: Costs
    layers: int
    pseudonym: str  # "" for an entrant who does not want to be shown


class Mark(float):
    """Points that say why: `message` for the learner, `facts` for a leaderboard.

    It is the number everywhere else, and is written as the number. `facts` holds plain text and
    numbers by name.
    """

    message: str
    facts: dict[str, str | int | float]

    def __new__(
        cls, points: float, message: str = "", facts: dict[str, str | int | float] | None = None
    ) -> "Mark":
        made = super().__new__(cls, points)
        made.message, made.facts = message, dict(facts or {})
        return made


def pack(net: nn.Module) -> str:
    """All weights and statistics of a network as text: base64 of numbers of 16 bits, in lines."""
    numbers = torch.cat([t.detach().flatten().to("cpu", NUMBER) for t in _state(net)])
    text = base64.b64encode(numbers.numpy().tobytes()).decode()
    return "\n".join(textwrap.wrap(text, LINE))


def unpack(net: nn.Module, text: object) -> None:
    """Fill a network with the weights of a text that `pack` made; ends of lines do not matter.

    Raises `WeightsError` if it is no such text, or was made of another network.
    """
    state = _state(net)
    expected = sum(tensor.numel() for tensor in state)
    raw = _decoded(text, longest=8 * expected * NUMBER.itemsize)
    if len(raw) != expected * NUMBER.itemsize:
        raise WeightsError(
            "the weights do not belong to these parts",
            expected=f"{expected:,} numbers",
            got=f"{len(raw) // NUMBER.itemsize:,}",
            where="the text of weights",
        )
    numbers = torch.frombuffer(bytearray(raw), dtype=NUMBER).float()
    if not numbers.isfinite().all():
        raise WeightsError(
            "weights must be numbers",
            expected="none above 65,504 in size, the largest number of 16 bits",
            got="infinity or NaN",
            where="the text of weights",
        )
    with torch.no_grad():
        for tensor, values in zip(state, numbers.split([t.numel() for t in state]), strict=True):
            tensor.copy_(values.view(tensor.shape))


def _decoded(text: object, longest: int) -> bytes:
    """The bytes of a text of weights, which has at most `longest` signs."""
    if not isinstance(text, str) or not text.strip():
        got = short(text) if not isinstance(text, str) else "an empty text"
        raise WeightsError("there are no weights", expected="the text of pack(net)", got=got)
    if len(text) > longest:
        raise WeightsError(
            "the text of weights is too long",
            expected=f"at most {longest:,} signs for these parts",
            got=f"{len(text):,}",
        )
    try:
        return base64.b64decode("".join(text.split()).encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        expected = "the text of pack(net), whole and unchanged"
        raise WeightsError("this is no text of weights", expected=expected) from None


def _state(net: nn.Module) -> list[Tensor]:
    """Parameters and floating-point buffers, in their order."""
    return [tensor for tensor in net.state_dict().values() if tensor.is_floating_point()]


def examine(entry: object, budget: Costs = BUDGET) -> Entry:
    """Read an entry: a dict of "parts", "weights" and, for a leaderboard, "pseudonym".

    The costs are checked before anything is built with memory of its own. Raises `ArgumentError`
    or `WeightsError` for what is against the rules.
    """
    if not isinstance(entry, dict) or not {"parts", "weights"} <= entry.keys():
        got = short(entry)
        if isinstance(entry, dict):
            got = f"a dict without {' and '.join(sorted({'parts', 'weights'} - entry.keys()))}"
        expected = 'a dict with "parts" and "weights"'
        raise ArgumentError("this is no entry", expected=expected, got=got)
    costs = costs_of(entry["parts"])
    if not costs.fits(budget):
        raise ArgumentError(
            "the network is over the budget",
            expected=f"at most {_told(budget)}",
            got=_told(costs),
            where="the entry's parts",
        )
    net = build(entry["parts"])
    unpack(net, entry["weights"])
    pseudonym = read_pseudonym(entry.get("pseudonym", ""))
    return Entry(net.eval(), costs, layers_of(entry["parts"]), pseudonym)


def _told(costs: Costs) -> str:
    return f"{costs.parameters:,} parameters and {costs.multiply_adds:,} multiply-adds"


def read_pseudonym(name: object) -> str:
    """A name for a leaderboard, without spaces around it; "" is nobody's.

    Raises `ArgumentError` unless it is a text of at most 24 signs that can be seen.
    """
    plain = " ".join(name.split()) if isinstance(name, str) else None
    if plain is None or len(plain) > LONGEST_NAME or not plain.isprintable():
        expected = f"a text of at most {LONGEST_NAME} signs, or '' for none"
        raise ArgumentError("this is no pseudonym", expected=expected, got=short(name))
    return plain


def held_out(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """New images (count, 3, 16, 16), and labels (count,).

    Drawn as "shapes" is, from another seed, and standardised as its training images are.
    """
    mean, deviation = _standard()
    images, labels = make_shapes(count, seed)
    return (images - mean) / deviation, labels


@cache
def _standard() -> tuple[Tensor, Tensor]:
    """Mean and deviation by which "shapes" is standardised, (1, 3, 1, 1) each."""
    images = make_shapes(2000, seed=0)[0]  # its training images, as they are drawn
    deviation, mean = torch.std_mean(images, dim=(0, 2, 3), keepdim=True)
    return mean, deviation.clamp(min=1e-6)


@torch.no_grad()
def accuracy(net: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of images that a network names rightly, 0 to 1, in evaluation mode."""
    net.eval()
    parts = zip(images.split(CHUNK), labels.split(CHUNK), strict=True)
    right = sum(int((net(x).argmax(dim=1) == y).sum()) for x, y in parts)
    return right / len(labels)


def points_for(reached: float, bands: Sequence[float]) -> int:
    """One point for each band that an accuracy reaches."""
    return sum(reached >= band for band in bands)


def marked(entry: Entry, reached: float, images: int, bands: Sequence[float]) -> Mark:
    """The mark of an entry that named the share `reached` of so many held-out images rightly."""
    points = points_for(reached, bands)
    error = 100 * (reached * (1 - reached) / images) ** 0.5
    message = f"{100 * reached:.1f} % of {images:,} held-out images (± {error:.1f})"
    if points < len(bands):
        message += f"; the next point is given at {100 * bands[points]:.0f} %"
    facts = {
        "pseudonym": entry.pseudonym,
        "ranked by": "accuracy (%)",
        "accuracy (%)": round(100 * reached, 2),
        "standard error": round(error, 2),
        "layers": entry.layers,
        "parameters": entry.costs.parameters,
        "multiply-adds": entry.costs.multiply_adds,
    }
    return Mark(points, f"{message}.", facts)


def cell_text(
    parts: Sequence[Sequence[object]],
    net: nn.Module,
    pseudonym: str = "",
    name: str = "my_entry",
) -> str:
    """The text of the cell that holds an entry: a function that returns it."""
    examine({"parts": parts, "weights": pack(net), "pseudonym": pseudonym})
    rows = [f"            {list(part)!r},".replace("'", '"') for part in parts]
    return "\n".join(
        [
            f"def {name}():",
            "    return {",
            f'        "pseudonym": {pseudonym!r},',
            '        "parts": [',
            *rows,
            "        ],",
            '        "weights": """',
            pack(net),
            '""",',
            "    }",
            "",
        ]
    )


def into_cell(
    parts: Sequence[Sequence[object]],
    net: nn.Module,
    pseudonym: str = "",
    put: Callable[[str], None] | None = None,
) -> None:
    """Put the text of an entry into the notebook's cell that called this, in place of the call.

    `put` does so; by default it asks the notebook, as `%load` does. Outside of a notebook the
    text is printed. Raises `ArgumentError` for an entry that is against the rules.
    """
    text = cell_text(parts, net, pseudonym)
    put = put or _replace_cell
    put(text)
    costs = costs_of(parts)
    print(f"{layers_of(parts)} layers, {_told(costs)}: within the budget.")


def _replace_cell(text: str) -> None:
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        print(text)
        return
    shell.set_next_input(text, replace=True)
    print("Your entry stands in this cell now: run it once more, then save the notebook.")
