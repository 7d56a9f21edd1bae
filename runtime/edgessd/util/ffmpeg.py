"""What the program ffmpeg is told differently by its versions."""

import re
import subprocess
from functools import cache


@cache
def frame_timing(mode: str) -> tuple[str, str]:
    """Return the option that keeps ffmpeg from repeating frames for an even rate; it was renamed in 5.1.

    mode: passthrough, every frame once; vfr, at its own time.
    """
    try:
        said = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True, check=False).stdout
    except OSError:
        said = ""  # it is not installed; whoever runs it tells
    found = re.match(r"ffmpeg version n?(\d+)\.(\d+)", said)
    old = found is not None and (int(found[1]), int(found[2])) < (5, 1)
    return ("-vsync" if old else "-fps_mode", mode)
