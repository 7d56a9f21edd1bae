"""What ``edgessd run`` is told: a TOML file of model, streams and sinks.

The reference in the documentation is made of the docstrings of the tables, a key at a time.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Annotated, Any

from edgessd.backends import NAMES
from edgessd.config.sinks import SINK_TABLES, EventsTable, PrometheusTable, SinkTable, WebhookTable, collide
from edgessd.errors import InputError
from edgessd.model.tiles import MOTION, Tiles, tiles_named
from edgessd.streams.capacity import check_stream_count
from edgessd.streams.frame_skipper import INTERVALS, interval_named
from edgessd.streams.motion_gate import Mask
from edgessd.streams.retry import Retry
from edgessd.streams.streams import check_stream_name
from edgessd.tracking import Line, Tracking, Zone
from edgessd.util.outside_text import quoted
from edgessd.util.overwrite import keep_apart
from edgessd.util.suggestions import did_you_mean
from edgessd.util.toml_table import Choice, Range, from_table, read_toml
from edgessd.view.settings import ViewSettings

_TOP_LEVEL = ("model", "run", "streams", "sinks", "view")
_MOST_SINKS = 100  # each has a thread
Score = Annotated[float, Range(0, 1)]


@dataclass(frozen=True)
class ModelTable:
    """``[model]``.

    path: a file, or a shipped model's name. backend: ``edgessd info`` explains auto. score: the lowest score
    reported; the model's own thresholds if omitted. classes: labels to report; all if omitted. thresholds: lowest
    scores of single labels. gpu_resize: single frames are resized on the GPU; not with ``run.batch`` above 1.
    """

    path: str = "default"
    backend: Annotated[str, Choice(NAMES)] = "auto"
    score: Score | None = None
    classes: tuple[str, ...] | None = None
    thresholds: Mapping[str, Score] = field(default_factory=dict)
    gpu_resize: bool = False


@dataclass(frozen=True)
class RunTable:
    """``[run]``.

    workers: detections at once; the cores if omitted. batch: frames in one call; if omitted 1 on a CPU, and one a
    stream on a GPU. batch_deadline_ms: how long a frame waits for those of other streams. track: whether boxes get ids,
    in streams that do not say. log_format: log lines as text, or as JSON objects. log_level: the lowest level that is
    logged.
    """

    workers: Annotated[int, Range(1, 256)] | None = None
    batch: Annotated[int, Range(1, 256)] | None = None
    batch_deadline_ms: Annotated[float, Range(0, 1000)] = 5.0
    track: bool = False
    log_format: Annotated[str, Choice(("text", "json"))] = "text"
    log_level: Annotated[str, Choice(("debug", "info", "warning", "error"))] = "info"


@dataclass(frozen=True, kw_only=True)
class StreamTable(Retry):
    """``[[streams]]``.

    name: letters, digits and ``_.-``; in topics, file names and metrics. source: as ``edgessd detect`` takes it.
    detect_source, record_source: instead of it, the smaller and the larger stream of one camera; the first is detected
    in, the second gives the pictures that sinks show and keep.
    policy: latest keeps the newest frame and counts the others as dropped; every loses none. Live sources take
    latest, files every. track: whether boxes get ids; ``run.track`` if omitted, true with zones or lines. interval:
    detect in one of so many frames; auto chooses it. It needs tracks. motion: detect only where something moves. It
    needs tracks. tiles: parts of the frame that are detected in too, "2x2", "640x640" in pixels, or "motion". masks:
    ``[[streams.masks]]`` below it. zones: ``[[streams.zones]]`` below it. lines: ``[[streams.lines]]`` below it.
    """

    name: str
    source: str | None = field(default=None, repr=False)
    detect_source: str | None = field(default=None, repr=False)
    record_source: str | None = field(default=None, repr=False)
    policy: Annotated[str, Choice(("latest", "every"))] | None = None
    track: bool | None = None
    interval: Annotated[str, Choice(INTERVALS)] | None = None
    motion: bool = False
    tiles: str | None = None
    masks: tuple[Mask, ...] = ()
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()

    def __post_init__(self) -> None:
        """Raise InputError for a name that cannot be a topic or a file name, or a time that cannot be."""
        super().__post_init__()
        check_stream_name(self.name)
        _ = self.parts
        given = (self.source is not None, self.detect_source is not None, self.record_source is not None)
        if given not in ((True, False, False), (False, True, True)):
            raise InputError("a stream has a source, or a detect_source and a record_source", fix="give it these keys")
        if self.tiles == MOTION and not self.motion:
            raise InputError("tiles around motion need the motion gate", fix="set motion = true")
        if self.masks and not self.motion:
            raise InputError("masks are for the motion gate", fix="set motion = true")
        names = Counter(place.name for place in self.places)
        if repeated := [name for name, count in names.items() if count > 1]:
            raise InputError(f"two zones or lines are named {repeated[0]!r}", fix="give each a name of its own")
        if self.needs_tracks and self.track is False:
            raise InputError("zones, lines, interval and motion need tracks, got track = false", fix="leave it out")

    @property
    def detected_in(self) -> str:
        """Return the source that is detected in."""
        return self.source or self.detect_source or ""

    @property
    def addresses(self) -> tuple[str, ...]:
        """Return all its sources, first the one that is detected in."""
        return (self.detected_in,) if self.record_source is None else (self.detected_in, self.record_source)

    @property
    def places(self) -> tuple[Zone | Line, ...]:
        """Return the zones, then the lines."""
        return (*self.zones, *self.lines)

    @property
    def needs_tracks(self) -> bool:
        """Return whether it is tracked whatever ``run.track`` says."""
        return bool(self.places) or self.motion or self.interval not in (None, "1")

    @property
    def frames_apart(self) -> int | str:
        """Return the interval, a number or "auto"."""
        return interval_named(self.interval) or 1

    @property
    def parts(self) -> Tiles | str | None:
        """Return the tiles. Raises InputError."""
        return tiles_named(self.tiles)


@dataclass(frozen=True)
class Config:
    """The whole file."""

    model: ModelTable
    run: RunTable
    streams: tuple[StreamTable, ...]
    sinks: tuple[SinkTable, ...]
    view: ViewSettings | None = None

    def tracking(self, stream: StreamTable) -> Tracking | None:
        """Return how a stream is tracked, None where it is not."""
        if stream.needs_tracks:
            return Tracking(stream.zones, stream.lines)
        return Tracking() if (self.run.track if stream.track is None else stream.track) else None


def read_config(path: Path) -> Config:
    """Return a configuration file's content. Raises InputError naming the place of what is wrong."""
    content = read_toml(path, "configuration")
    try:
        return config_from(content, path)
    except InputError as error:
        raise error.within(str(path)) from error


