"""Detections as a ROS 2 message, vision_msgs/Detection2DArray; where ROS 2 is missing, the same fields as JSON.

In a node: `publisher.publish(to_message(detection_array(found, labels, stamp, frame_id)))`.

python examples/ros2_message.py street.jpg camera_link
"""

import json
import sys
from typing import Any

import cv2

from edgessd import Detections, Detector


def detection_array(found: Detections, labels: tuple[str, ...], stamp: float, frame_id: str) -> dict[str, Any]:
    """Return the fields of vision_msgs/Detection2DArray; stamp: seconds since 1970."""
    header = {"stamp": {"sec": int(stamp), "nanosec": int(stamp % 1 * 1e9)}, "frame_id": frame_id}
    detections = []
    for row in found.as_json(labels):
        left, top, right, bottom = row["box"]
        centre = {"position": {"x": (left + right) / 2, "y": (top + bottom) / 2}, "theta": 0.0}
        detections.append(
            {
                "header": header,
                "results": [{"hypothesis": {"class_id": row["label"], "score": row["score"]}}],
                "bbox": {"center": centre, "size_x": right - left, "size_y": bottom - top},
            }
        )
    return {"header": header, "detections": detections}


def to_message(fields: dict[str, Any]) -> Any:
    """Return the message itself. Raises ImportError without ROS 2."""
    from rosidl_runtime_py import set_message_fields
    from vision_msgs.msg import Detection2DArray

    message = Detection2DArray()
    set_message_fields(message, fields)
    return message


if __name__ == "__main__":
    source, frame_id = sys.argv[1:]
    with Detector() as detector:
        found = detector.detect(cv2.imread(source))
    fields = detection_array(found, detector.card.labels, stamp=0.0, frame_id=frame_id)
    try:
        print(to_message(fields))
    except ImportError as error:
        print(f"no ROS 2 here ({error}): the message as JSON", file=sys.stderr)
        print(json.dumps(fields, indent=1))
