"""A camera of two streams: detection in the smaller one, pictures and their boxes of the larger one."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from servers.cameras import Remembered, eventually, free_port, mjpeg_camera, rtsp_camera

from edgessd import Detector
from edgessd.config import config_from
from edgessd.streams import QueuedSink, Retry, Streams
from edgessd.util.toml_table import parse_toml

SMALL, LARGE = (320, 240), (960, 480)  # width, height: another aspect ratio, as cameras have it
Edgessd = Callable[..., tuple[int, str, str]]


@pytest.fixture
def camera() -> Iterator[tuple[str, str]]:
    """Addresses of a camera's smaller and larger stream, which show the blue cell at the same place."""
    ports = free_port(), free_port()
    small, large = (("--size", f"{width}x{height}", "--blue") for width, height in (SMALL, LARGE))
    with mjpeg_camera(ports[0], *small), mjpeg_camera(ports[1], *large):
        yield f"http://127.0.0.1:{ports[0]}/live", f"http://127.0.0.1:{ports[1]}/live"


@pytest.fixture
def detector(tiny: Path) -> Iterator[Detector]:
    with Detector(tiny, workers=2) as opened:
        yield opened


def wide(memory: Remembered) -> list:
    return [result for result in memory.results if result.frame.image.shape == (LARGE[1], LARGE[0], 3)]


def test_pictures_are_the_larger_stream_s_and_boxes_lie_in_them(detector: Detector, camera: tuple[str, str]) -> None:
    pictures, lines = Remembered(), Remembered(needs_image=False)
    sinks = [QueuedSink("pictures", pictures, capacity=999), QueuedSink("lines", lines, capacity=999)]
    with Streams(detector, sinks, workers=2, track=True) as streams:
        streams.add("door", camera[0], record_source=camera[1])
        assert eventually(lambda: len(wide(pictures)) > 40, 20)
        names = {status.name for status in streams.statuses()}
    assert names == {"door"}
    by_number = {result.frame.index: result for result in lines.results}
    hits = 0
    for result in wide(pictures):
        small = by_number[result.frame.index].detections
        expected = small.boxes_xyxy * np.array([3, 2, 3, 2], np.float32)
        assert np.allclose(result.detections.boxes_xyxy, expected)
        for left, top, right, bottom in result.detections.boxes_xyxy.round().astype(int):
            hits += bool((result.frame.image[top:bottom, left:right, 0] > 200).mean() > 0.5)
        assert result.tracks.trails.keys() == by_number[result.frame.index].tracks.trails.keys()
    assert hits > 30  # a camera of two processes: their cells may walk a moment apart
    assert all(result.recorded is None for result in lines.results)


def test_nobody_who_wants_pictures_no_second_connection(detector: Detector, camera: tuple[str, str]) -> None:
    opened: list[bool] = []
    memory = Remembered(needs_image=False)
    with Streams(detector, [QueuedSink("memory", memory)], workers=2) as streams:
        streams.add("door", camera[0], record_source=lambda: opened.append(True))
        assert eventually(lambda: len(memory.results) > 5, 20)
    assert opened == []


def test_while_the_larger_stream_is_away_pictures_are_the_smaller_one_s(
    detector: Detector, camera: tuple[str, str]
) -> None:
    port, memory = free_port(), Remembered()
    with Streams(detector, [QueuedSink("memory", memory, capacity=999)], workers=2) as streams:
        streams.add("door", camera[0], record_source=f"http://127.0.0.1:{port}/live", retry=Retry(stale_after=0.5))
        assert eventually(lambda: len(memory.results) > 5, 20)
        assert wide(memory) == []
        with mjpeg_camera(port, "--size", "960x480"):
            assert eventually(lambda: len(wide(memory)) > 5, 20)
        count = len(memory.results)
        assert eventually(
            lambda: len(memory.results) > count + 15 and memory.results[-1].frame.image.shape[1] == 320, 20
        )
        assert "door.record" in {status.name for status in memory.statuses}
        streams.remove("door")


def test_two_streams_over_rtsp(detector: Detector) -> None:
    ports, memory = (free_port(), free_port()), Remembered()
    with rtsp_camera(ports[0]), rtsp_camera(ports[1], "--size", "960x480"):
        small, large = (f"rtsp://127.0.0.1:{port}/live" for port in ports)
        with Streams(detector, [QueuedSink("memory", memory, capacity=999)], workers=2) as streams:
            streams.add("door", small, record_source=large)
            assert eventually(lambda: len(wide(memory)) > 10, 20)


def test_a_check_names_both_without_their_passwords(edgessd: Edgessd, tiny: Path, tmp_path: Path) -> None:
    path = tmp_path / "streams.toml"
    sources = 'detect_source = "rtsp://u:geheim@a/1"\nrecord_source = "rtsp://u:geheim@a/2"'
    path.write_text(f'[model]\npath = "{tiny}"\n[[streams]]\nname = "door"\n{sources}\n')
    code, out, err = edgessd("run", path, "--check")
    assert (code, err) == (0, "")
    assert "stream door: rtsp://a/1, pictures of rtsp://a/2" in out


def test_a_configuration_has_one_source_or_both() -> None:
    text = '[[streams]]\nname = "door"\ndetect_source = "0"\nrecord_source = "1"'
    stream = config_from(parse_toml(text)).streams[0]
    assert stream.detected_in == "0"
    assert stream.addresses == ("0", "1")
