"""Frames from disk: images, and video files through OpenCV."""

import errno
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from time import monotonic

import cv2
import numpy as np
from numpy.typing import NDArray

from edgessd.errors import EdgessdError, InputError, VideoError
from edgessd.sources.address import Address
from edgessd.sources.capture import USUAL_FPS, CapturedSource
from edgessd.sources.conversion import when_converted
from edgessd.sources.frame import Frame, Source
from edgessd.sources.packets import count_frames
from edgessd.util.files import readable
from edgessd.util.image_header import (
    MAX_PIXELS,
    Page,
    check_pixels,
    is_animated,
    missing_part,
    size_hw,
    tiff_pages,
    unreadable_kind,
)
from edgessd.util.opencv_name import opencv_name

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")
MAX_FILE_BYTES = 1 << 30
MAX_ANIMATION_PIXELS = 2 * MAX_PIXELS  # 400 MB when decoded
_SHOWN = 5  # names in a warning
log = logging.getLogger(__name__)


class Images(Source):
    """Image files, in order; each is one frame, an animated one several."""

    live = False

    def __init__(self, paths: list[Path], name: str) -> None:
        self.paths = paths
        self.name = name
        self.frame_count: int | None = len(paths)

    def frames(self) -> Iterator[Frame]:
        """Yield the frames, named by their files. One of many that cannot be read is left out and told.

        Raises VideoError or InputError when none can.
        """
        index = 0
        fault: EdgessdError | None = None
        for path in self.paths:
            start = monotonic()
            try:
                images = read_images(path)
            except EdgessdError as error:
                fault = error
                if len(self.paths) > 1:
                    log.warning("left out: %s", error)
                continue
            for image in images:
                now = monotonic()
                yield Frame(image, path.name, index, now, now - start)
                index += 1
                start = monotonic()
        if fault is not None and index == 0:
            raise fault


def images_in(folder: Path) -> Images:
    """Return the images of a folder, hidden files left out, other files told. Raises VideoError without any."""
    seen = sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
    paths = [entry for entry in seen if entry.suffix.lower() in IMAGE_SUFFIXES]
    if not paths:
        raise VideoError(f"the folder {folder} holds no image ({', '.join(IMAGE_SUFFIXES)})", fix="give another folder")
    if others := [entry.name for entry in seen if entry not in set(paths)]:
        shown = ", ".join(others[:_SHOWN]) + (", ..." if len(others) > _SHOWN else "")
        log.warning("%s: %d files are not images and are not read: %s", folder, len(others), shown)
    return Images(paths, str(folder))


def read_image(path: Path) -> NDArray[np.uint8]:
    """Return an image, the first picture of an animated one, as (H, W, 3) uint8 BGR.

    Grey and transparent images are converted. Raises InputError or VideoError when the file is no whole image.
    """
    return decode_image(_image_bytes(path), str(path))


def decode_image(content: bytes, name: str) -> NDArray[np.uint8]:
    """Return an encoded image as ``read_image`` does. name: for the error, InputError or VideoError."""
    _check(content, name)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:  # larger than OpenCV's own limit, in a format whose header we do not read; or empty
        image = None
    if image is None and (known := unreadable_kind(content)):
        raise VideoError(f"{name} is no image: {known[0]}", fix=known[1])
    if image is None:
        raise VideoError(f"{name} is not an image that OpenCV reads", fix="convert it to PNG or JPEG")
    return np.asarray(image, np.uint8)


def read_images(path: Path) -> list[NDArray[np.uint8]]:
    """Return every picture of an image file, as ``read_image`` does."""
    content = _image_bytes(path)
    _check(content, str(path))
    if len(pages := tiff_pages(content)) > 1:
        return _pages_of(content, pages, path)
    if not is_animated(content):
        return [read_image(path)]
    if not hasattr(cv2, "imdecodeanimation"):
        log.warning("%s is animated; OpenCV %s reads its first picture alone", path, cv2.__version__)
        return [read_image(path)]
    pictures = _animated(content, path)
    if not pictures:
        raise VideoError(
            f"{path} is an animated image that OpenCV cannot read", fix="convert it with ffmpeg to a video"
        )
    return pictures