def config_from(content: Mapping[str, Any], path: Path | None = None) -> Config:
    """Return the configuration in a parsed file. path: the file, which no sink may write over. Raises InputError."""
    for key in content:
        if key not in _TOP_LEVEL:
            raise InputError(f"there is no table {quoted(key)}", fix=did_you_mean(key, _TOP_LEVEL))
    streams = _list(content, "streams")
    if not streams:
        raise InputError("there is no stream", fix="add [[streams]] with name and source")
    check_stream_count(len(streams))
    sinks = _list(content, "sinks")
    if len(sinks) > _MOST_SINKS:
        raise InputError(f"a process has at most {_MOST_SINKS} sinks, got {len(sinks)}", fix="share them out")
    config = Config(
        model=from_table(ModelTable, content.get("model", {}), "model"),
        run=from_table(RunTable, content.get("run", {}), "run"),
        streams=tuple(from_table(StreamTable, table, f"streams[{index}]") for index, table in enumerate(streams)),
        sinks=tuple(_sink(table, f"sinks[{index}]") for index, table in enumerate(sinks)),
        view=from_table(ViewSettings, content["view"], "view") if "view" in content else None,
    )
    if config.model.gpu_resize and (config.run.batch or 1) > 1:
        raise InputError(
            f"model.gpu_resize resizes single frames, got run.batch = {config.run.batch}", fix="leave one of them out"
        )
    names = Counter(stream.name for stream in config.streams)
    if repeated := [name for name, count in names.items() if count > 1]:
        raise InputError(f"two streams are named {repeated[0]!r}", fix="give each a name of its own")
    for index, sink in enumerate(config.sinks):
        if sink.streams is not None and not sink.streams:
            raise InputError(f"sinks[{index}].streams is empty: it would write nothing", fix="leave it out for all")
        for name in sink.streams or ():
            if name not in names:
                raise InputError(
                    f"sinks[{index}].streams names no stream {quoted(name)}",
                    fix=did_you_mean(name, names),
                )
    for index, stream in enumerate(config.streams):
        for place in stream.places:
            for name in place.classes or ():
                if config.model.classes is not None and name not in config.model.classes:
                    raise InputError(
                        f"streams[{index}]: {place.name!r} waits for {quoted(name)}, which model.classes leaves out",
                        fix="add it there",
                    )
    _check_places(config)
    _check_ports(config)
    _check_inputs(config, path)
    _check_tracked(config)
    return config


