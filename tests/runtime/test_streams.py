"""Faults of real servers: killed, stopped, talking nonsense. One camera's fault is never another's."""

import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from frames import blue_cell
from servers.cameras import Remembered, eventually, free_port, mjpeg_camera, rtsp_camera
from servers.numbered import number_of

from edgessd import Detector
from edgessd.bench.measure import rss_mb
from edgessd.errors import InputError
from edgessd.sources import Images
from edgessd.streams import QueuedSink, Retry, Streams

QUICK = Retry(stale_after=0.5, hang_after=1.0, first_retry=0.05, longest_retry=0.2, lasting_retry=0.5)


@pytest.fixture
def memory() -> Remembered:
    return Remembered()


@pytest.fixture
def streams(tiny: Path, memory: Remembered) -> "Streams":
    with Detector(tiny, workers=2) as detector:
        sinks = [QueuedSink("memory", memory, capacity=100_000)]
        with Streams(detector, sinks, workers=2, retry=QUICK) as running:
            yield running
        assert memory.closed.is_set()


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/live"


def state(streams: Streams, name: str) -> tuple[str, str | None]:
    status = next(status for status in streams.statuses() if status.name == name)
    return str(status.state), status.reason


def numbers(memory: Remembered, name: str) -> list[int | None]:
    return [number_of(result.frame.image) for result in memory.of(name)]


def test_a_killed_camera_comes_back_and_others_lose_nothing(streams: Streams, memory: Remembered) -> None:
    port, other = free_port(), free_port()
    with mjpeg_camera(other, "--fps", 30):
        with mjpeg_camera(port, "--fps", 30) as camera:
            streams.add("dies", url(port))
            streams.add("lives", url(other), policy="every")
            assert eventually(lambda: len(memory.of("dies")) >= 10, 10)
            camera.kill()
        assert eventually(lambda: state(streams, "dies") == ("stale", "refused"), 5)
        before = len(memory.of("dies"))
        time.sleep(1)
        assert len(memory.of("dies")) == before  # no black, no repeated frame
        with mjpeg_camera(port, "--fps", 30):
            assert eventually(lambda: len(memory.of("dies")) > before, 2)
            assert eventually(lambda: memory.states("dies")[-3:] == ["live", "stale", "live"], 5)
        seen = numbers(memory, "lives")
    assert seen == list(range(len(seen)))
    assert None not in numbers(memory, "dies")
    assert memory.states("lives")[-1] == "live"
    assert "stale" not in memory.states("lives")


def test_a_killed_rtsp_camera_comes_back(streams: Streams, memory: Remembered) -> None:
    port = free_port()
    with rtsp_camera(port) as camera:
        streams.add("rtsp", f"rtsp://127.0.0.1:{port}/live")
        assert eventually(lambda: len(memory.of("rtsp")) >= 10, 20)
        camera.kill()
        camera.wait()
    assert eventually(lambda: state(streams, "rtsp") == ("stale", "refused"), 5)
    before = len(memory.of("rtsp"))
    with rtsp_camera(port):
        assert eventually(lambda: len(memory.of("rtsp")) > before, 20)


def test_a_frozen_camera_is_stale_and_recovers(streams: Streams, memory: Remembered) -> None:
    port = free_port()
    with mjpeg_camera(port, "--fps", 30) as camera:
        streams.add("freezes", url(port))
        assert eventually(lambda: len(memory.of("freezes")) >= 10, 10)
        camera.send_signal(signal.SIGSTOP)
        stopped = time.monotonic()
        assert eventually(lambda: state(streams, "freezes")[0] == "stale", 5)
        assert time.monotonic() - stopped >= QUICK.stale_after - 0.1
        assert eventually(lambda: state(streams, "freezes")[1] in ("hung", "frozen", "timeout", "cut off"), 10)
        before = len(memory.of("freezes"))
        camera.send_signal(signal.SIGCONT)
        assert eventually(lambda: len(memory.of("freezes")) > before + 5, 10)
        assert eventually(lambda: state(streams, "freezes") == ("live", None), 5)


