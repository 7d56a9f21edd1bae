"""The frame path: any number of sources, read, batched, detected, put in order, and delivered."""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from time import monotonic

from edgessd.detector import Detector
from edgessd.errors import InputError
from edgessd.model.tiles import MOTION, Tiles
from edgessd.sources import Source, address_text, open_address, parse_address
from edgessd.streams.auto_interval import AutoInterval, Load
from edgessd.streams.batcher import Batcher
from edgessd.streams.capacity import check_batch, check_stream_count
from edgessd.streams.delivery import Delivery
from edgessd.streams.event import Event
from edgessd.streams.frame_skipper import AUTO, FrameSkipper, Interval, interval_named
from edgessd.streams.lane import Lane, Stage
from edgessd.streams.motion_gate import Mask, MotionGate
from edgessd.streams.motion_regions import MotionRegions
from edgessd.streams.policy import Policy
from edgessd.streams.reader import Reader
from edgessd.streams.record_stream import RecordStream, shown
from edgessd.streams.reports import Reports
from edgessd.streams.result import Result
from edgessd.streams.retry import Retry
from edgessd.streams.sink_queue import QueuedSink
from edgessd.streams.status import State, Status
from edgessd.streams.track_stage import TrackStage
from edgessd.streams.workers import Workers
from edgessd.tracking.watch import Tracking
from edgessd.util.names import check_name

BATCH_DEADLINE = 0.005
DRAIN_SECONDS = 3.0
_TICK_SECONDS = 0.1
_POLL_SECONDS = 0.02
log = logging.getLogger(__name__)


