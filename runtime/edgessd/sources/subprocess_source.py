"""Frames from another program, ffmpeg or gst-launch, over a pipe: for decoders and cameras OpenCV cannot reach."""

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import cv2

from edgessd.errors import InputError
from edgessd.sources.address import Address
from edgessd.sources.capture import CapturedSource
from edgessd.sources.fault import Reason, SourceFault
from edgessd.sources.frame import Choose, Frame, Source
from edgessd.sources.y4m import y4m_frames
from edgessd.util.child_memory import bound_memory
from edgessd.util.cores import usable_cores
from edgessd.util.ffmpeg import frame_timing, version
from edgessd.util.suggestions import did_you_mean

_COMPLAINT_CHARACTERS = 300
# ffmpeg and GStreamer buffer a picture that never ends until the machine has no memory left. GStreamer has a decoding
# thread a core: 4K HEVC of 10 bits takes 264 MB with one and 758 MB with 16; 8K takes 1.0 GB, which is left to OpenCV.
_MOST_MEMORY = (512 + 64 * usable_cores()) << 20  # bytes
_SCRIPTS_TAKE_OPTIONS = (5, 0)  # of ffmpeg
_TRANSPORTS = ("tcp", "udp", "udp_multicast", "http", "https")
_PROTOCOLS = "pipe,fd,file,crypto,data,rtsp,rtsps,rtp,srtp,udp,tcp,tls,http,https,httpproxy,hls,srt,rtmp,rtmps"
ARGUS_SOCKET = Path("/tmp/argus_socket")  # of nvargus-daemon, through which nvarguscamerasrc reaches a camera
ARGUS_COMMAND = "sudo systemctl restart nvargus-daemon"


class Program(Source):
    """A program that writes YUV4MPEG2 to its standard output; when it hangs, ``interrupt`` kills it."""

    live = True
    choose: Choose | None = None

    def __init__(self, address: Address, command: list[str], script: str = "") -> None:
        """script: what it reads from its standard input, where no other user sees it."""
        self.name = address.name
        self._address = address
        self._command = command
        self._script = script.encode(errors="surrogateescape")
        self._process: subprocess.Popen[bytes] | None = None

    def frames(self) -> Iterator[Frame]:
        """Yield frames until the program ends. Raises SourceFault with its complaint when it gave none."""
        with tempfile.TemporaryFile() as complaints:
            process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, bufsize=1 << 20
            )
            self._process = process
            too_large = bound_memory(process, _MOST_MEMORY)
            assert process.stdin is not None
            assert process.stdout is not None
            with suppress(BrokenPipeError), process.stdin as told:
                told.write(self._script)
            found = False
            try:
                for frame in y4m_frames(process.stdout.read, self.name, choose=self.choose):
                    found = True
                    yield frame
            except SourceFault as fault:
                if fault.reason != "ended":
                    raise
            finally:
                process.kill()
                process.wait()
                process.stdout.close()
            if too_large.is_set():
                cause = f"{self.name} made {self._command[0]} take over {_MOST_MEMORY >> 20} MiB of memory"
                raise SourceFault(
                    Reason.NOT_A_STREAM,
                    cause,
                    fix="check what it sends; OpenCV reads videos larger than 4K (without via=ffmpeg)",
                )
            if not found:
                complaints.seek(0)
                raise self._fault(complaints.read(1 << 16).decode(errors="replace"))

    def _fault(self, complaints: str) -> SourceFault:
        lines = [line.strip() for line in complaints.splitlines() if line.strip()]
        # The cause comes first; what follows from it, later.
        wrong = [line for line in lines if "error" in line.lower() or "401" in line or "404" in line] or lines
        said = self._address.redact(wrong[0] if wrong else "it said nothing")[:_COMPLAINT_CHARACTERS]
        marks = {
            "401": Reason.AUTHENTICATION,
            "nauthorized": Reason.AUTHENTICATION,
            "404": Reason.NOT_FOUND,
            "efused": Reason.REFUSED,
        }
        reason = next((reason for mark, reason in marks.items() if mark in complaints), Reason.NOT_A_STREAM)
        return SourceFault(reason, f"{self.name} gave no frame", fix=f"{self._command[0]} says {said!r}")

    def interrupt(self) -> None:
        if self._process is not None:
            self._process.kill()

    close = interrupt


class OpenCvPipeline(CapturedSource):
    """A GStreamer pipeline inside OpenCV, where it was built with GStreamer (JetPack's is)."""

    def __init__(self, address: Address, pipeline: str) -> None:
        """Raises SourceFault when the pipeline does not start."""
        self._pipeline = pipeline
        super().__init__(address.name)

    def open_capture(self) -> cv2.VideoCapture:
        capture = cv2.VideoCapture(self._pipeline, cv2.CAP_GSTREAMER)
        if not capture.isOpened():
            capture.release()
            raise SourceFault(Reason.NOT_A_STREAM, f"{self.name} does not start", fix="try it with gst-launch-1.0")
        return capture


