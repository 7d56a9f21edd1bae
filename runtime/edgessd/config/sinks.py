"""The ``[[sinks]]`` of a configuration: one dataclass a type, its values checked, and what opens it.

``check`` looks whether it could be opened without opening it: a service may be running with the same file.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from edgessd.errors import InputError
from edgessd.sinks.event_store import EventStore
from edgessd.sinks.events import EventSink
from edgessd.sinks.images import SnapshotSink
from edgessd.sinks.mqtt import Mqtt
from edgessd.sinks.prometheus import Prometheus
from edgessd.sinks.records import CsvSink, JsonlSink
from edgessd.sinks.video import SegmentSink
from edgessd.sinks.webhook import Webhook
from edgessd.sinks.webhook_address import webhook_address
from edgessd.streams import Sink
from edgessd.util.extras import need
from edgessd.util.files import sink_folder, with_room, writable
from edgessd.util.names import is_host, topic_prefix
from edgessd.util.outside_text import quoted
from edgessd.util.toml_table import Choice, Range

Labels = tuple[str, ...]
Megabytes = Annotated[float, Range(0.001, 1e6)]
Seconds = Annotated[float, Range(0, 86400)]
Files = Annotated[int, Range(0, 1_000_000)]
_MEGABYTE = 1_000_000
_ROOM = 8 * _MEGABYTE  # with less free at the start a disk is full


@dataclass(frozen=True, kw_only=True)
class SinkTable:
    """What all sinks take. streams: theirs alone, all where not given."""

    streams: tuple[str, ...] | None = None

    @property
    def place(self) -> Path | None:
        """Return the file or folder that it writes, None for what writes none."""
        return None

    def check(self) -> None:
        """Raise InputError or MissingExtra where it could not be opened, as far as that can be told beforehand."""

    def open(self, labels: Labels) -> Sink:
        """Return the sink. Raises InputError, MissingExtra."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class FileTable(SinkTable):
    """What writes one file. path: the file."""

    path: Path

    @property
    def place(self) -> Path:
        return self.path

    def check(self) -> None:
        with_room(writable(self.path), _ROOM, "a sink")


@dataclass(frozen=True, kw_only=True)
class FolderTable(SinkTable):
    """What writes files of each stream. folder: where they are written."""

    folder: Path

    @property
    def place(self) -> Path:
        return self.folder

    def check(self) -> None:
        with_room(sink_folder(self.folder), _ROOM, "a sink")


@dataclass(frozen=True, kw_only=True)
class LinesTable(FileTable):
    """What appends lines to its file. max_mb: size at which a new file begins. keep: old files kept."""

    max_mb: Megabytes = 100
    keep: Annotated[int, Range(0, 1000)] = 5


@dataclass(frozen=True, kw_only=True)
class JsonlTable(LinesTable):
    """``type = "jsonl"``: a JSON line a frame and a state."""

    def open(self, labels: Labels) -> Sink:
        return JsonlSink(self.path, labels, max_bytes=round(self.max_mb * _MEGABYTE), keep=self.keep)


@dataclass(frozen=True, kw_only=True)
class CsvTable(LinesTable):
    """``type = "csv"``: a row a detection."""

    def open(self, labels: Labels) -> Sink:
        return CsvSink(self.path, labels, max_bytes=round(self.max_mb * _MEGABYTE), keep=self.keep)


@dataclass(frozen=True, kw_only=True)
class VideoTable(FolderTable):
    """``type = "video"``: annotated segments.

    container: mp4 is fragmented. encoder: of the program ffmpeg. segment_seconds,
    segment_mb: length and size at which a new segment begins. keep: segments of a stream; 0 keeps all.
    """

    container: Annotated[str, Choice(("mkv", "mp4"))] = "mkv"
    encoder: str = "libx264"
    segment_seconds: Annotated[float, Range(0.1, 86400)] = 600
    segment_mb: Megabytes = 1000
    keep: Files = 144

    def open(self, labels: Labels) -> Sink:
        return SegmentSink(
            self.folder,
            labels,
            suffix=f".{self.container}",
            encoder=self.encoder,
            segment_seconds=self.segment_seconds,
            segment_bytes=round(self.segment_mb * _MEGABYTE),
            keep=self.keep,
        )


@dataclass(frozen=True, kw_only=True)
class SnapshotTable(FolderTable):
    """``type = "snapshots"``: a picture when something is found.

    interval: least seconds between two of a stream. keep: pictures of a stream; 0 keeps all.
    """

    interval: Seconds = 10
    keep: Files = 1000

    def open(self, labels: Labels) -> Sink:
        return SnapshotSink(self.folder, labels, interval=self.interval, keep=self.keep)