def _check_tracked(config: Config) -> None:
    """Raise InputError where a sink waits for events that no stream gives."""
    tracked = {stream.name for stream in config.streams if config.tracking(stream)}
    for index, sink in enumerate(config.sinks):
        wanted = isinstance(sink, EventsTable) or (isinstance(sink, WebhookTable) and sink.only_events)
        if wanted and not (tracked & set(sink.streams) if sink.streams else tracked):
            raise InputError(f"sinks[{index}] waits for events, and no stream of it is tracked", fix="set track = true")


def _check_places(config: Config) -> None:
    """Raise InputError where two sinks write one place."""
    for (index, first), (other, second) in combinations(enumerate(config.sinks), 2):
        if place := collide(first, second):
            raise InputError(
                f"sinks[{index}] and sinks[{other}] both write {place}", fix="give each a place of its own"
            )


def _check_ports(config: Config) -> None:
    """Raise InputError where two parts of the service listen on one port."""
    listening: list[tuple[str, PrometheusTable | ViewSettings]] = [
        (f"sinks[{index}]", sink) for index, sink in enumerate(config.sinks) if isinstance(sink, PrometheusTable)
    ]
    if config.view is not None:
        listening.append(("view", config.view))
    for (name, first), (other, second) in combinations(listening, 2):
        addresses = {first.address, second.address}
        if first.port == second.port != 0 and (len(addresses) == 1 or addresses & {"0.0.0.0", "::"}):
            raise InputError(f"{name} and {other} both listen on port {first.port}", fix="give one another port")


def _check_inputs(config: Config, path: Path | None) -> None:
    """Raise InputError where a sink writes over a source, an image of its folder, the model or the file itself."""
    read: list[Path | str | None] = [
        path,
        config.model.path,
        *(source.partition("?")[0] for stream in config.streams for source in stream.addresses),
    ]
    for index, sink in enumerate(config.sinks):
        keep_apart({f"sinks[{index}]": sink.place}, read)


def _list(content: Mapping[str, Any], key: str) -> list[Any]:
    value = content.get(key, [])
    if not isinstance(value, list):
        raise InputError(f"{key} is a list of tables", fix=f"write [[{key}]] with two brackets")
    return value


def _sink(table: object, where: str) -> SinkTable:
    kind = table.get("type") if isinstance(table, Mapping) else None
    if not isinstance(kind, str):
        raise InputError(f"{where} needs the key 'type'", fix=f"one of {', '.join(SINK_TABLES)}")
    if kind not in SINK_TABLES:
        raise InputError(f"{where} has no type {quoted(kind)}", fix=did_you_mean(kind, SINK_TABLES))
    assert isinstance(table, Mapping)
    rest = {key: value for key, value in table.items() if key != "type"}
    return from_table(SINK_TABLES[kind], rest, f"{where} ({kind})")
