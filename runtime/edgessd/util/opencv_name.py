"""The name by which OpenCV opens a file."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def opencv_name(path: Path) -> Iterator[str]:
    """Yield a name of a file for OpenCV to open or create in this block. Raises OSError where there is no such place.

    FFmpeg takes what stands before a colon for a protocol. A name or a folder's name that is no UTF-8 ends the process
    in OpenCV: the open file or folder stands in its place.
    """
    name = str(path.absolute())
    if name.isprintable():
        yield name
        return
    inside = path.name.isprintable()
    descriptor = os.open(path.parent if inside else path, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{descriptor}" + (f"/{path.name}" if inside else "")
    finally:
        os.close(descriptor)
