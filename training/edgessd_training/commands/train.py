"""``edgessd train``: a recipe and labelled images become a checkpoint."""

from pathlib import Path

import typer


def train(
    recipe: str = typer.Argument(..., help="A recipe's TOML file, or the name of a shipped one."),
    data: str = typer.Option(
        ..., "--data", help="Images to train on: voc:ROOT@SPLIT, coco:ANNOTATIONS.json@IMAGES or yolo:DATA.yaml@SPLIT."
    ),
    val: str = typer.Option(..., "--val", help="Images to judge on; best.pt is the best on these."),
    out: Path = typer.Option(..., "--out", help="The run's folder: checkpoints, state, CSV, plots, TensorBoard."),
    resume: bool = typer.Option(False, "--resume", help="Go on with the run in --out where it was stopped or killed."),
    set_: list[str] = typer.Option(
        [], "--set", metavar="KEY=VALUE", help="Change a key of the recipe, such as optimizer.lr=0.01; repeatable."
    ),
) -> None:
    """Train a detector. The run's folder then holds best.pt and last.pt, ready for `edgessd export`."""
    from edgessd.util.extras import need

    need("torch", "train")
    need("lightning_fabric", "train")
    from edgessd_training.recipe_file import read_recipe, recipe_path
    from edgessd_training.run.hardware import bf16_is_fast, runs_on_cpu
    from edgessd_training.run.train import train as train_run

    path = recipe_path(recipe)
    chosen = read_recipe(path, set_)
    if chosen.hardware.precision == "bf16" and runs_on_cpu(chosen.hardware) and not bf16_is_fast("cpu"):
        typer.echo(
            "warning: this CPU imitates bf16, which takes some 15 times as long as fp32: "
            "--set hardware.precision=auto, which takes bf16 where it is fast",
            err=True,
        )
    folder = train_run(chosen, data, val, out, resume=resume, folders=(Path(), path.parent))
    typer.echo(f"trained: {folder.best} is the best on {val}; next: edgessd export {folder.best} --out model.onnx")
