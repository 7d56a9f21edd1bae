"""Why a source gives no frames, by name."""

from edgessd.errors import VideoError

# Trying again soon cannot help, and wrong passwords lock accounts.
LASTING = ("authentication", "not found", "not a stream", "refused settings")


class SourceFault(VideoError):
    """A source that gives no frames. ``reason`` is a short name for states and metrics."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason

    @property
    def lasting(self) -> bool:
        """Return whether only somebody's hand is likely to help."""
        return self.reason in LASTING
