import io
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import pytest
from servers.cameras import free_port, mjpeg_camera, rtsp_camera
from servers.numbered import number_of, numbered_frame

from edgessd.errors import InputError, VideoError
from edgessd.sources import check_address, open_source, parse_address, subprocess_source
from edgessd.sources.capture import CapturedSource
from edgessd.sources.fault import SourceFault
from edgessd.sources.http_auth import authorization
from edgessd.sources.mjpeg import jpeg_frames, split_jpegs
from edgessd.sources.standard_input import StandardInput
from edgessd.sources.subprocess_source import Program
from edgessd.sources.y4m import y4m_frames
from edgessd.util.ffmpeg import version


def jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", numbered_frame(number))[1].tobytes()


def in_pieces(content: bytes, size: int) -> Iterator[bytes]:
    yield from (content[at : at + size] for at in range(0, len(content), size))
    while True:
        yield b""


@pytest.mark.parametrize("size", [1, 7, 1 << 16])
def test_pictures_are_cut_out_of_any_pieces(size: int) -> None:
    pictures = [jpeg(number) for number in range(3)]
    pieces = in_pieces(b"--x\r\n\xff\xd8" + b"\r\n--x\r\n".join(pictures), size)
    assert list(split_jpegs(lambda: next(pieces))) == pictures


def test_a_thumbnail_does_not_end_a_picture() -> None:
    thumbnail = jpeg(1)
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    picture = jpeg(2)[:2] + segment + jpeg(2)[2:]
    pieces = in_pieces(picture * 2, 100)
    assert [number_of(frame.image) for frame in jpeg_frames(lambda: next(pieces), "x")] == [2, 2]


def test_a_damaged_picture_is_left_out() -> None:
    pieces = in_pieces(jpeg(1) + b"\xff\xd8\xff\xe0\x00\x04ab\xff\xd9" + jpeg(2), 50)
    assert [number_of(frame.image) for frame in jpeg_frames(lambda: next(pieces), "x")] == [1, 2]


def test_the_wait_for_a_camera_is_no_decoding(video: Path) -> None:
    """Told for pictures and Y4M apart from the wait, and not at all where OpenCV does both in one call."""
    pieces = in_pieces(jpeg(1) * 2, 100)

    def slowly(count: int = 0) -> bytes:
        time.sleep(0.02)
        return next(pieces)

    assert all((frame.read_seconds or 1) < 0.02 for frame in jpeg_frames(slowly, "x"))

    class Live(CapturedSource):
        def open_capture(self) -> cv2.VideoCapture:
            return cv2.VideoCapture(str(video))

    assert {(frame.read_seconds, frame.media_time) for frame in Live("camera").frames()} == {(None, None)}


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs ffmpeg to make the file")
def test_frames_of_a_file_without_times_still_advance(tmp_path: Path) -> None:
    """Raw H.264 has none: OpenCV says 0 for every frame."""
    raw = tmp_path / "raw.h264"
    made = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=25", "-frames:v", "5", "-c:v", "libx264", str(raw)]
    if subprocess.run(["ffmpeg", "-v", "error", *made]).returncode:
        pytest.skip("this ffmpeg has no libx264")
    times = [frame.media_time for frame in open_source(str(raw)).frames()]
    assert times == pytest.approx([0, 0.04, 0.08, 0.12, 0.16], abs=1e-3)


def test_noise_is_bounded() -> None:
    noise = os.urandom(1 << 16)
    with pytest.raises(SourceFault, match="no JPEG"):
        list(jpeg_frames(lambda: noise, "x"))


def y4m(content: bytes) -> list[np.ndarray]:
    return [frame.image for frame in y4m_frames(io.BytesIO(content).read, "x")]


