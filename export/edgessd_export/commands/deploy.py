"""``edgessd deploy``: a trained network becomes a folder for one kind of machine."""

from pathlib import Path
from typing import Annotated

import typer


def deploy(
    what: Annotated[Path, typer.Argument(metavar="RUN|CKPT", help="The folder of a run, or a checkpoint (.pt).")],
    for_: Annotated[str, typer.Option("--for", help="cpu, jetson, rtx, triton or web.")] = "cpu",
    out: Annotated[Path | None, typer.Option(help="The folder to write.", show_default="RUN/deploy-FOR")] = None,
    precision: Annotated[
        str, typer.Option(help="auto (the best that passes), fp32, fp16 or int8: then that or nothing.")
    ] = "auto",
    calibration: Annotated[
        str | None, typer.Option(metavar="DATA", help="int8: images to calibrate on.", show_default="the run's own")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="int8: labelled images to judge by.", show_default="the same"),
    ] = None,
    max_map_drop: Annotated[float, typer.Option(min=0, max=1, help="How much mAP int8 may lose.")] = 0.01,
    no_build: Annotated[bool, typer.Option("--no-build", help="Write no TensorRT engine here.")] = False,
) -> None:
    """Export, quantise, gate and build in one go: a folder with the model, its card, streams.toml and the commands."""
    from edgessd.util.console import PlainConsole
    from edgessd.util.extras import need
    from edgessd_export.deploy.deploy import deploy as run
    from edgessd_export.deploy.deploy import source_of
    from edgessd_export.deploy.targets import target_for

    need("torch", "train,export")
    target, precisions = target_for(for_, precision)
    source = source_of(what, calibration, data)
    folder = out or source.path.parent / f"deploy-{for_}"
    console = PlainConsole()
    told = run(source, folder, target, precisions, max_map_drop, console.print, build=not no_build)
    for line in told:
        console.print(line)
    console.print(f"wrote {folder}; next: {folder / 'README.md'}")
