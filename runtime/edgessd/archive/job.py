"""What an archive job is: its files, its settings, and what came of one file."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from edgessd.errors import InputError
from edgessd.model.postprocess import PostProcess
from edgessd.model.shipped import model_path
from edgessd.sources.address import redact_url
from edgessd.util.extras import need
from edgessd.util.outside_text import NAME, outside_text
from edgessd.util.suggestions import did_you_mean

RESULTS = "results"  # the folder below ``out``
FORMATS = ("parquet", "jsonl")
_DIGEST = re.compile("([0-9a-f]{16})?")
_LONGEST_NAME = 200  # bytes of a name that its results keep; a file's name may have 255


@dataclass(frozen=True)
class Item:
    """A file to do. path: local, or a URL of fsspec's. name: what its results are called, with ``/`` between folders.

    stamp: changes when the file does, so that a known one need not be read to know it again.
    """

    path: str
    name: str
    stamp: str

    @property
    def shown(self) -> str:
        """Return the path without passwords and tokens, and with a mark of them: what is known of it by."""
        if "://" not in self.path or (bare := redact_url(self.path)) == self.path:
            return self.path
        return f"{bare}#{hashlib.sha256(self.path.encode(errors='surrogateescape')).hexdigest()[:8]}"


class State(str, Enum):
    """What came of a file: its results are there, or it cannot be read."""

    DONE = "done"
    BROKEN = "broken"


@dataclass(frozen=True)
class Outcome:
    """What came of one file; a line of the manifest. labels: detections by label. again: it was done before."""

    path: str
    name: str
    stamp: str
    state: State
    digest: str = ""
    frames: int = 0
    labels: dict[str, int] = field(default_factory=dict)
    note: str = ""
    again: bool = False

    @classmethod
    def broken(cls, item: Item, reason: str) -> "Outcome":
        """Return the outcome of a file that cannot be done."""
        return cls(item.shown, item.name, item.stamp, State.BROKEN, note=reason)

    def as_json(self) -> dict[str, Any]:
        """Return the manifest's line; without ``again``, which is true of a run and not of a file."""
        return {key: value for key, value in asdict(self).items() if key != "again"} | {"state": self.state.value}

    @classmethod
    def from_json(cls, line: dict[str, Any]) -> "Outcome":
        """Return the outcome of a manifest's line. Raises TypeError, ValueError or KeyError for another's line."""
        outcome = cls(**(line | {"state": State(line["state"]), "labels": dict(line["labels"])}))
        texts = (outcome.path, outcome.name, outcome.stamp, outcome.note, *outcome.labels)
        counts = (outcome.frames, *outcome.labels.values())
        if not all(type(text) is str for text in texts) or not all(type(n) is int and 0 <= n < 1 << 63 for n in counts):
            raise ValueError("a value of another type")
        if not _DIGEST.fullmatch(outcome.digest):
            raise ValueError("no digest")
        return outcome


@dataclass(frozen=True)
class Settings:
    """How every file is done, and where its results go. out: a local folder, or a URL of fsspec's."""

    out: str
    model: str = "default"
    backend: str = "auto"
    format: str = "parquet"
    score: float | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        """Raise InputError for an unknown format."""
        if self.format not in FORMATS:
            raise InputError(f"no format {self.format!r}", fix=did_you_mean(self.format, FORMATS))

    @property
    def post_process(self) -> PostProcess:
        """Return the detector's settings."""
        return PostProcess(score=self.score, labels=self.classes)

    def check_format(self) -> None:
        """Raise MissingExtra where the library of the format is not installed."""
        if self.format == "parquet":
            need("pyarrow", "archive")

    def identity(self) -> dict[str, Any]:
        """Return what decides the results: a folder holds those of one identity. Raises InputError for no model."""
        content = Path(model_path(self.model)).read_bytes()
        classes = None if self.classes is None else list(self.classes)
        digest = hashlib.sha256(content).hexdigest()
        return {"model_sha256": digest, "format": self.format, "score": self.score, "classes": classes}

    def results_of(self, item: Item, digest: str) -> str:
        """Return the path below ``out`` of a file's results."""
        folder, _, name = item.name.rpartition("/")
        name = name.encode(errors="surrogateescape")[:_LONGEST_NAME].decode(errors="surrogateescape")
        return "/".join(filter(None, (RESULTS, folder, f"{name}.{digest}.{self.format}")))


def check_identity(wanted: dict[str, Any], stored: str, out: str) -> None:
    """Raise InputError where a folder's archive.json tells of other settings: two kinds of results would mix."""
    try:
        found = json.loads(stored)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not isinstance(found.get("identity"), dict):
        raise InputError(f"{redact_url(out)}/archive.json is not an archive's", fix="choose another folder")
    differing = [key for key, value in wanted.items() if found["identity"].get(key) != value]
    if differing:
        key = differing[0]
        there = outside_text(found["identity"].get(key), NAME)
        raise InputError(
            f"{redact_url(out)} holds results of another {key.partition('_')[0]}: {there}, not {wanted[key]}",
            fix="choose another folder for --out, or give the settings of before",
        )
