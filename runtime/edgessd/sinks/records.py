"""Lines about frames: JSON, as ``detect --jsonl`` and ``run`` write it, or CSV."""

import csv
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from edgessd.errors import InputError
from edgessd.sinks.line_file import LineFile
from edgessd.streams.event import Event
from edgessd.streams.result import Result
from edgessd.streams.sink import Sink, SinkClosed
from edgessd.streams.status import Status
from edgessd.tracking.watch import Tracks
from edgessd.util.outside_text import outside_text, spreadsheet_cell
from edgessd.util.standard_streams import discard

CSV_COLUMNS = ("time", "source", "frame", "age_ms", "label", "score", "x1", "y1", "x2", "y2", "id")


class JsonlSink(Sink):
    """A JSON line a frame, one with ``event`` for what happens to a track, one with ``state`` for a stream's new state.

    They are written as it happens.
    """

    needs_pictures = False

    def __init__(
        self,
        target: Path | str,
        labels: tuple[str, ...],
        *,
        max_bytes: float = float("inf"),
        keep: int = 0,
        append: bool = True,
    ) -> None:
        """target: a file, or "-" for standard output. append: keep what is in the file. Raises InputError."""
        self._labels = labels
        self._lines: LineFile | StandardOutput = (
            StandardOutput()
            if str(target) == "-"
            else LineFile(Path(target), max_bytes=max_bytes, keep=keep, append=append)
        )

    def write(self, result: Result) -> None:
        """Append one frame. Raises InputError when the disk refuses it, SinkClosed when nobody reads the pipe."""
        self._lines.write(json.dumps(result_as_json(result, self._labels)))

    def tell(self, event: Event) -> None:
        self._lines.write(json.dumps(event.as_json()))

    def report(self, status: Status) -> None:
        self._lines.write(json.dumps(status.as_json()))

    def close(self) -> None:
        self._lines.close()


class CsvSink(Sink):
    """A row a detection, ``id`` empty where it has none; frames without any and states leave none."""

    def __init__(self, path: Path, labels: tuple[str, ...], *, max_bytes: float = float("inf"), keep: int = 0) -> None:
        """Raises InputError for a place that cannot be written."""
        self._labels = labels
        self._lines = LineFile(path, max_bytes=max_bytes, keep=keep, header=",".join(CSV_COLUMNS))

    def write(self, result: Result) -> None:
        source = _cell(result.frame.source)
        place = (f"{result.frame.wall_time:.3f}", source, result.frame.index, f"{result.age * 1e3:.2f}")
        for found in result.detections.as_json(self._labels):
            self._lines.write(_row((*place, _cell(found["label"]), found["score"], *found["box"], found.get("id"))))

    def close(self) -> None:
        self._lines.close()


class StandardOutput:
    """Standard output, a line at a time."""

    def __init__(self) -> None:
        """Raises InputError where it is closed."""
        if sys.stdout is None:
            raise InputError("standard output is closed", fix="give --jsonl a file")

    def write(self, line: str) -> None:
        """Write one line. Raises SinkClosed when its reader has ended, InputError when the disk refuses it."""
        try:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        except OSError as error:
            discard(sys.stdout.fileno())
            if isinstance(error, BrokenPipeError):
                raise SinkClosed from error
            raise InputError(
                f"cannot write standard output: {error.strerror}", fix="free space or choose another place"
            ) from error

    def close(self) -> None:
        """Nothing waits."""


def result_as_json(result: Result, labels: tuple[str, ...]) -> dict[str, Any]:
    """Return source, frame, the wall-clock time of capture (seconds since 1970), age and detections.

    ``media_time``, the seconds since a file's first frame, stands there for files; ``zones`` and ``lines`` where the
    stream has any (see ``counts_as_json``).
    """
    frame = result.frame
    media = {} if frame.media_time is None else {"media_time": round(frame.media_time, 4)}
    return {
        "source": frame.source,
        "frame": frame.index,
        "time": round(frame.wall_time, 3),
        **media,
        "age_ms": round(result.age * 1e3, 2),
        "detections": result.detections.as_json(labels),
        **(counts_as_json(result.tracks) if result.tracks else {}),
    }


def counts_as_json(tracks: Tracks) -> dict[str, Any]:
    """Return ``{"zones": {ZONE: {LABEL: inside}}, "lines": {LINE: {"in": {LABEL: crossed}, "out": {...}}}}``.

    What a stream does not have is left out, and so are labels that were not seen.
    """
    zones = {name: dict(inside) for name, inside in tracks.occupancy.items()}
    lines = {
        name: {way: {label: n for (each, label), n in crossed.items() if each == way} for way in ("in", "out")}
        for name, crossed in tracks.crossings.items()
    }
    return ({"zones": zones} if zones else {}) | ({"lines": lines} if lines else {})


def _cell(text: str) -> str:
    return spreadsheet_cell(outside_text(text))


def _row(values: Iterable[object]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(values)
    return text.getvalue()