class Streams:
    """Runs a detector over streams that come and go, inside a with-block.

    Results go to the sinks, each on a thread of its own, or to whoever iterates:

        with Detector(workers=2) as detector, Streams(detector, workers=2) as streams:
            streams.add("door", "rtsp://10.0.0.5/live")
            for result in streams:
                print(result.frame.source, len(result.detections))

    Without sinks a slow loop makes the workers wait: sources read by ``every`` wait too, others drop. With sinks
    nothing waits, and iteration begins with the next result. Leaving the block drains: what was read is detected and
    written, for DRAIN_SECONDS at most.
    """

    def __init__(
        self,
        detector: Detector,
        sinks: Sequence[QueuedSink] | None = None,
        *,
        workers: int = 1,
        batch: int = 1,
        batch_deadline: float = BATCH_DEADLINE,
        retry: Retry | None = None,
        track: bool | Tracking = False,
    ) -> None:
        """sinks: where results go, perhaps nowhere; None where somebody iterates over them.

        workers: threads that detect, as the detector was opened for. batch: frames in one call of the engine.
        batch_deadline: seconds to wait for other streams' frames. track: of streams that say nothing else.
        Raises InputError for a batch the model refuses.
        """
        check_batch(detector, batch)
        self._sinks = list(sinks or ())
        self._retry = retry
        self._track = track
        self._labels = detector.card.labels
        self._batcher = Batcher(limit=batch, deadline=batch_deadline)
        self._lanes: dict[str, Lane] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._interrupted = False
        self._reports = Reports(self._sinks)
        self._auto = AutoInterval(monotonic())
        self._delivery = Delivery(2 * workers * batch) if sinks is None else None
        self._workers = Workers(detector, self._batcher, self._deliver, count=workers)
        for sink in self._sinks:
            sink.watch(self)
        self._watcher = threading.Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> "Streams":
        self._workers.start()
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close(DRAIN_SECONDS)

    def add(
        self,
        name: str,
        source: str | int | Path | Callable[[], Source],
        *,
        policy: Policy | str | None = None,
        retry: Retry | None = None,
        track: bool | Tracking | None = None,
        interval: int | str = 1,
        motion: bool = False,
        masks: Sequence[Mask] = (),
        tiles: Tiles | str | None = None,
        record_source: str | Callable[[], Source] | None = None,
        stages: Sequence[Stage] = (),
        rename: bool = True,
    ) -> None:
        """Begin to read a source, also while others run. source: as ``edgessd detect`` takes it, or what opens one.

        track: whether boxes get ids, or ``Tracking`` with zones and lines; the detector's ``PostProcess(faint=FAINT)``
        keeps tracks alive that it hardly sees. interval: one of so many frames is detected in, those between get their
        boxes from the tracks, which they need; "auto" is what the live streams with it need to hold their rates.
        motion: only frames in which something moved are, outside the masks; where nothing does the boxes rest.
        tiles: parts of the frame that are detected in as well, for small objects; MOTION:
        squares around what moves. record_source: the same camera's
        larger stream, read where a sink shows or keeps pictures: the sink gets its newest picture, with the boxes in
        pixels of that. Others get pixels of ``source``, and so do all while it is away.
        stages: called with each result of this stream after that, in the order of its frames; each returns the result
        that goes on. rename: frames carry the stream's name, else the one that the source gave them.
        Raises InputError for a name in use, an address that is none, or a zone of an unknown class; a camera that is
        away is no error.
        """
        if rename:
            check_stream_name(name)
        connect = _connecting(source)
        if tiles == MOTION and not motion:
            raise InputError("tiles around motion need the motion gate", fix="set motion = true")
        wanted = self._track if track is None else track
        skipper = None
        if str(interval) != "1" or motion:
            if not wanted:
                raise InputError("frames that are not detected in need tracks", fix="set track = true")
            regions = MotionRegions() if tiles == MOTION else None
            gate = MotionGate(masks, regions) if motion else None
            skipper = FrameSkipper(self._interval(interval), gate, regions)
        reader = Reader(
            name,
            connect,
            policy=policy,
            retry=retry or self._retry,
            ready=self._batcher.ready,
            rename=rename,
            skipper=skipper,
            blank_skipped=not stages and self._delivery is None and not self._pictures_of(name),
        )
        record = None
        if record_source is not None and self._pictures_of(name, events=bool(wanted)):
            record = RecordStream(name, _connecting(record_source), retry or self._retry)
        fixed = tiles if isinstance(tiles, Tiles) else None
        lane = Lane(reader, self._track_stage(wanted) if wanted else None, stages, interval == AUTO, fixed, record)
        if skipper:
            reader.hand_skipped_to(partial(lane.pass_skipped, self._deliver), lane.pending)
        with self._lock:
            if name in self._lanes:
                raise InputError(f"there is already a stream {name!r}", fix="remove it first, or choose another name")
            check_stream_count(len(self._lanes) + 1)
            self._lanes[name] = lane
        self._batcher.add(lane)
        reader.start()
        if record is not None:
            record.reader.start()

    def _pictures_of(self, stream: str, *, events: bool = False) -> bool:
        """Return whether a sink takes pictures of a stream's frames, or with events those of its tracks."""
        return any(
            sink.takes(stream) and (sink.needs_image or (events and sink.needs_pictures)) for sink in self._sinks
        )

    def _interval(self, wanted: int | str) -> Interval:
        frames = interval_named(str(wanted))
        return Interval(frames) if isinstance(frames, int) else self._auto.interval

    def _track_stage(self, wanted: bool | Tracking) -> TrackStage:
        tracking = wanted if isinstance(wanted, Tracking) else Tracking()
        listening = [sink for sink in self._sinks if sink.takes_events]
        pictures = any(sink.needs_pictures for sink in listening)
        return TrackStage(tracking, self._labels, tell=self._tell if listening else None, pictures=pictures)

    def _tell(self, event: Event) -> None:
        for sink in self._sinks:
            sink.put(event)

    def remove(self, name: str) -> None:
        """End a stream while the others run; what is in work is delivered. Raises InputError for an unknown name."""
        with self._lock:
            if name not in self._lanes:
                known = ", ".join(self._lanes) or "none"
                raise InputError(f"there is no stream {name!r}", fix=f"streams are {known}")
            lane = self._lanes.pop(name)
            self._reports.forget(name)
        for reader in lane.readers:
            reader.stop(timeout=1.0)
        self._batcher.remove(lane)
        lane.wait_until_idle(1.0)  # a late frame would begin tracks that nobody ends
        lane.end_tracks(timeout=1.0)
        log.info("stream %s removed", name, extra={"stream": name})

    def __iter__(self) -> Iterator[Result]:
        """Yield results as they come, those of one stream in the order of its frames, until every stream is over.

        Raises what made a worker fail, and the fault of the streams when none of them gives a frame any more, or
        the first connection of all failed.
        """
        if self._delivery is None:
            self._delivery = Delivery(2 * self._workers.count)
        while True:
            if self._interrupted:
                raise KeyboardInterrupt
            result = self._delivery.get(_POLL_SECONDS)
            if result is None:
                ended, fault = self._end()
                result = self._delivery.get(0) if ended else None  # what came between the two looks
                if ended and result is None:
                    if fault is not None:
                        raise fault
                    return
            if result is not None:
                yield result

    def interrupt(self) -> None:
        """Make the iteration raise KeyboardInterrupt before its next result: what a signal's handler calls.

        A handler that raises by itself may do so while a lock is taken, which nobody opens again. A second call
        raises at once, for a loop that hangs.
        """
        if self._interrupted:
            raise KeyboardInterrupt
        self._interrupted = True

    def _end(self) -> tuple[bool, BaseException | None]:
        """Return whether nothing more will be delivered, and the fault that ended it.

        That is a worker's, or the first stream's where none is worth waiting for.
        """
        if self._workers.fault is not None:
            return True, self._workers.fault
        lanes = self._current_lanes()
        with self._batcher.ready:
            readers = [lane.reader for lane in lanes]
            faults = [reader.fault for reader in readers if reader.over or not reader.connected_once]
            over = all(lane.over for lane in lanes)
            pending = any(lane.pending or lane.reader.waiting for lane in lanes)
        if lanes and not pending and len(faults) == len(lanes) and all(faults):
            return True, faults[0]
        return bool(lanes) and over, None

    def _current_lanes(self) -> list[Lane]:
        with self._lock:
            return list(self._lanes.values())

    def statuses(self) -> list[Status]:
        """Return how every stream is now."""
        return [lane.reader.status() for lane in self._current_lanes()]

    @property
    def dropped(self) -> int:
        """Return how many frames newer ones replaced, in all streams."""
        return sum(status.dropped for status in self.statuses())

    @property
    def sinks(self) -> Sequence[QueuedSink]:
        """Return the sinks, for their counters."""
        return self._sinks

    @property
    def healthy(self) -> bool:
        """Return whether the workers make progress: what systemd's watchdog is told."""
        return self._workers.healthy

    def wait(self, until: threading.Event, timeout: float | None = None) -> bool:
        """Return True when every stream is over, False when ``until`` was set or the time is up.

        Raises what made a worker fail.
        """
        give_up = None if timeout is None else monotonic() + timeout
        while not until.wait(_TICK_SECONDS):
            if self._workers.fault is not None:
                raise self._workers.fault
            statuses = self.statuses()
            if statuses and all(status.over for status in statuses):
                return True
            if give_up is not None and monotonic() > give_up:
                break
        return False

    def close(self, seconds: float) -> None:
        """Stop reading, detect what was read, close the sinks, and leave behind what takes longer."""
        give_up = monotonic() + seconds
        lanes = self._current_lanes()
        if self._delivery is not None:
            self._delivery.close()
        for lane in lanes:
            for reader in lane.readers:
                reader.stop()
        self._batcher.close()
        self._workers.join(give_up)
        for lane in lanes:
            lane.end_tracks(timeout=0.1)
        self._stop.set()
        self._watcher.join(1.0)
        self._reports.tell(self.statuses())
        for sink in self._sinks:
            sink.finish()
        for sink in self._sinks:
            sink.join(max(0.1, give_up - monotonic()))
        for reader in (reader for lane in lanes for reader in lane.readers):
            reader.stop(timeout=max(0.0, min(0.5, give_up - monotonic())))

    def _deliver(self, result: Result) -> None:
        in_picture = shown(result)
        for sink in self._sinks:
            sink.put(in_picture if sink.needs_image else result)
        if self._delivery is not None:
            self._delivery.put(result)

    def _watch(self) -> None:
        while not self._stop.wait(_TICK_SECONDS):
            lanes = self._current_lanes()
            for lane in lanes:
                for reader in lane.readers:
                    reader.watch()
                if lane.tracks and lane.idle and lane.reader.status().state not in (State.LIVE, State.CONNECTING):
                    lane.end_tracks()
            self._adapt([lane.reader.status() for lane in lanes if lane.auto and lane.reader.live])
            self._reports.tell([reader.status() for lane in lanes for reader in lane.readers])

    def _adapt(self, statuses: Sequence[Status]) -> None:
        if statuses:
            read, dropped = (sum(getattr(each, name) for each in statuses) for name in ("frames", "dropped"))
            self._auto.look(Load(read, dropped, self._workers.busy_seconds), monotonic())


def _connecting(source: str | int | Path | Callable[[], Source]) -> Callable[[], Source]:
    """Return what opens a source. Raises InputError for an address that is none."""
    if callable(source):
        return source
    address = parse_address(address_text(source))
    return lambda: open_address(address)


def check_stream_name(name: str) -> None:
    """Raise InputError for a name that cannot be a topic, a file name and a metric's label."""
    check_name(name, "a stream")
