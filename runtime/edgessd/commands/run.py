"""``edgessd run``: many streams for weeks, as a configuration file says."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgessd.util.console import say

if TYPE_CHECKING:
    from edgessd.config import Config, StreamTable
    from edgessd.detector import Detector
    from edgessd.sources import Address
    from edgessd.streams import QueuedSink, Streams


def run(
    config: Annotated[Path, typer.Argument(metavar="CONFIG", help="A TOML file of model, streams and sinks.")],
    check: Annotated[bool, typer.Option("--check", help="Only check file, model and sinks; read no camera.")] = False,
    edit: Annotated[
        bool, typer.Option("--edit", help="Let the live page write zones and lines into the file.")
    ] = False,
    log_format: Annotated[
        str | None, typer.Option(help="text or json, instead of the file's log_format.", show_default="the file's")
    ] = None,
) -> None:
    """Watch the streams of a configuration file until they end; SIGTERM or Ctrl-C drains and closes all."""
    from dataclasses import replace

    from edgessd.config import read_config
    from edgessd.util.exit import on_end_signals
    from edgessd.util.logs import log_to_stderr

    wanted = read_config(config)
    if log_format is not None:
        wanted = replace(wanted, run=replace(wanted.run, log_format=log_format))
    if check:
        _check(config, wanted)
        return
    log_to_stderr(wanted.run.log_level, as_json=wanted.run.log_format == "json")
    stop = threading.Event()
    with on_end_signals(stop.set, signal.SIGINT), _told_in_log(wanted.run.log_format):
        _run(wanted, config, stop, edit=edit)


@contextmanager
def _told_in_log(log_format: str) -> Iterator[None]:
    """Make the last error a line of the log too where programs read it: the command's own line is no JSON."""
    import logging

    from edgessd.errors import EdgessdError

    try:
        yield
    except EdgessdError as error:
        if log_format != "json":
            raise
        logging.getLogger("edgessd.run").error("%s", error, extra={"exit_code": error.exit_code})
        raise typer.Exit(error.exit_code) from error


def _open_detector(config: "Config") -> "Detector":
    from edgessd.detector import Detector
    from edgessd.model.postprocess import FAINT, PostProcess
    from edgessd.streams.capacity import default_workers

    model = config.model
    settings = PostProcess(
        score=model.score,
        labels=model.classes,
        class_scores=model.thresholds,
        faint=FAINT if any(config.tracking(stream) for stream in config.streams) else None,
    )
    return Detector(
        model.path,
        backend=model.backend,
        settings=settings,
        workers=config.run.workers or default_workers(),
        gpu_resize=model.gpu_resize,
    )


def _addresses(config: "Config") -> "list[tuple[Address, ...]]":
    """Return every stream's addresses. Raises InputError that names the stream of one that is none."""
    from edgessd.errors import InputError
    from edgessd.sources import parse_address

    addresses = []
    for stream in config.streams:
        try:
            addresses.append(tuple(parse_address(source) for source in stream.addresses))
        except InputError as error:
            raise error.within(f"stream {stream.name}") from error
    return addresses


def _check(path: Path, config: "Config") -> None:
    """Print what would run. Raises InputError for what would not."""
    from edgessd.config.sinks import kind_of
    from edgessd.errors import EdgessdError
    from edgessd.sources import check_address
    from edgessd.streams.capacity import check_batch

    addresses = _addresses(config)
    for stream, its in zip(config.streams, addresses, strict=True):
        try:
            for address in its:
                check_address(address)
        except EdgessdError as error:
            raise error.within(f"stream {stream.name}") from error
    for sink in config.sinks:
        sink.check()
    if config.view is not None:
        config.view.check()
    with _open_detector(config) as detector:
        check_batch(detector, config.run.batch or 1)
        for stream in config.streams:
            _check_classes(stream, detector.card.labels)
        say(f"{path}: {detector.card.name} {detector.card.precision} on {detector.backend.name}")
    for stream, (address, *recorded) in zip(config.streams, addresses, strict=True):
        tracked = ", tracked" if config.tracking(stream) else ""
        apart = f", interval {stream.interval}" if stream.interval else ""
        moving = f", where something moves ({len(stream.masks)} masks)" if stream.motion else ""
        parts = f", tiles {stream.tiles}" if stream.tiles else ""
        pictures = "".join(f", pictures of {each.name}" for each in recorded)
        say(f"stream {stream.name}: {address.name}{tracked}{apart}{moving}{parts}{pictures}")
        for place in stream.places:
            say(f"  {type(place).__name__.lower()} {place.name}: {', '.join(place.classes or ('all classes',))}")
    for sink in config.sinks:
        say(f"sink {kind_of(sink)}: {', '.join(sink.streams) if sink.streams else 'all streams'}")
    if config.view is not None:
        say(f"view: {config.view.url(config.view.port)}")


