"""The results of one file: Parquet with a row a detection, or JSON lines with a line a frame.

No wall clock and no machine stands in them, so that the same file gives the same bytes everywhere.
"""

import json
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Protocol

from edgessd.streams.result import Result
from edgessd.util.extras import need

_ROW_GROUP = 100_000
COLUMNS = ("source", "frame", "media_time", "label", "score", "x1", "y1", "x2", "y2")


class Rows(Protocol):
    """A file of results that is being written, and a context manager. Errors of the disk are OSError."""

    def add(self, result: Result) -> None:
        """Append one frame's detections."""
        ...

    def __enter__(self) -> "Rows": ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the end, where all went well, and close."""
        ...


def open_rows(format: str, path: Path, name: str, labels: tuple[str, ...]) -> Rows:
    """Return the writer of a file's results. name: the archive's name for it, the column ``source``."""
    return ParquetRows(path, name, labels) if format == "parquet" else JsonRows(path, name, labels)


def counts_in(format: str, path: Path) -> tuple[int, dict[str, int]]:
    """Return the frames and the detections by label of a finished file."""
    if format == "parquet":
        parquet = need("pyarrow.parquet", "archive")
        with path.open("rb") as opened:
            file = parquet.ParquetFile(opened)
            found = Counter(file.read(columns=["label"]).column(0).to_pylist())
            return int(file.metadata.metadata[b"frames"]), dict(found)
    frames, found = 0, Counter()
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            frames += 1
            found.update(each["label"] for each in json.loads(line)["detections"])
    return frames, dict(found)


class JsonRows:
    """A line a frame: ``{"source", "frame", "media_time", "detections"}``."""

    def __init__(self, path: Path, name: str, labels: tuple[str, ...]) -> None:
        self._name, self._labels = name, labels
        self._file: IO[str] = path.open("w", encoding="utf-8")

    def add(self, result: Result) -> None:
        """Append one line."""
        line = {
            "source": self._name,
            "frame": result.frame.index,
            "media_time": _rounded(result.frame.media_time),
            "detections": result.detections.as_json(self._labels),
        }
        self._file.write(json.dumps(line) + "\n")

    def __enter__(self) -> "JsonRows":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


class ParquetRows:
    """A row a detection; the number of frames, also those without any, is the file's metadata ``frames``."""

    def __init__(self, path: Path, name: str, labels: tuple[str, ...]) -> None:
        """Raises MissingExtra without pyarrow."""
        self._arrow, parquet = need("pyarrow", "archive"), need("pyarrow.parquet", "archive")
        arrow = self._arrow
        words = arrow.dictionary(arrow.int32(), arrow.string())
        types = (words, arrow.int32(), arrow.float64(), words, *[arrow.float32()] * 5)
        self._schema = arrow.schema(list(zip(COLUMNS, types, strict=True)))
        # Arrow's text is UTF-8, a file's name need not be: such a byte stands as \xff.
        self._name = name.encode(errors="surrogateescape").decode(errors="backslashreplace")
        self._labels, self._frames = labels, 0
        self._rows: list[dict[str, Any]] = []
        self._file = path.open("wb")  # Arrow itself opens no path that is not UTF-8
        self._writer = parquet.ParquetWriter(self._file, self._schema)

    def add(self, result: Result) -> None:
        """Append a frame's detections."""
        self._frames += 1
        place = {
            "source": self._name,
            "frame": result.frame.index,
            "media_time": _rounded(result.frame.media_time),
        }
        for found in result.detections.as_json(self._labels):
            box = dict(zip(("x1", "y1", "x2", "y2"), found["box"], strict=True))
            self._rows.append(place | {"label": found["label"], "score": found["score"]} | box)
        if len(self._rows) >= _ROW_GROUP:
            self._flush()

    def _flush(self) -> None:
        self._writer.write_table(self._arrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []

    def __enter__(self) -> "ParquetRows":
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self._flush()
            self._writer.add_key_value_metadata({"frames": str(self._frames)})
        with self._file:
            self._writer.close()


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 4)
