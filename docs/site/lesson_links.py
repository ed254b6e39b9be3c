"""Where a text says "lesson 03", it leads there."""

import re
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

__all__ = ["setup"]

NAMED = re.compile(r"\b[Ll]esson (\d\d)\b")
LEFT_ALONE = (nodes.literal, nodes.literal_block, nodes.reference, nodes.title, nodes.raw,
              nodes.math, nodes.math_block, addnodes.pending_xref)  # fmt: skip


class LessonLinks(SphinxTransform):
    """Makes a link of every lesson that is named in prose, but not on its own page."""

    default_priority = 700

    def apply(self, **_: Any) -> None:
        names = sorted(name for name in self.env.found_docs if name.startswith("lessons/"))
        lessons = {name.removeprefix("lessons/")[:2]: name for name in names}
        for text in list(self.document.findall(nodes.Text)):
            if not _stands_in(text, LEFT_ALONE) and (parts := self._parts(text, lessons)):
                text.parent.replace(text, parts)

    def _parts(self, text: nodes.Text, lessons: dict[str, str]) -> list[nodes.Node]:
        """The text in pieces, some of them links; nothing if it names no other lesson."""
        parts: list[nodes.Node] = []
        end = 0
        for found in NAMED.finditer(text):
            target = lessons.get(found[1])
            if target and target != self.env.docname:
                parts += [nodes.Text(text[end : found.start()]), self._link(found[0], target)]
                end = found.end()
        return [*parts, nodes.Text(text[end:])] if parts else []

    def _link(self, words: str, target: str) -> nodes.Node:
        return addnodes.pending_xref(
            "", nodes.inline("", words), refdomain="std", reftype="doc", reftarget=f"/{target}",
            refdoc=self.env.docname, refexplicit=True, refwarn=True,
        )  # fmt: skip


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the transform."""
    app.add_transform(LessonLinks)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _stands_in(node: nodes.Node, kinds: tuple[type[nodes.Node], ...]) -> bool:
    while node := node.parent:
        if isinstance(node, kinds):
            return True
    return False