def _pages_of(content: bytes, pages: list[Page], path: Path) -> list[NDArray[np.uint8]]:
    """Return the pages of a TIFF, without its smaller copies. Raises InputError for more than fit into memory."""
    if sum(page.height * page.width for page in pages) > MAX_ANIMATION_PIXELS:
        raise _too_many_pixels(path)
    try:
        done, pictures = cv2.imdecodemulti(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        done, pictures = False, ()
    if not done or len(pictures) != len(pages):
        raise VideoError(f"{path} has pages that OpenCV cannot read", fix="convert them to PNG or JPEG")
    return [np.asarray(picture, np.uint8) for picture, page in zip(pictures, pages, strict=True) if not page.reduced]


def _too_many_pixels(path: Path) -> InputError:
    return InputError(
        f"the pictures of one image have at most {MAX_ANIMATION_PIXELS:,} pixels in all, {path} has more",
        fix="convert it with ffmpeg to a video",
    )


def _animated(content: bytes, path: Path) -> list[NDArray[np.uint8]]:
    """Return the pictures of an animated image. Raises InputError for more than fit into memory."""
    pictures: list[NDArray[np.uint8]] = []
    height, width = size_hw(content) or (1, 1)
    at_once = MAX_PIXELS // (4 * height * width)  # OpenCV holds the bytes of one call to its limit of pixels
    while at_once:
        try:
            done, animation = cv2.imdecodeanimation(np.frombuffer(content, np.uint8), len(pictures), at_once)
        except cv2.error:
            break
        found = animation.frames if done else ()
        pictures += [np.ascontiguousarray(picture[..., :3], np.uint8) for picture in found]
        if len(found) < at_once:
            return pictures
        if len(pictures) * height * width > MAX_ANIMATION_PIXELS:
            break
    if at_once == 0 or len(pictures) * height * width > MAX_ANIMATION_PIXELS:
        raise _too_many_pixels(path)
    return pictures


def _check(content: bytes, name: str) -> None:
    check_pixels(content, name)
    if missing := missing_part(content):
        raise VideoError(f"{name} is cut off ({missing})", fix="copy it again")


def _image_bytes(path: Path) -> bytes:
    size = readable(path, "image").stat().st_size
    if size > MAX_FILE_BYTES:
        raise InputError(f"an image has at most {MAX_FILE_BYTES:,} bytes, {path} has {size:,}", fix="convert it")
    return path.read_bytes()


class VideoFile(CapturedSource):
    """A video file, every frame of it."""

    live = False

    def __init__(self, path: Path) -> None:
        """Raises InputError or VideoError for what is no video."""
        self._path = path
        super().__init__(str(readable(path, "video or image")))
        count = self._capture.get(cv2.CAP_PROP_FRAME_COUNT) - self._frames_before_the_first()
        # Without a rate the count is a guess from the length.
        self.frame_count = int(count) if count > 0 and self.fps else None
        self._codec = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        self.close()  # a thousand files may be opened before the first is read

    def _frames_before_the_first(self) -> float:
        """Return how many frames the header counts before the first one: Matroska and FLV count from time 0.

        A recorder that cuts its stream into files may begin each file at the time where the last one ended.
        """
        with self._path.open("rb") as file:
            from_zero = file.read(4).startswith((b"\x1a\x45\xdf\xa3", b"FLV"))
        if not from_zero or not hasattr(cv2, "CAP_PROP_PTS") or not self._capture.grab():
            return 0.0
        return max(0.0, self._capture.get(cv2.CAP_PROP_PTS))

    def why_fewer(self) -> str:
        if count_frames(self._path) >= (self.frame_count or 0):
            return "its edit list hides the others, or they are damaged"
        return super().why_fewer()

    def open_capture(self) -> cv2.VideoCapture:
        try:
            with self._path.open("rb"), opencv_name(self._path) as name:
                # One decoding thread beside the workers: more of them only queue for the same cores.
                capture = cv2.VideoCapture(name, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
                if not capture.isOpened():
                    capture = cv2.VideoCapture(name)
        except OSError as error:
            few = error.errno in (errno.EMFILE, errno.ENFILE)
            fix = "raise the limit: ulimit -n 4096" if few else "see its permissions"
            raise VideoError(f"cannot open {self._path}: {error.strerror}", fix=fix) from error
        if not capture.isOpened():
            with self._path.open("rb") as file:
                known = unreadable_kind(file.read(256))
            if known:
                raise VideoError(f"{self._path} is no video: {known[0]}", fix=known[1])
            raise VideoError(
                f"{self._path} is not a video that OpenCV can read, or is cut off",
                fix="convert it with ffmpeg, or copy it again",
            )
        return capture

    def frames(self) -> Iterator[Frame]:
        """Yield frames to the end. Raises VideoError when there is not one."""
        found = False
        target = str(self._path.absolute())
        for frame in when_converted(super().frames(), Address("path", target, self.name)):
            found = True
            if frame.media_time is None:  # of the program ffmpeg
                frame = replace(frame, media_time=frame.index / (self.fps or USUAL_FPS))
            yield frame
        if not found:
            raise no_frame(self.name, self._codec)


def no_frame(name: str, fourcc: int) -> VideoError:
    """Return the error for a video that opens and gives nothing, with its codec where the header names one."""
    codec = (fourcc & 0xFFFFFFFF).to_bytes(4, "little").decode("latin1").strip("\0 ")
    if not codec.isalnum():
        return VideoError(f"{name} opens but holds no frame", fix="record or convert it again")
    return VideoError(
        f"{name} opens but gives no frame: this OpenCV does not decode its codec {codec}, or it holds none",
        fix=f"convert it: ffmpeg -i {name} -c:v libx264 converted.mp4",
    )
