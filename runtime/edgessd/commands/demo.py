"""``edgessd demo``: the shipped model on a clip made here; the quickest proof that an install works."""

from pathlib import Path
from typing import Annotated

import typer

from edgessd.commands.options import Backend, Model
from edgessd.util.console import say


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the clip, the annotated video and the snapshot.")] = Path(
        "edgessd-demo"
    ),
    model: Model = "default",
    backend: Backend = "auto",
    frames: Annotated[
        int, typer.Option(metavar="N", min=10, help="Frames of the clip; fewer for a slow machine.")
    ] = 360,
) -> None:
    """Run the shipped model on a clip of three photographs: annotated video, snapshot, measured FPS."""
    from edgessd.bench.demo import FRAMES, annotate, write_clip
    from edgessd.bench.measure import measure
    from edgessd.detector import Detector
    from edgessd.sinks.draw import draw
    from edgessd.sinks.images import write_image
    from edgessd.sources import Repeated, open_source
    from edgessd.streams.capacity import default_workers
    from edgessd.util.files import make_folder

    make_folder(out)
    clip = out / ("clip.mp4" if frames == FRAMES else f"clip-{frames}.mp4")
    annotated, snapshot = out / "annotated.mp4", out / "snapshot.jpg"
    if not clip.exists():
        write_clip(clip, frames)
    source = open_source(str(clip))
    workers = default_workers()
    with Detector(model, backend=backend, workers=workers) as detector:
        seen, best = annotate(source, detector, annotated, workers=workers)
        measured = measure(Repeated(source), detector, frames=frames, workers=workers)
    write_image(snapshot, draw(best.frame.image, best.detections, detector.card.labels))
    found = ", ".join(f"{label} in {count} frames" for label, count in seen.most_common()) or "nothing found"
    say(f"{detector.card.name} {detector.card.precision}, {detector.backend.name}: {found}")
    say(f"{measured.fps:.1f} FPS on the 1280x720 clip, decoding and detection, {workers} workers")
    say(f"{annotated}\n{snapshot}")
