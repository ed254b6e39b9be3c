"""Errors of plusx: every one says what is wrong, what was expected, what came, and where.

PlusxError
├── ArgumentError      (also a ValueError)      a function was called with a bad value
├── WeightsError       (also a ValueError)      weights do not fit the model
├── DownloadError      (also an OSError)        a data set could not be fetched
└── ExpectationError   (also an AssertionError) an exercise gave a wrong answer
"""


class PlusxError(Exception):
    """Base of all errors that plusx raises on purpose."""

    def __init__(
        self, what: str, *, expected: object = "", got: object = "", where: str = ""
    ) -> None:
        details = {"expected": expected, "got": got, "where": where}
        lines = [f"  {name}: {value}" for name, value in details.items() if value != ""]
        super().__init__("\n".join([what, *lines]))


class ArgumentError(PlusxError, ValueError):
    """A public function or class was called with a value it cannot use."""


class WeightsError(PlusxError, ValueError):
    """The weights offered do not fit the model, by number or by shape."""


class DownloadError(PlusxError, OSError):
    """A data set could not be fetched; the message says how to do it by hand."""


class ExpectationError(AssertionError, PlusxError):
    """An answer differs from what the exercise asks for.

    `str(error)` tells everything; `feedback` is the same without any expected
    number, so that it may be shown for a hidden test.
    """

    def __init__(self, message: str, feedback: str) -> None:
        super().__init__(message)
        self.feedback = feedback
