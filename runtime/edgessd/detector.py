"""The detector: a model, its card, a backend and the post-processing, for one frame or a batch."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.backends import Choice, RemoteBackend, ResizingBackend, choose, open_backend
from edgessd.backends.graph_tensors import check_outputs
from edgessd.backends.place import card_at, locate
from edgessd.backends.triton.address import Place
from edgessd.errors import BackendError, InputError
from edgessd.model import self_test
from edgessd.model.card import ModelCard
from edgessd.model.compact import CompactDecoder
from edgessd.model.detections import Detections
from edgessd.model.end2end import End2EndDecoder
from edgessd.model.postprocess import REALTIME, PostProcess, RawDecoder, apart
from edgessd.model.preprocess import to_input
from edgessd.model.priors import generate
from edgessd.model.tiles import Corner, Tiles, merge
from edgessd.util.seldom import Seldom

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageTimes:
    """Seconds that one frame spent in each stage of the detector."""

    resize: float
    inference: float
    postprocess: float


class Detector:
    """An SSD that finds objects in BGR frames; use it in a with-block.

    ``detect`` may be called by as many threads at once as there are workers:

        with Detector("default") as detector:
            found = detector.detect(cv2.imread("street.jpg"))
            print(found.as_json(detector.card.labels))
    """

    def __init__(
        self,
        model: str | Path = "default",
        *,
        backend: str = "auto",
        settings: PostProcess = REALTIME,
        workers: int = 1,
        threads: int | None = None,
        gpu_resize: bool = False,
    ) -> None:
        """Load a model and run its self-test.

        model: a file, .onnx or .engine, a shipped model's name, or one that Triton serves, ``triton://HOST/MODEL``,
        whose outages ``detect`` waits out. backend: one of ``backends.NAMES``.
        settings: thresholds and labels. workers: threads that call ``detect`` at once. threads: cores of one call;
        None divides the cores among the workers. gpu_resize: single frames are resized on the GPU (TensorRT alone);
        batches still on the CPU.

        Raises CardError, BackendError or InputError with the fix.
        """
        if not isinstance(settings, PostProcess):
            given = type(settings).__name__
            raise InputError(f"settings must be a PostProcess, got {given}", fix="PostProcess(score=0.5)")
        if not isinstance(workers, int) or workers < 1:
            raise InputError(f"workers must be a whole number above 0, got {workers!r}", fix="the default is 1")
        self._closed = False
        self.path: Place = locate(model)
        self.card = card_at(self.path)
        self.nonfinite = 0  # outputs of the network that were NaN or infinity, since it was loaded
        self._lock = Lock()
        self._seldom = Seldom()
        self.choice: Choice = choose(self.path, backend, self.card)
        self._decode = decoder_for(self.card, settings)
        self._most = settings.detections
        self.backend = open_backend(self.path, self.card, self.choice, workers=workers, threads=threads)
        try:
            outputs = self.backend.infer(self_test.self_test_input(self.card))
            check_outputs(self.card, str(self.path), outputs)
            self_test.check(self.card, outputs, engine=self.backend.name)
            self._resizing = self._backend_that_resizes() if gpu_resize else None
        except BaseException:
            self.backend.close()
            raise

    def detect(self, frame: NDArray[np.uint8]) -> Detections:
        """Return what is in one BGR frame, uint8 (H, W, 3); boxes in pixels of that frame."""
        return self.detect_timed(frame)[0]

    def detect_timed(self, frame: NDArray[np.uint8]) -> tuple[Detections, StageTimes]:
        """Return the detections of one frame and the time of each stage; a resize on the GPU is part of inference."""
        if self._resizing is None:
            return self.detect_batch_timed([frame])[0]
        self._refuse_closed()
        start = perf_counter()
        outputs = self._resizing.infer_frame(frame)
        inferred = perf_counter()
        detections = self._to_detections(outputs, 0, frame)
        return detections, StageTimes(0.0, inferred - start, perf_counter() - inferred)

    def detect_tiled_timed(
        self, frame: NDArray[np.uint8], tiles: Tiles | Sequence[tuple[Corner, Corner]]
    ) -> tuple[Detections, StageTimes]:
        """Return what is in a frame and in each of its tiles, seen as one batch, and the time of each stage.

        tiles: or their first and last corners, in pixels of the frame.
        """
        height, width = frame.shape[:2]
        corners = tiles.corners(height, width) if isinstance(tiles, Tiles) else tiles
        pictures = [frame, *(frame[top:bottom, left:right] for (left, top), (right, bottom) in corners)]
        most = self.backend.most or len(pictures)
        start = perf_counter()
        found = [
            each
            for first in range(0, len(pictures), most)
            for each in self.detect_batch_timed(pictures[first : first + most])
        ]
        whole, *parts = (detections for detections, _ in found)
        merged = merge(whole, parts, corners, height=height, width=width, most=self._most)
        resize, inference = (sum(getattr(times, stage) for _, times in found) for stage in ("resize", "inference"))
        return merged, StageTimes(resize, inference, perf_counter() - start - resize - inference)

    def detect_batch(self, frames: list[NDArray[np.uint8]]) -> list[Detections]:
        """Return the detections of several frames, which may differ in size, by one call of the engine."""
        return [detections for detections, _ in self.detect_batch_timed(frames)]

    def detect_batch_timed(self, frames: list[NDArray[np.uint8]]) -> list[tuple[Detections, StageTimes]]:
        """Return the detections of several frames and each frame's share of the time of each stage."""
        self._refuse_closed()
        if not len(frames):  # also of an array (B, H, W, 3)
            return []
        start = perf_counter()
        inputs = [to_input(frame, self.card.height, self.card.width) for frame in frames]
        images = np.stack(inputs) if len(inputs) > 1 else inputs[0][None]
        resized = perf_counter()
        outputs = self.backend.infer(images)
        inferred = perf_counter()
        found = [self._to_detections(outputs, index, frame) for index, frame in enumerate(frames)]
        count = len(frames)
        share = StageTimes((resized - start) / count, (inferred - resized) / count, (perf_counter() - inferred) / count)
        return [(detections, share) for detections in found]

    def _refuse_closed(self) -> None:
        if self._closed:
            raise BackendError("the detector is closed", fix="detect inside its with-block, or before close()")

    def _backend_that_resizes(self) -> ResizingBackend:
        if not isinstance(self.backend, ResizingBackend):
            raise InputError(
                f"resizing on the GPU needs the backend tensorrt, this model runs on {self.backend.name}",
                fix="leave gpu_resize out, or use --backend tensorrt or an engine",
            )
        return self.backend

    def _to_detections(self, outputs: tuple[NDArray[Any], ...], index: int, frame: NDArray[np.uint8]) -> Detections:
        height, width = frame.shape[:2]
        detections = self._decode(*(tensor[index] for tensor in outputs), height, width)
        if detections.nonfinite:
            self._tell_nonfinite(detections.nonfinite)
        return detections

    def _tell_nonfinite(self, count: int) -> None:
        """Count outputs that are no numbers, and warn at the first and then once a minute."""
        with self._lock:
            self.nonfinite += count
        if self._seldom():
            LOG.warning(
                "%s gives NaN or infinity on %s: %d candidates left out since it was loaded; try another backend",
                self.path.name,
                self.backend.name,
                self.nonfinite,
            )

    @property
    def waits_for_server(self) -> bool:
        """Return whether the server of the model is away, so that frames wait."""
        return isinstance(self.backend, RemoteBackend) and self.backend.waiting

    def close(self) -> None:
        self._closed = True
        self.backend.close()

    def __enter__(self) -> "Detector":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def decoder_for(card: ModelCard, settings: PostProcess) -> Callable[..., Detections]:
    """Return what turns one image's tensors, then its height and width, into detections, by the card's contract."""
    if settings.faint is not None:
        return _decoder_with_faint(card, settings, settings.faint)
    match card.contract:
        case "raw":
            return RawDecoder(card, generate(card.priors), settings)
        case "compact":
            return CompactDecoder(card, settings)
        case _:
            return End2EndDecoder(card, settings)


def _decoder_with_faint(card: ModelCard, settings: PostProcess, faint: float) -> Callable[..., Detections]:
    """Return the decoder of lower thresholds, whose boxes are then told apart by the true ones.

    Suppression takes the best first, so those that reach the true threshold are the same as without the others.
    """
    thresholds = settings.thresholds(card.labels, card.thresholds)
    wanted = {label: value for label, value in zip(card.labels, thresholds.tolist(), strict=True) if value <= 1}
    lower = {label: min(value, max(card.score_floor, faint * value)) for label, value in wanted.items()}
    most = settings.detections
    decode = decoder_for(
        card, replace(settings, class_scores=lower, labels=tuple(wanted), detections=2 * most, faint=None)
    )
    return lambda *arguments: apart(decode(*arguments), thresholds, most)
