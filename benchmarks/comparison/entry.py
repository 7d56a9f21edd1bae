"""What is compared: an entry as plain values, and what its module gives when it is opened."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.detector import StageTimes

# BGR frames of one video, (H, W, 3) uint8.
Frames = list[NDArray[np.uint8]]

OURS = "ours"
SAME_NETWORK = "same network"
PEER = "peer"


@dataclass(frozen=True)
class Accuracy:
    """How often a detector is right.

    percent: mAP at IoU 0.5 on VOC2007 ("voc07") or AP over IoU 0.5 to 0.95 on COCO ("coco").
    measured: by us, with this model; otherwise published, and ``source`` says where.
    """

    percent: float
    metric: str
    source: str
    measured: bool = False


@dataclass(frozen=True)
class Entry:
    """One line of the comparison. Plain values: it is opened in a process of its own.

    group: OURS, SAME_NETWORK (other software running our network) or PEER. family: which module opens it.
    needs: modules without which it is absent. note: where its weights come from and what its
    post-processing was fed.
    """

    name: str
    group: str
    family: str
    options: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 1
    accuracy: Accuracy | None = None
    needs: tuple[str, ...] = ()
    note: str = ""

    @property
    def missing(self) -> tuple[str, ...]:
        """Return the needed modules that are not installed."""
        return tuple(module for module in self.needs if find_spec(module) is None)


@dataclass(frozen=True)
class Played:
    """A video read and detected to the end of a block; the frames that warmed up are not counted.

    stages: percentiles in ms as ``edgessd bench`` has them, where the pipeline keeps them. busy_elsewhere: cores
    that other processes used meanwhile, NaN where the system does not tell.
    """

    frames: int
    seconds: float
    cpu_seconds: float
    stages: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    busy_elsewhere: float = float("nan")

    @property
    def fps(self) -> float:
        """Return frames per second from file to detections."""
        return self.frames / self.seconds

    @property
    def cpu_ms(self) -> float:
        """Return the CPU time of a frame in milliseconds."""
        return self.cpu_seconds / self.frames * 1e3


@dataclass
class Opened:
    """A loaded entry.

    call: a batch of frames to the seconds that the whole batch spent in each stage. gmac: 10^9 multiply-
    accumulates of one frame, None where nobody counted. precision: of most of them. device:
    cpu or cuda. play: its own way through a video, given the file and the frames to measure; None: frames are
    read and called one by one.
    """

    call: Callable[[Frames], StageTimes]
    gmac: float | None = None
    precision: str = "fp32"
    device: str = "cpu"
    play: Callable[[Path, int], Played] | None = None
    close: Callable[[], object] = lambda: None
