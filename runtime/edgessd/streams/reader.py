"""A source kept alive: read on a thread of its own, watched, and connected again when it fails."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sized
from contextlib import closing
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from edgessd.errors import EdgessdError
from edgessd.sources import Frame, Interruptible, Source
from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.frame import Selective, Skip
from edgessd.streams.frame_skipper import FrameSkipper
from edgessd.streams.pauses import Pauses
from edgessd.streams.policy import Policy, policy_named
from edgessd.streams.retry import Reconnection, Retry
from edgessd.streams.status import State, Status
from edgessd.util.descriptors import RAISE_THE_LIMIT, descriptor_limit, too_few_are_left
from edgessd.util.exit import READER_PREFIX

_EVERY_QUEUE = 2
_MOST_BEHIND = 16  # skipped frames of a stream that wait for a detected one
_MAX_ABANDONED = 3
_GRACE_SECONDS = 1.0
_POLL_SECONDS = 0.1
_RATE_WINDOW = 64
log = logging.getLogger(__name__)


@dataclass
class _Turn:
    """One thread's time at the source. busy_since: when opening or reading began, None while it does neither.

    gave_frames: whether this connection did.
    """

    busy_since: float | None = None
    gave_frames: bool = False
    source: Source | None = None
    interrupted: bool = False
    abandoned: bool = False


class Reader:
    """Reads one source for weeks; its frames wait to be popped, the newest alone or every one.

    A camera's hang is first interrupted; a thread that cannot be is left behind (three at most) and another takes over.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], Source],
        *,
        policy: Policy | str | None = None,
        retry: Retry | None = None,
        ready: threading.Condition | None = None,
        rename: bool = True,
        skipper: FrameSkipper | None = None,
        blank_skipped: bool = False,
    ) -> None:
        """connect: opens the source anew. policy: latest for live sources, else every, where None.

        ready: notified at every frame, shared by the readers of one batcher. rename: the stream's name replaces the
        one that the source gave its frames. skipper: chooses the frames to detect in, all where None.
        blank_skipped: nobody wants the pictures of the others. Raises InputError.
        """
        self.name = name
        self.ready = ready or threading.Condition()
        self.fault: SourceFault | None = None
        self.over = False
        self.connected_once = False
        self._connect = connect
        self._policy = policy_named(policy)
        self._retry = retry or Retry()
        self._reconnection = Reconnection(self._retry)
        self._rename = rename
        self._skipper = skipper
        self._blank_skipped = blank_skipped
        self._in_work: Sized = ()
        self._pass_skipped: Callable[[], None] = lambda: None
        self._stop = threading.Event()
        self._frames: deque[Frame] = deque()
        self._read_at: deque[float] = deque(maxlen=_RATE_WINDOW)
        self._count = self._dropped = self._reconnects = 0
        self._live_source = True
        self._pauses = Pauses()
        self._turn = _Turn()
        self._threads: list[threading.Thread] = []

    def hand_skipped_to(self, pass_skipped: Callable[[], None], in_work: Sized) -> None:
        """Call this after each skipped frame, on the reading thread. in_work: frames taken and not delivered yet."""
        self._pass_skipped, self._in_work = pass_skipped, in_work

    def start(self) -> None:
        """Begin to read."""
        self._turn = turn = _Turn()
        # A daemon: a camera that hangs in its driver must not keep the process.
        thread = threading.Thread(target=self._run, args=(turn,), name=f"{READER_PREFIX}{self.name}", daemon=True)
        self._threads = [*(old for old in self._threads if old.is_alive()), thread]
        thread.start()

    def stop(self, timeout: float = 0.0) -> None:
        """End reading; wait so long for the thread. What was read stays to be popped."""
        self._stop.set()
        with self.ready:
            self.ready.notify_all()
        if self._turn.busy_since is not None and isinstance(self._turn.source, Interruptible):
            self._turn.source.interrupt()
        if self._threads and timeout > 0:
            self._threads[-1].join(timeout)

    def pop(self) -> Frame | None:
        """Return the next frame if there is one; the caller holds ``ready``."""
        if not self._frames:
            return None
        frame = self._frames.popleft()
        if self._policy is Policy.EVERY or not self._live_source:
            self.ready.notify_all()
        return frame

    @property
    def waiting(self) -> int:
        """Return how many frames wait to be popped."""
        return len(self._frames)

    @property
    def skips(self) -> bool:
        """Return whether some of its frames may be skipped."""
        return self._skipper is not None

    @property
    def live(self) -> bool:
        """Return whether frames come when they come: a file waits for whoever takes them."""
        return self._live_source

    def pop_skipped(self) -> Frame | None:
        """Return the next frame if it is one to skip; the caller holds ``ready``."""
        return self.pop() if self._frames and self._frames[0].skip else None

    def watch(self) -> None:
        """Break off a camera's read that hangs. To be called ten times a second; a longer pause was ours.

        A file or a pipe may take its time: read anew it would begin again.
        """
        paused = self._pauses.look()
        turn = self._turn
        began = turn.busy_since  # the reading thread sets it too, so it is read once and written only after a pause
        if began is not None and paused:
            turn.busy_since = began = began + paused
        if began is None or self._stop.is_set() or (turn.source is not None and not self._live_source):
            return
        late = monotonic() - began - self._retry.hang_after
        if late > 0 and not turn.interrupted:
            turn.interrupted = True
            if isinstance(turn.source, Interruptible):
                turn.source.interrupt()
        if late > _GRACE_SECONDS and sum(thread.is_alive() for thread in self._threads) <= _MAX_ABANDONED:
            turn.abandoned = True
            cause = f"{self.name} hung for {monotonic() - began:.0f} s and was left"
            self.fault = SourceFault(Reason.HUNG, cause, fix="see the camera")
            log.warning("%s", self.fault, extra={"stream": self.name})
            self.start()

    def status(self) -> Status:
        """Return how the stream is now."""
        last = self._read_at[-1] if self._read_at else None
        age = None if last is None else monotonic() - last
        fault = self.fault
        if self.over:
            state = State.FAILED if fault else State.ENDED
        elif fault is not None and fault.reason.permanent:
            state = State.FAILED
        elif age is None:
            state = State.CONNECTING
        else:
            stale = min(age, monotonic() - self._pauses.continued_at) > self._retry.stale_after
            state = State.STALE if self._live_source and stale else State.LIVE
        if state is State.STALE and fault is None:
            fault = SourceFault(Reason.NO_FRAMES, f"{self.name} gives no frames", fix="see the camera")
        wrong = fault if state is not State.LIVE else None
        return Status(
            name=self.name,
            state=state,
            reason=str(wrong.reason) if wrong else None,
            text=str(wrong) if wrong else None,
            last_frame_age=age,
            fps=self._rate() if state is State.LIVE else 0.0,
            frames=self._count,
            dropped=self._dropped,
            skipped=dict(self._skipper.skipped) if self._skipper else {},
            reconnects=self._reconnects,
            over=self.over and not self._frames,
        )

    def _rate(self) -> float:
        times = list(self._read_at)
        return (len(times) - 1) / max(times[-1] - times[0], 1e-9) if len(times) > 1 else 0.0

    def _run(self, turn: _Turn) -> None:
        while not self._gone(turn):
            began = monotonic()
            turn.interrupted = turn.gave_frames = False
            over, fault = self._read_to_the_end(turn)
            turn.busy_since = turn.source = None
            if self._gone(turn):
                return
            if turn.interrupted:
                seconds = monotonic() - began
                fault = SourceFault(Reason.HUNG, f"{self.name} hung for {seconds:.0f} s", fix="see the camera")
            if fault is not None and too_few_are_left():
                cause = f"{self.name}: this process has all the files open that it may ({descriptor_limit()})"
                over, fault = False, SourceFault(Reason.NO_DESCRIPTOR, cause, fix=RAISE_THE_LIMIT)
            if fault is not None and self._pauses.recent:
                fault = SourceFault(Reason.STOPPED, f"{self.name} was cut off while this process was stopped")
            self.fault, self.over = fault, over
            with self.ready:
                self.ready.notify_all()
            if over:
                return
            lived = monotonic() - began if turn.gave_frames else 0.0
            self._stop.wait(self._reconnection.pause(fault, lived=lived))

    def _read_to_the_end(self, turn: _Turn) -> tuple[bool, SourceFault | None]:
        """Return whether nothing more will come, and what was wrong."""
        try:
            self._read(turn)
        except SourceFault as error:
            return turn.source is not None and not self._live_source, error
        except EdgessdError as error:
            return True, SourceFault(Reason.UNUSABLE, error.cause, fix=error.fix, command=error.command)
        # OpenCV, drivers and codecs raise a zoo; one stream's fault is never another's.
        except Exception as error:
            log.exception("reading %s failed", self.name, extra={"stream": self.name})
            cause = f"{self.name} failed ({type(error).__name__})"
            return not self._live_source, SourceFault(Reason.ERROR, cause, fix="see the log")
        if not self._live_source:
            return True, None
        cause = f"{self.name} ended the connection"
        return False, SourceFault(Reason.CUT_OFF, cause, fix="see the camera and the network")

    def _gone(self, turn: _Turn) -> bool:
        return turn.abandoned or self._stop.is_set()

    def _read(self, turn: _Turn) -> None:
        """Read one connection to its end."""
        turn.busy_since = monotonic()
        source = self._connect()
        if self._gone(turn):
            return
        turn.source = source
        self._live_source = source.live
        latest = self._policy is Policy.LATEST or (self._policy is None and source.live)
        if self._blank_skipped and isinstance(source, Selective):
            source.choose = self._skipper
        frames: Any = source.frames()
        with closing(frames):
            for frame in frames:
                turn.busy_since = None
                if self._gone(turn):
                    return
                if not turn.gave_frames:
                    turn.gave_frames = True
                    self._reconnects += self.connected_once
                    self.connected_once = True
                    self.fault = None
                self._offer(frame, turn, latest=latest)
                turn.busy_since = monotonic()

    def _offer(self, frame: Frame, turn: _Turn, *, latest: bool) -> None:
        skip = frame.skip
        if self._skipper and not frame.chosen:
            skip = self._skipper(frame.seconds, lambda: frame.image)
        regions = self._skipper.regions if self._skipper and skip is None else None
        numbered = replace(
            frame,
            source=self.name if self._rename else frame.source,
            index=self._count,
            skip=skip,
            regions=regions(frame.seconds) if regions else (),
        )
        with self.ready:
            self._count += 1
            self._read_at.append(frame.captured_at)
            while not latest and self._crowded(skip) and not self._gone(turn):
                self.ready.wait(_POLL_SECONDS)
            if latest and self._frames and skip is None:
                self._dropped += len(self._frames)
                self._frames.clear()
            if latest and self._crowded(skip):
                self._dropped += 1
                return
            self._frames.append(numbered)
            if skip is None:
                self.ready.notify_all()
        if skip is not None:
            self._pass_skipped()

    def _crowded(self, skip: Skip | None) -> bool:
        """Return whether as many frames wait as may."""
        if skip is None:
            return len(self._frames) >= _EVERY_QUEUE
        return len(self._frames) + len(self._in_work) >= _MOST_BEHIND
