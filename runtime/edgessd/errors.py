"""The errors a caller may want to catch. Their text is one line: the rule, the value, the fix."""


class EdgessdError(Exception):
    """Base of all named errors; ``exit_code`` is what the command line returns for it."""

    exit_code = 1  # the work failed or a gate refused


class InputError(EdgessdError):
    """What was given cannot be used: a wrong option, file or value."""

    exit_code = 2


class CardError(InputError):
    """A model's card is missing, damaged, or disagrees with the model."""


class VideoError(InputError):
    """A source of frames cannot be opened, or a video cannot be written."""


class DataError(InputError):
    """A data set or an annotation cannot be read."""


class MissingExtra(InputError):
    """A library is not installed; the text names the extra that brings it."""


class BackendError(EdgessdError):
    """An inference engine refused a model or failed while running it."""


class ExportError(EdgessdError):
    """A model could not be exported, or what was exported is not what was trained."""


class EngineError(InputError):
    """A TensorRT engine is not what its card describes, or was not built for this machine."""


class TrainingError(EdgessdError):
    """A training run had to stop, such as when its loss was no number any more."""
