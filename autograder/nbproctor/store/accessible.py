"""nbgrader's feedback page for readers who use a keyboard, a screen reader, a phone, or weak eyes,
and for those without a network.

Its templates leave out the language, show links in colours that are hard to see, and fetch MathJax
from a server that learns who reads. nbgrader's page is kept as it is otherwise.
"""

import html
import re

__all__ = ["accessible_page"]

# Ratios of contrast are at least 4.5 to 1; long lines of code are wrapped where there is no room,
# so that nothing has to be scrolled sideways.
STYLE = """\
<style>
.panel-heading a { color: #1f4e79; text-decoration: underline; }
div.nbgrader_cell > .panel-heading { background-color: #2a6496; height: auto; min-height: 37px; }
div.nbgrader_cell > .panel-heading a { color: #ffffff; }
div.nbgrader_cell > .panel-heading code { color: #8a1538; }
.rendered_html a { color: #1f4e79; text-decoration: underline; }
li.late-penalty { color: #a32a22; }
@media (max-width: 60rem) {
  .input_area pre, .output_area pre { white-space: pre-wrap; overflow-wrap: anywhere; }
  .rendered_html code { white-space: normal; overflow-wrap: anywhere; }
}
</style>
"""
# The script that is fetched, and the one with its settings.
MATHJAX = re.compile(
    r"<script src=[^>]*mathjax[^>]*>\s*</script>(?P<settings>.*?</script>)", re.DOTALL | re.I
)


def accessible_page(page: str, mathjax_url: str = "") -> str:
    """The page with its language named and its colours legible, that fetches nothing.

    Args:
        mathjax_url: where formulas are fetched a typesetter from all the same; nowhere if empty.
    """
    head, end, body = page.partition("</head>")
    head = head.replace("<html>", '<html lang="en">', 1)
    # No reader waits for it: where it cannot be had, formulas stand as they were written.
    script = f'<script async src="{html.escape(mathjax_url)}"></script>' if mathjax_url else ""
    head = MATHJAX.sub(lambda found: script and script + found["settings"], head, count=1)
    return f"{head}{STYLE if end else ''}{end}{body}"
