"""``edgessd bench``: the product's own pipeline, measured."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from edgessd.commands.options import Backend, GpuResize, Json, Score, Workers
from edgessd.util.console import say


def bench(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a shipped model.")] = "default",
    source: Annotated[
        str | None, typer.Argument(help="Video, image folder or camera.", show_default="generated 720p frames")
    ] = None,
    backend: Backend = "auto",
    frames: Annotated[
        int, typer.Option(metavar="N", min=10, help="Frames to measure; a shorter source is played again.")
    ] = 500,
    pace: Annotated[
        float | None,
        typer.Option(
            metavar="X", min=1, max=1000, help="Play the source as a camera of this many FPS.", show_default="no"
        ),
    ] = None,
    score: Score = None,
    workers: Workers = None,
    gpu_resize: GpuResize = False,
    json_file: Json = None,
    report: Annotated[
        Path | None,
        typer.Option(
            help="Write an acceptance report into this folder: report.md and report.json. "
            "It also measures a camera of 60 FPS and calls of 1 and 8 images.",
            show_default="none",
        ),
    ] = None,
    map_json: Annotated[
        Path | None,
        typer.Option(
            help="Accuracy for the report, from `edgessd eval MODEL --data DATA --json F`.", show_default="none"
        ),
    ] = None,
) -> None:
    """Measure stages, FPS, CPU time, frame age and memory on this machine, beside what its cores allow.

    On a Jetson also power, temperatures, clocks and throttling.
    """
    from edgessd.bench.acceptance import accept, write_report
    from edgessd.bench.acceptance.accuracy import read_accuracy
    from edgessd.bench.measure import Synthetic, measure
    from edgessd.detector import Detector
    from edgessd.errors import InputError
    from edgessd.model.postprocess import PostProcess
    from edgessd.model.shipped import model_path
    from edgessd.sources import Repeated, open_source
    from edgessd.streams.capacity import default_workers
    from edgessd.util.files import make_folder, writable, write_text
    from edgessd.util.overwrite import keep_apart

    path = model_path(model)
    if json_file is not None:
        writable(json_file)
    written = {"--report": report / "report.md", "--report's JSON": report / "report.json"} if report else {}
    keep_apart({"--json": json_file, **written}, [path, source, map_json])
    if map_json is not None and report is None:
        raise InputError("--map-json is for the report", fix="add --report FOLDER, or leave it out")
    accuracy = None if map_json is None else read_accuracy(map_json, path)
    if report is not None:
        make_folder(report)
    played = Repeated(open_source(source) if source else Synthetic(), pace)
    count = workers or default_workers(live=played.live)
    opened = partial(Detector, model, backend=backend, settings=PostProcess(score=score), gpu_resize=gpu_resize)
    if report is None:
        with opened(workers=count) as detector:
            figures = measure(played, detector, frames=frames, workers=count).as_json(detector)
    else:
        accepted = accept(played, lambda many: opened(workers=many), frames=frames, workers=count)
        accepted |= {} if accuracy is None else {"accuracy": accuracy}
        figures = {**accepted["pipeline"], "model": accepted["model"], "machine": accepted["machine"]}
        write_report(report, accepted)
    print_figures(figures)
    if report is not None:
        say(f"report: {report / 'report.md'}")
    if json_file is not None:
        write_text(json_file, json.dumps(figures, indent=1) + "\n")


def print_figures(figures: dict[str, Any]) -> None:
    """Print what ``bench --json`` holds."""
    from rich.table import Table

    from edgessd.device.format import board_lines
    from edgessd.util.console import PlainConsole

    console = PlainConsole()
    machine, model = figures["machine"], figures["model"]
    console.print(f"{model['name']} {model['precision']}, {model['backend']}, {figures['source']}")
    console.print(f"{machine.get('board', machine['cpu'])}, {machine['cores']} cores, {figures['workers']} workers")
    table = Table("stage", "p50 ms", "p90 ms", "p99 ms", box=None, pad_edge=False)
    for stage, values in {**figures["stages"], "frame age": figures["frame_age_ms"]}.items():
        table.add_row(stage.replace("_", "-"), *(f"{values[name]:.3f}" for name in ("p50", "p90", "p99")))
    console.print(table)
    fps, limit = figures["fps"], figures["limit_fps"]
    console.print(f"{fps:.1f} FPS end to end, {figures['frames']} frames, {figures['dropped']} dropped")
    console.print(
        f"{figures['cpu_ms_per_frame']:.2f} ms CPU a frame: the cores allow {limit:.1f} FPS, "
        f"{fps / limit:.0%} reached" + (" (the camera's pace is the limit)" if figures["live"] else "")
    )
    growth = figures["rss_growth_mb"]
    settled = "" if growth is None else f", {growth:+.2f} MB after the first 1000 frames"
    console.print(f"{figures['rss_mb']:.0f} MB resident{settled}")
    for line in board_lines(figures.get("board", {}), figures.get("fps_per_watt")):
        console.print(line)
