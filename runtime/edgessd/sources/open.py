"""From an address to a source."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgessd.errors import InputError
from edgessd.sources.address import Address, parse_address
from edgessd.sources.camera import Camera
from edgessd.sources.files import IMAGE_SUFFIXES, Images, VideoFile, images_in
from edgessd.sources.frame import Source
from edgessd.sources.http_mjpeg import open_http
from edgessd.sources.network_video import NetworkVideo
from edgessd.sources.repeat import Repeated
from edgessd.sources.standard_input import StandardInput
from edgessd.sources.subprocess_source import open_csi, open_ffmpeg, open_pipeline
from edgessd.util.files import is_folder, readable
from edgessd.util.suggestions import did_you_mean


def open_source(text: str) -> Source:
    """Return the source that a path, a camera's number, a URL or a pipeline names. Raises VideoError or InputError."""
    return open_address(parse_address(text))


def frames(source: str | int | Path) -> Iterator[NDArray[np.uint8]]:
    """Yield the BGR frames of a video, image, folder, camera or stream, uint8 (H, W, 3), until it ends.

    The device or file is freed when the loop ends, also early. A live stream that is cut ends the loop:
    ``Streams`` connects again. Raises VideoError or InputError::

        for frame in frames("video.mp4"):
            print(frame.shape)
    """
    opened: Any = open_source(address_text(source)).frames()
    with closing(opened):
        for frame in opened:
            yield frame.image


def address_text(source: object) -> str:
    """Return what a source is called. Raises InputError for what names none."""
    if isinstance(source, bool) or not isinstance(source, str | int | Path):
        raise InputError(
            f"a source is a path, a URL or a camera's number, got {type(source).__name__}",
            fix="give pictures of your own to Detector.detect",
        )
    return str(source)


def open_address(address: Address) -> Source:
    """Return the source of an address; live ones are connected. Raises VideoError or InputError."""
    match address.kind:
        case "camera":
            return Camera(address)
        case "csi":
            return open_csi(address)
        case "gst":
            return open_pipeline(address)
        case "stdin":
            return StandardInput(address)
        case "rtsp" | "http" | "stream":
            if _via(address) == "ffmpeg":
                return open_ffmpeg(address)
            return open_http(address) if address.kind == "http" else NetworkVideo(address)
        case _:
            return _played(address, _open_path(Path(address.target)))


def check_address(address: Address) -> None:
    """Raise VideoError or InputError for what could never be opened; nothing live is connected."""
    for option in ("open_timeout", "read_timeout", "pace"):
        address.seconds(option)
    for option in ("width", "height"):
        address.number(option)
    if address.kind in ("rtsp", "http", "stream") and _via(address) == "ffmpeg":
        open_ffmpeg(address).close()  # it connects at the first frame
    elif address.kind == "path":
        open_address(address).close()


def _via(address: Address) -> str:
    via = address.options.get("via", "opencv")
    if via not in ("opencv", "ffmpeg"):
        raise InputError(f"{address.name}: no via {via!r}", fix=did_you_mean(via, ("opencv", "ffmpeg")))
    wanting = [option for option in ("hwaccel", "transport") if option in address.options]
    if via == "opencv" and wanting:
        raise InputError(f"{address.name}: {wanting[0]} is for the program ffmpeg", fix="add via=ffmpeg")
    return via


def _open_path(path: Path) -> Images | VideoFile:
    if is_folder(path):
        return images_in(path)
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return Images([readable(path, "video or image")], str(path))
    return VideoFile(path)


def _played(address: Address, source: Source) -> Source:
    """Return a file as it is, again and again with ``loop=1``, or so as a camera of ``pace`` FPS."""
    loop = address.options.get("loop", "0")
    if loop not in ("0", "1"):
        raise InputError(str(address.name), fix=f"loop is 0 or 1, got {loop!r}")
    pace = address.seconds("pace")
    return Repeated(source, pace) if pace or loop == "1" else source
