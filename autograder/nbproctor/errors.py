"""Errors of nbproctor.

NbproctorError
├── ConfigError        a setting or a command line is unknown, out of range or contradictory
├── LessonError        a lesson (source or release notebook) is not what grading needs
├── BuildError         a lesson could not be built, or a generated file is stale
├── GradebookError     nbgrader's gradebook and the lesson do not belong together
├── LedgerError        the ledger of results cannot be used, or an entry is damaged
├── UnfinishedError    a student's result is missing, or not whole
├── GraderError        the grader itself failed (judge, kernel start): nobody's answer is at fault
│   ├── ClusterError       there is no scheduler, or no node that may grade: go on later
│   ├── SandboxError       student code cannot be confined as the settings ask: nothing is graded
│   └── ProxyLimitError    a test asks of a proxy what a proxy cannot do: the test's author is told
└── RemoteError        a call into the student kernel gave no usable answer
    ├── RemoteTimeoutError  no answer before the deadline
    ├── RemoteClosedError   the student kernel ended the conversation
    ├── BadReplyError       the answer is malformed or larger than allowed
    ├── WrongKindError      an object came where a test needs a value
    ├── InPlaceError        the learner's code changed an argument
    └── StudentError        the learner's code raised an exception
"""

__all__ = [
    "BadReplyError",
    "BuildError",
    "ClusterError",
    "ConfigError",
    "GradebookError",
    "GraderError",
    "InPlaceError",
    "LedgerError",
    "LessonError",
    "NbproctorError",
    "ProxyLimitError",
    "RemoteClosedError",
    "RemoteError",
    "RemoteTimeoutError",
    "SandboxError",
    "StudentError",
    "UnfinishedError",
    "WrongKindError",
    "in_words",
]


class NbproctorError(Exception):
    """What went wrong, what was expected, what was found, and where."""

    def __init__(
        self, what: str, *, expected: object = None, got: object = None, where: object = None
    ) -> None:
        parts = [what]
        parts += [f"expected: {expected}"] if expected is not None else []
        parts += [f"got: {got}"] if got is not None else []
        parts += [f"where: {where}"] if where is not None else []
        super().__init__("\n  ".join(parts))
        self.what = what

    def __str__(self) -> str:
        return str(self.args[0])  # also where a subclass is a KeyError, which would quote it


class ConfigError(NbproctorError):
    """A setting or a command line is unknown, out of range or contradictory."""


class LessonError(NbproctorError):
    """A lesson (source or release notebook) is not what grading needs."""


class BuildError(NbproctorError):
    """A lesson could not be built, or a generated file is stale."""


class GradebookError(NbproctorError):
    """nbgrader's gradebook and the lesson do not belong together."""


class LedgerError(NbproctorError):
    """The ledger of results cannot be used, or an entry of it is damaged."""


class UnfinishedError(NbproctorError):
    """A student's result is missing, or not whole: grading was interrupted, or never began."""


class GraderError(NbproctorError):
    """The grader itself failed: nobody's answer is at fault."""


class ClusterError(GraderError):
    """There is no scheduler, or no node that may grade: what is graded is kept, the rest waits."""


class SandboxError(GraderError):
    """Student code cannot be confined as the settings ask: nothing is graded."""


class ProxyLimitError(GraderError):
    """A test asks of a proxy what a proxy cannot do: the test's author is told."""


class RemoteError(NbproctorError):
    """A call into the student kernel gave no usable answer."""


class RemoteTimeoutError(RemoteError):
    """No answer before the deadline."""


class RemoteClosedError(RemoteError):
    """The student kernel ended the conversation."""


class BadReplyError(RemoteError):
    """The answer is malformed or larger than allowed."""


class WrongKindError(RemoteError):
    """An object came where a test needs a value."""


class InPlaceError(RemoteError):
    """The learner's code changed an argument."""


class StudentError(RemoteError):
    """The learner's code raised an exception; `type_name` is its class, as claimed."""

    def __init__(self, type_name: str, message: str, where: str = "") -> None:
        name, _, line = where.removeprefix("in ").partition(": ")
        if type_name == "NotImplementedError" and not message and line.startswith("raise "):
            super().__init__(f"'{name}' is not written yet")  # as it was released
        else:
            said = f"{type_name}: {message}" if message else type_name
            super().__init__(f"your code raised {said}{f' ({where})' if where else ''}")
        self.type_name = type_name


def in_words(error: Exception) -> str:
    """What an error says, with its class where it is none of these."""
    return str(error) if isinstance(error, NbproctorError) else f"{type(error).__name__}: {error}"