def _check_classes(stream: "StreamTable", labels: tuple[str, ...]) -> None:
    """Raise InputError where a zone or a line waits for a class that the model does not have."""
    from edgessd.tracking.zones import check_classes

    for place in stream.places:
        check_classes(place.classes, labels, f"stream {stream.name}: {place.name!r}")


def _run(config: "Config", path: Path, stop: threading.Event, *, edit: bool) -> None:
    import logging

    from edgessd.streams import Streams
    from edgessd.streams.capacity import default_batch, default_workers
    from edgessd.util import systemd

    log = logging.getLogger("edgessd.run")
    _addresses(config)  # a wrong one is told before the model is loaded
    for sink in config.sinks:
        sink.check()  # and so is a full disk
    if config.view is not None:
        config.view.check()
    workers = config.run.workers or default_workers()
    with _open_detector(config) as detector:
        batch = config.run.batch or (1 if config.model.gpu_resize else default_batch(detector, len(config.streams)))
        log.info("%s on %s, %d workers, batch %d", detector.card.name, detector.backend.name, workers, batch)
        with Streams(
            detector,
            [*_open_sinks(config, detector.card.labels), *_open_view(config, path, detector.card.labels, edit=edit)],
            workers=workers,
            batch=batch,
            batch_deadline=config.run.batch_deadline_ms / 1e3,
        ) as streams:
            for stream in config.streams:
                _check_classes(stream, detector.card.labels)
                streams.add(
                    stream.name,
                    stream.detected_in,
                    policy=stream.policy,
                    retry=stream,
                    track=config.tracking(stream) or False,
                    interval=stream.frames_apart,
                    motion=stream.motion,
                    masks=stream.masks,
                    tiles=stream.parts,
                    record_source=stream.record_source,
                )
            systemd.notify("READY=1")
            _wait(streams, stop)
            systemd.notify("STOPPING=1")
        failed = [status for status in streams.statuses() if status.over and status.reason is not None]
    log.info("stopped" if stop.is_set() else "every stream is over")
    if failed and not stop.is_set():
        from edgessd.errors import VideoError

        raise VideoError(failed[0].text or f"stream {failed[0].name} failed")


def _open_sinks(config: "Config", labels: tuple[str, ...]) -> "list[QueuedSink]":
    from edgessd.config.sinks import kind_of
    from edgessd.streams import QueuedSink

    kinds = [kind_of(sink) for sink in config.sinks]
    names = [kind if kinds.count(kind) == 1 else f"{kind}-{index}" for index, kind in enumerate(kinds)]
    return [
        QueuedSink(name, sink.open(labels), streams=sink.streams)
        for name, sink in zip(names, config.sinks, strict=True)
    ]


def _open_view(config: "Config", path: Path, labels: tuple[str, ...], *, edit: bool) -> "list[QueuedSink]":
    """Return the live page where there is to be one. path: of the configuration, for zones drawn on the page."""
    from edgessd.config.edit import ConfigEditor
    from edgessd.config.sinks import EventsTable
    from edgessd.sinks.event_store import EventStore
    from edgessd.streams import QueuedSink
    from edgessd.view import View

    if config.view is None:
        return []
    names = [stream.name for stream in config.streams]
    events = next((EventStore(sink.path) for sink in config.sinks if isinstance(sink, EventsTable)), None)
    view = View(config.view, labels, names, editor=ConfigEditor(path, may_write=edit), events=events)
    return [QueuedSink("view", view, capacity=max(8, len(names)))]


def _wait(streams: "Streams", stop: threading.Event) -> None:
    """Return when told to stop or when all is over; tell systemd meanwhile that the workers make progress."""
    from edgessd.util import systemd

    interval = systemd.watchdog_seconds()
    while not streams.wait(stop, timeout=interval / 3 if interval else 60.0) and not stop.is_set():
        if interval and streams.healthy:
            systemd.notify("WATCHDOG=1")
