"""What the program ffmpeg is told differently by its versions."""

import re
import subprocess
from functools import cache


def frame_timing(mode: str) -> tuple[str, str]:
    """Return the option that keeps ffmpeg from repeating frames for an even rate; it was renamed in 5.1.

    mode: passthrough, every frame once; vfr, at its own time.
    """
    return ("-vsync" if version() < (5, 1) else "-fps_mode", mode)


@cache
def version() -> tuple[int, int]:
    """Return ffmpeg's version; a build without a number is newer than any."""
    try:
        said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        said = ""  # it is not installed; whoever runs it tells
    found = re.match(r"ffmpeg version n?(\d{1,4})\.(\d{1,4})", said)
    return (int(found[1]), int(found[2])) if found else (9999, 0)
