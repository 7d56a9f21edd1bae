"""Ids that stay: detections of successive frames become tracks."""

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.model.boxes import FloatArray, cxcywh_to_xyxy, iou, xyxy_to_cxcywh
from edgessd.model.detections import Detections
from edgessd.tracking.assignment import exact, greedy
from edgessd.tracking.motion import Motion, advance, begin, correct, join

_LOST_FRAMES = 3
_ROUNDING = 1e-6  # a float32 score of 0.9 leaves a doubt of 0.1


@dataclass(frozen=True)
class TrackerSettings:
    """Rules of birth, matching and death.

    birth_score: a box of no track starts one from here; every one does at 0, as those of a detector with thresholds of
    its own. Faint boxes (``Detections.faint``) only keep a track alive that was just seen (ByteTrack, arXiv 2110.06864,
    sec. 3). buffers: by which part of its size a box is widened on each side before overlaps are taken, first small,
    then large for what is left (C-BIoU, arXiv 2211.14317, sec. 3.2). least_overlap: widened boxes that overlap less
    are no match. confirm_doubt: a track gets an id once the chance that all its boxes in a row are false, the product
    of (1 - score), is at most this: a box of 0.9 at once, boxes of 0.7 in their second frame, of 0.55 in their third;
    1 for every box at once. lost_seconds: how long one lives unseen, or three frames where they come more rarely.
    exact_from_seconds: frames at least this far apart are matched by the Hungarian algorithm, closer ones greedily,
    which is faster and as good there.
    """

    birth_score: float = 0.0
    buffers: tuple[float, float] = (0.0, 0.3)
    least_overlap: float = 0.2
    confirm_doubt: float = 0.1
    lost_seconds: float = 1.0
    exact_from_seconds: float = 0.1

    def __post_init__(self) -> None:
        """Raise InputError for rules that mean nothing."""
        if not 0 <= self.birth_score <= 1:
            raise InputError(f"birth_score is a score, 0 to 1, got {self.birth_score}", fix="correct it")
        if not 0 < self.confirm_doubt <= 1:
            raise InputError(
                f"confirm_doubt is a chance, above 0 and at most 1, got {self.confirm_doubt}", fix="correct it"
            )
        if not self.lost_seconds > 0:
            raise InputError(f"a track lives unseen for more than 0 s, got {self.lost_seconds}", fix="raise it")


