"""Figures for Prometheus on an HTTP page."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from edgessd.device import ROOT
from edgessd.errors import InputError
from edgessd.sinks.device_metrics import BoardMetrics
from edgessd.streams.event import Event
from edgessd.streams.result import Result
from edgessd.streams.sink import Overview, Sink
from edgessd.streams.status import State, Status
from edgessd.tracking.lines import Crossing
from edgessd.util.extras import need
from edgessd.util.outside_text import outside_text

STAGE_SECONDS = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
AGE_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2, 5)


class Prometheus(Sink):
    """Serves ``http://ADDRESS:PORT/metrics``. What streams, sinks and the board count is asked at every scrape."""

    needs_pictures = False

    def __init__(
        self, labels: tuple[str, ...], *, address: str = "127.0.0.1", port: int = 9464, root: Path = ROOT
    ) -> None:
        """root: where the board's own files lie. Raises InputError when the port is taken."""
        client = need("prometheus_client", "streams")
        self._client = client
        self._occupied: dict[str, dict[tuple[str, str, str], int]] = {}
        self._labels = tuple(outside_text(label) for label in labels)
        self._registry = registry = client.CollectorRegistry()
        self._stages = client.Histogram(
            "edgessd_stage_seconds", "Time of one frame in a stage", ["stream", "stage"],
            registry=registry, buckets=STAGE_SECONDS,
        )  # fmt: skip
        self._ages = client.Histogram(
            "edgessd_frame_age_seconds", "From capture to result", ["stream"], registry=registry, buckets=AGE_SECONDS
        )
        self._found = client.Counter("edgessd_detections", "Objects found", ["stream", "label"], registry=registry)
        self._nonfinite = client.Counter(
            "edgessd_nonfinite_outputs", "Candidates that were NaN or infinity", ["stream"], registry=registry
        )
        tracks = {"tracks": [], "zone_changes": ["zone", "change"], "line_crossings": ["line", "direction"]}
        self._told = {
            name: client.Counter(f"edgessd_{name}", "Of tracks", ["stream", "label", *more], registry=registry)
            for name, more in tracks.items()
        }
        self._inside = client.Gauge(
            "edgessd_zone_occupancy", "Tracks inside now", ["stream", "zone", "label"], registry=registry
        )
        registry.register(BoardMetrics(client, root))
        try:
            self._server, self._thread = client.start_http_server(port, address, registry)
        except OSError as error:
            raise InputError(
                f"metrics cannot be served on {address}:{port}: {error.strerror}", fix="take another"
            ) from error
        self.port: int = self._server.server_port

    def watch(self, overview: Overview) -> None:
        """Add the counters of streams and sinks to every scrape."""
        self._registry.register(_Counters(self._client, overview))

    def write(self, result: Result) -> None:
        stream, times = result.frame.source, result.stages
        detected = result.frame.skip is None
        seconds = {
            "decode": result.frame.read_seconds,
            "resize": times.resize if detected else None,
            "inference": times.inference if detected else None,
            "postprocess": times.postprocess if detected else None,
        }
        for stage, value in seconds.items():
            if value is not None:
                self._stages.labels(stream, stage).observe(value)
        self._ages.labels(stream).observe(result.age)
        for index in result.detections.classes.tolist():
            self._found.labels(stream, self._labels[index]).inc()
        self._nonfinite.labels(stream).inc(result.detections.nonfinite)
        if result.tracks is not None:
            self._occupy(stream, result.tracks.occupancy)

    def _occupy(self, stream: str, occupancy: Mapping[str, Mapping[str, int]]) -> None:
        now = {
            (stream, zone, outside_text(label)): count
            for zone, inside in occupancy.items()
            for label, count in inside.items()
        }
        for place in self._occupied.get(stream, {}).keys() - now.keys():
            self._inside.labels(*place).set(0)
        for place, count in now.items():
            self._inside.labels(*place).set(count)
        self._occupied[stream] = now

    def tell(self, event: Event) -> None:
        """Count one event: tracks at their start, changes in zones and at lines as they come."""
        stream, label = event.stream, outside_text(event.told.label)
        if event.told.kind == "start":
            self._told["tracks"].labels(stream, label).inc()
        for change in event.told.changes:
            if isinstance(change, Crossing):
                self._told["line_crossings"].labels(stream, label, change.line, change.direction).inc()
            else:
                self._told["zone_changes"].labels(stream, label, change.zone, change.change).inc()

    def report(self, status: Status) -> None:
        """Empty the zones of a stream that is away; its state itself is asked for at the scrape."""
        if status.state is not State.LIVE:
            self._occupy(status.name, {})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Counters:
    """What Prometheus' client calls a collector."""

    def __init__(self, client: Any, overview: Overview) -> None:
        self._overview = overview
        self._gauge = client.metrics_core.GaugeMetricFamily
        self._counter = client.metrics_core.CounterMetricFamily

    def collect(self) -> Iterator[Any]:
        statuses = self._overview.statuses()
        texts = {
            "frames": "Frames read",
            "dropped": "Frames that a newer one replaced",
            "reconnects": "Connections after the first",
        }
        for name, text in texts.items():
            family = self._counter(f"edgessd_stream_{name}", text, labels=["stream"])
            for status in statuses:
                family.add_metric([status.name], getattr(status, name))
            yield family
        skipped = self._counter("edgessd_stream_skipped", "Frames not detected in", labels=["stream", "reason"])
        for status in statuses:
            for reason, count in status.skipped.items():
                skipped.add_metric([status.name, str(reason)], count)
        yield skipped
        fps = self._gauge("edgessd_fps", "Frames read a second", labels=["stream"])
        age = self._gauge("edgessd_last_frame_age_seconds", "Since the last frame's capture", labels=["stream"])
        state = self._gauge("edgessd_stream_state", "1 for the state it is in", labels=["stream", "state"])
        for status in statuses:
            fps.add_metric([status.name], status.fps)
            if status.last_frame_age is not None:
                age.add_metric([status.name], status.last_frame_age)
            for each in State:
                state.add_metric([status.name, str(each)], float(status.state is each))
        yield from (fps, age, state)
        for name, text in (("dropped", "Results that a full queue lost"), ("failed", "Results it could not write")):
            family = self._counter(f"edgessd_sink_{name}", text, labels=["sink"])
            for sink in self._overview.sinks:
                family.add_metric([sink.name], getattr(sink, name))
            yield family
