"""``edgessd card``: shows a model's card, and writes a copy of the model with another one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from edgessd.model.card import ModelCard


def card(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="A .onnx, .pt or .engine file, or the name of a shipped model.")
    ],
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", metavar="OLD=NEW", help="Give a label another name; repeatable."),
    ] = None,
    threshold: Annotated[
        list[str] | None,
        typer.Option(
            "--threshold",
            metavar="LABEL=SCORE",
            help="Show this class from this score on, or LABEL=default; names as they are after --rename. Repeatable.",
        ),
    ] = None,
    from_: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="OTHER.onnx",
            help="Put the card of this file onto MODEL, an ONNX file that lost it; only where both say the same.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(metavar="DATA", help="--from: compare on these images.", show_default="three photographs"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The file to write; MODEL itself stays as it is.", show_default=False)
    ] = None,
) -> None:
    """Show a model's card, or change its labels and thresholds by name, into a new file."""
    from edgessd.errors import InputError
    from edgessd.model.shipped import shipped
    from edgessd.util.console import say
    from edgessd.util.overwrite import keep_apart
    from edgessd_export.commands.names import named
    from edgessd_export.graph.card_changes import renamed, split_change, with_thresholds

    path = shipped().get(model) or Path(model)
    changed = bool(rename or threshold or from_)
    if data is not None and from_ is None:
        raise InputError("--data goes with --from", fix="leave it out")
    if changed and out is None:
        raise InputError("a changed card needs --out", fix="name a new file; the one that is read stays as it is")
    if out is not None and not changed:
        raise InputError("--out needs --rename, --threshold or --from", fix="leave it out to see the card")
    if out is None:
        _show(_read(path), path)
        return
    keep_apart({"--out": named(out, path.suffix, "this kind of model")}, [path, from_, data])
    if from_ is not None:
        if rename or threshold:
            raise InputError("--from comes alone", fix="put the card back first, then change it in a second step")
        _restore(path, from_, out, data)
        return
    before = _read(path)
    names = dict(split_change(text, before.labels, "OLD=NEW") for text in rename or ())
    after = renamed(before, names) if names else before
    after = with_thresholds(after, _scores(threshold or (), after.labels))
    _write(path, after, out)
    say(f"wrote {out}: {', '.join([*(f'{old} is {new}' for old, new in names.items()), *(threshold or ())])}")


def _scores(texts: "tuple[str, ...] | list[str]", labels: tuple[str, ...]) -> dict[str, float | None]:
    from edgessd.errors import InputError
    from edgessd_export.graph.card_changes import split_change

    found: dict[str, float | None] = {}
    for text in texts:
        label, value = split_change(text, labels, "LABEL=SCORE")
        try:
            found[label] = None if value == "default" else float(value)
        except ValueError:
            raise InputError(f"a score is a number from 0 to 1, got {value!r}", fix=f"{label}=0.5") from None
    return found


def _read(path: Path) -> "ModelCard":
    """Return the card of a model file of any kind. Raises InputError for another kind of file."""
    from edgessd.model.card import card_of
    from edgessd.util.files import readable

    if readable(path, "model file").suffix == ".pt":
        from edgessd.util.extras import need
        from edgessd_training.checkpoint import load_checkpoint

        need("torch", "train")
        return load_checkpoint(path).card
    if path.suffix == ".engine":
        from edgessd.backends.engine.file import open_engine

        return open_engine(path)
    return card_of(path)


def _write(path: Path, card: "ModelCard", out: Path) -> None:
    """Write a copy of a model with another card, whole or not at all."""
    from shutil import copyfile

    from edgessd.backends.engine.file import sealed
    from edgessd.model.card import METADATA_KEY, sidecar
    from edgessd.model.onnx_metadata import with_metadata
    from edgessd.util.files import replacing

    if path.suffix == ".pt":
        from edgessd_training.checkpoint import load_checkpoint, save_checkpoint

        checkpoint = load_checkpoint(path)
        save_checkpoint(out, checkpoint.network, checkpoint.description, card)
    elif path.suffix == ".engine":
        with replacing(out) as engine, replacing(sidecar(out)) as beside:
            copyfile(path, engine)
            beside.write_text(sealed(card).dumps() + "\n", encoding="utf-8")
    else:
        with replacing(out) as unfinished:
            unfinished.write_bytes(with_metadata(path, METADATA_KEY, card.dumps()))


def _restore(path: Path, source: Path, out: Path, data: str | None) -> None:
    import edgessd
    from edgessd.errors import InputError
    from edgessd.model.card import card_of
    from edgessd.util.console import say
    from edgessd_export.images import GATE_IMAGES, image_paths, inputs, spread
    from edgessd_export.parity.restore import restore_card

    for place in (path, source):
        if place.suffix != ".onnx":
            raise InputError(
                f"--from is for ONNX files, {place} is none", fix="checkpoints and engines keep their card"
            )
    card = card_of(source)
    photographs = image_paths(data or str(Path(edgessd.__file__).parent / "photos"))
    images = list(inputs(spread(photographs, GATE_IMAGES), card.height, card.width))
    restore_card(path, source, out, images)
    say(f"wrote {out}: the card of {source}, which says the same of {len(images)} images")


def _show(card: "ModelCard", path: Path) -> None:
    from rich.table import Table

    from edgessd.model.postprocess import SCORE
    from edgessd.util.console import PlainConsole

    console = PlainConsole(soft_wrap=False)
    console.print_facts(_facts(card, path))
    figures = {name: value["per_class"] for name, value in card.metrics.items() if _has_classes(value)}
    table = Table(box=None, pad_edge=False)
    for name in ("label", "shown from", *(f"AP {name}" for name in figures)):
        table.add_column(name, justify="left" if name == "label" else "right", overflow="fold")
    for label in card.labels:
        own = f"{card.thresholds[label]:g}" if label in card.thresholds else f"{SCORE:g} (default)"
        values = [values.get(label) for values in figures.values()]
        table.add_row(label, own, *(f"{value:.4f}" if isinstance(value, float) else "-" for value in values))
    console.print()
    console.print(table)


def _has_classes(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("per_class"), Mapping)


def _facts(card: "ModelCard", path: Path) -> dict[str, str]:
    facts = {
        "model": f"{card.name} ({path}, {path.stat().st_size / 1e6:.1f} MB)",
        "input": f"{card.height} x {card.width} pixels (height x width)",
        "answers": f"{card.contract}, {card.precision}, NMS at IoU {card.nms_iou:g}",
        "trained on": _data(card.training.get("data")),
        "renamed": _pairs(card.training.get("renamed")),
        "judged on": str(card.metrics.get("data", "")),
        **{f"mAP {name}": f"{value['mAP']:.4f}" for name, value in card.metrics.items() if _has_mean(value)},
        "quantised": ", ".join(f"{key} {value}" for key, value in card.quantisation.items() if value),
        "engine": f"{card.engine.get('module')} {card.engine.get('version')}" if card.engine else "",
        "origin": card.origin,
        "licence": card.license,
    }
    return {name: value for name, value in facts.items() if value}


def _has_mean(value: object) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("mAP"), float)


def _data(value: Any) -> str:
    if not isinstance(value, Mapping):
        return ""
    return f"{value.get('source')}: {value.get('images')} images, {value.get('boxes')} boxes"


def _pairs(value: Any) -> str:
    return ", ".join(f"{new} was {old}" for new, old in value.items()) if isinstance(value, Mapping) else ""
