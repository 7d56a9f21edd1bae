"""Old files of a stream are deleted, so that a disk never fills."""

from pathlib import Path

_STAMP = "_????????-??????-???"


class KeptFiles:
    """The newest ``keep`` files ``FOLDER/STREAM_stamp.suffix`` of every stream; 0 keeps all."""

    def __init__(self, folder: Path, suffix: str, keep: int) -> None:
        self._folder = folder
        self._suffix = suffix
        self._keep = keep

    def tidy(self, stream: str) -> None:
        """Delete what is too old of one stream."""
        if self._keep:
            for path in sorted(self._folder.glob(f"{stream}{_STAMP}{self._suffix}"))[: -self._keep]:
                path.unlink(missing_ok=True)
