"""Small files that declare large pictures: refused before anything is decoded, whatever their format."""

import io
import resource
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from servers.cameras import free_port

from edgessd.errors import EdgessdError, InputError, VideoError
from edgessd.sources import files, parse_address
from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.files import read_images
from edgessd.sources.http_mjpeg import open_http
from edgessd.sources.mjpeg import jpeg_frames
from edgessd.sources.rtsp_probe import ask_rtsp
from edgessd.util.image_header import missing_part, tiff_pages

SIDE = 32000
BLACK = np.zeros((16, 16), np.uint8)


def encoded(suffix: str) -> bytearray:
    return bytearray(cv2.imencode(suffix, BLACK)[1].tobytes())


def jpeg(between: bytes = b"") -> bytes:
    content = encoded(".jpg")
    frame = content.find(b"\xff\xc0")
    struct.pack_into(">HH", content, frame + 5, SIDE, SIDE)
    return bytes(content[:frame]) + between + bytes(content[frame:])


def tiff() -> bytes:
    content = encoded(".tif")
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    for entry in range(first + 2, first + 2 + 12 * count, 12):
        (tag,) = struct.unpack_from("<H", content, entry)
        if tag in (256, 257):
            struct.pack_into("<HHII", content, entry, tag, 4, 1, SIDE)
    return bytes(content)


def bitmap() -> bytes:
    content = encoded(".bmp")
    struct.pack_into("<ii", content, 18, SIDE, SIDE)
    return bytes(content)


BOMBS = {
    "a.jpg": jpeg(),
    "bytes-between-its-segments.jpg": jpeg(b"what decoders skip"),
    "a.tif": tiff(),
    "a.bmp": bitmap(),
    "a-portable-greymap.jpg": b"P5\n%d %d\n255\n" % (SIDE, SIDE) + bytes(1000),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(EdgessdError):
        read_images(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200 << 10  # KiB


def test_opencv_has_the_limit_of_the_header() -> None:
    probe = "import edgessd, os; print(os.environ['OPENCV_IO_MAX_IMAGE_PIXELS'])"
    done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True, check=True)
    assert int(done.stdout) == files.MAX_PIXELS


def test_bytes_between_segments_do_not_cut_a_picture_off() -> None:
    content = encoded(".jpg")
    at = content.find(b"\xff\xdb")
    padded = bytes(content[:at]) + bytes(3) + bytes(content[at:])
    assert missing_part(padded) is None
    assert missing_part(padded[:-2]) is not None


@pytest.mark.skipif(not hasattr(cv2, "imencodeanimation"), reason="needs OpenCV 4.11")
def test_an_animation_is_read_in_parts_and_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    animation = cv2.Animation()
    animation.frames = [np.full((20, 30, 4), number * 40, np.uint8) for number in range(5)]
    animation.durations = np.full(5, 40)
    path = tmp_path / "a.png"
    path.write_bytes(cv2.imencodeanimation(".png", animation)[1].tobytes())
    for at_once in (1, 2, 5, 9):
        monkeypatch.setattr(files, "MAX_PIXELS", 4 * 20 * 30 * at_once)
        assert [int(image[0, 0, 0]) for image in read_images(path)] == [0, 40, 80, 120, 160]
    monkeypatch.setattr(files, "MAX_PIXELS", 4 * 20 * 30 * 2)
    monkeypatch.setattr(files, "MAX_ANIMATION_PIXELS", 20 * 30 * 3)
    with pytest.raises(InputError, match="in all"):
        read_images(path)


def tiff(*pages: tuple[int, int], height: int = 2, width: int = 3) -> bytes:
    """Return a TIFF of grey pages, each of one level and a kind: 1 for a smaller copy of another."""
    content = b"II*\0" + struct.pack("<I", 8)
    for number, (level, kind) in enumerate(pages):
        tags = {254: kind, 256: width, 257: height, 258: 8, 259: 1, 262: 1, 277: 1, 278: height, 279: height * width}
        pixels = len(content) + 2 + 12 * (len(tags) + 1) + 4
        entries = b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags) if tag < 273)
        entries += struct.pack("<HHII", 273, 4, 1, pixels)
        entries += b"".join(struct.pack("<HHII", tag, 4, 1, tags[tag]) for tag in sorted(tags) if tag > 273)
        end = pixels + height * width
        after = end if number + 1 < len(pages) else 0
        content += (
            struct.pack("<H", len(tags) + 1) + entries + struct.pack("<I", after) + bytes([level]) * height * width
        )
    return content


def test_every_page_of_a_tiff_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(tiff((10, 0), (20, 1), (30, 0)))
    assert [int(image[0, 0, 0]) for image in read_images(path)] == [10, 30]
    path.write_bytes(tiff((40, 0)))
    assert [int(image[0, 0, 0]) for image in read_images(path)] == [40]
    path.write_bytes(tiff((10, 0), (30, 0))[:-10])
    with pytest.raises(VideoError):
        read_images(path)
    monkeypatch.setattr(files, "MAX_ANIMATION_PIXELS", 11)
    for second in ((30, 0), (30, 1)):
        path.write_bytes(tiff((10, 0), second))
        with pytest.raises(InputError, match="in all"):
            read_images(path)


def test_directories_that_overlap_are_read_once() -> None:
    """Each of these says that 65,535 tags follow; 1.6 MB could hold 200,000 of them."""
    places = range(8, 8 + 4 * 1000, 4)
    after = 2 + 12 * 0xFFFF
    content = bytearray(b"II*\0" + struct.pack("<I", places[0]) + b"\xff" * (places[-1] + after))
    for place in places:
        struct.pack_into("<I", content, place + after, place + 4)
    assert len(tiff_pages(bytes(content))) < 3


def answering(port: int, answer: Callable[[socket.socket], None]) -> threading.Thread:
    listening = socket.create_server(("127.0.0.1", port))

    def serve() -> None:
        with listening, listening.accept()[0] as connection:
            connection.recv(4096)
            try:
                answer(connection)
            except OSError:
                return  # the other side left, as it should

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return thread


def test_an_rtsp_server_that_sends_a_byte_now_and_then() -> None:
    def drip(connection: socket.socket) -> None:
        for byte in b"RTSP/1.0 200 OK\r\n" * 3:
            connection.sendall(bytes([byte]))
            time.sleep(0.1)

    port = free_port()
    thread = answering(port, drip)
    start = time.monotonic()
    with pytest.raises(SourceFault) as caught:
        ask_rtsp(parse_address(f"rtsp://127.0.0.1:{port}/x"), 0.5, "OPTIONS")
    assert caught.value.reason is Reason.TIMEOUT
    assert time.monotonic() - start < 3
    thread.join(5)


def test_a_compressed_answer_is_named() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=x\r\nContent-Encoding: gzip\r\n\r\n"
    port = free_port()
    thread = answering(port, lambda connection: connection.sendall(head))
    with pytest.raises(SourceFault, match="compressed"):
        open_http(parse_address(f"http://127.0.0.1:{port}/x"))
    thread.join(5)


def test_a_jpeg_of_a_million_segments_is_left_out() -> None:
    """Each is a step of Python's, under the lock that the other cameras need."""
    picture = (
        b"\xff\xd8" + b"\xff\xe0\x00\x02" * 1_000_000 + cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    )
    stream = io.BytesIO(picture)
    found = list(jpeg_frames(lambda: stream.read(1 << 16), "x"))
    assert [frame.image.shape for frame in found] == [(8, 8, 3)]
