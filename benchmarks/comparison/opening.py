"""From an entry to what runs it: the module of its family, loaded in the entry's own process."""

import numpy as np
from numpy.typing import NDArray

from comparison.entry import Entry, Opened


def open_entry(entry: Entry, frame: NDArray[np.uint8]) -> Opened:
    """Return the entry, loaded; frame: the first one, whose size all have.

    Raises what its library raises; ValueError for an unknown family.
    """
    match entry.family:
        case "edgessd":
            from comparison.ours import open_detector

            return open_detector(**entry.options)
        case "bare":
            from comparison.peers.bare import open_bare

            return open_bare(**entry.options)
        case "opencv":
            from comparison.peers.opencv_dnn import open_opencv

            return open_opencv(**entry.options)
        case "torch":
            from comparison.peers.torch_ssd import open_torch

            return open_torch(**entry.options)
        case "torchvision":
            from comparison.peers.torchvision_models import open_torchvision

            return open_torchvision(**entry.options, frame=frame)
        case "yolo2016":
            from comparison.peers.yolo_2016 import open_yolo

            return open_yolo(**entry.options)
        case "picodet":
            from comparison.peers.picodet_models import open_picodet

            return open_picodet(**entry.options)
        case "ultralytics":
            from comparison.peers.ultralytics_models import open_ultralytics

            return open_ultralytics(**entry.options)
        case "rate":
            from comparison.limits import open_rate

            return open_rate(**entry.options)
        case "yardstick":
            from comparison.limits import open_yardstick

            return open_yardstick()
        case family:
            raise ValueError(f"no module opens the family {family!r} of {entry.name}")
