"""Addresses, YUV4MPEG2, JPEG streams, images, and the answers of HTTP and RTSP cameras, mutated.

Each gives frames or a named error of one line, in time, with bounded memory, and no error shows the password.
"""

import io
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import cv2
import pytest
from mutate_json import mutated_bytes
from servers.numbered import numbered_frame
from tally import CASES, SECRET, tally

from edgessd.sources.address import Address, parse_address, redact_url
from edgessd.sources.files import read_images
from edgessd.sources.http_mjpeg import HttpPictures, open_http
from edgessd.sources.mjpeg import jpeg_frames
from edgessd.sources.rtsp_probe import ask_rtsp
from edgessd.sources.y4m import y4m_frames

ADDRESSES = (
    f"rtsp://admin:{SECRET}@10.0.0.5:554/live?channel=1#via=ffmpeg&transport=tcp",
    f"http://h/v?user=me%40example.invalid&token={SECRET}",
    f"rtsp://h:1/user=admin&password={SECRET}&channel=1&stream=0.sdp?",
    f"gst:rtspsrc location=rtsp://a:{SECRET}@h/x user-pw={SECRET} ! decodebin",
    "/dev/video0?width=640&height=480&fourcc=MJPG",
    "-?width=4&height=2",
    "csi://0?fps=30",
    "a.mp4?pace=10&loop=1",
)
HEADS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n40\r\n",
    b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256\r\n'
    b'WWW-Authenticate: Digest realm="r", nonce="n"\r\nContent-Length: 0\r\n\r\n',
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n",
)
RTSP_ANSWERS = (
    b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE\r\n\r\n",
    b'RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\n'
    b'WWW-Authenticate: Basic realm="r"\r\n\r\n',
    b"RTSP/1.0 404 Not Found\r\nCSeq: 1\r\n\r\n",
)


def jpeg(number: int) -> bytes:
    return cv2.imencode(".jpg", numbered_frame(number))[1].tobytes()


def test_addresses() -> None:
    kinds = set()
    with tally("addresses") as counted:
        for seed in range(CASES):
            rng = random.Random(seed)
            text = mutated_bytes(rng.choice(ADDRESSES).encode(), rng).decode(errors="surrogateescape")
            with counted.case(seed):
                redact_url(text)
                address = parse_address(text)
                kinds.add(address.kind)
                address.redact(text)
                for option in ("width", "pace"):
                    address.number(option)
                    address.seconds(option)
    assert {"rtsp", "http", "gst", "camera", "path"} <= kinds


def test_yuv4mpeg() -> None:
    content = b"YUV4MPEG2 W32 H16 F25:1 Ip C420jpeg\n" + (b"FRAME\n" + bytes(768)) * 3
    found = 0
    with tally("YUV4MPEG2") as counted:
        for seed in range(CASES):
            changed = mutated_bytes(content, random.Random(seed))
            with counted.case(seed):
                found += sum(1 for _ in y4m_frames(io.BytesIO(changed).read, "x"))
    assert found > CASES // 4


def test_jpeg_streams() -> None:
    content = b"--f\r\n\r\n".join(jpeg(number) for number in range(3))
    found = 0
    with tally("JPEG streams") as counted:
        for seed in range(CASES):
            rng = random.Random(seed)
            stream = io.BytesIO(mutated_bytes(content, rng))
            size = rng.choice((7, 100, 1 << 16))
            with counted.case(seed):
                found += sum(1 for _ in jpeg_frames(lambda: stream.read(size), "x"))  # noqa: B023
    assert found > CASES // 4


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".webp", ".tif", ".gif"])
def test_images(suffix: str, tmp_path: Path) -> None:
    done, encoded = cv2.imencode(suffix, numbered_frame(5)) if cv2.haveImageWriter("x" + suffix) else (False, None)
    if not done:
        pytest.skip(f"this OpenCV does not write {suffix}")
    path = tmp_path / f"x{suffix}"
    found = 0
    with tally(f"images {suffix}") as counted:
        for seed in range(CASES):
            path.write_bytes(mutated_bytes(encoded.tobytes(), random.Random(seed)) or b"x")
            with counted.case(seed):
                found += len(read_images(path))
    assert found > 0


@contextmanager
def server(answers: list[bytes]) -> Iterator[int]:
    """Yield the port of a server that sends each connection the newest answer and closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.settimeout(1)
                    connection.recv(4096)
                    connection.sendall(answers[-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            listening.shutdown(socket.SHUT_RDWR)
            thread.join(2)


def test_http_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    # What is no MJPEG goes to FFmpeg, which other tests try: it would take most of the time.
    monkeypatch.setattr("edgessd.sources.http_mjpeg.NetworkVideo", lambda *_, **__: None)
    body = b"".join(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + jpeg(number) for number in range(2))
    found, answers = 0, [b""]
    with server(answers) as port, tally("MJPEG over HTTP") as counted:
        for seed in range(CASES):
            rng = random.Random(seed)
            head = rng.choice(HEADS)
            whole = mutated_bytes(head, rng) + body if rng.random() < 0.7 else head + mutated_bytes(body, rng)
            answers[:] = [whole]
            with counted.case(seed):
                source = open_http(parse_address(f"http://admin:{SECRET}@127.0.0.1:{port}/live#read_timeout=1"))
                if isinstance(source, HttpPictures):
                    found += sum(1 for _ in source.frames())
    assert found > 0


def test_rtsp_answers() -> None:
    answered, answers = 0, [b""]
    with server(answers) as port, tally("RTSP answers") as counted:
        address = parse_address(f"rtsp://admin:{SECRET}@127.0.0.1:{port}/live")
        for seed in range(CASES):
            rng = random.Random(seed)
            answers[:] = [mutated_bytes(rng.choice(RTSP_ANSWERS), rng)]
            with counted.case(seed):
                ask_rtsp(address, 1.0, rng.choice(("OPTIONS", "DESCRIBE")))
                answered += 1
    assert answered > 0


def test_the_target_is_never_shown() -> None:
    for text in ADDRESSES:
        address: Address = parse_address(text)
        assert SECRET not in address.name + repr(address)
        assert SECRET not in address.redact(f"error: {address.target}")
