"""An RTSP camera for the tests: GStreamer's server with a test picture in H.264. It prints ``ready`` when it listens.

Needs the system's Python with gi and GstRtspServer (Debian: gir1.2-gst-rtsp-server-1.0, python3-gi).
"""

import argparse

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402


def main() -> None:
    """Serve rtsp://127.0.0.1:PORT/live until killed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--fps", type=int, default=15)
    parser.add_argument("--size", default="320x240")
    parser.add_argument("--frames", type=int, default=-1, help="end the stream after so many")
    parser.add_argument("--file", help="an H.264 MP4 instead of the test picture")
    parser.add_argument("--user", default="admin")
    parser.add_argument("--password")
    parser.add_argument("--digest", action="store_true")
    options = parser.parse_args()
    Gst.init(None)
    width, height = options.size.split("x")
    if options.file:
        picture = f"filesrc location={options.file} ! qtdemux ! h264parse config-interval=1"
    else:
        picture = (
            f"videotestsrc is-live=true pattern=ball num-buffers={options.frames} ! "
            f"video/x-raw,width={width},height={height},framerate={options.fps}/1 ! "
            f"x264enc tune=zerolatency speed-preset=ultrafast bitrate=800 key-int-max={options.fps}"
        )
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(options.port))
    factory = GstRtspServer.RTSPMediaFactory()
    factory.set_launch(f"( {picture} ! rtph264pay name=pay0 pt=96 config-interval=1 )")
    factory.set_shared(options.frames < 0 and not options.file)
    if options.password:
        auth = GstRtspServer.RTSPAuth()
        token = GstRtspServer.RTSPToken()
        token.set_string("media.factory.role", "user")
        if options.digest:
            auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
            auth.add_digest(options.user, options.password, token)
        else:
            auth.add_basic(GstRtspServer.RTSPAuth.make_basic(options.user, options.password), token)
        server.set_auth(auth)
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role("user", "media.factory.access", True)
        permissions.add_permission_for_role("user", "media.factory.construct", True)
        factory.set_permissions(permissions)
    server.get_mount_points().add_factory("/live", factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
