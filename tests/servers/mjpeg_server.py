"""An HTTP camera for the tests: numbered JPEG pictures as multipart/x-mixed-replace, and its misbehaviours.

Run as a process of its own, so that it can be killed and stopped. It prints ``ready`` when it listens.
"""

import argparse
import base64
import hashlib
import os
import sys
import time
from contextlib import suppress
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import numpy as np
from numbered import numbered_frame

sys.path.insert(0, str(Path(__file__).parents[1]))
from frames import blue_cell

OPTIONS = argparse.Namespace()
REALM, NONCE = "camera", "0123456789abcdef"


def _is_allowed(header: str, path: str) -> bool:
    if OPTIONS.password is None:
        return True
    if OPTIONS.digest:
        secret = hashlib.md5(f"{OPTIONS.user}:{REALM}:{OPTIONS.password}".encode()).hexdigest()
        request = hashlib.md5(f"GET:{path}".encode()).hexdigest()
        return hashlib.md5(f"{secret}:{NONCE}:{request}".encode()).hexdigest() in header
    return header == "Basic " + base64.b64encode(f"{OPTIONS.user}:{OPTIONS.password}".encode()).decode()


def _picture(number: int, *, bigger: bool) -> np.ndarray:
    """Return the picture of a number, or of the wall clock's milliseconds modulo 65536, or a blue cell that walks."""
    width, height = (256, 96) if bigger else map(int, OPTIONS.size.split("x"))
    if OPTIONS.blue:
        return blue_cell(1, number // 15 % 4, height=height, width=width)
    if not OPTIONS.clock:
        return numbered_frame(number, height=height, width=width)
    image = numbered_frame(round(time.time() * 1000) % 65536, height=height, width=width)
    image[: height // 2] = _scene(height // 2, width)
    return image


@cache
def _scene(height: int, width: int) -> np.ndarray:
    """Return a picture with as much detail as a real one."""
    photo = cv2.imread(OPTIONS.scene) if OPTIONS.scene else np.full((1, 1, 3), (0, 200, 0), np.uint8)
    return cv2.resize(photo, (width, height))


class Camera(BaseHTTPRequestHandler):
    """One connection."""

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Send pictures until told otherwise."""
        if not _is_allowed(self.headers.get("Authorization", ""), self.path):
            self.send_response(401)
            challenge = f'Digest realm="{REALM}", nonce="{NONCE}"' if OPTIONS.digest else f'Basic realm="{REALM}"'
            self.send_header("WWW-Authenticate", challenge)
            self.end_headers()
        elif self.path.startswith("/file"):
            content = Path(OPTIONS.file).read_bytes()
            self.send_response(200)
            self.send_header("Content-Type", OPTIONS.content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):  # the reader left
                self.wfile.write(content)
        elif self.path.startswith("/live"):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.end_headers()
            try:
                self._send_pictures()
            except OSError:
                return  # the reader left
        else:
            self.send_error(404)

    def _send_pictures(self) -> None:
        start = time.monotonic()
        number = 0
        while number != OPTIONS.frames:
            if OPTIONS.garbage:
                self.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + os.urandom(3000))
            else:
                bigger = OPTIONS.resize_after and number >= OPTIONS.resize_after
                image = _picture(number, bigger=bool(bigger))
                encoded = cv2.imencode(".jpg", image)[1].tobytes()
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(encoded)}\r\n\r\n"
                self.wfile.write(head.encode() + encoded + b"\r\n")
            number += 1
            if OPTIONS.fps:
                time.sleep(max(0.0, start + number / OPTIONS.fps - time.monotonic()))


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--fps", type=float, default=15, help="0: as fast as they are taken")
    parser.add_argument("--frames", type=int, default=-1, help="close the connection after so many")
    parser.add_argument("--resize-after", type=int, default=0)
    parser.add_argument("--size", default="128x48")
    parser.add_argument("--clock", action="store_true", help="the time in the picture instead of its number")
    parser.add_argument("--blue", action="store_true", help="what the tiny model finds, from left to right")
    parser.add_argument("--scene", help="an image for the upper half of such a picture")
    parser.add_argument("--garbage", action="store_true")
    parser.add_argument("--digest", action="store_true")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password")
    parser.add_argument("--file")
    parser.add_argument("--content-type", default="video/mp4")
    parser.parse_args(namespace=OPTIONS)
    server = ThreadingHTTPServer(("127.0.0.1", OPTIONS.port), Camera)
    server.daemon_threads = True
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
