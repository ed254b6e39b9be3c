"""nbgrader's feedback page for readers who use a keyboard, a screen reader, a phone, or weak eyes.

Its templates leave out the language, and show links in colours that are hard to see. nbgrader's
page is kept as it is otherwise.
"""

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
}
</style>
"""


def accessible_page(page: str) -> str:
    """The page with its language named and its colours legible."""
    named = page.replace("<html>", '<html lang="en">', 1)
    return named.replace("</head>", f"{STYLE}</head>", 1)
