"""``edgessd info``: a model's card and tensors, and the backend that ``auto`` takes."""

import json
from typing import Annotated

import typer


def info(
    model: Annotated[str, typer.Argument(help="A model file, or the name of a shipped model.")] = "default",
    as_json: Annotated[bool, typer.Option("--json", help="Print the whole card as JSON.")] = False,
) -> None:
    """Print what a model is: labels, input, priors, outputs, precision, metrics, and which backend runs it."""
    from edgessd.backends import choose
    from edgessd.backends.engine.file import check_engine_here
    from edgessd.backends.engine.report import describe_engine
    from edgessd.model.card import card_of
    from edgessd.model.shipped import model_path

    path = model_path(model)
    engine_rows: dict[str, str] = {}
    if path.suffix == ".engine":
        card, engine_rows = describe_engine(path)
    else:
        card = card_of(path)
    if as_json:
        typer.echo(json.dumps(card.as_json(), indent=1, ensure_ascii=False))
        return
    from edgessd.util.console import PlainConsole

    choice = choose(path, "auto", card)
    shapes = [f"{name} (B, {', '.join(map(str, card.output_shape(name)))})" for name in card.outputs]
    maps = ", ".join(f"{grid.height}x{grid.width}x{len(grid.shapes_wh)}" for grid in card.priors.maps)
    rows = {
        "model": f"{card.name} ({path}, {path.stat().st_size / 1e6:.1f} MB)",
        "input": f"image (B, {card.height}, {card.width}, 3) uint8 BGR",
        "outputs": f"{card.contract}: {'; '.join(shapes)}",
        "precision": card.precision,
        "scores": card.activation,
        "priors": f"{len(card.priors)} ({maps}), sha256 {card.priors.sha256[:12]}",
        "nms": f"IoU {card.nms_iou}, variances {card.variances.centre} {card.variances.size}",
        "labels": f"{len(card.labels)}: {', '.join(card.labels)}",
        "origin": card.origin or "not recorded",
        "licence": card.license or "not recorded",
        **{f"measured {name}": _measured(value) for name, value in card.metrics.items()},
        "self-test": f"tolerance {card.self_test['tolerance']}" if card.self_test else "none",
        "backend auto": f"{choice.name}: {choice.reason}",
        **engine_rows,
    }
    console = PlainConsole(soft_wrap=False)
    console.print_facts(rows)
    if engine_rows:
        console.print(f"here: {check_engine_here(card, path)}")  # raises, after the table, where it cannot run


def _measured(value: object) -> str:
    """Return a metric in short: its mean where it has one, else all of it."""
    return f"mAP {value['mAP']:.4f}" if isinstance(value, dict) and "mAP" in value else str(value)
