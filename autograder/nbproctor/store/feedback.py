"""Markdown in feedback and formgrader: rendered, with nothing left that a browser would run.

Students write markdown cells, and markdown may hold any HTML. nbgrader's page templates show it as
it is, so `nbgrader_config.py` puts `safe_markdown` where they render it.
"""

import html
import re
from functools import lru_cache

import bleach
from nbconvert.filters.markdown_mistune import markdown2html_mistune

__all__ = ["safe_markdown"]

TAGS = frozenset(
    "a abbr b blockquote br code dd del details div dl dt em h1 h2 h3 h4 h5 h6 hr i img li ol p "
    "pre span strong sub summary sup table tbody td th thead tr ul".split()
)

MAX_CHARACTERS, MAX_TAGS = 20_000, 10_000
MAX_REMEMBERED = 10_000  # characters


def safe_markdown(source: str) -> str:
    """HTML of a markdown text: known harmless tags only, images from the lesson's folder only.

    A text that is very long, or of very many tags, is shown as it was written: to render or clean
    it can take hours. Most texts are the lesson's, the same for every learner: they are remembered.
    """
    return (_remembered if len(source) <= MAX_REMEMBERED else _cleaned)(source)


def _cleaned(source: str) -> str:
    made = markdown2html_mistune(source) if len(source) <= MAX_CHARACTERS else ""
    if not made or made.count("<") > MAX_TAGS:
        return f"<pre>{html.escape(source)}</pre>"
    attributes = {"a": ["href", "title"], "img": _image_attribute, "th": ["align"], "td": ["align"]}
    return bleach.clean(made, tags=TAGS, attributes=attributes)


_remembered = lru_cache(maxsize=1024)(_cleaned)


def _image_attribute(tag: str, name: str, value: str) -> bool:
    """A picture from elsewhere would tell its server who looks at this page."""
    if name == "src":  # bleach hands references like &#58; over as they stand
        return re.fullmatch(r"\w[\w./-]*", html.unescape(value)) is not None
    return name in ("alt", "title", "width", "height")
