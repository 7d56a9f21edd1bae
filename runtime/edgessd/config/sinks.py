"""The ``[[sinks]]`` of a configuration: one dataclass a type, its values checked, and what opens it.

``check`` looks whether it could be opened without opening it: a service may be running with the same file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from edgessd.errors import InputError
from edgessd.util.extras import need
from edgessd.util.files import with_room, writable
from edgessd.util.suggestions import did_you_mean

if TYPE_CHECKING:
    from edgessd.streams import StreamSink

Labels = tuple[str, ...]
_MEGABYTE = 1_000_000
_ROOM = 8 * _MEGABYTE  # with less free at the start a disk is full


@dataclass(frozen=True, kw_only=True)
class Common:
    """What all sinks take. streams: theirs alone, all where not given."""

    streams: tuple[str, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class LinesTable(Common):
    """Lines in a file that starts anew at max_mb; so many old ones are kept."""

    path: Path
    max_mb: float = 100
    keep: int = 5

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        _require("max_mb", self.max_mb, above=0)
        _require("keep", self.keep, least=0)

    def check(self) -> None:
        """Raise InputError for a place that cannot be written, or has no room."""
        with_room(writable(self.path), _ROOM, "a sink")


@dataclass(frozen=True, kw_only=True)
class JsonlTable(LinesTable):
    """``type = "jsonl"``: a JSON line a frame and a state."""

    def open(self, labels: Labels) -> "StreamSink":
        """Return the sink. Raises InputError."""
        from edgessd.sinks.records import JsonRecords

        return JsonRecords(self.path, labels, max_bytes=round(self.max_mb * _MEGABYTE), keep=self.keep)


@dataclass(frozen=True, kw_only=True)
class CsvTable(LinesTable):
    """``type = "csv"``: a row a detection."""

    def open(self, labels: Labels) -> "StreamSink":
        """Return the sink. Raises InputError."""
        from edgessd.sinks.records import CsvRecords

        return CsvRecords(self.path, labels, max_bytes=round(self.max_mb * _MEGABYTE), keep=self.keep)


@dataclass(frozen=True, kw_only=True)
class VideoTable(Common):
    """``type = "video"``: annotated segments. container: mkv or mp4 (fragmented). keep: segments a stream, 0 all."""

    folder: Path
    container: str = "mkv"
    encoder: str = "libx264"
    segment_seconds: float = 600
    segment_mb: float = 1000
    keep: int = 144

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        if self.container not in ("mkv", "mp4"):
            raise InputError(f"no container {self.container!r}", fix=did_you_mean(self.container, ("mkv", "mp4")))
        _require("segment_seconds", self.segment_seconds, above=0)
        _require("segment_mb", self.segment_mb, above=0)
        _require("keep", self.keep, least=0)

    def check(self) -> None:
        """Raise InputError for a folder that cannot be made or written."""
        _check_folder(self.folder)

    def open(self, labels: Labels) -> "StreamSink":
        """Return the sink. Raises InputError."""
        from edgessd.sinks.recording import Recording

        return Recording(
            self.folder,
            labels,
            suffix=f".{self.container}",
            encoder=self.encoder,
            segment_seconds=self.segment_seconds,
            segment_bytes=round(self.segment_mb * _MEGABYTE),
            keep=self.keep,
        )


@dataclass(frozen=True, kw_only=True)
class SnapshotTable(Common):
    """``type = "snapshots"``: a picture when something is found, at most one an interval (s) and stream."""

    folder: Path
    interval: float = 10
    keep: int = 1000

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        _require("interval", self.interval, least=0)
        _require("keep", self.keep, least=0)

    def check(self) -> None:
        """Raise InputError for a folder that cannot be made or written."""
        _check_folder(self.folder)

    def open(self, labels: Labels) -> "StreamSink":
        """Return the sink. Raises InputError."""
        from edgessd.sinks.snapshots import Snapshots

        return Snapshots(self.folder, labels, interval=self.interval, keep=self.keep)


@dataclass(frozen=True, kw_only=True)
class MqttTable(Common):
    """``type = "mqtt"``: topics PREFIX/STREAM/detections and /state, PREFIX/status as the last will."""

    host: str = "localhost"
    port: int = 1883
    prefix: str = "edgessd"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    only_detections: bool = False

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        _require("port", self.port, least=1, most=65535)
        if not self.prefix or set(self.prefix) & set("+#"):
            raise InputError(f"an MQTT prefix is a text without '+' and '#', got {self.prefix!r}")

    def check(self) -> None:
        """Raise MissingExtra without paho-mqtt."""
        need("paho.mqtt.client", "streams")

    def open(self, labels: Labels) -> "StreamSink":
        """Return the sink; it connects in the background. Raises MissingExtra."""
        from edgessd.sinks.mqtt import Mqtt

        return Mqtt(
            labels,
            host=self.host,
            port=self.port,
            prefix=self.prefix,
            user=self.user,
            password=self.password,
            tls=self.tls,
            only_detections=self.only_detections,
        )


@dataclass(frozen=True, kw_only=True)
class WebhookTable(Common):
    """``type = "webhook"``: detections by POST, at most one an interval (s) and stream."""

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    interval: float = 1
    attempts: int = 3

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        _require("attempts", self.attempts, least=1, most=10)
        _require("interval", self.interval, least=0)
        if not self.url.startswith(("http://", "https://")):
            raise InputError("a webhook's url begins with http:// or https://", fix="correct it")

    def check(self) -> None:
        """There is nothing to look at without posting."""

    def open(self, labels: Labels) -> "StreamSink":
        """Return the sink."""
        from edgessd.sinks.webhook import Webhook

        return Webhook(self.url, labels, headers=self.headers, interval=self.interval, attempts=self.attempts)


@dataclass(frozen=True, kw_only=True)
class PrometheusTable(Common):
    """``type = "prometheus"``: figures on http://ADDRESS:PORT/metrics."""

    address: str = "127.0.0.1"
    port: int = 9464

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        _require("port", self.port, least=0, most=65535)

    def check(self) -> None:
        """Raise MissingExtra without prometheus-client."""
        need("prometheus_client", "streams")

    def open(self, labels: Labels) -> "StreamSink":
        """Return the sink. Raises InputError when the port is taken, MissingExtra."""
        from edgessd.sinks.prometheus import Prometheus

        return Prometheus(labels, address=self.address, port=self.port)


SinkTable = JsonlTable | CsvTable | VideoTable | SnapshotTable | MqttTable | WebhookTable | PrometheusTable
SINK_TABLES: dict[str, type[SinkTable]] = {
    "jsonl": JsonlTable,
    "csv": CsvTable,
    "video": VideoTable,
    "snapshots": SnapshotTable,
    "mqtt": MqttTable,
    "webhook": WebhookTable,
    "prometheus": PrometheusTable,
}


def kind_of(table: SinkTable) -> str:
    """Return the ``type`` of a sink."""
    return next(kind for kind, known in SINK_TABLES.items() if type(table) is known)


def _require(
    name: str, value: float, *, above: float | None = None, least: float | None = None, most: float | None = None
) -> None:
    if above is not None and value <= above:
        raise InputError(f"{name} must be above {above:g}, got {value:g}")
    if least is not None and value < least:
        raise InputError(f"{name} must be at least {least:g}, got {value:g}")
    if most is not None and value > most:
        raise InputError(f"{name} must be at most {most:g}, got {value:g}")


def _check_folder(folder: Path) -> None:
    with_room(writable(folder / "file" if folder.is_dir() else folder), _ROOM, "a sink")
