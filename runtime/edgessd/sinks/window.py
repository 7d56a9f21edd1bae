"""A window for the person at the screen."""

import os

import cv2

from edgessd.errors import InputError
from edgessd.sinks.draw import draw_result
from edgessd.streams.result import Result
from edgessd.streams.sink import Sink, SinkClosed


class WindowSink(Sink):
    """A window that shows the annotated frames; q or Esc ends the run."""

    TITLE = "edgessd"
    needs_image = True

    def __init__(self, labels: tuple[str, ...]) -> None:
        """Raises InputError where there is no screen: OpenCV would end the process."""
        if not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            raise InputError(
                "--show needs a screen and neither DISPLAY nor WAYLAND_DISPLAY is set", fix="use --out instead"
            )
        try:
            cv2.namedWindow(self.TITLE, cv2.WINDOW_NORMAL)
        except cv2.error as error:
            raise InputError(
                "this OpenCV was built without windows", fix="install opencv-python, or use --out"
            ) from error
        self._labels = labels

    def write(self, result: Result) -> None:
        """Show one frame. Raises SinkClosed when the person has seen enough."""
        cv2.imshow(self.TITLE, draw_result(result, self._labels))
        if cv2.waitKey(1) & 0xFF in (ord("q"), 27):
            raise SinkClosed

    def close(self) -> None:
        cv2.destroyAllWindows()
