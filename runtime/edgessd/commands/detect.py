"""``edgessd detect``: boxes on a video, images or a camera."""

import signal
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgessd.commands.options import Backend, Classes, GpuResize, Model, Score, Workers, split_labels
from edgessd.util.console import say

if TYPE_CHECKING:
    from edgessd.detector import Detector
    from edgessd.model.tiles import Tiles
    from edgessd.sources import Source
    from edgessd.streams import Policy, Sink


def detect(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...", help="Video, image, folder, camera (0, /dev/video0, csi://0), URL, gst:PIPELINE, or -."
        ),
    ],
    model: Model = "default",
    url: Annotated[
        str | None,
        typer.Option(
            metavar="triton://HOST[:PORT]/MODEL",
            help="A model that Triton serves, instead of --model.",
            show_default="none",
        ),
    ] = None,
    backend: Backend = "auto",
    out: Annotated[
        Path | None, typer.Option(help="Annotated video (.mp4 .mkv .avi), image, or folder.", show_default="none")
    ] = None,
    jsonl: Annotated[
        str | None, typer.Option(help="A JSON line a frame; - is standard output.", show_default="none")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show a window; q ends.")] = False,
    view: Annotated[bool, typer.Option("--view", help="Show it in the browser, at http://127.0.0.1:8080/.")] = False,
    view_at: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS:PORT", help="The same elsewhere.", show_default="127.0.0.1:8080"),
    ] = None,
    score: Score = None,
    classes: Classes = None,
    policy: Annotated[
        str | None,
        typer.Option(
            help="latest: newest frame, drops counted; every: none lost.", show_default="latest live, else every"
        ),
    ] = None,
    max_frames: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Stop after so many frames of a source.", show_default="all")
    ] = None,
    track: Annotated[bool, typer.Option("--track", help="Give boxes ids that stay from frame to frame.")] = False,
    interval: Annotated[
        str | None,
        typer.Option(
            metavar="N|auto", help="Detect in every N-th frame; tracks (--track) fill those between.", show_default="1"
        ),
    ] = None,
    motion: Annotated[
        bool, typer.Option("--motion", help="Detect only where something moves; tracks (--track) rest meanwhile.")
    ] = False,
    tiles: Annotated[
        str | None,
        typer.Option(
            metavar="NxM", help="Look at parts of each frame too: 2x2, 640x640 pixels, or motion.", show_default="none"
        ),
    ] = None,
    workers: Workers = None,
    gpu_resize: GpuResize = False,
) -> None:
    """Find objects in a video, images or a camera; write them as video, images or JSON lines."""
    from edgessd.backends.place import card_at, locate
    from edgessd.commands.outputs import check_one_size, check_outputs, open_view, view_settings
    from edgessd.detector import Detector
    from edgessd.errors import InputError
    from edgessd.model.postprocess import FAINT, PostProcess
    from edgessd.model.tiles import MOTION, tiles_named
    from edgessd.sinks import VIDEO_SUFFIXES
    from edgessd.sources import open_source
    from edgessd.streams.capacity import default_workers
    from edgessd.streams.frame_skipper import interval_named
    from edgessd.streams.policy import policy_named
    from edgessd.util.logs import log_to_stderr

    model = _served(model, url)
    place = locate(model)
    log_to_stderr("warning", as_json=False)
    check_outputs(sources, place if isinstance(place, Path) else None, out, jsonl)
    opened = [open_source(text) for text in sources]
    if len(opened) > 1 and any(source.live for source in opened):
        raise InputError(
            "a live source has no end, the next would never come", fix="write several to a file for `edgessd run`"
        )
    if out is not None and out.suffix.lower() in VIDEO_SUFFIXES:
        check_one_size(opened)
    settings_of_view = view_settings(view_at) if view or view_at else None
    wanted = policy_named(policy)
    apart = interval_named(interval) or 1
    parts = tiles_named(tiles)
    if (apart != 1 or motion) and not track:
        raise InputError("--interval and --motion leave frames to the tracks", fix="add --track")
    if parts == MOTION and not motion:
        raise InputError("--tiles motion looks where something moves", fix="add --motion --track")
    labels = split_labels(classes, card_at(place).labels if classes else ())
    settings = PostProcess(score=score, labels=labels, faint=FAINT if track else None)
    count = workers or default_workers(live=any(source.live for source in opened))
    with ExitStack() as stack:
        detector = stack.enter_context(
            Detector(model, backend=backend, settings=settings, workers=count, gpu_resize=gpu_resize)
        )
        sinks = _open_sinks(stack, opened, detector, out, jsonl, show=show)
        if settings_of_view is not None:
            sinks.append(open_view(stack, settings_of_view, detector.card.labels, [source.name for source in opened]))
        for source, text in zip(opened, sources, strict=True):
            reopen = partial(open_source, text)
            wants_more = _run(
                source,
                reopen,
                detector,
                sinks,
                policy=wanted,
                max_frames=max_frames,
                track=track,
                interval=apart,
                motion=motion,
                tiles=parts,
                workers=count,
            )
            if not wants_more:
                break


