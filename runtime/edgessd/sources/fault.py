"""Why a source gives no frames, by name."""

from edgessd.errors import VideoError

# Somebody's hand is likely to be needed. Only a refused password is not tried again soon: that locks accounts. The
# others also come from servers that have just started.
AUTHENTICATION = "authentication"
LASTING = (AUTHENTICATION, "not found", "not a stream", "refused settings")


class SourceFault(VideoError):
    """A source that gives no frames. ``reason`` is a short name for states and metrics."""

    def __init__(self, reason: str, cause: str, *, fix: str | None = None, command: str | None = None) -> None:
        super().__init__(cause, fix=fix, command=command)
        self.reason = reason

    @property
    def lasting(self) -> bool:
        """Return whether only somebody's hand is likely to help."""
        return self.reason in LASTING