def test_named_states_of_what_cannot_work(streams: Streams, memory: Remembered) -> None:
    noise, locked, gone = free_port(), free_port(), free_port()
    with mjpeg_camera(noise, "--garbage", "--fps", 0), mjpeg_camera(locked, "--password", "geheim"):
        streams.add("noise", url(noise))
        streams.add("locked", f"http://admin:falsch@127.0.0.1:{locked}/live")
        streams.add("gone", f"rtsp://admin:geheim@127.0.0.1:{gone}/live")
        assert eventually(lambda: state(streams, "noise") == ("failed", "not a stream"), 10)
        assert eventually(lambda: state(streams, "locked") == ("failed", "authentication"), 5)
        assert eventually(lambda: state(streams, "gone") == ("connecting", "refused"), 5)
        told = str([status.as_json() for status in memory.statuses] + streams.statuses())
    assert "falsch" not in told
    assert "geheim" not in told


def test_a_camera_that_does_not_answer_keeps_no_other_from_opening(streams: Streams, video: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        streams.add("silent", f"rtsp://127.0.0.1:{silent.getsockname()[1]}/live#open_timeout=60")
        time.sleep(0.2)
        streams.add("file", str(video))
        assert eventually(lambda: state(streams, "file")[0] == "ended", 10)
        assert state(streams, "silent")[0] == "connecting"


def test_a_camera_that_changes_its_resolution(streams: Streams, memory: Remembered) -> None:
    port = free_port()
    with mjpeg_camera(port, "--fps", 50, "--resize-after", 10):
        streams.add("grows", url(port), policy="every")
        assert eventually(lambda: len(memory.of("grows")) >= 20, 10)
    shapes = [result.frame.image.shape[:2] for result in memory.of("grows")]
    assert shapes[:20] == [(48, 128)] * 10 + [(96, 256)] * 10
    assert numbers(memory, "grows")[:20] == list(range(20))


def test_a_camera_that_ends_every_second(streams: Streams, memory: Remembered) -> None:
    port = free_port()
    with mjpeg_camera(port, "--fps", 50, "--frames", 10):
        streams.add("flaps", url(port), policy="every")
        assert eventually(lambda: len(memory.of("flaps")) >= 40, 20)
    assert numbers(memory, "flaps")[:40] == list(range(10)) * 4
    assert [result.frame.index for result in memory.of("flaps")[:40]] == list(range(40))


def test_streams_come_and_go_while_others_run(streams: Streams, memory: Remembered) -> None:
    port, other = free_port(), free_port()
    with mjpeg_camera(port, "--fps", 50), mjpeg_camera(other, "--fps", 50):
        streams.add("stays", url(port), policy="every")
        for _ in range(3):
            seen = len(memory.of("comes"))
            streams.add("comes", url(other))
            assert eventually(lambda: len(memory.of("comes")) > seen + 3, 10)  # noqa: B023
            streams.remove("comes")
        assert [status.name for status in streams.statuses()] == ["stays"]
        seen_numbers = numbers(memory, "stays")
    assert seen_numbers == list(range(len(seen_numbers)))
    with pytest.raises(InputError, match="already a stream"):
        streams.add("stays", url(port))
    with pytest.raises(InputError, match="no stream 'comes'"):
        streams.remove("comes")


def test_files_of_several_streams_are_whole_and_in_order(streams: Streams, memory: Remembered, video: Path) -> None:
    for name in "abcd":
        streams.add(name, str(video))
    assert streams.wait(threading.Event(), timeout=20)
    assert eventually(lambda: len(memory.results) == 80, 5)
    for name in "abcd":
        assert [result.frame.index for result in memory.of(name)] == list(range(20))
        assert [len(result.detections) for result in memory.of(name)] == [0] * 10 + [1] * 10


def test_a_slow_and_a_broken_sink_do_not_slow_detection(tiny: Path) -> None:
    slow, broken, well = Remembered(pause=0.2), Remembered(broken=True), Remembered()
    sinks = [QueuedSink("slow", slow, capacity=4), QueuedSink("broken", broken), QueuedSink("well", well, capacity=999)]
    port = free_port()
    with mjpeg_camera(port, "--fps", 100), Detector(tiny) as detector, Streams(detector, sinks) as streams:
        streams.add("camera", url(port), policy="every")
        assert eventually(lambda: len(well.results) >= 100, 10)
        assert numbers(well, "camera")[:100] == list(range(100))
        assert sinks[0].dropped > 0
        assert sinks[1].failed > 0
        assert sinks[2].dropped == sinks[2].failed == 0


def test_a_dead_sink_does_not_hold_the_end(tiny: Path, video: Path) -> None:
    dead = Remembered(pause=60)
    with Detector(tiny) as detector:
        start = time.monotonic()
        with Streams(detector, [QueuedSink("dead", dead)]) as streams:
            streams.add("file", str(video))
            streams.wait(threading.Event(), timeout=10)
            start = time.monotonic()
        assert time.monotonic() - start < 5


def test_a_detector_that_fails_is_told(tiny: Path) -> None:
    with Detector(tiny) as detector:
        detector.detect_timed = lambda frame: 1 / 0  # type: ignore[assignment, method-assign, return-value]
        with Streams(detector) as streams:
            streams.add("images", lambda: Images([], "none"))
            with pytest.raises(InputError, match="already"):
                streams.add("images", lambda: Images([], "none"))
            assert streams.healthy


def test_batches_over_cameras(tiny: Path, memory: Remembered, tmp_path: Path) -> None:
    import cv2

    paths = []
    for index in range(6):
        paths.append(tmp_path / f"{index}.png")
        cv2.imwrite(str(paths[-1]), blue_cell(*divmod(index, 4)))
    with (
        Detector(tiny, backend="onnxruntime") as detector,
        Streams(detector, [QueuedSink("memory", memory, capacity=100)], batch=4, batch_deadline=0.05) as streams,
    ):
        for name in "abc":
            streams.add(name, lambda: Images(paths, "images"))
        assert streams.wait(threading.Event(), timeout=20)
        assert eventually(lambda: len(memory.results) == 18, 5)
    for name in "abc":
        boxes = [result.detections.boxes_xyxy[0].round().tolist()[:2] for result in memory.of(name)]
        assert boxes == [[index % 4 * 8, index // 4 * 8] for index in range(6)]


def test_a_flapping_camera_leaves_nothing_behind(streams: Streams, memory: Remembered) -> None:
    """The soak test, shortened to 60 connections; benchmarks/soak.py has the long form."""
    port = free_port()
    with mjpeg_camera(port, "--fps", 0, "--frames", 20):
        retry = Retry(first_retry=0.005, longest_retry=0.005)
        streams.add("flaps", url(port), policy="every", retry=retry)

        def reconnects() -> int:
            memory.results.clear()  # the record itself must not grow
            return streams.statuses()[0].reconnects

        def held() -> tuple[float, int, int]:
            return rss_mb(), threading.active_count(), len(list(Path("/proc/self/fd").iterdir()))

        assert eventually(lambda: reconnects() >= 15, 30)
        before, growth = held(), []
        for _ in range(3):  # a leak grows in every stretch; the allocator's own steps do not
            memory_before, goal = rss_mb(), reconnects() + 45
            assert eventually(lambda goal=goal: reconnects() >= goal, 60)  # type: ignore[misc]
            growth.append(rss_mb() - memory_before)
        after = held()
    assert min(growth) < 2
    assert after[1] <= before[1] + 1
    assert after[2] <= before[2] + 2


def test_four_paced_cameras_are_served_alike(streams: Streams, memory: Remembered) -> None:
    ports = [free_port() for _ in range(4)]
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(mjpeg_camera(port, "--fps", 15))
        for index, port in enumerate(ports):
            streams.add(f"c{index}", url(port))
        assert eventually(lambda: min(len(memory.of(f"c{index}")) for index in range(4)) >= 20, 20)
        statuses = {status.name: status for status in streams.statuses()}
    for index in range(4):
        seen = [result.frame.index for result in memory.of(f"c{index}")]
        assert seen == sorted(set(seen))  # every frame or its newest successor, in order
        assert statuses[f"c{index}"].dropped <= 5