def test_yuv4mpeg() -> None:
    frame = b"FRAME\n" + bytes([235] * 8) + bytes([128] * 4)  # 4x2, white
    images = y4m(b"YUV4MPEG2 W4 H2 F25:1 Ip C420jpeg\n" + frame + frame + frame[:9])
    assert [image.shape for image in images] == [(2, 4, 3)] * 2
    assert int(images[0].min()) == 255


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "before its first frame"),
        (b"P6 4 2\n", "no YUV4MPEG2"),
        (b"YUV4MPEG2 W0 H2\n", "no YUV4MPEG2"),
        (b"YUV4MPEG2 W99999999 H99999999\n", "no YUV4MPEG2"),
        (b"YUV4MPEG2 W3 H2\n", "even"),
        (b"YUV4MPEG2 W4 H2 C444\n", "444"),
        (b"x" * 1000, "no YUV4MPEG2"),
        (b"YUV4MPEG2 W4 H2\nFRAMX\n" + bytes(12), "damaged"),
    ],
)
def test_what_is_no_yuv4mpeg(content: bytes, words: str) -> None:
    with pytest.raises(SourceFault, match=words):
        y4m(content)


def from_pipe(content: bytes, text: str) -> list[np.ndarray]:
    """Return the frames of standard input; it is a pipe that is filled meanwhile."""
    reading, writing = os.pipe()

    def fill() -> None:
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(content)

    thread = threading.Thread(target=fill)
    thread.start()
    try:
        return [frame.image for frame in StandardInput(parse_address(text), reading).frames()]
    finally:
        thread.join()
        os.close(reading)


def test_standard_input_tells_its_format_by_its_first_bytes() -> None:
    assert [number_of(image) for image in from_pipe(jpeg(1) + jpeg(2), "-")] == [1, 2]
    frame = b"FRAME\n" + bytes(12)
    assert len(from_pipe(b"YUV4MPEG2 W4 H2 F25:1\n" + frame * 3, "-")) == 3


def test_raw_frames_on_standard_input() -> None:
    frames = [numbered_frame(number, height=6, width=32) for number in (3, 4)]
    images = from_pipe(b"".join(frame.tobytes() for frame in frames) + b"part", "-?width=32&height=6")
    assert all(np.array_equal(*pair) for pair in zip(images, frames, strict=True))


def test_standard_input_without_frames() -> None:
    for content, words in ((b"", "whole frame"), (b"hello, world", "neither"), (jpeg(1)[:50], "whole frame")):
        with pytest.raises(SourceFault, match=words):
            from_pipe(content, "-")
    with pytest.raises(InputError, match="size"):
        StandardInput(parse_address("-?format=bgr24"), 0)
    with pytest.raises(InputError, match="did you mean 'mjpeg'"):
        StandardInput(parse_address("-?format=mjpg"), 0)


def test_a_file_played_as_a_camera(video: Path) -> None:
    source = open_source(f"{video}?pace=500")
    assert (source.live, source.fps) == (True, 500)
    frames = list(islice(source.frames(), 45))
    assert [frame.index for frame in frames] == list(range(45))
    with pytest.raises(InputError, match="loop is 0 or 1"):
        open_source(f"{video}?loop=yes")


def test_a_file_may_have_a_question_mark_in_its_name(video: Path) -> None:
    odd = video.with_name("why?.avi")
    video.rename(odd)
    assert open_source(str(odd)).frame_count == 20


@pytest.mark.parametrize("digest", [False, True])
def test_http_pictures_with_a_password(digest: bool) -> None:
    port = free_port()
    options = ("--password", "ge/he@im", *(["--digest"] if digest else []))
    with mjpeg_camera(port, "--fps", 0, "--frames", 5, *options):
        source = open_source(f"http://admin:ge%2Fhe%40im@127.0.0.1:{port}/live")
        assert source.name == f"http://127.0.0.1:{port}/live"
        assert [number_of(frame.image) for frame in source.frames()] == [0, 1, 2, 3, 4]
        for userinfo in ("", "admin:geheim@"):
            with pytest.raises(SourceFault) as caught:
                open_source(f"http://{userinfo}127.0.0.1:{port}/live")
            assert caught.value.reason == "authentication"
            assert "geheim" not in str(caught.value)


