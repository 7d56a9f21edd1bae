"""``edgessd detect``: boxes on a video, images or a camera."""

from collections import Counter
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgessd.commands.options import Backend, Classes, GpuResize, Model, Score, Workers, split_labels

if TYPE_CHECKING:
    from edgessd.detector import Detector
    from edgessd.sources import Source
    from edgessd.streams import Sink


def detect(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Video, image, folder, camera (0, /dev/video0, csi://0), URL, gst:PIPELINE, or -."
        ),
    ],
    model: Model = "default",
    backend: Backend = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Annotated video (.mp4 .mkv .avi), image, or folder.", show_default="none")
    ] = None,
    jsonl: Annotated[
        str | None, typer.Option(help="A JSON line a frame; - is standard output.", show_default="none")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show a window; q ends.")] = False,
    score: Score = 0.3,
    classes: Classes = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="latest: newest frame, drops counted; every: none lost.", show_default="latest live, else every"
        ),
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(min=1, help="Stop after so many frames of a source.", show_default="all")
    ] = None,
    workers: Workers = None,
    gpu_resize: GpuResize = False,
) -> None:
    """Find objects in a video, images or a camera; write them as video, images or JSON lines."""
    from edgessd.commands.outputs import check_outputs
    from edgessd.detector import Detector
    from edgessd.errors import InputError
    from edgessd.model.postprocess import PostProcess
    from edgessd.sources import open_source
    from edgessd.streams.capacity import workers_for
    from edgessd.streams.lasting import lasting
    from edgessd.util.exit import stop_on_signals

    check_outputs(sources, out, jsonl)
    opened = [open_source(text) for text in sources]
    if len(opened) > 1 and any(source.live for source in opened):
        raise InputError(
            "a live source has no end, the next would never come", fix="write several to a file for `edgessd run`"
        )
    opened = [
        lasting(source, partial(open_source, text), policy=policy) for source, text in zip(opened, sources, strict=True)
    ]
    settings = PostProcess(score=score, labels=split_labels(classes))
    count = workers or workers_for(opened)
    with ExitStack() as stack:
        stack.enter_context(stop_on_signals())
        detector = stack.enter_context(
            Detector(model, backend=backend, settings=settings, workers=count, gpu_resize=gpu_resize)
        )
        sinks = _open_sinks(stack, opened, detector, out, jsonl, show=show)
        for source in opened:
            _run(source, detector, sinks, policy=policy, max_frames=max_frames, workers=count)


def _open_sinks(
    stack: ExitStack, sources: "list[Source]", detector: "Detector", out: Path | None, jsonl: str | None, *, show: bool
) -> "list[Sink]":
    from edgessd.errors import InputError
    from edgessd.sinks import CODECS, ImageSink, JsonlSink, VideoSink, WindowSink
    from edgessd.sources import IMAGE_SUFFIXES, Images

    labels = detector.card.labels
    sinks: list[Sink] = []
    if out is not None:
        if out.suffix.lower() in CODECS:
            sinks.append(VideoSink(out, labels, sources[0].fps))
        elif out.suffix and out.suffix.lower() not in IMAGE_SUFFIXES:
            raise InputError(
                f"cannot write {out.name}", fix=f"a video ends in {', '.join(CODECS)}, an image in .jpg or .png"
            )
        elif out.suffix and (len(sources) > 1 or not isinstance(sources[0], Images) or sources[0].frame_count != 1):
            raise InputError(f"{out} is one image, and the source has many frames", fix="give a folder or a video")
        else:
            sinks.append(ImageSink(out, labels))
    if jsonl is not None:
        sinks.append(JsonlSink(jsonl, labels))
    if show:
        sinks.append(WindowSink(labels))
    for sink in sinks:
        stack.callback(sink.close)
    return sinks


def _run(
    source: "Source",
    detector: "Detector",
    sinks: "list[Sink]",
    *,
    policy: str | None,
    max_frames: int | None,
    workers: int,
) -> None:
    """Run one source to its end, with a progress line, and print what was seen."""
    from edgessd.sinks import WindowClosed
    from edgessd.streams.pipeline import Pipeline
    from edgessd.util.progress import frame_progress

    total = min((count for count in (source.frame_count, max_frames) if count), default=None)
    policy = policy or ("latest" if source.live else "every")
    seen: Counter[str] = Counter()
    with (
        Pipeline(source, detector, workers=workers, policy=policy) as pipeline,
        frame_progress(source.name, total) as progress,
    ):
        try:
            for result in pipeline:
                for sink in sinks:
                    sink.write(result)
                seen.update(detector.card.labels[index] for index in result.detections.classes.tolist())
                progress.advance()
                if progress.frames == max_frames:
                    break
        except WindowClosed:
            total = None
        finally:
            dropped = pipeline.dropped + getattr(source, "dropped", 0)
            progress.summary(f"{dropped} dropped, {_counts(seen)}")
    # Headers may be off by some frames; a tenth is a file that was cut off.
    if total and policy == "every" and progress.frames < 0.9 * total:
        typer.echo(
            f"warning: {source.name} ended after {progress.frames} of {total} frames: it is cut off, copy it again",
            err=True,
        )


def _counts(seen: Counter[str]) -> str:
    """Return how many boxes of each label were found, the most first."""
    return ", ".join(f"{label} {count}" for label, count in seen.most_common()) or "nothing found"
