"""The lessons and documents as a static site: `make site`.

    python -m docs.site                    write site/
    python -m docs.site --output FOLDER    write it elsewhere
    python -m docs.site --addresses        list the addresses of the web that its pages name

Sphinx makes the pages, from sources that are put together in a temporary folder:

- `lessons`: a lesson as learners open it, with the outputs of the executed solutions; its
  solutions folded, without its hidden tests. Nothing is executed.
- `documents`: the pages of docs/, with their links as the site has them, and the front page.
- `conf`, `captions`, `lesson_links`: Sphinx's settings and two small extensions.
- `links`: every link and picture of the finished pages leads somewhere, and nothing is loaded from
  elsewhere. Only then does the new site replace the old one.
"""

__all__ = ["SiteError"]


class SiteError(Exception):
    """The site cannot be built; the message says why, in words for whoever ran `make site`."""
