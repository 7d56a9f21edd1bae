"""``edgessd bench``: the product's own pipeline, measured."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edgessd.commands.options import Backend, GpuResize, Json, Score, Workers

if TYPE_CHECKING:
    from edgessd.bench import Measurement
    from edgessd.detector import Detector


def bench(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a shipped model.")] = "default",
    source: Annotated[
        str | None, typer.Argument(help="Video, image folder or camera.", show_default="generated 720p frames")
    ] = None,
    backend: Backend = "auto",
    frames: Annotated[int, typer.Option(min=10, help="Frames to measure; a shorter source is played again.")] = 500,
    pace: Annotated[
        float | None,
        typer.Option(min=1, max=1000, help="Play the source as a camera of this many FPS.", show_default="no"),
    ] = None,
    score: Score = 0.3,
    workers: Workers = None,
    gpu_resize: GpuResize = False,
    json_file: Json = None,
) -> None:
    """Measure stages, FPS, CPU time, frame age and memory on this machine, beside what its cores allow."""
    from edgessd.bench import Synthetic, measure
    from edgessd.detector import Detector
    from edgessd.files import writable, write_text
    from edgessd.postprocess import PostProcess
    from edgessd.runner import default_workers, stop_on_signals
    from edgessd.sources import Repeated, open_source

    if json_file is not None:
        writable(json_file)
    played = Repeated(open_source(source) if source else Synthetic(), pace)
    count = workers or default_workers([played])
    settings = PostProcess(score=score)
    with (
        stop_on_signals(),
        Detector(model, backend=backend, settings=settings, workers=count, gpu_resize=gpu_resize) as detector,
    ):
        measurement = measure(played, detector, frames=frames, workers=count)
        figures = measurement.as_json(detector)
    _print(measurement, detector, figures)
    if json_file is not None:
        write_text(json_file, json.dumps(figures, indent=1) + "\n")


def _print(measurement: "Measurement", detector: "Detector", figures: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    from edgessd.board.words import board_lines

    console = Console(highlight=False, soft_wrap=True)
    machine = figures["machine"]
    console.print(f"{detector.card.name} {detector.card.precision}, {detector.backend.name}, {measurement.source}")
    console.print(f"{machine['cpu']}, {machine['cores']} cores, {measurement.workers} workers")
    table = Table("stage", "p50 ms", "p90 ms", "p99 ms", box=None, pad_edge=False)
    for stage, values in {**figures["stages"], "frame age": figures["frame_age_ms"]}.items():
        table.add_row(stage.replace("_", "-"), *(f"{values[name]:.3f}" for name in ("p50", "p90", "p99")))
    console.print(table)
    share = measurement.fps / measurement.limit_fps
    console.print(f"{measurement.fps:.1f} FPS end to end, {measurement.frames} frames, {measurement.dropped} dropped")
    console.print(
        f"{figures['cpu_ms_per_frame']:.2f} ms CPU a frame: the cores allow {measurement.limit_fps:.1f} FPS, "
        f"{share:.0%} reached" + (" (the camera's pace is the limit)" if measurement.live else "")
    )
    growth = figures["rss_growth_mb"]
    settled = "" if growth is None else f", {growth:+.2f} MB after the first 1000 frames"
    console.print(f"{measurement.rss_mb:.0f} MB resident{settled}")
    for line in board_lines(measurement.board, measurement.fps_per_watt):
        console.print(line)
