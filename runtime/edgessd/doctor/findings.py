"""What the doctor knows to be wrong: each with an id that does not change, its cause, and the next command."""

from dataclasses import dataclass

from edgessd.errors import EdgessdError
from edgessd.util.text_enum import TextEnum


class Effect(TextEnum):
    """What ``edgessd run`` does about it.

    stops: it ends with exit code 2 and must not be started again as it is. retries: it goes on and keeps trying.
    slows: it runs, slower than it could. warns: it runs, and may fail later.
    """

    STOPS = "stops"
    RETRIES = "retries"
    SLOWS = "slows"
    WARNS = "warns"


@dataclass(frozen=True)
class Finding:
    """id: a key of KNOWN. command: what to run next."""

    id: str
    effect: Effect
    cause: str
    command: str

    @classmethod
    def of(cls, name: str, error: EdgessdError, otherwise: str, *, place: str = "") -> "Finding":
        """Return what an error stops. otherwise: the next command where the error names none."""
        placed = error.within(place) if place else error
        # What the command does not say stays in the cause.
        cause = placed.cause if error.command else str(placed)
        return cls(name, Effect.STOPS, cause, error.command or otherwise)


# The documentation's table of errors has these names.
KNOWN = {
    "opencv-shadows-jetpack": "pip's OpenCV without GStreamer hides JetPack's",
    "opencv-wants-numpy-1": "OpenCV was built for NumPy 1 and meets NumPy 2 (JetPack 6's does)",
    "cuda-library-missing": "TensorRT is there, but neither pycuda nor cuda-bindings loads",
    "device-access": "this user may not use a device of the board: the groups video and render",
    "camera-missing": "a configured camera has no device, or a CSI camera no daemon",
    "stream-unreachable": "a configured camera's host does not answer",
    "source-missing": "a configured file is not there",
    "broker-unreachable": "the configured MQTT broker does not answer",
    "sink-place": "a sink's file or folder cannot be written",
    "view-unusable": "the live page lacks a library or its password",
    "disk-full": "no room for a sink or an engine",
    "disk-nearly-full": "little room is left for engines",
    "memory-low": "little memory and swap for the first engine build",
    "power-mode": "the board is not in its fastest power mode",
    "clocks-free": "the clocks follow the load, so a benchmark varies",
    "throttled": "the board slows itself down now",
    "config-unchecked": "OpenCV does not load, so the configuration's sources could not be checked",
    "config-wrong": "the configuration cannot be used",
    "model-unusable": "the model's file or card cannot be used",
    "engine-damaged": "the engine is not the one its card describes",
    "engine-other-tensorrt": "the engine was built by another version of TensorRT",
    "engine-other-gpu": "the engine was built for another GPU, or another board",
}
