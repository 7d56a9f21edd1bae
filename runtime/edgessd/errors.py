"""The errors a caller may want to catch: each has a cause, a fix, and perhaps a command."""

from typing import TypeVar

Kind = TypeVar("Kind", bound="EdgessdError")


class EdgessdError(Exception):
    """Base of all named errors; ``str`` is cause and fix in one line.

    cause: the rule and the value that broke it. fix: what to do, in words; it names the command where there is one.
    command: the same as a shell line, for programs. exit_code: what the command line returns.
    """

    exit_code = 1  # the work failed or a gate refused

    def __init__(self, cause: str, *, fix: str | None = None, command: str | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.fix = fix or command
        self.command = command

    def __str__(self) -> str:
        return f"{self.cause}: {self.fix}" if self.fix else self.cause

    def within(self: Kind, place: str) -> Kind:
        """Return the same error, its cause preceded by the file or table it stands in."""
        placed = type(self).__new__(type(self))  # not by copy(), which calls __init__ with its own arguments
        placed.__dict__ |= self.__dict__
        placed.cause = f"{place}: {self.cause}"
        return placed


class InputError(EdgessdError):
    """What was given cannot be used: a wrong option, file or value."""

    exit_code = 2


class CardError(InputError):
    """A model's card is missing, damaged, or disagrees with the model."""


class VideoError(InputError):
    """A source of frames cannot be opened, or a video cannot be written."""


class DataError(InputError):
    """A data set or an annotation cannot be read."""


class DiskFull(InputError):
    """The disk of what is to be written has too little room."""


class MissingExtra(InputError):
    """A library is not installed; the command installs the extra that brings it."""


class BackendError(EdgessdError):
    """An inference engine refused a model or failed while running it."""


class ExportError(EdgessdError):
    """A model could not be exported, or what was exported is not what was trained."""


class EngineError(InputError):
    """A TensorRT engine is not what its card describes, or was not built for this machine."""


class TrainingError(EdgessdError):
    """A training run had to stop, such as when its loss was no number any more."""
