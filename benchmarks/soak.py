"""The soak test: thousands of frames over two cameras that end again and again, and what that leaves behind.

`python benchmarks/soak.py` takes 200,000 frames over 1,000 reconnections, half of them JPEG pictures over HTTP, half
H.264 through OpenCV's FFmpeg, from servers on this machine. It samples resident memory, threads and file descriptors
every second, prints the growth after the first tenth, and draws it. Needs ffmpeg, and matplotlib for the plot.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from servers.cameras import free_port, mjpeg_camera, process  # noqa: E402

from edgessd import Detector  # noqa: E402
from edgessd.bench.measure import rss_mb  # noqa: E402
from edgessd.sinks.records import JsonlSink  # noqa: E402
from edgessd.streams import (  # noqa: E402
    QueuedSink,
    Retry,
    Streams,
)

FRAMES_A_CONNECTION = 200
WARM_UP_SHARE = 0.1
MOST_GROWTH_MB = 5.0
RETRY = Retry(first_retry=0.02, longest_retry=0.05)


def main() -> None:
    """Run, print the figures as JSON, leave with 1 when something grew."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=200_000, help="frames in all (default: 200000)")
    parser.add_argument("--model", default=str(ROOT / "tests" / "runtime" / "tiny.onnx"))
    parser.add_argument("--plot", type=Path, help="draw the samples into this PNG")
    parser.add_argument("--json", type=Path, help="write samples and figures")
    parser.add_argument("--most-seconds", type=float, default=3600, help="stop after so long (default: 3600)")
    options = parser.parse_args()
    samples = soak(options.frames, options.model, options.most_seconds)
    figures = growth(samples)
    print(json.dumps(figures, indent=1))
    if options.json:
        options.json.write_text(json.dumps({"figures": figures, "samples": samples}))
    if options.plot:
        draw(samples, figures, options.plot)
    grown = figures["rss_growth_mb"] >= MOST_GROWTH_MB or figures["threads_growth"] > 2 or figures["files_growth"] > 2
    sys.exit(1 if grown else 0)


def soak(frames: int, model: str, most_seconds: float) -> list[dict[str, float]]:
    """Return a sample a second until so many frames were read."""
    samples: list[dict[str, float]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clip = folder / "clip.ts"
        pattern = f"testsrc2=size=320x240:rate=25:duration={FRAMES_A_CONNECTION / 25:g}"
        command = ["ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", pattern]
        subprocess.run([*command, "-c:v", "libx264", "-preset", "veryfast", str(clip)], check=True)
        pictures, video = free_port(), free_port()
        stack.enter_context(mjpeg_camera(pictures, "--fps", 0, "--frames", FRAMES_A_CONNECTION))
        server = ROOT / "tests" / "servers" / "tcp_server.py"
        stack.enter_context(process(sys.executable, server, "--port", video, "--file", clip))
        detector = stack.enter_context(Detector(model))
        sink = QueuedSink("jsonl", JsonlSink(folder / "o.jsonl", detector.card.labels, max_bytes=10**7, keep=1))
        streams = stack.enter_context(Streams(detector, [sink], retry=RETRY))
        streams.add("pictures", f"http://127.0.0.1:{pictures}/live", policy="every")
        streams.add("video", f"tcp://127.0.0.1:{video}", policy="every")
        start = time.monotonic()
        while True:
            time.sleep(1)
            statuses = streams.statuses()
            samples.append(
                {
                    "seconds": round(time.monotonic() - start, 1),
                    "frames": sum(status.frames for status in statuses),
                    "reconnects": sum(status.reconnects for status in statuses),
                    "rss_mb": rss_mb(),
                    "threads": threading.active_count(),
                    "files": len(list(Path("/proc/self/fd").iterdir())),
                }
            )
            if len(samples) % 30 == 0:
                print(json.dumps(samples[-1]), file=sys.stderr, flush=True)
            if samples[-1]["frames"] >= frames or samples[-1]["seconds"] >= most_seconds:
                return samples


def growth(samples: list[dict[str, float]]) -> dict[str, float]:
    """Return what grew from the end of the warm-up to the end: medians of ten samples."""
    settled = next(i for i, sample in enumerate(samples) if sample["frames"] >= WARM_UP_SHARE * samples[-1]["frames"])
    first, last = samples[settled : settled + 10], samples[-10:]

    def grown(key: str) -> float:
        return sorted(s[key] for s in last)[len(last) // 2] - sorted(s[key] for s in first)[len(first) // 2]

    return {
        **{key: samples[-1][key] for key in ("seconds", "frames", "reconnects", "rss_mb", "threads", "files")},
        "rss_growth_mb": round(grown("rss_mb"), 2),
        "threads_growth": grown("threads"),
        "files_growth": grown("files"),
    }


def draw(samples: list[dict[str, float]], figures: dict[str, float], path: Path) -> None:
    """Write the plot of memory, threads and files over the frames."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, (above, below) = pyplot.subplots(2, 1, sharex=True, figsize=(8, 5), height_ratios=(2, 1))
    frames = [sample["frames"] / 1000 for sample in samples]
    above.plot(frames, [sample["rss_mb"] for sample in samples], color="tab:blue")
    above.set_ylabel("resident memory, MB")
    above.set_ylim(0, max(sample["rss_mb"] for sample in samples) * 1.15)
    title = "{frames:,.0f} frames, {reconnects:,.0f} reconnections: {rss_growth_mb:+.1f} MB after the first tenth"
    above.set_title(title.format(**figures))
    below.plot(frames, [sample["threads"] for sample in samples], label="threads", color="tab:orange")
    below.plot(frames, [sample["files"] for sample in samples], label="open files", color="tab:green")
    below.set_ylim(0)
    below.set_xlabel("thousand frames")
    below.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