def test_http_faults_by_name(tmp_path: Path) -> None:
    port = free_port()
    with pytest.raises(SourceFault) as caught:
        open_source(f"http://127.0.0.1:{port}/live")
    assert caught.value.reason == "refused"
    (tmp_path / "no.mp4").write_bytes(b"no video" * 1000)
    with mjpeg_camera(port, "--garbage", "--fps", 0, "--file", tmp_path / "no.mp4"):
        with pytest.raises(SourceFault) as caught:
            open_source(f"http://127.0.0.1:{port}/nowhere")
        assert caught.value.reason == "not found"
        for path in ("live", "file.mp4"):
            with pytest.raises(SourceFault) as caught:
                next(iter(open_source(f"http://127.0.0.1:{port}/{path}").frames()))
            assert caught.value.reason == "not a stream"


def test_a_video_file_over_http_is_no_camera(video: Path) -> None:
    port = free_port()
    with mjpeg_camera(port, "--file", video, "--content-type", "video/x-msvideo"):
        source = open_source(f"http://127.0.0.1:{port}/file.avi")
        assert not source.live
        assert len(list(source.frames())) == 20


@pytest.mark.parametrize("digest", [False, True])
def test_rtsp_with_a_password(digest: bool) -> None:
    port = free_port()
    with rtsp_camera(port, "--password", "ge/he@im", *(["--digest"] if digest else [])):
        source = open_source(f"rtsp://admin:ge%2Fhe%40im@127.0.0.1:{port}/live")
        assert (source.name, source.live) == (f"rtsp://127.0.0.1:{port}/live", True)
        frames = source.frames()
        assert next(frames).image.shape == (240, 320, 3)
        frames.close()
        for userinfo in ("", "admin:geheim@"):
            with pytest.raises(SourceFault) as caught:
                open_source(f"rtsp://{userinfo}127.0.0.1:{port}/live")
            assert caught.value.reason == "authentication"
            assert "geheim" not in str(caught.value)


def test_rtsp_faults_by_name() -> None:
    port, other = free_port(), free_port()
    with pytest.raises(SourceFault) as caught:
        open_source(f"rtsp://127.0.0.1:{port}/live")
    assert caught.value.reason == "refused"
    with rtsp_camera(port), mjpeg_camera(other):
        for url, reason in ((f"127.0.0.1:{port}/nowhere", "not found"), (f"127.0.0.1:{other}/live", "not a stream")):
            with pytest.raises(SourceFault) as caught:
                open_source(f"rtsp://{url}")
            assert caught.value.reason == reason


def test_a_digest_answer() -> None:
    # RFC 2617, section 3.5, without qop: HA1 939e7578ed9e3c518a452acee763bce9, HA2 39aff3a2bab6126f332b942af96d3366.
    challenge = 'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093"'
    answer = authorization([challenge], "GET", "/dir/index.html", "Mufasa", "Circle Of Life")
    assert answer is not None
    assert 'response="670fd8c2df070c60b045671b8b24ff02"' in answer


def test_a_digest_by_sha_256_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    # RFC 7616, section 3.9.1.
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr("secrets.token_hex", lambda _: cnonce)
    shared = 'realm="http-auth@example.org", qop="auth, auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"'
    challenges = [f"Digest {shared}, algorithm=MD5", f'Basic realm="x", Digest {shared}, algorithm=SHA-256']
    answer = authorization(challenges, "GET", "/dir/index.html", "Mufasa", "Circle of Life")
    assert answer is not None
    assert "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1" in answer
    only_md5 = authorization(challenges[:1], "GET", "/dir/index.html", "Mufasa", "Circle of Life")
    assert only_md5 is not None
    assert "8ca523f5e9506fed4657c9700eebdbec" in only_md5


@pytest.mark.parametrize(
    ("challenges", "answer"),
    [([], None), (["Negotiate"], None), (["Digest algorithm=SHA-512-256, nonce=x"], None), (["Basic"], None),
     (['Basic realm="x"'], "Basic dTpw")],
)  # fmt: skip
def test_challenges_without_a_digest(challenges: list[str], answer: str | None) -> None:
    assert authorization(challenges, "GET", "/", "u", "p") == answer


