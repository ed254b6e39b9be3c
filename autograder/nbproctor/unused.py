"""Libraries that take a second to import and that nothing here uses."""

import sys

__all__ = ["leave_out"]

# jsonschema takes it if it is there, to check the format of internationalised web addresses: no
# notebook has a field of that format. Importing it costs more than importing nbgrader without it.
UNUSED = ("rfc3987_syntax",)


def leave_out() -> None:
    """Have imports of these libraries fail in this process, as where they are not installed."""
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
