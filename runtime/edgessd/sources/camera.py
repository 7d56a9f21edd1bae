"""A camera of this machine: by its number, or by its path with size, rate and pixel format asked for."""

from pathlib import Path

import cv2

from edgessd.device.permissions import group_of, usable
from edgessd.errors import InputError
from edgessd.sources.address import Address
from edgessd.sources.capture import CapturedSource
from edgessd.sources.fault import Reason, SourceFault

_READ_MILLISECONDS = 5000


class Camera(CapturedSource):
    """A camera through OpenCV. What was asked of it is granted or refused, never quietly altered."""

    def __init__(self, address: Address) -> None:
        """Raises SourceFault when the camera is absent, busy, or has not what was asked for; InputError."""
        self._address = address
        super().__init__(address.name)

    def open_capture(self) -> cv2.VideoCapture:
        address = self._address
        target = int(address.target) if address.target.isdecimal() else address.target
        fourcc = address.options.get("fourcc")
        if fourcc is not None and len(fourcc) != 4:
            raise InputError(str(self.name), fix=f"fourcc must be four characters such as MJPG or YUYV, got {fourcc!r}")
        wanted = {
            cv2.CAP_PROP_FOURCC: cv2.VideoWriter.fourcc(*fourcc) if fourcc else None,  # first: sizes depend on it
            cv2.CAP_PROP_FRAME_WIDTH: address.number("width"),
            cv2.CAP_PROP_FRAME_HEIGHT: address.number("height"),
            cv2.CAP_PROP_FPS: address.number("fps"),
        }
        settings = {key: value for key, value in wanted.items() if value is not None}
        if isinstance(target, str) or settings:
            capture = cv2.VideoCapture(target, cv2.CAP_V4L2)
        else:
            capture = cv2.VideoCapture(target)
        if not capture.isOpened():
            capture.release()
            device = f"/dev/video{target}" if isinstance(target, int) else target
            raise why_closed(Path(device)).within(f"cannot open camera {self.name}")
        capture.set(cv2.CAP_PROP_READ_TIMEOUT_MSEC, _READ_MILLISECONDS)
        for key, value in settings.items():
            capture.set(key, value)
        for key, value in settings.items():
            granted = capture.get(key)
            if round(granted) != value:
                capture.release()
                raise SourceFault(Reason.REFUSED_SETTINGS, _refusal(self.name, key, value, granted))
        return capture


def why_closed(device: Path) -> SourceFault:
    """Return why a camera's device cannot be opened, and the next command."""
    if not device.exists():
        there = ", ".join(sorted(str(path) for path in device.parent.glob("video*"))) or "none"
        command = "v4l2-ctl --list-devices"
        cause = f"there is no {device} (there: {there})"
        fix = f"plug the camera in and see `{command}`, in a container add --device {device}"
    elif not usable(device):
        command = f"sudo usermod -aG {group_of(device)} $USER"
        cause, fix = f"this user may not use {device}", f"`{command}`, then log in again"
    else:
        command = f"fuser -v {device}"
        cause, fix = f"{device} is busy or gives no video", f"`{command}` names the program that uses it"
    return SourceFault(Reason.NOT_FOUND, cause, fix=fix, command=command)


def _refusal(name: str, key: int, wanted: int, granted: float) -> str:
    words = {cv2.CAP_PROP_FRAME_WIDTH: "width", cv2.CAP_PROP_FRAME_HEIGHT: "height", cv2.CAP_PROP_FPS: "fps"}
    if key == cv2.CAP_PROP_FOURCC:
        asked, given = (int(value).to_bytes(4, "little").decode("latin1") for value in (wanted, granted))
        return f"camera {name} has no pixel format {asked}, it gave {given!r}: see `v4l2-ctl --list-formats-ext`"
    return f"camera {name} has no {words[key]} {wanted}, it gave {granted:g}: see `v4l2-ctl --list-formats-ext`"