@pytest.mark.skipif(
    shutil.which("gst-launch-1.0") is None, reason="needs gst-launch-1.0: apt install gstreamer1.0-tools"
)
def test_a_pipeline_by_gst_launch() -> None:
    source = open_source("gst:videotestsrc num-buffers=5 pattern=white ! video/x-raw,width=320,height=240")
    images = [frame.image for frame in source.frames()]
    assert [image.shape for image in images] == [(240, 320, 3)] * 5
    assert int(images[0].min()) > 250
    with pytest.raises(SourceFault, match=r"gst-launch-1\.0 says"):
        list(open_source("gst:no-such-element").frames())


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")
def test_a_stream_by_ffmpeg(video: Path) -> None:
    port = free_port()
    with mjpeg_camera(port, "--file", video, "--content-type", "video/x-msvideo"):
        assert len(list(open_source(f"http://127.0.0.1:{port}/file.avi#via=ffmpeg").frames())) == 20
        with pytest.raises(SourceFault) as caught:
            list(open_source(f"http://admin:geheim@127.0.0.1:{port}/none#via=ffmpeg").frames())
        assert caught.value.reason == "not found"
        assert "geheim" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell the memory of another process")
def test_a_program_that_takes_too_much_memory_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess_source, "_MOST_MEMORY", 100 << 20)
    hungry = [sys.executable, "-c", "import time; held = b'x' * (200 << 20); time.sleep(60)"]
    start = time.monotonic()
    with pytest.raises(SourceFault, match="take over 100 MiB of memory"):
        list(Program(parse_address("gst:hungry"), hungry).frames())
    assert time.monotonic() - start < 30


def command_lines() -> Iterator[bytes]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it has ended
            yield path.read_bytes()


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs the program ffmpeg")
def test_a_password_is_in_no_command_line(video: Path) -> None:
    if version() < (5, 0):
        pytest.skip("this ffmpeg takes no options in a script")
    port = free_port()
    secret = "gehe'im"
    with rtsp_camera(port, "--password", secret):
        frames = open_source(f"rtsp://admin:{secret}@127.0.0.1:{port}/live#via=ffmpeg").frames()
        with closing(frames):  # type: ignore[type-var]
            assert next(frames).image.shape == (240, 320, 3)
            running = list(command_lines())
    assert any(b"yuv4mpegpipe" in command for command in running)
    assert not any(b"admin:gehe" in command for command in running)


def test_a_program_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SourceFault, match="apt install ffmpeg"):
        open_source("rtsp://127.0.0.1/x#via=ffmpeg")


def test_options_of_ffmpeg_without_ffmpeg() -> None:
    with pytest.raises(InputError, match="via=ffmpeg"):
        open_source("rtsp://127.0.0.1/x#hwaccel=cuda")
    with pytest.raises(InputError, match="did you mean 'ffmpeg'"):
        open_source("rtsp://127.0.0.1/x#via=fmpeg")


def test_a_camera_that_is_not_there() -> None:
    with pytest.raises(VideoError, match="cannot open camera /dev/video77"):
        open_source("/dev/video77?width=640&height=480&fourcc=MJPG")
    with pytest.raises(InputError, match="four characters"):
        open_source("/dev/video77?fourcc=JPEGS")


def test_a_pipe_is_told_from_an_empty_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.ts")
    for check in (open_source, lambda text: check_address(parse_address(text))):
        with pytest.raises(InputError, match="is a pipe"):
            check(str(tmp_path / "a.ts"))


def test_raw_frames_of_another_size_are_told(tiny: Path) -> None:
    pixels = numbered_frame(0, height=6, width=32).tobytes() * 3
    command = [sys.executable, "-m", "edgessd", "detect", "stdin?width=33&height=6", "-m", str(tiny)]
    done = subprocess.run(command, input=pixels, capture_output=True, check=False)
    assert b"its size is not 33x6" in done.stderr


def test_frames_through_a_pipe_into_detect(tiny: Path) -> None:
    pixels = numbered_frame(0, height=6, width=32).tobytes() * 3
    command = [sys.executable, "-m", "edgessd", "detect", "stdin?width=32&height=6", "-m", str(tiny), "--jsonl", "-"]
    done = subprocess.run(command, input=pixels, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 3