@dataclass(frozen=True, kw_only=True)
class MqttTable(SinkTable):
    """``type = "mqtt"``: topics PREFIX/STREAM/detections, /events, /state and more, PREFIX/status as the last will.

    host, port: the broker's. prefix: of all topics. user, password: where the broker wants them. tls: encrypt the
    connection. only_detections: leave out frames in which nothing was found. snapshots: publish the last event's
    picture. discovery: announce all to Home Assistant. discovery_prefix: Home Assistant's topic prefix.
    """

    host: str = "localhost"
    port: Annotated[int, Range(1, 65535)] = 1883
    prefix: str = "edgessd"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    only_detections: bool = False
    snapshots: bool = False
    discovery: bool = False
    discovery_prefix: str = "homeassistant"

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        _check_host("host", self.host)
        topic_prefix(self.prefix)
        topic_prefix(self.discovery_prefix)
        if self.password is not None and self.user is None:
            raise InputError("password needs the key 'user': a broker takes both or none", fix="add user")
        if any(len((text or "").encode(errors="replace")) > 65535 for text in (self.user, self.password)):
            raise InputError(
                "user and password have at most 65535 bytes in MQTT", fix="correct the environment's variable"
            )

    def check(self) -> None:
        need("paho.mqtt.client", "streams")

    def open(self, labels: Labels) -> Sink:
        return Mqtt(
            labels,
            host=self.host,
            port=self.port,
            prefix=self.prefix,
            user=self.user,
            password=self.password,
            tls=self.tls,
            only_detections=self.only_detections,
            snapshots=self.snapshots,
            discovery=self.discovery_prefix if self.discovery else None,
        )


@dataclass(frozen=True, kw_only=True)
class WebhookTable(SinkTable):
    """``type = "webhook"``: what was found, events and states by POST.

    url: http or https. headers: sent with each. interval: least seconds between two of a stream, events and states
    aside. attempts: of each message, with growing pauses. only_events: send no frames.
    """

    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    interval: Seconds = 1
    attempts: Annotated[int, Range(1, 10)] = 3
    only_events: bool = False

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        webhook_address(self.url, self.headers)

    def open(self, labels: Labels) -> Sink:
        return Webhook(
            self.url,
            labels,
            headers=self.headers,
            interval=self.interval,
            attempts=self.attempts,
            only_events=self.only_events,
        )


@dataclass(frozen=True, kw_only=True)
class PrometheusTable(SinkTable):
    """``type = "prometheus"``: figures on http://ADDRESS:PORT/metrics.

    address, port: where it listens; port 0 takes a free one.
    """

    address: str = "127.0.0.1"
    port: Annotated[int, Range(0, 65535)] = 9464

    def __post_init__(self) -> None:
        """Raise InputError for a value outside what is allowed."""
        _check_host("address", self.address)

    def check(self) -> None:
        need("prometheus_client", "streams")

    def open(self, labels: Labels) -> Sink:
        return Prometheus(labels, address=self.address, port=self.port)


@dataclass(frozen=True, kw_only=True)
class EventsTable(FileTable):
    """``type = "events"``: what tracks did, with pictures, in an SQLite file.

    keep_days: events older than this are deleted. max_mb: above this size the oldest are deleted.
    """

    keep_days: Annotated[float, Range(0.001, 36500)] = 30
    max_mb: Megabytes = 1000

    def open(self, labels: Labels) -> Sink:
        keep_seconds, keep_bytes = self.keep_days * 86400, self.max_mb * _MEGABYTE
        return EventSink(EventStore(self.path, keep_seconds=keep_seconds, keep_bytes=keep_bytes))


SINK_TABLES: dict[str, type[SinkTable]] = {
    "jsonl": JsonlTable,
    "csv": CsvTable,
    "video": VideoTable,
    "snapshots": SnapshotTable,
    "mqtt": MqttTable,
    "webhook": WebhookTable,
    "prometheus": PrometheusTable,
    "events": EventsTable,
}


def collide(first: SinkTable, second: SinkTable) -> Path | None:
    """Return the file or folder that two sinks would both write, links resolved, None where each has its own.

    Files in a folder are named after their streams.
    """
    files = isinstance(first, FileTable) and isinstance(second, FileTable)
    folders = isinstance(first, FolderTable) and type(first) is type(second) and _share_streams(first, second)
    if first.place and second.place and (files or folders) and same_place(first.place, second.place):
        return first.place
    if _becomes(first, second):
        return second.place
    return first.place if _becomes(second, first) else None


def _becomes(lines: SinkTable, other: SinkTable) -> bool:
    """Return whether rotation gives a file of lines the name of another sink's file: ``x`` becomes ``x.1``."""
    if not isinstance(lines, LinesTable) or not isinstance(other, FileTable):
        return False
    name, _, number = other.path.name.rpartition(".")
    kept = bool(name) and number.isdecimal() and 1 <= int(number) <= lines.keep
    return kept and same_place(lines.path, other.path.with_name(name))


def _share_streams(first: SinkTable, second: SinkTable) -> bool:
    return first.streams is None or second.streams is None or not set(first.streams).isdisjoint(second.streams)


def same_place(first: Path, second: Path) -> bool:
    """Return whether two paths are one file or folder, also where it is not there yet."""
    try:
        return first.resolve() == second.resolve() or first.samefile(second)
    except (OSError, RuntimeError):  # one is not there, or a link to itself
        return False


def kind_of(table: SinkTable) -> str:
    """Return the ``type`` of a sink."""
    return next(kind for kind, known in SINK_TABLES.items() if type(table) is known)


def _check_host(key: str, host: str) -> None:
    if not is_host(host):
        raise InputError(
            f"{key} must be a host's name or address, of parts of up to 63 letters, got {quoted(host)}",
            fix="correct it",
        )