def open_pipeline(address: Address) -> "Program | OpenCvPipeline":
    """Return a GStreamer pipeline's frames, inside OpenCV or by gst-launch. Raises SourceFault."""
    if _opencv_has_gstreamer():
        sink = "videoconvert ! video/x-raw,format=BGR ! appsink drop=true max-buffers=1 sync=false"
        return OpenCvPipeline(address, f"{address.target} ! {sink}")
    _need(address, "gst-launch-1.0", "gstreamer1.0-tools gstreamer1.0-plugins-good")
    return Program(address, gst_command(address.target))


def open_csi(address: Address) -> "Program | OpenCvPipeline":
    """Return the frames of a Jetson's CSI camera. Raises SourceFault, InputError."""
    if not ARGUS_SOCKET.exists():
        raise SourceFault(
            Reason.NOT_FOUND,
            f"{address.name} needs a Jetson's camera daemon, and {ARGUS_SOCKET} is absent",
            fix=f"{ARGUS_COMMAND}, in a container add -v {ARGUS_SOCKET}:{ARGUS_SOCKET}",
        )
    return open_pipeline(Address("gst", csi_pipeline(address), address.name))


def csi_pipeline(address: Address) -> str:
    """Return the pipeline of a CSI camera: 1280x720 at 30 FPS where nothing else is asked."""
    width, height, fps = (
        address.number(key) or known for key, known in (("width", 1280), ("height", 720), ("fps", 30))
    )
    flip = address.options.get("flip", "0")
    caps = f"video/x-raw(memory:NVMM),width={width},height={height},framerate={fps}/1"
    return (
        f"nvarguscamerasrc sensor-id={address.target} ! {caps} ! nvvidconv flip-method={flip} ! video/x-raw,format=I420"
    )


def open_ffmpeg(address: Address) -> Program:
    """Return the frames that the program ffmpeg decodes, in hardware where ``hwaccel`` names it. Raises SourceFault."""
    _need(address, "ffmpeg", "ffmpeg")
    return Program(address, *ffmpeg_command(address, version()))


def ffmpeg_command(address: Address, of_version: tuple[int, int]) -> tuple[list[str], str]:
    """Return ffmpeg's command line, and what it reads from standard input: one decoding thread, every frame once.

    A command line is seen by every user of the machine: an address with secrets goes in by a script, which takes the
    options of its input from version 5.0 on. Raises InputError for a transport that is none.
    """
    command = ["ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error"]
    if "hwaccel" in address.options:
        command += ["-hwaccel", address.options["hwaccel"]]
    options = {}
    if address.kind == "rtsp":
        # What was buffered to tell the codec is of no use, and old.
        options = {"fflags": "nobuffer", "analyzeduration": "500000"}
        transport = address.options.get("transport", "tcp")
        if transport not in _TRANSPORTS:
            raise InputError(f"{address.name} has no transport {transport!r}", fix=did_you_mean(transport, _TRANSPORTS))
        options["rtsp_transport"] = transport
    script = ""
    if address.kind == "path" or address.target == address.name or of_version < _SCRIPTS_TAKE_OPTIONS:
        command += [word for key, value in options.items() for word in (f"-{key}", value)]
        place = address.target
    else:
        quoted = address.target.replace("'", r"'\''")
        lines = ["ffconcat version 1.0", f"file '{quoted}'", *(f"option {key} {options[key]}" for key in options)]
        script, place = "\n".join(lines) + "\n", "pipe:0"
        command += ["-f", "concat", "-safe", "0", "-protocol_whitelist", _PROTOCOLS]
    command += ["-threads", "1", "-i", place, "-an", *frame_timing("passthrough"), "-pix_fmt", "yuv420p"]
    return [*command, "-strict", "-1", "-f", "yuv4mpegpipe", "pipe:1"], script


def gst_command(pipeline: str) -> list[str]:
    """Return gst-launch's command line; no shell sees the pipeline."""
    tail = "! videoconvert ! video/x-raw,format=I420 ! y4menc ! fdsink fd=1"
    return ["gst-launch-1.0", "-q", *shlex.split(f"{pipeline} {tail}")]


def _opencv_has_gstreamer() -> bool:
    registry = cv2.videoio_registry
    return cv2.CAP_GSTREAMER in registry.getBackends() and registry.hasBackend(cv2.CAP_GSTREAMER)


def _need(address: Address, program: str, packages: str) -> None:
    if shutil.which(program) is None:
        cause = f"{address.name} needs {program}, which is not installed"
        raise SourceFault(Reason.NOT_FOUND, cause, fix=f"apt install {packages}")
