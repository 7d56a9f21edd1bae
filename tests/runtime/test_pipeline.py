import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from frames import blue_cell

from edgessd import Detector
from edgessd.errors import InputError, VideoError
from edgessd.sources import Frame, open_source
from edgessd.streams.pipeline import Pipeline


class Listed:
    """A source of frames from memory; it waits ``pause`` seconds before each."""

    name = "listed"
    fps = None
    frame_count = None

    def __init__(self, images: list[np.ndarray], *, live: bool = False, pause: float = 0, fault: bool = False) -> None:
        self.images, self.live, self.pause, self.fault = images, live, pause, fault
        self.closed = False

    def frames(self) -> Iterator[Frame]:
        try:
            for index, image in enumerate(self.images):
                time.sleep(self.pause)
                yield Frame(image, self.name, index, time.monotonic())
            if self.fault:
                raise VideoError("the cable was pulled")
        finally:
            self.closed = True


def test_every_frame_in_order_with_several_workers(tiny: Path) -> None:
    images = [blue_cell(*divmod(index % 12, 4)) for index in range(100)]
    with (
        Detector(tiny, workers=4) as detector,
        Pipeline(Listed(images), detector, workers=4, policy="every") as pipeline,
    ):
        results = list(pipeline)
    assert [result.frame.index for result in results] == list(range(100))
    for index, result in enumerate(results):
        row, column = divmod(index % 12, 4)
        assert result.detections.boxes_xyxy[0].round().tolist() == [column * 8, row * 8, column * 8 + 8, row * 8 + 8]
        assert result.age > 0
    assert pipeline.dropped == 0


def test_latest_drops_and_counts_but_keeps_the_last(tiny: Path) -> None:
    images = [blue_cell(0, 0)] * 200
    with (
        Detector(tiny) as detector,
        Pipeline(Listed(images, live=True), detector, workers=1, policy="latest") as pipeline,
    ):
        indices = []
        for result in pipeline:
            indices.append(result.frame.index)
            time.sleep(0.002)
    assert indices == sorted(indices)
    assert len(indices) + pipeline.dropped == 200
    assert pipeline.dropped > 0


def test_a_slow_camera_loses_nothing(tiny: Path) -> None:
    source = Listed([blue_cell(0, 0)] * 20, live=True, pause=0.02)
    with Detector(tiny) as detector, Pipeline(source, detector, workers=1, policy="latest") as pipeline:
        assert [result.frame.index for result in pipeline] == list(range(20))
    assert pipeline.dropped == 0


def test_a_fault_of_the_source_reaches_the_reader_after_what_was_read(tiny: Path) -> None:
    source = Listed([blue_cell(0, 0)] * 3, fault=True)
    with Detector(tiny) as detector, Pipeline(source, detector, workers=2, policy="every") as pipeline:
        results = iter(pipeline)
        assert [next(results).frame.index for _ in range(3)] == [0, 1, 2]
        with pytest.raises(VideoError, match="cable"):
            next(results)
    assert source.closed


def test_a_fault_of_the_detector_reaches_the_reader(tiny: Path) -> None:
    source = Listed([np.zeros((4, 4), np.uint8)] * 50)
    with (
        Detector(tiny) as detector,
        Pipeline(source, detector, workers=2, policy="every") as pipeline,
        pytest.raises(InputError, match="BGR"),
    ):
        list(pipeline)
    assert source.closed


def test_leaving_early_frees_the_source_and_the_threads(tiny: Path) -> None:
    before = threading.active_count()
    source = Listed([blue_cell(0, 0)] * 10_000)
    with Detector(tiny) as detector:
        with Pipeline(source, detector, workers=2, policy="every") as pipeline:
            next(iter(pipeline))
        assert source.closed
        assert threading.active_count() == before


def test_an_empty_source(tiny: Path) -> None:
    with Detector(tiny) as detector, Pipeline(Listed([]), detector, workers=2, policy="every") as pipeline:
        assert list(pipeline) == []


def test_an_unknown_policy(tiny: Path) -> None:
    with Detector(tiny) as detector, pytest.raises(InputError, match="every, latest"):
        Pipeline(Listed([]), detector, workers=1, policy="some")


def test_a_video_file(tiny: Path, video: Path) -> None:
    source = open_source(str(video))
    assert (source.live, source.fps, source.frame_count) == (False, 25, 20)
    with Detector(tiny) as detector, Pipeline(source, detector, workers=2, policy="every") as pipeline:
        found = [len(result.detections) for result in pipeline]
    assert found == [0] * 10 + [1] * 10
