"""Captions of the side bar are headings of the second level; Sphinx leaves the level out."""

from typing import Any

from sphinx.application import Sphinx

__all__ = ["setup"]

AFTER_THE_THEME = 900


def setup(app: Sphinx) -> dict[str, bool]:
    """Look at every page before it is written."""
    app.connect("html-page-context", _add_levels, priority=AFTER_THE_THEME)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _add_levels(_app: Sphinx, _page: str, _template: str, context: dict[str, Any], *_: Any) -> None:
    tree = context["furo_navigation_tree"]
    context["furo_navigation_tree"] = tree.replace(
        'class="caption" role="heading"', 'class="caption" role="heading" aria-level="2"'
    )