class Tracker:
    """Tracks of one source of frames; ids count from 1 and are never used again."""

    def __init__(self, settings: TrackerSettings | None = None) -> None:
        self.settings = settings or TrackerSettings()
        self._seconds: float | None = None
        self._interval: float | None = None  # seconds between frames, as it usually is
        self._next_id = 1
        self._motion: Motion = begin(np.zeros((0, 4)))
        self._ids = np.zeros(0, np.int64)  # 0 while unconfirmed
        self._doubt = np.zeros(0)  # chance that all boxes so far were false
        self._seen = np.zeros(0)  # seconds of the last match
        self._classes = np.zeros(0, np.int64)
        self._scores = np.zeros(0, np.float32)

    @property
    def alive(self) -> frozenset[int]:
        """Ids of the tracks that have not ended, seen in the last frame or not."""
        return frozenset(self._ids[self._ids > 0].tolist())

    def update(self, detections: Detections, seconds: float) -> Detections:
        """Return the detections with the id of each one's track, -1 where it has none (yet), best score first.

        The faint boxes that continue a track with an id are among them, the others are dropped. The box of a track is
        the filtered one, which trembles less and fits better than what was detected.
        seconds: time of the frame on any clock that only rises. A frame in which nothing was found is told too; one
        that was not looked at is left out.

        Raises InputError when time falls.
        """
        elapsed = self._elapsed(seconds)
        just_seen = self._seen_last()
        if self._seconds is not None:
            self._interval = elapsed if self._interval is None else 0.9 * self._interval + 0.1 * elapsed
        self._seconds = seconds
        self._motion.velocity[~just_seen, 2:] = 0  # the size of what is hidden is not guessed
        self._motion = advance(self._motion, elapsed)
        living = (seconds - self._seen <= self._patience) & ((self._ids > 0) | just_seen)
        just_seen = just_seen[living]
        self._keep(living)
        found, visible = detections.with_faint()
        track_of = self._match(found, visible, just_seen, elapsed)
        rows = np.flatnonzero(track_of >= 0)
        self._seen_again(track_of[rows], found, rows, seconds)
        ids = np.full(len(found), -1, np.int64)
        ids[rows] = np.where(self._ids[track_of[rows]] > 0, self._ids[track_of[rows]], -1)
        born = np.flatnonzero(visible & (track_of < 0) & (found.scores >= self.settings.birth_score))
        ids[born] = self._bear(found, born, seconds)
        boxes_xyxy = found.boxes_xyxy.copy()
        boxes_xyxy[rows] = cxcywh_to_xyxy(self._motion.boxes_cxcywh[track_of[rows]])
        tracked = replace(found, boxes_xyxy=boxes_xyxy, ids=ids)
        shown = np.flatnonzero(visible | (ids > 0))
        if len(shown) == len(detections):  # no faint box among them
            return replace(tracked[shown], nonfinite=detections.nonfinite)
        return replace(tracked[shown[np.argsort(-found.scores[shown], kind="stable")]], nonfinite=detections.nonfinite)

    def predict(self, seconds: float) -> Detections:
        """Return where the boxes seen in the last frame are now, best score first; nothing is changed.

        For frames that are not detected in. Ids are -1 for tracks that are not confirmed, scores those of the last
        match. Raises InputError when ``seconds`` lies before the last update.
        """
        return self._seen_boxes(advance(self._motion, self._elapsed(seconds)), seconds)

    def rest(self, seconds: float) -> Detections:
        """Return the boxes as they were last seen, for a frame in which nothing has moved since.

        They count as seen, so no track ends for want of a look. Raises InputError when time falls.
        """
        self._elapsed(seconds)
        self._seen = np.where(self._seen_last(), seconds, self._seen)
        self._seconds = seconds
        return self._seen_boxes(self._motion, seconds)

    def _seen_boxes(self, state: Motion, seconds: float) -> Detections:
        rows = np.flatnonzero(self._seen_last() & (seconds - self._seen <= self._patience))
        rows = rows[np.argsort(-self._scores[rows], kind="stable")]
        boxes_xyxy = cxcywh_to_xyxy(state.boxes_cxcywh[rows]).astype(np.float32)
        ids = np.where(self._ids[rows] > 0, self._ids[rows], -1)
        return Detections(boxes_xyxy, self._scores[rows], self._classes[rows], ids=ids, predicted=True)

    def forget(self) -> None:
        """End every track; ids go on, and so may time from any moment."""
        self._keep(np.zeros(len(self._ids), bool))
        self._seconds = None

    @property
    def _patience(self) -> float:
        """How many seconds a track lives unseen."""
        return max(self.settings.lost_seconds, _LOST_FRAMES * (self._interval or 0.0))

    def _seen_last(self) -> NDArray[np.bool_]:
        """Return which tracks were matched in the last frame."""
        return np.asarray(self._seen == self._seconds, dtype=bool).reshape(self._seen.shape)

    def _elapsed(self, seconds: float) -> float:
        if not math.isfinite(seconds):
            raise InputError(f"the time of a frame is a finite number of seconds, got {seconds}", fix="give its time")
        if self._seconds is not None and seconds < self._seconds:
            raise InputError(
                f"the time of frames rises, got {seconds} s after {self._seconds} s",
                fix="use a new Tracker for a new source",
            )
        return 0.0 if self._seconds is None else seconds - self._seconds

    def _match(
        self, detections: Detections, visible: NDArray[np.bool_], just_seen: NDArray[np.bool_], elapsed: float
    ) -> NDArray[np.intp]:
        """Return the track of each detection, (N,), -1 for none: the visible twice, then the faint."""
        settings = self.settings
        boxes_xyxy, tracks_xyxy = detections.boxes_xyxy.astype(np.float64), cxcywh_to_xyxy(self._motion.boxes_cxcywh)
        named = just_seen & (self._ids > 0)
        same_class = self._classes[:, None] == detections.classes[None, :]
        free = np.full(len(self._ids), True)
        track_of = np.full(len(detections), -1, np.intp)
        small, large = settings.buffers
        for buffer, tracks, boxes in ((small, free, visible), (large, free, visible), (small, named, ~visible)):
            track_rows = np.flatnonzero(tracks & free)
            box_rows = np.flatnonzero(boxes & (track_of < 0))
            if not len(track_rows) or not len(box_rows):
                continue
            overlap = iou(_widened(tracks_xyxy[track_rows], buffer), _widened(boxes_xyxy[box_rows], buffer))
            overlap *= same_class[np.ix_(track_rows, box_rows)]
            assign = exact if elapsed >= settings.exact_from_seconds else greedy
            chosen_tracks, chosen_boxes = assign(overlap, settings.least_overlap)
            track_of[box_rows[chosen_boxes]] = track_rows[chosen_tracks]
            free[track_rows[chosen_tracks]] = False
        return track_of

    def _seen_again(
        self, tracks: NDArray[np.intp], detections: Detections, rows: NDArray[np.intp], seconds: float
    ) -> None:
        correct(self._motion, tracks, xyxy_to_cxcywh(detections.boxes_xyxy[rows].astype(np.float64)))
        self._doubt[tracks] *= _doubt(detections.scores[rows])
        self._seen[tracks] = seconds
        self._scores[tracks] = detections.scores[rows]
        confirmed = tracks[(self._ids[tracks] == 0) & self._sure(self._doubt[tracks])]
        self._ids[confirmed] = self._new_ids(len(confirmed))

    def _bear(self, detections: Detections, rows: NDArray[np.intp], seconds: float) -> NDArray[np.int64]:
        """Start a track at each of these boxes; return their ids, -1 for those not confirmed yet."""
        count, doubt = len(rows), _doubt(detections.scores[rows])
        ids = np.zeros(count, np.int64)
        confirmed = np.flatnonzero(self._sure(doubt))
        ids[confirmed] = self._new_ids(len(confirmed))
        self._motion = join(self._motion, begin(xyxy_to_cxcywh(detections.boxes_xyxy[rows].astype(np.float64))))
        self._ids = np.concatenate([self._ids, ids])
        self._doubt = np.concatenate([self._doubt, doubt])
        self._seen = np.concatenate([self._seen, np.full(count, seconds)])
        self._classes = np.concatenate([self._classes, detections.classes[rows]])
        self._scores = np.concatenate([self._scores, detections.scores[rows]])
        return np.where(ids > 0, ids, -1)

    def _sure(self, doubt: FloatArray) -> NDArray[np.bool_]:
        return np.asarray(doubt <= self.settings.confirm_doubt + _ROUNDING)

    def _new_ids(self, count: int) -> NDArray[np.int64]:
        self._next_id += count
        return np.arange(self._next_id - count, self._next_id, dtype=np.int64)

    def _keep(self, rows: NDArray[np.bool_]) -> None:
        if rows.all():
            return
        self._motion = self._motion[rows]
        self._ids, self._doubt, self._seen = self._ids[rows], self._doubt[rows], self._seen[rows]
        self._classes, self._scores = self._classes[rows], self._scores[rows]


def _doubt(scores: NDArray[np.float32]) -> FloatArray:
    return np.clip(1 - scores.astype(np.float64), 0, 1)


def _widened(boxes_xyxy: FloatArray, part: float) -> FloatArray:
    """Return boxes grown by a part of their width and height on each side (C-BIoU, eq. 1)."""
    grown = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]) * part
    return np.concatenate([boxes_xyxy[:, :2] - grown, boxes_xyxy[:, 2:] + grown], axis=1)