def _served(model: str, url: str | None) -> str:
    """Return what names the model: --url where it is given. Raises InputError for both or another URL."""
    from edgessd.backends.triton.address import triton_address
    from edgessd.errors import InputError

    if url is None:
        return model
    if model != "default":
        raise InputError("--model and --url both name a model", fix="leave one of them out")
    if triton_address(url) is None:
        raise InputError("--url is triton://HOST[:PORT]/MODEL", fix="a file is given by --model")
    return url


def _open_sinks(
    stack: ExitStack, sources: "list[Source]", detector: "Detector", out: Path | None, jsonl: str | None, *, show: bool
) -> "list[Sink]":
    from edgessd.errors import InputError
    from edgessd.sinks import VIDEO_SUFFIXES, ImageSink, JsonlSink, VideoSink, WindowSink
    from edgessd.sources import IMAGE_SUFFIXES, Images

    labels = detector.card.labels
    sinks: list[Sink] = []
    if out is not None:
        folder = out.is_dir() or not out.suffix  # a folder may have a dot in its name
        if not folder and out.suffix.lower() in VIDEO_SUFFIXES:
            sinks.append(VideoSink(out, labels, fps=sources[0].fps, live=sources[0].live))
        elif folder or out.suffix.lower() in IMAGE_SUFFIXES:
            one = len(sources) == 1 and isinstance(sources[0], Images) and sources[0].frame_count == 1
            if not folder and not one:
                raise InputError(f"{out} is one image, and the source has many frames", fix="give a folder or a video")
            sinks.append(ImageSink(out, labels))
        else:
            raise InputError(
                f"cannot write {out.name}", fix=f"a video ends in {', '.join(VIDEO_SUFFIXES)}, an image in .jpg or .png"
            )
    if jsonl is not None:
        sinks.append(JsonlSink(jsonl, labels, append=False))
    if show:
        sinks.append(WindowSink(labels))
    for sink in sinks:
        stack.callback(_close, sink)
    return sinks


def _close(sink: "Sink") -> None:
    from edgessd.sinks import VideoSink

    sink.close()
    if isinstance(sink, VideoSink):
        say(f"wrote {sink}", err=True)


def _run(
    source: "Source",
    reopen: "Callable[[], Source]",
    detector: "Detector",
    sinks: "list[Sink]",
    *,
    policy: "Policy | None",
    max_frames: int | None,
    track: bool,
    interval: int | str,
    motion: bool,
    tiles: "Tiles | str | None",
    workers: int,
) -> bool:
    """Run one source to its end, with a progress line; return whether its reader has not seen enough."""
    from edgessd.streams import Streams
    from edgessd.streams.sink import OverviewReader, SinkClosed
    from edgessd.util.exit import on_end_signals
    from edgessd.util.progress import frame_progress

    opened = [source]  # at first the source as it was opened to look at it, afterwards a new one
    total = min((count for count in (source.frame_count, max_frames) if count), default=None)
    seen: Counter[str] = Counter()
    with (
        Streams(detector, workers=workers, track=track) as streams,
        on_end_signals(streams.interrupt, signal.SIGINT),
        frame_progress(source.name, total) as progress,
    ):
        streams.add(
            source.name,
            lambda: opened.pop() if opened else reopen(),
            policy=policy,
            interval=interval,
            motion=motion,
            tiles=tiles,
            rename=False,
        )
        for sink in sinks:
            if isinstance(sink, OverviewReader):
                sink.watch(streams)
        try:
            for result in streams:
                for sink in sinks:
                    sink.write(result)
                seen.update(detector.card.labels[index] for index in result.detections.classes.tolist())
                progress.count()
                if progress.done == max_frames:
                    break
        except SinkClosed:
            return False
        finally:
            progress.summary(f"{streams.dropped} dropped, {_counts(seen)}")
    return True


def _counts(seen: Counter[str]) -> str:
    """Return how many boxes of each label were found, the most first."""
    return ", ".join(f"{label} {count}" for label, count in seen.most_common()) or "nothing found"
