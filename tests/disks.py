"""A small disk of a test's own, and how to fill it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

MEGABYTE = 1 << 20


@contextmanager
def disk_of_16_mb(place: Path) -> Iterator[Path]:
    """Yield a folder on a disk of 16 MB; skip the test where this user may not mount one."""
    place.mkdir()
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if mount is None or os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs root that may mount, to make a small disk")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill_up(path: Path) -> None:
    """Write until the disk refuses more. Raises OSError."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(MEGABYTE // 16))
