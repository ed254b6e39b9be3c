"""Sphinx's settings for the site. Nothing here executes a notebook or fetches anything."""

import importlib.util
from pathlib import Path

HERE = Path(__file__).parent
# Only one file of the package is wanted: it is not loaded as the extension that it also is.
_package = importlib.util.find_spec("sphinx-mathjax-offline")
MATHJAX = Path(_package.origin).parent / "static/mathjax/tex-svg.js"

project = "plusx"
author = "The plusx authors"
project_copyright = "The plusx authors. Lessons and documents: CC BY 4.0; code: MIT"
html_title = "plusx"
language = "en"

extensions = ["myst_nb", "sphinx.ext.mathjax", "docs.site.captions", "docs.site.lesson_links"]
mathjax_path = MATHJAX.name
mathjax3_config = {"options": {"enableMenu": False}}  # it could load more from elsewhere

myst_enable_extensions = ["attrs_block", "dollarmath"]
# Lessons are written for Jupyter and documents for any reader of Markdown: there, these are text.
myst_disable_syntax = ["myst_block_break", "myst_line_comment", "myst_target"]
myst_heading_anchors = 4
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js: dict[str, dict[str, str]] = {}  # widgets show their still figures

html_theme = "furo"
html_theme_options = {"navigation_with_keys": False, "top_of_page_buttons": []}
html_static_path = [str(HERE / "static"), str(MATHJAX)]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_favicon = "static/icon.svg"
html_copy_source = False
html_show_sourcelink = False
html_domain_indices = False
html_use_index = False
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
