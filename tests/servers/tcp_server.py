"""A stream for the tests: sends a file's bytes to everyone who connects, then closes. It prints ``ready``."""

import argparse
import socketserver
from pathlib import Path


def main() -> None:
    """Serve tcp://127.0.0.1:PORT until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--file", type=Path, required=True)
    options = parser.parse_args()
    content = options.file.read_bytes()

    class Sender(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            try:
                self.request.sendall(content)
            except OSError:
                return  # the reader left

    socketserver.ThreadingTCPServer.allow_reuse_address = True
    with socketserver.ThreadingTCPServer(("127.0.0.1", options.port), Sender) as server:
        server.daemon_threads = True
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
