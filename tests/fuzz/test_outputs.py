"""Messages that a learner's code forges, and markdown that it writes, reach no reader unbounded
or alive."""

import json
import re
from html.parser import HTMLParser
from random import Random
from typing import Any

import nbformat
from budget import examples
from hypothesis import given
from hypothesis import strategies as st
from mutation import mutated
from notebooks import any_json

from nbproctor.kernels.outputs import CUT, OVERHEAD, Outputs
from nbproctor.store.feedback import TAGS, safe_markdown

KINDS = "stream display_data update_display_data execute_result error clear_output".split()
HONEST: list[dict[str, Any]] = [
    {"name": "stderr", "text": "é" * 300},
    {"data": {"text/plain": "𝄞" * 100, "image/png": "aGk=\n"}, "transient": {"display_id": "d"}},
    {"data": {"image/png": "aGk="}, "metadata": {"image/png": {"alt": "é" * 90, "width": 9}}},
    {"data": {"text/html": "<b>", "text/plain": "b"}, "transient": {"display_id": "d"}},
    {"ename": "ValueError", "evalue": "no", "traceback": ["\x1b[31mline\x1b[0m"] * 3},
    {"wait": True},
]
FLOODS: list[dict[str, Any]] = [
    {"ename": "E", "evalue": "", "traceback": [""] * 3000},
    {"name": "stdout", "text": "x" * 3000},
]


@st.composite
def messages(draw: Any) -> tuple[Any, Any]:
    """A kind and a content, as they come from a kernel, or nearly."""
    random: Random = draw(st.randoms(use_true_random=False))
    if random.randint(0, 9) == 0:
        return draw(any_json), draw(any_json)
    content = random.choice([mutated(random.choice(HONEST), random), *HONEST, *FLOODS])
    return random.choice(KINDS), content


@examples(400)
@given(st.lists(messages(), max_size=20), st.integers(0, 2000))
def test_outputs_take_any_message_and_keep_to_their_budget(
    taken: list[tuple[Any, Any]], budget: int
) -> None:
    outputs = Outputs(budget)
    for kind, content in taken:
        outputs.add(kind, content)
        assert size_of(outputs.cells) <= budget + len(CUT)
        assert len(outputs.cells) <= budget / OVERHEAD + 2
        assert len(outputs.error) <= 300
    cell = nbformat.v4.new_code_cell(outputs=outputs.cells)
    nbformat.validate(nbformat.v4.new_notebook(cells=[cell]))
    json.dumps(outputs.cells, ensure_ascii=False).encode()


def size_of(cells: list[dict[str, Any]]) -> int:
    """Bytes of text in outputs, a line's end counting as one."""
    texts = [cell.get(key, "") for cell in cells for key in ("text", "ename", "evalue")]
    texts += [text for cell in cells for text in cell.get("data", {}).values()]
    texts += [image["alt"] for cell in cells for image in cell.get("metadata", {}).values()]
    texts += ["\n".join(cell.get("traceback", [])) for cell in cells]
    return sum(len(text.encode()) for text in texts)


PIECES = (
    *"<script> </script> <svg/onload=alert(1)> <img src= onerror=alert(1)> <style> <!--".split(),
    *"<math><mtext> <iframe src= <a href= javascript:alert(1) data:text/html, --> ]]>".split(),
    *"https://x.example/a ![a]( [a]( ) [a]: <x.example> `` ``` $$ $ \\( \\) <div> </div>".split(),
    *"<details open> <table><tr> &#106; &colon; &#58; &#x2f;/ &lt;script&gt; \" ' = / >".split(),
    *"< & \\ * _ # | - ~ : src= style= <img ok a.png <noscript> <template> <title> <xmp>".split(),
    *("<plaintext>", "<object data=", "<base href=", "\n", "\n\n", "\t", "    ", " ", "\x00"),
    *("\ud800", "\u2028", "\ufeff"),
    *("<" * 50, ">" * 50, "[" * 50, "<b>" * 50, "<div>" * 50, "- " * 50),
)
PHRASES = (
    *("![a](@)", "[a](@)", "[a]: @\n\n![a] [a]", "<@>", "`@`", "<!-- @ -->", "<b>@</b>"),
    *('<img src="@">', "<img src='@'>", "<img src=@ onerror=@>", '<a href="@">', "<a href=@ x"),
    *("<script>@</script>", "<svg><script>@", "<style>@</style>", "<b onclick=@>", "<p style=@>"),
    *("<img/src=@>", "<IMG SRC=@ srcset=@>", "<td background=@>", "<form action=@><input>"),
)
ADDRESSES = (
    "https: http: data: javascript: // / x.example a.png &#58; &#47; &#x2f; &Tab; ..".split()
)
addresses = st.lists(st.sampled_from((*ADDRESSES, "\n", " ", "\x01", "")), max_size=4).map("".join)
phrases = st.builds(lambda phrase, at: phrase.replace("@", at), st.sampled_from(PHRASES), addresses)
pieces = st.sampled_from(PIECES) | phrases | st.text(st.characters(), max_size=5)
HARMLESS = {"href", "title", "src", "alt", "width", "height", "align"}


@examples(400)
@given(st.lists(pieces, max_size=12).map("".join))
def test_markdown_shows_nothing_that_a_browser_runs_or_fetches(source: str) -> None:
    made = safe_markdown(source)
    reader = Reader()
    reader.feed(made)
    reader.close()
    assert not re.search(r"<(?!/?(?:" + "|".join(TAGS) + r")[ >/])", made)


class Reader(HTMLParser):
    """Fails on what is not harmless."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        for name, value in attrs:
            assert name in HARMLESS
            address = re.sub(r"[\x00-\x20]", "", value or "").lower()
            if name == "href" and (scheme := re.match(r"[a-z][a-z0-9+.-]*:", address)):
                assert scheme[0] in ("http:", "https:", "mailto:")
            if name == "src":
                assert re.fullmatch(r"\w[\w./-]*", address)
